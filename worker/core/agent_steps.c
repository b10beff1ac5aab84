/* agent_steps.c - a worker's mind: the steps inside its allocations
 *
 * A step's start is answered by what becomes of it: DECLINED at once where it cannot be, else STARTED and EXITED as the
 * shepherd says them. A step that is known is never given to the shepherd again, unless the shepherd, asked what it
 * holds, does not name it: then its next STEP_START starts it. That a step is started at most once rests in the shepherd's
 * ledger, which also knows those whose end has been acknowledged and forgotten here. */
#include "worker/core/mind.h"

static struct td_step_known *find(struct td_attempt *t, uint32_t no)
{
    for (uint32_t i = 0; i < t->steps.n; i++)
        if (t->steps.v[i].no == no)
            return &t->steps.v[i];
    return NULL;
}

static struct td_step_known *known(struct td_attempt *t, uint32_t no)
{
    struct td_step_known *s = find(t, no);
    if (s)
        return s;
    td_vec_push(&t->steps, (struct td_step_known){.no = no});
    return &t->steps.v[t->steps.n - 1];
}

static void decline(struct td_agent *g, const struct td_step_launch *l, uint32_t refusal, const char *why)
{
    agent_say_loose(g, (struct td_report){
                           .kind = TD_REPORT_DECLINED, .job = l->job, .attempt = l->attempt, .step = l->step, .refusal = refusal, .text = why});
    agent_log(g, "info node=%s job=%u.%u step=%u DECLINED: %s", g->name, l->job, l->attempt, l->step, why);
}

static void answer_again(struct td_agent *g, const struct td_attempt *t, const struct td_step_known *s)
{
    if (s->never)
        agent_say_loose(g, (struct td_report){.kind = TD_REPORT_DECLINED, .job = t->job, .attempt = t->attempt, .step = s->no,
                                              .refusal = TD_REFUSAL_STALE, .text = "the step was ended before it was started here"});
    else if (agent_repeat_reports(g, t, &s->no) == 0 && s->started && !s->over)
        agent_say_loose(g, (struct td_report){.kind = TD_REPORT_STARTED, .job = t->job, .attempt = t->attempt, .step = s->no});
}

static void start_one(struct td_agent *g, const struct td_step_launch *l)
{
    struct td_attempt *t = td_attempts_find(&g->attempts, l->job, l->attempt);

    if (!t) {
        decline(g, l, TD_REFUSAL_STALE, "its allocation is not on this node");
        return;
    }
    if (t->state == TD_ATTEMPT_LAUNCHING || !agent_shepherd_ready(g))
        return; /* it is sent again until it is answered */
    if (find(t, l->step)) {
        answer_again(g, t, find(t, l->step));
        return;
    }
    if (t->state >= TD_ATTEMPT_EXITED) {
        decline(g, l, TD_REFUSAL_STALE, "its allocation is over on this node");
        return;
    }
    known(t, l->step);
    agent_to_shepherd(g, TD_MSG_SH_STEP, &(struct td_sh_step){.launch = *l});
}

void agent_step_start(struct td_agent *g, const struct td_step_start *m)
{
    if (g->state != AGENT_REGISTERED || m->epoch != g->welcome.epoch || m->incarnation != g->welcome.incarnation)
        return; /* meant for another reign or registration: it is sent again if it still holds */
    for (uint32_t i = 0; i < m->steps.n; i++)
        start_one(g, &m->steps.v[i]);
}

/* One that is not here is answered too, or the broker would ask for ever. */
void agent_step_kill(struct td_agent *g, const struct td_kill *k)
{
    struct td_attempt *t = td_attempts_find(&g->attempts, k->job, k->attempt);
    uint32_t no = k->step - 1;

    if (t && (t->state == TD_ATTEMPT_LAUNCHING || !agent_shepherd_ready(g)))
        return;
    struct td_step_known *s = t ? find(t, no) : NULL;
    if (s && s->over) {
        answer_again(g, t, s);
        return;
    }
    if (s) {
        struct td_sh_kill m = {.kill = *k, .kill_wait_s = g->welcome.kill_wait_s};
        agent_to_shepherd(g, TD_MSG_SH_KILL, &m);
        return;
    }
    if (t && !k->signal) { /* it overtook its start */
        s = known(t, no);
        s->over = s->never = true;
        s->over_no = UINT64_MAX;
    }
    agent_say_loose(g, (struct td_report){
                           .kind = k->signal ? TD_REPORT_SIGNALLED : TD_REPORT_DECLINED,
                           .job = k->job,
                           .attempt = k->attempt,
                           .step = no,
                           .signal = k->signal,
                           .refusal = k->signal ? TD_REFUSAL_NONE : TD_REFUSAL_STALE,
                           .text = "the step is not on this node",
                       });
}

void agent_step_note(struct td_agent *g, struct td_attempt *t, const struct td_report *r)
{
    (void)g;
    if (r->kind == TD_REPORT_SIGNALLED)
        return;
    struct td_step_known *s = known(t, r->step);
    s->started = true;
    if (r->kind == TD_REPORT_STARTED)
        return;
    s->over = true;
    s->over_no = r->no;
}

void agent_steps_acked(struct td_agent *g, struct td_attempt *t)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->steps.n; i++)
        if (!t->steps.v[i].over || t->steps.v[i].over_no > g->outbox.acked)
            t->steps.v[n++] = t->steps.v[i];
    t->steps.n = n;
}

/* What is over stays until its end is acknowledged; what is not and was not named is not there. */
void agent_steps_adopt(struct td_agent *g, struct td_attempt *t, const struct td_running *r)
{
    uint32_t n = 0;

    (void)g;
    if (!r->with_steps)
        return;
    for (uint32_t i = 0; i < r->steps.n; i++) {
        struct td_step_known *s = known(t, r->steps.v[i]);
        s->started = s->seen = true;
    }
    for (uint32_t i = 0; i < t->steps.n; i++) {
        struct td_step_known s = t->steps.v[i];
        if (!s.seen && !s.over)
            continue;
        s.seen = false;
        t->steps.v[n++] = s;
    }
    t->steps.n = n;
}

struct td_u32s agent_steps_running(struct td_agent *g, const struct td_attempt *t)
{
    uint32_t *v = t->steps.n ? td_arena_alloc(&g->step, t->steps.n * sizeof(*v)) : NULL, n = 0;

    for (uint32_t i = 0; i < t->steps.n; i++)
        if (!t->steps.v[i].never)
            v[n++] = t->steps.v[i].no;
    return (struct td_u32s){v, n};
}
