#!/bin/bash
# What a batch script gets and what becomes of it: environment, output files, exit status, signals, limits, failures.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=batch\nSlurmctldHost=localhost\nKillWait=1\nGresTypes=gpu\nNodeName=n1 CPUs=4 RealMemory=4000 Gres=gpu:2\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' > slurm.conf
printf 'TimeLimitResolution=1\n' >tender.conf
cluster_up --conf "$WORK/slurm.conf"
ends() { s=$(job_state "$1"); case $s in '' | PENDING | RUNNING | CONFIGURING | COMPLETING) return 1 ;; esac; }
run() { id=$(submit "$@") && wait_until "job $id ends" ends "$id"; }
show() { scontrol show job "$1"; }

run -J patterns -o 'o.%x.%j' -e 'e.%j' --wrap 'echo out; echo err >&2'
is "$(cat "o.patterns.$id")" out "-o with %x and %j"
is "$(cat "e.$id")" err "-e apart"
run --wrap 'echo both; echo err >&2'
is "$(cat "slurm-$id.out")" "both
err" "by default both go to slurm-%j.out"
run --array=3-5:2 -o 'a.%A_%a' --wrap 'echo $SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID $SLURM_ARRAY_TASK_COUNT $SLURM_ARRAY_TASK_MIN $SLURM_ARRAY_TASK_MAX $SLURM_ARRAY_TASK_STEP'
wait_until "both tasks end" queue_is_empty
is "$(cat "a.${id}_3" "a.${id}_5")" "$id 3 2 3 5 2
$id 5 2 3 5 2" "array variables and %A_%a"
run -n 2 -c 2 --gres=gpu:1 -J named -o env.out --wrap 'env'
for want in "SLURM_JOB_ID=$id" "SLURM_JOBID=$id" SLURM_JOB_NAME=named SLURM_NNODES=1 SLURM_JOB_NUM_NODES=1 SLURM_NODELIST=n1 SLURM_JOB_NODELIST=n1 \
    SLURM_NTASKS=2 SLURM_CPUS_PER_TASK=2 SLURMD_NODENAME=n1 SLURM_TASKS_PER_NODE=2 SLURM_JOB_CPUS_PER_NODE=4 SLURM_CPUS_ON_NODE=4 \
    SLURM_JOB_PARTITION=normal SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_CLUSTER_NAME=batch "SLURM_SUBMIT_DIR=$WORK" \
    SLURM_TOPOLOGY_ADDR=n1 SLURM_TOPOLOGY_ADDR_PATTERN=node SLURM_PRIO_PROCESS=0 "SLURM_JOB_UID=$(id -u)" "SLURM_JOB_USER=$(id -un)"; do
    ok "environment: $want" grep -qx -- "$want" env.out
done
like "$(grep ^CUDA_VISIBLE_DEVICES env.out)" '^CUDA_VISIBLE_DEVICES=[01]$' "one of the two devices is visible"
run -o env.out --wrap 'env'
is "$(grep -c ^CUDA_VISIBLE_DEVICES env.out)" 0 "a job that asked for none is told of none"

run -o /dev/null --wrap 'exit 7'
like "$(show "$id")" 'JobState=FAILED Reason=NonZeroExitCode' "exit 7 is FAILED"
like "$(show "$id")" 'ExitCode=7:0' "with its code"
run -o /dev/null --wrap 'kill -SEGV $$'
like "$(show "$id")" 'ExitCode=0:11' "a signal is told from a code"
run -D "$WORK/nowhere" -o /dev/null --wrap true
like "$(show "$id")" "nowhere" "a missing working directory is named"
is "$(job_state "$id")" FAILED "and the job failed"
run -o "$WORK/no/such/dir/out" --wrap true
like "$(show "$id")" "no/such/dir" "an output path that cannot be opened is named"
printf '#!/no/such/shell\ntrue\n' > shell.sh
run -o /dev/null shell.sh
like "$(show "$id")" "/no/such/shell" "a missing interpreter is named"

id=$(submit -t 0:01 -o limit.out --wrap 'trap "echo asked" TERM; for i in 1 2 3 4 5 6 7 8 9; do sleep 1; done; echo not reached')
wait_until "a job past its limit ends" job_is "$id" TIMEOUT
like "$(cat limit.out)" '^asked$' "it was asked before it was killed"
is "$(grep -c 'not reached' limit.out)" 0 "and did not get to its end"
like "$(cat limit.out)" "^slurmstepd: error: \*\*\* JOB $id ON n1 CANCELLED AT 2[0-9T:-]+ DUE TO TIME LIMIT \*\*\*\$" "its output says what ended it"
id=$(submit -o cancel.out -e cancel.err --wrap 'echo ready; sleep 600')
wait_until "a long job runs" test -s cancel.out
ok "scancel" scancel "$id"
wait_until "it is cancelled" job_is "$id" CANCELLED
like "$(cat cancel.err)" "^slurmstepd: error: \*\*\* JOB $id ON n1 CANCELLED AT 2[0-9T:-]+ \*\*\*\$" "its error file says so"
is "$(cat cancel.out)" ready "its output file does not"
id=$(submit -o trap.out --wrap 'trap "echo usr1 >> trap.seen" USR1; echo ready > trap.ready; while :; do sleep 0.1; done')
wait_until "the script has set its trap" test -s trap.ready
ok "scancel --signal" scancel --batch --signal=USR1 "$id"
wait_until "a signal reaches the script" test -s trap.seen
scancel "$id"
wait_until "it ends" ends "$id"
run -o umask.out --wrap 'umask; pwd'
is "$(cat umask.out)" "$(umask)
$WORK" "umask and working directory are the submitter's"
nobody() { setpriv --reuid=nobody --regid=nogroup --init-groups "$@"; }
if [ "$(id -u)" != 0 ] || ! nobody true 2>/dev/null; then
    echo "# not root, or no user nobody: another user's jobs are not tried"
elif ! nobody test -x "$TENDER_BIN/sbatch"; then
    echo "# another user cannot reach $TENDER_BIN: his jobs are not tried"
else
    mkdir home && chown nobody home
    out=$(cd home && nobody env PATH="$PATH" sbatch --parsable -o who.out --wrap 'id -un; touch mine')
    wait_until "another user's job ends" ends "$out"
    is "$(cat home/who.out)" nobody "it ran as that user"
    is "$(stat -c %U home/mine home/who.out | sort -u)" nobody "and so did its files"
    id=$(submit -H -o /dev/null --wrap true)
    nobody env PATH="$PATH" scancel "$id" >err 2>&1
    is "$?" 1 "a foreign job cannot be cancelled"
    like "$(cat err)" 'denied' "and the refusal says so"
    scancel "$id"
fi
done_testing
