/* test_core_gpus.c - devices counted for the whole job and for each task, over several nodes; what is expected is what
 * Slurm 22.05 gave or said on three nodes of 8 CPUs and 4 GPUs */
#include "film.h"

struct ask {
    uint32_t nodes_min, nodes_max, ntasks, gpus, per_node, per_task, cpus_per_gpu;
    uint64_t mem_per_gpu;
};

static uint32_t ask(struct film *f, struct ask a)
{
    struct td_gres_need job = {.name = "gpu", .count = a.gpus}, node = {.name = "gpu", .count = a.per_node},
                        task = {.name = "gpu", .count = a.per_task};
    struct td_job_need need = {.nodes_min = a.nodes_min,
                               .nodes_max = a.nodes_max ? a.nodes_max : a.nodes_min,
                               .ntasks = a.ntasks,
                               .cpus_per_gpu = a.cpus_per_gpu,
                               .mem_mb_per_gpu = a.mem_per_gpu,
                               .gres_job = {&job, a.gpus ? 1 : 0},
                               .gres = {&node, a.per_node ? 1 : 0},
                               .gres_task = {&task, a.per_task ? 1 : 0}};
    struct td_submit s = {.spec = {.name = "gpus", .needs = {&need, 1}}};
    f->job = 0;
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
    return f->job;
}

static uint32_t devices(const struct td_placement *p)
{
    uint32_t n = p->gres.n ? td_bits_count(p->gres.v[0].devices.v, p->gres.v[0].devices.n) : 0;
    assert_int_equal(n, p->gres.n ? p->gres.v[0].count : 0);
    return n;
}

static void three_nodes(struct film *f)
{
    film_start(f);
    film_worker(f, "n1", 8, 4);
    film_worker(f, "n2", 8, 4);
    film_worker(f, "n3", 8, 4);
}

static void what_is_asked_for_is_held_and_no_more(void **state)
{
    static const struct {
        struct ask ask;
        uint32_t nodes, gpus[3], tasks[3];
    } cases[] = {
        {{.nodes_min = 2, .gpus = 8}, 2, {4, 4}, {1, 1}},
        {{.nodes_min = 2, .gpus = 6}, 2, {4, 2}, {1, 1}},
        {{.nodes_min = 2, .gpus = 7}, 2, {4, 3}, {1, 1}},
        {{.nodes_min = 2, .gpus = 2}, 2, {1, 1}, {1, 1}},
        {{.nodes_min = 3, .gpus = 12}, 3, {4, 4, 4}, {1, 1, 1}},
        {{.nodes_min = 2, .ntasks = 4, .gpus = 6}, 2, {4, 2}, {3, 1}},
        {{.gpus = 2}, 1, {2}, {1}}, /* onto one node where one could hold it */
        {{.gpus = 6}, 2, {4, 2}, {1, 1}},
        {{.gpus = 10}, 3, {4, 4, 2}, {1, 1, 1}},
        {{.nodes_min = 2, .nodes_max = 3, .gpus = 10}, 3, {4, 4, 2}, {1, 1, 1}},
        {{.ntasks = 3, .gpus = 6}, 2, {4, 2}, {2, 1}},
        {{.ntasks = 4, .per_task = 2}, 2, {4, 4}, {2, 2}},
        {{.ntasks = 3, .per_task = 2}, 2, {4, 2}, {2, 1}},
        {{.nodes_min = 2, .per_task = 2}, 2, {2, 2}, {1, 1}},
        {{.nodes_min = 2, .gpus = 8, .per_node = 4}, 2, {4, 4}, {1, 1}},
        {{.gpus = 8, .per_node = 4}, 2, {4, 4}, {1, 1}},
        {{.gpus = 8, .per_task = 2}, 2, {4, 4}, {2, 2}},
        {{.nodes_min = 2, .gpus = 8, .per_task = 2}, 2, {4, 4}, {2, 2}},
    };
    struct film *f = *state;
    three_nodes(f);
    for (uint32_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        uint32_t job = ask(f, cases[i].ask);
        if (!job)
            print_error("case %u: %s\n", i, f->text);
        assert_int_not_equal(job, 0);
        film_expect(f, job, "RUNNING");
        const struct core_alloc *al = film_job(f, job)->alloc;
        for (uint32_t k = 0; k < al->nparts; k++) {
            if (al->nparts != cases[i].nodes || devices(al->parts[k].place) != cases[i].gpus[k] ||
                al->parts[k].place->tasks != cases[i].tasks[k])
                print_error("case %u: node %u of %u has %u gpus, %u tasks\n", i, k, al->nparts,
                            devices(al->parts[k].place), al->parts[k].place->tasks);
            assert_int_equal(al->nparts, cases[i].nodes);
            assert_int_equal(devices(al->parts[k].place), cases[i].gpus[k]);
            assert_int_equal(al->parts[k].place->tasks, cases[i].tasks[k]);
        }
        film_exit(f, job, 0);
    }
}

static void what_cannot_be_is_refused_in_words(void **state)
{
    static const struct {
        struct ask ask;
        int code;
        const char *words;
    } cases[] = {
        {{.nodes_min = 2, .gpus = 9}, TD_E_NODE_CONFIG, "9 gres/gpu are wanted, and 2 nodes hold at most 8"},
        {{.nodes_min = 3, .gpus = 13}, TD_E_NODE_CONFIG, "13 gres/gpu are wanted, and all 3 nodes that could take a part hold 12"},
        {{.gpus = 13}, TD_E_NODE_CONFIG, "13 gres/gpu are wanted, and all 3 nodes that could take a part hold 12"},
        {{.nodes_min = 1, .gpus = 6}, TD_E_NODE_CONFIG, "no node has 6 gres/gpu (the most is 4)"},
        {{.ntasks = 1, .gpus = 6}, TD_E_NODE_CONFIG, "no node has 6 gres/gpu (the most is 4)"},
        {{.nodes_min = 2, .gpus = 1}, TD_E_INVALID_GRES, "--gpus is less than --nodes"},
        {{.ntasks = 3, .gpus = 8, .per_task = 2}, TD_E_INVALID_GRES, "--gpus=8 and --gpus-per-task=2 do not agree with --ntasks"},
        {{.gpus = 7, .per_task = 2}, TD_E_INVALID_GRES, "--gpus=7 and --gpus-per-task=2 do not agree"},
        {{.nodes_min = 3, .gpus = 8, .per_node = 4}, TD_E_INVALID_GRES, "--gpus=8 and --gpus-per-node=4 do not agree with --nodes"},
    };
    struct film *f = *state;
    three_nodes(f);
    for (uint32_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        assert_int_equal(ask(f, cases[i].ask), 0);
        film_expect_refused(f, cases[i].code);
        if (!strstr(f->text, cases[i].words))
            print_error("case %u: %s\n", i, f->text);
        assert_non_null(strstr(f->text, cases[i].words));
    }
}

static void shares_follow_what_is_free(void **state)
{
    struct film *f = *state;
    three_nodes(f);
    uint32_t three = ask(f, (struct ask){.nodes_min = 1, .gpus = 3}), all = ask(f, (struct ask){.nodes_min = 1, .gpus = 4});
    film_expect(f, three, "RUNNING");
    film_expect(f, all, "RUNNING");
    uint32_t job = ask(f, (struct ask){.nodes_min = 2, .gpus = 5}); /* one is left on one node, four on another */
    film_expect(f, job, "RUNNING");
    uint32_t next = ask(f, (struct ask){.nodes_min = 2, .gpus = 2});
    film_expect(f, next, "PENDING");
    film_expect_reason(f, next, "Resources");
    film_exit(f, job, 0);
    film_expect(f, next, "RUNNING");
    struct td_job_filter everything = {0};
    struct td_job_query q = {.filter = &everything};
    struct td_job_info rows[4];
    uint32_t waits = ask(f, (struct ask){.nodes_min = 2, .gpus = 8});
    assert_int_equal(film_rows(f, &q, rows, 4), 4);
    assert_int_equal(rows[3].job, waits);
    assert_int_equal(rows[3].gres.n, 0); /* what is wanted of the job is in its submission, not on each node */
}

static void cpus_and_memory_go_with_the_devices_that_stay(void **state)
{
    struct film *f = *state;
    three_nodes(f);
    uint32_t job = ask(f, (struct ask){.nodes_min = 2, .gpus = 5, .cpus_per_gpu = 2, .mem_per_gpu = 10});
    film_expect(f, job, "RUNNING");
    const struct td_placement *four = film_job(f, job)->alloc->parts[0].place,
                              *one = film_job(f, job)->alloc->parts[1].place;
    assert_int_equal(devices(four), 4);
    assert_int_equal(td_bits_count(four->cpus.v, four->cpus.n), 8);
    assert_int_equal(four->memory_mb, 40);
    assert_int_equal(devices(one), 1);
    assert_int_equal(td_bits_count(one->cpus.v, one->cpus.n), 2);
    assert_int_equal(one->memory_mb, 10);
}

#define FILM(name) cmocka_unit_test_setup_teardown(name, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(what_is_asked_for_is_held_and_no_more),
        FILM(what_cannot_be_is_refused_in_words),
        FILM(shares_follow_what_is_free),
        FILM(cpus_and_memory_go_with_the_devices_that_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
