/* step.c - steps: users who create, signal and abandon them, shepherds that run, lose and repeat, and what must hold
 *
 * A step's tasks run at most once on a node, only inside an attempt that lives there, on CPUs and devices of its
 * allocation that no other step holds; one whose client went away while it waited is not created any more; when it is calm,
 * one that was created is answered by its node before long. Its own dice: runs without steps stay what they were. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#define UNANSWERED_MS 60000 /* of calm */

static char one;

static uint32_t roll(struct sim *s, uint32_t n)
{
    return td_rng_below(&s->dice, n);
}

/* --- users --------------------------------------------------------------------------------------------------------- */

/* Three runs of ten have steps. */
void sim_steps_choose(struct sim *s)
{
    uint32_t last = (uint32_t)(s->seed % 10);

    s->dice = (struct td_rng){s->seed * 2654435761u + 131};
    s->with_steps = last == 2 || last == 5 || last == 6;
    for (uint32_t i = s->with_steps ? 50 + roll(s, 150) : 0; i > 0; i--)
        sim_push(s, roll(s, 50000), SIM_STEP_ACT, 0, 0, 0, NULL);
}

struct picking {
    struct sim *s;
    uint32_t seen, job;
};

static bool pick_running(void *ctx, const struct td_job_info *row)
{
    struct picking *p = ctx;

    if (row->state == TD_JOB_RUNNING && roll(p->s, ++p->seen) == 0)
        p->job = row->job;
    return true;
}

/* Mostly one that squeue shows as running. */
static uint32_t some_job(struct sim *s)
{
    struct td_job_query q = {.all = true, .asker_operator = true, .state_only = true};
    struct picking p = {.s = s};
    struct td_arena a = {0};

    if (s->core && roll(s, 8))
        td_core_jobs(s->core, &q, &a, pick_running, &p);
    td_arena_release(&a);
    if (p.job || s->acknowledged.n == 0)
        return p.job ? p.job : 1;
    return s->acknowledged.v[roll(s, s->acknowledged.n)];
}

static void create(struct sim *s)
{
    const char *argv[] = {"task"};
    char key[33], with[16];
    struct td_gres_need gres = {.name = "gpu", .count = 1 + roll(s, 2)};
    struct td_step_create m = {.job = some_job(s), .immediate = roll(s, 5) == 0};
    struct td_step_spec *spec = &m.spec;

    *spec = (struct td_step_spec){.name = "s", .argv = {argv, 1}, .ntasks = roll(s, 4), .cpus_per_task = roll(s, 4) == 0 ? 2 : 0};
    if (roll(s, 8) == 0)
        spec->nodes = 1 + roll(s, 3);
    if (roll(s, 6) == 0)
        spec->ntasks_per_node = 1 + roll(s, 3);
    if (roll(s, 5) == 0)
        spec->mem_mb_per_node = 200 * (1 + roll(s, 10));
    if (roll(s, 8) == 0)
        *(roll(s, 2) ? &spec->gres : &spec->gres_task) = (struct td_gres_need_list){&gres, 1};
    spec->overlap = roll(s, 8) == 0;
    spec->interactive = roll(s, 6) == 0;
    spec->closes = spec->interactive && spec->ntasks == 1;
    snprintf(with, sizeof(with), "n%u", 1 + roll(s, s->nnodes));
    if (roll(s, 8) == 0)
        *(roll(s, 2) ? &spec->req_nodes : &spec->exc_nodes) = with;
    snprintf(key, sizeof(key), "%032u", s->requests.n);
    spec->io_key = (struct td_bin){(const uint8_t *)key, 32};
    sim_request_add(s, TD_MSG_STEP_CREATE, &m);
}

/* One of the requests for a step: answered ones to signal, waiting ones to abandon. */
static struct sim_request *some_step(struct sim *s, bool answered)
{
    for (uint32_t i = 0; i < 8 && s->requests.n; i++) {
        struct sim_request *r = &s->requests.v[roll(s, s->requests.n)];
        if (r->is_step && !r->failed && r->answered == answered)
            return r;
    }
    return NULL;
}

static void abandon(struct sim *s, struct sim_request *r)
{
    r->answered = true; /* nobody asks again */
    if (s->core)
        sim_push(s, 0, SIM_REQUEST, (uint32_t)(r - s->requests.v), 1, s->life, NULL);
}

void sim_step_act(struct sim *s)
{
    uint32_t what = roll(s, 10);
    struct sim_request *r = some_step(s, what < 8);

    if (what < 6) {
        create(s);
    } else if (what < 7) {
        struct td_session_heard m = {.job = some_job(s)};
        sim_request_add(s, roll(s, 3) ? TD_MSG_SESSION_HEARD : TD_MSG_SESSION_CLOSE, &m);
    } else if (what < 8 && r) {
        struct td_step_signal m = {.job = r->job, .step = r->step, .signal = roll(s, 2) ? 0 : 10};
        sim_request_add(s, TD_MSG_STEP_SIGNAL, &m);
    } else if (r) {
        abandon(s, r);
    }
}

static uint32_t request_of(const struct td_step_spec *spec)
{
    uint64_t no = UINT32_MAX;
    char text[33] = "";

    if (spec->io_key.n == 32)
        memcpy(text, spec->io_key.v, 32);
    td_parse_u64(text, &no);
    return (uint32_t)no;
}

/* As the journal tells it. Within the wake of its going the step may have been made before; later it may not. */
static void created(struct sim *s, const struct td_event *ev)
{
    const struct td_ev_step_created *e = ev->body;
    uint32_t no = request_of(&e->spec);

    for (uint32_t i = 0; i < e->places.n; i++) {
        struct sim_unanswered u = {.job = e->job, .step = e->step, .since = s->now};
        snprintf(u.node, sizeof(u.node), "%s", e->places.v[i].node);
        td_vec_push(&s->unanswered, u);
    }

    if (no >= s->requests.n)
        sim_fail(s, "step %u.%u was asked for by nobody", e->job, e->step);
    else if (s->requests.v[no].gone_seq && ev->seq > s->requests.v[no].gone_seq)
        sim_fail(s, "step %u.%u was made for a client that had gone", e->job, e->step);
}

static void answered(struct sim *s, uint32_t job, uint32_t step, const char *node)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->unanswered.n; i++) {
        const struct sim_unanswered *u = &s->unanswered.v[i];
        if (u->job != job || u->step != step || !td_str_equal(u->node, node))
            s->unanswered.v[n++] = *u;
    }
    s->unanswered.n = n;
}

void sim_step_event(struct sim *s, const struct td_event *ev)
{
    if (ev->id == TD_EV_STEP_CREATED) {
        created(s, ev);
    } else if (ev->id == TD_EV_STEP_STARTED) {
        const struct td_ev_step_started *e = ev->body;
        answered(s, e->job, e->step, e->node);
    } else if (ev->id == TD_EV_STEP_EXITED) {
        const struct td_ev_step_exited *e = ev->body;
        answered(s, e->job, e->step, e->node);
    }
}

void sim_check_steps(struct sim *s)
{
    for (uint32_t i = 0; i < s->unanswered.n && s->calm; i++) {
        struct sim_unanswered *u = &s->unanswered.v[i];
        u->since = TD_MAX(u->since, s->calm_at);
        if (s->now - u->since > UNANSWERED_MS)
            sim_fail(s, "step %u.%u was made and never came to %s", u->job, u->step, u->node);
    }
}

/* --- shepherds ------------------------------------------------------------------------------------------------------ */

static struct sim_step *step_find(struct sim_shepherd *sh, uint32_t job, uint32_t attempt, uint32_t step)
{
    for (uint32_t k = 0; k < sh->steps.n; k++) {
        struct sim_step *t = &sh->steps.v[k];
        if (t->job == job && t->attempt == attempt && t->step == step)
            return t;
    }
    return NULL;
}

static void say(struct sim *s, uint32_t i, const struct sim_step *t, enum td_report_kind kind)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;
    struct td_report r = {.no = sh->next_no++, .kind = kind, .job = t->job, .attempt = t->attempt, .step = t->step};

    if (kind == TD_REPORT_EXITED) {
        r.exit_code = t->exit_code;
        r.signal = t->signal;
    }
    td_vec_push(&sh->spool, r);
    sim_status_push(s, i, &r, 1);
}

/* What is in the spool still; else where it stands. */
static void say_again(struct sim *s, uint32_t i, const struct sim_step *t)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;
    bool any = false;

    for (uint32_t k = 0; k < sh->spool.n; k++) {
        const struct td_report *r = &sh->spool.v[k];
        if (r->job != t->job || r->attempt != t->attempt || r->step != t->step)
            continue;
        any = true;
        sim_status_push(s, i, r, 1);
    }
    if (!any)
        say(s, i, t, t->declined ? TD_REPORT_DECLINED : t->alive ? TD_REPORT_STARTED : TD_REPORT_EXITED);
}

static bool devices_overlap(const struct td_step_place *a, const struct td_step_place *b)
{
    for (uint32_t x = 0; x < a->gres.n; x++) {
        for (uint32_t y = 0; y < b->gres.n; y++) {
            if (td_bits_overlap(a->gres.v[x].devices, b->gres.v[y].devices))
                return true;
        }
    }
    return false;
}

static void check_start(struct sim *s, uint32_t i, const struct sim_attempt *a, const struct sim_step *t)
{
    const struct sim_node *n = &s->nodes[i];
    uint64_t key = td_mix_u64(td_mix_u64((uint64_t)t->job << 32 | t->attempt, t->step), i);

    s->job_steps++;
    sim_log(s, "%s: step %u.%u of attempt %u starts", n->name, t->job, t->step, t->attempt);
    if (td_map_get(&s->step_started, key))
        sim_fail(s, "%s: step %u.%u of attempt %u started twice", n->name, t->job, t->step, t->attempt);
    td_map_put(&s->step_started, key, &one);
    if (!td_bits_covers(a->place.cpus, t->place.cpus))
        sim_fail(s, "%s: step %u.%u has CPUs its job has not", n->name, t->job, t->step);
    for (uint32_t k = 0; k < n->shepherd.steps.n; k++) {
        const struct sim_step *o = &n->shepherd.steps.v[k];
        if (o == t || !o->alive || !o->holds || !t->holds)
            continue;
        if (td_bits_overlap(o->place.cpus, t->place.cpus))
            sim_fail(s, "%s: CPUs of steps %u.%u and %u.%u overlap", n->name, t->job, t->step, o->job, o->step);
        if (o->holds_gres && t->holds_gres && devices_overlap(&o->place, &t->place))
            sim_fail(s, "%s: devices of steps %u.%u and %u.%u overlap", n->name, t->job, t->step, o->job, o->step);
    }
}

void sim_step_start(struct sim *s, uint32_t i, const struct td_step_launch *m)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;
    const struct sim_step *known = step_find(sh, m->job, m->attempt, m->step);
    const struct sim_attempt *a = sim_attempt_find(sh, m->job, m->attempt);
    const struct td_step_spec *spec = &m->spec;

    if (known) { /* at most once: only what became of it, again */
        say_again(s, i, known);
        return;
    }
    struct sim_step t = {.job = m->job, .attempt = m->attempt, .step = m->step};
    t.holds = !spec->overlap && !spec->interactive;
    t.holds_gres = t.holds && (spec->gres.n || spec->gres_task.n);
    t.declined = !a || !a->alive || roll(s, 20) == 0;
    t.alive = !t.declined;
    td_record_copy(&sh->arena, &td_rec_step_place, &m->place, &t.place);
    td_vec_push(&sh->steps, t);
    const struct sim_step *kept = &sh->steps.v[sh->steps.n - 1];
    if (t.declined) {
        say(s, i, kept, TD_REPORT_DECLINED);
        return;
    }
    check_start(s, i, a, kept);
    say(s, i, kept, TD_REPORT_STARTED);
    sim_push(s, roll(s, 3) ? roll(s, 3000) : roll(s, 60000), SIM_STEP_EXIT, i, sh->steps.n - 1, sh->boots, NULL);
}

void sim_step_exit(struct sim *s, uint32_t i, uint32_t no)
{
    struct sim_step *t = &s->nodes[i].shepherd.steps.v[no];

    if (!t->alive)
        return;
    t->alive = false;
    t->exit_code = t->signal ? 0 : (t->job + t->step) % 3 == 0;
    sim_log(s, "%s: step %u.%u of attempt %u exits", s->nodes[i].name, t->job, t->step, t->attempt);
    say(s, i, t, TD_REPORT_EXITED);
}

/* The attempt ends on the node: its steps first. */
void sim_steps_end(struct sim *s, uint32_t i, const struct sim_attempt *a)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;

    for (uint32_t k = 0; k < sh->steps.n; k++) {
        struct sim_step *t = &sh->steps.v[k];
        if (t->job != a->job || t->attempt != a->attempt || !t->alive)
            continue;
        t->signal = 15;
        sim_step_exit(s, i, k);
    }
}

void sim_step_kill(struct sim *s, uint32_t i, const struct td_kill *k)
{
    struct sim_shepherd *sh = &s->nodes[i].shepherd;
    struct sim_step *t = step_find(sh, k->job, k->attempt, k->step - 1);

    if (!t) {
        struct sim_step never = {.job = k->job, .attempt = k->attempt, .step = k->step - 1, .declined = true};
        if (!k->signal)
            td_vec_push(&sh->steps, never);
        say(s, i, &never, k->signal ? TD_REPORT_SIGNALLED : TD_REPORT_DECLINED);
    } else if (!t->alive) {
        say_again(s, i, t);
    } else if (k->signal) {
        say(s, i, t, TD_REPORT_SIGNALLED);
    } else {
        t->signal = 15;
        sim_push(s, roll(s, 300), SIM_STEP_EXIT, i, (uint32_t)(t - sh->steps.v), sh->boots, NULL);
    }
}

/* Those that run, or whose end is not acknowledged yet. */
struct td_u32s sim_steps_list(const struct sim_shepherd *sh, const struct sim_attempt *a, struct td_arena *arena)
{
    uint32_t *v = td_arena_alloc(arena, (sh->steps.n + 1) * sizeof(*v)), n = 0;

    for (uint32_t k = 0; k < sh->steps.n; k++) {
        const struct sim_step *t = &sh->steps.v[k];
        bool here = t->alive;
        for (uint32_t r = 0; r < sh->spool.n && !here; r++)
            here = sh->spool.v[r].job == t->job && sh->spool.v[r].attempt == t->attempt && sh->spool.v[r].step == t->step;
        if (here && t->job == a->job && t->attempt == a->attempt)
            v[n++] = t->step;
    }
    return (struct td_u32s){v, n};
}
