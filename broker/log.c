/* log.c - the broker's log: lines are gathered and written once a wake
 *
 * A log that cannot be written must not stop the broker: the lines are counted, and the count is the first line when
 * it can be written again. */
#include "broker/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINES_BYTES_MAX (4u * 1024 * 1024)

int shell_log_open(struct shell_log *l, const char *path, struct td_error *err)
{
    int fd = STDERR_FILENO;
    if (path) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0)
            return td_fail(err, TD_E_IO, "cannot open log file %s: %s", path, strerror(errno));
    }
    if (l->path)
        close(l->fd);
    l->fd = fd;
    l->path = path;
    return 0;
}

static void put_time(struct td_buf *b)
{
    static time_t second;
    static char text[32];
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (t.tv_sec != second) {
        struct tm tm;
        second = t.tv_sec;
        localtime_r(&second, &tm);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    }
    char ms[16];
    snprintf(ms, sizeof(ms), ".%03u ", (unsigned)(t.tv_nsec / 1000000) % 1000);
    td_buf_puts(b, text);
    td_buf_puts(b, ms);
}

void shell_log(struct shell_log *l, const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || l->lines.len > LINES_BYTES_MAX) {
        l->lost++;
        return;
    }
    for (char *p = line; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' '; /* words of users come through here: a line stays a line */
    put_time(&l->lines);
    td_buf_puts(&l->lines, line);
    td_buf_putc(&l->lines, '\n');
}

void shell_log_flush(struct shell_log *l)
{
    if (!l->lines.len)
        return;
    if (l->lost) {
        struct td_buf head = {0};
        put_time(&head);
        td_buf_putf(&head, "warn log lost=%llu lines could not be written\n", (unsigned long long)l->lost);
        if (write(l->fd, head.data, head.len) == (ssize_t)head.len)
            l->lost = 0;
        td_buf_release(&head);
    }
    size_t done = 0;
    while (done < l->lines.len) {
        ssize_t n = write(l->fd, l->lines.data + done, l->lines.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    for (size_t i = done; i < l->lines.len; i++)
        l->lost += l->lines.data[i] == '\n';
    td_buf_reset(&l->lines);
}

void shell_log_release(struct shell_log *l)
{
    shell_log_flush(l);
    td_buf_release(&l->lines);
    if (l->path)
        close(l->fd);
}
