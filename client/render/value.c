/* value.c - see value.h */
#include "render/value.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "connect.h"

/* SLURM_TIME_FORMAT=relative: 12:34:56 today, "Tomorr 12:34" and the like near by, a date far away. */
static void put_relative(struct td_buf *out, int64_t ms)
{
    time_t t = (time_t)(ms / 1000), now = (time_t)(client_now_ms() / 1000);
    struct tm then, today;
    char text[64];

    if (!localtime_r(&t, &then) || !localtime_r(&now, &today))
        return;
    struct tm a = then, b = today;
    a.tm_hour = b.tm_hour = 12;
    a.tm_min = b.tm_min = a.tm_sec = b.tm_sec = 0;
    a.tm_isdst = b.tm_isdst = -1;
    double days = difftime(mktime(&a), mktime(&b)) / 86400;
    int near = days < 0 ? (int)(days - 0.5) : (int)(days + 0.5);
    const char *format = near == 0                            ? "%H:%M:%S"
                         : near == 1                          ? "Tomorr %H:%M"
                         : near == -1                         ? "Ystday %H:%M"
                         : near > 0 && near < 7               ? "%a %H:%M"
                         : then.tm_year == today.tm_year      ? "%-d %b %H:%M"
                                                              : "%-d %b %Y";
    strftime(text, sizeof(text), format, &then);
    td_buf_puts(out, text);
}

void put_moment(struct td_buf *out, int64_t ms, const char *none)
{
    const char *format = getenv("SLURM_TIME_FORMAT");

    if (ms <= 0) {
        td_buf_puts(out, none);
    } else if (!format || !*format || strcmp(format, "standard") == 0) {
        td_time_print(ms, client_zone_s(ms), out);
    } else if (strcmp(format, "relative") == 0) {
        put_relative(out, ms);
    } else {
        time_t t = (time_t)(ms / 1000);
        struct tm tm;
        char text[256];
        size_t n = localtime_r(&t, &tm) ? strftime(text, sizeof(text), format, &tm) : 0;
        td_buf_put(out, text, n);
    }
}

void put_date_line(struct td_buf *out, int64_t ms)
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    char text[64];

    if (localtime_r(&t, &tm) && strftime(text, sizeof(text), "%a %b %d %H:%M:%S %Y", &tm))
        td_buf_putf(out, "%s\n", text);
}

void put_memory(struct td_buf *out, uint64_t mb)
{
    if (mb == 0)
        td_buf_puts(out, "0");
    else if (mb % (1024 * 1024) == 0)
        td_buf_putf(out, "%lluT", (unsigned long long)mb / (1024 * 1024));
    else if (mb % 1024 == 0)
        td_buf_putf(out, "%lluG", (unsigned long long)mb / 1024);
    else
        td_buf_putf(out, "%lluM", (unsigned long long)mb);
}

void put_or_null(struct td_buf *out, const char *s)
{
    td_buf_puts(out, td_str_empty(s) ? "(null)" : s);
}
