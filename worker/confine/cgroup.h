/* cgroup.h - a folder of the kernel's that holds processes: what is born in it stays in it, whatever it calls itself
 *
 * Owns: how a usable hierarchy is found, and what making, entering, counting, ending and removing mean in each. Knows
 * nothing of attempts. Groups are made below the caller's own, so that whoever ends or limits that one ends and limits
 * these too; where that may not be written to there is none, in words. */
#ifndef TD_CGROUP_H
#define TD_CGROUP_H

#include <sys/types.h>

#include "types/types.h"

/* In order of preference. */
enum cgroup_means {
    CGROUP_NONE,    /* nothing may be used: the process list is all there is */
    CGROUP_V2,      /* born inside; cgroup.kill where the kernel has it */
    CGROUP_FREEZER, /* v1: enters itself before exec; frozen while it is ended */
    CGROUP_PIDS,    /* v1: likewise; no new process while it is ended */
    CGROUP_MEANS,
};
struct cgroup_home {
    enum cgroup_means means;
    char path[TD_MAX_PATH_BYTES]; /* the group that all groups of a node are in */
};

const char *cgroup_words(enum cgroup_means means); /* "cgroup/v2", ..., "process list" */
/* Makes NAME below this process's own group by the best means that works, or by `only` alone (CGROUP_NONE: any), and
 * proves it by a child that enters. On failure *ret is untouched and err says what each means lacked. Forks. */
int cgroup_home_open(struct cgroup_home *ret, const char *name, enum cgroup_means only, struct td_error *err);
/* The same group as an earlier process wrote down; false: the path is none of ours, or is not there any more. */
bool cgroup_home_again(struct cgroup_home *ret, const char *path, const char *name);

int cgroup_make(const char *path);              /* 0 or -errno; one that is there already will do */
int cgroup_enter(const char *path);             /* the calling process; 0 or -1 with errno. System calls only. */
bool cgroup_holds(const char *path, pid_t pid); /* in it, or in one below */
/* Sends sig to all in it and below but `spare` (0: to all). Returns to how many. */
uint32_t cgroup_signal(const char *path, int sig, pid_t spare);
void cgroup_kill(enum cgroup_means means, const char *path); /* one try: what is being born may need another */
bool cgroup_empty(enum cgroup_means means, const char *path); /* nothing lives in it or below */
/* As it was made, but for its processes: no group below, not frozen, no limit of ours. */
bool cgroup_pristine(enum cgroup_means means, const char *path);
bool cgroup_remove(const char *path);           /* with those below; true: it is gone. False while anything lives in it. */
/* Paths of the groups in it. The strings are the arena's. */
struct td_strs cgroup_list(const char *path, struct td_arena *a);

#endif
