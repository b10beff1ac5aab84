#!/bin/bash
# Cores of two threads are given whole: a node may have CPUs for more tasks than the job was told. The job's own count of
# tasks lands as SLURM_TASKS_PER_NODE says; who wants another layout says so.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 2 --topology 'synthetic:Package:2 NUMANode:1 Core:4 PU:2'
unset SLURM_JOB_ID SLURM_JOBID
where='srun "$@" sh -c "echo \$SLURMD_NODENAME" | sort | uniq -c | xargs'
inside() { salloc -Q -N2 -n4 sh -c "$1" sh; } # "3 n1 1 n2" and the like
is "$(inside 'echo "$SLURM_TASKS_PER_NODE"')" 3,1 "what the job is told"
is "$(inside "$where")" "3 n1 1 n2" "srun does it"
is "$(inside "set -- -n4; $where")" "3 n1 1 n2" "with -n too"
is "$(inside "set -- -N2 -n4; $where")" "3 n1 1 n2" "and with -N"
is "$(inside 'srun sh -c "echo \$SLURM_TASKS_PER_NODE" | sort -u')" 3,1 "its tasks are told the same"
is "$(inside "set -- -N1; $where")" "4 n1" "one node, if that is wished"
is "$(inside "set -- -n2; $where")" "1 n1 1 n2" "on the job's nodes, which SLURM_NNODES tells"
is "$(inside "SLURM_NNODES=1; set -- -n2; $where")" "2 n1" "or fewer"
is "$(salloc -Q -N2 -n4 srun -n1 true 2>&1)" "srun: warning: can't run 1 processes on 2 nodes, setting nnodes to 1" "fewer tasks than nodes take fewer"
is "$(inside "SRUN_CPUS_PER_TASK=2; export SRUN_CPUS_PER_TASK; set -- -n2 -N1; $where")" "2 n1" "CPUs of a task by SRUN_CPUS_PER_TASK"
is "$(SLURM_LABELIO=1 inside 'srun -N1 -n1 echo line')" "0: line" "srun's own variables count in an allocation, too"
is "$(inside "set -- -n6; $where")" "4 n1 2 n2" "more tasks than the job's, while there are CPUs"
like "$(inside "set -- -n7; $where" 2>&1)" "More processors requested than permitted" "and no more than that"
is "$(srun -N2 -n4 sh -c 'echo "$SLURMD_NODENAME $SLURM_TASKS_PER_NODE"' | sort | uniq -c | xargs)" "3 n1 3,1 1 n2 3,1" "an srun of its own"
is "$(salloc -Q -N2 --ntasks-per-node=3 sh -c "$where" sh)" "3 n1 3 n2" "three on each node are three on each"
wait_until "nothing is left" queue_is_empty
done_testing
