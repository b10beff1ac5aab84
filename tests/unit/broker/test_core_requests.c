/* test_core_requests.c - what people ask for, and what they are told: each success with a failing
 * twin */
#include "film.h"

static void what_is_not_supported_is_refused_by_name(void **state)
{
    struct film *f = *state;
    film_start(f);
    assert_int_equal(film_submit(f, .cores = 1, .dependency = "expand:1"), 0);
    film_expect_refused(f, TD_E_NOT_SUPPORTED);
    assert_non_null(strstr(f->text, "--dependency"));
    struct td_job_need needs[2] = {{.nodes_min = 1}, {.nodes_min = 1}};
    struct td_submit s = {.spec = {.needs = {needs, 2}}};
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
    film_expect_refused(f, TD_E_NOT_SUPPORTED);
    s = (struct td_submit){.spec = {.needs = {needs, 1}, .reservation = "r,s"}};
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
    film_expect_refused(f, TD_E_NOT_SUPPORTED);
    s = (struct td_submit){0};
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
    film_expect_refused(f, TD_E_INVALID_REQUEST);
    assert_int_equal(f->core->jobs.n, 0);
}

static void what_can_never_run_is_refused_at_once(void **state)
{
    struct film *f = *state;
    film_start(f);
    assert_int_equal(film_submit(f, .cores = 64), 1); /* nobody has joined yet: it may come */
    film_expect_reason(f, 1, "Resources");
    film_worker(f, "n1", 4, 2);
    assert_int_equal(film_submit(f, .cores = 5), 0);
    film_expect_refused(f, TD_E_NODE_CONFIG);
    assert_string_equal(f->text, "Requested node configuration is not available: "
                                 "partition main: no node has 5 CPUs (the most is 4)");
    assert_int_equal(film_submit(f, .nodes = 2), 0);
    film_expect_refused(f, TD_E_NODE_CONFIG);
    assert_int_equal(film_submit(f, .gpus = 3), 0);
    film_expect_refused(f, TD_E_NODE_CONFIG);
    assert_int_equal(film_submit(f, .mem = 1 << 20), 0);
    assert_int_equal(film_submit(f, .nodelist = "n7"), 0);
    film_expect_refused(f, TD_E_INVALID_NODE);
    assert_int_equal(film_submit(f, .features = "a100"), 0);
    film_expect_refused(f, TD_E_INVALID_FEATURE);
    assert_int_not_equal(film_submit(f, .cores = 4, .gpus = 2), 0);
}

static void who_cannot_run_anywhere_is_told_at_once(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *one = film_worker(f, "n1", 4, 0), *two = film_worker(f, "n2", 4, 0);
    one->runs_as = two->runs_as = 1000 + 1;
    film_worker_again(f, one, false, false);
    assert_int_not_equal(film_submit(f, .uid = 1001, .cores = 1), 0); /* n2 is still root's */
    film_worker_again(f, two, false, false);
    assert_int_equal(film_submit(f, .uid = 1001, .cores = 1), 0);
    film_expect_refused(f, TD_E_DENIED);
    assert_non_null(strstr(f->text, "runs jobs of user 1000 only, not of user 1001"));
    assert_non_null(strstr(f->text, "let root start the workers"));
    film_restart(f, true); /* it is durable */
    struct td_job_need need = {.ntasks = 1};
    struct td_submit s = {.spec = {.needs = {&need, 1}}};
    film_request(f, 0, TD_MSG_SUBMIT, &s); /* root's neither */
    film_expect_refused(f, TD_E_DENIED);
    assert_int_not_equal(film_submit(f, .uid = 1000, .cores = 1), 0);
    two->runs_as = 0;
    film_worker_again(f, two, false, false);
    assert_int_not_equal(film_submit(f, .uid = 1001, .cores = 1), 0);
}

static void configured_nodes_count_before_they_come(void **state)
{
    struct film *f = *state;
    f->settings.elastic = false;
    film_node(f, (struct td_node_conf){
                     .names = "n[1-2]", .cpus = 8, .memory_mb = 4000, .gres = "gpu:t4:4"});
    film_start(f);
    assert_int_not_equal(film_submit(f, .cores = 8, .gpus = 4), 0);
    assert_int_equal(film_submit(f, .cores = 9), 0);
    film_expect_refused(f, TD_E_NODE_CONFIG);
    assert_int_equal(film_submit(f, .gpus = 5), 0);
    film_expect_refused(f, TD_E_NODE_CONFIG);
}

static void partitions_and_their_limits(void **state)
{
    struct film *f = *state;
    film_partition(
        f, (struct td_partition_conf){.name = "long", .is_default = true, .default_s = 600});
    film_partition(f, (struct td_partition_conf){
                          .name = "short", .max_s = 60, .nodes_max = 1, .priority_tier = 2});
    film_partition(f, (struct td_partition_conf){.name = "off", .state = "INACTIVE"});
    film_partition(f, (struct td_partition_conf){.name = "down", .state = "DOWN"});
    film_partition(f, (struct td_partition_conf){.name = "root", .root_only = true});
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_worker(f, "n2", 4, 0);
    assert_int_equal(film_submit(f, .partition = "none"), 0);
    film_expect_refused(f, TD_E_INVALID_PARTITION);
    assert_int_equal(film_submit(f, .partition = "off"), 0);
    film_expect_refused(f, TD_E_PARTITION_DOWN);
    assert_int_equal(film_submit(f, .partition = "root"), 0);
    film_expect_refused(f, TD_E_DENIED);
    uint32_t job = film_submit(f, .partition = "down");
    film_expect_reason(f, job, "PartitionDown");
    job = film_submit(f, .partition = "short", .limit_s = 61);
    film_expect_reason(f, job, "PartitionTimeLimit");
    job = film_submit(f, .partition = "short", .nodes = 2);
    film_expect_reason(f, job, "PartitionNodeLimit");
    job = film_submit(f, .cores = 1);
    assert_int_equal(film_job(f, job)->limit_s, 600);
    job = film_submit(f, .partition = "short");
    assert_int_equal(film_job(f, job)->limit_s, 60);
}

static void the_tier_goes_before_the_order(void **state)
{
    struct film *f = *state;
    film_partition(f, (struct td_partition_conf){.name = "low", .is_default = true});
    film_partition(f, (struct td_partition_conf){.name = "high", .priority_tier = 9});
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t runs = film_submit(f, .cores = 1), low = film_submit(f, .cores = 1),
             high = film_submit(f, .cores = 1, .partition = "high");
    film_expect_reason(f, high, "Resources");
    film_expect_reason(f, low, "Priority");
    film_exit(f, runs, 0);
    film_expect(f, high, "RUNNING");
    film_expect(f, low, "PENDING");
}

static void several_partitions_and_the_first_award_wins(void **state)
{
    struct film *f = *state;
    film_partition(f, (struct td_partition_conf){.name = "a", .nodes = "n1", .is_default = true});
    film_partition(f, (struct td_partition_conf){.name = "b", .nodes = "n2"});
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    uint32_t x = film_submit(f, .cores = 1);
    uint32_t y = film_submit(f, .cores = 1, .partition = "a,b");
    film_expect(f, x, "RUNNING");
    film_expect(f, y, "RUNNING");
    assert_string_equal(film_job(f, y)->alloc->nodelist, "n2");
    assert_int_equal(td_queue_length(f->core->queue), 0); /* the other candidate is withdrawn */
    assert_int_equal(film_submit(f, .partition = "a,c"), 0);
    film_expect_refused(f, TD_E_INVALID_PARTITION);
}

static void a_repeated_submission_gets_the_first_answer(void **state)
{
    struct film *f = *state;
    film_start(f);
    uint32_t job = film_submit(f, .cores = 1, .key = "k1");
    assert_int_equal(film_submit(f, .cores = 1, .key = "k1"), job);
    assert_int_not_equal(film_submit(f, .cores = 1, .key = "k2"), job);
    assert_int_not_equal(film_submit(f, .uid = 1001, .cores = 1, .key = "k1"),
                         job); /* somebody else's key */
    film_restart(f, false);
    assert_int_equal(film_submit(f, .cores = 1, .key = "k1"), job);
    film_restart(f, true);
    assert_int_equal(film_submit(f, .cores = 1, .key = "k1"), job);
    film_advance(f, 16 * 60 * SEC);
    assert_int_not_equal(film_submit(f, .cores = 1, .key = "k1"), job);
}

static bool count_job(void *ctx, const struct td_job_info *row)
{
    (void)row;
    ++*(uint32_t *)ctx;
    return true;
}

static bool count_step(void *ctx, const struct td_step_info *row)
{
    (void)row;
    ++*(uint32_t *)ctx;
    return true;
}

static void expect_seen(struct film *f, uint32_t uid, uint32_t jobs, uint32_t steps)
{
    const struct td_job_query q = {.all = true, .asker_uid = uid, .asker_operator = td_core_is_operator(f->core, uid)};
    const struct td_step_query s = {.asker_uid = uid, .asker_operator = q.asker_operator};
    struct td_arena a = {0};
    uint32_t n = 0, k = 0;
    td_core_jobs(f->core, &q, &a, count_job, &n);
    td_core_steps(f->core, &s, &a, count_step, &k);
    td_arena_release(&a);
    assert_int_equal(n, jobs);
    assert_int_equal(k, steps);
}

static void private_jobs_are_seen_by_their_owner(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t job = film_submit(f, .uid = 1000, .cores = 1);
    film_submit(f, .uid = 1001, .cores = 1, .hold = true);
    film_expect(f, job, "RUNNING");
    film_ask(f, .job = job, .uid = 1000);
    expect_seen(f, 1001, 2, 1);
    f->settings.private_data = TD_PRIVATE_JOBS;
    film_configure(f);
    expect_seen(f, 1000, 1, 1);
    expect_seen(f, 1001, 1, 0);
    expect_seen(f, 1002, 0, 0);
    expect_seen(f, 77, 2, 1);
    expect_seen(f, 0, 2, 1);
    assert_true(td_core_hides(f->core, TD_PRIVATE_JOBS, 1001));
    assert_false(td_core_hides(f->core, TD_PRIVATE_NODES, 1001));
    assert_false(td_core_hides(f->core, TD_PRIVATE_JOBS, 77));
    assert_string_equal(td_admin_level_word(td_core_admin_level(f->core, 77)), "Operator");
    assert_string_equal(td_admin_level_word(td_core_admin_level(f->core, 0)), "Administrator");
    assert_string_equal(td_admin_level_word(td_core_admin_level(f->core, 1000)), "None");
}

static void rights_over_jobs(void **state)
{
    struct film *f = *state;
    film_start(f);
    uint32_t job = film_submit(f, .uid = 1000, .cores = 1);
    film_cancel(f, 1001, job);
    film_expect_refused(f, TD_E_DENIED);
    film_op(f, 1001, job, TD_OP_HOLD);
    film_expect_refused(f, TD_E_DENIED);
    film_op(f, 77, job, TD_OP_HOLD);
    film_expect_reason(f, job, "JobHeldAdmin");
    film_op(f, 1000, job, TD_OP_RELEASE);
    film_expect_refused(f, TD_E_DENIED);
    film_expect_reason(f, job, "JobHeldAdmin");
    film_op(f, 77, job, TD_OP_RELEASE);
    film_expect_refused(f, TD_E_OK);
    film_op(f, 1000, job, TD_OP_HOLD);
    film_expect_reason(f, job, "JobHeldUser");
    film_op(f, 1000, job, TD_OP_RELEASE);
    film_expect(f, job, "PENDING");
    film_cancel(f, 0, job);
    film_expect(f, job, "CANCELLED");
    struct td_shutdown s = {0};
    film_request(f, 1000, TD_MSG_SHUTDOWN, &s);
    film_expect_refused(f, TD_E_DENIED);
    struct td_hello h = {0};
    film_request(f, 0, TD_MSG_HELLO, &h);
    film_expect_refused(f, TD_E_DENIED); /* a worker's word from a person */
}

static void cancel_by_filter(void **state)
{
    struct film *f = *state;
    film_start(f);
    for (uint32_t i = 0; i < 50; i++)
        film_submit(f, .uid = i % 2 ? 1000 : 1001, .cores = 1, .name = i < 10 ? "first" : "rest");
    const char *user = "1000", *name = "first";
    struct td_cancel m = {.filter = {.users = {&user, 1}, .names = {&name, 1}}};
    uint32_t wakes = f->wakes;
    film_request(f, 1000, TD_MSG_CANCEL, &m);
    assert_int_equal(f->wakes - wakes, 1);
    assert_int_equal(f->count, 5);
    m = (struct td_cancel){.filter = {.names = {&name, 1}}};
    film_request(f, 1000, TD_MSG_CANCEL, &m); /* others' are not meant, and no error for each */
    assert_int_equal(f->count, 0);
    assert_int_equal(f->nerrors, 0);
    film_request(f, 77, TD_MSG_CANCEL, &m);
    assert_int_equal(f->count, 5);
    m = (struct td_cancel){0};
    film_request(f, 0, TD_MSG_CANCEL, &m);
    film_expect_refused(f, TD_E_INVALID_REQUEST); /* not everything by accident */
}

static void requeue_of_what_runs(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1),
             other = film_submit(f, .cores = 1, .no_requeue = true);
    film_op(f, 1000, other, TD_OP_REQUEUE);
    film_expect_refused(f, TD_E_INVALID_STATE); /* it waits */
    film_op(f, 1000, job, TD_OP_REQUEUEHOLD);
    film_expect(f, job, "PENDING");
    film_expect_reason(f, job, "JobHeldUser");
    film_expect(f, other, "RUNNING");
    film_op(f, 1000, other, TD_OP_REQUEUE);
    film_expect_refused(f, TD_E_DISABLED);
    film_expect(f, other, "RUNNING");
    film_op(f, 1000, other, 99);
    film_expect_refused(f, TD_E_INVALID_REQUEST);
}

static void update(struct film *f, uint32_t uid, uint32_t job, struct td_job_change ch)
{
    struct td_job_sel sel = {.job = job};
    struct td_update_job m = {.ids = {&sel, 1}, .change = ch};
    film_request(f, uid, TD_MSG_UPDATE_JOB, &m);
}

static void updates(void **state)
{
    struct film *f = *state;
    film_partition(f, (struct td_partition_conf){.name = "main", .is_default = true});
    film_partition(f, (struct td_partition_conf){.name = "other"});
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t runs = film_submit(f, .cores = 1, .limit_s = 600),
             waits = film_submit(f, .cores = 1, .limit_s = 600);
    update(f, 1000, runs, (struct td_job_change){.set = 1u << 2, .limit_s = 900});
    film_expect_refused(f, TD_E_DENIED);
    update(f, 1000, runs, (struct td_job_change){.set = 1u << 2, .limit_s = 300});
    film_expect_refused(f, TD_E_OK);
    assert_int_equal(w->last_limit, 300); /* the node enforces it */
    update(f, 77, runs, (struct td_job_change){.set = 1u << 2, .limit_s = 900});
    assert_int_equal(w->last_limit, 900);
    update(f, 1000, runs, (struct td_job_change){.set = 1u << 4, .partition = "other"});
    film_expect_refused(f, TD_E_NOT_PENDING);
    update(f, 1000, waits,
           (struct td_job_change){.set = 1u << 4 | 1u << 3, .partition = "other", .name = "new"});
    film_expect_refused(f, TD_E_OK);
    assert_string_equal(film_job(f, waits)->spec->body.name, "new");
    assert_string_equal(core_job_need(film_job(f, waits))->partition, "other");
    update(f, 1000, waits, (struct td_job_change){.set = 1u << 4, .partition = "nowhere"});
    film_expect_refused(f, TD_E_INVALID_PARTITION);
    update(f, 1000, waits, (struct td_job_change){.set = 1u << 6, .priority = UINT32_MAX});
    film_expect_refused(f, TD_E_DENIED);
    update(f, 1000, waits, (struct td_job_change){.set = 1u << 6, .priority = 0});
    film_expect_reason(f, waits, "JobHeldUser");
    update(f, 77, waits, (struct td_job_change){.set = 1u << 6, .priority = 5});
    film_expect(f, waits, "PENDING");
    assert_int_equal(film_job(f, waits)->held, 0);
    update(f, 1000, waits, (struct td_job_change){.set = 1u << 5, .nice = -5});
    film_expect_refused(f, TD_E_DENIED);
    update(f, 1001, waits, (struct td_job_change){.set = 1u << 3, .name = "x"});
    film_expect_refused(f, TD_E_DENIED);
    update(f, 1000, waits, (struct td_job_change){.set = 1u << 10, .array_limit = 1});
    film_expect_refused(f, TD_E_INVALID_REQUEST);
    film_exit(f, runs, 0);
    update(f, 1000, runs, (struct td_job_change){.set = 1u << 3, .name = "x"});
    film_expect_refused(f, TD_E_ALREADY_DONE);
}

/* Slurm counts limits in minutes; a cluster may count finer. */
static void limits_are_rounded_up(void **state)
{
    struct film *f = *state;
    f->settings.limit_round_s = 60;
    film_partition(f, (struct td_partition_conf){.name = "main", .is_default = true, .max_s = 120});
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t runs = film_submit(f, .cores = 1, .limit_s = 61), waits = film_submit(f, .cores = 1, .limit_s = 60);
    assert_int_equal(film_job(f, runs)->limit_s, 120);
    assert_int_equal(film_job(f, waits)->limit_s, 60);
    assert_int_equal(film_job(f, film_submit(f, .cores = 1, .limit_s = TD_INFINITE - 1))->limit_s, TD_INFINITE - 1);
    assert_int_equal(film_job(f, film_submit(f, .cores = 1, .limit_s = TD_INFINITE))->limit_s, TD_INFINITE);
    uint32_t least = film_submit(f, .cores = 1, .limit_s = 119, .limit_min_s = 1);
    assert_int_equal(film_job(f, least)->limit_s, 120);
    assert_int_equal(film_job(f, least)->spec->body.limit_min_s, 60);
    assert_int_equal(film_submit(f, .cores = 1, .limit_s = 60, .limit_min_s = 61), 0);
    film_expect_refused(f, TD_E_TIME_LIMIT);
    update(f, 1000, runs, (struct td_job_change){.set = 1u << 2, .limit_s = 119}); /* what it has */
    film_expect_refused(f, TD_E_OK);
    update(f, 1000, runs, (struct td_job_change){.set = 1u << 2, .limit_s = 1});
    assert_int_equal(w->last_limit, 60);
    update(f, 1000, waits, (struct td_job_change){.set = 1u << 2, .limit_s = 0});
    film_expect_refused(f, TD_E_TIME_LIMIT);
}

static void nice_and_priority(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_submit(f, .cores = 1);
    uint32_t meek = film_submit(f, .cores = 1, .nice = 100), plain = film_submit(f, .cores = 1);
    assert_int_equal(film_job(f, 1)->priority, 4294901760u);
    film_expect_reason(f, plain, "Resources");
    film_expect_reason(f, meek, "Priority");
    assert_int_equal(film_submit(f, .cores = 1, .nice = -1), 0);
    film_expect_refused(f, TD_E_DENIED);
    assert_int_not_equal(film_submit(f, .uid = 77, .cores = 1, .nice = -1), 0);
}

static void the_queue_has_a_bound(void **state)
{
    struct film *f = *state;
    f->settings.max_jobs = 12;
    film_start(f);
    assert_int_not_equal(film_submit(f, .cores = 1, .array = "0-9"), 0);
    assert_int_equal(film_submit(f, .cores = 1, .array = "0-2"), 0);
    film_expect_refused(f, TD_E_TOO_MANY_JOBS);
    assert_int_not_equal(film_submit(f, .cores = 1), 0);
    assert_int_not_equal(film_submit(f, .cores = 1), 0);
    assert_int_equal(film_submit(f, .cores = 1), 0);
    film_expect_refused(f, TD_E_TOO_MANY_JOBS);
}

/* One instance is being started, the next ones wait: the pass for somebody who only asks changes neither. */
static void test_only_leaves_no_trace(void **state)
{
    struct film *f = *state;
    struct td_job_need need = {.cpus_per_task = 1, .ntasks = 2};
    struct td_submit ask = {.spec = {.name = "ask", .needs = {&need, 1}, .limit_s = 60}, .test_only = true};
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t runs = film_submit(f, .cores = 4, .limit_s = 600), waits = film_submit(f, .cores = 4, .limit_s = 600);
    film_expect(f, runs, "RUNNING");
    film_expect_reason(f, waits, "Resources");
    uint64_t before = td_core_digest(f->core);
    uint32_t queued = td_queue_length(f->core->queue), shapes = td_ledger_shapes_kept(f->core->ledger);
    for (int i = 0; i < 3; i++) {
        film_request(f, 1000, TD_MSG_SUBMIT, &ask);
        assert_int_equal(f->reply, TD_MSG_SUBMITTED);
        assert_int_equal(f->job, waits + 1);
    }
    assert_int_equal(td_core_digest(f->core), before);
    assert_int_equal(td_queue_length(f->core->queue), queued);
    assert_true(td_ledger_shapes_kept(f->core->ledger) <= shapes + 1);
    need.ntasks = 5; /* more than the node has */
    film_request(f, 1000, TD_MSG_SUBMIT, &ask);
    film_expect_refused(f, TD_E_NODE_CONFIG);
    film_exit(f, runs, 0);
    film_expect(f, waits, "RUNNING");
    assert_int_equal(film_submit(f, .cores = 1), waits + 1);
}

static void low_space_refuses_new_work(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct td_input in = {.kind = TD_IN_SPACE, .on = true, .request = 64};
    td_vec_push(&f->inbox, in);
    film_run(f);
    assert_int_equal(film_submit(f, .cores = 1), 0);
    film_expect_refused(f, TD_E_NO_SPACE);
    assert_non_null(strstr(f->text, "less than 64 MiB are free (LowSpace of tender.conf)"));
    in.on = false;
    td_vec_push(&f->inbox, in);
    film_run(f);
    assert_int_not_equal(film_submit(f, .cores = 1), 0);
}

static void a_session_that_falls_silent_gives_its_nodes_back(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .session = true), next = film_submit(f, .cores = 1);
    struct td_session_heard heard = {.job = job};
    film_advance(f, 50 * SEC);
    film_request(f, 1000, TD_MSG_SESSION_HEARD, &heard);
    film_expect_refused(f, TD_E_OK);
    film_request(f, 1001, TD_MSG_SESSION_HEARD, &heard);
    film_expect_refused(f, TD_E_DENIED);
    heard.job = next;
    film_request(f, 1000, TD_MSG_SESSION_HEARD, &heard);
    film_expect_refused(f, TD_E_INVALID_JOB);
    film_advance(f, 50 * SEC);
    film_expect(f, job, "RUNNING");
    film_restart(f, true); /* paused: the lease begins anew */
    assert_int_equal(film_job(f, job)->session_state, TD_SESSION_PAUSED);
    film_advance(f, 50 * SEC);
    film_expect(f, job, "RUNNING");
    film_advance(f, 15 * SEC);
    film_expect(f, job, "CANCELLED");
    film_expect_reason(f, job, "InactiveLimit");
    film_expect(f, next, "RUNNING");
    heard.job = job;
    film_request(f, 1000, TD_MSG_SESSION_HEARD, &heard);
    film_expect_refused(f, TD_E_ALREADY_DONE);
}

static void a_session_closes(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .session = true),
             waits = film_submit(f, .cores = 1, .session = true);
    struct td_session_close close = {.job = waits};
    film_request(f, 1000, TD_MSG_SESSION_CLOSE, &close);
    film_expect(f, waits, "CANCELLED");
    close.job = job;
    film_request(f, 1000, TD_MSG_SESSION_CLOSE, &close);
    film_expect(f, job, "COMPLETED");
    film_request(f, 1000, TD_MSG_SESSION_CLOSE, &close);
    film_expect_refused(f, TD_E_ALREADY_DONE);
}

/* The time limit ends the tasks, their srun says goodbye, and only then the node is heard. */
static void a_session_closed_by_its_time_limit_says_so(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 2, 0);
    uint32_t job = film_submit(f, .cores = 1, .session = true);
    struct td_session_close close = {.job = job};
    w->silent = true;
    film_request(f, 1000, TD_MSG_SESSION_CLOSE, &close);
    film_expect(f, job, "COMPLETING");
    w->silent = false;
    struct td_report r = {
        .kind = TD_REPORT_EXITED, .job = job, .attempt = 1, .step = TD_STEP_BATCH};
    film_report(f, w, r, true); /* an end like others changes nothing */
    r.timed_out = true;
    film_report(f, w, r, true);
    film_advance(f, 10 * SEC);
    film_expect(f, job, "TIMEOUT");
    film_expect_reason(f, job, "TimeLimit");
    assert_int_equal(film_events(f, TD_EV_JOB_ENDING), 2);
}

static void rows_show_what_squeue_needs(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 4);
    uint32_t runs = film_submit(f, .cores = 2, .gpus = 3, .limit_s = 600, .name = "a");
    uint32_t waits = film_submit(f, .cores = 1, .gpus = 3, .limit_s = 600, .name = "b");
    struct td_job_info rows[4];
    struct td_job_query q = {.asker_uid = 1000, .detail = true};
    assert_int_equal(film_rows(f, &q, rows, 4), 2);
    assert_int_equal(rows[0].job, runs);
    assert_int_equal(rows[0].cpus, 2);
    assert_int_equal(rows[0].gres.v[0].count, 3);
    assert_string_equal(rows[0].nodelist, "n1");
    assert_int_equal(rows[0].end_ms, rows[0].start_ms + 600 * SEC);
    assert_int_equal(rows[0].placements.n, 1);
    assert_int_equal(rows[1].job, waits);
    assert_true(rows[1].start_is_prediction);
    assert_int_equal(rows[1].start_ms / SEC, rows[0].end_ms / SEC);
    assert_string_equal(rows[1].partition, "main");
    const char *pending = "pd";
    struct td_job_filter filter = {.states = {&pending, 1}};
    q.filter = &filter;
    assert_int_equal(film_rows(f, &q, rows, 4), 1);
    assert_int_equal(rows[0].job, waits);
    film_exit(f, runs, 0);
    q = (struct td_job_query){.asker_uid = 1000};
    assert_int_equal(film_rows(f, &q, rows, 4), 1);
    struct td_job_info row;
    struct td_arena a = {0};
    assert_true(td_core_job_row(f->core, runs, &a, &row));
    assert_string_equal(row.nodelist, "n1");
    assert_false(td_core_job_row(f->core, 999, &a, &row));
    td_arena_release(&a);
}

static void rounds_can_be_looked_at(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_submit(f, .cores = 1);
    film_submit(f, .cores = 1);
    struct td_arena a = {0};
    const struct td_round_info *rows;
    assert_int_equal(td_core_rounds(f->core, 1, &a, &rows), 1);
    assert_int_equal(td_core_rounds(f->core, 0, &a, &rows), 2);
    assert_string_equal(rows[0].closed_by, "all bids");
    assert_int_equal(rows[1].lots.n, 1);
    assert_int_equal(rows[1].bids.n, 1);
    assert_int_equal(rows[1].bids.v[0].won, 1);
    assert_int_equal(rows[1].awarded, 1);
    td_arena_release(&a);
}

static void a_round_is_measured_in_microseconds_where_the_stopwatch_is_told(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    f->watch_us = 5000;
    film_submit(f, .cores = 1); /* all within one millisecond of journal time */
    f->watch_us = 0;
    film_submit(f, .cores = 1);
    struct td_arena a = {0};
    const struct td_round_info *rows;
    assert_int_equal(td_core_rounds(f->core, 0, &a, &rows), 2);
    assert_int_equal(rows[0].took_us, 0);
    assert_int_equal(rows[0].elapsed_us, 250); /* the wake of the offer, then that of the bid */
    assert_int_equal(rows[1].elapsed_us, 0);
    td_arena_release(&a);
}

static void make_token(struct film *f, uint8_t *hash)
{
    struct td_ev_token_made *made = td_arena_alloc(&f->arena, sizeof(*made));
    *made = (struct td_ev_token_made){.token = {td_arena_dup(&f->arena, hash, 32), 32}};
    td_vec_push(&f->inbox, ((struct td_input){.kind = TD_IN_ENROL, .id = TD_EV_TOKEN_MADE, .body = made}));
    film_run(f);
}

static void tokens_are_revoked_and_bounded(void **state)
{
    struct film *f = *state;
    uint8_t hash[32] = {7}, found[32];
    struct td_error err;
    const struct td_token_info *rows;
    struct td_arena a = {0};
    film_start(f);
    make_token(f, hash);
    const char *id = td_core_token_id(hash, &a);
    assert_string_equal(id, "0700000000");
    assert_true(td_core_token_by_id(f->core, id, found, &err));
    assert_memory_equal(found, hash, 32);
    const struct td_ev_token_revoked ev = {.token = {hash, 32}, .id = id, .uid = 77};
    td_vec_push(&f->inbox, ((struct td_input){.kind = TD_IN_ENROL, .id = TD_EV_TOKEN_REVOKED, .body = &ev}));
    film_run(f);
    assert_false(td_core_token_usable(f->core, hash, "n1", f->now, &err));
    assert_non_null(strstr(err.text, "it was revoked"));
    assert_false(td_core_token_by_id(f->core, id, found, &err));
    assert_int_equal(err.code, TD_E_ALREADY_DONE);
    film_restart(f, true);
    assert_false(td_core_token_usable(f->core, hash, "n1", f->now, &err));
    for (uint32_t i = 1; i < TD_MAX_TOKENS; i++) {
        hash[1] = (uint8_t)i;
        hash[2] = (uint8_t)(i >> 8);
        make_token(f, hash);
    }
    assert_false(td_core_tokens_full(f->core, f->now)); /* one of them is over */
    hash[3] = 1;
    make_token(f, hash);
    assert_int_equal(td_core_tokens(f->core, f->now, &a, &rows), TD_MAX_TOKENS); /* it went */
    assert_true(td_core_tokens_full(f->core, f->now));
    assert_false(td_core_token_by_id(f->core, id, found, &err));
    assert_int_equal(err.code, TD_E_BAD_TOKEN);
    film_restart(f, false);
    td_arena_release(&a);
}

static void kinds_of_refusals_are_bounded(void **state)
{
    struct film *f = *state;
    film_start(f);
    uint32_t job = film_submit(f, .uid = 1000, .cores = 1, .hold = true);
    uint64_t seq = td_core_seq(f->core);
    for (uint32_t i = 0; i < TD_MAX_REFUSALS_KEPT; i++)
        film_cancel(f, 2000 + i, job);
    assert_true(td_core_seq(f->core) == seq + TD_MAX_REFUSALS_KEPT); /* the last of them shares its entry */
    for (uint32_t i = 0; i < 3 * TD_MAX_REFUSALS_KEPT; i++)
        film_cancel(f, 5000 + i, job);
    assert_true(td_core_seq(f->core) == seq + TD_MAX_REFUSALS_KEPT);
    assert_int_equal(td_core_counters(f->core)->denied, 4 * TD_MAX_REFUSALS_KEPT);
    film_advance(f, 61 * SEC);
    assert_true(td_core_seq(f->core) == seq + TD_MAX_REFUSALS_KEPT + 1); /* those beyond, together */
    film_advance(f, 61 * SEC);
    film_cancel(f, 2000, job);
    assert_true(td_core_seq(f->core) == seq + TD_MAX_REFUSALS_KEPT + 2);
    film_restart(f, true);
}

static void knock(struct film *f, const char *node, const char *address)
{
    const struct td_ev_access_refused ev = {.request = "ENROL", .node = node, .address = address, .bus = true, .count = 1, .text = "no"};
    td_vec_push(&f->inbox, ((struct td_input){.kind = TD_IN_AUDIT, .id = TD_EV_ACCESS_REFUSED, .body = &ev}));
    film_run(f);
}

static void refused_strangers_are_told_apart(void **state)
{
    struct film *f = *state;
    film_start(f);
    uint64_t seq = td_core_seq(f->core);
    knock(f, "a", "10.0.0.1");
    knock(f, "b", "10.0.0.1");
    knock(f, "a", "10.0.0.2");
    knock(f, "a", "10.0.0.1");
    assert_true(td_core_seq(f->core) == seq + 3); /* the first of each at once */
    for (uint32_t i = 0; i < 2 * TD_MAX_REFUSED_STRANGERS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "x%u", i);
        knock(f, name, "10.0.0.3");
    }
    assert_true(td_core_seq(f->core) == seq + TD_MAX_REFUSED_STRANGERS + 1); /* those beyond are one */
    uint32_t job = film_submit(f, .uid = 1000, .cores = 1, .hold = true);
    seq = td_core_seq(f->core);
    film_cancel(f, 2000, job);
    assert_true(td_core_seq(f->core) == seq + 1); /* and keep no user out */
}

/* A front's key is no node's, nor the other way round, over a snapshot, too. */
static void keys_of_fronts_are_no_workers(void **state)
{
    struct film *f = *state;
    struct td_error err;
    static const char door[] = "dddddddddddddddddddddddddddddddddddddddd", node[] = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
    film_start(f);
    film_worker(f, "n1", 4, 0);
    const struct td_ev_worker_enrolled worker = {.node = "n1", .key = node};
    const struct td_ev_front_enrolled front = {.name = "n1", .key = door, .root = true};
    td_vec_push(&f->inbox, ((struct td_input){.kind = TD_IN_ENROL, .id = TD_EV_WORKER_ENROLLED, .body = &worker}));
    td_vec_push(&f->inbox, ((struct td_input){.kind = TD_IN_ENROL, .id = TD_EV_FRONT_ENROLLED, .body = &front}));
    film_run(f);
    for (int i = 0; i < 2; i++) {
        bool root = false;
        assert_string_equal(td_core_key_front(f->core, door, &root), "n1");
        assert_true(root);
        assert_null(td_core_key_node(f->core, door));
        assert_null(td_core_key_front(f->core, node, &root));
        assert_string_equal(td_core_key_node(f->core, node), "n1");
        assert_true(td_core_key_check(f->core, "n1", door, f->now, &err) < 0);
        film_restart(f, true);
    }
}

static void keys_are_rotated_and_revoked(void **state)
{
    struct film *f = *state;
    struct td_error err;
    static const char old[] = "oooooooooooooooooooooooooooooooooooooooo", new[] = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";
    film_start(f);
    film_worker(f, "n1", 4, 0);
    const struct td_ev_worker_enrolled is = {.node = "n1", .key = old};
    td_vec_push(&f->inbox, ((struct td_input){.kind = TD_IN_ENROL, .id = TD_EV_WORKER_ENROLLED, .body = &is}));
    film_run(f);
    assert_int_equal(td_core_key_check(f->core, "n1", new, f->now, &err), 0);
    assert_true(td_core_key_check(f->core, "n1", "short", f->now, &err) < 0);
    assert_true(td_core_key_check(f->core, "n2", old, f->now, &err) < 0); /* another's */
    const struct td_ev_key_rotated ev = {.node = "n1", .key = new, .old_key = old, .until_ms = f->now + 60 * SEC};
    td_vec_push(&f->inbox, ((struct td_input){.kind = TD_IN_ENROL, .id = TD_EV_KEY_ROTATED, .body = &ev}));
    film_run(f);
    assert_string_equal(td_core_key_node(f->core, old), "n1");
    assert_string_equal(td_core_key_node(f->core, new), "n1");
    film_restart(f, true);
    film_advance(f, 61 * SEC);
    assert_null(td_core_key_node(f->core, old)); /* it has run out */
    assert_string_equal(td_core_key_node(f->core, new), "n1");
    film_restart(f, false);
    const struct td_node_keys m = {.nodes = "n[1-2]", .revoke = true};
    film_request(f, 77, TD_MSG_NODE_KEYS, &m); /* an operator */
    film_expect_refused(f, TD_E_DENIED);
    film_request(f, 0, TD_MSG_NODE_KEYS, &m);
    film_run(f);
    assert_null(td_core_key_node(f->core, new));
    film_restart(f, true);
    assert_null(td_core_key_node(f->core, new));
}

static bool is_of(struct film *f, const char *key, uint32_t want)
{
    uint32_t user = 0;
    return td_core_user_key(f->core, key, &user) && user == want;
}

static bool count_row(void *ctx, const struct td_user_key_info *row TD_UNUSED)
{
    ++*(uint32_t *)ctx;
    return true;
}

static uint32_t seen_by(struct film *f, uint32_t uid)
{
    uint32_t n = 0;
    td_core_user_keys(f->core, uid, count_row, &n);
    return n;
}

static void registers(struct film *f, uint32_t uid, const char *user, const char *key)
{
    const struct td_register_user_key m = {.user = user, .key = key, .note = "of a laptop"};
    film_request(f, uid, TD_MSG_REGISTER_USER_KEY, &m);
}

static void revokes(struct film *f, uint32_t uid, const char *user, const char *key)
{
    const struct td_revoke_user_key m = {.user = user, .key = key};
    film_request(f, uid, TD_MSG_REVOKE_USER_KEY, &m);
}

static void keys_of_users_are_their_own_and_operators(void **state)
{
    struct film *f = *state;
    static const char a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
                      ab[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
    f->settings.operators = (struct td_u32s){(uint32_t[]){77}, 1};
    f->settings.admins = (struct td_u32s){(uint32_t[]){78}, 1};
    film_start(f);
    registers(f, 1000, "", a);
    film_expect_refused(f, TD_E_OK);
    registers(f, 1000, "1000", a); /* twice is once */
    film_expect_refused(f, TD_E_OK);
    registers(f, 1000, "1001", b);
    film_expect_refused(f, TD_E_DENIED);
    registers(f, 1001, "", a);
    film_expect_refused(f, TD_E_INVALID_REQUEST); /* another's */
    registers(f, 77, "1001", b);
    film_expect_refused(f, TD_E_OK);
    registers(f, 77, "1000", ab);
    film_expect_refused(f, TD_E_OK);
    registers(f, 77, "78", "cccccccccccccccccccccccccccccccccccccccc"); /* he would be it */
    film_expect_refused(f, TD_E_DENIED);
    registers(f, 0, "0", "cccccccccccccccccccccccccccccccccccccccc");
    film_expect_refused(f, TD_E_INVALID_USER);
    registers(f, 1000, "", "short");
    film_expect_refused(f, TD_E_INVALID_REQUEST);
    registers(f, 1000, "", "aaaaaaaaaaaaaaa aaaaaaaaaaaaaaaaaaaaaaaa");
    film_expect_refused(f, TD_E_INVALID_REQUEST);
    for (int i = 0; i < 2; i++) {
        assert_true(is_of(f, a, 1000) && is_of(f, ab, 1000) && is_of(f, b, 1001));
        assert_int_equal(seen_by(f, 1000), 2);
        assert_int_equal(seen_by(f, 1001), 1);
        assert_int_equal(seen_by(f, 77), 3);
        film_restart(f, i == 0); /* from a snapshot, then from the journal */
    }
    revokes(f, 1001, "1000", a);
    film_expect_refused(f, TD_E_DENIED);
    revokes(f, 1000, "", "aaaaaaa");
    film_expect_refused(f, TD_E_INVALID_REQUEST); /* two of them */
    revokes(f, 1000, "", "bbbbbbb");
    film_expect_refused(f, TD_E_INVALID_REQUEST); /* not his */
    revokes(f, 1000, "", a);
    film_expect_refused(f, TD_E_OK);
    assert_false(is_of(f, a, 1000));
    assert_true(is_of(f, ab, 1000) && is_of(f, b, 1001));
    revokes(f, 77, "1000", NULL); /* all there are */
    film_expect_refused(f, TD_E_OK);
    film_restart(f, true);
    assert_false(is_of(f, ab, 1000));
    assert_true(is_of(f, b, 1001));
}

static void a_user_has_so_many_keys(void **state)
{
    struct film *f = *state;
    char key[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    film_start(f);
    for (uint32_t i = 0; i < TD_MAX_KEYS_PER_USER; i++) {
        key[39] = (char)('A' + i);
        registers(f, 1000, "", key);
        film_expect_refused(f, TD_E_OK);
    }
    registers(f, 1000, "", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    film_expect_refused(f, TD_E_BUSY);
    registers(f, 1001, "", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    film_expect_refused(f, TD_E_OK);
}

static void refusals_are_told_once_in_a_while(void **state)
{
    struct film *f = *state;
    film_start(f);
    uint32_t job = film_submit(f, .uid = 1000, .cores = 1, .hold = true);
    for (int i = 0; i < 5; i++)
        film_cancel(f, 1001, job);
    assert_int_equal(td_core_counters(f->core)->denied, 5);
    uint64_t seq = td_core_seq(f->core);
    film_cancel(f, 1001, job);
    assert_true(td_core_seq(f->core) == seq); /* counted only */
    film_op(f, 1001, job, TD_OP_RELEASE);
    assert_true(td_core_seq(f->core) == seq + 1); /* another kind */
    film_cancel(f, 1002, job);
    assert_true(td_core_seq(f->core) == seq + 2); /* another user */
    film_advance(f, 61 * SEC);
    assert_true(td_core_seq(f->core) == seq + 3); /* those of 1001 that were only counted */
    film_advance(f, 300 * SEC);
    assert_true(td_core_seq(f->core) == seq + 3);
    film_op(f, 77, job, TD_OP_UHOLD); /* nothing changes, but an operator was there */
    assert_true(td_core_seq(f->core) == seq + 4);
    film_op(f, 1000, job, TD_OP_UHOLD);
    assert_true(td_core_seq(f->core) == seq + 4);
}

static void tokens_and_keys(void **state)
{
    struct film *f = *state;
    uint8_t hash[32] = {7};
    struct td_error err;
    film_start(f);
    struct td_ev_token_made token = {
        .token = {hash, 32}, .names = "n[1-3]", .uses = 1, .expires_ms = f->now + 60 * SEC};
    struct td_input in = {.kind = TD_IN_ENROL, .id = TD_EV_TOKEN_MADE, .body = &token};
    td_vec_push(&f->inbox, in);
    film_run(f);
    assert_true(td_core_token_usable(f->core, hash, "n2", f->now, &err));
    assert_false(td_core_token_usable(f->core, hash, "x1", f->now, &err));
    assert_int_equal(err.code, TD_E_BAD_TOKEN);
    assert_false(td_core_token_usable(f->core, hash, "n2", f->now + 61 * SEC, &err));
    struct td_ev_worker_enrolled ev = {.node = "n2", .key = "KEY", .token = {hash, 32}};
    in = (struct td_input){.kind = TD_IN_ENROL, .id = TD_EV_WORKER_ENROLLED, .body = &ev};
    td_vec_push(&f->inbox, in);
    film_run(f);
    assert_string_equal(td_core_key_node(f->core, "KEY"), "n2");
    assert_null(td_core_key_node(f->core, "OTHER"));
    assert_false(td_core_token_usable(f->core, hash, "n2", f->now, &err)); /* used up */
    film_restart(f, true);
    assert_string_equal(td_core_key_node(f->core, "KEY"), "n2");
    assert_false(td_core_token_usable(f->core, hash, "n2", f->now, &err));
}

static void configuration_is_read_again(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t runs = film_submit(f, .cores = 1), waits = film_submit(f, .cores = 1);
    f->partitions.v[0].state = "DOWN";
    film_configure(f);
    film_expect_reason(f, waits, "PartitionDown");
    assert_true(w->hello_agains > 0);
    film_exit(f, runs, 0);
    film_expect(f, waits, "PENDING");
    f->partitions.v[0].state = "UP";
    film_configure(f);
    film_advance(f, 50);
    film_expect(f, waits, "RUNNING");
    film_restart(f, true);
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(what_is_not_supported_is_refused_by_name),
        FILM(what_can_never_run_is_refused_at_once),
        FILM(who_cannot_run_anywhere_is_told_at_once),
        FILM(configured_nodes_count_before_they_come),
        FILM(partitions_and_their_limits),
        FILM(limits_are_rounded_up),
        FILM(the_tier_goes_before_the_order),
        FILM(several_partitions_and_the_first_award_wins),
        FILM(a_repeated_submission_gets_the_first_answer),
        FILM(private_jobs_are_seen_by_their_owner),
        FILM(rights_over_jobs),
        FILM(cancel_by_filter),
        FILM(requeue_of_what_runs),
        FILM(updates),
        FILM(nice_and_priority),
        FILM(the_queue_has_a_bound),
        FILM(test_only_leaves_no_trace),
        FILM(low_space_refuses_new_work),
        FILM(a_session_that_falls_silent_gives_its_nodes_back),
        FILM(a_session_closes),
        FILM(a_session_closed_by_its_time_limit_says_so),
        FILM(rows_show_what_squeue_needs),
        FILM(rounds_can_be_looked_at),
        FILM(a_round_is_measured_in_microseconds_where_the_stopwatch_is_told),
        FILM(tokens_are_revoked_and_bounded),
        FILM(kinds_of_refusals_are_bounded),
        FILM(refused_strangers_are_told_apart),
        FILM(keys_of_fronts_are_no_workers),
        FILM(keys_are_rotated_and_revoked),
        FILM(keys_of_users_are_their_own_and_operators),
        FILM(a_user_has_so_many_keys),
        FILM(refusals_are_told_once_in_a_while),
        FILM(tokens_and_keys),
        FILM(configuration_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
