/* sqlite.h - inside of the SQLite store: shared by its files, included by nobody else
 *
 * One file, journal.db, in WAL mode with synchronous=FULL: a commit is one write and one fdatasync of the log.
 *
 *   meta               key -> value: epoch (the fence), created
 *   events             seq -> time, id, body                     the truth
 *   snapshots          seq -> time, digest                        a row is there only if all its records are
 *   snapshot_records   (snapshot, no) -> kind, data
 *   blobs              hash -> data                               scripts and environments
 *   history            job -> who, when, how, encoded job_info    finished jobs that left the core
 *   inputs             wake -> time, seq, encoded wake            input log
 *
 * Beside it journal.lock, flocked by the writer and holding its process id: a courtesy to two brokers on one host. The
 * fence is the epoch in meta, read inside each write transaction. */
#ifndef TD_STORE_SQLITE_H
#define TD_STORE_SQLITE_H

#include "broker/journal/store.h"

#include <sqlite3.h>

#define TD_STORE_APPLICATION_ID 0x54444a31 /* "TDJ1" */
#define TD_STORE_VERSION 1

enum td_store_stmt {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_EPOCH,
    ST_SET_EPOCH,
    ST_EVENT_PUT,
    ST_EVENT_RANGE,
    ST_EVENT_FROM,
    ST_EVENT_DROP,
    ST_BLOB_PUT,
    ST_BLOB_GET,
    ST_BLOB_HAS,
    ST_BLOB_ALL,
    ST_BLOB_DROP,
    ST_HISTORY_PUT,
    ST_HISTORY_PURGE,
    ST_INPUT_PUT,
    ST_INPUT_FROM,
    ST_INPUT_LAST,
    ST_INPUT_DROP,
    ST_SNAP_PUT,
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
    struct td_buf sort;            /* hashes while compacting */
    uint32_t wal_pages;            /* in the log since the last checkpoint */
};

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
int td_sqlite_snapshot_begin(struct td_store *s, struct td_error *err);
int td_sqlite_snapshot_put(struct td_store *s, uint32_t kind, const uint8_t *data, uint32_t len, struct td_error *err);
int td_sqlite_snapshot_end(struct td_store *s, uint64_t seq, int64_t time_ms, uint64_t digest, struct td_error *err);
int td_sqlite_snapshot_read(struct td_store *s, uint64_t *ret_seq, int64_t *ret_time_ms, uint64_t *ret_digest,
                            td_store_record_fn *fn, void *ctx, struct td_error *err);
int td_sqlite_snapshot_read_at(struct td_store *s, uint64_t seq, td_store_record_fn *fn, void *ctx,
                               struct td_error *err);
int td_sqlite_snapshots(struct td_store *s, td_store_snapshot_fn *fn, void *ctx, struct td_error *err);
int td_sqlite_compact(struct td_store *s, uint64_t keep, const uint8_t (*live)[32], uint32_t nlive,
                      int64_t purge_before_ms, struct td_error *err);
int td_sqlite_verify(struct td_store *s, struct td_buf *report, struct td_error *err);

/* Where the state directory lies: NETWORK_FS where it must not. */
int td_place_check(const char *dir, struct td_error *err);

#endif
