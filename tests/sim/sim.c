/* sim.c - the clock, the queue of what will happen, and the life of one seeded run */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX 200000
#define CALM_AFTER_MS 60000            /* faults stop; then everything must come to its end */
#define END_AFTER_MS (6 * 3600 * 1000) /* of virtual time: a job that has not ended by then starves */

static bool before(const struct sim_item *a, const struct sim_item *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_put(struct sim *s, struct sim_item it)
{
    td_vec_push(&s->heap, it);
    for (uint32_t i = s->heap.n - 1; i > 0 && before(&s->heap.v[i], &s->heap.v[(i - 1) / 2]); i = (i - 1) / 2) {
        struct sim_item tmp = s->heap.v[i];
        s->heap.v[i] = s->heap.v[(i - 1) / 2];
        s->heap.v[(i - 1) / 2] = tmp;
    }
}

static struct sim_item heap_take(struct sim *s)
{
    struct sim_item top = s->heap.v[0];
    struct sim_item last = s->heap.v[--s->heap.n];
    uint32_t i = 0;

    for (;;) {
        uint32_t kid = 2 * i + 1;
        if (kid >= s->heap.n)
            break;
        if (kid + 1 < s->heap.n && before(&s->heap.v[kid + 1], &s->heap.v[kid]))
            kid++;
        if (!before(&s->heap.v[kid], &last))
            break;
        s->heap.v[i] = s->heap.v[kid];
        i = kid;
    }
    s->heap.v[i] = last;
    return top;
}

void sim_push(struct sim *s, int64_t delay, enum sim_kind kind, uint32_t a, uint32_t b, uint32_t life,
              const struct td_buf *frame)
{
    struct sim_item it = {s->now + delay, s->order++, kind, a, b, life, NULL, 0};

    if (frame) {
        it.data = td_alloc(frame->len);
        memcpy(it.data, frame->data, frame->len);
        it.len = (uint32_t)frame->len;
    }
    heap_put(s, it);
}

bool sim_failed(const struct sim *s)
{
    return s->failure[0] != 0;
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    va_list ap;

    if (sim_failed(s))
        return;
    va_start(ap, fmt);
    vsnprintf(s->failure, sizeof(s->failure), fmt, ap);
    va_end(ap);
    sim_log(s, "FAIL %s", s->failure);
}

void sim_log(struct sim *s, const char *fmt, ...)
{
    va_list ap;

    if (!s->verbose)
        return;
    printf("%8.3f ", (double)(s->now - SIM_T0) / 1000.0);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void sim_trace(struct sim *s, bool in, const struct td_record *rec, const void *body, uint32_t peer)
{
    struct td_buf json = {0};
    char head[64];

    if (!s->trace)
        return;
    td_format(head, sizeof(head), in ? "  > %s from %u" : "  < %s to %u", rec->name, peer);
    td_wire_json(&json, rec, body, TD_SEE_NOBODY);
    sim_log(s, "%s %s", head, td_buf_str(&json));
    td_buf_release(&json);
}

static void faults_choose(struct sim *s)
{
    static const struct sim_faults mixes[] = {
        {0, 0, 1, 0, 0, 0, 0},     {20, 20, 5, 0, 0, 0, 0},    {100, 100, 50, 0, 0, 0, 0}, {0, 0, 2, 4, 0, 0, 0},
        {0, 0, 2, 0, 4, 0, 0},     {30, 30, 20, 3, 3, 0, 0},   {30, 30, 20, 2, 2, 2, 2},   {0, 0, 3, 0, 0, 3, 0},
        {10, 10, 200, 1, 1, 1, 3},
    };

    s->faults = mixes[td_rng_below(&s->rng, TD_ARRAY_LEN(mixes))];
    for (uint32_t i = 0; i < s->faults.broker_deaths; i++)
        sim_push(s, td_rng_below(&s->rng, 30000), SIM_BROKER_DIES, td_rng_below(&s->rng, 4), 0, 0, NULL);
    for (uint32_t i = 0; i < s->faults.worker_deaths; i++)
        sim_push(s, td_rng_below(&s->rng, 30000), SIM_WORKER_DIES, td_rng_below(&s->rng, s->nnodes), 0, 0, NULL);
    for (uint32_t i = 0; i < s->faults.reboots; i++)
        sim_push(s, td_rng_below(&s->rng, 30000), SIM_NODE_REBOOTS, td_rng_below(&s->rng, s->nnodes), 0, 0, NULL);
    for (uint32_t i = 0; i < s->faults.cuts; i++) {
        uint32_t node = td_rng_below(&s->rng, s->nnodes), at = td_rng_below(&s->rng, 30000);
        sim_push(s, at, SIM_LINK, node, 0, 0, NULL);
        sim_push(s, at + 1000 + td_rng_below(&s->rng, 30000), SIM_LINK, node, 1, 0, NULL);
    }
}

/* Every tenth run has a clock that is set. Its own dice: the other runs stay what they were. */
static void clock_choose(struct sim *s)
{
    struct td_rng dice = {s->seed * 2654435761u + 71};

    if (s->seed % 10 != 7)
        return;
    for (uint32_t i = 1 + td_rng_below(&dice, 4); i > 0; i--) {
        uint32_t by = 6000 + td_rng_below(&dice, 600000);
        bool back = td_rng_below(&dice, 3) == 0;
        sim_push(s, td_rng_below(&dice, 60000), SIM_CLOCK, back ? 0 : by, back ? by : 0, 0, NULL);
    }
}

static void item_do(struct sim *s, struct sim_item *it)
{
    switch (it->kind) {
    case SIM_TO_BROKER:
    case SIM_REQUEST:
        sim_broker_take(s, it);
        return; /* keeps the data */
    case SIM_TO_WORKER:
        if (s->nodes[it->a].agent && s->nodes[it->a].life == it->life && !s->nodes[it->a].cut)
            sim_worker_message(s, it->a, it);
        break;
    case SIM_STATUS:
        if (s->nodes[it->a].agent && s->nodes[it->a].life == it->life)
            sim_worker_status(s, it->a, it);
        break;
    case SIM_EXIT:
        if (s->nodes[it->a].shepherd.boots == it->life)
            sim_shepherd_exit(s, it->a, it->b);
        break;
    case SIM_REPLY:
        if (it->life == s->life)
            sim_client_reply(s, it->a, it);
        break;
    case SIM_ACT:
        sim_client_act(s);
        break;
    case SIM_BROKER_DIES:
        sim_broker_die(s);
        break;
    case SIM_BROKER_STARTS:
        if (!s->core)
            sim_broker_start(s);
        break;
    case SIM_WORKER_DIES:
        sim_worker_die(s, it->a);
        break;
    case SIM_WORKER_STARTS:
        if (!s->nodes[it->a].agent && s->nodes[it->a].life == it->life)
            sim_worker_start(s, it->a);
        break;
    case SIM_NODE_REBOOTS:
        sim_node_reboot(s, it->a);
        break;
    case SIM_REDIALLED:
        if (s->nodes[it->a].agent && !s->nodes[it->a].cut)
            sim_worker_redialled(s, it->a);
        break;
    case SIM_LINK:
        s->nodes[it->a].cut = it->b == 0;
        sim_log(s, "link %s %s", s->nodes[it->a].name, it->b ? "up" : "cut");
        break;
    case SIM_STEP_ACT:
        sim_step_act(s);
        break;
    case SIM_STEP_EXIT:
        if (s->nodes[it->a].shepherd.boots == it->life)
            sim_step_exit(s, it->a, it->b);
        break;
    case SIM_FENCE:
        if (s->nodes[it->a].shepherd.boots == it->life)
            sim_shepherd_fence(s, it->a);
        break;
    case SIM_CLOCK:
        s->step_ms = it->b ? -(int64_t)it->b : (int64_t)it->a;
        if (s->core && !s->busy) {
            s->busy = true;
            s->wake_at = s->now;
        }
        break;
    case SIM_TIMER:
        break;
    }
    td_free(it->data);
}

/* The earliest deadline of a core or agent that is not in the queue. */
static int64_t next_deadline(const struct sim *s)
{
    int64_t at = s->core ? td_core_deadline(s->core) : INT64_MAX;

    if (at != INT64_MAX)
        at -= s->skew;
    if (s->core && s->busy)
        at = TD_MIN(at, s->wake_at);
    for (uint32_t i = 0; i < s->nnodes; i++) {
        if (s->nodes[i].agent)
            at = TD_MIN(at, td_agent_deadline(s->nodes[i].agent));
    }
    return TD_MAX(at, s->now);
}

static void fire_deadlines(struct sim *s)
{
    if (s->core && ((s->busy && s->wake_at <= s->now) || td_core_deadline(s->core) <= s->now + s->skew))
        sim_broker_wake(s);
    for (uint32_t i = 0; i < s->nnodes; i++) {
        if (s->nodes[i].agent && td_agent_deadline(s->nodes[i].agent) <= s->now)
            sim_worker_tick(s, i);
    }
}

static void calm_down(struct sim *s)
{
    s->calm = true;
    s->calm_at = s->now;
    s->faults.drop = s->faults.dup = 0;
    s->faults.delay_ms = TD_MIN(s->faults.delay_ms, 5u);
    for (uint32_t i = 0; i < s->nnodes; i++)
        s->nodes[i].cut = false;
    sim_log(s, "calm");
}

/* Some runs have a fence, and links that are cut for longer than a node may be silent. Their own dice. */
static void fence_choose(struct sim *s)
{
    struct td_rng dice = {s->seed * 2654435761u + 73};

    for (uint32_t i = s->fence ? 1 + td_rng_below(&dice, 4) : 0; i > 0; i--) {
        uint32_t node = td_rng_below(&dice, s->nnodes), at = td_rng_below(&dice, 60000);
        sim_push(s, at, SIM_LINK, node, 0, 0, NULL);
        sim_push(s, at + 30000 + td_rng_below(&dice, 120000), SIM_LINK, node, 1, 0, NULL);
    }
}

void sim_run(struct sim *s, uint64_t seed, bool verbose, bool trace)
{
    *s = (struct sim){.seed = seed, .rng = {seed * 2654435761u + 17}, .verbose = verbose, .trace = trace, .now = SIM_T0};
    s->fence = seed % 11 == 4;
    s->nnodes = 1 + td_rng_below(&s->rng, 5);
    s->acts_left = 5 + td_rng_below(&s->rng, 40);
    for (uint32_t i = 0; i < s->nnodes; i++)
        sim_node_init(s, i);
    sim_broker_start(s);
    for (uint32_t i = 0; i < s->nnodes; i++)
        sim_push(s, td_rng_below(&s->rng, 2000), SIM_WORKER_STARTS, i, 0, s->nodes[i].life, NULL);
    sim_push(s, td_rng_below(&s->rng, 500), SIM_ACT, 0, 0, 0, NULL);
    faults_choose(s);
    clock_choose(s);
    fence_choose(s);
    sim_steps_choose(s);

    while (!sim_failed(s)) {
        int64_t at = next_deadline(s);
        if (s->heap.n > 0 && s->heap.v[0].at <= at) {
            struct sim_item it = heap_take(s);
            s->now = TD_MAX(s->now, it.at);
            item_do(s, &it);
        } else if (at == INT64_MAX) {
            sim_fail(s, "nothing will ever happen again, and jobs are left");
        } else {
            s->now = at;
        }
        fire_deadlines(s);
        sim_check_step(s);
        s->steps++;
        if (!s->calm && s->now - SIM_T0 > CALM_AFTER_MS * (s->fence ? 4 : 1))
            calm_down(s);
        if (s->calm && sim_all_done(s))
            break;
        if (s->steps > STEPS_MAX)
            sim_fail(s, "more than %d steps: something spins; %s", STEPS_MAX, s->left);
        if (s->now - SIM_T0 > END_AFTER_MS)
            sim_fail(s, "jobs left after six hours of calm: %s", s->left);
    }
    if (s->fence)
        sim_log(s, "attempts cut off %lu", (unsigned long)s->cut_offs);
    if (s->core && s->with_steps) {
        const struct td_counters *c = td_core_counters(s->core);
        sim_log(s, "steps created %lu, waited %lu, sent again %lu", (unsigned long)c->steps_created, (unsigned long)c->steps_waited,
                (unsigned long)c->steps_resent);
    }
    if (!sim_failed(s))
        sim_check_end(s);
}

void sim_release(struct sim *s)
{
    td_core_destroy(&s->core);
    td_core_destroy(&s->replica);
    for (uint32_t i = 0; i < s->heap.n; i++)
        td_free(s->heap.v[i].data);
    td_vec_release(&s->heap);
    for (uint32_t i = 0; i < s->inbox.n; i++)
        td_free(s->inbox.v[i].data);
    td_vec_release(&s->inbox);
    for (uint32_t i = 0; i < s->journal.n; i++)
        td_free(s->journal.v[i].data);
    td_vec_release(&s->journal);
    for (uint32_t i = 0; i < s->snapshot.n; i++)
        td_free(s->snapshot.v[i].data);
    td_vec_release(&s->snapshot);
    for (uint32_t i = 0; i < s->requests.n; i++)
        td_buf_release(&s->requests.v[i].frame);
    td_vec_release(&s->requests);
    for (uint32_t i = 0; i < s->nnodes; i++)
        sim_node_release(&s->nodes[i]);
    td_vec_release(&s->acknowledged);
    td_map_release(&s->started);
    td_map_release(&s->completed);
    td_map_release(&s->step_started);
    td_vec_release(&s->unanswered);
    td_arena_release(&s->scratch);
}
