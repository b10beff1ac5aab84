/* uplink.c - the broker on the bus: joining it once, and messages either way
 *
 * The token's secret is exchanged for a right of our own key once (ENROL); DIR/joined then holds the token without its
 * secret, and later starts need no --join. A broker that does not know our key any more (it was made anew) is asked
 * again with the secret if we have one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/log.h"
#include "worker/worker.h"

#define ENROL_MS 1000
#define ENROL_REFUSALS 8 /* where a HELLO's refusal may come between */
#define COMPLAIN_MS 60000
#define ROTATE_REQUEST 1 /* tells a refused KEY_ROTATE from a refused greeting */

static bool has_secret(const struct td_join_token *t)
{
    for (size_t i = 0; i < sizeof(t->secret); i++)
        if (t->secret[i])
            return true;
    return false;
}

static void joined_path(const struct worker *w, char *out, size_t cap)
{
    td_format(out, cap, "%s/joined", w->dir);
}

static void forget_joined(struct worker *w)
{
    char path[TD_MAX_PATH_BYTES + 16];
    joined_path(w, path, sizeof(path));
    if (unlink(path) < 0 && errno != ENOENT)
        td_log("warn", "cannot remove %s: %s", path, strerror(errno));
    w->enrolled = false;
    w->incarnation = 0; /* of another broker */
}

static void remember_joined(struct worker *w)
{
    char path[TD_MAX_PATH_BYTES + 16];
    struct td_join_token bare = w->token;
    struct td_buf text = {0};
    memset(bare.secret, 0, sizeof(bare.secret));
    joined_path(w, path, sizeof(path));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && td_join_token_print(&bare, &text) == 0 && write(fd, text.data, text.len) == (ssize_t)text.len;
    if (!ok)
        td_log("warn", "cannot write %s: %s; the next start needs --join again", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    td_buf_release(&text);
}

/* The token given, and whether an earlier start enrolled with the same broker. */
static int read_token(struct worker *w, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16], text[TD_JOIN_WORD_BYTES];
    struct td_join_token before;
    struct td_error ignored;
    joined_path(w, path, sizeof(path));
    bool joined = td_word_load(path, text, sizeof(text), &ignored) == 0 && td_join_token_parse(text, &before, &ignored) == 0;
    if (!w->opt.join) {
        if (!joined)
            return td_fail(err, TD_E_USAGE, "this node has not joined a cluster yet: --join TOKEN is needed (tender join-token prints one)");
        w->token = before;
        w->enrolled = true;
        return 0;
    }
    int r = td_join_token_parse(w->opt.join, &w->token, err);
    explicit_bzero(w->opt.join, strlen(w->opt.join));
    w->enrolled = r == 0 && joined && strcmp(before.server_key, w->token.server_key) == 0;
    return r;
}

/* --- the last registration, so that a worker started anew is known for the same node at once ------------------------- */

static void incarnation_path(const struct worker *w, char *out, size_t cap)
{
    td_format(out, cap, "%s/incarnation", w->dir);
}

static void read_incarnation(struct worker *w)
{
    char path[TD_MAX_PATH_BYTES + 16], text[32];
    struct td_error none_yet;
    uint64_t n;
    incarnation_path(w, path, sizeof(path));
    if (td_word_load(path, text, sizeof(text), &none_yet) == 0 && td_parse_u64(text, &n) && n <= UINT32_MAX)
        w->incarnation = (uint32_t)n;
}

static void remember_incarnation(struct worker *w, uint32_t incarnation)
{
    char path[TD_MAX_PATH_BYTES + 16], text[32];
    if (incarnation == w->incarnation)
        return;
    w->incarnation = incarnation;
    incarnation_path(w, path, sizeof(path));
    size_t n = td_format(text, sizeof(text), "%u\n", incarnation);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        td_log("warn", "cannot write %s: %s; a restart will wait for the lease", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

int uplink_dial(struct worker *w, struct td_error *err)
{
    td_bus_client_destroy(&w->bus);
    return td_bus_client_new(w->token.router, w->token.pub, w->token.server_key, &w->keys, &w->bus, err);
}

/* --- another key ----------------------------------------------------------------------------------------------------------
 *
 * It is made beside the present one (DIR/key.new) before the broker hears of it, and takes its place when the broker has
 * said that it is good. A worker that dies in between says it again; if the old key has run out by then, the broker knows
 * the new one. */

static void next_path(const struct worker *w, char *out, size_t cap)
{
    td_format(out, cap, "%s/key.new", w->dir);
}

static int rotation_begin(struct worker *w, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16];
    next_path(w, path, sizeof(path));
    int r = td_keypair_load(path, &w->next_keys, err);
    w->rotates = r == 0;
    w->rotate_at_ms = w->now_ms;
    return r;
}

static int rotation_resume(struct worker *w, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16];
    next_path(w, path, sizeof(path));
    return access(path, F_OK) == 0 ? rotation_begin(w, err) : 0;
}

static void rotation_take(struct worker *w)
{
    char from[TD_MAX_PATH_BYTES + 16], to[TD_MAX_PATH_BYTES + 16];
    struct td_error err = {0};
    next_path(w, from, sizeof(from));
    td_format(to, sizeof(to), "%s/key", w->dir);
    if (rename(from, to) < 0) { /* it stays as it was: the old key is good for a while, and this is tried again */
        td_log("warn", "cannot put the new key in place: %s: %s", to, strerror(errno));
        w->rotate_at_ms = w->now_ms + COMPLAIN_MS;
        return;
    }
    w->keys = w->next_keys;
    w->rotates = false;
    explicit_bzero(&w->next_keys, sizeof(w->next_keys));
    td_log("info", "this node has another key");
    if (uplink_dial(w, &err) < 0)
        worker_give_up(w, err.text);
    else
        worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_LINK_NEW});
}

static void on_key_wanted(struct worker *w)
{
    struct td_error err = {0};
    if (!w->rotates && rotation_begin(w, &err) < 0)
        td_log("warn", "the broker wants another key, and none can be made: %s", err.text);
}

static void rotation_say(struct worker *w)
{
    const struct td_key_rotate m = {.key = w->next_keys.public_key};
    td_buf_reset(&w->frame);
    td_wire_put_frame(&w->frame, TD_MSG_KEY_ROTATE, ROTATE_REQUEST, &m);
    int r = td_bus_client_send(w->bus, &w->frame); /* full or away: it is said again */
    if (r < 0 && r != -TD_E_BUSY && r != -TD_E_UNREACHABLE)
        td_log("error", "cannot send KEY_ROTATE: %s", td_error_words(-r));
    w->rotate_at_ms = w->now_ms + ENROL_MS;
}

int uplink_open(struct worker *w, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16];
    int r = read_token(w, err);
    if (r < 0)
        return r;
    read_incarnation(w);
    td_format(path, sizeof(path), "%s/key", w->dir);
    r = td_keypair_load(path, &w->keys, err);
    if (r == 0)
        r = rotation_resume(w, err);
    return r < 0 ? r : uplink_dial(w, err);
}

void uplink_send(struct worker *w, uint32_t id, const void *body)
{
    struct td_hello hello;
    if (id == TD_MSG_HELLO && ((const struct td_hello *)body)->incarnation == 0) {
        hello = *(const struct td_hello *)body; /* the agent knows none yet; the directory may */
        hello.incarnation = w->incarnation;
        body = &hello;
    }
    td_buf_reset(&w->frame);
    td_wire_put_frame(&w->frame, id, 0, body);
    /* Full or away: everything said to the broker is said again until it is answered. */
    int r = td_bus_client_send(w->bus, &w->frame);
    if (id == TD_MSG_HELLO || id == TD_MSG_ENROL) {
        td_buf_reset(&w->greeting);
        if (r == -TD_E_UNREACHABLE) /* said as soon as the connection stands, not when its timer comes round */
            td_buf_put(&w->greeting, w->frame.data, w->frame.len);
    }
    if (r < 0 && r != -TD_E_BUSY && r != -TD_E_UNREACHABLE)
        td_log("error", "cannot send %s: %s", td_msg_name(id), td_error_words(-r));
}

/* --- enrolling ------------------------------------------------------------------------------------------------------------- */

static void say_enrol(struct worker *w)
{
    struct td_enrol m = {
        .secret = {w->token.secret, sizeof(w->token.secret)},
        .node = w->node,
        .version = TD_PROTOCOL_VERSION,
    };
    uplink_send(w, TD_MSG_ENROL, &m);
    w->enrol_at_ms = w->now_ms + ENROL_MS;
}

static void on_enrolled(struct worker *w, const struct td_enrolled *m)
{
    if (w->enrolled)
        return; /* twice */
    if (!td_str_empty(m->node) && !td_str_equal(m->node, w->node)) {
        worker_give_up(w, "the broker enrolled this node under another name");
        return;
    }
    w->enrolled = w->enrolled_now = true;
    remember_joined(w);
    td_log("info", "enrolled as %s", w->node);
}

/* Our key is not known (any more). True: another way is being tried, the agent need not hear of it. */
static bool on_denied(struct worker *w)
{
    if (w->rotates) { /* the old one has run out; the broker may have heard of the new one */
        rotation_take(w);
        return true;
    }
    if (!w->enrolled || w->enrolled_now || !has_secret(&w->token))
        return false;
    td_log("warn", "the broker does not know this node's key: enrolling again");
    forget_joined(w);
    say_enrol(w);
    return true;
}

static void on_refused(struct worker *w, const struct td_refused *m)
{
    bool for_good = m->code == TD_E_DENIED || m->code == TD_E_BAD_TOKEN || m->code == TD_E_VERSION;
    if (!for_good || (w->agent && ++w->enrol_refusals < ENROL_REFUSALS)) {
        td_log("warn", "enrolment refused for now: %s", m->text);
        return;
    }
    worker_give_up(w, td_str_empty(m->text) ? td_error_words((int)m->code) : m->text);
}

/* --- messages ---------------------------------------------------------------------------------------------------------------- */

static void on_award(struct worker *w, const struct td_award_batch *m)
{
    for (uint32_t i = 0; i < m->blobs.n; i++)
        launch_blob(w, &m->blobs.v[i], false);
}

static void on_message(struct worker *w, const struct td_frame *f, bool published)
{
    if (f->id == TD_MSG_ENROLLED) {
        on_enrolled(w, f->body);
        return;
    }
    if (f->id == TD_MSG_REFUSED && f->request == ROTATE_REQUEST) {
        td_log("warn", "the broker does not take another key now: %s", ((const struct td_refused *)f->body)->text);
        w->rotate_at_ms = w->now_ms + COMPLAIN_MS;
        return;
    }
    if (f->id == TD_MSG_REFUSED && !w->enrolled) {
        on_refused(w, f->body);
        return;
    }
    if (f->id == TD_MSG_REFUSED && ((const struct td_refused *)f->body)->code == TD_E_DENIED && on_denied(w))
        return;
    if (f->id == TD_MSG_KEY_WANTED) {
        on_key_wanted(w);
        return;
    }
    if (f->id == TD_MSG_KEY_ROTATED) {
        if (w->rotates && td_str_equal(((const struct td_key_rotated *)f->body)->key, w->next_keys.public_key))
            rotation_take(w);
        return;
    }
    if (f->id == TD_MSG_BLOB) {
        launch_blob(w, &((const struct td_blob_data *)f->body)->blob, true);
        step_blob(w, &((const struct td_blob_data *)f->body)->blob);
        return;
    }
    if (f->id == TD_MSG_STEP_START)
        for (uint32_t i = 0; i < ((const struct td_step_start *)f->body)->blobs.n; i++)
            launch_blob(w, &((const struct td_step_start *)f->body)->blobs.v[i], false);
    if (f->id == TD_MSG_AWARD)
        on_award(w, f->body);
    if (!w->agent)
        return;
    worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_BUS, .id = f->id, .body = f->body, .published = published});
    if (f->id == TD_MSG_WELCOME && td_agent_registered(w->agent)) {
        remember_incarnation(w, td_agent_welcome(w->agent)->incarnation);
        inventory_told(w, f->body);
    }
}

void uplink_read(struct worker *w)
{
    const uint8_t *data;
    size_t len;
    bool published;
    while (!w->over && td_bus_client_next(w->bus, &data, &len, &published) == 1) {
        struct td_arena arena = {0}; /* not w->arena: what a message causes uses that */
        struct td_error err = {0};
        struct td_frame f;
        if (td_wire_get_frame(&arena, data, len, &f, &err) < 0)
            td_log("warn", "a message of the broker is dropped: %s", err.text);
        else
            on_message(w, &f, published);
        td_arena_release(&arena);
    }
}

void uplink_tick(struct worker *w)
{
    if (w->greeting.len && td_bus_client_send(w->bus, &w->greeting) == 0)
        td_buf_reset(&w->greeting);
    if (td_bus_client_reconnected(w->bus))
        worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_LINK_UP});
    if (!w->enrolled && w->now_ms >= w->enrol_at_ms)
        say_enrol(w);
    if (w->rotates && w->agent && td_agent_registered(w->agent) && w->now_ms >= w->rotate_at_ms)
        rotation_say(w);
    char why[TD_BUS_TROUBLE_BYTES];
    if (td_bus_trouble_look(&w->trouble, td_bus_client_connected(w->bus), w->token.router, w->now_ms, why))
        td_log("warn", "no connection to the broker at %s: %s", w->token.router, why);
    if (td_bus_client_handshake_failed(w->bus) && w->now_ms >= w->complain_at_ms) {
        td_log("error", "the broker at %s is not the one this node's token names: another one is there, or its key has changed (broker.key "
               "was lost), or it does not speak our protocol; join again with a token of that broker: tender-worker --join TOKEN", w->token.router);
        w->complain_at_ms = w->now_ms + COMPLAIN_MS;
    }
}

int64_t uplink_due(const struct worker *w)
{
    if (!w->enrolled)
        return w->enrol_at_ms;
    return w->rotates && w->agent && td_agent_registered(w->agent) ? w->rotate_at_ms : INT64_MAX;
}
