/* outbox.c - reports that are not known to be durable at the broker
 *
 * Repeated after RESEND_FIRST_MS, then after twice as long each time up to RESEND_LAST_MS; anything acknowledged
 * starts that over. */
#include "worker/core/outbox.h"

#include <string.h>

#define RESEND_FIRST_MS 1000u
#define RESEND_LAST_MS 10000u

bool td_outbox_put(struct td_outbox *o, const struct td_report *r, int64_t now_ms)
{
    uint32_t at = o->v.n;

    if (r->no <= o->acked)
        return false;
    while (at > 0 && o->v.v[at - 1].report.no > r->no)
        at--;
    if (at > 0 && o->v.v[at - 1].report.no == r->no)
        return false;
    struct td_outbox_entry e = {.report = *r, .came_ms = now_ms, .fresh = true};
    e.report.text = td_str_empty(r->text) ? NULL : td_strdup(r->text);
    td_vec_push(&o->v, e);
    memmove(&o->v.v[at + 1], &o->v.v[at], (o->v.n - 1 - at) * sizeof(e));
    o->v.v[at] = e;
    o->fresh++;
    o->highest = TD_MAX(o->highest, r->no);
    return true;
}

static void drop_first(struct td_outbox *o, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        o->fresh -= o->v.v[i].fresh;
        td_free((char *)(uintptr_t)o->v.v[i].report.text);
    }
    if (n > 0)
        memmove(o->v.v, o->v.v + n, (o->v.n - n) * sizeof(o->v.v[0]));
    o->v.n -= n;
}

bool td_outbox_ack(struct td_outbox *o, uint64_t upto, int64_t now_ms)
{
    uint32_t n = 0;

    if (upto <= o->acked || upto > o->highest)
        return false;
    while (n < o->v.n && o->v.v[n].report.no <= upto)
        n++;
    drop_first(o, n);
    o->acked = upto;
    o->wait_ms = RESEND_FIRST_MS;
    o->resend_ms = now_ms + o->wait_ms;
    return true;
}

uint64_t td_outbox_base(const struct td_outbox *o)
{
    return o->v.n ? o->v.v[0].report.no : o->highest + 1;
}

void td_outbox_clear(struct td_outbox *o, bool renumbered)
{
    drop_first(o, o->v.n);
    if (renumbered)
        o->acked = o->highest = 0;
}

/* Fresh reports do not put off the repetition of older ones. */
static void set_repetition(struct td_outbox *o, bool all, bool nothing_older, int64_t now_ms)
{
    if (!all && !nothing_older)
        return;
    o->wait_ms = all && o->wait_ms > 0 ? TD_MIN(2 * o->wait_ms, RESEND_LAST_MS) : RESEND_FIRST_MS;
    o->resend_ms = now_ms + o->wait_ms;
}

struct td_report_list td_outbox_take(struct td_outbox *o, bool all, int64_t now_ms, struct td_arena *a)
{
    uint32_t n = all ? o->v.n : o->fresh, at = 0;

    if (n == 0)
        return (struct td_report_list){0};
    struct td_report *v = td_arena_alloc(a, n * sizeof(*v));
    for (uint32_t i = 0; i < o->v.n && at < n; i++) {
        struct td_outbox_entry *e = &o->v.v[i];
        if (!all && !e->fresh)
            continue;
        e->fresh = false;
        v[at] = e->report;
        if (e->report.text) /* the entry may be acknowledged before what is sent now has left */
            v[at].text = td_arena_strdup(a, e->report.text);
        v[at].ago_ms += now_ms - e->came_ms;
        at++;
    }
    o->fresh = 0;
    set_repetition(o, all, at == o->v.n, now_ms);
    return (struct td_report_list){v, at};
}

void td_outbox_release(struct td_outbox *o)
{
    drop_first(o, o->v.n);
    td_vec_release(&o->v);
}
