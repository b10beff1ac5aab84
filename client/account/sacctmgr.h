/* sacctmgr.h - the words of sacctmgr between its files */
#ifndef TD_CLIENT_ACCOUNT_SACCTMGR_H
#define TD_CLIENT_ACCOUNT_SACCTMGR_H

#include "account/list.h"

struct sacctmgr {
    bool immediate, no_header, parsable, parsable2, quiet, associations, readonly;
    uint32_t verbose;
    struct client client;
    struct td_arena *arena;
};

/* NAME=VALUE, NAME+=VALUE, NAME-=VALUE, or a word by itself. */
struct acct_word {
    const char *name;  /* of a word by itself NULL */
    const char *value;
    char sign;         /* '+', '-' or 0 */
};
void acct_word_split(struct td_arena *a, const char *text, struct acct_word *ret);
bool acct_word_is(const char *text, const char *word, size_t least); /* a beginning of it of so many letters */
int acct_fail(const struct sacctmgr *s, const struct td_error *err); /* says it, and is the exit status */
int acct_kind_parse(const char *word, uint32_t *ret); /* enum td_acct_kind; 0: cluster. < 0: none */

int sacctmgr_list(struct sacctmgr *s, char **words, uint32_t n);
int sacctmgr_change(struct sacctmgr *s, char **words, uint32_t n); /* add, modify, delete: words[0] says which */
int sacctmgr_dump(struct sacctmgr *s, char **words, uint32_t n);
int sacctmgr_load(struct sacctmgr *s, char **words, uint32_t n);

#endif
