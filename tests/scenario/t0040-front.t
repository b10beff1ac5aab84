#!/bin/bash
# The front: reads and events through its death and the broker's, one's own writes, who may see what.
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 2 --cpus 4
cd "$WORK" || exit 1

front() { pid_of state/run/front.pid; }
broker() { pid_of state/run/broker.pid; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# --- reads and writes go through it
ok "a front runs" kill -0 "$(front)"
job=$(submit --hold --wrap=true)
is "$(squeue -h -j "$job" -o '%i %t %r')" "$job PD JobHeldUser" "one's own write is seen by the next read"
like "$(tender status)" '^  front +.*running' "tender status names it"

# --- events: gapless, resumable, until
tender events --since 0 >all.json 2>all.err & watcher=$!
ON_EXIT="kill $watcher 2>/dev/null; wait $watcher 2>/dev/null"
first=$(submit --wrap=true)
ok "--until ends with 0 when the state is reached" tender events --job "$first" --until COMPLETED >until.json
second=$(submit --wrap='exit 3')
tender events --job "$second" --until COMPLETED >/dev/null 2>until.err
is "$?" 1 "--until ends with 1 when the job ended otherwise"
tender events --job 4711 --until RUNNING >/dev/null 2>until.err
like "$?:$(cat until.err)" '^1:.*Invalid job id specified' "a job that nobody knows is said"
tender events --until RUNNING >/dev/null 2>until.err
like "$?:$(cat until.err)" '^1:.*name it with --job' "--until without a job is said"
ok "--until of what is over already does not wait" tender events --job "$first" --until COMPLETED

seqs() { sed -n 's/^{"seq":\([0-9]*\),"time".*/\1/p' "$1"; }
gapless() { # gapless FILE: numbers follow each other, none twice
    seqs "$1" | awk 'NR > 1 && $1 != last + 1 { print "after " last " came " $1; bad = 1 } { last = $1 } END { exit bad || NR < 3 }'
}
reached() { [ "$(seqs all.json | tail -n 1)" -ge "$1" ]; }
ended() { grep -q "\"type\":\"JOB_ENDED\",\"job\":$1," all.json; }
wait_until "the watcher was told of the end" ended "$second"
ok "its numbers have no hole" gapless all.json
like "$(grep '"type":"JOB_SUBMITTED"' all.json | tail -n 1)" "\"job\":$second,.*\"state\":\"PENDING\".*\"event\":{\"job\":$second" \
    "an event says whom it concerns and how it stands"
ok "nobody is told a script or an environment" [ "$(grep -c 'script_hash\|env_hash' all.json)" -eq 0 ]

# --- sbatch --wait is told, whether a front runs or not
sbatch --wait --wrap='exit 4' >/dev/null
is "$?" 4 "sbatch --wait gives the job's exit status"
sbatch --wait --array=0-3 --wrap='exit $SLURM_ARRAY_TASK_ID' >/dev/null
is "$?" 3 "and the worst of an array"
sbatch --wait --wrap='while [ ! -e go ]; do sleep 0.05; done; exit 5' >wait.out 2>&1 & waiter=$!
wait_until "one that waits" grep -q Submitted wait.out

# --- the front dies: commands find the broker, the watcher goes on where it was
pid=$(front)
kill -9 "$pid"
wait_until "it is gone" gone "$pid"
third=$(submit --wrap=true) && ok "a job is taken without a front" [ -n "$third" ]
ok "and the queue is shown" squeue -h -o %i
tender events --since 0 >/dev/null 2>no.err
like "$?:$(cat no.err)" '^1:.*no front answers at .*tender up' "a watch without a front says how to get one"
touch go
wait "$waiter"
is "$?" 5 "who waited by the front is answered without it"
like "$(tender doctor 2>&1)" 'the front does not run' "tender doctor names it"
ok "tender up starts it again" tender up --dir "$DIR"
wait_until "the watcher was told of what happened meanwhile" ended "$third"
ok "and its numbers have no hole over the front's death" gapless all.json
is "$(grep -c RESYNC all.json)" 0 "nothing of it was lost"

# --- the broker dies: reads go on and say so, writes are refused in words
pid=$(broker)
kill -9 "$pid"
wait_until "the broker is gone" gone "$pid"
like "$(squeue -h -a -o '%i' -j "$job" 2>&1)" "$job" "reads are answered without a broker"
out=$(sbatch --wrap=true 2>&1)
like "$?:$out" '^1:.*Unable to contact slurm controller.*(nothing was changed|whether it took)' "a write is refused and says what became of it"
is "$(grep -oE 'nothing was changed|is not known' <<<"$out" | wc -l)" 1 "once"
ok "tender up starts the broker" tender up --dir "$DIR"
fourth=$(submit --wrap=true)
wait_until "the watcher saw the new reign's work" ended "$fourth"
like "$(tail -n 400 all.json | grep -c EPOCH_BEGAN)" '^[1-9]' "and its beginning"

# --- squeue --watch
squeue --watch --json >watch.json 2>watch.err & rows=$!
ON_EXIT="kill $watcher $rows 2>/dev/null; wait $watcher $rows 2>/dev/null"
wait_until "all rows first" grep -q '"all":true' watch.json
fifth=$(submit --hold --wrap=true)
wait_until "then those that change" grep -q "\"job_id\": *$fifth" watch.json
scancel "$fifth"
wait_until "and those that go" grep -Eq "\"gone\":\[[^]]*\b$fifth\b" watch.json
squeue --watch -o '%i %t' >table.txt 2>&1 & table=$!
ON_EXIT="kill $watcher $rows $table 2>/dev/null; wait $watcher $rows $table 2>/dev/null"
wait_until "in a pipe the table" grep -q "^$job PD" table.txt
squeue --watch -r >/dev/null 2>opt.err
like "$?:$(cat opt.err)" '^1:.*--watch does not go with --array' "what does not go together is said"

# --- another user: sees events without what is the owner's, and may not act for others
if command -v setpriv >/dev/null && [ "$(id -u)" = 0 ]; then
    as() { setpriv --reuid=65534 --regid=65534 --clear-groups env SLURM_CONF="$SLURM_CONF" PATH="$PATH" "$@"; }
    if as squeue -h >/dev/null 2>&1; then
        setpriv --reuid=65534 --regid=65534 --clear-groups tender events --since 0 >other.json 2>other.err & other=$!
        ON_EXIT="kill $watcher $rows $table $other 2>/dev/null; wait $watcher $rows $table $other 2>/dev/null"
        printf '#!/bin/sh\ntrue\n' >script.sh
        sixth=$(submit --hold script.sh private-argument)
        wait_until "another user is told of it" grep -q "\"type\":\"JOB_SUBMITTED\",\"job\":$sixth," other.json
        ok "but not where it was sent from" sh -c '! grep "\"job\":'"$sixth"'," other.json | grep -Eq "work_dir|private-argument"'
        out=$(as scancel "$sixth" 2>&1)
        like "$?:$out" '^1:.*[Pp]ermission denied' "he may not cancel it"
        is "$(job_state "$sixth")" PENDING "and it waits on"
    else
        echo "# SKIP another user cannot reach the programs here"
    fi
else
    echo "# SKIP another user: not root"
fi
done_testing
