/* get.c - msgpack to records, from bytes of which nothing is believed
 *
 * Bounds, all checked before memory is taken:
 * - a list's count is held against the row's maximum, against the bytes that are left (cursor.h), and its memory
 *   against a budget of MEMORY_BASE + MEMORY_FACTOR x the frame's length: an empty map of one byte becomes a whole struct,
 *   so counts alone would let a frame grow a hundredfold in memory;
 * - all strings and byte strings of a frame share one pool of as many bytes as were left when the first was met: a
 *   string's head is at least as long as its NUL, so they always fit;
 * - records nest as the rows do and no deeper; unknown values are passed over by a count.
 * A failure names record and field and leaves *body half filled; nothing in it may be used. */
#include "wire/wire.h"

#include <string.h>

#include "wire/cursor.h"

#define MEMORY_BASE (2u * 1024 * 1024)
#define MEMORY_FACTOR 32u
#define FIELDS_MAX 256u /* of one record; asserted */
#define DEPTH_MAX 16    /* of the rows' own nesting; asserted */

struct reader {
    struct cursor c;
    struct td_arena *a;
    uint64_t budget; /* bytes of lists still allowed */
    char *pool;      /* where the next string goes; NULL until the first */
    size_t pool_left;
    struct td_error *err;
};

static int broken(struct reader *r, const struct td_record *rec, const struct td_field *f)
{
    return td_fail(r->err, TD_E_BAD_FRAME, "%s.%s: the bytes end too early or are no msgpack", rec->name,
                   f ? f->name : "*");
}

static int wrong_type(struct reader *r, const struct td_record *rec, const struct td_field *f, const char *want)
{
    return td_fail(r->err, TD_E_BAD_FRAME, "%s.%s: wrong type, %s expected", rec->name, f->name, want);
}

static int too_many(struct reader *r, const struct td_record *rec, const struct td_field *f, uint64_t n, uint64_t max,
                    const char *unit)
{
    return td_fail(r->err, TD_E_TOO_BIG, "%s.%s: %lu %s, at most %lu", rec->name, f->name, n, unit, max);
}

/* Room for n bytes of a string or byte string. */
static char *pool_take(struct reader *r, const struct item *it, size_t n)
{
    if (!r->pool) {
        /* all that follows, this string's bytes and one byte of its head */
        r->pool_left = (size_t)(r->c.end - it->bytes) + 1;
        r->pool = td_arena_alloc(r->a, r->pool_left);
    }
    TD_ASSERT(n <= r->pool_left);
    char *p = r->pool;
    r->pool += n;
    r->pool_left -= n;
    return p;
}

/* Memory for n items of a list, zeroed; NULL when the frame's budget does not allow it. */
static void *list_take(struct reader *r, uint64_t n, size_t size)
{
    if (n * size > r->budget)
        return NULL;
    r->budget -= n * size;
    return td_arena_alloc(r->a, n * size);
}

static int get_number(struct reader *r, const struct td_record *rec, const struct td_field *f, const struct item *it,
                      uint64_t type_max, uint64_t *ret)
{
    uint64_t max = f->max ? f->max : type_max;

    if (it->kind == ITEM_NEGATIVE)
        return td_fail(r->err, TD_E_BAD_FRAME, "%s.%s: %ld is negative", rec->name, f->name, (long)it->i);
    if (it->kind != ITEM_UINT)
        return wrong_type(r, rec, f, "a number");
    if (it->u > max)
        return td_fail(r->err, TD_E_TOO_BIG, "%s.%s: %lu, at most %lu", rec->name, f->name, it->u, max);
    *ret = it->u;
    return 0;
}

static int get_signed(struct reader *r, const struct td_record *rec, const struct td_field *f, const struct item *it,
                      int64_t *ret)
{
    uint64_t v;

    if (it->kind == ITEM_NEGATIVE) {
        *ret = it->i;
        return 0;
    }
    int e = get_number(r, rec, f, it, INT64_MAX, &v);
    if (e == 0)
        *ret = (int64_t)v;
    return e;
}

static int get_str(struct reader *r, const struct td_record *rec, const struct td_field *f, const struct item *it,
                   uint64_t max, const char **ret)
{
    if (it->kind != ITEM_STR)
        return wrong_type(r, rec, f, "a string");
    if (it->n > max)
        return too_many(r, rec, f, it->n, max, "bytes");
    if (memchr(it->bytes, 0, it->n))
        return td_fail(r->err, TD_E_BAD_FRAME, "%s.%s: a NUL inside a string", rec->name, f->name);

    char *copy = pool_take(r, it, (size_t)it->n + 1);
    memcpy(copy, it->bytes, it->n);
    copy[it->n] = 0;
    *ret = copy;
    return 0;
}

static int get_bin(struct reader *r, const struct td_record *rec, const struct td_field *f, const struct item *it,
                   struct td_bin *ret)
{
    if (it->kind != ITEM_BIN)
        return wrong_type(r, rec, f, "bytes");
    if (it->n > f->max)
        return too_many(r, rec, f, it->n, f->max, "bytes");
    if (it->n == 0)
        return 0;

    char *copy = pool_take(r, it, it->n);
    memcpy(copy, it->bytes, it->n);
    *ret = (struct td_bin){(const uint8_t *)copy, it->n};
    return 0;
}

/* Checks a list's head and takes its memory; *ret stays NULL for an empty one. */
static int list_open(struct reader *r, const struct td_record *rec, const struct td_field *f, const struct item *it,
                     size_t size, void **ret)
{
    if (it->kind != ITEM_ARRAY)
        return wrong_type(r, rec, f, "a list");
    if (it->n > f->max)
        return too_many(r, rec, f, it->n, f->max, "items");
    if (it->n == 0)
        return 0;
    *ret = list_take(r, it->n, size);
    if (!*ret)
        return td_fail(r->err, TD_E_TOO_BIG, "%s.%s: %u items in so few bytes", rec->name, f->name, it->n);
    return 0;
}

static int get_u32s(struct reader *r, const struct td_record *rec, const struct td_field *f, const struct item *head,
                    struct td_u32s *ret)
{
    void *v = NULL;
    int e = list_open(r, rec, f, head, sizeof(uint32_t), &v);

    for (uint32_t i = 0; e == 0 && i < head->n; i++) {
        struct item it;

        if (!cursor_item(&r->c, &it))
            return broken(r, rec, f);
        if (it.kind != ITEM_UINT)
            return wrong_type(r, rec, f, "a list of numbers");
        if (it.u > UINT32_MAX)
            return td_fail(r->err, TD_E_TOO_BIG, "%s.%s: %lu, at most %u", rec->name, f->name, it.u, UINT32_MAX);
        ((uint32_t *)v)[i] = (uint32_t)it.u;
    }
    if (e == 0)
        *ret = (struct td_u32s){v, head->n};
    return e;
}

static int get_strs(struct reader *r, const struct td_record *rec, const struct td_field *f, const struct item *head,
                    struct td_strs *ret)
{
    void *v = NULL;
    int e = list_open(r, rec, f, head, sizeof(char *), &v);

    for (uint32_t i = 0; e == 0 && i < head->n; i++) {
        struct item it;

        if (!cursor_item(&r->c, &it))
            return broken(r, rec, f);
        e = get_str(r, rec, f, &it, TD_MAX_EXPR_BYTES, &((const char **)v)[i]);
    }
    if (e == 0)
        *ret = (struct td_strs){v, head->n};
    return e;
}

static int get_map(struct reader *r, const struct td_record *rec, const struct item *head, void *body, int depth);

/* A record, as the value of field f of record `rec`. */
static int get_rec(struct reader *r, const struct td_record *rec, const struct td_field *f, const struct item *it,
                   void *body, int depth)
{
    if (it->kind != ITEM_MAP)
        return wrong_type(r, rec, f, "a record");
    return get_map(r, f->sub, it, body, depth + 1);
}

static int get_recs(struct reader *r, const struct td_record *rec, const struct td_field *f, const struct item *head,
                    struct td_span_list *ret, int depth)
{
    void *v = NULL;
    int e = list_open(r, rec, f, head, f->sub->size, &v);

    for (uint32_t i = 0; e == 0 && i < head->n; i++) {
        struct item it;

        if (!cursor_item(&r->c, &it))
            return broken(r, rec, f);
        e = get_rec(r, rec, f, &it, (char *)v + i * f->sub->size, depth);
    }
    if (e == 0)
        *ret = (struct td_span_list){v, head->n}; /* every list of records has this layout */
    return e;
}

static int get_field(struct reader *r, const struct td_record *rec, const struct td_field *f, void *at, int depth)
{
    struct item it;
    uint64_t v = 0;
    int e = 0;

    if (!cursor_item(&r->c, &it))
        return broken(r, rec, f);
    switch (f->type) {
    case TD_T_BOOL:
        if (it.kind != ITEM_BOOL)
            return wrong_type(r, rec, f, "true or false");
        *(bool *)at = it.u;
        break;
    case TD_T_U32:
        e = get_number(r, rec, f, &it, UINT32_MAX, &v);
        *(uint32_t *)at = (uint32_t)v;
        break;
    case TD_T_U64:
        e = get_number(r, rec, f, &it, UINT64_MAX, &v);
        *(uint64_t *)at = v;
        break;
    case TD_T_I64:
        e = get_signed(r, rec, f, &it, at);
        break;
    case TD_T_STR:
        e = get_str(r, rec, f, &it, f->max, at);
        break;
    case TD_T_BIN:
        e = get_bin(r, rec, f, &it, at);
        break;
    case TD_T_U32S:
        e = get_u32s(r, rec, f, &it, at);
        break;
    case TD_T_STRS:
        e = get_strs(r, rec, f, &it, at);
        break;
    case TD_T_REC:
        e = get_rec(r, rec, f, &it, at, depth);
        break;
    case TD_T_RECS:
        e = get_recs(r, rec, f, &it, at, depth);
        break;
    }
    return e;
}

/* Index of the field with this key, or rec->n. Writers send keys in order, so the one after the last is tried first. */
static uint32_t field_find(const struct td_record *rec, uint64_t key, uint32_t guess)
{
    uint32_t low = 0, high = rec->n;

    if (guess < rec->n && rec->fields[guess].key == key)
        return guess;
    while (low < high) {
        uint32_t mid = (low + high) / 2;

        if (rec->fields[mid].key < key)
            low = mid + 1;
        else
            high = mid;
    }
    return low < rec->n && rec->fields[low].key == key ? low : rec->n;
}

static int get_map(struct reader *r, const struct td_record *rec, const struct item *head, void *body, int depth)
{
    uint64_t seen[FIELDS_MAX / 64] = {0};
    uint32_t next = 0;

    TD_ASSERT(rec->n <= FIELDS_MAX && depth <= DEPTH_MAX);
    for (uint32_t i = 0; i < head->n; i++) {
        struct item key;

        if (!cursor_item(&r->c, &key))
            return broken(r, rec, NULL);
        if (key.kind != ITEM_UINT)
            return td_fail(r->err, TD_E_BAD_FRAME, "%s: a key that is not a number", rec->name);

        uint32_t at = field_find(rec, key.u, next);
        if (at == rec->n) {
            if (!cursor_skip(&r->c))
                return broken(r, rec, NULL);
            continue;
        }
        const struct td_field *f = &rec->fields[at];
        if (seen[at / 64] >> (at % 64) & 1)
            return td_fail(r->err, TD_E_BAD_FRAME, "%s.%s: given twice", rec->name, f->name);
        seen[at / 64] |= 1ull << (at % 64);

        int e = get_field(r, rec, f, (char *)body + f->offset, depth);
        if (e < 0)
            return e;
        next = at + 1;
    }
    return 0;
}

static struct reader reader_make(struct td_arena *a, const uint8_t *data, size_t len, struct td_error *err)
{
    return (struct reader){
        .c = {data, data + len},
        .a = a,
        .budget = MEMORY_BASE + (uint64_t)MEMORY_FACTOR * len,
        .err = err,
    };
}

/* The record that all remaining bytes must be. */
static int get_last(struct reader *r, const struct td_record *rec, void *body)
{
    struct item head;

    if (!cursor_item(&r->c, &head))
        return broken(r, rec, NULL);
    if (head.kind != ITEM_MAP)
        return td_fail(r->err, TD_E_BAD_FRAME, "%s: wrong type, a record expected", rec->name);

    int e = get_map(r, rec, &head, body, 0);
    if (e == 0 && cursor_left(&r->c) > 0)
        e = td_fail(r->err, TD_E_BAD_FRAME, "%s: %lu bytes left over behind it", rec->name, cursor_left(&r->c));
    return e;
}

int td_wire_get_record(struct td_arena *a, const struct td_record *rec, const uint8_t *data, size_t len, void *body,
                       struct td_error *err)
{
    struct reader r = reader_make(a, data, len, err);

    memset(body, 0, rec->size);
    return get_last(&r, rec, body);
}

/* Leaves the cursor before the body. */
static int get_head(struct cursor *c, uint32_t *ret_id, uint64_t *ret_request, struct td_error *err)
{
    struct item it;

    if (!cursor_item(c, &it) || it.kind != ITEM_ARRAY || it.n != 3)
        return td_fail(err, TD_E_BAD_FRAME, "frame: not a list of number, request and body");
    if (!cursor_item(c, &it) || it.kind != ITEM_UINT || it.u > UINT32_MAX)
        return td_fail(err, TD_E_BAD_FRAME, "frame: its message number is missing or no number");
    *ret_id = (uint32_t)it.u;
    if (!cursor_item(c, &it) || it.kind != ITEM_UINT)
        return td_fail(err, TD_E_BAD_FRAME, "frame: its request number is missing or no number");
    *ret_request = it.u;
    return 0;
}

int td_wire_get_head(const uint8_t *data, size_t len, uint32_t *ret_id, uint64_t *ret_request, const uint8_t **ret_body,
                     struct td_error *err)
{
    struct cursor c = {data, data + len};
    int r = get_head(&c, ret_id, ret_request, err);

    *ret_body = c.at;
    return r;
}

int td_wire_get_frame(struct td_arena *a, const uint8_t *data, size_t len, struct td_frame *ret, struct td_error *err)
{
    struct reader r = reader_make(a, data, len, err);

    *ret = (struct td_frame){0};
    if (len > TD_MAX_FRAME_BYTES)
        return td_fail(err, TD_E_TOO_BIG, "frame: %lu bytes, at most %u", len, (unsigned)TD_MAX_FRAME_BYTES);
    int e = get_head(&r.c, &ret->id, &ret->request, err);
    if (e < 0)
        return e;

    ret->row = td_msg_row(ret->id);
    if (!ret->row)
        return td_fail(err, TD_E_UNKNOWN_MESSAGE, "frame: message %u is not known here", ret->id);
    ret->body = td_arena_alloc(a, ret->row->record->size);
    return get_last(&r, ret->row->record, ret->body);
}
