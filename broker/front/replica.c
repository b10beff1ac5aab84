/* replica.c - the core of a front: restored and kept by the broker's own functions, compared with it by digest
 *
 * Events come in order and without a hole, or the replica is thrown away and begun anew from a picture; so does one whose
 * digest differs from the broker's, which is an error of ours and is logged as one. */
#include "broker/front/front.h"

static void begin_anew(struct front *f, const char *why)
{
    shell_log(&f->s->log, "error replica seq=%llu: %s; it begins anew from a picture of the broker",
              (unsigned long long)td_core_seq(f->s->core), why);
    f->ready = false;
    shell_digest_drop(f->s);
    td_core_destroy(&f->s->core);
    f->s->core = td_core_new(1);
    front_uplink_close(f, "to begin anew");
}

/* Frames of the bus may be lost, with their connection or when it is full: from another one the journal gives them again. */
static bool has_hole(const struct front *f, const struct td_committed *m)
{
    uint64_t have = td_core_seq(f->s->core);
    return f->remote && f->ready && (m->events.n ? m->events.v[0].seq > have + 1 : m->last > have);
}

/* Of the same event, his and ours. The first that are equal are worth a line. */
static bool digests_differ(struct front *f, uint64_t seq, uint64_t mine, uint64_t theirs)
{
    if (mine != theirs) {
        f->digests_wrong++;
        return true;
    }
    if (!f->digests_equal++)
        shell_log(&f->s->log, "info replica seq=%llu compared: it is the broker's", (unsigned long long)seq);
    return false;
}

static bool digest_differs(struct front *f, uint64_t digest)
{
    return digest && digests_differ(f, td_core_seq(f->s->core), td_core_digest(f->s->core), digest);
}

/* Of a large core: both are made beside the loop, of the same event; whichever comes last is compared. */
static bool digest_differs_then(struct front *f, const struct td_committed *m)
{
    uint64_t seq, digest;
    if (m->digest_begins && m->last == td_core_seq(f->s->core) && shell_digest_begin(f->s))
        f->digest_mine.seq = f->digest_theirs.seq = 0;
    if (shell_digest_made(f->s, &seq, &digest))
        f->digest_mine = (struct front_digest){seq, digest};
    if (m->digest_of)
        f->digest_theirs = (struct front_digest){m->digest_of, m->digest_then};
    if (!f->digest_mine.seq || f->digest_mine.seq != f->digest_theirs.seq)
        return false;
    f->digest_mine.seq = 0;
    return digests_differ(f, f->digest_theirs.seq, f->digest_mine.digest, f->digest_theirs.digest);
}

/* --- the picture --------------------------------------------------------------------------------------------------------- */

static int restore(struct front *f, const struct td_snap_piece *p, struct td_error *err)
{
    const struct td_record *rec = td_core_snapshot_record(p->kind);
    if (!rec)
        return td_fail(err, TD_E_VERSION, "the picture holds records of unknown kind %u", p->kind);
    void *body = td_arena_alloc(&f->arena, rec->size);
    int r = td_wire_get_record(&f->arena, rec, p->body.v, p->body.n, body, err);
    return r < 0 ? r : td_core_restore(f->s->core, p->kind, body, err);
}

void front_snapshot_take(struct front *f, const struct td_snapshot *m)
{
    struct td_error err = {0};
    if (!f->restoring) {
        td_core_destroy(&f->s->core);
        f->s->core = td_core_new(1);
        f->restoring = true;
        f->ready = false;
        f->forecast.n = 0;
    }
    for (uint32_t i = 0; i < m->pieces.n; i++) {
        if (restore(f, &m->pieces.v[i], &err) < 0) {
            f->restoring = false;
            begin_anew(f, err.text);
            return;
        }
    }
    td_arena_reset(&f->arena);
    if (m->more)
        return;
    f->restoring = false;
    if (td_core_seq(f->s->core) != m->seq || digest_differs(f, m->digest)) {
        begin_anew(f, "the picture does not give the state it was made from");
        return;
    }
    f->ready = true; /* of the past; it is shown when it has caught up */
    front_watch_reset(f);
    front_door_keys_changed(f);
    shell_log(&f->s->log, "info replica seq=%llu restored", (unsigned long long)m->seq);
}

/* --- events --------------------------------------------------------------------------------------------------------------- */

static bool apply(struct front *f, const struct td_journal_event *e, struct td_error *err)
{
    const struct td_event_row *row = td_event_row(e->id);
    if (!row)
        return td_fail(err, TD_E_VERSION, "event %llu has the number %u, which this version does not know",
                       (unsigned long long)e->seq, e->id) == 0;
    if (e->seq != td_core_seq(f->s->core) + 1)
        return td_fail(err, TD_E_JOURNAL, "event %llu came instead of %llu", (unsigned long long)e->seq,
                       (unsigned long long)td_core_seq(f->s->core) + 1) == 0;
    void *body = td_arena_alloc(&f->arena, row->record->size);
    if (td_wire_get_record(&f->arena, row->record, e->body.v, e->body.n, body, err) < 0)
        return false;
    const struct td_event ev = {e->seq, e->time_ms, e->id, body};
    if (e->id == TD_EV_JOBS_PURGED)
        front_watch_purged(f, &((const struct td_ev_jobs_purged *)body)->jobs);
    td_core_apply(f->s->core, &ev);
    if (e->id == TD_EV_USER_KEY_REVOKED)
        front_door_keys_changed(f);
    front_watch_note(f, &ev);
    return true;
}

static void forecasts_take(struct front *f, const struct td_committed *m)
{
    if (m->forecasts_all) {
        for (uint32_t i = 0; i < f->forecast.n; i++) {
            td_core_forecast_set(f->s->core, f->forecast.v[i], 0);
            front_watch_touch(f, f->forecast.v[i]);
        }
        f->forecast.n = 0;
    }
    for (uint32_t i = 0; i < m->forecasts.n; i++) {
        const struct td_forecast *one = &m->forecasts.v[i];
        td_core_forecast_set(f->s->core, one->job, one->start_ms);
        front_watch_touch(f, one->job);
        uint32_t at = 0;
        while (at < f->forecast.n && f->forecast.v[at] != one->job)
            at++;
        if (one->start_ms && at == f->forecast.n)
            td_vec_push(&f->forecast, one->job);
        else if (!one->start_ms && at < f->forecast.n)
            f->forecast.v[at] = f->forecast.v[--f->forecast.n];
    }
}

void front_committed_take(struct front *f, const struct td_committed *m)
{
    struct td_error err = {0};
    f->last = m->last;
    f->now_ms = m->now_ms;
    f->now_at_us = shell_boot_us();
    if (m->again) {
        begin_anew(f, "the broker does not keep the events it lacks");
        return;
    }
    if (!f->ready)
        return;
    if (has_hole(f, m)) {
        front_uplink_close(f, "frames were lost on the way");
        return;
    }
    for (uint32_t i = 0; i < m->events.n; i++) {
        bool ok = apply(f, &m->events.v[i], &err);
        if (f->arena.used_total > 1u << 20)
            td_arena_reset(&f->arena);
        if (!ok) {
            begin_anew(f, err.text);
            return;
        }
    }
    td_arena_reset(&f->arena);
    forecasts_take(f, m);
    if (m->digest && m->last == td_core_seq(f->s->core) && digest_differs(f, m->digest))
        begin_anew(f, "its digest is not the broker's");
    else if (digest_differs_then(f, m))
        begin_anew(f, "its digest was not the broker's");
}
