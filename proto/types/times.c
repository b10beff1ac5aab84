/* times.c - durations, civil times and sizes as people write them; by arithmetic, with "now" and the zone given
 *
 * Days from civil dates: the usual era arithmetic on the proleptic Gregorian calendar (years start in March). */
#include "types/types.h"

#include <string.h>

#define MINUTE 60
#define HOUR 3600
#define DAY 86400

/* A run of digits, at most nine. */
static const char *digits(const char *p, uint64_t *ret)
{
    const char *start = p;
    for (*ret = 0; *p >= '0' && *p <= '9'; p++) {
        if (p - start >= 9)
            return NULL;
        *ret = *ret * 10 + (uint64_t)(*p - '0');
    }
    return p == start ? NULL : p;
}

static int bad_duration(struct td_error *err, const char *text)
{
    return td_fail(err, TD_E_TIME_LIMIT, "Invalid time specification '%s' (minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S)",
                   text);
}

int td_duration_parse(const char *text, uint32_t *ret_s, struct td_error *err)
{
    uint64_t part[3] = {0}, days = 0, s;
    int n = 0;
    const char *p = text;
    bool with_days = false;

    if (td_str_empty(text))
        return bad_duration(err, "");
    if (strcmp(text, "-1") == 0 || td_str_casecmp(text, "UNLIMITED") == 0 || td_str_casecmp(text, "INFINITE") == 0) {
        *ret_s = TD_INFINITE;
        return 0;
    }
    for (;;) {
        if (n == 3 || !(p = digits(p, &part[n++])))
            return bad_duration(err, text);
        if (*p == '-' && n == 1 && !with_days) {
            with_days = true;
            days = part[0];
            n = 0;
            part[0] = 0;
            p++;
            continue;
        }
        if (*p != ':')
            break;
        p++;
    }
    if (*p)
        return bad_duration(err, text);
    if (with_days)
        s = days * DAY + part[0] * HOUR + part[1] * MINUTE + part[2];
    else if (n == 1)
        s = part[0] * MINUTE;
    else if (n == 2)
        s = part[0] * MINUTE + part[1];
    else
        s = part[0] * HOUR + part[1] * MINUTE + part[2];
    if (s >= TD_INFINITE)
        return td_fail(err, TD_E_TIME_LIMIT, "Invalid time specification '%s': longer than 136 years", text);
    *ret_s = (uint32_t)s;
    return 0;
}

void td_duration_print(uint32_t s, struct td_buf *out)
{
    if (s == TD_INFINITE) {
        td_buf_puts(out, "UNLIMITED");
        return;
    }
    if (s >= DAY)
        td_buf_putf(out, "%u-", s / DAY);
    td_buf_putf(out, "%02u:%02u:%02u", s % DAY / HOUR, s % HOUR / MINUTE, s % MINUTE);
}

void td_elapsed_print(uint64_t s, struct td_buf *out)
{
    unsigned long days = s / DAY;
    unsigned h = (unsigned)(s % DAY / HOUR), m = (unsigned)(s % HOUR / MINUTE), sec = (unsigned)(s % MINUTE);

    if (days)
        td_buf_putf(out, "%lu-%02u:%02u:%02u", days, h, m, sec);
    else if (h)
        td_buf_putf(out, "%u:%02u:%02u", h, m, sec);
    else
        td_buf_putf(out, "%u:%02u", m, sec);
}

struct civil {
    int64_t year;
    unsigned month, day; /* 1.. */
};

static int64_t days_from_civil(struct civil c)
{
    int64_t y = c.month <= 2 ? c.year - 1 : c.year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * ((int64_t)c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static struct civil civil_from_days(int64_t z)
{
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    struct civil c = {.month = (unsigned)(mp < 10 ? mp + 3 : mp - 9), .day = (unsigned)(doy - (153 * mp + 2) / 5 + 1)};
    c.year = yoe + era * 400 + (c.month <= 2);
    return c;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

void td_time_print(int64_t ms, int32_t zone_s, struct td_buf *out)
{
    int64_t s = floor_div(ms, 1000) + zone_s, day = floor_div(s, DAY), in_day = s - day * DAY;
    struct civil c = civil_from_days(day);

    td_buf_putf(out, "%04ld-%02u-%02uT%02u:%02u:%02u", (long)c.year, c.month, c.day, (unsigned)(in_day / HOUR),
                (unsigned)(in_day % HOUR / MINUTE), (unsigned)(in_day % MINUTE));
}

/* now+N<unit>; text is behind "now". */
static int parse_offset(const char *p, int64_t *ret_s)
{
    static const struct {
        const char *name;
        int64_t s;
    } units[] = {{"second", 1}, {"minute", MINUTE}, {"hour", HOUR}, {"day", DAY}, {"week", 7 * DAY}};
    uint64_t n;

    if (!*p) {
        *ret_s = 0;
        return 0;
    }
    int64_t minus = *p == '-' ? -1 : 1;
    if ((*p != '+' && *p != '-') || !(p = digits(p + 1, &n)))
        return -1;
    if (!*p) {
        *ret_s = minus * (int64_t)n;
        return 0;
    }
    size_t len = strlen(p);
    if (len > 1 && p[len - 1] == 's')
        len--;
    for (size_t i = 0; i < TD_ARRAY_LEN(units); i++) {
        if (len <= strlen(units[i].name) && strncmp(p, units[i].name, len) == 0 && (len >= 3 || len == 1)) {
            *ret_s = minus * (int64_t)n * units[i].s;
            return 0;
        }
    }
    return -1;
}

/* HH:MM[:SS][AM|PM] */
static int parse_clock(const char *p, int64_t *ret_s)
{
    uint64_t h, m, s = 0;

    if (!(p = digits(p, &h)) || *p != ':' || !(p = digits(p + 1, &m)))
        return -1;
    if (*p == ':' && !(p = digits(p + 1, &s)))
        return -1;
    if (h > 23 || m > 59 || s > 59)
        return -1;
    if (*p) {
        bool pm = td_str_casecmp(p, "PM") == 0;
        if ((!pm && td_str_casecmp(p, "AM") != 0) || h < 1 || h > 12)
            return -1;
        h = h % 12 + (pm ? 12 : 0);
    }
    *ret_s = (int64_t)(h * HOUR + m * MINUTE + s);
    return 0;
}

static bool date_exists(struct civil c)
{
    struct civil back;
    if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > 31 || c.year < 1970 || c.year > 9999)
        return false;
    back = civil_from_days(days_from_civil(c));
    return back.month == c.month && back.day == c.day;
}

/* YYYY-MM-DD, MM/DD, MM/DD/YY, MMDDYY; returns what is behind it. */
static const char *parse_date(const char *p, int64_t this_year, struct civil *ret)
{
    uint64_t a, b, c;
    const char *q = digits(p, &a);

    if (!q)
        return NULL;
    if (*q == '-' && q - p == 4) {
        if (!(q = digits(q + 1, &b)) || *q != '-' || !(q = digits(q + 1, &c)))
            return NULL;
        *ret = (struct civil){(int64_t)a, (unsigned)b, (unsigned)c};
    } else if (*q == '/') {
        if (!(q = digits(q + 1, &b)))
            return NULL;
        *ret = (struct civil){this_year, (unsigned)a, (unsigned)b};
        if (*q == '/') {
            if (!(q = digits(q + 1, &c)))
                return NULL;
            ret->year = (int64_t)(c < 100 ? 2000 + c : c);
        }
    } else {
        return NULL;
    }
    return date_exists(*ret) ? q : NULL;
}

int td_time_parse(const char *text, int64_t now_ms, int32_t zone_s, int64_t *ret_ms, struct td_error *err)
{
    static const struct {
        const char *name;
        int64_t s;
    } named[] = {{"midnight", 0}, {"noon", 12 * HOUR}, {"elevenses", 11 * HOUR}, {"fika", 15 * HOUR}, {"teatime", 16 * HOUR}};
    int64_t local = floor_div(now_ms, 1000) + zone_s, today = floor_div(local, DAY), in_day;
    struct civil date;
    const char *rest;

    if (td_str_empty(text))
        return td_fail(err, TD_E_USAGE, "Invalid time specification: empty");
    if (strncmp(text, "now", 3) == 0 && parse_offset(text + 3, &in_day) == 0) {
        *ret_ms = now_ms + in_day * 1000;
        return 0;
    }
    if (strcmp(text, "today") == 0) {
        *ret_ms = (today * DAY - zone_s) * 1000;
        return 0;
    }
    if (strcmp(text, "tomorrow") == 0) {
        *ret_ms = ((today + 1) * DAY - zone_s) * 1000;
        return 0;
    }
    for (size_t i = 0; i < TD_ARRAY_LEN(named); i++) {
        if (strcmp(text, named[i].name) == 0) {
            int64_t at = today * DAY + named[i].s;
            *ret_ms = (at + (at <= local ? DAY : 0) - zone_s) * 1000;
            return 0;
        }
    }
    if (parse_clock(text, &in_day) == 0) { /* today, or tomorrow when it is over */
        int64_t at = today * DAY + in_day;
        *ret_ms = (at + (at <= local ? DAY : 0) - zone_s) * 1000;
        return 0;
    }
    rest = parse_date(text, civil_from_days(today).year, &date);
    in_day = 0;
    if (rest && (*rest == 0 || ((*rest == 'T' || *rest == '-' || *rest == ' ') && parse_clock(rest + 1, &in_day) == 0))) {
        *ret_ms = (days_from_civil(date) * DAY + in_day - zone_s) * 1000;
        return 0;
    }
    return td_fail(err, TD_E_USAGE, "Invalid time specification '%s'", text);
}

int td_memory_parse(const char *text, uint64_t *ret_mb, struct td_error *err)
{
    uint64_t v = 0, kib;
    const char *p = text ? text : "";
    const char *start = p;

    for (; *p >= '0' && *p <= '9' && p - start < 15; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    if (p == start)
        return td_fail(err, TD_E_USAGE, "Invalid memory specification '%s'", start);
    char unit = *p ? *p++ : 'M';
    if ((*p == 'B' || *p == 'b') && p[1] == 0)
        p++;
    if (*p)
        return td_fail(err, TD_E_USAGE, "Invalid memory specification '%s'", start);
    switch (unit) {
    case 'K': case 'k': kib = 1; break;
    case 'M': case 'm': kib = 1024; break;
    case 'G': case 'g': kib = 1024 * 1024; break;
    case 'T': case 't': kib = 1024ull * 1024 * 1024; break;
    default:
        return td_fail(err, TD_E_USAGE, "Invalid memory specification '%s': unit '%c' is none of K, M, G, T", start, unit);
    }
    if (v > UINT64_MAX / 2 / kib)
        return td_fail(err, TD_E_USAGE, "Invalid memory specification '%s': too large", start);
    *ret_mb = (v * kib + 1023) / 1024;
    return 0;
}
