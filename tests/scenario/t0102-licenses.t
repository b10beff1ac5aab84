#!/bin/bash
# Licenses= of slurm.conf and sbatch -L: so many jobs at once as there are licences; the others wait, and say for what.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cat > slurm.conf <<'CONF'
ClusterName=licensed
Licenses=matlab:2,ansys
NodeName=n1 CPUs=8
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
cluster_up --conf slurm.conf
is "$(scontrol -o show licenses)" "LicenseName=matlab Total=2 Used=0 Free=2 Reserved=0 Remote=no
LicenseName=ansys Total=1 Used=0 Free=1 Reserved=0 Remote=no" "scontrol shows them"
refused() { # refused WORDS WHAT LIST
    sbatch -o /dev/null -L "$3" --wrap true >out 2>err
    like "$?:$(cat err)" "$1" "$2"
}
refused '^1:.*Invalid license specification.*matlab: there are 2' "more than there are" matlab:3
refused '^1:.*Invalid license specification.*comsol is not in Licenses of slurm.conf' "one that is not there" comsol
refused '.*Invalid license specification.*one or another .* cannot be asked for' "one or another" 'matlab|ansys'
refused '.*Invalid license specification.*is no number' "a count that is none" matlab:some
one=$(submit -o /dev/null -t 60 -L matlab --wrap 'sleep 600')
two=$(submit -o /dev/null -t 30 -L matlab,ansys:1 --wrap 'sleep 600')
wait_until "one runs" job_is "$one" RUNNING
wait_until "two run" job_is "$two" RUNNING
three=$(submit -o /dev/null -t 10 --licenses=matlab --wrap true)
other=$(submit -o /dev/null -t 10 --wrap true)
wait_until "who wants none runs" job_is "$other" COMPLETED
wait_until "the third waits for a licence" sh -c "squeue -h -j $three -o %r | grep -qx Licenses"
like "$(scontrol -o show lic matlab)" '^LicenseName=matlab Total=2 Used=2 Free=0 ' "none is left"
is "$(squeue -h -j "$three" -o %S)" "$(scontrol show job "$two" | grep -o 'EndTime=[^ ]*' | cut -d= -f2)" "it starts when the first is given back"
like "$(scontrol show job "$three")" 'Licenses=matlab ' "and says which"
kill -9 "$(pid_of state/run/broker.pid)"
tender up --dir "$DIR" >/dev/null 2>&1
wait_until "they are held through a restart" sh -c "scontrol -o show licenses | grep -q 'matlab Total=2 Used=2'"
scancel "$one"
wait_until "then it runs" job_is "$three" COMPLETED
scancel "$two"
wait_until "and all are free" sh -c "[ \"\$(scontrol -o show licenses | grep -c Used=0)\" = 2 ]"
printf 'ClusterName=licensed\nLicenses=matlab:none\nNodeName=n1 CPUs=8\nPartitionName=main Nodes=ALL Default=YES\n' >bad.conf
tender up --dir "$WORK/other" --conf bad.conf >out 2>err
like "$?:$(cat err)" '^1:.*bad.conf line 2: Licenses: Invalid license specification' "a line that is wrong is refused"
like "$(tender journal verify --dir "$DIR" 2>&1)" 'invariants hold' "the journal verifies"
is "$(grep -c 'digest' "$DIR/log/front.log")" 0 "the front's replica agrees"
done_testing
