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
    if (need->gres_job.n && need->gres_job.v[0].count < most) /* each node has one of them at least */
        most = (uint32_t)TD_MAX(need->gres_job.v[0].count, (uint64_t)nodes);
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

bool core_need_same_device(const struct td_gres_need *a, const struct td_gres_need *b)
{
    return td_str_equal(a->name, b->name) &&
           (td_str_empty(a->type) || td_str_empty(b->type) || td_str_equal(a->type, b->type));
}

static struct td_gres_need *find_device(struct td_gres_need *v, uint32_t n,
                                        const struct td_gres_need *g)
{
    for (uint32_t i = 0; i < n; i++) {
        if (core_need_same_device(&v[i], g))
            return &v[i];
    }
    return NULL;
}

/* Several nodes share what is counted for the job. Where the devices of a node or a task are counted too, gpus.c has seen
 * to it that they add up to the job's: then those say it all. */
static bool shares_devices(const struct td_job_need *need, struct td_shape *ret)
{
    const struct td_gres_need *g = need->gres_job.v;
    bool said = false;
    if (ret->nodes_max <= 1 || need->gres_job.n == 0)
        return false;
    for (uint32_t i = 0; i < need->gres.n; i++)
        said |= core_need_same_device(&need->gres.v[i], g);
    for (uint32_t i = 0; i < need->gres_task.n; i++)
        said |= core_need_same_device(&need->gres_task.v[i], g);
    if (!said)
        ret->gres_job = need->gres_job;
    return true;
}

/* Of the node, of the job and of each task are ways to say the same devices: the larger count is
 * meant, never the sum. Where a node's and a task's are both named, the node's says how many tasks
 * it takes. A list by itself adds up (a:1,b:2 are two kinds). */
static void set_devices(const struct td_job_need *need, struct td_arena *a, struct td_shape *ret)
{
    uint32_t n = 0, ntask = 0, most = need->gres.n + need->gres_job.n;
    uint32_t of_job = shares_devices(need, ret) ? 0 : need->gres_job.n;
    if (of_job == 0 && (need->gres.n == 0 || need->gres_task.n == 0))
        return;
    struct td_gres_need *all = td_arena_alloc(a, most * sizeof(*all));
    struct td_gres_need *task = td_arena_alloc(a, (need->gres_task.n + 1) * sizeof(*task));
    for (; n < need->gres.n; n++)
        all[n] = need->gres.v[n];
    /* On one node "of the job" and "of the node" are the same. */
    for (uint32_t i = 0; i < of_job; i++) {
        const struct td_gres_need *g = &need->gres_job.v[i];
        struct td_gres_need *is = find_device(all, need->gres.n, g);
        if (!is) {
            is = &all[n++];
            *is = (struct td_gres_need){.name = g->name};
        }
        is->type = td_str_empty(is->type) ? g->type : is->type;
        is->count = TD_MAX(is->count, g->count);
    }
    for (uint32_t i = 0; i < need->gres_task.n; i++) {
        const struct td_gres_need *g = &need->gres_task.v[i];
        struct td_gres_need *is = find_device(all, n, g);
        if (!is || g->count == 0) {
            task[ntask++] = *g;
            continue;
        }
        uint64_t least = 0;
        is->type = td_str_empty(is->type) ? g->type : is->type;
        if (__builtin_mul_overflow(g->count, (uint64_t)ret->tasks_min, &least))
            least = UINT64_MAX;
        is->count = TD_MAX(is->count, least);
        ret->tasks_max = (uint32_t)TD_MIN((uint64_t)ret->tasks_max, is->count / g->count);
    }
    ret->gres = (struct td_gres_need_list){all, n};
    ret->gres_task = (struct td_gres_need_list){task, ntask};
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
    set_devices(need, a, ret);
}

void core_spec_shape(const struct td_core *c, const struct td_job_spec *spec, const struct td_job_need *need,
                     const struct core_partition *p, struct td_arena *a, struct td_shape *ret)
{
    core_need_shape(c, need, p, a, ret);
    ret->reservation = spec->reservation;
    ret->licenses = spec->licenses;
}
