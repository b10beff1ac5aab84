# hosts.sh - hosts of their own: each a network namespace with one cable (veth) to a bridge in a namespace called hub
#
# A test sources this after lib.sh, with the names in $hosts. Nothing is in the network of this machine itself. All files are
# common, as on a cluster's shared file system; nobody but commands uses that. Skips in words where none of it may be made.
#
#   head 10.77.0.1   login 10.77.0.2   w1 w2 ... 10.77.0.11 10.77.0.12 ... (those whose names begin with w run workers)
net=tender$$
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
    for host in $hosts; do
        pid=$(cat "$DIR/nodes/$host/shepherd.pid" 2>/dev/null) && kill -9 "$pid" 2>/dev/null
        [ -d "$DIR/nodes/$host" ] && tender-shepherd --dir "$DIR/nodes/$host" --sweep >/dev/null 2>&1
    done
    network_down
}

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
cut_off() { for host; do ip -n "$net-hub" link set "$host" down; done; }
mend() { for host; do ip -n "$net-hub" link set "$host" up; done; }
