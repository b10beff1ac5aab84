/* test_shell_rate.c - the bucket: its burst, its rate, when to come back, how many of them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/shell.h"

static void a_burst_then_the_rate(void **state)
{
    struct shell_rates r = {0};
    int64_t now = 5000000;
    (void)state;
    for (int i = 0; i < 200; i++)
        assert_int_equal(shell_rate_take(&r, 1000, 100, now), 0); /* two seconds' worth */
    assert_int_equal(shell_rate_take(&r, 1000, 100, now), 10);
    assert_int_equal(shell_rate_take(&r, 1000, 100, now), 10); /* a refusal costs nothing */
    assert_int_equal(shell_rate_take(&r, 1001, 100, now), 0);  /* others are not concerned */
    assert_int_equal(shell_rate_take(&r, 1000, 100, now + 9000), 1);
    assert_int_equal(shell_rate_take(&r, 1000, 100, now + 10000), 0);
    assert_int_equal(shell_rate_take(&r, 1000, 100, now + 10000), 10);
    now += 60 * 1000000;
    for (int i = 0; i < 200; i++)
        assert_int_equal(shell_rate_take(&r, 1000, 100, now), 0);
    assert_int_not_equal(shell_rate_take(&r, 1000, 100, now), 0); /* and no more for having been silent long */
    for (int s = 1; s <= 10; s++) {
        for (int i = 0; i < 100; i++)
            assert_int_equal(shell_rate_take(&r, 1000, 100, now + s * 1000000), 0);
        assert_int_not_equal(shell_rate_take(&r, 1000, 100, now + s * 1000000), 0);
    }
    shell_rates_release(&r);
}

static void buckets_are_bounded(void **state)
{
    struct shell_rates r = {0};
    (void)state;
    for (uint32_t uid = 0; uid < 3 * TD_MAX_RATE_USERS; uid++) {
        assert_int_equal(shell_rate_take(&r, uid, 10, 1000000), 0); /* all at once: none is full again */
        assert_true(r.all.n <= TD_MAX_RATE_USERS);
        assert_int_equal(r.all.n, r.by_uid.n);
    }
    assert_int_equal(shell_rate_take(&r, 7, 10, 60000000), 0);
    shell_rates_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_the_rate),
        cmocka_unit_test(buckets_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
