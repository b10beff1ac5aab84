/* explain_waits.c - why a job waits, and what its nodes are short of, in sentences; explain_when.c says when it starts */
#include <string.h>

#include "render/explain.h"
#include "render/job.h"
#include "render/value.h"
#include "say.h"

/* --- why --------------------------------------------------------------------------------------------------------------- */

void explain_put_id(struct td_buf *out, uint32_t job, uint32_t array_job, uint32_t task)
{
    if (array_job && task == TD_NO_TASK)
        td_buf_putf(out, "%u_*", array_job);
    else if (array_job)
        td_buf_putf(out, "%u_%u", array_job, task);
    else
        td_buf_putf(out, "%u", job);
}

static void put_dep(struct td_buf *out, const struct td_explain_dep *d, int64_t now_ms)
{
    td_buf_puts(out, "  ");
    if (d->kind == TD_DEPEND_SINGLETON)
        td_buf_puts(out, "singleton");
    else
        td_buf_putf(out, "%s:", td_depend_word(d->kind));
    if (d->job == 0)
        td_buf_puts(out, " a job that you may not see");
    else
        td_buf_putf(out, d->kind == TD_DEPEND_SINGLETON ? " (job %u)" : "%u", d->job);
    if (d->job && d->task != TD_NO_TASK && d->kind != TD_DEPEND_SINGLETON)
        td_buf_putf(out, "_%u", d->task);
    td_buf_putf(out, "  %s: it waits until %s",
                d->state == TD_DEPEND_STATE_MET ? "has happened" : d->state == TD_DEPEND_STATE_NEVER ? "can no longer happen" : "open",
                td_depend_words(d->kind));
    if (!d->known) {
        td_buf_puts(out, "\n");
        return;
    }
    td_buf_putf(out, "; that job is %s", td_job_state_word(d->job_state, d->outcome));
    if (d->job_state == TD_JOB_PENDING && d->reason)
        td_buf_putf(out, " (%s)", td_reason_word(d->reason));
    if (d->job_state == TD_JOB_RUNNING && d->end_ms) {
        td_buf_puts(out, ", until ");
        explain_moment(out, d->end_ms, now_ms);
        td_buf_puts(out, " by its limit");
    }
    if (d->job_state == TD_JOB_DONE && d->exit_code)
        td_buf_putf(out, ", exit status %u", d->exit_code);
    td_buf_puts(out, "\n");
}

static void put_deps(struct td_buf *out, const struct explain_row *row)
{
    const struct td_explain_info *e = row->info;

    if (e->job.reason == TD_REASON_DEP_NEVER)
        td_buf_puts(out, "It will never start: what it waits for can no longer happen. scancel ends it; scontrol update "
                         "jobid=... dependency= lets it go.\n");
    else
        td_buf_putf(out, "It waits for %s jobs:\n", e->deps_any ? "any one of these" : "other");
    for (uint32_t i = 0; i < e->deps.n; i++)
        put_dep(out, &e->deps.v[i], row->now_ms);
}

static void put_partition(struct td_buf *out, const struct td_job_info *j, const struct td_explain_partition *p)
{
    switch (p->blocked) {
    case TD_REASON_PARTITION_TIME_LIMIT:
        td_buf_puts(out, "Its time limit of ");
        if (j->limit_s == TD_INFINITE)
            td_buf_puts(out, "UNLIMITED");
        else
            td_elapsed_print(j->limit_s, out);
        td_buf_puts(out, " is over the ");
        td_elapsed_print(p->max_s, out);
        td_buf_putf(out, " that partition %s allows (MaxTime). scontrol update jobid=%u timelimit=", p->name, j->job);
        td_duration_print(p->max_s, out);
        td_buf_puts(out, " lets it in.\n");
        return;
    case TD_REASON_PARTITION_NODE_LIMIT:
        td_buf_putf(out, "It wants %u nodes, and partition %s takes jobs of %u to %u (MinNodes, MaxNodes).\n", j->nodes, p->name,
                    TD_MAX(p->nodes_min, 1u), p->nodes_max ? p->nodes_max : p->nodes);
        return;
    case TD_REASON_PARTITION_DOWN:
        td_buf_putf(out, "Partition %s is down: nothing is started there until an administrator sets it up again.\n", p->name);
        return;
    case TD_REASON_PARTITION_INACTIVE:
        td_buf_putf(out, "Partition %s is inactive: nothing is started there.\n", p->name);
        return;
    default:
        return;
    }
}

static void put_reason(struct td_buf *out, const struct explain_row *row)
{
    const struct td_explain_info *e = row->info;
    const struct td_job_info *j = &e->job;

    switch ((enum td_reason)j->reason) {
    case TD_REASON_DEPENDENCY:
    case TD_REASON_DEP_NEVER:
        put_deps(out, row);
        return;
    case TD_REASON_BEGIN_TIME:
        td_buf_puts(out, "It waits for its begin time, ");
        explain_moment(out, j->spec.begin_ms, row->now_ms);
        td_buf_puts(out, ".\n");
        return;
    case TD_REASON_HELD_USER:
        td_buf_puts(out, "It is held by its user. scontrol release ");
        td_buf_putf(out, "%u lets it go.\n", j->job);
        return;
    case TD_REASON_HELD_ADMIN:
        td_buf_puts(out, "It is held by an administrator: only operators and administrators can release it.\n");
        return;
    case TD_REASON_LAUNCH_HELD:
        td_buf_putf(out, "It could not be started, went back to the queue and is held. scontrol release %u lets it go.\n", j->job);
        return;
    case TD_REASON_ARRAY_TASK_LIMIT:
        td_buf_putf(out, "Its array lets %u of its tasks run at once, and %u do.\n", j->array_limit, e->array_running);
        return;
    case TD_REASON_REQ_NODE_NOT_AVAIL:
        td_buf_putf(out, "It waits for nodes that are not available%s%s.\n", td_str_empty(j->unavailable) ? "" : ": ",
                    td_str_empty(j->unavailable) ? "" : j->unavailable);
        return;
    case TD_REASON_RESOURCES:
        td_buf_puts(out, "It is first in line for its nodes, and too little of what it needs is free.\n");
        return;
    case TD_REASON_BAD_CONSTRAINTS:
        td_buf_puts(out, "No node there is can ever serve it.\n");
        return;
    case TD_REASON_NONE:
    case TD_REASON_PRIORITY:
        if (e->may_start)
            td_buf_puts(out, "Nothing keeps it: the next round of bidding may start it.\n");
        else if (e->ahead)
            td_buf_puts(out, "It waits until those before it have what they need.\n");
        else
            td_buf_puts(out, "Too little of what it needs is free.\n");
        return;
    default:
        for (uint32_t i = 0; i < e->partitions.n; i++)
            put_partition(out, j, &e->partitions.v[i]);
        if (!e->partitions.n || !e->partitions.v[0].blocked)
            td_buf_putf(out, "It waits for this reason: %s (%s).\n", td_reason_words(j->reason) ? td_reason_words(j->reason) : "unknown",
                        td_reason_word(j->reason));
    }
}

/* All that could hold it take no work at all now. */
static void put_none_there(struct td_buf *out, const struct td_explain_info *e)
{
    uint32_t out_of_work = 0, able = 0;

    for (uint32_t i = 0; i < e->classes.n; i++) {
        uint32_t standing = e->classes.v[i].standing;
        able += standing != TD_STANDING_NEVER;
        out_of_work += standing == TD_STANDING_DRAINED || standing == TD_STANDING_DOWN || standing == TD_STANDING_AWAITED;
    }
    if (able && able == out_of_work && !e->nodes_more)
        td_buf_puts(out, "None of the nodes that could hold it takes work now.\n");
}

static void put_before(struct td_buf *out, const struct explain_row *row)
{
    const struct td_explain_info *e = row->info;

    if (!e->ahead)
        return;
    explain_count(out, e->ahead, "job waits", "jobs wait");
    td_buf_puts(out, " before it for nodes that it could use");
    if (!e->before.n) {
        td_buf_puts(out, ".\n");
        return;
    }
    td_buf_puts(out, e->ahead == e->before.n ? ":\n" : "; the nearest:\n");
    for (uint32_t i = 0; i < e->before.n; i++) {
        const struct td_explain_other *o = &e->before.v[i];
        td_buf_puts(out, "  job ");
        explain_put_id(out, o->job, o->array_job, o->array_task);
        td_buf_putf(out, " of %s: %s; it wants ", td_str_empty(o->user_name) ? "?" : o->user_name, td_before_words(o->before));
        explain_count(out, o->nodes, "node", "nodes");
        td_buf_puts(out, ", ");
        explain_count(out, o->cpus, "CPU", "CPUs");
        if (o->start_ms) {
            td_buf_puts(out, ", and starts ");
            explain_moment(out, o->start_ms, row->now_ms);
            td_buf_puts(out, " if all use their whole limits");
        }
        td_buf_puts(out, "\n");
    }
}

void explain_waits(struct td_buf *out, const struct explain_row *row)
{
    const struct td_explain_info *e = row->info;

    put_reason(out, row);
    put_none_there(out, e);
    if (e->job.attempt) {
        td_buf_puts(out, "It is back in the queue: it was given nodes ");
        explain_count(out, e->job.attempt, "time", "times");
        td_buf_puts(out, " before.\n");
    }
    put_before(out, row);
    if (e->job.held && e->job.reason != TD_REASON_HELD_USER && e->job.reason != TD_REASON_HELD_ADMIN &&
        e->job.reason != TD_REASON_LAUNCH_HELD)
        td_buf_puts(out, "It is held as well.\n");
}

/* --- nodes -------------------------------------------------------------------------------------------------------------- */

static void put_lack(struct td_buf *out, const struct td_explain_lack *l, bool never)
{
    if (never)
        td_buf_putf(out, "%llu %s wanted, it has %llu", (unsigned long long)l->want, l->what, (unsigned long long)l->total);
    else
        td_buf_putf(out, "%llu %s (%llu wanted, %llu of %llu free)", (unsigned long long)(l->want - l->have), l->what,
                    (unsigned long long)l->want, (unsigned long long)l->have, (unsigned long long)l->total);
}

static void put_lacks(struct td_buf *out, const struct td_explain_class *k)
{
    for (uint32_t i = 0; i < k->lacks.n; i++) {
        td_buf_puts(out, i == 0 ? "" : i + 1 == k->lacks.n ? " and " : ", ");
        put_lack(out, &k->lacks.v[i], k->standing == TD_STANDING_NEVER);
    }
}

static void put_refusal(struct td_buf *out, const struct td_explain_class *k)
{
    const char *words = td_refusal_words(k->refusal);

    td_buf_putf(out, "%s", words ? words : "for an unknown reason");
    if (k->shortage)
        td_buf_putf(out, " (%llu lacking)", (unsigned long long)k->shortage);
}

static void put_standing(struct td_buf *out, const struct explain_row *row, const struct td_explain_class *k)
{
    bool several = k->count > 1;

    switch ((enum td_standing)k->standing) {
    case TD_STANDING_FREE:
        td_buf_puts(out, row->info->job.nodes > 1 ? "could take a part of it now" : "could take it now");
        return;
    case TD_STANDING_KEPT:
        td_buf_putf(out, "%s room now, which is kept for ", several ? "have" : "has");
        td_buf_putf(out, k->kept_job ? "job %u" : "jobs before it", k->kept_job);
        if (k->kept_ms) {
            td_buf_puts(out, " from ");
            explain_moment(out, k->kept_ms, row->now_ms);
        }
        return;
    case TD_STANDING_SHORT:
        td_buf_puts(out, several ? "each lack " : "lacks ");
        put_lacks(out, k);
        return;
    case TD_STANDING_REFUSES:
        td_buf_puts(out, "when asked said no: ");
        put_refusal(out, k);
        return;
    case TD_STANDING_NEVER:
        td_buf_puts(out, "could never hold it: ");
        if (k->lacks.n)
            put_lacks(out, k);
        else
            put_refusal(out, k);
        return;
    case TD_STANDING_DRAINED:
        td_buf_putf(out, "%s drained and take%s no new work: %s", several ? "are" : "is", several ? "" : "s",
                    td_str_empty(k->reason) ? "no reason was given" : k->reason);
        return;
    case TD_STANDING_DOWN:
        td_buf_putf(out, "%s down (%s)%s%s", several ? "are" : "is",
                    k->node_state == TD_NODE_UP        ? "set down by an administrator, or after a reboot"
                    : k->node_state == TD_NODE_UNKNOWN ? "never heard of"
                    : k->node_state == TD_NODE_LEFT    ? "its worker was stopped"
                                                       : "silent",
                    td_str_empty(k->reason) ? "" : ": ", td_str_empty(k->reason) ? "" : k->reason);
        return;
    case TD_STANDING_AWAITED:
        td_buf_puts(out, td_standing_words(k->standing));
        return;
    }
}

static enum say_colour colour_of(uint32_t standing)
{
    return standing == TD_STANDING_FREE || standing == TD_STANDING_KEPT ? SAY_GREEN
           : standing == TD_STANDING_SHORT                              ? SAY_YELLOW
                                                                        : SAY_RED;
}

void explain_nodes(struct td_buf *out, const struct explain_row *row)
{
    const struct td_explain_info *e = row->info;
    uint32_t nodes = e->nodes_more;

    if (!e->classes.n)
        return;
    for (uint32_t i = 0; i < e->classes.n; i++)
        nodes += e->classes.v[i].count;
    td_buf_puts(out, nodes == 1 ? "The node it may use:\n" : "");
    if (nodes != 1)
        td_buf_putf(out, "The %u nodes of its partition%s:\n", nodes, e->partitions.n > 1 ? "s" : "");
    for (uint32_t i = 0; i < e->classes.n; i++) {
        const struct td_explain_class *k = &e->classes.v[i];
        td_buf_putf(out, "  %s", say_colour(row->fd, colour_of(k->standing)));
        if (td_str_empty(k->nodes))
            explain_count(out, k->count, "node", "nodes");
        else
            td_buf_puts(out, k->nodes);
        td_buf_puts(out, say_colour(row->fd, SAY_PLAIN));
        if (e->partitions.n > 1)
            td_buf_putf(out, " in %s", k->partition);
        td_buf_putc(out, ' ');
        put_standing(out, row, k);
        td_buf_puts(out, "\n");
    }
    if (e->nodes_more)
        td_buf_putf(out, "  and %u more, of other kinds\n", e->nodes_more);
}
