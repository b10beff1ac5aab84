/* plan_node.c - one node during a pass: what is free, until when, and what the promises leave
 *
 * Free amounts only rise as holdings end, except where a promise begins. So whatever fits now and at the beginning of
 * every promise before its end fits all along: `spare` of those promises is all there is to look at. Both rules of
 * EASY are this one question: a start that ends before the promise does not meet it (rule 1), one that ends later must
 * fit into what is spare at its beginning (rule 2), and is deducted from it. */
#include "plan_priv.h"

struct node_plan *plan_node(struct pass *pass, uint32_t node)
{
    struct node_plan *np = &pass->s->nodes.v[node];

    if (np->stamp != pass->s->stamp) {
        np->stamp = pass->s->stamp;
        np->endings = np->reserves = NONE;
        np->free = pass->l->nodes.v[node].free;
    }
    return np;
}

const struct amount *plan_room(struct pass *pass, uint32_t node, int64_t end, struct amount *m)
{
    const struct node_plan *np = plan_node(pass, node);
    uint32_t i = np->reserves;

    if (i == NONE || pass->s->reserves.v[i].at >= end)
        return &np->free;
    *m = np->free;
    for (; i != NONE && pass->s->reserves.v[i].at < end; i = pass->s->reserves.v[i].next)
        amount_min(m, &pass->s->reserves.v[i].spare, pass->l->nodes.v[node].nstocks);
    return m;
}

int64_t plan_window(struct pass *pass, uint32_t node, const struct shape *s, uint32_t part)
{
    const struct node_plan *np = plan_node(pass, node);
    const struct node *n = &pass->l->nodes.v[node];

    if (!shape_fit(s, n, &np->free, part, 1))
        return -1;
    int64_t open = window_until(pass->l, s, node, pass->p->now_ms);
    if (open <= pass->p->now_ms)
        return -1;
    if (np->reserves == NONE)
        return open;
    struct amount m = np->free;
    for (uint32_t i = np->reserves; i != NONE; i = pass->s->reserves.v[i].next) {
        const struct reserve *r = &pass->s->reserves.v[i];

        if (r->at >= open)
            break;
        amount_min(&m, &r->spare, n->nstocks);
        if (!shape_fit(s, n, &m, part, 1))
            return r->at;
    }
    return open;
}

static void add_ending(struct pass *pass, struct node_plan *np, uint32_t nstocks, int64_t at, const struct amount *a)
{
    struct plan_state *s = pass->s;
    uint32_t prev = NONE, i = np->endings;

    for (; i != NONE && s->endings.v[i].at < at; i = s->endings.v[i].next)
        prev = i;
    if (i != NONE && s->endings.v[i].at == at) {
        amount_add(s->endings.v[i].amount, a, nstocks);
        return;
    }
    struct ending e = {.at = at, .next = i, .amount = td_arena_dup(&s->arena, a, sizeof(*a))};
    td_vec_push(&s->endings, e);
    if (prev == NONE)
        np->endings = s->endings.n - 1;
    else
        s->endings.v[prev].next = s->endings.n - 1;
}

void plan_occupy(struct pass *pass, uint32_t node, const struct shape *s, uint32_t part, uint32_t count, int64_t end, int64_t counts)
{
    const struct node *n = &pass->l->nodes.v[node];
    struct node_plan *np = plan_node(pass, node);
    struct amount m, a;
    const struct amount *room = plan_room(pass, node, counts, &m);

    if (shape_fit(s, n, room, part, count) < count)
        room = &np->free; /* a promise that falls due takes precedence */
    shape_amount(s, n, room, part, count, &a);
    TD_ASSERT(amount_covers(&np->free, &a, n->nstocks));
    amount_sub(&np->free, &a, n->nstocks);
    for (uint32_t i = np->reserves; i != NONE && pass->s->reserves.v[i].at < counts; i = pass->s->reserves.v[i].next)
        amount_sub(&pass->s->reserves.v[i].spare, &a, n->nstocks);
    int64_t at = end < OPEN_END ? end : TD_MIN(OPEN_END_NEW + (int64_t)pass->started, TD_FOREVER - 1);
    add_ending(pass, np, n->nstocks, at, &a);
    if (np->free.cpus < n->unit || np->free.cpus == 0) {
        uint32_t pos = pass->x->pos_of.v[node];

        pass->s->open[pos / 64] &= ~((uint64_t)1 << (pos % 64));
    }
}

uint32_t plan_next_place(const struct pass *pass, const struct shape *s, const uint64_t *places, uint32_t from)
{
    const struct plan_state *ps = pass->s;

    for (uint32_t w = from / 64; w < ps->nwords; w++) {
        uint64_t bits = places[w] & ps->open[w] & ~ps->blocked[w];

        if (w == from / 64)
            bits &= ~(uint64_t)0 << (from % 64);
        for (; bits; bits &= bits - 1) {
            uint32_t pos = w * 64 + (uint32_t)__builtin_ctzll(bits);

            if (!shape_refused(s, pass->x->node_at.v[pos]))
                return pos;
        }
    }
    return NONE;
}

/* --- timeline ---------------------------------------------------------------------------------------------------- */

void timeline_start(struct timeline *t, struct pass *pass, uint32_t node)
{
    const struct node_plan *np = plan_node(pass, node);

    node_sort_holdings(pass->l, &pass->l->nodes.v[node]);
    *t = (struct timeline){.pass = pass,
                           .n = &pass->l->nodes.v[node],
                           .ending = np->endings,
                           .at = pass->p->now_ms,
                           .free = np->free};
}

int64_t timeline_next(const struct timeline *t)
{
    int64_t at = TD_FOREVER;

    if (t->holding < t->n->holdings.n)
        at = holding_end(t->n, t->holding, t->pass->p->now_ms);
    if (t->ending != NONE)
        at = TD_MIN(at, t->pass->s->endings.v[t->ending].at);
    return at;
}

bool timeline_step(struct timeline *t)
{
    int64_t next = timeline_next(t);

    if (next == TD_FOREVER)
        return false;
    t->at = next;
    while (t->holding < t->n->holdings.n && holding_end(t->n, t->holding, t->pass->p->now_ms) == next)
        holding_add_to(t->n->holdings.v[t->holding++], t->n, &t->free);
    while (t->ending != NONE && t->pass->s->endings.v[t->ending].at == next) {
        const struct ending *e = &t->pass->s->endings.v[t->ending];

        amount_add(&t->free, e->amount, t->n->nstocks);
        t->ending = e->next;
    }
    amount_min(&t->free, &t->n->total, t->n->nstocks);
    return true;
}
