#!/bin/bash
# Connections that say nothing, or begin a frame and stop: one user's never take the places of the others.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "other users are needed: root"
command -v python3 >/dev/null && command -v setpriv >/dev/null || skip_all "there is no python3 or setpriv here"
setpriv --reuid=65533 --clear-groups test -x "$TENDER_BIN/squeue" || skip_all "other users cannot reach the programs"
cd "$WORK" || exit 1
ulimit -n 1024 # the front then takes 896 connections, the broker 256
cluster_up --nodes 1 --cpus 1
as() { timeout 20 setpriv --reuid="$1" --regid="$1" --clear-groups "${@:2}"; }
flood() { # flood DOOR COUNT [slow]: in the background as user 65534; ends when fd 9 is closed
    mkfifo "in.$1"
    python3 "$HERE/idle.py" "$DIR/state/run/$1.sock" 65534 "${@:2}" <"in.$1" >"out.$1" 2>&1 & flood=$!
    exec 9>"in.$1"
    wait_until "$2 connections of one user are made to the $1" grep -q "^open $2" "out.$1"
}
over() { exec 9>&-; wait "$flood"; rm "in.$1"; }
turned_away() { sed -n 's/^turned away //p' "out.$1"; }

flood front 600
ok "another user is answered by the front" as 65533 squeue -h
as 65534 squeue -h >out 2>err
like "$?:$(cat err)" '^1:.*too many local connections of yours at once \(CLIENTS' "he himself is told"
over front
is "$((600 - $(turned_away front)))" 416 "half of the places were his"
wait_until "afterwards he is answered again" as 65534 squeue -h
flood front 400 slow
ok "half frames of one user keep nobody out" as 65533 squeue -h
over front
is "$(turned_away front)" 0 "and are waited for"

kill "$(pid_of state/run/front.pid)"
no_front() { [ ! -e "$DIR/state/run/front.sock" ]; }
wait_until "without a front" no_front
flood broker 150
ok "another user is answered by the broker" as 65533 squeue -h
ok "and so is its administrator" squeue -h
over broker
is "$((150 - $(turned_away broker)))" 96 "half of the places were his"
done_testing
