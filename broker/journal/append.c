/* append.c - one commit of a wake: events, blobs, history rows and input log, all or nothing
 *
 * Values are bound without copies (SQLITE_STATIC): the batch is borrowed and outlives the transaction. */
#include "broker/journal/sqlite.h"

static int put_events(struct td_store *s, const struct td_store_batch *b, struct td_error *err)
{
    sqlite3_stmt *st = td_store_stmt(s, ST_EVENT_PUT);
    for (uint32_t i = 0; i < b->nevents; i++) {
        const struct td_stored_event *ev = &b->events[i];
        if (st) {
            sqlite3_bind_int64(st, 1, (sqlite3_int64)ev->seq);
            sqlite3_bind_int64(st, 2, ev->time_ms);
            sqlite3_bind_int64(st, 3, ev->id);
            sqlite3_bind_blob64(st, 4, ev->len ? (const void *)ev->body : "", ev->len, SQLITE_STATIC);
        }
        int r = td_store_step(s, st, "write events", err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_blobs(struct td_store *s, const struct td_store_batch *b, struct td_error *err)
{
    for (uint32_t i = 0; i < b->nblobs; i++) {
        sqlite3_stmt *st = td_store_stmt(s, ST_BLOB_PUT);
        if (st) {
            sqlite3_bind_blob(st, 1, b->blobs[i].hash, 32, SQLITE_STATIC);
            sqlite3_bind_blob64(st, 2, b->blobs[i].len ? (const void *)b->blobs[i].data : "", b->blobs[i].len,
                                SQLITE_STATIC);
        }
        int r = td_store_step(s, st, "write a script", err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void bind_text(sqlite3_stmt *st, int at, const char *text)
{
    sqlite3_bind_text(st, at, text ? text : "", -1, SQLITE_STATIC);
}

static int put_history(struct td_store *s, const struct td_store_batch *b, struct td_error *err)
{
    for (uint32_t i = 0; i < b->nhistory; i++) {
        const struct td_history_row *h = &b->history[i];
        sqlite3_stmt *st = td_store_stmt(s, ST_HISTORY_PUT);
        if (st) {
            const int64_t numbers[] = {h->job,   h->array_job, h->array_task, h->uid,   h->state,
                                       h->outcome, h->submit_ms, h->start_ms,   h->end_ms};
            for (int k = 0; k < (int)TD_ARRAY_LEN(numbers); k++)
                sqlite3_bind_int64(st, k + 1, numbers[k]);
            bind_text(st, 10, h->user);
            bind_text(st, 11, h->account);
            bind_text(st, 12, h->partition);
            bind_text(st, 13, h->name);
            sqlite3_bind_blob64(st, 14, h->len ? (const void *)h->info : "", h->len, SQLITE_STATIC);
        }
        int r = td_store_step(s, st, "write the job history", err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_inputs(struct td_store *s, const struct td_store_batch *b, struct td_error *err)
{
    for (uint32_t i = 0; i < b->ninputs; i++) {
        sqlite3_stmt *st = td_store_stmt(s, ST_INPUT_PUT);
        if (st) {
            sqlite3_bind_int64(st, 1, (sqlite3_int64)(s->next_wake + i));
            sqlite3_bind_int64(st, 2, b->inputs[i].now_ms);
            /* Where the journal stood before this commit: what compaction goes by. */
            sqlite3_bind_int64(st, 3, (sqlite3_int64)s->last_seq);
            sqlite3_bind_blob64(st, 4, b->inputs[i].len ? (const void *)b->inputs[i].data : "", b->inputs[i].len,
                                SQLITE_STATIC);
        }
        int r = td_store_step(s, st, "write the input log", err);
        if (r < 0)
            return r;
    }
    return 0;
}

int td_sqlite_append(struct td_store *s, const struct td_store_batch *b, struct td_error *err)
{
    uint64_t last = s->last_seq;
    for (uint32_t i = 0; i < b->nevents; i++)
        TD_ASSERT(b->events[i].seq == ++last);
    int r = td_store_begin(s, err);
    if (r < 0)
        return r;
    r = put_events(s, b, err);
    if (r == 0)
        r = put_blobs(s, b, err);
    if (r == 0)
        r = put_history(s, b, err);
    if (r == 0)
        r = put_inputs(s, b, err);
    if (r < 0) {
        td_store_rollback(s);
        return r;
    }
    r = td_store_commit(s, err);
    if (r < 0)
        return r;
    s->last_seq = last;
    s->next_wake += b->ninputs;
    return 0;
}
