/* clock.c - what a step of the clock moves, and what it leaves (law 10)
 *
 * Journal time never runs backwards. When the wall clock is set ahead (or the machine slept),
 * journal time jumps with it, and whatever measures elapsed time moves by as much: leases, timers,
 * time limits, how long a client's key and a finished job are remembered. Nothing expires because
 * of a step. When it is set back, journal time goes on and is ahead of the wall clock until it has
 * been slewed: nothing elapsed moves, but a begin time is a person's, by the clock on the wall.
 * That offset is durable, because who is in the queue follows from it. */
#include "broker/core/state.h"

/* The shell slews by 500 parts in a million. */
#define SLEW_ONE_IN 2000

int64_t core_civil_ms(const struct td_core *c, int64_t at_ms)
{
    if (c->clock_off_ms == 0)
        return at_ms;
    int64_t off = c->clock_off_ms + (at_ms - c->clock_at_ms) / SLEW_ONE_IN;
    return at_ms + TD_MIN(off, 0);
}

int64_t core_civil_at(const struct td_core *c, int64_t civil_ms)
{
    if (c->clock_off_ms == 0 || civil_ms > INT64_MAX / (2 * SLEW_ONE_IN) || civil_ms < 0)
        return civil_ms;
    int64_t at = (SLEW_ONE_IN * (civil_ms - c->clock_off_ms) + c->clock_at_ms) / (SLEW_ONE_IN + 1);
    at = TD_MAX(at, civil_ms);
    while (core_civil_ms(c, at) < civil_ms)
        at++; /* once or twice: divisions rounded down */
    return at;
}

/* A restored core does not know when an award was made that has not started: it counts from the
 * beginning of the reign, for everybody. */
void core_limits_count(struct td_core *c, int64_t delta_ms)
{
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        struct core_job *j = c->jobs.v[i];
        if (!core_job_live(j))
            continue;
        if (j->start_ms)
            j->stepped_ms += delta_ms;
        int64_t from = j->start_ms ? j->start_ms : c->time_ms + delta_ms;
        for (uint32_t k = 0; k < j->alloc->nparts; k++) {
            const struct core_part *p = &j->alloc->parts[k];
            if (p->state == TD_ALLOC_GONE)
                continue;
            td_ledger_set_until(c->ledger, p->node->no, j->id, j->attempt, core_job_until(j, from, j->limit_s));
            core_part_foretell(c, p, from);
        }
    }
}

void core_clock_apply(struct td_core *c, const struct td_ev_clock_stepped *ev)
{
    c->clock_off_ms = TD_MIN(ev->delta_ms, 0);
    c->clock_at_ms = c->clock_off_ms ? c->time_ms : 0;
    core_usage_clock(c, ev->delta_ms);
    if (ev->delta_ms > 0) {
        for (uint32_t i = c->client_keys_first; i < c->client_keys.n; i++)
            c->client_keys.v[i].at_ms += ev->delta_ms;
        core_limits_count(c, ev->delta_ms);
        for (uint32_t i = 0; i < c->jobs.n; i++)
            core_likely_step(c->jobs.v[i], ev->delta_ms);
    }
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        if (c->jobs.v[i]->state == TD_JOB_PENDING && c->jobs.v[i]->begin_ms)
            core_job_enqueue(c, c->jobs.v[i]);
    }
    c->begins_next_ms = c->time_ms;
    core_reservations_tell(c);
    c->deadlines_next_ms = c->time_ms;
    c->dirty = true;
}

static void shift(int64_t *at_ms, int64_t delta_ms)
{
    if (*at_ms && *at_ms != INT64_MAX)
        *at_ms += delta_ms;
}

static void shift_node(struct core_node *n, int64_t delta_ms)
{
    shift(&n->heard_ms, delta_ms);
    shift(&n->lease_until_ms, delta_ms);
    shift(&n->retry_ms, delta_ms);
    for (struct core_part *p = n->parts; p; p = p->next) {
        shift(&p->due_ms, delta_ms);
        shift(&p->early_gone_ms, delta_ms);
    }
    for (struct core_step_part *p = n->step_parts; p; p = p->next)
        shift(&p->due_ms, delta_ms);
}

static void shift_soft(struct td_core *c, int64_t delta_ms)
{
    int64_t *const timers[] = {&c->leases_next_ms,  &c->resend_next_ms,   &c->purge_next_ms,
                               &c->retry_ms,        &c->probe_ms,         &c->sessions_next_ms,
                               &c->round.opened_ms, &c->round.deadline_ms};
    for (uint32_t i = 0; i < TD_ARRAY_LEN(timers); i++)
        shift(timers[i], delta_ms);
    for (uint32_t i = 0; i < c->nodes.n; i++)
        shift_node(c->nodes.v[i], delta_ms);
    for (uint32_t i = 0; i < c->sessions.n; i++) {
        struct core_job *j = core_job_find(c, c->sessions.v[i]);
        if (j)
            shift(&j->session_heard_ms, delta_ms);
    }
}

/* From here on the wake is where the clock is: what it hears belongs to the new time. */
void core_clock_stepped(struct td_core *c, const struct td_ev_clock_stepped *ev)
{
    core_emit(c, TD_EV_CLOCK_STEPPED, ev);
    c->clock_told = true;
    if (ev->delta_ms <= 0)
        return;
    shift_soft(c, ev->delta_ms);
    c->now_ms += ev->delta_ms;
    /* When a job ended is civil time; that it is kept for a while is not. */
    c->purge_from_ms = c->now_ms + (int64_t)c->settings.min_job_age_s * 1000;
}

/* A reign that is told of no step begins with both clocks together. */
void core_clock_restart(struct td_core *c)
{
    static const struct td_ev_clock_stepped together;
    if (c->clock_off_ms && !c->clock_told)
        core_emit(c, TD_EV_CLOCK_STEPPED, &together);
}
