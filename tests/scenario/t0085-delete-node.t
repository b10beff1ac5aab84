#!/bin/bash
# scontrol delete nodename=: a node that joined by itself, and on which nothing runs, is taken out of the cluster.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=going\nSlurmctldHost=localhost\nNodeName=n1 CPUs=2\nPartitionName=normal Nodes=ALL Default=YES\n' >slurm.conf
printf 'Elastic=yes\n' >tender.conf
cluster_up --conf "$WORK/slurm.conf"
pids=
ON_EXIT='kill $pids 2>/dev/null; wait 2>/dev/null; for p in "$WORK"/m?/shepherd.pid; do [ -s "$p" ] && kill "$(cat "$p")" 2>/dev/null; done'
token=$(tender token create --uses 2)
for node in m1 m2; do
    tender-worker --join "$token" --node "$node" --dir "$WORK/$node" --cpus 2 >"$node.log" 2>&1 </dev/null &
    pids="$pids $!"
    eval "$node=$!"
    wait_until "$node joins" grep -q "serves the cluster" "$node.log"
done
refused() { # refused WORDS WHAT ARGUMENTS...
    scontrol delete "${@:3}" >out 2>err
    like "$?:$(cat err)" "$1" "$2"
}
refused '^1:delete_node error: .*node n1 is in slurm.conf' "a configured node is refused" nodename=n1
refused '^1:delete_node error: Invalid node name specified.*m9' "and one that is not there" nodename=m9
refused '^1:Deleting partitions is not supported yet' "and what is no node" partitionname=normal
refused '^1:Invalid option: m1' "and a word that names nothing" m1
job=$(submit -w m1 -o /dev/null --wrap 'sleep 600')
wait_until "a job runs on m1" job_is "$job" RUNNING
refused '^1:delete_node error: .*node m1 has jobs: scontrol update nodename=m1 state=drain' "a node with jobs is refused, with what to do" nodename=m1
scancel "$job"
wait_until "the job is over" job_is "$job" CANCELLED
tender events --since 0 >events.out 2>/dev/null & watcher=$!
pids="$pids $watcher"
deleted() { scontrol delete nodename=m1; }
wait_until "then it is deleted" deleted
wait "$m1"
is "$?" 0 "its worker ends"
like "$(cat m1/worker.log)" 'was deleted from the cluster: its worker ends' "and says why"
is "$(sinfo -h -N -o %N | sort -u | tr '\n' ' ')" "m2 n1 " "sinfo shows it no more"
like "$(scontrol show partition normal)" 'TotalNodes=2' "its partition has one less"
like "$(scontrol show node m1 2>&1)" 'not found' "nor does scontrol"
wait_until "watchers are told" grep -q '"type":"NODE_DELETED",.*"node":"m1"' events.out
is "$(tender key list | grep -c '^m1 ')" 0 "its key is gone"

# One whose worker is away: its key is refused when it comes back.
kill -9 "$m2"
wait "$m2" 2>/dev/null
ok "a node whose worker is dead is deleted, too" scontrol delete nodename=m2
out=$(tender-worker --node m2 --dir "$WORK/m2" --cpus 2 2>&1 </dev/null)
like "$?:$out" '^1:.*join with a token' "its worker is turned away"

kill -9 "$(pid_of state/run/broker.pid)"
tender up --dir "$DIR" >/dev/null 2>&1
is "$(sinfo -h -N -o %N | sort -u | tr '\n' ' ')" "n1 " "they stay away after a restart"
like "$(tender journal verify --dir "$DIR" 2>&1)" 'invariants hold' "and the journal verifies"
is "$(grep -c 'digest' "$DIR/log/front.log")" 0 "the front's replica agrees"

tender-worker --join "$(tender token create)" --node m1 --dir "$WORK/m1" --cpus 2 >again.log 2>&1 </dev/null &
pids="$pids $!"
wait_until "with a token it joins again" grep -q "serves the cluster" again.log
job=$(submit -w m1 -o /dev/null --wrap true)
wait_until "and serves" job_is "$job" COMPLETED
done_testing
