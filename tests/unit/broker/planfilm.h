/* planfilm.h - a cluster, a queue and a plan in a few lines, for the tests of ledger, queue and planner
 *
 * Nodes have CPUs 0..cpus-1 in cores of `threads`, at most one gpu stock with devices 0..gpus-1 and a second one of
 * type2 after it. Times are seconds after T0. */
#ifndef TD_PLANFILM_H
#define TD_PLANFILM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "broker/core/plan_book.h"

#define T0 ((int64_t)1700000000000)
#define AT(s) (T0 + (int64_t)(s) * 1000)

struct film {
    struct td_ledger *l;
    struct td_queue *q;
    struct td_plan plan;
    struct td_plan_params params;
    uint64_t rank;
};

struct film_node {
    uint32_t cpus, threads, gpus, gpus2, weight, partition, partition2;
    uint64_t mem, tmp, licenses;
    const char *type, *type2, *features, *name;
    bool memory_free; /* memory is not consumed */
    bool loose;       /* CPUs, not cores, are the unit */
};

struct film_job {
    struct td_shape shape;
    uint32_t partition, limit, least, count, component;
    uint64_t rank;
    const char *gpu; /* type of the gpus; "" any */
    uint32_t gpus, gpus_task;
};

static inline void film_open(struct film *f)
{
    *f = (struct film){.l = td_ledger_new(), .q = td_queue_new(), .params = {.now_ms = T0, .policy = TD_POLICY_EASY, .depth = 1}};
}

static inline void film_close(struct film *f)
{
    td_plan_release(&f->plan);
    td_queue_destroy(&f->q);
    td_ledger_destroy(&f->l);
    assert_null(f->l);
}

static inline void film_set(struct film *f, uint32_t node, struct film_node is)
{
    static struct td_cpu_core cores[4096];
    static uint8_t core_bits[4096][64], cpus[512];
    static struct td_device devices[64];
    uint32_t threads = is.threads ? is.threads : 1, partitions[2] = {is.partition, is.partition2};
    char name[32];

    snprintf(name, sizeof(name), "n%u", node);
    memset(cpus, 0, sizeof(cpus));
    memset(core_bits, 0, sizeof(core_bits));
    for (uint32_t c = 0; c < is.cpus; c++)
        td_bits_set(cpus, c);
    for (uint32_t c = 0; c < is.cpus && is.cpus <= 512; c++) {
        td_bits_set(core_bits[c / threads], c);
        cores[c / threads].cpus = (struct td_bin){core_bits[c / threads], 64};
    }
    for (uint32_t d = 0; d < 64; d++)
        devices[d] = (struct td_device){.index = d};
    struct td_gres_stock gres[3];
    uint32_t ngres = 0;
    if (is.gpus)
        gres[ngres++] = (struct td_gres_stock){.name = "gpu", .type = is.type, .count = is.gpus, .devices = {devices, is.gpus}};
    if (is.gpus2)
        gres[ngres++] = (struct td_gres_stock){
            .name = "gpu", .type = is.type2, .count = is.gpus2, .devices = {devices + is.gpus, is.gpus2}};
    if (is.licenses)
        gres[ngres++] = (struct td_gres_stock){.name = "licence", .count = is.licenses};
    struct td_inventory inv = {.cpus = {cpus, (is.cpus + 7) / 8},
                               .threads_per_core = threads,
                               .memory_mb = is.mem ? is.mem : 1000,
                               .tmp_mb = is.tmp,
                               .cores = {cores, is.cpus <= 512 ? is.cpus / threads : 0},
                               .gres = {gres, ngres},
                               .features = is.features};
    struct td_ledger_node n = {.name = is.name ? is.name : name,
                               .inv = &inv,
                               .usable = true,
                               .core_is_unit = !is.loose,
                               .memory_counts = !is.memory_free,
                               .weight = is.weight,
                               .partitions = partitions,
                               .npartitions = is.partition2 ? 2 : 1};
    td_ledger_set_node(f->l, node, &n);
}

static inline void film_node(struct film *f, struct film_node is)
{
    film_set(f, td_ledger_nodes(f->l), is);
}

struct film_place {
    uint8_t cpus[512], devices[8];
    struct td_gres_held gres;
    struct td_placement p;
};

/* CPUs first..first+n-1, devices likewise. */
static inline struct td_placement *film_place(struct film_place *b, uint32_t first, uint32_t n, uint64_t mem, uint32_t gpu,
                                              uint32_t gpus, const char *type)
{
    memset(b, 0, sizeof(*b));
    for (uint32_t i = first; i < first + n; i++)
        td_bits_set(b->cpus, i);
    for (uint32_t i = gpu; i < gpu + gpus; i++)
        td_bits_set(b->devices, i);
    b->gres = (struct td_gres_held){.name = "gpu", .type = type, .count = gpus, .devices = {b->devices, 8}};
    b->p = (struct td_placement){.tasks = 1, .cpus = {b->cpus, (first + n + 7) / 8}, .memory_mb = mem, .gres = {&b->gres, gpus ? 1 : 0}};
    return &b->p;
}

/* Job holds so many CPUs from `first` until then (seconds; -1 = no limit). */
static inline void film_hold(struct film *f, uint32_t node, uint32_t job, uint32_t first, uint32_t n, int64_t until)
{
    struct film_place b;
    const struct td_placement *p = film_place(&b, first, n, 0, 0, 0, NULL);

    assert_true(td_ledger_covers(f->l, node, p));
    td_ledger_take(f->l, node, job, 1, p, until < 0 ? TD_FOREVER : AT(until));
}

static inline uint32_t film_shape(struct film *f, struct film_job j)
{
    struct td_gres_need gpu = {.name = "gpu", .type = j.gpu, .count = j.gpus};
    struct td_gres_need gpu_task = {.name = "gpu", .type = j.gpu, .count = j.gpus_task};

    if (j.gpus)
        j.shape.gres = (struct td_gres_need_list){&gpu, 1};
    if (j.gpus_task)
        j.shape.gres_task = (struct td_gres_need_list){&gpu_task, 1};
    if (!j.shape.tasks_max)
        j.shape.tasks_min = j.shape.tasks_max = 1;
    return td_ledger_shape(f->l, &j.shape, j.partition);
}

/* Put into the queue, after those before it unless a rank is given. limit in seconds, 0 = none. */
static inline void film_submit(struct film *f, uint32_t job, struct film_job j)
{
    struct td_candidate c = {.job = job,
                             .component = j.component,
                             .partition = j.partition,
                             .shape = film_shape(f, j),
                             .rank = j.rank ? j.rank : ++f->rank,
                             .count = j.count ? j.count : 1,
                             .limit_s = j.limit ? j.limit : TD_INFINITE,
                             .limit_min_s = j.least};

    td_queue_put(f->q, &c);
}

static inline void film_sound(struct film *f)
{
    struct td_error err = {0};

    if (!td_ledger_check(f->l, &err) || !td_queue_check(f->q, &err))
        fail_msg("%s", err.text);
}

static inline void film_plan(struct film *f)
{
    struct td_error err = {0};

    td_plan_run(f->l, f->q, &f->params, &f->plan);
    for (uint32_t i = 0; i < f->plan.bys.n && !f->params.dry; i++) /* as the core does */
        td_queue_set_by(f->q, f->plan.bys.v[i].job, f->plan.bys.v[i].by_ms);
    film_sound(f);
    if (!plan_check(f->l, &err))
        fail_msg("%s", err.text);
}

/* Instances of the job that start. */
static inline uint32_t film_starts(const struct film *f, uint32_t job)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->plan.starts.n; i++)
        if (f->plan.starts.v[i].job == job)
            n += f->plan.starts.v[i].count;
    return n;
}

static inline const struct td_plan_promise *film_promise(const struct film *f, uint32_t job)
{
    for (uint32_t i = 0; i < f->plan.promises.n; i++)
        if (f->plan.promises.v[i].job == job)
            return &f->plan.promises.v[i];
    return NULL;
}

static inline void film_expect_promise(const struct film *f, uint32_t job, int64_t at_s, uint32_t node)
{
    const struct td_plan_promise *p = film_promise(f, job);

    assert_non_null(p);
    assert_int_equal(p->at_ms, at_s < 0 ? TD_FOREVER : AT(at_s));
    assert_int_equal(p->nnodes, 1);
    assert_int_equal(p->nodes[0], node);
}

#endif
