/* script.c - a batch script: read, looked at, and its #SBATCH lines
 *
 * As Slurm reads them: a directive starts in the first column with #SBATCH, options follow with or without a blank; they
 * end at the first line that is neither empty nor a comment. Words may be quoted; an unquoted # ends the line. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "submit.h"

#define MAX_WORDS 512

int script_read(const char *path, struct script *ret, struct td_error *err)
{
    struct td_buf b = {0};
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    char chunk[65536];
    ssize_t n;

    if (fd < 0)
        return td_fail(err, TD_E_IO, "Unable to open file %s", path);
    while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || b.len > TD_MAX_SCRIPT_BYTES)
            break;
        td_buf_put(&b, chunk, (size_t)n);
    }
    int failed = n < 0 ? errno : 0;
    if (path)
        close(fd);
    if (failed) {
        td_buf_release(&b);
        return td_fail(err, TD_E_IO, "Unable to read file %s: %s", path ? path : "(standard input)", strerror(failed));
    }
    *ret = (struct script){.text = (char *)b.data, .len = b.len, .name = path ? path : "standard input"};
    return 0;
}

int script_check(const struct script *s, struct td_error *err)
{
    if (s->len > TD_MAX_SCRIPT_BYTES)
        return td_fail(err, TD_E_TOO_BIG, "Batch script is longer than %d bytes", TD_MAX_SCRIPT_BYTES);
    if (s->len == 0)
        return td_fail(err, TD_E_NO_SCRIPT, "Batch script is empty!");
    size_t blank = 0;
    while (blank < s->len && strchr(" \t\n\r", s->text[blank]))
        blank++;
    if (blank == s->len)
        return td_fail(err, TD_E_NO_SCRIPT, "Batch script contains only whitespace!");
    if (s->len < 2 || s->text[0] != '#' || s->text[1] != '!')
        return td_fail(err, TD_E_NO_SHEBANG,
                       "This does not look like a batch script.  The first\n"
                       "line must start with #! followed by the path to an interpreter.\n"
                       "For instance: #!/bin/sh");
    if (memchr(s->text, 0, s->len))
        return td_fail(err, TD_E_INVALID_REQUEST, "The Slurm controller does not allow scripts that\n"
                                                  "contain a NULL character '\\0'.");
    if (memmem(s->text, s->len, "\r\n", 2))
        return td_fail(err, TD_E_INVALID_REQUEST, "Batch script contains DOS line breaks (\\r\\n)\n"
                                                  "instead of expected UNIX line breaks (\\n).");
    return 0;
}

void script_wrap(const char *command, struct script *ret)
{
    struct td_buf b = {0};

    td_buf_putf(&b, "#!/bin/sh\n# This script was created by sbatch --wrap.\n\n%s\n", command);
    *ret = (struct script){.text = (char *)b.data, .len = b.len, .name = "wrap"};
}

void script_release(struct script *s)
{
    td_free(s->text);
    s->text = NULL;
    s->len = 0;
}

static int word_end(struct td_arena *a, struct td_buf *word, bool *in_word, char **words, int *n, int max,
                    struct td_error *err)
{
    if (!*in_word)
        return 0;
    if (*n == max)
        return td_fail(err, TD_E_TOO_BIG, "more than %d words in one directive", max);
    words[(*n)++] = td_arena_strdup(a, td_buf_str(word));
    td_buf_reset(word);
    *in_word = false;
    return 0;
}

int directive_split(struct td_arena *a, const char *text, size_t len, char **words, int max, struct td_error *err)
{
    struct td_buf word = {0};
    bool in_word = false;
    char quote = 0;
    int n = 0, r = 0;

    for (size_t i = 0; i < len && r == 0; i++) {
        char c = text[i];
        if (quote) {
            if (c == quote)
                quote = 0;
            else if (c == '\\' && quote == '"' && i + 1 < len && (text[i + 1] == '"' || text[i + 1] == '\\'))
                td_buf_putc(&word, text[++i]);
            else
                td_buf_putc(&word, c);
        } else if (c == '"' || c == '\'') {
            quote = c;
            in_word = true;
        } else if (c == '\\' && i + 1 < len) {
            td_buf_putc(&word, text[++i]);
            in_word = true;
        } else if (c == '#') {
            break;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            r = word_end(a, &word, &in_word, words, &n, max, err);
        } else {
            td_buf_putc(&word, c);
            in_word = true;
        }
    }
    if (r == 0 && quote)
        r = td_fail(err, TD_E_USAGE, "Unmatched `%c` in [%s]", quote, text);
    if (r == 0)
        r = word_end(a, &word, &in_word, words, &n, max, err);
    td_buf_release(&word);
    return r < 0 ? r : n;
}

/* The next line, without its end; false at the end of the script. */
static bool next_line(struct directives *d, const char **ret, size_t *ret_len)
{
    const struct script *s = d->script;

    if (d->at >= s->len)
        return false;
    const char *p = s->text + d->at, *end = memchr(p, '\n', s->len - d->at);
    *ret = p;
    *ret_len = end ? (size_t)(end - p) : s->len - d->at;
    d->at += *ret_len + (end != NULL);
    d->line++;
    return true;
}

int directives_next(struct directives *d, struct td_arena *a, char ***ret_argv, int *ret_argc, struct td_error *err)
{
    static const char mark[] = "#SBATCH";
    const char *line;
    size_t len, blank;

    while (next_line(d, &line, &len)) {
        for (blank = 0; blank < len && strchr(" \t\r", line[blank]); blank++)
            ;
        if (blank < len && line[blank] != '#')
            break; /* the first command */
        if (len < sizeof(mark) - 1 || memcmp(line, mark, sizeof(mark) - 1) != 0)
            continue;
        char **argv = td_arena_alloc(a, (MAX_WORDS + 2) * sizeof(*argv));
        td_autofree char *rest = td_strndup(line + sizeof(mark) - 1, len - (sizeof(mark) - 1));
        struct td_error why = {0};
        int n = directive_split(a, rest, strlen(rest), argv + 1, MAX_WORDS, &why);
        if (n < 0)
            return td_fail(err, why.code, "%s: line %u: %s", d->script->name, d->line, why.text);
        if (n == 0)
            continue;
        argv[0] = td_arena_strdup(a, d->script->name);
        *ret_argv = argv;
        *ret_argc = n + 1;
        return 1;
    }
    d->at = d->script->len;
    return 0;
}

bool script_has_pbs(const struct script *s)
{
    return memmem(s->text, s->len, "\n#PBS ", 6) != NULL;
}
