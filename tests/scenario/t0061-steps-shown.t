#!/bin/bash
# squeue -s and scontrol show step: scripts and steps, which of them, in which form, and for whom.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=shown\nSlurmctldHost=localhost\nKillWait=2\nNodeName=n[1-2] CPUs=8 RealMemory=8000\nPartitionName=normal Nodes=ALL Default=YES State=UP\n' > slurm.conf
cluster_up --conf "$WORK/slurm.conf"
unset SLURM_JOB_ID SLURM_JOBID
dies() { # dies PATTERN COMMAND...: exits 1 with these words on stderr
    pattern=$1; shift
    "$@" >/dev/null 2>err; like "$?:$(cat err)" "^1:.*$pattern" "words of: $*"
}

is "$(squeue -s)" "         STEPID     NAME PARTITION     USER      TIME NODELIST" "no steps: a heading"
is "$(scontrol show step)" "No job steps in the system" "and a sentence"

cat > job.sh <<'SCRIPT'
#!/bin/bash
srun -N2 -n2 --overlap sh -c 'sleep 600' &
srun -N1 -n2 --overlap -J named --time=5 sleep 600 &
wait
SCRIPT
job=$(submit -N2 -n4 job.sh)
array=$(submit -a 1-2 --wrap 'sleep 600')
steps_run() { [ "$(squeue -s -h -o %i | wc -l)" = 5 ]; }
wait_until "two steps and three scripts run" steps_run
is "$(squeue -s -h -o '%i|%A|%b|%j|%P|%U' | sed 's/^\([0-9_]*\.[01]\)|2|(null)|[a-z]*/\1|2|(null)|x/' | sort)" "$(printf '%s\n' "$job.0|2|(null)|x|normal|$(id -u)" \
    "$job.1|2|(null)|x|normal|$(id -u)" "$job.batch|1|(null)|batch|normal|$(id -u)" "${array}_1.batch|1|(null)|batch|normal|$(id -u)" \
    "${array}_2.batch|1|(null)|batch|normal|$(id -u)" | sort)" "letters of -o"
is "$(squeue -s -h -o '%j %l %N' | sort | grep -v batch)" "named 5:00 n1
sh UNLIMITED n[1-2]" "names, limits and nodes"
is "$(squeue -s -h -S -i -o %i | tail -n 1)" "$(squeue -s -h -o %i | head -n 1)" "--sort"
is "$(squeue -s "$job.batch" -h -o %i)" "$job.batch" "one script"
is "$(squeue -h -o %i --steps="${array}_2.batch")" "${array}_2.batch" "of an array's task"
is "$(squeue -s -h -o %i -j "$array" | sort)" "${array}_1.batch
${array}_2.batch" "-j"
is "$(squeue -s -h -o %i -w n2 -j "$job" | wc -l)" 1 "-w"
is "$(squeue -s -h -u 4711)" "" "-u"
is "$(squeue -s -h -O stepid,stepname:8,numtasks:3 -j "$job" | tail -n 1)" "$(printf '%-20s%-8s%-3s' "$job.batch" batch 1)" "-O"
like "$(squeue -s --json)" '"step_id": "batch", "job_id": [0-9]+, .*"name": "batch"' "--json"
dies 'Invalid job_step id: x' squeue --steps=x
dies 'does not go with --states' squeue -s -t PENDING
dies 'Invalid job step format specification: %T' sh -c 'squeue -s -o %T; exit 1'

named=$(squeue -s -h -o '%i %j' | sed -n 's/ named$//p')
is "$(scontrol show step "$named" | sed 's/StartTime=[^ ]*/StartTime=T/')" "StepId=$named UserId=$(id -u) StartTime=T TimeLimit=00:05:00
   State=RUNNING Partition=normal NodeList=n1
   Nodes=1 CPUs=2 Tasks=2 Name=named Network=(null)
   TRES=cpu=2,mem=0,node=1
   ResvPorts=(null)
   CPUFreqReq=Default Dist=Block
   SrunHost:Pid=(null):0" "scontrol show step"
is "$(scontrol -o show step "$job" | wc -l)" 3 "all of a job, one line each"
is "$(scontrol show step="$job.batch" | grep -c 'StepId=.*batch')" 1 "its script"
is "$(scontrol -o show step "${array}_1" | grep -o 'StepId=[^ ]*')" "StepId=${array}_1.batch" "of an array's task"
like "$(scontrol --json show step "$named")" '"name":"named"' "--json of it"
dies "Job step $job.77 not found" scontrol show step "$job.77"
dies "Invalid job id specified" scontrol show step 4711
dies "Invalid job_step id: x" scontrol show step x

# salloc's allocation has no script
# (the front may hear of a step a moment after its node)
salloc -n1 sh -c 'squeue -s -h -o %i -j $SLURM_JOB_ID; srun sh -c "until squeue -s -h -o %i -j \$SLURM_JOB_ID | grep .; do :; done"' >out 2>err
is "$(grep -c batch out)" 0 "an allocation without a script has no batch step"
like "$(cat out)" '^[0-9]+\.0$' "but those that run in it"

# what one may not see of jobs, one may not see of their steps
if command -v setpriv >/dev/null && [ "$(id -u)" = 0 ]; then
    as() { setpriv --reuid=65534 --regid=65534 --clear-groups env SLURM_CONF="$SLURM_CONF" PATH="$PATH" "$@"; }
    if as squeue -h >/dev/null 2>&1; then
        is "$(as squeue -s -h | wc -l)" "$(squeue -s -h | wc -l)" "another user sees the steps of an open cluster"
    fi
fi
scancel "$job" "$array"
wait_until "all of it is over" queue_is_empty
is "$(squeue -s -h)" "" "and its steps with it"
done_testing
