/* node_group.c - which nodes share a row of sinfo
 *
 * Nodes stand in one row when every splitting field of the format prints the same for both; what is summed (counts,
 * CPUs by state) or folded (names) never splits. The partition is such a field like others: a format without any makes
 * one row over all partitions, each node counted once. */
#include "render/node.h"

#include <string.h>

static const struct state_word {
    const char *word;
    enum { MATCH_BASE, MATCH_DRAIN, MATCH_DRAINED, MATCH_DRAINING, MATCH_COMPLETING, MATCH_SILENT, MATCH_MAINT, MATCH_RESERVED, MATCH_NEVER } how;
    enum node_base base;
} state_words[] = {
    {"unknown", MATCH_BASE, NODE_UNKNOWN}, {"unk", MATCH_BASE, NODE_UNKNOWN},
    {"down", MATCH_BASE, NODE_DOWN},       {"idle", MATCH_BASE, NODE_IDLE},
    {"allocated", MATCH_BASE, NODE_ALLOCATED}, {"alloc", MATCH_BASE, NODE_ALLOCATED},
    {"mixed", MATCH_BASE, NODE_MIXED},     {"mix", MATCH_BASE, NODE_MIXED},
    {"drain", MATCH_DRAIN, 0},             {"drained", MATCH_DRAINED, 0},
    {"draining", MATCH_DRAINING, 0},       {"drng", MATCH_DRAINING, 0},
    {"completing", MATCH_COMPLETING, 0},   {"comp", MATCH_COMPLETING, 0},
    {"no_respond", MATCH_SILENT, 0},       {"fail", MATCH_NEVER, 0},
    {"failing", MATCH_NEVER, 0},           {"future", MATCH_NEVER, 0},
    {"maint", MATCH_MAINT, 0},             {"reserved", MATCH_RESERVED, 0},
    {"resv", MATCH_RESERVED, 0},           {"planned", MATCH_NEVER, 0},
    {"reboot", MATCH_NEVER, 0},            {"cloud", MATCH_NEVER, 0},
    {"powered_down", MATCH_NEVER, 0},      {"powering_up", MATCH_NEVER, 0},
    {"powering_down", MATCH_NEVER, 0},     {"err", MATCH_NEVER, 0},
    {"error", MATCH_NEVER, 0},             {"perfctrs", MATCH_NEVER, 0},
};

static const struct state_word *state_word(const char *word)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(state_words); i++)
        if (td_str_casecmp(state_words[i].word, word) == 0)
            return &state_words[i];
    return NULL;
}

int node_state_check(const char *word, struct td_error *err)
{
    struct td_buf all = {0};

    if (td_str_casecmp(word, "all") == 0 || state_word(word))
        return 0;
    for (size_t i = 0; i < TD_ARRAY_LEN(state_words); i++)
        td_buf_putf(&all, "%s%s", i ? "," : "", state_words[i].word);
    int r = td_fail(err, TD_E_INVALID_STATE, "Bad state string: \"%s\" (valid: %s)", word, td_buf_str(&all));
    td_buf_release(&all);
    return r;
}

static bool state_matches(const struct td_strs *wanted, const struct td_node_info *n)
{
    struct node_look s = node_look(n);
    bool busy = s.base == NODE_ALLOCATED || s.base == NODE_MIXED;

    for (uint32_t i = 0; i < wanted->n; i++) {
        const struct state_word *w = state_word(wanted->v[i]);
        if (!w) /* "all" */
            return true;
        if ((w->how == MATCH_BASE && s.base == w->base && !s.drain && !s.completing) ||
            (w->how == MATCH_BASE && s.base == w->base && w->base == NODE_DOWN) || (w->how == MATCH_DRAIN && s.drain) ||
            (w->how == MATCH_DRAINED && s.drain && !busy) || (w->how == MATCH_DRAINING && s.drain && busy) ||
            (w->how == MATCH_COMPLETING && s.completing) || (w->how == MATCH_SILENT && s.silent) ||
            (w->how == MATCH_MAINT && s.maint) || (w->how == MATCH_RESERVED && s.reserved))
            return true;
    }
    return wanted->n == 0;
}

static bool has(const struct td_strs *l, const char *name)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (td_str_equal(l->v[i], name))
            return true;
    return false;
}

static bool node_wanted(const struct node_filter *f, const struct td_node_info *n)
{
    bool silent = n->state != TD_NODE_UP;

    if (!td_str_empty(f->nodes) && !td_hostlist_match(f->nodes, n->name))
        return false;
    if ((f->dead && !silent) || (f->responding && silent))
        return false;
    if (f->with_reason && !*node_reason(n))
        return false;
    return state_matches(&f->states, n);
}

static bool partition_wanted(const struct node_filter *f, const struct td_partition_info *p)
{
    if (f->partitions.n)
        return has(&f->partitions, p->conf.name);
    return f->all || !p->conf.hidden;
}

/* Do two rows print the same in every field that splits? */
static bool alike(const struct format *format, bool exact, const struct node_group *a, const struct node_group *b)
{
    struct td_buf x = {0}, y = {0};
    bool same = true;

    for (uint32_t i = 0; i < format->columns.n && same; i++) {
        const struct field *f = format->columns.v[i].field;
        if (!f || f->trait == TRAIT_NONE || (f->trait == TRAIT_SPLITS_EXACT && !exact))
            continue;
        td_buf_reset(&x);
        td_buf_reset(&y);
        f->print(&x, a);
        f->print(&y, b);
        same = strcmp(td_buf_str(&x), td_buf_str(&y)) == 0;
    }
    td_buf_release(&x);
    td_buf_release(&y);
    return same;
}

static void add(struct node_groups *g, const struct format *format, bool exact, bool by_node,
                const struct td_partition_info *part, uint32_t order, const struct td_node_info *n)
{
    struct node_group one = {.part = part, .order = order};

    if (n)
        td_vec_push(&one.nodes, n);
    for (uint32_t i = g->rows.n; i-- > 0;) {
        struct node_group *row = g->rows.v[i];
        struct node_group first = {.part = row->part, .nodes = {.v = row->nodes.v, .n = TD_MIN(row->nodes.n, 1u)}};
        if (by_node && (row->part != part || !n || row->nodes.v[0] != n)) /* -N: a row for each node and partition */
            continue;
        if (!alike(format, exact, &first, &one))
            continue;
        bool known = !n;
        for (uint32_t k = 0; k < row->nodes.n && part != row->part; k++)
            known |= row->nodes.v[k] == n;
        if (!known)
            td_vec_push(&row->nodes, n);
        td_vec_release(&one.nodes);
        return;
    }
    struct node_group *row = td_alloc(sizeof(*row));
    *row = one;
    td_vec_push(&g->rows, row);
}

void node_group(const struct td_partition_info_list *parts, const struct td_node_info *nodes, uint32_t n,
                const struct node_filter *filter, const struct format *format, bool exact, bool by_node,
                struct node_groups *ret)
{
    uint32_t i, k;

    for (i = 0; i < parts->n; i++) {
        const struct td_partition_info *p = &parts->v[i];
        if (!partition_wanted(filter, p))
            continue;
        for (k = 0; k < n; k++)
            if (has(&nodes[k].partitions, p->conf.name) && node_wanted(filter, &nodes[k]))
                add(ret, format, exact, by_node, p, i, &nodes[k]);
    }
    /* Nothing found: the partitions themselves, with no nodes, as Slurm shows them. */
    if (ret->rows.n || by_node || filter->with_reason)
        return;
    for (i = 0; i < parts->n; i++)
        if (partition_wanted(filter, &parts->v[i]))
            add(ret, format, exact, false, &parts->v[i], i, NULL);
}

void node_groups_release(struct node_groups *g)
{
    for (uint32_t i = 0; i < g->rows.n; i++) {
        td_vec_release(&g->rows.v[i]->nodes);
        td_free(g->rows.v[i]);
    }
    td_vec_release(&g->rows);
}
