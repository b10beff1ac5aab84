/* step_place.c - where the tasks of a step go inside the allocation of its job
 *
 * No round: the allocation is known, so this is arithmetic. Block distribution, as Slurm's default:
 * nodes in the allocation's order, the first ones filled, every node at least one task. A node is
 * full with the tasks that the job was told for it (SLURM_TASKS_PER_NODE), though it may have CPUs
 * for more, whole cores being given; only what finds no room that way goes by CPUs. Asked twice,
 * once with what other steps hold and once without, it tells "not now" from "never". */
#include <string.h>

#include "broker/core/state.h"

/* What one node of the allocation has for this step. */
struct room {
    const struct core_part *part;
    uint8_t *free; /* CPUs nobody holds */
    uint32_t nbytes, nfree, ncpus;
    uint64_t memory_mb;        /* UINT64_MAX: not counted */
    struct td_gres_held *gres; /* devices nobody holds */
    uint32_t ngres;
    bool named; /* -w */
    uint32_t cap, tasks;
};
struct placing {
    struct td_core *c;
    const struct core_job *j;
    const struct td_step_spec *spec;
    struct room *rooms;
    uint32_t n, nnamed;
    bool by_cpus; /* no longer the tasks that the job was told for each node */
};

static uint32_t cpus_each(const struct td_step_spec *spec)
{
    return TD_MAX(spec->cpus_per_task, 1u);
}

/* --- what is free ----------------------------------------------------------------------------- */

static struct td_bin less(struct td_arena *a, struct td_bin from, struct td_bin held)
{
    uint8_t *v = td_arena_alloc(a, from.n + 1);
    for (uint32_t i = 0; i < from.n; i++)
        v[i] = (uint8_t)(from.v[i] & ~(i < held.n ? held.v[i] : 0u));
    return (struct td_bin){v, from.n};
}

static void gres_less(struct td_arena *a, struct room *r, const struct td_step_place *held)
{
    for (uint32_t i = 0; i < r->ngres; i++) {
        struct td_gres_held *g = &r->gres[i];
        for (uint32_t k = 0; k < held->gres.n; k++) {
            const struct td_gres_held *h = &held->gres.v[k];
            if (!td_str_equal(g->name, h->name) || !td_str_equal(g->type, h->type))
                continue;
            g->count -= TD_MIN(g->count, h->count);
            g->devices = less(a, g->devices, h->devices);
        }
    }
}

static void room_fill(const struct placing *pl, struct room *r, bool empty)
{
    struct td_arena *a = &pl->c->wake;
    const struct td_placement *p = r->part->place;
    struct td_bin cpus = p->cpus;
    bool shares = !core_step_holds(pl->spec);
    r->ngres = p->gres.n;
    r->gres = td_arena_dup(a, p->gres.v, p->gres.n * sizeof(*r->gres));
    r->memory_mb = p->memory_mb ? p->memory_mb : UINT64_MAX;
    for (const struct core_step_part *q = r->part->node->step_parts; q && !empty; q = q->next) {
        if (q->step->job != pl->j || !core_step_holds(q->step->spec))
            continue;
        cpus = less(a, cpus, q->place->cpus);
        if (shares)
            continue;
        if (r->memory_mb != UINT64_MAX)
            r->memory_mb -= TD_MIN(r->memory_mb, q->place->memory_mb);
        if (core_step_holds_gres(q->step->spec))
            gres_less(a, r, q->place);
    }
    r->free = td_arena_dup(a, cpus.v, cpus.n);
    r->nbytes = cpus.n;
    r->nfree = td_bits_count(cpus.v, cpus.n);
    r->ncpus = td_bits_count(p->cpus.v, p->cpus.n);
}

static bool is_of(const struct td_gres_held *g, const struct td_gres_need *need)
{
    return td_str_equal(g->name, need->name) &&
           (td_str_empty(need->type) || td_str_equal(g->type, need->type));
}

static uint64_t gres_free(const struct room *r, const struct td_gres_need *need)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->ngres; i++)
        n += is_of(&r->gres[i], need) ? r->gres[i].count : 0;
    return n;
}

/* Tasks that the node takes now. */
static uint32_t room_cap(const struct placing *pl, const struct room *r)
{
    const struct td_step_spec *s = pl->spec;
    uint64_t cap = TD_MAX_CPUS_PER_NODE;
    if (s->interactive)
        return (uint32_t)cap;
    cap = TD_MIN(cap, (s->overlap ? r->ncpus : r->nfree) / cpus_each(s));
    if (s->ntasks_per_node)
        cap = TD_MIN(cap, s->ntasks_per_node);
    if (s->mem_mb_per_node > r->memory_mb)
        return 0;
    for (uint32_t i = 0; i < s->gres.n; i++) {
        if (gres_free(r, &s->gres.v[i]) < s->gres.v[i].count)
            return 0;
    }
    for (uint32_t i = 0; i < s->gres_task.n; i++) {
        if (s->gres_task.v[i].count)
            cap = TD_MIN(cap, gres_free(r, &s->gres_task.v[i]) / s->gres_task.v[i].count);
    }
    return (uint32_t)cap;
}

/* --- which nodes, how many tasks on each ------------------------------------------------------ */

static int find_rooms(struct placing *pl, struct td_error *err)
{
    const struct td_step_spec *s = pl->spec;
    const struct core_alloc *a = pl->j->alloc;
    struct td_hostlist named = {0};
    pl->rooms = td_arena_alloc(&pl->c->wake, a->nparts * sizeof(*pl->rooms));
    if (!td_str_empty(s->req_nodes) &&
        td_hostlist_parse(s->req_nodes, TD_MAX_NODES, &named, err) < 0)
        return -err->code;
    for (uint32_t i = 0; i < named.names.n; i++) {
        const struct core_node *n = core_node_find(pl->c, named.names.v[i]);
        if (n && core_job_part(pl->j, n) && !td_hostlist_match(s->exc_nodes, n->name))
            continue;
        td_fail(err, TD_E_NODE_CONFIG,
                "%s: node %s is not in the allocation of job %u, or excluded",
                td_error_words(TD_E_NODE_CONFIG), named.names.v[i], pl->j->id);
        td_hostlist_release(&named);
        return -TD_E_NODE_CONFIG;
    }
    for (uint32_t i = 0; i < a->nparts; i++) {
        const char *name = a->parts[i].node->name;
        if (!td_str_empty(s->exc_nodes) && td_hostlist_match(s->exc_nodes, name))
            continue;
        struct room *r = &pl->rooms[pl->n++];
        *r = (struct room){.part = &a->parts[i], .named = td_hostlist_has(&named, name)};
        pl->nnamed += r->named;
    }
    td_hostlist_release(&named);
    return 0;
}

/* Tasks of a node where nobody said how many: what the allocation was given for it. */
static uint32_t own_tasks(const struct placing *pl, const struct room *r)
{
    if (pl->spec->interactive)
        return 1;
    return pl->spec->ntasks_per_node ? pl->spec->ntasks_per_node
                                     : TD_MAX(r->part->place->tasks, 1u);
}

/* Neither -n nor a count that it follows from: each node taken has its own tasks. */
static bool spread_own(struct placing *pl)
{
    uint32_t want = pl->spec->nodes, left;
    if (want == 0)
        want = pl->spec->interactive ? TD_MAX(pl->nnamed, 1u) : pl->nnamed ? pl->nnamed : pl->n;
    if (want == 0 || want < pl->nnamed || want > pl->n)
        return false;
    left = want - pl->nnamed;
    for (uint32_t i = 0; i < pl->n; i++) {
        struct room *r = &pl->rooms[i];
        uint32_t tasks = own_tasks(pl, r);
        bool fits = r->cap >= tasks;
        if (r->named && !fits)
            return false;
        if (!r->named && (!fits || left == 0))
            continue;
        left -= !r->named;
        r->tasks = tasks;
    }
    return left == 0;
}

static uint32_t full(const struct placing *pl, const struct room *r)
{
    return pl->by_cpus ? r->cap : TD_MIN(r->cap, TD_MAX(r->part->place->tasks, 1u));
}

/* Nodes enough for all tasks: those named, then in order, or (wide) the roomiest. */
static uint32_t choose(struct placing *pl, uint32_t ntasks, uint32_t nodes, bool wide, bool *taken)
{
    uint64_t room = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < pl->n; i++) {
        taken[i] = pl->rooms[i].named;
        if (!taken[i])
            continue;
        if (pl->rooms[i].cap == 0)
            return 0;
        room += full(pl, &pl->rooms[i]);
        n++;
    }
    if (nodes && n > nodes)
        return 0;
    while (nodes ? n < nodes : room < ntasks) {
        uint32_t best = pl->n;
        for (uint32_t i = 0; i < pl->n; i++) {
            const struct room *r = &pl->rooms[i];
            if (taken[i] || r->cap == 0)
                continue;
            if (best == pl->n || (wide && full(pl, r) > full(pl, &pl->rooms[best])))
                best = i;
        }
        if (best == pl->n)
            return 0;
        taken[best] = true;
        room += full(pl, &pl->rooms[best]);
        n++;
    }
    return room >= ntasks && n <= ntasks ? n : 0;
}

static bool spread(struct placing *pl)
{
    uint32_t left = pl->spec->ntasks, nodes = TD_MIN(pl->spec->nodes, left);
    bool *taken = td_arena_alloc(&pl->c->wake, pl->n * sizeof(*taken) + 1);
    uint32_t n = 0;
    for (uint32_t by_cpus = 0; n == 0 && by_cpus < 2; by_cpus++) {
        pl->by_cpus = by_cpus;
        n = choose(pl, left, nodes, false, taken);
        if (n == 0 && nodes)
            n = choose(pl, left, nodes, true, taken);
    }
    if (n == 0)
        return false;
    for (uint32_t i = 0; i < pl->n; i++) {
        if (!taken[i])
            continue;
        n--; /* each of those behind it gets one at least */
        pl->rooms[i].tasks = TD_MIN(full(pl, &pl->rooms[i]), left - n);
        left -= pl->rooms[i].tasks;
    }
    TD_ASSERT(left == 0);
    return true;
}

static bool fits(struct placing *pl, bool empty)
{
    for (uint32_t i = 0; i < pl->n; i++) {
        room_fill(pl, &pl->rooms[i], empty);
        pl->rooms[i].cap = room_cap(pl, &pl->rooms[i]);
        pl->rooms[i].tasks = 0;
    }
    return pl->spec->ntasks ? spread(pl) : spread_own(pl);
}

/* --- the parts -------------------------------------------------------------------------------- */

static uint32_t take_from(const struct td_inventory *inv, uint8_t *from, uint32_t nbytes,
                          uint32_t want, uint8_t *ret)
{
    uint32_t have = 0;
    for (uint32_t i = 0; inv && i < inv->cores.n && have < want; i++) {
        const struct td_bin *core = &inv->cores.v[i].cpus;
        for (int64_t cpu = td_bits_next(core->v, core->n, 0); cpu >= 0 && have < want;
             cpu = td_bits_next(core->v, core->n, (uint32_t)cpu + 1)) {
            if (!td_bits_get(from, nbytes, (uint32_t)cpu))
                continue;
            td_bits_clear(from, (uint32_t)cpu);
            td_bits_set(ret, (uint32_t)cpu);
            have++;
        }
    }
    /* A node that registered again may list other cores than the allocation was made from. */
    for (int64_t cpu = td_bits_next(from, nbytes, 0); cpu >= 0 && have < want;
         cpu = td_bits_next(from, nbytes, (uint32_t)cpu + 1), have++) {
        td_bits_clear(from, (uint32_t)cpu);
        td_bits_set(ret, (uint32_t)cpu);
    }
    return have;
}

/* Core by core, in the node's placement order; one that shares takes what is free first. */
static struct td_bin take_cpus(const struct placing *pl, struct room *r)
{
    const struct td_inventory *inv = r->part->node->inv;
    uint32_t want = r->tasks * cpus_each(pl->spec);
    uint8_t *v = td_arena_alloc(&pl->c->wake, r->nbytes + 1);
    uint32_t have = take_from(inv, r->free, r->nbytes, want, v);
    if (have < want) {
        struct td_bin rest =
            less(&pl->c->wake, r->part->place->cpus, (struct td_bin){v, r->nbytes});
        have += take_from(inv, (uint8_t *)(uintptr_t)rest.v, rest.n, want - have, v);
    }
    TD_ASSERT(have == want);
    return (struct td_bin){v, r->nbytes};
}

static uint32_t take_devices(struct td_arena *a, struct room *r, const struct td_gres_need *need,
                             struct td_gres_held *ret)
{
    uint64_t want = need->count;
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->ngres && want; i++) {
        struct td_gres_held *g = &r->gres[i];
        if (!is_of(g, need) || g->count == 0)
            continue;
        struct td_gres_held h = {.name = g->name, .type = g->type, .count = TD_MIN(g->count, want)};
        uint8_t *v = td_arena_alloc(a, g->devices.n + 1);
        uint64_t k = 0;
        for (int64_t d = td_bits_next(g->devices.v, g->devices.n, 0); d >= 0 && k < h.count;
             d = td_bits_next(g->devices.v, g->devices.n, (uint32_t)d + 1), k++)
            td_bits_set(v, (uint32_t)d);
        if (g->devices.n)
            h.devices = (struct td_bin){v, g->devices.n};
        g->count -= h.count;
        g->devices = less(a, g->devices, h.devices);
        want -= h.count;
        ret[n++] = h;
    }
    return n;
}

/* Of the node and of each task are two ways to say the same devices: the larger count is meant. */
static struct td_gres_held_list take_gres(const struct placing *pl, struct room *r)
{
    const struct td_step_spec *s = pl->spec;
    struct td_arena *a = &pl->c->wake;
    if (s->interactive || (s->gres.n == 0 && s->gres_task.n == 0))
        return r->part->place->gres; /* shared */
    struct td_gres_held *v =
        td_arena_alloc(a, (s->gres.n + s->gres_task.n) * (r->ngres + 1) * sizeof(*v));
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->gres.n; i++) {
        struct td_gres_need need = s->gres.v[i];
        for (uint32_t k = 0; k < s->gres_task.n; k++) {
            const struct td_gres_need *t = &s->gres_task.v[k];
            if (td_str_equal(t->name, need.name) && td_str_equal(t->type, need.type))
                need.count = TD_MAX(need.count, t->count * r->tasks);
        }
        n += take_devices(a, r, &need, &v[n]);
    }
    for (uint32_t k = 0; k < s->gres_task.n; k++) {
        struct td_gres_need need = s->gres_task.v[k];
        bool done = false;
        for (uint32_t i = 0; i < s->gres.n; i++)
            done |= td_str_equal(s->gres.v[i].name, need.name) &&
                    td_str_equal(s->gres.v[i].type, need.type);
        need.count *= r->tasks;
        if (!done)
            n += take_devices(a, r, &need, &v[n]);
    }
    return (struct td_gres_held_list){v, TD_MIN(n, (uint32_t)TD_MAX_GRES_KINDS)};
}

static void make_places(struct placing *pl, struct td_step_place_list *ret)
{
    struct td_step_place *v = td_arena_alloc(&pl->c->wake, pl->n * sizeof(*v));
    uint32_t n = 0, rank = 0;
    for (uint32_t i = 0; i < pl->n; i++) {
        struct room *r = &pl->rooms[i];
        if (r->tasks == 0)
            continue;
        uint32_t *ranks = td_arena_alloc(&pl->c->wake, r->tasks * sizeof(*ranks));
        for (uint32_t k = 0; k < r->tasks; k++)
            ranks[k] = rank++;
        v[n++] = (struct td_step_place){
            .node = r->part->node->name,
            .ranks = {ranks, r->tasks},
            .cpus = pl->spec->interactive ? r->part->place->cpus : take_cpus(pl, r),
            .memory_mb = pl->spec->mem_mb_per_node,
            .gres = take_gres(pl, r),
        };
    }
    *ret = (struct td_step_place_list){v, n};
}

/* --- why not ---------------------------------------------------------------------------------- */

static int why_never(const struct placing *pl, struct td_error *err)
{
    const struct td_step_spec *s = pl->spec;
    const char *words = td_error_words(TD_E_NODE_CONFIG);
    uint64_t cpus = 0;
    for (uint32_t i = 0; i < pl->n; i++)
        cpus += pl->rooms[i].ncpus;
    if (s->nodes > pl->n || s->nodes > pl->j->alloc->nparts)
        return td_fail(err, TD_E_NODE_CONFIG, "%s: %u nodes are asked for, job %u has %u for it",
                       words, s->nodes, pl->j->id, pl->n);
    if (s->nodes && s->nodes < pl->nnamed)
        return td_fail(err, TD_E_NODE_CONFIG, "%s: %u nodes are named and %u wanted", words,
                       pl->nnamed, s->nodes);
    if (s->mem_mb_per_node && pl->n && s->mem_mb_per_node > pl->rooms[0].memory_mb)
        return td_fail(err, TD_E_NO_MEMORY, "%s: %llu MB on each node, job %u has %llu",
                       td_error_words(TD_E_NO_MEMORY), (unsigned long long)s->mem_mb_per_node,
                       pl->j->id, (unsigned long long)pl->rooms[0].memory_mb);
    for (uint32_t i = 0; i < s->gres.n + s->gres_task.n; i++) {
        const struct td_gres_need *g =
            i < s->gres.n ? &s->gres.v[i] : &s->gres_task.v[i - s->gres.n];
        bool any = g->count == 0;
        for (uint32_t k = 0; k < pl->n && !any; k++)
            any = gres_free(&pl->rooms[k], g) >= g->count;
        if (!any)
            return td_fail(err, TD_E_INVALID_GRES, "%s: job %u has not so many of %s on a node",
                           td_error_words(TD_E_INVALID_GRES), pl->j->id, g->name);
    }
    if ((uint64_t)s->ntasks * cpus_each(s) > cpus || (s->ntasks == 0 && s->cpus_per_task > 1))
        return td_fail(err, TD_E_STEP_CPUS, "%s", td_error_words(TD_E_STEP_CPUS));
    return td_fail(err, TD_E_NODE_CONFIG, "%s", words);
}

enum core_step_fit core_step_place(struct td_core *c, const struct core_job *j,
                                   const struct td_step_spec *spec, struct td_step_place_list *ret,
                                   struct td_error *err)
{
    struct placing pl = {.c = c, .j = j, .spec = spec};
    if (find_rooms(&pl, err) < 0)
        return CORE_STEP_NEVER;
    if (fits(&pl, false)) {
        make_places(&pl, ret);
        return CORE_STEP_FITS;
    }
    if (fits(&pl, true))
        return CORE_STEP_BUSY;
    why_never(&pl, err);
    return CORE_STEP_NEVER;
}
