/* core.h - the broker's core: decides, applies, plans, settles; does nothing itself (DESIGN laws 1-3, 9)
 *
 * One wake:
 *     td_core_wake(c, now)                  time comes in as a value, in journal milliseconds
 *     td_core_input(c, &in)  ...            each decides, checks, and applies its events at once
 *     td_core_finish(c)                     deadlines, plan, offers, settlement, resends
 *     shell: journal td_core_events() in one commit
 *     shell: carry out td_core_effects()    only now may anything leave
 * If the commit fails the shell destroys the core, rebuilds it from snapshot and journal, and refuses every request
 * of the wake. Everything a wake returns lives until the next td_core_wake.
 *
 * Durable state changes only in td_core_apply(event); what is not in an event (open rounds, bids, the refusal cache,
 * leases, resend timers, connections) is soft: it is not in the digest, not in the snapshot, and is rebuilt by asking
 * the workers after a restart. Replay = td_core_restore + td_core_apply for each event; it never decides. */
#ifndef TD_CORE_H
#define TD_CORE_H

#include "types/types.h"

struct td_core;

struct td_core *td_core_new(uint64_t seed);
void td_core_destroy(struct td_core **p);

/* An input: a decoded message with the identity the shell verified, or news of the shell's own. */
enum td_input_kind {
    TD_IN_REQUEST,  /* from a user by a local socket or a front: `peer` is the shell's handle for the reply */
    TD_IN_WORKER,   /* from a worker: `node` is the name its key is good for; `peer` its route */
    TD_IN_START,    /* first input of a reign: ev_epoch_began in body */
    TD_IN_CONF,     /* ev_conf_loaded in body: configuration read or read again */
    TD_IN_CLOCK,    /* ev_clock_stepped in body: set ahead, the rest of this wake and the next ones are so much later;
                       set back, journal time goes on. Not told before START: both clocks agree */
    TD_IN_SPACE,    /* low-space watermark crossed; `on` says which way */
    TD_IN_GONE,     /* `peer` went away: nobody is there for what it waits for (request 0: for any of it) */
    TD_IN_ENROL,    /* ev_worker_enrolled, ev_token_made, ev_token_revoked or ev_key_rotated (id says which) after the shell checked the secret */
    TD_IN_AUDIT,    /* ev_access_refused or ev_admin_acted: what the shell refused or did */
};
struct td_input {
    enum td_input_kind kind;
    uint64_t peer;       /* shell's handle of the connection */
    uint64_t request;    /* request number of the frame, for the answer; of SPACE the watermark in MiB, 0 = not said */
    uint32_t uid, gid;   /* verified user of a REQUEST */
    const char *node;    /* verified node of a WORKER input */
    uint32_t id;         /* enum td_msg_id, or enum td_event_id for START, CONF, CLOCK, ENROL, AUDIT */
    const void *body;    /* the record; borrowed for the call */
    bool on;
};

/* What the shell must do, after the commit. */
enum td_effect_kind {
    TD_DO_REPLY,    /* message `id` to request `request` of `peer` */
    TD_DO_SEND,     /* message `id` to the worker of `node` (route `peer`); a full or gone peer is no error: it is resent */
    TD_DO_PUBLISH,  /* message `id` on `topic` */
    TD_DO_LOG,      /* one line: body is a const char * "info job=17 PENDING->AWARDED node=n03" */
};
struct td_effect {
    enum td_effect_kind kind;
    uint64_t peer;
    uint64_t request;
    const char *node;
    const char *topic;
    uint32_t id;
    const void *body;   /* record of the message */
    const uint8_t (*blobs)[32]; /* AWARD, STEP_START: hashes the worker may lack; the shell adds the bytes */
    uint32_t nblobs;
};
struct td_event {
    uint64_t seq;       /* given by td_core when it is made */
    int64_t time_ms;
    uint32_t id;        /* enum td_event_id */
    const void *body;
};

void td_core_wake(struct td_core *c, int64_t now_ms);
/* A steady clock in microseconds (never 0), told just before td_core_finish. Soft: nothing is decided by it, only how
 * long a round took is measured with it. A shell that does not tell it has rounds without elapsed_us. */
void td_core_stopwatch(struct td_core *c, int64_t now_us);
void td_core_input(struct td_core *c, const struct td_input *in);
void td_core_finish(struct td_core *c);
const struct td_event *td_core_events(const struct td_core *c, uint32_t *ret_n);
const struct td_effect *td_core_effects(const struct td_core *c, uint32_t *ret_n);
/* The wake is full: the shell must finish it before giving more input. */
bool td_core_full(const struct td_core *c);
/* When the core wants to be woken though nothing came in; INT64_MAX = never. */
int64_t td_core_deadline(const struct td_core *c);

/* Durable state. td_core_apply asserts that the event follows the last one. */
void td_core_apply(struct td_core *c, const struct td_event *ev);
uint64_t td_core_seq(const struct td_core *c);   /* last event applied */
uint64_t td_core_epoch(const struct td_core *c);
int64_t td_core_time(const struct td_core *c);   /* time of the last event */
#define TD_CORE_DIGEST 11u /* raised whenever what the digest covers changes: a digest is only compared with its like */
uint64_t td_core_digest(const struct td_core *c); /* of the durable state; equal wherever the same events were applied */
/* Invariants of the ledger, lives and indexes; returns false and a sentence at the first that fails. */
bool td_core_check(const struct td_core *c, struct td_error *err);

/* Snapshot: the durable state as records (snapshot.def below core); emit is called once for each, in an order that
 * td_core_restore accepts into a fresh core. */
typedef void td_core_emit_fn(void *ctx, uint32_t kind, const struct td_record *rec, const void *body);
void td_core_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx);
const struct td_record *td_core_snapshot_record(uint32_t kind); /* NULL if unknown */
int td_core_restore(struct td_core *c, uint32_t kind, const void *body, struct td_error *err);

/* Reads, for whoever answers queries (the broker's own doors now, the front's replica from issue 2 on). Rows live in
 * the arena given; `visit` returns false to stop. Filters as in job_filter (names of users are resolved by the shell:
 * uids). Read-only and free of decisions. */
struct td_job_query {
    const struct td_job_filter *filter;
    const uint32_t *uids; /* from filter->users */
    uint32_t nuids;
    bool detail, state_only, expand, all;
    bool bounds; /* where no plan has a start: a bound on it, which costs a walk through the queue */
    uint32_t asker_uid;
    bool asker_operator;
};
typedef bool td_job_visit_fn(void *ctx, const struct td_job_info *row);
void td_core_jobs(const struct td_core *c, const struct td_job_query *q, struct td_arena *a, td_job_visit_fn *visit, void *ctx);
/* Those of exactly these ids that are not over, in that order; the filter is not looked at. */
void td_core_jobs_exact(const struct td_core *c, const struct td_job_query *q, const uint32_t *ids, uint32_t n, struct td_arena *a,
                        td_job_visit_fn *visit, void *ctx);
typedef bool td_node_visit_fn(void *ctx, const struct td_node_info *row);
void td_core_nodes(const struct td_core *c, const struct td_hostlist *only, struct td_arena *a, td_node_visit_fn *visit, void *ctx);
uint32_t td_core_partitions(const struct td_core *c, struct td_arena *a, const struct td_partition_info **ret_rows);
uint32_t td_core_rounds(const struct td_core *c, uint32_t last, struct td_arena *a, const struct td_round_info **ret_rows);
/* Steps that are not over: of one job, or of all that the asker may see (job 0), by job and step. */
struct td_step_query {
    uint32_t job;
    uint32_t asker_uid;
    bool asker_operator;
    bool batch; /* a running batch script is a row too, the first of its job: step TD_STEP_BATCH */
};
typedef bool td_step_visit_fn(void *ctx, const struct td_step_info *row);
void td_core_steps(const struct td_core *c, const struct td_step_query *q, struct td_arena *a, td_step_visit_fn *visit, void *ctx);
/* What is known of ends of the steps of q->job, oldest first; nothing to others than its owner and operators. */
uint32_t td_core_step_ends(const struct td_core *c, const struct td_step_query *q, struct td_arena *a, const struct td_step_end **ret);
/* Requests that wait for their turn (STEP_CREATE), in order of arrival: whoever destroys the core answers them, and when
 * a peer is gone that one of them is of, the core must be told (TD_IN_GONE). */
typedef void td_wait_visit_fn(void *ctx, uint64_t peer, uint64_t request);
void td_core_waits(const struct td_core *c, td_wait_visit_fn *visit, void *ctx);
uint32_t td_core_nwaits(const struct td_core *c);
/* When waiting jobs are thought to start: the plan's, soft. A replica is told, since it does not plan. */
typedef void td_forecast_visit_fn(void *ctx, uint32_t job, int64_t start_ms);
void td_core_forecasts(const struct td_core *c, td_forecast_visit_fn *visit, void *ctx);
void td_core_forecast_set(struct td_core *c, uint32_t job, int64_t start_ms); /* 0 = not foreseen; unknown jobs are passed over */
const struct td_settings *td_core_settings(const struct td_core *c);
/* Who may do and see what (rights.c). */
enum td_admin_level td_core_admin_level(const struct td_core *c, uint32_t uid);
bool td_core_is_admin(const struct td_core *c, uint32_t uid);
bool td_core_is_operator(const struct td_core *c, uint32_t uid);
bool td_core_hides(const struct td_core *c, enum td_private what, uint32_t uid); /* PrivateData, from this user */
bool td_core_sees_job_of(const struct td_core *c, uint32_t owner, uint32_t uid);
/* The job as a history row needs it (also for one being purged, while its JOBS_PURGED event is committed). */
bool td_core_job_row(const struct td_core *c, uint32_t job, struct td_arena *a, struct td_job_info *ret);
/* Where a job stands, cheaply. False if the core does not hold it. */
struct td_job_brief {
    uint32_t uid, state, outcome, reason, array_job, array_task;
};
bool td_core_job_brief(const struct td_core *c, uint32_t job, struct td_job_brief *ret);
uint32_t td_core_job_owner(const struct td_core *c, uint32_t job, bool *ret_known);
/* Blobs the core still names, so that compaction may drop the others. */
typedef void td_blob_visit_fn(void *ctx, const uint8_t hash[32]);
void td_core_blobs(const struct td_core *c, td_blob_visit_fn *visit, void *ctx);
/* Reservations, in the order in which they were made; of this name, or (empty) all. */
typedef bool td_reservation_visit_fn(void *ctx, const struct td_reservation_info *row); /* false: no more */
void td_core_reservations(const struct td_core *c, const char *name, td_reservation_visit_fn *visit, void *ctx);
uint32_t td_core_licenses(const struct td_core *c, struct td_arena *a, const struct td_license_info **ret);
/* Enrolment facts for the shell's door: node a key is good for (NULL if none); whether a token's hash is usable now. */
const char *td_core_key_node(const struct td_core *c, const char *key);
/* The name of the front whose key this is, NULL if it is none's; root: it vouches for root, too. */
const char *td_core_key_front(const struct td_core *c, const char *key, bool *ret_root);
bool td_core_token_is_fronts(const struct td_core *c, const uint8_t hash[32], bool *ret_root); /* of a usable one: for fronts */
bool td_core_token_usable(const struct td_core *c, const uint8_t hash[32], const char *node, int64_t now_ms, struct td_error *err);

/* Tokens by their ids (tokens.c). */
const char *td_core_token_id(const uint8_t hash[32], struct td_arena *a);
bool td_core_tokens_full(const struct td_core *c, int64_t now_ms);
uint32_t td_core_tokens(const struct td_core *c, int64_t now_ms, struct td_arena *a, const struct td_token_info **ret);
bool td_core_token_by_id(const struct td_core *c, const char *id, uint8_t ret_hash[32], struct td_error *err);
bool td_core_node_claimed(const struct td_core *c, const char *node, int64_t now_ms, struct td_error *err);

/* May this key become the node's, beside those it has (keys.c). */
typedef bool td_key_visit_fn(void *ctx, const struct td_key_info *row); /* false: no more */
void td_core_keys(const struct td_core *c, const struct td_hostlist *only, int64_t now_ms, struct td_arena *a, td_key_visit_fn *visit, void *ctx);
int td_core_key_check(const struct td_core *c, const char *node, const char *key, int64_t now_ms, struct td_error *err);

/* Keys by which users are known over TCP (userkeys.c): whose it is; and those that this user may see, in order. */
bool td_core_user_key(const struct td_core *c, const char *key, uint32_t *ret_user);
typedef bool td_user_key_visit_fn(void *ctx, const struct td_user_key_info *row); /* false: no more */
void td_core_user_keys(const struct td_core *c, uint32_t asker, td_user_key_visit_fn *visit, void *ctx);

/* Accounting (account_rows.c): associations from the root down, the rest by name. Rows borrow from the core. */
typedef bool td_acct_visit_fn(void *ctx, const struct td_acct_row *row); /* false: no more */
void td_core_accounts(const struct td_core *c, const struct td_query_accounts *q, td_acct_visit_fn *visit, void *ctx);

/* Waiting jobs that the asker may see, by id, and what their priorities are made of (priority.c). Renews a soft ranking. */
typedef bool td_priority_visit_fn(void *ctx, const struct td_job_priority *row);
void td_core_priorities(struct td_core *c, uint32_t asker_uid, td_priority_visit_fn *visit, void *ctx);

struct td_counters {
#define COUNTER(name, help) uint64_t name;
#include "tbl/counters.def"
#undef COUNTER
};
struct td_counters *td_core_counters(struct td_core *c);
/* Sizes, for benchmarks and tender status. */
struct td_core_sizes {
    uint32_t jobs, pending_tasks, running, nodes, nodes_up, shapes, partitions;
    uint64_t bytes_jobs; /* heap held for jobs and arrays */
};
void td_core_get_sizes(const struct td_core *c, struct td_core_sizes *ret);

#endif
