/* launch.h - starts the process of an attempt, in threads of its own
 *
 * Why threads: (1) the child opens directories and files of its user before exec, and a file system that hangs must
 * not stop the loop that ends other jobs; (2) Linux gives orphans to the first thread of a subreaper, while the
 * processes started here are children of their launching thread. So "has the main thread any child?" is one system
 * call (launch_orphans) that tells whether anything at all was left behind by attempts that ended - no look into /proc.
 * launch_self_test proves it on this kernel at start.
 *
 * Owns: struct launch from launcher_put until launcher_take gives it back. */
#ifndef TD_LAUNCH_H
#define TD_LAUNCH_H

#include <sys/resource.h>
#include <sys/types.h>

#include "types/types.h"

struct attempt;
struct cgroup_home;
struct task;

/* What could not be done before exec. */
enum launch_step {
    LAUNCH_OK, LAUNCH_FORK, LAUNCH_CGROUP, LAUNCH_BIND, LAUNCH_USER, LAUNCH_DIR, LAUNCH_IN, LAUNCH_OUT, LAUNCH_ERR,
    LAUNCH_EXEC,
};
struct launch {
    struct td_arena arena;           /* everything msg points to */
    const struct td_sh_launch *msg;
    struct attempt *attempt;
    struct task *task;               /* of a step (step.h), NULL for a batch script; then also: */
    int fds[3];                      /* its stdin, stdout, stderr where they are made already; -1 = the file named in msg */
    bool tty;                        /* fds[0] becomes its controlling terminal */
    const char *path;                /* where its program is looked for */
    uint32_t cage;                   /* number of its cgroup; 0 = none */
    int64_t asked_ms;                /* when it was given to the launching threads */
    /* written by the launching thread and its child; the loop reads them when launcher_take has given it back */
    enum launch_step failed;
    int error;                       /* errno of the failure */
    int64_t started_ms;              /* CLOCK_BOOTTIME just before the process was made */
    int err_fd;                      /* the child's stderr if that is a regular file, else -1; whoever takes it closes it */
    bool worn;                       /* its cgroup is not to be used again */
    bool caged;                      /* a cgroup was made for it, whether the process came up or not */
    volatile int pid;                /* set by the child's first line, or by the kernel before it: also read while under way */
    /* used by the loop while it is under way */
    bool reaped;                     /* the process is over already */
    int wait_status;
    struct rusage usage;
    struct launch *next;
};

struct launcher;
/* home: where attempts get their cgroups; borrowed as long as there are launches. */
int launcher_new(struct launcher **ret, const struct cgroup_home *home, struct td_error *err);
int launcher_fd(const struct launcher *l);             /* readable when something is done */
void launcher_put(struct launcher *l, struct launch *what);
struct launch *launcher_take(struct launcher *l);      /* all that are done, oldest first; NULL = none */
/* Processes that lost their parent and came to us: 1 there are, 0 none. Zombies count until reaped. */
int launch_orphans(void);
bool launch_self_test(struct launcher *l);             /* does launch_orphans tell the truth on this kernel? */
/* A sentence for a person: "cannot change to the working directory /nope: No such file or directory". */
void launch_words(const struct launch *l, char *out, size_t cap);

#endif
