/* ledger_check.c - the ledger's invariants, and its digest
 *
 * The digest covers capacity and holdings, which follow from events. It leaves out what is soft (usable, refusals,
 * versions, the last plan) and does not depend on the order in which holdings were taken. */
#include "ledger_priv.h"

#include <string.h>

static bool check_cpus(const struct node *n, struct td_error *err)
{
    uint32_t free_cpus = 0, held = 0, busy = td_bits_count(n->busy, n->nbytes);

    for (uint32_t i = 0; i < n->holdings.n; i++) {
        const struct holding *h = n->holdings.v[i];

        for (uint32_t k = 0; k < h->cpus.n && k < n->nbytes; k++) {
            held += (uint32_t)__builtin_popcount(h->cpus.v[k]);
            if ((h->cpus.v[k] & ~n->busy[k]) != 0)
                return td_fail(err, TD_E_INTERNAL, "node %s: job %u holds CPUs that are not busy", n->name, h->job), false;
        }
    }
    if (held != busy)
        return td_fail(err, TD_E_INTERNAL, "node %s: %u CPUs busy, %u held", n->name, busy, held), false;
    for (uint32_t k = 0; k < n->nbytes; k++)
        free_cpus += (uint32_t)__builtin_popcount((uint8_t)(n->has[k] & ~n->busy[k]));
    if (free_cpus != n->free.cpus)
        return td_fail(err, TD_E_INTERNAL, "node %s: %u CPUs free, counted %u", n->name, free_cpus, n->free.cpus), false;
    return true;
}

static bool check_stock(const struct node *n, uint32_t i, struct td_error *err)
{
    const struct stock *s = &n->stocks[i];
    uint64_t held = 0;
    uint32_t devices = 0;
    bool shared = s->total > td_bits_count(s->has, s->nbytes);

    for (uint32_t k = 0; k < n->holdings.n; k++) {
        const struct holding *h = n->holdings.v[k];

        for (uint32_t g = 0; g < h->ngres; g++) {
            if (h->gres[g].stock != i)
                continue;
            held += h->gres[g].count;
            for (uint32_t b = 0; !shared && b < s->nbytes && b < h->gres[g].devices.n; b++)
                devices += (uint32_t)__builtin_popcount(h->gres[g].devices.v[b]);
        }
    }
    if (held != s->held || n->free.gres[i] != s->total - TD_MIN(s->total, held))
        return td_fail(err, TD_E_INTERNAL, "node %s: stock %u: %llu held, counted %llu", n->name, i,
                       (unsigned long long)held, (unsigned long long)s->held), false;
    if (!shared && devices != td_bits_count(s->busy, s->nbytes))
        return td_fail(err, TD_E_INTERNAL, "node %s: stock %u: devices overlap", n->name, i), false;
    return true;
}

static bool check_node(const struct node *n, struct td_error *err)
{
    uint64_t mem = 0, tmp = 0;

    for (uint32_t i = 0; i < n->holdings.n; i++) {
        const struct holding *h = n->holdings.v[i];

        mem += h->mem;
        tmp += h->tmp;
        if (td_map_get(&n->by_attempt, (uint64_t)h->job << 32 | h->attempt) != h)
            return td_fail(err, TD_E_INTERNAL, "node %s: job %u is not in the index", n->name, h->job), false;
        if (n->sorted && i > 0 && n->holdings.v[i - 1]->until > h->until)
            return td_fail(err, TD_E_INTERNAL, "node %s: holdings are not sorted", n->name), false;
    }
    if (mem != n->mem_held || tmp != n->tmp_held)
        return td_fail(err, TD_E_INTERNAL, "node %s: memory or disk held differs from its holdings", n->name), false;
    if (!check_cpus(n, err))
        return false;
    for (uint32_t i = 0; i < n->nstocks; i++)
        if (!check_stock(n, i, err))
            return false;
    return true;
}

bool td_ledger_check(const struct td_ledger *l, struct td_error *err)
{
    const struct node_index *x = l->index;

    for (uint32_t i = 0; i < l->nodes.n; i++) {
        const struct node *n = &l->nodes.v[i];

        if (!n->name)
            continue;
        if (!check_node(n, err))
            return false;
        if (!x->ordered)
            continue;
        bool open = n->usable && n->free.cpus >= n->unit && n->free.cpus > 0;
        if (x->node_at.v[x->pos_of.v[i]] != i || place_get(x->open, x->pos_of.v[i]) != open)
            return td_fail(err, TD_E_INTERNAL, "node %s: its place in the order is wrong", n->name), false;
    }
    return shapes_check(l, err);
}

static uint64_t digest_holding(const struct holding *h)
{
    uint64_t d = td_mix_u64(h->job, h->attempt);

    d = td_mix_u64(d, (uint64_t)h->until);
    d = td_mix_u64(d, h->mem);
    d = td_mix_u64(d, h->tmp);
    for (int64_t i = td_bits_next(h->cpus.v, h->cpus.n, 0); i >= 0;
         i = td_bits_next(h->cpus.v, h->cpus.n, (uint32_t)i + 1))
        d = td_mix_u64(d, (uint64_t)i);
    for (uint32_t k = 0; k < h->ngres; k++) {
        const struct held_gres *g = &h->gres[k];

        d = td_mix_u64(d, g->count);
        for (int64_t i = td_bits_next(g->devices.v, g->devices.n, 0); i >= 0;
             i = td_bits_next(g->devices.v, g->devices.n, (uint32_t)i + 1))
            d = td_mix_u64(d, (uint64_t)i);
    }
    return d;
}

uint64_t td_ledger_digest(const struct td_ledger *l)
{
    uint64_t d = l->nodes.n;

    for (uint32_t i = 0; i < l->nodes.n; i++) {
        const struct node *n = &l->nodes.v[i];
        uint64_t held = 0;

        for (uint32_t k = 0; k < n->holdings.n; k++)
            held += digest_holding(n->holdings.v[k]); /* a sum: whatever the order */
        d = td_mix_str(d, n->name);
        d = td_mix_bytes(d, n->has, n->nbytes);
        d = td_mix_u64(d, n->total.mem);
        d = td_mix_u64(d, n->total.tmp);
        for (uint32_t k = 0; k < n->nstocks; k++)
            d = td_mix_u64(d, n->total.gres[k]);
        d = td_mix_u64(d, held);
    }
    return d;
}
