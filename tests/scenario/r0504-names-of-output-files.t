#!/bin/bash
# The names of a job's files: squeue -O shows a pattern as it was typed and what stands for none put in (Slurm 22.05),
# --expand-patterns and scontrol show the file that is written.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 4
shown() { squeue -h -a -t all -j "$1" -O "$2:###" "${@:3}" | sed 's/###$//'; }
id=$(submit -J train -o '%x-%5j-%A-%N-%b-%%.out' -e 'err.\%j' --wrap 'sleep 600')
wait_until "it runs" job_is "$id" RUNNING
is "$(shown "$id" stdout)" "$WORK/%x-%5j-%A-%N-%b-%%.out" "squeue -O stdout: as typed"
is "$(shown "$id" stderr)" "$WORK/err.\\%j" "stderr too"
is "$(shown "$id" stdin)" "/dev/null" "and stdin"
file=$(shown "$id" stdout --expand-patterns)
is "$file" "$WORK/train-$(printf %05d "$id")-$id-n1-4-%.out" "--expand-patterns: the name of the file"
wait_until "which is there" test -e "$file"
is "$(shown "$id" stderr --expand-patterns)" "$WORK/err.%j" "a backslash turns the codes off"
wait_until "there, too" test -e "$WORK/err.%j"
is "$(scontrol show job "$id" | sed -n 's/^ *StdOut=//p')" "$file" "scontrol says the same"
is "$(scontrol show job "$id" | sed -n 's/^ *StdErr=//p')" "$WORK/err.%j" "of both"
plain=$(submit -H --wrap true)
is "$(shown "$plain" stdout)" "$WORK/slurm-$plain.out" "without -o: the default's name"
a=$(submit -H --array=3-4 --wrap true)
is "$(shown "$a" stdout)" "$WORK/slurm-${a}_%a.out" "of an array that waits, what is known of it"
scontrol release "$a"
wait_until "a task is done" sh -c "squeue -h -t all -j ${a}_3 -o %T | grep -q COMPLETED"
is "$(shown "${a}_3" stdout)" "$WORK/slurm-${a}_3.out" "of a task, its file"
ok "which is there" test -e "$WORK/slurm-${a}_3.out"
done_testing
