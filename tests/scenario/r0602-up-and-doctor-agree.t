#!/bin/bash
# tender up and tender doctor say the same of nodes that take no work; a tender up that fails leaves no half of a cluster.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
up() { tender up --dir "$DIR" "$@" >out 2>err; }
up_fails() { ! up "$@"; }
printf 'ClusterName=half\nNodeName=n1 CPUs=4 Gres=gpu:1\nPartitionName=p Nodes=ALL Default=YES\nWhat=ever\n' >bad.conf
printf 'Name=gpu File=/dev/nosuch0\n' >gres.conf
ok "a conf that does not read is refused" up_fails --conf bad.conf
ok "and no folder is left" test ! -e "$DIR"
mkdir "$DIR"
ok "again, into a folder that is there" up_fails --conf bad.conf
is "$(ls -A "$DIR")" "" "it is left as it was"
rm gres.conf

cat > slurm.conf <<'CONF'
ClusterName=facts
ReturnToService=0
SlurmdTimeout=3
NodeName=n[1-2] CPUs=4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
printf 'LeaseTime=2\n' > tender.conf
cluster_up --conf slurm.conf
like "$(cat "$WORK/up.err")" '2 nodes up in ' "both are up"
is "$(tender doctor | grep 'nodes up')" "ok    2 nodes up" "as doctor says"

sed -i 's/^NodeName=n\[1-2\].*/&\nNodeName=n3 CPUs=2\nNodeName=far CPUs=2 NodeAddr=192.0.2.7/' "$DIR/slurm.conf"
unread='node n3 is in slurm.conf, and the broker has not read it yet: scontrol reconfigure'
like "$(tender doctor)" "ill   $unread" "a node that the broker has not read: doctor"
ok "up works all the same" up
like "$(cat err)" "warning: $unread" "and says it too"
like "$(cat err)" '2 of 4 nodes up in ' "and counts it"
scontrol reconfigure
wait_until "the broker has read it" sh -c 'sinfo -h -N | grep -q n3'
like "$(tender doctor)" 'ill   node n3 has never joined: .*tender up on this machine' "doctor sends to tender up"
ok "up" up
like "$(cat err)" 'worker of n3 runs' "which starts its worker"
far='node far has never joined: start tender-worker there'
like "$(cat err)" "warning: $far" "one with an address is another machine's"
like "$(tender doctor)" "ill   $far" "as doctor says"
like "$(cat err)" '3 of 4 nodes up in ' "three work"
wait_until "it takes work" sh -c 'sinfo -h -n n3 -o %t | grep -qx idle'

kill -STOP "$(pid_of nodes/n2/worker.pid)"
ON_EXIT='kill -CONT $(cat "$DIR/nodes/n2/worker.pid") 2>/dev/null'
wait_until "a silent node is lost" sh -c 'sinfo -h -n n2 -o %T | grep -q "^down\*"'
kill -CONT "$(pid_of nodes/n2/worker.pid)"
wait_until "it comes back, and stays down" sh -c 'sinfo -h -n n2 -o %T | grep -qx down'
down='node n2 is down \(Not responding\): scontrol update nodename=n2 state=resume'
ok "up" up
like "$(cat err)" "warning: $down" "says so"
like "$(tender doctor)" "ill   $down" "as doctor does"
like "$(cat err)" '2 of 4 nodes up in ' "and counts those that work"
scontrol update nodename=n2 state=resume
wait_until "what mends it mends it" sh -c 'sinfo -h -n n2 -o %t | grep -qx idle'
done_testing
