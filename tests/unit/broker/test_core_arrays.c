/* test_core_arrays.c - films of arrays: one record until a task is touched, ids as in Slurm, a
 * million for kilobytes */
#include "film.h"

static void tasks_split_and_the_last_keeps_the_arrays_id(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-4:2");
    assert_int_equal(array, 1);
    film_expect(f, 2, "RUNNING");
    film_expect(f, 3, "RUNNING");
    assert_int_equal(film_job(f, 2)->task, 0);
    assert_int_equal(film_job(f, 3)->task, 2);
    film_expect(f, 1, "PENDING");
    assert_int_equal(film_job(f, 1)->task, TD_NO_TASK);
    film_exit(f, 2, 0);
    film_expect(f, 1, "RUNNING");
    assert_int_equal(film_job(f, 1)->task, 4);
    assert_int_equal(core_array_find(f->core, 1)->last, 4);
    film_exit(f, 1, 0);
    film_exit(f, 3, 1);
    film_expect(f, 1, "COMPLETED");
    film_expect(f, 3, "FAILED");
    film_advance(f, 310 * SEC);
    assert_null(core_array_find(f->core, 1)); /* gone with its last task */
}

static void the_limit_of_running_tasks_holds(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 8, 0);
    uint32_t array = film_submit(f, .cores = 1, .array = "1-4%2");
    assert_int_equal(core_array_find(f->core, array)->active, 2);
    film_expect_reason(f, array, "JobArrayTaskLimit");
    film_exit(f, 2, 0);
    assert_int_equal(core_array_find(f->core, array)->active, 2);
    struct td_job_sel sel = {.job = array};
    struct td_update_job m = {.ids = {&sel, 1}, .change = {.set = 1u << 10, .array_limit = 0}};
    film_request(f, 1000, TD_MSG_UPDATE_JOB, &m);
    assert_int_equal(core_array_find(f->core, array)->active, 3);
    assert_int_equal(core_array_find(f->core, array)->nwaiting, 0);
}

static void cancelling_a_whole_waiting_array_is_one_event(void **state)
{
    struct film *f = *state;
    film_start(f);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-999999");
    struct td_core_sizes sizes;
    td_core_get_sizes(f->core, &sizes);
    assert_int_equal(sizes.pending_tasks, 1000000);
    assert_true(sizes.bytes_jobs < 400 * 1000); /* two bitmaps and a record */
    uint32_t before = f->journal.n;
    film_cancel(f, 1000, array);
    assert_int_equal(f->journal.n - before, 1);
    film_expect(f, array, "CANCELLED");
    td_core_get_sizes(f->core, &sizes);
    assert_int_equal(sizes.pending_tasks, 0);
    film_cancel(f, 1000, array);
    film_expect_refused(f, TD_E_ALREADY_DONE);
}

static void cancelling_one_waiting_task_splits_it(void **state)
{
    struct film *f = *state;
    film_start(f);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-3");
    film_cancel_task(f, 1000, array, 2);
    assert_int_equal(f->count, 1);
    film_expect(f, 2, "CANCELLED");
    assert_int_equal(film_job(f, 2)->task, 2);
    film_expect(f, array, "PENDING");
    assert_int_equal(core_array_find(f->core, array)->nwaiting, 3);
    film_cancel_task(f, 1000, array, 9);
    film_expect_refused(f, TD_E_INVALID_JOB);
    film_cancel_task(f, 1000, array, 2);
    film_expect_refused(f, TD_E_ALREADY_DONE);
    film_cancel(f, 1001, array);
    film_expect_refused(f, TD_E_DENIED);
    film_cancel(f, 1000, array);
    film_expect(f, array, "CANCELLED");
}

static void array_cancel_reaches_running_and_waiting(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-9");
    film_cancel(f, 1000, array);
    assert_int_equal(f->count, 3); /* two that ran, and the record */
    film_expect(f, array, "CANCELLED");
    film_expect(f, 2, "CANCELLED");
    film_expect(f, 3, "CANCELLED");
}

static void rows_fold_what_waits(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-9:3,20%4"), n;
    struct td_job_info rows[8];
    struct td_job_query q = {.asker_uid = 1000};
    n = film_rows(f, &q, rows, 8);
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].job, array);
    assert_int_equal(rows[0].array_task, TD_NO_TASK);
    assert_string_equal(rows[0].array_tasks, "3,6,9,20%4");
    assert_int_equal(rows[1].array_job, array);
    assert_int_equal(rows[1].array_task, 0);
    q.expand = true;
    n = film_rows(f, &q, rows, 8);
    assert_int_equal(n, 5);
    assert_int_equal(rows[0].array_task, 3);
    assert_int_equal(rows[3].array_task, 20);
    struct td_span span = {6, 9, 3};
    struct td_job_sel sel = {.job = array, .tasks = {&span, 1}};
    struct td_job_filter filter = {.ids = {&sel, 1}};
    q = (struct td_job_query){.filter = &filter, .asker_uid = 1000};
    assert_int_equal(film_rows(f, &q, rows, 8), 2);
    sel = (struct td_job_sel){.job = array};
    assert_int_equal(film_rows(f, &q, rows, 8), 2);
}

static void bad_expressions_are_refused(void **state)
{
    struct film *f = *state;
    f->settings.max_array = 100;
    film_start(f);
    assert_int_equal(film_submit(f, .cores = 1, .array = "5-"), 0);
    film_expect_refused(f, TD_E_INVALID_ARRAY);
    assert_int_equal(film_submit(f, .cores = 1, .array = "0-100"), 0);
    film_expect_refused(f, TD_E_INVALID_ARRAY);
    assert_int_not_equal(film_submit(f, .cores = 1, .array = "0-99"), 0);
}

static void holding_an_array_and_one_task(void **state)
{
    struct film *f = *state;
    film_start(f);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-3");
    struct td_span span = {1, 1, 1};
    struct td_job_sel sel = {.job = array, .tasks = {&span, 1}};
    struct td_job_op m = {.op = TD_OP_HOLD, .ids = {&sel, 1}};
    film_request(f, 1000, TD_MSG_JOB_OP, &m);
    film_expect_reason(f, 2, "JobHeldUser");
    film_op(f, 1000, array, TD_OP_HOLD);
    film_expect_reason(f, array, "JobHeldUser");
    film_worker(f, "n1", 8, 0);
    film_expect(f, array, "PENDING");
    film_op(f, 1000, array, TD_OP_RELEASE);
    assert_int_equal(core_array_find(f->core, array)->active, 4);
}

static void a_requeued_task_waits_with_its_own_id(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-1");
    film_expect(f, 2, "RUNNING");
    film_op(f, 1000, 2, TD_OP_REQUEUE);
    assert_int_equal(film_job(f, 2)->restarts, 1);
    film_expect(f, 2, "PENDING"); /* both have the same priority: the smaller id goes first */
    film_expect(f, array, "RUNNING");
    film_exit(f, array, 0);
    film_expect(f, 2, "RUNNING");
    assert_int_equal(w->held.v[0].attempt, 2);
    film_exit(f, 2, 0);
    film_op(f, 1000, 2, TD_OP_REQUEUE); /* a finished one too */
    film_expect(f, 2, "RUNNING");
    assert_int_equal(film_job(f, 2)->attempt, 3);
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(tasks_split_and_the_last_keeps_the_arrays_id),
        FILM(the_limit_of_running_tasks_holds),
        FILM(cancelling_a_whole_waiting_array_is_one_event),
        FILM(cancelling_one_waiting_task_splits_it),
        FILM(array_cancel_reaches_running_and_waiting),
        FILM(rows_fold_what_waits),
        FILM(bad_expressions_are_refused),
        FILM(holding_an_array_and_one_task),
        FILM(a_requeued_task_waits_with_its_own_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
