/* test_sim_bad.c - what no trace should hold: each has a defined answer, and a run ends */
#include "simfilm.h"

static const char *const policies[] = {"fifo", "easy", "sjbf", "conservative", "tender"};

static void every_policy_ends(const struct trace *t)
{
    for (size_t i = 0; i < 2 * TD_ARRAY_LEN(policies); i++) {
        const char *policy = policies[i / 2];
        struct sim_result r;
        if (i % 2 && strcmp(policy, "tender") != 0)
            continue;
        simulate(t, policy, i % 2, &r);
        assert_int_equal(r.ended, t->jobs.n);
        assert_int_equal(r.refused + r.never, 0);
        never_more_than_there_is(t, &r, policy);
        sim_result_release(&r);
    }
}

static void limits_of_nothing_and_of_everything(void **state TD_UNUSED)
{
    struct td_error err = {0};
    struct trace t;

    /* Limits 0, unknown, 2^31, more than any; runs of 0 and of a billion seconds. */
    assert_int_equal(read_text("; MaxProcs: 4\n1 0 -1 0 4 -1 -1 4 0\n2 0 -1 10 4 -1 -1 4 -1\n3 0 -1 10 2 -1 -1 2 2147483648\n4 0 -1 10 2 -1 -1 2 99999999999999\n"
                               "5 1 -1 1000000000 1 -1 -1 1 1\n6 1 -1 0 4 -1 -1 4 2147483647\n7 1 -1 99999999999 1 -1 -1 1 1\n", 0, &t, &err), 0);
    assert_int_equal(t.jobs.n, 7);
    assert_int_equal(t.clipped, 4);
    assert_int_equal(t.jobs.v[0].limit_s, 1);
    assert_int_equal(t.jobs.v[6].run_s, TRACE_LIMIT_S_MAX);
    every_policy_ends(&t);
    trace_estimate(&t, TRACE_EXACT);
    every_policy_ends(&t);
    trace_estimate(&t, TRACE_DOUBLE);
    assert_int_equal(t.jobs.v[0].limit_s, 1);
    assert_int_equal(t.jobs.v[4].limit_s, TRACE_LIMIT_S_MAX);
    every_policy_ends(&t);
    trace_release(&t);
}

static void times_of_other_ages_are_dropped(void **state TD_UNUSED)
{
    struct td_error err = {0};
    struct trace t;
    struct td_buf b = {0};

    assert_int_equal(read_text("1 -1 -1 10 1\n2 100000000001 -1 10 1\n3 9e99 -1 10 1\n4 100000000000 -1 10 1\n5 0 -1 -10 1\n6 5 -1 10 1\n", 4, &t, &err), 0);
    assert_int_equal(t.jobs.n, 2);
    assert_int_equal(t.too_late, 2);
    assert_int_equal(t.negative, 2);
    trace_report(&t, &b);
    assert_non_null(strstr(td_buf_str(&b), "2 jobs dropped: submitted after more than 3000 years"));
    every_policy_ends(&t);
    td_buf_release(&b);
    trace_release(&t);
}

static void one_job_too_many_is_refused(void **state TD_UNUSED)
{
    struct trace_ask ask = {.procs = 4, .jobs_max = 2};
    struct td_error err = {0};
    struct trace t;
    char path[64];

    write_text(path, "1 0 -1 10 1\n2 0 -1 10 1\n");
    assert_int_equal(trace_read(path, &ask, &t, &err), 0);
    assert_int_equal(t.jobs.n, 2);
    trace_release(&t);
    unlink(path);
    write_text(path, "1 0 -1 10 1\n2 0 -1 10 1\n3 0 -1 10 1\n");
    assert_int_equal(trace_read(path, &ask, &t, &err), -TD_E_TOO_BIG);
    assert_non_null(strstr(err.text, "more than 2 jobs"));
    unlink(path);
}

static void lines_that_are_none_are_named(void **state TD_UNUSED)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"1 0 -1 10 1\n1 0 -1\n", "line 2 has fewer than 5 fields"},
        {"1 0 -1 10 1\n1 0 -1 10 nan\n", "line 2 has something that is no number"},
        {"1 0 -1 10 1\n1 0 -1 10 1;\n", "line 2 has something that is no number"},
        {"\n; a remark\n1,0,-1,10,1\n", "line 3 has something that is no number"},
        {"", "no job in it could run"},
        {"; MaxProcs: 99\n", "no job in it could run"},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        struct td_error err = {0};
        struct trace t;
        assert_true(read_text(rows[i].text, 4, &t, &err) < 0);
        if (!strstr(err.text, rows[i].words))
            fail_msg("row %zu: %s", i, err.text);
    }
    char *line = td_alloc(8000);
    struct td_error err = {0};
    struct trace t;
    memset(line, '1', 7000);
    assert_true(read_text(line, 4, &t, &err) < 0);
    assert_non_null(strstr(err.text, "line 1 is longer than"));
    td_free(line);
}

/* Any numbers at all: they are read or refused, and what is read runs to its end. */
static void any_numbers_come_to_an_end(void **state TD_UNUSED)
{
    static const char *const values[] = {"-1", "0", "1", "2", "3", "7", "60", "3600", "0.5", "-0.5", "2147483647", "2147483648", "4294967295", "4294967296",
                                         "1e9", "1e18", "-1e18", "1e308", "-9", "00012", "+4"};

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct td_rng rng = {seed};
        struct td_buf text = {0};
        struct td_error err = {0};
        struct trace t;
        for (uint32_t line = 0; line < 40; line++) {
            for (uint32_t n = 5 + td_rng_below(&rng, 18); n; n--)
                td_buf_putf(&text, "%s ", values[td_rng_below(&rng, td_rng_below(&rng, 2) ? 8 : (uint32_t)TD_ARRAY_LEN(values))]);
            td_buf_putc(&text, '\n');
        }
        if (read_text(td_buf_str(&text), 8, &t, &err) == 0) {
            every_policy_ends(&t);
            trace_release(&t);
        } else {
            assert_true(err.text[0]);
        }
        td_buf_release(&text);
    }
}

static void the_same_number_twice_is_two_jobs(void **state TD_UNUSED)
{
    struct td_error err = {0};
    struct trace t;

    assert_int_equal(read_text("1 0 -1 10 4\n1 0 -1 10 4\n1 5 -1 10 4\n", 4, &t, &err), 0);
    assert_int_equal(t.jobs.n, 3);
    every_policy_ends(&t);
    trace_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_nothing_and_of_everything),
        cmocka_unit_test(times_of_other_ages_are_dropped),
        cmocka_unit_test(one_job_too_many_is_refused),
        cmocka_unit_test(lines_that_are_none_are_named),
        cmocka_unit_test(any_numbers_come_to_an_end),
        cmocka_unit_test(the_same_number_twice_is_two_jobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
