/* account_remove.c - sacctmgr delete: nothing goes that a job still stands on, or that would leave a user without his default */
#include <string.h>

#include "broker/core/acct_try.h"

static bool chosen(const struct td_strs *l, const char *name)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (td_str_casecmp(l->v[i], name ? name : "") == 0)
            return true;
    return l->n == 0;
}

static int check_idle(struct acct_try *t, const struct core_assoc *top)
{
    uint32_t job;
    if (!acct_try_is_active(t, top, &job))
        return 0;
    return td_fail(t->err, TD_E_INVALID_STATE, "Job(s) active, cancel job(s) before remove: job %u is of %s%s%s", job, top->is->account,
                   core_assoc_is_user(top) ? ", user " : "", core_assoc_is_user(top) ? top->is->user : "");
}

/* --- users ------------------------------------------------------------------------------------------------------------------ */

/* Who is in no account is no longer accounted for, and coordinates none. */
static void forget_user(struct acct_try *t, const char *name)
{
    const char *const one[] = {name};
    const struct td_account_conf who = {.coordinators = {one, 1}};
    for (uint32_t i = 0; i < t->a->accounts.n; i++) {
        const struct td_account *is = t->a->accounts.v[i]->is;
        struct td_ev_account_set ev = {.uid = t->uid};
        if (!core_acct_has_name(&is->conf.coordinators, name))
            continue;
        td_record_copy(&t->c->wake, &td_rec_account, is, &ev.account);
        acct_try_merge(t, &td_rec_account_conf, 1ull << TD_KEY_account_conf_coordinators, 2, &who, &ev.account.conf);
        acct_try_made(t, TD_EV_ACCOUNT_SET, &ev);
    }
    acct_try_made(t, TD_EV_ACCT_USER_REMOVED, &(struct td_ev_acct_user_removed){.name = name, .uid = t->uid});
}

struct sweep {
    struct acct_try *t;
    const struct td_acct_op *op;
    const char *user;
    TD_VEC(uint32_t) ids;
};

static bool gather(void *ctx, const struct core_assoc *s)
{
    struct sweep *x = ctx;
    if (core_assoc_is_user(s) && td_str_equal(s->is->user, x->user) && chosen(&x->op->accounts, s->is->account) &&
        chosen(&x->op->partitions, s->is->partition))
        td_vec_push(&x->ids, s->is->id);
    return true;
}

static int remove_assoc(struct acct_try *t, uint32_t id)
{
    const struct core_assoc *s = core_assoc_by_id(t->a, id);
    int r = acct_try_right(t, s->is->account);
    if (r == 0)
        r = check_idle(t, s);
    if (r == 0)
        r = acct_try_touch(t, TD_ACCT_REMOVE, TD_ACCT_USER, s->is->user, s->is->account, s->is->partition);
    if (r == 0)
        acct_try_made(t, TD_EV_ASSOC_REMOVED, &(struct td_ev_assoc_removed){.id = id, .uid = t->uid});
    return r;
}

static int remove_user(struct acct_try *t, const struct td_acct_op *op, const char *as_typed)
{
    const char *name = NULL;
    int r = acct_try_name(t, "a user", as_typed, &name);
    if (r < 0)
        return r;
    const struct core_acct_user *u = core_acct_user_find(t->a, name);
    if (!u)
        return td_fail(t->err, TD_E_INVALID_USER, "there is no user %s", name);
    if (td_str_equal(name, ACCT_ROOT))
        return td_fail(t->err, TD_E_INVALID_REQUEST, "the user root stays");
    struct sweep x = {.t = t, .op = op, .user = name};
    core_assoc_walk(t->a->root, gather, &x);
    for (uint32_t i = 0; r == 0 && i < x.ids.n; i++)
        r = remove_assoc(t, x.ids.v[i]);
    if (r == 0 && !x.ids.n && (op->accounts.n || op->partitions.n))
        r = td_fail(t->err, TD_E_INVALID_ACCOUNT, "user %s is not in such an account", name);
    td_vec_release(&x.ids);
    if (r < 0)
        return r;
    if (u->nassocs == 0)
        forget_user(t, name);
    else if (!acct_user_is_in(t->a, name, u->is->conf.def_account))
        return td_fail(t->err, TD_E_INVALID_ACCOUNT,
                       "%s is the default account of user %s: give him another first (sacctmgr modify user %s set defaultaccount=NAME)",
                       u->is->conf.def_account, name, name);
    return 0;
}

/* --- accounts --------------------------------------------------------------------------------------------------------------- */

static bool gather_below(void *ctx, const struct core_assoc *s)
{
    struct sweep *x = ctx;
    td_vec_push(&x->ids, s->is->id);
    return true;
}

/* With all that is below it; from below, so that none is left without its parent. */
static int remove_tree(struct acct_try *t, const struct core_assoc *top)
{
    struct sweep x = {.t = t};
    int r = check_idle(t, top);
    if (r < 0)
        return r;
    core_assoc_walk(top, gather_below, &x);
    for (uint32_t i = x.ids.n; r == 0 && i-- > 0;) {
        const struct core_assoc *s = core_assoc_by_id(t->a, x.ids.v[i]);
        const char *account = td_arena_strdup(&t->c->wake, s->is->account);
        const char *user = core_assoc_is_user(s) ? td_arena_strdup(&t->c->wake, s->is->user) : NULL;
        acct_try_made(t, TD_EV_ASSOC_REMOVED, &(struct td_ev_assoc_removed){.id = x.ids.v[i], .uid = t->uid});
        if (!user) {
            r = acct_try_touch(t, TD_ACCT_REMOVE, TD_ACCT_ACCOUNT, account, NULL, NULL);
            if (r == 0)
                acct_try_made(t, TD_EV_ACCOUNT_REMOVED, &(struct td_ev_account_removed){.name = account, .uid = t->uid});
            continue;
        }
        const struct core_acct_user *u = core_acct_user_find(t->a, user);
        if (!acct_user_is_in(t->a, user, u->is->conf.def_account))
            r = td_fail(t->err, TD_E_INVALID_ACCOUNT,
                        "account %s is the default account of user %s: remove him, or give him another first "
                        "(sacctmgr modify user %s set defaultaccount=NAME)",
                        account, user, user);
    }
    td_vec_release(&x.ids);
    return r;
}

static int remove_account(struct acct_try *t, const char *as_typed)
{
    const char *name = NULL;
    int r = acct_try_name(t, "an account", as_typed, &name);
    if (r < 0)
        return r;
    const struct core_account *is = core_account_find(t->a, name);
    if (!is)
        return td_fail(t->err, TD_E_INVALID_ACCOUNT, "there is no account %s", name);
    if (!is->assoc->parent)
        return td_fail(t->err, TD_E_INVALID_REQUEST, "the root account stays");
    r = acct_try_right(t, is->assoc->parent->is->account);
    return r < 0 ? r : remove_tree(t, is->assoc);
}

/* --- QOS -------------------------------------------------------------------------------------------------------------------- */

struct named {
    struct acct_try *t;
    const char *name;
    TD_VEC(uint32_t) ids;
};

static bool gather_named(void *ctx, const struct core_assoc *s)
{
    struct named *x = ctx;
    if (core_acct_has_name(&s->is->conf.qos, x->name) || td_str_equal(s->is->conf.def_qos, x->name))
        td_vec_push(&x->ids, s->is->id);
    return true;
}

/* A QOS that goes is taken out of every list it is in. */
static void forget_qos(struct acct_try *t, const char *name)
{
    const char *const one[] = {name};
    const struct td_assoc_conf of_assoc = {.qos = {one, 1}};
    const struct td_qos_conf of_qos = {.preempt = {one, 1}};
    struct named x = {.t = t, .name = name};
    core_assoc_walk(t->a->root, gather_named, &x);
    for (uint32_t i = 0; i < x.ids.n; i++) {
        struct td_ev_assoc_set ev = {.uid = t->uid};
        td_record_copy(&t->c->wake, &td_rec_assoc, core_assoc_by_id(t->a, x.ids.v[i])->is, &ev.assoc);
        acct_try_merge(t, &td_rec_assoc_conf, 1ull << TD_KEY_assoc_conf_qos, 2, &of_assoc, &ev.assoc.conf);
        if (td_str_equal(ev.assoc.conf.def_qos, name))
            ev.assoc.conf.def_qos = NULL;
        acct_try_made(t, TD_EV_ASSOC_SET, &ev);
    }
    td_vec_release(&x.ids);
    for (uint32_t i = 0; i < t->a->qos.n; i++) {
        struct td_ev_qos_set ev = {.uid = t->uid};
        if (!core_acct_has_name(&t->a->qos.v[i]->is->conf.preempt, name))
            continue;
        td_record_copy(&t->c->wake, &td_rec_qos, t->a->qos.v[i]->is, &ev.qos);
        acct_try_merge(t, &td_rec_qos_conf, 1ull << TD_KEY_qos_conf_preempt, 2, &of_qos, &ev.qos.conf);
        acct_try_made(t, TD_EV_QOS_SET, &ev);
    }
    acct_try_made(t, TD_EV_QOS_REMOVED, &(struct td_ev_qos_removed){.name = name, .uid = t->uid});
}

static int remove_qos(struct acct_try *t, const char *as_typed)
{
    const char *name = NULL;
    int r = acct_try_operator(t, "a QOS");
    if (r == 0)
        r = acct_try_name(t, "a QOS", as_typed, &name);
    if (r == 0 && !core_qos_find(t->a, name))
        r = td_fail(t->err, TD_E_INVALID_QOS, "there is no QOS %s", name);
    for (uint32_t i = 0; r == 0 && i < t->c->jobs.n; i++) {
        const struct core_job *j = t->c->jobs.v[i];
        if (j->state != TD_JOB_DONE && td_str_equal(j->spec->body.qos, name))
            r = td_fail(t->err, TD_E_INVALID_STATE, "Job(s) active, cancel job(s) before remove: job %u has the QOS %s", j->id, name);
    }
    if (r == 0)
        r = acct_try_touch(t, TD_ACCT_REMOVE, TD_ACCT_QOS, name, NULL, NULL);
    if (r == 0)
        forget_qos(t, name);
    return r;
}

int acct_remove(struct acct_try *t, const struct td_acct_op *op)
{
    int r = 0;
    if (op->what == TD_ACCT_COORDINATOR) {
        for (uint32_t i = 0; r == 0 && i < op->accounts.n; i++)
            r = acct_coordinators(t, op, op->accounts.v[i]);
        return r;
    }
    if (!op->names.n)
        return td_fail(t->err, TD_E_INVALID_REQUEST, "say which are to be removed, by name");
    for (uint32_t i = 0; r == 0 && i < op->names.n; i++) {
        if (op->what == TD_ACCT_ACCOUNT)
            r = remove_account(t, op->names.v[i]);
        else if (op->what == TD_ACCT_USER)
            r = remove_user(t, op, op->names.v[i]);
        else if (op->what == TD_ACCT_QOS)
            r = remove_qos(t, op->names.v[i]);
        else
            r = td_fail(t->err, TD_E_INVALID_REQUEST, "nothing of kind %u can be removed", op->what);
    }
    return r;
}
