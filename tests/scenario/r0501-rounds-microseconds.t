#!/bin/bash
# tender rounds: a round that takes less than a millisecond has a length; what is wanted of a node and what it lacks has units.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=rounds\nGresTypes=gpu\nNodeName=n[1-2] CPUs=4 Gres=gpu:2\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' >slurm.conf
cluster_up --conf slurm.conf
id=$(submit -o /dev/null --wrap true)
wait_until "a job is done" job_is "$id" COMPLETED
like "$(tender rounds)" 'awarded, [1-9][0-9]* us, closed by all bids' "the time of its round is microseconds"
like "$(tender rounds --json)" '"elapsed_us": *[1-9]' "as JSON too"
id=$(submit -w n1 -n2 --gres=gpu:1 -o /dev/null --wrap 'sleep 600')
wait_until "a job takes a device and two CPUs" job_is "$id" RUNNING
four=$(submit -n4 --gres=gpu:2 -o /dev/null --wrap true)
wait_until "one of four tasks and two devices runs beside it" job_is "$four" COMPLETED
like "$(tender rounds -n 1)" ': (1 to 4 nodes for 4 tasks, on each at least 1 task|4 tasks) of 1 CPU, gpu:2, window' "what it wants of a node is told"
like "$(tender rounds -n 1)" '^    n1 +not enough free .*\((2 CPUs|1 device) lacking\)$' "and what one lacked, in its unit"
scancel "$id"
done_testing
