/* snapshot.c - snapshots, and compaction, which is what they are for; the history's own purge
 *
 * A snapshot comes in batches between commits, so that it holds up nobody. Its row in `snapshots` is written last: without
 * it the records are nothing, and go with the next compaction. Its number is the sequence number of the last event in it. */
#include "broker/journal/sqlite.h"

#include <stdlib.h>
#include <string.h>

int td_sqlite_snapshot_begin(struct td_store *s, uint64_t seq, struct td_error *err)
{
    TD_ASSERT(seq <= s->last_seq); /* a snapshot of events that are not in the journal would outlive them */
    s->snap_no = -1;               /* one that was begun and not ended is given up */
    int r = td_store_begin(s, err);
    if (r < 0)
        return r;
    /* A whole one is never touched: the events before it may be gone. What one that was not ended left is. */
    sqlite3_stmt *st = td_store_stmt(s, ST_SNAP_HAS);
    if (st)
        sqlite3_bind_int64(st, 1, (sqlite3_int64)seq);
    int rc = st ? sqlite3_step(st) : SQLITE_ERROR;
    if (rc == SQLITE_ROW)
        r = td_fail(err, TD_E_JOURNAL, "%s: there is a snapshot of event %llu already", s->dir, (unsigned long long)seq);
    else if (rc != SQLITE_DONE)
        r = td_store_fail(s, err, "write a snapshot");
    if (st)
        sqlite3_reset(st);
    if (r == 0 && (st = td_store_stmt(s, ST_SNAP_RECORD_CLEAR)))
        sqlite3_bind_int64(st, 1, (sqlite3_int64)seq);
    if (r == 0)
        r = td_store_step(s, st, "write a snapshot", err);
    if (r < 0) {
        td_store_rollback(s);
        return r;
    }
    r = td_store_commit(s, err);
    if (r < 0)
        return r;
    s->snap_seq = seq;
    s->snap_no = 0;
    return 0;
}

static int put_record(struct td_store *s, int64_t no, const struct td_stored_record *rec, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, ST_SNAP_RECORD_PUT);
    if (st) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)s->snap_seq);
        sqlite3_bind_int64(st, 2, no);
        sqlite3_bind_int64(st, 3, rec->kind);
        sqlite3_bind_blob64(st, 4, rec->len ? (const void *)rec->data : "", rec->len, SQLITE_STATIC);
    }
    return td_store_step(s, st, "write a snapshot", err);
}

int td_sqlite_snapshot_put(struct td_store *s, const struct td_stored_record *records, uint32_t n, struct td_error *err)
{
    if (s->snap_no < 0)
        return td_fail(err, TD_E_JOURNAL, "%s: no snapshot is being written", s->dir);
    const int64_t first = s->snap_no;
    s->snap_no = -1; /* whatever fails ends it */
    int r = td_store_begin(s, err);
    if (r < 0)
        return r;
    for (uint32_t i = 0; r == 0 && i < n; i++)
        r = put_record(s, first + i, &records[i], err);
    if (r < 0) {
        td_store_rollback(s);
        return r;
    }
    r = td_store_commit(s, err);
    if (r == 0)
        s->snap_no = first + n;
    return r;
}

int td_sqlite_snapshot_end(struct td_store *s, int64_t time_ms, uint64_t digest, struct td_error *err)
{
    if (s->snap_no < 0)
        return td_fail(err, TD_E_JOURNAL, "%s: no snapshot is being written", s->dir);
    s->snap_no = -1;
    int r = td_store_begin(s, err);
    if (r < 0)
        return r;
    sqlite3_stmt *st = td_store_stmt(s, ST_SNAP_PUT);
    if (st) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)s->snap_seq);
        sqlite3_bind_int64(st, 2, time_ms);
        sqlite3_bind_int64(st, 3, (sqlite3_int64)digest);
    }
    r = td_store_step(s, st, "write a snapshot", err);
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
static int drop_blobs(struct td_store *s, struct td_compaction *c, bool *more, struct td_error *err)
{
    struct td_buf dead = {0};
    uint32_t seen = 0;
    sqlite3_stmt *st = td_store_stmt(s, ST_BLOB_NEXT);
    int rc = SQLITE_ERROR;
    if (st) {
        sqlite3_bind_blob(st, 1, c->blob_at, 32, SQLITE_TRANSIENT);
        sqlite3_bind_int64(st, 2, c->rows);
    }
    while (st && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const void *hash = sqlite3_column_blob(st, 0);
        seen++;
        if (sqlite3_column_bytes(st, 0) != 32)
            continue;
        memcpy(c->blob_at, hash, 32);
        if (!(c->nlive && bsearch(hash, c->live, c->nlive, 32, hash_cmp)) && !(c->needed && c->needed(c->ctx, hash)))
            td_buf_put(&dead, hash, 32);
    }
    int r = rc == SQLITE_DONE ? 0 : td_store_fail(s, err, "compact the journal");
    if (st)
        sqlite3_reset(st);
    for (size_t at = 0; r == 0 && at < dead.len; at += 32) {
        st = td_store_stmt(s, ST_BLOB_DROP);
        if (st)
            sqlite3_bind_blob(st, 1, dead.data + at, 32, SQLITE_STATIC);
        c->dropped++;
        r = td_store_step(s, st, "compact the journal", err);
    }
    td_buf_release(&dead);
    *more = *more || seen == c->rows;
    return r;
}

static int drop_up_to(struct td_store *s, enum td_store_stmt which, int64_t bound, uint32_t rows, bool *more, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, which);
    if (st) {
        sqlite3_bind_int64(st, 1, bound);
        if (rows)
            sqlite3_bind_int64(st, 2, rows);
    }
    int r = td_store_step(s, st, "compact the journal", err);
    if (r == 0 && rows && (uint32_t)sqlite3_changes(s->db) >= rows)
        *more = true;
    return r;
}

int td_sqlite_compact(struct td_store *s, struct td_compaction *c, bool *ret_more, struct td_error *err)
{
    uint64_t newest, digest;
    int64_t time_ms;
    bool more = false;
    TD_ASSERT(c->rows);
    int r = td_sqlite_snapshot_read(s, &newest, &time_ms, &digest, NULL, NULL, err);
    if (r < 0)
        return r;
    int64_t cut = newest > c->keep ? (int64_t)(newest - c->keep) : 0; /* the last event that goes */
    r = td_store_begin(s, err);
    if (r < 0)
        return r;
    if (cut) {
        /* A snapshot is of use only while every event behind it is kept: it goes before the first of them. */
        r = drop_up_to(s, ST_SNAP_DROP, cut, 0, NULL, err);
        if (r == 0)
            r = drop_up_to(s, ST_EVENT_DROP, cut, c->rows, &more, err);
        if (r == 0)
            r = drop_up_to(s, ST_SNAP_RECORD_DROP, cut, c->rows, &more, err);
        if (r == 0)
            r = drop_up_to(s, ST_INPUT_DROP, cut - 1, c->rows, &more, err);
    }
    if (r == 0)
        r = drop_blobs(s, c, &more, err);
    if (r < 0) {
        td_store_rollback(s);
        return r;
    }
    r = td_store_commit(s, err);
    if (r == 0)
        *ret_more = more;
    return r;
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
