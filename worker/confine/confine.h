/* confine.h - what holds a job to its allocation on this node, in truth
 *
 * Affinity (the shepherd binds the leader before exec; children inherit it) is the only means so far.
 * NEEDSWORK: cgroup v2 and v1 for memory and devices; the shepherd can already enter a group it is given. */
#ifndef TD_CONFINE_H
#define TD_CONFINE_H

#include "conf/conf.h"

/* The word for scontrol show node, and whether to bind. conf NULL: as if TaskPlugin had affinity. */
const char *confine_decide(const struct td_inventory *inv, const struct td_conf *conf, bool *ret_bind);

#endif
