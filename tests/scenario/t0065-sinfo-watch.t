#!/bin/bash
# sinfo --watch: in a pipe the table when it differs, --json rows that differ, on a terminal; through the front's death.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 2 --cpus 4
watchers=()
ON_EXIT='kill "${watchers[@]}" 2>/dev/null; wait "${watchers[@]}" 2>/dev/null'
gone() { ! kill -0 "$1" 2>/dev/null; }

sinfo --watch -N -h -o '%N %t' >table 2>table.err & watchers+=($!)
sinfo --watch --json >json 2>json.err & watchers+=($!)
wait_until "the table first" sh -c 'grep -q "^n2 idle" table'
wait_until "and the rows" grep -q '"all":true,"nodes":\[{.*"n2"' json
lines=$(wc -l < table)
job=$(submit -w n1 -n1 --wrap 'while [ ! -e go ]; do sleep 0.05; done')
wait_until "again when a node is in use" grep -q '^n1 mix' table
is "$(tail -n +$((lines + 1)) table | head -n 3)" "
n1 mix
n2 idle" "the whole of it, behind an empty line"
changed() { tail -n 1 json | grep '"all":false' | grep '"n1"' | grep -vq '"n2"'; }
wait_until "--json has only the row that differs" changed
scontrol update nodename=n2 state=drain reason=test
wait_until "a drain shows" grep -q '^n2 drain' table
pid=$(pid_of state/run/front.pid)
kill -9 "$pid"
wait_until "the front's death is said" grep -q 'the front went away' table.err
ok "tender up starts it again" tender up --dir "$DIR"
scontrol update nodename=n2 state=resume
touch go
both_idle() { [ "$(tail -n 2 table)" = "n1 idle
n2 idle" ]; }
wait_until "the picture goes on" both_idle
sleep_free=$(wc -l < table)
submit --hold --wrap true >/dev/null
wait_until "what changes no node" grep -q '"seq"' json
ok "writes no table" [ "$(wc -l < table)" = "$sleep_free" ]
sinfo --watch -i 2 >/dev/null 2>err
like "$?:$(cat err)" '^1:.*--watch does not go with --iterate' "what does not go together is said"
sinfo --watch -O nonsense >/dev/null 2>err
like "$?:$(cat err)" '^1:.*Invalid node format specification: nonsense' "a format that is none is said"

if command -v python3 >/dev/null; then
    timeout 60 python3 "$HERE/terminal.py" 20 80 'event' q -- sinfo --watch >out 2>&1 </dev/null
    is "$?" 0 "on a terminal q leaves"
    like "$(cat out)" 'PARTITION +AVAIL' "the table was there"
    is "$(grep -c 'PARTITION' out)" 1 "and its lines once"

    # --- squeue --watch while the broker is away: the picture stands still, its times too
    long=$(submit -w n2 -n1 --wrap 'sleep 600')
    wait_until "a job runs" job_is "$long" RUNNING
    pid=$(pid_of state/run/broker.pid)
    (until [ -e die ]; do sleep 0.05; done; kill -9 "$pid") & watchers+=($!)
    timeout 60 python3 "$HERE/terminal.py" 20 80 " R " "touch die" 'stands still' x 'for 3 s' q -- squeue --watch >out 2>&1 </dev/null
    is "$?" 0 "squeue --watch stands it"
    rest=$(cat out)
    rest=${rest#*stands still}
    rest=${rest%%$'\033'"[?1049l"*} # behind it the last word: the table once more
    is "$(grep -c ' R ' <<<"$rest")" 0 "no time goes on in it"
    is "$(grep -c 'for 0 s' out)" 0 "and none is said to be none"
    ok "tender up starts the broker again" tender up --dir "$DIR"
    scancel "$long"
fi
scancel "$job"
done_testing
