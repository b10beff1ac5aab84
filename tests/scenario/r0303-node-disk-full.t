#!/bin/bash
# The disk of a node is full: it declines what it is given and says why, jobs keep their place and run elsewhere or when
# there is space again.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "mounting a small disk needs root"
SPOOL=$DIR/nodes/n1/spool
mkdir -p "$SPOOL"
mount -t tmpfs -o size=128k,mode=711 none "$SPOOL" 2>/dev/null || skip_all "this machine does not allow a tmpfs to be mounted"
ON_EXIT='umount -l "$SPOOL"'
cd "$WORK" || exit 1
cluster_up --nodes 2 --cpus 4
on() { node=$1; shift; submit -o /dev/null -w "$node" "$@"; }
wait_until "a job ends while there is space" job_is "$(on n1 --wrap true)" COMPLETED

no_copy() { [ -z "$(ls -A "$SPOOL/scripts")" ]; }
wait_until "and its copy is removed" no_copy
dd if=/dev/zero of="$SPOOL/ballast" bs=4k 2>/dev/null
began=$SECONDS
one=$(on n1 --wrap 'true one')
two=$(on n1 --wrap 'true two')
three=$(on n1 --array=1-20 --wrap 'true three')
declined() { grep -q "job=$one .*DECLINED.*cannot write the script.*No space left" "$DIR/log/broker.log"; }
wait_until "the node declines and says why" declined
unwell() { tender rounds 2>/dev/null | grep -q 'its own checks say no'; }
wait_until "and does not bid" unwell
is "$(job_state "$one") $(job_state "$two")" "PENDING PENDING" "the jobs keep their place"
is "$(squeue -h -t FAILED,NODE_FAIL,CANCELLED -o %i)" "" "none has failed"
four=$(submit -o /dev/null --wrap 'true four')
wait_until "a job that may run elsewhere does" job_is "$four" COMPLETED
is "$(scontrol show job "$four" | sed -n 's/.* *BatchHost=//p')" n2 "on the other node"
rounds() { tender status --all --json | sed -n 's/.*"rounds": \([0-9]*\).*/\1/p'; }
asked=$(rounds)
more() { [ "$(rounds)" -ge $((asked + 3)) ]; }
wait_until "it is asked again" more
declines=$(grep -c 'event=DECLINED' "$DIR/log/broker.log")
ok "not in a hot loop" test "$declines" -le $((22 + 2 * (SECONDS - began)))
echo "# $declines declined, $(rounds) rounds in $((SECONDS - began)) s"

rm "$SPOOL/ballast"
wait_until "with space again the first runs" job_is "$one" COMPLETED
wait_until "and all the others" queue_is_empty
is "$(squeue -h -t all -o %T | sort -u)" COMPLETED "to their ends"
done_testing
