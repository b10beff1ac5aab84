/* wire.h - records to msgpack and back, driven by the rows of proto/tbl
 *
 * A record is a map {key: value}; zero and empty fields are not written; unknown keys are skipped; every maximum is
 * checked before memory is taken; nothing may be left over behind a frame. Decoding never trusts a length: memory
 * taken is bounded by the bytes read times a small constant. */
#ifndef TD_WIRE_H
#define TD_WIRE_H

#include "types/types.h"

/* Appends the record as a map. Cannot fail: our own records obey their maxima (asserted). */
void td_wire_put_record(struct td_buf *out, const struct td_record *rec, const void *body);
/* Appends the picked fields as a map. TOO_BIG, and nothing is appended: one is over its maximum (td_record_check says which). */
int td_wire_put_picked(struct td_buf *out, const struct td_pick *pick, const void *body);
/* Decodes a whole buffer into *body (rec->size bytes); strings and lists live in the arena. */
int td_wire_get_record(struct td_arena *a, const struct td_record *rec, const uint8_t *data, size_t len, void *body,
                       struct td_error *err);

/* A frame: [id, request, body]. */
void td_wire_put_frame(struct td_buf *out, uint32_t id, uint64_t request, const void *body);
/* The same of a record that is encoded already. */
void td_wire_put_frame_of(struct td_buf *out, uint32_t id, uint64_t request, const uint8_t *body, size_t len);
/* A frame whose first field, a list, is given as n encoded rows, one behind the other; it is empty in the body. */
void td_wire_put_frame_rows(struct td_buf *out, uint32_t id, uint64_t request, const void *body, const uint8_t *rows,
                            size_t len, uint32_t n);
/* Number, request and where the body begins, without looking into it: for who only passes it on. BAD_FRAME. */
int td_wire_get_head(const uint8_t *data, size_t len, uint32_t *ret_id, uint64_t *ret_request, const uint8_t **ret_body,
                     struct td_error *err);
struct td_frame {
    uint32_t id;
    uint64_t request;
    const struct td_msg_row *row;
    void *body; /* in the arena */
};
/* Errors: BAD_FRAME, TOO_BIG (names the field and its maximum), UNKNOWN_MESSAGE (names the number). Where the head
 * could be read, ret->id and ret->request are set even on failure, so that a refusal can be addressed. */
int td_wire_get_frame(struct td_arena *a, const uint8_t *data, size_t len, struct td_frame *ret, struct td_error *err);

/* A record as JSON (for people, tests and --json), names from the rows; hides fields above `see`. */
void td_wire_json(struct td_buf *out, const struct td_record *rec, const void *body, enum td_see see);
void td_json_string(struct td_buf *out, const char *s); /* quoted, escaped; bad UTF-8 becomes U+FFFD */

/* BLAKE2b-256 of bytes, for blobs and secrets (libsodium). */
void td_hash(const void *data, size_t len, uint8_t ret[32]);

#endif
