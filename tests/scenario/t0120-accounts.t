#!/bin/bash
# Accounting without a database: the first account turns it on; requests are done whole; a dump gives itself again.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 4
me=$(id -un)

is "$(sacctmgr -n -P list account)" "" "nothing is accounted for"
is "$(sacctmgr -n -P list QOS format=name)" "" "no QOS either"
job=$(submit --wrap 'true')
wait_until "jobs run without accounting" job_is "$job" COMPLETED

like "$(sacctmgr -i add account Chem description='Chemistry dept' organization=uni fairshare=10)" "Adding Account" "the first account"
is "$(sacctmgr -n -P list account)" "chem|Chemistry dept|uni
root|default root account|root" "is there, with the root"
ok "a user" sacctmgr -i -Q add user "$me" account=chem fairshare=5
ok "who has no account on this host is noted" sacctmgr -i -Q add user kim account=chem
is "$(sacctmgr -n -s list user kim format=account%20)" "                chem " "as snakemake asks for it"
is "$(sacctmgr list Account format=acc,Descr%-20 | sed -n 1,3p)" "   Account Descr                
---------- -------------------- 
      chem Chemistry dept       " "columns are padded"
is "$(sacctmgr -P list Association format=Cluster,Account,Share,GrpJobs,GrpTRES,GrpSubmit,MaxWall,defaultqos,QOS | sed -n 1p)" \
    "Cluster|Account|Share|GrpJobs|GrpTRES|GrpSubmit|MaxWall|Def QOS|QOS" "shortened names of fields"
ok "a QOS of the guide" sacctmgr -i -Q add qos small-fast priority=150 maxjobspu=10 MaxSubmit=20 maxwall=3:00:00 maxtres=gres/gpu=30 maxtrespernode=gres/gpu=1
is "$(sacctmgr -n -P list qos format=name,priority,maxjobspu,MaxSubmitPU,maxwall,maxtres,maxtrespernode,mintres)" \
    "normal|0||||||
small-fast|150|10|20|03:00:00|gres/gpu=30|gres/gpu=1|" "as the guide lists them" 
ok "limits of an account" sacctmgr -i -Q modify account chem set fairshare=10000 grpjobs=100 grpsubmit=200 maxwall=3-00:00:00 grptres=gres/gpu=50
is "$(sacctmgr -n -P list assoc account=chem user= format=share,grpjobs,grpsubmit,maxwall,grptres | head -n 1)" "10000|100|200|3-00:00:00|gres/gpu=50" "are set"
ok "one is taken away" sacctmgr -i -Q modify account where name=chem set grpjobs=-1
is "$(sacctmgr -n -P list assoc account=chem format=grpjobs | head -n 1)" "" "and is gone"

# All or nothing, and whoever may not is told.
like "$(sacctmgr -i add user park,lee account=chem,nowhere 2>&1)" "nowhere" "an account that is not there is named"
is "$(sacctmgr -n -P list user park)" "" "and nothing was done"
like "$(sacctmgr -i add account "it's" 2>&1)" "may not hold" "names with quotes are refused"
ok "letters of any language are not" sacctmgr -i -Q add account 화학 parent=chem
like "$(sacctmgr -i modify account chem set parent=화학 2>&1)" "circle" "no circles"
like "$(sacctmgr -i modify account chem set fairshare=2147483648 2>&1)" "over" "shares of 2^31"
like "$(sacctmgr -i modify account chem set frobs=1 2>&1)" "Unknown option" "an unknown field"
is "$(echo n | sacctmgr add account other | tail -n 1)" " Changes Discarded" "who says no has changed nothing"
is "$(sacctmgr -n -P list account other)" "" "really"
ok "who says yes has" sh -c 'echo y | sacctmgr add account other >/dev/null'
ok "coordinators" sacctmgr -i -Q add coordinator account=chem names="$me"

# Jobs know whose they are.
ok "a default account" sacctmgr -i -Q modify user "$me" set defaultaccount=chem
sbatch -Q --wrap 'sleep 60' >/dev/null
wait_until "a job of the default account" sh -c '[ "$(squeue -h -o "%a %q %T")" = "chem normal RUNNING" ]'
like "$(sacctmgr -i delete account chem 2>&1)" "active|default account" "an account in use stays"
scancel -u "$me"
wait_until "no job is left" queue_is_empty
like "$(sshare -a -P -n -o account,user,rawshares,levelfs)" "chem\|$me\|5\|[0-9i]" "sshare shows who used what"
is "$(sshare -al | sed -n 1p | tr -s ' ')" "Account User RawShares NormShares RawUsage NormUsage EffectvUsage FairShare LevelFS GrpTRESMins TRESRunMins " "the columns of the guide"
is "$(sshare -al | grep -c nan)" 0 "and no nan"
ok "usage is forgotten" sacctmgr -i -Q modify account chem set rawusage=0
is "$(sshare -a -P -n -o account,rawusage | sort -u | sed -n '/chem/p' | tr -d ' ' | head -n 1)" "chem|0" "all of it"

# Dump and load.
sacctmgr dump >one.txt
ok "a dump of a cluster" grep -q "^Account - 'chem':" one.txt
sed '$d' one.txt >cut.txt
like "$(sacctmgr load cut.txt 2>&1)" "nothing was loaded" "one without its last line is refused"
head -c $(($(wc -c <one.txt) / 2)) one.txt >half.txt
like "$(sacctmgr load half.txt 2>&1)" "nothing was loaded" "and one cut in half"
ok "it loads" sacctmgr -i -Q load one.txt
sacctmgr dump >two.txt
ok "and gives itself again" cmp one.txt two.txt
tender down --dir "$DIR" >/dev/null 2>&1
tender up --dir "$DIR" --nodes 1 --cpus 4 >/dev/null 2>&1
sacctmgr dump >three.txt
ok "after a restart, too" cmp one.txt three.txt
done_testing
