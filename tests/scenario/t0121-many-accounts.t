#!/bin/bash
# 5,000 users in 400 accounts: a file in Slurm's form is loaded in one request, changed, dumped, and gives itself again on another
# cluster; one that is wrong in its last line changes nothing.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2

awk 'BEGIN {
    print "# a cluster of 400 accounts"
    print "Cluster - \047big\047:Fairshare=1:QOS=\047normal\047"
    for (i = 0; i < 400; i++) {
        print "Parent - \047" (i < 20 ? "root" : "a" i % 20) "\047"
        print "Account - \047a" i "\047:Description=\047it\\\047s number " i "\047:Organization=\047o" i % 7 "\047:Fairshare=" 1 + i % 9 ":GrpTRES=\047cpu=" 10 + i ",gres/gpu=4\047:MaxWall=\0471-00:00:00\047"
    }
    for (i = 0; i < 400; i++) {
        print "Parent - \047a" i "\047"
        for (u = i; u < 5000; u += 400)
            print "User - \047u" u "\047:DefaultAccount=\047a" i "\047:Fairshare=" 1 + u % 5 (u % 3 ? "" : ":MaxJobs=" u % 11)
    }
}' >slurm.txt
ok "it loads" sacctmgr -Q load slurm.txt
is "$(sacctmgr -n -P list user format=user | wc -l)" 5001 "all users are there"
is "$(sacctmgr -n -P list account format=account | wc -l)" 401 "and all accounts"
is "$(sacctmgr -n -P list user u4999 format=user,defaultaccount)" "u4999|a199" "one of them"
is "$(sacctmgr -n -P list assoc user=u9 format=account,share,maxjobs,maxwall)" "a9|5|9|1-00:00:00" "limits of an account go for its users"
sacctmgr -i -Q modify user u9 where account=a9 set fairshare=77 maxwall=2:00:00
sacctmgr -i -Q add user u9 account=a10,a11
sacctmgr -i -Q modify account a25 set parent=a30
sacctmgr dump >one.txt
ok "the changes are in the dump" grep -q "^User - 'u9':DefaultAccount='a9':Fairshare=77:MaxJobs=9:MaxWall='02:00:00'" one.txt

{ cat slurm.txt; echo "User - 'last':Fairshare=none"; } >wrong.txt
like "$(sacctmgr load wrong.txt 2>&1)" "line 6203: Bad Fairshare" "a wrong line is named"
{ sed 's/Fairshare=1:QOS/Fairshare=9:QOS/' slurm.txt; printf "Parent - 'nowhere'\nUser - 'last':Fairshare=1\n"; } >wrong.txt
like "$(sacctmgr load wrong.txt 2>&1)" "nowhere" "an account that is not there, too"
sacctmgr dump >two.txt
ok "and nothing of it was done" cmp one.txt two.txt

tender down --dir "$DIR" --force >/dev/null 2>&1
DIR=$WORK/other
cluster_up --nodes 1 --cpus 2 --name "$(sed -n "s/^Cluster - '\([^']*\)'.*/\1/p" one.txt)"
ok "another cluster takes the dump" sacctmgr -Q load one.txt
sacctmgr dump >three.txt
ok "and gives the same" cmp one.txt three.txt
done_testing
