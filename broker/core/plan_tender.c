/* plan_tender.c - the passes that keep a book: tender and conservative
 *
 * conservative: everybody has a booking, in rank order, and starts when it begins, or before, where that takes nothing
 * from another; when something ends early, bookings move up (Mu'alem & Feitelson 2001, section 2).
 *
 * tender: the book only says what must not happen. Who starts is decided in order, by rank or, where the queue may be
 * reordered, by worth (plan_order.c):
 *
 *   heads   The first that cannot start, and the first of each further set of nodes: what EASY keeps for it is kept. Where
 *           the queue may be reordered, one that only the book holds back is a head too, for when it is booked.
 *   behind  By rank: the shortest foretold run first, with the head's time kept by limits. By worth: in that order, and
 *           whoever is foretold to end in time counts as ending in time, while the head has not waited long: a wrong guess
 *           delays the head, never a promise.
 *   due     A booking that begins now starts, by rank. By worth it moves to the last moment its promise allows, for the
 *           order has better use of now; then it starts. */
#include "plan_book.h"

#define HEAD_PATIENCE_MS (INT64_C(216000) * 1000) /* two and a half days */

static uint32_t wanted(const struct pass *pass, const struct slot *c)
{
    uint32_t already = book_started(pass, c);

    return already < c->count ? c->count - already : 0;
}

/* True: it is done with. */
static bool attempt(struct pass *pass, const struct slot *c, bool behind, bool *ret_fits)
{
    uint32_t want = wanted(pass, c), length_s = c->limit_s;

    if (behind && pass->p->free_order && pass->p->now_ms - pass->head_since_ms < HEAD_PATIENCE_MS)
        length_s = TD_MIN(c->run_s, c->limit_s);
    struct try t = {.c = c, .end = time_after(pass->p->now_ms, length_s)};
    uint32_t done = want ? plan_try(pass, &t, want) : 0;
    *ret_fits = t.fits;
    return done == want || pass->stopped;
}

static void become_head(struct pass *pass, const struct slot *c, bool fits)
{
    if (pass->p->free_order && !(fits ? book_keep(pass, c) : plan_reserve(pass, c)))
        return;
    if (!pass->p->free_order)
        book_promise(pass, c);
    if (plan_is_apart(pass, c))
        return;
    if (!pass->nreserved++)
        pass->head_since_ms = c->since_ms;
    plan_join_reserved(pass, c);
}

static void tender(struct pass *pass)
{
    struct plan_state *s = pass->s;
    uint32_t n = s->later.n, behind = 0;

    for (uint32_t i = 0; i < n && !pass->stopped; i++) {
        const struct slot *c = s->later.v[i].slot;
        bool after = plan_meets_reserved(pass, c), fits;

        if (after && !pass->p->free_order) {
            s->later.v[behind++] = (struct ordered){.key = c->run_s, .slot = c};
            continue;
        }
        if (attempt(pass, c, after, &fits) || after || plan_meets_reserved(pass, c))
            continue;
        if (!fits || pass->p->free_order)
            become_head(pass, c, fits);
    }
    if (!pass->p->free_order)
        plan_sort(s->later.v, behind);
    for (uint32_t i = 0; i < behind && !pass->p->free_order && !pass->stopped; i++)
        attempt(pass, s->later.v[i].slot, true, &(bool){false});
}

static void start_due(struct pass *pass)
{
    struct plan_state *s = pass->s;

    for (uint32_t i = 0; i < s->due.n && !pass->stopped; i++) {
        const struct slot *c = s->due.v[i];
        struct try t = {.c = c,
                        .end = time_after(pass->p->now_ms, c->limit_s),
                        .forced = true,
                        .only_due = true};

        if (!wanted(pass, c) || (pass->p->free_order && book_put_off(pass, c)))
            continue;
        plan_try(pass, &t, 1);
    }
}

static void conservative(struct pass *pass)
{
    for (uint32_t i = 0; i < pass->s->later.n && !pass->stopped; i++) {
        const struct slot *c = pass->s->later.v[i].slot;
        uint32_t want = wanted(pass, c);
        struct try t = {
            .c = c, .end = time_after(pass->p->now_ms, c->limit_s), .forced = true, .no_way = true};

        if (want && plan_try(pass, &t, want) < want)
            book_promise(pass, c);
    }
}

void plan_booked(struct pass *pass)
{
    struct plan_state *s = pass->s;
    const struct ordered *order = s->later.v;
    uint32_t n = s->later.n;

    book_begin(pass);
    if (pass->p->policy == TD_POLICY_CONSERVATIVE) {
        conservative(pass);
    } else {
        for (uint32_t i = 0; pass->p->free_order && i < s->later.n; i++)
            s->later.v[i] = plan_by_worth(pass, s->later.v[i].slot);
        if (pass->p->free_order)
            plan_sort(s->later.v, s->later.n);
        order = td_arena_dup(&s->arena, s->later.v, n * sizeof(*order)); /* it is put in another */
        tender(pass);
        book_list_due(pass);
        start_due(pass);
    }
    plan_likely(pass, order, n);
    for (uint32_t i = 0; pass->p->ask && i < n; i++)
        if (order[i].slot->job == pass->p->ask)
            book_answer(pass, order[i].slot);
    book_finish(pass);
}

/* Behind those that have a booking: into what is left, if it takes nothing from them. */
void plan_unbooked(struct pass *pass, const struct slot *c)
{
    struct shape_pass *sp = &pass->s->shapes.v[c->shape];
    struct try t = {.c = c, .end = time_after(pass->p->now_ms, c->limit_s), .no_way = true};
    uint32_t want = wanted(pass, c);

    if (!want || c->limit_s >= sp->failed_s)
        return;
    if (plan_try(pass, &t, want) < want && !pass->stopped)
        sp->failed_s = c->limit_s;
}
