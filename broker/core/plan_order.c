/* plan_order.c - in which order candidates are tried where rank is not all: sjbf and tender
 *
 * sjbf: behind the heads, the shortest limit first. tender: behind the heads, the shortest foretold run first. Where the
 * queue may be reordered all of it goes by class (partition's tier, a priority that somebody set, nice), and in a class by
 *
 *     worth = log2(wait + 600 s) + log2(64^3 + (64 wait / 15 h)^3) - 0.9 log2(foretold run) + 0.1 log2(CPUs)
 *
 * the logarithm of a slowdown that counts processors a little, and of an age that outgrows everything: who waits long and
 * runs short comes first, and nobody starves. In fixed point (law 9): log2 in 1/65536. Ties end in rank. */
#include "plan_priv.h"

#include <string.h>

#define WAIT_PLUS_S 600
#define WAIT_MAX_S INT64_C(1000000000)
#define AGE_S 54000  /* 15 hours */
#define RUN_WEIGHT 9 /* tenths */
#define SIZE_WEIGHT -1

uint64_t plan_cpus(const struct shape *s)
{
    uint64_t tasks =
        TD_MAX(TD_MAX((uint64_t)s->is.ntasks, (uint64_t)s->is.tasks_min * TD_MAX(s->nodes_min, 1u)),
               UINT64_C(1));

    return tasks * TD_MAX(s->cpus_per_task, 1u);
}

static int64_t worth(const struct pass *pass, const struct slot *c)
{
    int64_t wait_s = TD_MIN(TD_MAX((pass->p->now_ms - c->since_ms) / 1000, INT64_C(0)), WAIT_MAX_S);
    uint64_t age = (uint64_t)wait_s * 64 / AGE_S;

    return 10 * (td_log2_fixed((uint64_t)wait_s + WAIT_PLUS_S) +
                 td_log2_fixed((64 * 64 * 64) + age * age * age)) -
           RUN_WEIGHT * td_log2_fixed(TD_MAX(c->run_s, 1u)) -
           SIZE_WEIGHT * td_log2_fixed(plan_cpus(pass->l->shapes.v[c->shape]));
}

struct ordered plan_by_worth(const struct pass *pass, const struct slot *c)
{
    return (struct ordered){.class = c->class, .key = -worth(pass, c), .slot = c};
}

static bool before(const struct ordered *a, const struct ordered *b)
{
    if (a->class != b->class)
        return a->class < b->class;
    return a->key != b->key ? a->key < b->key : slot_before(a->slot, b->slot);
}

/* Merge sort, bottom up. */
void plan_sort(struct ordered *v, uint32_t n)
{
    struct ordered *tmp = td_alloc(sizeof(*tmp) * (n + 1));

    for (uint32_t width = 1; width < n; width *= 2) {
        for (uint32_t i = 0; i < n; i += 2 * width) {
            uint32_t a = i, mid = TD_MIN(i + width, n), b = mid, end = TD_MIN(mid + width, n);

            for (uint32_t k = i; k < end; k++)
                tmp[k] = a < mid && (b == end || !before(&v[b], &v[a])) ? v[a++] : v[b++];
        }
        memcpy(v, tmp, sizeof(*tmp) * n);
    }
    td_free(tmp);
}
