#!/bin/bash
# Temporary disk (TmpFS) is measured by a worker of its own machine and held against TmpDisk of the NodeName line; --tmp is
# held by the jobs. A rehearsal (tender up --conf) has what the file says.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
mkdir scratch
has=$(($(stat -f -c '%b * %S' scratch) / 1048576))
cat > slurm.conf <<CONF
ClusterName=tmp
TmpFS=$WORK/scratch
NodeName=n1 CPUs=1 TmpDisk=$((has + 1))
NodeName=n2 CPUs=1
NodeName=n3 CPUs=1
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
cluster_up --conf slurm.conf
wait_until "the nodes are there" sh -c '[ "$(sinfo -h -N -o %t | sort -u)" = idle ]'
is "$(sinfo -h -N -n n1 -o %d)" "$((has + 1))" "a rehearsal believes the line"
a=$(submit -o /dev/null --tmp=$((has + 1)) --wrap 'sleep 600')
wait_until "a job gets all of it" job_is "$a" RUNNING
is "$(squeue -h -j "$a" -o %N)" n1 "on the only node that has so much"
b=$(submit -o /dev/null -p main -w n1 --tmp=1 --wrap true)
wait_until "another waits" sh -c "squeue -h -j $b -o '%t %r' | grep -q 'PD Resources'"
scancel "$a" "$b"
wait_until "both are gone" queue_is_empty

again() { # again NODE: its worker starts anew, on its own machine
    kill "$(cat "$DIR/nodes/$1/worker.pid")"
    wait_until "the worker of $1 leaves" sh -c "! kill -0 $(cat "$DIR/nodes/$1/worker.pid") 2>/dev/null"
    tender-worker --dir "$DIR/nodes/$1" --node "$1" --conf "$DIR/slurm.conf" 2>>"$1.err" &
    disown
}
again n1
wait_until "on its own machine it has less, and is drained" sh -c "sinfo -h -N -n n1 -o '%t %E' | grep -q '^drain Low'"
like "$(sinfo -h -R -o %E)" "^Low TmpDisk \(reported:$has < 100.00% of configured:$((has + 1))\)" "with the reason"
is "$(sinfo -h -N -n n1 -o %d)" "$has" "and the size of the file system"
again n2
wait_until "a node whose line says nothing has what there is" sh -c "[ \"\$(sinfo -h -N -n n2 -o '%t %d')\" = 'idle $has' ]"
done_testing
