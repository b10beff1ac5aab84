/* sshare.c - shares and usage of associations */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pwd.h>
#include <strings.h>
#include <unistd.h>

#include "account/list.h"
#include "commands.h"
#include "say.h"

struct sshare {
    bool all, l, no_header, parsable, parsable2, partition, users_only, helpformat;
    uint32_t verbose;
    struct td_strs accounts, users;
    const char *format;
    struct client client;
    struct td_arena *arena;
};

#define AT(field) offsetof(struct sshare, field)
static const struct option options[] = {
    {"accounts", 'A', "NAMES", opt_list, AT(accounts), "of these accounts", NULL, false},
    {"all", 'a', NULL, opt_flag, AT(all), "of all users", NULL, false},
    {"clusters", 'M', "NAMES", opt_refuse, 0, "a command speaks to one cluster, the one SLURM_CONF names", NULL, false},
    {"format", 'o', "FIELDS", opt_str, AT(format), "these columns: NAME[%WIDTH],...", NULL, false},
    {"helpformat", 'e', NULL, opt_flag, AT(helpformat), "list the columns there are", NULL, false},
    {"long", 'l', NULL, opt_flag, AT(l), "more columns", NULL, false},
    {"noheader", 'n', NULL, opt_flag, AT(no_header), "no heading", NULL, false},
    {"parsable", 'p', NULL, opt_flag, AT(parsable), "fields end in |", NULL, false},
    {"parsable2", 'P', NULL, opt_flag, AT(parsable2), "fields are separated by |", NULL, false},
    {"partition", 'm', NULL, opt_flag, AT(partition), "partitions of associations, too", NULL, false},
    {"users", 'u', "NAMES", opt_list, AT(users), "of these users", NULL, false},
    {"Users", 'U', NULL, opt_flag, AT(users_only), "users alone, without accounts", NULL, false},
    {"verbose", 'v', NULL, opt_count, AT(verbose), "tell what is done", NULL, false},
    OPTIONS_HELP,
    {0},
};

/* --- columns: what is printed with a point is divided here, and only here
 * -------------------------------------------------- */

static void put_share(struct td_buf *out, double part, double whole)
{
    char text[64];

    snprintf(text, sizeof(text), "%.6f", whole > 0 ? part / whole : 0.0);
    td_buf_puts(out, text);
}

static bool is_root(const struct td_acct_row *r)
{
    return r->depth == 0;
}

static bool is_user(const struct td_acct_row *r)
{
    return !td_str_empty(r->assoc.user);
}

static void put_account(struct td_buf *out, const struct td_acct_row *r)
{
    td_buf_pad(out, ' ', r->depth);
    td_buf_puts(out, r->assoc.account);
}

static void put_user(struct td_buf *out, const struct td_acct_row *r)
{
    td_buf_puts(out, r->assoc.user ? r->assoc.user : "");
}

static void put_partition(struct td_buf *out, const struct td_acct_row *r)
{
    td_buf_puts(out, r->assoc.partition ? r->assoc.partition : "");
}

static void put_raw_shares(struct td_buf *out, const struct td_acct_row *r)
{
    if (!is_root(r))
        acct_value_print(out, ACCT_SHARES, &td_rec_assoc_conf, TD_KEY_assoc_conf_shares, &r->assoc.conf);
}

static void put_norm_shares(struct td_buf *out, const struct td_acct_row *r)
{
    if (is_root(r))
        td_buf_puts(out, "0.000000");
    else if (r->use.shares_level)
        put_share(out, (double)r->use.shares, (double)r->use.shares_level);
}

static void put_raw_usage(struct td_buf *out, const struct td_acct_row *r)
{
    td_buf_put_u64(out, (r->use.usage + 512) / 1024);
}

static void put_norm_usage(struct td_buf *out, const struct td_acct_row *r)
{
    if (!is_root(r))
        put_share(out, (double)r->use.usage, (double)r->use.usage_all);
}

static void put_effective(struct td_buf *out, const struct td_acct_row *r)
{
    if (is_root(r))
        td_buf_puts(out, "1.000000");
    else
        put_share(out, (double)r->use.usage, (double)r->use.usage_level);
}

static void put_fair(struct td_buf *out, const struct td_acct_row *r)
{
    if (is_user(r))
        put_share(out, r->use.rank, r->use.users);
}

static void put_level(struct td_buf *out, const struct td_acct_row *r)
{
    const struct td_assoc_use *u = &r->use;

    if (is_root(r) || !u->shares_level)
        return;
    if (!u->shares)
        td_buf_puts(out, "0.000000");
    else if (!u->usage)
        td_buf_puts(out, "inf");
    else
        put_share(out, (double)u->shares / (double)u->shares_level, (double)u->usage / (double)u->usage_level);
}

static void put_grp_mins(struct td_buf *out, const struct td_acct_row *r)
{
    acct_tres_print(out, &r->assoc.conf.grp_tres_mins);
}

static void put_run_mins(struct td_buf *out, const struct td_acct_row *r)
{
    for (uint32_t i = 0; i < r->use.run_mins.n; i++)
        td_buf_putf(out, "%s%s=%llu", i ? "," : "", r->use.run_mins.v[i].name,
                    (unsigned long long)r->use.run_mins.v[i].count);
}

static const struct share_column {
    const char *name;
    int width; /* negative: at the left */
    void (*put)(struct td_buf *out, const struct td_acct_row *r);
} columns[] = {
    {"Account", -20, put_account},       {"User", 10, put_user},
    {"Partition", 12, put_partition},    {"RawShares", 10, put_raw_shares},
    {"NormShares", 11, put_norm_shares}, {"RawUsage", 11, put_raw_usage},
    {"NormUsage", 11, put_norm_usage},   {"EffectvUsage", 13, put_effective},
    {"FairShare", 10, put_fair},         {"LevelFS", 10, put_level},
    {"GrpTRESMins", 30, put_grp_mins},   {"TRESRunMins", 30, put_run_mins},
};

struct picked {
    const struct share_column *column;
    int width;
};

static int pick(const char *format, struct picked *ret, uint32_t *ret_n, struct td_error *err)
{
    *ret_n = 0;
    for (const char *s = format; *s;) {
        size_t len = strcspn(s, ","), name = strcspn(s, ",%");
        const struct share_column *found = NULL;
        for (size_t i = 0; i < TD_ARRAY_LEN(columns) && !found; i++)
            if (name && strncasecmp(columns[i].name, s, name) == 0)
                found = &columns[i];
        if (!found && name) {
            td_autofree char *word = td_strndup(s, name);
            return td_fail(err, TD_E_USAGE, "Invalid field requested: \"%s\"", word);
        }
        if (*ret_n == 64)
            return td_fail(err, TD_E_USAGE, "more than 64 fields");
        if (found)
            ret[(*ret_n)++] = (struct picked){found, name < len ? atoi(s + name + 1) : found->width};
        s += len + (s[len] == ',');
    }
    return *ret_n ? 0 : td_fail(err, TD_E_USAGE, "the format names no field");
}

/* --- rows
 * ------------------------------------------------------------------------------------------------------------------- */

static bool has(const struct td_strs *l, const char *name)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (strcasecmp(l->v[i], name) == 0)
            return true;
    return false;
}

static bool is_shown(const struct sshare *o, const struct td_acct_row *r, const char *me)
{
    if (o->accounts.n && !has(&o->accounts, r->assoc.account) && !is_root(r))
        return false;
    if (!is_user(r))
        return !o->users_only;
    if (o->users.n)
        return has(&o->users, r->assoc.user);
    return o->all || strcmp(r->assoc.user, me) == 0;
}

static int show(struct sshare *o, const struct picked *p, uint32_t n, struct td_error *err)
{
    const struct td_query_accounts q = {.what = 1u << TD_ACCT_ASSOC, .use = true};
    enum acct_layout layout = o->parsable2 ? ACCT_PARSABLE2 : o->parsable ? ACCT_PARSABLE : ACCT_TABLE;
    const struct passwd *pw = getpwuid(getuid());
    td_autofree char *me = td_strdup(pw ? pw->pw_name : "");
    struct acct_rows rows = {0};
    struct td_buf out = {0}, cell = {0};
    int r = client_open(&o->client, err);

    if (r == 0)
        r = acct_gather(&o->client, &q, &rows, err);
    for (uint32_t i = 0; r == 0 && !o->no_header && i < n; i++)
        acct_cell_print(&out, p[i].column->name, p[i].width, layout, i + 1 == n);
    if (r == 0 && !o->no_header)
        td_buf_putc(&out, '\n');
    for (uint32_t i = 0; r == 0 && !o->no_header && layout == ACCT_TABLE && i < n; i++) {
        td_buf_pad(&out, '-', (size_t)abs(p[i].width));
        td_buf_puts(&out, i + 1 == n ? " \n" : " ");
    }
    for (uint32_t k = 0; r == 0 && k < rows.v.n; k++) {
        if (!is_shown(o, rows.v.v[k], me))
            continue;
        for (uint32_t i = 0; i < n; i++) {
            td_buf_reset(&cell);
            p[i].column->put(&cell, rows.v.v[k]);
            acct_cell_print(&out, td_buf_str(&cell), p[i].width, layout, i + 1 == n);
        }
        td_buf_putc(&out, '\n');
    }
    if (r == 0) {
        say_stale(rows.stale_ms);
        say_out(&out);
    }
    td_buf_release(&out);
    td_buf_release(&cell);
    acct_rows_release(&rows);
    return r;
}

static void put_helpformat(void)
{
    struct td_buf out = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(columns); i++)
        td_buf_putf(&out, "%s%s", columns[i].name, i + 1 == TD_ARRAY_LEN(columns) ? "\n" : " ");
    say_out(&out);
    td_buf_release(&out);
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct sshare o = {.arena = &arena};
    struct option_parse parse = {.cmd = &sshare_command, .target = &o, .arena = &arena};
    struct picked p[64];
    struct td_error err = {0};
    uint32_t n = 0;
    int r = option_parse(&parse, argc, argv, &err);

    if (r == 0 && parse.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", parse.words.v[0]);
    const char *format =
        o.format             ? o.format
        : o.l && o.partition ? "Account,User,Partition,RawShares,NormShares,RawUsage,NormUsage,EffectvUsage,FairShare,"
                               "LevelFS,GrpTRESMins,TRESRunMins"
        : o.l ? "Account,User,RawShares,NormShares,RawUsage,NormUsage,EffectvUsage,FairShare,LevelFS,GrpTRESMins,TRESRunMins"
        : o.partition ? "Account,User,Partition,RawShares,NormShares,RawUsage,EffectvUsage,FairShare"
                      : "Account,User,RawShares,NormShares,RawUsage,EffectvUsage,FairShare";
    if (r == 0)
        r = pick(format, p, &n, &err);
    if (r == 0 && o.helpformat)
        put_helpformat();
    else if (r == 0)
        r = show(&o, p, n, &err);
    if (r < 0)
        say_error("%s", err.text);
    client_close(&o.client);
    option_parse_release(&parse);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command sshare_command = {
    .name = "sshare",
    .synopsis = "[OPTIONS]",
    .summary = "shares and usage of accounts and users",
    .about = "sshare shows what share of the cluster each association was given, what it used, and what follows from it: "
             "its level\n"
             "fairshare among its siblings, and of users the fair-share factor of their jobs' priority. Usage is of the "
             "kind billing,\n"
             "in seconds, and decays with PriorityDecayHalfLife.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
