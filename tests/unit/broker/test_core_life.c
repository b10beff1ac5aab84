/* test_core_life.c - films of jobs from submission to their end */
#include "film.h"

static void one_job_on_one_idle_node(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 4, 0);
    uint32_t wakes = f->wakes;
    uint32_t job = film_submit(f, .cores = 4);
    assert_int_equal(job, 1);
    film_expect(f, 1, "RUNNING");
    /* submission and OFFER in one wake, BID and AWARD in the next, ACCEPTED in the third */
    assert_int_equal(f->wakes - wakes, 3);
    assert_int_equal(w->offers, 1);
    assert_int_equal(w->awards, 1);
    film_exit(f, 1, 0);
    film_expect(f, 1, "COMPLETED");
    assert_int_equal(w->unacked.n, 0); /* everything it said is durable */
    assert_int_equal(film_node_of(f, "n1")->nparts, 0);
    film_advance(f, 20 * SEC);
    assert_int_equal(w->awards, 1); /* and nothing is sent again */
    assert_int_equal(w->kills, 0);
}

static void exits_become_outcomes(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    static const struct {
        struct td_report r;
        const char *word, *reason;
    } cases[] = {
        {{.exit_code = 3}, "FAILED", "NonZeroExitCode"},
        {{.signal = 11}, "FAILED", "RaisedSignal"},
        {{.timed_out = true, .signal = 15}, "TIMEOUT", "TimeLimit"},
        {{.out_of_memory = true, .signal = 9}, "OUT_OF_MEMORY", "None"},
        {{.launch_failed = true, .text = "no such directory: /nowhere"},
         "FAILED",
         "JobLaunchFailure"},
    };
    for (uint32_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        uint32_t job = film_submit(f, .cores = 1);
        struct td_report r = cases[i].r;
        r.kind = TD_REPORT_EXITED;
        r.step = TD_STEP_BATCH;
        r.job = job;
        r.attempt = 1;
        r.usage.user_us = 77;
        film_report(f, w, r, true);
        film_run(f);
        film_expect(f, job, "COMPLETING");
        film_let_go(f, w, job);
        film_expect(f, job, cases[i].word);
        film_expect_reason(f, job, cases[i].reason);
        assert_true(td_str_equal(film_job(f, job)->detail, r.text));
        assert_int_equal(film_job(f, job)->usage->user_us, 77);
    }
}

static void the_guides_scene(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "node1", 8, 4);
    film_worker(f, "node2", 8, 4);
    for (uint32_t i = 1; i <= 8; i++)
        assert_int_equal(film_submit(f, .cores = 1, .gpus = 2), i);
    for (uint32_t i = 1; i <= 4; i++)
        film_expect(f, i, "RUNNING");
    for (uint32_t i = 5; i <= 8; i++)
        film_expect(f, i, "PENDING");
    film_expect_reason(f, 5, "Resources");
    film_expect_reason(f, 6, "Priority");
    film_expect_reason(f, 7, "Priority");
    film_expect_reason(f, 8, "Priority");
    film_exit(f, 2, 0);
    film_expect(f, 5, "RUNNING");
    film_expect_reason(f, 6, "Resources");
    film_expect_reason(f, 7, "Priority");
    for (uint32_t i = 1; i <= 8; i++) {
        if (i != 2)
            film_exit(f, i, 0);
    }
    for (uint32_t i = 1; i <= 8; i++)
        film_expect(f, i, "COMPLETED");
    /* waiting cost one event a head, not one a job */
    assert_true(film_events(f, TD_EV_JOB_REASON) <= 5);
}

static void devices_never_overlap(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 8, 4);
    uint32_t a = film_submit(f, .gpus = 2), b = film_submit(f, .gpus = 2);
    const struct td_placement *x = film_job(f, a)->alloc->parts[0].place,
                              *y = film_job(f, b)->alloc->parts[0].place;
    assert_false(td_bits_overlap(x->cpus, y->cpus));
    assert_false(td_bits_overlap(x->gres.v[0].devices, y->gres.v[0].devices));
}

static void cancelling_what_runs_and_what_waits(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t runs = film_submit(f, .cores = 1), waits = film_submit(f, .cores = 1);
    film_cancel(f, 1000, waits);
    assert_int_equal(f->count, 1);
    film_expect(f, waits, "CANCELLED");
    w->stubborn = true;
    film_cancel(f, 1000, runs);
    film_expect(f, runs, "COMPLETING");
    assert_int_equal(film_node_of(f, "n1")->nparts,
                     1); /* the cores are busy until the node says GONE */
    uint32_t kills = w->kills;
    film_advance(f, 8 * SEC);
    assert_true(w->kills > kills); /* asked again */
    film_let_go(f, w, runs);
    film_expect(f, runs, "CANCELLED");
    assert_int_equal(film_job(f, runs)->cancel_uid, 1000);
    assert_int_equal(film_job(f, runs)->signal, 15);
    assert_int_equal(film_job(f, waits)->signal, 0); /* it never ran */
    film_cancel(f, 1000, runs);
    film_expect_refused(f, TD_E_ALREADY_DONE);
    film_cancel(f, 1000, 4711);
    film_expect_refused(f, TD_E_INVALID_JOB);
}

static void who_holds_a_requeued_job_is_said(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    uint32_t mine = film_submit(f, .cores = 1), theirs = film_submit(f, .cores = 1);
    film_op(f, 1000, mine, TD_OP_REQUEUEHOLD);
    film_expect_reason(f, mine, "JobHeldUser");
    film_op(f, 77, theirs, TD_OP_REQUEUEHOLD);
    film_expect_reason(f, theirs, "JobHeldAdmin");
    film_op(f, 1000, theirs, TD_OP_RELEASE);
    film_expect_refused(f, TD_E_DENIED);
    film_expect_reason(f, theirs, "JobHeldAdmin");
    film_op(f, 1000, mine, TD_OP_RELEASE);
    film_expect(f, mine, "RUNNING");
}

static void excluding_a_node_that_is_not_there(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    struct td_job_need need = {.exc_nodes = "nosuch"};
    struct td_submit s = {.spec = {.name = "off", .needs = {&need, 1}}};
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
    film_expect_refused(f, TD_E_INVALID_NODE);
    need.exc_nodes = "n1";
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
    film_expect_refused(f, TD_E_OK);
}

static uint32_t submit_gpus(struct film *f, uint32_t node, uint32_t task, uint32_t job)
{
    struct td_gres_need per_node = {.name = "gpu", .count = node},
                        per_task = {.name = "gpu", .count = task},
                        of_job = {.name = "gpu", .count = job};
    struct td_job_need need = {.nodes_min = 1,
                               .nodes_max = 1,
                               .ntasks = 2,
                               .gres = {&per_node, node ? 1 : 0},
                               .gres_task = {&per_task, task ? 1 : 0},
                               .gres_job = {&of_job, job ? 1 : 0}};
    struct td_submit s = {.spec = {.name = "gpus", .needs = {&need, 1}}};
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
    return f->job;
}

static void devices_said_in_several_ways_are_not_summed(void **state)
{
    struct film *f = *state;
    const struct {
        uint32_t node, task, job, want;
    } cases[] = {{4, 2, 0, 4}, {4, 1, 0, 4}, {1, 2, 0, 4}, {0, 2, 4, 4}, {4, 0, 4, 4}};
    film_start(f);
    film_worker(f, "n1", 4, 4);
    for (uint32_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        uint32_t job = submit_gpus(f, cases[i].node, cases[i].task, cases[i].job);
        film_expect_refused(f, TD_E_OK);
        film_expect(f, job, "RUNNING");
        struct td_bin held = film_job(f, job)->alloc->parts[0].place->gres.v[0].devices;
        assert_int_equal(td_bits_count(held.v, held.n), cases[i].want);
        film_exit(f, job, 0);
    }
    submit_gpus(f, 4, 3, 0); /* six for two tasks */
    film_expect_refused(f, TD_E_NODE_CONFIG);
}

static void the_head_says_resources_when_nobody_answers(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0)->deaf = true;
    uint32_t head = film_submit(f, .cores = 1);
    film_advance(f, 1 * SEC);
    film_expect(f, head, "PENDING");
    film_expect_reason(f, head, "Resources");
}

static void a_signal_is_delivered_and_ends_nothing(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1);
    struct td_job_sel sel = {.job = job};
    struct td_cancel m = {.filter = {.ids = {&sel, 1}}, .signal = 10};
    film_request(f, 1000, TD_MSG_CANCEL, &m);
    assert_int_equal(w->last_signal, 10);
    film_expect(f, job, "RUNNING");
    film_advance(f, 10 * SEC);
    assert_int_equal(f->core->counters.kills, 1); /* answered, so not sent again */
    film_exit(f, job, 0);
    film_request(f, 1000, TD_MSG_CANCEL, &m);
    film_expect_refused(f, TD_E_ALREADY_DONE);
}

static void a_declined_job_keeps_its_place(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    w->declines = 1;
    uint32_t first = film_submit(f, .cores = 1), second = film_submit(f, .cores = 1);
    film_expect(f, first, "PENDING");
    assert_int_equal(f->core->counters.declines, 1);
    film_advance(f, 10 * SEC); /* the refusal is forgotten after a while */
    film_expect(f, first, "RUNNING");
    assert_int_equal(film_job(f, first)->attempt, 2);
    film_expect(f, second, "PENDING");
}

static void awards_are_sent_again_until_answered(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    w->lazy = true;
    uint32_t job = film_submit(f, .cores = 1);
    film_expect(f, job, "CONFIGURING");
    uint32_t awards = w->awards;
    film_advance(f, 4 * SEC);
    assert_true(w->awards >= awards + 2);
    film_accept(f, w, job);
    film_expect(f, job, "RUNNING");
    awards = w->awards;
    film_advance(f, 10 * SEC);
    assert_int_equal(w->awards, awards);
    assert_int_equal(film_events(f, TD_EV_ALLOC_ACCEPTED), 1);
}

static void reports_may_come_twice_and_out_of_order(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1);
    struct td_report exited = {
        .no = 2, .kind = TD_REPORT_EXITED, .job = job, .attempt = 1, .step = TD_STEP_BATCH};
    struct td_report gone = {.no = 3, .kind = TD_REPORT_GONE, .job = job, .attempt = 1};
    film_report(f, w, gone, false);
    film_run(f);
    film_expect(f, job, "RUNNING"); /* EXITED must be on its way */
    assert_int_equal(film_node_of(f, "n1")->acked, 1);
    film_report(f, w, exited, false);
    film_report(f, w, exited, false);
    film_report(f, w, gone, false);
    film_report(f, w, gone, false);
    film_run(f);
    film_expect(f, job, "COMPLETED");
    assert_int_equal(film_node_of(f, "n1")->acked, 3);
    assert_int_equal(film_events(f, TD_EV_JOB_ENDING), 1);
    assert_int_equal(film_events(f, TD_EV_ALLOC_GONE), 1);
    assert_true(f->core->counters.reports_repeated >= 2);
}

static void gone_without_a_word_is_a_lost_node(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .no_requeue = true);
    struct td_report gone = {.no = 2, .kind = TD_REPORT_GONE, .job = job, .attempt = 1};
    film_report(f, w, gone, false);
    film_advance(f, 6 * SEC);
    film_report(f, w, gone, false);
    film_run(f);
    film_expect(f, job, "NODE_FAIL");
}

static void many_nodes_all_or_none(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *a = film_worker(f, "n1", 2, 0);
    uint32_t job = film_submit(f, .cores = 1, .nodes = 1), pair = 0;
    film_exit(f, job, 0);
    film_worker(f, "n2", 2, 0);
    pair = film_submit(f, .cores = 1, .nodes = 2, .tasks = 4);
    film_expect(f, pair, "RUNNING");
    assert_int_equal(film_job(f, pair)->alloc->nparts, 2);
    assert_string_equal(film_job(f, pair)->alloc->nodelist, "n[1-2]");
    uint32_t next = film_submit(f, .cores = 1, .nodes = 2);
    film_expect(f, next, "PENDING"); /* nothing, not half */
    assert_null(film_job(f, next)->alloc);
    film_exit(f, pair, 0); /* the leader's exit ends the other node's part */
    film_expect(f, pair, "COMPLETED");
    film_expect(f, next, "RUNNING");
    assert_int_equal(a->kills, 0);
}

static void one_node_declines_and_the_other_is_freed(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *a = film_worker(f, "n1", 1, 0), *b = film_worker(f, "n2", 1, 0);
    b->declines = 1;
    uint32_t pair = film_submit(f, .cores = 1, .nodes = 2);
    assert_int_equal(a->held.n, 0);
    film_expect(f, pair, "PENDING");
    film_advance(f, 10 * SEC);
    film_expect(f, pair, "RUNNING");
    assert_int_equal(film_job(f, pair)->restarts, 0); /* it never ran */
}

static void tasks_spread_and_are_trimmed(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 3, 0);
    film_worker(f, "n2", 3, 0);
    uint32_t job = film_submit(f, .tasks = 4);
    film_expect(f, job, "RUNNING");
    const struct core_alloc *al = film_job(f, job)->alloc;
    assert_int_equal(al->nparts, 2);
    assert_int_equal(al->parts[0].place->tasks + al->parts[1].place->tasks, 4);
    uint32_t cpus = 0;
    for (uint32_t i = 0; i < 2; i++)
        cpus += td_bits_count(al->parts[i].place->cpus.v, al->parts[i].place->cpus.n);
    assert_int_equal(cpus, 4);
    uint32_t small = film_submit(f, .cores = 2); /* what was trimmed is free */
    film_expect(f, small, "RUNNING");
}

static void begin_time_comes(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .begin_ms = f->now + 60 * SEC);
    film_expect_reason(f, job, "BeginTime");
    film_advance(f, 59 * SEC);
    film_expect(f, job, "PENDING");
    film_advance(f, 2 * SEC);
    film_expect(f, job, "RUNNING");
}

static void finished_jobs_are_purged_in_time(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1);
    film_exit(f, job, 0);
    film_advance(f, 299 * SEC);
    assert_non_null(film_job(f, job));
    film_advance(f, 2 * SEC);
    assert_null(film_job(f, job));
    assert_int_equal(film_events(f, TD_EV_JOBS_PURGED), 1);
    bool known = true;
    td_core_job_owner(f->core, job, &known);
    assert_false(known);
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(one_job_on_one_idle_node),
        FILM(exits_become_outcomes),
        FILM(the_guides_scene),
        FILM(devices_never_overlap),
        FILM(cancelling_what_runs_and_what_waits),
        FILM(who_holds_a_requeued_job_is_said),
        FILM(excluding_a_node_that_is_not_there),
        FILM(devices_said_in_several_ways_are_not_summed),
        FILM(the_head_says_resources_when_nobody_answers),
        FILM(a_signal_is_delivered_and_ends_nothing),
        FILM(a_declined_job_keeps_its_place),
        FILM(awards_are_sent_again_until_answered),
        FILM(reports_may_come_twice_and_out_of_order),
        FILM(gone_without_a_word_is_a_lost_node),
        FILM(many_nodes_all_or_none),
        FILM(one_node_declines_and_the_other_is_freed),
        FILM(tasks_spread_and_are_trimmed),
        FILM(begin_time_comes),
        FILM(finished_jobs_are_purged_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
