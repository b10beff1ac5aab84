/* array.c - array expressions: "0-15:4,20%3", and index sets printed back */
#include "types/types.h"

#include <string.h>

static const char *number(const char *p, uint64_t *ret)
{
    const char *start = p;
    for (*ret = 0; *p >= '0' && *p <= '9' && p - start < 10; p++)
        *ret = *ret * 10 + (uint64_t)(*p - '0');
    return p == start ? NULL : p;
}

static int bad(struct td_error *err, const char *text, const char *why)
{
    return td_fail(err, TD_E_INVALID_ARRAY, "Invalid job array specification: '%s': %s", text, why);
}

int td_array_parse(const char *text, uint32_t max, struct td_span *ret_spans, uint32_t cap, uint32_t *ret_n,
                   uint32_t *ret_limit, struct td_error *err)
{
    const char *p = text;
    uint32_t n = 0;
    uint64_t limit = 0;

    if (td_str_empty(text))
        return bad(err, "", "empty");
    for (;;) {
        uint64_t first, last, step = 1;
        if (!(p = number(p, &first)))
            return bad(err, text, "an index is expected");
        last = first;
        if (*p == '-' && !(p = number(p + 1, &last)))
            return bad(err, text, "a range lacks its end");
        if (*p == ':' && !(p = number(p + 1, &step)))
            return bad(err, text, "a step is expected behind ':'");
        if (last < first)
            return bad(err, text, "a range runs backwards");
        if (step == 0)
            return bad(err, text, "a step of 0");
        if (last >= max) {
            return td_fail(err, TD_E_INVALID_ARRAY,
                           "Invalid job array specification: index %lu is not below MaxArraySize (%u)",
                           (unsigned long)last, max);
        }
        if (n >= cap)
            return td_fail(err, TD_E_TOO_BIG, "Invalid job array specification: more than %u ranges", cap);
        ret_spans[n++] = (struct td_span){(uint32_t)first, (uint32_t)(last - (last - first) % step), (uint32_t)step};
        if (*p != ',')
            break;
        p++;
    }
    if (*p == '%') {
        if (!(p = number(p + 1, &limit)))
            return bad(err, text, "a number is expected behind '%'");
        if (limit == 0 || limit > UINT32_MAX)
            return bad(err, text, "the limit behind '%' must be above 0");
    }
    if (*p)
        return bad(err, text, "unexpected text at its end");
    *ret_n = n;
    *ret_limit = (uint32_t)limit;
    return 0;
}

static void put_run(struct td_buf *out, bool *first, int64_t from, int64_t to, int64_t step)
{
    if (!*first)
        td_buf_putc(out, ',');
    *first = false;
    td_buf_put_i64(out, from);
    if (to > from) {
        td_buf_putc(out, '-');
        td_buf_put_i64(out, to);
    }
    if (step > 1)
        td_buf_putf(out, ":%ld", (long)step);
}

/* The whole set with one stride, of three indices or more, prints as first-last:step; anything else as ranges. */
static bool fold_stride(struct td_bin bits, struct td_buf *out)
{
    int64_t first = td_bits_next(bits.v, bits.n, 0), last = -1, step = 0, count = 0;

    for (int64_t i = first; i >= 0; i = td_bits_next(bits.v, bits.n, (uint32_t)i + 1)) {
        if (count == 1)
            step = i - last;
        else if (count > 1 && i - last != step)
            return false;
        last = i;
        count++;
    }
    if (count < 3 || step < 2)
        return false;
    bool fresh = true;
    put_run(out, &fresh, first, last, step);
    return true;
}

void td_array_fold(struct td_bin bits, struct td_buf *out)
{
    bool fresh = true;

    if (fold_stride(bits, out))
        return;
    for (int64_t from = td_bits_next(bits.v, bits.n, 0); from >= 0;) {
        int64_t to = from;
        while (td_bits_get(bits.v, bits.n, (uint32_t)to + 1))
            to++;
        put_run(out, &fresh, from, to, 1);
        from = td_bits_next(bits.v, bits.n, (uint32_t)to + 1);
    }
}
