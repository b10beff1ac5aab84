/* queue.c - candidates that wait, by shape, in rank order
 *
 * Owns: slots, the lists of the shapes, the index by job. Knows nothing of nodes and time.
 * Costs: put at the end of its shape, change of count or limit, drop: O(1). Put elsewhere: O(1) now, and a part of one
 * merge before the next plan, so that ranking the whole queue anew costs one sort.
 * Invariants (td_queue_check): every live slot is once in the list of its shape and once in the chain of its job; the
 * sorted part of each list is sorted, the dead included. */
#include "queue_priv.h"

#include <string.h>

struct td_queue *td_queue_new(void)
{
    struct td_queue *q = td_alloc(sizeof(*q));

    q->free_slot = NO_SLOT;
    return q;
}

void td_queue_destroy(struct td_queue **p)
{
    struct td_queue *q = *p;

    if (!q)
        return;
    for (uint32_t i = 0; i < q->chunks.n; i++)
        td_free(q->chunks.v[i]);
    td_vec_release(&q->chunks);
    for (uint32_t i = 0; i < q->shapes.n; i++) {
        if (q->shapes.v[i])
            td_free(q->shapes.v[i]->v);
        td_free(q->shapes.v[i]);
    }
    td_vec_release(&q->shapes);
    td_free(q->jobs);
    td_free(q);
    *p = NULL;
}

/* --- index by job: linear probing, backward shift on removal ------------------------------------------------------ */

static uint32_t bucket_of(const struct td_queue *q, uint32_t job)
{
    return (uint32_t)(((uint64_t)job * 0x9E3779B97F4A7C15u) >> 32) & (q->jobs_cap - 1);
}

/* The bucket of the job, or the empty one where it would go. */
static uint32_t find_bucket(const struct td_queue *q, uint32_t job)
{
    uint32_t b = bucket_of(q, job);

    while (q->jobs[b] && queue_slot(q, q->jobs[b] - 1)->job != job)
        b = (b + 1) & (q->jobs_cap - 1);
    return b;
}

static uint32_t first_of_job(const struct td_queue *q, uint32_t job)
{
    if (!q->jobs_cap)
        return NO_SLOT;
    uint32_t at = q->jobs[find_bucket(q, job)];
    return at ? at - 1 : NO_SLOT;
}

static void jobs_grow(struct td_queue *q)
{
    uint32_t *old = q->jobs, cap = q->jobs_cap;

    if ((uint64_t)q->jobs_n * 4 < (uint64_t)cap * 3)
        return;
    q->jobs_cap = cap ? cap * 2 : 64;
    q->jobs = td_alloc(sizeof(q->jobs[0]) * q->jobs_cap);
    for (uint32_t i = 0; i < cap; i++)
        if (old[i])
            q->jobs[find_bucket(q, queue_slot(q, old[i] - 1)->job)] = old[i];
    td_free(old);
}

static void jobs_remove(struct td_queue *q, uint32_t bucket)
{
    uint32_t mask = q->jobs_cap - 1, hole = bucket;

    for (uint32_t b = (hole + 1) & mask; q->jobs[b]; b = (b + 1) & mask) {
        uint32_t home = bucket_of(q, queue_slot(q, q->jobs[b] - 1)->job);

        if (((b - home) & mask) >= ((b - hole) & mask)) {
            q->jobs[hole] = q->jobs[b];
            hole = b;
        }
    }
    q->jobs[hole] = 0;
    q->jobs_n--;
}

/* --- slots -------------------------------------------------------------------------------------------------------- */

static uint32_t slot_new(struct td_queue *q)
{
    uint32_t i = q->free_slot;

    if (i != NO_SLOT) {
        q->free_slot = queue_slot(q, i)->next;
        return i;
    }
    if (q->nslots == q->chunks.n * SLOT_CHUNK)
        td_vec_push(&q->chunks, td_alloc(sizeof(struct slot) * SLOT_CHUNK));
    return q->nslots++;
}

static void slot_free(struct td_queue *q, uint32_t i)
{
    queue_slot(q, i)->next = q->free_slot;
    q->free_slot = i;
}

static uint32_t limit_of(uint32_t limit_s)
{
    return limit_s ? limit_s : TD_INFINITE;
}

static uint32_t run_of(const struct td_candidate *c)
{
    return c->run_s ? TD_MIN(c->run_s, limit_of(c->limit_s)) : limit_of(c->limit_s);
}

static uint32_t floor_of(const struct slot *s)
{
    return s->limit_min_s && s->limit_min_s < s->limit_s ? s->limit_min_s : s->limit_s;
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

static struct shape_queue *list_of(struct td_queue *q, uint32_t shape)
{
    while (q->shapes.n <= shape)
        td_vec_push(&q->shapes, (struct shape_queue *)NULL);
    if (!q->shapes.v[shape]) {
        q->shapes.v[shape] = td_alloc(sizeof(struct shape_queue));
        q->shapes.v[shape]->limit_floor = TD_INFINITE;
    }
    return q->shapes.v[shape];
}

/* Drops the dead from the list and gives their slots back; keeps order and the border of the sorted part. */
static void list_sweep(struct td_queue *q, struct shape_queue *l)
{
    uint32_t to = 0, sorted = 0;

    l->limit_floor = TD_INFINITE;
    for (uint32_t i = l->head; i < l->n; i++) {
        const struct slot *s = queue_slot(q, l->v[i]);

        if (i == l->sorted)
            sorted = to;
        if (s->dead) {
            slot_free(q, l->v[i]);
            continue;
        }
        l->limit_floor = TD_MIN(l->limit_floor, floor_of(s));
        l->v[to++] = l->v[i];
    }
    l->sorted = l->sorted == l->n ? to : sorted;
    l->n = to;
    l->head = l->dead = 0;
    if (l->cap > 1024 && l->n < l->cap / 4) {
        l->cap = TD_MAX(l->n + l->n / 2, 64u);
        l->v = td_realloc(l->v, sizeof(l->v[0]) * l->cap);
    }
}

static void list_append(struct td_queue *q, struct shape_queue *l, uint32_t i)
{
    const struct slot *s = queue_slot(q, i);

    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap + l->cap / 2 : 16;
        l->v = td_realloc(l->v, sizeof(l->v[0]) * l->cap);
    }
    if (l->sorted == l->n && (l->n == l->head || slot_before(queue_slot(q, l->v[l->n - 1]), s)))
        l->sorted++;
    l->v[l->n++] = i;
    l->limit_floor = TD_MIN(l->limit_floor, floor_of(s));
}

static void merge(const struct td_queue *q, const uint32_t *a, uint32_t na, const uint32_t *b, uint32_t nb, uint32_t *to)
{
    while (na && nb) {
        if (slot_before(queue_slot(q, *b), queue_slot(q, *a))) {
            *to++ = *b++;
            nb--;
        } else {
            *to++ = *a++;
            na--;
        }
    }
    memmove(to, na ? a : b, sizeof(*to) * (na + nb));
}

/* Bottom-up merge sort; tmp has room for n. */
static void sort_slots(const struct td_queue *q, uint32_t *v, uint32_t n, uint32_t *tmp)
{
    for (uint32_t width = 1; width < n; width *= 2) {
        for (uint32_t i = 0; i < n; i += 2 * width) {
            uint32_t na = TD_MIN(width, n - i), nb = TD_MIN(width, n - i - na);

            merge(q, v + i, na, v + i + na, nb, tmp + i);
        }
        memcpy(v, tmp, sizeof(*v) * n);
    }
}

void queue_settle(const struct td_queue *cq, uint32_t shape)
{
    struct td_queue *q = (struct td_queue *)(uintptr_t)cq; /* a cache: what the queue says is unchanged */
    struct shape_queue *l = shape < q->shapes.n ? q->shapes.v[shape] : NULL;

    if (!l)
        return;
    while (l->head < l->sorted && queue_slot(q, l->v[l->head])->dead) {
        slot_free(q, l->v[l->head++]);
        l->dead--;
    }
    if (l->head > l->n / 2 || l->dead > (l->n - l->head) / 2 || l->sorted < l->n)
        list_sweep(q, l);
    if (l->sorted == l->n)
        return;
    uint32_t *tmp = td_alloc(sizeof(*tmp) * (l->n ? l->n : 1));
    sort_slots(q, l->v + l->sorted, l->n - l->sorted, tmp);
    merge(q, l->v, l->sorted, l->v + l->sorted, l->n - l->sorted, tmp);
    memcpy(l->v, tmp, sizeof(*tmp) * l->n);
    l->sorted = l->n;
    td_free(tmp);
}

/* --- put and drop ------------------------------------------------------------------------------------------------- */

static void slot_bury(struct td_queue *q, struct slot *s)
{
    struct shape_queue *l = q->shapes.v[s->shape];

    s->dead = true;
    l->dead++;
    q->live--;
    if (l->dead > 1024 && l->dead > (l->n - l->head) / 4 * 3)
        list_sweep(q, l);
}

static void mark_several(const struct td_queue *q, uint32_t first)
{
    if (queue_slot(q, first)->next == NO_SLOT)
        return;
    for (uint32_t i = first; i != NO_SLOT; i = queue_slot(q, i)->next)
        queue_slot(q, i)->several = true;
}

void td_queue_put(struct td_queue *q, const struct td_candidate *c)
{
    TD_ASSERT(c->component < COMPONENTS_MAX && c->partition <= UINT16_MAX);
    uint32_t first = first_of_job(q, c->job), prev = NO_SLOT, old = first, after = NO_SLOT;

    for (; old != NO_SLOT; prev = old, old = queue_slot(q, old)->next) {
        const struct slot *s = queue_slot(q, old);

        if (s->component == c->component && s->partition == c->partition)
            break;
    }
    if (old != NO_SLOT) {
        struct slot *s = queue_slot(q, old);

        if (s->shape == c->shape && s->rank == c->rank) {
            s->class = c->class;
            s->count = c->count;
            s->limit_s = limit_of(c->limit_s);
            s->limit_min_s = c->limit_min_s;
            s->run_s = run_of(c);
            s->since_ms = c->since_ms;
            s->by_ms = c->by_ms;
            s->told = c->told;
            list_of(q, s->shape)->limit_floor = TD_MIN(list_of(q, s->shape)->limit_floor, floor_of(s));
            return;
        }
        after = s->next;
    }
    uint32_t i = slot_new(q);
    *queue_slot(q, i) = (struct slot){.rank = c->rank,
                                      .class = c->class,
                                      .job = c->job,
                                      .shape = c->shape,
                                      .count = c->count,
                                      .limit_s = limit_of(c->limit_s),
                                      .limit_min_s = c->limit_min_s,
                                      .run_s = run_of(c),
                                      .since_ms = c->since_ms,
                                      .by_ms = c->by_ms,
                                      .told = c->told,
                                      .next = after,
                                      .component = c->component & (COMPONENTS_MAX - 1),
                                      .partition = (uint16_t)c->partition};
    q->live++;
    if (prev != NO_SLOT) {
        queue_slot(q, prev)->next = i;
    } else if (first != NO_SLOT) {
        q->jobs[find_bucket(q, c->job)] = i + 1;
    } else {
        jobs_grow(q);
        q->jobs[find_bucket(q, c->job)] = i + 1;
        q->jobs_n++;
    }
    if (old != NO_SLOT)
        slot_bury(q, queue_slot(q, old));
    mark_several(q, first_of_job(q, c->job));
    list_append(q, list_of(q, c->shape), i);
}

void td_queue_drop(struct td_queue *q, uint32_t job)
{
    uint32_t i = first_of_job(q, job);

    if (i == NO_SLOT)
        return;
    jobs_remove(q, find_bucket(q, job));
    while (i != NO_SLOT) {
        struct slot *s = queue_slot(q, i);

        i = s->next; /* before it is buried: a sweep chains it into the free list */
        slot_bury(q, s);
    }
}

void td_queue_set_run(struct td_queue *q, uint32_t job, uint32_t run_s)
{
    for (uint32_t i = first_of_job(q, job); i != NO_SLOT; i = queue_slot(q, i)->next)
        queue_slot(q, i)->run_s = TD_MAX(TD_MIN(run_s, queue_slot(q, i)->limit_s), 1u);
}

void td_queue_set_by(struct td_queue *q, uint32_t job, int64_t by_ms)
{
    for (uint32_t i = first_of_job(q, job); i != NO_SLOT; i = queue_slot(q, i)->next)
        queue_slot(q, i)->by_ms = by_ms;
}

void td_queue_set_told(struct td_queue *q, uint32_t job, bool told)
{
    for (uint32_t i = first_of_job(q, job); i != NO_SLOT; i = queue_slot(q, i)->next)
        queue_slot(q, i)->told = told;
}

const struct slot *queue_find(const struct td_queue *q, uint32_t job, uint16_t component, uint16_t partition)
{
    for (uint32_t i = first_of_job(q, job); i != NO_SLOT; i = queue_slot(q, i)->next) {
        const struct slot *s = queue_slot(q, i);

        if (s->component == component && s->partition == partition && !s->dead)
            return s;
    }
    return NULL;
}

uint32_t td_queue_length(const struct td_queue *q)
{
    return q->live;
}

size_t queue_bytes(const struct td_queue *q)
{
    size_t bytes = sizeof(*q) + q->chunks.n * sizeof(struct slot) * SLOT_CHUNK + sizeof(q->jobs[0]) * q->jobs_cap;

    for (uint32_t i = 0; i < q->shapes.n; i++)
        if (q->shapes.v[i])
            bytes += sizeof(struct shape_queue) + sizeof(uint32_t) * q->shapes.v[i]->cap;
    return bytes;
}

/* --- invariants --------------------------------------------------------------------------------------------------- */

static bool in_chain(const struct td_queue *q, uint32_t i)
{
    for (uint32_t k = first_of_job(q, queue_slot(q, i)->job); k != NO_SLOT; k = queue_slot(q, k)->next)
        if (k == i)
            return true;
    return false;
}

static bool check_list(const struct td_queue *q, uint32_t shape, uint32_t *live, struct td_error *err)
{
    const struct shape_queue *l = q->shapes.v[shape];
    uint32_t dead = 0;

    for (uint32_t i = l->head; i < l->n; i++) {
        const struct slot *s = queue_slot(q, l->v[i]);

        if (i > l->head && i < l->sorted && !slot_before(queue_slot(q, l->v[i - 1]), s))
            return td_fail(err, TD_E_INTERNAL, "queue: shape %u is out of order at job %u", shape, s->job), false;
        if (s->dead) {
            dead++;
            continue;
        }
        if (s->shape != shape)
            return td_fail(err, TD_E_INTERNAL, "queue: job %u is in the list of shape %u", s->job, shape), false;
        if (!in_chain(q, l->v[i]))
            return td_fail(err, TD_E_INTERNAL, "queue: job %u is not in the index", s->job), false;
        if (floor_of(s) < l->limit_floor)
            return td_fail(err, TD_E_INTERNAL, "queue: job %u is below the floor of its shape", s->job), false;
        (*live)++;
    }
    if (dead != l->dead)
        return td_fail(err, TD_E_INTERNAL, "queue: shape %u has %u dead, counted %u", shape, dead, l->dead), false;
    return true;
}

bool td_queue_check(const struct td_queue *q, struct td_error *err)
{
    uint32_t live = 0, jobs = 0, chained = 0;

    for (uint32_t i = 0; i < q->shapes.n; i++)
        if (q->shapes.v[i] && !check_list(q, i, &live, err))
            return false;
    for (uint32_t b = 0; b < q->jobs_cap; b++) {
        if (!q->jobs[b])
            continue;
        jobs++;
        for (uint32_t k = q->jobs[b] - 1; k != NO_SLOT; k = queue_slot(q, k)->next)
            chained++;
    }
    if (live != q->live || chained != q->live || jobs != q->jobs_n)
        return td_fail(err, TD_E_INTERNAL, "queue: %u live, %u in lists, %u of %u jobs in chains", q->live, live, chained,
                       jobs), false;
    return true;
}
