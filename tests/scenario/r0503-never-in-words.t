#!/bin/bash
# An impossible request: a line of detail, then Slurm's line word for word; the twin that just fits is queued.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat > slurm.conf <<'CONF'
ClusterName=never
GresTypes=gpu
NodeName=n[1-2] CPUs=4 RealMemory=2000 TmpDisk=100 Gres=gpu:t4:2 Feature=red
NodeName=n3 CPUs=6 RealMemory=1000 TmpDisk=300 Feature=blue
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=n[1-2] MaxTime=INFINITE State=UP
CONF
cluster_up --conf slurm.conf
wait_until "the nodes are there" sh -c '[ "$(sinfo -h -N -p main -o %t | sort -u)" = idle ]'
pair() { # pair DETAIL OPTION BEYOND FITS [OPTIONS...]
    detail=$1 option=$2 beyond=$3 fits=$4; shift 4
    sbatch "$@" "$option$beyond" -H -o /dev/null --wrap true >out 2>err
    is "$?" 1 "$* $option$beyond is refused"
    is "$(cat err)" "sbatch: error: $detail
sbatch: error: Batch job submission failed: Requested node configuration is not available" "in two lines"
    ok "$* $option$fits is queued" sbatch -Q "$@" "$option$fits" -H -o /dev/null --wrap true
}
pair "partition main: no node has 7 CPUs (the most is 6)" -c 7 6
pair "partition gpu: no node has 5 CPUs (the most is 4)" -c 5 4 -p gpu
pair "partition main: no node has 2001 MB of memory (the most is 2000)" --mem= 2001 2000
pair "partition gpu: no node has 101 MB of temporary disk (the most is 100)" --tmp= 101 100 -p gpu
pair "partition main: no node has 3 gres/gpu (the most is 2)" --gres=gpu: 3 2
pair "partition gpu: no node has the features blue" --constraint= blue red -p gpu
pair "partition main: 4 nodes are wanted, and 3 could take a part" -N 4 3
pair "partition gpu: 3 nodes are wanted, and 2 could take a part" -N 3 2 -p gpu
pair "partition main: no node has all of it together: 5 CPUs, 1 gres/gpu" -c 5 4 --gres=gpu:1
pair "partition gpu: no node has 7 CPUs (the most is 4); partition main: no node has 7 CPUs (the most is 6)" -c 7 6 -p gpu,main
done_testing
