/* step.c - the table of steps, and what their events do to it
 *
 * Owns: struct core_step, in the allocation of its job; a step that is over is in the journal and
 * not here. A ledger inside the allocation: what a step holds is what its parts say that are not
 * OVER, so nothing is counted twice. Knows nothing of: who may start now (step_place.c), messages.
 * Invariants (core_steps_check): steps that hold never share a CPU or a device; what a step has is
 * the allocation's; a part that is not OVER is on a node that has not let go. */
#include <string.h>

#include "broker/core/state.h"

bool core_step_holds(const struct td_step_spec *spec)
{
    return !spec->overlap && !spec->interactive;
}

bool core_step_holds_gres(const struct td_step_spec *spec)
{
    return core_step_holds(spec) && (spec->gres.n || spec->gres_task.n);
}

struct core_step *core_step_find(const struct core_job *j, uint32_t no)
{
    for (uint32_t i = 0; j->alloc && i < j->alloc->steps.n; i++) {
        if (j->alloc->steps.v[i]->no == no)
            return j->alloc->steps.v[i];
    }
    return NULL;
}

struct core_step_part *core_step_part_on(const struct core_step *s, const struct core_node *n)
{
    for (uint32_t i = 0; i < s->nparts; i++) {
        if (s->parts[i].node == n)
            return (struct core_step_part *)(uintptr_t)&s->parts[i];
    }
    return NULL;
}

static void link_part(struct core_step_part *p)
{
    struct core_node *n = p->node;
    p->prev = n->step_parts_last;
    p->next = NULL;
    *(n->step_parts_last ? &n->step_parts_last->next : &n->step_parts) = p;
    n->step_parts_last = p;
    p->step->live++;
}

static void unlink_part(struct core_step_part *p)
{
    struct core_node *n = p->node;
    *(p->prev ? &p->prev->next : &n->step_parts) = p->next;
    *(p->next ? &p->next->prev : &n->step_parts_last) = p->prev;
    p->prev = p->next = NULL;
    p->step->live--;
}

static char *fold_nodes(const struct core_step *s)
{
    td_autofree const char **names = td_alloc(s->nparts * sizeof(*names));
    struct td_buf b = {0};
    for (uint32_t i = 0; i < s->nparts; i++)
        names[i] = s->parts[i].node->name;
    td_hostlist_fold(names, s->nparts, &b);
    char *folded = td_strdup(td_buf_str(&b));
    td_buf_release(&b);
    return folded;
}

/* One block: parts, then the submission and the places they point to. Not linked yet. */
static struct core_step *step_new(struct td_core *c, struct core_job *j,
                                  const struct td_ev_step_created *ev)
{
    uint32_t n = ev->places.n;
    size_t head = (sizeof(struct core_step) + n * sizeof(struct core_step_part) + 15) & ~(size_t)15;
    size_t body = (sizeof(*ev) + 15) & ~(size_t)15;
    size_t bytes = head + body + core_pack_extra(&td_rec_ev_step_created, ev) + 8;
    struct core_step *s = td_alloc(bytes);
    struct td_ev_step_created *kept = (void *)((uint8_t *)s + head);
    core_pack_into(&td_rec_ev_step_created, ev, kept, (uint8_t *)s + head + body);
    s->job = j;
    s->no = ev->step;
    s->uid = ev->uid;
    s->spec = &kept->spec;
    s->nparts = n;
    s->bytes = bytes;
    for (uint32_t i = 0; i < n; i++) {
        struct core_step_part *p = &s->parts[i];
        p->step = s;
        p->place = &kept->places.v[i];
        p->node = core_node_find(c, p->place->node);
        TD_ASSERT(p->node);
        p->due_ms = INT64_MAX;
    }
    s->nodelist = fold_nodes(s);
    td_vec_push(&j->alloc->steps, s);
    c->bytes_jobs += bytes;
    return s;
}

static void step_free(struct td_core *c, struct core_step *s)
{
    c->bytes_jobs -= s->bytes;
    td_free(s->nodelist);
    td_free(s);
}

/* The whole core is being taken down, or nothing of them is left. */
void core_steps_free(struct td_core *c, struct core_alloc *a)
{
    for (uint32_t i = 0; i < a->steps.n; i++)
        step_free(c, a->steps.v[i]);
    td_vec_release(&a->steps);
}

/* --- events ----------------------------------------------------------------------------------- */

static struct core_step *step_of(struct td_core *c, uint32_t job, uint32_t no)
{
    struct core_job *j = core_job_find(c, job);
    struct core_step *s = j ? core_step_find(j, no) : NULL;
    TD_ASSERT(s);
    return s;
}

static struct core_step_part *part_of(struct td_core *c, uint32_t job, uint32_t no,
                                      const char *node)
{
    struct core_node *n = core_node_find(c, node);
    struct core_step_part *p = n ? core_step_part_on(step_of(c, job, no), n) : NULL;
    TD_ASSERT(p && p->state != TD_STEP_OVER);
    return p;
}

void core_step_apply_created(struct td_core *c, const struct td_ev_step_created *ev)
{
    struct core_job *j = core_job_find(c, ev->job);
    TD_ASSERT(j && j->state == TD_JOB_RUNNING && j->attempt == ev->attempt &&
              ev->step >= j->alloc->next_step && ev->places.n > 0);
    j->alloc->next_step = ev->step + 1;
    struct core_step *s = step_new(c, j, ev);
    s->start_ms = c->time_ms;
    for (uint32_t i = 0; i < s->nparts; i++) {
        s->parts[i].state = TD_STEP_SENT;
        link_part(&s->parts[i]);
        core_step_due(c, &s->parts[i], c->time_ms);
    }
    c->counters.steps_created++;
}

void core_step_apply_started(struct td_core *c, const struct td_ev_step_started *ev)
{
    struct core_step_part *p = part_of(c, ev->job, ev->step, ev->node);
    TD_ASSERT(p->state == TD_STEP_SENT);
    p->state = TD_STEP_STARTED;
    p->backoff_ms = 0;
    p->sent = false;
    p->due_ms = p->signal ? c->time_ms : INT64_MAX;
}

/* Nothing is decided by them: a client that asks what became of its step is told. */
static void keep_words(struct td_core *c, const struct core_step *s, const struct td_ev_step_exited *ev)
{
    struct core_step_end *e = &c->step_ends[c->nstep_ends++ % TD_MAX_STEP_ENDS_KEPT];
    td_free(e->node);
    td_free(e->text);
    *e = (struct core_step_end){.job = s->job->id,
                                .attempt = s->job->attempt,
                                .step = s->no,
                                .outcome = ev->outcome,
                                .node = td_strdup(ev->node),
                                .text = td_strdup(ev->text)};
}

void core_step_ends_free(struct td_core *c)
{
    for (uint32_t i = 0; i < TD_MAX_STEP_ENDS_KEPT; i++) {
        td_free(c->step_ends[i].node);
        td_free(c->step_ends[i].text);
        c->step_ends[i] = (struct core_step_end){0};
    }
}

void core_step_apply_exited(struct td_core *c, const struct td_ev_step_exited *ev)
{
    struct core_step_part *p = part_of(c, ev->job, ev->step, ev->node);
    struct core_step *s = p->step;
    p->state = TD_STEP_OVER;
    if (!td_str_empty(ev->text))
        keep_words(c, s, ev);
    p->due_ms = INT64_MAX;
    unlink_part(p);
    s->exit_code = (uint8_t)TD_MAX((uint32_t)s->exit_code, ev->exit_code);
    if (s->signal == 0)
        s->signal = (uint8_t)ev->signal;
    if (s->outcome == TD_OUTCOME_NONE || s->outcome == TD_OUTCOME_COMPLETED)
        s->outcome = (uint8_t)ev->outcome;
    c->steps_stirred = true;
}

void core_step_apply_ending(struct td_core *c, const struct td_ev_step_ending *ev)
{
    struct core_step *s = step_of(c, ev->job, ev->step);
    for (uint32_t i = 0; i < s->nparts; i++) {
        struct core_step_part *p = &s->parts[i];
        if (p->state != TD_STEP_SENT && p->state != TD_STEP_STARTED)
            continue;
        p->state = TD_STEP_ENDING;
        p->signal = 0;
        p->backoff_ms = 0;
        p->sent = false;
        core_step_due(c, p, c->time_ms);
    }
}

void core_step_apply_ended(struct td_core *c, const struct td_ev_step_ended *ev)
{
    struct core_step *s = step_of(c, ev->job, ev->step);
    struct core_alloc *a = s->job->alloc;
    TD_ASSERT(s->live == 0);
    uint32_t i = 0;
    while (a->steps.v[i] != s)
        i++;
    memmove(&a->steps.v[i], &a->steps.v[i + 1], (a->steps.n - i - 1) * sizeof(a->steps.v[0]));
    a->steps.n--;
    step_free(c, s);
}

/* --- snapshot --------------------------------------------------------------------------------- */

void core_step_snapshot(const struct core_step *s, td_core_emit_fn *emit, void *ctx)
{
    struct td_arena a = {0};
    struct td_step_place *places = td_arena_alloc(&a, s->nparts * sizeof(*places));
    uint32_t *states = td_arena_alloc(&a, s->nparts * sizeof(*states));
    for (uint32_t i = 0; i < s->nparts; i++) {
        places[i] = *s->parts[i].place;
        states[i] = s->parts[i].state;
    }
    struct td_snap_step r = {
        .job = s->job->id,
        .attempt = s->job->attempt,
        .step = s->no,
        .spec = *s->spec,
        .places = {places, s->nparts},
        .parts = {states, s->nparts},
        .start_ms = s->start_ms,
        .exit_code = s->exit_code,
        .signal = s->signal,
        .outcome = s->outcome,
        .uid = s->uid,
    };
    emit(ctx, TD_SNAP_STEP, &td_rec_snap_step, &r);
    td_arena_release(&a);
}

int core_step_restore(struct td_core *c, const struct td_snap_step *r, struct td_error *err)
{
    struct core_job *j = core_job_find(c, r->job);
    bool fits = j && j->alloc && j->attempt == r->attempt && r->step < j->alloc->next_step &&
                r->places.n && r->parts.n == r->places.n;
    if (fits && j->alloc->steps.n)
        fits = j->alloc->steps.v[j->alloc->steps.n - 1]->no < r->step;
    for (uint32_t i = 0; fits && i < r->places.n; i++) {
        struct core_node *n = core_node_find(c, r->places.v[i].node);
        fits = n && core_job_part(j, n) && r->parts.v[i] < TD_STEP_STATE_COUNT;
    }
    if (!fits)
        return td_fail(err, TD_E_JOURNAL, "snapshot: step %u.%u makes no sense", r->job, r->step);
    struct td_ev_step_created ev = {.job = r->job,
                                    .attempt = r->attempt,
                                    .step = r->step,
                                    .spec = r->spec,
                                    .places = r->places,
                                    .uid = r->uid};
    struct core_step *s = step_new(c, j, &ev);
    s->start_ms = r->start_ms;
    s->exit_code = (uint8_t)r->exit_code;
    s->signal = (uint8_t)r->signal;
    s->outcome = (uint8_t)r->outcome;
    for (uint32_t i = 0; i < s->nparts; i++) {
        struct core_step_part *p = &s->parts[i];
        p->state = (uint8_t)r->parts.v[i];
        if (p->state == TD_STEP_OVER)
            continue;
        link_part(p);
        if (p->state != TD_STEP_STARTED)
            core_step_due(c, p, c->time_ms);
    }
    return 0;
}

/* --- invariants ------------------------------------------------------------------------------- */

static bool devices_overlap(const struct td_step_place *a, const struct td_step_place *b)
{
    for (uint32_t i = 0; i < a->gres.n; i++) {
        for (uint32_t k = 0; k < b->gres.n; k++) {
            const struct td_gres_held *x = &a->gres.v[i], *y = &b->gres.v[k];
            if (td_str_equal(x->name, y->name) && td_bits_overlap(x->devices, y->devices))
                return true;
        }
    }
    return false;
}

static bool devices_within(const struct td_step_place *inner, const struct td_placement *outer)
{
    for (uint32_t i = 0; i < inner->gres.n; i++) {
        const struct td_gres_held *x = &inner->gres.v[i];
        bool found = false;
        for (uint32_t k = 0; k < outer->gres.n && !found; k++) {
            const struct td_gres_held *y = &outer->gres.v[k];
            found = td_str_equal(x->name, y->name) && td_str_equal(x->type, y->type) &&
                    x->count <= y->count && td_bits_covers(y->devices, x->devices);
        }
        if (!found)
            return false;
    }
    return true;
}

static const char *check_two(const struct core_step_part *p)
{
    for (const struct core_step_part *q = p->next; q; q = q->next) {
        if (q->step->job != p->step->job || !core_step_holds(q->step->spec))
            continue;
        if (td_bits_overlap(p->place->cpus, q->place->cpus))
            return "two of its steps hold one CPU";
        if (core_step_holds_gres(p->step->spec) && core_step_holds_gres(q->step->spec) &&
            devices_overlap(p->place, q->place))
            return "two of its steps hold one device";
    }
    return NULL;
}

static const char *check_part(const struct core_job *j, const struct core_step_part *p)
{
    const struct core_part *in = core_job_part(j, p->node);
    if (!in || in->state == TD_ALLOC_GONE)
        return "a step of it is on a node that is not its own, or has let go";
    if (!td_bits_covers(in->place->cpus, p->place->cpus) || !devices_within(p->place, in->place))
        return "a step of it has what the allocation has not";
    return core_step_holds(p->step->spec) ? check_two(p) : NULL;
}

/* Memory is a sum: what is asked for by name must be there. */
static const char *check_memory(const struct core_job *j, const struct core_part *in)
{
    uint64_t sum = 0;
    for (const struct core_step_part *p = in->node->step_parts; p; p = p->next)
        sum += p->step->job == j && core_step_holds(p->step->spec) ? p->place->memory_mb : 0;
    return in->place->memory_mb && sum > in->place->memory_mb ? "its steps hold too much memory"
                                                              : NULL;
}

const char *core_steps_check(const struct core_job *j)
{
    const struct core_alloc *a = j->alloc;
    const char *why = NULL;
    if (!a)
        return NULL;
    if (a->steps.n && j->state != TD_JOB_RUNNING && j->state != TD_JOB_ENDING)
        return "has a step and does not run";
    for (uint32_t i = 0; i < a->steps.n; i++) {
        const struct core_step *s = a->steps.v[i];
        uint32_t live = 0;
        if (s->job != j || s->no >= a->next_step || (i && a->steps.v[i - 1]->no >= s->no))
            return "a step of it is out of order";
        for (uint32_t k = 0; k < s->nparts && !why; k++) {
            live += s->parts[k].state != TD_STEP_OVER;
            why = s->parts[k].state == TD_STEP_OVER ? NULL : check_part(j, &s->parts[k]);
        }
        if (why)
            return why;
        if (live == 0 || live != s->live)
            return "a step of it is over and still here, or its parts are miscounted";
    }
    for (uint32_t i = 0; i < a->nparts && a->steps.n && !why; i++)
        why = check_memory(j, &a->parts[i]);
    return why;
}
