/* test_core_clock.c - films of clocks that are set, and of machines that slept: elapsed time is not
 * the clock's (law 10)
 *
 * Each comes with its twin: the same jump of time that nobody told the core of, or a silence that
 * is real, must expire what the step must not. */
#include "film.h"

#define HOUR (3600 * (int64_t)SEC)

static void a_step_ahead_ends_no_lease(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1);
    film_clock(f, HOUR);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_UP);
    film_advance(f, 30 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_UP);
    assert_int_equal(f->core->counters.leases_out, 0);
    film_expect(f, job, "RUNNING");
    assert_int_equal(film_job(f, job)->attempt, 1);
    assert_true(f->core->now_ms >= FILM_T0 + HOUR);
}

static void time_that_jumps_untold_ends_leases(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .no_requeue = true);
    f->now += HOUR;
    film_advance(f, 1);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_LOST);
    film_expect(f, job, "NODE_FAIL");
}

static void who_is_really_silent_expires_across_a_step(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .no_requeue = true);
    w->silent = true;
    film_advance(f, 5 * SEC);
    film_clock(f, HOUR);
    film_advance(f, 4 * SEC); /* nine seconds of ten */
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_UP);
    film_advance(f, 2 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_SUSPECT);
    film_clock(f, HOUR);
    film_advance(f, 40 * SEC); /* 51 of 60 */
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_SUSPECT);
    film_advance(f, 10 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_LOST);
    film_expect(f, job, "NODE_FAIL");
}

static void who_speaks_in_the_wake_of_the_step_is_heard_after_it(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    film_advance(f, 9 * SEC);
    struct td_heartbeat h = {.incarnation = w->incarnation, .epoch = f->epoch};
    film_say(f, w, TD_MSG_HEARTBEAT, &h);
    film_clock(f, HOUR);
    w->silent = true;
    film_advance(f, 9 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_UP);
    film_advance(f, 2 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_SUSPECT);
}

static void a_step_back_moves_nothing_that_elapses(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .no_requeue = true);
    film_clock(f, -24 * HOUR);
    film_advance(f, 30 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_UP);
    w->silent = true;
    film_advance(f, 12 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_SUSPECT);
    film_advance(f, 60 * SEC);
    film_expect(f, job, "NODE_FAIL");
}

static void a_round_keeps_its_deadline(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    w->silent = true;
    film_submit(f, .cores = 1);
    assert_true(f->core->round.open);
    int64_t left = f->core->round.deadline_ms - f->now;
    film_clock(f, HOUR);
    assert_true(f->core->round.open);
    assert_int_equal(f->core->round.deadline_ms - f->now, left);
    assert_int_equal(f->core->counters.rounds_deadline, 0);
    film_advance(f, left);
    assert_int_equal(f->core->counters.rounds_deadline, 1);
}

static void an_award_is_not_sent_again_for_a_step(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    w->lazy = true;
    uint32_t job = film_submit(f, .cores = 1);
    film_clock(f, HOUR);
    film_advance(f, 500);
    assert_int_equal(f->core->counters.awards_resent, 0);
    film_advance(f, 600);
    assert_int_equal(f->core->counters.awards_resent, 1);
    film_accept(f, w, job);
    film_expect(f, job, "RUNNING");
}

static void a_session_outlives_a_sleep_and_not_a_silence(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .session = true);
    film_advance(f, 30 * SEC);
    film_clock(f, HOUR);
    film_advance(f, 29 * SEC);
    film_expect(f, job, "RUNNING");
    film_advance(f, 2 * SEC);
    film_expect(f, job, "CANCELLED");
    film_expect_reason(f, job, "InactiveLimit");
}

static void a_begin_time_is_the_wall_clocks(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    uint32_t soon = film_submit(f, .cores = 1, .begin_ms = f->now + HOUR / 2),
             late = film_submit(f, .cores = 1, .begin_ms = f->now + 3 * HOUR);
    film_expect_reason(f, soon, "BeginTime");
    film_clock(f, HOUR); /* half an hour late, as the wall says */
    film_expect(f, soon, "RUNNING");
    film_expect(f, late, "PENDING");
    film_clock(f, HOUR);
    film_expect(f, late, "PENDING");
    film_clock(f, HOUR);
    film_expect(f, late, "RUNNING");
}

static void a_begin_time_waits_for_a_clock_set_back(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    int64_t begin = f->now + 60 * SEC, t0 = f->now;
    uint32_t before = film_submit(f, .cores = 1, .begin_ms = begin);
    film_clock(f, -HOUR);
    uint32_t after = film_submit(f, .cores = 1, .begin_ms = begin);
    film_advance(f, HOUR / 2);
    film_expect_reason(f, before, "BeginTime");
    film_expect_reason(f, after, "BeginTime");
    film_advance(f, HOUR / 2); /* slewed meanwhile: by 500 parts in a million of an hour, 1.8 s */
    film_expect_reason(f, before, "BeginTime");
    film_advance(f, 61 * SEC);
    film_expect(f, before, "RUNNING");
    film_expect(f, after, "RUNNING");
    assert_in_range(film_job(f, before)->start_ms - t0, HOUR + 57 * SEC, HOUR + 59 * SEC);
}

/* It may start now, and then the wall says that its time has not come yet. */
static void what_had_begun_to_wait_for_room_waits_for_its_time_again(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t runs = film_submit(f, .cores = 1);
    uint32_t job = film_submit(f, .cores = 1, .begin_ms = f->now + 10 * SEC);
    film_advance(f, 11 * SEC);
    film_expect_reason(f, job, "Resources");
    film_clock(f, -HOUR);
    film_expect_reason(f, job, "BeginTime");
    film_exit(f, runs, 0);
    film_expect(f, job, "PENDING");
    assert_int_equal(w->held.n, 0);
    film_clock(f, 0); /* set right again */
    film_expect(f, job, "RUNNING");
}

/* The offset is durable; a reign that is told of none begins without. */
static void a_restart_goes_by_what_it_is_told(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .begin_ms = f->now + 60 * SEC);
    film_clock(f, -HOUR);
    film_advance(f, 10 * SEC);
    film_expect_reason(f, job, "BeginTime");
    film_restart(f, true);
    assert_int_equal(f->core->clock_off_ms, 0);
    film_advance(f, 60 * SEC);
    film_expect(f, job, "RUNNING");
    film_restart(f, false);
}

static void a_submission_sent_again_after_a_sleep_is_the_same(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .hold = true, .key = "k");
    assert_int_not_equal(job, 0);
    film_advance(f, 60 * SEC);
    film_clock(f, HOUR);
    assert_int_equal(film_submit(f, .cores = 1, .hold = true, .key = "k"), job);
    film_advance(f, 15 * 60 * SEC); /* a quarter of an hour that did elapse */
    assert_int_not_equal(film_submit(f, .cores = 1, .hold = true, .key = "k"), job);
}

static void a_job_that_ended_before_a_sleep_is_still_shown(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1);
    film_exit(f, job, 0);
    film_advance(f, 10 * SEC);
    film_clock(f, HOUR);
    film_advance(f, 200 * SEC);
    film_expect(f, job, "COMPLETED");
    film_advance(f, 101 * SEC);
    assert_null(film_job(f, job));
}

static struct td_job_info row_of(struct film *f, uint32_t job)
{
    struct td_job_info row;
    assert_true(td_core_job_row(f->core, job, &f->arena, &row));
    return row;
}

/* The node counts the limit, in elapsed time; the plan must not think that the job is overdue. */
static void a_time_limit_is_elapsed_time(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .limit_s = 600),
             next = film_submit(f, .cores = 1, .limit_s = 600);
    int64_t start = film_job(f, job)->start_ms;
    film_clock(f, HOUR);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(row_of(f, job).end_ms, start + 600 * SEC + HOUR);
        assert_int_equal(film_job(f, next)->promise_ms, start + 600 * SEC + HOUR);
        film_restart(f, true);
        film_advance(f, 30 * SEC);
    }
    film_exit(f, job, 0);
    film_expect(f, next, "RUNNING");
    assert_int_equal(row_of(f, next).end_ms, film_job(f, next)->start_ms + 600 * SEC);
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(a_step_ahead_ends_no_lease),
        FILM(time_that_jumps_untold_ends_leases),
        FILM(who_is_really_silent_expires_across_a_step),
        FILM(who_speaks_in_the_wake_of_the_step_is_heard_after_it),
        FILM(a_step_back_moves_nothing_that_elapses),
        FILM(a_round_keeps_its_deadline),
        FILM(an_award_is_not_sent_again_for_a_step),
        FILM(a_session_outlives_a_sleep_and_not_a_silence),
        FILM(a_begin_time_is_the_wall_clocks),
        FILM(a_begin_time_waits_for_a_clock_set_back),
        FILM(what_had_begun_to_wait_for_room_waits_for_its_time_again),
        FILM(a_restart_goes_by_what_it_is_told),
        FILM(a_submission_sent_again_after_a_sleep_is_the_same),
        FILM(a_job_that_ended_before_a_sleep_is_still_shown),
        FILM(a_time_limit_is_elapsed_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
