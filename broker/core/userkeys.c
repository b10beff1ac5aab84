/* userkeys.c - keys by which users are known where no kernel vouches for them: over TCP, at a front
 *
 * A key is one user's. Everybody registers and takes back his own; operators those of others, but
 * of nobody who may do more than they: whoever registers a key can be its user. Root has none.
 * Bounded: USER_KEYS, KEYS_PER_USER. Knows nothing of: doors, and how a key is proved. */
#include <string.h>

#include "broker/core/state.h"

#define KEY_CHARS 40u    /* Z85 of 32 bytes */
#define BEGINNING_MIN 6u /* that is enough to name a key by */

static struct core_user_key *key_of(const struct td_core *c, const char *key)
{
    uintptr_t at = (uintptr_t)td_strmap_get(&c->user_key_by_name, key ? key : "");
    return at ? &c->user_keys.v[at - 1] : NULL;
}

bool td_core_user_key(const struct td_core *c, const char *key, uint32_t *ret_user)
{
    const struct core_user_key *k = key_of(c, key);
    if (k)
        *ret_user = k->user;
    return k != NULL;
}

void td_core_user_keys(const struct td_core *c, uint32_t asker, td_user_key_visit_fn *visit,
                       void *ctx)
{
    for (uint32_t i = 0; i < c->user_keys.n; i++) {
        const struct core_user_key *k = &c->user_keys.v[i];
        const struct td_user_key_info row = {
            .user = k->user, .key = k->key, .note = k->note, .uid = k->uid, .at_ms = k->at_ms};
        if ((k->user == asker || td_core_is_operator(c, asker)) && !visit(ctx, &row))
            return;
    }
}

/* --- kept ----------------------------------------------------------------------------------------
 */

static void key_add(struct td_core *c, const char *key, uint32_t user, uint32_t uid,
                    const char *note, int64_t at_ms)
{
    const struct core_user_key k = {.key = td_strdup(key ? key : ""),
                                    .note = td_strdup(note ? note : ""),
                                    .user = user,
                                    .uid = uid,
                                    .at_ms = at_ms};
    td_vec_push(&c->user_keys, k);
    td_strmap_put(&c->user_key_by_name, k.key, (void *)(uintptr_t)c->user_keys.n);
}

void core_user_key_apply_registered(struct td_core *c, const struct td_ev_user_key_registered *ev)
{
    key_add(c, ev->key, ev->user, ev->uid, ev->note, c->time_ms);
}

/* Those behind it move up: the order in which they came is what is shown, and what a snapshot
 * holds. */
void core_user_key_apply_revoked(struct td_core *c, const struct td_ev_user_key_revoked *ev)
{
    struct core_user_key *k = key_of(c, ev->key);
    if (!k)
        return;
    uint32_t at = (uint32_t)(k - c->user_keys.v);
    td_strmap_del(&c->user_key_by_name, k->key);
    td_free(k->key);
    td_free(k->note);
    c->user_keys.n--;
    memmove(k, k + 1, (c->user_keys.n - at) * sizeof(*k));
    for (; at < c->user_keys.n; at++)
        td_strmap_put(&c->user_key_by_name, c->user_keys.v[at].key, (void *)(uintptr_t)(at + 1));
}

void core_user_keys_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx)
{
    for (uint32_t i = 0; i < c->user_keys.n; i++) {
        const struct core_user_key *k = &c->user_keys.v[i];
        const struct td_snap_user_key r = {
            .key = k->key, .user = k->user, .uid = k->uid, .note = k->note, .at_ms = k->at_ms};
        emit(ctx, TD_SNAP_USER_KEY, &td_rec_snap_user_key, &r);
    }
}

void core_user_key_restore(struct td_core *c, const struct td_snap_user_key *r)
{
    key_add(c, r->key, r->user, r->uid, r->note, r->at_ms);
}

void core_user_keys_free(struct td_core *c)
{
    for (uint32_t i = 0; i < c->user_keys.n; i++) {
        td_free(c->user_keys.v[i].key);
        td_free(c->user_keys.v[i].note);
    }
    td_vec_release(&c->user_keys);
    td_strmap_release(&c->user_key_by_name);
}

/* --- asked for -----------------------------------------------------------------------------------
 */

/* Of whom a request speaks, by number: the shell knows the names. False: refused. */
static bool user_of(struct td_core *c, const struct td_input *in, const char *word, uint32_t *ret)
{
    uint64_t n = in->uid;
    if (!td_str_empty(word) && (!td_parse_u64(word, &n) || n >= UINT32_MAX)) {
        core_refuse(c, in, TD_E_INVALID_USER, "%s: %s", td_error_words(TD_E_INVALID_USER), word);
        return false;
    }
    *ret = (uint32_t)n;
    if (*ret == in->uid)
        return true;
    if (!td_core_is_operator(c, in->uid)) {
        core_refuse(c, in, TD_E_DENIED,
                    "%s: keys of others are an operator's to register and revoke",
                    td_error_words(TD_E_DENIED));
        return false;
    }
    if (td_core_admin_level(c, *ret) > td_core_admin_level(c, in->uid)) {
        core_refuse(
            c, in, TD_E_DENIED,
            "%s: user %u may do more than you, so his keys are not yours to register or revoke",
            td_error_words(TD_E_DENIED), *ret);
        return false;
    }
    return true;
}

static bool is_key(const char *key)
{
    uint32_t n = 0;
    for (; key && key[n] > ' ' && key[n] <= '~'; n++)
        ;
    return n == KEY_CHARS && !key[n];
}

static uint32_t count_of(const struct td_core *c, uint32_t user)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->user_keys.n; i++)
        n += c->user_keys.v[i].user == user;
    return n;
}

static void done(struct td_core *c, const struct td_input *in, uint32_t count)
{
    const struct td_done d = {.count = count, .seq = c->seq};
    core_reply(c, in, TD_MSG_DONE, &d);
}

void core_request_register_key(struct td_core *c, const struct td_input *in,
                               const struct td_register_user_key *m)
{
    uint32_t user;
    if (!user_of(c, in, m->user, &user))
        return;
    const struct core_user_key *known = key_of(c, m->key);
    if (user == 0)
        core_refuse(c, in, TD_E_INVALID_USER,
                    "root has no key: name a user (Admins= of tender.conf gives one all rights)");
    else if (!is_key(m->key))
        core_refuse(c, in, TD_E_INVALID_REQUEST,
                    "a key is %u letters, digits and signs, as tender key create prints it",
                    KEY_CHARS);
    else if (known && known->user == user)
        done(c, in, 1); /* asked twice */
    else if (known)
        core_refuse(c, in, TD_E_INVALID_REQUEST,
                    "that key is registered already, for another user");
    else if (count_of(c, user) >= TD_MAX_KEYS_PER_USER)
        core_refuse(c, in, TD_E_BUSY, "user %u has %u keys (KEYS_PER_USER): revoke some", user,
                    (uint32_t)TD_MAX_KEYS_PER_USER);
    else if (c->user_keys.n >= TD_MAX_USER_KEYS)
        core_refuse(c, in, TD_E_BUSY, "%u keys of users are registered (USER_KEYS): revoke some",
                    c->user_keys.n);
    else {
        const struct td_ev_user_key_registered ev = {
            .key = m->key, .user = user, .uid = in->uid, .note = m->note};
        core_emit(c, TD_EV_USER_KEY_REGISTERED, &ev);
        core_log(c, "info key of user=%u registered by uid=%u", user, in->uid);
        done(c, in, 1);
    }
}

void core_request_revoke_key(struct td_core *c, const struct td_input *in,
                             const struct td_revoke_user_key *m)
{
    uint32_t user, n = 0;
    if (!user_of(c, in, m->user, &user))
        return;
    const char *word = m->key ? m->key : "";
    if (*word && strlen(word) < BEGINNING_MIN) {
        core_refuse(c, in, TD_E_INVALID_REQUEST, "%u letters of a key name it, not fewer",
                    BEGINNING_MIN);
        return;
    }
    TD_VEC(const char *) meant = {0};
    for (uint32_t i = 0; i < c->user_keys.n; i++)
        if (c->user_keys.v[i].user == user && td_str_prefix(c->user_keys.v[i].key, word))
            td_vec_push(&meant, core_text(&c->wake, "%s", c->user_keys.v[i].key));
    if (!meant.n)
        core_refuse(c, in, TD_E_INVALID_REQUEST, "user %u has no %skey%s%s", user,
                    *word ? "such " : "", *word ? ": " : "", word);
    else if (*word && meant.n > 1)
        core_refuse(c, in, TD_E_INVALID_REQUEST,
                    "%u keys of user %u begin with %s: write more of it", meant.n, user, word);
    for (; n < meant.n && (!*word || meant.n == 1); n++) {
        const struct td_ev_user_key_revoked ev = {.key = meant.v[n], .user = user, .uid = in->uid};
        core_emit(c, TD_EV_USER_KEY_REVOKED, &ev);
    }
    if (n) {
        core_log(c, "info %u key%s of user=%u revoked by uid=%u", n, n == 1 ? "" : "s", user,
                 in->uid);
        done(c, in, n);
    }
    td_vec_release(&meant);
}
