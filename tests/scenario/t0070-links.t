#!/bin/bash
# Hosts of their own, links between them: the failure rules of a cluster whose network is cut, slow or loses packets.
#
# Each host is a network namespace with one cable (veth) to a bridge in a namespace called hub. Nothing is in the network
# of this machine itself. All files are common, as on a cluster's shared file system; nobody but commands uses that.
#
#   head 10.77.0.1 (broker, front)   login 10.77.0.2 (front)   w1 w2 w3 10.77.0.11-13 (a worker each)
. "$(dirname "$0")/lib.sh"
net=tender$$
hosts="head login w1 w2 w3"
on() { nsenter --net="/run/netns/$net-$1" -- "${@:2}"; } # on HOST COMMAND...
started=
start() { # start HOST LOG COMMAND...: left running
    (exec nsenter --net="/run/netns/$net-$1" -- "${@:3}") >>"$DIR/log/$2.log" 2>&1 </dev/null &
    started="$started $!"
    disown $!
}
network_down() {
    for host in hub $hosts; do ip netns delete "$net-$host" 2>/dev/null; done
}
everything_down() {
    [ -n "$started" ] && kill -9 $started 2>/dev/null
    for host in w1 w2 w3; do
        pid=$(cat "$DIR/nodes/$host/shepherd.pid" 2>/dev/null) && kill -9 "$pid" 2>/dev/null
        [ -d "$DIR/nodes/$host" ] && tender-shepherd --dir "$DIR/nodes/$host" --sweep >/dev/null 2>&1
    done
    network_down
}

# --- the network
[ "$(id -u)" -eq 0 ] || skip_all "network namespaces want root"
command -v ip >/dev/null && command -v tc >/dev/null || skip_all "there is no iproute2 (ip, tc) here"
command -v nsenter >/dev/null || skip_all "there is no nsenter here"
ip netns add "$net-hub" 2>"$WORK/no" || skip_all "no network namespace may be made here: $(head -n 1 "$WORK/no")"
ON_EXIT=everything_down
ip -n "$net-hub" link add bridge type bridge 2>"$WORK/no" || skip_all "no bridge may be made here: $(head -n 1 "$WORK/no")"
ip -n "$net-hub" link set bridge up
address() { case $1 in head) echo 10.77.0.1 ;; login) echo 10.77.0.2 ;; w?) echo "10.77.0.1${1#w}" ;; esac; }
for host in $hosts; do
    { ip netns add "$net-$host" && ip -n "$net-hub" link add "$host" type veth peer name cable netns "$net-$host"; } 2>"$WORK/no" ||
        skip_all "no cable between namespaces may be made here: $(head -n 1 "$WORK/no")"
    ip -n "$net-hub" link set "$host" master bridge up
    ip -n "$net-$host" link set lo up
    ip -n "$net-$host" address add "$(address "$host")/24" dev cable
    ip -n "$net-$host" link set cable up
done

# --- the cluster, as an administrator starts it
mkdir -p "$DIR/log" "$DIR/nodes"
cat > "$DIR/slurm.conf" <<CONF
ClusterName=links
SlurmctldHost=head(10.77.0.1)
StateSaveLocation=$DIR/state
SlurmdTimeout=6
ReturnToService=1
NodeName=w[1-3] CPUs=2
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
printf 'Address=10.77.0.1\nPorts=7817-7818\nLeaseTime=3\n' > "$DIR/tender.conf"
cd "$WORK" || exit 1
export SLURM_CONF="$DIR/slurm.conf"
broker() { start head broker tender-broker --foreground --conf "$SLURM_CONF" --dir "$DIR"; broker=$!; }
front() { start head front tender-front --foreground --conf "$SLURM_CONF" --dir "$DIR"; front=$!; }
worker() { # worker HOST [options]
    start "$1" "$1" tender-worker --node "$1" --conf "$SLURM_CONF" --dir "$DIR/nodes/$1" --cpus 2 "${@:2}"
    eval "$1=$!"
}
answers() { squeue -h >/dev/null 2>&1; }
stands() { [ "$(sinfo -h -N -n "$1" -o %T)" = "$2" ]; }

broker
wait_until "the broker answers" answers
front
front_answers() { [ -S "$DIR/state/run/front.sock" ] && answers; }
wait_until "and its front on the head node" front_answers
token=$(tender token create --names 'w[1-3]')
worker w1 --join "$token"
wait_until "a worker of another host joins" stands w1 idle
job=$(submit -o out.%j --wrap 'echo $SLURMD_NODENAME')
wait_until "a job runs through" job_is "$job" COMPLETED
is "$(cat "out.$job")" w1 "over there"
done_testing
