#!/bin/bash
# scontrol create, update, delete and show reservation; who may run in one, who waits, what is refused.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
me=$(id -un)
cat > slurm.conf <<'CONF'
ClusterName=reserved
NodeName=n[1-2] CPUs=2
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
cluster_up --conf slurm.conf
wait_until "both nodes are up" sh -c '[ "$(sinfo -h -o %D -t idle)" = 2 ]'
is "$(scontrol show reservation)" "No reservations in the system" "there are none at first"
like "$(sinfo -T 2>&1)" "No reservations in the system" "as sinfo says"
refused() { # refused WORDS WHAT KEY=VALUE...
    scontrol create reservation "${@:3}" >out 2>err
    like "$?:$(cat err)" "$1" "$2"
}
refused '^1:Error creating the reservation: Invalid time value: a StartTime is needed' "a start is needed" users="$me" nodes=n1
refused '^1:Error creating the reservation: Invalid time value: the StartTime is in the past' "not one in the past" users="$me" nodes=n1 starttime=2020-01-01
refused '^1:Error creating the reservation: .*Users and/or Accounts are needed' "and somebody it is for" starttime=now nodes=n1
refused '^1:Error creating the reservation: Invalid user id: no-such-user' "who is known" starttime=now nodes=n1 users=no-such-user
refused '^1:Error creating the reservation: Invalid node name specified: n9' "on nodes that are" starttime=now nodes=n9 users="$me"
refused '^1:CoreCnt is not supported: whole nodes' "whole ones" starttime=now corecnt=2 users="$me"
refused '^1:Flags=replace is not supported' "a flag that is not there is said" starttime=now nodes=n1 users="$me" flags=replace
refused '^1:Error parsing flags some' "and one that is none" starttime=now nodes=n1 users="$me" flags=some
refused '^1:Unknown parameter for a reservation: colour=red' "and a key that is none" starttime=now nodes=n1 users="$me" colour=red

is "$(scontrol create reservation reservationname=upkeep starttime=now+30minutes duration=60 nodes=n1 users=root flags=maint)" \
   "Reservation created: upkeep" "maintenance of n1"
refused '^1:Error creating the reservation: Duplicate reservation name: upkeep' "once" reservationname=upkeep starttime=now duration=5 nodes=n2 users="$me"
refused '^1:Error creating the reservation: Requested nodes are in another reservation: n1 is in upkeep' "nobody else has it then" \
    starttime=now+1hour duration=60 nodes=ALL users="$me"
text=$(scontrol show reservation upkeep)
like "$text" '^ReservationName=upkeep StartTime=....-..-..T..:..:.. EndTime=....-..-..T..:..:.. Duration=01:00:00$' "shown as Slurm does"
like "$text" '^   Nodes=n1 NodeCnt=1 CoreCnt=2 Features=\(null\) PartitionName=\(null\) Flags=MAINT,SPEC_NODES$' "with its nodes and flags"
like "$text" '^   Users=root Groups=\(null\) Accounts=\(null\) Licenses=\(null\) State=INACTIVE BurstBuffer=\(null\) Watts=n/a$' "and its users"
long=$(submit -o /dev/null -t 60 -w n1 --wrap true)
other=$(submit -o /dev/null -t 60 --wrap true)
wait_until "who would run into it goes elsewhere" job_is "$other" COMPLETED
wait_until "who asks for n1 waits, and knows why" \
    sh -c "squeue -h -j $long -o %R | grep -q 'ReqNodeNotAvail, Reserved for maintenance'"
short=$(submit -o /dev/null -t 20 -w n1 --wrap true)
wait_until "a shorter one runs there" job_is "$short" COMPLETED
like "$(squeue -h -j "$long" --start -o %S)" '^[0-9]{4}-' "the longer one has a start time"
is "$(squeue -h -j "$long" -o %S)" "$(scontrol show reservation upkeep | grep -o 'EndTime=[^ ]*' | cut -d= -f2)" "which is its end"
is "$(scontrol update reservationname=upkeep starttime=now+90minutes endtime=now+2hours)" "Reservation updated." "it is put off"
wait_until "and who waited runs" job_is "$long" COMPLETED
ok "it is deleted" scontrol delete reservationname=upkeep
scontrol delete reservation upkeep 2>err
like "$?:$(cat err)" '^1:slurm_delete_reservation error: Requested reservation is invalid: upkeep' "once"

is "$(scontrol create reservation=mine starttime=now duration=10 nodes=n2 users="$me" flags=ignore_jobs)" "Reservation created: mine" "n2 for me, at once"
wait_until "it has begun" sh -c "scontrol show reservation mine | grep -q State=ACTIVE"
wait_until "its node says so" sh -c '[ "$(sinfo -h -n n2 -o %t)" = resv ]'
like "$(scontrol show node n2)" 'State=IDLE\+RESERVED' "in full, too"
like "$(sinfo -T)" '^RESV_NAME     STATE           START_TIME             END_TIME     DURATION  NODELIST$' "and sinfo -T"
like "$(sinfo -hT)" '^mine         ACTIVE  ....-..-..T..:..:..  ....-..-..T..:..:..     00:10:00  n2$' "with a row for it"
job=$(submit -o "$WORK/in.out" -t 5 --reservation=mine --wrap 'echo "in $SLURM_JOB_NODELIST $SLURM_JOB_RESERVATION"')
wait_until "my job runs in it" job_is "$job" COMPLETED
is "$(cat in.out)" "in n2 mine" "there"
like "$(scontrol show job "$job")" 'Reservation=mine' "and says so"
ok "srun runs there too" srun --reservation=mine -o /dev/null true
outside=$(submit -o /dev/null -t 5 -w n2 --wrap true)
wait_until "a job without it waits" sh -c "squeue -h -j $outside -o %R | grep -q 'ReqNodeNotAvail, May be reserved for other job'"
sbatch --reservation=nobodys --wrap true 2>err
like "$?:$(cat err)" '^1:.*Requested reservation is invalid' "one that is not is refused"
printf '#!/bin/bash\n#SBATCH --reservation=mine -t 20 -o /dev/null\ntrue\n' >long.sh
sbatch long.sh 2>err
like "$?:$(cat err)" '^1:.*reservation mine lasts 10 minutes' "and a job that is longer than it, from its script too"
scontrol update reservationname=mine users=-"$me" >out
sbatch --reservation=mine --wrap true 2>err
like "$?:$(cat err)" '^1:.*Access denied to requested reservation' "and whoever may not"
scontrol update reservationname=mine users="$me" >out

# Through a restart of the broker.
kill -9 "$(pid_of state/run/broker.pid)"
tender up --dir "$DIR" >/dev/null 2>&1
wait_until "it outlives the broker" sh -c "scontrol show reservation mine | grep -q State=ACTIVE"
wait_until "whoever waits goes on waiting" job_is "$outside" PENDING
run=$(submit -o /dev/null -t 5 --reservation=mine --wrap 'sleep 600')
wait_until "a job runs in it" job_is "$run" RUNNING
scontrol delete reservationname=mine 2>err
like "$?:$(cat err)" "^1:.*Requested reservation is in use: job $run runs" "it is not deleted under it"
scancel "$run"
wait_until "the job is over" job_is "$run" CANCELLED
late=$(submit -o /dev/null -H -t 5 --reservation=mine --wrap true)
wait2=$(submit -o /dev/null -b now+1hour -t 5 --reservation=mine --wrap true)
ok "then it is" scontrol delete reservationname=mine
wait_until "who waited outside runs" job_is "$outside" COMPLETED
like "$(squeue -h -j "$wait2" -o %r)" '^ReservationDeleted$' "who waited for it is held"
like "$(squeue -h -j "$late" -o %r)" '^JobHeld' "as is who was"
like "$(tender journal verify --dir "$DIR" 2>&1)" 'invariants hold' "the journal verifies"
is "$(grep -c 'digest' "$DIR/log/front.log")" 0 "the front's replica agrees"
done_testing
