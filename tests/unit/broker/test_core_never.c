/* test_core_never.c - what no node could serve is refused, with what is beyond which partition and the most there is; its
 * twin that just fits is taken */
#include "film.h"

struct ask {
    const char *partition;
    uint32_t nodes_min, nodes_max, ntasks, cpus, gpus;
    uint64_t mem, mem_per_cpu, tmp;
    const char *type, *gres, *features, *req_nodes, *exc_nodes;
};

static void submit(struct film *f, struct ask a)
{
    struct td_gres_need gres = {.name = a.gres ? a.gres : "gpu", .type = a.type, .count = a.gpus};
    struct td_job_need need = {.partition = a.partition,
                               .nodes_min = a.nodes_min,
                               .nodes_max = a.nodes_max ? a.nodes_max : a.nodes_min,
                               .ntasks = a.ntasks,
                               .cpus_per_task = a.cpus,
                               .mem_mb_per_node = a.mem,
                               .mem_mb_per_cpu = a.mem_per_cpu,
                               .tmp_mb = a.tmp,
                               .features = a.features,
                               .req_nodes = a.req_nodes,
                               .exc_nodes = a.exc_nodes,
                               .gres = {&gres, a.gpus ? 1 : 0}};
    struct td_submit s = {.spec = {.name = "never", .needs = {&need, 1}}};
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
}

/* n1, n2: much of everything but CPUs; n3: many CPUs and nothing else. */
static void cluster(struct film *f)
{
    f->settings.elastic = false;
    film_node(f, (struct td_node_conf){.names = "n[1-2]", .cpus = 8, .memory_mb = 4000, .tmp_mb = 100, .gres = "gpu:t4:4", .features = "red"});
    film_node(f, (struct td_node_conf){.names = "n3", .cpus = 16, .memory_mb = 1000, .features = "blue"});
    film_partition(f, (struct td_partition_conf){.name = "main", .nodes = "ALL", .is_default = true});
    film_partition(f, (struct td_partition_conf){.name = "gpu", .nodes = "n[1-2]"});
    film_start(f);
}

static void beyond_and_its_twin_that_just_fits(void **state)
{
    static const struct {
        const char *words;
        struct ask beyond, fits;
    } cases[] = {
        {"partition main: no node has 17 CPUs (the most is 16)", {.nodes_min = 1, .cpus = 17}, {.nodes_min = 1, .cpus = 16}},
        {"partition gpu: no node has 9 CPUs (the most is 8)", {.partition = "gpu", .nodes_min = 1, .ntasks = 9}, {.partition = "gpu", .nodes_min = 1, .ntasks = 8}},
        {"no node has 4001 MB of memory (the most is 4000)", {.mem = 4001}, {.mem = 4000}},
        {"no node has 4008 MB of memory (the most is 4000)", {.partition = "gpu", .cpus = 8, .mem_per_cpu = 501}, {.partition = "gpu", .cpus = 8, .mem_per_cpu = 500}},
        {"no node has 101 MB of temporary disk (the most is 100)", {.tmp = 101}, {.tmp = 100}},
        {"no node has 5 gres/gpu (the most is 4)", {.gpus = 5}, {.gpus = 4}},
        {"no node has 1 gres/gpu:a100 (the most is 0)", {.gpus = 1, .type = "a100"}, {.gpus = 1, .type = "t4"}},
        {"no node has 17 CPUs (the most is 16), 5 gres/gpu (the most is 4)", {.cpus = 17, .gpus = 5}, {.cpus = 8, .gpus = 4}},
        {"no node has all of it together: 9 CPUs, 1 gres/gpu", {.cpus = 9, .gpus = 1}, {.cpus = 8, .gpus = 1}},
        {"partition gpu: no node has the features blue", {.partition = "gpu", .features = "blue"}, {.partition = "gpu", .features = "red"}},
        {"no node with its features has 9 CPUs (the most is 8)", {.cpus = 9, .features = "red"}, {.cpus = 9, .features = "blue"}},
        {"none of the nodes it may use has 1 gres/gpu (the most is 0)", {.gpus = 1, .req_nodes = "n3"}, {.gpus = 1, .req_nodes = "n2"}},
        {"partition gpu: none of its nodes may be used (--nodelist, --exclude)", {.partition = "gpu", .exc_nodes = "n[1-2]"}, {.partition = "gpu", .exc_nodes = "n1"}},
        {"partition main: 4 nodes are wanted, and 3 could take a part", {.nodes_min = 4}, {.nodes_min = 3}},
        {"partition main: 3 nodes are wanted, and 2 could take a part", {.nodes_min = 3, .gpus = 1}, {.nodes_min = 2, .gpus = 1}},
        {"33 tasks are wanted, and all 3 nodes that could take a part hold 32", {.nodes_min = 1, .nodes_max = 3, .ntasks = 33}, {.nodes_min = 1, .nodes_max = 3, .ntasks = 32}},
        {"25 tasks are wanted, and 2 nodes hold at most 24", {.nodes_min = 2, .ntasks = 25}, {.nodes_min = 2, .ntasks = 24}},
    };
    struct film *f = *state;
    cluster(f);
    for (uint32_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        submit(f, cases[i].beyond);
        film_expect_refused(f, TD_E_NODE_CONFIG);
        if (!strstr(f->text, cases[i].words))
            print_error("case %u: %s\n", i, f->text);
        assert_non_null(strstr(f->text, cases[i].words));
        assert_int_equal(strncmp(f->text, "Requested node configuration is not available: partition ", 57), 0);
        submit(f, cases[i].fits);
        if (f->code)
            print_error("case %u: its twin: %s\n", i, f->text);
        film_expect_refused(f, TD_E_OK);
    }
    submit(f, (struct ask){.partition = "gpu,main", .cpus = 17});
    assert_string_equal(f->text, "Requested node configuration is not available: partition gpu: no node has 17 CPUs (the most is 8); "
                                 "partition main: no node has 17 CPUs (the most is 16)");
    submit(f, (struct ask){.partition = "gpu,main", .cpus = 16});
    film_expect_refused(f, TD_E_OK);
}

static void what_no_node_of_the_cluster_knows_has_words_of_its_own(void **state)
{
    struct film *f = *state;
    cluster(f);
    submit(f, (struct ask){.gpus = 1, .gres = "tpu"});
    film_expect_refused(f, TD_E_INVALID_GRES);
    assert_string_equal(f->text, "Invalid generic resource (gres) specification: no node has tpu");
    submit(f, (struct ask){.features = "green"});
    film_expect_refused(f, TD_E_INVALID_FEATURE);
    assert_string_equal(f->text, "Invalid feature specification: green");
}

#define FILM(name) cmocka_unit_test_setup_teardown(name, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(beyond_and_its_twin_that_just_fits),
        FILM(what_no_node_of_the_cluster_knows_has_words_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
