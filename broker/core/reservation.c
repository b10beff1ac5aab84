/* reservation.c - nodes kept for some over a stretch of time: the table, what its events do, and its clock
 *
 * Owns: struct core_reservation. The ledger is told all of them whenever one changes (window.c), in
 * journal time; here times are the wall clock's, because people said them.
 * A reservation ends by an event, at its time or when it is deleted; one that comes again rolls on.
 * Who waits for it is then held, and no longer names it, as in Slurm; with NO_HOLD_JOBS_AFTER_END he
 * waits without it. What ran before it was made is not touched (IGNORE_JOBS). */
#include <string.h>

#include "broker/core/state.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define WEEKDAYS 0x3eu /* bit 0: Sunday */
#define WEEKEND 0x41u
#define AWARD_LATE_MS 60000

struct core_reservation *core_reservation_find(const struct td_core *c, const char *name)
{
    for (uint32_t i = 0; !td_str_empty(name) && i < c->reservations.n; i++) {
        if (strcmp(c->reservations.v[i].is->name, name) == 0)
            return &c->reservations.v[i];
    }
    return NULL;
}

int64_t core_reservation_every(uint64_t flags)
{
    if (flags & TD_RESERVE_HOURLY)
        return HOUR_MS;
    if (flags & TD_RESERVE_WEEKLY)
        return 7 * DAY_MS;
    return flags & (TD_RESERVE_DAILY | TD_RESERVE_WEEKDAY | TD_RESERVE_WEEKEND) ? DAY_MS : 0;
}

/* By the wall clock. */
struct td_ledger_window core_reservation_window(const struct td_reservation *r, const uint32_t *nodes, uint32_t n)
{
    return (struct td_ledger_window){
        .name = r->name,
        .from = r->start_ms,
        .to = r->end_ms,
        .every_ms = core_reservation_every(r->flags),
        .zone_ms = r->zone_s * 1000,
        .days = r->flags & TD_RESERVE_WEEKDAY ? WEEKDAYS : r->flags & TD_RESERVE_WEEKEND ? WEEKEND : 0,
        .flex = r->flags & TD_RESERVE_FLEX,
        .over = r->flags & (TD_RESERVE_MAINT | TD_RESERVE_OVERLAP),
        .nodes = nodes,
        .nnodes = n,
    };
}

/* The ledger's picture, and when to look again. */
void core_reservations_tell(struct td_core *c)
{
    struct td_ledger_window *v = td_alloc((c->reservations.n + 1) * sizeof(*v));
    c->reservations_next_ms = INT64_MAX;
    for (uint32_t i = 0; i < c->reservations.n; i++) {
        const struct core_reservation *r = &c->reservations.v[i];
        v[i] = core_reservation_window(r->is, r->nodes, r->nnodes);
        v[i].zone_ms += v[i].from;
        v[i].from = core_civil_at(c, r->is->start_ms);
        v[i].zone_ms -= v[i].from;
        v[i].to = core_civil_at(c, r->is->end_ms);
        core_sooner(&c->reservations_next_ms, r->is->active ? v[i].to : v[i].from);
    }
    td_ledger_set_windows(c->ledger, v, c->reservations.n);
    td_free(v);
    c->dirty = true;
}

static void release(struct core_reservation *r)
{
    td_free(r->is);
    td_free(r->nodes);
}

void core_reservations_free(struct td_core *c)
{
    for (uint32_t i = 0; i < c->reservations.n; i++)
        release(&c->reservations.v[i]);
    td_vec_release(&c->reservations);
}

static void put(struct td_core *c, const struct td_reservation *is)
{
    struct core_reservation *old = core_reservation_find(c, is->name), r = {.is = core_pack(&td_rec_reservation, is)};
    struct td_hostlist l = {0};
    struct td_error err;
    if (td_hostlist_parse(is->nodes, TD_MAX_NODES, &l, &err) == 0) {
        r.nodes = td_alloc((l.names.n + 1) * sizeof(*r.nodes));
        for (uint32_t i = 0; i < l.names.n; i++) {
            const struct core_node *n = core_node_find(c, l.names.v[i]);
            if (n)
                r.nodes[r.nnodes++] = n->no;
        }
    }
    td_hostlist_release(&l);
    if (old) {
        release(old);
        *old = r;
        return;
    }
    td_vec_push(&c->reservations, r);
}

/* Who waits for it: of each job what it is now is found again. */
static void queue_again(struct td_core *c, const char *name)
{
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        struct core_job *j = c->jobs.v[i];
        if (j->state == TD_JOB_PENDING && td_str_equal(j->spec->body.reservation, name))
            core_job_enqueue(c, j);
    }
}

void core_reservation_apply_set(struct td_core *c, const struct td_ev_reservation_set *ev)
{
    put(c, &ev->is);
    core_reservations_tell(c);
    queue_again(c, ev->is.name);
}

void core_reservation_apply_began(struct td_core *c, const struct td_ev_reservation_began *ev)
{
    struct core_reservation *r = core_reservation_find(c, ev->name);
    TD_ASSERT(r);
    r->is->active = true;
    core_reservations_tell(c);
    queue_again(c, ev->name);
}

void core_reservation_apply_rolled(struct td_core *c, const struct td_ev_reservation_rolled *ev)
{
    struct core_reservation *r = core_reservation_find(c, ev->name);
    TD_ASSERT(r);
    r->is->start_ms = ev->start_ms;
    r->is->end_ms = ev->end_ms;
    r->is->active = false;
    core_reservations_tell(c);
    queue_again(c, ev->name);
}

/* The job names no reservation any more. */
static void unname(struct td_core *c, struct core_job *j, bool hold)
{
    struct td_job_spec body = j->spec->body;
    body.reservation = NULL;
    struct core_spec *fresh = core_spec_new(c, &body);
    core_spec_drop(c, &j->spec);
    j->spec = fresh;
    if (hold && !j->held)
        j->held = TD_REASON_RESERVATION_DELETED;
    j->promise_ms = j->by_ms = 0;
    if (j->queued)
        td_queue_drop(c->queue, j->id);
    j->queued = false;
    core_job_set_candidates(c, j);
}

void core_reservation_apply_ended(struct td_core *c, const struct td_ev_reservation_ended *ev)
{
    struct core_reservation *r = core_reservation_find(c, ev->name);
    TD_ASSERT(r);
    bool hold = !(r->is->flags & TD_RESERVE_NO_HOLD);
    struct core_reservation was = *r;
    uint32_t at = (uint32_t)(r - c->reservations.v);
    c->reservations.n--;
    memmove(r, r + 1, (c->reservations.n - at) * sizeof(*r));
    core_reservations_tell(c);
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        struct core_job *j = c->jobs.v[i];
        if (j->state != TD_JOB_PENDING || !td_str_equal(j->spec->body.reservation, was.is->name))
            continue;
        unname(c, j, hold);
        core_job_enqueue(c, j);
    }
    release(&was);
}

/* It comes back to the queue, and its reservation may have ended meanwhile. */
void core_reservation_back(struct td_core *c, struct core_job *j)
{
    const char *name = j->spec->body.reservation;
    if (!td_str_empty(name) && !core_reservation_find(c, name))
        unname(c, j, true);
}

void core_reservations_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx)
{
    for (uint32_t i = 0; i < c->reservations.n; i++) {
        const struct td_snap_reservation r = {.is = *c->reservations.v[i].is};
        emit(ctx, TD_SNAP_RESERVATION, &td_rec_snap_reservation, &r);
    }
}

void core_reservation_restore(struct td_core *c, const struct td_snap_reservation *r)
{
    put(c, &r->is);
    core_reservations_tell(c);
}

/* --- who may, and when --------------------------------------------------------------------------- */

bool core_reservation_has(const struct core_reservation *r, const struct core_node *n)
{
    for (uint32_t i = 0; i < r->nnodes; i++) {
        if (r->nodes[i] == n->no)
            return true;
    }
    return false;
}

/* Of a list "a,b", or "-a,-b": all but these. */
static bool is_listed(const char *list, const char *name)
{
    bool but = list && list[0] == '-', found = false;
    if (td_str_empty(list))
        return true;
    size_t n = strlen(name ? name : "");
    for (const char *s = list; s && n;) {
        const char *comma = strchr(s, ',');
        s += *s == '-';
        size_t len = comma ? (size_t)(comma - s) : strlen(s);
        found |= len == n && memcmp(s, name, n) == 0;
        s = comma ? comma + 1 : NULL;
    }
    return found != but;
}

int core_reservation_check(struct td_core *c, const struct td_job_spec *s, uint32_t uid, struct td_error *err)
{
    const char *name = s->reservation, *user = s->user_name;
    if (td_str_empty(name))
        return 0;
    if (strchr(name, ','))
        return td_fail(err, TD_E_NOT_SUPPORTED, "one reservation for a job, not several: --reservation=%s", name);
    const struct core_reservation *r = core_reservation_find(c, name);
    if (!r)
        return td_fail(err, TD_E_RESERVATION, "%s: %s", td_error_words(TD_E_RESERVATION), name);
    if (td_str_empty(user))
        user = core_text(&c->wake, "%u", uid);
    if (!is_listed(r->is->users, user) || !is_listed(r->is->accounts, s->account))
        return td_fail(err, TD_E_RESERVATION_ACCESS, "%s: %s is for%s%s%s%s", td_error_words(TD_E_RESERVATION_ACCESS), name,
                       td_str_empty(r->is->users) ? "" : " users ", td_str_empty(r->is->users) ? "" : r->is->users,
                       td_str_empty(r->is->accounts) ? "" : " accounts ",
                       td_str_empty(r->is->accounts) ? "" : r->is->accounts);
    int64_t length_ms = r->is->end_ms - r->is->start_ms;
    uint32_t least_s = s->limit_min_s ? s->limit_min_s : s->limit_s;
    if (!(r->is->flags & TD_RESERVE_FLEX) && least_s && (least_s == TD_INFINITE || (int64_t)least_s * 1000 > length_ms))
        return td_fail(err, TD_E_TIME_LIMIT, "%s: reservation %s lasts %lld minutes; give a shorter limit (--time), or a --time-min",
                       td_error_words(TD_E_TIME_LIMIT), name, (long long)(length_ms / 60000));
    return 0;
}

/* A job that says no limit of its own runs in a reservation, or before its deadline, for as long as there is. */
uint32_t core_spec_limit_min(const struct td_job_spec *s)
{
    if (s->limit_min_s || s->limit_s || (td_str_empty(s->reservation) && !s->deadline_ms))
        return s->limit_min_s;
    return 60;
}

uint32_t core_reservation_blocked(const struct td_core *c, const struct core_job *j)
{
    const char *name = j->spec->body.reservation;
    if (td_str_empty(name))
        return TD_REASON_NONE;
    const struct core_reservation *r = core_reservation_find(c, name);
    return !r || (!r->is->active && !(r->is->flags & TD_RESERVE_FLEX)) ? TD_REASON_RESERVATION : TD_REASON_NONE;
}

/* --- its clock ----------------------------------------------------------------------------------- */

static void roll(struct td_core *c, const struct core_reservation *r, int64_t civil_ms)
{
    const struct td_ledger_window w = core_reservation_window(r->is, NULL, 0);
    struct td_ev_reservation_rolled ev = {.name = core_text(&c->wake, "%s", r->is->name)};
    bool again = td_window_occurrence(&w, civil_ms, &ev.start_ms, &ev.end_ms);
    TD_ASSERT(again);
    core_emit(c, TD_EV_RESERVATION_ROLLED, &ev);
}

/* Those who wait with this reason for the reservation. In the wake's arena. */
static struct td_u32s waiting_for(struct td_core *c, const char *name, bool any_reason)
{
    uint32_t n = 0, *ids = td_arena_alloc(&c->wake, (c->jobs.n + 1) * sizeof(*ids));
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        const struct core_job *j = c->jobs.v[i];
        if (j->state == TD_JOB_PENDING && td_str_equal(j->spec->body.reservation, name) &&
            (any_reason || j->reason == TD_REASON_RESERVATION))
            ids[n++] = j->id;
    }
    return (struct td_u32s){ids, n};
}

/* What the reservation's event did to them, for those who watch jobs. */
static void tell_waiting(struct td_core *c, const struct td_u32s *ids, uint32_t reason)
{
    uint32_t n = 0, *v = td_arena_alloc(&c->wake, (ids->n + 1) * sizeof(*v));
    for (uint32_t i = 0; i < ids->n; i++) {
        if (core_job_find(c, ids->v[i])->reason == reason)
            v[n++] = ids->v[i];
    }
    for (uint32_t at = 0; at < n; at += TD_MAX_EVENTS_PER_WAKE) {
        struct td_ev_job_reason ev = {.reason = reason, .jobs = {v + at, TD_MIN(n - at, (uint32_t)TD_MAX_EVENTS_PER_WAKE)}};
        core_emit(c, TD_EV_JOB_REASON, &ev);
    }
}

static void begin(struct td_core *c, const struct core_reservation *r)
{
    struct td_ev_reservation_began ev = {.name = core_text(&c->wake, "%s", r->is->name)};
    struct td_u32s ids = waiting_for(c, ev.name, false);
    core_emit(c, TD_EV_RESERVATION_BEGAN, &ev);
    core_log(c, "info reservation=%s has begun", ev.name);
    tell_waiting(c, &ids, TD_REASON_PRIORITY);
}

void core_reservation_end(struct td_core *c, const struct core_reservation *r, uint32_t uid, bool deleted)
{
    struct td_ev_reservation_ended ev = {
        .name = core_text(&c->wake, "%s", r->is->name), .uid = uid, .deleted = deleted};
    struct td_u32s ids = waiting_for(c, ev.name, true);
    core_emit(c, TD_EV_RESERVATION_ENDED, &ev);
    core_log(c, "info reservation=%s %s", ev.name, deleted ? "was deleted" : "is over");
    tell_waiting(c, &ids, TD_REASON_RESERVATION_DELETED);
}

void core_reservations_run(struct td_core *c)
{
    if (c->now_ms < c->reservations_next_ms)
        return;
    int64_t civil_ms = core_civil_ms(c, c->now_ms);
    for (uint32_t i = 0; i < c->reservations.n;) {
        const struct core_reservation *r = &c->reservations.v[i];
        if (r->is->end_ms <= civil_ms) {
            if (!(r->is->flags & TD_RESERVE_AGAIN)) {
                core_reservation_end(c, r, 0, false); /* the next one has its place */
                continue;
            }
            roll(c, r, civil_ms);
            r = &c->reservations.v[i];
        }
        if (!r->is->active && r->is->start_ms <= civil_ms)
            begin(c, r);
        i++;
    }
    core_reservations_tell(c);
}

/* --- shown --------------------------------------------------------------------------------------- */

const struct td_reservation *core_reservation_on(const struct td_core *c, const struct core_node *n)
{
    const struct td_reservation *is = NULL;
    for (uint32_t i = 0; i < c->reservations.n; i++) {
        const struct core_reservation *r = &c->reservations.v[i];
        if (!r->is->active || !core_reservation_has(r, n))
            continue;
        if (!is || r->is->flags & TD_RESERVE_MAINT)
            is = r->is;
    }
    return is;
}

void td_core_reservations(const struct td_core *c, const char *name, td_reservation_visit_fn *visit, void *ctx)
{
    for (uint32_t i = 0; i < c->reservations.n; i++) {
        const struct core_reservation *r = &c->reservations.v[i];
        struct td_reservation_info row = {.is = *r->is, .nodes = r->nnodes};
        if (!td_str_empty(name) && strcmp(name, r->is->name) != 0)
            continue;
        for (uint32_t k = 0; k < r->nnodes; k++) {
            const struct core_node *n = c->nodes.v[r->nodes[k]];
            struct td_ledger_free free;
            td_ledger_get_free(c->ledger, n->no, &free);
            uint32_t threads = n->inv && n->inv->threads_per_core ? n->inv->threads_per_core : 1;
            row.cpus += free.cpus_total;
            row.cores += free.cpus_total / threads;
        }
        if (!visit(ctx, &row))
            return;
    }
}

/* --- invariant ----------------------------------------------------------------------------------- */

/* Nobody runs where a reservation that he does not name lasts: but who ran before it was made, if it ignores them, and
 * who should be over by his limit. */
bool core_reservations_check(const struct td_core *c, struct td_error *err)
{
    for (uint32_t i = 0; i < c->reservations.n; i++) {
        const struct core_reservation *r = &c->reservations.v[i];
        int64_t from = core_civil_at(c, r->is->start_ms);
        for (uint32_t k = 0; k < r->nnodes && r->is->active; k++) {
            for (const struct core_part *p = c->nodes.v[r->nodes[k]]->parts; p; p = p->next) {
                const struct core_job *j = p->job;
                const struct core_reservation *own = core_reservation_find(c, j->spec->body.reservation);
                bool over = own && own->is->flags & (TD_RESERVE_MAINT | TD_RESERVE_OVERLAP);
                /* It was planned from its award on; its nodes may have taken it late. */
                int64_t began_ms = j->alloc->awarded_ms ? j->alloc->awarded_ms : j->start_ms - AWARD_LATE_MS;
                bool before = began_ms <= r->is->since_ms && r->is->flags & TD_RESERVE_IGNORE_JOBS;
                if (j->state != TD_JOB_RUNNING || own == r || over || before || c->clock_at_ms >= j->start_ms || j->stepped_ms)
                    continue;
                if (core_job_until(j, began_ms, j->limit_s) <= from + 1000)
                    continue;
                return td_fail(err, TD_E_JOURNAL, "job %u runs on %s, which reservation %s has", j->id, p->node->name, r->is->name),
                       false;
            }
        }
    }
    return true;
}
