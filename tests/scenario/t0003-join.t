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

tender-worker --join "$token" --node n1 --dir "$WORK/twin" >twin.log 2>&1 &
twin=$!
wait_until "a name that is taken is said, not only logged" grep -q '^tender-worker: .*refused for now.* is taken by a live worker: n1' twin.log
kill "$twin" && wait "$twin"
like "$(cat late.log)" '^tender-worker: late serves the cluster join; ' "one that joined says so too"

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

begin() { tender-worker --node late --dir "$DIR/nodes/late" --cpus 2 >>late.log 2>&1 & late=$!; }
stands() { sinfo -h -N -n late -o %T | grep -qx "$1"; }
begin
wait_until "the lost one is back" stands idle
kill "$late" && wait "$late"
wait_until "stopped by SIGTERM it is drained and away" stands 'drained\*'
begin
wait_until "started again it is idle: the mark was its own" stands idle
scontrol update NodeName=late State=DRAIN Reason=fan
kill "$late" && wait "$late"
begin
wait_until "an administrator's mark stays" stands drained
like "$(scontrol show node late)" 'Reason=fan' "with his reason"
kill "$late" && wait "$late"

if [ "$(id -u)" = 0 ] && setpriv --reuid=nobody --regid=nogroup --init-groups test -x "$TENDER_BIN/tender-worker" 2>/dev/null; then
    mkdir home && chown nobody home
    setpriv --reuid=nobody --regid=nogroup --init-groups "$TENDER_BIN/tender-worker" --join "$token" --node small --dir "$WORK/home/w" --cpus 2 >small.log 2>&1 &
    small=$!
    wait_until "a worker that is not root joins" grep -q "serves the cluster" small.log
    id=$(submit -w small -o /dev/null --wrap "touch home/ran")
    wait_until "root's job ends on a worker that is not root" job_is "$id" FAILED
    like "$(scontrol show job "$id")" 'the worker of small runs as user [0-9]+ and cannot run a job of user 0' "in words"
    ok "and nothing of it ran" test ! -e home/ran
    kill "$small" && wait "$small"
else
    echo "# not root, or no user nobody who reaches the programs: a foreign worker is not tried"
fi
done_testing
