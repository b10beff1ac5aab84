/* stream.c - frames over a non-blocking stream, for servers and their own poll loop
 *
 * Invariants: in holds less than one frame's bytes plus one call's reading once its frames are taken; a length that is
 * no frame's is refused before a byte of the frame is kept for it; memory grows with the bytes that came, never with
 * the length that was announced. */
#include "local/local.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local/length.h"

#define READ_BYTES 65536u           /* of one recv */
#define READ_CALL_BYTES (8 * 65536u) /* of one td_stream_read, so that one peer cannot hold the loop */
#define IDLE_BYTES_MAX 4096u         /* an empty buffer larger than this is given back */

void td_stream_init(struct td_stream *s, int fd, size_t out_max)
{
    *s = (struct td_stream){.fd = fd, .out_max = out_max};
}

void td_stream_release(struct td_stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    td_buf_release(&s->in);
    td_buf_release(&s->out);
    *s = (struct td_stream){.fd = -1, .closed = true};
}

/* Drops the first n bytes; an idle connection keeps no large buffer. */
static void drop_front(struct td_buf *b, size_t n)
{
    size_t left = b->len - n;

    if (left == 0 && b->cap > IDLE_BYTES_MAX) {
        td_buf_release(b);
        return;
    }
    if (n > 0 && b->data) {
        memmove(b->data, b->data + n, left);
        b->len = left;
        b->data[left] = 0;
    }
}

/* What was read is given back even while the rest is not. */
static void give_back(struct td_buf *b)
{
    if (b->cap > 2 * b->len + IDLE_BYTES_MAX) {
        b->cap = b->len + 1;
        b->data = td_realloc(b->data, b->cap);
    }
}

static int closed(struct td_stream *s, struct td_error *err, const char *why)
{
    s->closed = true;
    return td_fail(err, TD_E_IO, "connection closed: %s", why);
}

int td_stream_read(struct td_stream *s, struct td_error *err)
{
    uint8_t chunk[READ_BYTES];
    size_t got = 0, len;

    drop_front(&s->in, s->in_taken);
    s->in_taken = 0;
    while (got < READ_CALL_BYTES && s->in.len < TD_MAX_FRAME_BYTES + LENGTH_BYTES) {
        ssize_t n = recv(s->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0) {
            if (got > 0)
                break; /* what came is taken first; the next call meets the end again */
            return closed(s, err, n == 0 ? "by the other side" : strerror(errno));
        }
        td_buf_put(&s->in, chunk, (size_t)n);
        got += (size_t)n;
        if ((size_t)n < sizeof(chunk))
            break;
    }
    int r = length_read(s->in.data, s->in.len, &len, err);
    if (r < 0) {
        s->closed = true;
        return r;
    }
    return got > 0 || r > 0;
}

int td_stream_peek(const struct td_stream *s, const uint8_t **ret_data, size_t *ret_len, struct td_error *err)
{
    if (!s->in.data)
        return 0;
    const uint8_t *at = s->in.data + s->in_taken;
    int r = length_read(at, s->in.len - s->in_taken, ret_len, err);

    if (r > 0)
        *ret_data = at + LENGTH_BYTES;
    return r;
}

void td_stream_take(struct td_stream *s, size_t len)
{
    s->in_taken += LENGTH_BYTES + len;
    TD_ASSERT(s->in_taken <= s->in.len);
}

int td_stream_next(struct td_stream *s, const uint8_t **ret_data, size_t *ret_len, struct td_error *err)
{
    size_t len = 0;
    int r = td_stream_peek(s, ret_data, &len, err);

    if (r < 0)
        s->closed = true;
    if (r <= 0)
        return r;
    *ret_len = len;
    td_stream_take(s, len);
    return 1;
}

int td_stream_put(struct td_stream *s, uint32_t id, uint64_t request, const void *body)
{
    if (s->closed)
        return -TD_E_IO;
    if (s->out.len - s->out_sent > s->out_max)
        return -TD_E_BUSY;
    return length_put_frame(&s->out, id, request, body);
}

int td_stream_put_frame(struct td_stream *s, const uint8_t *frame, size_t len)
{
    uint8_t length[LENGTH_BYTES];

    if (s->closed)
        return -TD_E_IO;
    if (s->out.len - s->out_sent > s->out_max)
        return -TD_E_BUSY;
    if (len > TD_MAX_FRAME_BYTES)
        return -TD_E_TOO_BIG;
    length_write(length, len);
    td_buf_put(&s->out, length, sizeof(length));
    td_buf_put(&s->out, frame, len);
    return 0;
}

int td_stream_flush(struct td_stream *s)
{
    while (s->out_sent < s->out.len) {
        ssize_t n = send(s->fd, s->out.data + s->out_sent, s->out.len - s->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            /* Moving what is left costs less than what was sent since the last move. */
            if (s->out_sent > s->out.len / 2) {
                drop_front(&s->out, s->out_sent);
                give_back(&s->out);
                s->out_sent = 0;
            }
            return 0;
        }
        if (n < 0) {
            s->closed = true;
            return -TD_E_IO;
        }
        s->out_sent += (size_t)n;
    }
    drop_front(&s->out, s->out_sent);
    s->out_sent = 0;
    return 1;
}

bool td_stream_wants_write(const struct td_stream *s)
{
    return s->out_sent < s->out.len;
}
