#!/bin/bash
# Hosts of their own, links between them: a cluster whose network is cut, slow or loses packets, and whose processes all
# live. Those that die, and messages that come twice and out of order, are t0048-failures.t's.
#
# Broker and a front are on the host head, another front is on login, w1 to w3 have a worker each (hosts.sh).
. "$(dirname "$0")/lib.sh"
hosts="head login w1 w2 w3"
. "$(dirname "$0")/hosts.sh"

# --- the cluster, as an administrator starts it
mkdir -p "$DIR/log" "$DIR/nodes"
cat > "$DIR/slurm.conf" <<CONF
ClusterName=links
SlurmctldHost=head(10.77.0.1)
StateSaveLocation=$DIR/state
SlurmdTimeout=120
ReturnToService=1
NodeName=w[1-3] CPUs=2
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
printf 'Address=0.0.0.0\nPorts=7817-7818\nLeaseTime=3\n' > "$DIR/tender.conf"
cd "$WORK" || exit 1
export SLURM_CONF="$DIR/slurm.conf"
broker() { start head broker tender-broker --foreground --conf "$SLURM_CONF" --dir "$DIR"; }
front() { start head front tender-front --foreground --conf "$SLURM_CONF" --dir "$DIR"; }
worker() { # worker HOST [options]
    start "$1" "$1" tender-worker --node "$1" --conf "$SLURM_CONF" --dir "$DIR/nodes/$1" --cpus 2 "${@:2}"
    eval "$1=$!"
}
answers() { squeue -h >/dev/null 2>&1; }
all() { for node in w1 w2 w3; do "$@" "$node" || return 1; done; }
silent() { sinfo -h -N -n "$1" -o %T | grep -q '\*$'; }
idle() { stands "$1" idle; }
stands() { [ "$(sinfo -h -N -n "$1" -o %T)" = "$2" ]; }

far() { SLURM_CONF="$DIR/login/slurm.conf" on login "$@"; }
login() { start login login tender-front --foreground --dir "$DIR/login" --name login "$@"; login=$!; }
far_answers() { far squeue -h >/dev/null 2>&1; }

broker
wait_until "the broker answers" answers
front
front_answers() { [ -S "$DIR/state/run/front.sock" ] && answers; }
wait_until "and its front on the head node" front_answers
token=$(tender token create --names 'w[1-3]')
worker w1 --join "$token"
wait_until "a worker of another host joins" stands w1 idle
job=$(submit -o out.%j --wrap 'echo $SLURMD_NODENAME')
wait_until "a job runs through" job_is "$job" COMPLETED
is "$(cat "out.$job")" w1 "over there"
worker w2 --join "$token"
worker w3 --join "$token"
wait_until "a second one" stands w2 idle
wait_until "a third one" stands w3 idle
login --join "$(tender token create --front --root --names login)"
wait_until "the front of a login node answers there" far_answers
job=$(far sbatch --parsable -N3 -o out.%j --wrap 'srun -l hostname >/dev/null && echo three')
wait_until "a job of three nodes, submitted there, runs through" job_is "$job" COMPLETED
is "$(cat "out.$job")" three "with a step on all of them"
is "$(far srun -N3 -l sh -c 'echo $SLURMD_NODENAME' | sort)" "0: w1
1: w2
2: w3" "the output of a step reaches an srun of the login node"

cat > hold.sh <<'SCRIPT'
#!/bin/sh
#SBATCH -o out.%j
me="$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}"
echo $$ > "pid.$me"
echo "$me begins on $SLURMD_NODENAME" >> ledger
until [ -e "go.$SLURM_JOB_ID" ]; do sleep 0.05; done
echo "$me ends on $SLURMD_NODENAME" >> ledger
SCRIPT
gone() { ! kill -0 "$1" 2>/dev/null; }
wrote() { grep -qx "$1" ledger; }
runs() { wrote "$1 begins on $2" && job_is "${1%.*}" RUNNING; } # and has told so
held() { # held HOST [options]: a job that runs there; its number in $job
    job=$(far sbatch --parsable -w "$1" "${@:2}" hold.sh)
    wait_until "job $job runs on $1" runs "$job.0" "$1"
}

stale() { far $1 2>&1 >/dev/null | grep -q "^${1%% *}: the broker has not been heard for"; }
far_seen() { [ "$(far squeue -h -t all -j "$1" -o %T 2>/dev/null)" = "$2" ]; }

# --- a link is cut for less than SlurmdTimeout: no new work there, what runs goes on, its end is heard late
held w2
cut_off w2
wait_until "a node cut off is marked" silent w2
waits=$(submit -w w2 -o /dev/null --wrap true)
elsewhere=$(submit -N2 -o /dev/null --wrap true)
wait_until "work goes to the others" job_is "$elsewhere" COMPLETED
is "$(job_state "$waits")" PENDING "none goes there"
touch "go.$job"
wait_until "its job ends meanwhile" wrote "$job.0 ends on w2"
is "$(job_state "$job")" RUNNING "which nobody has heard"
mend w2
wait_until "with the link its end comes" job_is "$job" COMPLETED
wait_until "and new work goes there" job_is "$waits" COMPLETED
is "$(grep -c "^$job\." ledger)" 2 "it was started once"

# --- the broker is cut off from all: as many silent nodes; the login node reads on
held w1
first=$job
held w3
cut_off head
wait_until "all nodes are silent" all silent
wait_until "the login node says that its picture is old" stale "squeue -h"
is "$(far squeue -h -t R -o %i 2>/dev/null | sort)" "$(printf '%s\n' "$first" "$job" | sort)" "and shows it"
ok "sinfo says so, too" stale "sinfo -h"
ok "and scontrol" stale "scontrol show job $job"
far sbatch --wrap true >no.out 2>&1
like "$?:$(cat no.out)" '^1:.*(not been heard|does not answer).*(nothing was changed|whether it took this request is not known)' "it takes no job, in words"
touch "go.$first"
wait_until "a job ends meanwhile" wrote "$first.0 ends on w1"
mend head
wait_until "its end comes with the link" job_is "$first" COMPLETED
is "$(job_state "$job")" RUNNING "another one has noticed nothing"
touch "go.$job"
wait_until "and ends" job_is "$job" COMPLETED
wait_until "the login node knows" far_seen "$job" COMPLETED
wait_until "all nodes are idle" all idle
is "$(grep -c "^$job\.\|^$first\." ledger)" 4 "both were started once"

# --- a node is cut off for longer: its jobs are lost or begin again elsewhere, and what comes back of them is ended
sed -i 's/^SlurmdTimeout=.*/SlurmdTimeout=6/' "$SLURM_CONF"
ok "SlurmdTimeout is made short" scontrol reconfigure
held w2 --no-requeue
lost=$job
scontrol update NodeName=w1,w3 State=DRAIN Reason=test
job=$(submit --requeue hold.sh)
wait_until "a job that may be repeated runs on w2" runs "$job.0" w2
scontrol update NodeName=w1,w3 State=RESUME
cut_off w2
wait_until "the node is down" stands w2 'down*'
wait_until "one job is NODE_FAIL" job_is "$lost" NODE_FAIL
again() { grep -q "^$job.1 begins on w[13]" ledger && job_is "$job" RUNNING; }
wait_until "the other begins again on another node" again
ok "while the first attempt still runs" kill -0 "$(cat "pid.$job.0")"
touch "go.$lost"
wait_until "the lost one ends by itself" wrote "$lost.0 ends on w2"
mend w2
wait_until "with the link the node is back" idle w2
wait_until "and the old attempt is ended" gone "$(cat "pid.$job.0")"
is "$(job_state "$lost")" NODE_FAIL "what was lost stays lost"
is "$(job_state "$job")" RUNNING "the second attempt goes on"
touch "go.$job"
wait_until "and completes" job_is "$job" COMPLETED
is "$(grep -c "^$job.0 ends" ledger)" 0 "the first did not"

# --- the login node is cut off: its watchers miss nothing and slow nobody, its srun goes on when the link is back
seqs() { grep -o '^{"seq":[0-9]*' "$1" | cut -d: -f2; }
start head watch-head tender events; watcher=$!
(SLURM_CONF="$DIR/login/slurm.conf" exec nsenter --net="/run/netns/$net-login" -- tender events) >far.events 2>far.err </dev/null &
far_watcher=$!
started="$started $far_watcher"
disown "$far_watcher"
far srun -w w1 sh -c 'echo one; until [ -e more ]; do sleep 0.05; done; echo two' >srun.out 2>srun.err </dev/null &
run=$!
one() { grep -q one srun.out; }
wait_until "an srun of the login node is shown its step's words" one
held w2
watched() { grep -q "\"job\":$job\b.*RUNNING" "$1"; }
wait_until "a watcher there is told what begins" watched far.events
cut_off login
wait_until "its front hears nothing any more" stale "squeue -h"
touch more "go.$job"
head_watched() { grep -q "\"job\":$job\b.*COMPLETED" "$DIR/log/watch-head.log"; }
wait_until "the watcher beside the broker is told meanwhile" head_watched
ok "and srun waits" kill -0 "$run"
mend login
wait "$run"
is "$?:$(cat srun.out)" "0:one
two" "with the link srun ends with every byte"
far_watched() { grep -q "\"job\":$job\b.*COMPLETED" far.events; }
wait_until "the watcher there is told the end" far_watched
begin=$(seqs far.events | head -n 1)
end=$(grep -m 1 "\"job\":$job\b.*COMPLETED" far.events | seqs -)
part() { seqs "$1" | sed -n "/^$begin\$/,/^$end\$/p"; }
is "$(part far.events)" "$(part "$DIR/log/watch-head.log")" "and nothing came twice or was left out"
ok "of many" [ "$(part far.events | wc -l)" -gt 10 ]

# --- srun is cut off for longer than InactiveLimit: its allocation ends, and it says so when it hears of it
sed -i '$a InactiveLimit=5' "$SLURM_CONF"
ok "InactiveLimit is made short" scontrol reconfigure
far srun -w w1 -J held sh -c 'echo up; sleep 1000' >srun.out 2>srun.err </dev/null &
run=$!
up() { grep -q up srun.out; }
wait_until "an srun of the login node runs" up
job=$(squeue -h -n held -o %i)
cut_off login
over() { [ -z "$(squeue -h -j "$job" -t R,CG -o %i)" ]; }
wait_until "its allocation ends" over
wait_until "the node is free" idle w1
mend login
wait "$run"
is "$(($? != 0))" 1 "with the link srun ends, not well"
like "$(cat srun.err)" 'srun: error: w1: task 0: Terminated' "and says what became of its task"
is "$(squeue -h -t all -j "$job" -o '%T %r')" "CANCELLED InactiveLimit" "the queue knows why"

# --- slow and lossy links: netem where this kernel has it; else a narrow queue (tbf), and chance in a filter of a few words:
# "a random number above the rate? pass : drop"
shape() { # shape DEVICE SLOW|LOSSY, of the bridge: what goes to the host
    case $2 in
    slow) on hub tc qdisc replace dev "$1" root netem delay 150ms 2>/dev/null ||
        on hub tc qdisc replace dev "$1" root tbf rate 512kbit burst 2kb limit 200kb ;;
    lossy) on hub tc qdisc replace dev "$1" root netem loss 20% 2>/dev/null || {
        on hub tc qdisc replace dev "$1" clsact &&
        on hub tc filter add dev "$1" egress bpf da bytecode '4,32 0 0 4294963256,37 0 1 858993459,6 0 0 0,6 0 0 2'; } ;;
    esac
}
lost_some() { on hub tc -s qdisc show dev "$1" | grep -q 'dropped [1-9]'; }
plain() { on hub tc qdisc del dev "$1" root 2>/dev/null; on hub tc qdisc del dev "$1" clsact 2>/dev/null; }
cat > each.sh <<'SCRIPT'
#!/bin/sh
#SBATCH -o /dev/null
echo "$SLURM_ARRAY_TASK_ID" >> "each.$SLURM_ARRAY_JOB_ID"
SCRIPT
done_all() { [ "$(squeue -h -t all -r -j "$1" -o %T | sort | uniq -c | tr -s ' ')" = " $2 COMPLETED" ]; }
works() { # works HOW: what a cluster does, over links that are so
    sent() { array=$(far sbatch --parsable --array=1-30 each.sh) && [ -n "$array" ]; }
    wait_until "the login node submits over $1 links" sent
    wait_until "an array runs through over $1 links" done_all "$array" 30
    is "$(sort -n "each.$array")" "$(seq 30)" "each task once"
    far srun -N3 -n6 -l seq 2000 >srun.out 2>srun.err </dev/null
    ended=$?
    is "$ended" 0 "a step on all nodes ends well"
    [ "$ended" = 0 ] || sed 's/^/# srun said: /' srun.err
    is "$(sort -n srun.out | md5sum)" "$(for r in 0 1 2 3 4 5; do seq 2000 | sed "s/^/$r: /"; done | sort -n | md5sum)" "with every line it wrote"
    wait_until "the login node knows the end of the array" far_seen_all "$array" 30
}
far_seen_all() { [ "$(far squeue -h -t all -r -j "$1" -o %T | grep -c COMPLETED)" = "$2" ]; }
sed -i 's/^SlurmdTimeout=.*/SlurmdTimeout=120/; s/^InactiveLimit=.*/InactiveLimit=120/' "$SLURM_CONF"
ok "the times are made long again" scontrol reconfigure
fresh() { [ -z "$(far squeue -h 2>&1 >/dev/null)" ]; }
wait_until "the login node's picture is fresh" fresh
for how in slow lossy; do
    made=0
    for host in $hosts; do shape "$host" $how && made=$((made + 1)); done 2>"$WORK/no"
    if [ "$made" -lt 5 ]; then
        ok "# SKIP no $how links here: neither netem nor tbf and bpf: $(head -n 1 "$WORK/no")" true
    else
        works $how
    fi
    [ "$how" = lossy ] && [ "$made" -eq 5 ] && ok "packets were lost" lost_some head
    for host in $hosts; do plain "$host"; done
    wait_until "the login node hears the broker after it" fresh
done
wait_until "in the end all is well" all idle
done_testing
