/* promise.c - what the plan promises becomes an event, and what it can keep no longer another, with
 * its cause
 *
 * A promise is durable: `by` is in the job. Where it moves, the cause is the last thing that
 * happened which takes room from the future: the plan itself never does. */
#include "broker/core/state.h"

/* Soft: only whoever decides asks for it. */
void core_promises_disturb(struct td_core *c, uint32_t id, const void *body)
{
    struct core_disturbed *d = &c->disturbed;

    switch (id) {
    case TD_EV_EPOCH_BEGAN:
        *d = (struct core_disturbed){.cause = TD_MOVED_RESTART};
        return;
    case TD_EV_CONF_LOADED:
        *d = (struct core_disturbed){.cause = TD_MOVED_CONF};
        return;
    case TD_EV_CLOCK_STEPPED:
        *d = (struct core_disturbed){.cause = TD_MOVED_CLOCK};
        return;
    case TD_EV_NODE_CHANGED: {
        const struct td_ev_node_changed *e = body;
        *d = (struct core_disturbed){.cause = TD_MOVED_NODE, .node = core_node_find(c, e->node)};
        return;
    }
    case TD_EV_NODE_REGISTERED: {
        const struct td_ev_node_registered *e = body;
        *d = (struct core_disturbed){.cause = TD_MOVED_NODE, .node = core_node_find(c, e->node)};
        return;
    }
    case TD_EV_JOB_UPDATED:
        *d = (struct core_disturbed){.cause = TD_MOVED_UPDATE,
                                     .job = ((const struct td_ev_job_updated *)body)->job};
        return;
    case TD_EV_ALLOC_DECLINED: {
        const struct td_ev_alloc_declined *e = body;
        *d = (struct core_disturbed){
            .cause = TD_MOVED_DECLINED, .job = e->job, .node = core_node_find(c, e->node)};
        return;
    }
    case TD_EV_RESERVATION_SET:
    case TD_EV_RESERVATION_ENDED:
    case TD_EV_RESERVATION_ROLLED:
        *d = (struct core_disturbed){.cause = TD_MOVED_RESERVATION};
        return;
    default:
        return;
    }
}

static int64_t bound(int64_t by_ms)
{
    return TD_MAX(by_ms, INT64_C(1));
}

/* Something runs beyond its limit: nothing else was told that could be the cause. */
static struct core_disturbed overrun(const struct td_core *c)
{
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        const struct core_job *j = c->jobs.v[i];
        if (j->alloc && j->alloc->live && j->limit_s &&
            core_job_until(j, j->start_ms ? j->start_ms : c->now_ms, j->limit_s) <= c->now_ms)
            return (struct core_disturbed){.cause = TD_MOVED_OVERRUN, .job = j->id};
    }
    return (struct core_disturbed){.cause = TD_MOVED_BIDS};
}

static void emit(struct td_core *c, const struct td_plan *plan, bool moved)
{
    struct td_promise *v = td_arena_alloc(&c->wake, (plan->bys.n + 1) * sizeof(*v));
    uint32_t n = 0;

    for (uint32_t i = 0; i < plan->bys.n; i++) {
        const struct core_job *j = core_job_find(c, plan->bys.v[i].job);
        if (plan->bys.v[i].moved == moved && j && j->state == TD_JOB_PENDING)
            v[n++] = (struct td_promise){.job = j->id, .by_ms = bound(plan->bys.v[i].by_ms)};
    }
    if (!n)
        return;
    struct td_ev_jobs_promised ev = {.promises = {v, n}};
    if (moved) {
        struct core_disturbed d = c->disturbed.cause ? c->disturbed : overrun(c);
        ev.cause = d.cause;
        ev.about_job = d.job;
        ev.about_node = d.node ? d.node->name : NULL;
    }
    core_emit(c, TD_EV_JOBS_PROMISED, &ev);
}

void core_promises_note(struct td_core *c, const struct td_plan *plan)
{
    emit(c, plan, true);
    emit(c, plan, false);
    c->plan_next_ms = plan->next_ms > c->now_ms ? plan->next_ms : INT64_MAX;
    c->disturbed = (struct core_disturbed){0};
}

void core_promises_apply(struct td_core *c, const struct td_ev_jobs_promised *ev)
{
    for (uint32_t i = 0; i < ev->promises.n; i++) {
        struct core_job *j = core_job_find(c, ev->promises.v[i].job);
        TD_ASSERT(j);
        j->by_ms = ev->promises.v[i].by_ms;
        td_queue_set_by(c->queue, j->id, j->by_ms);
    }
}
