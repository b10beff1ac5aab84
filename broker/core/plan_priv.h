/* plan_priv.h - one pass of the planner, and what of it stays with the ledger; for plan*.c and the ledger's hooks
 *
 * Scratch is made per node when first touched (stamp), so a pass over a full cluster copies nothing. */
#ifndef TD_PLAN_PRIV_H
#define TD_PLAN_PRIV_H

#include "ledger_priv.h"
#include "queue_priv.h"

#define NONE UINT32_MAX

/* Planned starts that end at one moment on one node. */
struct ending {
    int64_t at;
    uint32_t next;
    struct amount *amount; /* in the state's arena */
};

/* A promise's part on one node: [at, end) is kept free for it. */
struct reserve {
    int64_t at, end;
    uint32_t next;  /* on the node, by at */
    uint32_t job, shape, part;
    struct amount need;
    struct amount spare; /* free at `at`, all promises then active taken off: during the pass, planned starts counted */
    struct amount live;  /* the same without the planned starts; settlement deducts what it really takes */
};

struct node_plan {
    uint32_t stamp;
    uint32_t endings, reserves; /* lists, NONE at their ends */
    struct amount free;
};

/* A node whose window is too short for the candidates so far. */
struct window {
    int64_t until;
    uint32_t pos;
};

struct shape_pass {
    uint32_t stamp;
    uint32_t at;        /* in the shape's list */
    uint32_t cursor;    /* places before it cannot take another one, or are among the windows */
    uint64_t failed_s;  /* limits from here on are known not to fit */
    bool in_lots;
    bool judged;        /* looked at for a reservation of its own beyond the depth */
    bool hopeless;      /* no node is left that could serve */
    uint64_t *alive;    /* multi-node: places that can still take a part; in the arena */
    uint32_t blocks;    /* fifo: blocked heads before its first start */
    bool started;
    TD_VEC(struct window) windows; /* heap: the longest first, then the smallest place */
};

struct late { /* fifo: a start after some blocked heads */
    uint32_t job, blocks;
};

/* A candidate in another order than rank's: the smallest class first, in it the smallest key. */
struct ordered {
    uint64_t class;
    int64_t key;
    const struct slot *slot;
};

/* A node for a multi-node job. */
struct plan_part {
    uint32_t node, part, capacity; /* in what the shape counts: tasks or devices */
};

/* From `at` on the node at this place can hold so large a part. */
struct rise {
    int64_t at;
    uint32_t pos, capacity;
};

struct plan_state {
    uint32_t stamp;
    int64_t now;
    enum td_policy policy;
    struct td_arena arena;
    TD_VEC(struct node_plan) nodes;
    TD_VEC(struct shape_pass) shapes;
    TD_VEC(struct ending) endings;
    TD_VEC(struct reserve) reserves;
    TD_VEC(uint32_t) blocks; /* fifo: shapes of blocked heads, in rank order; NONE where nobody waits with it any more */
    TD_VEC(struct late) late;
    uint64_t *open;     /* places with a CPU left in this pass */
    uint64_t *reserved; /* places that the reserved heads could use */
    uint64_t *blocked;  /* fifo: places no lower candidate may use */
    uint32_t nwords;
    struct book *book; /* tender, conservative: kept from pass to pass */
    int64_t likely_credit; /* what passes may still spend on lists (plan_likely.c) */
    bool book_loose;   /* licences came free: bookings may move up */
    /* work space */
    TD_VEC(const struct slot *) due; /* tender: bookings that begin now */
    TD_VEC(struct ordered) later; /* put off, to be tried in another order than rank's */
    TD_VEC(struct plan_part) parts;
    TD_VEC(struct rise) rises;
    TD_VEC(uint32_t) capacity, histogram;
};

struct head {
    const struct slot *slot;
    uint32_t shape;
};

struct pass {
    struct td_ledger *l;
    const struct td_queue *q;
    const struct td_plan_params *p;
    struct td_plan *out;
    struct plan_state *s;
    const struct node_index *x;
    TD_VEC(struct head) heads; /* heap by rank */
    struct td_map several;     /* job << 16 | component -> started << 1 | promised */
    uint32_t depth, starts_max, lots_max;
    uint32_t look; /* tender, conservative: so many candidates are met at least */
    uint32_t started, nlots, nreserved, looks;
    int64_t head_since_ms; /* the first head waits since then */
    bool stopped;
};

struct plan_state *plan_state_new(void);
void plan_state_destroy(struct plan_state **p);
void plan_forget_node(struct plan_state *s, uint32_t node);
void plan_forget_shape(struct plan_state *s, uint32_t shape);
void plan_holding_given(struct td_ledger *l, uint32_t node, const struct holding *h);
void plan_holdings_changed(struct td_ledger *l, uint32_t node);
void plan_holding_taken(struct td_ledger *l, uint32_t node, const struct holding *h);

static inline int64_t time_after(int64_t at, uint32_t limit_s)
{
    if (limit_s == TD_INFINITE || at >= OPEN_END)
        return TD_FOREVER;
    return at + (int64_t)limit_s * 1000;
}

/* plan_node.c: one node in a pass */
struct node_plan *plan_node(struct pass *pass, uint32_t node);
/* Amounts free from now to `end`, promises kept. m is work space; returns it or the node's own. */
const struct amount *plan_room(struct pass *pass, uint32_t node, int64_t end, struct amount *m);
/* Latest end of one more instance that fits now; -1 when none fits at all. */
int64_t plan_window(struct pass *pass, uint32_t node, const struct shape *s, uint32_t part);
/* Until `end`; what is kept for heads is only touched if they begin before `counts`. */
void plan_occupy(struct pass *pass, uint32_t node, const struct shape *s, uint32_t part, uint32_t count, int64_t end, int64_t counts);
/* Next of these places where the shape may be tried; NONE at the end. */
uint32_t plan_next_place(const struct pass *pass, const struct shape *s, const uint64_t *places, uint32_t from);

/* The future of a node: what is free after each moment at which something ends. Promises are not in it. */
struct timeline {
    const struct pass *pass;
    const struct node *n;
    uint32_t holding, ending;
    int64_t at;
    struct amount free;
};
void timeline_start(struct timeline *t, struct pass *pass, uint32_t node);
bool timeline_step(struct timeline *t); /* to the next moment; false when nothing more ends */
int64_t timeline_next(const struct timeline *t); /* when that is; TD_FOREVER */

/* plan_start.c: returns how many instances start now */
uint32_t plan_start_single(struct pass *pass, const struct slot *c, uint32_t want);
uint32_t plan_may_start(struct pass *pass, uint32_t shape, uint32_t want); /* as bounded; stops the pass at a bound */
void plan_record(struct pass *pass, const struct slot *c, uint32_t count, uint32_t limit_s);

/* plan_try.c: returns how many instances start now, promises kept */
struct try {
    const struct slot *c;
    int64_t end;      /* it counts as ended by then, where room is kept for heads */
    bool forced;      /* what is kept for heads does not count */
    bool only_due;    /* if its booking begins */
    bool no_way;      /* bookings stay where they are */
    bool shrunk;      /* --time-min: with less than its limit */
    uint32_t limit_s; /* it may run so long */
    bool fits;        /* out: it does, were nothing kept for anybody */
};
uint32_t plan_try(struct pass *pass, struct try *t, uint32_t want);

/* plan_tender.c: the candidates in ps->later, in rank order; then those beyond the depth, one by one */
void plan_booked(struct pass *pass);
void plan_unbooked(struct pass *pass, const struct slot *c);

/* plan_likely.c: likely starts of the n candidates, in this order, into the plan */
struct profile;
void plan_likely(struct pass *pass, const struct ordered *order, uint32_t n);
void plan_foretold(struct pass *pass, uint32_t node, struct profile *ret); /* the node, holdings ending as foretold */

/* plan.c */
/* It names a reservation: whose nodes nobody else uses while it lasts, so it is no head of the others. */
bool plan_is_apart(const struct pass *pass, const struct slot *c);
bool plan_meets_reserved(const struct pass *pass, const struct slot *c); /* a head could use its nodes */
void plan_join_reserved(struct pass *pass, const struct slot *c);

/* plan_order.c */
uint64_t plan_cpus(const struct shape *s);
struct ordered plan_by_worth(const struct pass *pass, const struct slot *c);
void plan_sort(struct ordered *v, uint32_t n);

/* plan_multi.c */
uint32_t plan_start_multi(struct pass *pass, const struct slot *c, uint32_t want);
/* Chooses among pass->s->parts (with their capacities, in order of place) and leaves there the chosen, parts set. */
bool plan_choose_parts(struct pass *pass, const struct shape *s);
void plan_sort_rises(struct rise *v, uint32_t n); /* by time, then place */

/* plan_reserve.c */
/* Next place, from this one on, of a node that could serve the shape one day: usable, and it has not refused; NONE. */
uint32_t plan_next_hope(const struct pass *pass, const struct shape *s, uint32_t from);
/* Gives the candidate a reservation. false: no node could ever serve it now. */
bool plan_reserve(struct pass *pass, const struct slot *c);
bool plan_reserve_at(struct pass *pass, const struct slot *c, int64_t at); /* on ps->parts; false: they cannot hold it then */
const char *plan_reserved(struct pass *pass, const struct slot *c); /* the reservation that keeps it from starting now */
bool plan_lacks_licences(const struct pass *pass, const struct slot *c); /* it cannot start now for want of them */
/* Tests: promises, holdings and planned starts together stay within every node. */
bool plan_check(struct td_ledger *l, struct td_error *err);

#endif
