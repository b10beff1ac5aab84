/* partitions.c - PartitionName lines
 *
 * PartitionName=DEFAULT changes what later lines start from. Node sets are replaced by their nodes here, so that
 * nobody behind the configuration knows of them. */
#include <string.h>

#include "conf/cluster.h"

static bool has(const struct conf_values *v, enum conf_key key)
{
    return v->v[key].text != NULL;
}

static uint32_t num(const struct conf_values *v, enum conf_key key)
{
    return (uint32_t)v->v[key].num;
}

/* ALL is what an empty list means. */
static const char *allowed(const struct conf_values *v, enum conf_key key)
{
    const char *text = v->v[key].text;

    return td_str_empty(text) || td_str_casecmp(text, "ALL") == 0 ? NULL : text;
}

static uint32_t whole_minutes(uint32_t s)
{
    return s == TD_INFINITE ? s : (s + 59) / 60 * 60;
}

/* The next item of a host list: commas inside brackets do not count. */
static size_t item_length(const char *s)
{
    int depth = 0;
    size_t n = 0;

    for (; s[n] && (s[n] != ',' || depth > 0); n++)
        depth += s[n] == '[' ? 1 : s[n] == ']' ? -1 : 0;
    return n;
}

static const char *sets_expand(struct cluster *c, const char *text)
{
    struct td_buf out = {0};

    for (const char *p = text; *p;) {
        size_t n = item_length(p);
        const char *nodes = NULL;
        for (uint32_t i = 0; i < c->sets.n; i++)
            if (strlen(c->sets.v[i].name) == n && memcmp(c->sets.v[i].name, p, n) == 0)
                nodes = c->sets.v[i].nodes;
        if (out.len > 0 && n > 0)
            td_buf_putc(&out, ',');
        if (nodes)
            td_buf_puts(&out, nodes);
        else
            td_buf_put(&out, p, n);
        p += n + (p[n] == ',');
    }
    const char *ret = td_arena_strdup(c->rd->arena, td_buf_str(&out));
    td_buf_release(&out);
    return ret;
}

static int nodes_of(struct cluster *c, const struct conf_value *v, const struct lex_line *line, const char **ret,
                    struct td_error *err)
{
    *ret = NULL;
    if (td_str_empty(v->text)) /* a partition may have no nodes, for now or for good */
        return 0;
    if (td_str_casecmp(v->text, "ALL") == 0) {
        *ret = "ALL";
        return 0;
    }
    const char *nodes = sets_expand(c, v->text);
    if (strlen(nodes) > TD_MAX_NODELIST_BYTES)
        return td_fail(err, TD_E_TOO_BIG, "%s line %u: Nodes is longer than %u bytes", line->file, line->line,
                       (unsigned)TD_MAX_NODELIST_BYTES);
    *ret = nodes;
    return nodes_check(c, nodes, "Nodes", v->file ? v->file : line->file, v->file ? v->line : line->line, err);
}

static int oversubscribe(struct cluster *c, const struct conf_value *v, const struct lex_line *line,
                         struct td_partition_conf *ret, struct td_error *err)
{
    char word[32] = "";
    size_t n = strcspn(v->text, ":");
    uint64_t count;

    if (n < sizeof(word))
        memcpy(word, v->text, n);
    ret->oversubscribe = "NO";
    if (td_str_casecmp(word, "NO") == 0 && !v->text[n])
        return 0;
    if (td_str_casecmp(word, "EXCLUSIVE") == 0 && !v->text[n]) {
        ret->oversubscribe = "EXCLUSIVE";
        ret->exclusive = true;
        return 0;
    }
    if ((td_str_casecmp(word, "YES") == 0 || td_str_casecmp(word, "FORCE") == 0) &&
        (!v->text[n] || td_parse_u64(v->text + n + 1, &count))) {
        reading_note(c->rd, "%s line %u: OverSubscribe=%s is taken as NO: jobs do not share CPUs", line->file,
                     v->file ? v->line : line->line, v->text);
        return 0;
    }
    return td_fail(err, TD_E_CONF, "%s line %u: OverSubscribe: '%s' is none of NO, EXCLUSIVE, YES, FORCE", line->file,
                   v->file ? v->line : line->line, v->text);
}

static int excluding(const struct conf_values *v, enum conf_key a, enum conf_key b, struct td_error *err)
{
    if (v->v[a].num == 0 || v->v[b].num == 0 || !conf_is_set(v, a) || !conf_is_set(v, b))
        return 0;
    return td_fail(err, TD_E_CONF, "%s line %u: %s and %s (%s line %u) exclude each other", v->v[b].file, v->v[b].line,
                   conf_row(b)->name, conf_row(a)->name, v->v[a].file, v->v[a].line);
}

static void times(struct cluster *c, const struct conf_values *v, const struct lex_line *line,
                  struct td_partition_conf *ret)
{
    ret->max_s = whole_minutes(num(v, KEY_PARTITION_MaxTime));
    if (!has(v, KEY_PARTITION_DefaultTime))
        return;
    ret->default_s = whole_minutes(num(v, KEY_PARTITION_DefaultTime));
    if (ret->default_s > ret->max_s) {
        reading_note(c->rd, "%s line %u: DefaultTime of %s is above its MaxTime; MaxTime is taken", line->file,
                     line->line, ret->name);
        ret->default_s = ret->max_s;
    }
}

static void priority(const struct conf_values *v, struct td_partition_conf *ret)
{
    ret->priority_tier = num(v, KEY_PARTITION_PriorityTier);
    ret->priority_factor = num(v, KEY_PARTITION_PriorityJobFactor);
    if (!has(v, KEY_PARTITION_Priority))
        return;
    if (!conf_is_set(v, KEY_PARTITION_PriorityTier))
        ret->priority_tier = num(v, KEY_PARTITION_Priority);
    if (!conf_is_set(v, KEY_PARTITION_PriorityJobFactor))
        ret->priority_factor = num(v, KEY_PARTITION_Priority);
}

static int name_check(const struct cluster *c, const char *name, const struct lex_line *line, struct td_error *err)
{
    if (td_str_empty(name) || strchr(name, ',') || strlen(name) > TD_MAX_NAME_BYTES)
        return td_fail(err, TD_E_CONF, "%s line %u: PartitionName: '%s' is not the name of one partition", line->file,
                       line->line, td_str_empty(name) ? "" : name);
    for (uint32_t i = 0; i < c->partitions.n; i++)
        if (td_str_equal(c->partitions.v[i].name, name))
            return td_fail(err, TD_E_CONF, "%s line %u: partition %s has a line already", line->file, line->line, name);
    if (c->partitions.n >= TD_MAX_PARTITIONS)
        return td_fail(err, TD_E_TOO_BIG, "%s line %u: more than %u partitions", line->file, line->line,
                       (unsigned)TD_MAX_PARTITIONS);
    return 0;
}

int partitions_line(struct cluster *c, const struct lex_line *line, struct td_error *err)
{
    struct td_partition_conf p = {0};
    struct conf_values v;
    int r;

    if (td_str_casecmp(line->words[0].value, "DEFAULT") == 0)
        return option_take_line(c->rd, GROUP_PARTITION, &c->partition_defaults, line, err);
    v = c->partition_defaults;
    r = option_take_line(c->rd, GROUP_PARTITION, &v, line, err);
    if (r < 0)
        return r;

    p.name = v.v[KEY_PARTITION_PartitionName].text;
    p.is_default = v.v[KEY_PARTITION_Default].num != 0;
    times(c, &v, line, &p);
    p.nodes_min = num(&v, KEY_PARTITION_MinNodes);
    p.nodes_max = num(&v, KEY_PARTITION_MaxNodes);
    p.state = v.v[KEY_PARTITION_State].text;
    priority(&v, &p);
    p.hidden = v.v[KEY_PARTITION_Hidden].num != 0;
    p.root_only = v.v[KEY_PARTITION_RootOnly].num != 0;
    p.no_root = has(&v, KEY_PARTITION_DisableRootJobs) ? v.v[KEY_PARTITION_DisableRootJobs].num != 0
                                                       : c->rd->values->v[KEY_SLURM_DisableRootJobs].num != 0;
    p.allow_groups = allowed(&v, KEY_PARTITION_AllowGroups);
    p.allow_accounts = allowed(&v, KEY_PARTITION_AllowAccounts);
    p.allow_qos = allowed(&v, KEY_PARTITION_AllowQos);
    p.def_mem_mb_per_cpu = v.v[KEY_PARTITION_DefMemPerCPU].num;
    p.def_mem_mb_per_node = v.v[KEY_PARTITION_DefMemPerNode].num;
    p.max_mem_mb_per_cpu = v.v[KEY_PARTITION_MaxMemPerCPU].num;
    p.max_mem_mb_per_node = v.v[KEY_PARTITION_MaxMemPerNode].num;
    p.grace_s = num(&v, KEY_PARTITION_GraceTime);
    p.lln = v.v[KEY_PARTITION_LLN].num != 0;
    p.qos = v.v[KEY_PARTITION_QOS].text;
    p.over_time_s = num(&v, KEY_PARTITION_OverTimeLimit);
    p.preempt_mode = v.v[KEY_PARTITION_PreemptMode].text;
    p.cpus_per_node_max = num(&v, KEY_PARTITION_MaxCPUsPerNode);
    if (p.cpus_per_node_max == TD_INFINITE)
        p.cpus_per_node_max = 0;

    r = name_check(c, p.name, line, err);
    if (r == 0)
        r = weights_parse(c->rd, &v.v[KEY_PARTITION_TRESBillingWeights], "TRESBillingWeights", &p.billing, err);
    if (r == 0)
        r = nodes_of(c, &v.v[KEY_PARTITION_Nodes], line, &p.nodes, err);
    if (r == 0)
        r = oversubscribe(c, &v.v[KEY_PARTITION_OverSubscribe], line, &p, err);
    if (r == 0)
        r = excluding(&v, KEY_PARTITION_DefMemPerCPU, KEY_PARTITION_DefMemPerNode, err);
    if (r == 0)
        r = excluding(&v, KEY_PARTITION_MaxMemPerCPU, KEY_PARTITION_MaxMemPerNode, err);
    if (r == 0 && p.nodes_max < p.nodes_min)
        r = td_fail(err, TD_E_CONF, "%s line %u: MaxNodes of %s is below its MinNodes", line->file, line->line, p.name);
    if (r == 0)
        td_vec_push(&c->partitions, p);
    return r;
}

/* A cluster without a PartitionName line has one partition of all nodes. The last Default=YES counts, as in Slurm. */
int partitions_finish(struct cluster *c, struct td_error *err)
{
    bool linear = option_has_word(&c->rd->values->v[KEY_SLURM_SelectType], "select/linear");
    int64_t chosen = -1;

    (void)err;
    if (c->partitions.n == 0) {
        struct td_partition_conf p = {
            .name = "normal",
            .nodes = "ALL",
            .is_default = true,
            .max_s = TD_INFINITE,
            .nodes_max = TD_INFINITE,
            .state = "UP",
            .priority_tier = 1,
            .priority_factor = 1,
            .oversubscribe = "NO",
            .no_root = c->rd->values->v[KEY_SLURM_DisableRootJobs].num != 0,
        };
        td_vec_push(&c->partitions, p);
        if (c->conf->path && !c->elastic)
            reading_note(c->rd, "there is no PartitionName line: one partition 'normal' holds all nodes");
    }
    for (uint32_t i = 0; i < c->partitions.n; i++) {
        struct td_partition_conf *p = &c->partitions.v[i];
        if (linear) {
            p->exclusive = true;
            p->oversubscribe = "EXCLUSIVE";
        }
        if (!p->is_default)
            continue;
        if (chosen >= 0) {
            reading_note(c->rd, "partitions %s and %s both say Default=YES; %s is taken", c->partitions.v[chosen].name,
                         p->name, p->name);
            c->partitions.v[chosen].is_default = false;
        }
        chosen = i;
    }
    c->conf->partitions.n = c->partitions.n;
    c->conf->partitions.v =
        td_arena_dup(c->rd->arena, c->partitions.v, c->partitions.n * sizeof(c->partitions.v[0]));
    return 0;
}
