#!/bin/bash
# Ten thousand nodes whose names fold into nothing: a list of a quarter of a megabyte is shown like any other.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2
names() { seq 10000 | awk '{ printf "%s%c-host-%d-x%c", NR % 500 == 1 ? "" : ",", 97 + $1 % 26, $1 * 7919, 97 + $1 % 23; if (NR % 500 == 0) print "" }'; }
names | sed 's/.*/NodeName=& CPUs=2 RealMemory=100 State=UNKNOWN/' >>"$DIR/slurm.conf"
for p in $(seq 40); do echo "PartitionName=all$p Nodes=ALL State=UP"; done >>"$DIR/slurm.conf"
echo "PartitionName=named Nodes=$(names | paste -sd,) State=UP" >>"$DIR/slurm.conf"
ok "a configuration with them is taken" scontrol reconfigure
want=10000
ok "their list is over 64 KB" test "$(names | wc -c)" -gt 150000
wait_until "the broker has them" sh -c "[ \"\$(sinfo -h -N -p named -o %N | sort -u | wc -l)\" = $want ]"
is "$(sinfo -h -p named -o %D)" "$want" "sinfo counts them"
is "$(sinfo -h -p named -o %N | tr ',' '\n' | wc -l)" "$want" "and names them"
is "$(sinfo -h -s -o %P | wc -l)" 42 "every partition is listed, in as many frames as it takes"
is "$(scontrol show partition named | sed -n 's/^ *Nodes=//p' | tr ',' '\n' | wc -l)" "$want" "scontrol show partition names them all"
like "$(scontrol show partition all40)" "TotalNodes=$((want + 1))" "the last partition too"
like "$(scontrol show partition nosuch 2>&1)" 'not found|Invalid partition' "one that is not there is refused"
done_testing
