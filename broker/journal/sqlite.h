/* sqlite.h - inside of the SQLite store: shared by its files, included by nobody else
 *
 * One file, journal.db, in WAL mode with synchronous=FULL: a commit is one write and one fdatasync of the log.
 *
 *   meta               key -> value: epoch (the fence), its sum, unsummed_TABLE
 *   events             seq -> time, id, body, sum                     the truth
 *   snapshots          seq -> time, digest, sum                        a row is there only if all its records are
 *   snapshot_records   (snapshot, no) -> kind, data, sum
 *   blobs              hash -> data                                    scripts and environments
 *   history            job -> who, when, how, encoded job_info, sum    finished jobs that left the core
 *   inputs             wake -> time, seq, encoded wake, sum            input log
 *
 * Versions: 1 had no sums (sum.c). It is upgraded when a writer opens it: its rows stay as they are, and the last key of
 * each table goes to meta.unsummed_TABLE; behind it a row without a sum is damage. A reader shows version 1 through views.
 *
 * Beside it journal.lock, flocked by the writer and holding its process id: a courtesy to two brokers on one host. The
 * fence is the epoch in meta, read inside each write transaction. */
#ifndef TD_STORE_SQLITE_H
#define TD_STORE_SQLITE_H

#include "broker/journal/store.h"

#include <sqlite3.h>

/* As they are summed: read.c builds its own statements over them. */
#define TD_HISTORY_COLUMNS \
    "job,array_job,array_task,uid,state,outcome,submit_ms,start_ms,end_ms,user,account,partition,name,info"

#define TD_STORE_APPLICATION_ID 0x54444a31 /* "TDJ1" */
#define TD_STORE_VERSION 2

/* Said wherever the journal cannot be read: there is no third way. */
#define TD_STORE_LOST \
    "Put a copy of journal.db (and of its -wal) from before in its place; without one, move the state directory away: an " \
    "empty one begins anew, without its jobs"
#define TD_STORE_WAY_OUT TD_STORE_CHECK TD_STORE_LOST

enum td_summed { SUM_EVENTS, SUM_SNAPSHOTS, SUM_RECORDS, SUM_HISTORY, SUM_INPUTS, SUM_COUNT };

enum td_store_stmt {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_EPOCH,
    ST_EPOCH_CHECK,
    ST_SET_EPOCH,
    ST_EVENT_PUT,
    ST_EVENT_RANGE,
    ST_EVENT_FROM,
    ST_EVENT_DROP,
    ST_BLOB_PUT,
    ST_BLOB_GET,
    ST_BLOB_HAS,
    ST_BLOB_NEXT,
    ST_BLOB_DROP,
    ST_HISTORY_PUT,
    ST_HISTORY_PURGE,
    ST_INPUT_PUT,
    ST_INPUT_FROM,
    ST_INPUT_LAST,
    ST_INPUT_DROP,
    ST_SNAP_PUT,
    ST_SNAP_HAS,
    ST_SNAP_DROP,
    ST_SNAP_RECORD_PUT,
    ST_SNAP_RECORD_DROP,
    ST_SNAP_RECORD_CLEAR,
    ST_SNAP_LIST,
    ST_SNAP_NEWEST,
    ST_SNAP_RECORDS,
    ST_COUNT
};

struct td_store {
    sqlite3 *db;
    sqlite3_stmt *stmts[ST_COUNT]; /* made when first needed */
    char *dir;
    int lock_fd;                   /* -1: read-only */
    bool read_only;
    uint64_t epoch;
    uint64_t last_seq;             /* of events that are committed */
    uint64_t next_wake;            /* of inputs */
    int64_t snap_no;               /* records put into the open snapshot; -1 = none open */
    uint64_t snap_seq;             /* and its last event */
    uint32_t wal_pages;            /* in the log since the last checkpoint */
    int version;                   /* of the schema that was found */
    uint64_t unsummed[SUM_COUNT];  /* rows up to this key may be without a sum */
    uint64_t unsummed_seen[SUM_COUNT];
};

/* sum.c. td_store_sums makes td_sum and td_check known to a connection (SQLITE_OK). The column holds td_check's answer. */
int td_store_sums(sqlite3 *db);
bool td_store_row_whole(struct td_store *s, sqlite3_stmt *st, int column, enum td_summed table, uint64_t key);

/* Translates SQLite's last failure: NO_SPACE where the disk or a quota is full, JOURNAL with its words otherwise. */
int td_store_fail(struct td_store *s, struct td_error *err, const char *what);
/* Borrowed, reset and with no bindings; NULL when it cannot be made. */
sqlite3_stmt *td_store_stmt(struct td_store *s, enum td_store_stmt which);
/* Runs a statement without rows to its end and resets it. */
int td_store_step(struct td_store *s, sqlite3_stmt *st, const char *what, struct td_error *err);
/* Write transaction: begin takes the write lock and checks the fence (DEPOSED). rollback cannot fail. */
int td_store_begin(struct td_store *s, struct td_error *err);
int td_store_commit(struct td_store *s, struct td_error *err);
void td_store_rollback(struct td_store *s);
int td_store_read_u64(struct td_store *s, enum td_store_stmt which, uint64_t *ret, struct td_error *err);

/* The operations, each in the file of its noun. */
int td_sqlite_append(struct td_store *s, const struct td_store_batch *b, struct td_error *err);
int td_sqlite_read(struct td_store *s, uint64_t from_seq, td_store_event_fn *fn, void *ctx, struct td_error *err);
int td_sqlite_blob(struct td_store *s, const uint8_t hash[32], struct td_buf *ret, struct td_error *err);
bool td_sqlite_has_blob(struct td_store *s, const uint8_t hash[32]);
int td_sqlite_history(struct td_store *s, const struct td_history_query *q, td_store_history_fn *fn, void *ctx,
                      struct td_error *err);
int td_sqlite_inputs(struct td_store *s, uint64_t from_wake, td_store_input_fn *fn, void *ctx, struct td_error *err);
int td_sqlite_snapshot_begin(struct td_store *s, uint64_t seq, struct td_error *err);
int td_sqlite_snapshot_put(struct td_store *s, const struct td_stored_record *records, uint32_t n, struct td_error *err);
int td_sqlite_snapshot_end(struct td_store *s, int64_t time_ms, uint64_t digest, struct td_error *err);
int td_sqlite_snapshot_read(struct td_store *s, uint64_t *ret_seq, int64_t *ret_time_ms, uint64_t *ret_digest,
                            td_store_record_fn *fn, void *ctx, struct td_error *err);
int td_sqlite_snapshot_read_at(struct td_store *s, uint64_t seq, td_store_record_fn *fn, void *ctx,
                               struct td_error *err);
int td_sqlite_snapshots(struct td_store *s, td_store_snapshot_fn *fn, void *ctx, struct td_error *err);
int td_sqlite_compact(struct td_store *s, struct td_compaction *c, bool *ret_more, struct td_error *err);
int td_sqlite_purge(struct td_store *s, int64_t ended_before_ms, uint32_t max, uint32_t *ret_n, struct td_error *err);
int td_sqlite_whole(struct td_store *s, struct td_error *err);
int td_sqlite_verify(struct td_store *s, struct td_buf *report, struct td_error *err);

/* birth.c: sees that there is a journal to open; makes one where there has been none, refuses what has been lost. */
extern const char td_store_schema[];
int td_store_birth(struct td_store *s, const char *path, struct td_error *err);

/* Where the state directory lies: NETWORK_FS where it must not. */
int td_place_check(const char *dir, struct td_error *err);

#endif
