#!/bin/bash
# Real terminals: a shell of ten tasks with steps in it, a window that changes, Ctrl-C in it, and Ctrl-C once and twice at srun.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip_all "needs python3 for a terminal"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 16
unset SLURM_JOB_ID SLURM_JOBID
terminal() { timeout -k 5 80 python3 "$HERE/terminal.py" "$@" >out 2>&1 </dev/null; status=$?; }

# What is interrupted says itself that it runs: an interactive shell that is about to start it may lose the signal.
# the guide: srun -N1 -n 10 --pty bash -i
echo "PS1='PROM''PT> '; bind 'set enable-bracketed-paste off'" > rc
terminal 33 77 'PROMPT> ' 'srun hostname | wc -l' \
    'PROMPT> ' 'stty size' \
    'PROMPT> ' 'size 44 99' \
    '' 'until [ "$(stty size)" = "44 99" ]; do sleep 0.05; done; stty size' \
    'PROMPT> ' 'sh -c "echo RUN\NING; exec sleep 600"' \
    'RUNNING' 'ctrl-c' \
    'PROMPT> ' 'echo status $?' \
    'PROMPT> ' 'srun -n2 sh -c "echo IN\SIDE; exec sleep 600"' \
    'INSIDE' 'ctrl-c' \
    'one more within 1 sec' 'ctrl-c' \
    'PROMPT> ' 'echo tasks $SLURM_NTASKS' \
    'PROMPT> ' 'exit 3' -- srun -N1 -n 10 --pty bash --rcfile rc -i
is "$status" 3 "the shell's exit status"
like "$(cat out)" '^10$' "srun hostname | wc -l in it is 10"
like "$(cat out)" '^33 77$' "the terminal has its size"
like "$(cat out)" '^44 99$' "and hears of another"
like "$(cat out)" '^status 130$' "Ctrl-C ends what runs in it, and not the shell"
like "$(cat out)" 'sending Ctrl-C to StepId=[0-9]+\.2' "twice ends a step in it"
like "$(cat out)" '^tasks 10$' "and not the shell"
wait_until "its allocation is given back" queue_is_empty

# Ctrl-C at srun itself
terminal 24 80 UP ctrl-c 'one more within 1 sec' "touch $WORK/go" -- \
    srun sh -c 'echo U"P"; until [ -e go ]; do sleep 0.05; done; echo went on'
is "$status" 0 "once ends nothing"
like "$(cat out)" 'interrupt \(one more within 1 sec to abort\)' "and says what twice would do"
like "$(cat out)" 'StepId=[0-9]+\.0 task 0: running' "and what runs"
like "$(cat out)" '^went on$' "the task goes on"
# a slow machine may need more than the second: then it is asked again
terminal 24 80 UP ctrl-c 'one more within 1 sec' ctrl-c 'one more within 1 sec' ctrl-c 'one more within 1 sec' ctrl-c -- \
    srun sh -c 'echo U"P"; exec sleep 600'
like "$status" '^1(30|43)$' "twice ends it" # by SIGTERM where a third came in time
like "$(cat out)" 'sending Ctrl-C to StepId=[0-9]+\.0' "with Ctrl-C"
wait_until "nothing is left" queue_is_empty
done_testing
