/* test_store_damage.c - damage that still decodes, journals of the version before, and journals that are gone */
#include "store_place.h"

#include <fcntl.h>
#include <sys/stat.h>

static void fill(struct place *p, uint64_t seq)
{
    struct td_stored_blob blob = {.data = (const uint8_t *)"#!/bin/sh\ntrue\n", .len = 15};
    td_hash(blob.data, blob.len, blob.hash);
    struct td_buf info = {0}, input = {0};
    const struct td_job_info job = {.job = (uint32_t)seq, .partition = "normal", .spec = {.name = "eda"}};
    const struct td_wake wake = {.now_ms = 77, .seed = 5};
    td_wire_put_record(&info, &td_rec_job_info, &job);
    td_wire_put_record(&input, &td_rec_wake, &wake);
    const struct td_history_row row = {
        .job = (uint32_t)seq, .array_job = 3, .array_task = 4, .uid = 1000, .state = 5, .outcome = 6, .submit_ms = 7000,
        .start_ms = 8000, .end_ms = 9000, .user = "ada", .account = "acc", .partition = "normal", .name = "eda",
        .info = info.data, .len = (uint32_t)info.len};
    const struct td_stored_input in = {.now_ms = 77, .data = input.data, .len = (uint32_t)input.len};
    const struct td_store_batch b = {.blobs = &blob, .nblobs = 1, .history = &row, .nhistory = 1, .inputs = &in, .ninputs = 1};
    assert_int_equal(ops->append(p->s, &b, &p->err), 0);
    append_ok(p, seq, 10);
    snapshot(p, seq + 9);
    td_buf_release(&info);
    td_buf_release(&input);
}

static int verify(struct place *p, struct td_buf *report)
{
    struct td_store *s = NULL;
    int r = ops->open(p->dir, true, &s, &p->err);
    if (r == 0)
        r = ops->verify(s, report, &p->err);
    ops->close(&s);
    return r;
}

static void verify_ok(struct place *p, const char *words)
{
    struct td_buf report = {0};
    if (verify(p, &report) < 0)
        fail_msg("verify: %s", p->err.text);
    if (words && !strstr(td_buf_str(&report), words))
        fail_msg("verify says\n%s", td_buf_str(&report));
    td_buf_release(&report);
}

static void verify_finds(struct place *p, const char *after, const char *words)
{
    struct td_buf report = {0};
    int r = verify(p, &report);
    if (r != -TD_E_JOURNAL || !strstr(p->err.text, words))
        fail_msg("%s: verify says %d: %s\n%s", after, r, r < 0 ? p->err.text : "all is well", td_buf_str(&report));
    td_buf_release(&report);
}

/* One bit of each column of each table. Values are chosen so that what comes out still decodes and is in order. */
static void a_bit_in_any_column_is_found(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *table, *column, *where, *words;
    } rows[] = {
        {"events", "seq", "seq=10", "event 138 is damaged"},
        {"events", "time_ms", "seq=10", "event 10 is damaged"},
        {"events", "id", "seq=10", "event 10 is damaged"},
        {"events", "body", "seq=10", "event 10 is damaged"},
        {"events", "sum", "seq=10", "event 10 is damaged"},
        {"snapshots", "seq", "seq=10", "head of the snapshot of event 138 is damaged"},
        {"snapshots", "time_ms", "seq=10", "head of the snapshot of event 10 is damaged"},
        {"snapshots", "digest", "seq=10", "head of the snapshot of event 10 is damaged"},
        {"snapshot_records", "snapshot", "snapshot=10", "the snapshot of event 10 has no records"},
        {"snapshot_records", "no", "snapshot=10", "of the snapshot of event 10 is damaged"},
        {"snapshot_records", "kind", "snapshot=10", "record 0 of the snapshot of event 10 is damaged"},
        {"snapshot_records", "data", "snapshot=10", "record 0 of the snapshot of event 10 is damaged"},
        {"blobs", "data", "1", "not what its hash says"},
        {"blobs", "hash", "1", "not what its hash says"},
        {"history", "job", "1", "history row of job 129 is damaged"},
        {"history", "array_job", "1", "history row of job 1 is damaged"},
        {"history", "array_task", "1", "history row of job 1 is damaged"},
        {"history", "uid", "1", "history row of job 1 is damaged"},
        {"history", "state", "1", "history row of job 1 is damaged"},
        {"history", "outcome", "1", "history row of job 1 is damaged"},
        {"history", "submit_ms", "1", "history row of job 1 is damaged"},
        {"history", "start_ms", "1", "history row of job 1 is damaged"},
        {"history", "end_ms", "1", "history row of job 1 is damaged"},
        {"history", "user", "1", "history row of job 1 is damaged"},
        {"history", "account", "1", "history row of job 1 is damaged"},
        {"history", "partition", "1", "history row of job 1 is damaged"},
        {"history", "name", "1", "history row of job 1 is damaged"},
        {"history", "info", "1", "history row of job 1 is damaged"},
        {"history", "sum", "1", "history row of job 1 is damaged"},
        {"inputs", "wake", "1", "input of wake 129 is damaged"},
        {"inputs", "time_ms", "1", "input of wake 1 is damaged"},
        {"inputs", "seq", "1", "input of wake 1 is damaged"},
        {"inputs", "data", "1", "input of wake 1 is damaged"},
        {"meta", "value", "key='epoch'", "number of the last reign is damaged"},
        {"meta", "value", "key='epoch_sum'", "number of the last reign is damaged"},
    };
    fill(p, 1);
    ops->close(&p->s);
    verify_ok(p, "history: 1 jobs");
    behind(p, "CREATE TABLE was AS SELECT 0 AS dummy");
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        char sql[512];
        const char *table = rows[i].table, *column = rows[i].column;
        td_format(sql, sizeof(sql), "DROP TABLE was; CREATE TABLE was AS SELECT * FROM %s", table);
        behind(p, sql);
        td_format(sql, sizeof(sql),
                  "UPDATE %s SET %s=CASE typeof(%s) WHEN 'integer' THEN %s+CASE WHEN %s&128 THEN -128 ELSE 128 END "
                  "ELSE bit_in(%s) END WHERE %s",
                  table, column, column, column, column, column, rows[i].where);
        behind(p, sql);
        verify_finds(p, sql, rows[i].words);
        td_format(sql, sizeof(sql), "DELETE FROM %s; INSERT INTO %s SELECT * FROM was", table, table);
        behind(p, sql);
        verify_ok(p, NULL);
    }
    place_open(p);
}

/* Rows are whole, and queries by that index may be wrong: only a look at the file tells. */
static void an_index_that_does_not_fit_is_found(void **state)
{
    struct place *p = *state;
    fill(p, 1);
    assert_int_equal(ops->whole(p->s, &p->err), 0);
    ops->close(&p->s);
    static const char define[] = "PRAGMA writable_schema=ON;UPDATE sqlite_master SET sql='CREATE INDEX history_by_uid ON "
                                 "history(uid,end_ms)%s' WHERE name='history_by_uid'";
    char sql[256];
    td_format(sql, sizeof(sql), define, " WHERE uid<0");
    behind(p, sql);
    behind(p, "DELETE FROM history WHERE job>0"); /* without a condition every index would be emptied, too */
    td_format(sql, sizeof(sql), define, "");
    behind(p, sql);
    verify_finds(p, "an index with a row that is not there", "index history_by_uid. Only an index is, and no job is lost: sqlite3");
    place_open(p);
    assert_int_equal(ops->whole(p->s, &p->err), -TD_E_JOURNAL);
    ops->close(&p->s);
    behind(p, "REINDEX");
    verify_ok(p, "history: 0 jobs");
    place_open(p);
    assert_int_equal(ops->whole(p->s, &p->err), 0);
}

static bool take_event(void *ctx, const struct td_stored_event *ev)
{
    td_buf_putf(ctx, "e%llu,%lld,%u,%u:", (unsigned long long)ev->seq, (long long)ev->time_ms, ev->id, ev->len);
    td_buf_put(ctx, ev->body, ev->len);
    return true;
}
static bool take_record(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len)
{
    td_buf_putf(ctx, "r%u,%u:", kind, len);
    td_buf_put(ctx, data, len);
    return true;
}
static bool take_history(void *ctx, const struct td_history_row *h)
{
    td_buf_putf(ctx, "h%u,%u,%u,%u,%u,%u,%lld,%lld,%lld,%s,%s,%s,%s,%u:", h->job, h->array_job, h->array_task, h->uid, h->state,
                h->outcome, (long long)h->submit_ms, (long long)h->start_ms, (long long)h->end_ms, h->user, h->account,
                h->partition, h->name, h->len);
    td_buf_put(ctx, h->info, h->len);
    return true;
}
static bool take_input(void *ctx, uint64_t wake, int64_t now_ms, const uint8_t *data, uint32_t len)
{
    td_buf_putf(ctx, "i%llu,%lld,%u:", (unsigned long long)wake, (long long)now_ms, len);
    td_buf_put(ctx, data, len);
    return true;
}

/* Everything a reader gets to see. */
static void content(struct place *p, struct td_buf *out)
{
    struct td_store *s = NULL;
    const struct td_history_query all = {0};
    uint64_t seq, digest;
    int64_t time_ms;
    uint8_t hash[32];
    td_buf_reset(out);
    td_hash("#!/bin/sh\ntrue\n", 15, hash);
    assert_int_equal(ops->open(p->dir, true, &s, &p->err), 0);
    td_buf_putf(out, "epoch %llu ", (unsigned long long)ops->epoch(s));
    assert_int_equal(ops->read(s, 0, take_event, out, &p->err), 0);
    assert_int_equal(ops->snapshot_read(s, &seq, &time_ms, &digest, take_record, out, &p->err), 0);
    td_buf_putf(out, "s%llu,%lld,%llu", (unsigned long long)seq, (long long)time_ms, (unsigned long long)digest);
    assert_int_equal(ops->history(s, &all, take_history, out, &p->err), 0);
    assert_int_equal(ops->inputs(s, 0, take_input, out, &p->err), 0);
    assert_int_equal(ops->blob(s, hash, out, &p->err), 0);
    ops->close(&s);
}

/* Wherever in the file a bit turns over: it is found, or nobody reads it. */
static void no_bit_of_the_file_changes_what_is_read(void **state)
{
    struct place *p = *state;
    fill(p, 1);
    ops->close(&p->s);
    behind(p, "UPDATE meta SET value='' WHERE key='room'; VACUUM");
    struct td_buf was = {0}, is = {0}, report = {0};
    content(p, &was);
    char path[128];
    snprintf(path, sizeof(path), "%s/journal.db", p->dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    uint32_t found = 0, tried = 0;
    for (off_t at = 0; at < st.st_size; at++) {
        uint8_t byte, other;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        if (byte == 0 && at % 61) /* mostly room that nothing uses */
            continue;
        other = byte ^ (uint8_t)(1u << (at % 8));
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        tried++;
        if (verify(p, &report) < 0) {
            found++;
        } else {
            content(p, &is);
            if (is.len != was.len || memcmp(is.data, was.data, is.len) != 0)
                fail_msg("byte %ld of the file, %02x for %02x: not found, and something else is read", (long)at, other, byte);
        }
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    assert_true(found > tried / 2);
    content(p, &is);
    assert_int_equal(is.len, was.len);
    td_buf_release(&was);
    td_buf_release(&is);
    td_buf_release(&report);
    place_open(p);
}

static void a_damaged_row_of_the_history_hides_no_other(void **state)
{
    struct place *p = *state;
    fill(p, 1);
    fill(p, 11);
    behind(p, "UPDATE history SET uid=7 WHERE job=1");
    struct td_buf out = {0};
    const struct td_history_query all = {0};
    assert_int_equal(ops->history(p->s, &all, take_history, &out, &p->err), 0);
    assert_non_null(strstr(td_buf_str(&out), "h1,"));
    assert_non_null(strstr(td_buf_str(&out), "h11,"));
    td_buf_release(&out);
}

/* --- version 1 -------------------------------------------------------------------------------------------------------- */

/* As its brokers made it; never to be changed. */
static const char version_1[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, id INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE snapshots(seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, digest INTEGER NOT NULL);"
    "CREATE TABLE snapshot_records(snapshot INTEGER NOT NULL, no INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY(snapshot,no)) WITHOUT ROWID;"
    "CREATE TABLE blobs(hash BLOB PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE history(job INTEGER PRIMARY KEY, array_job INTEGER, array_task INTEGER, uid INTEGER, state INTEGER,"
    " outcome INTEGER, submit_ms INTEGER, start_ms INTEGER, end_ms INTEGER, user TEXT, account TEXT, partition TEXT,"
    " name TEXT, info BLOB NOT NULL);"
    "CREATE INDEX history_by_array ON history(array_job) WHERE array_job<>0;"
    "CREATE INDEX history_by_uid ON history(uid,end_ms);"
    "CREATE INDEX history_by_end ON history(end_ms);"
    "CREATE TABLE inputs(wake INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE INDEX inputs_by_seq ON inputs(seq);"
    "INSERT INTO meta(key,value) VALUES('epoch',7);"
    "PRAGMA application_id=1413761585; PRAGMA user_version=1; PRAGMA journal_mode=WAL;";

/* The rows of the journal there, in a file of version 1. */
static void back_to_version_1(struct place *p)
{
    char sql[1024], path[128], old[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/journal.db", p->dir);
    snprintf(old, sizeof(old), "%s/old.db", p->dir);
    ops->close(&p->s);
    assert_int_equal(sqlite3_open(old, &db), SQLITE_OK);
    snprintf(sql, sizeof(sql),
             "ATTACH '%s' AS now; INSERT INTO events SELECT seq,time_ms,id,body FROM now.events;"
             "INSERT INTO snapshots SELECT seq,time_ms,digest FROM now.snapshots;"
             "INSERT INTO snapshot_records SELECT snapshot,no,kind,data FROM now.snapshot_records;"
             "INSERT INTO blobs SELECT * FROM now.blobs;"
             "INSERT INTO history SELECT " TD_HISTORY_COLUMNS " FROM now.history;"
             "INSERT INTO inputs SELECT wake,time_ms,seq,data FROM now.inputs",
             path);
    if (sqlite3_exec(db, version_1, NULL, NULL, NULL) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(rename(old, path), 0);
}

static void a_journal_of_version_1_is_upgraded(void **state)
{
    struct place *p = *state;
    fill(p, 1);
    struct td_buf was = {0}, is = {0};
    back_to_version_1(p);
    content(p, &was); /* a reader leaves it as it is */
    verify_ok(p, "events without a checksum, of an earlier version: 10");
    verify_ok(p, "history rows without a checksum, of an earlier version: 1");

    place_open(p);
    assert_int_equal(ops->epoch(p->s), 8);
    content(p, &is);
    assert_int_equal(is.len, was.len);
    assert_memory_equal(is.data + 8, was.data + 8, is.len - 8); /* but for the epoch */
    fill(p, 11);
    verify_ok(p, "events without a checksum, of an earlier version: 10");
    verify_ok(p, "history: 2 jobs");
    verify_ok(p, "snapshot records without a checksum, of an earlier version: 1");
    verify_ok(p, "inputs without a checksum, of an earlier version: 1");
    ops->close(&p->s);
    place_open(p);
    assert_int_equal(ops->epoch(p->s), 9);

    behind(p, "UPDATE events SET time_ms=time_ms+1 WHERE seq=20");
    verify_finds(p, "new row", "event 20 is damaged");
    behind(p, "UPDATE events SET time_ms=time_ms-1, sum=NULL WHERE seq=20");
    verify_finds(p, "new row that lost its sum", "event 20 is damaged");
    behind(p, "UPDATE events SET sum=td_sum(seq,time_ms,id,body) WHERE seq=20; UPDATE events SET time_ms=0 WHERE seq=10");
    verify_finds(p, "old row, as before", "event 10 is older");
    td_buf_release(&was);
    td_buf_release(&is);
}

static void a_journal_of_a_later_version_is_refused(void **state)
{
    struct place *p = *state;
    ops->close(&p->s);
    behind(p, "PRAGMA user_version=3");
    assert_int_equal(ops->open(p->dir, false, &p->s, &p->err), -TD_E_VERSION);
    assert_non_null(strstr(p->err.text, "has version 3; this broker knows versions 1 to 2"));
    behind(p, "PRAGMA user_version=2");
    place_open(p);
}

/* --- gone --------------------------------------------------------------------------------------------------------------- */

static void put(struct place *p, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}
static void take(struct place *p, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    assert_int_equal(unlink(path), 0);
}
static bool is_there(struct place *p, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    return access(path, F_OK) == 0;
}
static void refused(struct place *p, const char *words)
{
    for (int read_only = 0; read_only < 2; read_only++) {
        int r = ops->open(p->dir, read_only, &p->s, &p->err);
        if (r != -TD_E_JOURNAL || !strstr(p->err.text, words) || !strstr(p->err.text, "begins anew"))
            fail_msg("\"%s\" expected: %d %s", words, r, r < 0 ? p->err.text : "taken");
        assert_null(p->s);
    }
}

static void a_lost_journal_is_not_replaced(void **state)
{
    struct place *p = *state;
    static const char *const traces[] = {"broker.key", "broker.ports", "journal.db-wal"};
    append_ok(p, 1, 3);
    ops->close(&p->s);
    put(p, "journal.db", "");
    put(p, "journal.db-wal", "committed and not yet in the file");
    refused(p, "journal.db is empty");
    assert_true(is_there(p, "journal.db-wal")); /* SQLite would have dropped it */
    take(p, "journal.db-wal");
    refused(p, "journal.db is empty");
    take(p, "journal.db");
    for (size_t i = 0; i < TD_ARRAY_LEN(traces); i++) {
        char words[64];
        put(p, traces[i], "x");
        snprintf(words, sizeof(words), "is missing, but %s is of an earlier reign", traces[i]);
        refused(p, words);
        assert_false(is_there(p, "journal.db"));
        take(p, traces[i]);
    }
    place_open(p); /* nothing but the lock: a broker that died before it had a journal */
    assert_int_equal(ops->epoch(p->s), 1);
}

static void what_a_first_start_left_unfinished_is_no_journal(void **state)
{
    struct place *p = *state;
    ops->close(&p->s);
    take(p, "journal.db");
    put(p, "journal.new", "half of a journal");
    put(p, "journal.new-journal", "its log");
    place_open(p);
    append_ok(p, 1, 1);
    assert_false(is_there(p, "journal.new"));
    assert_false(is_there(p, "journal.new-journal"));
}

static void a_cut_or_foreign_file_is_refused(void **state)
{
    struct place *p = *state;
    char path[128], cmd[300];
    struct stat st;
    fill(p, 1);
    ops->close(&p->s);
    snprintf(path, sizeof(path), "%s/journal.db", p->dir);
    snprintf(cmd, sizeof(cmd), "cp '%s' '%s/whole'", path, p->dir);
    assert_int_equal(system(cmd), 0);
    assert_int_equal(stat(path, &st), 0);
    for (off_t size = 1; size < 512; size += 170) {
        assert_int_equal(truncate(path, size), 0);
        refused(p, "journal.db is cut off");
    }
    const off_t sizes[] = {512, 1024, 4096, 8192, st.st_size / 2, st.st_size - 4096};
    for (size_t i = 0; i < TD_ARRAY_LEN(sizes); i++) {
        snprintf(cmd, sizeof(cmd), "cp '%s/whole' '%s'", p->dir, path);
        assert_int_equal(system(cmd), 0);
        assert_int_equal(truncate(path, sizes[i]), 0);
        refused(p, "journal.db is damaged");
    }
    char text[2001];
    memset(text, 'x', sizeof(text) - 1); /* long enough to have a header of one, were it a database */
    text[sizeof(text) - 1] = '\0';
    put(p, "journal.db", text);
    refused(p, "journal.db is damaged");
    take(p, "journal.db");
    behind(p, "CREATE TABLE t(a)");
    refused(p, "is not a journal of Tender");
    snprintf(cmd, sizeof(cmd), "cp '%s/whole' '%s'", p->dir, path);
    assert_int_equal(system(cmd), 0);
    place_open(p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_bit_in_any_column_is_found),
        T(an_index_that_does_not_fit_is_found),
        T(no_bit_of_the_file_changes_what_is_read),
        T(a_damaged_row_of_the_history_hides_no_other),
        T(a_journal_of_version_1_is_upgraded),
        T(a_journal_of_a_later_version_is_refused),
        T(a_lost_journal_is_not_replaced),
        T(what_a_first_start_left_unfinished_is_no_journal),
        T(a_cut_or_foreign_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
