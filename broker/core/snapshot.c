/* snapshot.c - durable state as records, and back
 *
 * Emitted in the order of snapshot.def, which is the order a restore needs: configuration,
 * partitions and nodes by number, then arrays, then jobs by id, then their steps. Indexes are rebuilt; the digest is
 * taken over exactly these records, so what is forgotten here is seen as soon as a restored core is
 * compared. */
#include <string.h>

#include "broker/core/state.h"

static void emit_conf(const struct td_core *c, td_core_emit_fn *emit, void *ctx)
{
    if (!c->conf)
        return;
    struct td_snap_conf r = {
        .settings = c->conf->settings, .nodes = c->conf->nodes, .partitions = c->conf->partitions};
    emit(ctx, TD_SNAP_CONF, &td_rec_snap_conf, &r);
}

static void emit_node(const struct core_node *n, td_core_emit_fn *emit, void *ctx)
{
    struct td_snap_node r = {
        .name = n->name,
        .state = n->state,
        .drain = n->drain,
        .down = n->down,
        .worker_drain = n->worker_drain,
        .reason = n->reason,
        .reason_uid = n->reason_uid,
        .reason_ms = n->reason_ms,
        .incarnation = n->incarnation,
        .boot_id = n->boot_id,
        .instance = n->instance,
        .registered_ms = n->registered_ms,
        .acked = n->acked,
    };
    if (n->inv)
        r.inventory = *n->inv;
    emit(ctx, TD_SNAP_NODE, &td_rec_snap_node, &r);
}

static void emit_enrolment(const struct td_core *c, td_core_emit_fn *emit, void *ctx)
{
    for (uint32_t i = 0; i < c->keys.n; i++) {
        const struct core_key *k = &c->keys.v[i];
        struct td_snap_key r = {
            .node = k->node, .key = k->key, .token = {k->token, sizeof(k->token)}, .until_ms = k->until_ms, .front = k->front,
            .root = k->root};
        emit(ctx, TD_SNAP_KEY, &td_rec_snap_key, &r);
    }
    for (uint32_t i = 0; i < c->tokens.n; i++) {
        const struct core_token *t = &c->tokens.v[i];
        struct td_snap_token r = {.token = {t->hash, sizeof(t->hash)},
                                  .names = t->names,
                                  .uses = t->uses,
                                  .expires_ms = t->expires_ms,
                                  .uid = t->uid,
                                  .used = t->used,
                                  .front = t->front,
                                  .root = t->root,
                                  .revoked = t->revoked};
        emit(ctx, TD_SNAP_TOKEN, &td_rec_snap_token, &r);
    }
    for (uint32_t i = c->client_keys_first; i < c->client_keys.n; i++) {
        const struct core_client_key *k = &c->client_keys.v[i];
        struct td_snap_client_key r = {
            .uid = k->uid, .key = k->key, .job = k->job, .seq = k->seq, .at_ms = k->at_ms};
        emit(ctx, TD_SNAP_CLIENT_KEY, &td_rec_snap_client_key, &r);
    }
}

static void emit_array(const struct core_array *a, td_core_emit_fn *emit, void *ctx)
{
    struct td_snap_array r = {
        .array = a->id,
        .total = a->total,
        .first = a->first,
        .last = a->last,
        .step = a->step,
        .limit = a->limit,
        .waiting = {a->waiting, a->nbytes},
        .finished = {a->finished, a->nbytes},
        .spec = a->spec->body,
        .failed = a->failed,
    };
    if (a->cancelled)
        r.cancelled = (struct td_bin){a->cancelled, a->nbytes};
    emit(ctx, TD_SNAP_ARRAY, &td_rec_snap_array, &r);
}

static void emit_job(const struct td_core *c, const struct core_job *j, td_core_emit_fn *emit,
                     void *ctx)
{
    struct td_arena a = {0};
    struct td_snap_job r = {
        .job = j->id,
        .uid = j->uid,
        .gid = j->gid,
        .array = j->array ? j->array->id : 0,
        .task = j->array ? j->task : 0,
        .own_spec = !j->array || j->spec != j->array->spec,
        .state = j->state,
        .outcome = j->outcome,
        .reason = j->reason,
        .held = j->held,
        .session_state = j->session_state,
        .exit_code = j->exit_code,
        .signal = j->signal,
        .requeue_after = j->requeue_after,
        .hold_after = j->hold_after,
        .limit_s = j->limit_s,
        .attempt = j->attempt,
        .restarts = j->restarts,
        .cancel_uid = j->cancel_uid,
        .partition = j->alloc ? c->partitions.v[j->partition]->name : NULL,
        .priority = j->priority,
        .given = j->given,
        .submit_ms = j->submit_ms,
        .eligible_ms = j->eligible_ms,
        .begin_ms = j->begin_ms,
        .start_ms = j->start_ms,
        .end_ms = j->end_ms,
        .stepped_ms = j->stepped_ms,
        .by_ms = j->by_ms,
        .assoc = j->assoc,
        .site = j->site,
        .deps = core_deps_list(j, &a),
        .deps_any = j->deps && j->deps->any,
        .detail = j->detail,
    };
    core_likely_fill(j, &r);
    if (r.own_spec)
        r.spec = j->spec->body;
    if (j->usage)
        r.usage = *j->usage;
    if (j->alloc) {
        uint32_t n = j->alloc->nparts;
        struct td_placement *places = td_arena_alloc(&a, n * sizeof(*places));
        uint32_t *states = td_arena_alloc(&a, n * sizeof(*states));
        for (uint32_t i = 0; i < n; i++) {
            places[i] = *j->alloc->parts[i].place;
            states[i] = j->alloc->parts[i].state;
        }
        r.places = (struct td_placement_list){places, n};
        r.parts = (struct td_u32s){states, n};
        r.next_step = j->alloc->next_step;
        r.fenced = j->alloc->fenced;
    }
    emit(ctx, TD_SNAP_JOB, &td_rec_snap_job, &r);
    td_arena_release(&a);
}

void td_core_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx)
{
    struct td_snap_head head = {
        .seq = c->seq,
        .time_ms = c->time_ms,
        .epoch = c->epoch,
        .next_job = c->next_job,
        .submitted = c->submitted,
        .partitions = c->partitions.n,
        .nodes = c->nodes.n,
        .configured = c->conf != NULL,
        .clock_off_ms = c->clock_off_ms,
        .clock_at_ms = c->clock_at_ms,
        .digest = TD_CORE_DIGEST,
    };
    emit(ctx, TD_SNAP_HEAD, &td_rec_snap_head, &head);
    emit_conf(c, emit, ctx);
    for (uint32_t i = 0; i < c->partitions.n; i++) {
        struct td_snap_partition r = {.name = c->partitions.v[i]->name};
        emit(ctx, TD_SNAP_PARTITION, &td_rec_snap_partition, &r);
    }
    for (uint32_t i = 0; i < c->nodes.n; i++)
        emit_node(c->nodes.v[i], emit, ctx);
    emit_enrolment(c, emit, ctx);
    core_likely_snapshot(c, emit, ctx);
    core_reservations_snapshot(c, emit, ctx); /* before the jobs that name them */
    core_acct_snapshot(&c->acct, emit, ctx);
    core_learn_snapshot(c, emit, ctx); /* before the jobs, whose run times are foretold as they are queued */
    for (uint32_t i = 0; i < c->arrays.n; i++)
        emit_array(c->arrays.v[i], emit, ctx);
    for (uint32_t i = 0; i < c->jobs.n; i++)
        emit_job(c, c->jobs.v[i], emit, ctx);
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        const struct core_alloc *a = c->jobs.v[i]->alloc;
        for (uint32_t k = 0; a && k < a->steps.n; k++)
            core_step_snapshot(a->steps.v[k], emit, ctx);
    }
    core_user_keys_snapshot(c, emit, ctx);
}

const struct td_record *td_core_snapshot_record(uint32_t kind)
{
    const struct td_event_row *row = td_snap_row(kind);
    return row ? row->record : NULL;
}

static char *text(const char *s)
{
    return td_str_empty(s) ? NULL : td_strdup(s);
}

static void restore_node(struct td_core *c, const struct td_snap_node *r)
{
    struct core_node *n = core_node_add(c, r->name);
    n->state = r->state;
    n->drain = r->drain;
    n->down = r->down;
    n->worker_drain = r->worker_drain;
    n->reason = text(r->reason);
    n->reason_uid = r->reason_uid;
    n->reason_ms = r->reason_ms;
    n->incarnation = r->incarnation;
    n->boot_id = text(r->boot_id);
    n->instance = text(r->instance);
    n->registered_ms = r->registered_ms;
    n->acked = r->acked;
    if (n->incarnation)
        n->inv = core_pack(&td_rec_inventory, &r->inventory);
}

/* Once partitions and nodes are there, all that follows from the configuration can be built. */
static void build_when_ready(struct td_core *c, uint32_t kind)
{
    bool last = kind == TD_SNAP_NODE || kind == TD_SNAP_PARTITION || kind == TD_SNAP_CONF ||
                kind == TD_SNAP_HEAD;
    if (!last || c->nodes.n != c->restore_nodes || c->partitions.n != c->restore_partitions ||
        c->restore_conf != (c->conf != NULL))
        return;
    if (c->conf) {
        core_conf_build(c);
        return;
    }
    for (uint32_t i = 0; i < c->nodes.n; i++)
        core_node_tell_ledger(c, c->nodes.v[i]);
}

static uint8_t *bitmap(struct td_bin from, uint32_t nbytes)
{
    uint8_t *v = td_alloc(nbytes);
    memcpy(v, from.v ? from.v : (const uint8_t *)"", TD_MIN(from.n, nbytes));
    return v;
}

static int restore_array(struct td_core *c, const struct td_snap_array *r, struct td_error *err)
{
    if (r->first > r->last || r->last >= TD_MAX_ARRAY_TASKS ||
        (c->arrays.n && c->arrays.v[c->arrays.n - 1]->id >= r->array))
        return td_fail(err, TD_E_JOURNAL, "snapshot: array %u makes no sense", r->array);
    struct core_array *a = td_alloc(sizeof(*a));
    a->id = r->array;
    a->total = r->total;
    a->first = r->first;
    a->last = r->last;
    a->step = r->step;
    a->limit = r->limit;
    a->failed = r->failed;
    a->nbytes = TD_MAX(TD_MAX(r->waiting.n, r->finished.n), r->last / 8 + 1);
    a->waiting = bitmap(r->waiting, a->nbytes);
    a->finished = bitmap(r->finished, a->nbytes);
    if (r->cancelled.n)
        a->cancelled = bitmap(r->cancelled, a->nbytes);
    a->nwaiting = td_bits_count(a->waiting, a->nbytes);
    a->spec = core_spec_new(c, &r->spec);
    td_vec_push(&c->arrays, a);
    td_map_put(&c->array_by_id, a->id, a);
    c->nwaiting_tasks += a->nwaiting;
    c->bytes_jobs += sizeof(*a) + (a->cancelled ? 3 : 2) * (uint64_t)a->nbytes;
    return 0;
}

static int restore_alloc(struct td_core *c, struct core_job *j, const struct td_snap_job *r,
                         struct td_error *err)
{
    struct core_partition *p = core_partition_find(c, r->partition);
    if (!p || r->parts.n != r->places.n)
        return td_fail(err, TD_E_JOURNAL, "snapshot: the allocation of job %u makes no sense",
                       r->job);
    for (uint32_t i = 0; i < r->places.n; i++) {
        struct core_node *n = core_node_find(c, r->places.v[i].node);
        if (!n)
            return td_fail(err, TD_E_JOURNAL, "snapshot: job %u is on node %s, which is not there",
                           r->job, r->places.v[i].node);
        if (r->parts.v[i] != TD_ALLOC_GONE && !td_ledger_covers(c->ledger, n->no, &r->places.v[i]))
            return td_fail(err, TD_E_JOURNAL, "snapshot: job %u overlaps with another on node %s",
                           r->job, n->name);
    }
    j->partition = p->no;
    struct core_alloc *a = core_alloc_new(c, j, r->places.v, r->places.n);
    a->next_step = r->next_step;
    a->fenced = r->fenced;
    bool live = false;
    for (uint32_t i = 0; i < a->nparts; i++)
        live |= r->parts.v[i] != TD_ALLOC_GONE;
    if (live)
        td_ledger_take_licences(c->ledger, j->id, j->attempt, j->spec->body.licenses,
                                core_job_until(j, j->start_ms ? j->start_ms : c->time_ms, j->limit_s));
    for (uint32_t i = 0; i < a->nparts; i++) {
        struct core_part *part = &a->parts[i];
        part->state = (uint8_t)r->parts.v[i];
        if (part->state == TD_ALLOC_GONE)
            continue;
        int64_t until = core_job_until(j, j->start_ms ? j->start_ms : c->time_ms, j->limit_s);
        td_ledger_take(c->ledger, part->node->no, j->id, j->attempt, part->place, until);
        core_part_foretell(c, part, j->start_ms ? j->start_ms : c->time_ms);
        core_part_link(part);
        if (part->state != TD_ALLOC_HELD)
            core_part_due(c, part, c->time_ms);
    }
    return 0;
}

static void restore_indexes(struct td_core *c, struct core_job *j, const struct td_snap_job *r)
{
    bool task = j->array && !core_job_is_record(j);
    if (j->array && !task)
        j->array->record = j;
    if (task)
        core_array_put(c, j);
    if (j->state == TD_JOB_PENDING) {
        c->npending++;
        if (task)
            j->array->npending++;
        if (!core_job_is_record(j))
            c->nwaiting_tasks++;
    }
    c->nrunning += j->state == TD_JOB_RUNNING;
    if (j->state == TD_JOB_DONE) {
        struct core_ended e = {j->end_ms, j->id};
        td_vec_push(&c->ended, e);
        c->ended_mixed = true;
        c->purge_next_ms = TD_MIN(c->purge_next_ms, c->time_ms);
    }
    if (j->spec->body.session && j->session_state != TD_SESSION_ENDED) {
        td_vec_push(&c->sessions, j->id);
        c->sessions_next_ms = TD_MIN(c->sessions_next_ms, c->time_ms + 1000);
    }
    core_job_set_candidates(c, j);
    core_job_enqueue(c, j);
    core_job_set_reason(c, j, r->reason);
    core_array_count(c, j, core_job_live(j));
}

static int restore_job(struct td_core *c, const struct td_snap_job *r, struct td_error *err)
{
    struct core_array *array = r->array ? core_array_find(c, r->array) : NULL;
    bool ordered = c->jobs.n == 0 || c->jobs.v[c->jobs.n - 1]->id < r->job;
    if (!ordered || (r->array && !array) || r->state >= TD_JOB_STATE_COUNT ||
        (!r->own_spec && !array) || (r->own_spec && r->spec.needs.n != 1))
        return td_fail(err, TD_E_JOURNAL, "snapshot: job %u makes no sense", r->job);
    struct core_job *j = core_job_new(c, r->job);
    j->uid = r->uid;
    j->gid = r->gid;
    j->array = array;
    j->task = r->task;
    j->spec = r->own_spec ? core_spec_new(c, &r->spec) : core_spec_ref(array->spec);
    j->state = (uint8_t)r->state;
    j->outcome = (uint8_t)r->outcome;
    j->held = (uint8_t)r->held;
    j->session_state = (uint8_t)r->session_state;
    j->exit_code = (uint8_t)r->exit_code;
    j->signal = (uint8_t)r->signal;
    j->requeue_after = r->requeue_after;
    j->hold_after = r->hold_after;
    j->limit_s = r->limit_s;
    j->attempt = r->attempt;
    j->restarts = r->restarts;
    j->cancel_uid = r->cancel_uid;
    j->priority = r->priority;
    j->given = (uint8_t)r->given;
    j->submit_ms = r->submit_ms;
    j->eligible_ms = r->eligible_ms;
    j->begin_ms = r->begin_ms;
    j->start_ms = r->start_ms;
    j->end_ms = r->end_ms;
    j->stepped_ms = r->stepped_ms;
    j->by_ms = r->by_ms;
    j->assoc = r->assoc;
    j->site = r->site;
    core_deps_restore(c, j, &r->deps, r->deps_any);
    j->detail = text(r->detail);
    static const struct td_usage none;
    if (!td_record_equal(&td_rec_usage, &r->usage, &none)) {
        j->usage = td_alloc(sizeof(*j->usage));
        *j->usage = r->usage;
    }
    int e = core_likely_restore_job(c, j, r, err);
    if (e == 0 && r->places.n)
        e = restore_alloc(c, j, r, err);
    if (e == 0)
        restore_indexes(c, j, r);
    return e;
}

int td_core_restore(struct td_core *c, uint32_t kind, const void *body, struct td_error *err)
{
    switch (kind) {
    case TD_SNAP_HEAD: {
        const struct td_snap_head *r = body;
        c->seq = r->seq;
        c->time_ms = c->now_ms = r->time_ms;
        c->epoch = r->epoch;
        c->next_job = r->next_job;
        c->submitted = r->submitted;
        c->restore_nodes = r->nodes;
        c->restore_partitions = r->partitions;
        c->restore_conf = r->configured;
        c->clock_off_ms = r->clock_off_ms;
        c->clock_at_ms = r->clock_at_ms;
        break;
    }
    case TD_SNAP_CONF: {
        const struct td_snap_conf *r = body;
        struct td_ev_conf_loaded conf = {
            .settings = r->settings, .nodes = r->nodes, .partitions = r->partitions};
        td_free(c->conf);
        c->conf = core_pack(&td_rec_ev_conf_loaded, &conf);
        break;
    }
    case TD_SNAP_PARTITION:
        core_partition_add(c, ((const struct td_snap_partition *)body)->name);
        break;
    case TD_SNAP_NODE:
        restore_node(c, body);
        break;
    case TD_SNAP_KEY: {
        const struct td_snap_key *r = body;
        const struct td_ev_worker_enrolled ev = {.node = r->node, .key = r->key, .token = r->token};
        const struct td_ev_front_enrolled front = {.name = r->node, .key = r->key, .token = r->token, .root = r->root};
        if (r->front) /* tokens come after keys, so no use is counted twice */
            core_enrol_apply_front(c, &front);
        else
            core_enrol_apply_worker(c, &ev);
        c->keys.v[c->keys.n - 1].until_ms = r->until_ms;
        break;
    }
    case TD_SNAP_TOKEN: {
        const struct td_snap_token *r = body;
        struct td_ev_token_made ev = {.token = r->token,
                                      .names = r->names,
                                      .uses = r->uses,
                                      .expires_ms = r->expires_ms,
                                      .uid = r->uid,
                                      .front = r->front,
                                      .root = r->root};
        core_enrol_apply_token(c, &ev);
        c->tokens.v[c->tokens.n - 1].used = r->used;
        c->tokens.v[c->tokens.n - 1].revoked = r->revoked;
        break;
    }
    case TD_SNAP_CLIENT_KEY: {
        const struct td_snap_client_key *r = body;
        const char *colon = r->key ? strchr(r->key, ':') : NULL;
        if (colon)
            core_client_keys_add(c, r->uid, colon + 1, r->job, r->seq, r->at_ms);
        break;
    }
    case TD_SNAP_ACCT:
    case TD_SNAP_TRES:
    case TD_SNAP_QOS:
    case TD_SNAP_ACCOUNT:
    case TD_SNAP_ACCT_USER:
    case TD_SNAP_ASSOC:
        return core_acct_restore(&c->acct, kind, body, err);
    case TD_SNAP_LEARNED:
        return core_learn_restore(c, body, err);
    case TD_SNAP_LIKELY:
        return core_likely_restore(c, body, err);
    case TD_SNAP_ARRAY:
        return restore_array(c, body, err);
    case TD_SNAP_JOB:
        return restore_job(c, body, err);
    case TD_SNAP_STEP:
        return core_step_restore(c, body, err);
    case TD_SNAP_RESERVATION:
        core_reservation_restore(c, body);
        break;
    case TD_SNAP_USER_KEY:
        core_user_key_restore(c, body);
        break;
    default:
        return td_fail(err, TD_E_JOURNAL, "snapshot: record %u is not known here", kind);
    }
    build_when_ready(c, kind);
    return 0;
}
