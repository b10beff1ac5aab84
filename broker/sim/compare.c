/* compare.c - two schedules job by job
 *
 * Owns: the pairs. All groups are cut out of one array of pairs, sorted anew for each question. */
#include "compare.h"

#include <stdlib.h>

#include "metrics.h"

struct placed {
    uint32_t id, at;
};
struct pairs {
    struct compare_job *v;
    uint32_t n;
    int64_t *work; /* so many numbers */
};

/* --- matching ------------------------------------------------------------------------------------------------------ */

static int by_number(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    return x->id != y->id ? (x->id < y->id ? -1 : 1) : x->at < y->at ? -1 : 1;
}

static struct placed *numbers(const struct trace *t)
{
    struct placed *v = td_alloc((t->jobs.n + 1) * sizeof(*v));

    for (uint32_t i = 0; i < t->jobs.n; i++)
        v[i] = (struct placed){t->jobs.v[i].id, i};
    qsort(v, t->jobs.n, sizeof(*v), by_number);
    return v;
}

static void pair(struct sim_compare *c, struct pairs *p, const struct trace_job *a, const struct trace_job *b)
{
    if (a->submit_s != b->submit_s || a->run_s != b->run_s || a->procs != b->procs)
        c->differ++;
    else if (a->wait_s == TRACE_UNKNOWN || b->wait_s == TRACE_UNKNOWN)
        c->unknown++;
    else
        p->v[p->n++] = (struct compare_job){.id = a->id, .user = a->user, .procs = a->procs, .wait = {a->wait_s, b->wait_s}};
}

/* Slowdowns are summed here: a pair has no run time. */
static void match(const struct trace *a, const struct trace *b, struct sim_compare *c, struct pairs *p)
{
    struct placed *x = numbers(a), *y = numbers(b);
    uint32_t i = 0, k = 0;

    while (i < a->jobs.n || k < b->jobs.n) {
        if (k == b->jobs.n || (i < a->jobs.n && x[i].id < y[k].id)) {
            c->only[0]++;
            i++;
        } else if (i == a->jobs.n || y[k].id < x[i].id) {
            c->only[1]++;
            k++;
        } else {
            const struct trace_job *ja = &a->jobs.v[x[i++].at], *jb = &b->jobs.v[y[k++].at];
            uint32_t before = p->n;
            pair(c, p, ja, jb);
            if (p->n == before)
                continue;
            c->side[0].avebsld += sim_slowdown(ja->run_s, ja->wait_s);
            c->side[1].avebsld += sim_slowdown(jb->run_s, jb->wait_s);
        }
    }
    td_free(x);
    td_free(y);
}

/* --- figures ------------------------------------------------------------------------------------------------------- */

static int64_t change_of(const struct compare_job *j)
{
    return (int64_t)j->wait[1] - j->wait[0];
}

/* Waits of a run of pairs under one schedule, sorted into work; returns their mean. */
static double waits(const struct compare_job *v, uint32_t n, int side, int64_t *work)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        work[i] = v[i].wait[side];
        sum += (double)work[i];
    }
    sim_sort(work, n);
    return n ? sum / n : 0;
}

static void sides(struct sim_compare *c, const struct pairs *p)
{
    for (int s = 0; s < 2; s++) {
        struct compare_side *side = &c->side[s];
        side->mean_wait = waits(p->v, p->n, s, p->work);
        side->median_wait = sim_percentile(p->work, p->n, 50);
        side->p99_wait = sim_percentile(p->work, p->n, 99);
        side->max_wait = p->n ? (double)p->work[p->n - 1] : 0;
        side->avebsld = p->n ? side->avebsld / p->n : 0;
    }
}

static struct compare_group group(const struct compare_job *v, uint32_t n, uint32_t key, int64_t *work)
{
    struct compare_group g = {.key = key, .jobs = n};

    for (uint32_t i = 0; i < n; i++) {
        g.less += change_of(&v[i]) < 0;
        g.more += change_of(&v[i]) > 0;
    }
    for (int s = 0; s < 2; s++) {
        g.mean[s] = waits(v, n, s, work);
        g.median[s] = sim_percentile(work, n, 50);
    }
    return g;
}

static uint32_t class_of(uint32_t procs)
{
    return procs <= 1 ? 1 : procs > 1u << 31 ? UINT32_MAX : 1u << (32 - __builtin_clz(procs - 1));
}

/* Ties end in the number everywhere. */
static int by_size(const void *a, const void *b)
{
    const struct compare_job *x = a, *y = b;

    return x->procs != y->procs ? (x->procs < y->procs ? -1 : 1) : x->id < y->id ? -1 : x->id > y->id;
}

static int by_user(const void *a, const void *b)
{
    const struct compare_job *x = a, *y = b;

    return x->user != y->user ? (x->user < y->user ? -1 : 1) : x->id < y->id ? -1 : x->id > y->id;
}

static int by_change(const void *a, const void *b)
{
    int64_t x = change_of(a), y = change_of(b);
    uint32_t p = ((const struct compare_job *)a)->id, q = ((const struct compare_job *)b)->id;

    return x != y ? (x < y ? -1 : 1) : p < q ? -1 : p > q;
}

static double moved(const struct compare_group *g)
{
    double by = (g->mean[1] - g->mean[0]) * g->jobs;

    return by < 0 ? -by : by;
}

static int most_moved(const void *a, const void *b)
{
    const struct compare_group *x = a, *y = b;
    double p = moved(x), q = moved(y);

    return p != q ? (p > q ? -1 : 1) : x->key < y->key ? -1 : x->key > y->key;
}

static void groups(struct sim_compare *c, const struct pairs *p)
{
    qsort(p->v, p->n, sizeof(*p->v), by_size);
    for (uint32_t i = 0, n; i < p->n; i += n) {
        uint32_t key = class_of(p->v[i].procs);
        for (n = 1; i + n < p->n && class_of(p->v[i + n].procs) == key; n++)
            ;
        td_vec_push(&c->sizes, group(&p->v[i], n, key, p->work));
    }
    qsort(p->v, p->n, sizeof(*p->v), by_user);
    for (uint32_t i = 0, n; i < p->n; i += n) {
        for (n = 1; i + n < p->n && p->v[i + n].user == p->v[i].user; n++)
            ;
        td_vec_push(&c->users, group(&p->v[i], n, p->v[i].user, p->work));
    }
    if (c->users.n)
        qsort(c->users.v, c->users.n, sizeof(*c->users.v), most_moved);
}

/* Of pairs sorted by change: those who gain are the first ones, those who lose the last, from the end. */
static void change(const struct pairs *p, bool less, struct compare_change *ret)
{
    double sum = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        const struct compare_job *j = &p->v[less ? i : p->n - 1 - i];
        int64_t by = less ? -change_of(j) : change_of(j);
        if (by <= 0)
            break;
        if (ret->nmost < COMPARE_LISTED)
            ret->most[ret->nmost++] = *j;
        p->work[ret->jobs++] = by;
        sum += (double)by;
    }
    sim_sort(p->work, ret->jobs);
    ret->mean = ret->jobs ? sum / ret->jobs : 0;
    ret->median = sim_percentile(p->work, ret->jobs, 50);
}

void sim_compare_make(const struct trace *a, const struct trace *b, struct sim_compare *ret)
{
    struct sim_compare c = {0};
    uint32_t most = TD_MIN(a->jobs.n, b->jobs.n) + 1;
    struct pairs p = {.v = td_alloc(most * sizeof(*p.v)), .work = td_alloc(most * sizeof(*p.work))};

    match(a, b, &c, &p);
    c.jobs = p.n;
    sides(&c, &p);
    groups(&c, &p);
    qsort(p.v, p.n, sizeof(*p.v), by_change);
    change(&p, true, &c.less);
    change(&p, false, &c.more);
    td_free(p.v);
    td_free(p.work);
    *ret = c;
}

void sim_compare_release(struct sim_compare *c)
{
    td_vec_release(&c->sizes);
    td_vec_release(&c->users);
}
