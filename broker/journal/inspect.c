/* inspect.c - dump and verify: the one part of the journal that knows what events mean, because it has a core replay them
 *
 * Verify is what a recovery does, with every step compared. The second replay gives the inputs of the last reign to a core
 * again (law 9): the same decisions must come out, event for event, byte for byte. */
#include "broker/journal/inspect.h"

#include <setjmp.h>
#include <string.h>

#include "broker/core/core.h"
#include "broker/journal/store.h"
#include "wire/wire.h"

#define ARENA_BYTES (4u << 20)
#define DUMP_EVENTS 2000u

static const struct td_store_ops *const ops = &td_store_sqlite;

/* --- dump ------------------------------------------------------------------------------------------------------------ */

struct dump {
    FILE *out;
    enum td_see see;
    struct td_arena arena;
    struct td_buf line, lines;
    uint64_t next;  /* event to be printed next; 0: the first there is */
    uint32_t count; /* of this portion */
    struct td_error *err;
    int r;
};

static bool dump_event(void *ctx, const struct td_stored_event *ev)
{
    struct dump *d = ctx;
    const struct td_event_row *row = td_event_row(ev->id);
    struct td_error why = {0};
    if (d->count == DUMP_EVENTS)
        return false;
    if (d->next && ev->seq != d->next) {
        d->r = td_fail(d->err, TD_E_JOURNAL, "event %llu follows event %llu: those between were compacted while the dump was written",
                       (unsigned long long)ev->seq, (unsigned long long)d->next - 1);
        return false;
    }
    d->count++;
    d->next = ev->seq + 1;
    td_arena_reset(&d->arena);
    td_buf_reset(&d->line);
    td_buf_putf(&d->line, "{\"seq\":%llu,\"time\":\"", (unsigned long long)ev->seq);
    td_time_print(ev->time_ms, 0, &d->line);
    td_buf_putf(&d->line, ".%c%c%cZ\",\"type\":", '0' + (int)(ev->time_ms / 100 % 10), '0' + (int)(ev->time_ms / 10 % 10),
                '0' + (int)(ev->time_ms % 10));
    if (!row) {
        td_buf_putf(&d->line, "\"unknown\",\"number\":%u}", ev->id);
    } else {
        struct td_buf json = {0};
        void *body = td_arena_alloc(&d->arena, row->record->size);
        td_json_string(&d->line, row->name);
        if (td_wire_get_record(&d->arena, row->record, ev->body, ev->len, body, &why) < 0) {
            d->r = td_fail(d->err, TD_E_JOURNAL, "event %llu (%s) does not decode: %s", (unsigned long long)ev->seq, row->name,
                           why.text);
            return false;
        }
        td_wire_json(&json, row->record, body, d->see);
        if (json.len > 2) { /* "{...}" becomes ",...}" */
            td_buf_putc(&d->line, ',');
            td_buf_put(&d->line, json.data + 1, json.len - 1);
        } else {
            td_buf_putc(&d->line, '}');
        }
        td_buf_release(&json);
    }
    td_buf_putc(&d->line, '\n');
    td_buf_put(&d->lines, d->line.data, d->line.len);
    return true;
}

/* A reader that stays holds back the log, which then grows with every commit: so none stays while a pipe is full. */
static int dump_portion(struct dump *d, const char *dir, uint64_t from_seq)
{
    struct td_store *s = NULL;
    int r = ops->open(dir, true, &s, d->err);
    if (r < 0)
        return r;
    td_buf_reset(&d->lines);
    d->count = 0;
    r = ops->read(s, from_seq, dump_event, d, d->err);
    ops->close(&s);
    if (fwrite(d->lines.data, 1, d->lines.len, d->out) != d->lines.len || fflush(d->out) != 0)
        return td_fail(d->err, TD_E_IO, "cannot write the dump");
    return r < 0 ? r : d->r;
}

int td_journal_dump(const char *dir, uint64_t from_seq, enum td_see see, FILE *out, struct td_error *err)
{
    struct dump d = {.out = out, .see = see, .err = err};
    int r;
    do {
        r = dump_portion(&d, dir, d.next ? d.next : from_seq);
    } while (r == 0 && d.count == DUMP_EVENTS);
    td_arena_release(&d.arena);
    td_buf_release(&d.line);
    td_buf_release(&d.lines);
    return r;
}

/* --- replay of events -------------------------------------------------------------------------------------------------- */

struct snapshot {
    uint64_t seq, digest;
    uint32_t version; /* TD_CORE_DIGEST of the one that made it */
};
struct verify {
    struct td_store *s;
    struct td_core *core;
    struct td_arena arena;
    struct td_buf *report;
    struct td_error *err;
    int r;
    TD_VEC(struct snapshot) snapshots;
    uint32_t next;         /* snapshot to be compared next */
    uint64_t first;        /* event that is kept; 1: the state can be made from nothing */
    uint64_t stop;         /* replay so far; 0 = to the end */
    uint64_t applied, compared;
    uint64_t at;           /* event that is being applied */
};

static void *decode(struct verify *v, const struct td_record *rec, const uint8_t *data, size_t len)
{
    if (v->arena.used_total > ARENA_BYTES)
        td_arena_reset(&v->arena);
    void *body = td_arena_alloc(&v->arena, rec->size);
    struct td_error why = {0};
    if (td_wire_get_record(&v->arena, rec, data, len, body, &why) < 0) {
        v->r = td_fail(v->err, TD_E_JOURNAL, "%s does not decode: %s", rec->name, why.text);
        return NULL;
    }
    return body;
}

static bool add_snapshot(void *ctx, uint64_t seq, int64_t time_ms, uint64_t digest)
{
    (void)time_ms;
    struct verify *v = ctx;
    const struct snapshot snap = {seq, digest, 0};
    td_vec_push(&v->snapshots, snap);
    return true;
}

static bool note_version(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len)
{
    struct verify *v = ctx;
    const struct td_snap_head *head = kind == TD_SNAP_HEAD ? decode(v, &td_rec_snap_head, data, len) : NULL;
    if (head)
        v->snapshots.v[v->next].version = head->digest;
    return !head;
}

static int add_versions(struct verify *v)
{
    int r = 0;
    for (v->next = 0; r == 0 && v->next < v->snapshots.n; v->next++)
        r = ops->snapshot_read_at(v->s, v->snapshots.v[v->next].seq, note_version, v, v->err);
    v->next = 0;
    return r < 0 ? r : v->r;
}

static bool restore(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len)
{
    struct verify *v = ctx;
    const struct td_record *rec = td_core_snapshot_record(kind);
    if (!rec) {
        v->r = td_fail(v->err, TD_E_JOURNAL, "a snapshot holds records of unknown kind %u", kind);
        return false;
    }
    const void *body = decode(v, rec, data, len);
    if (body)
        v->r = td_core_restore(v->core, kind, body, v->err);
    return v->r == 0;
}

static bool digest_fits(struct verify *v)
{
    while (v->next < v->snapshots.n && v->snapshots.v[v->next].seq == td_core_seq(v->core)) {
        const struct snapshot *snap = &v->snapshots.v[v->next];
        if (snap->version != TD_CORE_DIGEST) {
            td_buf_putf(v->report, "snapshot at %llu: made by another version, its digest is not compared\n", (unsigned long long)snap->seq);
            v->next++;
            continue;
        }
        if (snap->digest != td_core_digest(v->core)) {
            v->r = td_fail(v->err, TD_E_JOURNAL, "the state after event %llu has not the digest stored with the snapshot there",
                           (unsigned long long)td_core_seq(v->core));
            return false;
        }
        v->compared++;
        v->next++;
    }
    return true;
}

static bool apply(void *ctx, const struct td_stored_event *st)
{
    struct verify *v = ctx;
    const struct td_event_row *row = td_event_row(st->id);
    if (v->stop && st->seq > v->stop)
        return false;
    if (!row || st->seq != td_core_seq(v->core) + 1) {
        v->r = td_fail(v->err, TD_E_JOURNAL, row ? "a hole: event %llu follows %llu" : "event %llu is of an unknown type",
                       (unsigned long long)st->seq, (unsigned long long)td_core_seq(v->core));
        return false;
    }
    const void *body = decode(v, row->record, st->body, st->len);
    if (!body)
        return false;
    const struct td_event ev = {st->seq, st->time_ms, st->id, body};
    v->at = st->seq;
    td_core_apply(v->core, &ev);
    v->applied++;
    return digest_fits(v);
}

static bool first_event(void *ctx, const struct td_stored_event *st)
{
    ((struct verify *)ctx)->first = st->seq;
    return false;
}

/* The state after event `upto` (0: the last one) in a fresh core: from nothing while every event is there, else from the
 * oldest snapshot, or the newest that is not behind `upto`. */
static int state_make(struct verify *v, uint64_t seed, uint64_t upto)
{
    uint64_t from = 0;
    v->next = 0;
    v->applied = 0;
    v->stop = upto;
    if (v->snapshots.n && v->first != 1)
        from = v->snapshots.v[0].seq;
    for (uint32_t i = 0; upto && i < v->snapshots.n && v->snapshots.v[i].seq <= upto; i++) {
        from = v->snapshots.v[i].seq;
        v->next = i;
    }
    if (upto && from > upto)
        return td_fail(v->err, TD_E_JOURNAL, "no snapshot before event %llu", (unsigned long long)upto);
    td_core_destroy(&v->core);
    td_arena_reset(&v->arena);
    v->core = td_core_new(seed);
    int r = from ? ops->snapshot_read_at(v->s, from, restore, v, v->err) : 0;
    if (r < 0 || v->r < 0)
        return r < 0 ? r : v->r;
    if (!digest_fits(v))
        return v->r;
    r = ops->read(v->s, from + 1, apply, v, v->err);
    return r < 0 ? r : v->r;
}

static int verify_events(struct verify *v)
{
    int r = ops->snapshots(v->s, add_snapshot, v, v->err);
    if (r == 0)
        r = add_versions(v);
    if (r == 0)
        r = ops->read(v->s, 0, first_event, v, v->err);
    if (r == 0)
        r = state_make(v, 1, 0);
    if (r < 0)
        return r;
    if (v->next < v->snapshots.n)
        return td_fail(v->err, TD_E_JOURNAL, "the snapshot of event %llu lies behind the last event",
                       (unsigned long long)v->snapshots.v[v->next].seq);
    struct td_error why = {0};
    if (!td_core_check(v->core, &why))
        return td_fail(v->err, TD_E_JOURNAL, "the state after the last event breaks an invariant: %s", why.text);
    td_buf_putf(v->report, "replay: %llu events, %llu snapshot digests equal, invariants hold, digest %llu\n",
                (unsigned long long)v->applied, (unsigned long long)v->compared, (unsigned long long)td_core_digest(v->core));
    return 0;
}

/* --- replay of inputs ---------------------------------------------------------------------------------------------------- */

struct reign {
    uint64_t wake, seq, seed; /* its first wake */
    uint64_t count;
    struct td_arena arena;
    struct td_error *err;
    int r;
};

static bool find_reign(void *ctx, uint64_t wake, int64_t now_ms, const uint8_t *data, uint32_t len)
{
    (void)now_ms;
    struct reign *g = ctx;
    struct td_wake w;
    td_arena_reset(&g->arena);
    g->r = td_wire_get_record(&g->arena, &td_rec_wake, data, len, &w, g->err);
    if (g->r == 0 && w.seed) {
        g->wake = wake;
        g->seq = w.seq;
        g->seed = w.seed;
    }
    g->count++;
    return g->r == 0;
}

struct again {
    struct verify *v;
    struct td_arena arena;
    struct td_buf made; /* events of all wakes: seq, id, time, length, body */
    uint64_t wakes, first;
};

static const struct td_record *record_of_input(const struct td_wake_input *in)
{
    if (in->kind == TD_IN_REQUEST || in->kind == TD_IN_WORKER) {
        const struct td_msg_row *row = td_msg_row(in->id);
        return row ? row->record : NULL;
    }
    const struct td_event_row *row = in->id ? td_event_row(in->id) : NULL;
    return row ? row->record : NULL;
}

static int give(struct again *g, const struct td_wake_input *w)
{
    struct verify *v = g->v;
    const struct td_record *rec = record_of_input(w);
    void *body = NULL;
    if (rec) {
        body = td_arena_alloc(&g->arena, rec->size);
        int r = td_wire_get_record(&g->arena, rec, w->body.v, w->body.n, body, v->err);
        if (r < 0)
            return r;
    }
    td_core_input(v->core, &(struct td_input){
                               .kind = (enum td_input_kind)w->kind,
                               .peer = w->peer,
                               .request = w->request,
                               .uid = w->uid,
                               .gid = w->gid,
                               .node = w->node,
                               .id = w->id,
                               .body = body,
                               .on = w->on,
                           });
    return 0;
}

struct made {
    uint64_t seq;
    int64_t time_ms;
    uint32_t id, len;
};

static bool give_wake(void *ctx, uint64_t wake, int64_t now_ms, const uint8_t *data, uint32_t len)
{
    (void)now_ms;
    struct again *g = ctx;
    struct verify *v = g->v;
    struct td_wake w;
    td_arena_reset(&g->arena);
    v->r = td_wire_get_record(&g->arena, &td_rec_wake, data, len, &w, v->err);
    if (v->r < 0)
        return false;
    if (w.seq != td_core_seq(v->core)) {
        v->r = td_fail(v->err, TD_E_JOURNAL, "wake %llu was after event %llu, its inputs given again are after %llu",
                       (unsigned long long)wake, (unsigned long long)w.seq, (unsigned long long)td_core_seq(v->core));
        return false;
    }
    td_core_wake(v->core, w.now_ms);
    for (uint32_t i = 0; i < w.inputs.n && v->r == 0; i++)
        v->r = give(g, &w.inputs.v[i]);
    if (v->r < 0)
        return false;
    td_core_finish(v->core);
    uint32_t n;
    const struct td_event *ev = td_core_events(v->core, &n);
    for (uint32_t i = 0; i < n; i++) {
        struct made m = {ev[i].seq, ev[i].time_ms, ev[i].id, 0};
        size_t at = g->made.len;
        td_buf_put(&g->made, &m, sizeof(m));
        td_wire_put_record(&g->made, td_event_row(ev[i].id)->record, ev[i].body);
        m.len = (uint32_t)(g->made.len - at - sizeof(m));
        memcpy(g->made.data + at, &m, sizeof(m));
    }
    g->wakes++;
    return true;
}

struct compare {
    struct verify *v;
    const struct td_buf *made;
    size_t at;
    uint64_t n;
};

static bool same_event(void *ctx, const struct td_stored_event *st)
{
    struct compare *c = ctx;
    struct made m;
    if (c->at >= c->made->len)
        return false; /* the journal goes on: wakes that were not committed with their inputs */
    memcpy(&m, c->made->data + c->at, sizeof(m));
    const uint8_t *body = c->made->data + c->at + sizeof(m);
    if (m.seq != st->seq || m.id != st->id || m.time_ms != st->time_ms || m.len != st->len || memcmp(body, st->body, m.len) != 0) {
        c->v->r = td_fail(c->v->err, TD_E_JOURNAL, "event %llu (%s): the inputs given again make %s there",
                          (unsigned long long)st->seq, td_event_name(st->id),
                          m.id == st->id ? "one with other contents" : td_event_name(m.id));
        return false;
    }
    c->at += sizeof(m) + m.len;
    c->n++;
    return true;
}

/* A snapshot before the reign, and every event from there to its beginning, or the state cannot be made again. */
static bool reign_within_reach(const struct verify *v, const struct reign *g)
{
    return v->first == 1 || (v->snapshots.n && v->snapshots.v[0].seq <= g->seq);
}

static int verify_inputs(struct verify *v)
{
    struct reign g = {.err = v->err};
    int r = ops->inputs(v->s, 0, find_reign, &g, v->err);
    td_arena_release(&g.arena);
    if (r < 0 || g.r < 0)
        return r < 0 ? r : g.r;
    if (!g.count) {
        td_buf_puts(v->report, "inputs: none kept (InputLog is off): decisions not made again\n");
        return 0;
    }
    if (!g.seed || !reign_within_reach(v, &g)) {
        td_buf_puts(v->report, "inputs: they do not reach back to the beginning of a reign: decisions not made again\n");
        return 0;
    }
    if (g.seq) {
        r = state_make(v, g.seed, g.seq);
    } else {
        td_core_destroy(&v->core);
        v->core = td_core_new(g.seed);
    }
    struct again again = {.v = v, .first = g.seq};
    if (r == 0)
        r = ops->inputs(v->s, g.wake, give_wake, &again, v->err);
    if (r == 0)
        r = v->r;
    struct compare c = {.v = v, .made = &again.made};
    if (r == 0)
        r = ops->read(v->s, g.seq + 1, same_event, &c, v->err);
    if (r == 0)
        r = v->r;
    if (r == 0 && c.at < again.made.len)
        r = td_fail(v->err, TD_E_JOURNAL, "the inputs given again make events behind the last one of the journal");
    if (r == 0)
        td_buf_putf(v->report, "inputs: %llu wakes of the last reign given again, %llu events equal\n",
                    (unsigned long long)again.wakes, (unsigned long long)c.n);
    td_arena_release(&again.arena);
    td_buf_release(&again.made);
    return r;
}

/* A damaged event may decode and still be impossible, and then the core asserts. For a verifier that is a finding and not
 * its own end: the assertion comes back here. The core may be half changed then and cannot be taken apart; it is kept,
 * because a verifier does not live long. */
struct wreck {
    struct td_core *core;
    struct td_arena arena;
    struct wreck *next;
};
static struct wreck *wrecks;
static jmp_buf assert_jump;
static char assert_text[256];

static void assert_found(const char *file, int line, const char *what)
{
    td_format(assert_text, sizeof(assert_text), "%s:%d: %s", file, line, what);
    longjmp(assert_jump, 1);
}

static int replay_both(struct verify *v)
{
    int r = verify_events(v);
    return r < 0 ? r : verify_inputs(v);
}

static void unsay_check(struct td_error *err)
{
    char *at = strstr(err->text, TD_STORE_CHECK);
    if (at)
        memmove(at, at + strlen(TD_STORE_CHECK), strlen(at + strlen(TD_STORE_CHECK)) + 1);
}

static int verify(const char *dir, struct td_buf *report, struct td_error *err)
{
    struct verify *v = td_alloc(sizeof(*v)); /* not on the stack: it must outlive the jump */
    v->report = report;
    v->err = err;
    int r = ops->open(dir, true, &v->s, err);
    if (r < 0) {
        td_free(v);
        return r;
    }
    r = ops->verify(v->s, report, err);
    if (r < 0) {
        ops->close(&v->s);
        td_free(v);
        return r;
    }
    td_assert_hook_fn *const hook = td_assert_hook;
    td_assert_hook = assert_found;
    if (setjmp(assert_jump) == 0) {
        r = replay_both(v);
        td_core_destroy(&v->core);
    } else {
        struct wreck *w = td_alloc(sizeof(*w));
        *w = (struct wreck){v->core, v->arena, wrecks};
        wrecks = w;
        v->arena = (struct td_arena){0};
        r = td_fail(err, TD_E_JOURNAL, "event %llu cannot have happened: %s does not hold",
                    (unsigned long long)v->at, assert_text);
    }
    td_assert_hook = hook;
    td_arena_release(&v->arena);
    td_vec_release(&v->snapshots);
    ops->close(&v->s);
    td_free(v);
    return r;
}

int td_journal_verify(const char *dir, struct td_buf *report, struct td_error *err)
{
    int r = verify(dir, report, err);
    if (r < 0)
        unsay_check(err);
    return r;
}
