/* account_check.c - the invariants of accounting, recounted from the ground */
#include <string.h>

#include "broker/core/acct.h"

struct count {
    const struct core_acct *a;
    struct td_error *err;
    uint32_t n;
};

static bool bad(struct count *n, const struct core_assoc *s, const char *what)
{
    td_fail(n->err, TD_E_JOURNAL, "association %u (%s): %s", s->is->id, s->is->account, what);
    return false;
}

static bool check_one(void *ctx, const struct core_assoc *s)
{
    struct count *n = ctx;
    const struct core_account *of = core_account_find(n->a, s->is->account);
    struct td_assoc_conf conf;
    if (++n->n > n->a->nassocs)
        return bad(n, s, "there are more of them than were counted, or a circle");
    if (core_assoc_by_id(n->a, s->is->id) != s ||
        core_assoc_find(n->a, s->is->account, s->is->user, s->is->partition) != s)
        return bad(n, s, "is not found by its number or its names");
    if (s->is->id >= n->a->next_assoc)
        return bad(n, s, "has a number that was not given yet");
    if (!of)
        return bad(n, s, "its account is not there");
    if (core_assoc_is_user(s) ? !core_acct_user_find(n->a, s->is->user) || s->below.n : of->assoc != s)
        return bad(n, s, "its user is not there, or the account knows another");
    if (s->parent && !td_str_equal(s->parent->is->account, core_assoc_is_user(s) ? s->is->account : s->is->parent))
        return bad(n, s, "is below another account than it says");
    if (s->parent ? core_assoc_is_user(s->parent) : n->a->root != s)
        return bad(n, s, "is below a user, or a second root");
    if (core_assoc_depth(s) > TD_MAX_ACCOUNT_DEPTH)
        return bad(n, s, "is deeper than ACCOUNT_DEPTH");
    core_assoc_effective(s, &conf);
    for (uint32_t i = 0; i < s->is->conf.qos.n; i++)
        if (!core_qos_find(n->a, s->is->conf.qos.v[i]))
            return bad(n, s, "names a QOS that is not there");
    if (!td_str_empty(conf.def_qos) && !core_qos_find(n->a, conf.def_qos))
        return bad(n, s, "its default QOS is not there");
    for (uint32_t i = 0; i < s->below.n; i++)
        if (s->below.v[i]->parent != s)
            return bad(n, s, "does not know its own");
    return true;
}

static bool has_account(const struct core_acct *a, const struct core_acct_user *u)
{
    const struct core_account *t = core_account_find(a, u->is->conf.def_account);
    for (uint32_t i = 0; t && t->assoc && i < t->assoc->below.n; i++)
        if (td_str_equal(t->assoc->below.v[i]->is->user, u->is->name))
            return true;
    return false;
}

/* One default account, and he is in it; who is in none has none. */
static bool check_user(const struct core_acct *a, const struct core_acct_user *u, struct td_error *err)
{
    if (u->nassocs ? has_account(a, u) : td_str_empty(u->is->conf.def_account))
        return true;
    td_fail(err, TD_E_JOURNAL, "user %s: his default account is %s, where he is not", u->is->name,
            td_str_empty(u->is->conf.def_account) ? "none" : u->is->conf.def_account);
    return false;
}

bool core_acct_check(const struct core_acct *a, struct td_error *err)
{
    struct count n = {a, err, 0};
    if (!core_acct_on(a))
        return a->users.n == 0 && a->qos.n == 0 && a->nassocs == 0;
    if (!a->root || !core_assoc_walk(a->root, check_one, &n))
        return false;
    if (n.n != a->nassocs) {
        td_fail(err, TD_E_JOURNAL, "%u associations in the tree, %u counted", n.n, a->nassocs);
        return false;
    }
    for (uint32_t i = 0; i < a->users.n; i++)
        if (!check_user(a, a->users.v[i], err))
            return false;
    for (uint32_t i = 0; i < a->accounts.n; i++) {
        const struct core_account *t = a->accounts.v[i];
        for (uint32_t k = 0; k < t->is->conf.coordinators.n; k++) {
            if (core_acct_user_find(a, t->is->conf.coordinators.v[k]))
                continue;
            td_fail(err, TD_E_JOURNAL, "account %s: its coordinator %s is not there", t->is->name, t->is->conf.coordinators.v[k]);
            return false;
        }
        if (t->assoc)
            continue;
        td_fail(err, TD_E_JOURNAL, "account %s has no association", t->is->name);
        return false;
    }
    return true;
}
