#!/bin/bash
# Behind a front: a step that waits for its turn is given up when its srun is gone, and nobody else's is.
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 1 --cpus 2
cd "$WORK" || exit 1
salloc -n2 sh -c 'echo $SLURM_JOB_ID >job; while [ ! -e done ]; do sleep 0.05; done' >salloc.out 2>&1 &
ON_EXIT='touch done; wait'
wait_until "an allocation" test -s job
export SLURM_JOB_ID=$(cat job)
srun -n2 sh -c 'echo first >>order; while [ ! -e next ]; do sleep 0.05; done' >one.out 2>&1 & one=$!
wait_until "a step holds all of it" grep -q first order
srun -n2 sh -c 'echo second >>order' >two.out 2>&1 & two=$!
waited() { [ "$(tender status --json | sed -n 's/.*"steps_waited": \([0-9]*\).*/\1/p')" -ge "$1" ]; }
wait_until "another waits" waited 1
srun -n2 sh -c 'echo third >>order' >three.out 2>&1 & three=$!
wait_until "and one behind it" waited 2
kill -9 "$two"; wait "$two" 2>/dev/null
touch next
ok "the first ends" wait "$one"
ok "the third has its turn" wait "$three"
is "$(uniq order)" "first
third" "the one that was killed never ran"
touch done
done_testing
