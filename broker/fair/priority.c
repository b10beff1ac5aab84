/* priority.c - the multifactor sum: each factor a share of one, each term weight times factor, rounded down
 *
 * A term is computed from the two numbers of its ratio, not from the rounded factor, so that weights up to 2^32 - 1 lose
 * nothing. */
#include "broker/fair/fair.h"

typedef unsigned __int128 wide;

static struct td_ratio capped(struct td_ratio r)
{
    return r.whole ? (struct td_ratio){TD_MIN(r.part, r.whole), r.whole} : (struct td_ratio){0, 1};
}

static uint64_t share(uint64_t of, struct td_ratio r)
{
    r = capped(r);
    return (uint64_t)((wide)of * r.part / r.whole);
}

/* The mean of the shares of nodes and of CPUs; of small jobs, of what they leave, the smallest counting as one. */
static uint64_t size_share(uint64_t of, const struct td_priority_job *j)
{
    struct td_ratio n = capped(j->nodes), c = capped(j->cpus);
    if (j->relative_to_time) { /* CPUs by minutes of limit, of all CPUs */
        wide whole = (wide)c.whole * TD_MAX(j->limit_m, 1u);
        wide part = j->favor_small ? whole - TD_MIN((wide)c.part, whole) : TD_MIN((wide)c.part, whole);
        return (uint64_t)((wide)of * (uint64_t)(part * TD_PRIORITY_ONE / whole) / TD_PRIORITY_ONE);
    }
    if (j->favor_small) {
        n.part = n.whole - (n.part ? n.part - 1 : 0);
        c.part = c.whole - (c.part ? c.part - 1 : 0);
    }
    return (uint64_t)((wide)of * ((wide)n.part * c.whole + (wide)c.part * n.whole) / ((wide)2 * n.whole * c.whole));
}

void td_priority_compute(const struct td_priority_weights *w, const struct td_priority_job *j, struct td_priority *ret)
{
    wide sum = 0;
    *ret = (struct td_priority){
        .age_factor = (uint32_t)share(TD_PRIORITY_ONE, j->age),
        .assoc_factor = (uint32_t)share(TD_PRIORITY_ONE, j->assoc),
        .fair_factor = (uint32_t)share(TD_PRIORITY_ONE, j->fair),
        .size_factor = (uint32_t)size_share(TD_PRIORITY_ONE, j),
        .partition_factor = (uint32_t)share(TD_PRIORITY_ONE, j->partition),
        .qos_factor = (uint32_t)share(TD_PRIORITY_ONE, j->qos),
        .age = share(w->age, j->age),
        .assoc = share(w->assoc, j->assoc),
        .fair = share(w->fair, j->fair),
        .size = size_share(w->size, j),
        .partition = share(w->partition, j->partition),
        .qos = share(w->qos, j->qos),
    };
    sum = (wide)ret->age + ret->assoc + ret->fair + ret->size + ret->partition + ret->qos;
    for (uint32_t i = 0; i < TD_MIN(w->nkinds, (uint32_t)TD_PRIORITY_KINDS); i++) {
        ret->kinds[i] = share(w->kinds[i], j->kinds[i]) / 1000000;
        sum += ret->kinds[i];
    }
    __int128 all = (__int128)sum + j->site - j->nice;
    ret->sum = all < 1 ? 1 : all > UINT32_MAX ? UINT32_MAX : (uint64_t)all;
}
