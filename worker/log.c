/* log.c - lines with a time in front, each in one write so that lines of several processes do not mix */
#include "worker/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void td_log(const char *level, const char *fmt, ...)
{
    int saved = errno;
    char line[1200];
    struct timespec ts;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &ts);
    localtime_r(&ts.tv_sec, &tm);
    size_t n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ld %s ", ts.tv_nsec / 1000000, level);

    va_list ap;
    va_start(ap, fmt);
    int more = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
    va_end(ap);
    if (more > 0)
        n += (size_t)more;
    if (n > sizeof(line) - 2)
        n = sizeof(line) - 2;
    line[n++] = '\n';
    while (write(2, line, n) < 0 && errno == EINTR)
        ;
    errno = saved;
}
