/* worker.h - the worker's shell: what carries out the agent's effects
 *
 * One loop (loop.c) over the bus (uplink.c), the shepherd (keeper.c), signals and the agent's timer. launch.c makes a
 * whole launch of what the agent awards, from blobs (blobs.c), environ.c and pattern.c; inventory.c says what this node is.
 * Decisions are the agent's (worker/core); nothing here blocks besides the poll. */
#ifndef TD_WORKER_H
#define TD_WORKER_H

#include "bus/bus.h"
#include "conf/conf.h"
#include "local/local.h"
#include "local/notify.h"
#include "worker/blobs.h"
#include "worker/core/agent.h"
#include "worker/scripts.h"

struct worker_options {
    char *join;           /* the token; NULL: the one of an earlier start */
    const char *node, *dir, *conf, *topology, *log;
    uint32_t cpus;
    bool rehearse;        /* sizes are as declared */
    int ready_fd;         /* -1 = none */
    struct td_notify notify;
};

struct machine {
    struct td_arena arena;         /* owns what inventory points to */
    struct td_inventory inventory;
    bool bind;                     /* bind jobs to their CPUs */
    char means[TD_MAX_NAME_BYTES + 1]; /* what holds the processes of a job, in the shepherd's words; empty: not said yet */
    struct td_conf *conf;          /* --conf, or the broker's where it can be read here; NULL */
    struct td_arena told_arena;
    struct td_node_conf told;      /* NodeName line as WELCOME brought it */
    bool has_told;
};

struct held_launch { /* waits for its blobs */
    struct td_arena arena;
    struct td_sh_launch msg;
    struct held_launch *next;
};

struct worker {
    struct worker_options opt;
    char dir[TD_MAX_PATH_BYTES];
    char node[TD_MAX_NAME_BYTES + 1];
    int64_t now_ms;                /* CLOCK_BOOTTIME */
    struct machine machine;
    struct td_agent *agent;        /* NULL until enrolled */
    struct td_arena arena;         /* of one incoming message */
    struct td_buf frame;
    bool ready_said, registered_once;
    int64_t look_dir_ms;
    char home[17];                 /* names the locked folder on this boot of the host; empty: not known */
    bool over;
    bool in_step, lost_in_step;    /* loop.c */
    int exit_code;
    int stops;                     /* SIGTERM and SIGINT so far */

    /* uplink.c */
    struct td_join_token token;
    struct td_bus_trouble trouble;
    struct td_keypair keys;
    struct td_keypair next_keys;   /* if it rotates: DIR/key.new */
    bool rotates;
    int64_t rotate_at_ms;          /* said again then */
    struct td_bus_client *bus;
    uint32_t incarnation;          /* of the last registration, by an earlier start too */
    bool enrolled, enrolled_now;   /* by an earlier start; in this one */
    struct td_buf greeting;        /* HELLO or ENROL that found no connection yet */
    int64_t enrol_at_ms;
    uint32_t enrol_refusals;
    int64_t complain_at_ms;        /* handshake failures are said once a minute */

    /* keeper.c */
    struct td_stream keeper;       /* the shepherd */
    bool keeper_up;
    bool keeper_told;              /* it has said what it has (SH_STATE) */
    int64_t keeper_try_ms;         /* next try to connect */
    int64_t keeper_start_ms;       /* a shepherd was started then; 0 = none */

    /* launch.c */
    struct blobs blobs;
    struct scripts scripts;
    struct held_launch *held, **held_end;
    int64_t want_at_ms;            /* blobs are asked for again */
    TD_VEC(struct td_attempt_ref) declined; /* by launch.c; the agent has yet to hear of them */
    char *full;                    /* why the last copy of a script could not be made; NULL = it could */
    bool full_told;                /* to the agent */
    uint32_t full_bytes;           /* a file of this size shall be possible again */
    int64_t full_look_ms;

    /* step.c */
    struct held_step *held_steps;
    int64_t steps_want_at_ms;
    uint32_t relays;               /* started and not reaped */
    int spare_fd;                  /* words for the relay in reserve; -1 = there is none */
    int64_t spare_at_ms;           /* one is kept again then */
};

/* inventory.c */
int inventory_read(struct worker *w, struct td_error *err);
void inventory_told(struct worker *w, const struct td_welcome *m); /* WELCOME's word about this node */
void inventory_held(struct worker *w, const char *means);          /* SH_STATE's word about what holds processes */
bool inventory_keeps_limit(const struct worker *w, uint32_t which); /* PropagateResourceLimits(Except) */
void inventory_release(struct worker *w);

/* uplink.c */
int uplink_open(struct worker *w, struct td_error *err);
int uplink_dial(struct worker *w, struct td_error *err);         /* new sockets */
void uplink_read(struct worker *w);
void uplink_send(struct worker *w, uint32_t id, const void *body);
void uplink_tick(struct worker *w);
int64_t uplink_due(const struct worker *w);

/* keeper.c */
void keeper_tick(struct worker *w);
void keeper_read(struct worker *w);
void keeper_send(struct worker *w, uint32_t id, const void *body);
void keeper_flush(struct worker *w);
void keeper_quit(struct worker *w);
int64_t keeper_due(const struct worker *w);

/* launch.c */
void launch_take(struct worker *w, const struct td_sh_launch *m);
void launch_blob(struct worker *w, const struct td_blob *b, bool answer); /* answer: empty data means unknown there */
void launch_killed(struct worker *w, const struct td_kill *k);
void launch_heard(struct worker *w, const struct td_frame *f); /* the shepherd's word: which copies are needed no more */
void launch_tick(struct worker *w);
int64_t launch_due(const struct worker *w);
void launch_release(struct worker *w);

/* step.c */
void step_take(struct worker *w, const struct td_sh_step *m);
void step_blob(struct worker *w, const struct td_blob *b); /* the answer to BLOB_WANTED */
void step_relay(struct worker *w, const struct td_step_launch *l); /* starts the process that carries its stdio */
void step_killed(struct worker *w, const struct td_kill *k);
void step_tick(struct worker *w);
int64_t step_due(const struct worker *w);
void step_release(struct worker *w);

/* main.c */
int worker_log_open(struct worker *w, struct td_error *err); /* again after SIGHUP: it may have been moved away */

/* loop.c */
int worker_run(struct worker *w);
void worker_agent(struct worker *w, const struct td_agent_input *in); /* a step, and its effects */
void worker_give_up(struct worker *w, const char *why);
void worker_say_ready(struct worker *w, const char *line);

#endif
