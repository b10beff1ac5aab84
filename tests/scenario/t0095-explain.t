#!/bin/bash
# tender explain tells why each job waits, with the right numbers, where one runs and how one ended; sbatch --quote tries other
# forms of a request. Asking changes nothing.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat >slurm.conf <<'CONF'
ClusterName=explain
GresTypes=gpu
MinJobAge=10
NodeName=n[1-2] CPUs=8 Gres=gpu:4
PartitionName=main Nodes=ALL Default=YES MaxTime=10:00:00 State=UP
PartitionName=two Nodes=n2 MaxTime=1:00:00 State=UP
CONF
cluster_up --conf slurm.conf
why() { tender explain "$@" 2>&1; }
sub() { submit -o /dev/null "$@"; }
fact() { python3 -c 'import json,sys; e=json.load(sys.stdin)["jobs"][0]; print(eval(sys.argv[1]))' "$1"; } # of --json on standard input

a=$(sub -t 60 -c 2 --gres=gpu:3 -w n1 --wrap 'sleep 600')
b=$(sub -t 120 -c 2 --gres=gpu:2 -w n2 --wrap 'sleep 600')
wait_until "two run" sh -c "[ \$(squeue -h -t R -o %i | wc -l) = 2 ]"
like "$(why "$a")" "^Job $a \(wrap\) of .* is RUNNING\.$" "what runs"
like "$(why "$a")" "^It runs on n1 since .* ago\)\.|^It runs on n1 since now\.$" "where and since when"
like "$(why "$a")" "^By its time limit it ends at .* \(in (59:|1:00:00)" "until when"

# waits for GPUs
c=$(sub -t 30 -c 1 --gres=gpu:3 --wrap true)
wait_until "it is first in line" sh -c "squeue -h -j $c -o %r | grep -q Resources"
like "$(why "$c")" "^Job $c \(wrap\) of .* is PENDING\.$" "what waits"
like "$(why "$c")" "^It is first in line for its nodes, and too little of what it needs is free\.$" "why"
like "$(why "$c")" "^  n1 lacks 2 gpu \(3 wanted, 1 of 4 free\)$" "what the first node is short of"
like "$(why "$c")" "^  n2 lacks 1 gpu \(3 wanted, 2 of 4 free\)$" "and the second"
like "$(why "$c")" "^  job $a of .* on n1: 2 CPUs, 3 gpu, by its limit until " "who holds it"
like "$(why "$c")" "^By the plan it starts at .* on n1\." "when, and where"
like "$(why "$c")" "^The rule \(easy\): the first job in line has room kept" "the rule"
is "$(why --json "$c" | fact '[(k["nodes"],k["standing"],k["lacks"][0]["want"],k["lacks"][0].get("have",0)) for k in e["nodes"]]')" \
   "[('n1', 'short', 3, 1), ('n2', 'short', 3, 2)]" "the same as JSON"
is "$(why --json "$c" | fact 'e["forecast_ms"]//1000 == e["holders"][0]["end_ms"]//1000 and e["job"]["reason"]')" "Resources" "to the second"
like "$(why "$c")" "with --gres=gpu:1 it would start now on n" "what would help, tried"
is "$(why "$c" | grep -c "$(printf '\033')")" 0 "no colours in a pipe"

python3 "$HERE/terminal.py" 24 200 -- tender explain "$c" >out 2>&1 </dev/null
is "$(grep -c "$(printf '\033')" out | sed 's/^[1-9][0-9]*$/some/')" some "and some on a terminal"

# behind others
d=$(sub -t 600 -c 1 --gres=gpu:4 --wrap true)
wait_until "it is behind" sh -c "squeue -h -j $d -o %r | grep -q Priority"
like "$(why "$d")" "^1 job waits before it for nodes that it could use:$" "how many are before it"
like "$(why "$d")" "^  job $c of .*: it was submitted earlier; it wants 1 node, 1 CPU, and starts " "who, and why"
like "$(why "$d")" "^  n2 lacks 2 gpu \(4 wanted, 2 of 4 free\)$" "and what it is short of"

# out of the queue
e=$(sub -c 1 -t 10 -d "afterok:$a" --wrap true)
like "$(why "$e")" "^  afterok:$a  open: it waits until all of it is over, with exit status 0; that job is RUNNING, until " "a dependency"
f=$(sub -c 1 -t 10 --begin=now+2hours --wrap true)
like "$(why "$f")" "^It waits for its begin time, .* \(in (1:59:|2:00:00)" "a begin time"
g=$(sub -c 1 -t 10 -H --wrap true)
like "$(why "$g")" "^It is held by its user\. scontrol release $g lets it go\.$" "held"
h=$(sub -c 1 -t 2:00:00 -p two --wrap true)
like "$(why "$h")" "^Its time limit of 2:00:00 is over the 1:00:00 that partition two allows \(MaxTime\)\. scontrol update jobid=$h timelimit=01:00:00 lets it in\.$" "a limit"
scontrol update jobid="$h" timelimit=10:00 && wait_until "it waits for nothing more" job_is "$h" COMPLETED
k=$(sub -a 1-4%1 -c 1 -t 10 --wrap 'sleep 600')
wait_until "a task runs" sh -c "squeue -h -r -t R -j $k -o %i | grep -q ${k}_1"
like "$(why "${k}_3")" "^Job ${k}_3 .* is PENDING\.$" "a task of an array"
like "$(why "${k}_3")" "^Its array lets 1 of its tasks run at once, and 1 do\.$" "waits for the others"
like "$(why "$k" | grep -c '^Job ')" "^2$" "an array is what runs of it and what waits"
scancel "$k"

# nodes that take no work
scontrol update nodename=n1 state=drain reason="bad fan"
like "$(why "$c")" "^  n1 is drained and takes no new work: bad fan$" "a drained node"
scontrol update nodename=n2 state=drain reason="bad disk"
wait_until "no node is left" sh -c "tender explain $c | grep -q '^When it starts cannot be foretold: not enough of its nodes are there'"
scontrol update nodename=n1,n2 state=resume
l=$(sub -t 10 -c 1 -w n2 --gres=gpu:4 --wrap true)
scontrol update nodename=n2 state=down reason="on fire"
wait_until "its node is down" sh -c "tender explain $l | grep -q '^  n2 is down .*: on fire$'"
like "$(why "$l")" "^None of the nodes that could hold it takes work now\.$" "and that is why"

# over
scancel "$g"
like "$(why "$g")" "^It was cancelled by its own user, .*; it had not started\.$" "cancelled"
m=$(sub -t 10 -c 1 -w n1 --wrap 'exit 3')
wait_until "one fails" job_is "$m" FAILED
like "$(why "$m")" "^Its script ended with exit status 3, .* on n1\.$" "failed"
why 4711 >out
is "$?" 1 "an unknown job is an error"
is "$(cat out)" "tender explain: error: Invalid job id specified: 4711" "in words"
like "$(why "$m" 4711 "$g")" "^Job $g " "the others are explained all the same"
tender explain 2>err
is "$?" 1 "of no job"
like "$(why x)" "Invalid job id specified" "what is no number"

# quotes
before=$(squeue -h -a -r -o '%i %l' | sort)
scontrol update nodename=n2 state=resume
sbatch --quote -t 1:30:00 --gres=gpu:4 -w n1 --wrap true >out 2>err
is "$?" 0 "a quote"
like "$(cat out)" "^FORM +CHANGE +START +BY +NODES +PARTITION +CPUS$" "is a table"
like "$(cat out)" "^as asked +- +[0-9-]+T[0-9:]+ \(in .*\) +- +n1 +main +1$" "as asked"
like "$(cat out)" "^fewer devices +--gres=gpu:1 +" "with fewer devices"
like "$(cat out)" "^shorter limit +--time=00:45:00 +" "with a shorter limit"
like "$(cat out)" "^other partition +--partition=two +refused: " "in another partition, or why not"
is "$(sbatch --quote --json -t 10 --gres=gpu:4 -w n1 --wrap true | python3 -c 'import json,sys; f=json.load(sys.stdin)["forms"]; print(f[0]["form"], len(f) <= 10)')" \
   "as asked True" "as JSON"
is "$(squeue -h -a -r -o '%i %l' | sort)" "$before" "nothing was queued"
n=$(sub -t 10 -c 1 -H --wrap true)
is "$n" $((m + 1)) "no number was used up"
sbatch --quote -a 1-5 -H -t 10 --wrap true >out 2>err
is "$(sort err | tr '\n' '|')" "sbatch: the starts are as if it were released at once (--hold)|sbatch: the starts are of the array's first task|" "what it does not reckon with is said"
sbatch --quote --wait --wrap true 2>err
is "$?" 255 "--wait does not go with it"
like "$(cat err)" "queues nothing: it does not go with --wait" "in words"
sbatch --quote --gres=gpu:9 --wrap true 2>err
is "$?" 1 "what never could is refused"
like "$(tender manual explain)" "tried on the plan|tried" "a page"
like "$(tender completion)" "explain" "and completion"
wait_until "a job is forgotten" sh -c "! scontrol show job $g"
like "$(why "$g")" "^It was cancelled by its own user, .*; it had not started\.$" "and the history still tells of it"
done_testing
