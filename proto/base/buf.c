/* buf.c - bytes that grow, and the only formatter the cores may use (they have no stdio) */
#include "base/base.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void reserve(struct td_buf *b, size_t more)
{
    size_t want = b->len + more + 1;
    TD_ASSERT(want > b->len);
    if (b->cap >= want)
        return;
    size_t cap = b->cap ? b->cap : 128;
    while (cap < want)
        cap *= 2;
    b->data = td_realloc(b->data, cap);
    b->cap = cap;
}

void td_buf_put(struct td_buf *b, const void *p, size_t n)
{
    reserve(b, n);
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = 0;
}

void td_buf_puts(struct td_buf *b, const char *s)
{
    if (s)
        td_buf_put(b, s, strlen(s));
}

void td_buf_putc(struct td_buf *b, char c)
{
    td_buf_put(b, &c, 1);
}

/* Digits of v in base, right-aligned into end[-1], end[-2] ...; returns the first. */
static char *digits(uint64_t v, unsigned base, char *end)
{
    do {
        *--end = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    return end;
}

void td_buf_put_u64(struct td_buf *b, uint64_t v)
{
    char tmp[24], *end = tmp + sizeof(tmp), *p = digits(v, 10, end);
    td_buf_put(b, p, (size_t)(end - p));
}

void td_buf_put_i64(struct td_buf *b, int64_t v)
{
    if (v < 0)
        td_buf_putc(b, '-');
    td_buf_put_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void td_buf_pad(struct td_buf *b, char c, size_t n)
{
    reserve(b, n);
    memset(b->data + b->len, c, n);
    b->len += n;
    b->data[b->len] = 0;
}

const char *td_buf_str(const struct td_buf *b)
{
    return b->data ? (const char *)b->data : "";
}

void td_buf_reset(struct td_buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = 0;
}

void td_buf_release(struct td_buf *b)
{
    td_free(b->data);
    *b = (struct td_buf){0};
}

/* One conversion of a format: flags '-' and '0', a width (digits or *), precision for %s, length l, ll, z. */
struct conv {
    bool left, zero, precise;
    size_t width, precision;
    unsigned longs;
    char what;
};

static const char *conv_parse(const char *f, struct conv *c, va_list *ap)
{
    *c = (struct conv){0};
    for (;; f++) {
        if (*f == '-')
            c->left = true;
        else if (*f == '0')
            c->zero = true;
        else
            break;
    }
    if (*f == '*') {
        c->width = (size_t)va_arg(*ap, int);
        f++;
    }
    for (; *f >= '0' && *f <= '9'; f++)
        c->width = c->width * 10 + (size_t)(*f - '0');
    if (*f == '.') {
        c->precise = true;
        f++;
        if (*f == '*') {
            c->precision = (size_t)va_arg(*ap, int);
            f++;
        }
        for (; *f >= '0' && *f <= '9'; f++)
            c->precision = c->precision * 10 + (size_t)(*f - '0');
    }
    for (; *f == 'l' || *f == 'z' || *f == 'j'; f++)
        c->longs++;
    c->what = *f;
    return *f ? f + 1 : f;
}

static void put_padded(struct td_buf *b, const struct conv *c, bool negative, const char *s, size_t n)
{
    size_t total = n + negative, fill = c->width > total ? c->width - total : 0;

    if (!c->left && !c->zero)
        td_buf_pad(b, ' ', fill);
    if (negative)
        td_buf_putc(b, '-');
    if (!c->left && c->zero)
        td_buf_pad(b, '0', fill);
    td_buf_put(b, s, n);
    if (c->left)
        td_buf_pad(b, ' ', fill);
}

static void put_conv(struct td_buf *b, const struct conv *c, va_list *ap)
{
    char tmp[24], *end = tmp + sizeof(tmp), *p;
    const char *s;
    size_t n;

    switch (c->what) {
    case 'd':
    case 'i': {
        int64_t v = c->longs ? va_arg(*ap, long) : va_arg(*ap, int);
        p = digits(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, end);
        put_padded(b, c, v < 0, p, (size_t)(end - p));
        return;
    }
    case 'u':
    case 'x': {
        uint64_t v = c->longs ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned);
        p = digits(v, c->what == 'x' ? 16 : 10, end);
        put_padded(b, c, false, p, (size_t)(end - p));
        return;
    }
    case 's':
        s = va_arg(*ap, const char *);
        if (!s)
            s = "";
        n = c->precise ? strnlen(s, c->precision) : strlen(s);
        put_padded(b, c, false, s, n);
        return;
    case 'c':
        tmp[0] = (char)va_arg(*ap, int);
        put_padded(b, c, false, tmp, 1);
        return;
    case '%':
        td_buf_putc(b, '%');
        return;
    default:
        td_assert_failed(__FILE__, __LINE__, "a conversion td_format does not know");
    }
}

static void putvf(struct td_buf *b, const char *fmt, va_list *ap)
{
    while (*fmt) {
        const char *stop = fmt;
        while (*stop && *stop != '%')
            stop++;
        td_buf_put(b, fmt, (size_t)(stop - fmt));
        fmt = stop;
        if (*fmt == '%') {
            struct conv c;
            fmt = conv_parse(fmt + 1, &c, ap);
            put_conv(b, &c, ap);
        }
    }
}

void td_buf_putf(struct td_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    putvf(b, fmt, &ap);
    va_end(ap);
}

static size_t copy_out(char *out, size_t cap, struct td_buf *b)
{
    size_t len = b->len, n = cap ? TD_MIN(len, cap - 1) : 0;
    if (cap) {
        memcpy(out, td_buf_str(b), n);
        out[n] = 0;
    }
    td_buf_release(b);
    return len;
}

size_t td_format(char *out, size_t cap, const char *fmt, ...)
{
    struct td_buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    putvf(&b, fmt, &ap);
    va_end(ap);
    return copy_out(out, cap, &b);
}

int td_fail(struct td_error *err, int code, const char *fmt, ...)
{
    TD_ASSERT(code > 0);
    if (err) {
        struct td_buf b = {0};
        va_list ap;
        va_start(ap, fmt);
        putvf(&b, fmt, &ap);
        va_end(ap);
        err->code = code;
        copy_out(err->text, sizeof(err->text), &b);
    }
    return -code;
}
