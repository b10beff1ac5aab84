/* start.c - from SH_LAUNCH to a running attempt, at most once
 *
 * A launch whose attempt is in the ledger, or was, starts nothing: its statuses are said again. */
#include "worker/shepherd/shepherd.h"
#include "worker/shepherd/step.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "worker/log.h"
#include "wire/wire.h"

#define SPARE_MAX 64u /* launches kept for their arenas */

struct launch *launch_spare(struct shepherd *sh)
{
    if (sh->spare.n)
        return sh->spare.v[--sh->spare.n];
    return td_alloc(sizeof(struct launch));
}

void launch_recycle(struct shepherd *sh, struct launch *what)
{
    what->msg = NULL;
    what->attempt = NULL;
    what->task = NULL;
    if (sh->spare.n < SPARE_MAX) {
        td_arena_reset(&what->arena);
        td_vec_push(&sh->spare, what);
        return;
    }
    td_arena_release(&what->arena);
    td_free(what);
}

static void say_again(struct shepherd *sh, struct attempt *a)
{
    uint32_t n;
    if (a->state == ATTEMPT_LAUNCHING)
        return; /* its status is on the way */
    struct status *s = spool_after(&sh->spool, 0, &n);
    bool waiting = false;
    for (uint32_t i = 0; i < n && !waiting; i++)
        waiting = s[i].report.job == a->job && s[i].report.attempt == a->attempt;
    if (waiting)
        link_repeat(sh, a);
    else
        report(sh, a, &(struct td_report){.kind = TD_REPORT_ACCEPTED});
}

static void refuse(struct shepherd *sh, const struct td_award *award, const char *why)
{
    struct td_report r = {
        .kind = TD_REPORT_DECLINED,
        .job = award->job,
        .attempt = award->attempt,
        .step = TD_STEP_BATCH,
        .refusal = TD_REFUSAL_DRAINING,
        .text = why,
    };
    spool_add(&sh->spool, &r, sh->now_ms);
}

/* A repeat is answered with what is known; a shepherd that leaves takes nothing new. */
static bool is_answered(struct shepherd *sh, const struct td_award *award)
{
    struct attempt *a = ledger_find(&sh->ledger, award->job, award->attempt);
    if (a)
        say_again(sh, a);
    else if (ledger_was(&sh->ledger, award->job, award->attempt))
        report_unknown_gone(sh, award->job, award->attempt);
    else if (sh->quit)
        refuse(sh, award, "the node's shepherd is leaving");
    else if (award->fenced && limit_fence_is_over(sh))
        refuse(sh, award, "the node is cut off from the broker (NodeFence)");
    else
        return false;
    return true;
}

void start_attempt(struct shepherd *sh, struct launch *what)
{
    const struct td_sh_launch *m = what->msg;
    const struct td_award *award = &m->award;
    if (is_answered(sh, award)) {
        launch_recycle(sh, what);
        return;
    }

    struct attempt *a = ledger_add(&sh->ledger, award->job, award->attempt);
    a->uid = m->become_user ? award->uid : 0;
    a->owner = award->uid;
    a->gid = award->gid;
    td_buf_put(&a->groups, m->spec.groups.v, m->spec.groups.n * sizeof(uint32_t));
    a->limit_s = award->limit_s;
    a->kill_wait_s = m->kill_wait_s;
    a->fenced = award->fenced;
    a->started_ms = sh->now_ms;
    td_wire_put_record(&a->place, &td_rec_placement, &award->place);
    limit_warn_parse(a, m->spec.signal);
    if (award->node_rank > 0) {
        a->state = ATTEMPT_HELD;
        a->session = m->spec.session;
        if (a->session)
            limit_set(sh, a, a->limit_s);
        report(sh, a, &(struct td_report){.kind = TD_REPORT_ACCEPTED});
        launch_recycle(sh, what);
        return;
    }
    a->state = ATTEMPT_LAUNCHING;
    cage_take(sh, a);
    what->attempt = a;
    what->cage = a->cage;
    what->asked_ms = sh->now_ms;
    td_vec_push(&sh->flying, what);
    sh->next_due_ms = 0;
    launcher_put(sh->launcher, what);
}

static void start_failed(struct shepherd *sh, struct attempt *a, const struct launch *what)
{
    char text[TD_MAX_TEXT_BYTES];
    launch_words(what, text, sizeof(text));
    report(sh, a, &(struct td_report){.kind = TD_REPORT_ACCEPTED});
    report(sh, a, &(struct td_report){.kind = TD_REPORT_EXITED, .exit_code = 1, .launch_failed = true, .text = text});
    if (cage_gone(sh, a))
        report(sh, a, &(struct td_report){.kind = TD_REPORT_GONE});
    else
        attempt_leaves(sh, a); /* its process is just on the way out */
}

static void start_done(struct shepherd *sh, struct launch *what)
{
    struct attempt *a = what->attempt;
    for (uint32_t i = 0; i < sh->flying.n; i++)
        if (sh->flying.v[i] == what)
            sh->flying.v[i] = sh->flying.v[--sh->flying.n];
    a->caged = a->caged || what->caged;
    a->cage_worn = a->cage_worn || what->worn;
    if (what->task) {
        step_task_started(sh, what);
        launch_recycle(sh, what);
        return;
    }
    if (what->failed != LAUNCH_OK) {
        start_failed(sh, a, what);
        launch_recycle(sh, what);
        return;
    }

    a->state = ATTEMPT_RUNNING;
    a->started_ms = what->started_ms;
    a->err_fd = what->err_fd;
    ledger_set_pid(&sh->ledger, a, what->pid);
    struct td_spool_life life = {
        .job = a->job,
        .attempt = a->attempt,
        .pid = (uint32_t)what->pid,
        .start_ticks = start_ticks_of(what->started_ms),
    };
    spool_add_life(&sh->spool, &life);
    report(sh, a, &(struct td_report){.kind = TD_REPORT_ACCEPTED});
    limit_set(sh, a, a->limit_s);
    if (what->reaped)
        attempt_exited(sh, a, what->wait_status, &what->usage);
    else if (a->end_wanted)
        attempt_end(sh, a);
    launch_recycle(sh, what);
}

void started(struct shepherd *sh)
{
    struct launch *next;
    for (struct launch *what = launcher_take(sh->launcher); what; what = next) {
        next = what->next;
        start_done(sh, what);
    }
}

/* Returns when the next start would be overdue. */
int64_t start_overdue(struct shepherd *sh)
{
    int64_t due = INT64_MAX;
    for (uint32_t i = 0; i < sh->flying.n; i++) {
        struct launch *what = sh->flying.v[i];
        int64_t at = what->asked_ms + SHEPHERD_LAUNCH_MS;
        bool *slow = what->task ? &what->task->slow : &what->attempt->launch_slow;
        if (at > sh->now_ms) {
            due = TD_MIN(due, at);
        } else if (!*slow && what->pid > 0) {
            *slow = true;
            td_log("warn", "job=%u.%u has not reached exec in %d s: killed", what->attempt->job, what->attempt->attempt,
                   SHEPHERD_LAUNCH_MS / 1000);
            kill(what->pid, SIGKILL);
        }
    }
    return due;
}
