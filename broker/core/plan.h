/* plan.h - who may start now, where, until when; and who is promised what (pure)
 *
 * Three parts, owned by the core and kept in step with its events:
 *   ledger    what each node has, who holds what of it until when (the timeline is its view into the future)
 *   queue     waiting candidates by shape, in rank order
 *   planner   one pass over the queue against the ledger: starts and reservations
 *
 * The planner's unit is a candidate = (job component, partition), with its own rank. Candidates of one shape that
 * already failed to fit are skipped at once. Policies: fifo, easy (depth heads get a reservation; Mu'alem & Feitelson
 * 2001 §3, both rules), sjbf (easy, what comes behind the heads is tried in order of limits, the shortest first; Tsafrir,
 * Etsion & Feitelson 2007 §4), conservative (all of them). The pass only reads ledger and queue; what it decides is a list.
 *
 * Units: time in journal ms; memory in MiB; CPUs counted in OS CPUs. A gres kind is a small number given by
 * td_ledger_kind for a (name, type) pair; type "" counts devices of any model of that name. */
#ifndef TD_PLAN_H
#define TD_PLAN_H

#include "types/types.h"

#define TD_FOREVER INT64_MAX

struct td_ledger;
struct td_ledger *td_ledger_new(void);
void td_ledger_destroy(struct td_ledger **p);

/* Nodes are small dense numbers given by the core. A node that is not usable takes no new work. */
struct td_ledger_node {
    const char *name;                  /* copied */
    const struct td_inventory *inv;    /* copied as far as needed: capacity, cores, gres stocks, features */
    bool usable;
    bool core_is_unit, memory_counts;
    uint32_t weight;                   /* smaller is taken first */
    const uint32_t *partitions;        /* partition numbers it is in */
    uint32_t npartitions;
    uint64_t version;                  /* grows when its allocation or inventory changes: key of the refusal cache */
};
void td_ledger_set_node(struct td_ledger *l, uint32_t node, const struct td_ledger_node *is);
void td_ledger_set_usable(struct td_ledger *l, uint32_t node, bool usable);
uint32_t td_ledger_nodes(const struct td_ledger *l);

/* Holdings. take asserts that nothing overlaps: the caller asked td_ledger_covers first. `until` is when it must end
 * (TD_FOREVER = no limit); a holding past its time still counts until it is given back. */
bool td_ledger_covers(const struct td_ledger *l, uint32_t node, const struct td_placement *p);
void td_ledger_take(struct td_ledger *l, uint32_t node, uint32_t job, uint32_t attempt, const struct td_placement *p, int64_t until);
/* Giving something back also forgets what the node has refused. */
void td_ledger_give(struct td_ledger *l, uint32_t node, uint32_t job, uint32_t attempt);
void td_ledger_set_until(struct td_ledger *l, uint32_t node, uint32_t job, uint32_t attempt, int64_t until);
/* It runs since then, and is foretold to run so long; for likely starts alone. run_s 0: to its limit. */
void td_ledger_foretell(struct td_ledger *l, uint32_t node, uint32_t job, uint32_t attempt, int64_t since, uint32_t run_s);
struct td_ledger_free {
    uint32_t cpus, cpus_total, holdings;
    uint64_t memory_mb, memory_total_mb, tmp_mb;
};
void td_ledger_get_free(const struct td_ledger *l, uint32_t node, struct td_ledger_free *ret);
/* *ret_devices (may be NULL) is borrowed until the next call of this function. */
uint64_t td_ledger_gres_held(const struct td_ledger *l, uint32_t node, const char *name, const char *type, struct td_bin *ret_devices);
bool td_ledger_check(const struct td_ledger *l, struct td_error *err);
uint64_t td_ledger_digest(const struct td_ledger *l);

/* Reservations, all of them anew (window.c): nodes that are kept for the shapes that name one over [from, to), and again
 * every so many ms, on the days of the week that are set (none: on all), counted with the zone. */
struct td_ledger_window {
    const char *name; /* copied, as are the nodes */
    int64_t from, to, every_ms, zone_ms;
    uint32_t days; /* bit 0: Sunday */
    bool flex;     /* those who name it may use other nodes and times, too */
    bool over;     /* those who name it are kept off by no other */
    const uint32_t *nodes;
    uint32_t nnodes;
};
void td_ledger_set_windows(struct td_ledger *l, const struct td_ledger_window *v, uint32_t n);
/* The first time it lasts that is not over at `at`; false: it is over for good. */
bool td_window_occurrence(const struct td_ledger_window *w, int64_t at, int64_t *ret_from, int64_t *ret_to);
/* May a job of the shape begin now on the node, and run so long, as far as reservations go? */
bool td_ledger_open(const struct td_ledger *l, uint32_t shape, uint32_t node, int64_t at, uint32_t limit_s);
/* A reservation that has the node at some time of [at, end), and is not `but` (may be empty) nor gives way to it; NULL:
 * none. Borrowed. */
const char *td_ledger_window_between(const struct td_ledger *l, const char *but, uint32_t node, int64_t at, int64_t end);

/* Licences that jobs hold, on no node (licence.c): name:count,name. What is taken and given goes by (job, attempt). */
void td_ledger_set_licences(struct td_ledger *l, const char *text); /* all there are */
uint32_t td_ledger_licences(const struct td_ledger *l);             /* kinds */
const char *td_ledger_licence(const struct td_ledger *l, uint32_t i, uint64_t *ret_total, uint64_t *ret_used);
void td_ledger_take_licences(struct td_ledger *l, uint32_t job, uint32_t attempt, const char *text, int64_t until);
void td_ledger_give_licences(struct td_ledger *l, uint32_t job, uint32_t attempt);

/* Refusals remembered: (shape, node, node version) -> why. Soft state. */
/* False: was known. Whoever learns nothing new must not plan again at once. */
bool td_ledger_refuse(struct td_ledger *l, uint32_t shape, uint32_t node, uint32_t refusal, uint64_t shortage);
void td_ledger_forget_refusals(struct td_ledger *l, uint32_t node); /* allocation or inventory changed */

/* Shapes, interned: equal shapes get one number, good while somebody holds it. Of those that nobody holds the last few
 * are kept, since what comes and goes comes again; the numbers of the others are given to other shapes. Which number
 * a shape gets follows from the calls alone, and nothing is decided by it. */
uint32_t td_ledger_shape(struct td_ledger *l, const struct td_shape *s, uint32_t partition); /* held once more */
void td_ledger_hold_shape(struct td_ledger *l, uint32_t shape);
void td_ledger_drop_shape(struct td_ledger *l, uint32_t shape);
const struct td_shape *td_ledger_get_shape(const struct td_ledger *l, uint32_t shape);
uint32_t td_ledger_shapes(const struct td_ledger *l);      /* every number is below this */
uint32_t td_ledger_shapes_kept(const struct td_ledger *l); /* so many exist */
/* Could it ever run on the nodes known now, all of them idle and usable (how many nodes could serve)? */
uint32_t td_ledger_ever(const struct td_ledger *l, uint32_t shape, uint32_t *ret_refusal);
/* Of those nodes fewer are usable than the shape wants: it waits for the others, whatever runs. */
bool td_ledger_lacks_nodes(const struct td_ledger *l, uint32_t shape);
/* How much of a job on several nodes (tasks, or the devices that its nodes share) as many of them as it may have could
 * hold at most, and how many nodes could hold a part of it. */
uint64_t td_ledger_together(const struct td_ledger *l, uint32_t shape, uint32_t *ret_nodes);

/* How a node stands to one instance of a shape, or to the smallest part of one on several nodes; for people (ledger_why.c).
 * Lists what is lacking: of what is free, or, where it never could, of all it has. Strings are in the arena. */
struct td_ledger_why {
    uint32_t never;    /* enum td_refusal: why it could not even when empty */
    uint32_t said;     /* enum td_refusal: it was asked, and its answer is remembered */
    uint64_t shortage; /* with it, as the node said */
    uint32_t nlacks;
    struct td_explain_lack lacks[TD_MAX_EXPLAIN_LACKS];
};
void td_ledger_why(const struct td_ledger *l, uint32_t shape, uint32_t node, struct td_arena *a, struct td_ledger_why *ret);

struct td_queue;
struct td_queue *td_queue_new(void);
void td_queue_destroy(struct td_queue **p);
/* rank: smaller goes first; total order with job as the last key. count: instances (waiting tasks of an array that
 * may start now; 1 for a job). limit_s: its time limit; limit_min_s: it may be shrunk to this (0 = no). */
struct td_candidate {
    uint32_t job;
    uint32_t component;
    uint32_t partition;
    uint32_t shape;
    uint64_t rank;
    uint64_t class; /* smaller goes first, also where the queue may be reordered; within a class worth decides there */
    uint32_t count;
    uint32_t limit_s, limit_min_s;
    uint32_t run_s;   /* as foretold, within the limit; 0: the limit */
    int64_t since_ms; /* it could run, and waits, since then */
    int64_t by_ms;    /* promised to start by then; 0: not promised yet */
    bool told;        /* when it is likely to start */
};
void td_queue_put(struct td_queue *q, const struct td_candidate *c); /* new, or changed: (job, component, partition) is the key */
void td_queue_set_run(struct td_queue *q, uint32_t job, uint32_t run_s);
void td_queue_set_by(struct td_queue *q, uint32_t job, int64_t by_ms); /* of all its candidates */
void td_queue_set_told(struct td_queue *q, uint32_t job, bool told);   /* of all its candidates */
void td_queue_drop(struct td_queue *q, uint32_t job); /* all its candidates */
uint32_t td_queue_length(const struct td_queue *q);
bool td_queue_check(const struct td_queue *q, struct td_error *err);

enum td_policy { TD_POLICY_FIFO, TD_POLICY_EASY, TD_POLICY_SJBF, TD_POLICY_CONSERVATIVE, TD_POLICY_TENDER };
static inline bool td_policy_keeps_book(enum td_policy p)
{
    return p == TD_POLICY_TENDER || p == TD_POLICY_CONSERVATIVE;
}
/* 0 in depth is 1 (conservative: 100), in starts_max and lots_max no bound. */
struct td_plan_params {
    int64_t now_ms;
    enum td_policy policy;
    bool free_order;       /* tender: the queue may be reordered */
    bool dry;              /* with a book of its own, which is forgotten: a copy of the kept one where the policy is the one it was
                            * kept by, else an empty one; the kept one is as it was */
    uint32_t ask;          /* tender, conservative: a job whose booking is among the promises, whether it is a head or not; 0: none */
    uint32_t depth;        /* heads with a reservation; conservative: bound on them */
    uint32_t starts_max;   /* stop after so many instances planned */
    uint32_t lots_max;     /* at most so many lots */
};
/* An entry of the plan: `count` instances of candidate `job` may start now. For lots the entries of one shape are put
 * together. window_s is the longest of their limits. */
struct td_plan_start {
    uint32_t job, component, partition, shape;
    uint32_t count;
    uint64_t rank;
    uint32_t limit_s; /* shrunk towards limit_min_s where the window asked for it */
};
/* A reservation: head `job` will start at `at_ms` on these nodes if nobody lies about limits. */
struct td_plan_promise {
    uint32_t job, shape;
    int64_t at_ms;          /* TD_FOREVER: no end known (open limits, or no node) */
    const uint32_t *nodes;
    uint32_t nnodes;
    bool licences;        /* too few licences are left for it to start now */
    const char *reserved; /* it would fit now but for this reservation; NULL: it would not. Borrowed */
};
/* A candidate is promised to start by then; moved: it was promised for earlier, and that cannot be kept. */
struct td_plan_by {
    uint32_t job;
    int64_t by_ms;
    bool moved;
};
/* A waiting candidate, as it is reckoned for its likely start (plan_likely.c): where the book has room for it by time
 * limits, and when it starts if the queue goes on in order and everything runs as long as foretold. TD_FOREVER: not known. */
struct td_plan_likely {
    uint32_t job;
    int64_t hole_ms, list_ms;
};
/* When those who wait start at the latest, if all before them use up their limits (plan_bound.c). Borrows ledger and queue,
 * which must stay as they are. */
struct td_plan_bounds;
struct td_plan_bounds *td_plan_bounds_new(struct td_ledger *l, const struct td_queue *q, int64_t now_ms);
void td_plan_bounds_destroy(struct td_plan_bounds **p);
int64_t td_plan_bound(struct td_plan_bounds *b, uint32_t job); /* TD_FOREVER: there is none, or it does not wait */

struct td_plan {
    TD_VEC(struct td_plan_start) starts;     /* in rank order */
    TD_VEC(struct td_plan_promise) promises; /* in rank order; the first are the heads */
    TD_VEC(struct td_plan_by) bys;           /* promises made in this pass */
    TD_VEC(struct td_plan_likely) likely;    /* of those not told, and of others where it was at hand */
    int64_t next_ms;                         /* a booking begins then: plan again; TD_FOREVER: none */
    struct td_arena arena;
    uint32_t examined;                       /* candidates looked at */
};
void td_plan_run(struct td_ledger *l, const struct td_queue *q, const struct td_plan_params *p, struct td_plan *ret);
/* Jobs that have a booking, for those who foretell their run times anew. Borrowed until the next pass. */
uint32_t td_plan_booked(const struct td_ledger *l, uint32_t **ret_jobs);
void td_plan_release(struct td_plan *p);
/* May a job of this shape hold this placement until `until` without breaking a promise of the plan last run (both
 * EASY rules)? Used at settlement, where the bids, not the plan, choose the node. `job` is the candidate's (for a task
 * of an array the record it waits in). A start may be settled up to a second after it was planned. */
bool td_plan_allows(const struct td_ledger *l, uint32_t node, uint32_t job, const struct td_placement *p, int64_t until);
/* Nodes (bitmap by node number) that could take at least one instance of the shape now, by counts, windows and
 * remembered refusals: whom to offer to. Returns how many. */
uint32_t td_plan_nodes(const struct td_ledger *l, uint32_t shape, uint32_t limit_s, int64_t now_ms, uint8_t *bits, uint32_t nbytes);
/* How much of a job of this shape, which may spread, such a node could take now by counts: tasks, or devices its nodes share. */
uint32_t td_plan_part(const struct td_ledger *l, uint32_t shape, uint32_t node);

#endif
