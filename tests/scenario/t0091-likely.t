#!/bin/bash
# Every waiting job has a start: promised and likely with an interval, or a bound that is marked as one.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat > slurm.conf <<'CONF'
ClusterName=likely
NodeName=n1 CPUs=4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
cat > tender.conf <<'CONF'
BackfillPolicy=tender
BackfillDepth=2
CONF
cluster_up --conf slurm.conf
when='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}'
field() { squeue -h -j "$1" -O "$2:40" | tr -d ' '; }
ends() { scontrol show job "$1" | grep -o 'EndTime=[^ ]*' | cut -d= -f2; }
a=$(submit -o /dev/null -t 20 -n4 --wrap 'sleep 600')
wait_until "the first one runs" job_is "$a" RUNNING
like "$(sbatch --test-only -t 10 -n4 --wrap true 2>&1 | head -n 1)" "to start at $(ends "$a") using 4 processors on nodes n1 in partition main$" "--test-only answers from the book"
like "$(sbatch --test-only -t 10 -n4 --wrap true 2>&1)" "It would likely start at $when; four of five jobs alike start between $when and $when$" "and says how sure that is"
b=$(submit -o /dev/null -t 10 -n4 --wrap true)
c=$(submit -o /dev/null -t 10 -n4 --wrap true)
d=$(submit -o /dev/null -t 10 -n4 --wrap true)
h=$(submit -H -o /dev/null -t 10 -n4 --wrap true)
told() { [ "$(field "$1" LikelyStart)" != N/A ]; }
wait_until "the second is told" told "$b"
wait_until "the third is told" told "$c"
like "$(scontrol show job "$b")" "^   LikelyStart=$when LikelyFrom=$when LikelyTo=$when PromisedBy=$when StartKind=(Plan|Promise)$" "scontrol show job"
is "$(scontrol show job "$b" | grep -c StartTime=)" 1 "one line has StartTime"
like "$(field "$b" LikelyFrom) $(field "$b" LikelyTo) $(field "$b" PromisedBy)" "^$when $when $when$" "squeue -O"
ok "the interval ends no later than promised" test "$(field "$b" LikelyTo)" \< "$(field "$b" PromisedBy)z"
is "$(field "$d" LikelyStart) $(field "$d" PromisedBy) $(field "$d" StartKind)" "N/A N/A Bound" "beyond the depth there is a bound, and it says so"
like "$(squeue -h --start -o '%i %S' | sort -n | tr '\n' ' ')" "^$b $when $c $when $d $when $h N/A $" "--start has a time for all who wait for room"
like "$(squeue -h --start | grep " $d \|^ *$d ")" "$when" "in its own format, too"
if command -v jq >/dev/null; then
    is "$(squeue --json | jq -c ".jobs[] | select(.job_id == $d or .job_id == $b) | .start_kind == \"Bound\", .likely_start_time > 0, .promised_by_time > 0" | tr '\n' ' ')" \
        'false true true true false false ' "JSON"
fi
scancel "$a"
wait_until "all but the held one are gone" sh -c "[ \"\$(squeue -h -o %i)\" = $h ]"
like "$(tender events --since 0 -j "$b" --until COMPLETED | tr "\n" " ")" "JOBS_LIKELY" "an event tells"
done_testing
