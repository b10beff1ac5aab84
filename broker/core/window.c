/* window.c - nodes kept for some over a stretch of time, and what that leaves to the others
 *
 * Owns: struct window, the reservations as the planner sees them. A reservation takes whole nodes, so
 * it is no amount but a stretch of time in which a shape may hold a node or may not:
 *
 *   who names none           not while any reservation of the node lasts
 *   who names one            only while that one lasts, and not while another of the node does, unless
 *                            his was made to take nodes that others have (over)
 *   who names a flexible one as who names none, but for that one
 *
 * One that comes again (every) is reckoned with for ever: a job that would meet tomorrow's does not
 * begin today. Times are the journal's. Without reservations each question is one comparison. */
#include "ledger_priv.h"

#include <string.h>

#include "plan_priv.h"

#define DAY_MS INT64_C(86400000)
#define TURNS_MAX 512u /* times looked at for one long enough, where several come again */

void windows_release(struct td_ledger *l)
{
    for (uint32_t i = 0; i < l->windows.n; i++) {
        td_free(l->windows.v[i].name);
        td_free(l->windows.v[i].has);
    }
    td_vec_release(&l->windows);
    td_vec_release(&l->windowed);
}

static bool has_node(const struct window_rule *w, uint32_t node)
{
    return td_bits_get(w->has, w->nbytes, node);
}

/* Which node is in which: a byte says that it is in one at all. */
static void note_nodes(struct td_ledger *l, const struct window_rule *w)
{
    for (int64_t node = td_bits_next(w->has, w->nbytes, 0); node >= 0; node = td_bits_next(w->has, w->nbytes, (uint32_t)node + 1)) {
        while (l->windowed.n <= (uint32_t)node)
            td_vec_push(&l->windowed, false);
        l->windowed.v[node] = true;
    }
}

/* The longest it leaves the nodes to others between two of its times. */
static int64_t gap_of(const struct td_ledger_window *w)
{
    int64_t most = 1, run = 0;

    if (!w->every_ms)
        return TD_FOREVER;
    for (uint32_t day = 0; w->days && day < 14; day++) {
        run = w->days >> (day % 7) & 1 ? 0 : run + 1;
        most = TD_MAX(most, run + 1);
    }
    return most * w->every_ms - (w->to - w->from);
}

void td_ledger_set_windows(struct td_ledger *l, const struct td_ledger_window *v, uint32_t n)
{
    bool named = n > 0 || l->windows.n > 0;

    windows_release(l);
    for (uint32_t i = 0; i < n; i++) {
        struct window_rule w = {.is = v[i], .name = td_strdup(v[i].name), .nbytes = l->nodes.n / 8 + 1, .gap_ms = gap_of(&v[i])};
        w.is.name = w.name;
        w.is.nodes = NULL;
        for (uint32_t k = 0; k < v[i].nnodes; k++)
            w.nbytes = TD_MAX(w.nbytes, v[i].nodes[k] / 8 + 1);
        w.has = td_alloc(w.nbytes);
        for (uint32_t k = 0; k < v[i].nnodes; k++)
            td_bits_set(w.has, v[i].nodes[k]);
        td_vec_push(&l->windows, w);
        note_nodes(l, &w);
    }
    if (named)
        ledger_look_again(l); /* which nodes may serve those who name one is another set now */
}

/* --- one reservation ----------------------------------------------------------------------------- */

static bool is_day(const struct td_ledger_window *w, int64_t from)
{
    int64_t days = (from + w->zone_ms) / DAY_MS;

    return !w->days || w->days >> ((days + 4) % 7) & 1; /* the first of 1970 was a Thursday */
}

/* The first time it lasts that is not over at `at`; false: it is over for good. */
bool td_window_occurrence(const struct td_ledger_window *w, int64_t at, int64_t *ret_from, int64_t *ret_to)
{
    int64_t k = 0;

    if (w->every_ms && at >= w->to)
        k = (at - w->to) / w->every_ms + 1;
    *ret_from = w->from + k * w->every_ms;
    *ret_to = w->to + k * w->every_ms;
    while (w->every_ms && k && !is_day(w, *ret_from)) { /* the time at hand is what it was made for, whatever the day */
        *ret_from += w->every_ms;
        *ret_to += w->every_ms;
    }
    return *ret_to > at;
}

static const struct window_rule *find(const struct td_ledger *l, const char *name)
{
    for (uint32_t i = 0; i < l->windows.n; i++)
        if (strcmp(l->windows.v[i].name, name) == 0)
            return &l->windows.v[i];
    return NULL;
}

/* --- a shape and a node -------------------------------------------------------------------------- */

bool window_has(const struct td_ledger *l, const char *name, const struct node *n)
{
    const struct window_rule *w = td_str_empty(name) ? NULL : find(l, name);

    return td_str_empty(name) || (w && (w->is.flex || has_node(w, (uint32_t)(n - l->nodes.v))));
}

/* From `at` on it may hold the node until *ret_until, which is `at` where it may not begin then; if that is not long enough,
 * no moment before *ret_next is. */
static void look(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at, int64_t *ret_until, int64_t *ret_next)
{
    const struct window_rule *own = s->apart ? find(l, s->is.reservation) : NULL;
    int64_t from, to, closed_to = at, until = TD_FOREVER, after = TD_FOREVER;

    if (!own && s->apart) {
        closed_to = TD_FOREVER; /* it is gone: nothing may begin */
    } else if (own && !own->is.flex) {
        bool comes = has_node(own, node) && td_window_occurrence(&own->is, at, &from, &to);
        if (!comes || from > at)
            closed_to = comes ? from : TD_FOREVER;
        else
            until = after = to;
    }
    for (uint32_t i = 0; i < l->windows.n && !(own && own->is.over); i++) {
        const struct window_rule *w = &l->windows.v[i];

        if (w == own || !has_node(w, node) || !td_window_occurrence(&w->is, at, &from, &to))
            continue;
        if (from <= at) {
            closed_to = TD_MAX(closed_to, to);
        } else if (from < until) {
            until = from;
            after = to;
        }
    }
    *ret_until = closed_to > at ? at : until;
    *ret_next = closed_to > at ? closed_to : after;
}

int64_t window_reserved_any(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at)
{
    int64_t until, next;

    look(l, s, node, at, &until, &next);
    return until;
}

int64_t window_until_any(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at)
{
    int64_t until = window_reserved_any(l, s, node, at), licences, next;

    if (!s->licences || until <= at)
        return until;
    licences_look(l, s, at, &licences, &next);
    return TD_MIN(until, licences);
}

/* One that comes again leaves no gap so long, or its own never lasts so long: looking further would find nothing, for ever. */
static bool is_never_open(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at, uint32_t limit_s)
{
    const struct window_rule *own = s->apart ? find(l, s->is.reservation) : NULL;
    int64_t limit_ms = limit_s == TD_INFINITE ? TD_FOREVER : (int64_t)limit_s * 1000;

    if (own && !own->is.flex && limit_ms > own->is.to - own->is.from)
        return true;
    for (uint32_t i = 0; i < l->windows.n && !(own && own->is.over); i++) {
        const struct window_rule *w = &l->windows.v[i];

        if (w != own && w->is.every_ms && at >= w->is.from && limit_ms > w->gap_ms && has_node(w, node))
            return true;
    }
    return false;
}

int64_t window_open_any(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at, uint32_t limit_s)
{
    int64_t until, next;

    for (uint32_t turn = 0; turn < TURNS_MAX && at < TD_FOREVER; turn++) {
        look(l, s, node, at, &until, &next);
        bool open = until > at && until >= time_after(at, limit_s);
        if (open && s->licences) {
            licences_look(l, s, at, &until, &next);
            open = until > at && until >= time_after(at, limit_s);
        }
        if (open)
            return at;
        if (next <= at || is_never_open(l, s, node, next, limit_s))
            return TD_FOREVER;
        at = next;
    }
    return TD_FOREVER;
}

int64_t window_last(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t from, int64_t by, uint32_t limit_s)
{
    int64_t last = -1, at = window_open(l, s, node, from, limit_s);

    /* From opening to opening; within one it may begin until its limit meets the end. */
    for (uint32_t turn = 0; turn < TURNS_MAX && at <= by; turn++, at = window_open(l, s, node, at, limit_s)) {
        int64_t until = window_until(l, s, node, at);

        last = until == TD_FOREVER ? by : TD_MIN(by, until - (int64_t)limit_s * 1000);
        if (until >= TD_FOREVER)
            break;
        at = until;
    }
    return last;
}

bool td_ledger_open(const struct td_ledger *l, uint32_t shape, uint32_t node, int64_t at, uint32_t limit_s)
{
    const struct shape *s = l->shapes.v[shape];
    int64_t until = window_reserved(l, s, node, at), end = time_after(at, limit_s);

    if (!licences_free(l, s))
        return false;
    /* Settled some milliseconds after it was planned, and ending as much later. */
    return until > at && (until == TD_FOREVER || (end != TD_FOREVER && until >= end - WINDOW_GRACE_MS));
}

const char *td_ledger_window_between(const struct td_ledger *l, const char *but, uint32_t node, int64_t at, int64_t end)
{
    const struct window_rule *own = td_str_empty(but) ? NULL : find(l, but);
    int64_t from, to;

    for (uint32_t i = 0; i < l->windows.n && !(own && own->is.over); i++) {
        const struct window_rule *w = &l->windows.v[i];

        if (w != own && has_node(w, node) && td_window_occurrence(&w->is, at, &from, &to) && from < end)
            return w->name;
    }
    return NULL;
}
