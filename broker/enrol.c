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
    };
    shell_input(s, &(struct td_input){.kind = TD_IN_ENROL, .uid = from->uid, .id = TD_EV_TOKEN_MADE, .body = ev});

    struct td_token_reply *reply = td_arena_alloc(&s->arena, sizeof(*reply));
    reply->token = td_arena_strdup(&s->arena, td_buf_str(&text));
    shell_answer_later(s, from->peer, request, TD_MSG_TOKEN, reply);
    shell_log(&s->log, "info token made uid=%u names=%s uses=%u valid_s=%u%s", from->uid,
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
    return 0;
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
        /* Anybody who reaches the port can ask: he must not fill the disk with our log. */
        if (shell_boot_us() - s->enrol_told_us > 1000000) {
            shell_log(&s->log, "warn worker=%s not enrolled: %s", m->node ? m->node : "", err.text);
            s->enrol_told_us = shell_boot_us();
        }
        shell_refuse(s, from->peer, request, &err);
        return;
    }
    struct td_ev_worker_enrolled *ev = td_arena_alloc(&s->arena, sizeof(*ev));
    *ev = (struct td_ev_worker_enrolled){
        .node = m->node, .key = td_arena_strdup(&s->arena, from->key), .token = {hash, 32}};
    shell_input(s, &(struct td_input){
                       .kind = TD_IN_ENROL, .peer = from->peer, .node = m->node, .id = TD_EV_WORKER_ENROLLED, .body = ev});
    shell_answer_later(s, from->peer, request, TD_MSG_ENROLLED, reply);
    shell_log(&s->log, "info worker=%s enrolled", m->node);
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
