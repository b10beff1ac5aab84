/* json.c - records as JSON, names from the rows
 *
 * As on the wire, a field that is zero or empty is not printed: a dump shows what was said and not forty defaults.
 * Byte strings are hexadecimal digits (first byte first); long ones (scripts) only their length. Strings may hold any
 * bytes a path may hold: what is not UTF-8 becomes U+FFFD, so the output is always JSON. */
#include "wire/wire.h"

#define HEX_BYTES_MAX 1024u

/* Bytes of the UTF-8 character at s, 0 when it is none (overlong forms, surrogates and what is above U+10FFFF too). */
static uint32_t utf8_length(const uint8_t *s)
{
    uint32_t n, v;

    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] < 0xe0)
        n = 2;
    else if (s[0] >= 0xe0 && s[0] < 0xf0)
        n = 3;
    else if (s[0] >= 0xf0 && s[0] < 0xf5)
        n = 4;
    else
        return 0;

    v = s[0] & (0x7fu >> n);
    for (uint32_t i = 1; i < n; i++) { /* stops at the string's NUL, which is no continuation byte */
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (s[i] & 0x3fu);
    }
    if ((n == 3 && (v < 0x800 || (v >= 0xd800 && v < 0xe000))) || (n == 4 && (v < 0x10000 || v > 0x10ffff)))
        return 0;
    return n;
}

static void put_escape(struct td_buf *out, uint8_t c)
{
    switch (c) {
    case '"':
        td_buf_puts(out, "\\\"");
        return;
    case '\\':
        td_buf_puts(out, "\\\\");
        return;
    case '\n':
        td_buf_puts(out, "\\n");
        return;
    case '\t':
        td_buf_puts(out, "\\t");
        return;
    case '\r':
        td_buf_puts(out, "\\r");
        return;
    default:
        td_buf_putf(out, "\\u%04x", (unsigned)c);
    }
}

void td_json_string(struct td_buf *out, const char *s)
{
    const uint8_t *p = (const uint8_t *)(s ? s : "");

    td_buf_putc(out, '"');
    while (*p) {
        uint32_t n = utf8_length(p);

        if (n == 0) {
            td_buf_puts(out, "\xef\xbf\xbd");
            n = 1;
        } else if (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f) {
            put_escape(out, *p);
        } else {
            td_buf_put(out, p, n);
        }
        p += n;
    }
    td_buf_putc(out, '"');
}

static void put_bin(struct td_buf *out, const struct td_bin *b)
{
    if (b->n > HEX_BYTES_MAX) {
        td_buf_putf(out, "{\"bytes\":%u}", b->n);
        return;
    }
    td_buf_putc(out, '"');
    for (uint32_t i = 0; i < b->n; i++)
        td_buf_putf(out, "%02x", (unsigned)b->v[i]);
    td_buf_putc(out, '"');
}

static void put_list(struct td_buf *out, const struct td_field *f, const void *at, enum td_see see)
{
    const struct td_span_list *l = at; /* every list has this layout: a pointer and a count */

    td_buf_putc(out, '[');
    for (uint32_t i = 0; i < l->n; i++) {
        if (i > 0)
            td_buf_putc(out, ',');
        if (f->type == TD_T_U32S)
            td_buf_put_u64(out, ((const struct td_u32s *)at)->v[i]);
        else if (f->type == TD_T_STRS)
            td_json_string(out, ((const struct td_strs *)at)->v[i]);
        else
            td_wire_json(out, f->sub, (const char *)l->v + i * f->sub->size, see);
    }
    td_buf_putc(out, ']');
}

static bool field_given(const struct td_field *f, const void *at)
{
    switch (f->type) {
    case TD_T_BOOL:
        return *(const bool *)at;
    case TD_T_U32:
        return *(const uint32_t *)at != 0;
    case TD_T_U64:
    case TD_T_I64:
        return *(const uint64_t *)at != 0;
    case TD_T_STR:
        return !td_str_empty(*(const char *const *)at);
    case TD_T_REC:
        return true;
    default:
        return ((const struct td_span_list *)at)->n > 0;
    }
}

static void put_value(struct td_buf *out, const struct td_field *f, const void *at, enum td_see see)
{
    switch (f->type) {
    case TD_T_BOOL:
        td_buf_puts(out, *(const bool *)at ? "true" : "false");
        break;
    case TD_T_U32:
        td_buf_put_u64(out, *(const uint32_t *)at);
        break;
    case TD_T_U64:
        td_buf_put_u64(out, *(const uint64_t *)at);
        break;
    case TD_T_I64:
        td_buf_put_i64(out, *(const int64_t *)at);
        break;
    case TD_T_STR:
        td_json_string(out, *(const char *const *)at);
        break;
    case TD_T_BIN:
        put_bin(out, at);
        break;
    case TD_T_REC:
        td_wire_json(out, f->sub, at, see);
        break;
    case TD_T_U32S:
    case TD_T_STRS:
    case TD_T_RECS:
        put_list(out, f, at, see);
        break;
    }
}

void td_wire_json(struct td_buf *out, const struct td_record *rec, const void *body, enum td_see see)
{
    bool first = true;

    td_buf_putc(out, '{');
    for (uint32_t i = 0; i < rec->n; i++) {
        const struct td_field *f = &rec->fields[i];
        const void *at = (const char *)body + f->offset;

        if (f->see > see || !field_given(f, at))
            continue;
        if (!first)
            td_buf_putc(out, ',');
        first = false;
        td_json_string(out, f->name);
        td_buf_putc(out, ':');
        put_value(out, f, at, see);
    }
    td_buf_putc(out, '}');
}
