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
# Watchers that do not read: no answer of theirs makes room, so nobody waits for it.
rows=$(as 65534 sbatch --parsable -H -D / -o /dev/null --array=0-999 --comment="$(printf '%01000d' 0)" --wrap true)
as 65534 scontrol update jobid="${rows}_[0-999]" nice=1
is "$(squeue -h -j "$rows" -o %i | wc -l)" 1000 "a thousand rows"
as 65534 "$TENDER_TESTS/poke" watch "$socket" 80 <hold >watch.out 2>watch.err &
exec 9>hold
wait_until "each of 80 watchers has been told" grep -q answered watch.out
refused() { as 65534 timeout 4 squeue -h -r >out 2>&1; [ $? -eq 1 ]; } # sooner than by ANSWER_WAIT_MS
wait_until "who has them is refused at once" refused
like "$(cat out)" 'ANSWERS_BYTES.*watchers too' "in words"
is "$(as 65533 squeue -h -j "$rows" -o %i | wc -l)" 1000 "another user is answered"
exec 9>&-
wait $!
answered() { as 65534 squeue -h -j "$rows" >/dev/null; }
wait_until "once they are gone he is, too" answered
done_testing
