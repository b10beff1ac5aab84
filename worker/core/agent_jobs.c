/* agent_jobs.c - a worker's mind: from award to the last report
 *
 * An award is answered by what becomes of it: DECLINED at once, else ACCEPTED, EXITED and GONE as the shepherd says
 * them. Everything here may come twice, late or in another order: an attempt that is known or ended is never launched
 * again, a kill of one that is not here is answered GONE and remembered, so that its award, overtaken, starts nothing. */
#include "worker/core/mind.h"

bool agent_shepherd_ready(const struct td_agent *g)
{
    return g->shepherd == SHEPHERD_READY;
}

/* --- reports ----------------------------------------------------------------------------------------------------- */

void agent_say_loose(struct td_agent *g, struct td_report r)
{
    r.no = 0;
    td_vec_push(&g->loose, r);
}

static void send_batch(struct td_agent *g, const struct td_report *v, uint32_t n)
{
    while (n > 0) {
        uint32_t part = TD_MIN(n, (uint32_t)TD_MAX_REPORTS_PER_MESSAGE);
        struct td_report_batch m = {
            .incarnation = g->welcome.incarnation,
            .reports = {v, part},
            .node_version = td_node_version(g->node),
            .base = td_outbox_base(&g->outbox),
        };
        agent_send(g, TD_MSG_REPORT, &m);
        v += part;
        n -= part;
    }
}

void agent_send_reports(struct td_agent *g, bool all)
{
    if (g->state != AGENT_REGISTERED) {
        g->loose.n = 0; /* their cause comes again after the registration */
        return;
    }
    if (g->loose.n > 0) {
        const struct td_report *v = td_arena_dup(&g->step, g->loose.v, g->loose.n * sizeof(*v));
        send_batch(g, v, g->loose.n);
        g->loose.n = 0;
    }
    struct td_report_list list = td_outbox_take(&g->outbox, all, g->now_ms, &g->step);
    send_batch(g, list.v, list.n);
}

uint32_t agent_repeat_reports(struct td_agent *g, const struct td_attempt *t, const uint32_t *step)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < g->outbox.v.n; i++) {
        struct td_outbox_entry *e = &g->outbox.v.v[i];
        if (e->report.job != t->job || e->report.attempt != t->attempt || (step && e->report.step != *step))
            continue;
        g->outbox.fresh += !e->fresh;
        e->fresh = true;
        n++;
    }
    return n;
}

void agent_acked(struct td_agent *g, uint64_t upto)
{
    if (!td_outbox_ack(&g->outbox, upto, g->now_ms))
        return;
    for (uint32_t i = g->attempts.v.n; i-- > 0;) {
        struct td_attempt *t = g->attempts.v.v[i];
        if (t->state == TD_ATTEMPT_GONE && t->gone_no <= g->outbox.acked)
            td_attempts_forget(&g->attempts, t, true);
        else
            agent_steps_acked(g, t);
    }
    if (agent_shepherd_ready(g))
        agent_to_shepherd(g, TD_MSG_SH_ACK, &(struct td_sh_ack){.acked = g->outbox.acked});
}

struct td_running_list agent_running(struct td_agent *g)
{
    uint32_t n = g->attempts.v.n;
    struct td_running *v = td_arena_alloc(&g->step, (n + 1) * sizeof(*v));

    for (uint32_t i = 0; i < n; i++) {
        const struct td_attempt *t = g->attempts.v.v[i];
        v[i] = (struct td_running){
            .job = t->job,
            .attempt = t->attempt,
            .exited = t->state >= TD_ATTEMPT_EXITED,
            .steps = agent_steps_running(g, t),
            .with_steps = true,
        };
    }
    return (struct td_running_list){v, n};
}

/* --- awards ------------------------------------------------------------------------------------------------------ */

static void decline(struct td_agent *g, const struct td_award *w, uint32_t refusal, const char *why)
{
    agent_say_loose(g, (struct td_report){.kind = TD_REPORT_DECLINED, .job = w->job, .attempt = w->attempt, .step = TD_STEP_BATCH,
                                            .refusal = refusal, .text = why});
    agent_log(g, "info node=%s job=%u.%u DECLINED refusal=%s: %s", g->name, w->job, w->attempt, td_refusal_name(refusal), why);
}

/* The award is known: whatever it was answered is said again. */
static void answer_again(struct td_agent *g, const struct td_attempt *t)
{
    if (t->state == TD_ATTEMPT_LAUNCHING || agent_repeat_reports(g, t, NULL) > 0)
        return;
    struct td_report r = {.kind = TD_REPORT_ACCEPTED, .job = t->job, .attempt = t->attempt, .step = TD_STEP_BATCH};
    if (t->state == TD_ATTEMPT_GONE)
        r.kind = TD_REPORT_GONE;
    agent_say_loose(g, r);
}

static void launch(struct td_agent *g, const struct td_attempt *t)
{
    struct td_sh_launch m = {.award = *t->award, .spec = *t->spec, .kill_wait_s = g->welcome.kill_wait_s};

    agent_to_shepherd(g, TD_MSG_SH_LAUNCH, &m);
}

/* Why an award that is not known here cannot be taken; 0 = it can. */
static uint32_t award_refusal(const struct td_agent *g, const struct td_award_batch *m, const struct td_award *w, const char **ret_why)
{
    if (w->spec >= m->specs.n) {
        *ret_why = "the award came without its submission";
        return TD_REFUSAL_STALE;
    }
    if (!agent_shepherd_ready(g)) {
        *ret_why = "the node's shepherd is away";
        return TD_REFUSAL_UNHEALTHY;
    }
    if (g->no_launch) {
        *ret_why = g->no_launch;
        return TD_REFUSAL_UNHEALTHY;
    }
    if (g->draining) {
        *ret_why = "the node is draining";
        return TD_REFUSAL_DRAINING;
    }
    uint32_t r = td_node_covers(g->node, &w->place);
    if (r == TD_REFUSAL_NONE)
        return TD_REFUSAL_NONE;
    *ret_why = td_refusal_words(r);
    return TD_REFUSAL_STALE;
}

static void award_one(struct td_agent *g, const struct td_award_batch *m, uint32_t i, struct td_batch **batch)
{
    const struct td_award *w = &m->awards.v[i];
    const struct td_attempt *known = td_attempts_find(&g->attempts, w->job, w->attempt);
    const char *why = NULL;

    if (known) {
        answer_again(g, known);
        return;
    }
    if (td_attempts_ended(&g->attempts, w->job, w->attempt)) {
        agent_say_loose(g, (struct td_report){.kind = TD_REPORT_GONE, .job = w->job, .attempt = w->attempt});
        return;
    }
    uint32_t refusal = award_refusal(g, m, w, &why);
    if (refusal != TD_REFUSAL_NONE) {
        decline(g, w, refusal, why);
        return;
    }
    if (!*batch)
        *batch = td_batch_new(m);
    struct td_attempt *t = td_attempts_add(&g->attempts, w->job, w->attempt, TD_ATTEMPT_LAUNCHING);
    const struct td_award *kept = &(*batch)->msg.awards.v[i];
    td_attempts_set_launch(&g->attempts, t, *batch, kept, &(*batch)->msg.specs.v[kept->spec]);
    td_node_take(g->node, w->job, w->attempt, &w->place);
    launch(g, t);
}

void agent_award(struct td_agent *g, const struct td_award_batch *m)
{
    struct td_batch *batch = NULL;

    if (g->state != AGENT_REGISTERED || m->epoch != g->welcome.epoch || m->incarnation != g->welcome.incarnation)
        return; /* meant for another reign or registration: the broker sends it again if it still holds */
    for (uint32_t i = 0; i < m->awards.n; i++)
        award_one(g, m, i, &batch);
}

/* --- kills ------------------------------------------------------------------------------------------------------- */

void agent_kill_one(struct td_agent *g, const struct td_kill *k)
{
    struct td_attempt *t = td_attempts_find(&g->attempts, k->job, k->attempt);

    if (k->step) {
        agent_step_kill(g, k);
        return;
    }
    if (!t) {
        td_attempts_remember_ended(&g->attempts, k->job, k->attempt);
        agent_say_loose(g, (struct td_report){.kind = TD_REPORT_GONE, .job = k->job, .attempt = k->attempt});
        return;
    }
    if (t->state == TD_ATTEMPT_GONE) {
        answer_again(g, t);
        return;
    }
    if (!agent_shepherd_ready(g))
        return; /* it is sent again until answered */
    struct td_sh_kill m = {.kill = *k, .kill_wait_s = g->welcome.kill_wait_s};
    agent_to_shepherd(g, TD_MSG_SH_KILL, &m);
}

void agent_kill(struct td_agent *g, const struct td_kill_batch *m)
{
    if (g->state != AGENT_REGISTERED || m->epoch != g->welcome.epoch)
        return;
    for (uint32_t i = 0; i < m->kills.n; i++)
        agent_kill_one(g, &m->kills.v[i]);
}

/* --- the shepherd's word ----------------------------------------------------------------------------------------- */

/* One that was declined on this side of the shepherd is not remembered: its award, if it comes again because the answer
 * was lost, is answered anew. */
static void attempt_gone(struct td_agent *g, struct td_attempt *t, uint64_t no, bool declined)
{
    td_node_give(g->node, t->job, t->attempt);
    if (no == 0) { /* nothing to wait for: it never came to the spool */
        td_attempts_forget(&g->attempts, t, !declined);
        return;
    }
    t->gone_no = no;
    td_attempts_advance(&g->attempts, t, TD_ATTEMPT_GONE);
}

static void note_report(struct td_agent *g, const struct td_report *r)
{
    struct td_attempt *t = td_attempts_find(&g->attempts, r->job, r->attempt);

    if (!t)
        return;
    if (r->step != TD_STEP_BATCH && (r->kind == TD_REPORT_STARTED || r->kind == TD_REPORT_EXITED || r->kind == TD_REPORT_DECLINED ||
                                     r->kind == TD_REPORT_SIGNALLED)) {
        if (r->kind != TD_REPORT_DECLINED || t->state != TD_ATTEMPT_LAUNCHING) {
            agent_step_note(g, t, r);
            return;
        }
    }
    switch (r->kind) {
    case TD_REPORT_ACCEPTED:
        t->accepted_no = r->no;
        td_attempts_advance(&g->attempts, t, TD_ATTEMPT_RUNNING);
        break;
    case TD_REPORT_EXITED:
        td_attempts_advance(&g->attempts, t, TD_ATTEMPT_EXITED);
        break;
    case TD_REPORT_GONE:
    case TD_REPORT_DECLINED: /* the shepherd could not take it: nothing of it is here either */
        attempt_gone(g, t, r->no, r->kind == TD_REPORT_DECLINED);
        break;
    default: /* SIGNALLED, ADJUSTED, and kinds of a newer shepherd: the attempt is where it was */
        break;
    }
}

void agent_status(struct td_agent *g, const struct td_sh_status *m)
{
    bool known_durable = false;

    for (uint32_t i = 0; i < m->reports.n; i++) {
        const struct td_report *r = &m->reports.v[i];
        if (r->no > 0 && r->no <= g->outbox.acked) {
            known_durable = true;
            continue;
        }
        if (r->no == 0) {
            struct td_report copy;
            td_record_copy(&g->step, &td_rec_report, r, &copy);
            agent_say_loose(g, copy);
        } else if (!td_outbox_put(&g->outbox, r, g->now_ms)) {
            continue; /* waits for its acknowledgement already */
        }
        note_report(g, r);
    }
    if (known_durable && agent_shepherd_ready(g))
        agent_to_shepherd(g, TD_MSG_SH_ACK, &(struct td_sh_ack){.acked = g->outbox.acked});
}

static void forget_all(struct td_agent *g)
{
    while (g->attempts.v.n > 0) {
        struct td_attempt *t = g->attempts.v.v[g->attempts.v.n - 1];
        td_node_give(g->node, t->job, t->attempt);
        td_attempts_forget(&g->attempts, t, true);
    }
}

static void adopt_one(struct td_agent *g, const struct td_sh_state *m, uint32_t i)
{
    const struct td_running *r = &m->running.v[i];
    struct td_attempt *t = td_attempts_find(&g->attempts, r->job, r->attempt);

    if (!t) {
        t = td_attempts_add(&g->attempts, r->job, r->attempt, TD_ATTEMPT_RUNNING);
        if (i < m->places.n)
            td_node_take(g->node, r->job, r->attempt, &m->places.v[i]);
    }
    td_attempts_advance(&g->attempts, t, r->exited ? TD_ATTEMPT_EXITED : TD_ATTEMPT_RUNNING);
    t->seen = true;
    agent_steps_adopt(g, t, r);
}

/* Known here, not to the shepherd: a launch that was lost on the way is repeated; anything else is over. */
static void settle_unseen(struct td_agent *g)
{
    for (uint32_t i = g->attempts.v.n; i-- > 0;) {
        struct td_attempt *t = g->attempts.v.v[i];
        if (t->seen) {
            t->seen = false;
            continue;
        }
        if (t->state == TD_ATTEMPT_LAUNCHING) {
            launch(g, t);
            continue;
        }
        agent_say_loose(g, (struct td_report){.kind = TD_REPORT_GONE, .job = t->job, .attempt = t->attempt});
        td_node_give(g->node, t->job, t->attempt);
        td_attempts_forget(&g->attempts, t, true);
    }
}

void agent_adopt(struct td_agent *g, const struct td_sh_state *m, bool same_boot)
{
    uint64_t last_no = m->next_no > 0 ? m->next_no - 1 : 0;

    if (!same_boot) {
        forget_all(g);
        td_outbox_clear(&g->outbox, last_no < g->outbox.acked);
    }
    g->outbox.highest = TD_MAX(g->outbox.highest, last_no);
    for (uint32_t i = 0; i < m->running.n; i++)
        adopt_one(g, m, i);
    settle_unseen(g);
}
