/* bits.c - bitmaps as byte strings, least significant bit first */
#include "base/base.h"

#include <string.h>

static uint64_t word_at(const uint8_t *v, uint32_t nbytes, uint32_t i)
{
    uint64_t w = 0;

    if (i + 8 <= nbytes)
        memcpy(&w, v + i, 8);
    else if (i < nbytes)
        memcpy(&w, v + i, nbytes - i);
    return w;
}

/* Sums of 2, 4, 8 bits side by side (Knuth, TAOCP 7.1.3); the compiler's own is a call where the machine is not named. */
static uint32_t ones(uint64_t w)
{
    w -= w >> 1 & UINT64_C(0x5555555555555555);
    w = (w & UINT64_C(0x3333333333333333)) + (w >> 2 & UINT64_C(0x3333333333333333));
    w = (w + (w >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(w * UINT64_C(0x0101010101010101) >> 56);
}

uint32_t td_bits_count(const uint8_t *v, uint32_t nbytes)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < nbytes; i += 8)
        n += ones(word_at(v, nbytes, i));
    return n;
}

uint32_t td_bits_count_without(const uint8_t *v, const uint8_t *without, uint32_t nbytes)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < nbytes; i += 8)
        n += ones(word_at(v, nbytes, i) & ~word_at(without, nbytes, i));
    return n;
}

int64_t td_bits_next(const uint8_t *v, uint32_t nbytes, uint32_t from)
{
    for (uint32_t i = from / 8; i < nbytes; i++) {
        uint32_t b = v[i];
        if (i == from / 8)
            b &= 0xffu << (from % 8);
        if (b)
            return (int64_t)i * 8 + __builtin_ctz(b);
    }
    return -1;
}

bool td_bits_overlap(struct td_bin a, struct td_bin b)
{
    for (uint32_t i = 0; i < TD_MIN(a.n, b.n); i += 8) {
        if (word_at(a.v, a.n, i) & word_at(b.v, b.n, i))
            return true;
    }
    return false;
}

bool td_bits_covers(struct td_bin outer, struct td_bin inner)
{
    for (uint32_t i = 0; i < inner.n; i += 8) {
        if (word_at(inner.v, inner.n, i) & ~word_at(outer.v, outer.n, i))
            return false;
    }
    return true;
}

bool td_bin_equal(struct td_bin a, struct td_bin b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.v, b.v, a.n) == 0);
}
