/* step_rows.c - steps and those who wait for one, as others ask for them: read-only */
#include "broker/core/state.h"

static struct td_step_info row_of(const struct td_core *c, const struct core_job *j)
{
    return (struct td_step_info){
        .job = j->id,
        .array_job = j->array ? j->array->id : 0,
        .array_task = j->array ? j->task : 0,
        .partition = c->partitions.v[j->partition]->name,
        .user = j->spec->body.user_name,
        .limit_s = TD_INFINITE,
    };
}

/* As Slurm shows it: one task that holds nothing of its own. */
static bool show_batch(const struct td_core *c, const struct core_job *j, td_step_visit_fn *visit,
                       void *ctx)
{
    struct td_step_info row = row_of(c, j);
    row.step = TD_STEP_BATCH;
    row.uid = j->uid;
    row.name = "batch";
    row.nodelist = j->alloc->parts[0].node->name;
    row.nodes = row.ntasks = 1;
    row.start_ms = j->start_ms;
    return visit(ctx, &row);
}

static bool show(const struct td_core *c, const struct core_step *s, struct td_arena *a,
                 td_step_visit_fn *visit, void *ctx)
{
    const struct core_job *j = s->job;
    uint32_t tasks = 0, cpus = 0, ngres = 0;
    uint64_t mem_mb = 0;
    bool ending = true;
    struct td_gres_held *gres = td_arena_alloc(a, TD_MAX_GRES_KINDS * sizeof(*gres));
    for (uint32_t i = 0; i < s->nparts; i++) {
        const struct td_step_place *p = s->parts[i].place;
        tasks += p->ranks.n;
        cpus += td_bits_count(p->cpus.v, p->cpus.n);
        mem_mb += p->memory_mb;
        ending &= s->parts[i].state == TD_STEP_ENDING || s->parts[i].state == TD_STEP_OVER;
        for (uint32_t g = 0; g < p->gres.n; g++)
            core_gres_add(gres, &ngres, p->gres.v[g].name, p->gres.v[g].type, p->gres.v[g].count);
    }
    struct td_step_info row = row_of(c, j);
    row.step = s->no;
    row.uid = s->uid;
    row.name = s->spec->name;
    row.nodelist = s->nodelist;
    row.nodes = s->nparts;
    row.ntasks = tasks;
    row.cpus = cpus;
    row.mem_mb = mem_mb;
    row.start_ms = s->start_ms;
    row.limit_s = s->spec->limit_s ? s->spec->limit_s : TD_INFINITE;
    row.ending = ending;
    row.gres = (struct td_gres_held_list){gres, ngres};
    row.gres_node = s->spec->gres;
    row.gres_task = s->spec->gres_task;
    return visit(ctx, &row);
}

void td_core_steps(const struct td_core *c, const struct td_step_query *q, struct td_arena *a,
                   td_step_visit_fn *visit, void *ctx)
{
    uint32_t first = q->job ? core_job_index(c, q->job) : 0;
    for (uint32_t i = first; i < c->jobs.n; i++) {
        const struct core_job *j = c->jobs.v[i];
        if (q->job && j->id != q->job)
            return;
        if (!j->alloc || (!q->asker_operator && !core_job_seen(c, j, q->asker_uid, false)))
            continue;
        if (q->batch && j->state == TD_JOB_RUNNING && !j->spec->body.session &&
            !show_batch(c, j, visit, ctx))
            return;
        for (uint32_t k = 0; k < j->alloc->steps.n; k++) {
            if (!show(c, j->alloc->steps.v[k], a, visit, ctx))
                return;
        }
    }
}

uint32_t td_core_step_ends(const struct td_core *c, const struct td_step_query *q,
                           struct td_arena *a, const struct td_step_end **ret)
{
    const struct core_job *j = core_job_find(c, q->job);
    struct td_step_end *v = td_arena_alloc(a, TD_MAX_STEP_ENDS_KEPT * sizeof(*v));
    uint32_t n = 0;
    for (uint32_t i = 0; j && i < TD_MAX_STEP_ENDS_KEPT; i++) {
        const struct core_step_end *e = &c->step_ends[(c->nstep_ends + i) % TD_MAX_STEP_ENDS_KEPT];
        if (e->job != j->id || e->attempt != j->attempt ||
            (!q->asker_operator && q->asker_uid != j->uid))
            continue;
        v[n++] = (struct td_step_end){
            .step = e->step, .outcome = e->outcome, .node = e->node, .text = e->text};
    }
    *ret = v;
    return n;
}

void td_core_waits(const struct td_core *c, td_wait_visit_fn *visit, void *ctx)
{
    for (uint32_t i = 0; i < c->step_waits.n; i++)
        visit(ctx, c->step_waits.v[i].peer, c->step_waits.v[i].request);
}

uint32_t td_core_nwaits(const struct td_core *c)
{
    return c->step_waits.n;
}
