/* report.c - what happened to attempts, as their workers tell it
 *
 * A report is told apart by (job, attempt, node) and what the life tables say of it, never by its
 * number: the number only serves acknowledgement. Numbers are acknowledged without a gap, because a
 * worker forgets what is acknowledged and the report in the gap may be on its way. */
#include <string.h>

#include "broker/core/state.h"

#define EARLY_GONE_MS 5000 /* how long GONE waits for the EXITED that should have come before it   \
                            */

static void stray(struct td_core *c, struct core_node *n, const struct td_report *r)
{
    for (uint32_t i = 0; i < n->strays.n; i++) {
        struct td_kill *k = &n->strays.v[i];
        if (k->job != r->job || k->attempt != r->attempt)
            continue;
        k->step = 0; /* the whole of it */
        return;
    }
    if (n->strays.n >= TD_MAX_AWARDS_PER_MESSAGE)
        return; /* it will claim the rest again */
    struct td_kill k = {.job = r->job, .attempt = r->attempt};
    td_vec_push(&n->strays, k);
    core_node_stir(c, n);
}

static void accepted(struct td_core *c, struct core_part *p)
{
    if (!core_alloc_may(c, p, TD_ALLOC_IN_ACCEPT)) {
        c->counters.reports_repeated++;
        return;
    }
    struct td_ev_alloc_accepted ev = {
        .job = p->job->id, .attempt = p->job->attempt, .node = p->node->name};
    core_emit(c, TD_EV_ALLOC_ACCEPTED, &ev);
}

static void declined(struct td_core *c, struct core_part *p, const struct td_report *r)
{
    struct core_job *j = p->job;
    struct core_node *n = p->node;
    if (!core_alloc_may(c, p, TD_ALLOC_IN_DECLINE) || !core_job_may(c, j, TD_JOB_IN_DECLINED)) {
        c->counters.reports_repeated++;
        return;
    }
    const struct core_candidate *cand = core_job_candidates(j);
    uint32_t shape = cand[0].shape;
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        if (cand[i].partition == j->partition)
            shape = cand[i].shape;
    }
    struct td_ev_alloc_declined ev = {.job = j->id,
                                      .attempt = j->attempt,
                                      .node = n->name,
                                      .refusal = r->refusal,
                                      .text = r->text};
    core_steps_leave(c, p);
    core_emit(c, TD_EV_ALLOC_DECLINED, &ev);
    /* Freeing its part forgot the node's refusals; this one is news. It may pass without the node's
     * allocation ever changing, so it is forgotten after a while. */
    core_node_refuse(c, n, shape, r->refusal ? r->refusal : TD_REFUSAL_STALE, 0);
    n->retry_ms = c->now_ms + CORE_RESEND_MS_MAX;
    core_sooner(&c->leases_next_ms, n->retry_ms);
    core_job_settle_end(c, j);
}

static void outcome_of(const struct td_report *r, struct td_ev_job_ending *how)
{
    how->exit_code = r->exit_code;
    how->signal = r->signal;
    how->usage = r->usage;
    how->outcome = TD_OUTCOME_FAILED;
    if (r->cut_off) {
        how->outcome = TD_OUTCOME_NODE_FAIL;
        how->reason = TD_REASON_WORKER_LOST;
    } else if (r->launch_failed) {
        how->reason = TD_REASON_LAUNCH_FAILED;
        how->detail = r->text;
    } else if (r->timed_out) {
        how->outcome = TD_OUTCOME_TIMEOUT;
        how->reason = TD_REASON_TIME_LIMIT;
    } else if (r->out_of_memory) {
        how->outcome = TD_OUTCOME_OUT_OF_MEMORY;
        how->detail = r->text;
    } else if (r->signal) {
        how->reason = TD_REASON_RAISED_SIGNAL;
    } else if (r->exit_code) {
        how->reason = TD_REASON_NON_ZERO_EXIT;
    } else {
        how->outcome = TD_OUTCOME_COMPLETED;
    }
}

/* The time limit ends a session's tasks first: their end, or the leave that its client takes, may be
 * heard before the node that says why. Then the node is right. */
static bool closed_by_the_clock(const struct core_job *j, const struct td_report *r)
{
    return r->timed_out && j->spec->body.session && !j->requeue_after &&
           (j->outcome == TD_OUTCOME_COMPLETED || j->outcome == TD_OUTCOME_FAILED);
}

static const char cut_off[] = "could not reach the broker and ended it (NodeFence)";

static void exited(struct td_core *c, struct core_part *p, const struct td_report *r)
{
    struct core_job *j = p->job;
    if (p->state == TD_ALLOC_AWARDED)
        accepted(c, p); /* what ended had begun: its ACCEPTED was lost on the way */
    if (!core_job_may(c, j, TD_JOB_IN_EXITED) ||
        (j->state == TD_JOB_ENDING && !closed_by_the_clock(j, r))) {
        c->counters.reports_repeated++;
        return;
    }
    struct td_ev_job_ending how = {.job = j->id, .attempt = j->attempt};
    outcome_of(r, &how);
    if (r->cut_off) {
        how.detail = core_text(&c->wake, "node %s %s", p->node->name, cut_off);
        how.requeue = core_job_requeues(c, j);
    }
    core_job_end(c, j, &how);
    /* The leader lets go by itself; it is only asked when it takes long. */
    if (p->state == TD_ALLOC_ENDING) {
        p->due_ms = c->now_ms + CORE_RESEND_MS_MAX;
        core_sooner(&c->resend_next_ms, p->due_ms);
    }
}

/* False: not taken, because EXITED must have been sent before it and is still on its way. */
static bool gone(struct td_core *c, struct core_part *p, const struct td_report *r)
{
    struct core_job *j = p->job;
    bool unexplained = j->state == TD_JOB_RUNNING || j->state == TD_JOB_AWARDED;
    if (unexplained && p->state != TD_ALLOC_GONE && !r->cut_off) {
        if (p->early_gone_ms == 0)
            p->early_gone_ms = c->now_ms;
        if (c->now_ms - p->early_gone_ms < EARLY_GONE_MS)
            return false;
    }
    if (!core_job_may(c, j, TD_JOB_IN_GONE) || !core_alloc_may(c, p, TD_ALLOC_IN_GONE)) {
        c->counters.reports_repeated++;
        return true;
    }
    if (unexplained) {
        struct td_ev_job_ending how = {
            .job = j->id,
            .attempt = j->attempt,
            .outcome = TD_OUTCOME_NODE_FAIL,
            .reason = TD_REASON_WORKER_LOST,
            .detail = core_text(&c->wake, "node %s %s", p->node->name,
                                r->cut_off ? cut_off : "let go of it without saying how it ended"),
            .usage = r->usage,
            .requeue = core_job_requeues(c, j),
        };
        core_emit(c, TD_EV_JOB_ENDING, &how);
    }
    core_steps_leave(c, p);
    struct td_ev_alloc_gone ev = {.job = j->id, .attempt = j->attempt, .node = p->node->name};
    core_emit(c, TD_EV_ALLOC_GONE, &ev);
    core_job_settle_end(c, j);
    return true;
}

static bool take(struct td_core *c, struct core_node *n, const struct td_report *r)
{
    c->counters.reports++;
    struct core_job *j = core_job_find(c, r->job);
    struct core_part *p = j && j->attempt == r->attempt ? core_job_part(j, n) : NULL;
    if (!p || p->state == TD_ALLOC_GONE) {
        /* Late, or of an attempt that was given up: it is over for us, and must be for the node. */
        c->counters.reports_repeated++;
        c->counters.ignored++;
        if (r->kind == TD_REPORT_ACCEPTED || r->kind == TD_REPORT_STARTED)
            stray(c, n, r);
        return true;
    }
    if (core_step_report(c, p, r))
        return true;
    switch ((enum td_report_kind)r->kind) {
    case TD_REPORT_ACCEPTED:
        accepted(c, p);
        return true;
    case TD_REPORT_DECLINED:
        declined(c, p, r);
        return true;
    case TD_REPORT_EXITED:
        if (p == &j->alloc->parts[0])
            exited(c, p, r);
        return true;
    case TD_REPORT_GONE:
        return gone(c, p, r);
    case TD_REPORT_SIGNALLED:
        p->signal = 0;
        return true;
    case TD_REPORT_ADJUSTED:
        p->adjust_s = 0;
        return true;
    case TD_REPORT_STARTED: /* of a step, and taken above */
        break;
    }
    c->counters.rejected++;
    return true;
}

static void note_taken(struct core_node *n, uint64_t no)
{
    uint32_t i = n->taken.n;
    while (i > 0 && n->taken.v[i - 1] >= no)
        i--;
    if (i < n->taken.n && n->taken.v[i] == no)
        return;
    td_vec_push(&n->taken, no);
    memmove(&n->taken.v[i + 1], &n->taken.v[i], (n->taken.n - 1 - i) * sizeof(no));
    n->taken.v[i] = no;
}

void core_report(struct td_core *c, struct core_node *n, const struct td_report_batch *m)
{
    core_worker_version(
        c, n, m->node_version); /* first: what is declined below is declined by this version */
    if (m->base) /* its numbering need not begin where ours does, and has gaps where it gave
                    something up */
        n->gap_base = TD_MAX(m->base - 1, n->gap_base);
    for (uint32_t i = 0; i < m->reports.n; i++) {
        const struct td_report *r = &m->reports.v[i];
        if (take(c, n, r) && r->no > n->acked && n->taken.n < TD_MAX_REPORTS_PER_MESSAGE * 16)
            note_taken(n, r->no);
    }
    n->ack_due = true;
    core_node_stir(c, n);
}

static uint64_t contiguous(const struct core_node *n, uint32_t *ret_used)
{
    uint64_t upto = TD_MAX(n->acked, n->gap_base);
    uint32_t i = 0;
    for (; i < n->taken.n && n->taken.v[i] <= upto + 1; i++)
        upto = TD_MAX(upto, n->taken.v[i]);
    *ret_used = i;
    return upto;
}

void core_reports_finish(struct td_core *c)
{
    for (uint32_t k = 0; k < c->stirred.n; k++) {
        struct core_node *n = c->nodes.v[c->stirred.v[k]];
        if (!n->ack_due)
            continue;
        n->ack_due = false;
        uint32_t used;
        uint64_t upto = contiguous(n, &used);
        if (used && used < n->taken.n)
            memmove(n->taken.v, n->taken.v + used, (n->taken.n - used) * sizeof(*n->taken.v));
        n->taken.n -= used;
        if (upto > n->acked) {
            struct td_ev_reports_taken ev = {.node = n->name, .upto = upto};
            core_emit(c, TD_EV_REPORTS_TAKEN, &ev);
        }
        struct td_report_ack ack = {.acked = n->acked};
        core_send(c, n, n->peer, TD_MSG_REPORT_ACK, &ack);
    }
}
