#!/bin/bash
# tender up and down when they are given something wrong, or the same thing twice.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
DIR="$WORK/it's a cluster"
up_fails() { ! tender up --dir "$DIR" "$@" >out 2>err; }
ok "a topology that is not there is refused" up_fails --topology typo.xml
like "$(cat err)" '--topology=typo.xml: No such file' "by name"
ok "before anything is made" test ! -e "$DIR/slurm.conf"
echo nonsense >bad.xml
ok "a topology that nobody understands is refused too" up_fails --topology bad.xml
ok "and the folder is no cluster then" test ! -e "$DIR/slurm.conf"
ok "nor does its broker run" sh -c '! kill -0 "$(cat "$1/state/run/broker.pid" 2>/dev/null)" 2>/dev/null' sh "$DIR"

printf 'ClusterName=twice\nFastSchedule=1\nTaskProlog=/nowhere\nNodeName=n[1-2] CPUs=2\nPartitionName=p Nodes=ALL Default=YES\n' >twice.conf
up() { tender up --dir "$DIR" "$@" >out 2>err; }
ok "after it a good one" up --conf twice.conf
eval "$(grep '^export SLURM_CONF=' out)"
is "$SLURM_CONF" "$(realpath "$DIR")/slurm.conf" "the exported line survives a quote and blanks"
like "$(cat err)" 'note: .*FastSchedule' "what has no effect is said"
like "$(cat err)" 'note: left out of the rehearsal: TaskProlog' "and what is left out"
like "$(tender doctor --dir "$DIR")" 'left out of the rehearsal: TaskProlog' "doctor says it too"
kill -9 "$(pid_of nodes/n1/worker.pid)"
wait_until "a dead worker is seen by doctor" sh -c 'tender doctor --dir "$1" | grep -q "worker of n1"' sh "$DIR"
ok "the same conf again starts what does not run" up --conf twice.conf
like "$(cat err)" 'worker of n1 runs' "and says so"
echo 'MinJobAge=10' >>twice.conf
ok "another conf is refused" up_fails --conf twice.conf
like "$(cat err)" 'its slurm.conf is not what' "in words"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && setpriv --reuid=65534 --clear-groups test -x "$TENDER_BIN/tender"; then
    ! setpriv --reuid=65534 --clear-groups tender down --dir "$DIR" >out 2>err
    is "$?" 0 "down by another user fails"
    like "$(cat err)" "another user's; nothing of" "and says why"
    ok "the broker runs on" kill -0 "$(pid_of state/run/broker.pid)"
fi
like "$(cd / && tender join-token --dir "$DIR")" '.' "join-token takes --dir"
like "$(cd / && tender rounds --dir "$DIR")" 'round' "rounds takes --dir"
tender down --dir "$DIR" >out 2>&1
like "$?:$(cat out)" '^0:.*: ended: the broker, its front, 2 workers, 2 shepherds; the journal stays in ' "down says what it ended"
like "$(tender doctor --dir "$DIR")" "tender up --dir " "doctor names the folder to start"
done_testing
