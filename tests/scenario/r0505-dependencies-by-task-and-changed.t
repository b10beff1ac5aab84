#!/bin/bash
# aftercorr between arrays, and dependencies that are changed while a job waits; no circle is closed.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 8
a=$(submit --array=1-3 -o /dev/null --wrap 'until [ -e go.$SLURM_ARRAY_TASK_ID ]; do sleep 0.05; done; [ "$SLURM_ARRAY_TASK_ID" != 2 ]')
b=$(submit --array=1-4 -o 'b.%a' -d "aftercorr:$a" --wrap 'echo ran')
is "$(squeue -h -j "$b" -o '%i %r %E')" "${b}_[1-4] Dependency aftercorr:${a}_*(unfulfilled)" "one row while all wait"
touch go.3
wait_until "the third has its counterpart" grep -q ran b.3
is "$(squeue -h -j "$b" -o %i)" "${b}_[1-2,4]" "the others wait on"
touch go.2
wait_until "the second never will" sh -c "squeue -h -j ${b}_2 -o %r | grep -q DependencyNeverSatisfied"
like "$(squeue -h -j "${b}_2" -O Dependency:40)" "aftercorr:${a}_\*\(failed\)" "and shows why"
touch go.1
wait_until "the first ran" grep -q ran b.1
wait_until "the fourth, which has none, never will" sh -c "squeue -h -j ${b}_4 -o %r | grep -q DependencyNeverSatisfied"
scancel "$b"

p=$(submit -H -o /dev/null --wrap true)
q=$(submit -H -o /dev/null -d "afterok:$p" --wrap true)
r=$(submit -H -o /dev/null -d "afterok:$q" --wrap true)
shown() { squeue -h -j "$1" -O Dependency:80 | sed 's/ *$//'; }
ok "a dependency is changed" scontrol update jobid="$r" dependency="afterany:$p,afterok:$q"
is "$(shown "$r")" "afterany:$p(unfulfilled),afterok:$q(unfulfilled)" "and shown"
ok "and taken away" scontrol update jobid="$r" dependency=
is "$(shown "$r")" "(null)" "too"
ok "and put back" scontrol update jobid="$r" Dependency="afterok:$q"
refused() { # refused WORDS ARGUMENTS...
    words=$1; shift
    scontrol update "$@" >out 2>err
    is "$?" 1 "$* is refused"
    is "$(cat err)" "$words" "in words"
}
refused "Circular job dependency ($p -> $r -> $q -> $p) for job $p" jobid="$p" dependency="afterok:$r"
refused "Circular job dependency ($p -> $p) for job $p" jobid="$p" dependency="afterany:$p"
refused "Job dependency problem: job 4711 is not known (over and gone from the queue after MinJobAge, or never there) for job $p" jobid="$p" dependency=afterok:4711
refused "Job dependency problem: 'bogus:1' is no kind of dependency for job $p" jobid="$p" dependency=bogus:1
is "$(shown "$p")" "(null)" "what was refused left no trace"
scontrol release "$p" "$q" "$r"
wait_until "all three run in turn" job_is "$r" COMPLETED
run=$(submit -o /dev/null --wrap 'sleep 600')
wait_until "a job runs" job_is "$run" RUNNING
refused "Job is no longer pending execution for job $run" jobid="$run" dependency="afterany:$r"
done_testing
