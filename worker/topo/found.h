/* found.h - inside worker/topo: a machine as hwloc shows it, on the way to an inventory */
#ifndef TD_FOUND_H
#define TD_FOUND_H

#include <hwloc.h>

#include "worker/topo/topo.h"

struct found_gpu {
    struct td_device device; /* type: from the model; island, cpus, numa, index set */
    const char *model;       /* as the back end names it, "" = not known */
};
struct found {
    struct td_arena *a;
    bool live;     /* this machine, not a file or description */
    bool real;     /* live and no rehearsal: device files must exist */
    bool declared; /* the CPUs are not real ones of this machine */
    struct td_cpu_core *cores;
    uint32_t ncores;
    struct td_numa *numas;
    uint32_t nnumas;
    uint32_t packages;
    uint64_t memory_mb; /* 0 = not known */
    struct found_gpu *gpus; /* by index */
    uint32_t ngpus;
    const char *hostname, *arch, *os;
};

/* Bitmaps in the arena, long enough for CPU_BYTES while being made. */
uint8_t *found_bits(struct found *f);
struct td_bin found_bin(struct found *f, const uint8_t *bits); /* trimmed copy */
uint32_t found_cpus(const struct found *f, uint8_t *ret_bits); /* all of them; returns the count */

/* machine.c */
int machine_read(const struct td_topo_params *p, struct td_arena *a, struct found *ret, struct td_error *err);
int machine_cpuset(struct found *f, hwloc_const_cpuset_t set, struct td_bin *ret, struct td_error *err);
/* gpus.c */
int gpus_read(struct found *f, hwloc_topology_t t, struct td_error *err);
/* Groups i and j = same; parent[] starts as identity. Afterwards islands_number gives each its smallest member. */
uint32_t island_root(uint32_t *parent, uint32_t i);
void island_join(uint32_t *parent, uint32_t i, uint32_t j);
/* layout.c */
void layout_flat(struct found *f, uint32_t cores); /* so many single-thread cores in one package */
int layout_declare(const struct td_topo_params *p, struct found *f, struct td_error *err);
/* stocks.c */
int stocks_make(const struct td_topo_params *p, struct found *f, struct td_gres_stock_list *ret, struct td_error *err);

#endif
