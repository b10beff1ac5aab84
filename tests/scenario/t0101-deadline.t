#!/bin/bash
# sbatch --deadline: refused when it cannot be, ended as DEADLINE when it can no longer be.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat > slurm.conf <<'CONF'
ClusterName=deadline
NodeName=n1 CPUs=1
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
cluster_up --conf slurm.conf
refused() { # refused WORDS WHAT OPTIONS...
    sbatch -o /dev/null "${@:3}" --wrap true >out 2>err
    like "$?:$(cat err)" "$1" "$2"
}
refused '^1:.*Requested time limit is invalid.*the deadline is in the past' "one in the past" --deadline=2020-01-01 -t 1
refused '^1:.*Requested time limit is invalid.*cannot end before its deadline' "one that is too soon" --deadline=now+10minutes -t 20
refused '^255:.*Invalid --deadline specification: soon' "one that is none" --deadline=soon
job=$(submit -o /dev/null -t 5 --deadline=now+10minutes --wrap true)
wait_until "who can end in time runs" job_is "$job" COMPLETED
like "$(scontrol show job "$job")" 'Deadline=[0-9]{4}-' "and shows it"
busy=$(submit -o /dev/null -t 60 --wrap 'sleep 600')
wait_until "the node is busy" job_is "$busy" RUNNING
late=$(submit -o /dev/null -t 1 --deadline=now+62 --wrap true)
later=$(submit -o /dev/null -t 1 --deadline=now+2hours --wrap true)
wait_until "who can no longer be over in time ends as DEADLINE" job_is "$late" DEADLINE
like "$(scontrol show job "$late")" 'JobState=DEADLINE Reason=DeadLine' "with the reason"
is "$(job_state "$later")" PENDING "who still can waits"
scancel "$busy"
wait_until "and runs" job_is "$later" COMPLETED
least=$(submit -o "$WORK/least.out" -t 120 --time-min=1 --deadline=now+10minutes --wrap 'true')
wait_until "with --time-min it takes what is left" job_is "$least" COMPLETED
like "$(scontrol show job "$least")" 'TimeLimit=00:(09:[0-9]{2}|10:00)' "and no more"
like "$(tender journal verify --dir "$DIR" 2>&1)" 'invariants hold' "the journal verifies"
done_testing
