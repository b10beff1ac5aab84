/* bits.c - bitmaps as byte strings, least significant bit first */
#include "base/base.h"

#include <string.h>

uint32_t td_bits_count(const uint8_t *v, uint32_t nbytes)
{
    uint32_t n = 0, i = 0;

    for (; i + 8 <= nbytes; i += 8) {
        uint64_t w;
        memcpy(&w, v + i, 8);
        n += (uint32_t)__builtin_popcountll(w);
    }
    for (; i < nbytes; i++)
        n += (uint32_t)__builtin_popcount(v[i]);
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
    for (uint32_t i = 0; i < TD_MIN(a.n, b.n); i++) {
        if (a.v[i] & b.v[i])
            return true;
    }
    return false;
}

bool td_bits_covers(struct td_bin outer, struct td_bin inner)
{
    for (uint32_t i = 0; i < inner.n; i++) {
        if (inner.v[i] & ~(i < outer.n ? outer.v[i] : 0u))
            return false;
    }
    return true;
}

bool td_bin_equal(struct td_bin a, struct td_bin b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.v, b.v, a.n) == 0);
}
