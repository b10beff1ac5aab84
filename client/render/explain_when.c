/* explain_when.c - who holds what a job waits for, when it will start, and what would help
 *
 * Every number is the broker's; what would help is told only where the planner tried it. */
#include <string.h>

#include "render/explain.h"
#include "render/job.h"
#include "say.h"

static void put_holders(struct td_buf *out, const struct explain_row *row)
{
    const struct td_explain_info *e = row->info;

    if (!e->nholders)
        return;
    td_buf_puts(out, "What is lacking is held by ");
    explain_count(out, e->nholders, "job", "jobs");
    td_buf_puts(out, !e->holders.n ? " of others.\n" : e->holders.n == e->nholders ? ":\n" : e->planned_ms ? ", the last to end:\n" : ", the first to end:\n");
    for (uint32_t i = 0; i < e->holders.n; i++) {
        const struct td_explain_other *o = &e->holders.v[i];
        td_buf_puts(out, "  job ");
        explain_put_id(out, o->job, o->array_job, o->array_task);
        td_buf_putf(out, " of %s on %s: ", td_str_empty(o->user_name) ? "?" : o->user_name, td_str_empty(o->nodelist) ? "many nodes" : o->nodelist);
        explain_count(out, o->cpus, "CPU", "CPUs");
        for (uint32_t g = 0; g < o->gres.n; g++)
            td_buf_putf(out, ", %llu %s%s%s", (unsigned long long)o->gres.v[g].count, o->gres.v[g].name,
                        td_str_empty(o->gres.v[g].type) ? "" : ":", td_str_empty(o->gres.v[g].type) ? "" : o->gres.v[g].type);
        if (o->end_ms) {
            td_buf_puts(out, ", by its limit until ");
            explain_moment(out, o->end_ms, row->now_ms);
        } else {
            td_buf_puts(out, ", without a time limit");
        }
        td_buf_puts(out, "\n");
    }
}

static bool held_for_ever(const struct td_explain_info *e)
{
    for (uint32_t i = 0; i < e->holders.n; i++)
        if (!e->holders.v[i].end_ms)
            return true;
    return false;
}

/* What it needs is free before it starts: the time between is booked. */
static bool booked_meanwhile(const struct td_explain_info *e)
{
    int64_t last_ms = 0;

    for (uint32_t i = 0; i < e->holders.n; i++)
        last_ms = TD_MAX(last_ms, e->holders.v[i].end_ms);
    return e->ahead && e->planned_ms && !held_for_ever(e) && e->planned_ms > last_ms + 1000;
}

static void put_promise(struct td_buf *out, const struct explain_row *row)
{
    if (!row->info->by_ms)
        return;
    td_buf_putf(out, "%sIt is promised to start by ", say_colour(row->fd, SAY_BOLD));
    explain_moment(out, row->info->by_ms, row->now_ms);
    td_buf_putf(out, ".%s No job behind it can move that; a lost or drained node, a changed job or setting, or a job that runs over "
                     "its limit can, and is then named as the cause.\n", say_colour(row->fd, SAY_PLAIN));
}

static void put_where(struct td_buf *out, const struct td_explain_info *e)
{
    if (e->planned_ms && !td_str_empty(e->planned_nodes))
        td_buf_putf(out, " on %s", e->planned_nodes);
}

static void put_unknown(struct td_buf *out, const struct td_explain_info *e)
{
    const char *why = e->too_deep          ? "too many wait before it"
                      : held_for_ever(e) ? "what it needs is held without a time limit"
                                         : "not enough of its nodes are there to be planned with";

    if (e->classes.n && !e->may_start)
        td_buf_putf(out, "When it starts cannot be foretold: %s.\n", why);
}

static void put_forecast(struct td_buf *out, const struct explain_row *row)
{
    const struct td_explain_info *e = row->info;

    if (!e->forecast_ms && !e->planned_ms) {
        put_unknown(out, e);
        return;
    }
    if (booked_meanwhile(e))
        td_buf_putf(out, "%s jobs before it are booked on its nodes.\n", e->holders.n ? "After that" : "Now");
    td_buf_putf(out, "%s%s ", say_colour(row->fd, SAY_BOLD), e->forecast_ms ? "By the plan it starts" : "It starts");
    explain_at(out, e->forecast_ms ? e->forecast_ms : e->planned_ms, row->now_ms);
    put_where(out, e);
    if (e->forecast_ms)
        td_buf_putf(out, ".%s That is by time limits: it comes earlier when jobs end before theirs, later only when somebody gets a "
                         "better rank or a node is lost.\n",
                    say_colour(row->fd, SAY_PLAIN));
    else
        td_buf_putf(out, " if everybody before it starts in turn and uses all of his time limit.%s Usually it is earlier; jobs that "
                         "come later with a better rank can make it later%s.\n",
                    say_colour(row->fd, SAY_PLAIN), e->by_ms ? ", up to the promise" : "");
}

static void put_rule(struct td_buf *out, const struct td_explain_info *e)
{
    const char *p = e->policy ? e->policy : "";

    if (!e->classes.n || e->may_start)
        return;
    td_buf_putf(out, "The rule (%s): ", p);
    if (strcmp(p, "fifo") == 0)
        td_buf_puts(out, "in order of rank; nobody starts on nodes for which another waits before him.\n");
    else if (strcmp(p, "easy") == 0 || strcmp(p, "sjbf") == 0)
        td_buf_putf(out, "the first %s in line %s room kept; whoever is behind may start earlier%s if that delays none of those.\n",
                    e->depth > 1 ? "few" : "job", e->depth > 1 ? "have" : "has",
                    strcmp(p, "sjbf") == 0 ? ", the shortest limits first," : "");
    else if (strcmp(p, "conservative") == 0)
        td_buf_puts(out, "every waiting job has a time and nodes kept; whoever is behind may start earlier if that delays nobody.\n");
    else
        td_buf_putf(out, "every waiting job has a promise that nobody behind it may break; within that, %s.\n",
                    e->free_order ? "the order is for short waits" : "the first in line goes first, and short jobs fill the holes");
}

static void put_forms(struct td_buf *out, const struct explain_row *row)
{
    const struct td_explain_info *e = row->info;

    if (!e->forms.n)
        return;
    td_buf_puts(out, "What would help (each was tried on the plan as it is now, none is a guess):\n");
    for (uint32_t i = 0; i < e->forms.n; i++) {
        const struct td_quote_form *f = &e->forms.v[i];
        td_buf_putf(out, "  with %s%s%s it would start ", say_colour(row->fd, SAY_GREEN), f->change ? f->change : "",
                    say_colour(row->fd, SAY_PLAIN));
        explain_moment(out, f->start_ms, row->now_ms);
        td_buf_putf(out, "%s%s", td_str_empty(f->nodes) ? "" : " on ", td_str_empty(f->nodes) ? "" : f->nodes);
        if (td_str_equal(f->form, "shorter limit"))
            td_buf_putf(out, ": scontrol update jobid=%u timelimit=%s", e->job.job, f->change + strlen("--time="));
        td_buf_puts(out, "\n");
    }
}

void explain_when(struct td_buf *out, const struct explain_row *row)
{
    put_holders(out, row);
    put_promise(out, row);
    put_forecast(out, row);
    put_rule(out, row->info);
    put_forms(out, row);
}
