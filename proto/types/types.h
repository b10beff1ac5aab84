/* types.h - every record, message, event, state and error as C, made from proto/tbl
 *
 * struct td_<record> for each row; struct td_<record>_list {const v; n} for lists of them. Pointers in records are
 * borrowed: from the arena they were decoded into, or from whoever filled them in. Zero is "absent" everywhere. */
#ifndef TD_TYPES_H
#define TD_TYPES_H

#include "base/base.h"

#define TD_PROTOCOL_VERSION 1u
#define TD_PROTOCOL_VERSION_MIN 1u
#define TD_INFINITE UINT32_MAX       /* no limit */
#define TD_NO_TASK UINT32_MAX        /* array_task of the record of waiting tasks */
#define TD_STEP_BATCH 0xfffffffbu    /* the step number of a batch script, as Slurm numbers it */

/* Limits: TD_MAX_<name> */
enum td_limit_value {
#define LIMIT(name, value, help) TD_MAX_##name = (value),
#include "tbl/limits.def"
#undef LIMIT
};

struct td_u32s {
    const uint32_t *v;
    uint32_t n;
};
struct td_strs {
    const char *const *v;
    uint32_t n;
};

/* Records as structs */
#define TD_C_BOOL bool
#define TD_C_U32 uint32_t
#define TD_C_U64 uint64_t
#define TD_C_I64 int64_t
#define TD_C_STR const char * /* NULL and "" are the same */
#define TD_C_BIN struct td_bin
#define TD_C_U32S struct td_u32s
#define TD_C_STRS struct td_strs
#define TD_C_REC(sub) struct td_##sub
#define TD_C_RECS(sub) struct td_##sub##_list

#define RECORD(name, since, help) struct td_##name {
#define MSG(ID, name, number, right, since, help) struct td_##name {
#define EVENT(ID, name, number, since, help) struct td_##name {
#define SNAP(ID, name, number, since, help) struct td_##name {
#define F(rec, key, type, field, max, since, see, help) TD_C_##type field;
#define FR(rec, key, type, field, sub, max, since, see, help) TD_C_##type(sub) field;
#define END(name)                \
    }                            \
    ;                            \
    struct td_##name##_list {    \
        const struct td_##name *v; \
        uint32_t n;              \
    };
#include "tbl/records.def"
#include "tbl/messages.def"
#include "tbl/events.def"
#include "tbl/snapshot.def"
#undef RECORD
#undef MSG
#undef EVENT
#undef SNAP
#undef F
#undef FR
#undef END

/* Enumerations: td_<kind>_name(value) gives the row's name in lower case words as printed in logs; NULL if unknown. */
enum td_errno {
#define ERR(name, number, exit_code, text) TD_E_##name = number,
#include "tbl/errors.def"
#undef ERR
};
enum td_msg_id {
#define RECORD(name, since, help)
#define MSG(ID, name, number, right, since, help) TD_MSG_##ID = number,
#define F(rec, key, type, field, max, since, see, help)
#define FR(rec, key, type, field, sub, max, since, see, help)
#define END(name)
#include "tbl/messages.def"
#undef MSG
};
enum td_event_id {
#define EVENT(ID, name, number, since, help) TD_EV_##ID = number,
#include "tbl/events.def"
#undef EVENT
};
enum td_snap_id {
#define SNAP(ID, name, number, since, help) TD_SNAP_##ID = number,
#include "tbl/snapshot.def"
#undef SNAP
#undef RECORD
#undef F
#undef FR
#undef END
};
enum td_job_state {
#define JOB_STATE(name, number, word, compact, help) TD_JOB_##name = number,
#include "tbl/states.def"
#undef JOB_STATE
    TD_JOB_STATE_COUNT
};
enum td_job_outcome {
#define JOB_OUTCOME(name, number, word, compact, help) TD_OUTCOME_##name = number,
#include "tbl/states.def"
#undef JOB_OUTCOME
    TD_JOB_OUTCOME_COUNT
};
enum td_job_input {
#define JOB_INPUT(name, help) TD_JOB_IN_##name,
#include "tbl/states.def"
#undef JOB_INPUT
    TD_JOB_INPUT_COUNT
};
enum td_alloc_state {
#define ALLOC_STATE(name, number, help) TD_ALLOC_##name = number,
#include "tbl/states.def"
#undef ALLOC_STATE
    TD_ALLOC_STATE_COUNT
};
enum td_alloc_input {
#define ALLOC_INPUT(name, help) TD_ALLOC_IN_##name,
#include "tbl/states.def"
#undef ALLOC_INPUT
    TD_ALLOC_INPUT_COUNT
};
enum td_step_state {
#define STEP_STATE(name, number, help) TD_STEP_##name = number,
#include "tbl/states.def"
#undef STEP_STATE
    TD_STEP_STATE_COUNT
};
enum td_step_input {
#define STEP_INPUT(name, help) TD_STEP_IN_##name,
#include "tbl/states.def"
#undef STEP_INPUT
    TD_STEP_INPUT_COUNT
};
enum td_node_state {
#define NODE_STATE(name, number, help) TD_NODE_##name = number,
#include "tbl/states.def"
#undef NODE_STATE
    TD_NODE_STATE_COUNT
};
enum td_node_input {
#define NODE_INPUT(name, help) TD_NODE_IN_##name,
#include "tbl/states.def"
#undef NODE_INPUT
    TD_NODE_INPUT_COUNT
};
enum td_session_state {
#define SESSION_STATE(name, number, help) TD_SESSION_##name = number,
#include "tbl/states.def"
#undef SESSION_STATE
    TD_SESSION_STATE_COUNT
};
enum td_session_input {
#define SESSION_INPUT(name, help) TD_SESSION_IN_##name,
#include "tbl/states.def"
#undef SESSION_INPUT
    TD_SESSION_INPUT_COUNT
};
enum td_reason {
#define REASON(name, number, word, help) TD_REASON_##name = number,
#include "tbl/states.def"
#undef REASON
};
enum td_refusal {
#define REFUSAL(name, number, help) TD_REFUSAL_##name = number,
#include "tbl/states.def"
#undef REFUSAL
};
enum td_moved {
#define MOVED(name, number, word, help) TD_MOVED_##name = number,
#include "tbl/states.def"
#undef MOVED
};
enum td_depend {
#define DEPEND(name, number, word, help) TD_DEPEND_##name = number,
#include "tbl/states.def"
#undef DEPEND
};
enum td_depend_state {
#define DEPEND_STATE(name, number, word, help) TD_DEPEND_STATE_##name = number,
#include "tbl/states.def"
#undef DEPEND_STATE
};
enum td_standing {
#define STANDING(name, number, word, help) TD_STANDING_##name = number,
#include "tbl/states.def"
#undef STANDING
};
enum td_before {
#define BEFORE(name, number, word, help) TD_BEFORE_##name = number,
#include "tbl/states.def"
#undef BEFORE
};
enum td_report_kind {
#define REPORT(name, number, help) TD_REPORT_##name = number,
#include "tbl/states.def"
#undef REPORT
};
enum td_right {
#define RIGHT(name, number, help) TD_RIGHT_##name = number,
#include "tbl/states.def"
#undef RIGHT
};
enum td_see {
#define SEE(name, number, help) TD_SEE_##name = number,
#include "tbl/states.def"
#undef SEE
};
enum td_admin_level {
#define ADMIN_LEVEL(name, number, word, help) TD_LEVEL_##name = number,
#include "tbl/states.def"
#undef ADMIN_LEVEL
};
enum td_private {
#define PRIVATE(name, bit, word, help) TD_PRIVATE_##name = bit,
#include "tbl/states.def"
#undef PRIVATE
    TD_PRIVATE_ALL = 0x7fffffff /* rows to come, too */
};
enum td_reserve { /* bits */
#define RESERVE(name, bit, word, help) TD_RESERVE_##name = bit,
#include "tbl/states.def"
#undef RESERVE
};
#define TD_RESERVE_AGAIN \
    (TD_RESERVE_HOURLY | TD_RESERVE_DAILY | TD_RESERVE_WEEKDAY | TD_RESERVE_WEEKEND | TD_RESERVE_WEEKLY)
enum td_list_op { TD_LIST_SET, TD_LIST_ADD, TD_LIST_REMOVE }; /* Users=, Users+=, Users-= */
enum td_acct_kind {
#define ACCT_KIND(name, number, word, help) TD_ACCT_##name = number,
#include "tbl/states.def"
#undef ACCT_KIND
};
enum td_qos_flag {
#define QOS_FLAG(name, bit, word, help) TD_QOS_##name = bit,
#include "tbl/states.def"
#undef QOS_FLAG
};
enum td_priority_flag {
#define PRIORITY_FLAG(name, bit, word) TD_PRIORITY_##name = bit,
#include "tbl/states.def"
#undef PRIORITY_FLAG
};
enum td_enforce {
#define ENFORCE(name, bit, word) TD_ENFORCE_##name = bit,
#include "tbl/states.def"
#undef ENFORCE
};
enum td_preempt_mode {
#define PREEMPT_MODE(name, number, word) TD_PREEMPT_##name = number,
#include "tbl/states.def"
#undef PREEMPT_MODE
};
enum td_acct_verb { TD_ACCT_ADD = 1, TD_ACCT_MODIFY = 2, TD_ACCT_REMOVE = 3 };
enum td_op { TD_OP_HOLD = 1, TD_OP_UHOLD = 2, TD_OP_RELEASE = 3, TD_OP_REQUEUE = 4, TD_OP_REQUEUEHOLD = 5 };

const char *td_error_name(int code);         /* "INVALID_JOB" */
const char *td_error_words(int code);        /* "Invalid job id specified" */
int td_error_exit(int code);                 /* exit code of a command */
const char *td_msg_name(uint32_t id);        /* "SUBMIT" */
const char *td_event_name(uint32_t id);      /* "JOB_SUBMITTED" */
const char *td_job_state_word(uint32_t state, uint32_t outcome);    /* "PENDING", "TIMEOUT" */
const char *td_job_state_compact(uint32_t state, uint32_t outcome); /* "PD", "TO" */
/* Long or short word of a state or outcome, any case; returns false if unknown. *ret_outcome 0 = any. */
bool td_job_state_parse(const char *word, uint32_t *ret_state, uint32_t *ret_outcome);
const char *td_reason_word(uint32_t reason);     /* "Resources" */
const char *td_reason_words(uint32_t reason);    /* "first in line; nothing it needs is free" */
const char *td_moved_name(uint32_t cause);       /* "node" */
const char *td_moved_words(uint32_t cause);      /* "a node was lost, drained or changed" */
const char *td_standing_name(uint32_t standing); /* "short" */
const char *td_standing_words(uint32_t standing); /* "others hold too much of it" */
const char *td_before_name(uint32_t why);        /* "priority" */
const char *td_before_words(uint32_t why);       /* "its priority is higher" */
const char *td_depend_word(uint32_t kind);       /* "afterok" */
const char *td_depend_words(uint32_t kind);      /* "all of it is over, with exit status 0" */
const char *td_depend_state_word(uint32_t state); /* "unfulfilled" */
/* One flag of a reservation by Slurm's word, any case; false: it is none, and *ret_why says why a known one is refused, or is NULL. */
bool td_reserve_flag(const char *word, uint64_t *ret_bit, const char **ret_why);
void td_reserve_flags_print(uint64_t flags, struct td_buf *out); /* MAINT,DAILY; nothing where none is set */
const char *td_refusal_name(uint32_t refusal);   /* "CPUS" */
const char *td_refusal_words(uint32_t refusal);  /* "not enough free CPUs" */
const char *td_node_state_name(uint32_t state);  /* "UP" */
const char *td_report_name(uint32_t kind);
const char *td_alloc_state_name(uint32_t state);
const char *td_step_state_name(uint32_t state);
const char *td_session_state_name(uint32_t state);

const char *td_admin_level_word(uint32_t level); /* "Operator" */
const char *td_acct_kind_word(uint32_t kind);    /* "account" */
const char *td_preempt_mode_word(uint32_t mode); /* "cancel" */
const char *td_qos_flag_word(uint32_t bit);      /* "DenyOnLimit"; NULL if unknown */

/* Descriptors of records, for everything that walks a table: codec, printers, tests, fuzzers, the protocol page. */
enum td_type { TD_T_BOOL, TD_T_U32, TD_T_U64, TD_T_I64, TD_T_STR, TD_T_BIN, TD_T_U32S, TD_T_STRS, TD_T_REC, TD_T_RECS };
struct td_field {
    uint32_t key;
    enum td_type type;
    const char *name;
    size_t offset;
    uint64_t max;               /* 0 = whole range */
    const struct td_record *sub; /* REC, RECS */
    uint32_t since;
    enum td_see see;
    const char *help;
};
struct td_record {
    const char *name;
    const struct td_field *fields; /* by key, ascending */
    uint32_t n;
    size_t size; /* of the struct */
    const char *help;
};
size_t td_field_size(const struct td_field *f); /* of its value in the struct */
struct td_msg_row {
    uint32_t id;
    const char *name;
    const struct td_record *record;
    enum td_right right;
    uint32_t since;
    const char *help;
};
struct td_event_row {
    uint32_t id;
    const char *name;
    const struct td_record *record;
    uint32_t since;
    const char *help;
};
const struct td_msg_row *td_msg_row(uint32_t id);     /* NULL if unknown */
const struct td_event_row *td_event_row(uint32_t id); /* NULL if unknown */
bool td_event_is_audit(uint32_t id);                    /* for operators only */
const struct td_msg_row *td_msg_rows(uint32_t *ret_n);
const struct td_event_row *td_event_rows(uint32_t *ret_n);
const struct td_event_row *td_snap_row(uint32_t id);   /* records of a snapshot, by their number; NULL if unknown */
const struct td_event_row *td_snap_rows(uint32_t *ret_n);
const struct td_record *const *td_records(uint32_t *ret_n); /* every record there is, nested ones too: tests walk it */
#define RECORD(name, since, help) extern const struct td_record td_rec_##name;
#define MSG(ID, name, number, right, since, help) extern const struct td_record td_rec_##name;
#define EVENT(ID, name, number, since, help) extern const struct td_record td_rec_##name;
#define SNAP(ID, name, number, since, help) extern const struct td_record td_rec_##name;
#define F(rec, key, type, field, max, since, see, help)
#define FR(rec, key, type, field, sub, max, since, see, help)
#define END(name)
#include "tbl/records.def"
#include "tbl/messages.def"
#include "tbl/events.def"
#include "tbl/snapshot.def"
#undef RECORD
#undef MSG
#undef EVENT
#undef SNAP
#undef F
#undef FR
#undef END

/* Keys of records' fields by name: TD_KEY_<record>_<field> */
enum td_key {
#define RECORD(name, since, help)
#define F(rec, key, type, field, max, since, see, help) TD_KEY_##rec##_##field = key,
#define FR(rec, key, type, field, sub, max, since, see, help) TD_KEY_##rec##_##field = key,
#define END(name)
#include "tbl/records.def"
#undef RECORD
#undef F
#undef FR
#undef END
};
/* Some fields of a record (pick.c), which an encoder writes as if the others were empty. A path names a field: the keys on
 * the way to it, the outermost in the lowest byte. A path to a nested record means all of it. */
#define TD_PATH(key) ((uint32_t)(key))
#define TD_PATH2(outer, key) ((uint32_t)(outer) | (uint32_t)(key) << 8)
#define TD_PATH3(outer, middle, key) (TD_PATH2(outer, middle) | (uint32_t)(key) << 16)
struct td_pick;
struct td_pick_field {
    const struct td_field *field;
    const struct td_pick *sub; /* of a nested record or a list of them */
};
struct td_pick {
    const struct td_record *rec;
    uint32_t n;
    struct td_pick_field v[]; /* by key, ascending */
};
/* What `wanted` names (nothing: all there is), less what `left_out` names and what is not for such eyes. In the arena. */
const struct td_pick *td_pick_make(struct td_arena *a, const struct td_record *rec, enum td_see see,
                                   const struct td_u32s *wanted, const struct td_u32s *left_out);
/* The picked fields and nothing else; what they point to is borrowed, lists of which only a part is picked are in the arena. */
void td_pick_copy(struct td_arena *a, const struct td_pick *pick, const void *from, void *to);

/* Deep copy of a record (descriptor-driven) into an arena. `to` has room for rec->size bytes. */
void td_record_copy(struct td_arena *a, const struct td_record *rec, const void *from, void *to);
/* Holds every maximum of the rows against a record that is about to be encoded (the encoder asserts them). Whoever takes
 * words from outside asks this first. TOO_BIG: names record, field and maximum. */
int td_record_check(const struct td_record *rec, const void *body, struct td_error *err);
bool td_record_equal(const struct td_record *rec, const void *a, const void *b);

/* Devices counted for a whole job that its nodes share (share.c): how many, 0 where there are none; and how many tasks
 * go with so many of them on one node. */
uint64_t td_shape_shared(const struct td_shape *s);
uint32_t td_shape_share_tasks(const struct td_shape *s, uint64_t devices);
/* Does a row pass a filter, as squeue means it? Users by name or number. */
bool td_job_matches(const struct td_job_filter *f, const struct td_job_info *j);

/* Host lists: "node[1-3,07],gpu1" (ranges keep their leading zeros; a range may follow a literal digit). */
struct td_hostlist {
    TD_VEC(char *) names; /* owned */
};
int td_hostlist_parse(const char *text, uint32_t max, struct td_hostlist *ret, struct td_error *err);
void td_hostlist_release(struct td_hostlist *l);
bool td_hostlist_has(const struct td_hostlist *l, const char *name);
/* Folds names into brackets as Slurm prints them: sorted, unique, "compute[01-02]". */
void td_hostlist_fold(const char *const *names, uint32_t n, struct td_buf *out);
/* Is `name` in the expression? Without expanding it. */
bool td_hostlist_match(const char *text, const char *name);

/* Array expressions: "0-15:4,20%3". */
int td_array_parse(const char *text, uint32_t max, struct td_span *ret_spans, uint32_t cap, uint32_t *ret_n,
                   uint32_t *ret_limit, struct td_error *err);
/* Folds indices (a bitmap) as Slurm prints them: 0-3,7 and, with a constant stride of several, 0-12:4. */
void td_array_fold(struct td_bin bits, struct td_buf *out);

/* Licences: name[:count],... 1: one more, 0: the end, below: an error in words. `*at` begins as the text. */
struct td_license {
    char name[TD_MAX_NAME_BYTES + 1];
    uint64_t count;
};
int td_license_next(const char **at, struct td_license *ret, struct td_error *err);

/* Times. td_duration_parse: minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S, UNLIMITED/INFINITE/-1 -> seconds, TD_INFINITE. */
int td_duration_parse(const char *text, uint32_t *ret_s, struct td_error *err);
void td_duration_print(uint32_t s, struct td_buf *out); /* [D-]HH:MM:SS or UNLIMITED, as scontrol prints limits */
void td_elapsed_print(uint64_t s, struct td_buf *out);  /* squeue TIME: 0:05, 1:02:03, 1-02:03:04 */
/* Civil time by arithmetic (no clock, no environment): offset of the zone east of UTC is given. */
void td_time_print(int64_t ms, int32_t zone_s, struct td_buf *out); /* 2026-11-22T22:07:33 */
/* YYYY-MM-DD[THH:MM[:SS]], MM/DD[/YY], HH:MM[:SS][AM|PM], now[+N{seconds,minutes,hours,days,weeks}], today, tomorrow,
 * midnight, noon, teatime, fika, elevenses; "now" is given. */
int td_time_parse(const char *text, int64_t now_ms, int32_t zone_s, int64_t *ret_ms, struct td_error *err);
/* --signal: [B:]SIG[@seconds], names in any case, with SIG or without. */
#define TD_SIGNAL_BEFORE_S 60u
struct td_signal {
    uint32_t no, before_s;
    bool leader_only; /* B: only the batch shell */
};
int td_signal_parse(const char *text, struct td_signal *ret, struct td_error *err);
/* Memory sizes: 4000, 4G, 512M, 1T, 0; unit default MiB -> MiB (rounded up). */
int td_memory_parse(const char *text, uint64_t *ret_mb, struct td_error *err);

#endif
