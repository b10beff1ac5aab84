#!/bin/bash
# Relay, worker, front and broker are killed under running sruns, one after another, by chance: no byte is lost or comes
# twice, every exit status is right. The seed is printed; SEED=N repeats a run.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=killed\nSlurmctldHost=localhost\nKillWait=2\nNodeName=n[1-2] CPUs=64 RealMemory=64000\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' > slurm.conf
cluster_up --conf "$WORK/slurm.conf"
unset SLURM_JOB_ID SLURM_JOBID
SEED=${SEED:-$$}
RANDOM=$SEED
echo "# seed $SEED"
relays() { # those that have a step: one in reserve waits for its words on a pipe
    for p in $(pgrep -f "^tender-relay --shepherd $DIR/nodes/"); do
        case $(readlink "/proc/$p/fd/0") in pipe:*) ;; *) echo "$p" ;; esac
    done
}

cat > count.sh <<'SCRIPT'
i=0; while [ $i -lt "$1" ] || [ ! -e "$3" ]; do echo "$SLURM_PROCID line $i"; i=$((i + 1)); sleep 0.1; done; echo "$SLURM_PROCID end $i"
exit "$2"
SCRIPT
whole() { # whole FILE TASKS: each task's lines from 0 on, without a hole, and its end
    awk -v want="$2" '$2 == "line" && $3 == n[$1] + 0 { n[$1]++; next }
        $2 == "end" && $3 == n[$1] + 0 && !over[$1]++ { ends++; next }
        { print FILENAME ": " $0; bad = 1 } END { exit bad || ends != want }' "$1"
}

# --- a relay alone
timeout 120 srun -N2 -n4 sh count.sh 5 3 enough </dev/null >out 2>err & run=$!
wait_until "all four write" sh -c 'for r in 0 1 2 3; do grep -q "^$r line 2$" out || exit 1; done'
first=$(relays)
is "$(echo "$first" | wc -l)" 2 "two nodes, two relays"
kill -9 $first
new_relays() { [ "$(relays | wc -l)" = 2 ] && ! relays | grep -qxF "$first"; }
wait_until "both are started again" new_relays
second=$(relays | head -n 1)
kill -9 "$(pid_of nodes/n1/worker.pid)"
kill -9 "$second" # nobody is there to start another
ok "the worker is started again" tender up --dir "$DIR"
one_new() { [ "$(relays | wc -l)" = 2 ] && ! relays | grep -qx "$second"; }
wait_until "and starts the relay" one_new
touch enough
wait $run
is "$?" 3 "srun ends as its tasks do"
ok "every line of every task, once" whole out 4

# --- everybody, in any order, under twenty
N=20
for i in $(seq "$N"); do
    timeout 200 srun -n2 sh count.sh 5 $((i % 5)) done.all </dev/null >"out.$i" 2>"err.$i" & pids[i]=$!
done
all_write() { for i in $(seq "$N"); do grep -q '^1 line 1$' "out.$i" || return 1; done; }
wait_until "twenty sruns write" all_write
for round in 1 2 3 4 5 6 7 8; do
    case $((RANDOM % 5)) in
    0) who=$(relays | shuf -n 3 --random-source=<(yes $RANDOM)); what="three relays" ;;
    1) who=$(pid_of nodes/n1/worker.pid) what="a worker" ;;
    2) who=$(pid_of nodes/n2/worker.pid) what="another worker" ;;
    3) who=$(pid_of state/run/front.pid) what="the front" ;;
    4) who=$(pid_of state/run/broker.pid) what="the broker" ;;
    esac
    echo "# round $round: $what"
    kill -9 $who
    tender up --dir "$DIR" >up.log 2>&1 || { echo "# tender up failed"; sed 's/^/#   /' up.log; }
    before=$(cat out.* | wc -l)
    wait_until "output goes on after the death of $what" sh -c "[ \$(cat out.* | wc -l) -gt $((before + 20)) ]"
done
touch done.all
bad=
for i in $(seq "$N"); do
    wait "${pids[i]}"; status=$?
    [ "$status" = $((i % 5)) ] || bad="$bad srun $i exited $status, not $((i % 5)): $(head -n 3 "err.$i")"
    whole "out.$i" 2 >why || bad="$bad out.$i: $(head -n 2 why)"
done
is "$bad" "" "twenty exit statuses, and every line of forty tasks"
wait_until "nothing is left in the queue" queue_is_empty
done_testing
