#!/bin/bash
# A job that srun made ends as its step did: whoever depends on it, or waits for its success, is not told a lie.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=ends\nSlurmctldHost=localhost\nKillWait=2\nInactiveLimit=3\nNodeName=n1 CPUs=4 RealMemory=1000\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' > slurm.conf
printf 'TimeLimitResolution=1\n' >tender.conf
cluster_up --conf "$WORK/slurm.conf"
unset SLURM_JOB_ID SLURM_JOBID
ended() { [[ $(scontrol show job "$1" | grep -oE '(JobState|Reason|ExitCode)=[A-Za-z0-9:]+' | tr '\n' ' ') == $2 ]]; } # a pattern
srun true
wait_until "well" ended 1 "JobState=COMPLETED Reason=None ExitCode=0:0 "
srun sh -c 'exit 3' 2>/dev/null
wait_until "with an exit status" ended 2 "JobState=FAILED Reason=NonZeroExitCode ExitCode=3:0 "
srun sh -c 'kill -USR1 $$' 2>/dev/null
wait_until "by a signal" ended 3 "JobState=FAILED Reason=RaisedSignal* ExitCode=0:10 "
srun -t 0:01 sleep 1000 2>/dev/null
wait_until "by its time limit" job_is 4 TIMEOUT
srun sh -c 'echo up; exec sleep 1000' >out 2>/dev/null & run=$!
wait_until "one runs" grep -q up out
kill -9 "$run"
over() { case $(job_state 5) in RUNNING | COMPLETING | PENDING) false ;; esac; }
WAIT_MAX=120 wait_until "whose srun was killed is over" over
like "$(job_state 5)" '^(FAILED|CANCELLED)$' "and did not end well"
wait_until "nothing is left" queue_is_empty
done_testing
