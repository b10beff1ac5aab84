/* job.c - what several views of a job need: its id, names, files, memory and tres as Slurm writes them */
#include "render/job.h"

#include <stdlib.h>
#include <string.h>

#include "render/value.h"
#include "types/pattern.h"

static const struct td_job_need no_need;

const struct td_job_need *job_need(const struct td_job_info *j)
{
    return j->spec.needs.n ? &j->spec.needs.v[0] : &no_need;
}

/* SLURM_BITSTR_LEN: how much of a long index expression is shown; 0 = all. */
static uint64_t tasks_shown(void)
{
    const char *text = getenv("SLURM_BITSTR_LEN");
    uint64_t n;

    return text && td_parse_u64(text, &n) ? (n ? n : UINT64_MAX) : 64;
}

static void put_expression(struct td_buf *out, const char *tasks)
{
    uint64_t shown = tasks_shown();
    size_t n = strlen(tasks);

    if (n <= shown) {
        td_buf_puts(out, tasks);
        return;
    }
    n = (size_t)shown;
    while (n && tasks[n] != ',')
        n--;
    td_buf_put(out, tasks, n);
    td_buf_puts(out, n ? ",..." : "...");
}

void job_put_tasks(struct td_buf *out, const struct td_job_info *j)
{
    if (!j->array_job)
        td_buf_puts(out, "N/A");
    else if (j->array_task == TD_NO_TASK)
        put_expression(out, j->array_tasks ? j->array_tasks : "");
    else
        td_buf_putf(out, "%u", j->array_task);
}

void job_put_id(struct td_buf *out, const struct td_job_info *j)
{
    if (!j->array_job) {
        td_buf_putf(out, "%u", j->job);
        return;
    }
    bool waiting = j->array_task == TD_NO_TASK;
    td_buf_putf(out, "%u_%s", j->array_job, waiting ? "[" : "");
    job_put_tasks(out, j);
    if (waiting)
        td_buf_puts(out, "]");
}

static void put_name_or_id(struct td_buf *out, const char *name, uint32_t id)
{
    if (td_str_empty(name))
        td_buf_putf(out, "%u", id);
    else
        td_buf_puts(out, name);
}

void job_put_user(struct td_buf *out, const struct td_job_info *j)
{
    put_name_or_id(out, j->spec.user_name, j->uid);
}

void job_put_group(struct td_buf *out, const struct td_job_info *j)
{
    put_name_or_id(out, j->spec.group_name, j->gid);
}

void job_put_command(struct td_buf *out, const struct td_job_info *j)
{
    put_or_null(out, j->spec.command);
    for (uint32_t i = 0; !td_str_empty(j->spec.command) && i < j->spec.argv.n; i++)
        td_buf_putf(out, " %s", j->spec.argv.v[i]);
}

const char *job_start_kind(const struct td_job_info *j)
{
    if (j->state != TD_JOB_PENDING || j->start_ms <= 0)
        return "N/A";
    if (j->start_is_bound)
        return "Bound";
    if (j->start_ms == j->by_ms)
        return "Promise";
    return j->start_ms == j->likely_ms ? "Likely" : "Plan";
}

uint64_t job_elapsed_s(const struct job_row *row)
{
    const struct td_job_info *j = row->job;
    int64_t end = row->now_ms;

    if (j->state == TD_JOB_PENDING || j->start_ms <= 0 || j->start_is_prediction)
        return 0;
    if ((j->state == TD_JOB_DONE || j->state == TD_JOB_ENDING) && j->end_ms)
        end = TD_MIN(end, j->end_ms);
    return end > j->start_ms ? (uint64_t)(end - j->start_ms) / 1000 : 0;
}

static bool holds(const struct td_job_info *j)
{
    return j->state == TD_JOB_AWARDED || j->state == TD_JOB_RUNNING || j->state == TD_JOB_ENDING ||
           (j->state == TD_JOB_DONE && !td_str_empty(j->nodelist));
}

void job_put_tres(struct td_buf *out, const struct td_job_info *j)
{
    td_buf_putf(out, "cpu=%u", j->cpus);
    if (j->mem_mb) {
        td_buf_puts(out, ",mem=");
        put_memory(out, j->mem_mb);
    }
    td_buf_putf(out, ",node=%u,billing=%u", j->nodes, j->cpus);
    for (uint32_t i = 0; i < j->gres.n; i++) {
        const struct td_gres_held *g = &j->gres.v[i];
        uint64_t n = holds(j) ? g->count : g->count * TD_MAX(j->nodes, 1u); /* wanted is counted on each node */
        td_buf_putf(out, ",gres/%s=%llu", g->name ? g->name : "", (unsigned long long)n);
    }
    for (uint32_t i = 0; i < job_need(j)->gres_job.n && !holds(j); i++) { /* what its nodes will share is on none of them */
        const struct td_gres_need *g = &job_need(j)->gres_job.v[i];
        bool said = false;
        for (uint32_t k = 0; k < j->gres.n; k++)
            said |= td_str_equal(j->gres.v[k].name, g->name);
        if (!said)
            td_buf_putf(out, ",gres/%s=%llu", g->name ? g->name : "", (unsigned long long)g->count);
    }
}

void job_put_gres(struct td_buf *out, const struct td_gres_need_list *l, const char *none)
{
    if (!l->n)
        td_buf_puts(out, none);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct td_gres_need *g = &l->v[i];
        td_buf_putf(out, "%sgres:%s", i ? "," : "", g->name ? g->name : "");
        if (!td_str_empty(g->type))
            td_buf_putf(out, ":%s", g->type);
        td_buf_putf(out, ":%llu", (unsigned long long)g->count);
    }
}

void job_put_min_memory(struct td_buf *out, const struct td_job_info *j)
{
    const struct td_job_need *n = job_need(j);

    put_memory(out, n->mem_mb_per_cpu ? n->mem_mb_per_cpu : n->mem_mb_per_node);
}

/* squeue writes 1:30:00, scontrol 01:30:00 */
void job_put_limit(struct td_buf *out, const struct td_job_info *j, bool clock)
{
    if (j->limit_s == 0)
        td_buf_puts(out, clock ? "Partition_Limit" : "NOT_SET");
    else if (j->limit_s == TD_INFINITE)
        td_buf_puts(out, "UNLIMITED");
    else if (clock)
        td_duration_print(j->limit_s, out);
    else
        td_elapsed_print(j->limit_s, out);
}

/* A pattern that was given is shown as it was typed, as squeue does; what stands for one that was not is always put in. */
void job_put_file(struct td_buf *out, const struct td_job_info *j, enum job_file which, bool expand)
{
    td_autofree char *user = NULL;
    struct td_buf name = {0};
    struct td_pattern_facts facts = {
        .job = j->job,
        .array_job = j->array_job,
        .array_task = j->array_task,
        .node = td_str_empty(j->batch_host) ? NULL : j->batch_host,
        .name = j->spec.name,
    };
    const char *p = which == JOB_STDIN    ? j->spec.std_in
                    : which == JOB_STDERR ? j->spec.std_err
                                          : j->spec.std_out;

    if (td_str_empty(j->spec.work_dir) && td_str_empty(p)) { /* somebody else's: not to be seen */
        td_buf_puts(out, "(null)");
        return;
    }
    job_put_user(&name, j);
    facts.user = user = td_strdup(td_buf_str(&name));
    td_buf_release(&name);
    if (which == JOB_STDERR && td_str_empty(p))
        p = j->spec.std_out;
    if (td_str_empty(p)) {
        p = which == JOB_STDIN ? "/dev/null" : td_pattern_default_output(&facts);
        expand = true;
    }
    if (expand) {
        td_pattern_expand(p, &facts, j->spec.work_dir, out);
        return;
    }
    if (*p != '/' && !td_str_empty(j->spec.work_dir))
        td_buf_putf(out, "%s/", j->spec.work_dir);
    td_buf_puts(out, p);
}

void job_put_reason(struct td_buf *out, const struct td_job_info *j, char blank)
{
    td_buf_puts(out, td_reason_word(j->reason));
    if (!td_str_empty(j->reserved))
        td_buf_putf(out, ",%c%s", blank, j->reserved_maint ? "Reserved for maintenance" : "May be reserved for other job");
    else if (!td_str_empty(j->unavailable))
        td_buf_putf(out, ",%cUnavailableNodes:%s", blank, j->unavailable);
}
