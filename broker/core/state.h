/* state.h - what the core holds; private to broker/core
 *
 * Three kinds of fields, and each struct says which is which:
 *   durable  written by apply.c (and by snapshot.c when it restores), nowhere else; in the digest
 * and the snapshot index    follows from durable state, kept beside it by the same apply soft what
 * the workers can be asked again: peers, leases, bids, resend timers; lost with the process
 * Cross-file functions are called core_<noun>_<verb>; each block of prototypes names the file it
 * lives in. */
#ifndef TD_CORE_STATE_H
#define TD_CORE_STATE_H

#include "broker/core/acct.h"
#include "broker/core/core.h"
#include "broker/core/pack.h"
#include "broker/core/plan.h"

#define CORE_LEASE_MS 10000         /* when settings.lease_ms is 0 */
#define CORE_LEASE_RESTART_MS 60000 /* least first lease of a reign */
#define CORE_SESSION_S 60           /* when settings.inactive_s is 0 */
#define CORE_RESEND_MS 1000
#define CORE_RESEND_MS_MAX 5000
#define CORE_SHARD_NODES 64
#define CORE_DEADLINE_MS_MIN 5
#define CORE_DEADLINE_MS_MAX 200
#define CORE_DEADLINE_MS_FIRST 100
#define CORE_PRIORITY_FIRST 4294901760u
enum core_given { CORE_GIVEN_NOT, CORE_GIVEN_BEFORE, CORE_GIVEN_BEHIND };
#define CORE_STARTS_MAX 8192
#define CORE_EFFECTS_MAX 100000
#define CORE_NO_SHAPE UINT32_MAX
#define CORE_DRY_DEPTH 1000u /* waiting jobs that a dry pass reckons with; beyond, no start is foretold */

/* One submission, shared by every task of its array: a million tasks hold one. Counted, because a
 * task may outlive the array's record and the other way round, and an update gives a task a
 * submission of its own. */
struct core_spec {
    uint32_t refs;
    uint32_t mark_index; /* soft: index in the message being built while mark is current */
    uint64_t mark;
    size_t bytes;
    struct td_job_spec body;
};

struct core_job;
struct core_node;

/* What a job waits for; NULL when nothing. The chain of those who wait for one job or array: numbers
 * from 1, 0 at the ends. */
struct core_dep {
    struct td_job_dep is; /* durable */
    uint32_t waiter;      /* index: its place in the chain while it is open */
};
struct core_deps {
    uint32_t n;
    bool any;
    struct core_dep v[];
};
struct core_waiter {
    uint32_t job, target, prev, next;
};
struct core_corr {
    uint32_t record, task;
};

/* One node's part of an allocation. */
struct core_part {
    struct core_job *job;
    struct core_node *node;
    const struct td_placement *place; /* in the same block */
    uint8_t state;                    /* durable: enum td_alloc_state */
    struct core_part *prev, *next;    /* index: live parts of the node, in order of award */
    /* soft */
    int64_t due_ms; /* AWARD or KILL goes (again) when this is reached */
    uint32_t backoff_ms;
    bool sent;
    bool signal_batch, signal_full; /* whom: the batch shell alone, or it too */
    uint32_t signal, signal_no;     /* asked for, not yet SIGNALLED */
    uint32_t adjust_s;              /* new limit, not yet ADJUSTED */
    int64_t early_gone_ms;          /* GONE came before EXITED: since when */
};

/* One node's part of a step. */
struct core_step_part {
    struct core_step *step;
    struct core_node *node;
    const struct td_step_place *place;   /* in the same block */
    uint8_t state;                       /* durable: enum td_step_state */
    struct core_step_part *prev, *next; /* index: live parts of steps on the node, by creation */
    /* soft */
    int64_t due_ms; /* STEP_START or KILL goes (again) when this is reached */
    uint32_t backoff_ms;
    bool sent;
    uint32_t signal, signal_no; /* asked for, not yet SIGNALLED */
};
/* Parallel work inside an allocation; gone from here as soon as it is over. */
struct core_step {
    /* durable */
    struct core_job *job;
    uint32_t no, uid;
    uint8_t outcome, exit_code, signal; /* so far */
    int64_t start_ms;
    const struct td_step_spec *spec; /* in the same block */
    /* index */
    uint32_t nparts, live;
    size_t bytes;
    char *nodelist; /* folded, owned */
    struct core_step_part parts[];
};
/* A step that waits for its turn: soft, its client asks again. */
struct core_step_end {
    uint32_t job, attempt, step, outcome;
    char *node, *text;
};
struct core_step_wait {
    uint32_t job, attempt, uid;
    uint64_t peer, request;
    struct td_step_create *ask; /* packed, owned */
    size_t bytes;
};

struct core_alloc {
    uint32_t nparts, live;
    uint32_t next_step;              /* durable: numbers are used once in an attempt */
    bool fenced;                     /* durable: the nodes end it before they are LOST */
    TD_VEC(struct core_step *) steps; /* those not over, by number */
    uint32_t nsteps_waiting;         /* soft */
    int64_t awarded_ms;              /* soft: 0 after a restore */
    uint64_t step_mark;              /* soft: of the pass that found an earlier step waiting */
    size_t bytes;
    char *nodelist; /* folded, owned */
    struct core_part parts[];
};

/* Holds its shape, except that of a job that is over: CORE_NO_SHAPE until it is requeued. */
struct core_candidate {
    uint32_t partition, shape;
};
struct core_array;

struct core_job {
    /* durable */
    uint32_t id, uid, gid;
    uint32_t task; /* array index, TD_NO_TASK for the record of waiting tasks; meaningless without
                      array */
    struct core_spec *spec;
    struct core_array *array; /* NULL if none */
    uint8_t state, outcome, reason;
    uint8_t held; /* 0, TD_REASON_HELD_USER, TD_REASON_HELD_ADMIN */
    uint8_t session_state;
    uint8_t given; /* enum core_given: its priority */
    uint8_t exit_code, signal;
    bool requeue_after, hold_after; /* ENDING: then back to the queue */
    struct core_deps *deps;         /* PENDING: what keeps it from starting */
    int64_t stepped_ms;             /* so far the clock was set ahead while it ran */
    uint32_t limit_s, attempt, restarts;
    uint32_t cancel_uid;
    uint32_t partition; /* the candidate that won, while it has an allocation or had one */
    uint64_t priority;
    int64_t submit_ms, eligible_ms, begin_ms, start_ms, end_ms;
    int64_t by_ms; /* promised to start by then; 0: not promised */
    struct core_likely *likely; /* in the queue: as it was told; NULL: not told */
    uint32_t run_s; /* as foretold when it was awarded */
    char *detail;
    struct td_usage *usage;
    struct core_alloc *alloc; /* kept after the end, for show job */
    uint32_t assoc;           /* what it is charged to; 0: nothing. Of a job that is over it may be gone */
    int64_t site;             /* site factor */
    /* index */
    bool queued, counted; /* counted: in array->active */
    uint8_t ncandidates;
    struct core_candidate candidate; /* the only one, or */
    struct core_candidate *candidates;
    /* soft */
    int64_t promise_ms;
    uint64_t promise_mark; /* of the plan that promised last */
    int64_t session_heard_ms;
};

struct core_array {
    /* durable */
    uint32_t id;
    uint32_t total, first, last, step; /* as submitted; step 0: no constant one */
    uint32_t limit;
    uint32_t nbytes; /* of each bitmap */
    bool failed;     /* a task ended otherwise than with exit status 0 */
    uint8_t *waiting;
    uint8_t *finished;
    uint8_t *cancelled; /* ended without ever having been split; NULL while none */
    struct core_spec *spec;
    /* index */
    uint32_t nwaiting, active;
    uint32_t from;                  /* no waiting bit below it: bits are only ever cleared */
    uint32_t npending;              /* of jobs: PENDING */
    struct core_job *record;        /* the waiting ones; NULL when purged or become a task */
    bool touched;                   /* by the purge being applied */
    TD_VEC(struct core_job *) jobs; /* tasks with an id of their own, by id */
};

struct core_membership {
    uint32_t partition, position;
};
struct core_node {
    /* durable */
    uint32_t no;
    char *name;
    uint32_t state; /* enum td_node_state */
    bool drain, down, worker_drain;
    char *reason;
    uint32_t reason_uid;
    int64_t reason_ms;
    uint32_t incarnation;
    char *boot_id, *instance;
    struct td_inventory *inv; /* packed; NULL until it registered */
    int64_t registered_ms;
    uint64_t acked; /* reports up to this number are in the journal */
    /* index */
    const struct td_node_conf *conf; /* its NodeName line, in core.conf; NULL when it just joined */
    TD_VEC(struct core_membership) in;
    struct core_part *parts, *parts_last;
    uint32_t nparts;
    struct core_step_part *step_parts, *step_parts_last;
    uint64_t version;
    /* soft */
    uint64_t peer;
    bool greeted;   /* said HELLO in this reign: it has a route */
    bool fences;  /* its worker heeds NodeFence; one of before does not say when it speaks */
    bool confirmed; /* heard with its present incarnation */
    bool probed;    /* echoed a probe in this incarnation */
    bool stirred;   /* something may be due for it in this wake */
    bool ack_due;
    bool usable;
    bool refused; /* a refusal of it is remembered */
    int64_t heard_ms, lease_until_ms;
    uint64_t node_version;
    int64_t retry_ms;              /* refusals of a decline are forgotten then; 0 = none */
    uint64_t gap_base;             /* numbers up to this will not come any more */
    TD_VEC(uint64_t) taken;        /* report numbers above acked, ascending */
    TD_VEC(struct td_kill) strays; /* attempts it claims that must not live */
    uint64_t blobs[64];            /* beginnings of hashes it was sent */
    uint32_t nblobs;
    uint32_t lots_expected; /* of the open round, still unanswered */
    uint64_t round;         /* whose offers reached it */
    uint8_t *lots_answered; /* bitmap, in the round's arena */
};

#define CORE_LIKELY_BANDS 64u
#define CORE_LIKELY_QUANTILES 3u
struct core_likely { /* when a waiting job will start, as it was told */
    uint32_t band, base_s; /* of the first time; band 0: its start teaches nothing */
    int64_t told_ms, said_ms; /* first, and last */
    int64_t at_ms, from_ms, to_ms;
    int64_t looked_ms; /* soft: whether it has moved was looked at then */
};
struct core_likely_band { /* of waits so long as reckoned (the first: of all): log2 of wait / reckoned, in 1/65536 */
    uint32_t n;
    int64_t q[CORE_LIKELY_QUANTILES]; /* low, middle, high; meaningless while n is 0 */
};

#define CORE_LEARN_RUNS 8u
struct core_learned { /* the last run times of a kind of jobs, the latest first */
    uint64_t kind;    /* hash */
    uint32_t run_s[CORE_LEARN_RUNS], n;
};

struct core_disturbed { /* what took room from the future last */
    uint32_t cause, job; /* enum td_moved; 0: nothing */
    const struct core_node *node;
};

struct core_ended {
    int64_t end_ms;
    uint32_t job;
};

enum core_partition_state { PARTITION_UP, PARTITION_DOWN, PARTITION_DRAIN, PARTITION_INACTIVE };
struct core_partition {
    uint32_t no;
    char *name;
    bool gone; /* no longer configured */
    enum core_partition_state state;
    struct td_partition_conf conf; /* strings in core.conf */
    TD_VEC(uint32_t) nodes;        /* node numbers by position */
};

struct core_client_key {
    uint32_t uid, job;
    uint64_t seq;
    int64_t at_ms;
    char *key; /* "uid:key" */
};
struct core_key {
    char *key, *node;
    uint8_t token[32];
    bool front, root; /* a front's, `node` its name; it vouches for root, too */
    int64_t until_ms; /* superseded: good until then */
};
struct core_user_key { /* userkeys.c */
    char *key, *note;
    uint32_t user, uid; /* whose, and who registered it */
    int64_t at_ms;
};
struct core_token {
    uint8_t hash[32];
    char *names;
    uint32_t uses, used, uid;
    int64_t expires_ms;
    bool front, root;
    bool revoked;
};

struct core_reservation {
    struct td_reservation *is; /* durable; packed */
    uint32_t *nodes, nnodes;   /* index: their numbers, as they are listed */
};

struct core_refused { /* audit.c: one user's refusals of one kind */
    uint32_t uid, job, count; /* count: not told yet */
    bool bus, others;
    bool stranger; /* nobody vouches for what it says it is */
    int64_t from_ms; /* when it was last told */
    char *request, *node, *address; /* what tells it from others */
    char *said_node, *said_address, *text; /* of the last one */
};
struct core_acted { /* of the request at hand: what it did to jobs of others */
    uint32_t jobs[64], count, owner;
};

/* The open round, and the bids on it. All soft. */
struct core_lot {
    uint32_t shape, partition, count, limit_s;
    uint64_t rank;
    bool multi;            /* nodes_max > 1: a bid is one node's part */
    TD_VEC(uint32_t) bids; /* into round.bids, best first once sorted */
    uint32_t nodes_bytes;
    uint8_t
        *nodes; /* bitmap by node number: who could take it, by the plan; in the round's arena */
    uint32_t perfect;
    uint32_t cursor;
};
struct core_bid {
    uint32_t node, lot, score, fits, next, won;
    struct td_lot_bid body;
};
struct core_round {
    bool open;
    uint64_t no;
    int64_t opened_ms, deadline_ms;
    int64_t opened_us; /* by the stopwatch; 0: not told */
    uint32_t expected, answered, lots_waiting;
    struct td_arena arena;
    TD_VEC(struct core_lot) lots;
    TD_VEC(struct core_bid) bids;
    TD_VEC(struct td_plan_start) starts;
    uint32_t awarded, refused, stale;
};
struct core_kept_round { /* for tender rounds */
    struct td_arena arena;
    struct td_round_info info;
};

struct td_core {
    /* durable */
    uint64_t seq, epoch;
    int64_t time_ms;
    uint32_t next_job;
    uint64_t submitted;
    int64_t clock_off_ms, clock_at_ms; /* the wall clock minus journal time, 0 or less, at a time */
    struct td_ev_conf_loaded *conf; /* packed; NULL before the first */
    TD_VEC(struct core_node *) nodes;
    TD_VEC(struct core_partition *) partitions;
    TD_VEC(struct core_job *) jobs; /* by id, ascending */
    TD_VEC(struct core_array *) arrays;
    TD_VEC(struct core_client_key) client_keys; /* from client_keys_first on, by age */
    uint32_t client_keys_first;
    TD_VEC(struct core_key) keys;
    TD_VEC(struct core_token) tokens;
    TD_VEC(struct core_learned) learned;
    uint32_t learned_next; /* gives way next, once the table is full */
    struct core_likely_band likely_bands[CORE_LIKELY_BANDS];
    TD_VEC(struct core_user_key) user_keys;
    TD_VEC(struct core_reservation) reservations; /* in the order in which they were made */
    /* index */
    struct td_map learned_by_kind; /* place + 1 */
    struct td_map job_by_id, array_by_id,
        task_by_index; /* the last: array's id and index to the task's job */
    struct td_strmap node_by_name, partition_by_name, client_key_by_name, key_by_name,
        user_key_by_name;
    struct td_ledger *ledger;
    struct td_queue *queue;
    struct core_acct acct; /* acct.h says which is which */
    TD_VEC(struct core_ended) ended; /* by end and id; stale where the job has ended again since */
    uint32_t ended_first;
    bool ended_mixed;        /* as restored: to be sorted */
    TD_VEC(uint32_t) begins; /* ids that wait for their begin time */
    TD_VEC(uint32_t) sessions;
    TD_VEC(uint32_t) heads; /* ids whose reason the plan gave: RESOURCES and its kin */
    struct td_map waiters_by_target; /* first of a chain */
    TD_VEC(struct core_waiter) waiters;
    uint32_t waiters_free;
    TD_VEC(struct core_corr) corr; /* soft: tasks of records to look at */
    int64_t begins_next_ms, reservations_next_ms, deadlines_next_ms;
    uint64_t nwaiting_tasks;
    uint32_t npending, nrunning;
    struct td_settings settings; /* of conf, or zeros */
    /* soft */
    uint64_t seed;
    int64_t now_ms;
    int64_t watch_us; /* of this wake; 0: not told */
    uint64_t low_space_mb; /* what low means, for the refusal */
    bool dirty, low_space, in_wake, clock_told;
    struct td_arena wake;
    TD_VEC(struct td_event) events;
    TD_VEC(struct td_effect) effects;
    TD_VEC(uint32_t) stirred;
    TD_VEC(struct core_step_wait) step_waits; /* in order of arrival */
    struct core_step_end step_ends[TD_MAX_STEP_ENDS_KEPT]; /* soft: the last ones that said why; a ring */
    uint32_t nstep_ends;                                   /* ever put there */
    size_t step_waits_bytes;
    bool steps_stirred; /* something a waiting step waits for may have happened */
    int64_t leases_next_ms, resend_next_ms, purge_next_ms, retry_ms, probe_ms, sessions_next_ms;
    int64_t purge_from_ms; /* no job is old before */
    uint32_t retry_backoff_ms, probe_backoff_ms, answer_x16;
    uint64_t probe_no, mark;
    uint32_t signal_no;
    struct core_round round;
    uint64_t rounds;
    struct core_disturbed disturbed;
    TD_VEC(uint32_t) learned_uids; /* something was learned of their jobs since the last plan */
    int64_t plan_next_ms;          /* a booking begins */
    int64_t likely_next_ms;        /* no interval is over before; 0: look */
    TD_VEC(struct core_refused) refused;
    int64_t audit_next_ms;
    struct core_acted acted;
    struct core_kept_round kept[TD_MAX_ROUNDS_KEPT];
    struct td_counters counters;
    uint64_t bytes_jobs;
    uint32_t restore_nodes, restore_partitions; /* while a snapshot is read */
    bool restore_conf;
};

/* core.c */
void core_emit(struct td_core *c, uint32_t id, const void *body);
void core_send(struct td_core *c, const struct core_node *n, uint64_t peer, uint32_t id,
               const void *body);
void core_reply(struct td_core *c, const struct td_input *in, uint32_t id, const void *body);
void core_refuse(struct td_core *c, const struct td_input *in, int code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void core_refuse_error(struct td_core *c, const struct td_input *in, const struct td_error *err);
struct td_effect *core_effect(struct td_core *c, enum td_effect_kind kind);
void core_log(struct td_core *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *core_text(struct td_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void core_sooner(int64_t *at_ms, int64_t than_ms);

/* depend.c */
/* j: the job whose dependency it is to be, which may close a circle; NULL for one that is not there yet. */
int core_deps_validate(const struct td_core *c, const struct core_job *j, const char *text,
                       uint32_t uid, struct td_error *err);
void core_deps_begin(struct td_core *c, struct core_job *j); /* from its submission */
void core_deps_split(struct td_core *c, struct core_job *j); /* off the record: it has an index now */
/* May this task of the record no longer wait as the others do? */
bool core_deps_task_apart(const struct td_core *c, const struct core_job *record, uint32_t task);
void core_deps_copy(struct td_core *c, struct core_job *j, const struct core_job *from);
struct td_job_dep_list core_deps_list(const struct core_job *j, struct td_arena *a);
void core_deps_restore(struct td_core *c, struct core_job *j, const struct td_job_dep_list *list,
                       bool any);
void core_deps_drop(struct td_core *c, struct core_job *j);
void core_deps_again(struct td_core *c, struct core_job *j);      /* queues it anew */
void core_deps_wake(struct td_core *c, const struct core_job *j); /* it started, or is over */
uint32_t core_deps_blocked(const struct core_job *j);             /* enum td_reason */
const char *core_deps_text(const struct td_core *c, const struct core_job *j, struct td_arena *a);
const char *core_deps_check(const struct td_core *c, const struct core_job *j); /* NULL: sound */

/* cycle.c */
int core_cycle_check(const struct td_core *c, const struct core_job *j, const struct td_job_dep_list *deps,
                     struct td_error *err);

/* corr.c */
void core_corr_hint(struct td_core *c, uint32_t record, uint32_t task); /* TD_NO_TASK: all that wait */
void core_corr_run(struct td_core *c);

/* clock.c */
int64_t core_civil_ms(const struct td_core *c, int64_t at_ms); /* the wall clock's then */
int64_t core_civil_at(const struct td_core *c, int64_t civil_ms); /* when the wall clock has come so far */
void core_clock_stepped(struct td_core *c, const struct td_ev_clock_stepped *ev);
void core_clock_apply(struct td_core *c, const struct td_ev_clock_stepped *ev);
void core_clock_restart(struct td_core *c);
void core_limits_count(struct td_core *c, int64_t delta_ms); /* until when live jobs hold nodes */

/* lives.c */
enum core_verdict { CORE_GO, CORE_IGNORE, CORE_REJECT, CORE_BUG };
enum core_verdict core_life_job(uint32_t state, enum td_job_input in);
enum core_verdict core_life_alloc(uint32_t state, enum td_alloc_input in);
enum core_verdict core_life_step(uint32_t state, enum td_step_input in);
enum core_verdict core_life_node(uint32_t state, enum td_node_input in);
enum core_verdict core_life_session(uint32_t state, enum td_session_input in);
/* The same, counted; BUG asserts. */
bool core_job_may(struct td_core *c, const struct core_job *j, enum td_job_input in);
bool core_alloc_may(struct td_core *c, const struct core_part *p, enum td_alloc_input in);
bool core_step_may(struct td_core *c, const struct core_step_part *p, enum td_step_input in);
bool core_node_may(struct td_core *c, const struct core_node *n, enum td_node_input in);
bool core_session_may(struct td_core *c, const struct core_job *j, enum td_session_input in);

/* job.c: the table, specs, allocations */
struct core_spec *core_spec_new(struct td_core *c, const struct td_job_spec *body);
struct core_spec *core_spec_ref(struct core_spec *s);
void core_spec_drop(struct td_core *c, struct core_spec **p);
struct core_job *core_job_find(const struct td_core *c, uint32_t id);
struct core_job *core_job_new(struct td_core *c, uint32_t id);
void core_job_free(struct td_core *c, struct core_job *j);
uint32_t core_job_index(const struct td_core *c, uint32_t id); /* first with an id >= this */
const struct td_job_need *core_job_need(const struct core_job *j);
struct core_alloc *core_alloc_new(struct td_core *c, struct core_job *j,
                                  const struct td_placement *places, uint32_t n);
void core_alloc_free(struct td_core *c, struct core_job *j);
struct core_part *core_job_part(const struct core_job *j, const struct core_node *n);
void core_part_link(struct core_part *p);
void core_part_unlink(struct core_part *p);
void core_ids_sort(uint32_t *v, uint32_t n);
bool core_job_live(const struct core_job *j); /* AWARDED, RUNNING or ENDING */
bool core_job_is_record(const struct core_job *j);
uint32_t core_limit_rounded(const struct td_core *c, uint32_t limit_s); /* a limit as asked, in the cluster's units */
int64_t core_job_until(const struct core_job *j, int64_t from_ms, uint32_t limit_s);
bool core_job_requeues(const struct td_core *c, const struct core_job *j);
const char *core_job_name(const struct core_job *j, struct td_arena *a); /* "12", "12_3", "12_*" */

/* predict.c: passes of the planner of which nothing is left. The event of a wish is not emitted; in_front: it stands right
 * before whoever has its priority. Fills in start, by, nodes, partition, CPUs and limit; gaps (may be NULL): the next two
 * moments at which somebody else is booked to start on nodes of its partitions. core_dry_over comes after the last pass. */
struct core_wish {
    const struct td_ev_job_submitted *ev;
    bool in_front;
    bool as_next;   /* as the next pass will be: by the policy's own book, with a likely start */
    uint32_t depth; /* so many candidates of the queue have a better rank, and no others matter; 0: as many as may be */
};
void core_predict(struct td_core *c, const struct core_wish *wish, struct td_quote_form *ret, int64_t ret_gaps[2]);
void core_dry_plan(struct td_core *c, uint32_t depth, struct td_plan *ret); /* of the queue as it is: so many are booked in turn */
void core_dry_over(struct td_core *c);
const char *core_promise_nodes(struct td_core *c, const struct td_plan_promise *m); /* in the wake arena */
bool core_nodes_of(const struct td_core *c, const char *partition, const uint32_t *nodes, uint32_t n); /* one is in it */
/* quote.c: other forms of a request that passed its checks, tried one by one */
struct core_quote {
    const struct td_input *in; /* on whose behalf */
    const struct td_job_spec *spec; /* as it was asked for */
    const struct td_ev_job_submitted *ev; /* and settled */
    uint32_t depth;             /* as of a wish */
    bool in_front, only_sooner; /* only those that would start before the request as it is, by a minute at least */
};
/* In the wake arena, the request as it is first. *ret_cut: the queue is too long, or the cluster too large, to try them all. */
struct td_quote_form_list core_quote(struct td_core *c, const struct core_quote *q, bool *ret_cut);
struct td_plan_params core_plan_params(const struct td_core *c); /* of the rounds' own plans */

/* queue membership, in eligible.c */
uint64_t core_priority_next(const struct td_core *c); /* of the next job, but for nice */
uint64_t core_class(const struct td_core *c, uint32_t partition, enum core_given given, uint64_t priority, int64_t nice);
uint64_t core_rank(const struct td_core *c, uint64_t priority, uint32_t partition);
uint64_t core_job_rank(const struct td_core *c, const struct core_job *j, uint32_t partition);
struct core_tally;
uint32_t core_partition_blocked(const struct core_partition *p, const struct core_tally *t, uint32_t limit_s);
uint32_t core_job_blocked(const struct td_core *c, const struct core_job *j,
                          int64_t civil_ms); /* enum td_reason, NONE = may start */
uint32_t core_candidate_blocked(const struct td_core *c, const struct core_job *j,
                                uint32_t partition);
struct core_candidate *core_job_candidates(struct core_job *j);
void core_job_set_candidates(struct td_core *c,
                             struct core_job *j); /* from its partitions and shape */
void core_job_drop_shapes(struct td_core *c, struct core_job *j);
void core_job_enqueue(struct td_core *c,
                      struct core_job *j); /* sets queue membership and reason anew */
bool core_reason_is_head(uint32_t reason); /* one that the plan gives */
void core_job_set_reason(struct td_core *c, struct core_job *j, uint32_t reason);

/* shape of a need, in need.c */
void core_need_shape(const struct td_core *c, const struct td_job_need *need,
                     const struct core_partition *p, struct td_arena *a, struct td_shape *ret);
/* The same, with what the submission says beside its need. */
void core_spec_shape(const struct td_core *c, const struct td_job_spec *spec, const struct td_job_need *need,
                     const struct core_partition *p, struct td_arena *a, struct td_shape *ret);
struct core_tally {
    uint32_t nodes_min, nodes_max, tasks, cpus;
};
void core_need_tally(const struct td_job_need *need, struct core_tally *ret);
bool core_need_same_device(const struct td_gres_need *a, const struct td_gres_need *b);

/* gpus.c: devices counted for the whole job */
int core_gpus_settle(struct td_job_need *need, struct td_error *err); /* nodes and tasks that follow from them */
void core_gpus_spread(struct td_core *c, const char *partitions, struct td_job_need *need);

/* trim.c */
uint64_t core_whole_of(const struct td_shape *shape); /* what the parts of its nodes must add up to */
uint64_t core_part_of(const struct td_shape *shape, const struct td_placement *p); /* tasks, or the shared devices */
/* So many tasks and, where the nodes share devices, so many of them stay. */
void core_part_trim(struct td_core *c, const struct td_shape *shape, uint32_t node, struct td_placement *p,
                    uint32_t tasks, uint64_t shared);

/* never.c: a request that no node could serve, in words; `tried` are the partitions it was looked for in */
int core_never(struct td_core *c, const struct td_job_need *need, struct core_partition *const *tried,
               uint32_t ntried, uint32_t refusal, struct td_error *err);

/* array.c */
struct core_array *core_array_new(struct td_core *c, uint32_t id, const struct td_span *spans,
                                  uint32_t nspans);
struct core_array *core_array_find(const struct td_core *c, uint32_t id);
void core_arrays_free_empty(struct td_core *c);
void core_array_put(struct td_core *c, struct core_job *j); /* a task with an id of its own */
void core_array_free(struct td_core *c, struct core_array *a);
uint32_t core_array_room(const struct core_array *a); /* tasks that may start now by its limit */
void core_array_count(struct td_core *c, struct core_job *j, bool active);
struct core_job *core_array_task(const struct td_core *c, const struct core_array *a,
                                 uint32_t task); /* split one, or NULL */
int64_t core_array_next(struct core_array *a);   /* smallest waiting index, or -1 */
struct core_job *core_array_split(struct td_core *c, struct core_array *a,
                                  uint32_t task); /* emits */
void core_array_touch(struct td_core *c,
                      struct core_array *a); /* its limit's room changed: queue anew */

/* node.c */
struct core_node *core_node_find(const struct td_core *c, const char *name);
bool core_node_is_gone(const struct core_node *n); /* in no NodeName line, and never joined or deleted since: not shown */
struct core_node *core_node_add(struct td_core *c, const char *name);
void core_node_free(struct core_node *n);
void core_node_tell_ledger(struct td_core *c,
                           struct core_node *n); /* inventory, membership, usable */
void core_node_set_usable(struct td_core *c, struct core_node *n);
bool core_node_refuse(struct td_core *c, struct core_node *n, uint32_t shape, uint32_t refusal,
                      uint64_t shortage); /* true: it was not known */
void core_node_forget_refusals(struct td_core *c, struct core_node *n);
void core_node_stir(struct td_core *c, struct core_node *n);
uint32_t core_node_lease_ms(const struct td_core *c);
void core_node_topic(const struct td_core *c, const struct core_membership *m, struct td_buf *out);
void core_node_change(struct td_core *c, struct core_node *n, uint32_t state, bool drain, bool down,
                      bool worker_drain, const char *reason, uint32_t uid);
uint32_t core_node_fence_ms(const struct td_core *c); /* 0: no fence */
int64_t core_node_lost_at(const struct td_core *c, const struct core_node *n);
/* Its node is lost, or (node_says) has forgotten it. */
void core_node_lose_part(struct td_core *c, struct core_part *p, bool node_says);
void core_node_lose_all(struct td_core *c, struct core_node *n);
uint32_t core_node_parts(struct td_core *c, const struct core_node *n,
                         struct core_part ***ret); /* by job id, in the wake arena */
const char *core_node_shortage(struct td_core *c, const struct core_node *n);
/* What it registered with, or what its line promises (made in the arena). */
const struct td_inventory *core_node_inventory(const struct core_node *n, struct td_arena *a);
void core_node_judge(struct td_core *c, struct core_node *n,
                     const char *before); /* after its machine or its line changed */
void core_nodes_expire(struct td_core *c);
void core_request_delete_node(struct td_core *c, const struct td_input *in,
                              const struct td_delete_node *m);
void core_request_update_node(struct td_core *c, const struct td_input *in,
                              const struct td_update_node *u);

/* conf.c */
void core_conf_apply(struct td_core *c, const struct td_ev_conf_loaded *ev);
void core_conf_build(struct td_core *c); /* all that follows from c->conf; after a restore */
void core_conf_join(struct td_core *c,
                    struct core_node *n); /* membership of a node that is not configured */
struct core_partition *core_partition_find(const struct td_core *c, const char *name);
struct core_partition *core_partition_add(struct td_core *c, const char *name);
struct core_partition *core_partition_default(const struct td_core *c);
bool core_conf_inventory(const struct td_node_conf *conf, struct td_arena *a,
                         struct td_inventory *ret);
/* What the line promises and the machine has not, in Slurm's words; NULL: nothing is lacking. */
const char *core_conf_shortage(const struct td_node_conf *conf, const struct td_inventory *inv,
                               struct td_arena *a);

/* sane.c */
int core_text_sane(const struct td_record *rec, const void *body, struct td_error *err);
int core_spec_sane(const struct td_job_spec *s, struct td_error *err);
int core_change_sane(const struct td_job_change *ch, struct td_error *err);

/* explain.c, explain_nodes.c, explain_others.c: why a job is as it is */
void core_request_explain(struct td_core *c, const struct td_input *in, const struct td_query_explain *m);
void core_explain_nodes(struct td_core *c, const struct core_job *j, const struct td_plan *dry, uint32_t uid,
                        struct td_explain_info *ret);
void core_explain_others(struct td_core *c, const struct core_job *j, const struct td_plan *dry, uint32_t uid,
                         struct td_explain_info *ret);

/* submit.c */
void core_request_submit(struct td_core *c, const struct td_input *in, const struct td_submit *s);
/* All that a request must pass; the need and the event's limit and tasks come out. */
int core_submit_check(struct td_core *c, const struct td_input *in, const struct td_job_spec *s, struct td_ev_job_submitted *ev,
                      struct td_job_need *need, struct td_error *err);
int core_submit_partition(struct td_core *c, const char *names, const struct td_job_need *need,
                          uint32_t uid, const struct td_job_spec *spec, const char **ret_resolved,
                          struct td_error *err);

/* request.c, select.c, update.c */
bool core_request(struct td_core *c, const struct td_input *in);
void core_request_cancel(struct td_core *c, const struct td_input *in, const struct td_cancel *m);
void core_request_op(struct td_core *c, const struct td_input *in, const struct td_job_op *m);
void core_request_update(struct td_core *c, const struct td_input *in,
                         const struct td_update_job *m);
struct core_errors {
    TD_VEC(struct td_job_error) v; /* strings in the wake arena */
    uint32_t count;
};
void core_errors_add(struct td_core *c, struct core_errors *e, const struct core_job *j,
                     uint32_t id, int code, const char *text);
void core_refuse_space(struct td_core *c, const struct td_input *in); /* the low-space watermark */
void core_errors_reply(struct td_core *c, const struct td_input *in, struct core_errors *e);
bool core_right_ok(const struct td_core *c, enum td_right right, uint32_t uid);
bool core_job_is_mine(const struct td_core *c, const struct core_job *j, uint32_t uid);
struct core_job *core_job_shown(const struct td_core *c, uint32_t id, uint32_t uid);
struct core_array *core_array_shown(const struct td_core *c, uint32_t id, uint32_t uid);
bool core_errors_full(const struct td_core *c);
/* A set of jobs a person named, waiting array tasks apart. */
struct core_pick {
    struct core_job *job;        /* job, task with an id, or the record of waiting tasks */
    const struct td_span *tasks; /* of the record: just these */
    uint32_t ntasks;             /* 0 = all that wait */
    uint32_t named;              /* id the user wrote, for errors */
};
TD_UNUSED typedef TD_VEC(struct core_pick) core_picks;
void core_pick_ids(struct td_core *c, const struct td_job_sel *ids, uint32_t n, uint32_t uid,
                   core_picks *ret, struct core_errors *e);
void core_pick_filter(struct td_core *c, const struct td_job_filter *f, uint32_t uid,
                      core_picks *ret, struct core_errors *e);
/* Splits the waiting tasks picked so that each is a job of its own. */
void core_pick_split(struct td_core *c, core_picks *picks);
bool core_filter_job(const struct td_core *c, const struct td_job_filter *f,
                     const struct core_job *j, const uint32_t *uids, uint32_t nuids);
const char *core_nodes_missing(const struct td_core *c, const struct core_job *j, struct td_arena *a);
bool core_filter_state(const struct td_job_filter *f, uint32_t state, uint32_t outcome);
/* Indices below 8 * nbytes that the spans name, as a bitmap in the arena. Bounded: core_spans_sane
 * comes first. */
uint8_t *core_spans_bits(struct td_arena *a, const struct td_span *spans, uint32_t n,
                         uint32_t nbytes);
bool core_spans_sane(const struct td_span *spans, uint32_t n);
bool core_spans_have(const struct td_span *spans, uint32_t n, uint32_t index);

/* promise.c */
void core_promises_disturb(struct td_core *c, uint32_t id, const void *body);
void core_promises_note(struct td_core *c, const struct td_plan *plan);
void core_promises_apply(struct td_core *c, const struct td_ev_jobs_promised *ev);

/* learn.c: run times foretold from those of jobs alike. In seconds, within the limit; LEVELS: nothing is known. */
enum core_learn_level { LEARN_SAME, LEARN_LIMIT, LEARN_USER, LEARN_LEVELS };
void core_learn(struct td_core *c, const struct core_job *j); /* it is over */
uint32_t core_foretell(const struct td_core *c, const struct core_job *j, enum core_learn_level *ret_level);
void core_learn_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx);
int core_learn_restore(struct td_core *c, const struct td_snap_learned *r, struct td_error *err);
void core_learned_run(struct td_core *c); /* before a plan */
void core_learn_free(struct td_core *c);

/* likely.c: when waiting jobs will start */
void core_likely_run(struct td_core *c); /* before a plan */
/* The interval now; of a job that is not there yet (NULL), too. */
void core_likely_make(const struct td_core *c, const struct core_job *j, const struct td_plan_likely *p, struct td_likely *ret);
void core_likely_note(struct td_core *c, const struct td_plan *plan);
void core_likely_apply(struct td_core *c, const struct td_ev_jobs_likely *ev);
void core_likely_learn(struct td_core *c, const struct core_job *j); /* it starts */
void core_likely_drop(struct core_job *j); /* it waits no longer, or for something else */
void core_likely_split(struct core_job *task, struct core_job *record); /* the record's next task takes what it was told */
void core_likely_step(struct core_job *j, int64_t delta_ms); /* the clock was set ahead */
void core_part_foretell(struct td_core *c, const struct core_part *p, int64_t from_ms); /* it runs since then */
void core_likely_fill(const struct core_job *j, struct td_snap_job *r);
int core_likely_restore_job(struct td_core *c, struct core_job *j, const struct td_snap_job *r, struct td_error *err);
void core_likely_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx);
int core_likely_restore(struct td_core *c, const struct td_snap_likely *r, struct td_error *err);

/* ending.c */
void core_job_end(struct td_core *c, struct core_job *j,
                  const struct td_ev_job_ending *how); /* JOB_ENDING, or JOB_ENDED when it waits */
void core_job_settle_end(struct td_core *c,
                         struct core_job *j); /* the last part is gone: JOB_ENDED or JOB_REQUEUED */

/* tokens.c */
void core_tokens_trim(struct td_core *c); /* room for one more */
void core_token_apply_revoked(struct td_core *c, const struct td_ev_token_revoked *ev);

/* keys.c */
bool core_key_expired(const struct core_key *k, int64_t now_ms);
void core_keys_apply_rotated(struct td_core *c, const struct td_ev_key_rotated *ev);
void core_keys_apply_node_deleted(struct td_core *c, const char *node);
void core_keys_apply_revoked(struct td_core *c, const struct td_ev_keys_revoked *ev);
void core_request_keys(struct td_core *c, const struct td_input *in, const struct td_node_keys *m);

/* userkeys.c */
void core_user_key_apply_registered(struct td_core *c, const struct td_ev_user_key_registered *ev);
void core_user_key_apply_revoked(struct td_core *c, const struct td_ev_user_key_revoked *ev);
void core_user_keys_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx);
void core_user_key_restore(struct td_core *c, const struct td_snap_user_key *r);
void core_user_keys_free(struct td_core *c);
void core_request_register_key(struct td_core *c, const struct td_input *in, const struct td_register_user_key *m);
void core_request_revoke_key(struct td_core *c, const struct td_input *in, const struct td_revoke_user_key *m);

/* reasons.c */
const struct td_reservation *core_job_reserved(const struct td_core *c, const struct core_job *j); /* what it waits for may be this */

/* reservation.c */
struct core_reservation *core_reservation_find(const struct td_core *c, const char *name); /* NULL: there is none */
bool core_reservation_has(const struct core_reservation *r, const struct core_node *n);
int64_t core_reservation_every(uint64_t flags); /* it comes again after so many ms; 0: it does not */
struct td_ledger_window core_reservation_window(const struct td_reservation *r, const uint32_t *nodes, uint32_t n);
void core_reservations_tell(struct td_core *c);
void core_reservation_apply_set(struct td_core *c, const struct td_ev_reservation_set *ev);
void core_reservation_apply_began(struct td_core *c, const struct td_ev_reservation_began *ev);
void core_reservation_apply_rolled(struct td_core *c, const struct td_ev_reservation_rolled *ev);
void core_reservation_apply_ended(struct td_core *c, const struct td_ev_reservation_ended *ev);
void core_reservation_back(struct td_core *c, struct core_job *j); /* to the queue, in apply */
void core_reservations_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx);
void core_reservation_restore(struct td_core *c, const struct td_snap_reservation *r);
void core_reservations_free(struct td_core *c);
int core_reservation_check(struct td_core *c, const struct td_job_spec *s, uint32_t uid, struct td_error *err); /* may he use what he names? */
uint32_t core_reservation_blocked(const struct td_core *c, const struct core_job *j);                      /* enum td_reason */
uint32_t core_spec_limit_min(const struct td_job_spec *s);
void core_reservation_end(struct td_core *c, const struct core_reservation *r, uint32_t uid, bool deleted);
void core_reservations_run(struct td_core *c);
const struct td_reservation *core_reservation_on(const struct td_core *c, const struct core_node *n); /* one that has begun there */
bool core_reservations_check(const struct td_core *c, struct td_error *err);

/* deadline.c */
int core_deadline_check(const struct td_core *c, const struct td_job_spec *s, uint32_t limit_s, struct td_error *err);
void core_deadline_note(struct td_core *c, const struct core_job *j); /* when it is to be looked at */
bool core_deadline_missed(const struct td_core *c, const struct core_job *j); /* it cannot be over in time, if it began now */
uint32_t core_deadline_limit(const struct td_core *c, const struct core_job *j, uint32_t limit_s); /* no more than is left */
void core_deadlines_run(struct td_core *c);

/* reservation_request.c */
void core_request_set_reservation(struct td_core *c, const struct td_input *in, const struct td_set_reservation *m);
void core_request_delete_reservation(struct td_core *c, const struct td_input *in, const struct td_delete_reservation *m);

/* audit.c */
void core_audit_refused(struct td_core *c, const struct td_input *in, uint32_t job, const char *text);
void core_audit_touch(struct td_core *c, const struct td_input *in, const struct core_job *j); /* he changes it */
void core_audit_acted(struct td_core *c, const struct td_input *in); /* at the request's end: of what it touched */
void core_audit_act(struct td_core *c, const struct td_input *in, const char *text);
void core_audit_input(struct td_core *c, const struct td_input *in);
void core_audit_run(struct td_core *c);
void core_audit_free(struct td_core *c);

/* hello.c, worker.c, report.c */
void core_worker(struct td_core *c, const struct td_input *in);
void core_worker_bye(struct td_core *c, struct core_node *n); /* it leaves */
void core_hello(struct td_core *c, const struct td_input *in, const struct td_hello *m);
void core_report(struct td_core *c, struct core_node *n, const struct td_report_batch *m);
void core_reports_finish(struct td_core *c); /* REPORTS_TAKEN and acknowledgements of the wake */
void core_hello_again(struct td_core *c, const struct td_input *in, const char *why);
void core_worker_version(struct td_core *c, struct core_node *n, uint64_t version);

/* round.c, settle.c, award.c, reasons.c, probe.c */
void core_rounds_run(struct td_core *c);
void core_round_bid(struct td_core *c, struct core_node *n, const struct td_bid *m);
void core_round_forget_node(struct td_core *c, struct core_node *n);
void core_round_settle(struct td_core *c);
void core_round_keep(struct td_core *c, const char *closed_by); /* for tender rounds */
void core_round_release(struct td_core *c);
void core_awards_send(struct td_core *c);
void core_part_due(struct td_core *c, struct core_part *p, int64_t at_ms);
bool core_blob_wanted(struct core_node *n, struct td_bin hash, bool again);
void core_reasons_note(struct td_core *c, const struct td_plan *plan);
void core_begins_run(struct td_core *c);
void core_probe_want(struct td_core *c);
void core_probe_run(struct td_core *c);

/* step.c: the table, and what its events do */
struct core_step *core_step_find(const struct core_job *j, uint32_t no); /* NULL: over, or never was */
struct core_step_part *core_step_part_on(const struct core_step *s, const struct core_node *n);
bool core_step_holds(const struct td_step_spec *spec);      /* what it has is nobody else's */
bool core_step_holds_gres(const struct td_step_spec *spec); /* devices too */
void core_steps_free(struct td_core *c, struct core_alloc *a);
void core_step_apply_created(struct td_core *c, const struct td_ev_step_created *ev);
void core_step_apply_started(struct td_core *c, const struct td_ev_step_started *ev);
void core_step_apply_exited(struct td_core *c, const struct td_ev_step_exited *ev);
void core_step_apply_ending(struct td_core *c, const struct td_ev_step_ending *ev);
void core_step_apply_ended(struct td_core *c, const struct td_ev_step_ended *ev);
void core_step_snapshot(const struct core_step *s, td_core_emit_fn *emit, void *ctx);
int core_step_restore(struct td_core *c, const struct td_snap_step *r, struct td_error *err);
const char *core_steps_check(const struct core_job *j); /* NULL: sound */

/* rows.c, for step_rows.c too */
/* May this user be shown it: PrivateData, and hidden partitions unless `all` are asked for. */
bool core_job_seen(const struct td_core *c, const struct core_job *j, uint32_t uid, bool all);
void core_gres_add(struct td_gres_held *v, uint32_t *n, const char *name, const char *type,
                   uint64_t count);

/* step_place.c */
enum core_step_fit { CORE_STEP_FITS, CORE_STEP_BUSY, CORE_STEP_NEVER };
enum core_step_fit core_step_place(struct td_core *c, const struct core_job *j,
                                   const struct td_step_spec *spec, struct td_step_place_list *ret,
                                   struct td_error *err); /* in the wake arena */

/* step_request.c */
void core_request_step(struct td_core *c, const struct td_input *in, const struct td_step_create *m);
void core_request_step_signal(struct td_core *c, const struct td_input *in,
                              const struct td_step_signal *m);
void core_steps_peer_gone(struct td_core *c, uint64_t peer, uint64_t request);
void core_steps_run(struct td_core *c); /* those that wait */
void core_step_waits_free(struct td_core *c);
void core_step_ends_free(struct td_core *c);

/* step_report.c */
bool core_step_report(struct td_core *c, struct core_part *p,
                      const struct td_report *r); /* true: it was about a step */
void core_steps_leave(struct td_core *c, const struct core_part *p); /* its node lets go of all */
void core_steps_hello(struct td_core *c, const struct core_part *p, const struct td_running *is,
                      bool registers);

/* step_send.c */
void core_step_due(struct td_core *c, struct core_step_part *p, int64_t at_ms);
void core_steps_send(struct td_core *c, struct core_node *n);

/* usage.c */
bool core_is_multifactor(const struct td_core *c);
uint32_t core_usage_counts(const struct td_core *c, const struct core_job *j, uint64_t counts[TD_MAX_TRES]); /* kinds that are known */
void core_usage_job_ends(struct td_core *c, const struct core_job *j); /* before its state changes */
void core_usage_apply_ticked(struct td_core *c, const struct td_ev_usage_ticked *ev);
void core_usage_clock(struct td_core *c, int64_t delta_ms);
int64_t core_usage_deadline(const struct td_core *c);
void core_usage_run(struct td_core *c);

/* charged.c: whom a job is charged to. Account and QOS of the submission are filled in where they are left out. */
int core_assoc_settle(struct td_core *c, struct td_job_spec *spec, uint32_t *ret_assoc, struct td_error *err);

/* priority.c */
void core_fair_rank(struct core_acct *a);
const struct td_fair_level *core_fair_levels(const struct core_acct *a, struct td_arena *arena, uint32_t *ret_users);
uint64_t core_priority_first(struct td_core *c, const struct td_job_spec *spec, uint32_t assoc, const char *partition, uint32_t limit_s);
void core_priorities_renew(struct td_core *c); /* in apply: of all that wait */

/* account_try.c */
void core_request_accounts(struct td_core *c, const struct td_input *in, const struct td_change_accounts *m);

/* session.c, purge.c, enrol.c */
void core_session_heard(struct td_core *c, const struct td_input *in, uint32_t job);
void core_session_close(struct td_core *c, const struct td_input *in, uint32_t job);
void core_session_over(struct td_core *c, struct core_job *j, const struct td_ev_step_ended *how,
                       const char *not_started);
void core_sessions_restart(struct td_core *c);
void core_sessions_expire(struct td_core *c);
void core_ended_add(struct td_core *c, const struct core_job *j);
void core_purge_run(struct td_core *c);
void core_client_keys_add(struct td_core *c, uint32_t uid, const char *key, uint32_t job,
                          uint64_t seq, int64_t at_ms);
void core_client_keys_prune(struct td_core *c, int64_t before_ms);
const struct core_client_key *core_client_keys_find(const struct td_core *c, uint32_t uid,
                                                    const char *key);
void core_enrol_apply_worker(struct td_core *c, const struct td_ev_worker_enrolled *ev);
void core_enrol_apply_front(struct td_core *c, const struct td_ev_front_enrolled *ev);
void core_enrol_apply_token(struct td_core *c, const struct td_ev_token_made *ev);

#endif
