/* test_sim_compare.c - two schedules job by job: who is matched with whom, and what is said of them */
#include "simfilm.h"

#include "broker/sim/compare.h"

/* number submit wait run used - - procs limit - - user */
#define A "1 0 0 100 1 -1 -1 1 100 -1 1 7\n"     \
          "2 5 50 100 3 -1 -1 3 100 -1 1 7\n"    \
          "3 6 200 20 4 -1 -1 4 100 -1 1 8\n"    \
          "4 7 10 5 9 -1 -1 9 100 -1 1 8\n"      \
          "5 8 30 5 2 -1 -1 2 100 -1 1 9\n"      \
          "6 9 30 5 2 -1 -1 2 100 -1 1 9\n"      \
          "8 11 30 5 2 -1 -1 2 100 -1 1 9\n"
#define B "3 6 100 20 4 -1 -1 4 100 -1 1 8\n"    \
          "2 5 60 100 3 -1 -1 3 100 -1 1 7\n"    \
          "1 0 0 100 1 -1 -1 1 100 -1 1 7\n"     \
          "4 7 40 5 9 -1 -1 9 100 -1 1 8\n"      \
          "5 8 -1 5 2 -1 -1 2 100 -1 1 9\n"      \
          "6 9 30 6 2 -1 -1 2 100 -1 1 9\n"      \
          "7 10 30 5 2 -1 -1 2 100 -1 1 9\n"     \
          "9 10 30 5 2 -1 -1 2 100 -1 1 9\n"

static void compare(const char *a, const char *b, struct sim_compare *ret)
{
    struct td_error err = {0};
    struct trace ta, tb;

    assert_int_equal(read_text(a, UINT32_MAX, &ta, &err), 0);
    assert_int_equal(read_text(b, UINT32_MAX, &tb, &err), 0);
    sim_compare_make(&ta, &tb, ret);
    trace_release(&ta);
    trace_release(&tb);
}

static void jobs_are_matched_by_what_they_are(void **state TD_UNUSED)
{
    struct sim_compare c;

    compare(A, B, &c);
    assert_int_equal(c.jobs, 4);
    assert_int_equal(c.only[0], 1);
    assert_int_equal(c.only[1], 2);
    assert_int_equal(c.differ, 1);
    assert_int_equal(c.unknown, 1);
    sim_compare_release(&c);
}

static void who_waits_less_and_who_more(void **state TD_UNUSED)
{
    struct sim_compare c;

    compare(A, B, &c);
    assert_int_equal(c.less.jobs, 1);
    assert_true(c.less.mean == 100 && c.less.median == 100);
    assert_int_equal(c.less.most[0].id, 3);
    assert_int_equal(c.more.jobs, 2);
    assert_true(c.more.mean == 20 && c.more.median == 10);
    assert_int_equal(c.more.most[0].id, 4);
    assert_int_equal(c.more.most[1].id, 2);
    assert_true(c.side[0].mean_wait == (0 + 50 + 200 + 10) / 4.0 && c.side[1].mean_wait == (0 + 60 + 100 + 40) / 4.0);
    assert_true(c.side[0].median_wait == 10 && c.side[0].max_wait == 200);
    /* 1, 1.5, 11, 1.5 */
    assert_true(c.side[0].avebsld > 3.75 - 1e-9 && c.side[0].avebsld < 3.75 + 1e-9);
    sim_compare_release(&c);
}

static void by_size_and_by_user(void **state TD_UNUSED)
{
    struct sim_compare c;

    compare(A, B, &c);
    assert_int_equal(c.sizes.n, 3);
    assert_int_equal(c.sizes.v[0].key, 1);
    assert_int_equal(c.sizes.v[1].key, 4); /* 3 and 4 processors */
    assert_int_equal(c.sizes.v[1].jobs, 2);
    assert_int_equal(c.sizes.v[1].less, 1);
    assert_int_equal(c.sizes.v[1].more, 1);
    assert_true(c.sizes.v[1].mean[0] == 125 && c.sizes.v[1].mean[1] == 80);
    assert_true(c.sizes.v[1].median[1] == 60);
    assert_int_equal(c.sizes.v[2].key, 16);
    assert_int_equal(c.users.n, 2);
    assert_int_equal(c.users.v[0].key, 8); /* its waits changed most */
    assert_int_equal(c.users.v[1].key, 7);
    sim_compare_release(&c);
}

static void what_is_printed(void **state TD_UNUSED)
{
    struct sim_compare c;
    struct td_buf b = {0};

    compare(A, B, &c);
    sim_compare_print(&c, &b);
    assert_non_null(strstr(td_buf_str(&b), "4 jobs in both\n1 only in A\n2 only in B\n"));
    assert_non_null(strstr(td_buf_str(&b), "1 wait less in B: 100 s less in the mean"));
    assert_non_null(strstr(td_buf_str(&b), "job 3 of user 8, 4 processors: 200 s in A, 100 s in B"));
    td_buf_reset(&b);
    sim_compare_json(&c, &b);
    assert_non_null(strstr(td_buf_str(&b), "{\"jobs\":4,\"only\":[1,2],\"differ\":1,\"unknown\":1,"));
    assert_non_null(strstr(td_buf_str(&b), "{\"procs\":[3,4],\"jobs\":2,\"less\":1,\"more\":1,\"mean_wait\":[125.000,80.000]"));
    td_buf_release(&b);
    sim_compare_release(&c);
}

static void the_same_schedule_is_nobodys_loss(void **state TD_UNUSED)
{
    struct sim_compare c;

    compare(A, A, &c);
    assert_int_equal(c.jobs, 7);
    assert_int_equal(c.less.jobs + c.more.jobs, 0);
    sim_compare_release(&c);
    compare("1 0 0 100 1\n", "2 0 0 100 1\n", &c);
    assert_int_equal(c.jobs, 0);
    assert_true(c.side[0].mean_wait == 0);
    sim_compare_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_are_matched_by_what_they_are),
        cmocka_unit_test(who_waits_less_and_who_more),
        cmocka_unit_test(by_size_and_by_user),
        cmocka_unit_test(what_is_printed),
        cmocka_unit_test(the_same_schedule_is_nobodys_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
