#!/bin/bash
# A tender up that is interrupted ends what it has started; one that is killed is completed by the next.
. "$(dirname "$0")/lib.sh"
ours() { # processes whose command line names the folder
    local p n=0
    for p in /proc/[0-9]*/cmdline; do tr '\0' ' ' <"$p" 2>/dev/null | grep -q "^[^ ]*tender.* .*$DIR" && n=$((n + 1)); done
    echo "$n"
}
nothing_runs() { [ "$(ours)" = 0 ]; }
up() { tender up --dir "$DIR" "$@" >"$WORK/up.out" 2>"$WORK/up.err"; }
begin() { # begin STATE-FILE: a tender up that has come so far; its pid in $up
    env --default-signal=INT tender up --dir "$DIR" --nodes 16 --cpus 1 >"$WORK/up.out" 2>"$WORK/up.err" &
    up=$!
    wait_until "tender up has come to $1" test -e "$DIR/$1"
}
begin nodes/n1/worker.pid
kill -INT "$up"
wait "$up"
is "$?" 1 "interrupted, it fails"
like "$(cat "$WORK/up.err")" 'interrupted: what was started is ended again' "and says what becomes of it"
like "$(cat "$WORK/up.err")" "tender up --dir .* goes on with it" "and how to go on"
wait_until "nothing is left running" nothing_runs
rm -rf "$DIR"

begin slurm.conf
kill -TERM "$up"
wait "$up"
is "$?" 1 "interrupted before anything runs, it fails"
wait_until "and leaves nothing running" nothing_runs

for state in state/run/broker.pid nodes/n1/worker.pid nodes/n9/worker.pid; do
    rm -rf "$DIR"
    begin $state
    kill -KILL "$up"
    wait "$up" 2>/dev/null
    ok "the next tender up completes it" up --nodes 16 --cpus 1
    like "$(tail -n 1 "$WORK/up.err")" '^tender up: 16 nodes up in' "with all its nodes"
    tender down --dir "$DIR" --force 2>/dev/null
done

ok "a cluster that was there" up
kill -9 "$(pid_of nodes/n3/worker.pid)"
kill -STOP "$(pid_of state/run/broker.pid)" # tender up waits for its answer
env --default-signal=INT tender up --dir "$DIR" >/dev/null 2>"$WORK/up.err" &
up=$!
waits() { grep -q '^State:.S' "/proc/$up/status" && grep -q poll "/proc/$up/wchan" 2>/dev/null; }
wait_until "tender up waits" waits
kill -INT "$up"
kill -CONT "$(pid_of state/run/broker.pid)"
wait "$up"
like "$(cat "$WORK/up.err")" "what runs stays; to take it down: tender down --dir" "of it nothing is ended, and that is said"
ok "its broker runs on" kill -0 "$(pid_of state/run/broker.pid)"
done_testing
