/* shepherd.h - the shepherd's parts, and who calls whom
 *
 * One turn of the loop (main.c): read what waits (link.c: the worker; launch.c: what was started; reap.c: what ended),
 * keep the limits (limit.c), look for leftovers (reap.c), append the turn's statuses to the spool in one write
 * (spool.c), then report them (link.c). Nothing here blocks besides the poll. */
#ifndef TD_SHEPHERD_H
#define TD_SHEPHERD_H

#include "local/local.h"
#include "worker/shepherd/cage.h"
#include "worker/shepherd/launch.h"
#include "worker/shepherd/ledger.h"
#include "worker/shepherd/proctab.h"
#include "worker/shepherd/spool.h"

#define SHEPHERD_CALLERS 8                       /* connections that have not said SH_HELLO yet */
#define SHEPHERD_OUT_BYTES (32u * 1024 * 1024)   /* waiting for a worker that does not read */
#define SHEPHERD_LAUNCH_MS 30000                 /* a start that takes longer is given up: some path hangs */

struct shepherd {
    char dir[TD_MAX_PATH_BYTES];
    int64_t now_ms;          /* CLOCK_BOOTTIME of this turn */
    struct ledger ledger;
    struct spool spool;
    struct cages cages;
    struct launcher *launcher;
    bool orphans_exact;      /* launch_orphans can be trusted on this kernel */
    TD_VEC(struct launch *) flying;
    TD_VEC(struct launch *) spare;
    struct proctab tab;
    bool tab_fresh;          /* read in this turn */
    bool leftovers;          /* some attempt is in LEFTOVERS */
    int64_t look_at_ms;      /* next look for leftovers; INT64_MAX = none needed */
    int64_t look_wait_ms;
    int64_t next_due_ms;     /* no limit is due before */
    int64_t fence_ms;        /* fenced attempts are to end then; 0 = never */
    uint32_t fence_kill_wait_s;
    bool quit, quit_now;
    /* step.h */
    struct step *steps;
    struct td_map tasks;     /* by process, while it lives */
    int io_fd;               /* epoll of their pipes and relays */
    /* link */
    int listen_fd;
    char socket[TD_MAX_PATH_BYTES];
    struct td_stream worker; /* the one that said SH_HELLO last */
    bool has_worker;
    struct td_stream callers[SHEPHERD_CALLERS];
    uint32_t ncallers;
    uint64_t sent_no;        /* statuses up to here have been queued to the worker */
};

/* status.c */
void report(struct shepherd *sh, struct attempt *a, const struct td_report *r);
void report_unknown_gone(struct shepherd *sh, uint32_t job, uint32_t attempt);

/* recall.c: at start, after the sweep: attempts whose end is in the spool are in the ledger again */
void recall(struct shepherd *sh);

/* lastwords.c: a line in the job's error file that it was ended */
void last_words_say(struct attempt *a);
bool last_words_wait(const struct shepherd *sh, struct attempt *a); /* being written: GONE must wait */
void last_words_forget(struct attempt *a);

/* start.c */
void start_attempt(struct shepherd *sh, struct launch *what);    /* what->msg is set; takes it */
void started(struct shepherd *sh);                               /* what the launching threads have done */
int64_t start_overdue(struct shepherd *sh);
void launch_recycle(struct shepherd *sh, struct launch *what);
struct launch *launch_spare(struct shepherd *sh);

/* reap.c */
uint64_t start_ticks_of(int64_t boot_ms);
void reap(struct shepherd *sh);                                  /* SIGCHLD */
void attempt_leaves(struct shepherd *sh, struct attempt *a);     /* its leader is over: what is left is ended, then GONE */
void attempt_exited(struct shepherd *sh, struct attempt *a, int wait_status, const struct rusage *usage);
void look_for_leftovers(struct shepherd *sh);
enum attempt_reach { REACH_LEADER, REACH_ALL };
void attempt_signal(struct shepherd *sh, struct attempt *a, int sig, enum attempt_reach reach);
bool sweep(struct shepherd *sh, const life_vec *lives);          /* at start: ends what a dead shepherd left; false: not all */

/* limit.c */
void limit_set(struct shepherd *sh, struct attempt *a, uint32_t limit_s);
void limit_warn_parse(struct attempt *a, const char *signal);
void limits_keep(struct shepherd *sh);
void limit_fence(struct shepherd *sh, int64_t until_ms, uint32_t kill_wait_s); /* SH_LEASE */
bool limit_fence_is_over(const struct shepherd *sh);
void attempt_end(struct shepherd *sh, struct attempt *a);
void attempt_kill(struct shepherd *sh, const struct td_kill *k, uint32_t kill_wait_s);

/* link.c */
int link_open(struct shepherd *sh, struct td_error *err);
void link_accept(struct shepherd *sh);
void link_read(struct shepherd *sh);
void link_report(struct shepherd *sh);
void link_repeat(struct shepherd *sh, struct attempt *a);        /* sends its waiting statuses again */
bool link_relay(struct shepherd *sh, const struct td_step_launch *l); /* asks the worker for another; false: none is there */
void link_close(struct shepherd *sh);
void shepherd_quit(struct shepherd *sh, bool now); /* leave when nothing runs; now: end what runs */

#endif
