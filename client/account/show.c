/* show.c - sacctmgr list, sacctmgr show */
#include <string.h>
#include <strings.h>

#include "account/sacctmgr.h"
#include "option.h"
#include "say.h"

struct show {
    struct sacctmgr *s;
    struct acct_table table;
    const char *format;
    bool associations, coordinators, tree, own_limits;
    struct td_strs names, accounts, users, partitions;
    struct acct_rows rows;
    struct td_buf out;
};

#define ASSOC_COLUMNS                                                                                                       \
    "Share,Priority,GrpJobs,GrpTRES,GrpSubmit,GrpWall,GrpTRESMins,MaxJobs,MaxTRES,MaxTRESPerNode,MaxSubmit,MaxWall,"        \
    "MaxTRESMins,QOS,DefaultQOS,GrpTRESRunMins"
static const struct {
    const char *alone, *with_associations;
    uint32_t of;
} formats[] = {
    [0] = {"Cluster,ControlHost,ControlPort,RPC,Share,GrpJobs,GrpTRES,GrpSubmit,MaxJobs,MaxTRES,MaxSubmit,MaxWall,QOS,"
           "DefaultQOS",
           NULL, 1u << ACCT_OF_ASSOC},
    [TD_ACCT_ACCOUNT] = {"Account,Description,Organization",
                         "Account,Description,Organization,Cluster,ParentName,User," ASSOC_COLUMNS,
                         1u << ACCT_OF_ACCOUNT | 1u << ACCT_OF_ASSOC},
    [TD_ACCT_USER] = {"User,DefaultAccount,AdminLevel",
                      "User,DefaultAccount,AdminLevel,Cluster,Account,Partition,Share,Priority,MaxJobs,MaxNodes,MaxCPUs,"
                      "MaxSubmit,MaxWall,"
                      "MaxCPUMins,QOS,DefaultQOS",
                      1u << ACCT_OF_USER | 1u << ACCT_OF_ASSOC},
    [TD_ACCT_QOS] =
        {"Name,Priority,GraceTime,Preempt,PreemptExemptTime,PreemptMode,Flags%40,UsageThreshold,UsageFactor,GrpTRES,"
         "GrpTRESMins,GrpTRESRunMins,GrpJobs,GrpSubmit,GrpWall,MaxTRES,MaxTRESPerNode,MaxTRESMins,MaxWall,MaxTRESPU,"
         "MaxJobsPU,MaxSubmitPU,MaxTRESPA,MaxJobsPA,MaxSubmitPA,MinTRES",
         NULL, 1u << ACCT_OF_QOS},
    [TD_ACCT_COORDINATOR] = {"Account,Description,Organization,Coordinators", NULL, 1u << ACCT_OF_ACCOUNT},
    [TD_ACCT_ASSOC] = {"Cluster,Account,User,Partition," ASSOC_COLUMNS, NULL, 1u << ACCT_OF_ASSOC},
    [TD_ACCT_TRES] = {"Type,Name%15,ID", NULL, 0},
};

static int take_word(struct show *w, const struct acct_word *x, struct td_error *err)
{
    struct td_arena *a = w->s->arena;

    if (!x->name && acct_word_is(x->value, "where", 5))
        return 0;
    if (!x->name && acct_word_is(x->value, "withassoc", 5))
        w->associations = true;
    else if (!x->name && acct_word_is(x->value, "withcoordinators", 5))
        w->coordinators = true;
    else if (!x->name && acct_word_is(x->value, "tree", 4))
        w->tree = true;
    else if (!x->name && acct_word_is(x->value, "wolimits", 4))
        w->own_limits = true;
    else if (!x->name && (acct_word_is(x->value, "wopinfo", 4) || acct_word_is(x->value, "withsubaccounts", 5)))
        return td_fail(err, TD_E_USAGE, "%s is not supported yet", x->value);
    else if (!x->name)
        w->names = str_list(a, x->value);
    else if (acct_word_is(x->name, "format", 1))
        w->format = x->value;
    else if (acct_word_is(x->name, "names", 1))
        w->names = str_list(a, x->value);
    else if (acct_word_is(x->name, "accounts", 2))
        w->accounts = str_list(a, x->value);
    else if (acct_word_is(x->name, "users", 1))
        w->users = str_list(a, x->value);
    else if (acct_word_is(x->name, "partitions", 4))
        w->partitions = str_list(a, x->value);
    else if (acct_word_is(x->name, "clusters", 2))
        return 0; /* there is this one */
    else
        return td_fail(err, TD_E_USAGE, "Unknown condition: %s", x->name);
    return 0;
}

static bool has(const struct td_strs *l, const char *name)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (strcasecmp(l->v[i], name ? name : "") == 0)
            return true;
    return l->n == 0;
}

static void put(struct show *w, struct acct_view *v, const struct td_acct_row *assoc)
{
    v->cluster = w->rows.cluster;
    if (assoc) {
        v->assoc = &assoc->assoc;
        v->conf = w->own_limits ? &assoc->assoc.conf : &assoc->inherited;
        v->indent = w->tree ? assoc->depth : 0;
    }
    acct_table_row(&w->table, v, &w->out);
}

static void put_associations(struct show *w)
{
    for (uint32_t i = 0; i < w->rows.v.n; i++) {
        const struct td_acct_row *r = w->rows.v.v[i];
        struct acct_view v = {0};
        if (r->what == TD_ACCT_ASSOC && has(&w->partitions, r->assoc.partition))
            put(w, &v, r);
    }
}

/* QOS in the order in which they came, as Slurm lists them; the rest as it came. */
static void sort_qos(struct show *w)
{
    for (uint32_t i = 1; i < w->rows.v.n; i++) {
        const struct td_acct_row *r = w->rows.v.v[i];
        uint32_t at = i;
        for (; at > 0 && r->what == TD_ACCT_QOS && w->rows.v.v[at - 1]->qos.id > r->qos.id; at--)
            w->rows.v.v[at] = w->rows.v.v[at - 1];
        w->rows.v.v[at] = r;
    }
}

/* Each account or user, or each of its associations. */
static void put_objects(struct show *w, uint32_t kind)
{
    for (uint32_t i = 0; i < w->rows.v.n; i++) {
        const struct td_acct_row *r = w->rows.v.v[i];
        struct td_buf coordinators = {0};
        struct acct_view v = {0};
        if (r->what != kind)
            continue;
        v.account = kind == TD_ACCT_ACCOUNT ? &r->account : NULL;
        v.user = kind == TD_ACCT_USER ? &r->user : NULL;
        v.qos = kind == TD_ACCT_QOS ? &r->qos : NULL;
        v.tres = kind == TD_ACCT_TRES ? &r->tres : NULL;
        if (kind == TD_ACCT_QOS && !has(&w->names, r->qos.name))
            continue;
        for (uint32_t k = 0; v.account && k < v.account->conf.coordinators.n; k++)
            td_buf_putf(&coordinators, "%s%s", k ? "," : "", v.account->conf.coordinators.v[k]);
        v.coordinators = td_buf_str(&coordinators);
        if (!w->associations) {
            put(w, &v, NULL);
        } else {
            for (uint32_t k = 0; k < w->rows.v.n; k++) {
                const struct td_acct_row *s = w->rows.v.v[k];
                struct acct_view one = v;
                const char *name = kind == TD_ACCT_USER ? s->assoc.user : s->assoc.account;
                if (s->what == TD_ACCT_ASSOC && td_str_equal(name, kind == TD_ACCT_USER ? v.user->name : v.account->name))
                    put(w, &one, s);
            }
        }
        td_buf_release(&coordinators);
    }
}

static void put_cluster(struct show *w)
{
    static const struct td_assoc_conf none;
    struct acct_view v = {.host = "", .conf = &none};

    for (uint32_t i = 0; i < w->rows.v.n; i++)
        if (w->rows.v.v[i]->what == TD_ACCT_ASSOC && w->rows.v.v[i]->depth == 0)
            v.conf = &w->rows.v.v[i]->assoc.conf;
    put(w, &v, NULL);
}

static int gather(struct show *w, uint32_t kind, struct td_error *err)
{
    struct td_query_accounts q = {.what = 1u << kind, .accounts = w->accounts, .users = w->users};

    if (kind == 0) {
        q.what = 1u << TD_ACCT_ASSOC;
        q.accounts = str_list(w->s->arena, "root");
    } else if (kind == TD_ACCT_COORDINATOR) {
        q.what = 1u << TD_ACCT_ACCOUNT;
        q.accounts = w->names.n ? w->names : w->accounts;
    } else if (kind == TD_ACCT_ACCOUNT && w->names.n) {
        q.accounts = w->names;
    } else if (kind == TD_ACCT_USER && w->names.n) {
        q.users = w->names;
    }
    if (w->associations && (kind == TD_ACCT_ACCOUNT || kind == TD_ACCT_USER))
        q.what |= 1u << TD_ACCT_ASSOC;
    int r = client_open(&w->s->client, err);
    return r < 0 ? r : acct_gather(&w->s->client, &q, &w->rows, err);
}

int sacctmgr_list(struct sacctmgr *s, char **words, uint32_t n)
{
    struct show w = {.s = s, .associations = s->associations, .table = {.arena = s->arena}};
    struct td_error err = {0};
    uint32_t kind;
    int r = n < 2 ? td_fail(&err, TD_E_USAGE, "list what? account, association, cluster, coordinator, qos, tres or user")
                  : acct_kind_parse(words[1], &kind);

    if (n >= 2 && r < 0)
        r = td_fail(&err, TD_E_USAGE, "'%s' can not be listed (account, association, cluster, coordinator, qos, tres, user)",
                    words[1]);
    for (uint32_t i = 2; r == 0 && i < n; i++) {
        struct acct_word x;
        acct_word_split(s->arena, words[i], &x);
        r = take_word(&w, &x, &err);
    }
    if (r == 0) {
        bool with = w.associations && formats[kind].with_associations;
        w.table.layout = s->parsable2 ? ACCT_PARSABLE2 : s->parsable ? ACCT_PARSABLE : ACCT_TABLE;
        const char *format = w.format ? w.format : with ? formats[kind].with_associations : formats[kind].alone;
        if (!w.format && w.coordinators && kind == TD_ACCT_ACCOUNT && !with)
            format = formats[TD_ACCT_COORDINATOR].alone;
        r = acct_table_parse(&w.table, format, formats[kind].of, w.tree ? -20 : 10, &err);
    }
    if (r == 0)
        r = gather(&w, kind, &err);
    if (r == 0) {
        say_stale(w.rows.stale_ms);
        sort_qos(&w);
        if (!s->no_header)
            acct_table_heading(&w.table, &w.out);
        if (kind == 0)
            put_cluster(&w);
        else if (kind == TD_ACCT_ASSOC)
            put_associations(&w);
        else
            put_objects(&w, kind == TD_ACCT_COORDINATOR ? TD_ACCT_ACCOUNT : kind);
        say_out(&w.out);
    }
    td_buf_release(&w.out);
    acct_rows_release(&w.rows);
    return r < 0 ? acct_fail(s, &err) : 0;
}
