/* vouch.c - fronts: which may follow and speak for users, and for whom
 *
 * The front beside the broker comes over the local socket as root or as the broker's own user. One on another host comes over
 * the bus: its key was enrolled with a token made for fronts. It is believed about every user of its host but root, whom
 * only a token that says so makes root here: else whoever owns a laptop would own the cluster. The right is looked up for
 * each message, so that a key which is taken back is refused from then on. */
#include "broker/shell.h"

#include <unistd.h>

bool shell_is_front(struct shell *s, const struct shell_from *from)
{
    bool ignored;
    if (from->key)
        return s->core && td_core_key_front(s->core, from->key, &ignored);
    return from->uid == 0 || from->uid == (uint32_t)geteuid();
}

/* As whom a user of that front counts here. */
void shell_vouched(struct shell *s, const struct shell_from *front, uint32_t *uid, uint32_t *gid)
{
    bool root = false;
    if (front->key)
        td_core_key_front(s->core, front->key, &root);
    if (!front->key || root || *uid != 0)
        return;
    *uid = SHELL_NOBODY;
    *gid = SHELL_NOBODY;
}

/* Another host's front has that name and is here: whoever comes with the token is not it. */
static bool is_claimed(struct shell *s, const struct shell_from *from, const char *name, struct td_error *err)
{
    for (uint32_t i = 0; i < s->followers.n; i++) {
        const struct shell_peer *p = shell_bus_peer(s, s->followers.v[i]->peer);
        bool ignored;
        const char *other = p ? td_core_key_front(s->core, p->key, &ignored) : NULL;
        if (!other || !td_str_equal(other, name) || td_str_equal(p->key, from->key))
            continue;
        td_fail(err, TD_E_NODE_CLAIMED, "a front named %s follows already with another key: give this one another name (--name), or "
                "turn that one out first (tender key revoke %s)", name, name);
        return true;
    }
    return false;
}

static int check(struct shell *s, const struct shell_from *from, const struct td_enrol *m, uint8_t hash[32], bool *ret_root,
                 struct td_error *err)
{
    if (!from->key)
        return td_fail(err, TD_E_DENIED, "fronts of other hosts enrol over the bus; the one beside the broker need not");
    if (m->version < TD_PROTOCOL_VERSION_MIN || m->version > TD_PROTOCOL_VERSION)
        return td_fail(err, TD_E_VERSION, "this broker speaks protocol versions %u to %u, the front %u", TD_PROTOCOL_VERSION_MIN,
                       TD_PROTOCOL_VERSION, m->version);
    if (td_str_empty(m->node))
        return td_fail(err, TD_E_INVALID_REQUEST, "a front must have a name");
    td_hash(m->secret.v, m->secret.n, hash);
    if (!td_core_token_usable(s->core, hash, m->node, shell_now_ms(s), err))
        return -err->code;
    if (!td_core_token_is_fronts(s->core, hash, ret_root))
        return td_fail(err, TD_E_BAD_TOKEN, "%s: it is for workers (tender token create --front makes one for fronts)",
                       td_error_words(TD_E_BAD_TOKEN));
    return is_claimed(s, from, m->node, err) ? -err->code : 0;
}

void shell_enrol_front(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_enrol *m)
{
    struct td_error err = {0};
    uint8_t *hash = td_arena_alloc(&s->arena, 32);
    struct td_enrolled *reply = td_arena_alloc(&s->arena, sizeof(*reply));
    bool root = false;
    const char *known = from->key ? td_core_key_front(s->core, from->key, &root) : NULL;
    reply->node = m->node;
    if (known && td_str_equal(known, m->node)) {
        shell_answer_later(s, from->peer, request, TD_MSG_ENROLLED, reply); /* asked twice */
        return;
    }
    if (check(s, from, m, hash, &root, &err) < 0) {
        shell_denied_node(s, from, m->node, TD_MSG_ENROL, err.text);
        shell_refuse(s, from->peer, request, &err);
        return;
    }
    struct td_ev_front_enrolled *ev = td_arena_alloc(&s->arena, sizeof(*ev));
    *ev = (struct td_ev_front_enrolled){
        .name = m->node, .key = td_arena_strdup(&s->arena, from->key), .token = {hash, 32}, .root = root,
        .token_id = td_core_token_id(hash, &s->arena)};
    shell_input(s, &(struct td_input){
                       .kind = TD_IN_ENROL, .peer = from->peer, .node = m->node, .id = TD_EV_FRONT_ENROLLED, .body = ev});
    shell_answer_later(s, from->peer, request, TD_MSG_ENROLLED, reply);
    shell_log(&s->log, "info front=%s enrolled%s", m->node, root ? ", for root too" : "");
}
