/* predict.c - sbatch --test-only: when and where a job would start if it were submitted now
 *
 * The job stands in the queue for one pass of the planner and leaves it again: nothing durable is touched. The pass is
 * conservative, so that whoever waits before it has a booking, and dry: it has a book of its own. A round that is being
 * settled asks the plan that was last run (td_plan_allows): the kept book, or else that plan, which is run anew then. */
#include <string.h>

#include "broker/core/state.h"

#define DEPTH 1000u /* waiting jobs before it that are reckoned with; beyond, no start is foretold */

struct put { /* shapes it holds meanwhile */
    uint32_t *shapes;
    uint32_t n;
};

static void put_candidates(struct td_core *c, const struct td_ev_job_submitted *ev, struct put *ret)
{
    struct td_job_need need = ev->spec.needs.v[0];
    char *names = td_arena_strdup(&c->wake, need.partition);
    struct core_tally t;
    uint32_t most = 1;
    core_need_tally(&need, &t);
    for (const char *s = names; *s; s++)
        most += *s == ',';
    ret->shapes = td_arena_alloc(&c->wake, most * sizeof(*ret->shapes));
    for (char *s = names; *s;) {
        size_t n = strcspn(s, ",");
        bool more = s[n] == ',';
        s[n] = '\0';
        struct core_partition *p = core_partition_find(c, s);
        s += n + more;
        if (!p || core_partition_blocked(p, &t, ev->limit_s) != TD_REASON_NONE)
            continue;
        struct td_shape shape;
        core_spec_shape(c, &ev->spec, &need, p, &c->wake, &shape);
        uint32_t no = td_ledger_shape(c->ledger, &shape, p->no);
        ret->shapes[ret->n++] = no;
        struct td_candidate put = {.job = ev->job,
                                   .partition = p->no,
                                   .shape = no,
                                   .rank = core_rank(c, ev->priority, p->no),
                                   .count = 1,
                                   .limit_s = ev->limit_s,
                                   .limit_min_s = core_spec_limit_min(&ev->spec)};
        td_queue_put(c->queue, &put);
    }
}

/* Of nodes that could take it now, as many as it needs, in the partition's order. */
static void name_nodes(struct td_core *c, const struct td_plan_start *s, uint32_t want, struct td_submitted *ret)
{
    const struct core_partition *p = c->partitions.v[s->partition];
    uint32_t nbytes = c->nodes.n / 8 + 1, n = 0;
    uint8_t *bits = td_arena_alloc(&c->wake, nbytes);
    const char **names = td_arena_alloc(&c->wake, (want + 1) * sizeof(*names));
    struct td_buf fold = {0};
    td_plan_nodes(c->ledger, s->shape, s->limit_s, c->now_ms, bits, nbytes);
    for (uint32_t i = 0; i < p->nodes.n && n < want; i++) {
        if (td_bits_get(bits, nbytes, p->nodes.v[i]))
            names[n++] = c->nodes.v[p->nodes.v[i]]->name;
    }
    td_hostlist_fold(names, n, &fold);
    ret->nodes = fold.len < TD_MAX_EXPR_BYTES ? td_arena_strdup(&c->wake, td_buf_str(&fold)) : "";
    td_buf_release(&fold);
}

static void name_promised(struct td_core *c, const struct td_plan_promise *m, struct td_submitted *ret)
{
    const char **names = td_arena_alloc(&c->wake, (m->nnodes + 1) * sizeof(*names));
    struct td_buf fold = {0};
    for (uint32_t i = 0; i < m->nnodes; i++)
        names[i] = c->nodes.v[m->nodes[i]]->name;
    td_hostlist_fold(names, m->nnodes, &fold);
    ret->nodes = fold.len < TD_MAX_EXPR_BYTES ? td_arena_strdup(&c->wake, td_buf_str(&fold)) : "";
    td_buf_release(&fold);
}

static void read_plan(struct td_core *c, const struct td_plan *p, const struct td_ev_job_submitted *ev, struct td_submitted *ret)
{
    struct core_tally t;
    core_need_tally(ev->spec.needs.v, &t);
    ret->cpus = t.cpus;
    for (uint32_t i = 0; i < p->starts.n; i++) {
        const struct td_plan_start *s = &p->starts.v[i];
        if (s->job != ev->job)
            continue;
        ret->start_ms = c->now_ms;
        ret->partition = c->partitions.v[s->partition]->name;
        name_nodes(c, s, t.nodes_min, ret);
        return;
    }
    for (uint32_t i = 0; i < p->promises.n; i++) {
        const struct td_plan_promise *m = &p->promises.v[i];
        if (m->job != ev->job || m->at_ms == TD_FOREVER || (ret->start_ms && ret->start_ms <= m->at_ms))
            continue;
        ret->start_ms = m->at_ms;
        ret->partition = td_arena_strdup(&c->wake, td_ledger_get_shape(c->ledger, m->shape)->partition);
        name_promised(c, m, ret);
    }
}

void core_predict(struct td_core *c, const struct td_ev_job_submitted *ev, struct td_submitted *ret)
{
    struct td_plan_params params = {.now_ms = c->now_ms, .policy = TD_POLICY_CONSERVATIVE, .depth = DEPTH, .dry = true};
    struct td_plan p = {0};
    struct put put = {0};
    put_candidates(c, ev, &put);
    td_plan_run(c->ledger, c->queue, &params, &p);
    read_plan(c, &p, ev, ret);
    td_queue_drop(c->queue, ev->job);
    for (uint32_t i = 0; i < put.n; i++)
        td_ledger_drop_shape(c->ledger, put.shapes[i]);
    params = core_plan_params(c);
    if (c->round.open && !td_policy_keeps_book(params.policy)) {
        td_plan_run(c->ledger, c->queue, &params, &p);
    }
    td_plan_release(&p);
    ret->job = ev->job;
    if (ret->start_ms)
        ret->start_ms = TD_MAX(core_civil_ms(c, ret->start_ms), ev->spec.begin_ms);
}
