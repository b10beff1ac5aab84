/* put.c - records to msgpack
 *
 * msgpack-c's packer writes straight into the caller's td_buf. A field that is zero or empty is not written, so a map
 * is walked twice: once to count, once to write. What breaks a row's maximum here is our own bug, hence asserted: the
 * shells check what comes from people before it becomes a record. */
#include <msgpack/pack.h>
#include <string.h>

#include "wire/wire.h"

/* Most items are a few bytes: append in place while there is room, let td_buf grow otherwise. */
static int append(void *data, const char *p, size_t n)
{
    struct td_buf *b = data;

    if (b->cap - b->len > n && b->data) {
        memcpy(b->data + b->len, p, n);
        b->len += n;
        b->data[b->len] = 0;
    } else {
        td_buf_put(b, p, n);
    }
    return 0;
}

/* The list types share one layout: a pointer and a count. */
struct any_list {
    const void *v;
    uint32_t n;
};
_Static_assert(sizeof(struct any_list) == sizeof(struct td_bin), "lists share one layout");
_Static_assert(sizeof(struct any_list) == sizeof(struct td_u32s), "lists share one layout");
_Static_assert(sizeof(struct any_list) == sizeof(struct td_strs), "lists share one layout");
_Static_assert(offsetof(struct td_strs, n) == offsetof(struct any_list, n), "lists share one layout");

static uint32_t list_count(const void *at)
{
    struct any_list l;

    memcpy(&l, at, sizeof(l));
    return l.n;
}

static uint32_t fields_present(const struct td_record *rec, const void *body, uint32_t stop_at);

static bool field_present(const struct td_field *f, const void *at)
{
    switch (f->type) {
    case TD_T_BOOL:
        return *(const bool *)at;
    case TD_T_U32:
        return *(const uint32_t *)at != 0;
    case TD_T_U64:
        return *(const uint64_t *)at != 0;
    case TD_T_I64:
        return *(const int64_t *)at != 0;
    case TD_T_STR:
        return *(const char *const *)at && **(const char *const *)at;
    case TD_T_BIN:
    case TD_T_U32S:
    case TD_T_STRS:
    case TD_T_RECS:
        return list_count(at) > 0;
    case TD_T_REC:
        return fields_present(f->sub, at, 1) > 0;
    }
    TD_ASSERT(false);
    return false;
}

/* How many fields are worth writing; stops counting at stop_at. */
static uint32_t fields_present(const struct td_record *rec, const void *body, uint32_t stop_at)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < rec->n && n < stop_at; i++)
        n += field_present(&rec->fields[i], (const char *)body + rec->fields[i].offset);
    return n;
}

static void put_str(msgpack_packer *pk, const char *s, uint64_t max)
{
    size_t n = s ? strlen(s) : 0;

    TD_ASSERT(n <= max);
    msgpack_pack_str(pk, n);
    msgpack_pack_str_body(pk, s, n);
}

static void put_number(msgpack_packer *pk, const struct td_field *f, uint64_t v)
{
    TD_ASSERT(f->max == 0 || v <= f->max);
    msgpack_pack_uint64(pk, v);
}

static void put_map(msgpack_packer *pk, const struct td_record *rec, const void *body);

static void put_list(msgpack_packer *pk, const struct td_field *f, const void *at)
{
    struct any_list l;

    memcpy(&l, at, sizeof(l));
    TD_ASSERT(l.n <= f->max && l.v);
    if (f->type == TD_T_BIN) {
        msgpack_pack_bin(pk, l.n);
        msgpack_pack_bin_body(pk, l.v, l.n);
        return;
    }
    msgpack_pack_array(pk, l.n);
    for (uint32_t i = 0; i < l.n; i++) {
        if (f->type == TD_T_U32S)
            msgpack_pack_uint32(pk, ((const uint32_t *)l.v)[i]);
        else if (f->type == TD_T_STRS)
            put_str(pk, ((const char *const *)l.v)[i], TD_MAX_EXPR_BYTES);
        else
            put_map(pk, f->sub, (const char *)l.v + i * f->sub->size);
    }
}

static void put_field(msgpack_packer *pk, const struct td_field *f, const void *at)
{
    msgpack_pack_uint32(pk, f->key);
    switch (f->type) {
    case TD_T_BOOL:
        msgpack_pack_true(pk);
        break;
    case TD_T_U32:
        put_number(pk, f, *(const uint32_t *)at);
        break;
    case TD_T_U64:
        put_number(pk, f, *(const uint64_t *)at);
        break;
    case TD_T_I64:
        TD_ASSERT(f->max == 0 || *(const int64_t *)at <= (int64_t)f->max);
        msgpack_pack_int64(pk, *(const int64_t *)at);
        break;
    case TD_T_STR:
        put_str(pk, *(const char *const *)at, f->max);
        break;
    case TD_T_BIN:
    case TD_T_U32S:
    case TD_T_STRS:
    case TD_T_RECS:
        put_list(pk, f, at);
        break;
    case TD_T_REC:
        put_map(pk, f->sub, at);
        break;
    }
}

static void put_map(msgpack_packer *pk, const struct td_record *rec, const void *body)
{
    msgpack_pack_map(pk, fields_present(rec, body, UINT32_MAX));
    for (uint32_t i = 0; i < rec->n; i++) {
        const void *at = (const char *)body + rec->fields[i].offset;

        if (field_present(&rec->fields[i], at))
            put_field(pk, &rec->fields[i], at);
    }
}

void td_wire_put_record(struct td_buf *out, const struct td_record *rec, const void *body)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, out, append);
    put_map(&pk, rec, body);
}

static void put_head(msgpack_packer *pk, struct td_buf *out, uint32_t id, uint64_t request)
{
    msgpack_packer_init(pk, out, append);
    msgpack_pack_array(pk, 3);
    msgpack_pack_uint32(pk, id);
    msgpack_pack_uint64(pk, request);
}

void td_wire_put_frame(struct td_buf *out, uint32_t id, uint64_t request, const void *body)
{
    const struct td_msg_row *row = td_msg_row(id);
    msgpack_packer pk;

    TD_ASSERT(row != NULL);
    put_head(&pk, out, id, request);
    put_map(&pk, row->record, body);
}

void td_wire_put_frame_of(struct td_buf *out, uint32_t id, uint64_t request, const uint8_t *body, size_t len)
{
    msgpack_packer pk;

    put_head(&pk, out, id, request);
    td_buf_put(out, body, len);
}
