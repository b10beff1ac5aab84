#!/bin/bash
# With PrivateData=jobs a job of another user is, in every command's words and exit status, as one that does not exist.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs other users: runs as root only"
as() { HOME=$WORK/home setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; } # as UID COMMAND...
as 4711 test -x "$TENDER_BIN/sbatch" 2>/dev/null || skip_all "other users cannot reach $TENDER_BIN"
cd "$WORK" || exit 1
mkdir home && chmod 777 home && cd home || exit 1
cat >../slurm.conf <<'CONF'
ClusterName=hidden
PrivateData=jobs
MinJobAge=1
NodeName=n1 CPUs=4
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
cluster_up --conf "$WORK/slurm.conf"

mkfifo go && chmod 666 go
runs=$(as 4711 sbatch --parsable -J secret -o /dev/null --wrap "read -r _ <$PWD/go")
waits=$(as 4711 sbatch --parsable -J secret -H -o /dev/null --wrap true)
array=$(as 4711 sbatch --parsable -J secret -H -a 1-3 -o /dev/null --wrap true)
mkfifo shut && chmod 666 shut
as 4711 salloc -n1 sh -c "read -r _ <$PWD/shut" 2>salloc.err &
holder=$!
session() { session=$(sed -n 's/.*Granted job allocation \([0-9]*\).*/\1/p' salloc.err); [ -n "$session" ]; }
wait_until "a session begins" session
mine=$(as 4712 sbatch --parsable -J mine -H -o /dev/null --wrap true)
wait_until "a job runs" job_is "$runs" RUNNING
wait_until "and a session" job_is "$session" RUNNING
before=$(squeue -h -a -o '%i %t %k %l' | sort)

# What a command says of one id: its number is not part of the words.
said() { # said ID COMMAND... with @ for the id
    local id=$1 words=(); shift
    for w in "$@"; do words+=("${w//@/$id}"); done
    as 4712 timeout 20 "${words[@]}" >out 2>err </dev/null
    echo "exit status $?"
    sed "s/\b$id\b/ID/g; s/\b${id}_/ID_/g" out err
}
same() { # same WHAT COMMAND...
    for id in "$runs" "$waits" "${array}_2"; do
        is "$(said "$id" "${@:2}")" "$(said "${id/#$array/77777}" "${@:2}" | sed 's/77777/ID/g')" "$1 $id"
    done
}
like "$(said 77777 scontrol hold @)" 'Invalid job id specified' "what does not exist is an invalid id"
for c in 'scancel @' 'scancel -v @' 'scancel -Q @' 'scancel -s USR1 @' 'scancel @.0' 'scancel -s USR1 @.0' 'scancel -b -s USR1 @' 'scancel -u 4711 @' 'scancel -n secret @' \
    'scancel -t PENDING @' 'scancel --wait @' 'scancel @ @' \
    'scontrol hold @' 'scontrol uhold @' 'scontrol release @' 'scontrol requeue @' 'scontrol requeuehold @' \
    'scontrol update jobid=@ comment=x' 'scontrol update jobid=@ timelimit=1' 'scontrol update jobid=@ timelimit=+1' \
    'scontrol update jobid=@ priority=0' 'scontrol show job @' 'scontrol -d show job @' 'scontrol show step @' 'scontrol show step @.0' \
    'scontrol write batch_script @ -' 'tender explain @' 'tender explain --json @' 'squeue -h -j @' 'squeue -h -j @,1' 'squeue -h -s -j @' 'squeue -h -a -t all -j @'; do
    # shellcheck disable=SC2086
    same "$c:" $c
done
for id in "$runs" "$waits" "$session" "$array"; do
    is "$(said "$id" srun --jobid=@ true)" "$(said 77777 srun --jobid=@ true)" "srun --jobid $id"
    is "$(said "$id" tender events --job @ --until COMPLETED)" "$(said 77777 tender events --job @ --until COMPLETED)" "tender events --job $id"
done
for d in afterok after afterany afternotok aftercorr; do
    same "sbatch -d $d:" sbatch -d "$d:@" --wrap true
    same "update dependency=$d:" scontrol update jobid="$mine" dependency="$d:@"
done
is "$(as 4712 scancel -u 4711 2>&1; echo $?)" "$(as 4712 scancel -u 4999 2>&1; echo $?)" "scancel -u of one who has jobs"
is "$(as 4712 scancel -n secret 2>&1; echo $?)" "$(as 4712 scancel -n nosuch 2>&1; echo $?)" "by a name"
is "$(as 4712 scontrol hold name=secret 2>&1; echo $?)" \
    "$(as 4712 scontrol hold name=nosuch 2>&1 | sed 's/nosuch/secret/g'; echo 1)" "hold by a name"
is "$(squeue -h -a -o '%i %t %k %l' | sort)" "$before" "nothing of it has done anything"
is "$(grep -c 'user=4712 refused' "$DIR/log/broker.log")" 0 "nor is one told from the other by what is counted"

# Whoever watches is told of his own jobs that leave the queue, and of no others.
HOME=$WORK/home setpriv --reuid 4712 --regid 4712 --clear-groups squeue --watch --json >watch.out 2>watch.err &
watcher=$!
ON_EXIT='kill "$watcher" 2>/dev/null'
HOME=$WORK/home setpriv --reuid 4712 --regid 4712 --clear-groups tender events --since 0 >events.out 2>events.err &
listener=$!
ON_EXIT='kill "$watcher" "$listener" 2>/dev/null'
wait_until "a watcher is told of his job" grep -q "\"job_id\": *$mine\b" watch.out
as 4711 scancel "$waits" "$array"
wait_until "jobs of others leave the queue" sh -c "! scontrol show job $waits && ! scontrol show job $array"
as 4712 scancel "$mine"
told_gone() { grep -q "\"gone\":\[\([0-9,]*,\)\?$1[],]" watch.out; }
wait_until "he is told that his own left" told_gone "$mine"
ok "not that theirs did" sh -c "! grep -q '\"gone\":\[[0-9,]*\b\($waits\|$array\)\b' watch.out"
purged() { sed -n 's/.*"type":"JOBS_PURGED".*"jobs":\[\([0-9,]*\)\].*/\1/p' events.out | tr ',\n' '  '; }
told_purged() { [ "$(purged)" = "$mine " ]; }
wait_until "by an event, which names his own alone" told_purged
waits=$(as 4711 sbatch --parsable -J secret -H -o /dev/null --wrap true)

# The twins: its owner, an operator, and everybody where nothing is private.
like "$(as 4711 scontrol hold "$runs" 2>&1)" 'no longer pending' "its owner is told how it stands"
ok "its owner may wait for it" as 4711 sbatch -H -d "afterok:$runs" --wrap true
ok "and so may an operator" sbatch -H -d "afterok:$runs" --wrap true
sed -i '/^PrivateData/d' "$DIR/slurm.conf"
scontrol reconfigure
open() { as 4712 scancel "$waits" 2>&1 | grep -q 'Access/permission denied'; }
wait_until "without PrivateData it is refused by right" open
ok "and may be waited for" as 4712 sbatch -H -d "afterok:$runs" --wrap true
echo >shut
wait "$holder"
done_testing
