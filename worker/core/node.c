/* node.c - a machine as tables and what is held of it
 *
 * Owns: struct td_node, its copy of the inventory and of every placement held.
 * Invariant: base pool = empty pool minus the holdings. Holdings normally share nothing; after an adoption on a changed
 * inventory they may (`overlapping`), and then giving one back rebuilds the base pool from those that are left. */
#include "worker/core/pool.h"

#include <string.h>

static uint64_t attempt_key(uint32_t job, uint32_t attempt)
{
    return (uint64_t)job << 32 | attempt;
}

struct td_node *td_node_new(void)
{
    struct td_node *n = td_alloc(sizeof(*n));

    n->health = 1000;
    return n;
}

static void holding_destroy(struct td_holding *h)
{
    td_arena_release(&h->arena);
    td_free(h);
}

void td_node_destroy(struct td_node **p)
{
    struct td_node *n = *p;

    if (!n)
        return;
    for (uint32_t i = 0; i < n->holdings.n; i++)
        holding_destroy(n->holdings.v[i]);
    td_vec_release(&n->holdings);
    td_map_release(&n->by_attempt);
    td_arena_release(&n->arena);
    td_arena_release(&n->partitions_arena);
    td_free(n->name);
    td_free(n);
    *p = NULL;
}

/* --- tables from the inventory ----------------------------------------------------------------------------------- */

static uint32_t highest_cpu_bytes(const struct td_inventory *inv)
{
    uint32_t bytes = inv->cpus.n;

    for (uint32_t i = 0; i < inv->cores.n; i++)
        bytes = TD_MAX(bytes, inv->cores.v[i].cpus.n);
    return TD_MIN(bytes, (uint32_t)TD_MAX_CPU_BYTES);
}

static uint32_t domain_of(struct td_node *n, uint32_t package, uint32_t numa)
{
    for (uint32_t i = n->ndomains; i-- > 0;)
        if (n->domains[i].package == package && n->domains[i].numa == numa)
            return i;
    n->domains[n->ndomains] = (struct td_domain){.package = package, .numa = numa};
    return n->ndomains++;
}

static void add_core(struct td_node *n, uint32_t *used, struct td_bin cpus, uint32_t package, uint32_t numa)
{
    struct td_slot *core = &n->cores[n->ncores];
    uint32_t first = *used;

    for (int64_t cpu = td_bits_next(cpus.v, cpus.n, 0); cpu >= 0; cpu = td_bits_next(cpus.v, cpus.n, (uint32_t)cpu + 1)) {
        if (cpu >= n->nbytes * 8 || td_bits_get(n->all_cpus, n->nbytes, (uint32_t)cpu))
            continue;
        if (n->inv.cpus.n > 0 && !td_bits_get(n->inv.cpus.v, n->inv.cpus.n, (uint32_t)cpu))
            continue; /* not usable */
        n->cpu_ids[(*used)++] = (uint16_t)cpu;
        n->core_of[cpu] = (uint16_t)n->ncores;
        td_bits_set(n->all_cpus, (uint32_t)cpu);
    }
    if (*used == first)
        return;
    *core = (struct td_slot){.first = first, .n = *used - first, .domain = domain_of(n, package, numa)};
    n->domains[core->domain].n++;
    n->domains[core->domain].cpus += core->n;
    n->ncores++;
}

static void make_cores(struct td_node *n)
{
    uint32_t cpus_max = n->nbytes * 8;
    uint32_t cores_max = n->inv.cores.n ? n->inv.cores.n : cpus_max;
    uint32_t used = 0;

    n->all_cpus = td_arena_alloc(&n->arena, n->nbytes + 1);
    n->cpu_ids = td_arena_alloc(&n->arena, (cpus_max + 1) * sizeof(*n->cpu_ids));
    n->core_of = td_arena_alloc(&n->arena, (cpus_max + 1) * sizeof(*n->core_of));
    memset(n->core_of, 0xff, (cpus_max + 1) * sizeof(*n->core_of));
    n->cores = td_arena_alloc(&n->arena, (cores_max + 1) * sizeof(*n->cores));
    n->domains = td_arena_alloc(&n->arena, (cores_max + 1) * sizeof(*n->domains));
    n->order = td_arena_alloc(&n->arena, (cores_max + 1) * sizeof(*n->order));
    n->ncores = n->ndomains = 0;
    for (uint32_t i = 0; i < n->inv.cores.n; i++) {
        const struct td_cpu_core *c = &n->inv.cores.v[i];
        add_core(n, &used, c->cpus, c->package, c->numa);
    }
    if (n->inv.cores.n == 0) { /* CPUs without a word on cores: each is one */
        uint8_t *one = td_arena_alloc(&n->arena, n->nbytes + 1);
        for (int64_t cpu = td_bits_next(n->inv.cpus.v, n->nbytes, 0); cpu >= 0;
             cpu = td_bits_next(n->inv.cpus.v, n->nbytes, (uint32_t)cpu + 1)) {
            td_bits_set(one, (uint32_t)cpu);
            add_core(n, &used, (struct td_bin){one, n->nbytes}, 0, 0);
            td_bits_clear(one, (uint32_t)cpu);
        }
    }
    n->ncpus = used;

    uint32_t at = 0;
    for (uint32_t d = 0; d < n->ndomains; d++) {
        n->domains[d].first = at;
        at += n->domains[d].n;
        n->domains[d].n = 0;
    }
    for (uint32_t c = 0; c < n->ncores; c++) {
        struct td_domain *d = &n->domains[n->cores[c].domain];
        n->order[d->first + d->n++] = c;
    }
}

static uint32_t isle_of(struct td_node *n, uint32_t stock, const struct td_device *d, uint32_t nbefore)
{
    for (uint32_t i = 0; i < nbefore; i++) {
        const struct td_dev *other = &n->devs[i];
        const struct td_gres_stock *of = &n->inv.gres.v[other->stock];
        if (!td_str_equal(of->name, n->inv.gres.v[stock].name))
            continue;
        for (uint32_t j = 0; j < of->devices.n; j++)
            if (of->devices.v[j].index == other->index && of->devices.v[j].island == d->island)
                return other->isle;
    }
    n->isles[n->nisles] = (struct td_isle){0};
    return n->nisles++;
}

/* Where a device is: the one domain or package its CPUs lie in, if they lie in one. */
static void place_device(struct td_node *n, struct td_dev *dev, struct td_bin cpus)
{
    uint8_t *mine = td_arena_alloc(&n->arena, n->nbytes + 1);
    uint32_t count = 0;

    dev->domain = dev->package = TD_NOWHERE;
    bool one_domain = true, one_package = true;
    for (int64_t cpu = td_bits_next(cpus.v, cpus.n, 0); cpu >= 0; cpu = td_bits_next(cpus.v, cpus.n, (uint32_t)cpu + 1)) {
        if (!td_slot_has_cpu(n, (uint32_t)cpu))
            continue;
        uint32_t d = n->cores[n->core_of[cpu]].domain;
        one_domain = one_domain && (count == 0 || dev->domain == d);
        one_package = one_package && (count == 0 || dev->package == n->domains[d].package);
        dev->domain = d;
        dev->package = n->domains[d].package;
        td_bits_set(mine, (uint32_t)cpu);
        count++;
    }
    if (!one_domain || count == 0)
        dev->domain = TD_NOWHERE;
    if (!one_package || count == 0)
        dev->package = TD_NOWHERE;
    if (count > 0 && count < n->ncpus)
        dev->cpus = mine;
    if (dev->domain != TD_NOWHERE && dev->cpus)
        n->domains[dev->domain].devices++;
}

static void make_devices(struct td_node *n)
{
    uint32_t total = 0;

    for (uint32_t s = 0; s < n->inv.gres.n; s++)
        total += n->inv.gres.v[s].devices.n;
    n->devs = td_arena_alloc(&n->arena, (total + 1) * sizeof(*n->devs));
    n->isles = td_arena_alloc(&n->arena, (total + 1) * sizeof(*n->isles));
    n->ndevs = n->nisles = 0;
    for (uint32_t s = 0; s < n->inv.gres.n; s++) {
        const struct td_gres_stock *stock = &n->inv.gres.v[s];
        for (uint32_t i = 0; i < stock->devices.n; i++) {
            if (stock->devices.v[i].index > TD_MAX_DEVICES_PER_NODE)
                continue;
            struct td_dev *dev = &n->devs[n->ndevs];
            *dev = (struct td_dev){.stock = s, .index = stock->devices.v[i].index};
            dev->isle = isle_of(n, s, &stock->devices.v[i], n->ndevs);
            n->isles[dev->isle].size++;
            place_device(n, dev, stock->devices.v[i].cpus);
            n->ndevs++;
        }
    }
}

static void fill_empty(struct td_node *n)
{
    struct td_pool *p = &n->empty;

    memcpy(p->cpus, n->all_cpus, n->nbytes);
    for (uint32_t c = 0; c < n->ncores; c++)
        p->cores[c] = (uint16_t)n->cores[c].n;
    for (uint32_t d = 0; d < n->ndomains; d++)
        p->domains[d] = (struct td_pool_domain){n->domains[d].cpus, n->domains[d].cpus, n->domains[d].n};
    for (uint32_t s = 0; s < n->inv.gres.n; s++)
        p->stocks[s].free = n->inv.gres.v[s].count;
    for (uint32_t i = 0; i < n->ndevs; i++)
        td_bits_set(p->stocks[n->devs[i].stock].devices, n->devs[i].index);
    for (uint32_t s = 0; s < n->inv.gres.n; s++)
        if (n->inv.gres.v[s].devices.n > 0)
            p->stocks[s].free = td_bits_count(p->stocks[s].devices, TD_DEVICE_BITS_BYTES);
    p->memory_mb = n->inv.memory_mb;
    p->tmp_mb = n->inv.tmp_mb;
}

static void rebuild_base(struct td_node *n)
{
    td_pool_copy(n, &n->base, &n->empty);
    n->overlapping = false;
    for (uint32_t i = 0; i < n->holdings.n; i++)
        if (!td_pool_take(n, &n->base, &n->holdings.v[i]->place))
            n->overlapping = true;
}

void td_node_set(struct td_node *n, const char *name, const struct td_inventory *inv, bool core_is_unit, bool memory_counts)
{
    struct td_arena old = n->arena; /* inv may be our own copy */
    char *new_name = td_strdup(name ? name : "");

    td_free(n->name);
    n->name = new_name;
    n->arena = (struct td_arena){0};
    struct td_inventory copy;
    td_record_copy(&n->arena, &td_rec_inventory, inv, &copy);
    if (copy.gres.n > TD_MAX_GRES_KINDS)
        copy.gres.n = TD_MAX_GRES_KINDS;
    n->inv = copy;
    n->core_is_unit = core_is_unit;
    n->memory_counts = memory_counts;
    n->nbytes = highest_cpu_bytes(&n->inv);
    make_cores(n);
    make_devices(n);
    td_pool_init(n, &n->arena, &n->empty);
    td_pool_init(n, &n->arena, &n->base);
    fill_empty(n);
    rebuild_base(n);
    n->version++;
    td_arena_release(&old);
}

void td_node_set_draining(struct td_node *n, bool draining)
{
    if (n->draining != draining)
        n->version++;
    n->draining = draining;
}

void td_node_set_health(struct td_node *n, uint32_t health)
{
    health = TD_MIN(health, 1000u);
    if (n->health != health)
        n->version++;
    n->health = health;
}

void td_node_set_partitions(struct td_node *n, struct td_strs partitions)
{
    td_arena_reset(&n->partitions_arena);
    const char **v = td_arena_alloc(&n->partitions_arena, (partitions.n + 1) * sizeof(*v));
    for (uint32_t i = 0; i < partitions.n; i++)
        v[i] = td_arena_strdup(&n->partitions_arena, partitions.v[i]);
    n->partitions = (struct td_strs){v, partitions.n};
    n->version++;
}

const struct td_inventory *td_node_inventory(const struct td_node *n)
{
    return &n->inv;
}

uint64_t td_node_version(const struct td_node *n)
{
    return n->version;
}

uint32_t td_node_held(const struct td_node *n)
{
    return n->holdings.n;
}

/* --- holdings ---------------------------------------------------------------------------------------------------- */

uint32_t td_node_covers(const struct td_node *n, const struct td_placement *p)
{
    if (!td_str_empty(p->node) && !td_str_equal(p->node, n->name))
        return TD_REFUSAL_NAME;
    return td_pool_covers(n, &n->base, p);
}

void td_node_take(struct td_node *n, uint32_t job, uint32_t attempt, const struct td_placement *p)
{
    TD_ASSERT(!td_map_get(&n->by_attempt, attempt_key(job, attempt)));
    struct td_holding *h = td_alloc(sizeof(*h));
    h->job = job;
    h->attempt = attempt;
    h->at = n->holdings.n;
    td_record_copy(&h->arena, &td_rec_placement, p, &h->place);
    td_vec_push(&n->holdings, h);
    td_map_put(&n->by_attempt, attempt_key(job, attempt), h);
    if (!td_pool_take(n, &n->base, &h->place))
        n->overlapping = true;
    n->version++;
}

bool td_node_give(struct td_node *n, uint32_t job, uint32_t attempt)
{
    struct td_holding *h = td_map_del(&n->by_attempt, attempt_key(job, attempt));

    if (!h)
        return false;
    struct td_holding *last = n->holdings.v[--n->holdings.n];
    n->holdings.v[h->at] = last;
    last->at = h->at;
    if (n->overlapping)
        rebuild_base(n);
    else
        td_pool_give(n, &n->base, &h->place);
    holding_destroy(h);
    n->version++;
    return true;
}
