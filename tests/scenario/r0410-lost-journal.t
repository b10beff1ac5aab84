#!/bin/bash
# A journal that was emptied, cut off or taken away from beside the broker's key was taken for a new one: every job gone
# without a word. And: the journal of a cluster at work is dumped and verified without holding up anybody.
. "$(dirname "$0")/lib.sh"
cd "$WORK" || exit 1
cluster_up --nodes 1 --cpus 2
for i in $(seq 5); do submit -o /dev/null --wrap=true >/dev/null; done
held=$(submit -H -o /dev/null --wrap=true)
wait_until "jobs end" job_is 5 COMPLETED

for i in $(seq 20); do
    submit -H -o /dev/null --wrap=true >/dev/null || echo "# submission $i failed"
    tender journal dump --dir "$DIR" >dump.$i 2>dump.err || echo "# dump $i failed: $(cat dump.err)" >>dumps.bad
done
ok "the journal is dumped while the cluster works" test ! -e dumps.bad
is "$(squeue -h -t PD -o %i | wc -l)" 21 "and jobs are accepted meanwhile"
lines=$(tender journal dump --dir "$DIR" | grep -c '"type":"JOB_SUBMITTED"')
is "$lines" 26 "a dump of the cluster at work has every job"
like "$(tender journal verify --dir "$DIR" 2>&1)" 'invariants hold' "and it verifies"

broker=$(pid_of state/run/broker.pid)
kill -9 "$broker"
gone() { ! kill -0 "$broker" 2>/dev/null; }
wait_until "the broker is dead" gone
mkdir kept
mv "$DIR"/state/journal.db* kept/
refused() { # refused WORDS WHAT
    tender up --dir "$DIR" >out 2>err && echo "# it came up" >>err
    like "$(cat err)" "$1" "$2"
    like "$(cat err)" 'begins anew' "and the way out is said"
}
refused 'journal.db is missing, but broker.key is of an earlier reign' "a journal that is gone is refused"
: >"$DIR/state/journal.db"
cp kept/journal.db-wal "$DIR/state/"
refused 'journal.db is empty' "an empty one is refused"
ok "and the log beside it is left alone" cmp kept/journal.db-wal "$DIR/state/journal.db-wal"
rm "$DIR/state/journal.db-wal"
head -c 8192 kept/journal.db >"$DIR/state/journal.db"
refused 'journal.db is damaged|is not a journal' "one that is cut off is refused"
head -c 8192 /dev/zero >"$DIR/state/journal.db"
refused 'journal.db is damaged|is not a journal' "something else is refused"
cp kept/journal.db* "$DIR/state/"
ok "with the journal back the broker starts" tender up --dir "$DIR"
is "$(squeue -h -t PD -o %i | wc -l)" 21 "with every job"
is "$(job_state "$held")" PENDING "as it was"

# An index that does not fit its table would give answers that lack something.
if command -v sqlite3 >/dev/null; then
    tender down --dir "$DIR" --force 2>/dev/null
    db=$DIR/state/journal.db
    define() { sqlite3 -cmd 'PRAGMA writable_schema=ON' "$db" "UPDATE sqlite_master SET sql='CREATE INDEX inputs_by_seq ON inputs(seq)$1' WHERE name='inputs_by_seq'"; }
    define ' WHERE seq<0'
    sqlite3 "$db" "INSERT INTO inputs(wake,time_ms,seq,data) VALUES(1000000000,1,1,x'')" # which no index names
    define ''
    tender up --dir "$DIR" >out 2>err && echo "# it came up" >>err
    like "$(cat err)" 'journal.db is damaged: .*index inputs_by_seq. Only an index is, and no job is lost' "a damaged index is refused"
    way=$(sed -n 's/.*: \(sqlite3 .* REINDEX\) makes it anew.*/\1/p' err)
    ok "the way out that is said" eval "$way"
    sqlite3 "$db" "DELETE FROM inputs WHERE wake=1000000000"
    ok "leads out" tender up --dir "$DIR"
    like "$(cat "$DIR/log/broker.log")" 'info journal checked mib=[0-9]+ ms=' "the file was looked at"
    is "$(job_state "$held")" PENDING "and every job is there"
fi
done_testing
