/* ledger_priv.h - the ledger's own structures, shared by ledger*.c, shape*.c and plan*.c and by nobody else
 *
 * Nodes are kept by number. For the planner they are also ordered by (weight, number): `pos` is the place in that
 * order, and bitmaps over nodes that the planner walks are bitmaps of places, in words of 64. What can be computed
 * again (order, eligibility of shapes, the last plan) hangs off pointers, so that reading functions may refresh it. */
#ifndef TD_LEDGER_PRIV_H
#define TD_LEDGER_PRIV_H

#include "plan.h"

#define STOCKS_MAX TD_MAX_GRES_KINDS
#define NO_STOCK UINT32_MAX
#define NO_SHAPE UINT32_MAX
#define NO_WORD UINT32_MAX
/* Where holdings without a limit end on the timeline: after everything with one, one after the other (in the order of
 * the node's holdings, then new starts of a pass). So a head that waits for some of them has a shadow and no more
 * spare than they leave; a new start without a limit ends at TD_FOREVER, after every shadow, and only fits in what is
 * spare. Else small jobs without limits would keep a large one waiting for ever. */
#define OPEN_END (TD_FOREVER - (1 << 20))
#define OPEN_END_NEW (TD_FOREVER - (1 << 19))

/* A vector of everything that can be counted on one node. gres[i] belongs to the node's stock i. */
struct amount {
    uint32_t cpus;
    uint64_t mem, tmp;
    uint64_t gres[STOCKS_MAX];
};

/* What a node has of a (name, type); names and types are interned strings, 0 is "". */
struct stock {
    uint32_t name, type;
    uint64_t total, held;
    uint32_t nbytes; /* of the bitmaps; 0 = only counted */
    uint8_t *has, *busy;
};

struct held_gres {
    uint32_t name, type;
    uint32_t stock; /* index on the node, NO_STOCK when the node no longer has it */
    uint64_t count;
    struct td_bin devices; /* in the holding's own block */
};

struct holding {
    uint32_t job, attempt;
    int64_t until;
    int64_t since;  /* with run_s, as foretold; plan_likely.c */
    uint32_t run_s;
    uint32_t ncpus;
    uint64_t mem, tmp;
    struct td_bin cpus; /* in the same block */
    uint32_t ngres;
    struct held_gres gres[];
};

/* Read in passing by every promise: kept apart from the holding, which is seldom in the cache. */
struct held_end {
    int64_t until;
    uint32_t cpus;
};

struct refusal {
    uint32_t shape, why;
    uint64_t shortage;
};

struct node {
    char *name; /* NULL: never set */
    char *features;
    bool usable, core_is_unit, memory_counts;
    uint32_t weight;
    uint64_t version;
    uint32_t *partitions;
    uint32_t npartitions;
    uint32_t unit;   /* CPUs are given in multiples of this */
    uint32_t nbytes; /* of the CPU bitmaps */
    uint8_t *has, *busy;
    uint32_t nstocks;
    struct stock stocks[STOCKS_MAX];
    struct amount total, free;
    uint64_t mem_held, tmp_held;
    TD_VEC(struct holding *) holdings; /* by until when `sorted` */
    TD_VEC(struct held_end) ends;      /* the same in brief, made by node_sort_holdings while `listed` */
    bool sorted, listed;
    struct td_map by_attempt; /* job << 32 | attempt -> holding */
    TD_VEC(struct refusal) refusals;
};

/* Amounts come from users: what would wrap is simply more than any node has. */
static inline uint64_t amount_times(uint64_t a, uint64_t b)
{
    uint64_t r;

    return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

static inline uint64_t amount_plus(uint64_t a, uint64_t b)
{
    uint64_t r;

    return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}

struct want {
    uint32_t name, type; /* type 0: any model */
    uint64_t node, task, share; /* for each node, for each task, for each of the devices that nodes share */
};

struct shape {
    struct td_shape is; /* its strings and lists are in the same block */
    uint32_t partition;
    uint32_t holds;
    uint32_t older, newer; /* among those that nobody holds: numbers, NO_SHAPE at the ends */
    uint64_t hash;
    uint32_t words; /* as many there were when it was compiled */
    bool strange;   /* wants something that was no word then */
    bool multi;
    uint32_t tasks;     /* of one instance on one node (single) */
    uint32_t tasks_min; /* fewest of use on a node (multi) */
    uint32_t tasks_max;
    /* Multi: what a node's part is counted in, tasks or, where `shared`, devices: fewest and most of a part, and of the
     * whole job (0: equal parts) */
    bool shared;
    uint32_t part_min, part_max, whole;
    uint32_t nodes_min, nodes_max;
    uint32_t cpus_per_task;
    uint32_t nwants;
    struct want *wants;
    struct amount *licences; /* of each job; NULL: none */
    bool no_licence;         /* wants one that is not there */
    bool apart;              /* names a reservation */
    uint64_t gpus_node, gpus_task, gpus_share; /* devices that cpus_per_gpu and mem_mb_per_gpu count */
    /* cache: places of nodes that could hold it when empty */
    uint64_t *eligible;
    uint32_t nwords, neligible;
    uint32_t part_best;     /* no empty eligible node holds a larger part (multi) */
    uint32_t era, changes;  /* what of the index it has seen */
    uint32_t refusal;       /* the furthest a node came, when none is eligible */
    /* refused nodes, by node number */
    uint8_t *refused;
    uint32_t refused_bytes, nrefused;
};

/* Order of the nodes and the list of those whose capacity changed. */
struct node_index {
    bool ordered;
    uint32_t era; /* grows when places move */
    TD_VEC(uint32_t) node_at;
    TD_VEC(uint32_t) pos_of;
    TD_VEC(uint32_t) changed; /* nodes, in order of change; shapes remember how far they read */
    uint64_t *open;           /* places: usable, and a CPU is free */
    TD_VEC(int64_t) soonest;  /* by node: no holding ends before this */
    uint32_t nwords;
    uint8_t *devices; /* what td_ledger_gres_held returns */
};

/* A reservation (window.c). */
struct window_rule {
    struct td_ledger_window is; /* its nodes are the bits */
    char *name;
    uint32_t nbytes;
    uint8_t *has;    /* nodes, by number */
    int64_t gap_ms;  /* that it ever leaves between two of its times; TD_FOREVER: it does not come again */
};
#define WINDOW_GRACE_MS 999 /* a start is settled some milliseconds after it was planned, and ends as much later */

/* Licences (licence.c); an amount's gres counts them by kind. */
struct licence_held {
    uint32_t job, attempt;
    int64_t until;
    char *text;
    struct amount amount;
};
struct licence_promise {
    uint32_t shape;
    int64_t at, end;
};
struct profile {
    int64_t *at;
    uint8_t *amounts;
    uint32_t n, cap, stride;
};
struct licences {
    uint32_t n;
    char *names[STOCKS_MAX];
    struct amount total, used;
    TD_VEC(struct licence_held) held;
    struct profile base, full, trial;
    bool stale, on_trial;
    TD_VEC(struct licence_promise) promised; /* in this pass, by policies that keep no book */
};

struct plan_state;

struct td_ledger {
    struct licences licences;
    TD_VEC(struct window_rule) windows;
    TD_VEC(bool) windowed; /* by node: it is in one */
    TD_VEC(struct node) nodes;
    TD_VEC(struct shape *) shapes; /* NULL: its number is free */
    struct td_map shape_by_hash;   /* first of a chain */
    TD_VEC(uint32_t) shape_next;   /* next shape + 1 of equal hash */
    TD_VEC(uint32_t) free_shapes;  /* numbers; the last is given out next */
    uint32_t oldest_idle, newest_idle, nidle; /* shapes that nobody holds */
    struct td_strmap words;
    uint32_t nwords;
    uint32_t gpu; /* the word "gpu" */
    struct node_index *index;
    struct plan_state *plan; /* last run */
};

/* ledger.c */
/* Words are interned for nodes only, which are few; what a job names and no node has is no word. */
uint32_t ledger_word(struct td_ledger *l, const char *s); /* interned; 0 for "" */
uint32_t ledger_find_word(const struct td_ledger *l, const char *s); /* 0 when it is none */
const struct node_index *ledger_index(const struct td_ledger *l); /* ordered; borrowed until the next set_node */
void ledger_reopen(struct td_ledger *l, uint32_t node);           /* free or usable changed */

void ledger_look_again(struct td_ledger *l); /* which nodes serve a shape follows from something else now */

/* licence.c */
void licences_release(struct licences *x);
void licences_compile(const struct td_ledger *l, struct shape *s);
void licences_set_until(struct td_ledger *l, uint32_t job, uint32_t attempt, int64_t until);
bool licences_free(const struct td_ledger *l, const struct shape *s); /* now, whatever is promised */
void licences_begin(struct td_ledger *l, int64_t now);               /* a pass does */
void licences_started(struct td_ledger *l, const struct shape *s, uint32_t count, int64_t now, int64_t end);
void licences_promised(struct td_ledger *l, uint32_t shape, int64_t at, int64_t end);
void licences_take(struct td_ledger *l, struct profile *p, uint32_t shape, int64_t at, int64_t end);
void licences_trial(struct td_ledger *l); /* a trial of the book begins */
void licences_look(const struct td_ledger *l, const struct shape *s, int64_t at, int64_t *ret_until, int64_t *ret_next);

/* window.c: what reservations and licences leave. */
/* False: nothing stands against it at any time: so it is asked first, and mostly that is all. */
static inline bool window_any(const struct td_ledger *l, const struct shape *s, uint32_t node)
{
    return s->apart || s->licences || (node < l->windowed.n && l->windowed.v[node]);
}
int64_t window_until_any(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at);
int64_t window_open_any(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at, uint32_t limit_s);
int64_t window_reserved_any(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at);
/* Until when a part of the shape that begins at `at` may hold the node; not later than `at`: it may not begin then. */
static inline int64_t window_until(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at)
{
    return window_any(l, s, node) ? window_until_any(l, s, node, at) : TD_FOREVER;
}
/* The same as far as reservations alone go. */
static inline int64_t window_reserved(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at)
{
    return window_any(l, s, node) ? window_reserved_any(l, s, node, at) : TD_FOREVER;
}
/* First moment from `at` on from which it may do so for so long, TD_FOREVER: none; and the last one in [from, by], -1: none. */
static inline int64_t window_open(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t at, uint32_t limit_s)
{
    return window_any(l, s, node) ? window_open_any(l, s, node, at, limit_s) : at;
}
int64_t window_last(const struct td_ledger *l, const struct shape *s, uint32_t node, int64_t from, int64_t by, uint32_t limit_s);
bool window_has(const struct td_ledger *l, const char *name, const struct node *n); /* may who names it ever use the node? */
void windows_release(struct td_ledger *l);

/* ledger_hold.c */
void node_recount(struct td_ledger *l, struct node *n); /* capacity changed: held bits and counts from the holdings */
void node_release_holdings(struct node *n);
void node_sort_holdings(struct td_ledger *l, struct node *n); /* and lists their ends */
/* The end of the node's i-th holding. One past its time ends in a second, again and again: a shadow never lies in the
 * past. */
static inline int64_t holding_end(const struct node *n, uint32_t i, int64_t now)
{
    int64_t until = n->ends.v[i].until;

    return until >= OPEN_END ? OPEN_END + (int64_t)i : TD_MAX(until, now + 1000);
}
void holding_add_to(const struct holding *h, const struct node *n, struct amount *a); /* give back, capped by what there is */
/* The placement as an amount; false when it names devices or kinds the node lacks. */
bool node_amount_of(const struct td_ledger *l, const struct node *n, const struct td_placement *p, struct amount *ret);

/* shape.c */
void shape_refresh(const struct td_ledger *l, struct shape *s); /* eligibility as of now */
bool shape_refused(const struct shape *s, uint32_t node);
bool shapes_check(const struct td_ledger *l, struct td_error *err);
void shapes_release(struct td_ledger *l);

/* shape_fit.c: counts only */
struct need {
    uint32_t cpus, tasks;
    uint64_t mem, tmp;
};
/* part: tasks, or devices where the shape's nodes share them */
struct need shape_need(const struct shape *s, const struct node *n, uint32_t part);
uint32_t shape_fit(const struct shape *s, const struct node *n, const struct amount *a, uint32_t part, uint32_t max);
uint32_t shape_fit_part(const struct shape *s, const struct node *n, const struct amount *a); /* 0 or part_min..max */
/* count instances of such a part, taken from `from` (which holds them) */
void shape_amount(const struct shape *s, const struct node *n, const struct amount *from, uint32_t part,
                  uint32_t count, struct amount *ret);

/* shape_match.c: may it ever, on an empty node? */
uint32_t shape_match(const struct shape *s, const struct node *n, uint32_t *ret_step);
bool features_match(const char *expression, const char *features);

/* amounts */
static inline void amount_add(struct amount *a, const struct amount *b, uint32_t nstocks)
{
    a->cpus += b->cpus;
    a->mem += b->mem;
    a->tmp += b->tmp;
    for (uint32_t i = 0; i < nstocks; i++)
        a->gres[i] += b->gres[i];
}
static inline bool amount_covers(const struct amount *a, const struct amount *b, uint32_t nstocks)
{
    if (a->cpus < b->cpus || a->mem < b->mem || a->tmp < b->tmp)
        return false;
    for (uint32_t i = 0; i < nstocks; i++)
        if (a->gres[i] < b->gres[i])
            return false;
    return true;
}
/* Floors at zero: an inventory may have shrunk under what is held. */
static inline void amount_sub(struct amount *a, const struct amount *b, uint32_t nstocks)
{
    a->cpus -= TD_MIN(a->cpus, b->cpus);
    a->mem -= TD_MIN(a->mem, b->mem);
    a->tmp -= TD_MIN(a->tmp, b->tmp);
    for (uint32_t i = 0; i < nstocks; i++)
        a->gres[i] -= TD_MIN(a->gres[i], b->gres[i]);
}
static inline void amount_min(struct amount *a, const struct amount *b, uint32_t nstocks)
{
    a->cpus = TD_MIN(a->cpus, b->cpus);
    a->mem = TD_MIN(a->mem, b->mem);
    a->tmp = TD_MIN(a->tmp, b->tmp);
    for (uint32_t i = 0; i < nstocks; i++)
        a->gres[i] = TD_MIN(a->gres[i], b->gres[i]);
}
static inline bool place_get(const uint64_t *words, uint32_t pos)
{
    return words[pos / 64] >> (pos % 64) & 1;
}

#endif
