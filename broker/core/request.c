/* request.c - what people ask for: rights, cancel, hold, release, requeue; one answer for each
 * request */
#include <string.h>

#include "broker/core/state.h"

void core_errors_add(struct td_core *c, struct core_errors *e, const struct core_job *j,
                     uint32_t id, int code, const char *text)
{
    if (e->v.n >= TD_MAX_ROWS_PER_ANSWER)
        return; /* the answer is full; the count says how many were done */
    struct td_job_error row = {
        .job = j ? j->id : id,
        .code = (uint32_t)code,
        .text = td_arena_strdup(&c->wake, text),
        .name = j ? core_job_name(j, &c->wake) : core_text(&c->wake, "%u", id),
    };
    td_vec_push(&e->v, row);
}

void core_errors_reply(struct td_core *c, const struct td_input *in, struct core_errors *e)
{
    uint32_t denied = 0;
    for (uint32_t i = 0; i < e->v.n; i++) /* of one request: told once, of its first job */
        if (e->v.v[i].code == TD_E_DENIED && !denied++)
            core_audit_refused(c, in, e->v.v[i].job, e->v.v[i].text);
    struct td_done done = {.count = e->count, .errors = {e->v.v, e->v.n}, .seq = c->seq};
    core_reply(c, in, TD_MSG_DONE, &done);
    td_vec_release(&e->v);
}

/* Events of one wake are bounded; a request that would go over ends early and says so. */
bool core_errors_full(const struct td_core *c)
{
    return c->events.n >= TD_MAX_EVENTS_PER_WAKE - 1000;
}

static void deny(struct td_core *c, struct core_errors *e, const struct core_job *j)
{
    core_errors_add(c, e, j, j->id, TD_E_DENIED, td_error_words(TD_E_DENIED));
}

static void say(struct td_core *c, struct core_errors *e, const struct core_job *j, int code)
{
    core_errors_add(c, e, j, j->id, code, td_error_words(code));
}

static void too_many(struct td_core *c, struct core_errors *e)
{
    core_errors_add(c, e, NULL, 0, TD_E_TOO_BIG,
                    "too many jobs for one request: the first were done, ask again for the rest");
}

static void cancel_record(struct td_core *c, const struct core_pick *p, uint32_t uid)
{
    struct td_ev_tasks_cancelled ev = {
        .array_job = p->job->array->id, .tasks = {p->tasks, p->ntasks}, .uid = uid};
    core_emit(c, TD_EV_TASKS_CANCELLED, &ev);
}

/* What ran is asked to end with SIGTERM, and that is how people see it ended (0:15). */
static void end_job(struct td_core *c, struct core_job *j, uint32_t uid)
{
    bool ran = j->state == TD_JOB_RUNNING;
    struct td_ev_job_ending how = {.job = j->id,
                                   .attempt = j->attempt,
                                   .outcome = TD_OUTCOME_CANCELLED,
                                   .reason = TD_REASON_NONE,
                                   .signal = ran ? 15 : 0,
                                   .uid = uid};
    core_job_end(c, j, &how);
}

static void signal_job(struct td_core *c, struct core_job *j, const struct td_cancel *m)
{
    c->signal_no++;
    for (uint32_t i = 0; i < j->alloc->nparts; i++) {
        struct core_part *p = &j->alloc->parts[i];
        if (p->state != TD_ALLOC_HELD || (m->batch_only && i > 0))
            continue;
        p->signal = m->signal;
        p->signal_batch = m->batch_only;
        p->signal_full = m->full;
        p->signal_no = c->signal_no;
        core_part_due(c, p, c->now_ms);
    }
}

static void cancel_one(struct td_core *c, const struct core_pick *p, const struct td_cancel *m,
                       const struct td_input *in, bool named, struct core_errors *e)
{
    struct core_job *j = p->job;
    bool shell_alone = m->batch_only && j->state == TD_JOB_RUNNING;
    if (!core_job_is_mine(c, j, in->uid)) {
        if (named || m->filter.users.n)
            deny(c, e, j);
        return;
    }
    if (m->signal && (m->signal != 9 || shell_alone)) {
        if (j->state == TD_JOB_RUNNING) {
            signal_job(c, j, m);
            core_audit_touch(c, in, j);
            e->count++;
        } else if (named) {
            core_errors_add(
                c, e, j, j->id, j->state == TD_JOB_PENDING ? TD_E_INVALID_STATE : TD_E_ALREADY_DONE,
                j->state == TD_JOB_PENDING ? "Job is pending execution: nothing to signal"
                                           : td_error_words(TD_E_ALREADY_DONE));
        }
        return;
    }
    bool ends = core_life_job(j->state, TD_JOB_IN_END) == CORE_GO &&
                !(j->state == TD_JOB_ENDING && !j->requeue_after);
    if (!ends) {
        if (named && !j->array)
            say(c, e, j, TD_E_ALREADY_DONE);
        return;
    }
    core_audit_touch(c, in, j);
    if (core_job_is_record(j))
        cancel_record(c, p, in->uid);
    else
        end_job(c, j, in->uid);
    e->count++;
}

void core_request_cancel(struct td_core *c, const struct td_input *in, const struct td_cancel *m)
{
    const struct td_job_filter *f = &m->filter;
    if (!f->ids.n && !f->users.n && !f->partitions.n && !f->names.n && !f->states.n &&
        !f->accounts.n && !f->qos.n && td_str_empty(f->nodes) && !f->wckeys.n &&
        !f->reservations.n) {
        core_refuse(c, in, TD_E_INVALID_REQUEST, "No job identification provided");
        return;
    }
    core_picks picks = {0};
    struct core_errors e = {0};
    core_pick_filter(c, f, in->uid, &picks, &e);
    core_pick_split(c, &picks);
    bool named = f->ids.n > 0;
    for (uint32_t i = 0; i < picks.n; i++) {
        if (core_errors_full(c)) {
            too_many(c, &e);
            break;
        }
        cancel_one(c, &picks.v[i], m, in, named, &e);
    }
    /* An array all of whose tasks are over: one sentence for it, not one for each task. */
    for (uint32_t i = 0; i < f->ids.n && e.count == 0 && e.v.n == 0 && picks.n; i++) {
        struct core_job *j = core_job_find(c, f->ids.v[i].job);
        core_errors_add(c, &e, j, f->ids.v[i].job, TD_E_ALREADY_DONE,
                        td_error_words(TD_E_ALREADY_DONE));
    }
    td_vec_release(&picks);
    core_errors_reply(c, in, &e);
}

static void hold(struct td_core *c, struct core_job *j, const struct td_input *in, bool as_user)
{
    bool admin = !as_user && td_core_is_operator(c, in->uid);
    uint32_t reason = admin ? TD_REASON_HELD_ADMIN : TD_REASON_HELD_USER;
    if (j->held == reason || (j->held == TD_REASON_HELD_ADMIN && !td_core_is_operator(c, in->uid)))
        return; /* held already, and not less */
    struct td_ev_job_held ev = {.job = j->id, .reason = reason, .uid = in->uid};
    core_emit(c, TD_EV_JOB_HELD, &ev);
}

static void release(struct td_core *c, struct core_job *j, const struct td_input *in,
                    struct core_errors *e)
{
    if (!j->held)
        return;
    if (j->held == TD_REASON_HELD_ADMIN && !td_core_is_operator(c, in->uid)) {
        deny(c, e, j);
        e->count--;
        return;
    }
    struct td_ev_job_released ev = {.job = j->id, .uid = in->uid};
    core_emit(c, TD_EV_JOB_RELEASED, &ev);
}

/* Who holds it decides who may release it, here as with hold(). */
static int requeue(struct td_core *c, struct core_job *j, const struct td_input *in, bool held)
{
    uint32_t reason = !held                              ? TD_REASON_NONE
                      : td_core_is_operator(c, in->uid) ? TD_REASON_HELD_ADMIN
                                                        : TD_REASON_HELD_USER;
    if (!core_job_requeues(c, j))
        return TD_E_DISABLED;
    if (j->state == TD_JOB_DONE) {
        struct td_ev_job_requeued ev = {.job = j->id, .hold = held, .reason = reason};
        core_emit(c, TD_EV_JOB_REQUEUED, &ev);
        return TD_E_OK;
    }
    struct td_ev_job_ending how = {.job = j->id,
                                   .attempt = j->attempt,
                                   .outcome = TD_OUTCOME_CANCELLED,
                                   .reason = reason,
                                   .uid = in->uid,
                                   .requeue = true,
                                   .hold = held};
    core_job_end(c, j, &how);
    return TD_E_OK;
}

static enum td_job_input op_input(uint32_t op)
{
    switch ((enum td_op)op) {
    case TD_OP_HOLD:
    case TD_OP_UHOLD:
        return TD_JOB_IN_HOLD;
    case TD_OP_RELEASE:
        return TD_JOB_IN_RELEASE;
    case TD_OP_REQUEUE:
    case TD_OP_REQUEUEHOLD:
        return TD_JOB_IN_REQUEUE;
    }
    return TD_JOB_INPUT_COUNT;
}

static void op_one(struct td_core *c, struct core_job *j, const struct td_input *in, uint32_t op,
                   struct core_errors *e)
{
    if (!core_job_is_mine(c, j, in->uid)) {
        deny(c, e, j);
        return;
    }
    enum td_job_input what = op_input(op);
    if (!core_job_may(c, j, what)) {
        if (what == TD_JOB_IN_REQUEUE)
            core_errors_add(c, e, j, j->id, TD_E_INVALID_STATE,
                            j->state == TD_JOB_PENDING ? "Job is pending execution"
                                                       : td_error_words(TD_E_ALREADY_DONE));
        else
            say(c, e, j, j->state == TD_JOB_DONE ? TD_E_ALREADY_DONE : TD_E_NOT_PENDING);
        return;
    }
    e->count++;
    if (what != TD_JOB_IN_REQUEUE)
        core_audit_touch(c, in, j);
    if (what == TD_JOB_IN_HOLD) {
        hold(c, j, in, op == TD_OP_UHOLD);
        return;
    }
    if (what == TD_JOB_IN_RELEASE) {
        release(c, j, in, e);
        return;
    }
    int code =
        core_job_is_record(j) ? TD_E_INVALID_STATE : requeue(c, j, in, op == TD_OP_REQUEUEHOLD);
    if (code) {
        say(c, e, j, code);
        e->count--;
    } else {
        core_audit_touch(c, in, j);
    }
}

static void pick_name(struct td_core *c, const char *const *name, uint32_t uid, core_picks *picks,
                      struct core_errors *e)
{
    struct td_job_filter f = {.names = {name, 1}};
    uint32_t before = picks->n;
    core_pick_filter(c, &f, uid, picks, e);
    if (picks->n > before || e->v.n >= TD_MAX_ROWS_PER_ANSWER)
        return;
    struct td_job_error row = {.code = TD_E_INVALID_JOB,
                               .text = core_text(&c->wake, "no job has the name %s", *name),
                               .name = *name};
    td_vec_push(&e->v, row);
}

void core_request_op(struct td_core *c, const struct td_input *in, const struct td_job_op *m)
{
    if (op_input(m->op) == TD_JOB_INPUT_COUNT) {
        core_refuse(c, in, TD_E_INVALID_REQUEST, "unknown operation %u on jobs", m->op);
        return;
    }
    core_picks picks = {0};
    struct core_errors e = {0};
    core_pick_ids(c, m->ids.v, m->ids.n, in->uid, &picks, &e);
    for (uint32_t i = 0; i < m->names.n; i++)
        pick_name(c, &m->names.v[i], in->uid, &picks, &e);
    core_pick_split(c, &picks);
    for (uint32_t i = 0; i < picks.n; i++) {
        if (core_errors_full(c)) {
            too_many(c, &e);
            break;
        }
        struct core_job *j = picks.v[i].job;
        /* "hold 12" of an array means what of it can be held: tasks that run or are over are no
         * error. */
        bool whole_array = j->array && picks.v[i].named == j->array->id && picks.n > 1;
        if (whole_array && core_life_job(j->state, op_input(m->op)) != CORE_GO)
            continue;
        op_one(c, j, in, m->op, &e);
    }
    td_vec_release(&picks);
    core_errors_reply(c, in, &e);
}

void core_refuse_space(struct td_core *c, const struct td_input *in)
{
    if (c->low_space_mb)
        core_refuse(c, in, TD_E_NO_SPACE, "%s: less than %llu MiB are free (LowSpace of tender.conf)",
                    td_error_words(TD_E_NO_SPACE), (unsigned long long)c->low_space_mb);
    else
        core_refuse(c, in, TD_E_NO_SPACE, "%s", td_error_words(TD_E_NO_SPACE));
}

static bool take(struct td_core *c, const struct td_input *in)
{
    const struct td_msg_row *row = td_msg_row(in->id);
    if (!row)
        return false;
    if (!core_right_ok(c, row->right, in->uid)) {
        core_refuse(c, in, TD_E_DENIED, "%s: %s is not for user %u", td_error_words(TD_E_DENIED),
                    row->name, in->uid);
        return true;
    }
    struct td_error err = {0};
    if (core_text_sane(row->record, in->body, &err) < 0) {
        core_refuse_error(c, in, &err);
        return true;
    }
    switch ((enum td_msg_id)in->id) {
    case TD_MSG_SUBMIT:
        core_request_submit(c, in, in->body);
        return true;
    case TD_MSG_QUERY_EXPLAIN:
        core_request_explain(c, in, in->body);
        return true;
    case TD_MSG_CANCEL:
        core_request_cancel(c, in, in->body);
        return true;
    case TD_MSG_JOB_OP:
        core_request_op(c, in, in->body);
        return true;
    case TD_MSG_UPDATE_JOB:
        core_request_update(c, in, in->body);
        return true;
    case TD_MSG_UPDATE_NODE:
        core_request_update_node(c, in, in->body);
        return true;
    case TD_MSG_DELETE_NODE:
        core_request_delete_node(c, in, in->body);
        return true;
    case TD_MSG_SET_RESERVATION:
        core_request_set_reservation(c, in, in->body);
        return true;
    case TD_MSG_DELETE_RESERVATION:
        core_request_delete_reservation(c, in, in->body);
        return true;
    case TD_MSG_NODE_KEYS:
        core_request_keys(c, in, in->body);
        return true;
    case TD_MSG_REGISTER_USER_KEY:
        core_request_register_key(c, in, in->body);
        return true;
    case TD_MSG_REVOKE_USER_KEY:
        core_request_revoke_key(c, in, in->body);
        return true;
    case TD_MSG_CHANGE_ACCOUNTS:
        core_request_accounts(c, in, in->body);
        return true;
    case TD_MSG_STEP_CREATE:
        core_request_step(c, in, in->body);
        return true;
    case TD_MSG_STEP_SIGNAL:
        core_request_step_signal(c, in, in->body);
        return true;
    case TD_MSG_SESSION_HEARD:
        core_session_heard(c, in, ((const struct td_session_heard *)in->body)->job);
        return true;
    case TD_MSG_SESSION_CLOSE:
        core_session_close(c, in, ((const struct td_session_close *)in->body)->job);
        return true;
    default:
        return false; /* reads and the shell's own business */
    }
}

bool core_request(struct td_core *c, const struct td_input *in)
{
    c->acted.count = 0;
    bool taken = take(c, in);
    core_audit_acted(c, in);
    return taken;
}
