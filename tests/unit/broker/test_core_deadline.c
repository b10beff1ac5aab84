/* test_core_deadline.c - films of jobs that must be over by a time: refused, started in time, or ended as DEADLINE
 *
 * The twin of each: the same job with a little more time. */
#include "film.h"

#define MIN (60 * (int64_t)SEC)

static void what_cannot_be_is_refused(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    assert_int_equal(film_submit(f, .cores = 1, .limit_s = 60, .deadline_ms = f->now - MIN), 0);
    film_expect_refused(f, TD_E_TIME_LIMIT);
    assert_non_null(strstr(f->text, "past"));
    assert_int_equal(film_submit(f, .cores = 1, .limit_s = 3600, .deadline_ms = f->now + 30 * MIN), 0);
    film_expect_refused(f, TD_E_TIME_LIMIT);
    assert_int_equal(film_submit(f, .cores = 1, .limit_s = 1200, .begin_ms = f->now + 11 * MIN, .deadline_ms = f->now + 30 * MIN), 0);
    film_expect_refused(f, TD_E_TIME_LIMIT);
    assert_true(film_submit(f, .cores = 1, .limit_s = 1200, .begin_ms = f->now + 9 * MIN, .deadline_ms = f->now + 30 * MIN) > 0);
    assert_true(film_submit(f, .cores = 1, .limit_s = 3600, .limit_min_s = 600, .deadline_ms = f->now + 30 * MIN) > 0);
}

static void who_waits_too_long_ends_as_deadline(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t first = film_submit(f, .cores = 1, .limit_s = 7200);
    uint32_t late = film_submit(f, .cores = 1, .limit_s = 1200, .deadline_ms = f->now + 30 * MIN);
    uint32_t held = film_submit(f, .cores = 1, .limit_s = 1200, .deadline_ms = f->now + 30 * MIN, .hold = true);
    uint32_t array = film_submit(f, .cores = 1, .limit_s = 1200, .deadline_ms = f->now + 30 * MIN, .array = "0-2");
    uint32_t in_time = film_submit(f, .cores = 1, .limit_s = 1200, .deadline_ms = f->now + 60 * MIN);
    film_advance(f, 9 * MIN);
    film_expect(f, late, "PENDING");
    film_advance(f, 2 * MIN);
    film_expect(f, late, "DEADLINE");
    film_expect_reason(f, late, "DeadLine");
    film_expect(f, held, "DEADLINE");
    film_expect(f, array, "DEADLINE");
    assert_int_equal(film_events(f, TD_EV_TASK_SPLIT), 3);
    film_expect(f, in_time, "PENDING");
    film_exit(f, first, 0);
    film_expect(f, in_time, "RUNNING");
    film_advance(f, 70 * MIN); /* its limit was the node's to keep */
    film_expect(f, in_time, "RUNNING");
}

static void it_is_given_no_more_than_is_left(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    uint32_t least = film_submit(f, .cores = 1, .limit_s = 7200, .limit_min_s = 600, .deadline_ms = f->now + 30 * MIN);
    uint32_t none = film_submit(f, .cores = 1, .deadline_ms = f->now + 30 * MIN);
    film_expect(f, least, "RUNNING");
    assert_true(film_job(f, least)->limit_s <= 1800 && film_job(f, least)->limit_s > 1790);
    assert_true(film_job(f, none)->limit_s <= 1800 && film_job(f, none)->limit_s > 1790);
}

static void it_is_reckoned_after_a_restart_and_by_the_wall_clock(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_submit(f, .cores = 1, .limit_s = 7200);
    uint32_t late = film_submit(f, .cores = 1, .limit_s = 1200, .deadline_ms = f->now + 30 * MIN);
    uint32_t later = film_submit(f, .cores = 1, .limit_s = 1200, .deadline_ms = f->now + 120 * MIN);
    film_restart(f, true);
    film_advance(f, 11 * MIN);
    film_expect(f, late, "DEADLINE");
    film_clock(f, 110 * MIN);
    film_advance(f, 1 * SEC);
    film_expect(f, later, "DEADLINE");
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(what_cannot_be_is_refused),
        FILM(who_waits_too_long_ends_as_deadline),
        FILM(it_is_given_no_more_than_is_left),
        FILM(it_is_reckoned_after_a_restart_and_by_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
