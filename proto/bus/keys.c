/* keys.c - CURVE key pairs and the file they live in
 *
 * The file holds the public and the secret key, one line each in Z85, and belongs to its owner alone. It is written
 * aside and linked into place, so that of two processes that start together one makes it and the other loads it. */
#include "bus/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#define KEY_CHARS (TD_KEY_Z85 - 1)
#define FILE_BYTES (2 * TD_KEY_Z85) /* two keys, each with its newline */

int td_keypair_make(struct td_keypair *ret, struct td_error *err)
{
    if (zmq_curve_keypair(ret->public_key, ret->secret_key) < 0)
        return td_fail(err, TD_E_NOT_SUPPORTED, "cannot make a CURVE key pair: %s", zmq_strerror(zmq_errno()));
    return 0;
}

int td_word_load(const char *path, char *out, size_t cap, struct td_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);
    int failed = errno;

    if (fd >= 0)
        close(fd);
    if (n < 0)
        return td_fail(err, TD_E_IO, "cannot read %s: %s", path, strerror(failed));
    out[n] = '\0';
    out[strcspn(out, " \t\r\n")] = '\0';
    return 0;
}

static int line_read(int fd, char *out, size_t cap)
{
    size_t have = 0;

    while (have + 1 < cap && !memchr(out, '\n', have)) {
        ssize_t n = read(fd, out + have, cap - 1 - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    out[have] = '\0';
    out[strcspn(out, " \t\r\n")] = '\0';
    return 0;
}

int td_join_word_take(char *word, char *out, size_t cap, struct td_error *err)
{
    size_t n = strlen(word);

    if (word[0] == '@')
        return td_word_load(word + 1, out, cap, err);
    if (strcmp(word, "-") == 0) {
        if (line_read(STDIN_FILENO, out, cap) < 0)
            return td_fail(err, TD_E_IO, "cannot read the token from standard input: %s", strerror(errno));
        return out[0] ? 0 : td_fail(err, TD_E_USAGE, "--join -: no token came on standard input");
    }
    if (n >= cap)
        return td_fail(err, TD_E_BAD_TOKEN, "%s: it is too long", td_error_words(TD_E_BAD_TOKEN));
    memcpy(out, word, n + 1);
    memset(word, '*', n);
    return 0;
}

static int file_parse(const char *path, const char *text, size_t n, struct td_keypair *ret, struct td_error *err)
{
    struct td_keypair k = {0};
    char derived[TD_KEY_Z85];

    if (n != FILE_BYTES || text[KEY_CHARS] != '\n' || text[FILE_BYTES - 1] != '\n')
        return td_fail(err, TD_E_CONF, "%s: not a key file (two lines of %d characters)", path, KEY_CHARS);
    memcpy(k.public_key, text, KEY_CHARS);
    memcpy(k.secret_key, text + TD_KEY_Z85, KEY_CHARS);
    if (zmq_curve_public(derived, k.secret_key) < 0 || strcmp(derived, k.public_key) != 0)
        return td_fail(err, TD_E_CONF, "%s: its public and secret key are no pair", path);
    *ret = k;
    explicit_bzero(&k, sizeof(k));
    return 0;
}

static int file_load(int fd, const char *path, struct td_keypair *ret, struct td_error *err)
{
    char text[FILE_BYTES + 1];
    struct stat st;

    if (fstat(fd, &st) < 0)
        return td_fail(err, TD_E_IO, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
        return td_fail(err, TD_E_CONF, "%s: a secret key must be a file nobody else can read (chmod 600)", path);

    ssize_t n = read(fd, text, sizeof(text));
    if (n < 0)
        return td_fail(err, TD_E_IO, "cannot read %s: %s", path, strerror(errno));
    int r = file_parse(path, text, (size_t)n, ret, err);
    explicit_bzero(text, sizeof(text));
    return r;
}

/* Writes a fresh pair to `aside` and links it to `path`; a path that appeared meanwhile is left as it is. */
static int file_make(const char *path, const char *aside, struct td_error *err)
{
    char text[FILE_BYTES + 1];
    struct td_keypair k;
    int r = td_keypair_make(&k, err);

    if (r < 0)
        return r;
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return td_fail(err, TD_E_IO, "cannot make %s: %s", aside, strerror(errno));
    td_format(text, sizeof(text), "%s\n%s\n", k.public_key, k.secret_key);
    if (write(fd, text, FILE_BYTES) != FILE_BYTES || fsync(fd) < 0)
        r = td_fail(err, TD_E_IO, "cannot write %s: %s", aside, strerror(errno));
    else if (link(aside, path) < 0 && errno != EEXIST)
        r = td_fail(err, TD_E_IO, "cannot make %s: %s", path, strerror(errno));
    close(fd);
    unlink(aside);
    explicit_bzero(&k, sizeof(k));
    explicit_bzero(text, sizeof(text));
    return r;
}

int td_keypair_load(const char *path, struct td_keypair *ret, struct td_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        struct td_buf aside = {0};

        td_buf_putf(&aside, "%s.%d", path, (int)getpid());
        int r = file_make(path, td_buf_str(&aside), err);
        td_buf_release(&aside);
        if (r < 0)
            return r;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0)
        return td_fail(err, TD_E_IO, "cannot read %s: %s", path, strerror(errno));
    int r = file_load(fd, path, ret, err);
    close(fd);
    return r;
}
