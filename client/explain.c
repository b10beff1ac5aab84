/* explain.c - tender explain: why jobs wait, run, or ended as they did, in sentences or as JSON */
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "render/explain.h"
#include "say.h"

struct explain {
    const char *dir, *name;
    bool json;
    TD_VEC(struct td_job_sel) ids;
    uint32_t unknown; /* so many were named that nobody knows */
    uint32_t shown;
};

#define AT(field) offsetof(struct explain, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "the same facts as JSON", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

static void put_one(struct explain *o, const struct td_explain_info *info, int64_t now_ms, struct td_buf *out)
{
    if (o->json) {
        td_buf_puts(out, o->shown ? ",\n  " : "\n  ");
        explain_json(out, info);
    } else {
        td_buf_puts(out, o->shown ? "\n" : "");
        explain_text(out, &(struct explain_row){.info = info, .now_ms = now_ms, .fd = STDOUT_FILENO});
    }
    o->shown++;
}

/* The broker's core no longer knows it: it may be over for long, and in the history. */
static int from_history(struct explain *o, struct client *c, const struct td_job_error *e, struct td_buf *out, struct td_error *err)
{
    static const char *const all[] = {"all"};
    struct td_job_sel id = {0};
    struct td_query_jobs q = {.filter.states = {.v = all, .n = 1}, .history = true, .all = true};
    struct client_jobs jobs = {0};
    int r = client_sel_parse(&c->arena, td_str_empty(e->name) ? "" : e->name, &id, err);

    if (r == 0) {
        q.filter.ids = (struct td_job_sel_list){.v = &id, .n = 1};
        r = client_jobs(c, &q, &jobs, err);
    }
    for (uint32_t i = 0; i < jobs.rows.n && r == 0; i++)
        put_one(o, &(struct td_explain_info){.job = *jobs.rows.v[i]}, jobs.now_ms, out);
    if (r == 0 && jobs.rows.n == 0) {
        say_error("%s: %s", td_error_words(TD_E_INVALID_JOB), e->name ? e->name : "?");
        o->unknown++;
    }
    td_vec_release(&jobs.rows);
    return r;
}

static int ask(struct explain *o, struct client *c, uint32_t from, struct td_buf *out, struct td_error *err)
{
    const struct td_query_explain q = {.ids = {o->ids.v + from, TD_MIN(o->ids.n - from, (uint32_t)TD_MAX_EXPLAIN_JOBS)}};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_EXPLAIN, &q, TD_MSG_EXPLAINED, &body, err);
    const struct td_explained *m = body;

    for (uint32_t i = 0; r == 0 && i < m->rows.n; i++)
        put_one(o, &m->rows.v[i], m->now_ms, out);
    for (uint32_t i = 0; r == 0 && i < m->errors.n; i++)
        r = from_history(o, c, &m->errors.v[i], out, err);
    if (r == 0 && m->left_out)
        say_warning("%u more jobs are left out: name fewer at a time (%d are explained in one answer)", m->left_out,
                    TD_MAX_EXPLAIN_JOBS);
    return r;
}

static int show(struct explain *o, struct td_error *err)
{
    struct client c = {0};
    struct cluster local = {0};
    struct td_buf out = {0};
    int r = cluster_select(o->dir, o->name, &local, err);

    if (r == 0)
        r = client_open(&c, err);
    if (r == 0 && o->json)
        td_buf_puts(&out, "{\"jobs\":[");
    for (uint32_t i = 0; r == 0 && i < o->ids.n; i += TD_MAX_EXPLAIN_JOBS)
        r = ask(o, &c, i, &out, err);
    if (r == 0 && o->json)
        td_buf_puts(&out, "\n]}\n");
    if (r == 0)
        say_out(&out);
    td_buf_release(&out);
    client_close(&c);
    return r;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct explain o = {0};
    struct option_parse p = {.cmd = &explain_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    struct td_buf tmp = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && !p.words.n)
        r = td_fail(&err, TD_E_USAGE, "which job? tender explain JOB...");
    for (uint32_t i = 0; r == 0 && i < p.words.n; i++) {
        struct td_job_sel id = {0};
        r = client_sel_parse(&arena, p.words.v[i], &id, &err);
        td_vec_push(&o.ids, id);
    }
    if (r == 0)
        r = show(&o, &err);
    if (r < 0)
        say_error("%s", say_words(&err, &tmp));
    td_buf_release(&tmp);
    td_vec_release(&o.ids);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 || o.unknown ? 1 : 0;
}

const struct command explain_command = {
    .name = "tender explain",
    .synopsis = "[--json] JOB...",
    .summary = "tell why a job waits, where it runs, or how it ended",
    .about = "Of a job that waits: why; which jobs are before it, and for what; what each class of nodes is short of, or why it\n"
             "refuses; who holds that, and until when by his limit; by when it will start: what it is promised, what the plan says,\n"
             "and what that rests on; the rule of the policy in force; and, for one job of one's own, which changes would start it\n"
             "earlier. Such changes are tried on the plan as it is, never guessed, and nothing is changed by that.\n"
             "\n"
             "Of a job that runs: where, since when and until when. Of one that is over: how it ended, and by whom.\n"
             "\n"
             "JOB is 12, 12_3 or 12_[1-3]. The exit status is 1 where one of them is not there. A job that one may not see is as one\n"
             "that is not there, and is not named in what is said of others.\n"
             "\n"
             "The broker answers: what nodes refused and what the plan keeps for whom is known nowhere else. squeue shows the reason in\n"
             "one word, scontrol show job with the times; sbatch --quote asks before there is a job.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
