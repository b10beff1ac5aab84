/* choose_devices.c - which devices
 *
 * Level by level (stock, island, package, domain) the group is taken that holds all that is wanted and whose close CPUs
 * suffice too, and among those the tightest: partly used islands are completed before whole ones are broken. Where no
 * group suffices, the largest are taken whole, so that as few as possible are touched. */
#include "worker/core/pool.h"

#include <string.h>

enum level { LEVEL_STOCK, LEVEL_ISLE, LEVEL_PACKAGE, LEVEL_DOMAIN, LEVEL_INDEX };

struct picker {
    const struct td_node *n;
    const struct td_pool *p;
    uint32_t want_cpus;
    uint32_t *picked; /* device numbers */
    uint32_t npicked;
};

struct group {
    uint32_t key, count;
    bool fed; /* enough CPUs are free close to it */
};

static uint32_t key_of(const struct td_node *n, uint32_t dev, enum level level)
{
    const struct td_dev *d = &n->devs[dev];

    switch (level) {
    case LEVEL_STOCK:
        return d->stock;
    case LEVEL_ISLE:
        return d->isle;
    case LEVEL_PACKAGE:
        return d->package;
    case LEVEL_DOMAIN:
        return d->domain;
    case LEVEL_INDEX:
        break;
    }
    return d->index;
}

/* Are `want_cpus` free close to the devices of the group? Devices with no place of their own are close to all. */
static bool group_is_fed(const struct picker *k, const uint32_t *devs, uint32_t ndevs, enum level level, uint32_t key)
{
    uint32_t free = 0;

    for (uint32_t i = 0; i < ndevs; i++)
        if (key_of(k->n, devs[i], level) == key && !k->n->devs[devs[i]].cpus)
            return true;
    for (uint32_t b = 0; b < k->n->nbytes && free < k->want_cpus; b++) {
        uint8_t near = 0;
        for (uint32_t i = 0; i < ndevs; i++)
            if (key_of(k->n, devs[i], level) == key)
                near |= k->n->devs[devs[i]].cpus[b];
        free += (uint32_t)__builtin_popcount((unsigned)(near & k->p->cpus[b]));
    }
    return free >= k->want_cpus;
}

static uint32_t make_groups(const struct picker *k, const uint32_t *devs, uint32_t ndevs, enum level level, struct group *groups)
{
    uint32_t ngroups = 0;

    for (uint32_t i = 0; i < ndevs; i++) {
        uint32_t key = key_of(k->n, devs[i], level), g = 0;
        while (g < ngroups && groups[g].key != key)
            g++;
        if (g == ngroups)
            groups[ngroups++] = (struct group){.key = key};
        groups[g].count++;
    }
    for (uint32_t g = 0; g < ngroups && ngroups > 1; g++)
        groups[g].fed = group_is_fed(k, devs, ndevs, level, groups[g].key);
    return ngroups;
}

static bool group_better(const struct group *a, const struct group *b, uint32_t want)
{
    bool a_holds = a->count >= want, b_holds = b->count >= want;

    if (a_holds != b_holds)
        return a_holds;
    if (a->fed != b->fed)
        return a->fed;
    if (a->count != b->count)
        return a_holds ? a->count < b->count : a->count > b->count;
    return a->key < b->key;
}

static void pick(struct picker *k, uint32_t *devs, uint32_t ndevs, uint32_t want, enum level level)
{
    struct group groups[TD_MAX_DEVICES_PER_NODE + 1];

    if (want == 0)
        return;
    if (level == LEVEL_INDEX || ndevs == want) {
        for (uint32_t i = 0; i < want; i++) /* devs are by index: the inventory's order is kept all along */
            k->picked[k->npicked++] = devs[i];
        return;
    }
    uint32_t ngroups = make_groups(k, devs, ndevs, level, groups);
    while (want > 0) {
        uint32_t best = 0;
        for (uint32_t g = 1; g < ngroups; g++)
            if (group_better(&groups[g], &groups[best], want))
                best = g;
        uint32_t members[TD_MAX_DEVICES_PER_NODE + 1], nmembers = 0;
        for (uint32_t i = 0; i < ndevs; i++)
            if (key_of(k->n, devs[i], level) == groups[best].key)
                members[nmembers++] = devs[i];
        uint32_t take = TD_MIN(want, nmembers);
        pick(k, members, nmembers, take, level + 1);
        want -= take;
        groups[best] = groups[--ngroups];
    }
}

static uint32_t free_devices(const struct td_node *n, const struct td_pool *p, const struct td_need_gres *need,
                             uint8_t (*taken)[TD_DEVICE_BITS_BYTES], uint32_t *devs)
{
    uint32_t ndevs = 0;

    for (uint32_t i = 0; i < n->ndevs && ndevs < TD_MAX_DEVICES_PER_NODE; i++) {
        const struct td_dev *d = &n->devs[i];
        if (td_stock_serves(&n->inv.gres.v[d->stock], need) &&
            td_bits_get(p->stocks[d->stock].devices, TD_DEVICE_BITS_BYTES, d->index) &&
            !td_bits_get(taken[d->stock], TD_DEVICE_BITS_BYTES, d->index))
            devs[ndevs++] = i;
    }
    return ndevs;
}

static void count_isles(const struct picker *k, struct td_choice *choice)
{
    uint32_t largest = 1;

    for (uint32_t i = 0; i < k->npicked; i++) {
        uint32_t isle = k->n->devs[k->picked[i]].isle, j = 0;
        while (j < i && k->n->devs[k->picked[j]].isle != isle)
            j++;
        choice->isles += j == i;
        largest = TD_MAX(largest, k->n->isles[isle].size);
    }
    choice->isles_min += (k->npicked + largest - 1) / largest;
    choice->devices += k->npicked;
}

bool td_choose_devices(const struct td_node *n, const struct td_pool *p, const struct td_need_gres *need, uint32_t want_cpus,
                       uint8_t (*ret)[TD_DEVICE_BITS_BYTES], uint8_t *near, bool *ret_near_any, struct td_choice *choice)
{
    uint32_t devs[TD_MAX_DEVICES_PER_NODE], picked[TD_MAX_DEVICES_PER_NODE];
    struct picker k = {.n = n, .p = p, .want_cpus = want_cpus, .picked = picked};
    uint32_t ndevs = free_devices(n, p, need, ret, devs);

    if (ndevs < need->count)
        return false;
    pick(&k, devs, ndevs, (uint32_t)need->count, LEVEL_STOCK);
    for (uint32_t i = 0; i < k.npicked; i++) {
        const struct td_dev *d = &n->devs[picked[i]];
        td_bits_set(ret[d->stock], d->index);
        for (uint32_t b = 0; d->cpus && b < n->nbytes; b++)
            near[b] |= d->cpus[b];
        *ret_near_any = *ret_near_any || d->cpus;
    }
    count_isles(&k, choice);
    return true;
}
