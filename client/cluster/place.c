/* place.c - the folder of a cluster and its small files */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/cluster.h"

int dirs_make(const char *path, mode_t mode, struct td_error *err)
{
    td_autofree char *copy = td_strdup(path);

    for (char *p = copy + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char was = *p;
        *p = 0;
        if (mkdir(copy, was ? 0755 : mode) < 0 && errno != EEXIST)
            return td_fail(err, TD_E_IO, "cannot make %s: %s", copy, strerror(errno));
        if (!was)
            return 0;
        *p = was;
    }
}

int file_write(const char *path, const void *data, size_t len, mode_t mode, struct td_error *err)
{
    char tmp[TD_MAX_PATH_BYTES + 64];
    const char *p = data;
    bool ok = true;

    td_format(tmp, sizeof(tmp), "%s.new", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    ok = fd >= 0 && fchmod(fd, mode) == 0;
    while (ok && len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        ok = n > 0;
        p += ok ? n : 0;
        len -= ok ? (size_t)n : 0;
    }
    int failed = ok ? 0 : errno;
    if (fd >= 0 && close(fd) < 0 && ok)
        failed = errno;
    if (!failed && rename(tmp, path) < 0)
        failed = errno;
    return failed ? td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(failed)) : 0;
}

int file_read(const char *path, struct td_buf *ret, struct td_error *err)
{
    char chunk[16384];
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || ret->len > TD_MAX_FRAME_BYTES)
            break;
        td_buf_put(ret, chunk, (size_t)n);
    }
    int failed = fd < 0 || n < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (failed)
        return td_fail(err, TD_E_IO, "cannot read %s: %s", path, strerror(failed));
    return ret->len > TD_MAX_FRAME_BYTES ? td_fail(err, TD_E_TOO_BIG, "%s is too long", path) : 0;
}

static int absolute(const char *path, char *out, size_t cap, struct td_error *err)
{
    char cwd[TD_MAX_PATH_BYTES];

    if (path[0] == '/')
        td_format(out, cap, "%s", path);
    else if (getcwd(cwd, sizeof(cwd)))
        td_format(out, cap, "%s/%s", cwd, path);
    else
        return td_fail(err, TD_E_IO, "cannot tell the working directory: %s", strerror(errno));
    return 0;
}

int cluster_at(const char *dir, const char *name, bool make, struct cluster *ret, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES], *real;
    const char *home = getenv("HOME");
    int r = 0;

    if (name && (strchr(name, '/') || !*name || name[0] == '.'))
        return td_fail(err, TD_E_USAGE, "'%s' is no name for a cluster", name);
    if (dir) {
        if (strlen(dir) > TD_MAX_PATH_BYTES - 512)
            return td_fail(err, TD_E_TOO_BIG, "--dir is too long");
        r = absolute(dir, path, sizeof(path), err);
    } else if (!td_str_empty(home) && home[0] == '/') {
        td_format(path, sizeof(path), "%s/.local/state/tender/%s", home, name ? name : "default");
    } else {
        r = td_fail(err, TD_E_USAGE, "HOME is not set: give --dir");
    }
    if (r == 0 && make)
        r = dirs_make(path, 0755, err);
    if (r < 0)
        return r;
    real = realpath(path, NULL);
    if (!real)
        return td_fail(err, TD_E_CONF, "there is no cluster at %s: %s", path, strerror(errno));
    td_format(ret->dir, sizeof(ret->dir), "%s", real);
    td_format(ret->conf, sizeof(ret->conf), "%s/slurm.conf", real);
    free(real);
    return 0;
}

int cluster_current(const char *dir, const char *name, struct cluster *ret, struct td_error *err)
{
    const char *conf = getenv("SLURM_CONF");
    int r;

    if (!dir && !name && !td_str_empty(conf)) {
        td_autofree char *copy = td_strdup(conf);
        char *slash = strrchr(copy, '/');
        if (slash)
            *slash = 0;
        r = cluster_at(slash ? (*copy ? copy : "/") : ".", NULL, false, ret, err);
    } else {
        r = cluster_at(dir, name, false, ret, err);
    }
    if (r == 0 && access(ret->conf, F_OK) < 0)
        r = td_fail(err, TD_E_CONF, "there is no cluster at %s; start one with: tender up%s%s", ret->dir,
                    dir ? " --dir " : "", dir ? dir : "");
    return r;
}

int cluster_select(const char *dir, const char *name, struct cluster *ret, struct td_error *err)
{
    char workers[TD_MAX_PATH_BYTES + 16];
    struct td_error none = {0};
    int r = cluster_current(dir, name, ret, dir || name ? err : &none);

    td_format(workers, sizeof(workers), "%s/workers", ret->dir);
    if (!dir && !name) {
        if (r < 0 || access(workers, F_OK) < 0)
            *ret = (struct cluster){0};
        return 0;
    }
    if (r == 0 && setenv("SLURM_CONF", ret->conf, 1) < 0)
        r = td_fail(err, TD_E_IO, "cannot set SLURM_CONF: %s", strerror(errno));
    return r;
}

/* --- DIR/workers: node cpus topology, one line each ----------------------------------------------------------------- */

static void workers_path(const struct cluster *c, char *out, size_t cap)
{
    td_format(out, cap, "%s/workers", c->dir);
}

int workers_load(const struct cluster *c, struct worker_lines *ret, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16];
    struct td_buf text = {0};
    int r = 0;

    workers_path(c, path, sizeof(path));
    if (access(path, F_OK) < 0)
        return 0;
    r = file_read(path, &text, err);
    char *save = NULL, *copy = td_arena_strdup(&ret->arena, td_buf_str(&text));
    for (char *line = r == 0 ? strtok_r(copy, "\n", &save) : NULL; line && r == 0; line = strtok_r(NULL, "\n", &save)) {
        char *inner = NULL, *node = strtok_r(line, "\t", &inner), *cpus = strtok_r(NULL, "\t", &inner),
             *topology = strtok_r(NULL, "", &inner);
        uint64_t n;
        if (!node || !cpus || !td_parse_u64(cpus, &n) || n > TD_MAX_CPUS_PER_NODE)
            r = td_fail(err, TD_E_CONF, "%s has a line that is not: node, cpus, topology", path);
        else
            td_vec_push(&ret->v, ((struct worker_line){.node = node, .cpus = (uint32_t)n, .topology = topology}));
    }
    td_buf_release(&text);
    return r;
}

int workers_save(const struct cluster *c, const struct worker_lines *l, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16];
    struct td_buf text = {0};

    workers_path(c, path, sizeof(path));
    for (uint32_t i = 0; i < l->v.n; i++) {
        const struct worker_line *w = &l->v.v[i];
        td_buf_putf(&text, "%s\t%u", w->node, w->cpus);
        if (w->topology)
            td_buf_putf(&text, "\t%s", w->topology);
        td_buf_putc(&text, '\n');
    }
    int r = file_write(path, text.data, text.len, 0644, err);
    td_buf_release(&text);
    return r;
}

void workers_release(struct worker_lines *l)
{
    td_vec_release(&l->v);
    td_arena_release(&l->arena);
}
