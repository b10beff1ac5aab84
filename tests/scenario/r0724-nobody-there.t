#!/bin/bash
# Who waits for a broker says so: a name that does not resolve, a port where nobody answers, a state directory not made yet.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=far\nSlurmctldHost=nowhere.invalid\nNodeName=n1 CPUs=1\nPartitionName=normal Nodes=ALL Default=YES\n' >slurm.conf
printf 'Address=0.0.0.0\nElastic=yes\n' >tender.conf
export SLURM_CONF=$WORK/slurm.conf

pids=
ON_EXIT='kill -9 $pids 2>/dev/null; wait 2>/dev/null'

# A front that comes before its broker.
tender-front --foreground --conf "$SLURM_CONF" --state "$WORK/state" --log "$WORK/front.log" 2>front.err & front=$!
pids="$pids $front"
wait_until "a front without its broker's directory says what it waits for" grep -q "waiting for the broker's state directory $WORK/state: it is not there; start tender-broker" front.log
ok "at the terminal, too" grep -q 'it is not there; start tender-broker' front.err
tender-front --foreground --conf "$SLURM_CONF" --state "$WORK/typo" --log "$WORK/typo.log" 2>/dev/null & other=$!
pids="$pids $other"
wait_until "so does another" grep -q 'waiting for' typo.log
kill -TERM "$other"
wait "$other"
is "$?" 0 "which can be told to stop"
mkdir state
wait_until "with a directory and no broker it says that" grep -q 'warn waiting for the broker: .*broker.sock.*; start tender-broker' front.log
tender-broker --foreground --conf "$SLURM_CONF" --state "$WORK/state" --log "$WORK/broker.log" 2>broker.err & broker=$!
pids="$pids $broker"
wait_until "with the broker it answers" grep -q 'front ready' front.log
is "$(grep -c 'waiting for the broker.s state' front.log)" 1 "it was said once"

# A worker, and a front of another host, whose token names the broker by a name that is not known.
tender-worker --join "$(tender join-token)" --node n1 --dir "$WORK/n1" --cpus 1 >n1.out 2>&1 </dev/null & pids="$pids $!"
wait_until "a worker says that the name does not resolve" grep -q 'warn no connection to the broker at tcp://nowhere.invalid:[0-9]*: the name nowhere.invalid does not resolve: .*; put it into DNS' n1/worker.log
is "$(grep -c 'does not resolve' n1/worker.log)" 1 "once"
tender-front --foreground --join "$(tender token create --front)" --dir "$WORK/far" --name far --log "$WORK/far.log" 2>far.err & pids="$pids $!"
wait_until "a front does as well" grep -q 'the name nowhere.invalid does not resolve' far.log
done_testing
