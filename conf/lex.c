/* lex.c - configuration files as lines of words
 *
 * A line is words Key=Value between blanks. Blanks may stand around '=', a value in double quotes may hold blanks
 * and '#'. A backslash at the end of a line, or before its trailing comment, continues it. '#' starts a comment unless
 * it is quoted or written \#. `Include FILE` stands alone on its line; %c in FILE is the cluster's name.
 * Knows nothing of: which keys there are. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/lex.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/* One physical line without its comment; returns whether a continuation follows. A quote may not span lines. */
static int line_strip(const char *text, size_t len, struct td_buf *out, bool *ret_more, const char *label,
                      uint32_t line, struct td_error *err)
{
    size_t start = out->len;
    bool quoted = false;

    *ret_more = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\0')
            return td_fail(err, TD_E_CONF, "%s line %u: a zero byte", label, line);
        if (c == '"')
            quoted = !quoted;
        if (c == '#' && !quoted) {
            if (i > 0 && text[i - 1] == '\\') {
                out->data[out->len - 1] = '#';
                continue;
            }
            break;
        }
        td_buf_putc(out, c);
    }
    if (quoted)
        return td_fail(err, TD_E_CONF, "%s line %u: a quote is not closed", label, line);
    while (out->len > start && is_blank((char)out->data[out->len - 1]))
        out->len--;
    if (out->len > start && out->data[out->len - 1] == '\\') {
        out->len--;
        *ret_more = true;
    }
    return 0;
}

struct cursor {
    const char *at, *end;
    uint32_t line;
};

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && is_blank(*c->at)) {
        if (*c->at == '\n')
            c->line++;
        c->at++;
    }
}

/* A value: everything to the next blank, with quotes taken off. */
static const char *value_read(struct cursor *c, struct td_arena *a)
{
    const char *end = c->at;
    size_t n = 0;
    bool quoted = false;

    for (; end < c->end && (quoted || !is_blank(*end)); end++)
        if (*end == '"')
            quoted = !quoted;
    char *value = td_arena_alloc(a, (size_t)(end - c->at) + 1);
    for (; c->at < end; c->at++)
        if (*c->at != '"')
            value[n++] = *c->at;
    value[n] = '\0';
    return value;
}

static int word_read(struct lex *l, struct cursor *c, const char *label, struct lex_word *ret, struct td_error *err)
{
    const char *start = c->at;
    uint32_t line = c->line;

    while (c->at < c->end && !is_blank(*c->at) && *c->at != '=' && *c->at != '"')
        c->at++;
    size_t n = (size_t)(c->at - start);
    if (n == 0)
        return td_fail(err, TD_E_CONF, "%s line %u: no key before '%c'", label, line, *c->at);
    if (start[n - 1] == '+' || start[n - 1] == '-')
        return td_fail(err, TD_E_CONF, "%s line %u: only Key=Value is understood, not %c=", label, line, start[n - 1]);
    char *key = td_arena_alloc(l->arena, n + 1);
    memcpy(key, start, n);
    *ret = (struct lex_word){.key = key, .line = line};

    struct cursor after = *c;
    skip_blanks(&after);
    if (after.at == after.end || *after.at != '=')
        return 0;
    after.at++;
    skip_blanks(&after);
    *c = after;
    ret->value = c->at == c->end ? "" : value_read(c, l->arena);
    return 0;
}

static int include(struct lex *l, const struct lex_line *from, const char *name, struct td_error *err);

/* Splits a logical line. Joints of continued lines are '\n' in it, so that words know their own line. */
static int line_split(struct lex *l, const char *text, size_t len, const char *label, uint32_t first,
                      struct td_error *err)
{
    struct cursor c = {.at = text, .end = text + len, .line = first};
    TD_VEC(struct lex_word) words = {0};
    int r = 0;

    for (skip_blanks(&c); c.at < c.end && r == 0; skip_blanks(&c)) {
        struct lex_word w;
        r = word_read(l, &c, label, &w, err);
        if (r == 0 && ++l->nwords > CONF_WORDS_MAX)
            r = td_fail(err, TD_E_TOO_BIG, "%s line %u: more than %u words", label, c.line, CONF_WORDS_MAX);
        if (r < 0)
            break;
        if (w.value && td_str_casecmp(w.key, "ClusterName") == 0)
            l->cluster = w.value;
        td_vec_push(&words, w);
    }
    if (r == 0 && words.n > 0) {
        struct lex_line line = {
            .file = label,
            .line = words.v[0].line,
            .nwords = words.n,
            .words = td_arena_dup(l->arena, words.v, words.n * sizeof(words.v[0])),
        };
        if (!words.v[0].value && td_str_casecmp(words.v[0].key, "Include") == 0) {
            if (words.n == 2 && !words.v[1].value)
                r = include(l, &line, words.v[1].key, err);
            else
                r = td_fail(err, TD_E_CONF, "%s line %u: Include wants one file name", label, line.line);
        } else {
            td_vec_push(&l->lines, line);
        }
    }
    td_vec_release(&words);
    return r;
}

int lex_text(struct lex *l, const char *text, size_t len, const char *label, struct td_error *err)
{
    struct td_buf logical = {0};
    uint32_t line = 0, first = 1;
    bool more = false;
    int r = 0;

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
        text += 3;
        len -= 3;
    }
    for (size_t at = 0; at < len && r == 0;) {
        const char *nl = memchr(text + at, '\n', len - at);
        size_t n = nl ? (size_t)(nl - (text + at)) : len - at;
        line++;
        if (more)
            td_buf_putc(&logical, '\n');
        else
            first = line;
        r = line_strip(text + at, n, &logical, &more, label, line, err);
        at += n + (nl ? 1 : 0);
        if (r == 0 && (!more || at >= len)) {
            r = line_split(l, td_buf_str(&logical), logical.len, label, first, err);
            td_buf_reset(&logical);
        }
    }
    td_buf_release(&logical);
    return r;
}

static int file_read(const char *path, struct td_buf *out, bool may_lack, struct td_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0) {
        if (may_lack && (errno == ENOENT || errno == ENOTDIR))
            return 0;
        return td_fail(err, TD_E_CONF, "cannot read %s: %s", path, strerror(errno));
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return td_fail(err, TD_E_CONF, "cannot read %s: not a file", path);
    }
    for (;;) {
        char chunk[65536];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int e = errno;
            close(fd);
            return td_fail(err, TD_E_CONF, "cannot read %s: %s", path, strerror(e));
        }
        if (n == 0)
            break;
        td_buf_put(out, chunk, (size_t)n);
        if (out->len > CONF_FILE_BYTES_MAX) {
            close(fd);
            return td_fail(err, TD_E_TOO_BIG, "%s is larger than %u bytes", path, CONF_FILE_BYTES_MAX);
        }
    }
    close(fd);
    return 1;
}

int lex_file(struct lex *l, const char *path, const char *label, bool may_lack, struct td_error *err)
{
    struct td_buf text = {0};
    int r = file_read(path, &text, may_lack, err);

    if (r > 0) {
        int parsed = lex_text(l, td_buf_str(&text), text.len, td_arena_strdup(l->arena, label), err);
        if (parsed < 0)
            r = parsed;
    }
    td_buf_release(&text);
    return r;
}

static int include(struct lex *l, const struct lex_line *from, const char *name, struct td_error *err)
{
    struct td_buf path = {0};
    struct td_error why = {0};
    int r;

    if (l->depth >= CONF_INCLUDE_DEPTH_MAX || ++l->nfiles > CONF_FILES_MAX)
        return td_fail(err, TD_E_CONF, "%s line %u: Include goes deeper than %u files", from->file, from->line,
                       CONF_INCLUDE_DEPTH_MAX);
    if (name[0] != '/' && l->dir) {
        td_buf_puts(&path, l->dir);
        td_buf_putc(&path, '/');
    }
    for (const char *p = name; *p; p++) {
        if (p[0] == '%' && p[1] == 'c') {
            td_buf_puts(&path, l->cluster ? l->cluster : "");
            p++;
        } else {
            td_buf_putc(&path, *p);
        }
    }
    l->depth++;
    r = lex_file(l, td_buf_str(&path), name, false, &why);
    l->depth--;
    td_buf_release(&path);
    if (r >= 0)
        return 0;
    if (td_str_prefix(why.text, "cannot read "))
        return td_fail(err, why.code, "%s line %u: %s", from->file, from->line, why.text);
    if (err)
        *err = why;
    return r;
}

void lex_release(struct lex *l)
{
    td_vec_release(&l->lines);
}
