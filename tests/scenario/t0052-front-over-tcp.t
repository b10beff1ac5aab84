#!/bin/bash
# A user on a host that is none of the cluster's: his key is registered, his commands go over TCP with CURVE to the front, as the
# user he is and as nobody else. The host is a network of its own behind link.py, so that its link can be cut.
if [ -z "${TENDER_NET:-}" ]; then
    no() { echo "1..0 # SKIP $1"; exit 77; }
    [ "$(id -u)" = 0 ] || no "networks of one's own need root"
    [ -c /dev/net/tun ] || no "there is no /dev/net/tun to make links of"
    for tool in ip nsenter unshare setpriv python3; do command -v "$tool" >/dev/null || no "it needs the command $tool"; done
    { getent passwd daemon && getent passwd nobody; } >/dev/null || no "it needs the users daemon and nobody"
    unshare --net true 2>/dev/null || no "this machine allows no networks of one's own"
    TENDER_NET=1 exec unshare --net bash "$0"
fi
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
HUB=10.78.0.1 PORT=6820 AT=10.78.0.1:6820
link_how() { printf '%s\n' "$*" >l-far.how.new && mv l-far.how.new l-far.how; } # delay jitter loss reorder
link_how 0 0 0 0
ip link set lo up
ip address add "$HUB/32" dev lo
python3 "$HERE/link.py" l-far "$WORK" >link.out 2>&1 </dev/null &
link=$!
wait_until "a link to another host" grep -q ready link.out
ip address add 10.78.1.1 peer 10.78.1.2 dev l-far && ip link set l-far up
there() { nsenter -t "$link" -n "$@"; }
there sh -c 'ip link set lo up && ip address add 10.78.1.2 peer 10.78.1.1 dev out && ip link set out up && ip route add default dev out'

cat >slurm.conf <<'CONF'
ClusterName=far
SlurmctldHost=localhost
PrivateData=events
NodeName=n1 CPUs=4
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
printf 'FrontAddress=%s:%s\nOperators=bin\n' "$HUB" "$PORT" >tender.conf
cluster_up --conf "$WORK/slurm.conf"
front_log="$DIR/log/front.log"
as() { # as USER COMMAND...: of the cluster's own host
    local user=$1; shift
    setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups env HOME="$WORK/home.$user" "$@"
}
far_words() { # of the other host, by the link of the user $1: the words before the command, in $far
    far=(nsenter -t "$link" -n setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups env HOME="$WORK/home.$1"
        XDG_RUNTIME_DIR="$WORK/home.$1/run" SLURM_CONF="$WORK/home.$1/run/tender/remote-10.78.0.1-$PORT/slurm.conf")
}
far() { far_words "$1"; "${far[@]}" "${@:2}"; }
become_far() { far_words "$1"; exec "${far[@]}" "${@:2}"; } # in the background: $! is the program itself
for user in daemon nobody bin; do install -d -o "$user" "home.$user" "home.$user/run"; done
watchers=
end_all() {
    for user in daemon nobody; do far "$user" tender remote disconnect "$AT" >/dev/null 2>&1; done
    # shellcheck disable=SC2086
    kill $watchers "$link" 2>/dev/null
    wait 2>/dev/null
    [ "$failed" -eq 0 ] || for log in home.*/run/tender/*/remote.log; do [ -s "$log" ] && { echo "# --- $log"; tail -n 15 "$log" | sed 's/^/# /'; }; done
}
ON_EXIT=end_all

# --- keys
address=$(tender remote address)
like "$address" "^tender remote connect $AT --server-key '.{40}'$" "the front says where it is, and its key"
server=$(printf '%s' "$address" | sed "s/.*--server-key '\(.*\)'/\1/")
key=$(far daemon tender key create 2>key.err)
like "$(cat key.err)" 'an operator of the cluster registers it' "a user makes a key, and is told what to do with it"
is "$(far daemon tender key create 2>/dev/null)" "$key" "a second time it is the same"
is "$(stat -c '%a %U' home.daemon/.config/tender/key)" "600 daemon" "it is his alone"
far daemon tender remote connect "$AT" >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*which key has the front at .*--server-key' "who does not name the front's key is told how"
far nobody tender remote connect "$AT" --server-key "$server" >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*you have no key.*tender key create' "who has no key, too"
far daemon tender remote connect "$AT" --server-key "$server" >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*denied: your key is registered for no user here' "a key that nobody registered is refused in words"
far daemon tender remote connect "$AT" --server-key "$server" >no.out 2>no.err
told() { tender status >/dev/null; [ "$(grep -c 'remote key=.*refused' "$front_log")" -eq 1 ]; }
wait_until "the front says so once" told
tender events --since 0 --audit >audit.json 2>/dev/null & watchers="$watchers $!"
wait_until "operators are told" grep -q '"ACCESS_REFUSED".*"CARRY_HELLO".*registered for no user' audit.json
as nobody tender key register --user daemon -- "$key" >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*keys of others are an operator' "others' keys are not for everybody to register"
as bin tender key register --user root -- "$key" >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*may do more than you' "an operator registers none for an administrator"
tender key register --user root -- "$key" >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*root has no key' "and nobody one for root"
ok "an operator registers a user's" as bin tender key register --user daemon --note laptop -- "$key"
like "$(as daemon tender key list --users)" "^daemon .* bin .*laptop$" "he sees it, and who did it"
is "$(as nobody tender key list --users | wc -l)" 1 "others do not"
like "$(tender key list --users --json)" '"user":2?1,.*"note":"laptop"' "an operator does"
wrong=$(far nobody tender key create 2>/dev/null)
far daemon tender remote connect "$AT" --server-key "$wrong" >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*has not the key that was named for it' "a front that is not the one that was named is not spoken to, in words"
far daemon tender remote connect 10.78.0.1:6821 --server-key "$server" >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*nobody answers at 10.78.0.1:6821' "nor one that is not there"

# --- the link
ok "then he has a link" far daemon tender remote connect "$AT" --server-key "$server"
like "$(far daemon tender remote connect "$AT" 2>&1)" 'there is a link to .* already.*|^export SLURM_CONF=' "once is enough"
is "$(stat -c %a home.daemon/run/tender/remote-*/state/run/front.sock)" 600 "its socket is his alone"
ok "of nobody, too, who registered his key himself" as nobody tender key register -- "$wrong"
far nobody tender remote connect "$AT" --server-key "$server" >/dev/null
job=$(far daemon sbatch --parsable --hold --wrap=true)
is "$(far daemon squeue -h -o '%i %u %t')" "$job daemon PD" "he submits, and sees it"
is "$(squeue -h -j "$job" -o '%i %u')" "$job daemon" "as does the cluster"
other=$(as bin sbatch --parsable --hold --wrap=true)
far daemon scancel "$other" 2>no.err
like "$?:$(cat no.err)" '^[1-9].*(denied|permission)' "another's job is not his to cancel"
ok "it is there" job_is "$other" PENDING
far daemon scontrol update nodename=n1 state=drain reason=no 2>no.err
like "$?:$(cat no.err)" '^[1-9].*(denied|permission)' "nor are nodes"
far daemon tender key register 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' >no.out 2>no.err
like "$?:$(cat no.err)" "^1:.*registered on the cluster's own hosts" "nor other keys, over there"
ok "his own is" far daemon scancel "$job"
run=$(far daemon sbatch --parsable --output=/dev/null --chdir=/tmp --wrap='exit 3')
ok "a watcher is told the end" far daemon tender events --job "$run" --until FAILED >/dev/null 2>&1
is "$(far daemon tender events --since 0 --job "$other" --until PENDING 2>&1 | grep -c "\"job\":$other")" 0 "PrivateData holds there, too"
like "$(far daemon srun -n1 id -un 2>&1)" '^daemon$' "srun reaches its node, and its node him"
like "$(far daemon tender doctor)" 'asked by way of .*front.sock' "tender doctor looks at the cluster by his link"
yes '#' | head -c 3000000 >big.txt
{ echo '#!/bin/sh'; cat big.txt; } >big.sh
big=$(far daemon sbatch --parsable --hold big.sh)
far daemon scontrol write batch_script "$big" - >big.back 2>/dev/null
ok "three megabytes go there and back" cmp big.sh big.back
far daemon scancel "$big"

# --- the front starts anew, the link is cut: watchers go on, and nothing is told twice or left out
become_far daemon tender events --since 0 >far.json 2>far.err & watchers="$watchers $!"
become_far daemon squeue --watch >far.watch 2>/dev/null </dev/null & watchers="$watchers $!"
mark() { marked=$(far daemon sbatch --parsable --hold --wrap=true 2>/dev/null) && [ -n "$marked" ]; }
knows() { grep -q "\"job\":$1," far.json && grep -q "\b$1\b" far.watch; }
wait_until "he submits" mark
wait_until "watchers see it" knows "$marked"
front=$(pid_of state/run/front.pid)
kill -9 "$front"
like "$(far daemon scontrol ping 2>&1; far daemon squeue 2>&1)" "no link to the front at $AT .*this request was not passed on" "while there is no front he is told so"
ok "it is started again" tender up --dir "$DIR"
wait_until "and he submits again" mark
wait_until "watchers go on" knows "$marked"
link_how 0 0 100 0
wait_until "a link that is cut is found out" grep -q 'nothing was heard over it\|it broke' home.daemon/run/tender/remote-*/remote.log
late=$(as daemon sbatch --parsable --hold --wrap=true)
link_how 0 0 0 0
wait_until "it is made again, watchers learn what they missed" knows "$late"
is "$(grep -c '"JOB_SUBMITTED"' far.json)" "$(grep '"JOB_SUBMITTED"' far.json | sort -u | wc -l)" "nothing twice"
is "$(grep -c RESYNC far.json)" 0 "and nothing lost"
is "$(grep -c 'is back' far.err)" "$(grep -c 'went away' far.err)" "who went away is said once, who is back, too"

far daemon tender status >out 2>&1
like "$?:$(cat out)" '^0:.*: epoch [0-9]+, event ' "tender status tells of the cluster"
is "$(grep -c 'stopped\|cluster in' out)" 0 "and not of processes that the link's folder has none of"

# --- a front that stops answering: what became of a request is not known, and is said so
front=$(pid_of state/run/front.pid)
kill -STOP "$front"
far daemon sbatch --hold --wrap=true >no.out 2>no.err
status=$?
kill -CONT "$front"
like "$status:$(cat no.err)" '^1:.*whether the job is queued is not known: look before you repeat it' "a submission whose answer is lost is in doubt"
linked() { far daemon squeue -h; }
wait_until "the link is made again" linked

# --- who does not read stops himself alone
array=$(far daemon sbatch --parsable --hold --array=0-19999 --wrap=true)
mkfifo hold
become_far daemon "$TENDER_TESTS/poke" hoard "$WORK/home.daemon/run/tender/remote-10.78.0.1-$PORT/state/run/front.sock" 10 <hold >hoard.out 2>&1 & watchers="$watchers $!"
exec 9>hold
wait_until "ten do not read their answers" grep -q answered hoard.out
is "$(far daemon squeue -h -j "$other" -o %i)" "$other" "he is served by the same link"
is "$(far nobody squeue -h -j "$other" -o %i)" "$other" "and others by theirs"
is "$(squeue -h -j "$other" -o %i)" "$other" "and those of the host"
exec 9>&-
ok "the answer is whole when it is read" test "$(far daemon squeue -h -r -j "$array" -o %i | wc -l)" = 20000
far daemon scancel "$array"

# --- garbage at the door: it stays open for others
poke=$TENDER_TESTS/poke
front=$(pid_of state/run/front.pid)
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$front/status"; }
f0=$(rss)
for kind in noise big multipart; do
    ok "$kind of a stranger" "$poke" bus "tcp://$AT" "$server" "$kind"
    ok "$kind of a user" "$poke" bus "tcp://$AT" "$server" "$kind" home.daemon/.config/tender/key
    ok "he is served meanwhile" far daemon squeue -h
done
for kind in carry-open carry-data carry-taken; do
    like "$("$poke" bus "tcp://$AT" "$server" "$kind" home.daemon/.config/tender/key)" "^REFUSED .*(in use|than were)|^CARRY_CLOSE" "who breaks the rules of the streams is refused in words: $kind"
done
ok "others are served" far nobody squeue -h
is "$(pid_of state/run/front.pid)" "$front" "by the same front"
small() { [ $(($(rss) - f0)) -lt 49152 ]; }
wait_until "which is within 48 MB of what it was" small

# --- what was given is taken back
as nobody tender key revoke --user daemon >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*keys of others are an operator' "others' keys are not for everybody to revoke"
ok "an operator revokes it" as bin tender key revoke --user daemon
ended() { far daemon squeue 2>&1 | grep -q 'your key was revoked\|registered for no user'; }
wait_until "his link ends, and he is told why" ended
far nobody squeue -h >/dev/null
is "$?" 0 "others' links stand"
wait_until "operators see it" grep -q '"USER_KEY_REVOKED"' audit.json
ok "he ends his link" far daemon tender remote disconnect "$AT"
far daemon tender remote disconnect "$AT" 2>no.err
like "$?:$(cat no.err)" '^1:.*there is no link to' "once"
far daemon tender remote connect "$AT" >no.out 2>no.err
like "$?:$(cat no.err)" '^1:.*registered for no user here, or was revoked' "the key opens nothing any more, and the front's is known by now"
done_testing
