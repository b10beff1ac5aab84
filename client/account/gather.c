/* gather.c - objects of accounting, asked for and gathered frame by frame */
#include "account/account.h"

int acct_gather(struct client *c, const struct td_query_accounts *q, struct acct_rows *ret, struct td_error *err)
{
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_ACCOUNTS, q, TD_MSG_ACCOUNTS, &body, err);

    while (r == 0) {
        const struct td_accounts *m = body;
        for (uint32_t i = 0; i < m->rows.n; i++)
            td_vec_push(&ret->v, &m->rows.v[i]);
        ret->now_ms = m->now_ms;
        ret->cluster = m->cluster ? m->cluster : "";
        ret->stale_ms = m->stale_ms;
        if (!m->more)
            break;
        r = client_more(c, TD_MSG_ACCOUNTS, &body, err);
    }
    return r;
}

void acct_rows_release(struct acct_rows *rows)
{
    td_vec_release(&rows->v);
}
