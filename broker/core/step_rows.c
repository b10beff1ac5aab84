/* step_rows.c - steps and those who wait for one, as others ask for them: read-only */
#include "broker/core/state.h"

static bool show(const struct td_core *c, const struct core_step *s, struct td_arena *a,
                 td_step_visit_fn *visit, void *ctx)
{
    const struct core_job *j = s->job;
    uint32_t tasks = 0, cpus = 0, ngres = 0;
    struct td_gres_held *gres = td_arena_alloc(a, TD_MAX_GRES_KINDS * sizeof(*gres));
    for (uint32_t i = 0; i < s->nparts; i++) {
        const struct td_step_place *p = s->parts[i].place;
        tasks += p->ranks.n;
        cpus += td_bits_count(p->cpus.v, p->cpus.n);
        for (uint32_t g = 0; g < p->gres.n; g++)
            core_gres_add(gres, &ngres, p->gres.v[g].name, p->gres.v[g].type, p->gres.v[g].count);
    }
    struct td_step_info row = {
        .job = j->id,
        .step = s->no,
        .uid = s->uid,
        .name = s->spec->name,
        .partition = c->partitions.v[j->partition]->name,
        .nodelist = s->nodelist,
        .nodes = s->nparts,
        .ntasks = tasks,
        .cpus = cpus,
        .start_ms = s->start_ms,
        .limit_s = s->spec->limit_s ? s->spec->limit_s : j->limit_s,
        .user = j->spec->body.user_name,
        .gres = {gres, ngres},
    };
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
        for (uint32_t k = 0; k < j->alloc->steps.n; k++) {
            if (!show(c, j->alloc->steps.v[k], a, visit, ctx))
                return;
        }
    }
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
