#!/bin/bash
# --gpus (-G) and --gpus-per-task over several nodes: what was asked for is held, shown and told to the job, and no more.
# Expected is what Slurm 22.05 does on the same nodes.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat > slurm.conf <<'CONF'
ClusterName=gpus
GresTypes=gpu
NodeName=n[1-3] CPUs=8 Gres=gpu:4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
cluster_up --conf slurm.conf
held() { scontrol show job -d "$1" | sed -n 's/.*Nodes=\([^ ]*\) .*GRES=gpu:\([a-zA-Z0-9]*:\)*\([0-9]*\)(IDX.*/\1=\3/p' | tr '\n' ' '; }
gives() { # gives WANT OPTIONS...
    want=$1; shift
    id=$(submit -o out.%j "$@" --wrap 'echo "gpus=$SLURM_GPUS nodes=$SLURM_NNODES tasks=$SLURM_NTASKS cuda=$CUDA_VISIBLE_DEVICES"; until [ -e go ]; do sleep 0.05; done')
    wait_until "$* runs" job_is "$id" RUNNING
    is "$(held "$id")" "$want" "$* holds"
}
gives "n1=4 n2=4 " -N 2 -G 8
like "$(scontrol show job "$id")" 'TRES=cpu=2,.*node=2,billing=2,gres/gpu=8$' "as tres"
like "$(scontrol show job "$id")" 'TresPerJob=gres:gpu:8$' "and as it was asked for"
wait_until "its output" grep -q '^gpus=8 nodes=2 tasks=2 cuda=0,1,2,3$' "out.$id"
wait=$(submit -o /dev/null -N 2 -G 6 --wrap true)
wait_until "the next waits" sh -c "squeue -h -j $wait -o '%t %r' | grep -q 'PD Resources'"
like "$(scontrol show job "$wait")" 'TRES=cpu=2,.*node=2,billing=2,gres/gpu=6$' "and shows what it wants"
touch go
wait_until "it ran" job_is "$wait" COMPLETED
rm go
gives "n1=4 n2=2 " -N 2 -G 6
touch go; wait_until "all is over" queue_is_empty; rm go
gives "n1=4 n2=2 " -G 6
touch go; wait_until "all is over" queue_is_empty; rm go
gives "n1=4 n2=2 " -n 3 --gpus-per-task=2
like "$(scontrol show job "$id")" 'NumNodes=2 NumCPUs=3 NumTasks=3' "three tasks"
touch go; wait_until "all is over" queue_is_empty; rm go
gives "n1=4 n2=4 " -G 8 --gpus-per-task=2
like "$(scontrol show job "$id")" 'NumNodes=2 NumCPUs=4 NumTasks=4' "the tasks follow"
touch go; wait_until "all is over" queue_is_empty
refused() { # refused PATTERN OPTIONS...
    pattern=$1; shift
    sbatch "$@" -o /dev/null --wrap true >out 2>err
    is "$?" 1 "$* is refused"
    like "$(cat err)" "$pattern" "in words"
}
refused 'gres/gpu are wanted, and 2 nodes hold at most 8' -N 2 -G 9
refused 'less than --nodes' -N 2 -G 1
refused 'do not agree with --ntasks' -G 8 --gpus-per-task=2 -n 3
is "$(tail -n 1 err)" "sbatch: error: Batch job submission failed: Invalid generic resource (gres) specification: --gpus=8 and --gpus-per-task=2 do not agree with --ntasks" "with Slurm's sentence first"
refused 'several models over several nodes is not supported yet' -N 2 -G a:2,b:2
done_testing
