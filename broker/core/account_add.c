/* account_add.c - accounts, users, QOS and coordinators that are to be there; what is there already stays as it is
 *
 * The first account turns accounting on: with it come the root, the user root, the QOS normal and Slurm's kinds of
 * resources, as Slurm's database has them from the start. */
#include <string.h>

#include "broker/core/acct_try.h"

#define FIRST_QOS "normal"

static void turn_on(struct acct_try *t)
{
    static const struct td_tres own[ACCT_TRES_OWN] = {{1, "cpu"},     {2, "mem"},     {3, "energy"}, {4, "node"},
                                                      {5, "billing"}, {6, "fs/disk"}, {7, "vmem"},   {8, "pages"}};
    static const char *const normal[] = {FIRST_QOS};
    for (uint32_t i = 0; i < ACCT_TRES_OWN; i++)
        acct_try_made(t, TD_EV_TRES_SET, &(struct td_ev_tres_set){.tres = own[i]});
    acct_try_made(t, TD_EV_QOS_SET,
                  &(struct td_ev_qos_set){.qos = {.id = 1, .name = FIRST_QOS, .conf = {.description = "Normal QOS default"}},
                                          .uid = t->uid});
    acct_try_made(
        t, TD_EV_ACCOUNT_SET,
        &(struct td_ev_account_set){
            .account = {.name = ACCT_ROOT, .conf = {.description = "default root account", .organization = ACCT_ROOT}},
            .uid = t->uid});
    acct_try_made(
        t, TD_EV_ACCT_USER_SET,
        &(struct td_ev_acct_user_set){
            .user = {.name = ACCT_ROOT, .conf = {.admin_level = TD_LEVEL_ADMINISTRATOR, .def_account = ACCT_ROOT, .uid = 1}},
            .uid = t->uid});
    acct_try_made(
        t, TD_EV_ASSOC_SET,
        &(struct td_ev_assoc_set){.assoc = {.id = 1, .account = ACCT_ROOT, .conf = {.qos = {normal, 1}}}, .uid = t->uid});
    acct_try_made(t, TD_EV_ASSOC_SET,
                  &(struct td_ev_assoc_set){.assoc = {.id = 2, .account = ACCT_ROOT, .user = ACCT_ROOT}, .uid = t->uid});
}

static int assoc_room(struct acct_try *t)
{
    if (t->a->nassocs < TD_MAX_ASSOCS)
        return 0;
    return td_fail(t->err, TD_E_TOO_BIG, "there are %u associations (ASSOCS): remove some", t->a->nassocs);
}

static int add_account(struct acct_try *t, const struct td_acct_op *op, const char *as_typed)
{
    const char *name = NULL, *parent = ACCT_ROOT;
    int r = acct_try_name(t, "an account", as_typed, &name);
    if (r == 0 && !td_str_empty(op->parent))
        r = acct_try_name(t, "the parent", op->parent, &parent);
    if (r == 0)
        r = acct_try_right(t, parent);
    if (r < 0 || core_account_find(t->a, name))
        return r;
    const struct core_account *up = core_account_find(t->a, parent);
    if (!up)
        return td_fail(t->err, TD_E_INVALID_ACCOUNT, "account %s cannot go below %s: there is no such account", name,
                       parent);
    if (core_assoc_depth(up->assoc) + 1 >= TD_MAX_ACCOUNT_DEPTH)
        return td_fail(t->err, TD_E_TOO_BIG, "account %s would be deeper than %u accounts (ACCOUNT_DEPTH)", name,
                       (uint32_t)TD_MAX_ACCOUNT_DEPTH);
    if (t->a->accounts.n >= TD_MAX_ACCOUNTS)
        return td_fail(t->err, TD_E_TOO_BIG, "there are %u accounts (ACCOUNTS): remove some", t->a->accounts.n);
    r = assoc_room(t);
    struct td_ev_account_set account = {
        .account = {.name = name,
                    .conf = {.description = name, .organization = td_str_equal(parent, ACCT_ROOT) ? name : parent}},
        .uid = t->uid};
    struct td_ev_assoc_set assoc = {.assoc = {.id = t->a->next_assoc, .account = name, .parent = parent}, .uid = t->uid};
    if (r == 0)
        r = acct_try_merge(t, &td_rec_account_conf, op->set_account, 0, &op->account, &account.account.conf);
    if (r == 0)
        r = acct_try_merge(t, &td_rec_assoc_conf, op->set_assoc, 0, &op->assoc, &assoc.assoc.conf);
    if (r < 0)
        return r;
    acct_try_made(t, TD_EV_ACCOUNT_SET, &account);
    acct_try_made(t, TD_EV_ASSOC_SET, &assoc);
    return acct_try_touch(t, TD_ACCT_ADD, TD_ACCT_ACCOUNT, name, parent, NULL);
}

static int add_assoc(struct acct_try *t, const struct td_acct_op *op, const char *user, const char *account_as_typed,
                     const char *partition)
{
    const char *account = NULL;
    int r = acct_try_name(t, "an account", account_as_typed, &account);
    if (r < 0)
        return r;
    if (!core_account_find(t->a, account))
        return td_fail(t->err, TD_E_INVALID_ACCOUNT, "This account '%s' doesn't exist: add it first", account);
    r = acct_try_right(t, account);
    if (r < 0 || core_assoc_find(t->a, account, user, partition))
        return r;
    r = assoc_room(t);
    struct td_ev_assoc_set assoc = {
        .assoc = {.id = t->a->next_assoc, .account = account, .user = user, .partition = partition}, .uid = t->uid};
    if (r == 0)
        r = acct_try_merge(t, &td_rec_assoc_conf, op->set_assoc, 0, &op->assoc, &assoc.assoc.conf);
    if (r < 0)
        return r;
    acct_try_made(t, TD_EV_ASSOC_SET, &assoc);
    return acct_try_touch(t, TD_ACCT_ADD, TD_ACCT_USER, user, account, partition);
}

/* His default account is the one asked for, else the first he is put into. */
static int settle_user(struct acct_try *t, const struct td_acct_op *op, const char *name, struct td_acct_user *user,
                       bool fresh)
{
    struct td_acct_user before = *user;
    int r = acct_try_merge(t, &td_rec_user_conf, op->set_user & ~(1ull << TD_KEY_user_conf_uid), 0, &op->user, &user->conf);
    if (r < 0)
        return r;
    if (op->set_user >> TD_KEY_user_conf_def_account & 1)
        user->conf.def_account = core_acct_lower(&t->c->wake, op->user.def_account);
    else if (td_str_empty(user->conf.def_account) && op->accounts.n)
        user->conf.def_account = core_acct_lower(&t->c->wake, op->accounts.v[0]);
    if (user->conf.admin_level != before.conf.admin_level && td_core_admin_level(t->c, t->uid) < TD_LEVEL_ADMINISTRATOR)
        return td_fail(t->err, TD_E_DENIED, "%s: the admin level of %s is an administrator's to give",
                       td_error_words(TD_E_DENIED), name);
    if (fresh || !td_record_equal(&td_rec_acct_user, user, &before))
        acct_try_made(t, TD_EV_ACCT_USER_SET, &(struct td_ev_acct_user_set){.user = *user, .uid = t->uid});
    return 0;
}

bool acct_user_is_in(const struct core_acct *a, const char *user, const char *account)
{
    const struct core_account *of = core_account_find(a, account);
    for (uint32_t i = 0; of && of->assoc && i < of->assoc->below.n; i++)
        if (td_str_equal(of->assoc->below.v[i]->is->user, user))
            return true;
    return false;
}

static int add_user(struct acct_try *t, const struct td_acct_op *op, uint32_t no)
{
    const char *name = NULL;
    int r = acct_try_name(t, "a user", op->names.v[no], &name);
    if (r < 0)
        return r;
    const struct core_acct_user *is = core_acct_user_find(t->a, name);
    struct td_acct_user user = {.name = name};
    bool fresh = !is;
    if (is)
        td_record_copy(&t->c->wake, &td_rec_acct_user, is->is, &user);
    else if (t->a->users.n >= TD_MAX_ACCT_USERS)
        return td_fail(t->err, TD_E_TOO_BIG, "there are %u users (ACCT_USERS): remove some", t->a->users.n);
    else
        user.conf.uid = no < op->uids.n ? op->uids.v[no] : 0;
    if (fresh && !user.conf.uid)
        td_vec_push(&t->unknown, name);
    if (fresh && !op->accounts.n)
        return td_fail(t->err, TD_E_INVALID_ACCOUNT, "Need name of account to add user %s to: account=NAME", name);
    if (!op->accounts.n)
        r = acct_try_operator(t, "a change of a user without an account");
    if (r == 0)
        r = settle_user(t, op, name, &user, fresh);
    for (uint32_t i = 0; r == 0 && i < op->accounts.n; i++) {
        if (!op->partitions.n)
            r = add_assoc(t, op, name, op->accounts.v[i], NULL);
        for (uint32_t k = 0; r == 0 && k < op->partitions.n; k++)
            r = add_assoc(t, op, name, op->accounts.v[i], op->partitions.v[k]);
    }
    if (r == 0 && !acct_user_is_in(t->a, name, user.conf.def_account))
        r = td_fail(t->err, TD_E_INVALID_ACCOUNT, "user %s is not in %s, which is to be his default account", name,
                    user.conf.def_account);
    return r;
}

static int add_qos(struct acct_try *t, const struct td_acct_op *op, const char *as_typed)
{
    const char *name = NULL;
    int r = acct_try_operator(t, "a QOS");
    if (r == 0)
        r = acct_try_name(t, "a QOS", as_typed, &name);
    if (r < 0 || core_qos_find(t->a, name))
        return r;
    if (t->a->qos.n >= TD_MAX_QOS)
        return td_fail(t->err, TD_E_TOO_BIG, "there are %u QOS (QOS): remove some", t->a->qos.n);
    struct td_ev_qos_set ev = {.qos = {.id = t->a->next_qos, .name = name, .conf = {.description = name}}, .uid = t->uid};
    r = acct_try_merge(t, &td_rec_qos_conf, op->set_qos, 0, &op->qos, &ev.qos.conf);
    if (r < 0)
        return r;
    acct_try_made(t, TD_EV_QOS_SET, &ev);
    return acct_try_touch(t, TD_ACCT_ADD, TD_ACCT_QOS, name, NULL, NULL);
}

int acct_coordinators(struct acct_try *t, const struct td_acct_op *op, const char *as_typed)
{
    const char *name = NULL;
    int r = acct_try_name(t, "an account", as_typed, &name);
    const struct core_account *is = r == 0 ? core_account_find(t->a, name) : NULL;
    if (r < 0)
        return r;
    if (!is)
        return td_fail(t->err, TD_E_INVALID_ACCOUNT, "This account '%s' doesn't exist", name);
    r = acct_try_right(t, name);
    struct td_ev_account_set ev = {.uid = t->uid};
    td_record_copy(&t->c->wake, &td_rec_account, is->is, &ev.account);
    const struct td_account_conf who = {.coordinators = op->names};
    if (r == 0)
        r = acct_try_merge(t, &td_rec_account_conf, 1ull << TD_KEY_account_conf_coordinators, op->op == TD_ACCT_ADD ? 1 : 2,
                           &who, &ev.account.conf);
    if (r == 0 && ev.account.conf.coordinators.n > TD_MAX_COORDINATORS)
        r = td_fail(t->err, TD_E_TOO_BIG, "account %s has %u coordinators (COORDINATORS)", name,
                    (uint32_t)TD_MAX_COORDINATORS);
    if (r < 0 || td_record_equal(&td_rec_account, &ev.account, is->is))
        return r;
    acct_try_made(t, TD_EV_ACCOUNT_SET, &ev);
    for (uint32_t i = 0; r == 0 && i < op->names.n; i++)
        r = acct_try_touch(t, op->op, TD_ACCT_COORDINATOR, core_acct_lower(&t->c->wake, op->names.v[i]), name, NULL);
    return r;
}

static bool is_there(const struct acct_try *t, const struct td_acct_op *op, const char *as_typed)
{
    const char *name = core_acct_lower(&t->c->wake, as_typed);
    if (op->what == TD_ACCT_ACCOUNT)
        return core_account_find(t->a, name) != NULL;
    if (op->what == TD_ACCT_QOS)
        return core_qos_find(t->a, name) != NULL;
    bool there = op->what == TD_ACCT_USER && op->accounts.n == 1 && op->partitions.n <= 1;
    return there && core_assoc_find(t->a, core_acct_lower(&t->c->wake, op->accounts.v[0]), name,
                                    op->partitions.n ? op->partitions.v[0] : NULL);
}

/* sacctmgr load: the object is there, and becomes as the file says. */
static int update(struct acct_try *t, const struct td_acct_op *op, uint32_t no)
{
    struct td_acct_op m = *op;
    m.op = TD_ACCT_MODIFY;
    m.names = (struct td_strs){op->names.v + no, 1};
    if (op->what == TD_ACCT_ACCOUNT && td_str_casecmp(op->names.v[no], ACCT_ROOT) == 0)
        m.parent = NULL;
    return acct_modify(t, &m);
}

int acct_add(struct acct_try *t, const struct td_acct_op *op)
{
    int r = 0;
    if (!core_acct_on(t->a)) {
        r = acct_try_operator(t, "the first account, with which accounting begins,");
        if (r < 0)
            return r;
        turn_on(t);
    }
    if (op->what == TD_ACCT_COORDINATOR) {
        for (uint32_t i = 0; r == 0 && i < op->accounts.n; i++)
            r = acct_coordinators(t, op, op->accounts.v[i]);
        return r;
    }
    for (uint32_t i = 0; r == 0 && i < op->names.n; i++) {
        if (op->update && is_there(t, op, op->names.v[i]))
            r = update(t, op, i);
        else if (op->what == TD_ACCT_ACCOUNT)
            r = add_account(t, op, op->names.v[i]);
        else if (op->what == TD_ACCT_USER)
            r = add_user(t, op, i);
        else if (op->what == TD_ACCT_QOS)
            r = add_qos(t, op, op->names.v[i]);
        else
            r = td_fail(t->err, TD_E_INVALID_REQUEST, "nothing of kind %u can be added", op->what);
    }
    return r;
}
