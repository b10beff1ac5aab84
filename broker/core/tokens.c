/* tokens.c - join tokens as administrators see them: named by an id, listed, revoked, forgotten
 *
 * A token's id is the beginning of its secret's hash: it says which one is meant and opens nothing.
 * Tokens are bounded (TOKENS): a new one takes the place of the oldest that is good for nothing any
 * more; while all are good, no more are made. */
#include <string.h>

#include "broker/core/state.h"

#define ID_BYTES 5u
#define NAMES_SHOWN 1000u /* what people read */

static void print_id(const uint8_t *hash, char out[2 * ID_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (uint32_t i = 0; i < ID_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[2 * ID_BYTES] = '\0';
}

const char *td_core_token_id(const uint8_t hash[32], struct td_arena *a)
{
    char id[2 * ID_BYTES + 1];
    print_id(hash, id);
    return td_arena_strdup(a, id);
}

/* Why it is good for nothing any more; NULL: it is good. */
static const char *over(const struct core_token *t, int64_t now_ms)
{
    if (t->revoked)
        return "revoked";
    if (t->expires_ms && now_ms >= t->expires_ms)
        return "expired";
    return t->uses && t->used >= t->uses ? "used up" : NULL;
}

void core_tokens_trim(struct td_core *c)
{
    if (c->tokens.n < TD_MAX_TOKENS)
        return;
    for (uint32_t i = 0; i < c->tokens.n; i++) {
        if (!over(&c->tokens.v[i], c->time_ms))
            continue;
        td_free(c->tokens.v[i].names);
        memmove(&c->tokens.v[i], &c->tokens.v[i + 1], (c->tokens.n - i - 1) * sizeof(c->tokens.v[0]));
        c->tokens.n--;
        return;
    }
}

bool td_core_tokens_full(const struct td_core *c, int64_t now_ms)
{
    uint32_t good = 0;
    for (uint32_t i = 0; i < c->tokens.n; i++)
        good += !over(&c->tokens.v[i], now_ms);
    return good >= TD_MAX_TOKENS;
}

void core_token_apply_revoked(struct td_core *c, const struct td_ev_token_revoked *ev)
{
    for (uint32_t i = 0; i < c->tokens.n; i++) {
        struct core_token *t = &c->tokens.v[i];
        if (ev->token.n == sizeof(t->hash) && memcmp(t->hash, ev->token.v, sizeof(t->hash)) == 0)
            t->revoked = true;
    }
}

uint32_t td_core_tokens(const struct td_core *c, int64_t now_ms, struct td_arena *a, const struct td_token_info **ret)
{
    struct td_token_info *v = td_arena_alloc(a, (c->tokens.n + 1) * sizeof(*v));
    for (uint32_t i = 0; i < c->tokens.n; i++) {
        const struct core_token *t = &c->tokens.v[i];
        v[i] = (struct td_token_info){.id = td_core_token_id(t->hash, a),
                                      .names = t->names,
                                      .uses = t->uses,
                                      .used = t->used,
                                      .expires_ms = t->expires_ms,
                                      .uid = t->uid,
                                      .over = over(t, now_ms)};
        if (strlen(t->names) > NAMES_SHOWN + 3) {
            char *cut = td_arena_strdup(a, t->names);
            memcpy(cut + NAMES_SHOWN, "...", 4);
            v[i].names = cut;
        }
    }
    *ret = v;
    return c->tokens.n;
}

/* By its id; false: there is none of it, or it is over already. */
bool td_core_token_by_id(const struct td_core *c, const char *id, uint8_t ret_hash[32], struct td_error *err)
{
    for (uint32_t i = 0; i < c->tokens.n; i++) {
        const struct core_token *t = &c->tokens.v[i];
        char own[2 * ID_BYTES + 1];
        print_id(t->hash, own);
        if (!td_str_equal(own, id))
            continue;
        if (t->revoked) {
            td_fail(err, TD_E_ALREADY_DONE, "the token %s is revoked already", own);
            return false;
        }
        memcpy(ret_hash, t->hash, sizeof(t->hash));
        return true;
    }
    td_fail(err, TD_E_BAD_TOKEN, "no token has the id %s (tender token list shows them)", td_str_empty(id) ? "\"\"" : id);
    return false;
}

/* A live worker has the name, with another key: a second one neither gets the name nor uses up its token. */
bool td_core_node_claimed(const struct td_core *c, const char *node, int64_t now_ms, struct td_error *err)
{
    const struct core_node *n = core_node_find(c, node);
    if (!n || !n->greeted || (n->state != TD_NODE_UP && n->state != TD_NODE_SUSPECT) || now_ms >= n->lease_until_ms)
        return false;
    td_fail(err, TD_E_NODE_CLAIMED, "%s: %s; if that worker is gone, its lease ends in %u s and you may try again",
            td_error_words(TD_E_NODE_CLAIMED), n->name, (uint32_t)((n->lease_until_ms - now_ms + 999) / 1000));
    return true;
}
