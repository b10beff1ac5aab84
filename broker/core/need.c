/* need.c - from what a job asks for to the shape a worker is asked about
 *
 * Slurm's counting: tasks follow from nodes and tasks-per-node, nodes from tasks; without -N the
 * tasks may spread. */
#include "broker/core/state.h"

#define NODES_ANY TD_MAX_NODES_PER_JOB

void core_need_tally(const struct td_job_need *need, struct core_tally *ret)
{
    uint32_t per_task = TD_MAX(need->cpus_per_task, 1u);
    uint32_t nodes = need->nodes_min, most = TD_MAX(need->nodes_max, need->nodes_min);
    uint64_t tasks = need->ntasks;

    if (nodes == 0 && tasks && need->ntasks_per_node)
        nodes = (uint32_t)((tasks + need->ntasks_per_node - 1) / need->ntasks_per_node);
    if (tasks == 0)
        tasks = (uint64_t)TD_MAX(nodes, 1u) * TD_MAX(need->ntasks_per_node, 1u);
    if (need->nodes_min)
        tasks = TD_MAX(tasks, (uint64_t)need->nodes_min);
    if (nodes == 0) {
        nodes = 1;
        if (need->nodes_max == 0)
            most = (uint32_t)TD_MIN(tasks, (uint64_t)NODES_ANY);
    } else if (need->nodes_max == 0) {
        most = nodes;
    }
    most = TD_MAX(most, nodes);
    if (tasks < most)
        most = (uint32_t)TD_MAX(tasks, (uint64_t)nodes);
    *ret = (struct core_tally){
        .nodes_min = nodes,
        .nodes_max = most,
        .tasks = (uint32_t)TD_MIN(tasks, (uint64_t)UINT32_MAX),
        .cpus = (uint32_t)TD_MIN(tasks * per_task, (uint64_t)UINT32_MAX),
    };
}

static void set_memory(const struct td_core *c, const struct td_job_need *need,
                       const struct core_partition *p, struct td_shape *ret)
{
    if (need->mem_all) {
        ret->mem_all = true;
    } else if (need->mem_mb_per_node) {
        ret->mem_mb = need->mem_mb_per_node;
    } else if (need->mem_mb_per_cpu) {
        ret->mem_mb_per_cpu = need->mem_mb_per_cpu;
    } else if (need->mem_mb_per_gpu) {
        ret->mem_mb_per_gpu = need->mem_mb_per_gpu;
    } else if (p->conf.def_mem_mb_per_cpu || p->conf.def_mem_mb_per_node) {
        ret->mem_mb_per_cpu = p->conf.def_mem_mb_per_cpu;
        ret->mem_mb = p->conf.def_mem_mb_per_cpu ? 0 : p->conf.def_mem_mb_per_node;
    } else if (c->settings.def_mem_mb_per_cpu) {
        ret->mem_mb_per_cpu = c->settings.def_mem_mb_per_cpu;
    } else if (c->settings.def_mem_mb_per_node) {
        ret->mem_mb = c->settings.def_mem_mb_per_node;
    } else if (c->settings.memory_counts) {
        ret->mem_all = true; /* Slurm: where memory is consumed and nobody says how much, a job gets
                                all of the node's */
    }
}

/* Strings and lists are borrowed from the need and the partition. */
void core_need_shape(const struct td_core *c, const struct td_job_need *need,
                     const struct core_partition *p, struct td_arena *a, struct td_shape *ret)
{
    struct core_tally t;
    core_need_tally(need, &t);
    *ret = (struct td_shape){
        .cpus_per_task = TD_MAX(need->cpus_per_task, 1u),
        .gres = need->gres,
        .gres_task = need->gres_task,
        .tmp_mb = need->tmp_mb,
        .features = need->features,
        .req_nodes = need->req_nodes,
        .exc_nodes = need->exc_nodes,
        .exclusive = need->exclusive || p->conf.exclusive,
        .partition = p->name,
        .nodes_min = t.nodes_min,
        .nodes_max = t.nodes_max,
        .ntasks = t.tasks,
        .cpus_per_gpu = need->cpus_per_gpu,
    };
    if (t.nodes_max <= 1) {
        ret->tasks_min = ret->tasks_max = t.tasks;
    } else if (need->ntasks_per_node) {
        ret->tasks_min = need->ntasks ? 1 : need->ntasks_per_node;
        ret->tasks_max = need->ntasks_per_node;
    } else {
        ret->tasks_min = 1;
        ret->tasks_max = t.tasks - (t.nodes_min - 1);
    }
    set_memory(c, need, p, ret);
    if (need->gres_job.n) {
        /* submit.c lets it through for one node only, where "of the job" and "of the node" are the
         * same. */
        struct td_gres_need *all =
            td_arena_alloc(a, (need->gres.n + need->gres_job.n) * sizeof(*all));
        uint32_t n = 0;
        for (uint32_t i = 0; i < need->gres.n; i++)
            all[n++] = need->gres.v[i];
        for (uint32_t i = 0; i < need->gres_job.n; i++)
            all[n++] = need->gres_job.v[i];
        ret->gres = (struct td_gres_need_list){all, n};
    }
}
