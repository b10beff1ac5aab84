/* account_try.c - a request to accounting: all of it or nothing
 *
 * A request is a list of wishes, and what a later one may do depends on what an earlier one made. So it is tried on the
 * tables themselves, each step remembering how it is taken back; whatever comes of it, all is taken back. Only if every
 * wish was granted are the events made, and they do the same again. They are one wake's, so one commit's.
 * Rights: operators; and coordinators, for users in their accounts and accounts below them. */
#include <string.h>

#include "broker/core/acct_try.h"

static const void *keep(struct acct_try *t, const struct td_record *rec, const void *body)
{
    void *copy = td_arena_alloc(&t->c->wake, rec->size);
    td_record_copy(&t->c->wake, rec, body, copy);
    return copy;
}

static struct acct_undo undo_assoc(struct acct_try *t, uint32_t id)
{
    const struct core_assoc *s = core_assoc_by_id(t->a, id);
    if (!s)
        return (struct acct_undo){.id = TD_EV_ASSOC_REMOVED,
                                  .body = keep(t, &td_rec_ev_assoc_removed, &(struct td_ev_assoc_removed){.id = id})};
    return (struct acct_undo){
        .id = TD_EV_ASSOC_SET,
        .body = keep(t, &td_rec_ev_assoc_set, &(struct td_ev_assoc_set){.assoc = *s->is}),
        .used = s->nused ? td_arena_dup(&t->c->wake, s->used, s->nused * sizeof(*s->used)) : NULL,
        .nused = s->nused,
        .wall = s->wall,
    };
}

static struct acct_undo undo_of(struct acct_try *t, uint32_t id, const void *body)
{
    if (id == TD_EV_ASSOC_SET)
        return undo_assoc(t, ((const struct td_ev_assoc_set *)body)->assoc.id);
    if (id == TD_EV_ASSOC_REMOVED)
        return undo_assoc(t, ((const struct td_ev_assoc_removed *)body)->id);
    if (id == TD_EV_ACCOUNT_SET || id == TD_EV_ACCOUNT_REMOVED) {
        const char *name = id == TD_EV_ACCOUNT_SET ? ((const struct td_ev_account_set *)body)->account.name
                                                   : ((const struct td_ev_account_removed *)body)->name;
        const struct core_account *is = core_account_find(t->a, name);
        if (!is)
            return (struct acct_undo){
                .id = TD_EV_ACCOUNT_REMOVED,
                .body = keep(t, &td_rec_ev_account_removed, &(struct td_ev_account_removed){.name = name})};
        return (struct acct_undo){.id = TD_EV_ACCOUNT_SET,
                                  .body = keep(t, &td_rec_ev_account_set, &(struct td_ev_account_set){.account = *is->is})};
    }
    if (id == TD_EV_ACCT_USER_SET || id == TD_EV_ACCT_USER_REMOVED) {
        const char *name = id == TD_EV_ACCT_USER_SET ? ((const struct td_ev_acct_user_set *)body)->user.name
                                                     : ((const struct td_ev_acct_user_removed *)body)->name;
        const struct core_acct_user *is = core_acct_user_find(t->a, name);
        if (!is)
            return (struct acct_undo){
                .id = TD_EV_ACCT_USER_REMOVED,
                .body = keep(t, &td_rec_ev_acct_user_removed, &(struct td_ev_acct_user_removed){.name = name})};
        return (struct acct_undo){.id = TD_EV_ACCT_USER_SET,
                                  .body = keep(t, &td_rec_ev_acct_user_set, &(struct td_ev_acct_user_set){.user = *is->is})};
    }
    if (id == TD_EV_QOS_SET || id == TD_EV_QOS_REMOVED) {
        const char *name = id == TD_EV_QOS_SET ? ((const struct td_ev_qos_set *)body)->qos.name
                                               : ((const struct td_ev_qos_removed *)body)->name;
        const struct core_qos *is = core_qos_find(t->a, name);
        if (!is)
            return (struct acct_undo){.id = TD_EV_QOS_REMOVED,
                                      .body = keep(t, &td_rec_ev_qos_removed, &(struct td_ev_qos_removed){.name = name})};
        return (struct acct_undo){.id = TD_EV_QOS_SET,
                                  .body = keep(t, &td_rec_ev_qos_set, &(struct td_ev_qos_set){.qos = *is->is})};
    }
    TD_ASSERT(id == TD_EV_TRES_SET);
    return (struct acct_undo){0};
}

void acct_try_made(struct acct_try *t, uint32_t id, const void *body)
{
    const struct acct_made m = {.id = id, .body = keep(t, td_event_row(id)->record, body)};
    td_vec_push(&t->made, m);
    if (id == TD_EV_USAGE_RESET)
        return; /* nothing in a request depends on it */
    td_vec_push(&t->undo, undo_of(t, id, m.body));
    core_acct_apply(t->a, id, m.body);
}

static void take_back(struct acct_try *t)
{
    for (uint32_t i = t->undo.n; i-- > 0;) {
        const struct acct_undo *u = &t->undo.v[i];
        if (!u->id) {
            core_tres_forget_last(t->a);
            continue;
        }
        bool comes_back =
            u->id == TD_EV_ASSOC_SET && !core_assoc_by_id(t->a, ((const struct td_ev_assoc_set *)u->body)->assoc.id);
        core_acct_apply(t->a, u->id, u->body);
        if (comes_back) /* its parents have kept what it used */
            core_assoc_restore_use(core_assoc_by_id(t->a, ((const struct td_ev_assoc_set *)u->body)->assoc.id), u->used,
                                   u->nused, u->wall);
    }
}

int acct_try_touch(struct acct_try *t, uint32_t op, uint32_t what, const char *name, const char *account,
                   const char *partition)
{
    const struct td_acct_touched row = {.op = op, .what = what, .name = name, .account = account, .partition = partition};
    if (t->touched.n >= TD_MAX_ACCT_OPS)
        return td_fail(t->err, TD_E_TOO_BIG, "one request touches at most %u objects (ACCT_OPS): ask in parts",
                       (uint32_t)TD_MAX_ACCT_OPS);
    td_vec_push(&t->touched, *(const struct td_acct_touched *)keep(t, &td_rec_acct_touched, &row));
    return 0;
}

/* --- who may -------------------------------------------------------------------------------------------------------------
 */

int acct_try_operator(struct acct_try *t, const char *what)
{
    return t->is_operator ? 0 : td_fail(t->err, TD_E_DENIED, "%s: %s needs an operator", td_error_words(TD_E_DENIED), what);
}

int acct_try_right(struct acct_try *t, const char *account)
{
    if (t->is_operator || (t->asker && core_acct_coordinates(t->a, t->asker, account)))
        return 0;
    return td_fail(t->err, TD_E_DENIED, "%s: account %s is for operators and its coordinators to change",
                   td_error_words(TD_E_DENIED), account);
}

/* --- what it may hold
 * -------------------------------------------------------------------------------------------------------- */

/* Letters of any language; none that would mean something else in a list, in a table or in a dump. */
int acct_try_name(struct acct_try *t, const char *what, const char *name, const char **ret)
{
    if (td_str_empty(name))
        return td_fail(t->err, TD_E_INVALID_REQUEST, "the name of %s is empty", what);
    if (strlen(name) > TD_MAX_NAME_BYTES)
        return td_fail(t->err, TD_E_TOO_BIG, "the name of %s is over %u bytes (NAME_BYTES)", what,
                       (uint32_t)TD_MAX_NAME_BYTES);
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        if (*p > ' ' && *p != 0x7f && !strchr("\"'`,=|:%\\", *p) && !(*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
            continue;
        if (*p > ' ' && *p < 0x7f)
            return td_fail(t->err, TD_E_INVALID_REQUEST, "the name of %s may not hold %c: %s", what, (char)*p, name);
        return td_fail(t->err, TD_E_INVALID_REQUEST, "the name of %s may not hold blanks or control characters", what);
    }
    *ret = core_acct_lower(&t->c->wake, name);
    return 0;
}

static bool is_own_kind(const char *name)
{
    static const char *const types[] = {"gres/", "license/", "bb/", "interconnect/", "fs/"};
    for (size_t i = 0; i < TD_ARRAY_LEN(types); i++)
        if (td_str_prefix(name, types[i]) && name[strlen(types[i])])
            return true;
    return false;
}

static int tres_known(struct acct_try *t, const char *name)
{
    uint32_t at;
    if (core_tres_index(t->a, name, &at))
        return 0;
    if (!is_own_kind(name))
        return td_fail(t->err, TD_E_INVALID_REQUEST,
                       "%s is no kind of resource: cpu, mem, node, billing, gres/NAME, license/NAME", name);
    if (t->a->tres.n >= TD_MAX_TRES)
        return td_fail(t->err, TD_E_TOO_BIG, "%u kinds of resources are accounted for (TRES): no room for %s", t->a->tres.n,
                       name);
    const struct td_ev_tres_set ev = {.tres = {.id = core_tres_next_id(t->a), .name = name}};
    acct_try_made(t, TD_EV_TRES_SET, &ev);
    return 0;
}

/* A list of limits changes by its kinds: those that are not named stay. In the order of the kinds. */
static int merge_tres(struct acct_try *t, const struct td_tres_count_list *from, struct td_tres_count_list *to)
{
    struct td_tres_count *v = td_arena_alloc(&t->c->wake, (TD_MAX_TRES + 1) * sizeof(*v));
    uint64_t count[TD_MAX_TRES];
    bool set[TD_MAX_TRES] = {false};
    uint32_t n = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        const struct td_tres_count_list *l = pass ? from : to;
        for (uint32_t i = 0; i < l->n; i++) {
            const char *name = NULL;
            uint32_t at = 0;
            int r = acct_try_name(t, "a kind of resource", l->v[i].name, &name);
            if (r == 0)
                r = tres_known(t, name);
            if (r < 0)
                return r;
            core_tres_index(t->a, name, &at);
            set[at] = l->v[i].count != ACCT_TRES_GONE;
            count[at] = l->v[i].count;
        }
    }
    for (uint32_t i = 0; i < t->a->tres.n; i++)
        if (set[i])
            v[n++] = (struct td_tres_count){.name = t->a->tres.v[i]->name, .count = count[i]};
    *to = (struct td_tres_count_list){v, n};
    return 0;
}

static int name_there(struct acct_try *t, const struct td_record *rec, uint32_t key, const char *name)
{
    bool is_user = rec == &td_rec_account_conf;
    if (is_user ? core_acct_user_find(t->a, name) != NULL : core_qos_find(t->a, name) != NULL)
        return 0;
    return td_fail(t->err, is_user ? TD_E_INVALID_USER : TD_E_INVALID_QOS, "%s: %s (%s)",
                   td_error_words(is_user ? TD_E_INVALID_USER : TD_E_INVALID_QOS), name,
                   rec == &td_rec_assoc_conf && key == TD_KEY_assoc_conf_def_qos ? "DefaultQOS"
                   : is_user                                                     ? "coordinator"
                                                                                 : "QOS");
}

/* In the order of names, each once. */
static int merge_names(struct acct_try *t, const struct td_record *rec, uint32_t key, uint32_t lists,
                       const struct td_strs *from, struct td_strs *to)
{
    uint32_t had = lists ? to->n : 0, n = 0;
    const char **v = td_arena_alloc(&t->c->wake, (had + from->n + 1) * sizeof(*v));
    for (uint32_t i = 0; i < had + from->n; i++) {
        const char *name = i < had ? td_arena_strdup(&t->c->wake, to->v[i]) : NULL;
        int r = i < had ? 0 : acct_try_name(t, "an entry", from->v[i - had], &name);
        if (r == 0 && i >= had)
            r = name_there(t, rec, key, name);
        if (r < 0)
            return r;
        uint32_t at = 0;
        while (at < n && strcmp(v[at], name) < 0)
            at++;
        bool there = at < n && strcmp(v[at], name) == 0;
        if (i >= had && lists == 2) {
            if (there)
                memmove(v + at, v + at + 1, (--n - at) * sizeof(*v));
            continue;
        }
        if (there)
            continue;
        memmove(v + at + 1, v + at, (n++ - at) * sizeof(*v));
        v[at] = name;
    }
    *to = (struct td_strs){v, n};
    return 0;
}

int acct_try_merge(struct acct_try *t, const struct td_record *rec, uint64_t set, uint32_t lists, const void *from, void *to)
{
    int r = 0;
    for (uint32_t i = 0; i < rec->n && r == 0; i++) {
        const struct td_field *f = &rec->fields[i];
        const void *src = (const char *)from + f->offset;
        void *dst = (char *)to + f->offset;
        if (!(set >> f->key & 1))
            continue;
        if (f->type == TD_T_STRS)
            r = merge_names(t, rec, f->key, lists, src, dst);
        else if (f->type == TD_T_RECS)
            r = merge_tres(t, src, dst);
        else
            memcpy(dst, src, td_field_size(f));
        if (r == 0 && rec == &td_rec_assoc_conf && f->key == TD_KEY_assoc_conf_def_qos &&
            !td_str_empty(*(const char **)dst)) {
            *(const char **)dst = core_acct_lower(&t->c->wake, *(const char **)dst);
            r = name_there(t, rec, f->key, *(const char **)dst);
        }
        if (r == 0 && rec == &td_rec_assoc_conf && f->key == TD_KEY_assoc_conf_shares &&
            *(const uint32_t *)dst != TD_INFINITE && *(const uint32_t *)dst > INT32_MAX)
            r = td_fail(t->err, TD_E_INVALID_REQUEST, "Fairshare: %u is over %u", *(const uint32_t *)dst - 1,
                        (uint32_t)INT32_MAX - 1);
    }
    return r;
}

bool acct_try_is_active(const struct acct_try *t, const struct core_assoc *top, uint32_t *ret_job)
{
    for (uint32_t i = 0; i < t->c->jobs.n; i++) {
        const struct core_job *j = t->c->jobs.v[i];
        const struct core_assoc *s = j->assoc && j->state != TD_JOB_DONE ? core_assoc_by_id(t->a, j->assoc) : NULL;
        if (!s || !core_assoc_is_below(s, top))
            continue;
        *ret_job = j->id;
        return true;
    }
    return false;
}

/* --- the request
 * ----------------------------------------------------------------------------------------------------------- */

static int grant(struct acct_try *t, const struct td_acct_op *op)
{
    switch ((enum td_acct_verb)op->op) {
    case TD_ACCT_ADD:
        return acct_add(t, op);
    case TD_ACCT_MODIFY:
        return acct_modify(t, op);
    case TD_ACCT_REMOVE:
        return acct_remove(t, op);
    }
    return td_fail(t->err, TD_E_INVALID_REQUEST, "unknown wish %u of accounting", op->op);
}

static int events_room(const struct acct_try *t)
{
    if (t->c->events.n + t->made.n < TD_MAX_EVENTS_PER_WAKE - 1000)
        return 0;
    return td_fail(t->err, TD_E_TOO_BIG, "the request comes to more changes than go into one commit: ask in parts");
}

static void answer(struct acct_try *t, const struct td_input *in)
{
    const struct td_accounts_changed m = {.touched = {t->touched.v, t->touched.n},
                                          .seq = t->c->seq,
                                          .unknown_users = {t->unknown.v, t->unknown.n},
                                          .cluster = t->c->settings.cluster};
    core_reply(t->c, in, TD_MSG_ACCOUNTS_CHANGED, &m);
}

void core_request_accounts(struct td_core *c, const struct td_input *in, const struct td_change_accounts *m)
{
    struct core_acct *a = &c->acct;
    struct td_error err = {0};
    struct acct_try t = {.c = c, .a = a, .uid = in->uid, .err = &err, .is_operator = td_core_is_operator(c, in->uid)};
    const struct core_acct_user *u = core_acct_user_of(a, in->uid);
    uint32_t next_assoc = a->next_assoc, next_qos = a->next_qos;
    int r = 0;
    if (c->low_space) {
        core_refuse_space(c, in);
        return;
    }
    t.asker = u ? td_arena_strdup(&c->wake, u->is->name) : NULL;
    for (uint32_t i = 0; i < m->ops.n && r == 0; i++) {
        r = grant(&t, &m->ops.v[i]);
        if (r == 0)
            r = events_room(&t);
    }
    take_back(&t);
    a->next_assoc = next_assoc;
    a->next_qos = next_qos;
    if (r == 0 && !m->check) {
        for (uint32_t i = 0; i < t.made.n; i++)
            core_emit(c, t.made.v[i].id, t.made.v[i].body);
        if (t.made.n)
            core_log(c, "info accounting changed by uid=%u objects=%u events=%u", in->uid, t.touched.n, t.made.n);
    }
    if (r == 0)
        answer(&t, in);
    else
        core_refuse_error(c, in, &err);
    td_vec_release(&t.made);
    td_vec_release(&t.undo);
    td_vec_release(&t.touched);
    td_vec_release(&t.unknown);
}
