/* cage.c - attempts and their cgroups: HOME/NUMBER, from the launch until nothing is left, and then for the next attempt
 *
 * Owns: HOME, DIR/spool/cgroup, DIR/spool/cages. Making one is the launching thread's (launch.c). */
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
#include "worker/shepherd/step.h"

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

void cage_path(const struct cgroup_home *home, uint32_t number, char *out, size_t cap)
{
    td_format(out, cap, "%s/%u", home->path, number);
}

/* --- which attempt is in which ----------------------------------------------------------------------------------------- */

struct row {
    uint32_t job, attempt;
};

static void table_open(struct shepherd *sh)
{
    char path[TD_MAX_PATH_BYTES + 32];
    td_format(path, sizeof(path), "%s/spool/cages", sh->dir);
    sh->cages.table = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (sh->cages.table < 0)
        td_log("warn", "cannot write %s: %s; cgroups are not used again", path, strerror(errno));
}

/* False: the next shepherd would not know, so the group is not for another attempt. */
static bool table_put(struct shepherd *sh, uint32_t number, struct row row)
{
    if (sh->cages.table < 0 || number >= CAGES_MAX)
        return false;
    return pwrite(sh->cages.table, &row, sizeof(row), (off_t)(number * sizeof(row))) == (ssize_t)sizeof(row);
}

/* What an earlier shepherd's table says; nothing: it was killed before it wrote, or could not. */
static struct row table_get(int fd, uint32_t number)
{
    struct row row;
    if (fd < 0 || pread(fd, &row, sizeof(row), (off_t)(number * sizeof(row))) != (ssize_t)sizeof(row))
        return (struct row){.job = UINT32_MAX};
    return row;
}

/* --- all of them ----------------------------------------------------------------------------------------------------------- */

/* Without the note the next shepherd finds this one's groups only if it is started in the same place. */
static void write_note(const struct shepherd *sh)
{
    char path[TD_MAX_PATH_BYTES + 32];
    note_path(sh, path, sizeof(path));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t n = strlen(sh->cages.home.path);
    if (fd < 0 || write(fd, sh->cages.home.path, n) != (ssize_t)n)
        td_log("warn", "cannot write %s: %s; if this shepherd is killed, what its jobs leave is told by the process list", path,
               strerror(errno));
    if (fd >= 0)
        close(fd);
}

void cages_open(struct shepherd *sh)
{
    char name[NAME_PART_MAX + 32];
    struct td_error err = {0};
    sh->cages.table = -1;
    home_name(sh, name, sizeof(name));
    if (cgroup_home_open(&sh->cages.home, name, CGROUP_NONE, &err) < 0) {
        td_log("warn", "no cgroup may be used (%s): the processes of a job are told by descent, session and environment; one "
               "that gives up all three may outlive it", err.text);
        return;
    }
    write_note(sh);
    table_open(sh);
    td_log("info", "processes are held by %s in %s", cgroup_words(sh->cages.home.means), sh->cages.home.path);
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
    if (!cgroup_home_again(&sh->cages.old_home, old, name))
        return; /* gone with its boot, or with its shepherd */
    if (!cgroup_holds(old, getpid()))
        return;
    td_log("warn", "this shepherd was itself started inside %s: what is in there is not ended", old);
    sh->cages.old_home.means = CGROUP_NONE;
}

/* Earlier builds gave them their attempt's name. */
static bool is_known(int table, const char *group, const life_vec *lives)
{
    const char *name = strrchr(group, '/');
    unsigned number, attempt;
    int n = name ? sscanf(name, "/%u.%u", &number, &attempt) : 0;
    if (n < 1)
        return true; /* none of an attempt */
    struct row in = n == 2 ? (struct row){number, attempt} : table_get(table, number);
    if (in.job == 0)
        return true; /* a spare one */
    for (uint32_t i = 0; i < lives->n; i++)
        if (lives->v[i].job == in.job && lives->v[i].attempt == in.attempt)
            return true;
    return false;
}

bool cages_unknown(const struct shepherd *sh, const life_vec *lives)
{
    struct td_arena arena = {0};
    bool unknown = false;
    if (sh->cages.old_home.means == CGROUP_NONE)
        return false;
    char path[TD_MAX_PATH_BYTES + 32];
    td_format(path, sizeof(path), "%s/spool/cages", sh->dir);
    int table = open(path, O_RDONLY | O_CLOEXEC);
    struct td_strs groups = cgroup_list(sh->cages.old_home.path, &arena);
    for (uint32_t i = 0; i < groups.n && !unknown; i++)
        unknown = !is_known(table, groups.v[i], lives);
    if (table >= 0)
        close(table);
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
    uint32_t left = empty_home(&sh->cages.old_home);
    if (left == 0)
        sh->cages.old_home.means = CGROUP_NONE;
    return left;
}

void cages_close(struct shepherd *sh)
{
    struct timespec tick = {.tv_nsec = 5 * 1000000};
    for (int ms = 0; empty_home(&sh->cages.home) > 0 && ms < CLOSE_MS; ms += 5)
        nanosleep(&tick, NULL);
    td_vec_release(&sh->cages.numbers);
    td_vec_release(&sh->cages.spare[0]);
    td_vec_release(&sh->cages.spare[1]);
    if (sh->cages.table >= 0)
        close(sh->cages.table);
}

/* --- one ---------------------------------------------------------------------------------------------------------------------- */

/* Whoever has the shepherd's own user can write to the group's files: limits that he leaves there are for his like. */
static bool may_write(const struct attempt *a)
{
    return a->owner == geteuid();
}

void cage_take(struct shepherd *sh, struct attempt *a)
{
    struct cages *c = &sh->cages;
    if (a->cage || c->home.means == CGROUP_NONE)
        return;
    if (c->spare[may_write(a)].n)
        a->cage = c->spare[may_write(a)].v[--c->spare[may_write(a)].n];
    else if (c->numbers.n)
        a->cage = c->numbers.v[--c->numbers.n];
    else
        a->cage = ++c->made;
    table_put(sh, a->cage, (struct row){a->job, a->attempt});
}

/* A process made by clone into a group that cgroup.kill has emptied is killed at birth (Linux 6.18: the group's count of kills
 * is compared with the parent's), so such a group is not used again. */
static void end_all(struct shepherd *sh, struct attempt *a, const char *path)
{
    cgroup_kill(sh->cages.home.means, path);
    a->cage_worn = true;
}

void cage_signal(struct shepherd *sh, struct attempt *a, int sig)
{
    char path[TD_MAX_PATH_BYTES + 32];
    cage_path(&sh->cages.home, a->cage, path, sizeof(path));
    if (sig == SIGKILL)
        end_all(sh, a, path);
    else
        cgroup_signal(path, sig, 0);
}

/* The attempt's no more: for the next one as it is, or gone. */
static bool let_go(struct shepherd *sh, struct attempt *a, const char *path)
{
    struct cages *c = &sh->cages;
    uint32_t number = a->cage;
    bool keep = a->caged && !a->cage_worn && c->spare[may_write(a)].n < CAGES_SPARE && cgroup_pristine(c->home.means, path);
    if (a->caged && !keep && !cgroup_remove(path))
        return false;
    if (!table_put(sh, number, (struct row){0}) && keep) {
        if (!cgroup_remove(path))
            return false;
        keep = false;
    }
    if (keep)
        td_vec_push(&c->spare[may_write(a)], number);
    else
        td_vec_push(&c->numbers, number);
    a->cage = 0;
    a->caged = a->cage_worn = false;
    return true;
}

bool cage_gone(struct shepherd *sh, struct attempt *a)
{
    char path[TD_MAX_PATH_BYTES + 32];
    if (a->cage == 0)
        return true;
    cage_path(&sh->cages.home, a->cage, path, sizeof(path));
    if (a->caged && !cgroup_empty(sh->cages.home.means, path)) {
        end_all(sh, a, path);
        return false;
    }
    return !steps_alive(sh, a) && let_go(sh, a, path); /* a task of theirs may be on its way into it */
}
