/* confine.h - what holds a job to its allocation on this node, in truth
 *
 * To its CPUs by affinity alone: the shepherd binds the leader before exec, children inherit it. What holds its processes
 * together is cgroup.h's. */
#ifndef TD_CONFINE_H
#define TD_CONFINE_H

#include "conf/conf.h"

/* The first word for scontrol show node (the second is the shepherd's), and whether to bind. conf NULL: as if TaskPlugin had affinity. */
const char *confine_decide(const struct td_inventory *inv, const struct td_conf *conf, bool *ret_bind);

#endif
