/* dump.c - the account tree as text, one object a line, in the form that sacctmgr's users know
 *
 *     Cluster - 'c':Fairshare=1:QOS='normal'
 *     QOS - 'high':Priority=10                 (Slurm's files have none of these)
 *     Parent - 'root'
 *     Account - 'chem':Description='Chemistry':Organization='uni':Fairshare=10
 *     Parent - 'chem'
 *     User - 'kim':DefaultAccount='chem':Fairshare=1
 *
 * Text is in quotes, a quote or backslash in it behind a backslash. The last line says how many there are, so that a file
 * that was cut is not taken for a smaller one. The same objects give the same text. */
#include <string.h>

#include "account/account.h"

static void put_quoted(struct td_buf *out, const char *s)
{
    td_buf_putc(out, '\'');
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\')
            td_buf_putc(out, '\\');
        td_buf_putc(out, *s);
    }
    td_buf_putc(out, '\'');
}

static bool is_quoted(enum acct_style style)
{
    return style == ACCT_STR || style == ACCT_NAMES || style == ACCT_TRES || style == ACCT_LEVEL || style == ACCT_FLAGS ||
           style == ACCT_MODE || style == ACCT_WALL || style == ACCT_SECONDS || style == ACCT_EXEMPT; /* 1-00:00:00 */
}

/* Every field that is set; the first row of a field is its name. */
static void put_fields(struct td_buf *out, enum acct_of of, const void *record)
{
    struct td_buf value = {0};

    for (const struct acct_field *f = acct_fields; f->name; f++) {
        bool again = f->tres != NULL;
        for (const struct acct_field *g = acct_fields; g < f && !again; g++)
            again = g->of == f->of && g->key == f->key;
        if (f->of != of || again)
            continue;
        if (f->style != ACCT_SHARES && !acct_value_is_set(acct_record(of), f->key, record))
            continue;
        td_buf_reset(&value);
        acct_value_print(&value, f->style, acct_record(of), f->key, record);
        td_buf_putf(out, ":%s=", f->name);
        if (is_quoted(f->style))
            put_quoted(out, td_buf_str(&value));
        else
            td_buf_puts(out, td_buf_str(&value));
    }
    td_buf_release(&value);
}

static void begin(struct td_buf *out, const char *what, const char *name, uint32_t *lines)
{
    td_buf_putf(out, "%s - ", what);
    put_quoted(out, name);
    ++*lines;
}

struct dump {
    const struct acct_rows *rows;
    struct td_strmap accounts, users; /* rows by name */
};

static void put_account(struct td_buf *out, const struct dump *d, const struct td_assoc *s, uint32_t *lines)
{
    const struct td_acct_row *row = td_strmap_get(&d->accounts, s->account);

    begin(out, "Account", s->account, lines);
    if (row) {
        put_fields(out, ACCT_OF_ACCOUNT, &row->account.conf);
        for (uint32_t i = 0; i < row->account.conf.coordinators.n; i++)
            td_buf_putf(out, "%s%s", i ? "," : ":Coordinators='", row->account.conf.coordinators.v[i]);
        td_buf_puts(out, row->account.conf.coordinators.n ? "'" : "");
    }
    put_fields(out, ACCT_OF_ASSOC, &s->conf);
    td_buf_putc(out, '\n');
}

static void put_user(struct td_buf *out, const struct dump *d, const struct td_assoc *s, uint32_t *lines)
{
    const struct td_acct_row *row = td_strmap_get(&d->users, s->user);

    begin(out, "User", s->user, lines);
    if (!td_str_empty(s->partition)) {
        td_buf_puts(out, ":Partition=");
        put_quoted(out, s->partition);
    }
    if (row)
        put_fields(out, ACCT_OF_USER, &row->user.conf);
    put_fields(out, ACCT_OF_ASSOC, &s->conf);
    td_buf_putc(out, '\n');
}

/* Rows come from the root down, and an account's own directly below it are its users; its accounts follow where its line
 * has been written. */
static void put_tree(struct td_buf *out, const struct dump *d, uint32_t *lines)
{
    for (uint32_t i = 0; i < d->rows->v.n; i++) {
        const struct td_acct_row *row = d->rows->v.v[i];
        const struct td_assoc *s = &row->assoc;
        bool headed = false;
        if (row->what != TD_ACCT_ASSOC || !td_str_empty(s->user))
            continue;
        for (uint32_t k = i + 1; k < d->rows->v.n; k++) {
            const struct td_acct_row *below = d->rows->v.v[k];
            if (below->what != TD_ACCT_ASSOC || below->depth <= row->depth)
                break;
            if (below->depth != row->depth + 1)
                continue;
            if (!headed) {
                begin(out, "Parent", s->account, lines);
                td_buf_putc(out, '\n');
                headed = true;
            }
            if (td_str_empty(below->assoc.user))
                put_account(out, d, &below->assoc, lines);
            else
                put_user(out, d, &below->assoc, lines);
        }
    }
}

void acct_dump(struct td_buf *out, const char *cluster, const struct acct_rows *rows)
{
    struct dump d = {.rows = rows};
    uint32_t lines = 0;

    td_buf_puts(
        out,
        "# Accounts of a cluster: sacctmgr load reads this file. Each line makes an object, or sets what it names of one\n"
        "# that is there. A Parent line says below which account the lines behind it go.\n");
    for (uint32_t i = 0; i < rows->v.n; i++) {
        const struct td_acct_row *row = rows->v.v[i];
        if (row->what == TD_ACCT_ACCOUNT)
            td_strmap_put(&d.accounts, row->account.name, (void *)(uintptr_t)row);
        else if (row->what == TD_ACCT_USER)
            td_strmap_put(&d.users, row->user.name, (void *)(uintptr_t)row);
    }
    for (uint32_t i = 0; i < rows->v.n; i++) { /* before whoever names them */
        if (rows->v.v[i]->what != TD_ACCT_QOS)
            continue;
        begin(out, "QOS", rows->v.v[i]->qos.name, &lines);
        put_fields(out, ACCT_OF_QOS, &rows->v.v[i]->qos.conf);
        td_buf_putc(out, '\n');
    }
    begin(out, "Cluster", cluster, &lines);
    for (uint32_t i = 0; i < rows->v.n; i++)
        if (rows->v.v[i]->what == TD_ACCT_ASSOC && rows->v.v[i]->depth == 0)
            put_fields(out, ACCT_OF_ASSOC, &rows->v.v[i]->assoc.conf);
    td_buf_putc(out, '\n');
    put_tree(out, &d, &lines);
    td_buf_putf(out, "# End: %u lines\n", lines);
    td_strmap_release(&d.accounts);
    td_strmap_release(&d.users);
}
