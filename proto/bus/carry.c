/* carry.c - see carry.h
 *
 * Invariants: credit + what is under way to the other end, or not taken there, is
 * CARRY_WINDOW_BYTES; `out` never holds more than that. A piece is looked at (MSG_PEEK), sent, and
 * only then taken from the socket: what the link has no room for stays with the kernel. A stream of
 * which nothing is wanted is out of epoll, or its hang-up would wake us for ever. */
#include "bus/carry.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SAY_TAKEN (TD_MAX_CARRY_WINDOW_BYTES / 4)
#define PIECES_PER_TURN 8

struct td_carry_stream {
    uint32_t no;
    int fd; /* -1: closed here, and the other end is still to be told */
    struct td_buf out;
    size_t out_sent;
    uint32_t credit; /* bytes that may go to the other end */
    uint32_t grant;  /* bytes that the other end may send */
    uint32_t taken;  /* bytes that the socket took, not told yet: then they are granted again */
    uint32_t watched;
    bool ended; /* the other end closed it: over when `out` is */
};

static struct td_carry_stream *find(struct td_carry *c, uint32_t no)
{
    return td_map_get(&c->by_no, no);
}

static size_t waits_out(const struct td_carry_stream *s)
{
    return s->out.len - s->out_sent;
}

static void watch(struct td_carry *c, struct td_carry_stream *s)
{
    uint32_t want = (!s->ended && s->credit && !c->full ? (uint32_t)EPOLLIN : 0u) |
                    (waits_out(s) ? (uint32_t)EPOLLOUT : 0u);
    struct epoll_event ev = {.events = want, .data.u64 = c->tag | s->no};

    if (s->fd < 0 || s->watched == want)
        return;
    int how = !want ? EPOLL_CTL_DEL : s->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int r = epoll_ctl(c->epoll_fd, how, s->fd, &ev);
    TD_ASSERT(r == 0);
    s->watched = want;
}

static void stream_free(struct td_carry *c, struct td_carry_stream *s)
{
    td_map_del(&c->by_no, s->no);
    for (uint32_t i = 0; i < c->all.n; i++) {
        if (c->all.v[i] != s)
            continue;
        c->all.v[i] = c->all.v[--c->all.n];
        break;
    }
    if (s->fd >= 0)
        close(s->fd); /* epoll forgets it by itself */
    td_buf_release(&s->out);
    td_free(s);
}

static void link_full(struct td_carry *c)
{
    if (c->full)
        return;
    c->full = true;
    for (uint32_t i = 0; i < c->all.n; i++)
        watch(c, c->all.v[i]);
}

/* The socket is over: so is the stream, when the other end knows. */
static void end_here(struct td_carry *c, struct td_carry_stream *s)
{
    const struct td_carry_close m = {.stream = s->no};

    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    if (!s->ended && c->send(c->ctx, TD_MSG_CARRY_CLOSE, &m) == -TD_E_BUSY)
        link_full(c);
    else
        stream_free(c, s);
}

int td_carry_add(struct td_carry *c, uint32_t no, int fd)
{
    if (c->all.n >= TD_MAX_CARRY_STREAMS)
        return -TD_E_BUSY;
    if (find(c, no))
        return -TD_E_INVALID_REQUEST;
    struct td_carry_stream *s = td_alloc(sizeof(*s));
    *s = (struct td_carry_stream){.no = no, .fd = fd, .credit = TD_MAX_CARRY_WINDOW_BYTES, .grant = TD_MAX_CARRY_WINDOW_BYTES};
    td_map_put(&c->by_no, no, s);
    td_vec_push(&c->all, s);
    watch(c, s);
    return 0;
}

static void say_taken(struct td_carry *c, struct td_carry_stream *s)
{
    const struct td_carry_taken m = {.stream = s->no, .bytes = s->taken};

    if (s->taken < SAY_TAKEN || s->ended)
        return;
    if (c->send(c->ctx, TD_MSG_CARRY_TAKEN, &m) == -TD_E_BUSY) {
        link_full(c);
        return;
    }
    s->grant += s->taken;
    s->taken = 0;
}

/* As much as the socket takes. False: the stream is gone. */
static bool write_out(struct td_carry *c, struct td_carry_stream *s)
{
    while (waits_out(s)) {
        ssize_t n =
            send(s->fd, s->out.data + s->out_sent, waits_out(s), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            end_here(c, s);
            return false;
        }
        s->out_sent += (size_t)n;
        s->taken += (uint32_t)n;
    }
    if (!waits_out(s)) {
        td_buf_release(&s->out);
        s->out_sent = 0;
    }
    if (s->ended && !waits_out(s)) {
        stream_free(c, s);
        return false;
    }
    say_taken(c, s);
    return true;
}

/* False: the stream is gone. */
static bool read_in(struct td_carry *c, struct td_carry_stream *s)
{
    uint8_t piece[TD_MAX_CARRY_PIECE_BYTES];

    for (int i = 0; i < PIECES_PER_TURN && s->credit && !c->full; i++) {
        ssize_t n =
            recv(s->fd, piece, TD_MIN(s->credit, (uint32_t)sizeof(piece)), MSG_DONTWAIT | MSG_PEEK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n <= 0) {
            end_here(c, s);
            return false;
        }
        const struct td_carry_data m = {.stream = s->no, .bytes = {piece, (uint32_t)n}};
        int r = c->send(c->ctx, TD_MSG_CARRY_DATA, &m);
        if (r == -TD_E_BUSY)
            link_full(c);
        if (r < 0)
            return true; /* a link that is gone ends all streams, when its owner finds out */
        ssize_t again = recv(s->fd, piece, (size_t)n, MSG_DONTWAIT);
        TD_ASSERT(again == n); /* nobody else reads it */
        s->credit -= (uint32_t)n;
    }
    return true;
}

void td_carry_ready(struct td_carry *c, uint32_t no, uint32_t events)
{
    struct td_carry_stream *s = find(c, no);

    if (!s || s->fd < 0)
        return;
    if (waits_out(s) && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) && !write_out(c, s))
        return;
    if (!s->ended && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !read_in(c, s))
        return;
    watch(c, s);
}

static int take_data(struct td_carry *c, struct td_carry_stream *s, const struct td_carry_data *m,
                     struct td_error *err)
{
    if (s->ended || m->bytes.n > s->grant)
        return td_fail(err, TD_E_BAD_FRAME,
                       "more bytes of a connection than were asked for (CARRY_WINDOW_BYTES)");
    s->grant -= m->bytes.n;
    if (s->fd < 0 || !m->bytes.n)
        return 0;
    td_buf_put(&s->out, m->bytes.v, m->bytes.n);
    if (write_out(c, s))
        watch(c, s);
    return 0;
}

int td_carry_take(struct td_carry *c, uint32_t id, const void *body, struct td_error *err)
{
    if (id != TD_MSG_CARRY_DATA && id != TD_MSG_CARRY_TAKEN && id != TD_MSG_CARRY_CLOSE)
        return td_fail(err, TD_E_UNKNOWN_MESSAGE, "%s is not for here", td_msg_name(id));
    struct td_carry_stream *s = find(c, *(const uint32_t *)body); /* the first field of each */
    if (!s)
        return 0; /* closed here while that was under way */
    if (id == TD_MSG_CARRY_DATA)
        return take_data(c, s, body, err);
    if (id == TD_MSG_CARRY_TAKEN) {
        const struct td_carry_taken *m = body;
        if (m->bytes > TD_MAX_CARRY_WINDOW_BYTES - s->credit)
            return td_fail(err, TD_E_BAD_FRAME, "more bytes taken of a connection than were sent");
        s->credit += m->bytes;
        watch(c, s);
        return 0;
    }
    s->ended = true;
    if (s->fd < 0 || !waits_out(s))
        stream_free(c, s);
    else
        watch(c, s);
    return 0;
}

void td_carry_again(struct td_carry *c)
{
    if (!c->full)
        return;
    c->full = false;
    for (uint32_t i = c->all.n;
         i-- > 0 && !c->full;) { /* from behind: one that is over makes way for the last */
        struct td_carry_stream *s = c->all.v[i];
        if (s->fd < 0)
            end_here(c, s);
        else
            say_taken(c, s);
    }
    for (uint32_t i = 0; i < c->all.n; i++)
        watch(c, c->all.v[i]);
}

void td_carry_release(struct td_carry *c)
{
    while (c->all.n)
        stream_free(c, c->all.v[c->all.n - 1]);
    td_vec_release(&c->all);
    td_map_release(&c->by_no);
    c->full = false;
}
