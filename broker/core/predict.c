/* predict.c - when and where a job would start if it were submitted now: sbatch --test-only, --quote, tender explain
 *
 * The job stands in the queue for one pass of the planner and leaves it again: nothing durable is touched.
 * The pass is dry: it has a copy of the book, or one of its own. For --test-only it is the next one's where the policy keeps
 * a book; else, and for other forms and explanations, conservative, so that whoever waits before it has a booking. A round
 * that is being settled asks the plan that was last run (td_plan_allows): the kept book, or else that plan, which is run
 * anew then (core_dry_over, after the last of several passes). */
#include <string.h>

#include "broker/core/state.h"

struct put { /* shapes it holds meanwhile */
    uint32_t *shapes;
    uint32_t n;
};

static void put_candidates(struct td_core *c, const struct core_wish *wish, struct put *ret)
{
    const struct td_ev_job_submitted *ev = wish->ev;
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
        uint64_t rank = core_rank(c, ev->priority, p->no);
        ret->shapes[ret->n++] = no;
        struct td_candidate put = {.job = ev->job,
                                   .partition = p->no,
                                   .shape = no,
                                   .rank = rank - (wish->in_front && rank),
                                   .class = core_class(c, p->no, CORE_GIVEN_NOT, 0, ev->spec.nice),
                                   .count = 1,
                                   .limit_s = ev->limit_s,
                                   .limit_min_s = core_spec_limit_min(&ev->spec),
                                   .since_ms = c->now_ms};
        td_queue_put(c->queue, &put);
    }
}

static const char *fold(struct td_core *c, const char **names, uint32_t n)
{
    struct td_buf b = {0};
    td_hostlist_fold(names, n, &b);
    const char *text = b.len < TD_MAX_EXPR_BYTES ? td_arena_strdup(&c->wake, td_buf_str(&b)) : "";
    td_buf_release(&b);
    return text;
}

/* Of nodes that could take it now, as many as it needs, in the partition's order. */
static const char *name_nodes(struct td_core *c, const struct td_plan_start *s, uint32_t want)
{
    const struct core_partition *p = c->partitions.v[s->partition];
    uint32_t nbytes = c->nodes.n / 8 + 1, n = 0;
    uint8_t *bits = td_arena_alloc(&c->wake, nbytes);
    const char **names = td_arena_alloc(&c->wake, (want + 1) * sizeof(*names));
    td_plan_nodes(c->ledger, s->shape, s->limit_s, c->now_ms, bits, nbytes);
    for (uint32_t i = 0; i < p->nodes.n && n < want; i++) {
        if (td_bits_get(bits, nbytes, p->nodes.v[i]))
            names[n++] = c->nodes.v[p->nodes.v[i]]->name;
    }
    return fold(c, names, n);
}

const char *core_promise_nodes(struct td_core *c, const struct td_plan_promise *m)
{
    const char **names = td_arena_alloc(&c->wake, (m->nnodes + 1) * sizeof(*names));
    for (uint32_t i = 0; i < m->nnodes; i++)
        names[i] = c->nodes.v[m->nodes[i]]->name;
    return fold(c, names, m->nnodes);
}

static void read_plan(struct td_core *c, const struct td_plan *p, const struct td_ev_job_submitted *ev, struct td_quote_form *ret)
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
        ret->nodes = name_nodes(c, s, t.nodes_min);
        return;
    }
    for (uint32_t i = 0; i < p->promises.n; i++) {
        const struct td_plan_promise *m = &p->promises.v[i];
        if (m->job != ev->job || m->at_ms == TD_FOREVER || (ret->start_ms && ret->start_ms <= m->at_ms))
            continue;
        ret->start_ms = m->at_ms;
        ret->partition = td_arena_strdup(&c->wake, td_ledger_get_shape(c->ledger, m->shape)->partition);
        ret->nodes = core_promise_nodes(c, m);
    }
}

static void read_likely(const struct td_core *c, const struct td_plan *p, uint32_t job, struct td_quote_form *ret)
{
    for (uint32_t i = 0; i < p->likely.n; i++) {
        struct td_likely l;
        if (p->likely.v[i].job != job)
            continue;
        core_likely_make(c, NULL, &p->likely.v[i], &l);
        ret->likely_ms = core_civil_ms(c, l.at_ms);
        ret->likely_from_ms = core_civil_ms(c, l.from_ms);
        ret->likely_to_ms = core_civil_ms(c, l.to_ms);
        return;
    }
}

static void read_by(const struct td_plan *p, uint32_t job, struct td_quote_form *ret)
{
    for (uint32_t i = 0; i < p->bys.n; i++) {
        if (p->bys.v[i].job == job && (!ret->by_ms || p->bys.v[i].by_ms < ret->by_ms))
            ret->by_ms = p->bys.v[i].by_ms;
    }
}

/* The next two moments at which somebody else is booked to start in one of its partitions. */
static void read_gaps(struct td_core *c, const struct td_plan *p, const struct put *put, uint32_t job, int64_t gaps[2])
{
    gaps[0] = gaps[1] = TD_FOREVER;
    for (uint32_t i = 0; i < p->promises.n; i++) {
        const struct td_plan_promise *m = &p->promises.v[i];
        bool mine = false;
        if (m->job == job || m->at_ms <= c->now_ms || m->at_ms >= gaps[1] || m->at_ms == gaps[0])
            continue;
        for (uint32_t k = 0; k < put->n && !mine; k++)
            mine = core_nodes_of(c, td_ledger_get_shape(c->ledger, put->shapes[k])->partition, m->nodes, m->nnodes);
        if (!mine)
            continue;
        gaps[1] = TD_MIN(gaps[1], TD_MAX(gaps[0], m->at_ms));
        gaps[0] = TD_MIN(gaps[0], m->at_ms);
    }
}

bool core_nodes_of(const struct td_core *c, const char *partition, const uint32_t *nodes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct core_node *node = c->nodes.v[nodes[i]];
        for (uint32_t k = 0; k < node->in.n; k++) {
            if (td_str_equal(c->partitions.v[node->in.v[k].partition]->name, partition))
                return true;
        }
    }
    return false;
}

void core_dry_plan(struct td_core *c, uint32_t depth, struct td_plan *ret)
{
    const struct td_plan_params params = {.now_ms = c->now_ms,
                                          .policy = TD_POLICY_CONSERVATIVE,
                                          .depth = depth ? TD_MIN(depth, CORE_DRY_DEPTH) : CORE_DRY_DEPTH,
                                          .dry = true};
    td_plan_run(c->ledger, c->queue, &params, ret);
}

void core_dry_over(struct td_core *c)
{
    const struct td_plan_params params = core_plan_params(c);
    struct td_plan p = {0};
    if (!c->round.open || td_policy_keeps_book(params.policy))
        return;
    td_plan_run(c->ledger, c->queue, &params, &p);
    td_plan_release(&p);
}

/* As the next pass will be where the policy keeps a book; else conservative, so that whoever waits before it has a booking. */
static struct td_plan_params own_params(const struct td_core *c, uint32_t job)
{
    struct td_plan_params p = core_plan_params(c);

    if (!td_policy_keeps_book(p.policy))
        p = (struct td_plan_params){.now_ms = c->now_ms, .policy = TD_POLICY_CONSERVATIVE, .depth = CORE_DRY_DEPTH};
    p.dry = true;
    p.ask = job;
    return p;
}

/* A promise has a little room to move where the policy is tender's: its own pass says how much. */
static void promised(struct td_core *c, const struct td_plan *p, const struct core_wish *wish, struct td_quote_form *ret)
{
    struct td_plan_params params = core_plan_params(c);
    struct td_plan own = {0};
    uint32_t job = wish->ev->job;
    if (!td_policy_keeps_book(params.policy))
        return;
    if (params.policy == TD_POLICY_CONSERVATIVE) {
        read_by(p, job, ret);
        return;
    }
    params.dry = true;
    params.depth = CORE_DRY_DEPTH;
    td_plan_run(c->ledger, c->queue, &params, &own);
    read_by(&own, job, ret);
    td_plan_release(&own);
}

void core_predict(struct td_core *c, const struct core_wish *wish, struct td_quote_form *ret, int64_t ret_gaps[2])
{
    const struct td_ev_job_submitted *ev = wish->ev;
    struct td_plan p = {0};
    struct put put = {0};
    put_candidates(c, wish, &put);
    if (wish->as_next) {
        const struct td_plan_params params = own_params(c, ev->job);
        td_plan_run(c->ledger, c->queue, &params, &p);
    } else {
        core_dry_plan(c, wish->depth ? wish->depth + put.n : 0, &p);
    }
    read_plan(c, &p, ev, ret);
    if (wish->as_next)
        read_by(&p, ev->job, ret);
    else
        promised(c, &p, wish, ret);
    if (wish->as_next && ret->start_ms > c->now_ms && td_policy_keeps_book(core_plan_params(c).policy))
        read_likely(c, &p, ev->job, ret); /* else nobody learns from starts */
    if (ret_gaps)
        read_gaps(c, &p, &put, ev->job, ret_gaps);
    td_queue_drop(c->queue, ev->job);
    for (uint32_t i = 0; i < put.n; i++)
        td_ledger_drop_shape(c->ledger, put.shapes[i]);
    td_plan_release(&p);
    ret->limit_s = ev->limit_s;
    if (ret->start_ms)
        ret->start_ms = TD_MAX(core_civil_ms(c, ret->start_ms), ev->spec.begin_ms);
    if (ret->by_ms)
        ret->by_ms = TD_MAX(core_civil_ms(c, ret->by_ms), ret->start_ms);
}
