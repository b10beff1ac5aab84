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

/* A factor for each bit of the fraction: 2^(1/2), 2^(1/4), ... in 1/2^31. */
uint64_t td_exp2_fixed(int64_t x)
{
    static const uint32_t roots[16] = {3037000500, 2553802834, 2341847524, 2242560872, 2194507417, 2170868212,
                                       2159144272, 2153306067, 2150392887, 2148937775, 2148210589, 2147847087,
                                       2147665360, 2147574502, 2147529075, 2147506361};
    uint64_t m = UINT64_C(1) << 31;

    if (x < 0)
        return 0;
    if (x >= (int64_t)64 << 16)
        return UINT64_MAX;
    for (uint32_t i = 0; i < 16; i++)
        if (x >> (15 - i) & 1)
            m = m * roots[i] >> 31;
    uint32_t whole = (uint32_t)(x >> 16);
    if (whole >= 31)
        return m << (whole - 31);
    return (m + (UINT64_C(1) << (30 - whole))) >> (31 - whole);
}

/* Digit by digit. */
uint64_t td_isqrt(uint64_t v)
{
    uint64_t root = 0;

    for (uint64_t bit = UINT64_C(1) << ((63 - __builtin_clzll(v | 1)) & ~1); bit; bit >>= 2) {
        if (v >= root + bit) {
            v -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}
