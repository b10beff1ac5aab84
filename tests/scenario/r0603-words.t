#!/bin/bash
# Refusals and listings name what they are about: the array's maximum, tasks that are not there, nodes that are not available.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat > slurm.conf <<'CONF'
ClusterName=words
MaxArraySize=100
MinJobAge=1
NodeName=n[1-2] CPUs=4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
cluster_up --conf slurm.conf
said() { "$@" >out 2>err; echo $?; }
is "$(tender rounds --json)" '{"rows":[]}' "no round yet is an empty list"

is "$(SLURM_CONF=$WORK/none.conf said squeue)" 1 "a slurm.conf that is not there"
like "$(cat err)" "SLURM_CONF: cannot read $WORK/none.conf: No such file or directory \(try \"tender doctor\"\)\$" "is said with who helps"
is "$(SLURM_CONF=$WORK/none.conf said tender doctor)" 1 "who"
like "$(cat out)" 'no cluster found: SLURM_CONF: cannot read .*: No such file or directory; name another one, or none \(unset SLURM_CONF\)' "says what to do"

fail='sbatch: error: Batch job submission failed:'
is "$(said sbatch -a 0-5000000 --wrap true)" 1 "an array beyond everything"
is "$(cat err)" "$fail Invalid job array specification: index 5000000 is not below MaxArraySize (100)" "the maximum in force is said"
is "$(said sbatch -a 5-3 --wrap true)" 1 "an array backwards"
is "$(cat err)" "$fail Invalid job array specification: '5-3': a range runs backwards" "what is wrong with it is said"
printf '#!/bin/sh\n#SBATCH -a 5-3\n' > script
is "$(said sbatch script)" 1 "in a script"
is "$(cat err)" "$fail Invalid job array specification: script: line 2: '5-3': a range runs backwards" "once, with the line"

gone=$(submit -o /dev/null --wrap true)
wait_until "a job is over and has left" sh -c "! scontrol show job $gone"
is "$(said sbatch -d "afterok:$gone" --wrap true)" 1 "to wait for it"
is "$(cat err)" "$fail Job dependency problem: job $gone is not known (over and gone from the queue after MinJobAge, or never there)" "is refused by its number"

a=$(submit -H -a 1-3 -o /dev/null --wrap true)
said scancel "${a}_9" >/dev/null
is "$(cat err)" "scancel: error: Kill job error on job id ${a}_9: Invalid job id specified" "a task that is not there"
is "$(said scontrol hold "${a}_[5-7,9]")" 1 "several"
is "$(cat err)" "Invalid job id specified for job ${a}_[5-7,9]" "as they were named"

scontrol update nodename=n2 state=down reason=test
b=$(submit -w n2 -o /dev/null --wrap true)
wait_until "a job waits for a node that is down" sh -c "squeue -h -j $b -o %r | grep -q ReqNodeNotAvail"
is "$(squeue -h -j "$b" -o %R)" "(ReqNodeNotAvail, UnavailableNodes:n2)" "squeue names it"
like "$(scontrol show job "$b")" 'JobState=PENDING Reason=ReqNodeNotAvail,_UnavailableNodes:n2 Dep' "scontrol, too"
json() { scontrol --json show "$1" "$2" | python3 -c "import json,sys; r=json.load(sys.stdin)['$3'][0]; print(r['state'], r.get('reason'))"; }
is "$(json job "$b" jobs)" "PENDING ReqNodeNotAvail" "JSON has words"
is "$(json job "$a" jobs)" "PENDING JobHeldUser" "for every state"
is "$(json node n2 nodes)" "DOWN test" "of nodes, too"

c=$(submit -H -t 60 -o /dev/null --wrap true)
limit() { scontrol show job "$c" | grep -o 'TimeLimit=[^ ]*'; }
scontrol update jobid="$c" timelimit=+10
is "$(limit)" "TimeLimit=01:10:00" "a limit is raised by minutes"
scontrol update jobid="$c" timelimit=-20
is "$(limit)" "TimeLimit=00:50:00" "and lowered"
is "$(said scontrol update jobid="$c" timelimit=-50)" 1 "not to nothing"
done_testing
