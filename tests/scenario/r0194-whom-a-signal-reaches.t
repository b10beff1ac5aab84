#!/bin/bash
# scancel --signal: the steps by default, the script's shell alone with -b, everything with -f; a waiting job is left as it is.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --cpus 4
cat >listen <<'SH'
#!/bin/sh
# listen NAME: says each USR1 it gets
trap 'echo $1 >>heard' USR1
echo $1 >>ready
while :; do sleep 0.05; done
SH
chmod +x listen
cat >job <<'SH'
#!/bin/sh
#SBATCH -o /dev/null -n2
trap 'echo script >>heard' USR1
srun -n1 ./listen step &
./listen child &
while :; do wait; done
SH
heard() { sort -u heard 2>/dev/null | tr '\n' ' '; }
has() { [ "$(heard)" = "$1" ]; }
id=$(submit job)
wait_until "a script, its child and its step listen" sh -c '[ "$(sort -u ready | tr "\n" " ")" = "child step " ]'
ok "by default" scancel -s USR1 "$id"
wait_until "the step is signalled" has "step "
ok "with -b" scancel -b -s USR1 "$id"
wait_until "the script's shell is" has "script step "
rm heard
ok "with -f" scancel -f -s USR1 "$id"
wait_until "all of them are" has "child script step "
rm heard
ok "-f goes before -b" scancel -b -f -s USR1 "$id"
wait_until "so all are again" has "child script step "
ok "the job runs on" job_is "$id" RUNNING

# --- a step by itself
rm heard
ok "a step is signalled" scancel -s USR1 "$id.0"
wait_until "alone" has "step "
ok "a step is ended" scancel "$id.0"
no_step() { [ -z "$(squeue -h -s -j "$id" -o %i | grep "$id\.0$")" ]; }
wait_until "and is over" no_step
ok "its job runs on" job_is "$id" RUNNING
refused() { # refused STATUS WORDS OPTIONS...
    scancel "${@:3}" >out 2>err
    is "$?:$(cat err)" "$1:$2" "scancel ${*:3}"
}
refused 0 "" "$id.0"
refused 1 "scancel: error: Kill job error on job step id $id.0: Job/step already completing or completed" -s USR1 "$id.0"
refused 1 "scancel: error: Kill job error on job step id $id.7: Invalid job id specified" "$id.7"
refused 1 "scancel: error: Kill job error on job step id 4711.0: Invalid job id specified" 4711.0
refused 1 "scancel: error: Kill job error on job step id ${id}_1.0: Invalid job id specified" "${id}_1.0"
refused 1 "scancel: error: Invalid job id $id.batch: the script is signalled with --batch, and ends with its job" "$id.batch"
refused 1 "scancel: error: Invalid job_step id: $id.x" "$id.x"
scancel -u "$(id -un)" "$id.0" 2>err
like "$?:$(cat err)" "^1:.*$id\.0 is a step: it is named alone" "nor does it go with a filter"

waits=$(submit -H -o /dev/null --wrap true)
scancel -s USR1 "$waits" >out 2>err
is "$?:$(cat err)" "1:scancel: error: Kill job error on job id $waits: Invalid state specified (Job is pending execution: nothing to signal)" \
    "a waiting job has nothing to signal"
scancel -s TERM "$waits" 2>/dev/null
ok "and is not cancelled by it" job_is "$waits" PENDING
scancel -s TERM -u "$(id -un)" -t PENDING >out 2>err
is "$?:$(cat err)" "0:" "among those that a filter finds it is passed over"
ok "and waits still" job_is "$waits" PENDING
ok "SIGKILL" scancel -s KILL "$waits"
ok "cancels it" job_is "$waits" CANCELLED

ok "SIGKILL for the script's shell alone" scancel -b -s KILL "$id"
wait_until "is how the script ends, not the job's cancellation" job_is "$id" FAILED
like "$(scontrol show job "$id")" 'ExitCode=0:9' "by that signal"
done_testing
