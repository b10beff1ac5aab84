/* layout.c - the CPUs as a NodeName line declares them
 *
 * What is declared and what is found may agree; fewer CPUs may be declared than there are, then the first ones in
 * placement order are used and binding stays real (as many as there are cores: one of each core, as Slurm reads it);
 * anything else is a pretended layout of its own: `declared`, no binding. */
#include "worker/topo/found.h"

struct layout {
    uint64_t cpus, sockets, cores, threads;
};

/* Fills in what is not given, from what is. */
static int complete(const struct td_topo_params *p, struct layout *l, struct td_error *err)
{
    *l = (struct layout){p->cpus, p->sockets, p->cores_per_socket, p->threads_per_core};
    if (l->cpus == 0) {
        l->sockets = TD_MAX(l->sockets, 1u);
        l->cores = TD_MAX(l->cores, 1u);
        l->threads = TD_MAX(l->threads, 1u);
        l->cpus = l->sockets * l->cores * l->threads;
        return 0;
    }
    uint64_t given = TD_MAX(l->sockets, 1u) * TD_MAX(l->cores, 1u) * TD_MAX(l->threads, 1u);
    bool all = l->sockets && l->cores && l->threads;
    if ((!all && l->cpus % given != 0) || (all && l->cpus != given && l->cpus != l->sockets * l->cores))
        return td_fail(err, TD_E_CONF, "CPUs=%lu does not go with Sockets=%lu CoresPerSocket=%lu ThreadsPerCore=%lu",
                       (unsigned long)l->cpus, (unsigned long)l->sockets, (unsigned long)l->cores, (unsigned long)l->threads);
    if (all)
        return 0;
    if (l->cores == 0)
        l->cores = l->cpus / given;
    else if (l->sockets == 0)
        l->sockets = l->cpus / given;
    else
        l->threads = l->cpus / given;
    l->sockets = TD_MAX(l->sockets, 1u);
    l->threads = TD_MAX(l->threads, 1u);
    return 0;
}

static bool cores_are_alike(const struct found *f, const struct layout *l)
{
    uint32_t in_package = 0;

    for (uint32_t i = 0; i < f->ncores; i++) {
        if (td_bits_count(f->cores[i].cpus.v, f->cores[i].cpus.n) != l->threads)
            return false;
        in_package = i > 0 && f->cores[i].package == f->cores[i - 1].package ? in_package + 1 : 1;
        if (in_package > l->cores)
            return false;
    }
    return f->packages == l->sockets && f->ncores == l->sockets * l->cores;
}

/* The first `want` CPUs, a core after the other, or the first of each core. */
static void keep_first(struct found *f, uint32_t want, bool one_each)
{
    uint32_t kept = 0, cores = 0;

    for (uint32_t i = 0; i < f->ncores && kept < want; i++) {
        uint8_t *bits = found_bits(f);
        struct td_bin all = f->cores[i].cpus;
        uint32_t here = 0;
        for (int64_t cpu = td_bits_next(all.v, all.n, 0); cpu >= 0 && kept < want && (!one_each || here == 0);
             cpu = td_bits_next(all.v, all.n, (uint32_t)cpu + 1)) {
            td_bits_set(bits, (uint32_t)cpu);
            kept++;
            here++;
        }
        f->cores[cores] = f->cores[i];
        f->cores[cores++].cpus = found_bin(f, bits);
    }
    f->ncores = cores;
}

static void recount_packages(struct found *f)
{
    f->packages = 0;
    for (uint32_t i = 0; i < f->ncores; i++)
        f->packages += i == 0 || f->cores[i].package != f->cores[i - 1].package;
}

/* Takes CPUs that are not used any more out of NUMA nodes and devices; a NUMA node left without any goes. */
static void narrow(struct found *f)
{
    uint8_t *all = found_bits(f);
    uint32_t kept = 0;

    found_cpus(f, all);
    for (uint32_t i = 0; i < f->nnumas; i++) {
        uint8_t *bits = found_bits(f);
        for (uint32_t b = 0; b < f->numas[i].cpus.n; b++)
            bits[b] = f->numas[i].cpus.v[b] & all[b];
        f->numas[i].cpus = found_bin(f, bits);
        if (f->numas[i].cpus.n > 0)
            f->numas[kept++] = f->numas[i];
    }
    f->nnumas = kept;
    for (uint32_t i = 0; i < f->ngpus; i++) {
        struct td_bin *cpus = &f->gpus[i].device.cpus;
        uint8_t *bits = found_bits(f);
        for (uint32_t b = 0; b < cpus->n; b++)
            bits[b] = cpus->v[b] & all[b];
        *cpus = found_bin(f, bits);
    }
}

static void move_gpus(struct found *f, uint32_t packages_found, const uint32_t *gpu_package)
{
    for (uint32_t i = 0; i < f->ngpus; i++) {
        uint8_t *bits = found_bits(f);
        bool same = packages_found == f->packages;
        for (uint32_t c = 0; same && c < f->ncores; c++)
            for (uint32_t b = 0; f->cores[c].package == gpu_package[i] && b < f->cores[c].cpus.n; b++)
                bits[b] |= f->cores[c].cpus.v[b];
        f->gpus[i].device.cpus = found_bin(f, bits);
        f->gpus[i].device.numa = same ? gpu_package[i] : 0;
    }
}

static uint32_t package_of_cpus(const struct found *f, struct td_bin cpus)
{
    for (uint32_t i = 0; i < f->ncores; i++)
        if (td_bits_overlap(f->cores[i].cpus, cpus))
            return f->cores[i].package;
    return 0;
}

/* A machine made up: CPU numbers in order, a NUMA node for each socket, memory in equal parts. */
static void pretend(struct found *f, const struct layout *l)
{
    uint32_t gpu_package[TD_MAX_DEVICES_PER_NODE], packages = f->packages;
    uint32_t ncores = (uint32_t)(l->sockets * l->cores), cpu = 0;

    for (uint32_t i = 0; i < f->ngpus; i++)
        gpu_package[i] = package_of_cpus(f, f->gpus[i].device.cpus);
    f->declared = true;
    f->cores = td_arena_alloc(f->a, ncores * sizeof(*f->cores));
    f->ncores = ncores;
    f->packages = (uint32_t)l->sockets;
    f->nnumas = (uint32_t)TD_MIN(l->sockets, (uint64_t)TD_MAX_NUMA_PER_NODE);
    f->numas = td_arena_alloc(f->a, f->nnumas * sizeof(*f->numas));
    for (uint32_t s = 0; s < l->sockets; s++) {
        uint8_t *of_socket = found_bits(f);
        for (uint32_t c = 0; c < l->cores; c++) {
            uint8_t *of_core = found_bits(f);
            for (uint32_t t = 0; t < l->threads; t++, cpu++) {
                td_bits_set(of_core, cpu);
                td_bits_set(of_socket, cpu);
            }
            f->cores[s * l->cores + c] = (struct td_cpu_core){.cpus = found_bin(f, of_core), .numa = TD_MIN(s, f->nnumas - 1), .package = s};
        }
        if (s < f->nnumas)
            f->numas[s] = (struct td_numa){s, found_bin(f, of_socket), f->memory_mb / f->nnumas, s};
    }
    move_gpus(f, packages, gpu_package);
}

void layout_flat(struct found *f, uint32_t cores)
{
    pretend(f, &(struct layout){.cpus = cores, .sockets = 1, .cores = cores, .threads = 1});
}

int layout_declare(const struct td_topo_params *p, struct found *f, struct td_error *err)
{
    struct layout l;
    uint8_t bits[TD_MAX_CPU_BYTES] = {0};
    uint32_t there = found_cpus(f, bits);
    bool shaped = p->sockets || p->cores_per_socket || p->threads_per_core;

    if (!shaped && (p->cpus == 0 || p->cpus == there))
        return 0;
    if (!shaped && p->cpus < there) {
        keep_first(f, p->cpus, p->cpus == f->ncores);
        narrow(f);
        recount_packages(f);
        return 0;
    }
    int r = complete(p, &l, err);
    if (r < 0)
        return r;
    if (l.sockets * l.cores * l.threads > TD_MAX_CPUS_PER_NODE || l.sockets > TD_MAX_CPUS_PER_NODE || l.cores > TD_MAX_CPUS_PER_NODE)
        return td_fail(err, TD_E_CONF, "more than %d CPUs are declared: Sockets=%lu CoresPerSocket=%lu ThreadsPerCore=%lu",
                       TD_MAX_CPUS_PER_NODE, (unsigned long)l.sockets, (unsigned long)l.cores, (unsigned long)l.threads);
    bool one_each = l.cpus == l.sockets * l.cores && l.threads > 1;
    if (shaped && cores_are_alike(f, &l)) {
        if (one_each) {
            keep_first(f, (uint32_t)l.cpus, true);
            narrow(f);
        }
        return 0;
    }
    if (one_each)
        l.threads = 1;
    pretend(f, &l);
    return 0;
}
