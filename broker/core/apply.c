/* apply.c - one function for each event: the only writer of durable state
 *
 * Live and in replay the same. It never decides, never queues an effect, and asserts instead of
 * checking: what does not follow from the state it meets is our fault, or the journal is not ours.
 * Soft fields it touches (due times of awards and kills) only say "look at this". */
#include <string.h>

#include "broker/core/state.h"

static struct core_job *job_of(struct td_core *c, uint32_t id)
{
    struct core_job *j = core_job_find(c, id);
    TD_ASSERT(j);
    return j;
}

static void set_text(char **at, const char *text)
{
    char *copy = td_str_empty(text) ? NULL : td_strdup(text);
    td_free(*at);
    *at = copy;
}

/* Counts follow the state; nothing else writes job->state but this and snapshot.c. */
static void set_state(struct td_core *c, struct core_job *j, enum td_job_state state)
{
    bool was_running = j->state == TD_JOB_RUNNING, was_pending = j->state == TD_JOB_PENDING;
    j->state = (uint8_t)state;
    c->nrunning += (uint32_t)(state == TD_JOB_RUNNING) - (uint32_t)was_running;
    c->npending += (uint32_t)(state == TD_JOB_PENDING) - (uint32_t)was_pending;
    if (j->array && !core_job_is_record(j))
        j->array->npending += (uint32_t)(state == TD_JOB_PENDING) - (uint32_t)was_pending;
    core_array_count(c, j, core_job_live(j));
    c->steps_stirred |= c->step_waits.n > 0;
}

static void begin_waiting(struct td_core *c, struct core_job *j)
{
    c->npending++;
    if (j->array && !core_job_is_record(j))
        j->array->npending++;
}

static void apply_submitted(struct td_core *c, const struct td_ev_job_submitted *ev)
{
    TD_ASSERT(ev->job >= c->next_job && ev->spec.needs.n == 1);
    struct core_job *j = core_job_new(c, ev->job);
    c->next_job = ev->job + 1;
    c->submitted++;
    j->uid = ev->uid;
    j->gid = ev->gid;
    j->spec = core_spec_new(c, &ev->spec);
    j->limit_s = ev->limit_s;
    j->priority = ev->priority;
    j->assoc = ev->assoc;
    j->submit_ms = c->time_ms;
    j->begin_ms = ev->spec.begin_ms;
    j->eligible_ms = TD_MAX(j->submit_ms, j->begin_ms);
    j->held = ev->spec.hold ? TD_REASON_HELD_USER : 0;
    if (ev->tasks.n) {
        struct core_array *a = core_array_new(c, ev->job, ev->tasks.v, ev->tasks.n);
        a->limit = ev->array_limit;
        a->spec = core_spec_ref(j->spec);
        a->record = j;
        j->array = a;
        j->task = TD_NO_TASK;
        c->nwaiting_tasks += a->nwaiting;
    } else {
        c->nwaiting_tasks++;
    }
    if (ev->spec.session) {
        j->session_heard_ms = c->time_ms;
        td_vec_push(&c->sessions, j->id);
        c->sessions_next_ms = TD_MIN(c->sessions_next_ms, c->time_ms + 1000);
    }
    begin_waiting(c, j);
    core_job_set_candidates(c, j);
    core_deps_begin(c, j);
    core_job_enqueue(c, j);
    core_client_keys_prune(c, c->time_ms - TD_MAX_CLIENT_KEYS_MS);
    if (!td_str_empty(ev->client_key))
        core_client_keys_add(c, ev->uid, ev->client_key, ev->job, c->seq, c->time_ms);
    c->counters.jobs_submitted++;
}

static struct core_job *copy_of_record(struct td_core *c, struct core_job *r, uint32_t id)
{
    struct core_job *j = core_job_new(c, id);
    j->uid = r->uid;
    j->gid = r->gid;
    j->spec = core_spec_ref(r->spec);
    j->array = r->array;
    j->held = r->held;
    j->limit_s = r->limit_s;
    j->priority = r->priority;
    j->given = r->given;
    j->assoc = r->assoc;
    j->site = r->site;
    j->submit_ms = r->submit_ms;
    j->eligible_ms = r->eligible_ms;
    j->begin_ms = r->begin_ms;
    j->ncandidates = r->ncandidates;
    j->candidate = r->candidate;
    if (r->candidates) {
        j->candidates = td_alloc(r->ncandidates * sizeof(*j->candidates));
        memcpy(j->candidates, r->candidates, r->ncandidates * sizeof(*j->candidates));
    }
    for (uint32_t i = 0; i < j->ncandidates; i++)
        td_ledger_hold_shape(c->ledger, core_job_candidates(j)[i].shape);
    core_deps_copy(c, j, r);
    return j;
}

static void apply_split(struct td_core *c, const struct td_ev_task_split *ev)
{
    struct core_array *a = core_array_find(c, ev->array_job);
    TD_ASSERT(a && a->record && td_bits_get(a->waiting, a->nbytes, ev->task));
    struct core_job *j = a->record;
    td_bits_clear(a->waiting, ev->task);
    a->nwaiting--;
    if (ev->job == a->id) {
        TD_ASSERT(a->nwaiting == 0);
        a->record = NULL;
        j->task = ev->task;
        core_array_put(c, j);
        a->npending++;
        core_deps_split(c, j);
    } else {
        TD_ASSERT(a->nwaiting > 0 && ev->job >= c->next_job);
        c->next_job = ev->job + 1;
        j = copy_of_record(c, a->record, ev->job);
        j->task = ev->task;
        core_likely_split(j, a->record);
        core_array_put(c, j);
        begin_waiting(c, j);
        core_deps_split(c, j);
        core_job_enqueue(c, a->record);
    }
    core_job_enqueue(c, j);
    c->counters.tasks_split++;
}

static void apply_awarded(struct td_core *c, const struct td_ev_job_awarded *ev)
{
    struct core_job *j = job_of(c, ev->job);
    TD_ASSERT(j->state == TD_JOB_PENDING && !core_job_is_record(j) && ev->attempt > j->attempt &&
              ev->places.n > 0);
    j->attempt = ev->attempt;
    struct core_partition *p = core_partition_find(c, ev->partition);
    TD_ASSERT(p);
    j->partition = p->no;
    core_alloc_free(c, j);
    struct core_alloc *a = core_alloc_new(c, j, ev->places.v, ev->places.n);
    a->fenced = ev->fenced;
    a->awarded_ms = c->time_ms;
    int64_t until = core_job_until(j, c->time_ms, j->limit_s);
    j->run_s = core_foretell(c, j, NULL);
    core_likely_learn(c, j);
    set_state(c, j, TD_JOB_AWARDED);
    core_job_enqueue(c, j); /* leaves the queue */
    j->reason = TD_REASON_NONE;
    j->promise_ms = 0;
    set_text(&j->detail, NULL);
    c->nwaiting_tasks--;
    td_ledger_take_licences(c->ledger, j->id, j->attempt, j->spec->body.licenses, until);
    for (uint32_t i = 0; i < a->nparts; i++) {
        struct core_part *part = &a->parts[i];
        part->state = TD_ALLOC_AWARDED;
        td_ledger_take(c->ledger, part->node->no, j->id, j->attempt, part->place, until);
        core_part_foretell(c, part, c->time_ms);
        core_part_link(part);
        core_part_due(c, part, c->time_ms);
    }
}

static struct core_part *part_of(struct td_core *c, uint32_t job, uint32_t attempt,
                                 const char *node)
{
    struct core_job *j = job_of(c, job);
    struct core_node *n = core_node_find(c, node);
    TD_ASSERT(j->attempt == attempt && n);
    struct core_part *p = core_job_part(j, n);
    TD_ASSERT(p && p->state != TD_ALLOC_GONE);
    return p;
}

static void free_part(struct td_core *c, struct core_part *p)
{
    p->state = TD_ALLOC_GONE;
    td_ledger_give(c->ledger, p->node->no, p->job->id, p->job->attempt);
    core_node_forget_refusals(c, p->node);
    core_part_unlink(p);
    if (p->job->alloc->live == 0)
        td_ledger_give_licences(c->ledger, p->job->id, p->job->attempt);
    c->dirty = true;
}

static void apply_accepted(struct td_core *c, const struct td_ev_alloc_accepted *ev)
{
    struct core_part *p = part_of(c, ev->job, ev->attempt, ev->node);
    struct core_job *j = p->job;
    TD_ASSERT(p->state == TD_ALLOC_AWARDED);
    p->state = TD_ALLOC_HELD;
    p->due_ms = INT64_MAX;
    p->backoff_ms = 0;
    p->sent = false;
    for (uint32_t i = 0; i < j->alloc->nparts; i++) {
        if (j->alloc->parts[i].state != TD_ALLOC_HELD)
            return;
    }
    if (j->state != TD_JOB_AWARDED)
        return;
    set_state(c, j, TD_JOB_RUNNING);
    j->start_ms = c->time_ms;
    for (uint32_t i = 0; i < j->alloc->nparts; i++) {
        td_ledger_set_until(c->ledger, j->alloc->parts[i].node->no, j->id, j->attempt,
                            core_job_until(j, j->start_ms, j->limit_s));
        core_part_foretell(c, &j->alloc->parts[i], j->start_ms);
    }
    core_deps_wake(c, j);
    c->counters.jobs_started++;
}

static void back_to_queue(struct td_core *c, struct core_job *j)
{
    bool was_over = j->state == TD_JOB_DONE;
    set_state(c, j, TD_JOB_PENDING);
    j->outcome = TD_OUTCOME_NONE;
    j->requeue_after = j->hold_after = false;
    j->start_ms = j->end_ms = j->stepped_ms = 0;
    j->exit_code = j->signal = 0;
    j->cancel_uid = 0;
    j->reason = TD_REASON_NONE;
    core_alloc_free(c, j);
    c->nwaiting_tasks++;
    if (j->array)
        td_bits_clear(j->array->finished, j->task);
    if (was_over)
        core_job_set_candidates(c, j);
    core_reservation_back(c, j);
    core_job_enqueue(c, j);
}

static void end_parts(struct td_core *c, struct core_job *j)
{
    for (uint32_t i = 0; i < j->alloc->nparts; i++) {
        struct core_part *p = &j->alloc->parts[i];
        if (p->state == TD_ALLOC_AWARDED || p->state == TD_ALLOC_HELD) {
            p->state = TD_ALLOC_ENDING;
            p->backoff_ms = 0;
            p->sent = false;
            core_part_due(c, p, c->time_ms);
        }
    }
}

/* The job keeps its place. Where other nodes hold parts of it they are ended first. */
static void apply_declined(struct td_core *c, const struct td_ev_alloc_declined *ev)
{
    struct core_part *p = part_of(c, ev->job, ev->attempt, ev->node);
    struct core_job *j = p->job;
    free_part(c, p);
    set_text(&j->detail, ev->text);
    c->counters.declines++;
    if (j->state != TD_JOB_AWARDED)
        return;
    if (j->alloc->live == 0) {
        back_to_queue(c, j);
        return;
    }
    set_state(c, j, TD_JOB_ENDING);
    j->requeue_after = true;
    end_parts(c, j);
}

static void apply_gone(struct td_core *c, const struct td_ev_alloc_gone *ev)
{
    free_part(c, part_of(c, ev->job, ev->attempt, ev->node));
}

static void set_usage(struct core_job *j, const struct td_usage *u)
{
    static const struct td_usage none;
    if (td_record_equal(&td_rec_usage, u, &none)) {
        td_free(j->usage);
        j->usage = NULL;
        return;
    }
    if (!j->usage)
        j->usage = td_alloc(sizeof(*j->usage));
    *j->usage = *u;
}

static void apply_ending(struct td_core *c, const struct td_ev_job_ending *ev)
{
    struct core_job *j = job_of(c, ev->job);
    TD_ASSERT(core_job_live(j) && j->attempt == ev->attempt);
    core_usage_job_ends(c, j);
    set_state(c, j, TD_JOB_ENDING);
    j->outcome = (uint8_t)ev->outcome;
    j->reason = (uint8_t)ev->reason;
    j->exit_code = (uint8_t)ev->exit_code;
    j->signal = (uint8_t)ev->signal;
    j->cancel_uid = ev->uid;
    j->requeue_after = ev->requeue;
    j->hold_after = ev->hold;
    j->end_ms = c->time_ms;
    set_text(&j->detail, ev->detail);
    set_usage(j, &ev->usage);
    end_parts(c, j);
}

static void apply_ended(struct td_core *c, const struct td_ev_job_ended *ev)
{
    struct core_job *j = job_of(c, ev->job);
    TD_ASSERT(j->state == TD_JOB_ENDING || j->state == TD_JOB_PENDING);
    if (j->state == TD_JOB_PENDING) {
        TD_ASSERT(!core_job_is_record(j));
        c->nwaiting_tasks--;
        j->cancel_uid = ev->uid;
        set_text(&j->detail, NULL);
        j->end_ms = c->time_ms;
        j->promise_ms = 0;
    }
    TD_ASSERT(!j->alloc || j->alloc->live == 0);
    set_state(c, j, TD_JOB_DONE);
    core_job_enqueue(c, j); /* leaves the queue */
    j->outcome = (uint8_t)ev->outcome;
    j->reason = (uint8_t)ev->reason;
    j->requeue_after = j->hold_after = false;
    core_learn(c, j);
    if (j->array) {
        td_bits_set(j->array->finished, j->task);
        j->array->failed |= j->outcome != TD_OUTCOME_COMPLETED;
    }
    core_ended_add(c, j);
    core_deps_wake(c, j);
    c->purge_next_ms =
        TD_MIN(c->purge_next_ms, c->time_ms + (int64_t)c->settings.min_job_age_s * 1000);
    c->counters.jobs_ended++;
}

static void apply_requeued(struct td_core *c, const struct td_ev_job_requeued *ev)
{
    struct core_job *j = job_of(c, ev->job);
    TD_ASSERT(j->state == TD_JOB_ENDING || j->state == TD_JOB_DONE);
    if (j->start_ms)
        j->restarts++;
    j->by_ms = 0; /* it waits anew */
    j->begin_ms = ev->begin_ms;
    j->eligible_ms = TD_MAX(c->time_ms, ev->begin_ms);
    j->held = ev->hold ? (uint8_t)(ev->reason == TD_REASON_HELD_ADMIN ? TD_REASON_HELD_ADMIN
                                                                      : TD_REASON_HELD_USER)
                       : 0;
    back_to_queue(c, j);
    c->counters.jobs_requeued++;
}

static void apply_held(struct td_core *c, const struct td_ev_job_held *ev)
{
    struct core_job *j = job_of(c, ev->job);
    TD_ASSERT(j->state == TD_JOB_PENDING);
    j->held = (uint8_t)ev->reason;
    j->promise_ms = j->by_ms = 0;
    core_job_enqueue(c, j);
}

static void apply_released(struct td_core *c, const struct td_ev_job_released *ev)
{
    struct core_job *j = job_of(c, ev->job);
    TD_ASSERT(j->state == TD_JOB_PENDING);
    j->held = 0;
    j->eligible_ms = TD_MAX(c->time_ms, j->begin_ms);
    core_job_enqueue(c, j);
}

static bool is_set(const struct td_job_change *ch, uint32_t key)
{
    return ch->set >> key & 1;
}

/* The submission is shared and packed: a change of it is a new one for this job. */
static void change_spec(struct td_core *c, struct core_job *j, const struct td_job_change *ch)
{
    struct td_job_spec body = j->spec->body;
    struct td_job_need need = body.needs.v[0];
    bool changed = false;

#define TAKE(key, field)                                                                           \
    if (is_set(ch, key)) {                                                                         \
        body.field = ch->field;                                                                    \
        changed = true;                                                                            \
    }
    TAKE(3, name)
    TAKE(5, nice)
    TAKE(8, comment)
    TAKE(11, account)
    TAKE(12, qos)
    TAKE(13, dependency)
#undef TAKE
    if (is_set(ch, 4)) {
        need.partition = ch->partition;
        body.needs.v = &need;
        changed = true;
    }
    if (is_set(ch, 9)) {
        body.requeue = ch->requeue ? 1 : 2;
        changed = true;
    }
    if (!changed)
        return;
    struct core_spec *fresh = core_spec_new(c, &body);
    core_spec_drop(c, &j->spec);
    j->spec = fresh;
}

static void apply_updated(struct td_core *c, const struct td_ev_job_updated *ev)
{
    struct core_job *j = job_of(c, ev->job);
    const struct td_job_change *ch = &ev->change;
    int64_t nice_was = j->spec->body.nice;
    change_spec(c, j, ch);
    if (is_set(ch, 5)) {
        int64_t p = (int64_t)j->priority + nice_was - ch->nice;
        j->priority = p < 1 ? 1 : (uint64_t)p;
    }
    if (is_set(ch, 6)) {
        j->priority = ch->priority;
        j->given = ch->priority > core_priority_next(c) ? CORE_GIVEN_BEFORE : CORE_GIVEN_BEHIND;
    }
    if (ev->assoc)
        j->assoc = ev->assoc;
    if (is_set(ch, 2)) {
        j->limit_s = ch->limit_s;
        for (uint32_t i = 0; j->state != TD_JOB_DONE && j->alloc && i < j->alloc->nparts; i++) {
            struct core_part *p = &j->alloc->parts[i];
            if (p->state == TD_ALLOC_GONE)
                continue;
            td_ledger_set_until(
                c->ledger, p->node->no, j->id, j->attempt,
                core_job_until(j, j->start_ms ? j->start_ms : c->time_ms, j->limit_s));
            c->dirty = true;
        }
    }
    if (is_set(ch, 7)) {
        j->begin_ms = ch->begin_ms;
        j->eligible_ms = TD_MAX(j->submit_ms, j->begin_ms);
        if (j->reason == TD_REASON_BEGIN_TIME)
            core_sooner(&c->begins_next_ms, core_civil_at(c, j->begin_ms));
    }
    if (is_set(ch, 10) && j->array) {
        j->array->limit = ch->array_limit;
        core_array_touch(c, j->array);
    }
    if (is_set(ch, 3)) { /* singletons go by the name */
        core_deps_wake(c, j);
        core_deps_again(c, j);
    }
    if (j->state != TD_JOB_PENDING)
        return;
    if (is_set(ch, 2) || is_set(ch, 4) || is_set(ch, 7)) { /* that was for another request */
        j->by_ms = 0;
        core_likely_drop(j);
    }
    if (is_set(ch, 13)) {
        bool waited = j->deps != NULL;
        core_deps_drop(c, j);
        core_deps_begin(c, j);
        if (waited && !j->deps)
            j->eligible_ms = TD_MAX(c->time_ms, j->begin_ms);
    }
    if (is_set(ch, 4)) {
        if (j->queued)
            td_queue_drop(c->queue, j->id);
        j->queued = false;
        core_job_set_candidates(c, j);
    }
    core_job_enqueue(c, j);
}

static void apply_reason(struct td_core *c, const struct td_ev_job_reason *ev)
{
    for (uint32_t i = 0; i < ev->jobs.n; i++) {
        struct core_job *j = job_of(c, ev->jobs.v[i]);
        TD_ASSERT(j->state == TD_JOB_PENDING);
        bool waited = j->reason == TD_REASON_BEGIN_TIME;
        core_job_set_reason(c, j, ev->reason);
        if (waited)
            core_job_enqueue(c, j);
    }
}

static void apply_tasks_cancelled(struct td_core *c, const struct td_ev_tasks_cancelled *ev)
{
    struct core_array *a = core_array_find(c, ev->array_job);
    TD_ASSERT(a && a->record);
    struct core_job *j = a->record;
    uint32_t before = a->nwaiting;
    struct td_arena arena = {0};
    const uint8_t *named =
        ev->tasks.n ? core_spans_bits(&arena, ev->tasks.v, ev->tasks.n, a->nbytes) : NULL;
    if (!a->cancelled) {
        a->cancelled = td_alloc(a->nbytes);
        c->bytes_jobs += a->nbytes;
    }
    for (int64_t t = td_bits_next(a->waiting, a->nbytes, 0); t >= 0;
         t = td_bits_next(a->waiting, a->nbytes, (uint32_t)t + 1)) {
        if (named && !td_bits_get(named, a->nbytes, (uint32_t)t))
            continue;
        td_bits_clear(a->waiting, (uint32_t)t);
        td_bits_set(a->finished, (uint32_t)t);
        td_bits_set(a->cancelled, (uint32_t)t);
        a->nwaiting--;
    }
    td_arena_release(&arena);
    c->nwaiting_tasks -= before - a->nwaiting;
    a->failed = true;
    if (a->nwaiting) {
        core_job_enqueue(c, j);
        core_deps_wake(c, j);
        return;
    }
    set_state(c, j, TD_JOB_DONE);
    core_job_enqueue(c, j);
    j->outcome = TD_OUTCOME_CANCELLED;
    j->reason = TD_REASON_NONE;
    j->cancel_uid = ev->uid;
    j->end_ms = c->time_ms;
    core_ended_add(c, j);
    core_deps_wake(c, j);
    c->purge_next_ms =
        TD_MIN(c->purge_next_ms, c->time_ms + (int64_t)c->settings.min_job_age_s * 1000);
    c->counters.jobs_ended++;
}

static void forget_tasks(struct td_core *c, struct core_array *a)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < a->jobs.n; i++) {
        if (a->jobs.v[i]->state != UINT8_MAX)
            a->jobs.v[k++] = a->jobs.v[i];
        else
            td_map_del(&c->task_by_index, (uint64_t)a->id << 32 | a->jobs.v[i]->task);
    }
    a->jobs.n = k;
    if (a->record && a->record->state == UINT8_MAX)
        a->record = NULL;
}

static void apply_purged(struct td_core *c, const struct td_ev_jobs_purged *ev)
{
    TD_VEC(struct core_array *) touched = {0};
    for (uint32_t i = 0; i < ev->jobs.n; i++) {
        struct core_job *j = job_of(c, ev->jobs.v[i]);
        TD_ASSERT(j->state == TD_JOB_DONE);
        td_map_del(&c->job_by_id, j->id);
        j->state = UINT8_MAX; /* for the sweeps below */
        if (!j->array || j->array->touched)
            continue;
        j->array->touched = true;
        td_vec_push(&touched, j->array);
    }
    for (uint32_t i = 0; i < touched.n; i++) {
        touched.v[i]->touched = false;
        forget_tasks(c, touched.v[i]);
    }
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        if (c->jobs.v[i]->state != UINT8_MAX)
            c->jobs.v[k++] = c->jobs.v[i];
        else
            core_job_free(c, c->jobs.v[i]);
    }
    c->jobs.n = k;
    if (touched.n)
        core_arrays_free_empty(c);
    td_vec_release(&touched);
}

static void apply_registered(struct td_core *c, const struct td_ev_node_registered *ev)
{
    struct core_node *n = core_node_find(c, ev->node);
    if (!n)
        n = core_node_add(c, ev->node);
    if (core_node_is_gone(n))
        core_conf_join(c, n);
    n->incarnation = ev->incarnation;
    n->state = TD_NODE_UP;
    n->registered_ms = c->time_ms;
    if (!td_str_equal(n->boot_id, ev->boot_id))
        n->acked = 0; /* another shepherd, another numbering */
    set_text(&n->boot_id, ev->boot_id);
    set_text(&n->instance, ev->instance);
    td_free(n->inv);
    n->inv = core_pack(&td_rec_inventory, &ev->inventory);
    core_node_tell_ledger(c, n);
}

static void apply_node_changed(struct td_core *c, const struct td_ev_node_changed *ev)
{
    struct core_node *n = core_node_find(c, ev->node);
    TD_ASSERT(n);
    n->state = ev->state;
    n->drain = ev->drain;
    n->down = ev->down;
    n->worker_drain = ev->worker_drain;
    if (!td_str_equal(n->reason, ev->reason)) {
        n->reason_ms = td_str_empty(ev->reason) ? 0 : c->time_ms;
        n->reason_uid = ev->uid;
    }
    set_text(&n->reason, ev->reason);
    core_node_set_usable(c, n);
}

/* Its number stays its own, and its place among the nodes of its partitions: offers to the others go where they went. */
static void apply_node_deleted(struct td_core *c, const struct td_ev_node_deleted *ev)
{
    struct core_node *n = core_node_find(c, ev->node);
    TD_ASSERT(n && !n->conf && n->nparts == 0);
    n->state = TD_NODE_UNKNOWN;
    n->drain = n->down = n->worker_drain = false;
    set_text(&n->reason, NULL);
    n->reason_uid = 0;
    n->reason_ms = n->registered_ms = 0;
    n->incarnation = 0;
    n->acked = 0;
    set_text(&n->boot_id, NULL);
    set_text(&n->instance, NULL);
    td_free(n->inv);
    n->inv = NULL;
    core_keys_apply_node_deleted(c, ev->node);
    core_node_tell_ledger(c, n);
}

static void apply_session(struct td_core *c, const struct td_ev_session_changed *ev)
{
    job_of(c, ev->job)->session_state = (uint8_t)ev->state;
}

void td_core_apply(struct td_core *c, const struct td_event *ev)
{
    TD_ASSERT(ev->seq == c->seq + 1 && ev->time_ms >= c->time_ms);
    c->seq = ev->seq;
    c->time_ms = ev->time_ms;
    switch ((enum td_event_id)ev->id) {
    case TD_EV_EPOCH_BEGAN:
        c->epoch = ((const struct td_ev_epoch_began *)ev->body)->epoch;
        core_limits_count(c, 0);
        return;
    case TD_EV_CONF_LOADED:
        core_conf_apply(c, ev->body);
        return;
    case TD_EV_CLOCK_STEPPED:
        core_clock_apply(c, ev->body);
        return;
    case TD_EV_NODE_REGISTERED:
        apply_registered(c, ev->body);
        return;
    case TD_EV_NODE_DELETED:
        apply_node_deleted(c, ev->body);
        return;
    case TD_EV_NODE_CHANGED:
        apply_node_changed(c, ev->body);
        return;
    case TD_EV_WORKER_ENROLLED:
        core_enrol_apply_worker(c, ev->body);
        return;
    case TD_EV_FRONT_ENROLLED:
        core_enrol_apply_front(c, ev->body);
        return;
    case TD_EV_TOKEN_MADE:
        core_enrol_apply_token(c, ev->body);
        return;
    case TD_EV_JOB_SUBMITTED:
        apply_submitted(c, ev->body);
        return;
    case TD_EV_TASK_SPLIT:
        apply_split(c, ev->body);
        return;
    case TD_EV_JOB_AWARDED:
        apply_awarded(c, ev->body);
        return;
    case TD_EV_ALLOC_ACCEPTED:
        apply_accepted(c, ev->body);
        return;
    case TD_EV_ALLOC_DECLINED:
        apply_declined(c, ev->body);
        return;
    case TD_EV_ALLOC_GONE:
        apply_gone(c, ev->body);
        return;
    case TD_EV_JOB_ENDING:
        apply_ending(c, ev->body);
        return;
    case TD_EV_JOB_ENDED:
        apply_ended(c, ev->body);
        return;
    case TD_EV_JOB_REQUEUED:
        apply_requeued(c, ev->body);
        return;
    case TD_EV_JOB_HELD:
        apply_held(c, ev->body);
        return;
    case TD_EV_JOB_RELEASED:
        apply_released(c, ev->body);
        return;
    case TD_EV_JOB_UPDATED:
        apply_updated(c, ev->body);
        return;
    case TD_EV_JOB_REASON:
        apply_reason(c, ev->body);
        return;
    case TD_EV_JOBS_PROMISED:
        core_promises_apply(c, ev->body);
        return;
    case TD_EV_JOBS_LIKELY:
        core_likely_apply(c, ev->body);
        return;
    case TD_EV_JOBS_PURGED:
        apply_purged(c, ev->body);
        return;
    case TD_EV_TASKS_CANCELLED:
        apply_tasks_cancelled(c, ev->body);
        return;
    case TD_EV_REPORTS_TAKEN: {
        const struct td_ev_reports_taken *e = ev->body;
        struct core_node *n = core_node_find(c, e->node);
        TD_ASSERT(n);
        n->acked = e->upto;
        return;
    }
    case TD_EV_SESSION_CHANGED:
        apply_session(c, ev->body);
        return;
    case TD_EV_STEP_CREATED:
        core_step_apply_created(c, ev->body);
        return;
    case TD_EV_STEP_STARTED:
        core_step_apply_started(c, ev->body);
        return;
    case TD_EV_STEP_EXITED:
        core_step_apply_exited(c, ev->body);
        return;
    case TD_EV_STEP_ENDED:
        core_step_apply_ended(c, ev->body);
        return;
    case TD_EV_STEP_ENDING:
        core_step_apply_ending(c, ev->body);
        return;
    case TD_EV_TOKEN_REVOKED:
        core_token_apply_revoked(c, ev->body);
        return;
    case TD_EV_KEY_ROTATED:
        core_keys_apply_rotated(c, ev->body);
        return;
    case TD_EV_KEYS_REVOKED:
        core_keys_apply_revoked(c, ev->body);
        return;
    case TD_EV_USER_KEY_REGISTERED:
        core_user_key_apply_registered(c, ev->body);
        return;
    case TD_EV_USER_KEY_REVOKED:
        core_user_key_apply_revoked(c, ev->body);
        return;
    case TD_EV_RESERVATION_SET:
        core_reservation_apply_set(c, ev->body);
        return;
    case TD_EV_RESERVATION_BEGAN:
        core_reservation_apply_began(c, ev->body);
        return;
    case TD_EV_RESERVATION_ROLLED:
        core_reservation_apply_rolled(c, ev->body);
        return;
    case TD_EV_RESERVATION_ENDED:
        core_reservation_apply_ended(c, ev->body);
        return;
    case TD_EV_ACCOUNT_SET:
    case TD_EV_ACCOUNT_REMOVED:
    case TD_EV_ACCT_USER_SET:
    case TD_EV_ACCT_USER_REMOVED:
    case TD_EV_ASSOC_SET:
    case TD_EV_ASSOC_REMOVED:
    case TD_EV_QOS_SET:
    case TD_EV_QOS_REMOVED:
    case TD_EV_TRES_SET:
    case TD_EV_USAGE_RESET:
        core_acct_apply(&c->acct, ev->id, ev->body);
        return;
    case TD_EV_USAGE_TICKED:
        core_usage_apply_ticked(c, ev->body);
        return;
    case TD_EV_ACCESS_REFUSED:
    case TD_EV_ADMIN_ACTED:
        return; /* told, not kept: the journal has them */
    }
    td_assert_failed(__FILE__, __LINE__, "unknown event");
}
