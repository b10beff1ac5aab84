#!/bin/bash
# scancel --wait returns when what it ended is over, names what does not end, and waits for nothing it could not end.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=wait\nSlurmctldHost=localhost\nKillWait=15\nNodeName=n1 CPUs=8 RealMemory=8000\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' > slurm.conf
cluster_up --conf "$WORK/slurm.conf"
run() { timeout 60 scancel "$@" >out 2>err; status=$?; }

a=$(submit -o /dev/null --wrap 'sleep 600'); b=$(submit -o /dev/null --array=1-20 --wrap 'sleep 600')
wait_until "one runs" job_is "$a" RUNNING
run --wait "$a" "$b"
is "$status:$(cat out err)" "0:" "a job and an array, running and waiting"
is "$(squeue -h -a)" "" "are over when it returns"

c=$(submit -H -o /dev/null --wrap true); d=$(submit -o /dev/null --array=1-4 -H --wrap true)
run --wait "${d}_[2-3]"
is "$status" 0 "two tasks of an array that waits"
is "$(squeue -h -r -o %i | sort | tr '\n' ' ')" "$c ${d}_1 ${d}_4 " "and nothing else"
run --wait -u "$(id -un)"
is "$status:$(squeue -h -a)" "0:" "all of a user"
run --wait "$c"
is "$status:$(cat err)" "0:" "what is over already is not waited for"
run --wait 99999
like "$status:$(cat err)" '^0:.*Invalid job id' "nor what never was"

# traps the signal: over only when KillWait is
e=$(submit -o "$WORK/stays" --wrap 'trap "echo told" TERM; echo ready; while :; do sleep 0.1; done')
wait_until "it has set its trap" grep -q ready stays
run --wait --patience=1 "$e"
is "$status" 1 "a job that does not end is a failure"
like "$(cat err)" "^scancel: error: 1 job has not ended, and nothing has for 1 s: $e \(COMPLETING on n1\)$" "and is named with its state and place"

# a front that dies meanwhile
f=$(submit -o "$WORK/stays2" --wrap 'trap "echo told" TERM; echo ready; while :; do sleep 0.1; done')
wait_until "it has set its trap" grep -q ready stays2
run_wait() { timeout 60 scancel --wait "$f" >out 2>err; echo $? > status; }
run_wait & waits=$!
wait_until "it was told" grep -q told stays2
kill -9 "$(pid_of state/run/front.pid)"
again() { tender up --dir "$DIR" >up2 2>&1; }
ok "the front is started again" again
wait $waits
is "$(cat status):$(cat err)" "0:" "it goes on through a front's death, until the job is over"
is "$(squeue -h -a -j "$f")" "" "which it is"

run --wait -s USR1 "$e"
like "$status:$(cat err)" '^1:scancel: error: --wait does not go with --signal: a signal need not end a job' "not with a signal"
run --patience=3 "$e"
like "$status:$(cat err)" '^1:scancel: error: --patience is for --wait' "patience is for waiting"
done_testing
