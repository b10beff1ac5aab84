/* core.c - a wake from end to end: time in, inputs, finish, events and effects out
 *
 * Owns: the wake's arena, its events and effects. An input decides and emits; emitting applies at
 * once (law 3), so the next input of the same wake already sees what the one before did. Effects
 * are only queued. */
#include <stdarg.h>
#include <string.h>

#include "broker/core/state.h"

struct td_core *td_core_new(uint64_t seed)
{
    struct td_core *c = td_alloc(sizeof(*c));
    c->seed = seed;
    c->next_job = 1;
    c->ledger = td_ledger_new();
    c->queue = td_queue_new();
    c->begins_next_ms = c->reservations_next_ms = c->deadlines_next_ms = c->leases_next_ms = c->resend_next_ms = c->purge_next_ms = INT64_MAX;
    c->plan_next_ms = c->retry_ms = c->probe_ms = c->sessions_next_ms = c->audit_next_ms = INT64_MAX;
    c->answer_x16 = CORE_DEADLINE_MS_FIRST / 4 * 16;
    return c;
}

static void free_conf_state(struct td_core *c)
{
    for (uint32_t i = 0; i < c->partitions.n; i++) {
        struct core_partition *p = c->partitions.v[i];
        td_vec_release(&p->nodes);
        td_free(p->name);
        td_free(p);
    }
    td_vec_release(&c->partitions);
    td_free(c->conf);
    for (uint32_t i = c->client_keys_first; i < c->client_keys.n; i++)
        td_free(c->client_keys.v[i].key);
    td_vec_release(&c->client_keys);
    for (uint32_t i = 0; i < c->keys.n; i++) {
        td_free(c->keys.v[i].key);
        td_free(c->keys.v[i].node);
    }
    td_vec_release(&c->keys);
    for (uint32_t i = 0; i < c->tokens.n; i++)
        td_free(c->tokens.v[i].names);
    td_vec_release(&c->tokens);
    core_user_keys_free(c);
    core_reservations_free(c);
    core_audit_free(c);
    core_learn_free(c);
    core_acct_free(&c->acct);
}

void td_core_destroy(struct td_core **p)
{
    struct td_core *c = *p;
    if (!c)
        return;
    core_round_release(c);
    core_step_waits_free(c);
    core_step_ends_free(c);
    for (uint32_t i = 0; i < c->jobs.n; i++)
        core_job_free(c, c->jobs.v[i]);
    td_vec_release(&c->jobs);
    for (uint32_t i = 0; i < c->arrays.n; i++)
        core_array_free(c, c->arrays.v[i]);
    td_vec_release(&c->arrays);
    for (uint32_t i = 0; i < c->nodes.n; i++)
        core_node_free(c->nodes.v[i]);
    td_vec_release(&c->nodes);
    free_conf_state(c);
    td_map_release(&c->job_by_id);
    td_map_release(&c->array_by_id);
    td_map_release(&c->task_by_index);
    td_map_release(&c->waiters_by_target);
    td_vec_release(&c->waiters);
    td_vec_release(&c->corr);
    td_strmap_release(&c->node_by_name);
    td_strmap_release(&c->partition_by_name);
    td_strmap_release(&c->client_key_by_name);
    td_strmap_release(&c->key_by_name);
    td_ledger_destroy(&c->ledger);
    td_queue_destroy(&c->queue);
    td_vec_release(&c->ended);
    td_vec_release(&c->begins);
    td_vec_release(&c->sessions);
    td_vec_release(&c->heads);
    td_vec_release(&c->events);
    td_vec_release(&c->effects);
    td_vec_release(&c->stirred);
    td_arena_release(&c->wake);
    td_free(c);
    *p = NULL;
}

void td_core_wake(struct td_core *c, int64_t now_ms)
{
    td_arena_reset(&c->wake);
    c->events.n = c->effects.n = 0;
    /* Journal time never runs backwards (law 10); a shell whose clock does is held at the last
     * event. */
    c->now_ms = TD_MAX(now_ms, c->time_ms);
    c->watch_us = 0;
    c->in_wake = true;
    c->clock_told = false;
    c->counters.wakes++;
}

void td_core_stopwatch(struct td_core *c, int64_t now_us)
{
    c->watch_us = now_us;
}

const struct td_event *td_core_events(const struct td_core *c, uint32_t *ret_n)
{
    *ret_n = c->events.n;
    return c->events.v;
}

const struct td_effect *td_core_effects(const struct td_core *c, uint32_t *ret_n)
{
    *ret_n = c->effects.n;
    return c->effects.v;
}

bool td_core_full(const struct td_core *c)
{
    return c->events.n >= TD_MAX_EVENTS_PER_WAKE / 4 || c->effects.n >= CORE_EFFECTS_MAX;
}

uint64_t td_core_seq(const struct td_core *c)
{
    return c->seq;
}

uint64_t td_core_epoch(const struct td_core *c)
{
    return c->epoch;
}

int64_t td_core_time(const struct td_core *c)
{
    return c->time_ms;
}

const struct td_settings *td_core_settings(const struct td_core *c)
{
    return &c->settings;
}

struct td_counters *td_core_counters(struct td_core *c)
{
    return &c->counters;
}

void core_sooner(int64_t *at_ms, int64_t than_ms)
{
    *at_ms = TD_MIN(*at_ms, than_ms);
}

/* State edges are logged from this one place. */
static void log_event(struct td_core *c, uint32_t id, const void *body)
{
    switch (id) {
    case TD_EV_JOB_AWARDED: {
        const struct td_ev_job_awarded *e = body;
        core_log(c, "info job=%u PENDING->AWARDED attempt=%u nodes=%u leader=%s", e->job,
                 e->attempt, e->places.n, e->places.v[0].node);
        return;
    }
    case TD_EV_ALLOC_DECLINED: {
        const struct td_ev_alloc_declined *e = body;
        core_log(c, "info job=%u AWARDED->PENDING event=DECLINED attempt=%u node=%s refusal=%s %s",
                 e->job, e->attempt, e->node,
                 td_refusal_name(e->refusal) ? td_refusal_name(e->refusal) : "?",
                 e->text ? e->text : "");
        return;
    }
    case TD_EV_JOB_ENDING: {
        const struct td_ev_job_ending *e = body;
        core_log(c, "info job=%u ->ENDING attempt=%u outcome=%s status=%u signal=%u%s", e->job,
                 e->attempt, td_job_state_word(TD_JOB_DONE, e->outcome), e->exit_code, e->signal,
                 e->requeue ? " requeue" : "");
        return;
    }
    case TD_EV_JOB_ENDED: {
        const struct td_ev_job_ended *e = body;
        core_log(c, "info job=%u ->DONE outcome=%s", e->job,
                 td_job_state_word(TD_JOB_DONE, e->outcome));
        return;
    }
    case TD_EV_JOB_REQUEUED: {
        const struct td_ev_job_requeued *e = body;
        core_log(c, "info job=%u ->PENDING event=REQUEUED", e->job);
        return;
    }
    case TD_EV_STEP_CREATED: {
        const struct td_ev_step_created *e = body;
        core_log(c, "info step=%u.%u created attempt=%u nodes=%u first=%s", e->job, e->step,
                 e->attempt, e->places.n, e->places.v[0].node);
        return;
    }
    case TD_EV_STEP_ENDED: {
        const struct td_ev_step_ended *e = body;
        core_log(c, "info step=%u.%u over outcome=%s status=%u signal=%u", e->job, e->step,
                 td_job_state_word(TD_JOB_DONE, e->outcome), e->exit_code, e->signal);
        return;
    }
    case TD_EV_NODE_REGISTERED: {
        const struct td_ev_node_registered *e = body;
        core_log(c, "info worker=%s#%u registered boot=%s", e->node, e->incarnation,
                 e->boot_id ? e->boot_id : "");
        return;
    }
    case TD_EV_NODE_DELETED: {
        const struct td_ev_node_deleted *e = body;
        core_log(c, "info worker=%s deleted uid=%u", e->node, e->uid);
        return;
    }
    case TD_EV_NODE_CHANGED: {
        const struct td_ev_node_changed *e = body;
        core_log(c, "%s worker=%s ->%s%s%s%s reason=\"%s\"",
                 e->state == TD_NODE_LOST || e->state == TD_NODE_SUSPECT ? "warn" : "info", e->node,
                 td_node_state_name(e->state), e->drain ? " drain" : "",
                 e->worker_drain ? " worker-drain" : "", e->down ? " down" : "",
                 e->reason ? e->reason : "");
        return;
    }
    default:
        return; /* the journal has the rest */
    }
}

/* The body may live on the caller's stack and point into state that the event itself will change:
 * it is copied. */
void core_emit(struct td_core *c, uint32_t id, const void *body)
{
    const struct td_event_row *row = td_event_row(id);
    TD_ASSERT(c->in_wake && row);
    void *copy = td_arena_alloc(&c->wake, row->record->size);
    td_record_copy(&c->wake, row->record, body, copy);
    struct td_event ev = {.seq = c->seq + 1, .time_ms = c->now_ms, .id = id, .body = copy};
    td_vec_push(&c->events, ev);
    c->counters.events++;
    td_core_apply(c, &ev);
    core_promises_disturb(c, id, copy);
    log_event(c, id, copy);
}

struct td_effect *core_effect(struct td_core *c, enum td_effect_kind kind)
{
    struct td_effect e = {.kind = kind};
    td_vec_push(&c->effects, e);
    return &c->effects.v[c->effects.n - 1];
}

static void *copy_message(struct td_core *c, uint32_t id, const void *body)
{
    const struct td_msg_row *row = td_msg_row(id);
    TD_ASSERT(row);
    void *copy = td_arena_alloc(&c->wake, row->record->size);
    td_record_copy(&c->wake, row->record, body, copy);
    return copy;
}

void core_send(struct td_core *c, const struct core_node *n, uint64_t peer, uint32_t id,
               const void *body)
{
    struct td_effect *e = core_effect(c, TD_DO_SEND);
    e->node = n->name;
    e->peer = peer;
    e->id = id;
    e->body = copy_message(c, id, body);
}

/* To whoever asked: a client's request number, or a worker whose node may not even be known. */
void core_reply(struct td_core *c, const struct td_input *in, uint32_t id, const void *body)
{
    struct td_effect *e = core_effect(c, in->kind == TD_IN_WORKER ? TD_DO_SEND : TD_DO_REPLY);
    e->peer = in->peer;
    e->request = in->request;
    e->node = in->node ? td_arena_strdup(&c->wake, in->node) : NULL;
    e->id = id;
    e->body = copy_message(c, id, body);
}

/* td_error's formatter is the only one the core has that takes a va_list's worth of words. */
static void vtext(struct td_buf *b, const char *fmt, va_list ap);

void core_refuse_error(struct td_core *c, const struct td_input *in, const struct td_error *err)
{
    c->counters.rejected++;
    if (err->code == TD_E_DENIED || err->code == TD_E_NODE_CLAIMED)
        core_audit_refused(c, in, 0, err->text);
    if (in->kind == TD_IN_WORKER) {
        struct td_refused r = {.code = (uint32_t)err->code, .text = err->text};
        core_reply(c, in, TD_MSG_REFUSED, &r);
        return;
    }
    struct td_error_reply r = {.code = (uint32_t)err->code, .text = err->text};
    core_reply(c, in, TD_MSG_ERROR, &r);
}

void core_refuse(struct td_core *c, const struct td_input *in, int code, const char *fmt, ...)
{
    struct td_error err = {.code = code};
    struct td_buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    vtext(&b, fmt, ap);
    va_end(ap);
    size_t n = TD_MIN(b.len, sizeof(err.text) - 1);
    memcpy(err.text, td_buf_str(&b), n);
    td_buf_release(&b);
    core_refuse_error(c, in, &err);
}

void core_log(struct td_core *c, const char *fmt, ...)
{
    struct td_buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    vtext(&b, fmt, ap);
    va_end(ap);
    core_effect(c, TD_DO_LOG)->body = td_arena_strdup(&c->wake, td_buf_str(&b));
    td_buf_release(&b);
}

const char *core_text(struct td_arena *a, const char *fmt, ...)
{
    struct td_buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    vtext(&b, fmt, ap);
    va_end(ap);
    const char *s = td_arena_strdup(a, td_buf_str(&b));
    td_buf_release(&b);
    return s;
}

/* %s %u %d %llu %lld %c %%: what the words of the core need. */
static void vtext(struct td_buf *b, const char *fmt, va_list ap)
{
    for (const char *p = fmt; *p; p++) {
        if (*p != '%') {
            td_buf_putc(b, *p);
            continue;
        }
        p++;
        if (*p == 's') {
            const char *s = va_arg(ap, const char *);
            td_buf_puts(b, s ? s : "");
        } else if (*p == 'u') {
            td_buf_put_u64(b, va_arg(ap, unsigned));
        } else if (*p == 'd') {
            td_buf_put_i64(b, va_arg(ap, int));
        } else if (*p == 'c') {
            td_buf_putc(b, (char)va_arg(ap, int));
        } else if (*p == '%') {
            td_buf_putc(b, '%');
        } else {
            TD_ASSERT(p[0] == 'l' && p[1] == 'l' && (p[2] == 'u' || p[2] == 'd'));
            if (p[2] == 'u')
                td_buf_put_u64(b, va_arg(ap, unsigned long long));
            else
                td_buf_put_i64(b, va_arg(ap, long long));
            p += 2;
        }
    }
}

static void start_reign(struct td_core *c, const struct td_ev_epoch_began *ev)
{
    core_emit(c, TD_EV_EPOCH_BEGAN, ev);
    core_clock_restart(c);
    /* Everybody gets a fresh lease: that we were away is not the workers' fault. */
    int64_t lease = TD_MAX((int64_t)core_node_lease_ms(c), CORE_LEASE_RESTART_MS);
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        c->nodes.v[i]->heard_ms = c->now_ms;
        c->nodes.v[i]->lease_until_ms = c->now_ms + lease;
    }
    c->leases_next_ms = c->now_ms + lease;
    c->purge_next_ms = c->now_ms;
    c->begins_next_ms = c->now_ms;
    core_sessions_restart(c);
    c->dirty = true;
}

static void read_conf(struct td_core *c, const struct td_ev_conf_loaded *ev)
{
    uint32_t known = c->nodes.n;
    const char **lacked = td_arena_alloc(&c->wake, (known + 1) * sizeof(*lacked));
    for (uint32_t i = 0; i < known; i++)
        lacked[i] = core_node_shortage(c, c->nodes.v[i]);
    core_emit(c, TD_EV_CONF_LOADED, ev);
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        struct core_node *n = c->nodes.v[i];
        core_node_judge(c, n, i < known ? lacked[i] : NULL);
        if (!n->greeted)
            continue;
        /* Topics, units and partitions may be others now. */
        n->probed = false;
        struct td_refused r = {
            .code = TD_E_OK, .text = "the configuration was read again", .hello_again = true};
        core_send(c, n, n->peer, TD_MSG_REFUSED, &r);
    }
    core_probe_want(c);
}

void td_core_input(struct td_core *c, const struct td_input *in)
{
    TD_ASSERT(c->in_wake);
    c->counters.inputs++;
    switch (in->kind) {
    case TD_IN_REQUEST:
        if (!core_request(c, in))
            core_refuse(c, in, TD_E_UNKNOWN_MESSAGE, "the broker's core does not answer message %u",
                        in->id);
        return;
    case TD_IN_WORKER:
        core_worker(c, in);
        return;
    case TD_IN_START:
        start_reign(c, in->body);
        return;
    case TD_IN_CONF:
        read_conf(c, in->body);
        return;
    case TD_IN_CLOCK:
        core_clock_stepped(c, in->body);
        return;
    case TD_IN_SPACE:
        if (c->low_space != in->on)
            core_log(c, in->on ? "error journal: space is low, new work is refused"
                               : "info journal: space is back");
        c->low_space = in->on;
        c->low_space_mb = in->request;
        return;
    case TD_IN_GONE:
        core_steps_peer_gone(c, in->peer, in->request);
        return;
    case TD_IN_ENROL:
        TD_ASSERT(in->id == TD_EV_WORKER_ENROLLED || in->id == TD_EV_FRONT_ENROLLED || in->id == TD_EV_TOKEN_MADE ||
                  in->id == TD_EV_TOKEN_REVOKED || in->id == TD_EV_KEY_ROTATED);
        core_emit(c, in->id, in->body);
        return;
    case TD_IN_AUDIT:
        core_audit_input(c, in);
        return;
    }
}

void td_core_finish(struct td_core *c)
{
    TD_ASSERT(c->in_wake);
    core_nodes_expire(c);
    core_sessions_expire(c);
    core_steps_run(c);
    core_audit_run(c);
    core_purge_run(c);
    core_begins_run(c);
    core_reservations_run(c);
    core_deadlines_run(c);
    core_corr_run(c);
    core_usage_run(c);
    core_rounds_run(c);
    core_probe_run(c);
    core_reports_finish(c);
    core_awards_send(c);
    for (uint32_t i = 0; i < c->stirred.n; i++)
        c->nodes.v[c->stirred.v[i]]->stirred = false;
    c->stirred.n = 0;
    c->in_wake = false;
}

int64_t td_core_deadline(const struct td_core *c)
{
    int64_t at = INT64_MAX;
    core_sooner(&at, c->begins_next_ms);
    core_sooner(&at, c->reservations_next_ms);
    core_sooner(&at, c->deadlines_next_ms);
    core_sooner(&at, c->leases_next_ms);
    core_sooner(&at, c->resend_next_ms);
    core_sooner(&at, c->purge_next_ms);
    core_sooner(&at, c->retry_ms);
    core_sooner(&at, c->plan_next_ms);
    core_sooner(&at, c->probe_ms);
    core_sooner(&at, c->sessions_next_ms);
    core_sooner(&at, c->audit_next_ms);
    core_sooner(&at, core_usage_deadline(c));
    if (c->corr.n) /* the wake was full before it had looked at them */
        core_sooner(&at, c->now_ms);
    if (c->round.open)
        core_sooner(&at, c->round.deadline_ms);
    return at;
}

void td_core_get_sizes(const struct td_core *c, struct td_core_sizes *ret)
{
    *ret = (struct td_core_sizes){
        .jobs = c->jobs.n,
        .pending_tasks = (uint32_t)TD_MIN(c->nwaiting_tasks, (uint64_t)UINT32_MAX),
        .running = c->nrunning,
        .nodes = c->nodes.n,
        .shapes = td_ledger_shapes_kept(c->ledger),
        .bytes_jobs = c->bytes_jobs,
    };
    for (uint32_t i = 0; i < c->nodes.n; i++)
        ret->nodes_up += c->nodes.v[i]->state == TD_NODE_UP;
    for (uint32_t i = 0; i < c->partitions.n; i++)
        ret->partitions += !c->partitions.v[i]->gone;
}

void td_core_blobs(const struct td_core *c, td_blob_visit_fn *visit, void *ctx)
{
    const struct core_spec *last = NULL;
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        const struct core_spec *s = c->jobs.v[i]->spec;
        if (s == last)
            continue; /* tasks of one array come in a row */
        last = s;
        if (s->body.script_hash.n == 32)
            visit(ctx, s->body.script_hash.v);
        if (s->body.env_hash.n == 32)
            visit(ctx, s->body.env_hash.v);
    }
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        const struct core_alloc *a = c->jobs.v[i]->alloc;
        for (uint32_t k = 0; a && k < a->steps.n; k++) {
            if (a->steps.v[k]->spec->env_hash.n == 32)
                visit(ctx, a->steps.v[k]->spec->env_hash.v);
        }
    }
    for (uint32_t i = 0; i < c->step_waits.n; i++) {
        if (c->step_waits.v[i].ask->spec.env_hash.n == 32)
            visit(ctx, c->step_waits.v[i].ask->spec.env_hash.v);
    }
}
