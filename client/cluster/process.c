/* process.c - processes of a cluster: found by their pid files and told by their command lines, started, ended */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cluster/cluster.h"

#define LEAVE_MS 10000
#define ASK_MS 100

const char *process_program(enum process_kind kind)
{
    static const char *const names[] = {"tender-broker", "tender-worker", "tender-shepherd", "tender-front"};

    return names[kind];
}

static void pid_path(const struct cluster *c, enum process_kind kind, const char *node, char *out, size_t cap)
{
    if (kind == PROCESS_BROKER || kind == PROCESS_FRONT)
        td_format(out, cap, "%s/state/run/%s.pid", c->dir, kind == PROCESS_BROKER ? "broker" : "front");
    else
        td_format(out, cap, "%s/nodes/%s/%s.pid", c->dir, node, kind == PROCESS_WORKER ? "worker" : "shepherd");
}

/* One word of a command line holds DIR, by itself or before a slash. */
static bool names_dir(const char *cmdline, size_t len, const char *dir)
{
    size_t n = strlen(dir);

    for (const char *p = cmdline; p < cmdline + len; p += strlen(p) + 1) {
        const char *at = strstr(p, dir);
        if (at && (at[n] == 0 || at[n] == '/') && (at == p || at[-1] == '@' || at[-1] == '='))
            return true;
    }
    return false;
}

static bool belongs(pid_t pid, const struct cluster *c, const char *program)
{
    char path[64], line[16384];

    td_format(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, line, sizeof(line) - 1);
    close(fd);
    if (n <= 0)
        return false;
    line[n] = 0;
    const char *slash = strrchr(line, '/'), *name = slash ? slash + 1 : line;
    return strcmp(name, program) == 0 && names_dir(line, (size_t)n, c->dir);
}

/* SIGKILL is pending: it will not run another instruction, and what it held is about to be free. */
static bool is_dying(pid_t pid)
{
    char path[64], text[4096];

    td_format(path, sizeof(path), "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    const char *own = strstr(text, "\nSigPnd:"), *shared = strstr(text, "\nShdPnd:");
    unsigned long long pending = (own ? strtoull(own + 8, NULL, 16) : 0) | (shared ? strtoull(shared + 8, NULL, 16) : 0);
    return pending >> (SIGKILL - 1) & 1;
}

pid_t process_find(const struct cluster *c, enum process_kind kind, const char *node)
{
    char path[TD_MAX_PATH_BYTES + 512], text[32] = "";

    pid_path(c, kind, node, path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    if (pid <= 1 || !process_alive((pid_t)pid) || !belongs((pid_t)pid, c, process_program(kind)))
        return 0;
    return is_dying((pid_t)pid) && process_wait_gone((pid_t)pid, LEAVE_MS) ? 0 : (pid_t)pid;
}

int process_beside(const char *program, char *out, size_t cap, struct td_error *err)
{
    char self[TD_MAX_PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n <= 0)
        return td_fail(err, TD_E_IO, "cannot tell where this program lies: %s", strerror(errno));
    self[n] = 0;
    *strrchr(self, '/') = 0;
    td_format(out, cap, "%s/%s", self, program);
    if (access(out, X_OK) < 0)
        return td_fail(err, TD_E_IO, "%s does not lie beside this program: %s", program, out);
    return 0;
}

static _Noreturn void become(const char *path, char *const argv[], int ready_fd, int err_fd)
{
    int null = open("/dev/null", O_RDWR);

    setsid();
    unsetenv("NOTIFY_SOCKET"); /* what stays does not speak for whatever service ran tender up */
    if (ready_fd >= 0 && ready_fd != 3 && dup2(ready_fd, 3) < 0)
        _exit(126);
    if (ready_fd == 3)
        fcntl(3, F_SETFD, 0);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(err_fd >= 0 ? err_fd : null, 2) < 0)
        _exit(126);
    close_range(ready_fd >= 0 ? 4 : 3, ~0u, 0);
    execv(path, argv);
    dprintf(2, "cannot run %s: %s\n", path, strerror(errno));
    _exit(127);
}

pid_t process_start(const char *program, char *const argv[], int ready_fd, int err_fd, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 64];
    int r = process_beside(program, path, sizeof(path), err);

    if (r < 0)
        return r;
    pid_t pid = fork();
    if (pid == 0)
        become(path, argv, ready_fd, err_fd);
    if (pid < 0)
        return td_fail(err, TD_E_IO, "cannot start %s: %s", program, strerror(errno));
    return pid;
}

/* A zombie is gone for our purposes. */
static char state_of(pid_t pid, pid_t *ret_parent)
{
    char path[64], text[512];

    td_format(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    const char *p = strrchr(text, ')'); /* the name may hold anything */
    if (!p || strlen(p) < 5)
        return 0;
    if (ret_parent)
        *ret_parent = (pid_t)strtol(p + 4, NULL, 10);
    return p[2];
}

bool process_alive(pid_t pid)
{
    char s = state_of(pid, NULL);

    return s && s != 'Z' && s != 'X';
}

bool process_stopped(pid_t pid)
{
    return state_of(pid, NULL) == 'T';
}

bool process_wait_gone(pid_t pid, int ms)
{
    struct timespec tick = {.tv_nsec = 5 * 1000000};

    for (int waited = 0; process_alive(pid); waited += 5) {
        if (waited >= ms)
            return false;
        nanosleep(&tick, NULL);
    }
    return true;
}

enum process_end process_end(pid_t pid, int asks, bool force)
{
    if (kill(pid, 0) < 0 && errno == EPERM)
        return PROCESS_NOT_OURS;
    for (int i = 0; i < asks && !force && process_alive(pid); i++) {
        kill(pid, SIGTERM); /* a second one counts only when the first was taken: two that wait are one */
        if (i + 1 < asks)
            process_wait_gone(pid, ASK_MS);
    }
    if (!force && process_wait_gone(pid, LEAVE_MS))
        return PROCESS_GONE;
    kill(pid, SIGKILL);
    return process_wait_gone(pid, LEAVE_MS) ? PROCESS_GONE : PROCESS_STAYS;
}

static bool contains(const pid_vec *v, pid_t pid)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (v->v[i] == pid)
            return true;
    return false;
}

void process_tree(pid_t root, pid_vec *ret)
{
    bool grown = true;

    ret->n = 0;
    while (grown) { /* a pass finds children of what the last pass found */
        DIR *proc = opendir("/proc");
        struct dirent *e;
        grown = false;
        while (proc && (e = readdir(proc))) {
            pid_t parent = 0, pid = isdigit((unsigned char)e->d_name[0]) ? (pid_t)strtol(e->d_name, NULL, 10) : 0;
            if (!pid || !state_of(pid, &parent) || contains(ret, pid))
                continue;
            if (parent == root || contains(ret, parent)) {
                td_vec_push(ret, pid);
                grown = true;
            }
        }
        if (proc)
            closedir(proc);
    }
}
