/* award.c - AWARD and KILL: sent in one message for each node and wake, and again until they are
 * answered
 *
 * What has to be sent follows from the parts' states; here is only when. Awards of one array share
 * its submission. */
#include <string.h>

#include "broker/core/state.h"

void core_part_due(struct td_core *c, struct core_part *p, int64_t at_ms)
{
    p->due_ms = at_ms;
    if (!c->in_wake || at_ms > c->now_ms)
        core_sooner(&c->resend_next_ms, at_ms);
    core_node_stir(c, p->node);
}

static void put_again(struct td_core *c, struct core_part *p)
{
    p->backoff_ms =
        p->backoff_ms ? TD_MIN(p->backoff_ms * 2, (uint32_t)CORE_RESEND_MS_MAX) : CORE_RESEND_MS;
    p->due_ms = c->now_ms + p->backoff_ms;
    p->sent = true;
    core_sooner(&c->resend_next_ms, p->due_ms);
}

/* "4(x2),3": counts by node in order, equal neighbours folded */
static const char *by_node(struct td_core *c, const struct core_job *j, bool cpus)
{
    const struct core_alloc *a = j->alloc;
    struct td_buf b = {0};
    for (uint32_t i = 0; i < a->nparts;) {
        const struct td_placement *p = a->parts[i].place;
        uint32_t value = cpus ? td_bits_count(p->cpus.v, p->cpus.n) : p->tasks, run = 0;
        for (; i < a->nparts; i++, run++) {
            const struct td_placement *q = a->parts[i].place;
            if ((cpus ? td_bits_count(q->cpus.v, q->cpus.n) : q->tasks) != value)
                break;
        }
        if (b.len)
            td_buf_putc(&b, ',');
        td_buf_put_u64(&b, value);
        if (run > 1)
            td_buf_putf(&b, "(x%u)", run);
    }
    const char *s = td_arena_strdup(&c->wake, td_buf_str(&b));
    td_buf_release(&b);
    return s;
}

/* A text of the whole allocation goes to each of its nodes; one that no environment could hold goes
 * to the leader alone, who says so. */
static const char *for_rank(const char *text, uint32_t rank)
{
    return rank && strlen(text) > TD_MAX_EXPR_BYTES ? NULL : text;
}

static void fill_award(struct td_core *c, const struct core_part *p, uint32_t spec,
                       struct td_award *ret)
{
    const struct core_job *j = p->job;
    const struct core_array *a = j->array;
    uint32_t tasks = 0, rank = (uint32_t)(p - j->alloc->parts);
    for (uint32_t i = 0; i < j->alloc->nparts; i++)
        tasks += j->alloc->parts[i].place->tasks;
    *ret = (struct td_award){
        .job = j->id,
        .attempt = j->attempt,
        .spec = spec,
        .place = *p->place,
        .nodelist = for_rank(j->alloc->nodelist, rank),
        .tasks_per_node = for_rank(by_node(c, j, false), rank),
        .cpus_per_node = for_rank(by_node(c, j, true), rank),
        .node_rank = rank,
        .nodes = j->alloc->nparts,
        .ntasks = tasks,
        .partition = c->partitions.v[j->partition]->name,
        .limit_s = j->limit_s,
        .uid = j->uid,
        .gid = j->gid,
        .submit_ms = j->submit_ms,
        .restarts = j->restarts,
        .fenced = j->alloc->fenced,
    };
    if (a) {
        ret->array_job = a->id;
        ret->array_task = j->task;
        ret->array_count = a->total;
        ret->array_min = a->first;
        ret->array_max = a->last;
        ret->array_step = a->step ? a->step : 1;
    }
}

struct outgoing {
    TD_VEC(struct td_award) awards;
    TD_VEC(struct td_job_spec) specs;
    TD_VEC(const uint8_t *) blobs;
    TD_VEC(struct td_kill) kills;
};

/* Blobs are large; one the node had lately is not named again. A worker that lacks one after all
 * asks for it. */
bool core_blob_wanted(struct core_node *n, struct td_bin hash, bool again)
{
    if (hash.n != 32)
        return false;
    uint64_t head;
    memcpy(&head, hash.v, sizeof(head));
    for (uint32_t i = 0; i < TD_MIN(n->nblobs, (uint32_t)TD_ARRAY_LEN(n->blobs)); i++) {
        if (n->blobs[i] == head && !again)
            return false;
    }
    n->blobs[n->nblobs++ % TD_ARRAY_LEN(n->blobs)] = head;
    return true;
}

static void want_blob(struct core_node *n, struct outgoing *o, struct td_bin hash, bool again)
{
    if (!core_blob_wanted(n, hash, again))
        return;
    for (uint32_t i = 0; i < o->blobs.n; i++) {
        if (memcmp(o->blobs.v[i], hash.v, 32) == 0)
            return;
    }
    td_vec_push(&o->blobs, hash.v);
}

static void send_awards(struct td_core *c, struct core_node *n, struct outgoing *o)
{
    if (o->awards.n == 0)
        return;
    struct td_award_batch *m = td_arena_alloc(&c->wake, sizeof(*m));
    *m = (struct td_award_batch){
        .epoch = c->epoch,
        .incarnation = n->incarnation,
        .awards = {td_arena_dup(&c->wake, o->awards.v, o->awards.n * sizeof(*o->awards.v)),
                   o->awards.n},
        .specs = {td_arena_dup(&c->wake, o->specs.v, o->specs.n * sizeof(*o->specs.v)), o->specs.n},
    };
    uint8_t(*blobs)[32] = o->blobs.n ? td_arena_alloc(&c->wake, o->blobs.n * sizeof(*blobs)) : NULL;
    for (uint32_t i = 0; i < o->blobs.n; i++)
        memcpy(blobs[i], o->blobs.v[i], 32);
    struct td_effect *e = core_effect(c, TD_DO_SEND);
    e->node = n->name;
    e->peer = n->peer;
    e->id = TD_MSG_AWARD;
    e->body = m;
    e->blobs = (const uint8_t(*)[32])blobs;
    e->nblobs = o->blobs.n;
    o->awards.n = o->specs.n = o->blobs.n = 0;
    c->mark++;
}

static void send_kills(struct td_core *c, struct core_node *n, struct outgoing *o)
{
    if (o->kills.n == 0)
        return;
    struct td_kill_batch m = {.epoch = c->epoch, .kills = {o->kills.v, o->kills.n}};
    core_send(c, n, n->peer, TD_MSG_KILL, &m);
    o->kills.n = 0;
}

static void add_award(struct td_core *c, struct core_part *p, struct outgoing *o)
{
    struct core_spec *s = p->job->spec;
    if (s->mark != c->mark) {
        s->mark = c->mark;
        s->mark_index = o->specs.n;
        td_vec_push(&o->specs, s->body);
        want_blob(p->node, o, s->body.script_hash, p->sent);
        want_blob(p->node, o, s->body.env_hash, p->sent);
    }
    struct td_award a;
    fill_award(c, p, s->mark_index, &a);
    td_vec_push(&o->awards, a);
    if (p->sent)
        c->counters.awards_resent++;
    else
        c->counters.awards++;
    put_again(c, p);
    if (o->awards.n == TD_MAX_AWARDS_PER_MESSAGE)
        send_awards(c, p->node, o);
}

static void add_kill(struct td_core *c, struct core_part *p, struct outgoing *o,
                     const struct td_kill *k)
{
    td_vec_push(&o->kills, *k);
    if (p->sent)
        c->counters.kills_resent++;
    else
        c->counters.kills++;
    if (o->kills.n == TD_MAX_AWARDS_PER_MESSAGE)
        send_kills(c, p->node, o);
}

static void add_part(struct td_core *c, struct core_part *p, struct outgoing *o)
{
    struct td_kill k = {.job = p->job->id, .attempt = p->job->attempt};
    if (p->state == TD_ALLOC_AWARDED) {
        add_award(c, p, o);
        return;
    }
    if (p->state == TD_ALLOC_ENDING) {
        add_kill(c, p, o, &k);
        put_again(c, p);
        return;
    }
    if (p->signal) {
        k.signal = p->signal;
        k.batch_only = p->signal_batch;
        k.full = p->signal_full;
        k.no = p->signal_no;
        add_kill(c, p, o, &k);
    }
    if (p->adjust_s) {
        struct td_kill adjust = {.job = k.job, .attempt = k.attempt, .limit_s = p->adjust_s};
        add_kill(c, p, o, &adjust);
    }
    if (p->signal || p->adjust_s)
        put_again(c, p);
    else
        p->due_ms = INT64_MAX;
}

static void send_node(struct td_core *c, struct core_node *n, struct outgoing *o)
{
    if (!n->greeted)
        return; /* no route yet: HELLO makes everything due again */
    c->mark++;
    for (struct core_part *p = n->parts; p; p = p->next) {
        if (p->due_ms <= c->now_ms)
            add_part(c, p, o);
        else
            core_sooner(&c->resend_next_ms, p->due_ms);
    }
    for (uint32_t i = 0; i < n->strays.n; i++) {
        td_vec_push(&o->kills, n->strays.v[i]);
        c->counters.kills++;
        if (o->kills.n == TD_MAX_AWARDS_PER_MESSAGE)
            send_kills(c, n, o);
    }
    n->strays.n = 0;
    send_awards(c, n, o);
    send_kills(c, n, o);
    core_steps_send(c, n);
}

void core_awards_send(struct td_core *c)
{
    struct outgoing o = {0};
    if (c->now_ms >= c->resend_next_ms) {
        c->resend_next_ms = INT64_MAX;
        for (uint32_t i = 0; i < c->nodes.n; i++) {
            if (c->nodes.v[i]->nparts || c->nodes.v[i]->strays.n)
                send_node(c, c->nodes.v[i], &o);
        }
    } else {
        for (uint32_t i = 0; i < c->stirred.n; i++)
            send_node(c, c->nodes.v[c->stirred.v[i]], &o);
    }
    td_vec_release(&o.awards);
    td_vec_release(&o.specs);
    td_vec_release(&o.blobs);
    td_vec_release(&o.kills);
}
