/* machine.c - packages, NUMA nodes, cores and memory out of hwloc
 *
 * Cores are listed by package, then NUMA node, then hwloc's logical order: neighbours in the list are neighbours in
 * the machine. A NUMA node counts when it owns cores; memory-only ones (HBM, CXL) add to the memory, that of GPUs does
 * not. Package numbers are hwloc's logical ones (OS numbers may be anything), NUMA and CPU numbers the OS's. */
#include "worker/topo/found.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint8_t *found_bits(struct found *f)
{
    return td_arena_alloc(f->a, TD_MAX_CPU_BYTES);
}

struct td_bin found_bin(struct found *f, const uint8_t *bits)
{
    uint32_t n = TD_MAX_CPU_BYTES;

    while (n > 0 && bits[n - 1] == 0)
        n--;
    return (struct td_bin){n > 0 ? td_arena_dup(f->a, bits, n) : NULL, n};
}

uint32_t found_cpus(const struct found *f, uint8_t *ret_bits)
{
    for (uint32_t c = 0; c < f->ncores; c++)
        for (uint32_t b = 0; b < f->cores[c].cpus.n; b++)
            ret_bits[b] |= f->cores[c].cpus.v[b];
    return td_bits_count(ret_bits, TD_MAX_CPU_BYTES);
}

int machine_cpuset(struct found *f, hwloc_const_cpuset_t set, struct td_bin *ret, struct td_error *err)
{
    uint8_t bits[TD_MAX_CPU_BYTES] = {0};
    int cpu;

    for (cpu = hwloc_bitmap_first(set); cpu >= 0; cpu = hwloc_bitmap_next(set, cpu)) {
        if (cpu >= TD_MAX_CPUS_PER_NODE)
            return td_fail(err, TD_E_TOPOLOGY, "the machine has a CPU number %d, the highest possible is %d", cpu,
                           TD_MAX_CPUS_PER_NODE - 1);
        td_bits_set(bits, (uint32_t)cpu);
    }
    *ret = found_bin(f, bits);
    return 0;
}

/* --- which topology ---------------------------------------------------------------------------------------------- */

/* A bare number is so many cores side by side: hwloc would take seconds to describe a few thousand of them, so it is
 * shown one and layout.c makes the others. */
static int open_synthetic(hwloc_topology_t t, const char *what, uint32_t *ret_flat, struct td_error *err)
{
    const char *description = what + strlen("synthetic:");
    uint64_t n = 0;

    if (td_parse_u64(description, &n)) {
        if (n == 0 || n > TD_MAX_CPUS_PER_NODE)
            return td_fail(err, TD_E_TOPOLOGY, "%s: the number of CPUs must be between 1 and %d", what, TD_MAX_CPUS_PER_NODE);
        *ret_flat = (uint32_t)n;
        description = "pack:1 core:1 pu:1";
    }
    if (hwloc_topology_set_synthetic(t, description) < 0)
        return td_fail(err, TD_E_TOPOLOGY, "%s: not a topology that hwloc understands (try \"synthetic:pack:2 core:8 pu:2\")", what);
    return 0;
}

/* EINVAL: there is no such component here (plugins are a package of their own), so there is nothing to leave out. */
static int leave_out(hwloc_topology_t t, const char *component, struct td_error *err)
{
    if (hwloc_topology_set_components(t, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, component) < 0 && errno != EINVAL)
        return td_fail(err, TD_E_TOPOLOGY, "hwloc: component %s: %s", component, strerror(errno));
    return 0;
}

static int open_topology(hwloc_topology_t t, const char *what, uint32_t *ret_flat, struct td_error *err)
{
    /* not asked: X servers, which know nothing that a job needs; libpciaccess, which leaks and knows no more than sysfs */
    int r = leave_out(t, "gl", err);
    if (r == 0)
        r = leave_out(t, "pci", err);
    if (r < 0)
        return r;
    /* caches stay: where a NUMA node hangs below one, leaving it out would merge the node with its neighbours */
    hwloc_topology_set_io_types_filter(t, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    if (td_str_empty(what))
        return 0;
    if (td_str_prefix(what, "synthetic:"))
        return open_synthetic(t, what, ret_flat, err);
    if (access(what, R_OK) < 0)
        return td_fail(err, TD_E_TOPOLOGY, "%s: %s", what, strerror(errno));
    if (hwloc_topology_set_xml(t, what) < 0)
        return td_fail(err, TD_E_TOPOLOGY, "%s: not a topology file that hwloc can read", what);
    return 0;
}

/* --- NUMA nodes and cores ---------------------------------------------------------------------------------------- */

struct numa_seen {
    hwloc_obj_t obj;
    bool owns;         /* some core is its own */
    uint32_t package;  /* of its first core */
};

static bool numa_is_gpus(hwloc_obj_t numa)
{
    return td_str_equal(numa->subtype, "GPUMemory") || hwloc_bitmap_iszero(numa->cpuset);
}

static uint32_t package_of(hwloc_topology_t t, hwloc_obj_t obj)
{
    hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(t, HWLOC_OBJ_PACKAGE, obj);

    return package ? package->logical_index : 0;
}

struct core_seen {
    hwloc_obj_t obj;
    uint32_t package, numa, order;
};

static int core_order(const void *x, const void *y)
{
    const struct core_seen *a = x, *b = y;

    if (a->package != b->package)
        return a->package < b->package ? -1 : 1;
    if (a->numa != b->numa)
        return a->numa < b->numa ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static int read_cores(struct found *f, hwloc_topology_t t, struct numa_seen *numas, uint32_t nnumas, struct td_error *err)
{
    hwloc_obj_type_t type = hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    uint32_t n = (uint32_t)TD_MAX(hwloc_get_nbobjs_by_type(t, type), 0);
    struct core_seen *seen = td_arena_alloc(f->a, (n + 1) * sizeof(*seen));
    uint32_t used = 0;

    for (uint32_t i = 0; i < n; i++) {
        hwloc_obj_t obj = hwloc_get_obj_by_type(t, type, i);
        if (hwloc_bitmap_iszero(obj->cpuset))
            continue;
        uint32_t numa = 0;
        while (numa < nnumas && !(hwloc_bitmap_isincluded(obj->cpuset, numas[numa].obj->cpuset) && !numa_is_gpus(numas[numa].obj)))
            numa++;
        seen[used++] = (struct core_seen){obj, package_of(t, obj), numa, i};
    }
    if (used == 0)
        return td_fail(err, TD_E_TOPOLOGY, "the topology has no CPUs");
    if (used > TD_MAX_CPUS_PER_NODE)
        return td_fail(err, TD_E_TOPOLOGY, "the topology has %u cores, the most possible is %d", used, TD_MAX_CPUS_PER_NODE);
    qsort(seen, used, sizeof(*seen), core_order);
    f->cores = td_arena_alloc(f->a, used * sizeof(*f->cores));
    for (uint32_t i = 0; i < used; i++) {
        struct td_cpu_core *c = &f->cores[i];
        int r = machine_cpuset(f, seen[i].obj->cpuset, &c->cpus, err);
        if (r < 0)
            return r;
        c->package = seen[i].package;
        if (i == 0 || seen[i].package != seen[i - 1].package)
            f->packages++;
        if (seen[i].numa == nnumas)
            continue; /* a core without a NUMA node: 0 */
        struct numa_seen *numa = &numas[seen[i].numa];
        if (!numa->owns)
            numa->package = c->package;
        numa->owns = true;
        c->numa = numa->obj->os_index;
    }
    f->ncores = used;
    return 0;
}

static int read_numas(struct found *f, struct numa_seen *numas, uint32_t nnumas, struct td_error *err)
{
    uint64_t memory = 0;

    f->numas = td_arena_alloc(f->a, (nnumas + 1) * sizeof(*f->numas));
    for (uint32_t i = 0; i < nnumas; i++) {
        hwloc_obj_t obj = numas[i].obj;
        if (!numa_is_gpus(obj))
            memory += obj->attr->numanode.local_memory;
        if (!numas[i].owns)
            continue;
        if (f->nnumas == TD_MAX_NUMA_PER_NODE)
            return td_fail(err, TD_E_TOPOLOGY, "the topology has more than %d NUMA nodes", TD_MAX_NUMA_PER_NODE);
        struct td_numa *numa = &f->numas[f->nnumas++];
        int r = machine_cpuset(f, obj->cpuset, &numa->cpus, err);
        if (r < 0)
            return r;
        numa->index = obj->os_index;
        numa->memory_mb = obj->attr->numanode.local_memory >> 20;
        numa->package = numas[i].package;
    }
    f->memory_mb = memory >> 20;
    return 0;
}

static const char *info_of(struct found *f, hwloc_topology_t t, const char *name)
{
    const char *value = hwloc_obj_get_info_by_name(hwloc_get_root_obj(t), name);

    return value ? td_arena_strdup(f->a, value) : "";
}

/* hwloc gives a described NUMA node 1 GB when the description is silent; a file may be silent too. */
static bool memory_is_told(const char *what)
{
    return !what || !td_str_prefix(what, "synthetic:") || strstr(what, "memory=");
}

static int read_loaded(struct found *f, hwloc_topology_t t, const struct td_topo_params *p, struct td_error *err)
{
    uint32_t n = (uint32_t)TD_MAX(hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE), 0);
    struct numa_seen *numas = td_arena_alloc(f->a, (n + 1) * sizeof(*numas));

    for (uint32_t i = 0; i < n; i++)
        numas[i].obj = hwloc_get_obj_by_type(t, HWLOC_OBJ_NUMANODE, i);
    int r = read_cores(f, t, numas, n, err);
    if (r == 0)
        r = read_numas(f, numas, n, err);
    if (r == 0)
        r = gpus_read(f, t, err);
    if (r < 0)
        return r;
    if (!memory_is_told(p->topology)) {
        f->memory_mb = 0;
        for (uint32_t i = 0; i < f->nnumas; i++)
            f->numas[i].memory_mb = 0;
    }
    f->hostname = info_of(f, t, "HostName");
    f->arch = info_of(f, t, "Architecture");
    const char *name = info_of(f, t, "OSName"), *release = info_of(f, t, "OSRelease");
    struct td_buf os = {0};
    td_buf_putf(&os, "%s%s%s", name, *name && *release ? " " : "", release);
    f->os = td_arena_strdup(f->a, td_buf_str(&os));
    td_buf_release(&os);
    return 0;
}

int machine_read(const struct td_topo_params *p, struct td_arena *a, struct found *ret, struct td_error *err)
{
    hwloc_topology_t t = NULL;
    uint32_t flat = 0;

    *ret = (struct found){.a = a, .live = td_str_empty(p->topology)};
    ret->real = ret->live && !p->pretend;
    ret->declared = !ret->live;
    if (hwloc_topology_init(&t) < 0)
        return td_fail(err, TD_E_TOPOLOGY, "hwloc: %s", strerror(errno));
    int r = open_topology(t, p->topology, &flat, err);
    if (r == 0 && hwloc_topology_load(t) < 0)
        r = td_fail(err, TD_E_TOPOLOGY, "%s: hwloc cannot load it: %s", ret->live ? "this machine" : p->topology, strerror(errno));
    if (r == 0)
        r = read_loaded(ret, t, p, err);
    if (r == 0 && flat > 0)
        layout_flat(ret, flat);
    hwloc_topology_destroy(t);
    return r;
}
