/* run.c - the loop of virtual time
 *
 * Owns: the core, the clock, the ends to come (a heap by time, then job). The core numbers the submissions it takes in
 * order: `places` has the place in the trace of each. */
#include "run.h"

#include <string.h>

#define T0_MS INT64_C(1000000000000) /* second 0 of the trace */
#define PROGRESS_EVERY 256
#define IDLE_MS (INT64_C(86400) * 1000) /* nothing runs or comes for so long: what waits now waits for ever */

struct ending {
    int64_t at_ms;
    uint32_t job;
};
struct run {
    const struct trace *t;
    struct sim_machine *m;
    struct td_core *core;
    struct sim_result *out;
    struct td_error *err;
    sim_progress_fn *progress;
    void *ctx;
    const struct sim_conf *conf;
    int64_t now_ms, busy_ms; /* busy: something of the trace was under way last */
    uint32_t next; /* submission */
    TD_VEC(uint32_t) places;
    TD_VEC(struct ending) endings;
    struct sim_outbox outbox[2]; /* [0] is being told to the core from `told` on, [1] fills */
    uint32_t told;
    bool failed;
};

/* --- heap of ends -------------------------------------------------------------------------------------------------- */

static bool sooner(const struct ending *a, const struct ending *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->job < b->job;
}

static void ending_push(struct run *r, struct ending e)
{
    td_vec_push(&r->endings, e);
    struct ending *v = r->endings.v;
    for (uint32_t i = r->endings.n - 1; i && sooner(&v[i], &v[(i - 1) / 2]); i = (i - 1) / 2) {
        struct ending t = v[i];
        v[i] = v[(i - 1) / 2];
        v[(i - 1) / 2] = t;
    }
}

static struct ending ending_pop(struct run *r)
{
    struct ending *v = r->endings.v, top = v[0];
    uint32_t n = --r->endings.n;

    v[0] = v[n];
    for (uint32_t i = 0;;) {
        uint32_t best = i;
        for (uint32_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++)
            if (sooner(&v[c], &v[best]))
                best = c;
        if (best == i)
            return top;
        struct ending t = v[i];
        v[i] = v[best];
        v[best] = t;
        i = best;
    }
}

/* --- one wake ------------------------------------------------------------------------------------------------------ */

static void submit(struct run *r, uint32_t i)
{
    static const uint8_t hash[32] = {1};
    const struct trace_job *j = &r->t->jobs.v[i];
    char name[32], user[32];
    struct td_gres_need gpus = {.name = "gpu", .count = j->gpus};
    struct td_job_need need = {.ntasks = j->procs, .cpus_per_task = 1};

    if (r->conf->cluster) {
        need.partition = r->conf->partition;
        need.mem_mb_per_cpu = (j->mem_kb + 1023ull) / 1024;
        need.gres_job = (struct td_gres_need_list){&gpus, j->gpus ? 1 : 0};
    } else {
        need.nodes_min = need.nodes_max = 1;
    }

    td_format(name, sizeof(name), j->app ? "app%u" : "job", j->app);
    td_format(user, sizeof(user), "user%u", j->user);
    struct td_submit s = {.spec = {.name = name, .needs = {&need, 1}, .limit_s = j->limit_s, .work_dir = "/", .command = "/bin/true",
                                   .submit_host = "sim", .user_name = user, .group_name = "users", .qos = r->conf->qos, .script_hash = {hash, 32}}};
    struct td_input in = {.kind = TD_IN_REQUEST, .peer = 1, .request = i + 1, .uid = 1000 + j->user, .gid = 100, .id = TD_MSG_SUBMIT, .body = &s};
    td_core_input(r->core, &in);
}

/* What there is to tell at this moment; stops where the wake is full. */
static void tell(struct run *r)
{
    struct sim_outbox *o = &r->outbox[0];

    while (r->endings.n && r->endings.v[0].at_ms <= r->now_ms && o->v.n - r->told < TD_MAX_REPORTS_PER_MESSAGE)
        r->m->ops->end(r->m, r->now_ms, ending_pop(r).job, o);
    for (; r->told < o->v.n && !td_core_full(r->core); r->told++) {
        const struct sim_message *m = &o->v.v[r->told];
        struct td_input in = {.kind = TD_IN_WORKER, .peer = 2, .node = m->node, .id = m->id, .body = m->body};
        td_core_input(r->core, &in);
    }
    if (r->told < o->v.n || (r->endings.n && r->endings.v[0].at_ms <= r->now_ms))
        return; /* ends come before submissions */
    while (r->next < r->t->jobs.n && T0_MS + r->t->jobs.v[r->next].submit_s * 1000 <= r->now_ms && !td_core_full(r->core))
        submit(r, r->next++);
}

static struct sim_job *job_of(struct run *r, uint32_t job)
{
    return &r->out->jobs[r->places.v[job - 1]];
}

/* What it was told first is what is measured. */
static void note_likely(struct sim_job *s, const struct td_likely *l)
{
    if (s->likely_to_s >= 0)
        return;
    s->likely_from_s = (l->from_ms - T0_MS) / 1000;
    s->likely_to_s = (l->to_ms - T0_MS) / 1000;
}

static void note_events(struct run *r)
{
    uint32_t n;
    const struct td_event *e = td_core_events(r->core, &n);

    for (uint32_t i = 0; i < n; i++) {
        if (e[i].id == TD_EV_JOB_AWARDED) {
            uint32_t job = ((const struct td_ev_job_awarded *)e[i].body)->job, at = r->places.v[job - 1];
            struct sim_job *s = job_of(r, job);
            s->start_s = (e[i].time_ms - T0_MS) / 1000;
            s->end_s = s->start_s + r->t->jobs.v[at].run_s;
            r->out->started++;
            ending_push(r, (struct ending){e[i].time_ms + (int64_t)r->t->jobs.v[at].run_s * 1000, job});
        } else if (e[i].id == TD_EV_JOBS_PROMISED) {
            const struct td_ev_jobs_promised *p = e[i].body;
            for (uint32_t k = 0; k < p->promises.n; k++) {
                struct sim_job *s = job_of(r, p->promises.v[k].job);
                s->excused |= p->cause != 0;
                if (s->by_s < 0)
                    s->by_s = (p->promises.v[k].by_ms - T0_MS) / 1000;
            }
        } else if (e[i].id == TD_EV_JOBS_LIKELY) {
            const struct td_ev_jobs_likely *l = e[i].body;
            for (uint32_t k = 0; k < l->likely.n; k++)
                note_likely(job_of(r, l->likely.v[k].job), &l->likely.v[k]);
        } else if (e[i].id == TD_EV_JOB_ENDED) {
            if (++r->out->ended % PROGRESS_EVERY == 0 && r->progress)
                r->progress(r->ctx, r->out->ended);
        }
    }
    r->out->events += n;
}

static void carry(struct run *r)
{
    uint32_t n;
    const struct td_effect *e = td_core_effects(r->core, &n);

    for (uint32_t i = 0; i < n; i++) {
        if (e[i].kind == TD_DO_SEND || e[i].kind == TD_DO_PUBLISH) {
            r->m->ops->deliver(r->m, r->now_ms, &e[i], &r->outbox[1]);
        }
    }
}

static void note_refusal(struct run *r, uint32_t at, const struct td_error_reply *why)
{
    r->out->jobs[at].refused = true;
    if (!r->out->refused++)
        td_format(r->out->why, sizeof(r->out->why), "%s", why->text);
    if (r->conf->cluster || r->failed)
        return;
    r->failed = true;
    td_fail(r->err, (int)why->code, "job %u of the trace is refused: %s", r->t->jobs.v[at].id, why->text);
}

/* Of the submissions from that place on, told in this wake: which became jobs. */
static void note_answers(struct run *r, uint32_t from)
{
    uint32_t n;
    const struct td_effect *e = td_core_effects(r->core, &n);

    for (uint32_t i = 0; i < n && from < r->next; i++) {
        if (e[i].kind == TD_DO_REPLY && e[i].id == TD_MSG_ERROR)
            note_refusal(r, (uint32_t)e[i].request - 1, e[i].body);
    }
    for (uint32_t i = from; i < r->next; i++) {
        if (!r->out->jobs[i].refused)
            td_vec_push(&r->places, i);
    }
}

static void wake(struct run *r)
{
    struct sim_outbox *o = &r->outbox[0];
    uint32_t from = r->next;

    td_core_wake(r->core, r->now_ms);
    tell(r);
    td_core_finish(r->core);
    r->out->wakes++;
    note_answers(r, from);
    note_events(r);
    carry(r);
    if (r->told < o->v.n)
        return;
    o->v.n = r->told = 0;
    td_arena_reset(&o->arena);
    struct sim_outbox t = r->outbox[0];
    r->outbox[0] = r->outbox[1];
    r->outbox[1] = t;
}

/* --- the run ------------------------------------------------------------------------------------------------------- */

static void conf_make(const struct sim_conf *conf, const struct td_partition_conf *all, struct td_ev_conf_loaded *ret)
{
    static const uint32_t admins[] = {0};
    struct td_settings *s = &ret->settings;

    if (conf->cluster)
        *ret = *conf->cluster;
    else
        *ret = (struct td_ev_conf_loaded){.settings = {.kill_wait_s = 30, .requeue = true, .elastic = true}, .partitions = {all, 1}};
    s->cluster = "sim";
    s->lease_ms = UINT32_MAX;
    s->min_job_age_s = 1;
    s->first_job = 1;
    s->depth = conf->depth;
    s->backfill = conf->policy;
    s->free_order = conf->free_order;
    s->max_jobs = s->node_timeout_s = s->request_rate = s->private_data = 0;
    s->node_fence = false;
    s->admins = (struct td_u32s){admins, 1};
    if (!s->def_mem_mb_per_cpu && !s->def_mem_mb_per_node)
        s->def_mem_mb_per_cpu = s->memory_counts; /* else who does not say takes all of a node's */
}

static void begin(struct run *r, const struct sim_conf *conf)
{
    struct td_ev_epoch_began began = {.epoch = 1, .version = TD_VERSION, .host = "sim"};
    struct td_partition_conf part = {.name = "all", .nodes = "ALL", .is_default = true, .max_s = TD_INFINITE, .state = "UP", .priority_tier = 1};
    struct td_ev_conf_loaded c;

    conf_make(conf, &part, &c);
    r->core = td_core_new(1);
    td_core_wake(r->core, r->now_ms);
    td_core_input(r->core, &(struct td_input){.kind = TD_IN_START, .id = TD_EV_EPOCH_BEGAN, .body = &began});
    td_core_input(r->core, &(struct td_input){.kind = TD_IN_CONF, .id = TD_EV_CONF_LOADED, .body = &c});
    td_core_finish(r->core);
    r->m->ops->hello(r->m, r->now_ms, &r->outbox[0]);
    while (r->outbox[0].v.n && !r->failed)
        wake(r);
}

static int64_t next_moment(const struct run *r)
{
    int64_t at = INT64_MAX;

    if (r->next < r->t->jobs.n)
        at = T0_MS + r->t->jobs.v[r->next].submit_s * 1000;
    if (r->endings.n)
        at = TD_MIN(at, r->endings.v[0].at_ms);
    at = TD_MIN(at, r->m->ops->deadline(r->m));
    return TD_MAX(TD_MIN(at, td_core_deadline(r->core)), r->now_ms);
}

static bool more_now(const struct run *r)
{
    return r->outbox[0].v.n || (r->endings.n && r->endings.v[0].at_ms <= r->now_ms) ||
           (r->next < r->t->jobs.n && T0_MS + r->t->jobs.v[r->next].submit_s * 1000 <= r->now_ms);
}

static void note_waiting(struct run *r)
{
    struct td_job_brief b;

    r->out->never = r->t->jobs.n - r->out->refused - r->out->started;
    for (uint32_t i = 0; i < r->places.n && !r->out->reason; i++) {
        if (r->out->jobs[r->places.v[i]].start_s < 0 && td_core_job_brief(r->core, i + 1, &b))
            r->out->reason = td_reason_word(b.reason);
    }
}

/* False: nothing more of the trace will happen. */
static bool go_on(struct run *r, int64_t at)
{
    if (r->next < r->t->jobs.n || r->endings.n) {
        r->busy_ms = at;
        return true;
    }
    if (at != INT64_MAX && at - r->busy_ms <= IDLE_MS)
        return true;
    note_waiting(r);
    if (!r->conf->cluster) {
        r->failed = true;
        td_fail(r->err, TD_E_INTERNAL, "%u of %u jobs never started", r->out->never, r->t->jobs.n);
    }
    return false;
}

static void run_release(struct run *r)
{
    td_core_destroy(&r->core);
    for (int i = 0; i < 2; i++) {
        td_arena_release(&r->outbox[i].arena);
        td_vec_release(&r->outbox[i].v);
    }
    td_vec_release(&r->endings);
    td_vec_release(&r->places);
}

int sim_run(const struct trace *t, const struct sim_conf *conf, struct sim_machine *m, sim_progress_fn *progress, void *ctx,
            struct sim_result *ret, struct td_error *err)
{
    struct run r = {.t = t, .m = m, .out = ret, .err = err, .progress = progress, .ctx = ctx, .conf = conf, .now_ms = T0_MS - 1000};

    *ret = (struct sim_result){.jobs = td_alloc((t->jobs.n + 1) * sizeof(*ret->jobs))};
    for (uint32_t i = 0; i < t->jobs.n; i++)
        ret->jobs[i] = (struct sim_job){.start_s = -1, .end_s = -1, .by_s = -1, .likely_from_s = -1, .likely_to_s = -1};
    if (t->jobs.n) /* some traces count from 1970: no lease lasts so long */
        r.now_ms += t->jobs.v[0].submit_s * 1000;
    begin(&r, conf);
    while (ret->ended + ret->refused < t->jobs.n && !r.failed) {
        int64_t at = next_moment(&r);
        if (!go_on(&r, at))
            break;
        r.now_ms = at;
        if (m->ops->deadline(m) <= at)
            m->ops->tick(m, at, &r.outbox[0]);
        do
            wake(&r);
        while (more_now(&r) && !r.failed);
    }
    ret->plans = td_core_counters(r.core)->plans;
    run_release(&r);
    if (!r.failed)
        return 0;
    sim_result_release(ret);
    return -err->code;
}

void sim_result_settle(struct trace *t, struct sim_result *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->jobs.n; i++) {
        if (r->jobs[i].start_s < 0)
            continue;
        r->jobs[n] = r->jobs[i];
        t->jobs.v[n++] = t->jobs.v[i];
    }
    t->jobs.n = n;
}

void sim_result_release(struct sim_result *r)
{
    td_free(r->jobs);
    *r = (struct sim_result){0};
}
