/* frames.c - what comes in, by right; what goes out, by handle
 *
 * The right a message needs is a column of its row and is checked here, before any handler, against the identity that the
 * kernel (local socket) or CURVE (bus) vouches for. */
#include "broker/shell.h"

#include <string.h>

static bool is_bus(const struct shell_from *from)
{
    return from->key != NULL;
}

/* Over the bus a user's answer goes to the front that vouched for him: one that outgrew a row is refused there, too. */
int shell_send(struct shell *s, uint64_t peer, uint32_t id, uint64_t request, const void *body)
{
    struct td_error over;
    if (!(peer & SHELL_BUS_PEER))
        return shell_local_send(s, peer, id, request, body);
    int r = td_record_check(td_msg_row(id)->record, body, &over);
    return r < 0 ? r : shell_bus_send(s, peer, id, request, body);
}

void shell_reply(struct shell *s, uint64_t peer, uint64_t request, uint32_t id, const void *body)
{
    int r = shell_send(s, peer, id, request, body);
    if (r == -TD_E_TOO_BIG || (r == -TD_E_BUSY && !(peer & SHELL_BUS_PEER))) {
        const struct td_error_reply e = {
            .code = (uint32_t)-r,
            .text = r == -TD_E_BUSY ? "too many answers wait to be read (ANSWER_BYTES, ANSWERS_BYTES)"
                                    : "the answer is over the limit of one frame (FRAME_BYTES): ask for less",
        };
        shell_send(s, peer, TD_MSG_ERROR, request, &e);
    }
}

int shell_frame_send(struct shell *s, uint64_t peer, const uint8_t *frame, size_t len)
{
    return peer & SHELL_BUS_PEER ? shell_bus_send_frame(s, peer, frame, len) : shell_local_send_frame(s, peer, frame, len);
}

int shell_send_answer(struct shell *s, uint64_t peer, const uint8_t *frame, size_t len)
{
    return peer & SHELL_BUS_PEER ? shell_bus_send_frame(s, peer, frame, len) : shell_local_send_answer(s, peer, frame, len);
}

bool shell_peer_stands(struct shell *s, uint64_t peer)
{
    return peer & SHELL_BUS_PEER ? shell_bus_peer(s, peer) != NULL : shell_client_find(s, peer) != NULL;
}

/* A front's requests with a number are its users'. */
static bool is_of_a_user(struct shell *s, uint64_t peer, uint64_t request)
{
    const struct shell_peer *p = shell_bus_peer(s, peer);
    const struct shell_from from = {.key = p ? p->key : ""};
    return p && request && shell_is_front(s, &from);
}

void shell_refuse(struct shell *s, uint64_t peer, uint64_t request, const struct td_error *err)
{
    if (s->core)
        td_core_counters(s->core)->rejected++;
    if (peer & SHELL_BUS_PEER && !is_of_a_user(s, peer, request)) {
        const struct td_refused m = {.code = (uint32_t)err->code, .text = err->text};
        shell_bus_send(s, peer, TD_MSG_REFUSED, request, &m);
        return;
    }
    const struct td_error_reply m = {.code = (uint32_t)err->code, .text = err->text};
    shell_send(s, peer, TD_MSG_ERROR, request, &m);
}

static int right_check(struct shell *s, const struct shell_from *from, const struct td_msg_row *row,
                       const char **ret_node, struct td_error *err)
{
    switch (row->right) {
    case TD_RIGHT_ANYONE:
        return 0;
    case TD_RIGHT_USER:
        if (is_bus(from))
            return td_fail(err, TD_E_DENIED, "%s is taken from users on the broker's local socket only", row->name);
        return 0;
    case TD_RIGHT_OPERATOR:
        if (is_bus(from) || !td_core_is_operator(s->core, from->uid))
            return td_fail(err, TD_E_DENIED, "%s: %s needs an operator", td_error_words(TD_E_DENIED), row->name);
        return 0;
    case TD_RIGHT_ADMIN:
        if (is_bus(from) || !td_core_is_admin(s->core, from->uid))
            return td_fail(err, TD_E_DENIED, "%s: %s needs an administrator", td_error_words(TD_E_DENIED), row->name);
        return 0;
    case TD_RIGHT_WORKER:
        *ret_node = is_bus(from) ? td_core_key_node(s->core, from->key) : NULL;
        if (!*ret_node)
            return td_fail(err, TD_E_DENIED, "%s: %s needs an enrolled worker (join with a token)",
                           td_error_words(TD_E_DENIED), row->name);
        return 0;
    case TD_RIGHT_FRONT:
        if (!shell_is_front(s, from))
            return td_fail(err, TD_E_DENIED, "%s: %s needs a front of this cluster", td_error_words(TD_E_DENIED), row->name);
        return 0;
    case TD_RIGHT_BROKER:
    case TD_RIGHT_LOCAL:
        break;
    }
    return td_fail(err, TD_E_DENIED, "%s is not a request", row->name);
}

static void answer_ping(struct shell *s, const struct shell_from *from, uint64_t request)
{
    struct td_pong *p = td_arena_alloc(&s->arena, sizeof(*p));
    *p = (struct td_pong){
        .version = TD_PROTOCOL_VERSION,
        .epoch = td_core_epoch(s->core),
        .seq = td_core_seq(s->core),
        .host = s->host,
        .cluster = s->conf->settings.cluster,
        .pid = s->pid,
    };
    shell_answer_later(s, from->peer, request, TD_MSG_PONG, p);
}

/* Names of a reservation's users are those of this host, as are those of who submits. */
static int users_known(const char *list, struct td_error *err)
{
    for (const char *s = list ? list : ""; *s;) {
        size_t len = strcspn(s, ",");
        td_autofree char *name = td_strndup(s + (*s == '-'), len - (*s == '-'));
        uint32_t uid;
        if (len && !shell_user_parse(name, &uid))
            return td_fail(err, TD_E_INVALID_USER, "%s: %s", td_error_words(TD_E_INVALID_USER), name);
        s += len + (s[len] == ',');
    }
    return 0;
}

/* Writes go into the core as they are, but for what only the shell can know: contents of blobs, names of users. */
static int write_prepare(struct shell *s, const struct shell_from *from, const struct td_frame *f, struct td_error *err)
{
    if (f->id == TD_MSG_SUBMIT)
        return shell_submit_prepare(s, from, f->body, err);
    if (f->id == TD_MSG_STEP_CREATE)
        return shell_step_prepare(s, (struct td_step_create *)f->body, err);
    if (f->id == TD_MSG_REGISTER_USER_KEY)
        return shell_user_to_number(s, &((struct td_register_user_key *)f->body)->user, err);
    if (f->id == TD_MSG_REVOKE_USER_KEY)
        return shell_user_to_number(s, &((struct td_revoke_user_key *)f->body)->user, err);
    if (f->id == TD_MSG_SET_RESERVATION)
        return users_known(((const struct td_set_reservation *)f->body)->ask.users, err);
    if (f->id == TD_MSG_CHANGE_ACCOUNTS)
        shell_accounts_prepare(s, (struct td_change_accounts *)f->body);
    if (f->id == TD_MSG_CANCEL)
        return shell_users_to_numbers(s, &((struct td_cancel *)f->body)->filter, err);
    return 0;
}

static uint32_t events_made(const struct shell *s)
{
    uint32_t n = 0;
    if (s->open)
        td_core_events(s->core, &n);
    return n;
}

static void give_to_core(struct shell *s, const struct shell_from *from, const struct td_frame *f, const char *node)
{
    struct td_error err = {0};
    uint32_t blobs = s->new_blobs.n, events = events_made(s), waits = td_core_nwaits(s->core);
    if (s->down && node)
        return; /* a worker repeats itself until it is answered */
    int r = s->down ? -(err = s->cause).code : write_prepare(s, from, f, &err);
    if (r < 0) {
        shell_refuse(s, from->peer, f->request, &err);
        return;
    }
    shell_input(s, &(struct td_input){
                       .kind = node ? TD_IN_WORKER : TD_IN_REQUEST,
                       .peer = from->peer,
                       .request = f->request,
                       .uid = from->uid,
                       .gid = from->gid,
                       .node = node,
                       .id = f->id,
                       .body = f->body,
                   });
    if (events_made(s) == events && td_core_nwaits(s->core) == waits)
        s->new_blobs.n = blobs; /* refused, or known already: its script is not kept */
}

/* Acts of administrators that the core does not see. */
void shell_admin_acted(struct shell *s, const struct shell_from *from, uint32_t id)
{
    const struct td_ev_admin_acted ev = {.uid = from->uid, .request = td_msg_name(id)};
    if (!s->down)
        shell_input(s, &(struct td_input){.kind = TD_IN_AUDIT, .uid = from->uid, .id = TD_EV_ADMIN_ACTED, .body = &ev});
}

static void shutdown_take(struct shell *s, const struct shell_from *from, uint64_t request, const struct td_shutdown *m)
{
    struct td_done *d = td_arena_alloc(&s->arena, sizeof(*d));
    d->seq = td_core_seq(s->core);
    s->stop = true;
    shell_admin_acted(s, from, TD_MSG_SHUTDOWN);
    s->stop_snapshot = s->stop_snapshot || m->snapshot;
    shell_log(&s->log, "info shutdown asked for by uid=%u", from->uid);
    shell_answer_later(s, from->peer, request, TD_MSG_DONE, d);
}

/* true: the shell has dealt with it by itself. */
static bool take_own(struct shell *s, const struct shell_from *from, const struct td_frame *f)
{
    bool is_write = f->id == TD_MSG_MAKE_TOKEN || f->id == TD_MSG_REVOKE_TOKEN || f->id == TD_MSG_ENROL || f->id == TD_MSG_RECONFIGURE ||
                    f->id == TD_MSG_KEY_ROTATE;
    if (is_write && s->down) {
        shell_refuse(s, from->peer, f->request, &s->cause);
        return true;
    }
    switch (f->id) {
    case TD_MSG_PING:
        answer_ping(s, from, f->request);
        return true;
    case TD_MSG_MAKE_TOKEN:
        shell_make_token(s, from, f->request, f->body);
        return true;
    case TD_MSG_KEY_ROTATE:
        shell_key_rotate(s, from, f->request, f->body);
        return true;
    case TD_MSG_REVOKE_TOKEN:
        shell_revoke_token(s, from, f->request, f->body);
        return true;
    case TD_MSG_ENROL:
        shell_enrol(s, from, f->request, f->body);
        return true;
    case TD_MSG_BLOB_WANTED:
        shell_blob_wanted(s, from, f->request, f->body);
        return true;
    case TD_MSG_RECONFIGURE:
        shell_reconfigure(s, from, f->request);
        return true;
    case TD_MSG_SHUTDOWN:
        shutdown_take(s, from, f->request, f->body);
        return true;
    case TD_MSG_FOLLOW: {
        struct td_error err = {0};
        if (!shell_follow(s, from, f->body, &err))
            shell_refuse(s, from->peer, f->request, &err);
        return true;
    }
    case TD_MSG_RELAY_GONE:
        shell_request_gone(s, from->peer, ((const struct td_relay_gone *)f->body)->request);
        return true;
    case TD_MSG_DENIED_HERE: {
        const struct td_denied_here *m = f->body;
        const char *text = m->text ? m->text : "";
        if (m->bus)
            shell_denied_node(s, &(struct shell_from){0}, NULL, m->id, text);
        else
            shell_denied(s, &(struct shell_from){.uid = m->uid}, m->id, text);
        return true;
    }
    case TD_MSG_FOLLOW_ACK:
        shell_follow_ack(s, from, f->body);
        return true;
    default:
        return false;
    }
}

/* A front vouches for a user: from here on the frame is that user's own, but for the way of the answer. */
static int unwrap(struct shell *s, struct shell_from *from, struct td_frame *f, struct td_error *err)
{
    const struct td_relay *m = f->body;
    const struct td_msg_row *row = td_msg_row(m->id);
    if (!row)
        return td_fail(err, TD_E_UNKNOWN_MESSAGE, "message %u is not known to this broker", m->id);
    if (row->right == TD_RIGHT_FRONT || row->right == TD_RIGHT_WORKER)
        return td_fail(err, TD_E_DENIED, "%s is not taken from users", row->name);
    *f = (struct td_frame){.id = m->id, .request = f->request, .row = row, .body = td_arena_alloc(&s->arena, row->record->size)};
    const struct shell_from front = *from;
    from->uid = m->uid;
    from->gid = m->gid;
    shell_vouched(s, &front, &from->uid, &from->gid);
    from->key = NULL;
    return td_wire_get_record(&s->arena, row->record, m->body.v, m->body.n, f->body, err);
}

static bool is_front_frame(struct shell *s, const struct shell_from *from, uint32_t id)
{
    const struct td_msg_row *row = td_msg_row(id);
    const char *none;
    struct td_error ignored;
    return row && row->right == TD_RIGHT_FRONT && right_check(s, from, row, &none, &ignored) == 0;
}

/* Before it is decoded, which costs the most. What a front passes on counts for the user it is of. */
static bool rate_ok(struct shell *s, const struct shell_from *from, const uint8_t *data, size_t len)
{
    uint32_t id = 0;
    uint64_t request = 0;
    const uint8_t *body;
    struct td_error ignored; /* said by the decoder */
    if (is_bus(from))
        return true;
    td_wire_get_head(data, len, &id, &request, &body, &ignored);
    return is_front_frame(s, from, id) || shell_rate_admit(s, from, id, request);
}

void shell_take_frame(struct shell *s, const struct shell_from *from, const uint8_t *data, size_t len)
{
    struct td_frame f = {0};
    struct td_error err = {0};
    struct shell_from vouched = *from;
    const char *node = NULL;
    s->taken++;
    if (!rate_ok(s, from, data, len))
        return;
    if (td_wire_get_frame(&s->arena, data, len, &f, &err) < 0) {
        td_core_counters(s->core)->bad_frames++;
        if (!is_bus(from) || f.id)
            shell_refuse(s, from->peer, f.request, &err);
        return;
    }
    int r = right_check(s, from, f.row, &node, &err);
    if (r == 0 && f.id == TD_MSG_RELAY) {
        r = unwrap(s, &vouched, &f, &err);
        if (r == 0 && !shell_rate_admit(s, &vouched, f.id, f.request))
            return;
        if (r == 0)
            r = right_check(s, &vouched, f.row, &node, &err);
        from = &vouched;
    }
    if (r < 0) {
        if (r == -TD_E_DENIED)
            shell_denied(s, from, f.id, err.text);
        shell_refuse(s, from->peer, f.request, &err);
        return;
    }
    if (take_own(s, from, &f))
        return;
    if (shell_is_read(f.id)) {
        const struct shell_read read = {.from = *from, .request = f.request, .id = f.id, .body = f.body};
        td_vec_push(&s->reads, read);
        return;
    }
    give_to_core(s, from, &f, node);
}

/* --- effects -------------------------------------------------------------------------------------------------------- */

/* Scripts and environments that the core thinks the worker lacks go with the award or the step, as far as the frame has
 * room; a worker that misses one asks for it (BLOB_WANTED). */
#define BLOBS_BYTES_MAX (TD_MAX_FRAME_BYTES / 2)

static struct td_blob_list blobs_of(struct shell *s, const struct td_effect *e)
{
    struct td_blob *blobs = td_arena_alloc(&s->arena, e->nblobs * sizeof(*blobs));
    size_t bytes = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->nblobs && n < TD_MAX_AWARDS_PER_MESSAGE; i++) {
        const struct shell_blob *b = shell_blob_find(s, e->blobs[i]);
        if (!b || bytes + b->len > BLOBS_BYTES_MAX)
            continue;
        bytes += b->len;
        /* copied: a blob is borrowed until the next one is read */
        blobs[n++] = (struct td_blob){
            .hash = {td_arena_dup(&s->arena, b->hash, 32), 32},
            .data = {td_arena_dup(&s->arena, b->data, b->len), b->len},
        };
    }
    return (struct td_blob_list){blobs, n};
}

static void send_with_blobs(struct shell *s, const struct td_effect *e)
{
    if (e->id == TD_MSG_AWARD) {
        struct td_award_batch m = *(const struct td_award_batch *)e->body;
        m.blobs = blobs_of(s, e);
        shell_bus_send(s, e->peer, e->id, e->request, &m);
        return;
    }
    TD_ASSERT(e->id == TD_MSG_STEP_START);
    struct td_step_start m = *(const struct td_step_start *)e->body;
    m.blobs = blobs_of(s, e);
    shell_bus_send(s, e->peer, e->id, e->request, &m);
}

/* Where slurm.conf lies is the shell's to know: a worker of this host tells its jobs. */
static void send_welcome(struct shell *s, const struct td_effect *e)
{
    struct td_welcome m = *(const struct td_welcome *)e->body;
    char *dir = td_arena_strdup(&s->arena, s->conf->path ? s->conf->path : "");
    char *slash = strrchr(dir, '/');
    if (dir[0] == '/' && strlen(dir) <= TD_MAX_PATH_BYTES) {
        slash[slash == dir] = '\0';
        m.conf_dir = dir;
    }
    shell_reply(s, e->peer, e->request, e->id, &m);
}

void shell_effects(struct shell *s)
{
    uint32_t n;
    const struct td_effect *e = td_core_effects(s->core, &n);
    for (uint32_t i = 0; i < n; i++, e++) {
        switch (e->kind) {
        case TD_DO_REPLY:
            if (e->id == TD_MSG_WELCOME)
                send_welcome(s, e);
            else
                shell_reply(s, e->peer, e->request, e->id, e->body);
            break;
        case TD_DO_SEND:
            if (e->nblobs)
                send_with_blobs(s, e);
            else
                shell_bus_send(s, e->peer, e->id, e->request, e->body);
            break;
        case TD_DO_PUBLISH:
            if (!s->bus)
                break;
            td_buf_reset(&s->frame);
            td_wire_put_frame(&s->frame, e->id, 0, e->body);
            td_bus_server_publish(s->bus, e->topic, &s->frame);
            break;
        case TD_DO_LOG:
            shell_log(&s->log, "%s", (const char *)e->body);
            break;
        }
    }
}
