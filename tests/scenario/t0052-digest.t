#!/bin/bash
# The digest of many jobs is made beside the loop, by the broker and by its front, and compared all the same.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 1
compared() { sed -n "s/.*replica seq=\([0-9]*\) compared: it is the broker's.*/\1/p" "$DIR/log/front.log" | tail -n 1; }
front() { pid_of state/run/front.pid; }
was_compared() { [ "$(compared)" -ge "$1" ]; }
wait_until "a small one" was_compared 1
id=$(submit --hold --array=0-5999 --wrap true)
scontrol update jobid="${id}_[0-5999]" nice=7
is "$(squeue -h -r -o %y | sort | uniq -c | xargs)" "6000 7" "every task is a job of its own"
kill -9 "$(front)"
is_gone() { ! kill -0 "$(front)"; }
wait_until "its front dies" is_gone
tender up --dir "$DIR" >/dev/null 2>&1
wait_until "and the next one's replica, of 6,000 jobs, is compared" was_compared 12000
is "$(grep -c 'digest was not\|digest is not\|digest not made' "$DIR/log/front.log" "$DIR/log/broker.log" | grep -vc ':0$')" 0 "nothing else is said of it"
done_testing
