/* plan_after.c - the last plan, asked about while its starts are being settled
 *
 * The bids choose the nodes, not the plan; so what settlement takes differs from the scratch of the pass. Each promise
 * carries `live`: what is spare at its beginning by the holdings alone. Every holding taken since, if it outlasts the
 * beginning, is deducted. What is given back since is not added: the next plan will. */
#include "plan_book.h"

/* A start is settled some milliseconds after it was planned, and ends as much later. */
#define GRACE_MS 999

struct plan_state *plan_state_new(void)
{
    struct plan_state *s = td_alloc(sizeof(*s));

    s->book = book_new();
    return s;
}

void plan_state_destroy(struct plan_state **p)
{
    struct plan_state *s = *p;

    if (!s)
        return;
    for (uint32_t i = 0; i < s->shapes.n; i++)
        td_vec_release(&s->shapes.v[i].windows);
    td_vec_release(&s->shapes);
    td_vec_release(&s->nodes);
    td_vec_release(&s->endings);
    td_vec_release(&s->reserves);
    td_vec_release(&s->blocks);
    td_vec_release(&s->late);
    td_vec_release(&s->due);
    td_vec_release(&s->later);
    td_vec_release(&s->parts);
    td_vec_release(&s->rises);
    td_vec_release(&s->capacity);
    td_vec_release(&s->histogram);
    td_arena_release(&s->arena);
    book_destroy(&s->book);
    td_free(s->open);
    td_free(s->reserved);
    td_free(s->blocked);
    td_free(s);
    *p = NULL;
}

static bool keeps_book(const struct plan_state *s)
{
    return td_policy_keeps_book(s->policy);
}

static uint32_t first_reserve(const struct plan_state *s, uint32_t node)
{
    return node < s->nodes.n && s->nodes.v[node].stamp == s->stamp ? s->nodes.v[node].reserves : NONE;
}

void plan_forget_node(struct plan_state *s, uint32_t node)
{
    if (node < s->nodes.n)
        s->nodes.v[node].reserves = s->nodes.v[node].endings = NONE; /* its stocks have other numbers now */
    book_forget_node(s, node);
}

/* Its number may be given to another shape before the next plan. */
void plan_forget_shape(struct plan_state *s, uint32_t shape)
{
    if (shape < s->shapes.n)
        s->shapes.v[shape].stamp = 0;
    for (uint32_t i = 0; i < s->blocks.n; i++)
        if (s->blocks.v[i] == shape)
            s->blocks.v[i] = NONE;
}

static bool meets(const struct reserve *r, int64_t until)
{
    if (until >= OPEN_END)
        return r->at < OPEN_END_NEW; /* a head behind the pass's own open-ended starts is no reason against them */
    return until > r->at && until - r->at > GRACE_MS;
}

void plan_holdings_changed(struct td_ledger *l, uint32_t node)
{
    book_changed(l, node);
}

void plan_holding_given(struct td_ledger *l, uint32_t node, const struct holding *h)
{
    struct amount all = {0};

    holding_add_to(h, &l->nodes.v[node], &all);
    book_given(l, node, &all, h->until);
}

void plan_holding_taken(struct td_ledger *l, uint32_t node, const struct holding *h)
{
    struct plan_state *s = l->plan;
    const struct node *n = &l->nodes.v[node];
    struct amount all = {0};

    holding_add_to(h, n, &all);
    book_taken(l, node, &all, h->until);
    for (uint32_t i = first_reserve(s, node); i != NONE; i = s->reserves.v[i].next) {
        struct amount a = {0};

        if (!meets(&s->reserves.v[i], h->until))
            continue;
        holding_add_to(h, n, &a);
        amount_sub(&s->reserves.v[i].live, &a, n->nstocks);
    }
}

/* fifo: is the node kept for one of the first `blocks` blocked heads? */
static bool is_blocked(const struct td_ledger *l, uint32_t node, uint32_t blocks)
{
    const struct node_index *x = ledger_index(l);

    for (uint32_t i = 0; i < blocks; i++) {
        if (l->plan->blocks.v[i] == NONE)
            continue;
        struct shape *s = l->shapes.v[l->plan->blocks.v[i]];

        shape_refresh(l, s);
        if (place_get(s->eligible, x->pos_of.v[node]) && !shape_refused(s, node) &&
            window_reserved(l, s, node, l->plan->now) > l->plan->now)
            return true;
    }
    return false;
}

static uint32_t blocks_before(const struct plan_state *s, uint32_t job)
{
    uint32_t low = 0, high = s->late.n;

    while (low < high) { /* sorted by job at the end of the pass */
        uint32_t mid = low + (high - low) / 2;

        if (s->late.v[mid].job < job)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->late.n && s->late.v[low].job == job ? s->late.v[low].blocks : 0;
}

bool td_plan_allows(const struct td_ledger *l, uint32_t node, uint32_t job, const struct td_placement *p, int64_t until)
{
    const struct plan_state *s = l->plan;
    struct amount a;

    if (node >= l->nodes.n || is_blocked(l, node, blocks_before(s, job)))
        return false;
    const struct node *n = &l->nodes.v[node];
    uint32_t i = first_reserve(s, node);
    if (i == NONE && !keeps_book(s))
        return true;
    if (!node_amount_of(l, n, p, &a))
        return false;
    if (keeps_book(s)) /* the book keeps the head's promise, too; that it starts even sooner is the pass's wish, not a promise */
        return book_allows(l, node, job, &a, until);
    for (; i != NONE; i = s->reserves.v[i].next) {
        const struct reserve *r = &s->reserves.v[i];

        if (r->job != job && meets(r, until) && !amount_covers(&r->live, &a, n->nstocks))
            return false;
    }
    return true;
}

static bool serves_now(const struct td_ledger *l, uint32_t node, const struct shape *s, int64_t end)
{
    const struct plan_state *ps = l->plan;
    const struct node *n = &l->nodes.v[node];
    uint32_t part = s->multi ? s->part_min : s->tasks;
    struct amount m = n->free;

    if (shape_refused(s, node) || !shape_fit(s, n, &m, part, 1) || window_reserved(l, s, node, ps->now) <= ps->now)
        return false;
    /* What the book allows is asked for each bid: a start that is due, or foretold to be short, may meet a reservation. */
    for (uint32_t i = keeps_book(ps) ? NONE : first_reserve(ps, node); i != NONE; i = ps->reserves.v[i].next)
        if (meets(&ps->reserves.v[i], end))
            amount_min(&m, &ps->reserves.v[i].live, n->nstocks);
    return shape_fit(s, n, &m, part, 1) > 0;
}

uint32_t td_plan_nodes(const struct td_ledger *l, uint32_t shape, uint32_t limit_s, int64_t now_ms, uint8_t *bits, uint32_t nbytes)
{
    TD_ASSERT(shape < l->shapes.n && l->shapes.v[shape]);
    const struct plan_state *ps = l->plan;
    const struct node_index *x = ledger_index(l);
    struct shape *s = l->shapes.v[shape];
    int64_t end = time_after(now_ms, limit_s ? limit_s : TD_INFINITE);
    uint32_t n = 0, blocks = ps->blocks.n;

    shape_refresh(l, s);
    if (shape < ps->shapes.n && ps->shapes.v[shape].stamp == ps->stamp && ps->shapes.v[shape].started)
        blocks = ps->shapes.v[shape].blocks;
    for (uint32_t i = 0; i < nbytes; i++)
        bits[i] = 0;
    for (uint32_t w = 0; w < s->nwords; w++)
        for (uint64_t left = s->eligible[w] & x->open[w]; left; left &= left - 1) {
            uint32_t node = x->node_at.v[w * 64 + (uint32_t)__builtin_ctzll(left)];

            if (node / 8 >= nbytes || !serves_now(l, node, s, end) || is_blocked(l, node, blocks))
                continue;
            td_bits_set(bits, node);
            n++;
        }
    return n;
}

uint32_t td_plan_part(const struct td_ledger *l, uint32_t shape, uint32_t node)
{
    TD_ASSERT(shape < l->shapes.n && l->shapes.v[shape] && node < l->nodes.n);
    return shape_fit_part(l->shapes.v[shape], &l->nodes.v[node], &l->nodes.v[node].free);
}

/* --- invariant ---------------------------------------------------------------------------------------------------- */

/* What tender keeps for its heads gives way to what is due: its promises are the book's. */
static uint32_t checked_reserve(const struct plan_state *s, uint32_t node)
{
    return s->policy == TD_POLICY_TENDER ? NONE : s->nodes.v[node].reserves;
}

/* Counted up from nothing, unlike the spare amounts. */
static struct amount used_at(struct td_ledger *l, uint32_t node, int64_t at)
{
    const struct plan_state *s = l->plan;
    struct node *n = &l->nodes.v[node];
    struct amount used = {0}, wide = {0};

    node_sort_holdings(l, n);
    for (uint32_t i = 0; i < n->holdings.n; i++)
        if (holding_end(n, i, s->now) > at) {
            wide = (struct amount){0};
            holding_add_to(n->holdings.v[i], n, &wide);
            amount_add(&used, &wide, n->nstocks);
        }
    for (uint32_t i = s->nodes.v[node].endings; i != NONE; i = s->endings.v[i].next)
        if (s->endings.v[i].at > at)
            amount_add(&used, s->endings.v[i].amount, n->nstocks);
    for (uint32_t i = checked_reserve(s, node); i != NONE; i = s->reserves.v[i].next)
        if (s->reserves.v[i].at <= at && s->reserves.v[i].end > at)
            amount_add(&used, &s->reserves.v[i].need, n->nstocks);
    return used;
}

bool plan_check(struct td_ledger *l, struct td_error *err)
{
    const struct plan_state *s = l->plan;

    for (uint32_t node = 0; node < s->nodes.n; node++) {
        const struct node *n = &l->nodes.v[node];

        if (s->nodes.v[node].stamp != s->stamp)
            continue;
        struct amount used = used_at(l, node, s->now);
        if (!amount_covers(&n->total, &used, n->nstocks))
            return td_fail(err, TD_E_INTERNAL, "plan: node %s holds too much now", n->name), false;
        for (uint32_t i = checked_reserve(s, node); i != NONE; i = s->reserves.v[i].next) {
            used = used_at(l, node, s->reserves.v[i].at);
            if (!amount_covers(&n->total, &used, n->nstocks))
                return td_fail(err, TD_E_INTERNAL, "plan: node %s has promised too much to job %u", n->name,
                               s->reserves.v[i].job), false;
        }
    }
    return true;
}
