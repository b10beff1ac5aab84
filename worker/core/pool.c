/* pool.c - what is free of a node: taking, giving back, asking
 *
 * A pool knows CPUs, cores, domains, stocks and memory in step; every change of a CPU goes through take_cpu and give_cpu.
 * Memory is only counted when the node says that it counts. */
#include "worker/core/pool.h"

#include <string.h>

void td_pool_init(const struct td_node *n, struct td_arena *a, struct td_pool *p)
{
    *p = (struct td_pool){
        .cpus = td_arena_alloc(a, n->nbytes + 1),
        .cores = td_arena_alloc(a, (n->ncores + 1) * sizeof(*p->cores)),
        .domains = td_arena_alloc(a, (n->ndomains + 1) * sizeof(*p->domains)),
        .stocks = td_arena_alloc(a, (n->inv.gres.n + 1) * sizeof(*p->stocks)),
    };
}

void td_pool_copy(const struct td_node *n, struct td_pool *to, const struct td_pool *from)
{
    if (n->nbytes > 0)
        memcpy(to->cpus, from->cpus, n->nbytes);
    memcpy(to->cores, from->cores, n->ncores * sizeof(*to->cores));
    memcpy(to->domains, from->domains, n->ndomains * sizeof(*to->domains));
    memcpy(to->stocks, from->stocks, n->inv.gres.n * sizeof(*to->stocks));
    to->memory_mb = from->memory_mb;
    to->tmp_mb = from->tmp_mb;
    to->holdings = from->holdings;
}

static const struct td_gres_stock *stock_of(const struct td_node *n, const struct td_gres_held *g, uint32_t *ret_at)
{
    for (uint32_t s = 0; s < n->inv.gres.n; s++)
        if (td_str_equal(n->inv.gres.v[s].name, g->name) && td_str_equal(n->inv.gres.v[s].type, g->type)) {
            *ret_at = s;
            return &n->inv.gres.v[s];
        }
    return NULL;
}

static uint32_t covers_cpus(const struct td_node *n, const struct td_pool *p, struct td_bin cpus)
{
    for (uint32_t i = 0; i < cpus.n; i++) {
        uint8_t here = i < n->nbytes ? n->all_cpus[i] : 0;
        if (cpus.v[i] & ~here)
            return TD_REFUSAL_STALE;
    }
    for (uint32_t i = 0; i < cpus.n && i < n->nbytes; i++)
        if (cpus.v[i] & ~p->cpus[i])
            return TD_REFUSAL_CPUS;
    return TD_REFUSAL_NONE;
}

static uint32_t covers_gres(const struct td_node *n, const struct td_pool *p, const struct td_gres_held *g)
{
    uint32_t s = 0;
    const struct td_gres_stock *stock = stock_of(n, g, &s);

    if (!stock)
        return TD_REFUSAL_GRES_TYPE;
    for (int64_t i = td_bits_next(g->devices.v, g->devices.n, 0); i >= 0; i = td_bits_next(g->devices.v, g->devices.n, (uint32_t)i + 1)) {
        if (!td_bits_get(n->empty.stocks[s].devices, TD_DEVICE_BITS_BYTES, (uint32_t)i))
            return TD_REFUSAL_STALE;
        if (!td_bits_get(p->stocks[s].devices, TD_DEVICE_BITS_BYTES, (uint32_t)i))
            return TD_REFUSAL_GRES;
    }
    return g->count <= p->stocks[s].free ? TD_REFUSAL_NONE : TD_REFUSAL_GRES;
}

uint32_t td_pool_covers(const struct td_node *n, const struct td_pool *p, const struct td_placement *place)
{
    uint32_t r = covers_cpus(n, p, place->cpus);

    for (uint32_t i = 0; r == TD_REFUSAL_NONE && i < place->gres.n; i++)
        r = covers_gres(n, p, &place->gres.v[i]);
    if (r != TD_REFUSAL_NONE)
        return r;
    if (n->memory_counts && place->memory_mb > p->memory_mb)
        return TD_REFUSAL_MEMORY;
    if (place->tmp_mb > p->tmp_mb)
        return TD_REFUSAL_TMP;
    return TD_REFUSAL_NONE;
}

void td_pool_take_cpu(const struct td_node *n, struct td_pool *p, uint32_t cpu)
{
    uint32_t c = n->core_of[cpu];
    struct td_pool_domain *d = &p->domains[n->cores[c].domain];

    td_bits_clear(p->cpus, cpu);
    if (p->cores[c] == n->cores[c].n) {
        d->whole--;
        d->whole_cpus -= n->cores[c].n;
    }
    p->cores[c]--;
    d->cpus--;
}

static void give_cpu(const struct td_node *n, struct td_pool *p, uint32_t cpu)
{
    uint32_t c = n->core_of[cpu];
    struct td_pool_domain *d = &p->domains[n->cores[c].domain];

    td_bits_set(p->cpus, cpu);
    p->cores[c]++;
    d->cpus++;
    if (p->cores[c] == n->cores[c].n) {
        d->whole++;
        d->whole_cpus += n->cores[c].n;
    }
}

static bool take_gres(const struct td_node *n, struct td_pool *p, const struct td_gres_held *g)
{
    uint32_t s = 0;

    if (!stock_of(n, g, &s))
        return false;
    struct td_pool_stock *stock = &p->stocks[s];
    if (n->inv.gres.v[s].devices.n == 0) {
        bool enough = g->count <= stock->free;
        stock->free -= TD_MIN(g->count, stock->free);
        return enough;
    }
    bool all = true;
    for (int64_t i = td_bits_next(g->devices.v, g->devices.n, 0); i >= 0; i = td_bits_next(g->devices.v, g->devices.n, (uint32_t)i + 1)) {
        if (!td_bits_get(stock->devices, TD_DEVICE_BITS_BYTES, (uint32_t)i)) {
            all = false;
            continue;
        }
        td_bits_clear(stock->devices, (uint32_t)i);
        stock->free--;
    }
    return all;
}

static void give_gres(const struct td_node *n, struct td_pool *p, const struct td_gres_held *g)
{
    uint32_t s = 0;

    if (!stock_of(n, g, &s))
        return;
    if (n->inv.gres.v[s].devices.n == 0) {
        p->stocks[s].free += g->count;
        return;
    }
    for (int64_t i = td_bits_next(g->devices.v, g->devices.n, 0); i >= 0; i = td_bits_next(g->devices.v, g->devices.n, (uint32_t)i + 1)) {
        td_bits_set(p->stocks[s].devices, (uint32_t)i);
        p->stocks[s].free++;
    }
}

bool td_pool_take(const struct td_node *n, struct td_pool *p, const struct td_placement *place)
{
    bool all = true;

    for (int64_t cpu = td_bits_next(place->cpus.v, place->cpus.n, 0); cpu >= 0;
         cpu = td_bits_next(place->cpus.v, place->cpus.n, (uint32_t)cpu + 1)) {
        if (td_bits_get(p->cpus, n->nbytes, (uint32_t)cpu))
            td_pool_take_cpu(n, p, (uint32_t)cpu);
        else
            all = false;
    }
    for (uint32_t i = 0; i < place->gres.n; i++)
        all = take_gres(n, p, &place->gres.v[i]) && all;
    if (n->memory_counts) {
        all = all && place->memory_mb <= p->memory_mb;
        p->memory_mb -= TD_MIN(place->memory_mb, p->memory_mb);
    }
    all = all && place->tmp_mb <= p->tmp_mb;
    p->tmp_mb -= TD_MIN(place->tmp_mb, p->tmp_mb);
    p->holdings++;
    return all;
}

void td_pool_give(const struct td_node *n, struct td_pool *p, const struct td_placement *place)
{
    for (int64_t cpu = td_bits_next(place->cpus.v, place->cpus.n, 0); cpu >= 0;
         cpu = td_bits_next(place->cpus.v, place->cpus.n, (uint32_t)cpu + 1))
        give_cpu(n, p, (uint32_t)cpu);
    for (uint32_t i = 0; i < place->gres.n; i++)
        give_gres(n, p, &place->gres.v[i]);
    if (n->memory_counts)
        p->memory_mb += place->memory_mb;
    p->tmp_mb += place->tmp_mb;
    p->holdings--;
}
