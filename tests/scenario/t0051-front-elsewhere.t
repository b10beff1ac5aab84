#!/bin/bash
# A front on another host: it joins by a token, follows over the bus, serves reads, relays writes; who is not one is refused.
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 1 --cpus 4
cd "$WORK" || exit 1
fronts=
ON_EXIT='kill $fronts 2>/dev/null; wait $fronts 2>/dev/null'
broker_log="$DIR/log/broker.log"
far() { SLURM_CONF="$WORK/far/slurm.conf" "$@"; }
far_up() { # far_up LOG [options]: the front that joined
    tender-front --foreground --dir "$WORK/far" --name login1 "${@:2}" >"$1" 2>&1 </dev/null &
    front=$!
    fronts="$fronts $front"
}
far_answers() { far squeue -h -o %i >/dev/null 2>&1; }
gone() { ! kill -0 "$1" 2>/dev/null; }
seen_far() { [ "$(far squeue -h -j "$1" -o %i 2>/dev/null)" = "$1" ]; }

# --- who is none
workers=$(tender token create)
tender-front --foreground --join "$workers" --dir "$WORK/no" --name login9 >no.log 2>&1 </dev/null
like "$?:$(cat no.log)" '^[1-9].*the broker refuses this front: .*it is for workers' "a worker's token makes no front, in words"
told() { tender status >/dev/null; [ "$(grep -c "login9.*it is for workers" "$broker_log")" -eq 1 ]; }
wait_until "the broker says so once" told
token=$(tender token create --front --root --names 'login[1-2]')
tender-worker --join "$token" --node login2 --dir "$WORK/w9" --cpus 1 >w9.log 2>&1 </dev/null
like "$?:$(cat w9.log)" '^[1-9].*it is for fronts, not for workers' "a front's token makes no worker"
tender-front --foreground --join "$token" --dir "$WORK/other" --name other >other.log 2>&1 </dev/null
like "$?:$(cat other.log)" '^[1-9].*it is for login\[1-2\], not for other' "nor a front of another name"
like "$(tender token create --root 2>&1)" 'goes with --front' "--root without --front is said"

# --- one that joins
far_up far.log --join "$token"
wait_until "the front answers" far_answers
job=$(submit --hold --wrap=true)
wait_until "it shows what was submitted elsewhere" seen_far "$job"
mine=$(far sbatch --parsable --hold --wrap=true)
is "$(far squeue -h -j "$mine" -o '%i %t %u')" "$mine PD $(id -un)" "one's own write by it is seen by the next read, of the right user"
is "$(squeue -h -j "$mine" -o '%i %u')" "$mine $(id -un)" "and beside the broker"
ok "a job is cancelled by it" far scancel "$mine"
run=$(far sbatch --parsable --wrap='exit 3')
far tender events --job "$run" --until FAILED >/dev/null 2>&1
is "$?" 0 "a watcher is told the end by it"
far tender events --job "$run" --until COMPLETED >/dev/null 2>&1
is "$?" 1 "who waits for another end waits in vain"
far scontrol show job 4711 >/dev/null 2>bad.err
like "$(cat bad.err)" 'Invalid job id specified' "a refusal comes back in words"
is "$(grep -c 'digest' far.log)" 0 "its digest is the broker's"

# --- the right is the key's: one of a worker that says FOLLOW is refused, and so is one of nobody
mkdir -p spy/state
cp far/state/front.joined spy/state/front.joined
cp "$DIR/nodes/n1/key" spy/state/front.key
tender-front --foreground --dir "$WORK/spy" --name n1 >spy.log 2>&1 </dev/null
like "$?:$(cat spy.log)" '^[1-9].*the broker refuses this front: .*FOLLOW needs a front of this cluster' "a worker's key follows nothing, in words"
rm spy/state/front.key
tender-front --foreground --dir "$WORK/spy" --name login1 >spy2.log 2>&1 </dev/null
like "$?:$(cat spy2.log)" '^[1-9].*the broker refuses this front: .*FOLLOW needs a front of this cluster' "nor does a key of nobody"
is "$(grep -c '^tender-front: error: the broker refuses' spy.log spy2.log)" "spy.log:1
spy2.log:1" "each says so once"
tender events --since 0 --audit >audit.json 2>/dev/null &
audit=$!
fronts="$fronts $audit"
counted() { grep '"ACCESS_REFUSED"' audit.json | grep -q '"request":"FOLLOW".*"count":[1-9]'; }
wait_until "it is counted" counted
is "$(grep -c 'FOLLOW needs a front' "$broker_log")" 1 "and in the log once"

# --- it dies, and needs no token to come back; the broker dies, and reads go on
kill -9 "$front"
wait "$front" 2>/dev/null
far_up far2.log
wait_until "it is back without a token" far_answers
wait_until "with the same queue" seen_far "$job"
pid=$(pid_of state/run/broker.pid)
kill -9 "$pid"
wait_until "the broker is gone" gone "$pid"
ok "reads go on" far squeue -h -o %i
ok "tender up starts the broker again" tender up --dir "$DIR"
again() { late=$(far sbatch --parsable --hold --wrap=true 2>/dev/null) && [ -n "$late" ]; }
wait_until "and writes by the far front go again" again
is "$(squeue -h -j "$late" -o %i)" "$late" "they arrive"

# --- who speaks like a front and is none; a second one of its name; one whose key is taken back
poke=$TENDER_TESTS/poke
status=$(tender status --dir "$DIR" --json)
router=$(printf '%s' "$status" | sed -n 's/.*"router": *"\([^"]*\)".*/\1/p')
key=$(printf '%s' "$status" | sed -n 's/.*"server_key": *"\([^"]*\)".*/\1/p')
for who in nobody worker; do
    file=; [ "$who" = worker ] && file=$DIR/nodes/n1/key
    for kind in follow relay; do
        # shellcheck disable=SC2086
        like "$("$poke" bus "$router" "$key" "$kind" $file)" '^(ERROR|REFUSED) .*needs a front' "$kind with the key of a $who is refused"
    done
done
ok "and the job of root's is there" job_is "$job" PENDING
peers() { grep -q 'warn peer=[^ ]* address=[^ ]* refused FOLLOW' "$DIR/log/broker.log"; }
wait_until "the log has them as peers" peers
is "$(grep -c 'worker=.* refused' "$DIR/log/broker.log")" 0 "not as workers, which nobody vouches for"
tender-front --foreground --join "$token" --dir "$WORK/twin" --name login1 >twin.log 2>&1 </dev/null & twin=$!
fronts="$fronts $twin"
wait_until "a second of its name is refused, and may wait" grep -q 'a front named login1 follows already' twin.log
kill "$twin"; wait "$twin" 2>/dev/null

# --- root there is nobody unless the token says more
if [ "$(id -u)" -eq 0 ]; then
    squashed=$(tender token create --front --names login2)
    tender-front --foreground --join "$squashed" --dir "$WORK/sq" --name login2 >sq.log 2>&1 </dev/null &
    fronts="$fronts $!"
    sq_answers() { SLURM_CONF="$WORK/sq/slurm.conf" squeue -h >/dev/null 2>&1; }
    wait_until "a front without --root answers" sq_answers
    SLURM_CONF="$WORK/sq/slurm.conf" scancel "$late" 2>sq.err
    like "$?:$(cat sq.err)" '^[1-9].*(denied|permission)' "root of its host may not touch others' jobs"
    ok "the job is there" job_is "$late" PENDING
fi

# --- what was given is taken back
ok "its key is taken back" tender key revoke login1 --dir "$DIR"
like "$("$poke" bus "$router" "$key" relay "$WORK/far/key")" '^(ERROR|REFUSED) .*needs a front' "then it vouches for nobody"
wait_until "the front ends" gone "$front"
like "$(cat far2.log)" "the broker refuses this front: .*(key is not valid any more|needs a front)" "in words"
far_up far3.log
wait_until "and does not come back by that key" gone "$front"
like "$(cat far3.log)" "the broker refuses this front: " "which it says"
done_testing
