/* test_core_deps.c - films of jobs that wait for jobs
 *
 * Each kind with what meets it and what makes it impossible; then arrays, names, and what survives
 * restarts, requeues and forgetting. */
#include "film.h"

static struct film *with_room(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 8, 0);
    return f;
}

static uint32_t after(struct film *f, const char *how, uint32_t job)
{
    char text[64];
    snprintf(text, sizeof(text), "%s:%u", how, job);
    return film_submit(f, .cores = 1, .dependency = td_arena_strdup(&f->arena, text));
}

static const char *shown(struct film *f, uint32_t job)
{
    struct td_job_info row;
    assert_true(td_core_job_row(f->core, job, &f->arena, &row));
    return row.spec.dependency ? row.spec.dependency : "(null)";
}

struct four {
    uint32_t any, ok, notok, start;
};

static struct four behind(struct film *f, uint32_t job)
{
    struct four w = {.any = after(f, "afterany", job),
                     .ok = after(f, "afterok", job),
                     .notok = after(f, "afternotok", job),
                     .start = after(f, "after", job)};
    return w;
}

static void each_kind_waits_for_its_own(void **state)
{
    struct film *f = with_room(state);
    uint32_t job = film_submit(f, .cores = 1, .hold = true);
    struct four w = behind(f, job);
    film_expect_reason(f, w.any, "Dependency");
    film_expect_reason(f, w.ok, "Dependency");
    film_expect_reason(f, w.notok, "Dependency");
    film_expect_reason(f, w.start, "Dependency");
    assert_string_equal(shown(f, w.ok), "afterok:1(unfulfilled)");
    film_op(f, 0, job, TD_OP_RELEASE);
    film_expect(f, job, "RUNNING");
    film_expect(f, w.start, "RUNNING");
    film_expect(f, w.any, "PENDING");
    film_exit(f, job, 0);
    film_expect(f, w.any, "RUNNING");
    film_expect(f, w.ok, "RUNNING");
    film_expect(f, w.notok, "PENDING");
    film_expect_reason(f, w.notok, "DependencyNeverSatisfied");
    assert_string_equal(shown(f, w.notok), "afternotok:1(failed)");
    assert_string_equal(shown(f, w.ok), "(null)");
    film_advance(f, 3600 * SEC); /* it is left pending, as in Slurm; somebody has to cancel it */
    film_expect(f, w.notok, "PENDING");
    film_cancel(f, 1000, w.notok);
    film_expect(f, w.notok, "CANCELLED");
}

static void failure_meets_the_others(void **state)
{
    struct film *f = with_room(state);
    uint32_t job = film_submit(f, .cores = 1);
    struct four w = behind(f, job);
    film_exit(f, job, 3);
    film_expect(f, w.any, "RUNNING");
    film_expect(f, w.notok, "RUNNING");
    film_expect_reason(f, w.ok, "DependencyNeverSatisfied");
    assert_string_equal(shown(f, w.ok), "afterok:1(failed)");
}

static void a_cancelled_job_has_started_failed_and_ended(void **state)
{
    struct film *f = with_room(state);
    uint32_t job = film_submit(f, .cores = 1, .hold = true);
    struct four w = behind(f, job);
    film_cancel(f, 1000, job);
    film_expect(f, w.start, "RUNNING");
    film_expect(f, w.any, "RUNNING");
    film_expect(f, w.notok, "RUNNING");
    film_expect_reason(f, w.ok, "DependencyNeverSatisfied");
}

static void what_has_happened_already_keeps_nobody(void **state)
{
    struct film *f = with_room(state);
    uint32_t job = film_submit(f, .cores = 1);
    film_exit(f, job, 0);
    uint32_t ok = after(f, "afterok", job), never = after(f, "afternotok", job);
    film_expect(f, ok, "RUNNING");
    film_expect_reason(f, never, "DependencyNeverSatisfied");
}

static void all_or_any(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1), b = film_submit(f, .cores = 1);
    uint32_t all = film_submit(f, .cores = 1, .dependency = "afterok:1,afterany:2"),
             list = film_submit(f, .cores = 1, .dependency = "afterok:1:2"),
             any = film_submit(f, .cores = 1, .dependency = "afterok:1?afterok:2"),
             lost = film_submit(f, .cores = 1, .dependency = "afternotok:1?afternotok:2");
    film_exit(f, b, 0);
    film_expect(f, any, "RUNNING");
    film_expect_reason(f, all, "Dependency");
    assert_string_equal(shown(f, all), "afterok:1(unfulfilled)");
    assert_string_equal(shown(f, lost), "afternotok:1(unfulfilled)?afternotok:2(failed)");
    film_expect_reason(f, lost, "Dependency");
    film_exit(f, a, 0);
    film_expect(f, all, "RUNNING");
    film_expect(f, list, "RUNNING");
    film_expect_reason(f, lost, "DependencyNeverSatisfied");
}

static void one_that_can_never_happen_is_enough_for_all(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1), b = film_submit(f, .cores = 1);
    uint32_t all = film_submit(f, .cores = 1, .dependency = "afterok:1:2"),
             any = film_submit(f, .cores = 1, .dependency = "afterok:1?afterok:2");
    film_exit(f, a, 1);
    film_expect_reason(f, all, "DependencyNeverSatisfied");
    film_expect_reason(f, any, "Dependency");
    film_exit(f, b, 0);
    film_expect_reason(f, all, "DependencyNeverSatisfied");
    film_expect(f, any, "RUNNING");
}

static void all_tasks_of_an_array(void **state)
{
    struct film *f = with_room(state);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-2%2");
    struct four w = behind(f, array);
    assert_string_equal(shown(f, w.ok), "afterok:1_*(unfulfilled)");
    uint32_t first = core_array_task(f->core, core_array_find(f->core, array), 0)->id;
    film_expect_reason(f, w.start, "Dependency"); /* one still waits */
    film_exit(f, first, 0);
    film_expect(f, w.start, "RUNNING");
    uint32_t second = core_array_task(f->core, core_array_find(f->core, array), 1)->id;
    film_exit(f, second, 0);
    film_expect(f, w.any, "PENDING");
    film_expect(f, w.ok, "PENDING");
    film_exit(f, array, 0); /* the last one has the array's id */
    film_expect(f, w.any, "RUNNING");
    film_expect(f, w.ok, "RUNNING");
    film_expect_reason(f, w.notok, "DependencyNeverSatisfied");
}

static void one_failed_task_fails_the_array(void **state)
{
    struct film *f = with_room(state);
    f->settings.min_job_age_s = 60;
    film_configure(f);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-1");
    const struct core_array *a = core_array_find(f->core, array);
    uint32_t bad = core_array_task(f->core, a, 0)->id, good = core_array_task(f->core, a, 1)->id;
    uint32_t ok = after(f, "afterok", array), notok = after(f, "afternotok", array),
             one = film_submit(f, .cores = 1, .dependency = "afterok:1_1");
    film_exit(f, bad, 1);
    film_expect_reason(f, ok, "DependencyNeverSatisfied"); /* at once: it can no longer happen */
    film_expect_reason(f, notok, "Dependency");            /* the array is not over */
    film_advance(f, 70 * SEC);
    assert_null(film_job(f, bad)); /* forgotten, and what it did is not */
    film_restart(f, true);
    film_advance(f, 5 * SEC);
    uint32_t late = after(f, "afterok", array);
    film_expect_reason(f, late, "DependencyNeverSatisfied");
    film_exit(f, good, 0);
    film_expect(f, notok, "RUNNING");
    film_expect(f, one, "RUNNING");
}

static void a_waiting_array_starts_when_it_may(void **state)
{
    struct film *f = with_room(state);
    uint32_t job = film_submit(f, .cores = 1);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-3", .dependency = "afterok:1");
    film_expect_reason(f, array, "Dependency");
    film_cancel_task(f, 1000, array, 1); /* split off while it waits */
    struct td_span span = {2, 2, 1};
    struct td_job_sel sel = {.job = array, .tasks = {&span, 1}};
    struct td_job_op hold = {.op = TD_OP_UHOLD, .ids = {&sel, 1}};
    film_request(f, 1000, TD_MSG_JOB_OP, &hold);
    uint32_t held = core_array_task(f->core, core_array_find(f->core, array), 2)->id;
    assert_string_equal(shown(f, held), "afterok:1(unfulfilled)");
    film_restart(f, true);
    film_advance(f, 5 * SEC);
    film_exit(f, job, 0);
    film_expect(f, array, "RUNNING");
    film_expect_reason(f, held, "JobHeldUser");
    film_op(f, 1000, held, TD_OP_RELEASE);
    film_expect(f, held, "RUNNING");
}

static void singletons_go_one_by_one(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1, .name = "s", .dependency = "singleton"),
             b = film_submit(f, .cores = 1, .name = "s", .dependency = "singleton"),
             c = film_submit(f, .cores = 1, .name = "s", .dependency = "singleton"),
             theirs =
                 film_submit(f, .cores = 1, .name = "s", .uid = 1001, .dependency = "singleton"),
             other = film_submit(f, .cores = 1, .name = "t", .dependency = "singleton");
    film_expect(f, a, "RUNNING");
    film_expect(f, theirs, "RUNNING");
    film_expect(f, other, "RUNNING");
    film_expect_reason(f, b, "Dependency");
    assert_string_equal(shown(f, c), "singleton(unfulfilled)");
    film_cancel(f, 1000, b); /* the one it waits for goes: now it waits for the first */
    film_expect_reason(f, c, "Dependency");
    film_restart(f, true);
    film_advance(f, 5 * SEC);
    film_exit(f, a, 1);
    film_expect(f, c, "RUNNING");
}

static void a_singleton_goes_by_the_name_there_is(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1, .name = "s"),
             b = film_submit(f, .cores = 1, .name = "s", .dependency = "singleton");
    film_expect_reason(f, b, "Dependency");
    struct td_job_sel sel = {.job = a};
    struct td_update_job m = {.ids = {&sel, 1}, .change = {.set = 1u << 3, .name = "t"}};
    film_request(f, 1000, TD_MSG_UPDATE_JOB, &m);
    film_expect_refused(f, TD_E_OK);
    film_expect(f, a, "RUNNING");
    film_expect(f, b, "RUNNING");
}

/* A chain of jobs, the broker dying in between; the middle one is requeued after it ran. */
static void a_chain_survives_restarts_and_requeues(void **state)
{
    for (int snapshot = 0; snapshot < 2; snapshot++) {
        struct film *f = *state;
        if (!snapshot)
            with_room(state);
        uint32_t a = film_submit(f, .cores = 1), b = after(f, "afterok", a),
                 c = after(f, "afterok", b);
        film_restart(f, snapshot);
        film_advance(f, 5 * SEC);
        film_expect_reason(f, c, "Dependency");
        film_exit(f, a, 0);
        film_expect(f, b, "RUNNING");
        film_op(f, 1000, b, TD_OP_REQUEUE);
        film_advance(f, 5 * SEC);
        film_expect(f, b, "RUNNING"); /* what it waited for has happened */
        film_expect_reason(f, c, "Dependency");
        film_restart(f, snapshot);
        film_advance(f, 5 * SEC);
        film_exit(f, b, 0);
        film_expect(f, c, "RUNNING");
        film_exit(f, c, 0);
    }
}

static void a_requeue_by_the_broker_ends_nothing(void **state)
{
    struct film *f = with_room(state);
    struct film_worker *w = &f->workers[0];
    uint32_t job = film_submit(f, .cores = 1), next = after(f, "afterany", job);
    film_worker_again(f, w, true, true); /* rebooted: the attempt is lost, the job is not over */
    film_advance(f, 15 * SEC);
    film_worker_again(f, w, true, true);
    film_expect(f, job, "RUNNING");
    assert_true(film_job(f, job)->attempt > 1);
    film_expect_reason(f, next, "Dependency");
    film_exit(f, job, 0);
    film_expect(f, next, "RUNNING");
}

static void held_goes_before_dependency_and_that_before_begin(void **state)
{
    struct film *f = with_room(state);
    uint32_t job = film_submit(f, .cores = 1);
    uint32_t next = film_submit(f, .cores = 1, .hold = true, .begin_ms = f->now + 60 * SEC,
                                .dependency = "afterok:1");
    film_expect_reason(f, next, "JobHeldUser");
    film_op(f, 1000, next, TD_OP_RELEASE);
    film_expect_reason(f, next, "Dependency");
    film_exit(f, job, 0);
    film_expect_reason(f, next, "BeginTime");
    film_advance(f, 61 * SEC);
    film_expect(f, next, "RUNNING");
}

/* --- aftercorr; what is expected is what Slurm 22.05 showed ------------------------------------- */

static struct core_job *task(struct film *f, uint32_t array, uint32_t index)
{
    return core_array_task(f->core, core_array_find(f->core, array), index);
}

static void expect_task(struct film *f, uint32_t array, uint32_t index, const char *state, const char *reason)
{
    assert_non_null(task(f, array, index));
    film_expect(f, task(f, array, index)->id, state);
    film_expect_reason(f, task(f, array, index)->id, reason);
}

static void tasks_wait_each_for_its_counterpart(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1, .array = "1-3"),
             b = film_submit(f, .cores = 1, .array = "1-4", .dependency = "aftercorr:1"),
             plain = after(f, "aftercorr", a), one = film_submit(f, .cores = 1, .dependency = "aftercorr:1_3");
    assert_int_equal(a, 1);
    assert_string_equal(shown(f, b), "aftercorr:1_*(unfulfilled)");
    film_expect_reason(f, b, "Dependency");
    film_exit(f, task(f, a, 2)->id, 1);
    expect_task(f, b, 2, "PENDING", "DependencyNeverSatisfied");
    assert_string_equal(shown(f, task(f, b, 2)->id), "aftercorr:1_*(failed)");
    assert_null(task(f, b, 1)); /* the others still wait together */
    film_exit(f, task(f, a, 1)->id, 0);
    expect_task(f, b, 1, "RUNNING", "None");
    assert_null(task(f, b, 3));
    film_expect_reason(f, plain, "DependencyNeverSatisfied"); /* no array: it waits for all of it */
    film_restart(f, true);
    film_advance(f, 5 * SEC);
    film_exit(f, task(f, a, 3)->id, 0);
    expect_task(f, b, 3, "RUNNING", "None");
    film_expect(f, one, "RUNNING");
    expect_task(f, b, 4, "PENDING", "DependencyNeverSatisfied"); /* no counterpart: all of it */
}

static void tasks_without_counterpart_wait_for_all(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1, .array = "1-2"),
             b = film_submit(f, .cores = 1, .array = "2-4%1", .dependency = "aftercorr:1");
    film_exit(f, task(f, a, 2)->id, 0);
    expect_task(f, b, 2, "RUNNING", "None");
    film_exit(f, task(f, b, 2)->id, 0);
    assert_null(task(f, b, 3));
    film_restart(f, false);
    film_advance(f, 5 * SEC);
    film_exit(f, task(f, a, 1)->id, 0);
    expect_task(f, b, 3, "RUNNING", "None");
    film_expect_reason(f, b, "JobArrayTaskLimit");
    film_exit(f, task(f, b, 3)->id, 0);
    film_exit(f, b, 0);
    film_expect(f, b, "COMPLETED");
}

static void counterparts_that_are_over_keep_nobody(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1, .array = "1-2");
    film_exit(f, task(f, a, 1)->id, 0);
    film_exit(f, task(f, a, 2)->id, 1);
    uint32_t b = film_submit(f, .cores = 1, .array = "1-2", .dependency = "aftercorr:1");
    expect_task(f, b, 1, "RUNNING", "None");
    expect_task(f, b, 2, "PENDING", "DependencyNeverSatisfied");
    uint32_t c = film_submit(f, .cores = 1, .array = "1-3");
    film_cancel_task(f, 1000, c, 3);
    film_exit(f, task(f, c, 1)->id, 0);
    uint32_t d = film_submit(f, .cores = 1, .array = "1-3", .dependency = td_arena_strdup(&f->arena, "aftercorr:5"));
    assert_int_equal(c, 5);
    expect_task(f, d, 1, "RUNNING", "None");
    expect_task(f, d, 3, "PENDING", "DependencyNeverSatisfied");
    assert_null(task(f, d, 2));
}

static void counterparts_cancelled_before_they_were_jobs(void **state)
{
    struct film *f = with_room(state);
    film_submit(f, .cores = 1, .array = "1-3", .hold = true);
    uint32_t b = film_submit(f, .cores = 1, .array = "1-3", .dependency = "aftercorr:1");
    film_cancel_task(f, 1000, 1, 2);
    expect_task(f, b, 2, "PENDING", "DependencyNeverSatisfied");
    film_op(f, 1000, 1, TD_OP_RELEASE);
    film_exit(f, task(f, 1, 1)->id, 0);
    expect_task(f, b, 1, "RUNNING", "None");
}

static void a_large_array_is_split_at_once(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1, .array = "1-600", .hold = true);
    film_submit(f, .cores = 1, .array = "1-600", .dependency = "aftercorr:1");
    film_cancel(f, 1000, a); /* all of it at once */
    uint32_t b = a + 1;
    for (uint32_t i = 1; i <= 600; i++)
        assert_non_null(task(f, b, i));
    expect_task(f, b, 600, "PENDING", "DependencyNeverSatisfied");
    film_cancel(f, 1000, b);
}

/* --- scontrol update dependency= ---------------------------------------------------------------- */

static void update(struct film *f, uint32_t job, const char *dependency)
{
    struct td_job_sel sel = {.job = job};
    struct td_update_job m = {.ids = {&sel, 1}, .change = {.set = 1u << 13, .dependency = dependency}};
    film_request(f, 1000, TD_MSG_UPDATE_JOB, &m);
}

static void a_dependency_can_be_changed(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1), b = film_submit(f, .cores = 1, .hold = true), c = after(f, "afterok", a);
    update(f, c, "afterok:2");
    film_expect_refused(f, TD_E_OK);
    assert_string_equal(shown(f, c), "afterok:2(unfulfilled)");
    film_exit(f, a, 1); /* no longer its business */
    film_expect_reason(f, c, "Dependency");
    update(f, c, "afterany:1,afterok:2");
    assert_string_equal(shown(f, c), "afterok:2(unfulfilled)");
    film_restart(f, true);
    film_advance(f, 5 * SEC);
    assert_string_equal(shown(f, c), "afterok:2(unfulfilled)");
    update(f, c, "");
    film_expect_refused(f, TD_E_OK);
    film_expect(f, c, "RUNNING");
    update(f, c, "afterok:2");
    film_expect_refused(f, TD_E_NOT_PENDING);
    update(f, b, "afterok:99");
    film_expect_refused(f, TD_E_DEPENDENCY);
    update(f, b, "later:1");
    film_expect_refused(f, TD_E_DEPENDENCY);
    assert_string_equal(shown(f, b), "(null)");
    uint32_t array = film_submit(f, .cores = 1, .array = "1-3", .hold = true);
    update(f, array, "afterok:2");
    assert_string_equal(shown(f, array), "afterok:2(unfulfilled)");
    film_op(f, 1000, array, TD_OP_RELEASE);
    film_expect_reason(f, array, "Dependency");
}

static void nobody_waits_for_himself(void **state)
{
    struct film *f = with_room(state);
    uint32_t a = film_submit(f, .cores = 1, .hold = true), b = after(f, "afterok", a), c = after(f, "afterany", b);
    update(f, a, "afterok:3");
    film_expect_refused(f, TD_E_CIRCULAR);
    assert_string_equal(f->text, "1: Circular job dependency (1 -> 3 -> 2 -> 1)");
    update(f, a, "afterany:1");
    film_expect_refused(f, TD_E_CIRCULAR);
    assert_string_equal(f->text, "1: Circular job dependency (1 -> 1)");
    update(f, c, "afterok:1"); /* its twin: the same three, no circle */
    film_expect_refused(f, TD_E_OK);
    uint32_t array = film_submit(f, .cores = 1, .array = "1-3", .hold = true, .dependency = "afterok:2");
    update(f, a, "afterok:4_2");
    film_expect_refused(f, TD_E_CIRCULAR);
    film_cancel_task(f, 1000, array, 2);
    update(f, a, "aftercorr:4");
    film_expect_refused(f, TD_E_CIRCULAR);
    update(f, array, "afterok:4_3");
    film_expect_refused(f, TD_E_CIRCULAR);
    film_cancel(f, 1000, array);
    update(f, a, "afterany:4"); /* what is over waits for nobody */
    film_expect_refused(f, TD_E_OK);
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const bad[] = {"afterok:99",
                                      "afterok",
                                      "afterok:",
                                      "afterok:x",
                                      "12",
                                      "later:1",
                                      "afterok:1:",
                                      "afterok:1_7",
                                      "afterok:1,",
                                      "singleton:1",
                                      "afterok:1,afterany:1?singleton",
                                      "afterok:4294967295",
                                      "afterok:99999999999",
                                      ":1"};
    static const char *const later[] = {"after:1+5", "expand:1", "afterburstbuffer:1"};
    struct film *f = with_room(state);
    film_submit(f, .cores = 1, .hold = true);
    for (uint32_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        assert_int_equal(film_submit(f, .cores = 1, .dependency = bad[i]), 0);
        film_expect_refused(f, TD_E_DEPENDENCY);
        assert_int_equal(strncmp(f->text, "Job dependency problem", 22), 0);
    }
    for (uint32_t i = 0; i < TD_ARRAY_LEN(later); i++) {
        assert_int_equal(film_submit(f, .cores = 1, .dependency = later[i]), 0);
        film_expect_refused(f, TD_E_NOT_SUPPORTED);
    }
    assert_int_equal(f->core->jobs.n, 1);
    assert_int_not_equal(film_submit(f, .cores = 1, .dependency = "afterok:1:1,afterok:1"), 0);
    assert_int_equal(film_job(f, 2)->deps->n, 1); /* said three times */
}

static void no_more_jobs_than_the_limit(void **state)
{
    struct film *f = with_room(state);
    struct td_buf b = {0};
    td_buf_puts(&b, "afterany");
    for (uint32_t i = 0; i < TD_MAX_DEPENDENCIES + 1; i++)
        film_submit(f, .cores = 1, .hold = true);
    for (uint32_t i = 1; i <= TD_MAX_DEPENDENCIES; i++)
        td_buf_putf(&b, ":%u", i);
    uint32_t job = film_submit(f, .cores = 1, .dependency = td_buf_str(&b));
    assert_int_not_equal(job, 0);
    td_buf_putf(&b, ":%u", (unsigned)TD_MAX_DEPENDENCIES + 1);
    assert_int_equal(film_submit(f, .cores = 1, .dependency = td_buf_str(&b)), 0);
    film_expect_refused(f, TD_E_DEPENDENCY);
    assert_non_null(strstr(f->text, "1024"));
    td_buf_release(&b);
    /* and nothing is left of those who give up waiting */
    film_cancel(f, 1000, job);
    uint32_t used = f->core->waiters.n;
    for (uint32_t i = 0; i < 100; i++)
        film_cancel(f, 1000, after(f, "afterok", 1));
    assert_int_equal(f->core->waiters.n, used);
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(each_kind_waits_for_its_own),
        FILM(failure_meets_the_others),
        FILM(a_cancelled_job_has_started_failed_and_ended),
        FILM(what_has_happened_already_keeps_nobody),
        FILM(all_or_any),
        FILM(one_that_can_never_happen_is_enough_for_all),
        FILM(all_tasks_of_an_array),
        FILM(one_failed_task_fails_the_array),
        FILM(a_waiting_array_starts_when_it_may),
        FILM(singletons_go_one_by_one),
        FILM(a_singleton_goes_by_the_name_there_is),
        FILM(a_chain_survives_restarts_and_requeues),
        FILM(a_requeue_by_the_broker_ends_nothing),
        FILM(held_goes_before_dependency_and_that_before_begin),
        FILM(tasks_wait_each_for_its_counterpart),
        FILM(tasks_without_counterpart_wait_for_all),
        FILM(counterparts_that_are_over_keep_nobody),
        FILM(counterparts_cancelled_before_they_were_jobs),
        FILM(a_large_array_is_split_at_once),
        FILM(a_dependency_can_be_changed),
        FILM(nobody_waits_for_himself),
        FILM(what_makes_no_sense_is_refused),
        FILM(no_more_jobs_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
