/* job_fields.c - the one table of squeue's fields: letter, name, heading, JSON key, how it prints, how it sorts
 *
 * Fields that Slurm prints as a constant for what Tender does not have (sockets per node, core specialisation, ...)
 * print that constant, so that formats of other programs keep their columns. */
#include <string.h>

#include "render/job.h"
#include "render/value.h"

#define JOB(row) (((const struct job_row *)(row))->job)
#define WANTS(row) job_need(JOB(row))
#define EXPAND(row) (((const struct job_row *)(row))->expand)
#define PRINT(name) static void name(struct td_buf *out, const void *row)

PRINT(account) { put_or_null(out, JOB(row)->spec.account); }
PRINT(job_id) { td_buf_putf(out, "%u", JOB(row)->job); }
PRINT(array_job) { td_buf_putf(out, "%u", JOB(row)->array_job ? JOB(row)->array_job : JOB(row)->job); }
PRINT(array_id) { job_put_id(out, JOB(row)); }
PRINT(array_task) { job_put_tasks(out, JOB(row)); }
PRINT(tres_per_node) { job_put_gres(out, &WANTS(row)->gres, "N/A"); }
PRINT(tres_per_job) { job_put_gres(out, &WANTS(row)->gres_job, "N/A"); }
PRINT(tres_per_task) { job_put_gres(out, &WANTS(row)->gres_task, "N/A"); }
PRINT(tres_alloc) { job_put_tres(out, JOB(row)); }
PRINT(exec_host) { td_buf_puts(out, td_str_empty(JOB(row)->batch_host) ? "n/a" : JOB(row)->batch_host); }
PRINT(cpus_per_task) { td_buf_putf(out, "%u", TD_MAX(WANTS(row)->cpus_per_task, 1u)); }
PRINT(cpus) { td_buf_putf(out, "%u", JOB(row)->cpus); }
PRINT(tasks) { td_buf_putf(out, "%u", JOB(row)->tasks); }
PRINT(nodes) { td_buf_putf(out, "%u", JOB(row)->nodes); }
PRINT(max_nodes) { td_buf_putf(out, "%u", WANTS(row)->nodes_max); }
PRINT(tasks_per_node) { td_buf_putf(out, "%u", WANTS(row)->ntasks_per_node); }
PRINT(dependency) { put_or_null(out, JOB(row)->spec.dependency); }
PRINT(features) { put_or_null(out, WANTS(row)->features); }
PRINT(group) { job_put_group(out, JOB(row)); }
PRINT(gid) { td_buf_putf(out, "%u", JOB(row)->gid); }
PRINT(oversubscribe) { td_buf_puts(out, WANTS(row)->exclusive ? "NO" : "OK"); }
PRINT(star) { td_buf_puts(out, row ? "*" : ""); }
PRINT(stars) { td_buf_puts(out, row ? "*:*:*" : ""); }
PRINT(zero) { td_buf_puts(out, row ? "0" : ""); }
PRINT(zero_time) { td_buf_puts(out, row ? "0:00" : ""); }
PRINT(not_applicable) { td_buf_puts(out, row ? "N/A" : ""); }
PRINT(none) { td_buf_puts(out, row ? "(null)" : ""); }
PRINT(nothing) { td_buf_puts(out, row ? "" : ""); }
PRINT(not_set) { td_buf_puts(out, row ? "NotSet" : ""); }
PRINT(not_federated) { td_buf_puts(out, row ? "NA" : ""); }
PRINT(name) { td_buf_puts(out, JOB(row)->spec.name ? JOB(row)->spec.name : ""); }
PRINT(comment) { put_or_null(out, JOB(row)->spec.comment); }
PRINT(detail) { put_or_null(out, JOB(row)->detail); }
PRINT(limit) { job_put_limit(out, JOB(row), false); }
PRINT(memory) { job_put_min_memory(out, JOB(row)); }
PRINT(tmp_disk) { td_buf_putf(out, "%llu", (unsigned long long)WANTS(row)->tmp_mb); }
PRINT(elapsed) { td_elapsed_print(job_elapsed_s(row), out); }
PRINT(req_nodes) { td_buf_puts(out, WANTS(row)->req_nodes ? WANTS(row)->req_nodes : ""); }
PRINT(exc_nodes) { td_buf_puts(out, WANTS(row)->exc_nodes ? WANTS(row)->exc_nodes : ""); }
PRINT(nodelist) { td_buf_puts(out, JOB(row)->nodelist ? JOB(row)->nodelist : ""); }
PRINT(command) { job_put_command(out, JOB(row)); }
PRINT(contiguous) { td_buf_putf(out, "%d", WANTS(row)->contiguous); }
PRINT(partition) { td_buf_puts(out, JOB(row)->partition ? JOB(row)->partition : ""); }
PRINT(qos) { put_or_null(out, JOB(row)->spec.qos); }
PRINT(priority_long) { td_buf_putf(out, "%llu", (unsigned long long)JOB(row)->priority); }
PRINT(reason) { job_put_reason(out, JOB(row), ' '); }
PRINT(start) { put_moment(out, JOB(row)->start_ms, "N/A"); }
PRINT(likely) { put_moment(out, JOB(row)->likely_ms, "N/A"); }
PRINT(likely_from) { put_moment(out, JOB(row)->likely_from_ms, "N/A"); }
PRINT(likely_to) { put_moment(out, JOB(row)->likely_to_ms, "N/A"); }
PRINT(promised) { put_moment(out, JOB(row)->by_ms, "N/A"); }
PRINT(start_kind) { td_buf_puts(out, job_start_kind(JOB(row))); }
PRINT(end) { put_moment(out, JOB(row)->end_ms, "N/A"); }
PRINT(submitted) { put_moment(out, JOB(row)->submit_ms, "N/A"); }
PRINT(eligible) { put_moment(out, JOB(row)->eligible_ms, "N/A"); }
PRINT(deadline) { put_moment(out, JOB(row)->spec.deadline_ms, "N/A"); }
PRINT(state_compact) { td_buf_puts(out, td_job_state_compact(JOB(row)->state, JOB(row)->outcome)); }
PRINT(state) { td_buf_puts(out, td_job_state_word(JOB(row)->state, JOB(row)->outcome)); }
PRINT(user) { job_put_user(out, JOB(row)); }
PRINT(uid) { td_buf_putf(out, "%u", JOB(row)->uid); }
PRINT(reservation) { put_or_null(out, JOB(row)->spec.reservation); }
PRINT(wckey) { put_or_null(out, JOB(row)->spec.wckey); }
PRINT(licenses) { put_or_null(out, JOB(row)->spec.licenses); }
PRINT(nice) { td_buf_put_i64(out, JOB(row)->spec.nice); }
PRINT(work_dir) { td_buf_puts(out, JOB(row)->spec.work_dir ? JOB(row)->spec.work_dir : ""); }
PRINT(submit_host) { put_or_null(out, JOB(row)->spec.submit_host); }
PRINT(requeue) { td_buf_putf(out, "%d", JOB(row)->requeue); }
PRINT(restarts) { td_buf_putf(out, "%u", JOB(row)->attempt > 1 ? JOB(row)->attempt - 1 : 0); }
PRINT(exit_code) { td_buf_putf(out, "%u", JOB(row)->exit_code); }
PRINT(std_in) { job_put_file(out, JOB(row), JOB_STDIN, EXPAND(row)); }
PRINT(std_out) { job_put_file(out, JOB(row), JOB_STDOUT, EXPAND(row)); }
PRINT(std_err) { job_put_file(out, JOB(row), JOB_STDERR, EXPAND(row)); }
PRINT(is_batch) { td_buf_putf(out, "%d", !JOB(row)->spec.session); }
PRINT(min_time) { td_elapsed_print(JOB(row)->spec.limit_min_s, out); }

PRINT(min_cpus)
{
    const struct td_job_need *n = WANTS(row);
    td_buf_putf(out, "%u", TD_MAX(n->cpus_per_task, 1u) * TD_MAX(n->ntasks_per_node, 1u));
}

PRINT(left)
{
    const struct td_job_info *j = JOB(row);
    uint64_t used = job_elapsed_s(row);

    if (j->limit_s == TD_INFINITE || j->limit_s == 0)
        job_put_limit(out, j, false);
    else
        td_elapsed_print(used < j->limit_s ? j->limit_s - used : 0, out);
}

/* The priority as a share of the largest 32-bit number, in fixed point: fourteen places, rounded. */
PRINT(priority)
{
    uint64_t p = TD_MIN(JOB(row)->priority, (uint64_t)UINT32_MAX), rest, digits = 0;

    rest = p % UINT32_MAX;
    for (int i = 0; i < 14; i++) {
        rest *= 10;
        digits = digits * 10 + rest / UINT32_MAX;
        rest %= UINT32_MAX;
    }
    if (rest >= UINT32_MAX / 2 + 1)
        digits++;
    td_buf_putf(out, "%llu.%014llu", (unsigned long long)(p / UINT32_MAX), (unsigned long long)digits);
}

PRINT(reason_list)
{
    const struct td_job_info *j = JOB(row);
    bool failed = j->state == TD_JOB_DONE && j->outcome != TD_OUTCOME_COMPLETED &&
                  j->outcome != TD_OUTCOME_CANCELLED && j->reason != TD_REASON_NONE;

    if (j->state == TD_JOB_PENDING || failed)
        td_buf_putc(out, '(');
    else
        nodelist(out, row);
    if (j->state == TD_JOB_PENDING || failed) {
        job_put_reason(out, j, ' ');
        if (!td_str_empty(j->detail) && (j->reason == TD_REASON_LAUNCH_FAILED || j->reason == TD_REASON_LAUNCH_HELD))
            td_buf_putf(out, ", %s", j->detail); /* its owner and operators see it */
        td_buf_putc(out, ')');
    }
}

PRINT(pending_s)
{
    const struct job_row *r = row;
    int64_t until = r->job->state == TD_JOB_PENDING ? r->now_ms : r->job->start_ms;

    td_buf_put_i64(out, until > r->job->submit_ms ? (until - r->job->submit_ms) / 1000 : 0);
}

#define COMPARE(fn, expr)                                                     \
    static int fn(const void *a, const void *b)                              \
    {                                                                         \
        const struct job_row *row;                                            \
        row = a;                                                              \
        __auto_type x = (expr);                                               \
        row = b;                                                              \
        __auto_type y = (expr);                                               \
        return x < y ? -1 : x > y;                                            \
    }
COMPARE(by_job, row->job->job)
COMPARE(by_cpus, row->job->cpus)
COMPARE(by_tasks, row->job->tasks)
COMPARE(by_nodes, row->job->nodes)
COMPARE(by_priority, row->job->priority)
COMPARE(by_elapsed, job_elapsed_s(row))
COMPARE(by_limit, row->job->limit_s)
COMPARE(by_left, row->job->limit_s - TD_MIN(job_elapsed_s(row), (uint64_t)row->job->limit_s))
COMPARE(by_uid, row->job->uid)
COMPARE(by_gid, row->job->gid)
COMPARE(by_nice, row->job->spec.nice)
COMPARE(by_start, row->job->start_ms ? row->job->start_ms : INT64_MAX)
COMPARE(by_likely, row->job->likely_ms ? row->job->likely_ms : INT64_MAX)
COMPARE(by_promise, row->job->by_ms ? row->job->by_ms : INT64_MAX)
COMPARE(by_end, row->job->end_ms ? row->job->end_ms : INT64_MAX)
COMPARE(by_submit, row->job->submit_ms)
COMPARE(by_memory, TD_MAX(job_need(row->job)->mem_mb_per_node, job_need(row->job)->mem_mb_per_cpu))
COMPARE(by_tmp, job_need(row->job)->tmp_mb)

/* As squeue's users know the order: who waits, who runs or is about to, who ends, who is over. */
static int state_rank(const struct td_job_info *j)
{
    switch ((enum td_job_state)j->state) {
    case TD_JOB_PENDING:
        return 0;
    case TD_JOB_AWARDED:
    case TD_JOB_RUNNING:
        return 1;
    case TD_JOB_ENDING:
        return 2;
    case TD_JOB_DONE:
    case TD_JOB_STATE_COUNT:
        break;
    }
    return 3 + (int)j->outcome;
}
COMPARE(by_state, state_rank(row->job))

/* Array tasks stand together, in the order of their indices. */
static int by_id(const void *a, const void *b)
{
    const struct td_job_info *x = JOB(a), *y = JOB(b);
    uint32_t m = x->array_job ? x->array_job : x->job, n = y->array_job ? y->array_job : y->job;

    if (m != n)
        return m < n ? -1 : 1;
    return x->array_task < y->array_task ? -1 : x->array_task > y->array_task;
}

/* JSON has moments as seconds since 1970 (0: none), a limit as minutes (null: none), as Slurm's readers expect. */
PRINT(epoch_start) { td_buf_put_i64(out, JOB(row)->start_ms / 1000); }
PRINT(epoch_likely) { td_buf_put_i64(out, JOB(row)->likely_ms / 1000); }
PRINT(epoch_likely_from) { td_buf_put_i64(out, JOB(row)->likely_from_ms / 1000); }
PRINT(epoch_likely_to) { td_buf_put_i64(out, JOB(row)->likely_to_ms / 1000); }
PRINT(epoch_promised) { td_buf_put_i64(out, JOB(row)->by_ms / 1000); }
PRINT(epoch_end) { td_buf_put_i64(out, JOB(row)->end_ms / 1000); }
PRINT(epoch_submitted) { td_buf_put_i64(out, JOB(row)->submit_ms / 1000); }
PRINT(epoch_eligible) { td_buf_put_i64(out, JOB(row)->eligible_ms / 1000); }
PRINT(epoch_deadline) { td_buf_put_i64(out, JOB(row)->spec.deadline_ms / 1000); }
PRINT(array_or_zero) { td_buf_putf(out, "%u", JOB(row)->array_job); }
PRINT(limit_minutes)
{
    uint32_t s = JOB(row)->limit_s;

    if (s == TD_INFINITE || s == 0)
        td_buf_puts(out, "N/A");
    else
        td_buf_putf(out, "%u", s / 60 + (s % 60 != 0));
}

/* What a column looks at, so that a listing asks for no more. A test prints each from a row of nothing else. */
#define OF(field) TD_PATH(TD_KEY_job_info_##field)
#define SPEC(field) TD_PATH2(TD_KEY_job_info_spec, TD_KEY_job_spec_##field)
#define NEED(field) TD_PATH3(TD_KEY_job_info_spec, TD_KEY_job_spec_needs, TD_KEY_job_need_##field)
#define PATHS(...) (const uint32_t[]) { __VA_ARGS__, 0 }
#define NO_PATHS (const uint32_t[]) { 0 }
#define JOB_ID OF(job), OF(array_job), OF(array_task), OF(array_tasks)
#define STATE OF(state), OF(outcome)
#define REASON OF(reason), OF(unavailable), OF(reserved), OF(reserved_maint)
#define ELAPSED OF(state), OF(start_ms), OF(start_is_prediction), OF(end_ms)

static const struct field fields[] = {
    /* only in JSON */
    {0, NULL, "", "array_job_id", JSON_NUMBER, array_or_zero, by_id, TRAIT_NONE, NULL},
    {0, NULL, "", "time_limit", JSON_NUMBER, limit_minutes, by_limit, TRAIT_NONE, NULL},
    {0, NULL, "", "start_time", JSON_NUMBER, epoch_start, by_start, TRAIT_NONE, NULL},
    {0, NULL, "", "end_time", JSON_NUMBER, epoch_end, by_end, TRAIT_NONE, NULL},
    {0, NULL, "", "likely_start_time", JSON_NUMBER, epoch_likely, by_likely, TRAIT_NONE, NULL},
    {0, NULL, "", "likely_from_time", JSON_NUMBER, epoch_likely_from, NULL, TRAIT_NONE, NULL},
    {0, NULL, "", "likely_to_time", JSON_NUMBER, epoch_likely_to, NULL, TRAIT_NONE, NULL},
    {0, NULL, "", "promised_by_time", JSON_NUMBER, epoch_promised, by_promise, TRAIT_NONE, NULL},
    {0, NULL, "", "submit_time", JSON_NUMBER, epoch_submitted, by_submit, TRAIT_NONE, NULL},
    {0, NULL, "", "eligible_time", JSON_NUMBER, epoch_eligible, NULL, TRAIT_NONE, NULL},
    {0, NULL, "", "deadline", JSON_NUMBER, epoch_deadline, NULL, TRAIT_NONE, NULL},
    /* for the eye, and for JSON where a key stands */
    {'i', "JobArrayID", "JOBID", NULL, JSON_NONE, array_id, by_id, TRAIT_NONE, PATHS(JOB_ID)},
    {'A', "JobID", "JOBID", "job_id", JSON_NUMBER, job_id, by_job, TRAIT_NONE, PATHS(JOB_ID)},
    {'F', "ArrayJobID", "ARRAY_JOB_ID", NULL, JSON_NONE, array_job, by_id, TRAIT_NONE, PATHS(JOB_ID)},
    {'K', "ArrayTaskID", "ARRAY_TASK_ID", "array_task_id", JSON_STRING, array_task, by_id, TRAIT_NONE, PATHS(JOB_ID)},
    {'P', "Partition", "PARTITION", "partition", JSON_STRING, partition, NULL, TRAIT_NONE, PATHS(OF(partition))},
    {'j', "Name", "NAME", "name", JSON_STRING, name, NULL, TRAIT_NONE, PATHS(SPEC(name))},
    {'u', "UserName", "USER", "user_name", JSON_STRING, user, NULL, TRAIT_NONE, PATHS(SPEC(user_name), OF(uid))},
    {'U', "UserID", "UID", "user_id", JSON_NUMBER, uid, by_uid, TRAIT_NONE, PATHS(OF(uid))},
    {'g', "GroupName", "GROUP", "group_name", JSON_STRING, group, NULL, TRAIT_NONE, PATHS(SPEC(group_name), OF(gid))},
    {'G', "GroupID", "GROUP", "group_id", JSON_NUMBER, gid, by_gid, TRAIT_NONE, PATHS(OF(gid))},
    {'t', "StateCompact", "ST", NULL, JSON_NONE, state_compact, by_state, TRAIT_NONE, PATHS(STATE)},
    {'T', "State", "STATE", "job_state", JSON_STRING, state, by_state, TRAIT_NONE, PATHS(STATE)},
    {'r', "Reason", "REASON", "state_reason", JSON_STRING, reason, NULL, TRAIT_NONE, PATHS(REASON)},
    {'R', "ReasonList", "NODELIST(REASON)", NULL, JSON_NONE, reason_list, NULL, TRAIT_NONE, PATHS(STATE, REASON, OF(nodelist), OF(detail))},
    {'M', "TimeUsed", "TIME", NULL, JSON_NONE, elapsed, by_elapsed, TRAIT_WHOLE, PATHS(ELAPSED)},
    {'l', "TimeLimit", "TIME_LIMIT", NULL, JSON_NONE, limit, by_limit, TRAIT_WHOLE, PATHS(OF(limit_s))},
    {'L', "TimeLeft", "TIME_LEFT", NULL, JSON_NONE, left, by_left, TRAIT_WHOLE, PATHS(OF(limit_s), ELAPSED)},
    {'D', "NumNodes", "NODES", "node_count", JSON_NUMBER, nodes, by_nodes, TRAIT_NONE, PATHS(OF(nodes))},
    {'C', "NumCPUs", "CPUS", "cpus", JSON_NUMBER, cpus, by_cpus, TRAIT_NONE, PATHS(OF(cpus))},
    {0, "NumTasks", "TASKS", "tasks", JSON_NUMBER, tasks, by_tasks, TRAIT_NONE, PATHS(OF(tasks))},
    {'N', "NodeList", "NODELIST", "nodes", JSON_STRING, nodelist, NULL, TRAIT_NONE, PATHS(OF(nodelist))},
    {'B', "BatchHost", "EXEC_HOST", "batch_host", JSON_STRING, exec_host, NULL, TRAIT_NONE, PATHS(OF(batch_host))},
    {'a', "Account", "ACCOUNT", "account", JSON_STRING, account, NULL, TRAIT_NONE, PATHS(SPEC(account))},
    {'q', "QOS", "QOS", "qos", JSON_STRING, qos, NULL, TRAIT_NONE, PATHS(SPEC(qos))},
    {'p', "Priority", "PRIORITY", NULL, JSON_NONE, priority, by_priority, TRAIT_NONE, PATHS(OF(priority))},
    {'Q', "PriorityLong", "PRIORITY", "priority", JSON_NUMBER, priority_long, by_priority, TRAIT_NONE, PATHS(OF(priority))},
    {'y', "Nice", "NICE", "nice", JSON_NUMBER, nice, by_nice, TRAIT_NONE, PATHS(SPEC(nice))},
    {'b', "tres-per-node", "TRES_PER_NODE", "tres_per_node", JSON_STRING, tres_per_node, NULL, TRAIT_NONE, PATHS(NEED(gres))},
    {0, "tres-per-job", "TRES_PER_JOB", "tres_per_job", JSON_STRING, tres_per_job, NULL, TRAIT_NONE, PATHS(NEED(gres_job))},
    {0, "tres-per-task", "TRES_PER_TASK", "tres_per_task", JSON_STRING, tres_per_task, NULL, TRAIT_NONE, PATHS(NEED(gres_task))},
    {0, "tres-alloc", "TRES_ALLOC", "tres_alloc_str", JSON_STRING, tres_alloc, NULL, TRAIT_NONE, NULL},
    {'c', "MinCpus", "MIN_CPUS", "minimum_cpus_per_node", JSON_NUMBER, min_cpus, NULL, TRAIT_NONE, PATHS(NEED(cpus_per_task), NEED(ntasks_per_node))},
    {0, "cpus-per-task", "CPUS_PER_TASK", "cpus_per_task", JSON_NUMBER, cpus_per_task, NULL, TRAIT_NONE, PATHS(NEED(cpus_per_task))},
    {'m', "MinMemory", "MIN_MEMORY", "minimum_memory", JSON_STRING, memory, by_memory, TRAIT_NONE, PATHS(NEED(mem_mb_per_cpu), NEED(mem_mb_per_node))},
    {'d', "MinTmpDisk", "MIN_TMP_DISK", "minimum_tmp_disk_per_node", JSON_NUMBER, tmp_disk, by_tmp, TRAIT_NONE, PATHS(NEED(tmp_mb))},
    {'f', "Feature", "FEATURES", "features", JSON_STRING, features, NULL, TRAIT_NONE, PATHS(NEED(features))},
    {'E', "Dependency", "DEPENDENCY", "dependency", JSON_STRING, dependency, NULL, TRAIT_LONG, NULL},
    {'n', "ReqNodes", "REQ_NODES", "required_nodes", JSON_STRING, req_nodes, NULL, TRAIT_LONG, NULL},
    {'x', "ExcNodes", "EXC_NODES", "excluded_nodes", JSON_STRING, exc_nodes, NULL, TRAIT_LONG, NULL},
    {'S', "StartTime", "START_TIME", NULL, JSON_NONE, start, by_start, TRAIT_NONE, PATHS(OF(start_ms))},
    /* Tender's own, of waiting jobs */
    {0, "LikelyStart", "LIKELY_START", NULL, JSON_NONE, likely, by_likely, TRAIT_NONE, PATHS(OF(likely_ms))},
    {0, "LikelyFrom", "LIKELY_FROM", NULL, JSON_NONE, likely_from, NULL, TRAIT_NONE, PATHS(OF(likely_from_ms))},
    {0, "LikelyTo", "LIKELY_TO", NULL, JSON_NONE, likely_to, NULL, TRAIT_NONE, PATHS(OF(likely_to_ms))},
    {0, "PromisedBy", "PROMISED_BY", NULL, JSON_NONE, promised, by_promise, TRAIT_NONE, PATHS(OF(by_ms))},
    {0, "StartKind", "START_KIND", "start_kind", JSON_STRING, start_kind, NULL, TRAIT_NONE, PATHS(OF(state), OF(start_ms), OF(start_is_bound), OF(by_ms), OF(likely_ms))},
    {'e', "EndTime", "END_TIME", NULL, JSON_NONE, end, by_end, TRAIT_NONE, PATHS(OF(end_ms))},
    {'V', "SubmitTime", "SUBMIT_TIME", NULL, JSON_NONE, submitted, by_submit, TRAIT_NONE, PATHS(OF(submit_ms))},
    {0, "EligibleTime", "ELIGIBLE_TIME", NULL, JSON_NONE, eligible, NULL, TRAIT_NONE, PATHS(OF(eligible_ms))},
    {0, "AccrueTime", "ACCRUE_TIME", NULL, JSON_NONE, eligible, NULL, TRAIT_NONE, PATHS(OF(eligible_ms))},
    {0, "Deadline", "DEADLINE", NULL, JSON_NONE, deadline, NULL, TRAIT_NONE, PATHS(SPEC(deadline_ms))},
    {0, "PendingTime", "PENDING_TIME", NULL, JSON_NONE, pending_s, NULL, TRAIT_NONE, PATHS(OF(state), OF(start_ms), OF(submit_ms))},
    {0, "MinTime", "TIME_MIN", NULL, JSON_NONE, min_time, NULL, TRAIT_NONE, PATHS(SPEC(limit_min_s))},
    {'h', "OverSubscribe", "OVER_SUBSCRIBE", "oversubscribe", JSON_STRING, oversubscribe, NULL, TRAIT_NONE, PATHS(NEED(exclusive))},
    {'O', "Contiguous", "CONTIGUOUS", "contiguous", JSON_BOOL, contiguous, NULL, TRAIT_NONE, PATHS(NEED(contiguous))},
    {'k', "Comment", "COMMENT", "comment", JSON_STRING, comment, NULL, TRAIT_NONE, PATHS(SPEC(comment))},
    {0, "Detail", "DETAIL", "state_description", JSON_STRING, detail, NULL, TRAIT_NONE, NULL},
    {'o', "Command", "COMMAND", "command", JSON_STRING, command, NULL, TRAIT_LONG, NULL},
    {'Z', "WorkDir", "WORK_DIR", "current_working_directory", JSON_STRING, work_dir, NULL, TRAIT_NONE, PATHS(SPEC(work_dir))},
    {0, "STDIN", "STDIN", "standard_input", JSON_STRING, std_in, NULL, TRAIT_NONE, NULL},
    {0, "STDOUT", "STDOUT", "standard_output", JSON_STRING, std_out, NULL, TRAIT_NONE, NULL},
    {0, "STDERR", "STDERR", "standard_error", JSON_STRING, std_err, NULL, TRAIT_NONE, NULL},
    {'v', "Reservation", "RESERVATION", "resv_name", JSON_STRING, reservation, NULL, TRAIT_NONE, NULL},
    {'w', "WCKey", "WCKEY", "wckey", JSON_STRING, wckey, NULL, TRAIT_NONE, NULL},
    {'W', "Licenses", "LICENSES", "licenses", JSON_STRING, licenses, NULL, TRAIT_NONE, NULL},
    {0, "Requeue", "REQUEUE", "requeue", JSON_BOOL, requeue, NULL, TRAIT_NONE, NULL},
    {0, "RestartCnt", "RESTART_COUNT", "restart_cnt", JSON_NUMBER, restarts, NULL, TRAIT_NONE, NULL},
    {0, "exit_code", "EXIT_CODE", "exit_code", JSON_NUMBER, exit_code, NULL, TRAIT_NONE, NULL},
    {0, "DerivedEC", "DERIVED_EC", NULL, JSON_NONE, exit_code, NULL, TRAIT_NONE, NULL},
    {0, "BatchFlag", "BATCH_FLAG", "batch_flag", JSON_BOOL, is_batch, NULL, TRAIT_NONE, NULL},
    {0, "AllocNodes", "ALLOC_NODES", "allocating_node", JSON_STRING, submit_host, NULL, TRAIT_NONE, NULL},
    {0, "MaxNodes", "MAX_NODES", "max_nodes", JSON_NUMBER, max_nodes, NULL, TRAIT_NONE, NULL},
    {0, "MaxCPUs", "MAX_CPUS", NULL, JSON_NONE, cpus, NULL, TRAIT_NONE, PATHS(OF(cpus))},
    {0, "NTPerNode", "NTASKS_PER_NODE", "tasks_per_node", JSON_NUMBER, tasks_per_node, NULL, TRAIT_NONE, NULL},
    /* what Tender does not have, as Slurm shows its absence */
    {'H', "Sockets", "SOCKETS_PER_NODE", NULL, JSON_NONE, star, NULL, TRAIT_NONE, NO_PATHS},
    {'I', "Cores", "CORES_PER_SOCKET", NULL, JSON_NONE, star, NULL, TRAIT_NONE, NO_PATHS},
    {'J', "Threads", "THREADS_PER_CORE", NULL, JSON_NONE, star, NULL, TRAIT_NONE, NO_PATHS},
    {'z', "SCT", "S:C:T", NULL, JSON_NONE, stars, NULL, TRAIT_NONE, NO_PATHS},
    {'X', "CoreSpec", "CORE_SPEC", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {'Y', "SchedNodes", "SCHEDNODES", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {'s', "SelectJobInfo", "", NULL, JSON_NONE, nothing, NULL, TRAIT_NONE, NO_PATHS},
    {0, "admin_comment", "ADMIN_COMMENT", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {0, "system_comment", "SYSTEM_COMMENT", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {0, "AllocSID", "ALLOC_SID", NULL, JSON_NONE, zero, NULL, TRAIT_NONE, NO_PATHS},
    {0, "AssocID", "ASSOC_ID", NULL, JSON_NONE, zero, NULL, TRAIT_NONE, NO_PATHS},
    {0, "BoardsPerNode", "BOARDS_PER_NODE", NULL, JSON_NONE, zero, NULL, TRAIT_NONE, NO_PATHS},
    {0, "BurstBuffer", "BURST_BUFFER", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {0, "BurstBufferState", "BURST_BUFFER_STATE", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {0, "ClusterFeature", "CLUSTER_FEATURES", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {0, "Container", "CONTAINER", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {0, "cpus-per-tres", "CPUS_PER_TRES", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "DelayBoot", "DELAY_BOOT", NULL, JSON_NONE, zero_time, NULL, TRAIT_NONE, NO_PATHS},
    {0, "HetJobID", "HET_JOB_ID", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "HetJobIDSet", "HET_JOB_ID_SET", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "HetJobOffset", "HET_JOB_OFFSET", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "MCSLabel", "MCSLABEL", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {0, "mem-per-tres", "MEM_PER_TRES", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "Network", "NETWORK", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {0, "NTPerBoard", "NTASKS_PER_BOARD", NULL, JSON_NONE, zero, NULL, TRAIT_NONE, NO_PATHS},
    {0, "NTPerCore", "NTASKS_PER_CORE", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "NTPerSocket", "NTASKS_PER_SOCKET", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "Origin", "ORIGIN", NULL, JSON_NONE, not_federated, NULL, TRAIT_NONE, NO_PATHS},
    {0, "OriginRaw", "ORIGIN_RAW", NULL, JSON_NONE, not_federated, NULL, TRAIT_NONE, NO_PATHS},
    {0, "SiblingsActive", "ACTIVE_SIBLINGS", NULL, JSON_NONE, not_federated, NULL, TRAIT_NONE, NO_PATHS},
    {0, "SiblingsActiveRaw", "ACTIVE_SIBLINGS_RAW", NULL, JSON_NONE, not_federated, NULL, TRAIT_NONE, NO_PATHS},
    {0, "SiblingsViable", "VIABLE_SIBLINGS", NULL, JSON_NONE, not_federated, NULL, TRAIT_NONE, NO_PATHS},
    {0, "SiblingsViableRaw", "VIABLE_SIBLINGS_RAW", NULL, JSON_NONE, not_federated, NULL, TRAIT_NONE, NO_PATHS},
    {0, "PreemptTime", "PREEMPT_TIME", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "Prefer", "PREFER", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NO_PATHS},
    {0, "Profile", "PROFILE", NULL, JSON_NONE, not_set, NULL, TRAIT_NONE, NO_PATHS},
    {0, "Reboot", "REBOOT", NULL, JSON_NONE, zero, NULL, TRAIT_NONE, NO_PATHS},
    {0, "ReqSwitch", "REQ_SWITCH", NULL, JSON_NONE, zero, NULL, TRAIT_NONE, NO_PATHS},
    {0, "ResizeTime", "RESIZE_TIME", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "LastSchedEval", "LAST_SCHED_EVAL", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "SPerBoard", "SOCKETS_PER_BOARD", NULL, JSON_NONE, zero, NULL, TRAIT_NONE, NO_PATHS},
    {0, "tres-bind", "TRES_BIND", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "tres-freq", "TRES_FREQ", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "tres-per-socket", "TRES_PER_SOCKET", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, "Wait4Switch", "WAIT4SWITCH", NULL, JSON_NONE, zero_time, NULL, TRAIT_NONE, NO_PATHS},
    {0, "Cluster", "CLUSTER", NULL, JSON_NONE, not_applicable, NULL, TRAIT_NONE, NO_PATHS},
    {0, NULL, NULL, NULL, JSON_NONE, NULL, NULL, TRAIT_NONE, NULL},
};
const struct field_table job_fields = {.what = "job", .fields = fields};
