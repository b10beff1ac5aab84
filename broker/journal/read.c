/* read.c - what the store gives back: events, blobs, history rows, input log
 *
 * Rows are borrowed by the callback until it returns. A callback must not use the store. */
#include "broker/journal/sqlite.h"

#include <string.h>

static const uint8_t *column_bytes(sqlite3_stmt *st, int at, uint32_t *ret_len)
{
    static const uint8_t nothing[1];
    const uint8_t *p = sqlite3_column_blob(st, at);
    *ret_len = (uint32_t)sqlite3_column_bytes(st, at);
    return p ? p : nothing;
}

int td_sqlite_read(struct td_store *s, uint64_t from_seq, td_store_event_fn *fn, void *ctx, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, ST_EVENT_FROM);
    if (!st)
        return td_store_fail(s, err, "read events");
    sqlite3_bind_int64(st, 1, (sqlite3_int64)from_seq);
    int rc, damaged = 0;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct td_stored_event ev = {
            .seq = (uint64_t)sqlite3_column_int64(st, 0),
            .time_ms = sqlite3_column_int64(st, 1),
            .id = (uint32_t)sqlite3_column_int64(st, 2),
        };
        ev.body = column_bytes(st, 3, &ev.len);
        if (!td_store_row_whole(s, st, 4, SUM_EVENTS, ev.seq)) {
            damaged = td_fail(err, TD_E_JOURNAL, "%s: event %llu is damaged: it does not give its checksum. " TD_STORE_WAY_OUT, s->dir,
                              (unsigned long long)ev.seq);
            break;
        }
        if (!fn(ctx, &ev))
            break;
    }
    int r = damaged ? damaged : rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : td_store_fail(s, err, "read events");
    sqlite3_reset(st);
    return r;
}

int td_sqlite_blob(struct td_store *s, const uint8_t hash[32], struct td_buf *ret, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, ST_BLOB_GET);
    if (!st)
        return td_store_fail(s, err, "read a script");
    sqlite3_bind_blob(st, 1, hash, 32, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    int r = 0;
    if (rc == SQLITE_ROW) {
        uint32_t len;
        const uint8_t *data = column_bytes(st, 0, &len);
        td_buf_put(ret, data, len);
    } else if (rc == SQLITE_DONE) {
        r = td_fail(err, TD_E_JOURNAL, "%s: the journal does not hold that script any more", s->dir);
    } else {
        r = td_store_fail(s, err, "read a script");
    }
    sqlite3_reset(st);
    return r;
}

bool td_sqlite_has_blob(struct td_store *s, const uint8_t hash[32])
{
    sqlite3_stmt *st = td_store_stmt(s, ST_BLOB_HAS);
    if (!st)
        return false; /* it is put again then, which does no harm */
    sqlite3_bind_blob(st, 1, hash, 32, SQLITE_STATIC);
    bool found = sqlite3_step(st) == SQLITE_ROW;
    sqlite3_reset(st);
    return found;
}

static bool has_u32(const uint32_t *v, uint32_t n, uint32_t x)
{
    for (uint32_t i = 0; i < n; i++)
        if (v[i] == x)
            return true;
    return false;
}

static void put_in_list(struct td_buf *sql, const uint32_t *v, uint32_t n)
{
    td_buf_puts(sql, "(");
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            td_buf_putc(sql, ',');
        td_buf_put_u64(sql, v[i]);
    }
    td_buf_puts(sql, ")");
}

/* Short lists go into the statement, so that SQLite can use its indices; long ones are filtered here. */
#define LIST_IN_SQL 500

static void history_sql(const struct td_history_query *q, struct td_buf *sql)
{
    td_buf_puts(sql, "SELECT " TD_HISTORY_COLUMNS ",td_check(sum," TD_HISTORY_COLUMNS ") FROM history WHERE 1");
    if (q->njobs && q->njobs <= LIST_IN_SQL) {
        td_buf_puts(sql, " AND (job IN ");
        put_in_list(sql, q->jobs, q->njobs);
        td_buf_puts(sql, " OR array_job<>0 AND array_job IN ");
        put_in_list(sql, q->jobs, q->njobs);
        td_buf_puts(sql, ")");
    }
    if (q->nuids && q->nuids <= LIST_IN_SQL) {
        td_buf_puts(sql, " AND uid IN ");
        put_in_list(sql, q->uids, q->nuids);
    }
    if (q->from_ms) {
        td_buf_puts(sql, " AND end_ms>=");
        td_buf_put_i64(sql, q->from_ms);
    }
    if (q->to_ms) {
        td_buf_puts(sql, " AND end_ms<=");
        td_buf_put_i64(sql, q->to_ms);
    }
    td_buf_puts(sql, " ORDER BY job");
}

static void history_row(struct td_store *s, sqlite3_stmt *st, struct td_history_row *h)
{
    uint32_t *const small[] = {&h->job, &h->array_job, &h->array_task, &h->uid, &h->state, &h->outcome};
    for (int i = 0; i < (int)TD_ARRAY_LEN(small); i++)
        *small[i] = (uint32_t)sqlite3_column_int64(st, i);
    h->submit_ms = sqlite3_column_int64(st, 6);
    h->start_ms = sqlite3_column_int64(st, 7);
    h->end_ms = sqlite3_column_int64(st, 8);
    const char **const text[] = {&h->user, &h->account, &h->partition, &h->name};
    for (int i = 0; i < (int)TD_ARRAY_LEN(text); i++)
        *text[i] = (const char *)sqlite3_column_text(st, 9 + i);
    h->info = column_bytes(st, 13, &h->len);
    h->damaged = !td_store_row_whole(s, st, 14, SUM_HISTORY, h->job);
}

int td_sqlite_history(struct td_store *s, const struct td_history_query *q, td_store_history_fn *fn, void *ctx,
                      struct td_error *err)
{
    struct td_buf sql = {0};
    sqlite3_stmt *st = NULL;
    history_sql(q, &sql);
    int rc = sqlite3_prepare_v2(s->db, td_buf_str(&sql), -1, &st, NULL);
    td_buf_release(&sql);
    if (rc != SQLITE_OK)
        return td_store_fail(s, err, "read the job history");
    uint32_t given = 0;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct td_history_row h;
        history_row(s, st, &h);
        if (q->njobs > LIST_IN_SQL && !has_u32(q->jobs, q->njobs, h.job) && !has_u32(q->jobs, q->njobs, h.array_job))
            continue;
        if (q->nuids > LIST_IN_SQL && !has_u32(q->uids, q->nuids, h.uid))
            continue;
        if (!fn(ctx, &h) || (q->max && ++given >= q->max))
            break;
    }
    int r = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : td_store_fail(s, err, "read the job history");
    sqlite3_finalize(st);
    return r;
}

int td_sqlite_inputs(struct td_store *s, uint64_t from_wake, td_store_input_fn *fn, void *ctx, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, ST_INPUT_FROM);
    if (!st)
        return td_store_fail(s, err, "read the input log");
    sqlite3_bind_int64(st, 1, (sqlite3_int64)from_wake);
    int rc, damaged = 0;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        uint32_t len;
        const uint8_t *data = column_bytes(st, 3, &len);
        uint64_t wake = (uint64_t)sqlite3_column_int64(st, 0);
        if (!td_store_row_whole(s, st, 4, SUM_INPUTS, wake)) {
            damaged = td_fail(err, TD_E_JOURNAL, "%s: the input of wake %llu is damaged: it does not give its checksum", s->dir,
                              (unsigned long long)wake);
            break;
        }
        if (!fn(ctx, wake, sqlite3_column_int64(st, 1), data, len))
            break;
    }
    int r = damaged ? damaged : rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : td_store_fail(s, err, "read the input log");
    sqlite3_reset(st);
    return r;
}
