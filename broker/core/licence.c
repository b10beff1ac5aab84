/* licence.c - licences: a few kinds of things that jobs hold, on no node, counted in time
 *
 * Owns: struct licences: how many there are, which jobs hold them until when, and what of them the plan leaves from now on.
 * To the planner a shape that wants licences is one whose nodes are not open while too few are left (window.c), so that
 * starts, promises and bookings wait for them in the same way in every policy. Three profiles:
 *
 *   base    holdings, and what the pass has started
 *   full    and what is promised or booked besides; made anew when something of that moved
 *   trial   base, and what a trial of the book has placed so far
 */
#include "ledger_priv.h"

#include <string.h>

#include "plan_book.h"

static const struct td_license *next(const char **at, struct td_license *one)
{
    struct td_error err;

    return td_license_next(at, one, &err) == 1 ? one : NULL;
}

static uint32_t find(const struct licences *x, const char *name)
{
    for (uint32_t i = 0; i < x->n; i++)
        if (strcmp(x->names[i], name) == 0)
            return i;
    return NO_STOCK;
}

/* In the kinds there are; false: one of them is not there. */
static bool amount_of(const struct licences *x, const char *text, struct amount *ret)
{
    struct td_license one;
    bool all = true;

    *ret = (struct amount){0};
    for (const char *at = text; next(&at, &one);) {
        uint32_t i = find(x, one.name);
        if (i == NO_STOCK)
            all = false;
        else
            ret->gres[i] += one.count;
    }
    return all;
}

static void count_used(struct licences *x)
{
    x->used = (struct amount){0};
    for (uint32_t i = 0; i < x->held.n; i++)
        amount_add(&x->used, &x->held.v[i].amount, x->n);
}

void licences_release(struct licences *x)
{
    for (uint32_t i = 0; i < x->n; i++)
        td_free(x->names[i]);
    for (uint32_t i = 0; i < x->held.n; i++)
        td_free(x->held.v[i].text);
    td_vec_release(&x->held);
    profile_release(&x->base);
    profile_release(&x->full);
    profile_release(&x->trial);
}

/* --- what there is, and who holds it -------------------------------------------------------------- */

void td_ledger_set_licences(struct td_ledger *l, const char *text)
{
    struct licences *x = &l->licences;
    struct td_license one;

    for (uint32_t i = 0; i < x->n; i++)
        td_free(x->names[i]);
    x->n = 0;
    x->total = (struct amount){0};
    for (const char *at = text; x->n < STOCKS_MAX && next(&at, &one);) {
        if (find(x, one.name) == NO_STOCK)
            x->names[x->n++] = td_strdup(one.name);
        x->total.gres[find(x, one.name)] += one.count;
    }
    for (uint32_t i = 0; i < x->held.n; i++)
        amount_of(x, x->held.v[i].text, &x->held.v[i].amount);
    count_used(x);
    for (uint32_t i = 0; i < l->shapes.n; i++)
        if (l->shapes.v[i])
            licences_compile(l, l->shapes.v[i]);
}

uint32_t td_ledger_licences(const struct td_ledger *l)
{
    return l->licences.n;
}

const char *td_ledger_licence(const struct td_ledger *l, uint32_t i, uint64_t *ret_total, uint64_t *ret_used)
{
    *ret_total = l->licences.total.gres[i];
    *ret_used = l->licences.used.gres[i];
    return l->licences.names[i];
}

static struct licence_held *held_by(struct licences *x, uint32_t job, uint32_t attempt)
{
    for (uint32_t i = 0; i < x->held.n; i++)
        if (x->held.v[i].job == job && x->held.v[i].attempt == attempt)
            return &x->held.v[i];
    return NULL;
}

void td_ledger_take_licences(struct td_ledger *l, uint32_t job, uint32_t attempt, const char *text, int64_t until)
{
    struct licences *x = &l->licences;
    struct licence_held h = {.job = job, .attempt = attempt, .until = until};

    if (td_str_empty(text))
        return;
    TD_ASSERT(!held_by(x, job, attempt));
    h.text = td_strdup(text);
    amount_of(x, text, &h.amount);
    td_vec_push(&x->held, h);
    count_used(x);
}

void td_ledger_give_licences(struct td_ledger *l, uint32_t job, uint32_t attempt)
{
    struct licences *x = &l->licences;
    struct licence_held *h = held_by(x, job, attempt);

    if (!h)
        return;
    td_free(h->text);
    *h = x->held.v[--x->held.n];
    count_used(x);
    l->plan->book_loose = true; /* bookings may move up */
}

void licences_set_until(struct td_ledger *l, uint32_t job, uint32_t attempt, int64_t until)
{
    struct licence_held *h = l->licences.held.n ? held_by(&l->licences, job, attempt) : NULL;

    if (h)
        h->until = until;
}

void licences_compile(const struct td_ledger *l, struct shape *s)
{
    if (td_str_empty(s->is.licenses))
        return;
    if (!s->licences)
        s->licences = td_alloc(sizeof(*s->licences));
    s->no_licence = !amount_of(&l->licences, s->is.licenses, s->licences);
}

bool licences_free(const struct td_ledger *l, const struct shape *s)
{
    const struct licences *x = &l->licences;

    for (uint32_t i = 0; s->licences && i < x->n; i++)
        if (s->no_licence || x->used.gres[i] + s->licences->gres[i] > x->total.gres[i])
            return false;
    return !s->licences || (x->n && !s->no_licence);
}

/* --- in time -------------------------------------------------------------------------------------- */

void licences_begin(struct td_ledger *l, int64_t now)
{
    struct licences *x = &l->licences;
    struct amount all = x->total;

    if (!x->n)
        return;
    profile_start(&x->base, &all, x->n, now);
    for (uint32_t i = 0; i < x->held.n; i++) {
        const struct licence_held *h = &x->held.v[i];
        int64_t until = h->until >= OPEN_END ? TD_FOREVER : TD_MAX(h->until, now + 1000);
        profile_take_floor(&x->base, &h->amount, x->n, now, until);
    }
    x->stale = true;
    x->on_trial = false;
    x->promised.n = 0;
}

void licences_started(struct td_ledger *l, const struct shape *s, uint32_t count, int64_t now, int64_t end)
{
    struct licences *x = &l->licences;

    for (uint32_t i = 0; s->licences && x->n && i < count; i++)
        profile_take_floor(&x->base, s->licences, x->n, now, end);
    x->stale = true;
}

void licences_promised(struct td_ledger *l, uint32_t shape, int64_t at, int64_t end)
{
    const struct licence_promise p = {shape, at, end};

    if (!l->shapes.v[shape]->licences || at == TD_FOREVER)
        return;
    td_vec_push(&l->licences.promised, p);
    l->licences.stale = true;
}

void licences_take(struct td_ledger *l, struct profile *p, uint32_t shape, int64_t at, int64_t end)
{
    const struct shape *s = l->shapes.v[shape];

    if (s->licences && l->licences.n)
        profile_take_floor(p, s->licences, l->licences.n, at, end);
}

static const struct profile *left(struct td_ledger *l)
{
    struct licences *x = &l->licences;

    if (x->on_trial)
        return &x->trial;
    if (x->stale) {
        profile_copy(&x->full, &x->base);
        for (uint32_t i = 0; i < x->promised.n; i++)
            licences_take(l, &x->full, x->promised.v[i].shape, x->promised.v[i].at, x->promised.v[i].end);
        book_take_licences(l, &x->full);
        x->stale = false;
    }
    return &x->full;
}

void licences_trial(struct td_ledger *l)
{
    if (l->licences.n)
        profile_copy(&l->licences.trial, &l->licences.base);
}

/* As window.c's look: until when there are enough from `at` on, and when next where that is not long enough. */
void licences_look(const struct td_ledger *cl, const struct shape *s, int64_t at, int64_t *ret_until, int64_t *ret_next)
{
    struct td_ledger *l = (struct td_ledger *)(uintptr_t)cl; /* a cache: what is left follows from what is there */
    struct amount m;
    int64_t step = at;

    *ret_until = *ret_next = at;
    if (s->no_licence || !l->licences.n) {
        *ret_next = TD_FOREVER;
        return;
    }
    const struct profile *p = left(l);
    for (bool enough = true; enough && step < TD_FOREVER;) {
        m = l->licences.total;
        profile_room(p, l->licences.n, step, step + 1, &m);
        enough = amount_covers(&m, s->licences, l->licences.n);
        if (enough)
            *ret_until = step = profile_next(p, step);
    }
    for (*ret_next = step; *ret_next < TD_FOREVER;) { /* past those in which there are too few */
        *ret_next = profile_next(p, *ret_next);
        if (*ret_next == TD_FOREVER)
            break;
        m = l->licences.total;
        profile_room(p, l->licences.n, *ret_next, *ret_next + 1, &m);
        if (amount_covers(&m, s->licences, l->licences.n))
            break;
    }
}
