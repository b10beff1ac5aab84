#!/bin/bash
# srun and salloc say what ended them: a time limit, somebody else, InactiveLimit. Their own Ctrl-C is no news.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=ended\nSlurmctldHost=localhost\nKillWait=2\nInactiveLimit=3\nNodeName=n[1-2] CPUs=4\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' >slurm.conf
printf 'TimeLimitResolution=1\n' >tender.conf
cluster_up --conf slurm.conf
aborted='^srun: Job step aborted: Waiting up to 4 seconds for job step to finish\.$'
cancelled() { # cancelled STEP [MORE]
    echo "^slurmstepd: error: \*\*\* STEP $1 ON n[12] CANCELLED AT 20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}${2:-} \*\*\*\$"
}
lines() { grep -c 'slurmstepd: error' "$1"; }
running() { [ -n "$(squeue -h -n "$1" -t R -o %i)" ]; }
start() { # start NAME OPTION...: an srun of that name, over when it is ended; its number is $job
    srun -J "$1" "${@:2}" sleep 300 >"$1.out" 2>"$1.err" &
    pid=$!
    wait_until "$1 runs" running "$1"
    job=$(squeue -h -n "$1" -o %i)
}

start limit -N2 -n2 -t 0:01
wait "$pid"
is "$?" 143 "at its time limit it ends as the signal says"
like "$(cat limit.err)" "$aborted" "that it waits for the step is said"
like "$(cat limit.err)" "$(cancelled "$job.0" ' DUE TO TIME LIMIT')" "and why it ends"
is "$(lines limit.err)" 1 "once, of two nodes"
is "$(grep -n slurmstepd limit.err | cut -d: -f1)" 2 "before the ends of its tasks"

start cancel -n1
scancel "$job"
wait "$pid"
like "$(cat cancel.err)" "$aborted" "cancelled, it says so"
like "$(cat cancel.err)" "$(cancelled "$job.0")" "without a limit"

holder=$(submit -n2 -o holder.out --wrap 'srun -n1 --overlap -t 0:01 sleep 300; echo went on; sleep 300')
wait_until "after a step at its own limit a script goes on" grep -q 'went on' holder.out
like "$(cat holder.out)" "$(cancelled "$holder.0" ' DUE TO TIME LIMIT')" "and its output says why the step ended"
scancel "$holder"
wait_until "a job that is cancelled is over" job_is "$holder" CANCELLED
like "$(cat holder.out)" "^slurmstepd: error: \*\*\* JOB $holder ON n1 CANCELLED AT [0-9T:-]+ \*\*\*\$" "says it in its output"

start silent -n1
kill -STOP "$pid"
wait_until "one that is not heard is ended" job_is "$job" CANCELLED
kill -CONT "$pid"
wait "$pid"
like "$(cat silent.err)" "^srun: error: Job $job was ended: this srun was not heard for longer than InactiveLimit\$" "and says why when it can"
is "$(scontrol show job "$job" | grep -o 'Reason=InactiveLimit')" Reason=InactiveLimit "as the job does"

start own -n1
kill -INT "$pid"
wait_until "a first Ctrl-C is answered" grep -q 'one more within 1 sec' own.err
kill -INT "$pid"
wait "$pid"
is "$(grep -c 'slurmstepd\|aborted' own.err)" 0 "what srun itself was told is no news to it"

salloc -t 0:01 -J alloc sh -c 'trap : HUP; sleep 300 & wait; kill $!' 2>alloc.err
like "$(cat alloc.err)" '^salloc: Job [0-9]+ has exceeded its time limit and its allocation has been revoked\.$' "salloc says that its time is over"
done_testing
