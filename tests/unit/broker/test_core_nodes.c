/* test_core_nodes.c - films of workers that join, fall silent, come back, and of who may be them */
#include "film.h"

static void a_silent_node_is_suspect_then_lost_and_its_job_runs_again(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1),
             keeps = film_submit(f, .cores = 1, .no_requeue = true);
    w->silent = true;
    film_advance(f, 15 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_SUSPECT);
    film_expect(f, job, "RUNNING");
    film_advance(f, 60 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_LOST);
    film_expect(f, job, "PENDING");
    assert_int_equal(film_events(f, TD_EV_JOB_REQUEUED), 1);

    w->silent =
        false; /* the ghost comes back: its old attempt must not live, the new one may start */
    struct td_heartbeat h = {.incarnation = w->incarnation, .epoch = f->epoch};
    film_say(f, w, TD_MSG_HEARTBEAT, &h);
    film_advance(f, 100);
    assert_int_equal(w->hello_agains, 1);
    film_expect(f, job, "RUNNING");
    assert_int_equal(film_job(f, job)->attempt, 2);
    assert_int_equal(film_job(f, job)->restarts, 1);
    struct td_report late = {
        .no = 90, .kind = TD_REPORT_EXITED, .job = job, .attempt = 1, .step = TD_STEP_BATCH};
    film_report(f, w, late, false);
    film_run(f);
    film_expect(f, job, "RUNNING"); /* a late report of the old attempt means nothing */
    film_exit(f, job, 0);
    film_expect(f, keeps, "RUNNING");
    w->silent = true;
    film_advance(f, 80 * SEC);
    film_expect(f, keeps, "NODE_FAIL");
}

static void a_node_that_is_heard_again_is_up(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1);
    w->silent = true;
    film_advance(f, 20 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_SUSPECT);
    w->silent = false;
    film_advance(f, 5 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_UP);
    film_expect(f, job, "RUNNING");
    assert_int_equal(film_job(f, job)->attempt, 1);
}

static void another_boot_id_means_all_its_attempts_are_dead(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 2, 0);
    uint32_t again = film_submit(f, .cores = 1),
             once = film_submit(f, .cores = 1, .no_requeue = true);
    w->on = false;
    film_advance(f, 12 * SEC); /* beyond the lease: the name may be taken again */
    film_worker_again(f, w, true, true);
    film_expect(f, again, "RUNNING");
    assert_int_equal(film_job(f, again)->attempt, 2);
    film_expect(f, once, "NODE_FAIL");
}

static void an_end_in_the_spool_outlives_the_boot(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 3, 0);
    uint32_t ran = film_submit(f, .cores = 1), good = film_submit(f, .cores = 1),
             bad = film_submit(f, .cores = 1);
    for (uint32_t i = 0; i < w->held.n; i++)
        w->held.v[i].exited = w->held.v[i].job != ran;
    w->on = false;
    film_advance(f, 12 * SEC);
    film_worker_again(f, w, true, true);
    assert_int_equal(film_job(f, ran)->attempt, 2);
    film_expect(f, good, "RUNNING"); /* its report is on the way */
    assert_int_equal(film_job(f, good)->attempt, 1);
    film_exit(f, good, 0);
    film_exit(f, bad, 3);
    film_expect(f, good, "COMPLETED");
    film_expect(f, bad, "FAILED");
    assert_int_equal(film_job(f, bad)->attempt, 1);
}

static void the_same_boot_keeps_its_attempts(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 2, 0);
    uint32_t job = film_submit(f, .cores = 1);
    film_worker_again(f, w, false,
                      false); /* a new process that knows its incarnation: within the lease */
    film_expect(f, job, "RUNNING");
    assert_int_equal(film_job(f, job)->attempt, 1);
    assert_int_equal(w->refused_code, 0);
    film_worker_again(f, w, false, true); /* one that only knows what runs */
    assert_int_equal(w->refused_code, 0);
    film_expect(f, job, "RUNNING");
    w->held.n = 0; /* and one that has forgotten that too */
    film_worker_again(f, w, false, false);
    assert_int_equal(film_job(f, job)->attempt, 2);
}

static void a_second_live_claimant_is_refused(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    struct film_worker *other = &f->workers[f->nworkers++];
    *other = (struct film_worker){.cpus = 2, .on = true, .version = 1};
    snprintf(other->name, sizeof(other->name), "n1");
    snprintf(other->boot, sizeof(other->boot), "b9");
    snprintf(other->instance, sizeof(other->instance), "i8");
    film_worker_again(f, other, false, true);
    assert_int_equal(other->refused_code, TD_E_NODE_CLAIMED);
    assert_int_equal(film_node_of(f, "n1")->incarnation, 1);
    f->workers[0].on = false;
    film_advance(f, 12 * SEC); /* lease out: it may take over */
    other->refused_code = 0;
    film_worker_again(f, other, false, true);
    assert_int_equal(other->refused_code, 0);
    assert_int_equal(film_node_of(f, "n1")->incarnation, 2);
}

/* Worker and shepherd were killed: the next ones know that their folder is free, and need not wait for a lease. */
static void the_next_worker_of_a_folder_is_admitted_at_once(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 2, 0);
    snprintf(w->instance, sizeof(w->instance), "home/1");
    film_advance(f, 12 * SEC);
    film_worker_again(f, w, false, false);
    uint32_t job = film_submit(f, .cores = 1);
    film_expect(f, job, "RUNNING");
    film_worker_again(f, w, true, false); /* its jobs died with the shepherd: another boot id */
    assert_int_equal(w->refused_code, 0);
    assert_int_equal(film_job(f, job)->attempt, 2);
    snprintf(w->instance, sizeof(w->instance), "copy/1");
    film_worker_again(f, w, true, false); /* another folder with the same key and number */
    assert_int_equal(w->refused_code, TD_E_NODE_CLAIMED);
    w->refused_code = 0;
    snprintf(w->instance, sizeof(w->instance), "home/5");
    w->incarnation--;
    film_worker_again(f, w, true, false); /* late, of a process before the last */
    assert_int_equal(w->refused_code, TD_E_NODE_CLAIMED);
}

static void hello_twice_is_one_registration(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1);
    film_worker_again(f, w, false, false);
    uint32_t registered = film_events(f, TD_EV_NODE_REGISTERED);
    w->instance[strlen(w->instance) - 1]--; /* the very same process */
    film_worker_again(f, w, false, false);
    assert_int_equal(film_events(f, TD_EV_NODE_REGISTERED), registered);
    film_expect(f, job, "RUNNING");
}

static void strangers_may_join_only_where_allowed(void **state)
{
    struct film *f = *state;
    f->settings.elastic = false;
    film_node(f, (struct td_node_conf){.names = "n[1-2]", .cpus = 4});
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 4, 0);
    assert_int_equal(w->refused_code, 0);
    struct film_worker *x = film_worker(f, "x1", 4, 0);
    assert_int_equal(x->refused_code, TD_E_INVALID_NODE);
    assert_null(film_node_of(f, "x1"));
}

static void drain_lets_jobs_end_and_takes_no_new(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    uint32_t runs = film_submit(f, .cores = 1);
    film_update_node(f, "n1", "DRAIN", NULL);
    film_expect_refused(f, TD_E_INVALID_REQUEST); /* why? */
    film_update_node(f, "n9", "DRAIN", "fan");
    film_expect_refused(f, TD_E_INVALID_NODE);
    film_update_node(f, "n1", "SLEEP", "fan");
    film_expect_refused(f, TD_E_INVALID_STATE);
    film_update_node(f, "n1", "DRAIN", "fan");
    film_expect_refused(f, TD_E_OK);
    uint32_t waits = film_submit(f, .cores = 1);
    film_expect(f, runs, "RUNNING");
    film_expect(f, waits, "PENDING");
    assert_string_equal(film_node_of(f, "n1")->reason, "fan");
    film_update_node(f, "n1", "RESUME", NULL);
    film_expect(f, waits, "RUNNING");
    assert_null(film_node_of(f, "n1")->reason);
}

static void down_ends_its_jobs(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 2, 0);
    uint32_t again = film_submit(f, .cores = 1),
             once = film_submit(f, .cores = 1, .no_requeue = true);
    film_update_node(f, "n1", "DOWN", "smoke");
    assert_int_equal(w->held.n, 0); /* it was told */
    film_expect(f, again, "PENDING");
    film_expect(f, once, "NODE_FAIL");
    struct td_update_node m = {.nodes = "n1", .state = "RESUME"};
    film_request(f, 1000, TD_MSG_UPDATE_NODE, &m);
    film_expect_refused(f, TD_E_DENIED);
    film_request(f, 77, TD_MSG_UPDATE_NODE, &m);
    film_expect_refused(f, TD_E_OK);
    film_expect(f, again, "RUNNING");
}

static void a_worker_drains_and_leaves(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 2, 0);
    uint32_t runs = film_submit(f, .cores = 1);
    struct td_drain d = {.incarnation = w->incarnation, .draining = true, .reason = "upgrade"};
    film_say(f, w, TD_MSG_DRAIN, &d);
    film_run(f);
    uint32_t waits = film_submit(f, .cores = 1);
    film_expect(f, waits, "PENDING");
    film_exit(f, runs, 0);
    film_expect(f, runs, "COMPLETED");
    struct td_bye b = {.incarnation = w->incarnation};
    film_say(f, w, TD_MSG_BYE, &b);
    film_run(f);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_LEFT);
    film_worker_again(f, w, false, false);
    film_expect(f, waits, "RUNNING");
}

static void nobody_is_expected_before_he_echoes(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    w->silent = true;
    uint32_t job = film_submit(f, .cores = 1); /* its bid is lost: the round ends by its deadline */
    film_advance(f, 300);
    film_expect(f, job, "PENDING");
    assert_int_equal(f->core->counters.rounds_deadline, 1);
    assert_false(film_node_of(f, "n1")->probed);
    uint64_t rounds = f->core->counters.rounds;
    film_advance(f, 3 * SEC);
    assert_int_equal(f->core->counters.rounds, rounds); /* and no round is wasted on it */
    w->silent = false;
    film_advance(f, 6 * SEC);
    film_expect(f, job, "RUNNING");
}

static void a_refusal_is_remembered_until_the_node_changes(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 2, 0);
    w->refuses = TD_REFUSAL_LAYOUT;
    uint32_t job = film_submit(f, .cores = 1);
    uint32_t offers = w->offers;
    film_advance(f, 60 * SEC);
    film_expect(f, job, "PENDING");
    assert_int_equal(w->offers, offers); /* no hot loop */
    w->refuses = 0;
    struct td_report_batch changed = {.incarnation = w->incarnation, .node_version = ++w->version};
    film_say(f, w, TD_MSG_REPORT, &changed);
    film_advance(f, 10);
    uint32_t other = film_submit(f, .cores = 1);
    film_expect(f, other, "RUNNING");
    film_expect(f, job, "RUNNING");
}

static void a_node_that_is_unwell_for_a_moment_is_asked_again(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 2, 0);
    w->refuses = TD_REFUSAL_UNHEALTHY; /* its shepherd is away; it will not tell when it is back */
    uint32_t job = film_submit(f, .cores = 1);
    film_advance(f, 60 * SEC);
    film_expect(f, job, "PENDING");
    assert_in_range(w->offers, 2, 40); /* with a growing pause */
    w->refuses = 0;
    film_advance(f, 6 * SEC);
    film_expect(f, job, "RUNNING");
}

static void after_a_restart_leases_are_fresh(void **state)
{
    struct film *f = *state;
    film_start(f);
    struct film_worker *w = film_worker(f, "n1", 1, 0);
    uint32_t job = film_submit(f, .cores = 1), next = film_submit(f, .cores = 1);
    w->silent = true;
    f->now += 3600 * SEC; /* the broker was away for an hour */
    film_restart(f, true);
    film_advance(f, 50 * SEC);
    assert_int_equal(film_node_of(f, "n1")->state, TD_NODE_UP);
    film_expect(f, job, "RUNNING");
    w->silent = false;
    film_advance(f, 5 * SEC); /* its heartbeat is told to say HELLO, which keeps the attempt */
    film_expect(f, job, "RUNNING");
    film_exit(f, job, 0);
    film_expect(f, next, "RUNNING");
}

static void awards_survive_a_restart(void **state)
{
    for (int snapshot = 0; snapshot < 2; snapshot++) {
        struct film *f = *state;
        if (snapshot == 0)
            film_start(f);
        struct film_worker *w = snapshot ? &f->workers[0] : film_worker(f, "n1", 1, 0);
        w->lazy = true;
        uint32_t job = film_submit(f, .cores = 1);
        film_expect(f, job, "CONFIGURING");
        w->held.n = 0; /* it never got the award */
        film_restart(f, snapshot);
        w->lazy = false;
        film_advance(f, 5 * SEC);
        film_expect(f, job, "RUNNING");
        assert_int_equal(film_job(f, job)->attempt, 1); /* the same attempt: it was never started */
        film_exit(f, job, 0);
        film_expect(f, job, "COMPLETED");
    }
}

static void delete_node(struct film *f, uint32_t uid, const char *nodes)
{
    const struct td_delete_node m = {.nodes = nodes};
    film_request(f, uid, TD_MSG_DELETE_NODE, &m);
}

static bool count_node(void *ctx, const struct td_node_info *row)
{
    *(uint32_t *)ctx += td_str_equal(row->name, "n2");
    return true;
}

static uint32_t shown(struct film *f)
{
    struct td_arena a = {0};
    uint32_t n = 0, total;
    const struct td_partition_info *rows;
    td_core_nodes(f->core, NULL, &a, count_node, &n);
    total = td_core_partitions(f->core, &a, &rows);
    for (uint32_t i = 0; i < total; i++)
        assert_int_equal(strstr(rows[i].nodes, "2") != NULL, n > 0);
    td_arena_release(&a);
    return n;
}

static void a_node_that_joined_is_deleted_when_nothing_runs_there(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_worker(f, "n2", 4, 0);
    const struct td_ev_worker_enrolled is = {.node = "n2", .key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"};
    td_vec_push(&f->inbox, ((struct td_input){.kind = TD_IN_ENROL, .id = TD_EV_WORKER_ENROLLED, .body = &is}));
    film_run(f);
    uint32_t job = film_submit(f, .nodes = 2, .tasks = 2, .cores = 4);
    film_expect(f, job, "RUNNING");
    delete_node(f, 0, "n2");
    film_expect_refused(f, TD_E_INVALID_STATE); /* it has a job */
    delete_node(f, 77, "n2");
    film_expect_refused(f, TD_E_DENIED); /* an operator is no administrator */
    film_exit(f, job, 0);
    delete_node(f, 0, "n[2-3]");
    film_expect_refused(f, TD_E_INVALID_NODE); /* n3 was never there: none is */
    assert_int_equal(shown(f), 1);
    delete_node(f, 0, "n2,n2");
    assert_int_equal(film_events(f, TD_EV_NODE_DELETED), 1);
    assert_int_equal(shown(f), 0);
    assert_null(td_core_key_node(f->core, is.key));
    delete_node(f, 0, "n2");
    film_expect_refused(f, TD_E_INVALID_NODE);
    assert_false(f->workers[1].on); /* its worker was told */
    film_restart(f, true);
    assert_int_equal(shown(f), 0);
    film_worker_again(f, &f->workers[1], false, false);
    assert_int_equal(shown(f), 1); /* whoever lets it in again */
    job = film_submit(f, .nodes = 2, .tasks = 2, .cores = 4);
    film_expect(f, job, "RUNNING");
    film_restart(f, false);
    film_expect(f, job, "RUNNING");
}

static void a_configured_node_is_deleted_where_it_is_configured(void **state)
{
    struct film *f = *state;
    film_node(f, (struct td_node_conf){.names = "n[1-2]", .cpus = 4});
    film_start(f);
    film_worker(f, "n1", 4, 0);
    delete_node(f, 0, "n1");
    film_expect_refused(f, TD_E_INVALID_STATE);
    assert_non_null(strstr(f->text, "is in slurm.conf"));
    f->node_confs.v[0].names = "n2";
    film_configure(f);
    delete_node(f, 0, "n1");
    film_expect_refused(f, 0);
    assert_int_equal(film_events(f, TD_EV_NODE_DELETED), 1);
}

static void a_node_joins_a_full_queue_and_work_flows(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t a = film_submit(f, .cores = 1), b = film_submit(f, .cores = 1);
    film_expect(f, a, "RUNNING");
    film_expect(f, b, "PENDING");
    film_worker(f, "n2", 1, 0);
    film_expect(f, b, "RUNNING");
}

static void shards_keep_offers_apart(void **state)
{
    struct film *f = *state;
    f->settings.shard_nodes = 1;
    film_partition(f, (struct td_partition_conf){.name = "gpu", .nodes = "g1"});
    film_partition(
        f, (struct td_partition_conf){.name = "main", .nodes = "n[1-2]", .is_default = true});
    f->settings.elastic = false;
    film_node(f, (struct td_node_conf){.names = "g1,n[1-2]", .cpus = 1});
    film_start(f);
    film_worker(f, "g1", 1, 0);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    uint32_t job = film_submit(f, .cores = 1, .partition = "gpu");
    film_expect(f, job, "RUNNING");
    assert_string_equal(film_job(f, job)->alloc->nodelist, "g1");
    uint32_t a = film_submit(f, .cores = 1), b = film_submit(f, .cores = 1),
             c = film_submit(f, .cores = 1);
    film_expect(f, a, "RUNNING");
    film_expect(f, b, "RUNNING");
    film_expect(f, c, "PENDING");
}

/* Four CPUs, 16000 MiB and two GPUs are promised; film machines have 16000 MiB. */
static struct film *promised(void **state, const char *gres, uint64_t memory_mb)
{
    struct film *f = *state;
    f->settings.elastic = false;
    film_node(f, (struct td_node_conf){
                     .names = "n1", .cpus = 4, .memory_mb = memory_mb, .gres = gres});
    film_start(f);
    return f;
}

static void a_node_with_less_than_its_line_says_is_drained(void **state)
{
    struct film *f = promised(state, "gpu:t4:2", 16001);
    film_worker(f, "n1", 3, 1);
    struct core_node *n = film_node_of(f, "n1");
    assert_int_equal(n->state, TD_NODE_UP);
    assert_true(n->drain);
    assert_string_equal(
        n->reason,
        "Low socket*core*thread count, Low RealMemory (reported:16000 < 100.00% of "
        "configured:16001), gres/gpu count reported lower than configured (1 < 2)");
    uint32_t job = film_submit(f, .cores = 1);
    film_advance(f, 60 * SEC);
    film_expect(f, job, "PENDING");
    film_submit(f, .cores = 4); /* what only the line could hold cannot be had */
    film_expect_refused(f, TD_E_NODE_CONFIG);
}

static void a_node_with_less_temporary_disk_is_drained(void **state)
{
    struct film *f = *state;
    f->settings.elastic = false;
    film_node(f, (struct td_node_conf){.names = "n1", .cpus = 4, .tmp_mb = 1001});
    film_node(f, (struct td_node_conf){.names = "n2", .cpus = 4, .tmp_mb = 1000});
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_worker(f, "n2", 4, 0);
    assert_true(film_node_of(f, "n1")->drain);
    assert_string_equal(film_node_of(f, "n1")->reason,
                        "Low TmpDisk (reported:1000 < 100.00% of configured:1001)");
    assert_false(film_node_of(f, "n2")->drain);
    struct td_job_need need = {.tmp_mb = 1000};
    struct td_submit s = {.spec = {.name = "tmp", .needs = {&need, 1}}};
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
    film_expect_refused(f, TD_E_OK);
    need.tmp_mb = 1001; /* the line is not what there is */
    film_request(f, 1000, TD_MSG_SUBMIT, &s);
    film_expect_refused(f, TD_E_NODE_CONFIG);
}

static void a_node_with_what_its_line_says_is_not(void **state)
{
    struct film *f = promised(state, "gpu:t4:2", 16000);
    film_worker(f, "n1", 4, 2);
    assert_false(film_node_of(f, "n1")->drain);
    assert_null(film_node_of(f, "n1")->reason);
    uint32_t job = film_submit(f, .cores = 4);
    film_expect(f, job, "RUNNING");
}

static void models_count_where_the_kind_is_complete(void **state)
{
    struct film *f = promised(state, "gpu:a100:1,gpu:t4:1(S:0-1)", 0);
    film_worker(f, "n1", 4, 2);
    assert_string_equal(film_node_of(f, "n1")->reason,
                        "gres/gpu:a100 count reported lower than configured (0 < 1)");
}

static void what_a_person_resumed_stays_resumed(void **state)
{
    struct film *f = promised(state, NULL, 17000);
    struct film_worker *w = film_worker(f, "n1", 4, 0);
    uint32_t job = film_submit(f, .cores = 1);
    film_expect(f, job, "PENDING");
    film_update_node(f, "n1", "RESUME", NULL);
    film_expect(f, job, "RUNNING");
    film_worker_again(f, w, false, false); /* registers as it was */
    assert_false(film_node_of(f, "n1")->drain);
    film_restart(f, true);
    film_advance(f, 10 * SEC);
    assert_false(film_node_of(f, "n1")->drain);
    w->cpus = 3; /* and with less: news */
    film_exit(f, job, 0);
    film_worker_again(f, w, false, false);
    assert_true(film_node_of(f, "n1")->drain);
}

static void a_node_that_registers_with_all_of_it_comes_back(void **state)
{
    struct film *f = promised(state, "gpu:2", 0);
    struct film_worker *w = film_worker(f, "n1", 2, 2);
    uint32_t job = film_submit(f, .cores = 1);
    film_expect(f, job, "PENDING");
    w->cpus = 4;
    film_worker_again(f, w, false, false);
    film_expect(f, job, "RUNNING");
    assert_null(film_node_of(f, "n1")->reason);
}

/* What a person said of the node is not overwritten, and not taken back with our own mark. */
static void a_persons_drain_stays_his(void **state)
{
    struct film *f = promised(state, NULL, 0);
    struct film_worker *w = film_worker(f, "n1", 2, 0);
    film_update_node(f, "n1", "DRAIN", "fan");
    w->cpus = 1;
    film_worker_again(f, w, false, false);
    assert_string_equal(film_node_of(f, "n1")->reason, "fan");
    w->cpus = 4;
    film_worker_again(f, w, false, false);
    assert_true(film_node_of(f, "n1")->drain);
    assert_string_equal(film_node_of(f, "n1")->reason, "fan");
}

static void a_line_read_again_may_promise_more(void **state)
{
    struct film *f = promised(state, NULL, 8000);
    film_worker(f, "n1", 4, 0);
    assert_false(film_node_of(f, "n1")->drain);
    f->node_confs.v[0].memory_mb = 32000;
    film_configure(f);
    assert_true(film_node_of(f, "n1")->drain);
    f->node_confs.v[0].memory_mb = 16000;
    film_configure(f);
    assert_false(film_node_of(f, "n1")->drain);
    assert_null(film_node_of(f, "n1")->reason);
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(a_silent_node_is_suspect_then_lost_and_its_job_runs_again),
        FILM(a_node_that_is_heard_again_is_up),
        FILM(another_boot_id_means_all_its_attempts_are_dead),
        FILM(an_end_in_the_spool_outlives_the_boot),
        FILM(the_same_boot_keeps_its_attempts),
        FILM(a_second_live_claimant_is_refused),
        FILM(the_next_worker_of_a_folder_is_admitted_at_once),
        FILM(hello_twice_is_one_registration),
        FILM(strangers_may_join_only_where_allowed),
        FILM(drain_lets_jobs_end_and_takes_no_new),
        FILM(down_ends_its_jobs),
        FILM(a_worker_drains_and_leaves),
        FILM(nobody_is_expected_before_he_echoes),
        FILM(a_refusal_is_remembered_until_the_node_changes),
        FILM(a_node_that_is_unwell_for_a_moment_is_asked_again),
        FILM(after_a_restart_leases_are_fresh),
        FILM(awards_survive_a_restart),
        FILM(a_node_that_joined_is_deleted_when_nothing_runs_there),
        FILM(a_configured_node_is_deleted_where_it_is_configured),
        FILM(a_node_joins_a_full_queue_and_work_flows),
        FILM(shards_keep_offers_apart),
        FILM(a_node_with_less_than_its_line_says_is_drained),
        FILM(a_node_with_less_temporary_disk_is_drained),
        FILM(a_node_with_what_its_line_says_is_not),
        FILM(models_count_where_the_kind_is_complete),
        FILM(what_a_person_resumed_stays_resumed),
        FILM(a_node_that_registers_with_all_of_it_comes_back),
        FILM(a_persons_drain_stays_his),
        FILM(a_line_read_again_may_promise_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
