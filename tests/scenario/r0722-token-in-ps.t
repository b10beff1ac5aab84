#!/bin/bash
# A join token is a password: it may come by a file or standard input, and on a command line it does not stay.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 1
pids=
ON_EXIT='kill $pids 2>/dev/null; wait 2>/dev/null; for p in "$WORK"/*/shepherd.pid; do [ -s "$p" ] && kill "$(cat "$p")" 2>/dev/null; done'
joins() { # joins NODE LOG: its worker, just started as $!
    pid=$!
    pids="$pids $pid"
    wait_until "$1 joins" grep -q "serves the cluster" "$2"
    is "$(tr '\0' ' ' <"/proc/$pid/cmdline" | grep -c "$token")" 0 "no ps shows its token"
}
token=$(tender join-token)
tender-worker --join "$token" --node a1 --dir "$WORK/a1" --cpus 1 >a1.log 2>&1 </dev/null &
joins a1 a1.log
like "$(tr '\0' ' ' <"/proc/$pid/cmdline")" '^tender-worker --join \*+ --node a1 --dir ' "the other words stand as they were"
HOME=$WORK XDG_STATE_HOME=$WORK tender-worker --node a2 --cpus 1 --dir "$WORK/a2" --join="$token" >a2.log 2>&1 </dev/null &
joins a2 a2.log
printf '%s\nanother line\n' "$token" | tender-worker --join - --node a3 --dir "$WORK/a3" --cpus 1 >a3.log 2>&1 &
joins a3 a3.log
(umask 077; printf '%s\n' "$token" >word)
tender-worker --join @word --node a4 --dir "$WORK/a4" --cpus 1 >a4.log 2>&1 </dev/null &
joins a4 a4.log

out=$(tender-worker --join - --node b1 --dir "$WORK/b1" --cpus 1 2>&1 </dev/null)
like "$?:$out" '^1:tender-worker: --join -: no token came on standard input' "an empty standard input is no token"
out=$(tender-worker --join @nowhere --node b1 --dir "$WORK/b1" --cpus 1 2>&1 </dev/null)
like "$?:$out" '^1:tender-worker: cannot read nowhere: No such file' "nor is a file that is not there"
out=$(tender-worker --join "$(printf 'a%.0s' $(seq 5000))" --node b1 --dir "$WORK/b1" --cpus 1 2>&1 </dev/null)
like "$?:$out" '^1:tender-worker: the join token is not valid here: it is too long' "nor is a word without end"

# A front: in the background there are two of it, and neither shows the token.
token=$(tender token create --front --names login1)
printf '%s\n' "$token" | tender-front --join - --dir "$WORK/far" --name login1 --log "$WORK/far.log" 2>front.err
is "$?" 0 "a front joins with a token of standard input"
pids="$pids $(cat far/state/run/front.pid)"
token=$(tender token create --front --names login2)
tender-front --join "$token" --dir "$WORK/far2" --name login2 --log "$WORK/far2.log" 2>front.err
is "$?" 0 "another by its command line"
pid=$(cat far2/state/run/front.pid)
pids="$pids $pid"
is "$(tr '\0' ' ' <"/proc/$pid/cmdline" | grep -c "$token")" 0 "which does not show it"
tender-front --join - --dir "$WORK/far3" 2>front.err </dev/null
like "$?:$(cat front.err)" '^1:tender-front: error: --join -: no token came on standard input' "a front without one says so"
done_testing
