/* submit_options.c - the one table of sbatch's options: where each goes in a td_job_spec, which are only warned about and
 * which are refused
 *
 * Warned about: wishes that a script survives without, each said by name. Refused: what would give a script less, or
 * something else, than it asked for. */
#include <string.h>
#include <strings.h>

#include "connect.h"
#include "say.h"
#include "submit_rows.h"

#define SUBMIT(p) ((struct submit *)(p)->target)
#define TAKE(name)                                                                                                     \
    int name(struct option_parse *p TD_UNUSED, const struct option *o TD_UNUSED, const char *value TD_UNUSED,   \
                    struct td_error *err TD_UNUSED)

static int bad(const struct option *o, struct td_error *err)
{
    return td_fail(err, TD_E_USAGE, "Invalid --%s specification", o->name);
}

TAKE(submit_take_nodes)
{
    return request_nodes(value, &SUBMIT(p)->need.nodes_min, &SUBMIT(p)->need.nodes_max, err);
}

TAKE(submit_take_time)
{
    uint32_t *to = (uint32_t *)(void *)((char *)p->target + o->offset);
    struct td_error why = {0};

    if (td_duration_parse(value, to, &why) < 0)
        return td_fail(err, TD_E_USAGE, "Invalid --%s specification: %s", o->name, value);
    if (*to == 0 && o->letter == 't')
        *to = TD_INFINITE; /* -t 0: no limit is asked for */
    return 0;
}

TAKE(submit_take_moment)
{
    int64_t *to = (int64_t *)(void *)((char *)p->target + o->offset), now = client_now_ms();
    struct td_error why = {0};

    if (td_time_parse(value, now, client_zone_s(now), to, &why) < 0)
        return td_fail(err, TD_E_USAGE, "Invalid --%s specification: %s", o->name, value);
    return 0;
}

TAKE(submit_take_memory)
{
    struct submit *s = SUBMIT(p);
    uint64_t mb;
    struct td_error why = {0};

    if (td_memory_parse(value, &mb, &why) < 0)
        return bad(o, err);
    if (s->mem_by && strcmp(s->mem_by, o->name) != 0)
        return td_fail(err, TD_E_INVALID_REQUEST, "--mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive.");
    s->mem_by = o->name;
    s->need.mem_mb_per_node = s->need.mem_mb_per_cpu = s->need.mem_mb_per_gpu = 0;
    s->need.mem_all = o->offset == offsetof(struct submit, need.mem_mb_per_node) && mb == 0;
    *(uint64_t *)(void *)((char *)s + o->offset) = mb;
    return 0;
}

TAKE(submit_take_tmp)
{
    struct td_error why = {0};
    return td_memory_parse(value, &SUBMIT(p)->need.tmp_mb, &why) < 0 ? bad(o, err) : 0;
}

static bool is_gpu(const struct td_gres_need *g)
{
    return td_str_equal(g->name, "gpu");
}

/* --gres and --gpus-per-node speak of the same thing, devices on each node: each replaces its own part. */
static int merge_gres(struct submit *s, const struct td_gres_need_list *more, bool keep_gpu, struct td_error *err)
{
    const struct td_gres_need_list *old = &s->need.gres;
    struct td_gres_need *v = td_arena_alloc(s->arena, ((size_t)old->n + more->n + 1) * sizeof(*v));
    uint32_t n = 0, i;

    for (i = 0; i < old->n; i++)
        if (is_gpu(&old->v[i]) == keep_gpu)
            v[n++] = old->v[i];
    for (i = 0; i < more->n; i++)
        v[n++] = more->v[i];
    if (n > TD_MAX_GRES_KINDS)
        return td_fail(err, TD_E_TOO_BIG, "more than %d kinds of devices", TD_MAX_GRES_KINDS);
    s->need.gres = (struct td_gres_need_list){.v = v, .n = n};
    return 0;
}

TAKE(submit_take_gres)
{
    struct td_gres_need_list more = {0};
    int r = request_gres(p->arena, o->name, value, &more, err);
    bool has_gpu = false;

    if (r < 0)
        return r;
    for (uint32_t i = 0; i < more.n; i++)
        has_gpu |= is_gpu(&more.v[i]);
    if (!has_gpu && SUBMIT(p)->gpus_per_node)
        return merge_gres(SUBMIT(p), &more, true, err);
    SUBMIT(p)->need.gres = more;
    SUBMIT(p)->gpus_per_node = false;
    return 0;
}

TAKE(submit_take_gpus_per_node)
{
    struct td_gres_need_list more = {0};
    int r = request_gpus(p->arena, o->name, value, &more, err);

    if (r < 0)
        return r;
    SUBMIT(p)->gpus_per_node = true;
    return merge_gres(SUBMIT(p), &more, false, err);
}

TAKE(submit_take_gpus)
{
    return request_gpus(p->arena, o->name, value, &SUBMIT(p)->need.gres_job, err);
}

TAKE(submit_take_gpus_per_task)
{
    return request_gpus(p->arena, o->name, value, &SUBMIT(p)->need.gres_task, err);
}

TAKE(submit_take_hosts)
{
    const char **to = (const char **)(void *)((char *)p->target + o->offset);
    struct td_hostlist l = {0};
    struct td_error why = {0};
    int r = request_hosts(p->arena, value, to, err);

    if (r < 0)
        return r;
    if (td_hostlist_parse(*to, TD_MAX_NODES, &l, &why) < 0)
        return td_fail(err, TD_E_INVALID_NODE, "Invalid --%s specification: %s", o->name, why.text);
    td_hostlist_release(&l);
    return 0;
}

TAKE(submit_take_nodefile)
{
    td_autofree char *path = NULL;

    if (!strchr(value, '/')) { /* request_hosts takes a text with a slash for a file */
        struct td_buf b = {0};
        td_buf_putf(&b, "./%s", value);
        path = td_strdup(td_buf_str(&b));
        td_buf_release(&b);
    }
    return submit_take_hosts(p, o, path ? path : value, err);
}

TAKE(submit_take_exclusive)
{
    if (value && *value)
        return td_fail(err, TD_E_NOT_SUPPORTED,
                       "--exclusive=%s is not supported: a node can be taken whole (--exclusive), not by user", value);
    SUBMIT(p)->need.exclusive = true;
    return 0;
}

TAKE(submit_take_nice)
{
    int64_t n = 100;

    if (value && *value && (!td_parse_i64(value, &n) || n < -2147483645 || n > 2147483645))
        return td_fail(err, TD_E_USAGE, "Invalid --nice value: %s", value);
    SUBMIT(p)->spec.nice = n;
    return 0;
}

TAKE(submit_take_requeue)
{
    SUBMIT(p)->spec.requeue = o->offset ? 2 : 1;
    return 0;
}

TAKE(submit_take_open_mode)
{
    if (td_str_casecmp(value, "a") == 0 || td_str_casecmp(value, "append") == 0)
        SUBMIT(p)->spec.append = true;
    else if (td_str_casecmp(value, "t") == 0 || td_str_casecmp(value, "truncate") == 0)
        SUBMIT(p)->spec.append = false;
    else
        return bad(o, err);
    return 0;
}

TAKE(submit_take_signal)
{
    struct td_signal ignored;
    int r = td_signal_parse(value, &ignored, err);

    if (r == 0)
        SUBMIT(p)->spec.signal = td_arena_strdup(p->arena, value);
    return r;
}

TAKE(submit_take_dependency)
{
    int r = request_dependency(value, err);

    if (r == 0)
        SUBMIT(p)->spec.dependency = td_arena_strdup(p->arena, value);
    return r;
}

TAKE(submit_take_array)
{
    uint32_t cap = 1, n = 0, limit = 0;
    struct td_error why = {0};

    for (const char *c = value; *c; c++)
        cap += *c == ',';
    if (cap > TD_MAX_PATTERN_SPANS)
        return td_fail(err, TD_E_INVALID_ARRAY, "%s (more than %d ranges)", td_error_words(TD_E_INVALID_ARRAY),
                       TD_MAX_PATTERN_SPANS);
    struct td_span *spans = td_alloc(cap * sizeof(*spans));
    int r = td_array_parse(value, UINT32_MAX, spans, cap, &n, &limit, &why); /* the broker knows MaxArraySize */
    td_free(spans);
    if (r < 0)
        return td_fail(err, TD_E_INVALID_ARRAY, "%s", why.text);
    SUBMIT(p)->spec.array = td_arena_strdup(p->arena, value);
    return 0;
}

static bool mail_known(const char *word)
{
    static const char *const words[] = {"NONE",  "BEGIN",       "END",       "FAIL",           "REQUEUE",       "ALL",          "INVALID_DEPEND",
                                        "STAGE_OUT", "TIME_LIMIT", "TIME_LIMIT_90", "TIME_LIMIT_80", "TIME_LIMIT_50", "ARRAY_TASKS"};

    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++)
        if (td_str_casecmp(word, words[i]) == 0)
            return true;
    return false;
}

/* Mail: remembered in the submission, but nobody sends it yet. */
TAKE(submit_take_mail)
{
    struct td_strs words = str_list(p->arena, value);

    for (uint32_t i = 0; i < words.n && o->offset == offsetof(struct submit, spec.mail_type); i++)
        if (!mail_known(words.v[i]))
            return td_fail(err, TD_E_USAGE, "Invalid --mail-type specification: %s", words.v[i]);
    if (!p->quiet && o->offset == offsetof(struct submit, spec.mail_type))
        say_warning("%s--mail-type=%s: mail is not sent yet", p->origin ? p->origin : "", value);
    return opt_str(p, o, value, err);
}

TAKE(submit_take_propagate)
{
    SUBMIT(p)->propagate = value ? td_arena_strdup(p->arena, value) : "ALL";
    return 0;
}

TAKE(submit_take_wait_all_nodes)
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return bad(o, err);
    return 0; /* a batch script starts when all its nodes have taken the award: 1 is how it always is, 0 allows it */
}

TAKE(submit_take_licenses)
{
    struct td_license one;
    int r = 0;

    for (const char *at = value; (r = td_license_next(&at, &one, err)) > 0;)
        ;
    SUBMIT(p)->spec.licenses = td_arena_strdup(p->arena, value);
    return r;
}

TAKE(submit_take_text)
{
    char *text = td_arena_strdup(p->arena, value);

    for (char *c = text; *c; c++) /* a control character would break every listing */
        if ((unsigned char)*c < ' ')
            return bad(o, err);
    *(const char **)(void *)((char *)p->target + o->offset) = text;
    return 0;
}

const struct option sbatch_options[] = {
    ALLOCATION_ROWS("SBATCH_"),
    {"array", 'a', "INDEXES", submit_take_array, 0, "an array of jobs: 0-15, 1,3,5, 0-30:3, 0-99%10", "SBATCH_ARRAY_INX", false},
    {"chdir", 'D', "DIR", opt_str, AT(chdir), "working directory of the job", NULL, false},
    {"error", 'e', "FILE", opt_str, AT(spec.std_err), "file for standard error; %j job, %A array, %a index, %x name, %u user, %N node", "SBATCH_ERROR", false},
    {"exclusive", 0, "[WHAT]", submit_take_exclusive, 0, "whole nodes", "SBATCH_EXCLUSIVE", false},
    {"export", 0, "LIST", opt_str, AT(export), "environment of the job: ALL, NONE, NIL, NAME, NAME=VALUE,...", "SBATCH_EXPORT", false},
    {"export-file", 0, "FILE", opt_str, AT(export_file), "more environment: NAME=VALUE, each ended by a NUL byte", NULL, false},
    {"hold", 'H', NULL, opt_flag, AT(spec.hold), "queue it held", NULL, false},
    {"input", 'i', "FILE", opt_str, AT(spec.std_in), "file for standard input", "SBATCH_INPUT", false},
    {"json", 0, NULL, opt_flag, AT(json), "with --quote: as JSON", NULL, false},
    {"mail-type", 0, "LIST", submit_take_mail, AT(spec.mail_type), "when to send mail (remembered; mail is not sent yet)", NULL, false},
    {"mail-user", 0, "USER", submit_take_mail, AT(spec.mail_user), "who gets the mail", NULL, false},
    {"no-requeue", 0, NULL, submit_take_requeue, 2, "never start it a second time", "SBATCH_NO_REQUEUE", false},
    {"open-mode", 0, "MODE", submit_take_open_mode, 0, "append to the output files, or truncate them at every start, a requeued job's too (the default)", "SBATCH_OPEN_MODE", false},
    {"output", 'o', "FILE", opt_str, AT(spec.std_out), "file for standard output (slurm-%j.out); codes as for --error", "SBATCH_OUTPUT", false},
    {"parsable", 0, NULL, opt_flag, AT(parsable), "print the job's number and nothing else", NULL, false},
    {"quiet", 'Q', NULL, opt_flag, AT(quiet), "no word but errors", NULL, false},
    {"quote", 0, NULL, opt_flag, AT(quote), "queue nothing: tell when it would start as it is, and in other forms", NULL, false},
    {"requeue", 0, NULL, submit_take_requeue, 0, "may be started again after its node is lost", "SBATCH_REQUEUE", false},
    {"signal", 0, "[B:]SIG[@SECONDS]", submit_take_signal, 0, "signal it so long before its limit", "SBATCH_SIGNAL", false},
    {"test-only", 0, NULL, opt_flag, AT(test_only), "check the request, queue nothing", NULL, false},
    {"verbose", 'v', NULL, opt_count, AT(verbose), "tell what is sent", "SBATCH_DEBUG", false},
    {"wait", 'W', NULL, opt_flag, AT(wait), "wait for the end of the job, exit with its status", "SBATCH_WAIT", false},
    {"wait-all-nodes", 0, "0|1", submit_take_wait_all_nodes, 0, "start the script when all nodes are ready (always so)", "SBATCH_WAIT_ALL_NODES", false},
    {"workdir", 0, "DIR", opt_str, AT(chdir), "", NULL, true},
    {"wrap", 0, "COMMAND", opt_str, AT(wrap), "run this command instead of a script", NULL, false},
    /* said by name, no effect */
    {"get-user-env", 0, "[HOW]", opt_warn, 0, "the login environment is not read; the job gets what --export says", "SBATCH_GET_USER_ENV", false},
    {"ignore-pbs", 0, NULL, opt_warn, 0, "#PBS lines are never read", NULL, false},
    /* refused by name */
    {"batch", 0, "LIST", opt_refuse, 0, "the script runs on the first node of the job", NULL, false},
    {"container", 0, "PATH", opt_refuse, 0, "containers are started by the script itself", "SBATCH_CONTAINER", false},
    {"kill-on-invalid-dep", 0, "YES|NO", opt_refuse, 0, "a job whose dependency can never be met stays, with the reason", NULL, false},
    {"help", 'h', NULL, opt_help, 0, "show this help and exit", NULL, false},
    {"usage", 0, NULL, opt_usage, 0, "show a short usage and exit", NULL, false},
    {"version", 'V', NULL, opt_version, 0, "show the version and exit", NULL, false},
    {0},
};
