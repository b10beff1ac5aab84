/* broker.c - the shell around the core as the live one does it, with a journal in memory and deaths in between */
#include "world.h"

#include <stdio.h>
#include <string.h>

/* Every twentieth run keeps a book of promises, every second of those conservatively; those with reservations have any policy. */
static const char *policy_of(const struct sim *s)
{
    static const char *const policies[] = {"easy", "conservative", "tender", "fifo", "sjbf"};

    if (sim_reserves(s))
        return policies[s->seed / 10 % TD_ARRAY_LEN(policies)];
    if (s->seed % 20 == 16)
        return s->seed % 40 == 16 ? "tender" : "conservative";
    return s->seed % 5 == 0 ? "fifo" : "easy";
}

static void conf_make(struct sim *s, struct td_arena *a, struct td_ev_conf_loaded *ret)
{
    static const uint32_t admins[] = {0};
    struct td_node_conf *node = td_arena_alloc(a, sizeof(*node));
    struct td_partition_conf *parts = td_arena_alloc(a, 2 * sizeof(*parts));
    char names[32];

    snprintf(names, sizeof(names), "n[1-%u]", sim_deletes(s) ? 1 : s->nnodes);
    *node = (struct td_node_conf){.names = td_arena_strdup(a, names)};
    parts[0] = (struct td_partition_conf){.name = "normal", .nodes = "ALL", .is_default = true, .max_s = TD_INFINITE, .state = "UP", .priority_tier = 1};
    parts[1] = (struct td_partition_conf){.name = "first", .nodes = "n1", .max_s = 7200, .default_s = 600, .state = "UP", .priority_tier = 2};
    *ret = (struct td_ev_conf_loaded){
        .settings = {.cluster = "sim", .lease_ms = 10000, .node_timeout_s = 60, .min_job_age_s = 1000000, .kill_wait_s = 5, .requeue = true,
                     .first_job = 1, .depth = 1, .core_is_unit = (s->seed & 1) != 0, .memory_counts = (s->seed & 2) != 0,
                     .elastic = true, .node_fence = s->fence, .admins = {admins, 1}, .backfill = policy_of(s),
                     .licenses = sim_reserves(s) ? "x:3,y" : NULL, .priority = sim_priority(s)},
        .nodes = {node, 1},
        .partitions = {parts, 2},
    };
}

static void *event_decode(struct sim *s, struct td_arena *a, uint32_t id, const uint8_t *data, uint32_t len)
{
    const struct td_event_row *row = td_event_row(id);
    struct td_error err = {0};
    void *body = td_arena_alloc(a, row->record->size);

    if (td_wire_get_record(a, row->record, data, len, body, &err) < 0)
        sim_fail(s, "event %s does not decode: %s", row->name, err.text);
    return body;
}

static void replay(struct sim *s, struct td_core *core)
{
    struct td_error err = {0};

    for (uint32_t i = 0; i < s->snapshot.n; i++) {
        const struct td_record *rec = td_core_snapshot_record(s->snapshot.v[i].kind);
        void *body = td_arena_alloc(&s->scratch, rec->size);
        if (td_wire_get_record(&s->scratch, rec, s->snapshot.v[i].data, s->snapshot.v[i].len, body, &err) < 0 ||
            td_core_restore(core, s->snapshot.v[i].kind, body, &err) < 0) {
            sim_fail(s, "snapshot does not restore: %s", err.text);
            return;
        }
    }
    for (uint32_t i = 0; i < s->journal.n; i++) {
        const struct sim_journaled *j = &s->journal.v[i];
        if (j->seq <= s->snapshot_seq)
            continue;
        struct td_event ev = {j->seq, j->time_ms, j->id, event_decode(s, &s->scratch, j->id, j->data, j->len)};
        td_core_apply(core, &ev);
    }
    td_arena_reset(&s->scratch);
}

static void commit(struct sim *s)
{
    uint32_t n;
    const struct td_event *ev = td_core_events(s->core, &n);

    for (uint32_t i = 0; i < n; i++) {
        struct td_buf b = {0};
        td_wire_put_record(&b, td_event_row(ev[i].id)->record, ev[i].body);
        struct sim_journaled j = {ev[i].seq, ev[i].time_ms, ev[i].id, b.data, (uint32_t)b.len};
        if (!j.data)
            j.data = td_alloc(1);
        td_vec_push(&s->journal, j);
        s->last_time = ev[i].time_ms;
        struct td_event again = {j.seq, j.time_ms, j.id, event_decode(s, &s->scratch, j.id, j.data, j.len)};
        sim_step_event(s, &again);
        td_core_apply(s->replica, &again);
        if (s->verbose) {
            struct td_buf json = {0};
            td_wire_json(&json, td_event_row(j.id)->record, again.body, TD_SEE_NOBODY);
            sim_log(s, "  #%lu %s %s", (unsigned long)j.seq, td_event_name(j.id), td_buf_str(&json));
            td_buf_release(&json);
        }
    }
    td_arena_reset(&s->scratch);
    if (n > 0 && td_core_digest(s->core) != td_core_digest(s->replica))
        sim_fail(s, "replica's digest differs after event %lu", (unsigned long)td_core_seq(s->core));
}

static void effect_do(struct sim *s, const struct td_effect *e)
{
    struct td_buf frame = {0};

    if (e->kind == TD_DO_LOG) {
        sim_log(s, "  %s", (const char *)e->body);
        return;
    }
    td_wire_put_frame(&frame, e->id, e->request, e->body);
    sim_trace(s, false, td_msg_row(e->id)->record, e->body, (uint32_t)e->peer);
    if (e->kind == TD_DO_REPLY) {
        sim_push(s, 0, SIM_REPLY, (uint32_t)e->peer, 0, s->life, &frame);
    } else if (e->kind == TD_DO_SEND) {
        for (uint32_t i = 0; i < s->nnodes; i++) {
            if (td_str_equal(s->nodes[i].name, e->node))
                sim_to_worker(s, i, false, &frame);
        }
    } else {
        for (uint32_t i = 0; i < s->nnodes; i++) {
            for (uint32_t k = 0; k < s->nodes[i].topics.n; k++) {
                if (td_str_prefix(e->topic, s->nodes[i].topics.v[k])) {
                    sim_to_worker(s, i, true, &frame);
                    break;
                }
            }
        }
    }
    td_buf_release(&frame);
}

/* One input of the inbox, decoded as the live shell decodes it. */
static void input_give(struct sim *s, const struct sim_item *it)
{
    struct td_frame f;
    struct td_error err = {0};
    struct td_input in = {.peer = it->a};

    if (it->kind == SIM_REQUEST && it->b) {
        in.kind = TD_IN_GONE;
        td_core_input(s->core, &in);
        s->requests.v[it->a].gone_seq = td_core_seq(s->core);
        return;
    }
    if (td_wire_get_frame(&s->scratch, it->data, it->len, &f, &err) < 0) {
        sim_fail(s, "frame does not decode: %s", err.text);
        return;
    }
    in.kind = it->kind == SIM_TO_BROKER ? TD_IN_WORKER : TD_IN_REQUEST;
    sim_trace(s, true, f.row->record, f.body, it->a);
    in.request = f.request;
    in.id = f.id;
    in.body = f.body;
    if (in.kind == TD_IN_WORKER) {
        in.node = s->nodes[it->a].name;
    } else {
        bool any = f.id == TD_MSG_STEP_CREATE || f.id == TD_MSG_STEP_SIGNAL || f.id == TD_MSG_SESSION_CLOSE ||
                   f.id == TD_MSG_SESSION_HEARD;
        any = any || f.id == TD_MSG_DELETE_NODE || f.id == TD_MSG_SET_RESERVATION || f.id == TD_MSG_DELETE_RESERVATION ||
              (f.id == TD_MSG_CHANGE_ACCOUNTS && it->a % 8);
        in.uid = f.id == TD_MSG_UPDATE_NODE || any ? 0 : 1000 + it->a % 3;
        in.gid = 100;
    }
    td_core_input(s->core, &in);
}

int64_t sim_broker_now(const struct sim *s)
{
    return TD_MAX(s->now + s->skew, s->last_time);
}

/* As the live shell: the step first, then what came in; the next wake is after it. */
static void step_tell(struct sim *s)
{
    struct td_ev_clock_stepped ev = {.delta_ms = s->step_ms};

    if (!s->step_ms)
        return;
    sim_log(s, "clock steps by %ld ms", (long)s->step_ms);
    td_core_input(s->core, &(struct td_input){.kind = TD_IN_CLOCK, .id = TD_EV_CLOCK_STEPPED, .body = &ev});
    s->skew += TD_MAX(s->step_ms, 0);
    s->step_ms = 0;
}

/* `death`: 0 lives on, 1 before the commit, 2 behind it, 3 between two effects. */
static void wake(struct sim *s, uint32_t death)
{
    uint32_t n;

    s->busy = false;
    td_core_wake(s->core, sim_broker_now(s));
    step_tell(s);
    for (uint32_t i = 0; i < s->inbox.n; i++) {
        if (!sim_failed(s))
            input_give(s, &s->inbox.v[i]);
        td_free(s->inbox.v[i].data);
    }
    s->inbox.n = 0;
    td_core_finish(s->core);
    if (death == 1)
        return;
    /* bodies of inputs live in scratch until the commit has encoded the events made from them */
    commit(s);
    if (death == 2)
        return;
    const struct td_effect *e = td_core_effects(s->core, &n);
    uint32_t upto = death == 3 && n > 0 ? td_rng_below(&s->rng, n) : n;
    for (uint32_t i = 0; i < upto; i++)
        effect_do(s, &e[i]);
}

void sim_broker_wake(struct sim *s)
{
    wake(s, 0);
}

void sim_broker_take(struct sim *s, struct sim_item *it)
{
    bool lost = !s->core || it->life != s->life || (it->kind == SIM_TO_BROKER && s->nodes[it->a].cut);

    if (lost) {
        td_free(it->data);
        return;
    }
    td_vec_push(&s->inbox, *it);
    if (!s->busy) {
        s->busy = true; /* now and then the broker stalls, and its input piles up */
        s->wake_at = s->now + (s->calm || td_rng_below(&s->rng, 100) ? 0 : td_rng_below(&s->rng, 3000));
    }
}

static void snap_emit(void *ctx, uint32_t kind, const struct td_record *rec, const void *body)
{
    struct sim *s = ctx;
    struct td_buf b = {0};

    td_wire_put_record(&b, rec, body);
    if (!b.data)
        td_buf_put(&b, "", 0);
    struct sim_snap snap = {kind, b.data, (uint32_t)b.len};
    td_vec_push(&s->snapshot, snap);
}

static void snapshot_make(struct sim *s)
{
    for (uint32_t i = 0; i < s->snapshot.n; i++)
        td_free(s->snapshot.v[i].data);
    s->snapshot.n = 0;
    td_core_snapshot(s->replica, snap_emit, s);
    s->snapshot_seq = td_core_seq(s->replica);
}

void sim_broker_start(struct sim *s)
{
    struct td_ev_epoch_began began = {.epoch = ++s->epoch, .version = "sim", .host = "sim"};
    struct td_ev_conf_loaded conf;
    struct td_arena a = {0};

    sim_log(s, "broker starts, epoch %lu", (unsigned long)s->epoch);
    if (s->replica && td_rng_below(&s->rng, 2))
        snapshot_make(s); /* the front's replica stands for the one beside the broker: its snapshot, the journal's rest */
    s->life++;
    s->core = td_core_new(s->seed + s->epoch);
    replay(s, s->core);
    if (!s->replica) {
        s->replica = td_core_new(1);
    } else if (td_core_digest(s->core) != td_core_digest(s->replica)) {
        sim_fail(s, "digest after replay differs from the one before the crash");
    }
    if (sim_failed(s))
        return;
    conf_make(s, &a, &conf);
    td_core_wake(s->core, sim_broker_now(s));
    step_tell(s);
    td_core_input(s->core, &(struct td_input){.kind = TD_IN_START, .id = TD_EV_EPOCH_BEGAN, .body = &began});
    if (s->epoch == 1)
        td_core_input(s->core, &(struct td_input){.kind = TD_IN_CONF, .id = TD_EV_CONF_LOADED, .body = &conf});
    td_core_finish(s->core);
    commit(s);
    uint32_t n;
    const struct td_effect *e = td_core_effects(s->core, &n);
    for (uint32_t i = 0; i < n; i++)
        effect_do(s, &e[i]);
    td_arena_release(&a);
    for (uint32_t i = 0; i < s->nnodes; i++) {
        /* Most workers learn of it by their new connection, early or late; some only by their next message. */
        if (td_rng_below(&s->rng, 4))
            sim_push(s, td_rng_below(&s->rng, 3000), SIM_REDIALLED, i, 0, 0, NULL);
    }
    sim_clients_retry(s);
}

void sim_broker_die(struct sim *s)
{
    uint32_t death = 1 + td_rng_below(&s->rng, 3);

    if (!s->core)
        return;
    wake(s, death);
    sim_log(s, "broker dies (%s)", death == 1 ? "before its commit" : death == 2 ? "behind its commit" : "between effects");
    for (uint32_t i = 0; i < s->inbox.n; i++)
        td_free(s->inbox.v[i].data);
    s->inbox.n = 0;
    s->busy = false;
    s->life++;
    td_core_destroy(&s->core);
    sim_push(s, 100 + td_rng_below(&s->rng, 5000), SIM_BROKER_STARTS, 0, 0, 0, NULL);
}
