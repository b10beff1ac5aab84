/* priority.c - the multifactor sum: each factor a share of one, each term weight times factor, rounded down
 *
 * A term is computed from the two numbers of its ratio, not from the rounded factor, so that weights up to 2^32 - 1 lose
 * nothing. The sum is of the terms with their fractions, rounded down; what is shown of a term is rounded to the nearest: so it
 * is with Slurm, whose terms therefore need not add up to its sum. */
#include "broker/fair/fair.h"

typedef unsigned __int128 wide;

#define FRACTION 65536u /* of a term */

static struct td_ratio capped(struct td_ratio r)
{
    return r.whole ? (struct td_ratio){TD_MIN(r.part, r.whole), r.whole} : (struct td_ratio){0, 1};
}

static uint64_t share(uint64_t of, struct td_ratio r)
{
    r = capped(r);
    return (uint64_t)((wide)of * r.part / r.whole);
}

/* As printf rounds: halves to the even one. */
static uint64_t nearest(uint64_t term)
{
    uint64_t whole = term / FRACTION, rest = term % FRACTION;
    return whole + (rest > FRACTION / 2 || (rest == FRACTION / 2 && whole % 2));
}

/* The mean of the shares of nodes and of CPUs; where small jobs are favoured, of what they leave. */
static uint64_t size_share(uint64_t of, const struct td_priority_job *j)
{
    struct td_ratio n = capped(j->nodes), c = capped(j->cpus);
    if (j->relative_to_time) { /* CPUs by minutes of limit, of all CPUs */
        wide whole = (wide)c.whole * TD_MAX(j->limit_m, 1u);
        wide part = j->favor_small ? whole - TD_MIN((wide)c.part, whole) : TD_MIN((wide)c.part, whole);
        return (uint64_t)((wide)of * (uint64_t)(part * TD_PRIORITY_ONE / whole) / TD_PRIORITY_ONE);
    }
    if (j->favor_small) {
        n.part = n.whole - n.part;
        c.part = c.whole - c.part;
    }
    return (uint64_t)((wide)of * ((wide)n.part * c.whole + (wide)c.part * n.whole) / ((wide)2 * n.whole * c.whole));
}

void td_priority_compute(const struct td_priority_weights *w, const struct td_priority_job *j, struct td_priority *ret)
{
    const uint64_t terms[] = {share((uint64_t)w->age * FRACTION, j->age),     share((uint64_t)w->assoc * FRACTION, j->assoc),
                              share((uint64_t)w->fair * FRACTION, j->fair),   size_share((uint64_t)w->size * FRACTION, j),
                              share((uint64_t)w->partition * FRACTION, j->partition), share((uint64_t)w->qos * FRACTION, j->qos)};
    wide sum = 0;
    *ret = (struct td_priority){
        .age_factor = (uint32_t)share(TD_PRIORITY_ONE, j->age),
        .assoc_factor = (uint32_t)share(TD_PRIORITY_ONE, j->assoc),
        .fair_factor = (uint32_t)share(TD_PRIORITY_ONE, j->fair),
        .size_factor = (uint32_t)size_share(TD_PRIORITY_ONE, j),
        .partition_factor = (uint32_t)share(TD_PRIORITY_ONE, j->partition),
        .qos_factor = (uint32_t)share(TD_PRIORITY_ONE, j->qos),
        .age = nearest(terms[0]),
        .assoc = nearest(terms[1]),
        .fair = nearest(terms[2]),
        .size = nearest(terms[3]),
        .partition = nearest(terms[4]),
        .qos = nearest(terms[5]),
    };
    for (uint32_t i = 0; i < 6; i++)
        sum += terms[i];
    for (uint32_t i = 0; i < TD_MIN(w->nkinds, (uint32_t)TD_PRIORITY_KINDS); i++) {
        wide term = (wide)share(w->kinds[i], j->kinds[i]) * FRACTION / 1000000;
        ret->kinds[i] = nearest((uint64_t)term);
        sum += term;
    }
    __int128 all = (__int128)(sum / FRACTION) + j->site - j->nice;
    ret->sum = all < 1 ? 1 : all > UINT32_MAX ? UINT32_MAX : (uint64_t)all;
}
