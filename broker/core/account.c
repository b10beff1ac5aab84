/* account.c - accounts and users: their tables, and what an event does to them
 *
 * Owns: struct core_account, struct core_acct_user. Each event holds the whole of an object, so applying it is putting it
 * in the place of what was there. Names are kept in small letters, as Slurm does it.
 * Knows nothing of: who may ask for what, and jobs. */
#include <string.h>

#include "broker/core/acct.h"

bool core_acct_on(const struct core_acct *a)
{
    return a->accounts.n > 0;
}

const char *core_acct_lower(struct td_arena *arena, const char *name)
{
    char *s = td_arena_strdup(arena, name ? name : "");
    for (char *p = s; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    return s;
}

bool core_acct_has_name(const struct td_strs *l, const char *name)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (td_str_equal(l->v[i], name))
            return true;
    return false;
}

struct core_account *core_account_find(const struct core_acct *a, const char *name)
{
    return td_strmap_get(&a->account_by_name, name ? name : "");
}

struct core_acct_user *core_acct_user_find(const struct core_acct *a, const char *name)
{
    return td_strmap_get(&a->user_by_name, name ? name : "");
}

const struct core_acct_user *core_acct_user_of(const struct core_acct *a, uint32_t uid)
{
    return td_map_get(&a->user_by_uid, (uint64_t)uid + 1);
}

bool core_acct_coordinates(const struct core_acct *a, const char *user, const char *account)
{
    const struct core_account *at = core_account_find(a, account);
    for (const struct core_assoc *s = at ? at->assoc : NULL; s; s = s->parent) {
        const struct core_account *of = core_account_find(a, s->is->account);
        if (of && core_acct_has_name(&of->is->conf.coordinators, user))
            return true;
    }
    return false;
}

/* --- what an event does --------------------------------------------------------------------------------------------- */

static void account_set(struct core_acct *a, const struct td_account *is)
{
    struct core_account *t = core_account_find(a, is->name);
    if (!t) {
        t = td_alloc(sizeof(*t));
        uint32_t at = a->accounts.n;
        while (at > 0 && strcmp(a->accounts.v[at - 1]->is->name, is->name) > 0)
            at--;
        td_vec_push(&a->accounts, t);
        memmove(a->accounts.v + at + 1, a->accounts.v + at, (a->accounts.n - 1 - at) * sizeof(*a->accounts.v));
        a->accounts.v[at] = t;
        td_strmap_put(&a->account_by_name, is->name, t);
    }
    struct td_account *was = t->is;
    t->is = core_pack(&td_rec_account, is);
    td_free(was);
}

static void account_removed(struct core_acct *a, const char *name)
{
    struct core_account *t = td_strmap_del(&a->account_by_name, name);
    TD_ASSERT(t && !t->assoc);
    uint32_t at = 0;
    while (a->accounts.v[at] != t)
        at++;
    a->accounts.n--;
    memmove(a->accounts.v + at, a->accounts.v + at + 1, (a->accounts.n - at) * sizeof(*a->accounts.v));
    td_free(t->is);
    td_free(t);
}

/* Two names of one number: the one that was set last has it. */
static void uid_forget(struct core_acct *a, const struct core_acct_user *u)
{
    if (u->is && u->is->conf.uid && td_map_get(&a->user_by_uid, u->is->conf.uid) == u)
        td_map_del(&a->user_by_uid, u->is->conf.uid);
}

static void user_set(struct core_acct *a, const struct td_acct_user *is)
{
    struct core_acct_user *u = core_acct_user_find(a, is->name);
    if (!u) {
        u = td_alloc(sizeof(*u));
        uint32_t at = a->users.n;
        while (at > 0 && strcmp(a->users.v[at - 1]->is->name, is->name) > 0)
            at--;
        td_vec_push(&a->users, u);
        memmove(a->users.v + at + 1, a->users.v + at, (a->users.n - 1 - at) * sizeof(*a->users.v));
        a->users.v[at] = u;
        td_strmap_put(&a->user_by_name, is->name, u);
    }
    uid_forget(a, u);
    struct td_acct_user *was = u->is;
    u->is = core_pack(&td_rec_acct_user, is);
    td_free(was);
    if (u->is->conf.uid)
        td_map_put(&a->user_by_uid, u->is->conf.uid, u);
}

static void user_removed(struct core_acct *a, const char *name)
{
    struct core_acct_user *u = td_strmap_del(&a->user_by_name, name);
    TD_ASSERT(u && u->nassocs == 0);
    uid_forget(a, u);
    uint32_t at = 0;
    while (a->users.v[at] != u)
        at++;
    a->users.n--;
    memmove(a->users.v + at, a->users.v + at + 1, (a->users.n - at) * sizeof(*a->users.v));
    td_free(u->is);
    td_free(u);
}

void core_acct_apply(struct core_acct *a, uint32_t id, const void *body)
{
    a->fair_stale = true;
    switch (id) {
    case TD_EV_ACCOUNT_SET:
        account_set(a, &((const struct td_ev_account_set *)body)->account);
        return;
    case TD_EV_ACCOUNT_REMOVED:
        account_removed(a, ((const struct td_ev_account_removed *)body)->name);
        return;
    case TD_EV_ACCT_USER_SET:
        user_set(a, &((const struct td_ev_acct_user_set *)body)->user);
        return;
    case TD_EV_ACCT_USER_REMOVED:
        user_removed(a, ((const struct td_ev_acct_user_removed *)body)->name);
        return;
    case TD_EV_ASSOC_SET:
        core_assoc_apply_set(a, &((const struct td_ev_assoc_set *)body)->assoc);
        return;
    case TD_EV_ASSOC_REMOVED:
        core_assoc_apply_removed(a, ((const struct td_ev_assoc_removed *)body)->id);
        return;
    case TD_EV_QOS_SET:
        core_qos_apply_set(a, &((const struct td_ev_qos_set *)body)->qos);
        return;
    case TD_EV_QOS_REMOVED:
        core_qos_apply_removed(a, ((const struct td_ev_qos_removed *)body)->name);
        return;
    case TD_EV_TRES_SET:
        core_tres_apply_set(a, &((const struct td_ev_tres_set *)body)->tres);
        return;
    case TD_EV_USAGE_RESET:
        core_assoc_reset(a, ((const struct td_ev_usage_reset *)body)->id);
        return;
    default:
        td_assert_failed(__FILE__, __LINE__, "not an event of accounting");
    }
}

/* --- snapshot ----------------------------------------------------------------------------------------------------------- */

struct emit {
    const struct core_acct *a;
    td_core_emit_fn *fn;
    void *ctx;
};

static bool emit_assoc(void *ctx, const struct core_assoc *s)
{
    const struct emit *e = ctx;
    struct td_tres_count used[TD_MAX_TRES];
    struct td_snap_assoc r = {.assoc = *s->is, .used = {used, 0}, .wall = s->wall};
    for (uint32_t i = 0; i < s->nused; i++)
        if (s->used[i])
            used[r.used.n++] = (struct td_tres_count){.name = e->a->tres.v[i]->name, .count = s->used[i]};
    e->fn(e->ctx, TD_SNAP_ASSOC, &td_rec_snap_assoc, &r);
    return true;
}

void core_acct_snapshot(const struct core_acct *a, td_core_emit_fn *emit, void *ctx)
{
    struct emit e = {a, emit, ctx};
    if (!core_acct_on(a) && !a->ticked_ms)
        return;
    const struct td_snap_acct head = {
        .next_assoc = a->next_assoc, .next_qos = a->next_qos, .ticked_ms = a->ticked_ms, .reset_ms = a->reset_ms};
    emit(ctx, TD_SNAP_ACCT, &td_rec_snap_acct, &head);
    for (uint32_t i = 0; i < a->tres.n; i++)
        emit(ctx, TD_SNAP_TRES, &td_rec_snap_tres, &(struct td_snap_tres){.tres = *a->tres.v[i]});
    for (uint32_t i = 0; i < a->qos.n; i++)
        emit(ctx, TD_SNAP_QOS, &td_rec_snap_qos, &(struct td_snap_qos){.qos = *a->qos.v[i]->is});
    for (uint32_t i = 0; i < a->accounts.n; i++)
        emit(ctx, TD_SNAP_ACCOUNT, &td_rec_snap_account, &(struct td_snap_account){.account = *a->accounts.v[i]->is});
    for (uint32_t i = 0; i < a->users.n; i++)
        emit(ctx, TD_SNAP_ACCT_USER, &td_rec_snap_acct_user, &(struct td_snap_acct_user){.user = *a->users.v[i]->is});
    if (a->root)
        core_assoc_walk(a->root, emit_assoc, &e);
}

static int restore_assoc(struct core_acct *a, const struct td_snap_assoc *r, struct td_error *err)
{
    const struct td_assoc *is = &r->assoc;
    bool is_user = !td_str_empty(is->user), is_root = !is_user && td_str_empty(is->parent);
    const struct core_account *up = core_account_find(a, is_user ? is->account : is->parent);
    if (!core_account_find(a, is->account) || (is_user && !core_acct_user_find(a, is->user)) ||
        (is_root ? a->root != NULL : !up || !up->assoc) || core_assoc_by_id(a, is->id) || r->used.n > TD_MAX_TRES)
        return td_fail(err, TD_E_JOURNAL, "snapshot: association %u makes no sense", is->id);
    core_assoc_apply_set(a, is);
    struct core_assoc *s = core_assoc_by_id(a, is->id);
    uint64_t used[TD_MAX_TRES] = {0};
    uint32_t nused = 0;
    for (uint32_t i = 0; i < r->used.n; i++) {
        uint32_t at;
        if (!core_tres_index(a, r->used.v[i].name, &at))
            return td_fail(err, TD_E_JOURNAL, "snapshot: association %u used %s, which is not there", is->id,
                           r->used.v[i].name ? r->used.v[i].name : "");
        used[at] = r->used.v[i].count;
        nused = TD_MAX(nused, at + 1);
    }
    core_assoc_restore_use(s, used, nused, r->wall);
    return 0;
}

int core_acct_restore(struct core_acct *a, uint32_t kind, const void *body, struct td_error *err)
{
    a->fair_stale = true;
    switch (kind) {
    case TD_SNAP_ACCT: {
        const struct td_snap_acct *r = body;
        a->next_assoc = r->next_assoc;
        a->next_qos = r->next_qos;
        a->ticked_ms = r->ticked_ms;
        a->reset_ms = r->reset_ms;
        return 0;
    }
    case TD_SNAP_TRES:
        core_tres_apply_set(a, &((const struct td_snap_tres *)body)->tres);
        return 0;
    case TD_SNAP_QOS:
        core_qos_apply_set(a, &((const struct td_snap_qos *)body)->qos);
        return 0;
    case TD_SNAP_ACCOUNT:
        account_set(a, &((const struct td_snap_account *)body)->account);
        return 0;
    case TD_SNAP_ACCT_USER:
        user_set(a, &((const struct td_snap_acct_user *)body)->user);
        return 0;
    default:
        TD_ASSERT(kind == TD_SNAP_ASSOC);
        return restore_assoc(a, body, err);
    }
}

void core_acct_free(struct core_acct *a)
{
    core_assoc_free(a->root);
    for (uint32_t i = 0; i < a->accounts.n; i++) {
        td_free(a->accounts.v[i]->is);
        td_free(a->accounts.v[i]);
    }
    for (uint32_t i = 0; i < a->users.n; i++) {
        td_free(a->users.v[i]->is);
        td_free(a->users.v[i]);
    }
    for (uint32_t i = 0; i < a->qos.n; i++) {
        td_free(a->qos.v[i]->is);
        td_free(a->qos.v[i]);
    }
    for (uint32_t i = 0; i < a->tres.n; i++)
        td_free(a->tres.v[i]);
    td_vec_release(&a->accounts);
    td_vec_release(&a->users);
    td_vec_release(&a->qos);
    td_vec_release(&a->tres);
    td_strmap_release(&a->account_by_name);
    td_strmap_release(&a->user_by_name);
    td_strmap_release(&a->qos_by_name);
    td_strmap_release(&a->assoc_by_key);
    td_strmap_release(&a->tres_by_name);
    td_map_release(&a->assoc_by_id);
    td_map_release(&a->user_by_uid);
}
