/* film.c - see film.h */
#include "film.h"

#include "wire/wire.h"

static void wake(struct film *f);

int film_open(void **state)
{
    struct film *f = td_alloc(sizeof(*f));
    static const uint32_t operators[] = {77};
    f->now = FILM_T0;
    f->settings = (struct td_settings){.cluster = "film",
                                       .lease_ms = 10 * SEC,
                                       .node_timeout_s = 60,
                                       .min_job_age_s = 300,
                                       .kill_wait_s = 30,
                                       .requeue = true,
                                       .first_job = 1,
                                       .elastic = true,
                                       .operators = {operators, 1}};
    *state = f;
    return 0;
}

int film_close(void **state)
{
    struct film *f = *state;
    td_core_destroy(&f->core);
    td_core_destroy(&f->replica);
    for (uint32_t i = 0; i < f->nworkers; i++) {
        td_vec_release(&f->workers[i].held);
        td_vec_release(&f->workers[i].steps);
        td_vec_release(&f->workers[i].unacked);
    }
    td_vec_release(&f->journal);
    td_vec_release(&f->inbox);
    td_vec_release(&f->inputs);
    td_vec_release(&f->asked);
    td_vec_release(&f->partitions);
    td_vec_release(&f->node_confs);
    td_arena_release(&f->arena);
    td_free(f);
    return 0;
}

void film_partition(struct film *f, struct td_partition_conf p)
{
    if (!p.nodes)
        p.nodes = "ALL";
    if (!p.max_s)
        p.max_s = TD_INFINITE;
    if (!p.priority_tier)
        p.priority_tier = 1;
    td_vec_push(&f->partitions, p);
}

void film_node(struct film *f, struct td_node_conf n)
{
    td_vec_push(&f->node_confs, n);
}

static void input(struct film *f, struct td_input in)
{
    td_vec_push(&f->inbox, in);
}

static void give_conf(struct film *f)
{
    struct td_ev_conf_loaded *ev = td_arena_alloc(&f->arena, sizeof(*ev));
    *ev = (struct td_ev_conf_loaded){.settings = f->settings,
                                     .nodes = {f->node_confs.v, f->node_confs.n},
                                     .partitions = {f->partitions.v, f->partitions.n}};
    input(f, (struct td_input){.kind = TD_IN_CONF, .id = TD_EV_CONF_LOADED, .body = ev});
}

static void give_start(struct film *f)
{
    struct td_ev_epoch_began *ev = td_arena_alloc(&f->arena, sizeof(*ev));
    ev->epoch = ++f->epoch;
    input(f, (struct td_input){.kind = TD_IN_START, .id = TD_EV_EPOCH_BEGAN, .body = ev});
}

void film_start(struct film *f)
{
    if (f->partitions.n == 0)
        film_partition(f, (struct td_partition_conf){.name = "main", .is_default = true});
    f->core = td_core_new(1);
    f->replica = td_core_new(2);
    give_start(f);
    give_conf(f);
    film_run(f);
}

void film_configure(struct film *f)
{
    give_conf(f);
    film_run(f);
}

struct copying {
    struct td_core *to;
    struct td_error err;
};

static void copy_record(void *ctx, uint32_t kind, const struct td_record *rec, const void *body)
{
    struct copying *copy = ctx;
    assert_ptr_equal(rec, td_core_snapshot_record(kind));
    assert_int_equal(td_core_restore(copy->to, kind, body, &copy->err), 0);
}

void film_restart(struct film *f, bool snapshot)
{
    struct td_core *again = td_core_new(3);
    if (snapshot) {
        struct copying copy = {.to = again};
        td_core_snapshot(f->core, copy_record, &copy);
    } else {
        for (uint32_t i = 0; i < f->journal.n; i++)
            td_core_apply(again, &f->journal.v[i]);
    }
    assert_int_equal(td_core_digest(again), td_core_digest(f->core));
    struct td_error err;
    assert_true(td_core_check(again, &err));
    td_core_destroy(&f->core);
    f->core = again;
    give_start(f);
    film_run(f);
}

/* --- workers
 * ------------------------------------------------------------------------------------------------------
 */

static struct td_inventory inventory_of(struct film *f, const struct film_worker *w)
{
    uint8_t *bits = td_arena_alloc(&f->arena, 64);
    uint32_t threads = TD_MAX(w->threads, 1u), ncores = w->cpus / threads;
    struct td_cpu_core *cores = td_arena_alloc(&f->arena, ncores * sizeof(*cores));
    for (uint32_t i = 0; i < ncores; i++) {
        uint8_t *core = td_arena_alloc(&f->arena, 64);
        for (uint32_t cpu = i * threads; cpu < (i + 1) * threads; cpu++) {
            td_bits_set(bits, cpu);
            td_bits_set(core, cpu);
        }
        cores[i].cpus = (struct td_bin){core, 64};
    }
    struct td_device *devices = td_arena_alloc(&f->arena, (w->gpus + 1) * sizeof(*devices));
    for (uint32_t i = 0; i < w->gpus; i++)
        devices[i].index = i;
    struct td_gres_stock *gpu = td_arena_alloc(&f->arena, sizeof(*gpu));
    *gpu = (struct td_gres_stock){
        .name = "gpu", .type = "t4", .count = w->gpus, .devices = {devices, w->gpus}};
    return (struct td_inventory){.hostname = w->name,
                                 .runs_as = w->runs_as,
                                 .cpus = {bits, 64},
                                 .sockets = 1,
                                 .cores_per_socket = ncores,
                                 .threads_per_core = threads,
                                 .memory_mb = 16000,
                                 .tmp_mb = 1000,
                                 .cores = {cores, ncores},
                                 .gres = {gpu, w->gpus ? 1 : 0}};
}

void film_say(struct film *f, struct film_worker *w, uint32_t id, const void *body)
{
    const struct td_msg_row *row = td_msg_row(id);
    void *copy = td_arena_alloc(&f->arena, row->record->size);
    td_record_copy(&f->arena, row->record, body, copy);
    if (w->on && !w->silent)
        input(f, (struct td_input){.kind = TD_IN_WORKER,
                                   .peer = 100 + (uint64_t)(w - f->workers),
                                   .node = w->name,
                                   .id = id,
                                   .body = copy});
}

static void hello(struct film *f, struct film_worker *w)
{
    struct td_running *running = td_arena_alloc(&f->arena, (w->held.n + 1) * sizeof(*running));
    for (uint32_t i = 0; i < w->held.n; i++)
        running[i] = (struct td_running){.job = w->held.v[i].job,
                                         .attempt = w->held.v[i].attempt,
                                         .exited = w->held.v[i].exited,
                                         .with_steps = w->says_steps};
    for (uint32_t i = 0; i < w->held.n && w->says_steps; i++) {
        uint32_t *steps = td_arena_alloc(&f->arena, (w->steps.n + 1) * sizeof(*steps)), n = 0;
        for (uint32_t k = 0; k < w->steps.n; k++) {
            if (w->steps.v[k].job == running[i].job)
                steps[n++] = w->steps.v[k].step;
        }
        running[i].steps = (struct td_u32s){steps, n};
    }
    struct td_hello m = {.version = TD_PROTOCOL_VERSION,
                         .node = w->name,
                         .boot_id = w->boot,
                         .incarnation = w->incarnation,
                         .inventory = inventory_of(f, w),
                         .running = {running, w->held.n},
                         .node_version = w->version,
                         .instance = w->instance,
                         .at_ms = f->old_workers ? 0 : f->now};
    film_say(f, w, TD_MSG_HELLO, &m);
}

struct film_worker *film_worker(struct film *f, const char *name, uint32_t cpus, uint32_t gpus)
{
    struct film_worker *w = &f->workers[f->nworkers++];
    *w = (struct film_worker){
        .cpus = cpus, .gpus = gpus, .threads = TD_MAX(f->threads, 1u), .on = true, .version = 1};
    snprintf(w->name, sizeof(w->name), "%s", name);
    snprintf(w->boot, sizeof(w->boot), "%s-b1", name);
    snprintf(w->instance, sizeof(w->instance), "%s-i1", name);
    hello(f, w);
    film_run(f);
    film_advance(f, 30); /* probes repeat until they are echoed */
    return w;
}

void film_worker_again(struct film *f, struct film_worker *w, bool reboot, bool forgets)
{
    w->instance[strlen(w->instance) - 1]++;
    if (reboot) {
        w->boot[strlen(w->boot) - 1]++;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < w->held.n; i++) {
            if (w->held.v[i].exited)
                w->held.v[kept++] = w->held.v[i];
        }
        w->held.n = kept;
        w->steps.n = 0;
        w->unacked.n = 0;
        w->report_no = 0;
    }
    if (forgets)
        w->incarnation = 0;
    w->on = true;
    hello(f, w);
    film_run(f);
    film_advance(f, 30);
}

static bool is_held(const struct film_worker *w, uint32_t cpu, bool gpu)
{
    for (uint32_t i = 0; i < w->held.n; i++) {
        if (gpu ? td_bits_get(w->held.v[i].gpus, 8, cpu) : td_bits_get(w->held.v[i].cpus, 64, cpu))
            return true;
    }
    return false;
}

static uint32_t pick(const struct film_worker *w, uint32_t total, uint32_t want, bool gpu,
                     uint8_t *taken, uint8_t *ret)
{
    uint32_t have = 0;
    for (uint32_t i = 0; i < total && have < want; i++) {
        if (is_held(w, i, gpu) || td_bits_get(taken, 64, i))
            continue;
        td_bits_set(ret, i);
        have++;
    }
    if (have < want)
        return 0;
    for (uint32_t i = 0; i < total; i++) {
        if (td_bits_get(ret, gpu ? 8 : 64, i))
            td_bits_set(taken, i);
    }
    return 1;
}

/* part: tasks, or shared devices */
static bool place(struct film *f, struct film_worker *w, const struct td_shape *s, uint32_t part,
                  uint8_t *cpus_taken, uint8_t *gpus_taken, struct td_placement *ret)
{
    uint8_t *cpus = td_arena_alloc(&f->arena, 64), *gpus = td_arena_alloc(&f->arena, 64);
    uint32_t tasks = td_shape_shared(s) ? td_shape_share_tasks(s, part) : part;
    uint32_t ngpus = s->gres.n ? (uint32_t)s->gres.v[0].count : 0;
    ngpus += td_shape_shared(s) ? part : s->gres_task.n ? tasks * (uint32_t)s->gres_task.v[0].count : 0;
    uint32_t ncpus = TD_MAX(tasks * s->cpus_per_task, ngpus * s->cpus_per_gpu);
    if (f->settings.core_is_unit)
        ncpus = (ncpus + w->threads - 1) / w->threads * w->threads;
    if (!pick(w, w->cpus, ncpus, false, cpus_taken, cpus))
        return false;
    if (ngpus && !pick(w, w->gpus, ngpus, true, gpus_taken, gpus))
        return false;
    struct td_gres_held *g = td_arena_alloc(&f->arena, sizeof(*g));
    *g = (struct td_gres_held){.name = "gpu", .type = "t4", .count = ngpus, .devices = {gpus, 8}};
    *ret = (struct td_placement){.node = w->name,
                                 .tasks = tasks,
                                 .cpus = {cpus, 64},
                                 .memory_mb = s->mem_mb + s->mem_mb_per_gpu * ngpus,
                                 .gres = {g, ngpus ? 1 : 0}};
    return true;
}

static void answer_lot(struct film *f, struct film_worker *w, const struct td_lot *lot,
                       struct td_lot_bid *ret)
{
    const struct td_shape *s = &lot->shape;
    bool multi = s->nodes_max > 1;
    uint8_t cpus[64] = {0}, gpus[64] = {0};
    struct td_placement *v = td_arena_alloc(&f->arena, (lot->count + 1) * sizeof(*v));
    uint32_t n = 0, shared = (uint32_t)td_shape_shared(s);
    uint32_t part = shared ? shared : s->tasks_max, least = shared ? 1 : s->tasks_min;
    *ret = (struct td_lot_bid){.lot = lot->lot, .score = w->score ? w->score : 500, .fit = 500, .refusal = w->refuses};
    if (w->refuses)
        return;
    if (multi) {
        while (part >= least && !place(f, w, s, part, cpus, gpus, &v[0])) {
            memset(cpus, 0, sizeof(cpus));
            memset(gpus, 0, sizeof(gpus));
            part--;
        }
        n = part >= least;
    } else {
        while (n < lot->count && place(f, w, s, part, cpus, gpus, &v[n]))
            n++;
    }
    ret->fits = multi && n ? v[0].tasks : n;
    ret->placements = (struct td_placement_list){v, n};
    ret->refusal = n ? TD_REFUSAL_NONE : TD_REFUSAL_CPUS;
}

static void bid(struct film *f, struct film_worker *w, const struct td_offer *o)
{
    struct td_lot_bid *lots = td_arena_alloc(&f->arena, o->lots.n * sizeof(*lots));
    w->offers++;
    for (uint32_t i = 0; i < o->lots.n; i++)
        answer_lot(f, w, &o->lots.v[i], &lots[i]);
    struct td_bid b = {.epoch = o->epoch,
                       .round = o->round,
                       .incarnation = w->incarnation,
                       .node_version = w->version,
                       .lots = {lots, o->lots.n}};
    film_say(f, w, TD_MSG_BID, &b);
}

void film_report(struct film *f, struct film_worker *w, struct td_report r, bool numbered)
{
    if (numbered) {
        r.no = ++w->report_no;
        td_vec_push(&w->unacked, r);
    }
    struct td_report_batch m = {
        .incarnation = w->incarnation, .reports = {&r, 1}, .node_version = ++w->version};
    film_say(f, w, TD_MSG_REPORT, &m);
}

static int held_at(const struct film_worker *w, uint32_t job, uint32_t attempt)
{
    for (uint32_t i = 0; i < w->held.n; i++) {
        if (w->held.v[i].job == job && (!attempt || w->held.v[i].attempt == attempt))
            return (int)i;
    }
    return -1;
}

static void take_award(struct film *f, struct film_worker *w, const struct td_award *a)
{
    w->awards++;
    td_record_copy(&f->arena, &td_rec_award, a, &w->last_award);
    if (held_at(w, a->job, a->attempt) >= 0)
        return; /* had it already */
    if (w->declines) {
        w->declines--;
        film_report(f, w,
                    (struct td_report){.kind = TD_REPORT_DECLINED,
                                       .job = a->job,
                                       .attempt = a->attempt,
                                       .refusal = TD_REFUSAL_LAUNCH,
                                       .text = "no"},
                    false);
        return;
    }
    struct film_held h = {.job = a->job, .attempt = a->attempt};
    for (uint32_t i = 0; i < 512; i++) {
        if (td_bits_get(a->place.cpus.v, a->place.cpus.n, i))
            td_bits_set(h.cpus, i);
        if (i < 64 && a->place.gres.n &&
            td_bits_get(a->place.gres.v[0].devices.v, a->place.gres.v[0].devices.n, i))
            td_bits_set(h.gpus, i);
    }
    td_vec_push(&w->held, h);
    if (!w->lazy)
        film_report(
            f, w,
            (struct td_report){.kind = TD_REPORT_ACCEPTED, .job = a->job, .attempt = a->attempt},
            true);
}

static void drop(struct film_worker *w, int at)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < w->steps.n; i++) {
        if (w->steps.v[i].job != w->held.v[at].job)
            w->steps.v[k++] = w->steps.v[i];
    }
    w->steps.n = k;
    memmove(&w->held.v[at], &w->held.v[at + 1],
            (w->held.n - (uint32_t)at - 1) * sizeof(*w->held.v));
    w->held.n--;
}

static int step_at(const struct film_worker *w, uint32_t job, uint32_t step)
{
    for (uint32_t i = 0; i < w->steps.n; i++) {
        if (w->steps.v[i].job == job && w->steps.v[i].step == step)
            return (int)i;
    }
    return -1;
}

void film_step_report(struct film *f, struct film_worker *w, uint32_t kind, uint32_t job,
                      uint32_t step, uint32_t code)
{
    film_report(f, w,
                (struct td_report){.kind = kind,
                                   .job = job,
                                   .attempt = film_job(f, job)->attempt,
                                   .step = step,
                                   .exit_code = code},
                kind != TD_REPORT_SIGNALLED);
}

static void forget_step(struct film_worker *w, int at)
{
    memmove(&w->steps.v[at], &w->steps.v[at + 1],
            (w->steps.n - (uint32_t)at - 1) * sizeof(*w->steps.v));
    w->steps.n--;
}

static void take_start(struct film *f, struct film_worker *w, const struct td_step_launch *s)
{
    w->starts++;
    td_record_copy(&f->arena, &td_rec_step_launch, s, &w->last_start);
    assert_true(held_at(w, s->job, s->attempt) >= 0); /* only where the allocation is */
    if (w->declines_steps) {
        w->declines_steps--;
        film_report(f, w,
                    (struct td_report){.kind = TD_REPORT_DECLINED,
                                       .job = s->job,
                                       .attempt = s->attempt,
                                       .step = s->step,
                                       .text = "no such program"},
                    false);
        return;
    }
    if (step_at(w, s->job, s->step) < 0) {
        struct film_step is = {s->job, s->attempt, s->step, s->place.ranks.n};
        td_vec_push(&w->steps, is);
    }
    if (!w->lazy_steps)
        film_step_report(f, w, TD_REPORT_STARTED, s->job, s->step, 0);
}

static void kill_step(struct film *f, struct film_worker *w, const struct td_kill *k)
{
    uint32_t step = k->step - 1;
    int at = step_at(w, k->job, step);
    if (k->signal)
        w->last_step_signal = k->signal;
    else
        w->step_kills++;
    if (w->lazy_steps)
        return;
    struct td_report r = {.kind = TD_REPORT_EXITED,
                          .job = k->job,
                          .attempt = k->attempt,
                          .step = step,
                          .signal = k->signal ? k->signal : 15};
    if (k->signal && at >= 0)
        r.kind = TD_REPORT_SIGNALLED;
    else if (at >= 0)
        forget_step(w, at);
    else
        r.kind = TD_REPORT_DECLINED;
    film_report(f, w, r, r.kind == TD_REPORT_EXITED);
}

void film_step_exit(struct film *f, struct film_worker *w, uint32_t job, uint32_t step,
                    uint32_t code)
{
    int at = step_at(w, job, step);
    assert_true(at >= 0);
    forget_step(w, at);
    film_step_report(f, w, TD_REPORT_EXITED, job, step, code);
    film_run(f);
}

static void take_kill(struct film *f, struct film_worker *w, const struct td_kill *k)
{
    int at = held_at(w, k->job, k->attempt);
    if (k->step) {
        kill_step(f, w, k);
        return;
    }
    if (k->limit_s) {
        w->last_limit = k->limit_s;
        film_report(
            f, w,
            (struct td_report){.kind = TD_REPORT_ADJUSTED, .job = k->job, .attempt = k->attempt},
            false);
        return;
    }
    if (k->signal) {
        w->last_signal = k->signal;
        film_report(f, w,
                    (struct td_report){.kind = TD_REPORT_SIGNALLED,
                                       .job = k->job,
                                       .attempt = k->attempt,
                                       .step = TD_STEP_BATCH,
                                       .signal = k->signal},
                    false);
        return;
    }
    w->kills++;
    if (w->stubborn)
        return;
    if (at >= 0)
        drop(w, at);
    film_report(f, w,
                (struct td_report){.kind = TD_REPORT_GONE, .job = k->job, .attempt = k->attempt},
                true);
}

static void take_message(struct film *f, struct film_worker *w, uint32_t id, const void *body)
{
    if (!w->on)
        return;
    switch (id) {
    case TD_MSG_WELCOME: {
        const struct td_welcome *m = body;
        w->incarnation = m->incarnation;
        w->fence_ms = m->fence_ms;
        w->answered_ms = m->at_ms;
        for (uint32_t i = 0; i < m->kills.n; i++) {
            struct td_kill k = {.job = m->kills.v[i].job, .attempt = m->kills.v[i].attempt};
            take_kill(f, w, &k);
        }
        return;
    }
    case TD_MSG_REFUSED: {
        const struct td_refused *m = body;
        w->refused_code = m->code;
        if (m->hello_again) {
            w->hello_agains++;
            hello(f, w);
        }
        return;
    }
    case TD_MSG_HEARTBEAT_ACK:
        w->answered_ms = TD_MAX(w->answered_ms, ((const struct td_heartbeat_ack *)body)->at_ms);
        return;
    case TD_MSG_LEAVE:
        if (((const struct td_leave *)body)->incarnation == w->incarnation)
            w->on = false;
        return;
    case TD_MSG_PROBE: {
        struct td_probe_echo e = {.incarnation = w->incarnation,
                                  .no = ((const struct td_probe *)body)->no};
        film_say(f, w, TD_MSG_PROBE_ECHO, &e);
        return;
    }
    case TD_MSG_OFFER:
        if (!w->deaf)
            bid(f, w, body);
        return;
    case TD_MSG_AWARD: {
        const struct td_award_batch *m = body;
        for (uint32_t i = 0; i < m->awards.n; i++) {
            assert_true(m->awards.v[i].spec < m->specs.n);
            take_award(f, w, &m->awards.v[i]);
        }
        return;
    }
    case TD_MSG_STEP_START: {
        const struct td_step_start *m = body;
        for (uint32_t i = 0; i < m->steps.n; i++)
            take_start(f, w, &m->steps.v[i]);
        return;
    }
    case TD_MSG_KILL: {
        const struct td_kill_batch *m = body;
        for (uint32_t i = 0; i < m->kills.n; i++)
            take_kill(f, w, &m->kills.v[i]);
        return;
    }
    case TD_MSG_REPORT_ACK: {
        uint64_t acked = ((const struct td_report_ack *)body)->acked;
        uint32_t k = 0;
        for (uint32_t i = 0; i < w->unacked.n; i++) {
            if (w->unacked.v[i].no > acked)
                w->unacked.v[k++] = w->unacked.v[i];
        }
        w->unacked.n = k;
        return;
    }
    default:
        return;
    }
}

void film_hear(struct film *f, struct film_worker *w, uint32_t id, const void *body)
{
    take_message(f, w, id, body);
}

void film_let_go(struct film *f, struct film_worker *w, uint32_t job)
{
    int at = held_at(w, job, 0);
    assert_true(at >= 0);
    uint32_t attempt = w->held.v[at].attempt;
    drop(w, at);
    film_report(f, w, (struct td_report){.kind = TD_REPORT_GONE, .job = job, .attempt = attempt},
                true);
    film_run(f);
}

void film_accept(struct film *f, struct film_worker *w, uint32_t job)
{
    int at = held_at(w, job, 0);
    assert_true(at >= 0);
    film_report(f, w,
                (struct td_report){
                    .kind = TD_REPORT_ACCEPTED, .job = job, .attempt = w->held.v[at].attempt},
                true);
    film_run(f);
}

void film_exit(struct film *f, uint32_t job, uint32_t code)
{
    struct core_job *j = film_job(f, job);
    assert_non_null(j);
    assert_non_null(j->alloc);
    for (uint32_t i = 0; i < f->nworkers; i++) {
        struct film_worker *w = &f->workers[i];
        if (!td_str_equal(w->name, j->alloc->parts[0].node->name))
            continue;
        uint32_t attempt = j->attempt;
        film_report(f, w,
                    (struct td_report){.kind = TD_REPORT_EXITED,
                                       .step = TD_STEP_BATCH,
                                       .job = job,
                                       .attempt = attempt,
                                       .exit_code = code},
                    true);
        int at = held_at(w, job, attempt);
        assert_true(at >= 0);
        drop(w, at);
        film_report(
            f, w, (struct td_report){.kind = TD_REPORT_GONE, .job = job, .attempt = attempt}, true);
    }
    film_run(f);
}

/* --- the broker's shell
 * ------------------------------------------------------------------------------------------- */

static void commit(struct film *f)
{
    uint32_t n;
    const struct td_event *ev = td_core_events(f->core, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct td_record *rec = td_event_row(ev[i].id)->record;
        struct td_event copy = ev[i];
        void *body = td_arena_alloc(&f->arena, rec->size);
        td_record_copy(&f->arena, rec, ev[i].body, body);
        copy.body = body;
        td_vec_push(&f->journal, copy);
        td_core_apply(f->replica, &copy);
    }
    struct td_error err = {0};
    if (!td_core_check(f->core, &err))
        fail_msg("invariant: %s", err.text);
    assert_int_equal(td_core_digest(f->core), td_core_digest(f->replica));
}

static void take_step_reply(struct film *f, const struct td_effect *e, struct film_answer *a)
{
    assert_int_equal(a->id, 0); /* answered once */
    a->id = e->id;
    if (e->id == TD_MSG_ERROR) {
        const struct td_error_reply *r = e->body;
        a->code = r->code;
        snprintf(a->text, sizeof(a->text), "%s", r->text ? r->text : "");
        return;
    }
    assert_int_equal(e->id, TD_MSG_STEP_CREATED);
    struct td_step_created copy;
    td_record_copy(&f->arena, &td_rec_step_created, e->body, &copy);
    a->step = copy.step;
    a->places = copy.places;
}

static void take_reply(struct film *f, const struct td_effect *e)
{
    for (uint32_t i = 0; i < f->asked.n; i++) {
        if (f->asked.v[i].request == e->request) {
            take_step_reply(f, e, &f->asked.v[i]);
            return;
        }
    }
    f->reply = e->id;
    f->code = 0;
    f->text[0] = '\0';
    if (e->id == TD_MSG_ERROR) {
        const struct td_error_reply *r = e->body;
        f->code = r->code;
        snprintf(f->text, sizeof(f->text), "%s", r->text ? r->text : "");
    } else if (e->id == TD_MSG_SUBMITTED) {
        f->job = ((const struct td_submitted *)e->body)->job;
        td_record_copy(&f->arena, &td_rec_submitted, e->body, &f->submitted);
    } else if (e->id == TD_MSG_EXPLAINED) {
        td_record_copy(&f->arena, &td_rec_explained, e->body, &f->explained);
    } else if (e->id == TD_MSG_DONE) {
        const struct td_done *d = e->body;
        f->count = d->count;
        f->nerrors = d->errors.n;
        if (d->errors.n) {
            f->code = d->errors.v[0].code;
            snprintf(f->text, sizeof(f->text), "%s: %s", d->errors.v[0].name, d->errors.v[0].text);
        }
    }
}

static void carry(struct film *f, const struct td_effect *e)
{
    if (e->kind == TD_DO_REPLY) {
        take_reply(f, e);
        return;
    }
    for (uint32_t i = 0; i < f->nworkers; i++) {
        if (e->kind == TD_DO_PUBLISH || (e->kind == TD_DO_SEND && e->peer == 100 + i))
            take_message(f, &f->workers[i], e->id, e->body);
    }
}

static struct td_bin encoded(struct film *f, const struct td_record *rec, const void *body)
{
    struct td_buf b = {0};
    td_wire_put_record(&b, rec, body);
    struct td_bin bytes = {td_arena_dup(&f->arena, b.data, b.len), (uint32_t)b.len};
    td_buf_release(&b);
    return bytes;
}

static void log_inputs(struct film *f, const struct td_input *in, uint32_t n)
{
    struct td_wake_input *v = td_arena_alloc(&f->arena, (n + 1) * sizeof(*v));
    struct td_wake w = {
        .now_ms = f->now, .seq = td_core_seq(f->core), .seed = 1, .inputs = {v, n}};
    struct film_wake kept = {0};
    for (uint32_t i = 0; i < n; i++) {
        bool message = in[i].kind == TD_IN_REQUEST || in[i].kind == TD_IN_WORKER;
        v[i] = (struct td_wake_input){.kind = in[i].kind,
                                      .peer = in[i].peer,
                                      .request = in[i].request,
                                      .uid = in[i].uid,
                                      .gid = in[i].gid,
                                      .node = in[i].node,
                                      .id = in[i].id,
                                      .on = in[i].on};
        if (in[i].body)
            v[i].body = encoded(f, message ? td_msg_row(in[i].id)->record
                                           : td_event_row(in[i].id)->record, in[i].body);
        kept.reign |= in[i].kind == TD_IN_START;
    }
    struct td_bin bytes = encoded(f, &td_rec_wake, &w);
    kept.data = (uint8_t *)(uintptr_t)bytes.v;
    kept.len = bytes.n;
    td_vec_push(&f->inputs, kept);
}

static void wake(struct film *f)
{
    TD_VEC(struct td_input) in = {0};
    for (uint32_t i = 0; i < f->inbox.n; i++)
        td_vec_push(&in, f->inbox.v[i]);
    f->inbox.n = 0;
    if (f->logs_inputs)
        log_inputs(f, in.v, in.n);
    td_core_wake(f->core, f->now);
    for (uint32_t i = 0; i < in.n; i++)
        td_core_input(f->core, &in.v[i]);
    if (f->watch_us)
        td_core_stopwatch(f->core, f->watch_us += 250);
    td_core_finish(f->core);
    td_vec_release(&in);
    f->wakes++;
    commit(f);
    uint32_t n;
    const struct td_effect *e = td_core_effects(f->core, &n);
    for (uint32_t i = 0; i < n; i++)
        carry(f, &e[i]);
}

void film_run(struct film *f)
{
    for (uint32_t i = 0; f->inbox.n; i++) {
        assert_true(i < 1000); /* nobody argues for ever */
        wake(f);
    }
}

void film_advance(struct film *f, int64_t ms)
{
    int64_t end = f->now + ms, beat = f->now + 3 * SEC;
    film_run(f);
    for (uint32_t i = 0; f->now < end; i++) {
        assert_true(i < 100000); /* nothing spins */
        int64_t at = TD_MIN(TD_MIN(td_core_deadline(f->core), end), beat);
        f->now = TD_MAX(at, f->now);
        if (f->now >= beat) {
            beat = f->now + 3 * SEC;
            for (uint32_t w = 0; w < f->nworkers; w++) {
                struct td_heartbeat h = {.incarnation = f->workers[w].incarnation,
                                         .epoch = f->epoch};
                if (h.incarnation)
                    film_say(f, &f->workers[w], TD_MSG_HEARTBEAT, &h);
            }
        }
        wake(f);
        film_run(f);
        if (at == td_core_deadline(f->core) && at < end)
            f->now++; /* due in this very millisecond still: the clock goes on */
    }
}

/* What else has come in is read in the same wake, after it. Set ahead, journal time jumps; set back,
 * it goes on. */
void film_clock(struct film *f, int64_t ms)
{
    struct td_ev_clock_stepped ev = {.delta_ms = ms};
    input(f, (struct td_input){.kind = TD_IN_CLOCK, .id = TD_EV_CLOCK_STEPPED, .body = &ev});
    for (uint32_t i = f->inbox.n - 1; i > 0; i--) {
        struct td_input t = f->inbox.v[i];
        f->inbox.v[i] = f->inbox.v[i - 1];
        f->inbox.v[i - 1] = t;
    }
    wake(f);
    f->now += TD_MAX(ms, 0);
    film_run(f);
}

/* --- people
 * -------------------------------------------------------------------------------------------------------
 */

void film_request(struct film *f, uint32_t uid, uint32_t id, const void *body)
{
    f->reply = f->code = f->job = f->count = f->nerrors = 0;
    input(f, (struct td_input){.kind = TD_IN_REQUEST,
                               .peer = 1,
                               .request = 1,
                               .uid = uid,
                               .gid = uid,
                               .id = id,
                               .body = body});
    film_run(f);
    assert_int_not_equal(f->reply, 0); /* every request is answered */
}

uint32_t film_submit_(struct film *f, struct film_job j)
{
    struct td_gres_need gpu = {.name = "gpu", .count = j.gpus};
    struct td_job_need need = {.partition = j.partition,
                               .nodes_min = j.nodes,
                               .nodes_max = j.nodes,
                               .ntasks = j.tasks,
                               .ntasks_per_node = j.per_node,
                               .cpus_per_task = j.cores,
                               .mem_mb_per_node = j.mem,
                               .features = j.features,
                               .req_nodes = j.nodelist,
                               .gres = {&gpu, j.gpus ? 1 : 0}};
    struct td_submit s = {.spec = {.name = j.name ? j.name : "film",
                                   .needs = {&need, 1},
                                   .limit_s = j.limit_s,
                                   .limit_min_s = j.limit_min_s,
                                   .reservation = j.reservation,
                                   .licenses = j.licenses,
                                   .account = j.account,
                                   .user_name = j.user,
                                   .array = j.array,
                                   .dependency = j.dependency,
                                   .begin_ms = j.begin_ms,
                                   .deadline_ms = j.deadline_ms,
                                   .nice = j.nice,
                                   .hold = j.hold,
                                   .session = j.session,
                                   .requeue = j.no_requeue ? 2 : 0,
                                   .qos = j.qos},
                          .client_key = j.key};
    film_request(f, j.uid ? j.uid : 1000, TD_MSG_SUBMIT, &s);
    return f->job;
}

void film_cancel(struct film *f, uint32_t uid, uint32_t job)
{
    struct td_job_sel sel = {.job = job};
    struct td_cancel m = {.filter = {.ids = {&sel, 1}}};
    film_request(f, uid, TD_MSG_CANCEL, &m);
}

void film_cancel_task(struct film *f, uint32_t uid, uint32_t job, uint32_t task)
{
    struct td_span span = {task, task, 1};
    struct td_job_sel sel = {.job = job, .tasks = {&span, 1}};
    struct td_cancel m = {.filter = {.ids = {&sel, 1}}};
    film_request(f, uid, TD_MSG_CANCEL, &m);
}

void film_op(struct film *f, uint32_t uid, uint32_t job, uint32_t op)
{
    struct td_job_sel sel = {.job = job};
    struct td_job_op m = {.op = op, .ids = {&sel, 1}};
    film_request(f, uid, TD_MSG_JOB_OP, &m);
}

void film_update_node(struct film *f, const char *node, const char *state, const char *reason)
{
    struct td_update_node m = {.nodes = node, .state = state, .reason = reason};
    film_request(f, 0, TD_MSG_UPDATE_NODE, &m);
}

uint32_t film_ask_(struct film *f, struct film_ask a)
{
    struct td_gres_need *gpus = td_arena_alloc(&f->arena, 2 * sizeof(*gpus));
    const char **argv = td_arena_alloc(&f->arena, sizeof(*argv));
    struct td_step_create *m = td_arena_alloc(&f->arena, sizeof(*m));
    gpus[0] = (struct td_gres_need){.name = "gpu", .count = a.gpus};
    gpus[1] = (struct td_gres_need){.name = "gpu", .count = a.gpus_task};
    argv[0] = a.program ? a.program : "hostname";
    *m = (struct td_step_create){
        .job = a.job,
        .spec = {.name = "step",
                 .ntasks = a.tasks,
                 .nodes = a.nodes,
                 .ntasks_per_node = a.per_node,
                 .cpus_per_task = a.cores,
                 .mem_mb_per_node = a.mem,
                 .gres = {&gpus[0], a.gpus ? 1 : 0},
                 .gres_task = {&gpus[1], a.gpus_task ? 1 : 0},
                 .req_nodes = a.with,
                 .exc_nodes = a.without,
                 .overlap = a.overlap,
                 .interactive = a.interactive,
                 .closes = a.closes,
                 .limit_s = a.limit_s,
                 .argv = {argv, 1},
                 .io_key = {(const uint8_t *)a.key, a.key ? (uint32_t)strlen(a.key) : 0}},
        .immediate = a.immediate,
    };
    if (a.program && !*a.program)
        m->spec.argv.n = 0;
    struct film_answer asked = {.request = 1000 + f->asked.n};
    td_vec_push(&f->asked, asked);
    input(f, (struct td_input){.kind = TD_IN_REQUEST,
                               .peer = a.peer ? a.peer : 1,
                               .request = asked.request,
                               .uid = a.uid ? a.uid : 1000,
                               .gid = 1000,
                               .id = TD_MSG_STEP_CREATE,
                               .body = m});
    if (!a.later)
        film_run(f);
    return f->asked.n - 1;
}

void film_peer_gone(struct film *f, uint64_t peer)
{
    input(f, (struct td_input){.kind = TD_IN_GONE, .peer = peer});
}

void film_step_signal(struct film *f, uint32_t uid, uint32_t job, uint32_t step, uint32_t signal)
{
    struct td_step_signal m = {.job = job, .step = step, .signal = signal};
    film_request(f, uid, TD_MSG_STEP_SIGNAL, &m);
}

static bool count_step(void *ctx, const struct td_step_info *row)
{
    (void)row;
    ++*(uint32_t *)ctx;
    return true;
}

uint32_t film_steps(struct film *f, uint32_t job)
{
    struct td_step_query q = {.job = job, .asker_operator = true};
    uint32_t n = 0;
    td_core_steps(f->core, &q, &f->arena, count_step, &n);
    return n;
}

/* --- looking
 * ------------------------------------------------------------------------------------------------------
 */

struct core_job *film_job(struct film *f, uint32_t job)
{
    return core_job_find(f->core, job);
}

struct core_node *film_node_of(struct film *f, const char *name)
{
    return core_node_find(f->core, name);
}

struct reading {
    struct td_job_info *v;
    uint32_t n, cap;
};

static bool collect(void *ctx, const struct td_job_info *row)
{
    struct reading *r = ctx;
    if (r->n < r->cap)
        r->v[r->n] = *row;
    r->n++;
    return true;
}

uint32_t film_rows(struct film *f, const struct td_job_query *q, struct td_job_info *ret,
                   uint32_t cap)
{
    struct reading r = {.v = ret, .cap = cap};
    td_core_jobs(f->core, q, &f->arena, collect, &r);
    return r.n;
}

uint32_t film_events(const struct film *f, uint32_t id)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->journal.n; i++)
        n += f->journal.v[i].id == id;
    return n;
}
