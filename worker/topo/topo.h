/* topo.h - hwloc to td_inventory; the only part that sees hwloc */
#ifndef TD_TOPO_H
#define TD_TOPO_H

#include "types/types.h"

struct td_topo_params {
    const char *topology;  /* NULL = this machine; FILE.xml; "synthetic:pack:2 core:8 pu:2"; "synthetic:N" = N CPUs */
    uint32_t cpus;         /* declared CPUs, 0 = as found; more than there are: no binding */
    uint32_t sockets, cores_per_socket, threads_per_core; /* declared layout, 0 = as found */
    uint64_t memory_mb;    /* declared, 0 = as found */
    uint64_t memory_unsaid_mb; /* of a machine elsewhere, where a file or description does not say; 0 = as much as this host has */
    uint64_t tmp_mb;
    const char *tmp_fs;    /* where temporary disk is measured; NULL = /tmp */
    bool believe_sizes;    /* a rehearsal: memory and temporary disk are as declared, whatever this machine has */
    const char *gres;      /* Gres= of the NodeName line: gpu:TitanXp:4 */
    const char *features;
    /* gres.conf lines of this node */
    const struct td_gres_line *gres_lines;
    uint32_t ngres_lines;
    bool pretend; /* a rehearsal on this machine: device files need not exist; implied by topology */
};
struct td_gres_line {
    const char *name, *type;
    const char *file;   /* one path, or with a bracketed range; any file may stand for a device */
    uint64_t count;     /* without File */
    const char *cores;  /* Cores= or old CPUs=: 0-1 */
    const char *links;
};
/* The inventory and all it points to live in the arena; confine and version of it are the shell's to fill in (version:
 * ours). Errors: TOPOLOGY, CONF, each naming the file or line.
 * Memory and temporary disk: as declared, but on this machine, unless its layout is pretended or the sizes are believed,
 * never more than there is; undeclared as found; else, where a file or description does not say, this host's memory (or
 * memory_unsaid_mb) and no disk. */
int td_topo_read(const struct td_topo_params *p, struct td_arena *a, struct td_inventory *ret, struct td_error *err);
/* Binding masks: is binding to real CPUs possible for this inventory on this host? */
bool td_topo_can_bind(const struct td_inventory *inv);

#endif
