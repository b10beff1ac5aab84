#!/bin/bash
# Join tokens: made, listed by id, revoked; what a worker at the door is told, what is counted, what an operator reads.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=tokens\nSlurmctldHost=localhost\nNodeName=n1 CPUs=2\nPartitionName=normal Nodes=ALL Default=YES\n' >slurm.conf
printf 'Elastic=yes\n' >tender.conf
cluster_up --conf "$WORK/slurm.conf"
tender events --audit --since 0 >audit.out 2>audit.err &
auditor=$!
ON_EXIT='kill "$auditor" $joined 2>/dev/null; for p in "$WORK"/w/*/shepherd.pid; do [ -s "$p" ] && kill "$(cat "$p")" 2>/dev/null; done'
joined=
mkdir w
last_id() { tender token list --json | sed -n '$s/.*"id":"\([0-9a-f]*\)".*/\1/p'; }
state_of() { tender token list | awk -v id="$1" '$1 == id { print $2 ($2 == "used" ? " " $3 : "") }'; }
turned_away() { # turned_away TOKEN NODE WORDS: at the worker's terminal
    out=$(tender-worker --join "$1" --node "$2" --dir "$WORK/w/$2" --cpus 1 2>&1 </dev/null)
    like "$?:$out" "the join token is not valid here: $3" "$2 is told: $3"
}

once=$(tender token create --uses 1 --names 'm[1-9]') && once_id=$(last_id)
like "$once" '^[a-z2-7]{60,}$' "a token is made"
like "$once_id" '^[0-9a-f]{10}$' "and has an id"
is "$(tender token list | grep -c "$once")" 0 "its secret is not listed"
is "$(state_of "$once_id")" good "it is good"
turned_away "$once" other "it is for m\[1-9\], not for other"
tender-worker --join "$once" --node m1 --dir "$WORK/w/m1" --cpus 1 >m1.log 2>&1 </dev/null &
m1=$!
joined="$joined $m1"
wait_until "a node joins with it" grep -q "serves the cluster" m1.log
is "$(state_of "$once_id")" "used up" "then it is used up"
turned_away "$once" m2 "it has been used 1 times, as often as it may"

any=$(tender token create) && any_id=$(last_id)
tender-worker --join "$any" --node m1 --dir "$WORK/w/twin" --cpus 1 >twin.log 2>&1 </dev/null &
twin=$!
joined="$joined $twin"
wait_until "a second claimant of a name is told so" grep -q 'this node name is taken by a live worker: m1' twin.log
kill "$twin" && wait "$twin"
like "$(tender token list | grep "^$any_id")" ' 0/any ' "and has not used up anything"
ok "a token is revoked" tender token revoke "$any_id"
is "$(state_of "$any_id")" revoked "and listed so"
turned_away "$any" m3 "it was revoked"
tender token revoke "$any_id" >out 2>err
like "$?:$(cat err)" "^1:.*the token $any_id is revoked already" "twice is said"
tender token revoke 0123456789 >out 2>err
like "$?:$(cat err)" '^1:.*no token has the id 0123456789' "an id that no token has is said"
tender token revoke >out 2>err
like "$?:$(cat err)" '^1:.*revoke which' "and no id"
ok "the node that joined with the other one stays" test "$(sinfo -h -N -n m1 -o %t)" = idle

brief=$(tender token create --valid 0:0:1) && brief_id=$(last_id)
has_run_out() { [ "$(state_of "$brief_id")" = expired ]; }
wait_until "a token runs out" has_run_out
turned_away "$brief" m5 "it has expired|its time is over"
stranger=$(printf '%s' "$any" | cut -c1-60)
out=$(tender-worker --join "$stranger" --node m4 --dir "$WORK/w/m4" --cpus 1 2>&1 </dev/null)
like "$?:$out" '^1:.*token' "a token cut off is said to be one"

for kind in TOKEN_MADE TOKEN_REVOKED WORKER_ENROLLED ACCESS_REFUSED; do
    wait_until "operators read of $kind" grep -q "\"type\":\"$kind\"" audit.out
done
ok "which token it was" grep -q "TOKEN_REVOKED.*\"by\":$(id -u),.*\"id\":\"$any_id\"" audit.out
ok "and with which a node joined" grep -q "WORKER_ENROLLED.*\"node\":\"m1\".*\"token_id\":\"$once_id\"" audit.out
is "$(cat audit.out "$DIR/log/broker.log" | grep -c "$once\|$any")" 0 "no secret is told or logged"
names() { grep -o 'peer=[a-z0-9]* address=127.0.0.1 refused ENROL' "$DIR/log/broker.log" | cut -d' ' -f1 | tr '\n' ' '; }
is "$(names)" "peer=other peer=m2 peer=m1 peer=m3 peer=m5 " "those turned away are logged, each name once in a while"
ok "with their address for operators" grep -q '"type":"ACCESS_REFUSED".*"node":"m3".*"address":"127.0.0.1"' audit.out
denied() { tender status --json | sed -n 's/.*"denied": \([0-9]*\).*/\1/p'; }
ok "and counted" test "$(denied)" -ge 4

# --- keys ----------------------------------------------------------------------------------------------------------------
key() { head -n 1 "$WORK/w/m1/key"; }
mkfifo go
id=$(submit -w m1 -o /dev/null --wrap 'read -r _ <'"$WORK/go")
wait_until "a job runs on the node" job_is "$id" RUNNING
old=$(key)
like "$(tender key list)" '^NODE +OF +STATE +UNTIL +TOKEN +KEY$' "keys are listed"
like "$(tender key list m1)" "^m1 +worker +good +- +$once_id +[^ ]{40}$" "with the token a node got its own for"
is "$(tender key list m1 | grep -cF "$(sed -n 1p w/m1/key)")" "$(tender key list m1 | grep -c '^m1 ')" "its public half, which is in its file"
is "$(tender key list | grep -cF "$(sed -n 2p w/m1/key)")" 0 "not the secret one"
like "$(tender key list --json n1)" '^\{"node":"n1","key":' "or as JSON"
is "$(tender key list nosuch | wc -l)" 1 "a node without keys has none"
tender key list a b >out 2>err
like "$?:$(cat err)" "^1:.*unexpected word 'b'" "a word too many is refused"
like "$(tender key rotate m1)" '^1 node is asked for another key' "a node is asked for another key"
rotated() { [ "$(key)" != "$old" ] && grep -q '"type":"KEY_ROTATED".*"node":"m1"' audit.out; }
wait_until "it has another one, and operators read of it" rotated
old_one() { tender key list m1 | grep -F "$old" | grep -Eq '^m1 +worker +old +20'; }
wait_until "the old key is good for a while yet, and listed so" old_one
like "$(tender key list m1)" "^m1 +worker +good +- +\(rotation\) " "beside the new one"
registered() { [ "$(grep -c 'node=m1 registered' "$WORK/w/m1/worker.log")" -ge "$1" ]; }
wait_until "with which it greets anew" registered 2
ok "the job has not noticed" job_is "$id" RUNNING
echo go >go
wait_until "and ends as ever" job_is "$id" COMPLETED
wait_until "and it bids for the next" job_is "$(submit -w m1 -o /dev/null --wrap=true)" COMPLETED
ok "nothing of the rotation is left" test ! -e "$WORK/w/m1/key.new"
kill -9 "$m1" && wait "$m1" 2>/dev/null
cp -p w/m2/key w/m1/key.new # as one that died when it had made a key and had not heard of it
tender-worker --node m1 --dir "$WORK/w/m1" --cpus 1 >>m1.log 2>&1 </dev/null &
m1=$!
joined="$joined $m1"
took() { [ "$(key)" = "$(head -n 1 w/m2/key)" ] && [ ! -e w/m1/key.new ] && registered 4; }
wait_until "a worker that died in between goes on with it" took
tender key rotate nowhere >out 2>err
like "$?:$(cat err)" '^1:.*node nowhere has no key' "a node without a key is said"
like "$(tender key revoke m1)" '^the keys of 1 node are revoked' "its keys are taken back"
wait_until "then its worker is turned away, in words" grep -q 'needs an enrolled worker' m1.log "$WORK/w/m1/worker.log"
wait_until "and the broker says so once in a while" grep -q 'refused [A-Z]* .*needs an enrolled worker' "$DIR/log/broker.log"

is "$(tender key list m1 | grep -c '^m1 ')" 0 "no key of it is listed any more"
gone() { ! sinfo -h -N -n m1 -o %T | grep -qx 'idle'; }
wait_until "the node gets no more work" gone
out=$(tender-worker --node m1 --dir "$WORK/w/m1" --cpus 1 2>&1 </dev/null)
like "$?:$out" '^1:.*needs an enrolled worker' "started again it is turned away, too"

before=$(tender token list)
ok "the broker is killed" kill -9 "$(pid_of state/run/broker.pid)"
ok "and started again" tender up --dir "$DIR"
is "$(tender token list)" "$before" "tokens are as they were"
done_testing
