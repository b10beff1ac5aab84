/* account_rows.c - what sacctmgr and sshare show */
#include <string.h>

#include "broker/core/state.h"

struct rows {
    const struct td_core *c;
    const struct td_query_accounts *q;
    td_acct_visit_fn *visit;
    void *ctx;
    /* usage, where it is asked for; all in the order of a walk from the root */
    struct td_arena arena;
    const struct td_fair_level *level;
    uint64_t *run_mins; /* [n * kinds] */
    uint32_t *running;
    struct td_map at; /* one more than its place, by number of the association */
    uint32_t users, n;
};

static bool chosen(const struct td_strs *l, const char *name)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (td_str_casecmp(l->v[i], name ? name : "") == 0)
            return true;
    return l->n == 0;
}

static bool wants(const struct rows *r, enum td_acct_kind kind)
{
    return r->q->what >> kind & 1;
}

static bool place_of(void *ctx, const struct core_assoc *s)
{
    struct rows *r = ctx;
    td_map_put(&r->at, s->is->id, (void *)(uintptr_t)(r->n + 1));
    r->n++;
    return true;
}

/* What running jobs still claim by their limits is theirs and of all above them. */
static void add_running(struct rows *r, const struct core_job *j)
{
    const struct core_acct *a = &r->c->acct;
    uint64_t counts[TD_MAX_TRES], minutes = 0;
    uint32_t n = core_usage_counts(r->c, j, counts);
    int64_t until = core_job_until(j, j->start_ms, j->limit_s);
    if (j->limit_s != TD_INFINITE && until > r->c->time_ms)
        minutes = (uint64_t)(until - r->c->time_ms) / 60000;
    for (const struct core_assoc *s = core_assoc_by_id(a, j->assoc); s; s = s->parent) {
        uint32_t at = (uint32_t)(uintptr_t)td_map_get(&r->at, s->is->id) - 1;
        r->running[at]++;
        for (uint32_t k = 0; k < n; k++)
            r->run_mins[(size_t)at * n + k] += counts[k] * minutes;
    }
}

static void usage_begin(struct rows *r)
{
    const struct core_acct *a = &r->c->acct;
    r->level = core_fair_levels(a, &r->arena, &r->users);
    core_assoc_walk(a->root, place_of, r);
    r->run_mins = td_arena_alloc(&r->arena, (size_t)r->n * a->tres.n * sizeof(*r->run_mins));
    r->running = td_arena_alloc(&r->arena, r->n * sizeof(*r->running));
    for (uint32_t i = 0; i < r->c->jobs.n; i++)
        if (r->c->jobs.v[i]->state == TD_JOB_RUNNING && r->c->jobs.v[i]->assoc)
            add_running(r, r->c->jobs.v[i]);
    r->n = 0;
}

static void usage_of(const struct rows *r, const struct core_assoc *s, uint32_t at, struct td_tres_count *used, struct td_tres_count *mins,
                     struct td_assoc_use *ret)
{
    const struct core_acct *a = &r->c->acct;
    const struct td_fair_level *l = &r->level[at];
    *ret = (struct td_assoc_use){.usage = s->nused > ACCT_TRES_BILLING ? s->used[ACCT_TRES_BILLING] : 0,
                                 .usage_level = l->usage_level,
                                 .usage_all = a->root->nused > ACCT_TRES_BILLING ? a->root->used[ACCT_TRES_BILLING] : 0,
                                 .shares = l->shares,
                                 .shares_level = s->is->conf.shares == TD_INFINITE ? 0 : l->shares_level,
                                 .rank = l->rank,
                                 .users = r->users,
                                 .running = r->running[at],
                                 .used = {used, s->nused},
                                 .run_mins = {mins, a->tres.n}};
    for (uint32_t k = 0; k < a->tres.n; k++) {
        if (k < s->nused)
            used[k] = (struct td_tres_count){a->tres.v[k]->name, s->used[k]};
        mins[k] = (struct td_tres_count){a->tres.v[k]->name, r->run_mins[(size_t)at * a->tres.n + k]};
    }
}

static bool assoc_row(void *ctx, const struct core_assoc *s)
{
    struct rows *r = ctx;
    struct td_tres_count used[TD_MAX_TRES], mins[TD_MAX_TRES];
    uint32_t at = r->n++;
    if (!chosen(&r->q->accounts, s->is->account) || !chosen(&r->q->users, s->is->user))
        return true;
    struct td_acct_row row = {.what = TD_ACCT_ASSOC, .depth = core_assoc_depth(s), .assoc = *s->is};
    core_assoc_effective(s, &row.inherited);
    if (r->q->use)
        usage_of(r, s, at, used, mins, &row.use);
    return r->visit(r->ctx, &row);
}

/* An account or user is among those chosen when he himself is, whatever of the other kind is named. */
void td_core_accounts(const struct td_core *c, const struct td_query_accounts *q, td_acct_visit_fn *visit, void *ctx)
{
    const struct core_acct *a = &c->acct;
    struct rows r = {.c = c, .q = q, .visit = visit, .ctx = ctx};
    for (uint32_t i = 0; wants(&r, TD_ACCT_TRES) && i < a->tres.n; i++)
        if (!visit(ctx, &(struct td_acct_row){.what = TD_ACCT_TRES, .tres = *a->tres.v[i]}))
            return;
    for (uint32_t i = 0; wants(&r, TD_ACCT_QOS) && i < a->qos.n; i++)
        if (!visit(ctx, &(struct td_acct_row){.what = TD_ACCT_QOS, .qos = *a->qos.v[i]->is}))
            return;
    for (uint32_t i = 0; wants(&r, TD_ACCT_ACCOUNT) && i < a->accounts.n; i++)
        if (chosen(&q->accounts, a->accounts.v[i]->is->name) &&
            !visit(ctx, &(struct td_acct_row){.what = TD_ACCT_ACCOUNT, .account = *a->accounts.v[i]->is}))
            return;
    for (uint32_t i = 0; wants(&r, TD_ACCT_USER) && i < a->users.n; i++)
        if (chosen(&q->users, a->users.v[i]->is->name) &&
            !visit(ctx, &(struct td_acct_row){.what = TD_ACCT_USER, .user = *a->users.v[i]->is}))
            return;
    if (!wants(&r, TD_ACCT_ASSOC) || !a->root)
        return;
    if (q->use)
        usage_begin(&r);
    core_assoc_walk(a->root, assoc_row, &r);
    td_arena_release(&r.arena);
    td_map_release(&r.at);
}
