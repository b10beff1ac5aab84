#!/bin/bash
# A worker joins while the queue is full and work flows to it; a worker vanishes and its jobs follow the rules.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat > slurm.conf <<'CONF'
ClusterName=join
SlurmctldHost=localhost
SlurmdTimeout=4
NodeName=n1 CPUs=2
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
printf 'Elastic=yes\nLeaseTime=2\n' > tender.conf
cluster_up --conf "$WORK/slurm.conf"

for i in 1 2 3 4; do mkfifo "go.$i"; done
cat > wait.sh <<'SCRIPT'
#!/bin/sh
#SBATCH -o out.%j
echo "$SLURM_JOB_ID attempt ${SLURM_RESTART_COUNT:-0} on $SLURMD_NODENAME" >> ledger
read -r _ < "go.$SLURM_JOB_ID"
SCRIPT
for i in 1 2 3 4; do submit --requeue wait.sh >/dev/null; done
running() { [ "$(squeue -h -t R -o %i | wc -l)" -eq "$1" ]; }
wait_until "the one node is full" running 2
is "$(squeue -h -t PD -o %i | wc -l)" 2 "two jobs wait"

token=$(tender join-token)
like "$token" '^[a-z2-7]{60,}$' "an administrator gets a join token"
tender-worker --join "$token" --node late --dir "$DIR/nodes/late" --cpus 2 >"$WORK/late.log" 2>&1 &
late=$!
ON_EXIT='kill -9 "$late" 2>/dev/null; pid=$(cat "$DIR/nodes/late/shepherd.pid" 2>/dev/null) && kill -9 "$pid" 2>/dev/null'
wait_until "work flows to the worker that joined" running 4
is "$(squeue -h -t R -o %N | sort | uniq -c | awk '{print $1, $2}')" "2 late
2 n1" "two jobs on each node"
like "$(sinfo -h -N -o '%N %t')" '^late +alloc' "sinfo knows it"

bad=$(tender-worker --join "${token%?????}aaaaa" --node other --dir "$WORK/other" 2>&1)
is "$?" 1 "a damaged token is refused"
like "$bad" 'token' "in words"

shepherd=$(cat "$DIR/nodes/late/shepherd.pid")
kill -9 "$late" "$shepherd"
wait_until "the silent node is down*" sh -c 'sinfo -h -N -n late -o %T | grep -q "down"'
lost() { [ "$(grep -c 'attempt' ledger)" -ge 4 ] && [ "$(squeue -h -t PD -o %i | wc -l)" -eq 2 ]; }
wait_until "its jobs wait again" lost
for i in 1 2 3 4; do ( echo go > "go.$i" ) & done
wait_until "and all of them end on the node that is left" queue_is_empty
is "$(squeue -h -t all -o %T | sort | uniq -c | awk '{print $1, $2}')" "4 COMPLETED" "all four completed"
is "$(grep -c 'attempt 1 on n1' ledger)" 2 "the two lost ones as a second attempt"
wait 2>/dev/null
done_testing
