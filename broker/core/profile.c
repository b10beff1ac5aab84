/* profile.c - steps of what is free on a node
 *
 * An array, searched and shifted: a node has tens of steps, seldom hundreds. Steps that say the
 * same as the one before are left; a profile is built anew before they are many. */
#include "profile.h"

#include <string.h>

#include "plan_priv.h"

static void make_room(struct profile *p, uint32_t n)
{
    if (n <= p->cap)
        return;
    p->cap = TD_MAX(n + n / 2, 16u);
    p->at = td_realloc(p->at, sizeof(*p->at) * p->cap);
    p->amounts = td_realloc(p->amounts, (size_t)p->stride * p->cap);
}

void profile_start(struct profile *p, const struct amount *free, uint32_t nstocks, int64_t now)
{
    uint32_t stride = (uint32_t)(offsetof(struct amount, gres) + nstocks * sizeof(free->gres[0]));

    if (stride != p->stride) {
        p->cap = 0;
        p->stride = stride;
    }
    make_room(p, 1);
    p->n = 1;
    p->at[0] = now;
    memcpy(p->amounts, free, stride);
}

struct amount *profile_append(struct profile *p, int64_t at)
{
    TD_ASSERT(p->n && at >= p->at[p->n - 1]);
    if (at > p->at[p->n - 1]) {
        make_room(p, p->n + 1);
        p->at[p->n] = at;
        memcpy(profile_amount(p, p->n), profile_amount(p, p->n - 1), p->stride);
        p->n++;
    }
    return profile_amount(p, p->n - 1);
}

void profile_copy(struct profile *to, const struct profile *from)
{
    if (to->stride != from->stride) {
        to->cap = 0;
        to->stride = from->stride;
    }
    make_room(to, from->n);
    to->n = from->n;
    memcpy(to->at, from->at, sizeof(*to->at) * from->n);
    memcpy(to->amounts, from->amounts, (size_t)from->stride * from->n);
}

void profile_release(struct profile *p)
{
    td_free(p->at);
    td_free(p->amounts);
    *p = (struct profile){0};
}

/* The last step that begins at `at` or before. */
static uint32_t step_at(const struct profile *p, int64_t at)
{
    uint32_t low = 0, high = p->n;

    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;

        if (p->at[mid] <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* The step that begins at `at`, made if there is none; n where that is never. */
static uint32_t split(struct profile *p, int64_t at)
{
    if (at == TD_FOREVER)
        return p->n;
    uint32_t i = step_at(p, at);
    if (p->at[i] >= at)
        return i;
    make_room(p, p->n + 1);
    memmove(p->at + i + 2, p->at + i + 1, sizeof(*p->at) * (p->n - i - 1));
    memmove(p->amounts + (size_t)(i + 1) * p->stride, p->amounts + (size_t)i * p->stride,
            (size_t)(p->n - i) * p->stride);
    p->at[i + 1] = at;
    p->n++;
    return i + 1;
}

void profile_take(struct profile *p, const struct amount *a, uint32_t nstocks, int64_t at,
                  int64_t end)
{
    uint32_t from = split(p, at), to = split(p, end);

    for (uint32_t i = from; i < to; i++) {
        TD_ASSERT(amount_covers(profile_amount(p, i), a, nstocks));
        amount_sub(profile_amount(p, i), a, nstocks);
    }
}

bool profile_take_floor(struct profile *p, const struct amount *a, uint32_t nstocks, int64_t at, int64_t end)
{
    uint32_t from = split(p, at), to = split(p, end);
    bool all = true;

    for (uint32_t i = from; i < to; i++) {
        all = all && amount_covers(profile_amount(p, i), a, nstocks);
        amount_sub(profile_amount(p, i), a, nstocks);
    }
    return all;
}

void profile_advance(struct profile *p, int64_t now)
{
    uint32_t first = step_at(p, now);

    if (first) {
        p->n -= first;
        memmove(p->at, p->at + first, sizeof(*p->at) * p->n);
        memmove(p->amounts, p->amounts + (size_t)first * p->stride, (size_t)p->stride * p->n);
    }
    p->at[0] = TD_MAX(p->at[0], now);
}

void profile_give(struct profile *p, const struct amount *a, uint32_t nstocks, int64_t at,
                  int64_t end)
{
    uint32_t from = split(p, at), to = split(p, end);

    for (uint32_t i = from; i < to; i++)
        amount_add(profile_amount(p, i), a, nstocks);
}

void profile_room(const struct profile *p, uint32_t nstocks, int64_t at, int64_t end,
                  struct amount *m)
{
    for (uint32_t i = step_at(p, at); i < p->n && p->at[i] < end; i++)
        amount_min(m, profile_amount(p, i), nstocks);
}

/* What fits step by step need not fit all along: of devices of any model it may be one model now
 * and another later. So where devices count the least of all steps is asked. */
static bool fits_along(const struct shape *s, const struct node *n, uint32_t part,
                       const struct need *d, const struct amount *a, struct amount *least)
{
    if (a->cpus < d->cpus || a->mem < d->mem || a->tmp < d->tmp)
        return false;
    if (!s->nwants)
        return true;
    amount_min(least, a, n->nstocks);
    return shape_fit(s, n, least, part, 1) > 0;
}

int64_t profile_earliest(const struct profile *p, const struct shape *s, const struct node *n,
                         uint32_t part, uint32_t limit_s, int64_t from, int64_t bound)
{
    const struct need d = shape_need(s, n, part);
    uint32_t i = step_at(p, from);

    if (!d.cpus)
        return TD_FOREVER;
    for (int64_t at = TD_MAX(from, p->at[i]); at < bound; at = p->at[i]) {
        int64_t end = time_after(at, limit_s);
        struct amount least = n->total;
        uint32_t k = i;
        while (k < p->n && p->at[k] < end &&
               fits_along(s, n, part, &d, profile_amount(p, k), &least))
            k++;
        if (k == p->n || p->at[k] >= end)
            return at;
        i = s->nwants ? i + 1 : k + 1;
        if (i >= p->n) /* it never fits from here on */
            return TD_FOREVER;
    }
    return TD_FOREVER;
}

int64_t profile_latest(const struct profile *p, const struct shape *s, const struct node *n,
                       uint32_t part, uint32_t limit_s, int64_t from, int64_t by)
{
    if (limit_s == TD_INFINITE)
        return -1;
    for (int64_t at = by; at >= from;) {
        int64_t end = time_after(at, limit_s);
        struct amount m = n->total;
        uint32_t first = step_at(p, at), last = first;

        profile_room(p, n->nstocks, at, end, &m);
        if (shape_fit(s, n, &m, part, 1))
            return at;
        while (last + 1 < p->n && p->at[last + 1] < end)
            last++;
        for (uint32_t i = last; i > first;
             i--) /* the last that has too little by itself; else the last */
            if (!shape_fit(s, n, profile_amount(p, i), part, 1)) {
                last = i;
                break;
            }
        at = TD_MIN(p->at[last] - (int64_t)limit_s * 1000,
                    at - 1); /* it must have ended before that one */
    }
    return -1;
}

int64_t profile_until(const struct profile *p, const struct shape *s, const struct node *n,
                      uint32_t part, int64_t at)
{
    struct amount least = n->total;

    for (uint32_t i = step_at(p, at); i < p->n; i++) {
        amount_min(&least, profile_amount(p, i), n->nstocks);
        if (!shape_fit(s, n, &least, part, 1))
            return TD_MAX(p->at[i], at);
    }
    return TD_FOREVER;
}

int64_t profile_next(const struct profile *p, int64_t at)
{
    uint32_t i = step_at(p, at) + 1;

    return i < p->n ? p->at[i] : TD_FOREVER;
}
