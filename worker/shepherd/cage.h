/* cage.h - the cgroup of each attempt
 *
 * A process that forks twice, leaves its session and empties its environment is still in the group it was born in.
 * DIR/spool/cgroup names the group that all of a node's are in, so that the next shepherd finds what this one left. */
#ifndef TD_CAGE_H
#define TD_CAGE_H

#include "worker/confine/cgroup.h"
#include "worker/shepherd/spool.h"

struct shepherd;
struct attempt;

void cage_path(const struct cgroup_home *home, uint32_t job, uint32_t attempt, char *out, size_t cap);
void cages_open(struct shepherd *sh);     /* chooses the means and says it in the log */
/* What an earlier shepherd left: found once, then ended until nothing is. Returns how many groups are not gone yet. */
void cages_find_old(struct shepherd *sh);
bool cages_unknown(const struct shepherd *sh, const life_vec *lives); /* is there one of an attempt that is not among them? */
uint32_t cages_sweep(struct shepherd *sh);
void cages_close(struct shepherd *sh);    /* ends what is in them, for a moment, and removes them */

void cage_signal(struct shepherd *sh, struct attempt *a, int sig, bool spare_leader);
bool cage_gone(struct shepherd *sh, struct attempt *a); /* removed, or there was none; what still lives in it is killed */

#endif
