/* list.c - see list.h */
#include "account/list.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "render/column.h"

enum special { S_NONE, S_CLUSTER, S_HOST, S_PORT, S_RPC, S_ACCOUNT, S_USER, S_PARTITION, S_PARENT, S_ID, S_NAME, S_TYPE, S_COORDINATORS };
struct acct_column {
    const char *name, *title;
    int width;
    enum special special;
    enum acct_of of;
    uint32_t key;
    enum acct_style style;
    const char *also;
    const char *kind; /* of a list of resources this one alone */
};

#define A(name, title, width, field, style) {name, title, width, S_NONE, ACCT_OF_ASSOC, TD_KEY_assoc_conf_##field, style, NULL, NULL}
#define B(name, also, title, width, field, style) {name, title, width, S_NONE, ACCT_OF_ASSOC, TD_KEY_assoc_conf_##field, style, also, NULL}
#define Q(name, title, width, field, style) {name, title, width, S_NONE, ACCT_OF_QOS, TD_KEY_qos_conf_##field, style, NULL, NULL}
#define R(name, also, title, width, field, style) {name, title, width, S_NONE, ACCT_OF_QOS, TD_KEY_qos_conf_##field, style, also, NULL}
#define S(name, title, width, special) {name, title, width, special, 0, 0, 0, NULL, NULL}
#define ONE(name, width, field, kind) {name, name, width, S_NONE, ACCT_OF_ASSOC, TD_KEY_assoc_conf_##field, ACCT_TRES, NULL, kind}
static const struct acct_column columns[] = {
    S("Account", "Account", 10, S_ACCOUNT),
    S("Cluster", "Cluster", 10, S_CLUSTER),
    S("User", "User", 10, S_USER),
    S("Partition", "Partition", 10, S_PARTITION),
    S("ParentName", "Par Name", 10, S_PARENT),
    S("ID", "ID", 6, S_ID),
    S("Name", "Name", 10, S_NAME),
    S("Type", "Type", 8, S_TYPE),
    S("Coordinators", "Coord Accounts", 20, S_COORDINATORS),
    S("ControlHost", "ControlHost", 15, S_HOST),
    S("ControlPort", "ControlPort", 12, S_PORT),
    S("RPC", "RPC", 5, S_RPC),
    {"Description", "Descr", 20, S_NONE, ACCT_OF_ACCOUNT, TD_KEY_account_conf_description, ACCT_STR, NULL, NULL},
    {"Organization", "Org", 20, S_NONE, ACCT_OF_ACCOUNT, TD_KEY_account_conf_organization, ACCT_STR, NULL, NULL},
    {"AdminLevel", "Admin", 9, S_NONE, ACCT_OF_USER, TD_KEY_user_conf_admin_level, ACCT_LEVEL, NULL, NULL},
    {"DefaultAccount", "Def Acct", 10, S_NONE, ACCT_OF_USER, TD_KEY_user_conf_def_account, ACCT_STR, NULL, NULL},
    {"DefaultWCKey", "Def WCKey", 10, S_NONE, ACCT_OF_USER, TD_KEY_user_conf_def_wckey, ACCT_STR, NULL, NULL},
    B("Share", "Fairshare", "Share", 9, shares, ACCT_SHARES),
    A("Priority", "Priority", 10, priority, ACCT_LIMIT),
    A("GrpJobs", "GrpJobs", 7, grp_jobs, ACCT_LIMIT),
    A("GrpJobsAccrue", "GrpJobsAccrue", 13, grp_jobs_accrue, ACCT_LIMIT),
    A("GrpTRES", "GrpTRES", 13, grp_tres, ACCT_TRES),
    B("GrpSubmitJobs", "GrpSubmit", "GrpSubmit", 9, grp_submit, ACCT_LIMIT),
    A("GrpWall", "GrpWall", 11, grp_wall_m, ACCT_WALL),
    A("GrpTRESMins", "GrpTRESMins", 13, grp_tres_mins, ACCT_TRES),
    A("GrpTRESRunMins", "GrpTRESRunMin", 13, grp_tres_run_mins, ACCT_TRES),
    A("MaxJobs", "MaxJobs", 7, max_jobs, ACCT_LIMIT),
    A("MaxJobsAccrue", "MaxJobsAccrue", 13, max_jobs_accrue, ACCT_LIMIT),
    B("MaxTRES", "MaxTRESPerJob", "MaxTRES", 13, max_tres, ACCT_TRES),
    A("MaxTRESPerNode", "MaxTRESPerNode", 14, max_tres_per_node, ACCT_TRES),
    B("MaxTRESMins", "MaxTRESMinsPerJob", "MaxTRESMins", 13, max_tres_mins, ACCT_TRES),
    A("MaxTRESRunMins", "MaxTRESRunMins", 15, max_tres_run_mins, ACCT_TRES),
    B("MaxSubmitJobs", "MaxSubmit", "MaxSubmit", 9, max_submit, ACCT_LIMIT),
    B("MaxWall", "MaxWallDurationPerJob", "MaxWall", 11, max_wall_m, ACCT_WALL),
    ONE("GrpCPUs", 8, grp_tres, "cpu"),
    ONE("GrpNodes", 8, grp_tres, "node"),
    ONE("GrpCPUMins", 11, grp_tres_mins, "cpu"),
    ONE("MaxCPUs", 8, max_tres, "cpu"),
    ONE("MaxNodes", 8, max_tres, "node"),
    ONE("MaxCPUMins", 11, max_tres_mins, "cpu"),
    A("QOS", "QOS", 20, qos, ACCT_NAMES),
    A("DefaultQOS", "Def QOS", 9, def_qos, ACCT_STR),
    A("MinPrioThreshold", "MinPrioThres", 12, min_prio, ACCT_LIMIT),
    A("Comment", "Comment", 20, comment, ACCT_STR),
    Q("Description", "Descr", 20, description, ACCT_STR),
    Q("Priority", "Priority", 10, priority, ACCT_NUMBER),
    Q("GraceTime", "GraceTime", 10, grace_s, ACCT_SECONDS),
    Q("Preempt", "Preempt", 10, preempt, ACCT_NAMES),
    Q("PreemptExemptTime", "PreemptExemptTime", 19, preempt_exempt_s, ACCT_EXEMPT),
    Q("PreemptMode", "PreemptMode", 11, preempt_mode, ACCT_MODE),
    Q("Flags", "Flags", 20, flags, ACCT_FLAGS),
    Q("UsageThreshold", "UsageThres", 10, usage_threshold, ACCT_THRESHOLD),
    Q("UsageFactor", "UsageFactor", 11, usage_factor, ACCT_FACTOR),
    Q("LimitFactor", "LimitFactor", 11, limit_factor, ACCT_THRESHOLD),
    Q("GrpTRES", "GrpTRES", 13, grp_tres, ACCT_TRES),
    Q("GrpTRESMins", "GrpTRESMins", 13, grp_tres_mins, ACCT_TRES),
    Q("GrpTRESRunMins", "GrpTRESRunMin", 13, grp_tres_run_mins, ACCT_TRES),
    Q("GrpJobs", "GrpJobs", 7, grp_jobs, ACCT_LIMIT),
    Q("GrpJobsAccrue", "GrpJobsAccrue", 13, grp_jobs_accrue, ACCT_LIMIT),
    R("GrpSubmitJobs", "GrpSubmit", "GrpSubmit", 9, grp_submit, ACCT_LIMIT),
    Q("GrpWall", "GrpWall", 11, grp_wall_m, ACCT_WALL),
    R("MaxTRES", "MaxTRESPerJob", "MaxTRES", 13, max_tres, ACCT_TRES),
    Q("MaxTRESPerNode", "MaxTRESPerNode", 14, max_tres_per_node, ACCT_TRES),
    R("MaxTRESMins", "MaxTRESMinsPerJob", "MaxTRESMins", 13, max_tres_mins, ACCT_TRES),
    R("MaxWall", "MaxWallDurationPerJob", "MaxWall", 11, max_wall_m, ACCT_WALL),
    R("MaxTRESPU", "MaxTRESPerUser", "MaxTRESPU", 13, max_tres_pu, ACCT_TRES),
    R("MaxJobsPU", "MaxJobsPerUser", "MaxJobsPU", 9, max_jobs_pu, ACCT_LIMIT),
    R("MaxSubmitPU", "MaxSubmitJobsPerUser", "MaxSubmitPU", 11, max_submit_pu, ACCT_LIMIT),
    R("MaxTRESPA", "MaxTRESPerAccount", "MaxTRESPA", 13, max_tres_pa, ACCT_TRES),
    R("MaxTRESRunMinsPU", "MaxTRESRunMinsPerUser", "MaxTRESRunMinsPU", 16, max_tres_run_mins_pu, ACCT_TRES),
    R("MaxTRESRunMinsPA", "MaxTRESRunMinsPerAccount", "MaxTRESRunMinsPA", 16, max_tres_run_mins_pa, ACCT_TRES),
    R("MaxJobsPA", "MaxJobsPerAccount", "MaxJobsPA", 9, max_jobs_pa, ACCT_LIMIT),
    R("MaxSubmitPA", "MaxSubmitJobsPerAccount", "MaxSubmitPA", 11, max_submit_pa, ACCT_LIMIT),
    R("MaxJobsAccruePU", "MaxJobsAccruePerUser", "MaxJobsAccruePU", 15, max_jobs_accrue_pu, ACCT_LIMIT),
    R("MaxJobsAccruePA", "MaxJobsAccruePerAccount", "MaxJobsAccruePA", 15, max_jobs_accrue_pa, ACCT_LIMIT),
    R("MinTRES", "MinTRESPerJob", "MinTRES", 13, min_tres, ACCT_TRES),
    R("MaxSubmitJobs", "MaxSubmit", "MaxSubmit", 9, max_submit_pu, ACCT_LIMIT),
    Q("MaxJobs", "MaxJobs", 7, max_jobs_pu, ACCT_LIMIT),
    Q("MinPrioThreshold", "MinPrioThres", 12, min_prio, ACCT_LIMIT),
    {0},
};
#undef A
#undef B
#undef Q
#undef R
#undef S
#undef ONE

static bool begins(const struct acct_column *c, const char *name, size_t n)
{
    return strncasecmp(c->name, name, n) == 0 || (c->also && strncasecmp(c->also, name, n) == 0);
}

static bool equals(const struct acct_column *c, const char *name, size_t n)
{
    return (strlen(c->name) == n && strncasecmp(c->name, name, n) == 0) || (c->also && strlen(c->also) == n && strncasecmp(c->also, name, n) == 0);
}

/* Fields of the table's own kind go first; of several that begin so, the first one, as its users have learned it. */
static const struct acct_column *find(const char *name, size_t n, uint32_t of_bits)
{
    for (uint32_t pass = 0; pass < 4; pass++)
        for (const struct acct_column *c = columns; c->name && n; c++) {
            bool own = c->special ? true : of_bits >> c->of & 1;
            if (own == (pass < 2) && (pass % 2 ? begins(c, name, n) : equals(c, name, n)))
                return c;
        }
    return NULL;
}

static const char *word_of(struct acct_table *t, const char *s, size_t n)
{
    char *word = td_arena_alloc(t->arena, n + 1);

    return memcpy(word, s, n);
}

int acct_table_parse(struct acct_table *t, const char *format, uint32_t of_bits, int account_width, struct td_error *err)
{
    t->n = 0;
    for (const char *s = format; *s;) {
        size_t len = strcspn(s, ","), name = strcspn(s, ",%");
        const struct acct_column *c = find(s, name, of_bits);
        if (!c && name)
            return td_fail(err, TD_E_USAGE, "Unknown field '%s'", word_of(t, s, name));
        if (t->n == TD_ARRAY_LEN(t->columns))
            return td_fail(err, TD_E_USAGE, "more than %u fields", t->n);
        if (c) {
            t->columns[t->n].column = c;
            t->columns[t->n++].width = name < len ? atoi(s + name + 1) : c->special == S_ACCOUNT ? account_width : c->width;
        }
        s += len + (s[len] == ',');
    }
    return t->n ? 0 : td_fail(err, TD_E_USAGE, "the format names no field");
}

/* Counted in columns of a terminal, and no letter is cut in half. */
void acct_cell_print(struct td_buf *out, const char *text, int width, enum acct_layout layout, bool last)
{
    uint32_t want = (uint32_t)abs(width), is = text_width(text);

    if (layout != ACCT_TABLE) {
        td_buf_puts(out, text);
        if (layout == ACCT_PARSABLE || !last)
            td_buf_putc(out, '|');
        return;
    }
    if (is > want) {
        size_t n = strlen(text);
        td_autofree char *cut = td_strdup(text);
        while (n && text_width(cut) + 1 > want) {
            do
                n--;
            while (n && ((unsigned char)cut[n] & 0xc0) == 0x80);
            cut[n] = 0;
        }
        td_buf_pad(out, ' ', width > 0 ? want - 1 - text_width(cut) : 0);
        td_buf_puts(out, cut);
        td_buf_puts(out, want ? "+ " : " ");
        return;
    }
    if (width > 0)
        td_buf_pad(out, ' ', want - is);
    td_buf_puts(out, text);
    if (width <= 0)
        td_buf_pad(out, ' ', want - is);
    td_buf_putc(out, ' ');
}

void acct_table_heading(const struct acct_table *t, struct td_buf *out)
{
    for (uint32_t i = 0; i < t->n; i++)
        acct_cell_print(out, t->columns[i].column->title, t->columns[i].width, t->layout, i + 1 == t->n);
    td_buf_putc(out, '\n');
    for (uint32_t i = 0; t->layout == ACCT_TABLE && i < t->n; i++) {
        td_buf_pad(out, '-', (size_t)abs(t->columns[i].width));
        td_buf_putc(out, ' ');
    }
    if (t->layout == ACCT_TABLE)
        td_buf_putc(out, '\n');
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

static void put_special(const struct acct_column *c, const struct acct_view *v, struct td_buf *out)
{
    switch (c->special) {
    case S_CLUSTER:
        td_buf_puts(out, or_empty(v->cluster));
        return;
    case S_HOST:
        td_buf_puts(out, or_empty(v->host));
        return;
    case S_PORT:
    case S_RPC:
        td_buf_puts(out, v->host ? "0" : "");
        return;
    case S_ACCOUNT:
        td_buf_pad(out, ' ', v->indent);
        td_buf_puts(out, v->assoc ? or_empty(v->assoc->account) : v->account ? v->account->name : "");
        return;
    case S_USER:
        td_buf_puts(out, v->assoc ? or_empty(v->assoc->user) : v->user ? v->user->name : "");
        return;
    case S_PARTITION:
        td_buf_puts(out, v->assoc ? or_empty(v->assoc->partition) : "");
        return;
    case S_PARENT:
        td_buf_puts(out, v->assoc ? or_empty(v->assoc->parent) : "");
        return;
    case S_ID:
        td_buf_put_u64(out, v->tres ? v->tres->id : v->qos ? v->qos->id : v->assoc ? v->assoc->id : 0);
        return;
    case S_TYPE: {
        const char *slash = v->tres ? strchr(v->tres->name, '/') : NULL;
        if (v->tres)
            td_buf_put(out, v->tres->name, slash ? (size_t)(slash - v->tres->name) : strlen(v->tres->name));
        return;
    }
    case S_NAME:
        if (v->tres)
            td_buf_puts(out, strchr(v->tres->name, '/') ? strchr(v->tres->name, '/') + 1 : "");
        else
            td_buf_puts(out, v->qos ? v->qos->name : v->user ? v->user->name : v->account ? v->account->name : "");
        return;
    case S_COORDINATORS:
        td_buf_puts(out, or_empty(v->coordinators));
        return;
    case S_NONE:
        return;
    }
}

static const void *record_of(const struct acct_column *c, const struct acct_view *v)
{
    switch (c->of) {
    case ACCT_OF_ACCOUNT:
        return v->account ? &v->account->conf : NULL;
    case ACCT_OF_USER:
        return v->user ? &v->user->conf : NULL;
    case ACCT_OF_ASSOC:
        return v->conf;
    case ACCT_OF_QOS:
        return v->qos ? &v->qos->conf : NULL;
    }
    return NULL;
}

static void put_one_kind(struct td_buf *out, const struct acct_column *c, const struct td_assoc_conf *conf)
{
    const struct td_tres_count_list *l = c->key == TD_KEY_assoc_conf_grp_tres        ? &conf->grp_tres
                                         : c->key == TD_KEY_assoc_conf_grp_tres_mins ? &conf->grp_tres_mins
                                         : c->key == TD_KEY_assoc_conf_max_tres      ? &conf->max_tres
                                                                                     : &conf->max_tres_mins;

    for (uint32_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].name, c->kind) == 0)
            td_buf_put_u64(out, l->v[i].count);
}

void acct_table_row(const struct acct_table *t, const struct acct_view *v, struct td_buf *out)
{
    struct td_buf cell = {0};

    for (uint32_t i = 0; i < t->n; i++) {
        const struct acct_column *c = t->columns[i].column;
        td_buf_reset(&cell);
        if (c->special)
            put_special(c, v, &cell);
        else if (c->kind && v->conf)
            put_one_kind(&cell, c, v->conf);
        else if (record_of(c, v))
            acct_value_print(&cell, c->style, acct_record(c->of), c->key, record_of(c, v));
        acct_cell_print(out, td_buf_str(&cell), t->columns[i].width, t->layout, i + 1 == t->n);
    }
    td_buf_putc(out, '\n');
    td_buf_release(&cell);
}
