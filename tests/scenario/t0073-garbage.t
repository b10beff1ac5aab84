#!/bin/bash
# Garbage at the doors that t0005 does not knock at: front, shepherd, an srun's port, enrolment. Others go on meanwhile.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2
poke=$TENDER_TESTS/poke
front=$(pid_of state/run/front.pid); shepherd=$(pid_of nodes/n1/shepherd.pid); broker=$(pid_of state/run/broker.pid)
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
f0=$(rss "$front"); s0=$(rss "$shepherd"); b0=$(rss "$broker")
mkfifo go out
srun -n1 sh -c 'echo begun; read -r _ <"$0"; echo ended' "$WORK/go" >srun.out 2>srun.err & srun=$!
ON_EXIT='kill "$srun" 2>/dev/null'
wait_until "a step runs" grep -q begun srun.out
port=$(for inode in $(ls -l "/proc/$srun/fd" | sed -n 's/.*socket:\[\([0-9]*\)\].*/\1/p'); do
    awk -v i="$inode" '$4 == "0A" && $10 == i { sub(/.*:/, "", $2); print $2 }' /proc/net/tcp /proc/net/tcp6
done | head -n 1)
port=$((16#$port))
ok "its srun listens" test "$port" -gt 0
for kind in noise huge zero half cut stolen; do
    ok "$kind at the front" "$poke" unix "$DIR/state/run/front.sock" "$kind"
    ok "it answers others" squeue -h
    ok "$kind at the shepherd" "$poke" unix "$DIR/nodes/n1/shepherd.sock" "$kind"
    ok "$kind at the port of srun" "$poke" tcp "$port" "$kind"
done
done_one() { job_is "$1" COMPLETED; }
id=$(submit -o /dev/null --wrap true)
wait_until "the shepherd still runs jobs" done_one "$id"
echo go >go
wait "$srun"
is "$?:$(tail -n 1 srun.out)" "0:ended" "and the step its srun"
status=$(tender status --json)
router=$(printf '%s' "$status" | sed -n 's/.*"router": *"\([^"]*\)".*/\1/p')
key=$(printf '%s' "$status" | sed -n 's/.*"server_key": *"\([^"]*\)".*/\1/p')
like "$("$poke" bus "$router" "$key" enrol)" '^REFUSED .*join token is not valid here' "a secret that nobody made is refused in words"
ok "the node is not concerned" test "$(srun -n1 echo here)" = here
is "$(pid_of state/run/front.pid) $(pid_of nodes/n1/shepherd.pid) $(pid_of state/run/broker.pid)" "$front $shepherd $broker" "all are who they were"
small() { [ $(($(rss "$1") - $2)) -lt 32768 ]; }
wait_until "the front is within 32 MB of what it was" small "$front" "$f0"
wait_until "the shepherd, too" small "$shepherd" "$s0"
wait_until "and the broker" small "$broker" "$b0"
done_testing
