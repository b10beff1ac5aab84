/* test_core_likely.c - when waiting jobs are thought to start: the tracker on made-up waits, then films */
#include "film.h"

/* --- the tracker: what it says must hold four times of five, whatever the reckoning is worth ------------------------- */

static uint64_t seed;

static double uniform(void)
{
    seed = td_mix_u64(seed, 1);
    return (double)(seed >> 11) / (double)(UINT64_C(1) << 53);
}

/* Waits by the reckoned wait, in seconds. */
typedef int64_t world_fn(int64_t reckoned, uint32_t i);

static int64_t much_shorter(int64_t reckoned, uint32_t i TD_UNUSED)
{
    return (int64_t)((double)reckoned * uniform() * uniform() * uniform());
}

static int64_t often_longer(int64_t reckoned, uint32_t i TD_UNUSED)
{
    return (int64_t)((double)reckoned * (uniform() < 0.3 ? 1 + 20 * uniform() : uniform()));
}

static int64_t nothing_to_do_with_it(int64_t reckoned TD_UNUSED, uint32_t i TD_UNUSED)
{
    return (int64_t)(100000 * uniform() * uniform());
}

static int64_t another_every_thousand(int64_t reckoned, uint32_t i)
{
    return i / 1000 % 2 ? much_shorter(reckoned, i) : often_longer(reckoned, i);
}

/* The core's own events and nothing else: a job is told, and awarded after its wait. */
static struct core_likely_band *band(struct td_core *c, uint32_t no)
{
    return &c->likely_bands[no];
}

static double coverage_of(world_fn *world, uint32_t n, bool learns)
{
    struct td_core *c = td_core_new(1);
    struct core_job j = {.id = 1, .queued = true};
    uint32_t held = 0, counted = 0;

    seed = 7;
    for (uint32_t i = 0; i < n; i++) {
        int64_t reckoned = 30 + (int64_t)(20000 * uniform() * uniform());
        struct td_likely l = {.job = 1};
        core_likely_make(c, &j, &(struct td_plan_likely){.job = 1, .hole_ms = reckoned * SEC, .list_ms = reckoned * SEC}, &l);
        struct core_likely told = {.band = l.band, .base_s = l.base_s, .told_ms = 0};
        int64_t wait = world(reckoned, i);
        if (i >= n / 10) {
            counted++;
            held += wait * SEC >= l.from_ms && wait * SEC <= l.to_ms;
        }
        j.likely = &told;
        c->time_ms = wait * SEC;
        if (learns)
            core_likely_learn(c, &j);
        c->time_ms = 0;
        j.likely = NULL;
        assert_true(l.from_ms <= l.at_ms && l.at_ms <= l.to_ms);
        assert_true(band(c, l.band)->n > 0 || !learns);
    }
    td_core_destroy(&c);
    return (double)held / counted;
}

static void four_of_five_start_within(void **state TD_UNUSED)
{
    static world_fn *const worlds[] = {much_shorter, often_longer, nothing_to_do_with_it, another_every_thousand};

    for (size_t i = 0; i < TD_ARRAY_LEN(worlds); i++) {
        double got = coverage_of(worlds[i], 20000, true);
        if (got < 0.75 || got > 0.85)
            fail_msg("world %zu: %.3f of the starts fall into their intervals", i, got);
    }
}

/* The twin: it is what was learned that does it. */
static void who_learns_nothing_is_wrong(void **state TD_UNUSED)
{
    double much = coverage_of(much_shorter, 20000, false), none = coverage_of(nothing_to_do_with_it, 20000, false);

    assert_true(much < 0.75 || much > 0.85);
    assert_true(none < 0.75 || none > 0.85);
}

/* --- films ----------------------------------------------------------------------------------------------------------- */

static void full_cluster(struct film *f)
{
    f->settings.backfill = "tender";
    film_start(f);
    film_worker(f, "n1", 4, 0);
}

static const struct core_likely *likely(struct film *f, uint32_t job)
{
    return film_job(f, job)->likely;
}

static void who_waits_is_told_who_starts_is_not(void **state)
{
    struct film *f = *state;

    full_cluster(f);
    uint32_t runs = film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t waits = film_submit(f, .cores = 4, .limit_s = 3600);
    assert_int_equal(film_job(f, runs)->state, TD_JOB_RUNNING);
    assert_null(likely(f, runs));
    const struct core_likely *l = likely(f, waits);
    assert_non_null(l);
    assert_true(l->from_ms >= l->told_ms && l->from_ms <= l->at_ms && l->at_ms <= l->to_ms);
    assert_true(film_job(f, waits)->by_ms > 0);
    assert_true(l->to_ms <= film_job(f, waits)->by_ms);
    /* Both reckon with the limit, for nothing is known of the user: an hour. */
    assert_in_range(l->base_s, 3600, 3720);
}

static void a_start_teaches_and_a_cancelled_job_does_not(void **state)
{
    struct film *f = *state;

    full_cluster(f);
    uint32_t first = film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t second = film_submit(f, .cores = 4, .limit_s = 3600), third = film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t no = likely(f, second)->band;
    assert_int_equal(f->core->likely_bands[no].n, 0);
    film_cancel(f, film_job(f, third)->uid, third);
    assert_null(likely(f, third));
    assert_int_equal(f->core->likely_bands[no].n, 0);
    film_advance(f, 600 * SEC);
    film_exit(f, first, 0);
    assert_int_equal(film_job(f, second)->state, TD_JOB_RUNNING);
    assert_null(likely(f, second));
    assert_int_equal(f->core->likely_bands[no].n, 1);
    /* It waited less than reckoned: the next is told less. */
    assert_true(f->core->likely_bands[no].q[1] < 0);
}

static void what_is_foretold_shortens_the_wait(void **state)
{
    struct film *f = *state;
    uint32_t job;

    full_cluster(f);
    for (int i = 0; i < 8; i++) { /* they say an hour and run a minute */
        job = film_submit(f, .cores = 4, .limit_s = 3600, .name = "short");
        film_advance(f, 60 * SEC);
        film_exit(f, job, 0);
    }
    job = film_submit(f, .cores = 4, .limit_s = 3600, .name = "short");
    uint32_t waits = film_submit(f, .cores = 4, .limit_s = 3600, .name = "short");
    assert_true(film_job(f, job)->run_s < 600);
    assert_in_range(likely(f, waits)->base_s, 300, 1800); /* between what is foretold and the limit */
}

static void held_and_released_it_is_told_anew(void **state)
{
    struct film *f = *state;

    full_cluster(f);
    film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t waits = film_submit(f, .cores = 4, .limit_s = 3600);
    assert_non_null(likely(f, waits));
    film_op(f, 0, waits, TD_OP_HOLD);
    assert_null(likely(f, waits));
    film_advance(f, 60 * SEC);
    film_op(f, 0, waits, TD_OP_RELEASE);
    assert_non_null(likely(f, waits));
    assert_true(likely(f, waits)->told_ms >= FILM_T0 + 60 * SEC);
}

static void an_arrays_next_task_takes_what_was_told(void **state)
{
    struct film *f = *state;

    full_cluster(f);
    uint32_t first = film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t array = film_submit(f, .cores = 4, .limit_s = 3600, .array = "0-2");
    uint32_t no = likely(f, array)->band;
    int64_t told = likely(f, array)->told_ms;
    film_advance(f, 900 * SEC);
    film_exit(f, first, 0);
    assert_int_equal(f->core->likely_bands[no].n, 1);
    assert_non_null(likely(f, array)); /* of the next one */
    assert_true(likely(f, array)->told_ms > told);
}

static void a_restart_forgets_nothing(void **state)
{
    struct film *f = *state;

    full_cluster(f);
    uint32_t first = film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t second = film_submit(f, .cores = 4, .limit_s = 3600), third = film_submit(f, .cores = 4, .limit_s = 3600);
    film_advance(f, 600 * SEC);
    film_exit(f, first, 0);
    uint32_t run_s = film_job(f, second)->run_s;
    struct core_likely told = *likely(f, third);
    film_restart(f, true);
    assert_int_equal(film_job(f, second)->run_s, run_s);
    assert_int_equal(likely(f, third)->told_ms, told.told_ms);
    assert_int_equal(likely(f, third)->band, told.band);
    film_restart(f, false);
    assert_int_equal(likely(f, third)->told_ms, told.told_ms);
}

/* Three one after the other; the second is cancelled, and somebody else comes, for whom the plan makes a list. */
static uint32_t third_of_three(struct film *f, int64_t after_ms)
{
    full_cluster(f);
    film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t second = film_submit(f, .cores = 4, .limit_s = 3600), third = film_submit(f, .cores = 4, .limit_s = 3600);
    film_advance(f, after_ms);
    film_cancel(f, film_job(f, second)->uid, second);
    film_submit(f, .cores = 4, .limit_s = 3600);
    return third;
}

static void what_moved_by_much_is_told_anew(void **state)
{
    struct film *f = *state;
    uint32_t third = third_of_three(f, 700 * SEC);

    assert_true(likely(f, third)->said_ms > likely(f, third)->told_ms);
    assert_true(likely(f, third)->at_ms < likely(f, third)->told_ms + 5400 * SEC);
    assert_in_range(likely(f, third)->base_s, 7200, 7320); /* what it was told first is what its start teaches of */
}

static void but_not_at_once(void **state)
{
    struct film *f = *state;
    uint32_t third = third_of_three(f, 60 * SEC);

    assert_true(likely(f, third)->said_ms == likely(f, third)->told_ms);
}

static void an_interval_that_is_over_is_followed_by_another(void **state)
{
    struct film *f = *state;

    full_cluster(f);
    film_submit(f, .cores = 4, .limit_s = 3600); /* and runs on, beyond its limit */
    uint32_t waits = film_submit(f, .cores = 4, .limit_s = 3600);
    struct core_likely was = *likely(f, waits);
    film_advance(f, 5400 * SEC);
    film_submit(f, .cores = 1, .limit_s = 600);
    assert_true(was.to_ms < f->now);
    assert_true(likely(f, waits)->said_ms > was.to_ms);
    assert_int_equal(likely(f, waits)->told_ms, was.told_ms);
}

static void a_hold_takes_the_promise_back_and_a_release_brings_another(void **state)
{
    struct film *f = *state;

    full_cluster(f);
    film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t waits = film_submit(f, .cores = 4, .limit_s = 600);
    assert_true(film_job(f, waits)->by_ms > 0);
    film_op(f, 1000, waits, TD_OP_HOLD);
    assert_int_equal(film_job(f, waits)->by_ms, 0);
    film_op(f, 1000, waits, TD_OP_RELEASE);
    assert_true(film_job(f, waits)->by_ms > 0);
}

static void without_any_limit_nothing_is_likely(void **state)
{
    struct film *f = *state;

    full_cluster(f);
    film_submit(f, .cores = 4, .limit_s = TD_INFINITE); /* never ends by itself */
    uint32_t blocks = film_submit(f, .cores = 1, .limit_s = 600);
    assert_null(likely(f, blocks)); /* when it starts cannot be foretold at all */
    assert_int_equal(film_job(f, blocks)->by_ms, 0);
}

static void whoever_is_beyond_the_plan_has_a_bound(void **state)
{
    struct film *f = *state;
    struct td_arena a = {0};
    struct td_plan_bounds *b;

    f->settings.depth = 1;
    full_cluster(f);
    film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t first = film_submit(f, .cores = 4, .limit_s = 3600), second = film_submit(f, .cores = 4, .limit_s = 3600);
    assert_true(film_job(f, first)->by_ms > 0);
    assert_int_equal(film_job(f, second)->by_ms, 0);
    b = td_plan_bounds_new(f->core->ledger, f->core->queue, f->now);
    /* Four CPUs for an hour and for another, on a node on which one busy CPU keeps it out. */
    assert_in_range(td_plan_bound(b, second) - f->now, 8 * 3600 * (int64_t)SEC - 5 * SEC, 8 * 3600 * (int64_t)SEC + 5 * SEC);
    assert_true(td_plan_bound(b, 4711) == TD_FOREVER);
    td_plan_bounds_destroy(&b);
    td_arena_release(&a);
}

struct seen {
    int64_t start_ms[8];
    bool bound[8];
};
static bool see(void *ctx, const struct td_job_info *row)
{
    struct seen *s = ctx;
    s->start_ms[row->job] = row->start_ms;
    s->bound[row->job] = row->start_is_bound;
    return true;
}

static void every_waiting_job_has_a_start_when_asked(void **state)
{
    struct film *f = *state;
    struct td_arena a = {0};
    struct seen s = {0};

    f->settings.depth = 1;
    full_cluster(f);
    film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t first = film_submit(f, .cores = 4, .limit_s = 3600), second = film_submit(f, .cores = 4, .limit_s = 3600);
    uint32_t held = film_submit(f, .cores = 4, .limit_s = 3600, .hold = true);
    struct td_job_query q = {.asker_operator = true, .bounds = true};
    td_core_jobs(f->replica, &q, &a, see, &s);
    assert_true(s.start_ms[first] > 0 && !s.bound[first]);
    assert_true(s.start_ms[second] > 0 && s.bound[second]);
    assert_int_equal(s.start_ms[held], 0);
    q.bounds = false;
    td_core_jobs(f->replica, &q, &a, see, &s);
    assert_int_equal(s.start_ms[second], 0);
    td_arena_release(&a);
}

int main(void)
{
#define FILM(f) cmocka_unit_test_setup_teardown(f, film_open, film_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_of_five_start_within),
        cmocka_unit_test(who_learns_nothing_is_wrong),
        FILM(who_waits_is_told_who_starts_is_not),
        FILM(a_start_teaches_and_a_cancelled_job_does_not),
        FILM(what_is_foretold_shortens_the_wait),
        FILM(held_and_released_it_is_told_anew),
        FILM(an_arrays_next_task_takes_what_was_told),
        FILM(a_restart_forgets_nothing),
        FILM(what_moved_by_much_is_told_anew),
        FILM(but_not_at_once),
        FILM(a_hold_takes_the_promise_back_and_a_release_brings_another),
        FILM(without_any_limit_nothing_is_likely),
        FILM(an_interval_that_is_over_is_followed_by_another),
        FILM(whoever_is_beyond_the_plan_has_a_bound),
        FILM(every_waiting_job_has_a_start_when_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
