/* plan_book.c - bookings: kept from pass to pass, moved up, placed anew
 *
 * Two profiles for each node: `bare` has the holdings and what this pass starts, `full` the
 * bookings besides. Invariant: full = bare less every booking that is not lifted, and nowhere below
 * nothing. What is taken and given back changes both as it happens; where that is not enough the
 * node is built anew before the next pass, and a booking that no longer fits there is placed anew.
 *
 * Costs: a booking is placed by a look at every node that could serve it; how much a pass may look
 * is bounded by LOOKS_MAX, and where it ends candidates stay without a booking until a later pass.
 */
#include "plan_book.h"

#include "profile.h"

#include <string.h>

#define LOOKS_MAX 4000000u    /* nodes looked at in one pass to place bookings */
#define WAY_LOOKS_MAX 400000u /* of them to make way */
#define LOOK_STEPS 8          /* a look at a node costs as much as so many steps of a profile at hand */
#define WAYS_MAX 8u           /* tries to make way in one pass */
#define WINDOW_TURNS_MAX 2048u /* moments looked at for several nodes of which reservations have some */
#define REPLANS_MAX 4u
#define KILL_MS (INT64_C(30) * 1000) /* what runs to its limit may take so long to be gone */
#define FAR_MS (INT64_C(14400) * 1000)
#define PARTS_MAX 262144u /* parts of all bookings */

struct booked {
    uint32_t node, part;
    struct amount need;
};
struct booking {
    uint64_t key; /* job << 16 | component */
    uint32_t shape, limit_s;
    uint16_t partition;
    bool lifted, placed, started;
    bool astray; /* one of its nodes is another now */
    int64_t at, by; /* by: 0 before it is promised */
    uint32_t nparts;
    struct booked *parts;
    const struct slot *slot;
};
/* What this pass starts. */
struct planned {
    uint32_t job, node;
    int64_t end;
    struct amount need;
    bool off; /* being settled: what is taken really is deducted instead */
};
struct node_sheet {
    bool built;     /* its profiles are; else they are built before the next pass needs them */
    uint32_t stamp; /* of the pass that built them */
    uint32_t steps; /* it had then */
};
struct book {
    TD_VEC(struct booking)
    bookings;             /* by promise: (by, key); those without a place first */
    struct td_map at_key; /* place + 1 */
    TD_VEC(struct planned) planned;
    TD_VEC(struct profile) bare, full, trial, guess;
    TD_VEC(struct node_sheet) sheets;
    TD_VEC(uint32_t) trial_stamp, guess_stamp;
    struct td_map started; /* key -> instances, in this pass */
    uint32_t trial_no, guess_no, nparts;
    uint32_t looks, way_looks, ways;
    int64_t given_until; /* the latest end of what was given back since the last pass */
    bool loose;          /* room came free: bookings may move up */
};
#define BOOK_GRACE_MS 999 /* a start is settled some milliseconds after it was planned, and ends as much later */

/* Where bookings are placed: the book's own profiles, or the trial's. GUESS: no bookings, what likely starts are reckoned with. */
enum sheet { FULL, TRIAL, GUESS };

struct book *book_new(void)
{
    return td_alloc(sizeof(struct book));
}

static void index_bookings(struct book *b);

static void release_profiles(struct profile *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        profile_release(&v[i]);
    td_free(v);
}

static void copy_profiles(struct profile *to, const struct profile *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (from[i].n)
            profile_copy(&to[i], &from[i]);
}

static void grow_to(struct book *b, uint32_t nodes);

/* Started instances are of one pass, and trials are scratch: neither comes along. */
struct book *book_copy(const struct book *from)
{
    struct book *b = book_new();

    grow_to(b, from->sheets.n);
    memcpy(b->sheets.v, from->sheets.v, sizeof(*b->sheets.v) * b->sheets.n);
    copy_profiles(b->bare.v, from->bare.v, from->bare.n);
    copy_profiles(b->full.v, from->full.v, from->full.n);
    for (uint32_t i = 0; i < from->bookings.n; i++) {
        struct booking k = from->bookings.v[i];
        k.parts = NULL;
        if (k.nparts) {
            k.parts = td_alloc(sizeof(*k.parts) * k.nparts);
            memcpy(k.parts, from->bookings.v[i].parts, sizeof(*k.parts) * k.nparts);
        }
        td_vec_push(&b->bookings, k);
    }
    index_bookings(b);
    for (uint32_t i = 0; i < from->planned.n; i++)
        td_vec_push(&b->planned, from->planned.v[i]);
    b->nparts = from->nparts;
    b->given_until = from->given_until;
    b->loose = from->loose;
    return b;
}

bool book_is_used(const struct book *b)
{
    return b->sheets.n > 0;
}

void book_destroy(struct book **p)
{
    struct book *b = *p;

    if (!b)
        return;
    for (uint32_t i = 0; i < b->bookings.n; i++)
        td_free(b->bookings.v[i].parts);
    td_vec_release(&b->bookings);
    td_map_release(&b->at_key);
    td_vec_release(&b->planned);
    release_profiles(b->bare.v, b->bare.n);
    release_profiles(b->full.v, b->full.n);
    release_profiles(b->trial.v, b->trial.n);
    release_profiles(b->guess.v, b->guess.n);
    td_vec_release(&b->trial_stamp);
    td_vec_release(&b->guess_stamp);
    td_vec_release(&b->sheets);
    td_map_release(&b->started);
    td_free(b);
    *p = NULL;
}

static uint64_t key_of(const struct slot *c)
{
    return (uint64_t)c->job << 16 | c->component;
}

static struct booking *find(const struct book *b, const struct slot *c)
{
    uintptr_t at = (uintptr_t)td_map_get(&b->at_key, key_of(c));

    return at ? &b->bookings.v[at - 1] : NULL;
}

/* --- profiles ----------------------------------------------------------------------------------------------------- */

static void build_bare(struct pass *pass, uint32_t node)
{
    struct node *n = &pass->l->nodes.v[node];
    struct profile *p = &pass->s->book->bare.v[node];

    node_sort_holdings(pass->l, n);
    profile_start(p, &n->free, n->nstocks, pass->p->now_ms);
    for (uint32_t i = 0; i < n->holdings.n; i++)
        holding_add_to(n->holdings.v[i], n, profile_append(p, holding_end(n, i, pass->p->now_ms)));
}

/* On all its nodes whose profiles are built; `rebuilt`: only on those built anew in this pass. */
static void put_on(struct pass *pass, struct booking *k, bool rebuilt)
{
    struct book *b = pass->s->book;

    pass->l->licences.stale = true;
    for (uint32_t i = 0; i < k->nparts; i++) {
        const struct booked *q = &k->parts[i];
        if (b->sheets.v[q->node].built && (!rebuilt || b->sheets.v[q->node].stamp == pass->s->stamp))
            profile_take(&b->full.v[q->node], &q->need, pass->l->nodes.v[q->node].nstocks, k->at, time_after(k->at, k->limit_s));
    }
    k->lifted = false;
}

static void put(struct pass *pass, struct booking *k)
{
    put_on(pass, k, false);
}

static void lift_off(struct pass *pass, struct booking *k, bool rebuilt)
{
    struct book *b = pass->s->book;

    pass->l->licences.stale = true;
    for (uint32_t i = 0; i < k->nparts; i++) {
        const struct booked *q = &k->parts[i];
        if (b->sheets.v[q->node].built && (rebuilt || b->sheets.v[q->node].stamp != pass->s->stamp))
            profile_give(&b->full.v[q->node], &q->need, pass->l->nodes.v[q->node].nstocks, k->at, time_after(k->at, k->limit_s));
    }
    k->lifted = true;
}

static void lift(struct pass *pass, struct booking *k)
{
    lift_off(pass, k, true);
}

/* What those on the book have of the licences. */
void book_take_licences(struct td_ledger *l, struct profile *p)
{
    const struct book *b = l->plan->book;

    for (uint32_t i = 0; td_policy_keeps_book(l->plan->policy) && i < b->bookings.n; i++) {
        const struct booking *k = &b->bookings.v[i];
        if (k->placed && !k->lifted && !k->started)
            licences_take(l, p, k->shape, k->at, time_after(k->at, k->limit_s));
    }
}

/* Are its nodes still good for it? */
static bool stands(struct pass *pass, const struct booking *k)
{
    if (k->at < pass->p->now_ms || !k->nparts || k->astray)
        return false;
    for (uint32_t i = 0; i < k->nparts; i++) {
        const struct shape *s = pass->l->shapes.v[k->shape];
        uint32_t node = k->parts[i].node;
        if (!pass->l->nodes.v[node].usable || shape_refused(s, node) || 
            window_reserved(pass->l, s, node, k->at) < time_after(k->at, k->limit_s))
            return false;
    }
    return true;
}

/* Does it still fit where a profile was built anew? */
static bool fits_anew(struct pass *pass, const struct booking *k)
{
    struct book *b = pass->s->book;

    for (uint32_t i = 0; i < k->nparts; i++) {
        const struct booked *q = &k->parts[i];
        const struct node *n = &pass->l->nodes.v[q->node];
        struct amount m = n->total;
        if (b->sheets.v[q->node].stamp != pass->s->stamp)
            continue;
        profile_room(&b->full.v[q->node], n->nstocks, k->at, time_after(k->at, k->limit_s), &m);
        if (!amount_covers(&m, &q->need, n->nstocks))
            return false;
    }
    return true;
}

static void unplace(struct book *b, struct booking *k)
{
    b->nparts -= k->nparts;
    td_free(k->parts);
    k->parts = NULL;
    k->nparts = 0;
    k->at = TD_FOREVER;
    k->placed = false;
}

/* --- placing ------------------------------------------------------------------------------------------------------ */

static void planned_give(const struct td_ledger *l, struct planned *p)
{
    struct book *b = l->plan->book;
    struct profile *bare = &b->bare.v[p->node], *full = &b->full.v[p->node];

    if (p->off || !b->sheets.v[p->node].built)
        return;
    p->off = true;
    profile_give(bare, &p->need, l->nodes.v[p->node].nstocks, bare->at[0], p->end);
    profile_give(full, &p->need, l->nodes.v[p->node].nstocks, full->at[0], p->end);
}

static struct profile *profile_of(struct pass *pass, enum sheet sheet, uint32_t node)
{
    struct book *b = pass->s->book;

    if (sheet == FULL)
        return &b->full.v[node];
    if (sheet == GUESS) {
        if (b->guess_stamp.v[node] != b->guess_no) {
            plan_foretold(pass, node, &b->guess.v[node]);
            b->looks += b->guess.v[node].n; /* it costs as much */
        }
        b->guess_stamp.v[node] = b->guess_no;
        return &b->guess.v[node];
    }
    if (b->trial_stamp.v[node] != b->trial_no) {
        b->trial_stamp.v[node] = b->trial_no;
        profile_copy(&b->trial.v[node], &b->bare.v[node]);
    }
    return &b->trial.v[node];
}

/* First moment at which the part fits and no reservation stands against it. */
static int64_t earliest(struct pass *pass, enum sheet sheet, const struct shape *s, uint32_t node, uint32_t part,
                        uint32_t limit_s, int64_t from, int64_t bound)
{
    const struct profile *p = profile_of(pass, sheet, node);

    while (from < bound) {
        int64_t at = profile_earliest(p, s, &pass->l->nodes.v[node], part, limit_s, from, bound);

        if (at >= bound)
            return TD_FOREVER;
        from = window_open(pass->l, s, node, at, limit_s);
        if (from == at)
            return at;
    }
    return TD_FOREVER;
}

static int64_t place_single(struct pass *pass, enum sheet sheet, const struct shape *s,
                            uint32_t limit_s, int64_t bound)
{
    struct plan_part best = {.part = s->tasks};
    int64_t now = pass->p->now_ms, at = bound;

    for (uint32_t pos = plan_next_hope(pass, s, 0); pos != NONE && at > now;
         pos = plan_next_hope(pass, s, pos + 1)) {
        uint32_t node = pass->x->node_at.v[pos];
        int64_t here = earliest(pass, sheet, s, node, s->tasks, limit_s, now, at);

        pass->s->book->looks++;
        if (here < at) {
            at = here;
            best.node = node;
        }
    }
    pass->s->parts.n = 0;
    if (at >= bound)
        return TD_FOREVER;
    td_vec_push(&pass->s->parts, best);
    return at;
}

/* The k-th smallest, from 0 (Hoare's quickselect). Reorders v. */
static int64_t nth(int64_t *v, uint32_t n, uint32_t k)
{
    for (uint32_t low = 0, high = n - 1; low < high;) {
        int64_t pivot = v[low + (high - low) / 2];
        uint32_t i = low, j = high;

        for (;; i++, j--) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            int64_t t = v[i];
            v[i] = v[j];
            v[j] = t;
        }
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
    return v[k];
}

/* Several nodes: no moment before the k-th smallest of the nodes' own earliest moments can do,
 * where k are needed; so that is looked at next. Ends, because each step is a later one. */
static int64_t place_multi(struct pass *pass, enum sheet sheet, const struct shape *s,
                           uint32_t limit_s, int64_t bound)
{
    struct plan_state *ps = pass->s;
    int64_t at = pass->p->now_ms;

    if (!s->part_best)
        return TD_FOREVER;
    ps->rises.n = 0;
    for (uint32_t pos = plan_next_hope(pass, s, 0); pos != NONE; pos = plan_next_hope(pass, s, pos + 1)) {
        struct rise r = {.at = at - 1, .pos = pos};
        td_vec_push(&ps->rises, r);
    }
    /* Profiles end; reservations that come again do not, and their nodes may never be open together. */
    for (uint32_t turn = 0; at < bound && (turn < WINDOW_TURNS_MAX || !pass->l->windows.n); turn++) {
        int64_t later = TD_FOREVER;
        uint32_t here = 0;

        ps->parts.n = 0;
        for (uint32_t i = 0; i < ps->rises.n; i++) {
            struct rise *r = &ps->rises.v[i];
            uint32_t node = pass->x->node_at.v[r->pos];
            const struct node *n = &pass->l->nodes.v[node];
            struct profile *p = profile_of(pass, sheet, node);

            if (r->at < at) {
                r->at = earliest(pass, sheet, s, node, s->part_min, limit_s, at, TD_FOREVER);
                ps->book->looks++;
            }
            if (r->at > at) {
                later = TD_MIN(later, r->at);
                continue;
            }
            struct amount m = n->total;
            profile_room(p, n->nstocks, at, time_after(at, limit_s), &m);
            struct plan_part part = {.node = node, .capacity = shape_fit_part(s, n, &m)};
            td_vec_push(&ps->parts, part);
            here++;
            if (s->whole)
                later = TD_MIN(later, profile_next(p, at));
        }
        if (here >= s->nodes_min && plan_choose_parts(pass, s))
            return at;
        if (here < s->nodes_min) { /* not before so many more come */
            uint32_t lack = s->nodes_min - here;
            TD_VEC(int64_t) ahead = {0};
            for (uint32_t i = 0; i < ps->rises.n; i++)
                if (ps->rises.v[i].at > at && ps->rises.v[i].at < TD_FOREVER)
                    td_vec_push(&ahead, ps->rises.v[i].at);
            later = ahead.n < lack ? TD_FOREVER : nth(ahead.v, ahead.n, lack - 1);
            td_vec_release(&ahead);
            /* Those that are there now may not be then: the next step looks. */
            if (later == TD_FOREVER)
                return TD_FOREVER;
        }
        at = later;
    }
    return TD_FOREVER;
}

/* Earliest moment before `bound`, its nodes in ps->parts; TD_FOREVER: none. */
static int64_t place(struct pass *pass, enum sheet sheet, uint32_t shape, uint32_t limit_s,
                     int64_t bound)
{
    struct shape *s = pass->l->shapes.v[shape];

    shape_refresh(pass->l, s);
    pass->l->licences.on_trial = sheet == TRIAL;
    int64_t at = s->multi ? place_multi(pass, sheet, s, limit_s, bound)
                          : place_single(pass, sheet, s, limit_s, bound);
    pass->l->licences.on_trial = false;
    return at >= OPEN_END ? TD_FOREVER : at;
}

/* Makes ps->parts the booking's, and takes them off the sheet. */
static void write_down(struct pass *pass, enum sheet sheet, struct booking *k, int64_t at)
{
    struct plan_state *ps = pass->s;
    struct book *b = ps->book;
    const struct shape *s = pass->l->shapes.v[k->shape];
    int64_t end = time_after(at, k->limit_s);

    b->nparts += ps->parts.n - k->nparts;
    k->parts = td_realloc(k->parts, ps->parts.n * sizeof(*k->parts));
    k->nparts = ps->parts.n;
    for (uint32_t i = 0; i < k->nparts; i++) {
        uint32_t node = ps->parts.v[i].node;
        const struct node *n = &pass->l->nodes.v[node];
        struct profile *p = profile_of(pass, sheet, node);
        struct amount m = n->total;

        profile_room(p, n->nstocks, at, end, &m);
        k->parts[i] = (struct booked){.node = node, .part = ps->parts.v[i].part};
        shape_amount(s, n, &m, k->parts[i].part, 1, &k->parts[i].need);
        profile_take(p, &k->parts[i].need, n->nstocks, at, end);
    }
    if (sheet == TRIAL)
        licences_take(pass->l, &pass->l->licences.trial, k->shape, at, end);
    pass->l->licences.stale = true;
    k->at = at;
    k->placed = true;
    k->lifted = k->astray = false;
}

/* --- from pass to pass -------------------------------------------------------------------------------------------- */

static void index_bookings(struct book *b)
{
    td_map_release(&b->at_key);
    for (uint32_t i = 0; i < b->bookings.n; i++)
        td_map_put(&b->at_key, b->bookings.v[i].key, (void *)(uintptr_t)(i + 1));
}

/* Those who wait no longer, or ask for something else now. */
static void drop_dead(struct pass *pass)
{
    struct book *b = pass->s->book;
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->bookings.n; i++) {
        struct booking *k = &b->bookings.v[i];
        const struct slot *c =
            queue_find(pass->q, (uint32_t)(k->key >> 16), (uint16_t)k->key, k->partition);
        bool same = c && c->count && c->shape == k->shape && c->limit_s == k->limit_s;

        if (!same || k->started) {
            if (k->placed && !k->lifted)
                lift(pass, k);
            b->loose |= !k->started;
            b->nparts -= k->nparts;
            td_free(k->parts);
            continue;
        }
        k->slot = c;
        k->by = c->by_ms; /* a hold takes a promise back, and may be over before the next pass */
        b->bookings.v[n++] = *k;
    }
    if (n < b->bookings.n) {
        b->bookings.n = n;
        index_bookings(b);
    }
}

static void grow_to(struct book *b, uint32_t nodes)
{
    while (b->bare.n < nodes) {
        struct profile none = {0};

        td_vec_push(&b->bare, none);
        td_vec_push(&b->full, none);
        td_vec_push(&b->trial, none);
        td_vec_push(&b->guess, none);
        struct node_sheet unbuilt = {0};
        td_vec_push(&b->trial_stamp, 0u);
        td_vec_push(&b->guess_stamp, 0u);
        td_vec_push(&b->sheets, unbuilt);
    }
}

/* What the last pass started and nobody took is free again; time has gone on. */
static void catch_up(struct pass *pass)
{
    struct book *b = pass->s->book;
    int64_t now = pass->p->now_ms;

    for (uint32_t i = 0; i < b->planned.n; i++)
        planned_give(pass->l, &b->planned.v[i]);
    b->planned.n = 0;
    for (uint32_t i = 0; i < pass->l->nodes.n; i++) {
        struct node_sheet *sheet = &b->sheets.v[i];
        if (!sheet->built)
            continue;
        if (pass->l->index->soonest.v[i] <= now || b->full.v[i].n > 4 * sheet->steps + 256) {
            sheet->built = false; /* somebody is over his time; or it has many steps that say nothing */
            continue;
        }
        profile_advance(&b->bare.v[i], now);
        profile_advance(&b->full.v[i], now);
    }
}

/* Profiles that are not built are, from the holdings; then the bookings on them, the earliest promise first. One that no
 * longer fits is placed anew behind them. */
static void take_in(struct pass *pass)
{
    struct book *b = pass->s->book;
    bool any = false;

    for (uint32_t i = 0; i < b->bookings.n; i++) {
        struct booking *k = &b->bookings.v[i];
        if (!k->placed || stands(pass, k))
            continue;
        lift(pass, k);
        unplace(b, k);
    }
    for (uint32_t i = 0; i < pass->l->nodes.n; i++) {
        struct node_sheet *sheet = &b->sheets.v[i];
        if (sheet->built)
            continue;
        build_bare(pass, i);
        profile_copy(&b->full.v[i], &b->bare.v[i]);
        *sheet = (struct node_sheet){.built = true, .stamp = pass->s->stamp, .steps = b->full.v[i].n + b->bookings.n};
        any = true;
    }
    for (uint32_t i = 0; any && i < b->bookings.n; i++) {
        struct booking *k = &b->bookings.v[i];
        if (!k->placed)
            continue;
        if (fits_anew(pass, k)) {
            put_on(pass, k, true);
        } else {
            lift_off(pass, k, false);
            unplace(b, k);
        }
    }
}

/* Of those that want licences, the earliest promise first: one for which too few are left is placed anew. */
static void take_in_licences(struct pass *pass)
{
    struct td_ledger *l = pass->l;
    struct book *b = pass->s->book;

    licences_trial(l);
    l->licences.on_trial = true;
    for (uint32_t i = 0; l->licences.n && i < b->bookings.n; i++) {
        struct booking *k = &b->bookings.v[i];
        const struct shape *s = l->shapes.v[k->shape];
        int64_t until = TD_FOREVER, next;
        if (!k->placed || !s->licences)
            continue;
        licences_look(l, s, k->at, &until, &next);
        if (until >= time_after(k->at, k->limit_s)) {
            licences_take(l, &l->licences.trial, k->shape, k->at, time_after(k->at, k->limit_s));
            continue;
        }
        lift(pass, k);
        unplace(b, k);
    }
    l->licences.on_trial = false;
}

static void replace(struct pass *pass, struct booking *k)
{
    int64_t at = place(pass, FULL, k->shape, k->limit_s, TD_FOREVER);

    if (at < TD_FOREVER)
        write_down(pass, FULL, k, at);
}

static void adopt(struct pass *pass, struct booking *trial);

/* In the order of their beginning, so that each finds what those before it left. */
static void move_up(struct pass *pass)
{
    struct plan_state *ps = pass->s;
    struct book *b = ps->book;
    struct ordered *order = td_arena_alloc(&ps->arena, (b->bookings.n + 1) * sizeof(*order));
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->bookings.n; i++)
        if (b->bookings.v[i].placed && b->bookings.v[i].at > pass->p->now_ms)
            order[n++] =
                (struct ordered){.key = b->bookings.v[i].at, .slot = b->bookings.v[i].slot};
    plan_sort(order, n);
    for (uint32_t i = 0; i < n && b->looks < LOOKS_MAX; i++) {
        struct booking *k = find(b, order[i].slot);

        lift(pass, k);
        int64_t at = place(pass, FULL, k->shape, k->limit_s, k->at);
        if (at < k->at)
            write_down(pass, FULL, k, at);
        else
            put(pass, k);
    }
}

static void trial_drop(const struct book *b, struct booking *trial)
{
    for (uint32_t i = 0; i < b->bookings.n; i++) {
        td_free(trial[i].parts);
        trial[i].parts = NULL;
    }
}

/* All bookings anew, in the order of worth; whoever would be late goes first, and all again. */
static bool replan(struct pass *pass)
{
    struct plan_state *ps = pass->s;
    struct book *b = ps->book;
    struct ordered *order = td_arena_alloc(&ps->arena, (b->bookings.n + 1) * sizeof(*order));
    struct booking *trial = td_arena_alloc(&ps->arena, (b->bookings.n + 1) * sizeof(*trial));
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->bookings.n; i++)
        if (b->bookings.v[i].placed)
            order[n++] = plan_by_worth(pass, b->bookings.v[i].slot);
    plan_sort(order, n);
    for (uint32_t turn = 0; turn <= REPLANS_MAX && b->looks < LOOKS_MAX; turn++) {
        uint32_t i = 0;
        b->trial_no++;
        licences_trial(pass->l);
        for (; i < n; i++) {
            const struct booking *k = find(b, order[i].slot);
            struct booking *t = &trial[k - b->bookings.v];
            int64_t bound = (k->by ? k->by : k->at) + 1;
            int64_t at = place(pass, TRIAL, k->shape, k->limit_s, bound);
            if (at >= bound)
                break;
            uint32_t nparts = b->nparts;
            *t = (struct booking){.shape = k->shape, .limit_s = k->limit_s};
            write_down(pass, TRIAL, t, at);
            b->nparts = nparts;
        }
        if (i == n) {
            adopt(pass, trial);
            return true;
        }
        struct ordered late = order[i];
        memmove(&order[1], &order[0], i * sizeof(*order));
        order[0] = late;
        trial_drop(b, trial);
    }
    return false;
}

void book_begin(struct pass *pass)
{
    struct plan_state *ps = pass->s;
    struct book *b = ps->book;
    bool news = false, by_worth = pass->p->policy == TD_POLICY_TENDER && pass->p->free_order;

    td_map_release(&b->started);
    b->looks = b->way_looks = b->ways = 0;
    grow_to(b, pass->l->nodes.n);
    catch_up(pass);
    drop_dead(pass);
    take_in(pass);
    take_in_licences(pass);
    for (uint32_t i = 0; i < b->bookings.n; i++)
        if (!b->bookings.v[i].placed)
            replace(pass, &b->bookings.v[i]);
    b->loose |= b->given_until > pass->p->now_ms || ps->book_loose;
    ps->book_loose = false;
    b->given_until = 0;
    for (uint32_t i = 0; i < ps->later.n && !news; i++)
        news = find(b, ps->later.v[i].slot) == NULL;
    if (by_worth ? (b->loose || news) && !replan(pass) && b->loose
                 : b->loose && pass->p->policy == TD_POLICY_CONSERVATIVE)
        move_up(pass);
    b->loose = false;
    for (uint32_t i = 0; i < ps->later.n; i++)
        book_now(pass, ps->later.v[i].slot);
}

void book_given(struct td_ledger *l, uint32_t node, const struct amount *a, int64_t until)
{
    struct book *b = l->plan->book;

    b->given_until = TD_MAX(b->given_until, until);
    if (node >= b->sheets.n || !b->sheets.v[node].built)
        return;
    if (until >= OPEN_END || until <= b->full.v[node].at[0]) {
        b->sheets.v[node].built = false;
        return;
    }
    profile_give(&b->bare.v[node], a, l->nodes.v[node].nstocks, b->bare.v[node].at[0], until);
    profile_give(&b->full.v[node], a, l->nodes.v[node].nstocks, b->full.v[node].at[0], until);
}

void book_changed(struct td_ledger *l, uint32_t node)
{
    if (node < l->plan->book->sheets.n)
        l->plan->book->sheets.v[node].built = false;
}

/* --- while candidates are tried ----------------------------------------------------------------------------------- */

uint32_t book_started(const struct pass *pass, const struct slot *c)
{
    return (uint32_t)(uintptr_t)td_map_get(&pass->s->book->started, key_of(c));
}

void book_lift(struct pass *pass, const struct slot *c)
{
    struct booking *k = find(pass->s->book, c);

    if (k && k->placed && !k->lifted)
        lift(pass, k);
}

void book_settle(struct pass *pass, const struct slot *c, bool starts)
{
    struct booking *k = find(pass->s->book, c);

    if (!k)
        return;
    if (starts)
        k->started = true;
    else if (k->placed && k->lifted && !k->started) /* another partition's candidate may have started some of it */
        put(pass, k);
}

void book_room(struct pass *pass, uint32_t node, int64_t end, struct amount *m)
{
    profile_room(&pass->s->book->full.v[node], pass->l->nodes.v[node].nstocks, pass->p->now_ms, end,
                 m);
}

int64_t book_until(struct pass *pass, uint32_t node, const struct shape *s, uint32_t part)
{
    return TD_MIN(profile_until(&pass->s->book->full.v[node], s, &pass->l->nodes.v[node], part, pass->p->now_ms),
                  window_until(pass->l, s, node, pass->p->now_ms));
}

bool book_is_due(struct pass *pass, const struct slot *c)
{
    const struct booking *k = find(pass->s->book, c);

    if (!k || !k->placed || k->started || k->at > pass->p->now_ms || k->partition != c->partition)
        return false;
    pass->s->parts.n = 0;
    for (uint32_t i = 0; i < k->nparts; i++) {
        struct plan_part part = {.node = k->parts[i].node, .part = k->parts[i].part};
        td_vec_push(&pass->s->parts, part);
    }
    return true;
}

void book_start(struct pass *pass, const struct slot *c, uint32_t node, uint32_t part,
                uint32_t count, int64_t end)
{
    struct book *b = pass->s->book;
    const struct node *n = &pass->l->nodes.v[node];
    struct planned p = {.job = c->job, .node = node, .end = end};
    struct amount m = n->total;

    profile_room(&b->full.v[node], n->nstocks, pass->p->now_ms, end, &m);
    shape_amount(pass->l->shapes.v[c->shape], n, &m, part, count, &p.need);
    profile_take(&b->full.v[node], &p.need, n->nstocks, pass->p->now_ms, end);
    profile_take(&b->bare.v[node], &p.need, n->nstocks, pass->p->now_ms, end);
    td_vec_push(&b->planned, p);
    td_map_put(&b->started, key_of(c),
               (void *)((uintptr_t)td_map_get(&b->started, key_of(c)) + count));
}

/* All bookings on a trial sheet, each by its promise; false: one would be late. */
static bool rehearse(struct pass *pass, const struct booking *but, struct booking *trial)
{
    struct book *b = pass->s->book;

    for (uint32_t i = 0; i < b->bookings.n; i++) {
        const struct booking *k = &b->bookings.v[i];

        trial[i] = (struct booking){.shape = k->shape, .limit_s = k->limit_s};
        if (k == but || k->started || !k->placed)
            continue;
        uint32_t looks = b->looks;
        int64_t bound = (k->by ? k->by : k->at) + 1;
        int64_t at = place(pass, TRIAL, k->shape, k->limit_s, bound);
        b->way_looks += b->looks - looks;
        if (at >= bound || b->way_looks > WAY_LOOKS_MAX)
            return false;
        uint32_t nparts = b->nparts;
        write_down(pass, TRIAL, &trial[i], at);
        b->nparts = nparts;
    }
    return true;
}

static void adopt(struct pass *pass, struct booking *trial)
{
    struct book *b = pass->s->book;

    pass->l->licences.stale = true;
    for (uint32_t i = 0; i < b->bookings.n; i++) {
        struct booking *k = &b->bookings.v[i];
        if (!trial[i].parts)
            continue;
        b->nparts += trial[i].nparts - k->nparts;
        td_free(k->parts);
        k->parts = trial[i].parts;
        k->nparts = trial[i].nparts;
        k->at = trial[i].at;
        trial[i].parts = NULL;
    }
    for (uint32_t i = 0; i < pass->l->nodes.n; i++) {
        if (b->trial_stamp.v[i] != b->trial_no)
            continue;
        struct profile t = b->full.v[i];
        b->full.v[i] = b->trial.v[i];
        b->trial.v[i] = t;
    }
}

bool book_make_way(struct pass *pass, const struct slot *c, int64_t end)
{
    struct plan_state *ps = pass->s;
    struct book *b = ps->book;
    const struct booking *own = find(b, c);
    const struct shape *s = pass->l->shapes.v[c->shape];

    if (b->ways >= WAYS_MAX || b->way_looks > WAY_LOOKS_MAX)
        return false;
    b->ways++; /* taken back where it is found */
    b->trial_no++;
    licences_trial(pass->l);
    licences_take(pass->l, &pass->l->licences.trial, c->shape, pass->p->now_ms, end);
    /* The starter's parts are put on the trial, and given back if it succeeds: book_start takes
     * them. */
    uint32_t nparts = ps->parts.n;
    struct plan_part *parts = td_arena_dup(&ps->arena, ps->parts.v, nparts * sizeof(*parts));
    struct amount *needs = td_arena_alloc(&ps->arena, nparts * sizeof(*needs));
    struct booking *trial = td_arena_alloc(&ps->arena, (b->bookings.n + 1) * sizeof(*trial));
    for (uint32_t i = 0; i < nparts; i++) {
        const struct node *n = &pass->l->nodes.v[parts[i].node];
        struct profile *p = profile_of(pass, TRIAL, parts[i].node);
        struct amount m = n->total;

        profile_room(p, n->nstocks, pass->p->now_ms, end, &m);
        if (!shape_fit(s, n, &m, parts[i].part, 1))
            return false;
        shape_amount(s, n, &m, parts[i].part, 1, &needs[i]);
        profile_take(p, &needs[i], n->nstocks, pass->p->now_ms, end);
    }
    bool way = rehearse(pass, own, trial);
    if (way) {
        for (uint32_t i = 0; i < nparts; i++)
            profile_give(&b->trial.v[parts[i].node], &needs[i],
                         pass->l->nodes.v[parts[i].node].nstocks, pass->p->now_ms, end);
        adopt(pass, trial);
        b->ways--;
    }
    for (uint32_t i = 0; i < b->bookings.n; i++)
        td_free(trial[i].parts);
    ps->parts.n = 0;
    for (uint32_t i = 0; i < nparts; i++)
        td_vec_push(&ps->parts, parts[i]);
    return way;
}

/* --- behind the last candidate ------------------------------------------------------------------------------------ */

/* The candidate gets a booking, or the job a better one than another partition's. */
void book_now(struct pass *pass, const struct slot *c)
{
    struct book *b = pass->s->book;
    struct booking *known = find(b, c);

    if (b->looks >= LOOKS_MAX || b->nparts >= PARTS_MAX || c->count <= book_started(pass, c))
        return;
    if (!known) {
        struct booking k = {.key = key_of(c),
                            .shape = c->shape,
                            .limit_s = c->limit_s,
                            .partition = c->partition,
                            .by = c->by_ms,
                            .at = TD_FOREVER,
                            .slot = c};
        replace(pass, &k);
        td_vec_push(&b->bookings, k);
        td_map_put(&b->at_key, k.key, (void *)(uintptr_t)b->bookings.n);
        return;
    }
    if (known->partition == c->partition || known->started)
        return;
    int64_t at = place(pass, FULL, c->shape, c->limit_s, known->placed ? known->at : TD_FOREVER);
    if (at >= known->at)
        return;
    if (known->placed)
        lift(pass, known);
    known->shape = c->shape;
    known->limit_s = c->limit_s;
    known->partition = c->partition;
    known->slot = c;
    write_down(pass, FULL, known, at);
}

void book_list_due(struct pass *pass)
{
    struct book *b = pass->s->book;

    pass->s->due.n = 0;
    for (uint32_t i = 0; i < b->bookings.n; i++) {
        const struct booking *k = &b->bookings.v[i];
        if (k->placed && !k->started && k->at <= pass->p->now_ms)
            td_vec_push(&pass->s->due, k->slot);
    }
}

bool book_put_off(struct pass *pass, const struct slot *c)
{
    struct book *b = pass->s->book;
    struct booking *k = find(b, c);

    if (!k || !k->placed || k->started || k->nparts != 1 || k->by <= pass->p->now_ms)
        return false;
    const struct booked *q = &k->parts[0];
    lift(pass, k);
    const struct shape *s = pass->l->shapes.v[k->shape];
    int64_t by = k->by, at;
    do { /* what fits, and then what no reservation stands against, until both do */
        at = profile_latest(&b->full.v[q->node], s, &pass->l->nodes.v[q->node], q->part, k->limit_s, pass->p->now_ms, by);
        by = at < 0 ? at : window_last(pass->l, s, q->node, pass->p->now_ms, at, k->limit_s);
    } while (by < at);
    k->at = TD_MAX(k->at, at);
    put(pass, k);
    return at > pass->p->now_ms;
}

static void parts_of(struct pass *pass, const struct booking *k)
{
    pass->s->parts.n = 0;
    for (uint32_t i = 0; i < k->nparts; i++) {
        struct plan_part part = {.node = k->parts[i].node, .part = k->parts[i].part};
        td_vec_push(&pass->s->parts, part);
    }
}

bool book_keep(struct pass *pass, const struct slot *c)
{
    const struct booking *k = find(pass->s->book, c);

    if (!k || !k->placed || k->partition != c->partition || k->at <= pass->p->now_ms)
        return false; /* it has no place, or is due */
    parts_of(pass, k);
    return plan_reserve_at(pass, c, k->at);
}

/* Its own booking apart, too few are left for it to start now. */
static bool book_waits_for_licences(struct pass *pass, const struct booking *k)
{
    bool lifted = k->lifted;
    struct booking *own = find(pass->s->book, k->slot);

    if (!pass->l->shapes.v[k->shape]->licences)
        return false;
    own->lifted = pass->l->licences.stale = true;
    bool lacks = plan_lacks_licences(pass, k->slot);
    own->lifted = lifted;
    pass->l->licences.stale = true;
    return lacks;
}

void book_promise(struct pass *pass, const struct slot *c)
{
    const struct booking *k = find(pass->s->book, c);
    struct td_plan_promise p = {.job = c->job, .shape = c->shape, .at_ms = TD_FOREVER};

    if (k && k->placed) {
        uint32_t *nodes = td_arena_alloc(&pass->out->arena, sizeof(*nodes) * (k->nparts + 1));
        for (uint32_t i = 0; i < k->nparts; i++)
            nodes[i] = k->parts[i].node;
        p.nodes = nodes;
        p.nnodes = k->nparts;
        p.at_ms = k->at;
    }
    p.reserved = plan_reserved(pass, c);
    p.licences = k && k->placed ? k->at > pass->p->now_ms && book_waits_for_licences(pass, k) : plan_lacks_licences(pass, c);
    if (k || pass->p->policy != TD_POLICY_CONSERVATIVE)
        td_vec_push(&pass->out->promises, p);
}

void book_answer(struct pass *pass, const struct slot *c)
{
    const struct booking *k = find(pass->s->book, c);

    if (k && k->placed && !k->started && k->partition == c->partition)
        book_promise(pass, c);
}

int64_t book_at(const struct pass *pass, const struct slot *c)
{
    const struct booking *k = find(pass->s->book, c);

    return k && k->placed ? k->at : TD_FOREVER;
}

void book_guess_begin(struct pass *pass)
{
    pass->s->book->guess_no++;
}

int64_t book_guess(struct pass *pass, const struct slot *c, int64_t *cost)
{
    struct book *b = pass->s->book;
    uint32_t looks = b->looks, nparts = b->nparts;
    struct booking k = {.shape = c->shape, .limit_s = c->run_s};
    int64_t at = place(pass, GUESS, c->shape, c->run_s, TD_FOREVER);

    *cost += (int64_t)(b->looks - looks) * LOOK_STEPS;
    b->looks = looks;
    if (at == TD_FOREVER)
        return at;
    write_down(pass, GUESS, &k, at);
    *cost += b->guess.v[k.parts[0].node].n;
    td_free(k.parts);
    b->nparts = nparts;
    return at;
}

/* What the booking says, and a little room to move: a twentieth of the limit. Where the queue is
 * reordered, a tenth, and what lies beyond four hours once more: the near is promised sharply, the
 * far is not. */
static int64_t promise_of(const struct pass *pass, const struct booking *k)
{
    int64_t room_ms = (int64_t)k->limit_s * 50;

    if (k->by || pass->p->policy != TD_POLICY_TENDER || k->limit_s == TD_INFINITE)
        return k->at;
    if (pass->p->free_order)
        room_ms = 2 * room_ms + TD_MAX(k->at - pass->p->now_ms - FAR_MS, INT64_C(0));
    return k->at + room_ms + KILL_MS;
}

static bool sooner(const struct booking *a, const struct booking *b)
{
    if (a->by != b->by)
        return a->by < b->by;
    return a->key < b->key;
}

/* By promise; nearly sorted already. */
static void sort_bookings(struct book *b)
{
    bool moved = false;

    for (uint32_t i = 1; i < b->bookings.n; i++) {
        struct booking k = b->bookings.v[i];
        uint32_t to = i;

        for (; to > 0 && sooner(&k, &b->bookings.v[to - 1]); to--)
            b->bookings.v[to] = b->bookings.v[to - 1];
        b->bookings.v[to] = k;
        moved |= to < i;
    }
    if (moved)
        index_bookings(b);
}

void book_finish(struct pass *pass)
{
    struct book *b = pass->s->book;
    struct td_plan *out = pass->out;

    for (uint32_t i = 0; i < b->bookings.n; i++) {
        struct booking *k = &b->bookings.v[i];
        if (k->started || !k->placed)
            continue;
        if (!k->by || k->at > k->by) {
            struct td_plan_by by = {
                .job = (uint32_t)(k->key >> 16), .by_ms = promise_of(pass, k), .moved = k->by != 0};
            k->by = by.by_ms;
            td_vec_push(&out->bys, by);
        }
    }
    sort_bookings(b);
}

uint32_t td_plan_booked(const struct td_ledger *l, uint32_t **ret_jobs)
{
    struct plan_state *s = l->plan;
    uint32_t n = s->book->bookings.n;

    *ret_jobs = td_arena_alloc(&s->arena, (n + 1) * sizeof(**ret_jobs));
    for (uint32_t i = 0; i < n; i++)
        (*ret_jobs)[i] = (uint32_t)(s->book->bookings.v[i].key >> 16);
    return n;
}

int64_t book_next(const struct plan_state *s)
{
    int64_t at = TD_FOREVER;

    for (uint32_t i = 0; i < s->book->bookings.n; i++) {
        const struct booking *k = &s->book->bookings.v[i];
        if (!k->started && k->placed && k->at > s->now)
            at = TD_MIN(at, k->at);
    }
    return at;
}

/* --- while the plan is settled ------------------------------------------------------------------------------------ */

/* The job's own planned starts are off from the first question about it on: what it takes is deducted as it is taken. */
static void planned_off(const struct td_ledger *l, uint32_t job)
{
    struct book *b = l->plan->book;

    for (uint32_t i = 0; i < b->planned.n; i++)
        if (b->planned.v[i].job == job)
            planned_give(l, &b->planned.v[i]);
}

bool book_allows(const struct td_ledger *l, uint32_t node, uint32_t job, const struct amount *a,
                 int64_t until)
{
    const struct book *b = l->plan->book;
    const struct node *n = &l->nodes.v[node];

    planned_off(l, job);
    if (node >= b->sheets.n || !b->sheets.v[node].built)
        return true;
    struct amount m = n->total;
    const struct profile *p = &b->full.v[node];
    profile_room(p, n->nstocks, p->at[0],
                 until < OPEN_END ? until - (until - p->at[0] > BOOK_GRACE_MS ? BOOK_GRACE_MS : 0)
                                  : until,
                 &m);
    return amount_covers(&m, a, n->nstocks);
}

void book_taken(struct td_ledger *l, uint32_t node, const struct amount *a, int64_t until)
{
    struct book *b = l->plan->book;

    if (node >= b->sheets.n || !b->sheets.v[node].built)
        return;
    struct profile *bare = &b->bare.v[node], *full = &b->full.v[node];
    if (until >= OPEN_END || until <= full->at[0] || !profile_take_floor(bare, a, l->nodes.v[node].nstocks, bare->at[0], until) ||
        !profile_take_floor(full, a, l->nodes.v[node].nstocks, full->at[0], until))
        b->sheets.v[node].built = false;
}

void book_forget_node(struct plan_state *s, uint32_t node)
{
    struct book *b = s->book;

    if (node >= b->sheets.n)
        return;
    b->sheets.v[node].built = false;
    for (uint32_t i = 0; i < b->bookings.n; i++) {
        struct booking *k = &b->bookings.v[i];
        for (uint32_t q = 0; q < k->nparts; q++)
            k->astray |= k->parts[q].node == node; /* its amounts count other stocks now */
    }
}

/* --- invariant ---------------------------------------------------------------------------------------------------- */

bool book_check(struct td_ledger *l, int64_t now, struct td_error *err)
{
    struct book *b = l->plan->book;

    for (uint32_t node = 0; node < b->full.n; node++) {
        struct node *n = &l->nodes.v[node];
        node_sort_holdings(l, n);
        for (uint32_t i = 0; i < b->bookings.n; i++) {
            const struct booking *at = &b->bookings.v[i];
            struct amount used = {0}, one;
            if (!at->placed || at->started)
                continue;
            for (uint32_t h = 0; h < n->holdings.n; h++) {
                if (holding_end(n, h, now) <= at->at)
                    continue;
                one = (struct amount){0};
                holding_add_to(n->holdings.v[h], n, &one);
                amount_add(&used, &one, n->nstocks);
            }
            for (uint32_t k = 0; k < b->bookings.n; k++) {
                const struct booking *o = &b->bookings.v[k];
                for (uint32_t q = 0; o->placed && !o->started && q < o->nparts; q++)
                    if (o->parts[q].node == node && o->at <= at->at &&
                        time_after(o->at, o->limit_s) > at->at)
                        amount_add(&used, &o->parts[q].need, n->nstocks);
            }
            if (!amount_covers(&n->total, &used, n->nstocks))
                return td_fail(err, TD_E_INTERNAL,
                               "plan: node %s is booked beyond what it has when job %u shall start",
                               n->name, (uint32_t)(at->key >> 16)),
                       false;
        }
    }
    return true;
}
