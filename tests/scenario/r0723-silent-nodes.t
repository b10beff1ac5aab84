#!/bin/bash
# A node that is up and does not bid is named by tender doctor, with what mends it.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 2 --cpus 2
doctor() { tender doctor --dir "$DIR"; }
ok "all is well at first" doctor
worker=$(pid_of nodes/n2/worker.pid)
kill -STOP "$worker"
like "$(doctor)" "ill .*tender-worker of n2 \(process $worker\) is stopped by a signal and answers nobody: kill -CONT $worker" "a worker that is stopped is named"
id=$(submit -N2 -o /dev/null --wrap true)
silent() { doctor | grep -q 'ill .*node n2 is up and does not answer the broker.s offers.*restart tender-worker there'; }
wait_until "its node is named when an offer was not answered" silent
is "$(doctor | grep -c 'node n1 is up')" 0 "the other is not"
like "$(tender rounds --dir "$DIR" -n 1000)" '^  no answer from n2 \(tender doctor says what mends it\)$' "tender rounds names it"
like "$(tender rounds --dir "$DIR" -n 1000 --json)" '"silent": *\[ *"n2" *\]' "as JSON too"
ok "the exit status says so" sh -c '! tender doctor --dir "$1" >/dev/null' sh "$DIR"
kill -CONT "$worker"
wait_until "let on, it serves" job_is "$id" COMPLETED
wait_until "and all is well" doctor
shepherd=$(pid_of nodes/n1/shepherd.pid)
kill -STOP "$shepherd"
like "$(doctor)" "tender-shepherd of n1 \(process $shepherd\) is stopped by a signal" "so is a shepherd"
kill -CONT "$shepherd"
done_testing
