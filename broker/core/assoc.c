/* assoc.c - the tree of associations
 *
 * Owns: struct core_assoc, from the root down. What an association used is in its ancestors' usage, too, and goes along
 * when an account is moved; when one is removed its usage stays theirs, as Slurm has it.
 * Invariants (account_check.c): every parent is an account's; no circle; children in order; each is found by number and
 * by key. */
#include <string.h>

#include "broker/core/acct.h"

static char *key_of(const char *account, const char *user, const char *partition)
{
    struct td_buf b = {0};
    td_buf_puts(&b, account ? account : "");
    td_buf_putc(&b, '\n');
    td_buf_puts(&b, user ? user : "");
    td_buf_putc(&b, '\n');
    td_buf_puts(&b, partition ? partition : "");
    char *key = td_strdup(td_buf_str(&b));
    td_buf_release(&b);
    return key;
}

struct core_assoc *core_assoc_find(const struct core_acct *a, const char *account, const char *user, const char *partition)
{
    td_autofree char *key = key_of(account, user, partition);
    return td_strmap_get(&a->assoc_by_key, key);
}

struct core_assoc *core_assoc_by_id(const struct core_acct *a, uint32_t id)
{
    return td_map_get(&a->assoc_by_id, id);
}

bool core_assoc_is_user(const struct core_assoc *s)
{
    return !td_str_empty(s->is->user);
}

bool core_assoc_is_below(const struct core_assoc *s, const struct core_assoc *top)
{
    while (s && s != top)
        s = s->parent;
    return s != NULL;
}

uint32_t core_assoc_depth(const struct core_assoc *s)
{
    uint32_t n = 0;
    for (s = s->parent; s; s = s->parent)
        n++;
    return n;
}

uint32_t core_assoc_height(const struct core_assoc *s)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < s->below.n; i++)
        most = TD_MAX(most, 1 + core_assoc_height(s->below.v[i])); /* bounded: ACCOUNT_DEPTH */
    return most;
}

bool core_assoc_walk(const struct core_assoc *from, core_assoc_visit_fn *visit, void *ctx)
{
    if (!visit(ctx, from))
        return false;
    for (uint32_t i = 0; i < from->below.n; i++)
        if (!core_assoc_walk(from->below.v[i], visit, ctx))
            return false;
    return true;
}

/* --- usage -------------------------------------------------------------------------------------------------------------- */

static void use_add(struct core_assoc *s, const uint64_t *used, uint32_t nused, uint64_t wall)
{
    if (nused > s->nused) {
        s->used = td_realloc(s->used, nused * sizeof(*s->used));
        memset(s->used + s->nused, 0, (nused - s->nused) * sizeof(*s->used));
        s->nused = nused;
    }
    for (uint32_t i = 0; i < nused; i++)
        s->used[i] = s->used[i] > UINT64_MAX - used[i] ? UINT64_MAX : s->used[i] + used[i];
    s->wall = s->wall > UINT64_MAX - wall ? UINT64_MAX : s->wall + wall;
}

/* Decay rounds each of them by itself, so what is taken may be a little more than is left. */
static void use_take(struct core_assoc *s, const uint64_t *used, uint32_t nused, uint64_t wall)
{
    for (uint32_t i = 0; i < TD_MIN(nused, s->nused); i++)
        s->used[i] -= TD_MIN(s->used[i], used[i]);
    s->wall -= TD_MIN(s->wall, wall);
}

void core_assoc_charge(struct core_acct *a TD_UNUSED, struct core_assoc *s, const uint64_t *used, uint32_t nused, uint64_t wall)
{
    for (; s; s = s->parent)
        use_add(s, used, nused, wall);
}

void core_assoc_restore_use(struct core_assoc *s, const uint64_t *used, uint32_t nused, uint64_t wall)
{
    use_add(s, used, nused, wall);
}

static void use_forget(struct core_assoc *s)
{
    td_free(s->used);
    s->used = NULL;
    s->nused = 0;
    s->wall = 0;
    for (uint32_t i = 0; i < s->below.n; i++)
        use_forget(s->below.v[i]);
}

void core_assoc_reset(struct core_acct *a, uint32_t id)
{
    struct core_assoc *s = core_assoc_by_id(a, id);
    TD_ASSERT(s);
    for (struct core_assoc *up = s->parent; up; up = up->parent)
        use_take(up, s->used, s->nused, s->wall);
    use_forget(s);
}

/* --- the tree ------------------------------------------------------------------------------------------------------------- */

static int compare(const struct core_assoc *x, const struct core_assoc *y)
{
    if (core_assoc_is_user(x) != core_assoc_is_user(y))
        return core_assoc_is_user(x) ? -1 : 1;
    int d = strcmp(core_assoc_is_user(x) ? x->is->user : x->is->account, core_assoc_is_user(y) ? y->is->user : y->is->account);
    if (d == 0)
        d = strcmp(x->is->partition ? x->is->partition : "", y->is->partition ? y->is->partition : "");
    return d;
}

static void attach(struct core_assoc *s, struct core_assoc *parent)
{
    s->parent = parent;
    if (!parent)
        return;
    uint32_t at = parent->below.n;
    while (at > 0 && compare(parent->below.v[at - 1], s) > 0)
        at--;
    td_vec_push(&parent->below, s);
    memmove(parent->below.v + at + 1, parent->below.v + at, (parent->below.n - 1 - at) * sizeof(*parent->below.v));
    parent->below.v[at] = s;
}

static void detach(struct core_assoc *s)
{
    struct core_assoc *p = s->parent;
    uint32_t at = 0;
    if (!p)
        return;
    while (p->below.v[at] != s)
        at++;
    p->below.n--;
    memmove(p->below.v + at, p->below.v + at + 1, (p->below.n - at) * sizeof(*p->below.v));
    s->parent = NULL;
}

static struct core_assoc *parent_of(const struct core_acct *a, const struct td_assoc *is)
{
    const char *name = td_str_empty(is->user) ? is->parent : is->account;
    if (td_str_empty(name))
        return NULL;
    const struct core_account *up = core_account_find(a, name);
    TD_ASSERT(up && up->assoc);
    return up->assoc;
}

static struct core_assoc *make(struct core_acct *a, const struct td_assoc *is)
{
    struct core_assoc *s = td_alloc(sizeof(*s));
    td_autofree char *key = key_of(is->account, is->user, is->partition);
    s->is = core_pack(&td_rec_assoc, is);
    attach(s, parent_of(a, is));
    td_map_put(&a->assoc_by_id, is->id, s);
    td_strmap_put(&a->assoc_by_key, key, s);
    a->nassocs++;
    a->next_assoc = TD_MAX(a->next_assoc, is->id + 1);
    if (!s->parent)
        a->root = s;
    if (core_assoc_is_user(s))
        core_acct_user_find(a, is->user)->nassocs++;
    else
        core_account_find(a, is->account)->assoc = s;
    return s;
}

void core_assoc_apply_set(struct core_acct *a, const struct td_assoc *is)
{
    struct core_assoc *s = core_assoc_by_id(a, is->id);
    if (!s) {
        make(a, is);
        return;
    }
    struct td_assoc *was = s->is;
    s->is = core_pack(&td_rec_assoc, is);
    td_free(was);
    struct core_assoc *to = parent_of(a, s->is);
    if (to == s->parent)
        return;
    for (struct core_assoc *up = s->parent; up; up = up->parent)
        use_take(up, s->used, s->nused, s->wall);
    detach(s);
    attach(s, to);
    core_assoc_charge(a, to, s->used, s->nused, s->wall);
}

void core_assoc_apply_removed(struct core_acct *a, uint32_t id)
{
    struct core_assoc *s = td_map_del(&a->assoc_by_id, id);
    TD_ASSERT(s && s->below.n == 0);
    td_autofree char *key = key_of(s->is->account, s->is->user, s->is->partition);
    td_strmap_del(&a->assoc_by_key, key);
    detach(s);
    a->nassocs--;
    if (a->root == s)
        a->root = NULL;
    if (core_assoc_is_user(s))
        core_acct_user_find(a, s->is->user)->nassocs--;
    else
        core_account_find(a, s->is->account)->assoc = NULL;
    core_assoc_free(s);
}

/* With what is below it. */
void core_assoc_free(struct core_assoc *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; i < s->below.n; i++)
        core_assoc_free(s->below.v[i]);
    td_vec_release(&s->below);
    td_free(s->used);
    td_free(s->is);
    td_free(s);
}

/* --- what goes for its jobs ------------------------------------------------------------------------------------------------ */

/* Limits of a group are its own; of those of a job or a user, and of the QOS, what is not said is the parent's. */
static bool is_inherited(uint32_t key)
{
    switch (key) {
    case TD_KEY_assoc_conf_def_qos:
    case TD_KEY_assoc_conf_qos:
    case TD_KEY_assoc_conf_max_tres:
    case TD_KEY_assoc_conf_max_tres_mins:
    case TD_KEY_assoc_conf_max_tres_per_node:
    case TD_KEY_assoc_conf_max_tres_run_mins:
    case TD_KEY_assoc_conf_max_jobs:
    case TD_KEY_assoc_conf_max_jobs_accrue:
    case TD_KEY_assoc_conf_max_submit:
    case TD_KEY_assoc_conf_max_wall_m:
    case TD_KEY_assoc_conf_min_prio:
        return true;
    default:
        return false;
    }
}

static bool is_unset(const struct td_field *f, const void *at)
{
    switch (f->type) {
    case TD_T_U32:
        return *(const uint32_t *)at == 0;
    case TD_T_STR:
        return td_str_empty(*(const char *const *)at);
    default: /* all lists look alike */
        return ((const struct td_strs *)at)->n == 0;
    }
}

void core_assoc_effective(const struct core_assoc *s, struct td_assoc_conf *ret)
{
    *ret = s->is->conf;
    for (uint32_t i = 0; i < td_rec_assoc_conf.n; i++) {
        const struct td_field *f = &td_rec_assoc_conf.fields[i];
        char *at = (char *)ret + f->offset;
        const struct core_assoc *up = s->parent;
        if (!is_inherited(f->key))
            continue;
        for (; up && is_unset(f, at); up = up->parent)
            memcpy(at, (const char *)&up->is->conf + f->offset, td_field_size(f));
    }
}
