#!/bin/bash
# tender sim from the command line: a trace is scheduled, two schedules are compared, wrong questions get words.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
said() { "$@" >out 2>err; echo $?; }

# Four processors. Job 2 must wait for all of them; job 3 is short and fits beside job 1 before it is over.
cat > three.swf <<'SWF'
; MaxProcs: 4
1 0 -1 100 3 -1 -1 3 100 -1 1 1 -1 1
2 1 -1 50 4 -1 -1 4 60 -1 1 2 -1 1
3 2 -1 20 1 -1 -1 1 20 -1 1 3 -1 1
SWF
is "$(said tender sim three.swf --policy fifo --swf fifo.swf -q)" 0 "in order"
like "$(cat out)" '^3 jobs on 4 processors: mean wait 82 s' "the figures are said"
is "$(said tender sim three.swf --policy easy --swf easy.swf.gz --metrics -q)" 0 "with backfill"
is "$(python3 -c 'import json; print(json.load(open("out"))["mean_wait"])')" 33 "the figures are JSON"
is "$(zcat easy.swf.gz | awk '!/^;/ {print $1, $3}' | paste -sd, )" "1 0,2 99,3 0" "the schedule is a trace"

is "$(said tender sim --compare fifo.swf easy.swf.gz)" 0 "they are compared"
like "$(cat out)" '^1 wait less in B: 148 s less in the mean' "who gains is said"
like "$(cat out)" 'job 3 of user 3, 1 processor: 148 s in A, 0 s in B' "by name"
is "$(said tender sim --compare fifo.swf easy.swf.gz --json)" 0 "as JSON"
is "$(python3 -c 'import json; c=json.load(open("out")); print(c["jobs"], c["less"]["jobs"], c["more"]["jobs"], c["less"]["most"][0]["job"])')" "3 1 0 3" "with the same in it"

is "$(said tender sim --compare fifo.swf)" 1 "one alone"
is "$(cat err)" "tender sim: error: --compare wants two schedules, A and B" "is not compared"
is "$(said tender sim --compare fifo.swf three.swf)" 1 "a trace without waits"
like "$(cat err)" '3 are without a wait' "has none to compare"
tender sim three.swf --metrics -q > figures.json
is "$(said tender sim --compare fifo.swf figures.json)" 1 "figures"
like "$(cat err)" 'figures.json holds figures, no schedule: compare the files that --swf wrote' "are no schedule"
is "$(said tender sim --compare fifo.swf easy.swf.gz --policy easy)" 1 "a policy to compare with"
is "$(said tender sim three.swf --json)" 1 "JSON of a run"
like "$(cat err)" '--metrics' "has another name"

is "$(said tender sim three.swf --policy easy --plot easy.svg -q)" 0 "a schedule is drawn"
is "$(python3 -c 'import xml.dom.minidom as m; d=m.parse("easy.svg"); print(d.documentElement.tagName, sum(r.getAttribute("class") == "j" for r in d.getElementsByTagName("rect")))')" "svg 3" "each job of it"
is "$(said tender sim three.swf --plot "$WORK" -q)" 1 "not into a folder"
like "$(cat err)" "cannot write $WORK: Is a directory" "and says so"

# The published rules: job 2 is waited for alone, unless others may end before it can start (job 3 would, at 22 of 100).
is "$(said tender sim three.swf --policy rl-fcfs --swf rl.swf -q)" 0 "rules of a paper"
is "$(awk '!/^;/ {print $1, $3}' rl.swf | paste -sd,)" "1 0,2 99,3 148" "without its backfill"
is "$(said tender sim three.swf --policy rl-sjf --rl-backfill --swf rl.swf -q)" 0 "and with it"
is "$(awk '!/^;/ {print $1, $3}' rl.swf | paste -sd,)" "1 0,2 99,3 0" "starts the short one"
is "$(said tender sim three.swf --policy easy --rl-backfill)" 1 "is no rule of ours"
like "$(cat err)" '--rl-backfill is for rl-fcfs, rl-sjf and rl-f1' "and says whose"
is "$(said tender sim three.swf --policy rl-f2)" 1 "a policy that is not there"
like "$(cat err)" "there is no policy 'rl-f2'" "is named"

is "$(said tender sim three.swf --part 2+2 -q)" 0 "a part of the trace"
like "$(cat out)" '^2 jobs on 4' "is scheduled alone"
for wrong in 2+3 0+1 2 +2 x+1 1+0; do
    is "$(said tender sim three.swf --part $wrong)" 1 "--part $wrong is refused"
done
is "$(said tender sim three.swf --part 3+2)" 1 "a part beyond the end"
like "$(cat err)" 'there are 3 jobs' "says how many there are"

like "$(tender sim --help)" '--compare' "help names it"
like "$(tender manual 'tender')" 'compare' "so does the manual"
like "$(tender completion)" '--compare' "and completion"
done_testing
