/* scripts.c - the copy of its script that each launch runs
 *
 * Knows nothing of blobs: the text comes from one whose hash was checked.
 * Invariants: a copy is of one attempt at a time. Its folder stays the worker's own: a user who could write in it could
 * lay a link where root is about to write; he may walk through it, and the copy in it is his. A copy whose attempt is
 * gone is read before another attempt gets it, and thrown away if it is not the text any more.
 * Why they are used again: files made and removed by the thousand cost half a millisecond each on ext4, which spreads new
 * folders over the disk and does not touch the inodes it freed in the last seconds. */
#include "worker/scripts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/log.h"

#define FIRST_LINE_BYTES 512
#define SPARE_MAX 128u
#define SPARE_MS 1000 /* a copy that nobody takes goes */
#define NAME_BYTES 48 /* job4294967295.4294967295/slurm_script */

static int make_dir(const char *path, struct td_error *err)
{
    if (mkdir(path, 0711) < 0 && errno != EEXIST)
        return td_fail(err, TD_E_IO, "cannot make %s: %s", path, strerror(errno));
    return 0;
}

int scripts_open(struct scripts *s, const char *dir, struct td_error *err)
{
    td_format(s->dir, sizeof(s->dir), "%s/spool", dir);
    int r = make_dir(s->dir, err);
    if (r < 0)
        return r;
    td_format(s->dir, sizeof(s->dir), "%s/spool/scripts", dir);
    r = make_dir(s->dir, err);
    if (r < 0)
        return r;
    s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return s->fd < 0 ? td_fail(err, TD_E_IO, "cannot open %s: %s", s->dir, strerror(errno)) : 0;
}

static void name_of(struct td_attempt_ref a, char out[NAME_BYTES])
{
    if (a.attempt > 1)
        td_format(out, NAME_BYTES, "job%05u.%u", a.job, a.attempt);
    else
        td_format(out, NAME_BYTES, "job%05u", a.job);
}

static void file_of(struct td_attempt_ref a, char out[NAME_BYTES])
{
    name_of(a, out);
    size_t n = strlen(out);
    td_format(out + n, NAME_BYTES - n, "/slurm_script");
}

/* --- removing ---------------------------------------------------------------------------------------------------------------- */

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *look_into(const struct scripts *s, const char *name)
{
    int fd = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (fd >= 0 && !d)
        close(fd);
    return d;
}

static void remove_tree(const struct scripts *s, const char *name)
{
    DIR *d = look_into(s, name);
    struct dirent *e;
    while (d && (e = readdir(d)))
        if (!is_dot(e->d_name) && unlinkat(dirfd(d), e->d_name, 0) < 0 && errno != ENOENT)
            td_log("warn", "cannot remove %s/%s/%s: %s", s->dir, name, e->d_name, strerror(errno));
    if (d)
        closedir(d);
    if (unlinkat(s->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        td_log("warn", "cannot remove %s/%s: %s", s->dir, name, strerror(errno));
}

static uint64_t key_of(struct td_attempt_ref a)
{
    return (uint64_t)a.job << 32 | a.attempt;
}

static void enliven(struct scripts *s, struct script_copy *c, struct td_attempt_ref a)
{
    c->of = a;
    c->at = s->live.n;
    td_vec_push(&s->live, c);
    td_map_put(&s->by_attempt, key_of(a), c);
}

/* The live copy of an attempt, not live any more; NULL if it has none. */
static struct script_copy *unliven(struct scripts *s, struct td_attempt_ref a)
{
    struct script_copy *c = td_map_del(&s->by_attempt, key_of(a));
    if (!c)
        return NULL;
    struct script_copy *last = s->live.v[--s->live.n];
    s->live.v[c->at] = last;
    last->at = c->at;
    return c;
}

static void remove_copy(struct scripts *s, struct script_copy *c)
{
    char name[NAME_BYTES];
    name_of(c->of, name);
    remove_tree(s, name);
    td_free(c);
}

static struct script_copy *take_at(struct scripts *s, uint32_t i)
{
    struct script_copy *c = s->spare.v[i];
    memmove(s->spare.v + i, s->spare.v + i + 1, (--s->spare.n - i) * sizeof(s->spare.v[0]));
    return c;
}

static void drop_oldest(struct scripts *s)
{
    remove_copy(s, take_at(s, 0));
}

void scripts_release(struct scripts *s)
{
    for (uint32_t i = 0; i < s->live.n; i++)
        td_free(s->live.v[i]); /* the files stay: what runs them outlives us */
    td_vec_release(&s->live);
    td_map_release(&s->by_attempt);
    while (s->spare.n)
        drop_oldest(s);
    td_vec_release(&s->spare);
    if (s->fd > 0)
        close(s->fd);
    s->fd = -1;
}

void scripts_gone(struct scripts *s, uint32_t job, uint32_t attempt, int64_t now_ms)
{
    struct td_attempt_ref a = {job, attempt};
    struct script_copy *c = unliven(s, a);
    if (!c) {
        char name[NAME_BYTES];
        name_of(a, name);
        if (faccessat(s->fd, name, F_OK, 0) == 0)
            remove_tree(s, name); /* written by the worker before this one */
        return;
    }
    if (s->spare.n == SPARE_MAX)
        drop_oldest(s);
    c->gone_ms = now_ms;
    td_vec_push(&s->spare, c);
}

void scripts_tick(struct scripts *s, int64_t now_ms)
{
    while (s->spare.n && now_ms >= s->spare.v[0]->gone_ms + SPARE_MS)
        drop_oldest(s);
}

int64_t scripts_due(const struct scripts *s)
{
    return s->spare.n ? s->spare.v[0]->gone_ms + SPARE_MS : INT64_MAX;
}

/* --- taking one that is spare ------------------------------------------------------------------------------------------------- */

/* A worker that is not root runs jobs as itself: they can lay things beside their script, which another job might use
 * (python looks there first). */
static bool is_alone(const struct scripts *s, const char *name)
{
    if (geteuid() == 0)
        return true;
    DIR *d = look_into(s, name);
    struct dirent *e;
    uint32_t n = 0;
    while (d && (e = readdir(d)))
        n += !is_dot(e->d_name);
    if (d)
        closedir(d);
    return n == 1;
}

static bool is_text(int fd, struct td_bin text)
{
    uint8_t part[16384];
    uint32_t done = 0;
    ssize_t n;
    while ((n = read(fd, part, sizeof(part))) > 0) {
        if ((size_t)n > text.n - done || memcmp(part, text.v + done, (size_t)n) != 0)
            return false;
        done += (uint32_t)n;
    }
    return n == 0 && done == text.n;
}

static bool is_untouched(const struct scripts *s, const struct script_copy *c, struct td_bin text)
{
    char name[NAME_BYTES], file[NAME_BYTES];
    struct stat st;
    name_of(c->of, name);
    file_of(c->of, file);
    int fd = openat(s->fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool same = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0500 && st.st_nlink == 1 &&
                st.st_uid == c->uid && is_text(fd, text) && is_alone(s, name);
    if (fd >= 0)
        close(fd);
    return same;
}

/* The newest spare copy of this text and user, out of the list; NULL if there is none. */
static struct script_copy *take_spare(struct scripts *s, const struct td_award *award, struct td_bin hash)
{
    for (uint32_t i = s->spare.n; i-- > 0;) {
        struct script_copy *c = s->spare.v[i];
        if (c->uid != award->uid || c->gid != award->gid || memcmp(c->hash, hash.v, sizeof(c->hash)) != 0)
            continue;
        return take_at(s, i);
    }
    return NULL;
}

static void drop_spare_of(struct scripts *s, struct td_attempt_ref a)
{
    for (uint32_t i = 0; i < s->spare.n; i++)
        if (key_of(s->spare.v[i]->of) == key_of(a)) {
            remove_copy(s, take_at(s, i));
            return;
        }
}

/* True: the attempt has a spare one now. */
static bool reuse(struct scripts *s, const struct td_award *award, struct td_bin hash, struct td_bin text, const char *name)
{
    struct td_attempt_ref ref = {award->job, award->attempt};
    char was[NAME_BYTES];
    struct script_copy *c;
    while ((c = take_spare(s, award, hash))) {
        name_of(c->of, was);
        if (is_untouched(s, c, text) && renameat(s->fd, was, s->fd, name) == 0) {
            enliven(s, c, ref);
            return true;
        }
        remove_copy(s, c);
    }
    return false;
}

/* --- writing ----------------------------------------------------------------------------------------------------------------- */

/* One that is there is of a launch that never reached the shepherd. */
static int open_copy(const struct scripts *s, const char *file)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(s->fd, file, flags, 0500);
    if (fd < 0 && errno == EEXIST && unlinkat(s->fd, file, 0) == 0)
        fd = openat(s->fd, file, flags, 0500);
    return fd;
}

static bool write_all(int fd, struct td_bin text)
{
    uint32_t done = 0;
    while (done < text.n) {
        ssize_t n = write(fd, text.v + done, text.n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (uint32_t)n;
    }
    return true;
}

static int write_copy(struct scripts *s, const struct td_award *award, struct td_bin text, bool chown_it, const char *name,
                      const char *file, struct td_error *err)
{
    bool ok = mkdirat(s->fd, name, chown_it ? 0711 : 0700) == 0 || errno == EEXIST;
    int fd = ok ? open_copy(s, file) : -1;
    ok = fd >= 0 && write_all(fd, text) && (!chown_it || fchown(fd, award->uid, award->gid) == 0);
    int failed = errno;
    if (fd >= 0 && close(fd) < 0 && ok) {
        ok = false;
        failed = errno;
    }
    if (ok)
        return 0;
    remove_tree(s, name);
    return td_fail(err, TD_E_IO, "cannot write the script to %s/%s: %s", s->dir, file, strerror(failed));
}

int scripts_try(struct scripts *s, uint32_t bytes, struct td_error *err)
{
    struct td_attempt_ref none = {0, 0};
    char name[NAME_BYTES], file[NAME_BYTES];
    struct td_award award = {.uid = geteuid(), .gid = getegid()};
    uint8_t *text = td_alloc(bytes + 1u);
    name_of(none, name);
    file_of(none, file);
    int r = write_copy(s, &award, (struct td_bin){text, bytes}, false, name, file, err);
    if (r == 0)
        remove_tree(s, name);
    td_free(text);
    return r;
}

int scripts_make(struct scripts *s, const struct td_award *award, struct td_bin hash, struct td_bin text, bool chown_it,
                 struct td_arena *a, const char **ret, struct td_error *err)
{
    struct td_attempt_ref ref = {award->job, award->attempt};
    char name[NAME_BYTES], file[NAME_BYTES], path[sizeof(s->dir) + NAME_BYTES];
    name_of(ref, name);
    file_of(ref, file);
    TD_ASSERT(hash.n == 32);
    struct script_copy *c = unliven(s, ref); /* of a launch that never reached the shepherd: made afresh */
    bool fresh = c != NULL;
    td_free(c);
    if (fresh || !reuse(s, award, hash, text, name)) {
        drop_spare_of(s, ref);
        int r = write_copy(s, award, text, chown_it, name, file, err);
        if (r < 0)
            return r;
        c = td_alloc(sizeof(*c));
        *c = (struct script_copy){.uid = award->uid, .gid = award->gid};
        memcpy(c->hash, hash.v, sizeof(c->hash));
        enliven(s, c, ref);
    }
    td_format(path, sizeof(path), "%s/%s", s->dir, file);
    *ret = td_arena_strdup(a, path);
    return 0;
}

/* --- what a crash left ------------------------------------------------------------------------------------------------------- */

static bool is_wanted(const char *name, const struct td_running *running, uint32_t n)
{
    char is[NAME_BYTES];
    for (uint32_t i = 0; i < n; i++) {
        name_of((struct td_attempt_ref){running[i].job, running[i].attempt}, is);
        if (strcmp(is, name) == 0)
            return true;
    }
    /* Workers once kept one file for all jobs of a user, in a folder of his number: as long as one of those may run. */
    return n > 0 && strncmp(name, "job", 3) != 0;
}

void scripts_sweep(struct scripts *s, const struct td_running *running, uint32_t n)
{
    DIR *d = look_into(s, ".");
    struct dirent *e;
    if (!d) {
        td_log("warn", "cannot look into %s: %s", s->dir, strerror(errno));
        return;
    }
    while (s->spare.n)
        drop_oldest(s);
    while ((e = readdir(d)))
        if (!is_dot(e->d_name) && !is_wanted(e->d_name, running, n))
            remove_tree(s, e->d_name);
    closedir(d);
}

/* --- the first line ---------------------------------------------------------------------------------------------------------- */

/* "#! /bin/sh -eu": as the kernel reads it, all behind the interpreter is one argument. */
void scripts_first_line(struct td_bin text, struct td_arena *a, const char **ret_interpreter, const char **ret_argument)
{
    char line[FIRST_LINE_BYTES];
    size_t n = TD_MIN((size_t)text.n, sizeof(line) - 1);
    if (n)
        memcpy(line, text.v, n);
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    *ret_interpreter = "/bin/sh";
    *ret_argument = NULL;
    if (strncmp(line, "#!", 2) != 0)
        return;
    char *word = line + 2;
    word += strspn(word, " \t");
    char *rest = word + strcspn(word, " \t");
    if (*rest)
        *rest++ = '\0';
    rest += strspn(rest, " \t");
    n = strlen(rest);
    while (n && (rest[n - 1] == ' ' || rest[n - 1] == '\t'))
        n--;
    rest[n] = '\0';
    if (*word)
        *ret_interpreter = td_arena_strdup(a, word);
    if (*rest)
        *ret_argument = td_arena_strdup(a, rest);
}
