/* node_text.c - the blocks of scontrol show node and show partition, field for field in Slurm's order */
#include <ctype.h>

#include "render/node.h"
#include "render/value.h"

void partition_put_limit(struct td_buf *out, uint32_t s, const char *none)
{
    if (s == TD_INFINITE)
        td_buf_puts(out, none);
    else
        td_elapsed_print(s, out);
}

static void put_tres(struct td_buf *out, uint64_t cpus, uint64_t mem_mb, uint64_t nodes)
{
    const char *sep = "";

    if (cpus) {
        td_buf_putf(out, "cpu=%llu", (unsigned long long)cpus);
        sep = ",";
    }
    if (mem_mb) {
        td_buf_putf(out, "%smem=", sep);
        put_memory(out, mem_mb);
        sep = ",";
    }
    if (nodes)
        td_buf_putf(out, "%snode=%llu", sep, (unsigned long long)nodes);
}

static void put_gres_line(struct td_buf *out, const struct td_node_info *n, bool detail, const char *sep)
{
    td_buf_putf(out, "%sGres=", sep);
    put_or_null(out, n->gres);
    if (detail) {
        td_buf_putf(out, "%sGresDrain=N/A%sGresUsed=", sep, sep);
        put_or_null(out, n->gres_used);
    }
}

void node_text(struct td_buf *out, const struct td_node_info *n, bool detail, bool oneliner)
{
    const char *sep = oneliner ? " " : "\n   ", *reason = node_reason(n);

    td_buf_putf(out, "NodeName=%s ", n->name);
    if (!td_str_empty(n->arch))
        td_buf_putf(out, "Arch=%s ", n->arch);
    td_buf_putf(out, "CoresPerSocket=%u ", n->cores);
    td_buf_putf(out, "%sCPUAlloc=%u CPUEfctv=%u CPUTot=%u CPULoad=N/A", sep, n->cpus_alloc, n->cpus, n->cpus);
    td_buf_putf(out, "%sAvailableFeatures=", sep);
    put_or_null(out, n->features);
    td_buf_putf(out, "%sActiveFeatures=", sep);
    put_or_null(out, n->features);
    put_gres_line(out, n, detail, sep);
    td_buf_putf(out, "%sNodeAddr=%s NodeHostName=%s ", sep, td_str_empty(n->address) ? n->name : n->address,
                td_str_empty(n->hostname) ? n->name : n->hostname);
    if (!td_str_empty(n->version))
        td_buf_putf(out, "Version=%s", n->version);
    if (!td_str_empty(n->os))
        td_buf_putf(out, "%sOS=%s ", sep, n->os);
    td_buf_putf(out, "%sRealMemory=%llu AllocMem=%llu FreeMem=N/A Sockets=%u Boards=1", sep,
                (unsigned long long)n->memory_mb, (unsigned long long)n->memory_alloc_mb, n->sockets);
    td_buf_putf(out, "%sState=", sep);
    node_put_state_flags(out, n);
    td_buf_putf(out, " ThreadsPerCore=%u TmpDisk=%llu Weight=%u Owner=N/A MCS_label=N/A", n->threads,
                (unsigned long long)n->tmp_mb, n->weight);
    td_buf_putf(out, "%sPartitions=", sep);
    for (uint32_t i = 0; i < n->partitions.n; i++)
        td_buf_putf(out, "%s%s", i ? "," : "", n->partitions.v[i]);
    td_buf_putf(out, " %sBootTime=", sep);
    put_moment(out, n->boot_ms, "None");
    td_buf_puts(out, " SlurmdStartTime=");
    put_moment(out, n->started_ms, "None");
    td_buf_putf(out, "%sLastBusyTime=Unknown", sep);
    td_buf_putf(out, "%sCfgTRES=", sep);
    put_tres(out, n->cpus, n->memory_mb, 0);
    td_buf_putf(out, ",billing=%u", n->cpus);
    td_buf_putf(out, "%sAllocTRES=", sep);
    put_tres(out, n->cpus_alloc, n->memory_alloc_mb, 0);
    td_buf_putf(out, "%sCapWatts=n/a%sCurrentWatts=0 AveWatts=0%sExtSensorsJoules=n/s ExtSensorsWatts=0 ExtSensorsTemp=n/s",
                sep, sep, sep);
    if (!td_str_empty(n->confine)) /* Tender's own: how jobs are held to what they were given */
        td_buf_putf(out, "%sConfinement=%s", sep, n->confine);
    if (*reason) {
        td_buf_putf(out, "%sReason=%s", sep, reason);
        if (n->reason_ms) {
            td_buf_puts(out, " [");
            node_put_user(out, n->reason_uid);
            td_buf_puts(out, "@");
            put_moment(out, n->reason_ms, "");
            td_buf_puts(out, "]");
        }
    }
    td_buf_puts(out, oneliner ? "\n" : "\n\n");
}

static const char *yes(bool b)
{
    return b ? "YES" : "NO";
}

static const char *or_all(const char *s)
{
    return td_str_empty(s) ? "ALL" : s;
}

static void put_duration(struct td_buf *out, uint32_t s, const char *none)
{
    if (s == 0)
        td_buf_puts(out, none);
    else
        td_duration_print(s, out);
}

static void put_count(struct td_buf *out, uint64_t n)
{
    if (n == 0 || n == TD_INFINITE)
        td_buf_puts(out, "UNLIMITED");
    else
        td_buf_putf(out, "%llu", (unsigned long long)n);
}

static void put_memory_limits(struct td_buf *out, const struct td_partition_conf *c)
{
    td_buf_puts(out, c->def_mem_mb_per_cpu ? "DefMemPerCPU=" : "DefMemPerNode=");
    put_count(out, c->def_mem_mb_per_cpu ? c->def_mem_mb_per_cpu : c->def_mem_mb_per_node);
    td_buf_puts(out, c->max_mem_mb_per_cpu ? " MaxMemPerCPU=" : " MaxMemPerNode=");
    put_count(out, c->max_mem_mb_per_cpu ? c->max_mem_mb_per_cpu : c->max_mem_mb_per_node);
}

static void put_upper(struct td_buf *out, const char *s)
{
    for (; *s; s++)
        td_buf_putc(out, (char)toupper((unsigned char)*s));
}

void partition_text(struct td_buf *out, const struct td_partition_info *p, const struct td_node_info *nodes, uint32_t n,
                    bool oneliner)
{
    const struct td_partition_conf *c = &p->conf;
    const char *sep = oneliner ? " " : "\n   ";
    uint64_t mem = 0;

    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < nodes[i].partitions.n; k++)
            mem += td_str_equal(nodes[i].partitions.v[k], c->name) ? nodes[i].memory_mb : 0;
    td_buf_putf(out, "PartitionName=%s", c->name);
    td_buf_putf(out, "%sAllowGroups=%s AllowAccounts=%s AllowQos=%s", sep, or_all(c->allow_groups),
                or_all(c->allow_accounts), or_all(c->allow_qos));
    td_buf_putf(out, "%sAllocNodes=ALL Default=%s QoS=%s", sep, yes(c->is_default), td_str_empty(c->qos) ? "N/A" : c->qos);
    td_buf_putf(out, "%sDefaultTime=", sep);
    put_duration(out, c->default_s, "NONE");
    td_buf_putf(out, " DisableRootJobs=%s ExclusiveUser=NO GraceTime=%u Hidden=%s", yes(c->no_root), c->grace_s,
                yes(c->hidden));
    td_buf_putf(out, "%sMaxNodes=", sep);
    put_count(out, c->nodes_max);
    td_buf_puts(out, " MaxTime=");
    put_duration(out, c->max_s, "UNLIMITED");
    td_buf_putf(out, " MinNodes=%u LLN=%s MaxCPUsPerNode=", c->nodes_min, yes(c->lln));
    put_count(out, c->cpus_per_node_max);
    td_buf_putf(out, "%sNodes=%s", sep, p->nodes ? p->nodes : "");
    td_buf_putf(out, "%sPriorityJobFactor=%u PriorityTier=%u RootOnly=%s ReqResv=NO OverSubscribe=%s", sep,
                c->priority_factor, c->priority_tier, yes(c->root_only),
                c->exclusive ? "EXCLUSIVE" : td_str_empty(c->oversubscribe) ? "NO" : c->oversubscribe);
    td_buf_putf(out, "%sOverTimeLimit=", sep);
    if (c->over_time_s == TD_INFINITE)
        td_buf_puts(out, "UNLIMITED");
    else if (c->over_time_s)
        td_buf_putf(out, "%u", c->over_time_s / 60);
    else
        td_buf_puts(out, "NONE");
    td_buf_putf(out, " PreemptMode=%s", td_str_empty(c->preempt_mode) ? "OFF" : c->preempt_mode);
    td_buf_putf(out, "%sState=", sep);
    put_upper(out, td_str_empty(c->state) ? "UP" : c->state);
    td_buf_putf(out, " TotalCPUs=%u TotalNodes=%u SelectTypeParameters=NONE", p->cpus_total, p->nodes_total);
    td_buf_putf(out, "%sJobDefaults=(null)%s", sep, sep);
    put_memory_limits(out, c);
    td_buf_putf(out, "%sTRES=", sep);
    put_tres(out, p->cpus_total, mem, p->nodes_total);
    td_buf_putf(out, ",billing=%u", p->cpus_total);
    td_buf_puts(out, oneliner ? "\n" : "\n\n");
}
