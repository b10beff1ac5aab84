/* plan_likely.c - when waiting candidates will start, as it is thought: two reckonings of each
 *
 *   hole  where the book has room for it: everything runs to its limit, promises are kept. Late, as
 *         a rule, for jobs end before their limits; early where others will overtake.
 *   list  the queue in the order in which it is tried, each where it fits first, everything running
 *         as long as foretold (Smith, Taylor & Foster 1999 §4 simulate a queue so). Early or late as
 *         the guesses are.
 *
 * What is made of them, and how far they are off, is the core's (likely.c). Decides nothing.
 *
 * Costs: one list for a pass, only where somebody waits who was not told yet, no longer than to the
 * last of those. A pass is given CREDIT steps; a list may use up what earlier passes saved, and
 * whatever more it used is saved up for again before there is another. So one pass costs at most
 * LIST_MAX, and many of them CREDIT each; whoever comes behind the list's end, or when there is none,
 * has his hole alone. Soft: a restart begins with no credit saved. */
#include "plan_book.h"

#include "profile.h"

#define CREDIT 8000
#define CREDIT_MAX (64 * CREDIT)
#define LIST_MAX 200000

/* --- holdings ----------------------------------------------------------------------------------------------------- */

/* Whoever runs longer than foretold is as old again when he ends: the longer it ran, the longer it will. */
static int64_t foretold_end(const struct holding *h, int64_t end, int64_t now)
{
    if (!h->run_s || h->run_s == TD_INFINITE)
        return end;
    int64_t at = time_after(h->since, h->run_s);
    if (at <= now)
        at = now + TD_MAX(now - h->since, INT64_C(1000));
    return TD_MIN(at, end);
}

void plan_foretold(struct pass *pass, uint32_t node, struct profile *ret)
{
    struct node *n = &pass->l->nodes.v[node];
    TD_VEC(struct rise) ends = {0};

    node_sort_holdings(pass->l, n);
    for (uint32_t i = 0; i < n->holdings.n; i++) {
        struct rise r = {.at = foretold_end(n->holdings.v[i], holding_end(n, i, pass->p->now_ms), pass->p->now_ms), .pos = i};
        td_vec_push(&ends, r);
    }
    plan_sort_rises(ends.v, ends.n);
    profile_start(ret, &n->free, n->nstocks, pass->p->now_ms);
    for (uint32_t i = 0; i < ends.n; i++)
        holding_add_to(n->holdings.v[ends.v[i].pos], n, profile_append(ret, ends.v[i].at));
    td_vec_release(&ends);
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

struct list {
    struct pass *pass;
    int64_t cost;
    struct td_map met; /* jobs of several candidates: the first one counts */
};

/* So many instances; the start of the first. */
static int64_t put(struct list *l, const struct slot *c, uint32_t count)
{
    int64_t first = TD_FOREVER;

    for (uint32_t i = 0; i < count && l->cost < LIST_MAX; i++) {
        int64_t at = book_guess(l->pass, c, &l->cost);
        first = i ? first : at;
        if (at == TD_FOREVER)
            break;
    }
    return first;
}

static bool met(struct list *l, const struct slot *c)
{
    static char yes;

    if (!c->several)
        return false;
    bool was = td_map_get(&l->met, c->job) != NULL;
    td_map_put(&l->met, c->job, &yes);
    return was;
}

static void tell(struct pass *pass, const struct slot *c, int64_t list_ms)
{
    struct td_plan_likely is = {.job = c->job, .hole_ms = book_at(pass, c), .list_ms = list_ms};

    if (is.hole_ms < TD_FOREVER || is.list_ms < TD_FOREVER)
        td_vec_push(&pass->out->likely, is);
}

static uint32_t left(const struct pass *pass, const struct slot *c)
{
    uint32_t started = book_started(pass, c);

    return c->count > started ? c->count - started : 0;
}

static bool wants(const struct pass *pass, const struct slot *c)
{
    return !c->told && left(pass, c);
}

static bool afford(const struct pass *pass)
{
    struct plan_state *s = pass->s;

    if (pass->p->dry)
        return true;
    s->likely_credit = TD_MIN(s->likely_credit + CREDIT, CREDIT_MAX);
    return s->likely_credit > 0;
}

void plan_likely(struct pass *pass, const struct ordered *order, uint32_t n)
{
    struct list l = {.pass = pass};
    bool lists = afford(pass);

    while (n && !wants(pass, order[n - 1].slot))
        n--;
    if (lists && n)
        book_guess_begin(pass);
    for (uint32_t i = 0; lists && i < n; i++)
        put(&l, order[i].slot, book_started(pass, order[i].slot));
    for (uint32_t i = 0; i < n; i++) {
        const struct slot *c = order[i].slot;
        uint32_t count = left(pass, c);

        if (!count || met(&l, c))
            continue;
        int64_t list_ms = lists ? put(&l, c, count) : TD_FOREVER;
        if (wants(pass, c) || list_ms < TD_FOREVER)
            tell(pass, c, list_ms);
    }
    pass->s->likely_credit -= pass->p->dry ? 0 : l.cost;
    td_map_release(&l.met);
}
