/* ledger.h - the attempts of this node: who was started, once (DESIGN section 4.6)
 *
 * Owns: struct attempt. An attempt is in the ledger from its SH_LAUNCH until the broker has acknowledged its last
 * status; after that its name stays among the last LEDGER_PAST, so that a launch that comes late is known as a repeat. */
#ifndef TD_LEDGER_H
#define TD_LEDGER_H

#include <sys/types.h>

#include "types/types.h"

/* A life goes down this list, never up. */
enum attempt_state {
    ATTEMPT_LAUNCHING,  /* with the launching threads */
    ATTEMPT_HELD,       /* node_rank > 0: holds the allocation, no process */
    ATTEMPT_RUNNING,    /* its leader lives */
    ATTEMPT_LEFTOVERS,  /* the leader is over; what it left is being ended */
    ATTEMPT_GONE,       /* nothing is left; the broker does not know yet */
};
struct attempt {
    uint32_t job, attempt;
    enum attempt_state state;
    uint32_t uid;
    uint32_t owner, gid;     /* of its steps: whoever submitted it */
    struct td_buf groups;    /* uint32_t each: of the user its steps become */
    struct td_buf steps;     /* bitmap: step numbers that were ever started here */
    pid_t pid;               /* leader, session and process group */
    int64_t started_ms;      /* all times are CLOCK_BOOTTIME; INT64_MAX = never */
    uint32_t limit_s, kill_wait_s;
    bool session;            /* no script anywhere: HELD keeps the limit too */
    int64_t warn_at_ms, limit_at_ms, kill_at_ms;
    uint32_t warn_signal, warn_before_s;
    bool warn_leader_only;
    bool warned;
    bool timed_out;
    bool fenced;             /* not to live beyond the worker's word for it (SH_LEASE) */
    bool cut_off;            /* and ended for that */
    bool ending;             /* SIGTERM has been sent, SIGKILL follows at kill_at_ms */
    bool end_wanted;         /* end it as soon as it has started */
    uint32_t cage;           /* number of its cgroup; 0 = none yet */
    bool caged;              /* that was made */
    bool cage_worn;          /* and ended once: not for another attempt */
    bool launch_slow;        /* killed before exec: a path hangs */
    uint32_t left;           /* LEFTOVERS: processes at the last look */
    uint32_t kill_no;        /* last signal request carried out */
    struct td_usage usage;
    struct td_buf place;     /* encoded placement, for SH_STATE */
    uint64_t last_no;        /* its last status */
    int err_fd;              /* its error file, where that is a regular file; -1 = none */
    struct last_words *words; /* being written there; NULL = none */
    int64_t words_until_ms;  /* GONE waits for them until then; 0 = not yet */
    struct attempt *prev, *next;
};

#define LEDGER_PAST 16384
struct ledger {
    struct td_map by_name, by_pid, past;
    uint64_t past_ring[LEDGER_PAST];
    uint32_t past_at;
    struct attempt *first, *last; /* in order of launch */
    uint32_t n, alive;            /* alive: not GONE */
};

struct attempt *ledger_find(const struct ledger *l, uint32_t job, uint32_t attempt);
struct attempt *ledger_by_pid(const struct ledger *l, pid_t pid); /* leaders of RUNNING and LEFTOVERS */
bool ledger_was(const struct ledger *l, uint32_t job, uint32_t attempt);
struct attempt *ledger_add(struct ledger *l, uint32_t job, uint32_t attempt);
void ledger_set_pid(struct ledger *l, struct attempt *a, pid_t pid);
void ledger_set_gone(struct ledger *l, struct attempt *a);
/* Drops attempts that are GONE and whose last status is acknowledged. */
void ledger_forget(struct ledger *l, uint64_t acked);
void ledger_release(struct ledger *l);

#endif
