#!/bin/bash
# What tender up --conf says of a configuration names the file that was given, and its lines as they are there.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
up() { tender up --dir "$DIR" --conf "$@" >out 2>err; }
up_fails() { ! up "$@"; }
says() { # says WHAT LINE-OF-THE-FILE TEXT...: the file with that wrong line
    printf '%s\n' "${@:3}" >my.conf
    ok "$1 is refused" up_fails my.conf
    like "$(cat err)" "^tender up: error: my.conf line $2:" "by the line of the given file"
}
says "an unknown key" 1 'Bogus=1' 'NodeName=n1' 'PartitionName=p Nodes=n1'
says "one behind lines that are left out" 4 'ClusterName=c' 'Epilog=/e' 'SlurmctldHost=far' 'Bogus=1' 'NodeName=n1' 'PartitionName=p Nodes=n1'
says "one behind a comment" 3 '# mine' '' 'Bogus=1' 'NodeName=n1' 'PartitionName=p Nodes=n1'
says "a partition of nodes that are not there" 3 'SlurmctldHost=far' 'NodeName=n1 CPUs=1' 'PartitionName=p Nodes=n9'
says "one behind a line that goes on" 4 'ClusterName=c' 'NodeName=n1 \' '  CPUs=1' 'PartitionName=p Nodes=n9'
ok "nothing is made of it" test ! -e "$DIR"
echo 'ClusterName=c' >my.conf
ok "no node at all" up_fails my.conf
like "$(cat err)" '^tender up: error: my.conf declares no node' "names the file too"

mkdir there
printf '%s\n' 'ClusterName=c' 'FastSchedule=1' 'NodeName=n1 CPUs=1' 'Include more.conf' >there/my.conf
printf '%s\n' '# more' 'Bogus=1' 'PartitionName=p Nodes=n1 Default=YES' >there/more.conf
ok "a line of an included file" up_fails there/my.conf
like "$(cat err)" 'more.conf line 2:' "is one of that"
sed -i /Bogus/d there/more.conf
ok "a right one is taken" up there/my.conf
like "$(cat err)" '^tender up: note: there/my.conf line 2: FastSchedule' "and what has no effect is said by its line"
ok "the same again is the same" up there/my.conf
eval "$(grep '^export SLURM_CONF=' out)"
export SLURM_CONF
is "$(srun -n1 hostname)" "$(hostname)" "jobs run"
echo 'Bogus=1' >>"$DIR/slurm.conf"
lines=$(wc -l <"$DIR/slurm.conf")
scontrol reconfigure >out 2>&1
like "$(cat out)" "slurm.conf line $lines: .*Bogus" "later it is the cluster's own file whose lines are named"
done_testing
