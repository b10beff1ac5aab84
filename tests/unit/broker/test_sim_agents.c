/* test_sim_agents.c - machines of nodes: the workers' own cores bid for a trace's jobs */
#include "simfilm.h"

#define NODES 80

struct cluster {
    struct sim_node nodes[NODES];
    char names[NODES][16];
    struct td_inventory inv;
    uint8_t all[8], bits[64][8];
    struct td_cpu_core cores[64];
    struct td_device devices[8];
    struct td_gres_stock stock;
    struct td_partition_conf part;
    struct td_ev_conf_loaded conf;
    uint32_t n;
};

/* So many nodes that are alike: CPUs that are cores, 1000 MiB for each, GPUs. */
static void cluster_make(struct cluster *c, uint32_t n, uint32_t cpus, uint32_t gpus)
{
    *c = (struct cluster){.n = n};
    for (uint32_t i = 0; i < cpus; i++) {
        td_bits_set(c->all, i);
        td_bits_set(c->bits[i], i);
        c->cores[i] = (struct td_cpu_core){.cpus = {c->bits[i], 8}};
    }
    for (uint32_t i = 0; i < gpus; i++)
        c->devices[i] = (struct td_device){.index = i};
    c->stock = (struct td_gres_stock){.name = "gpu", .count = gpus, .devices = {c->devices, gpus}};
    c->inv = (struct td_inventory){.hostname = "n", .cpus = {c->all, 8}, .sockets = 1, .cores_per_socket = cpus, .threads_per_core = 1,
                                   .memory_mb = 1000 * cpus, .cores = {c->cores, cpus}, .gres = {&c->stock, gpus ? 1 : 0}, .declared = true};
    for (uint32_t i = 0; i < n; i++) {
        snprintf(c->names[i], sizeof(c->names[i]), "n%u", i + 1);
        c->nodes[i] = (struct sim_node){c->names[i], &c->inv};
    }
    c->part = (struct td_partition_conf){.name = "all", .nodes = "ALL", .is_default = true, .max_s = TD_INFINITE, .state = "UP", .priority_tier = 1};
    c->conf = (struct td_ev_conf_loaded){.settings = {.kill_wait_s = 30, .requeue = true, .elastic = true, .memory_counts = true}, .partitions = {&c->part, 1}};
}

static void run_on(const struct cluster *c, const struct trace *t, const char *policy, struct sim_result *ret)
{
    struct sim_conf conf = {.policy = policy, .cluster = &c->conf};
    struct td_error err = {0};
    struct sim_machine *m = sim_agents_new(c->nodes, c->n);

    if (sim_run(t, &conf, m, NULL, NULL, ret, &err) < 0)
        fail_msg("%s: %s", policy, err.text);
    m->ops->destroy(m);
}

/* The very schedule that counting gives. */
static void one_node_is_a_plain_machine(void **state TD_UNUSED)
{
    static const char *const policies[] = {"fifo", "easy", "sjbf", "conservative", "tender"};

    for (uint64_t seed = 1; seed <= 10; seed++) {
        const char *policy = policies[seed % TD_ARRAY_LEN(policies)];
        struct cluster c;
        struct trace t;
        struct sim_result plain, agents;
        random_trace(&t, 500 + seed, 200, 24);
        cluster_make(&c, 1, 24, 0);
        simulate(&t, policy, false, &plain);
        run_on(&c, &t, policy, &agents);
        for (uint32_t i = 0; i < t.jobs.n; i++) {
            if (plain.jobs[i].start_s != agents.jobs[i].start_s)
                fail_msg("%s, seed %llu: job %u starts at %lld instead of %lld", policy, (unsigned long long)seed, i + 1,
                         (long long)agents.jobs[i].start_s, (long long)plain.jobs[i].start_s);
        }
        sim_result_release(&plain);
        sim_result_release(&agents);
        trace_release(&t);
    }
}

static void many_nodes_never_hold_more_than_they_have(void **state TD_UNUSED)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct cluster c;
        struct trace t;
        struct sim_result r, again;
        random_trace(&t, 900 + seed, 200, 24);
        cluster_make(&c, 6, 4, 0);
        run_on(&c, &t, "tender", &r);
        run_on(&c, &t, "tender", &again);
        assert_int_equal(r.ended, t.jobs.n);
        assert_memory_equal(r.jobs, again.jobs, t.jobs.n * sizeof(*r.jobs));
        never_more_than_there_is(&t, &r, "tender");
        sim_result_release(&r);
        sim_result_release(&again);
        trace_release(&t);
    }
}

/* Offers go out to 64 nodes at a time; a job of more than those was offered to one such part alone, and never ran. */
static void a_job_wider_than_one_offer_runs(void **state TD_UNUSED)
{
    struct cluster c;
    struct trace t;
    struct td_error err = {0};
    struct sim_result r;

    cluster_make(&c, NODES, 1, 0);
    assert_int_equal(read_text("1 0 -1 100 20 -1 -1 20 100\n2 1 -1 100 50 -1 -1 50 100\n3 2 -1 10 75 -1 -1 75 100\n4 3 -1 10 80 -1 -1 80 100\n", NODES, &t, &err), 0);
    run_on(&c, &t, "easy", &r);
    assert_int_equal(r.jobs[0].start_s, 0);
    assert_int_equal(r.jobs[1].start_s, 1);
    assert_int_equal(r.jobs[2].start_s, 101);
    assert_int_equal(r.jobs[3].start_s, 111);
    sim_result_release(&r);
    trace_release(&t);
}

static void gpus_and_memory_are_asked_for(void **state TD_UNUSED)
{
    struct cluster c;
    struct trace t;
    struct td_error err = {0};
    struct sim_result r;
    char path[64];

    /* Two nodes of 4 CPUs, 4000 MiB and 2 GPUs. 1: both GPUs of a node; 2: three GPUs, over both nodes, when 1 is over;
     * 3: a CPU; 4: all of a node's memory with one CPU, twice, which fits on no node. */
    write_text(path, "1 0 -1 100 1 -1 -1 1 100 -1 1 1 1 1 1 1 -1 -1 2\n2 1 -1 10 2 -1 -1 2 100 -1 1 1 1 1 1 1 -1 -1 3\n"
                     "3 2 -1 10 1 -1 -1 1 100 -1 1 1 1 1 1 1 -1 -1 0\n4 3 -1 10 1 -1 -1 1 100 8192000 1 1 1 1 1 1 -1 -1 0\n");
    assert_int_equal(trace_read(path, &(struct trace_ask){.procs = 8, .gpus_field = 19}, &t, &err), 0);
    unlink(path);
    assert_int_equal(t.jobs.v[1].gpus, 3);
    assert_int_equal(t.jobs.v[3].mem_kb, 8192000);
    cluster_make(&c, 2, 4, 2);
    run_on(&c, &t, "easy", &r);
    assert_int_equal(r.jobs[0].start_s, 0);
    assert_int_equal(r.jobs[1].start_s, 100);
    assert_int_equal(r.jobs[2].start_s, 2);
    assert_int_equal(r.refused, 1);
    assert_true(r.jobs[3].refused && r.jobs[3].start_s == -1);
    assert_non_null(strstr(r.why, "memory"));
    sim_result_settle(&t, &r);
    assert_int_equal(t.jobs.n, 3);
    assert_int_equal(t.jobs.v[2].id, 3);
    sim_result_release(&r);
    trace_release(&t);
}

static void who_is_turned_down_leaves_the_others_their_numbers(void **state TD_UNUSED)
{
    struct cluster c;
    struct trace t;
    struct td_error err = {0};
    struct sim_result r;

    /* 1 wants more memory than there is, 2 must be kept from 3's place; 4 may not run as long as it wants. */
    assert_int_equal(read_text("1 0 -1 10 1 -1 -1 1 100 99999999\n2 0 -1 10 4 -1 -1 4 100\n3 0 -1 20 4 -1 -1 4 100\n4 5 -1 10 1 -1 -1 1 90000\n5 5 -1 10 1 -1 -1 1 50\n", 4, &t, &err), 0);
    cluster_make(&c, 1, 4, 0);
    c.part.max_s = 3600;
    run_on(&c, &t, "easy", &r);
    assert_int_equal(r.refused, 1);
    assert_int_equal(r.never, 1);
    assert_string_equal(r.reason, "PartitionTimeLimit");
    assert_int_equal(r.jobs[1].start_s, 0);
    assert_int_equal(r.jobs[2].start_s, 10);
    assert_int_equal(r.jobs[3].start_s, -1);
    assert_int_equal(r.jobs[4].start_s, 30);
    sim_result_settle(&t, &r);
    assert_int_equal(t.jobs.n, 3);
    sim_result_release(&r);
    trace_release(&t);
}

/* The configuration knows n1 alone, and lets nobody join. */
static void a_node_that_the_broker_will_not_have_is_told_of(void **state TD_UNUSED)
{
    struct cluster c;
    struct trace t;
    struct td_error err = {0};
    struct sim_result r;
    struct td_node_conf line = {.names = "n1", .cpus = 4};
    const char *words;

    cluster_make(&c, 2, 4, 0);
    c.conf.settings.elastic = false;
    c.conf.nodes = (struct td_node_conf_list){&line, 1};
    struct sim_conf conf = {.policy = "easy", .cluster = &c.conf};
    struct sim_machine *m = sim_agents_new(c.nodes, c.n);
    assert_int_equal(read_text("1 0 -1 10 4 -1 -1 4 10\n2 0 -1 10 8 -1 -1 8 10\n", 8, &t, &err), 0);
    assert_int_equal(sim_run(&t, &conf, m, NULL, NULL, &r, &err), 0);
    assert_int_equal(sim_agents_turned_away(m, &words), 1);
    assert_true(words[0]);
    assert_int_equal(r.ended, 1);
    assert_int_equal(r.refused, 1);
    m->ops->destroy(m);
    sim_result_release(&r);
    trace_release(&t);
}

static void years_pass_between_two_jobs(void **state TD_UNUSED)
{
    struct cluster c;
    struct trace t;
    struct td_error err = {0};
    struct sim_result plain, agents;

    assert_int_equal(read_text("1 0 -1 100000000 4 -1 -1 4 100000000\n2 1 -1 10 4 -1 -1 4 10\n3 900000000 -1 10 4 -1 -1 4 10\n", 4, &t, &err), 0);
    cluster_make(&c, 1, 4, 0);
    simulate(&t, "easy", false, &plain);
    run_on(&c, &t, "easy", &agents);
    assert_int_equal(plain.jobs[1].start_s, 100000000);
    assert_int_equal(agents.jobs[1].start_s, 100000000);
    assert_int_equal(plain.jobs[2].start_s, 900000000);
    assert_int_equal(agents.jobs[2].start_s, 900000000);
    sim_result_release(&plain);
    sim_result_release(&agents);
    trace_release(&t);
}

/* An error that is the caller's to see: the run of a plain machine ends with it. */
static void a_plain_machine_turns_nothing_down(void **state TD_UNUSED)
{
    struct sim_conf conf = {.policy = "easy"};
    struct td_error err = {0};
    struct trace t;
    struct sim_result r;
    struct sim_machine *m = sim_plain_new(4);

    assert_int_equal(read_text("7 0 -1 10 8 -1 -1 8 100\n", 8, &t, &err), 0);
    assert_true(sim_run(&t, &conf, m, NULL, NULL, &r, &err) < 0);
    assert_non_null(strstr(err.text, "job 7 of the trace is refused"));
    assert_null(r.jobs);
    m->ops->destroy(m);
    trace_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_is_a_plain_machine),
        cmocka_unit_test(many_nodes_never_hold_more_than_they_have),
        cmocka_unit_test(a_job_wider_than_one_offer_runs),
        cmocka_unit_test(gpus_and_memory_are_asked_for),
        cmocka_unit_test(who_is_turned_down_leaves_the_others_their_numbers),
        cmocka_unit_test(a_node_that_the_broker_will_not_have_is_told_of),
        cmocka_unit_test(years_pass_between_two_jobs),
        cmocka_unit_test(a_plain_machine_turns_nothing_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
