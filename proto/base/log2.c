/* log2.c - logarithms and roots that are the same on every machine (law 9) */
#include "base/base.h"

/* log2 in 1/65536, exact to the last digit or two: whole part by counting, the rest by squaring
 * (Knuth, TAOCP 1.2.2, exercise 25). v > 0. */
int64_t td_log2_fixed(uint64_t v)
{
    uint32_t whole = 63 - (uint32_t)__builtin_clzll(v);
    uint64_t m = whole > 31 ? v >> (whole - 31) : v << (31 - whole); /* in [1, 2), in 1/2^31 */
    int64_t ret = (int64_t)whole << 16;

    for (int64_t bit = 1 << 15; bit; bit >>= 1) {
        m = m * m >> 31;
        if (m >> 32) {
            m >>= 1;
            ret |= bit;
        }
    }
    return ret;
}

/* Digit by digit. */
uint64_t td_isqrt(uint64_t v)
{
    uint64_t root = 0;

    for (uint64_t bit = UINT64_C(1) << 62; bit; bit >>= 2) {
        if (v >= root + bit) {
            v -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}
