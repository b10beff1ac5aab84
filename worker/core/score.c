/* score.c - numbers from choices
 *
 *   score = (fit * FIT_WEIGHT + frag * FRAG_WEIGHT + health * HEALTH_WEIGHT + warmth * WARMTH_WEIGHT) / sum of weights
 *
 * fit (0..1000): how few domains the CPUs lie in, against the fewest they could; with devices also how few islands
 *   those lie in, and which share of the CPUs is close to them: the three in equal parts.
 * frag (0..1000): 1000 minus what the bid breaks. Broken: what stays free of a domain, or of an island, that was wholly
 *   free before and is not any more. A node whose devices would all be left idle by work that asks for none counts
 *   as broken by the share of its devices that is free, so that CPU work goes to nodes without. Islands weigh
 *   ISLES_WEIGHT times as much as domains.
 * health: the node's own checks. warmth: data already there; nothing is known of that yet, so it is 0 and weighs 0. */
#include "worker/core/pool.h"

#define FIT_WEIGHT 40
#define FRAG_WEIGHT 40
#define HEALTH_WEIGHT 20
#define WARMTH_WEIGHT 0
#define ISLES_WEIGHT 3
#define SCORE_MAX 1000u

uint32_t td_score_sum(uint32_t fit, uint32_t frag, uint32_t health, uint32_t warmth)
{
    return (fit * FIT_WEIGHT + frag * FRAG_WEIGHT + health * HEALTH_WEIGHT + warmth * WARMTH_WEIGHT) /
           (FIT_WEIGHT + FRAG_WEIGHT + HEALTH_WEIGHT + WARMTH_WEIGHT);
}

static uint32_t share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? SCORE_MAX : (uint32_t)TD_MIN(part * SCORE_MAX / whole, (uint64_t)SCORE_MAX);
}

uint32_t td_score_fit(const struct td_choice *c)
{
    uint32_t cpus = share(c->domains_min, c->domains);

    if (c->devices == 0)
        return cpus;
    return (cpus + share(c->isles_min, c->isles) + share(c->near_cpus, c->cpus)) / 3;
}

static uint32_t broken_cpus(const struct td_node *n, const struct td_pool *before, const struct td_pool *after)
{
    uint32_t broken = 0;

    for (uint32_t d = 0; d < n->ndomains; d++)
        if (before->domains[d].cpus == n->domains[d].cpus && after->domains[d].cpus != before->domains[d].cpus)
            broken += after->domains[d].cpus;
    return broken;
}

static bool device_is_free(const struct td_pool *p, const struct td_dev *d)
{
    return td_bits_get(p->stocks[d->stock].devices, TD_DEVICE_BITS_BYTES, d->index);
}

static uint32_t isle_free(const struct td_node *n, const struct td_pool *p, uint32_t isle)
{
    uint32_t free = 0;

    for (uint32_t i = 0; i < n->ndevs; i++)
        free += n->devs[i].isle == isle && device_is_free(p, &n->devs[i]);
    return free;
}

static uint32_t broken_devices(const struct td_node *n, const struct td_pool *before, const struct td_pool *after)
{
    uint32_t broken = 0, free_before = 0, free_after = 0;

    for (uint32_t isle = 0; isle < n->nisles; isle++) {
        uint32_t was = isle_free(n, before, isle), is = isle_free(n, after, isle);
        if (was == n->isles[isle].size && is != was)
            broken += is;
        free_before += was;
        free_after += is;
    }
    return free_before == free_after ? free_after : broken;
}

uint32_t td_score_frag(const struct td_node *n, const struct td_pool *before, const struct td_pool *after)
{
    uint32_t cpus = SCORE_MAX - (n->ncpus ? share(broken_cpus(n, before, after), n->ncpus) : 0);
    uint32_t devices = SCORE_MAX - (n->ndevs ? share(broken_devices(n, before, after), n->ndevs) : 0);

    return (cpus + ISLES_WEIGHT * devices) / (1 + ISLES_WEIGHT);
}
