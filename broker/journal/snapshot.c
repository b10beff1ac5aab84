/* snapshot.c - snapshots, and compaction, which is what they are for; the history's own purge
 *
 * A snapshot is one transaction: either all its records are there and the row in `snapshots`, or nothing. Its number
 * is the sequence number of the last event in it. */
#include "broker/journal/sqlite.h"

#include <stdlib.h>
#include <string.h>

int td_sqlite_snapshot_begin(struct td_store *s, struct td_error *err)
{
    TD_ASSERT(s->snap_no < 0);
    int r = td_store_begin(s, err);
    if (r < 0)
        return r;
    sqlite3_stmt *st = td_store_stmt(s, ST_SNAP_RECORD_CLEAR);
    if (st)
        sqlite3_bind_int64(st, 1, (sqlite3_int64)s->last_seq);
    r = td_store_step(s, st, "write a snapshot", err);
    if (r < 0) {
        td_store_rollback(s);
        return r;
    }
    s->snap_no = 0;
    return 0;
}

int td_sqlite_snapshot_put(struct td_store *s, uint32_t kind, const uint8_t *data, uint32_t len, struct td_error *err)
{
    if (s->snap_no < 0)
        return td_fail(err, TD_E_JOURNAL, "%s: no snapshot is being written", s->dir);
    sqlite3_stmt *st = td_store_stmt(s, ST_SNAP_RECORD_PUT);
    if (st) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)s->last_seq);
        sqlite3_bind_int64(st, 2, s->snap_no++);
        sqlite3_bind_int64(st, 3, kind);
        sqlite3_bind_blob64(st, 4, len ? (const void *)data : "", len, SQLITE_STATIC);
    }
    int r = td_store_step(s, st, "write a snapshot", err);
    if (r < 0) {
        td_store_rollback(s);
        s->snap_no = -1;
    }
    return r;
}

int td_sqlite_snapshot_end(struct td_store *s, uint64_t seq, int64_t time_ms, uint64_t digest, struct td_error *err)
{
    if (s->snap_no < 0)
        return td_fail(err, TD_E_JOURNAL, "%s: no snapshot is being written", s->dir);
    TD_ASSERT(seq == s->last_seq); /* a snapshot of events that are not in the journal would outlive them */
    s->snap_no = -1;
    sqlite3_stmt *st = td_store_stmt(s, ST_SNAP_PUT);
    if (st) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)seq);
        sqlite3_bind_int64(st, 2, time_ms);
        sqlite3_bind_int64(st, 3, (sqlite3_int64)digest);
    }
    int r = td_store_step(s, st, "write a snapshot", err);
    if (r < 0) {
        td_store_rollback(s);
        return r;
    }
    return td_store_commit(s, err);
}

int td_sqlite_snapshot_read_at(struct td_store *s, uint64_t seq, td_store_record_fn *fn, void *ctx,
                               struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, ST_SNAP_RECORDS);
    if (!st)
        return td_store_fail(s, err, "read a snapshot");
    sqlite3_bind_int64(st, 1, (sqlite3_int64)seq);
    int rc, damaged = 0;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (!td_store_row_whole(s, st, 4, SUM_RECORDS, (uint64_t)sqlite3_column_int64(st, 0))) {
            damaged = td_fail(err, TD_E_JOURNAL,
                              "%s: record %lld of the snapshot of event %llu is damaged: it does not give its checksum. " TD_STORE_WAY_OUT,
                              s->dir, (long long)sqlite3_column_int64(st, 1), (unsigned long long)seq);
            break;
        }
        if (!fn(ctx, (uint32_t)sqlite3_column_int64(st, 2), sqlite3_column_blob(st, 3),
                (uint32_t)sqlite3_column_bytes(st, 3)))
            break;
    }
    int r = damaged ? damaged : rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : td_store_fail(s, err, "read a snapshot");
    sqlite3_reset(st);
    return r;
}

static int snapshot_whole(struct td_store *s, sqlite3_stmt *st, struct td_error *err)
{
    uint64_t seq = (uint64_t)sqlite3_column_int64(st, 0);
    if (td_store_row_whole(s, st, 3, SUM_SNAPSHOTS, seq))
        return 0;
    return td_fail(err, TD_E_JOURNAL, "%s: the head of the snapshot of event %llu is damaged: it does not give its checksum. " TD_STORE_WAY_OUT,
                   s->dir, (unsigned long long)seq);
}

int td_sqlite_snapshots(struct td_store *s, td_store_snapshot_fn *fn, void *ctx, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, ST_SNAP_LIST);
    if (!st)
        return td_store_fail(s, err, "read the snapshots");
    int rc, damaged = 0;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW && (damaged = snapshot_whole(s, st, err)) == 0)
        if (!fn(ctx, (uint64_t)sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1),
                (uint64_t)sqlite3_column_int64(st, 2)))
            break;
    int r = damaged ? damaged : rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : td_store_fail(s, err, "read the snapshots");
    sqlite3_reset(st);
    return r;
}

/* fn may be NULL: only which snapshot is the newest. */
int td_sqlite_snapshot_read(struct td_store *s, uint64_t *ret_seq, int64_t *ret_time_ms, uint64_t *ret_digest,
                            td_store_record_fn *fn, void *ctx, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, ST_SNAP_NEWEST);
    if (!st)
        return td_store_fail(s, err, "read a snapshot");
    int rc = sqlite3_step(st);
    int r = 0;
    *ret_seq = 0;
    *ret_time_ms = 0;
    *ret_digest = 0;
    if (rc == SQLITE_ROW) {
        *ret_seq = (uint64_t)sqlite3_column_int64(st, 0);
        *ret_time_ms = sqlite3_column_int64(st, 1);
        *ret_digest = (uint64_t)sqlite3_column_int64(st, 2);
        r = snapshot_whole(s, st, err);
    } else if (rc != SQLITE_DONE) {
        r = td_store_fail(s, err, "read a snapshot");
    }
    sqlite3_reset(st);
    if (r == 0 && *ret_seq && fn)
        r = td_sqlite_snapshot_read_at(s, *ret_seq, fn, ctx, err);
    return r;
}

static int hash_cmp(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* Two passes: a table is not changed while it is walked. */
static int drop_blobs(struct td_store *s, const uint8_t (*live)[32], uint32_t nlive, struct td_error *err)
{
    struct td_buf dead = {0};
    td_buf_reset(&s->sort);
    if (nlive) {
        td_buf_put(&s->sort, live, (size_t)nlive * 32);
        qsort(s->sort.data, nlive, 32, hash_cmp);
    }
    sqlite3_stmt *st = td_store_stmt(s, ST_BLOB_ALL);
    int rc = SQLITE_ERROR;
    while (st && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const void *hash = sqlite3_column_blob(st, 0);
        if (sqlite3_column_bytes(st, 0) == 32 && !(nlive && bsearch(hash, s->sort.data, nlive, 32, hash_cmp)))
            td_buf_put(&dead, hash, 32);
    }
    int r = rc == SQLITE_DONE ? 0 : td_store_fail(s, err, "compact the journal");
    if (st)
        sqlite3_reset(st);
    for (size_t at = 0; r == 0 && at < dead.len; at += 32) {
        st = td_store_stmt(s, ST_BLOB_DROP);
        if (st)
            sqlite3_bind_blob(st, 1, dead.data + at, 32, SQLITE_STATIC);
        r = td_store_step(s, st, "compact the journal", err);
    }
    td_buf_release(&dead);
    return r;
}

static int drop_up_to(struct td_store *s, enum td_store_stmt which, int64_t bound, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, which);
    if (st)
        sqlite3_bind_int64(st, 1, bound);
    return td_store_step(s, st, "compact the journal", err);
}

int td_sqlite_compact(struct td_store *s, uint64_t keep, const uint8_t (*live)[32], uint32_t nlive,
                      struct td_error *err)
{
    uint64_t newest, digest;
    int64_t time_ms;
    int r = td_sqlite_snapshot_read(s, &newest, &time_ms, &digest, NULL, NULL, err);
    if (r < 0)
        return r;
    int64_t cut = newest > keep ? (int64_t)(newest - keep) : 0; /* the last event that goes */
    r = td_store_begin(s, err);
    if (r < 0)
        return r;
    if (cut) {
        r = drop_up_to(s, ST_EVENT_DROP, cut, err);
        /* A snapshot is of use only while every event behind it is kept. */
        if (r == 0)
            r = drop_up_to(s, ST_SNAP_DROP, cut, err);
        if (r == 0)
            r = drop_up_to(s, ST_SNAP_RECORD_DROP, cut, err);
        if (r == 0)
            r = drop_up_to(s, ST_INPUT_DROP, cut - 1, err);
    }
    if (r == 0)
        r = drop_blobs(s, live, nlive, err);
    if (r < 0) {
        td_store_rollback(s);
        return r;
    }
    return td_store_commit(s, err);
}

int td_sqlite_purge(struct td_store *s, int64_t ended_before_ms, uint32_t max, uint32_t *ret_n, struct td_error *err)
{
    *ret_n = 0;
    int r = td_store_begin(s, err);
    if (r < 0)
        return r;
    sqlite3_stmt *st = td_store_stmt(s, ST_HISTORY_PURGE);
    if (st) {
        sqlite3_bind_int64(st, 1, ended_before_ms);
        sqlite3_bind_int64(st, 2, max);
    }
    r = td_store_step(s, st, "purge the history", err);
    uint32_t n = (uint32_t)sqlite3_changes(s->db);
    if (r < 0) {
        td_store_rollback(s);
        return r;
    }
    r = td_store_commit(s, err);
    if (r == 0)
        *ret_n = n;
    return r;
}
