/* shape_match.c - could a node ever hold a shape, all of it idle?
 *
 * Partition, names, features, existence of devices and plain size, in that order: the step at which a node fails says
 * how near it came, so that a job no node can serve is told the nearest miss. Text is read here and only here; the
 * answer is cached per (shape, node). */
#include "ledger_priv.h"

#include <string.h>

/* --- features: a & b | (c & !d), [x|y]; a*2 asks for a on two nodes, which for one node means a ------------------- */

#define DEPTH_MAX 32

struct reader {
    const char *at;
    const char *have; /* comma-separated */
    uint32_t depth;
    bool broken; /* not an expression: matches nothing */
};

static bool has_feature(const char *have, const char *name, size_t len)
{
    while (*have) {
        size_t n = strcspn(have, ", ");

        if (n == len && memcmp(have, name, len) == 0)
            return true;
        have += n;
        have += strspn(have, ", ");
    }
    return false;
}

static void skip_space(struct reader *r)
{
    while (*r->at == ' ')
        r->at++;
}

static bool read_or(struct reader *r);

static bool read_one(struct reader *r)
{
    bool yes = false;

    skip_space(r);
    if (++r->depth > DEPTH_MAX) {
        r->broken = true;
    } else if (*r->at == '!') {
        r->at++;
        yes = !read_one(r);
    } else if (*r->at == '(' || *r->at == '[') {
        char close = *r->at++ == '(' ? ')' : ']';

        yes = read_or(r);
        skip_space(r);
        if (*r->at == close)
            r->at++;
        else
            r->broken = true;
    } else {
        size_t n = strcspn(r->at, "&|,()[]!* ");

        r->broken = r->broken || n == 0;
        yes = n > 0 && has_feature(r->have, r->at, n);
        r->at += n;
    }
    skip_space(r);
    if (*r->at == '*' && !r->broken) {
        r->at++;
        size_t digits = strspn(r->at, "0123456789");
        r->broken = digits == 0;
        r->at += digits;
    }
    r->depth--;
    return yes;
}

static bool read_and(struct reader *r)
{
    bool yes = read_one(r);

    for (skip_space(r); !r->broken && (*r->at == '&' || *r->at == ','); skip_space(r)) {
        r->at++;
        bool other = read_one(r);
        yes = yes && other;
    }
    return yes;
}

static bool read_or(struct reader *r)
{
    bool yes = read_and(r);

    for (skip_space(r); !r->broken && *r->at == '|'; skip_space(r)) {
        r->at++;
        bool other = read_and(r);
        yes = yes || other;
    }
    return yes;
}

bool features_match(const char *expression, const char *features)
{
    struct reader r = {.at = expression, .have = features ? features : ""};

    if (td_str_empty(expression))
        return true;
    bool yes = read_or(&r);
    return yes && !r.broken && *r.at == '\0';
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

static bool in_partition(const struct node *n, uint32_t partition)
{
    for (uint32_t i = 0; i < n->npartitions; i++)
        if (n->partitions[i] == partition)
            return true;
    return false;
}

static bool has_devices(const struct shape *s, const struct node *n)
{
    for (uint32_t i = 0; i < s->nwants; i++) {
        bool found = false;

        for (uint32_t g = 0; g < n->nstocks; g++)
            found = found || (n->stocks[g].name == s->wants[i].name && n->stocks[g].total > 0 &&
                              (!s->wants[i].type || n->stocks[g].type == s->wants[i].type));
        if (!found)
            return false;
    }
    return true;
}

static uint32_t match_size(const struct shape *s, const struct node *n)
{
    uint32_t part = s->multi ? s->part_min : s->tasks;
    struct need d = shape_need(s, n, part);

    if (n->total.cpus == 0 || d.cpus > n->total.cpus)
        return TD_REFUSAL_CPUS;
    if (d.mem > n->total.mem)
        return TD_REFUSAL_MEMORY;
    if (d.tmp > n->total.tmp)
        return TD_REFUSAL_TMP;
    return shape_fit(s, n, &n->total, part, 1) ? TD_REFUSAL_NONE : TD_REFUSAL_GRES;
}

uint32_t shape_match(const struct shape *s, const struct node *n, uint32_t *ret_step)
{
    const struct td_shape *is = &s->is;

    *ret_step = 1;
    if (!in_partition(n, s->partition))
        return TD_REFUSAL_PARTITION;
    *ret_step = 2;
    if (!td_str_empty(is->req_nodes) && !td_hostlist_match(is->req_nodes, n->name))
        return TD_REFUSAL_NAME;
    if (!td_str_empty(is->exc_nodes) && td_hostlist_match(is->exc_nodes, n->name))
        return TD_REFUSAL_NAME;
    *ret_step = 3;
    if (!features_match(is->features, n->features))
        return TD_REFUSAL_FEATURE;
    *ret_step = 4;
    if (!has_devices(s, n))
        return TD_REFUSAL_GRES_TYPE;
    *ret_step = 5;
    return match_size(s, n);
}
