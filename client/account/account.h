/* account.h - what sacctmgr and sshare have in common: objects of accounting as they are gathered, written and shown */
#ifndef TD_CLIENT_ACCOUNT_H
#define TD_CLIENT_ACCOUNT_H

#include "connect.h"

struct acct_rows {
    TD_VEC(const struct td_acct_row *) v; /* in the client's arena */
    const char *cluster;
    int64_t now_ms;
    uint32_t stale_ms;
};
/* Asks for kinds (1 << enum td_acct_kind) of the accounts and users named; none = all. */
int acct_gather(struct client *c, const struct td_query_accounts *q, struct acct_rows *ret, struct td_error *err);
void acct_rows_release(struct acct_rows *rows);

/* How a field is typed and shown. Limits are stored as one more than they are; see records.def. */
enum acct_style {
    ACCT_STR,
    ACCT_NAMES,  /* list of names */
    ACCT_TRES,   /* cpu=1,gres/gpu=2 */
    ACCT_LIMIT,  /* number or nothing */
    ACCT_NUMBER, /* number that is always there */
    ACCT_WALL,   /* limit in minutes */
    ACCT_SECONDS,
    ACCT_EXEMPT, /* limit in seconds */
    ACCT_SHARES,
    ACCT_FACTOR, /* limit in millionths; nothing = 1 */
    ACCT_THRESHOLD,
    ACCT_LEVEL,
    ACCT_FLAGS,
    ACCT_MODE,
};
/* Of which record a field is. */
enum acct_of { ACCT_OF_ACCOUNT, ACCT_OF_USER, ACCT_OF_ASSOC, ACCT_OF_QOS };

/* A field of a record that people set: "GrpJobs=10". */
struct acct_field {
    const char *name;
    const char *also; /* another spelling, or NULL */
    enum acct_of of;
    uint32_t key;
    enum acct_style style;
    const char *tres; /* an old name for one kind of it: GrpCPUs is GrpTRES=cpu= */
};
extern const struct acct_field acct_fields[]; /* ends without a name */
const struct td_record *acct_record(enum acct_of of);
/* The field of this name, or of which it is a beginning; NULL: none, or several. */
const struct acct_field *acct_field_find(const char *name, uint32_t of_bits);
/* Puts the typed value into the record; clears: "-1" or "". */
int acct_field_take(struct td_arena *a, const struct acct_field *f, const char *value, void *record, struct td_error *err);
void acct_value_print(struct td_buf *out, enum acct_style style, const struct td_record *rec, uint32_t key, const void *record);
void acct_tres_print(struct td_buf *out, const struct td_tres_count_list *l);
bool acct_value_is_set(const struct td_record *rec, uint32_t key, const void *record);

/* The text file of an account tree: written from rows, read into wishes. */
void acct_dump(struct td_buf *out, const char *cluster, const struct acct_rows *rows);
int acct_load(struct td_arena *a, const char *text, struct td_change_accounts *ret, struct td_error *err);

#endif
