#!/bin/bash
# A script that rewrites or deletes itself: the next job of the same text runs what was submitted. The copies that jobs
# run go with them, after a crash too.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 4
mkfifo go
exec 9<>go # so that neither side ever waits to open it
cat > job.sh <<'SCRIPT'
#!/bin/bash
#SBATCH -o out-%j
echo "as submitted: $1"
echo "0=$0"
echo "source=${BASH_SOURCE[0]}"
case $1 in
rewrite) chmod u+w "$0"; printf '#!/bin/bash\necho rewritten\n' > "$0" ;;
delete) rm -f "$0" 2>/dev/null ;;
wait) read -r _ < go; echo over ;;
esac
exit 0
SCRIPT
copies() { find "$DIR"/nodes/n1/spool -name slurm_script; }
none_left() { [ -d "$DIR/nodes/n1/spool/scripts" ] && [ -z "$(find "$DIR"/nodes/n1/spool/scripts -mindepth 1)" ]; }
ends() { # ends WORD: submits, waits for the end
    id=$(submit job.sh "$1")
    wait_until "a job that is to $1 ends" job_is "$id" COMPLETED
    is "$(head -n 1 "out-$id")" "as submitted: $1" "and ran what was submitted"
}
ends rewrite
ends delete
ends rewrite
ends nothing
like "$(sed -n 's/^0=//p' "out-$id")" "^/.*/job0000$id/slurm_script\$" "its name is a path like Slurm's"
is "$(sed -n 's/^source=//p' "out-$id")" "$(sed -n 's/^0=//p' "out-$id")" "and so is BASH_SOURCE"
wait_until "no copy is left behind" none_left

one=$(submit job.sh wait)
wait_until "a job runs" job_is "$one" RUNNING
wait_until "and reads its copy" grep -q source= "out-$one"
is "$(copies | wc -l)" 1 "there is one copy"
ok "it is the submitted text" cmp -s "$(copies)" job.sh
is "$(stat -c %a "$(copies)")" 500 "for its user alone"
kill -9 "$(pid_of nodes/n1/worker.pid)"
echo >&9 # it ends while no worker is there
is_over() { grep -q over "out-$one"; }
wait_until "it is over" is_over
up() { tender up --dir "$DIR" >/dev/null 2>&1; }
ok "the worker comes back" up
wait_until "and learns that the job has ended" job_is "$one" COMPLETED
wait_until "its copy goes" none_left

two=$(submit job.sh wait)
wait_until "another runs" job_is "$two" RUNNING
kill -9 "$(pid_of nodes/n1/worker.pid)" "$(pid_of nodes/n1/shepherd.pid)"
mkdir -p "$DIR/nodes/n1/spool/scripts/job00077.3"
echo left > "$DIR/nodes/n1/spool/scripts/job00077.3/slurm_script"
ok "worker and shepherd come back" up
second() { [ -e "$DIR/nodes/n1/spool/scripts/$(printf 'job%05d.2' "$two")/slurm_script" ]; }
wait_until "the job, which died with the shepherd, runs anew with another copy" second
scancel "$two"
wait_until "what a crash left goes" none_left
done_testing
