/* enrol.c - whose key is whose, and which join tokens are good */
#include <string.h>

#include "broker/core/state.h"

static struct core_token *token_of(const struct td_core *c, const uint8_t *hash)
{
    for (uint32_t i = 0; i < c->tokens.n; i++) {
        if (memcmp(c->tokens.v[i].hash, hash, sizeof(c->tokens.v[i].hash)) == 0)
            return &c->tokens.v[i];
    }
    return NULL;
}

/* Takes the key's words. */
static void key_put(struct td_core *c, struct core_key k, struct td_bin token)
{
    struct core_token *t = token.n == sizeof(t->hash) ? token_of(c, token.v) : NULL;
    if (t)
        t->used++;
    if (token.n == sizeof(k.token))
        memcpy(k.token, token.v, sizeof(k.token));
    uintptr_t at = (uintptr_t)td_strmap_get(&c->key_by_name, k.key);
    if (at) { /* enrolled again: the later name counts */
        td_free(c->keys.v[at - 1].key);
        td_free(c->keys.v[at - 1].node);
        c->keys.v[at - 1] = k;
        return;
    }
    td_vec_push(&c->keys, k);
    td_strmap_put(&c->key_by_name, k.key, (void *)(uintptr_t)c->keys.n);
}

void core_enrol_apply_worker(struct td_core *c, const struct td_ev_worker_enrolled *ev)
{
    const struct core_key k = {.key = td_strdup(ev->key ? ev->key : ""),
                               .node = td_strdup(ev->node ? ev->node : "")};
    key_put(c, k, ev->token);
}

void core_enrol_apply_front(struct td_core *c, const struct td_ev_front_enrolled *ev)
{
    const struct core_key k = {.key = td_strdup(ev->key ? ev->key : ""),
                               .node = td_strdup(ev->name ? ev->name : ""),
                               .front = true,
                               .root = ev->root};
    key_put(c, k, ev->token);
}

void core_enrol_apply_token(struct td_core *c, const struct td_ev_token_made *ev)
{
    struct core_token t = {.uses = ev->uses,
                           .uid = ev->uid,
                           .expires_ms = ev->expires_ms,
                           .front = ev->front,
                           .root = ev->root,
                           .names = td_strdup(ev->names ? ev->names : "")};
    if (ev->token.n == sizeof(t.hash))
        memcpy(t.hash, ev->token.v, sizeof(t.hash));
    core_tokens_trim(c);
    td_vec_push(&c->tokens, t);
}

static const struct core_key *key_of(const struct td_core *c, const char *key)
{
    uintptr_t at = (uintptr_t)td_strmap_get(&c->key_by_name, key ? key : "");
    return at && !core_key_expired(&c->keys.v[at - 1], c->now_ms) ? &c->keys.v[at - 1] : NULL;
}

const char *td_core_key_node(const struct td_core *c, const char *key)
{
    const struct core_key *k = key_of(c, key);
    return k && !k->front ? k->node : NULL;
}

const char *td_core_key_front(const struct td_core *c, const char *key, bool *ret_root)
{
    const struct core_key *k = key_of(c, key);
    if (!k || !k->front)
        return NULL;
    *ret_root = k->root;
    return k->node;
}

bool td_core_token_is_fronts(const struct td_core *c, const uint8_t hash[32], bool *ret_root)
{
    const struct core_token *t = token_of(c, hash);
    *ret_root = t && t->root;
    return t && t->front;
}

bool td_core_token_usable(const struct td_core *c, const uint8_t hash[32], const char *node,
                          int64_t now_ms, struct td_error *err)
{
    const struct core_token *t = token_of(c, hash);
    if (!t) {
        td_fail(err, TD_E_BAD_TOKEN, "%s: it was not made by this cluster",
                td_error_words(TD_E_BAD_TOKEN));
        return false;
    }
    if (t->revoked) {
        td_fail(err, TD_E_BAD_TOKEN, "%s: it was revoked", td_error_words(TD_E_BAD_TOKEN));
        return false;
    }
    if (t->expires_ms && now_ms >= t->expires_ms) {
        td_fail(err, TD_E_BAD_TOKEN, "%s: it has expired", td_error_words(TD_E_BAD_TOKEN));
        return false;
    }
    if (t->uses && t->used >= t->uses) {
        td_fail(err, TD_E_BAD_TOKEN, "%s: it has been used %u times, as often as it may",
                td_error_words(TD_E_BAD_TOKEN), t->used);
        return false;
    }
    if (!td_str_empty(t->names) && !td_hostlist_match(t->names, node)) {
        td_fail(err, TD_E_BAD_TOKEN, "%s: it is for %s, not for %s", td_error_words(TD_E_BAD_TOKEN),
                t->names, node);
        return false;
    }
    return true;
}
