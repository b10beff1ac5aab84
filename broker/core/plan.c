/* plan.c - one pass over the waiting candidates: who starts now, who is promised what
 *
 * The queue keeps a list per shape, each in rank order; the pass merges them by a heap, so candidates are met in rank
 * order overall. For each:
 *
 *   start     plan_start.c, plan_multi.c. Works on scratch copies of what is free. What did not fit for a shape does not
 *             fit later in the pass, for the same or a longer limit: such candidates are skipped at once, and a shape
 *             whose shortest limit has failed leaves the heap.
 *   blocked   easy: the first `depth` get a promise (plan_reserve.c), and beyond the depth any whose nodes are disjoint
 *             from those the promised ones could use (another partition has its own head). conservative: the same with
 *             a large depth. fifo: nothing lower starts on any node that a blocked one could use; the first of each
 *             disjoint set of nodes gets a promise, to have a time to show. sjbf: as easy, and whoever comes behind the
 *             heads is put off until all were met, then tried by limit.
 *   window    plan_node.c. A start must leave every promise what it needs.
 *
 * Cost: candidates x log(shapes), plus shapes x nodes in the worst case, plus nodes x holdings for each promise.
 * A full cluster costs a few words of bitmap per shape. The pass may end early at starts_max or lots_max; what it has
 * decided by then is right as far as it goes, since everything it did not look at ranks lower.
 *
 * A job with several candidates (partitions) starts once: instances started by one are off the others' counts, and it
 * gets one promise. Time without limit: see OPEN_END in ledger_priv.h. */
#include "plan_book.h"

#include <string.h>

#define LOOK 1000              /* tender, conservative: candidates that get a booking when no depth is given */
#define LATER_MAX 10000        /* sjbf: so many are put in order of limits; what comes behind them is met before */
#define PROMISES_EXTRA 1024    /* heads of disjoint sets of nodes */

/* --- jobs with several candidates --------------------------------------------------------------------------------- */

static uint64_t several_key(const struct slot *c)
{
    return (uint64_t)c->job << 16 | c->component;
}

static uint64_t several_get(const struct pass *pass, const struct slot *c)
{
    return c->several ? (uint64_t)(uintptr_t)td_map_get(&pass->several, several_key(c)) : 0;
}

static void several_put(struct pass *pass, const struct slot *c, uint32_t started, bool promised)
{
    uint64_t value = several_get(pass, c);

    if (!c->several)
        return;
    value = (value | promised) + ((uint64_t)started << 1);
    if (value)
        td_map_put(&pass->several, several_key(c), (void *)(uintptr_t)value);
}

/* --- blocked candidates ------------------------------------------------------------------------------------------- */

static bool overlaps(const struct plan_state *ps, const struct shape *s, const uint64_t *places)
{
    for (uint32_t w = 0; w < ps->nwords; w++)
        if (s->eligible[w] & places[w])
            return true;
    return false;
}

static void join(const struct plan_state *ps, const struct shape *s, uint64_t *places)
{
    for (uint32_t w = 0; w < ps->nwords; w++)
        places[w] |= s->eligible[w];
}

bool plan_is_apart(const struct pass *pass, const struct slot *c)
{
    return pass->l->shapes.v[c->shape]->apart;
}

bool plan_meets_reserved(const struct pass *pass, const struct slot *c)
{
    return overlaps(pass->s, pass->l->shapes.v[c->shape], pass->s->reserved);
}

void plan_join_reserved(struct pass *pass, const struct slot *c)
{
    join(pass->s, pass->l->shapes.v[c->shape], pass->s->reserved);
}

/* Promises something unless the job has a promise already; true when it now counts as a head. */
static bool make_promise(struct pass *pass, const struct slot *c, struct shape_pass *sp)
{
    if (several_get(pass, c) & 1)
        return false;
    several_put(pass, c, 0, true);
    if (!plan_reserve(pass, c)) {
        sp->hopeless = true; /* no depth is used up: the promise without a node says that there is no hope now */
        return false;
    }
    if (plan_is_apart(pass, c))
        return false;
    pass->nreserved++;
    join(pass->s, pass->l->shapes.v[c->shape], pass->s->reserved);
    return true;
}

static void block_fifo(struct pass *pass, const struct slot *c, struct shape_pass *sp)
{
    struct plan_state *ps = pass->s;
    const struct shape *s = pass->l->shapes.v[c->shape];

    if (sp->judged)
        return;
    sp->judged = true;
    sp->failed_s = 0; /* it may use no node that it does not block itself */
    if (td_ledger_ever(pass->l, c->shape, NULL) == 0)
        return; /* no nodes could ever serve it: to wait behind it would be to wait for ever */
    if (!overlaps(ps, s, ps->reserved) && pass->nreserved < PROMISES_EXTRA)
        make_promise(pass, c, sp);
    for (uint32_t w = 0; w < ps->nwords; w++) {
        uint64_t bits = s->eligible[w], refused = 0;

        for (uint64_t left = s->nrefused || pass->l->windows.n ? bits : 0; left; left &= left - 1) {
            uint32_t i = (uint32_t)__builtin_ctzll(left), node = pass->x->node_at.v[w * 64 + i];

            if (shape_refused(s, node) || window_reserved(pass->l, s, node, pass->s->now) <= pass->s->now)
                refused |= (uint64_t)1 << i; /* or it is kept for others now */
        }
        ps->blocked[w] |= bits & ~refused;
    }
    td_vec_push(&ps->blocks, c->shape);
}

static void block_easy(struct pass *pass, const struct slot *c, struct shape_pass *sp)
{
    if (sp->hopeless)
        return;
    if (plan_is_apart(pass, c)) { /* the first of its shape is a head there */
        if (!sp->judged && pass->out->promises.n < pass->depth + PROMISES_EXTRA)
            make_promise(pass, c, sp);
        sp->judged = true;
        return;
    }
    if (pass->nreserved < pass->depth) {
        make_promise(pass, c, sp);
        return;
    }
    if (sp->judged)
        return;
    sp->judged = true;
    if (pass->nreserved < pass->depth + PROMISES_EXTRA &&
        !overlaps(pass->s, pass->l->shapes.v[c->shape], pass->s->reserved))
        make_promise(pass, c, sp);
}

static bool is_booked(const struct td_plan_params *p)
{
    return td_policy_keeps_book(p->policy);
}

/* --- one candidate ------------------------------------------------------------------------------------------------ */

static void consider(struct pass *pass, const struct slot *c)
{
    const struct shape *s = pass->l->shapes.v[c->shape];
    struct shape_pass *sp = &pass->s->shapes.v[c->shape];
    uint64_t already = several_get(pass, c) >> 1;
    uint32_t least_s = c->limit_min_s && c->limit_min_s < c->limit_s ? c->limit_min_s : c->limit_s;
    uint32_t want = already < c->count ? c->count - (uint32_t)already : 0, done = 0;

    if (!want)
        return;
    if (least_s < sp->failed_s) {
        done = s->multi ? plan_start_multi(pass, c, want) : plan_start_single(pass, c, want);
        several_put(pass, c, done, false);
    }
    if (done == want || pass->stopped)
        return;
    sp->failed_s = TD_MIN(sp->failed_s, (uint64_t)least_s);
    if (pass->p->policy == TD_POLICY_FIFO)
        block_fifo(pass, c, sp);
    else
        block_easy(pass, c, sp);
}

/* Nothing of the shape can start any more, and none of it will be promised anything. */
static bool shape_is_over(const struct pass *pass, uint32_t shape)
{
    const struct shape_pass *sp = &pass->s->shapes.v[shape];

    if (is_booked(pass->p))
        return sp->failed_s <= pass->q->shapes.v[shape]->limit_floor;
    if (sp->failed_s > pass->q->shapes.v[shape]->limit_floor)
        return false;
    return sp->judged || sp->hopeless;
}

/* --- the heap of shapes ------------------------------------------------------------------------------------------- */

/* The shape's next candidate, NULL at the end. */
static const struct slot *next_of(struct pass *pass, uint32_t shape)
{
    const struct shape_queue *list = pass->q->shapes.v[shape];
    struct shape_pass *sp = &pass->s->shapes.v[shape];

    while (sp->at < list->n) {
        const struct slot *c = queue_slot(pass->q, list->v[sp->at++]);

        if (!c->dead && c->count)
            return c;
    }
    return NULL;
}

static void head_down(struct pass *pass, uint32_t i)
{
    struct head *v = pass->heads.v;

    for (;;) {
        uint32_t top = i;

        for (uint32_t c = 2 * i + 1; c <= 2 * i + 2 && c < pass->heads.n; c++)
            if (slot_before(v[c].slot, v[top].slot))
                top = c;
        if (top == i)
            return;
        struct head t = v[i];
        v[i] = v[top];
        v[top] = t;
        i = top;
    }
}

/* Behind the heads. A candidate whose nodes no head could use is a head of its own, in its turn. */
static bool is_put_off(const struct pass *pass, const struct slot *c)
{
    if (is_booked(pass->p))
        return pass->out->examined <= pass->look;
    return pass->p->policy == TD_POLICY_SJBF && pass->s->later.n < LATER_MAX && pass->nreserved >= pass->depth &&
           plan_meets_reserved(pass, c);
}

static void put_off(struct pass *pass, const struct slot *c)
{
    struct ordered o = {.key = is_booked(pass->p) ? 0 : c->limit_s, .slot = c};

    td_vec_push(&pass->s->later, o);
}

static void merge_shapes(struct pass *pass)
{
    struct plan_state *s = pass->s;
    bool booked = false;

    for (uint32_t i = pass->heads.n / 2; i-- > 0;)
        head_down(pass, i);
    while (pass->heads.n && !pass->stopped) {
        struct head *top = &pass->heads.v[0];

        pass->out->examined++;
        if (is_put_off(pass, top->slot))
            put_off(pass, top->slot);
        else if (is_booked(pass->p))
            plan_unbooked(pass, top->slot);
        else
            consider(pass, top->slot);
        top->slot = shape_is_over(pass, top->shape) ? NULL : next_of(pass, top->shape);
        if (!top->slot)
            *top = pass->heads.v[--pass->heads.n];
        head_down(pass, 0);
        if (is_booked(pass->p) && (pass->out->examined == pass->look || !pass->heads.n) && !booked) {
            booked = true;
            plan_booked(pass);
        }
    }
    if (is_booked(pass->p) && !booked)
        plan_booked(pass);
    if (is_booked(pass->p))
        return;
    plan_sort(s->later.v, s->later.n);
    for (uint32_t i = 0; i < s->later.n && !pass->stopped; i++)
        consider(pass, s->later.v[i].slot);
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void words_clear(uint64_t **words, uint32_t n)
{
    *words = td_realloc(*words, sizeof(uint64_t) * (n + 1));
    memset(*words, 0, sizeof(uint64_t) * (n + 1));
}

static void begin_nodes(struct pass *pass)
{
    struct plan_state *s = pass->s;

    s->now = pass->p->now_ms;
    s->policy = pass->p->policy;
    s->endings.n = s->reserves.n = s->blocks.n = s->late.n = s->later.n = 0;
    td_arena_reset(&s->arena);
    if (++s->stamp == 0)
        s->stamp = 1;
    while (s->nodes.n < pass->l->nodes.n) {
        struct node_plan fresh = {.endings = NONE, .reserves = NONE};

        td_vec_push(&s->nodes, fresh);
    }
    s->nwords = pass->x->nwords;
    words_clear(&s->open, s->nwords);
    words_clear(&s->reserved, s->nwords);
    words_clear(&s->blocked, s->nwords);
    if (s->nwords)
        memcpy(s->open, pass->x->open, sizeof(uint64_t) * s->nwords);
}

static void begin_shapes(struct pass *pass)
{
    struct plan_state *s = pass->s;

    while (s->shapes.n < pass->l->shapes.n) {
        struct shape_pass fresh = {0};

        td_vec_push(&s->shapes, fresh);
    }
    for (uint32_t i = 0; i < pass->q->shapes.n; i++) {
        if (!pass->q->shapes.v[i])
            continue;
        TD_ASSERT(i < pass->l->shapes.n);
        queue_settle(pass->q, i);
        struct shape_pass *sp = &s->shapes.v[i];
        struct window *v = sp->windows.v;
        uint32_t cap = sp->windows.cap;
        *sp = (struct shape_pass){.stamp = s->stamp, .at = pass->q->shapes.v[i]->head, .failed_s = UINT64_MAX};
        sp->windows.v = v;
        sp->windows.cap = cap;
        struct head head = {.slot = next_of(pass, i), .shape = i};
        if (!head.slot)
            continue;
        TD_ASSERT(pass->l->shapes.v[i]);
        shape_refresh(pass->l, pass->l->shapes.v[i]);
        td_vec_push(&pass->heads, head);
    }
}

/* By job, for the search in td_plan_allows; the first of a job's entries counts. */
static void sort_late(struct plan_state *s)
{
    for (uint32_t width = 1; width < s->late.n; width *= 2) {
        struct late *tmp = td_alloc(sizeof(*tmp) * s->late.n), *v = s->late.v;

        for (uint32_t i = 0; i < s->late.n; i += 2 * width) {
            uint32_t a = i, mid = TD_MIN(i + width, s->late.n), b = mid, end = TD_MIN(mid + width, s->late.n);

            for (uint32_t k = i; k < end; k++)
                tmp[k] = a < mid && (b == end || v[a].job <= v[b].job) ? v[a++] : v[b++];
        }
        memcpy(v, tmp, sizeof(*tmp) * s->late.n);
        td_free(tmp);
    }
}

static void run(struct td_ledger *l, const struct td_queue *q, const struct td_plan_params *p, struct td_plan *ret)
{
    struct pass pass = {.l = l, .q = q, .p = p, .out = ret, .s = l->plan};

    ret->starts.n = ret->promises.n = ret->examined = 0;
    td_arena_reset(&ret->arena);
    pass.x = ledger_index(l);
    pass.depth = p->depth && !is_booked(p) ? p->depth : 1;
    pass.look = is_booked(p) && p->depth ? p->depth : LOOK;
    pass.starts_max = p->starts_max ? p->starts_max : UINT32_MAX;
    pass.lots_max = p->lots_max ? p->lots_max : UINT32_MAX;
    licences_begin(l, p->now_ms);
    begin_nodes(&pass);
    begin_shapes(&pass);
    ret->bys.n = ret->likely.n = 0;
    ret->next_ms = TD_FOREVER;
    merge_shapes(&pass);
    if (is_booked(p))
        ret->next_ms = book_next(pass.s);
    sort_late(pass.s);
    td_vec_release(&pass.heads);
    td_map_release(&pass.several);
}

void td_plan_run(struct td_ledger *l, const struct td_queue *q, const struct td_plan_params *p, struct td_plan *ret)
{
    struct plan_state *s = l->plan;
    struct book *kept = s->book;
    enum td_policy policy = s->policy;

    if (is_booked(p) && !p->dry) {
        run(l, q, p, ret);
        return;
    }
    /* Without a policy that keeps a book none is kept; of a dry run nothing is left. */
    if (p->dry) {
        s->book = is_booked(p) && policy == p->policy && book_is_used(kept) ? book_copy(kept) : book_new();
        run(l, q, p, ret);
        book_destroy(&s->book);
        s->book = kept;
        s->policy = policy;
        return;
    }
    if (book_is_used(kept)) {
        book_destroy(&s->book);
        s->book = book_new();
    }
    run(l, q, p, ret);
}

void td_plan_release(struct td_plan *p)
{
    td_vec_release(&p->starts);
    td_vec_release(&p->promises);
    td_vec_release(&p->bys);
    td_vec_release(&p->likely);
    td_arena_release(&p->arena);
}
