#!/bin/bash
# topology.conf is read, and whoever starts the cluster, reads its log or asks for switches is told that it has no effect.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=tree\nNodeName=n[1-2] CPUs=1\nPartitionName=p Nodes=ALL Default=YES\nTopologyPlugin=topology/tree\n' > slurm.conf
printf 'SwitchName=s1 Nodes=n[1-2]\n' > topology.conf
cluster_up --conf slurm.conf
like "$(cat up.err)" 'topology.conf has no effect: placement does not look at the network' "tender up says it"
like "$(cat "$DIR/log/broker.log")" 'topology.conf has no effect' "and the broker's log"
sbatch --switches=1 -o /dev/null --wrap true >out 2>err
is "$?" 0 "a job that asks for switches is queued"
like "$(cat err)" 'warning: --switches: .* not known yet' "with a warning"
scontrol show topology >out 2>err
is "$?" 1 "there is no tree to show"
like "$(cat err)" 'not supported yet' "in words"
printf 'SwitchName=s1 Nodes=n[1-2] Switches=s2\n' > "$DIR/topology.conf"
scontrol reconfigure >out 2>err
is "$?" 1 "a wrong one is refused"
like "$(cat err)" 'topology.conf line 1' "naming its line"
done_testing
