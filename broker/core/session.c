/* session.c - the client behind an allocation that has no batch script
 *
 * Its lease ends the job, so that a closed laptop holds no devices. When it was heard is soft; that
 * the broker was away is not the client's fault, so after a restart the session is PAUSED and its
 * lease begins anew. */
#include "broker/core/state.h"

static int64_t lease_ms(const struct td_core *c)
{
    return (int64_t)(c->settings.inactive_s ? c->settings.inactive_s : CORE_SESSION_S) * 1000;
}

static void set_state(struct td_core *c, struct core_job *j, uint32_t state)
{
    struct td_ev_session_changed ev = {.job = j->id, .state = state};
    core_emit(c, TD_EV_SESSION_CHANGED, &ev);
}

static struct core_job *session_of(struct td_core *c, const struct td_input *in, uint32_t job)
{
    struct core_job *j = core_job_shown(c, job, in->uid);
    if (!j || !j->spec->body.session) {
        core_refuse(c, in, TD_E_INVALID_JOB, "%s", td_error_words(TD_E_INVALID_JOB));
        return NULL;
    }
    if (!core_job_is_mine(c, j, in->uid)) {
        core_refuse(c, in, TD_E_DENIED, "%s", td_error_words(TD_E_DENIED));
        return NULL;
    }
    return j;
}

static void done(struct td_core *c, const struct td_input *in)
{
    struct td_done d = {.count = 1, .seq = c->seq};
    core_reply(c, in, TD_MSG_DONE, &d);
}

void core_session_heard(struct td_core *c, const struct td_input *in, uint32_t job)
{
    struct core_job *j = session_of(c, in, job);
    if (!j)
        return;
    if (!core_session_may(c, j, TD_SESSION_IN_HEARD)) {
        core_refuse(c, in, TD_E_ALREADY_DONE, "%s", td_error_words(TD_E_ALREADY_DONE));
        return;
    }
    j->session_heard_ms = c->now_ms;
    if (j->session_state == TD_SESSION_PAUSED)
        set_state(c, j, TD_SESSION_LIVE);
    done(c, in);
}

static void end(struct td_core *c, struct core_job *j, uint32_t outcome, uint32_t reason,
                uint32_t uid)
{
    struct td_ev_job_ending how = {
        .job = j->id, .attempt = j->attempt, .outcome = outcome, .reason = reason, .uid = uid};
    set_state(c, j, TD_SESSION_ENDED);
    if (j->state != TD_JOB_ENDING && j->state != TD_JOB_DONE)
        core_job_end(c, j, &how);
}

void core_session_close(struct td_core *c, const struct td_input *in, uint32_t job)
{
    struct core_job *j = session_of(c, in, job);
    if (!j)
        return;
    if (!core_session_may(c, j, TD_SESSION_IN_CLOSE)) {
        core_refuse(c, in, TD_E_ALREADY_DONE, "%s", td_error_words(TD_E_ALREADY_DONE));
        return;
    }
    end(c, j, j->state == TD_JOB_PENDING ? TD_OUTCOME_CANCELLED : TD_OUTCOME_COMPLETED,
        TD_REASON_NONE, in->uid);
    core_audit_touch(c, in, j);
    done(c, in);
}

/* The step that the allocation was asked for is over by its nodes' own words, and as it ended so does the job: one commit for
 * both, and its client need not wait for another. `not_started`: why none of its tasks was, in words. Where a node was lost the client says what is to become of it. */
void core_session_over(struct td_core *c, struct core_job *j, const struct td_ev_step_ended *how,
                       const char *not_started)
{
    struct td_ev_job_ending ev = {.job = j->id, .attempt = j->attempt, .outcome = how->outcome,
                                  .exit_code = how->exit_code, .signal = how->signal};
    if (!j->spec->body.session || j->state != TD_JOB_RUNNING || !core_session_may(c, j, TD_SESSION_IN_CLOSE))
        return;
    if (how->outcome == TD_OUTCOME_CANCELLED)
        ev.uid = j->uid;
    else if (how->outcome == TD_OUTCOME_FAILED && not_started)
        ev.reason = TD_REASON_LAUNCH_FAILED, ev.detail = not_started;
    else if (how->outcome == TD_OUTCOME_FAILED)
        ev.reason = how->signal ? TD_REASON_RAISED_SIGNAL : TD_REASON_NON_ZERO_EXIT;
    set_state(c, j, TD_SESSION_ENDED);
    core_job_end(c, j, &ev);
}

void core_sessions_restart(struct td_core *c)
{
    for (uint32_t i = 0; i < c->sessions.n; i++) {
        struct core_job *j = core_job_find(c, c->sessions.v[i]);
        if (!j || j->session_state == TD_SESSION_ENDED)
            continue;
        j->session_heard_ms = TD_MAX(c->now_ms, c->now_ms + CORE_LEASE_RESTART_MS - lease_ms(c));
        if (j->session_state == TD_SESSION_LIVE && core_session_may(c, j, TD_SESSION_IN_RESTART))
            set_state(c, j, TD_SESSION_PAUSED);
        core_sooner(&c->sessions_next_ms, j->session_heard_ms + lease_ms(c));
    }
}

void core_sessions_expire(struct td_core *c)
{
    if (c->now_ms < c->sessions_next_ms)
        return;
    c->sessions_next_ms = INT64_MAX;
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->sessions.n; i++) {
        struct core_job *j = core_job_find(c, c->sessions.v[i]);
        if (!j || j->session_state == TD_SESSION_ENDED)
            continue; /* leaves the list */
        int64_t until = j->session_heard_ms + lease_ms(c);
        if (c->now_ms >= until && core_session_may(c, j, TD_SESSION_IN_LEASE_OUT)) {
            end(c, j, TD_OUTCOME_CANCELLED, TD_REASON_SESSION_GONE, 0);
            continue;
        }
        c->sessions.v[k++] = j->id;
        core_sooner(&c->sessions_next_ms, until);
    }
    c->sessions.n = k;
}
