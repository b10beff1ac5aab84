/* past.c - the cluster that a journal tells of, as it was in the end: its newest snapshot and the events behind it
 *
 * Nothing is decided and nothing proved here (tender journal verify does): whoever only wants to know the nodes reads on. */
#include "journal.h"

#include "broker/journal/store.h"
#include "wire/wire.h"

#define ARENA_BYTES (4u << 20)

static const struct td_store_ops *const ops = &td_store_sqlite;

struct past {
    const char *dir;
    struct td_core *core;
    struct td_arena arena;
    struct td_error *err;
    int r;
};

static const void *decode(struct past *p, const struct td_record *rec, const uint8_t *data, uint32_t len)
{
    struct td_error why = {0};

    if (p->arena.used_total > ARENA_BYTES)
        td_arena_reset(&p->arena);
    void *body = rec ? td_arena_alloc(&p->arena, rec->size) : NULL;
    if (body && td_wire_get_record(&p->arena, rec, data, len, body, &why) == 0)
        return body;
    p->r = td_fail(p->err, TD_E_JOURNAL, "%s: %s", p->dir, rec ? why.text : "it has records that this version does not know");
    return NULL;
}

static bool restore(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len)
{
    struct past *p = ctx;
    const void *body = decode(p, td_core_snapshot_record(kind), data, len);

    if (body)
        p->r = td_core_restore(p->core, kind, body, p->err);
    return p->r == 0;
}

static bool apply(void *ctx, const struct td_stored_event *st)
{
    struct past *p = ctx;
    const struct td_event_row *row = td_event_row(st->id);
    const void *body = decode(p, row ? row->record : NULL, st->body, st->len);

    if (body && st->seq != td_core_seq(p->core) + 1)
        p->r = td_fail(p->err, TD_E_JOURNAL, "%s has a hole before event %llu", p->dir, (unsigned long long)st->seq);
    if (p->r == 0)
        td_core_apply(p->core, &(struct td_event){st->seq, st->time_ms, st->id, body});
    return p->r == 0;
}

int journal_core(const char *dir, struct td_core **ret, struct td_error *err)
{
    struct past p = {.dir = dir, .err = err};
    struct td_store *s = NULL;
    uint64_t seq = 0, digest;
    int64_t time_ms;
    int r = ops->open(dir, true, &s, err);

    if (r < 0)
        return r;
    p.core = td_core_new(1);
    r = ops->snapshot_read(s, &seq, &time_ms, &digest, restore, &p, err);
    if (r == 0 && p.r == 0)
        r = ops->read(s, seq + 1, apply, &p, err);
    ops->close(&s);
    td_arena_release(&p.arena);
    r = r < 0 ? r : p.r;
    if (r < 0)
        td_core_destroy(&p.core);
    *ret = p.core;
    return r;
}
