/* acct.h - what accounting keeps: accounts, users, associations, QOS, kinds of resources; private to broker/core
 *
 *     root ─┬─ user root              struct core_assoc: one row each; users before accounts, by name
 *           ├─ chem ─┬─ kim           struct core_account: its association is the account's place in the tree
 *           │        └─ organic ─ lee
 *           └─ phys ─── kim           a user is in several accounts; one of them is his default
 *
 * Owns its objects; each is one packed record, replaced as a whole by the event that holds it. Knows nothing of jobs and
 * of the rest of the core, so that a request can be tried on it and taken back (account_try.c) before any event is made.
 * Empty until the first account is made: then nothing of a job's life depends on it. */
#ifndef TD_CORE_ACCT_H
#define TD_CORE_ACCT_H

#include "broker/core/core.h"
#include "broker/core/pack.h"
#include "broker/fair/fair.h"

#define ACCT_ROOT "root"
#define ACCT_UNITS 1024u          /* usage is in so many parts of a second of a kind */
#define ACCT_TRES_GONE UINT64_MAX /* in a request: this kind is no longer limited */
enum { ACCT_TRES_CPU, ACCT_TRES_MEM, ACCT_TRES_ENERGY, ACCT_TRES_NODE, ACCT_TRES_BILLING, ACCT_TRES_OWN = 8 };

struct core_assoc {
    /* durable */
    struct td_assoc *is; /* packed, owned */
    uint64_t *used;      /* of each kind, by its index; NULL while nothing */
    uint32_t nused;
    uint64_t wall;
    /* index */
    struct core_assoc *parent;
    TD_VEC(struct core_assoc *) below; /* users by name and partition, then accounts by name */
    /* soft: of the last ranking */
    struct td_fair_level level;
};
struct core_account {
    struct td_account *is;
    struct core_assoc *assoc; /* its place; NULL only between two events of one request */
};
struct core_acct_user {
    struct td_acct_user *is;
    uint32_t nassocs;
};
struct core_qos {
    struct td_qos *is;
};
struct core_acct {
    /* durable */
    TD_VEC(struct td_tres *) tres; /* in the order in which they came; the first ACCT_TRES_OWN are Slurm's */
    TD_VEC(struct core_account *) accounts; /* these three by name */
    TD_VEC(struct core_acct_user *) users;
    TD_VEC(struct core_qos *) qos;
    uint32_t next_assoc, next_qos;
    int64_t ticked_ms, reset_ms;
    /* index */
    struct core_assoc *root;
    uint32_t nassocs;
    struct td_strmap account_by_name, user_by_name, qos_by_name, assoc_by_key, tres_by_name;
    struct td_map assoc_by_id, user_by_uid;
    /* soft */
    uint32_t users_ranked, assoc_most, qos_most; /* most: one more than the highest priority; the highest */
    bool fair_stale;
};

/* account.c: the tables of accounts and users; what an event does */
bool core_acct_on(const struct core_acct *a);
void core_acct_apply(struct core_acct *a, uint32_t id, const void *body);
void core_acct_free(struct core_acct *a);
struct core_account *core_account_find(const struct core_acct *a, const char *name);
struct core_acct_user *core_acct_user_find(const struct core_acct *a, const char *name);
const struct core_acct_user *core_acct_user_of(const struct core_acct *a, uint32_t uid);
void core_acct_snapshot(const struct core_acct *a, td_core_emit_fn *emit, void *ctx);
int core_acct_restore(struct core_acct *a, uint32_t kind, const void *body, struct td_error *err);
const char *core_acct_lower(struct td_arena *arena, const char *name); /* as names are kept */
bool core_acct_has_name(const struct td_strs *l, const char *name);
bool core_acct_coordinates(const struct core_acct *a, const char *user, const char *account); /* it, or one above it */

/* assoc.c: the tree */
struct core_assoc *core_assoc_find(const struct core_acct *a, const char *account, const char *user, const char *partition);
struct core_assoc *core_assoc_by_id(const struct core_acct *a, uint32_t id);
void core_assoc_apply_set(struct core_acct *a, const struct td_assoc *is);
void core_assoc_apply_removed(struct core_acct *a, uint32_t id);
void core_assoc_reset(struct core_acct *a, uint32_t id);
void core_assoc_restore_use(struct core_assoc *s, const uint64_t *used, uint32_t nused, uint64_t wall); /* its own alone */
void core_assoc_free(struct core_assoc *s);
bool core_assoc_is_user(const struct core_assoc *s);
bool core_assoc_is_below(const struct core_assoc *s, const struct core_assoc *top); /* or it itself */
uint32_t core_assoc_depth(const struct core_assoc *s);
uint32_t core_assoc_height(const struct core_assoc *s);
void core_assoc_effective(const struct core_assoc *s, struct td_assoc_conf *ret); /* borrowed from the tree */
/* Each association of the tree, parents first; false: no more. */
typedef bool core_assoc_visit_fn(void *ctx, const struct core_assoc *s);
bool core_assoc_walk(const struct core_assoc *from, core_assoc_visit_fn *visit, void *ctx);
void core_assoc_charge(struct core_acct *a, struct core_assoc *s, const uint64_t *used, uint32_t nused, uint64_t wall); /* and what is above it */

/* qos.c: QOS and kinds of resources */
struct core_qos *core_qos_find(const struct core_acct *a, const char *name);
void core_qos_apply_set(struct core_acct *a, const struct td_qos *is);
void core_qos_apply_removed(struct core_acct *a, const char *name);
bool core_tres_index(const struct core_acct *a, const char *name, uint32_t *ret);
void core_tres_apply_set(struct core_acct *a, const struct td_tres *is);
void core_tres_forget_last(struct core_acct *a);
uint32_t core_tres_next_id(const struct core_acct *a);

/* account_check.c */
bool core_acct_check(const struct core_acct *a, struct td_error *err);

#endif
