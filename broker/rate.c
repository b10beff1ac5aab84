/* rate.c - how often one user may ask: a bucket for each, with a bound that says when to come back
 *
 * A bucket is one moment: when it is full again (the generic cell rate algorithm: every request moves that by 1/rate, and
 * one that would move it more than the burst ahead is refused). Pure: time comes in. Buckets are bounded (RATE_USERS); full
 * ones hold nothing and are dropped first. */
#include "broker/shell.h"

#include <string.h>

#define SECOND_NS 1000000000ll
#define BURST_S 2           /* what was not asked for so long may be asked at once */
#define OPERATORS_TIMES 4u  /* of everybody's rate */
#define TOLD_US 60000000ll  /* a user over his rate is told of once in so long */

static void drop_full(struct shell_rates *r, int64_t now_ns)
{
    uint32_t k = 0;
    int64_t least = INT64_MAX;
    for (uint32_t i = 0; i < r->all.n; i++)
        least = TD_MIN(least, r->all.v[i]->full_ns);
    for (uint32_t i = 0; i < r->all.n; i++) {
        struct shell_bucket *b = r->all.v[i];
        if (b->full_ns > TD_MAX(now_ns, least)) {
            r->all.v[k++] = b;
            continue;
        }
        td_map_del(&r->by_uid, b->uid);
        td_free(b);
    }
    r->all.n = k;
}

static struct shell_bucket *bucket_of(struct shell_rates *r, uint32_t uid, int64_t now_ns)
{
    struct shell_bucket *b = td_map_get(&r->by_uid, uid);
    if (b)
        return b;
    if (r->all.n >= TD_MAX_RATE_USERS)
        drop_full(r, now_ns);
    b = td_alloc(sizeof(*b));
    b->uid = uid;
    td_map_put(&r->by_uid, uid, b);
    td_vec_push(&r->all, b);
    return b;
}

uint32_t shell_rate_take(struct shell_rates *r, uint32_t uid, uint32_t per_s, int64_t now_us)
{
    int64_t now = now_us * 1000, each = SECOND_NS / TD_MAX(per_s, 1u);
    struct shell_bucket *b = bucket_of(r, uid, now);
    int64_t full = TD_MAX(b->full_ns, now) + each;
    int64_t early = full - now - BURST_S * SECOND_NS;
    if (early > 0)
        return (uint32_t)((early + 999999) / 1000000);
    b->full_ns = full;
    return 0;
}

void shell_rates_release(struct shell_rates *r)
{
    drop_full(r, INT64_MAX);
    td_vec_release(&r->all);
    td_map_release(&r->by_uid);
}

/* --- at the doors ------------------------------------------------------------------------------------------------------- */

static void tell(struct shell *s, const struct shell_from *from, uint32_t id, const char *text)
{
    struct shell_bucket *b = td_map_get(&s->rates.by_uid, from->uid);
    b->refused++;
    if (b->told_us && shell_boot_us() - b->told_us < TOLD_US)
        return;
    shell_log(&s->log, "warn user=%u %s (%u refused)", from->uid, text, b->refused);
    shell_denied(s, from, id, text);
    b->told_us = shell_boot_us();
    b->refused = 0;
}

bool shell_rate_admit(struct shell *s, const struct shell_from *from, uint32_t id, uint64_t request)
{
    uint32_t rate = td_core_settings(s->core)->request_rate;
    if (!rate || from->key || id == TD_MSG_SESSION_HEARD) /* who is silent loses his allocation: never for asking too often */
        return true;
    if (td_core_is_operator(s->core, from->uid))
        rate *= OPERATORS_TIMES;
    uint32_t ms = shell_rate_take(&s->rates, from->uid, rate, shell_boot_us());
    if (!ms)
        return true;
    char text[TD_ERROR_TEXT_MAX];
    td_core_counters(s->core)->rejected++;
    td_core_counters(s->core)->rate_refused++;
    td_format(text, sizeof(text), "%s: more than %u requests a second (RequestRate)", td_error_words(TD_E_RATE), rate);
    tell(s, from, id, text);
    td_format(text + strlen(text), sizeof(text) - strlen(text), ": again in %u ms", ms);
    const struct td_error_reply m = {.code = TD_E_RATE, .text = text, .retry_ms = ms};
    shell_reply(s, from->peer, request, TD_MSG_ERROR, &m);
    return false;
}
