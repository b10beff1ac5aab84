#!/bin/bash
# A shepherd has three pipes for each task: it raises its own limit of open files, and jobs still get the one they had.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
ulimit -Sn 80
ulimit -Hn 4096
cluster_up --nodes 1 --cpus 80
unset SLURM_JOB_ID SLURM_JOBID
is "$(awk '/^Max open files/ { print $4, $5 }' "/proc/$(pid_of nodes/n1/shepherd.pid)/limits")" "4096 4096" "the shepherd has all it may have"
is "$(timeout 60 srun --propagate=NONE sh -c 'ulimit -Sn; ulimit -Hn' 2>err)" "80
4096" "a task has what the node was started with"
is "$(timeout 60 srun sh -c 'ulimit -Sn' 2>err)" 80 "or what its user has"
is "$(timeout 60 srun -n64 echo one 2>err </dev/null | sort | uniq -c | tr -s ' ')" " 64 one" "64 tasks are more than 80 files"
is "$(cat err)" "" "and nothing is said against it"
done_testing
