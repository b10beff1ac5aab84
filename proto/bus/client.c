/* client.c - the end that dials out: a worker's, a DEALER and a SUB; without an endpoint to hear, a DEALER alone
 *
 * libzmq reconnects by itself after a lost connection (with jitter, slower each time), but gives an address up for good when
 * what answers there does not speak its protocol. A port can belong to somebody else for a minute, so such a link is
 * dialled anew after REDIAL_MS.
 *
 * A message waits only for a connection that stands: nothing is queued for a broker that is away, since after its return
 * a worker says hello and repeats what was not acknowledged. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bus/socket.h"

#define HWM 1000
#define RECONNECT_MS 50 /* plus as much again by chance; libzmq adds its own jitter to each try */
#define RECONNECT_MS_MAX 2000
#define REDIAL_MS 1000
#define LINK_EVENTS                                                                                             \
    (ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |             \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

struct link {
    void *socket, *monitor;
    char endpoint[128];
    bool up;
    bool was_up;   /* ever */
    bool again;    /* up after it was lost, and nobody has asked since */
    bool given_up; /* by libzmq: to be dialled anew */
};

struct td_bus_client {
    void *ctx;
    struct link dealer, sub;
    int wake, kick, timer;
    bool kicked;
    bool handshake_failed;
    bool sub_first; /* whose turn it is, so that neither starves the other */
    zmq_msg_t frame;
    uint64_t dropped;
};

static uint32_t random_below(uint32_t n)
{
    char public_key[TD_KEY_Z85], secret_key[TD_KEY_Z85];

    /* libzmq's random source is already open; no other is needed for a few milliseconds of jitter */
    if (zmq_curve_keypair(public_key, secret_key) < 0)
        return 0;
    return (uint32_t)(td_mix_str(0, public_key) % n);
}

static bool link_open(struct td_bus_client *c, struct link *l, int type, const char *endpoint, const char *events,
                      const char *server_key, const struct td_keypair *keys)
{
    l->socket = zmq_socket(c->ctx, type);
    if (!l->socket)
        return false;
    td_format(l->endpoint, sizeof(l->endpoint), "%s", endpoint);
    socket_bound(l->socket, HWM, HWM);
    socket_set_int(l->socket, ZMQ_IPV6, strchr(endpoint, '[') != NULL);
    socket_set_int(l->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS + (int)random_below(RECONNECT_MS));
    socket_set_int(l->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX);
    socket_set_text(l->socket, ZMQ_CURVE_SERVERKEY, server_key);
    socket_set_text(l->socket, ZMQ_CURVE_PUBLICKEY, keys->public_key);
    socket_set_text(l->socket, ZMQ_CURVE_SECRETKEY, keys->secret_key);
    if (type == ZMQ_DEALER)
        socket_set_int(l->socket, ZMQ_IMMEDIATE, 1);
    l->monitor = monitor_open(c->ctx, l->socket, events, LINK_EVENTS);
    return l->monitor && wake_add(c->wake, socket_fd(l->socket)) && wake_add(c->wake, socket_fd(l->monitor)) &&
           zmq_connect(l->socket, l->endpoint) == 0;
}

static int client_open(struct td_bus_client *c, const char *router_endpoint, const char *pub_endpoint,
                       const char *server_key, const struct td_keypair *keys, struct td_error *err)
{
    c->ctx = zmq_ctx_new();
    c->wake = wake_open();
    c->kick = kick_open();
    c->timer = timer_open();
    if (!c->ctx || c->wake < 0 || c->kick < 0 || c->timer < 0 || !wake_add(c->wake, c->kick) ||
        !wake_add(c->wake, c->timer))
        return td_fail(err, TD_E_IO, "cannot make the bus: %s", strerror(errno));
    zmq_ctx_set(c->ctx, ZMQ_MAX_SOCKETS, 16);
    if (!link_open(c, &c->dealer, ZMQ_DEALER, router_endpoint, "inproc://dealer-events", server_key, keys))
        return td_fail(err, TD_E_CONF, "cannot dial %s: %s", router_endpoint, zmq_strerror(zmq_errno()));
    if (pub_endpoint && !link_open(c, &c->sub, ZMQ_SUB, pub_endpoint, "inproc://sub-events", server_key, keys))
        return td_fail(err, TD_E_CONF, "cannot dial %s: %s", pub_endpoint, zmq_strerror(zmq_errno()));
    kick(c->kick); /* the first poll looks at every socket once */
    c->kicked = true;
    return 0;
}

int td_bus_client_new(const char *router_endpoint, const char *pub_endpoint, const char *server_key,
                      const struct td_keypair *keys, struct td_bus_client **ret, struct td_error *err)
{
    uint8_t raw[32];

    if (strlen(server_key) != TD_KEY_Z85 - 1 || !zmq_z85_decode(raw, server_key))
        return td_fail(err, TD_E_BAD_TOKEN, "the broker's key \"%s\" is no CURVE key", server_key);
    if (strlen(router_endpoint) >= sizeof(((struct link *)0)->endpoint) ||
        strlen(pub_endpoint ? pub_endpoint : "") >= sizeof(((struct link *)0)->endpoint))
        return td_fail(err, TD_E_TOO_BIG, "an endpoint of the broker is too long");

    struct td_bus_client *c = td_alloc(sizeof(*c));
    c->wake = c->kick = c->timer = -1;
    zmq_msg_init(&c->frame);
    int r = client_open(c, router_endpoint, pub_endpoint, server_key, keys, err);
    if (r < 0)
        td_bus_client_destroy(&c);
    else
        *ret = c;
    return r;
}

static void link_close(struct link *l)
{
    if (l->monitor)
        zmq_close(l->monitor);
    if (l->socket)
        zmq_close(l->socket);
}

void td_bus_client_destroy(struct td_bus_client **p)
{
    struct td_bus_client *c = *p;

    if (!c)
        return;
    zmq_msg_close(&c->frame);
    link_close(&c->dealer);
    link_close(&c->sub);
    while (c->ctx && zmq_ctx_term(c->ctx) < 0 && zmq_errno() == EINTR)
        ;
    if (c->timer >= 0)
        close(c->timer);
    if (c->kick >= 0)
        close(c->kick);
    if (c->wake >= 0)
        close(c->wake);
    td_free(c);
    *p = NULL;
}

int td_bus_client_fds(const struct td_bus_client *c, int *fds, int cap)
{
    TD_ASSERT(cap >= 1);
    fds[0] = c->wake;
    return 1;
}

static void link_watch(struct td_bus_client *c, struct link *l)
{
    uint32_t event, value;

    while (l->monitor && monitor_next(l->monitor, &event, &value)) {
        switch (event) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
            l->up = true;
            l->again |= l->was_up;
            l->was_up = true;
            break;
        case ZMQ_EVENT_DISCONNECTED:
            l->up = false;
            break;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
            l->given_up = true;
            timer_start(c->timer, REDIAL_MS, 0);
            c->handshake_failed = true;
            break;
        default:
            c->handshake_failed = true;
        }
    }
}

static void link_redial(struct link *l)
{
    if (!l->given_up)
        return;
    l->given_up = false;
    zmq_disconnect(l->socket, l->endpoint); /* fails where libzmq forgot the endpoint already */
    int r = zmq_connect(l->socket, l->endpoint);
    TD_ASSERT(r == 0); /* the endpoint was good before */
}

static void service(struct td_bus_client *c)
{
    link_watch(c, &c->dealer);
    link_watch(c, &c->sub);
    if (timer_expired(c->timer)) {
        link_redial(&c->dealer);
        link_redial(&c->sub);
    }
    if (c->kicked)
        kick_clear(c->kick);
    c->kicked = false;
}

/* Takes one message of `want` parts into c->frame (its last part): 1, 0 = none waits, -1 = dropped. */
static int link_receive(struct td_bus_client *c, struct link *l, int want)
{
    int parts = 0;
    bool more = l->socket != NULL;

    if (!more)
        return 0;
    while (more) {
        zmq_msg_close(&c->frame);
        zmq_msg_init(&c->frame);
        int n = zmq_msg_recv(&c->frame, l->socket, ZMQ_DONTWAIT);

        if (n < 0 && zmq_errno() == EINTR)
            continue;
        if (n < 0) {
            TD_ASSERT(zmq_errno() == EAGAIN && parts == 0); /* parts of one message come together */
            return 0;
        }
        more = zmq_msg_more(&c->frame);
        parts++;
    }
    size_t size = zmq_msg_size(&c->frame);
    if (parts == want && size > 0 && size <= TD_MAX_FRAME_BYTES)
        return 1;
    c->dropped++;
    return -1;
}

/* More may wait and no command will say so: keeps the descriptor readable until service() has looked. */
static void keep_awake(struct td_bus_client *c)
{
    if (!c->kicked)
        kick(c->kick);
    c->kicked = true;
}

int td_bus_client_next(struct td_bus_client *c, const uint8_t **ret_data, size_t *ret_len, bool *ret_published)
{
    bool serviced = false;

    for (;;) {
        bool dropped = false;

        for (int i = 0; i < 2; i++) {
            bool published = c->sub_first;
            int r = published ? link_receive(c, &c->sub, 2) : link_receive(c, &c->dealer, 1);

            c->sub_first = !published;
            if (r > 0) {
                keep_awake(c);
                *ret_data = zmq_msg_data(&c->frame);
                *ret_len = zmq_msg_size(&c->frame);
                *ret_published = published;
                return 1;
            }
            dropped = dropped || r < 0;
        }
        if (dropped)
            continue;
        if (serviced)
            return 0;
        service(c);
        serviced = true;
    }
}

/* A call on a socket may have emptied its mailbox: see socket.c. */
static void look_again(struct td_bus_client *c, struct link *l)
{
    if (!c->kicked && socket_readable(l->socket))
        keep_awake(c);
}

int td_bus_client_send(struct td_bus_client *c, const struct td_buf *frame)
{
    int n;

    TD_ASSERT(frame->len > 0);
    if (frame->len > TD_MAX_FRAME_BYTES)
        return -TD_E_TOO_BIG;
    do {
        n = zmq_send(c->dealer.socket, frame->data, frame->len, ZMQ_DONTWAIT);
    } while (n < 0 && zmq_errno() == EINTR);
    if (n < 0) {
        TD_ASSERT(zmq_errno() == EAGAIN);
        n = c->dealer.up ? -TD_E_BUSY : -TD_E_UNREACHABLE;
    }
    look_again(c, &c->dealer);
    return n < 0 ? n : 0;
}

int td_bus_client_subscribe(struct td_bus_client *c, const char *topic)
{
    socket_set_text(c->sub.socket, ZMQ_SUBSCRIBE, topic);
    look_again(c, &c->sub);
    return 0;
}

int td_bus_client_unsubscribe(struct td_bus_client *c, const char *topic)
{
    socket_set_text(c->sub.socket, ZMQ_UNSUBSCRIBE, topic); /* a topic never subscribed to is no error */
    look_again(c, &c->sub);
    return 0;
}

bool td_bus_client_handshake_failed(struct td_bus_client *c)
{
    link_watch(c, &c->dealer);
    link_watch(c, &c->sub);
    bool failed = c->handshake_failed;
    c->handshake_failed = false;
    return failed;
}

bool td_bus_client_reconnected(struct td_bus_client *c)
{
    link_watch(c, &c->dealer);
    bool again = c->dealer.up && c->dealer.again;
    if (again)
        c->dealer.again = false;
    return again;
}

bool td_bus_client_connected(struct td_bus_client *c)
{
    link_watch(c, &c->dealer);
    link_watch(c, &c->sub);
    return c->dealer.up && (c->sub.up || !c->sub.socket);
}

uint64_t td_bus_client_dropped(const struct td_bus_client *c)
{
    return c->dropped;
}
