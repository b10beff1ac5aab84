/* fields.c - fields of accounts, users, associations and QOS as people type them and see them */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "account/account.h"
#include "option.h"

#define A(name, also, field, style) {name, also, ACCT_OF_ASSOC, TD_KEY_assoc_conf_##field, style, NULL}
#define OLD(name, also, field, kind) {name, also, ACCT_OF_ASSOC, TD_KEY_assoc_conf_##field, ACCT_TRES, kind}
#define Q(name, also, field, style) {name, also, ACCT_OF_QOS, TD_KEY_qos_conf_##field, style, NULL}
const struct acct_field acct_fields[] = {
    {"Description", NULL, ACCT_OF_ACCOUNT, TD_KEY_account_conf_description, ACCT_STR, NULL},
    {"Organization", NULL, ACCT_OF_ACCOUNT, TD_KEY_account_conf_organization, ACCT_STR, NULL},
    {"AdminLevel", NULL, ACCT_OF_USER, TD_KEY_user_conf_admin_level, ACCT_LEVEL, NULL},
    {"DefaultAccount", NULL, ACCT_OF_USER, TD_KEY_user_conf_def_account, ACCT_STR, NULL},
    {"DefaultWCKey", NULL, ACCT_OF_USER, TD_KEY_user_conf_def_wckey, ACCT_STR, NULL},
    A("Fairshare", "Shares", shares, ACCT_SHARES),
    A("Priority", NULL, priority, ACCT_LIMIT),
    A("DefaultQOS", NULL, def_qos, ACCT_STR),
    A("QOS", "QosLevel", qos, ACCT_NAMES),
    A("GrpTRES", NULL, grp_tres, ACCT_TRES),
    A("GrpTRESMins", NULL, grp_tres_mins, ACCT_TRES),
    A("GrpTRESRunMins", NULL, grp_tres_run_mins, ACCT_TRES),
    A("MaxTRES", "MaxTRESPerJob", max_tres, ACCT_TRES),
    A("MaxTRESMins", "MaxTRESMinsPerJob", max_tres_mins, ACCT_TRES),
    A("MaxTRESPerNode", NULL, max_tres_per_node, ACCT_TRES),
    A("MaxTRESRunMins", NULL, max_tres_run_mins, ACCT_TRES),
    A("GrpJobs", NULL, grp_jobs, ACCT_LIMIT),
    A("GrpJobsAccrue", NULL, grp_jobs_accrue, ACCT_LIMIT),
    A("GrpSubmitJobs", "GrpSubmit", grp_submit, ACCT_LIMIT),
    A("GrpWall", NULL, grp_wall_m, ACCT_WALL),
    A("MaxJobs", NULL, max_jobs, ACCT_LIMIT),
    A("MaxJobsAccrue", NULL, max_jobs_accrue, ACCT_LIMIT),
    A("MaxSubmitJobs", "MaxSubmit", max_submit, ACCT_LIMIT),
    A("MaxWall", "MaxWallDurationPerJob", max_wall_m, ACCT_WALL),
    A("MinPrioThreshold", NULL, min_prio, ACCT_LIMIT),
    A("Comment", NULL, comment, ACCT_STR),
    OLD("GrpCPUs", NULL, grp_tres, "cpu"),
    OLD("GrpMemory", NULL, grp_tres, "mem"),
    OLD("GrpNodes", NULL, grp_tres, "node"),
    OLD("GrpCPUMins", NULL, grp_tres_mins, "cpu"),
    OLD("GrpCPURunMins", NULL, grp_tres_run_mins, "cpu"),
    OLD("MaxCPUs", "MaxCPUsPerJob", max_tres, "cpu"),
    OLD("MaxNodes", "MaxNodesPerJob", max_tres, "node"),
    OLD("MaxCPUMins", "MaxCPUMinsPerJob", max_tres_mins, "cpu"),
    Q("Description", NULL, description, ACCT_STR),
    Q("Priority", NULL, priority, ACCT_NUMBER),
    Q("Flags", NULL, flags, ACCT_FLAGS),
    Q("GraceTime", NULL, grace_s, ACCT_SECONDS),
    Q("Preempt", NULL, preempt, ACCT_NAMES),
    Q("PreemptMode", NULL, preempt_mode, ACCT_MODE),
    Q("PreemptExemptTime", NULL, preempt_exempt_s, ACCT_EXEMPT),
    Q("UsageFactor", NULL, usage_factor, ACCT_FACTOR),
    Q("UsageThreshold", NULL, usage_threshold, ACCT_THRESHOLD),
    Q("LimitFactor", NULL, limit_factor, ACCT_THRESHOLD),
    Q("GrpTRES", NULL, grp_tres, ACCT_TRES),
    Q("GrpTRESMins", NULL, grp_tres_mins, ACCT_TRES),
    Q("GrpTRESRunMins", NULL, grp_tres_run_mins, ACCT_TRES),
    Q("MaxTRES", "MaxTRESPerJob", max_tres, ACCT_TRES),
    Q("MaxTRESPerNode", NULL, max_tres_per_node, ACCT_TRES),
    Q("MaxTRESPerUser", "MaxTRESPU", max_tres_pu, ACCT_TRES),
    Q("MaxTRESPerAccount", "MaxTRESPA", max_tres_pa, ACCT_TRES),
    Q("MaxTRESMins", "MaxTRESMinsPerJob", max_tres_mins, ACCT_TRES),
    Q("MaxTRESRunMinsPerUser", "MaxTRESRunMinsPU", max_tres_run_mins_pu, ACCT_TRES),
    Q("MaxTRESRunMinsPerAccount", "MaxTRESRunMinsPA", max_tres_run_mins_pa, ACCT_TRES),
    Q("MinTRES", "MinTRESPerJob", min_tres, ACCT_TRES),
    Q("GrpJobs", NULL, grp_jobs, ACCT_LIMIT),
    Q("GrpJobsAccrue", NULL, grp_jobs_accrue, ACCT_LIMIT),
    Q("GrpSubmitJobs", "GrpSubmit", grp_submit, ACCT_LIMIT),
    Q("GrpWall", NULL, grp_wall_m, ACCT_WALL),
    Q("MaxJobsPerUser", "MaxJobsPU", max_jobs_pu, ACCT_LIMIT),
    Q("MaxJobsPerAccount", "MaxJobsPA", max_jobs_pa, ACCT_LIMIT),
    Q("MaxSubmitJobsPerUser", "MaxSubmitPU", max_submit_pu, ACCT_LIMIT),
    Q("MaxSubmitJobsPerAccount", "MaxSubmitPA", max_submit_pa, ACCT_LIMIT),
    Q("MaxJobsAccruePerUser", "MaxJobsAccruePU", max_jobs_accrue_pu, ACCT_LIMIT),
    Q("MaxJobsAccruePerAccount", "MaxJobsAccruePA", max_jobs_accrue_pa, ACCT_LIMIT),
    Q("MaxJobs", NULL, max_jobs_pu, ACCT_LIMIT),
    Q("MaxSubmitJobs", "MaxSubmit", max_submit_pu, ACCT_LIMIT),
    Q("MaxWall", "MaxWallDurationPerJob", max_wall_m, ACCT_WALL),
    Q("MinPrioThreshold", NULL, min_prio, ACCT_LIMIT),
    {0},
};

const struct td_record *acct_record(enum acct_of of)
{
    static const struct td_record *const of_what[] = {&td_rec_account_conf, &td_rec_user_conf, &td_rec_assoc_conf, &td_rec_qos_conf};

    return of_what[of];
}

const struct acct_field *acct_field_find(const char *name, uint32_t of_bits)
{
    const struct acct_field *found = NULL;
    size_t n = strlen(name);
    bool several = false;

    for (const struct acct_field *f = acct_fields; f->name; f++) {
        if (!(of_bits >> f->of & 1))
            continue;
        if (strcasecmp(f->name, name) == 0 || (f->also && strcasecmp(f->also, name) == 0))
            return f;
        if (strncasecmp(f->name, name, n) != 0 && (!f->also || strncasecmp(f->also, name, n) != 0))
            continue;
        bool longer = found && strncasecmp(f->name, found->name, strlen(found->name)) == 0; /* GrpJ is GrpJobs, not GrpJobsAccrue */
        several |= found && !longer && (found->of != f->of || found->key != f->key);
        found = found ? found : f;
    }
    return several ? NULL : found;
}

static const struct td_field *field_of(const struct td_record *rec, uint32_t key)
{
    uint32_t i = 0;

    while (i < rec->n && rec->fields[i].key != key)
        i++;
    TD_ASSERT(i < rec->n);
    return &rec->fields[i];
}

/* --- typed ---------------------------------------------------------------------------------------------------------------- */

static int bad(struct td_error *err, const struct acct_field *f, const char *value)
{
    return td_fail(err, TD_E_USAGE, "Bad %s value: %s", f->name, value);
}

static int take_number(const struct acct_field *f, const char *value, uint64_t most, uint64_t *ret, struct td_error *err)
{
    if (!td_parse_u64(value, ret))
        return bad(err, f, value);
    if (*ret > most)
        return td_fail(err, TD_E_USAGE, "Bad %s value: %s is over %llu", f->name, value, (unsigned long long)most);
    return 0;
}

static int take_minutes(const struct acct_field *f, const char *value, uint32_t *ret, struct td_error *err)
{
    uint32_t s;

    if (td_duration_parse(value, &s, err) < 0)
        return bad(err, f, value);
    *ret = s == TD_INFINITE ? 0 : s / 60 + (s % 60 != 0) + 1;
    return 0;
}

/* 1.5 -> 1500000 */
static int take_millionths(const struct acct_field *f, const char *value, uint64_t *ret, struct td_error *err)
{
    uint64_t whole = 0, part = 0, scale = 1000000;
    const char *p = value;

    for (; *p >= '0' && *p <= '9' && whole < 1000000000; p++)
        whole = whole * 10 + (uint64_t)(*p - '0');
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++)
            if (scale > 1)
                part = part * 10 + (uint64_t)(*p - '0'), scale /= 10;
    if (*p || p == value)
        return bad(err, f, value);
    *ret = whole * 1000000 + part * scale + 1;
    return 0;
}

static int take_count(const struct acct_field *f, const char *name, const char *text, uint64_t *ret, struct td_error *err)
{
    bool is_mem = strcasecmp(name, "mem") == 0;

    if (strcmp(text, "-1") == 0) {
        *ret = UINT64_MAX;
        return 0;
    }
    if (td_parse_u64(text, ret) && *ret < UINT64_MAX)
        return 0;
    if (is_mem && td_memory_parse(text, ret, err) == 0)
        return 0;
    return td_fail(err, TD_E_USAGE, "Bad %s value: %s=%s is no number", f->name, name, text);
}

static int take_tres(struct td_arena *a, const struct acct_field *f, const char *value, struct td_tres_count_list *ret, struct td_error *err)
{
    struct td_tres_count *v = td_arena_alloc(a, (TD_MAX_TRES + 1) * sizeof(*v));
    uint32_t n = ret->n; /* GrpTRES=gres/gpu=1 GrpCPUs=2 are one list */

    memcpy(v, ret->n ? ret->v : v, n * sizeof(*v));

    for (char *s = td_arena_strdup(a, value), *comma; s && *s; s = comma) {
        comma = strchr(s, ',');
        if (comma)
            *comma++ = 0;
        char *is = strrchr(s, '=');
        if (!is || is == s)
            return td_fail(err, TD_E_USAGE, "Bad %s value: %s (want KIND=NUMBER,...)", f->name, s);
        *is = 0;
        if (n == TD_MAX_TRES)
            return td_fail(err, TD_E_TOO_BIG, "%s: more than %d kinds (TRES)", f->name, TD_MAX_TRES);
        int r = take_count(f, s, is + 1, &v[n].count, err);
        if (r < 0)
            return r;
        v[n++].name = s;
    }
    if (n == ret->n)
        return td_fail(err, TD_E_USAGE, "Bad %s value: say what kind: cpu=NUMBER; cpu=-1 takes a limit away", f->name);
    *ret = (struct td_tres_count_list){v, n};
    return 0;
}

static int take_word(const struct acct_field *f, const char *value, uint32_t *ret, struct td_error *err)
{
    for (uint32_t i = 0; i < 8; i++) {
        const char *word = f->style == ACCT_LEVEL ? td_admin_level_word(i) : td_preempt_mode_word(i);
        if (!word || strncasecmp(word, value, strlen(value)) != 0 || !*value)
            continue;
        *ret = i;
        return 0;
    }
    return bad(err, f, value);
}

static int take_flags(const struct acct_field *f, struct td_arena *a, const char *value, uint32_t *ret, struct td_error *err)
{
    *ret = 0;
    for (char *s = td_arena_strdup(a, value), *comma; s && *s; s = comma) {
        uint32_t bit = 0;
        comma = strchr(s, ',');
        if (comma)
            *comma++ = 0;
        for (uint32_t b = 1; b && !bit; b <<= 1)
            if (td_qos_flag_word(b) && strcasecmp(td_qos_flag_word(b), s) == 0)
                bit = b;
        if (!bit && strcmp(s, "-1") != 0)
            return bad(err, f, s);
        *ret |= bit;
    }
    return 0;
}

int acct_field_take(struct td_arena *a, const struct acct_field *f, const char *value, void *record, struct td_error *err)
{
    const struct td_field *at = field_of(acct_record(f->of), f->key);
    void *to = (char *)record + at->offset;
    bool clears = !*value || strcmp(value, "-1") == 0;
    uint64_t n = 0;
    int r = 0;

    if (f->tres) {
        struct td_buf kind = {0};
        td_buf_putf(&kind, "%s=%s", f->tres, *value ? value : "-1");
        value = td_arena_strdup(a, td_buf_str(&kind));
        td_buf_release(&kind);
    }
    switch (f->style) {
    case ACCT_STR:
        *(const char **)to = td_arena_strdup(a, value);
        return 0;
    case ACCT_NAMES:
        *(struct td_strs *)to = clears ? (struct td_strs){0} : str_list(a, value);
        return 0;
    case ACCT_TRES:
        return take_tres(a, f, value, to, err);
    case ACCT_LIMIT:
        r = clears ? 0 : take_number(f, value, UINT32_MAX - 3, &n, err);
        *(uint32_t *)to = clears ? 0 : (uint32_t)n + 1;
        return r;
    case ACCT_SHARES:
        if (strcasecmp(value, "parent") == 0) {
            *(uint32_t *)to = TD_INFINITE;
            return 0;
        }
        r = clears ? 0 : take_number(f, value, INT32_MAX - 1, &n, err);
        *(uint32_t *)to = clears ? 0 : (uint32_t)n + 1;
        return r;
    case ACCT_NUMBER:
        r = clears ? 0 : take_number(f, value, UINT32_MAX - 3, &n, err);
        *(uint32_t *)to = (uint32_t)n;
        return r;
    case ACCT_WALL:
        *(uint32_t *)to = 0;
        return clears ? 0 : take_minutes(f, value, to, err);
    case ACCT_SECONDS:
    case ACCT_EXEMPT:
        *(uint32_t *)to = 0;
        if (clears)
            return 0;
        if (td_parse_u64(value, &n) && n < UINT32_MAX - 2) /* seconds, where no colon says otherwise */
            *(uint32_t *)to = (uint32_t)n;
        else if (td_duration_parse(value, to, err) < 0 || *(uint32_t *)to == TD_INFINITE)
            return bad(err, f, value);
        *(uint32_t *)to += f->style == ACCT_EXEMPT;
        return 0;
    case ACCT_FACTOR:
    case ACCT_THRESHOLD:
        *(uint64_t *)to = 0;
        return clears ? 0 : take_millionths(f, value, to, err);
    case ACCT_LEVEL:
    case ACCT_MODE:
        return take_word(f, value, to, err);
    case ACCT_FLAGS:
        return take_flags(f, a, value, to, err);
    }
    return 0;
}

/* --- shown ------------------------------------------------------------------------------------------------------------------ */

static void put_memory(struct td_buf *out, uint64_t mb)
{
    static const char units[] = "MGT";
    uint32_t u = 0;

    while (mb && mb % 1024 == 0 && u < 2) {
        mb /= 1024;
        u++;
    }
    td_buf_put_u64(out, mb);
    td_buf_putc(out, units[u]);
}

void acct_tres_print(struct td_buf *out, const struct td_tres_count_list *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        td_buf_putf(out, "%s%s=", i ? "," : "", l->v[i].name);
        if (strcmp(l->v[i].name, "mem") == 0)
            put_memory(out, l->v[i].count);
        else
            td_buf_put_u64(out, l->v[i].count);
    }
}

static void put_millionths(struct td_buf *out, uint64_t v)
{
    char text[32];

    snprintf(text, sizeof(text), "%llu.%06llu", (unsigned long long)(v / 1000000), (unsigned long long)(v % 1000000));
    td_buf_puts(out, text);
}

static void put_flags(struct td_buf *out, uint32_t flags)
{
    bool some = false;

    for (uint32_t b = 1; b; b <<= 1) {
        if (!(flags & b) || !td_qos_flag_word(b))
            continue;
        td_buf_putf(out, "%s%s", some ? "," : "", td_qos_flag_word(b));
        some = true;
    }
}

bool acct_value_is_set(const struct td_record *rec, uint32_t key, const void *record)
{
    const struct td_field *f = field_of(rec, key);
    const void *at = (const char *)record + f->offset;

    switch (f->type) {
    case TD_T_STR:
        return !td_str_empty(*(const char *const *)at);
    case TD_T_U32:
        return *(const uint32_t *)at != 0;
    case TD_T_U64:
        return *(const uint64_t *)at != 0;
    default: /* all lists look alike */
        return ((const struct td_strs *)at)->n != 0;
    }
}

void acct_value_print(struct td_buf *out, enum acct_style style, const struct td_record *rec, uint32_t key, const void *record)
{
    const void *at = (const char *)record + field_of(rec, key)->offset;
    uint32_t n = style == ACCT_STR || style == ACCT_NAMES || style == ACCT_TRES ? 0 : *(const uint32_t *)at;

    switch (style) {
    case ACCT_STR:
        td_buf_puts(out, *(const char *const *)at ? *(const char *const *)at : "");
        return;
    case ACCT_NAMES: {
        const struct td_strs *l = at;
        for (uint32_t i = 0; i < l->n; i++)
            td_buf_putf(out, "%s%s", i ? "," : "", l->v[i]);
        return;
    }
    case ACCT_TRES:
        acct_tres_print(out, at);
        return;
    case ACCT_LIMIT:
        if (n)
            td_buf_put_u64(out, n - 1);
        return;
    case ACCT_SHARES:
        if (n == TD_INFINITE)
            td_buf_puts(out, "parent");
        else
            td_buf_put_u64(out, n ? n - 1 : 1);
        return;
    case ACCT_NUMBER:
        td_buf_put_u64(out, n);
        return;
    case ACCT_WALL:
        if (n)
            td_duration_print((n - 1) * 60, out);
        return;
    case ACCT_SECONDS:
        td_duration_print(n, out);
        return;
    case ACCT_EXEMPT:
        if (n)
            td_duration_print(n - 1, out);
        return;
    case ACCT_FACTOR:
        put_millionths(out, *(const uint64_t *)at ? *(const uint64_t *)at - 1 : 1000000);
        return;
    case ACCT_THRESHOLD:
        if (*(const uint64_t *)at)
            put_millionths(out, *(const uint64_t *)at - 1);
        return;
    case ACCT_LEVEL:
        td_buf_puts(out, td_admin_level_word(n) ? td_admin_level_word(n) : "?");
        return;
    case ACCT_FLAGS:
        put_flags(out, n);
        return;
    case ACCT_MODE:
        td_buf_puts(out, td_preempt_mode_word(n) ? td_preempt_mode_word(n) : "?");
        return;
    }
}
