/* sealed.h - frames over a TCP connection, sealed (seal.h); for a poll loop, never blocks
 *
 * The same use as td_stream: read, next until 0, put, flush. Frames put before the handshake is over wait in the clear in
 * memory. The other end is only known to have the key once its first frame has come out of td_sealed_next. */
#ifndef TD_SEALED_H
#define TD_SEALED_H

#include "local/seal.h"
#include "wire/wire.h"

struct td_sealed {
    int fd;               /* owned */
    struct td_seal *seal;
    struct td_buf in;     /* bytes read */
    size_t in_taken;
    struct td_buf plain;  /* the frame given out last */
    struct td_buf early;  /* frames put before the handshake was over, each behind its length */
    struct td_buf out;
    size_t out_sent;
    bool end_wanted, end_said; /* td_sealed_end may come before the handshake is over */
    bool ended;           /* the other end said its last: nothing was cut off */
    bool closed;
};
void td_sealed_init(struct td_sealed *s, int fd, const uint8_t key[TD_SEAL_KEY_BYTES], bool dialer); /* fd: non-blocking */
void td_sealed_release(struct td_sealed *s);
int td_sealed_read(struct td_sealed *s, struct td_error *err); /* 1 = something came, 0 = nothing, <0 = closed */
/* 1 = a frame, borrowed until the next call; 0 = none yet; <0 = not to be trusted: close. */
int td_sealed_next(struct td_sealed *s, const uint8_t **ret_data, size_t *ret_len, struct td_error *err);
void td_sealed_put(struct td_sealed *s, uint32_t id, const void *body); /* within FRAME_BYTES: asserted */
void td_sealed_end(struct td_sealed *s);                                /* our last word */
int td_sealed_flush(struct td_sealed *s);                               /* 1 = all out, 0 = more, <0 = closed */
size_t td_sealed_waiting(const struct td_sealed *s);                    /* bytes not sent yet: the caller's bound */
bool td_sealed_wants_write(const struct td_sealed *s);

#endif
