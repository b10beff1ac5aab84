/* test_wire.c - the codec, walked along the tables: round trips, and every way in which bytes can be wrong */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <msgpack.h>

#include "fill.h"
#include "wire/wire.h"

/* What every test needs: an arena for what is filled in, one for what is decoded, a buffer, an error. */
struct bench {
    struct td_arena made, read;
    struct td_buf bytes;
    struct td_error err;
};

static int bench_open(void **state)
{
    *state = td_alloc(sizeof(struct bench));
    return 0;
}

static int bench_close(void **state)
{
    struct bench *b = *state;

    td_arena_release(&b->made);
    td_arena_release(&b->read);
    td_buf_release(&b->bytes);
    td_free(b);
    return 0;
}

static void bench_reset(struct bench *b)
{
    td_arena_reset(&b->made);
    td_arena_reset(&b->read);
    td_buf_reset(&b->bytes);
    b->err = (struct td_error){0};
}

/* Decodes from a block of exactly len bytes, so that a sanitizer sees one byte too many. */
static int decode(struct bench *b, const struct td_record *rec, const uint8_t *data, size_t len, void **ret)
{
    uint8_t *exact = malloc(len ? len : 1);
    void *body = td_arena_alloc(&b->read, rec->size);

    memcpy(exact, data, len);
    b->err = (struct td_error){0};
    int r = td_wire_get_record(&b->read, rec, exact, len, body, &b->err);
    free(exact);
    if (ret)
        *ret = body;
    if (r < 0) {
        assert_int_equal(b->err.code, -r);
        assert_true(b->err.text[0] != 0);
    }
    return r;
}

static void names_field(struct bench *b, const struct td_record *rec, const struct td_field *f)
{
    char want[256];

    snprintf(want, sizeof(want), "%s.%s", rec->name, f->name);
    if (!strstr(b->err.text, want))
        fail_msg("\"%s\" does not name %s", b->err.text, want);
}

/* --- what goes in comes out --------------------------------------------------------------------------------------- */

static void round_trip(struct bench *b, const struct td_record *rec, const void *body)
{
    void *back;

    td_buf_reset(&b->bytes);
    td_wire_put_record(&b->bytes, rec, body);
    if (decode(b, rec, b->bytes.data, b->bytes.len, &back) < 0)
        fail_msg("%s", b->err.text);
    if (!td_record_equal(rec, body, back))
        fail_msg("%s came back different", rec->name);
}

static void every_record_goes_round(void **state)
{
    struct bench *b = *state;
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);

    for (uint32_t i = 0; i < n; i++) {
        bench_reset(b);
        void *body = td_arena_alloc(&b->made, recs[i]->size);

        round_trip(b, recs[i], body);
        assert_int_equal(b->bytes.len, 1); /* an empty record is an empty map */
        for (uint32_t salt = 0; salt < 3; salt++) {
            fill_record(&b->made, recs[i], body, salt);
            round_trip(b, recs[i], body);
        }
    }
}

static void every_field_goes_round_alone_and_at_its_maximum(void **state)
{
    struct bench *b = *state;
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);

    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < recs[i]->n; k++) {
            bench_reset(b);
            void *body = td_arena_alloc(&b->made, recs[i]->size);

            fill_field(&b->made, &recs[i]->fields[k], body, 5);
            round_trip(b, recs[i], body);
            memset(body, 0, recs[i]->size);
            fill_field_max(&b->made, &recs[i]->fields[k], body);
            round_trip(b, recs[i], body);
        }
    }
}

static void every_row_with_a_length_has_a_maximum(void **state)
{
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);

    (void)state;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < recs[i]->n; k++) {
            const struct td_field *f = &recs[i]->fields[k];

            if (f->type == TD_T_STR || f->type == TD_T_BIN || f->type == TD_T_U32S || f->type == TD_T_STRS ||
                f->type == TD_T_RECS) {
                if (f->max == 0)
                    fail_msg("%s.%s has no maximum", recs[i]->name, f->name);
            }
        }
    }
}

static void every_message_goes_round_in_a_frame(void **state)
{
    struct bench *b = *state;
    uint32_t n;
    const struct td_msg_row *rows = td_msg_rows(&n);

    for (uint32_t i = 0; i < n; i++) {
        struct td_frame f;

        bench_reset(b);
        void *body = td_arena_alloc(&b->made, rows[i].record->size);
        fill_record(&b->made, rows[i].record, body, i);
        td_wire_put_frame(&b->bytes, rows[i].id, 1ull << 40 | i, body);
        if (td_wire_get_frame(&b->read, b->bytes.data, b->bytes.len, &f, &b->err) < 0)
            fail_msg("%s", b->err.text);
        assert_int_equal(f.id, rows[i].id);
        assert_int_equal(f.request, 1ull << 40 | i);
        assert_ptr_equal(f.row->record, rows[i].record);
        assert_true(td_record_equal(rows[i].record, body, f.body));
    }
}

static void every_event_and_snapshot_row_goes_round(void **state)
{
    struct bench *b = *state;

    for (int which = 0; which < 2; which++) {
        uint32_t n;
        const struct td_event_row *rows = which ? td_snap_rows(&n) : td_event_rows(&n);

        for (uint32_t i = 0; i < n; i++) {
            bench_reset(b);
            void *body = td_arena_alloc(&b->made, rows[i].record->size);
            fill_record(&b->made, rows[i].record, body, i);
            round_trip(b, rows[i].record, body);
        }
    }
}

/* msgpack-c reads what we write, and we read what it writes again. */
static void msgpack_c_agrees(void **state)
{
    struct bench *b = *state;
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);

    for (uint32_t i = 0; i < n; i++) {
        msgpack_unpacked u;
        msgpack_sbuffer again;
        msgpack_packer pk;
        size_t off = 0;
        void *back;

        bench_reset(b);
        void *body = td_arena_alloc(&b->made, recs[i]->size);
        fill_record(&b->made, recs[i], body, 4);
        td_wire_put_record(&b->bytes, recs[i], body);

        msgpack_unpacked_init(&u);
        assert_int_equal(msgpack_unpack_next(&u, (char *)b->bytes.data, b->bytes.len, &off), MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(off, b->bytes.len);
        msgpack_sbuffer_init(&again);
        msgpack_packer_init(&pk, &again, msgpack_sbuffer_write);
        msgpack_pack_object(&pk, u.data);
        assert_int_equal(decode(b, recs[i], (uint8_t *)again.data, again.size, &back), 0);
        assert_true(td_record_equal(recs[i], body, back));
        msgpack_sbuffer_destroy(&again);
        msgpack_unpacked_destroy(&u);
    }
}

static void a_number_may_come_in_any_width(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } sevens[] = {
        {"\x81\x01\x07", 3},
        {"\x81\x01\xcc\x07", 4},
        {"\x81\x01\xcd\x00\x07", 5},
        {"\x81\x01\xce\x00\x00\x00\x07", 7},
        {"\x81\x01\xcf\x00\x00\x00\x00\x00\x00\x00\x07", 11},
        {"\x81\x01\xd0\x07", 4},
        {"\x81\x01\xd1\x00\x07", 5},
        {"\x81\x01\xd2\x00\x00\x00\x07", 7},
        {"\x81\x01\xd3\x00\x00\x00\x00\x00\x00\x00\x07", 11},
        {"\x81\xcd\x00\x01\x07", 5},         /* the key too */
        {"\xde\x00\x01\x01\x07", 5},         /* and the map's count */
        {"\xdf\x00\x00\x00\x01\x01\x07", 7},
    };
    struct bench *b = *state;

    for (size_t i = 0; i < TD_ARRAY_LEN(sevens); i++) {
        void *ping;

        assert_int_equal(decode(b, &td_rec_ping, (const uint8_t *)sevens[i].bytes, sevens[i].n, &ping), 0);
        assert_int_equal(((struct td_ping *)ping)->version, 7);
    }
}

/* --- bytes that are wrong ----------------------------------------------------------------------------------------- */

static void cut_anywhere_is_refused(void **state)
{
    struct bench *b = *state;
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);

    for (uint32_t i = 0; i < n; i++) {
        bench_reset(b);
        void *body = td_arena_alloc(&b->made, recs[i]->size);
        fill_record(&b->made, recs[i], body, 3);
        td_wire_put_record(&b->bytes, recs[i], body);
        for (size_t len = 0; len < b->bytes.len; len++) {
            if (decode(b, recs[i], b->bytes.data, len, NULL) != -TD_E_BAD_FRAME)
                fail_msg("%s cut to %zu of %zu bytes: %s", recs[i]->name, len, b->bytes.len, b->err.text);
            td_arena_reset(&b->read);
        }
        td_buf_putc(&b->bytes, 0);
        assert_int_equal(decode(b, recs[i], b->bytes.data, b->bytes.len, NULL), -TD_E_BAD_FRAME);
        assert_non_null(strstr(b->err.text, "left over"));
    }
}

/* Packs {key: value over the maximum}; false when the type has nothing above it. */
static bool pack_over(msgpack_packer *pk, const struct td_field *f, const char *filler)
{
    msgpack_pack_map(pk, 1);
    msgpack_pack_uint32(pk, f->key);
    switch (f->type) {
    case TD_T_U32:
        msgpack_pack_uint64(pk, (f->max ? f->max : UINT32_MAX) + 1);
        return true;
    case TD_T_U64:
        msgpack_pack_uint64(pk, f->max + 1);
        return f->max != 0;
    case TD_T_I64:
        msgpack_pack_uint64(pk, (f->max ? f->max : INT64_MAX) + 1);
        return true;
    case TD_T_STR:
        msgpack_pack_str(pk, f->max + 1);
        msgpack_pack_str_body(pk, filler, f->max + 1);
        return true;
    case TD_T_BIN:
        msgpack_pack_bin(pk, f->max + 1);
        msgpack_pack_bin_body(pk, filler, f->max + 1);
        return true;
    case TD_T_U32S:
    case TD_T_STRS:
    case TD_T_RECS:
        msgpack_pack_array(pk, f->max + 1);
        for (uint64_t i = 0; i <= f->max; i++) {
            if (f->type == TD_T_U32S)
                msgpack_pack_uint32(pk, 0);
            else if (f->type == TD_T_STRS)
                msgpack_pack_str(pk, 0);
            else
                msgpack_pack_map(pk, 0);
        }
        return true;
    default:
        return false;
    }
}

static void one_over_each_maximum_is_refused_by_name(void **state)
{
    struct bench *b = *state;
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);
    char *filler = malloc(TD_MAX_FRAME_BYTES + 1);

    memset(filler, 'x', TD_MAX_FRAME_BYTES + 1);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < recs[i]->n; k++) {
            const struct td_field *f = &recs[i]->fields[k];
            msgpack_sbuffer out;
            msgpack_packer pk;
            char most[32];

            bench_reset(b);
            msgpack_sbuffer_init(&out);
            msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
            if (pack_over(&pk, f, filler)) {
                size_t before = b->read.used_total;

                assert_int_equal(decode(b, recs[i], (uint8_t *)out.data, out.size, NULL), -TD_E_TOO_BIG);
                names_field(b, recs[i], f);
                if (f->max) {
                    snprintf(most, sizeof(most), "at most %lu", f->max);
                    assert_non_null(strstr(b->err.text, most));
                }
                assert_true(b->read.used_total - before <= recs[i]->size + 16); /* no memory for what is refused */
            }
            msgpack_sbuffer_destroy(&out);
        }
    }
    free(filler);
}

/* The pair {key: value} of one field as packed, without the map's head. */
static void pair_of(struct bench *b, const struct td_record *rec, const struct td_field *f, struct td_buf *out)
{
    struct td_buf one = {0};
    void *body = td_arena_alloc(&b->made, rec->size);

    fill_field(&b->made, f, body, 2);
    td_wire_put_record(&one, rec, body);
    assert_int_equal(one.data[0], 0x81);
    td_buf_put(out, one.data + 1, one.len - 1);
    td_buf_release(&one);
}

static void a_key_given_twice_is_refused_by_name(void **state)
{
    struct bench *b = *state;
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);

    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < recs[i]->n; k++) {
            bench_reset(b);
            td_buf_putc(&b->bytes, (char)0x82);
            pair_of(b, recs[i], &recs[i]->fields[k], &b->bytes);
            pair_of(b, recs[i], &recs[i]->fields[k], &b->bytes);
            assert_int_equal(decode(b, recs[i], b->bytes.data, b->bytes.len, NULL), -TD_E_BAD_FRAME);
            names_field(b, recs[i], &recs[i]->fields[k]);
            assert_non_null(strstr(b->err.text, "twice"));
        }
    }
}

static void the_wrong_type_is_refused_by_name(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *fits; /* letters of the types it would be right for */
    } values[] = {
        {"\xc0", 1, ""},
        {"\xc3", 1, "o"},
        {"\x01", 1, "n"},
        {"\xff", 1, "i"},
        {"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 9, ""},
        {"\xa1x", 2, "s"},
        {"\xc4\x01x", 3, "b"},
        {"\x90", 1, "l"},
        {"\x80", 1, "r"},
        {"\xd4\x01x", 3, ""},
    };
    static const char *const letters[] = {"o", "n", "n", "ni", "s", "b", "l", "l", "r", "l"}; /* by enum td_type */
    struct bench *b = *state;
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);

    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < recs[i]->n; k++) {
            const struct td_field *f = &recs[i]->fields[k];

            for (size_t v = 0; v < TD_ARRAY_LEN(values); v++) {
                bench_reset(b);
                td_buf_putc(&b->bytes, (char)0x81);
                td_buf_putc(&b->bytes, (char)0xcd);
                td_buf_putc(&b->bytes, (char)(f->key >> 8));
                td_buf_putc(&b->bytes, (char)f->key);
                td_buf_put(&b->bytes, values[v].bytes, values[v].n);
                int r = decode(b, recs[i], b->bytes.data, b->bytes.len, NULL);
                bool fits = values[v].fits[0] && strchr(letters[f->type], values[v].fits[0]);

                assert_int_equal(r, fits ? 0 : -TD_E_BAD_FRAME);
                if (!fits)
                    names_field(b, recs[i], f);
            }
        }
    }
}

/* The record with one more pair, of a key nobody knows, first or last. */
static void with_unknown(const struct td_buf *map, const struct td_buf *value, bool first, struct td_buf *out)
{
    uint32_t count = map->data[0] & 0x0fu;
    size_t head = 1;

    if (map->data[0] == 0xde) {
        count = (uint32_t)map->data[1] << 8 | map->data[2];
        head = 3;
    }
    count++;
    td_buf_putc(out, (char)0xde);
    td_buf_putc(out, (char)(count >> 8));
    td_buf_putc(out, (char)count);
    if (!first)
        td_buf_put(out, map->data + head, map->len - head);
    td_buf_put(out, "\xce\x7f\x00\x00\x01", 5);
    td_buf_put(out, value->data, value->len);
    if (first)
        td_buf_put(out, map->data + head, map->len - head);
}

static void unknown_keys_are_passed_over(void **state)
{
    struct bench *b = *state;
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);
    struct td_buf value = {0};

    /* something of everything, nested */
    static const char everything[] = "\x83\xa1k\x93\x01\xff\xc0\x02\x81\xc4\x02xy\xd6\x01" "abcd" "\x03\xcb" "12345678";
    td_buf_put(&value, everything, sizeof(everything) - 1);
    for (uint32_t i = 0; i < n; i++) {
        for (int first = 0; first < 2; first++) {
            struct td_buf more = {0};
            void *back;

            bench_reset(b);
            void *body = td_arena_alloc(&b->made, recs[i]->size);
            fill_record(&b->made, recs[i], body, 6);
            td_wire_put_record(&b->bytes, recs[i], body);
            with_unknown(&b->bytes, &value, first, &more);
            if (decode(b, recs[i], more.data, more.len, &back) < 0)
                fail_msg("%s", b->err.text);
            assert_true(td_record_equal(recs[i], body, back));
            td_buf_release(&more);
        }
    }
    td_buf_release(&value);
}

static void depth_of_the_unknown_costs_nothing(void **state)
{
    struct bench *b = *state;
    struct td_buf deep = {0};

    td_buf_puts(&deep, "\x82\x7f");
    for (int i = 0; i < 1000000; i++)
        td_buf_putc(&deep, (char)0x91);
    td_buf_put(&deep, "\x01\x01\x07", 3);
    void *ping;
    assert_int_equal(decode(b, &td_rec_ping, deep.data, deep.len, &ping), 0);
    assert_int_equal(((struct td_ping *)ping)->version, 7);

    deep.len -= 4; /* the innermost value and what follows is missing */
    assert_int_equal(decode(b, &td_rec_ping, deep.data, deep.len, NULL), -TD_E_BAD_FRAME);
    td_buf_release(&deep);
}

static void odd_values_are_refused(void **state)
{
    struct bench *b = *state;

    assert_int_equal(decode(b, &td_rec_kv, (const uint8_t *)"\x81\x01\xa3" "a\0b", 6, NULL), -TD_E_BAD_FRAME);
    assert_non_null(strstr(b->err.text, "kv.key: a NUL"));
    assert_int_equal(decode(b, &td_rec_ping, (const uint8_t *)"\x81\x01\xd0\xff", 4, NULL), -TD_E_BAD_FRAME);
    assert_non_null(strstr(b->err.text, "ping.version: -1 is negative"));
    assert_int_equal(decode(b, &td_rec_ping, (const uint8_t *)"\x81\xa1x\x07", 4, NULL), -TD_E_BAD_FRAME);
    assert_non_null(strstr(b->err.text, "key"));
    assert_int_equal(decode(b, &td_rec_ping, (const uint8_t *)"\x81\x01\xc1", 3, NULL), -TD_E_BAD_FRAME);
    assert_int_equal(decode(b, &td_rec_ping, (const uint8_t *)"\x90", 1, NULL), -TD_E_BAD_FRAME);
}

/* Five bytes that announce four thousand million items, and millions of bytes that each become a struct. */
static void memory_is_bounded_by_the_bytes(void **state)
{
    struct bench *b = *state;
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);

    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < recs[i]->n; k++) {
            const struct td_field *f = &recs[i]->fields[k];

            if (f->type != TD_T_RECS)
                continue;
            bench_reset(b);
            td_buf_put(&b->bytes, "\x81\xcd", 2);
            td_buf_putc(&b->bytes, (char)(f->key >> 8));
            td_buf_putc(&b->bytes, (char)f->key);
            td_buf_putc(&b->bytes, (char)0xdd);
            uint32_t count = (uint32_t)f->max;
            for (int shift = 24; shift >= 0; shift -= 8)
                td_buf_putc(&b->bytes, (char)(count >> shift));
            assert_int_equal(decode(b, recs[i], b->bytes.data, b->bytes.len, NULL), -TD_E_BAD_FRAME);
            td_buf_pad(&b->bytes, (char)0x80, count);
            int r = decode(b, recs[i], b->bytes.data, b->bytes.len, NULL);
            assert_true(r == 0 || r == -TD_E_TOO_BIG);
            assert_true(b->read.used_total <= 2 * 1024 * 1024 + 33 * b->bytes.len + 4096);
        }
    }
}

static void a_frame_that_fails_still_says_whom_to_answer(void **state)
{
    struct bench *b = *state;
    struct td_frame f;

    const char *unknown = "\x93\xcd\x40\x00\x05\x80";
    assert_int_equal(td_wire_get_frame(&b->read, (const uint8_t *)unknown, 6, &f, &b->err), -TD_E_UNKNOWN_MESSAGE);
    assert_int_equal(f.id, 0x4000);
    assert_int_equal(f.request, 5);
    assert_non_null(strstr(b->err.text, "16384"));

    const char *bad_body = "\x93\x02\x09\x81\x01\xa1x";
    assert_int_equal(td_wire_get_frame(&b->read, (const uint8_t *)bad_body, 7, &f, &b->err), -TD_E_BAD_FRAME);
    assert_int_equal(f.id, TD_MSG_PING);
    assert_int_equal(f.request, 9);
    assert_non_null(strstr(b->err.text, "ping.version"));

    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {{"", 0}, {"\x93", 1}, {"\x92\x02\x09", 3}, {"\x94\x02\x09\x80\x80", 5}, {"\x80", 1},
               {"\x93\xa1x\x09\x80", 5}, {"\x93\x02\xff\x80", 4}, {"\x93\x02\x09\x80\x00", 5}, {"\x93\x02\x09\x90", 4}};
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++)
        assert_int_equal(td_wire_get_frame(&b->read, (const uint8_t *)bad[i].bytes, bad[i].n, &f, &b->err),
                         -TD_E_BAD_FRAME);

    uint8_t *huge = calloc(1, TD_MAX_FRAME_BYTES + 1);
    assert_int_equal(td_wire_get_frame(&b->read, huge, TD_MAX_FRAME_BYTES + 1, &f, &b->err), -TD_E_TOO_BIG);
    free(huge);
}

/* --- JSON and hashes ---------------------------------------------------------------------------------------------- */

static void json_names_and_hides(void **state)
{
    struct bench *b = *state;
    const struct td_enrol e = {.secret = {(const uint8_t *)"\x01\xff", 2}, .node = "n\"1", .version = 1};

    td_wire_json(&b->bytes, &td_rec_enrol, &e, TD_SEE_NOBODY);
    assert_string_equal(td_buf_str(&b->bytes), "{\"secret\":\"01ff\",\"node\":\"n\\\"1\",\"version\":1}");
    td_buf_reset(&b->bytes);
    td_wire_json(&b->bytes, &td_rec_enrol, &e, TD_SEE_ALL);
    assert_string_equal(td_buf_str(&b->bytes), "{\"node\":\"n\\\"1\",\"version\":1}");

    const struct td_span spans[] = {{1, 2, 0}, {3, 4, 5}};
    const struct td_job_sel sel = {.job = 7, .tasks = {spans, 2}};
    td_buf_reset(&b->bytes);
    td_wire_json(&b->bytes, &td_rec_job_sel, &sel, TD_SEE_ALL);
    assert_string_equal(td_buf_str(&b->bytes),
                        "{\"job\":7,\"tasks\":[{\"first\":1,\"last\":2},{\"first\":3,\"last\":4,\"step\":5}]}");
}

static void json_strings_are_always_utf8(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {NULL, "\"\""},
        {"plain", "\"plain\""},
        {"a\nb\t\x01\\", "\"a\\nb\\t\\u0001\\\\\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"x\xffy", "\"x\xef\xbf\xbdy\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                     /* overlong */
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},     /* surrogate */
    };
    struct bench *b = *state;

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        td_buf_reset(&b->bytes);
        td_json_string(&b->bytes, cases[i].in);
        assert_string_equal(td_buf_str(&b->bytes), cases[i].out);
    }
}

static void hash_is_blake2b_256(void **state)
{
    static const uint8_t abc[] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
                                  0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
                                  0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
    uint8_t h[32];

    (void)state;
    td_hash("abc", 3, h);
    assert_memory_equal(h, abc, 32);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        TEST(every_record_goes_round),
        TEST(every_field_goes_round_alone_and_at_its_maximum),
        TEST(every_row_with_a_length_has_a_maximum),
        TEST(every_message_goes_round_in_a_frame),
        TEST(every_event_and_snapshot_row_goes_round),
        TEST(msgpack_c_agrees),
        TEST(a_number_may_come_in_any_width),
        TEST(cut_anywhere_is_refused),
        TEST(one_over_each_maximum_is_refused_by_name),
        TEST(a_key_given_twice_is_refused_by_name),
        TEST(the_wrong_type_is_refused_by_name),
        TEST(unknown_keys_are_passed_over),
        TEST(depth_of_the_unknown_costs_nothing),
        TEST(odd_values_are_refused),
        TEST(memory_is_bounded_by_the_bytes),
        TEST(a_frame_that_fails_still_says_whom_to_answer),
        TEST(json_names_and_hides),
        TEST(json_strings_are_always_utf8),
        TEST(hash_is_blake2b_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
