#!/bin/bash
# Whose is what: other users' jobs cannot be touched, PrivateData hides them in every kind of read, operators may both.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs other users: runs as root only"
as() { HOME=$WORK/home setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; } # as UID COMMAND...
as 4711 test -x "$TENDER_BIN/sbatch" 2>/dev/null || skip_all "other users cannot reach $TENDER_BIN"
cd "$WORK" || exit 1
mkdir home && chmod 777 home && cd home || exit 1
cat >../slurm.conf <<'CONF'
ClusterName=rights
SlurmctldHost=localhost
DisableRootJobs=YES
NodeName=n1 CPUs=4
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
echo 'Operators=4713' >../tender.conf
cluster_up --conf "$WORK/slurm.conf"

sbatch -o /dev/null --wrap true >out 2>err
is "$?:$(cat err)" "1:sbatch: error: Batch job submission failed: Invalid user id: partition normal takes no jobs of root (DisableRootJobs)" \
    "root's job is refused with Slurm's words"
srun true >out 2>err
like "$?:$(cat err)" '^1:srun: error: Unable to allocate resources: Invalid user id' "and root's srun"

tender events --audit --since 0 >audit.out 2>audit.err &
auditor=$!
ON_EXIT='kill "$auditor" 2>/dev/null'
submit_as() { as "$1" sbatch --parsable "${@:2}"; }
mkfifo go && chmod 666 go
mine=$(submit_as 4711 -J mine -o /dev/null --wrap "read -r _ <$PWD/go")
held=$(submit_as 4711 -J held -H -o /dev/null --wrap true)
other=$(submit_as 4712 -J other -H -o /dev/null --wrap true)
wait_until "a user's job runs" job_is "$mine" RUNNING

# --- doing -------------------------------------------------------------------------------------------------------------
denied() { # denied WHAT COMMAND...: as another user
    as 4712 "${@:2}" >out 2>err
    like "$?:$(cat err)" '^1:.*Access/permission denied' "another user may not $1"
}
denied cancel scancel "$mine"
denied signal scancel -s USR1 "$mine"
denied hold scontrol hold "$held"
denied release scontrol release "$held"
denied requeue scontrol requeue "$mine"
denied update scontrol update jobid="$held" comment=x
denied attach srun --jobid="$mine" true
denied "read the script" scontrol write batch_script "$mine" -
denied "drain a node" scontrol update nodename=n1 state=drain reason=x
denied "read the configuration again" scontrol reconfigure
denied "make a token" tender join-token
ok "a job of one's own is not touched by all that" job_is "$mine" RUNNING
is "$(scontrol show job "$held" | grep -c 'Comment=x\|Reason=JobHeldUser')" 1 "nor the waiting one"
like "$(as 4712 squeue -h -o '%i %u' | wc -l)" '^3$' "everybody sees all where nothing is private"

as 4713 scontrol update jobid="$held" comment=operator >out 2>err
is "$?:$(cat err)" "0:" "an operator may change it"
like "$(scontrol show job "$held")" 'Comment=operator' "and did"
many=$(printf 'n1,%.0s' $(seq 1000))
ok "nor is he hindered in naming a node a thousand times" as 4713 scontrol update nodename="${many%,}" state=resume
as 4713 scontrol reconfigure >out 2>err
like "$?:$(cat err)" '^1:.*Access/permission denied' "but an operator is no administrator"

# --- told --------------------------------------------------------------------------------------------------------------
refusal() { grep -q "ACCESS_REFUSED.*\"uid\":4712,\"request\":\"$1\"$2,.*\"count\":1,.*permission denied" audit.out; }
for request in CANCEL JOB_OP UPDATE_JOB QUERY_SCRIPT UPDATE_NODE RECONFIGURE MAKE_TOKEN; do
    wait_until "the refused $request is an event for operators" refusal "$request" '[^}]*'
done
ok "with the job it was about" refusal CANCEL ",\"job\":$mine"
is "$(grep -c '"uid":4712,"request":"JOB_OP"' audit.out)" 1 "hold, release and requeue are of one kind: told once"
is "$(grep -c 'refused JOB_OP' "$DIR/log/broker.log")" 1 "and logged once"
acted() { grep -q "ADMIN_ACTED.*\"uid\":4713,\"request\":\"UPDATE_JOB\",\"jobs\":\[$held\],\"count\":1,\"owner\":4711" audit.out; }
wait_until "what an operator did to another's job is one, too" acted
for _ in 1 2 3 4 5; do as 4712 scancel "$mine" 2>/dev/null; done
denials() { tender status --json | sed -n 's/.*"denied": \([0-9]*\).*/\1/p'; }
ok "each refusal is counted" test "$(denials)" -ge 17
is "$(grep -c '"uid":4712,"request":"CANCEL"' audit.out)" 1 "but told once in a while"
as 4712 tender events --audit --since 0 >out 2>err
like "$?:$(cat err)" '^1:.*Access/permission denied: audit events are for operators' "others may not read them"
wait_until "which is one more" refusal SUBSCRIBE '[^}]*'

# --- seeing ------------------------------------------------------------------------------------------------------------
HOME=$WORK/home setpriv --reuid 4712 --regid 4712 --clear-groups tender events --since 0 >watch.out 2>watch.err &
watcher=$!
ON_EXIT='kill "$watcher" "$auditor" 2>/dev/null'
wait_until "a watcher sees others' jobs" grep -q "\"job\":$mine," watch.out
is "$(grep -c 'ACCESS_REFUSED\|TOKEN_MADE\|ADMIN_ACTED' watch.out)" 0 "but nothing of the audit"
echo 'PrivateData=jobs,usage' >>"$DIR/slurm.conf"
ok "PrivateData is read again" scontrol reconfigure
sees() { [ "$(as "$1" squeue -h -a -o %i | sort -n | tr '\n' ' ')" = "$2" ]; }
wait_until "another user sees his own jobs only" sees 4712 "$other "
ok "whoever owns jobs sees them" sees 4711 "$mine $held "
is "$(as 4713 squeue -h -a -o %i | wc -l)" 3 "an operator sees all"
is "$(squeue -h -a -o %i | wc -l)" 3 "and root"
as 4712 scontrol show job "$mine" >out 2>err
is "$?:$(cat out err)" "1:slurm_load_jobs error: Invalid job id specified" "a private job is not known to others"
as 4712 scontrol write batch_script "$mine" - >out 2>err
like "$?:$(cat err)" '^1:.*Invalid job id specified' "nor its script"
as 4712 tender rounds >out 2>err
like "$?:$(cat err)" '^1:.*Access/permission denied' "nor the rounds, which say who wants what"
like "$(as 4712 scancel "$mine" 2>&1)" 'Invalid job id specified' "and it cannot be cancelled"
own=$(submit_as 4712 -H -o /dev/null --wrap true)
as 4711 scontrol update jobid="$held" comment=secret
as 4711 scontrol release "$held"
wait_until "the released one is over" job_is "$held" COMPLETED
after=$(submit_as 4712 -H -o /dev/null --wrap true)
wait_until "the watcher goes on with what is his" grep -q "\"JOB_SUBMITTED\",\"job\":$after," watch.out
is "$(sed -n "/\"JOB_SUBMITTED\",\"job\":$own,/,\$p" watch.out | grep -c "\"job\":$held,\|secret")" 0 "and hears nothing of others'"
as 4712 squeue -h -a -t all -o %i >out
is "$(grep -c "^$held$" out)" 0 "nor does the history tell him"
is "$(as 4713 squeue -h -a -t all -o %i | grep -c "^$held$")" 1 "an operator is told"

at=$(date -d '+4 seconds' +%Y-%m-%dT%H:%M:%S)
full=$(submit_as 4711 -c 3 -o /dev/null --wrap "read -r _ <$PWD/go")
a=$(submit_as 4711 -b "$at" -c 4 -o /dev/null --wrap true)
b=$(submit_as 4712 -b "$at" -c 4 -o /dev/null --wrap true)
c=$(submit_as 4711 -b "$at" -c 4 -o /dev/null --wrap true)
d=$(submit_as 4712 -b "$at" -c 4 -o /dev/null --wrap true)
wait_until "of jobs of two users that begin to wait in one moment" grep -q "\"JOB_REASON\".*\"jobs\":\[$b,$d\]" watch.out
is "$(grep '"JOB_REASON"' watch.out | grep -c "[[,]\($a\|$c\)[],]")" 0 "the watcher hears of his own only"
as 4711 scancel "$full"
as 4711 scancel "$a" "$c"
as 4712 scancel "$b" "$d"

sed -i 's/^PrivateData=.*/PrivateData=nodes,partitions/' "$DIR/slurm.conf"
scontrol reconfigure
refused() { as 4712 "$@" >out 2>err; [ "$?" = 1 ] && grep -q 'Access/permission denied' err; }
wait_until "nodes are private" refused scontrol show node
ok "and partitions" refused scontrol show partition
ok "and so sinfo is refused" refused sinfo
ok "not to an operator" test "$(as 4713 sinfo -h -N -o %N)" = n1
is "$(as 4712 squeue -h -a -o %i | wc -l)" 4 "jobs are everybody's again"

echo go >go
as 4711 scancel -u 4711
as 4712 scancel -u 4712
wait_until "the queue is empty" queue_is_empty
done_testing
