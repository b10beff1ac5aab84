#!/bin/bash
# A step that waits for its turn says so; one that a node turns down says why; through the front and without it.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 4
unset SLURM_JOB_ID SLURM_JOBID
gone() { ! kill -0 "$1" 2>/dev/null; }

cat > job.sh <<'SCRIPT'
#!/bin/bash
n=$1
srun -n4 sh -c "touch first.$n; while [ ! -e go.$n ]; do sleep 0.02; done" 2>err1.$n &
until [ -e first.$n ]; do sleep 0.02; done
srun -n2 echo second >out2.$n 2>err2.$n
wait
SCRIPT
waits() { # waits N: of the job with this argument
    job=$(submit -n4 -o /dev/null job.sh "$1")
    wait_until "the second step of job $job says that it waits" grep -q . "err2.$1"
    is "$(cat "err2.$1")" "srun: Job $job step creation temporarily disabled, retrying (Requested nodes are busy)" "in Slurm's words"
    is "$(cat "out2.$1")" "" "and has not run"
    touch "go.$1"
    wait_until "the job ends" job_is "$job" COMPLETED
    is "$(cat "err2.$1")" "srun: Job $job step creation temporarily disabled, retrying (Requested nodes are busy)
srun: Step created for job $job" "then that it waits no more, once"
    is "$(cat "out2.$1")" "second
second" "it ran"
    is "$(cat "err1.$1")" "" "the one that did not have to wait says nothing"
}
waits 1
pid=$(pid_of state/run/front.pid)
kill -9 "$pid"
wait_until "the front is gone" gone "$pid"
waits 2
ok "the front is started again" tender up --dir "$DIR"

# the allocation stands, then the node's shepherd is asked to leave: it takes no more steps
cat > declined.sh <<'SCRIPT'
kill -TERM "$(cat "$1/nodes/n1/shepherd.pid")"
until grep -q 'leav' "$1/nodes/n1/shepherd.log"; do sleep 0.02; done
srun -n2 echo not here
SCRIPT
timeout 60 salloc -n2 sh declined.sh "$DIR" >out 2>err </dev/null
is "$?" 1 "a step that the node turns down fails"
like "$(cat err)" "^srun: error: n1: task 0: the node's shepherd is leaving" "in the node's words"
is "$(grep -c 'not here' out)" 0 "and nothing ran"
done_testing
