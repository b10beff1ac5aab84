#!/bin/bash
# A watcher who was told of nothing yet is told of nothing old by the next front.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2
id=$(submit -o /dev/null --wrap true)
wait_until "there is a past" job_is "$id" COMPLETED
tender events >news 2>notes &
watcher=$!
wait_until "the watcher is connected" sh -c 'ls -l /proc/$0/fd | grep -q socket' "$watcher"
sleep 1 # he is told that there is nothing: nothing tells us that he was
kill -KILL "$(pid_of state/run/front.pid)"
ok "another front is started" tender up --dir "$DIR"
wait_until "he has found it" grep -q back notes
next=$(submit -o /dev/null --wrap true)
wait_until "he is told what is new" grep -q "\"job\":$next" news
is "$(grep -c "\"job\":$id[,}]" news)" 0 "and nothing of the past"
kill "$watcher"
done_testing
