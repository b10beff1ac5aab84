/* gpus.c - devices counted for the whole job (--gpus): what follows from them for nodes and tasks
 *
 * Slurm's counting. With devices of each task the tasks follow, with devices of each node the nodes; where both are said
 * they must agree. Alone, they go onto one node if any could hold them, else onto the fewest that together can. */
#include <string.h>

#include "broker/core/state.h"

static int disagree(struct td_error *err, const char *with, uint64_t each, uint64_t all, const char *what)
{
    return td_fail(err, TD_E_INVALID_GRES, "%s: --gpus=%llu and %s=%llu do not agree%s",
                   td_error_words(TD_E_INVALID_GRES), (unsigned long long)all, with, (unsigned long long)each, what);
}

static const struct td_gres_need *find(const struct td_gres_need_list *l, const struct td_gres_need *g)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->v[i].count && core_need_same_device(&l->v[i], g))
            return &l->v[i];
    }
    return NULL;
}

static int tasks_follow(struct td_job_need *need, uint64_t all, uint64_t each, struct td_error *err)
{
    if (all % each)
        return disagree(err, "--gpus-per-task", each, all, "");
    if (need->ntasks && need->ntasks != all / each)
        return disagree(err, "--gpus-per-task", each, all, " with --ntasks");
    if (all / each > UINT32_MAX)
        return disagree(err, "--gpus-per-task", each, all, "");
    need->ntasks = (uint32_t)(all / each);
    return 0;
}

static int nodes_follow(struct td_job_need *need, uint64_t all, uint64_t each, struct td_error *err)
{
    uint64_t nodes = all / each, most = need->nodes_max ? need->nodes_max : need->nodes_min;
    if (all % each || nodes > TD_MAX_NODES_PER_JOB)
        return disagree(err, "--gpus-per-node", each, all, "");
    if (need->nodes_min > nodes || (most && nodes > most))
        return disagree(err, "--gpus-per-node", each, all, " with --nodes");
    need->nodes_min = need->nodes_max = (uint32_t)nodes;
    return 0;
}

int core_gpus_settle(struct td_job_need *need, struct td_error *err)
{
    if (need->gres_job.n == 0 || need->gres_job.v[0].count == 0)
        return 0;
    const struct td_gres_need *g = &need->gres_job.v[0];
    const struct td_gres_need *task = find(&need->gres_task, g), *node = find(&need->gres, g);
    bool several = need->nodes_min > 1 || need->nodes_max != 1;
    int r = 0;
    if (need->gres_job.n > 1) {
        struct core_tally t;
        core_need_tally(need, &t);
        if (t.nodes_max > 1)
            return td_fail(err, TD_E_NOT_SUPPORTED,
                           "--gpus (-G) of several models over several nodes is not supported yet: use --gpus-per-node");
        return 0;
    }
    if (task && several)
        r = tasks_follow(need, g->count, task->count, err);
    if (r == 0 && node && several)
        r = nodes_follow(need, g->count, node->count, err);
    if (r == 0 && need->nodes_min > g->count)
        r = td_fail(err, TD_E_INVALID_GRES, "%s: %llu for %u nodes (--gpus is less than --nodes)",
                    td_error_words(TD_E_INVALID_GRES), (unsigned long long)g->count, need->nodes_min);
    return r;
}

static uint64_t count_on(const struct core_node *n, const struct td_gres_need *g, struct td_arena *a)
{
    const struct td_inventory *inv = core_node_inventory(n, a);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < inv->gres.n; i++) {
        const struct td_gres_stock *s = &inv->gres.v[i];
        if (td_str_equal(s->name, g->name) && (td_str_empty(g->type) || td_str_equal(s->type, g->type)))
            sum += s->count;
    }
    return sum;
}

/* Fewest nodes of the partition that hold so many; all that have any where even they do not suffice. */
static uint32_t fewest(const struct td_core *c, const struct core_partition *p, const struct td_gres_need *g)
{
    struct td_arena a = {0};
    uint32_t *counts = td_alloc((p->nodes.n + 1) * sizeof(*counts)), n = 0, used = 0;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->nodes.n; i++) {
        uint64_t here = count_on(c->nodes.v[p->nodes.v[i]], g, &a);
        td_arena_reset(&a);
        if (here >= g->count) {
            n = 0;
            used = 1;
            break;
        }
        if (here)
            counts[n++] = (uint32_t)TD_MIN(here, (uint64_t)UINT32_MAX);
    }
    core_ids_sort(counts, n);
    for (; n > 0 && sum < g->count; n--, used++)
        sum += counts[n - 1];
    td_free(counts);
    td_arena_release(&a);
    return used;
}

/* Alone and too many for any one node: onto the fewest that can, as Slurm does. */
void core_gpus_spread(struct td_core *c, const char *partitions, struct td_job_need *need)
{
    bool fixed = need->nodes_max && need->nodes_max <= TD_MAX(need->nodes_min, 1u);
    if (need->gres_job.n != 1 || need->ntasks || fixed || (need->nodes_min && !need->nodes_max))
        return;
    const struct core_partition *only = core_partition_default(c);
    char *list = td_arena_strdup(&c->wake, td_str_empty(partitions) ? (only ? only->name : "") : partitions);
    uint32_t best = 0;
    for (char *s = list; s;) {
        char *comma = strchr(s, ',');
        if (comma)
            *comma = '\0';
        const struct core_partition *p = core_partition_find(c, s);
        uint32_t n = p ? fewest(c, p, &need->gres_job.v[0]) : 0;
        best = n && (best == 0 || n < best) ? n : best;
        s = comma ? comma + 1 : NULL;
    }
    if (best <= TD_MAX(need->nodes_min, 1u) || best > TD_MAX_NODES_PER_JOB || (need->nodes_max && best > need->nodes_max))
        return;
    need->nodes_min = need->nodes_max = best;
}
