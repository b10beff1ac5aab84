#!/bin/bash
# People with accounts: whatever one does to another's job is refused in words, counted, and logged once for each kind; what is hidden is not there.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs other users: runs as root only"
as() { HOME=$WORK/home setpriv --reuid="$(id -u "$1")" --regid="$(id -g "$1")" --clear-groups "${@:2}"; } # as NAME COMMAND...
for who in daemon games nobody; do getent passwd "$who" >/dev/null || skip_all "there is no user $who"; done
as daemon test -x "$TENDER_BIN/sbatch" 2>/dev/null || skip_all "other users cannot reach $TENDER_BIN"
mkdir "$WORK/home" && chmod 777 "$WORK/home" && cd "$WORK/home" || exit 1
printf 'ClusterName=people\nSlurmctldHost=localhost\nNodeName=n1 CPUs=4\nPartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE\n' >../slurm.conf
printf 'Operators=games\n' >../tender.conf
cluster_up --conf "$WORK/slurm.conf"
mkfifo go && chmod 666 go
mine=$(as daemon sbatch --parsable -o /dev/null --wrap "read -r _ <$PWD/go")
held=$(as daemon sbatch --parsable -H -o /dev/null --wrap true)
wait_until "daemon's job runs" job_is "$mine" RUNNING
like "$(squeue -h -o '%u %i')" "^daemon $mine$" "under his name"
denied_count() { tender status --json | sed -n 's/.*"denied": \([0-9]*\).*/\1/p'; }
before=$(denied_count)
refused() { # refused WHAT COMMAND...: by nobody, in words
    as nobody "${@:2}" >out 2>err
    like "$?:$(cat out err)" "^[01]:.*$words" "nobody may not $1"
}
words='Access/permission denied'
all() {
    refused "cancel it" scancel "$mine"
    refused "hold one" scontrol hold "$held"
    refused "release one" scontrol release "$held"
    refused "update one" scontrol update jobid="$held" comment=x
    refused "requeue it" scontrol requeue "$mine"
    refused "attach to it" srun --jobid="$mine" true
    refused "read its script" scontrol write batch_script "$mine" -
}
all
ok "the running one runs on" job_is "$mine" RUNNING
is "$(job_state "$held")" PENDING "the held one waits"
like "$(scontrol show job "$held")" 'Reason=JobHeldUser' "held"
counted() { [ "$(denied_count)" -ge $((before + $1)) ]; }
wait_until "what was denied is counted" counted 5
first=$(denied_count)
all
wait_until "each time" counted $((2 * (first - before)))
for kind in CANCEL JOB_OP UPDATE_JOB; do
    is "$(grep -c "refused $kind" "$DIR/log/broker.log")" 1 "$kind is logged once"
done
echo 'PrivateData=jobs' >>"$DIR/slurm.conf"
scontrol reconfigure
sees_none() { [ -z "$(as nobody squeue -h -a)" ]; }
wait_until "where jobs are private nobody sees nothing" sees_none
before=$(denied_count) words='Invalid job id specified'
all
refused "read it" scontrol show job "$mine"
is "$(denied_count)" "$before" "what is hidden is not there: it is not counted as denied"
is "$(as daemon squeue -h -a | wc -l)" 2 "daemon sees his"
is "$(as games squeue -h -a | wc -l)" 2 "games, an operator by name, sees all"
ok "and may change it" as games scontrol update jobid="$held" comment=seen
ok "its owner may do all that" as daemon scontrol release "$held"
wait_until "the held one ends" job_is "$held" COMPLETED
ok "and attach" as daemon srun --jobid="$mine" --overlap true
echo go >go
wait_until "the running one ends as ever" job_is "$mine" COMPLETED
done_testing
