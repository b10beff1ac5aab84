#!/bin/bash
# hold, release, requeue, update, arrays and filters from the command line; each success with its failing twin.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 2 --cpus 4
me=$(id -un)
fails() { # fails STATUS PATTERN COMMAND...: exits so, with these words on stderr
    want=$1 pattern=$2; shift 2
    "$@" >out 2>err; got=$?
    is "$got" "$want" "exit status of: $*"
    like "$(cat err)" "$pattern" "words of: $*"
}
id=$(submit -H -o /dev/null --wrap true)
is "$(squeue -h -j "$id" -o '%t %r')" "PD JobHeldUser" "submitted on hold"
ok "release" scontrol release "$id"
wait_until "a released job runs to its end" job_is "$id" COMPLETED
fails 1 'Job/step already completing or completed' scontrol hold "$id"
fails 1 'Invalid job id' scontrol show job 4711
fails 0 'Kill job error on job id 4711: Invalid job id specified' scancel 4711 # exit status as Slurm 22.05 has it
fails 1 'Kill job error on job id 4711: Invalid job id specified' scancel -s USR1 4711 # and here

id=$(submit -o /dev/null -t 10 --wrap 'sleep 600')
wait_until "a job runs" job_is "$id" RUNNING
ok "update of its limit" scontrol update jobid="$id" timelimit=20
is "$(squeue -h -j "$id" -o %l)" "20:00" "squeue shows the new limit"
ok "update to a minute and a second" scontrol update jobid="$id" timelimit=1:01
is "$(squeue -h -j "$id" -o %l)" "2:00" "is two minutes: limits are rounded up as Slurm rounds them"
fails 1 'nvalid' scontrol update jobid="$id" timelimit=never
fails 1 'not supported: colour' scontrol update jobid="$id" colour=blue
ok "requeue" scontrol requeue "$id"
wait_until "it runs again as another attempt" sh -c "scontrol show job $id | grep -q 'Restarts=1'"
wait_until "on a node" job_is "$id" RUNNING
scancel "$id"
wait_until "and is cancelled" job_is "$id" CANCELLED
id=$(submit -H -t 0:30 --time-min=0:01 -o /dev/null --wrap true)
is "$(squeue -h -j "$id" -o %l)" "1:00" "thirty seconds are a minute"
like "$(scontrol show job "$id")" 'TimeLimit=00:01:00 TimeMin=00:01:00' "and so is the least that would do"
scancel "$id"
echo 'TimeLimitResolution=1' >>"$DIR/tender.conf"
scontrol reconfigure
id=$(submit -H -t 0:30 -o /dev/null --wrap true)
is "$(squeue -h -j "$id" -o %l)" "0:30" "unless TimeLimitResolution says seconds"
scancel "$id"

ok "drain" scontrol update nodename=n2 state=drain reason=disk
like "$(sinfo -h -N -n n2 -o '%N %t')" '^n2 +drain' "sinfo shows it"
like "$(sinfo -R)" 'disk' "and sinfo -R why"
ok "resume" scontrol update nodename=n2 state=resume
is "$(sinfo -h -N -n n2 -o %t)" idle "idle again"
fails 1 'nvalid node' scontrol update nodename=nosuch state=resume

a=$(submit -H --array=1-6%2 -o /dev/null --wrap true)
is "$(squeue -h -o %i -j "$a")" "${a}_[1-6%2]" "an array is one row while it waits"
is "$(squeue -h -r -o %i -j "$a" | wc -l)" 6 "and six with -r"
ok "one task is cancelled" scancel "${a}_3"
ok "a range of them" scancel "${a}_[5-6]"
is "$(squeue -h -o %i -j "$a")" "${a}_[1-2,4%2]" "the rest waits"
ok "release of the rest" scontrol release "$a"
wait_until "it drains" queue_is_empty

sbatch -H -J keep -o /dev/null --wrap true >/dev/null
sbatch -H -J drop -o /dev/null --wrap true >/dev/null
ok "scancel by name" scancel -n drop
is "$(squeue -h -o %j)" keep "takes only that name"
ok "scancel by user" scancel -u "$me"
wait_until "takes the rest" queue_is_empty

fails 1 'Invalid partition name specified' sbatch -p nosuch -o /dev/null --wrap true
fails 1 'Requested node configuration is not available' sbatch -n 4000 -N 1 -o /dev/null --wrap true
fails 1 "Invalid node name specified" sbatch -w nosuch -o /dev/null --wrap true
fails 1 'nable to open file' sbatch nosuch.sh
printf 'echo no interpreter\n' > bare.sh
fails 1 'does not look like a batch script' sbatch bare.sh
fails 255 'did you mean' sbatch --gress=gpu:1 --wrap true
fails 1 'rray' sbatch --array=5-1 --wrap true
is "$(scontrol show hostnames 'node[01-03],x')" "node01
node02
node03
x" "hostnames"
is "$(squeue --json | jq -r '.jobs | type' 2>/dev/null || echo array)" array "squeue --json is JSON"
done_testing
