#!/bin/bash
# A process that forks twice, leaves its session and empties its environment is told by nothing in a list of processes.
# Its shepherd is killed: the next one ends it, and so does `tender down` when there is no next one.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 4
cat > escape.sh <<'SCRIPT'
#!/bin/sh
#SBATCH -o /dev/null --no-requeue
setsid env -i /bin/sh -c "(/bin/sh -c 'echo \$\$ > $1.tmp; mv $1.tmp $1; exec /bin/sleep 1000' &)" &
sleep 1000
SCRIPT
ours() { grep -o '/sys/fs/cgroup[^ ]*tender-n1-[0-9a-f]*' "$DIR/nodes/n1/shepherd.log" | tail -n 1; }
[ -n "$(ours)" ] || { echo "# $(grep -o 'no cgroup may be used.*' "$DIR/nodes/n1/shepherd.log")"; skip_all "no cgroup may be used here"; }
like "$(scontrol show node n1)" 'Confinement=.*cgroup/v[12]' "the node says what holds its processes"
is_over() { ! kill -0 "$1" 2>/dev/null; }
lives() { kill -0 "$1"; }

one=$(submit escape.sh "$WORK/one")
wait_until "a process has escaped" test -s one
wait_until "its job runs" job_is "$one" RUNNING
shepherd=$(pid_of nodes/n1/shepherd.pid)
kill -9 "$shepherd"
wait_until "the next shepherd has ended it" is_over "$(cat one)"
wait_until "its job has failed with its node" job_is "$one" NODE_FAIL
has_another() { [ "$(pid_of nodes/n1/shepherd.pid)" != "$shepherd" ]; }
wait_until "there is another shepherd" has_another

two=$(submit escape.sh "$WORK/two")
wait_until "another has escaped" test -s two
wait_until "its job runs too" job_is "$two" RUNNING
group=$(ours)
ok "it is in its job's cgroup" grep -qrx "$(cat two)" "$group" --include=cgroup.procs
kill -9 "$(pid_of nodes/n1/worker.pid)" # it would start another
wait_until "the worker is gone" is_over "$(pid_of nodes/n1/worker.pid)"
shepherd=$(pid_of nodes/n1/shepherd.pid)
kill -9 "$shepherd"
wait_until "the shepherd is gone" is_over "$shepherd"
ok "what escaped lives on" lives "$(cat two)"
ok "the cluster is taken down" tender down --dir "$DIR"
wait_until "and what escaped with it" is_over "$(cat two)"
ok "no cgroup stays" test ! -e "$group"
done_testing
