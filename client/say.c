/* say.c - see say.h */
#include "say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STALE_SAID_MS 3000 /* a broker that is started again is away for less */

const char *say_name = "tender";
bool say_quiet;
struct td_buf *say_captured;

static void say(const char *kind, const char *fmt, va_list ap)
{
    char text[4096];
    int n = kind ? snprintf(text, sizeof(text), "%s: %s", say_name, kind) : 0;

    vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
    if (say_captured)
        td_buf_putf(say_captured, "%s\n", text);
    else
        fprintf(stderr, "%s\n", text);
}

#define SAY(kind)                \
    do {                         \
        va_list ap;              \
        va_start(ap, fmt);       \
        say((kind), fmt, ap);    \
        va_end(ap);              \
    } while (0)

void say_error(const char *fmt, ...)
{
    SAY("error: ");
}

void say_warning(const char *fmt, ...)
{
    if (!say_quiet)
        SAY("warning: ");
}

void say_note(const char *fmt, ...)
{
    if (!say_quiet)
        SAY("");
}

void say_stale(uint32_t stale_ms)
{
    if (stale_ms >= STALE_SAID_MS)
        say_note("the broker has not been heard for %u s: this is what was known then", stale_ms / 1000);
}

void say_plain(const char *fmt, ...)
{
    SAY(NULL);
}

void say_out(struct td_buf *out)
{
    for (size_t done = 0; done < out->len;) {
        ssize_t n = write(STDOUT_FILENO, out->data + done, out->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno != EPIPE)
                say_error("cannot write the output: %s", strerror(errno));
            exit(1);
        }
        done += (size_t)n;
    }
    td_buf_reset(out);
}

const char *say_words(const struct td_error *err, struct td_buf *tmp)
{
    const char *words = td_error_words(err->code);

    if (!err->text[0])
        return words;
    if (td_str_prefix(err->text, words) || err->code >= TD_E_CONF)
        return err->text;
    td_buf_reset(tmp);
    td_buf_putf(tmp, "%s (%s)", words, err->text);
    return td_buf_str(tmp);
}

void say_failure(const char *what, const struct td_error *err)
{
    const char *words = td_error_words(err->code), *detail = err->text;
    struct td_buf tmp = {0};

    if (err->code == TD_E_NODE_CONFIG) {
        if (td_str_prefix(detail, words))
            detail += strlen(words) + strspn(detail + strlen(words), ": ");
        if (*detail)
            say_error("%s", detail);
        say_error("%s: %s", what, words);
    } else {
        say_error("%s: %s", what, say_words(err, &tmp));
    }
    td_buf_release(&tmp);
}

const char *say_colour(int fd, enum say_colour c)
{
    static const char *const seq[] = {"\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m"};
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    if (!isatty(fd) || (no && *no) || !term || strcmp(term, "dumb") == 0)
        return "";
    return seq[c];
}
