#!/bin/bash
# A tender down that was killed in between leaves a shepherd stopped: the next tender up ends it and starts the node anew.
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 2 --cpus 2
id=$(submit -w n2 -o /dev/null --wrap 'trap "" TERM; sleep 600')
wait_until "a job runs on n2" job_is "$id" RUNNING
shepherd=$(pid_of nodes/n2/shepherd.pid)
# As a tender down --force leaves it that is killed between stopping a shepherd and ending it.
for file in state/run/broker.pid state/run/front.pid nodes/n1/worker.pid nodes/n2/worker.pid; do kill -9 "$(pid_of $file)"; done
kill -STOP "$shepherd"
alive() { grep -q '^State:.[^ZX]' "/proc/$1/status" 2>/dev/null; }
gone() { ! alive "$1"; }
wait_until "the broker is dead" gone "$(pid_of state/run/broker.pid)"
up() { tender up --dir "$DIR" >/dev/null 2>"$WORK/err"; }
ok "tender up" up
like "$(cat "$WORK/err")" '1 shepherd, stopped by a tender down that did not come to its end, was ended' "says what it found"
ok "the node has another shepherd" test "$(pid_of nodes/n2/shepherd.pid)" != "$shepherd"
wait_until "the job was queued again and runs" job_is "$id" RUNNING
like "$(scontrol show job "$id")" 'Restarts=1' "as another attempt"

# A shepherd that somebody stops while the broker runs is not touched: its jobs' end would be recorded as their own.
shepherd=$(pid_of nodes/n2/shepherd.pid)
kill -STOP "$shepherd"
up
ok "a stopped shepherd of a cluster that runs is left alone" alive "$shepherd"
kill -CONT "$shepherd"

# Whoever asks tender down to stop is not obeyed while a shepherd is stopped.
tender down --dir "$DIR" >/dev/null 2>&1 &
down=$!
stopped() { grep -q '^State:.T' "/proc/$(pid_of nodes/n2/shepherd.pid)/status"; }
wait_until "tender down has stopped the shepherd" stopped
kill -TERM "$down"
wait "$down"
ok "it is not left stopped" gone "$shepherd"
done_testing
