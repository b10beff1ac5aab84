/* queue_priv.h - how waiting candidates lie in memory; for queue.c and plan*.c only
 *
 * A candidate is a slot of 64 bytes in a chunked pool. Each shape has a list of slot numbers in rank order: a sorted
 * part, then a tail of those put out of order, merged in before the next plan. A dropped slot stays in its list,
 * marked dead and still bearing its rank (so the order holds), until the list is swept; only then is it used again. */
#ifndef TD_QUEUE_PRIV_H
#define TD_QUEUE_PRIV_H

#include "plan.h"

#define SLOT_CHUNK 4096u
#define NO_SLOT UINT32_MAX

struct slot {
    uint64_t rank, class;
    uint32_t job;
    uint32_t shape;
    uint32_t count;
    uint32_t limit_s, limit_min_s; /* limit: never 0 here, TD_INFINITE when open */
    uint32_t run_s;                /* foretold, 1..limit */
    int64_t since_ms, by_ms;
    uint32_t next;                 /* next candidate of the job, or of the free list */
    uint16_t partition;
    uint16_t component : 13;
    bool dead : 1;
    bool several : 1; /* the job has other candidates: one start must count for all */
    bool told : 1;    /* when it is likely to start */
};
#define COMPONENTS_MAX (1u << 13)
_Static_assert(sizeof(struct slot) == 64, "a slot is a line of the cache");

struct shape_queue {
    uint32_t *v; /* slot numbers */
    uint32_t n, cap;
    uint32_t head;   /* everything before it is dead */
    uint32_t sorted; /* v[head..sorted) is in order */
    uint32_t dead;   /* in v[head..n) */
    uint32_t limit_floor; /* no live candidate can run for less; may be lower than the truth */
};

struct td_queue {
    TD_VEC(struct slot *) chunks;
    uint32_t free_slot;
    uint32_t nslots; /* ever used */
    uint32_t live;
    TD_VEC(struct shape_queue *) shapes; /* by shape number; NULL where nothing ever waited */
    uint32_t *jobs;  /* open addressing: first slot of each job + 1 */
    uint32_t jobs_cap, jobs_n;
};

static inline struct slot *queue_slot(const struct td_queue *q, uint32_t i)
{
    return &q->chunks.v[i / SLOT_CHUNK][i % SLOT_CHUNK];
}
/* The total order of candidates. */
static inline bool slot_before(const struct slot *a, const struct slot *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank;
    if (a->job != b->job)
        return a->job < b->job;
    return a->component != b->component ? a->component < b->component : a->partition < b->partition;
}
/* Merges the tails in and forgets the dead; changes nothing that can be seen. */
void queue_settle(const struct td_queue *q, uint32_t shape);
/* NULL: it does not wait. */
const struct slot *queue_find(const struct td_queue *q, uint32_t job, uint16_t component, uint16_t partition);
/* Heap held, for the benchmark. */
size_t queue_bytes(const struct td_queue *q);

#endif
