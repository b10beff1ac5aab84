/* str.c - comparing and reading small strings, without locale and without stdio */
#include "base/base.h"

#include <string.h>

bool td_str_empty(const char *s)
{
    return !s || !*s;
}

bool td_str_equal(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static int lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

int td_str_casecmp(const char *a, const char *b)
{
    a = a ? a : "";
    b = b ? b : "";
    while (*a && lower((uint8_t)*a) == lower((uint8_t)*b)) {
        a++;
        b++;
    }
    return lower((uint8_t)*a) - lower((uint8_t)*b);
}

bool td_str_prefix(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool td_parse_u64(const char *s, uint64_t *ret)
{
    uint64_t v = 0;

    if (td_str_empty(s))
        return false;
    for (; *s; s++) {
        uint64_t d = (uint64_t)(*s - '0');
        if (*s < '0' || *s > '9' || v > (UINT64_MAX - d) / 10)
            return false;
        v = v * 10 + d;
    }
    *ret = v;
    return true;
}

bool td_parse_i64(const char *s, int64_t *ret)
{
    bool minus = s && *s == '-';
    uint64_t v;

    if (!td_parse_u64(s ? s + (minus || *s == '+') : s, &v) || v > (uint64_t)INT64_MAX + minus)
        return false;
    *ret = (int64_t)(minus ? 0 - v : v);
    return true;
}

uint32_t td_edit_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    uint32_t row[MAX + 1];
    size_t na = strnlen(a, MAX), nb = strnlen(b, MAX);

    for (size_t j = 0; j <= nb; j++)
        row[j] = (uint32_t)j;
    for (size_t i = 1; i <= na; i++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)i;
        for (size_t j = 1; j <= nb; j++) {
            uint32_t swap = diagonal + (lower((uint8_t)a[i - 1]) != lower((uint8_t)b[j - 1]));
            diagonal = row[j];
            row[j] = TD_MIN(swap, TD_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[nb];
}
