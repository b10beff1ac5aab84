#!/bin/bash
# Two clusters of one user: commands go where SLURM_CONF says, ports do not collide; tender up outlives its terminal.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
A=$WORK/a B=$WORK/b
ON_EXIT='for d in "$A" "$B"; do [ -e "$d/slurm.conf" ] && tender down --dir "$d" --force >/dev/null 2>&1; done; kill $holder 2>/dev/null'
holder=

# --- a terminal that is hung up ------------------------------------------------------------------------------------------
python3 "$HERE/logout.py" 'export SLURM_CONF' tender up --dir "$A" --nodes 2 --cpus 2 >login.out 2>&1
is "$?" 0 "the terminal of tender up is hung up, and its shell is ended by that"
like "$(cat login.out)" '2 nodes up' "the cluster was up"
export SLURM_CONF=$A/slurm.conf
daemons() { cat "$A"/state/run/*.pid "$A"/nodes/*/*.pid; }
is "$(daemons | wc -l)" 6 "broker, front, two workers, two shepherds"
terminal_of() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $5 }'; }
session_of() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $4 }'; }
for pid in $(daemons); do
    is "$(terminal_of "$pid")" 0 "$(cat "/proc/$pid/comm") has no terminal"
    ok "nor our session" test "$(session_of "$pid")" != "$(session_of $$)"
    like "$(readlink "/proc/$pid/fd/0")" '^/dev/null$' "and reads nothing"
done
before=$(daemons)
ended() { job_is "$1" COMPLETED; }
job=$(submit -o /dev/null --wrap true)
wait_until "a job runs to its end behind it" ended "$job"
echo 'FrontAddress=127.0.0.1:1' >>"$A/tender.conf"
# shellcheck disable=SC2046
kill -HUP $(daemons)
wait_until "the broker has heard SIGHUP" grep -q 'info SIGHUP' "$A/log/broker.log"
wait_until "the front, too, and what it does not take" \
    grep -q 'FrontAddress changed from (none) to 127.0.0.1:1: takes effect when the front is started again' "$A/log/front.log"
sed -i '/^FrontAddress=/d' "$A/tender.conf"
wait_until "a worker, too" grep -q 'SIGHUP' "$A/nodes/n1/worker.log"
job=$(submit -w n1 -o /dev/null --wrap true)
wait_until "it does no harm" ended "$job"
job=$(submit -w n2 -o /dev/null --wrap true)
wait_until "on either node" ended "$job"
is "$(daemons)" "$before" "all are who they were"

# --- another one beside it -----------------------------------------------------------------------------------------------
tender up --dir "$B" --nodes 1 --cpus 1 >b.out 2>b.err & one=$!
tender up --dir "$B" --nodes 1 --cpus 1 >b2.out 2>b2.err & two=$!
wait "$one"; r1=$?; wait "$two"; r2=$?
is "$r1:$r2" "0:0" "a second cluster, started twice in one moment"
is "$(cat b.out)" "$(cat b2.out)" "is one cluster"
like "$(cat b.out)" "^export SLURM_CONF=$B/slurm.conf$" "with a line to export of its own"
ports() { tender status --dir "$1" --json | sed -n 's/.*"\(router\|pub\)": "tcp:.*:\([0-9]*\)".*/\2/p'; }
is "$( (ports "$A"; ports "$B") | sort -u | wc -l)" 4 "four ports, no two alike"
in_a=$(SLURM_CONF=$A/slurm.conf submit -J in-a -H -o /dev/null --wrap true)
in_b=$(SLURM_CONF=$B/slurm.conf submit -J in-b -H -o /dev/null --wrap true)
is "$(SLURM_CONF=$A/slurm.conf squeue -h -o '%i %j')" "$in_a in-a" "one queue"
is "$(SLURM_CONF=$B/slurm.conf squeue -h -o '%i %j')" "$in_b in-b" "and the other"
is "$(SLURM_CONF=$A/slurm.conf sinfo -h -N -o %N | wc -l):$(SLURM_CONF=$B/slurm.conf sinfo -h -N -o %N | wc -l)" "2:1" "each has its nodes"
is "$(SLURM_CONF=$A/slurm.conf srun -n1 printenv SLURM_CONF)" "$A/slurm.conf" "a job's commands go where the job is"
is "$(SLURM_CONF=$B/slurm.conf srun -n1 printenv SLURM_CONF)" "$B/slurm.conf" "in either"
SLURM_CONF=$A/slurm.conf scancel -n in-b
SLURM_CONF=$A/slurm.conf scancel -n in-a
is "$(SLURM_CONF=$B/slurm.conf squeue -h -o '%i %j')" "$in_b in-b" "one cannot be cancelled through the other"
like "$(SLURM_CONF=$A/slurm.conf tender status --dir "$B")" "^cluster in $B" "--dir is stronger than SLURM_CONF"
b_pid=$(cat "$B/state/run/broker.pid")
ok "one goes" tender down --dir "$A"
is "$(cat "$B/state/run/broker.pid")" "$b_pid" "the other stays"
ok "and serves" test "$(SLURM_CONF=$B/slurm.conf srun -n1 echo here)" = here

# --- ports ---------------------------------------------------------------------------------------------------------------
was=$(cat "$A/state/broker.ports")
python3 -c "
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', ${was%-*})); s.listen(1)
open('held', 'w').close()
time.sleep(600)" & holder=$!
wait_until "another program takes a port of the one that is down" test -e held
tender up --dir "$A" >a.out 2>a.err
is "$?" 1 "it does not start then"
like "$(cat a.err "$A/log/broker.log")" "workers know these ports; free them, or remove $A/state/broker.ports" "and says what to do"
kill "$holder"; wait "$holder" 2>/dev/null
ok "with its port free it starts" tender up --dir "$A"
is "$(cat "$A/state/broker.ports")" "$was" "on the port its workers know"
ok "both go" tender down --dir "$A"
ok "both go" tender down --dir "$B"

first=$((${was%-*} - ${was%-*} % 100 + 15000)) # above those that brokers choose by themselves
for d in c d; do
    mkdir "$d.conf"
    printf 'ClusterName=%s\nSlurmctldHost=localhost\nNodeName=n1 CPUs=1\nPartitionName=p Nodes=ALL Default=YES\n' $d >$d.conf/slurm.conf
    printf 'Ports=%s-%s\n' "$first" $((first + 7)) >$d.conf/tender.conf
done
ON_EXIT="$ON_EXIT; for d in c d; do [ -e $WORK/\$d/slurm.conf ] && tender down --dir $WORK/\$d --force >/dev/null 2>&1; done"
tender up --dir "$WORK/c" --conf c.conf/slurm.conf >c.out 2>c.err & one=$!
tender up --dir "$WORK/d" --conf d.conf/slurm.conf >d.out 2>d.err & two=$!
wait "$one"; r1=$?; wait "$two"; r2=$?
is "$r1:$r2" "0:0" "two with the same range of ports, started in one moment"
is "$( (ports "$WORK/c"; ports "$WORK/d") | sort -u | wc -l)" 4 "share it"
within() { (ports "$WORK/c"; ports "$WORK/d") | awk -v a="$first" '$1 < a || $1 > a + 7 { bad = 1 } END { exit bad }'; }
ok "and stay in it" within
tender down --dir "$WORK/c" >/dev/null
tender down --dir "$WORK/d" >/dev/null
done_testing
