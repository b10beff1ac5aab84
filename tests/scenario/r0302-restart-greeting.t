#!/bin/bash
# A broker that was killed comes back: tender up says ready when the workers have greeted this reign, not because the
# journal remembers them from the one before, and what is submitted then starts.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 2 --cpus 2
one=$(submit -o /dev/null -w n1 --wrap 'sleep 1000')
wait_until "a job runs" job_is "$one" RUNNING
worker=$(pid_of nodes/n2/worker.pid)
ON_EXIT='kill -CONT $worker 2>/dev/null'
kill -STOP "$worker"
kill -9 "$(pid_of state/run/broker.pid)"
tender up --dir "$DIR" >up.out 2>up.err &
up=$!
serves() { scontrol ping | grep -q 'is UP'; }
wait_until "the broker is back" serves
greeted() { sbatch -o /dev/null -w n1 --wrap true >/dev/null && [ "$(squeue -h -t COMPLETED -o %i | wc -l)" -gt 0 ]; }
WAIT_MAX=30 wait_until "n1 has said hello and is given work" greeted
ok "up still waits for n2" kill -0 "$up"
kill -CONT "$worker"
wait "$up"
is "$?" 0 "it ends when n2 has said hello"
like "$(cat up.err)" '2 nodes up' "and says so"
is "$(job_state "$one")" RUNNING "what ran before runs on"
two=$(submit -o /dev/null -w n2 --wrap true)
wait_until "what is submitted now runs on n2" job_is "$two" COMPLETED
done_testing
