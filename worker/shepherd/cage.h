/* cage.h - the cgroup of each attempt
 *
 * A process that forks twice, leaves its session and empties its environment is still in the group it was born in.
 * DIR/spool/cgroup names the group that all of a node's are in, so that the next shepherd finds what this one left, and
 * DIR/spool/cages which attempt is in which: 8 bytes a group, job and attempt, 0 = none.
 * Groups have numbers, from 1, and are used again: making and removing one costs as much as half a short job. */
#ifndef TD_CAGE_H
#define TD_CAGE_H

#include "worker/confine/cgroup.h"
#include "worker/shepherd/spool.h"

struct shepherd;
struct attempt;

#define CAGES_MAX 8192u  /* in DIR/spool/cages; what is beyond is removed when its attempt is over */
#define CAGES_SPARE 128u /* empty ones that are kept */

struct cages {
    struct cgroup_home home;     /* CGROUP_NONE: the process list tells who belongs to whom */
    struct cgroup_home old_home; /* an earlier shepherd's, until it is swept */
    int table;                   /* DIR/spool/cages */
    uint32_t made;               /* numbers that were ever given */
    TD_VEC(uint32_t) numbers;    /* free ones that no group stands for */
    TD_VEC(uint32_t) spare[2];   /* empty groups; [1]: of those who may write to their group's files */
};

void cage_path(const struct cgroup_home *home, uint32_t number, char *out, size_t cap);
void cages_open(struct shepherd *sh);     /* chooses the means and says it in the log */
/* What an earlier shepherd left: found once, then ended until nothing is. Returns how many groups are not gone yet. */
void cages_find_old(struct shepherd *sh);
bool cages_unknown(const struct shepherd *sh, const life_vec *lives); /* is there one of an attempt that is not among them? */
uint32_t cages_sweep(struct shepherd *sh);
void cages_close(struct shepherd *sh);    /* ends what is in them, for a moment, and removes them */

void cage_take(struct shepherd *sh, struct attempt *a); /* a->cage, before its first process is made */
void cage_signal(struct shepherd *sh, struct attempt *a, int sig);
bool cage_gone(struct shepherd *sh, struct attempt *a); /* empty, and his no more; what still lives in it is killed */

#endif
