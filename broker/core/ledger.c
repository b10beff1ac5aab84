/* ledger.c - what each node has
 *
 * Owns: the nodes (capacity, partitions, features), their order by weight, the interned words.
 * Knows nothing of: jobs beyond their numbers, states of nodes beyond "usable", messages, clocks.
 * A node may be set again at any time, smaller than before too: holdings stay, and what they hold beyond the new
 * capacity is simply not free. A change of capacity makes every shape look at that node again; one that changes
 * nothing (a worker registers again) costs no more than the comparison. */
#include "ledger_priv.h"

#include <string.h>

#include "plan_priv.h"

struct td_ledger *td_ledger_new(void)
{
    struct td_ledger *l = td_alloc(sizeof(*l));

    l->index = td_alloc(sizeof(*l->index));
    l->plan = plan_state_new();
    l->gpu = ledger_word(l, "gpu");
    l->oldest_idle = l->newest_idle = NO_SHAPE;
    return l;
}

static void node_release_capacity(struct node *n)
{
    for (uint32_t i = 0; i < n->nstocks; i++) {
        td_free(n->stocks[i].has);
        td_free(n->stocks[i].busy);
    }
    n->nstocks = 0;
    td_free(n->has);
    td_free(n->busy);
    td_free(n->name);
    td_free(n->features);
    td_free(n->partitions);
}

void td_ledger_destroy(struct td_ledger **p)
{
    struct td_ledger *l = *p;

    if (!l)
        return;
    for (uint32_t i = 0; i < l->nodes.n; i++) {
        struct node *n = &l->nodes.v[i];

        node_release_capacity(n);
        node_release_holdings(n);
        td_map_release(&n->by_attempt);
        td_vec_release(&n->refusals);
    }
    td_vec_release(&l->nodes);
    shapes_release(l);
    windows_release(l);
    licences_release(&l->licences);
    td_vec_release(&l->licences.promised);
    td_strmap_release(&l->words);
    td_vec_release(&l->index->node_at);
    td_vec_release(&l->index->pos_of);
    td_vec_release(&l->index->changed);
    td_vec_release(&l->index->soonest);
    td_free(l->index->open);
    td_free(l->index->devices);
    td_free(l->index);
    plan_state_destroy(&l->plan);
    td_free(l);
    *p = NULL;
}

uint32_t ledger_word(struct td_ledger *l, const char *s)
{
    if (td_str_empty(s))
        return 0;
    uintptr_t known = (uintptr_t)td_strmap_get(&l->words, s);
    if (!known) {
        known = ++l->nwords;
        td_strmap_put(&l->words, s, (void *)known);
    }
    return (uint32_t)known;
}

uint32_t ledger_find_word(const struct td_ledger *l, const char *s)
{
    return td_str_empty(s) ? 0 : (uint32_t)(uintptr_t)td_strmap_get(&l->words, s);
}

/* --- capacity -------------------------------------------------------------------------------------------------- */

/* CPUs come in cores of one size where whole cores are the unit; a mixture is left to the bids. */
static uint32_t unit_of(const struct td_ledger_node *is)
{
    const struct td_inventory *inv = is->inv;
    uint32_t unit = 0;

    if (!is->core_is_unit || !inv)
        return 1;
    for (uint32_t i = 0; i < inv->cores.n; i++) {
        uint32_t cpus = td_bits_count(inv->cores.v[i].cpus.v, inv->cores.v[i].cpus.n);

        if (unit && cpus != unit)
            return 1;
        unit = cpus;
    }
    if (!unit)
        unit = inv->threads_per_core;
    return unit ? unit : 1;
}

static struct stock *stock_at(struct node *n, uint32_t name, uint32_t type)
{
    for (uint32_t i = 0; i < n->nstocks; i++)
        if (n->stocks[i].name == name && n->stocks[i].type == type)
            return &n->stocks[i];
    if (n->nstocks == STOCKS_MAX)
        return NULL; /* GRES_KINDS bounds the message: not reached */
    struct stock *s = &n->stocks[n->nstocks++];
    *s = (struct stock){.name = name, .type = type};
    return s;
}

static void stock_set(struct stock *s, const struct td_gres_stock *is)
{
    uint32_t top = 0;

    s->total += is->count ? is->count : is->devices.n;
    for (uint32_t i = 0; i < is->devices.n; i++)
        top = TD_MAX(top, is->devices.v[i].index + 1);
    uint32_t nbytes = (top + 7) / 8;
    if (nbytes > s->nbytes) {
        s->has = td_realloc(s->has, nbytes);
        s->busy = td_realloc(s->busy, nbytes);
        memset(s->has + s->nbytes, 0, nbytes - s->nbytes);
        memset(s->busy, 0, nbytes);
        s->nbytes = nbytes;
    }
    for (uint32_t i = 0; i < is->devices.n; i++)
        td_bits_set(s->has, is->devices.v[i].index);
}

static void node_set_capacity(struct td_ledger *l, struct node *n, const struct td_ledger_node *is)
{
    const struct td_inventory *inv = is->inv;

    n->name = td_strdup(is->name ? is->name : "");
    n->features = td_strdup(inv && inv->features ? inv->features : "");
    n->core_is_unit = is->core_is_unit;
    n->memory_counts = is->memory_counts;
    n->weight = is->weight;
    n->unit = unit_of(is);
    n->npartitions = is->npartitions;
    n->partitions = td_alloc(sizeof(uint32_t) * (is->npartitions ? is->npartitions : 1));
    for (uint32_t i = 0; i < is->npartitions; i++)
        n->partitions[i] = is->partitions[i];
    n->nbytes = inv ? inv->cpus.n : 0;
    n->has = td_alloc(n->nbytes ? n->nbytes : 1);
    n->busy = td_alloc(n->nbytes ? n->nbytes : 1);
    n->total = (struct amount){0};
    if (!inv)
        return;
    if (n->nbytes)
        memcpy(n->has, inv->cpus.v, n->nbytes);
    for (uint32_t i = 0; i < inv->gres.n; i++) {
        const struct td_gres_stock *g = &inv->gres.v[i];
        struct stock *s = stock_at(n, ledger_word(l, g->name), ledger_word(l, g->type));

        if (s)
            stock_set(s, g);
    }
    n->total.cpus = td_bits_count(n->has, n->nbytes);
    n->total.mem = inv->memory_mb;
    n->total.tmp = inv->tmp_mb;
    for (uint32_t i = 0; i < n->nstocks; i++)
        n->total.gres[i] = n->stocks[i].total;
}

static bool bytes_equal(const uint8_t *a, uint32_t na, const uint8_t *b, uint32_t nb)
{
    return na == nb && (na == 0 || memcmp(a, b, na) == 0);
}

/* Same in all that shapes, timeline and order are made of? */
static bool node_same_capacity(const struct node *a, const struct node *b)
{
    if (!a->name || !td_str_equal(a->name, b->name) || !td_str_equal(a->features, b->features) ||
        a->core_is_unit != b->core_is_unit || a->memory_counts != b->memory_counts || a->weight != b->weight ||
        a->unit != b->unit || a->npartitions != b->npartitions || a->total.mem != b->total.mem ||
        a->total.tmp != b->total.tmp || a->nstocks != b->nstocks ||
        !bytes_equal(a->has, a->nbytes, b->has, b->nbytes))
        return false;
    for (uint32_t i = 0; i < a->npartitions; i++)
        if (a->partitions[i] != b->partitions[i])
            return false;
    for (uint32_t i = 0; i < a->nstocks; i++) {
        const struct stock *s = &a->stocks[i], *t = &b->stocks[i];

        if (s->name != t->name || s->type != t->type || s->total != t->total ||
            !bytes_equal(s->has, s->nbytes, t->has, t->nbytes))
            return false;
    }
    return true;
}

/* --- order ----------------------------------------------------------------------------------------------------- */

static bool goes_before(const struct td_ledger *l, uint32_t a, uint32_t b)
{
    const struct node *x = &l->nodes.v[a], *y = &l->nodes.v[b];

    return x->weight != y->weight ? x->weight < y->weight : a < b;
}

static void sift(const struct td_ledger *l, uint32_t *v, uint32_t n, uint32_t i)
{
    for (;;) {
        uint32_t top = i;

        for (uint32_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++)
            if (goes_before(l, v[top], v[c]))
                top = c;
        if (top == i)
            return;
        uint32_t t = v[i];
        v[i] = v[top];
        v[top] = t;
        i = top;
    }
}

static void set_open(const struct td_ledger *l, struct node_index *x, uint32_t node)
{
    const struct node *n = &l->nodes.v[node];
    uint32_t pos = x->pos_of.v[node];
    uint64_t bit = (uint64_t)1 << (pos % 64);

    if (n->name && n->usable && n->free.cpus >= n->unit && n->free.cpus > 0)
        x->open[pos / 64] |= bit;
    else
        x->open[pos / 64] &= ~bit;
}

const struct node_index *ledger_index(const struct td_ledger *l)
{
    struct node_index *x = l->index;
    uint32_t n = l->nodes.n;

    if (x->ordered)
        return x;
    td_vec_reserve(&x->node_at, n + 1);
    td_vec_reserve(&x->pos_of, n + 1);
    x->node_at.n = x->pos_of.n = n;
    for (uint32_t i = 0; i < n; i++)
        x->node_at.v[i] = i;
    for (uint32_t i = n / 2; i-- > 0;)
        sift(l, x->node_at.v, n, i);
    for (uint32_t end = n; end > 1;) {
        uint32_t t = x->node_at.v[0];

        x->node_at.v[0] = x->node_at.v[--end];
        x->node_at.v[end] = t;
        sift(l, x->node_at.v, end, 0);
    }
    x->nwords = (n + 63) / 64;
    x->open = td_realloc(x->open, sizeof(uint64_t) * (x->nwords + 1));
    memset(x->open, 0, sizeof(uint64_t) * (x->nwords + 1));
    for (uint32_t i = 0; i < n; i++)
        x->pos_of.v[x->node_at.v[i]] = i;
    for (uint32_t i = 0; i < n; i++)
        set_open(l, x, i);
    x->changed.n = 0;
    x->era++;
    x->ordered = true;
    return x;
}

void ledger_reopen(struct td_ledger *l, uint32_t node)
{
    if (l->index->ordered)
        set_open(l, l->index, node);
}

static void note_change(struct td_ledger *l, uint32_t node)
{
    struct node_index *x = l->index;

    if (!x->ordered)
        return; /* the next era begins anyway */
    if (x->changed.n > 2 * l->nodes.n + 64)
        x->ordered = false; /* cheaper to begin again than to remember every change for ever */
    else
        td_vec_push(&x->changed, node);
}

/* --- setting --------------------------------------------------------------------------------------------------- */

/* A new node goes to the last place, which is where it belongs unless its weight says otherwise. */
static void append_place(struct td_ledger *l)
{
    struct node_index *x = l->index;
    uint32_t node = l->nodes.n - 1, nwords = (l->nodes.n + 63) / 64;

    if (!x->ordered)
        return;
    if (nwords > x->nwords) {
        x->open = td_realloc(x->open, sizeof(uint64_t) * (nwords + 1));
        memset(x->open + x->nwords, 0, sizeof(uint64_t) * (nwords + 1 - x->nwords));
        x->nwords = nwords;
    }
    td_vec_push(&x->node_at, node);
    td_vec_push(&x->pos_of, node);
}

static struct node *node_at(struct td_ledger *l, uint32_t node)
{
    TD_ASSERT(node < TD_MAX_NODES);
    while (l->nodes.n <= node) {
        struct node fresh = {.unit = 1, .sorted = true};

        td_vec_push(&l->nodes, fresh);
        td_vec_push(&l->index->soonest, TD_FOREVER);
        append_place(l);
    }
    return &l->nodes.v[node];
}

static bool is_out_of_place(const struct td_ledger *l, uint32_t node)
{
    const struct node_index *x = l->index;
    uint32_t pos = x->pos_of.v[node];

    return (pos > 0 && goes_before(l, node, x->node_at.v[pos - 1])) ||
           (pos + 1 < x->node_at.n && goes_before(l, x->node_at.v[pos + 1], node));
}

void td_ledger_set_node(struct td_ledger *l, uint32_t node, const struct td_ledger_node *is)
{
    struct node *n = node_at(l, node);
    struct node next = {0};

    node_set_capacity(l, &next, is);
    bool same = node_same_capacity(n, &next);
    if (!same || n->version != is->version)
        td_ledger_forget_refusals(l, node);
    n->version = is->version;
    n->usable = is->usable;
    if (same) {
        node_release_capacity(&next);
        ledger_reopen(l, node);
        return;
    }
    next.version = n->version;
    next.usable = n->usable;
    next.sorted = n->sorted;
    next.ends.v = n->ends.v;
    next.ends.cap = n->ends.cap;
    next.holdings.v = n->holdings.v;
    next.holdings.n = n->holdings.n;
    next.holdings.cap = n->holdings.cap;
    next.by_attempt = n->by_attempt;
    next.refusals.v = n->refusals.v;
    next.refusals.n = n->refusals.n;
    next.refusals.cap = n->refusals.cap;
    node_release_capacity(n);
    *n = next;
    node_recount(l, n);
    plan_forget_node(l->plan, node);
    if (l->index->ordered && is_out_of_place(l, node))
        l->index->ordered = false;
    note_change(l, node);
    ledger_reopen(l, node);
}

void ledger_look_again(struct td_ledger *l)
{
    l->index->era++;
}

void td_ledger_set_usable(struct td_ledger *l, uint32_t node, bool usable)
{
    node_at(l, node)->usable = usable;
    ledger_reopen(l, node);
}

uint32_t td_ledger_nodes(const struct td_ledger *l)
{
    return l->nodes.n;
}

void td_ledger_get_free(const struct td_ledger *l, uint32_t node, struct td_ledger_free *ret)
{
    *ret = (struct td_ledger_free){0};
    if (node >= l->nodes.n)
        return;
    const struct node *n = &l->nodes.v[node];
    ret->cpus = n->free.cpus;
    ret->cpus_total = n->total.cpus;
    ret->holdings = n->holdings.n;
    ret->memory_total_mb = n->total.mem;
    ret->memory_mb = n->total.mem - TD_MIN(n->total.mem, n->mem_held);
    ret->tmp_mb = n->free.tmp;
}
