/* decay.c - usage that counts half after a half-life, in fixed point: every machine comes to the same number
 *
 * 2^-x is taken apart into its whole part, a shift, and the binary digits of the rest, each of which is a factor known
 * beforehand: 2^-(1/2), 2^-(1/4), ... Everything is rounded down, so that the sum of parts never decays to more than what
 * their whole decays to, and nothing ever grows. */
#include "broker/fair/fair.h"

#define DIGITS 48

static const uint64_t roots[DIGITS] = { /* 2^-(2^-k) for k from 1, in 1/2^63 */
    0x5a827999fcef3242, 0x6ba27e656b4eb57a, 0x75606373ee921c97, 0x7a92be8a92436616,
    0x7d41d96db915019d, 0x7e9f06067a4360ba, 0x7f4f08ae3dc7c425, 0x7fa765aca88f6452,
    0x7fd3ab290e46d768, 0x7fe9d3a8e07bf085, 0x7ff4e9597bed93aa, 0x7ffa748dff8dc61e,
    0x7ffd3a3f50020332, 0x7ffe9d1dbc0a75a9, 0x7fff4e8e6306ed58, 0x7fffa74712c3cdfd,
    0x7fffd3a381b1fa28, 0x7fffe9d1beed0189, 0x7ffff4e8defb81d7, 0x7ffffa746f5f012f,
    0x7ffffd3a37a7d0a8, 0x7ffffe9d1bd1fc58, 0x7fffff4e8de8832d, 0x7fffffa746f422d6,
    0x7fffffd3a37a09bb, 0x7fffffe9d1bd02f1, 0x7ffffff4e8de80fd, 0x7ffffffa746f4060,
    0x7ffffffd3a37a028, 0x7ffffffe9d1bd012, 0x7fffffff4e8de808, 0x7fffffffa746f404,
    0x7fffffffd3a37a02, 0x7fffffffe9d1bd01, 0x7ffffffff4e8de80, 0x7ffffffffa746f40,
    0x7ffffffffd3a37a0, 0x7ffffffffe9d1bd0, 0x7fffffffff4e8de8, 0x7fffffffffa746f4,
    0x7fffffffffd3a37a, 0x7fffffffffe9d1bd, 0x7ffffffffff4e8de, 0x7ffffffffffa746f,
    0x7ffffffffffd3a37, 0x7ffffffffffe9d1b, 0x7fffffffffff4e8d, 0x7fffffffffffa746,
};

uint64_t td_fair_factor(uint64_t elapsed_ms, uint32_t half_life_s)
{
    if (!half_life_s)
        return TD_FAIR_UNDECAYED;
    uint64_t half_ms = (uint64_t)half_life_s * 1000, whole = elapsed_ms / half_ms;
    uint64_t rest = (uint64_t)(((unsigned __int128)(elapsed_ms % half_ms) << DIGITS) / half_ms);
    uint64_t f = TD_FAIR_UNDECAYED;
    if (whole >= 63)
        return 0;
    for (uint32_t k = 0; k < DIGITS; k++)
        if (rest >> (DIGITS - 1 - k) & 1)
            f = (uint64_t)((unsigned __int128)f * roots[k] >> 63);
    return f >> whole;
}

uint64_t td_fair_decay(uint64_t usage, uint64_t factor)
{
    return (uint64_t)((unsigned __int128)usage * factor >> 63);
}
