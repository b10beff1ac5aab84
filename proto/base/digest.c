/* digest.c - mixing of integers and bytes into 64 bits, and random numbers as values
 *
 * The finalizer and the generator are splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
 * 2014). Bytes are taken little-endian, eight at a time, so that every machine agrees. */
#include "base/base.h"

#include <string.h>

static uint64_t finish(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t td_mix_u64(uint64_t h, uint64_t v)
{
    return finish(h * 0x9e3779b97f4a7c15u + v + 0x632be59bd9b4e019u);
}

uint64_t td_mix_bytes(uint64_t h, const void *p, size_t n)
{
    const uint8_t *b = p;
    h = td_mix_u64(h, n);
    while (n) {
        size_t take = TD_MIN(n, (size_t)8);
        uint64_t w = 0;
        for (size_t i = 0; i < take; i++)
            w |= (uint64_t)b[i] << (8 * i);
        h = td_mix_u64(h, w);
        b += take;
        n -= take;
    }
    return h;
}

uint64_t td_mix_str(uint64_t h, const char *s)
{
    return td_mix_bytes(h, s ? s : "", s ? strlen(s) : 0);
}

uint64_t td_rng_next(struct td_rng *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return finish(r->state);
}

uint32_t td_rng_below(struct td_rng *r, uint32_t n)
{
    TD_ASSERT(n > 0);
    return (uint32_t)(((td_rng_next(r) >> 32) * n) >> 32);
}
