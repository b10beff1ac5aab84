/* plan_reserve.c - promises: when and where a candidate that cannot start now will
 *
 * Single-node: the earliest moment on any node at which it fits for its whole limit, other promises kept; ties go to
 * the first node in order. Multi-node: the earliest moment at which enough nodes are free together. There a node with
 * promises counts only after the last of them: holes between promises are left to single-node candidates, which keeps
 * "free from now on" true and the moment found by one sweep. */
#include "plan_priv.h"

#include <string.h>

/* Levels of a node's capacity are coarsened on huge clusters, so that a sweep has about so many rises. */
#define RISES_MAX 65536u
#define RESERVED_LOOKS_MAX 1000000u /* nodes looked at in a pass to say that it is a reservation that is waited for */
#define CLOSINGS_MAX 128u /* rises of a node that reservations take again and again */

static void take_active(struct pass *pass, const struct node_plan *np, uint32_t nstocks, int64_t at, struct amount *a)
{
    for (uint32_t i = np->reserves; i != NONE && pass->s->reserves.v[i].at <= at; i = pass->s->reserves.v[i].next)
        if (pass->s->reserves.v[i].end > at)
            amount_sub(a, &pass->s->reserves.v[i].need, nstocks);
}

/* What a promise of [at, end) may use, given what is free at `at` without promises. */
static struct amount room_between(struct pass *pass, uint32_t node, const struct amount *free, int64_t at, int64_t end)
{
    const struct node_plan *np = plan_node(pass, node);
    uint32_t nstocks = pass->l->nodes.v[node].nstocks;
    struct amount m = *free;

    take_active(pass, np, nstocks, at, &m);
    for (uint32_t i = np->reserves; i != NONE && pass->s->reserves.v[i].at < end; i = pass->s->reserves.v[i].next)
        if (pass->s->reserves.v[i].at > at)
            amount_min(&m, &pass->s->reserves.v[i].spare, nstocks);
    return m;
}

static int64_t next_reserve_end(const struct pass *pass, const struct node_plan *np, int64_t after)
{
    int64_t at = TD_FOREVER;

    for (uint32_t i = np->reserves; i != NONE; i = pass->s->reserves.v[i].next)
        if (pass->s->reserves.v[i].end > after)
            at = TD_MIN(at, pass->s->reserves.v[i].end);
    return at;
}

/* Where the pass has planned nothing yet, waiting for holdings to end is all that helps (it does not fit now), and
 * until they have let go of CPUs enough nothing else need be looked at. */
static bool hopeless_before(const struct pass *pass, uint32_t node, const struct shape *s, uint32_t part, int64_t bound)
{
    const struct node_plan *np = &pass->s->nodes.v[node];
    struct node *n = &pass->l->nodes.v[node];

    if (window_any(pass->l, s, node) && shape_fit(s, n, &n->free, part, 1))
        return false; /* it waits for a reservation to end, or for licences */
    if (np->stamp == pass->s->stamp && (np->reserves != NONE || np->endings != NONE))
        return false;
    if (pass->l->index->soonest.v[node] >= bound)
        return true;
    node_sort_holdings(pass->l, n);
    uint64_t cpus = n->free.cpus, need = shape_need(s, n, part).cpus;
    uint32_t i = 0;
    while (i < n->ends.n && cpus < need)
        cpus += n->ends.v[i++].cpus;
    return i > 0 && (cpus < need || holding_end(n, i - 1, pass->p->now_ms) >= bound);
}

/* Earliest start before `bound` on this node, else TD_FOREVER. */
static int64_t earliest(struct pass *pass, uint32_t node, const struct shape *s, uint32_t limit_s, int64_t bound)
{
    struct timeline t;

    if (hopeless_before(pass, node, s, s->tasks, bound))
        return TD_FOREVER;
    const struct node_plan *np = plan_node(pass, node);
    timeline_start(&t, pass, node);
    for (int64_t at = pass->p->now_ms; at < bound;) {
        int64_t open = window_open(pass->l, s, node, at, limit_s);

        if (open >= bound)
            return TD_FOREVER;
        if (open > at) {
            while (timeline_next(&t) <= open && timeline_step(&t))
                ;
            at = open;
        }
        if (np->reserves == NONE) {
            if (shape_fit(s, t.n, &t.free, s->tasks, 1))
                return at;
        } else {
            struct amount m = room_between(pass, node, &t.free, at, time_after(at, limit_s));

            if (shape_fit(s, t.n, &m, s->tasks, 1))
                return at;
        }
        int64_t ending = timeline_next(&t);
        at = TD_MIN(ending, next_reserve_end(pass, np, at));
        if (at == ending && at < bound)
            timeline_step(&t);
    }
    return TD_FOREVER;
}

/* Keeps [at, end) on the node free for the candidate. */
static void keep(struct pass *pass, const struct slot *c, uint32_t node, uint32_t part, int64_t at, int64_t end)
{
    struct plan_state *ps = pass->s;
    const struct shape *s = pass->l->shapes.v[c->shape];
    const struct node *n = &pass->l->nodes.v[node];
    struct node_plan *np = plan_node(pass, node);
    struct reserve r = {.at = at, .end = end, .job = c->job, .shape = c->shape, .part = part, .live = n->free};
    struct timeline t;

    timeline_start(&t, pass, node);
    while (timeline_next(&t) <= at && timeline_step(&t))
        ;
    for (uint32_t i = 0; i < n->holdings.n && holding_end(n, i, pass->p->now_ms) <= at; i++)
        holding_add_to(n->holdings.v[i], n, &r.live);
    struct amount m = room_between(pass, node, &t.free, at, end);
    shape_amount(s, n, &m, part, 1, &r.need);
    r.spare = t.free;
    take_active(pass, np, n->nstocks, at, &r.spare);
    take_active(pass, np, n->nstocks, at, &r.live);
    TD_ASSERT(amount_covers(&r.spare, &r.need, n->nstocks));
    amount_sub(&r.spare, &r.need, n->nstocks);
    amount_sub(&r.live, &r.need, n->nstocks);

    uint32_t prev = NONE, i = np->reserves;
    for (; i != NONE && ps->reserves.v[i].at <= at; i = ps->reserves.v[i].next)
        prev = i;
    r.next = i;
    for (; i != NONE && ps->reserves.v[i].at < end; i = ps->reserves.v[i].next) {
        amount_sub(&ps->reserves.v[i].spare, &r.need, n->nstocks);
        amount_sub(&ps->reserves.v[i].live, &r.need, n->nstocks);
    }
    td_vec_push(&ps->reserves, r);
    if (prev == NONE)
        np->reserves = ps->reserves.n - 1;
    else
        ps->reserves.v[prev].next = ps->reserves.n - 1;
}

uint32_t plan_next_hope(const struct pass *pass, const struct shape *s, uint32_t from)
{
    for (uint32_t w = from / 64; w < pass->s->nwords; w++) {
        uint64_t bits = s->eligible[w];

        if (w == from / 64)
            bits &= ~(uint64_t)0 << (from % 64);
        for (; bits; bits &= bits - 1) {
            uint32_t pos = w * 64 + (uint32_t)__builtin_ctzll(bits), node = pass->x->node_at.v[pos];

            if (pass->l->nodes.v[node].usable && !shape_refused(s, node))
                return pos;
        }
    }
    return NONE;
}

/* What stands against it now is a reservation, on nodes enough for it. */
const char *plan_reserved(struct pass *pass, const struct slot *c)
{
    const struct shape *s = pass->l->shapes.v[c->shape];
    int64_t now = pass->p->now_ms, end = time_after(now, c->limit_s);
    uint32_t fits = 0;
    const char *name = NULL;

    for (uint32_t pos = pass->l->windows.n ? plan_next_hope(pass, s, 0) : NONE; pos != NONE && pass->looks < RESERVED_LOOKS_MAX;
         pos = plan_next_hope(pass, s, pos + 1)) {
        uint32_t node = pass->x->node_at.v[pos];
        const struct node *n = &pass->l->nodes.v[node];

        pass->looks++;

        if (!shape_fit(s, n, &plan_node(pass, node)->free, s->multi ? s->part_min : s->tasks, 1))
            continue;
        fits++;
        if (!name && window_reserved(pass->l, s, node, now) < end)
            name = td_ledger_window_between(pass->l, s->is.reservation, node, now, end);
    }
    return fits >= s->nodes_min ? name : NULL;
}

bool plan_lacks_licences(const struct pass *pass, const struct slot *c)
{
    const struct shape *s = pass->l->shapes.v[c->shape];
    int64_t until = TD_FOREVER, next;

    if (s->licences)
        licences_look(pass->l, s, pass->p->now_ms, &until, &next);
    return until < time_after(pass->p->now_ms, c->limit_s);
}

static void promise(struct pass *pass, const struct slot *c, int64_t at)
{
    struct plan_state *ps = pass->s;
    uint32_t *nodes = td_arena_alloc(&pass->out->arena, sizeof(*nodes) * (ps->parts.n + 1));
    int64_t end = time_after(at, c->limit_s);

    bool licences = plan_lacks_licences(pass, c);
    licences_promised(pass->l, c->shape, at, end);
    for (uint32_t i = 0; i < ps->parts.n; i++) {
        nodes[i] = ps->parts.v[i].node;
        keep(pass, c, nodes[i], ps->parts.v[i].part, at, end);
    }
    struct td_plan_promise p = {.job = c->job,
                                .shape = c->shape,
                                .at_ms = at >= OPEN_END ? TD_FOREVER : at,
                                .nodes = nodes,
                                .nnodes = ps->parts.n,
                                .reserved = plan_reserved(pass, c)};
    p.licences = licences;
    td_vec_push(&pass->out->promises, p);
}

bool plan_reserve_at(struct pass *pass, const struct slot *c, int64_t at)
{
    struct plan_state *ps = pass->s;
    const struct shape *s = pass->l->shapes.v[c->shape];

    for (uint32_t i = 0; i < ps->parts.n; i++) {
        uint32_t node = ps->parts.v[i].node;
        struct timeline t;
        timeline_start(&t, pass, node);
        while (timeline_next(&t) <= at && timeline_step(&t))
            ;
        struct amount m = room_between(pass, node, &t.free, at, time_after(at, c->limit_s));
        if (!shape_fit(s, t.n, &m, ps->parts.v[i].part, 1))
            return false;
    }
    promise(pass, c, at);
    return true;
}

/* --- single-node -------------------------------------------------------------------------------------------------- */

static bool reserve_single(struct pass *pass, const struct slot *c, const struct shape *s)
{
    int64_t best = TD_FOREVER;
    struct plan_part part = {.part = s->tasks};

    for (uint32_t pos = plan_next_hope(pass, s, 0); pos != NONE; pos = plan_next_hope(pass, s, pos + 1)) {
        int64_t at = earliest(pass, pass->x->node_at.v[pos], s, c->limit_s, best);

        if (at < best) {
            best = at;
            part.node = pass->x->node_at.v[pos];
        }
    }
    pass->s->parts.n = 0;
    if (best < TD_FOREVER)
        td_vec_push(&pass->s->parts, part);
    promise(pass, c, best);
    return best < TD_FOREVER;
}

/* --- multi-node --------------------------------------------------------------------------------------------------- */

static void note_rises(struct pass *pass, uint32_t pos, const struct shape *s, uint32_t step)
{
    uint32_t node = pass->x->node_at.v[pos], had = 0;
    const struct node_plan *np = plan_node(pass, node);
    int64_t from = pass->p->now_ms;
    struct timeline t;

    for (uint32_t i = np->reserves; i != NONE; i = pass->s->reserves.v[i].next)
        from = TD_MAX(from, pass->s->reserves.v[i].end);
    if (from == TD_FOREVER)
        return;
    timeline_start(&t, pass, node);
    while (timeline_next(&t) <= from && timeline_step(&t))
        ;
    for (t.at = TD_MAX(t.at, from);;) {
        uint32_t capacity = shape_fit_part(s, t.n, &t.free);

        if (capacity > had && (had == 0 || capacity >= had + step || capacity >= s->part_best)) {
            struct rise r = {t.at, pos, capacity};

            td_vec_push(&pass->s->rises, r);
            had = capacity;
        }
        if (had >= s->part_best || !timeline_step(&t))
            return;
    }
}

/* Of a node that reservations take: what note_rises found from `first` on holds in the stretches in which a job of this
 * limit may begin there, and between them nothing does. */
static void note_closings(struct pass *pass, uint32_t pos, const struct shape *s, uint32_t limit_s, uint32_t first)
{
    struct plan_state *ps = pass->s;
    uint32_t node = pass->x->node_at.v[pos], n = ps->rises.n - first, k = 0, capacity = 0;

    if (!n || !window_any(pass->l, s, node))
        return;
    struct rise *was = td_arena_dup(&ps->arena, ps->rises.v + first, n * sizeof(*was));
    ps->rises.n = first;
    for (int64_t at = was[0].at; ps->rises.n - first < CLOSINGS_MAX;) {
        int64_t from = window_open(pass->l, s, node, at, limit_s);

        if (from >= OPEN_END)
            return;
        int64_t until = window_until(pass->l, s, node, from);
        int64_t last = until == TD_FOREVER ? TD_FOREVER : TD_MAX(until - (int64_t)limit_s * 1000, from);
        for (; k < n && was[k].at <= from; k++)
            capacity = was[k].capacity;
        struct rise opens = {from, pos, capacity};
        td_vec_push(&ps->rises, opens);
        for (; k < n && was[k].at <= last; k++) {
            capacity = was[k].capacity;
            td_vec_push(&ps->rises, was[k]);
        }
        if (last == TD_FOREVER)
            return;
        at = last + 1;
        struct rise closes = {at, pos, 0};
        td_vec_push(&ps->rises, closes);
    }
}

/* Do the nodes counted in the histogram of capacities suffice? */
static bool suffices(const struct shape *s, const uint32_t *histogram, uint32_t nodes, uint64_t together)
{
    uint64_t sum = 0;
    uint32_t used = 0;

    if (nodes < s->nodes_min || together < s->whole)
        return false;
    if (s->whole == 0 || nodes <= s->nodes_max)
        return true;
    for (uint32_t c = s->part_best; c > 0 && used < s->nodes_max; c--) {
        uint32_t k = TD_MIN(histogram[c], s->nodes_max - used);

        used += k;
        sum += (uint64_t)k * c;
    }
    return sum >= s->whole;
}

/* Sweeps the rises; returns the first moment at which enough nodes are there, with their capacities by place. */
static int64_t sweep(struct pass *pass, const struct shape *s)
{
    struct plan_state *ps = pass->s;
    uint32_t places = ps->nwords * 64, nodes = 0;
    uint64_t together = 0;

    td_vec_reserve(&ps->capacity, places + 1);
    td_vec_reserve(&ps->histogram, s->part_best + 1);
    memset(ps->capacity.v, 0, sizeof(uint32_t) * (places + 1));
    memset(ps->histogram.v, 0, sizeof(uint32_t) * (s->part_best + 1));
    for (uint32_t i = 0; i < ps->rises.n; i++) {
        const struct rise *r = &ps->rises.v[i];
        uint32_t capacity = TD_MIN(r->capacity, s->part_best), had = ps->capacity.v[r->pos];

        nodes = nodes + (capacity > 0) - (had > 0);
        if (had)
            ps->histogram.v[had]--;
        if (capacity)
            ps->histogram.v[capacity]++;
        ps->capacity.v[r->pos] = capacity;
        together = together + capacity - had;
        bool last_of_moment = i + 1 == ps->rises.n || ps->rises.v[i + 1].at > r->at;
        if (last_of_moment && suffices(s, ps->histogram.v, nodes, together))
            return r->at;
    }
    return TD_FOREVER;
}

static bool reserve_multi(struct pass *pass, const struct slot *c, const struct shape *s)
{
    struct plan_state *ps = pass->s;
    uint64_t levels = (uint64_t)s->part_best * s->neligible;
    uint32_t step = (uint32_t)(levels / RISES_MAX + 1);

    ps->rises.n = ps->parts.n = 0;
    for (uint32_t pos = plan_next_hope(pass, s, 0); pos != NONE; pos = plan_next_hope(pass, s, pos + 1)) {
        uint32_t first = ps->rises.n;
        note_rises(pass, pos, s, step);
        note_closings(pass, pos, s, c->limit_s, first);
    }
    plan_sort_rises(ps->rises.v, ps->rises.n);
    int64_t at = s->part_best ? sweep(pass, s) : TD_FOREVER;
    if (at < TD_FOREVER) {
        for (uint32_t pos = plan_next_hope(pass, s, 0); pos != NONE; pos = plan_next_hope(pass, s, pos + 1)) {
            struct plan_part part = {.node = pass->x->node_at.v[pos], .capacity = ps->capacity.v[pos]};

            if (part.capacity)
                td_vec_push(&ps->parts, part);
        }
        bool chosen = plan_choose_parts(pass, s);
        TD_ASSERT(chosen);
    }
    promise(pass, c, at);
    return at < TD_FOREVER;
}

bool plan_reserve(struct pass *pass, const struct slot *c)
{
    const struct shape *s = pass->l->shapes.v[c->shape];

    return s->multi ? reserve_multi(pass, c, s) : reserve_single(pass, c, s);
}
