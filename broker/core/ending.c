/* ending.c - the way out of a job's life
 *
 * How it ends is one event, that each node let go is one for each node, that it is over is the
 * last: an ENDING job keeps its allocation because the cores are busy until then. */
#include "broker/core/state.h"

static void close_session(struct td_core *c, struct core_job *j)
{
    if (!j->spec->body.session || j->session_state == TD_SESSION_ENDED ||
        !core_session_may(c, j, TD_SESSION_IN_JOB_ENDED))
        return;
    struct td_ev_session_changed ev = {.job = j->id, .state = TD_SESSION_ENDED};
    core_emit(c, TD_EV_SESSION_CHANGED, &ev);
}

/* The caller has asked the life table; `how` is taken whole for a job with nodes, its outcome for a
 * waiting one. */
void core_job_end(struct td_core *c, struct core_job *j, const struct td_ev_job_ending *how)
{
    if (j->state == TD_JOB_PENDING) {
        struct td_ev_job_ended ev = {
            .job = j->id, .outcome = how->outcome, .uid = how->uid, .reason = how->reason};
        close_session(c, j);
        core_emit(c, TD_EV_JOB_ENDED, &ev);
        return;
    }
    core_emit(c, TD_EV_JOB_ENDING, how);
    if (!how->requeue)
        close_session(c, j);
    core_job_settle_end(c, j);
}

void core_job_settle_end(struct td_core *c, struct core_job *j)
{
    if (j->state != TD_JOB_ENDING || j->alloc->live || !core_job_may(c, j, TD_JOB_IN_GONE))
        return;
    if (j->requeue_after) {
        struct td_ev_job_requeued ev = {.job = j->id, .hold = j->hold_after, .reason = j->reason};
        core_emit(c, TD_EV_JOB_REQUEUED, &ev);
        return;
    }
    struct td_ev_job_ended ev = {
        .job = j->id, .outcome = j->outcome, .uid = j->cancel_uid, .reason = j->reason};
    close_session(c, j);
    core_emit(c, TD_EV_JOB_ENDED, &ev);
}
