/* step.c - the one table of the fields of steps: letter, name, heading, JSON key, how it prints, how it sorts; and their block
 *
 * Where Slurm shows what Tender does not have (ports, CPU frequency, the srun behind it) its word for nothing stands. */
#include "render/step.h"

#include "render/job.h"
#include "render/value.h"

#define STEP(row) (((const struct step_row *)(row))->step)
#define PRINT(name) static void name(struct td_buf *out, const void *row)

static void put_number(struct td_buf *out, const struct td_step_info *s)
{
    if (s->step == TD_STEP_BATCH)
        td_buf_puts(out, "batch");
    else
        td_buf_putf(out, "%u", s->step);
}

void step_put_id(struct td_buf *out, const struct td_step_info *s)
{
    if (s->array_job)
        td_buf_putf(out, "%u_%u.", s->array_job, s->array_task);
    else
        td_buf_putf(out, "%u.", s->job);
    put_number(out, s);
}

static const char *state_word(const struct td_step_info *s)
{
    return s->ending ? "COMPLETING" : "RUNNING";
}

static uint64_t elapsed_s(const void *row)
{
    const struct step_row *r = row;

    return r->step->start_ms && r->now_ms > r->step->start_ms ? (uint64_t)(r->now_ms - r->step->start_ms) / 1000 : 0;
}

static void put_user(struct td_buf *out, const struct td_step_info *s)
{
    if (td_str_empty(s->user))
        td_buf_putf(out, "%u", s->uid);
    else
        td_buf_puts(out, s->user);
}

static void put_limit(struct td_buf *out, const struct td_step_info *s, bool clock)
{
    if (s->limit_s == TD_INFINITE)
        td_buf_puts(out, "UNLIMITED");
    else if (clock)
        td_duration_print(s->limit_s, out);
    else
        td_elapsed_print(s->limit_s, out);
}

PRINT(id) { step_put_id(out, STEP(row)); }
PRINT(number) { put_number(out, STEP(row)); }
PRINT(job_id) { td_buf_putf(out, "%u", STEP(row)->job); }
PRINT(array_job) { td_buf_putf(out, "%u", STEP(row)->array_job); }
PRINT(name) { td_buf_puts(out, STEP(row)->name ? STEP(row)->name : ""); }
PRINT(state) { td_buf_puts(out, state_word(STEP(row))); }
PRINT(tasks) { td_buf_putf(out, "%u", STEP(row)->ntasks); }
PRINT(cpus) { td_buf_putf(out, "%u", STEP(row)->cpus); }
PRINT(count_nodes) { td_buf_putf(out, "%u", STEP(row)->nodes); }
PRINT(nodes) { td_buf_puts(out, STEP(row)->nodelist ? STEP(row)->nodelist : ""); }
PRINT(partition) { td_buf_puts(out, STEP(row)->partition ? STEP(row)->partition : ""); }
PRINT(user) { put_user(out, STEP(row)); }
PRINT(uid) { td_buf_putf(out, "%u", STEP(row)->uid); }
PRINT(elapsed) { td_elapsed_print(elapsed_s(row), out); }
PRINT(limit) { put_limit(out, STEP(row), false); }
PRINT(start) { put_moment(out, STEP(row)->start_ms, "N/A"); }
PRINT(tres_per_node) { job_put_gres(out, &STEP(row)->gres_node, "(null)"); }
PRINT(tres_per_task) { job_put_gres(out, &STEP(row)->gres_task, "(null)"); }
PRINT(none) { td_buf_puts(out, row ? "(null)" : ""); }

PRINT(array_task)
{
    if (STEP(row)->array_job)
        td_buf_putf(out, "%u", STEP(row)->array_task);
    else
        td_buf_puts(out, "N/A");
}

PRINT(tres)
{
    const struct td_step_info *s = STEP(row);

    if (!s->cpus) {
        td_buf_puts(out, "(null)");
        return;
    }
    td_buf_putf(out, "cpu=%u,mem=", s->cpus);
    put_memory(out, s->mem_mb);
    td_buf_putf(out, ",node=%u", s->nodes);
    for (uint32_t i = 0; i < s->gres.n; i++)
        td_buf_putf(out, ",gres/%s=%llu", s->gres.v[i].name ? s->gres.v[i].name : "", (unsigned long long)s->gres.v[i].count);
}

#define COMPARE(fn, expr)                                                     \
    static int fn(const void *a, const void *b)                              \
    {                                                                         \
        const struct step_row *row;                                           \
        row = a;                                                              \
        __auto_type x = (expr);                                               \
        row = b;                                                              \
        __auto_type y = (expr);                                               \
        return x < y ? -1 : x > y;                                            \
    }
COMPARE(by_id, (uint64_t)row->step->job << 32 | row->step->step)
COMPARE(by_tasks, row->step->ntasks)
COMPARE(by_cpus, row->step->cpus)
COMPARE(by_nodes, row->step->nodes)
COMPARE(by_uid, row->step->uid)
COMPARE(by_elapsed, elapsed_s(row))
COMPARE(by_limit, row->step->limit_s)
COMPARE(by_start, row->step->start_ms)

static const struct field fields[] = {
    {'i', "stepid", "STEPID", "id", JSON_STRING, id, by_id, TRAIT_NONE, NULL},
    {0, NULL, "STEP", "step_id", JSON_STRING, number, by_id, TRAIT_NONE, NULL},
    {0, "jobid", "JOB_ID", "job_id", JSON_NUMBER, job_id, by_id, TRAIT_NONE, NULL},
    {0, "arrayjobid", "ARRAY_JOB_ID", "array_job_id", JSON_NUMBER, array_job, by_id, TRAIT_NONE, NULL},
    {0, "arraytaskid", "ARRAY_TASK_ID", "array_task_id", JSON_NUMBER, array_task, by_id, TRAIT_NONE, NULL},
    {'j', "stepname", "NAME", "name", JSON_STRING, name, NULL, TRAIT_NONE, NULL},
    {0, "stepstate", "STATE", "state", JSON_STRING, state, NULL, TRAIT_NONE, NULL},
    {'P', "partition", "PARTITION", "partition", JSON_STRING, partition, NULL, TRAIT_NONE, NULL},
    {'u', "username", "USER", "user_name", JSON_STRING, user, NULL, TRAIT_NONE, NULL},
    {'U', "userid", "UID", "user_id", JSON_NUMBER, uid, by_uid, TRAIT_NONE, NULL},
    {'M', "timeused", "TIME", "time_used", JSON_STRING, elapsed, by_elapsed, TRAIT_WHOLE, NULL},
    {'l', "timelimit", "TIME_LIMIT", "time_limit", JSON_STRING, limit, by_limit, TRAIT_WHOLE, NULL},
    {'S', "starttime", "START_TIME", "start_time", JSON_STRING, start, by_start, TRAIT_NONE, NULL},
    {0, "numnodes", "NODES", "node_count", JSON_NUMBER, count_nodes, by_nodes, TRAIT_NONE, NULL},
    {0, "numcpus", "NUM_CPUS", "cpus", JSON_NUMBER, cpus, by_cpus, TRAIT_NONE, NULL},
    {'A', "numtasks", "TASKS", "tasks", JSON_NUMBER, tasks, by_tasks, TRAIT_NONE, NULL},
    {'N', "nodes", "NODELIST", "nodes", JSON_STRING, nodes, NULL, TRAIT_NONE, NULL},
    {0, "tres-alloc", "TRES_ALLOC", "tres", JSON_STRING, tres, NULL, TRAIT_NONE, NULL},
    {'b', "tres-per-node", "TRES_PER_NODE", "tres_per_node", JSON_STRING, tres_per_node, NULL, TRAIT_NONE, NULL},
    {0, "gres", "TRES_PER_NODE", NULL, JSON_NONE, tres_per_node, NULL, TRAIT_NONE, NULL},
    {0, "tres-per-step", "TRES_PER_STEP", NULL, JSON_NONE, none, NULL, TRAIT_NONE, NULL},
    {0, "tres-per-task", "TRES_PER_TASK", "tres_per_task", JSON_STRING, tres_per_task, NULL, TRAIT_NONE, NULL},
    {0},
};
const struct field_table step_fields = {.what = "job step", .fields = fields};

void step_text(struct td_buf *out, const struct td_step_info *s, bool oneline)
{
    const char *sep = oneline ? " " : "\n   ";
    const struct step_row row = {.step = s};

    td_buf_puts(out, "StepId=");
    step_put_id(out, s);
    td_buf_putf(out, " UserId=%u StartTime=", s->uid);
    put_moment(out, s->start_ms, "Unknown");
    td_buf_puts(out, " TimeLimit=");
    put_limit(out, s, true);
    td_buf_putf(out, "%sState=%s Partition=%s NodeList=%s", sep, state_word(s), s->partition ? s->partition : "",
                s->nodelist ? s->nodelist : "");
    td_buf_putf(out, "%sNodes=%u CPUs=%u Tasks=%u Name=%s Network=(null)", sep, s->nodes, s->cpus, s->ntasks, s->name ? s->name : "");
    td_buf_putf(out, "%sTRES=", sep);
    tres(out, &row);
    td_buf_putf(out, "%sResvPorts=(null)", sep);
    td_buf_putf(out, "%sCPUFreqReq=Default%s", sep, s->step == TD_STEP_BATCH ? "" : " Dist=Block");
    td_buf_putf(out, "%sSrunHost:Pid=(null):0", sep);
    if (s->gres_node.n) {
        td_buf_putf(out, "%sTresPerNode=", sep);
        tres_per_node(out, &row);
    }
    if (s->gres_task.n) {
        td_buf_putf(out, "%sTresPerTask=", sep);
        tres_per_task(out, &row);
    }
    td_buf_puts(out, oneline ? "\n" : "\n\n");
}
