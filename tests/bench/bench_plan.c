/* bench_plan.c - how long one pass of the planner takes, and what a waiting candidate costs
 *
 * bench-plan [JOBS [SHAPES [NODES]]]: without arguments the table of cases that the goals name. Each pass is run
 * several times and the best is printed, after one that fills the caches (which is printed too: `first`). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/core/plan.h"
#include "broker/core/queue_priv.h"

#define NODE_CPUS 64u

enum fill { FREE, FULL, MIXED };
static const char *const fill_names[] = {"free", "full", "mixed"};

struct bench_case {
    uint32_t jobs, shapes, nodes;
    enum fill fill;
    enum td_policy policy;
    uint32_t depth;
    uint32_t limits;   /* different time limits */
    uint32_t array;    /* tasks of each candidate */
    bool multi;        /* every other shape needs 2 to 9 nodes */
};

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void make_node(struct td_ledger *l, uint32_t i)
{
    static struct td_cpu_core cores[NODE_CPUS / 2];
    static uint8_t bits[NODE_CPUS / 2][NODE_CPUS / 8], all[NODE_CPUS / 8];
    char name[32];
    uint32_t partition = 0;

    for (uint32_t c = 0; c < NODE_CPUS / 2; c++) {
        memset(bits[c], 0, sizeof(bits[c]));
        td_bits_set(bits[c], 2 * c);
        td_bits_set(bits[c], 2 * c + 1);
        cores[c] = (struct td_cpu_core){.cpus = {bits[c], sizeof(bits[c])}};
    }
    memset(all, 0xff, sizeof(all));
    struct td_device gpus[4] = {{.index = 0}, {.index = 1}, {.index = 2}, {.index = 3}};
    struct td_gres_stock gres = {.name = "gpu", .type = "a100", .count = 4, .devices = {gpus, 4}};
    struct td_inventory inv = {.cpus = {all, sizeof(all)},
                               .threads_per_core = 2,
                               .memory_mb = 256 * 1024,
                               .tmp_mb = 1000000,
                               .cores = {cores, NODE_CPUS / 2},
                               .gres = {&gres, i % 4 == 0 ? 1u : 0u}};
    snprintf(name, sizeof(name), "node%05u", i);
    struct td_ledger_node is = {.name = name,
                                .inv = &inv,
                                .usable = true,
                                .core_is_unit = true,
                                .memory_counts = true,
                                .weight = 1 + i % 3,
                                .partitions = &partition,
                                .npartitions = 1};
    td_ledger_set_node(l, i, &is);
}

/* full: 32 holdings of one core; mixed: 30 of them. */
static void fill_node(struct td_ledger *l, uint32_t node, enum fill fill, struct td_rng *rng)
{
    uint32_t cores = fill == FREE ? 0 : fill == FULL ? NODE_CPUS / 2 : NODE_CPUS / 2 - 2;

    for (uint32_t c = 0; c < cores; c++) {
        uint8_t bits[NODE_CPUS / 8] = {0};

        td_bits_set(bits, 2 * c);
        td_bits_set(bits, 2 * c + 1);
        struct td_placement p = {.tasks = 1, .cpus = {bits, sizeof(bits)}, .memory_mb = 4096};
        td_ledger_take(l, node, 10000000 + node * 64 + c, 1, &p, 1000 * (1 + (int64_t)td_rng_below(rng, 86400)));
    }
}

static void make_queue(struct td_ledger *l, struct td_queue *q, const struct bench_case *b, struct td_rng *rng)
{
    uint32_t *shapes = calloc(b->shapes, sizeof(*shapes));

    for (uint32_t i = 0; i < b->shapes; i++) {
        struct td_gres_need gpu = {.name = "gpu", .count = 1};
        struct td_shape s = {.tasks_min = 1, .tasks_max = 1, .cpus_per_task = 1 + i, .mem_mb = 1024 + i, .nodes_min = 1};

        if (i % 10 == 9)
            s.gres = (struct td_gres_need_list){&gpu, 1};
        if (b->multi && i % 2) {
            s.nodes_min = s.nodes_max = 2 + i % 8;
            s.ntasks = s.nodes_min * 2;
            s.tasks_max = s.ntasks;
        }
        shapes[i] = td_ledger_shape(l, &s, 0);
    }
    for (uint32_t i = 0; i < b->jobs; i++) {
        struct td_candidate c = {.job = 1 + i,
                                 .shape = shapes[td_rng_below(rng, b->shapes)],
                                 .rank = i,
                                 .count = b->array,
                                 .limit_s = 3600 + 60 * td_rng_below(rng, b->limits)};
        td_queue_put(q, &c);
    }
    free(shapes);
}

static uint64_t started(const struct td_plan *p)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < p->starts.n; i++)
        n += p->starts.v[i].count;
    return n;
}

static void run(const struct bench_case *b)
{
    static const char *const policies[] = {[TD_POLICY_FIFO] = "fifo", [TD_POLICY_EASY] = "easy", [TD_POLICY_SJBF] = "sjbf",
                                           [TD_POLICY_CONSERVATIVE] = "conservative", [TD_POLICY_TENDER] = "tender"};
    struct td_rng rng = {42};
    struct td_ledger *l = td_ledger_new();
    struct td_queue *q = td_queue_new();
    struct td_plan plan = {0};
    double first = 0, best = 1e9, at;

    for (uint32_t i = 0; i < b->nodes; i++) {
        make_node(l, i);
        fill_node(l, i, b->fill, &rng);
    }
    at = now_ms();
    make_queue(l, q, b, &rng);
    double put = now_ms() - at;
    for (int i = 0; i < 6; i++) {
        struct td_plan_params p = {.now_ms = 1000 + i, .policy = b->policy, .depth = b->depth};

        at = now_ms();
        td_plan_run(l, q, &p, &plan);
        at = now_ms() - at;
        if (i == 0)
            first = at;
        else if (at < best)
            best = at;
    }
    uint32_t length = td_queue_length(q);
    size_t bytes = queue_bytes(q);
    uint32_t drop = TD_MIN(10000u, b->jobs);
    at = now_ms();
    for (uint32_t i = 0; i < drop; i++)
        td_queue_drop(q, 1 + i * (b->jobs / drop));
    double dropped = now_ms() - at;
    printf("%8u %8u %6u %6u %5s %-12s %5u %6u %5s %9.2f %9.2f %9llu %8u %6.1f %8.2f %9.2f\n", b->jobs, b->array, b->shapes,
           b->nodes, fill_names[b->fill], policies[b->policy], b->depth, b->limits, b->multi ? "yes" : "no", first, best,
           (unsigned long long)started(&plan), plan.promises.n, (double)bytes / (length ? length : 1), put, dropped);
    td_plan_release(&plan);
    td_queue_destroy(&q);
    td_ledger_destroy(&l);
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {100000, 50, 10000, FREE, TD_POLICY_EASY, 1, 1, 1, false},
        {100000, 50, 10000, FULL, TD_POLICY_EASY, 1, 1, 1, false},
        {100000, 50, 10000, MIXED, TD_POLICY_EASY, 1, 1, 1, false},
        {100000, 50, 10000, FREE, TD_POLICY_EASY, 1, 1000, 1, false},
        {100000, 50, 10000, FULL, TD_POLICY_EASY, 1, 1000, 1, false},
        {100000, 50, 10000, MIXED, TD_POLICY_EASY, 1, 1000, 1, false},
        {100000, 50, 10000, MIXED, TD_POLICY_EASY, 10, 1000, 1, false},
        {100000, 50, 10000, FULL, TD_POLICY_FIFO, 1, 1000, 1, false},
        {100000, 50, 10000, FREE, TD_POLICY_EASY, 1, 1000, 1, true},
        {100000, 50, 10000, FULL, TD_POLICY_EASY, 1, 1000, 1, true},
        {100000, 50, 10000, MIXED, TD_POLICY_EASY, 10, 1000, 1, true},
        {100000, 50, 10000, FULL, TD_POLICY_CONSERVATIVE, 100, 1000, 1, false},
        {100000, 50, 10000, FULL, TD_POLICY_TENDER, 100, 1000, 1, false},
        {100000, 5000, 10000, FULL, TD_POLICY_TENDER, 1000, 1000, 1, false},
        {1, 1, 10000, FREE, TD_POLICY_EASY, 1, 1, 1000000, false},
        {1000, 50, 100, FREE, TD_POLICY_EASY, 1, 10, 1, false},
        {100000, 5000, 1000, MIXED, TD_POLICY_EASY, 1, 1000, 1, false},
    };
    struct bench_case own = {100000, 50, 10000, FULL, TD_POLICY_EASY, 1, 1000, 1, false};

    printf("%8s %8s %6s %6s %5s %-12s %5s %6s %5s %9s %9s %9s %8s %6s %8s %9s\n", "jobs", "count", "shapes", "nodes", "fill",
           "policy", "depth", "limits", "multi", "first ms", "pass ms", "starts", "promises", "bytes", "put ms", "drop10k ms");
    if (argc == 1)
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
            run(&cases[i]);
    if (argc > 1)
        own.jobs = (uint32_t)TD_MAX(1, atoi(argv[1]));
    if (argc > 2)
        own.shapes = (uint32_t)TD_MAX(1, atoi(argv[2]));
    if (argc > 3)
        own.nodes = (uint32_t)TD_MAX(1, atoi(argv[3]));
    for (int fill = FREE; argc > 1 && fill <= MIXED; fill++) {
        own.fill = (enum fill)fill;
        run(&own);
    }
    return 0;
}
