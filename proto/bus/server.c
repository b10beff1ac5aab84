/* server.c - the end that listens: the broker's, a ROUTER for workers and a PUB for offers; a front's, a ROUTER alone
 *
 * Owns a libzmq context of its own with its sockets, their monitors and the ZAP handler, and one epoll descriptor that
 * stands for them all. Everything runs inside td_bus_server_next, on the caller's thread.
 *
 * Invariants: a message handed out has one part behind its route, 1 to message_bytes bytes and a verified key; anything else
 * is read to its end, dropped and counted. Memory for one peer is bounded by the high-water marks (whole messages) and
 * the guard (unfinished ones). */
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bus/guard.h"
#include "bus/zap.h"

#define ROUTER_SEND_HWM 1000
#define ROUTER_RECEIVE_HWM 128 /* of up to FRAME_BYTES each */
#define PUB_SEND_HWM 1000
#define BACKLOG 1024
#define PEERS_PER_IO_THREAD 256
#define IO_THREADS_MAX 4
#define FILES_PER_PEER 3 /* router, publisher, and one while it reconnects */
#define FILES_OWN 64
#define SERVICE_EVERY 64 /* messages between looks at handshakes, so that a flood cannot keep newcomers out */
#define WIRE_MESSAGES 3u /* of a broker's peer: one message, its encryption, what the kernel holds unread */
#define WIRE_BYTES_SMALL (1024u * 1024) /* the same, where messages are small */
#define WIRE_BYTES_GUEST (128u * 1024)
#define DROPS_PER_CALL 256 /* malformed messages read in one call before the caller gets its turn */
#define ENDPOINT_BYTES 160

struct td_bus_server {
    void *ctx, *router, *pub, *zap; /* pub NULL: a ROUTER alone */
    void *router_monitor, *pub_monitor;
    struct td_bus_bounds bounds;
    int last_fd; /* connection of the message handed out last */
    int wake, kick, timer;
    bool kicked;
    struct guard guard;
    zmq_msg_t frame; /* what td_bus_server_next handed out last */
    uint32_t since_service;
    uint64_t dropped;
    char router_endpoint[ENDPOINT_BYTES], pub_endpoint[ENDPOINT_BYTES];
};

/* --- making ------------------------------------------------------------------------------------------------------- */

static int raise_files(uint32_t peers_max, struct td_error *err)
{
    uint64_t need = (uint64_t)peers_max * FILES_PER_PEER + FILES_OWN;
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
        return td_fail(err, TD_E_IO, "cannot read the limit of open files: %s", strerror(errno));
    if (lim.rlim_max != RLIM_INFINITY && need > lim.rlim_max)
        return td_fail(err, TD_E_TOO_BIG, "%u workers need %lu open files, the system allows %lu (raise ulimit -Hn)",
                       peers_max, need, (uint64_t)lim.rlim_max);
    if (lim.rlim_cur == lim.rlim_max)
        return 0;
    lim.rlim_cur = lim.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
        return td_fail(err, TD_E_IO, "cannot raise the limit of open files: %s", strerror(errno));
    return 0;
}

struct ports {
    uint64_t first, last; /* 0: any free port */
};

static int ports_parse(const char *text, struct ports *ret, struct td_error *err)
{
    const char *dash = text ? strchr(text, '-') : NULL;
    td_autofree char *first = td_strndup(text ? text : "0", dash ? (size_t)(dash - text) : strlen(text ? text : "0"));

    if (!td_parse_u64(first, &ret->first) || !td_parse_u64(dash ? dash + 1 : first, &ret->last) ||
        ret->last > 65535 || ret->first > ret->last || (dash && ret->first == 0))
        return td_fail(err, TD_E_CONF, "port range \"%s\": 0, one port, or first-last up to 65535 are possible",
                       text ? text : "");
    return 0;
}

/* Binds to the first free port of *at .. last and moves *at behind it; at 0 to any free one. */
static int bind_port(void *socket, const char *address, uint64_t *at, uint64_t last, char *ret_endpoint,
                     struct td_error *err)
{
    bool six = strchr(address, ':') != NULL;
    char endpoint[ENDPOINT_BYTES];
    size_t size = ENDPOINT_BYTES;

    socket_set_int(socket, ZMQ_IPV6, six);
    do {
        size_t n = td_format(endpoint, sizeof(endpoint), six ? "tcp://[%s]:%lu" : "tcp://%s:%lu", address, *at);

        if (n >= sizeof(endpoint))
            return td_fail(err, TD_E_CONF, "address %s is too long", address);
        if (zmq_bind(socket, endpoint) == 0) {
            int r = zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, ret_endpoint, &size);

            TD_ASSERT(r == 0);
            *at += *at > 0;
            return 0;
        }
    } while (zmq_errno() == EADDRINUSE && *at > 0 && ++*at <= last);
    return td_fail(err, TD_E_IO, "cannot listen on %s: %s", endpoint, zmq_strerror(zmq_errno()));
}

static int bind_both(struct td_bus_server *s, const char *address, const char *port_range, struct td_error *err)
{
    struct ports p;
    int r = ports_parse(port_range, &p, err);

    if (r < 0)
        return r;
    bool one = p.first == p.last; /* the publisher then takes any free port; tokens carry both */
    uint64_t at = p.first;
    r = bind_port(s->router, address, &at, p.last, s->router_endpoint, err);
    if (r < 0)
        return r;
    if (one)
        at = 0;
    if (at > p.last)
        return td_fail(err, TD_E_IO, "no port of %s is left for publishing", port_range);
    return bind_port(s->pub, address, &at, p.last, s->pub_endpoint, err);
}

static void *server_socket(void *ctx, int type, const struct td_keypair *keys, int send_hwm, int receive_hwm, uint32_t message_bytes)
{
    void *socket = zmq_socket(ctx, type);
    int64_t most = message_bytes + MESSAGE_BYTES_MORE;

    if (!socket)
        return NULL;
    socket_bound(socket, send_hwm, receive_hwm);
    int r = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof(most));
    TD_ASSERT(r == 0);
    socket_set_int(socket, ZMQ_BACKLOG, BACKLOG);
    socket_set_int(socket, ZMQ_CURVE_SERVER, 1);
    socket_set_text(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key);
    socket_set_text(socket, ZMQ_ZAP_DOMAIN, "tender");
    /* A host that vanished must not hold a descriptor for ever; who is alive is decided by our own heartbeat. */
    socket_set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
    socket_set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 60);
    socket_set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, 20);
    socket_set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
    return socket;
}

/* The handler is bound before any socket that asks it. */
static bool open_sockets(struct td_bus_server *s, const struct td_keypair *keys, bool publishes)
{
    uint32_t threads = TD_MIN(1 + s->bounds.peers / PEERS_PER_IO_THREAD, IO_THREADS_MAX);
    int send_hwm = publishes ? ROUTER_SEND_HWM : (int)s->bounds.messages;
    int receive_hwm = publishes ? ROUTER_RECEIVE_HWM : (int)s->bounds.messages;

    s->ctx = zmq_ctx_new();
    if (!s->ctx)
        return false;
    zmq_ctx_set(s->ctx, ZMQ_IO_THREADS, (int)threads);
    zmq_ctx_set(s->ctx, ZMQ_MAX_SOCKETS, FILES_OWN); /* ours; connections are not sockets */
    s->zap = zap_open(s->ctx);
    s->router = s->zap ? server_socket(s->ctx, ZMQ_ROUTER, keys, send_hwm, receive_hwm, s->bounds.message_bytes) : NULL;
    if (!s->router)
        return false;
    s->pub = publishes ? server_socket(s->ctx, ZMQ_PUB, keys, PUB_SEND_HWM, receive_hwm, s->bounds.message_bytes) : NULL;
    if (publishes && !s->pub)
        return false;
    socket_set_int(s->router, ZMQ_ROUTER_MANDATORY, 1);
    socket_set_int(s->router, ZMQ_ROUTER_HANDOVER, 0); /* nobody takes over another one's route */
    s->router_monitor = monitor_open(s->ctx, s->router, "inproc://router-events", GUARD_EVENTS);
    if (s->router_monitor && s->pub)
        s->pub_monitor = monitor_open(s->ctx, s->pub, "inproc://pub-events", GUARD_EVENTS);
    return s->router_monitor && (s->pub_monitor || !s->pub);
}

static bool open_wake(struct td_bus_server *s)
{
    s->wake = wake_open();
    s->kick = kick_open();
    s->timer = timer_open();
    if (s->wake < 0 || s->kick < 0 || s->timer < 0)
        return false;
    timer_start(s->timer, GUARD_EVERY_MS, GUARD_EVERY_MS);
    return wake_add(s->wake, s->kick) && wake_add(s->wake, s->timer) && wake_add(s->wake, socket_fd(s->router)) &&
           wake_add(s->wake, socket_fd(s->zap)) && wake_add(s->wake, socket_fd(s->router_monitor)) &&
           (!s->pub || (wake_add(s->wake, socket_fd(s->pub)) && wake_add(s->wake, socket_fd(s->pub_monitor))));
}

static struct td_bus_server *server_make(const struct td_bus_bounds *bounds, uint64_t wire_bytes)
{
    struct td_bus_server *s = td_alloc(sizeof(*s));

    s->wake = s->kick = s->timer = s->last_fd = -1;
    s->bounds = *bounds;
    zmq_msg_init(&s->frame);
    guard_init(&s->guard, 2 * bounds->peers + FILES_OWN / 2, wire_bytes);
    return s;
}

static int server_done(struct td_bus_server *s, int r, struct td_bus_server **ret)
{
    if (r < 0) {
        td_bus_server_destroy(&s);
        return r;
    }
    kick(s->kick); /* the first poll looks at every socket once */
    s->kicked = true;
    *ret = s;
    return 0;
}

int td_bus_server_new(const char *address, const char *port_range, const struct td_keypair *keys, uint32_t peers_max,
                      struct td_bus_server **ret, struct td_error *err)
{
    const struct td_bus_bounds bounds = {.message_bytes = TD_MAX_FRAME_BYTES, .peers = peers_max};
    int r = raise_files(peers_max, err);

    if (r < 0)
        return r;
    struct td_bus_server *s = server_make(&bounds, (uint64_t)WIRE_MESSAGES * TD_MAX_FRAME_BYTES);
    if (!open_sockets(s, keys, true) || !open_wake(s))
        r = td_fail(err, TD_E_IO, "cannot make the bus: %s", zmq_strerror(zmq_errno()));
    else
        r = bind_both(s, address, port_range, err);
    return server_done(s, r, ret);
}

int td_bus_door_new(const char *address, uint32_t port, const struct td_keypair *keys, const struct td_bus_bounds *bounds,
                    struct td_bus_server **ret, struct td_error *err)
{
    struct td_bus_server *s = server_make(bounds, WIRE_BYTES_SMALL + WIRE_MESSAGES * bounds->message_bytes);
    uint64_t at = port;
    int r;

    guard_guests(&s->guard, bounds->guest_ms, WIRE_BYTES_GUEST);
    if (!open_sockets(s, keys, false) || !open_wake(s))
        r = td_fail(err, TD_E_IO, "cannot make the bus: %s", zmq_strerror(zmq_errno()));
    else
        r = bind_port(s->router, address, &at, port, s->router_endpoint, err);
    return server_done(s, r, ret);
}

void td_bus_server_destroy(struct td_bus_server **p)
{
    struct td_bus_server *s = *p;

    if (!s)
        return;
    void *sockets[] = {s->router_monitor, s->pub_monitor, s->router, s->pub, s->zap};

    zmq_msg_close(&s->frame);
    for (size_t i = 0; i < TD_ARRAY_LEN(sockets); i++) {
        if (sockets[i])
            zmq_close(sockets[i]);
    }
    while (s->ctx && zmq_ctx_term(s->ctx) < 0 && zmq_errno() == EINTR)
        ;
    if (s->timer >= 0)
        close(s->timer);
    if (s->kick >= 0)
        close(s->kick);
    if (s->wake >= 0)
        close(s->wake);
    guard_release(&s->guard);
    td_free(s);
    *p = NULL;
}

const char *td_bus_server_router_endpoint(const struct td_bus_server *s)
{
    return s->router_endpoint;
}

const char *td_bus_server_pub_endpoint(const struct td_bus_server *s)
{
    return s->pub_endpoint;
}

int td_bus_server_fds(const struct td_bus_server *s, int *fds, int cap)
{
    TD_ASSERT(cap >= 1);
    fds[0] = s->wake;
    return 1;
}

void td_bus_server_known(struct td_bus_server *s)
{
    guard_known(&s->guard, s->last_fd);
}

void td_bus_server_dismiss(struct td_bus_server *s)
{
    guard_dismiss(&s->guard, s->last_fd);
}

uint32_t td_bus_server_connections(const struct td_bus_server *s)
{
    return s->guard.open;
}

uint64_t td_bus_server_dropped(const struct td_bus_server *s)
{
    return s->dropped + s->guard.cut;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

/* Everything but the messages: handshakes, comings and goings, subscriptions, the clock of the guard. */
static void service(struct td_bus_server *s)
{
    s->since_service = 0;
    guard_watch(&s->guard, s->router_monitor, GUARD_ROUTER);
    zap_serve(s->zap);
    if (s->pub) {
        guard_watch(&s->guard, s->pub_monitor, GUARD_PUB);
        socket_readable(s->pub);
    }
    if (s->kicked) {
        kick_clear(s->kick);
        s->kicked = false;
    }
}

static int part_receive(void *socket, zmq_msg_t *part)
{
    int n;

    do {
        n = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
    } while (n < 0 && zmq_errno() == EINTR);
    TD_ASSERT(n >= 0 || zmq_errno() == EAGAIN);
    return n;
}

/* Reads what is behind the second part; returns how many parts that was. */
static uint32_t rest_drop(struct td_bus_server *s)
{
    uint32_t n = 0;
    bool more = true;
    zmq_msg_t part;

    while (more) {
        zmq_msg_init(&part);
        int r = part_receive(s->router, &part);
        TD_ASSERT(r >= 0); /* parts of one message come together */
        more = zmq_msg_more(&part);
        zmq_msg_close(&part);
        n++;
    }
    return n;
}

static bool frame_take(struct td_bus_server *s, struct td_bus_msg *ret)
{
    const char *key = zmq_msg_gets(&s->frame, "User-Id");
    const char *fd = zmq_msg_gets(&s->frame, "__fd");
    const char *address = zmq_msg_gets(&s->frame, "Peer-Address");
    size_t n = zmq_msg_size(&s->frame);

    s->last_fd = fd ? atoi(fd) : -1;
    guard_heard(&s->guard, s->last_fd);
    if (zmq_msg_more(&s->frame)) {
        rest_drop(s);
        return false;
    }
    if (n == 0 || n > s->bounds.message_bytes || !key || strlen(key) != TD_KEY_Z85 - 1)
        return false;
    memcpy(ret->key, key, TD_KEY_Z85);
    td_format(ret->address, sizeof(ret->address), "%s", address ? address : "");
    ret->data = zmq_msg_data(&s->frame);
    ret->len = n;
    return true;
}

/* 1 = a message, 0 = none waits, -1 = one was dropped. */
static int message_receive(struct td_bus_server *s, struct td_bus_msg *ret)
{
    zmq_msg_t route;
    bool ok;

    zmq_msg_init(&route);
    if (part_receive(s->router, &route) < 0) {
        zmq_msg_close(&route);
        return 0;
    }
    ret->route_len = zmq_msg_size(&route);
    ok = ret->route_len <= sizeof(ret->route) && zmq_msg_more(&route);
    if (ok)
        memcpy(ret->route, zmq_msg_data(&route), ret->route_len);
    bool more = zmq_msg_more(&route);
    zmq_msg_close(&route);

    if (more) {
        zmq_msg_close(&s->frame);
        zmq_msg_init(&s->frame);
        int n = part_receive(s->router, &s->frame);
        TD_ASSERT(n >= 0);
        ok = frame_take(s, ret) && ok;
    }
    if (!ok)
        s->dropped++;
    return ok ? 1 : -1;
}

/* More may wait and no command will say so: keeps the descriptor readable until service() has looked. */
static void keep_awake(struct td_bus_server *s)
{
    if (!s->kicked)
        kick(s->kick);
    s->kicked = true;
}

int td_bus_server_next(struct td_bus_server *s, struct td_bus_msg *ret)
{
    uint32_t drops = 0;
    bool serviced = false;

    if (++s->since_service >= SERVICE_EVERY)
        service(s);
    for (;;) {
        int r = message_receive(s, ret);

        if (r > 0 || (r < 0 && ++drops == DROPS_PER_CALL)) {
            keep_awake(s);
            return r > 0;
        }
        if (r < 0)
            continue;
        if (serviced) {
            if (timer_expired(s->timer))
                guard_tick(&s->guard);
            return 0;
        }
        service(s);
        serviced = true;
    }
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

int td_bus_server_send(struct td_bus_server *s, const uint8_t *route, size_t route_len, const struct td_buf *frame)
{
    int n;

    TD_ASSERT(frame->len > 0);
    if (frame->len > s->bounds.message_bytes)
        return -TD_E_TOO_BIG;
    do {
        n = zmq_send(s->router, route, route_len, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    } while (n < 0 && zmq_errno() == EINTR);
    if (n < 0) {
        TD_ASSERT(zmq_errno() == EAGAIN || zmq_errno() == EHOSTUNREACH);
        n = zmq_errno() == EAGAIN ? -TD_E_BUSY : -TD_E_UNREACHABLE;
    } else {
        do {
            n = zmq_send(s->router, frame->data, frame->len, ZMQ_DONTWAIT);
        } while (n < 0 && zmq_errno() == EINTR);
        TD_ASSERT(n >= 0); /* room was found with the route */
    }
    if (!s->kicked && socket_readable(s->router))
        keep_awake(s);
    return n < 0 ? n : 0;
}

int td_bus_server_publish(struct td_bus_server *s, const char *topic, const struct td_buf *frame)
{
    int n;

    TD_ASSERT(frame->len > 0 && s->pub);
    if (frame->len > TD_MAX_FRAME_BYTES)
        return -TD_E_TOO_BIG;
    do {
        n = zmq_send(s->pub, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    } while (n < 0 && zmq_errno() == EINTR);
    TD_ASSERT(n >= 0); /* a subscriber that is full is passed over */
    do {
        n = zmq_send(s->pub, frame->data, frame->len, ZMQ_DONTWAIT);
    } while (n < 0 && zmq_errno() == EINTR);
    TD_ASSERT(n >= 0);
    return 0;
}
