/* world.h - one process, virtual time: a broker core with its journal, worker agents with their shepherds, clients,
 * and a network that drops, doubles, delays and reorders
 *
 * Everything comes from one seed. The broker may die before its commit, between commit and effects, or between two
 * effects; a worker may die at any step, a node may reboot, a link may be cut. What is checked after every step is in
 * check.c. The codec is in the path: every message and every event goes through its bytes. */
#ifndef TD_SIM_WORLD_H
#define TD_SIM_WORLD_H

#include "broker/core/core.h"
#include "wire/wire.h"
#include "worker/core/agent.h"

#define SIM_NODES_MAX 8
#define SIM_JOBS_MAX 256
#define SIM_T0 1800000000000

enum sim_kind {
    SIM_TO_BROKER,    /* frame from node a */
    SIM_TO_WORKER,    /* frame to node a; b = published */
    SIM_STATUS,       /* shepherd's frame to the worker of node a */
    SIM_EXIT,         /* the process of attempt b on node a ends */
    SIM_REQUEST,      /* client request a reaches the broker; b = 1: its connection ends */
    SIM_REPLY,        /* frame to client request a */
    SIM_ACT,          /* the clients do something */
    SIM_BROKER_DIES, SIM_BROKER_STARTS,
    SIM_WORKER_DIES, SIM_WORKER_STARTS,
    SIM_NODE_REBOOTS,
    SIM_REDIALLED,    /* node a has a new connection to the broker */
    SIM_LINK,         /* link of node a: b = 1 up, 0 cut */
    SIM_TIMER,        /* somebody's deadline: looked up when it comes */
    SIM_STEP_ACT,     /* the clients do something with steps */
    SIM_STEP_EXIT,    /* the tasks of step b on node a end */
    SIM_FENCE,        /* the shepherd of node a looks after its fence */
    SIM_CLOCK,        /* the broker's wall clock is set: ahead by a milliseconds, or back by b */
};
struct sim_item {
    int64_t at;
    uint64_t order;
    enum sim_kind kind;
    uint32_t a, b;
    uint32_t life; /* of the receiver when it was sent: a dead one gets nothing */
    uint8_t *data; /* owned frame */
    uint32_t len;
};

struct sim_attempt {
    uint32_t job, attempt;
    bool leader, alive, exited, timed_out, session, fenced, cut_off;
    struct td_placement place;
    uint32_t signal, exit_code;
    int64_t limit_at;
};
/* Tasks of a step on a node. One that was turned down or killed before it came is remembered, and not alive. */
struct sim_step {
    uint32_t job, attempt, step;
    bool alive, declined, holds, holds_gres;
    struct td_step_place place;
    uint32_t exit_code, signal;
};
/* A part of a step that was made and not answered yet. */
struct sim_unanswered {
    uint32_t job, step;
    char node[16];
    int64_t since;
};
struct sim_shepherd {
    struct td_arena arena;
    TD_VEC(struct sim_step) steps;
    TD_VEC(struct sim_attempt) attempts;
    TD_VEC(struct td_report) spool;
    uint64_t next_no, acked;
    uint32_t boots;
    int64_t fence_ms; /* 0: none */
};
struct sim_node {
    char name[16];
    struct td_inventory inv;
    struct sim_shepherd shepherd;
    struct td_agent *agent; /* NULL while the worker is dead */
    uint32_t life;
    bool cut;
    TD_VEC(char *) topics;
};

/* A client request: sent again with the same key until answered. */
struct sim_request {
    uint32_t id; /* message */
    struct td_buf frame;
    bool answered, failed;
    uint32_t job;  /* answer of a SUBMIT */
    uint32_t tries;
    bool is_submit, is_step;
    uint32_t step;     /* answer of a STEP_CREATE */
    uint64_t gone_seq; /* its connection ended while it waited: last event then */
};

struct sim_journaled {
    uint64_t seq;
    int64_t time_ms;
    uint32_t id;
    uint8_t *data;
    uint32_t len;
};
struct sim_snap {
    uint32_t kind;
    uint8_t *data;
    uint32_t len;
};

struct sim_faults {
    uint32_t drop, dup;       /* per 1000 messages */
    uint32_t delay_ms;        /* up to */
    uint32_t broker_deaths, worker_deaths, reboots, cuts;
};
struct sim {
    uint64_t seed;
    struct td_rng rng;
    struct sim_faults faults;
    bool verbose, trace;
    int64_t now;
    uint64_t order, steps;
    TD_VEC(struct sim_item) heap;
    /* broker */
    struct td_core *core; /* NULL while dead */
    struct td_core *replica;
    uint32_t life;
    uint64_t epoch;
    TD_VEC(struct sim_item) inbox;
    TD_VEC(struct sim_journaled) journal;
    TD_VEC(struct sim_snap) snapshot;
    uint64_t snapshot_seq;
    int64_t last_time;
    int64_t skew;    /* its journal time minus virtual time: it was set ahead so far */
    int64_t step_ms; /* to be told in the next wake */
    bool busy; /* a wake is due */
    int64_t wake_at;
    /* nodes and clients */
    uint32_t nnodes;
    struct sim_node nodes[SIM_NODES_MAX];
    TD_VEC(struct sim_request) requests;
    uint32_t acts_left;
    struct td_rng dice; /* of steps: runs without them stay what they were */
    bool with_steps;
    uint64_t job_steps;
    TD_VEC(struct sim_unanswered) unanswered;
    struct td_map step_started; /* (job, attempt, step, node) */
    bool fence;         /* NodeFence=kill */
    uint64_t cut_offs;  /* attempts that a shepherd ended for it */
    bool calm; /* faults are over */
    int64_t calm_at;
    struct td_arena scratch;
    /* checks */
    struct td_map started;   /* (job, attempt) leader launches */
    struct td_map completed; /* job -> ran to its end */
    TD_VEC(uint32_t) acknowledged;
    char left[256]; /* what was not over when last looked */
    char failure[512];
};

/* sim.c */
void sim_run(struct sim *s, uint64_t seed, bool verbose, bool trace);
void sim_release(struct sim *s);
void sim_push(struct sim *s, int64_t delay, enum sim_kind kind, uint32_t a, uint32_t b, uint32_t life, const struct td_buf *frame);
bool sim_failed(const struct sim *s);
bool sim_reserves(const struct sim *s);
void sim_unreserve(struct sim *s);
bool sim_accounts(const struct sim *s); /* account.c */
struct td_priority_conf sim_priority(const struct sim *s);
void sim_account_of(struct sim *s, struct td_job_spec *spec);
void sim_account_act(struct sim *s);
bool sim_deletes(const struct sim *s); /* this run deletes nodes */
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_log(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* With --trace: a message into the core or out of it, as JSON. */
void sim_trace(struct sim *s, bool in, const struct td_record *rec, const void *body, uint32_t peer);
/* broker.c */
void sim_broker_start(struct sim *s);
void sim_broker_die(struct sim *s);
void sim_broker_take(struct sim *s, struct sim_item *it); /* into the inbox; owns the data */
void sim_broker_wake(struct sim *s);
int64_t sim_broker_now(const struct sim *s);
/* node.c */
void sim_node_init(struct sim *s, uint32_t i);
void sim_worker_start(struct sim *s, uint32_t i);
void sim_worker_die(struct sim *s, uint32_t i);
void sim_node_reboot(struct sim *s, uint32_t i);
void sim_worker_message(struct sim *s, uint32_t i, const struct sim_item *it);
void sim_worker_status(struct sim *s, uint32_t i, const struct sim_item *it);
void sim_worker_tick(struct sim *s, uint32_t i);
void sim_worker_redialled(struct sim *s, uint32_t i);
void sim_shepherd_fence(struct sim *s, uint32_t i);
void sim_shepherd_exit(struct sim *s, uint32_t i, uint32_t attempt_no);
void sim_node_release(struct sim_node *n);
void sim_to_broker(struct sim *s, uint32_t node, const struct td_buf *frame);
void sim_to_worker(struct sim *s, uint32_t node, bool published, const struct td_buf *frame);
void sim_status_push(struct sim *s, uint32_t i, const struct td_report *reports, uint32_t count);
struct sim_attempt *sim_attempt_find(struct sim_shepherd *sh, uint32_t job, uint32_t attempt);
/* step.c */
void sim_step_start(struct sim *s, uint32_t i, const struct td_step_launch *m);
void sim_step_kill(struct sim *s, uint32_t i, const struct td_kill *k);
struct td_u32s sim_steps_list(const struct sim_shepherd *sh, const struct sim_attempt *a, struct td_arena *arena);
void sim_steps_end(struct sim *s, uint32_t i, const struct sim_attempt *a);
void sim_step_exit(struct sim *s, uint32_t i, uint32_t no);
void sim_steps_choose(struct sim *s);
void sim_step_act(struct sim *s);
void sim_step_event(struct sim *s, const struct td_event *ev);
void sim_check_steps(struct sim *s);
/* client.c */
void sim_request_add(struct sim *s, uint32_t id, const void *body);
void sim_client_act(struct sim *s);
void sim_client_send(struct sim *s, uint32_t request);
void sim_client_reply(struct sim *s, uint32_t request, const struct sim_item *it);
void sim_clients_retry(struct sim *s); /* after the broker came back */
/* check.c */
void sim_check_step(struct sim *s);
void sim_check_launch(struct sim *s, uint32_t node, const struct sim_attempt *a);
bool sim_all_done(struct sim *s);
void sim_check_end(struct sim *s);

#endif
