/* test_plan.c - who starts, who waits, who is promised what; each success beside the case that just fails */
#include "planfilm.h"

#define CPUS(n) .shape = {.cpus_per_task = (n)}

/* One node of 4 CPUs, 2 of them held for 100 s; job 1 wants 4, so it is promised second 100. */
static void busy_node(struct film *f)
{
    film_open(f);
    film_node(f, (struct film_node){.cpus = 4});
    film_hold(f, 0, 900, 0, 2, 100);
    film_submit(f, 1, (struct film_job){CPUS(4), .limit = 1000});
}

/* --- starts ------------------------------------------------------------------------------------------------------ */

static void what_fits_starts_in_rank_order(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4});
    film_submit(&f, 3, (struct film_job){CPUS(2), .limit = 10});
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 10});
    film_submit(&f, 1, (struct film_job){CPUS(1), .limit = 10});
    film_submit(&f, 4, (struct film_job){CPUS(1), .limit = 10}); /* one too many */
    film_plan(&f);
    assert_int_equal(f.plan.starts.n, 3);
    assert_int_equal(f.plan.starts.v[0].job, 3);
    assert_int_equal(f.plan.starts.v[1].job, 2);
    assert_int_equal(f.plan.starts.v[2].job, 1);
    film_expect_promise(&f, 4, 10, 0);
    film_close(&f);
}

static void whole_cores_are_the_unit(void **state)
{
    struct film f;

    (void)state;
    for (int loose = 0; loose < 2; loose++) {
        film_open(&f);
        film_node(&f, (struct film_node){.cpus = 4, .threads = 2, .loose = loose});
        film_submit(&f, 1, (struct film_job){CPUS(1), .count = 10});
        film_plan(&f);
        assert_int_equal(film_starts(&f, 1), loose ? 4 : 2);
        film_close(&f);
    }
}

static void memory_counts_where_it_is_said_to(void **state)
{
    struct film f;

    (void)state;
    for (int does = 0; does < 2; does++) {
        film_open(&f);
        film_node(&f, (struct film_node){.cpus = 8, .mem = 1000, .memory_free = !does});
        film_submit(&f, 1, (struct film_job){.shape = {.mem_mb = 400}, .count = 8});
        film_submit(&f, 2, (struct film_job){.shape = {.mem_mb = 1001}});
        film_plan(&f);
        assert_int_equal(film_starts(&f, 1), does ? 2 : 8);
        assert_int_equal(film_starts(&f, 2), 0); /* more than the node ever has */
        film_close(&f);
    }
}

static void an_array_is_one_candidate(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    for (uint32_t i = 0; i < 3; i++)
        film_node(&f, (struct film_node){.cpus = 4});
    film_submit(&f, 1, (struct film_job){CPUS(1), .limit = 50, .count = 1000000});
    film_plan(&f);
    assert_int_equal(f.plan.starts.n, 1);
    assert_int_equal(f.plan.starts.v[0].count, 12);
    film_expect_promise(&f, 1, 50, 0); /* the rest of it */
    f.params.starts_max = 5;
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 5);
    assert_int_equal(f.plan.promises.n, 0); /* it was not found blocked */
    film_close(&f);
}

static void bounds_end_the_pass(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 16});
    film_submit(&f, 1, (struct film_job){CPUS(1)});
    film_submit(&f, 2, (struct film_job){CPUS(2)});
    film_submit(&f, 3, (struct film_job){CPUS(1)});
    film_submit(&f, 4, (struct film_job){CPUS(3)});
    film_submit(&f, 5, (struct film_job){CPUS(1)});
    f.params.lots_max = 2;
    film_plan(&f);
    assert_int_equal(f.plan.starts.n, 3); /* 4 would need a third lot, and 5 does not overtake it */
    f.params.lots_max = 3;
    film_plan(&f);
    assert_int_equal(f.plan.starts.n, 5);
    f.params.starts_max = 4;
    film_plan(&f);
    assert_int_equal(f.plan.starts.n, 4);
    film_close(&f);
}

static void devices_by_model_and_of_any(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 16, .gpus = 2, .type = "a100", .gpus2 = 2, .type2 = "h100"});
    film_submit(&f, 1, (struct film_job){.gpus = 1, .gpu = "h100"});
    film_submit(&f, 2, (struct film_job){.gpus = 2, .gpu = "h100"}); /* one is left */
    film_submit(&f, 3, (struct film_job){.gpus = 3});                /* both models together */
    film_submit(&f, 4, (struct film_job){.gpus = 1});
    f.params.depth = 4;
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    assert_int_equal(film_starts(&f, 2), 0);
    assert_int_equal(film_starts(&f, 3), 0); /* would use what 2 waits for */
    td_queue_drop(f.q, 2);
    film_plan(&f);
    assert_int_equal(film_starts(&f, 3), 1);
    assert_int_equal(film_starts(&f, 4), 0);
    film_close(&f);
}

static void features_and_names_choose_nodes(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 1, .features = "slow"});
    film_node(&f, (struct film_node){.cpus = 1, .features = "fast"});
    film_node(&f, (struct film_node){.cpus = 1, .features = "fast,big"});
    film_submit(&f, 1, (struct film_job){.shape = {.features = "fast&!big"}, .count = 2});
    film_submit(&f, 2, (struct film_job){.shape = {.req_nodes = "n[0,1]"}, .count = 2});
    film_submit(&f, 3, (struct film_job){.shape = {.exc_nodes = "n[0-1]"}, .count = 2});
    f.params.policy = TD_POLICY_EASY;
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    assert_int_equal(film_starts(&f, 2), 1);
    assert_int_equal(film_starts(&f, 3), 1);
    film_close(&f);
}

static void exclusive_wants_an_idle_node_and_keeps_it(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4});
    film_node(&f, (struct film_node){.cpus = 4});
    film_hold(&f, 0, 900, 3, 1, 100);
    film_submit(&f, 1, (struct film_job){.shape = {.exclusive = true}, .limit = 10});
    film_submit(&f, 2, (struct film_job){.shape = {.exclusive = true}, .limit = 10});
    film_submit(&f, 3, (struct film_job){CPUS(1), .limit = 10, .count = 9});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    assert_int_equal(film_starts(&f, 2), 0);
    film_expect_promise(&f, 2, 10, 1);
    assert_int_equal(film_starts(&f, 3), 3); /* the rest of node 0, nothing of node 1 */
    film_close(&f);
}

static void light_nodes_first_then_by_number(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 1, .weight = 9});
    film_node(&f, (struct film_node){.cpus = 1, .weight = 1});
    film_node(&f, (struct film_node){.cpus = 1, .weight = 1});
    film_submit(&f, 1, (struct film_job){.limit = 10});
    film_submit(&f, 2, (struct film_job){.limit = 20});
    film_submit(&f, 3, (struct film_job){.limit = 30});
    film_submit(&f, 4, (struct film_job){.limit = 5});
    film_plan(&f);
    film_expect_promise(&f, 4, 10, 1); /* where the first went */
    film_set(&f, 1, (struct film_node){.cpus = 1, .weight = 99});
    film_plan(&f);
    film_expect_promise(&f, 4, 10, 2);
    film_close(&f);
}

static void an_unusable_node_takes_nothing(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 1});
    film_node(&f, (struct film_node){.cpus = 1});
    td_ledger_set_usable(f.l, 0, false);
    film_submit(&f, 1, (struct film_job){.limit = 10, .count = 2});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    film_expect_promise(&f, 1, 10, 1);
    td_ledger_set_usable(f.l, 1, false);
    film_plan(&f);
    assert_int_equal(f.plan.starts.n, 0);
    assert_int_equal(film_promise(&f, 1)->at_ms, TD_FOREVER);
    assert_int_equal(film_promise(&f, 1)->nnodes, 0);
    film_close(&f);
}

static void a_job_in_two_partitions_starts_once(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 2, .partition = 0});
    film_node(&f, (struct film_node){.cpus = 2, .partition = 1});
    film_submit(&f, 1, (struct film_job){.partition = 0, .rank = 5});
    film_submit(&f, 1, (struct film_job){.partition = 1, .rank = 6});
    film_submit(&f, 2, (struct film_job){.partition = 0, .rank = 7, .count = 5});
    film_submit(&f, 2, (struct film_job){.partition = 1, .rank = 8, .count = 5});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    assert_int_equal(film_starts(&f, 2), 3);
    assert_int_equal(f.plan.promises.n, 1);
    film_close(&f);
}

/* --- EASY -------------------------------------------------------------------------------------------------------- */

static void rule_1_what_ends_in_time_may_start(void **state)
{
    struct film f;

    (void)state;
    busy_node(&f);
    film_submit(&f, 2, (struct film_job){CPUS(2), .limit = 100});
    film_plan(&f);
    film_expect_promise(&f, 1, 100, 0);
    assert_int_equal(film_starts(&f, 2), 1);
    film_close(&f);
}

static void rule_1_one_second_too_long_does_not(void **state)
{
    struct film f;

    (void)state;
    busy_node(&f);
    film_submit(&f, 2, (struct film_job){CPUS(2), .limit = 101});
    film_submit(&f, 3, (struct film_job){CPUS(2)}); /* no limit */
    film_plan(&f);
    assert_int_equal(f.plan.starts.n, 0);
    film_submit(&f, 4, (struct film_job){CPUS(2), .limit = 99}); /* a shorter one of the same shape */
    film_plan(&f);
    assert_int_equal(film_starts(&f, 4), 1);
    film_close(&f);
}

static void rule_2_what_is_spare_may_outlast(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 8});
    film_hold(&f, 0, 900, 0, 4, 100);
    film_submit(&f, 1, (struct film_job){CPUS(6), .limit = 1000}); /* 8 - 6: 2 are spare */
    film_submit(&f, 2, (struct film_job){CPUS(3), .limit = 5000}); /* 3 are not */
    film_submit(&f, 3, (struct film_job){CPUS(1), .limit = 5000});
    film_submit(&f, 4, (struct film_job){CPUS(1)});                /* nor need it ever end */
    film_submit(&f, 5, (struct film_job){CPUS(1), .limit = 5000}); /* deducted: nothing is spare now */
    film_submit(&f, 6, (struct film_job){CPUS(1), .limit = 100});  /* but rule 1 holds */
    film_plan(&f);
    film_expect_promise(&f, 1, 100, 0);
    assert_int_equal(film_starts(&f, 2), 0);
    assert_int_equal(film_starts(&f, 3), 1);
    assert_int_equal(film_starts(&f, 4), 1);
    assert_int_equal(film_starts(&f, 5), 0);
    assert_int_equal(film_starts(&f, 6), 1);
    film_close(&f);
}

static void beyond_the_promise_nothing_is_kept(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4});
    film_hold(&f, 0, 900, 0, 2, 100);
    film_submit(&f, 1, (struct film_job){CPUS(4), .limit = 10});
    film_submit(&f, 2, (struct film_job){CPUS(4), .limit = 10});
    film_submit(&f, 3, (struct film_job){CPUS(1), .limit = 105});
    film_plan(&f);
    assert_int_equal(f.plan.promises.n, 1); /* depth 1 */
    assert_int_equal(film_starts(&f, 3), 0);
    f.params.depth = 2;
    film_plan(&f);
    film_expect_promise(&f, 2, 110, 0); /* after the first head */
    film_close(&f);
}

static void the_head_takes_the_node_that_is_free_first(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    for (uint32_t i = 0; i < 3; i++)
        film_node(&f, (struct film_node){.cpus = 2});
    film_hold(&f, 0, 900, 0, 1, 300);
    film_hold(&f, 1, 901, 0, 1, 200);
    film_hold(&f, 2, 902, 0, 1, 250);
    film_submit(&f, 1, (struct film_job){CPUS(2), .limit = 60});
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 1000, .count = 9}); /* on the other two */
    film_plan(&f);
    film_expect_promise(&f, 1, 200, 1);
    assert_int_equal(film_starts(&f, 2), 2);
    film_close(&f);
}

static void a_holding_past_its_time_ends_in_a_second(void **state)
{
    struct film f;

    (void)state;
    busy_node(&f);
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 2});
    film_submit(&f, 3, (struct film_job){CPUS(1), .limit = 1});
    for (int64_t now = 200; now < 500; now += 100) {
        f.params.now_ms = AT(now);
        film_plan(&f);
        film_expect_promise(&f, 1, now + 1, 0);
        assert_int_equal(film_starts(&f, 2), 0);
        assert_int_equal(film_starts(&f, 3), 1);
    }
    film_close(&f);
}

static void without_limits_the_head_is_not_starved(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4});
    for (uint32_t i = 0; i < 3; i++)
        film_hold(&f, 0, 900 + i, i, 1, -1);
    film_submit(&f, 1, (struct film_job){CPUS(3)}); /* needs two of the three to end */
    film_submit(&f, 2, (struct film_job){CPUS(1), .count = 2});
    film_plan(&f);
    film_expect_promise(&f, 1, -1, 0);
    assert_int_equal(film_starts(&f, 2), 0); /* once two have ended nothing is spare */
    film_submit(&f, 3, (struct film_job){CPUS(1), .limit = 1000000});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 3), 1); /* ends before what never ends */
    film_close(&f);
}

static void time_min_shrinks_into_the_window(void **state)
{
    struct film f;

    (void)state;
    busy_node(&f);
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 500, .least = 101}); /* the window is 100 */
    film_submit(&f, 3, (struct film_job){CPUS(1), .limit = 500, .least = 30});
    film_submit(&f, 4, (struct film_job){CPUS(1), .limit = 20, .least = 10});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 2), 0);
    assert_int_equal(film_starts(&f, 3), 1);
    assert_int_equal(f.plan.starts.v[0].limit_s, 100);
    assert_int_equal(film_starts(&f, 4), 1);
    assert_int_equal(f.plan.starts.v[1].limit_s, 20); /* no need */
    film_close(&f);
}

static void disjoint_partitions_have_their_own_heads(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 2, .partition = 0});
    film_node(&f, (struct film_node){.cpus = 2, .partition = 1});
    film_hold(&f, 0, 900, 0, 1, 100);
    film_hold(&f, 1, 901, 0, 1, 200);
    film_submit(&f, 1, (struct film_job){CPUS(2), .limit = 60, .partition = 0});
    film_submit(&f, 2, (struct film_job){CPUS(2), .limit = 60, .partition = 1});
    film_submit(&f, 3, (struct film_job){CPUS(2), .limit = 60, .partition = 1}); /* not a head */
    film_submit(&f, 4, (struct film_job){CPUS(1), .limit = 150, .partition = 0});
    film_submit(&f, 5, (struct film_job){CPUS(1), .limit = 150, .partition = 1});
    film_plan(&f);
    film_expect_promise(&f, 1, 100, 0);
    film_expect_promise(&f, 2, 200, 1);
    assert_null(film_promise(&f, 3));
    assert_int_equal(film_starts(&f, 4), 0);
    assert_int_equal(film_starts(&f, 5), 1);
    film_close(&f);
}

static void a_head_that_no_node_serves_holds_nobody_up(void **state)
{
    struct film f;

    (void)state;
    busy_node(&f);
    film_submit(&f, 5, (struct film_job){CPUS(64), .limit = 10, .rank = 0}); /* rank 0 is "append" */
    film_submit(&f, 6, (struct film_job){CPUS(2), .limit = 100});
    td_queue_drop(f.q, 1);
    film_submit(&f, 1, (struct film_job){CPUS(4), .limit = 1000});
    film_submit(&f, 7, (struct film_job){CPUS(2), .limit = 101});
    film_plan(&f);
    assert_int_equal(film_promise(&f, 5)->at_ms, TD_FOREVER);
    assert_int_equal(film_promise(&f, 5)->nnodes, 0);
    film_expect_promise(&f, 1, 100, 0); /* the depth is not used up */
    assert_int_equal(film_starts(&f, 6), 1);
    assert_int_equal(film_starts(&f, 7), 0);
    film_close(&f);
}

/* --- other policies ---------------------------------------------------------------------------------------------- */

static void fifo_lets_nothing_pass_on_the_heads_nodes(void **state)
{
    struct film f;
    struct film_place b;

    (void)state;
    busy_node(&f);
    film_node(&f, (struct film_node){.cpus = 1, .partition = 1});
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 1});
    film_submit(&f, 3, (struct film_job){CPUS(1), .limit = 1, .partition = 1});
    film_submit(&f, 8, (struct film_job){CPUS(1), .limit = 900, .rank = 1}); /* before the head: ties end in the job */
    td_queue_drop(f.q, 1);
    film_submit(&f, 9, (struct film_job){CPUS(4), .limit = 1000, .rank = 1});
    f.params.policy = TD_POLICY_FIFO;
    film_plan(&f);
    assert_int_equal(film_starts(&f, 8), 1);
    assert_int_equal(film_starts(&f, 2), 0);
    assert_int_equal(film_starts(&f, 3), 1);
    assert_true(td_plan_allows(f.l, 0, 8, film_place(&b, 2, 1, 0, 0, 0, NULL), AT(900)));
    assert_false(td_plan_allows(f.l, 0, 3, &b.p, AT(1)));
    uint8_t bits[1];
    assert_int_equal(td_plan_nodes(f.l, film_shape(&f, (struct film_job){CPUS(1), .partition = 1}), 1, T0, bits, 1), 1);
    assert_int_equal(bits[0], 2);
    film_close(&f);
}

static void conservative_promises_everybody(void **state)
{
    struct film f;

    (void)state;
    busy_node(&f);                                                 /* 1: 4 CPUs in [100, 1100) */
    film_submit(&f, 2, (struct film_job){CPUS(3), .limit = 50});   /* [1100, 1150) */
    film_submit(&f, 3, (struct film_job){CPUS(1), .limit = 1200}); /* beside 2, but not beside 1 */
    film_submit(&f, 4, (struct film_job){CPUS(2), .limit = 100});  /* in front of all */
    f.params.policy = TD_POLICY_CONSERVATIVE;
    f.params.depth = 10;
    film_plan(&f);
    film_expect_promise(&f, 1, 100, 0);
    film_expect_promise(&f, 2, 1100, 0);
    film_expect_promise(&f, 3, 1100, 0);
    assert_int_equal(film_starts(&f, 4), 1);
    f.params.depth = 2;
    film_plan(&f);
    assert_null(film_promise(&f, 3));
    film_close(&f);
}

static void a_promise_fills_the_hole_before_another(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4});
    film_hold(&f, 0, 900, 0, 3, 50);
    film_hold(&f, 0, 901, 3, 1, 100);
    film_submit(&f, 1, (struct film_job){CPUS(4), .limit = 1000});
    film_submit(&f, 2, (struct film_job){CPUS(2), .limit = 50}); /* [50, 100) is long enough */
    film_submit(&f, 3, (struct film_job){CPUS(2), .limit = 51}); /* not for this */
    f.params.policy = TD_POLICY_CONSERVATIVE;
    f.params.depth = 10;
    film_plan(&f);
    film_expect_promise(&f, 1, 100, 0);
    film_expect_promise(&f, 2, 50, 0);
    film_expect_promise(&f, 3, 1100, 0);
    film_close(&f);
}

/* Some of an array starts in one partition; the other finds no room, and has no booking to put back. */
static void an_array_that_starts_in_one_of_two_partitions_is_booked_no_more(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 2, .partition = 0});
    film_node(&f, (struct film_node){.cpus = 2, .partition = 1});
    film_hold(&f, 1, 900, 0, 2, 100);
    film_submit(&f, 1, (struct film_job){.partition = 0, .rank = 5, .count = 5, .limit = 50});
    film_submit(&f, 1, (struct film_job){.partition = 1, .rank = 6, .count = 5, .limit = 50});
    f.params.policy = TD_POLICY_CONSERVATIVE;
    f.params.depth = 10;
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 2);
    film_close(&f);
}

static void a_dry_run_leaves_the_book_as_it_was(void **state)
{
    struct film f;
    struct td_error err = {0};

    (void)state;
    busy_node(&f); /* 1: 4 CPUs in [100, 1100) */
    for (uint32_t i = 0; i < 6; i++)
        film_submit(&f, 2 + i, (struct film_job){CPUS(2 + i % 3), .limit = 50 + 10 * i});
    f.params.policy = TD_POLICY_TENDER;
    f.params.depth = 0;
    film_plan(&f);
    uint32_t promised = f.plan.bys.n, started = f.plan.starts.n;
    int64_t next = f.plan.next_ms;
    assert_true(promised > 0);
    f.params.policy = TD_POLICY_CONSERVATIVE;
    f.params.dry = true;
    film_submit(&f, 90, (struct film_job){CPUS(4), .limit = 5}); /* asks, and goes */
    film_submit(&f, 91, (struct film_job){CPUS(4), .limit = 500}); /* came meanwhile, and stays */
    film_plan(&f);
    td_queue_drop(f.q, 90);
    f.params.policy = TD_POLICY_TENDER;
    f.params.dry = false;
    film_plan(&f);
    assert_int_equal(f.plan.bys.n, 1); /* nobody else is news, nothing moved */
    assert_int_equal(f.plan.bys.v[0].job, 91);
    assert_false(f.plan.bys.v[0].moved);
    assert_int_equal(f.plan.starts.n, started);
    assert_int_equal(f.plan.next_ms, next);
    assert_true(book_check(f.l, f.params.now_ms, &err));
    f.params.policy = TD_POLICY_EASY;
    film_plan(&f);
    assert_false(book_is_used(f.l->plan->book)); /* who keeps no promises keeps no book */
    film_close(&f);
}

/* --- several nodes ----------------------------------------------------------------------------------------------- */

static void all_nodes_or_none(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    for (uint32_t i = 0; i < 3; i++)
        film_node(&f, (struct film_node){.cpus = 2});
    film_hold(&f, 0, 900, 0, 1, 100);
    film_submit(&f, 1, (struct film_job){.shape = {.cpus_per_task = 2, .nodes_min = 2}, .limit = 60});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    film_hold(&f, 1, 901, 0, 1, 50);
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 50, .count = 9});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 0);
    assert_int_equal(film_promise(&f, 1)->at_ms, AT(50)); /* the second of three */
    assert_int_equal(film_promise(&f, 1)->nnodes, 2);
    assert_int_equal(film_promise(&f, 1)->nodes[0], 1);
    assert_int_equal(film_promise(&f, 1)->nodes[1], 2);
    assert_int_equal(film_starts(&f, 2), 4);
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 51, .count = 9, .rank = 9});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 2), 1); /* node 0 only */
    film_close(&f);
}

static void tasks_go_on_as_few_nodes_as_allowed(void **state)
{
    struct film f;
    struct td_shape s = {.cpus_per_task = 1, .tasks_min = 1, .tasks_max = 10, .ntasks = 10, .nodes_min = 1, .nodes_max = 3};

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 2});
    film_node(&f, (struct film_node){.cpus = 4});
    film_node(&f, (struct film_node){.cpus = 8});
    film_submit(&f, 1, (struct film_job){.shape = s, .limit = 60}); /* 8 + 2 of node 1 */
    film_submit(&f, 2, (struct film_job){CPUS(2), .limit = 60, .count = 9});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    assert_int_equal(film_starts(&f, 2), 2); /* node 0, and the rest of node 1 */
    s.ntasks = 15;
    film_submit(&f, 1, (struct film_job){.shape = s, .limit = 60, .rank = 1});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 0); /* 14 CPUs in all: never */
    assert_int_equal(film_promise(&f, 1)->nnodes, 0);
    s.ntasks = 14;
    film_submit(&f, 1, (struct film_job){.shape = s, .limit = 60, .rank = 1});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    s.nodes_max = 2;
    film_submit(&f, 1, (struct film_job){.shape = s, .limit = 60, .rank = 1});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 0);
    film_close(&f);
}

static void a_wide_head_waits_for_tasks_enough(void **state)
{
    struct film f;
    struct td_shape s = {.cpus_per_task = 1, .tasks_min = 1, .tasks_max = 6, .ntasks = 6, .nodes_min = 2, .nodes_max = 2};

    (void)state;
    film_open(&f);
    for (uint32_t i = 0; i < 3; i++) {
        film_node(&f, (struct film_node){.cpus = 4});
        film_hold(&f, i, 900 + i, 0, 3, 100 + 10 * i);
    }
    film_submit(&f, 1, (struct film_job){.shape = s, .limit = 60}); /* 4 + 1 at 100, 4 + 4 at 110 */
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 110, .count = 9});
    film_plan(&f);
    assert_int_equal(film_promise(&f, 1)->at_ms, AT(110));
    assert_int_equal(film_promise(&f, 1)->nnodes, 2);
    assert_int_equal(film_starts(&f, 2), 3);
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 111, .count = 9});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 2), 2); /* the head will fill node 0, and leaves 2 of node 1 */
    film_close(&f);
}

static void a_wide_job_shrinks_too(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 2});
    film_node(&f, (struct film_node){.cpus = 2});
    film_hold(&f, 0, 900, 0, 1, 100);
    film_submit(&f, 1, (struct film_job){CPUS(2), .limit = 10, .count = 2}); /* node 1 now; node 1 again at 10 */
    film_submit(&f, 2, (struct film_job){.shape = {.cpus_per_task = 1, .nodes_min = 2}, .limit = 60, .least = 5});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 2), 0);
    film_submit(&f, 1, (struct film_job){.shape = {.cpus_per_task = 2, .req_nodes = "n0"}, .limit = 10, .rank = 1});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 2), 1);
    assert_int_equal(f.plan.starts.v[0].limit_s, 60); /* 100 s are free */
    td_ledger_set_until(f.l, 0, 900, 1, AT(30));
    film_plan(&f);
    assert_int_equal(f.plan.starts.v[0].limit_s, 30);
    td_ledger_set_until(f.l, 0, 900, 1, AT(4));
    film_plan(&f);
    assert_int_equal(film_starts(&f, 2), 0);
    film_close(&f);
}

/* --- refusals ---------------------------------------------------------------------------------------------------- */

static void a_refusing_node_gets_neither_start_nor_promise(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 2});
    film_node(&f, (struct film_node){.cpus = 2});
    film_hold(&f, 1, 900, 0, 1, 100);
    film_submit(&f, 1, (struct film_job){CPUS(2), .limit = 10});
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 200, .count = 9});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    td_ledger_refuse(f.l, film_shape(&f, (struct film_job){CPUS(2)}), 0, TD_REFUSAL_LAYOUT, 0);
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 0);
    film_expect_promise(&f, 1, 100, 1);
    assert_int_equal(film_starts(&f, 2), 2); /* node 0 is for others */
    td_ledger_refuse(f.l, film_shape(&f, (struct film_job){CPUS(2)}), 1, TD_REFUSAL_LAYOUT, 0);
    film_plan(&f);
    assert_int_equal(film_promise(&f, 1)->nnodes, 0);
    assert_int_equal(film_starts(&f, 2), 3);
    td_ledger_forget_refusals(f.l, 0);
    film_plan(&f);
    assert_int_equal(film_starts(&f, 1), 1);
    film_close(&f);
}

/* --- settlement -------------------------------------------------------------------------------------------------- */

static void settlement_keeps_the_promises(void **state)
{
    struct film f;
    struct film_place b;
    uint8_t bits[1];

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 8});
    film_hold(&f, 0, 900, 0, 4, 100);
    film_submit(&f, 1, (struct film_job){CPUS(6), .limit = 1000});
    film_submit(&f, 2, (struct film_job){CPUS(1), .limit = 5000, .count = 4});
    film_plan(&f);
    assert_int_equal(film_starts(&f, 2), 2);
    uint32_t one = film_shape(&f, (struct film_job){CPUS(1)});
    const struct td_placement *p = film_place(&b, 4, 1, 0, 0, 0, NULL);
    assert_true(td_plan_allows(f.l, 0, 2, p, AT(100)));
    assert_true(td_plan_allows(f.l, 0, 2, p, AT(5000)));
    assert_int_equal(td_plan_nodes(f.l, one, 5000, T0, bits, 1), 1);
    td_ledger_take(f.l, 0, 2, 1, p, AT(5000));
    p = film_place(&b, 5, 2, 0, 0, 0, NULL);
    assert_false(td_plan_allows(f.l, 0, 2, p, AT(5000))); /* one is spare, not two */
    assert_true(td_plan_allows(f.l, 0, 1, p, AT(5000)));  /* its own promise does not bind the head */
    p = film_place(&b, 5, 1, 0, 0, 0, NULL);
    assert_true(td_plan_allows(f.l, 0, 2, p, AT(5000)));
    td_ledger_take(f.l, 0, 3, 1, p, AT(5000));
    p = film_place(&b, 6, 1, 0, 0, 0, NULL);
    assert_false(td_plan_allows(f.l, 0, 2, p, AT(5000)));
    assert_false(td_plan_allows(f.l, 0, 2, p, AT(101)));
    assert_true(td_plan_allows(f.l, 0, 2, p, AT(100) + 500)); /* settled half a second after it was planned */
    assert_true(td_plan_allows(f.l, 0, 2, p, AT(100)));
    assert_int_equal(td_plan_nodes(f.l, one, 5000, T0, bits, 1), 0);
    assert_int_equal(td_plan_nodes(f.l, one, 100, T0, bits, 1), 1);
    td_ledger_take(f.l, 0, 4, 1, p, AT(100));
    film_sound(&f);
    film_close(&f);
}

/* --- against a slow reference ------------------------------------------------------------------------------------ */

/* Everything on one node as intervals, counted up at every beginning. */
struct slow_use {
    int64_t from, to;
    uint64_t cpus, mem, gpus;
};
struct slow_node {
    uint64_t cpus, mem, gpus;
    struct slow_use uses[64];
    uint32_t n;
};

static bool slow_fits(const struct slow_node *n, const struct slow_use *u)
{
    for (uint32_t k = 0; k <= n->n; k++) {
        int64_t at = k == n->n ? u->from : n->uses[k].from;
        struct slow_use sum = *u;

        if (at < u->from || at >= u->to)
            continue;
        for (uint32_t i = 0; i < n->n; i++)
            if (n->uses[i].from <= at && at < n->uses[i].to) {
                sum.cpus += n->uses[i].cpus;
                sum.mem += n->uses[i].mem;
                sum.gpus += n->uses[i].gpus;
            }
        if (sum.cpus > n->cpus || sum.mem > n->mem || sum.gpus > n->gpus)
            return false;
    }
    return true;
}

/* Earliest beginning: now or some end. */
static int64_t slow_earliest(const struct slow_node *n, struct slow_use u, int64_t length)
{
    int64_t best = TD_FOREVER;

    for (uint32_t k = 0; k <= n->n; k++) {
        int64_t at = k == n->n ? T0 : n->uses[k].to;

        u.from = at;
        u.to = at + length;
        if (at >= T0 && at < best && slow_fits(n, &u))
            best = at;
    }
    return best;
}

struct slow_job {
    uint32_t limit, cpus, gpus;
    uint64_t mem;
    uint32_t started;
    int64_t promised;
    uint32_t node;
};

/* Each candidate has a shape of its own (memory differs), so first fit is first fit. */
static void slow_plan(struct slow_node *nodes, uint32_t nnodes, struct slow_job *jobs, uint32_t njobs, uint32_t depth)
{
    uint32_t heads = 0, kept = 0; /* nodes that the heads could use */

    for (uint32_t j = 0; j < njobs; j++) {
        struct slow_use u = {.cpus = jobs[j].cpus, .mem = jobs[j].mem, .gpus = jobs[j].gpus, .from = T0};
        int64_t length = (int64_t)jobs[j].limit * 1000, best = TD_FOREVER;
        uint32_t at = 0, could = 0;

        u.to = T0 + length;
        for (uint32_t i = 0; i < nnodes && !jobs[j].started; i++)
            if (slow_fits(&nodes[i], &u)) {
                jobs[j].started = 1;
                nodes[i].uses[nodes[i].n++] = u;
            }
        for (uint32_t i = 0; i < nnodes; i++)
            could |= (uint32_t)(u.cpus <= nodes[i].cpus && u.mem <= nodes[i].mem && u.gpus <= nodes[i].gpus) << i;
        if (jobs[j].started || (heads >= depth && (could & kept)))
            continue;
        for (uint32_t i = 0; i < nnodes; i++) {
            int64_t e = slow_earliest(&nodes[i], u, length);

            if (e < best) {
                best = e;
                at = i;
            }
        }
        if (best == TD_FOREVER)
            continue; /* never: no head */
        heads++;
        kept |= could;
        jobs[j].promised = best;
        jobs[j].node = at;
        u.from = best;
        u.to = best + length;
        nodes[at].uses[nodes[at].n++] = u;
    }
}

static void one_random_case(uint64_t seed)
{
    struct td_rng rng = {seed};
    struct slow_node nodes[4] = {0};
    struct slow_job jobs[14] = {0};
    uint32_t nnodes = 1 + td_rng_below(&rng, 4), njobs = 1 + td_rng_below(&rng, 14);
    struct film f;

    film_open(&f);
    f.params.depth = 1 + td_rng_below(&rng, 4);
    f.params.policy = td_rng_below(&rng, 2) ? TD_POLICY_EASY : TD_POLICY_CONSERVATIVE;
    uint32_t depth =
        f.params.policy == TD_POLICY_EASY ? f.params.depth : njobs; /* conservative: all of them */
    if (f.params.policy == TD_POLICY_CONSERVATIVE)
        f.params.depth = 0;
    for (uint32_t i = 0; i < nnodes; i++) {
        struct slow_node *n = &nodes[i];
        uint32_t gpu = 0;

        n->cpus = 2 + td_rng_below(&rng, 7);
        n->mem = 500 + td_rng_below(&rng, 1000);
        n->gpus = 1 + td_rng_below(&rng, 3);
        film_node(&f, (struct film_node){.cpus = (uint32_t)n->cpus, .mem = n->mem, .gpus = (uint32_t)n->gpus, .type = "t"});
        for (uint32_t cpu = 0; cpu < n->cpus;) {
            struct film_place b;
            uint32_t cpus = 1 + td_rng_below(&rng, 3), gpus = td_rng_below(&rng, 4) == 0 && gpu < n->gpus;
            int64_t until = 1 + td_rng_below(&rng, 20);
            const struct td_placement *p = film_place(&b, cpu, cpus, td_rng_below(&rng, 400), gpu, gpus, "t");

            if (td_rng_below(&rng, 4) && td_ledger_covers(f.l, i, p)) {
                td_ledger_take(f.l, i, 1000 * (i + 1) + cpu, 1, p, AT(until));
                n->uses[n->n++] = (struct slow_use){T0, AT(until), cpus, p->memory_mb, gpus};
                gpu += gpus;
            }
            cpu += cpus;
        }
    }
    for (uint32_t j = 0; j < njobs; j++) {
        jobs[j].limit = 1 + td_rng_below(&rng, 25);
        jobs[j].cpus = 1 + td_rng_below(&rng, 6);
        jobs[j].gpus = td_rng_below(&rng, 3) ? 0 : 1 + td_rng_below(&rng, 2);
        jobs[j].mem = td_rng_below(&rng, 20) * 40 + j;
        film_submit(&f, 1 + j, (struct film_job){.shape = {.cpus_per_task = jobs[j].cpus, .mem_mb = jobs[j].mem},
                                                 .gpus = jobs[j].gpus, .limit = jobs[j].limit});
    }
    slow_plan(nodes, nnodes, jobs, njobs, depth);
    film_plan(&f);
    for (uint32_t j = 0; j < njobs; j++) {
        const struct td_plan_promise *p = film_promise(&f, 1 + j);

        if (film_starts(&f, 1 + j) != jobs[j].started)
            fail_msg("seed %llu: job %u: %u instead of %u started", (unsigned long long)seed, 1 + j, film_starts(&f, 1 + j),
                     jobs[j].started);
        if (!jobs[j].promised) {
            assert_true(!p || p->nnodes == 0);
            continue;
        }
        if (!p || p->at_ms != jobs[j].promised || p->nnodes != 1 || p->nodes[0] != jobs[j].node)
            fail_msg("seed %llu: job %u: promised %lld on %u instead of %lld on %u", (unsigned long long)seed, 1 + j,
                     p ? (long long)(p->at_ms - T0) : -1, p && p->nnodes ? p->nodes[0] : 999,
                     (long long)(jobs[j].promised - T0), jobs[j].node);
    }
    film_close(&f);
}

static void random_cases_agree_with_the_slow_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++)
        one_random_case(seed * 1000003);
    print_message("seeds 1000003 x 1..3000\n");
}

/* --- against the rules, with everything mixed -------------------------------------------------------------------- */

static bool end_state_fits(struct film *f, uint32_t node, const struct shape *s, int64_t end)
{
    struct td_plan out = {0};
    struct pass pass = {.l = f->l, .q = f->q, .p = &f->params, .out = &out, .s = f->l->plan};

    return plan_window(&pass, node, s, s->tasks) >= end;
}

/* A single-node candidate that fits in the end should have been started when its turn came. */
static void nothing_was_overlooked(struct film *f, uint32_t job, const struct film_job *j, uint64_t seed)
{
    const struct shape *s = f->l->shapes.v[film_shape(f, *j)];

    if (s->multi || film_starts(f, job) >= TD_MAX(j->count, 1u))
        return;
    for (uint32_t i = 0; i < td_ledger_nodes(f->l); i++)
        if (place_get(s->eligible, f->l->index->pos_of.v[i]) && f->l->nodes.v[i].usable &&
            end_state_fits(f, i, s, time_after(T0, j->least ? j->least : j->limit ? j->limit : TD_INFINITE)))
            fail_msg("seed %llu, policy %d: job %u could start on node %u", (unsigned long long)seed, (int)f->params.policy, job, i);
}

static void one_mixed_case(uint64_t seed)
{
    struct td_error err = {0};
    struct td_rng rng = {seed};
    struct film_job jobs[40];
    uint32_t nnodes = 1 + td_rng_below(&rng, 8), njobs = 1 + td_rng_below(&rng, 40);
    struct film f;

    film_open(&f);
    f.params.depth = 1 + td_rng_below(&rng, 6);
    for (uint32_t i = 0; i < nnodes; i++) {
        film_node(&f, (struct film_node){.cpus = 4 + 4 * td_rng_below(&rng, 4), .threads = 1 + td_rng_below(&rng, 2), .gpus = 2,
                                         .type = "a", .gpus2 = 1, .type2 = "b", .weight = td_rng_below(&rng, 3),
                                         .partition = td_rng_below(&rng, 2), .partition2 = td_rng_below(&rng, 2)});
        for (uint32_t c = 0; c < 4; c += 2)
            if (td_rng_below(&rng, 3))
                film_hold(&f, i, 1000 + i * 10 + c, c, 2, (int64_t)td_rng_below(&rng, 30) - 1);
        if (td_rng_below(&rng, 10) == 0)
            td_ledger_set_usable(f.l, i, false);
    }
    for (uint32_t j = 0; j < njobs; j++) {
        static const char *const types[] = {"a", "b", ""};
        uint32_t kind = td_rng_below(&rng, 4), nodes = kind ? 1 : 1 + td_rng_below(&rng, 3);

        jobs[j] = (struct film_job){.shape = {.cpus_per_task = 1 + td_rng_below(&rng, 4), .nodes_min = nodes},
                                    .partition = td_rng_below(&rng, 2),
                                    .limit = td_rng_below(&rng, 40),
                                    .least = td_rng_below(&rng, 5) ? 0 : 1 + td_rng_below(&rng, 5),
                                    .count = 1 + td_rng_below(&rng, 4),
                                    .gpus = td_rng_below(&rng, 3),
                                    .gpu = types[td_rng_below(&rng, 3)]};
        if (jobs[j].limit && jobs[j].least >= jobs[j].limit)
            jobs[j].least = 0;
        if (!kind && td_rng_below(&rng, 2)) {
            jobs[j].shape.ntasks = nodes * 2;
            jobs[j].shape.tasks_min = 1;
            jobs[j].shape.tasks_max = nodes * 2;
            jobs[j].shape.nodes_max = nodes + 1;
        }
        jobs[j].shape.exclusive = td_rng_below(&rng, 12) == 0;
        film_submit(&f, 1 + j, jobs[j]);
    }
    for (enum td_policy p = TD_POLICY_FIFO; p <= TD_POLICY_TENDER; p++) {
        f.params.policy = p;
        f.params.depth = p >= TD_POLICY_CONSERVATIVE ? 0 : f.params.depth;
        f.params.free_order = p == TD_POLICY_TENDER && seed % 2;
        film_plan(&f);
        if (p >= TD_POLICY_CONSERVATIVE)
            assert_true(book_check(f.l, f.params.now_ms, &err));
        for (uint32_t j = 0; j < njobs && p != TD_POLICY_FIFO && p < TD_POLICY_CONSERVATIVE;
             j++) /* with a book a later start may give up its booking */
            nothing_was_overlooked(&f, 1 + j, &jobs[j], seed);
    }
    film_close(&f);
}

static void random_mixtures_keep_the_rules(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2000; seed++)
        one_mixed_case(seed * 7777777);
    print_message("seeds 7777777 x 1..2000\n");
}

/* The same ledger and queue built by another history give the same plan. */
static void the_plan_does_not_depend_on_history(void **state)
{
    struct film f, g;

    (void)state;
    film_open(&f);
    film_open(&g);
    for (uint32_t i = 0; i < 4; i++) {
        film_node(&f, (struct film_node){.cpus = 4});
        film_node(&g, (struct film_node){.cpus = 2});
    }
    for (uint32_t i = 4; i-- > 0;)
        film_set(&g, i, (struct film_node){.cpus = 4});
    for (uint32_t i = 0; i < 4; i++) {
        film_hold(&f, i, 900, 0, 1, 50 + i);
        film_hold(&f, i, 901, 1, 1, -1);
        film_hold(&g, i, 902, 3, 1, 7);
        film_hold(&g, i, 901, 1, 1, -1);
        film_hold(&g, i, 900, 0, 1, 50 + i);
        td_ledger_give(g.l, i, 902, 1);
    }
    for (uint32_t j = 1; j < 30; j++)
        film_submit(&f, j, (struct film_job){CPUS(1 + j % 4), .limit = 10 * j, .rank = 1 + j % 5});
    for (uint32_t j = 30; j-- > 1;) {
        film_submit(&g, j, (struct film_job){CPUS(4), .rank = 99});
        film_submit(&g, j, (struct film_job){CPUS(1 + j % 4), .limit = 10 * j, .rank = 1 + j % 5});
    }
    assert_int_equal(td_ledger_digest(f.l), td_ledger_digest(g.l));
    film_plan(&f);
    film_plan(&g);
    film_plan(&g);
    assert_int_equal(f.plan.starts.n, g.plan.starts.n);
    for (uint32_t i = 0; i < f.plan.starts.n; i++) {
        assert_int_equal(f.plan.starts.v[i].job, g.plan.starts.v[i].job);
        assert_int_equal(f.plan.starts.v[i].limit_s, g.plan.starts.v[i].limit_s);
    }
    assert_int_equal(f.plan.promises.n, g.plan.promises.n);
    for (uint32_t i = 0; i < f.plan.promises.n; i++) {
        assert_int_equal(f.plan.promises.v[i].job, g.plan.promises.v[i].job);
        assert_int_equal(f.plan.promises.v[i].at_ms, g.plan.promises.v[i].at_ms);
    }
    film_close(&f);
    film_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_starts_in_rank_order),
        cmocka_unit_test(whole_cores_are_the_unit),
        cmocka_unit_test(memory_counts_where_it_is_said_to),
        cmocka_unit_test(an_array_is_one_candidate),
        cmocka_unit_test(bounds_end_the_pass),
        cmocka_unit_test(devices_by_model_and_of_any),
        cmocka_unit_test(features_and_names_choose_nodes),
        cmocka_unit_test(exclusive_wants_an_idle_node_and_keeps_it),
        cmocka_unit_test(light_nodes_first_then_by_number),
        cmocka_unit_test(an_unusable_node_takes_nothing),
        cmocka_unit_test(a_job_in_two_partitions_starts_once),
        cmocka_unit_test(rule_1_what_ends_in_time_may_start),
        cmocka_unit_test(rule_1_one_second_too_long_does_not),
        cmocka_unit_test(rule_2_what_is_spare_may_outlast),
        cmocka_unit_test(beyond_the_promise_nothing_is_kept),
        cmocka_unit_test(the_head_takes_the_node_that_is_free_first),
        cmocka_unit_test(a_holding_past_its_time_ends_in_a_second),
        cmocka_unit_test(without_limits_the_head_is_not_starved),
        cmocka_unit_test(time_min_shrinks_into_the_window),
        cmocka_unit_test(disjoint_partitions_have_their_own_heads),
        cmocka_unit_test(a_head_that_no_node_serves_holds_nobody_up),
        cmocka_unit_test(fifo_lets_nothing_pass_on_the_heads_nodes),
        cmocka_unit_test(conservative_promises_everybody),
        cmocka_unit_test(an_array_that_starts_in_one_of_two_partitions_is_booked_no_more),
        cmocka_unit_test(a_dry_run_leaves_the_book_as_it_was),
        cmocka_unit_test(a_promise_fills_the_hole_before_another),
        cmocka_unit_test(all_nodes_or_none),
        cmocka_unit_test(tasks_go_on_as_few_nodes_as_allowed),
        cmocka_unit_test(a_wide_head_waits_for_tasks_enough),
        cmocka_unit_test(a_wide_job_shrinks_too),
        cmocka_unit_test(a_refusing_node_gets_neither_start_nor_promise),
        cmocka_unit_test(settlement_keeps_the_promises),
        cmocka_unit_test(random_cases_agree_with_the_slow_reference),
        cmocka_unit_test(random_mixtures_keep_the_rules),
        cmocka_unit_test(the_plan_does_not_depend_on_history),
    };

    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
