#!/bin/bash
# The guide's afternoon: two nodes with four GPUs each, eight 2-GPU jobs; four run, one waits for resources, three for
# their turn; as jobs end the others start; the one-minute job leaves the output the guide shows.
. "$(dirname "$0")/lib.sh"
cp "$HERE"/scene/* "$WORK"
cd "$WORK" || exit 1
cluster_up --conf "$WORK/slurm.conf"

is "$(sinfo)" "PARTITION AVAIL  TIMELIMIT  NODES  STATE NODELIST
cpu*         up   12:00:00      2   idle node[1-2]
gpu          up   12:00:00      2   idle node[1-2]" "sinfo shows the guide's two partitions, idle"

for i in 1 2 3 4 5 6 7 8; do
    mkfifo "go.$i"
    is "$(sbatch 2gpu-tf.sh)" "Submitted batch job $i" "submission $i"
done
running() { [ "$(squeue -h -t R -o %i | wc -l)" -eq "$1" ]; }
wait_until "four jobs run" running 4
reasons() { squeue -h -t PD -o %r | tr '\n' ' '; }
settled() { [ "$(reasons)" = "Resources Priority Priority Priority " ]; }
wait_until "one waits for resources, three for their turn" settled

queue=$(squeue -o "%.18i %.9P %.8j %.2t %.6D %R")
is "$queue" "             JOBID PARTITION     NAME ST  NODES NODELIST(REASON)
                 5       gpu  2GPU-tf PD      1 (Resources)
                 6       gpu  2GPU-tf PD      1 (Priority)
                 7       gpu  2GPU-tf PD      1 (Priority)
                 8       gpu  2GPU-tf PD      1 (Priority)
$(for i in 1 2 3 4; do printf '%18s       gpu  2GPU-tf  R      1 %s\n' "$i" "$(squeue -h -j $i -o %N)"; done)" "pending rows stand above the running ones"
like "$(squeue | head -n 1)" '^             JOBID PARTITION     NAME     USER ST       TIME  NODES NODELIST\(REASON\)$' "squeue's heading"
is "$(squeue -h -t R -o %N | sort | uniq -c | awk '{print $1, $2}')" "2 node1
2 node2" "two jobs on each node"

devices() { for i in 1 2 3 4; do echo "$(squeue -h -j "$i" -o %N) $(scontrol show job -d "$i" | sed -n 's/.*GRES=[^ ]*(IDX:\([0-9,-]*\)).*/\1/p')"; done | sort; }
is "$(devices | sort -u | wc -l)" 4 "no device is held twice"
for i in 1 2 3 4; do
    wait_until "job $i has written its devices" grep -q '^devices [0-3],[0-3] on node[12]$' "out.test-tensorflow-2GPU.$i"
done

echo go > go.1
wait_until "the first of the waiting starts when a job ends" job_is 5 RUNNING
is "$(job_state 1)" COMPLETED "the ended one is completed"
is "$(squeue -h -j 6 -o %r)" Resources "the next is now the first in line"
for i in 2 3 4 5 6 7 8; do
    wait_until "job $i runs" job_is "$i" RUNNING
    echo go > "go.$i"
    wait_until "job $i completes" job_is "$i" COMPLETED
done
wait_until "the queue is empty" queue_is_empty

ONE_MINUTE=0.1 sbatch --gres=gpu:1 --time=10:00 1min-job.sh > submitted.out
is "$(cat submitted.out)" "Submitted batch job 9" "the one-minute job"
wait_until "it completes" job_is 9 COMPLETED
is "$(sed 's/=.*/=/' slurm-9.out)" "### 1 min job start
###
### START DATE=
### HOSTNAME=
### CUDA_VISIBLE_DEVICES=
###
### sleep 1min...
###
### END DATE=" "its output file is what the guide shows"
like "$(cat slurm-9.out)" 'CUDA_VISIBLE_DEVICES=[0-3]$' "and names one device"
done_testing
