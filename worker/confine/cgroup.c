/* cgroup.c - groups of processes in the kernel's cgroup file systems
 *
 * Which hierarchy: /proc/self/mountinfo says where one is mounted and from which of its folders, /proc/self/cgroup in
 * which folder this process is. Jobs of root may make groups in theirs, so everything here goes down; no deeper than
 * DEPTH_MAX, below which nothing is found and a group is simply never empty. */
#include "worker/confine/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH_MAX 16
#define TEXT_MAX (256u * 1024) /* of a /proc file */
#define MAGIC_V1 0x27e0eb
#define MAGIC_V2 0x63677270

/* One row a means. */
static const struct {
    const char *words;
    const char *type;       /* of the mount */
    const char *controller; /* v1: in the mount's options and in /proc/self/cgroup */
} rows[CGROUP_MEANS] = {
    [CGROUP_NONE] = {"process list", NULL, NULL},
    [CGROUP_V2] = {"cgroup/v2", "cgroup2", NULL},
    [CGROUP_FREEZER] = {"cgroup/v1 (freezer)", "cgroup", "freezer"},
    [CGROUP_PIDS] = {"cgroup/v1 (pids)", "cgroup", "pids"},
};

const char *cgroup_words(enum cgroup_means means)
{
    return rows[means].words;
}

/* --- files ----------------------------------------------------------------------------------------------------------- */

static int write_file(const char *dir, const char *name, const char *text)
{
    char path[TD_MAX_PATH_BYTES + 64];
    td_format(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, text, strlen(text));
    int failed = errno;
    close(fd);
    errno = failed;
    return n < 0 ? -1 : 0;
}

static bool read_proc(const char *path, struct td_buf *ret)
{
    uint8_t chunk[4096];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 && ret->len < TEXT_MAX)
        td_buf_put(ret, chunk, (size_t)n);
    close(fd);
    return n == 0;
}

/* --- where ----------------------------------------------------------------------------------------------------------- */

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
            return true;
    return false;
}

/* "36 25 0:31 ROOT POINT rw,... shared:9 - TYPE SOURCE OPTIONS"; a blank in a path is \040 and such a path not used. */
static bool mounted_at(enum cgroup_means means, char *line, const char **ret_root, const char **ret_point)
{
    char *rest = strstr(line, " - ");
    char *words[5], *type, *source, *options, *at = NULL;
    if (!rest)
        return false;
    *rest = '\0';
    for (int i = 0; i < 5; i++)
        if (!(words[i] = strtok_r(i ? NULL : line, " ", &at)))
            return false;
    type = strtok_r(rest + 3, " ", &at);
    source = strtok_r(NULL, " ", &at);
    options = strtok_r(NULL, " ", &at);
    if (!type || !source || !options || strcmp(type, rows[means].type) != 0)
        return false;
    if (rows[means].controller && !has_word(options, rows[means].controller))
        return false;
    *ret_root = words[3];
    *ret_point = words[4];
    return true;
}

/* "0::/PATH" for v2, "6:freezer:/PATH" for v1: the path, or NULL. */
static const char *own_path(enum cgroup_means means, char *line)
{
    char *list = strchr(line, ':');
    char *path = list ? strchr(list + 1, ':') : NULL;
    if (!path)
        return NULL;
    *path++ = '\0';
    bool is = rows[means].controller ? has_word(list + 1, rows[means].controller) : strcmp(line, "0:") == 0;
    return is ? path : NULL;
}

/* The folder of this process's own group. */
static bool own_group(enum cgroup_means means, char *out, size_t cap)
{
    struct td_buf mounts = {0}, own = {0};
    const char *root = NULL, *point = NULL, *path = NULL;
    char *at = NULL;
    if (read_proc("/proc/self/mountinfo", &mounts) && read_proc("/proc/self/cgroup", &own)) {
        td_buf_put(&mounts, "", 1);
        td_buf_put(&own, "", 1);
        for (char *l = strtok_r((char *)mounts.data, "\n", &at); l && !point; l = strtok_r(NULL, "\n", &at))
            mounted_at(means, l, &root, &point);
        for (char *l = strtok_r((char *)own.data, "\n", &at); l && !path; l = strtok_r(NULL, "\n", &at))
            path = own_path(means, l);
    }
    bool found = point && path;
    if (found) {
        size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root); /* a container may see its part of the tree as all of it */
        bool below = n && strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
        if (below)
            path += n;
        td_format(out, cap, "%s%s", point, strcmp(path, "/") == 0 ? "" : path);
    }
    td_buf_release(&mounts);
    td_buf_release(&own);
    return found;
}

/* Can a child of ours enter a group in there? */
static int prove(const char *path)
{
    char inside[TD_MAX_PATH_BYTES + 16];
    int status = 0, r;
    td_format(inside, sizeof(inside), "%s/proof", path);
    r = cgroup_make(inside);
    if (r < 0)
        return r;
    pid_t pid = fork();
    if (pid == 0)
        _exit(cgroup_enter(inside) < 0 ? errno & 255 : 0);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    r = pid < 0 ? -errno : WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
    if (rmdir(inside) < 0 && r == 0)
        r = -errno;
    return r;
}

static void complain(char *why, size_t cap, enum cgroup_means means, const char *what)
{
    size_t n = strlen(why);
    td_format(why + n, cap - n, "%s%s: %s", n ? ", " : "", rows[means].words, what);
}

int cgroup_home_open(struct cgroup_home *ret, const char *name, enum cgroup_means only, struct td_error *err)
{
    char own[TD_MAX_PATH_BYTES], path[TD_MAX_PATH_BYTES], why[TD_ERROR_TEXT_MAX] = "";
    for (enum cgroup_means m = CGROUP_V2; m < CGROUP_MEANS; m++) {
        if (only != CGROUP_NONE && m != only)
            continue;
        if (!own_group(m, own, sizeof(own))) {
            complain(why, sizeof(why), m, "not mounted");
            continue;
        }
        if (strlen(own) + strlen(name) + 64 > sizeof(path)) /* and what is made in there */
            return td_fail(err, TD_E_TOO_BIG, "the path of the cgroup %s is too long", own);
        td_format(path, sizeof(path), "%s/%s", own, name);
        int r = cgroup_make(path);
        if (r == 0)
            r = prove(path);
        if (r == 0) {
            ret->means = m;
            td_format(ret->path, sizeof(ret->path), "%s", path);
            return 0;
        }
        rmdir(path);
        complain(why, sizeof(why), m, strerror(-r));
    }
    return td_fail(err, TD_E_IO, "%s", why);
}

static bool is_v2(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && fs.f_type == MAGIC_V2;
}

static bool has_file(const char *path, const char *name)
{
    char file[TD_MAX_PATH_BYTES + 64];
    td_format(file, sizeof(file), "%s/%s", path, name);
    return access(file, F_OK) == 0;
}

bool cgroup_home_again(struct cgroup_home *ret, const char *path, const char *name)
{
    struct statfs fs;
    const char *last = strrchr(path, '/');
    if (!last || strcmp(last + 1, name) != 0 || strlen(path) >= sizeof(ret->path) || statfs(path, &fs) < 0 ||
        (fs.f_type != MAGIC_V1 && fs.f_type != MAGIC_V2))
        return false;
    ret->means = is_v2(path) ? CGROUP_V2 : has_file(path, "freezer.state") ? CGROUP_FREEZER : CGROUP_PIDS;
    td_format(ret->path, sizeof(ret->path), "%s", path);
    return true;
}

/* --- one group ------------------------------------------------------------------------------------------------------- */

int cgroup_make(const char *path)
{
    return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

int cgroup_enter(const char *path)
{
    return write_file(path, "cgroup.procs", "0");
}

/* What goes over a tree of groups does with each of their processes; stops when it says so. */
typedef bool on_process(void *ctx, pid_t pid);

static bool each_process(const char *path, on_process *what, void *ctx)
{
    char file[TD_MAX_PATH_BYTES + 16], chunk[4096];
    long pid = 0;
    bool go_on = true;
    ssize_t n;
    td_format(file, sizeof(file), "%s/cgroup.procs", path);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true;
    while (go_on && (n = read(fd, chunk, sizeof(chunk))) > 0)
        for (ssize_t i = 0; i < n && go_on; i++) {
            if (chunk[i] >= '0' && chunk[i] <= '9') {
                pid = pid * 10 + (chunk[i] - '0');
                continue;
            }
            if (pid > 0) /* 0: one that this pid namespace does not see */
                go_on = what(ctx, (pid_t)pid);
            pid = 0;
        }
    close(fd);
    return go_on;
}

/* The next folder in d, as a path; false at the end. */
static bool next_below(DIR *d, const char *path, char *out, size_t cap)
{
    struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.' || strlen(path) + strlen(e->d_name) + 2 > cap)
            continue;
        td_format(out, cap, "%s/%s", path, e->d_name);
        return true;
    }
    return false;
}

static bool each_process_below(const char *path, on_process *what, void *ctx, int depth)
{
    char below[TD_MAX_PATH_BYTES];
    bool go_on = each_process(path, what, ctx);
    DIR *d = go_on && depth < DEPTH_MAX ? opendir(path) : NULL;
    while (d && go_on && next_below(d, path, below, sizeof(below)))
        go_on = each_process_below(below, what, ctx, depth + 1);
    if (d)
        closedir(d);
    return go_on;
}

static bool is_another(void *ctx, pid_t pid)
{
    return pid != *(pid_t *)ctx;
}

bool cgroup_holds(const char *path, pid_t pid)
{
    return !each_process_below(path, is_another, &pid, 0);
}

struct signalling {
    int sig;
    pid_t spare;
    uint32_t n;
};

static bool send_one(void *ctx, pid_t pid)
{
    struct signalling *s = ctx;
    if (pid != s->spare && kill(pid, s->sig) == 0)
        s->n++;
    return true;
}

uint32_t cgroup_signal(const char *path, int sig, pid_t spare)
{
    struct signalling s = {sig, spare, 0};
    each_process_below(path, send_one, &s, 0);
    return s.n;
}

/* A group below that froze itself, too: what is frozen does not die. */
static void thaw(const char *path, int depth)
{
    char below[TD_MAX_PATH_BYTES];
    write_file(path, "freezer.state", "THAWED");
    DIR *d = depth < DEPTH_MAX ? opendir(path) : NULL;
    while (d && next_below(d, path, below, sizeof(below)))
        thaw(below, depth + 1);
    if (d)
        closedir(d);
}

/* Nothing more may be born while its processes are read and ended; a group that is going away needs none of it. */
void cgroup_kill(enum cgroup_means means, const char *path)
{
    if (means == CGROUP_V2 && write_file(path, "cgroup.kill", "1") == 0)
        return;
    if (means == CGROUP_FREEZER)
        write_file(path, "freezer.state", "FROZEN");
    else if (means == CGROUP_PIDS)
        write_file(path, "pids.max", "0");
    cgroup_signal(path, SIGKILL, 0);
    if (means == CGROUP_FREEZER)
        thaw(path, 0);
}

static size_t read_file(const char *dir, const char *name, char *out, size_t cap)
{
    char path[TD_MAX_PATH_BYTES + 64];
    td_format(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);
    if (fd >= 0)
        close(fd);
    out[TD_MAX(n, 0)] = '\0';
    return (size_t)TD_MAX(n, 0);
}

static bool is_one(void *ctx, pid_t pid)
{
    (void)ctx, (void)pid;
    return false;
}

bool cgroup_empty(enum cgroup_means means, const char *path)
{
    char text[256];
    if (means == CGROUP_V2 && read_file(path, "cgroup.events", text, sizeof(text)))
        return strstr(text, "populated 0") != NULL;
    return each_process_below(path, is_one, NULL, 0);
}

static bool is_max(const char *path, const char *name)
{
    char text[64];
    return !read_file(path, name, text, sizeof(text)) || td_str_prefix(text, "max");
}

bool cgroup_pristine(enum cgroup_means means, const char *path)
{
    char text[64];
    struct stat st;
    if (stat(path, &st) < 0 || st.st_nlink != 2)
        return false;
    if (means == CGROUP_PIDS)
        return read_file(path, "pids.max", text, sizeof(text)) && td_str_prefix(text, "max");
    if (means == CGROUP_V2 && !(is_max(path, "cgroup.max.descendants") && is_max(path, "cgroup.max.depth")))
        return false;
    if (means == CGROUP_V2)
        return !read_file(path, "cgroup.freeze", text, sizeof(text)) || text[0] == '0';
    return read_file(path, "freezer.state", text, sizeof(text)) && td_str_prefix(text, "THAWED");
}

static bool remove_tree(const char *path, int depth)
{
    char below[TD_MAX_PATH_BYTES];
    if (rmdir(path) == 0 || errno == ENOENT)
        return true;
    DIR *d = depth < DEPTH_MAX ? opendir(path) : NULL;
    bool any = false;
    while (d && next_below(d, path, below, sizeof(below)))
        any |= remove_tree(below, depth + 1);
    if (d)
        closedir(d);
    return any && (rmdir(path) == 0 || errno == ENOENT);
}

bool cgroup_remove(const char *path)
{
    return remove_tree(path, 0);
}

struct td_strs cgroup_list(const char *path, struct td_arena *a)
{
    TD_VEC(const char *) found = {0};
    char below[TD_MAX_PATH_BYTES];
    DIR *d = opendir(path);
    while (d && next_below(d, path, below, sizeof(below)))
        td_vec_push(&found, td_arena_strdup(a, below));
    if (d)
        closedir(d);
    struct td_strs list = {0};
    if (found.n)
        list = (struct td_strs){td_arena_dup(a, found.v, found.n * sizeof(*found.v)), found.n};
    td_vec_release(&found);
    return list;
}
