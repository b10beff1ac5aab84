/* put.c - records to msgpack
 *
 * msgpack-c's packer writes straight into the caller's td_buf. A field that is zero or empty is not written, so a map's
 * fields are first looked at, then those that are there written. What breaks a row's maximum here is our own bug, hence
 * asserted: the shells check what comes from people before it becomes a record. Rows of an answer are the exception: one
 * look at each of them is all that a listing of a large queue can pay, so the writer finds what is over, and takes it back. */
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

/* What is written, and where it breaks a maximum. */
struct writer {
    msgpack_packer pk;
    bool lenient; /* a value over its maximum is found here, not asserted */
    bool over;
};

static void hold(struct writer *w, bool within)
{
    TD_ASSERT(within || w->lenient);
    w->over |= !within;
}

static bool record_present(const struct td_record *rec, const struct td_pick *pick, const void *body);

static bool field_present(const struct td_field *f, const struct td_pick *sub, const void *at)
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
        return record_present(f->sub, sub, at);
    }
    TD_ASSERT(false);
    return false;
}

/* Field number i of those that are meant: of a pick, or of the whole record. */
static struct td_pick_field field_at(const struct td_record *rec, const struct td_pick *pick, uint32_t i)
{
    return pick ? pick->v[i] : (struct td_pick_field){&rec->fields[i], NULL};
}

static bool record_present(const struct td_record *rec, const struct td_pick *pick, const void *body)
{
    uint32_t n = pick ? pick->n : rec->n;

    for (uint32_t i = 0; i < n; i++) {
        struct td_pick_field p = field_at(rec, pick, i);
        if (field_present(p.field, p.sub, (const char *)body + p.field->offset))
            return true;
    }
    return false;
}

static void put_str(struct writer *w, const char *s, uint64_t max)
{
    size_t n = s ? strlen(s) : 0;

    hold(w, n <= max);
    msgpack_pack_str(&w->pk, n);
    msgpack_pack_str_body(&w->pk, s, n);
}

static void put_number(struct writer *w, const struct td_field *f, uint64_t v)
{
    hold(w, f->max == 0 || v <= f->max);
    msgpack_pack_uint64(&w->pk, v);
}

static void put_map(struct writer *w, const struct td_record *rec, const struct td_pick *pick, const void *body);

static void put_list(struct writer *w, const struct td_field *f, const struct td_pick *sub, const void *at)
{
    struct any_list l;

    memcpy(&l, at, sizeof(l));
    TD_ASSERT(l.v);
    hold(w, l.n <= f->max);
    if (f->type == TD_T_BIN) {
        msgpack_pack_bin(&w->pk, l.n);
        msgpack_pack_bin_body(&w->pk, l.v, l.n);
        return;
    }
    msgpack_pack_array(&w->pk, l.n);
    for (uint32_t i = 0; i < l.n; i++) {
        if (f->type == TD_T_U32S)
            msgpack_pack_uint32(&w->pk, ((const uint32_t *)l.v)[i]);
        else if (f->type == TD_T_STRS)
            put_str(w, ((const char *const *)l.v)[i], TD_MAX_EXPR_BYTES);
        else
            put_map(w, f->sub, sub, (const char *)l.v + i * f->sub->size);
    }
}

static void put_field(struct writer *w, const struct td_field *f, const struct td_pick *sub, const void *at)
{
    msgpack_pack_uint32(&w->pk, f->key);
    switch (f->type) {
    case TD_T_BOOL:
        msgpack_pack_true(&w->pk);
        break;
    case TD_T_U32:
        put_number(w, f, *(const uint32_t *)at);
        break;
    case TD_T_U64:
        put_number(w, f, *(const uint64_t *)at);
        break;
    case TD_T_I64:
        hold(w, f->max == 0 || *(const int64_t *)at <= (int64_t)f->max);
        msgpack_pack_int64(&w->pk, *(const int64_t *)at);
        break;
    case TD_T_STR:
        put_str(w, *(const char *const *)at, f->max);
        break;
    case TD_T_BIN:
    case TD_T_U32S:
    case TD_T_STRS:
    case TD_T_RECS:
        put_list(w, f, sub, at);
        break;
    case TD_T_REC:
        put_map(w, f->sub, sub, at);
        break;
    }
}

#define FIELDS_MAX 256u /* of one record; asserted */

/* The fields that are there, as places in the record or the pick. */
static uint32_t fields_present(const struct td_record *rec, const struct td_pick *pick, const void *body, uint8_t ret[FIELDS_MAX])
{
    uint32_t n = pick ? pick->n : rec->n, found = 0;

    TD_ASSERT(n <= FIELDS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        struct td_pick_field p = field_at(rec, pick, i);
        ret[found] = (uint8_t)i;
        found += field_present(p.field, p.sub, (const char *)body + p.field->offset);
    }
    return found;
}

static void put_map(struct writer *w, const struct td_record *rec, const struct td_pick *pick, const void *body)
{
    uint8_t places[FIELDS_MAX + 1];
    uint32_t n = fields_present(rec, pick, body, places);

    msgpack_pack_map(&w->pk, n);
    for (uint32_t i = 0; i < n; i++) {
        struct td_pick_field p = field_at(rec, pick, places[i]);
        put_field(w, p.field, p.sub, (const char *)body + p.field->offset);
    }
}

static void writer_init(struct writer *w, struct td_buf *out)
{
    *w = (struct writer){0};
    msgpack_packer_init(&w->pk, out, append);
}

void td_wire_put_record(struct td_buf *out, const struct td_record *rec, const void *body)
{
    struct writer w;

    writer_init(&w, out);
    put_map(&w, rec, NULL, body);
}

int td_wire_put_picked(struct td_buf *out, const struct td_pick *pick, const void *body)
{
    size_t before = out->len;
    struct writer w;

    writer_init(&w, out);
    w.lenient = true;
    put_map(&w, pick->rec, pick, body);
    if (!w.over)
        return 0;
    out->len = before;
    return -TD_E_TOO_BIG;
}

static void put_head(struct writer *w, struct td_buf *out, uint32_t id, uint64_t request)
{
    writer_init(w, out);
    msgpack_pack_array(&w->pk, 3);
    msgpack_pack_uint32(&w->pk, id);
    msgpack_pack_uint64(&w->pk, request);
}

void td_wire_put_frame(struct td_buf *out, uint32_t id, uint64_t request, const void *body)
{
    const struct td_msg_row *row = td_msg_row(id);
    struct writer w;

    TD_ASSERT(row != NULL);
    put_head(&w, out, id, request);
    put_map(&w, row->record, NULL, body);
}

void td_wire_put_frame_of(struct td_buf *out, uint32_t id, uint64_t request, const uint8_t *body, size_t len)
{
    struct writer w;

    put_head(&w, out, id, request);
    td_buf_put(out, body, len);
}

void td_wire_put_frame_rows(struct td_buf *out, uint32_t id, uint64_t request, const void *body, const uint8_t *rows,
                            size_t len, uint32_t n)
{
    const struct td_record *rec = td_msg_row(id)->record;
    uint8_t places[FIELDS_MAX + 1];
    uint32_t rest = fields_present(rec, NULL, body, places);
    struct writer w;

    TD_ASSERT(rec->fields[0].type == TD_T_RECS && n <= rec->fields[0].max);
    TD_ASSERT(list_count((const char *)body + rec->fields[0].offset) == 0);
    put_head(&w, out, id, request);
    msgpack_pack_map(&w.pk, rest + (n > 0));
    if (n) {
        msgpack_pack_uint32(&w.pk, rec->fields[0].key);
        msgpack_pack_array(&w.pk, n);
        td_buf_put(out, rows, len);
    }
    for (uint32_t i = 0; i < rest; i++)
        put_field(&w, &rec->fields[places[i]], NULL, (const char *)body + rec->fields[places[i]].offset);
}
