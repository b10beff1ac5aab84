#!/bin/bash
# tender doctor: all well on a good cluster; each check beside its ill, with the sentence that mends it; exit status and JSON.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
doctor() { tender doctor --dir "$DIR" "$@" >doc.out 2>doc.err; }
ill() { # ill WHAT PATTERN: it is found, as an ill, and ends in 1
    doctor
    is "$?" 1 "$1: the exit status tells"
    like "$(cat doc.out)" "^ill   $2" "in a sentence that mends it"
}
ills() { grep -c '^ill ' doc.out; }
cluster_up --nodes 2 --cpus 2

# --- well ----------------------------------------------------------------------------------------------------------------
doctor
is "$?:$(cat doc.err)" "0:" "a good cluster: 0"
is "$(ills)" 0 "and no ill"
is "$(tail -n 1 doc.out)" "all well" "all well"
for good in "Tender's programs are here, all of version" 'it reads well' 'MiB free under' 'the broker answers' \
    'clock and journal agree' '2 nodes up' 'the broker may open as many files' 'the front may open as many files' \
    'broker and workers run as users that fit' 'workers find the broker by 127.0.0.1' 'tcp://127.0.0.1:[0-9]+ is open' \
    'workers have joined this broker, by its key'; do
    like "$(cat doc.out)" "^ok    .*$good" "ok: $good"
done
doctor --json
is "$?" 0 "as JSON"
python3 - doc.out >json.out 2>&1 <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
assert d["well"] is True and d["ills"] == 0
print(" ".join(sorted({c["check"] for c in d["checks"]})))
assert all(c["state"] in ("ok", "note", "ill") and c["text"] for c in d["checks"])
PY
is "$(cat json.out)" "broker clock conf disk keys limits names nodes ports programs users" "every check is named in it"
doctor extra
like "$?:$(cat doc.err)" "^1:.*unexpected word 'extra'" "a word too many is refused"

# --- disk, names ---------------------------------------------------------------------------------------------------------
cp "$DIR/slurm.conf" good.conf; cp "$DIR/tender.conf" good.tender
echo 'LowSpace=1048576M' >>"$DIR/tender.conf"
ill "less free disk than LowSpace" 'only [0-9]+ MiB free under .*, below 1048576: new work is refused \(LowSpace= of tender.conf\); make room'
is "$(doctor --json; python3 -c 'import json; print([c["check"] for c in json.load(open("doc.out"))["checks"] if c["state"] == "ill"])')" \
    "['disk']" "and JSON names the check"
cp good.tender "$DIR/tender.conf"
sed -i 's/^NodeName=n.*/&\nNodeName=far CPUs=2 NodeAddr=no..such/' "$DIR/slurm.conf"
ok "a node of another host" scontrol reconfigure
knows_far() { sinfo -h -N -o %N | grep -q far; }
wait_until "is known" knows_far
ill "an address that does not resolve" 'NodeAddr=no\.\.such of node far is not known here .*: put it into DNS or /etc/hosts, or mend the line'
like "$(cat doc.out)" '^ill   127.0.0.1 leads back to the host that asks, so workers on other hosts do not find the broker: .*Address= of tender.conf' \
    "a broker that listens for this host alone is told then, too"
cp good.conf "$DIR/slurm.conf"
printf 'Address=0.0.0.0\n' >>"$DIR/tender.conf"
sed '/^SlurmctldHost=/d' good.conf >"$DIR/slurm.conf"; cp "$DIR/slurm.conf" hostless.conf
echo SlurmctldHost=no..such >>"$DIR/slurm.conf"
ill "a broker's own name that does not resolve" 'no\.\.such, by which workers find the broker, is not known here .*SlurmctldHost='
cp hostless.conf "$DIR/slurm.conf"; echo SlurmctldHost=localhost >>"$DIR/slurm.conf"
ill "and one that is only the loopback's" 'localhost leads back to the host that asks'
cp good.conf "$DIR/slurm.conf"; cp good.tender "$DIR/tender.conf"
scontrol reconfigure

# --- clock ---------------------------------------------------------------------------------------------------------------
skewed() { TENDER_TEST_SKEW=$1 LD_PRELOAD=$TENDER_TESTS/skew.so tender doctor --dir "$DIR" >doc.out 2>doc.err; }
skewed 120
is "$?" 1 "a clock that is ahead"
like "$(cat doc.out)" "^ill   this host's clock is 1[12][0-9] s before the journal's: set it" "is told"
skewed -120
like "$?:$(cat doc.out)" "^ill   this host's clock is 1[12][0-9] s behind the journal's" "and one behind"
skewed 2
is "$?" 0 "two seconds are nothing"

# --- users ---------------------------------------------------------------------------------------------------------------
as() { HOME=$WORK setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; }
if [ "$(id -u)" = 0 ] && as 65534 test -x "$TENDER_BIN/tender-worker" 2>/dev/null; then
    chown daemon "$DIR/nodes/n1"
    ill "folders of two users" "$DIR/nodes/n1 belongs to daemon, the broker's directory to root: chown -R root $DIR/nodes/n1"
    chown root "$DIR/nodes/n1"
    printf 'Elastic=yes\n' >>"$DIR/tender.conf"
    scontrol reconfigure
    token=$(tender join-token)
    mkdir small && chown 65534 small
    as 65534 tender-worker --join "$token" --node small --dir "$WORK/small" --cpus 1 >small.log 2>&1 & small=$!
    ON_EXIT='kill -9 $small 2>/dev/null; kill -9 $(cat small/shepherd.pid 2>/dev/null) 2>/dev/null'
    wait_until "a worker of another user joins" grep -q 'serves the cluster' small.log
    ill "a worker that runs as another user" 'the worker of small runs as nobody, and the broker as root: the jobs of everybody else never start there; start that worker as root'
    kill -TERM "$small"; kill -INT "$small"; wait "$small"
    as 4711 tender doctor --dir "$DIR" >doc.out 2>doc.err
    like "$(cat doc.out)" '^note  user 4711 has no name on this host' "a user without a name is told so"
    like "$(cat doc.out)" '^note  not looked at: .*/nodes/n1/joined is not yours to read' "and what is not his to read"
    scontrol update nodename=small state=down reason=gone >/dev/null 2>&1
    cp good.tender "$DIR/tender.conf"
else
    echo "# not root, or nobody does not reach the programs: other users are not tried"
fi

# --- the broker away; its ports; its key ---------------------------------------------------------------------------------
ok "the cluster goes" tender down --dir "$DIR"
doctor
ill "a broker that is down" "the broker does not answer at $DIR/state/run/broker.sock; start it with: tender up --dir $DIR"
is "$(grep -c '^ill   port' doc.out)" 0 "with its ports free they are not mentioned"
for command in squeue sinfo "scancel 1" "scontrol show job" "sbatch --wrap true" "tender status" "tender key rotate n1" "tender rounds"; do
    like "$($command 2>&1 | tail -n 1)" 'try "tender doctor"' "$command says: try tender doctor"
done
port=$(sed 's/-.*//' "$DIR/state/broker.ports")
python3 -c "
import socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', $port)); s.listen(1)
open('held', 'w').close()
time.sleep(600)" & holder=$!
ON_EXIT="$ON_EXIT; kill $holder 2>/dev/null"
wait_until "another program takes one" test -e held
ill "a port that is taken" "port $port, which workers know as the broker's, is taken by another program"
kill "$holder"; wait "$holder" 2>/dev/null
rm "$DIR/state/broker.key"
tender-broker --conf "$DIR/slurm.conf" --dir "$DIR" --log "$DIR/log/broker.log"
is "$?" 0 "a broker whose key was lost starts with another"
ill "a key that is another" "the broker's key has changed since the worker of n1 joined .*: join it again, with tender down --dir $DIR, then tender up --dir $DIR"
tender-worker --node n1 --dir "$DIR/nodes/n1" >lost.log 2>&1 & lost=$!
ON_EXIT="$ON_EXIT; kill -9 $lost 2>/dev/null"
wait_until "the worker says it, too" grep -q "is not the one this node's token names" lost.log "$DIR/nodes/n1/worker.log"
kill -TERM "$lost"; kill -INT "$lost"; wait "$lost" 2>/dev/null
ok "what is said mends it: down" tender down --dir "$DIR"
ok "and up" tender up --dir "$DIR"
doctor
is "$?:$(grep '^ill' doc.out | grep -v ' small ')" "$([ -e small ] && echo 1 || echo 0):" "all else is well again"

# --- limits --------------------------------------------------------------------------------------------------------------
tender down --dir "$DIR" >/dev/null
(ulimit -n 700; ulimit -u 300; tender up --dir "$DIR" >up.out 2>up.err)
is "$?" 0 "a cluster started under narrow limits"
ill "too few open files" 'the broker may open 700 files, and [0-9]+ nodes with their users need 1024: raise LimitNOFILE= of its unit, or ulimit -n before tender up'
like "$(cat doc.out)" "^ill   the front may open 700 files" "of the front, too"
like "$(cat doc.out)" "^ill   all of a user's jobs on node n1 may have 300 processes together: raise LimitNPROC=" "and too few processes"

# --- programs, versions --------------------------------------------------------------------------------------------------
mkdir bin
for program in "$TENDER_BIN"/tender-broker "$TENDER_BIN"/tender-front "$TENDER_BIN"/tender-worker "$TENDER_BIN"/tender-shepherd "$TENDER_BIN"/tender-relay "$TENDER_BIN"/tender; do
    cp "$program" bin/
done
tender down --dir "$DIR" >/dev/null
ok "from another folder" bin/tender up --dir "$DIR"
doctor() { bin/tender doctor --dir "$DIR" "$@" >doc.out 2>doc.err; }
doctor
is "$(grep -c 'version\b.*:' doc.out)" 0 "programs of one release"
cp bin/tender-broker bin/new && mv bin/new bin/tender-broker
ill "a program that was replaced under its daemon" 'the broker runs a program that has been replaced since: start it again'
printf '#!/bin/sh\necho tender-front 0.0.9\n' >bin/new && chmod 755 bin/new && mv bin/new bin/tender-front
ill "programs of two releases" '.*/bin/tender-front is "tender-front 0.0.9", this command is of version .*: install all programs of one release'
rm bin/tender-relay
ill "a program that is missing" 'tender-relay does not lie beside this program: .*keep Tender.s programs in one folder'
printf '#!/bin/sh\nexit 3\n' >bin/new && chmod 755 bin/new && mv bin/new bin/tender-worker
ill "and one that does not run" '.*/bin/tender-worker does not run: install it again'
cp "$TENDER_BIN"/tender-{broker,front,worker,relay} bin/
tender down --dir "$DIR" >/dev/null
done_testing
