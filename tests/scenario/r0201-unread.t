#!/bin/bash
# Answers that nobody reads: the broker's memory stays within ANSWERS_BYTES, and others are answered.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
[ "$(id -u)" = 0 ] || skip_all "needs a second user: runs as root only"
as() { setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; } # as UID COMMAND...
cluster_up --nodes 1 --cpus 2
socket=$DIR/state/run/front.sock
door=$(pid_of state/run/front.pid)
highest() { awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$door/status"; }
submit -H -o /dev/null --array=1-20000 --wrap true >/dev/null
before=$(highest)
mkfifo hold
as 65534 "$TENDER_TESTS/poke" hoard "$socket" 400 <hold >hoard.out 2>hoard.err &
exec 9>hold
wait_until "each of 400 connections has an answer, or a refusal" grep -q answered hoard.out
grown=$(($(highest) - before))
ok "which took no more than ANSWERS_BYTES and a little ($grown MB)" test "$grown" -lt 320
ok "and more than a few were answered" test "$grown" -gt 30
is "$(squeue -h -r | wc -l)" 20000 "root is answered in full"
is "$(as 65533 squeue -h -r 2>&1 | wc -l)" 20000 "and so is another user"
like "$(as 65534 squeue -h -r 2>&1)" 'ANSWERS_BYTES' "the one whose connections they are is refused in words"
exec 9>&-
wait $!
ok "once they are gone" test "$(as 65534 squeue -h -r 2>&1 | wc -l)" = 20000
# Many at once that do read: who has no room waits for it, and nobody is refused.
for i in $(seq 60); do as 65534 squeue -h -r >many.$i 2>&1 & pids[i]=$!; done
for i in $(seq 60); do wait "${pids[i]}"; done
is "$(cat many.* | wc -l)" $((60 * 20000)) "sixty queries at once are all answered in full"
ok "within the same bound" test $(($(highest) - before)) -lt 320
is "$(pid_of state/run/front.pid)" "$door" "it is the same front"
done_testing
