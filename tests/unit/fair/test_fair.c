/* test_fair.c - Fair Tree on trees that were computed by hand, decay, and the sum of priorities */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "broker/fair/fair.h"

#define ROOT                                                                                                                \
    {                                                                                                                       \
        0, false, false, 1, 0                                                                                               \
    }
#define ACCOUNT(parent, shares, usage)                                                                                      \
    {                                                                                                                       \
        parent, false, false, shares, usage                                                                                 \
    }
#define USER(parent, shares, usage)                                                                                         \
    {                                                                                                                       \
        parent, true, false, shares, usage                                                                                  \
    }

static void ranks(const struct td_fair_node *nodes, uint32_t n, const uint32_t *want, uint32_t users)
{
    struct td_fair_level level[64];

    assert_int_equal(td_fair_tree(nodes, n, level), users);
    for (uint32_t i = 0; i < n; i++)
        if (level[i].rank != want[i])
            fail_msg("node %u has rank %u, not %u", i, level[i].rank, want[i]);
}

/* Two accounts of 60 and 40 shares that used 30 and 70: levels (0.6/0.3) = 2 and (0.4/0.7) = 0.57. So all of the first come
 * before all of the second. In the first: a has half the shares and 2/3 of the usage (0.75), b half and 1/3 (1.5). In the
 * second: d used nothing (infinite), c all of it (0.5). */
static void accounts_before_users(void **state TD_UNUSED)
{
    static const struct td_fair_node nodes[] = {
        ROOT, ACCOUNT(0, 60, 30), USER(1, 1, 20), USER(1, 1, 10), ACCOUNT(0, 40, 70), USER(4, 1, 70), USER(4, 1, 0)};
    static const uint32_t want[] = {0, 0, 3, 4, 0, 1, 2};

    ranks(nodes, 7, want, 4);
}

/* Three levels. Under root: A 50 shares, used 100; B 50, used 300; u 100 shares, used 100. Levels: A (1/4)/(1/5) = 1.25,
 * B 0.25/0.6 = 0.42, u 0.5/0.2 = 2.5: u first (rank 6). Below A: A1 (3 shares, used 60) and A2 (1, used 40): 0.75/0.6 = 1.25
 * and 0.25/0.4 = 0.625. In A1: x and y, equal shares, used 30 each: a tie, both rank 5, and the next is 3. In A2: z rank 3.
 * In B: v (2 shares, 200) 0.667/0.667 = 1 and w (1, 100) 1: a tie of different numbers, both rank 2. */
static void three_levels_with_ties(void **state TD_UNUSED)
{
    static const struct td_fair_node nodes[] = {
        ROOT,           ACCOUNT(0, 50, 100), ACCOUNT(1, 3, 60), USER(2, 5, 30),  USER(2, 5, 30),   ACCOUNT(1, 1, 40),
        USER(5, 1, 40), ACCOUNT(0, 50, 300), USER(7, 2, 200),   USER(7, 1, 100), USER(0, 100, 100)};
    static const uint32_t want[] = {0, 0, 0, 5, 5, 0, 3, 0, 2, 2, 6};

    ranks(nodes, 11, want, 6);
}

/* Accounts C and D tie (equal shares, equal usage): their children are walked as one list. In C: c1 (1 share, 30 of 40:
 * level 0.667), c2 (1, 10: 2). In D: d1 (1, 20 of 40: 1), d2 (1, 20: 1). Merged: c2 4, d1 and d2 3, c1 1. */
static void accounts_that_tie_are_merged(void **state TD_UNUSED)
{
    static const struct td_fair_node nodes[] = {
        ROOT, ACCOUNT(0, 1, 40), USER(1, 1, 30), USER(1, 1, 10), ACCOUNT(0, 1, 40), USER(4, 1, 20), USER(4, 1, 20)};
    static const uint32_t want[] = {0, 0, 1, 4, 0, 3, 3};

    ranks(nodes, 7, want, 4);
}

/* A user beside an account of his level has the rank of its first user; those behind are counted as if he had none with him:
 * u and p 4, then q 2, then r. */
static void a_user_beside_an_account(void **state TD_UNUSED)
{
    static const struct td_fair_node nodes[] = {ROOT,           USER(0, 1, 50),     ACCOUNT(0, 1, 50), USER(2, 1, 10),
                                                USER(2, 1, 40), ACCOUNT(0, 1, 200), USER(5, 1, 200)};
    static const uint32_t want[] = {0, 4, 0, 4, 2, 0, 1};

    ranks(nodes, 7, want, 4);
}

static void nothing_is_not_a_number(void **state TD_UNUSED)
{
    static const struct td_fair_node idle[] = {ROOT, ACCOUNT(0, 1, 0), USER(1, 1, 0), USER(1, 0, 0), USER(1, 0, 0)};
    static const uint32_t want[] = {0, 0, 3, 2, 2}; /* without shares: last, whatever was used */
    static const struct td_fair_node alone[] = {ROOT};
    struct td_fair_level level;

    ranks(idle, 5, want, 3);
    assert_int_equal(td_fair_tree(alone, 1, &level), 0);
    assert_int_equal(td_fair_tree(NULL, 0, NULL), 0);
}

/* The account's own are as the root's: a (1 share, 10), b (1, 30) and u (2, 40), of 4 shares and 80: 0.25/0.125 = 2,
 * 0.25/0.375 = 0.67, 0.5/0.5 = 1. */
static void parents_share(void **state TD_UNUSED)
{
    static const struct td_fair_node nodes[] = {
        ROOT, {0, false, true, 0, 40}, USER(1, 1, 10), USER(1, 1, 30), USER(0, 2, 40)};
    static const uint32_t want[] = {0, 0, 3, 1, 2};
    /* Users who have it are as their account, and alike. */
    static const struct td_fair_node users[] = {
        ROOT, ACCOUNT(0, 1, 40), {1, true, true, 0, 10}, {1, true, true, 0, 30}, ACCOUNT(0, 1, 10), USER(4, 1, 10)};
    static const uint32_t alike[] = {0, 0, 2, 2, 0, 3};

    ranks(nodes, 5, want, 3);
    ranks(users, 6, alike, 3);
}

/* Numbers as large as they get: 2^32 - 1 shares, 2^64 - 1 usage. */
static void large_numbers(void **state TD_UNUSED)
{
    static const struct td_fair_node nodes[] = {ROOT, ACCOUNT(0, UINT32_MAX, UINT64_MAX), USER(1, UINT32_MAX, UINT64_MAX),
                                                USER(1, UINT32_MAX, UINT64_MAX - 1), USER(1, UINT32_MAX - 1, UINT64_MAX)};
    static const uint32_t want[] = {0, 0, 2, 3, 1};

    ranks(nodes, 5, want, 3);
}

static void usage_decays(void **state TD_UNUSED)
{
    const uint32_t week = 7 * 24 * 3600;
    uint64_t f = td_fair_factor((uint64_t)week * 1000, week);

    assert_true(f == TD_FAIR_UNDECAYED / 2);
    assert_int_equal(td_fair_decay(1000, f), 500);
    assert_true(td_fair_factor(0, week) == TD_FAIR_UNDECAYED);
    assert_int_equal(td_fair_decay(12345, td_fair_factor(0, week)), 12345);
    assert_true(td_fair_factor(UINT64_MAX, 0) == TD_FAIR_UNDECAYED); /* no half-life: nothing decays */
    assert_int_equal(td_fair_factor(UINT64_MAX, 1), 0);
    assert_int_equal(td_fair_decay(UINT64_MAX, TD_FAIR_UNDECAYED / 2), UINT64_MAX / 2);
    /* half of half a life: 0.70710678 */
    assert_int_equal(td_fair_decay(1000000000, td_fair_factor((uint64_t)week * 500, week)), 707106781);
    uint64_t u = 1000000000000; /* week / 5 minutes ticks come to one half */
    for (uint32_t i = 0; i < week / 300; i++)
        u = td_fair_decay(u, td_fair_factor(300000, week));
    assert_true(u > 499999990000 && u <= 500000000000);
}

/* The sum of parts never outgrows their whole. */
static void parts_stay_below_their_whole(void **state TD_UNUSED)
{
    struct td_rng rng = {.state = 7};

    for (uint32_t i = 0; i < 10000; i++) {
        uint64_t a = td_rng_next(&rng) >> 2, b = td_rng_next(&rng) >> 2,
                 f = td_fair_factor(td_rng_below(&rng, 900000000), 1 + td_rng_below(&rng, 1000000));
        assert_true(td_fair_decay(a, f) + td_fair_decay(b, f) <= td_fair_decay(a + b, f));
        assert_true(td_fair_decay(a, f) <= a);
    }
}

static void priorities(void **state TD_UNUSED)
{
    static const uint64_t kinds[] = {2000 * 1000000ull};
    static const struct td_ratio gpus[] = {{2, 8}};
    struct td_priority_weights w = {1000, 100, 10000, 1000, 500, 2000, kinds, 1};
    struct td_priority_job j = {.age = {3600, 7 * 24 * 3600},
                                .assoc = {5, 10},
                                .fair = {3, 4},
                                .nodes = {1, 2},
                                .cpus = {8, 16},
                                .partition = {1, 1},
                                .qos = {150, 200},
                                .kinds = gpus,
                                .nice = 0};
    struct td_priority p;

    td_priority_compute(&w, &j, &p);
    assert_int_equal(p.age, 6); /* 5.95: shown to the nearest, summed as it is */
    assert_int_equal(p.assoc, 50);
    assert_int_equal(p.fair, 7500);
    assert_int_equal(p.size, 500);
    assert_int_equal(p.partition, 500);
    assert_int_equal(p.qos, 1500);
    assert_int_equal(p.kinds[0], 500);
    assert_int_equal(p.sum, 5 + 50 + 7500 + 500 + 500 + 1500 + 500);
    assert_int_equal(p.fair_factor, 750000000);
    j.nice = 1000;
    j.site = 10;
    td_priority_compute(&w, &j, &p);
    assert_int_equal(p.sum, 5 + 50 + 7500 + 500 + 500 + 1500 + 500 - 1000 + 10);
    j.nice = 2147483645; /* never below one */
    td_priority_compute(&w, &j, &p);
    assert_int_equal(p.sum, 1);
    j.nice = 0;
    j.nodes = (struct td_ratio){2, 2}; /* the whole machine */
    j.cpus = (struct td_ratio){16, 16};
    td_priority_compute(&w, &j, &p);
    assert_int_equal(p.size, 1000);
    j.favor_small = true;
    j.nodes.part = 1;
    j.cpus.part = 1;
    td_priority_compute(&w, &j, &p);
    assert_int_equal(p.size, 719);                /* half of 1/2 and 15/16: 718.75 */
    w.age = w.fair = w.qos = w.size = UINT32_MAX; /* beyond what a priority holds */
    td_priority_compute(&w, &j, &p);
    assert_true(p.sum == UINT32_MAX);
    j = (struct td_priority_job){.kinds = (const struct td_ratio[]){{0, 0}}}; /* nothing is known of anything */
    td_priority_compute(&w, &j, &p);
    assert_int_equal(p.sum, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_before_users),
        cmocka_unit_test(three_levels_with_ties),
        cmocka_unit_test(accounts_that_tie_are_merged),
        cmocka_unit_test(a_user_beside_an_account),
        cmocka_unit_test(nothing_is_not_a_number),
        cmocka_unit_test(parents_share),
        cmocka_unit_test(large_numbers),
        cmocka_unit_test(usage_decays),
        cmocka_unit_test(parts_stay_below_their_whole),
        cmocka_unit_test(priorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
