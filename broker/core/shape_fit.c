/* shape_fit.c - does a shape fit into what is free, by counts
 *
 * Pure arithmetic on amounts; the hot part of the planner. Whether the free CPUs and devices also lie well together is
 * the workers' business (bids), and so is a mixture of core sizes. */
#include "ledger_priv.h"

static uint32_t part_tasks(const struct shape *s, uint32_t part)
{
    return s->shared ? td_shape_share_tasks(&s->is, part) : part;
}

static uint64_t want_count(const struct shape *s, const struct want *w, uint32_t part)
{
    return amount_plus(w->node, amount_plus(amount_times(w->task, part_tasks(s, part)), amount_times(w->share, part)));
}

struct need shape_need(const struct shape *s, const struct node *n, uint32_t part)
{
    const struct td_shape *is = &s->is;
    uint32_t tasks = part_tasks(s, part);
    uint64_t gpus = amount_plus(s->gpus_node, amount_plus(amount_times(s->gpus_task, tasks), amount_times(s->gpus_share, part)));
    uint64_t cpus = TD_MAX((uint64_t)s->cpus_per_task * tasks, amount_times(gpus, is->cpus_per_gpu));

    cpus = TD_MIN(cpus, (uint64_t)UINT32_MAX * n->unit); /* more than any node has, and room to round up */
    cpus = (cpus + n->unit - 1) / n->unit * n->unit;
    if (is->exclusive)
        cpus = TD_MAX(cpus, (uint64_t)n->total.cpus);
    uint64_t mem = is->mem_all ? n->total.mem : amount_plus(is->mem_mb, amount_plus(amount_times(is->mem_mb_per_cpu, cpus), amount_times(is->mem_mb_per_gpu, gpus)));
    /* Where memory is not consumed a job may still not ask for more than the node has; workers say so too. */
    if (!n->memory_counts)
        mem = !is->mem_all && mem > n->total.mem ? UINT64_MAX : 0;
    return (struct need){.cpus = (uint32_t)TD_MIN(cpus, (uint64_t)UINT32_MAX),
                         .tasks = tasks,
                         .mem = mem,
                         .tmp = is->tmp_mb};
}

/* Instances for which the devices suffice: each model for those who want it, all models together for everybody. */
static uint64_t fit_gres(const struct shape *s, const struct node *n, const struct amount *a, uint32_t part, uint64_t k)
{
    for (uint32_t i = 0; i < s->nwants && k; i++) {
        const struct want *w = &s->wants[i];
        uint64_t have = 0, want = want_count(s, w, part);

        if (!w->type)
            for (uint32_t o = 0; o < i; o++)
                if (s->wants[o].name == w->name)
                    want = amount_plus(want, want_count(s, &s->wants[o], part));
        for (uint32_t g = 0; g < n->nstocks; g++)
            if (n->stocks[g].name == w->name && (!w->type || n->stocks[g].type == w->type))
                have += a->gres[g];
        if (want && have < amount_times(want, k))
            k = have / want;
    }
    return k;
}

uint32_t shape_fit(const struct shape *s, const struct node *n, const struct amount *a, uint32_t part, uint32_t max)
{
    struct need d = shape_need(s, n, part);
    uint64_t k = max;

    if (d.cpus == 0 || a->cpus < d.cpus || a->mem < d.mem || a->tmp < d.tmp)
        return 0;
    if (k > 1) {
        k = TD_MIN(k, a->cpus / d.cpus);
        if (d.mem)
            k = TD_MIN(k, a->mem / d.mem);
        if (d.tmp)
            k = TD_MIN(k, a->tmp / d.tmp);
    }
    return (uint32_t)(s->nwants ? fit_gres(s, n, a, part, k) : k);
}

uint32_t shape_fit_part(const struct shape *s, const struct node *n, const struct amount *a)
{
    uint32_t low = s->part_min, high = s->part_max;

    if (!shape_fit(s, n, a, low, 1))
        return 0;
    if (!s->shared)
        high = TD_MIN(high, TD_MAX(low, a->cpus / s->cpus_per_task));
    if (shape_fit(s, n, a, high, 1))
        return high;
    while (high - low > 1) { /* fits at low, not at high */
        uint32_t mid = low + (high - low) / 2;

        if (shape_fit(s, n, a, mid, 1))
            low = mid;
        else
            high = mid;
    }
    return low;
}

void shape_amount(const struct shape *s, const struct node *n, const struct amount *from, uint32_t part,
                  uint32_t count, struct amount *ret)
{
    struct need d = shape_need(s, n, part);

    *ret = (struct amount){.cpus = d.cpus * count, .mem = d.mem * count, .tmp = d.tmp * count};
    for (uint32_t i = 0; i < s->nwants; i++) {
        const struct want *w = &s->wants[i];
        uint64_t left = want_count(s, w, part) * count;

        for (uint32_t g = 0; g < n->nstocks && left; g++) {
            if (n->stocks[g].name != w->name || (w->type && n->stocks[g].type != w->type))
                continue;
            uint64_t here = TD_MIN(left, from->gres[g] - ret->gres[g]);
            ret->gres[g] += here;
            left -= here;
        }
        TD_ASSERT(left == 0);
    }
}
