/* trim.c - a node's part of a job on several nodes: what it is worth, and what of it nobody asked for
 *
 * A worker bids as much as it can hold. The last node of a job that spreads may so have bid more than is left to place:
 * tasks, their CPUs and memory, devices. The rest of it stays free. */
#include <string.h>

#include "broker/core/state.h"

static bool is_kind(const struct td_gres_need *need, const struct td_gres_held *held)
{
    return td_str_equal(need->name, held->name) && (td_str_empty(need->type) || td_str_equal(need->type, held->type));
}

uint64_t core_whole_of(const struct td_shape *shape)
{
    uint64_t shared = td_shape_shared(shape);
    return shared ? shared : shape->ntasks;
}

uint64_t core_part_of(const struct td_shape *shape, const struct td_placement *p)
{
    uint64_t sum = 0;
    if (!td_shape_shared(shape))
        return p->tasks;
    for (uint32_t i = 0; i < p->gres.n; i++)
        sum += is_kind(&shape->gres_job.v[0], &p->gres.v[i]) ? p->gres.v[i].count : 0;
    return sum;
}

static uint32_t take_cpus(const struct td_bin *core, const struct td_placement *p, bool whole, uint32_t want, uint8_t *v)
{
    uint32_t took = 0;
    for (int64_t cpu = td_bits_next(core->v, core->n, 0); cpu >= 0;
         cpu = td_bits_next(core->v, core->n, (uint32_t)cpu + 1)) {
        if (!td_bits_get(p->cpus.v, p->cpus.n, (uint32_t)cpu) || td_bits_get(v, p->cpus.n, (uint32_t)cpu) ||
            (took >= want && !whole))
            continue;
        td_bits_set(v, (uint32_t)cpu);
        took++;
    }
    return took;
}

/* The CPUs close to the devices it keeps go first. */
static uint32_t keep_cpus(struct td_core *c, const struct td_inventory *inv, struct td_placement *p,
                          uint32_t want)
{
    uint8_t *v = td_arena_alloc(&c->wake, p->cpus.n + 1), near[TD_MAX_CPU_BYTES] = {0};
    uint32_t have = 0;
    for (uint32_t i = 0; i < inv->gres.n; i++) {
        for (uint32_t k = 0; k < p->gres.n; k++) {
            const struct td_gres_stock *stock = &inv->gres.v[i];
            const struct td_gres_held *held = &p->gres.v[k];
            if (!td_str_equal(stock->name, held->name) || !td_str_equal(stock->type, held->type))
                continue;
            for (uint32_t d = 0; d < stock->devices.n; d++) {
                const struct td_device *dev = &stock->devices.v[d];
                for (uint32_t x = 0; x < dev->cpus.n && td_bits_get(held->devices.v, held->devices.n, dev->index); x++)
                    near[x] |= dev->cpus.v[x];
            }
        }
    }
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < inv->cores.n && have < want; i++) {
            const struct td_bin *core = &inv->cores.v[i].cpus;
            if (pass == 0 && !td_bits_overlap((struct td_bin){near, sizeof(near)}, *core))
                continue;
            have += take_cpus(core, p, c->settings.core_is_unit, want - have, v);
        }
    }
    if (have < want)
        return 0;
    p->cpus = (struct td_bin){v, p->cpus.n};
    return have;
}

/* What of this kind the node's part of the job wants; with a type only of that. */
static uint64_t wanted(const struct td_shape *shape, uint32_t tasks, uint64_t shared, const char *name, const char *type)
{
    const struct td_gres_need_list *lists[] = {&shape->gres, &shape->gres_task, &shape->gres_job};
    const uint64_t times[] = {1, tasks, 0};
    uint64_t sum = 0;
    for (uint32_t l = 0; l < TD_ARRAY_LEN(lists); l++) {
        for (uint32_t i = 0; i < lists[l]->n; i++) {
            const struct td_gres_need *g = &lists[l]->v[i];
            if (!td_str_equal(g->name, name) || (type && !td_str_equal(g->type, type)))
                continue;
            sum += l == 2 ? shared : g->count * times[l];
        }
    }
    return sum;
}

static struct td_bin first_bits(struct td_arena *a, struct td_bin bits, uint64_t n)
{
    uint8_t *v = td_arena_alloc(a, bits.n + 1);
    int64_t bit = td_bits_next(bits.v, bits.n, 0);
    for (uint64_t i = 0; i < n && bit >= 0; i++) {
        td_bits_set(v, (uint32_t)bit);
        bit = td_bits_next(bits.v, bits.n, (uint32_t)bit + 1);
    }
    return (struct td_bin){v, bits.n};
}

/* Gives back what of the placement's devices nobody asked for; a model that was asked for by name keeps its count. */
static void keep_devices(struct td_core *c, const struct td_shape *shape, struct td_placement *p, uint64_t shared)
{
    struct td_gres_held *v = td_arena_alloc(&c->wake, (p->gres.n + 1) * sizeof(*v));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->gres.n; i++)
        v[i] = p->gres.v[i];
    for (uint32_t i = p->gres.n; i-- > 0;) {
        uint64_t held = 0, all = wanted(shape, p->tasks, shared, v[i].name, NULL);
        for (uint32_t k = 0; k < p->gres.n; k++)
            held += td_str_equal(v[k].name, v[i].name) ? v[k].count : 0;
        uint64_t named = td_str_empty(v[i].type) ? 0 : wanted(shape, p->tasks, shared, v[i].name, v[i].type);
        uint64_t cut = TD_MIN(held > all ? held - all : 0, v[i].count > named ? v[i].count - named : 0);
        if (cut == 0)
            continue;
        v[i].count -= cut;
        if (v[i].devices.n)
            v[i].devices = first_bits(&c->wake, v[i].devices, v[i].count);
    }
    for (uint32_t i = 0; i < p->gres.n; i++) {
        if (v[i].count)
            v[kept++] = v[i];
    }
    p->gres = (struct td_gres_held_list){v, kept};
}

void core_part_trim(struct td_core *c, const struct td_shape *shape, uint32_t node, struct td_placement *p,
                    uint32_t tasks, uint64_t shared)
{
    if (p->tasks <= tasks && (!td_shape_shared(shape) || core_part_of(shape, p) <= shared))
        return;
    p->tasks = TD_MIN(p->tasks, tasks);
    if (shape->exclusive)
        return;
    keep_devices(c, shape, p, shared);
    uint64_t gpus = wanted(shape, p->tasks, shared, "gpu", NULL);
    uint64_t cpus = TD_MAX((uint64_t)p->tasks * TD_MAX(shape->cpus_per_task, 1u), gpus * shape->cpus_per_gpu);
    uint32_t before = td_bits_count(p->cpus.v, p->cpus.n), after = before;
    if (cpus < before)
        after = keep_cpus(c, c->nodes.v[node]->inv, p, (uint32_t)cpus);
    if (!shape->mem_all && (shape->mem_mb_per_cpu || shape->mem_mb_per_gpu))
        p->memory_mb = TD_MIN(p->memory_mb, shape->mem_mb + shape->mem_mb_per_gpu * gpus +
                                                shape->mem_mb_per_cpu * (after ? after : before));
}
