#!/bin/bash
# kill -9 of the broker, of a worker, of both, at random moments while 500 short jobs run: each job runs exactly once to
# its end, none lost, none doubled.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED"
cluster_up --nodes 2 --cpus 4
JOBS=${JOBS:-500}
cat > job.sh <<'SCRIPT'
#!/bin/sh
#SBATCH -o /dev/null
echo "${SLURM_ARRAY_TASK_ID:-$TASK} $SLURM_JOB_ID start" >> ledger
sleep 0.1
echo "${SLURM_ARRAY_TASK_ID:-$TASK} $SLURM_JOB_ID end" >> ledger
SCRIPT
: > ledger
half=$((JOBS / 2))
id=$(submit --array=1-$half job.sh)
like "$id" '^[0-9]+$' "an array of $half is accepted"

restart() { tender up --dir "$DIR" >"$WORK/up.out" 2>"$WORK/up.err"; }
pause() { read -rt "0.$((RANDOM % 9 + 1))" _ < <(:; sleep 2) || true; } # a random moment, not a wait for anything
seen=0
for round in 1 2 3 4 5 6; do
    case $((RANDOM % 3)) in
    0) victims=$(pid_of state/run/broker.pid) what=broker ;;
    1) victims=$(pid_of nodes/n1/worker.pid) what=worker ;;
    2) victims="$(pid_of state/run/broker.pid) $(pid_of nodes/n2/worker.pid)" what=both ;;
    esac
    pause
    # shellcheck disable=SC2086
    kill -9 $victims
    echo "# round $round: killed $what after $(wc -l < ledger) lines"
    ok "everything that was killed is started again (round $round)" restart
    if [ "$round" = 3 ]; then
        for i in $(seq $((half + 1)) "$JOBS"); do
            TASK=$i sbatch --parsable --export=ALL job.sh >/dev/null || echo "# submission $i failed"
        done
    fi
done
WAIT_MAX=180 wait_until "the queue drains" queue_is_empty
starts=$(grep -c start ledger) ends=$(grep -c end ledger)
is "$starts" "$JOBS" "every job started once"
is "$ends" "$JOBS" "every job reached its end once"
is "$(awk '{print $2, $3}' ledger | sort | uniq -d | wc -l)" 0 "no job ran twice"
is "$(squeue -h -t all -o %T -r | sort | uniq -c | awk '{print $1, $2}')" "$JOBS COMPLETED" "the queue's own account says the same"
done_testing
