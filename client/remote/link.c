/* link.c - the connection to a front's TCP door: dialled, greeted, watched, made again
 *
 * Each connection is a new client of libzmq and a new session: nothing of an old one can be taken for news. With it go all its
 * streams, so that whoever waits for an answer learns that it is lost; who watches asks again from his last number. */
#include <string.h>
#include <sys/epoll.h>

#include "remote/remote.h"
#include "watch.h"

#define HELLO_MS 1000
#define SILENCE_MS 5000
#define REDIAL_MS 200
#define REFUSED_MS 30000 /* until a key that was refused is tried again */
#define AGAIN_MS 10
#define FRAMES_PER_TURN 1000

static int link_send(void *ctx, uint32_t id, const void *body)
{
    struct remote *r = ctx;
    struct td_buf frame = {0};

    td_wire_put_frame(&frame, id, 0, body);
    int sent = r->bus ? td_bus_client_send(r->bus, &frame) : -TD_E_UNREACHABLE;
    td_buf_release(&frame);
    return sent;
}

static void dial(struct remote *r)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = REMOTE_TAG_BUS};
    int fd;

    r->dial_ms = watch_elapsed_ms() + REDIAL_MS;
    if (td_bus_client_new(r->endpoint, NULL, r->server_key, &r->keys, &r->bus, &r->why) < 0)
        return;
    TD_ASSERT(td_bus_client_fds(r->bus, &fd, 1) == 1);
    int added = epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
    TD_ASSERT(added == 0);
    r->link = REMOTE_DIALLING;
    r->session = 0;
    r->hello_ms = 0;
}

void remote_link_close(struct remote *r, const char *why)
{
    bool was_up = r->link == REMOTE_UP;
    struct td_error lost = {0};

    td_fail(&lost, TD_E_UNREACHABLE, "%s", why);
    if (was_up)
        remote_log("the link to %s is lost: %s", r->address, why);
    if (was_up && !r->for_good)
        r->why = lost;
    r->down_ms = was_up ? watch_elapsed_ms() : r->down_ms;
    td_carry_release(&r->carry);
    td_bus_client_destroy(&r->bus); /* epoll forgets its descriptor by itself */
    r->link = REMOTE_DOWN;
}

static void say_hello(struct remote *r)
{
    const struct td_carry_hello m = {.version = TD_PROTOCOL_VERSION, .session = r->session};

    r->hello_ms = watch_elapsed_ms() + HELLO_MS;
    link_send(r, TD_MSG_CARRY_HELLO, &m); /* full or gone: said again */
}

static void look_at_handshakes(struct remote *r)
{
    if (!td_bus_client_handshake_failed(r->bus))
        return;
    td_fail(&r->why, TD_E_DENIED, "what answers at %s has not the key that was named for it (--server-key), or is no front's TCP door",
            r->address);
    if (r->link == REMOTE_UP)
        remote_link_close(r, r->why.text);
}

void remote_link_tick(struct remote *r)
{
    int64_t now = watch_elapsed_ms();

    if (r->bus)
        look_at_handshakes(r);
    bool stands = r->bus && td_bus_client_connected(r->bus), again = r->bus && td_bus_client_reconnected(r->bus);
    if (r->link == REMOTE_UP && (!stands || again))
        remote_link_close(r, "it broke");
    else if (r->link == REMOTE_UP && now - r->heard_ms > SILENCE_MS)
        remote_link_close(r, "nothing was heard over it for 5 s");
    else if (r->link == REMOTE_DOWN && now >= r->dial_ms)
        dial(r);
    else if (stands && now >= r->hello_ms)
        say_hello(r);
    if (r->carry.full && now >= r->again_ms) {
        td_carry_again(&r->carry);
        r->again_ms = now + AGAIN_MS;
    }
}

static void welcomed(struct remote *r, const struct td_carry_welcome *m)
{
    r->heard_ms = watch_elapsed_ms();
    if (r->link == REMOTE_UP)
        return;
    r->session = m->session;
    r->uid = m->uid;
    td_format(r->cluster, sizeof(r->cluster), "%s", td_str_empty(m->cluster) ? "tender" : m->cluster);
    r->carry = (struct td_carry){.epoll_fd = r->epoll_fd, .tag = REMOTE_TAG_STREAM, .send = link_send, .ctx = r};
    r->link = REMOTE_UP;
    r->for_good = false;
    remote_log("linked to the front at %s as user %u of %s", r->address, r->uid, r->cluster);
}

/* What mends itself is tried again soon; a key that is not wanted, seldom. */
static void refused(struct remote *r, const struct td_refused *m)
{
    r->for_good = m->code == TD_E_DENIED || m->code == TD_E_VERSION;
    td_fail(&r->why, m->code ? (int)m->code : TD_E_UNREACHABLE, "%s", m->text ? m->text : "");
    remote_log("the front at %s refuses: %s", r->address, r->why.text);
    remote_link_close(r, r->why.text);
    r->dial_ms = watch_elapsed_ms() + (r->for_good ? REFUSED_MS : HELLO_MS);
}

static void take(struct remote *r, const uint8_t *data, size_t len)
{
    struct td_arena a = {0};
    struct td_frame f = {0};
    struct td_error err = {0};

    if (td_wire_get_frame(&a, data, len, &f, &err) < 0)
        remote_link_close(r, err.text);
    else if (f.id == TD_MSG_REFUSED)
        refused(r, f.body);
    else if (f.id == TD_MSG_CARRY_WELCOME)
        welcomed(r, f.body);
    else if (r->link == REMOTE_UP && td_carry_take(&r->carry, f.id, f.body, &err) < 0)
        remote_link_close(r, err.text);
    td_arena_release(&a);
}

void remote_link_take(struct remote *r)
{
    const uint8_t *data;
    size_t len;
    bool published;

    for (int i = 0; i < FRAMES_PER_TURN && r->bus && td_bus_client_next(r->bus, &data, &len, &published) > 0; i++) {
        r->heard_ms = watch_elapsed_ms();
        take(r, data, len);
    }
}

int64_t remote_link_deadline_ms(const struct remote *r)
{
    int64_t at = r->link == REMOTE_DOWN ? r->dial_ms : TD_MAX(r->hello_ms, watch_elapsed_ms() + REDIAL_MS);

    return r->carry.full ? TD_MIN(at, r->again_ms) : at;
}
