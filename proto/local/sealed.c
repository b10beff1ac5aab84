/* sealed.c - see sealed.h */
#include "local/sealed.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local/length.h"

#define READ_BYTES 65536u
#define READ_CALL_BYTES (8 * 65536u)
#define IDLE_BYTES_MAX 65536u

void td_sealed_init(struct td_sealed *s, int fd, const uint8_t key[TD_SEAL_KEY_BYTES], bool dialer)
{
    *s = (struct td_sealed){.fd = fd, .seal = td_seal_new(key, dialer, NULL)};
    td_seal_hello(s->seal, &s->out);
}

void td_sealed_release(struct td_sealed *s)
{
    if (s->fd >= 0)
        close(s->fd);
    td_seal_destroy(&s->seal);
    td_buf_release(&s->in);
    td_buf_release(&s->plain);
    td_buf_release(&s->early);
    td_buf_release(&s->out);
    *s = (struct td_sealed){.fd = -1, .closed = true};
}

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

int td_sealed_read(struct td_sealed *s, struct td_error *err)
{
    uint8_t chunk[READ_BYTES];
    size_t got = 0;
    drop_front(&s->in, s->in_taken);
    s->in_taken = 0;
    while (!s->closed && got < READ_CALL_BYTES) {
        ssize_t n = recv(s->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0) {
            if (got > 0)
                break; /* what came is taken first; the next call meets the end again */
            s->closed = true;
            return td_fail(err, TD_E_IO, "connection closed: %s", n == 0 ? "by the other side" : strerror(errno));
        }
        td_buf_put(&s->in, chunk, (size_t)n);
        got += (size_t)n;
        if ((size_t)n < sizeof(chunk))
            break;
    }
    return got > 0;
}

static void say_end(struct td_sealed *s)
{
    td_seal_put(s->seal, NULL, 0, true, &s->out);
    s->end_said = true;
}

/* The other end's nonce is known: what was said before it. */
static void seal_early(struct td_sealed *s)
{
    size_t at = 0;
    while (at < s->early.len) {
        const uint8_t *p = s->early.data + at;
        size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        td_seal_put(s->seal, p + LENGTH_BYTES, n, false, &s->out);
        at += LENGTH_BYTES + n;
    }
    td_buf_release(&s->early);
    if (s->end_wanted && !s->end_said)
        say_end(s);
}

int td_sealed_next(struct td_sealed *s, const uint8_t **ret_data, size_t *ret_len, struct td_error *err)
{
    size_t used = 0;
    if (!s->in.data)
        return 0;
    td_buf_reset(&s->plain);
    for (;;) {
        int r = td_seal_take(s->seal, s->in.data + s->in_taken, s->in.len - s->in_taken, &used, &s->plain, err);
        if (r < 0) {
            s->closed = true;
            return r;
        }
        s->in_taken += used;
        switch ((enum td_seal_got)r) {
        case TD_SEAL_MORE:
            return 0;
        case TD_SEAL_GREETED:
            seal_early(s);
            break;
        case TD_SEAL_FRAME:
            *ret_data = s->plain.data;
            *ret_len = s->plain.len;
            return 1;
        case TD_SEAL_END:
            s->ended = true;
            return 0;
        }
    }
}

void td_sealed_put(struct td_sealed *s, uint32_t id, const void *body)
{
    if (s->closed)
        return;
    struct td_buf *to = &s->early;
    size_t start = to->len;
    td_buf_put(to, "\0\0\0", LENGTH_BYTES);
    td_wire_put_frame(to, id, 0, body);
    size_t n = to->len - start - LENGTH_BYTES;
    TD_ASSERT(n <= TD_MAX_FRAME_BYTES);
    length_write(to->data + start, n);
    if (!td_seal_ready(s->seal))
        return;
    td_seal_put(s->seal, to->data + start + LENGTH_BYTES, n, false, &s->out);
    to->len = start;
}

void td_sealed_end(struct td_sealed *s)
{
    if (s->closed || s->end_wanted)
        return;
    s->end_wanted = true;
    if (td_seal_ready(s->seal))
        say_end(s);
}

int td_sealed_flush(struct td_sealed *s)
{
    while (!s->closed && s->out_sent < s->out.len) {
        ssize_t n = send(s->fd, s->out.data + s->out_sent, s->out.len - s->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (s->out_sent > s->out.len / 2) {
                drop_front(&s->out, s->out_sent);
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
    if (s->closed)
        return -TD_E_IO;
    drop_front(&s->out, s->out_sent);
    s->out_sent = 0;
    return 1;
}

size_t td_sealed_waiting(const struct td_sealed *s)
{
    return s->out.len - s->out_sent + s->early.len;
}

bool td_sealed_wants_write(const struct td_sealed *s)
{
    return s->out_sent < s->out.len;
}
