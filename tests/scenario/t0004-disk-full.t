#!/bin/bash
# The disk under the journal fills up: refusal in words, nothing acknowledged is lost, recovery when space returns.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "mounting a small disk needs root"
mkdir -p "$DIR/state"
mount -t tmpfs -o size=6m,mode=755 none "$DIR/state" 2>/dev/null || skip_all "this machine does not allow a tmpfs to be mounted"
ON_EXIT='umount -l "$DIR/state"'
cd "$WORK" || exit 1
printf 'LowSpace=1M\n' > tender.conf
printf 'ClusterName=small\nSlurmctldHost=localhost\nNodeName=n1 CPUs=4\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' > slurm.conf
cluster_up --conf "$WORK/slurm.conf"
like "$(submit -o /dev/null --wrap=true)" '^1$' "a job is accepted while there is space"
wait_until "and ends" job_is 1 COMPLETED

tender doctor >doc 2>&1
is "$?:$(grep '^ill' doc)" "0:" "tender doctor goes by LowSpace"

dd if=/dev/zero of="$DIR/state/ballast" bs=64k 2>/dev/null
refused() { sbatch -H -o /dev/null --wrap=true >out 2>err; [ $? -eq 1 ]; }
accepted=1
fill() { if refused; then return 0; fi; accepted=$((accepted + 1)); return 1; }
wait_until "submissions are refused when the disk is full" fill
like "$(cat err)" '[Ss]pace' "naming the cause"
is "$(job_state 1)" COMPLETED "reads are still served"
like "$(scontrol ping)" 'UP' "the broker is up"
tender doctor >doc 2>&1
like "$?:$(cat doc)" '^ill   only [0-9]+ MiB free under .*, below 1: new work is refused' "tender doctor names the disk"
is "$(grep '^ill' doc | grep -c 'node\|worker')" 0 "and no worker, which cannot be greeted"

broker=$(pid_of state/run/broker.pid)
kill -9 "$broker"
rm "$DIR/state/ballast"
ok "with space again the broker starts" tender up --dir "$DIR"
is "$(squeue -h -t all -o %i | wc -l)" "$accepted" "nothing acknowledged is lost"
works() { sbatch -o /dev/null --wrap=true >/dev/null 2>&1; }
wait_until "and work is taken again" works
done_testing
