/* round.c - one round at a time: plan, offer, collect bids, close (DESIGN section 4)
 *
 * A round is soft: it is in no event. Closed by all expected answers, by enough perfect bids, or by
 * a deadline that follows how long answers take. When a round awards nothing and nothing was
 * learned, the next waits for a change, or for a while that doubles: an offer may have been lost.
 */
#include <string.h>

#include "broker/core/state.h"

#define RETRY_MS_FIRST 10u
#define RETRY_MS_MAX 5000u

struct topic {
    uint32_t partition, shard;
    TD_VEC(uint32_t) lots;
};
typedef TD_VEC(struct topic) topics_t;

static uint32_t shard_size(const struct td_core *c)
{
    return c->settings.shard_nodes ? c->settings.shard_nodes : CORE_SHARD_NODES;
}

void core_round_release(struct td_core *c)
{
    struct core_round *r = &c->round;
    for (uint32_t i = 0; i < r->lots.n; i++)
        td_vec_release(&r->lots.v[i].bids);
    td_vec_release(&r->lots);
    td_vec_release(&r->bids);
    td_vec_release(&r->starts);
    td_arena_release(&r->arena);
    for (uint32_t i = 0; i < TD_MAX_ROUNDS_KEPT; i++)
        td_arena_release(&c->kept[i].arena);
}

static void clear(struct td_core *c)
{
    struct core_round *r = &c->round;
    for (uint32_t i = 0; i < r->lots.n; i++) {
        td_vec_release(&r->lots.v[i].bids);
        td_ledger_drop_shape(c->ledger, r->lots.v[i].shape);
    }
    r->lots.n = r->bids.n = r->starts.n = 0;
    r->expected = r->answered = r->awarded = r->refused = r->stale = 0;
    r->open = false;
    td_arena_reset(&r->arena);
}

static void add_start(struct td_core *c, const struct td_plan_start *s, uint32_t *lot_of_shape)
{
    struct core_round *r = &c->round;
    uint32_t *at = &lot_of_shape[s->shape];
    if (*at == 0) {
        if (r->lots.n == TD_MAX_LOTS_PER_OFFER)
            return; /* next round */
        struct core_lot lot = {
            .shape = s->shape, .partition = s->partition, .rank = s->rank, .limit_s = s->limit_s};
        lot.multi = td_ledger_get_shape(c->ledger, s->shape)->nodes_max > 1;
        td_ledger_hold_shape(c->ledger, s->shape);
        td_vec_push(&r->lots, lot);
        *at = r->lots.n;
    }
    struct core_lot *lot = &r->lots.v[*at - 1];
    lot->count += s->count;
    lot->limit_s = TD_MAX(lot->limit_s, s->limit_s);
    td_vec_push(&r->starts, *s);
}

struct td_plan_params core_plan_params(const struct td_core *c)
{
    const char *policy = c->settings.backfill;
    return (struct td_plan_params){
        .now_ms = c->now_ms,
        .policy = td_str_equal(policy, "fifo")           ? TD_POLICY_FIFO
                  : td_str_equal(policy, "sjbf")         ? TD_POLICY_SJBF
                  : td_str_equal(policy, "conservative") ? TD_POLICY_CONSERVATIVE
                  : td_str_equal(policy, "tender")       ? TD_POLICY_TENDER
                                                         : TD_POLICY_EASY,
        .free_order = c->settings.free_order,
        .depth = c->settings.depth,
        .starts_max = CORE_STARTS_MAX,
        .lots_max = TD_MAX_LOTS_PER_OFFER,
    };
}

static void plan(struct td_core *c)
{
    const struct td_plan_params params = core_plan_params(c);
    struct td_plan p = {0};
    core_learned_run(c);
    core_likely_run(c);
    td_plan_run(c->ledger, c->queue, &params, &p);
    c->counters.plans++;
    core_reasons_note(c, &p);
    core_promises_note(c, &p);
    core_likely_note(c, &p);
    clear(c);
    if (p.starts.n) {
        uint32_t *lot_of_shape =
            td_arena_alloc(&c->round.arena, td_ledger_shapes(c->ledger) * sizeof(*lot_of_shape));
        for (uint32_t i = 0; i < p.starts.n; i++)
            add_start(c, &p.starts.v[i], lot_of_shape);
    }
    td_plan_release(&p);
}

static struct topic *topic_of(topics_t *topics, uint32_t partition, uint32_t shard)
{
    for (uint32_t i = 0; i < topics->n; i++) {
        if (topics->v[i].partition == partition && topics->v[i].shard == shard)
            return &topics->v[i];
    }
    struct topic t = {.partition = partition, .shard = shard};
    td_vec_push(topics, t);
    return &topics->v[topics->n - 1];
}

static bool answers(const struct core_node *n)
{
    return n->usable && n->probed;
}

/* Nodes of a shard that a lot counts on, and what of a job that spreads they could hold. */
static uint64_t count_shard(const struct td_core *c, const struct core_lot *lot, uint32_t first, uint32_t end, uint64_t *parts)
{
    const struct core_partition *p = c->partitions.v[lot->partition];
    uint64_t here = 0;
    for (uint32_t i = first; i < end; i++) {
        uint32_t node = p->nodes.v[i];
        if (!td_bits_get(lot->nodes, lot->nodes_bytes, node) || !answers(c->nodes.v[node]))
            continue;
        here++;
        if (lot->multi)
            *parts += td_plan_part(c->ledger, lot->shape, node);
    }
    return here;
}

/* A lot goes to the shards of nodes that could take it, as many as it needs twice over: what they
 * refuse is remembered, and the next round asks others. Nodes that are not asked are not counted on. */
static void choose_shards(struct td_core *c, uint32_t lot_no, topics_t *topics)
{
    struct core_lot *lot = &c->round.lots.v[lot_no];
    const struct core_partition *p = c->partitions.v[lot->partition];
    const struct td_shape *shape = td_ledger_get_shape(c->ledger, lot->shape);
    uint32_t size = shard_size(c);
    uint64_t want = 2 * (uint64_t)lot->count * TD_MAX(shape->nodes_min, 1u), found = 0;
    uint64_t parts_want = lot->multi ? 2 * (uint64_t)lot->count * core_whole_of(shape) : 0, parts = 0;

    uint32_t nbytes = lot->nodes_bytes = c->nodes.n / 8 + 1;
    uint8_t *bits = lot->nodes = td_arena_alloc(&c->round.arena, nbytes);
    td_plan_nodes(c->ledger, lot->shape, lot->limit_s, c->now_ms, bits, nbytes);
    for (uint32_t first = 0; first < p->nodes.n; first += size) {
        uint32_t end = TD_MIN(first + size, p->nodes.n);
        bool ask = found < want || parts < parts_want;
        uint64_t here = ask ? count_shard(c, lot, first, end, &parts) : 0;
        found += here;
        if (here)
            td_vec_push(&topic_of(topics, lot->partition, first / size)->lots, lot_no);
        for (uint32_t i = first; i < end && !here; i++)
            td_bits_clear(bits, p->nodes.v[i]);
    }
}

static void expect(struct td_core *c, const struct topic *t)
{
    struct core_round *r = &c->round;
    const struct core_partition *p = c->partitions.v[t->partition];
    uint32_t first = t->shard * shard_size(c), end = TD_MIN(first + shard_size(c), p->nodes.n);
    for (uint32_t i = first; i < end; i++) {
        struct core_node *n = c->nodes.v[p->nodes.v[i]];
        if (!answers(n))
            continue;
        if (n->round != r->no) {
            n->round = r->no;
            n->lots_expected = 0;
            n->lots_answered = td_arena_alloc(&r->arena, TD_MAX_LOTS_PER_OFFER / 8);
            r->expected++;
        }
        n->lots_expected += t->lots.n;
    }
}

static void fill_lot(struct td_core *c, uint32_t no, struct td_lot *ret)
{
    const struct core_lot *lot = &c->round.lots.v[no];
    *ret = (struct td_lot){.lot = no,
                           .shape_id = lot->shape,
                           .count = lot->count,
                           .window_s = lot->limit_s,
                           .rank = lot->rank};
    td_record_copy(&c->wake, &td_rec_shape, td_ledger_get_shape(c->ledger, lot->shape),
                   &ret->shape);
}

static void publish(struct td_core *c, const struct topic *t, uint32_t closes_in_ms)
{
    struct td_lot *lots = td_arena_alloc(&c->wake, t->lots.n * sizeof(*lots));
    for (uint32_t i = 0; i < t->lots.n; i++)
        fill_lot(c, t->lots.v[i], &lots[i]);
    struct td_offer *offer = td_arena_alloc(&c->wake, sizeof(*offer));
    *offer = (struct td_offer){.epoch = c->epoch,
                               .round = c->round.no,
                               .closes_in_ms = closes_in_ms,
                               .lots = {lots, t->lots.n}};
    struct td_buf b = {0};
    core_node_topic(c, &(struct core_membership){t->partition, t->shard * shard_size(c)}, &b);
    struct td_effect *e = core_effect(c, TD_DO_PUBLISH);
    e->topic = td_arena_strdup(&c->wake, td_buf_str(&b));
    e->id = TD_MSG_OFFER;
    e->body = offer;
    td_buf_release(&b);
}

static bool open_round(struct td_core *c)
{
    struct core_round *r = &c->round;
    if (r->lots.n == 0)
        return false;
    topics_t topics = {0};
    r->no = c->rounds + 1;
    for (uint32_t i = 0; i < r->lots.n; i++)
        choose_shards(c, i, &topics);
    for (uint32_t i = 0; i < topics.n; i++)
        expect(c, &topics.v[i]);
    bool open = r->expected > 0; /* else an echo of the probe will make us plan again */
    if (open) {
        uint32_t deadline = TD_MIN(TD_MAX(c->answer_x16 / 4, (uint32_t)CORE_DEADLINE_MS_MIN),
                                   (uint32_t)CORE_DEADLINE_MS_MAX);
        c->rounds++;
        c->counters.rounds++;
        r->open = true;
        r->opened_ms = c->now_ms;
        r->opened_us = c->watch_us;
        r->deadline_ms = c->now_ms + deadline;
        for (uint32_t i = 0; i < topics.n; i++)
            publish(c, &topics.v[i], deadline);
    }
    for (uint32_t i = 0; i < topics.n; i++)
        td_vec_release(&topics.v[i].lots);
    td_vec_release(&topics);
    return open;
}

static bool is_perfect(const struct td_lot_bid *b)
{
    return b->fit == 1000 && b->frag == 1000 && b->health == 1000;
}

static void take_lot_bid(struct td_core *c, struct core_node *n, const struct td_lot_bid *lb,
                         bool fresh)
{
    struct core_round *r = &c->round;
    struct core_lot *lot = &r->lots.v[lb->lot];
    struct core_bid bid = {.node = n->no, .lot = lb->lot, .score = lb->score, .fits = lb->fits};
    /* News only from a node the plan counted on; the others of its shard answer too. "My shepherd is away" is about this
     * moment and not about the shape: it is asked again. */
    if (lb->fits == 0 && fresh && lb->refusal != TD_REFUSAL_UNHEALTHY && td_bits_get(lot->nodes, lot->nodes_bytes, n->no))
        r->refused += core_node_refuse(c, n, lot->shape,
                                       lb->refusal ? lb->refusal : TD_REFUSAL_STALE, lb->shortage);
    td_record_copy(&r->arena, &td_rec_lot_bid, lb, &bid.body);
    td_vec_push(&lot->bids, r->bids.n);
    td_vec_push(&r->bids, bid);
    if (is_perfect(lb))
        lot->perfect += lb->fits;
}

void core_round_bid(struct td_core *c, struct core_node *n, const struct td_bid *m)
{
    struct core_round *r = &c->round;
    if (!r->open || m->round != r->no || m->epoch != c->epoch) {
        c->counters.bids_late++;
        return;
    }
    if (n->round != r->no) { /* not expected, but it heard us */
        n->round = r->no;
        n->lots_expected = 0;
        n->lots_answered = td_arena_alloc(&r->arena, TD_MAX_LOTS_PER_OFFER / 8);
    }
    c->counters.bids++;
    /* A picture older than the last we have would be remembered as a refusal of a node that has
     * changed since. */
    bool fresh = m->node_version >= n->node_version;
    for (uint32_t i = 0; i < m->lots.n; i++) {
        const struct td_lot_bid *lb = &m->lots.v[i];
        if (lb->lot >= r->lots.n ||
            td_bits_get(n->lots_answered, TD_MAX_LOTS_PER_OFFER / 8, lb->lot))
            continue;
        td_bits_set(n->lots_answered, lb->lot);
        if (n->usable)
            take_lot_bid(c, n, lb, fresh);
        if (n->lots_expected && --n->lots_expected == 0)
            r->answered++;
    }
}

/* It registers anew, or left: its bids no longer count, and nobody waits for it. */
void core_round_forget_node(struct td_core *c, struct core_node *n)
{
    struct core_round *r = &c->round;
    if (!r->open || n->round != r->no)
        return;
    if (n->lots_expected)
        r->answered++;
    n->lots_expected = 0;
    for (uint32_t i = 0; i < r->bids.n; i++) {
        if (r->bids.v[i].node == n->no)
            r->bids.v[i].next = UINT32_MAX;
    }
}

static bool enough(const struct core_round *r)
{
    for (uint32_t i = 0; i < r->lots.n; i++) {
        if (r->lots.v[i].multi || r->lots.v[i].perfect < r->lots.v[i].count)
            return false;
    }
    return true;
}

static const char *closed_by(const struct td_core *c)
{
    const struct core_round *r = &c->round;
    if (r->answered >= r->expected)
        return "all bids";
    if (enough(r))
        return "enough";
    return c->now_ms >= r->deadline_ms ? "deadline" : NULL;
}

/* Who was expected and silent is asked by a probe before he is expected again. */
static void note_silence(struct td_core *c)
{
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        struct core_node *n = c->nodes.v[i];
        if (n->round == c->round.no && n->lots_expected && n->probed) {
            n->probed = false;
            core_probe_want(c);
        }
    }
}

static void close_round(struct td_core *c, const char *why)
{
    struct core_round *r = &c->round;
    bool deadline = td_str_equal(why, "deadline");
    uint32_t took = (uint32_t)TD_MIN(c->now_ms - r->opened_ms, (int64_t)CORE_DEADLINE_MS_MAX);
    if (deadline) {
        c->counters.rounds_deadline++;
        note_silence(c);
        took *= 2; /* at least so long; the average finds out */
    }
    c->answer_x16 = c->answer_x16 - c->answer_x16 / 8 + took * 2;
    core_round_settle(c);
    core_round_keep(c, why);
    bool learned = r->awarded || r->refused;
    bool stale = r->stale > 0;
    clear(c);
    if (learned) {
        c->dirty = true;
        c->retry_backoff_ms = 0;
        c->retry_ms = INT64_MAX;
        return;
    }
    c->retry_backoff_ms = c->retry_backoff_ms && !stale
                              ? TD_MIN(c->retry_backoff_ms * 2, RETRY_MS_MAX)
                              : RETRY_MS_FIRST;
    c->retry_ms = c->now_ms + c->retry_backoff_ms;
}

void core_rounds_run(struct td_core *c)
{
    /* Each turn awards something or learns a refusal, so it ends; the bound keeps a wake short. */
    for (uint32_t turn = 0; turn < 16; turn++) {
        if (c->round.open) {
            const char *why = closed_by(c);
            if (!why)
                return;
            close_round(c, why);
            core_awards_send(
                c); /* before the next offer: workers shall bid knowing what they were given */
        }
        if ((!c->dirty && c->now_ms < TD_MIN(c->retry_ms, c->plan_next_ms)) || td_core_full(c))
            return;
        c->retry_ms = INT64_MAX;
        c->dirty = false;
        plan(c);
        if (!open_round(c))
            return;
    }
    c->retry_ms = TD_MIN(c->retry_ms, c->now_ms + 1);
}
