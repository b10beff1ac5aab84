#!/bin/bash
# sbatch --test-only says when and where the job would start, as Slurm does, and leaves no trace.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat > slurm.conf <<'CONF'
ClusterName=foretell
NodeName=n[1-2] CPUs=4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=one Nodes=n2 MaxTime=INFINITE State=UP
PartitionName=shut Nodes=ALL MaxTime=INFINITE State=DOWN
CONF
cluster_up --conf slurm.conf
foretold() { sbatch --test-only -o /dev/null "$@" --wrap true 2>&1; }
when='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}'
like "$(foretold -n3)" "^sbatch: Job 1 to start at $when using 3 processors on nodes n1 in partition main$" "on idle nodes"
like "$(foretold -N2 -n2 -c2)" "using 4 processors on nodes n\[1-2\] in partition main$" "on two"
like "$(foretold -p one)" "on nodes n2 in partition one$" "in another partition"
a=$(submit -o /dev/null -t 20 -n4 -w n1 --wrap 'sleep 600')
is "$a" 1 "no number is used up"
b=$(submit -o /dev/null -t 10 -n4 -w n2 --wrap 'sleep 600')
wait_until "both nodes are full" sh -c "[ \$(squeue -h -t R -o %i | wc -l) = 2 ]"
ends() { scontrol show job "$1" | grep -o 'EndTime=[^ ]*' | cut -d= -f2; }
is "$(foretold -n3 -t 5)" "sbatch: Job 3 to start at $(ends "$b") using 3 processors on nodes n2 in partition main" "when the first of them ends"
c=$(submit -o /dev/null -t 10 -n4 --wrap true)
wait_until "one waits before it" sh -c "squeue -h -j $c -o %r | grep -q Resources"
like "$(foretold -n3 -t 30)" "to start at $(ends "$a") using 3 processors on nodes n1 in" "after who waits before it"
like "$(foretold -N2)" "sbatch: Job 4 to start at $when" "on both"
is "$(squeue -h -o %i | sort | tr '\n' ' ')" "$a $b $c " "nothing was queued"
like "$(foretold -p shut)" "sbatch: Job 4 could run here; when it would start cannot be foretold" "a partition that is down"
scontrol update jobid="$a" timelimit=UNLIMITED
like "$(foretold -N2)" "cannot be foretold" "behind a job without a limit"
sbatch --test-only -n 100 --wrap true 2>/dev/null
is "$?" 1 "what never could is refused"
done_testing
