/* published.c - the rules of RLScheduler's comparison
 *
 * Owns: the queue (places in the trace, in order of the last look at it) and who runs. The queue is sorted stably and kept
 * sorted from one look to the next, as the published program does it, because ties show it. */
#include "published.h"

#include <math.h>

struct rules {
    const struct trace *t;
    struct sim_job *out;
    int64_t now;
    uint32_t free, next;
    TD_VEC(uint32_t) queue;
    TD_VEC(uint32_t) running; /* a heap by end, then place */
    double *scores;
    bool by_submission; /* as the queue is being sorted */
};

/* --- who runs ------------------------------------------------------------------------------------------------------ */

static bool ends_sooner(const struct rules *r, uint32_t a, uint32_t b)
{
    return r->out[a].end_s != r->out[b].end_s ? r->out[a].end_s < r->out[b].end_s : a < b;
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t t = *a;

    *a = *b;
    *b = t;
}

static void start(struct rules *r, uint32_t job)
{
    r->out[job].start_s = r->now;
    r->out[job].end_s = r->now + r->t->jobs.v[job].run_s;
    r->free -= r->t->jobs.v[job].procs;
    td_vec_push(&r->running, job);
    uint32_t *v = r->running.v;
    for (uint32_t i = r->running.n - 1; i && ends_sooner(r, v[i], v[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&v[i], &v[(i - 1) / 2]);
}

static void end_first(struct rules *r)
{
    uint32_t *v = r->running.v, n = --r->running.n;

    r->free += r->t->jobs.v[v[0]].procs;
    v[0] = v[n];
    for (uint32_t i = 0, best = 0;; i = best) {
        for (uint32_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++)
            if (ends_sooner(r, v[c], v[best]))
                best = c;
        if (best == i)
            return;
        swap(&v[i], &v[best]);
    }
}

/* --- the queue ----------------------------------------------------------------------------------------------------- */

static double score(const struct trace_job *j, enum published_order order)
{
    switch (order) {
    case PUBLISHED_SJF:
        return j->limit_s;
    case PUBLISHED_F1:
        return log10(j->limit_s) * j->procs + 870 * log10(j->submit_s > 0 ? (double)j->submit_s : 0.1);
    default:
        return (double)j->submit_s;
    }
}

static bool before(const struct rules *r, uint32_t a, uint32_t b)
{
    if (!r->by_submission && r->scores[a] != r->scores[b])
        return r->scores[a] < r->scores[b];
    return r->t->jobs.v[a].submit_s < r->t->jobs.v[b].submit_s;
}

/* By insertion: it is nearly sorted, and equals keep their order. */
static void sort_queue(struct rules *r, bool by_submission)
{
    uint32_t *v = r->queue.v;

    r->by_submission = by_submission;
    for (uint32_t i = 1; i < r->queue.n; i++) {
        uint32_t job = v[i], k = i;
        for (; k && before(r, job, v[k - 1]); k--)
            v[k] = v[k - 1];
        v[k] = job;
    }
}

static void remove_at(struct rules *r, uint32_t i)
{
    r->queue.n--;
    for (; i < r->queue.n; i++)
        r->queue.v[i] = r->queue.v[i + 1];
}

/* A submission, or else an end. */
static void step(struct rules *r)
{
    const struct trace *t = r->t;
    int64_t end = r->running.n ? r->out[r->running.v[0]].end_s : INT64_MAX;

    if (r->next < t->jobs.n && t->jobs.v[r->next].submit_s <= end) {
        r->now = TD_MAX(r->now, t->jobs.v[r->next].submit_s);
        td_vec_push(&r->queue, r->next++);
        return;
    }
    r->now = TD_MAX(r->now, end);
    end_first(r);
}

/* --- backfill ------------------------------------------------------------------------------------------------------ */

struct limit_end {
    int64_t at;
    uint32_t procs;
};

/* When enough is free, should all run to their limits. */
static int64_t earliest(struct rules *r, uint32_t procs)
{
    TD_VEC(struct limit_end) v = {0};
    int64_t at = r->now;
    uint64_t avail = r->free;

    for (uint32_t i = 0; i < r->running.n; i++) {
        uint32_t job = r->running.v[i];
        struct limit_end e = {r->out[job].start_s + r->t->jobs.v[job].limit_s, r->t->jobs.v[job].procs};
        td_vec_push(&v, e);
        for (uint32_t k = v.n - 1; k && v.v[k].at < v.v[k - 1].at; k--) {
            struct limit_end x = v.v[k];
            v.v[k] = v.v[k - 1];
            v.v[k - 1] = x;
        }
    }
    for (uint32_t i = 0; i < v.n && avail < procs; i++) {
        avail += v.v[i].procs;
        at = v.v[i].at;
    }
    td_vec_release(&v);
    return at;
}

static void backfill(struct rules *r, int64_t shadow)
{
    sort_queue(r, true);
    for (uint32_t i = 0; i < r->queue.n;) {
        uint32_t job = r->queue.v[i];
        const struct trace_job *j = &r->t->jobs.v[job];
        if (j->procs <= r->free && r->now + j->limit_s < shadow) {
            start(r, job);
            remove_at(r, i);
        } else {
            i++;
        }
    }
}

/* --- the run ------------------------------------------------------------------------------------------------------- */

static void pick(struct rules *r, bool with_backfill)
{
    sort_queue(r, false);
    uint32_t job = r->queue.v[0], procs = r->t->jobs.v[job].procs;
    remove_at(r, 0);
    int64_t shadow = procs > r->free ? earliest(r, procs) : r->now;
    while (procs > r->free) {
        if (with_backfill)
            backfill(r, shadow);
        step(r);
    }
    start(r, job);
}

void published_run(const struct trace *t, enum published_order order, bool with_backfill, struct sim_job *ret)
{
    struct rules r = {.t = t, .out = ret, .free = t->procs_max, .scores = td_alloc((t->jobs.n + 1) * sizeof(*r.scores))};

    for (uint32_t i = 0; i < t->jobs.n; i++) {
        ret[i] = (struct sim_job){.start_s = -1, .end_s = -1, .by_s = -1, .likely_from_s = -1, .likely_to_s = -1};
        r.scores[i] = score(&t->jobs.v[i], order);
    }
    r.now = t->jobs.n ? t->jobs.v[0].submit_s : 0;
    while (r.next < t->jobs.n || r.queue.n) {
        while (!r.queue.n)
            step(&r);
        pick(&r, with_backfill);
    }
    td_vec_release(&r.queue);
    td_vec_release(&r.running);
    td_free(r.scores);
}
