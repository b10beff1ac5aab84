/* plan_bound.c - when waiting candidates start at the latest, for those whom no plan reaches: a bound by what nodes there are
 *
 * While a candidate waits, every node that could serve it has too little left for it; so at least
 *
 *     D = sum over those nodes of (CPUs - what a part of it takes + 1)
 *
 * CPUs are busy. What keeps them busy is what runs and what is before it in the queue: if all of that uses up its time
 * limit, it starts within their CPU seconds / D (Graham 1966 bounds list schedules so). Nobody who comes later and goes
 * before it is in the sum: it is a bound by what is known now. A part takes as much of a node as its dearest part does:
 * half of the GPUs are half of the CPUs. For several nodes D is less by the share of those that could be free meanwhile.
 *
 * Partitions that share nodes are one pool: what is before it in any of them counts. What has no limit never ends: its
 * CPUs are off, and behind a candidate without limit there is no bound. Nor is there where devices are held or asked for
 * before it, or memory counts (rows.c): a node may then be full with idle CPUs. */
#include "plan_priv.h"

#define SAMPLE 256u /* nodes looked at for D; more count as those do */

struct place { /* of a candidate */
    uint32_t job, shape, pool;
    uint64_t work; /* CPU seconds before it; UINT64_MAX: there is no telling */
};
struct td_plan_bounds {
    struct td_ledger *l;
    int64_t now;
    TD_VEC(struct place) places; /* by job */
    TD_VEC(uint32_t) pool_of;    /* by partition; itself or a smaller one, until there */
    TD_VEC(uint64_t) busy;       /* by shape: D, 0: not reckoned yet */
};

static uint32_t pool_of(struct td_plan_bounds *b, uint32_t partition)
{
    for (uint32_t i = b->pool_of.n; i <= partition; i++)
        td_vec_push(&b->pool_of, i);
    while (b->pool_of.v[partition] != partition)
        partition = b->pool_of.v[partition];
    return partition;
}

static void join_pools(struct td_plan_bounds *b)
{
    for (uint32_t i = 0; i < b->l->nodes.n; i++) {
        const struct node *n = &b->l->nodes.v[i];
        for (uint32_t k = 1; n->name && k < n->npartitions; k++) {
            uint32_t x = pool_of(b, n->partitions[0]), y = pool_of(b, n->partitions[k]);
            b->pool_of.v[TD_MAX(x, y)] = TD_MIN(x, y);
        }
    }
}

/* --- D ------------------------------------------------------------------------------------------------------------ */

static uint32_t cpus_kept(const struct node *n)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n->holdings.n; i++)
        if (n->holdings.v[i]->until >= OPEN_END)
            kept += n->holdings.v[i]->ncpus;
    return kept;
}

/* CPUs of the node that are busy while the part does not fit. */
static uint32_t busy_on(const struct shape *s, const struct node *n)
{
    uint32_t part = s->multi ? s->part_min : s->tasks;
    uint32_t fits = TD_MAX(shape_fit(s, n, &n->total, part, n->total.cpus), 1u), cpus = n->total.cpus;
    uint32_t takes = (cpus + fits - 1) / fits, kept = cpus_kept(n);

    return cpus >= takes + kept ? cpus - takes - kept + 1 : 0;
}

static uint64_t busy_for(struct td_plan_bounds *b, uint32_t shape)
{
    struct shape *s = b->l->shapes.v[shape];
    const struct node_index *x = ledger_index(b->l);
    uint64_t sum = 0;
    uint32_t met = 0, lack = s->multi ? s->nodes_min - 1 : 0;

    while (b->busy.n <= shape)
        td_vec_push(&b->busy, (uint64_t)0);
    if (b->busy.v[shape])
        return b->busy.v[shape];
    shape_refresh(b->l, s);
    for (uint32_t w = 0; w < s->nwords && met < SAMPLE; w++)
        for (uint64_t bits = s->eligible[w]; bits && met < SAMPLE; bits &= bits - 1) {
            const struct node *n = &b->l->nodes.v[x->node_at.v[w * 64 + (uint32_t)__builtin_ctzll(bits)]];
            met++; /* usable or not: a replica does not know whom the broker hears */
            sum += busy_on(s, n);
        }
    if (met == SAMPLE)
        sum = sum * TD_MAX(s->neligible, SAMPLE) / SAMPLE;
    uint32_t all = TD_MAX(s->neligible, 1u);
    sum = lack < all ? sum * (all - lack) / all : 0;
    b->busy.v[shape] = sum + 1; /* 1: none */
    return b->busy.v[shape];
}

/* --- work before whom --------------------------------------------------------------------------------------------- */

static void add_held(struct td_plan_bounds *b, uint64_t *work)
{
    for (uint32_t i = 0; i < b->l->nodes.n; i++) {
        struct node *n = &b->l->nodes.v[i];
        if (!n->name || !n->npartitions)
            continue;
        node_sort_holdings(b->l, n);
        uint64_t *sum = &work[pool_of(b, n->partitions[0])];
        for (uint32_t k = 0; k < n->holdings.n; k++) {
            int64_t end = holding_end(n, k, b->now);
            if (n->holdings.v[k]->ngres)
                *sum = UINT64_MAX;
            else if (end < OPEN_END)
                *sum = amount_plus(*sum, amount_times(n->holdings.v[k]->ncpus, (uint64_t)(end - b->now + 999) / 1000));
        }
    }
}

static void add_waiting(struct td_plan_bounds *b, const struct td_queue *q, uint64_t *work)
{
    TD_VEC(struct ordered) order = {0};

    for (uint32_t i = 0; i < q->shapes.n; i++) {
        const struct shape_queue *list = q->shapes.v[i];
        for (uint32_t k = list ? list->head : 0; list && k < list->n; k++) {
            struct ordered o = {.slot = queue_slot(q, list->v[k])};
            if (!o.slot->dead && o.slot->count)
                td_vec_push(&order, o);
        }
    }
    plan_sort(order.v, order.n);
    for (uint32_t i = 0; i < order.n; i++) {
        const struct slot *c = order.v[i].slot;
        struct place p = {.job = c->job, .shape = c->shape, .pool = pool_of(b, c->partition)};
        uint64_t *sum = &work[p.pool];
        bool devices = b->l->shapes.v[c->shape]->nwants > 0;
        p.work = devices ? UINT64_MAX : *sum;
        td_vec_push(&b->places, p);
        *sum = c->limit_s == TD_INFINITE || devices
                   ? UINT64_MAX
                   : amount_plus(*sum, amount_times(amount_times(plan_cpus(b->l->shapes.v[c->shape]), c->limit_s), c->count));
    }
    td_vec_release(&order);
}

/* By job; heap sort, ties are candidates of one job. */
static void sift(struct place *v, uint32_t n, uint32_t i)
{
    for (uint32_t top = i;; i = top) {
        for (uint32_t k = 2 * i + 1; k <= 2 * i + 2 && k < n; k++)
            if (v[k].job > v[top].job)
                top = k;
        if (top == i)
            return;
        struct place t = v[i];
        v[i] = v[top];
        v[top] = t;
    }
}

static void sort_places(struct td_plan_bounds *b)
{
    struct place *v = b->places.v;

    for (uint32_t i = b->places.n / 2; i-- > 0;)
        sift(v, b->places.n, i);
    for (uint32_t end = b->places.n; end > 1;) {
        struct place t = v[0];
        v[0] = v[--end];
        v[end] = t;
        sift(v, end, 0);
    }
}

struct td_plan_bounds *td_plan_bounds_new(struct td_ledger *l, const struct td_queue *q, int64_t now_ms)
{
    struct td_plan_bounds *b = td_alloc(sizeof(*b));
    uint32_t most = 0;

    *b = (struct td_plan_bounds){.l = l, .now = now_ms};
    join_pools(b);
    for (uint32_t i = 0; i < l->shapes.n; i++)
        most = l->shapes.v[i] ? TD_MAX(most, l->shapes.v[i]->partition) : most;
    pool_of(b, most);
    uint64_t *work = td_alloc((b->pool_of.n + 1) * sizeof(*work));
    add_held(b, work);
    add_waiting(b, q, work);
    sort_places(b);
    td_free(work);
    return b;
}

void td_plan_bounds_destroy(struct td_plan_bounds **p)
{
    struct td_plan_bounds *b = *p;

    if (!b)
        return;
    td_vec_release(&b->places);
    td_vec_release(&b->pool_of);
    td_vec_release(&b->busy);
    td_free(b);
    *p = NULL;
}

int64_t td_plan_bound(struct td_plan_bounds *b, uint32_t job)
{
    uint32_t low = 0, high = b->places.n;
    int64_t at = TD_FOREVER;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (b->places.v[mid].job < job)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < b->places.n && b->places.v[low].job == job; low++) {
        const struct place *p = &b->places.v[low];
        uint64_t busy = busy_for(b, p->shape);
        uint64_t s = busy > 1 ? p->work / (busy - 1) : UINT64_MAX;
        if (p->work < UINT64_MAX && s < UINT32_MAX)
            at = TD_MIN(at, b->now + (int64_t)(s + 1) * 1000);
    }
    return at;
}
