/* blobs.c - the cache, and the script files
 *
 * Invariant: bytes is the sum of len; a file under its final name is whole (written beside it, then renamed). */
#include "worker/blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/wire.h"
#include "worker/environ.h"
#include "worker/log.h"

#define SCRIPTS_KEPT 256u
#define FIRST_LINE_BYTES 512

static void hex_of(struct td_bin hash, char out[BLOB_HEX])
{
    uint32_t n = TD_MIN(hash.n, 32u);
    for (uint32_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", hash.v[i]);
    out[2 * n] = '\0';
}

static int make_dir(const char *path, mode_t mode, struct td_error *err)
{
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return td_fail(err, TD_E_IO, "cannot make %s: %s", path, strerror(errno));
    return 0;
}

int blobs_open(struct blobs *b, const char *dir, struct td_error *err)
{
    td_format(b->dir, sizeof(b->dir), "%s/spool", dir);
    int r = make_dir(b->dir, 0711, err);
    if (r < 0)
        return r;
    td_format(b->dir, sizeof(b->dir), "%s/spool/scripts", dir);
    return make_dir(b->dir, 0711, err);
}

static void blob_free(struct blob *x)
{
    td_arena_release(&x->arena);
    td_free(x->data);
    td_free(x);
}

static void script_free(struct script *s)
{
    td_free(s->path);
    td_free(s->interpreter);
    td_free(s->argument);
    td_free(s);
}

void blobs_release(struct blobs *b)
{
    for (uint32_t i = 0; i < b->all.n; i++)
        blob_free(b->all.v[i]);
    for (uint32_t i = 0; i < b->files.n; i++)
        script_free(b->files.v[i]);
    td_vec_release(&b->all);
    td_vec_release(&b->files);
    td_strmap_release(&b->by_hash);
    td_strmap_release(&b->scripts);
}

/* Least recently used first; the newest always stays, whatever its size. */
static void evict(struct blobs *b)
{
    while (b->bytes > TD_MAX_BLOB_CACHE_BYTES && b->all.n > 1) {
        uint32_t oldest = 0;
        for (uint32_t i = 1; i < b->all.n; i++)
            if (b->all.v[i]->used < b->all.v[oldest]->used)
                oldest = i;
        struct blob *x = b->all.v[oldest];
        b->all.v[oldest] = b->all.v[--b->all.n];
        b->bytes -= x->len;
        td_strmap_del(&b->by_hash, x->hex);
        blob_free(x);
    }
}

bool blobs_put(struct blobs *b, struct td_bin hash, struct td_bin data)
{
    char hex[BLOB_HEX];
    uint8_t is[32];
    hex_of(hash, hex);
    struct blob *x = td_strmap_get(&b->by_hash, hex);
    if (x) {
        x->used = ++b->stamp;
        return true;
    }
    td_hash(data.v, data.n, is);
    if (hash.n != sizeof(is) || memcmp(is, hash.v, sizeof(is)) != 0) {
        td_log("error", "a blob named %s has other contents: thrown away", hex);
        return false;
    }
    x = td_alloc(sizeof(*x));
    memcpy(x->hex, hex, sizeof(hex));
    x->data = td_alloc(data.n + 1u);
    if (data.n)
        memcpy(x->data, data.v, data.n);
    x->len = data.n;
    x->used = ++b->stamp;
    td_strmap_put(&b->by_hash, hex, x);
    td_vec_push(&b->all, x);
    b->bytes += x->len;
    evict(b);
    return true;
}

static struct blob *find(struct blobs *b, struct td_bin hash)
{
    char hex[BLOB_HEX];
    hex_of(hash, hex);
    struct blob *x = td_strmap_get(&b->by_hash, hex);
    if (x)
        x->used = ++b->stamp;
    return x;
}

const struct blob *blobs_get(struct blobs *b, struct td_bin hash)
{
    static const struct blob empty = {.is_split = true};
    return hash.n ? find(b, hash) : &empty;
}

const struct td_strs *blobs_env(struct blobs *b, struct td_bin hash)
{
    static const struct td_strs none;
    if (!hash.n)
        return &none;
    struct blob *x = find(b, hash);
    if (!x)
        return NULL;
    if (!x->is_split) {
        environ_split((struct td_bin){x->data, x->len}, &x->arena, &x->env);
        x->is_split = true;
    }
    return &x->env;
}

/* --- script files -------------------------------------------------------------------------------------------------------- */

/* "#! /bin/sh -eu": as the kernel reads it, all behind the interpreter is one argument. */
static void parse_first_line(struct script *s, const char *text, size_t len)
{
    char line[FIRST_LINE_BYTES];
    size_t n = TD_MIN(len, sizeof(line) - 1);
    memcpy(line, text, n);
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    char *at = line + 2;
    if (strncmp(line, "#!", 2) != 0) {
        s->interpreter = td_strdup("/bin/sh");
        return;
    }
    at += strspn(at, " \t");
    size_t word = strcspn(at, " \t");
    s->interpreter = word ? td_strndup(at, word) : td_strdup("/bin/sh");
    at += word;
    at += strspn(at, " \t");
    n = strlen(at);
    while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
        n--;
    s->argument = n ? td_strndup(at, n) : NULL;
}

static struct script *script_add(struct blobs *b, const char *key, const char *path, const char *text, size_t len)
{
    struct script *s = td_alloc(sizeof(*s));
    s->path = td_strdup(path);
    parse_first_line(s, text, len);
    td_strmap_put(&b->scripts, key, s);
    td_vec_push(&b->files, s);
    return s;
}

static struct script *script_from_disk(struct blobs *b, const char *key, const char *path)
{
    char text[FIRST_LINE_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0)
        close(fd);
    return n < 0 ? NULL : script_add(b, key, path, text, (size_t)n);
}

/* The folder of a user's scripts stays the worker's own: a user who could write in it could lay a link where root is
 * about to write. He may walk through it; each script is his alone. One left from before is taken back. */
static int script_dir(const char *dir, bool chown_it, struct td_error *err)
{
    struct stat st;
    int r = make_dir(dir, chown_it ? 0711 : 0700, err);
    if (r < 0 || !chown_it)
        return r;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && fstat(fd, &st) == 0;
    if (ok && (st.st_uid != geteuid() || (st.st_mode & 07777) != 0711))
        ok = fchown(fd, geteuid(), (gid_t)-1) == 0 && fchmod(fd, 0711) == 0;
    int failed = errno;
    if (fd >= 0)
        close(fd);
    return ok ? 0 : td_fail(err, TD_E_IO, "cannot keep %s to myself: %s", dir, strerror(failed));
}

static int write_script(const char *dir, const char *path, const struct blob *x, uint32_t uid, uint32_t gid, bool chown_it,
                        struct td_error *err)
{
    char temp[4300];
    td_format(temp, sizeof(temp), "%s.new", path);
    int r = script_dir(dir, chown_it, err);
    if (r < 0)
        return r;
    unlink(temp); /* of a worker that died over it */
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, x->data, x->len) == (ssize_t)x->len && fchmod(fd, 0500) == 0;
    if (ok && chown_it)
        ok = fchown(fd, uid, gid) == 0;
    ok = ok && rename(temp, path) == 0;
    int failed = errno;
    if (fd >= 0)
        close(fd);
    return ok ? 0 : td_fail(err, TD_E_IO, "cannot write the script to %s: %s", path, strerror(failed));
}

int blobs_script(struct blobs *b, struct td_bin hash, uint32_t uid, uint32_t gid, bool chown_it, struct script **ret,
                 struct td_error *err)
{
    char hex[BLOB_HEX], key[96], dir[4160], path[4256];
    hex_of(hash, hex);
    td_format(key, sizeof(key), "%u/%s", uid, hex);
    *ret = td_strmap_get(&b->scripts, key);
    if (*ret)
        return 1;
    td_format(dir, sizeof(dir), "%s/%u", b->dir, uid);
    td_format(path, sizeof(path), "%s/%s", dir, hex);
    *ret = script_from_disk(b, key, path);
    if (*ret)
        return 1;
    const struct blob *x = blobs_get(b, hash);
    if (!x)
        return 0;
    int r = write_script(dir, path, x, uid, gid, chown_it, err);
    if (r < 0)
        return r;
    *ret = script_add(b, key, path, (const char *)x->data, x->len);
    return 1;
}

void blobs_purge(struct blobs *b)
{
    if (b->files.n <= SCRIPTS_KEPT)
        return;
    for (uint32_t i = 0; i < b->files.n; i++) {
        if (unlink(b->files.v[i]->path) < 0 && errno != ENOENT)
            td_log("warn", "cannot remove %s: %s", b->files.v[i]->path, strerror(errno));
        script_free(b->files.v[i]);
    }
    b->files.n = 0;
    td_strmap_release(&b->scripts);
}
