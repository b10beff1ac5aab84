/* account_change.c - sacctmgr modify: what is said goes for each object that the request selects */
#include <string.h>

#include "broker/core/acct_try.h"

static bool chosen(const struct td_strs *l, const char *name)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (td_str_casecmp(l->v[i], name ? name : "") == 0)
            return true;
    return l->n == 0;
}

/* Whoever is named must be there: a name that selects nothing is a mistake. */
static int all_there(struct acct_try *t, const struct td_strs *names, uint32_t what)
{
    for (uint32_t i = 0; i < names->n; i++) {
        const char *name = NULL;
        int r = acct_try_name(t, "what is named", names->v[i], &name);
        if (r < 0)
            return r;
        if (what == TD_ACCT_ACCOUNT && !core_account_find(t->a, name))
            return td_fail(t->err, TD_E_INVALID_ACCOUNT, "there is no account %s", name);
        if (what == TD_ACCT_USER && !core_acct_user_find(t->a, name))
            return td_fail(t->err, TD_E_INVALID_USER, "there is no user %s", name);
        if (what == TD_ACCT_QOS && !core_qos_find(t->a, name))
            return td_fail(t->err, TD_E_INVALID_QOS, "there is no QOS %s", name);
    }
    return 0;
}

/* --- associations ---------------------------------------------------------------------------------------------------------
 */

static int change_assoc(struct acct_try *t, const struct td_acct_op *op, struct td_assoc *is, const struct core_assoc *s)
{
    struct td_assoc_conf all;
    core_assoc_effective(s, &all);
    if (op->lists && !is->conf.qos.n && op->set_assoc >> TD_KEY_assoc_conf_qos & 1)
        is->conf.qos = all.qos; /* what it inherits, changed, is its own */
    return acct_try_merge(t, &td_rec_assoc_conf, op->set_assoc, op->lists, &op->assoc, &is->conf);
}

static int move(struct acct_try *t, const struct td_acct_op *op, struct td_assoc *is, const struct core_assoc *s)
{
    const char *name = NULL;
    int r = acct_try_name(t, "the parent", op->parent, &name);
    if (r < 0)
        return r;
    const struct core_account *to = core_account_find(t->a, name);
    if (!to)
        return td_fail(t->err, TD_E_INVALID_ACCOUNT, "account %s cannot go below %s: there is no such account", is->account,
                       name);
    if (!s->parent)
        return td_fail(t->err, TD_E_INVALID_REQUEST, "the root stays the root");
    if (core_assoc_is_below(to->assoc, s))
        return td_fail(t->err, TD_E_CIRCULAR, "account %s cannot go below %s, which is below it: that would be a circle",
                       is->account, name);
    if (core_assoc_depth(to->assoc) + 1 + core_assoc_height(s) > TD_MAX_ACCOUNT_DEPTH)
        return td_fail(t->err, TD_E_TOO_BIG, "what is below account %s would be deeper than %u accounts (ACCOUNT_DEPTH)",
                       is->account, (uint32_t)TD_MAX_ACCOUNT_DEPTH);
    is->parent = name;
    return acct_try_right(t, name);
}

/* One association as it is to be: its own fields, its place, its usage. */
static int change_one(struct acct_try *t, const struct td_acct_op *op, const struct core_assoc *s)
{
    struct td_ev_assoc_set ev = {.uid = t->uid};
    uint32_t id = s->is->id;
    td_record_copy(&t->c->wake, &td_rec_assoc, s->is, &ev.assoc);
    int r = change_assoc(t, op, &ev.assoc, s);
    if (r == 0 && !td_str_empty(op->parent) && !core_assoc_is_user(s))
        r = move(t, op, &ev.assoc, s);
    if (r == 0 && op->reset_usage)
        r = acct_try_operator(t, "a reset of usage");
    if (r < 0)
        return r;
    if (!td_record_equal(&td_rec_assoc, &ev.assoc, s->is))
        acct_try_made(t, TD_EV_ASSOC_SET, &ev);
    if (op->reset_usage)
        acct_try_made(t, TD_EV_USAGE_RESET, &(struct td_ev_usage_reset){.id = id, .uid = t->uid});
    return 0;
}

/* --- accounts
 * --------------------------------------------------------------------------------------------------------------- */

static int change_account(struct acct_try *t, const struct td_acct_op *op, const struct core_account *is)
{
    struct td_ev_account_set ev = {.uid = t->uid};
    const char *parent = is->assoc->parent ? is->assoc->parent->is->account : NULL;
    /* A coordinator does not raise his own account's limits: only what is below one. */
    int r = parent ? acct_try_right(t, parent) : acct_try_operator(t, "a change of the root account");
    td_record_copy(&t->c->wake, &td_rec_account, is->is, &ev.account);
    if (r == 0)
        r = acct_try_merge(t, &td_rec_account_conf, op->set_account, op->lists, &op->account, &ev.account.conf);
    if (r == 0)
        r = change_one(t, op, is->assoc);
    if (r < 0)
        return r;
    if (!td_record_equal(&td_rec_account, &ev.account, is->is))
        acct_try_made(t, TD_EV_ACCOUNT_SET, &ev);
    parent = is->assoc->parent ? is->assoc->parent->is->account : NULL;
    return acct_try_touch(t, TD_ACCT_MODIFY, TD_ACCT_ACCOUNT, ev.account.name, parent, NULL);
}

static int modify_accounts(struct acct_try *t, const struct td_acct_op *op)
{
    int r = all_there(t, &op->names, TD_ACCT_ACCOUNT);
    if (r == 0)
        r = all_there(t, &op->parents, TD_ACCT_ACCOUNT);
    for (uint32_t i = 0; r == 0 && i < t->a->accounts.n; i++) {
        const struct core_account *is = t->a->accounts.v[i];
        if (chosen(&op->names, is->is->name) &&
            (!op->parents.n || (!td_str_empty(is->assoc->is->parent) && chosen(&op->parents, is->assoc->is->parent))))
            r = change_account(t, op, is);
    }
    return r;
}

/* --- users
 * -------------------------------------------------------------------------------------------------------------------- */

/* Everybody chooses his own default account; levels are an administrator's to give. */
static int change_user(struct acct_try *t, const struct td_acct_op *op, const struct core_acct_user *u)
{
    const uint64_t own = 1ull << TD_KEY_user_conf_def_account;
    struct td_ev_acct_user_set ev = {.uid = t->uid};
    uint64_t set = op->set_user & ~(1ull << TD_KEY_user_conf_uid);
    td_record_copy(&t->c->wake, &td_rec_acct_user, u->is, &ev.user);
    if ((set & ~own || !t->asker || !td_str_equal(t->asker, u->is->name)) && acct_try_operator(t, "a change of a user") < 0)
        return -t->err->code;
    int r = acct_try_merge(t, &td_rec_user_conf, set, 0, &op->user, &ev.user.conf);
    if (r < 0)
        return r;
    if (ev.user.conf.admin_level != u->is->conf.admin_level && td_core_admin_level(t->c, t->uid) < TD_LEVEL_ADMINISTRATOR)
        return td_fail(t->err, TD_E_DENIED, "%s: the admin level of %s is an administrator's to give",
                       td_error_words(TD_E_DENIED), u->is->name);
    if (set & own) {
        ev.user.conf.def_account = core_acct_lower(&t->c->wake, ev.user.conf.def_account);
        if (!acct_user_is_in(t->a, ev.user.name, ev.user.conf.def_account))
            return td_fail(t->err, TD_E_INVALID_ACCOUNT, "user %s is not in account %s, which is to be his default account",
                           ev.user.name, ev.user.conf.def_account);
    }
    if (!td_record_equal(&td_rec_acct_user, &ev.user, u->is))
        acct_try_made(t, TD_EV_ACCT_USER_SET, &ev);
    return acct_try_touch(t, TD_ACCT_MODIFY, TD_ACCT_USER, ev.user.name, NULL, NULL);
}

struct choice {
    struct acct_try *t;
    const struct td_acct_op *op;
    int r;
};

static bool change_if_chosen(void *ctx, const struct core_assoc *s)
{
    struct choice *x = ctx;
    if (!core_assoc_is_user(s) || !chosen(&x->op->names, s->is->user) || !chosen(&x->op->accounts, s->is->account) ||
        !chosen(&x->op->partitions, s->is->partition))
        return true;
    x->r = acct_try_right(x->t, s->is->account);
    if (x->r == 0)
        x->r = acct_try_touch(x->t, TD_ACCT_MODIFY, TD_ACCT_ASSOC, s->is->user, s->is->account, s->is->partition);
    if (x->r == 0)
        x->r = change_one(x->t, x->op, s);
    return x->r == 0;
}

static int modify_users(struct acct_try *t, const struct td_acct_op *op)
{
    struct choice x = {t, op, 0};
    int r = all_there(t, &op->names, TD_ACCT_USER);
    if (r == 0)
        r = all_there(t, &op->accounts, TD_ACCT_ACCOUNT);
    for (uint32_t i = 0; r == 0 && op->set_user && i < t->a->users.n; i++)
        if (chosen(&op->names, t->a->users.v[i]->is->name))
            r = change_user(t, op, t->a->users.v[i]);
    if (r == 0 && (op->set_assoc || op->reset_usage) && t->a->root) {
        core_assoc_walk(t->a->root, change_if_chosen, &x);
        r = x.r;
    }
    return r;
}

/* --- QOS
 * ---------------------------------------------------------------------------------------------------------------------- */

static int modify_qos(struct acct_try *t, const struct td_acct_op *op)
{
    int r = acct_try_operator(t, "a QOS");
    if (r == 0)
        r = all_there(t, &op->names, TD_ACCT_QOS);
    for (uint32_t i = 0; r == 0 && i < t->a->qos.n; i++) {
        const struct core_qos *q = t->a->qos.v[i];
        struct td_ev_qos_set ev = {.uid = t->uid};
        if (!chosen(&op->names, q->is->name))
            continue;
        td_record_copy(&t->c->wake, &td_rec_qos, q->is, &ev.qos);
        r = acct_try_merge(t, &td_rec_qos_conf, op->set_qos, op->lists, &op->qos, &ev.qos.conf);
        if (r == 0 && !td_record_equal(&td_rec_qos, &ev.qos, q->is))
            acct_try_made(t, TD_EV_QOS_SET, &ev);
        if (r == 0)
            r = acct_try_touch(t, TD_ACCT_MODIFY, TD_ACCT_QOS, ev.qos.name, NULL, NULL);
    }
    return r;
}

int acct_modify(struct acct_try *t, const struct td_acct_op *op)
{
    switch ((enum td_acct_kind)op->what) {
    case TD_ACCT_ACCOUNT:
        return modify_accounts(t, op);
    case TD_ACCT_USER:
        return modify_users(t, op);
    case TD_ACCT_QOS:
        return modify_qos(t, op);
    case TD_ACCT_COORDINATOR:
    case TD_ACCT_ASSOC:
    case TD_ACCT_TRES:
        break;
    }
    return td_fail(t->err, TD_E_INVALID_REQUEST, "nothing of kind %u can be modified", op->what);
}
