/* door.c - the TCP door: who has a user's key is that user, and his commands come in as if they ran
 * here
 *
 * A ROUTER with CURVE, where tender.conf says so (FrontAddress). It knows sessions, one for each
 * connection of tender remote, and carries their streams (bus/carry.h); each stream ends in a
 * socket pair whose other end is a connection of the local door, with the uid of the session's key.
 * So frames, rights, rates and all bounds are that door's: there is one way in.
 *
 * Admission: the ZAP handler lets any key in, so that who is refused is told why; what a guest says
 * besides CARRY_HELLO is passed over, and one who was refused is shut out a second later. A key
 * that is revoked ends its sessions at once. Bounded: connections, guests among them, sessions of a
 * user and of all, streams of a session and of all, bytes of each. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/front/front.h"
#include "bus/carry.h"

#define SILENCE_US 10000000 /* tender remote says CARRY_HELLO once a second */
#define MISSED_US 3000000   /* so long silent makes way for another of its user */
#define AGAIN_US 10000      /* what a session had no room for is tried again */
#define GUEST_MS 15000
#define MESSAGES_HELD 32 /* for one peer, each way */
#define MESSAGES_PER_TURN 2000
#define REFUSED_KEPT 64
#define TOLD_US 60000000 /* one key's refusals are told once a minute */

struct session {
    uint64_t no; /* of all this front ever had; in the tags of its streams, so below 2^29 */
    uint32_t user, gid;
    int64_t heard_us;
    size_t route_len;
    uint8_t route[256];
    char key[TD_KEY_Z85];
    struct td_carry carry;
    struct front *f; /* whose it is: for the carry's callback */
};

struct refused {
    char key[TD_KEY_Z85];
    int64_t told_us;
    uint32_t count; /* since */
};

struct front_door {
    struct td_keypair keys;
    struct td_bus_server *bus;
    TD_VEC(struct session *) sessions;
    struct td_map by_no;
    uint64_t next;
    bool more, keys_changed, full; /* full: a session waits for room */
    int64_t again_us;
    struct refused refused[REFUSED_KEPT];
};

/* --- opening
 * ------------------------------------------------------------------------------------------------------------
 */

/* "10.1.2.3:6820", "[::]:6820"; the address without its brackets. */
static int address_parse(const char *text, char *address, size_t cap, uint32_t *ret_port,
                         struct td_error *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool six = n > 2 && text[0] == '[' && text[n - 1] == ']';
    if (!n || n >= cap || !td_parse_u64(colon + 1, &port) || port < 1 || port > 65535 ||
        (memchr(text, ':', n) && !six))
        return td_fail(err, TD_E_CONF,
                       "tender.conf: FrontAddress=%s: an address and a port are wanted: "
                       "0.0.0.0:6820, [::]:6820",
                       text);
    td_format(address, cap, "%.*s", (int)(six ? n - 2 : n), six ? text + 1 : text);
    *ret_port = (uint32_t)port;
    return 0;
}

/* So that whoever asks is told where, and which key is the right one: a line that anybody here may
 * read. */
static int say_where(struct front *f, struct td_error *err)
{
    char path[4200];
    const char *at = td_bus_server_router_endpoint(f->door->bus);
    td_format(path, sizeof(path), "%s/run/front.door", f->s->state_dir);
    FILE *file = fopen(path, "we");
    bool ok = file && fchmod(fileno(file), 0644) == 0 &&
              fprintf(file, "%s %s\n", at + strlen("tcp://"), f->door->keys.public_key) > 0;
    if (file && fclose(file) != 0)
        ok = false;
    if (!ok)
        return td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
    shell_log(&f->s->log, "info TCP door at %s key=%s", at, f->door->keys.public_key);
    return 0;
}

int front_door_open(struct front *f, const char *where, struct td_error *err)
{
    const struct td_bus_bounds bounds = {.message_bytes = TD_MAX_CARRY_PIECE_BYTES + 256,
                                         .messages = MESSAGES_HELD,
                                         .peers = TD_MAX_CARRY_SESSIONS,
                                         .guest_ms = GUEST_MS};
    char path[4200], address[256];
    uint32_t port = 0;
    int fd;
    int r = address_parse(where, address, sizeof(address), &port, err);
    if (r < 0)
        return r;
    f->door = td_alloc(sizeof(*f->door));
    f->door->next = 1;
    td_format(path, sizeof(path), "%s/door.key", f->s->state_dir);
    r = td_keypair_load(path, &f->door->keys, err);
    if (r == 0)
        r = td_bus_door_new(address, port, &f->door->keys, &bounds, &f->door->bus, err);
    if (r < 0)
        return r;
    TD_ASSERT(td_bus_server_fds(f->door->bus, &fd, 1) == 1);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = SHELL_EPOLL_TCP};
    TD_ASSERT(epoll_ctl(f->s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0);
    return say_where(f, err);
}

/* --- sessions
 * -----------------------------------------------------------------------------------------------------------
 */

static int send_to(struct front *f, const uint8_t *route, size_t len, uint32_t id, const void *body)
{
    td_buf_reset(&f->s->frame);
    td_wire_put_frame(&f->s->frame, id, 0, body);
    return td_bus_server_send(f->door->bus, route, len, &f->s->frame);
}

static int session_send(void *ctx, uint32_t id, const void *body)
{
    struct session *x = ctx;
    int r = send_to(x->f, x->route, x->route_len, id, body);
    if (r == -TD_E_BUSY)
        x->f->door->full = true;
    else if (r < 0)
        x->heard_us = INT64_MIN / 2; /* its connection is gone: it ends at the end of this turn */
    return r;
}

/* Its streams close, so the local door sees them go. `why` NULL: nobody is there to be told. */
static void session_end(struct front *f, struct session *x, int code, const char *why)
{
    struct front_door *d = f->door;
    const struct td_refused m = {.code = (uint32_t)code, .text = why};
    td_map_del(&d->by_no, x->no);
    td_carry_release(&x->carry);
    if (why)
        send_to(f, x->route, x->route_len, TD_MSG_REFUSED, &m);
    shell_log(&f->s->log, "info remote session=%llu user=%u ended%s%s", (unsigned long long)x->no,
              x->user, why ? ": " : "", why ? why : "");
    for (uint32_t i = 0; i < d->sessions.n; i++) {
        if (d->sessions.v[i] != x)
            continue;
        d->sessions.v[i] = d->sessions.v[--d->sessions.n];
        break;
    }
    td_free(x);
}

static struct session *session_of(struct front_door *d, const struct td_bus_msg *m)
{
    for (uint32_t i = 0; i < d->sessions.n; i++) {
        struct session *x = d->sessions.v[i];
        if (x->route_len == m->route_len && memcmp(x->route, m->route, m->route_len) == 0 &&
            strcmp(x->key, m->key) == 0)
            return x;
    }
    return NULL;
}

/* One user's are bounded, too, over all his sessions: nobody takes what there is. */
static bool has_stream_left(const struct front_door *d, uint32_t user)
{
    uint32_t all = 0, his = 0;
    for (uint32_t i = 0; i < d->sessions.n; i++) {
        const struct session *x = d->sessions.v[i];
        all += x->carry.all.n;
        his += x->user == user ? x->carry.all.n : 0;
    }
    return all < TD_MAX_CARRY_STREAMS_ALL && his < TD_MAX_CARRY_STREAMS;
}

/* --- who is refused
 * --------------------------------------------------------------------------------------------------------
 */

/* One key's refusals: the first at once, then counted, told once a minute; with more keys than are
 * kept, the oldest gives way. */
static void tell_refused(struct front *f, const char *key, const char *why)
{
    struct refused *r = NULL, *oldest = &f->door->refused[0];
    int64_t now = shell_boot_us();
    for (uint32_t i = 0; i < REFUSED_KEPT && !r; i++) {
        struct refused *o = &f->door->refused[i];
        if (strcmp(o->key, key) == 0)
            r = o;
        else if (o->told_us < oldest->told_us)
            oldest = o;
    }
    td_core_counters(f->s->core)->rejected++;
    if (!r && oldest->told_us &&
        now - oldest->told_us < TOLD_US) { /* more than REFUSED_KEPT in a minute: counted */
        td_core_counters(f->s->core)->denied++;
        return;
    }
    if (!r) {
        r = oldest;
        *r = (struct refused){0};
        td_format(r->key, sizeof(r->key), "%s", key);
    }
    r->count++;
    if (r->told_us && now - r->told_us < TOLD_US) {
        td_core_counters(f->s->core)->denied++;
        return;
    }
    shell_log(&f->s->log, "warn remote key=%s refused count=%u: %s", key, r->count, why);
    shell_denied(f->s, &(struct shell_from){.key = key}, TD_MSG_CARRY_HELLO, why);
    r->told_us = now;
    r->count = 0;
}

static void refuse(struct front *f, const struct td_bus_msg *m, int code, const char *why)
{
    const struct td_refused refused = {.code = (uint32_t)code, .text = why};
    if (code == TD_E_DENIED)
        tell_refused(f, m->key, why);
    send_to(f, m->route, m->route_len, TD_MSG_REFUSED, &refused);
    td_bus_server_dismiss(f->door->bus);
}

/* --- what they say
 * -----------------------------------------------------------------------------------------------------------
 */

static bool group_of(uint32_t uid, uint32_t *ret)
{
    char space[16384];
    struct passwd pw, *found = NULL;
    if (getpwuid_r(uid, &pw, space, sizeof(space), &found) != 0 || !found)
        return false;
    *ret = pw.pw_gid;
    return true;
}

/* And not one of the past: a key may have been revoked since. */
static bool has_picture(const struct front *f)
{
    return f->ready && td_core_seq(f->s->core) >= f->last;
}

/* A user whose link breaks comes back sooner than its session is missed: his that is silent longest
 * makes way. */
static void make_way(struct front *f, uint32_t user)
{
    struct session *silent = NULL;
    for (uint32_t i = 0; i < f->door->sessions.n; i++) {
        struct session *x = f->door->sessions.v[i];
        if (x->user == user && (!silent || x->heard_us < silent->heard_us))
            silent = x;
    }
    if (silent && shell_boot_us() - silent->heard_us > MISSED_US)
        session_end(f, silent, 0, NULL);
}

static uint32_t sessions_of(const struct front_door *d, uint32_t user)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->sessions.n; i++)
        n += d->sessions.v[i]->user == user;
    return n;
}

static int admit(struct front *f, const struct td_bus_msg *m, const struct td_carry_hello *h,
                 uint32_t *ret_user, uint32_t *ret_gid, struct td_error *err)
{
    if (h->version < TD_PROTOCOL_VERSION_MIN || h->version > TD_PROTOCOL_VERSION)
        return td_fail(err, TD_E_VERSION, "this front speaks protocol versions %u to %u, you %u",
                       TD_PROTOCOL_VERSION_MIN, TD_PROTOCOL_VERSION, h->version);
    if (!has_picture(f))
        return td_fail(err, TD_E_UNREACHABLE, "%s: this front has no picture of the cluster yet",
                       td_error_words(TD_E_UNREACHABLE));
    if (!td_core_user_key(f->s->core, m->key, ret_user))
        return td_fail(err, TD_E_DENIED,
                       "%s: your key is registered for no user here, or was revoked; an operator "
                       "registers it with: "
                       "tender key register '%s' --user NAME",
                       td_error_words(TD_E_DENIED), m->key);
    if (!group_of(*ret_user, ret_gid))
        return td_fail(err, TD_E_DENIED,
                       "%s: your key is that of user %u, whom host %s does not know",
                       td_error_words(TD_E_DENIED), *ret_user, f->s->host);
    if (sessions_of(f->door, *ret_user) >= TD_MAX_CARRY_SESSIONS_PER_USER)
        make_way(f, *ret_user);
    bool many = sessions_of(f->door, *ret_user) >= TD_MAX_CARRY_SESSIONS_PER_USER;
    if (many || f->door->sessions.n >= TD_MAX_CARRY_SESSIONS)
        return td_fail(err, TD_E_BUSY, "too many sessions at once (%s): end some of tender remote",
                       many ? "CARRY_SESSIONS_PER_USER" : "CARRY_SESSIONS");
    return 0;
}

static struct session *session_begin(struct front *f, const struct td_bus_msg *m, uint32_t user,
                                     uint32_t gid)
{
    struct session *x = td_alloc(sizeof(*x));
    *x = (struct session){.no = f->door->next,
                          .user = user,
                          .gid = gid,
                          .heard_us = shell_boot_us(),
                          .route_len = m->route_len,
                          .f = f};
    f->door->next = f->door->next % ((1u << 29) - 1) + 1;
    memcpy(x->route, m->route, m->route_len);
    memcpy(x->key, m->key, sizeof(x->key));
    x->carry = (struct td_carry){.epoll_fd = f->s->epoll_fd,
                                 .tag = SHELL_EPOLL_CARRIED | x->no << 32,
                                 .send = session_send,
                                 .ctx = x};
    td_vec_push(&f->door->sessions, x);
    td_map_put(&f->door->by_no, x->no, x);
    shell_log(&f->s->log, "info remote session=%llu user=%u began", (unsigned long long)x->no,
              user);
    return x;
}

static void hello(struct front *f, struct session *x, const struct td_bus_msg *m,
                  const struct td_carry_hello *h)
{
    struct td_error err = {0};
    uint32_t user = 0, gid = 0;
    if (x && h->session != 0 &&
        h->session != x->no) { /* it speaks of one that is over: its streams are not these */
        session_end(f, x, TD_E_UNREACHABLE, "this session is over");
        return;
    }
    if (!x && h->session) {
        const struct td_refused over = {
            .code = TD_E_UNREACHABLE, .text = "this session is over", .hello_again = true};
        send_to(f, m->route, m->route_len, TD_MSG_REFUSED, &over);
        return;
    }
    if (!x && admit(f, m, h, &user, &gid, &err) < 0) {
        refuse(f, m, err.code, err.text);
        return;
    }
    if (!x)
        x = session_begin(f, m, user, gid);
    td_bus_server_known(f->door->bus);
    const struct td_carry_welcome w = {.version = TD_PROTOCOL_VERSION,
                                       .session = x->no,
                                       .uid = x->user,
                                       .cluster = td_core_settings(f->s->core)->cluster};
    session_send(x, TD_MSG_CARRY_WELCOME, &w); /* no room: it asks again in a second */
}

static void stream_open(struct front *f, struct session *x, uint32_t no)
{
    const struct td_carry_close closed = {.stream = no};
    int fds[2], r = -TD_E_BUSY;
    if (!has_stream_left(f->door, x->user) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
        shell_log(&f->s->log, "warn remote session=%llu user=%u: no room for another connection",
                  (unsigned long long)x->no, x->user);
    } else if ((r = td_carry_add(&x->carry, no, fds[0])) < 0) {
        close(fds[0]);
        close(fds[1]);
    } else {
        shell_local_adopt(f->s, fds[1], x->user, x->gid, true);
    }
    if (r == -TD_E_INVALID_REQUEST)
        session_end(f, x, TD_E_BAD_FRAME, "a connection has a number that is in use");
    else if (r < 0)
        session_send(x, TD_MSG_CARRY_CLOSE,
                     &closed); /* no room for that either: its peer waits for its own bound */
}

static void take(struct front *f, const struct td_bus_msg *m)
{
    struct session *x = session_of(f->door, m);
    struct td_frame fr = {0};
    struct td_error err = {0};
    if (td_wire_get_frame(&f->s->arena, m->data, m->len, &fr, &err) < 0) {
        td_core_counters(f->s->core)->bad_frames++;
        if (x)
            session_end(f, x, err.code, err.text);
        td_bus_server_dismiss(f->door->bus);
        return;
    }
    if (x)
        x->heard_us = shell_boot_us();
    if (fr.id == TD_MSG_CARRY_HELLO)
        hello(f, x, m, fr.body);
    else if (!x)
        td_core_counters(f->s->core)->rejected++; /* of a session that is over, or of a guest */
    else if (fr.id == TD_MSG_CARRY_OPEN)
        stream_open(f, x, ((const struct td_carry_open *)fr.body)->stream);
    else if (td_carry_take(&x->carry, fr.id, fr.body, &err) < 0)
        session_end(f, x, err.code, err.text);
}

/* --- the loop's
 * --------------------------------------------------------------------------------------------------------------
 */

void front_door_ready(struct front *f)
{
    if (f->door)
        f->door->more = true;
}

void front_door_stream_ready(struct front *f, uint64_t tag, uint32_t events)
{
    struct session *x =
        f->door ? td_map_get(&f->door->by_no, (tag & ~SHELL_EPOLL_CARRIED) >> 32) : NULL;
    if (x)
        td_carry_ready(&x->carry, (uint32_t)tag, events);
}

void front_door_keys_changed(struct front *f)
{
    if (f->door)
        f->door->keys_changed = true;
}

static void sessions_check(struct front *f)
{
    struct front_door *d = f->door;
    int64_t now = shell_boot_us();
    bool changed = d->keys_changed && has_picture(f);
    for (uint32_t i = d->sessions.n;
         i-- > 0;) { /* from behind: one that ends makes way for the last */
        struct session *x = d->sessions.v[i];
        uint32_t user = 0;
        if (changed && (!td_core_user_key(f->s->core, x->key, &user) || user != x->user))
            session_end(f, x, TD_E_DENIED, "Access/permission denied: your key was revoked");
        else if (now - x->heard_us > SILENCE_US)
            session_end(f, x, 0, NULL);
    }
    d->keys_changed = d->keys_changed && !changed;
}

void front_door_take(struct front *f)
{
    struct front_door *d = f->door;
    struct td_bus_msg m;
    if (!d)
        return;
    int64_t now = shell_boot_us();
    int n = 0;
    while (d->more && n < MESSAGES_PER_TURN && !shell_full(f->s)) {
        if (td_bus_server_next(d->bus, &m) <= 0)
            d->more = false;
        else if (++n)
            take(f, &m);
    }
    if (d->full && now >= d->again_us) {
        d->full = false; /* set again by who finds no room */
        d->again_us = now + AGAIN_US;
        for (uint32_t i = 0; i < d->sessions.n; i++)
            td_carry_again(&d->sessions.v[i]->carry);
    }
    sessions_check(f);
}

/* When it wants a turn even if nothing comes. */
int64_t front_door_deadline_us(const struct front *f)
{
    if (!f->door)
        return INT64_MAX;
    return f->door->more ? 0 : f->door->full ? f->door->again_us : INT64_MAX;
}

/* Whoever is there is told that it ends, by its connection. */
void front_door_close(struct front *f)
{
    char path[4200];
    if (!f->door)
        return;
    while (f->door->sessions.n)
        session_end(f, f->door->sessions.v[0], 0, NULL);
    td_format(path, sizeof(path), "%s/run/front.door", f->s->state_dir);
    unlink(path);
    td_bus_server_destroy(&f->door->bus);
    td_vec_release(&f->door->sessions);
    td_map_release(&f->door->by_no);
    explicit_bzero(&f->door->keys, sizeof(f->door->keys));
    td_free(f->door);
    f->door = NULL;
}
