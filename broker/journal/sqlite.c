/* sqlite.c - the embedded store: opening, the fence, transactions
 *
 * Owns: the connection, its prepared statements, the lock file. The operations live beside it: append.c, read.c,
 * snapshot.c, check.c; sum.c has the checksum that each row ends with.
 *
 * Fatal to the caller: DEPOSED (somebody took a later epoch: stop). Not fatal: NO_SPACE and JOURNAL; the transaction
 * is rolled back and the store can be used again when the cause is gone. */
#include "broker/journal/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BUSY_MS 3000
/* The log is moved into the file from so many pages on: with time to spare, and in any case. In between, commits write
 * over log pages that exist already, which saves the file system an update of its own. */
#define WAL_PAGES_SPARE 256
#define WAL_PAGES_MOST 4096

/* The columns of a row in the order in which they are summed: key first. */
#define EVENT "seq,time_ms,id,body"
#define SNAPSHOT "seq,time_ms,digest"
#define RECORD "snapshot,no,kind,data"
#define INPUT "wake,time_ms,seq,data"
#define CHECK(columns) "td_check(sum," columns ")"
#define PUT(table, columns, values) table "(" columns ",sum) VALUES(" values ",td_sum(" values "))"

static const char *const stmt_sql[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_EPOCH] = "SELECT value FROM meta WHERE key='epoch'",
    /* With the epoch goes a row of some size: a reign begins only where there is room to do something. */
    [ST_SET_EPOCH] = "INSERT OR REPLACE INTO meta(key,value) VALUES('epoch',?1),('epoch_sum',td_sum(?1)),('room',zeroblob(65536))",
    [ST_EPOCH_CHECK] = "SELECT td_check((SELECT value FROM meta WHERE key='epoch_sum'),value) IS 1 FROM meta WHERE key='epoch'",
    [ST_EVENT_PUT] = "INSERT INTO " PUT("events", EVENT, "?1,?2,?3,?4"),
    [ST_EVENT_RANGE] = "SELECT coalesce(max(seq),0) FROM events",
    [ST_EVENT_FROM] = "SELECT " EVENT "," CHECK(EVENT) " FROM events WHERE seq>=?1 ORDER BY seq",
    [ST_EVENT_DROP] = "DELETE FROM events WHERE seq<=min(?1,(SELECT min(seq) FROM events)+?2-1)" /* one bound: with two it walks to the further */,
    [ST_BLOB_PUT] = "INSERT OR IGNORE INTO blobs(hash,data) VALUES(?1,?2)",
    [ST_BLOB_GET] = "SELECT data FROM blobs WHERE hash=?1",
    [ST_BLOB_HAS] = "SELECT 1 FROM blobs WHERE hash=?1",
    [ST_BLOB_NEXT] = "SELECT hash FROM blobs WHERE hash>?1 ORDER BY hash LIMIT ?2",
    [ST_BLOB_DROP] = "DELETE FROM blobs WHERE hash=?1",
    [ST_HISTORY_PUT] = "INSERT OR REPLACE INTO " PUT("history", TD_HISTORY_COLUMNS,
                                                     "?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14"),
    [ST_HISTORY_PURGE] = "DELETE FROM history WHERE job IN (SELECT job FROM history WHERE end_ms<?1 ORDER BY end_ms,job LIMIT ?2)",
    [ST_INPUT_PUT] = "INSERT INTO " PUT("inputs", INPUT, "?1,?2,?3,?4"),
    [ST_INPUT_FROM] = "SELECT " INPUT "," CHECK(INPUT) " FROM inputs WHERE wake>=?1 ORDER BY wake",
    [ST_INPUT_LAST] = "SELECT coalesce(max(wake),0) FROM inputs",
    [ST_INPUT_DROP] = "DELETE FROM inputs WHERE wake<min(coalesce((SELECT min(wake) FROM inputs WHERE seq>?1),"
                      "(SELECT max(wake)+1 FROM inputs)),(SELECT min(wake) FROM inputs)+?2)",
    [ST_SNAP_PUT] = "INSERT INTO " PUT("snapshots", SNAPSHOT, "?1,?2,?3"),
    [ST_SNAP_HAS] = "SELECT 1 FROM snapshots WHERE seq=?1",
    [ST_SNAP_DROP] = "DELETE FROM snapshots WHERE seq<?1",
    [ST_SNAP_RECORD_PUT] = "INSERT INTO " PUT("snapshot_records", RECORD, "?1,?2,?3,?4"),
    [ST_SNAP_RECORD_DROP] = "DELETE FROM snapshot_records WHERE (snapshot,no) IN (SELECT snapshot,no FROM snapshot_records"
                           " WHERE snapshot<?1 ORDER BY snapshot,no LIMIT ?2)",
    [ST_SNAP_RECORD_CLEAR] = "DELETE FROM snapshot_records WHERE snapshot=?1",
    [ST_SNAP_LIST] = "SELECT " SNAPSHOT "," CHECK(SNAPSHOT) " FROM snapshots ORDER BY seq",
    [ST_SNAP_NEWEST] = "SELECT " SNAPSHOT "," CHECK(SNAPSHOT) " FROM snapshots ORDER BY seq DESC LIMIT 1",
    [ST_SNAP_RECORDS] = "SELECT " RECORD "," CHECK(RECORD) " FROM snapshot_records WHERE snapshot=?1 ORDER BY no",
};

const char td_store_schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, id INTEGER NOT NULL, body BLOB NOT NULL,"
    " sum INTEGER);"
    "CREATE TABLE snapshots(seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, digest INTEGER NOT NULL, sum INTEGER);"
    "CREATE TABLE snapshot_records(snapshot INTEGER NOT NULL, no INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " data BLOB NOT NULL, sum INTEGER, PRIMARY KEY(snapshot,no)) WITHOUT ROWID;"
    "CREATE TABLE blobs(hash BLOB PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE history(job INTEGER PRIMARY KEY, array_job INTEGER, array_task INTEGER, uid INTEGER, state INTEGER,"
    " outcome INTEGER, submit_ms INTEGER, start_ms INTEGER, end_ms INTEGER, user TEXT, account TEXT, partition TEXT,"
    " name TEXT, info BLOB NOT NULL, sum INTEGER);"
    "CREATE INDEX history_by_array ON history(array_job) WHERE array_job<>0;"
    "CREATE INDEX history_by_uid ON history(uid,end_ms);"
    "CREATE INDEX history_by_end ON history(end_ms);"
    "CREATE TABLE inputs(wake INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL,"
    " sum INTEGER);"
    "CREATE INDEX inputs_by_seq ON inputs(seq);"
    "INSERT INTO meta(key,value) VALUES('epoch',0),('epoch_sum',td_sum(0));";

/* What version 1 lacked; for a reader, who may change nothing, a view each. */
static const struct {
    const char *table, *key;
} summed[SUM_COUNT] = {
    [SUM_EVENTS] = {"events", "seq"},   [SUM_SNAPSHOTS] = {"snapshots", "seq"}, [SUM_RECORDS] = {"snapshot_records", "snapshot"},
    [SUM_HISTORY] = {"history", "job"}, [SUM_INPUTS] = {"inputs", "wake"},
};

static uint64_t file_bytes(const struct td_store *s, const char *suffix)
{
    char path[4200];
    struct stat st;
    snprintf(path, sizeof(path), "%s/journal.db%s", s->dir, suffix);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* SQLite says "disk I/O error" to a limit and to a quota alike, and the errno is gone by then: ask the disk again. */
static int errno_of_writing(const struct td_store *s)
{
    struct rlimit lim;
    uint64_t largest = TD_MAX(file_bytes(s, ""), file_bytes(s, "-wal"));
    if (getrlimit(RLIMIT_FSIZE, &lim) == 0 && lim.rlim_cur != RLIM_INFINITY && largest + 65536 > lim.rlim_cur)
        return EFBIG;

    static const char some[65536];
    char path[4200];
    snprintf(path, sizeof(path), "%s/journal.probe", s->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    int e = write(fd, some, sizeof(some)) < 0 || fsync(fd) < 0 ? errno : 0;
    close(fd);
    unlink(path);
    return e;
}

int td_store_fail(struct td_store *s, struct td_error *err, const char *what)
{
    int rc = sqlite3_extended_errcode(s->db);
    int primary = rc & 0xff;
    const char *words = sqlite3_errmsg(s->db);
    int sys = 0;
    if (primary == SQLITE_FULL)
        sys = ENOSPC;
    else if (!s->read_only && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN))
        sys = errno_of_writing(s);
    if (sys == ENOSPC || sys == EDQUOT || sys == EFBIG)
        return td_fail(err, TD_E_NO_SPACE, "%s: cannot %s: %s", s->dir, what,
                       sys == EFBIG ? "the file size limit is reached"
                       : sys == EDQUOT ? "the disk quota is used up"
                                       : "no space left on its disk");
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        return td_fail(err, TD_E_JOURNAL, "%s: cannot %s: journal.db is damaged (%s). " TD_STORE_WAY_OUT, s->dir, what, words);
    if (primary == SQLITE_BUSY)
        return td_fail(err, TD_E_JOURNAL, "%s: cannot %s: another process keeps the journal locked", s->dir, what);
    if (sys)
        return td_fail(err, TD_E_JOURNAL, "%s: cannot %s: %s (%s)", s->dir, what, words, strerror(sys));
    return td_fail(err, TD_E_JOURNAL, "%s: cannot %s: %s", s->dir, what, words);
}

sqlite3_stmt *td_store_stmt(struct td_store *s, enum td_store_stmt which)
{
    if (!s->stmts[which])
        sqlite3_prepare_v3(s->db, stmt_sql[which], -1, SQLITE_PREPARE_PERSISTENT, &s->stmts[which], NULL);
    return s->stmts[which];
}

int td_store_step(struct td_store *s, sqlite3_stmt *st, const char *what, struct td_error *err)
{
    int r = 0;
    if (!st || sqlite3_step(st) != SQLITE_DONE)
        r = td_store_fail(s, err, what);
    if (st)
        sqlite3_reset(st);
    return r;
}

int td_store_read_u64(struct td_store *s, enum td_store_stmt which, uint64_t *ret, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, which);
    if (!st || sqlite3_step(st) != SQLITE_ROW) {
        int r = td_store_fail(s, err, "read the journal");
        if (st)
            sqlite3_reset(st);
        return r;
    }
    *ret = (uint64_t)sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return 0;
}

int td_store_begin(struct td_store *s, struct td_error *err)
{
    TD_ASSERT(!s->read_only);
    int r = td_store_step(s, td_store_stmt(s, ST_BEGIN), "begin a transaction", err);
    if (r < 0)
        return r;
    uint64_t epoch = 0;
    r = td_store_read_u64(s, ST_EPOCH, &epoch, err);
    if (r == 0 && epoch != s->epoch)
        r = td_fail(err, TD_E_DEPOSED, "%s: another broker leads with epoch %llu, ours is %llu", s->dir,
                    (unsigned long long)epoch, (unsigned long long)s->epoch);
    if (r < 0)
        td_store_rollback(s);
    return r;
}

int td_store_commit(struct td_store *s, struct td_error *err)
{
    int r = td_store_step(s, td_store_stmt(s, ST_COMMIT), "commit to the journal", err);
    if (r < 0)
        td_store_rollback(s);
    return r;
}

void td_store_rollback(struct td_store *s)
{
    /* After some failures SQLite has rolled back by itself. */
    if (sqlite3_get_autocommit(s->db))
        return;
    sqlite3_stmt *st = td_store_stmt(s, ST_ROLLBACK);
    if (st) {
        sqlite3_step(st);
        sqlite3_reset(st);
    }
    TD_ASSERT(sqlite3_get_autocommit(s->db));
}

static int wal_grew(void *ctx, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct td_store *s = ctx;
    s->wal_pages = (uint32_t)pages;
    return SQLITE_OK;
}

static int store_idle(struct td_store *s, bool spare, struct td_error *err)
{
    if (s->wal_pages < (spare ? WAL_PAGES_SPARE : WAL_PAGES_MOST))
        return 0;
    int in_log = 0, moved = 0;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
    if (rc == SQLITE_OK || rc == SQLITE_BUSY) {
        /* A reader may hold back the rest; then it waits for as many pages more. */
        s->wal_pages = 0;
        return 0;
    }
    return td_store_fail(s, err, "move the log into the journal");
}

static int lock_take(struct td_store *s, struct td_error *err)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/journal.lock", s->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return td_fail(err, errno == ENOSPC ? TD_E_NO_SPACE : TD_E_JOURNAL, "cannot open %s: %s", path,
                       strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        char who[32] = "";
        ssize_t n = read(fd, who, sizeof(who) - 1);
        who[n > 0 ? n : 0] = '\0';
        who[strcspn(who, "\n")] = '\0';
        close(fd);
        return td_fail(err, TD_E_BUSY, "%s is in use by another broker (process %s)", s->dir, who[0] ? who : "unknown");
    }
    /* For people only: on a full disk it may stay empty. */
    char pid[32];
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || write(fd, pid, (size_t)len) != len)
        pid[0] = '\0';
    s->lock_fd = fd;
    return 0;
}

static int exec_sql(struct td_store *s, const char *sql, const char *what, struct td_error *err)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        int r = td_store_fail(s, err, what);
        td_store_rollback(s);
        return r;
    }
    return 0;
}

static int pragma_int(struct td_store *s, const char *sql, int64_t *ret, struct td_error *err)
{
    sqlite3_stmt *st = NULL;
    int r = 0;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
        r = td_store_fail(s, err, "read the journal");
    else
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return r;
}

/* Each table and index reads as it was made (to the letter: SQLite keeps the text, also through an upgrade). A damaged name
 * or type would give other values without a word. */
static int tables_check(struct td_store *s, struct td_error *err)
{
    static const char entries[] = "SELECT name,replace(sql,?1,'') FROM main.sqlite_master WHERE sql IS NOT NULL ORDER BY name";
    const char *const later = s->version < 2 ? ", sum INTEGER" : "no such text";
    sqlite3 *made = NULL;
    sqlite3_stmt *want = NULL, *is = NULL;
    int r = 0, rc = sqlite3_open_v2(":memory:", &made, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    TD_ASSERT(rc == SQLITE_OK && td_store_sums(made) == SQLITE_OK && sqlite3_exec(made, td_store_schema, NULL, NULL, NULL) == SQLITE_OK);
    TD_ASSERT(sqlite3_prepare_v2(made, entries, -1, &want, NULL) == SQLITE_OK);
    sqlite3_bind_text(want, 1, later, -1, SQLITE_STATIC);
    if (sqlite3_prepare_v2(s->db, "SELECT sql FROM main.sqlite_master WHERE name=?1", -1, &is, NULL) != SQLITE_OK)
        r = td_store_fail(s, err, "read the journal");
    while (r == 0 && (rc = sqlite3_step(want)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(want, 0);
        sqlite3_bind_text(is, 1, name, -1, SQLITE_TRANSIENT);
        int got = sqlite3_step(is);
        if (got != SQLITE_ROW && got != SQLITE_DONE)
            r = td_store_fail(s, err, "read the journal");
        else if (got == SQLITE_DONE || !td_str_equal((const char *)sqlite3_column_text(is, 0), (const char *)sqlite3_column_text(want, 1)))
            r = td_fail(err, TD_E_JOURNAL, "%s: journal.db is damaged (%s is not described as it was made). " TD_STORE_LOST, s->dir, name);
        sqlite3_reset(is);
    }
    sqlite3_finalize(want);
    sqlite3_finalize(is);
    TD_ASSERT(sqlite3_close(made) == SQLITE_OK);
    return r;
}

/* A file of ours, of a version we know. */
static int schema_check(struct td_store *s, struct td_error *err)
{
    int64_t app = 0, version = 0;
    int r = pragma_int(s, "PRAGMA application_id", &app, err);
    if (r == 0)
        r = pragma_int(s, "PRAGMA user_version", &version, err);
    if (r < 0)
        return r;
    if (app != TD_STORE_APPLICATION_ID)
        return td_fail(err, TD_E_JOURNAL, "%s/journal.db is not a journal of Tender. " TD_STORE_LOST, s->dir);
    if (version < 1 || version > TD_STORE_VERSION)
        return td_fail(err, TD_E_VERSION, "%s/journal.db has version %lld; this broker knows versions 1 to %d", s->dir,
                       (long long)version, TD_STORE_VERSION);
    s->version = (int)version;
    return tables_check(s, err);
}

/* A reader of version 1 sees the tables of today. */
static int views_make(struct td_store *s, struct td_error *err)
{
    struct td_buf sql = {0};
    for (int i = 0; i < SUM_COUNT; i++) {
        td_buf_putf(&sql, "CREATE TEMP VIEW %s AS SELECT *,NULL AS sum FROM main.%s;", summed[i].table, summed[i].table);
        s->unsummed[i] = UINT64_MAX;
    }
    int r = exec_sql(s, td_buf_str(&sql), "set up the journal", err);
    td_buf_release(&sql);
    return r;
}

/* Version 1 to 2, in a transaction that is fenced. No row is written again: that would take minutes and bless what is
 * damaged already. */
static int upgrade(struct td_store *s, struct td_error *err)
{
    struct td_buf sql = {0};
    for (int i = 0; i < SUM_COUNT; i++)
        td_buf_putf(&sql,
                    "ALTER TABLE %s ADD COLUMN sum INTEGER;"
                    "INSERT OR REPLACE INTO meta(key,value) SELECT 'unsummed_%s',coalesce(max(%s),0) FROM %s;",
                    summed[i].table, summed[i].table, summed[i].key, summed[i].table);
    td_buf_putf(&sql, "PRAGMA user_version=%d", TD_STORE_VERSION);
    int r = td_store_begin(s, err);
    if (r == 0)
        r = exec_sql(s, td_buf_str(&sql), "upgrade the journal", err);
    if (r == 0)
        r = td_store_commit(s, err);
    td_buf_release(&sql);
    if (r == 0)
        s->version = TD_STORE_VERSION;
    return r;
}

static int unsummed_read(struct td_store *s, struct td_error *err)
{
    int r = 0;
    for (int i = 0; r == 0 && i < SUM_COUNT; i++) {
        char sql[128];
        int64_t key = 0;
        td_format(sql, sizeof(sql), "SELECT coalesce((SELECT value FROM meta WHERE key='unsummed_%s'),0)", summed[i].table);
        r = pragma_int(s, sql, &key, err);
        s->unsummed[i] = (uint64_t)key;
    }
    return r;
}

/* A wrong epoch would depose the right broker, or let workers take a new reign for an old one. */
static int epoch_check(struct td_store *s, struct td_error *err)
{
    uint64_t fits = 0;
    int r = td_store_read_u64(s, ST_EPOCH_CHECK, &fits, err);
    if (r == 0 && !fits)
        r = td_fail(err, TD_E_JOURNAL, "%s: the number of the last reign is damaged: it does not give its checksum. " TD_STORE_WAY_OUT,
                    s->dir);
    return r;
}

static int settings_apply(struct td_store *s, struct td_error *err)
{
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (td_store_sums(s->db) != SQLITE_OK)
        return td_store_fail(s, err, "set up the journal");
    /* A reader sees one moment for as long as it is open: what it reads in several steps fits together. */
    if (s->read_only)
        return exec_sql(s, "BEGIN", "set up the journal", err);
    int r = exec_sql(s,
                     "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA wal_autocheckpoint=0;"
                     "PRAGMA journal_size_limit=67108864;PRAGMA cache_size=-16384;PRAGMA temp_store=MEMORY;PRAGMA secure_delete=0;"
                     "PRAGMA foreign_keys=0",
                     "set up the journal", err);
    if (r == 0)
        sqlite3_wal_hook(s->db, wal_grew, s);
    return r;
}

/* Takes the next epoch. The writer before us, if it still lives, finds out at its next append. */
static int epoch_take(struct td_store *s, struct td_error *err)
{
    int r = td_store_step(s, td_store_stmt(s, ST_BEGIN), "begin a transaction", err);
    if (r < 0)
        return r;
    uint64_t epoch = 0;
    r = td_store_read_u64(s, ST_EPOCH, &epoch, err);
    if (r == 0 && s->epoch && epoch != s->epoch)
        r = td_fail(err, TD_E_DEPOSED, "%s: another broker leads with epoch %llu, ours is %llu", s->dir,
                    (unsigned long long)epoch, (unsigned long long)s->epoch);
    if (r == 0) {
        sqlite3_stmt *st = td_store_stmt(s, ST_SET_EPOCH);
        if (st)
            sqlite3_bind_int64(st, 1, (sqlite3_int64)(epoch + 1));
        r = td_store_step(s, st, "take the next epoch", err);
    }
    if (r < 0) {
        td_store_rollback(s);
        return r;
    }
    r = td_store_commit(s, err);
    if (r == 0)
        s->epoch = epoch + 1;
    return r;
}

static void store_close(struct td_store **p)
{
    struct td_store *s = *p;
    if (!s)
        return;
    *p = NULL;
    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(s->stmts[i]);
    if (s->db)
        TD_ASSERT(sqlite3_close(s->db) == SQLITE_OK);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    td_free(s->dir);
    td_free(s);
}

static int reader_start(struct td_store *s, struct td_error *err)
{
    int r = s->version == TD_STORE_VERSION ? unsummed_read(s, err) : views_make(s, err);
    if (r == 0)
        r = exec_sql(s, "PRAGMA query_only=1", "set up the journal", err);
    return r < 0 ? r : td_store_read_u64(s, ST_EPOCH, &s->epoch, err);
}

static int writer_start(struct td_store *s, struct td_error *err)
{
    int r = epoch_take(s, err);
    if (r == 0 && s->version < TD_STORE_VERSION)
        r = upgrade(s, err);
    return r < 0 ? r : unsummed_read(s, err);
}

static int store_start(struct td_store *s, struct td_error *err)
{
    char path[4200];
    snprintf(path, sizeof(path), "%s/journal.db", s->dir);
    if (!s->read_only) {
        int r = td_place_check(s->dir, err);
        if (r == 0)
            r = lock_take(s, err);
        if (r < 0)
            return r;
    }
    int r = td_store_birth(s, path, err);
    if (r < 0)
        return r;
    if (access(path, s->read_only ? R_OK : R_OK | W_OK) < 0)
        return td_fail(err, TD_E_JOURNAL, "cannot open %s: %s", path, strerror(errno));
    int flags = (s->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK)
        return td_store_fail(s, err, "open the journal");
    r = settings_apply(s, err);
    if (r == 0)
        r = schema_check(s, err);
    if (r == 0 && s->version == TD_STORE_VERSION)
        r = epoch_check(s, err);
    if (r == 0)
        r = s->read_only ? reader_start(s, err) : writer_start(s, err);
    if (r == 0)
        r = td_store_read_u64(s, ST_EVENT_RANGE, &s->last_seq, err);
    if (r == 0)
        r = td_store_read_u64(s, ST_INPUT_LAST, &s->next_wake, err);
    s->next_wake++;
    return r;
}

static int store_open(const char *dir, bool read_only, struct td_store **ret, struct td_error *err)
{
    struct td_store *s = td_alloc(sizeof(*s));
    s->dir = td_strdup(dir);
    s->read_only = read_only;
    s->lock_fd = -1;
    s->snap_no = -1;
    int r = store_start(s, err);
    if (r == 0 && s->last_seq == 0) {
        /* Compaction may have dropped every event: the newest snapshot says where the sequence stands. */
        uint64_t seq = 0, digest = 0;
        int64_t time_ms = 0;
        r = td_sqlite_snapshot_read(s, &seq, &time_ms, &digest, NULL, NULL, err);
        s->last_seq = seq;
    }
    if (r < 0) {
        store_close(&s);
        return r;
    }
    *ret = s;
    return 0;
}

static uint64_t store_epoch(const struct td_store *s)
{
    return s->epoch;
}

static uint64_t store_free_bytes(struct td_store *s)
{
    struct statvfs v;
    if (statvfs(s->dir, &v) < 0)
        return 0; /* a disk that cannot be asked takes no new work */
    return (uint64_t)v.f_bavail * (uint64_t)v.f_frsize;
}

static uint64_t store_bytes(struct td_store *s)
{
    return file_bytes(s, "") + file_bytes(s, "-wal");
}

const struct td_store_ops td_store_sqlite = {
    .name = "sqlite",
    .open = store_open,
    .close = store_close,
    .epoch = store_epoch,
    .reign = epoch_take,
    .append = td_sqlite_append,
    .read = td_sqlite_read,
    .blob = td_sqlite_blob,
    .has_blob = td_sqlite_has_blob,
    .snapshot_begin = td_sqlite_snapshot_begin,
    .snapshot_put = td_sqlite_snapshot_put,
    .snapshot_end = td_sqlite_snapshot_end,
    .snapshot_read = td_sqlite_snapshot_read,
    .snapshot_read_at = td_sqlite_snapshot_read_at,
    .snapshots = td_sqlite_snapshots,
    .compact = td_sqlite_compact,
    .purge = td_sqlite_purge,
    .history = td_sqlite_history,
    .inputs = td_sqlite_inputs,
    .free_bytes = store_free_bytes,
    .idle = store_idle,
    .bytes = store_bytes,
    .whole = td_sqlite_whole,
    .verify = td_sqlite_verify,
};
