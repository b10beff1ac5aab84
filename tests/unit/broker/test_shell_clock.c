/* test_shell_clock.c - journal time: elapsed, slewed, stepped, never backwards */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/shell.h"

#define S 1000000LL

static void starts_at_the_later_of_wall_and_last_event(void **state)
{
    (void)state;
    struct shell_clock c;
    shell_clock_start(&c, 5 * S, 1000 * S, 0);
    assert_int_equal(shell_clock_read(&c, 5 * S, 1000 * S), 1000 * 1000);
    shell_clock_start(&c, 5 * S, 1000 * S, 1002 * 1000);
    assert_int_equal(shell_clock_read(&c, 5 * S, 1000 * S), 1002 * 1000);
    assert_int_equal(c.step_us, 0);
}

static void slews_slowly_however_often_it_is_read(void **state)
{
    (void)state;
    for (int64_t every = 100; every <= S; every *= 10) {
        struct shell_clock c;
        int64_t boot = 0, wall = 1000 * S;
        shell_clock_start(&c, boot, wall, 0);
        int64_t last = 0;
        wall += 1 * S; /* the wall clock is set a second ahead */
        for (int64_t t = 0; t < 100 * S; t += every) {
            boot += every;
            wall += every;
            int64_t now = shell_clock_read(&c, boot, wall);
            assert_true(now >= last);
            last = now;
        }
        /* 100 s at 500 ppm: 50 ms nearer, the second not yet reached */
        assert_in_range(c.now_us - 1100 * S, 49000, 50000);
        assert_int_equal(c.step_us, 0);
    }
}

static void a_step_ahead_is_told_once_and_taken(void **state)
{
    (void)state;
    struct shell_clock c;
    shell_clock_start(&c, 0, 1000 * S, 0);
    assert_int_equal(shell_clock_read(&c, 1 * S, 1061 * S), 1001 * 1000);
    assert_int_equal(c.step_us, 60 * S);
    shell_clock_take_step(&c);
    assert_int_equal(shell_clock_read(&c, 2 * S, 1062 * S), 1062 * 1000);
    assert_int_equal(c.step_us, 0);
}

static void a_step_back_is_told_once_and_time_goes_on(void **state)
{
    (void)state;
    struct shell_clock c;
    shell_clock_start(&c, 0, 1000 * S, 0);
    assert_int_equal(shell_clock_read(&c, 1 * S, 901 * S), 1001 * 1000);
    assert_int_equal(c.step_us, -100 * S);
    shell_clock_take_step(&c);
    int64_t last = 0;
    for (int i = 2; i < 1000; i++) {
        int64_t now = shell_clock_read(&c, i * S, (900 + i) * S);
        assert_true(now > last);
        last = now;
        assert_int_equal(c.step_us, 0);
    }
    /* and when it is set right again, that is a step of its own */
    shell_clock_read(&c, 1000 * S, 2000 * S + 20 * S);
    assert_true(c.step_us > 0);
}

static void a_stall_is_no_elapsed_time(void **state)
{
    (void)state;
    struct shell_clock c;
    shell_clock_start(&c, 0, 1000 * S, 0);
    shell_clock_read(&c, 1 * S, 1001 * S);
    assert_int_equal(shell_clock_read(&c, 4 * S, 1004 * S), 1004 * 1000); /* short: counted */
    assert_int_equal(c.step_us, 0);
    assert_int_equal(shell_clock_read(&c, 3604 * S, 4604 * S), 1004 * 1000);
    assert_int_equal(c.step_us, 3600 * S);
    shell_clock_take_step(&c);
    assert_int_equal(shell_clock_read(&c, 3605 * S, 4605 * S), 4605 * 1000);
}

static void blobs_are_bounded_and_the_oldest_used_goes(void **state)
{
    (void)state;
    struct shell_blobs b = {0};
    uint8_t hash[32] = {0}, first[32] = {1};
    size_t size = TD_MAX_BLOB_CACHE_BYTES / 8;
    char *data = td_alloc(size);
    shell_blobs_put(&b, first, data, size);
    for (uint8_t i = 2; i < 12; i++) {
        hash[0] = i;
        shell_blobs_put(&b, hash, data, size);
        assert_non_null(shell_blobs_get(&b, first)); /* used: stays */
        assert_true(b.bytes <= TD_MAX_BLOB_CACHE_BYTES);
    }
    hash[0] = 2;
    assert_null(shell_blobs_get(&b, hash));
    hash[0] = 11;
    hash[31] = 1; /* another hash with the same beginning is another blob */
    assert_null(shell_blobs_get(&b, hash));
    assert_int_equal(shell_blobs_put(&b, hash, "x", 1)->len, 1);
    shell_blobs_release(&b);
    assert_int_equal(b.bytes, 0);
    td_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_at_the_later_of_wall_and_last_event),
        cmocka_unit_test(slews_slowly_however_often_it_is_read),
        cmocka_unit_test(a_step_ahead_is_told_once_and_taken),
        cmocka_unit_test(a_step_back_is_told_once_and_time_goes_on),
        cmocka_unit_test(a_stall_is_no_elapsed_time),
        cmocka_unit_test(blobs_are_bounded_and_the_oldest_used_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
