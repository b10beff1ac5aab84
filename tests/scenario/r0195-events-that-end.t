#!/bin/bash
# tender events ends when nobody reads it, and with --until by how the job stands, also when that was decided long ago.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --cpus 4
# Without a reader: nothing more happens in the cluster, so nothing more is written.
unread() { # unread WHAT COMMAND...: its first line is read, then nobody reads
    mkfifo pipe
    "${@:2}" >pipe 2>/dev/null &
    pid=$!
    head -n 1 <pipe >/dev/null
    wait_until "$1 ends when its reader is gone" sh -c "! kill -0 $pid 2>/dev/null"
    kill "$pid" 2>/dev/null
    wait "$pid"
    rm pipe
}
id=$(submit -o /dev/null --wrap true)
wait_until "a job is over" job_is "$id" COMPLETED
unread "tender events" tender events --since 0
unread "squeue --watch --json" squeue --watch --json
unread "sinfo --watch --json" sinfo --watch --json

told() { # told COMMAND...: status, and the last state told
    "$@" >told.out 2>told.err
    echo "$? $(tail -n 1 told.out | grep -o '"type":"[A-Z_]*"')"
}
is "$(told tender events --job "$id" --until COMPLETED)" "0 " "over as wanted: at once"
is "$(told tender events --job "$id" --until FAILED)" "1 " "over otherwise: at once"
is "$(told tender events --job "$id" --until RUNNING)" "1 " "over, and no more running"
is "$(told tender events --since 0 --job "$id" --until COMPLETED)" '0 "type":"JOB_ENDED"' "with what happened before, up to its end"
is "$(told tender events --since 0 --job "$id" --until FAILED)" '1 "type":"JOB_ENDED"' "also where it ended otherwise"
is "$(told tender events --since 0 --job "$id" --until RUNNING)" '0 "type":"ALLOC_ACCEPTED"' "or up to where it was as wanted"

# A job that failed once and was asked for again: that first end is not the one it has now.
touch fail
again=$(submit -o /dev/null --requeue --wrap "[ ! -e $PWD/fail ]")
wait_until "another fails" job_is "$again" FAILED
rm fail
scontrol requeue "$again"
is "$(told tender events --since 0 --job "$again" --until COMPLETED | cut -d' ' -f1)" 0 "queued again it is waited for"
ok "and has ended well" job_is "$again" COMPLETED

tender events --since 0 --job "$((again + 1))" --until COMPLETED >out 2>err
is "$?:$(cat err)" "1:tender events: error: Invalid job id specified" "a job that is not there"
done_testing
