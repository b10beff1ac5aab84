/* step_send.c - STEP_START, and KILL of a step: sent again until they are answered
 *
 * As with awards, what has to be sent follows from the parts' states; here is only when. While the
 * node's part of the job is being ended nothing is sent: that kill takes the steps with it. */
#include <string.h>

#include "broker/core/state.h"

#define START_BYTES_MAX (1024u * 1024) /* of submissions in one message; one may be larger */

void core_step_due(struct td_core *c, struct core_step_part *p, int64_t at_ms)
{
    p->due_ms = at_ms;
    if (!c->in_wake || at_ms > c->now_ms)
        core_sooner(&c->resend_next_ms, at_ms);
    core_node_stir(c, p->node);
}

static void put_again(struct td_core *c, struct core_step_part *p)
{
    c->counters.steps_resent += p->sent;
    p->backoff_ms =
        p->backoff_ms ? TD_MIN(p->backoff_ms * 2, (uint32_t)CORE_RESEND_MS_MAX) : CORE_RESEND_MS;
    p->due_ms = c->now_ms + p->backoff_ms;
    p->sent = true;
    core_sooner(&c->resend_next_ms, p->due_ms);
}

struct starts {
    TD_VEC(struct td_step_launch) steps;
    TD_VEC(const uint8_t *) blobs;
    TD_VEC(struct td_kill) kills;
    size_t bytes;
};

static void send_starts(struct td_core *c, struct core_node *n, struct starts *o)
{
    if (o->steps.n == 0)
        return;
    struct td_step_start *m = td_arena_alloc(&c->wake, sizeof(*m));
    *m = (struct td_step_start){
        .epoch = c->epoch,
        .incarnation = n->incarnation,
        .steps = {td_arena_dup(&c->wake, o->steps.v, o->steps.n * sizeof(*o->steps.v)), o->steps.n},
    };
    uint8_t(*blobs)[32] = o->blobs.n ? td_arena_alloc(&c->wake, o->blobs.n * sizeof(*blobs)) : NULL;
    for (uint32_t i = 0; i < o->blobs.n; i++)
        memcpy(blobs[i], o->blobs.v[i], 32);
    struct td_effect *e = core_effect(c, TD_DO_SEND);
    e->node = n->name;
    e->peer = n->peer;
    e->id = TD_MSG_STEP_START;
    e->body = m;
    e->blobs = (const uint8_t(*)[32])blobs;
    e->nblobs = o->blobs.n;
    o->steps.n = o->blobs.n = 0;
    o->bytes = 0;
}

static void send_kills(struct td_core *c, struct core_node *n, struct starts *o)
{
    if (o->kills.n == 0)
        return;
    struct td_kill_batch m = {.epoch = c->epoch, .kills = {o->kills.v, o->kills.n}};
    core_send(c, n, n->peer, TD_MSG_KILL, &m);
    o->kills.n = 0;
}

/* "4(x2),3" */
static const char *tasks_by_node(struct td_core *c, const struct core_step *s)
{
    struct td_buf b = {0};
    for (uint32_t i = 0; i < s->nparts;) {
        uint32_t tasks = s->parts[i].place->ranks.n, run = 0;
        for (; i < s->nparts && s->parts[i].place->ranks.n == tasks; i++)
            run++;
        if (b.len)
            td_buf_putc(&b, ',');
        td_buf_put_u64(&b, tasks);
        if (run > 1)
            td_buf_putf(&b, "(x%u)", run);
    }
    const char *text = td_arena_strdup(&c->wake, td_buf_str(&b));
    td_buf_release(&b);
    return text;
}

/* Copied: the step may end in this very wake, and the message leaves after its commit. */
static void add_start(struct td_core *c, struct core_step_part *p, struct starts *o)
{
    const struct core_step *s = p->step;
    uint32_t tasks = 0;
    for (uint32_t i = 0; i < s->nparts; i++)
        tasks += s->parts[i].place->ranks.n;
    struct td_step_launch is = {
        .job = s->job->id,
        .attempt = s->job->attempt,
        .step = s->no,
        .spec = *s->spec,
        .place = *p->place,
        .nodelist = s->nodelist,
        .tasks_per_node = tasks_by_node(c, s),
        .node_rank = (uint32_t)(p - s->parts),
        .nodes = s->nparts,
        .ntasks = tasks,
        .limit_s = s->spec->limit_s ? s->spec->limit_s : TD_INFINITE,
    };
    size_t bytes = core_pack_extra(&td_rec_step_launch, &is);
    if (o->steps.n &&
        (o->bytes + bytes > START_BYTES_MAX || o->steps.n == TD_MAX_AWARDS_PER_MESSAGE))
        send_starts(c, p->node, o);
    struct td_step_launch copy;
    td_record_copy(&c->wake, &td_rec_step_launch, &is, &copy);
    td_vec_push(&o->steps, copy);
    o->bytes += bytes;
    struct td_bin hash = o->steps.v[o->steps.n - 1].spec.env_hash;
    if (core_blob_wanted(p->node, hash, p->sent))
        td_vec_push(&o->blobs, hash.v);
    put_again(c, p);
}

static void add_part(struct td_core *c, struct core_step_part *p, struct starts *o)
{
    struct td_kill k = {
        .job = p->step->job->id, .attempt = p->step->job->attempt, .step = p->step->no + 1};
    if (p->state == TD_STEP_SENT) {
        add_start(c, p, o);
        return;
    }
    if (p->state == TD_STEP_STARTED && p->signal == 0) {
        p->due_ms = INT64_MAX;
        return;
    }
    if (p->state == TD_STEP_STARTED) {
        k.signal = p->signal;
        k.no = p->signal_no;
    }
    td_vec_push(&o->kills, k);
    if (o->kills.n == TD_MAX_AWARDS_PER_MESSAGE)
        send_kills(c, p->node, o);
    put_again(c, p);
}

void core_steps_send(struct td_core *c, struct core_node *n)
{
    struct starts o = {0};
    for (struct core_step_part *p = n->step_parts; p; p = p->next) {
        const struct core_part *in = p->due_ms <= c->now_ms ? core_job_part(p->step->job, n) : NULL;
        if (p->due_ms > c->now_ms)
            core_sooner(&c->resend_next_ms, p->due_ms);
        else if (in->state == TD_ALLOC_HELD)
            add_part(c, p, &o);
        else
            p->due_ms = INT64_MAX;
    }
    send_starts(c, n, &o);
    send_kills(c, n, &o);
    td_vec_release(&o.steps);
    td_vec_release(&o.blobs);
    td_vec_release(&o.kills);
}
