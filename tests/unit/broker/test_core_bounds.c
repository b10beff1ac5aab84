/* test_core_bounds.c - what a long reign may not pile up (law 7): shapes above all
 *
 * Driven without the film, which keeps a journal and compares digests at every wake: here are thousands of
 * submissions, no two alike, many times what may stay. More would show no more: a leak of one shape in thirty fails. */
#include "film.h"

#define ROUNDS 10
#define SHAPES_LEFT_MAX 300 /* the few that are kept for those who come again, and what waits */

struct reign {
    struct td_core *core;
    int64_t now;
    struct td_input batch[1000];
    struct td_submit submits[1000];
    struct td_job_need needs[1000];
    char features[1000][16];
};

static void wake(struct reign *r, const struct td_input *in, uint32_t n)
{
    td_core_wake(r->core, r->now++);
    for (uint32_t i = 0; i < n; i++)
        td_core_input(r->core, &in[i]);
    td_core_finish(r->core);
    struct td_error err;
    assert_true(td_core_check(r->core, &err));
}

static void begin(struct reign *r)
{
    struct td_ev_epoch_began began = {.epoch = 1};
    struct td_node_conf node = {.names = "n1", .cpus = 4096, .memory_mb = 1000000};
    struct td_partition_conf part = {
        .name = "main", .nodes = "ALL", .is_default = true, .max_s = TD_INFINITE};
    struct td_ev_conf_loaded conf = {.settings = {.first_job = 1, .min_job_age_s = 300},
                                     .nodes = {&node, 1},
                                     .partitions = {&part, 1}};
    struct td_input in[] = {
        {.kind = TD_IN_START, .id = TD_EV_EPOCH_BEGAN, .body = &began},
        {.kind = TD_IN_CONF, .id = TD_EV_CONF_LOADED, .body = &conf},
    };
    *r = (struct reign){.core = td_core_new(1), .now = FILM_T0};
    wake(r, in, 2);
}

/* A thousand, no two alike. */
static void submit(struct reign *r, uint32_t from, bool possible)
{
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t k = from + i;
        r->needs[i] =
            (struct td_job_need){.cpus_per_task = 1 + k % 1000, .mem_mb_per_node = 1 + k / 1000};
        if (!possible) {
            snprintf(r->features[i], sizeof(r->features[i]), "f%u", k);
            r->needs[i].features = r->features[i];
        }
        r->submits[i] = (struct td_submit){.spec = {.needs = {&r->needs[i], 1}}};
        r->batch[i] = (struct td_input){.kind = TD_IN_REQUEST,
                                        .peer = 1,
                                        .uid = 1000,
                                        .id = TD_MSG_SUBMIT,
                                        .body = &r->submits[i]};
    }
    wake(r, r->batch, 1000);
}

static void cancel_all(struct reign *r)
{
    static const char *user = "1000";
    struct td_cancel m = {.filter = {.users = {&user, 1}}};
    struct td_input in = {
        .kind = TD_IN_REQUEST, .peer = 1, .uid = 1000, .id = TD_MSG_CANCEL, .body = &m};
    wake(r, &in, 1);
}

static struct td_core_sizes sizes(const struct reign *r)
{
    struct td_core_sizes s;
    td_core_get_sizes(r->core, &s);
    return s;
}

static void shapes_of_jobs_that_are_over_are_used_again(void **state)
{
    struct reign r;
    (void)state;
    begin(&r);
    for (uint32_t k = 0; k < ROUNDS; k++) {
        submit(&r, k * 1000, true);
        assert_int_equal(sizes(&r).pending_tasks, 1000);
        cancel_all(&r);
        assert_int_equal(sizes(&r).pending_tasks, 0);
    }
    assert_int_equal(r.core->submitted, ROUNDS * 1000);
    assert_in_range(sizes(&r).shapes, 0, SHAPES_LEFT_MAX);
    assert_in_range(td_ledger_shapes(r.core->ledger), 1000, 1000 + SHAPES_LEFT_MAX);
    td_core_destroy(&r.core);
}

/* The other side: who waits keeps his shape, however many come and go beside him. */
static void shapes_of_jobs_that_wait_stay(void **state)
{
    struct reign r;
    (void)state;
    begin(&r);
    submit(&r, 0, true);
    uint32_t shape = core_job_find(r.core, 500)->candidate.shape;
    for (uint32_t k = 1; k < 3; k++)
        submit(&r, k * 1000, true);
    assert_int_equal(sizes(&r).shapes, 3000);
    assert_int_equal(core_job_find(r.core, 500)->candidate.shape, shape);
    assert_int_equal(td_ledger_get_shape(r.core->ledger, shape)->cpus_per_task, 500);
    td_core_destroy(&r.core);
}

static void refused_submissions_leave_nothing(void **state)
{
    struct reign r;
    (void)state;
    begin(&r);
    for (uint32_t k = 0; k < 3; k++)
        submit(&r, k * 1000, false);
    assert_int_equal(r.core->submitted, 0);
    assert_in_range(sizes(&r).shapes, 0, SHAPES_LEFT_MAX);
    td_core_destroy(&r.core);
}

static void a_requeued_job_has_its_shape_again(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t job = film_submit(f, .cores = 3);
    film_exit(f, job, 0);
    film_expect(f, job, "COMPLETED");
    assert_int_equal(film_job(f, job)->candidate.shape, CORE_NO_SHAPE);
    film_op(f, 1000, job, TD_OP_REQUEUE);
    film_expect(f, job, "RUNNING");
    assert_int_equal(
        td_ledger_get_shape(f->core->ledger, film_job(f, job)->candidate.shape)->cpus_per_task, 3);
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_of_jobs_that_are_over_are_used_again),
        cmocka_unit_test(shapes_of_jobs_that_wait_stay),
        cmocka_unit_test(refused_submissions_leave_nothing),
        FILM(a_requeued_job_has_its_shape_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
