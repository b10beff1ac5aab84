/* conf.c - one configuration, built whole: read the files, check, derive what the core decides by
 *
 * Owns: struct td_conf; everything it points to lives in its arena. On an error nothing of it is left. */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "conf/cluster.h"

struct loading {
    struct td_conf *conf;
    struct reading rd;
    struct conf_values values;
    struct cluster cluster;
    const char *dir;
    TD_VEC(const char *) hosts; /* SlurmctldHost, in order */
};

static const char *dir_of(struct td_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return ".";
    if (slash == path)
        return "/";
    char *dir = td_arena_strdup(a, path);
    dir[slash - path] = '\0';
    return dir;
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static const char *beside(struct td_arena *a, const char *dir, const char *name)
{
    struct td_buf b = {0};

    td_buf_putf(&b, "%s/%s", dir, name);
    const char *ret = td_arena_strdup(a, td_buf_str(&b));
    td_buf_release(&b);
    return ret;
}

enum line_kind { LINE_SCALARS, LINE_NODE, LINE_DOWN, LINE_SET, LINE_FRONTEND, LINE_PARTITION };

static enum line_kind line_kind(const struct lex_line *line)
{
    static const struct {
        const char *key;
        enum line_kind kind;
    } firsts[] = {
        {"NodeName", LINE_NODE},         {"DownNodes", LINE_DOWN},         {"NodeSet", LINE_SET},
        {"FrontendName", LINE_FRONTEND}, {"PartitionName", LINE_PARTITION},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(firsts); i++)
        if (line->words[0].value && td_str_casecmp(line->words[0].key, firsts[i].key) == 0)
            return firsts[i].kind;
    return LINE_SCALARS;
}

static int hosts_add(struct loading *ld, const struct lex_line *line, const struct lex_word *w, struct td_error *err)
{
    char *host = td_arena_strdup(ld->rd.arena, w->value), *address = NULL;
    size_t len = strcspn(host, ",("); /* host(address); old files name two with a comma */

    if (host[len] == '(') {
        address = host + len + 1;
        size_t end = strcspn(address, "),");
        if (end == 0 || address[end] != ')')
            return td_fail(err, TD_E_CONF, "%s line %u: SlurmctldHost: '%s' names no address", line->file, w->line, w->value);
        address[end] = '\0';
    }
    host[len] = '\0';
    if (host[0] == '\0')
        return td_fail(err, TD_E_CONF, "%s line %u: SlurmctldHost: '%s' names no host", line->file, w->line, w->value);
    if (ld->hosts.n > 0 || strchr(w->value, ','))
        reading_note(&ld->rd, "%s line %u: only the first SlurmctldHost counts: there are no standby brokers in this version",
                     line->file, w->line);
    td_vec_push(&ld->hosts, td_arena_strdup(ld->rd.arena, w->value));
    if (!ld->conf->control_host) {
        ld->conf->control_host = host;
        ld->conf->control_address = address;
    }
    return 0;
}

static int scalars_line(struct loading *ld, const struct lex_line *line, struct td_error *err)
{
    int r = option_take_line(&ld->rd, GROUP_SLURM, &ld->values, line, err);

    for (uint32_t i = 0; i < line->nwords && r == 0; i++) {
        const struct lex_word *w = &line->words[i];
        if (w->value && (td_str_casecmp(w->key, "SlurmctldHost") == 0 || td_str_casecmp(w->key, "ControlMachine") == 0))
            r = hosts_add(ld, line, w, err);
    }
    return r;
}

static int frontend_line(struct loading *ld, const struct lex_line *line, struct td_error *err)
{
    struct conf_values v;

    conf_values_defaults(&v);
    return option_take_line(&ld->rd, GROUP_FRONTEND, &v, line, err);
}

/* Scalars first, because lines of nodes and partitions depend on some; then nodes, then what names nodes. */
static int slurm_conf(struct loading *ld, const struct lex *l, struct td_error *err)
{
    static const enum line_kind passes[] = {LINE_SCALARS, LINE_FRONTEND, LINE_NODE,
                                            LINE_SET,     LINE_DOWN,     LINE_PARTITION};

    for (size_t p = 0; p < TD_ARRAY_LEN(passes); p++) {
        for (uint32_t i = 0; i < l->lines.n; i++) {
            const struct lex_line *line = &l->lines.v[i];
            int r = 0;
            if (line_kind(line) != passes[p])
                continue;
            switch (passes[p]) {
            case LINE_SCALARS:
                r = scalars_line(ld, line, err);
                break;
            case LINE_FRONTEND:
                r = frontend_line(ld, line, err);
                break;
            case LINE_NODE:
                r = nodes_line(&ld->cluster, line, err);
                break;
            case LINE_SET:
                r = nodes_set(&ld->cluster, line, err);
                break;
            case LINE_DOWN:
                r = nodes_down(&ld->cluster, line, err);
                break;
            case LINE_PARTITION:
                r = partitions_line(&ld->cluster, line, err);
                break;
            }
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int options_file(struct loading *ld, enum conf_group group, const struct lex *l, struct td_error *err)
{
    for (uint32_t i = 0; i < l->lines.n; i++) {
        int r = option_take_line(&ld->rd, group, &ld->values, &l->lines.v[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Reads one file and hands its lines on. A file that is not there is as good as empty, except slurm.conf. */
static int file_load(struct loading *ld, const char *path, const char *label, bool may_lack,
                     int (*take)(struct loading *ld, const struct lex *l, struct td_error *err), struct td_error *err)
{
    struct lex l = {.arena = ld->rd.arena, .dir = ld->dir};
    int r = lex_file(&l, path, label, may_lack, err);

    if (r > 0)
        r = take(ld, &l, err);
    lex_release(&l);
    return r;
}

static int take_tender(struct loading *ld, const struct lex *l, struct td_error *err)
{
    return options_file(ld, GROUP_TENDER, l, err);
}

static int take_cgroup(struct loading *ld, const struct lex *l, struct td_error *err)
{
    return options_file(ld, GROUP_CGROUP, l, err);
}

static int take_dbd(struct loading *ld, const struct lex *l, struct td_error *err)
{
    return options_file(ld, GROUP_DBD, l, err);
}

static int take_gres(struct loading *ld, const struct lex *l, struct td_error *err)
{
    return gres_file(&ld->cluster, l, err);
}

static int take_topology(struct loading *ld, const struct lex *l, struct td_error *err)
{
    return topology_file(&ld->cluster, l, err);
}

static uint32_t num(const struct loading *ld, enum conf_key key)
{
    return (uint32_t)ld->values.v[key].num;
}

static const char *text(const struct loading *ld, enum conf_key key)
{
    const char *s = ld->values.v[key].text;

    return td_str_empty(s) || td_str_casecmp(s, "(null)") == 0 ? NULL : s;
}

/* A list of users by name or number. */
static int users(struct loading *ld, enum conf_key key, struct td_u32s *ret, struct td_error *err)
{
    const struct conf_value *v = &ld->values.v[key];
    TD_VEC(uint32_t) uids = {0};
    int r = 0;

    for (const char *p = v->text ? v->text : ""; *p && r == 0;) {
        size_t n = strcspn(p, ",");
        td_autofree char *name = td_strndup(p, n);
        uint64_t uid = 0;
        if (n > 0 && !(td_parse_u64(name, &uid) && uid < UINT32_MAX)) {
            char space[4096];
            struct passwd pw, *found = NULL;
            if (getpwnam_r(name, &pw, space, sizeof(space), &found) != 0 || !found)
                r = td_fail(err, TD_E_CONF, "%s line %u: %s: there is no user '%s'", v->file, v->line,
                            conf_row(key)->name, name);
            else
                uid = pw.pw_uid;
        }
        if (n > 0 && r == 0)
            td_vec_push(&uids, (uint32_t)uid);
        p += n + (p[n] == ',');
    }
    if (r == 0) {
        ret->n = uids.n;
        ret->v = td_arena_dup(ld->rd.arena, uids.v, uids.n * sizeof(uids.v[0]));
    }
    td_vec_release(&uids);
    return r;
}

/* Of a file written for another machine there may be no such user here: then he is nobody's administrator. */
static void slurm_user(struct loading *ld, struct td_u32s *admins)
{
    char space[4096];
    struct passwd pw, *found = NULL;
    const char *name = conf_is_set(&ld->values, KEY_SLURM_SlurmUser) ? text(ld, KEY_SLURM_SlurmUser) : NULL;
    uint64_t uid = 0;

    if (!name)
        return;
    if (!(td_parse_u64(name, &uid) && uid < UINT32_MAX)) {
        if (getpwnam_r(name, &pw, space, sizeof(space), &found) != 0 || !found)
            return;
        uid = found->pw_uid;
    }
    uint32_t *v = td_arena_alloc(ld->rd.arena, (admins->n + 1) * sizeof(*v));
    if (admins->n)
        memcpy(v, admins->v, admins->n * sizeof(*v));
    v[admins->n] = (uint32_t)uid;
    *admins = (struct td_u32s){v, admins->n + 1};
}

static uint32_t private_data(const struct conf_value *v)
{
    uint32_t bits = 0;

    if (option_has_word(v, "all"))
        return TD_PRIVATE_ALL;
#define PRIVATE(name, bit, word, help) bits |= option_has_word(v, word) ? TD_PRIVATE_##name : 0u;
#include "tbl/states.def"
#undef PRIVATE
    return bits;
}

/* Licenses=matlab:10,ansys */
static int licenses(const struct loading *ld, const char **ret, struct td_error *err)
{
    const struct conf_value *v = &ld->values.v[KEY_SLURM_Licenses];
    struct td_license one;
    struct td_error why = {0};
    uint32_t kinds = 0;
    int r;

    for (const char *at = v->text; (r = td_license_next(&at, &one, &why)) > 0;)
        if (++kinds > TD_MAX_GRES_KINDS)
            return td_fail(err, TD_E_CONF, "%s line %u: Licenses: more than %d kinds", v->file, v->line, TD_MAX_GRES_KINDS);
    if (r < 0)
        return td_fail(err, TD_E_CONF, "%s line %u: Licenses: %s", v->file, v->line, why.text);
    if (v->text && strlen(v->text) > TD_MAX_TEXT_BYTES)
        return td_fail(err, TD_E_CONF, "%s line %u: Licenses: longer than %d bytes", v->file, v->line, TD_MAX_TEXT_BYTES);
    *ret = v->text;
    return 0;
}

static int exclude(const struct loading *ld, enum conf_key a, enum conf_key b, struct td_error *err)
{
    const struct conf_value *x = &ld->values.v[a], *y = &ld->values.v[b];

    if (!x->file || !y->file || x->num == 0 || y->num == 0)
        return 0;
    return td_fail(err, TD_E_CONF, "%s line %u: %s and %s (%s line %u) exclude each other", y->file, y->line,
                   conf_row(b)->name, conf_row(a)->name, x->file, x->line);
}

static const char *lower(struct td_arena *a, const char *s)
{
    char *ret = td_arena_strdup(a, s);

    for (char *p = ret; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p | 0x20);
    return ret;
}

static const char *backfill_policy(const struct loading *ld)
{
    if (text(ld, KEY_TENDER_BackfillPolicy))
        return lower(ld->rd.arena, text(ld, KEY_TENDER_BackfillPolicy));
    return option_has_word(&ld->values.v[KEY_SLURM_SchedulerType], "sched/builtin") ? "fifo" : "easy";
}

static bool counts_memory(const struct conf_value *v)
{
    return option_has_word(v, "CR_Core_Memory") || option_has_word(v, "CR_CPU_Memory") ||
           option_has_word(v, "CR_Socket_Memory") || option_has_word(v, "CR_Memory");
}

/* A node ends its jobs after a silence longer than the lease and before SlurmdTimeout: there must be time for it. */
static int fence_fits(const struct loading *ld, const struct td_settings *s, struct td_error *err)
{
    const struct conf_value *v = &ld->values.v[KEY_TENDER_NodeFence];
    uint64_t least = (uint64_t)s->lease_ms / 1000 + s->kill_wait_s + TD_MAX_FENCE_SLACK_MS / 1000;
    if (s->node_timeout_s >= least)
        return 0;
    return td_fail(err, TD_E_CONF, "%s line %u: NodeFence=kill wants a SlurmdTimeout of %llu or more (LeaseTime=%u, KillWait=%u and %d s); it is %u%s",
                   v->file, v->line, (unsigned long long)least, s->lease_ms / 1000, s->kill_wait_s, TD_MAX_FENCE_SLACK_MS / 1000,
                   s->node_timeout_s, s->node_timeout_s ? "" : ": no node is ever lost");
}

static int settings(struct loading *ld, struct td_error *err)
{
    struct td_settings *s = &ld->conf->settings;
    const struct conf_value *select = &ld->values.v[KEY_SLURM_SelectTypeParameters];
    int r;

    s->cluster = lower(ld->rd.arena, ld->values.v[KEY_SLURM_ClusterName].text);
    if (strlen(s->cluster) > 40 || s->cluster[strspn(s->cluster, "abcdefghijklmnopqrstuvwxyz0123456789_-.")])
        return td_fail(err, TD_E_CONF, "%s line %u: ClusterName: '%s' is not a name of at most 40 letters, digits, _-.",
                       ld->values.v[KEY_SLURM_ClusterName].file, ld->values.v[KEY_SLURM_ClusterName].line, s->cluster);
    s->lease_ms = num(ld, KEY_TENDER_LeaseTime) * 1000;
    s->node_timeout_s = num(ld, KEY_SLURM_SlurmdTimeout);
    if (s->node_timeout_s && s->node_timeout_s < num(ld, KEY_TENDER_LeaseTime)) {
        const struct conf_value *v = &ld->values.v[KEY_SLURM_SlurmdTimeout];
        reading_note(&ld->rd, "%s line %u: SlurmdTimeout=%u is below the lease: a silent node's jobs are lost after %u s "
                              "(LeaseTime of tender.conf)",
                     v->file ? v->file : "slurm.conf", v->line, s->node_timeout_s, num(ld, KEY_TENDER_LeaseTime));
    }
    s->min_job_age_s = num(ld, KEY_SLURM_MinJobAge);
    s->kill_wait_s = num(ld, KEY_SLURM_KillWait);
    s->node_fence = option_has_word(&ld->values.v[KEY_TENDER_NodeFence], "kill");
    r = s->node_fence ? fence_fits(ld, s, err) : 0;
    if (r < 0)
        return r;
    s->limit_round_s = num(ld, KEY_TENDER_TimeLimitResolution);
    s->inactive_s = num(ld, KEY_SLURM_InactiveLimit);
    s->requeue = num(ld, KEY_SLURM_JobRequeue) != 0;
    s->max_jobs = conf_is_set(&ld->values, KEY_SLURM_MaxJobCount) ? num(ld, KEY_SLURM_MaxJobCount) : 0;
    if (s->max_jobs == TD_INFINITE)
        s->max_jobs = 0;
    s->max_array = conf_is_set(&ld->values, KEY_SLURM_MaxArraySize) ? num(ld, KEY_SLURM_MaxArraySize) : 0;
    if (s->max_array == TD_INFINITE)
        s->max_array = 0;
    s->first_job = num(ld, KEY_SLURM_FirstJobId);
    s->depth = num(ld, KEY_TENDER_BackfillDepth);
    s->core_is_unit = !option_has_word(select, "CR_CPU") && !option_has_word(select, "CR_CPU_Memory");
    s->memory_counts = counts_memory(select);
    s->def_mem_mb_per_cpu = ld->values.v[KEY_SLURM_DefMemPerCPU].num;
    s->def_mem_mb_per_node = ld->values.v[KEY_SLURM_DefMemPerNode].num;
    s->max_mem_mb_per_cpu = ld->values.v[KEY_SLURM_MaxMemPerCPU].num;
    s->max_mem_mb_per_node = ld->values.v[KEY_SLURM_MaxMemPerNode].num;
    s->return_to_service = num(ld, KEY_SLURM_ReturnToService);
    s->elastic = ld->cluster.elastic;
    s->over_time_s = num(ld, KEY_SLURM_OverTimeLimit);
    s->shard_nodes = num(ld, KEY_TENDER_ShardNodes);
    s->backfill = backfill_policy(ld);
    s->free_order = option_has_word(&ld->values.v[KEY_TENDER_QueueOrder], "free");
    if (s->free_order && option_has_word(&ld->values.v[KEY_SLURM_PriorityType], "priority/multifactor"))
        return td_fail(err, TD_E_CONF, "%s line %u: QueueOrder=free and PriorityType=priority/multifactor (%s line %u) exclude each other: "
                                       "priorities would not be looked at", ld->values.v[KEY_TENDER_QueueOrder].file,
                       ld->values.v[KEY_TENDER_QueueOrder].line, ld->values.v[KEY_SLURM_PriorityType].file,
                       ld->values.v[KEY_SLURM_PriorityType].line);

    r = exclude(ld, KEY_SLURM_DefMemPerCPU, KEY_SLURM_DefMemPerNode, err);
    if (r == 0 && conf_is_set(&ld->values, KEY_SLURM_PropagateResourceLimits) &&
        conf_is_set(&ld->values, KEY_SLURM_PropagateResourceLimitsExcept))
        r = td_fail(err, TD_E_CONF, "%s line %u: PropagateResourceLimits and PropagateResourceLimitsExcept exclude each other",
                    ld->values.v[KEY_SLURM_PropagateResourceLimitsExcept].file,
                    ld->values.v[KEY_SLURM_PropagateResourceLimitsExcept].line);
    if (r == 0)
        r = exclude(ld, KEY_SLURM_MaxMemPerCPU, KEY_SLURM_MaxMemPerNode, err);
    if (r == 0)
        r = users(ld, KEY_TENDER_Admins, &s->admins, err);
    if (r == 0)
        r = users(ld, KEY_TENDER_Operators, &s->operators, err);
    if (r == 0)
        slurm_user(ld, &s->admins);
    if (r == 0)
        r = licenses(ld, &s->licenses, err);
    s->request_rate = num(ld, KEY_TENDER_RequestRate);
    if (r == 0)
        r = priority_settings(&ld->rd, &ld->values, s, err);
    s->private_data = private_data(&ld->values.v[KEY_SLURM_PrivateData]);
    return r;
}

static int shell_facts(struct loading *ld, struct td_error *err)
{
    struct td_conf *c = ld->conf;
    const struct conf_value *task = &ld->values.v[KEY_SLURM_TaskPlugin];
    const char *state = text(ld, KEY_SLURM_StateSaveLocation);

    if (state && state[0] != '/')
        return td_fail(err, TD_E_CONF, "%s line %u: StateSaveLocation=%s is not a whole path",
                       ld->values.v[KEY_SLURM_StateSaveLocation].file, ld->values.v[KEY_SLURM_StateSaveLocation].line,
                       state);
    if (state)
        c->state_dir = state;
    else if (c->path)
        c->state_dir = beside(ld->rd.arena, ld->dir, "state");
    c->spool_dir = text(ld, KEY_SLURM_SlurmdSpoolDir);
    c->log_file = text(ld, KEY_SLURM_SlurmctldLogFile);
    c->address = text(ld, KEY_TENDER_Address);
    if (text(ld, KEY_SLURM_SlurmctldAddr))
        c->control_address = text(ld, KEY_SLURM_SlurmctldAddr);
    c->ports = text(ld, KEY_TENDER_Ports);
    c->front_address = text(ld, KEY_TENDER_FrontAddress);
    c->epilog = text(ld, KEY_SLURM_Epilog);
    c->prolog = text(ld, KEY_SLURM_Prolog);
    c->propagate = conf_is_set(&ld->values, KEY_SLURM_PropagateResourceLimits)
                       ? text(ld, KEY_SLURM_PropagateResourceLimits)
                       : NULL;
    c->propagate_except = text(ld, KEY_SLURM_PropagateResourceLimitsExcept);
    c->tmp_fs = text(ld, KEY_SLURM_TmpFS);
    c->proctrack = text(ld, KEY_SLURM_ProctrackType);
    c->input_log = num(ld, KEY_TENDER_InputLog) != 0;
    c->low_space_mb = ld->values.v[KEY_TENDER_LowSpace].num;
    c->snapshot_events = num(ld, KEY_TENDER_SnapshotEvents);
    c->keep_events = num(ld, KEY_TENDER_KeepEvents);
    bool dbd_says = conf_is_set(&ld->values, KEY_DBD_PurgeJobAfter) && !conf_is_set(&ld->values, KEY_TENDER_PurgeJobAfter);
    c->purge_jobs_h = ld->values.v[dbd_says ? KEY_DBD_PurgeJobAfter : KEY_TENDER_PurgeJobAfter].num;
    c->constrain_cores = num(ld, KEY_CGROUP_ConstrainCores) != 0;
    c->constrain_ram = num(ld, KEY_CGROUP_ConstrainRAMSpace) != 0;
    c->constrain_devices = num(ld, KEY_CGROUP_ConstrainDevices) != 0;
    c->task_affinity = option_has_word(task, "task/affinity") || option_has_word(task, "affinity") ||
                       option_has_word(task, "task/cgroup") || option_has_word(task, "cgroup");
    return 0;
}

struct kvs {
    TD_VEC(struct td_kv) v;
};

static void show(struct loading *ld, struct kvs *out, const char *key, const char *value)
{
    struct td_kv kv = {.key = key, .value = td_arena_strdup(ld->rd.arena, value)};

    td_vec_push(&out->v, kv);
}

/* Lines whose value is not simply that of their option; true if it was one. */
static bool show_special(struct loading *ld, struct kvs *out, enum conf_key key)
{
    struct td_buf b = {0};

    switch (key) {
    case KEY_SLURM_DefMemPerNode:
        return num(ld, KEY_SLURM_DefMemPerCPU) > 0;
    case KEY_SLURM_MaxMemPerNode:
        return num(ld, KEY_SLURM_MaxMemPerCPU) > 0;
    case KEY_SLURM_PropagateResourceLimits:
        if (!conf_is_set(&ld->values, KEY_SLURM_PropagateResourceLimitsExcept))
            return false;
        show(ld, out, "PropagateResourceLimits", "(null)");
        return true;
    case KEY_SLURM_ClusterName:
        show(ld, out, "ClusterName", ld->conf->settings.cluster);
        return true;
    case KEY_SLURM_SLURM_CONF:
        show(ld, out, "SLURM_CONF", ld->conf->path ? ld->conf->path : "(null)");
        return true;
    case KEY_SLURM_StateSaveLocation:
        show(ld, out, "StateSaveLocation", ld->conf->state_dir ? ld->conf->state_dir : "(null)");
        return true;
    case KEY_SLURM_SlurmctldHost:
        for (uint32_t i = 0; i < ld->hosts.n; i++) {
            td_buf_reset(&b);
            td_buf_putf(&b, "SlurmctldHost[%u]", i);
            show(ld, out, td_arena_strdup(ld->rd.arena, td_buf_str(&b)), ld->hosts.v[i]);
        }
        td_buf_release(&b);
        return true;
    case KEY_SLURM_AccountingStorageTRES:
        td_buf_puts(&b, "cpu,mem,energy,node,billing,fs/disk,vmem,pages");
        if (text(ld, key))
            td_buf_putf(&b, ",%s", text(ld, key));
        show(ld, out, "AccountingStorageTRES", td_buf_str(&b));
        td_buf_release(&b);
        return true;
    default:
        return false;
    }
}

static void show_all(struct loading *ld)
{
    static const struct {
        enum conf_group group;
        const char *heading;
    } parts[] = {
        {GROUP_SLURM, NULL},
        {GROUP_CGROUP, "Cgroup Support Configuration:"},
        {GROUP_TENDER, "Tender Configuration:"},
    };
    struct kvs out = {0};
    struct td_buf b = {0};

    for (size_t p = 0; p < TD_ARRAY_LEN(parts); p++) {
        bool headed = parts[p].heading == NULL;
        for (int k = 0; k < KEY_COUNT; k++) {
            enum conf_key key = (enum conf_key)k;
            if (conf_row(key)->group != parts[p].group || show_special(ld, &out, key))
                continue;
            td_buf_reset(&b);
            if (!option_show(&ld->values, key, &b))
                continue;
            if (!headed)
                show(ld, &out, parts[p].heading, "");
            headed = true;
            show(ld, &out, conf_row(key)->name, td_buf_str(&b));
        }
    }
    td_buf_release(&b);
    ld->conf->all.n = out.v.n;
    ld->conf->all.v = td_arena_dup(ld->rd.arena, out.v.v, out.v.n * sizeof(out.v.v[0]));
    td_vec_release(&out.v);
}

static int take_slurm(struct loading *ld, const struct lex *l, struct td_error *err)
{
    return slurm_conf(ld, l, err);
}

static int files_load(struct loading *ld, const char *path, struct td_error *err)
{
    struct td_arena *a = ld->rd.arena;
    char whole[PATH_MAX];
    int r;

    if (!realpath(path, whole))
        return td_fail(err, TD_E_CONF, "cannot read %s: %s", path, strerror(errno));
    ld->conf->path = path[0] == '/' ? td_arena_strdup(a, path) : td_arena_strdup(a, whole);
    if (!realpath(dir_of(a, ld->conf->path), whole))
        return td_fail(err, TD_E_CONF, "cannot read %s: %s", path, strerror(errno));
    ld->dir = td_arena_strdup(a, whole);

    /* tender.conf first: whether nodes may join decides what is an error in the others */
    r = file_load(ld, beside(a, ld->dir, "tender.conf"), "tender.conf", true, take_tender, err);
    if (r < 0)
        return r;
    ld->cluster.elastic = num(ld, KEY_TENDER_Elastic) != 0;
    r = file_load(ld, ld->conf->path, base_of(path), false, take_slurm, err);
    if (r >= 0)
        r = file_load(ld, beside(a, ld->dir, "gres.conf"), "gres.conf", true, take_gres, err);
    if (r >= 0)
        r = file_load(ld, beside(a, ld->dir, "cgroup.conf"), "cgroup.conf", true, take_cgroup, err);
    if (r >= 0)
        r = file_load(ld, beside(a, ld->dir, "topology.conf"), "topology.conf", true, take_topology, err);
    if (r < 0)
        return r;

    struct td_error why = {0}; /* mode 600 of another user as a rule: little in it matters here */
    r = file_load(ld, beside(a, ld->dir, "slurmdbd.conf"), "slurmdbd.conf", true, take_dbd, &why);
    if (r < 0 && td_str_prefix(why.text, "cannot read ")) {
        reading_note(&ld->rd, "%s; accounting is kept in the journal, and PurgeJobAfter can be said in tender.conf", why.text);
        return 0;
    }
    if (r < 0 && err)
        *err = why;
    return r < 0 ? r : 0;
}

static int load(struct loading *ld, const char *path, struct td_error *err)
{
    int r = 0;

    ld->cluster.elastic = path == NULL;
    if (path)
        r = files_load(ld, path, err);
    if (r == 0)
        r = settings(ld, err);
    if (r == 0)
        r = shell_facts(ld, err);
    if (r == 0)
        r = partitions_finish(&ld->cluster, err);
    if (r < 0)
        return r;
    nodes_finish(&ld->cluster);
    show_all(ld);
    ld->conf->notes = reading_notes(&ld->rd);
    return 0;
}

int td_conf_load(const char *path, struct td_conf **ret, struct td_error *err)
{
    struct td_conf *conf = td_alloc(sizeof(*conf));
    struct loading *ld = td_alloc(sizeof(*ld));
    int r;

    ld->conf = conf;
    ld->rd.arena = &conf->arena;
    ld->rd.values = &ld->values;
    conf_values_defaults(&ld->values);
    cluster_init(&ld->cluster, conf, &ld->rd);
    r = load(ld, path, err);

    cluster_release(&ld->cluster);
    td_vec_release(&ld->hosts);
    reading_release(&ld->rd);
    td_free(ld);
    if (r < 0)
        td_conf_destroy(&conf);
    else
        *ret = conf;
    return r;
}

void td_conf_destroy(struct td_conf **p)
{
    if (!*p)
        return;
    struct td_arena arena = (*p)->arena;
    td_arena_release(&arena);
    td_free(*p);
    *p = NULL;
}
