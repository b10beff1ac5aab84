/* ledger_why.c - why a node does not take an instance of a shape now, in amounts that people can read
 *
 * Owns: nothing. The same counts as shape_fit.c, kind by kind instead of yes or no; never on the planner's way. */
#include <string.h>

#include "ledger_priv.h"

struct look {
    const struct td_ledger *l;
    const struct shape *s;
    const struct node *n;
    const struct amount *have; /* what is free, or all there is */
    uint32_t part;
    struct td_arena *arena;
    struct td_ledger_why *why;
};

static void lack(struct look *k, const char *what, uint64_t want, uint64_t have, uint64_t total)
{
    struct td_ledger_why *w = k->why;

    if (have >= want || w->nlacks == TD_MAX_EXPLAIN_LACKS)
        return;
    w->lacks[w->nlacks++] = (struct td_explain_lack){.what = what, .want = want, .have = have, .total = total};
}

static uint64_t want_of(const struct look *k, const struct want *w)
{
    uint32_t tasks = k->s->shared ? td_shape_share_tasks(&k->s->is, k->part) : k->part;

    return amount_plus(w->node, amount_plus(amount_times(w->task, tasks), amount_times(w->share, k->part)));
}

/* A shape's wants are numbers of words: the request still has the words. */
static const char *name_of(const struct look *k, const struct want *w)
{
    const struct td_shape *is = &k->s->is;
    const struct td_gres_need_list *all[] = {&is->gres, &is->gres_task, &is->gres_job};

    for (size_t i = 0; i < TD_ARRAY_LEN(all); i++)
        for (uint32_t g = 0; g < all[i]->n; g++) {
            const struct td_gres_need *need = &all[i]->v[g];
            const char *type = td_str_empty(need->type) ? "" : need->type;
            size_t len = strlen(need->name) + strlen(type) + 2;

            if (ledger_find_word(k->l, need->name) != w->name || ledger_find_word(k->l, type) != w->type)
                continue;
            char *text = td_arena_alloc(k->arena, len);
            td_format(text, len, "%s%s%s", need->name, *type ? ":" : "", type);
            return text;
        }
    return "device";
}

/* Those of any model are all that there are, less what is wanted of certain models. */
static void lack_devices(struct look *k)
{
    for (uint32_t i = 0; i < k->s->nwants; i++) {
        const struct want *w = &k->s->wants[i];
        uint64_t want = want_of(k, w), have = 0, total = 0;

        for (uint32_t o = 0; o < i && !w->type; o++)
            want = amount_plus(want, k->s->wants[o].name == w->name ? want_of(k, &k->s->wants[o]) : 0);
        for (uint32_t g = 0; g < k->n->nstocks; g++) {
            if (k->n->stocks[g].name != w->name || (w->type && k->n->stocks[g].type != w->type))
                continue;
            have += k->have->gres[g];
            total += k->n->stocks[g].total;
        }
        lack(k, name_of(k, w), want, have, total);
    }
}

static void list_lacks(struct look *k)
{
    struct need d = shape_need(k->s, k->n, k->part);

    lack(k, "CPUs", d.cpus, k->have->cpus, k->n->total.cpus);
    lack(k, "MB of memory", d.mem == UINT64_MAX ? k->s->is.mem_mb : d.mem, k->have->mem, k->n->total.mem);
    lack(k, "MB of temporary disk", d.tmp, k->have->tmp, k->n->total.tmp);
    lack_devices(k);
}

static void remembered(const struct node *n, uint32_t shape, struct td_ledger_why *ret)
{
    for (uint32_t i = 0; i < n->refusals.n; i++) {
        if (n->refusals.v[i].shape != shape)
            continue;
        ret->said = n->refusals.v[i].why;
        ret->shortage = n->refusals.v[i].shortage;
    }
}

void td_ledger_why(const struct td_ledger *l, uint32_t shape, uint32_t node, struct td_arena *a, struct td_ledger_why *ret)
{
    TD_ASSERT(shape < l->shapes.n && l->shapes.v[shape] && node < l->nodes.n);
    struct shape *s = l->shapes.v[shape];
    const struct node *n = &l->nodes.v[node];
    struct look k = {.l = l, .s = s, .n = n, .have = &n->free, .part = s->multi ? s->part_min : s->tasks, .arena = a, .why = ret};
    uint32_t step;

    *ret = (struct td_ledger_why){0};
    if (!n->name) {
        ret->never = TD_REFUSAL_PARTITION;
        return;
    }
    shape_refresh(l, s);
    ret->never = shape_match(s, n, &step);
    if (ret->never)
        k.have = &n->total;
    if (!ret->never || ret->never == TD_REFUSAL_CPUS || ret->never == TD_REFUSAL_MEMORY || ret->never == TD_REFUSAL_TMP ||
        ret->never == TD_REFUSAL_GRES || ret->never == TD_REFUSAL_GRES_TYPE)
        list_lacks(&k);
    if (shape_refused(s, node))
        remembered(n, shape, ret);
}
