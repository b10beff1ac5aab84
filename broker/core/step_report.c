/* step_report.c - what happens to a step's part on a node: told by its worker, or by the node's
 * loss
 *
 * Told apart by (job, attempt, step, node), as reports on attempts are; the last part of a step
 * ends it. */
#include <string.h>

#include "broker/core/state.h"

/* True: that was its last part, *ret_over says how it ended, and it is gone. */
static bool exited(struct td_core *c, struct core_step_part *p, struct td_ev_step_exited *ev, struct td_ev_step_ended *ret_over)
{
    struct core_step *s = p->step;
    ev->job = s->job->id;
    ev->step = s->no;
    ev->node = p->node->name;
    core_emit(c, TD_EV_STEP_EXITED, ev);
    if (s->live)
        return false;
    struct td_ev_step_ended over = {.job = s->job->id,
                                    .step = s->no,
                                    .outcome = s->outcome,
                                    .exit_code = s->exit_code,
                                    .signal = s->signal};
    core_emit(c, TD_EV_STEP_ENDED, &over);
    *ret_over = over;
    return true;
}

static uint32_t outcome_of(const struct core_step_part *p, const struct td_report *r)
{
    if (r->timed_out)
        return TD_OUTCOME_TIMEOUT;
    if (r->out_of_memory)
        return TD_OUTCOME_OUT_OF_MEMORY;
    if (p->state == TD_STEP_ENDING)
        return TD_OUTCOME_CANCELLED;
    return r->signal || r->exit_code || r->launch_failed || r->kind == TD_REPORT_DECLINED
               ? TD_OUTCOME_FAILED
               : TD_OUTCOME_COMPLETED;
}

/* A step that is over for us and runs there. */
static void stray(struct td_core *c, struct core_node *n, uint32_t job, uint32_t attempt,
                  uint32_t step)
{
    for (uint32_t i = 0; i < n->strays.n; i++) {
        const struct td_kill *k = &n->strays.v[i];
        if (k->job == job && k->attempt == attempt && (k->step == 0 || k->step == step + 1))
            return;
    }
    if (n->strays.n >= TD_MAX_AWARDS_PER_MESSAGE)
        return; /* it will claim the rest again */
    struct td_kill k = {.job = job, .attempt = attempt, .step = step + 1};
    td_vec_push(&n->strays, k);
    core_node_stir(c, n);
}

static void started(struct td_core *c, struct core_step_part *p)
{
    if (!core_step_may(c, p, TD_STEP_IN_START)) {
        c->counters.reports_repeated++;
        return;
    }
    struct td_ev_step_started ev = {
        .job = p->step->job->id, .step = p->step->no, .node = p->node->name};
    core_emit(c, TD_EV_STEP_STARTED, &ev);
    if (p->signal)
        core_step_due(c, p, c->now_ms);
}

/* A worker that turns an award down need not say that its batch step is meant; no award is turned
 * down any more once a step has been made. */
static bool is_about_step(const struct td_report *r, bool known)
{
    switch ((enum td_report_kind)r->kind) {
    case TD_REPORT_STARTED:
        return true;
    case TD_REPORT_EXITED:
    case TD_REPORT_SIGNALLED:
        return r->step != TD_STEP_BATCH;
    case TD_REPORT_DECLINED:
        return known;
    case TD_REPORT_ACCEPTED:
    case TD_REPORT_GONE:
    case TD_REPORT_ADJUSTED:
        break;
    }
    return false;
}

bool core_step_report(struct td_core *c, struct core_part *in, const struct td_report *r)
{
    struct core_job *j = in->job;
    bool known = r->step < j->alloc->next_step;
    if (!is_about_step(r, known))
        return false;
    struct core_step *s = known ? core_step_find(j, r->step) : NULL;
    struct core_step_part *p = s ? core_step_part_on(s, in->node) : NULL;
    if (!p || p->state == TD_STEP_OVER) {
        c->counters.reports_repeated++;
        c->counters.ignored++;
        if (r->kind == TD_REPORT_STARTED)
            stray(c, in->node, j->id, j->attempt, r->step);
        return true;
    }
    if (r->kind == TD_REPORT_STARTED) {
        started(c, p);
        return true;
    }
    if (r->kind == TD_REPORT_SIGNALLED) {
        p->signal = 0;
        return true;
    }
    if (!core_step_may(c, p, r->kind == TD_REPORT_EXITED ? TD_STEP_IN_EXIT : TD_STEP_IN_DECLINE)) {
        c->counters.reports_repeated++;
        return true;
    }
    struct td_ev_step_exited ev = {.exit_code = r->exit_code,
                                   .signal = r->signal,
                                   .usage = r->usage,
                                   .outcome = outcome_of(p, r),
                                   .text = r->text};
    if (ev.outcome == TD_OUTCOME_FAILED && r->kind == TD_REPORT_DECLINED && !ev.exit_code)
        ev.exit_code = 1; /* nothing ran: nobody may take it for success */
    bool closes = s->spec->closes;
    struct td_ev_step_ended over;
    if (exited(c, p, &ev, &over) && closes)
        core_session_over(c, j, &over, r->launch_failed ? r->text : NULL);
    return true;
}

static void lose(struct td_core *c, struct core_step_part *p, const char *text)
{
    const struct core_job *j = p->step->job;
    bool ends = j->state == TD_JOB_ENDING || p->state == TD_STEP_ENDING;
    uint32_t outcome = j->outcome ? j->outcome : TD_OUTCOME_CANCELLED;
    if (!core_step_may(c, p, TD_STEP_IN_GONE))
        return;
    if (j->outcome == TD_OUTCOME_COMPLETED || j->outcome == TD_OUTCOME_FAILED)
        outcome = TD_OUTCOME_CANCELLED; /* its script ended, and it with it */
    struct td_ev_step_exited ev = {
        .node_lost = true, .outcome = ends ? outcome : TD_OUTCOME_FAILED, .text = text};
    struct td_ev_step_ended ignored;
    exited(c, p, &ev, &ignored);
}

/* Before ALLOC_GONE: nothing of the attempt is left there, so nothing of its steps. */
void core_steps_leave(struct td_core *c, const struct core_part *in)
{
    for (struct core_step_part *p = in->node->step_parts, *next; p; p = next) {
        next = p->next;
        if (p->step->job == in->job)
            lose(c, p, NULL);
    }
}

static bool lists(const struct td_running *is, uint32_t step)
{
    for (uint32_t i = 0; i < is->steps.n; i++) {
        if (is->steps.v[i] == step)
            return true;
    }
    return false;
}

/* HELLO of a node that still has the attempt. A start or a kill goes again at once. That a step is
 * missing is believed of a worker that registers, not of one that only says its list again: such a
 * HELLO may be older than a STARTED that overtook it. */
void core_steps_hello(struct td_core *c, const struct core_part *in, const struct td_running *is,
                      bool registers)
{
    const struct core_job *j = in->job;
    for (struct core_step_part *p = in->node->step_parts, *next; p; p = next) {
        next = p->next;
        if (p->step->job != j)
            continue;
        if (registers && is->with_steps && p->state != TD_STEP_SENT && !lists(is, p->step->no)) {
            lose(c, p, "the node no longer knows it");
            continue;
        }
        p->backoff_ms = 0;
        p->sent = false;
        if (p->state != TD_STEP_STARTED || p->signal)
            core_step_due(c, p, c->now_ms);
    }
    for (uint32_t i = 0; i < is->steps.n; i++) {
        const struct core_step *s = core_step_find(j, is->steps.v[i]);
        const struct core_step_part *p = s ? core_step_part_on(s, in->node) : NULL;
        if (!p || p->state == TD_STEP_OVER)
            stray(c, in->node, j->id, j->attempt, is->steps.v[i]);
    }
}
