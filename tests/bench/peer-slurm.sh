# peer-slurm.sh - Debian's Slurm at its lowest-latency settings, on loopback, in a folder of its own; sourced by scripts/bench
#
# peer_up CPUS starts munged, slurmctld and slurmd; peer_down ends them by pid. The settings are those of the published
# comparison: one node with more CPUs declared than there are, no accounting, no confinement.

peer_install() {
    if ! command -v /usr/sbin/slurmctld >/dev/null || ! command -v /usr/sbin/munged >/dev/null; then
        echo "bench: installing slurm-wlm and munge for comparison" >&2
        DEBIAN_FRONTEND=noninteractive $SUDO apt-get install -y -qq slurm-wlm munge >/dev/null
    fi
}

peer_up() {
    local cpus=$1 host
    host=$(hostname -s)
    PEER=$(mktemp -d "${TMPDIR:-/tmp}/tender-peer.XXXXXX")
    mkdir -p "$PEER"/{state,spool,munge}
    chmod 700 "$PEER/munge"
    dd if=/dev/urandom of="$PEER/munge/key" bs=1024 count=1 status=none
    chmod 600 "$PEER/munge/key"
    cat > "$PEER/slurm.conf" <<CONF
ClusterName=peer
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$((20000 + $$ % 20000))
SlurmdPort=$((20001 + $$ % 20000))
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$PEER/munge/sock
CryptoType=crypto/munge
StateSaveLocation=$PEER/state
SlurmdSpoolDir=$PEER/spool
SlurmctldPidFile=$PEER/slurmctld.pid
SlurmdPidFile=$PEER/slurmd.pid
SlurmctldLogFile=$PEER/slurmctld.log
SlurmdLogFile=$PEER/slurmd.log
SlurmctldDebug=error
SlurmdDebug=error
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
MaxArraySize=100001
MaxJobCount=200000
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1,default_queue_depth=10000,bf_max_job_test=1000,bf_continue
SlurmctldParameters=enable_rpc_queue
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus State=UNKNOWN
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    /usr/sbin/munged --foreground --force --key-file="$PEER/munge/key" --socket="$PEER/munge/sock" --pid-file="$PEER/munge/pid" \
        --log-file="$PEER/munge/log" --seed-file="$PEER/munge/seed" >/dev/null 2>&1 &
    PEER_PIDS="$!"
    until [ -S "$PEER/munge/sock" ]; do sleep 0.05; done
    SLURM_CONF=$PEER/slurm.conf /usr/sbin/slurmctld -D -f "$PEER/slurm.conf" >"$PEER/ctld.out" 2>&1 &
    PEER_PIDS="$! $PEER_PIDS"
    SLURM_CONF=$PEER/slurm.conf /usr/sbin/slurmd -D -f "$PEER/slurm.conf" -N "$host" >"$PEER/d.out" 2>&1 &
    PEER_PIDS="$! $PEER_PIDS"
    local end=$((SECONDS + 60))
    until [ "$(SLURM_CONF=$PEER/slurm.conf /usr/bin/sinfo -h -o %t 2>/dev/null)" = idle ]; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "bench: the peer did not come up:" >&2
            tail -n 20 "$PEER"/*.log "$PEER"/*.out >&2
            return 1
        fi
        sleep 0.1
    done
}

peer_down() {
    [ -n "${PEER:-}" ] || return 0
    # shellcheck disable=SC2086
    kill $PEER_PIDS 2>/dev/null
    # shellcheck disable=SC2086
    wait $PEER_PIDS 2>/dev/null
    rm -rf "$PEER"
    PEER=
}
