/* node_fields.c - the one table of sinfo's fields; a row is a group of nodes (render/node_group.c)
 *
 * A field that splits prints the first node's value, for the others print the same. The rest sum, fold, or show the
 * smallest value with a + behind it where nodes differ. */
#include <string.h>

#include "render/node.h"
#include "render/value.h"

#define GROUP(row) ((const struct node_group *)(row))
#define PART(row) (GROUP(row)->part->conf)
#define PRINT(name) static void name(struct td_buf *out, const void *row)

static const struct td_node_info no_node;

static const struct td_node_info *first(const void *row)
{
    return GROUP(row)->nodes.n ? GROUP(row)->nodes.v[0] : &no_node;
}
static bool empty(const void *row)
{
    return GROUP(row)->nodes.n == 0;
}

struct range {
    uint64_t min, max;
};
#define RANGE(row, expr)                                                   \
    ({                                                                     \
        struct range r_ = {UINT64_MAX, 0};                                 \
        for (uint32_t i_ = 0; i_ < GROUP(row)->nodes.n; i_++) {            \
            const struct td_node_info *node = GROUP(row)->nodes.v[i_];     \
            uint64_t v_ = (expr);                                          \
            r_.min = TD_MIN(r_.min, v_);                                   \
            r_.max = TD_MAX(r_.max, v_);                                   \
        }                                                                  \
        if (empty(row))                                                    \
            r_.min = 0;                                                    \
        r_;                                                                \
    })
static void put_range(struct td_buf *out, struct range r)
{
    td_buf_putf(out, "%llu%s", (unsigned long long)r.min, r.min < r.max ? "+" : "");
}

/* allocated, idle, other, total: of nodes, and of their CPUs */
struct by_state {
    uint64_t alloc, idle, other, total;
};
static bool usable(const struct td_node_info *n)
{
    struct node_look s = node_look(n);

    return !s.drain && s.base != NODE_DOWN && s.base != NODE_UNKNOWN;
}
static struct by_state count_nodes(const void *row)
{
    struct by_state c = {0};

    for (uint32_t i = 0; i < GROUP(row)->nodes.n; i++) {
        const struct td_node_info *n = GROUP(row)->nodes.v[i];
        c.total++;
        if (!usable(n) && !n->cpus_alloc)
            c.other++;
        else if (n->cpus_alloc)
            c.alloc++;
        else
            c.idle++;
    }
    return c;
}
static struct by_state count_cpus(const void *row)
{
    struct by_state c = {0};

    for (uint32_t i = 0; i < GROUP(row)->nodes.n; i++) {
        const struct td_node_info *n = GROUP(row)->nodes.v[i];
        uint64_t alloc = TD_MIN(n->cpus_alloc, n->cpus);
        c.total += n->cpus;
        c.alloc += alloc;
        *(usable(n) ? &c.idle : &c.other) += n->cpus - alloc;
    }
    return c;
}
static void put_by_state(struct td_buf *out, struct by_state c)
{
    td_buf_putf(out, "%llu/%llu/%llu/%llu", (unsigned long long)c.alloc, (unsigned long long)c.idle,
                (unsigned long long)c.other, (unsigned long long)c.total);
}

/* --- partitions --- */
PRINT(partition_star) { td_buf_putf(out, "%s%s", PART(row).name, PART(row).is_default ? "*" : ""); }
PRINT(partition) { td_buf_puts(out, PART(row).name); }
PRINT(time_limit) { partition_put_limit(out, PART(row).max_s ? PART(row).max_s : TD_INFINITE, "infinite"); }
PRINT(root) { td_buf_puts(out, PART(row).root_only ? "yes" : "no"); }
PRINT(groups) { td_buf_puts(out, td_str_empty(PART(row).allow_groups) ? "all" : PART(row).allow_groups); }
PRINT(tier) { td_buf_putf(out, "%u", PART(row).priority_tier); }
PRINT(factor) { td_buf_putf(out, "%u", PART(row).priority_factor); }
PRINT(preempt) { td_buf_puts(out, td_str_empty(PART(row).preempt_mode) ? "OFF" : PART(row).preempt_mode); }
PRINT(alloc_nodes) { td_buf_puts(out, row ? "all" : ""); }

PRINT(available)
{
    const char *s = PART(row).state;
    td_buf_puts(out, td_str_empty(s) || td_str_casecmp(s, "UP") == 0 ? "up"
                     : td_str_casecmp(s, "DRAIN") == 0               ? "drain"
                     : td_str_casecmp(s, "INACTIVE") == 0            ? "inact"
                                                                     : "down");
}
PRINT(default_time)
{
    if (PART(row).default_s)
        partition_put_limit(out, PART(row).default_s, "infinite");
    else
        td_buf_puts(out, "n/a");
}
PRINT(job_size)
{
    uint32_t min = TD_MAX(PART(row).nodes_min, 1u), max = PART(row).nodes_max;

    if (max == 0 || max == TD_INFINITE)
        td_buf_putf(out, "%u-infinite", min);
    else if (min == max)
        td_buf_putf(out, "%u", min);
    else
        td_buf_putf(out, "%u-%u", min, max);
}
PRINT(oversubscribe)
{
    const char *s = PART(row).oversubscribe;
    td_buf_puts(out, PART(row).exclusive ? "EXCLUSIVE" : td_str_empty(s) ? "NO" : s);
}
PRINT(max_cpus)
{
    if (PART(row).cpus_per_node_max && PART(row).cpus_per_node_max != TD_INFINITE)
        td_buf_putf(out, "%u", PART(row).cpus_per_node_max);
    else
        td_buf_puts(out, "UNLIMITED");
}

/* --- nodes --- */
PRINT(node_count) { td_buf_putf(out, "%u", GROUP(row)->nodes.n); }
PRINT(cpus) { put_range(out, RANGE(row, node->cpus)); }
PRINT(memory) { put_range(out, RANGE(row, node->memory_mb)); }
PRINT(alloc_memory) { put_range(out, RANGE(row, node->memory_alloc_mb)); }
PRINT(tmp_disk) { put_range(out, RANGE(row, node->tmp_mb)); }
PRINT(weight) { put_range(out, RANGE(row, node->weight)); }
PRINT(sockets) { put_range(out, RANGE(row, node->sockets)); }
PRINT(cores) { put_range(out, RANGE(row, node->cores)); }
PRINT(threads) { put_range(out, RANGE(row, node->threads)); }
PRINT(features) { put_or_null(out, first(row)->features); }
PRINT(gres) { put_or_null(out, first(row)->gres); }
PRINT(gres_used) { put_or_null(out, first(row)->gres_used); }
PRINT(hostname) { td_buf_puts(out, first(row)->hostname ? first(row)->hostname : ""); }
PRINT(address) { td_buf_puts(out, first(row)->address ? first(row)->address : ""); }
PRINT(version) { td_buf_puts(out, td_str_empty(first(row)->version) ? "N/A" : first(row)->version); }
PRINT(confine) { td_buf_puts(out, td_str_empty(first(row)->confine) ? "N/A" : first(row)->confine); }
PRINT(not_applicable) { td_buf_puts(out, row ? "N/A" : ""); }
PRINT(none) { td_buf_puts(out, row ? "(null)" : ""); }
PRINT(zero) { td_buf_puts(out, row ? "0" : ""); }
PRINT(nodes_by_state) { put_by_state(out, count_nodes(row)); }
PRINT(cpus_by_state) { put_by_state(out, count_cpus(row)); }

PRINT(state)
{
    if (empty(row))
        td_buf_puts(out, "n/a");
    else
        node_put_state(out, first(row));
}
PRINT(state_compact)
{
    if (empty(row))
        td_buf_puts(out, "n/a");
    else
        node_put_state_compact(out, first(row));
}
PRINT(state_complete)
{
    struct td_buf tmp = {0};

    if (!empty(row))
        node_put_state_flags(&tmp, first(row));
    for (size_t i = 0; i < tmp.len; i++)
        td_buf_putc(out, (char)(tmp.data[i] >= 'A' && tmp.data[i] <= 'Z' ? tmp.data[i] + 32 : tmp.data[i]));
    td_buf_release(&tmp);
}
PRINT(nodelist)
{
    uint32_t n = GROUP(row)->nodes.n;
    const char **names = td_alloc((n + 1) * sizeof(*names));

    for (uint32_t i = 0; i < n; i++)
        names[i] = GROUP(row)->nodes.v[i]->name;
    td_hostlist_fold(names, n, out);
    td_free(names);
}
PRINT(nodes_alloc_idle)
{
    struct by_state c = count_nodes(row);
    td_buf_putf(out, "%llu/%llu", (unsigned long long)c.alloc, (unsigned long long)c.idle);
}
PRINT(sct)
{
    sockets(out, row);
    td_buf_putc(out, ':');
    cores(out, row);
    td_buf_putc(out, ':');
    threads(out, row);
}
PRINT(reason) { td_buf_puts(out, *node_reason(first(row)) ? node_reason(first(row)) : "none"); }
PRINT(reason_time) { put_moment(out, *node_reason(first(row)) ? first(row)->reason_ms : 0, "Unknown"); }
PRINT(reason_user)
{
    if (*node_reason(first(row)) && first(row)->reason_ms)
        node_put_user(out, first(row)->reason_uid);
    else
        td_buf_puts(out, "Unknown");
}
PRINT(reason_user_long)
{
    reason_user(out, row);
    if (*node_reason(first(row)) && first(row)->reason_ms)
        td_buf_putf(out, "(%u)", first(row)->reason_uid);
}

/* --- order --- */
static int by_partition(const void *a, const void *b)
{
    return GROUP(a)->order < GROUP(b)->order ? -1 : GROUP(a)->order > GROUP(b)->order;
}
static uint32_t state_rank(const void *row)
{
    static const uint32_t rank[] = {
        [NODE_UNKNOWN] = 0, [NODE_DOWN] = 1, [NODE_IDLE] = 2, [NODE_ALLOCATED] = 3, [NODE_MIXED] = 5};
    struct node_look s = node_look(first(row));

    return empty(row) ? 0 : rank[s.base] | (uint32_t)s.drain << 4 | (uint32_t)s.completing << 5 | (uint32_t)s.silent << 6;
}
static int by_state(const void *a, const void *b)
{
    uint32_t x = state_rank(a), y = state_rank(b);
    return x < y ? -1 : x > y;
}
#define BY_NUMBER(fn, expr)                                     \
    static int fn(const void *a, const void *b)                 \
    {                                                           \
        const void *row = a;                                    \
        uint64_t x = (expr);                                    \
        row = b;                                                \
        uint64_t y = (expr);                                    \
        return x < y ? -1 : x > y;                              \
    }
BY_NUMBER(by_count, GROUP(row)->nodes.n)
BY_NUMBER(by_cpus, RANGE(row, node->cpus).min)
BY_NUMBER(by_memory, RANGE(row, node->memory_mb).min)
BY_NUMBER(by_tmp, RANGE(row, node->tmp_mb).min)
BY_NUMBER(by_weight, RANGE(row, node->weight).min)
BY_NUMBER(by_limit, PART(row).max_s ? PART(row).max_s : TD_INFINITE)
BY_NUMBER(by_time, (uint64_t)first(row)->reason_ms)

/* node2 before node10 */
static int by_name(const void *a, const void *b)
{
    return strverscmp(first(a)->name ? first(a)->name : "", first(b)->name ? first(b)->name : "");
}

static const struct field fields[] = {
    {'P', "Partition", "PARTITION", NULL, JSON_NONE, partition_star, by_partition, TRAIT_SPLITS_STAR, NULL},
    {'R', "PartitionName", "PARTITION", "partition", JSON_STRING, partition, by_partition, TRAIT_SPLITS, NULL},
    {'a', "Available", "AVAIL", "available", JSON_STRING, available, NULL, TRAIT_SPLITS, NULL},
    {'l', "Time", "TIMELIMIT", "time_limit", JSON_STRING, time_limit, by_limit, TRAIT_SPLITS, NULL},
    {'L', "DefaultTime", "DEFAULTTIME", "default_time", JSON_STRING, default_time, NULL, TRAIT_SPLITS, NULL},
    {'s', "Size", "JOB_SIZE", NULL, JSON_NONE, job_size, NULL, TRAIT_SPLITS, NULL},
    {'r', "Root", "ROOT", NULL, JSON_NONE, root, NULL, TRAIT_SPLITS, NULL},
    {'h', "OverSubscribe", "OVERSUBSCRIBE", NULL, JSON_NONE, oversubscribe, NULL, TRAIT_SPLITS, NULL},
    {'g', "Groups", "GROUPS", NULL, JSON_NONE, groups, NULL, TRAIT_SPLITS, NULL},
    {'p', "PriorityTier", "PRIO_TIER", NULL, JSON_NONE, tier, NULL, TRAIT_SPLITS, NULL},
    {0, "Priority", "PRIO_TIER", NULL, JSON_NONE, tier, NULL, TRAIT_SPLITS, NULL},
    {'I', "PriorityJobFactor", "PRIO_JOB_FACTOR", NULL, JSON_NONE, factor, NULL, TRAIT_SPLITS, NULL},
    {'M', "PreemptMode", "PREEMPT_MODE", NULL, JSON_NONE, preempt, NULL, TRAIT_SPLITS, NULL},
    {'S', "AllocNodes", "ALLOCNODES", NULL, JSON_NONE, alloc_nodes, NULL, TRAIT_NONE, NULL},
    {'B', "MaxCPUsPerNode", "MAX_CPUS_PER_NODE", NULL, JSON_NONE, max_cpus, NULL, TRAIT_SPLITS, NULL},
    {'N', "NodeList", "NODELIST", "name", JSON_STRING, nodelist, by_name, TRAIT_NONE, NULL},
    {'n', "NodeHost", "HOSTNAMES", "hostname", JSON_STRING, hostname, NULL, TRAIT_SPLITS, NULL},
    {'o', "NodeAddr", "NODE_ADDR", "address", JSON_STRING, address, NULL, TRAIT_SPLITS, NULL},
    {'D', "Nodes", "NODES", NULL, JSON_NONE, node_count, by_count, TRAIT_NONE, NULL},
    {'A', "NodeAI", "NODES(A/I)", NULL, JSON_NONE, nodes_alloc_idle, NULL, TRAIT_NONE, NULL},
    {'F', "NodeAIOT", "NODES(A/I/O/T)", NULL, JSON_NONE, nodes_by_state, NULL, TRAIT_NONE, NULL},
    {'t', "StateCompact", "STATE", NULL, JSON_NONE, state_compact, by_state, TRAIT_SPLITS, NULL},
    {'T', "StateLong", "STATE", "state", JSON_STRING, state, by_state, TRAIT_SPLITS, NULL},
    {0, "StateComplete", "STATECOMPLETE", "state_flags", JSON_STRING, state_complete, NULL, TRAIT_SPLITS, NULL},
    {'c', "CPUs", "CPUS", "cpus", JSON_NUMBER, cpus, by_cpus, TRAIT_SPLITS_EXACT, NULL},
    {'C', "CPUsState", "CPUS(A/I/O/T)", "cpus_by_state", JSON_STRING, cpus_by_state, NULL, TRAIT_NONE, NULL},
    {'X', "Sockets", "SOCKETS", "sockets", JSON_NUMBER, sockets, NULL, TRAIT_SPLITS_EXACT, NULL},
    {'Y', "Cores", "CORES", "cores", JSON_NUMBER, cores, NULL, TRAIT_SPLITS_EXACT, NULL},
    {'Z', "Threads", "THREADS", "threads", JSON_NUMBER, threads, NULL, TRAIT_SPLITS_EXACT, NULL},
    {'z', "SocketCoreThread", "S:C:T", NULL, JSON_NONE, sct, NULL, TRAIT_SPLITS_EXACT, NULL},
    {'m', "Memory", "MEMORY", "real_memory", JSON_NUMBER, memory, by_memory, TRAIT_SPLITS_EXACT, NULL},
    {0, "AllocMem", "ALLOCMEM", "alloc_memory", JSON_NUMBER, alloc_memory, NULL, TRAIT_SPLITS_EXACT, NULL},
    {'d', "Disk", "TMP_DISK", "temporary_disk", JSON_NUMBER, tmp_disk, by_tmp, TRAIT_SPLITS_EXACT, NULL},
    {'w', "Weight", "WEIGHT", "weight", JSON_NUMBER, weight, by_weight, TRAIT_SPLITS_EXACT, NULL},
    {'f', "Features", "AVAIL_FEATURES", "features", JSON_STRING, features, NULL, TRAIT_SPLITS, NULL},
    {'b', "features_act", "ACTIVE_FEATURES", "active_features", JSON_STRING, features, NULL, TRAIT_SPLITS, NULL},
    {'G', "Gres", "GRES", "gres", JSON_STRING, gres, NULL, TRAIT_SPLITS, NULL},
    {0, "GresUsed", "GRES_USED", "gres_used", JSON_STRING, gres_used, NULL, TRAIT_SPLITS, NULL},
    {'E', "Reason", "REASON", "reason", JSON_STRING, reason, NULL, TRAIT_SPLITS, NULL},
    {'u', "User", "USER", "reason_set_by_user", JSON_STRING, reason_user, NULL, TRAIT_SPLITS, NULL},
    {'U', "UserLong", "USER", NULL, JSON_NONE, reason_user_long, NULL, TRAIT_SPLITS, NULL},
    {'H', "TimeStamp", "TIMESTAMP", "reason_changed_at", JSON_STRING, reason_time, by_time, TRAIT_SPLITS, NULL},
    {'v', "Version", "VERSION", "version", JSON_STRING, version, NULL, TRAIT_SPLITS, NULL},
    {0, "Confine", "CONFINE", "confinement", JSON_STRING, confine, NULL, TRAIT_SPLITS, NULL},
    /* what Tender does not know, as Slurm shows what it does not know */
    {'V', "Cluster", "CLUSTER", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NULL},
    {'e', "FreeMem", "FREE_MEM", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NULL},
    {'O', "CPUsLoad", "CPU_LOAD", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NULL},
    {0, "Comment", "COMMENT", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NULL},
    {0, "Extra", "EXTRA", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NULL},
    {0, "Port", "PORT", NULL, JSON_NONE, zero, NULL, TRAIT_NONE, NULL}, /* workers dial out and never listen */
    {0, NULL, NULL, NULL, JSON_NONE, NULL, NULL, TRAIT_NONE, NULL},
};
const struct field_table node_fields = {.what = "node", .fields = fields};
