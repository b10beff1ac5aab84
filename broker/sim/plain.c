/* plain.c - a machine that is one node of N equal processors
 *
 * It speaks the worker's messages, but knows neither cores nor memory: a bid is so many free bits. So a simulation of
 * 80,640 processors costs what the broker's core costs. Invariant: a bit is busy while an attempt in `held` has it, and
 * no longer. Words of 64 are read as bytes, least significant first: the machine must be little-endian, as the tests'
 * machines are. */
#include "machine.h"

#include <string.h>

#define NODE "machine"
#define HEARTBEAT_MS (INT64_C(1000000) * 1000) /* a fourth of the lease: years may pass in a trace without a word */

struct held {
    uint32_t attempt;
    struct td_bin cpus; /* in the same block */
};
struct plain {
    struct sim_machine is;
    uint32_t procs, nbytes;
    uint64_t *busy;
    uint32_t nwords, nfree, low; /* no free bit below word `low` */
    TD_VEC(struct held *) held; /* by job, whose ids are small */
    uint32_t incarnation;
    uint64_t version, report_no;
    int64_t said_ms; /* last word of it */
    /* of the bid being made */
    uint64_t *taken;
    uint32_t taken_free, taken_low;
};

void sim_post(struct sim_outbox *o, const char *node, uint32_t id, const void *body)
{
    const struct td_record *rec = td_msg_row(id)->record;
    void *copy = td_arena_alloc(&o->arena, rec->size);
    struct sim_message m = {.node = node, .id = id, .body = copy};

    td_record_copy(&o->arena, rec, body, copy);
    td_vec_push(&o->v, m);
}

static void hello(struct sim_machine *m, int64_t now_ms, struct sim_outbox *o)
{
    struct plain *p = (struct plain *)m;
    p->said_ms = now_ms;
    uint8_t *all = td_arena_alloc(&o->arena, p->nbytes);

    for (uint32_t i = 0; i < p->procs; i++)
        td_bits_set(all, i);
    struct td_hello h = {.version = TD_PROTOCOL_VERSION, .node = NODE, .boot_id = "sim", .instance = "sim", .node_version = p->version,
                         .inventory = {.hostname = NODE, .cpus = {all, p->nbytes}, .sockets = 1, .cores_per_socket = p->procs,
                                       .threads_per_core = 1, .memory_mb = p->procs, .declared = true}};
    sim_post(o, NODE, TD_MSG_HELLO, &h);
}

/* --- bids --------------------------------------------------------------------------------------------------------- */

/* n bits that are not taken yet, as a bitmap that ends with the last of them. */
static struct td_bin carve(struct plain *p, uint32_t n, struct td_arena *a)
{
    uint32_t w = p->taken_low, first = UINT32_MAX, left = n;

    uint64_t *bits = td_arena_alloc(a, p->nwords * sizeof(*bits));
    for (; left && w < p->nwords; w++) {
        uint64_t open = ~p->taken[w];
        if (!open)
            continue;
        if (first == UINT32_MAX)
            first = w;
        uint64_t use = open;
        uint32_t have = (uint32_t)__builtin_popcountll(open);
        while (have > left) { /* the lowest `left` of them */
            use &= ~((uint64_t)1 << (63 - __builtin_clzll(use)));
            have--;
        }
        bits[w] = use;
        p->taken[w] |= use;
        left -= have;
    }
    TD_ASSERT(!left && first != UINT32_MAX);
    p->taken_low = first;
    p->taken_free -= n;
    const uint8_t *bytes = (const uint8_t *)bits;
    uint32_t len = TD_MIN(w * 8, p->nbytes);
    while (len && !bytes[len - 1])
        len--;
    return (struct td_bin){bytes, len};
}

static void bid_for(struct plain *p, const struct td_lot *lot, struct td_arena *a, struct td_lot_bid *ret)
{
    const struct td_shape *s = &lot->shape;
    uint32_t tasks = TD_MAX(TD_MAX(s->tasks_max, s->ntasks), 1u), cpus = tasks * TD_MAX(s->cpus_per_task, 1u);
    uint32_t want = TD_MIN(TD_MAX(lot->count, 1u), (uint32_t)TD_MAX_INSTANCES_PER_BID);
    uint32_t n = TD_MIN(want, p->taken_free / cpus);

    *ret = (struct td_lot_bid){.lot = lot->lot, .health = 1000};
    if (cpus > p->procs || !n) {
        ret->refusal = cpus > p->procs ? TD_REFUSAL_TOO_SMALL : TD_REFUSAL_CPUS;
        ret->shortage = cpus - TD_MIN(cpus, p->taken_free);
        return;
    }
    struct td_placement *v = td_arena_alloc(a, n * sizeof(*v));
    for (uint32_t i = 0; i < n; i++)
        v[i] = (struct td_placement){.node = NODE, .tasks = tasks, .cpus = carve(p, cpus, a)};
    ret->fits = n;
    ret->fit = ret->frag = 1000;
    ret->score = 3000;
    ret->placements = (struct td_placement_list){v, n};
}

/* Not posted by sim_post: the placements are large, and stay where they were made. */
static void answer(struct plain *p, const struct td_offer *offer, struct sim_outbox *o)
{
    struct td_bid *bid = td_arena_alloc(&o->arena, sizeof(*bid));
    struct td_lot_bid *lots = td_arena_alloc(&o->arena, (offer->lots.n + 1) * sizeof(*lots));

    memcpy(p->taken, p->busy, p->nwords * sizeof(*p->busy));
    p->taken_free = p->nfree;
    p->taken_low = p->low;
    for (uint32_t i = 0; i < offer->lots.n; i++)
        bid_for(p, &offer->lots.v[i], &o->arena, &lots[i]);
    *bid = (struct td_bid){.epoch = offer->epoch, .round = offer->round, .incarnation = p->incarnation, .node_version = p->version,
                           .lots = {lots, offer->lots.n}};
    struct sim_message m = {.node = NODE, .id = TD_MSG_BID, .body = bid};
    td_vec_push(&o->v, m);
}

/* --- attempts ----------------------------------------------------------------------------------------------------- */

static void mark(struct plain *p, const struct td_bin *cpus, bool busy)
{
    uint32_t n = td_bits_count(cpus->v, cpus->n);

    for (uint32_t i = 0; i < cpus->n; i += 8) {
        uint64_t bits = 0;
        memcpy(&bits, cpus->v + i, TD_MIN(cpus->n - i, 8u));
        TD_ASSERT(busy ? !(p->busy[i / 8] & bits) : (p->busy[i / 8] & bits) == bits);
        p->busy[i / 8] ^= bits;
        if (!busy && bits)
            p->low = TD_MIN(p->low, i / 8);
    }
    p->nfree = busy ? p->nfree - n : p->nfree + n;
    while (p->low < p->nwords && p->busy[p->low] == UINT64_MAX)
        p->low++;
}

static void report(struct plain *p, const struct td_report *v, uint32_t n, struct sim_outbox *o)
{
    struct td_report_batch m = {.incarnation = p->incarnation, .reports = {v, n}, .node_version = p->version};

    sim_post(o, NODE, TD_MSG_REPORT, &m);
}

static void take(struct plain *p, const struct td_award_batch *m, struct sim_outbox *o)
{
    struct td_report *v = td_arena_alloc(&o->arena, (m->awards.n + 1) * sizeof(*v));

    for (uint32_t i = 0; i < m->awards.n; i++) {
        const struct td_award *a = &m->awards.v[i];
        v[i] = (struct td_report){.no = ++p->report_no, .kind = TD_REPORT_ACCEPTED, .job = a->job, .attempt = a->attempt, .step = TD_STEP_BATCH};
        while (p->held.n <= a->job)
            td_vec_push(&p->held, (struct held *)NULL);
        if (p->held.v[a->job])
            continue; /* sent again */
        struct held *h = td_alloc(sizeof(*h) + a->place.cpus.n);
        *h = (struct held){.attempt = a->attempt, .cpus = {memcpy(h + 1, a->place.cpus.v, a->place.cpus.n), a->place.cpus.n}};
        mark(p, &h->cpus, true);
        p->held.v[a->job] = h;
    }
    p->version++;
    report(p, v, m->awards.n, o);
}

static void end(struct sim_machine *m, int64_t now_ms, uint32_t job, struct sim_outbox *o)
{
    struct plain *p = (struct plain *)m;
    p->said_ms = now_ms;
    TD_ASSERT(job < p->held.n && p->held.v[job]);
    struct held *h = p->held.v[job];
    struct td_report v[] = {{.no = ++p->report_no, .kind = TD_REPORT_EXITED, .job = job, .attempt = h->attempt, .step = TD_STEP_BATCH},
                            {.no = ++p->report_no, .kind = TD_REPORT_GONE, .job = job, .attempt = h->attempt, .step = TD_STEP_BATCH}};
    mark(p, &h->cpus, false);
    td_free(h);
    p->held.v[job] = NULL;
    p->version++;
    report(p, v, 2, o);
}

static void deliver(struct sim_machine *m, int64_t now_ms, const struct td_effect *e, struct sim_outbox *o)
{
    struct plain *p = (struct plain *)m;

    switch (e->id) {
    case TD_MSG_WELCOME:
        p->incarnation = ((const struct td_welcome *)e->body)->incarnation;
        return;
    case TD_MSG_REFUSED: /* only to be greeted anew: the configuration was read again */
        hello(m, now_ms, o);
        return;
    case TD_MSG_PROBE: {
        struct td_probe_echo echo = {.incarnation = p->incarnation, .no = ((const struct td_probe *)e->body)->no};
        sim_post(o, NODE, TD_MSG_PROBE_ECHO, &echo);
        return;
    }
    case TD_MSG_OFFER:
        answer(p, e->body, o);
        return;
    case TD_MSG_AWARD:
        take(p, e->body, o);
        return;
    default:
        return; /* acknowledgements: it keeps no spool */
    }
}

static int64_t deadline(const struct sim_machine *m)
{
    return ((const struct plain *)m)->said_ms + HEARTBEAT_MS;
}

static void tick(struct sim_machine *m, int64_t now_ms, struct sim_outbox *o)
{
    struct plain *p = (struct plain *)m;
    struct td_heartbeat h = {.incarnation = p->incarnation, .at_ms = now_ms};

    sim_post(o, NODE, TD_MSG_HEARTBEAT, &h);
    p->said_ms = now_ms;
}

static void destroy(struct sim_machine *m)
{
    struct plain *p = (struct plain *)m;

    for (uint32_t i = 0; i < p->held.n; i++)
        td_free(p->held.v[i]);
    td_vec_release(&p->held);
    td_free(p->busy);
    td_free(p->taken);
    td_free(p);
}

struct sim_machine *sim_plain_new(uint32_t procs)
{
    static const struct sim_machine_ops ops = {hello, deliver, end, deadline, tick, destroy};
    struct plain *p = td_alloc(sizeof(*p));

    *p = (struct plain){.is = {&ops}, .procs = procs, .nbytes = (procs + 7) / 8, .nwords = (procs + 63) / 64, .nfree = procs, .version = 1};
    p->busy = td_alloc(p->nwords * sizeof(*p->busy));
    p->taken = td_alloc(p->nwords * sizeof(*p->taken));
    for (uint32_t i = procs; i < p->nwords * 64; i++)
        p->busy[i / 64] |= (uint64_t)1 << (i % 64); /* there is no such processor */
    return &p->is;
}
