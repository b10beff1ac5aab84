#!/bin/bash
# Much output: every byte of many tasks comes; a reader who stops stops his own step, and what keeps the bytes stays small.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 2 --cpus 16
export WORK
unset SLURM_JOB_ID SLURM_JOBID
cat > out.sh <<'SCRIPT'
#!/bin/sh
exec awk -v w="$WORK" -v r="${1:-$SLURM_PROCID}" -v n=163840 'BEGIN { for (k = 0; k < n; k++) printf "%02d %08d %051d\n", r, k, k * 7919 + r }'
SCRIPT
chmod 755 out.sh
task_of() { grep "^$(printf '%02d' "$1") " all | cksum; }

# 16 tasks x 10 MB (the bench has 64), to a reader who stops in between
mkfifo pipe
timeout 120 srun -N2 -n16 ./out.sh >pipe 2>err </dev/null & run=$!
exec 9<pipe
head -c 1000000 <&9 >all
srun_pid=$(pgrep -P $run -x srun)
shepherds="$(pid_of nodes/n1/shepherd.pid) $(pid_of nodes/n2/shepherd.pid)"
relays() { pgrep -f "^tender-relay --shepherd $DIR/"; }
# shellcheck disable=SC2086
rss_mb() { awk '/^VmRSS/ { if ($2 > m) m = $2 } END { print int(m / 1024) }' $(printf '/proc/%s/status ' $1) 2>/dev/null; }
# They wait in write(2), all of them: what is between them and the reader is full.
writes() { pgrep -f "^awk -v w=$WORK " | while read -r t; do awk '$1 == 1' "/proc/$t/syscall"; done 2>/dev/null | wc -l; }
all_wait() { [ "$(writes)" = "$1" ] && [ "$(writes)" = "$1" ] && [ "$(writes)" = "$1" ]; }
looks=''
[ "$(uname -m)" = x86_64 ] && [ -r /proc/self/syscall ] && looks=1
[ -n "$looks" ] || echo "# /proc does not tell what tasks wait for: not awaited"
[ -z "$looks" ] || wait_until "its tasks wait when nobody reads" all_wait 16
ok "srun holds little" test "$(rss_mb "$srun_pid")" -lt 64
ok "its relays hold little" test "$(rss_mb "$(relays)")" -lt 32
ok "the shepherds hold a bounded share for each task" test "$(rss_mb "$shepherds")" -lt 64
is "$(timeout 60 srun -n1 echo another)" another "another step is not concerned"
cat <&9 >>all
wait $run
is "$?:$(cat err)" "0:" "it ends well when it is read again"
is "$(wc -c <all)" $((16 * 163840 * 64)) "no byte is missing"
for r in 0 7 15; do is "$(task_of $r)" "$(./out.sh $r | cksum)" "those of task $r are the ones it wrote"; done

# a stopped srun: what waits is on the node, within its bound
timeout 120 srun -n4 ./out.sh >all4 2>err </dev/null & run=$!
wait_until "it writes" test -s all4
srun_pid=$(pgrep -P $run -x srun)
kill -STOP "$srun_pid"
[ -z "$looks" ] || wait_until "its tasks wait" all_wait 4
ok "its relay holds little" test "$(rss_mb "$(relays)")" -lt 32
ok "the node's shepherd holds little" test "$(rss_mb "$shepherds")" -lt 64
is "$(timeout 60 srun -n1 echo another)" another "another srun is not concerned"
kill -CONT "$srun_pid"
wait $run
is "$?:$(wc -c <all4)" "0:$((4 * 163840 * 64))" "and every byte came"
wait_until "nothing is left" queue_is_empty
done_testing
