#!/bin/bash
# A cluster's own past: its journal is a workload for tender sim, and its input log makes the same decisions again.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
said() { "$@" >out 2>err; echo $?; }
cat > slurm.conf <<'CONF'
ClusterName=past
GresTypes=gpu
NodeName=n1 CPUs=2 Gres=gpu:a100:2
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
echo InputLog=yes > tender.conf
cluster_up --conf slurm.conf
a=$(submit -n 2 -t 1 -o /dev/null --wrap true)
b=$(submit -n 1 -t 1 -o /dev/null --wrap true)
d=$(submit -n 1 -t 1 --gpus=2 -o /dev/null --wrap true)
c=$(submit -n 1 -t 1 -H -o /dev/null --wrap true)
scancel "$c"
wait_until "the jobs are over" queue_is_empty

is "$(said tender sim "$DIR" --procs 2 --policy easy --swf would.swf)" 0 "the past is a workload"
like "$(cat out)" '^3 jobs on 2 processors' "of the jobs that ran"
like "$(cat err)" '^1 job dropped: never started' "without the one that did not"
is "$(awk '!/^;/ {print $1}' would.swf | paste -sd,)" "$a,$b,$d" "by their numbers"
is "$(said tender sim --compare "$DIR/state/journal.db" would.swf)" 0 "what would have been is compared with what was"
like "$(cat out)" '^3 jobs in both' "job by job"
is "$(said tender sim "$DIR" --conf "$DIR/slurm.conf" -q)" 0 "on the cluster's own nodes, too"
is "$(said tender sim "$DIR" --swf own.swf)" 0 "on the nodes that the journal tells of"
like "$(cat out)" '^3 jobs on 2 processors' "which are its own, with their GPUs"
like "$(cat own.swf)" 'made by tender sim easy' "by its own policy"
is "$(said tender sim "$DIR" --topology synthetic:2)" 0 "on nodes without GPUs"
like "$(cat err)" '^1 job left out: turned down, the first one with: .*gpu' "one of them cannot run"
is "$(said tender sim "$DIR" --partition nix)" 1 "in a partition that it does not have"
like "$(cat err)" 'no job of the trace can run there: .*nix' "nothing runs"
is "$(said tender sim "$DIR" --procs 2 --partition main)" 1 "processors in a partition"
like "$(cat err)" 'they go with --conf, or a journal' "are none of a cluster"
is "$(said tender sim "$DIR" --conf "$DIR/slurm.conf" --gpus-from 19)" 1 "a field of a journal"
like "$(cat err)" 'a journal knows the GPUs' "is not needed"

is "$(said tender journal replay --dir "$DIR")" 0 "all that was decided is decided again"
like "$(cat out)" '^inputs: [0-9]+ wakes of the last reign given again, [0-9]+ events equal' "event for event"
tender down --dir "$DIR" --force >/dev/null 2>&1

rm tender.conf
DIR=$WORK/other
cluster_up --conf slurm.conf
ok "a job is sent" sh -c "sbatch -n 1 -o /dev/null --wrap true >/dev/null"
is "$(said tender journal replay --dir "$DIR")" 1 "without an input log"
like "$(cat err)" 'decisions cannot be made again: none kept \(InputLog is off\) \(set InputLog=yes in tender.conf' "it says how to have one"
done_testing
