/* desk.c - the unix socket that commands find: only this user's, each connection a stream while there is a link
 *
 * Who comes while there is none waits HOLD_MS for it, and is then told why there is none: a request by an answer in words, a
 * watcher by the end of his connection, for he asks again by himself. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "remote/remote.h"
#include "watch.h"

#define HOLD_MS 2000
#define ACCEPTS_PER_TURN 64

int remote_desk_open(struct remote *r, struct td_error *err)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = REMOTE_TAG_LISTEN};

    r->listen_fd = td_local_listen(r->socket, 0600, err);
    if (r->listen_fd < 0)
        return r->listen_fd;
    if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->listen_fd, &ev) < 0)
        return td_fail(err, TD_E_IO, "cannot watch %s: %s", r->socket, strerror(errno));
    return 0;
}

static bool is_full(const struct remote *r)
{
    return r->guests.n + r->carry.all.n >= TD_MAX_CARRY_STREAMS;
}

/* Off while there is no room: they wait in the kernel's queue. */
static void listen_set(struct remote *r, bool on)
{
    struct epoll_event ev = {.events = on ? EPOLLIN : 0u, .data.u64 = REMOTE_TAG_LISTEN};

    if (r->listen_off == !on)
        return;
    int set = epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, r->listen_fd, &ev);
    TD_ASSERT(set == 0);
    r->listen_off = !on;
}

void remote_desk_accept(struct remote *r)
{
    for (int i = 0; i < ACCEPTS_PER_TURN && !is_full(r); i++) {
        int fd = accept4(r->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        uid_t uid = 0;
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return;
        if (td_local_peer(fd, &uid, NULL, NULL) < 0 || (uid != 0 && uid != geteuid())) {
            close(fd);
            continue;
        }
        td_vec_push(&r->guests, ((struct remote_guest){.fd = fd, .since_ms = watch_elapsed_ms()}));
    }
}

static void tell(const struct remote *r, struct td_stream *st, uint64_t request)
{
    char text[TD_ERROR_TEXT_MAX];

    td_format(text, sizeof(text), "%s: there is no link to the front at %s for %u s: %s; this request was not passed on",
              td_error_words(TD_E_UNREACHABLE), r->address, (uint32_t)((watch_elapsed_ms() - r->down_ms) / 1000),
              r->why.text[0] ? r->why.text : "nobody answers there");
    const struct td_error_reply m = {.code = TD_E_UNREACHABLE, .text = text};
    td_stream_put(st, TD_MSG_ERROR, request, &m);
}

/* Takes the descriptor. */
static void turn_away(const struct remote *r, int fd)
{
    struct td_stream st;
    struct td_error ignored;
    const uint8_t *data, *body;
    size_t len;
    uint32_t id = 0;
    uint64_t request = 0;

    td_stream_init(&st, fd, TD_MAX_FRAME_BYTES);
    if (td_stream_read(&st, &ignored) > 0 && td_stream_next(&st, &data, &len, &ignored) > 0)
        td_wire_get_head(data, len, &id, &request, &body, &ignored); /* not a frame: answered as request 0 */
    if (id != TD_MSG_SUBSCRIBE)
        tell(r, &st, request);
    td_stream_flush(&st); /* a few hundred bytes into a fresh socket */
    td_stream_release(&st);
}

/* 0, or -BUSY: the link has no room just now. */
static int stream_open(struct remote *r, int fd)
{
    const struct td_carry_open m = {.stream = r->next_stream + 1};
    int sent = r->carry.send(r->carry.ctx, TD_MSG_CARRY_OPEN, &m);

    if (sent < 0)
        return sent;
    r->next_stream++;
    int added = td_carry_add(&r->carry, m.stream, fd);
    TD_ASSERT(added == 0); /* is_full() looked, and numbers are new */
    return 0;
}

void remote_desk_serve(struct remote *r)
{
    int64_t now = watch_elapsed_ms();
    uint32_t k = 0;

    for (uint32_t i = 0; i < r->guests.n; i++) {
        const struct remote_guest g = r->guests.v[i];
        if (r->link == REMOTE_UP && !r->carry.full && stream_open(r, g.fd) == 0)
            continue;
        if (r->link != REMOTE_UP && now - g.since_ms >= HOLD_MS)
            turn_away(r, g.fd);
        else
            r->guests.v[k++] = g;
    }
    r->guests.n = k;
    listen_set(r, !is_full(r));
}

int64_t remote_desk_deadline_ms(const struct remote *r)
{
    if (!r->guests.n)
        return INT64_MAX;
    return r->link == REMOTE_UP ? watch_elapsed_ms() + 10 : r->guests.v[0].since_ms + HOLD_MS;
}

void remote_desk_close(struct remote *r)
{
    for (uint32_t i = 0; i < r->guests.n; i++)
        close(r->guests.v[i].fd);
    td_vec_release(&r->guests);
    if (r->listen_fd >= 0) {
        unlink(r->socket);
        close(r->listen_fd);
    }
    r->listen_fd = -1;
}
