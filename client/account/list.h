/* list.h - tables of sacctmgr: fields by any unique beginning, widths as its users know them */
#ifndef TD_CLIENT_ACCOUNT_LIST_H
#define TD_CLIENT_ACCOUNT_LIST_H

#include "account/account.h"

/* One line of a table: what of it there is. */
struct acct_column;
struct acct_view {
    const char *cluster, *host;
    const struct td_account *account;
    const struct td_acct_user *user;
    const struct td_assoc *assoc;
    const struct td_assoc_conf *conf; /* the association's, as it is to be shown */
    const struct td_qos *qos;
    const struct td_tres *tres;
    const char *coordinators; /* of the account */
    uint32_t indent;
};
enum acct_layout { ACCT_TABLE, ACCT_PARSABLE, ACCT_PARSABLE2 }; /* padded; a|b|; a|b */
struct acct_table {
    struct td_arena *arena;
    enum acct_layout layout;
    struct {
        const struct acct_column *column;
        int width; /* negative: at the left */
    } columns[64];
    uint32_t n;
};
/* "cluster,account%-20,share"; fields of these kinds (1 << enum acct_of) go first; names of accounts are so wide. Error: USAGE naming what is no field. */
int acct_table_parse(struct acct_table *t, const char *format, uint32_t of_bits, int account_width, struct td_error *err);
void acct_table_heading(const struct acct_table *t, struct td_buf *out);
void acct_table_row(const struct acct_table *t, const struct acct_view *v, struct td_buf *out);

/* A cell of such tables, sshare's and sprio's too: padded, and cut with a plus where it is too long. */
void acct_cell_print(struct td_buf *out, const char *text, int width, enum acct_layout layout, bool last);

#endif
