/* test_explain.c - facts about jobs in sentences: each kind of waiting, running and ending has its own */
#include "client_test.h"
#include "render/explain.h"

#define NOW_MS INT64_C(1795387315000)

static struct td_job_info job_in(uint32_t state, uint32_t reason)
{
    return (struct td_job_info){.job = 12,
                                .state = state,
                                .reason = reason,
                                .uid = 4999,
                                .partition = "main",
                                .nodes = 1,
                                .cpus = 4,
                                .limit_s = 600,
                                .spec = {.name = "train", .user_name = "alice"}};
}

static void expect(const struct td_explain_info *e, const char *const *parts)
{
    struct td_buf out = {0};

    explain_text(&out, &(struct explain_row){.info = e, .now_ms = NOW_MS, .fd = -1});
    for (; *parts; parts++)
        assert_contains(td_buf_str(&out), *parts);
    assert_null(strchr(td_buf_str(&out), '\033'));
    td_buf_release(&out);
}
#define EXPECT(e, ...) expect(e, (const char *const[]){__VA_ARGS__, NULL})

static void out_of_the_queue(void **state TD_UNUSED)
{
    struct td_explain_info e = {.job = job_in(TD_JOB_PENDING, TD_REASON_HELD_ADMIN)};
    EXPECT(&e, "Job 12 (train) of alice is PENDING.\n", "It is held by an administrator",
           "It asks for 1 node, 4 CPUs, for 10:00 at most, in partition main.\n");
    e.job = job_in(TD_JOB_PENDING, TD_REASON_BEGIN_TIME);
    e.job.spec.begin_ms = NOW_MS + 3600 * 1000;
    EXPECT(&e, "It waits for its begin time, ", " (in 1:00:00).\n");
    e.job = job_in(TD_JOB_PENDING, TD_REASON_PARTITION_NODE_LIMIT);
    e.job.nodes = 3;
    struct td_explain_partition p = {.name = "main", .blocked = TD_REASON_PARTITION_NODE_LIMIT, .nodes_max = 2, .nodes = 8};
    e.partitions = (struct td_explain_partition_list){&p, 1};
    EXPECT(&e, "It wants 3 nodes, and partition main takes jobs of 1 to 2 (MinNodes, MaxNodes).\n");
    e.job = job_in(TD_JOB_PENDING, TD_REASON_PARTITION_DOWN);
    p.blocked = TD_REASON_PARTITION_DOWN;
    EXPECT(&e, "Partition main is down: ");
    e.job = job_in(TD_JOB_PENDING, TD_REASON_PARTITION_TIME_LIMIT);
    e.job.attempt = 2;
    p = (struct td_explain_partition){.name = "main", .blocked = TD_REASON_PARTITION_TIME_LIMIT, .max_s = 300};
    EXPECT(&e, "Its time limit of 10:00 is over the 5:00 that partition main allows (MaxTime). scontrol update jobid=12 timelimit=00:05:00 lets it in.\n",
           "It is back in the queue: it was given nodes 2 times before.\n");
    e = (struct td_explain_info){.job = job_in(TD_JOB_PENDING, TD_REASON_LICENSES)};
    EXPECT(&e, "It waits for this reason: waits for licences (Licenses).\n");
}

static void dependencies(void **state TD_UNUSED)
{
    struct td_explain_dep deps[] = {
        {.kind = TD_DEPEND_AFTEROK, .job = 7, .task = TD_NO_TASK, .known = true, .job_state = TD_JOB_RUNNING, .end_ms = NOW_MS + 60000},
        {.kind = TD_DEPEND_AFTERANY, .job = 8, .task = 3},
        {.kind = TD_DEPEND_AFTER, .task = TD_NO_TASK},
        {.kind = TD_DEPEND_AFTEROK, .job = 9, .task = TD_NO_TASK, .state = TD_DEPEND_STATE_NEVER, .known = true,
         .job_state = TD_JOB_DONE, .outcome = TD_OUTCOME_FAILED, .exit_code = 3},
    };
    struct td_explain_info e = {.job = job_in(TD_JOB_PENDING, TD_REASON_DEPENDENCY), .deps = {deps, 3}};
    EXPECT(&e, "It waits for other jobs:\n", "  afterok:7  open: ", "that job is RUNNING, until ", " (in 1:00) by its limit\n",
           "  afterany:8_3  open: it waits until all of it is over\n", "  after: a job that you may not see  open: ");
    e = (struct td_explain_info){.job = job_in(TD_JOB_PENDING, TD_REASON_DEP_NEVER), .deps = {deps + 3, 1}, .deps_any = false};
    EXPECT(&e, "It will never start: ", "afterok:9  can no longer happen: ", "that job is FAILED, exit status 3\n");
}

static void nodes_and_when(void **state TD_UNUSED)
{
    struct td_explain_lack lacks[] = {{"CPUs", 4, 1, 8}, {"gpu:a100", 2, 0, 4}};
    struct td_explain_class classes[] = {
        {.nodes = "n[1-2]", .count = 2, .standing = TD_STANDING_SHORT, .lacks = {lacks, 2}},
        {.nodes = "n3", .count = 1, .standing = TD_STANDING_REFUSES, .refusal = TD_REFUSAL_MEMORY, .shortage = 512},
        {.nodes = "n4", .count = 1, .standing = TD_STANDING_KEPT, .kept_job = 7, .kept_ms = NOW_MS + 600000},
        {.nodes = "n5", .count = 1, .standing = TD_STANDING_DOWN, .node_state = TD_NODE_LOST},
        {.count = 900, .standing = TD_STANDING_NEVER, .refusal = TD_REFUSAL_FEATURE},
    };
    struct td_explain_other other = {.job = 7, .uid = 1, .user_name = "bob", .before = TD_BEFORE_PRIORITY, .nodes = 2, .cpus = 8};
    struct td_quote_form form = {.form = "shorter limit", .change = "--time=00:05:00", .start_ms = NOW_MS, .nodes = "n4"};
    struct td_explain_info e = {.job = job_in(TD_JOB_PENDING, TD_REASON_PRIORITY),
                                .classes = {classes, 5},
                                .ahead = 3,
                                .before = {&other, 1},
                                .policy = "tender",
                                .by_ms = NOW_MS + 7200000,
                                .planned_ms = NOW_MS + 3600000,
                                .forms = {&form, 1}};
    EXPECT(&e, "The 905 nodes of its partition:\n", "  n[1-2] each lack 3 CPUs (4 wanted, 1 of 8 free) and 2 gpu:a100 (2 wanted, 0 of 4 free)\n",
           "  n3 when asked said no: not enough free memory (512 lacking)\n", "  n4 has room now, which is kept for job 7 from ",
           " (in 10:00)\n", "  n5 is down (silent)\n", "  900 nodes could never hold it: lacks a feature\n",
           "3 jobs wait before it for nodes that it could use; the nearest:\n  job 7 of bob: its priority is higher; it wants 2 nodes, 8 CPUs\n",
           "It is promised to start by ", " (in 2:00:00).", "It starts at ", " (in 1:00:00)", "The rule (tender): ",
           "  with --time=00:05:00 it would start now on n4: scontrol update jobid=12 timelimit=00:05:00\n");
    e.classes = (struct td_explain_class_list){classes + 3, 1};
    e.planned_ms = e.by_ms = 0;
    e.ahead = 0;
    EXPECT(&e, "None of the nodes that could hold it takes work now.\n", "The node it may use:\n",
           "When it starts cannot be foretold: not enough of its nodes are there to be planned with.\n");
}

static void running_and_over(void **state TD_UNUSED)
{
    struct td_explain_info e = {.job = job_in(TD_JOB_RUNNING, 0), .foretold_s = 300};
    e.job.nodelist = "n1";
    e.job.start_ms = NOW_MS - 100000;
    e.job.end_ms = NOW_MS + 500000;
    EXPECT(&e, "It runs on n1 since ", " (1:40 ago).\n", " (in 8:20) at the latest.\n", "Jobs like it ran 5:00: so it would end at ", " (in 3:20)");
    e.job.end_ms = 0;
    e.foretold_s = 0;
    EXPECT(&e, "It has no time limit");
    e = (struct td_explain_info){.job = job_in(TD_JOB_DONE, 0)};
    e.job.outcome = TD_OUTCOME_CANCELLED;
    e.job.end_ms = NOW_MS;
    e.job.cancel_uid = 4999;
    EXPECT(&e, "Job 12 (train) of alice is CANCELLED.\n", "It was cancelled by its own user, alice, now; it had not started.\n");
    e.job.cancel_uid = 0;
    EXPECT(&e, "It was cancelled by root, now; ");
    e.job.reason = TD_REASON_SESSION_GONE;
    EXPECT(&e, "because the command that held it is gone");
    e.job = job_in(TD_JOB_DONE, TD_REASON_RAISED_SIGNAL);
    e.job.outcome = TD_OUTCOME_FAILED;
    e.job.signal = 9;
    e.job.nodelist = "n1";
    e.job.start_ms = NOW_MS - 60000;
    e.job.end_ms = NOW_MS - 30000;
    EXPECT(&e, "Its script was ended by signal 9 (Killed), at ", " (0:30 ago), after it had run 0:30 on n1.\n");
    e.job.outcome = TD_OUTCOME_TIMEOUT;
    EXPECT(&e, "It was ended at its time limit of 10:00, at ", " (0:30 ago)");
}

static void a_table_of_forms(void **state TD_UNUSED)
{
    struct td_quote_form forms[] = {
        {.form = "as asked", .start_ms = NOW_MS + 60000, .nodes = "n1", .partition = "main", .cpus = 4},
        {.form = "fewer devices", .change = "--gres=gpu:1", .start_ms = NOW_MS, .by_ms = NOW_MS, .nodes = "n2", .partition = "main", .cpus = 4},
        {.form = "other partition", .change = "--partition=x", .code = TD_E_DENIED, .text = "partition x is for root only"},
    };
    struct td_buf out = {0};

    quote_text(&out, &(struct td_quote_form_list){forms, 3}, NOW_MS, -1);
    assert_contains(td_buf_str(&out), "FORM             CHANGE         START ");
    assert_contains(td_buf_str(&out), "(in 1:00)  -  ");
    assert_contains(td_buf_str(&out), "fewer devices    --gres=gpu:1   now  ");
    assert_contains(td_buf_str(&out), "other partition  --partition=x  refused: partition x is for root only\n");
    td_buf_reset(&out);
    quote_json(&out, &(struct td_quote_form_list){forms, 3});
    assert_contains(td_buf_str(&out), "\"error\":\"DENIED\"");
    td_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_of_the_queue), cmocka_unit_test(dependencies),    cmocka_unit_test(nodes_and_when),
        cmocka_unit_test(running_and_over), cmocka_unit_test(a_table_of_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
