/* length.h - the four bytes before a frame; inside td_local only */
#ifndef TD_LOCAL_LENGTH_H
#define TD_LOCAL_LENGTH_H

#include "wire/wire.h"

#define LENGTH_BYTES 4u

static inline void length_write(uint8_t *p, size_t n)
{
    p[0] = (uint8_t)(n >> 24);
    p[1] = (uint8_t)(n >> 16);
    p[2] = (uint8_t)(n >> 8);
    p[3] = (uint8_t)n;
}

/* The frame that begins at data: 1 with its length when whole, 0 when more bytes are to come, -TOO_BIG as soon as its
 * length is known to be none of ours. */
static inline int length_read(const uint8_t *data, size_t have, size_t *ret_len, struct td_error *err)
{
    if (have < LENGTH_BYTES)
        return 0;

    size_t n = (size_t)data[0] << 24 | (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
    if (n == 0)
        return td_fail(err, TD_E_BAD_FRAME, "a frame of 0 bytes");
    if (n > TD_MAX_FRAME_BYTES)
        return td_fail(err, TD_E_TOO_BIG, "a frame of %lu bytes, at most %u are taken", n,
                       (unsigned)TD_MAX_FRAME_BYTES);
    *ret_len = n;
    return have - LENGTH_BYTES >= n;
}

/* Appends length and frame; -TOO_BIG and nothing appended when it is over FRAME_BYTES. */
static inline int length_put_frame(struct td_buf *out, uint32_t id, uint64_t request, const void *body)
{
    size_t start = out->len;

    td_buf_put(out, "\0\0\0", LENGTH_BYTES);
    td_wire_put_frame(out, id, request, body);

    size_t n = out->len - start - LENGTH_BYTES;
    if (n > TD_MAX_FRAME_BYTES) {
        out->len = start;
        return -TD_E_TOO_BIG;
    }
    length_write(out->data + start, n);
    return 0;
}

#endif
