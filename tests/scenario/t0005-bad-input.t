#!/bin/bash
# Garbage on every socket: the broker answers or hangs up, keeps within its memory, and serves the others.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2
socket=$DIR/state/run/broker.sock
broker=$(pid_of state/run/broker.pid)
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$broker/status"; }
before=$(rss)
alive() { scontrol ping | grep -q 'UP'; }
poke=$TENDER_TESTS/poke
for kind in noise huge zero half cut stolen; do
    ok "$kind on the local socket" "$poke" unix "$socket" "$kind"
    ok "the broker answers others" alive
done
status=$(tender status --dir "$DIR" --json)
router=$(printf '%s' "$status" | sed -n 's/.*"router": *"\([^"]*\)".*/\1/p')
key=$(printf '%s' "$status" | sed -n 's/.*"server_key": *"\([^"]*\)".*/\1/p')
like "$router" '^tcp://127\.0\.0\.1:[0-9]+$' "tender status names the bus"
for kind in noise huge; do
    ok "$kind on the bus's port" "$poke" tcp "${router##*:}" "$kind"
    ok "the broker answers others" alive
done
for kind in noise big multipart; do
    ok "$kind behind a good handshake" "$poke" bus "$router" "$key" "$kind"
    ok "the broker answers others" alive
done
like "$("$poke" bus "$router" "$key" impostor)" '^(ERROR|REFUSED) .' "a worker's words without its right are refused in words"
ok "a job still runs to its end" sh -c 'id=$(sbatch --parsable -o /dev/null --wrap true)'
wait_until "and is done" job_is 1 COMPLETED
is "$(pid_of state/run/broker.pid)" "$broker" "it is the same broker"
# While a peer sends parts without end libzmq holds what the guard lets it (three frames); that is given back.
within_memory() { [ $(($(rss) - before)) -lt 32768 ]; }
wait_until "and its memory is within 32 MB of what it was" within_memory
for bad in --no-such-option '--mem=lots' '--time=soon' '--nodes=0' '--gres=gpu:-1' '--array=1-99999999999'; do
    sbatch "$bad" -o /dev/null --wrap true >out 2>err
    ok "sbatch $bad fails" test "$?" -ne 0
    like "$(cat err)" '^sbatch: ' "and words"
done
holes=$(sbatch --parsable -H -o /dev/null --array=100001-115001 --wrap true)
ok "an array gets ten thousand holes" scancel "${holes}_[100001-115001:3]"
like "$(squeue -h -o %i)" "^${holes}_\[100002-100003,.*\.\.\.\]$" "its row is cut where nobody reads on"
is "$(pid_of state/run/broker.pid)" "$broker" "and ends no broker"
scancel "$holes"
for bad in '-c 4097' "--comment=$(head -c 3000 /dev/zero | tr '\0' x)"; do
    # shellcheck disable=SC2086
    sbatch $bad -o /dev/null --wrap true >out 2>err
    is "$?" 1 "a value over its row is refused"
    like "$(cat err)" 'over its limit|longer than' "by name"
done
head -c 9000000 /dev/zero | tr '\0' '#' > big.sh
sed -i '1s/^/#!\/bin\/sh\n/' big.sh
sbatch big.sh >out 2>err
is "$?" 1 "a script over the limit is refused"
like "$(cat err)" 'longer than' "naming it"
done_testing
