/* plan_try.c - may this candidate start now, promises kept?
 *
 * due      its booking begins now
 * room     it fits into what the bookings (its own apart) leave
 * way      it fits but for bookings, and these can be placed anew within their promises
 *
 * and in each case without touching what is kept for the heads (plan_room). Places that cannot hold
 * the shape any more are struck out for the rest of the pass. */
#include "plan_book.h"

static uint64_t *places_of(struct pass *pass, const struct shape *s, struct shape_pass *sp)
{
    if (!sp->alive)
        sp->alive = td_arena_dup(&pass->s->arena, s->eligible, sizeof(uint64_t) * (s->nwords + 1));
    return sp->alive;
}

static void strike(struct shape_pass *sp, uint32_t pos)
{
    sp->alive[pos / 64] &= ~((uint64_t)1 << (pos % 64));
}

static void begin(struct pass *pass, const struct try *t, uint32_t count)
{
    const struct slot *c = t->c;
    int64_t end = time_after(pass->p->now_ms, t->limit_s);

    for (uint32_t i = 0; i < pass->s->parts.n; i++) {
        struct plan_part part = pass->s->parts.v[i];
        book_start(pass, c, part.node, part.part, count, end);
        plan_occupy(pass, part.node, pass->l->shapes.v[c->shape], part.part, count, end, t->end);
    }
    plan_record(pass, c, count, t->limit_s);
}

/* With --time-min: as long as all its nodes leave, within its limit. */
static void begin_as_long(struct pass *pass, struct try *t, uint32_t count)
{
    const struct shape *s = pass->l->shapes.v[t->c->shape];
    int64_t until = TD_FOREVER;
    uint32_t least_s = t->limit_s;

    for (uint32_t i = 0; t->shrunk && i < pass->s->parts.n; i++) {
        const struct plan_part *part = &pass->s->parts.v[i];
        uint32_t size = part->part * (s->multi ? 1 : count);
        until = TD_MIN(until, book_until(pass, part->node, s, size));
        until = TD_MIN(until, plan_window(pass, part->node, s, size));
    }
    if (t->shrunk && count == 1) {
        int64_t room_s = until == TD_FOREVER ? t->c->limit_s : (until - pass->p->now_ms) / 1000;
        t->limit_s = (uint32_t)TD_MAX(TD_MIN(room_s, (int64_t)t->c->limit_s), (int64_t)least_s);
        t->end = time_after(pass->p->now_ms, t->limit_s);
    }
    begin(pass, t, count);
    t->limit_s = least_s;
}

static uint32_t start_due(struct pass *pass, struct try *t)
{
    const struct shape *s = pass->l->shapes.v[t->c->shape];

    if (!book_is_due(pass, t->c))
        return 0;
    for (uint32_t i = 0; i < pass->s->parts.n; i++) {
        const struct plan_part *part = &pass->s->parts.v[i];
        const struct node *n = &pass->l->nodes.v[part->node];
        struct amount m;
        if (!shape_fit(s, n, &plan_node(pass, part->node)->free, part->part, 1) ||
            window_until(pass->l, s, part->node, pass->p->now_ms) < time_after(pass->p->now_ms, t->limit_s) ||
            (!t->forced &&
             !shape_fit(s, n, plan_room(pass, part->node, t->end, &m), part->part, 1)))
            return 0;
    }
    if (!plan_may_start(pass, t->c->shape, 1))
        return 0;
    book_lift(pass, t->c);
    begin(pass, t, 1);
    return 1;
}

/* --- one node ----------------------------------------------------------------------------------------------------- */

static uint32_t start_single(struct pass *pass, struct try *t, uint32_t want, uint32_t *ret_way)
{
    const struct slot *c = t->c;
    const struct shape *s = pass->l->shapes.v[c->shape];
    struct shape_pass *sp = &pass->s->shapes.v[c->shape];
    const uint64_t *places = places_of(pass, s, sp);
    int64_t end = time_after(pass->p->now_ms, t->limit_s);
    uint32_t done = 0;

    for (uint32_t pos = plan_next_place(pass, s, places, 0);
         pos != NONE && done < want && !pass->stopped;
         pos = plan_next_place(pass, s, places, pos + 1)) {
        uint32_t node = pass->x->node_at.v[pos];
        const struct node *n = &pass->l->nodes.v[node];
        struct amount m, room;

        if (!shape_fit(s, n, &plan_node(pass, node)->free, s->tasks, 1)) {
            strike(sp, pos);
            continue;
        }
        if (window_until(pass->l, s, node, pass->p->now_ms) < end)
            continue; /* a reservation comes, or is there */
        t->fits = true;
        room = *plan_room(pass, node, t->end, &m);
        if (!shape_fit(s, n, &room, s->tasks, 1))
            continue;
        book_lift(pass, c);
        book_room(pass, node, end, &room);
        uint32_t k = shape_fit(s, n, &room, s->tasks, want - done);
        if (!k) {
            if (*ret_way == NONE)
                *ret_way = node;
            continue;
        }
        k = plan_may_start(pass, c->shape, k);
        if (!k)
            break;
        struct plan_part part = {.node = node, .part = s->tasks};
        pass->s->parts.n = 0;
        td_vec_push(&pass->s->parts, part);
        begin_as_long(pass, t, k);
        done += k;
    }
    return done;
}

/* --- several nodes ------------------------------------------------------------------------------------------------ */

enum kept { KEPT_NOTHING, KEPT_HEADS, KEPT_ALL };

/* Those that can take part now, in ps->parts, if so much is kept for others. */
static bool choose(struct pass *pass, const struct try *t, enum kept kept)
{
    struct plan_state *ps = pass->s;
    const struct shape *s = pass->l->shapes.v[t->c->shape];
    struct shape_pass *sp = &ps->shapes.v[t->c->shape];
    const uint64_t *places = places_of(pass, s, sp);
    int64_t end = time_after(pass->p->now_ms, t->limit_s);

    ps->parts.n = 0;
    for (uint32_t pos = plan_next_place(pass, s, places, 0); pos != NONE;
         pos = plan_next_place(pass, s, places, pos + 1)) {
        uint32_t node = pass->x->node_at.v[pos];
        const struct node *n = &pass->l->nodes.v[node];
        struct amount m, room = plan_node(pass, node)->free;

        if (!shape_fit_part(s, n, &room)) {
            strike(sp, pos);
            continue;
        }
        if (window_until(pass->l, s, node, pass->p->now_ms) < end)
            continue;
        if (kept != KEPT_NOTHING)
            room = *plan_room(pass, node, t->end, &m);
        if (kept == KEPT_ALL)
            book_room(pass, node, end, &room);
        struct plan_part part = {.node = node, .capacity = shape_fit_part(s, n, &room)};
        if (part.capacity)
            td_vec_push(&ps->parts, part);
    }
    return plan_choose_parts(pass, s);
}

static uint32_t start_multi(struct pass *pass, struct try *t, uint32_t want, bool *ret_way)
{
    uint32_t done = 0;

    if (!pass->l->shapes.v[t->c->shape]->part_best || !choose(pass, t, KEPT_NOTHING))
        return 0;
    t->fits = true;
    if (!choose(pass, t, KEPT_HEADS))
        return 0;
    book_lift(pass, t->c);
    while (done < want && !pass->stopped) {
        if (!choose(pass, t, KEPT_ALL)) {
            *ret_way = done == 0;
            break;
        }
        if (!plan_may_start(pass, t->c->shape, 1))
            break;
        begin_as_long(pass, t, 1);
        done++;
    }
    return done;
}

/* --- one candidate ------------------------------------------------------------------------------------------------ */

static uint32_t start_way(struct pass *pass, struct try *t)
{
    int64_t end = time_after(pass->p->now_ms, t->limit_s);

    if (t->no_way || !plan_may_start(pass, t->c->shape, 1) || !book_make_way(pass, t->c, end))
        return 0;
    begin(pass, t, 1);
    return 1;
}

static uint32_t start_room(struct pass *pass, struct try *t, uint32_t want)
{
    const struct shape *s = pass->l->shapes.v[t->c->shape];
    uint32_t way_node = NONE, done;
    bool way = false;

    if (s->multi) {
        done = start_multi(pass, t, want, &way);
        return done || !way || pass->stopped || !choose(pass, t, KEPT_HEADS) ? done
                                                                             : start_way(pass, t);
    }
    done = start_single(pass, t, want, &way_node);
    if (done || way_node == NONE || pass->stopped)
        return done;
    struct plan_part part = {.node = way_node, .part = s->tasks};
    pass->s->parts.n = 0;
    td_vec_push(&pass->s->parts, part);
    return start_way(pass, t);
}

uint32_t plan_try(struct pass *pass, struct try *t, uint32_t want)
{
    const struct slot *c = t->c;

    t->limit_s = c->limit_s;
    if (pass->l->shapes.v[c->shape]->licences)
        book_lift(pass, c); /* what it is booked to have of them is not in its way */
    uint32_t done = start_due(pass, t);
    t->fits = done > 0;
    if (!t->only_due && done < want && !pass->stopped)
        done += start_room(pass, t, want - done);
    bool shrinks = c->limit_min_s && c->limit_min_s < c->limit_s && (t->fits || pass->l->windows.n) && !t->only_due;
    for (uint32_t k = 1; shrinks && k && done < want && !pass->stopped; done += k) {
        t->shrunk = t->no_way = true;
        t->limit_s = c->limit_min_s;
        t->end = time_after(pass->p->now_ms, t->limit_s);
        k = start_room(pass, t, 1);
    }
    book_settle(pass, t->c, done > 0);
    return done;
}
