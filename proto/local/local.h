/* local.h - frames over unix stream sockets: 4-byte big-endian length, then the frame
 *
 * Short-lived commands link this and not the bus: starting libzmq alone costs 3 ms. Servers use td_stream with their
 * own poll loop; it never blocks, holds at most FRAME_BYTES of a frame being read, and its output is bounded too. */
#ifndef TD_LOCAL_H
#define TD_LOCAL_H

#include <sys/types.h>

#include "wire/wire.h"

/* fd, non-blocking, close-on-exec. Replaces a socket nobody listens on; a live one is BUSY and left alone. Paths longer
 * than a socket address (108 bytes) are reached through their directory. */
int td_local_listen(const char *path, int mode, struct td_error *err);
int td_local_connect(const char *path, struct td_error *err);          /* blocking fd */
int td_local_peer(int fd, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid); /* SO_PEERCRED */

struct td_stream {
    int fd;              /* owned */
    struct td_buf in;    /* bytes read */
    size_t in_taken;     /* of them: given out as frames */
    struct td_buf out;   /* bytes to write */
    size_t out_sent;
    size_t out_max;      /* more waiting than this: td_stream_put fails with BUSY */
    bool closed;
};
void td_stream_init(struct td_stream *s, int fd, size_t out_max);
void td_stream_release(struct td_stream *s);
/* Takes what is there, a bounded piece a call (poll level-triggered): 1 = something, 0 = nothing yet, <0 = closed or
 * too big. After each 1 call td_stream_next until it returns 0. */
int td_stream_read(struct td_stream *s, struct td_error *err);
/* Next whole frame: 1 with data and length (borrowed until the next read), 0 = none yet, <0 = too big: nothing of such a
 * stream can be told apart any more. */
int td_stream_next(struct td_stream *s, const uint8_t **ret_data, size_t *ret_len, struct td_error *err);
/* The same in two steps: what is only looked at is given again. */
int td_stream_peek(const struct td_stream *s, const uint8_t **ret_data, size_t *ret_len, struct td_error *err);
void td_stream_take(struct td_stream *s, size_t len);
/* Queues a frame; then flush. -BUSY: out_max bytes wait already; -TOO_BIG: the frame is over FRAME_BYTES; neither
 * queues anything. */
int td_stream_put(struct td_stream *s, uint32_t id, uint64_t request, const void *body);
int td_stream_put_frame(struct td_stream *s, const uint8_t *frame, size_t len); /* one that is encoded already */
int td_stream_flush(struct td_stream *s);                                               /* 1 = all out, 0 = more, <0 = closed */
bool td_stream_wants_write(const struct td_stream *s);

/* Blocking client call: sends one request, reads one answer. An ERROR answer is a failure whose words are in err.
 * timeout_ms bounds every wait (TIMED_OUT). More frames of the same answer: td_local_more. */
struct td_call {
    int fd;
    uint64_t request;
    int timeout_ms;
    struct td_buf in;
    size_t taken;
    bool answered;     /* the last failure was told by the other side: it says what became of the request */
    uint32_t retry_ms; /* of the last refusal: asked again after so long it may be granted; 0 = not said */
};
int td_call_open(const char *path, int timeout_ms, struct td_call *ret, struct td_error *err);
void td_call_close(struct td_call *c);
int td_call(struct td_call *c, uint32_t id, const void *body, struct td_arena *a, struct td_frame *ret, struct td_error *err);
int td_call_more(struct td_call *c, struct td_arena *a, struct td_frame *ret, struct td_error *err);

#endif
