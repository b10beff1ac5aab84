/* settle.c - from bids to awards: in rank order the best bid that the ledger still covers, all
 * nodes or none
 *
 * The plan said who may start; the bids say where. Ties end in the node's number (law 9). */
#include <string.h>

#include "broker/core/state.h"

static bool better(const struct td_core *c, uint32_t a, uint32_t b)
{
    const struct core_bid *x = &c->round.bids.v[a], *y = &c->round.bids.v[b];
    if (x->score != y->score)
        return x->score > y->score;
    return x->node < y->node;
}

static void sort_bids(struct td_core *c, struct core_lot *lot)
{
    uint32_t *v = lot->bids.v, n = lot->bids.n;
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            uint32_t b = v[i], k = i;
            for (; k >= gap && better(c, b, v[k - gap]); k -= gap)
                v[k] = v[k - gap];
            v[k] = b;
        }
    }
}

/* Next placement of a bid that is still free; NULL when it has no more. */
static const struct td_placement *next_free(struct td_core *c, struct core_bid *b)
{
    for (; b->next < b->body.placements.n; b->next++) {
        const struct td_placement *p = &b->body.placements.v[b->next];
        if (td_str_equal(p->node, c->nodes.v[b->node]->name) &&
            td_ledger_covers(c->ledger, b->node, p))
            return p;
        c->counters.bids_stale++;
        c->round.stale++;
    }
    return NULL;
}

static bool may_take(const struct td_core *c, const struct core_bid *b)
{
    return b->next != UINT32_MAX && c->nodes.v[b->node]->usable;
}

/* Its nodes will end it before they are LOST: all of them can, and it may begin again. */
static bool is_fenced(const struct td_core *c, const struct core_job *j,
                      const struct td_placement *places, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!core_node_find(c, places[i].node)->fences)
            return false;
    }
    return c->settings.node_fence && core_job_requeues(c, j);
}

static void award(struct td_core *c, struct core_job *j, const struct td_plan_start *s,
                  const struct td_placement *places, uint32_t n)
{
    uint32_t limit_s = core_deadline_limit(c, j, s->limit_s);
    if (limit_s != j->limit_s) { /* --time-min gave way to the window, or to the deadline */
        struct td_ev_job_updated shrunk = {.job = j->id,
                                           .change = {.set = 1u << 2, .limit_s = limit_s}};
        core_emit(c, TD_EV_JOB_UPDATED, &shrunk);
    }
    TD_ASSERT(core_job_may(c, j, TD_JOB_IN_AWARD));
    struct td_ev_job_awarded ev = {.job = j->id,
                                   .attempt = j->attempt + 1,
                                   .partition = c->partitions.v[s->partition]->name,
                                   .places = {places, n},
                                   .fenced = is_fenced(c, j, places, n)};
    core_emit(c, TD_EV_JOB_AWARDED, &ev);
    c->round.awarded++;
}

/* The job of this start that may be awarded now, split off its array if it has to be; NULL when
 * there is none. */
static struct core_job *ready(struct td_core *c, const struct td_plan_start *s)
{
    struct core_job *j = core_job_find(c, s->job);
    if (!j || j->state != TD_JOB_PENDING || !j->queued || core_deadline_missed(c, j))
        return NULL;
    if (core_job_is_record(j) && (j->array->nwaiting == 0 || core_array_room(j->array) == 0))
        return NULL;
    return j;
}

static struct core_job *split(struct td_core *c, struct core_job *j)
{
    if (!core_job_is_record(j))
        return j;
    int64_t task = core_array_next(j->array);
    TD_ASSERT(task >= 0);
    return core_array_split(c, j->array, (uint32_t)task);
}

static void settle_single(struct td_core *c, const struct td_plan_start *s, struct core_lot *lot)
{
    uint32_t k = lot->cursor;
    for (uint32_t i = 0; i < s->count && !core_errors_full(c); i++) {
        struct core_job *j = ready(c, s);
        if (!j)
            return;
        int64_t until = core_job_until(j, c->now_ms, s->limit_s);
        const struct td_placement *p = NULL;
        struct core_bid *b = NULL;
        for (; k < lot->bids.n; k++) {
            b = &c->round.bids.v[lot->bids.v[k]];
            p = may_take(c, b) ? next_free(c, b) : NULL;
            if (!p) {
                if (k == lot->cursor)
                    lot->cursor++; /* used up for everybody */
                continue;
            }
            if (td_ledger_open(c->ledger, s->shape, b->node, c->now_ms, s->limit_s) &&
                td_plan_allows(c->ledger, b->node, s->job, p, until))
                break;
            p = NULL; /* a promise stands against it; for a shorter job it may do */
        }
        if (!p)
            return;
        b->next++;
        b->won++;
        award(c, split(c, j), s, p, 1);
    }
}

struct choice {
    struct core_bid *bid;
    struct td_placement place;
};

/* The largest part of a bid against which no promise stands; false: not even one task. The plan may have counted on less
 * than a node bids, and have promised the rest to somebody else. */
static bool allowed_part(struct td_core *c, const struct td_plan_start *s, const struct td_shape *shape, uint32_t node, int64_t until,
                         struct td_placement *part)
{
    const struct td_placement whole = *part;
    bool shared = td_shape_shared(shape) > 0;
    uint64_t low = 0, high = core_part_of(shape, &whole);

    if (td_plan_allows(c->ledger, node, s->job, part, until))
        return true;
    while (high - low > 1) { /* low is allowed, high is not */
        uint64_t mid = low + (high - low) / 2;
        struct td_placement p = whole;
        core_part_trim(c, shape, node, &p, shared ? p.tasks : (uint32_t)mid, shared ? mid : core_part_of(shape, &p));
        if (td_plan_allows(c->ledger, node, s->job, &p, until)) {
            low = mid;
            *part = p;
        } else {
            high = mid;
        }
    }
    return low > 0;
}

/* Smallest set in the order of preference: the largest parts first when `wide`, else best score first. */
static uint32_t choose(struct td_core *c, const struct td_plan_start *s, struct core_lot *lot,
                       const struct td_shape *shape, bool wide, struct choice *ret,
                       bool *ret_passed_over)
{
    struct core_job *j = core_job_find(c, s->job);
    int64_t until = core_job_until(j, c->now_ms, s->limit_s);
    uint32_t most = TD_MAX(shape->nodes_max, shape->nodes_min), n = 0;
    uint64_t sum = 0, whole = core_whole_of(shape);

    for (uint32_t k = 0; k < lot->bids.n; k++) {
        struct core_bid *b = &c->round.bids.v[lot->bids.v[k]];
        const struct td_placement *bid = may_take(c, b) ? next_free(c, b) : NULL;
        struct td_placement p = bid ? *bid : (struct td_placement){0};
        if (!bid || !td_ledger_open(c->ledger, s->shape, b->node, c->now_ms, s->limit_s) ||
            !allowed_part(c, s, shape, b->node, until, &p)) {
            *ret_passed_over |= b->fits > 0;
            continue;
        }
        *ret_passed_over |= core_part_of(shape, &p) < core_part_of(shape, bid);
        uint32_t at = n;
        while (wide && at > 0 && core_part_of(shape, &ret[at - 1].place) < core_part_of(shape, &p))
            at--;
        if (n == most && at == n)
            continue;
        if (n == most)
            sum -= core_part_of(shape, &ret[--n].place);
        memmove(&ret[at + 1], &ret[at], (n - at) * sizeof(*ret));
        ret[at] = (struct choice){b, p};
        n++;
        sum += core_part_of(shape, &p);
        if (!wide && n >= shape->nodes_min && sum >= whole)
            return n;
    }
    return n >= shape->nodes_min && sum >= whole ? n : 0;
}

/* What a bid is worth to the job of a lot for several nodes; 0: it refuses. */
static uint64_t worth(const struct td_shape *shape, const struct core_bid *b)
{
    if (!b->fits || b->body.placements.n == 0)
        return 0;
    return TD_MAX(core_part_of(shape, &b->body.placements.v[0]), UINT64_C(1));
}

/* A worker bids for a lot on what its bids for the lots before it leave: such a bid says little of what there is. */
static bool was_squeezed(struct td_core *c, const struct core_lot *lot)
{
    const struct core_round *r = &c->round;
    uint32_t nbytes = c->nodes.n / 8 + 1;
    uint8_t *busy = td_arena_alloc(&c->wake, nbytes);
    for (const struct core_lot *before = r->lots.v; before < lot; before++) {
        for (uint32_t k = 0; k < before->bids.n; k++) {
            if (r->bids.v[before->bids.v[k]].fits)
                td_bits_set(busy, r->bids.v[before->bids.v[k]].node);
        }
    }
    for (uint32_t k = 0; k < lot->bids.n; k++) {
        const struct core_bid *b = &r->bids.v[lot->bids.v[k]];
        if (b->fits && td_bits_get(lot->nodes, lot->nodes_bytes, b->node) && td_bits_get(busy, nbytes, b->node))
            return true;
    }
    return false;
}

/* Everybody the plan counted on has bid, nothing was passed over, and together they hold too
 * little: the plan sees more than there is. The weakest are remembered as refusing, so that the next
 * plan does without them or waits. Where somebody refused, that is news enough. The first lot of a
 * round always tells; so those behind it have their turn, too. */
static void learn_too_few(struct td_core *c, struct core_lot *lot, const struct td_shape *shape)
{
    uint64_t least = UINT64_MAX;
    uint32_t willing = 0;
    if (was_squeezed(c, lot))
        return;
    for (uint32_t k = 0; k < lot->bids.n; k++) {
        const struct core_bid *b = &c->round.bids.v[lot->bids.v[k]];
        if (!worth(shape, b) || !td_bits_get(lot->nodes, lot->nodes_bytes, b->node))
            continue;
        willing++;
        least = TD_MIN(least, worth(shape, b));
    }
    if (willing < td_bits_count(lot->nodes, lot->nodes_bytes))
        return;
    for (uint32_t k = 0; k < lot->bids.n; k++) {
        const struct core_bid *b = &c->round.bids.v[lot->bids.v[k]];
        if (worth(shape, b) != least || !td_bits_get(lot->nodes, lot->nodes_bytes, b->node))
            continue;
        c->round.refused +=
            core_node_refuse(c, c->nodes.v[b->node], lot->shape, TD_REFUSAL_LAYOUT, 0);
    }
}

static void settle_multi(struct td_core *c, const struct td_plan_start *s, struct core_lot *lot)
{
    const struct td_shape *shape = td_ledger_get_shape(c->ledger, s->shape);
    uint32_t most = TD_MAX(shape->nodes_max, shape->nodes_min);
    struct choice *chosen =
        td_arena_alloc(&c->wake, (TD_MIN(most, lot->bids.n) + 2) * sizeof(*chosen));
    for (uint32_t i = 0; i < s->count && !core_errors_full(c); i++) {
        struct core_job *j = ready(c, s);
        if (!j)
            return;
        bool passed_over = false;
        uint32_t n = choose(c, s, lot, shape, false, chosen, &passed_over);
        if (!n)
            n = choose(c, s, lot, shape, true, chosen, &passed_over);
        if (!n) {
            if (!passed_over)
                learn_too_few(c, lot, shape);
            return;
        }
        /* What the nodes before it leave; each node keeps one task (and one shared device) at least,
         * for the nodes that are asked for. */
        uint64_t left = shape->ntasks, shared_left = td_shape_shared(shape);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t after = n - 1 - k;
            uint32_t part =
                (uint32_t)TD_MIN((uint64_t)chosen[k].place.tasks, left > after ? left - after : 1);
            uint64_t shared = TD_MIN(core_part_of(shape, &chosen[k].place),
                                     shared_left > after ? shared_left - after : 1);
            core_part_trim(c, shape, chosen[k].bid->node, &chosen[k].place, part, shared);
            left -= TD_MIN(left, (uint64_t)chosen[k].place.tasks);
            shared_left -= TD_MIN(shared_left, shared);
            chosen[k].bid->next = UINT32_MAX;
            chosen[k].bid->won++;
        }
        /* The leader is the first by number, which is the order of the configuration. */
        struct td_placement *places = td_arena_alloc(&c->wake, n * sizeof(*places));
        uint32_t *order = td_arena_alloc(&c->wake, n * sizeof(*order));
        for (uint32_t k = 0; k < n; k++) {
            uint32_t at = k;
            for (; at > 0 && chosen[order[at - 1]].bid->node > chosen[k].bid->node; at--)
                order[at] = order[at - 1];
            order[at] = k;
        }
        for (uint32_t k = 0; k < n; k++)
            places[k] = chosen[order[k]].place;
        award(c, split(c, j), s, places, n);
    }
}

/* The plan would have started it and nobody could take it: nothing is before it, so it waits for
 * resources, as people see it. */
static void note_unserved(struct td_core *c, const uint32_t *lot_of_shape)
{
    const struct core_round *r = &c->round;
    uint32_t *ids = td_arena_alloc(&c->wake, (r->starts.n + 1) * sizeof(*ids)), n = 0, kept = 0;
    for (uint32_t i = 0; i < r->starts.n && n < TD_MAX_EVENTS_PER_WAKE; i++) {
        const struct td_plan_start *s = &r->starts.v[i];
        const struct core_lot *lot = &r->lots.v[lot_of_shape[s->shape]];
        const struct core_job *j = core_job_find(c, s->job);
        if (!j || j->state != TD_JOB_PENDING || j->reason != TD_REASON_PRIORITY)
            continue;
        uint32_t fits = 0;
        for (uint32_t k = 0; k < lot->bids.n && fits == 0; k++)
            fits = r->bids.v[lot->bids.v[k]].fits;
        if (fits == 0)
            ids[n++] = j->id;
    }
    core_ids_sort(ids, n);
    for (uint32_t i = 0; i < n; i++) { /* a job may be a candidate in several partitions */
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    }
    struct td_ev_job_reason ev = {.reason = TD_REASON_RESOURCES, .jobs = {ids, kept}};
    if (kept)
        core_emit(c, TD_EV_JOB_REASON, &ev);
}

void core_round_settle(struct td_core *c)
{
    struct core_round *r = &c->round;
    uint32_t *lot_of_shape =
        td_arena_alloc(&r->arena, td_ledger_shapes(c->ledger) * sizeof(*lot_of_shape));
    for (uint32_t i = 0; i < r->lots.n; i++) {
        sort_bids(c, &r->lots.v[i]);
        lot_of_shape[r->lots.v[i].shape] = i;
    }
    for (uint32_t i = 0; i < r->starts.n; i++) {
        const struct td_plan_start *s = &r->starts.v[i];
        struct core_lot *lot = &r->lots.v[lot_of_shape[s->shape]];
        if (lot->multi)
            settle_multi(c, s, lot);
        else
            settle_single(c, s, lot);
    }
    note_unserved(c, lot_of_shape);
}

#define SILENT_NAMED 64u

static struct td_strs silent_nodes(const struct td_core *c, struct td_arena *a)
{
    const struct core_round *r = &c->round;
    const char **v = td_arena_alloc(a, SILENT_NAMED * sizeof(*v));
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->nodes.n && n < SILENT_NAMED && r->answered < r->expected; i++) {
        if (c->nodes.v[i]->round == r->no && c->nodes.v[i]->lots_expected)
            v[n++] = td_arena_strdup(a, c->nodes.v[i]->name);
    }
    return (struct td_strs){v, n};
}

void core_round_keep(struct td_core *c, const char *closed_by)
{
    struct core_round *r = &c->round;
    struct core_kept_round *k = &c->kept[r->no % TD_MAX_ROUNDS_KEPT];
    td_arena_reset(&k->arena);
    struct td_lot *lots = td_arena_alloc(&k->arena, r->lots.n * sizeof(*lots));
    uint32_t nbids = 0;
    for (uint32_t i = 0; i < r->lots.n; i++) {
        const struct core_lot *lot = &r->lots.v[i];
        lots[i] = (struct td_lot){.lot = i,
                                  .shape_id = lot->shape,
                                  .count = lot->count,
                                  .window_s = lot->limit_s,
                                  .rank = lot->rank};
        td_record_copy(&k->arena, &td_rec_shape, td_ledger_get_shape(c->ledger, lot->shape),
                       &lots[i].shape);
        nbids += TD_MIN(lot->bids.n, 64u);
    }
    struct td_round_bid *bids = td_arena_alloc(&k->arena, (nbids + 1) * sizeof(*bids));
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->lots.n; i++) {
        const struct core_lot *lot = &r->lots.v[i];
        for (uint32_t b = 0; b < TD_MIN(lot->bids.n, 64u); b++) {
            const struct core_bid *bid = &r->bids.v[lot->bids.v[b]];
            bids[n++] = (struct td_round_bid){
                .node = td_arena_strdup(&k->arena, c->nodes.v[bid->node]->name),
                .lot = i,
                .fits = bid->fits,
                .score = bid->score,
                .fit = bid->body.fit,
                .frag = bid->body.frag,
                .health = bid->body.health,
                .warmth = bid->body.warmth,
                .refusal = bid->body.refusal,
                .shortage = bid->body.shortage,
                .lack = bid->body.lack,
                .won = bid->won,
            };
        }
    }
    k->info = (struct td_round_info){
        .round = r->no,
        .at_ms = r->opened_ms,
        .took_us = (uint32_t)TD_MIN((c->now_ms - r->opened_ms) * 1000, (int64_t)UINT32_MAX),
        .lots = {lots, r->lots.n},
        .bids = {bids, n},
        .expected = r->expected,
        .answered = r->answered,
        .awarded = r->awarded,
        .closed_by = closed_by,
        .silent = silent_nodes(c, &k->arena),
        .elapsed_us = c->watch_us && r->opened_us ? (uint64_t)TD_MAX(c->watch_us - r->opened_us, INT64_C(1)) : 0,
    };
}

uint32_t td_core_rounds(const struct td_core *c, uint32_t last, struct td_arena *a,
                        const struct td_round_info **ret_rows)
{
    uint64_t have = TD_MIN(c->rounds, (uint64_t)TD_MAX_ROUNDS_KEPT);
    uint32_t want = (uint32_t)TD_MIN(have, last ? last : have), n = 0;
    struct td_round_info *rows = td_arena_alloc(a, (want + 1) * sizeof(*rows));
    for (uint64_t no = c->rounds - want + 1; no <= c->rounds; no++) {
        const struct td_round_info *info = &c->kept[no % TD_MAX_ROUNDS_KEPT].info;
        if (info->round == no) /* the open one is not kept yet */
            td_record_copy(a, &td_rec_round_info, info, &rows[n++]);
    }
    *ret_rows = rows;
    return n;
}
