#!/bin/bash
# Ninety jobs with a megabyte of arguments each blind nobody: a listing carries them only when they are shown.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2
printf '#!/bin/sh\ntrue\n' >a.sh
word=$(head -c 60000 /dev/zero | tr '\0' x)
long=()
for _ in $(seq 17); do long+=("$word"); done
for _ in $(seq 90); do submit -H -o /dev/null a.sh first "${long[@]}" last >/dev/null; done
after=$(submit -H -d afterok:1 -w "$(sinfo -h -o %N)" -o /dev/null --wrap true)
is "$(squeue -h 2>&1 | wc -l)" 91 "squeue lists them"
is "$(squeue -h -o '%i %T' | head -n 1)" "1 PENDING" "and by a format of its own"
like "$(squeue -h -j 3 -o %o)" 'a\.sh first x+.* last$' "their arguments come with %o, to the last of them"
like "$(squeue -h -j 3 -O Command:80)" 'a\.sh first' "or by name"
like "$(scontrol show job 3)" 'Command=.*a\.sh first x+.* last' "and in the job's block"
like "$(squeue -h -j "$after" -o '%E %n')" '^afterok:1.* [a-z0-9]+$' "dependency and nodes asked for come with %E and %n"
is "$(squeue -h -j "$after" -S E -o %i)" "$after" "a sort by one asks for it"
like "$(squeue -h -o %o 2>&1 | tail -n 1)" 'ask for fewer rows' "all of them at once are refused in words"
is "$(scontrol show job 2>err | grep -c JobId=)" 91 "scontrol shows all"
like "$(cat err)" 'left out' "and says what it leaves out"
done_testing
