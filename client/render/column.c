/* column.c - formats: parsing, headings, rows, JSON, order; see column.h */
#include "render/column.h"

#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

#define GROW_MIN 9

const struct field *field_by_letter(const struct field_table *t, char letter)
{
    for (const struct field *f = t->fields; f->print; f++)
        if (letter && f->letter == letter)
            return f;
    return NULL;
}

const struct field *field_by_name(const struct field_table *t, const char *name)
{
    for (const struct field *f = t->fields; f->print; f++)
        if (f->name && td_str_casecmp(f->name, name) == 0)
            return f;
    return NULL;
}

/* [[.]size] at p; leaves p behind it. */
static const char *parse_size(const char *p, struct column *c)
{
    if (*p == '.') {
        c->right = true;
        p++;
    }
    if (*p >= '0' && *p <= '9') {
        c->width = 0;
        for (; *p >= '0' && *p <= '9'; p++)
            if (c->width < 100000)
                c->width = c->width * 10 + (uint32_t)(*p - '0');
    }
    return p;
}

static const char *arena_text(struct format *f, const char *from, const char *to)
{
    char *s = td_arena_alloc(f->arena, (size_t)(to - from) + 1);
    memcpy(s, from, (size_t)(to - from));
    return s;
}

/* Text up to the next %, with %% for a percent sign. */
static const char *parse_literal(struct format *f, const char *p, const char **ret)
{
    const char *start = p;
    struct td_buf b = {0};

    while (*p && (*p != '%' || p[1] == '%')) {
        td_buf_putc(&b, *p);
        p += *p == '%' ? 2 : 1;
    }
    *ret = p == start ? "" : td_arena_strdup(f->arena, td_buf_str(&b));
    td_buf_release(&b);
    return p;
}

static void every_letter(struct format *f, const struct field_table *t)
{
    for (const struct field *x = t->fields; x->print; x++) {
        struct column c = {.field = x, .width = NO_WIDTH, .text = "|"};
        if (x->letter)
            td_vec_push(&f->columns, c);
    }
}

void format_parse(struct format *f, const struct field_table *t, const char *text)
{
    const char *p = text;

    if (*p && *p != '%') {
        struct column lead = {.width = NO_WIDTH};
        p = parse_literal(f, p, &lead.text);
        td_vec_push(&f->columns, lead);
    }
    while (*p == '%') {
        struct column c = {.width = NO_WIDTH};
        const char *start = p;
        if (strncmp(p, "%all", 4) == 0) {
            every_letter(f, t);
            p += 4;
            continue;
        }
        p = parse_size(p + 1, &c);
        if (*p == '#') {
            c.grows = true;
            p++;
        }
        c.field = field_by_letter(t, *p);
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
            p++;
        if (c.field) {
            p = parse_literal(f, p, &c.text);
        } else {
            const char *bad = arena_text(f, start, p);
            td_vec_push(&f->unknown, bad);
            p = parse_literal(f, p, &c.text);
            c = (struct column){.width = NO_WIDTH, .text = arena_text(f, start, p)};
        }
        td_vec_push(&f->columns, c);
    }
}

void format_parse_names(struct format *f, const struct field_table *t, const char *text)
{
    while (*text) {
        const char *end = strchrnul(text, ','), *colon = memchr(text, ':', (size_t)(end - text));
        const char *name = arena_text(f, text, colon ? colon : end);
        struct column c = {.field = field_by_name(t, name), .width = 20, .text = ""};
        if (colon) {
            c.width = NO_WIDTH;
            const char *p = parse_size(colon + 1, &c);
            c.text = p < end ? arena_text(f, p, end) : "";
            if (c.width == NO_WIDTH && !*c.text)
                c.width = 20;
        }
        if (td_str_casecmp(name, "all") == 0)
            every_letter(f, t);
        else if (c.field)
            td_vec_push(&f->columns, c);
        else
            td_vec_push(&f->unknown, name);
        text = *end ? end + 1 : end;
    }
}

void format_release(struct format *f)
{
    td_vec_release(&f->columns);
    td_vec_release(&f->unknown);
}

/* One code point at p: its length in bytes and its width. Bytes that are no UTF-8 count one each. */
static size_t code_point(const char *p, uint32_t *ret_width)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t n = s[0] < 0xc2 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 1;
    uint32_t cp = n == 1 ? s[0] : n == 2 ? s[0] & 0x1fu : n == 3 ? s[0] & 0xfu : s[0] & 7u;

    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            *ret_width = 1;
            return 1;
        }
        cp = cp << 6 | (s[i] & 0x3fu);
    }
    bool wide = (cp >= 0x1100 && cp <= 0x115f) || (cp >= 0x2e80 && cp <= 0xa4cf) || (cp >= 0xac00 && cp <= 0xd7a3) ||
                (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0xfe30 && cp <= 0xfe6f) || (cp >= 0xff00 && cp <= 0xff60) ||
                (cp >= 0x1f300 && cp <= 0x1faff) || (cp >= 0x20000 && cp <= 0x3fffd);
    bool none = (cp >= 0x300 && cp <= 0x36f) || cp == 0x200b || cp == 0x200d || (cp >= 0xfe00 && cp <= 0xfe0f);
    *ret_width = none ? 0 : wide ? 2 : 1;
    return n;
}

uint32_t text_width(const char *s)
{
    uint32_t width = 0, w;

    while (*s) {
        s += code_point(s, &w);
        width += w;
    }
    return width;
}

static void put_cell(const struct column *c, const char *s, bool whole, struct td_buf *out)
{
    uint32_t used = 0, w;
    const char *end = s;

    if (c->width < 6 && strcmp(s, "(null)") == 0) /* an absence is written whole or not at all */
        s = end = "";
    if (c->width == NO_WIDTH || (whole && text_width(s) >= c->width)) {
        td_buf_puts(out, s);
        return;
    }
    while (used < c->width && *end >= ' ' && *end < 0x7f) { /* nearly all */
        used++;
        end++;
    }
    while (*end) {
        size_t n = code_point(end, &w);
        if (used + w > c->width)
            break;
        used += w;
        end += n;
    }
    if (c->right)
        td_buf_pad(out, ' ', c->width - used);
    td_buf_put(out, s, (size_t)(end - s));
    if (!c->right)
        td_buf_pad(out, ' ', c->width - used);
}

void format_fit(struct format *f, const void *const *rows, uint32_t n)
{
    struct td_buf tmp = {0};

    for (uint32_t i = 0; i < f->columns.n; i++) {
        struct column *c = &f->columns.v[i];
        if (!c->grows)
            continue;
        c->width = GROW_MIN;
        for (uint32_t k = 0; c->field && k < n; k++) {
            td_buf_reset(&tmp);
            c->field->print(&tmp, rows[k]);
            c->width = TD_MAX(c->width, text_width(td_buf_str(&tmp)));
        }
    }
    td_buf_release(&tmp);
}

void format_heading(const struct format *f, struct td_buf *out)
{
    for (uint32_t i = 0; i < f->columns.n; i++) {
        const struct column *c = &f->columns.v[i];
        if (c->field)
            put_cell(c, c->field->title, false, out);
        td_buf_puts(out, c->text);
    }
    td_buf_putc(out, '\n');
}

/* A partition's name gives way to the star behind it. */
static void keep_star(struct td_buf *b, uint32_t width)
{
    const char *s = td_buf_str(b), *end = s;
    uint32_t used = 0, w;

    if (!width || !b->len || s[b->len - 1] != '*' || text_width(s) <= width)
        return;
    for (size_t n = code_point(end, &w); used + w < width; n = code_point(end, &w)) {
        used += w;
        end += n;
    }
    td_autofree char *cut = td_strndup(s, (size_t)(end - s));
    td_buf_reset(b);
    td_buf_putf(b, "%s*", cut);
}

void format_row(const struct format *f, const void *row, struct td_buf *out)
{
    struct td_buf tmp = {0};

    for (uint32_t i = 0; i < f->columns.n; i++) {
        const struct column *c = &f->columns.v[i];
        if (c->field) {
            td_buf_reset(&tmp);
            c->field->print(&tmp, row);
            if (c->field->trait == TRAIT_SPLITS_STAR && c->width != NO_WIDTH)
                keep_star(&tmp, c->width);
            put_cell(c, td_buf_str(&tmp), c->right && c->field->trait == TRAIT_WHOLE, out);
        }
        td_buf_puts(out, c->text);
    }
    td_buf_putc(out, '\n');
    td_buf_release(&tmp);
}

static void put_json(const struct field *f, const char *value, struct td_buf *out)
{
    int64_t n;

    if (f->json == JSON_BOOL)
        td_buf_puts(out, strcmp(value, "1") == 0 || td_str_casecmp(value, "yes") == 0 ? "true" : "false");
    else if (f->json == JSON_NUMBER && td_parse_i64(value, &n))
        td_buf_put_i64(out, n);
    else if (f->json == JSON_NUMBER || strcmp(value, "(null)") == 0 || strcmp(value, "N/A") == 0)
        td_buf_puts(out, "null");
    else
        td_json_string(out, value);
}

void fields_json(const struct field_table *t, const void *const *rows, uint32_t n, struct td_buf *out)
{
    struct td_buf tmp = {0};

    td_buf_puts(out, "[");
    for (uint32_t i = 0; i < n; i++) {
        const char *sep = "";
        td_buf_puts(out, i ? ",\n    {" : "\n    {");
        for (const struct field *f = t->fields; f->print; f++) {
            if (!f->key)
                continue;
            td_buf_putf(out, "%s\"%s\": ", sep, f->key);
            td_buf_reset(&tmp);
            f->print(&tmp, rows[i]);
            put_json(f, td_buf_str(&tmp), out);
            sep = ", ";
        }
        td_buf_puts(out, "}");
    }
    td_buf_puts(out, n ? "\n  ]" : "]");
    td_buf_release(&tmp);
}

int sort_parse(struct sort *s, const struct field_table *t, const char *text, struct td_error *err)
{
    td_autofree char *copy = td_strdup(text);
    char *save = NULL;

    for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        bool down = false;
        const char *key = w;
        while (*key == '+' || *key == '-' || *key == '#')
            down = *key++ == '-';
        const struct field *f = key[0] && !key[1] ? field_by_letter(t, key[0]) : field_by_name(t, key);
        if (!f)
            return td_fail(err, TD_E_USAGE, "Invalid sort specification: %s", w);
        if (s->n == TD_ARRAY_LEN(s->keys) - 1)
            return td_fail(err, TD_E_TOO_BIG, "more than %d sort keys", (int)TD_ARRAY_LEN(s->keys) - 1);
        s->keys[s->n++] = (struct sort_key){.field = f, .down = down};
    }
    return 0;
}

void sort_then(struct sort *s, const struct field_table *t, char letter)
{
    TD_ASSERT(s->n < TD_ARRAY_LEN(s->keys));
    s->keys[s->n++] = (struct sort_key){.field = field_by_letter(t, letter)};
}

/* A row with the texts of the keys that have no order of their own, so that each is printed once. */
struct sorted {
    const void *row;
    uint32_t place;
    const char **texts;
};

static int compare_sorted(const void *va, const void *vb, void *arg)
{
    const struct sorted *a = va, *b = vb;
    const struct sort *s = arg;

    for (uint32_t i = 0; i < s->n; i++) {
        const struct field *f = s->keys[i].field;
        int d = f->compare ? f->compare(a->row, b->row) : strcmp(a->texts[i], b->texts[i]);
        if (d)
            return s->keys[i].down ? -d : d;
    }
    return a->place < b->place ? -1 : 1;
}

static bool is_in_order(const struct sort *s, const struct sorted *v, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        if (compare_sorted(&v[i - 1], &v[i], (void *)(uintptr_t)s) > 0)
            return false;
    return true;
}

void sort_rows(const struct sort *s, const void **rows, uint32_t n)
{
    struct td_arena arena = {0};
    struct sorted *v = td_alloc((n ? n : 1) * sizeof(*v));
    struct td_buf tmp = {0};

    bool texts = false;
    for (uint32_t k = 0; k < s->n; k++)
        texts |= !s->keys[k].field->compare;
    for (uint32_t i = 0; i < n; i++) {
        v[i] = (struct sorted){.row = rows[i], .place = i};
        if (texts)
            v[i].texts = td_arena_alloc(&arena, s->n * sizeof(*v[i].texts));
        for (uint32_t k = 0; k < s->n; k++) {
            if (s->keys[k].field->compare)
                continue;
            td_buf_reset(&tmp);
            s->keys[k].field->print(&tmp, rows[i]);
            v[i].texts[k] = td_arena_strdup(&arena, td_buf_str(&tmp));
        }
    }
    if (!is_in_order(s, v, n)) /* as the broker lists a queue whose priorities are those of its ids */
        qsort_r(v, n, sizeof(*v), compare_sorted, (void *)s);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = v[i].row;
    td_buf_release(&tmp);
    td_arena_release(&arena);
    td_free(v);
}

static bool add_paths(const struct field *f, uint32_t *v, uint32_t *n)
{
    if (!f)
        return true; /* only text */
    if (!f->paths)
        return false;
    for (const uint32_t *p = f->paths; *p; p++) {
        bool there = false;
        for (uint32_t i = 0; i < *n && !there; i++)
            there = v[i] == *p;
        if (!there && *n == TD_MAX_PICKED_FIELDS)
            return false;
        if (!there)
            v[(*n)++] = *p;
    }
    return true;
}

bool fields_paths(const struct format *f, const struct sort *by, struct td_arena *a, struct td_u32s *ret)
{
    uint32_t *v = td_arena_alloc(a, TD_MAX_PICKED_FIELDS * sizeof(*v)), n = 0;
    bool all_named = true;

    for (uint32_t i = 0; i < f->columns.n; i++)
        all_named &= add_paths(f->columns.v[i].field, v, &n);
    for (uint32_t i = 0; i < by->n; i++)
        all_named &= add_paths(by->keys[i].field, v, &n);
    *ret = (struct td_u32s){v, n};
    return all_named && n > 0;
}
