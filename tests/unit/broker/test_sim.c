/* test_sim.c - a workload through the core on virtual time: against a slow EASY, and what every policy must keep
 *
 * Published figures are compared where the traces lie beside the repository, in ../shared/data or $TENDER_SHARED/data;
 * without them the test says so. */
#include "simfilm.h"

/* --- the trace as it is read -------------------------------------------------------------------------------------- */

static void defects_are_counted(void **state TD_UNUSED)
{
    struct td_error err = {0};
    struct trace t;
    struct td_buf b = {0};

    assert_int_equal(read_text("; MaxProcs: 8\n"
                               "1 0 -1 10 4 -1 -1 4 20 -1 1 7 -1 3\n"
                               "2 5 -1 -1 4 -1 -1 4 20\n"   /* negative run time */
                               "3 -5 -1 10 4 -1 -1 4 20\n"  /* negative submission */
                               "4 6 -1 10 -1 -1 -1 -1 20\n" /* no processors */
                               "5 7 -1 10 2 -1 -1 -1 20\n"  /* used ones count */
                               "6 8 -1 10 9 -1 -1 9 20\n"   /* larger than the machine */
                               "7 9 -1 30 1 -1 -1 1 20\n"   /* ran beyond its limit */
                               "8 4 -1 30 1 -1 -1 1 -1\n"   /* out of order, no limit */
                               "9 10 -1 0 1 -1 -1 1 0\n"    /* nothing at all */
                               "10 11 -1 1 1 -1 -1 1 2147483648\n"
                               "\n", 0, &t, &err), 0);
    assert_int_equal(t.jobs.n, 6);
    assert_int_equal(t.negative, 2);
    assert_int_equal(t.no_procs, 1);
    assert_int_equal(t.too_large, 1);
    assert_int_equal(t.raised, 1);
    assert_int_equal(t.no_limit, 2);
    assert_int_equal(t.unsorted, 1);
    assert_int_equal(t.clipped, 1);
    assert_int_equal(t.jobs.v[0].user, 7);
    assert_int_equal(t.jobs.v[0].app, 3);
    assert_int_equal(t.jobs.v[1].id, 8); /* sorted */
    assert_int_equal(t.jobs.v[1].limit_s, 30);
    assert_int_equal(t.jobs.v[4].limit_s, 1);
    assert_int_equal(t.jobs.v[5].limit_s, TRACE_LIMIT_S_MAX);
    trace_report(&t, &b);
    assert_non_null(strstr(td_buf_str(&b), "1 job dropped: larger than the machine"));
    td_buf_release(&b);
    trace_release(&t);
}

static void what_is_no_trace_is_named(void **state TD_UNUSED)
{
    struct td_error err = {0};
    struct trace t;

    assert_true(trace_read("/nowhere/at/all", &(struct trace_ask){.procs = 4}, &t, &err) < 0);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_true(read_text("; MaxProcs: 8\n1 0 -1\n", 0, &t, &err) < 0);
    assert_non_null(strstr(err.text, "line 2 has fewer"));
    assert_true(read_text("1 0 -1 ten 4\n", 8, &t, &err) < 0);
    assert_non_null(strstr(err.text, "line 1 has something that is no number"));
    assert_true(read_text("1 0 -1 10 4 -1 -1 4 20\n", 0, &t, &err) < 0);
    assert_non_null(strstr(err.text, "--procs"));
    assert_true(read_text("1 0 -1 10 4 -1 -1 4 20\n", 2, &t, &err) < 0);
    assert_non_null(strstr(err.text, "no job"));
}

/* --- EASY as the books have it, job by job and processor by processor --------------------------------------------- */

struct slow {
    const struct trace *t;
    int64_t *start; /* -1: waits */
    int64_t now;
    uint32_t free;
};

static int64_t ends(const struct slow *s, uint32_t i, bool really)
{
    return s->start[i] + (int64_t)(really ? s->t->jobs.v[i].run_s : s->t->jobs.v[i].limit_s);
}

static bool runs(const struct slow *s, uint32_t i)
{
    return s->start[i] >= 0 && ends(s, i, true) > s->now;
}

static void slow_start(struct slow *s, uint32_t i)
{
    s->start[i] = s->now;
    if (s->t->jobs.v[i].run_s)
        s->free -= s->t->jobs.v[i].procs;
}

static void slow_pass(struct slow *s, bool shortest)
{
    uint32_t n = s->t->jobs.n, head = 0;

    for (; head < n && s->t->jobs.v[head].submit_s <= s->now; head++) {
        if (s->start[head] >= 0)
            continue;
        if (s->t->jobs.v[head].procs > s->free)
            break;
        slow_start(s, head);
    }
    if (head == n || s->t->jobs.v[head].submit_s > s->now)
        return;
    /* When enough will have ended, and what is over then. */
    int64_t shadow = s->now;
    uint32_t avail = s->free, need = s->t->jobs.v[head].procs;
    while (avail < need) {
        int64_t next = INT64_MAX;
        for (uint32_t i = 0; i < n; i++)
            if (runs(s, i) && ends(s, i, false) > shadow)
                next = TD_MIN(next, ends(s, i, false));
        shadow = next;
        avail = s->free;
        for (uint32_t i = 0; i < n; i++)
            if (runs(s, i) && ends(s, i, false) <= shadow)
                avail += s->t->jobs.v[i].procs;
    }
    uint32_t extra = avail - need;
    for (;;) {
        uint32_t best = n;
        for (uint32_t i = head + 1; i < n && s->t->jobs.v[i].submit_s <= s->now; i++) {
            const struct trace_job *j = &s->t->jobs.v[i];
            bool ok = s->start[i] < 0 && j->procs <= s->free && (s->now + j->limit_s <= shadow || j->procs <= extra);
            if (ok && (best == n || (shortest && j->limit_s < s->t->jobs.v[best].limit_s)))
                best = i;
        }
        if (best == n)
            return;
        if (s->now + s->t->jobs.v[best].limit_s > shadow)
            extra -= s->t->jobs.v[best].procs;
        slow_start(s, best);
    }
}

static void slow_run(struct slow *s, bool shortest)
{
    uint32_t n = s->t->jobs.n;

    for (int64_t last = -1;; last = s->now) {
        int64_t next = INT64_MAX;
        for (uint32_t i = 0; i < n; i++) {
            if (s->t->jobs.v[i].submit_s > last)
                next = TD_MIN(next, s->t->jobs.v[i].submit_s);
            if (s->start[i] >= 0 && ends(s, i, true) > last)
                next = TD_MIN(next, ends(s, i, true));
        }
        if (next == INT64_MAX)
            return;
        s->now = next;
        s->free = s->t->procs_max;
        for (uint32_t i = 0; i < n; i++)
            s->free -= runs(s, i) ? s->t->jobs.v[i].procs : 0;
        slow_pass(s, shortest);
    }
}

static void easy_is_what_the_books_say(void **state TD_UNUSED)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        bool shortest = seed % 2;
        struct trace t;
        struct sim_result r;
        random_trace(&t, seed, 150, 16 + 8 * (uint32_t)(seed % 3));
        struct slow s = {.t = &t, .start = td_alloc(t.jobs.n * sizeof(*s.start))};
        for (uint32_t i = 0; i < t.jobs.n; i++)
            s.start[i] = -1;
        slow_run(&s, shortest);
        simulate(&t, shortest ? "sjbf" : "easy", false, &r);
        for (uint32_t i = 0; i < t.jobs.n; i++)
            if (r.jobs[i].start_s != s.start[i])
                fail_msg("seed %llu: job %u starts at %lld instead of %lld", (unsigned long long)seed, i + 1, (long long)r.jobs[i].start_s,
                         (long long)s.start[i]);
        sim_result_release(&r);
        td_free(s.start);
        trace_release(&t);
    }
}

/* --- what holds under every policy --------------------------------------------------------------------------------- */

static void promises_are_kept_by_all_who_make_them(void **state TD_UNUSED)
{
    static const struct {
        const char *policy;
        bool free_order, promises;
    } all[] = {{"fifo", false, false}, {"easy", false, false}, {"sjbf", false, false}, {"conservative", false, true}, {"tender", false, true}, {"tender", true, true}};

    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct trace t;
        random_trace(&t, 1000 + seed, 400, 24);
        for (size_t i = 0; i < TD_ARRAY_LEN(all); i++) {
            struct sim_result r;
            struct sim_metrics m;
            simulate(&t, all[i].policy, all[i].free_order, &r);
            never_more_than_there_is(&t, &r, all[i].policy);
            sim_metrics_make(&t, r.jobs, &m);
            assert_int_equal(m.promises_kept, m.promises_given);
            assert_int_equal(m.promises_excused, 0);
            assert_int_equal(m.promises_given > 0, all[i].promises);
            sim_result_release(&r);
        }
        trace_release(&t);
    }
}

static void a_run_is_the_same_twice(void **state TD_UNUSED)
{
    struct trace t;
    struct sim_result a, b;

    random_trace(&t, 7, 400, 24);
    simulate(&t, "tender", true, &a);
    simulate(&t, "tender", true, &b);
    assert_memory_equal(a.jobs, b.jobs, t.jobs.n * sizeof(*a.jobs));
    assert_int_equal(a.events, b.events);
    sim_result_release(&a);
    sim_result_release(&b);
    trace_release(&t);
}

/* Nine of ten processors are used in the long run; who asks for an hour mostly runs for minutes. */
static void busy_trace(struct trace *t, uint64_t seed, uint32_t n)
{
    struct td_rng rng = {seed};
    int64_t at = 0;

    *t = (struct trace){.procs_max = 64};
    for (uint32_t i = 0; i < n; i++) {
        struct trace_job j = {.id = i + 1, .procs = 1u << td_rng_below(&rng, 6), .user = 1 + td_rng_below(&rng, 20)};
        at += td_rng_below(&rng, 4) ? td_rng_below(&rng, 200) : td_rng_below(&rng, 1000);
        j.submit_s = at;
        j.limit_s = 600 * (1 + td_rng_below(&rng, j.user));
        j.run_s = td_rng_below(&rng, 3) ? 1 + td_rng_below(&rng, 1 + j.limit_s / 3) : 1 + td_rng_below(&rng, j.limit_s);
        td_vec_push(&t->jobs, j);
    }
}

static void four_of_five_start_when_they_likely_do(void **state TD_UNUSED)
{
    struct trace t;
    struct sim_result r;
    struct sim_metrics m;

    for (int free_order = 0; free_order < 2; free_order++) {
        busy_trace(&t, 11, 6000);
        simulate(&t, "tender", free_order, &r);
        sim_metrics_make(&t, r.jobs, &m);
        print_message("%s: %.3f of the likely intervals hold, half of them are shorter than %.0f s; %u waited\n",
                      free_order ? "by worth" : "by rank", m.likely_coverage, m.likely_width, m.promises_given);
        assert_true(m.promises_given > 1000);
        assert_true(m.likely_coverage >= 0.75 && m.likely_coverage <= 0.85);
        assert_true(m.likely_width > 0);
        sim_result_release(&r);
        simulate(&t, "easy", false, &r); /* keeps no book, and says nothing */
        sim_metrics_make(&t, r.jobs, &m);
        assert_true(m.likely_coverage < 0);
        sim_result_release(&r);
        trace_release(&t);
    }
}

static void a_trace_may_count_from_1970(void **state TD_UNUSED)
{
    struct td_error err = {0};
    struct trace t;
    struct sim_result r;

    assert_int_equal(read_text("; MaxProcs: 4\n1 1641021254 -1 100 4 -1 -1 4 100\n2 1641021264 -1 1 4 -1 -1 4 10\n", 0, &t, &err), 0);
    simulate(&t, "tender", false, &r);
    assert_int_equal(r.jobs[1].start_s, 1641021354);
    sim_result_release(&r);
    trace_release(&t);
}

static void figures_of_three_jobs(void **state TD_UNUSED)
{
    struct td_error err = {0};
    struct trace t;
    struct sim_result r;
    struct sim_metrics m;
    struct td_buf b = {0};

    /* The second waits 90 s, the third 10 s more: both are of 1 s, so 10 s is the bound. */
    assert_int_equal(read_text("; MaxProcs: 4\n1 0 -1 100 4 -1 -1 4 100\n2 10 -1 1 4 -1 -1 4 10\n3 1 -1 1 4 -1 -1 4 10\n", 0, &t, &err), 0);
    simulate(&t, "fifo", false, &r);
    sim_metrics_make(&t, r.jobs, &m);
    assert_int_equal(m.jobs, 3);
    assert_true(m.mean_wait == (0 + 99 + 91) / 3.0);
    assert_true(m.max_wait == 99);
    assert_true(m.avebsld > (1 + 10.0 + 9.2) / 3 - 1e-9 && m.avebsld < (1 + 10.0 + 9.2) / 3 + 1e-9);
    assert_true(m.makespan == 102);
    assert_true(m.utilisation == 1);
    sim_metrics_print(&m, &b);
    assert_non_null(strstr(td_buf_str(&b), "\"makespan\":102,"));
    td_buf_release(&b);
    sim_result_release(&r);
    trace_release(&t);
}

/* --- published ----------------------------------------------------------------------------------------------------- */

static bool open_shared(const char *name, uint32_t procs, struct trace *t)
{
    struct td_error err = {0};
    char path[4096], file[256];

    snprintf(file, sizeof(file), "traces/%s.swf.gz", name);
    if (SANITIZED) {
        print_message("skipped: takes minutes under sanitizers, and the smaller traces go the same ways\n");
        return false;
    }
    if (!shared_path(file, path, sizeof(path)))
        return false;
    if (trace_read(path, &(struct trace_ask){.procs = procs}, t, &err) < 0)
        fail_msg("%s", err.text);
    return true;
}

static void published_figures_come_out(void **state TD_UNUSED)
{
    static const struct {
        const char *trace;
        uint32_t procs;
        const char *policy;
        enum trace_estimates estimates;
        double least, most;
    } rows[] = {
        {"KTH-SP2-1996.sc15-input", 100, "easy", TRACE_USER, 92.5765 * 0.99, 92.5765 * 1.01},
        {"KTH-SP2-1996.sc15-input", 100, "easy", TRACE_EXACT, 71.72238 * 0.9999, 71.72238 * 1.0001},
        {"KTH-SP2-1996.sc15-input", 100, "sjbf", TRACE_EXACT, 49.84772 * 0.999, 49.84772 * 1.001},
        {"SDSC-SP2-1998.sc15-input", 128, "easy", TRACE_USER, 87.8703 * 0.99, 87.8703 * 1.01},
        {"SDSC-SP2-1998.sc15-input", 128, "easy", TRACE_EXACT, 70.47794 * 0.9999, 70.47794 * 1.0001},
        {"SDSC-SP2-1998.sc15-input", 128, "sjbf", TRACE_EXACT, 56.83622 * 0.999, 56.83622 * 1.001},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        struct trace t;
        struct sim_result r;
        struct sim_metrics m;
        if (!open_shared(rows[i].trace, rows[i].procs, &t))
            skip();
        trace_estimate(&t, rows[i].estimates);
        simulate(&t, rows[i].policy, false, &r);
        sim_metrics_make(&t, r.jobs, &m);
        if (m.avebsld < rows[i].least || m.avebsld > rows[i].most)
            fail_msg("%s %s: mean bounded slowdown %f", rows[i].trace, rows[i].policy, m.avebsld);
        sim_result_release(&r);
        trace_release(&t);
    }
}

/* What tender shall reach, measured against EASY and conservative in the same run. */
static void tender_is_better(void **state TD_UNUSED)
{
    static const struct {
        const char *trace;
        uint32_t procs;
        double by_rank, by_worth;
    } rows[] = {{"KTH-SP2-1996.sc15-input", 100, 62, 50}, {"SDSC-SP2-1998.sc15-input", 128, 76, 50}};

    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        struct trace t;
        struct sim_result r;
        struct sim_metrics easy, conservative, rank, worth;
        if (!open_shared(rows[i].trace, rows[i].procs, &t))
            skip();
        simulate(&t, "easy", false, &r);
        sim_metrics_make(&t, r.jobs, &easy);
        sim_result_release(&r);
        simulate(&t, "conservative", false, &r);
        sim_metrics_make(&t, r.jobs, &conservative);
        sim_result_release(&r);
        simulate(&t, "tender", false, &r);
        sim_metrics_make(&t, r.jobs, &rank);
        sim_result_release(&r);
        simulate(&t, "tender", true, &r);
        sim_metrics_make(&t, r.jobs, &worth);
        sim_result_release(&r);
        print_message("%s: mean bounded slowdown %.2f by rank, %.2f by worth; waits of easy's: %.2f at the 99th percentile, %.2f at most; slack %.2f, %.2f of conservative's\n",
                      rows[i].trace, rank.avebsld, worth.avebsld, worth.p99_wait / easy.p99_wait, worth.max_wait / easy.max_wait,
                      rank.promise_slack / conservative.promise_slack, worth.promise_slack / conservative.promise_slack);
        assert_true(rank.avebsld <= rows[i].by_rank && worth.avebsld <= rows[i].by_worth);
        assert_true(worth.p99_wait <= 1.15 * easy.p99_wait && worth.max_wait <= 1.5 * easy.max_wait);
        assert_true(rank.promises_kept == rank.promises_given && worth.promises_kept == worth.promises_given);
        print_message("%s: %.3f of the likely intervals hold by rank, %.3f by worth\n", rows[i].trace, rank.likely_coverage, worth.likely_coverage);
        assert_true(rank.likely_coverage >= 0.75 && rank.likely_coverage <= 0.85);
        assert_true(worth.likely_coverage >= 0.75 && worth.likely_coverage <= 0.85);
        assert_true(rank.promise_slack <= 1.5 * conservative.promise_slack && worth.promise_slack <= 1.5 * conservative.promise_slack);
        trace_release(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defects_are_counted),
        cmocka_unit_test(what_is_no_trace_is_named),
        cmocka_unit_test(easy_is_what_the_books_say),
        cmocka_unit_test(promises_are_kept_by_all_who_make_them),
        cmocka_unit_test(a_run_is_the_same_twice),
        cmocka_unit_test(four_of_five_start_when_they_likely_do),
        cmocka_unit_test(a_trace_may_count_from_1970),
        cmocka_unit_test(figures_of_three_jobs),
        cmocka_unit_test(published_figures_come_out),
        cmocka_unit_test(tender_is_better),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
