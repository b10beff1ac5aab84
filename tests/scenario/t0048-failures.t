#!/bin/bash
# The table of failures, row by row, over links that are cut, slow and lossy: a broker with its front, a second front and
# three workers, each of those in a network of its own behind link.py. The row of the full disk is t0004's.
if [ -z "${TENDER_NET:-}" ]; then
    no() { echo "1..0 # SKIP $1"; exit 77; }
    [ "$(id -u)" = 0 ] || no "networks of one's own need root"
    [ -c /dev/net/tun ] || no "there is no /dev/net/tun to make links of"
    for tool in ip nsenter unshare python3; do command -v "$tool" >/dev/null || no "it needs the command $tool"; done
    unshare --net true 2>/dev/null || no "this machine allows no networks of one's own"
    TENDER_NET=1 exec unshare --net bash "$0"
fi
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
SEED=${SEED:-$RANDOM}
export SEED
echo "# SEED=$SEED"
HUB=10.77.0.1
links='' fronts=''

# --- the networks: all of them know the hub alone, and each other through it
link_up() { # link_up NUMBER NAME: the link "l-NAME" to a network of its own, whose process is $link_NAME
    link_how "$2" 0 0 0 0
    python3 "$HERE/link.py" "l-$2" "$WORK" >"$WORK/link.$2" 2>&1 </dev/null &
    links="$links $!"
    eval "link_$2=$!"
    wait_until "a link to $2" grep -q ready "$WORK/link.$2"
    ip address add "10.77.$1.1" peer "10.77.$1.2" dev "l-$2" && ip link set "l-$2" up
    at "$2" sh -c "ip link set lo up && ip address add 10.77.$1.2 peer 10.77.$1.1 dev out && ip link set out up && ip route add default dev out"
}
link_how() { printf '%s\n' "${*:2}" >"$WORK/l-$1.how.new" && mv "$WORK/l-$1.how.new" "$WORK/l-$1.how"; }
link_cut() { link_how "$1" 0 0 100 0; }
link_well() { link_how "$1" 0 0 0 0; }
link_did() { sed -n "s/.*\\b$2=\\([0-9]*\\).*/\\1/p" "$WORK/l-$1.done"; }
at() { local pid="link_$1"; nsenter -t "${!pid}" -n "${@:2}"; }
become_at() { local pid="link_$1"; exec nsenter -t "${!pid}" -n "${@:2}"; } # in the background: $! is the program itself

ip link set lo up
ip address add "$HUB/32" dev lo
sysctl -q -w net.ipv4.ip_forward=1
for node in n1 n2 n3; do link_up "${node#n}" "$node"; done
link_up 4 b

# --- the cluster
cat >slurm.conf <<'CONF'
ClusterName=links
SlurmctldHost=localhost
SlurmdTimeout=5
InactiveLimit=5
NodeName=n0 CPUs=1
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
printf 'Elastic=yes\nLeaseTime=2\nAddress=%s\n' "$HUB" >tender.conf
cluster_up --conf "$WORK/slurm.conf"
scontrol update NodeName=n0 State=DRAIN Reason="work is for the others"
broker() { pid_of state/run/broker.pid; }
gone() { ! kill -0 "$1" 2>/dev/null; }
worker_up() { # worker_up NODE [options]
    become_at "$1" tender-worker --node "$1" --dir "$WORK/$1" --cpus 4 "${@:2}" >>"$WORK/$1.out" 2>&1 </dev/null &
}
worker() { cat "$WORK/$1/worker.pid" 2>/dev/null; }
end_all() {
    local pid node
    for node in n1 n2 n3; do
        for pid in $(worker "$node") $(cat "$WORK/$node/shepherd.pid" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
        tender-shepherd --dir "$WORK/$node" --sweep >/dev/null 2>&1
    done
    kill ${watcher:-} $fronts $links 2>/dev/null
    kill -CONT ${watcher:-} 2>/dev/null
    wait 2>/dev/null
    [ "$failed" -eq 0 ] || for log in "$WORK"/n?.out "$WORK"/n?/worker.log "$WORK"/far*.log "$WORK"/link.*; do
        [ -s "$log" ] && { echo "# --- ${log#"$WORK"/}"; tail -n 15 "$log" | sed 's/^/# /'; }
    done
}
ON_EXIT=end_all
token=$(tender token create)
for node in n1 n2 n3; do worker_up "$node" --join "$token"; done
stands() { sinfo -h -N -n "$1" -o %T | grep -qxE "$2"; }
for node in n1 n2 n3; do wait_until "$node serves" stands "$node" idle; done
far() { at b env SLURM_CONF="$WORK/far/slurm.conf" "$@"; }
become_far() { become_at b env SLURM_CONF="$WORK/far/slurm.conf" "$@"; }
far_up() { # far_up LOG [options]
    become_at b tender-front --foreground --dir "$WORK/far" --name b "${@:2}" >"$WORK/$1" 2>&1 </dev/null &
    front=$!
    fronts="$fronts $front"
}
far_answers() { far squeue -h -o %i; }
far_up far1.log --join "$(tender token create --front --root)"
wait_until "the front on its own host answers" far_answers
become_far tender events --since 0 >all.json 2>all.err &
watcher=$!
wait_until "a watcher there is told what was" grep -q NODE_ all.json

# A job says when each attempt starts and ends; it waits until the test lets that attempt go.
cat >job.sh <<'SCRIPT'
#!/bin/bash
#SBATCH -o /dev/null
me="$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}"
echo "start $me $SLURMD_NODENAME $$" >>ledger
until [ -e "go.$me" ]; do sleep 0.05; done
echo "end $me" >>ledger
SCRIPT
touch ledger
started() { grep -q "^start $1 " ledger; }
ended() { grep -qx "end $1" ledger; }
host_of() { awk -v id="$1" '$1 == "start" && $2 == id { print $3 }' ledger; }
pid_in() { awk -v id="$1" '$1 == "start" && $2 == id { print $4 }' ledger; }
once() { [ "$(grep -c "^start $1 " ledger)" -eq 1 ] && [ "$(grep -cx "end $1" ledger)" -eq 1 ]; }

# --- broker dies
job=$(far sbatch --parsable --no-requeue job.sh)
wait_until "a job sent there runs" started "$job.0"
old=$(broker)
kill -9 "$old"
wait_until "the broker is dead" gone "$old"
is "$(far squeue -h -j "$job" -o %t)" R "broker dies: the far front answers reads"
is "$(squeue -h -j "$job" -o %t)" R "so does the near one"
wait_until "the watcher is told that the picture stands still" grep -q 'broker does not answer' all.err
out=$(far sbatch --wrap=true 2>&1)
like "$?:$out" '^1:.*Unable to contact slurm controller.*nothing was changed' "no write is held"
ok "the job runs on" kill -0 "$(pid_in "$job.0")"
tender up --dir "$DIR" >up2.out 2>&1 # the workers are not its own
ok "the broker is back" scontrol ping
far_writes() { far scontrol update JobId="$job" JobName=kept; }
wait_until "the far front relays writes again" far_writes
is "$(squeue -h -j "$job" -o '%t %j')" "R kept" "restart replays, the attempt is the same"

# --- front dies
kill -9 "$front"
wait "$front" 2>/dev/null
out=$(far squeue 2>&1)
like "$?:$out" '^[1-9].*Unable to contact slurm controller' "front dies: commands of its host say so"
ok "the other one answers" squeue -h -o %i
far_up far2.log
wait_until "it is back by its key" far_answers

# --- worker dies
node=$(host_of "$job.0")
old=$(worker "$node")
kill -9 "$old"
wait_until "worker dies: it is gone" gone "$old"
worker_up "$node"
another() { [ -n "$(worker "$node")" ] && [ "$(worker "$node")" != "$old" ]; }
wait_until "another one adopts what its shepherd holds" another
touch "go.$job.0"
wait_until "the job ends as it would have" job_is "$job" COMPLETED
ok "started once, ended once" once "$job.0"

# --- shepherd dies
job=$(submit --no-requeue -w n2 job.sh)
wait_until "another job runs" started "$job.0"
kill -9 "$(cat n2/shepherd.pid)"
wait_until "shepherd dies: its job is marked" job_is "$job" NODE_FAIL
wait_until "and its process ended" gone "$(pid_in "$job.0")"
wait_until "the node is of use again" stands n2 idle

# --- node silent past its lease; network partition
scontrol update NodeName=n1,n2 State=DRAIN Reason="the next jobs are for n3"
late=$(submit --requeue job.sh)
ghost=$(submit --requeue job.sh)
wait_until "two jobs run on n3" started "$ghost.0"
wait_until "both of them" started "$late.0"
is "$(host_of "$late.0") $(host_of "$ghost.0")" "n3 n3" "there"
scontrol update NodeName=n1,n2 State=RESUME
link_cut n3
wait_until "node silent past its lease" grep -q 'worker=n3 ->SUSPECT' "$DIR/log/broker.log"
refused=$(submit -w n3 -o /dev/null --wrap=true)
no_work() { squeue -h -j "$refused" -o '%t %r' | grep -q '^PD .*NotAvail'; }
wait_until "it is given no new work" no_work
scancel "$refused"
wait_until "network partition: the node is lost" stands n3 'down\*'
wait_until "its job is a new attempt" started "$late.1"
wait_until "the other one, too" started "$ghost.1"
ok "elsewhere" test "$(host_of "$ghost.1")" != n3
ok "the old attempt does not know" kill -0 "$(pid_in "$ghost.0")"
touch "go.$late.0"
wait_until "one old attempt ends unseen" ended "$late.0"
link_well n3
wait_until "the old attempt that comes back is killed" gone "$(pid_in "$ghost.0")"
wait_until "the node serves again" stands n3 'idle|mixed|allocated'
is "$(squeue -h -j "$late,$ghost" -o '%i %t' | sort)" "$late R
$ghost R" "the late report of an old attempt ends nothing"
touch "go.$late.1" "go.$ghost.1"
wait_until "they end" job_is "$late" COMPLETED
wait_until "and so does the other" job_is "$ghost" COMPLETED
is "$(grep -cE "^end ($late.1|$ghost.0|$ghost.1)" ledger)" 2 "each last attempt once, the killed one never"

# --- srun dies, on the host of the far front
become_far srun -J lonely -n 1 sh -c 'echo "start srun.0 $SLURMD_NODENAME $$" >>ledger; sleep 1000' >srun.out 2>&1 </dev/null &
srun=$!
wait_until "srun runs by the far front" started srun.0
lonely=$(squeue -h -n lonely -o %i)
kill -9 "$srun"
wait "$srun" 2>/dev/null
over() { [ -z "$(squeue -h -j "$1" -o %i 2>/dev/null)" ]; }
wait_until "srun dies: its allocation ends" over "$lonely"
wait_until "and its task" gone "$(pid_in srun.0)"

# --- messages late, lost, doubled, out of order; a subscriber that does not read; the far front cut off meanwhile
kill -STOP "$watcher"
for link in n1 n2 n3 b; do link_how "$link" 20 15 5 5; done
cat >short.sh <<'SCRIPT'
#!/bin/sh
#SBATCH -o /dev/null
echo "start $SLURM_ARRAY_JOB_ID.$SLURM_ARRAY_TASK_ID $SLURMD_NODENAME $$" >>ledger
echo "end $SLURM_ARRAY_JOB_ID.$SLURM_ARRAY_TASK_ID" >>ledger
SCRIPT
TASKS=60
array=$(far sbatch --parsable --array=1-$TASKS short.sh)
like "$array" '^[0-9]+$' "a write gets through a lossy link"
some_ended() { [ "$(grep -c "^end $array\\." ledger)" -ge "$1" ]; }
wait_until "tasks run over lossy links" some_ended 5
link_cut n1
link_cut b
wait_until "they run on while a node and a front are cut off" some_ended 25
link_how n1 20 15 5 5
WAIT_MAX=120 wait_until "all of them end" over "$array"
is "$(grep "^start $array\\." ledger | awk '{print $2}' | sort | uniq -d)" "" "message doubled: no task ran twice"
is "$(grep "^end $array\\." ledger | sort -u | wc -l)" "$TASKS" "message lost: none did not run"
is "$(squeue -h -r -t all -j "$array" -o %T | sort | uniq -c | awk '{print $1, $2}')" "$TASKS COMPLETED" "and so the queue says"
ok "packets were lost" test "$(link_did n2 lost)" -gt 0
ok "and doubled" test "$(link_did n2 twice)" -gt 0
is "$(far squeue -h -j "$array" -o %F | sort -u)" "$array" "the front that is cut off answers from its picture, and stands behind"
for link in n1 n2 n3 b; do link_well "$link"; done
kill -CONT "$watcher"
last=$(submit --wrap=true -o /dev/null)
told() { grep -q "\"type\":\"JOB_ENDED\",\"job\":$last," all.json; }
wait_until "subscriber cut off and slow: it is told all in the end" told
seqs() { sed -n 's/^{"seq":\([0-9]*\),"time".*/\1/p' all.json; }
is "$(seqs | awk 'NR > 1 && $1 != last + 1 { print "after " last " came " $1 } { last = $1 }')" "" "with no hole, and none twice"
is "$(grep -c RESYNC all.json)" 0 "nothing of it was lost"
is "$(cat far*.log | grep -c digest)" 0 "the replica's digest was the broker's all along"

# --- a cable pulled: the end of the front is down, then up
at b ip link set out down
wait_until "its front says that the broker is silent" grep -q 'broker connection closed' far2.log
ok "and answers" far squeue -h
at b sh -c 'ip link set out up && ip route replace default dev out'
mine() { far sbatch --parsable --hold --wrap=true; }
wait_until "with the cable back it relays" mine

# --- two brokers believe they lead
tender-broker --foreground --dir "$DIR" --conf "$DIR/slurm.conf" >two.log 2>&1 </dev/null
like "$?:$(tail -n 1 two.log)" '^[1-9].*another broker' "two brokers: the second stops, in words"
ok "the first writes on" submit --hold --wrap=true
done_testing
