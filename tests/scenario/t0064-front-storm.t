#!/bin/bash
# Fronts killed and restarted under fifty watchers and fifty sruns: every watcher's sequence is complete or explicitly
# resynchronised, every srun's output complete, its exit status right.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=storm\nSlurmctldHost=localhost\nKillWait=2\nNodeName=n[1-2] CPUs=64 RealMemory=64000\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' > slurm.conf
cluster_up --conf "$WORK/slurm.conf"
unset SLURM_JOB_ID SLURM_JOBID
N=50
cat > count.sh <<'SCRIPT'
i=0; while [ $i -lt 5 ] || [ ! -e done.all ]; do echo "line $i"; i=$((i + 1)); sleep 0.2; done; echo "end $i"
exit "$1"
SCRIPT
for i in $(seq "$N"); do
    tender events --since 0 >"events.$i" 2>"watch.$i" & watchers[i]=$!
done
ON_EXIT='kill "${watchers[@]}" 2>/dev/null; wait "${watchers[@]}" 2>/dev/null'
watching() { for i in $(seq "$N"); do [ -s "events.$i" ] || return 1; done; }
wait_until "fifty watch" watching
for i in $(seq "$N"); do
    timeout 200 srun sh count.sh $((i % 7)) </dev/null >"out.$i" 2>"err.$i" & pids[i]=$!
done
all_write() { for i in $(seq "$N"); do grep -q '^line 1$' "out.$i" || return 1; done; }
wait_until "fifty sruns write" all_write
for round in 1 2 3 4; do
    pid=$(pid_of state/run/front.pid)
    kill -9 "$pid"
    [ "$round" = 2 ] && extra=$(submit --wrap=true) # happens while nobody tells of it
    tender up --dir "$DIR" >up.log 2>&1 || { echo "# tender up failed"; sed 's/^/#   /' up.log; }
    marker=$(submit --hold --wrap=true)
    told() { for i in $(seq "$N"); do grep -q "\"type\":\"JOB_SUBMITTED\",\"job\":$marker," "events.$i" || return 1; done; }
    wait_until "after death $round of the front every watcher is told of what comes" told
    scancel "$marker"
done
touch done.all
bad=
for i in $(seq "$N"); do
    wait "${pids[i]}"; status=$?
    [ "$status" = $((i % 7)) ] || bad="$bad srun $i exited $status, not $((i % 7)): $(head -n 3 "err.$i")"
    awk '$1 == "line" && $2 == n + 0 { n++; next } $1 == "end" && $2 == n && !over++ { next } { bad = 1 } END { exit bad || !over }' "out.$i" ||
        bad="$bad out.$i: $(tail -n 2 "out.$i")"
done
is "$bad" "" "fifty exit statuses, fifty outputs without a hole"
last=$(submit --wrap=true)
ended() { for i in $(seq "$N"); do grep -q "\"type\":\"JOB_ENDED\",\"job\":$last," "events.$i" || return 1; done; }
wait_until "every watcher is told of the last end" ended
bad=
for i in $(seq "$N"); do # numbers follow each other; after RESYNC they may go on anywhere
    awk -F'[:,]' '/"type":"RESYNC"/ { resync = 1; next } /^{"seq":/ { if (n && !resync && $2 != n + 1) { print FILENAME ": after " n " came " $2; bad = 1 } n = $2; resync = 0 }
        END { exit bad || n < 100 }' "events.$i" >why || bad="$bad $(head -n 1 why) "
done
is "$bad" "" "the numbers of every watcher have no hole that was not said"
is "$(cat events.* | grep -c RESYNC)" 0 "nor was there any: a front reaches back over its death"
is "$(grep -l "\"job\":$extra," events.* | wc -l)" "$N" "what happened between two fronts was told by the next"
wait_until "nothing is left in the queue" queue_is_empty
done_testing
