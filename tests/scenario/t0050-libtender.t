#!/bin/bash
# libtender: the example in both forms, what it exports, and each call with its refusal.
. "$(dirname "$0")/lib.sh"
: "${TENDER_TESTS:?}"
cluster_up --nodes 2 --cpus 4
cd "$WORK" || exit 1
try() { "$TENDER_TESTS/libtry" "$@"; }

# --- the example, as its readers build it
for form in shared static; do
    out=$("$TENDER_TESTS/tender-example-$form")
    like "$?:$out" '^0:job [0-9]+ is queued' "the example queues a job ($form)"
    like "$out" '^JOB_ENDED COMPLETED' "watches it to its end ($form)"
    like "$out" '^[0-9]+ example COMPLETED on n[12], exit code 0$' "and says how it ended ($form)"
done
out=$("$TENDER_TESTS/tender-example-static" '#!/bin/sh
exit 3')
like "$out" 'example FAILED on n[12], exit code 3$' "a job that fails, too"
out=$("$TENDER_TESTS/tender-example-shared" 'hostname' 2>&1)
like "$?:$out" '^1:example: This does not look like a batch script' "what is no script is refused in words"

# --- nothing of ours can be seen but the interface, and all of that
lib=$TENDER_TESTS/../lib
want=$(grep -o 'tender_[a-z_]*(' "$TENDER_SOURCE/client/lib/tender.h" | tr -d '(' | sort -u)
is "$(nm -D --defined-only "$lib/libtender.so" | awk '{ print $3 }' | sort -u)" "$want" "the shared library exports its header"
is "$(nm -g --defined-only "$lib/libtender.a" | awk 'NF == 3 { print $3 }' | sort -u)" "$want" "the static one too"
ok "it has its page" grep -q 'tender_watch_next' "$TENDER_TESTS/../man/libtender.3"

# --- each call, with its refusal
like "$(LIBTRY_CONF=$WORK/none.conf try open)" '^open refused CONF: .*none.conf' "a cluster that is not there"
out=$(try submit '' - --hold -J held --wrap 'echo hello')
like "$out" '^submit [0-9]+$' "options are sbatch's"
job=${out#submit }
like "$(try jobs "$job")" "^job $job held $(id -un) main PENDING JobHeldUser$" "a job as squeue has it"
like "$(try nodes 'n[1-2]')" '^node n1 idle 0/4 main' "nodes as sinfo has them"
is "$(try nodes n2 | wc -l)" 1 "of those named"
like "$(try jobs x12)" '^jobs refused INVALID_JOB: Invalid job id x12' "a word that is no id"
like "$(try cancel "$job")" "^cancel $job" "a job is ended"
like "$(try cancel "$job")" "^cancel $job" "one that is over is no failure"
like "$(try cancel 4711)" '^cancel refused INVALID_JOB: 4711: ' "one that nobody knows is"
is "$(try submit key - --hold --wrap true)" "$(try submit key - --hold --wrap true)" "the same key gets the same answer"
like "$(try submit '' '#!/bin/sh
#SBATCH -J ofscript
true' --hold -n 3)" '^submit [0-9]+$' "a script given as text"
like "$(squeue -h -o '%j %C')" '^ofscript 3' "its directives count, and the options"
like "$(SBATCH_JOB_NAME=outer try submit '' - --hold --wrap true && squeue -h -o %j)" '^wrap$' "variables of sbatch's do not"
like "$(try submit '' - --hold --wrap true --mail-type=END 2>err)" '^sbatch: warning: .*mail' "warnings are handed out"
is "$(cat err)" "" "and never printed"
is "$(try submit '' - --test-only --wrap true)" 'submit 0' "--test-only queues nothing"
like "$(try submit '' - --wait --wrap true)" '^submit refused NOT_SUPPORTED: --wait is for people' "--wait"
like "$(try submit '' - --help)" '^submit refused NOT_SUPPORTED: --help is for people' "--help does not end the program"
like "$(try submit '' - --no-such)" "^submit refused USAGE: unrecognized option '--no-such'" "an option that is none"
like "$(try submit '' - -n4)" '^submit refused NO_SCRIPT: no script' "no script, and standard input is not read"
like "$(try submit '' - -n 4000 --wrap true)" '^submit refused NODE_CONFIG: ' "what no node could run"

# --- through restarts of the front and the broker
"$TENDER_TESTS/libtry" watch 0 >watch.out & watcher=$!
mkfifo say
"$TENDER_TESTS/libtry" again <say >again.out & again=$!
exec 7>say
ON_EXIT='kill $watcher $again 2>/dev/null; wait $watcher $again 2>/dev/null'
said() { grep -q "$1" watch.out; }
lines() { [ "$(wc -l <again.out)" -ge "$1" ]; }
wait_until "a watch tells from the beginning" said '^EVENT 1 EPOCH_BEGAN'
wait_until "a handle asks" lines 2
pid=$(pid_of state/run/front.pid)
kill -9 "$pid"
wait_until "a front that dies is told" said '^LOST'
echo >&7
wait_until "the handle finds out" lines 3
ok "tender up starts it again" tender up --dir "$DIR"
wait_until "and told again when it stands" said '^BACK'
echo >&7
wait_until "the handle connects again" lines 5
like "$(cat again.out)" '^node n1' "and is answered"
pid=$(pid_of state/run/broker.pid)
kill -9 "$pid"
wait_until "a broker that is away is told" said '^STALE'
like "$(try jobs)" ' stale$' "and seen in every answer"
ok "tender up starts it" tender up --dir "$DIR"
wait_until "and told when it is back" said '^FRESH'
last=$(submit --wrap=true)
wait_until "the watch goes on" said "JOB_ENDED $last "
is "$(awk '$1 == "EVENT" && ++n != $2 { print "hole before " $2; exit }' watch.out)" "" "without a hole over all of it"
exec 7>&-
done_testing
