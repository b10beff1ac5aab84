/* squeue.c - the queue as a table
 *
 * One answer of the broker, rendered through the field table of render/job_fields.c. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "connect.h"
#include "render/job.h"
#include "render/value.h"
#include "say.h"
#include "squeue.h"

static int take_jobs(struct option_parse *p, const struct option *o TD_UNUSED, const char *value, struct td_error *err)
{
    struct td_job_filter *f = &((struct squeue *)p->target)->filter;
    td_autofree char *copy = td_strdup(value);
    uint32_t cap = f->ids.n + 1, depth = 0;

    for (char *c = copy; *c; c++) {
        depth += *c == '[';
        depth -= *c == ']' && depth;
        if (*c == ',' && !depth) { /* commas inside 12_[1,3] stay */
            *c = '\n';
            cap++;
        }
    }
    struct td_job_sel *v = td_arena_alloc(p->arena, cap * sizeof(*v));
    if (f->ids.n)
        memcpy(v, f->ids.v, f->ids.n * sizeof(*v));
    char *save = NULL;
    for (char *w = strtok_r(copy, "\n", &save); w; w = strtok_r(NULL, "\n", &save)) {
        if (client_sel_parse(p->arena, w, &v[f->ids.n], err) < 0)
            return td_fail(err, TD_E_INVALID_JOB, "Invalid job id: %s", w);
        f->ids.n++;
    }
    f->ids.v = v;
    return 0;
}

/* States of Slurm that no job here is ever in: asking for them is no mistake, and finds nothing. */
static bool state_unused(const char *word)
{
    static const char *const states[] = {
        "SUSPENDED", "S",  "RESIZING",     "RS", "REQUEUED",  "RQ", "REQUEUE_FED", "RF", "REQUEUE_HOLD",  "RH",
        "SIGNALING", "SI", "SPECIAL_EXIT", "SE", "STAGE_OUT", "SO", "STOPPED",     "ST", "RESV_DEL_HOLD", "RD",
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(states); i++)
        if (td_str_casecmp(word, states[i]) == 0)
            return true;
    return false;
}

static int take_states(struct option_parse *p, const struct option *o, const char *value, struct td_error *err)
{
    struct squeue *q = p->target;
    struct td_strs words = str_list(p->arena, value);
    struct td_buf ours = {0};

    for (uint32_t i = 0; i < words.n; i++) {
        uint32_t state, outcome;
        if (td_str_casecmp(words.v[i], "all") == 0 || td_job_state_parse(words.v[i], &state, &outcome)) {
            td_buf_putf(&ours, "%s,", words.v[i]);
            continue;
        }
        if (state_unused(words.v[i]))
            continue;
        td_buf_release(&ours);
        struct td_buf all = {0};
        for (uint32_t s = 0; s < TD_JOB_DONE; s++)
            td_buf_putf(&all, "%s%s", s ? "," : "", td_job_state_word(s, 0));
        for (uint32_t x = 1; x < TD_JOB_OUTCOME_COUNT; x++)
            td_buf_putf(&all, ",%s", td_job_state_word(TD_JOB_DONE, x));
        int r = td_fail(err, TD_E_INVALID_STATE, "Invalid job state specified: %s (valid: %s, all)", words.v[i],
                        td_buf_str(&all));
        td_buf_release(&all);
        return r;
    }
    int r = opt_list(p, o, td_buf_str(&ours), err);
    q->no_state = words.n && !q->filter.states.n;
    td_buf_release(&ours);
    return r;
}

static int take_steps(struct option_parse *p, const struct option *o TD_UNUSED, const char *value, struct td_error *err)
{
    struct squeue *q = p->target;
    struct td_strs words = str_list(p->arena, value ? value : "");

    q->by_step = true;
    q->steps.n = 0;
    for (uint32_t i = 0; i < words.n; i++) {
        struct client_step_id id;
        int r = client_step_parse(words.v[i], &id, err);
        if (r < 0)
            return r;
        td_vec_push(&q->steps, id);
    }
    return 0;
}

/* What a step does not have, or cannot be shown by. */
static const char *not_of_steps(const struct squeue *o)
{
    const struct td_job_filter *f = &o->filter;
    const struct {
        bool given;
        const char *name;
    } all[] = {
        {o->watch, "--watch"},       {o->array, "--array"},         {o->start, "--start"},
        {o->state_only, "--only-job-state"}, {f->states.n || o->no_state, "--states"}, {f->names.n, "--name"},
        {f->accounts.n, "--account"}, {f->qos.n, "--qos"},          {f->reservations.n, "--reservation"},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(all); i++)
        if (all[i].given)
            return all[i].name;
    return NULL;
}

static int take_every(struct option_parse *p, const struct option *o, const char *value, struct td_error *err)
{
    if (opt_u32(p, o, value, err) < 0)
        return td_fail(err, TD_E_USAGE, "--iterate=%s: at least 1 second", value);
    return 0;
}

/* The last of -o and -O counts, whichever of them the environment gave. */
static int take_format(struct option_parse *p, const struct option *o, const char *value, struct td_error *err)
{
    struct squeue *q = p->target;

    q->format = q->names = NULL;
    return opt_str(p, o, value, err);
}

#define AT(field) offsetof(struct squeue, field)
static const struct option options[] = {
    {"account", 'A', "LIST", opt_list, AT(filter.accounts), "jobs of these accounts", "SQUEUE_ACCOUNT", false},
    {"accounts", 0, "LIST", opt_list, AT(filter.accounts), "", NULL, true},
    {"all", 'a', NULL, opt_flag, AT(all), "hidden partitions too", "SQUEUE_ALL", false},
    {"array", 'r', NULL, opt_flag, AT(array), "one row for each array task", "SQUEUE_ARRAY", false},
    {"array-unique", 0, NULL, opt_flag, AT(array), "one row for each waiting array task", NULL, false},
    {"clusters", 'M', "NAMES", opt_refuse, 0, "a command speaks to one cluster, the one SLURM_CONF names", NULL, false},
    {"expand-patterns", 0, NULL, opt_flag, AT(expand), "names of files as they are, with %j, %x and the like put in", "SQUEUE_EXPAND_PATTERNS", false},
    {"Format", 'O', "FIELDS", take_format, AT(names), "columns by name: name[:[.]width][:text],...", "SQUEUE_FORMAT2", false},
    {"format", 'o', "FORMAT", take_format, AT(format), "columns by letter: %[.][width]letter", "SQUEUE_FORMAT", false},
    {"hide", 0, NULL, opt_warn, 0, "hidden partitions are left out anyway unless -a asks for them", NULL, false},
    {"iterate", 'i', "SECONDS", take_every, AT(every_s), "show it again and again", NULL, false},
    {"jobs", 'j', "IDS", take_jobs, 0, "these jobs: 12, 12_3, 12_[1-3]", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "as JSON", NULL, false},
    {"licenses", 'L', "NAMES", opt_refuse, 0, "jobs are not listed by licence (-O licenses shows them)", NULL, false},
    {"local", 0, NULL, opt_warn, 0, "every listing is of the local cluster", NULL, false},
    {"long", 'l', NULL, opt_flag, AT(long_form), "more columns, and the date", NULL, false},
    {"me", 0, NULL, opt_flag, AT(me), "my own jobs", NULL, false},
    {"name", 'n', "NAMES", opt_list, AT(filter.names), "jobs of these names", "SQUEUE_NAMES", false},
    {"names", 0, "NAMES", opt_list, AT(filter.names), "", NULL, true},
    {"nodelist", 'w', "NODES", opt_str, AT(filter.nodes), "jobs on any of these nodes", NULL, false},
    {"nodes", 0, "NODES", opt_str, AT(filter.nodes), "", NULL, true},
    {"noheader", 'h', NULL, opt_flag, AT(no_header), "no heading", NULL, false},
    {"only-job-state", 0, NULL, opt_flag, AT(state_only), "ask only for ids, states and reasons", NULL, false},
    {"partition", 'p', "NAMES", opt_list, AT(filter.partitions), "jobs of these partitions", "SQUEUE_PARTITION", false},
    {"priority", 'P', NULL, opt_refuse, 0, "jobs that wait in several partitions are one row", NULL, false},
    {"qos", 'q', "NAMES", opt_list, AT(filter.qos), "jobs of these QOS", "SQUEUE_QOS", false},
    {"reservation", 'R', "NAMES", opt_list, AT(filter.reservations), "jobs of these reservations", NULL, false},
    {"sort", 'S', "FIELDS", opt_str, AT(sort), "order by these letters, each with + or -: P,t,-p", "SQUEUE_SORT", false},
    {"start", 0, NULL, opt_flag, AT(start), "waiting jobs and when they may start", NULL, false},
    {"states", 't', "STATES", take_states, AT(filter.states), "jobs in these states, long or short words, or all", "SQUEUE_STATES", false},
    {"steps", 's', "[IDS]", take_steps, 0, "steps instead of jobs: all, or 12.0, 12.batch, 12_3.0, 12", NULL, false},
    {"user", 'u', "NAMES", opt_list, AT(filter.users), "jobs of these users", "SQUEUE_USERS", false},
    {"users", 0, "NAMES", opt_list, AT(filter.users), "", NULL, true},
    {"verbose", 'v', NULL, opt_warn, 0, "there is nothing more to tell", NULL, false},
    {"watch", 0, NULL, opt_flag, AT(watch), "keep showing it as it changes; with --json one object a line for each change", NULL, false},
    {"yaml", 0, NULL, opt_refuse, 0, "use --json, which YAML readers read too", NULL, false},
    OPTIONS_HELP,
    {0},
};

static void name_unknown(const struct format *f)
{
    for (uint32_t i = 0; i < f->unknown.n; i++)
        say_error("Invalid job format specification: %s", f->unknown.v[i]);
}

static const char *sort_text(const struct squeue *o)
{
    return o->sort ? o->sort : o->start ? "S,-p" : SQUEUE_SORT;
}

static const char *format_text(const struct squeue *o)
{
    return o->format       ? o->format
           : o->start      ? SQUEUE_FORMAT_START
           : o->long_form  ? SQUEUE_FORMAT_LONG
           : o->state_only ? "%.18i %.2t"
                           : SQUEUE_FORMAT;
}

/* Unknown letters are named and printed as they are; unknown names leave no column and end the command. */
static int make_format(const struct squeue *o, struct format *f)
{
    if (o->names) {
        format_parse_names(f, &job_fields, o->names);
        name_unknown(f);
        return f->unknown.n ? -1 : 0;
    }
    format_parse(f, &job_fields, format_text(o));
    name_unknown(f);
    return 0;
}

/* What is asked for: what is shown and sorted by, or, where that cannot be named, all. True: some of it is left out by the
 * broker unless asked for. What is wrong with the format is said when it is used. */
static bool wants(const struct squeue *o, struct td_arena *a, struct td_u32s *ret_fields)
{
    struct td_arena arena = {0};
    struct format f = {.arena = &arena};
    struct sort by = {0};
    struct td_error ignored;
    bool found = o->json;

    if (o->names)
        format_parse_names(&f, &job_fields, o->names);
    else
        format_parse(&f, &job_fields, format_text(o));
    sort_parse(&by, &job_fields, sort_text(o), &ignored);
    sort_then(&by, &job_fields, 'i');
    for (uint32_t i = 0; i < f.columns.n; i++)
        found |= f.columns.v[i].field && f.columns.v[i].field->trait == TRAIT_LONG;
    for (uint32_t i = 0; i < by.n; i++)
        found |= by.keys[i].field->trait == TRAIT_LONG;
    if (o->json || !fields_paths(&f, &by, a, ret_fields))
        *ret_fields = (struct td_u32s){0};
    format_release(&f);
    td_arena_release(&arena);
    return found;
}

static bool wants_long(const struct squeue *o)
{
    struct td_arena arena = {0};
    struct td_u32s ignored;
    bool found = wants(o, &arena, &ignored);

    td_arena_release(&arena);
    return found;
}

static const void **make_rows(const struct squeue *o, const struct client_jobs *jobs, struct td_arena *a)
{
    uint32_t n = jobs->rows.n;
    struct job_row *v = td_arena_alloc(a, (n + 1) * sizeof(*v));
    const void **rows = td_arena_alloc(a, (n + 1) * sizeof(*rows));

    for (uint32_t i = 0; i < n; i++) {
        v[i] = (struct job_row){.job = jobs->rows.v[i], .now_ms = jobs->now_ms, .expand = o->expand};
        rows[i] = &v[i];
    }
    return rows;
}

int squeue_put(const struct squeue *o, const struct client_jobs *jobs, struct td_buf *ret)
{
    struct td_arena arena = {0};
    struct format f = {.arena = &arena};
    struct td_error err = {0};
    struct sort by = {0};
    const void **rows = make_rows(o, jobs, &arena);
    uint32_t n = jobs->rows.n;
    int r = make_format(o, &f);

    if (r == 0)
        r = sort_parse(&by, &job_fields, sort_text(o), &err);
    if (err.code)
        say_error("%s", err.text);
    if (r == 0) {
        sort_then(&by, &job_fields, 'i'); /* ties end in the id */
        sort_rows(&by, rows, n);
        if (o->json) {
            td_buf_puts(ret, "{\n  \"meta\": {\"Tender\": {\"release\": \"" TD_VERSION "\"}},\n  \"errors\": [],\n  \"jobs\": ");
            fields_json(&job_fields, rows, n, ret);
            td_buf_puts(ret, "\n}\n");
        } else {
            format_fit(&f, rows, n);
            if ((o->long_form && !o->no_header) || o->every_s)
                put_date_line(ret, jobs->now_ms);
            if (!o->no_header)
                format_heading(&f, ret);
            for (uint32_t i = 0; i < n; i++)
                format_row(&f, rows[i], ret);
        }
    }
    format_release(&f);
    td_arena_release(&arena);
    return r;
}

static int show(const struct squeue *o, const struct client_jobs *jobs)
{
    struct td_buf out = {0};
    int r = squeue_put(o, jobs, &out);

    if (r == 0)
        say_out(&out);
    td_buf_release(&out);
    return r;
}

/* A node that the cluster does not have finds no job, for another reason than the asker thinks. */
static int check_nodes(struct client *c, const char *text, struct td_error *err)
{
    struct client_nodes nodes = {0};
    struct td_hostlist l = {0};
    int r = td_hostlist_parse(text, TD_MAX_NODES, &l, err);

    if (r == 0)
        r = client_nodes(c, NULL, &nodes, err);
    for (uint32_t i = 0; r == 0 && i < l.names.n; i++) {
        bool known = false;
        for (uint32_t k = 0; k < nodes.rows.n && !known; k++)
            known = td_str_equal(nodes.rows.v[k].name, l.names.v[i]);
        if (!known)
            r = td_fail(err, TD_E_INVALID_NODE, "%s: %s", td_error_words(TD_E_INVALID_NODE), l.names.v[i]);
    }
    td_vec_release(&nodes.rows);
    td_hostlist_release(&l);
    return r;
}

static int once(const struct squeue *o)
{
    struct client c = {0};
    struct client_jobs jobs = {0};
    struct td_error err = {0};
    struct td_query_jobs q = {.filter = o->filter,
                              .state_only = o->state_only,
                              .expand = o->array,
                              .all = o->all};
    q.long_fields = wants(o, &c.arena, &q.fields);
    int r = client_open(&c, &err);

    if (r == 0 && o->filter.nodes)
        r = check_nodes(&c, o->filter.nodes, &err);
    if (r == 0)
        r = client_jobs(&c, &q, &jobs, &err);
    if (o->no_state)
        jobs.rows.n = 0;
    /* One job named and nothing found: over already, or never known? */
    if (r == 0 && o->filter.ids.n == 1 && !jobs.rows.n && !o->filter.states.n && !o->no_state) {
        static const char *const all[] = {"all"};
        struct td_query_jobs any = {.filter = {.ids = o->filter.ids, .states = {.v = all, .n = 1}}, .all = true};
        struct client_jobs known = {0};
        r = client_jobs(&c, &any, &known, &err);
        if (r == 0 && !known.rows.n)
            r = td_fail(&err, TD_E_INVALID_JOB, "%s", td_error_words(TD_E_INVALID_JOB));
        td_vec_release(&known.rows);
    }
    if (r < 0) {
        struct td_buf tmp = {0};
        if (err.code == TD_E_INVALID_USER)
            say_error("%s", err.text);
        else
            say_plain("slurm_load_jobs error: %s", say_words(&err, &tmp));
        td_buf_release(&tmp);
    } else {
        r = show(o, &jobs);
        say_stale(jobs.stale_ms);
    }
    td_vec_release(&jobs.rows);
    client_close(&c);
    return r;
}

static void settle(struct squeue *o, struct td_arena *a)
{
    static const char *const waiting[] = {"PENDING"};

    if (o->me) {
        char *uid = td_arena_alloc(a, 16);
        const char **v = td_arena_alloc(a, sizeof(*v));
        td_format(uid, 16, "%u", (uint32_t)getuid());
        v[0] = uid;
        o->filter.users = (struct td_strs){.v = v, .n = 1};
    }
    if (o->start && !o->filter.states.n && !o->no_state)
        o->filter.states = (struct td_strs){.v = waiting, .n = 1};
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct squeue o = {0};
    struct option_parse p = {.cmd = &squeue_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse_env(&p, &err);

    if (r == 0)
        r = option_parse(&p, argc, argv, &err);
    if (r == 0 && o.by_step && !o.steps.n && p.words.n == 1) { /* "-s 12.0", as Slurm takes it too */
        r = take_steps(&p, NULL, p.words.v[0], &err);
        p.words.n = 0;
    }
    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "Unrecognized option: %s", p.words.v[0]);
    if (r == 0 && o.by_step && not_of_steps(&o))
        r = td_fail(&err, TD_E_USAGE, "--steps does not go with %s", not_of_steps(&o));
    if (r < 0) {
        say_error("%s", err.text);
        if (err.code == TD_E_USAGE)
            say_plain("Try \"squeue --help\" for more information");
        return 1;
    }
    settle(&o, &arena);
    if (o.watch && (o.array || o.every_s || o.start))
        r = td_fail(&err, TD_E_USAGE, "--watch does not go with %s", o.array ? "--array" : o.every_s ? "--iterate" : "--start");
    else if (o.watch && !o.json && wants_long(&o))
        r = td_fail(&err, TD_E_USAGE, "--watch does not show arguments, dependencies or the nodes asked for: leave those columns out");
    else if (o.watch || (o.every_s && !o.by_step && !o.array && !o.json && !wants_long(&o)))
        r = squeue_watch(&o, &err);
    if (r < 0 && (o.watch || r != -TD_E_UNREACHABLE)) {
        struct td_buf tmp = {0};
        if (err.text[0])
            say_error("%s", say_words(&err, &tmp));
        td_buf_release(&tmp);
        return 1;
    }
    r = 0;
    do {
        r = o.by_step ? squeue_steps(&o) : once(&o);
        if (o.every_s && r == 0) {
            struct td_buf blank = {0};
            td_buf_putc(&blank, '\n');
            say_out(&blank);
            td_buf_release(&blank);
            sleep(o.every_s);
        }
    } while (o.every_s && r == 0);
    td_vec_release(&o.steps);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command squeue_command = {
    .name = "squeue",
    .synopsis = "[OPTIONS]",
    .summary = "show the jobs in the queue",
    .about = "squeue shows jobs that wait, run or are being ended. Without -t, jobs that are over are left out.\n"
             "With -s it shows their steps and scripts, ordered by their numbers.\n"
             "The default order is by partition, then state, then priority: waiting jobs stand above running ones.\n"
             "Why a job waits is one word here; tender explain JOB tells it in sentences.\n"
             "Every letter of -o and every name of -O that is not known is named on standard error.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
