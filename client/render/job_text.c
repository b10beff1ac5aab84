/* job_text.c - the block of scontrol show job, field for field in Slurm's order */
#include <string.h>

#include "render/job.h"
#include "render/value.h"

/* Lines of a block: a new line with three blanks, or one blank in the one-line form. */
struct block {
    struct td_buf *out;
    const char *sep;
};

static void line(struct block *b)
{
    td_buf_puts(b->out, b->sep);
}

static void put_exit(struct td_buf *out, const struct td_job_info *j)
{
    td_buf_putf(out, "%u:%u", j->exit_code, j->signal);
}

static void who(struct block *b, const struct job_row *row)
{
    const struct td_job_info *j = row->job;

    td_buf_putf(b->out, "JobId=%u ", j->job);
    if (j->array_job) {
        td_buf_putf(b->out, "ArrayJobId=%u ArrayTaskId=", j->array_job);
        job_put_tasks(b->out, j);
        if (j->array_limit)
            td_buf_putf(b->out, " ArrayTaskThrottle=%u", j->array_limit);
        td_buf_putc(b->out, ' ');
    }
    td_buf_putf(b->out, "JobName=%s", j->spec.name ? j->spec.name : "");
    line(b);
    td_buf_puts(b->out, "UserId=");
    job_put_user(b->out, j);
    td_buf_putf(b->out, "(%u) GroupId=", j->uid);
    job_put_group(b->out, j);
    td_buf_putf(b->out, "(%u) MCS_label=N/A", j->gid);
    line(b);
    td_buf_putf(b->out, "Priority=%llu Nice=%lld Account=", (unsigned long long)j->priority, (long long)j->spec.nice);
    put_or_null(b->out, j->spec.account);
    td_buf_puts(b->out, " QOS=");
    put_or_null(b->out, j->spec.qos);
    if (!td_str_empty(j->spec.wckey))
        td_buf_putf(b->out, " WCKey=%s", j->spec.wckey);
}

static void state(struct block *b, const struct job_row *row, bool detail)
{
    const struct td_job_info *j = row->job;

    line(b);
    td_buf_putf(b->out, "JobState=%s Reason=", td_job_state_word(j->state, j->outcome));
    job_put_reason(b->out, j, '_');
    td_buf_puts(b->out, " Dependency=");
    put_or_null(b->out, j->spec.dependency);
    line(b);
    td_buf_putf(b->out, "Requeue=%d Restarts=%u BatchFlag=%d Reboot=0 ExitCode=", j->requeue,
                j->attempt > 1 ? j->attempt - 1 : 0, !j->spec.session);
    put_exit(b->out, j);
    if (detail) {
        line(b);
        td_buf_puts(b->out, "DerivedExitCode=0:0");
    }
}

/* Tender's own: of a waiting job that was told or promised something, or has a bound. */
static void likely(struct block *b, const struct td_job_info *j)
{
    if (j->state != TD_JOB_PENDING || (!j->likely_ms && !j->by_ms && !j->start_is_bound))
        return;
    line(b);
    td_buf_puts(b->out, "LikelyStart=");
    put_moment(b->out, j->likely_ms, "N/A");
    td_buf_puts(b->out, " LikelyFrom=");
    put_moment(b->out, j->likely_from_ms, "N/A");
    td_buf_puts(b->out, " LikelyTo=");
    put_moment(b->out, j->likely_to_ms, "N/A");
    td_buf_puts(b->out, " PromisedBy=");
    put_moment(b->out, j->by_ms, "N/A");
    td_buf_putf(b->out, " StartKind=%s", job_start_kind(j));
}

static void times(struct block *b, const struct job_row *row)
{
    const struct td_job_info *j = row->job;

    line(b);
    td_buf_puts(b->out, "RunTime=");
    td_duration_print((uint32_t)TD_MIN(job_elapsed_s(row), (uint64_t)TD_INFINITE - 1), b->out);
    td_buf_puts(b->out, " TimeLimit=");
    job_put_limit(b->out, j, true);
    td_buf_puts(b->out, " TimeMin=");
    if (j->spec.limit_min_s)
        td_duration_print(j->spec.limit_min_s, b->out);
    else
        td_buf_puts(b->out, "N/A");
    line(b);
    td_buf_puts(b->out, "SubmitTime=");
    put_moment(b->out, j->submit_ms, "Unknown");
    td_buf_puts(b->out, " EligibleTime=");
    put_moment(b->out, j->eligible_ms, "Unknown");
    line(b);
    td_buf_puts(b->out, "AccrueTime=");
    put_moment(b->out, j->eligible_ms, "Unknown");
    line(b);
    td_buf_puts(b->out, "StartTime=");
    put_moment(b->out, j->start_ms, "Unknown");
    td_buf_puts(b->out, " EndTime=");
    put_moment(b->out, j->end_ms, "Unknown");
    td_buf_puts(b->out, " Deadline=");
    put_moment(b->out, j->spec.deadline_ms, "N/A");
    likely(b, j);
    line(b);
    td_buf_puts(b->out, "SuspendTime=None SecsPreSuspend=0 LastSchedEval=N/A Scheduler=Main");
}

static void put_sub(struct td_buf *out, const char *name, const char *value)
{
    td_buf_putf(out, "%s=", name);
    put_or_null(out, value);
}

/* "0-3,8": the set bits of a bitmap, without a stride */
static void put_bits(struct td_buf *out, struct td_bin bits)
{
    const char *sep = "";

    for (int64_t i = td_bits_next(bits.v, bits.n, 0); i >= 0;) {
        int64_t last = i;
        while (td_bits_get(bits.v, bits.n, (uint32_t)last + 1))
            last++;
        td_buf_putf(out, i == last ? "%s%lld" : "%s%lld-", sep, (long long)i);
        if (i != last)
            td_buf_putf(out, "%lld", (long long)last);
        sep = ",";
        i = td_bits_next(bits.v, bits.n, (uint32_t)last + 1);
    }
}

static void put_held(struct td_buf *out, const struct td_gres_held *g)
{
    td_buf_putf(out, "%s%s%s:%llu", g->name ? g->name : "", td_str_empty(g->type) ? "" : ":",
                td_str_empty(g->type) ? "" : g->type, (unsigned long long)g->count);
    if (g->devices.n) {
        td_buf_puts(out, "(IDX:");
        put_bits(out, g->devices);
        td_buf_puts(out, ")");
    }
}

/* -d: one line for each node, as scontrol shows what a job holds */
static void placements(struct block *b, const struct td_job_info *j, bool oneliner)
{
    if (!j->placements.n)
        return;
    if (j->gres.n) {
        line(b);
        td_buf_puts(b->out, "JOB_GRES=");
        for (uint32_t i = 0; i < j->gres.n; i++) {
            const struct td_gres_held *g = &j->gres.v[i];
            td_buf_putf(b->out, "%s%s%s%s:%llu", i ? "," : "", g->name ? g->name : "", td_str_empty(g->type) ? "" : ":",
                        td_str_empty(g->type) ? "" : g->type, (unsigned long long)g->count);
        }
    }
    for (uint32_t i = 0; i < j->placements.n; i++) {
        const struct td_placement *p = &j->placements.v[i];
        td_buf_puts(b->out, oneliner ? " " : "\n     ");
        td_buf_putf(b->out, "Nodes=%s CPU_IDs=", p->node ? p->node : "");
        put_bits(b->out, p->cpus);
        td_buf_putf(b->out, " Mem=%llu GRES=", (unsigned long long)p->memory_mb);
        for (uint32_t k = 0; k < p->gres.n; k++) {
            td_buf_puts(b->out, k ? "," : "");
            put_held(b->out, &p->gres.v[k]);
        }
    }
}

static void where(struct block *b, const struct job_row *row, bool detail, bool oneliner)
{
    const struct td_job_info *j = row->job;
    const struct td_job_need *n = job_need(j);

    line(b);
    td_buf_putf(b->out, "Partition=%s AllocNode:Sid=%s:0", j->partition ? j->partition : "",
                td_str_empty(j->spec.submit_host) ? "(null)" : j->spec.submit_host);
    line(b);
    put_sub(b->out, "ReqNodeList", n->req_nodes);
    put_sub(b->out, " ExcNodeList", n->exc_nodes);
    line(b);
    td_buf_putf(b->out, "NodeList=%s", j->nodelist ? j->nodelist : "");
    if (!td_str_empty(j->batch_host)) {
        line(b);
        td_buf_putf(b->out, "BatchHost=%s", j->batch_host);
    }
    line(b);
    td_buf_putf(b->out, "NumNodes=%u", j->nodes);
    if (j->state == TD_JOB_PENDING && n->nodes_max > n->nodes_min)
        td_buf_putf(b->out, "-%u", n->nodes_max);
    td_buf_putf(b->out, " NumCPUs=%u NumTasks=%u CPUs/Task=%u ReqB:S:C:T=0:0:*:*", j->cpus, j->tasks,
                TD_MAX(n->cpus_per_task, 1u));
    line(b);
    td_buf_puts(b->out, "TRES=");
    job_put_tres(b->out, j);
    line(b);
    td_buf_putf(b->out, "Socks/Node=* NtasksPerN:B:S:C=%u:0:*:* CoreSpec=*", n->ntasks_per_node);
    if (detail)
        placements(b, j, oneliner);
}

static void wishes(struct block *b, const struct job_row *row)
{
    const struct td_job_info *j = row->job;
    const struct td_job_need *n = job_need(j);

    line(b);
    td_buf_putf(b->out, "MinCPUsNode=%u MinMemory%s=", TD_MAX(n->cpus_per_task, 1u) * TD_MAX(n->ntasks_per_node, 1u),
                n->mem_mb_per_cpu ? "CPU" : "Node");
    job_put_min_memory(b->out, j);
    td_buf_puts(b->out, " MinTmpDiskNode=");
    put_memory(b->out, n->tmp_mb);
    line(b);
    put_sub(b->out, "Features", n->features);
    td_buf_puts(b->out, " DelayBoot=00:00:00");
    if (!td_str_empty(j->spec.reservation)) {
        line(b);
        td_buf_putf(b->out, "Reservation=%s", j->spec.reservation);
    }
    line(b);
    td_buf_putf(b->out, "OverSubscribe=%s Contiguous=%d Licenses=", n->exclusive ? "NO" : "OK", n->contiguous);
    put_or_null(b->out, j->spec.licenses);
    td_buf_puts(b->out, " Network=(null)");
}

static void files(struct block *b, const struct job_row *row)
{
    static const struct {
        const char *name;
        enum job_file which;
    } all[] = {{"StdErr", JOB_STDERR}, {"StdIn", JOB_STDIN}, {"StdOut", JOB_STDOUT}};
    const struct td_job_info *j = row->job;

    line(b);
    td_buf_puts(b->out, "Command=");
    job_put_command(b->out, j);
    line(b);
    td_buf_putf(b->out, "WorkDir=%s", j->spec.work_dir ? j->spec.work_dir : "");
    if (!td_str_empty(j->spec.comment)) {
        line(b);
        td_buf_putf(b->out, "Comment=%s ", j->spec.comment);
    }
    for (size_t i = 0; i < TD_ARRAY_LEN(all); i++) {
        line(b);
        td_buf_putf(b->out, "%s=", all[i].name);
        job_put_file(b->out, j, all[i].which, true);
    }
    line(b);
    td_buf_puts(b->out, "Power=");
}

static void devices(struct block *b, const struct td_job_info *j)
{
    const struct td_job_need *n = job_need(j);
    const struct {
        const char *name;
        const struct td_gres_need_list *list;
    } all[] = {{"TresPerJob", &n->gres_job}, {"TresPerNode", &n->gres}, {"TresPerTask", &n->gres_task}};

    for (size_t i = 0; i < TD_ARRAY_LEN(all); i++) {
        if (!all[i].list->n)
            continue;
        line(b);
        td_buf_putf(b->out, "%s=", all[i].name);
        job_put_gres(b->out, all[i].list, "");
    }
    if (!td_str_empty(j->spec.mail_user) || !td_str_empty(j->spec.mail_type)) {
        line(b);
        td_buf_putf(b->out, "MailUser=%s MailType=%s", j->spec.mail_user ? j->spec.mail_user : "(null)",
                    j->spec.mail_type ? j->spec.mail_type : "NONE");
    }
    if (!td_str_empty(j->detail)) { /* Tender's own: why, in a sentence */
        line(b);
        td_buf_putf(b->out, "Detail=%s", j->detail);
    }
}

void job_text(struct td_buf *out, const struct job_row *row, bool detail, bool oneliner)
{
    struct block b = {.out = out, .sep = oneliner ? " " : "\n   "};

    who(&b, row);
    state(&b, row, detail);
    times(&b, row);
    where(&b, row, detail, oneliner);
    wishes(&b, row);
    files(&b, row);
    devices(&b, row->job);
    td_buf_puts(out, oneliner ? " \n" : "\n   \n\n");
}
