/* place.c - one instance of a shape onto a pool: what it needs, whether that is there, and which pieces
 *
 * Amounts are compared before anything is chosen, so that a refusal names what is lacking and how much of it; after
 * that only a device mix or memory by CPU can still fail. A refusal leaves the pool untouched. */
#include "worker/core/pool.h"

#include <string.h>

/* Amounts come from users: what would overflow is simply more than any node has. */
static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t r;

    return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t r;

    return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}

static void need_gres(struct td_need *need, const struct td_gres_need *g, uint64_t count)
{
    if (count == 0)
        return;
    for (uint32_t i = 0; i < need->ngres; i++)
        if (td_str_equal(need->gres[i].name, g->name) && td_str_equal(need->gres[i].type, g->type)) {
            need->gres[i].count = plus(need->gres[i].count, count);
            return;
        }
    if (need->ngres == TD_ARRAY_LEN(need->gres))
        return; /* cannot be: three lists of at most GRES_KINDS */
    need->gres[need->ngres++] = (struct td_need_gres){g->name, g->type, count};
}

/* A typed need is served first: an untyped one can take what is left. */
static void sort_typed_first(struct td_need *need)
{
    for (uint32_t i = 1; i < need->ngres; i++)
        for (uint32_t j = i; j > 0 && td_str_empty(need->gres[j - 1].type) && !td_str_empty(need->gres[j].type); j--) {
            struct td_need_gres g = need->gres[j];
            need->gres[j] = need->gres[j - 1];
            need->gres[j - 1] = g;
        }
}

void td_need_make(const struct td_shape *s, uint32_t part, struct td_need *ret)
{
    bool shared = td_shape_shared(s) > 0;
    uint32_t tasks = shared ? td_shape_share_tasks(s, part) : part;
    uint64_t cpus_per_task = TD_MAX(s->cpus_per_task, 1u);
    uint64_t cpus = cpus_per_task * tasks;

    *ret = (struct td_need){.tasks = tasks, .tmp_mb = s->tmp_mb, .exclusive = s->exclusive, .memory_all = s->mem_all};
    for (uint32_t i = 0; i < TD_MIN(s->gres.n, (uint32_t)TD_MAX_GRES_KINDS); i++)
        need_gres(ret, &s->gres.v[i], s->gres.v[i].count);
    for (uint32_t i = 0; i < TD_MIN(s->gres_task.n, (uint32_t)TD_MAX_GRES_KINDS); i++)
        need_gres(ret, &s->gres_task.v[i], times(s->gres_task.v[i].count, tasks));
    for (uint32_t i = 0; i < TD_MIN(s->gres_job.n, (uint32_t)TD_MAX_GRES_KINDS); i++)
        need_gres(ret, &s->gres_job.v[i], shared ? part : s->gres_job.v[i].count);
    sort_typed_first(ret);

    uint64_t gpus = 0;
    for (uint32_t i = 0; i < ret->ngres; i++)
        if (td_str_equal(ret->gres[i].name, "gpu"))
            gpus = plus(gpus, ret->gres[i].count);
    cpus = TD_MAX(cpus, times(gpus, s->cpus_per_gpu));
    ret->cpus = (uint32_t)TD_MIN(cpus, (uint64_t)UINT32_MAX);
    ret->memory_mb = plus(s->mem_mb, times(s->mem_mb_per_gpu, gpus));
    ret->memory_mb_per_cpu = s->mem_mb_per_cpu;
}

static bool refuse(struct td_lack *why, uint32_t refusal, uint64_t shortage)
{
    *why = (struct td_lack){refusal, shortage};
    return false;
}

static uint32_t free_cpus(const struct td_node *n, const struct td_pool *p)
{
    uint32_t sum = 0;

    for (uint32_t d = 0; d < n->ndomains; d++)
        sum += n->core_is_unit ? p->domains[d].whole_cpus : p->domains[d].cpus;
    return sum;
}

/* Memory is compared with the whole node's even where it is not consumed: no job may ask for more than there is. */
static bool memory_suffices(const struct td_node *n, const struct td_pool *p, uint64_t want, struct td_lack *why)
{
    uint64_t there = n->memory_counts ? p->memory_mb : n->inv.memory_mb;

    return want <= there || refuse(why, TD_REFUSAL_MEMORY, want - there);
}

static bool gres_suffices(const struct td_node *n, const struct td_pool *p, const struct td_need_gres *g, struct td_lack *why)
{
    uint64_t there = 0;
    bool known = false;

    for (uint32_t s = 0; s < n->inv.gres.n; s++)
        if (td_stock_serves(&n->inv.gres.v[s], g)) {
            known = true;
            there += p->stocks[s].free;
        }
    if (!known)
        return refuse(why, TD_REFUSAL_GRES_TYPE, g->count);
    return g->count <= there || refuse(why, TD_REFUSAL_GRES, g->count - there);
}

static bool amounts_suffice(const struct td_node *n, const struct td_pool *p, const struct td_need *need, struct td_lack *why)
{
    for (uint32_t i = 0; i < need->ngres; i++)
        if (!gres_suffices(n, p, &need->gres[i], why))
            return false;
    if (need->exclusive && p->holdings > 0)
        return refuse(why, TD_REFUSAL_EXCLUSIVE, p->holdings);
    if (need->tmp_mb > p->tmp_mb)
        return refuse(why, TD_REFUSAL_TMP, need->tmp_mb - p->tmp_mb);
    uint32_t free = free_cpus(n, p);
    if (need->cpus > free)
        return refuse(why, TD_REFUSAL_CPUS, need->cpus - free);
    if (need->memory_all && n->memory_counts && p->memory_mb < n->inv.memory_mb)
        return refuse(why, TD_REFUSAL_MEMORY, n->inv.memory_mb - p->memory_mb);
    uint64_t least = plus(need->memory_mb, times(need->memory_mb_per_cpu, need->cpus));
    return need->memory_all || memory_suffices(n, p, least, why);
}

struct gres_choice {
    uint8_t devices[TD_MAX_GRES_KINDS][TD_DEVICE_BITS_BYTES];
    uint64_t counts[TD_MAX_GRES_KINDS];
};

/* Countables come from the stocks in their order. */
static uint64_t choose_countables(const struct td_node *n, const struct td_pool *p, const struct td_need_gres *g, struct gres_choice *gc)
{
    uint64_t want = g->count;

    for (uint32_t s = 0; s < n->inv.gres.n && want > 0; s++) {
        if (n->inv.gres.v[s].devices.n > 0 || !td_stock_serves(&n->inv.gres.v[s], g))
            continue;
        uint64_t take = TD_MIN(want, p->stocks[s].free - gc->counts[s]);
        gc->counts[s] += take;
        want -= take;
    }
    return want;
}

static bool choose_gres(const struct td_node *n, const struct td_pool *p, const struct td_need *need, struct gres_choice *gc,
                        uint8_t *near, bool *near_any, struct td_choice *choice, struct td_lack *why)
{
    for (uint32_t i = 0; i < need->ngres; i++) {
        struct td_need_gres rest = need->gres[i];
        rest.count = choose_countables(n, p, &rest, gc);
        if (rest.count == 0)
            continue;
        if (rest.count > TD_MAX_DEVICES_PER_NODE ||
            !td_choose_devices(n, p, &rest, need->cpus, gc->devices, near, near_any, choice))
            return refuse(why, TD_REFUSAL_GRES, rest.count);
    }
    for (uint32_t s = 0; s < n->inv.gres.n; s++)
        if (n->inv.gres.v[s].devices.n > 0)
            gc->counts[s] = td_bits_count(gc->devices[s], TD_DEVICE_BITS_BYTES);
    return true;
}

/* Who has the node for himself has all its devices, whatever he asked for. */
static void choose_all_gres(const struct td_node *n, const struct td_pool *p, struct gres_choice *gc)
{
    for (uint32_t s = 0; s < n->inv.gres.n; s++) {
        gc->counts[s] = p->stocks[s].free;
        if (n->inv.gres.v[s].devices.n > 0) {
            memcpy(gc->devices[s], p->stocks[s].devices, TD_DEVICE_BITS_BYTES);
            gc->counts[s] = td_bits_count(gc->devices[s], TD_DEVICE_BITS_BYTES);
        }
    }
}

static struct td_bin trimmed(struct td_arena *a, const uint8_t *bits, uint32_t nbytes)
{
    while (nbytes > 0 && bits[nbytes - 1] == 0)
        nbytes--;
    return (struct td_bin){nbytes ? td_arena_dup(a, bits, nbytes) : NULL, nbytes};
}

static struct td_gres_held_list held_gres(const struct td_node *n, const struct gres_choice *gc, struct td_arena *a)
{
    uint32_t count = 0;

    for (uint32_t s = 0; s < n->inv.gres.n; s++)
        count += gc->counts[s] > 0;
    if (count == 0)
        return (struct td_gres_held_list){0};
    struct td_gres_held *v = td_arena_alloc(a, count * sizeof(*v));
    uint32_t at = 0;
    for (uint32_t s = 0; s < n->inv.gres.n; s++) {
        if (gc->counts[s] == 0)
            continue;
        v[at++] = (struct td_gres_held){
            .name = n->inv.gres.v[s].name,
            .type = n->inv.gres.v[s].type,
            .count = gc->counts[s],
            .devices = trimmed(a, gc->devices[s], TD_DEVICE_BITS_BYTES),
        };
    }
    return (struct td_gres_held_list){v, count};
}

bool td_place(const struct td_node *n, struct td_pool *p, struct td_scan *scan, const struct td_need *need, struct td_arena *a,
              struct td_placement *ret, struct td_choice *choice, struct td_lack *why)
{
    uint8_t bits[TD_MAX_CPU_BYTES + 1];
    uint8_t near[TD_MAX_CPU_BYTES + 1];
    struct gres_choice gc;
    bool near_any = false;

    *choice = (struct td_choice){0};
    if (!amounts_suffice(n, p, need, why))
        return false;
    memset(bits, 0, n->nbytes + 1);
    if (need->ngres > 0) {
        memset(near, 0, n->nbytes + 1);
        memset(&gc, 0, sizeof(gc));
        if (!choose_gres(n, p, need, &gc, near, &near_any, choice, why))
            return false;
    }
    if (need->exclusive) {
        if (need->ngres == 0)
            memset(&gc, 0, sizeof(gc));
        choose_all_gres(n, p, &gc);
    }
    uint32_t want = need->exclusive ? free_cpus(n, p) : need->cpus;
    uint32_t cpus = td_choose_cpus(n, p, scan, want, need->ngres == 0, near_any ? near : NULL, bits, choice);
    if (cpus < want || cpus == 0)
        return refuse(why, TD_REFUSAL_CPUS, want - cpus);
    if (need->exclusive) { /* the whole node is as close as it can be */
        choice->domains = choice->domains_min = 1;
        choice->near_cpus = choice->cpus;
    }
    uint64_t memory = plus(need->memory_mb, times(need->memory_mb_per_cpu, cpus));
    if (need->memory_all || (need->exclusive && n->memory_counts))
        memory = n->inv.memory_mb;
    if (!memory_suffices(n, p, memory, why))
        return false;
    *ret = (struct td_placement){
        .node = n->name,
        .tasks = need->tasks,
        .cpus = trimmed(a, bits, n->nbytes),
        .memory_mb = memory,
        .tmp_mb = need->tmp_mb,
    };
    if (need->ngres > 0 || need->exclusive)
        ret->gres = held_gres(n, &gc, a);
    bool all = td_pool_take(n, p, ret);
    TD_ASSERT(all);
    return true;
}
