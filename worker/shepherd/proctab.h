/* proctab.h - a picture of /proc: who is whose child, session and group */
#ifndef TD_PROCTAB_H
#define TD_PROCTAB_H

#include <sys/types.h>

#include "base/base.h"

struct proc {
    pid_t pid, ppid, pgrp, session;
    uint64_t start_ticks; /* since boot */
    uint32_t uid;
    char state;           /* Z: dead, waits to be reaped */
    uint32_t tag;         /* the user's own note; 0 when read */
};
struct proctab {
    TD_VEC(struct proc) procs; /* by pid */
};

/* Reads all of /proc, about 10 us a process: only where something is known to be left. */
int proctab_read(struct proctab *t, struct td_error *err);
void proctab_release(struct proctab *t);
struct proc *proctab_find(const struct proctab *t, pid_t pid); /* borrowed until the next read */

/* Value of a variable in the environment a process was started with; false if unset or unreadable. */
bool proc_env(pid_t pid, const char *name, char *out, size_t cap);

#endif
