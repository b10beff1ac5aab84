/* sbatch.c - a batch script to the queue
 *
 * Reads the command line once to find the script, then puts the request together in the order of rights (submit.h),
 * sends it with a random key, so that a repeat after a lost answer gets the first answer, and prints the number. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "connect.h"
#include "render/explain.h"
#include "render/value.h"
#include "say.h"
#include "submit.h"
#include "watch.h"

#define WATCH_WHILE_MS 5000   /* looked at without news all the same */
#define NEWS_TOGETHER_MS 20   /* of an array, news come in crowds */

extern char **environ;

/* A message of several lines, each behind "sbatch: error: ". */
static void say_lines(const char *text)
{
    td_autofree char *copy = td_strdup(text);
    char *save = NULL;

    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        say_error("%s", line);
}

/* Slurm's words of the error come first, and once. */
static void at_line(struct td_error *err, const struct td_error *why, const char *name, uint32_t line)
{
    const char *words = td_error_words(why->code);
    size_t n = strlen(words);

    if (td_str_prefix(why->text, words))
        td_fail(err, why->code, "%s: %s: line %u%s", words, name, line, why->text + n);
    else
        td_fail(err, why->code, "%s: line %u: %s", name, line, why->text);
}

int submit_directives(struct submit *s, const struct script *script, struct td_error *err)
{
    struct directives d = {.script = script};
    char **argv, origin[64];
    int argc, r;

    while ((r = directives_next(&d, s->arena, &argv, &argc, err)) > 0) {
        struct option_parse p = {
            .cmd = &sbatch_command, .target = s, .arena = s->arena, .origin = origin, .by_program = s->by_program};
        struct td_error why = {0};
        td_format(origin, sizeof(origin), "line %u: ", d.line);
        if (argc == 2 && (strcmp(argv[1], "hetjob") == 0 || strcmp(argv[1], "packjob") == 0))
            return td_fail(err, TD_E_NOT_SUPPORTED, "%s: line %u: heterogeneous jobs are not supported yet", script->name,
                           d.line);
        r = option_parse(&p, argc, argv, &why);
        if (r < 0)
            at_line(err, &why, script->name, d.line);
        else if (p.words.n)
            r = td_fail(err, TD_E_USAGE, "Invalid directive found in batch script: %s (%s, line %u)", p.words.v[0],
                        script->name, d.line);
        option_parse_release(&p);
        if (r < 0)
            return r;
    }
    if (r == 0 && script_has_pbs(script) && !memmem(script->text, script->len, "\n#SBATCH", 8))
        say_warning("%s has #PBS lines and no #SBATCH line: #PBS lines are not read", script->name);
    return r;
}

/* Where the job works, and the name of its script as a path that means the same everywhere. */
static int settle_paths(struct submit *s, const char *script_path, const char *cwd, struct td_error *err)
{
    struct td_buf b = {0};
    char *real;

    if (!s->chdir)
        s->spec.work_dir = td_arena_strdup(s->arena, cwd);
    else if (s->chdir[0] == '/')
        s->spec.work_dir = s->chdir;
    else {
        td_buf_putf(&b, "%s/%s", cwd, s->chdir);
        real = realpath(td_buf_str(&b), NULL);
        s->spec.work_dir = td_arena_strdup(s->arena, real ? real : td_buf_str(&b));
        free(real);
    }
    if (strlen(s->spec.work_dir) > TD_MAX_PATH_BYTES) {
        td_buf_release(&b);
        return td_fail(err, TD_E_TOO_BIG, "--chdir is longer than %d bytes", TD_MAX_PATH_BYTES);
    }
    if (script_path) {
        real = realpath(script_path, NULL);
        s->spec.command = td_arena_strdup(s->arena, real ? real : script_path);
        free(real);
    }
    td_buf_release(&b);
    return 0;
}

static int check_lengths(const struct submit *s, struct td_error *err)
{
    const struct {
        const char *option, *value;
        size_t max;
    } texts[] = {
        {"job-name", s->spec.name, TD_MAX_NAME_BYTES},     {"account", s->spec.account, TD_MAX_NAME_BYTES},
        {"qos", s->spec.qos, TD_MAX_NAME_BYTES},           {"comment", s->spec.comment, TD_MAX_TEXT_BYTES},
        {"wckey", s->spec.wckey, TD_MAX_NAME_BYTES},       {"reservation", s->spec.reservation, TD_MAX_NAME_BYTES},
        {"input", s->spec.std_in, TD_MAX_PATH_BYTES},      {"output", s->spec.std_out, TD_MAX_PATH_BYTES},
        {"error", s->spec.std_err, TD_MAX_PATH_BYTES},     {"mail-user", s->spec.mail_user, TD_MAX_NAME_BYTES},
        {"mail-type", s->spec.mail_type, TD_MAX_NAME_BYTES}, {"partition", s->need.partition, TD_MAX_TEXT_BYTES},
        {"constraint", s->need.features, TD_MAX_TEXT_BYTES}, {"licenses", s->spec.licenses, TD_MAX_TEXT_BYTES},
        {"dependency", s->spec.dependency, TD_MAX_EXPR_BYTES}, {"array", s->spec.array, TD_MAX_EXPR_BYTES},
        {"nodelist", s->need.req_nodes, TD_MAX_EXPR_BYTES}, {"exclude", s->need.exc_nodes, TD_MAX_EXPR_BYTES},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(texts); i++)
        if (texts[i].value && strlen(texts[i].value) > texts[i].max)
            return td_fail(err, TD_E_TOO_BIG, "--%s is longer than %u bytes", texts[i].option, (uint32_t)texts[i].max);
    if (s->spec.argv.n > TD_MAX_ARGS)
        return td_fail(err, TD_E_TOO_BIG, "more than %d arguments for the script", TD_MAX_ARGS);
    return 0;
}

static void settle_name(struct submit *s, const char *script_path)
{
    const char *slash = script_path ? strrchr(script_path, '/') : NULL;

    if (td_str_empty(s->spec.name))
        s->spec.name = s->wrap ? "wrap" : script_path ? (slash ? slash + 1 : script_path) : "sbatch";
}

static const char *random_key(struct td_arena *a)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t raw[16];
    char *key = td_arena_alloc(a, 2 * sizeof(raw) + 1);

    if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
        return NULL; /* a repeat cannot be told then; the broker takes a submission without a key */
    for (size_t i = 0; i < sizeof(raw); i++) {
        key[2 * i] = hex[raw[i] >> 4];
        key[2 * i + 1] = hex[raw[i] & 15];
    }
    return key;
}

/* Asking umask() means changing it, which other threads of somebody's program must not see. */
static mode_t umask_now(bool by_program)
{
    mode_t mask = 022;
    char line[256];
    unsigned n;

    if (!by_program) {
        mask = umask(0);
        umask(mask);
        return mask;
    }
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "Umask: %o", &n) == 1)
            mask = (mode_t)n;
    if (f)
        fclose(f);
    return mask;
}

/* Everything that sbatch knows by itself. */
int submit_settle(struct submit *s, const char *script_path, char *const *environment, struct td_buf *env, struct td_error *err)
{
    char *cwd = td_arena_alloc(s->arena, TD_MAX_PATH_BYTES + 1), *host = td_arena_alloc(s->arena, 256);
    const char *home = getenv("HOME");
    struct td_job_need *need = td_arena_alloc(s->arena, sizeof(*need));
    int r;

    if (!getcwd(cwd, TD_MAX_PATH_BYTES))
        return td_fail(err, TD_E_IO, "cannot tell the working directory: %s", strerror(errno));
    if (gethostname(host, 255) < 0)
        return td_fail(err, TD_E_IO, "cannot tell the host's name: %s", strerror(errno));
    r = settle_paths(s, script_path, cwd, err);
    settle_name(s, script_path);
    s->spec.submit_host = host;
    s->spec.umask = (uint32_t)umask_now(s->by_program) & 0777;
    s->spec.home = home ? home : "";
    submit_rlimits(s, &s->spec.rlimits);
    if (r == 0)
        r = check_lengths(s, err);
    if (r == 0)
        r = environ_make(s, environment, cwd, host, env, err);
    *need = s->need;
    s->spec.needs = (struct td_job_need_list){.v = need, .n = 1};
    return r;
}

/* Is there a task that is not over yet? The front knows by itself, and the answer is short: tasks that wait are one row. */
static int is_going_on(struct client *c, uint32_t job, struct td_error *err)
{
    struct td_job_sel id = {.job = job};
    struct td_query_jobs q = {.filter = {.ids = {.v = &id, .n = 1}}, .all = true};
    struct client_jobs jobs = {0};
    int r = client_jobs(c, &q, &jobs, err);
    bool any = jobs.rows.n > 0;

    td_vec_release(&jobs.rows);
    td_arena_reset(&c->arena);
    return r < 0 ? r : any;
}

/* Every task over: 1 and the worst exit status; some not: 0. That of tasks long over is in the history, for which the front
 * asks the broker: only when none is going on. */
static int is_over(struct client *c, uint32_t job, int *ret_status, struct td_error *err)
{
    static const char *const all[] = {"all"};
    struct td_job_sel id = {.job = job};
    struct td_query_jobs q = {
        .filter = {.ids = {.v = &id, .n = 1}, .states = {.v = all, .n = 1}}, .history = true, .all = true};
    struct client_jobs jobs = {0};

    *ret_status = 0;
    int r = is_going_on(c, job, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = client_jobs(c, &q, &jobs, err);
    bool over = jobs.rows.n > 0;
    for (uint32_t i = 0; i < jobs.rows.n; i++) {
        const struct td_job_info *j = jobs.rows.v[i];
        int code = j->exit_code ? (int)j->exit_code : j->outcome == TD_OUTCOME_COMPLETED ? 0 : 1;
        over &= j->state == TD_JOB_DONE;
        *ret_status = TD_MAX(*ret_status, code);
    }
    td_vec_release(&jobs.rows);
    td_arena_reset(&c->arena);
    return r < 0 ? r : over;
}

/* Until something happens to the job, or a while goes by: where no front tells, that is how it is learnt. */
static int next_news(struct watch *w, bool told, int while_ms, struct td_error *err)
{
    const struct td_events *m = NULL;
    enum watch_got got = WATCH_TIME;
    int r = 0;

    if (!told)
        return poll(NULL, 0, while_ms) < 0 && errno != EINTR ? td_fail(err, TD_E_IO, "waiting: %s", strerror(errno)) : 0;
    do {
        r = watch_next(w, WATCH_WHILE_MS, -1, &got, &m, err);
    } while (r == 0 && got == WATCH_FRAME && !m->notes.n && !m->resync);
    return r < 0 ? r : got != WATCH_TIME && poll(NULL, 0, NEWS_TOGETHER_MS) < 0 && errno != EINTR ? -TD_E_IO : 0;
}

/* Returns the exit status. The job is not away when the broker is. */
static int wait_for_end(struct client *c, uint32_t job, uint64_t since, struct td_error *err)
{
    const struct td_subscribe what = {.since = since, .jobs = {&job, 1}};
    struct watch w = {0};
    struct td_error why = {0};
    bool told = watch_open(&w, &what, &why) == 0;
    int ms = 20, r = 0, status = 0;

    for (;;) {
        r = is_over(c, job, &status, err);
        if (r > 0 || (r < 0 && err->code != TD_E_UNREACHABLE && err->code != TD_E_TIMED_OUT))
            break;
        bool lost = r < 0;
        *err = (struct td_error){0};
        told = told && next_news(&w, true, ms, &why) == 0;
        if (!told || lost)
            next_news(&w, false, ms, &why);
        ms = TD_MIN(ms * 2, 1000);
        if (lost)
            client_reopen(c, &why);
    }
    watch_close(&w);
    return r < 0 ? r : status;
}

struct td_submit submit_message(struct submit *s, const struct script *script, const struct td_buf *env)
{
    return (struct td_submit){
        .spec = s->spec,
        .script = {.v = (const uint8_t *)script->text, .n = (uint32_t)script->len},
        .env = {.v = env->data, .n = (uint32_t)env->len},
        .client_key = random_key(s->arena),
        .test_only = s->test_only || s->quote,
        .quote = s->quote,
    };
}

/* Tender's own. */
static void tell_likely(const struct td_submitted *would)
{
    struct td_buf at = {0}, from = {0}, to = {0};

    put_moment(&at, would->likely_ms, "");
    put_moment(&from, would->likely_from_ms, "");
    put_moment(&to, would->likely_to_ms, "");
    if (would->likely_ms)
        say_note("It would likely start at %s; four of five jobs alike start between %s and %s", td_buf_str(&at), td_buf_str(&from),
                 td_buf_str(&to));
    td_buf_release(&at);
    td_buf_release(&from);
    td_buf_release(&to);
}

/* Slurm's sentence. */
static void tell_start(const struct td_submitted *would)
{
    struct td_buf at = {0};

    put_moment(&at, would->start_ms, "");
    if (would->start_ms)
        say_note("Job %u to start at %s using %u processors on nodes %s in partition %s", would->job, td_buf_str(&at), would->cpus,
                 would->nodes ? would->nodes : "", would->partition ? would->partition : "");
    else
        say_note("Job %u could run here; when it would start cannot be foretold (what it needs is held without a time limit, or "
                 "too many wait before it)", would->job);
    td_buf_release(&at);
    tell_likely(would);
}

/* What no pass of the planner knows of. */
static void tell_what_is_not_reckoned(const struct td_job_spec *s)
{
    if (!td_str_empty(s->array))
        say_note("the starts are of the array's first task");
    if (s->hold)
        say_note("the starts are as if it were released at once (--hold)");
    if (!td_str_empty(s->dependency))
        say_note("the starts are as if what it waits for had happened (--dependency)");
}

/* A broker of before quotes answers as to --test-only. */
static int tell_quote(const struct submit *s, const struct td_submitted *would, struct td_buf *out, struct td_error *err)
{
    if (!would->forms.n)
        return td_fail(err, TD_E_NOT_SUPPORTED, "the broker is of an earlier version and knows no quotes: try --test-only");
    tell_what_is_not_reckoned(&s->spec);
    if (s->json)
        quote_json(out, &would->forms);
    else
        quote_text(out, &would->forms, would->now_ms, STDOUT_FILENO);
    return 0;
}

static int send_it(struct submit *s, const struct script *script, const struct td_buf *env, struct td_error *err)
{
    struct client c = {0};
    struct td_submit m = submit_message(s, script, env);
    void *body = NULL;
    struct td_buf out = {0};
    int r = client_open(&c, err);

    if (r == 0)
        r = client_ask(&c, TD_MSG_SUBMIT, &m, TD_MSG_SUBMITTED, &body, err);
    if (r < 0) {
        client_close(&c);
        return r;
    }
    const struct td_submitted *done = body;
    for (uint32_t i = 0; i < done->warnings.n; i++)
        say_warning("%s", done->warnings.v[i]);
    if (s->quote)
        r = tell_quote(s, done, &out, err);
    else if (s->test_only)
        tell_start(done);
    else if (s->parsable)
        td_buf_putf(&out, "%u\n", done->job);
    else if (!s->quiet)
        td_buf_putf(&out, "Submitted batch job %u\n", done->job);
    say_out(&out);
    if (s->wait && !s->test_only && !s->quote)
        r = wait_for_end(&c, done->job, done->seq, err);
    td_buf_release(&out);
    client_close(&c);
    return r;
}

static void tell_request(const struct submit *s)
{
    struct td_buf b = {0};

    td_wire_json(&b, &td_rec_job_spec, &s->spec, TD_SEE_OWNER);
    say_note("request: %s", td_buf_str(&b));
    td_buf_release(&b);
}

/* The command line, to find the script; then the request in the order of rights. */
int submit_gather(struct submit *s, int argc, char **argv, struct script *script, const char **ret_path, struct td_error *err)
{
    bool given = script->text;
    struct submit scratch = {.arena = s->arena};
    struct option_parse first = {.cmd = &sbatch_command, .target = &scratch, .arena = s->arena, .posix = true, .quiet = true,
                                 .by_program = s->by_program};
    struct option_parse p = {.cmd = &sbatch_command, .target = s, .arena = s->arena, .posix = true, .by_program = s->by_program};
    const char *path = NULL;
    uint32_t skip = given ? 0 : 1; /* of the words: the script's name */
    int r = option_parse(&first, argc, argv, err);

    say_quiet = scratch.quiet && !s->by_program;
    if (r == 0 && scratch.wrap && given)
        r = td_fail(err, TD_E_INVALID_REQUEST, "--wrap, and a script too");
    if (r == 0 && scratch.wrap && first.words.n)
        r = td_fail(err, TD_E_INVALID_REQUEST, "Script arguments not permitted with --wrap option");
    if (r == 0 && scratch.wrap) {
        script_wrap(scratch.wrap, script);
    } else if (r == 0 && !given) {
        path = first.words.n && strcmp(first.words.v[0], "-") != 0 ? first.words.v[0] : NULL;
        if (!path && s->by_program)
            r = td_fail(err, TD_E_NO_SCRIPT, "no script: give its text, name its file, or say --wrap");
        else
            r = script_read(path, script, err);
    }
    if (r == 0)
        r = script_check(script, err);
    if (r == 0)
        r = submit_directives(s, script, err);
    s->mem_by = NULL; /* each layer may choose anew between --mem and its siblings */
    if (r == 0 && !s->by_program)
        r = option_parse_env(&p, err);
    s->mem_by = NULL;
    if (r == 0)
        r = option_parse(&p, argc, argv, err);
    if (r == 0 && p.words.n > skip)
        s->spec.argv = (struct td_strs){.v = td_arena_dup(s->arena, p.words.v + skip, (p.words.n - skip) * sizeof(char *)),
                                        .n = p.words.n - skip};
    if (r == 0 && s->by_program && (s->quote || s->json))
        r = td_fail(err, TD_E_NOT_SUPPORTED, "--quote prints a table: sbatch does that");
    *ret_path = path;
    option_parse_release(&first);
    option_parse_release(&p);
    return r;
}

/* It queues nothing: what speaks of a job in the queue does not go with it. */
static int check_quote(const struct submit *s, struct td_error *err)
{
    if (s->json && !s->quote)
        return td_fail(err, TD_E_USAGE, "--json is for --quote");
    if (s->quote && (s->wait || s->parsable))
        return td_fail(err, TD_E_USAGE, "--quote queues nothing: it does not go with %s", s->wait ? "--wait" : "--parsable");
    return 0;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct submit s = {.arena = &arena};
    struct script script = {0};
    struct td_buf env = {0};
    struct td_error err = {0};
    const char *path = NULL;
    bool sent = false;
    int r = submit_gather(&s, argc, argv, &script, &path, &err);

    if (r == 0)
        r = check_quote(&s, &err);
    if (r == 0)
        r = submit_settle(&s, path, environ, &env, &err);
    if (r == 0) {
        if (s.verbose)
            tell_request(&s);
        sent = true;
        r = send_it(&s, &script, &env, &err);
    }
    if (r < 0 && (sent || err.code == TD_E_INVALID_ARRAY || err.code == TD_E_DEPENDENCY)) /* Slurm's controller says these */
        say_failure("Batch job submission failed", &err);
    else if (r < 0)
        say_lines(err.text);
    if (err.code == TD_E_USAGE)
        say_plain("Try \"sbatch --help\" for more information");
    script_release(&script);
    td_buf_release(&env);
    td_arena_release(&arena);
    if (r >= 0)
        return r;
    const char *exit_error = getenv("SLURM_EXIT_ERROR");
    uint64_t code;
    if (exit_error && td_parse_u64(exit_error, &code) && code < 256)
        return (int)code;
    return err.code == TD_E_USAGE ? sbatch_command.usage_exit : 1;
}

const struct command sbatch_command = {
    .name = "sbatch",
    .synopsis = "[OPTIONS] [SCRIPT [ARGUMENTS...]]",
    .summary = "put a batch script into the queue",
    .about = "sbatch queues a script and prints the number of the job. The script comes from a file, from standard\n"
             "input, or from --wrap. Options are taken from its #SBATCH lines (up to the first command), over them from\n"
             "SBATCH_ variables, over them from the command line. What is asked for and not supported is refused or\n"
             "warned about by name.\n"
             "\n"
             "--quote queues nothing. It prints when the request would start as it is, and in other forms: with a shorter limit,\n"
             "with fewer devices, with its tasks on more nodes, in other partitions. START is by time limits: then, or before, if\n"
             "whatever runs and waits before it ends sooner. BY is the promise it would get, where the policy promises. Each form\n"
             "is tried by a pass of the planner with the queue as it is; one that would be refused says why. With --json as JSON.",
    .options = sbatch_options,
    .usage_exit = 255,
    .run = run,
};
