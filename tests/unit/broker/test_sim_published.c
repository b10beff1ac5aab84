/* test_sim_published.c - RLScheduler's rules: by hand, and its table where the trace is there */
#include "simfilm.h"

#include "broker/sim/published.h"

static void starts(const char *text, enum published_order order, bool backfill, const int64_t *want)
{
    struct td_error err = {0};
    struct trace t;

    assert_int_equal(read_text(text, 4, &t, &err), 0);
    struct sim_job *jobs = td_alloc(t.jobs.n * sizeof(*jobs));
    published_run(&t, order, backfill, jobs);
    for (uint32_t i = 0; i < t.jobs.n; i++) {
        if (jobs[i].start_s != want[i])
            fail_msg("job %u starts at %lld instead of %lld", t.jobs.v[i].id, (long long)jobs[i].start_s, (long long)want[i]);
    }
    td_free(jobs);
    trace_release(&t);
}

static void one_is_picked_and_waited_for(void **state TD_UNUSED)
{
    /* When the machine is free at 100, job 4 is shorter than job 3; job 2 was picked at once when it came. */
    const char *text = "1 0 -1 100 4 -1 -1 4 100\n2 1 -1 50 4 -1 -1 4 50\n3 2 -1 40 2 -1 -1 2 40\n4 3 -1 10 2 -1 -1 2 10\n";

    starts(text, PUBLISHED_FCFS, false, (int64_t[]){0, 100, 150, 150});
    starts(text, PUBLISHED_SJF, false, (int64_t[]){0, 100, 150, 150});
    text = "1 0 -1 100 4 -1 -1 4 100\n2 1 -1 50 4 -1 -1 4 50\n3 2 -1 40 4 -1 -1 4 40\n4 3 -1 10 4 -1 -1 4 10\n";
    starts(text, PUBLISHED_FCFS, false, (int64_t[]){0, 100, 150, 190});
    starts(text, PUBLISHED_SJF, false, (int64_t[]){0, 100, 160, 150});
}

static void backfill_ends_before_the_picked_one(void **state TD_UNUSED)
{
    /* Job 2 can start at 100 at the earliest. Job 3 would end then, and not before; job 4 does. */
    const char *text = "1 0 -1 100 3 -1 -1 3 100\n2 1 -1 50 4 -1 -1 4 50\n3 2 -1 98 1 -1 -1 1 98\n4 3 -1 96 1 -1 -1 1 96\n";

    starts(text, PUBLISHED_FCFS, true, (int64_t[]){0, 100, 150, 3});
    starts(text, PUBLISHED_FCFS, false, (int64_t[]){0, 100, 150, 150});
}

static void f1_weighs_size_and_age(void **state TD_UNUSED)
{
    /* Long ago, submissions of a second's difference weigh less than a size. */
    const char *text = "1 1000000 -1 100 4 -1 -1 4 100\n2 1000001 -1 100 4 -1 -1 4 100\n3 1000002 -1 100 4 -1 -1 4 100\n4 1000003 -1 100 1 -1 -1 1 100\n";

    starts(text, PUBLISHED_F1, false, (int64_t[]){1000000, 1000100, 1000300, 1000200});
}

/* --- published ----------------------------------------------------------------------------------------------------- */

static const uint32_t firsts[] = {1981, 2756, 4299, 8850, 3316, 2714, 5228, 7762, 4022, 7085};

static double table(const struct trace *whole, enum published_order order, bool backfill)
{
    double sum = 0;

    for (size_t i = 0; i < TD_ARRAY_LEN(firsts); i++) {
        struct trace t = {.procs_max = whole->procs_max};
        struct sim_metrics m;
        for (uint32_t k = 0; k < 1024; k++)
            td_vec_push(&t.jobs, whole->jobs.v[firsts[i] + k]);
        struct sim_job *jobs = td_alloc(t.jobs.n * sizeof(*jobs));
        published_run(&t, order, backfill, jobs);
        sim_metrics_make(&t, jobs, &m);
        sum += m.avebsld;
        td_free(jobs);
        trace_release(&t);
    }
    return sum / TD_ARRAY_LEN(firsts);
}

static void the_table_comes_out(void **state TD_UNUSED)
{
    static const struct {
        enum published_order order;
        bool backfill;
        const char *figure;
    } rows[] = {
        {PUBLISHED_FCFS, false, "7273.77"}, {PUBLISHED_SJF, false, "277.35"}, {PUBLISHED_F1, false, "258.37"},
        {PUBLISHED_FCFS, true, "235.82"},   {PUBLISHED_SJF, true, "73.31"},   {PUBLISHED_F1, true, "75.07"},
    };
    char path[4096], text[32];
    struct td_error err = {0};
    struct trace t;

    if (!shared_path("traces/lublin_256.swf.gz", path, sizeof(path)))
        skip();
    assert_int_equal(trace_read(path, &(struct trace_ask){0}, &t, &err), 0);
    assert_int_equal(t.procs_max, 256);
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        snprintf(text, sizeof(text), "%.2f", table(&t, rows[i].order, rows[i].backfill));
        if (strcmp(text, rows[i].figure) != 0)
            fail_msg("row %zu: %s instead of %s", i, text, rows[i].figure);
    }
    trace_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_picked_and_waited_for),
        cmocka_unit_test(backfill_ends_before_the_picked_one),
        cmocka_unit_test(f1_weighs_size_and_age),
        cmocka_unit_test(the_table_comes_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
