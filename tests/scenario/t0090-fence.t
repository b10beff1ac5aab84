#!/bin/bash
# NodeFence=kill: a node that is cut off ends the jobs that may be requeued before they begin again elsewhere, be its worker
# alive or not. Without it they run on: adopted if the link is back in time, twice at once if it is not.
. "$(dirname "$0")/lib.sh"
hosts="head w1 w2"
. "$(dirname "$0")/hosts.sh"
mkdir -p "$DIR/log" "$DIR/nodes"
cat > "$DIR/slurm.conf" <<CONF
ClusterName=fence
SlurmctldHost=head(10.77.0.1)
StateSaveLocation=$DIR/state
SlurmdTimeout=9
KillWait=1
ReturnToService=1
NodeName=w[1-2] CPUs=2
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
printf 'Address=0.0.0.0\nPorts=7817-7818\nLeaseTime=2\n' > "$DIR/tender.conf"
cd "$WORK" || exit 1
export SLURM_CONF="$DIR/slurm.conf"
fence() { # fence off|kill
    sed -i '/^NodeFence=/d' "$DIR/tender.conf"
    echo "NodeFence=$1" >> "$DIR/tender.conf"
    ok "NodeFence=$1" scontrol reconfigure
}
worker() { # worker HOST [options]
    start "$1" "$1" tender-worker --node "$1" --conf "$SLURM_CONF" --dir "$DIR/nodes/$1" --cpus 2 "${@:2}"
    eval "$1=$!"
}
answers() { squeue -h >/dev/null 2>&1; }
stands() { [ "$(sinfo -h -N -n "$1" -o %T)" = "$2" ]; }
idle() { stands "$1" idle; }
silent() { sinfo -h -N -n "$1" -o %T | grep -q '\*$'; }
gone() { ! kill -0 "$1" 2>/dev/null; }
start head broker tender-broker --foreground --conf "$SLURM_CONF" --dir "$DIR"
broker=$!
wait_until "the broker answers" answers
token=$(tender token create --names 'w[1-2]')
worker w1 --join "$token"
worker w2 --join "$token"
wait_until "a node joins" idle w1
wait_until "and another" idle w2

# Whoever begins while another attempt of his job lives says so.
cat > hold.sh <<'SCRIPT'
#!/bin/sh
#SBATCH -o out.%j
#SBATCH --open-mode=append
job=$SLURM_JOB_ID
for other in pid.$job.*; do
    [ -e "$other" ] && kill -0 "$(cat "$other")" 2>/dev/null && echo "$other lives" >> "twice.$job"
done
echo $$ > "pid.$job.${SLURM_RESTART_COUNT:-0}.tmp"
mv "pid.$job.${SLURM_RESTART_COUNT:-0}.tmp" "pid.$job.${SLURM_RESTART_COUNT:-0}"
trap '' TERM
until [ -e "go.$job" ]; do sleep 0.05; done
SCRIPT
begun() { [ -s "pid.$1" ]; }
pid() { cat "pid.$1"; }
held() { # held NAME HOST [options]: a job that runs there
    eval "$1=\$(sbatch --parsable -w '$2' '${*:3}' hold.sh)"
    eval "wait_until 'job '\$$1' runs on $2' begun \"\$$1.0\""
    eval "wait_until 'and the broker knows' job_is \"\$$1\" RUNNING"
}
again() { [ "$(job_state "$1")" = RUNNING ] && begun "$1.1"; }
finish() { touch "go.$1"; wait_until "job $1 completes" job_is "$1" COMPLETED; }
two_jobs() { # on w1: one that may go to w2 when w1 is lost, and one that is never repeated
    scontrol update NodeName=w2 State=DRAIN Reason=test
    repeats=$(sbatch --parsable --requeue hold.sh)
    wait_until "job $repeats runs on w1" begun "$repeats.0"
    once=$(sbatch --parsable --no-requeue hold.sh)
    wait_until "job $once too" begun "$once.0"
    wait_until "the broker knows" job_is "$repeats" RUNNING
    wait_until "of both" job_is "$once" RUNNING
    scontrol update NodeName=w2 State=RESUME
}
back() { mend w1; wait_until "with the link the node is back" idle_or_mixed w1; }
idle_or_mixed() { idle "$1" || stands "$1" mixed || stands "$1" allocated; }

# --- no fence, a short cut: the jobs are adopted
two_jobs
cut_off w1
wait_until "w1 is silent" silent w1
back
is "$(job_state "$repeats") $(job_state "$once")" "RUNNING RUNNING" "both jobs go on"
ok "in the processes of before" kill -0 "$(pid "$repeats.0")" "$(pid "$once.0")"
finish "$repeats"
finish "$once"

# --- no fence, a long cut: the job begins again while its first attempt lives
two_jobs
cut_off w1
wait_until "w1 is given up" stands w1 'down*'
wait_until "the job that may be repeated begins again" again "$repeats"
ok "its first attempt lives" kill -0 "$(pid "$repeats.0")"
is "$(cat "twice.$repeats")" "pid.$repeats.0 lives" "both at once"
back
wait_until "then it is ended" gone "$(pid "$repeats.0")"
finish "$repeats"
wait_until "nothing of the other is left" gone "$(pid "$once.0")"

# --- a fence, a short cut: nothing is ended
fence kill
wait_until "w1 has heard of it" idle w1
two_jobs
cut_off w1
wait_until "w1 is silent" silent w1
back
is "$(job_state "$repeats") $(job_state "$once")" "RUNNING RUNNING" "both jobs go on"
finish "$repeats"
finish "$once"

# --- a fence, a long cut: the first attempt is over when the second begins
two_jobs
cut_off w1
wait_until "w1 ends the job that may be repeated" gone "$(pid "$repeats.0")"
is "$(job_state "$repeats")" RUNNING "while the broker still waits for it"
ok "the other lives" kill -0 "$(pid "$once.0")"
wait_until "w1 is given up" stands w1 'down*'
wait_until "then it begins again" again "$repeats"
ok "alone" [ ! -e "twice.$repeats" ]
is "$(job_state "$once")" NODE_FAIL "the other is lost, as ever"
like "$(cat "out.$repeats")" 'CANCELLED AT .* DUE TO NODE FAILURE' "its output says what befell it"
back
finish "$repeats"
wait_until "nothing of the other is left" gone "$(pid "$once.0")"

# --- nobody moves the fence on without a worker either
two_jobs
cut_off w1
kill -9 "$w1"
wait_until "the shepherd ends it by itself" gone "$(pid "$repeats.0")"
ok "and nothing else" kill -0 "$(pid "$once.0")"
wait_until "it begins again elsewhere" again "$repeats"
ok "alone" [ ! -e "twice.$repeats" ]
mend w1
worker w1
wait_until "w1 is back" idle_or_mixed w1
finish "$repeats"

# --- back after it was ended and before the node is given up: the node's failure, not the job's
sed -i 's/^SlurmdTimeout=.*/SlurmdTimeout=12/; s/^KillWait=.*/KillWait=5/' "$SLURM_CONF"
ok "more time lies between" scontrol reconfigure
wait_until "w1 has heard of it" idle w1
two_jobs
cut_off w1
cut_it() { grep -q "job=$repeats.1 is ended: the broker cannot be reached" "$DIR"/nodes/w1/*.log "$DIR"/log/w1.log 2>/dev/null; }
wait_until "w1 begins to end it" cut_it
back
wait_until "it begins again" again "$repeats"
ok "alone" [ ! -e "twice.$repeats" ]
is "$(job_state "$once")" RUNNING "the other has noticed nothing"
finish "$repeats"
finish "$once"
wait_until "nothing is left" queue_is_empty
done_testing
