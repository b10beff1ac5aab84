#!/bin/bash
# As services of systemd: units are installed and name what is there; READY=1 is said when it is true, STOPPING=1 at the end;
# a worker's restart touches no job, the shepherd's end ends them.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
pids=
ON_EXIT='for p in $pids; do kill -9 "$p" 2>/dev/null; done; [ -s node/shepherd.pid ] && kill -9 "$(cat node/shepherd.pid)" 2>/dev/null'
ear() { # ear NAME [ADDRESS]: what is said to it is in NAME.said
    python3 "$HERE/notify.py" "${2:-$WORK/$1.notify}" "$1.said" & pids="$pids $!"
    wait_until "a service manager listens for the $1" heard_by "${2:-$WORK/$1.notify}"
}
heard_by() { grep -q -- " $1\$" /proc/net/unix; }
said() { grep -q "$2" "$1.said"; }
silent() { [ ! -s "$1.said" ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# --- the units ---------------------------------------------------------------------------------------------------------
build=${TENDER_BIN%/bin}
cmake --install "$build" --prefix "$WORK/usr" >install.out 2>&1
is "$?" 0 "cmake --install"
units=$WORK/usr/lib/systemd/system
for daemon in broker front worker shepherd; do
    unit=$units/tender-$daemon.service
    line=$(sed -n 's/^ExecStart=//p' "$unit")
    ok "tender-$daemon.service names an installed program" test -x "${line%% *}"
    wrong=$(for o in $(printf '%s\n' "$line" | grep -oE -- '--[a-z-]+'); do
        "${line%% *}" --help | grep -q -- "^ *$o\b" || echo "$o"
    done)
    is "$wrong" "" "with options that it has"
    is "$(grep -c '^Type=notify$' "$unit")" 1 "and waits for its word"
done
is "$(readlink usr/bin/sbatch)" tender "commands are links to one program"
ok "the installed program runs" usr/bin/tender version
if command -v systemd-analyze >/dev/null; then
    is "$(systemd-analyze verify --man=no "$units"/tender-*.service 2>&1)" "" "systemd-analyze verify has nothing to say"
else
    echo "# systemd-analyze is not here: the units are not verified"
fi

# --- their words -------------------------------------------------------------------------------------------------------
printf 'ClusterName=services\nSlurmctldHost=localhost\nStateSaveLocation=%s/state\nKillWait=1\nNodeName=n1 CPUs=2\nPartitionName=p Nodes=ALL Default=YES\n' "$WORK" >slurm.conf
printf 'LeaseTime=30\n' >tender.conf
export SLURM_CONF=$WORK/slurm.conf
ear broker
ear front "@tender-test-$$"
ear worker
ear shepherd
start_broker() {
    NOTIFY_SOCKET=$WORK/broker.notify tender-broker --conf "$SLURM_CONF" --foreground >>broker.log 2>&1 & broker=$!
    pids="$pids $broker"
}
start_broker
wait_until "the broker says that it is ready" said broker '^READY=1|STATUS='
ok "and answers" scontrol ping
NOTIFY_SOCKET=$WORK/broker.notify tender-broker --conf "$SLURM_CONF" --foreground >second.log 2>&1
is "$?:$(grep -c READY broker.said)" "1:1" "one that cannot start, as another runs, says nothing"
token=$(tender join-token)
kill "$broker"; wait "$broker"
is "$?" 0 "it ends when told to"
like "$(tail -n 1 broker.said)" '^STOPPING=1' "and says so"

mkdir node
NOTIFY_SOCKET=$WORK/shepherd.notify tender-shepherd --dir "$WORK/node" >shepherd.log 2>&1 & shepherd=$!
pids="$pids $shepherd"
wait_until "the shepherd says that it is ready" said shepherd '^READY=1'
ok "when its socket is there" test -S node/shepherd.sock
start_worker() {
    NOTIFY_SOCKET=$WORK/worker.notify tender-worker --dir "$WORK/node" --node n1 --log - "$@" >>worker.log 2>&1 & worker=$!
    pids="$pids $worker"
}
NOTIFY_SOCKET=@tender-test-$$ tender-front --conf "$SLURM_CONF" --foreground >front.log 2>&1 & front=$!
pids="$pids $front"
start_worker --join "$token"
wait_until "a worker without its broker is up" grep -q 'worker of n1 starts' worker.log
wait_until "and a front" test -e "/proc/$front/exe"
ok "neither is ready" silent worker
ok "nor says so" silent front
: >broker.said
start_broker
wait_until "with their broker the worker is ready" said worker '^READY=1'
is "$(sinfo -h -o %t)" idle "at once it has a node"
wait_until "and the front" said front '^READY=1'
ok "whose door is open" test -S state/run/front.sock
is "$(cat node/shepherd.pid)" "$shepherd" "the worker took the shepherd that was there"

# --- through restarts ----------------------------------------------------------------------------------------------------
mkfifo go
job=$(submit -o out.%j --wrap 'env; read -r _ <go; echo through')
wait_until "a job runs" job_is "$job" RUNNING
like "$(tr '\0' '\n' <"/proc/$shepherd/environ" | grep -c NOTIFY)" '^1$' "the shepherd was told the address"
wait_until "its environment is written" grep -q SLURM_JOB_ID "out.$job"
is "$(grep -c NOTIFY "out.$job")" 0 "its jobs are not"
kill -HUP "$worker" "$front" "$shepherd"
wait_until "SIGHUP opens logs anew" grep -q 'SIGHUP' worker.log
kill -TERM "$worker"; kill -INT "$worker"; wait "$worker"
is "$?" 0 "a worker stopped as its unit stops it leaves while a job runs"
like "$(grep -v READY worker.said | head -n 1)" '^STOPPING=1' "and says so"
ok "the job does not notice" job_is "$job" RUNNING
: >worker.said
start_worker
wait_until "another worker is ready" said worker '^READY=1'
is "$(cat node/shepherd.pid)" "$shepherd" "with the same shepherd"
echo go >go
wait_until "the job ends as ever" job_is "$job" COMPLETED
is "$(tail -n 1 "out.$job")" through "having gone through"
left=$(submit -o /dev/null --wrap 'read -r _ <go')
wait_until "another one runs" job_is "$left" RUNNING
kill -TERM "$shepherd"; kill -INT "$shepherd"; wait "$shepherd"
is "$?" 0 "a shepherd stopped as its unit stops it leaves"
like "$(tail -n 1 shepherd.said)" '^STOPPING=1' "and says so"
over() { [ "$(job_state "$left")" != RUNNING ]; }
wait_until "having ended its jobs" over
kill "$front"; wait "$front"
like "$(tail -n 1 front.said)" '^STOPPING=1' "the front says its last word"
kill -TERM "$worker"; kill -INT "$worker"; wait "$worker" 2>/dev/null
kill "$broker"; wait "$broker" 2>/dev/null
unset SLURM_CONF

# --- tender up in a service --------------------------------------------------------------------------------------------
: >worker.said; : >broker.said
NOTIFY_SOCKET=$WORK/broker.notify cluster_up --nodes 1 --cpus 1
ok "what tender up leaves behind speaks for nobody" silent broker
is "$(tr '\0' '\n' <"/proc/$(pid_of state/run/broker.pid)/environ" | grep -c NOTIFY)" 0 "and was not told to"
done_testing
