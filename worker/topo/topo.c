/* topo.c - a node's inventory: the machine, what is declared of it, its devices, and a few facts of the host */
#include "worker/topo/found.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

static uint64_t host_memory_mb(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size >> 20 : 0;
}

/* The whole file system, as Slurm counts it, not what is free of it. */
static uint64_t host_tmp_mb(const char *path)
{
    struct statvfs fs;

    if (statvfs(td_str_empty(path) ? "/tmp" : path, &fs) < 0)
        return 0; /* it is not there: nothing to promise of it; a line that promises some drains the node */
    return (uint64_t)fs.f_blocks * fs.f_frsize >> 20;
}

static int64_t host_boot_ms(void)
{
    char line[256];
    int64_t boot_s = 0;
    FILE *in = fopen("/proc/stat", "re");

    if (!in)
        return 0; /* shown as unknown */
    while (boot_s == 0 && fgets(line, sizeof(line), in))
        if (td_str_prefix(line, "btime "))
            boot_s = strtoll(line + strlen("btime "), NULL, 10);
    fclose(in);
    return boot_s * 1000;
}

static void host_names(struct found *f)
{
    struct utsname u;

    if (uname(&u) < 0)
        return;
    f->hostname = td_arena_strdup(f->a, u.nodename); /* jobs run here, whatever the topology says */
    if (td_str_empty(f->arch))
        f->arch = td_arena_strdup(f->a, u.machine);
    if (td_str_empty(f->os)) {
        struct td_buf os = {0};
        td_buf_putf(&os, "%s %s", u.sysname, u.release);
        f->os = td_arena_strdup(f->a, td_buf_str(&os));
        td_buf_release(&os);
    }
}

/* What is declared, held against what there is. A pretended machine has what it is said to have. */
static uint64_t size_of(const struct td_topo_params *p, const struct found *f, uint64_t declared, uint64_t there)
{
    if (declared == 0)
        return there;
    return f->declared || p->believe_sizes ? declared : TD_MIN(declared, there);
}

static void set_memory(const struct td_topo_params *p, struct found *f)
{
    bool told = f->memory_mb > 0;

    if (!told)
        f->memory_mb = p->memory_unsaid_mb && !f->live ? p->memory_unsaid_mb : host_memory_mb();
    f->memory_mb = size_of(p, f, p->memory_mb, f->memory_mb);
    if (told && p->memory_mb == 0)
        return;
    for (uint32_t i = 0; i < f->nnumas; i++)
        f->numas[i].memory_mb = f->memory_mb / f->nnumas;
}

static void count_shape(const struct found *f, struct td_inventory *ret)
{
    uint32_t in_package = 0;

    ret->sockets = f->packages;
    for (uint32_t i = 0; i < f->ncores; i++) {
        in_package = i > 0 && f->cores[i].package == f->cores[i - 1].package ? in_package + 1 : 1;
        ret->cores_per_socket = TD_MAX(ret->cores_per_socket, in_package);
        ret->threads_per_core = TD_MAX(ret->threads_per_core, td_bits_count(f->cores[i].cpus.v, f->cores[i].cpus.n));
    }
}

int td_topo_read(const struct td_topo_params *p, struct td_arena *a, struct td_inventory *ret, struct td_error *err)
{
    struct found f;
    struct td_gres_stock_list stocks = {0};
    struct td_inventory inv = {0};

    int r = machine_read(p, a, &f, err);
    if (r == 0)
        r = layout_declare(p, &f, err);
    if (r < 0)
        return r;
    set_memory(p, &f);
    r = stocks_make(p, &f, &stocks, err);
    if (r < 0)
        return r;
    host_names(&f);
    uint8_t *all = found_bits(&f);
    found_cpus(&f, all);
    inv.hostname = f.hostname;
    inv.arch = f.arch;
    inv.os = f.os;
    inv.cpus = found_bin(&f, all);
    count_shape(&f, &inv);
    inv.memory_mb = f.memory_mb;
    inv.tmp_mb = size_of(p, &f, p->tmp_mb, f.live ? host_tmp_mb(p->tmp_fs) : 0);
    inv.cores = (struct td_cpu_core_list){f.cores, f.ncores};
    inv.numas = (struct td_numa_list){f.numas, f.nnumas};
    inv.gres = stocks;
    inv.features = p->features ? td_arena_strdup(a, p->features) : "";
    inv.declared = f.declared;
    inv.boot_ms = host_boot_ms();
    inv.version = TD_VERSION;
    *ret = inv;
    return 0;
}

/* May this process set affinities at all? A container's filter may forbid it; the set itself is left as it was. */
static bool host_lets_bind(void)
{
    size_t size = CPU_ALLOC_SIZE(TD_MAX_CPUS_PER_NODE);
    cpu_set_t *set = CPU_ALLOC(TD_MAX_CPUS_PER_NODE);

    if (!set)
        return false;
    bool lets = sched_getaffinity(0, size, set) == 0 && sched_setaffinity(0, size, set) == 0;
    CPU_FREE(set);
    return lets;
}

bool td_topo_can_bind(const struct td_inventory *inv)
{
    return !inv->declared && inv->cpus.n > 0 && host_lets_bind();
}
