#!/bin/bash
# What is asked for in vain, waited for in vain, or could not be started, is said where people look: each on its line.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
printf 'ClusterName=words\nNodeName=n[1-3] CPUs=2\nPartitionName=p Nodes=n[1-2] Default=YES\nPartitionName=q Nodes=n3\n' >slurm.conf
cluster_up --conf slurm.conf
said() { "$@" >out 2>err; echo "$?:$(cat err)"; }
fail='Requested node configuration is not available'

is "$(said srun -n9 -N1 true)" "1:srun: error: partition p: no node has 9 CPUs (the most is 2)
srun: error: Unable to allocate resources: $fail" "srun: the detail on a line of its own, then the words that scripts know"
is "$(said salloc -n9 true)" "1:salloc: error: partition p: 9 tasks are wanted, and all 2 nodes that could take a part hold 4
salloc: error: Job submit/allocate failed: $fail" "salloc"
is "$(said sbatch -n9 --wrap true)" "1:sbatch: error: partition p: 9 tasks are wanted, and all 2 nodes that could take a part hold 4
sbatch: error: Batch job submission failed: $fail" "sbatch"
is "$(said srun -p nosuch true)" "1:srun: error: Unable to allocate resources: Invalid partition name specified: nosuch" "another refusal stays one line"
is "$(said squeue -u nosuch)" "1:squeue: error: Invalid user: nosuch" "squeue: no such user"
is "$(said scancel -u nosuch)" "1:scancel: error: Invalid user name: nosuch" "scancel: no such user"

# --- nodes that are not available
reason() { squeue -h -j "$1" -o %R; }
why() { [ "$(reason "$1")" = "$2" ]; }
busy=$(submit -N2 --exclusive -o /dev/null --wrap 'sleep 300')
wait_until "the nodes are held" job_is "$busy" RUNNING
one=$(submit -o /dev/null --wrap true)
wait_until "a job waits for what another has" why "$one" "(Resources)"
scontrol update nodename=n1 state=drain reason=x
ok "one drained node of two is not why it waits" why "$one" "(Resources)"
scancel "$one" "$busy"
wait_until "they are free" sh -c '[ -z "$(squeue -h)" ]'
two=$(submit -N2 -o /dev/null --wrap true)
wait_until "a job on two nodes waits for the drained one" why "$two" "(ReqNodeNotAvail, UnavailableNodes:n1)"
scontrol update nodename=n2 state=drain reason=x
one=$(submit -o /dev/null --wrap true)
other=$(submit -x n1 -o /dev/null --wrap true)
wait_until "all drained: any job does" why "$two" "(ReqNodeNotAvail, UnavailableNodes:n[1-2])"
scancel "$two"
wait_until "the next too" why "$one" "(ReqNodeNotAvail, UnavailableNodes:n[1-2])"
like "$(scontrol show job "$one")" 'Reason=ReqNodeNotAvail,_UnavailableNodes:n\[1-2\] ' "scontrol says it, too"
scancel "$one"
wait_until "nodes it does not want are not named" why "$other" "(ReqNodeNotAvail, UnavailableNodes:n2)"
scancel "$other"
scontrol update nodename=n[1-2] state=resume

# --- what could not be started
run() { id=$(submit "$@"); wait_until "a job that cannot start fails" job_is "$id" FAILED; }
shown() { # shown SENTENCE WHAT
    like "$(scontrol show job "$id")" "^   Detail=$1\$" "$2: in scontrol show job"
    is "$(squeue -h -t all -j "$id" -o %R)" "(JobLaunchFailure, $1)" "in squeue"
    is "$(squeue -h -t all -j "$id" -o %r)" "JobLaunchFailure" "whose reason is one word"
}
run -D /no/such/dir --wrap true
shown "cannot change to the working directory /no/such/dir: No such file or directory" "a missing directory"
run -o /no/such/x --wrap true
shown "cannot open the output file /no/such/x: No such file or directory" "an output path"
printf '#!/no/such/shell\n' >shell.sh
run -o /dev/null shell.sh
shown "cannot start /no/such/shell: No such file or directory" "a bad shell"
is "$(said srun -J bad /no/such/program | head -n 1 | sed 's/n[12]/NODE/')" \
    "2:srun: error: NODE: task 0: cannot start /no/such/program: No such file or directory" "srun says it itself"
id=$(squeue -h -t all -n bad -o %i)
shown "cannot start /no/such/program: No such file or directory" "its job"
srun -J worse false 2>/dev/null
id=$(squeue -h -t all -n worse -o %i)
is "$(squeue -h -t all -j "$id" -o %R)" "(NonZeroExitCode)" "one that ran and failed has no such words"
done_testing
