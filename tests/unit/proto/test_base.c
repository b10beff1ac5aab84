/* test_base.c - what everything stands on */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"

static void arena_hands_out_zeroed_memory_again_after_reset(void **state)
{
    struct td_arena a = {0};
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 1; i < 3000; i += 7) {
            uint8_t *p = td_arena_alloc(&a, i);
            for (size_t k = 0; k < i; k++)
                assert_int_equal(p[k], 0);
            memset(p, 0xff, i);
        }
        td_arena_reset(&a);
        assert_int_equal(a.used_total, 0);
    }
    td_arena_release(&a);
    assert_null(a.head);
}

static void format_knows_what_the_cores_write(void **state)
{
    char out[128];
    (void)state;
    td_format(out, sizeof(out), "%s|%5s|%-5s|%.2s|%d|%03d|%5u|%lu|%c|%%|%x", "a", "b", "c", "defg", -7, 5, 42u,
              18446744073709551615ul, 'z', 255u);
    assert_string_equal(out, "a|    b|c    |de|-7|005|   42|18446744073709551615|z|%|ff");
    assert_int_equal(td_format(out, 4, "%s", "too long"), 8); /* says how long it would be, cuts */
    assert_string_equal(out, "too");
}

static void fail_carries_code_and_words(void **state)
{
    struct td_error err = {0};
    (void)state;
    assert_int_equal(td_fail(&err, 13, "node %s: %u short", "n1", 3u), -13);
    assert_int_equal(err.code, 13);
    assert_string_equal(err.text, "node n1: 3 short");
    assert_int_equal(td_fail(NULL, 5, "nobody asks"), -5);
}

static void bits_count_next_overlap_cover(void **state)
{
    uint8_t a[16] = {0}, b[4] = {0};
    (void)state;
    td_bits_set(a, 0);
    td_bits_set(a, 77);
    td_bits_set(a, 127);
    assert_int_equal(td_bits_count(a, sizeof(a)), 3);
    assert_int_equal(td_bits_next(a, sizeof(a), 1), 77);
    assert_int_equal(td_bits_next(a, sizeof(a), 128), -1);
    assert_false(td_bits_get(a, sizeof(a), 4000));
    td_bits_set(b, 1);
    assert_false(td_bits_overlap((struct td_bin){a, 16}, (struct td_bin){b, 4}));
    assert_false(td_bits_covers((struct td_bin){a, 16}, (struct td_bin){b, 4}));
    td_bits_set(a, 1);
    assert_true(td_bits_overlap((struct td_bin){a, 16}, (struct td_bin){b, 4}));
    assert_true(td_bits_covers((struct td_bin){a, 16}, (struct td_bin){b, 4}));
    assert_false(td_bits_covers((struct td_bin){b, 4}, (struct td_bin){a, 16})); /* bits beyond the shorter one count */
    td_bits_clear(a, 77);
    assert_int_equal(td_bits_next(a, sizeof(a), 2), 127);
}

/* Random puts and deletes against a plain array. */
static void maps_agree_with_an_array(void **state)
{
    enum { KEYS = 500 };
    static int values[KEYS];
    bool there[KEYS] = {0};
    struct td_map m = {0};
    struct td_strmap sm = {0};
    struct td_rng rng = {42};
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint32_t k = td_rng_below(&rng, KEYS);
        char name[16];
        td_format(name, sizeof(name), "key%u", k);
        if (td_rng_below(&rng, 2)) {
            td_map_put(&m, k * 1000003ull, &values[k]);
            td_strmap_put(&sm, name, &values[k]);
            there[k] = true;
        } else {
            assert_ptr_equal(td_map_del(&m, k * 1000003ull), there[k] ? &values[k] : NULL);
            assert_ptr_equal(td_strmap_del(&sm, name), there[k] ? &values[k] : NULL);
            there[k] = false;
        }
        uint32_t probe = td_rng_below(&rng, KEYS);
        td_format(name, sizeof(name), "key%u", probe);
        assert_ptr_equal(td_map_get(&m, probe * 1000003ull), there[probe] ? &values[probe] : NULL);
        assert_ptr_equal(td_strmap_get(&sm, name), there[probe] ? &values[probe] : NULL);
    }
    td_map_release(&m);
    td_strmap_release(&sm);
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    uint64_t u;
    int64_t i;
    (void)state;
    assert_true(td_parse_u64("18446744073709551615", &u) && u == UINT64_MAX);
    assert_false(td_parse_u64("18446744073709551616", &u));
    assert_false(td_parse_u64("", &u));
    assert_false(td_parse_u64("12x", &u));
    assert_false(td_parse_u64("-1", &u));
    assert_true(td_parse_i64("-9223372036854775808", &i) && i == INT64_MIN);
    assert_false(td_parse_i64("9223372036854775808", &i));
}

static void distance_finds_the_nearest_name(void **state)
{
    (void)state;
    assert_int_equal(td_edit_distance("NodName", "NodeName"), 1);
    assert_int_equal(td_edit_distance("nodename", "NODENAME"), 0);
    assert_int_equal(td_edit_distance("", "abc"), 3);
    assert_true(td_edit_distance("Port", "NodeName") > 3);
}

static void digest_depends_on_order_and_border(void **state)
{
    (void)state;
    assert_true(td_mix_u64(td_mix_u64(0, 1), 2) != td_mix_u64(td_mix_u64(0, 2), 1));
    assert_true(td_mix_str(td_mix_str(0, "ab"), "c") != td_mix_str(td_mix_str(0, "a"), "bc"));
    assert_true(td_mix_str(0, NULL) == td_mix_str(0, ""));
}

static void logarithms_and_powers_undo_each_other(void **state)
{
    (void)state;
    for (uint64_t v = 1; v < UINT64_C(1) << 50; v += 1 + v / 7) {
        uint64_t back = td_exp2_fixed(td_log2_fixed(v));
        assert_in_range(back, v - v / 32768 - (v > 1), v + v / 32768 + 1);
    }
    assert_int_equal(td_exp2_fixed(0), 1);
    assert_int_equal(td_exp2_fixed(10 << 16), 1024);
    assert_int_equal(td_exp2_fixed((10 << 16) + (1 << 15)), 1448); /* 1024 * sqrt 2 */
    assert_int_equal(td_exp2_fixed((INT64_C(63) << 16)), UINT64_C(1) << 63);
    assert_int_equal(td_exp2_fixed((INT64_C(64) << 16)), UINT64_MAX);
    assert_int_equal(td_exp2_fixed(-1), 0);
    assert_int_equal(td_isqrt(UINT64_MAX), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_hands_out_zeroed_memory_again_after_reset),
        cmocka_unit_test(format_knows_what_the_cores_write),
        cmocka_unit_test(fail_carries_code_and_words),
        cmocka_unit_test(bits_count_next_overlap_cover),
        cmocka_unit_test(maps_agree_with_an_array),
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(distance_finds_the_nearest_name),
        cmocka_unit_test(digest_depends_on_order_and_border),
        cmocka_unit_test(logarithms_and_powers_undo_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
