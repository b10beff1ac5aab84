#!/bin/bash
# tender sim on machines with nodes: those of a slurm.conf, and of topologies; what is not there is refused in words.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
said() { "$@" >out 2>err; echo $?; }
starts() { awk '!/^;/ {printf "%s%s@%d", sep, $1, $2 + $3; sep = " "}' out.swf; }

# Nodes of two cores: a job of three processors takes parts of two of them. Field 19 is what somebody added: GPUs.
cat > trace.swf <<'SWF'
; MaxProcs: 6
1 0 -1 100 3 -1 -1 3 100 -1 1 1 -1 1 -1 -1 -1 -1 0
2 1 -1 50 3 -1 -1 3 60 -1 1 2 -1 1 -1 -1 -1 -1 0
3 2 -1 20 1 -1 -1 1 20 -1 1 3 -1 1 -1 -1 -1 -1 2
4 3 -1 20 1 -1 -1 1 20 -1 1 3 -1 1 -1 -1 -1 -1 5
SWF
is "$(said tender sim trace.swf --topology 'synthetic:core:2 pu:1*2,synthetic:2' --policy easy --swf out.swf -q)" 0 "three nodes of two cores"
like "$(cat out)" '^4 jobs on 6 processors' "have six processors"
is "$(starts)" "1@0 2@1 3@51 4@51" "on which the jobs run"

cat > slurm.conf <<'CONF'
ClusterName=site
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
NodeName=c[1-2] CPUs=2 RealMemory=4000
NodeName=g1 CPUs=2 RealMemory=4000 Gres=gpu:a100:4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=c1 MaxTime=1 State=UP
CONF
echo 'NodeName=g1 Name=gpu Type=a100 File=/dev/nvidia[0-3]' > gres.conf
is "$(said tender sim trace.swf --conf slurm.conf --policy easy --swf out.swf --gpus-from 19)" 0 "nodes of a slurm.conf"
like "$(cat out)" '^3 jobs on 6 processors' "those that can run there"
like "$(cat err)" '^1 job left out: turned down, the first one with: .*gpu' "and why one cannot"
is "$(said tender sim trace.swf --conf slurm.conf --swf own.swf -q)" 0 "the policy is the configuration's"
like "$(cat own.swf)" 'made by tender sim easy' "unless another is named"
is "$(said tender sim trace.swf --conf slurm.conf --policy easy --partition short --swf out.swf)" 0 "another partition"
like "$(cat err)" '^2 jobs left out: turned down' "whose nodes are too few for some"
is "$(starts)" "3@2 4@3" "runs the others"

is "$(said tender sim trace.swf --conf nowhere.conf)" 1 "a file that is not there"
like "$(cat err)" 'nowhere.conf' "is named"
is "$(said tender sim trace.swf --conf slurm.conf --partition nix -q)" 1 "a partition that is not there"
like "$(cat err)" 'no job of the trace can run there: .*nix' "is named"
is "$(said tender sim trace.swf --topology nowhere.xml)" 1 "a topology that is not there"
like "$(cat err)" 'nowhere.xml' "is named"
is "$(said tender sim trace.swf --topology 'synthetic:2*x')" 1 "nodes that are no number"
like "$(cat err)" 'behind the \* is how many nodes' "are refused"
is "$(said tender sim trace.swf --conf slurm.conf --procs 4)" 1 "two machines"
like "$(cat err)" 'one machine at a time' "are one too many"
is "$(said tender sim trace.swf --gpus-from 19)" 1 "GPUs of a plain machine"
is "$(said tender sim trace.swf --conf slurm.conf --gpus-from 25)" 1 "a field that no trace has"
is "$(said tender sim trace.swf --policy rl-sjf --conf slurm.conf)" 1 "the paper's rules on nodes"
like "$(cat err)" 'rl-sjf knows processors alone' "are not there"
done_testing
