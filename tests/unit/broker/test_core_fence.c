/* test_core_fence.c - NodeFence=kill: what nodes end by themselves, and what is never started again
 */
#include "film.h"

/* Two nodes of one CPU; LOST after 60 s, of which 30 s are KillWait's and 3 s spare. */
static struct film *fenced(void **state, bool fence)
{
    struct film *f = *state;
    f->settings.node_fence = fence;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    return f;
}

static void cut(struct film *f, struct film_worker *w)
{
    w->silent = true;
    film_advance(f, 80 * SEC);
    assert_int_equal(film_node_of(f, w->name)->state, TD_NODE_LOST);
}

static struct film_worker *worker_of(struct film *f, uint32_t job)
{
    const char *name = film_job(f, job)->alloc->parts[0].node->name;
    return td_str_equal(name, "n1") ? &f->workers[0] : &f->workers[1];
}

static void ends(struct film *f, struct film_worker *w, uint32_t job, uint32_t kind, bool cut_off)
{
    struct td_report r = {.kind = kind,
                          .job = job,
                          .attempt = film_job(f, job)->attempt,
                          .step = TD_STEP_BATCH,
                          .signal = kind == TD_REPORT_EXITED ? 15 : 0,
                          .cut_off = cut_off};
    film_report(f, w, r, true);
    film_run(f);
}

static void workers_are_told_and_answered(void **state)
{
    struct film *f = fenced(state, true);
    struct film_worker *w = &f->workers[0];
    assert_int_equal(w->fence_ms, 27 * SEC);
    assert_true(w->answered_ms >= FILM_T0 && w->answered_ms <= f->now); /* its own HELLO's time */
    film_advance(f, 5 * SEC);
    int64_t at = w->answered_ms;
    struct td_heartbeat h = {.incarnation = w->incarnation, .epoch = f->epoch, .at_ms = f->now - 7};
    film_say(f, w, TD_MSG_HEARTBEAT, &h);
    film_run(f);
    assert_int_equal(w->answered_ms, f->now - 7);
    assert_true(w->answered_ms > at);
    /* the twin: no fence, nothing to keep */
    f->settings.node_fence = false;
    film_configure(f);
    assert_int_equal(w->fence_ms, 0);
}

static void only_what_may_be_requeued_is_fenced(void **state)
{
    struct film *f = fenced(state, true);
    uint32_t again = film_submit(f, .cores = 1),
             once = film_submit(f, .cores = 1, .no_requeue = true);
    film_expect(f, once, "RUNNING");
    assert_int_equal(f->workers[0].last_award.job, again);
    assert_true(f->workers[0].last_award.fenced);
    assert_int_equal(f->workers[1].last_award.job, once);
    assert_false(f->workers[1].last_award.fenced);
    cut(f, &f->workers[0]);
    film_expect(f, again, "PENDING");
    cut(f, &f->workers[1]);
    film_expect(f, once, "NODE_FAIL");
}

static void without_a_fence_nothing_is(void **state)
{
    struct film *f = fenced(state, false);
    uint32_t job = film_submit(f, .cores = 1);
    film_expect(f, job, "RUNNING");
    assert_false(f->workers[0].last_award.fenced);
    assert_int_equal(f->workers[0].fence_ms, 0);
    cut(f, &f->workers[0]);
    assert_int_equal(film_job(f, job)->attempt, 2); /* though the first may live */
}

/* A worker of the version before cannot: what it had is not started again. */
static void a_worker_that_knows_no_fence_gets_nothing_fenced(void **state)
{
    struct film *f = *state;
    f->old_workers = true;
    fenced(state, true);
    uint32_t job = film_submit(f, .cores = 1);
    film_expect(f, job, "RUNNING");
    assert_false(f->workers[0].last_award.fenced);
    cut(f, &f->workers[0]);
    film_expect(f, job, "NODE_FAIL");
}

/* Its nodes were not told to end it, so nobody knows whether it lives: not twice. */
static void what_began_before_the_fence_is_not_started_again(void **state)
{
    struct film *f = fenced(state, false);
    uint32_t lost = film_submit(f, .cores = 1), asked = film_submit(f, .cores = 1);
    film_expect(f, asked, "RUNNING");
    f->settings.node_fence = true;
    film_configure(f);
    f->workers[0].silent = f->workers[1].silent = true;
    film_advance(f, 20 * SEC);
    struct td_job_sel sel = {.job = asked};
    struct td_job_op m = {.op = TD_OP_REQUEUE, .ids = {&sel, 1}};
    film_request(f, 1000, TD_MSG_JOB_OP, &m);
    film_expect(f, asked, "COMPLETING");
    film_advance(f, 60 * SEC);
    film_expect(f, lost, "NODE_FAIL");
    film_expect(f, asked, "NODE_FAIL");
    assert_int_equal(film_events(f, TD_EV_JOB_REQUEUED), 0);
}

static void restart(void **state, bool snapshot)
{
    struct film *f = fenced(state, true);
    uint32_t job = film_submit(f, .cores = 1);
    film_expect(f, job, "RUNNING");
    film_restart(f, snapshot);
    f->workers[0].on = f->workers[1].on = false;
    film_advance(f, 200 * SEC);
    film_expect(f, job, "PENDING"); /* it is known to be fenced */
    assert_int_equal(film_events(f, TD_EV_JOB_REQUEUED), 1);
}

static void the_journal_knows_who_is_fenced(void **state)
{
    restart(state, false);
}

static void so_does_a_snapshot(void **state)
{
    restart(state, true);
}

/* Back before it was given up: its word that it has ended the job is the node's failure, not the
 * job's. */
static void what_a_node_has_ended_runs_again(void **state)
{
    struct film *f = fenced(state, true);
    struct film_worker *w = &f->workers[0];
    uint32_t job = film_submit(f, .cores = 1);
    ends(f, w, job, TD_REPORT_EXITED, true);
    assert_int_equal(film_job(f, job)->state, TD_JOB_ENDING);
    assert_non_null(strstr(film_job(f, job)->detail,
                           "node n1 could not reach the broker and ended it (NodeFence)"));
    film_let_go(f, w, job);
    film_expect(f, job, "RUNNING");
    assert_int_equal(film_job(f, job)->attempt, 2);
    /* the twin: the same signal from elsewhere is how the job ended */
    w = worker_of(f, job);
    ends(f, w, job, TD_REPORT_EXITED, false);
    film_let_go(f, w, job);
    film_expect(f, job, "FAILED");
}

static void another_node_of_the_job_may_say_so_first(void **state)
{
    struct film *f = fenced(state, true);
    uint32_t job = film_submit(f, .nodes = 2, .tasks = 2);
    film_expect(f, job, "RUNNING");
    int64_t at = f->now;
    ends(f, &f->workers[1], job, TD_REPORT_GONE, true);
    assert_true(f->now - at < SEC); /* no EXITED is waited for */
    assert_int_equal(film_events(f, TD_EV_JOB_ENDING), 1);
    assert_int_equal(film_events(f, TD_EV_JOB_REQUEUED), 1);
}

/* Who cannot prove to be the worker before waits until that one's jobs have ended. */
static void another_claimant_waits_for_the_fence(void **state)
{
    struct film *f = fenced(state, true);
    uint32_t job = film_submit(f, .cores = 1);
    struct film_worker *other = &f->workers[f->nworkers++];
    *other = (struct film_worker){.cpus = 1, .on = true, .version = 1};
    snprintf(other->name, sizeof(other->name), "n1");
    snprintf(other->boot, sizeof(other->boot), "b9");
    snprintf(other->instance, sizeof(other->instance), "i8");
    f->workers[0].on = false;
    film_advance(f, 20 * SEC); /* beyond the lease */
    film_worker_again(f, other, false, true);
    assert_int_equal(other->refused_code, TD_E_NODE_CLAIMED);
    assert_int_equal(film_job(f, job)->attempt, 1);
    film_advance(f, 30 * SEC);
    assert_int_equal(film_node_of(f, "n1")->incarnation, 1);
    assert_int_equal(film_job(f, job)->attempt, 1);
    film_advance(f, 30 * SEC); /* LOST, and it asks again */
    assert_int_equal(film_node_of(f, "n1")->incarnation, 2);
    assert_int_equal(other->incarnation, 2);
    assert_int_equal(film_job(f, job)->attempt, 2);
}

int main(void)
{
#define film_test(name) cmocka_unit_test_setup_teardown(name, film_open, film_close)
    const struct CMUnitTest tests[] = {
        film_test(workers_are_told_and_answered),
        film_test(only_what_may_be_requeued_is_fenced),
        film_test(without_a_fence_nothing_is),
        film_test(what_began_before_the_fence_is_not_started_again),
        film_test(a_worker_that_knows_no_fence_gets_nothing_fenced),
        film_test(the_journal_knows_who_is_fenced),
        film_test(so_does_a_snapshot),
        film_test(what_a_node_has_ended_runs_again),
        film_test(another_node_of_the_job_may_say_so_first),
        film_test(another_claimant_waits_for_the_fence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
