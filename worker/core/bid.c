/* bid.c - answers to an offer
 *
 * Lots come by rank. A scratch pool goes through them: what a lot places there is taken for the next. A lot that finds
 * nothing on the scratch pool is answered from the base pool, as if it were the only one, and leaves the scratch pool
 * alone. Reasons that will not go away by themselves are named before those that will. */
#include "worker/core/pool.h"

/* All placements of one bid together stay well below the largest frame; a bid that would not names fewer instances,
 * at least one for each lot, and the next round asks again. */
#define BID_BYTES_MAX (TD_MAX_FRAME_BYTES / 4)
#define PLACEMENT_BYTES 96 /* encoded, besides its bitmap of CPUs */

struct bidder {
    const struct td_node *n;
    struct td_arena *a;
    struct td_pool scratch, before, alone;
    bool scratch_used; /* an earlier lot placed something */
    uint32_t bytes;    /* left of BID_BYTES_MAX */
};

static bool shape_is_multi(const struct td_shape *s)
{
    return s->nodes_min > 1 || s->nodes_max > 1;
}

static bool in_partition(const struct td_node *n, const char *partition)
{
    if (td_str_empty(partition) || n->partitions.n == 0)
        return true;
    for (uint32_t i = 0; i < n->partitions.n; i++)
        if (td_str_equal(n->partitions.v[i], partition))
            return true;
    return false;
}

/* Why this node is never right for the shape, whatever is free. */
static uint32_t node_refusal(const struct td_node *n, const struct td_shape *s)
{
    if (!in_partition(n, s->partition))
        return TD_REFUSAL_PARTITION;
    if (!td_str_empty(s->req_nodes) && !td_hostlist_match(s->req_nodes, n->name))
        return TD_REFUSAL_NAME;
    if (!td_str_empty(s->exc_nodes) && td_hostlist_match(s->exc_nodes, n->name))
        return TD_REFUSAL_NAME;
    if (!td_features_meet(n->inv.features, s->features))
        return TD_REFUSAL_FEATURE;
    return TD_REFUSAL_NONE;
}

static uint32_t tasks_most(const struct td_shape *s)
{
    return TD_MAX(TD_MAX(s->tasks_max, s->tasks_min), 1u);
}

/* The least that is of use: tasks, or one of the devices that nodes share. */
static uint32_t part_least(const struct td_shape *s)
{
    if (td_shape_shared(s))
        return 1;
    return shape_is_multi(s) ? TD_MAX(s->tasks_min, 1u) : tasks_most(s);
}

/* The most that is looked for on one node. */
static uint32_t part_most(const struct td_node *n, const struct td_shape *s)
{
    uint64_t all = td_shape_shared(s), here = 0;

    if (!all)
        return TD_MIN(tasks_most(s), TD_MAX(n->ncpus, part_least(s)));
    for (uint32_t i = 0; i < n->inv.gres.n; i++)
        if (td_str_equal(n->inv.gres.v[i].name, s->gres_job.v[0].name))
            here += n->inv.gres.v[i].count;
    all -= TD_MIN(all - 1, (uint64_t)TD_MAX(s->nodes_min, 1u) - 1); /* the other nodes have one each at least */
    return (uint32_t)TD_MAX(TD_MIN(all, here), UINT64_C(1));
}

/* Single-node lots: as many instances as fit, up to the count wanted. */
static uint32_t place_instances(struct bidder *b, const struct td_lot *lot, struct td_pool *p, struct td_lot_bid *ret, struct td_lack *why)
{
    const struct td_node *n = b->n;
    uint32_t want = TD_MIN(TD_MAX(lot->count, 1u), (uint32_t)TD_MAX_INSTANCES_PER_BID);
    struct td_need need;
    struct td_scan scan;
    uint64_t fit = 0;

    td_need_make(&lot->shape, tasks_most(&lot->shape), &need);
    want = TD_MIN(want, n->ncpus / TD_MAX(need.cpus, 1u)); /* room for the answer, no more */
    uint32_t bytes = PLACEMENT_BYTES + n->nbytes + need.ngres * PLACEMENT_BYTES;
    want = TD_MAX(TD_MIN(want, b->bytes / bytes), 1u);
    struct td_placement *v = td_arena_alloc(b->a, want * sizeof(*v));
    td_scan_init(n, b->a, &scan);
    uint32_t got = 0;
    for (; got < want; got++) {
        struct td_choice choice;
        if (!td_place(n, p, &scan, &need, b->a, &v[got], &choice, why))
            break;
        fit += td_score_fit(&choice);
    }
    ret->placements = (struct td_placement_list){got ? v : NULL, got};
    ret->fit = got ? (uint32_t)(fit / got) : 0;
    b->bytes -= TD_MIN(b->bytes, got * bytes);
    return got;
}

/* Multi-node lots: the node's part, as large as it can hold. Every amount grows with it, so the largest that fits is
 * found by halving. Returns its tasks. */
static uint32_t place_part(struct bidder *b, const struct td_lot *lot, struct td_pool *p, struct td_lot_bid *ret, struct td_lack *why)
{
    const struct td_node *n = b->n;
    uint32_t low = part_least(&lot->shape), high = part_most(n, &lot->shape);
    struct td_placement *place = td_arena_alloc(b->a, sizeof(*place));
    struct td_pool trial;
    uint32_t best = 0;
    struct td_choice choice, best_choice = {0};

    td_pool_init(n, b->a, &trial);
    for (uint32_t part = low; low <= high; part = low + (high - low + 1) / 2) {
        struct td_need need;
        struct td_placement here;
        td_need_make(&lot->shape, part, &need);
        td_pool_copy(n, &trial, p);
        if (td_place(n, &trial, NULL, &need, b->a, &here, &choice, why)) {
            best = need.tasks;
            best_choice = choice;
            *place = here;
            low = part + 1;
        } else {
            high = part - 1;
        }
        if (best == 0)
            return 0; /* not even the fewest */
    }
    bool all = td_pool_take(n, p, place);
    TD_ASSERT(all);
    ret->placements = (struct td_placement_list){place, 1};
    ret->fit = td_score_fit(&best_choice);
    return best;
}

static uint32_t place_lot(struct bidder *b, const struct td_lot *lot, struct td_pool *p, struct td_lot_bid *ret, struct td_lack *why)
{
    uint32_t fits = shape_is_multi(&lot->shape) ? place_part(b, lot, p, ret, why) : place_instances(b, lot, p, ret, why);

    if (fits == 0)
        return 0;
    ret->fits = fits;
    ret->frag = td_score_frag(b->n, &b->before, p);
    ret->health = b->n->health;
    ret->score = td_score_sum(ret->fit, ret->frag, ret->health, ret->warmth);
    return fits;
}

static void refuse_lot(struct td_lot_bid *ret, uint32_t refusal, uint64_t shortage)
{
    *ret = (struct td_lot_bid){.lot = ret->lot, .refusal = refusal, .shortage = shortage, .health = ret->health};
}

/* Nothing fits now. Would the fewest fit on the empty node? */
static void name_refusal(struct bidder *b, const struct td_lot *lot, struct td_lack now, struct td_lot_bid *ret)
{
    struct td_need need;
    struct td_lack why = {0};
    struct td_choice choice;
    struct td_placement place;

    td_need_make(&lot->shape, part_least(&lot->shape), &need);
    td_pool_copy(b->n, &b->alone, &b->n->empty);
    if (!td_place(b->n, &b->alone, NULL, &need, b->a, &place, &choice, &why)) {
        refuse_lot(ret, why.refusal == TD_REFUSAL_GRES_TYPE ? TD_REFUSAL_GRES_TYPE : TD_REFUSAL_TOO_SMALL, why.shortage);
        ret->lack = why.refusal;
        return;
    }
    if (b->n->draining)
        refuse_lot(ret, TD_REFUSAL_DRAINING, 0);
    else if (b->n->health == 0)
        refuse_lot(ret, TD_REFUSAL_UNHEALTHY, 0);
    else
        refuse_lot(ret, now.refusal, now.shortage);
}

static void answer(struct bidder *b, const struct td_lot *lot, struct td_lot_bid *ret)
{
    struct td_lack why = {0};
    uint32_t never = node_refusal(b->n, &lot->shape);

    *ret = (struct td_lot_bid){.lot = lot->lot, .health = b->n->health};
    if (never != TD_REFUSAL_NONE) {
        refuse_lot(ret, never, 0);
        return;
    }
    if (b->n->draining || b->n->health == 0) {
        name_refusal(b, lot, why, ret);
        return;
    }
    td_pool_copy(b->n, &b->before, &b->scratch);
    if (place_lot(b, lot, &b->scratch, ret, &why) > 0) {
        b->scratch_used = true;
        return;
    }
    if (b->scratch_used) {
        td_pool_copy(b->n, &b->before, &b->n->base);
        td_pool_copy(b->n, &b->alone, &b->n->base);
        if (place_lot(b, lot, &b->alone, ret, &why) > 0)
            return;
    }
    name_refusal(b, lot, why, ret);
}

void td_node_bid(const struct td_node *n, const struct td_lot *lots, uint32_t nlots, struct td_arena *a, struct td_lot_bid *ret)
{
    struct bidder b = {.n = n, .a = a, .bytes = BID_BYTES_MAX};

    td_pool_init(n, a, &b.scratch);
    td_pool_init(n, a, &b.before);
    td_pool_init(n, a, &b.alone);
    td_pool_copy(n, &b.scratch, &n->base);
    for (uint32_t i = 0; i < nlots; i++)
        answer(&b, &lots[i], &ret[i]);
}
