/* test_core_sane.c - what the commands check the core checks too: another client may send anything
 *
 * Each refusal names the thing, and has a twin that is taken. */
#include "film.h"

struct given {
    struct td_job_need need;
    struct td_job_spec spec;
};

static uint32_t give(struct film *f, struct given *g)
{
    g->spec.needs = (struct td_job_need_list){&g->need, 1};
    struct td_submit s = {.spec = g->spec};
    film_request(f, 0, TD_MSG_SUBMIT, &s);
    return f->job;
}

static void refused(struct film *f, struct given g, const char *words)
{
    uint64_t seq = f->core->seq;
    if (give(f, &g) || !strstr(f->text, words))
        fail_msg("want: %s; got: %u %s", words, f->code, f->text);
    assert_int_equal(f->core->seq, seq);
}

static void taken(struct film *f, struct given g)
{
    if (!give(f, &g))
        fail_msg("%u %s", f->code, f->text);
}

static void text_holds_no_control_characters(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct td_gres_need dev = {.name = "g\npu", .count = 1};
    refused(f, (struct given){.spec.name = "a\nb"}, "Invalid name");
    refused(f, (struct given){.spec.name = "a\nb"}, "0x0a");
    refused(f, (struct given){.spec.comment = "\x1b[2J"}, "Invalid comment");
    refused(f, (struct given){.spec.comment = "\x7f"}, "0x7f");
    refused(f, (struct given){.spec.comment = "\xc2\x9b" "2J"}, "0x9b");
    refused(f, (struct given){.spec.work_dir = "/tmp/\r"}, "Invalid work_dir (working directory)");
    refused(f, (struct given){.spec.std_out = "/tmp/\t"}, "Invalid std_out");
    refused(f, (struct given){.spec.account = "\x01"}, "Invalid account");
    refused(f, (struct given){.need.features = "a\n"}, "Invalid features");
    refused(f, (struct given){.need.gres = {&dev, 1}}, "Invalid name (kind: gpu)");
    static const char *const args[] = {"one\ntwo", "\x1b"};
    taken(f, (struct given){.spec = {.name = "\xc3\xa4 \xed\x95\x9c",
                                     .comment = "a b",
                                     .work_dir = "/tmp/\xc3\x84",
                                     .argv = {args, 2}}});
}

static void so_of_changes_and_of_nodes(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t job = film_submit(f, .cores = 1, .hold = true);
    struct td_job_sel sel = {.job = job};
    struct td_update_job m = {.ids = {&sel, 1}, .change = {.set = 1 << 3, .name = "x\ny"}};
    film_request(f, 0, TD_MSG_UPDATE_JOB, &m);
    film_expect_refused(f, TD_E_INVALID_REQUEST);
    assert_non_null(strstr(f->text, "Invalid name"));
    m.change.name = "xy";
    film_request(f, 0, TD_MSG_UPDATE_JOB, &m);
    assert_int_equal(f->nerrors, 0);
    assert_string_equal(film_job(f, job)->spec->body.name, "xy");
    film_update_node(f, "n1", "DRAIN", "two\nlines");
    film_expect_refused(f, TD_E_INVALID_REQUEST);
    assert_non_null(strstr(f->text, "Invalid reason"));
    film_update_node(f, "n1", "DRAIN", "one line");
    assert_int_equal(f->count, 1);
}

static void memory_neither_wraps_nor_is_asked_for_twice(void **state)
{
    struct film *f = *state;
    film_start(f);
    refused(f, (struct given){.need.mem_mb_per_node = UINT64_C(1) << 63}, "Invalid memory of each node");
    refused(f, (struct given){.need = {.mem_mb_per_cpu = UINT64_C(1) << 63, .cpus_per_task = 2}},
            "Invalid memory for each CPU");
    refused(f, (struct given){.need.mem_mb_per_gpu = UINT64_MAX}, "Invalid memory for each GPU");
    refused(f, (struct given){.need.tmp_mb = (uint64_t)TD_MAX_MEMORY_MB + 1}, "MEMORY_MB (2147483647)");
    refused(f, (struct given){.need = {.mem_mb_per_node = 1, .mem_mb_per_cpu = 1}}, "in two ways");
    refused(f, (struct given){.need = {.mem_all = true, .mem_mb_per_gpu = 1}}, "in two ways");
    taken(f, (struct given){.need.mem_mb_per_node = TD_MAX_MEMORY_MB});
    taken(f, (struct given){.need.mem_mb_per_cpu = TD_MAX_MEMORY_MB});
    taken(f, (struct given){.need.tmp_mb = TD_MAX_MEMORY_MB});
    taken(f, (struct given){.need.mem_all = true});
}

/* Not bounded, because some gres are counted in bytes: more than anybody has, and never nothing. */
static void counts_of_devices_do_not_wrap(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 2);
    struct td_gres_need half = {.name = "gpu", .count = UINT64_C(1) << 63}, twice[] = {half, half};
    refused(f, (struct given){.need = {.ntasks = 2, .gres_task = {&half, 1}}}, "not available");
    refused(f, (struct given){.need = {.gres = {twice, 2}}}, "not available");
    refused(f, (struct given){.need = {.gres = {&half, 1}, .mem_mb_per_gpu = 2}}, "not available");
    refused(f, (struct given){.need = {.gres = {&half, 1}, .cpus_per_gpu = 2}}, "not available");
    struct td_gres_need two = {.name = "gpu", .count = 1};
    taken(f, (struct given){.need = {.ntasks = 2, .gres_task = {&two, 1}}});
}

static void nice_times_and_counts_are_in_range(void **state)
{
    struct film *f = *state;
    film_start(f);
    refused(f, (struct given){.spec.nice = INT64_MIN}, "Invalid nice value");
    refused(f, (struct given){.spec.nice = -2147483646}, "beyond -2147483645");
    refused(f, (struct given){.spec.nice = 2147483646}, "beyond 2147483645");
    taken(f, (struct given){.spec.nice = -2147483645});
    taken(f, (struct given){.spec.nice = 2147483645});
    refused(f, (struct given){.spec.begin_ms = -1}, "Invalid begin time");
    refused(f, (struct given){.spec.begin_ms = INT64_MAX}, "between 1970 and 9999");
    taken(f, (struct given){.spec.begin_ms = 253402300799999});
    refused(f, (struct given){.need.ntasks = TD_MAX_TASKS_PER_JOB + 1}, "Invalid number of tasks");
    refused(f, (struct given){.need.ntasks_per_node = UINT32_MAX}, "TASKS_PER_JOB");
    refused(f, (struct given){.need = {.ntasks = TD_MAX_NODES_PER_JOB + 1, .ntasks_per_node = 1}},
            "Invalid number of nodes: 16385 is over NODES_PER_JOB");
    refused(f, (struct given){.need.cpus_per_gpu = TD_MAX_CPUS_PER_NODE + 1}, "CPUS_PER_NODE");
    taken(f, (struct given){.need = {.ntasks = TD_MAX_NODES_PER_JOB, .ntasks_per_node = 1}});
    taken(f, (struct given){.need.ntasks = TD_MAX_TASKS_PER_JOB});
    refused(f, (struct given){.spec.signal = "NOSUCH@10"}, "Invalid --signal");
    taken(f, (struct given){.spec.signal = "B:USR1@10"});
}

static void so_of_changes(void **state)
{
    struct film *f = *state;
    film_start(f);
    uint32_t job = film_submit(f, .cores = 1, .hold = true);
    struct td_job_sel sel = {.job = job};
    const struct {
        struct td_job_change change;
        const char *words;
    } cases[] = {
        {{.set = 1 << 5, .nice = INT64_MIN}, "Invalid nice value"},
        {{.set = 1 << 7, .begin_ms = INT64_MAX}, "Invalid begin time"},
        {{.set = 1 << 6, .priority = UINT64_MAX}, "Invalid priority"},
        {{.set = 1 << 5, .nice = -2147483645}, NULL},
        {{.set = 1 << 7, .begin_ms = 253402300799999}, NULL},
        {{.set = 1 << 6, .priority = UINT32_MAX}, NULL},
    };
    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        struct td_update_job m = {.ids = {&sel, 1}, .change = cases[i].change};
        film_request(f, 0, TD_MSG_UPDATE_JOB, &m);
        assert_int_equal(f->nerrors, cases[i].words != NULL);
        if (cases[i].words && !strstr(f->text, cases[i].words))
            fail_msg("want: %s; got: %s", cases[i].words, f->text);
    }
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(text_holds_no_control_characters),   FILM(so_of_changes_and_of_nodes),
        FILM(memory_neither_wraps_nor_is_asked_for_twice), FILM(counts_of_devices_do_not_wrap),
        FILM(nice_times_and_counts_are_in_range), FILM(so_of_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
