/* environ.c - the environment a job gets from its submission, and the limits of the shell it comes from */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "submit.h"

/* What describes the job that sbatch itself runs in; the new job must not take it for its own. */
static bool of_outer_job(const char *entry)
{
    static const char *const names[] = {
        "SLURM_JOB_ID=",     "SLURM_JOBID=",      "SLURM_JOB_NAME=",   "SLURM_ARRAY_",      "SLURM_STEP_",
        "SLURM_STEPID=",     "SLURM_PROCID=",     "SLURM_LOCALID=",    "SLURM_NODEID=",     "SLURM_TASK_PID=",
        "SLURM_GTIDS=",      "SLURM_TASKS_PER_NODE=", "SLURM_NTASKS",  "SLURM_NPROCS=",     "SLURM_NNODES=",
        "SLURM_NODELIST=",   "SLURM_JOB_",        "SLURM_CPUS_",       "SLURM_CPU_BIND",    "SLURM_MEM_",
        "SLURM_GPUS",        "SLURM_SUBMIT_",     "SLURM_LAUNCH_",     "SLURM_SRUN_COMM_",  "SLURM_TOPOLOGY_",
        "SLURM_RESTART_COUNT=", "SLURM_CLUSTER_NAME=", "SLURMD_NODENAME=", "SLURM_EXPORT_ENV=", "SLURM_PRIO_PROCESS=",
        "SLURM_UMASK=",      "SLURM_GET_USER_ENV=",
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(names); i++)
        if (td_str_prefix(entry, names[i]))
            return true;
    return false;
}

static bool of_slurm(const char *entry)
{
    return td_str_prefix(entry, "SLURM_") || td_str_prefix(entry, "SPANK_");
}

static void put(struct td_buf *b, const char *entry)
{
    td_buf_put(b, entry, strlen(entry) + 1);
}

static void put_pair(struct td_buf *b, const char *name, const char *value)
{
    td_buf_putf(b, "%s=%s", name, value);
    td_buf_putc(b, 0);
}

static const char *find(char *const *env, const char *name, size_t n)
{
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env;
    return NULL;
}

static bool name_ok(const char *s, size_t n)
{
    if (!n || (s[0] >= '0' && s[0] <= '9'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] == '=' || isspace((unsigned char)s[i]))
            return false;
    return true;
}

/* Items of --export: NAME, NAME=VALUE; a value may be quoted, then commas in it are its own. */
static const char *next_item(const char *p, struct td_buf *item)
{
    char quote = 0;

    td_buf_reset(item);
    for (; *p && (quote || *p != ','); p++) {
        if (quote ? *p == quote : (*p == '"' || *p == '\'')) {
            quote = quote ? 0 : *p;
            continue;
        }
        td_buf_putc(item, *p);
    }
    return *p ? p + 1 : p;
}

struct listed {
    TD_VEC(char *) entries; /* NAME=VALUE, owned */
    bool all, none, nil;
};

static int parse_export(const char *text, char *const *env, struct listed *l, struct td_error *err)
{
    struct td_buf item = {0};
    int r = 0;

    while (*text && r == 0) {
        text = next_item(text, &item);
        const char *s = td_buf_str(&item), *eq = strchr(s, '=');
        size_t n = eq ? (size_t)(eq - s) : strlen(s);
        const char *known = eq ? s : find(env, s, n);
        if (td_str_casecmp(s, "ALL") == 0)
            l->all = true;
        else if (td_str_casecmp(s, "NONE") == 0)
            l->none = true;
        else if (td_str_casecmp(s, "NIL") == 0)
            l->nil = true;
        else if (!name_ok(s, n))
            r = td_fail(err, TD_E_INVALID_REQUEST, "--export: '%s' is not a variable (NAME or NAME=VALUE)", s);
        else if (known)
            td_vec_push(&l->entries, td_strdup(known));
    }
    td_buf_release(&item);
    return r;
}

static int put_file(const char *path, struct td_buf *b, struct td_error *err)
{
    char chunk[65536];
    ssize_t n;
    uint64_t given;
    bool number = td_parse_u64(path, &given);
    int fd = number ? (int)given : open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return td_fail(err, TD_E_IO, "--export-file: cannot open %s: %s", path, strerror(errno));
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 && b->len <= TD_MAX_ENV_BYTES)
        td_buf_put(b, chunk, (size_t)n);
    int failed = n < 0 ? errno : 0;
    if (!number)
        close(fd);
    if (failed)
        return td_fail(err, TD_E_IO, "--export-file: cannot read %s: %s", path, strerror(failed));
    if (b->len && b->data[b->len - 1])
        td_buf_putc(b, 0);
    return 0;
}

/* What sbatch itself tells every job. */
static void put_own(const struct submit *s, const char *cwd, const char *host, struct td_buf *b)
{
    char text[32];
    mode_t mask = umask(0);

    umask(mask);
    put_pair(b, "SLURM_SUBMIT_DIR", cwd);
    put_pair(b, "SLURM_SUBMIT_HOST", host);
    errno = 0;
    td_format(text, sizeof(text), "%d", getpriority(PRIO_PROCESS, 0));
    put_pair(b, "SLURM_PRIO_PROCESS", text);
    td_format(text, sizeof(text), "0%u%u%u", (unsigned)mask >> 6 & 7, (unsigned)mask >> 3 & 7, (unsigned)mask & 7);
    put_pair(b, "SLURM_UMASK", text);
    if (s->export && td_str_casecmp(s->export, "ALL") != 0)
        put_pair(b, "SLURM_EXPORT_ENV", s->export);
}

int environ_make(const struct submit *s, char *const *env, const char *cwd, const char *host, struct td_buf *ret,
                 struct td_error *err)
{
    struct listed l = {0};
    int r = s->export ? parse_export(s->export, env, &l, err) : 0;
    bool all = !s->export || l.all;

    if (r == 0 && l.all && (l.none || l.nil))
        r = td_fail(err, TD_E_INVALID_REQUEST, "--export=%s: ALL and NONE exclude each other", s->export);
    for (char *const *e = env; r == 0 && *e; e++) {
        const char *eq = strchr(*e, '=');
        bool overridden = false;
        for (uint32_t i = 0; eq && i < l.entries.n; i++)
            overridden |= strncmp(l.entries.v[i], *e, (size_t)(eq - *e) + 1) == 0;
        if (eq && !overridden && (s->in_job || !of_outer_job(*e)) && (all || (of_slurm(*e) && !l.nil)))
            put(ret, *e);
    }
    for (uint32_t i = 0; r == 0 && i < l.entries.n; i++)
        put(ret, l.entries.v[i]);
    if (r == 0 && s->export_file)
        r = put_file(s->export_file, ret, err);
    if (r == 0 && !s->in_job)
        put_own(s, cwd, host, ret);
    if (r == 0 && ret->len > TD_MAX_ENV_BYTES)
        r = td_fail(err, TD_E_TOO_BIG, "the environment is longer than %d bytes (see --export)", TD_MAX_ENV_BYTES);
    for (uint32_t i = 0; i < l.entries.n; i++)
        td_free(l.entries.v[i]);
    td_vec_release(&l.entries);
    return r;
}

static const struct limit_name {
    const char *name;
    int which;
} limit_names[] = {
    {"CPU", RLIMIT_CPU},       {"FSIZE", RLIMIT_FSIZE},   {"DATA", RLIMIT_DATA}, {"STACK", RLIMIT_STACK},
    {"CORE", RLIMIT_CORE},     {"RSS", RLIMIT_RSS},       {"NPROC", RLIMIT_NPROC}, {"NOFILE", RLIMIT_NOFILE},
    {"MEMLOCK", RLIMIT_MEMLOCK}, {"AS", RLIMIT_AS},
};

void submit_rlimits(const struct submit *s, struct td_rlimit_list *ret)
{
    struct td_rlimit *v = td_arena_alloc(s->arena, TD_ARRAY_LEN(limit_names) * sizeof(*v));
    uint32_t n = 0;

    for (size_t i = 0; i < TD_ARRAY_LEN(limit_names); i++) {
        struct rlimit now;
        bool wanted = td_str_empty(s->propagate) || td_str_casecmp(s->propagate, "ALL") == 0;
        struct td_strs only = wanted ? (struct td_strs){0} : str_list(s->arena, s->propagate);
        for (uint32_t k = 0; k < only.n; k++)
            wanted |= td_str_casecmp(only.v[k], limit_names[i].name) == 0;
        if (!wanted || getrlimit((__rlimit_resource_t)limit_names[i].which, &now) < 0)
            continue;
        v[n++] = (struct td_rlimit){
            .which = (uint32_t)limit_names[i].which, .soft = (uint64_t)now.rlim_cur, .hard = (uint64_t)now.rlim_max};
    }
    *ret = (struct td_rlimit_list){.v = v, .n = n};
}
