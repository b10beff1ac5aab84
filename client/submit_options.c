/* submit_options.c - the one table of sbatch's options: where each goes in a td_job_spec, which are only warned about and
 * which are refused
 *
 * Warned about: wishes that a script survives without, each said by name. Refused: what would give a script less, or
 * something else, than it asked for. */
#include <string.h>
#include <strings.h>

#include "connect.h"
#include "say.h"
#include "submit.h"

#define SUBMIT(p) ((struct submit *)(p)->target)
#define TAKE(name)                                                                                                     \
    static int name(struct option_parse *p TD_UNUSED, const struct option *o TD_UNUSED, const char *value TD_UNUSED,   \
                    struct td_error *err TD_UNUSED)

static int bad(const struct option *o, struct td_error *err)
{
    return td_fail(err, TD_E_USAGE, "Invalid --%s specification", o->name);
}

TAKE(take_nodes)
{
    return request_nodes(value, &SUBMIT(p)->need.nodes_min, &SUBMIT(p)->need.nodes_max, err);
}

TAKE(take_time)
{
    uint32_t *to = (uint32_t *)(void *)((char *)p->target + o->offset);
    struct td_error why = {0};

    if (td_duration_parse(value, to, &why) < 0)
        return td_fail(err, TD_E_USAGE, "Invalid --%s specification: %s", o->name, value);
    if (*to == 0 && o->letter == 't')
        *to = TD_INFINITE; /* -t 0: no limit is asked for */
    return 0;
}

TAKE(take_moment)
{
    int64_t *to = (int64_t *)(void *)((char *)p->target + o->offset), now = client_now_ms();
    struct td_error why = {0};

    if (td_time_parse(value, now, client_zone_s(now), to, &why) < 0)
        return td_fail(err, TD_E_USAGE, "Invalid --%s specification: %s", o->name, value);
    return 0;
}

TAKE(take_memory)
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

TAKE(take_tmp)
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

TAKE(take_gres)
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

TAKE(take_gpus_per_node)
{
    struct td_gres_need_list more = {0};
    int r = request_gpus(p->arena, o->name, value, &more, err);

    if (r < 0)
        return r;
    SUBMIT(p)->gpus_per_node = true;
    return merge_gres(SUBMIT(p), &more, false, err);
}

TAKE(take_gpus)
{
    return request_gpus(p->arena, o->name, value, &SUBMIT(p)->need.gres_job, err);
}

TAKE(take_gpus_per_task)
{
    return request_gpus(p->arena, o->name, value, &SUBMIT(p)->need.gres_task, err);
}

TAKE(take_hosts)
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

TAKE(take_nodefile)
{
    td_autofree char *path = NULL;

    if (!strchr(value, '/')) { /* request_hosts takes a text with a slash for a file */
        struct td_buf b = {0};
        td_buf_putf(&b, "./%s", value);
        path = td_strdup(td_buf_str(&b));
        td_buf_release(&b);
    }
    return take_hosts(p, o, path ? path : value, err);
}

TAKE(take_exclusive)
{
    if (value && *value)
        return td_fail(err, TD_E_NOT_SUPPORTED,
                       "--exclusive=%s is not supported: a node can be taken whole (--exclusive), not by user", value);
    SUBMIT(p)->need.exclusive = true;
    return 0;
}

TAKE(take_nice)
{
    int64_t n = 100;

    if (value && *value && (!td_parse_i64(value, &n) || n < -2147483645 || n > 2147483645))
        return td_fail(err, TD_E_USAGE, "Invalid --nice value: %s", value);
    SUBMIT(p)->spec.nice = n;
    return 0;
}

TAKE(take_requeue)
{
    SUBMIT(p)->spec.requeue = o->offset ? 2 : 1;
    return 0;
}

TAKE(take_open_mode)
{
    if (td_str_casecmp(value, "a") == 0 || td_str_casecmp(value, "append") == 0)
        SUBMIT(p)->spec.append = true;
    else if (td_str_casecmp(value, "t") == 0 || td_str_casecmp(value, "truncate") == 0)
        SUBMIT(p)->spec.append = false;
    else
        return bad(o, err);
    return 0;
}

TAKE(take_signal)
{
    struct td_signal ignored;
    int r = td_signal_parse(value, &ignored, err);

    if (r == 0)
        SUBMIT(p)->spec.signal = td_arena_strdup(p->arena, value);
    return r;
}

TAKE(take_dependency)
{
    int r = request_dependency(value, err);

    if (r == 0)
        SUBMIT(p)->spec.dependency = td_arena_strdup(p->arena, value);
    return r;
}

TAKE(take_array)
{
    uint32_t cap = 1, n = 0, limit = 0;
    struct td_error why = {0};

    for (const char *c = value; *c; c++)
        cap += *c == ',';
    if (cap > TD_MAX_PATTERN_SPANS)
        return td_fail(err, TD_E_INVALID_ARRAY, "%s (more than %d ranges)", td_error_words(TD_E_INVALID_ARRAY),
                       TD_MAX_PATTERN_SPANS);
    struct td_span *spans = td_alloc(cap * sizeof(*spans));
    int r = td_array_parse(value, TD_MAX_ARRAY_TASKS, spans, cap, &n, &limit, &why);
    td_free(spans);
    if (r < 0)
        return td_fail(err, TD_E_INVALID_ARRAY, "%s: %s", td_error_words(TD_E_INVALID_ARRAY), value);
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
TAKE(take_mail)
{
    struct td_strs words = str_list(p->arena, value);

    for (uint32_t i = 0; i < words.n && o->offset == offsetof(struct submit, spec.mail_type); i++)
        if (!mail_known(words.v[i]))
            return td_fail(err, TD_E_USAGE, "Invalid --mail-type specification: %s", words.v[i]);
    if (!p->quiet && o->offset == offsetof(struct submit, spec.mail_type))
        say_warning("%s--mail-type=%s: mail is not sent yet", p->origin ? p->origin : "", value);
    return opt_str(p, o, value, err);
}

TAKE(take_propagate)
{
    SUBMIT(p)->propagate = value ? td_arena_strdup(p->arena, value) : "ALL";
    return 0;
}

TAKE(take_wait_all_nodes)
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return bad(o, err);
    return 0; /* a batch script starts when all its nodes have taken the award: 1 is how it always is, 0 allows it */
}

TAKE(take_text)
{
    char *text = td_arena_strdup(p->arena, value);

    for (char *c = text; *c; c++) /* a control character would break every listing */
        if ((unsigned char)*c < ' ')
            return bad(o, err);
    *(const char **)(void *)((char *)p->target + o->offset) = text;
    return 0;
}

#define AT(field) offsetof(struct submit, field)
#define LAYOUT "not honoured yet: tasks are placed by CPUs, memory and devices alone"
const struct option sbatch_options[] = {
    {"account", 'A', "NAME", take_text, AT(spec.account), "charge this account", "SBATCH_ACCOUNT", false},
    {"array", 'a', "INDEXES", take_array, 0, "an array of jobs: 0-15, 1,3,5, 0-30:3, 0-99%10", "SBATCH_ARRAY_INX", false},
    {"begin", 'b', "TIME", take_moment, AT(spec.begin_ms), "not before: 16:00, now+1hour, 2027-01-20T12:34:00", "SBATCH_BEGIN", false},
    {"chdir", 'D', "DIR", opt_str, AT(chdir), "working directory of the job", NULL, false},
    {"comment", 0, "TEXT", take_text, AT(spec.comment), "a remark", NULL, false},
    {"constraint", 'C', "LIST", take_text, AT(need.features), "features the nodes must have", "SBATCH_CONSTRAINT", false},
    {"contiguous", 0, NULL, opt_flag, AT(need.contiguous), "neighbouring nodes (refused: not supported yet)", NULL, false},
    {"cpus-per-gpu", 0, "N", opt_u32, AT(need.cpus_per_gpu), "CPUs for each GPU", "SBATCH_CPUS_PER_GPU", false},
    {"cpus-per-task", 'c', "N", opt_u32, AT(need.cpus_per_task), "CPUs of each task", "SBATCH_CPUS_PER_TASK", false},
    {"deadline", 0, "TIME", take_moment, AT(spec.deadline_ms), "give up if it cannot end by then (refused: not supported yet)", NULL, false},
    {"dependency", 'd', "LIST", take_dependency, 0, "wait for other jobs: afterok:12:13, afterany, afternotok, after, aftercorr, singleton", NULL, false},
    {"error", 'e', "FILE", opt_str, AT(spec.std_err), "file for standard error; %j job, %A array, %a index, %x name, %u user, %N node", "SBATCH_ERROR", false},
    {"exclude", 'x', "NODES", take_hosts, AT(need.exc_nodes), "none of these nodes (a list, or a file with a / in its name)", NULL, false},
    {"exclusive", 0, "[WHAT]", take_exclusive, 0, "whole nodes", "SBATCH_EXCLUSIVE", false},
    {"export", 0, "LIST", opt_str, AT(export), "environment of the job: ALL, NONE, NIL, NAME, NAME=VALUE,...", "SBATCH_EXPORT", false},
    {"export-file", 0, "FILE", opt_str, AT(export_file), "more environment: NAME=VALUE, each ended by a NUL byte", NULL, false},
    {"gpus", 'G', "[TYPE:]N", take_gpus, 0, "GPUs of the whole job", "SBATCH_GPUS", false},
    {"gpus-per-node", 0, "[TYPE:]N", take_gpus_per_node, 0, "GPUs on each node", "SBATCH_GPUS_PER_NODE", false},
    {"gpus-per-task", 0, "[TYPE:]N", take_gpus_per_task, 0, "GPUs of each task", "SBATCH_GPUS_PER_TASK", false},
    {"gres", 0, "LIST", take_gres, 0, "devices on each node: gpu:2, gpu:TitanXp:2", "SBATCH_GRES", false},
    {"hold", 'H', NULL, opt_flag, AT(spec.hold), "queue it held", NULL, false},
    {"input", 'i', "FILE", opt_str, AT(spec.std_in), "file for standard input", "SBATCH_INPUT", false},
    {"job-name", 'J', "NAME", take_text, AT(spec.name), "name of the job", "SBATCH_JOB_NAME", false},
    {"licenses", 'L', "LIST", take_text, AT(spec.licenses), "licences it needs (refused: not supported yet)", NULL, false},
    {"mail-type", 0, "LIST", take_mail, AT(spec.mail_type), "when to send mail (remembered; mail is not sent yet)", NULL, false},
    {"mail-user", 0, "USER", take_mail, AT(spec.mail_user), "who gets the mail", NULL, false},
    {"mem", 0, "SIZE", take_memory, AT(need.mem_mb_per_node), "memory on each node: 4000, 4G, 0 for all of it", "SBATCH_MEM_PER_NODE", false},
    {"mem-per-cpu", 0, "SIZE", take_memory, AT(need.mem_mb_per_cpu), "memory for each CPU", "SBATCH_MEM_PER_CPU", false},
    {"mem-per-gpu", 0, "SIZE", take_memory, AT(need.mem_mb_per_gpu), "memory for each GPU", "SBATCH_MEM_PER_GPU", false},
    {"nice", 0, "[N]", take_nice, 0, "lower the priority by N (100)", NULL, false},
    {"no-requeue", 0, NULL, take_requeue, 2, "never start it a second time", "SBATCH_NO_REQUEUE", false},
    {"nodefile", 'F', "FILE", take_nodefile, AT(need.req_nodes), "these nodes, listed in a file", NULL, false},
    {"nodelist", 'w', "NODES", take_hosts, AT(need.req_nodes), "these nodes (a list, or a file with a / in its name)", NULL, false},
    {"nodes", 'N', "N", take_nodes, 0, "number of nodes: N, or MIN-MAX", NULL, false},
    {"ntasks", 'n', "N", opt_u32, AT(need.ntasks), "number of tasks", NULL, false},
    {"ntasks-per-node", 0, "N", opt_u32, AT(need.ntasks_per_node), "tasks on each node", NULL, false},
    {"tasks-per-node", 0, "N", opt_u32, AT(need.ntasks_per_node), "", NULL, true},
    {"open-mode", 0, "MODE", take_open_mode, 0, "append or truncate the output files", "SBATCH_OPEN_MODE", false},
    {"output", 'o', "FILE", opt_str, AT(spec.std_out), "file for standard output (slurm-%j.out); codes as for --error", "SBATCH_OUTPUT", false},
    {"parsable", 0, NULL, opt_flag, AT(parsable), "print the job's number and nothing else", NULL, false},
    {"partition", 'p', "NAMES", take_text, AT(need.partition), "partition, or several of which the first that can starts it", "SBATCH_PARTITION", false},
    {"propagate", 0, "[LIST]", take_propagate, 0, "which limits of this shell the job gets: ALL, NONE, CORE, STACK, ...", NULL, false},
    {"qos", 'q', "NAME", take_text, AT(spec.qos), "quality of service", "SBATCH_QOS", false},
    {"quiet", 'Q', NULL, opt_flag, AT(quiet), "no word but errors", NULL, false},
    {"requeue", 0, NULL, take_requeue, 0, "may be started again after its node is lost", "SBATCH_REQUEUE", false},
    {"reservation", 0, "NAME", take_text, AT(spec.reservation), "run in this reservation (refused: not supported yet)", "SBATCH_RESERVATION", false},
    {"signal", 0, "[B:]SIG[@SECONDS]", take_signal, 0, "signal it so long before its limit", "SBATCH_SIGNAL", false},
    {"test-only", 0, NULL, opt_flag, AT(test_only), "check the request, queue nothing", NULL, false},
    {"time", 't', "TIME", take_time, AT(spec.limit_s), "time limit: minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S", "SBATCH_TIMELIMIT", false},
    {"time-min", 0, "TIME", take_time, AT(spec.limit_min_s), "shortest limit that would do", NULL, false},
    {"tmp", 0, "SIZE", take_tmp, 0, "temporary disk on each node", NULL, false},
    {"verbose", 'v', NULL, opt_count, AT(verbose), "tell what is sent", "SBATCH_DEBUG", false},
    {"wait", 'W', NULL, opt_flag, AT(wait), "wait for the end of the job, exit with its status", "SBATCH_WAIT", false},
    {"wait-all-nodes", 0, "0|1", take_wait_all_nodes, 0, "start the script when all nodes are ready (always so)", "SBATCH_WAIT_ALL_NODES", false},
    {"wckey", 0, "KEY", take_text, AT(spec.wckey), "workload key", "SBATCH_WCKEY", false},
    {"workdir", 0, "DIR", opt_str, AT(chdir), "", NULL, true},
    {"wrap", 0, "COMMAND", opt_str, AT(wrap), "run this command instead of a script", NULL, false},
    /* said by name, no effect */
    {"acctg-freq", 0, "N", opt_warn, 0, "resource usage is taken at the end of a job", NULL, false},
    {"cores-per-socket", 0, "N", opt_warn, 0, LAYOUT, NULL, false},
    {"cpu-freq", 0, "FREQ", opt_warn, 0, "CPU frequencies are left as they are", NULL, false},
    {"delay-boot", 0, "MINUTES", opt_warn, 0, "nodes are not booted on demand", NULL, false},
    {"distribution", 'm', "HOW", opt_warn, 0, LAYOUT, "SBATCH_DISTRIBUTION", false},
    {"extra-node-info", 'B', "S[:C[:T]]", opt_warn, 0, LAYOUT, NULL, false},
    {"get-user-env", 0, "[HOW]", opt_warn, 0, "the login environment is not read; the job gets what --export says", "SBATCH_GET_USER_ENV", false},
    {"gpu-bind", 0, "HOW", opt_warn, 0, "tasks see all GPUs of the job on their node", "SBATCH_GPU_BIND", false},
    {"gpu-freq", 0, "FREQ", opt_warn, 0, "GPU frequencies are left as they are", NULL, false},
    {"gres-flags", 0, "FLAGS", opt_warn, 0, "devices are chosen close to their CPUs anyway, without a guarantee", NULL, false},
    {"hint", 0, "HINT", opt_warn, 0, LAYOUT, "SBATCH_HINT", false},
    {"ignore-pbs", 0, NULL, opt_warn, 0, "#PBS lines are never read", NULL, false},
    {"mem-bind", 0, "HOW", opt_warn, 0, "memory is not bound", NULL, false},
    {"no-kill", 'k', "[off]", opt_warn, 0, "a job that loses a node is ended, and requeued if it may be", NULL, false},
    {"ntasks-per-core", 0, "N", opt_warn, 0, LAYOUT, NULL, false},
    {"ntasks-per-gpu", 0, "N", opt_warn, 0, LAYOUT, NULL, false},
    {"ntasks-per-socket", 0, "N", opt_warn, 0, LAYOUT, NULL, false},
    {"overcommit", 'O', NULL, opt_warn, 0, "every task gets its own CPUs", "SBATCH_OVERCOMMIT", false},
    {"oversubscribe", 's', NULL, opt_warn, 0, "the job's resources are its own; nothing is shared", NULL, false},
    {"share", 0, NULL, opt_warn, 0, "the job's resources are its own; nothing is shared", NULL, true},
    {"prefer", 0, "LIST", opt_warn, 0, "preferred features are not weighed yet", NULL, false},
    {"profile", 0, "WHAT", opt_warn, 0, "there is no profiling", NULL, false},
    {"sockets-per-node", 0, "N", opt_warn, 0, LAYOUT, NULL, false},
    {"spread-job", 0, NULL, opt_warn, 0, LAYOUT, NULL, false},
    {"switches", 0, "N[@TIME]", opt_warn, 0, "the network's switches are not known yet; nodes may be far apart", NULL, false},
    {"threads-per-core", 0, "N", opt_warn, 0, LAYOUT, "SBATCH_THREADS_PER_CORE", false},
    {"use-min-nodes", 0, NULL, opt_warn, 0, "the fewest nodes that do are taken anyway", NULL, false},
    /* refused by name */
    {"batch", 0, "LIST", opt_refuse, 0, "the script runs on the first node of the job", NULL, false},
    {"bb", 0, "SPEC", opt_refuse, 0, "there is no burst buffer", NULL, false},
    {"bbf", 0, "FILE", opt_refuse, 0, "there is no burst buffer", NULL, false},
    {"cluster-constraint", 0, "LIST", opt_refuse, 0, "there are no federations", NULL, false},
    {"clusters", 'M', "NAMES", opt_refuse, 0, "a command speaks to one cluster, the one SLURM_CONF names", "SBATCH_CLUSTERS", false},
    {"container", 0, "PATH", opt_refuse, 0, "containers are started by the script itself", "SBATCH_CONTAINER", false},
    {"core-spec", 'S', "N", opt_refuse, 0, "no cores can be kept for the system", "SBATCH_CORE_SPEC", false},
    {"gid", 0, "GROUP", opt_refuse, 0, "a job runs as the one who submits it", NULL, false},
    {"gpus-per-socket", 0, "[TYPE:]N", opt_refuse, 0, "ask for GPUs on each node or task", NULL, false},
    {"kill-on-invalid-dep", 0, "YES|NO", opt_refuse, 0, "a job whose dependency can never be met stays, with the reason", NULL, false},
    {"mcs-label", 0, "LABEL", opt_refuse, 0, "there are no security labels", NULL, false},
    {"mincpus", 0, "N", opt_refuse, 0, "ask with --cpus-per-task and --ntasks-per-node", NULL, false},
    {"network", 0, "TYPE", opt_refuse, 0, "there is no network to configure", NULL, false},
    {"power", 0, "FLAGS", opt_refuse, 0, "there is no power management", NULL, false},
    {"priority", 0, "N", opt_refuse, 0, "use --nice, or scontrol update priority= as an operator", NULL, false},
    {"reboot", 0, NULL, opt_refuse, 0, "nodes are not rebooted for jobs", NULL, false},
    {"thread-spec", 0, "N", opt_refuse, 0, "no threads can be kept for the system", NULL, false},
    {"uid", 0, "USER", opt_refuse, 0, "a job runs as the one who submits it", NULL, false},
    {"help", 'h', NULL, opt_help, 0, "show this help and exit", NULL, false},
    {"usage", 0, NULL, opt_usage, 0, "show a short usage and exit", NULL, false},
    {"version", 'V', NULL, opt_version, 0, "show the version and exit", NULL, false},
    {0},
};
