/* recover.c - the core from the journal: at the start, and when a commit failed
 *
 * Replay restores the newest whole snapshot, compares its digest, applies the events behind it, and decides nothing. What the
 * core knew softly (peers, bids, leases) is gone then, so a rebuilt core begins a reign of its own with another epoch,
 * and the workers say hello again, as after a restart. */
#include "broker/shell.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define ARENA_BYTES (4u << 20)

struct replay {
    struct shell *s;
    struct td_arena arena;
    struct td_error *err;
    int r;
    uint64_t events;
    uint32_t digest; /* TD_CORE_DIGEST of the version that made the snapshot */
};

static void *decode(struct replay *p, const struct td_record *rec, const uint8_t *data, uint32_t len, const char *what)
{
    if (p->arena.used_total > ARENA_BYTES)
        td_arena_reset(&p->arena);
    void *body = td_arena_alloc(&p->arena, rec->size);
    struct td_error why = {0};
    if (td_wire_get_record(&p->arena, rec, data, len, body, &why) < 0) {
        p->r = td_fail(p->err, TD_E_JOURNAL, "%s (%s) of the journal does not decode: %s", what, rec->name, why.text);
        return NULL;
    }
    return body;
}

/* The configuration in force is told by its bytes. */
void shell_conf_in_force(struct shell *s, const struct td_stored_event *ev)
{
    td_hash(ev->body, ev->len, s->conf_hash);
}

static bool restore_record(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len)
{
    struct replay *p = ctx;
    const struct td_record *rec = td_core_snapshot_record(kind);
    if (!rec) {
        p->r = td_fail(p->err, TD_E_JOURNAL, "the snapshot holds records of unknown kind %u", kind);
        return false;
    }
    const void *body = decode(p, rec, data, len, "a snapshot record");
    if (body)
        p->r = td_core_restore(p->s->core, kind, body, p->err);
    if (p->r == 0 && kind == TD_SNAP_CONF)
        td_hash(data, len, p->s->conf_hash); /* the same fields under the same keys as in the event */
    if (p->r == 0 && kind == TD_SNAP_HEAD) {
        p->s->next_job = ((const struct td_snap_head *)body)->next_job;
        p->digest = ((const struct td_snap_head *)body)->digest;
    }
    return p->r == 0;
}

static bool apply_event(void *ctx, const struct td_stored_event *st)
{
    struct replay *p = ctx;
    const struct td_event_row *row = td_event_row(st->id);
    if (!row) {
        p->r = td_fail(p->err, TD_E_VERSION, "event %llu has the number %u, which this version does not know",
                       (unsigned long long)st->seq, st->id);
        return false;
    }
    if (st->seq != td_core_seq(p->s->core) + 1) {
        p->r = td_fail(p->err, TD_E_JOURNAL, "the journal has a hole: event %llu follows %llu",
                       (unsigned long long)st->seq, (unsigned long long)td_core_seq(p->s->core));
        return false;
    }
    const void *body = decode(p, row->record, st->body, st->len, "an event");
    if (!body)
        return false;
    const struct td_event ev = {st->seq, st->time_ms, st->id, body};
    td_core_apply(p->s->core, &ev);
    if (st->id == TD_EV_CONF_LOADED)
        shell_conf_in_force(p->s, st);
    else if (st->id == TD_EV_JOB_SUBMITTED)
        p->s->next_job = TD_MAX(p->s->next_job, ((const struct td_ev_job_submitted *)body)->job + 1);
    else if (st->id == TD_EV_TASK_SPLIT)
        p->s->next_job = TD_MAX(p->s->next_job, ((const struct td_ev_task_split *)body)->job + 1);
    p->events++;
    return true;
}

static void core_empty(struct shell *s)
{
    td_core_destroy(&s->core);
    memset(s->conf_hash, 0, sizeof(s->conf_hash));
    s->next_job = 0;
    s->core = td_core_new(s->seed);
}

struct whole {
    uint64_t seq;
    uint64_t digest;
};
struct older {
    TD_VEC(struct whole) v;
};
static bool add_older(void *ctx, uint64_t seq, int64_t time_ms, uint64_t digest)
{
    (void)time_ms;
    struct older *o = ctx;
    const struct whole w = {seq, digest};
    td_vec_push(&o->v, w);
    return true;
}

static bool first_event(void *ctx, const struct td_stored_event *st)
{
    *(uint64_t *)ctx = st->seq;
    return false;
}

/* The newest snapshot is damaged. An older one gives the same state while every event behind it is kept, and so does
 * nothing at all while the first is. `p->err` keeps the damage; untouched results if there is no such way. */
static int restore_older(struct replay *p, uint64_t *ret_seq, uint64_t *ret_digest)
{
    struct shell *s = p->s;
    struct td_error why = {0};
    struct older o = {0};
    uint64_t first = 0;
    int r = -TD_E_JOURNAL;
    shell_log(&s->log, "error %s", p->err->text);
    s->ops->snapshots(s->store, add_older, &o, &why); /* up to the first that is damaged itself */
    for (uint32_t i = o.v.n; r < 0 && p->r == 0 && i > 0; i--) {
        core_empty(s);
        r = s->ops->snapshot_read_at(s->store, o.v.v[i - 1].seq, restore_record, p, &why);
        if (r == 0) {
            *ret_seq = o.v.v[i - 1].seq;
            *ret_digest = o.v.v[i - 1].digest;
        }
    }
    if (r < 0 && p->r == 0 && s->ops->read(s->store, 0, first_event, &first, &why) == 0 && first == 1) {
        core_empty(s);
        *ret_seq = *ret_digest = 0;
        r = 0;
    }
    if (r == 0)
        shell_log(&s->log, "warn the state is made from the snapshot at %llu and the events behind it instead",
                  (unsigned long long)*ret_seq);
    td_vec_release(&o.v);
    return r;
}

static int replay(struct replay *p)
{
    struct shell *s = p->s;
    uint64_t seq, digest;
    int64_t time_ms;
    int r = s->ops->snapshot_read(s->store, &seq, &time_ms, &digest, restore_record, p, p->err);
    if (r == -TD_E_JOURNAL)
        r = restore_older(p, &seq, &digest);
    if (r < 0 || p->r < 0)
        return r < 0 ? r : p->r;
    if (seq && p->digest != TD_CORE_DIGEST)
        shell_log(&s->log, "info snapshot seq=%llu was made by another version: its digest is not compared", (unsigned long long)seq);
    else if (seq && (td_core_seq(s->core) != seq || td_core_digest(s->core) != digest))
        return td_fail(p->err, TD_E_JOURNAL,
                       "the snapshot of event %llu does not give the state it was made from: the journal was changed or is "
                       "damaged; `tender journal verify` says where, a copy from before is the way back",
                       (unsigned long long)seq);
    s->reign_snapshot = s->newest_snapshot = s->last_snapshot = seq;
    r = s->ops->read(s->store, seq + 1, apply_event, p, p->err);
    return r < 0 ? r : p->r;
}

int shell_core_rebuild(struct shell *s, struct td_error *err)
{
    int64_t from = shell_boot_us();
    struct replay p = {.s = s, .err = err};
    struct td_counters counters = {0};
    if (s->core)
        counters = *td_core_counters(s->core);
    if (getrandom(&s->seed, sizeof(s->seed), 0) != sizeof(s->seed))
        s->seed = (uint64_t)shell_boot_us() ^ (uint64_t)getpid(); /* no secret: it spreads resends */
    s->seed |= 1;                                                 /* 0 stands for "not the first wake of a reign" */
    core_empty(s);
    int r = replay(&p);
    td_arena_release(&p.arena);
    *td_core_counters(s->core) = counters;
    if (r == 0)
        shell_log(&s->log, "info journal replayed snapshot=%llu events=%llu seq=%llu ms=%lld",
                  (unsigned long long)s->reign_snapshot, (unsigned long long)p.events,
                  (unsigned long long)td_core_seq(s->core), (long long)(shell_boot_us() - from) / 1000);
    return r;
}

int shell_reign_begin(struct shell *s, struct td_error *err)
{
    char host[256] = "";
    if (gethostname(host, sizeof(host) - 1) < 0)
        host[0] = '\0';
    shell_clock_new_reign(&s->clock);
    const struct td_ev_epoch_began began = {
        .epoch = s->ops->epoch(s->store), .version = TD_VERSION, .pid = (uint32_t)getpid(), .host = host};
    shell_input(s, &(struct td_input){.kind = TD_IN_START, .id = TD_EV_EPOCH_BEGAN, .body = &began});
    shell_conf_input(s, false);
    s->low_space = false;
    shell_space_check(s);
    shell_log(&s->log, "info epoch=%llu began pid=%ld seq=%llu", (unsigned long long)began.epoch, (long)getpid(),
              (unsigned long long)td_core_seq(s->core));
    return shell_wake_end(s, err);
}

/* The watermark: below it the core refuses new work while ends of jobs can still be written. */
void shell_space_check(struct shell *s)
{
    uint64_t free_bytes = s->ops->free_bytes(s->store);
    bool low = free_bytes < s->conf->low_space_mb << 20;
    if (low == s->low_space || s->down)
        return;
    s->low_space = low;
    shell_input(s, &(struct td_input){.kind = TD_IN_SPACE, .on = low, .request = s->conf->low_space_mb});
}

/* A commit failed: what the core applied in this wake never happened. */
int shell_down(struct shell *s, const struct td_error *cause, struct td_error *err)
{
    shell_log(&s->log, "error journal failed: %s: writes are refused until it takes them again", cause->text);
    s->down = true;
    s->cause = *cause;
    s->open = false;
    s->new_blobs.n = 0;
    shell_inputlog_drop(s);
    shell_snapshot_drop(s);
    shell_digest_drop(s);
    td_core_counters(s->core)->commit_failures++;
    return shell_core_rebuild(s, err);
}

/* Asked once a second while down. */
int shell_try_up(struct shell *s, struct td_error *err)
{
    struct td_error why = {0};
    int r = s->ops->reign(s->store, &why);
    if (r == -TD_E_DEPOSED) {
        if (err)
            *err = why;
        return r;
    }
    if (r < 0) {
        s->cause = why;
        return 0;
    }
    s->down = false;
    shell_log(&s->log, "info journal takes writes again");
    return shell_reign_begin(s, err);
}
