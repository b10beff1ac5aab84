/* check.c - DESIGN's promises, held against what the shepherds really did
 *
 * An acknowledged job is never lost; allocations never overlap on a node; an attempt starts at most once; a job that
 * ran to its end is not run again unless somebody asked; with a fence no two attempts of a job live at once, wherever they
 * are; every event seen is durable (the replica is fed from the
 * journal's bytes); a job that can run does not starve (the run ends with all jobs over). */
#include "world.h"

#include <stdio.h>

static char one;

/* NodeFence=kill: what went before is over on all nodes, reached or not. */
static void check_fence(struct sim *s, const struct sim_attempt *a)
{
    for (uint32_t i = 0; s->fence && i < s->nnodes; i++) {
        const struct sim_shepherd *sh = &s->nodes[i].shepherd;
        for (uint32_t k = 0; k < sh->attempts.n; k++) {
            const struct sim_attempt *b = &sh->attempts.v[k];
            if (b->alive && b->job == a->job && b->attempt != a->attempt)
                sim_fail(s, "attempt %u.%u starts while %u lives on %s", a->job, a->attempt, b->attempt, s->nodes[i].name);
        }
    }
}

void sim_check_launch(struct sim *s, uint32_t node, const struct sim_attempt *a)
{
    const struct sim_node *n = &s->nodes[node];
    uint64_t key = (uint64_t)a->job << 32 | a->attempt;

    sim_log(s, "%s: %u.%u starts%s", n->name, a->job, a->attempt, a->leader ? "" : " (no leader)");
    if (a->leader) {
        if (td_map_get(&s->started, key))
            sim_fail(s, "attempt %u.%u started twice", a->job, a->attempt);
        td_map_put(&s->started, key, &one);
    }
    check_fence(s, a);
    if (!td_bits_covers(n->inv.cpus, a->place.cpus))
        sim_fail(s, "%s: %u.%u holds CPUs the node lacks", n->name, a->job, a->attempt);
    for (uint32_t k = 0; k < n->shepherd.attempts.n; k++) {
        const struct sim_attempt *b = &n->shepherd.attempts.v[k];
        if (b == a || !b->alive)
            continue;
        if (td_bits_overlap(a->place.cpus, b->place.cpus))
            sim_fail(s, "%s: CPUs of %u.%u and %u.%u overlap", n->name, a->job, a->attempt, b->job, b->attempt);
        for (uint32_t x = 0; x < a->place.gres.n; x++) {
            for (uint32_t y = 0; y < b->place.gres.n; y++) {
                if (td_bits_overlap(a->place.gres.v[x].devices, b->place.gres.v[y].devices))
                    sim_fail(s, "%s: devices of %u.%u and %u.%u overlap", n->name, a->job, a->attempt, b->job, b->attempt);
            }
        }
    }
}

void sim_check_step(struct sim *s)
{
    struct td_error err = {0};

    if (s->core && !sim_failed(s) && !td_core_check(s->core, &err))
        sim_fail(s, "invariant: %s", err.text);
    sim_check_steps(s);
}

struct count {
    struct sim *s;
    uint32_t open, held;
    bool found;
    char first[160];
};

static bool count_open(void *ctx, const struct td_job_info *row)
{
    struct count *c = ctx;

    c->found = true;
    if (row->state == TD_JOB_DONE)
        return true;
    /* What only a person can move does not starve: held jobs, jobs no node can ever serve, and those behind them. */
    bool stuck = row->state == TD_JOB_PENDING &&
                 (row->held || row->reason == TD_REASON_DEPENDENCY || row->reason == TD_REASON_DEP_NEVER || row->reason == TD_REASON_PARTITION_TIME_LIMIT || row->reason == TD_REASON_PARTITION_NODE_LIMIT ||
                  row->reason == TD_REASON_BAD_CONSTRAINTS || row->reason == TD_REASON_REQ_NODE_NOT_AVAIL || row->reason == TD_REASON_NODE_DOWN);
    if (stuck) {
        c->held++;
        return true;
    }
    if (c->open++ == 0)
        snprintf(c->first, sizeof(c->first), "job %u task %u %s reason %s attempt %u", row->job, row->array_task,
                 td_job_state_word(row->state, row->outcome), td_reason_word(row->reason), row->attempt);
    return true;
}

/* Drained and downed nodes are given back once it is calm, or their jobs would rightly wait for ever. */
static void resume_nodes(struct sim *s)
{
    struct td_update_node m = {.state = "RESUME", .reason = "calm"};
    struct td_buf all = {0};

    if (sim_deletes(s))
        td_buf_puts(&all, "ALL");
    else
        td_buf_putf(&all, "n[1-%u]", s->nnodes);
    m.nodes = td_buf_str(&all);
    struct sim_request r = {.id = TD_MSG_UPDATE_NODE};
    td_wire_put_frame(&r.frame, r.id, s->requests.n + 1, &m);
    td_vec_push(&s->requests, r);
    sim_client_send(s, s->requests.n - 1);
    td_buf_release(&all);
}

/* A lost node that came back may still be ending what was given up meanwhile. */
static bool some_alive(struct sim *s)
{
    for (uint32_t i = 0; i < s->nnodes; i++) {
        const struct sim_shepherd *sh = &s->nodes[i].shepherd;
        for (uint32_t k = 0; k < sh->attempts.n; k++) {
            if (sh->attempts.v[k].alive) {
                snprintf(s->left, sizeof(s->left), "%s: %u.%u is alive though all jobs are over", s->nodes[i].name, sh->attempts.v[k].job, sh->attempts.v[k].attempt);
                return true;
            }
        }
    }
    return false;
}

bool sim_all_done(struct sim *s)
{
    struct td_job_filter filter = {0};
    const char *all[] = {"all"};
    struct td_job_query q = {.filter = &filter, .all = true, .asker_operator = true};
    struct count c = {.s = s};

    filter.states = (struct td_strs){all, 1};
    if (!s->core || s->acts_left > 0)
        return false;
    if (s->steps % 16)
        return false;
    for (uint32_t i = 0; i < s->requests.n; i++) {
        if (!s->requests.v[i].answered)
            return false;
    }
    if (!td_map_get(&s->completed, UINT64_MAX)) {
        td_map_put(&s->completed, UINT64_MAX, &one);
        resume_nodes(s);
        return false;
    }
    sim_unreserve(s);
    td_core_jobs(s->core, &q, &s->scratch, count_open, &c);
    td_arena_reset(&s->scratch);
    snprintf(s->left, sizeof(s->left), "%u left, first: %s", c.open, c.first);
    return c.open == 0 && !some_alive(s);
}

static bool see(void *ctx, const struct td_job_info *row)
{
    (void)row;
    *(bool *)ctx = true;
    return true;
}

void sim_check_end(struct sim *s)
{
    const char *all[] = {"all"};

    for (uint32_t i = 0; i < s->acknowledged.n; i++) {
        struct td_job_sel sel = {.job = s->acknowledged.v[i]};
        struct td_job_filter filter = {.ids = {&sel, 1}, .states = {all, 1}};
        struct td_job_query q = {.filter = &filter, .all = true, .asker_operator = true};
        bool found = false;
        td_core_jobs(s->core, &q, &s->scratch, see, &found);
        if (!found)
            sim_fail(s, "job %u was acknowledged and is lost", s->acknowledged.v[i]);
    }
    td_arena_reset(&s->scratch);
    for (uint32_t i = 0; i < s->nnodes && !sim_failed(s); i++) {
        const struct sim_shepherd *sh = &s->nodes[i].shepherd;
        for (uint32_t k = 0; k < sh->attempts.n; k++) {
            if (sh->attempts.v[k].alive)
                sim_fail(s, "%s: %u.%u is alive though all jobs are over", s->nodes[i].name, sh->attempts.v[k].job, sh->attempts.v[k].attempt);
        }
    }
}
