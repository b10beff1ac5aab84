/* fuzz_stream.c - the door of local sockets: any bytes, in any pieces, into td_stream
 *
 * What must hold: frames that come out are the bytes that went in, behind their lengths; a length that is no frame's closes
 * the stream in words; memory grows with the bytes that came, never with the length that was announced. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "local/local.h"
#include "must.h"

struct door {
    struct td_stream s;
    const uint8_t *data; /* all that is sent */
    size_t at;           /* of it: taken as frames, with their lengths */
    bool closed;
};

static void take_frames(struct door *d)
{
    const uint8_t *frame;
    size_t len;
    struct td_error err = {0};
    int r;

    while ((r = td_stream_next(&d->s, &frame, &len, &err)) > 0) {
        struct td_arena a = {0};
        struct td_frame f;
        struct td_error why = {0};
        MUST(len > 0 && len <= TD_MAX_FRAME_BYTES);
        MUST(memcmp(frame, d->data + d->at + 4, len) == 0);
        d->at += 4 + len;
        if (td_wire_get_frame(&a, frame, len, &f, &why) < 0)
            MUST(why.code && why.text[0]);
        td_arena_release(&a);
    }
    if (r < 0) {
        MUST(err.code == -r && err.text[0]);
        d->closed = true;
    }
}

static void look(struct door *d, size_t sent)
{
    struct td_error err = {0};
    int r;

    while (!d->closed && (r = td_stream_read(&d->s, &err)) != 0) {
        if (r < 0) {
            MUST(err.code == -r && err.text[0]);
            d->closed = true;
            break;
        }
        take_frames(d);
    }
    MUST(d->s.in.cap <= 2 * sent + 4096 + 65536);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int fds[2];
    struct door d = {.data = data + 1};

    if (len < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return 0;
    size_t piece = data[0] ? data[0] * 7u : len, sent = 0;
    td_stream_init(&d.s, fds[0], 1u << 20);
    while (sent < len - 1 && !d.closed) {
        ssize_t n = send(fds[1], d.data + sent, TD_MIN(piece, len - 1 - sent), MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
        look(&d, sent);
    }
    MUST(d.at <= sent);
    close(fds[1]);
    look(&d, sent);
    td_stream_release(&d.s);
    return 0;
}
