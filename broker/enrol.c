/* enrol.c - join tokens and the keys they turn into; blobs that a worker asks for
 *
 * The secret of a token is shown once, to the administrator who asked for it; the journal has its hash. A worker's key
 * is that of its connection, which CURVE has verified. */
#include "broker/shell.h"

#include <string.h>
#include <sys/random.h>

void shell_make_token(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_make_token *m)
{
    struct td_error err = {0};
    struct td_join_token t = {0};
    struct td_buf text = {0};
    uint8_t *hash = td_arena_alloc(&s->arena, 32);
    struct td_hostlist names = {0};
    if (td_hostlist_parse(m->names, TD_MAX_NODES, &names, &err) < 0) {
        shell_refuse(s, from->peer, request, &err);
        return;
    }
    td_hostlist_release(&names);
    if (td_core_tokens_full(s->core, shell_now_ms(s))) {
        td_fail(&err, TD_E_BUSY, "%u join tokens are good already (TOKENS): revoke some (tender token list)", (uint32_t)TD_MAX_TOKENS);
        shell_refuse(s, from->peer, request, &err);
        return;
    }
    shell_bus_endpoints(s, t.router, t.pub);
    memcpy(t.server_key, s->keys.public_key, sizeof(t.server_key));
    if (getrandom(t.secret, sizeof(t.secret), 0) != sizeof(t.secret)) {
        td_fail(&err, TD_E_IO, "the system has no random numbers for a token");
        shell_refuse(s, from->peer, request, &err);
        return;
    }
    td_hash(t.secret, sizeof(t.secret), hash);
    int r = td_join_token_print(&t, &text);
    explicit_bzero(&t, sizeof(t));
    if (r < 0) {
        td_fail(&err, -r, "the token cannot be printed: %s", td_error_words(-r));
        shell_refuse(s, from->peer, request, &err);
        td_buf_release(&text);
        return;
    }
    struct td_ev_token_made *ev = td_arena_alloc(&s->arena, sizeof(*ev));
    *ev = (struct td_ev_token_made){
        .token = {hash, 32},
        .names = m->names,
        .uses = m->uses,
        .expires_ms = m->valid_s ? shell_now_ms(s) + (int64_t)m->valid_s * 1000 : 0,
        .uid = from->uid,
        .front = m->front,
        .root = m->front && m->root,
        .id = td_core_token_id(hash, &s->arena),
    };
    shell_input(s, &(struct td_input){.kind = TD_IN_ENROL, .uid = from->uid, .id = TD_EV_TOKEN_MADE, .body = ev});

    struct td_token_reply *reply = td_arena_alloc(&s->arena, sizeof(*reply));
    reply->token = td_arena_strdup(&s->arena, td_buf_str(&text));
    shell_answer_later(s, from->peer, request, TD_MSG_TOKEN, reply);
    shell_log(&s->log, "info token=%s made uid=%u names=%s uses=%u valid_s=%u%s", ev->id, from->uid,
              td_str_empty(m->names) ? "any" : m->names, m->uses, m->valid_s, !m->front ? "" : m->root ? " front root" : " front");
    explicit_bzero(text.data, text.len);
    td_buf_release(&text);
}

static int enrol_check(struct shell *s, const struct shell_from *from, const struct td_enrol *m, uint8_t hash[32],
                       struct td_error *err)
{
    if (!from->key)
        return td_fail(err, TD_E_DENIED, "workers enrol over the bus");
    if (m->version < TD_PROTOCOL_VERSION_MIN || m->version > TD_PROTOCOL_VERSION)
        return td_fail(err, TD_E_VERSION, "this broker speaks protocol versions %u to %u, the worker %u",
                       TD_PROTOCOL_VERSION_MIN, TD_PROTOCOL_VERSION, m->version);
    if (td_str_empty(m->node))
        return td_fail(err, TD_E_INVALID_NODE, "a worker must say which node it is");
    td_hash(m->secret.v, m->secret.n, hash);
    if (!td_core_token_usable(s->core, hash, m->node, shell_now_ms(s), err))
        return -err->code;
    bool ignored;
    if (td_core_token_is_fronts(s->core, hash, &ignored))
        return td_fail(err, TD_E_BAD_TOKEN, "%s: it is for fronts, not for workers", td_error_words(TD_E_BAD_TOKEN));
    return td_core_node_claimed(s->core, m->node, shell_now_ms(s), err) ? -err->code : 0;
}

/* Keys that it was exchanged for stay: whoever has joined is no guest of the token any more. */
void shell_revoke_token(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_revoke_token *m)
{
    struct td_error err = {0};
    uint8_t *hash = td_arena_alloc(&s->arena, 32);
    if (!td_core_token_by_id(s->core, m->id, hash, &err)) {
        shell_refuse(s, from->peer, request, &err);
        return;
    }
    const struct td_ev_token_revoked ev = {.token = {hash, 32}, .id = m->id, .uid = from->uid};
    shell_input(s, &(struct td_input){.kind = TD_IN_ENROL, .uid = from->uid, .id = TD_EV_TOKEN_REVOKED, .body = &ev});
    struct td_done *d = td_arena_alloc(&s->arena, sizeof(*d));
    *d = (struct td_done){.count = 1, .seq = td_core_seq(s->core)};
    shell_answer_later(s, from->peer, request, TD_MSG_DONE, d);
    shell_log(&s->log, "info token=%s revoked uid=%u", m->id, from->uid);
}

void shell_enrol(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_enrol *m)
{
    if (m->front) {
        shell_enrol_front(s, from, request, m);
        return;
    }
    struct td_error err = {0};
    uint8_t *hash = td_arena_alloc(&s->arena, 32);
    struct td_enrolled *reply = td_arena_alloc(&s->arena, sizeof(*reply));
    reply->node = m->node;
    const char *known = from->key ? td_core_key_node(s->core, from->key) : NULL;
    if (known && td_str_equal(known, m->node)) {
        shell_answer_later(s, from->peer, request, TD_MSG_ENROLLED, reply); /* asked twice */
        return;
    }
    if (enrol_check(s, from, m, hash, &err) < 0) {
        shell_denied_node(s, from, m->node, TD_MSG_ENROL, err.text);
        shell_refuse(s, from->peer, request, &err);
        return;
    }
    struct td_ev_worker_enrolled *ev = td_arena_alloc(&s->arena, sizeof(*ev));
    *ev = (struct td_ev_worker_enrolled){
        .node = m->node, .key = td_arena_strdup(&s->arena, from->key), .token = {hash, 32},
        .token_id = td_core_token_id(hash, &s->arena)};
    shell_input(s, &(struct td_input){
                       .kind = TD_IN_ENROL, .peer = from->peer, .node = m->node, .id = TD_EV_WORKER_ENROLLED, .body = ev});
    shell_answer_later(s, from->peer, request, TD_MSG_ENROLLED, reply);
    shell_log(&s->log, "info worker=%s enrolled", m->node);
}

/* Asked for over the key that the node has, which CURVE has verified; said until it is answered, so twice is the same. */
void shell_key_rotate(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_key_rotate *m)
{
    struct td_error err = {0};
    const char *node = td_core_key_node(s->core, from->key), *has = td_core_key_node(s->core, m->key);
    int64_t until_ms = shell_now_ms(s) + TD_MAX_KEY_OVERLAP_MS;
    bool known = has && td_str_equal(has, node);
    if (!known && td_core_key_check(s->core, node, m->key, shell_now_ms(s), &err) < 0) {
        shell_refuse(s, from->peer, request, &err);
        return;
    }
    if (!known) {
        const struct td_ev_key_rotated ev = {.node = node, .key = m->key, .old_key = from->key, .until_ms = until_ms};
        shell_input(s, &(struct td_input){.kind = TD_IN_ENROL, .peer = from->peer, .node = node, .id = TD_EV_KEY_ROTATED, .body = &ev});
        shell_log(&s->log, "info worker=%s has another key", node);
    }
    struct td_key_rotated *d = td_arena_alloc(&s->arena, sizeof(*d));
    *d = (struct td_key_rotated){.key = m->key, .until_ms = until_ms};
    shell_answer_later(s, from->peer, request, TD_MSG_KEY_ROTATED, d);
}

/* Answered by the shell alone: the core has no bytes. An empty answer says that nobody has it any more. */
void shell_blob_wanted(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_blob_wanted *m)
{
    struct td_blob_data *d = td_arena_alloc(&s->arena, sizeof(*d));
    const struct shell_blob *b = m->hash.n == 32 ? shell_blob_find(s, m->hash.v) : NULL;
    d->blob.hash = m->hash;
    if (b)
        d->blob.data = (struct td_bin){td_arena_dup(&s->arena, b->data, b->len), b->len};
    shell_answer_later(s, from->peer, request, TD_MSG_BLOB, d);
}
