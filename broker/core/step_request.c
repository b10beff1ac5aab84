/* step_request.c - steps as people ask for them: may it, can it ever, now or in its turn
 *
 * A step that does not fit now waits, and its request is answered when it starts, in order of
 * arrival within its allocation; one that holds nothing (a shell, --overlap) never waits, so that a
 * step started in a shell cannot wait for the shell. What waits is soft: its client is there, and
 * asks again after a restart. The secret of its stdio tells a repeated request from a new one. */
#include <string.h>

#include "broker/core/state.h"

/* --- checks ----------------------------------------------------------------------------------- */

static bool same_kind(const struct td_gres_need *a, const struct td_gres_need *b)
{
    return td_str_equal(a->name, b->name) &&
           (td_str_empty(a->type) || td_str_empty(b->type) || td_str_equal(a->type, b->type));
}

static int check_gres(const struct td_step_spec *s, struct td_error *err)
{
    const struct td_gres_need_list *lists[] = {&s->gres, &s->gres_task};
    for (uint32_t l = 0; l < 2; l++) {
        for (uint32_t i = 0; i < lists[l]->n; i++) {
            const struct td_gres_need *g = &lists[l]->v[i];
            for (uint32_t k = 0; k < i; k++) {
                if (same_kind(g, &lists[l]->v[k]))
                    return td_fail(err, TD_E_INVALID_GRES, "%s: %s is named twice",
                                   td_error_words(TD_E_INVALID_GRES), g->name);
            }
        }
    }
    for (uint32_t i = 0; i < s->gres.n; i++) {
        for (uint32_t k = 0; k < s->gres_task.n; k++) {
            const struct td_gres_need *g = &s->gres.v[i], *t = &s->gres_task.v[k];
            if (same_kind(g, t) && !td_str_equal(g->type, t->type))
                return td_fail(err, TD_E_INVALID_GRES,
                               "%s: %s of the node and of each task are of different types",
                               td_error_words(TD_E_INVALID_GRES), g->name);
        }
    }
    return 0;
}

static int check_spec(const struct td_step_spec *s, struct td_error *err)
{
    if (s->argv.n == 0 || td_str_empty(s->argv.v[0]))
        return td_fail(err, TD_E_INVALID_REQUEST, "the step has no program to run");
    if (s->ntasks_per_node > TD_MAX_CPUS_PER_NODE)
        return td_fail(err, TD_E_STEP_CPUS, "%s: %u tasks on a node",
                       td_error_words(TD_E_STEP_CPUS), s->ntasks_per_node);
    return check_gres(s, err);
}

static const char back_in_queue[] = "Job is pending execution: it has no nodes for a step";

/* The job a step is asked for, with an allocation that steps may use (or soon). */
static struct core_job *job_for(struct td_core *c, const struct td_input *in, uint32_t id)
{
    struct core_job *j = core_job_shown(c, id, in->uid);
    int code = TD_E_OK;
    if (!j)
        code = TD_E_INVALID_JOB;
    else if (!core_job_is_mine(c, j, in->uid))
        code = TD_E_DENIED;
    else if (j->state == TD_JOB_DONE || j->state == TD_JOB_ENDING)
        code = TD_E_ALREADY_DONE;
    if (code) {
        core_refuse(c, in, code, "%s", td_error_words(code));
        return NULL;
    }
    if (j->state == TD_JOB_PENDING) {
        core_refuse(c, in, TD_E_INVALID_STATE, "%s", back_in_queue);
        return NULL;
    }
    return j;
}

/* CPUs of a task where nobody said so: what the allocation has for each of its tasks, or for as
 * many as the step wants on a node (one for each node is a launcher of others: mpirun's); fewer
 * where there are more tasks. So what runs in a step has no less than it would have without one. */
static void set_cpus(struct td_core *c, const struct core_job *j, struct td_step_spec *s)
{
    struct td_step_place_list places;
    struct td_error err;
    uint32_t most = UINT32_MAX, least = 1;
    if (s->cpus_per_task || s->interactive ||
        core_step_place(c, j, s, &places, &err) == CORE_STEP_NEVER)
        return;
    for (uint32_t i = 0; i < j->alloc->nparts; i++) {
        const struct td_placement *p = j->alloc->parts[i].place;
        uint32_t tasks = s->ntasks_per_node ? s->ntasks_per_node : p->tasks;
        most = TD_MIN(most, td_bits_count(p->cpus.v, p->cpus.n) / TD_MAX(tasks, 1u));
    }
    while (least < most) {
        s->cpus_per_task = most - (most - least) / 2;
        if (core_step_place(c, j, s, &places, &err) == CORE_STEP_NEVER)
            most = s->cpus_per_task - 1;
        else
            least = s->cpus_per_task;
    }
    s->cpus_per_task = least > 1 ? least : 0;
}

/* --- creation --------------------------------------------------------------------------------- */

static void created(struct td_core *c, const struct td_input *in, const struct core_step *s)
{
    struct td_step_place *places = td_arena_alloc(&c->wake, s->nparts * sizeof(*places));
    for (uint32_t i = 0; i < s->nparts; i++)
        places[i] = *s->parts[i].place;
    struct td_step_created yes = {
        .job = s->job->id, .step = s->no, .places = {places, s->nparts}, .seq = c->seq};
    core_reply(c, in, TD_MSG_STEP_CREATED, &yes);
}

static void create(struct td_core *c, const struct td_input *in, struct core_job *j,
                   const struct td_step_create *m, const struct td_step_place_list *places)
{
    struct td_ev_step_created ev = {
        .job = j->id,
        .attempt = j->attempt,
        .step = j->alloc->next_step,
        .spec = m->spec,
        .places = *places,
        .uid = in->uid,
    };
    core_emit(c, TD_EV_STEP_CREATED, &ev);
    core_audit_touch(c, in, j);
    created(c, in, core_step_find(j, ev.step));
}

static bool too_many(struct td_core *c, const struct td_input *in, const struct core_job *j)
{
    if (j->alloc->steps.n < TD_MAX_STEPS && j->alloc->next_step < TD_STEP_BATCH - 16)
        return false;
    core_refuse(c, in, TD_E_BUSY, "job %u has %u steps at once, the most it may have (STEPS)",
                j->id, j->alloc->steps.n);
    return true;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void wait_release(struct td_core *c, struct core_step_wait *w)
{
    struct core_job *j = core_job_find(c, w->job);
    if (j && j->alloc && j->attempt == w->attempt)
        j->alloc->nsteps_waiting--;
    c->step_waits_bytes -= w->bytes;
    td_free(w->ask);
    w->ask = NULL;
}

void core_step_waits_free(struct td_core *c)
{
    for (uint32_t i = 0; i < c->step_waits.n; i++)
        td_free(c->step_waits.v[i].ask);
    td_vec_release(&c->step_waits);
    c->step_waits_bytes = 0;
}

static struct td_input asker(const struct core_step_wait *w)
{
    return (struct td_input){.kind = TD_IN_REQUEST,
                             .peer = w->peer,
                             .request = w->request,
                             .uid = w->uid,
                             .id = TD_MSG_STEP_CREATE,
                             .body = w->ask};
}

/* Of a job that its nodes are still to take nothing is said: the step starts with it. */
static void say_waits(struct td_core *c, const struct td_input *in, const struct core_job *j,
                      const struct td_step_create *m)
{
    struct td_step_waits w = {.job = m->job, .code = TD_E_STEP_BUSY};
    if (m->tell && j->state == TD_JOB_RUNNING)
        core_reply(c, in, TD_MSG_STEP_WAITS, &w);
}

static void wait_for_turn(struct td_core *c, const struct td_input *in, struct core_job *j,
                          const struct td_step_create *m)
{
    struct td_step_create bare = *m;
    bare.env = (struct td_bin){0};
    size_t bytes = sizeof(bare) + core_pack_extra(&td_rec_step_create, &bare);
    if (m->immediate) {
        core_refuse(c, in, TD_E_STEP_BUSY, "%s", td_error_words(TD_E_STEP_BUSY));
        return;
    }
    if (j->alloc->nsteps_waiting >= TD_MAX_STEPS_WAITING) {
        core_refuse(c, in, TD_E_BUSY, "%u steps of job %u wait already (STEPS_WAITING)",
                    j->alloc->nsteps_waiting, j->id);
        return;
    }
    if (c->step_waits_bytes + bytes > TD_MAX_STEPS_WAITING_BYTES) {
        core_refuse(c, in, TD_E_BUSY, "too many steps wait for their turn (STEPS_WAITING_BYTES)");
        return;
    }
    struct core_step_wait w = {.job = j->id,
                               .attempt = j->attempt,
                               .uid = in->uid,
                               .peer = in->peer,
                               .request = in->request,
                               .ask = core_pack(&td_rec_step_create, &bare),
                               .bytes = bytes};
    td_vec_push(&c->step_waits, w);
    c->step_waits_bytes += bytes;
    j->alloc->nsteps_waiting++;
    c->counters.steps_waited++;
    say_waits(c, in, j, m);
}

/* The same request once more: its client lost the answer, or its connection. */
static bool is_repeat(struct td_core *c, const struct td_input *in, struct core_job *j,
                      const struct td_step_create *m)
{
    const struct td_bin key = m->spec.io_key;
    if (key.n == 0)
        return false;
    for (uint32_t i = 0; i < j->alloc->steps.n; i++) {
        const struct core_step *s = j->alloc->steps.v[i];
        if (td_bin_equal(s->spec->io_key, key) && s->uid == in->uid) {
            created(c, in, s);
            return true;
        }
    }
    for (uint32_t i = 0; i < c->step_waits.n; i++) {
        struct core_step_wait *w = &c->step_waits.v[i];
        if (w->job == j->id && w->uid == in->uid && td_bin_equal(w->ask->spec.io_key, key)) {
            w->peer = in->peer;
            w->request = in->request;
            say_waits(c, in, j, m);
            return true;
        }
    }
    return false;
}

void core_request_step(struct td_core *c, const struct td_input *in,
                       const struct td_step_create *asked)
{
    struct td_step_create is = *asked, *m = &is;
    struct td_error err = {0};
    struct td_step_place_list places = {0};
    if (c->low_space) {
        core_refuse_space(c, in);
        return;
    }
    struct core_job *j = job_for(c, in, m->job);
    if (!j || is_repeat(c, in, j, m))
        return;
    if (check_spec(&m->spec, &err) < 0) {
        core_refuse_error(c, in, &err);
        return;
    }
    if (too_many(c, in, j))
        return;
    m->spec.limit_s = core_limit_rounded(c, m->spec.limit_s);
    set_cpus(c, j, &m->spec);
    enum core_step_fit fit = core_step_place(c, j, &m->spec, &places, &err);
    if (fit == CORE_STEP_NEVER) {
        core_refuse_error(c, in, &err);
        return;
    }
    bool behind = j->alloc->nsteps_waiting && core_step_holds(&m->spec);
    if (fit == CORE_STEP_FITS && !behind && j->state == TD_JOB_RUNNING)
        create(c, in, j, m, &places);
    else
        wait_for_turn(c, in, j, m);
}

void core_steps_peer_gone(struct td_core *c, uint64_t peer, uint64_t request)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->step_waits.n; i++) {
        struct core_step_wait *w = &c->step_waits.v[i];
        if (w->peer == peer && (request == 0 || w->request == request)) {
            wait_release(c, w);
            c->steps_stirred = true; /* who waited behind it */
        } else {
            c->step_waits.v[k++] = *w;
        }
    }
    c->step_waits.n = k;
}

/* True: it waits no more. */
static bool wait_settle(struct td_core *c, struct core_step_wait *w, uint64_t mark)
{
    struct core_job *j = core_job_find(c, w->job);
    const struct td_input in = asker(w);
    struct td_step_place_list places = {0};
    struct td_error err = {0};
    if (!j || j->attempt != w->attempt ||
        (j->state != TD_JOB_RUNNING && j->state != TD_JOB_AWARDED)) {
        if (j && j->state == TD_JOB_PENDING)
            core_refuse(c, &in, TD_E_INVALID_STATE, "%s", back_in_queue);
        else
            core_refuse(c, &in, TD_E_ALREADY_DONE, "%s", td_error_words(TD_E_ALREADY_DONE));
        return true;
    }
    if (j->state == TD_JOB_AWARDED || j->alloc->step_mark == mark || core_errors_full(c) ||
        j->alloc->steps.n >= TD_MAX_STEPS)
        return false;
    enum core_step_fit fit = core_step_place(c, j, &w->ask->spec, &places, &err);
    if (fit == CORE_STEP_FITS) {
        create(c, &in, j, w->ask, &places);
        core_audit_acted(c, &in);
    } else if (fit == CORE_STEP_NEVER) {
        core_refuse_error(c, &in, &err);
    } else {
        j->alloc->step_mark = mark; /* those behind it wait too */
    }
    return fit != CORE_STEP_BUSY;
}

void core_steps_run(struct td_core *c)
{
    if (!c->steps_stirred)
        return;
    c->steps_stirred = false;
    uint64_t mark = ++c->mark;
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->step_waits.n; i++) {
        struct core_step_wait *w = &c->step_waits.v[i];
        if (wait_settle(c, w, mark))
            wait_release(c, w);
        else
            c->step_waits.v[k++] = *w;
    }
    c->step_waits.n = k;
}

/* --- signals ---------------------------------------------------------------------------------- */

void core_request_step_signal(struct td_core *c, const struct td_input *in,
                              const struct td_step_signal *m)
{
    struct core_job *j = core_job_shown(c, m->job, in->uid);
    if (!j || !core_job_is_mine(c, j, in->uid)) {
        int code = j ? TD_E_DENIED : TD_E_INVALID_JOB;
        core_refuse(c, in, code, "%s", td_error_words(code));
        return;
    }
    struct core_step *s = core_step_find(j, m->step);
    if (!s) {
        bool was = j->alloc && m->step < j->alloc->next_step;
        int code = was ? TD_E_ALREADY_DONE : TD_E_INVALID_JOB;
        core_refuse(c, in, code, "%s: step %u.%u", td_error_words(code), m->job, m->step);
        return;
    }
    bool ends = m->signal == 0 || m->signal == 9;
    uint32_t concerned = 0;
    if (!ends)
        c->signal_no++;
    for (uint32_t i = 0; i < s->nparts; i++) {
        struct core_step_part *p = &s->parts[i];
        if (!core_step_may(c, p, TD_STEP_IN_KILL))
            continue;
        concerned++;
        if (ends)
            continue;
        p->signal = m->signal;
        p->signal_no = c->signal_no;
        if (p->state == TD_STEP_STARTED) /* else when it has started */
            core_step_due(c, p, c->now_ms);
    }
    if (ends && concerned) {
        struct td_ev_step_ending ev = {.job = j->id, .step = s->no, .uid = in->uid};
        core_emit(c, TD_EV_STEP_ENDING, &ev);
    }
    if (concerned)
        core_audit_touch(c, in, j);
    struct td_done done = {.count = 1, .seq = c->seq};
    core_reply(c, in, TD_MSG_DONE, &done);
}
