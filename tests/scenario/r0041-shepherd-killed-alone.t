#!/bin/bash
# Jobs end while broker and worker are away, then the shepherd is killed too: what its spool says counts. A job that
# had ended keeps its end and its exit code and never runs again; one that was running is queued again.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 8
cat > job.sh <<'SCRIPT'
#!/bin/sh
#SBATCH -o /dev/null --requeue
echo "start $1 $$" >> ledger
while [ ! -e "go.$1" ]; do sleep 0.02; done
exit "$2"
SCRIPT
: > ledger
good=$(submit job.sh good 0) bad=$(submit job.sh bad 3) still=$(submit job.sh still 0)
line_of() { grep -c "^start $1 " ledger; }
has_lines() { [ "$(grep -c . ledger)" = "$1" ]; }
wait_until "three jobs run" has_lines 3
# Registered is not enough: the broker must have heard that they run.
for id in $good $bad $still; do wait_until "job $id is known to run" job_is "$id" RUNNING; done

shepherd=$(pid_of nodes/n1/shepherd.pid)
is_over() { ! kill -0 "$1" 2>/dev/null; }
sleeps() { grep -q '^State:.S' "/proc/$1/status"; } # its turn is over: what it reaped is in the spool
killed() { kill -9 "$1" && WAIT_MAX=20 wait_until "$2 is killed" is_over "$1"; }
killed "$(pid_of state/run/broker.pid)" "the broker"
killed "$(pid_of nodes/n1/worker.pid)" "the worker"
touch go.good go.bad
for name in good bad; do
    wait_until "job '$name' has ended" is_over "$(awk -v n="$name" '$2 == n { print $3 }' ledger)"
done
wait_until "the shepherd has written it down" sleeps "$shepherd"
killed "$shepherd" "the shepherd"

ok "all is started again" tender up --dir "$DIR"
wait_until "the job that was running runs again" has_lines 4
wait_until "the job with exit code 0 is COMPLETED" job_is "$good" COMPLETED
wait_until "the job with exit code 3 is FAILED" job_is "$bad" FAILED
touch go.still
wait_until "the queue drains" queue_is_empty
is "$(line_of good) $(line_of bad) $(line_of still)" "1 1 2" "what had ended ran once, what was running twice"
like "$(scontrol show job "$bad")" 'ExitCode=3:0' "the exit code is the real one"
like "$(scontrol show job "$good")" 'Restarts=0' "no restart of what had ended"
done_testing
