/* screen.c - see screen.h */
#include "screen.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "say.h"

static struct termios tty_before;
static bool tty_changed;

void screen_leave(void)
{
    static const char leave[] = "\033[?7h\033[?25h\033[?1049l";

    if (!tty_changed)
        return;
    tty_changed = false;
    tcsetattr(STDIN_FILENO, TCSANOW, &tty_before);
    if (write(STDOUT_FILENO, leave, sizeof(leave) - 1) < 0)
        return; /* the terminal is gone, and with it what was to be mended */
}

static void on_signal(int signal)
{
    screen_leave();
    _exit(128 + signal);
}

int screen_enter(struct td_error *err)
{
    static const char enter[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
    struct termios raw;
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

    if (tcgetattr(STDIN_FILENO, &tty_before) < 0)
        return td_fail(err, TD_E_IO, "cannot ask the terminal: %s", strerror(errno));
    for (size_t i = 0; i < TD_ARRAY_LEN(signals); i++) {
        struct sigaction sa = {.sa_handler = on_signal};
        sigaction(signals[i], &sa, NULL);
    }
    raw = tty_before;
    raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
        return td_fail(err, TD_E_IO, "cannot set the terminal: %s", strerror(errno));
    tty_changed = true;
    if (write(STDOUT_FILENO, enter, sizeof(enter) - 1) < 0)
        return td_fail(err, TD_E_IO, "cannot write to the terminal: %s", strerror(errno));
    return 0;
}

void screen_forget(struct screen *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        td_free(s->lines[i]);
    td_free(s->lines);
    s->lines = NULL;
    s->n = 0;
}

bool screen_stands_still(struct td_buf *status, bool lost, uint32_t stale_ms)
{
    if (lost)
        td_buf_puts(status, "the front is away: the picture stands still");
    else if (stale_ms)
        td_buf_putf(status, "the broker has not answered for %u s: the picture stands still", (stale_ms - 1) / 1000 + 1);
    return lost || stale_ms;
}

static void put_line(struct screen *s, struct td_buf *out, uint32_t at, const char *text, size_t len)
{
    td_autofree char *line = td_strndup(text, len);

    if (s->lines[at] && strcmp(s->lines[at], line) == 0)
        return;
    td_free(s->lines[at]);
    s->lines[at] = td_strdup(line);
    td_buf_putf(out, "\033[%u;1H%s\033[K", at + 1, line);
}

void screen_draw(struct screen *s, const char *table, const char *status)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    struct td_buf out = {0};
    uint32_t at = 0, line = 0;

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size); /* refused, or of no size: the usual one */
    size.ws_row = size.ws_row ? size.ws_row : 24;
    size.ws_col = size.ws_col ? size.ws_col : 80;
    if (size.ws_row != s->rows || size.ws_col != s->columns) {
        screen_forget(s);
        s->rows = TD_MAX(size.ws_row, 3u);
        s->columns = size.ws_col;
        s->lines = td_alloc(s->rows * sizeof(*s->lines));
        s->n = s->rows;
        td_buf_puts(&out, "\033[2J");
    }
    for (const char *p = table; *p && at + 1 < s->rows; line++) {
        size_t len = strcspn(p, "\n");
        if (line == 0 || line > s->top)
            put_line(s, &out, at++, p, len);
        p += len + (p[len] == '\n');
    }
    while (at + 1 < s->rows)
        put_line(s, &out, at++, "", 0);
    put_line(s, &out, at, status, strlen(status));
    say_out(&out);
    td_buf_release(&out);
}
