/* choose_cpus.c - which CPUs
 *
 * Order of wishes: close to the devices asked for, if any; all in one domain, and there in the tightest that suffices,
 * so that large free domains stay large; else all in one package; else as few domains as possible. Under CR_Core only
 * whole cores are given; otherwise a core is filled before the next one is broken: what is left over behind whole
 * cores goes to a core that is in use already, if there is one.
 * Without devices to be close to, a domain that has devices of its own is taken last. */
#include "worker/core/pool.h"

#include <string.h>

void td_scan_init(const struct td_node *n, struct td_arena *a, struct td_scan *s)
{
    s->domains = td_arena_alloc(a, (n->ndomains + 1) * sizeof(*s->domains));
}

struct chooser {
    const struct td_node *n;
    const struct td_pool *p;
    struct td_scan *scan; /* NULL: look from the start each time */
    const uint8_t *mask;  /* only cores of these CPUs, or NULL */
    uint8_t *out;         /* chosen so far; still free in p */
    bool started;         /* out is not empty */
    struct td_choice *choice;
};

static bool core_wanted(const struct chooser *ch, uint32_t core)
{
    return !ch->mask || td_bits_get(ch->mask, ch->n->nbytes, ch->n->cpu_ids[ch->n->cores[core].first]);
}

/* CPUs of a core that are free and not chosen yet. */
static uint32_t core_free(const struct chooser *ch, uint32_t core)
{
    const struct td_slot *s = &ch->n->cores[core];
    uint32_t free = ch->p->cores[core];

    for (uint32_t i = 0; ch->started && free > 0 && i < s->n; i++)
        if (td_bits_get(ch->out, ch->n->nbytes, ch->n->cpu_ids[s->first + i]))
            free--;
    return free;
}

static uint32_t free_in(const struct chooser *ch, uint32_t domain)
{
    const struct td_node *n = ch->n;
    const struct td_pool_domain *pd = &ch->p->domains[domain];

    if (!ch->mask && !ch->started)
        return n->core_is_unit ? pd->whole_cpus : pd->cpus;
    uint32_t sum = 0;
    const struct td_domain *d = &n->domains[domain];
    for (uint32_t i = 0; i < d->n; i++) {
        uint32_t c = n->order[d->first + i];
        if (!core_wanted(ch, c))
            continue;
        uint32_t free = core_free(ch, c);
        sum += n->core_is_unit && free != n->cores[c].n ? 0 : free;
    }
    return sum;
}

static uint32_t take_of_core(struct chooser *ch, uint32_t core, uint32_t want)
{
    const struct td_slot *s = &ch->n->cores[core];
    uint32_t got = 0;

    for (uint32_t i = 0; i < s->n && got < want; i++) {
        uint32_t cpu = ch->n->cpu_ids[s->first + i];
        if (!td_bits_get(ch->p->cpus, ch->n->nbytes, cpu) || td_bits_get(ch->out, ch->n->nbytes, cpu))
            continue;
        td_bits_set(ch->out, cpu);
        got++;
    }
    ch->started = ch->started || got > 0;
    return got;
}

/* Wholly free cores, as long as one does not give more than is wanted (or any, when cores are the unit). */
static uint32_t take_whole(struct chooser *ch, uint32_t domain, uint32_t want)
{
    const struct td_node *n = ch->n;
    const struct td_domain *d = &n->domains[domain];
    struct td_scan_domain *scan = ch->scan ? &ch->scan->domains[domain] : NULL;
    uint32_t got = 0;

    for (uint32_t i = scan ? scan->whole_at : 0; i < d->n && got < want; i++) {
        uint32_t c = n->order[d->first + i];
        if (scan && scan->whole_at == i && ch->p->cores[c] != n->cores[c].n)
            scan->whole_at = i + 1;
        if (core_free(ch, c) != n->cores[c].n || !core_wanted(ch, c))
            continue;
        if (n->core_is_unit || n->cores[c].n <= want - got)
            got += take_of_core(ch, c, n->cores[c].n);
        else if (n->cores[c].n == n->cores[n->order[d->first + d->n - 1]].n)
            break; /* cores of one size, as nearly everywhere: no later one is smaller */
    }
    return got;
}

/* `want` CPUs out of one core in use, else out of a free one, else from wherever some are left. */
static uint32_t take_part(struct chooser *ch, uint32_t domain, uint32_t want)
{
    const struct td_node *n = ch->n;
    const struct td_domain *d = &n->domains[domain];
    const struct td_pool_domain *pd = &ch->p->domains[domain];
    struct td_scan_domain *scan = ch->scan ? &ch->scan->domains[domain] : NULL;

    for (uint32_t i = scan ? scan->part_at : 0; i < d->n && pd->cpus != pd->whole_cpus; i++) {
        uint32_t c = n->order[d->first + i];
        if (scan && scan->part_at == i && ch->p->cores[c] == 0)
            scan->part_at = i + 1;
        uint32_t free = core_free(ch, c);
        if (free >= want && ch->p->cores[c] < n->cores[c].n && core_wanted(ch, c))
            return take_of_core(ch, c, want);
    }
    for (uint32_t i = scan ? scan->whole_at : 0; i < d->n; i++) {
        uint32_t c = n->order[d->first + i];
        if (n->cores[c].n >= want && core_free(ch, c) == n->cores[c].n && core_wanted(ch, c))
            return take_of_core(ch, c, want);
    }
    uint32_t got = 0;
    for (uint32_t i = 0; i < d->n && got < want; i++) {
        uint32_t c = n->order[d->first + i];
        if (core_wanted(ch, c))
            got += take_of_core(ch, c, want - got);
    }
    return got;
}

static uint32_t take_in(struct chooser *ch, uint32_t domain, uint32_t want)
{
    uint32_t got = take_whole(ch, domain, want);

    if (got < want && !ch->n->core_is_unit)
        got += take_part(ch, domain, want - got);
    if (got > 0)
        ch->choice->domains++;
    return got;
}

/* The tightest single domain with enough, preferring those without devices of their own. */
static uint32_t tightest_domain(const struct chooser *ch, uint32_t want, bool keep_off_devices)
{
    uint32_t best = TD_NOWHERE, best_free = 0;
    bool best_off = false;

    for (uint32_t d = 0; d < ch->n->ndomains; d++) {
        uint32_t free = free_in(ch, d);
        if (free < want)
            continue;
        bool off = !keep_off_devices || ch->n->domains[d].devices == 0;
        if (best == TD_NOWHERE || (off && !best_off) || (off == best_off && free < best_free)) {
            best = d;
            best_free = free;
            best_off = off;
        }
    }
    return best;
}

static uint32_t package_free(const struct chooser *ch, const uint32_t *free, uint32_t package)
{
    uint32_t sum = 0;

    for (uint32_t d = 0; d < ch->n->ndomains; d++)
        if (ch->n->domains[d].package == package)
            sum += free[d];
    return sum;
}

/* The package to take from next: the tightest that suffices, else the one with most. */
static uint32_t next_package(const struct chooser *ch, const uint32_t *free, uint32_t want)
{
    uint32_t best = TD_NOWHERE, best_free = 0;

    for (uint32_t d = 0; d < ch->n->ndomains; d++) {
        uint32_t package = ch->n->domains[d].package;
        uint32_t sum = package_free(ch, free, package);
        if (sum == 0)
            continue;
        bool suffices = sum >= want, best_suffices = best != TD_NOWHERE && best_free >= want;
        if (best == TD_NOWHERE || (suffices && !best_suffices) || (suffices && best_suffices && sum < best_free) ||
            (!suffices && !best_suffices && sum > best_free)) {
            best = package;
            best_free = sum;
        }
    }
    return best;
}

/* Over several domains: package by package, in each the tightest domain that ends it, else the one with most. */
static uint32_t take_spread(struct chooser *ch, uint32_t want)
{
    uint32_t free[TD_MAX_CPUS_PER_NODE];
    uint32_t got = 0;

    for (uint32_t d = 0; d < ch->n->ndomains; d++)
        free[d] = free_in(ch, d);
    while (got < want) {
        uint32_t package = next_package(ch, free, want - got);
        if (package == TD_NOWHERE)
            return got;
        while (got < want) {
            uint32_t best = TD_NOWHERE;
            for (uint32_t d = 0; d < ch->n->ndomains; d++) {
                if (ch->n->domains[d].package != package || free[d] == 0)
                    continue;
                bool ends = free[d] >= want - got, best_ends = best != TD_NOWHERE && free[best] >= want - got;
                if (best == TD_NOWHERE || (ends && !best_ends) || (ends && best_ends && free[d] < free[best]) ||
                    (!ends && !best_ends && free[d] > free[best]))
                    best = d;
            }
            if (best == TD_NOWHERE)
                break;
            got += take_in(ch, best, want - got);
            free[best] = 0;
        }
    }
    return got;
}

static uint32_t take_best(struct chooser *ch, uint32_t want, bool keep_off_devices)
{
    uint32_t d = tightest_domain(ch, want, keep_off_devices);

    return d == TD_NOWHERE ? take_spread(ch, want) : take_in(ch, d, want);
}

/* CPUs of the packages that `near` lies in, so that what does not fit near is at least not across the machine. */
static void widen_to_packages(const struct td_node *n, const uint8_t *near, uint8_t *ret)
{
    for (uint32_t d = 0; d < n->ndomains; d++) {
        bool touched = false;
        for (uint32_t e = 0; e < n->ndomains && !touched; e++) {
            if (n->domains[e].package != n->domains[d].package)
                continue;
            for (uint32_t i = 0; i < n->domains[e].n && !touched; i++) {
                const struct td_slot *s = &n->cores[n->order[n->domains[e].first + i]];
                touched = td_bits_get(near, n->nbytes, n->cpu_ids[s->first]);
            }
        }
        for (uint32_t i = 0; touched && i < n->domains[d].n; i++) {
            const struct td_slot *s = &n->cores[n->order[n->domains[d].first + i]];
            for (uint32_t t = 0; t < s->n; t++)
                td_bits_set(ret, n->cpu_ids[s->first + t]);
        }
    }
}

static uint32_t take_near(struct chooser *ch, uint32_t want, const uint8_t *near)
{
    ch->mask = near;
    uint32_t got = take_best(ch, want, false);
    ch->choice->near_cpus = got;
    if (got < want) {
        uint8_t wide[TD_MAX_CPU_BYTES + 1] = {0};
        widen_to_packages(ch->n, near, wide);
        ch->mask = wide;
        got += take_best(ch, want - got, false);
    }
    if (got < want) {
        ch->mask = NULL;
        got += take_best(ch, want - got, false);
    }
    return got;
}

static uint32_t domains_min(const struct td_node *n, uint32_t want)
{
    uint32_t largest = 1;

    for (uint32_t d = 0; d < n->ndomains; d++)
        largest = TD_MAX(largest, n->domains[d].cpus);
    return (want + largest - 1) / largest;
}

uint32_t td_choose_cpus(const struct td_node *n, const struct td_pool *p, struct td_scan *scan, uint32_t want, bool keep_off_devices,
                        const uint8_t *near, uint8_t *ret_bits, struct td_choice *choice)
{
    struct chooser ch = {.n = n, .p = p, .scan = near ? NULL : scan, .out = ret_bits, .choice = choice};
    uint32_t free = 0;

    for (uint32_t d = 0; d < n->ndomains; d++)
        free += free_in(&ch, d);
    if (free < want)
        return 0;
    uint32_t got = near ? take_near(&ch, want, near) : take_best(&ch, want, keep_off_devices);
    choice->cpus = got;
    choice->domains_min = domains_min(n, want);
    return got;
}
