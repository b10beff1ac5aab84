/* shape.c - shapes: interned requests, and which nodes could hold them
 *
 * Owns: struct shape, the cache of eligible nodes, the remembered refusals.
 * A shape is compiled once into numbers (wants). Its eligible nodes are a bitmap over places in the node order; it is
 * brought up to date by the list of changed nodes, or made anew when places moved (era).
 * Bounded (law 7): a shape lives while it is held, and a few that nobody holds any more live on, the last ones dropped,
 * with what their nodes refused. The others go, their refusals with them, and their numbers are free. */
#include "ledger_priv.h"

#include <string.h>

#include "pack.h"
#include "plan_priv.h"

/* Compiling one and looking at every node again is what this saves; under 2 KB each with 10,000 nodes. */
#define IDLE_SHAPES_MAX 256

/* --- interning --------------------------------------------------------------------------------------------------- */

static uint64_t mix_needs(uint64_t h, const struct td_gres_need_list *needs)
{
    h = td_mix_u64(h, needs->n);
    for (uint32_t i = 0; i < needs->n; i++) {
        h = td_mix_str(h, needs->v[i].name);
        h = td_mix_str(h, needs->v[i].type);
        h = td_mix_u64(h, needs->v[i].count);
    }
    return h;
}

static uint64_t shape_hash(const struct td_shape *s, uint32_t partition)
{
    uint64_t h = td_mix_u64(partition, s->tasks_min);

    h = td_mix_u64(h, (uint64_t)s->tasks_max << 32 | s->cpus_per_task);
    h = td_mix_u64(h, s->mem_mb);
    h = td_mix_u64(h, s->mem_mb_per_cpu);
    h = td_mix_u64(h, (uint64_t)s->nodes_min << 32 | s->nodes_max);
    h = td_mix_u64(h, s->ntasks);
    h = mix_needs(h, &s->gres);
    h = mix_needs(h, &s->gres_task);
    h = mix_needs(h, &s->gres_job);
    h = td_mix_str(h, s->features);
    h = td_mix_str(h, s->reservation);
    h = td_mix_str(h, s->licenses);
    h = td_mix_str(h, s->req_nodes);
    return td_mix_str(h, s->exc_nodes);
}

static uint32_t want_word(const struct td_ledger *l, struct shape *s, const char *text)
{
    uint32_t word = ledger_find_word(l, text);

    if (word || td_str_empty(text))
        return word;
    s->strange = true;
    return NO_WORD;
}

static void want_add(const struct td_ledger *l, struct shape *s, const struct td_gres_need *g, struct want more)
{
    uint32_t name = want_word(l, s, g->name), type = want_word(l, s, g->type), at = s->nwants;

    if (!name || (!more.node && !more.task && !more.share))
        return;
    if (name == l->gpu) {
        s->gpus_node = amount_plus(s->gpus_node, more.node);
        s->gpus_task = amount_plus(s->gpus_task, more.task);
        s->gpus_share = amount_plus(s->gpus_share, more.share);
    }
    for (uint32_t i = 0; i < s->nwants; i++)
        if (s->wants[i].name == name && s->wants[i].type == type) {
            s->wants[i].node = amount_plus(s->wants[i].node, more.node);
            s->wants[i].task = amount_plus(s->wants[i].task, more.task);
            s->wants[i].share = amount_plus(s->wants[i].share, more.share);
            return;
        }
    s->nwants++;
    if (type) /* typed ones first: open ones take what they leave */
        for (; at > 0 && s->wants[at - 1].type == 0; at--)
            s->wants[at] = s->wants[at - 1];
    more.name = name;
    more.type = type;
    s->wants[at] = more;
}

/* A part of a job on several nodes is counted in tasks, or in the devices that its nodes share where it has such. */
static void shape_compile(const struct td_ledger *l, struct shape *s)
{
    const struct td_shape *is = &s->is;

    s->words = l->nwords;
    s->strange = false;
    s->nwants = 0;
    s->gpus_node = s->gpus_task = s->gpus_share = 0;
    s->nodes_min = TD_MAX(is->nodes_min, 1u);
    s->nodes_max = TD_MAX(is->nodes_max, s->nodes_min);
    s->multi = s->nodes_max > 1;
    s->cpus_per_task = TD_MAX(is->cpus_per_task, 1u);
    s->tasks_min = TD_MAX(is->tasks_min, 1u);
    s->tasks_max = TD_MAX(is->tasks_max, s->tasks_min);
    if (s->multi && is->ntasks == 0)
        s->tasks_max = s->tasks_min; /* equal parts */
    s->tasks = s->tasks_max;
    s->part_min = s->tasks_min;
    s->part_max = s->tasks_max;
    s->whole = is->ntasks;
    s->shared = s->multi && td_shape_shared(is) > 0;
    if (s->shared) {
        s->whole = (uint32_t)td_shape_shared(is);
        s->part_min = 1;
        s->part_max = s->whole > s->nodes_min ? s->whole - (s->nodes_min - 1) : 1;
    }
    for (uint32_t i = 0; i < is->gres.n; i++)
        want_add(l, s, &is->gres.v[i], (struct want){.node = is->gres.v[i].count});
    for (uint32_t i = 0; i < is->gres_task.n; i++)
        want_add(l, s, &is->gres_task.v[i], (struct want){.task = is->gres_task.v[i].count});
    for (uint32_t i = 0; i < is->gres_job.n; i++)
        want_add(l, s, &is->gres_job.v[i],
                 s->shared ? (struct want){.share = 1} : (struct want){.node = is->gres_job.v[i].count});
}

static struct shape *shape_at(const struct td_ledger *l, uint32_t shape)
{
    TD_ASSERT(shape < l->shapes.n && l->shapes.v[shape]);
    return l->shapes.v[shape];
}

/* One block: the shape, its wants, then the strings and lists of the request. */
static struct shape *shape_new(const struct td_ledger *l, const struct td_shape *is)
{
    size_t wants = sizeof(struct want) * (is->gres.n + is->gres_task.n + is->gres_job.n + 1);
    struct shape *s = td_alloc(sizeof(*s) + wants + core_pack_extra(&td_rec_shape, is));

    s->wants = (struct want *)(s + 1);
    core_pack_into(&td_rec_shape, is, &s->is, (uint8_t *)s->wants + wants);
    s->older = s->newer = NO_SHAPE;
    shape_compile(l, s);
    return s;
}

static void shape_free(struct shape *s)
{
    if (!s)
        return;
    td_free(s->eligible);
    td_free(s->refused);
    td_free(s->licences);
    td_free(s);
}

static uint32_t shape_number(struct td_ledger *l)
{
    if (l->free_shapes.n)
        return l->free_shapes.v[--l->free_shapes.n];
    td_vec_push(&l->shapes, (struct shape *)NULL);
    td_vec_push(&l->shape_next, 0u);
    return l->shapes.n - 1;
}

static void idle_join(struct td_ledger *l, uint32_t shape)
{
    struct shape *s = shape_at(l, shape);

    s->older = l->newest_idle;
    s->newer = NO_SHAPE;
    if (s->older != NO_SHAPE)
        l->shapes.v[s->older]->newer = shape;
    else
        l->oldest_idle = shape;
    l->newest_idle = shape;
    l->nidle++;
}

static void idle_leave(struct td_ledger *l, struct shape *s)
{
    if (s->older != NO_SHAPE)
        l->shapes.v[s->older]->newer = s->newer;
    else
        l->oldest_idle = s->newer;
    if (s->newer != NO_SHAPE)
        l->shapes.v[s->newer]->older = s->older;
    else
        l->newest_idle = s->older;
    s->older = s->newer = NO_SHAPE;
    l->nidle--;
}

static void forget_refusals_of(struct td_ledger *l, uint32_t shape)
{
    const struct shape *s = shape_at(l, shape);

    for (int64_t node = td_bits_next(s->refused, s->refused_bytes, 0); node >= 0 && s->nrefused;
         node = td_bits_next(s->refused, s->refused_bytes, (uint32_t)node + 1)) {
        struct node *n = &l->nodes.v[node];
        uint32_t k = 0;

        for (uint32_t i = 0; i < n->refusals.n; i++)
            if (n->refusals.v[i].shape != shape)
                n->refusals.v[k++] = n->refusals.v[i];
        n->refusals.n = k;
    }
}

static void shape_forget(struct td_ledger *l, uint32_t shape)
{
    struct shape *s = shape_at(l, shape);
    uint32_t first = (uint32_t)(uintptr_t)td_map_get(&l->shape_by_hash, s->hash), *at = &first;

    TD_ASSERT(s->holds == 0);
    idle_leave(l, s);
    forget_refusals_of(l, shape);
    plan_forget_shape(l->plan, shape);
    while (*at != shape + 1)
        at = &l->shape_next.v[*at - 1];
    *at = l->shape_next.v[shape];
    if (first)
        td_map_put(&l->shape_by_hash, s->hash, (void *)(uintptr_t)first);
    else
        td_map_del(&l->shape_by_hash, s->hash);
    l->shapes.v[shape] = NULL;
    td_vec_push(&l->free_shapes, shape);
    shape_free(s);
}

uint32_t td_ledger_shape(struct td_ledger *l, const struct td_shape *is, uint32_t partition)
{
    uint64_t hash = shape_hash(is, partition);
    uint32_t first = (uint32_t)(uintptr_t)td_map_get(&l->shape_by_hash, hash);

    for (uint32_t i = first; i; i = l->shape_next.v[i - 1]) {
        const struct shape *s = l->shapes.v[i - 1];

        if (s->partition == partition && td_record_equal(&td_rec_shape, &s->is, is)) {
            td_ledger_hold_shape(l, i - 1);
            return i - 1;
        }
    }
    struct shape *s = shape_new(l, is);
    s->apart = !td_str_empty(is->reservation);
    licences_compile(l, s);
    s->partition = partition;
    s->hash = hash;
    s->holds = 1;
    uint32_t no = shape_number(l);
    l->shapes.v[no] = s;
    l->shape_next.v[no] = first;
    td_map_put(&l->shape_by_hash, hash, (void *)(uintptr_t)(no + 1));
    return no;
}

void td_ledger_hold_shape(struct td_ledger *l, uint32_t shape)
{
    struct shape *s = shape_at(l, shape);

    if (s->holds++ == 0)
        idle_leave(l, s);
}

void td_ledger_drop_shape(struct td_ledger *l, uint32_t shape)
{
    struct shape *s = shape_at(l, shape);

    TD_ASSERT(s->holds > 0);
    if (--s->holds > 0)
        return;
    idle_join(l, shape);
    if (l->nidle > IDLE_SHAPES_MAX)
        shape_forget(l, l->oldest_idle);
}

const struct td_shape *td_ledger_get_shape(const struct td_ledger *l, uint32_t shape)
{
    return &shape_at(l, shape)->is;
}

uint32_t td_ledger_shapes(const struct td_ledger *l)
{
    return l->shapes.n;
}

uint32_t td_ledger_shapes_kept(const struct td_ledger *l)
{
    return l->shapes.n - l->free_shapes.n;
}

void shapes_release(struct td_ledger *l)
{
    for (uint32_t i = 0; i < l->shapes.n; i++)
        shape_free(l->shapes.v[i]);
    td_vec_release(&l->shapes);
    td_vec_release(&l->shape_next);
    td_vec_release(&l->free_shapes);
    td_map_release(&l->shape_by_hash);
}

bool shapes_check(const struct td_ledger *l, struct td_error *err)
{
    uint32_t unheld = 0, listed = 0, free_numbers = 0;

    for (uint32_t i = 0; i < l->shapes.n; i++) {
        free_numbers += l->shapes.v[i] == NULL;
        unheld += l->shapes.v[i] && l->shapes.v[i]->holds == 0;
    }
    for (uint32_t i = l->oldest_idle; i != NO_SHAPE && listed <= unheld; i = l->shapes.v[i]->newer)
        listed++;
    if (unheld != l->nidle || listed != l->nidle || free_numbers != l->free_shapes.n)
        return td_fail(err, TD_E_INTERNAL, "shapes: %u that nobody holds, counted %u, listed %u; %u numbers free, listed %u",
                       unheld, l->nidle, listed, free_numbers, l->free_shapes.n), false;
    return true;
}

/* --- eligibility ------------------------------------------------------------------------------------------------- */

static void look_at(const struct td_ledger *l, struct shape *s, uint32_t node, uint32_t *furthest)
{
    const struct node *n = &l->nodes.v[node];
    uint32_t pos = l->index->pos_of.v[node], step = 0;
    uint64_t bit = (uint64_t)1 << (pos % 64);
    uint32_t why = n->name ? shape_match(s, n, &step) : TD_REFUSAL_PARTITION;

    if (why == TD_REFUSAL_NONE && !window_has(l, s->is.reservation, n))
        why = TD_REFUSAL_NAME;

    if (s->eligible[pos / 64] & bit) {
        s->eligible[pos / 64] &= ~bit;
        s->neligible--;
    }
    if (why == TD_REFUSAL_NONE) {
        s->eligible[pos / 64] |= bit;
        s->neligible++;
        if (s->multi)
            s->part_best = TD_MAX(s->part_best, shape_fit_part(s, n, &n->total));
    } else if (step >= *furthest) {
        *furthest = step;
        s->refusal = why;
    }
}

void shape_refresh(const struct td_ledger *l, struct shape *s)
{
    const struct node_index *x = ledger_index(l);
    uint32_t furthest = 0;

    if (s->strange && s->words != l->nwords) { /* a node may have brought what it wants */
        shape_compile(l, s);
        s->era = 0;
    }
    if (s->era == x->era && s->changes == x->changed.n)
        return;
    if (s->nwords < x->nwords && s->era == x->era) { /* nodes were added at the end */
        s->eligible = td_realloc(s->eligible, sizeof(uint64_t) * (x->nwords + 1));
        memset(s->eligible + s->nwords, 0, sizeof(uint64_t) * (x->nwords + 1 - s->nwords));
        s->nwords = x->nwords;
    }
    if (s->era != x->era || x->changed.n - s->changes > l->nodes.n / 2) {
        s->eligible = td_realloc(s->eligible, sizeof(uint64_t) * (x->nwords + 1));
        memset(s->eligible, 0, sizeof(uint64_t) * (x->nwords + 1));
        s->nwords = x->nwords;
        s->neligible = s->part_best = 0;
        s->refusal = TD_REFUSAL_PARTITION;
        for (uint32_t i = 0; i < l->nodes.n; i++)
            look_at(l, s, i, &furthest);
    } else {
        for (uint32_t i = s->changes; i < x->changed.n; i++)
            look_at(l, s, x->changed.v[i], &furthest);
    }
    s->era = x->era;
    s->changes = x->changed.n;
}

/* What the eligible nodes could hold together of a job on several of them, were they empty. The largest nodes first. */
static uint64_t shape_together(const struct td_ledger *l, const struct shape *s)
{
    uint64_t sum = 0;
    uint32_t used = 0;
    uint32_t *histogram = td_alloc(sizeof(*histogram) * (s->part_best + 1));

    for (uint32_t i = 0; i < l->nodes.n; i++)
        if (place_get(s->eligible, l->index->pos_of.v[i]))
            histogram[shape_fit_part(s, &l->nodes.v[i], &l->nodes.v[i].total)]++;
    for (uint32_t part = s->part_best; part > 0 && used < s->nodes_max; part--) {
        uint32_t k = TD_MIN(histogram[part], s->nodes_max - used);

        used += k;
        sum += (uint64_t)k * part;
    }
    td_free(histogram);
    return sum;
}

static bool shape_ever_together(const struct td_ledger *l, const struct shape *s)
{
    if (s->neligible < s->nodes_min)
        return false;
    return s->whole == 0 || shape_together(l, s) >= s->whole;
}

uint64_t td_ledger_together(const struct td_ledger *l, uint32_t shape, uint32_t *ret_nodes)
{
    struct shape *s = shape_at(l, shape);

    shape_refresh(l, s);
    *ret_nodes = s->neligible;
    return s->multi && s->neligible ? shape_together(l, s) : 0;
}

uint32_t td_ledger_ever(const struct td_ledger *l, uint32_t shape, uint32_t *ret_refusal)
{
    struct shape *s = shape_at(l, shape);
    uint32_t n = 0, why = TD_REFUSAL_NONE;

    shape_refresh(l, s);
    n = s->neligible;
    if (n == 0) {
        why = s->refusal;
    } else if (s->multi && !shape_ever_together(l, s)) {
        why = TD_REFUSAL_TOO_SMALL;
        n = 0;
    }
    if (ret_refusal)
        *ret_refusal = why;
    return n;
}

bool td_ledger_lacks_nodes(const struct td_ledger *l, uint32_t shape)
{
    struct shape *s = shape_at(l, shape);
    uint32_t usable = 0;

    shape_refresh(l, s);
    for (uint32_t i = 0; i < l->nodes.n && usable < s->nodes_min; i++)
        usable += l->nodes.v[i].name && l->nodes.v[i].usable && place_get(s->eligible, l->index->pos_of.v[i]);
    return usable < s->nodes_min;
}

/* --- refusals ---------------------------------------------------------------------------------------------------- */

bool td_ledger_refuse(struct td_ledger *l, uint32_t shape, uint32_t node, uint32_t refusal, uint64_t shortage)
{
    TD_ASSERT(node < l->nodes.n);
    struct shape *s = shape_at(l, shape);
    struct node *n = &l->nodes.v[node];
    uint32_t nbytes = node / 8 + 1;

    if (shape_refused(s, node))
        return false;
    if (nbytes > s->refused_bytes) {
        nbytes = TD_MAX(nbytes, (l->nodes.n + 7) / 8);
        s->refused = td_realloc(s->refused, nbytes);
        memset(s->refused + s->refused_bytes, 0, nbytes - s->refused_bytes);
        s->refused_bytes = nbytes;
    }
    td_bits_set(s->refused, node);
    s->nrefused++;
    struct refusal r = {shape, refusal, shortage};
    td_vec_push(&n->refusals, r);
    return true;
}

void td_ledger_forget_refusals(struct td_ledger *l, uint32_t node)
{
    if (node >= l->nodes.n)
        return;
    struct node *n = &l->nodes.v[node];
    for (uint32_t i = 0; i < n->refusals.n; i++) {
        struct shape *s = l->shapes.v[n->refusals.v[i].shape];

        td_bits_clear(s->refused, node);
        s->nrefused--;
    }
    n->refusals.n = 0;
}

bool shape_refused(const struct shape *s, uint32_t node)
{
    return s->nrefused && td_bits_get(s->refused, s->refused_bytes, node);
}
