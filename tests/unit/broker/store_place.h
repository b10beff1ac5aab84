/* store_place.h - a store in a folder of its own, and ways to fill it and to spoil it; for the tests of the store */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/journal/sqlite.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAYBE __attribute__((unused)) /* not every test needs all of it */

static const struct td_store_ops *const ops = &td_store_sqlite;

struct place {
    char dir[64];
    struct td_store *s;
    struct td_error err;
};

MAYBE static void place_open(struct place *p)
{
    if (ops->open(p->dir, false, &p->s, &p->err) < 0)
        fail_msg("open: %s", p->err.text);
}

MAYBE static int setup(void **state)
{
    struct place *p = td_alloc(sizeof(*p));
    strcpy(p->dir, "/tmp/td-store-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    place_open(p);
    *state = p;
    return 0;
}

MAYBE static int teardown(void **state)
{
    struct place *p = *state;
    char cmd[128];
    ops->close(&p->s);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", p->dir);
    assert_int_equal(system(cmd), 0);
    td_free(p);
    return 0;
}

/* n events from `seq` on, bodies that decode. */
#define EVENTS_MAX 4096
MAYBE static int append(struct td_store *s, uint64_t seq, uint32_t n, struct td_error *err)
{
    static struct td_stored_event evs[EVENTS_MAX];
    static size_t at[EVENTS_MAX];
    struct td_buf bodies = {0};
    assert_true(n <= EVENTS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        const struct td_ev_task_split body = {.array_job = 1, .task = i, .job = (uint32_t)seq + i};
        at[i] = bodies.len;
        td_wire_put_record(&bodies, &td_rec_ev_task_split, &body);
        evs[i] = (struct td_stored_event){.seq = seq + i, .time_ms = 1000 + (int64_t)(seq + i),
                                          .id = TD_EV_TASK_SPLIT, .len = (uint32_t)(bodies.len - at[i])};
    }
    for (uint32_t i = 0; i < n; i++)
        evs[i].body = bodies.data + at[i];
    const struct td_store_batch b = {.events = evs, .nevents = n, .now_ms = 1000};
    int r = ops->append(s, &b, err);
    td_buf_release(&bodies);
    return r;
}

MAYBE static void append_ok(struct place *p, uint64_t seq, uint32_t n)
{
    if (append(p->s, seq, n, &p->err) < 0)
        fail_msg("append: %s", p->err.text);
}

MAYBE static void snapshot(struct place *p, uint64_t seq)
{
    const struct td_snap_head head = {.seq = seq, .epoch = 1, .next_job = 7};
    struct td_buf body = {0};
    td_wire_put_record(&body, &td_rec_snap_head, &head);
    const struct td_stored_record rec = {TD_SNAP_HEAD, body.data, (uint32_t)body.len};
    assert_int_equal(ops->snapshot_begin(p->s, seq, &p->err), 0);
    assert_int_equal(ops->snapshot_put(p->s, &rec, 1, &p->err), 0);
    assert_int_equal(ops->snapshot_end(p->s, 5000, 0xfedcba9876543210u, &p->err), 0);
    td_buf_release(&body);
}

/* SQL: the same text or bytes with one bit turned over. */
MAYBE static void sql_bit_in(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    const uint8_t *data = sqlite3_value_blob(v[0]);
    int len = sqlite3_value_bytes(v[0]);
    uint8_t *copy = td_alloc((size_t)len + 1);
    assert_true(n == 1 && len > 0);
    memcpy(copy, data, (size_t)len);
    copy[len / 2] ^= 1;
    if (sqlite3_value_type(v[0]) == SQLITE_TEXT)
        sqlite3_result_text(ctx, (const char *)copy, len, SQLITE_TRANSIENT);
    else
        sqlite3_result_blob(ctx, copy, len, SQLITE_TRANSIENT);
    td_free(copy);
}

/* Runs SQL behind the store's back. */
MAYBE static void behind(struct place *p, const char *sql)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/journal.db", p->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(td_store_sums(db), SQLITE_OK);
    assert_int_equal(sqlite3_create_function(db, "bit_in", 1, SQLITE_UTF8, NULL, sql_bit_in, NULL, NULL), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* As a broker with a bug would: with sums that fit. */
MAYBE static void forge(struct place *p, const char *sql)
{
    behind(p, sql);
    behind(p, "UPDATE events SET sum=td_sum(seq,time_ms,id,body);"
              "UPDATE snapshots SET sum=td_sum(seq,time_ms,digest);"
              "UPDATE snapshot_records SET sum=td_sum(snapshot,no,kind,data);"
              "UPDATE history SET sum=td_sum(" TD_HISTORY_COLUMNS ");"
              "UPDATE inputs SET sum=td_sum(wake,time_ms,seq,data)");
}

#endif
