/* call.c - a command's side: connect, ask, wait for the answer
 *
 * Every wait is bounded by the call's timeout. A broker that is not there is told in the words Slurm's users know. */
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "local/address.h"
#include "local/length.h"

#define READ_BYTES 65536u

/* SO_SNDTIMEO bounds connect() too, which waits while the server's backlog is full. */
static int connect_within(const char *path, int timeout_ms, struct td_error *err)
{
    struct address a;
    struct timeval limit = {timeout_ms / 1000, (timeout_ms % 1000) * 1000};
    int failed = 0, r = address_make(path, &a, err);

    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        failed = errno;
    else if (timeout_ms > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
        failed = errno;
    else if (connect(fd, (const struct sockaddr *)&a.sun, a.len) < 0)
        failed = errno;
    address_release(&a);
    if (failed == 0)
        return fd;

    if (fd >= 0)
        close(fd);
    return td_fail(err, TD_E_UNREACHABLE, "%s: %s: %s (try \"tender doctor\")", td_error_words(TD_E_UNREACHABLE), path,
                   failed == EAGAIN ? "it does not answer" : strerror(failed));
}

int td_local_connect(const char *path, struct td_error *err)
{
    return connect_within(path, 0, err);
}

int td_call_open(const char *path, int timeout_ms, struct td_call *ret, struct td_error *err)
{
    int fd = connect_within(path, timeout_ms, err);

    if (fd < 0)
        return fd;
    *ret = (struct td_call){.fd = fd, .timeout_ms = timeout_ms};
    return 0;
}

void td_call_close(struct td_call *c)
{
    if (c->fd >= 0)
        close(c->fd);
    td_buf_release(&c->in);
    *c = (struct td_call){.fd = -1};
}

static int wait_for(struct td_call *c, short events, struct td_error *err)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    int n;

    do {
        n = poll(&p, 1, c->timeout_ms > 0 ? c->timeout_ms : -1);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return td_fail(err, TD_E_IO, "waiting for the broker: %s", strerror(errno));
    if (n == 0)
        return td_fail(err, TD_E_TIMED_OUT, "%s: no answer from the broker within %d ms (try \"tender doctor\")", td_error_words(TD_E_TIMED_OUT),
                       c->timeout_ms);
    return 0;
}

static int lost(struct td_error *err, const char *why)
{
    return td_fail(err, TD_E_UNREACHABLE, "the broker closed the connection before it answered: %s (try \"tender doctor\")", why);
}

static int send_all(struct td_call *c, const struct td_buf *b, struct td_error *err)
{
    size_t sent = 0;

    while (sent < b->len) {
        ssize_t n = send(c->fd, b->data + sent, b->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            int r = wait_for(c, POLLOUT, err);

            if (r < 0)
                return r;
        } else if (errno == EPIPE) {
            return 0; /* closed already; why may lie in what it sent before */
        } else if (errno != EINTR) {
            return lost(err, strerror(errno));
        }
    }
    return 0;
}

/* Next whole frame, borrowed until the next call. */
static int receive(struct td_call *c, const uint8_t **ret_data, size_t *ret_len, struct td_error *err)
{
    uint8_t chunk[READ_BYTES];

    for (;;) {
        size_t len = 0;
        int r = c->in.data ? length_read(c->in.data + c->taken, c->in.len - c->taken, &len, err) : 0;

        if (r < 0)
            return r;
        if (r > 0) {
            *ret_data = c->in.data + c->taken + LENGTH_BYTES;
            *ret_len = len;
            c->taken += LENGTH_BYTES + len;
            return 0;
        }
        if (c->taken > 0) {
            memmove(c->in.data, c->in.data + c->taken, c->in.len - c->taken);
            c->in.len -= c->taken;
            c->taken = 0;
        }
        ssize_t n = recv(c->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n > 0) {
            td_buf_put(&c->in, chunk, (size_t)n);
        } else if (n == 0) {
            return lost(err, "end of file");
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            r = wait_for(c, POLLIN, err);
            if (r < 0)
                return r;
        } else if (errno != EINTR) {
            return lost(err, strerror(errno));
        }
    }
}

int td_call_more(struct td_call *c, struct td_arena *a, struct td_frame *ret, struct td_error *err)
{
    const uint8_t *data;
    size_t len;

    for (;;) {
        int r = receive(c, &data, &len, err);

        if (r == 0)
            r = td_wire_get_frame(a, data, len, ret, err);
        if (r < 0)
            return r;
        if (ret->request == c->request)
            break;
        /* An answer to an earlier request that had timed out is late; 0 is a refusal of bytes nobody could read. */
        if (ret->request == 0 && ret->id == TD_MSG_ERROR)
            break;
        if (ret->request > c->request)
            return td_fail(err, TD_E_BAD_FRAME, "an answer to request %lu, which was never made", ret->request);
    }
    if (ret->id == TD_MSG_ERROR) {
        const struct td_error_reply *e = ret->body;
        int code = e->code > 0 && e->code < 10000 ? (int)e->code : TD_E_BAD_FRAME;

        c->retry_ms = e->retry_ms;
        c->answered = true;
        return td_fail(err, code, "%s", td_str_empty(e->text) ? td_error_words(code) : e->text);
    }
    return 0;
}

int td_call(struct td_call *c, uint32_t id, const void *body, struct td_arena *a, struct td_frame *ret,
            struct td_error *err)
{
    struct td_buf out = {0};
    int r = td_record_check(td_msg_row(id)->record, body, err); /* people's words go in here: the encoder would assert */
    if (r < 0)
        return r;
    c->answered = false;
    r = length_put_frame(&out, id, ++c->request, body);

    if (r < 0)
        r = td_fail(err, TD_E_TOO_BIG, "the request is over %u bytes", (unsigned)TD_MAX_FRAME_BYTES);
    if (r == 0)
        r = send_all(c, &out, err);
    td_buf_release(&out);
    if (r < 0)
        return r;
    return td_call_more(c, a, ret, err);
}
