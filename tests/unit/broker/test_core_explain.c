/* test_core_explain.c - why jobs are as they are: the facts of tender explain, and the forms of sbatch --quote; each with the
 * right numbers, and nothing changed by asking */
#include "film.h"

static const struct td_explain_info *explain(struct film *f, uint32_t uid, uint32_t job)
{
    struct td_job_sel sel = {.job = job};
    struct td_query_explain q = {.ids = {&sel, 1}};
    uint64_t before = td_core_digest(f->core);
    uint32_t next = f->core->next_job, queued = td_queue_length(f->core->queue), events = f->journal.n;
    film_request(f, uid, TD_MSG_QUERY_EXPLAIN, &q);
    assert_int_equal(f->reply, TD_MSG_EXPLAINED);
    assert_int_equal(td_core_digest(f->core), before);
    assert_int_equal(f->core->next_job, next);
    assert_int_equal(td_queue_length(f->core->queue), queued);
    assert_int_equal(f->journal.n, events);
    return f->explained.rows.n == 1 ? f->explained.rows.v : NULL;
}

static const struct td_explain_class *class_of(const struct td_explain_info *e, const char *nodes)
{
    for (uint32_t i = 0; i < e->classes.n; i++) {
        if (td_str_equal(e->classes.v[i].nodes, nodes))
            return &e->classes.v[i];
    }
    print_error("no class of %s\n", nodes);
    return NULL;
}

static void expect_lack(const struct td_explain_class *k, uint32_t i, const char *what, uint64_t want, uint64_t have, uint64_t total)
{
    assert_non_null(k);
    assert_true(i < k->lacks.n);
    assert_string_equal(k->lacks.v[i].what, what);
    assert_int_equal(k->lacks.v[i].want, want);
    assert_int_equal(k->lacks.v[i].have, have);
    assert_int_equal(k->lacks.v[i].total, total);
}

static void what_nodes_are_short_of(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 4);
    film_worker(f, "n2", 8, 2);
    uint32_t runs = film_submit(f, .cores = 3, .gpus = 3, .limit_s = 600, .nodelist = "n1");
    uint32_t waits = film_submit(f, .cores = 2, .gpus = 3, .limit_s = 300);
    film_expect(f, runs, "RUNNING");
    const struct td_explain_info *e = explain(f, 1000, waits);
    assert_non_null(e);
    assert_int_equal(e->job.job, waits);
    assert_int_equal(e->job.reason, TD_REASON_RESOURCES);
    assert_int_equal(e->classes.n, 2);
    const struct td_explain_class *k = class_of(e, "n1");
    assert_int_equal(k->standing, TD_STANDING_SHORT);
    assert_int_equal(k->count, 1);
    assert_int_equal(k->lacks.n, 2);
    expect_lack(k, 0, "CPUs", 2, 1, 4);
    expect_lack(k, 1, "gpu", 3, 1, 4);
    k = class_of(e, "n2");
    assert_int_equal(k->standing, TD_STANDING_NEVER);
    assert_int_equal(k->lacks.n, 1);
    expect_lack(k, 0, "gpu", 3, 2, 2);
    assert_int_equal(e->ahead, 0);
    assert_int_equal(e->nholders, 1);
    assert_int_equal(e->holders.v[0].job, runs);
    assert_int_equal(e->holders.v[0].cpus, 3);
    assert_int_equal(e->holders.v[0].gres.v[0].count, 3);
    assert_string_equal(e->holders.v[0].nodelist, "n1");
    assert_int_equal(e->holders.v[0].end_ms, film_job(f, runs)->start_ms + 600 * SEC);
    assert_int_equal(e->planned_ms / SEC, e->holders.v[0].end_ms / SEC);
    assert_string_equal(e->planned_nodes, "n1");
    assert_int_equal(e->forecast_ms, e->planned_ms);
    assert_string_equal(e->policy, "easy");
}

static void who_is_before_it_and_why(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_submit(f, .cores = 4, .limit_s = 600);
    uint32_t first = film_submit(f, .cores = 4, .limit_s = 300);
    uint32_t meek = film_submit(f, .cores = 4, .limit_s = 60, .nice = 1000);
    uint32_t last = film_submit(f, .uid = 1001, .cores = 4, .limit_s = 100);
    const struct td_explain_info *e = explain(f, 1000, meek);
    assert_int_equal(e->ahead, 2);
    assert_int_equal(e->before.n, 2);
    assert_int_equal(e->before.v[0].job, first);
    assert_int_equal(e->before.v[0].before, TD_BEFORE_PRIORITY);
    assert_int_equal(e->before.v[1].job, last);
    assert_int_equal(e->before.v[1].before, TD_BEFORE_PRIORITY);
    assert_int_equal(e->before.v[1].start_ms - e->before.v[0].start_ms, 300 * SEC);
    assert_int_equal(e->planned_ms - e->before.v[1].start_ms, 100 * SEC);
    e = explain(f, 1001, last);
    assert_int_equal(e->ahead, 1);
    assert_int_equal(e->before.v[0].job, first);
    assert_int_equal(e->before.v[0].before, TD_BEFORE_SUBMITTED);
    assert_int_equal(explain(f, 1000, first)->ahead, 0);
    for (uint32_t i = 0; i < 2 * TD_MAX_EXPLAIN_NAMED; i++)
        last = film_submit(f, .cores = 4, .limit_s = 60);
    e = explain(f, 1000, last);
    assert_int_equal(e->ahead, 2 * TD_MAX_EXPLAIN_NAMED + 1); /* meek is behind all of them */
    assert_int_equal(e->before.n, TD_MAX_EXPLAIN_NAMED);
    for (uint32_t i = 0; i < e->before.n; i++)
        assert_int_equal(e->before.v[i].job, last - TD_MAX_EXPLAIN_NAMED + i);
}

static void a_higher_tier_goes_before(void **state)
{
    struct film *f = *state;
    film_partition(f, (struct td_partition_conf){.name = "main", .nodes = "ALL", .is_default = true, .state = "UP"});
    film_partition(f, (struct td_partition_conf){.name = "fast", .nodes = "ALL", .state = "UP", .priority_tier = 10});
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_submit(f, .cores = 4, .limit_s = 600);
    uint32_t waits = film_submit(f, .cores = 4, .limit_s = 60);
    uint32_t fast = film_submit(f, .cores = 4, .limit_s = 60, .partition = "fast");
    const struct td_explain_info *e = explain(f, 1000, waits);
    assert_int_equal(e->ahead, 1);
    assert_int_equal(e->before.v[0].job, fast);
    assert_int_equal(e->before.v[0].before, TD_BEFORE_TIER);
    assert_int_equal(explain(f, 1000, fast)->ahead, 0);
}

static void nodes_that_take_no_work(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_worker(f, "n2", 4, 0);
    struct film_worker *w = film_worker(f, "n3", 4, 0);
    film_worker(f, "n4", 2, 0);
    film_update_node(f, "n1", "DRAIN", "bad fan");
    film_update_node(f, "n2", "DOWN", "on fire");
    w->refuses = TD_REFUSAL_UNHEALTHY;
    uint32_t waits = film_submit(f, .cores = 4, .limit_s = 60);
    film_expect(f, waits, "PENDING");
    const struct td_explain_info *e = explain(f, 1000, waits);
    const struct td_explain_class *k = class_of(e, "n1");
    assert_int_equal(k->standing, TD_STANDING_DRAINED);
    assert_string_equal(k->reason, "bad fan");
    k = class_of(e, "n2");
    assert_int_equal(k->standing, TD_STANDING_DOWN);
    assert_string_equal(k->reason, "on fire");
    k = class_of(e, "n3");
    assert_int_equal(k->standing, TD_STANDING_REFUSES);
    assert_int_equal(k->refusal, TD_REFUSAL_UNHEALTHY);
    expect_lack(class_of(e, "n4"), 0, "CPUs", 4, 2, 2);
    assert_int_equal(e->nholders, 0);
    assert_int_equal(e->planned_ms, 0);
    uint32_t named = film_submit(f, .cores = 4, .limit_s = 60, .nodelist = "n1");
    e = explain(f, 1000, named);
    assert_int_equal(e->job.reason, TD_REASON_REQ_NODE_NOT_AVAIL);
    assert_string_equal(e->job.unavailable, "n1");
    k = class_of(e, "n[2-4]");
    assert_int_equal(k->standing, TD_STANDING_NEVER);
    assert_int_equal(k->refusal, TD_REFUSAL_NAME);
    assert_int_equal(k->count, 3);
}

/* Room that is kept for the first in line, and the limit that fits before it: tried, and it is so. */
static void what_would_help_is_so(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t runs = film_submit(f, .cores = 2, .limit_s = 1200);
    uint32_t first = film_submit(f, .cores = 4, .limit_s = 600), waits = film_submit(f, .cores = 2, .limit_s = 3600);
    film_expect(f, waits, "PENDING");
    const struct td_explain_info *e = explain(f, 1000, waits);
    const struct td_explain_class *k = class_of(e, "n1");
    assert_int_equal(k->standing, TD_STANDING_KEPT);
    assert_int_equal(k->kept_job, first);
    assert_int_equal(k->kept_ms / SEC, (film_job(f, runs)->start_ms + 1200 * SEC) / SEC);
    assert_true(e->forms.n > 0);
    const struct td_quote_form *form = &e->forms.v[0];
    assert_string_equal(form->form, "shorter limit");
    assert_string_equal(form->change, "--time=00:20:00");
    assert_int_equal(form->start_ms, f->now);
    struct td_job_sel sel = {.job = waits};
    struct td_update_job update = {.ids = {&sel, 1}, .change = {.set = 1u << TD_KEY_job_change_limit_s, .limit_s = form->limit_s}};
    assert_null(explain(f, 1001, waits)->forms.v); /* another's */
    film_request(f, 1000, TD_MSG_UPDATE_JOB, &update);
    film_expect(f, waits, "RUNNING");
    film_expect(f, first, "PENDING");
}

/* Nothing shorter would start it now: the longest limit with which it starts when the first lets go, before another begins. */
static void the_longest_limit_that_helps(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_worker(f, "n2", 4, 0);
    uint32_t soon = film_submit(f, .cores = 3, .limit_s = 600), late = film_submit(f, .cores = 3, .limit_s = 2400);
    film_submit(f, .nodes = 2, .tasks = 2, .cores = 2, .limit_s = 600);
    uint32_t waits = film_submit(f, .cores = 4, .limit_s = 36000);
    const struct td_explain_info *e = explain(f, 1000, waits);
    assert_int_equal(e->forms.n, 1);
    assert_string_equal(e->forms.v[0].change, "--time=00:30:00");
    assert_int_equal(e->forms.v[0].start_ms / SEC, (film_job(f, soon)->start_ms + 600 * SEC) / SEC);
    assert_true(e->planned_ms > film_job(f, late)->start_ms + 2400 * SEC);
}

static void what_keeps_a_job_out_of_the_queue(void **state)
{
    struct film *f = *state;
    film_partition(f, (struct td_partition_conf){.name = "main", .nodes = "ALL", .is_default = true, .state = "UP", .max_s = 3600});
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t runs = film_submit(f, .cores = 1, .limit_s = 600);
    uint32_t held = film_submit(f, .cores = 1, .hold = true);
    uint32_t later = film_submit(f, .cores = 1, .begin_ms = FILM_T0 + 3600 * SEC);
    uint32_t long_one = film_submit(f, .cores = 1, .limit_s = 7200);
    uint32_t after = film_submit(f, .cores = 1, .dependency = "afterok:1");
    const struct td_explain_info *e = explain(f, 1000, held);
    assert_int_equal(e->job.reason, TD_REASON_HELD_USER);
    assert_int_equal(e->classes.n, 0);
    e = explain(f, 1000, later);
    assert_int_equal(e->job.reason, TD_REASON_BEGIN_TIME);
    assert_int_equal(e->job.spec.begin_ms, FILM_T0 + 3600 * SEC);
    e = explain(f, 1000, long_one);
    assert_int_equal(e->job.reason, TD_REASON_PARTITION_TIME_LIMIT);
    assert_int_equal(e->partitions.v[0].blocked, TD_REASON_PARTITION_TIME_LIMIT);
    assert_int_equal(e->partitions.v[0].max_s, 3600);
    e = explain(f, 1000, after);
    assert_int_equal(e->job.reason, TD_REASON_DEPENDENCY);
    assert_int_equal(e->deps.n, 1);
    assert_int_equal(e->deps.v[0].kind, TD_DEPEND_AFTEROK);
    assert_int_equal(e->deps.v[0].job, runs);
    assert_true(e->deps.v[0].known);
    assert_int_equal(e->deps.v[0].job_state, TD_JOB_RUNNING);
    assert_int_equal(e->deps.v[0].end_ms, film_job(f, runs)->start_ms + 600 * SEC);
    film_exit(f, runs, 3);
    e = explain(f, 1000, after);
    assert_int_equal(e->job.reason, TD_REASON_DEP_NEVER);
    assert_int_equal(e->deps.v[0].state, TD_DEPEND_STATE_NEVER);
    assert_int_equal(e->deps.v[0].exit_code, 3);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-3%1", .limit_s = 60);
    const struct td_explain_info *tasks = explain(f, 1000, array);
    assert_null(tasks);
    assert_int_equal(f->explained.rows.n, 2); /* what waits, and what runs */
    assert_int_equal(f->explained.rows.v[0].job.reason, TD_REASON_ARRAY_TASK_LIMIT);
    assert_int_equal(f->explained.rows.v[0].array_running, 1);
}

static void hidden_and_unknown_jobs_are_alike(void **state)
{
    struct film *f = *state;
    f->settings.private_data = TD_PRIVATE_JOBS;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t runs = film_submit(f, .uid = 1001, .cores = 4, .limit_s = 600);
    uint32_t first = film_submit(f, .uid = 1001, .cores = 4, .limit_s = 600), mine = film_submit(f, .cores = 4, .limit_s = 60);
    assert_null(explain(f, 1000, runs));
    assert_int_equal(f->explained.errors.n, 1);
    struct td_job_error hidden = f->explained.errors.v[0];
    assert_null(explain(f, 1000, 999));
    assert_int_equal(f->explained.errors.v[0].code, hidden.code);
    assert_string_equal(f->explained.errors.v[0].text, hidden.text);
    const struct td_explain_info *e = explain(f, 1000, mine);
    assert_int_equal(e->ahead, 1);
    assert_int_equal(e->before.n, 0);
    assert_int_equal(e->nholders, 1);
    assert_int_equal(e->holders.n, 0);
    assert_true(e->planned_ms > 0);
    e = explain(f, 77, mine); /* an operator */
    assert_int_equal(e->before.v[0].job, first);
    assert_int_equal(e->holders.v[0].job, runs);
}

/* Nodes that are private are counted, and how they stand is told; their names and reasons are not. */
static void private_nodes_have_no_names(void **state)
{
    struct film *f = *state;
    f->settings.private_data = TD_PRIVATE_NODES;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_worker(f, "n2", 4, 0);
    film_update_node(f, "n2", "DRAIN", "secret");
    film_submit(f, .cores = 4, .limit_s = 600);
    uint32_t waits = film_submit(f, .cores = 4, .limit_s = 600);
    const struct td_explain_info *e = explain(f, 1000, waits);
    assert_int_equal(e->classes.n, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(td_str_empty(e->classes.v[i].nodes) && td_str_empty(e->classes.v[i].reason));
        assert_int_equal(e->classes.v[i].count, 1);
    }
    assert_string_equal(class_of(explain(f, 77, waits), "n2")->reason, "secret");
}

static void tasks_of_an_array_and_several_partitions(void **state)
{
    struct film *f = *state;
    film_partition(f, (struct td_partition_conf){.name = "main", .nodes = "ALL", .is_default = true, .state = "UP"});
    film_partition(f, (struct td_partition_conf){.name = "down", .nodes = "ALL", .state = "DOWN"});
    film_partition(f, (struct td_partition_conf){.name = "other", .nodes = "ALL", .state = "UP"});
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t array = film_submit(f, .cores = 4, .array = "0-9", .limit_s = 600, .partition = "main,down,other");
    struct td_span one = {4, 4, 1};
    struct td_job_sel sel = {.job = array, .tasks = {&one, 1}};
    struct td_query_explain q = {.ids = {&sel, 1}};
    film_request(f, 1000, TD_MSG_QUERY_EXPLAIN, &q);
    assert_int_equal(f->explained.rows.n, 1);
    const struct td_explain_info *e = f->explained.rows.v;
    assert_int_equal(e->job.array_job, array);
    assert_int_equal(e->job.array_task, 4);
    assert_int_equal(e->partitions.n, 3);
    assert_int_equal(e->partitions.v[1].blocked, TD_REASON_PARTITION_DOWN);
    assert_int_equal(e->classes.n, 2); /* of main and of other */
    assert_string_equal(e->classes.v[1].partition, "other");
    assert_int_equal(e->holders.v[0].array_task, 0);
    one = (struct td_span){11, 11, 1};
    film_request(f, 1000, TD_MSG_QUERY_EXPLAIN, &q);
    assert_int_equal(f->explained.rows.n, 0);
    assert_int_equal(f->explained.errors.v[0].code, TD_E_INVALID_JOB);
}

/* As many as one answer holds; who names more is told how many are left out. */
static void so_many_in_one_answer(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t array = film_submit(f, .cores = 1, .array = "0-19", .limit_s = 60);
    for (uint32_t i = 0; i < 4; i++) /* each task that ran is a job of its own */
        for (uint32_t job = array; job < array + 21; job++)
            if (film_job(f, job) && film_job(f, job)->state == TD_JOB_RUNNING)
                film_exit(f, job, 0);
    assert_null(explain(f, 1000, array));
    assert_int_equal(f->explained.rows.n, TD_MAX_EXPLAIN_JOBS);
    assert_true(f->explained.left_out > 0);
}

static void jobs_that_run_or_are_over(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    uint32_t job = film_submit(f, .cores = 1, .limit_s = 600);
    const struct td_explain_info *e = explain(f, 1000, job);
    assert_int_equal(e->job.state, TD_JOB_RUNNING);
    assert_string_equal(e->job.nodelist, "n1");
    assert_int_equal(e->job.end_ms, e->job.start_ms + 600 * SEC);
    assert_int_equal(e->foretold_s, 0);
    film_advance(f, 100 * SEC);
    film_exit(f, job, 0);
    uint32_t again = film_submit(f, .cores = 1, .limit_s = 600);
    e = explain(f, 1000, again);
    assert_true(e->foretold_s > 60 && e->foretold_s < 600);
    film_cancel(f, 1000, again);
    e = explain(f, 1000, again);
    assert_int_equal(e->job.state, TD_JOB_DONE);
    assert_int_equal(e->job.outcome, TD_OUTCOME_CANCELLED);
    assert_int_equal(e->job.cancel_uid, 1000);
}

/* --- sbatch --quote ------------------------------------------------------------------------------------------------------ */

static const struct td_quote_form *form_of(struct film *f, const char *form, const char *change)
{
    for (uint32_t i = 0; i < f->submitted.forms.n; i++) {
        const struct td_quote_form *q = &f->submitted.forms.v[i];
        if (td_str_equal(q->form, form) && (!change || td_str_equal(q->change, change)))
            return q;
    }
    print_error("no form %s %s among %u\n", form, change ? change : "", f->submitted.forms.n);
    return NULL;
}

static void quote(struct film *f, struct td_job_need *need, uint32_t limit_s)
{
    struct td_submit ask = {.spec = {.name = "ask", .needs = {need, 1}, .limit_s = limit_s}, .test_only = true, .quote = true};
    uint64_t before = td_core_digest(f->core);
    uint32_t next = f->core->next_job, queued = td_queue_length(f->core->queue), events = f->journal.n;
    film_request(f, 1000, TD_MSG_SUBMIT, &ask);
    assert_int_equal(f->reply, TD_MSG_SUBMITTED);
    assert_int_equal(td_core_digest(f->core), before);
    assert_int_equal(f->core->next_job, next);
    assert_int_equal(td_queue_length(f->core->queue), queued);
    assert_int_equal(f->journal.n, events);
    assert_true(f->submitted.forms.n >= 1 && f->submitted.forms.n <= TD_MAX_QUOTE_FORMS);
}

static void forms_of_a_request(void **state)
{
    struct film *f = *state;
    film_partition(f, (struct td_partition_conf){.name = "main", .nodes = "n1", .is_default = true, .state = "UP"});
    film_partition(f, (struct td_partition_conf){.name = "other", .nodes = "n2", .state = "UP"});
    film_partition(f, (struct td_partition_conf){.name = "short", .nodes = "n1", .state = "UP", .max_s = 60});
    film_partition(f, (struct td_partition_conf){.name = "root", .nodes = "n1", .state = "UP", .root_only = true});
    f->settings.elastic = false;
    film_node(f, (struct td_node_conf){.names = "n1", .cpus = 4, .gres = "gpu:4"});
    film_node(f, (struct td_node_conf){.names = "n2", .cpus = 4, .gres = "gpu:4"});
    film_start(f);
    film_worker(f, "n1", 4, 4);
    film_worker(f, "n2", 4, 4);
    uint32_t runs = film_submit(f, .cores = 1, .gpus = 2, .limit_s = 1200);
    film_expect(f, runs, "RUNNING");
    int64_t free_ms = film_job(f, runs)->start_ms + 1200 * SEC;
    struct td_gres_need gpu = {.name = "gpu", .count = 4};
    struct td_job_need need = {.ntasks = 1, .gres = {&gpu, 1}};
    quote(f, &need, 3600);
    const struct td_quote_form *q = &f->submitted.forms.v[0];
    assert_string_equal(q->form, "as asked");
    assert_int_equal(q->start_ms / SEC, free_ms / SEC);
    assert_string_equal(q->nodes, "n1");
    assert_int_equal(f->submitted.start_ms, q->start_ms);
    q = form_of(f, "fewer devices", "--gres=gpu:2");
    assert_non_null(q);
    assert_int_equal(q->start_ms, f->now);
    q = form_of(f, "shorter limit", "--time=00:30:00");
    assert_non_null(q);
    assert_int_equal(q->start_ms / SEC, free_ms / SEC);
    q = form_of(f, "other partition", "--partition=other");
    assert_non_null(q);
    assert_int_equal(q->start_ms, f->now);
    assert_string_equal(q->nodes, "n2");
    q = form_of(f, "other partition", "--partition=short");
    assert_non_null(q);
    assert_int_equal(q->code, TD_E_TIME_LIMIT);
    assert_non_null(strstr(q->text, "01:00:00 is over the MaxTime 00:01:00 of partition short"));
    q = form_of(f, "other partition", "--partition=root");
    assert_non_null(q);
    assert_int_equal(q->code, TD_E_DENIED);
    gpu.count = 5; /* the request as it is must pass by itself */
    struct td_submit ask = {.spec = {.name = "ask", .needs = {&need, 1}, .limit_s = 60}, .test_only = true, .quote = true};
    film_request(f, 1000, TD_MSG_SUBMIT, &ask);
    film_expect_refused(f, TD_E_NODE_CONFIG);
}

static void tasks_on_more_nodes(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_worker(f, "n2", 4, 0);
    uint32_t runs = film_submit(f, .nodes = 2, .tasks = 2, .cores = 2, .limit_s = 1200);
    film_expect(f, runs, "RUNNING");
    struct td_job_need need = {.nodes_min = 1, .nodes_max = 1, .ntasks = 4, .cpus_per_task = 1};
    quote(f, &need, 600);
    assert_true(f->submitted.forms.v[0].start_ms > f->now);
    const struct td_quote_form *q = form_of(f, "more nodes", "--nodes=2 --ntasks=4");
    assert_non_null(q);
    assert_int_equal(q->start_ms, f->now);
    assert_string_equal(q->nodes, "n[1-2]");
    assert_int_equal(q->by_ms, 0); /* easy promises nothing */
}

static void a_policy_that_promises_says_by_when(void **state)
{
    struct film *f = *state;
    f->settings.backfill = "tender";
    film_start(f);
    film_worker(f, "n1", 4, 0);
    film_submit(f, .cores = 4, .limit_s = 1200);
    uint32_t first = film_submit(f, .cores = 4, .limit_s = 600);
    struct td_job_need need = {.ntasks = 4};
    quote(f, &need, 600);
    const struct td_quote_form *q = &f->submitted.forms.v[0];
    assert_true(q->start_ms > f->now && q->by_ms >= q->start_ms);
    const struct td_explain_info *e = explain(f, 1000, first);
    assert_string_equal(e->policy, "tender");
    assert_int_equal(e->by_ms, film_job(f, first)->by_ms);
    assert_true(e->by_ms > f->now);
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(what_nodes_are_short_of),
        FILM(who_is_before_it_and_why),
        FILM(a_higher_tier_goes_before),
        FILM(nodes_that_take_no_work),
        FILM(what_would_help_is_so),
        FILM(the_longest_limit_that_helps),
        FILM(what_keeps_a_job_out_of_the_queue),
        FILM(hidden_and_unknown_jobs_are_alike),
        FILM(private_nodes_have_no_names),
        FILM(tasks_of_an_array_and_several_partitions),
        FILM(so_many_in_one_answer),
        FILM(jobs_that_run_or_are_over),
        FILM(forms_of_a_request),
        FILM(tasks_on_more_nodes),
        FILM(a_policy_that_promises_says_by_when),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
