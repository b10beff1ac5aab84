/* confine.c - which means of confinement is in force */
#include "worker/confine/confine.h"

#include "worker/topo/topo.h"

const char *confine_decide(const struct td_inventory *inv, const struct td_conf *conf, bool *ret_bind)
{
    *ret_bind = false;
    if (inv->declared)
        return "none (declared)"; /* pretended CPUs: there is nothing to bind to */
    if (conf && conf->path && !conf->task_affinity)
        return "none (TaskPlugin)";
    if (!td_topo_can_bind(inv))
        return "none (not allowed)";
    *ret_bind = true;
    return "affinity";
}
