/* log.c - lines with a time in front, each in one write so that lines of several processes do not mix */
#include "worker/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

static int person = -1;
static const char *speaker = "";

void td_log_also_to(int fd, const char *program)
{
    person = fd;
    speaker = program;
}

/* A terminal that was stopped (^S) or a full pipe is passed over: the log has the line. */
static void tell(const char *text)
{
    char line[1200];
    struct pollfd p = {.fd = person, .events = POLLOUT};
    if (person < 0 || poll(&p, 1, 0) <= 0 || !(p.revents & POLLOUT))
        return;
    int n = snprintf(line, sizeof(line) - 1, "%s: %s", speaker, text);
    size_t len = n < 0 ? 0 : TD_MIN((size_t)n, sizeof(line) - 2);
    line[len++] = '\n';
    if (write(person, line, len) < 0 && errno != EINTR)
        person = -1; /* whoever started us has left */
}

void td_log_tell(const char *fmt, ...)
{
    int saved = errno;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tell(text);
    errno = saved;
}

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

    size_t head = n;
    va_list ap;
    va_start(ap, fmt);
    int more = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
    va_end(ap);
    if (more > 0)
        n += (size_t)more;
    if (n > sizeof(line) - 2)
        n = sizeof(line) - 2;
    line[n] = '\0';
    if (strcmp(level, "info") != 0)
        tell(line + head);
    line[n++] = '\n';
    while (write(2, line, n) < 0 && errno == EINTR)
        ;
    errno = saved;
}
