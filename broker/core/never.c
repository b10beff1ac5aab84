/* never.c - a request that no node could serve even when empty, in words
 *
 * Owns: the sentence. Whether it is so has the ledger said; here the nodes of each partition that was tried are looked
 * through for what of the request is beyond all of them, and for the most that any of them has. */
#include <string.h>

#include "broker/core/ledger_priv.h"
#include "broker/core/state.h"

#define KINDS_MAX (3 * TD_MAX_GRES_KINDS)

struct kind {
    const char *name, *type;
    uint64_t want, most;
};

/* What one node must have, and the most that one has. */
struct look {
    uint64_t cpus, mem, tmp, most_cpus, most_mem, most_tmp;
    struct kind kinds[KINDS_MAX];
    uint32_t nkinds, named, featured; /* nodes among those asked for; of them with the features */
};

static void want_kind(struct look *l, const struct td_gres_need *g, uint64_t count)
{
    if (count == 0)
        return;
    for (uint32_t i = 0; i < l->nkinds; i++) {
        if (!td_str_equal(l->kinds[i].name, g->name) || !td_str_equal(l->kinds[i].type, g->type))
            continue;
        l->kinds[i].want += count;
        return;
    }
    l->kinds[l->nkinds++] = (struct kind){.name = g->name, .type = g->type, .want = count};
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t r;
    return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

/* The least that a node must have to be of use. */
static void want(const struct td_shape *s, struct look *l)
{
    bool several = s->nodes_max > 1, shared = td_shape_shared(s) > 0;
    uint64_t gpus = 0, tasks = shared    ? td_shape_share_tasks(s, 1)
                              : several ? TD_MAX(s->tasks_min, 1u)
                                        : TD_MAX(s->tasks_max, 1u);
    for (uint32_t i = 0; i < s->gres.n; i++)
        want_kind(l, &s->gres.v[i], s->gres.v[i].count);
    for (uint32_t i = 0; i < s->gres_task.n; i++)
        want_kind(l, &s->gres_task.v[i], times(s->gres_task.v[i].count, tasks));
    for (uint32_t i = 0; i < s->gres_job.n; i++)
        want_kind(l, &s->gres_job.v[i], shared ? 1 : s->gres_job.v[i].count);
    for (uint32_t i = 0; i < l->nkinds; i++)
        gpus += td_str_equal(l->kinds[i].name, "gpu") ? l->kinds[i].want : 0;
    l->cpus = TD_MAX(tasks * TD_MAX(s->cpus_per_task, 1u), times(gpus, s->cpus_per_gpu));
    l->mem = s->mem_mb + times(s->mem_mb_per_cpu, l->cpus) + times(s->mem_mb_per_gpu, gpus);
    l->tmp = s->tmp_mb;
}

static void look_at(const struct td_inventory *inv, struct look *l)
{
    l->most_cpus = TD_MAX(l->most_cpus, (uint64_t)td_bits_count(inv->cpus.v, inv->cpus.n));
    l->most_mem = TD_MAX(l->most_mem, inv->memory_mb);
    l->most_tmp = TD_MAX(l->most_tmp, inv->tmp_mb);
    for (uint32_t k = 0; k < l->nkinds; k++) {
        uint64_t here = 0;
        for (uint32_t i = 0; i < inv->gres.n; i++) {
            const struct td_gres_stock *g = &inv->gres.v[i];
            if (td_str_equal(g->name, l->kinds[k].name) &&
                (td_str_empty(l->kinds[k].type) || td_str_equal(g->type, l->kinds[k].type)))
                here += g->count;
        }
        l->kinds[k].most = TD_MAX(l->kinds[k].most, here);
    }
}

static void look_through(const struct td_core *c, const struct core_partition *p, const struct td_shape *s,
                         struct look *l)
{
    struct td_arena a = {0};
    for (uint32_t i = 0; i < p->nodes.n; i++) {
        const struct core_node *n = c->nodes.v[p->nodes.v[i]];
        if (core_node_is_gone(n) || (!td_str_empty(s->req_nodes) && !td_hostlist_match(s->req_nodes, n->name)) ||
            (!td_str_empty(s->exc_nodes) && td_hostlist_match(s->exc_nodes, n->name)))
            continue;
        l->named++;
        const struct td_inventory *inv = core_node_inventory(n, &a);
        if (features_match(s->features, inv->features)) {
            l->featured++;
            look_at(inv, l);
        }
        td_arena_reset(&a);
    }
    td_arena_release(&a);
}

static void put_amount(struct td_buf *b, bool *any, uint64_t want, const char *of, uint64_t most, bool all)
{
    if (want == 0 || (!all && want <= most))
        return;
    td_buf_putf(b, "%s%llu %s", *any ? ", " : "", (unsigned long long)want, of);
    if (!all)
        td_buf_putf(b, " (the most is %llu)", (unsigned long long)most);
    *any = true;
}

/* all: everything that is wanted of one node; else what is beyond every node. */
static bool put_amounts(struct td_buf *b, const struct look *l, bool all, struct td_arena *a)
{
    bool any = false;
    put_amount(b, &any, l->cpus, l->cpus == 1 ? "CPU" : "CPUs", l->most_cpus, all);
    put_amount(b, &any, l->mem, "MB of memory", l->most_mem, all);
    put_amount(b, &any, l->tmp, "MB of temporary disk", l->most_tmp, all);
    for (uint32_t i = 0; i < l->nkinds; i++) {
        const struct kind *k = &l->kinds[i];
        const char *type = td_str_empty(k->type) ? "" : k->type;
        put_amount(b, &any, k->want, core_text(a, "gres/%s%s%s", k->name, *type ? ":" : "", type), k->most, all);
    }
    return any;
}

static void put_together(struct td_core *c, const struct core_partition *p, const struct td_shape *s, struct td_buf *b)
{
    uint32_t nodes = 0, shape = td_ledger_shape(c->ledger, s, p->no);
    uint64_t most = td_ledger_together(c->ledger, shape, &nodes);
    bool shared = td_shape_shared(s) > 0;
    td_ledger_drop_shape(c->ledger, shape);
    if (nodes < s->nodes_min) {
        td_buf_putf(b, "%u nodes are wanted, and %u could take a part", s->nodes_min, nodes);
        return;
    }
    td_buf_putf(b, "%llu %s are wanted, and ", (unsigned long long)(shared ? td_shape_shared(s) : s->ntasks),
                shared ? core_text(&c->wake, "gres/%s", s->gres_job.v[0].name) : "tasks");
    if (s->nodes_max < nodes)
        td_buf_putf(b, "%u nodes hold at most %llu", s->nodes_max, (unsigned long long)most);
    else
        td_buf_putf(b, "all %u nodes that could take a part hold %llu", nodes, (unsigned long long)most);
}

static void put_partition(struct td_core *c, const struct core_partition *p, const struct td_job_need *need,
                          struct td_buf *b)
{
    struct td_shape s;
    struct look l = {0};
    core_need_shape(c, need, p, &c->wake, &s);
    want(&s, &l);
    look_through(c, p, &s, &l);
    td_buf_putf(b, "%spartition %s: ", b->len ? "; " : "", p->name);
    size_t before = b->len;
    if (l.named == 0) {
        td_buf_puts(b, p->nodes.n ? "none of its nodes may be used (--nodelist, --exclude)" : "it has no nodes");
        return;
    }
    if (l.featured == 0) {
        td_buf_putf(b, "no node has the features %s", s.features);
        return;
    }
    const char *who = l.named < p->nodes.n       ? "none of the nodes it may use has "
                      : l.featured < p->nodes.n ? "no node with its features has "
                                                 : "no node has ";
    td_buf_puts(b, who);
    if (put_amounts(b, &l, false, &c->wake))
        return;
    b->len = before;
    if (s.nodes_max > 1) {
        put_together(c, p, &s, b);
        return;
    }
    td_buf_putf(b, "%sall of it together: ", who);
    put_amounts(b, &l, true, &c->wake);
}

static bool node_has(const struct td_core *c, bool (*has)(const struct td_inventory *, const char *), const char *what)
{
    struct td_arena a = {0};
    bool yes = false;
    for (uint32_t i = 0; i < c->nodes.n && !yes; i++) {
        yes = has(core_node_inventory(c->nodes.v[i], &a), what);
        td_arena_reset(&a);
    }
    td_arena_release(&a);
    return yes;
}

static bool has_gres(const struct td_inventory *inv, const char *name)
{
    for (uint32_t k = 0; k < inv->gres.n; k++) {
        if (td_str_equal(inv->gres.v[k].name, name))
            return true;
    }
    return false;
}

static bool has_features(const struct td_inventory *inv, const char *features)
{
    return features_match(features, inv->features);
}

static const char *unknown_gres(const struct td_core *c, const struct td_gres_need_list *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->v[i].count && !node_has(c, has_gres, l->v[i].name))
            return l->v[i].name;
    }
    return NULL;
}

int core_never(struct td_core *c, const struct td_job_need *need, struct core_partition *const *tried,
               uint32_t ntried, uint32_t refusal, struct td_error *err)
{
    const char *gres = unknown_gres(c, &need->gres);
    if (!gres)
        gres = unknown_gres(c, &need->gres_task);
    if (!gres)
        gres = unknown_gres(c, &need->gres_job);
    if (gres)
        return td_fail(err, TD_E_INVALID_GRES, "%s: no node has %s", td_error_words(TD_E_INVALID_GRES), gres);
    if (refusal == TD_REFUSAL_FEATURE && !node_has(c, has_features, need->features))
        return td_fail(err, TD_E_INVALID_FEATURE, "%s: %s", td_error_words(TD_E_INVALID_FEATURE), need->features);
    struct td_buf b = {0};
    for (uint32_t i = 0; i < ntried; i++)
        put_partition(c, tried[i], need, &b);
    td_fail(err, TD_E_NODE_CONFIG, "%s: %s", td_error_words(TD_E_NODE_CONFIG), td_buf_str(&b));
    td_buf_release(&b);
    return -TD_E_NODE_CONFIG;
}
