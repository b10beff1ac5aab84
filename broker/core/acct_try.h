/* acct_try.h - a request to accounting while it is tried; see account_try.c */
#ifndef TD_CORE_ACCT_TRY_H
#define TD_CORE_ACCT_TRY_H

#include "broker/core/state.h"

struct acct_made { /* an event that the request comes to */
    uint32_t id;
    const void *body; /* in the wake's arena */
};
struct acct_undo { /* how it is taken back */
    uint32_t id;      /* of an event; 0: the last kind of resource goes */
    const void *body;
    const uint64_t *used; /* of an association that comes back */
    uint32_t nused;
    uint64_t wall;
};
struct acct_try {
    struct td_core *c;
    struct core_acct *a;
    uint32_t uid;
    const char *asker; /* name of the asker, if accounting knows him */
    bool is_operator;
    struct td_error *err;
    TD_VEC(struct acct_made) made;
    TD_VEC(struct acct_undo) undo;
    TD_VEC(struct td_acct_touched) touched;
    TD_VEC(const char *) unknown;
};

void acct_try_made(struct acct_try *t, uint32_t id, const void *body); /* applied, to be taken back */
int acct_try_touch(struct acct_try *t, uint32_t op, uint32_t what, const char *name, const char *account, const char *partition);
int acct_try_name(struct acct_try *t, const char *what, const char *name, const char **ret); /* as it is kept, or why not */
int acct_try_right(struct acct_try *t, const char *account); /* an operator's, or a coordinator's */
int acct_try_operator(struct acct_try *t, const char *what);
/* Fields of `from` with a bit in `set` go into `to`, whose lists are then in the arena. Names and kinds must be there.
 * `lists` as in acct_op; lists are added to what is in `to`. */
int acct_try_merge(struct acct_try *t, const struct td_record *rec, uint64_t set, uint32_t lists, const void *from, void *to);
bool acct_try_is_active(const struct acct_try *t, const struct core_assoc *top, uint32_t *ret_job); /* jobs that are not over */

/* account_add.c, account_change.c, account_remove.c */
bool acct_user_is_in(const struct core_acct *a, const char *user, const char *account);
int acct_coordinators(struct acct_try *t, const struct td_acct_op *op, const char *account); /* added or removed */
int acct_add(struct acct_try *t, const struct td_acct_op *op);
int acct_modify(struct acct_try *t, const struct td_acct_op *op);
int acct_remove(struct acct_try *t, const struct td_acct_op *op);

#endif
