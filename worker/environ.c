/* environ.c - the environment of a batch script
 *
 * Invariant: every name set here is matched by `stale`, or by gpu_names where the node has GPUs: nothing is in the
 * result twice (test_environ walks it). SLURM_CONF alone is the submitter's where we know none. */
#include "worker/environ.h"

#include <string.h>

/* Names that describe a job; a trailing * stands for any rest. Settings of Slurm's commands (SLURM_TIME_FORMAT,
 * SLURM_CPU_BIND, SLURM_EXPORT_ENV ...) are the user's and stay. */
static const char *const stale[] = {
    "SLURM_JOB*", "SLURM_ARRAY_*", "SLURM_STEP*", "SLURM_TASK*", "SLURM_NODE*", "SLURM_NNODES", "SLURM_NPROCS",
    "SLURM_NTASKS*", "SLURM_CPUS_*", "SLURM_MEM_*", "SLURM_GPUS*", "SLURM_GTIDS", "SLURM_PROCID", "SLURM_LOCALID",
    "SLURM_LAUNCH_NODE_IPADDR", "SLURM_SRUN_COMM_*", "SLURM_TOPOLOGY_ADDR*", "SLURM_RESTART_COUNT",
    "SLURM_TRES_PER_TASK", "SLURM_PTY_*", "SLURM_CLUSTER_NAME", "SLURMD_*", "SLURM_SUBMIT_*", "SLURM_PRIO_PROCESS",
    "SLURM_HET_*", "SLURM_PMI*", "SLURM_GET_USER_ENV", "SLURM_HINT_*", "SLURM_OOM*",
    "TENDER_ATTEMPT", "TENDER_NODE_DIR", "ENVIRONMENT", "HOSTNAME",
};
static const char *const gpu_names[] = {
    "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL",
    "HIP_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER",
};

/* NAME= of `var` against a name that may end in * */
static bool name_matches(const char *var, size_t len, const char *name)
{
    size_t n = strlen(name);
    if (name[n - 1] == '*')
        return len >= n - 1 && memcmp(var, name, n - 1) == 0;
    return len == n && memcmp(var, name, n) == 0;
}

static bool name_listed(const char *var, const char *const *list, size_t n)
{
    size_t len = strcspn(var, "=");
    for (size_t i = 0; i < n; i++)
        if (name_matches(var, len, list[i]))
            return true;
    return false;
}

void environ_split(struct td_bin blob, struct td_arena *a, struct td_strs *ret)
{
    uint32_t n = 0, cap = 1;
    for (uint32_t i = 0; i < blob.n; i++)
        cap += blob.v[i] == '\0';
    const char **v = td_arena_alloc(a, cap * sizeof(*v));
    for (uint32_t at = 0; at < blob.n;) {
        const char *var = (const char *)blob.v + at;
        size_t len = strnlen(var, blob.n - at);
        if (len == blob.n - at) { /* the last one, without its NUL */
            char *whole = td_arena_alloc(a, len + 1);
            memcpy(whole, var, len);
            var = whole;
        }
        at += (uint32_t)len + 1;
        if (len && strchr(var, '=') && var[0] != '=' && !name_listed(var, stale, TD_ARRAY_LEN(stale)))
            v[n++] = var;
    }
    *ret = (struct td_strs){v, n};
}

/* --- adding ------------------------------------------------------------------------------------------------------------ */

struct env {
    struct td_arena *a;
    const char **v;
    uint32_t n, cap;
};

static void add(struct env *e, const char *var)
{
    if (e->n == e->cap) {
        uint32_t cap = e->cap * 2;
        const char **v = td_arena_alloc(e->a, cap * sizeof(*v));
        memcpy(v, e->v, e->n * sizeof(*v));
        e->v = v;
        e->cap = cap;
    }
    e->v[e->n++] = var;
}

static void set(struct env *e, const char *name, const char *value)
{
    size_t n = strlen(name), m = strlen(value);
    char *var = td_arena_alloc(e->a, n + m + 2);
    memcpy(var, name, n);
    var[n] = '=';
    memcpy(var + n + 1, value, m + 1);
    add(e, var);
}

static void set_if(struct env *e, const char *name, const char *value)
{
    if (!td_str_empty(value))
        set(e, name, value);
}

static void set_number(struct env *e, const char *name, uint64_t value)
{
    char text[24];
    td_format(text, sizeof(text), "%llu", (unsigned long long)value);
    set(e, name, text);
}

static void set_number_if(struct env *e, const char *name, uint64_t value)
{
    if (value)
        set_number(e, name, value);
}

static bool has(struct td_strs base, const char *name)
{
    size_t n = strlen(name);
    for (uint32_t i = 0; i < base.n; i++)
        if (strncmp(base.v[i], name, n) == 0 && base.v[i][n] == '=')
            return true;
    return false;
}

/* --- what a batch script is told ---------------------------------------------------------------------------------------- */

static void set_job(struct env *e, const struct environ_facts *f)
{
    const struct td_award *w = f->award;
    const struct td_job_spec *s = f->spec;
    set_number(e, "SLURM_JOB_ID", w->job);
    set_number(e, "SLURM_JOBID", w->job);
    set(e, "SLURM_JOB_NAME", s->name ? s->name : "");
    set_if(e, "SLURM_JOB_PARTITION", w->partition);
    set_if(e, "SLURM_JOB_ACCOUNT", s->account);
    set_if(e, "SLURM_JOB_QOS", s->qos);
    set_if(e, "SLURM_JOB_RESERVATION", s->reservation);
    set_if(e, "SLURM_JOB_LICENSES", s->licenses);
    set_number(e, "SLURM_JOB_UID", w->uid);
    set_number(e, "SLURM_JOB_GID", w->gid);
    set_if(e, "SLURM_JOB_USER", s->user_name);
    set_if(e, "SLURM_SUBMIT_DIR", td_str_empty(s->submit_dir) ? s->work_dir : s->submit_dir);
    set_if(e, "SLURM_SUBMIT_HOST", s->submit_host);
    set_number(e, "SLURM_JOB_START_TIME", (uint64_t)(f->start_ms / 1000));
    if (w->limit_s && w->limit_s != TD_INFINITE)
        set_number(e, "SLURM_JOB_END_TIME", (uint64_t)(f->start_ms / 1000) + w->limit_s);
    set_number_if(e, "SLURM_RESTART_COUNT", w->restarts);
    set(e, "SLURM_PRIO_PROCESS", "0");
    set_if(e, "SLURM_CLUSTER_NAME", f->cluster);
    set_if(e, "SLURM_CONF", f->conf);
    set(e, "ENVIRONMENT", "BATCH");
    if (w->array_job) {
        set_number(e, "SLURM_ARRAY_JOB_ID", w->array_job);
        set_number(e, "SLURM_ARRAY_TASK_ID", w->array_task);
        set_number(e, "SLURM_ARRAY_TASK_COUNT", w->array_count);
        set_number(e, "SLURM_ARRAY_TASK_MIN", w->array_min);
        set_number(e, "SLURM_ARRAY_TASK_MAX", w->array_max);
        set_number(e, "SLURM_ARRAY_TASK_STEP", w->array_step ? w->array_step : 1);
    }
}

static void set_nodes(struct env *e, const struct environ_facts *f)
{
    const struct td_award *w = f->award;
    const char *nodes = td_str_empty(w->nodelist) ? f->node : w->nodelist;
    uint32_t nnodes = w->nodes ? w->nodes : 1;
    set(e, "SLURM_JOB_NODELIST", nodes);
    set(e, "SLURM_NODELIST", nodes);
    set_number(e, "SLURM_NNODES", nnodes);
    set_number(e, "SLURM_JOB_NUM_NODES", nnodes);
    set_number(e, "SLURM_NTASKS", w->ntasks ? w->ntasks : 1);
    set_number(e, "SLURM_NPROCS", w->ntasks ? w->ntasks : 1);
    set_if(e, "SLURM_TASKS_PER_NODE", w->tasks_per_node);
    set_if(e, "SLURM_JOB_CPUS_PER_NODE", w->cpus_per_node);
    set_number(e, "SLURM_CPUS_ON_NODE", td_bits_count(w->place.cpus.v, w->place.cpus.n));
    set(e, "SLURMD_NODENAME", f->node);
    set(e, "SLURM_NODEID", "0");
    set(e, "SLURM_PROCID", "0");
    set(e, "SLURM_LOCALID", "0");
    set(e, "SLURM_GTIDS", "0");
    set(e, "SLURM_TOPOLOGY_ADDR", f->node);
    set(e, "SLURM_TOPOLOGY_ADDR_PATTERN", "node");
    set_if(e, "HOSTNAME", td_str_empty(f->inventory->hostname) ? f->node : f->inventory->hostname);
}

/* --gpus, --gpus-per-node (--gres=gpu is the same wish) and --gpus-per-task as they were asked: [type:]count */
static void set_gpu_need(struct env *e, const char *name, struct td_gres_need_list needs)
{
    char text[TD_MAX_NAME_BYTES + 32];
    for (uint32_t i = 0; i < needs.n; i++) {
        const struct td_gres_need *g = &needs.v[i];
        if (!td_str_equal(g->name, "gpu"))
            continue;
        td_format(text, sizeof(text), "%s%s%llu", g->type ? g->type : "", td_str_empty(g->type) ? "" : ":",
                  (unsigned long long)g->count);
        set(e, name, text);
        return;
    }
}

static void set_needs(struct env *e, const struct environ_facts *f)
{
    if (f->spec->needs.n == 0)
        return;
    const struct td_job_need *need = &f->spec->needs.v[0];
    set_number_if(e, "SLURM_CPUS_PER_TASK", need->cpus_per_task);
    set_number_if(e, "SLURM_NTASKS_PER_NODE", need->ntasks_per_node);
    set_number_if(e, "SLURM_MEM_PER_NODE", need->mem_all ? f->award->place.memory_mb : need->mem_mb_per_node);
    set_number_if(e, "SLURM_MEM_PER_CPU", need->mem_mb_per_cpu);
    set_number_if(e, "SLURM_MEM_PER_GPU", need->mem_mb_per_gpu);
    set_number_if(e, "SLURM_CPUS_PER_GPU", need->cpus_per_gpu);
    set_gpu_need(e, "SLURM_GPUS", need->gres_job);
    set_gpu_need(e, "SLURM_GPUS_PER_NODE", need->gres);
    set_gpu_need(e, "SLURM_GPUS_PER_TASK", need->gres_task);
}

/* --- GPUs ---------------------------------------------------------------------------------------------------------------- */

static bool node_has_gpus(const struct td_inventory *inv)
{
    for (uint32_t i = 0; i < inv->gres.n; i++)
        if (td_str_equal(inv->gres.v[i].name, "gpu"))
            return true;
    return false;
}

static const struct td_device *device_of(const struct td_inventory *inv, uint32_t index)
{
    for (uint32_t i = 0; i < inv->gres.n; i++) {
        const struct td_gres_stock *stock = &inv->gres.v[i];
        for (uint32_t k = 0; td_str_equal(stock->name, "gpu") && k < stock->devices.n; k++)
            if (stock->devices.v[k].index == index)
                return &stock->devices.v[k];
    }
    return NULL;
}

/* Everything counts as NVIDIA's that does not show itself as AMD's: pretended devices are what the guide teaches with. */
static bool is_amd(const struct td_device *d)
{
    return d && (td_str_prefix(d->file ? d->file : "", "/dev/dri/") || td_str_prefix(d->file ? d->file : "", "/dev/kfd"));
}

static void set_gpu_lists(struct env *e, const struct td_inventory *inv, const uint8_t *held, const char *name)
{
    struct td_buf indices = {0}, ids = {0};
    bool amd = false;
    for (int64_t i = td_bits_next(held, TD_MAX_CPU_BYTES, 0); i >= 0; i = td_bits_next(held, TD_MAX_CPU_BYTES, (uint32_t)i + 1)) {
        const struct td_device *d = device_of(inv, (uint32_t)i);
        const char *comma = indices.len ? "," : "";
        td_buf_putf(&indices, "%s%u", comma, (unsigned)i);
        if (d && !td_str_empty(d->uuid))
            td_buf_putf(&ids, "%s%s", comma, d->uuid);
        else
            td_buf_putf(&ids, "%s%u", comma, (unsigned)i);
        amd |= is_amd(d);
    }
    const char *list = td_buf_str(&indices);
    set(e, name, list);
    set(e, "GPU_DEVICE_ORDINAL", list);
    set(e, amd ? "ROCR_VISIBLE_DEVICES" : "CUDA_VISIBLE_DEVICES", list);
    if (!amd) {
        set(e, "NVIDIA_VISIBLE_DEVICES", td_buf_str(&ids));
        set(e, "CUDA_DEVICE_ORDER", "PCI_BUS_ID"); /* or CUDA would count them by speed */
    }
    td_buf_release(&indices);
    td_buf_release(&ids);
}

static void set_gpus(struct env *e, const struct environ_facts *f)
{
    const struct td_gres_held_list *held = &f->award->place.gres;
    uint8_t devices[TD_MAX_CPU_BYTES] = {0};
    uint64_t count = 0;
    bool any = false;
    for (uint32_t i = 0; i < held->n; i++) {
        const struct td_gres_held *g = &held->v[i];
        if (!td_str_equal(g->name, "gpu"))
            continue;
        count += g->count;
        for (uint32_t k = 0; k < g->devices.n && k < sizeof(devices); k++) {
            devices[k] |= g->devices.v[k];
            any |= g->devices.v[k] != 0;
        }
    }
    if (count)
        set_number(e, "SLURM_GPUS_ON_NODE", count);
    if (any)
        set_gpu_lists(e, f->inventory, devices, "SLURM_JOB_GPUS");
    else if (node_has_gpus(f->inventory))
        set(e, "NVIDIA_VISIBLE_DEVICES", "void");
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */

/* Nothing was exported (--export=NONE): what a login would set, so that a script finds its programs. */
static void set_login(struct env *e, const struct environ_facts *f, struct td_strs base)
{
    const char *user = f->spec->user_name;
    if (base.n == 0)
        set(e, "SLURM_GET_USER_ENV", "1");
    if (!has(base, "PATH"))
        set(e, "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
    if (!has(base, "HOME"))
        set_if(e, "HOME", f->spec->home);
    if (!has(base, "USER"))
        set_if(e, "USER", user);
    if (!has(base, "LOGNAME"))
        set_if(e, "LOGNAME", user);
    if (!has(base, "SHELL"))
        set_if(e, "SHELL", f->shell);
}

void environ_make(const struct environ_facts *f, struct td_strs base, struct td_arena *a, struct td_strs *ret)
{
    struct env e = {.a = a, .cap = base.n + 80};
    char attempt[32];
    bool gpus = node_has_gpus(f->inventory);
    e.v = td_arena_alloc(a, e.cap * sizeof(*e.v));
    for (uint32_t i = 0; i < base.n; i++) {
        bool ours = gpus && name_listed(base.v[i], gpu_names, TD_ARRAY_LEN(gpu_names));
        ours |= !td_str_empty(f->conf) && td_str_prefix(base.v[i], "SLURM_CONF=");
        if (!ours)
            add(&e, base.v[i]);
    }
    set_login(&e, f, base);
    set_job(&e, f);
    set_nodes(&e, f);
    set_needs(&e, f);
    set_gpus(&e, f);
    td_format(attempt, sizeof(attempt), "%u.%u", f->award->job, f->award->attempt);
    set(&e, "TENDER_ATTEMPT", attempt);
    set(&e, "TENDER_NODE_DIR", f->node_dir);
    add(&e, "SLURM_TASK_PID=0"); /* the shepherd puts in the process it made */
    *ret = (struct td_strs){e.v, e.n};
}

/* --- steps --------------------------------------------------------------------------------------------------------------------- */

/* Of another step, or what this node says better. The job's own variables stay. */
static const char *const step_stale[] = {
    "SLURM_STEP*", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_GTIDS", "SLURM_TASK_PID", "SLURMD_*",
    "SLURM_CPUS_ON_NODE", "SLURM_TOPOLOGY_ADDR*", "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_NNODES", "SLURM_TASKS_PER_NODE",
    "SLURM_JOB_ID", "SLURM_JOBID", "SLURM_PTY_*", "SLURM_CLUSTER_NAME", "SLURM_GPUS_ON_NODE", "TENDER_ATTEMPT", "TENDER_STEP",
    "TENDER_NODE_DIR", "ENVIRONMENT", "HOSTNAME",
};

/* Bitmap of the GPUs that the step holds here; returns how many. */
static uint32_t step_gpus(const struct td_step_launch *l, uint8_t devices[TD_MAX_CPU_BYTES])
{
    memset(devices, 0, TD_MAX_CPU_BYTES);
    for (uint32_t i = 0; i < l->place.gres.n; i++) {
        const struct td_gres_held *g = &l->place.gres.v[i];
        for (uint32_t k = 0; td_str_equal(g->name, "gpu") && k < g->devices.n && k < TD_MAX_CPU_BYTES; k++)
            devices[k] |= g->devices.v[k];
    }
    return td_bits_count(devices, TD_MAX_CPU_BYTES);
}

/* GPUs for each task; 0 = all tasks see all of them. */
static uint64_t gpus_each(const struct td_step_launch *l)
{
    for (uint32_t i = 0; i < l->spec.gres_task.n; i++)
        if (td_str_equal(l->spec.gres_task.v[i].name, "gpu"))
            return l->spec.gres_task.v[i].count;
    return 0;
}

static void set_ranks(struct env *e, const struct td_step_launch *l)
{
    struct td_buf b = {0};
    for (uint32_t i = 0; i < l->place.ranks.n; i++)
        td_buf_putf(&b, "%s%u", i ? "," : "", l->place.ranks.v[i]);
    set(e, "SLURM_GTIDS", td_buf_str(&b));
    td_buf_release(&b);
}

static void set_step(struct env *e, const struct environ_step_facts *f)
{
    const struct td_step_launch *l = f->launch;
    char text[48];
    set_number(e, "SLURM_JOB_ID", l->job);
    set_number(e, "SLURM_JOBID", l->job);
    set_number(e, "SLURM_STEP_ID", l->step);
    set_number(e, "SLURM_STEPID", l->step);
    set_if(e, "SLURM_STEP_NODELIST", l->nodelist);
    set_number(e, "SLURM_STEP_NUM_NODES", l->nodes);
    set_number(e, "SLURM_STEP_NUM_TASKS", l->ntasks);
    set_if(e, "SLURM_STEP_TASKS_PER_NODE", l->tasks_per_node);
    set_if(e, "SLURM_TASKS_PER_NODE", l->tasks_per_node);
    set_number(e, "SLURM_NTASKS", l->ntasks);
    set_number(e, "SLURM_NPROCS", l->ntasks);
    set_number(e, "SLURM_NNODES", l->nodes);
    set_number(e, "SLURM_NODEID", l->node_rank);
    set_number(e, "SLURM_CPUS_ON_NODE", td_bits_count(l->place.cpus.v, l->place.cpus.n));
    set_ranks(e, l);
    set_if(e, "SLURM_CLUSTER_NAME", f->cluster);
    set_if(e, "SLURM_CONF", f->conf);
    set(e, "SLURMD_NODENAME", f->node);
    set(e, "SLURM_TOPOLOGY_ADDR", f->node);
    set(e, "SLURM_TOPOLOGY_ADDR_PATTERN", "node");
    set_if(e, "HOSTNAME", td_str_empty(f->inventory->hostname) ? f->node : f->inventory->hostname);
    if (l->spec.pty) {
        set_number_if(e, "SLURM_PTY_WIN_ROW", l->spec.rows);
        set_number_if(e, "SLURM_PTY_WIN_COL", l->spec.columns);
    }
    td_format(text, sizeof(text), "%u.%u", l->job, l->attempt);
    set(e, "TENDER_ATTEMPT", text);
    td_format(text, sizeof(text), "%u.%u.%u", l->job, l->attempt, l->step);
    set(e, "TENDER_STEP", text);
    set(e, "TENDER_NODE_DIR", f->node_dir);
}

static void add_submitted(struct env *e, const struct environ_step_facts *f, struct td_bin blob)
{
    bool gpus = node_has_gpus(f->inventory);
    for (uint32_t at = 0; at < blob.n;) {
        const char *var = (const char *)blob.v + at;
        size_t len = strnlen(var, blob.n - at);
        if (len == blob.n - at) { /* the last one, without its NUL */
            char *whole = td_arena_alloc(e->a, len + 1);
            memcpy(whole, var, len);
            var = whole;
        }
        at += (uint32_t)len + 1;
        bool ours = name_listed(var, step_stale, TD_ARRAY_LEN(step_stale)) || (gpus && name_listed(var, gpu_names, TD_ARRAY_LEN(gpu_names)));
        ours |= !td_str_empty(f->conf) && td_str_prefix(var, "SLURM_CONF=");
        if (len && strchr(var, '=') && var[0] != '=' && !ours)
            add(e, td_arena_strdup(e->a, var));
    }
}

void environ_step(const struct environ_step_facts *f, struct td_bin submitted, struct td_arena *a, struct td_strs *ret)
{
    struct env e = {.a = a, .cap = 128};
    uint8_t devices[TD_MAX_CPU_BYTES];
    uint32_t gpus = step_gpus(f->launch, devices);
    e.v = td_arena_alloc(a, e.cap * sizeof(*e.v));
    add_submitted(&e, f, submitted);
    if (!has((struct td_strs){e.v, e.n}, "PATH"))
        set(&e, "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
    set_step(&e, f);
    if (gpus)
        set_number(&e, "SLURM_GPUS_ON_NODE", gpus);
    if (gpus && !gpus_each(f->launch))
        set_gpu_lists(&e, f->inventory, devices, "SLURM_STEP_GPUS");
    else if (!gpus && node_has_gpus(f->inventory))
        set(&e, "NVIDIA_VISIBLE_DEVICES", "void");
    *ret = (struct td_strs){e.v, e.n};
}

void environ_task(const struct environ_step_facts *f, uint32_t local, struct td_arena *a, struct td_strs *ret)
{
    struct env e = {.a = a, .cap = 16};
    uint8_t devices[TD_MAX_CPU_BYTES], own[TD_MAX_CPU_BYTES] = {0};
    uint64_t each = gpus_each(f->launch), n = 0;
    e.v = td_arena_alloc(a, e.cap * sizeof(*e.v));
    set_number(&e, "SLURM_PROCID", f->launch->place.ranks.v[local]);
    set_number(&e, "SLURM_LOCALID", local);
    if (each && step_gpus(f->launch, devices)) {
        for (int64_t i = td_bits_next(devices, sizeof(devices), 0); i >= 0; i = td_bits_next(devices, sizeof(devices), (uint32_t)i + 1), n++)
            if (n / each == local)
                td_bits_set(own, (uint32_t)i);
        set_gpu_lists(&e, f->inventory, own, "SLURM_STEP_GPUS");
    }
    *ret = (struct td_strs){e.v, e.n};
}
