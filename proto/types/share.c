/* share.c - devices counted for a whole job (--gpus) that several nodes share
 *
 * A node's part is counted in devices, at least one of them, and the tasks follow in proportion, rounded up: that makes
 * one number of what a part is worth, which the planner adds up and the workers bid. Both ask here. */
#include "types/types.h"

uint64_t td_shape_shared(const struct td_shape *s)
{
    bool several = s->nodes_min > 1 || s->nodes_max > 1;

    return several && s->gres_job.n == 1 ? TD_MIN(s->gres_job.v[0].count, (uint64_t)UINT32_MAX) : 0;
}

uint32_t td_shape_share_tasks(const struct td_shape *s, uint64_t devices)
{
    uint64_t all = td_shape_shared(s), tasks = s->ntasks;
    uint32_t least = TD_MAX(s->tasks_min, 1u), most = TD_MAX(s->tasks_max, least);

    if (all == 0)
        return least;
    tasks = (tasks * TD_MIN(devices, all) + all - 1) / all; /* both factors are below 2^32 */
    return (uint32_t)TD_MAX(TD_MIN(tasks, (uint64_t)most), (uint64_t)least);
}
