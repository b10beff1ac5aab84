/* hostlist.c - host lists: "node[1-3,07],gpu1", as people write them in slurm.conf and Slurm prints them
 *
 * An item is literal text with at most TD_HOSTLIST_RANGES bracketed ranges ("rack[1-2]node[01-40]"). A range keeps
 * the width of its first number where that has leading zeros. Folding groups names that differ only in their last
 * number, of equal width class. */
#include "types/types.h"

#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 4

/* Splits off the next item at a comma outside brackets. Returns its length; *rest points behind the comma. */
static size_t item_length(const char *text, const char **rest)
{
    int depth = 0;
    const char *p = text;

    for (; *p && (depth > 0 || *p != ','); p++) {
        if (*p == '[')
            depth++;
        else if (*p == ']' && depth > 0)
            depth--;
    }
    *rest = *p ? p + 1 : p;
    return (size_t)(p - text);
}

/* One number-number of a bracket. Digits are counted for the width. */
struct range {
    uint64_t first, last;
    uint32_t width;
};

static const char *range_parse(const char *p, const char *end, struct range *r, struct td_error *err)
{
    const char *start = p;

    *r = (struct range){0};
    for (; p < end && *p >= '0' && *p <= '9' && p - start < 10; p++)
        r->first = r->first * 10 + (uint64_t)(*p - '0');
    if (p == start) {
        td_fail(err, TD_E_INVALID_NODE, "host list: a number is expected at '%.*s'", (int)(end - start), start);
        return NULL;
    }
    r->width = (uint32_t)(p - start);
    r->last = r->first;
    if (p < end && *p == '-') {
        const char *second = ++p;
        for (r->last = 0; p < end && *p >= '0' && *p <= '9' && p - second < 10; p++)
            r->last = r->last * 10 + (uint64_t)(*p - '0');
        if (p == second || r->last < r->first) {
            td_fail(err, TD_E_INVALID_NODE, "host list: bad range '%.*s'", (int)(p - start), start);
            return NULL;
        }
    }
    if (p < end && *p != ',') {
        td_fail(err, TD_E_INVALID_NODE, "host list: unexpected '%c' in a range", *p);
        return NULL;
    }
    return p < end ? p + 1 : p;
}

/* Expands text[0..n) behind `prefix`, appending names. */
static int expand(struct td_hostlist *l, uint32_t max, const char *prefix, const char *text, size_t n, int level,
                  struct td_error *err)
{
    const char *end = text + n, *open = memchr(text, '[', n);
    struct td_buf name = {0};
    int r = 0;

    td_buf_puts(&name, prefix);
    if (!open) {
        td_buf_put(&name, text, n);
        if (memchr(text, ']', n) || name.len == 0)
            r = td_fail(err, TD_E_INVALID_NODE, "host list: '%.*s' is not a node name", (int)n, text);
        else if (l->names.n >= max)
            r = td_fail(err, TD_E_TOO_BIG, "host list: more than %u nodes", max);
        else
            td_vec_push(&l->names, td_strdup(td_buf_str(&name)));
        td_buf_release(&name);
        return r;
    }
    const char *close = memchr(open, ']', (size_t)(end - open));
    if (!close || close == open + 1 || level >= RANGES_MAX) {
        td_buf_release(&name);
        return td_fail(err, TD_E_INVALID_NODE, "host list: bad brackets in '%.*s'", (int)n, text);
    }
    td_buf_put(&name, text, (size_t)(open - text));
    size_t base = name.len;
    for (const char *p = open + 1; r == 0 && p < close;) {
        struct range range;
        p = range_parse(p, close, &range, err);
        if (!p) {
            r = -TD_E_INVALID_NODE;
            break;
        }
        for (uint64_t i = range.first; r == 0 && i <= range.last; i++) {
            name.len = base;
            td_buf_putf(&name, "%0*lu", (int)range.width, (unsigned long)i);
            r = expand(l, max, td_buf_str(&name), close + 1, (size_t)(end - close - 1), level + 1, err);
        }
    }
    td_buf_release(&name);
    return r;
}

/* A literal tail may be empty when a bracket precedes it, so expand() is only asked for whole items here. */
int td_hostlist_parse(const char *text, uint32_t max, struct td_hostlist *ret, struct td_error *err)
{
    struct td_hostlist l = {0};
    int r = 0;

    for (const char *rest; r == 0 && !td_str_empty(text); text = rest) {
        size_t n = item_length(text, &rest);
        if (n == 0)
            r = td_fail(err, TD_E_INVALID_NODE, "host list: empty item before '%s'", rest);
        else
            r = expand(&l, max, "", text, n, 0, err);
    }
    if (r < 0) {
        td_hostlist_release(&l);
        return r;
    }
    *ret = l;
    return 0;
}

void td_hostlist_release(struct td_hostlist *l)
{
    for (uint32_t i = 0; i < l->names.n; i++)
        td_free(l->names.v[i]);
    td_vec_release(&l->names);
}

bool td_hostlist_has(const struct td_hostlist *l, const char *name)
{
    for (uint32_t i = 0; i < l->names.n; i++) {
        if (strcmp(l->names.v[i], name) == 0)
            return true;
    }
    return false;
}

/* Does name (to its end) match text[0..n)? */
static bool item_match(const char *text, size_t n, const char *name)
{
    const char *end = text + n, *open = memchr(text, '[', n);

    if (!open)
        return strlen(name) == n && memcmp(name, text, n) == 0;
    size_t literal = (size_t)(open - text);
    const char *close = memchr(open, ']', (size_t)(end - open));
    if (!close || strncmp(name, text, literal) != 0)
        return false;
    name += literal;
    for (const char *p = open + 1; p && p < close;) {
        struct range r;
        struct td_error ignored;
        p = range_parse(p, close, &r, &ignored);
        if (!p)
            return false;
        uint64_t v = 0;
        uint32_t digits = 0;
        while (name[digits] >= '0' && name[digits] <= '9' && digits < 10) {
            v = v * 10 + (uint64_t)(name[digits++] - '0');
            bool width = digits == r.width || (digits > r.width && name[0] != '0');
            if (width && v >= r.first && v <= r.last &&
                item_match(close + 1, (size_t)(end - close - 1), name + digits))
                return true;
        }
    }
    return false;
}

bool td_hostlist_match(const char *text, const char *name)
{
    for (const char *rest; !td_str_empty(text); text = rest) {
        size_t n = item_length(text, &rest);
        if (item_match(text, n, name))
            return true;
    }
    return false;
}

/* A name taken apart: prefix, its last run of digits, suffix behind it. */
struct part {
    const char *name;
    size_t prefix, digits;
    uint64_t number;
};

static struct part take_apart(const char *name)
{
    struct part p = {.name = name};
    size_t end = strlen(name), stop;

    while (end > 0 && (name[end - 1] < '0' || name[end - 1] > '9'))
        end--;
    for (stop = end; stop > 0 && end - stop < 9 && name[stop - 1] >= '0' && name[stop - 1] <= '9';)
        stop--;
    p.prefix = end ? stop : strlen(name);
    p.digits = end - stop;
    if (!end)
        p.digits = 0;
    for (size_t i = 0; i < p.digits; i++)
        p.number = p.number * 10 + (uint64_t)(name[p.prefix + i] - '0');
    return p;
}

static int sign(long d)
{
    return (d > 0) - (d < 0);
}

/* Same prefix and suffix: numbers decide; else the text. */
static int part_compare(const void *va, const void *vb)
{
    const struct part *a = va, *b = vb;
    size_t n = TD_MIN(a->prefix, b->prefix);
    int d = memcmp(a->name, b->name, n);

    if (d == 0 && a->prefix != b->prefix)
        d = sign((long)a->prefix - (long)b->prefix);
    if (d == 0)
        d = strcmp(a->name + a->prefix + a->digits, b->name + b->prefix + b->digits);
    if (d == 0)
        d = a->number < b->number ? -1 : a->number > b->number;
    if (d == 0)
        d = sign((long)a->digits - (long)b->digits);
    return d;
}

static bool same_family(const struct part *a, const struct part *b)
{
    return a->prefix == b->prefix && a->digits && b->digits && memcmp(a->name, b->name, a->prefix) == 0 &&
           strcmp(a->name + a->prefix + a->digits, b->name + b->prefix + b->digits) == 0;
}

/* May b's number follow a's in one range: the width stays, or grows without leading zeros. */
static bool follows(const struct part *a, const struct part *b)
{
    bool zeros = a->name[a->prefix] == '0' && a->digits > 1;
    return b->number == a->number + 1 && (a->digits == b->digits || (!zeros && b->digits > a->digits));
}

static void put_number(struct td_buf *out, const struct part *p)
{
    td_buf_put(out, p->name + p->prefix, p->digits);
}

void td_hostlist_fold(const char *const *names, uint32_t n, struct td_buf *out)
{
    struct part *parts = td_alloc(n * sizeof(*parts));
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++)
        parts[i] = take_apart(names[i]);
    qsort(parts, n, sizeof(*parts), part_compare);
    for (uint32_t i = 0; i < n; i++) { /* unique */
        if (count == 0 || strcmp(parts[count - 1].name, parts[i].name) != 0)
            parts[count++] = parts[i];
    }
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i + 1;
        while (end < count && same_family(&parts[i], &parts[end]))
            end++;
        if (i > 0)
            td_buf_putc(out, ',');
        if (end == i + 1) {
            td_buf_puts(out, parts[i].name);
            i = end;
            continue;
        }
        td_buf_put(out, parts[i].name, parts[i].prefix);
        td_buf_putc(out, '[');
        for (uint32_t from = i; from < end;) {
            uint32_t to = from;
            while (to + 1 < end && follows(&parts[to], &parts[to + 1]))
                to++;
            if (from > i)
                td_buf_putc(out, ',');
            put_number(out, &parts[from]);
            if (to > from) {
                td_buf_putc(out, '-');
                put_number(out, &parts[to]);
            }
            from = to + 1;
        }
        td_buf_putc(out, ']');
        td_buf_puts(out, parts[i].name + parts[i].prefix + parts[i].digits);
        i = end;
    }
    td_free(parts);
}
