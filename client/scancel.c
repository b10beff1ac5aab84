/* scancel.c - end or signal jobs */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pwd.h>
#include <unistd.h>

#include "commands.h"
#include "connect.h"
#include "render/job.h"
#include "say.h"
#include "scancel.h"

#define PATIENCE_S 120 /* with --wait: longer than KillWait and a node's lease */

struct scancel {
    bool batch, full, interactive, me, quiet, wait;
    uint32_t verbose, signal, patience_s;
    struct td_job_filter filter;
    bool filtered; /* something besides ids was given */
    struct scancel_step *steps;
    uint32_t nsteps;
};

struct signal_name {
    const char *name;
    int number;
};
static const struct signal_name signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ABRT", SIGABRT}, {"KILL", SIGKILL}, {"ALRM", SIGALRM},
    {"TERM", SIGTERM}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"URG", SIGURG},   {"CONT", SIGCONT}, {"STOP", SIGSTOP},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"PIPE", SIGPIPE}, {"XCPU", SIGXCPU}, {"WINCH", SIGWINCH},
};

static int take_signal(struct option_parse *p, const struct option *o TD_UNUSED, const char *value, struct td_error *err)
{
    struct scancel *s = p->target;
    const char *name = strncasecmp(value, "SIG", 3) == 0 ? value + 3 : value;
    uint64_t n;

    if (td_parse_u64(value, &n) && n > 0 && n <= 64) {
        s->signal = (uint32_t)n;
        return 0;
    }
    for (size_t i = 0; i < TD_ARRAY_LEN(signals); i++) {
        if (td_str_casecmp(signals[i].name, name) == 0) {
            s->signal = (uint32_t)signals[i].number;
            return 0;
        }
    }
    return td_fail(err, TD_E_INVALID_REQUEST, "Unknown job signal: %s", value);
}

static int take_states(struct option_parse *p, const struct option *o, const char *value, struct td_error *err)
{
    struct td_strs words = str_list(p->arena, value);

    for (uint32_t i = 0; i < words.n; i++) {
        uint32_t state, outcome;
        if (!td_job_state_parse(words.v[i], &state, &outcome) || state == TD_JOB_DONE)
            return td_fail(err, TD_E_INVALID_STATE,
                           "Invalid job state specified: %s (valid: PENDING, CONFIGURING, RUNNING, COMPLETING)",
                           words.v[i]);
    }
    return opt_list(p, o, value, err);
}

#define AT(field) offsetof(struct scancel, field)
static const struct option options[] = {
    {"account", 'A', "NAMES", opt_list, AT(filter.accounts), "jobs of these accounts", "SCANCEL_ACCOUNT", false},
    {"batch", 'b', NULL, opt_flag, AT(batch), "signal the batch script's shell alone (without: the steps of srun, not the script)", "SCANCEL_BATCH", false},
    {"clusters", 'M', "NAMES", opt_refuse, 0, "a command speaks to one cluster, the one SLURM_CONF names", NULL, false},
    {"ctld", 0, NULL, opt_warn, 0, "requests go through the broker anyway", NULL, false},
    {"full", 'f', NULL, opt_flag, AT(full), "signal the steps, the batch script and all that it started", "SCANCEL_FULL", false},
    {"hurry", 'H', NULL, opt_warn, 0, "there is no burst buffer to stage out", NULL, false},
    {"interactive", 'i', NULL, opt_flag, AT(interactive), "ask before each job", "SCANCEL_INTERACTIVE", false},
    {"jobname", 'n', "NAMES", opt_list, AT(filter.names), "jobs of these names", "SCANCEL_NAME", false},
    {"name", 0, "NAMES", opt_list, AT(filter.names), "", NULL, true},
    {"me", 0, NULL, opt_flag, AT(me), "my own jobs", NULL, false},
    {"nodelist", 'w', "NODES", opt_str, AT(filter.nodes), "jobs on any of these nodes", NULL, false},
    {"partition", 'p', "NAMES", opt_list, AT(filter.partitions), "jobs of these partitions", "SCANCEL_PARTITION", false},
    {"patience", 0, "SECONDS", opt_u32, AT(patience_s), "with --wait: give up when nothing has ended for so long (120)", NULL, false},
    {"qos", 'q', "NAMES", opt_list, AT(filter.qos), "jobs of these QOS", "SCANCEL_QOS", false},
    {"quiet", 'Q', NULL, opt_flag, AT(quiet), "no word about jobs that are over", NULL, false},
    {"reservation", 'R', "NAMES", opt_list, AT(filter.reservations), "jobs of these reservations", NULL, false},
    {"sibling", 0, "NAME", opt_refuse, 0, "there are no federations", NULL, false},
    {"signal", 's', "SIGNAL", take_signal, 0, "send this signal (name or number) instead of ending", NULL, false},
    {"state", 't', "STATES", take_states, AT(filter.states), "jobs in these states", "SCANCEL_STATE", false},
    {"states", 0, "STATES", take_states, AT(filter.states), "", NULL, true},
    {"user", 'u', "NAMES", opt_list, AT(filter.users), "jobs of these users", "SCANCEL_USER", false},
    {"users", 0, "NAMES", opt_list, AT(filter.users), "", NULL, true},
    {"verbose", 'v', NULL, opt_count, AT(verbose), "tell what is done", "SCANCEL_VERBOSE", false},
    {"wait", 0, NULL, opt_flag, AT(wait), "return when the jobs are over", NULL, false},
    {"wckey", 0, "NAMES", opt_list, AT(filter.wckeys), "jobs of these workload keys", "SCANCEL_WCKEY", false},
    OPTIONS_HELP,
    {0},
};

static int check_users(const struct td_strs *users, struct td_error *err)
{
    for (uint32_t i = 0; i < users->n; i++) {
        uint64_t uid;
        if (!td_parse_u64(users->v[i], &uid) && !getpwnam(users->v[i]))
            return td_fail(err, TD_E_INVALID_REQUEST, "Invalid user name: %s", users->v[i]);
    }
    return 0;
}

/* "12" and "12_3" are jobs; "12.0" is a step. */
static int gather_ids(struct scancel *s, struct option_parse *p, struct td_error *err)
{
    struct td_job_sel *ids = td_arena_alloc(p->arena, (p->words.n + 1) * sizeof(*ids));
    uint32_t n = 0;
    int r = 0;

    s->steps = td_arena_alloc(p->arena, (p->words.n + 1) * sizeof(*s->steps));
    for (uint32_t i = 0; r == 0 && i < p->words.n; i++) {
        if (strchr(p->words.v[i], '.'))
            r = scancel_step_parse(p->words.v[i], &s->steps[s->nsteps++], err);
        else
            r = client_sel_parse(p->arena, p->words.v[i], &ids[n++], err);
    }
    s->filter.ids = (struct td_job_sel_list){.v = ids, .n = n};
    if (r == 0 && s->nsteps && (s->filtered || s->wait || s->batch || s->full))
        return td_fail(err, TD_E_USAGE, "%s is a step: it is named alone, without what chooses jobs, --wait, --batch and --full",
                       s->steps[0].name);
    return r;
}

static int gather(struct scancel *s, struct option_parse *p, struct td_error *err)
{
    struct td_job_filter *f = &s->filter;

    s->filtered = s->me || f->users.n || f->partitions.n || f->names.n || f->states.n || f->accounts.n || f->qos.n ||
                  f->wckeys.n || f->reservations.n || !td_str_empty(f->nodes);
    if (s->wait && (s->signal || s->batch))
        return td_fail(err, TD_E_USAGE, "--wait does not go with %s: a signal need not end a job", s->signal ? "--signal" : "--batch");
    if (s->patience_s && !s->wait)
        return td_fail(err, TD_E_USAGE, "--patience is for --wait");
    if (!p->words.n && !s->filtered)
        return td_fail(err, TD_E_USAGE, "No job identification provided");
    int r = gather_ids(s, p, err);
    if (r < 0)
        return r;
    if (s->me) {
        char *uid = td_arena_alloc(p->arena, 16);
        const char **v = td_arena_alloc(p->arena, sizeof(*v));
        td_format(uid, 16, "%u", (uint32_t)getuid());
        v[0] = uid;
        f->users = (struct td_strs){.v = v, .n = 1};
        return 0;
    }
    return check_users(&f->users, err);
}

/* -i: the jobs the filter finds, each agreed to at the terminal, become the ids of the request. */
static int ask(struct scancel *s, struct client *c, struct td_error *err)
{
    struct td_query_jobs q = {.filter = s->filter, .all = true};
    struct client_jobs jobs = {0};
    int r = client_jobs(c, &q, &jobs, err);

    if (r < 0)
        return r;
    struct td_job_sel *ids = td_arena_alloc(&c->arena, (jobs.rows.n + 1) * sizeof(*ids));
    uint32_t n = 0;
    for (uint32_t i = 0; i < jobs.rows.n; i++) {
        const struct td_job_info *j = jobs.rows.v[i];
        struct td_buf id = {0};
        char answer[16] = "";
        job_put_id(&id, j);
        fprintf(stderr, "Cancel job_id=%s name=%s partition=%s [y/n]? ", td_buf_str(&id), j->spec.name ? j->spec.name : "",
                j->partition ? j->partition : "");
        td_buf_release(&id);
        if (fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
            ids[n++] = (struct td_job_sel){.job = j->job};
    }
    td_vec_release(&jobs.rows);
    s->filter = (struct td_job_filter){.ids = {.v = ids, .n = n}};
    return 0;
}

/* What the broker could not do: over already is no fault, refused is a failure. One that nobody knows is said; it is ended, in
 * any case, and only a signal for it is a failure (so Slurm 22.05). */
static int tell(const struct scancel *s, const struct td_done *done)
{
    int r = 0;

    for (uint32_t i = 0; i < done->errors.n; i++) {
        const struct td_job_error *e = &done->errors.v[i];
        struct td_error err = {.code = (int)e->code};
        struct td_buf tmp = {0}, id = {0};
        td_format(err.text, sizeof(err.text), "%s", e->text ? e->text : "");
        if (td_str_empty(e->name))
            td_buf_putf(&id, "%u", e->job);
        else
            td_buf_puts(&id, e->name);
        bool over = err.code == TD_E_ALREADY_DONE;
        if (over ? s->verbose && !s->quiet : !(s->quiet && err.code == TD_E_INVALID_JOB))
            say_error("Kill job error on job id %s: %s", td_buf_str(&id), say_words(&err, &tmp));
        if (!over && (err.code != TD_E_INVALID_JOB || (s->signal && s->signal != SIGKILL)))
            r = 1;
        td_buf_release(&tmp);
        td_buf_release(&id);
    }
    return r;
}

static int cancel_jobs(struct scancel *s, struct client *c, struct td_error *err)
{
    struct scancel_wait w = {0};
    void *body = NULL;
    int r = s->interactive ? ask(s, c, err) : 0;

    if (r == 0 && s->interactive && !s->filter.ids.n)
        return 0;
    if (r == 0 && s->wait)
        r = scancel_wait_begin(c, &s->filter, &w, err);
    if (r == 0) {
        struct td_cancel m = {
            .filter = s->filter, .signal = s->signal, .batch_only = s->batch && !s->full, .full = s->full};
        r = client_ask(c, TD_MSG_CANCEL, &m, TD_MSG_DONE, &body, err);
    }
    if (r == 0) {
        int told = tell(s, body);
        r = s->wait ? scancel_wait(c, &w, body, s->patience_s ? s->patience_s : PATIENCE_S, err) : 0;
        r = r < 0 ? r : TD_MAX(r, told);
    }
    scancel_wait_release(&w);
    return r;
}

static int cancel(struct scancel *s, struct option_parse *p, struct td_error *err)
{
    struct client c = {0};
    int r = client_open(&c, err);

    for (uint32_t i = 0; r == 0 && s->verbose && i < p->words.n; i++)
        if (!strchr(p->words.v[i], '.'))
            s->signal ? say_note("Signal %u to job %s", s->signal, p->words.v[i]) : say_note("Terminating job %s", p->words.v[i]);
    if (r == 0 && (s->filter.ids.n || s->filtered))
        r = cancel_jobs(s, &c, err);
    if (r >= 0 && s->nsteps) {
        const struct scancel_how how = {
            .signal = s->signal, .verbose = s->verbose, .interactive = s->interactive, .quiet = s->quiet};
        int steps = scancel_steps(&c, s->steps, s->nsteps, &how, err);
        r = steps < 0 ? steps : TD_MAX(r, steps);
    }
    client_close(&c);
    return r;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct scancel s = {0};
    struct option_parse p = {.cmd = &scancel_command, .target = &s, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse_env(&p, &err);

    if (r == 0)
        r = option_parse(&p, argc, argv, &err);
    if (r == 0)
        r = gather(&s, &p, &err);
    if (r < 0) {
        say_error("%s", err.text);
        if (err.code == TD_E_USAGE)
            say_plain("Try \"scancel --help\" for more information");
        r = 1;
    } else {
        r = cancel(&s, &p, &err);
        if (r < 0) {
            struct td_buf tmp = {0};
            say_error("%s", say_words(&err, &tmp));
            td_buf_release(&tmp);
            r = 1;
        }
    }
    option_parse_release(&p);
    td_arena_release(&arena);
    return r;
}

const struct command scancel_command = {
    .name = "scancel",
    .synopsis = "[OPTIONS] [JOB_ID[_TASK][.STEP]...]",
    .summary = "end or signal jobs and steps",
    .about = "scancel ends the jobs named and those that match every filter given. An id may be a job (12), an array\n"
             "(12), one of its tasks (12_3) or several (12_[1-3,7]), or a step (12.0), which then ends alone. What is over\n"
             "already is no error, nor, as with Slurm, a job to be ended that nobody knows; it is said.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
