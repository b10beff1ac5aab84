/* commit.c - one commit of a wake: its events encoded once, new blobs, rows of jobs that ended, input log
 *
 * Owns no memory of its own: the buffers in struct shell are used again each time. */
#include "broker/shell.h"

#include <string.h>

#define INPUTS_KEPT_BYTES (1u << 20) /* wakes without events are written by themselves beyond this */

static void encode_events(struct shell *s, const struct td_event *ev, uint32_t n)
{
    td_buf_reset(&s->bodies);
    s->stored.n = 0;
    td_vec_reserve(&s->stored, n);
    for (uint32_t i = 0; i < n; i++) {
        size_t from = s->bodies.len;
        td_wire_put_record(&s->bodies, td_event_row(ev[i].id)->record, ev[i].body);
        s->stored.v[i] = (struct td_stored_event){
            .seq = ev[i].seq, .time_ms = ev[i].time_ms, .id = ev[i].id, .len = (uint32_t)(s->bodies.len - from)};
    }
    s->stored.n = n;
    size_t at = 0; /* the buffer does not move any more */
    for (uint32_t i = 0; i < n; i++) {
        s->stored.v[i].body = s->bodies.data + at;
        at += s->stored.v[i].len;
    }
}

/* A job is written down when it ends, with the event that says so: the core may drop it at any time after that. One that
 * runs again is replaced at its next end. */
static void history_row(struct shell *s, uint32_t job)
{
    struct td_job_info info = {0};
    if (!td_core_job_row(s->core, job, &s->history_arena, &info) || info.state != TD_JOB_DONE)
        return; /* requeued in the same wake */
    struct td_buf body = {0};
    td_wire_put_record(&body, &td_rec_job_info, &info);
    const struct td_history_row h = {
        .job = info.job,
        .array_job = info.array_job,
        .array_task = info.array_task,
        .uid = info.uid,
        .state = info.state,
        .outcome = info.outcome,
        .submit_ms = info.submit_ms,
        .start_ms = info.start_ms,
        .end_ms = info.end_ms,
        .user = info.spec.user_name,
        .account = info.spec.account,
        .partition = info.partition,
        .name = info.spec.name,
        .info = td_arena_dup(&s->history_arena, body.data, body.len),
        .len = (uint32_t)body.len,
    };
    td_buf_release(&body);
    td_vec_push(&s->history, h);
}

static void note_event(struct shell *s, const struct td_event *ev)
{
    switch (ev->id) {
    case TD_EV_JOB_ENDED:
        history_row(s, ((const struct td_ev_job_ended *)ev->body)->job);
        return;
    case TD_EV_TASKS_CANCELLED:
        history_row(s, ((const struct td_ev_tasks_cancelled *)ev->body)->array_job);
        return;
    case TD_EV_JOB_SUBMITTED:
        s->next_job = TD_MAX(s->next_job, ((const struct td_ev_job_submitted *)ev->body)->job + 1);
        shell_snapshot_submitted(s, &((const struct td_ev_job_submitted *)ev->body)->spec);
        return;
    case TD_EV_TASK_SPLIT:
        s->next_job = TD_MAX(s->next_job, ((const struct td_ev_task_split *)ev->body)->job + 1);
        return;
    default:
        return; /* the core has applied it; the shell wants nothing of it */
    }
}

static void point_inputs(struct shell *s)
{
    size_t at = 0;
    for (uint32_t i = 0; i < s->wakes_at.n; i++) {
        s->wakes_at.v[i].data = s->wakes_kept.data + at;
        at += s->wakes_at.v[i].len;
    }
}

int shell_commit(struct shell *s, struct td_error *err)
{
    uint32_t n;
    const struct td_event *ev = td_core_events(s->core, &n);
    if (!n && !s->new_blobs.n && s->wakes_kept.len < INPUTS_KEPT_BYTES)
        return 0;
    encode_events(s, ev, n);
    s->history.n = 0;
    td_arena_reset(&s->history_arena);
    for (uint32_t i = 0; i < n; i++)
        note_event(s, &ev[i]);
    point_inputs(s);

    const struct td_store_batch b = {
        .events = s->stored.v,
        .nevents = n,
        .blobs = s->new_blobs.v,
        .nblobs = s->new_blobs.n,
        .history = s->history.v,
        .nhistory = s->history.n,
        .inputs = s->wakes_at.v,
        .ninputs = s->wakes_at.n,
        .now_ms = s->clock.now_us / 1000,
    };
    int64_t from = shell_boot_us();
    int r = s->ops->append(s->store, &b, err);
    s->commit_at_us = shell_boot_us();
    s->last_commit_us = (uint64_t)(s->commit_at_us - from);
    s->slowest_commit_us = TD_MAX(s->slowest_commit_us, s->last_commit_us);
    if (r < 0)
        return r;

    td_core_counters(s->core)->commits++;
    s->stored_fresh = true;
    shell_inputlog_committed(s);
    for (uint32_t i = 0; i < s->new_blobs.n; i++)
        shell_blobs_put(&s->blobs, s->new_blobs.v[i].hash, s->new_blobs.v[i].data, s->new_blobs.v[i].len);
    s->new_blobs.n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (ev[i].id == TD_EV_CONF_LOADED)
            shell_conf_in_force(s, &s->stored.v[i]);
    return 0;
}
