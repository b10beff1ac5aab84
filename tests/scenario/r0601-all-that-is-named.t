#!/bin/bash
# scontrol shows every job, node and partition that is named, and names what is not there; a name that no job has is said.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat > slurm.conf <<'CONF'
ClusterName=named
NodeName=n[1-2] CPUs=4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=side Nodes=n2 MaxTime=INFINITE State=UP
CONF
cluster_up --conf slurm.conf
a=$(submit -H -o /dev/null --wrap true)
b=$(submit -H -o /dev/null --wrap true)
said() { "$@" >out 2>err; echo $?; }
of() { grep -o "$1=[^ ]*" out | tr '\n' ' '; }

is "$(said scontrol show job "$a" "$b")" 0 "two jobs"
is "$(of JobId)" "JobId=$a JobId=$b " "both are shown"
is "$(said scontrol show job "$b,$a")" 0 "a comma list"
is "$(of JobId)" "JobId=$b JobId=$a " "in its order"
is "$(said scontrol show job "$a" 4711 "$b")" 1 "one of three is not there"
is "$(of JobId)" "JobId=$a JobId=$b " "the others are shown"
is "$(cat err)" "slurm_load_jobs error: Invalid job id specified" "and that one is said"
is "$(said scontrol --json show job "$a" "$b")" 0 "as JSON"
is "$(python3 -c 'import json; print(len(json.load(open("out"))["jobs"]))')" 2 "one document of two jobs"

is "$(said scontrol show partition main bogus)" 1 "a partition and none"
is "$(of PartitionName)" "PartitionName=main " "the one is shown"
is "$(cat err)" "Partition bogus not found" "the other one is said"
is "$(said scontrol show partition main,side)" 0 "a list of partitions"
is "$(of PartitionName)" "PartitionName=main PartitionName=side " "both"
is "$(said scontrol show node n2 n1)" 0 "two nodes"
is "$(of NodeName)" "NodeName=n2 NodeName=n1 " "both"
is "$(said scontrol show node 'n[1-3]')" 1 "a node too many"
is "$(of NodeName)" "NodeName=n1 NodeName=n2 " "those that are there"
is "$(cat err)" "Node n3 not found" "and the one that is not"
is "$(said scontrol show config what)" 1 "there is one configuration"
is "$(cat err)" "too many arguments for keyword:show" "as Slurm says it"

is "$(said scontrol release jobname=none)" 1 "no job of that name"
is "$(cat err)" "Invalid job id specified (no job has the name none) for job none" "is said"
is "$(said scontrol release jobname=wrap)" 0 "jobs of a name"
wait_until "run" queue_is_empty

is "$(said sbatch --parsable -H -N1 -n2 --ntasks-per-node=64 --wrap true)" 0 "more tasks on a node than there are"
is "$(cat err)" "sbatch: warning: can't honor --ntasks-per-node set to 64 which doesn't match the requested tasks 2 with the number of requested nodes 1. Ignoring --ntasks-per-node." "Slurm's warning"
is "$(said sbatch --parsable -H -N2 -n3 --ntasks-per-node=2 --wrap true)" 0 "what is a maximum"
is "$(cat err)" "" "is none to warn of"
is "$(said sbatch --parsable -H -N1 -n4 --ntasks-per-node=2 --wrap true)" 1 "what cannot be"
like "$(cat err)" "4 tasks do not fit on 1 node with at most 2 on each" "is refused"

is "$(said tender join-token --names 'a[')" 1 "a token for names that are none"
is "$(cat err)" "tender join-token: error: Invalid node name specified (host list: bad brackets in 'a[')" "is refused in words"
is "$(said tender join-token --names 'a[1-3]')" 0 "for names that are"
done_testing
