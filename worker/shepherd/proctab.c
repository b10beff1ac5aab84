/* proctab.c - reads /proc/<pid>/stat and /proc/<pid>/environ
 *
 * Owns: struct proctab. A process that goes away while it is read is simply not in the picture. */
#include "worker/shepherd/proctab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "types/types.h"

#define ENV_READ_MAX (4u * 1024 * 1024)

/* "pid (comm) S ppid pgrp session ..." - comm may hold blanks and brackets, so the fields count from the last ')'. */
static bool parse_stat(char *text, struct proc *p)
{
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    at += 2;
    p->state = *at;
    for (int field = 3; field <= 22; field++) {
        char *end = strchr(at, ' ');
        long long v = field == 3 ? 0 : strtoll(at, NULL, 10);
        if (field == 4)
            p->ppid = (pid_t)v;
        else if (field == 5)
            p->pgrp = (pid_t)v;
        else if (field == 6)
            p->session = (pid_t)v;
        else if (field == 22)
            p->start_ticks = (uint64_t)v;
        if (!end)
            return false;
        at = end + 1;
    }
    return true;
}

static bool read_one(int proc_fd, const char *name, struct proc *p)
{
    char path[64], text[1024];
    struct stat st;
    snprintf(path, sizeof(path), "%.20s/stat", name);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    bool ok = n > 0 && fstat(fd, &st) == 0;
    close(fd);
    if (!ok)
        return false;
    text[n] = '\0';
    *p = (struct proc){.pid = (pid_t)strtol(name, NULL, 10), .uid = st.st_uid};
    return parse_stat(text, p);
}

static int by_pid(const void *a, const void *b)
{
    pid_t x = ((const struct proc *)a)->pid, y = ((const struct proc *)b)->pid;
    return x < y ? -1 : x > y;
}

int proctab_read(struct proctab *t, struct td_error *err)
{
    t->procs.n = 0;
    DIR *dir = opendir("/proc");
    if (!dir)
        return td_fail(err, TD_E_IO, "cannot read /proc: %s", strerror(errno));
    struct dirent *e;
    while ((e = readdir(dir))) {
        struct proc p;
        if (e->d_name[0] >= '1' && e->d_name[0] <= '9' && read_one(dirfd(dir), e->d_name, &p))
            td_vec_push(&t->procs, p);
    }
    closedir(dir);
    if (t->procs.n)
        qsort(t->procs.v, t->procs.n, sizeof(*t->procs.v), by_pid);
    return 0;
}

void proctab_release(struct proctab *t)
{
    td_vec_release(&t->procs);
}

struct proc *proctab_find(const struct proctab *t, pid_t pid)
{
    uint32_t lo = 0, hi = t->procs.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (t->procs.v[mid].pid < pid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < t->procs.n && t->procs.v[lo].pid == pid ? &t->procs.v[lo] : NULL;
}

bool proc_env(pid_t pid, const char *name, char *out, size_t cap)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    struct td_buf env = {0};
    uint8_t chunk[16384];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 && env.len < ENV_READ_MAX)
        td_buf_put(&env, chunk, (size_t)n);
    close(fd);

    bool found = false;
    size_t len = strlen(name);
    const char *text = td_buf_str(&env);
    for (size_t at = 0; at < env.len && !found; at += strlen(text + at) + 1)
        if (strncmp(text + at, name, len) == 0 && text[at + len] == '=') {
            td_format(out, cap, "%s", text + at + len + 1);
            found = true;
        }
    td_buf_release(&env);
    return found;
}
