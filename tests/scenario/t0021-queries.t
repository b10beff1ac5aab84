#!/bin/bash
# What scripts ask of the commands that Tender has no use for: answered as Slurm does, or refused by name.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up
fails() { # fails STATUS PATTERN COMMAND...: exits so, with these words on stderr
    want=$1 pattern=$2; shift 2
    "$@" >out 2>err; got=$?
    is "$got" "$want" "exit status of: $*"
    like "$(cat err)" "$pattern" "words of: $*"
}
id=$(submit -H -t 1:30 -o /dev/null --wrap true)
is "$(squeue -h -t PD,R,SUSPENDED,S,RESIZING,REQUEUED,SIGNALING,SO -o %i)" "$id" "states that are never reached find nothing more"
is "$(squeue -h -t SUSPENDED -o %i)" "" "nor anything by themselves"
is "$(squeue -h -t suspended,pd -o %i)" "$id" "in any case"
fails 1 'Invalid job state specified: NOSUCH' squeue -t NOSUCH
is "$(squeue -h -l | wc -l)" 1 "no date over a list without heading"
is "$(squeue -l | wc -l)" 3 "a date and a heading else"
fails 1 'Invalid node name specified' squeue -w nosuch
ok "a node that is there" squeue -w "$(sinfo -h -N -o %N | head -n 1)" >/dev/null
fails 255 'Invalid --mail-type specification: FOO' sbatch --mail-type=END,FOO -o /dev/null --wrap true
fails 0 'mail is not sent' sbatch -H --mail-type=END,time_limit_80 -o /dev/null --wrap true
fails 0 'every listing is of the local cluster' squeue --local
fails 1 'invalid keyword: foo$' scontrol foo
fails 1 'did you mean hold' scontrol hols
like "$(scontrol --help)" '^  requeuehold ' "scontrol --help lists its words"
like "$(sbatch --help)" 'neighbouring nodes .refused' "sbatch --help says what is refused"
like "$(sbatch --usage)" '\[--exclusive\[=WHAT\]\]' "an optional value is shown as one"
like "$(tender manual tender)" '\\-\\-from' "the man page has the journal's options"
if command -v jq >/dev/null; then
    is "$(squeue --json | jq -c '.errors, (.meta|type), .jobs[0].time_limit, (.jobs[0].submit_time|type), .jobs[0].array_job_id' | tr '\n' ' ')" \
        '[] "object" 2 "number" 0 ' "JSON has Slurm's types"
fi
done_testing
