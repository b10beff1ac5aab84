/* ledger_hold.c - who holds what of a node, until when
 *
 * Owns: struct holding, the busy bitmaps and free counts of a node.
 * Invariants (td_ledger_check): a CPU and a device are busy through at most one holding; free = total - held, never
 * below zero; an attempt has one holding on a node.
 * What a holding names is kept as it was given: when the inventory shrinks and grows again under it (a worker came
 * back with other devices), what it holds is found again. take therefore asserts only that nothing overlaps; that the
 * things exist is the question of td_ledger_covers, asked before an award and not in replay. */
#include "ledger_priv.h"

#include <string.h>

#include "plan_priv.h"

static uint32_t stock_of(const struct node *n, uint32_t name, uint32_t type)
{
    for (uint32_t i = 0; i < n->nstocks; i++)
        if (n->stocks[i].name == name && n->stocks[i].type == type)
            return i;
    return NO_STOCK;
}

static bool bit_overlap(const uint8_t *a, uint32_t na, struct td_bin b)
{
    return td_bits_overlap((struct td_bin){a, na}, b);
}

/* Devices of `wanted` that stock s has, as a count. */
static uint32_t common(const struct stock *s, struct td_bin wanted)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->nbytes && i < wanted.n; i++) {
        uint8_t both = s->has[i] & wanted.v[i];

        n += (uint32_t)__builtin_popcount(both);
    }
    return n;
}

static uint64_t gres_count(const struct td_gres_held *g)
{
    uint32_t devices = td_bits_count(g->devices.v, g->devices.n);

    return g->count ? g->count : devices;
}

/* --- where a request for devices lies ---------------------------------------------------------------------------- */

/* One part of a placement's devices, on one stock. A type left open is spread over the models that have the devices
 * named, or, when they are only counted, over the first that have room. */
struct part {
    uint32_t stock;
    uint64_t count;
};

static uint32_t parts_of(const struct td_ledger *l, const struct node *n, const struct td_gres_held *g,
                         const struct amount *room, struct part parts[STOCKS_MAX])
{
    uint32_t name = ledger_find_word(l, g->name), type = ledger_find_word(l, g->type), nparts = 0;
    uint64_t left = gres_count(g);

    if (!name)
        return 0;
    for (uint32_t i = 0; i < n->nstocks && left; i++) {
        const struct stock *s = &n->stocks[i];

        if (s->name != name || (!td_str_empty(g->type) && s->type != type))
            continue;
        uint64_t here = g->devices.n && s->nbytes ? common(s, g->devices) : TD_MIN(left, room->gres[i]);
        if (g->devices.n && s->nbytes && s->total > td_bits_count(s->has, s->nbytes))
            here = TD_MIN(left, room->gres[i]); /* shares of devices: counted, the bitmap only says where */
        here = TD_MIN(here, left);
        if (here)
            parts[nparts++] = (struct part){i, here};
        left -= here;
    }
    return left ? 0 : nparts;
}

static bool is_shared(const struct stock *s)
{
    return s->total > td_bits_count(s->has, s->nbytes);
}

bool node_amount_of(const struct td_ledger *l, const struct node *n, const struct td_placement *p, struct amount *ret)
{
    struct amount room = n->total;

    *ret = (struct amount){.cpus = td_bits_count(p->cpus.v, p->cpus.n),
                           .mem = n->memory_counts ? p->memory_mb : 0,
                           .tmp = p->tmp_mb};
    for (uint32_t i = 0; i < n->nstocks; i++)
        room.gres[i] = n->free.gres[i];
    for (uint32_t i = 0; i < p->gres.n; i++) {
        struct part parts[STOCKS_MAX];
        const struct td_gres_held *g = &p->gres.v[i];
        uint32_t nparts = parts_of(l, n, g, &room, parts);

        if (!nparts && gres_count(g))
            return false;
        for (uint32_t k = 0; k < nparts; k++) {
            ret->gres[parts[k].stock] += parts[k].count;
            room.gres[parts[k].stock] -= TD_MIN(room.gres[parts[k].stock], parts[k].count);
        }
    }
    return true;
}

/* Devices must be named where the stock has them one by one, exist, be free, and be as many as counted. */
static bool devices_cover(const struct td_ledger *l, const struct node *n, const struct td_gres_held *g)
{
    struct part parts[STOCKS_MAX];
    uint32_t nparts = parts_of(l, n, g, &n->free, parts);
    uint64_t named = td_bits_count(g->devices.v, g->devices.n), found = 0;
    bool concrete = false;

    if (!nparts)
        return gres_count(g) == 0;
    for (uint32_t k = 0; k < nparts; k++) {
        const struct stock *s = &n->stocks[parts[k].stock];

        if (!s->nbytes || is_shared(s))
            continue;
        concrete = true;
        found += common(s, g->devices);
        if (bit_overlap(s->busy, s->nbytes, g->devices))
            return false;
    }
    return !concrete || (found == named && named == gres_count(g));
}

bool td_ledger_covers(const struct td_ledger *l, uint32_t node, const struct td_placement *p)
{
    struct amount a;

    if (node >= l->nodes.n)
        return false;
    const struct node *n = &l->nodes.v[node];
    if (!n->name || !td_bits_covers((struct td_bin){n->has, n->nbytes}, p->cpus) ||
        bit_overlap(n->busy, n->nbytes, p->cpus))
        return false;
    for (uint32_t i = 0; i < p->gres.n; i++) {
        if (!devices_cover(l, n, &p->gres.v[i]))
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (td_str_equal(p->gres.v[i].name, p->gres.v[k].name) &&
                td_bits_overlap(p->gres.v[i].devices, p->gres.v[k].devices))
                return false;
    }
    return node_amount_of(l, n, p, &a) && amount_covers(&n->free, &a, n->nstocks);
}

/* --- marking ----------------------------------------------------------------------------------------------------- */

static void bits_mark(uint8_t *busy, uint32_t nbytes, struct td_bin which, bool on)
{
    uint32_t n = TD_MIN(nbytes, which.n);

    if (on)
        for (uint32_t i = 0; i < n; i++)
            busy[i] |= which.v[i];
    else
        for (uint32_t i = 0; i < n; i++)
            busy[i] = (uint8_t)(busy[i] & ~which.v[i]);
}

static void node_count_free(struct node *n)
{
    n->free.cpus = td_bits_count_without(n->has, n->busy, n->nbytes);
    n->free.mem = n->memory_counts ? n->total.mem - TD_MIN(n->total.mem, n->mem_held) : n->total.mem;
    n->free.tmp = n->total.tmp - TD_MIN(n->total.tmp, n->tmp_held);
    for (uint32_t i = 0; i < n->nstocks; i++) {
        const struct stock *s = &n->stocks[i];

        n->free.gres[i] = s->total - TD_MIN(s->total, s->held);
    }
}

/* Marks or clears what h holds, without the free counts. */
static void node_mark(struct node *n, const struct holding *h, bool on)
{
    bits_mark(n->busy, n->nbytes, h->cpus, on);
    n->mem_held = on ? n->mem_held + h->mem : n->mem_held - h->mem;
    n->tmp_held = on ? n->tmp_held + h->tmp : n->tmp_held - h->tmp;
    for (uint32_t i = 0; i < h->ngres; i++) {
        const struct held_gres *g = &h->gres[i];

        if (g->stock == NO_STOCK)
            continue;
        struct stock *s = &n->stocks[g->stock];
        s->held = on ? s->held + g->count : s->held - g->count;
        if (!is_shared(s))
            bits_mark(s->busy, s->nbytes, g->devices, on);
    }
}

void node_recount(struct td_ledger *l, struct node *n)
{
    memset(n->busy, 0, n->nbytes);
    n->mem_held = n->tmp_held = 0;
    for (uint32_t i = 0; i < n->nstocks; i++) {
        n->stocks[i].held = 0;
        for (uint32_t k = 0; k < n->stocks[i].nbytes; k++)
            n->stocks[i].busy[k] = 0;
    }
    for (uint32_t i = 0; i < n->holdings.n; i++) {
        struct holding *h = n->holdings.v[i];

        for (uint32_t k = 0; k < h->ngres; k++)
            h->gres[k].stock = stock_of(n, h->gres[k].name, h->gres[k].type);
        node_mark(n, h, true);
    }
    node_count_free(n);
    ledger_reopen(l, (uint32_t)(n - l->nodes.v));
}

/* --- take and give ----------------------------------------------------------------------------------------------- */

static void assert_no_overlap(const struct node *n, const struct holding *h)
{
    TD_ASSERT(!bit_overlap(n->busy, n->nbytes, h->cpus));
    for (uint32_t i = 0; i < h->ngres; i++) {
        if (h->gres[i].stock == NO_STOCK)
            continue;
        const struct stock *s = &n->stocks[h->gres[i].stock];
        TD_ASSERT(is_shared(s) || !bit_overlap(s->busy, s->nbytes, h->gres[i].devices));
    }
}

static uint64_t attempt_key(uint32_t job, uint32_t attempt)
{
    return (uint64_t)job << 32 | attempt;
}

/* Bits of `which` that stock s has; all of them when the stock does not name its devices. */
static void copy_devices(uint8_t *to, struct td_bin which, const struct stock *s)
{
    for (uint32_t i = 0; i < which.n; i++)
        to[i] = !s || !s->nbytes ? which.v[i] : i < s->nbytes ? (uint8_t)(which.v[i] & s->has[i]) : 0;
}

static struct holding *holding_new(struct td_ledger *l, const struct node *n, const struct td_placement *p)
{
    size_t bytes = p->cpus.n, nparts = 0;

    for (uint32_t i = 0; i < p->gres.n; i++) {
        size_t most = td_str_empty(p->gres.v[i].type) ? TD_MAX(n->nstocks, 1u) : 1;

        bytes += p->gres.v[i].devices.n * most;
        nparts += most;
    }
    struct holding *h = td_alloc(sizeof(*h) + nparts * sizeof(h->gres[0]) + bytes);
    uint8_t *at = (uint8_t *)(h->gres + nparts);
    struct amount room = n->free;

    h->mem = p->memory_mb;
    h->tmp = p->tmp_mb;
    h->ncpus = td_bits_count(p->cpus.v, p->cpus.n);
    if (p->cpus.n)
        memcpy(at, p->cpus.v, p->cpus.n);
    h->cpus = (struct td_bin){at, p->cpus.n};
    at += p->cpus.n;
    for (uint32_t i = 0; i < p->gres.n; i++) {
        const struct td_gres_held *g = &p->gres.v[i];
        struct part parts[STOCKS_MAX];
        uint32_t n_parts = parts_of(l, n, g, &room, parts);

        for (uint32_t k = 0; k < TD_MAX(n_parts, 1u); k++) {
            const struct stock *s = n_parts ? &n->stocks[parts[k].stock] : NULL;
            struct held_gres *to = &h->gres[h->ngres++];

            to->name = s ? s->name : ledger_word(l, g->name);
            to->type = s ? s->type : ledger_word(l, g->type);
            to->stock = s ? parts[k].stock : NO_STOCK;
            to->count = s ? parts[k].count : gres_count(g);
            copy_devices(at, g->devices, s);
            to->devices = (struct td_bin){at, g->devices.n};
            at += g->devices.n;
            if (s)
                room.gres[parts[k].stock] -= TD_MIN(room.gres[parts[k].stock], parts[k].count);
        }
    }
    return h;
}

static void note_end(struct td_ledger *l, uint32_t node, int64_t until)
{
    int64_t *soonest = &l->index->soonest.v[node];

    *soonest = TD_MIN(*soonest, TD_MIN(until, OPEN_END));
}

void td_ledger_take(struct td_ledger *l, uint32_t node, uint32_t job, uint32_t attempt, const struct td_placement *p,
                    int64_t until)
{
    TD_ASSERT(node < l->nodes.n);
    struct node *n = &l->nodes.v[node];
    TD_ASSERT(td_map_get(&n->by_attempt, attempt_key(job, attempt)) == NULL);

    struct holding *h = holding_new(l, n, p);
    h->job = job;
    h->attempt = attempt;
    h->until = until;
    assert_no_overlap(n, h);
    node_mark(n, h, true);
    node_count_free(n);
    if (n->holdings.n && n->holdings.v[n->holdings.n - 1]->until > until)
        n->sorted = false;
    n->listed = false;
    td_vec_push(&n->holdings, h);
    td_map_put(&n->by_attempt, attempt_key(job, attempt), h);
    note_end(l, node, until);
    plan_holding_taken(l, node, h);
    ledger_reopen(l, node);
}

void td_ledger_give(struct td_ledger *l, uint32_t node, uint32_t job, uint32_t attempt)
{
    TD_ASSERT(node < l->nodes.n);
    struct node *n = &l->nodes.v[node];
    struct holding *h = td_map_del(&n->by_attempt, attempt_key(job, attempt));
    uint32_t i = 0;

    TD_ASSERT(h != NULL);
    while (n->holdings.v[i] != h)
        i++;
    n->holdings.n--;
    n->listed = false;
    memmove(&n->holdings.v[i], &n->holdings.v[i + 1], sizeof(n->holdings.v[0]) * (n->holdings.n - i));
    plan_holding_given(l, node, h);
    node_mark(n, h, false);
    node_count_free(n);
    td_free(h);
    td_ledger_forget_refusals(l, node);
    ledger_reopen(l, node);
}

void td_ledger_set_until(struct td_ledger *l, uint32_t node, uint32_t job, uint32_t attempt, int64_t until)
{
    TD_ASSERT(node < l->nodes.n);
    struct node *n = &l->nodes.v[node];
    struct holding *h = td_map_get(&n->by_attempt, attempt_key(job, attempt));

    TD_ASSERT(h != NULL);
    h->until = until;
    licences_set_until(l, job, attempt, until);
    plan_holdings_changed(l, node);
    n->sorted = n->listed = false;
    note_end(l, node, until);
}

void td_ledger_foretell(struct td_ledger *l, uint32_t node, uint32_t job, uint32_t attempt, int64_t since, uint32_t run_s)
{
    TD_ASSERT(node < l->nodes.n);
    struct holding *h = td_map_get(&l->nodes.v[node].by_attempt, attempt_key(job, attempt));

    TD_ASSERT(h != NULL);
    h->since = since;
    h->run_s = run_s;
}

void node_sort_holdings(struct td_ledger *l, struct node *n)
{
    /* Ties end in job and attempt, so that the order does not depend on history. Insertion sort: nearly sorted. */
    for (uint32_t i = n->sorted ? n->holdings.n : 1; i < n->holdings.n; i++) {
        struct holding *h = n->holdings.v[i];
        uint32_t k = i;

        for (; k > 0; k--) {
            const struct holding *o = n->holdings.v[k - 1];

            if (o->until < h->until || (o->until == h->until && attempt_key(o->job, o->attempt) <=
                                                                    attempt_key(h->job, h->attempt)))
                break;
            n->holdings.v[k] = n->holdings.v[k - 1];
        }
        n->holdings.v[k] = h;
    }
    n->sorted = true;
    if (n->listed)
        return;
    td_vec_reserve(&n->ends, n->holdings.n);
    for (uint32_t i = 0; i < n->holdings.n; i++)
        n->ends.v[i] = (struct held_end){n->holdings.v[i]->until, n->holdings.v[i]->ncpus};
    n->ends.n = n->holdings.n;
    n->listed = true;
    l->index->soonest.v[n - l->nodes.v] = n->holdings.n ? TD_MIN(n->holdings.v[0]->until, OPEN_END) : TD_FOREVER;
}

void holding_add_to(const struct holding *h, const struct node *n, struct amount *a)
{
    a->cpus = TD_MIN(a->cpus + h->ncpus, n->total.cpus);
    if (n->memory_counts)
        a->mem = TD_MIN(a->mem + h->mem, n->total.mem);
    a->tmp = TD_MIN(a->tmp + h->tmp, n->total.tmp);
    for (uint32_t i = 0; i < h->ngres; i++) {
        uint32_t s = h->gres[i].stock;

        if (s != NO_STOCK)
            a->gres[s] = TD_MIN(a->gres[s] + h->gres[i].count, n->total.gres[s]);
    }
}

void node_release_holdings(struct node *n)
{
    for (uint32_t i = 0; i < n->holdings.n; i++)
        td_free(n->holdings.v[i]);
    td_vec_release(&n->holdings);
    td_vec_release(&n->ends);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

uint64_t td_ledger_gres_held(const struct td_ledger *l, uint32_t node, const char *name, const char *type,
                             struct td_bin *ret_devices)
{
    uint32_t w = ledger_find_word(l, name), t = ledger_find_word(l, type), top = 0;
    uint64_t held = 0;

    if (ret_devices)
        *ret_devices = (struct td_bin){0};
    if (node >= l->nodes.n || !w)
        return 0;
    const struct node *n = &l->nodes.v[node];
    uint8_t *bits = l->index->devices = td_realloc(l->index->devices, TD_MAX_CPU_BYTES);
    memset(bits, 0, TD_MAX_CPU_BYTES);
    for (uint32_t i = 0; i < n->nstocks; i++) {
        const struct stock *s = &n->stocks[i];

        if (s->name != w || (!td_str_empty(type) && s->type != t))
            continue;
        held += s->held;
        for (uint32_t k = 0; k < s->nbytes && k < TD_MAX_CPU_BYTES; k++)
            bits[k] |= s->busy[k];
        top = TD_MAX(top, TD_MIN(s->nbytes, (uint32_t)TD_MAX_CPU_BYTES));
    }
    if (ret_devices)
        *ret_devices = (struct td_bin){bits, top}; /* borrowed until the next call */
    return held;
}
