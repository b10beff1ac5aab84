/* test_sim_journal.c - a journal's history as a workload */
#include "store_place.h"

#include "broker/sim/journal.h"

#define T0 INT64_C(1700000000000)

struct past {
    uint32_t job, uid, cpus, limit_s, gpus;
    int64_t submit_s, start_s, end_s; /* start 0: never */
    const char *name;
};

static void remember(struct place *p, const struct past *v, uint32_t n)
{
    struct td_history_row rows[16];
    struct td_buf bodies[16] = {0};

    for (uint32_t i = 0; i < n; i++) {
        struct td_gres_need gpu = {.name = "gpu", .count = v[i].gpus};
        struct td_job_need need = {.gres_job = {&gpu, v[i].gpus ? 1 : 0}};
        struct td_job_info j = {.job = v[i].job, .uid = v[i].uid, .state = TD_JOB_DONE, .spec = {.name = v[i].name, .needs = {&need, 1}}, .cpus = v[i].cpus,
                                .limit_s = v[i].limit_s, .attempt = v[i].start_s ? 1 : 0, .mem_mb = 100 * v[i].cpus, .submit_ms = T0 + v[i].submit_s * 1000,
                                .start_ms = v[i].start_s ? T0 + v[i].start_s * 1000 : 0, .end_ms = T0 + v[i].end_s * 1000};
        td_wire_put_record(&bodies[i], &td_rec_job_info, &j);
        rows[i] = (struct td_history_row){.job = j.job, .uid = j.uid, .state = j.state, .submit_ms = j.submit_ms, .start_ms = j.start_ms, .end_ms = j.end_ms,
                                          .user = "u", .account = "", .partition = "p", .name = v[i].name, .info = bodies[i].data, .len = (uint32_t)bodies[i].len};
    }
    struct td_store_batch b = {.history = rows, .nhistory = n, .now_ms = T0};
    if (ops->append(p->s, &b, &p->err) < 0)
        fail_msg("%s", p->err.text);
    for (uint32_t i = 0; i < n; i++)
        td_buf_release(&bodies[i]);
}

static void jobs_of_the_past_are_the_workload(void **state)
{
    struct place *p = *state;
    struct trace t;
    static const struct past past[] = {
        {7, 1001, 4, 600, 0, 110, 120, 150, "a"},         /* ended first */
        {5, 1000, 2, TD_INFINITE, 3, 100, 100, 200, "b"}, /* no limit, GPUs */
        {6, 1000, 2, 60, 0, 105, 0, 120, "a"},            /* cancelled while it waited */
        {8, 1001, 99, 60, 0, 115, 120, 130, "a"},         /* more than the machine */
    };

    remember(p, past, 4);
    if (trace_read_journal(p->dir, &(struct trace_ask){.procs = 8}, &t, &p->err) < 0)
        fail_msg("%s", p->err.text);
    assert_int_equal(t.jobs.n, 2);
    assert_int_equal(t.not_run, 1);
    assert_int_equal(t.too_large, 1);
    assert_int_equal(t.unsorted, 0);
    const struct trace_job *b = &t.jobs.v[0], *a = &t.jobs.v[1];
    assert_int_equal(b->id, 5);
    assert_int_equal(b->submit_s, 0);
    assert_int_equal(b->run_s, 100);
    assert_int_equal(b->limit_s, TRACE_LIMIT_S_MAX);
    assert_int_equal(b->gpus, 3);
    assert_int_equal(b->mem_kb, 102400);
    assert_int_equal(b->wait_s, 0);
    assert_int_equal(a->id, 7);
    assert_int_equal(a->submit_s, 10);
    assert_int_equal(a->wait_s, 10);
    assert_int_equal(a->run_s, 30);
    assert_int_equal(a->limit_s, 600);
    assert_int_equal(a->user, 1001);
    assert_true(a->app && b->app && a->app != b->app);
    trace_release(&t);
}

static void what_a_journal_cannot_tell_is_asked_for(void **state)
{
    struct place *p = *state;
    struct trace t;
    static const struct past never[] = {{6, 1000, 2, 60, 0, 105, 0, 120, "a"}}, one[] = {{7, 1000, 2, 60, 0, 105, 106, 120, "a"}};

    assert_true(trace_read_journal(p->dir, &(struct trace_ask){.procs = 8}, &t, &p->err) < 0);
    assert_non_null(strstr(p->err.text, "no job in its history has run"));
    remember(p, never, 1);
    assert_true(trace_read_journal(p->dir, &(struct trace_ask){.procs = 8}, &t, &p->err) < 0);
    remember(p, one, 1);
    assert_true(trace_read_journal(p->dir, &(struct trace_ask){0}, &t, &p->err) < 0);
    assert_non_null(strstr(p->err.text, "on how large a machine"));
    assert_true(trace_read_journal("/nowhere/at/all", &(struct trace_ask){.procs = 8}, &t, &p->err) < 0);
    assert_non_null(strstr(p->err.text, "/nowhere/at/all"));
}

static void a_damaged_row_is_left_out(void **state)
{
    struct place *p = *state;
    struct trace t;
    static const struct past past[] = {{7, 1001, 4, 600, 0, 110, 120, 150, "a"}, {5, 1000, 2, 60, 0, 100, 100, 200, "b"}};

    remember(p, past, 2);
    behind(p, "UPDATE history SET info=bit_in(info) WHERE job=7");
    assert_int_equal(trace_read_journal(p->dir, &(struct trace_ask){.procs = 8}, &t, &p->err), 0);
    assert_int_equal(t.jobs.n, 1);
    assert_int_equal(t.damaged, 1);
    trace_release(&t);
}

static void the_state_is_read_or_the_damage_named(void **state)
{
    struct place *p = *state;
    struct td_core *core = NULL;
    struct td_core_sizes sizes;

    assert_int_equal(journal_core(p->dir, &core, &p->err), 0);
    td_core_get_sizes(core, &sizes);
    assert_int_equal(sizes.nodes, 0);
    td_core_destroy(&core);
    append_ok(p, 1, 3);
    behind(p, "UPDATE events SET body=bit_in(body) WHERE seq=1");
    assert_int_equal(journal_core(p->dir, &core, &p->err), -TD_E_JOURNAL);
    assert_null(core);
    assert_int_equal(journal_core("/nowhere/at/all", &core, &p->err) < 0, 1);
}

static void a_journal_is_told_by_what_is_there(void **state)
{
    struct place *p = *state;
    char dir[4096], path[4096];

    assert_true(trace_is_journal(p->dir, dir, sizeof(dir)));
    assert_string_equal(dir, p->dir);
    snprintf(path, sizeof(path), "%s/journal.db", p->dir);
    assert_true(trace_is_journal(path, dir, sizeof(dir)));
    assert_string_equal(dir, p->dir);
    assert_true(trace_is_journal("journal.db", dir, sizeof(dir)));
    assert_string_equal(dir, ".");
    assert_false(trace_is_journal("/tmp", dir, sizeof(dir)));
    assert_false(trace_is_journal("trace.swf", dir, sizeof(dir)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jobs_of_the_past_are_the_workload, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_journal_cannot_tell_is_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_row_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(the_state_is_read_or_the_damage_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_journal_is_told_by_what_is_there, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
