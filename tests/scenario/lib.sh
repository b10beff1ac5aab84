# lib.sh - what scenario tests share: a cluster in a folder of its own, waiting for states, TAP lines
#
# A test sources this, calls cluster_up, then ok/is/wait_until, and ends with done_testing. Everything it started is
# ended through `tender down`; its folder goes with it. Tests may run side by side: nothing has a fixed name or port.
set -u
: "${TENDER_BIN:?TENDER_BIN must name the folder of the programs}"
PATH="$TENDER_BIN:$PATH"
export LC_ALL=C
unset SLURM_CONF SQUEUE_FORMAT SQUEUE_SORT SINFO_FORMAT SBATCH_PARTITION NO_COLOR
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/tender-test.XXXXXX")
chmod 755 "$WORK"
DIR=$WORK/cluster
count=0 failed=0

cleanup() {
    status=$?
    if [ -e "$DIR/slurm.conf" ]; then
        tender down --dir "$DIR" --force >"$WORK/down.log" 2>&1 || { echo "# tender down failed:"; sed 's/^/#   /' "$WORK/down.log"; }
    fi
    if [ -n "${ON_EXIT:-}" ]; then eval "$ON_EXIT"; fi
    if [ "$failed" -gt 0 ] || [ "$count" -eq 0 ]; then
        for log in "$DIR"/log/*.log "$DIR"/nodes/*/*.log; do
            [ -s "$log" ] && { echo "# --- ${log#"$DIR"/}"; tail -n 30 "$log" | sed 's/^/# /'; }
        done
    fi
    [ -n "${KEEP:-}" ] && echo "# kept: $WORK" || rm -rf "$WORK"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

ok() { # ok WHAT COMMAND...
    what=$1; shift; count=$((count + 1))
    if "$@"; then echo "ok $count - $what"; else echo "not ok $count - $what"; echo "#   failed: $*"; failed=$((failed + 1)); fi
}
is() { # is GOT WANT WHAT
    count=$((count + 1))
    if [ "$1" = "$2" ]; then echo "ok $count - $3"; else
        echo "not ok $count - $3"; printf '%s\n' "$1" | sed 's/^/#   got:  /'; printf '%s\n' "$2" | sed 's/^/#   want: /'; failed=$((failed + 1)); fi
}
like() { # like GOT PATTERN(extended regex) WHAT
    count=$((count + 1))
    if printf '%s\n' "$1" | grep -Eq -- "$2"; then echo "ok $count - $3"; else
        echo "not ok $count - $3"; printf '%s\n' "$1" | head -n 20 | sed 's/^/#   got:  /'; echo "#   want: $2"; failed=$((failed + 1)); fi
}
skip_all() { echo "1..0 # SKIP $1"; count=1; exit 77; }
# Waits for a state: COMMAND is asked until it succeeds; the bound only ends a test that has already failed.
wait_until() { # wait_until WHAT COMMAND...
    what=$1; shift; count=$((count + 1))
    end=$((SECONDS + ${WAIT_MAX:-60}))
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "not ok $count - $what (state never came)"; echo "#   waited for: $*"; squeue -a 2>&1 | head -n 20 | sed 's/^/#   /'
            failed=$((failed + 1)); return 1
        fi
        sleep 0.02
    done
    echo "ok $count - $what"
}
done_testing() { echo "1..$count"; [ "$failed" -eq 0 ]; exit $?; }

cluster_up() { # cluster_up [tender up options]
    tender up --dir "$DIR" "$@" >"$WORK/up.out" 2>"$WORK/up.err" || { echo "Bail out! tender up failed"; sed 's/^/# /' "$WORK/up.err"; failed=1; exit 1; }
    eval "$(grep '^export SLURM_CONF=' "$WORK/up.out")"
    export SLURM_CONF
}
job_state() { scontrol show job "$1" 2>/dev/null | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p' | head -n 1; }
job_is() { [ "$(job_state "$1")" = "$2" ]; }
queue_is_empty() { [ -z "$(squeue -h -a)" ]; }
pid_of() { cat "$DIR/$1" 2>/dev/null; } # pid_of state/run/broker.pid
submit() { sbatch --parsable "$@"; }
