/* doctor_host.c - what one host has: Tender's programs, room on its disk, limits of the daemons, the users they run as */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/doctor.h"

#define FREE_MB_MIN 256u
#define FREE_FILES_MIN 10000u
#define PROCESSES_MIN 512u /* of all jobs of one user on a node, their threads included */
#define FILES_MIN 1024u    /* of a broker or front */

/* --- programs ---------------------------------------------------------------------------------------------------------- */

/* The first line of PROGRAM --version; false: it does not run. */
static bool ask_version(const char *program, char out[128])
{
    int fds[2], status = 0;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        if (null < 0 || dup2(null, 0) < 0 || dup2(fds[1], 1) < 0 || dup2(null, 2) < 0)
            _exit(126);
        execl(program, program, "--version", (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    ssize_t n = pid > 0 ? read(fds[0], out, 127) : -1;
    close(fds[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    out[n > 0 ? n : 0] = 0;
    out[strcspn(out, "\n")] = 0;
    return n > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void doctor_look_at_programs(struct visit *v)
{
    static const char *const names[] = {"tender-broker", "tender-front", "tender-worker", "tender-shepherd", "tender-relay"};
    uint32_t ills = v->ills;

    for (size_t i = 0; i < TD_ARRAY_LEN(names); i++) {
        char path[TD_MAX_PATH_BYTES + 64], said[128], want[128];
        struct td_error err = {0};
        td_format(want, sizeof(want), "%s " TD_VERSION, names[i]);
        if (process_beside(names[i], path, sizeof(path), &err) < 0)
            doctor_ill(v, "programs", "%s; build it, or keep Tender's programs in one folder", err.text);
        else if (strcmp(names[i], "tender-relay") == 0)
            continue; /* it speaks with its worker alone */
        else if (!ask_version(path, said))
            doctor_ill(v, "programs", "%s does not run: install it again, from the release of the others", path);
        else if (strcmp(said, want) != 0)
            doctor_ill(v, "version", "%s is \"%s\", this command is of version " TD_VERSION ": install all programs of one release",
                       path, said);
    }
    if (v->ills == ills)
        doctor_good(v, "programs", "Tender's programs are here, all of version " TD_VERSION);
}

/* --- disk -------------------------------------------------------------------------------------------------------------- */

static void look_at_room(struct visit *v, const char *dir, uint64_t least_mb, const char *then)
{
    struct statvfs fs;

    if (statvfs(dir, &fs) < 0) {
        doctor_ill(v, "disk", "%s: %s; tender up, or the start of its daemon, makes it", dir, strerror(errno));
        return;
    }
    unsigned long long mb = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
    if (mb < least_mb)
        doctor_ill(v, "disk", "only %llu MiB free under %s, below %llu: %s; make room", mb, dir, (unsigned long long)least_mb, then);
    else if (fs.f_files && fs.f_favail < FREE_FILES_MIN)
        doctor_ill(v, "disk", "only %llu files can still be made under %s (inodes): %s; remove some",
                   (unsigned long long)fs.f_favail, dir, then);
    else
        doctor_good(v, "disk", "%llu MiB free under %s", mb, dir);
}

void doctor_look_at_disk(struct visit *v)
{
    char state[TD_MAX_PATH_BYTES], nodes[TD_MAX_PATH_BYTES + 16];
    struct stat a, b;
    doctor_state_dir(v, state);
    look_at_room(v, state, v->conf ? v->conf->low_space_mb : FREE_MB_MIN, "new work is refused (LowSpace= of tender.conf)");
    if (!*v->local.dir)
        return;
    td_format(nodes, sizeof(nodes), "%s/nodes", v->local.dir);
    if (stat(nodes, &b) == 0 && stat(state, &a) == 0 && a.st_dev != b.st_dev)
        look_at_room(v, nodes, FREE_MB_MIN, "scripts and statuses of jobs find no place there");
}

/* --- limits ------------------------------------------------------------------------------------------------------------ */

/* The pid that FILE holds, if the program of that name runs. */
static pid_t pid_of(const char *file, const char *program)
{
    char path[64], name[64] = "", text[32] = "";
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    if (pid <= 1)
        return 0;
    td_format(path, sizeof(path), "/proc/%ld/comm", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
    if (fd >= 0)
        close(fd);
    name[n > 0 ? n : 0] = 0;
    name[strcspn(name, "\n")] = 0;
    return strncmp(program, name, 15) == 0 && *name ? (pid_t)pid : 0; /* the kernel keeps 15 */
}

/* The hard limit of a process, UINT64_MAX: none; false: it cannot be told. */
static bool limit_of(pid_t pid, const char *what, uint64_t *ret)
{
    char path[64], soft[32], hard[32];
    struct td_buf text = {0};
    struct td_error err = {0};

    td_format(path, sizeof(path), "/proc/%d/limits", (int)pid);
    bool ok = file_read(path, &text, &err) == 0;
    const char *at = ok ? strstr(td_buf_str(&text), what) : NULL;
    ok = at && sscanf(at + strlen(what), " %31s %31s", soft, hard) == 2;
    if (ok && strcmp(hard, "unlimited") == 0)
        *ret = UINT64_MAX;
    else
        ok = ok && td_parse_u64(hard, ret);
    td_buf_release(&text);
    return ok;
}

/* pids.max of the cgroup a process is in; UINT64_MAX where there is none. */
static uint64_t pids_max(pid_t pid)
{
    char path[64];
    struct td_buf text = {0}, file = {0}, value = {0};
    struct td_error err = {0};
    uint64_t n = UINT64_MAX;

    td_format(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    if (file_read(path, &text, &err) == 0) {
        const char *v1 = strstr(td_buf_str(&text), ":pids:"), *v2 = strstr(td_buf_str(&text), "0::");
        const char *at = v1 ? v1 + 6 : v2 ? v2 + 3 : "";
        td_buf_putf(&file, "/sys/fs/cgroup%s%.*s/pids.max", v1 ? "/pids" : "", (int)strcspn(at, "\n"), at);
        if (file_read(td_buf_str(&file), &value, &err) == 0 && value.len) {
            value.data[strcspn((const char *)value.data, "\n")] = 0;
            if (!td_parse_u64((const char *)value.data, &n)) /* "max" */
                n = UINT64_MAX;
        }
    }
    td_buf_release(&text);
    td_buf_release(&file);
    td_buf_release(&value);
    return n;
}

/* What the broker reckons with: three descriptors for a worker, some for clients, some of its own. */
static uint64_t files_wanted(uint64_t nodes)
{
    uint64_t rest = 3 * (nodes + 16) + 192;

    return TD_MAX((uint64_t)FILES_MIN, TD_MAX(rest + 128, rest * 4 / 3));
}

static void look_at_files(struct visit *v, const char *name)
{
    char state[TD_MAX_PATH_BYTES], file[TD_MAX_PATH_BYTES + 64], program[64];
    uint64_t has, wants = files_wanted(v->nodes.rows.n);

    doctor_state_dir(v, state);
    td_format(file, sizeof(file), "%s/run/%s.pid", state, name);
    td_format(program, sizeof(program), "tender-%s", name);
    pid_t pid = pid_of(file, program);
    if (!pid || !limit_of(pid, "Max open files", &has))
        return;
    if (has < wants)
        doctor_ill(v, "limits", "the %s may open %llu files, and %u nodes with their users need %llu: raise LimitNOFILE= of its unit, or "
                   "ulimit -n before tender up, and start it again", name, (unsigned long long)has, v->nodes.rows.n,
                   (unsigned long long)wants);
    else
        doctor_good(v, "limits", "the %s may open as many files as it needs", name);
}

static void look_at_processes(struct visit *v, const char *node)
{
    uint64_t has = UINT64_MAX;
    pid_t pid = process_find(&v->local, PROCESS_SHEPHERD, node);

    if (!pid)
        return;
    uint64_t group = pids_max(pid);
    if (!limit_of(pid, "Max processes", &has))
        has = UINT64_MAX;
    if (has < PROCESSES_MIN)
        doctor_ill(v, "limits", "all of a user's jobs on node %s may have %llu processes together: raise LimitNPROC= of "
                   "tender-shepherd, or ulimit -u before tender up, and start it again", node, (unsigned long long)has);
    else if (group < PROCESSES_MIN)
        doctor_ill(v, "limits", "all jobs on node %s may have %llu processes together (pids.max of the cgroup it was started in): "
                   "raise TasksMax= of its unit or session, and start it again", node, (unsigned long long)group);
}

/* A program that was replaced goes on running until it is started again. */
static void look_at_replaced(struct visit *v, pid_t pid, const char *what)
{
    char path[64], exe[TD_MAX_PATH_BYTES];

    td_format(path, sizeof(path), "/proc/%d/exe", (int)pid);
    ssize_t n = pid ? readlink(path, exe, sizeof(exe) - 1) : -1; /* another user's: not to be told */
    if (n <= 0)
        return;
    exe[n] = 0;
    const char *mark = " (deleted)";
    if ((size_t)n > strlen(mark) && strcmp(exe + n - strlen(mark), mark) == 0)
        doctor_ill(v, "version", "the %s runs a program that has been replaced since: start it again (tender down and tender up, or "
                   "systemctl restart)", what);
}

void doctor_look_at_limits(struct visit *v)
{
    static const char *const names[] = {"broker", "front"};
    char state[TD_MAX_PATH_BYTES], file[TD_MAX_PATH_BYTES + 64], program[64];

    doctor_state_dir(v, state);
    for (size_t i = 0; i < TD_ARRAY_LEN(names); i++) {
        look_at_files(v, names[i]);
        td_format(file, sizeof(file), "%s/run/%s.pid", state, names[i]);
        td_format(program, sizeof(program), "tender-%s", names[i]);
        look_at_replaced(v, pid_of(file, program), names[i]);
    }
    for (uint32_t i = 0; i < v->lines.v.n; i++) {
        char what[TD_MAX_NAME_BYTES + 32];
        look_at_processes(v, v->lines.v.v[i].node);
        td_format(what, sizeof(what), "worker of %s", v->lines.v.v[i].node);
        look_at_replaced(v, process_find(&v->local, PROCESS_WORKER, v->lines.v.v[i].node), what);
    }
}

/* --- users ------------------------------------------------------------------------------------------------------------- */

static const char *user_name(struct visit *v, uint32_t uid)
{
    const struct passwd *pw = getpwuid(uid);
    char text[32];

    td_format(text, sizeof(text), "user %u", uid);
    return td_arena_strdup(&v->arena, pw ? pw->pw_name : text);
}

/* A node whose worker is not root runs one user's jobs; that must be the broker's only one. */
static void look_at_runs_as(struct visit *v, uint32_t broker_uid)
{
    for (uint32_t i = 0; i < v->nodes.rows.n; i++) {
        const struct td_node_info *n = &v->nodes.rows.v[i];
        if (!n->runs_as || n->runs_as - 1 == broker_uid)
            continue;
        uint32_t uid = n->runs_as - 1;
        doctor_ill(v, "users", "the worker of %s runs as %s, and the broker as %s: the jobs of %s never start there; start that "
                   "worker as %s", n->name, user_name(v, uid), user_name(v, broker_uid),
                   broker_uid ? user_name(v, broker_uid) : "everybody else", user_name(v, broker_uid));
    }
}

/* Two users have started one cluster by turns: files of one are closed to the other. */
static void look_at_owners(struct visit *v)
{
    char path[TD_MAX_PATH_BYTES * 2];
    struct stat state, st;

    doctor_state_dir(v, path);
    if (!*v->local.dir || stat(path, &state) < 0)
        return;
    for (uint32_t i = 0; i < v->lines.v.n; i++) {
        td_format(path, sizeof(path), "%s/nodes/%s", v->local.dir, v->lines.v.v[i].node);
        if (stat(path, &st) == 0 && st.st_uid != state.st_uid)
            doctor_ill(v, "users", "%s belongs to %s, the broker's directory to %s: chown -R %s %s", path, user_name(v, st.st_uid),
                       user_name(v, state.st_uid), user_name(v, state.st_uid), path);
    }
}

void doctor_look_at_users(struct visit *v)
{
    uint64_t uid;
    uint32_t ills = v->ills;
    const char *told = doctor_told(v, "uid");

    look_at_owners(v);
    if (!told || !td_parse_u64(told, &uid))
        return;
    look_at_runs_as(v, (uint32_t)uid);
    if (uid && getuid() && uid != getuid())
        doctor_note(v, "users", "this cluster is %s's alone: started by root it would take jobs of yours", user_name(v, (uint32_t)uid));
    if (!getpwuid(getuid()))
        doctor_note(v, "users", "user %u has no name on this host: give him one in /etc/passwd or its like, the same number on every "
                    "node", (unsigned)getuid());
    if (v->ills == ills)
        doctor_good(v, "users", "broker and workers run as users that fit");
}
