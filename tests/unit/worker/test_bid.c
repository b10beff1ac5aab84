/* Bids: what fits where on small, described and recorded machines, why not, and that no two placements overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "machines.h"
#include "worker/core/bid.h"
#include "worker/core/pool.h"

struct fixture {
    struct td_arena arena;
    struct td_node *node;
    struct td_inventory inv;
    uint32_t jobs;
};

static int setup(void **state)
{
    struct fixture *f = td_alloc(sizeof(*f));

    f->node = td_node_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    td_node_destroy(&f->node);
    td_arena_release(&f->arena);
    td_free(f);
    return 0;
}

static void machine(struct fixture *f, const struct td_topo_params *p, bool core_is_unit, bool memory_counts)
{
    struct td_error err = {0};

    if (td_topo_read(p, &f->arena, &f->inv, &err) < 0)
        fail_msg("%s", err.text);
    td_node_set(f->node, "n1", &f->inv, core_is_unit, memory_counts);
}

static void recorded(struct fixture *f, const char *file, bool core_is_unit)
{
    char path[4096];

    if (!machine_path(file, path, sizeof(path)))
        skip();
    machine(f, &(struct td_topo_params){.topology = path}, core_is_unit, true);
}

static struct td_lot_bid bid(struct fixture *f, struct td_shape shape, uint32_t count)
{
    struct td_lot lot = {.lot = 7, .shape = shape, .count = count};
    struct td_lot_bid b;

    td_node_bid(f->node, &lot, 1, &f->arena, &b);
    assert_int_equal(b.lot, 7);
    return b;
}

static void take(struct fixture *f, const struct td_placement *p)
{
    assert_int_equal(td_node_covers(f->node, p), TD_REFUSAL_NONE);
    td_node_take(f->node, ++f->jobs, 1, p);
}

static void fits(const struct td_lot_bid *b, uint32_t want)
{
    if (b->fits != want)
        fail_msg("%u fit, not %u: %s (%lu lacking)", b->fits, want, td_refusal_name(b->refusal), (unsigned long)b->shortage);
    assert_int_equal(b->refusal, TD_REFUSAL_NONE);
}

static void refused(const struct td_lot_bid *b, uint32_t refusal, uint64_t shortage)
{
    assert_int_equal(b->fits, 0);
    assert_int_equal(b->placements.n, 0);
    if (b->refusal != refusal)
        fail_msg("refused as %s, not %s", td_refusal_name(b->refusal), td_refusal_name(refusal));
    assert_int_equal(b->shortage, shortage);
}

static uint32_t cpus(const struct td_placement *p)
{
    return td_bits_count(p->cpus.v, p->cpus.n);
}

/* How many NUMA nodes, or packages, the CPUs of a placement lie in. */
static uint32_t numas(const struct fixture *f, const struct td_placement *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->inv.numas.n; i++)
        n += td_bits_overlap(f->inv.numas.v[i].cpus, p->cpus);
    return n;
}

static bool has_device(const struct td_placement *p, uint32_t index)
{
    for (uint32_t i = 0; i < p->gres.n; i++)
        if (td_bits_get(p->gres.v[i].devices.v, p->gres.v[i].devices.n, index))
            return true;
    return false;
}

static struct td_bin cpus_near(const struct fixture *f, uint32_t index)
{
    for (uint32_t i = 0; i < f->inv.gres.n; i++)
        for (uint32_t j = 0; j < f->inv.gres.v[i].devices.n; j++)
            if (f->inv.gres.v[i].devices.v[j].index == index)
                return f->inv.gres.v[i].devices.v[j].cpus;
    fail_msg("no device %u", index);
    return (struct td_bin){0};
}

#define TASKS(n, c) .tasks_min = 1, .tasks_max = (n), .cpus_per_task = (c)
#define GRES(...) .gres = {(const struct td_gres_need[]){__VA_ARGS__}, sizeof((const struct td_gres_need[]){__VA_ARGS__}) / sizeof(struct td_gres_need)}

/* --- CPUs -------------------------------------------------------------------------------------------------------- */

static void as_many_as_fit_and_no_more_than_wanted(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:8"}, true, false);
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 3)}, 100);
    fits(&b, 2);
    assert_int_equal(b.placements.n, 2);
    assert_int_equal(cpus(&b.placements.v[0]), 3);
    assert_string_equal(b.placements.v[0].node, "n1");
    assert_int_equal(b.placements.v[0].tasks, 1);
    b = bid(f, (struct td_shape){TASKS(2, 2)}, 1);
    fits(&b, 1);
    assert_int_equal(cpus(&b.placements.v[0]), 4);
    assert_true(b.score > 0 && b.score <= 1000);
    take(f, &b.placements.v[0]);
    b = bid(f, (struct td_shape){TASKS(1, 5)}, 1);
    refused(&b, TD_REFUSAL_CPUS, 1);
    b = bid(f, (struct td_shape){TASKS(1, 9)}, 1);
    refused(&b, TD_REFUSAL_TOO_SMALL, 1);
}

static void whole_cores_or_threads(void **state)
{
    struct fixture *f = *state;
    struct td_topo_params p = {.topology = "synthetic:pack:1 core:4 pu:2"};

    machine(f, &p, true, false);
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1)}, 100);
    fits(&b, 4);
    assert_int_equal(cpus(&b.placements.v[0]), 2);
    machine(f, &p, false, false);
    b = bid(f, (struct td_shape){TASKS(1, 1)}, 100);
    fits(&b, 8);
    assert_int_equal(cpus(&b.placements.v[0]), 1);
    b = bid(f, (struct td_shape){TASKS(1, 3)}, 100);
    fits(&b, 2); /* a core and a half each; the halves are one core */
    assert_int_equal(b.placements.v[0].cpus.v[0] | b.placements.v[1].cpus.v[0], 0x3f);
}

static void a_core_in_use_is_filled_before_another_is_broken(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:pack:1 core:4 pu:2"}, false, false);
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1)}, 1);
    take(f, &b.placements.v[0]);
    b = bid(f, (struct td_shape){TASKS(1, 1)}, 1);
    assert_int_equal(b.placements.v[0].cpus.v[0], 0x02); /* beside CPU 0 */
    b = bid(f, (struct td_shape){TASKS(1, 2)}, 1);
    assert_int_equal(b.placements.v[0].cpus.v[0], 0x0c); /* a core of its own */
    b = bid(f, (struct td_shape){TASKS(1, 7)}, 1);
    fits(&b, 1);
}

static void a_core_in_use_is_filled_to_its_end(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:pack:1 core:3 pu:4"}, false, false);
    td_node_take(f->node, 1, 1, &(struct td_placement){.cpus = {(const uint8_t[]){0x3f}, 1}});
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1)}, 3);
    fits(&b, 3);
    assert_int_equal(b.placements.v[0].cpus.v[0], 0x40);
    assert_int_equal(b.placements.v[1].cpus.v[0], 0x80);
    assert_int_equal(b.placements.v[2].cpus.v[1], 0x01);
}

static void one_numa_node_beats_a_spread(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:numa:4 core:4 pu:1"}, true, false);
    td_node_take(f->node, 1, 1, &(struct td_placement){.cpus = {(const uint8_t[]){0x00, 0x07}, 2}}); /* 3 of NUMA node 2 */
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1)}, 1);
    assert_int_equal(b.placements.v[0].cpus.v[1], 0x08); /* the tightest that suffices */
    b = bid(f, (struct td_shape){TASKS(1, 4)}, 10);
    fits(&b, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(numas(f, &b.placements.v[i]), 1);
    assert_int_equal(b.fit, 1000);
    b = bid(f, (struct td_shape){TASKS(1, 5)}, 1);
    assert_int_equal(numas(f, &b.placements.v[0]), 2);
    assert_int_equal(b.fit, 1000); /* five cannot lie closer */

    td_node_take(f->node, 2, 1, &(struct td_placement){.cpus = {(const uint8_t[]){0x33, 0x30}, 2}}); /* two of each other */
    b = bid(f, (struct td_shape){TASKS(1, 4)}, 1);
    fits(&b, 1);
    assert_int_equal(numas(f, &b.placements.v[0]), 2);
    assert_int_equal(b.fit, 500); /* four could */
}

static void a_spread_stays_in_a_package_if_it_can(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:pack:2 numa:2 core:4 pu:1"}, true, false);
    td_node_take(f->node, 1, 1, &(struct td_placement){.cpus = {(const uint8_t[]){0x01}, 1}});
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 6)}, 1);
    assert_int_equal(b.placements.v[0].cpus.v[0] & 0xfe, b.placements.v[0].cpus.v[0]);
    assert_int_equal(cpus(&b.placements.v[0]), 6);
    assert_int_equal(b.placements.v[0].cpus.n, 1); /* the tighter package */
}

static void a_package_without_numa_nodes_of_its_own_still_counts(void **state)
{
    struct fixture *f = *state;

    recorded(f, "2xepyc7763-zen3.xml", true); /* one NUMA node over two packages */
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 64)}, 2);
    fits(&b, 2);
    for (uint32_t c = 0; c < f->inv.cores.n; c++) {
        bool here = td_bits_overlap(f->inv.cores.v[c].cpus, b.placements.v[0].cpus);
        assert_int_equal(here, f->inv.cores.v[c].package == 0);
    }
}

static void cores_of_two_sizes(void **state)
{
    struct fixture *f = *state;

    recorded(f, "hybrid-raptorlake-1370p.xml", true); /* 6 cores of two threads, 8 of one */
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1)}, 100);
    fits(&b, 14);
    b = bid(f, (struct td_shape){TASKS(1, 20)}, 1);
    fits(&b, 1);
    recorded(f, "hybrid-raptorlake-1370p.xml", false);
    b = bid(f, (struct td_shape){TASKS(1, 1)}, 100);
    fits(&b, 20);
}

/* --- memory, tmp, exclusive -------------------------------------------------------------------------------------- */

static void memory_is_consumed_where_it_counts(void **state)
{
    struct fixture *f = *state;
    struct td_topo_params p = {.topology = "synthetic:8", .memory_mb = 1000, .tmp_mb = 50};

    machine(f, &p, true, true);
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1), .mem_mb = 300}, 8);
    fits(&b, 3);
    assert_int_equal(b.placements.v[0].memory_mb, 300);
    b = bid(f, (struct td_shape){TASKS(1, 2), .mem_mb_per_cpu = 150}, 8);
    fits(&b, 3);
    assert_int_equal(b.placements.v[0].memory_mb, 300);
    take(f, &b.placements.v[0]);
    b = bid(f, (struct td_shape){TASKS(1, 1), .mem_mb = 800}, 1);
    refused(&b, TD_REFUSAL_MEMORY, 100);
    b = bid(f, (struct td_shape){TASKS(1, 1), .mem_mb = 1001}, 1);
    refused(&b, TD_REFUSAL_TOO_SMALL, 1);
    b = bid(f, (struct td_shape){TASKS(1, 1), .mem_all = true}, 1);
    refused(&b, TD_REFUSAL_MEMORY, 300);
    b = bid(f, (struct td_shape){TASKS(1, 1), .tmp_mb = 40}, 5);
    fits(&b, 1);
    b = bid(f, (struct td_shape){TASKS(1, 1), .mem_mb_per_cpu = UINT64_MAX / 2, .tmp_mb = 1}, 1);
    refused(&b, TD_REFUSAL_TOO_SMALL, UINT64_MAX / 2 - 1000);

    f->jobs = 0;
    td_node_give(f->node, 1, 1);
    machine(f, &p, true, false); /* not consumed: bounded by the machine alone */
    b = bid(f, (struct td_shape){TASKS(1, 1), .mem_mb = 800}, 8);
    fits(&b, 8);
    b = bid(f, (struct td_shape){TASKS(1, 1), .mem_mb = 1001}, 1);
    refused(&b, TD_REFUSAL_TOO_SMALL, 1);
}

static void exclusive_takes_all_cpus_memory_and_devices(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:pack:2 core:4 pu:1", .memory_mb = 1000, .gres = "gpu:4"}, true, true);
    struct td_shape s = {TASKS(1, 1), .mem_mb = 10, .exclusive = true, GRES({"gpu", "", 1})};
    struct td_lot_bid b = bid(f, s, 3);
    fits(&b, 1);
    assert_int_equal(cpus(&b.placements.v[0]), 8);
    assert_int_equal(b.placements.v[0].memory_mb, 1000);
    assert_int_equal(b.placements.v[0].gres.v[0].count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_true(has_device(&b.placements.v[0], i));
    take(f, &b.placements.v[0]);
    b = bid(f, (struct td_shape){TASKS(1, 1)}, 1);
    refused(&b, TD_REFUSAL_CPUS, 1);
    b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"gpu", "", 1})}, 1);
    refused(&b, TD_REFUSAL_GRES, 1);
    td_node_give(f->node, 1, 1);
    b = bid(f, (struct td_shape){TASKS(1, 1), .exclusive = true}, 1);
    fits(&b, 1);
    assert_int_equal(b.placements.v[0].gres.v[0].count, 4); /* asked for or not */
    td_node_take(f->node, 9, 1, &(struct td_placement){.cpus = {(const uint8_t[]){0x01}, 1}});
    b = bid(f, s, 1);
    refused(&b, TD_REFUSAL_EXCLUSIVE, 1);
}

/* --- devices ----------------------------------------------------------------------------------------------------- */

static void two_gpus_of_four_lie_in_one_package_and_near_their_cores(void **state)
{
    struct fixture *f = *state;

    recorded(f, "spr-4xh100-ipa20.xml", true);
    struct td_shape s = {TASKS(1, 8), GRES({"gpu", "", 2})};
    struct td_lot_bid b = bid(f, s, 4);
    fits(&b, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct td_placement *p = &b.placements.v[i];
        uint32_t first = has_device(p, 0) ? 0 : 2;
        assert_true(has_device(p, first) && has_device(p, first + 1)); /* 0 and 1 in package 0, 2 and 3 in package 1 */
        assert_int_equal(numas(f, p), 1);
        assert_true(td_bits_covers(cpus_near(f, first), p->cpus) || td_bits_covers(cpus_near(f, first + 1), p->cpus));
    }
    assert_int_equal(b.fit, 1000);
    /* One GPU, then another: the second completes the pair. */
    s = (struct td_shape){TASKS(1, 1), GRES({"gpu", "nvidia_h100_80gb_hbm3", 1})};
    b = bid(f, s, 1);
    uint32_t first = has_device(&b.placements.v[0], 0) || has_device(&b.placements.v[0], 1) ? 0 : 2;
    take(f, &b.placements.v[0]);
    b = bid(f, s, 1);
    assert_true(has_device(&b.placements.v[0], first) || has_device(&b.placements.v[0], first + 1));
    take(f, &b.placements.v[0]);
    b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"gpu", "", 3})}, 1);
    refused(&b, TD_REFUSAL_GRES, 1);
    b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"gpu", "a100", 1})}, 1);
    refused(&b, TD_REFUSAL_GRES_TYPE, 1);
    b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"gpu", "", 5})}, 1);
    refused(&b, TD_REFUSAL_TOO_SMALL, 1);
}

static void work_without_gpus_keeps_off_their_cores(void **state)
{
    struct fixture *f = *state;

    recorded(f, "spr-4xh100-ipa20.xml", true); /* GPUs are close to NUMA nodes 1, 3, 5, 7 */
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 28)}, 4);
    fits(&b, 4);
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t g = 0; g < 4; g++)
            assert_false(td_bits_overlap(b.placements.v[i].cpus, cpus_near(f, g)));
    b = bid(f, (struct td_shape){TASKS(1, 28)}, 8); /* but has them when there is no other place */
    fits(&b, 8);
}

static void islands_are_completed_before_whole_ones_are_broken(void **state)
{
    struct fixture *f = *state;

    recorded(f, "2xepyc7402-8xmi50-corona.xml", true); /* 0-3 by package 0, 4-7 by package 1 */
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 4), GRES({"gpu", "", 1})}, 1);
    uint32_t first = has_device(&b.placements.v[0], 0) ? 0 : 4;
    take(f, &b.placements.v[0]);
    assert_true(td_bits_covers(cpus_near(f, first), b.placements.v[0].cpus));
    b = bid(f, (struct td_shape){TASKS(1, 4), GRES({"gpu", "", 3})}, 1);
    for (uint32_t i = 0; i < 4; i++)
        assert_false(has_device(&b.placements.v[0], 4 - first + i));
    assert_int_equal(b.frag, 1000); /* nothing whole was broken */
    b = bid(f, (struct td_shape){TASKS(1, 4), GRES({"gpu", "", 4})}, 1);
    for (uint32_t i = 0; i < 4; i++)
        assert_true(has_device(&b.placements.v[0], 4 - first + i));
    b = bid(f, (struct td_shape){TASKS(1, 4), GRES({"gpu", "", 5})}, 1);
    fits(&b, 1);
    assert_int_equal(b.fit, 1000); /* five cannot lie closer than in two islands */
    b = bid(f, (struct td_shape){TASKS(1, 30), GRES({"gpu", "", 1})}, 1);
    fits(&b, 1); /* more CPUs than its package has: the rest from the other */
    assert_int_equal(cpus(&b.placements.v[0]), 30);
}

static void gpus_follow_free_cores(void **state)
{
    struct fixture *f = *state;

    recorded(f, "2xepyc7402-8xmi50-corona.xml", true);
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 44)}, 1); /* most of one package */
    bool first = td_bits_overlap(b.placements.v[0].cpus, cpus_near(f, 0));
    take(f, &b.placements.v[0]);
    b = bid(f, (struct td_shape){TASKS(1, 8), GRES({"gpu", "", 1})}, 1);
    assert_int_equal(td_bits_overlap(b.placements.v[0].cpus, cpus_near(f, first ? 4 : 0)), true);
    assert_int_equal(has_device(&b.placements.v[0], 4) || has_device(&b.placements.v[0], 5) || has_device(&b.placements.v[0], 6) ||
                         has_device(&b.placements.v[0], 7),
                     first);
}

static void types_mix_only_where_none_is_asked_for(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = "gpu:gtx970:1,gpu:gtx1060:2,tape:10"}, true, false);
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"gpu", "gtx1060", 1})}, 8);
    fits(&b, 2);
    assert_string_equal(b.placements.v[0].gres.v[0].type, "gtx1060");
    b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"gpu", "", 2})}, 8);
    fits(&b, 1); /* two of one kind, then one is left */
    assert_int_equal(b.placements.v[0].gres.n, 1);
    assert_string_equal(b.placements.v[0].gres.v[0].type, "gtx1060");
    b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"gpu", "", 3})}, 8);
    fits(&b, 1);
    assert_int_equal(b.placements.v[0].gres.n, 2);
    b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"gpu", "", 2}, {"gpu", "gtx1060", 1})}, 1);
    fits(&b, 1); /* the typed one first, the others out of what is left */
    b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"tape", "", 4})}, 8);
    fits(&b, 2);
    assert_int_equal(b.placements.v[0].gres.v[0].count, 4);
    assert_int_equal(b.placements.v[0].gres.v[0].devices.n, 0);
    b = bid(f, (struct td_shape){TASKS(1, 1), GRES({"boat", "", 1})}, 8);
    refused(&b, TD_REFUSAL_GRES_TYPE, 1);
}

static void devices_and_memory_by_task_and_gpu(void **state)
{
    struct fixture *f = *state;
    const struct td_gres_need one = {"gpu", "", 1};

    machine(f, &(struct td_topo_params){.topology = "synthetic:16", .gres = "gpu:4", .memory_mb = 1000}, true, true);
    struct td_shape s = {TASKS(2, 1), .gres_task = {&one, 1}, .cpus_per_gpu = 3, .mem_mb_per_gpu = 100};
    struct td_lot_bid b = bid(f, s, 5);
    fits(&b, 2);
    assert_int_equal(cpus(&b.placements.v[0]), 6);
    assert_int_equal(b.placements.v[0].memory_mb, 200);
    s = (struct td_shape){TASKS(1, 1), .gres_job = {&one, 1}};
    b = bid(f, s, 5);
    fits(&b, 4);
}

/* --- parts of multi-node jobs ------------------------------------------------------------------------------------ */

static void a_part_of_a_job_is_one_placement_with_as_many_tasks_as_fit(void **state)
{
    struct fixture *f = *state;
    const struct td_gres_need one = {"gpu", "", 1};

    machine(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = "gpu:3"}, true, false);
    struct td_shape s = {.tasks_min = 2, .tasks_max = 16, .cpus_per_task = 2, .nodes_min = 2, .nodes_max = 4, .ntasks = 16};
    struct td_lot_bid b = bid(f, s, 1);
    fits(&b, 4);
    assert_int_equal(b.placements.n, 1);
    assert_int_equal(b.placements.v[0].tasks, 4);
    assert_int_equal(cpus(&b.placements.v[0]), 8);
    s.gres_task.v = &one;
    s.gres_task.n = 1;
    b = bid(f, s, 1);
    fits(&b, 3);
    s.tasks_max = 2;
    b = bid(f, s, 1);
    fits(&b, 2);
    s.tasks_min = s.tasks_max = 5;
    b = bid(f, s, 1);
    refused(&b, TD_REFUSAL_TOO_SMALL, 2); /* devices: asked first */
    td_node_take(f->node, 1, 1, &(struct td_placement){.cpus = {(const uint8_t[]){0x1f}, 1}});
    s.gres_task.n = 0;
    s.tasks_min = 2;
    b = bid(f, s, 1);
    refused(&b, TD_REFUSAL_CPUS, 1);
}

/* --- reasons ----------------------------------------------------------------------------------------------------- */

static void reasons_that_do_not_depend_on_what_is_free(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:4", .features = "gpu,fast"}, true, false);
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1), .req_nodes = "n[2-4]"}, 1);
    refused(&b, TD_REFUSAL_NAME, 0);
    b = bid(f, (struct td_shape){TASKS(1, 1), .req_nodes = "n[1-4]"}, 1);
    fits(&b, 1);
    b = bid(f, (struct td_shape){TASKS(1, 1), .exc_nodes = "n[1-4]"}, 1);
    refused(&b, TD_REFUSAL_NAME, 0);
    b = bid(f, (struct td_shape){TASKS(1, 1), .features = "fast&!gpu"}, 1);
    refused(&b, TD_REFUSAL_FEATURE, 0);
    b = bid(f, (struct td_shape){TASKS(1, 1), .partition = "long"}, 1);
    fits(&b, 1); /* partitions not known yet */
    td_node_set_partitions(f->node, (struct td_strs){(const char *const[]){"normal", "gpu"}, 2});
    b = bid(f, (struct td_shape){TASKS(1, 1), .partition = "long"}, 1);
    refused(&b, TD_REFUSAL_PARTITION, 0);
    b = bid(f, (struct td_shape){TASKS(1, 1), .partition = "gpu"}, 1);
    fits(&b, 1);
}

static void draining_and_unwell_nodes_take_nothing(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:4"}, true, false);
    uint64_t version = td_node_version(f->node);
    td_node_set_draining(f->node, true);
    assert_true(td_node_version(f->node) > version);
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1)}, 1);
    refused(&b, TD_REFUSAL_DRAINING, 0);
    b = bid(f, (struct td_shape){TASKS(1, 5)}, 1);
    refused(&b, TD_REFUSAL_TOO_SMALL, 1); /* what will not pass is said first */
    td_node_set_draining(f->node, false);
    td_node_set_health(f->node, 0);
    b = bid(f, (struct td_shape){TASKS(1, 1)}, 1);
    refused(&b, TD_REFUSAL_UNHEALTHY, 0);
    td_node_set_health(f->node, 500);
    b = bid(f, (struct td_shape){TASKS(1, 1)}, 1);
    fits(&b, 1);
    assert_int_equal(b.health, 500);
}

static void feature_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *features, *constraint;
        bool met;
    } rows[] = {
        {"a,b", "", true},        {"a,b", "a", true},         {"a,b", "c", false},      {"a,b", "a&b", true},
        {"a,b", "a,c", false},    {"a,b", "c|b", true},       {"a,b", "c|d", false},    {"a,b", "!c", true},
        {"a,b", "!a", false},     {"a,b", "!(a&c)", true},    {"a,b", "c|a&b", true},   {"a,b", "(c|a)&d", false},
        {"a,b", "[a|c]", true},   {"a,b", " a & b ", true},   {"ab", "a", false},       {"", "a", false},
        {NULL, "!a", true},       {"a,b", "a&", false},       {"a,b", "(a", false},     {"a,b", "a)", false},
        {"a,b", "a*2&b", true},   {"a,b", "a b", false},
    };
    for (uint32_t i = 0; i < TD_ARRAY_LEN(rows); i++)
        if (td_features_meet(rows[i].features, rows[i].constraint) != rows[i].met)
            fail_msg("'%s' on '%s'", rows[i].constraint, rows[i].features);
    char deep[200];
    memset(deep, '(', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    assert_false(td_features_meet("a", deep));
}

/* --- scores ------------------------------------------------------------------------------------------------------ */

static uint32_t score_of(struct fixture *f, const char *topology, const char *gres, const struct td_placement *held, struct td_shape s)
{
    td_node_destroy(&f->node);
    f->node = td_node_new();
    machine(f, &(struct td_topo_params){.topology = topology, .gres = gres}, true, false);
    if (held)
        td_node_take(f->node, 1, 1, held);
    struct td_lot_bid b = bid(f, s, 1);
    fits(&b, 1);
    return b.score;
}

static void scores_prefer_what_breaks_least(void **state)
{
    struct fixture *f = *state;
    const struct td_placement some = {.cpus = {(const uint8_t[]){0x0f}, 1}};
    struct td_shape plain = {TASKS(1, 2)}, gpu = {TASKS(1, 2), GRES({"gpu", "", 2})};

    uint32_t empty = score_of(f, "synthetic:16", NULL, NULL, plain);
    uint32_t used = score_of(f, "synthetic:16", NULL, &some, plain);
    uint32_t with_gpus = score_of(f, "synthetic:16", "gpu:4", &some, plain);
    assert_true(used > empty);
    assert_true(empty > with_gpus); /* CPU work goes where no GPUs would idle */
    uint32_t two_of_four = score_of(f, "synthetic:16", "gpu:4", NULL, gpu);
    uint32_t two_of_two = score_of(f, "synthetic:16", "gpu:2", NULL, gpu);
    assert_true(two_of_two > two_of_four);
}

/* --- several lots ------------------------------------------------------------------------------------------------ */

static void lots_are_answered_as_if_those_before_were_won(void **state)
{
    struct fixture *f = *state;
    struct td_lot lots[3] = {
        {.lot = 1, .shape = {TASKS(1, 3)}, .count = 2},
        {.lot = 2, .shape = {TASKS(1, 1)}, .count = 8},
        {.lot = 3, .shape = {TASKS(1, 4)}, .count = 1},
    };
    struct td_lot_bid b[3];

    machine(f, &(struct td_topo_params){.topology = "synthetic:8"}, true, false);
    td_node_bid(f->node, lots, 3, &f->arena, b);
    fits(&b[0], 2);
    fits(&b[1], 2); /* what the first leaves */
    fits(&b[2], 1); /* nothing left: as the node is now */
    assert_false(td_bits_overlap(b[0].placements.v[0].cpus, b[1].placements.v[0].cpus));
    assert_int_equal(cpus(&b[2].placements.v[0]), 4);
    assert_int_equal(td_node_held(f->node), 0);
}

static void held_placements_survive_a_new_inventory(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:8"}, true, false);
    td_node_take(f->node, 1, 1, &(struct td_placement){.cpus = {(const uint8_t[]){0xf0}, 1}});
    td_node_take(f->node, 2, 1, &(struct td_placement){.cpus = {(const uint8_t[]){0x01}, 1}});
    machine(f, &(struct td_topo_params){.topology = "synthetic:6"}, true, false); /* 6 and 7 are gone, 4 and 5 held */
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1)}, 8);
    fits(&b, 3);
    assert_true(td_node_give(f->node, 1, 1));
    assert_false(td_node_give(f->node, 1, 1));
    b = bid(f, (struct td_shape){TASKS(1, 1)}, 8);
    fits(&b, 5);
    assert_int_equal(td_node_held(f->node), 1);
}

static void covers_says_why_not(void **state)
{
    struct fixture *f = *state;
    const uint8_t one[] = {0x01}, far[] = {0x00, 0x10}, two[] = {0x02};

    machine(f, &(struct td_topo_params){.topology = "synthetic:8", .gres = "gpu:a:1,tape:2", .memory_mb = 100, .tmp_mb = 10}, true, true);
    td_node_take(f->node, 1, 1,
                 &(struct td_placement){.cpus = {one, 1}, .memory_mb = 60, .gres = {&(struct td_gres_held){"gpu", "a", 1, {one, 1}}, 1}});
    assert_int_equal(td_node_covers(f->node, &(struct td_placement){.cpus = {one, 1}}), TD_REFUSAL_CPUS);
    assert_int_equal(td_node_covers(f->node, &(struct td_placement){.cpus = {far, 2}}), TD_REFUSAL_STALE);
    assert_int_equal(td_node_covers(f->node, &(struct td_placement){.cpus = {two, 1}}), TD_REFUSAL_NONE);
    assert_int_equal(td_node_covers(f->node, &(struct td_placement){.node = "n2", .cpus = {two, 1}}), TD_REFUSAL_NAME);
    assert_int_equal(td_node_covers(f->node, &(struct td_placement){.memory_mb = 41}), TD_REFUSAL_MEMORY);
    assert_int_equal(td_node_covers(f->node, &(struct td_placement){.tmp_mb = 11}), TD_REFUSAL_TMP);
    struct td_gres_held g = {"gpu", "a", 1, {one, 1}};
    struct td_placement p = {.gres = {&g, 1}};
    assert_int_equal(td_node_covers(f->node, &p), TD_REFUSAL_GRES);
    g = (struct td_gres_held){"gpu", "b", 1, {one, 1}};
    assert_int_equal(td_node_covers(f->node, &p), TD_REFUSAL_GRES_TYPE);
    g = (struct td_gres_held){"gpu", "a", 1, {two, 1}};
    assert_int_equal(td_node_covers(f->node, &p), TD_REFUSAL_STALE);
    g = (struct td_gres_held){"tape", "", 3, {NULL, 0}};
    assert_int_equal(td_node_covers(f->node, &p), TD_REFUSAL_GRES);
    g.count = 2;
    assert_int_equal(td_node_covers(f->node, &p), TD_REFUSAL_NONE);
}

/* --- property ---------------------------------------------------------------------------------------------------- */

static struct td_shape random_shape(struct td_rng *r, struct td_arena *a)
{
    struct td_shape s = {.tasks_min = 1, .tasks_max = 1 + td_rng_below(r, 3), .cpus_per_task = 1 + td_rng_below(r, 4)};

    if (td_rng_below(r, 3) == 0)
        s.mem_mb = td_rng_below(r, 400);
    if (td_rng_below(r, 4) == 0)
        s.mem_mb_per_cpu = td_rng_below(r, 100);
    if (td_rng_below(r, 3) == 0) {
        struct td_gres_need *g = td_arena_alloc(a, 2 * sizeof(*g));
        g[0] = (struct td_gres_need){"gpu", td_rng_below(r, 2) ? "a" : "", 1 + td_rng_below(r, 3)};
        g[1] = (struct td_gres_need){"tape", "", 1 + td_rng_below(r, 3)};
        s.gres.v = g;
        s.gres.n = 1 + td_rng_below(r, 2);
    }
    if (td_rng_below(r, 4) == 0) {
        s.nodes_min = s.nodes_max = 2;
        s.tasks_max = s.tasks_min + td_rng_below(r, 6);
    }
    s.exclusive = td_rng_below(r, 12) == 0;
    return s;
}

/* A twin of the node, on which the placements of the answer are taken one by one: covered ones must be covered. A lot
 * that was answered for the node as it is now must find nothing on the twin. */
static void check_answer(const struct fixture *f, struct td_node *twin, const struct td_lot *lot, const struct td_lot_bid *b, uint32_t seed)
{
    static uint32_t job = 1000000;
    struct td_arena a = {0};
    struct td_lot_bid alone;

    td_node_bid(twin, lot, 1, &a, &alone);
    if (b->fits == 0) {
        assert_int_not_equal(b->refusal, TD_REFUSAL_NONE);
        assert_int_equal(alone.fits, 0);
    }
    bool in_turn = alone.fits > 0;
    for (uint32_t i = 0; i < b->placements.n; i++) {
        const struct td_placement *p = &b->placements.v[i];
        uint32_t now = td_node_covers(f->node, p);
        if (now != TD_REFUSAL_NONE)
            fail_msg("seed %u: a placement overlaps what is held: %s", seed, td_refusal_name(now));
        if (!in_turn)
            continue;
        uint32_t r = td_node_covers(twin, p);
        if (r != TD_REFUSAL_NONE)
            fail_msg("seed %u: a placement overlaps an earlier one: %s", seed, td_refusal_name(r));
        uint32_t wanted = b->placements.v[i].tasks * TD_MAX(lot->shape.cpus_per_task, 1u);
        assert_true(cpus(p) >= wanted);
        td_node_take(twin, job++, 1, p);
    }
    td_arena_release(&a);
}

static struct td_node *twin_of(struct fixture *f, bool core_is_unit, const struct td_placement *held, uint32_t nheld)
{
    struct td_node *twin = td_node_new();

    td_node_set(twin, "n1", &f->inv, core_is_unit, true);
    for (uint32_t i = 0; i < nheld; i++)
        td_node_take(twin, i + 1, 1, &held[i]);
    return twin;
}

static void placements_never_overlap(void **state)
{
    struct fixture *f = *state;
    static const char *const machines[] = {
        "synthetic:pack:2 numa:2 core:4 pu:2", "synthetic:13", "synthetic:numa:2 core:6 pu:4", "synthetic:pack:3 core:2 pu:1",
    };

    for (uint32_t seed = 1; seed <= 1500; seed++) {
        struct td_rng r = {seed};
        bool unit = td_rng_below(&r, 2);
        struct td_placement held[8];
        uint32_t nheld = 0;
        td_node_destroy(&f->node);
        f->node = td_node_new();
        td_arena_reset(&f->arena);
        machine(f, &(struct td_topo_params){.topology = machines[seed % 4], .gres = "gpu:a:3,gpu:b:2,tape:5", .memory_mb = 2000}, unit, true);
        while (nheld < td_rng_below(&r, 8)) {
            struct td_lot_bid b = bid(f, random_shape(&r, &f->arena), 1);
            if (b.fits == 0)
                break;
            held[nheld] = b.placements.v[0];
            td_node_take(f->node, nheld + 1, 1, &held[nheld]);
            nheld++;
        }
        struct td_lot lots[6];
        struct td_lot_bid bids[6];
        uint32_t nlots = 1 + td_rng_below(&r, 6);
        for (uint32_t i = 0; i < nlots; i++)
            lots[i] = (struct td_lot){.lot = i, .shape = random_shape(&r, &f->arena), .count = 1 + td_rng_below(&r, 5)};
        td_node_bid(f->node, lots, nlots, &f->arena, bids);
        struct td_node *twin = twin_of(f, unit, held, nheld);
        for (uint32_t i = 0; i < nlots; i++)
            check_answer(f, twin, &lots[i], &bids[i], seed);
        td_node_destroy(&twin);
        for (uint32_t i = 0; i < nheld; i++) /* all back: the node is as if new */
            assert_true(td_node_give(f->node, i + 1, 1));
        assert_int_equal(memcmp(f->node->base.cpus, f->node->empty.cpus, f->node->nbytes), 0);
        assert_int_equal(memcmp(f->node->base.domains, f->node->empty.domains, f->node->ndomains * sizeof(struct td_pool_domain)), 0);
        assert_int_equal(memcmp(f->node->base.stocks, f->node->empty.stocks, f->inv.gres.n * sizeof(struct td_pool_stock)), 0);
        assert_int_equal(f->node->base.memory_mb, f->node->empty.memory_mb);
    }
}

/* --- size -------------------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Prints how long; judges only that the answer is bounded. */
static void large_answers_are_bounded(void **state)
{
    struct fixture *f = *state;

    machine(f, &(struct td_topo_params){.topology = "synthetic:64"}, true, true);
    uint64_t t = now_ns();
    struct td_lot_bid b = bid(f, (struct td_shape){TASKS(1, 1)}, 64);
    print_message("64 instances on 64 CPUs: %lu us\n", (unsigned long)(now_ns() - t) / 1000);
    fits(&b, 64);
    machine(f, &(struct td_topo_params){.topology = "synthetic:4096"}, true, true);
    t = now_ns();
    b = bid(f, (struct td_shape){TASKS(1, 1)}, 4096);
    print_message("1024 instances on 4096 CPUs: %lu us\n", (unsigned long)(now_ns() - t) / 1000);
    fits(&b, TD_MAX_INSTANCES_PER_BID);
    struct td_lot *lots = td_arena_alloc(&f->arena, 256 * sizeof(*lots));
    struct td_lot_bid *bids = td_arena_alloc(&f->arena, 256 * sizeof(*bids));
    for (uint32_t i = 0; i < 256; i++)
        lots[i] = (struct td_lot){.lot = i, .shape = {TASKS(1, 1)}, .count = 4096};
    td_node_bid(f->node, lots, 256, &f->arena, bids);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < 256; i++) {
        assert_true(bids[i].fits > 0);
        for (uint32_t k = 0; k < bids[i].placements.n; k++)
            bytes += 64 + bids[i].placements.v[k].cpus.n;
    }
    assert_true(bytes < TD_MAX_FRAME_BYTES / 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(as_many_as_fit_and_no_more_than_wanted),
        T(whole_cores_or_threads),
        T(a_core_in_use_is_filled_before_another_is_broken),
        T(a_core_in_use_is_filled_to_its_end),
        T(one_numa_node_beats_a_spread),
        T(a_spread_stays_in_a_package_if_it_can),
        T(a_package_without_numa_nodes_of_its_own_still_counts),
        T(cores_of_two_sizes),
        T(memory_is_consumed_where_it_counts),
        T(exclusive_takes_all_cpus_memory_and_devices),
        T(two_gpus_of_four_lie_in_one_package_and_near_their_cores),
        T(work_without_gpus_keeps_off_their_cores),
        T(islands_are_completed_before_whole_ones_are_broken),
        T(gpus_follow_free_cores),
        T(types_mix_only_where_none_is_asked_for),
        T(devices_and_memory_by_task_and_gpu),
        T(a_part_of_a_job_is_one_placement_with_as_many_tasks_as_fit),
        T(reasons_that_do_not_depend_on_what_is_free),
        T(draining_and_unwell_nodes_take_nothing),
        T(feature_expressions),
        T(scores_prefer_what_breaks_least),
        T(lots_are_answered_as_if_those_before_were_won),
        T(held_placements_survive_a_new_inventory),
        T(covers_says_why_not),
        T(placements_never_overlap),
        T(large_answers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
