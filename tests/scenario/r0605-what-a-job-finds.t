#!/bin/bash
# What a job finds at its start: the cluster, also without the submitter's environment; its output file when it is requeued.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2
id=$(sbatch --parsable --export=NONE -o env.out --wrap 'echo "$SLURM_CONF"')
wait_until "a job without an environment is over" job_is "$id" COMPLETED
is "$(cat env.out)" "$SLURM_CONF" "it was told where its cluster is"

run='echo "start $SLURM_RESTART_COUNT"; until [ -e go ]; do sleep 0.05; done'
fresh=$(submit --requeue -o fresh.out --wrap "$run")
more=$(submit --requeue --open-mode=append -o more.out --wrap "$run")
wait_until "both run" sh -c 'grep -q start fresh.out && grep -q start more.out'
scontrol requeue "$fresh,$more"
wait_until "both run again" sh -c 'grep -q "start 1" fresh.out && grep -q "start 1" more.out'
is "$(grep -c start fresh.out)" 1 "a requeued job's output is begun anew"
is "$(grep -c start more.out)" 2 "unless it says --open-mode=append"
touch go
wait_until "all is over" queue_is_empty
done_testing
