#!/bin/bash
# tender down: which running jobs are queued again, which are ended for good, and no word of those that were over.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --cpus 8
over=$(submit -o /dev/null --wrap true)
wait_until "a job is over" job_is "$over" COMPLETED
down() { tender down --dir "$DIR" --force 2>&1 | grep -v ': ended: '; }
is "$(down)" "" "where none runs nothing is said of jobs"
cluster_up
again=$(submit -o /dev/null --wrap 'sleep 300')
once=$(submit -o /dev/null --no-requeue --wrap 'sleep 300')
srun sleep 300 >srun.out 2>&1 &
srun=$!
wait_until "a job runs" job_is "$again" RUNNING
wait_until "and one that is not to be requeued" job_is "$once" RUNNING
step() { [ -n "$(squeue -h -n sleep -t R)" ]; }
wait_until "and one of srun" step
interactive=$(squeue -h -n sleep -o %i)
is "$(down)" "tender down: 1 running job was ended; tender up queues it again
tender down: 2 running jobs were ended for good (of srun or salloc, or not to be requeued): NODE_FAIL at the next tender up" \
    "each is said as it is"
cluster_up
wait_until "the one runs again" job_is "$again" RUNNING
wait_until "the other does not" job_is "$once" NODE_FAIL
wait_until "nor srun's" job_is "$interactive" NODE_FAIL
wait "$srun"
ok "and the one that was over is" job_is "$over" COMPLETED
done_testing
