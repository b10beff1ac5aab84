/* plan_start.c - starts of single-node candidates
 *
 * Per shape: a cursor over the places, and the windows behind it. Free amounts only shrink during a pass, so a node
 * that cannot take another instance is never looked at again by its shape; one that could but for a promise goes to
 * the windows, a heap by the latest end still allowed. Windows only shrink too, so a stale one is an upper bound: if
 * the top is too short, all are, and a candidate that does not fit costs one comparison. */
#include "plan_priv.h"

uint32_t plan_may_start(struct pass *pass, uint32_t shape, uint32_t want)
{
    struct shape_pass *sp = &pass->s->shapes.v[shape];

    if (pass->l->shapes.v[shape]->licences)
        want = TD_MIN(want, 1u); /* one by one: what is left is another then */
    if (!sp->in_lots && pass->nlots >= pass->lots_max) {
        pass->stopped = true;
        return 0;
    }
    if (pass->starts_max - pass->started <= want) {
        pass->stopped = true;
        want = pass->starts_max - pass->started;
    }
    return want;
}

void plan_record(struct pass *pass, const struct slot *c, uint32_t count, uint32_t limit_s)
{
    struct plan_state *s = pass->s;
    struct shape_pass *sp = &s->shapes.v[c->shape];
    struct td_plan *out = pass->out;

    pass->started += count;
    licences_started(pass->l, pass->l->shapes.v[c->shape], count, pass->p->now_ms, time_after(pass->p->now_ms, limit_s));
    if (!sp->in_lots) {
        sp->in_lots = true;
        pass->nlots++;
    }
    if (!sp->started) {
        sp->started = true;
        sp->blocks = s->blocks.n;
    }
    if (out->starts.n) {
        struct td_plan_start *last = &out->starts.v[out->starts.n - 1];

        if (last->job == c->job && last->component == c->component && last->partition == c->partition &&
            last->limit_s == limit_s) {
            last->count += count;
            return;
        }
    }
    struct td_plan_start start = {.job = c->job,
                                  .component = c->component,
                                  .partition = c->partition,
                                  .shape = c->shape,
                                  .count = count,
                                  .rank = c->rank,
                                  .limit_s = limit_s};
    td_vec_push(&out->starts, start);
    if (s->blocks.n) {
        struct late late = {c->job, s->blocks.n};

        td_vec_push(&s->late, late);
    }
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

static bool longer(const struct window *a, const struct window *b)
{
    return a->until != b->until ? a->until > b->until : a->pos < b->pos;
}

static void window_down(struct shape_pass *sp)
{
    struct window *v = sp->windows.v;

    for (uint32_t i = 0;;) {
        uint32_t top = i;

        for (uint32_t c = 2 * i + 1; c <= 2 * i + 2 && c < sp->windows.n; c++)
            if (longer(&v[c], &v[top]))
                top = c;
        if (top == i)
            return;
        struct window t = v[i];
        v[i] = v[top];
        v[top] = t;
        i = top;
    }
}

static void window_push(struct shape_pass *sp, int64_t until, uint32_t pos)
{
    struct window w = {until, pos};

    td_vec_push(&sp->windows, w);
    struct window *v = sp->windows.v;
    for (uint32_t i = sp->windows.n - 1; i > 0 && longer(&v[i], &v[(i - 1) / 2]); i = (i - 1) / 2) {
        struct window t = v[i];

        v[i] = v[(i - 1) / 2];
        v[(i - 1) / 2] = t;
    }
}

/* Brings the top up to date; returns its end, -1 when there is none. */
static int64_t window_top(struct pass *pass, const struct shape *s, struct shape_pass *sp)
{
    while (sp->windows.n) {
        struct window *top = &sp->windows.v[0];
        int64_t until = plan_window(pass, pass->x->node_at.v[top->pos], s, s->tasks);

        if (until == top->until)
            return until;
        if (until < 0)
            *top = sp->windows.v[--sp->windows.n];
        else
            top->until = until;
        window_down(sp);
    }
    return -1;
}

/* --- starts ------------------------------------------------------------------------------------------------------- */

static uint32_t start_on(struct pass *pass, const struct slot *c, uint32_t pos, uint32_t want, uint32_t limit_s)
{
    const struct shape *s = pass->l->shapes.v[c->shape];
    uint32_t node = pass->x->node_at.v[pos];
    int64_t end = time_after(pass->p->now_ms, limit_s);
    struct amount m;
    uint32_t k = shape_fit(s, &pass->l->nodes.v[node], plan_room(pass, node, end, &m), s->tasks, want);

    TD_ASSERT(k > 0);
    k = plan_may_start(pass, c->shape, k);
    if (k) {
        plan_occupy(pass, node, s, s->tasks, k, end, end);
        plan_record(pass, c, k, limit_s);
    }
    return k;
}

static uint32_t start_in_windows(struct pass *pass, const struct slot *c, uint32_t want)
{
    const struct shape *s = pass->l->shapes.v[c->shape];
    struct shape_pass *sp = &pass->s->shapes.v[c->shape];
    int64_t end = time_after(pass->p->now_ms, c->limit_s);
    uint32_t done = 0;

    while (done < want && !pass->stopped && sp->windows.n && sp->windows.v[0].until >= end &&
           window_top(pass, s, sp) >= end)
        done += start_on(pass, c, sp->windows.v[0].pos, want - done, c->limit_s);
    return done;
}

static uint32_t start_at_cursor(struct pass *pass, const struct slot *c, uint32_t want)
{
    const struct shape *s = pass->l->shapes.v[c->shape];
    struct shape_pass *sp = &pass->s->shapes.v[c->shape];
    int64_t end = time_after(pass->p->now_ms, c->limit_s);
    uint32_t done = 0;

    while (done < want && !pass->stopped) {
        uint32_t pos = plan_next_place(pass, s, s->eligible, sp->cursor);

        if (pos == NONE) {
            sp->cursor = pass->s->nwords * 64;
            break;
        }
        int64_t until = plan_window(pass, pass->x->node_at.v[pos], s, s->tasks);
        sp->cursor = pos;
        if (until >= end) {
            done += start_on(pass, c, pos, want - done, c->limit_s);
            continue;
        }
        if (until >= 0)
            window_push(sp, until, pos);
        sp->cursor = pos + 1;
    }
    return done;
}

/* With --time-min: the longest window there is, if it is long enough. The cursor has come to its end. */
static uint32_t start_shrunk(struct pass *pass, const struct slot *c, uint32_t want)
{
    const struct shape *s = pass->l->shapes.v[c->shape];
    struct shape_pass *sp = &pass->s->shapes.v[c->shape];
    int64_t least = time_after(pass->p->now_ms, c->limit_min_s);
    uint32_t done = 0;

    while (done < want && !pass->stopped) {
        int64_t until = window_top(pass, s, sp);

        if (until < least)
            break;
        int64_t room_s = (until - pass->p->now_ms) / 1000;
        uint32_t limit_s = (uint32_t)TD_MIN(room_s, (int64_t)TD_INFINITE - 1);
        done += start_on(pass, c, sp->windows.v[0].pos, want - done, TD_MIN(limit_s, c->limit_s));
    }
    return done;
}

uint32_t plan_start_single(struct pass *pass, const struct slot *c, uint32_t want)
{
    uint32_t done = start_in_windows(pass, c, want);

    done += start_at_cursor(pass, c, want - done);
    if (done < want && !pass->stopped && c->limit_min_s && c->limit_min_s < c->limit_s)
        done += start_shrunk(pass, c, want - done);
    return done;
}
