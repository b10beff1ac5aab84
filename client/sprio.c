/* sprio.c - what the priorities of waiting jobs are made of */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "commands.h"
#include "connect.h"
#include "render/column.h"
#include "say.h"

struct sprio {
    bool l, no_header, norm, weights;
    uint32_t verbose;
    struct td_strs jobs, users, partitions;
    const char *format, *sort;
    struct client client;
    struct td_arena *arena;
};

#define AT(field) offsetof(struct sprio, field)
static const struct option options[] = {
    {"cluster", 'M', "NAME", opt_refuse, 0, "a command speaks to one cluster, the one SLURM_CONF names", NULL, false},
    {"clusters", 0, "NAME", opt_refuse, 0, "a command speaks to one cluster, the one SLURM_CONF names", NULL, true},
    {"federation", 0, NULL, opt_refuse, 0, "there are no federations", NULL, false},
    {"format", 'o', "FORMAT", opt_str, AT(format), "columns: %[[.]WIDTH]LETTER", NULL, false},
    {"jobs", 'j', "IDS", opt_list, AT(jobs), "of these jobs", NULL, false},
    {"local", 0, NULL, opt_warn, 0, "every listing is of the local cluster", NULL, false},
    {"long", 'l', NULL, opt_flag, AT(l), "all terms, and the user", NULL, false},
    {"noheader", 'h', NULL, opt_flag, AT(no_header), "no heading", NULL, false},
    {"norm", 'n', NULL, opt_flag, AT(norm), "factors from 0 to 1, not weighted", NULL, false},
    {"partition", 'p', "NAMES", opt_list, AT(partitions), "of jobs in these partitions", NULL, false},
    {"sibling", 0, NULL, opt_refuse, 0, "there are no federations", NULL, false},
    {"sort", 'S', "LETTERS", opt_str, AT(sort), "order: letters of the format, with - downwards", NULL, false},
    {"user", 'u', "NAMES", opt_list, AT(users), "of jobs of these users", NULL, false},
    {"verbose", 'v', NULL, opt_count, AT(verbose), "tell what is done", NULL, false},
    {"weights", 'w', NULL, opt_flag, AT(weights), "the weights of the terms", NULL, false},
    OPTIONS_HELP,
    {0},
};

/* A line: a job's, or the weights. */
struct sprio_line {
    const struct td_job_priority *job;
    const struct td_priority_conf *conf; /* of the line of weights */
};

static void put_fraction(struct td_buf *out, double v, int digits)
{
    char text[32];

    snprintf(text, sizeof(text), "%.*f", digits, v);
    td_buf_puts(out, text);
}

static void put_job(struct td_buf *out, const void *row)
{
    const struct td_job_priority *j = ((const struct sprio_line *)row)->job;

    if (!j)
        td_buf_puts(out, "Weights");
    else if (j->array_job && j->array_task != TD_NO_TASK)
        td_buf_putf(out, "%u_%u", j->array_job, j->array_task);
    else
        td_buf_put_u64(out, j->job);
}

#define TEXT(name, field)                                                     \
    static void put_##name(struct td_buf *out, const void *row)               \
    {                                                                         \
        const struct td_job_priority *j = ((const struct sprio_line *)row)->job; \
        td_buf_puts(out, j && j->field ? j->field : "");                      \
    }
TEXT(user, user)
TEXT(account, account)
TEXT(partition_name, partition)
TEXT(qos_name, qos)
#undef TEXT

#define TERM(name, weighted, factor, weight)                                  \
    static void put_##name(struct td_buf *out, const void *row)               \
    {                                                                         \
        const struct sprio_line *l = row;                                     \
        td_buf_put_u64(out, l->job ? l->job->weighted : l->conf->weight);     \
    }                                                                         \
    static void put_##name##_factor(struct td_buf *out, const void *row)      \
    {                                                                         \
        const struct sprio_line *l = row;                                     \
        if (l->job)                                                           \
            put_fraction(out, l->job->factor / 1e9, 7);                       \
        else                                                                  \
            td_buf_put_u64(out, l->conf->weight);                             \
    }
TERM(age, age, age_factor, weight_age)
TERM(assoc, assoc, assoc_factor, weight_assoc)
TERM(fair, fair, fair_factor, weight_fair)
TERM(size, size, size_factor, weight_size)
TERM(partition, partition_part, partition_factor, weight_partition)
TERM(qos, qos_part, qos_factor, weight_qos)
#undef TERM

static void put_nice(struct td_buf *out, const void *row)
{
    const struct td_job_priority *j = ((const struct sprio_line *)row)->job;

    if (j)
        td_buf_put_i64(out, j->nice);
}

static void put_site(struct td_buf *out, const void *row)
{
    const struct td_job_priority *j = ((const struct sprio_line *)row)->job;

    td_buf_put_i64(out, j ? j->site : 1);
}

static void put_sum(struct td_buf *out, const void *row)
{
    const struct td_job_priority *j = ((const struct sprio_line *)row)->job;

    if (j)
        td_buf_put_u64(out, j->priority);
}

static void put_sum_factor(struct td_buf *out, const void *row)
{
    const struct td_job_priority *j = ((const struct sprio_line *)row)->job;

    if (j)
        put_fraction(out, (double)j->priority / 4294967295.0, 8);
}

static void put_tres(struct td_buf *out, const void *row)
{
    const struct sprio_line *l = row;

    for (uint32_t i = 0; l->job && i < l->job->tres.n; i++)
        td_buf_putf(out, "%s%s=%llu", i ? "," : "", l->job->tres.v[i].name, (unsigned long long)l->job->tres.v[i].count);
    for (uint32_t i = 0; !l->job && i < l->conf->weight_tres.n; i++)
        td_buf_putf(out, "%s%s=%llu", i ? "," : "", l->conf->weight_tres.v[i].name, (unsigned long long)(l->conf->weight_tres.v[i].weight / 1000000));
}

static void put_tres_factor(struct td_buf *out, const void *row)
{
    const struct sprio_line *l = row;

    for (uint32_t i = 0; l->job && i < l->job->tres.n; i++)
        for (uint32_t k = 0; k < l->conf->weight_tres.n; k++)
            if (td_str_equal(l->job->tres.v[i].name, l->conf->weight_tres.v[k].name)) {
                td_buf_putf(out, "%s%s=", i ? "," : "", l->job->tres.v[i].name);
                put_fraction(out, (double)l->job->tres.v[i].count * 1e6 / (double)TD_MAX(l->conf->weight_tres.v[k].weight, UINT64_C(1)), 2);
            }
    if (!l->job)
        put_tres(out, row);
}

#define NUMBER(name, expression)                                                                     \
    static int compare_##name(const void *a, const void *b)                                          \
    {                                                                                                \
        const struct td_job_priority *x = ((const struct sprio_line *)a)->job, *y = ((const struct sprio_line *)b)->job; \
        return x->expression < y->expression ? -1 : x->expression > y->expression;                   \
    }
NUMBER(job, job)
NUMBER(age, age)
NUMBER(assoc, assoc)
NUMBER(fair, fair)
NUMBER(size, size)
NUMBER(partition, partition_part)
NUMBER(qos, qos_part)
NUMBER(sum, priority)
NUMBER(nice, nice)
NUMBER(site, site)
#undef NUMBER

#define ROW(letter, title, put, compare) {letter, NULL, title, NULL, JSON_NONE, put, compare, TRAIT_NONE, NULL}
static const struct field fields[] = {
    ROW('i', "JOBID", put_job, compare_job),
    ROW('r', "PARTITION", put_partition_name, NULL),
    ROW('u', "USER", put_user, NULL),
    ROW('o', "ACCOUNT", put_account, NULL),
    ROW('n', "QOSNAME", put_qos_name, NULL),
    ROW('Y', "PRIORITY", put_sum, compare_sum),
    ROW('y', "PRIORITY", put_sum_factor, compare_sum),
    ROW('S', "SITE", put_site, compare_site),
    ROW('A', "AGE", put_age, compare_age),
    ROW('a', "AGE", put_age_factor, compare_age),
    ROW('B', "ASSOC", put_assoc, compare_assoc),
    ROW('b', "ASSOC", put_assoc_factor, compare_assoc),
    ROW('F', "FAIRSHARE", put_fair, compare_fair),
    ROW('f', "FAIRSHARE", put_fair_factor, compare_fair),
    ROW('J', "JOBSIZE", put_size, compare_size),
    ROW('j', "JOBSIZE", put_size_factor, compare_size),
    ROW('P', "PARTITION", put_partition, compare_partition),
    ROW('p', "PARTITION", put_partition_factor, compare_partition),
    ROW('Q', "QOS", put_qos, compare_qos),
    ROW('q', "QOS", put_qos_factor, compare_qos),
    ROW('N', "NICE", put_nice, compare_nice),
    ROW('T', "TRES", put_tres, NULL),
    ROW('t', "TRES", put_tres_factor, NULL),
    {0},
};
#undef ROW
static const struct field_table table = {"priority", fields};

/* Terms without a weight are left out, as in Slurm, unless all are wanted. */
static const char *format_of(const struct sprio *o, const struct td_priority_conf *c)
{
    struct td_buf b = {0};
    const struct {
        uint32_t weight;
        char letter;
    } terms[] = {{c->weight_age, 'A'},  {c->weight_assoc, 'B'},     {c->weight_fair, 'F'},
                 {c->weight_size, 'J'}, {c->weight_partition, 'P'}, {c->weight_qos, 'Q'}};

    if (o->format)
        return o->format;
    td_buf_puts(&b, o->l ? "%.15i %9r %.8u" : "%.15i %9r");
    td_buf_puts(&b, o->norm ? " %10y" : " %.10Y %.10S");
    for (size_t i = 0; i < TD_ARRAY_LEN(terms); i++)
        if (o->l || terms[i].weight)
            td_buf_putf(&b, o->norm ? " %%10%c" : " %%.10%c", o->norm ? terms[i].letter | 0x20 : terms[i].letter);
    if (o->l)
        td_buf_puts(&b, " %.11N");
    if (o->l || c->weight_tres.n)
        td_buf_puts(&b, o->norm ? " %20t" : " %.20T");
    const char *ret = td_arena_strdup(o->arena, td_buf_str(&b));
    td_buf_release(&b);
    return ret;
}

static bool has(const struct td_strs *l, const char *word)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (strcasecmp(l->v[i], word ? word : "") == 0)
            return true;
    return l->n == 0;
}

static bool is_meant(const struct sprio *o, const struct td_job_priority *j)
{
    char number[16], array[16], uid[16];

    td_format(number, sizeof(number), "%u", j->job);
    td_format(array, sizeof(array), "%u", j->array_job);
    td_format(uid, sizeof(uid), "%u", j->uid);
    return (has(&o->jobs, number) || (j->array_job && has(&o->jobs, array))) && (has(&o->users, j->user) || has(&o->users, uid)) &&
           has(&o->partitions, j->partition);
}

static int show(struct sprio *o, struct td_error *err)
{
    static const struct td_query_priorities q;
    TD_VEC(const void *) lines = {0};
    struct td_priority_conf conf = {0};
    struct format f = {.arena = o->arena};
    struct sort by = {0};
    struct td_buf out = {0};
    void *body = NULL;
    int r = sort_parse(&by, &table, o->sort ? o->sort : "i", err);

    if (r == 0)
        r = client_open(&o->client, err);
    if (r == 0)
        r = client_ask(&o->client, TD_MSG_QUERY_PRIORITIES, &q, TD_MSG_PRIORITIES, &body, err);
    while (r == 0) {
        const struct td_priorities *m = body;
        conf = m->conf;
        for (uint32_t i = 0; i < m->rows.n && !o->weights; i++) {
            struct sprio_line *l = td_arena_alloc(o->arena, sizeof(*l));
            l->job = &m->rows.v[i];
            l->conf = &m->conf;
            if (is_meant(o, l->job))
                td_vec_push(&lines, l);
        }
        if (!m->more)
            break;
        r = client_more(&o->client, TD_MSG_PRIORITIES, &body, err);
    }
    if (r == 0 && !conf.multifactor)
        r = td_fail(err, TD_E_USAGE, "You are not running a supported priority plugin: PriorityType is not priority/multifactor");
    if (r == 0) {
        const struct sprio_line weights = {.conf = &conf};
        if (o->weights)
            td_vec_push(&lines, &weights);
        format_parse(&f, &table, format_of(o, &conf));
        for (uint32_t i = 0; i < f.unknown.n; i++)
            say_error("Invalid priority format specification: %s", f.unknown.v[i]);
        if (!o->weights)
            sort_rows(&by, lines.v, lines.n);
        format_fit(&f, lines.v, lines.n);
        if (!o->no_header)
            format_heading(&f, &out);
        for (uint32_t i = 0; i < lines.n; i++)
            format_row(&f, lines.v[i], &out);
        say_out(&out);
        format_release(&f);
    }
    td_buf_release(&out);
    td_vec_release(&lines);
    return r;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct sprio o = {.arena = &arena};
    struct option_parse p = {.cmd = &sprio_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r == 0)
        r = show(&o, &err);
    if (r < 0)
        say_error("%s", err.text);
    client_close(&o.client);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command sprio_command = {
    .name = "sprio",
    .synopsis = "[OPTIONS]",
    .summary = "what the priorities of waiting jobs are made of",
    .about = "sprio shows the terms of each waiting job's priority: site, age, association, fair-share, job size, partition, QOS, kinds\n"
             "of resources, and nice, which is taken off. It needs PriorityType=priority/multifactor; terms whose weight is 0 are left\n"
             "out unless -l asks for them.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
