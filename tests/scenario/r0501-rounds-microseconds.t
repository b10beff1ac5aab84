#!/bin/bash
# A round that takes less than a millisecond has a length.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2
id=$(submit -o /dev/null --wrap true)
wait_until "a job is done" job_is "$id" COMPLETED
like "$(tender rounds)" 'awarded, [1-9][0-9]* us, closed by all bids' "the time of its round is microseconds"
like "$(tender rounds --json)" '"elapsed_us": *[1-9]' "as JSON too"
done_testing
