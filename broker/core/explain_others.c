/* explain_others.c - the other jobs that a waiting one waits for: those before it in the queue, and those that hold what it
 * needs
 *
 * All are counted; the nearest few are named, of those that whoever asks may see. */
#include <string.h>

#include "broker/core/state.h"

struct rival {
    const struct core_job *job;
    uint64_t rank;
};

/* --- those before it ------------------------------------------------------------------------------------------------------ */

/* Partitions that share a node with one of the job's, by number. */
static const bool *shared_partitions(struct td_core *c, const struct core_job *j)
{
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    bool *shared = td_arena_alloc(&c->wake, c->partitions.n + 1), *mine = td_arena_alloc(&c->wake, c->nodes.n + 1);
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        const struct core_partition *p = c->partitions.v[cand[i].partition];
        for (uint32_t k = 0; k < p->nodes.n; k++)
            mine[p->nodes.v[k]] = true;
    }
    for (uint32_t i = 0; i < c->partitions.n; i++) {
        const struct core_partition *p = c->partitions.v[i];
        for (uint32_t k = 0; k < p->nodes.n && !shared[i]; k++)
            shared[i] = mine[p->nodes.v[k]];
    }
    return shared;
}

/* The best it has in one of these; UINT64_MAX: in none. */
static uint64_t best_rank(const struct td_core *c, const struct core_job *j, const bool *partitions)
{
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    uint64_t best = UINT64_MAX;
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        if (partitions[cand[i].partition] && core_candidate_blocked(c, j, cand[i].partition) == TD_REASON_NONE)
            best = TD_MIN(best, core_job_rank(c, j, cand[i].partition));
    }
    return best;
}

static uint32_t why_before(const struct rival *is, const struct core_job *j, uint64_t rank)
{
    const struct core_job *k = is->job;
    if (is->rank >> 48 != rank >> 48)
        return TD_BEFORE_TIER;
    bool earlier = k->submit_ms < j->submit_ms || (k->submit_ms == j->submit_ms && k->id < j->id);
    return earlier && k->spec->body.nice == j->spec->body.nice ? TD_BEFORE_SUBMITTED : TD_BEFORE_PRIORITY;
}

static int64_t dry_start(struct td_core *c, const struct td_plan *dry, uint32_t job)
{
    int64_t at = TD_FOREVER;
    for (uint32_t i = 0; i < dry->starts.n; i++) {
        if (dry->starts.v[i].job == job)
            return core_civil_ms(c, c->now_ms);
    }
    for (uint32_t i = 0; i < dry->promises.n; i++) {
        if (dry->promises.v[i].job == job)
            at = TD_MIN(at, dry->promises.v[i].at_ms);
    }
    return at == TD_FOREVER ? 0 : core_civil_ms(c, at);
}

static struct td_explain_other describe(const struct core_job *k)
{
    struct core_tally t;
    core_need_tally(core_job_need(k), &t);
    return (struct td_explain_other){.job = k->id,
                                     .array_job = k->array ? k->array->id : 0,
                                     .array_task = k->array ? k->task : 0,
                                     .uid = k->uid,
                                     .user_name = k->spec->body.user_name,
                                     .submit_ms = k->submit_ms,
                                     .nodes = t.nodes_min,
                                     .cpus = t.cpus};
}

/* Into the nearest few, ordered by rank. */
static void put_near(struct rival *near, uint32_t *n, struct rival is)
{
    uint32_t at = *n;
    while (at > 0 && (near[at - 1].rank > is.rank || (near[at - 1].rank == is.rank && near[at - 1].job->id > is.job->id)))
        at--;
    if (*n == TD_MAX_EXPLAIN_NAMED) {
        if (at == 0)
            return; /* before all of them: the farthest */
        memmove(&near[0], &near[1], (at - 1) * sizeof(*near));
        near[at - 1] = is;
        return;
    }
    memmove(&near[at + 1], &near[at], (*n - at) * sizeof(*near));
    near[at] = is;
    ++*n;
}

static void before(struct td_core *c, const struct core_job *j, const struct td_plan *dry, uint32_t uid,
                   struct td_explain_info *ret)
{
    const bool *shared = shared_partitions(c, j);
    struct rival near[TD_MAX_EXPLAIN_NAMED];
    uint64_t rank = best_rank(c, j, shared);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        struct rival is = {.job = c->jobs.v[i]};
        if (is.job == j || is.job->state != TD_JOB_PENDING || !is.job->queued)
            continue;
        is.rank = best_rank(c, is.job, shared);
        if (is.rank > rank || (is.rank == rank && is.job->id > j->id))
            continue;
        ret->ahead++;
        if (td_core_sees_job_of(c, is.job->uid, uid))
            put_near(near, &n, is);
    }
    struct td_explain_other *v = td_arena_alloc(&c->wake, (n + 1) * sizeof(*v));
    for (uint32_t i = 0; i < n; i++) {
        v[i] = describe(near[i].job);
        v[i].before = why_before(&near[i], j, rank);
        v[i].priority = near[i].job->priority;
        v[i].start_ms = dry_start(c, dry, near[i].job->id);
    }
    ret->before = (struct td_explain_other_list){v, n};
}

/* --- those that hold what it needs ---------------------------------------------------------------------------------------- */

struct holder {
    const struct core_job *job;
    int64_t end_ms; /* TD_FOREVER: without limit */
    uint32_t nodes;
};
struct holders {
    struct td_core *c;
    const struct core_job *for_job;
    uint32_t uid;
    int64_t by_ms; /* those that end later do not help; TD_FOREVER: nothing is foretold */
    const bool *nodes; /* in question */
    struct td_map index; /* place + 1 */
    TD_VEC(struct holder) v;
};

static bool holds_any(const struct td_placement *p, const struct td_ledger_why *w)
{
    for (uint32_t i = 0; i < w->nlacks; i++) {
        const char *what = w->lacks[i].what;
        if ((td_str_equal(what, "CPUs") && td_bits_count(p->cpus.v, p->cpus.n)) ||
            (td_str_equal(what, "MB of memory") && p->memory_mb) || (td_str_equal(what, "MB of temporary disk") && p->tmp_mb))
            return true;
        for (uint32_t g = 0; g < p->gres.n; g++) {
            size_t n = strlen(p->gres.v[g].name);
            if (p->gres.v[g].count && strncmp(what, p->gres.v[g].name, n) == 0 &&
                (what[n] == '\0' || (what[n] == ':' && td_str_equal(what + n + 1, p->gres.v[g].type))))
                return true;
        }
    }
    return false;
}

static void add_holder(struct holders *h, const struct core_job *k)
{
    uintptr_t at = (uintptr_t)td_map_get(&h->index, k->id);
    if (!at) {
        struct holder is = {.job = k, .end_ms = core_job_until(k, k->start_ms ? k->start_ms : h->c->now_ms, k->limit_s)};
        td_vec_push(&h->v, is);
        at = h->v.n;
        td_map_put(&h->index, k->id, (void *)at);
    }
    h->v.v[at - 1].nodes++;
}

static void look_at_node(struct holders *h, const struct core_node *n, uint32_t shape)
{
    struct td_ledger_why w;
    td_ledger_why(h->c->ledger, shape, n->no, &h->c->wake, &w);
    if (w.never)
        return;
    for (const struct core_part *p = n->parts; p; p = p->next) {
        int64_t end_ms = core_job_until(p->job, p->job->start_ms ? p->job->start_ms : h->c->now_ms, p->job->limit_s);
        bool helps = h->by_ms == TD_FOREVER || end_ms <= TD_MAX(h->by_ms, h->c->now_ms) + 1000;
        if (helps && holds_any(p->place, &w))
            add_holder(h, p->job);
    }
}

static void sort_holders(struct holder *v, uint32_t n)
{
    for (uint32_t width = 1; width < n; width *= 2) {
        struct holder *tmp = td_alloc(sizeof(*tmp) * n);
        for (uint32_t i = 0; i < n; i += 2 * width) {
            uint32_t a = i, mid = TD_MIN(i + width, n), b = mid, end = TD_MIN(mid + width, n);
            for (uint32_t k = i; k < end; k++) {
                bool first = a < mid && (b == end || v[a].end_ms < v[b].end_ms ||
                                         (v[a].end_ms == v[b].end_ms && v[a].job->id <= v[b].job->id));
                tmp[k] = first ? v[a++] : v[b++];
            }
        }
        memcpy(v, tmp, sizeof(*v) * n);
        td_free(tmp);
    }
}

/* What it holds on the nodes in question. */
static struct td_explain_other tell_holder(struct holders *h, const struct holder *is)
{
    const struct core_alloc *al = is->job->alloc;
    struct td_explain_other o = describe(is->job);
    struct td_gres_held *gres = td_arena_alloc(&h->c->wake, TD_MAX_GRES_KINDS * sizeof(*gres));
    const char **names = td_arena_alloc(&h->c->wake, (al->nparts + 1) * sizeof(*names));
    struct td_buf b = {0};
    uint32_t n = 0, ngres = 0;
    o.cpus = 0;
    for (uint32_t i = 0; i < al->nparts; i++) {
        const struct td_placement *p = al->parts[i].place;
        if (!h->nodes[al->parts[i].node->no] || al->parts[i].state == TD_ALLOC_GONE)
            continue;
        names[n++] = al->parts[i].node->name;
        o.cpus += td_bits_count(p->cpus.v, p->cpus.n);
        for (uint32_t g = 0; g < p->gres.n; g++)
            core_gres_add(gres, &ngres, p->gres.v[g].name, p->gres.v[g].type, p->gres.v[g].count);
    }
    td_hostlist_fold(names, n, &b);
    o.nodelist = b.len < 4096 ? td_arena_strdup(&h->c->wake, td_buf_str(&b)) : "";
    td_buf_release(&b);
    o.nodes = n;
    o.gres = (struct td_gres_held_list){gres, ngres};
    o.end_ms = is->end_ms == TD_FOREVER ? 0 : is->end_ms;
    return o;
}

/* Where its start is foretold, those that end last before it say when; else those that end first. */
static void name_holders(struct holders *h, struct td_explain_info *ret)
{
    struct td_explain_other *v = td_arena_alloc(&h->c->wake, TD_MAX_EXPLAIN_NAMED * sizeof(*v));
    uint32_t n = 0, seen = 0, skip;
    sort_holders(h->v.v, h->v.n);
    for (uint32_t i = 0; i < h->v.n; i++)
        seen += td_core_sees_job_of(h->c, h->v.v[i].job->uid, h->uid);
    skip = h->by_ms != TD_FOREVER && seen > TD_MAX_EXPLAIN_NAMED ? seen - TD_MAX_EXPLAIN_NAMED : 0;
    for (uint32_t i = 0; i < h->v.n && n < TD_MAX_EXPLAIN_NAMED; i++) {
        if (!td_core_sees_job_of(h->c, h->v.v[i].job->uid, h->uid))
            continue;
        if (skip > 0)
            skip--;
        else
            v[n++] = tell_holder(h, &h->v.v[i]);
    }
    ret->holders = (struct td_explain_other_list){v, n};
    ret->nholders = h->v.n;
}

static const struct td_plan_promise *planned(const struct td_plan *dry, uint32_t job)
{
    const struct td_plan_promise *best = NULL;
    for (uint32_t i = 0; i < dry->promises.n; i++) {
        const struct td_plan_promise *m = &dry->promises.v[i];
        if (m->job == job && m->at_ms != TD_FOREVER && (!best || m->at_ms < best->at_ms))
            best = m;
    }
    return best;
}

void core_explain_others(struct td_core *c, const struct core_job *j, const struct td_plan *dry, uint32_t uid,
                         struct td_explain_info *ret)
{
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    const struct td_plan_promise *m = planned(dry, j->id);
    bool *nodes = td_arena_alloc(&c->wake, c->nodes.n + 1);
    struct holders h = {.c = c, .for_job = j, .uid = uid, .by_ms = m ? m->at_ms : TD_FOREVER, .nodes = nodes};
    before(c, j, dry, uid, ret);
    if (m) {
        ret->planned_ms = core_civil_ms(c, m->at_ms);
        ret->planned_nodes = core_promise_nodes(c, m);
    }
    for (uint32_t i = 0; m && i < m->nnodes; i++)
        nodes[m->nodes[i]] = true;
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        const struct core_partition *p = c->partitions.v[cand[i].partition];
        for (uint32_t k = 0; k < p->nodes.n; k++) {
            if (!m)
                nodes[p->nodes.v[k]] = true;
            if (nodes[p->nodes.v[k]] && (!m || cand[i].shape == m->shape))
                look_at_node(&h, c->nodes.v[p->nodes.v[k]], cand[i].shape);
        }
    }
    name_holders(&h, ret);
    td_map_release(&h.index);
    td_vec_release(&h.v);
}
