/* keys.c - the keys of nodes after their enrolment: rotated, taken back
 *
 * A rotation is asked for by the worker itself over its present key; the new one is good at once, the
 * old one for KEY_OVERLAP_MS more, so that a worker that dies between the two is still known. Expired
 * ones are forgotten with the next rotation; a node has at most KEYS_PER_NODE. */
#include <string.h>

#include "broker/core/state.h"

#define KEY_CHARS 40u /* Z85 of 32 bytes */

bool core_key_expired(const struct core_key *k, int64_t now_ms)
{
    return k->until_ms && now_ms >= k->until_ms;
}

static void key_drop(struct td_core *c, uint32_t at)
{
    struct core_key *k = &c->keys.v[at], *last = &c->keys.v[c->keys.n - 1];
    td_strmap_del(&c->key_by_name, k->key);
    td_free(k->key);
    td_free(k->node);
    if (k != last) {
        td_strmap_del(&c->key_by_name, last->key);
        *k = *last;
        td_strmap_put(&c->key_by_name, k->key, (void *)(uintptr_t)(at + 1));
    }
    c->keys.n--;
}

void core_keys_apply_rotated(struct td_core *c, const struct td_ev_key_rotated *ev)
{
    const struct td_ev_worker_enrolled is = {.node = ev->node, .key = ev->key};
    for (uint32_t i = c->keys.n; i-- > 0;) {
        struct core_key *k = &c->keys.v[i];
        if (!td_str_equal(k->node, ev->node))
            continue;
        if (core_key_expired(k, c->time_ms))
            key_drop(c, i);
        else if (td_str_equal(k->key, ev->old_key))
            k->until_ms = ev->until_ms;
    }
    core_enrol_apply_worker(c, &is);
}

void core_keys_apply_revoked(struct td_core *c, const struct td_ev_keys_revoked *ev)
{
    for (uint32_t i = c->keys.n; i-- > 0;) {
        if (td_str_equal(c->keys.v[i].node, ev->node))
            key_drop(c, i);
    }
}

void core_keys_apply_node_deleted(struct td_core *c, const char *node)
{
    for (uint32_t i = c->keys.n; i-- > 0;) {
        if (!c->keys.v[i].front && td_str_equal(c->keys.v[i].node, node))
            key_drop(c, i);
    }
}

int td_core_key_check(const struct td_core *c, const char *node, const char *key, int64_t now_ms, struct td_error *err)
{
    uint32_t n = 0;
    if (!key || strlen(key) != KEY_CHARS)
        return td_fail(err, TD_E_INVALID_REQUEST, "a key has %u characters", KEY_CHARS);
    for (const char *p = key; *p; p++) {
        if (*p <= ' ' || *p > '~')
            return td_fail(err, TD_E_INVALID_REQUEST, "a key is of letters, digits and signs");
    }
    for (uint32_t i = 0; i < c->keys.n; i++) {
        const struct core_key *k = &c->keys.v[i];
        if (td_str_equal(k->key, key) && (k->front || !td_str_equal(k->node, node) || core_key_expired(k, now_ms)))
            return td_fail(err, TD_E_INVALID_REQUEST, "that key is known already, of another node or as an old one");
        n += !k->front && td_str_equal(k->node, node) && !core_key_expired(k, now_ms);
    }
    if (n >= TD_MAX_KEYS_PER_NODE)
        return td_fail(err, TD_E_BUSY, "node %s has %u keys that are good still (KEYS_PER_NODE): rotate again when the old "
                       "ones have run out", node, n);
    return 0;
}

static bool is_among(const struct td_hostlist *only, const char *node)
{
    for (uint32_t i = 0; only && i < only->names.n; i++) {
        if (td_str_equal(only->names.v[i], node))
            return true;
    }
    return !only;
}

void td_core_keys(const struct td_core *c, const struct td_hostlist *only, int64_t now_ms, struct td_arena *a,
                  td_key_visit_fn *visit, void *ctx)
{
    static const uint8_t none[sizeof(c->keys.v[0].token)];
    for (uint32_t i = 0; i < c->keys.n; i++) {
        const struct core_key *k = &c->keys.v[i];
        if (!is_among(only, k->node))
            continue;
        const struct td_key_info row = {
            .node = k->node,
            .key = k->key,
            .token_id = memcmp(k->token, none, sizeof(none)) == 0 ? NULL : td_core_token_id(k->token, a),
            .until_ms = k->until_ms,
            .expired = core_key_expired(k, now_ms),
            .front = k->front,
            .root = k->root,
        };
        if (!visit(ctx, &row))
            return;
    }
}

/* --- what administrators ask for --------------------------------------------------------------- */

static void want(struct td_core *c, const struct core_node *n)
{
    const struct td_key_wanted m = {.incarnation = n->incarnation};
    core_send(c, n, n->peer, TD_MSG_KEY_WANTED, &m);
}

static bool has_key(const struct td_core *c, const char *node)
{
    for (uint32_t i = 0; i < c->keys.n; i++) {
        if (td_str_equal(c->keys.v[i].node, node))
            return true;
    }
    return false;
}

/* It gets no more work, and says hello at once: that is refused, which ends it in words. */
static void turn_out(struct td_core *c, struct core_node *n)
{
    const struct td_refused r = {.text = "the keys of this node were revoked", .hello_again = true};
    if (!n || !n->greeted)
        return;
    core_send(c, n, n->peer, TD_MSG_REFUSED, &r);
    core_worker_bye(c, n);
}

static void keys_one(struct td_core *c, const struct td_input *in, const struct td_node_keys *m, const char *name,
                     struct core_errors *e)
{
    struct core_node *n = core_node_find(c, name);
    if (!has_key(c, name)) {
        core_errors_add(c, e, NULL, 0, TD_E_INVALID_NODE, core_text(&c->wake, "node %s has no key", name));
    } else if (m->revoke) {
        const struct td_ev_keys_revoked ev = {.node = name, .uid = in->uid};
        core_emit(c, TD_EV_KEYS_REVOKED, &ev);
        turn_out(c, n);
        core_log(c, "info keys of %s revoked uid=%u", name, in->uid);
        e->count++;
    } else if (!n || !n->greeted || n->state != TD_NODE_UP) {
        core_errors_add(c, e, NULL, 0, TD_E_INVALID_STATE,
                        core_text(&c->wake, "node %s is not connected: its worker cannot be asked for a new key", name));
    } else {
        want(c, n);
        e->count++;
    }
}

void core_request_keys(struct td_core *c, const struct td_input *in, const struct td_node_keys *m)
{
    struct td_hostlist names = {0};
    struct td_error err = {0};
    struct core_errors e = {0};
    if (td_hostlist_parse(m->nodes ? m->nodes : "", TD_MAX_NODES, &names, &err) < 0) {
        core_refuse_error(c, in, &err);
        return;
    }
    for (uint32_t i = 0; i < names.names.n && !core_errors_full(c); i++)
        keys_one(c, in, m, names.names.v[i], &e);
    if (e.count)
        core_audit_act(c, in, core_text(&c->wake, "%s nodes=%s", m->revoke ? "revoke" : "rotate", m->nodes));
    core_errors_reply(c, in, &e);
    td_hostlist_release(&names);
}
