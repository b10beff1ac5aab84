/* limit.c - time limits, warnings before them, the fence, and the two steps of ending an attempt
 *
 * The fence (NodeFence=kill): as long as the broker hears this node it is moved on, by the worker (SH_LEASE). When nobody moves
 * it any more, be it for want of a network or of a worker, fenced attempts are ended, before the broker starts them elsewhere.
 *
 * All by elapsed time (CLOCK_BOOTTIME): a suspended host does not give a job more time than its limit. An attempt is
 * ended by SIGCONT and SIGTERM to all of it, KillWait, then SIGKILL again and again until its leader is reaped. */
#include "worker/shepherd/shepherd.h"
#include "worker/shepherd/step.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "worker/log.h"

#define KILL_AGAIN_MS 5000

void limit_set(struct shepherd *sh, struct attempt *a, uint32_t limit_s)
{
    bool has = limit_s != 0 && limit_s != TD_INFINITE;
    a->limit_s = limit_s;
    a->limit_at_ms = has ? a->started_ms + (int64_t)limit_s * 1000 : INT64_MAX;
    a->warn_at_ms = INT64_MAX;
    if (has && a->warn_signal && !a->warned)
        a->warn_at_ms = TD_MAX(a->started_ms, a->limit_at_ms - (int64_t)a->warn_before_s * 1000);
    sh->next_due_ms = 0;
}

/* The broker has refused what is not of this form; one of before may not have. */
void limit_warn_parse(struct attempt *a, const char *signal)
{
    struct td_signal warn;
    struct td_error err = {0};
    if (td_str_empty(signal))
        return;
    if (td_signal_parse(signal, &warn, &err) < 0) {
        td_log("error", "job=%u.%u: %s: no warning will be sent", a->job, a->attempt, err.text);
        return;
    }
    a->warn_signal = warn.no;
    a->warn_before_s = warn.before_s;
    a->warn_leader_only = warn.leader_only;
}

static void kill_hard(struct shepherd *sh, struct attempt *a)
{
    attempt_signal(sh, a, SIGKILL, REACH_ALL);
    a->kill_at_ms = sh->now_ms + KILL_AGAIN_MS;
}

static void end_running(struct shepherd *sh, struct attempt *a)
{
    a->ending = true;
    a->warn_at_ms = a->limit_at_ms = INT64_MAX;
    sh->next_due_ms = 0;
    last_words_say(a);
    if (a->kill_wait_s == 0) {
        kill_hard(sh, a);
        return;
    }
    attempt_signal(sh, a, SIGTERM, REACH_ALL);
    attempt_signal(sh, a, SIGCONT, REACH_ALL); /* after the other, so that a stopped process meets it first */
    a->kill_at_ms = sh->now_ms + (int64_t)a->kill_wait_s * 1000;
}

void attempt_end(struct shepherd *sh, struct attempt *a)
{
    switch (a->state) {
    case ATTEMPT_LAUNCHING:
        a->end_wanted = true;
        return;
    case ATTEMPT_HELD:
        a->ending = true; /* its last step says GONE */
        if (steps_end(sh, a, false))
            return;
        if (a->cage)
            attempt_leaves(sh, a);
        else
            report(sh, a, &(struct td_report){.kind = TD_REPORT_GONE});
        return;
    case ATTEMPT_RUNNING:
        if (!a->ending)
            end_running(sh, a);
        return;
    case ATTEMPT_LEFTOVERS: /* being ended already; GONE will come */
        return;
    case ATTEMPT_GONE:
        link_repeat(sh, a);
        return;
    }
}

/* As Slurm's manual has it: the steps get it. The script is a step that gets only what is meant for it: its shell alone, or
 * it with all that it started. SIGKILL spares nobody. */
static void signal_running(struct shepherd *sh, struct attempt *a, uint32_t sig, bool shell_alone, bool all)
{
    if (shell_alone)
        attempt_signal(sh, a, (int)sig, REACH_LEADER);
    else if (all || sig == SIGKILL)
        attempt_signal(sh, a, (int)sig, REACH_ALL);
    else
        steps_signal(sh, a, sig);
}

static void deliver(struct shepherd *sh, struct attempt *a, const struct td_kill *k)
{
    struct td_report done = {.kind = TD_REPORT_SIGNALLED, .signal = k->signal};
    bool repeated = k->no && k->no <= a->kill_no;
    if (a->state == ATTEMPT_LAUNCHING)
        return; /* asked again until answered: then there will be somebody to signal */
    if (a->state == ATTEMPT_RUNNING && !repeated)
        signal_running(sh, a, k->signal, k->batch_only, k->full);
    if (a->state == ATTEMPT_HELD && !repeated && !k->batch_only)
        steps_signal(sh, a, k->signal);
    a->kill_no = TD_MAX(a->kill_no, k->no);
    report(sh, a, &done);
}

void attempt_kill(struct shepherd *sh, const struct td_kill *k, uint32_t kill_wait_s)
{
    struct attempt *a = ledger_find(&sh->ledger, k->job, k->attempt);
    if (k->step) {
        step_kill(sh, k, kill_wait_s);
        return;
    }
    if (!a) {
        report_unknown_gone(sh, k->job, k->attempt);
        return;
    }
    if (a->state == ATTEMPT_GONE) {
        link_repeat(sh, a);
        return;
    }
    if (k->limit_s) {
        a->limit_s = k->limit_s; /* one that is being launched takes it when it starts */
        if ((a->state == ATTEMPT_RUNNING || (a->state == ATTEMPT_HELD && a->session)) && !a->ending)
            limit_set(sh, a, k->limit_s);
        report(sh, a, &(struct td_report){.kind = TD_REPORT_ADJUSTED});
        return;
    }
    if (k->signal) {
        deliver(sh, a, k);
        return;
    }
    a->kill_wait_s = kill_wait_s;
    attempt_end(sh, a);
}

/* A session's allocation has no leader to say how it ended: this node says that its time was over. */
static void limit_keep_held(struct shepherd *sh, struct attempt *a)
{
    if (a->warn_at_ms <= sh->now_ms) {
        a->warn_at_ms = INT64_MAX;
        a->warned = true;
        steps_signal(sh, a, a->warn_signal);
    }
    if (a->limit_at_ms > sh->now_ms)
        return;
    a->warn_at_ms = a->limit_at_ms = INT64_MAX;
    a->timed_out = true;
    report(sh, a, &(struct td_report){.kind = TD_REPORT_EXITED, .timed_out = true});
    attempt_end(sh, a);
}

static void limit_keep_one(struct shepherd *sh, struct attempt *a)
{
    if (a->warn_at_ms <= sh->now_ms) {
        a->warn_at_ms = INT64_MAX;
        a->warned = true;
        signal_running(sh, a, a->warn_signal, a->warn_leader_only, false);
    }
    if (a->limit_at_ms <= sh->now_ms) {
        a->timed_out = true;
        end_running(sh, a);
    }
    if (a->kill_at_ms <= sh->now_ms)
        kill_hard(sh, a);
}

void limit_fence(struct shepherd *sh, int64_t until_ms, uint32_t kill_wait_s)
{
    sh->fence_ms = until_ms;
    sh->fence_kill_wait_s = kill_wait_s;
    sh->next_due_ms = 0;
}

bool limit_fence_is_over(const struct shepherd *sh)
{
    return sh->fence_ms && sh->fence_ms <= sh->now_ms;
}

static bool is_fenced(const struct attempt *a)
{
    return a->fenced && !a->ending && !a->end_wanted && a->state < ATTEMPT_LEFTOVERS;
}

/* Returns when it is due. */
static int64_t fence_keep(struct shepherd *sh)
{
    if (!limit_fence_is_over(sh))
        return sh->fence_ms ? sh->fence_ms : INT64_MAX;
    for (struct attempt *a = sh->ledger.first; a; a = a->next) {
        if (!is_fenced(a))
            continue;
        td_log("warn", "job=%u.%u is ended: the broker cannot be reached (NodeFence)", a->job, a->attempt);
        a->cut_off = true;
        a->kill_wait_s = sh->fence_kill_wait_s;
        attempt_end(sh, a);
    }
    return INT64_MAX;
}

void limits_keep(struct shepherd *sh)
{
    if (sh->now_ms < sh->next_due_ms)
        return;
    steps_keep(sh);
    int64_t fence = fence_keep(sh);
    int64_t due = TD_MIN(fence, TD_MIN(start_overdue(sh), steps_due(sh)));
    for (struct attempt *a = sh->ledger.first; a; a = a->next) {
        if (a->state == ATTEMPT_HELD)
            limit_keep_held(sh, a);
        else if (a->state == ATTEMPT_RUNNING)
            limit_keep_one(sh, a);
        else
            continue;
        due = TD_MIN(due, TD_MIN(a->warn_at_ms, TD_MIN(a->limit_at_ms, a->kill_at_ms)));
    }
    sh->next_due_ms = due;
}
