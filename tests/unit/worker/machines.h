/* machines.h - where the recorded machines lie that tests of topo and bid read */
#ifndef TEST_MACHINES_H
#define TEST_MACHINES_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/topo/topo.h"

/* False, in words, where the recordings are not at hand: they are data of others and not in this tree. */
static inline bool machine_path(const char *name, char *ret, size_t cap)
{
    const char *shared = getenv("TENDER_SHARED");

    snprintf(ret, cap, "%s/data/hwloc/%s", shared ? shared : TD_SOURCE_DIR "/../shared", name);
    if (access(ret, R_OK) == 0)
        return true;
    printf("skipped: no recorded machine %s (set TENDER_SHARED)\n", ret);
    return false;
}

static inline bool machine_read_named(const char *name, struct td_arena *a, struct td_inventory *ret, struct td_error *err)
{
    char path[4096];
    struct td_topo_params p = {.topology = path};

    return machine_path(name, path, sizeof(path)) && td_topo_read(&p, a, ret, err) == 0;
}

#endif
