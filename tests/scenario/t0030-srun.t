#!/bin/bash
# srun and salloc: tasks on the nodes, their output here, their ends, terminals, and what survives a worker's and a
# broker's death.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=steps\nSlurmctldHost=localhost\nKillWait=2\nInactiveLimit=10\nNodeName=n[1-2] CPUs=64 RealMemory=8000\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' > slurm.conf
printf 'TimeLimitResolution=1\n' >tender.conf
cluster_up --conf "$WORK/slurm.conf"
unset SLURM_JOB_ID SLURM_JOBID
run() { timeout -k 5 120 srun "$@" </dev/null >out 2>err; status=$?; }
dies() { # dies STATUS PATTERN OPTIONS...: exits so, with these words on stderr
    want=$1 pattern=$2; shift 2
    run "$@"; is "$status" "$want" "exit status of: srun $*"; like "$(cat err)" "$pattern" "words of: srun $*"
}

run true
is "$status" 0 "srun true"
is "$(cat out err)" "" "says nothing"
run -N2 --ntasks-per-node=2 -l sh -c 'echo $SLURM_PROCID $SLURM_NODEID $SLURM_LOCALID $SLURM_NTASKS $SLURMD_NODENAME'
is "$(sort out)" "0: 0 0 0 4 n1
1: 1 0 1 4 n1
2: 2 1 0 4 n2
3: 3 1 1 4 n2" "four tasks on two nodes, labelled"
run -n2 sh -c 'echo out; echo err >&2'
is "$(cat out)" "out
out" "standard output apart"
is "$(cat err)" "err
err" "from standard error"
dies 2 '^srun: error: n1: task 2: Exited with exit code 2$' -n3 sh -c 'exit $SLURM_PROCID'
dies 137 '^srun: error: n1: task 0: Killed$' sh -c 'kill -9 $$'
dies 2 'cannot start no-such-program: No such file' no-such-program
dies 1 '^srun: error: Unable to allocate resources: Requested node configuration is not available' -n1000 true
dies 1 'pmix is not supported' --mpi=pmix true
dies 1 'did you mean' --kil-on-bad-exit true
dies 1 'No command given' -n1
run -n2 -o 'file.%t' sh -c 'echo from $SLURM_PROCID'
is "$(cat file.0 file.1)" "from 0
from 1" "a file for each task"
run -n2 -o one sh -c 'echo same'
is "$(cat one)" "same
same" "a file for all"
echo "some words" | timeout 60 srun -n3 -l cat >out 2>err
is "$(sort out)" "0: some words
1: some words
2: some words" "standard input goes to all"
head -c 3000000 /dev/urandom > bytes
timeout 60 srun cat < bytes > copy 2>err
ok "3 MB in and out are the same" cmp bytes copy

# 64 tasks, a megabyte each
cat > mega.sh <<'SCRIPT'
i=$SLURM_PROCID; awk -v r="$i" 'BEGIN { for (k = 0; k < 16384; k++) printf "%08d %04d %049d\n", k, r, k * r }'
SCRIPT
timeout 120 srun -N2 -n64 -l sh "$WORK/mega.sh" </dev/null >out 2>err
is "$(wc -l < out)" $((64 * 16384)) "64 tasks x 1 MB: every line came"
for r in 0 31 63; do
    is "$(awk -v r=$r '$1 + 0 == r && $1 ~ /:$/' out | sed 's/^ *[0-9]*: //' | cksum)" "$(SLURM_PROCID=$r sh mega.sh | cksum)" "those of task $r in order and whole"
done

timeout 60 sbatch --wait -N2 -n4 -o batch.out --wrap 'srun -l true; srun -n4 sh -c "echo task \$SLURM_PROCID step \$SLURM_STEP_ID job \$SLURM_JOB_ID"; srun -n1 -N1 false' >sub 2>&1
is "$?" 1 "sbatch --wait gets the last step's exit status"
id=$(grep -o '[0-9]*' sub)
is "$(grep ^task batch.out | sort)" "task 0 step 1 job $id
task 1 step 1 job $id
task 2 step 1 job $id
task 3 step 1 job $id" "srun inside sbatch uses its tasks"
timeout 60 salloc -n2 sh -c 'echo $SLURM_JOB_ID $SLURM_NTASKS; srun -l echo in' >out 2>err </dev/null
like "$(cat err)" '^salloc: Granted job allocation [0-9]+$' "salloc says what it got"
like "$(cat err)" '^salloc: Relinquishing job allocation [0-9]+$' "and that it gives it back"
is "$(tail -n 2 out | sort)" "0: in
1: in" "srun in it"
wait_until "nothing is left in the queue" queue_is_empty

if command -v python3 >/dev/null; then
    cat > shell.sh <<'SCRIPT'
if [ "$SLURM_PROCID" != 0 ]; then # no terminal, no words: nobody would know whose they are
    echo "task $SLURM_PROCID talks"; echo "and complains" >&2
    streams=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2)
    echo "$streams" > "$WORK/streams.$SLURM_PROCID"
    exit 0
fi
echo READY
read line; eval "$line"
until [ "$(stty size)" = "44 99" ]; do sleep 0.05; done
stty size
srun sh -c 'echo inner $SLURM_PROCID'
exit 3
SCRIPT
    export WORK
    timeout 60 python3 "$HERE/terminal.py" 33 77 'READY' 'stty size; echo AG\AIN' AGAIN 'size 44 99' -- srun -n 3 --pty sh shell.sh >out 2>&1 </dev/null
    is "$?" 3 "--pty ends as its shell does"
    like "$(cat out)" '^33 77$' "it has the terminal's size"
    like "$(cat out)" '^44 99$' "and hears of a new one"
    is "$(grep -cE 'talks|complains' out)" 0 "the other tasks have no part in it"
    is "$(sort streams.1 streams.2 | uniq -c | awk '{ print $1, $2 }')" "6 /dev/null" "their streams are /dev/null"
    is "$(grep -c '^inner [0-2]$' out)" 3 "srun inside srun --pty runs the job's three tasks"
else
    echo "# no python3: --pty is not tried"
fi

run -t 0:01 sh -c 'exec sleep 600'
is "$status" 143 "a time limit ends the tasks"
wait_until "and the allocation" queue_is_empty
is "$(squeue -h -t timeout -o %j | sort -u)" sh "which says why"

# a killed srun holds nothing for long
timeout 100 srun -n2 sleep 600 </dev/null >/dev/null 2>&1 & watch=$!
wait_until "a step runs" sh -c 'squeue -h -t R -o %j | grep -q sleep'
victim=$(pgrep -P $watch -x srun)
kill -9 "$victim"; wait $watch 2>/dev/null
wait_until "the killed srun's allocation is freed" queue_is_empty

# worker and broker die under a running srun: no byte is lost
cat > slow.sh <<'SCRIPT'
i=0; while [ $i -lt 300 ]; do echo "$SLURM_PROCID line $i"; i=$((i + 1)); sleep 0.02; done
SCRIPT
timeout 100 srun -N2 -n4 sh "$WORK/slow.sh" </dev/null >out 2>err & run=$!
wait_until "it writes" sh -c 'grep -q "3 line 5" out'
kill -9 "$(pid_of nodes/n1/worker.pid)"
kill -9 "$(pid_of state/run/broker.pid)"
ok "both are started again" tender up --dir "$DIR"
wait $run
is "$?" 0 "srun ends as if nothing had been"
is "$(sort -k1,1n -k3,3n out | cksum)" "$(for r in 0 1 2 3; do for i in $(seq 0 299); do echo "$r line $i"; done; done | cksum)" "every line of every task, once"
done_testing
