/* plan_multi.c - candidates that need several nodes together: all or none, on as few as allowed
 *
 * Nodes that hold most go first, then those first in order; looking ends as soon as the fewest nodes that any
 * choice could do with are together. Places that can take no part any more are struck out for the shape. */
#include "plan_priv.h"

#include <string.h>

static bool rise_before(const struct rise *a, const struct rise *b)
{
    return a->at != b->at ? a->at < b->at : a->pos < b->pos;
}

static void rise_down(struct rise *v, uint32_t n, uint32_t i)
{
    for (;;) {
        uint32_t top = i;

        for (uint32_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++)
            if (rise_before(&v[top], &v[c]))
                top = c;
        if (top == i)
            return;
        struct rise t = v[i];
        v[i] = v[top];
        v[top] = t;
        i = top;
    }
}

void plan_sort_rises(struct rise *v, uint32_t n)
{
    for (uint32_t i = n / 2; i-- > 0;)
        rise_down(v, n, i);
    for (uint32_t end = n; end > 1;) {
        struct rise t = v[0];

        v[0] = v[--end];
        v[end] = t;
        rise_down(v, end, 0);
    }
}

/* Fewest nodes it can do with, were they all as good as the best. */
static uint32_t nodes_ideal(const struct shape *s)
{
    uint32_t by_part = s->whole / s->part_best + (s->whole % s->part_best > 0);

    return TD_MAX(by_part, s->nodes_min);
}

/* Spreads the whole over n chosen parts: the fewest on each, then filled up from the first. */
static void spread(struct plan_part *v, uint32_t n, const struct shape *s)
{
    uint64_t least = (uint64_t)s->part_min * n;
    uint64_t left = s->whole > least ? s->whole - least : 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t more = TD_MIN(left, (uint64_t)(v[i].capacity - s->part_min));

        v[i].part = s->part_min + (uint32_t)more;
        left -= more;
    }
}

bool plan_choose_parts(struct pass *pass, const struct shape *s)
{
    struct plan_state *ps = pass->s;
    uint32_t n = 0, best = s->part_max;
    uint64_t sum = 0;

    ps->rises.n = 0;
    for (uint32_t i = 0; i < ps->parts.n; i++) {
        uint32_t lacks = best - TD_MIN(best, ps->parts.v[i].capacity);
        struct rise r = {.at = s->whole ? lacks : 0, .pos = i};

        td_vec_push(&ps->rises, r);
    }
    plan_sort_rises(ps->rises.v, ps->rises.n);
    while (n < ps->rises.n && n < s->nodes_max && (n < s->nodes_min || sum < s->whole))
        sum += ps->parts.v[ps->rises.v[n++].pos].capacity;
    if (n < s->nodes_min || sum < s->whole)
        return false;
    for (uint32_t i = 0; i < n; i++)
        ps->rises.v[i].at = 0; /* back into the order of places */
    plan_sort_rises(ps->rises.v, n);
    for (uint32_t i = 0; i < n; i++)
        ps->parts.v[i] = ps->parts.v[ps->rises.v[i].pos];
    ps->parts.n = n;
    spread(ps->parts.v, n, s);
    return true;
}

/* *ret_windowed: with a shorter limit there might have been more. */
static bool choose_now(struct pass *pass, const struct slot *c, int64_t end, bool *ret_windowed)
{
    struct plan_state *ps = pass->s;
    const struct shape *s = pass->l->shapes.v[c->shape];
    struct shape_pass *sp = &ps->shapes.v[c->shape];
    uint32_t good = 0, ideal = nodes_ideal(s);
    uint32_t share = s->whole ? s->whole / ideal + (s->whole % ideal > 0) : s->part_min;

    if (!sp->alive)
        sp->alive = td_arena_dup(&ps->arena, s->eligible, sizeof(uint64_t) * (s->nwords + 1));
    *ret_windowed = false;
    ps->parts.n = 0;
    for (uint32_t pos = plan_next_place(pass, s, sp->alive, 0); pos != NONE;
         pos = plan_next_place(pass, s, sp->alive, pos + 1)) {
        uint32_t node = pass->x->node_at.v[pos];
        const struct node *n = &pass->l->nodes.v[node];
        struct amount m;
        uint32_t capacity = shape_fit_part(s, n, &plan_node(pass, node)->free);

        if (!capacity) {
            sp->alive[pos / 64] &= ~((uint64_t)1 << (pos % 64)); /* for good in this pass */
            continue;
        }
        int64_t open = window_until(pass->l, s, node, pass->p->now_ms);
        if (open < end) {
            *ret_windowed = *ret_windowed || open > pass->p->now_ms;
            continue;
        }
        const struct amount *room = plan_room(pass, node, end, &m);
        if (room == &m) {
            uint32_t had = capacity;

            capacity = shape_fit_part(s, n, room);
            *ret_windowed = *ret_windowed || capacity < had;
        }
        if (!capacity)
            continue;
        struct plan_part part = {.node = node, .capacity = capacity};
        td_vec_push(&ps->parts, part);
        good += capacity >= share;
        if (good >= ideal)
            break;
    }
    return plan_choose_parts(pass, s);
}

/* The longest limit that all chosen nodes leave, between the least and the wanted one. */
static uint32_t shrunk_limit(struct pass *pass, const struct slot *c)
{
    const struct shape *s = pass->l->shapes.v[c->shape];
    int64_t until = TD_FOREVER;

    for (uint32_t i = 0; i < pass->s->parts.n; i++) {
        const struct plan_part *part = &pass->s->parts.v[i];

        until = TD_MIN(until, plan_window(pass, part->node, s, part->part));
    }
    if (until == TD_FOREVER)
        return c->limit_s;
    int64_t room_s = (until - pass->p->now_ms) / 1000;
    return TD_MIN((uint32_t)TD_MIN(room_s, (int64_t)TD_INFINITE - 1), c->limit_s);
}

uint32_t plan_start_multi(struct pass *pass, const struct slot *c, uint32_t want)
{
    const struct shape *s = pass->l->shapes.v[c->shape];
    int64_t now = pass->p->now_ms;
    uint32_t done = 0;
    bool windowed;

    if (!s->part_best)
        return 0;
    while (done < want && !pass->stopped) {
        uint32_t limit_s = c->limit_s;

        if (!choose_now(pass, c, time_after(now, limit_s), &windowed)) {
            if (!windowed)
                pass->s->shapes.v[c->shape].failed_s = 0; /* no limit is short enough */
            if (!windowed || !c->limit_min_s || c->limit_min_s >= c->limit_s ||
                !choose_now(pass, c, time_after(now, c->limit_min_s), &windowed))
                break;
            limit_s = shrunk_limit(pass, c);
        }
        if (!plan_may_start(pass, c->shape, 1))
            break;
        for (uint32_t i = 0; i < pass->s->parts.n; i++)
            plan_occupy(pass, pass->s->parts.v[i].node, s, pass->s->parts.v[i].part, 1, time_after(now, limit_s), time_after(now, limit_s));
        plan_record(pass, c, 1, limit_s);
        done++;
    }
    return done;
}
