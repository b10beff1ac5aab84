/* priority.c - what a waiting job's priority is made of (PriorityType=priority/multifactor)
 *
 * A submission's is computed where it is decided and stands in its event; from then on each tick computes those of all
 * waiting jobs anew, as a part of what the tick does. A priority that somebody has set stays.
 * The arithmetic is broker/fair's; this gathers its numbers. */
#include <string.h>

#include "broker/core/state.h"
#include "broker/fair/fair.h"

/* What the factors are shares of; gathered once for many jobs. */
struct scale {
    uint32_t assoc_most, partition_most, qos_most, users, nkinds;
    uint64_t nodes, cpus;
    uint64_t weights[TD_MAX_TRES];
    uint32_t kinds[TD_MAX_TRES]; /* indices of kinds with a weight */
    const uint64_t *avail;       /* [partition * nkinds + kind] */
};

/* --- fair-share
 * ------------------------------------------------------------------------------------------------------------- */

struct flat {
    TD_VEC(const struct core_assoc *) of;
    TD_VEC(struct td_fair_node) nodes;
    uint32_t at[TD_MAX_ACCOUNT_DEPTH + 2]; /* where the account of each depth stands that was met last */
};

static bool flatten(void *ctx, const struct core_assoc *s)
{
    struct flat *f = ctx;
    const struct td_assoc_conf *conf = &s->is->conf;
    uint32_t depth = core_assoc_depth(s);
    struct td_fair_node node = {
        .parent = depth ? f->at[depth - 1] : 0,
        .is_user = core_assoc_is_user(s),
        .parents_share = conf->shares == TD_INFINITE,
        .shares = conf->shares == TD_INFINITE ? 0
                  : conf->shares              ? conf->shares - 1
                                              : 1,
        .usage = s->nused > ACCT_TRES_BILLING ? s->used[ACCT_TRES_BILLING] : 0,
    };
    f->at[depth] = f->of.n;
    td_vec_push(&f->of, s);
    td_vec_push(&f->nodes, node);
    return true;
}

/* In the order of a walk from the root. */
const struct td_fair_level *core_fair_levels(const struct core_acct *a, struct td_arena *arena, uint32_t *ret_users)
{
    struct flat f = {0};
    core_assoc_walk(a->root, flatten, &f);
    struct td_fair_level *level = td_arena_alloc(arena, f.nodes.n * sizeof(*level));
    *ret_users = td_fair_tree(f.nodes.v, f.nodes.n, level);
    td_vec_release(&f.of);
    td_vec_release(&f.nodes);
    return level;
}

struct keep {
    const struct td_fair_level *level;
    uint32_t n, most;
};

static bool keep_level(void *ctx, const struct core_assoc *s)
{
    struct keep *k = ctx;
    ((struct core_assoc *)(uintptr_t)s)->level = k->level[k->n++];
    k->most = TD_MAX(k->most, s->is->conf.priority);
    return true;
}

void core_fair_rank(struct core_acct *a)
{
    struct td_arena arena = {0};
    a->users_ranked = a->assoc_most = a->qos_most = 0;
    a->fair_stale = false;
    for (uint32_t i = 0; i < a->qos.n; i++)
        a->qos_most = TD_MAX(a->qos_most, a->qos.v[i]->is->conf.priority);
    if (!a->root)
        return;
    struct keep k = {.level = core_fair_levels(a, &arena, &a->users_ranked)};
    core_assoc_walk(a->root, keep_level, &k);
    a->assoc_most = k.most;
    td_arena_release(&arena);
}

/* --- scale
 * ------------------------------------------------------------------------------------------------------------------- */

static uint64_t has(const struct core_node *n, uint32_t kind, const char *name)
{
    const struct td_node_conf *conf = n->conf;
    uint64_t sum = 0;
    if (kind == ACCT_TRES_NODE)
        return 1;
    if (!n->inv && conf && kind == ACCT_TRES_CPU) /* one that has not come yet counts as it is configured */
        return conf->cpus ? conf->cpus
                          : (uint64_t)TD_MAX(conf->sockets, 1u) * TD_MAX(conf->cores_per_socket, 1u) *
                                TD_MAX(conf->threads_per_core, 1u);
    if (!n->inv)
        return conf && kind == ACCT_TRES_MEM ? conf->memory_mb : 0;
    if (kind == ACCT_TRES_MEM)
        return n->inv->memory_mb;
    if (kind == ACCT_TRES_CPU)
        return td_bits_count(n->inv->cpus.v, n->inv->cpus.n);
    for (uint32_t i = 0; td_str_prefix(name, "gres/") && i < n->inv->gres.n; i++)
        if (td_str_equal(n->inv->gres.v[i].name, name + 5))
            sum += n->inv->gres.v[i].count;
    return sum;
}

static void gather_kinds(struct td_core *c, struct scale *s, struct td_arena *a)
{
    const struct td_tres_weight_list *w = &c->settings.priority.weight_tres;
    for (uint32_t i = 0; i < w->n; i++) {
        uint32_t at;
        if (!core_tres_index(&c->acct, w->v[i].name, &at))
            continue;
        s->kinds[s->nkinds] = at;
        s->weights[s->nkinds++] = w->v[i].weight;
    }
    uint64_t *avail = td_arena_alloc(a, ((size_t)c->partitions.n * s->nkinds + 1) * sizeof(*avail));
    for (uint32_t p = 0; s->nkinds && p < c->partitions.n; p++)
        for (uint32_t i = 0; i < c->partitions.v[p]->nodes.n; i++)
            for (uint32_t k = 0; k < s->nkinds; k++)
                avail[p * s->nkinds + k] +=
                    has(c->nodes.v[c->partitions.v[p]->nodes.v[i]], s->kinds[k], c->acct.tres.v[s->kinds[k]]->name);
    s->avail = avail;
}

static void scale_make(struct td_core *c, struct scale *s, struct td_arena *a)
{
    *s = (struct scale){0};
    if (c->acct.fair_stale)
        core_fair_rank(&c->acct);
    s->users = c->acct.users_ranked;
    s->assoc_most = c->acct.assoc_most;
    s->qos_most = c->acct.qos_most;
    for (uint32_t i = 0; i < c->partitions.n; i++)
        if (!c->partitions.v[i]->gone)
            s->partition_most = TD_MAX(s->partition_most, c->partitions.v[i]->conf.priority_factor);
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        if (core_node_is_gone(c->nodes.v[i]))
            continue;
        s->nodes++;
        s->cpus += has(c->nodes.v[i], ACCT_TRES_CPU, NULL);
    }
    gather_kinds(c, s, a);
}

/* --- one job
 * ------------------------------------------------------------------------------------------------------------------- */

static uint64_t wants(const struct td_job_need *need, const struct core_tally *t, uint32_t kind, const char *name)
{
    uint64_t sum = 0;
    if (kind == ACCT_TRES_CPU)
        return t->cpus;
    if (kind == ACCT_TRES_NODE)
        return t->nodes_min;
    if (kind == ACCT_TRES_MEM)
        return need->mem_mb_per_node ? need->mem_mb_per_node * t->nodes_min : need->mem_mb_per_cpu * t->cpus;
    for (uint32_t i = 0; td_str_prefix(name, "gres/") && i < need->gres.n; i++)
        if (td_str_equal(need->gres.v[i].name, name + 5))
            sum += need->gres.v[i].count * t->nodes_min;
    for (uint32_t i = 0; td_str_prefix(name, "gres/") && i < need->gres_job.n; i++)
        if (td_str_equal(need->gres_job.v[i].name, name + 5))
            sum += need->gres_job.v[i].count;
    return sum;
}

struct asked { /* of a job, waiting or about to be */
    const struct td_job_spec *spec;
    uint32_t assoc, partition, limit_s;
    int64_t waited_ms, site;
};

static void compute(struct td_core *c, const struct scale *s, const struct asked *x, struct td_priority *ret)
{
    const struct td_priority_conf *p = &c->settings.priority;
    const struct core_assoc *assoc = x->assoc ? core_assoc_by_id(&c->acct, x->assoc) : NULL;
    const struct core_qos *qos = core_qos_find(&c->acct, x->spec->qos);
    const struct td_job_need *need = &x->spec->needs.v[0];
    struct td_assoc_conf conf = {0};
    struct core_tally t;
    struct td_ratio kinds[TD_MAX_TRES];
    core_need_tally(need, &t);
    if (assoc)
        core_assoc_effective(assoc, &conf);
    for (uint32_t i = 0; i < s->nkinds; i++)
        kinds[i] = (struct td_ratio){wants(need, &t, s->kinds[i], c->acct.tres.v[s->kinds[i]]->name),
                                     s->avail[x->partition * s->nkinds + i]};
    const struct td_priority_weights w = {p->weight_age,       p->weight_assoc, p->weight_fair, p->weight_size,
                                          p->weight_partition, p->weight_qos,   s->weights,     s->nkinds};
    const struct td_priority_job j = {
        .age = {(uint64_t)TD_MAX(x->waited_ms, (int64_t)0), (uint64_t)p->max_age_s * 1000},
        .assoc = {conf.priority ? conf.priority - 1 : 0, s->assoc_most ? s->assoc_most - 1 : 0},
        .partition = {c->partitions.v[x->partition]->conf.priority_factor, s->partition_most},
        .qos = {qos ? qos->is->conf.priority : 0, s->qos_most},
        .fair = {assoc ? assoc->level.rank : 0, s->users},
        .nodes = {t.nodes_min, s->nodes},
        .cpus = {t.cpus, s->cpus},
        .limit_m = x->limit_s == TD_INFINITE ? UINT32_MAX : (x->limit_s + 59) / 60,
        .favor_small = p->favor_small,
        .relative_to_time = p->flags & TD_PRIORITY_SMALL_RELATIVE_TO_TIME,
        .kinds = kinds,
        .site = x->site,
        .nice = x->spec->nice,
    };
    td_priority_compute(&w, &j, ret);
}

static bool ages(const struct td_core *c, const struct core_job *j)
{
    return !j->held && !j->deps && (c->settings.priority.flags & TD_PRIORITY_ACCRUE_ALWAYS || j->eligible_ms <= c->time_ms);
}

static void compute_job(struct td_core *c, const struct scale *s, struct core_job *j, struct td_priority *ret)
{
    int64_t since = c->settings.priority.flags & TD_PRIORITY_ACCRUE_ALWAYS ? j->submit_ms : j->eligible_ms;
    const struct asked x = {
        &j->spec->body, j->assoc, core_job_candidates(j)[0].partition, j->limit_s, ages(c, j) ? c->time_ms - since : 0,
        j->site};
    compute(c, s, &x, ret);
}

uint64_t core_priority_first(struct td_core *c, const struct td_job_spec *spec, uint32_t assoc, const char *partition,
                             uint32_t limit_s)
{
    struct td_arena a = {0};
    struct td_priority p;
    struct scale s;
    size_t n = strcspn(partition, ",");
    char *name = td_arena_alloc(&a, n + 1);
    memcpy(name, partition, n);
    const struct core_partition *of = core_partition_find(c, name);
    scale_make(c, &s, &a);
    const struct asked x = {spec, assoc, of ? of->no : 0, limit_s, 0, 0};
    compute(c, &s, &x, &p);
    td_arena_release(&a);
    return p.sum;
}

void core_priorities_renew(struct td_core *c)
{
    struct td_arena a = {0};
    struct scale s;
    c->acct.fair_stale = true;
    if (!core_is_multifactor(c))
        return;
    scale_make(c, &s, &a);
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        struct core_job *j = c->jobs.v[i];
        struct td_priority p;
        if (j->state != TD_JOB_PENDING || j->given || !j->ncandidates)
            continue;
        compute_job(c, &s, j, &p);
        if (p.sum == j->priority)
            continue;
        j->priority = p.sum;
        if (j->queued)
            core_job_enqueue(c, j);
    }
    td_arena_release(&a);
}

static void row_of(struct td_core *c, const struct scale *s, struct core_job *j, struct td_tres_count *kinds,
                   struct td_job_priority *ret)
{
    struct td_priority p;
    compute_job(c, s, j, &p);
    for (uint32_t i = 0; i < s->nkinds; i++)
        kinds[i] = (struct td_tres_count){c->acct.tres.v[s->kinds[i]]->name, p.kinds[i]};
    *ret = (struct td_job_priority){
        .job = j->id,
        .array_job = j->array ? j->array->id : 0,
        .array_task = j->array ? j->task : 0,
        .partition = c->partitions.v[core_job_candidates(j)[0].partition]->name,
        .uid = j->uid,
        .user = j->spec->body.user_name,
        .account = j->spec->body.account,
        .qos = j->spec->body.qos,
        .priority = j->held ? 0 : j->priority,
        .site = j->site,
        .nice = j->spec->body.nice,
        .age_factor = p.age_factor,
        .assoc_factor = p.assoc_factor,
        .fair_factor = p.fair_factor,
        .size_factor = p.size_factor,
        .partition_factor = p.partition_factor,
        .qos_factor = p.qos_factor,
        .age = p.age,
        .assoc = p.assoc,
        .fair = p.fair,
        .size = p.size,
        .partition_part = p.partition,
        .qos_part = p.qos,
        .tres = {kinds, s->nkinds},
        .fixed = j->given != CORE_GIVEN_NOT,
    };
}

void td_core_priorities(struct td_core *c, uint32_t asker_uid, td_priority_visit_fn *visit, void *ctx)
{
    struct td_arena a = {0};
    struct scale s;
    bool more = core_is_multifactor(c);
    scale_make(c, &s, &a);
    for (uint32_t i = 0; more && i < c->jobs.n; i++) {
        struct core_job *j = c->jobs.v[i];
        struct td_tres_count kinds[TD_MAX_TRES];
        struct td_job_priority row;
        if (j->state != TD_JOB_PENDING || !j->ncandidates || !td_core_sees_job_of(c, j->uid, asker_uid))
            continue;
        row_of(c, &s, j, kinds, &row);
        more = visit(ctx, &row);
    }
    td_arena_release(&a);
}
