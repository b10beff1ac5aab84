#!/bin/bash
# A cluster that is not root's runs its own user's jobs only: who else submits is told at once, with the way out.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
[ "$(id -u)" = 0 ] || skip_all "needs other users: runs as root only"
as() { HOME=$WORK/home setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"; } # as UID COMMAND...
mkdir "$DIR" home
chown 65534:65534 "$DIR" home
as 65534 tender up --dir "$DIR" --nodes 1 --cpus 2 >up.out 2>up.err || skip_all "another user cannot start a cluster here: $(head -n 1 up.err)"
eval "$(grep '^export SLURM_CONF=' up.out)"
export SLURM_CONF
refused() { # refused UID
    as "$1" sbatch -o /dev/null --wrap true >out 2>err
    is "$?" 1 "a job of user $1 is refused"
    like "$(cat err)" "runs jobs of user 65534 only, not of user $1" "saying why"
    like "$(cat err)" 'submit as that user, or let root start' "and the way out"
}
refused 65533
refused 0
is "$(squeue -h -a)" "" "nothing is queued"
id=$(as 65534 sbatch --parsable -o home/out --wrap 'id -u')
wait_until "its own user's job runs" job_is "$id" COMPLETED
is "$(cat home/out)" 65534 "as that user"
done_testing
