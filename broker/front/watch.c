/* watch.c - watchers: each is told, from where it stands, what it may see, as fast as it reads
 *
 * Owns the ring of the last events as notes, the ring of jobs whose rows changed, and the watchers. A watcher is a place in
 * both rings; nothing is queued for it but one frame or two in its connection. So one that stops reading costs nothing: when
 * it reads again it goes on from its place, or is told that its place is gone (resync) and gets all rows anew.
 *
 * A frame is encoded once for all watchers that stand at the same place and may see the same, which after a moment is all
 * of them. One frame for each commit; with over DELIVER_AT_ONCE watchers at most one in DELIVER_US. */
#include <string.h>

#include "broker/front/front.h"

#define RING 65536u
#define RING_BYTES (64u << 20)
#define TOUCHED 262144u
#define UNREAD_MAX (512u * 1024) /* a watcher with more unread is not told more */
#define NOTES_MAX 2000u
#define NOTES_BYTES (256u * 1024)
#define DELIVER_AT_ONCE 100u
#define DELIVER_US 20000
#define BEAT_US 1000000

/* --- the rings --------------------------------------------------------------------------------------------------------- */

static struct front_note *slot(struct front *f, uint64_t seq)
{
    return &f->ring.v[seq % RING];
}

static void ring_drop(struct front *f)
{
    struct front_note *n = slot(f, f->ring.first++);
    f->ring.bytes -= n->all_len + n->owner_len + 2 * n->nids * sizeof(*n->ids);
    front_note_release(n);
}

static void wants_delivery(struct front *f)
{
    if (f->watchers.n && !f->deliver_us)
        f->deliver_us = f->watchers.n <= DELIVER_AT_ONCE ? shell_boot_us() : TD_MAX(shell_boot_us(), f->delivered_us + DELIVER_US);
}

/* One that the core does not hold was touched when it left. */
void front_watch_touch(struct front *f, uint32_t job)
{
    struct td_job_brief b;
    if (!td_core_job_brief(f->s->core, job, &b))
        return;
    if (!f->touched)
        f->touched = td_alloc(TOUCHED * sizeof(*f->touched));
    f->touched[f->touched_next++ % TOUCHED] = (struct front_touched){job, b.uid};
    wants_delivery(f);
}

void front_watch_purged(struct front *f, const struct td_u32s *jobs)
{
    for (uint32_t i = 0; i < jobs->n; i++) {
        struct td_job_brief b;
        td_vec_push(&f->leaving, td_core_job_brief(f->s->core, jobs->v[i], &b) ? b.uid : UINT32_MAX);
        front_watch_touch(f, jobs->v[i]);
    }
}

void front_watch_note(struct front *f, const struct td_event *ev)
{
    struct front_note note;
    if (!f->ring.v)
        f->ring.v = td_alloc(RING * sizeof(*f->ring.v));
    front_note_make(f->s->core, ev, &f->leaving, &f->arena, &note);
    f->leaving.n = 0;
    while (f->ring.first <= f->ring.last && (f->ring.last - f->ring.first + 1 >= RING || f->ring.bytes > RING_BYTES))
        ring_drop(f);
    if (f->ring.first > f->ring.last)
        f->ring.first = ev->seq;
    f->ring.last = ev->seq;
    f->ring.bytes += note.all_len + note.owner_len + 2 * note.nids * sizeof(*note.ids);
    *slot(f, ev->seq) = note;
    for (uint32_t i = 0; i < note.nids; i++)
        front_watch_touch(f, note.ids[i]);
    wants_delivery(f);
}

void front_watch_reset(struct front *f)
{
    while (f->ring.first <= f->ring.last && f->ring.v)
        ring_drop(f);
    f->ring.first = td_core_seq(f->s->core) + 1;
    f->ring.last = td_core_seq(f->s->core);
    for (uint32_t i = 0; i < f->watchers.n; i++)
        f->watchers.v[i]->snapshot = f->watchers.v[i]->rows;
    wants_delivery(f);
}

/* --- one frame ----------------------------------------------------------------------------------------------------------- */

static bool is_named(const struct front *f, const struct front_watcher *w, uint32_t job)
{
    struct td_job_brief b = {0};
    bool known = td_core_job_brief(f->s->core, job, &b);
    if (w->own && (!known || b.uid != w->uid))
        return false;
    return !w->some_jobs || td_map_get(&w->jobs, job) || (known && b.array_job && td_map_get(&w->jobs, b.array_job));
}

/* What is kept from it: audit, and by PrivateData events of others' jobs, and those of no job where nodes, partitions or events are private.
 * Whose a job was that has left the core since is in the note. */
static bool is_hidden(const struct front_watcher *w, const struct front_note *n)
{
    if (td_event_is_audit(n->note.type))
        return !w->is_operator;
    if (!n->nids)
        return w->hides & (TD_PRIVATE_EVENTS | TD_PRIVATE_NODES | TD_PRIVATE_PARTITIONS);
    if (!(w->hides & (TD_PRIVATE_EVENTS | TD_PRIVATE_JOBS)))
        return false;
    if (n->note.job && n->note.uid == w->uid)
        return false;
    for (uint32_t i = 0; i < n->nids; i++)
        if (n->uids[i] == w->uid)
            return false;
    return true;
}

static bool is_for(const struct front *f, const struct front_watcher *w, const struct front_note *n)
{
    if (w->quiet || is_hidden(w, n))
        return false;
    if (w->audit)
        return td_event_is_audit(n->note.type);
    if (!w->own && !w->some_jobs)
        return true;
    if (w->own && n->note.job && n->note.uid == w->uid && !w->some_jobs)
        return true; /* of a job that is no longer held, too */
    for (uint32_t i = 0; i < n->nids; i++) {
        bool his = !w->own || n->uids[i] == w->uid;
        if (is_named(f, w, n->ids[i]) || (his && (!w->some_jobs || td_map_get(&w->jobs, n->ids[i]))))
            return true;
    }
    return false;
}

struct rows {
    struct front *f;
    const struct front_watcher *w;
    struct td_arena *arena; /* of the rows */
    const struct td_pick *picks[TD_SEE_OWNER + 1]; /* what is shown to such eyes; made when needed */
    TD_VEC(struct td_job_info) v;
    bool all; /* of a snapshot: sent frame by frame */
    struct td_events frame;
    bool failed;
};

static void send_body(struct front *f, const struct front_watcher *w)
{
    td_buf_reset(&f->s->frame);
    td_wire_put_frame_of(&f->s->frame, TD_MSG_EVENTS, w->request, f->body.data, f->body.len);
    shell_local_send_frame(f->s, w->client, f->s->frame.data, f->s->frame.len); /* gone: found at the next delivery */
}

static void encode(struct front *f, const struct td_events *m)
{
    td_buf_reset(&f->body);
    td_wire_put_record(&f->body, &td_rec_events, m);
}

static bool visit_row(void *ctx, const struct td_job_info *row)
{
    struct rows *r = ctx;
    if (r->w->own && row->uid != r->w->uid)
        return true;
    if (r->all && r->w->some_jobs && !is_named(r->f, r->w, row->job))
        return true;
    static const struct td_query_jobs plain;
    enum td_see see = r->w->is_operator || row->uid == r->w->uid ? TD_SEE_OWNER : TD_SEE_ALL;
    struct td_job_info copy;
    if (!r->picks[see])
        r->picks[see] = shell_job_pick(r->arena, &plain, see);
    td_pick_copy(r->arena, r->picks[see], row, &copy);
    td_vec_push(&r->v, copy);
    if (!r->all || r->v.n < TD_MAX_ROWS_PER_ANSWER / 4)
        return true;
    r->frame.jobs = (struct td_job_info_list){r->v.v, r->v.n};
    r->frame.more = true;
    encode(r->f, &r->frame);
    send_body(r->f, r->w);
    r->frame.resync = false;
    r->v.n = 0;
    return true;
}

static struct td_events frame_from(const struct front *f, uint64_t first, uint64_t last)
{
    return (struct td_events){
        .first = first, .last = last, .now_ms = f->s->clock.now_us / 1000, .stale_ms = front_stale_ms(f)};
}

static struct td_job_query query_of(const struct front_watcher *w)
{
    return (struct td_job_query){.asker_uid = w->uid, .asker_operator = w->is_operator};
}

/* Every row it may see; what it had before is void. */
static void send_all_rows(struct front *f, struct front_watcher *w)
{
    uint64_t seq = td_core_seq(f->s->core);
    struct td_arena a = {0};
    struct rows r = {.f = f, .w = w, .arena = &a, .all = true, .frame = frame_from(f, w->said + 1, w->said)};
    struct td_job_query q = query_of(w);
    r.frame.resync = true;
    td_core_jobs(f->s->core, &q, &a, visit_row, &r);
    r.frame.jobs = (struct td_job_info_list){r.v.v, r.v.n};
    r.frame.more = false;
    r.frame.last = seq;
    encode(f, &r.frame);
    send_body(f, w);
    td_vec_release(&r.v);
    td_arena_release(&a);
    w->snapshot = false;
    w->at = w->said = seq;
    w->at_row = f->touched_next;
}

/* Of one that is not held any more it is told that it is gone. */
static bool row_is_for(const struct front *f, const struct front_watcher *w, const struct front_touched *t)
{
    struct td_job_brief b;
    if (t->uid != w->uid && (w->own || (w->hides & TD_PRIVATE_JOBS)))
        return false;
    if (!w->some_jobs)
        return true;
    if (td_core_job_brief(f->s->core, t->job, &b))
        return is_named(f, w, t->job);
    return td_map_get(&w->jobs, t->job);
}

static void add_rows(struct front *f, const struct front_watcher *w, struct rows *r, struct td_arena *a, struct td_events *m,
                     uint64_t *ret_at_row)
{
    TD_VEC(uint32_t) ids = {0};
    struct td_map seen = {0};
    static char one;
    uint64_t at = w->at_row;
    for (; at < f->touched_next && ids.n < TD_MAX_ROWS_PER_ANSWER / 2; at++) {
        const struct front_touched *t = &f->touched[at % TOUCHED];
        uint32_t id = t->job;
        if (td_map_get(&seen, id) || !row_is_for(f, w, t))
            continue;
        td_map_put(&seen, id, &one);
        td_vec_push(&ids, id);
    }
    struct td_job_query q = query_of(w);
    td_core_jobs_exact(f->s->core, &q, ids.v, ids.n, a, visit_row, r);
    uint32_t *gone = td_arena_alloc(a, (ids.n + 1) * sizeof(*gone)), n = 0;
    for (uint32_t i = 0, k = 0; i < ids.n; i++) {
        if (k < r->v.n && r->v.v[k].job == ids.v[i])
            k++;
        else
            gone[n++] = ids.v[i];
    }
    m->jobs = (struct td_job_info_list){r->v.v, r->v.n};
    m->gone = (struct td_u32s){gone, n};
    *ret_at_row = at;
    td_map_release(&seen);
    td_vec_release(&ids);
}

/* The next frame from where the watcher stands, into f->body. */
static void make_frame(struct front *f, const struct front_watcher *w, uint64_t *ret_at, uint64_t *ret_at_row, bool *ret_empty)
{
    struct td_arena a = {0};
    struct rows r = {.f = f, .w = w, .arena = &a};
    uint64_t last = f->ring.last, seq = w->at;
    uint32_t room = (uint32_t)TD_MIN(last - w->at, (uint64_t)NOTES_MAX), n = 0;
    struct td_event_note *notes = td_arena_alloc(&a, (room + 1) * sizeof(*notes));
    size_t bytes = 0;
    while (seq < last && n < room && bytes < NOTES_BYTES) {
        const struct front_note *note = slot(f, ++seq);
        if (!is_for(f, w, note))
            continue;
        notes[n] = front_note_for(note, w, &a);
        bytes += notes[n++].body.n + 32;
    }
    struct td_events m = frame_from(f, w->said + 1, seq);
    m.notes = (struct td_event_note_list){notes, n};
    *ret_at_row = f->touched_next;
    if (w->rows)
        add_rows(f, w, &r, &a, &m, ret_at_row);
    m.more = seq < last || *ret_at_row < f->touched_next;
    *ret_at = seq;
    *ret_empty = !n && !m.jobs.n && !m.gone.n;
    encode(f, &m);
    td_vec_release(&r.v);
    td_arena_release(&a);
}

/* --- delivery -------------------------------------------------------------------------------------------------------------- */

/* The frame in f->body again, for another watcher. */
struct made {
    bool is, op, own, rows, quiet, audit, empty;
    uint32_t uid;
    uint64_t from, said, from_row, at, at_row;
};

static bool fits(const struct made *m, const struct front_watcher *w)
{
    return m->is && !w->some_jobs && m->op == w->is_operator && (w->is_operator || m->uid == w->uid) && m->own == w->own &&
           (!w->own || m->uid == w->uid) && m->rows == w->rows && m->quiet == w->quiet && m->audit == w->audit && m->from == w->at &&
           m->said == w->said && m->from_row == w->at_row;
}

static bool send_next(struct front *f, struct front_watcher *w, struct made *m, int64_t now)
{
    if (!fits(m, w)) {
        *m = (struct made){.is = !w->some_jobs, .op = w->is_operator, .own = w->own, .rows = w->rows, .quiet = w->quiet, .audit = w->audit,
                           .uid = w->uid, .from = w->at, .said = w->said, .from_row = w->at_row};
        make_frame(f, w, &m->at, &m->at_row, &m->empty);
    }
    bool beat = now - w->told_us >= BEAT_US;
    if (m->empty && !beat && (w->some_jobs || w->own || w->quiet || w->audit || m->at == w->at)) {
        w->at_row = m->at_row; /* nothing for it: the numbers go with the next frame */
        if (m->at == w->at)
            return false;
        w->at = m->at;
        return true;
    }
    send_body(f, w);
    w->at = w->said = m->at;
    w->at_row = m->at_row;
    w->told_us = now;
    return true;
}

/* Its place is not kept any more, or is of another journal. */
static void resync(struct front *f, struct front_watcher *w)
{
    uint64_t seq = td_core_seq(f->s->core), first = TD_MIN(f->ring.first, seq + 1);
    if (w->at + 1 >= first && w->at <= seq)
        return;
    struct td_events m = frame_from(f, first, first - 1);
    m.resync = true;
    w->at = w->said = first - 1;
    w->told_us = shell_boot_us();
    if (w->rows) {
        w->snapshot = true; /* says it itself */
        return;
    }
    encode(f, &m);
    send_body(f, w);
}

/* As they are now: a configuration read again may have given or taken them. */
static void rights_look(const struct front *f, struct front_watcher *w)
{
    bool is_operator = td_core_is_operator(f->s->core, w->uid);
    uint32_t hides = is_operator ? 0 : td_core_settings(f->s->core)->private_data;
    if (hides != w->hides && w->rows)
        w->snapshot = true; /* what it had before is void */
    w->is_operator = is_operator;
    w->hides = hides;
}

static void deliver_to(struct front *f, struct front_watcher *w, struct made *m, int64_t now)
{
    rights_look(f, w);
    resync(f, w);
    if (w->rows && f->touched_next - w->at_row > TOUCHED)
        w->snapshot = true;
    if (w->snapshot) {
        m->is = false;
        send_all_rows(f, w);
        w->told_us = now;
    }
    bool again = true;
    while (again && shell_local_unread(f->s, w->client) < UNREAD_MAX) {
        bool waits = w->at < f->ring.last || (w->rows && w->at_row < f->touched_next);
        if (!waits && now - w->told_us < BEAT_US)
            return;
        again = send_next(f, w, m, now) && waits;
    }
}

static void watcher_drop(struct front *f, uint32_t at)
{
    struct front_watcher *w = f->watchers.v[at];
    td_map_release(&w->jobs);
    td_free(w);
    f->watchers.v[at] = f->watchers.v[--f->watchers.n];
}

void front_watch_deliver(struct front *f)
{
    int64_t now = shell_boot_us();
    if ((!f->deliver_us || now < f->deliver_us) && now < f->beat_us)
        return;
    struct made m = {0};
    f->deliver_us = 0;
    f->delivered_us = now;
    f->beat_us = now + BEAT_US / 4;
    for (uint32_t i = 0; i < f->watchers.n;) {
        struct front_watcher *w = f->watchers.v[i];
        if (!shell_client_find(f->s, w->client)) {
            watcher_drop(f, i);
            continue;
        }
        if (f->ready && shell_local_unread(f->s, w->client) < UNREAD_MAX)
            deliver_to(f, w, &m, now);
        i++;
    }
}

int64_t front_watch_deadline_us(const struct front *f)
{
    if (!f->watchers.n)
        return INT64_MAX;
    return f->deliver_us ? TD_MIN(f->deliver_us, f->beat_us) : f->beat_us;
}

/* --- subscribing ------------------------------------------------------------------------------------------------------------ */

void front_subscribe(struct front *f, const struct shell_from *from, uint64_t request, const struct td_subscribe *m)
{
    static char one;
    struct td_error err = {0};
    for (uint32_t i = 0; i < f->watchers.n && !err.code; i++)
        if (f->watchers.v[i]->client == from->peer)
            td_fail(&err, TD_E_BUSY, "this connection has a subscription already: open another one");
    if (!err.code && m->audit && !td_core_is_operator(f->s->core, from->uid)) {
        td_fail(&err, TD_E_DENIED, "%s: audit events are for operators", td_error_words(TD_E_DENIED));
        shell_denied(f->s, from, TD_MSG_SUBSCRIBE, err.text);
    }
    if (err.code) {
        shell_refuse(f->s, from->peer, request, &err);
        return;
    }
    struct front_watcher *w = td_alloc(sizeof(*w));
    *w = (struct front_watcher){
        .client = from->peer,
        .request = request,
        .uid = from->uid,
        .own = m->own,
        .rows = m->job_rows,
        .quiet = m->quiet,
        .audit = m->audit,
        .some_jobs = m->jobs.n > 0,
        .at = m->from_now ? td_core_seq(f->s->core) : m->since,
        .said = m->from_now ? td_core_seq(f->s->core) : m->since,
        .at_row = f->touched_next,
        .snapshot = m->job_rows,
    };
    for (uint32_t i = 0; i < m->jobs.n; i++)
        td_map_put(&w->jobs, m->jobs.v[i], &one);
    rights_look(f, w);
    td_vec_push(&f->watchers, w);
    shell_local_watches(f->s, from->peer);
    f->deliver_us = shell_boot_us();
}

void front_watch_release(struct front *f)
{
    while (f->watchers.n)
        watcher_drop(f, 0);
    td_vec_release(&f->watchers);
    while (f->ring.v && f->ring.first <= f->ring.last)
        ring_drop(f);
    td_free(f->ring.v);
    td_free(f->touched);
    td_vec_release(&f->leaving);
    td_buf_release(&f->body);
}
