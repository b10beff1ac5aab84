/* check.c - is the file whole? SQLite's own check, every row's sum, the sequence without holes, everything decodes
 *
 * Says nothing about what events mean: that is the inspector's part. */
#include "broker/journal/sqlite.h"

#include "wire/wire.h"

#include <string.h>

struct check {
    struct td_store *s;
    struct td_arena arena;
    struct td_error *err;
    int r;
    uint64_t first, last, count;
    int64_t time_ms;
};

/* One record decodes; the arena is emptied every now and then, not for each. */
static int decodes(struct check *c, const struct td_record *rec, const uint8_t *data, uint32_t len, const char *what,
                   uint64_t no)
{
    if (c->arena.used_total > 1u << 20)
        td_arena_reset(&c->arena);
    void *body = td_arena_alloc(&c->arena, rec->size);
    struct td_error why = {0};
    if (td_wire_get_record(&c->arena, rec, data, len, body, &why) < 0)
        return td_fail(c->err, TD_E_JOURNAL, "%s %llu (%s) does not decode: %s", what, (unsigned long long)no,
                       rec->name, why.text);
    return 0;
}

static bool check_event(void *ctx, const struct td_stored_event *ev)
{
    struct check *c = ctx;
    const struct td_event_row *row = td_event_row(ev->id);
    if (c->last && ev->seq != c->last + 1)
        c->r = td_fail(c->err, TD_E_JOURNAL, "a hole in the sequence: event %llu follows event %llu",
                       (unsigned long long)ev->seq, (unsigned long long)c->last);
    else if (!row)
        c->r = td_fail(c->err, TD_E_JOURNAL, "event %llu has the unknown number %u", (unsigned long long)ev->seq,
                       ev->id);
    else if (ev->time_ms < c->time_ms)
        c->r = td_fail(c->err, TD_E_JOURNAL, "event %llu is older than the one before it", (unsigned long long)ev->seq);
    else
        c->r = decodes(c, row->record, ev->body, ev->len, "event", ev->seq);
    if (!c->first)
        c->first = ev->seq;
    c->last = ev->seq;
    c->time_ms = ev->time_ms;
    c->count++;
    return c->r == 0;
}

static bool check_snapshot_record(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len)
{
    struct check *c = ctx;
    const struct td_event_row *row = td_snap_row(kind);
    c->count++;
    if (!row)
        c->r = td_fail(c->err, TD_E_JOURNAL, "record %llu of the snapshot has the unknown number %u",
                       (unsigned long long)c->count, kind);
    else
        c->r = decodes(c, row->record, data, len, "snapshot record", c->count);
    return c->r == 0;
}

static bool check_history(void *ctx, const struct td_history_row *h)
{
    struct check *c = ctx;
    c->count++;
    if (h->damaged)
        c->r = td_fail(c->err, TD_E_JOURNAL, "the history row of job %u is damaged: it does not give its checksum", h->job);
    else
        c->r = decodes(c, &td_rec_job_info, h->info, h->len, "history row of job", h->job);
    return c->r == 0;
}

static bool check_input(void *ctx, uint64_t wake, int64_t now_ms, const uint8_t *data, uint32_t len)
{
    (void)now_ms;
    struct check *c = ctx;
    c->count++;
    c->r = decodes(c, &td_rec_wake, data, len, "input of wake", wake);
    return c->r == 0;
}

/* What SQLite finds is said in its words. An index holds nothing that its table does not, and rows have sums. */
int td_sqlite_whole(struct td_store *s, struct td_error *err)
{
    sqlite3_stmt *st = NULL;
    struct td_buf first = {0};
    bool indexes_alone = true;
    int rc = sqlite3_prepare_v2(s->db, "PRAGMA integrity_check(20)", -1, &st, NULL), r = 0;
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        rc = SQLITE_OK;
        if (strcmp(text, "ok") == 0)
            continue;
        indexes_alone = indexes_alone && strstr(text, " index ");
        if (!first.len)
            td_buf_puts(&first, text);
    }
    if (rc != SQLITE_DONE)
        r = td_store_fail(s, err, "check the file");
    else if (first.len && indexes_alone)
        r = td_fail(err, TD_E_JOURNAL, "%s/journal.db is damaged: %s. Only an index is, and no job is lost: sqlite3 %s/journal.db REINDEX "
                    "makes it anew; then tender journal verify", s->dir, td_buf_str(&first), s->dir);
    else if (first.len)
        r = td_fail(err, TD_E_JOURNAL, "%s/journal.db is damaged: %s. " TD_STORE_WAY_OUT, s->dir, td_buf_str(&first));
    sqlite3_finalize(st);
    td_buf_release(&first);
    return r;
}

static int check_blobs(struct check *c)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(c->s->db, "SELECT hash,data FROM blobs", -1, &st, NULL);
    int r = 0;
    c->count = 0;
    while (r == 0 && rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        uint8_t hash[32];
        td_hash(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1), hash);
        if (sqlite3_column_bytes(st, 0) != 32 || memcmp(hash, sqlite3_column_blob(st, 0), 32) != 0)
            r = td_fail(c->err, TD_E_JOURNAL, "script %llu is not what its hash says", (unsigned long long)c->count);
        c->count++;
        rc = SQLITE_OK;
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = td_store_fail(c->s, c->err, "read scripts");
    sqlite3_finalize(st);
    return r;
}

struct snapshot_list {
    TD_VEC(uint64_t) seqs;
};
static bool list_snapshot(void *ctx, uint64_t seq, int64_t time_ms, uint64_t digest)
{
    (void)time_ms;
    (void)digest;
    struct snapshot_list *l = ctx;
    td_vec_push(&l->seqs, seq);
    return true;
}

/* Every snapshot decodes, and no event is missing behind the oldest. */
static int check_snapshots(struct check *c, struct td_buf *report)
{
    struct snapshot_list l = {0};
    int r = td_sqlite_snapshots(c->s, list_snapshot, &l, c->err);
    for (uint32_t i = 0; r == 0 && i < l.seqs.n; i++) {
        c->count = 0;
        r = td_sqlite_snapshot_read_at(c->s, l.seqs.v[i], check_snapshot_record, c, c->err);
        if (r == 0)
            r = c->r;
        if (r == 0 && c->count == 0)
            r = td_fail(c->err, TD_E_JOURNAL, "the snapshot of event %llu has no records",
                        (unsigned long long)l.seqs.v[i]);
        td_buf_putf(report, "snapshot at %llu: %llu records\n", (unsigned long long)l.seqs.v[i],
                    (unsigned long long)c->count);
    }
    uint64_t oldest = l.seqs.n ? l.seqs.v[0] : 0;
    uint64_t newest = l.seqs.n ? l.seqs.v[l.seqs.n - 1] : 0;
    if (r == 0 && c->first > oldest + 1)
        r = td_fail(c->err, TD_E_JOURNAL, "a hole in the sequence: event %llu follows the snapshot of %llu",
                    (unsigned long long)c->first, (unsigned long long)oldest);
    if (r == 0 && c->last && c->last < newest)
        r = td_fail(c->err, TD_E_JOURNAL, "a snapshot of event %llu, but events end at %llu",
                    (unsigned long long)newest, (unsigned long long)c->last);
    td_vec_release(&l.seqs);
    return r;
}

/* Rows of version 1 have no sum, and that is said. */
static void report_unsummed(struct check *c, enum td_summed table, const char *what, struct td_buf *report)
{
    if (c->s->unsummed_seen[table])
        td_buf_putf(report, "%s without a checksum, of an earlier version: %llu\n", what,
                    (unsigned long long)c->s->unsummed_seen[table]);
}

static int check_all(struct check *c, struct td_buf *report)
{
    memset(c->s->unsummed_seen, 0, sizeof(c->s->unsummed_seen));
    int r = td_sqlite_whole(c->s, c->err);
    if (r < 0)
        return r;
    td_buf_puts(report, "file: whole\n");

    r = td_sqlite_read(c->s, 0, check_event, c, c->err);
    if (r < 0 || c->r < 0)
        return r < 0 ? r : c->r;
    td_buf_putf(report, "events: %llu, from %llu to %llu\n", (unsigned long long)c->count,
                (unsigned long long)c->first, (unsigned long long)c->last);
    report_unsummed(c, SUM_EVENTS, "events", report);

    r = check_snapshots(c, report);
    if (r < 0)
        return r;
    report_unsummed(c, SUM_RECORDS, "snapshot records", report);

    r = check_blobs(c);
    if (r < 0)
        return r;
    td_buf_putf(report, "scripts and environments: %llu\n", (unsigned long long)c->count);

    const struct td_history_query all = {0};
    c->count = 0;
    r = td_sqlite_history(c->s, &all, check_history, c, c->err);
    if (r < 0 || c->r < 0)
        return r < 0 ? r : c->r;
    td_buf_putf(report, "history: %llu jobs\n", (unsigned long long)c->count);
    report_unsummed(c, SUM_HISTORY, "history rows", report);

    c->count = 0;
    r = td_sqlite_inputs(c->s, 0, check_input, c, c->err);
    if (r < 0 || c->r < 0)
        return r < 0 ? r : c->r;
    td_buf_putf(report, "input log: %llu wakes\n", (unsigned long long)c->count);
    report_unsummed(c, SUM_INPUTS, "inputs", report);
    return 0;
}

int td_sqlite_verify(struct td_store *s, struct td_buf *report, struct td_error *err)
{
    struct check c = {.s = s, .err = err};
    int r = check_all(&c, report);
    td_arena_release(&c.arena);
    return r;
}
