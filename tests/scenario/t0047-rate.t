#!/bin/bash
# Who asks too often is told when to come back; his commands do; others and operators are not concerned; the default is wide.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs other users: runs as root only"
as() { HOME=$WORK setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; } # as UID COMMAND...
as 4711 test -x "$TENDER_BIN/squeue" 2>/dev/null || skip_all "other users cannot reach $TENDER_BIN"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2
refused() { cat out.* | grep -c 'error:'; }
storm() { # storm UID N
    rm -f out.*
    for i in $(seq "$2"); do as "$1" squeue -h >"out.$i" 2>&1 & pids[i]=$!; done
    for i in $(seq "$2"); do wait "${pids[i]}"; done
}
storm 4711 300
is "$(refused)" 0 "three hundred squeue at once are within the default"

echo 'RequestRate=10' >>"$DIR/tender.conf"
scontrol reconfigure
front=$DIR/log/front.log
storm 4711 100
n=$(refused)
ok "of a hundred at once at ten a second some are refused" test "$n" -gt 10
ok "those in the burst are not, nor all who came back" test "$n" -lt 80
like "$(cat out.* | grep error: | sort -u)" '^(slurm_load_jobs|squeue:) error: You ask too often, wait and try again: more than 10 requests a second \(RequestRate\): again in [0-9]+ ms$' \
    "in words, with the time to come back"
is "$(grep -c 'user=4711 You ask too often' "$front")" 1 "logged once"
audited() { timeout 5 tender events --audit --since 0 2>/dev/null | grep -m 1 '"uid":4711.*RequestRate'; }
like "$(audited)" 'ACCESS_REFUSED' "and told to operators"
as 4712 squeue -h >out 2>&1
is "$?:$(cat out)" "0:" "another user is answered meanwhile"
squeue -h >out 2>&1
is "$?:$(cat out)" "0:" "and root"
# a watcher who is told to wait does so, and comes again by himself
for i in $(seq 60); do as 4711 timeout 60 tender events --since 0 >"w.$i" 2>&1 & watchers[i]=$!; done
all_told() { for i in $(seq 60); do grep -q '"type"' "w.$i" || return 1; done; }
wait_until "sixty watchers at once at ten a second are told, all of them" all_told
is "$(cat w.* | grep -c error:)" 0 "and none gave up"
kill "${watchers[@]}" 2>/dev/null
for i in $(seq 60); do wait "${watchers[i]}" 2>/dev/null; done
failed_here=0
for _ in $(seq 40); do as 4711 squeue -h >out 2>&1 || { failed_here=1; cat out; }; done
is "$failed_here" 0 "one after the other waits for his turn and is never refused"
id=$(as 4712 sbatch --parsable -o /dev/null --wrap true)
wait_until "a job goes through as ever" job_is "$id" COMPLETED

ok "the front goes" kill -9 "$(pid_of state/run/front.pid)"
storm 4711 100
ok "the broker's own door holds the same bound" test "$(refused)" -gt 10
is "$(grep -c 'user=4711 You ask too often' "$DIR/log/broker.log")" 1 "and says so once"
counted() { tender status --json | sed -n 's/.*"rate_refused": \([0-9]*\).*/\1/p'; }
ok "and counts" test "$(counted)" -ge "$(refused)"
done_testing
