/* test_sim_plot.c - the picture of a schedule: every job while they are few, sums when they are many, bounded always */
#include "simfilm.h"

#include "broker/sim/plot.h"

static uint32_t count(const char *text, const char *what)
{
    uint32_t n = 0;

    for (const char *s = text; (s = strstr(s, what)); s += strlen(what))
        n++;
    return n;
}

/* Tags open and close in order, and none holds a bare & or a quote that stays open: enough to be well-formed here. */
static void assert_well_formed(const char *s)
{
    const char *open[16];
    uint32_t depth = 0;

    for (s = strchr(s, '<'); s; s = strchr(s + 1, '<')) {
        const char *end = strchr(s, '>');
        assert_non_null(end);
        if (s[1] == '/') {
            assert_true(depth > 0);
            depth--;
            assert_true(strncmp(open[depth], s + 2, (size_t)(end - s - 2)) == 0);
        } else if (end[-1] != '/') {
            assert_true(depth < 16);
            open[depth++] = s + 1;
        }
        s = end;
    }
    assert_int_equal(depth, 0);
}

static void every_job_is_drawn(void **state TD_UNUSED)
{
    struct td_error err = {0};
    struct trace t;
    struct sim_result r;
    struct td_buf b = {0};

    assert_int_equal(read_text("; MaxProcs: 4\n1 0 -1 100 3 -1 -1 3 100 -1 1 1\n2 10 -1 50 4 -1 -1 4 50 -1 1 2\n3 20 -1 0 1 -1 -1 1 10 -1 1 3\n", 0, &t, &err), 0);
    simulate(&t, "easy", false, &r);
    sim_plot_make(&t, r.jobs, "a < b & c", &b);
    assert_well_formed(td_buf_str(&b));
    assert_int_equal(count(td_buf_str(&b), "class=\"j\""), 3);
    assert_non_null(strstr(td_buf_str(&b), "<title>job 2 of user 2: 4 processors, waited 90 s, ran 50 s</title>"));
    assert_non_null(strstr(td_buf_str(&b), "<title>a &#60; b &#38; c</title>"));
    assert_null(strstr(td_buf_str(&b), "nan"));
    td_buf_release(&b);
    sim_result_release(&r);
    trace_release(&t);
}

/* So many jobs of one processor, one after the other on a machine of two. */
static void many(struct trace *t, struct sim_job **ret, uint32_t n)
{
    *t = (struct trace){.procs_max = 2};
    *ret = td_alloc(n * sizeof(**ret));
    for (uint32_t i = 0; i < n; i++) {
        struct trace_job j = {.submit_s = 10 * (int64_t)i, .id = i + 1, .run_s = 10, .limit_s = 10, .procs = 1, .user = 1};
        td_vec_push(&t->jobs, j);
        (*ret)[i] = (struct sim_job){.start_s = 10 * (int64_t)i, .end_s = 10 * (int64_t)i + 10, .by_s = -1, .likely_from_s = -1, .likely_to_s = -1};
    }
}

static void too_many_are_drawn_as_sums(void **state TD_UNUSED)
{
    static const uint32_t n[] = {PLOT_JOBS, PLOT_JOBS + 1, 300000};

    for (size_t i = 0; i < TD_ARRAY_LEN(n); i++) {
        struct trace t;
        struct sim_job *jobs;
        struct td_buf b = {0};
        many(&t, &jobs, n[i]);
        sim_plot_make(&t, jobs, "many", &b);
        assert_well_formed(td_buf_str(&b));
        assert_int_equal(count(td_buf_str(&b), "class=\"j\""), n[i] <= PLOT_JOBS ? n[i] : 0);
        assert_true(b.len < 2u << 20);
        /* One of two processors is in use all the time: the line is in the middle of its panel. */
        assert_int_equal(count(td_buf_str(&b), " 560.0h1"), 1100);
        td_buf_release(&b);
        td_free(jobs);
        trace_release(&t);
    }
}

static void a_file_that_cannot_be_is_named(void **state TD_UNUSED)
{
    struct trace t;
    struct sim_job *jobs;
    struct td_error err = {0};

    many(&t, &jobs, 2);
    assert_true(sim_plot_write("/nowhere/at/all.svg", &t, jobs, "x", &err) < 0);
    assert_non_null(strstr(err.text, "/nowhere/at/all.svg"));
    td_free(jobs);
    trace_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_is_drawn),
        cmocka_unit_test(too_many_are_drawn_as_sums),
        cmocka_unit_test(a_file_that_cannot_be_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
