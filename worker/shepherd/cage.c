/* cage.c - attempts and their cgroups: HOME/JOB.ATTEMPT, from the launch until nothing is left
 *
 * Owns: HOME, DIR/spool/cgroup. Making one is the launching thread's (launch.c). */
#include "worker/shepherd/cage.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker/log.h"
#include "worker/shepherd/shepherd.h"

#define NAME_PART_MAX 48u /* of the node's folder, in the group's name */
#define CLOSE_MS 1000     /* a shepherd that leaves waits so long for what it has killed */

/* tender-n1-5f3a...: one name for a folder, whichever process asks. */
static void home_name(const struct shepherd *sh, char *out, size_t cap)
{
    const char *last = strrchr(sh->dir, '/');
    char part[NAME_PART_MAX + 1];
    td_format(part, sizeof(part), "%s", last ? last + 1 : sh->dir);
    for (char *p = part; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
            *p = '_';
    snprintf(out, cap, "tender-%s-%016llx", part, (unsigned long long)td_mix_bytes(0, sh->dir, strlen(sh->dir)));
}

static void note_path(const struct shepherd *sh, char *out, size_t cap)
{
    td_format(out, cap, "%s/spool/cgroup", sh->dir);
}

void cage_path(const struct cgroup_home *home, uint32_t job, uint32_t attempt, char *out, size_t cap)
{
    td_format(out, cap, "%s/%u.%u", home->path, job, attempt);
}

/* Without the note the next shepherd finds this one's groups only if it is started in the same place. */
static void write_note(const struct shepherd *sh)
{
    char path[TD_MAX_PATH_BYTES + 32];
    note_path(sh, path, sizeof(path));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t n = strlen(sh->home.path);
    if (fd < 0 || write(fd, sh->home.path, n) != (ssize_t)n)
        td_log("warn", "cannot write %s: %s; if this shepherd is killed, what its jobs leave is told by the process list", path,
               strerror(errno));
    if (fd >= 0)
        close(fd);
}

void cages_open(struct shepherd *sh)
{
    char name[NAME_PART_MAX + 32];
    struct td_error err = {0};
    home_name(sh, name, sizeof(name));
    if (cgroup_home_open(&sh->home, name, CGROUP_NONE, &err) < 0) {
        td_log("warn", "no cgroup may be used (%s): the processes of a job are told by descent, session and environment; one "
               "that gives up all three may outlive it", err.text);
        return;
    }
    write_note(sh);
    td_log("info", "processes are held by %s in %s", cgroup_words(sh->home.means), sh->home.path);
}

void cages_find_old(struct shepherd *sh)
{
    char path[TD_MAX_PATH_BYTES + 32], name[NAME_PART_MAX + 32], old[TD_MAX_PATH_BYTES];
    note_path(sh, path, sizeof(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* there was none, or it used no cgroups */
    ssize_t n = read(fd, old, sizeof(old) - 1);
    close(fd);
    old[TD_MAX(n, 0)] = '\0';
    home_name(sh, name, sizeof(name));
    if (!cgroup_home_again(&sh->old_home, old, name))
        return; /* gone with its boot, or with its shepherd */
    if (!cgroup_holds(old, getpid()))
        return;
    td_log("warn", "this shepherd was itself started inside %s: what is in there is not ended", old);
    sh->old_home.means = CGROUP_NONE;
}

static bool is_known(const char *group, const life_vec *lives)
{
    const char *name = strrchr(group, '/');
    unsigned job, attempt;
    if (!name || sscanf(name, "/%u.%u", &job, &attempt) != 2)
        return true; /* none of an attempt */
    for (uint32_t i = 0; i < lives->n; i++)
        if (lives->v[i].job == job && lives->v[i].attempt == attempt)
            return true;
    return false;
}

bool cages_unknown(const struct shepherd *sh, const life_vec *lives)
{
    struct td_arena arena = {0};
    bool unknown = false;
    if (sh->old_home.means == CGROUP_NONE)
        return false;
    struct td_strs groups = cgroup_list(sh->old_home.path, &arena);
    for (uint32_t i = 0; i < groups.n && !unknown; i++)
        unknown = !is_known(groups.v[i], lives);
    td_arena_release(&arena);
    return unknown;
}

/* One try at each group of a home, and at the home. */
static uint32_t empty_home(const struct cgroup_home *home)
{
    struct td_arena arena = {0};
    uint32_t left = 0;
    if (home->means == CGROUP_NONE)
        return 0;
    struct td_strs groups = cgroup_list(home->path, &arena);
    for (uint32_t i = 0; i < groups.n; i++)
        if (!cgroup_remove(groups.v[i])) {
            cgroup_kill(home->means, groups.v[i]);
            left++;
        }
    td_arena_release(&arena);
    if (left == 0 && !cgroup_remove(home->path))
        td_log("warn", "the cgroup %s cannot be removed: %s", home->path, strerror(errno));
    return left;
}

uint32_t cages_sweep(struct shepherd *sh)
{
    uint32_t left = empty_home(&sh->old_home);
    if (left == 0)
        sh->old_home.means = CGROUP_NONE;
    return left;
}

void cages_close(struct shepherd *sh)
{
    struct timespec tick = {.tv_nsec = 5 * 1000000};
    for (int ms = 0; empty_home(&sh->home) > 0 && ms < CLOSE_MS; ms += 5)
        nanosleep(&tick, NULL);
}

void cage_signal(struct shepherd *sh, struct attempt *a, int sig, bool spare_leader)
{
    char path[TD_MAX_PATH_BYTES + 32];
    cage_path(&sh->home, a->job, a->attempt, path, sizeof(path));
    if (sig == SIGKILL && !spare_leader)
        cgroup_kill(sh->home.means, path);
    else
        cgroup_signal(path, sig, spare_leader ? a->pid : 0);
}

bool cage_gone(struct shepherd *sh, struct attempt *a)
{
    char path[TD_MAX_PATH_BYTES + 32];
    if (!a->caged)
        return true;
    cage_path(&sh->home, a->job, a->attempt, path, sizeof(path));
    a->caged = !cgroup_remove(path);
    if (a->caged)
        cgroup_kill(sh->home.means, path);
    return !a->caged;
}
