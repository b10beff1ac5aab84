#!/bin/bash
# srun asks for its step before the nodes have taken the job. Where they never do, it waits for others and runs there once.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 2 --cpus 4
unset SLURM_JOB_ID SLURM_JOBID
ok "a step runs while all is well" srun -w n1 true
shepherd=$(pid_of nodes/n1/shepherd.pid)
scontrol update nodename=n2 state=drain reason=first
kill -STOP "$shepherd"
ON_EXIT='kill -CONT $shepherd; kill $run 2>/dev/null'
timeout 100 srun sh -c 'echo "on $SLURMD_NODENAME, told $SLURM_JOB_NODELIST"; exit 3' >out 2>err & run=$!
awarded() { [ "$(squeue -h -o %N)" = n1 ]; }
wait_until "it is given to a node that cannot take it" awarded
waits() { tender status --all --json | grep -q '"steps_waited": [1-9]'; }
wait_until "and its step waits there" waits
scontrol update nodename=n2 state=resume
kill -TERM "$shepherd"; kill -CONT "$shepherd" # it leaves, and takes nothing any more
wait "$run"
is "$?" 3 "it runs on another"
is "$(cat out)" "on n2, told n2" "once, with that one's names"
is "$(grep -c Unable err)" 0 "without a word of failure"
wait_until "nothing is left" queue_is_empty
done_testing
