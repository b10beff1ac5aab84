/* explain_text.c - a job in sentences: what it is, and how it runs or ended; explain_waits.c has those that wait */
#include <pwd.h>
#include <string.h>
#include <sys/types.h>

#include "render/explain.h"
#include "render/job.h"
#include "render/value.h"
#include "say.h"

void explain_count(struct td_buf *out, uint64_t n, const char *one, const char *many)
{
    td_buf_putf(out, "%llu %s", (unsigned long long)n, n == 1 ? one : many);
}

static bool is_now(int64_t at_ms, int64_t now_ms)
{
    return at_ms > now_ms - 1000 && at_ms < now_ms + 1000;
}

void explain_at(struct td_buf *out, int64_t at_ms, int64_t now_ms)
{
    td_buf_puts(out, is_now(at_ms, now_ms) ? "" : "at ");
    explain_moment(out, at_ms, now_ms);
}

void explain_moment(struct td_buf *out, int64_t at_ms, int64_t now_ms)
{
    if (is_now(at_ms, now_ms)) {
        td_buf_puts(out, "now");
        return;
    }
    put_moment(out, at_ms, "an unknown time");
    td_buf_puts(out, at_ms > now_ms ? " (in " : " (");
    td_elapsed_print((uint64_t)(at_ms > now_ms ? at_ms - now_ms : now_ms - at_ms) / 1000, out);
    td_buf_puts(out, at_ms > now_ms ? ")" : " ago)");
}

static void put_uid(struct td_buf *out, uint32_t uid)
{
    const struct passwd *p = getpwuid((uid_t)uid);

    if (p)
        td_buf_puts(out, p->pw_name);
    else
        td_buf_putf(out, "user %u", uid);
}

static void put_limit(struct td_buf *out, uint32_t limit_s)
{
    if (limit_s == TD_INFINITE || limit_s == 0) {
        td_buf_puts(out, "without a time limit");
        return;
    }
    td_buf_puts(out, "for ");
    td_elapsed_print(limit_s, out);
    td_buf_puts(out, " at most");
}

static void put_head(struct td_buf *out, const struct explain_row *row)
{
    const struct td_job_info *j = &row->info->job;
    enum say_colour c = j->state == TD_JOB_PENDING ? SAY_YELLOW
                        : j->state == TD_JOB_DONE && j->outcome != TD_OUTCOME_COMPLETED ? SAY_RED
                                                                                        : SAY_GREEN;

    td_buf_putf(out, "%sJob ", say_colour(row->fd, SAY_BOLD));
    job_put_id(out, j);
    td_buf_putf(out, "%s (%s) of ", say_colour(row->fd, SAY_PLAIN), td_str_empty(j->spec.name) ? "no name" : j->spec.name);
    job_put_user(out, j);
    td_buf_putf(out, " is %s%s%s.\n", say_colour(row->fd, c), td_job_state_word(j->state, j->outcome),
                say_colour(row->fd, SAY_PLAIN));
}

/* What it asks for, or has. */
static void put_needs(struct td_buf *out, const struct td_job_info *j)
{
    td_buf_puts(out, j->nodelist && *j->nodelist ? "It has " : "It asks for ");
    explain_count(out, TD_MAX(j->nodes, 1u), "node", "nodes");
    td_buf_puts(out, ", ");
    explain_count(out, j->cpus, "CPU", "CPUs");
    if (j->mem_mb) {
        td_buf_puts(out, ", ");
        put_memory(out, j->mem_mb);
        td_buf_puts(out, " of memory");
    }
    for (uint32_t i = 0; i < j->gres.n; i++)
        td_buf_putf(out, ", %llu %s%s%s%s", (unsigned long long)j->gres.v[i].count, j->gres.v[i].name,
                    td_str_empty(j->gres.v[i].type) ? "" : ":", td_str_empty(j->gres.v[i].type) ? "" : j->gres.v[i].type,
                    !(j->nodelist && *j->nodelist) && j->nodes > 1 ? " on each" : "");
    td_buf_puts(out, ", ");
    put_limit(out, j->limit_s);
    td_buf_putf(out, ", in partition %s.\n", j->partition ? j->partition : "?");
}

static void put_runs(struct td_buf *out, const struct explain_row *row)
{
    const struct td_job_info *j = &row->info->job;
    uint32_t foretold_s = row->info->foretold_s;

    if (j->state == TD_JOB_AWARDED) {
        td_buf_putf(out, "It was given %s and is being started there.\n", j->nodelist ? j->nodelist : "its nodes");
        return;
    }
    if (j->state == TD_JOB_ENDING) {
        td_buf_putf(out, "It is being ended on %s; its nodes are free when every one of them says that nothing of it is left.\n",
                    j->nodelist ? j->nodelist : "its nodes");
        return;
    }
    td_buf_putf(out, "It runs on %s since ", j->nodelist ? j->nodelist : "?");
    explain_moment(out, j->start_ms, row->now_ms);
    td_buf_puts(out, ".\n");
    if (j->end_ms) {
        td_buf_puts(out, "By its time limit it ends ");
        explain_at(out, j->end_ms, row->now_ms);
        td_buf_puts(out, " at the latest.\n");
    } else {
        td_buf_puts(out, "It has no time limit: nobody knows when it ends.\n");
    }
    if (foretold_s && j->start_ms + (int64_t)foretold_s * 1000 > row->now_ms) {
        td_buf_puts(out, "Jobs like it ran ");
        td_elapsed_print(foretold_s, out);
        td_buf_puts(out, ": so it would end ");
        explain_at(out, j->start_ms + (int64_t)foretold_s * 1000, row->now_ms);
        td_buf_puts(out, "; that is a guess.\n");
    } else if (foretold_s) {
        td_buf_puts(out, "Jobs like it ran ");
        td_elapsed_print(foretold_s, out);
        td_buf_puts(out, ": it has run longer already.\n");
    }
}

static void put_cancelled(struct td_buf *out, const struct td_job_info *j)
{
    if (j->reason == TD_REASON_SESSION_GONE) {
        td_buf_puts(out, "It was ended because the command that held it is gone (InactiveLimit)");
        return;
    }
    td_buf_puts(out, "It was cancelled by ");
    if (j->cancel_uid == j->uid) {
        td_buf_puts(out, "its own user, ");
        job_put_user(out, j);
    } else {
        put_uid(out, j->cancel_uid);
    }
}

static void put_failed(struct td_buf *out, const struct td_job_info *j)
{
    if (j->reason == TD_REASON_LAUNCH_FAILED)
        td_buf_puts(out, "It could not be started");
    else if (j->signal)
        td_buf_putf(out, "Its script was ended by signal %u (%s)", j->signal, strsignal((int)j->signal));
    else
        td_buf_putf(out, "Its script ended with exit status %u", j->exit_code);
}

static void put_outcome(struct td_buf *out, const struct td_job_info *j)
{
    switch ((enum td_job_outcome)j->outcome) {
    case TD_OUTCOME_COMPLETED:
        td_buf_puts(out, "It ended well, with exit status 0");
        return;
    case TD_OUTCOME_FAILED:
        put_failed(out, j);
        return;
    case TD_OUTCOME_CANCELLED:
        put_cancelled(out, j);
        return;
    case TD_OUTCOME_TIMEOUT:
        td_buf_puts(out, "It was ended at its time limit of ");
        td_elapsed_print(j->limit_s, out);
        return;
    case TD_OUTCOME_NODE_FAIL:
        td_buf_puts(out, "A node of it was lost");
        return;
    case TD_OUTCOME_OUT_OF_MEMORY:
        td_buf_puts(out, "It was killed because it used more memory than it was given");
        return;
    default:
        td_buf_putf(out, "It ended as %s", td_job_state_word(j->state, j->outcome));
    }
}

static void put_ended(struct td_buf *out, const struct explain_row *row)
{
    const struct td_job_info *j = &row->info->job;

    put_outcome(out, j);
    td_buf_puts(out, ", ");
    explain_at(out, j->end_ms, row->now_ms);
    if (j->start_ms && j->end_ms >= j->start_ms && j->nodelist && *j->nodelist) {
        td_buf_puts(out, ", after it had run ");
        td_elapsed_print((uint64_t)(j->end_ms - j->start_ms) / 1000, out);
        td_buf_putf(out, " on %s.\n", j->nodelist);
    } else {
        td_buf_puts(out, "; it had not started.\n");
    }
}

void explain_text(struct td_buf *out, const struct explain_row *row)
{
    const struct td_job_info *j = &row->info->job;

    put_head(out, row);
    switch ((enum td_job_state)j->state) {
    case TD_JOB_PENDING:
        explain_waits(out, row);
        put_needs(out, j);
        explain_nodes(out, row);
        explain_when(out, row);
        break;
    case TD_JOB_DONE:
        put_ended(out, row);
        break;
    default:
        put_runs(out, row);
        put_needs(out, j);
    }
    if (!td_str_empty(j->detail))
        td_buf_putf(out, "What was said of it: %s\n", j->detail);
}
