/* rows.c - what squeue and scontrol show of jobs; reads only */
#include <string.h>

#include "broker/core/state.h"

static const char *fold_bits(struct td_arena *a, const uint8_t *v, uint32_t n)
{
    struct td_buf b = {0};
    td_array_fold((struct td_bin){v, n}, &b);
    const char *s = td_arena_strdup(a, td_buf_str(&b));
    td_buf_release(&b);
    return s;
}

#define WAITING_TEXT_MAX 4000u /* of an array with holes everywhere: what people read; -r shows each task */

static const char *waiting_text(const struct core_array *array, struct td_arena *a, bool done)
{
    char *s = (char *)(uintptr_t)fold_bits(a, done && array->cancelled ? array->cancelled : array->waiting,
                                           array->nbytes);
    if (strlen(s) > WAITING_TEXT_MAX) {
        uint32_t cut = WAITING_TEXT_MAX;
        while (cut > 0 && s[cut] != ',')
            cut--;
        memcpy(s + cut, ",...", 5);
    }
    return array->limit && !done ? core_text(a, "%s%%%u", s, array->limit) : s;
}

void core_gres_add(struct td_gres_held *v, uint32_t *n, const char *name, const char *type,
                     uint64_t count)
{
    for (uint32_t i = 0; i < *n; i++) {
        if (td_str_equal(v[i].name, name) && td_str_equal(v[i].type, type)) {
            v[i].count += count;
            return;
        }
    }
    if (*n < TD_MAX_GRES_KINDS)
        v[(*n)++] = (struct td_gres_held){.name = name, .type = type, .count = count};
}

/* Most jobs want none, and a listing has many jobs. */
static struct td_gres_held *gres_room(struct td_arena *a, uint32_t kinds)
{
    return kinds ? td_arena_alloc(a, TD_MIN(kinds, (uint32_t)TD_MAX_GRES_KINDS) * sizeof(struct td_gres_held)) : NULL;
}

static void fill_held(const struct core_job *j, bool detail, struct td_arena *a,
                      struct td_job_info *ret)
{
    const struct core_alloc *al = j->alloc;
    uint32_t ngres = 0, kinds = 0;
    for (uint32_t i = 0; i < al->nparts; i++)
        kinds += al->parts[i].place->gres.n;
    struct td_gres_held *gres = gres_room(a, kinds);
    struct td_placement *places = detail ? td_arena_alloc(a, al->nparts * sizeof(*places)) : NULL;
    for (uint32_t i = 0; i < al->nparts; i++) {
        const struct td_placement *p = al->parts[i].place;
        ret->cpus += td_bits_count(p->cpus.v, p->cpus.n);
        ret->tasks += p->tasks;
        ret->mem_mb += p->memory_mb;
        for (uint32_t g = 0; g < p->gres.n; g++)
            core_gres_add(gres, &ngres, p->gres.v[g].name, p->gres.v[g].type, p->gres.v[g].count);
        if (places)
            places[i] = *p;
    }
    ret->nodes = al->nparts;
    ret->nodelist = al->nodelist;
    ret->batch_host = al->parts[0].node->name;
    ret->gres = (struct td_gres_held_list){gres, ngres};
    if (places)
        ret->placements = (struct td_placement_list){places, al->nparts};
}

/* Old journals hold amounts of any size: a product that would wrap is more than there is. */
static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t r;
    return __builtin_mul_overflow(a, b, &r) ? UINT64_MAX : r;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t r;
    return __builtin_add_overflow(a, b, &r) ? UINT64_MAX : r;
}

static void fill_wanted(const struct core_job *j, struct td_arena *a, struct td_job_info *ret)
{
    const struct td_job_need *need = core_job_need(j);
    struct td_gres_held *gres = gres_room(a, need->gres.n + need->gres_job.n + need->gres_task.n);
    uint32_t ngres = 0;
    uint64_t gpus = 0;
    struct core_tally t;
    core_need_tally(need, &t);
    for (uint32_t i = 0; i < need->gres.n; i++)
        core_gres_add(gres, &ngres, need->gres.v[i].name, need->gres.v[i].type, need->gres.v[i].count);
    for (uint32_t i = 0; i < need->gres_job.n && t.nodes_max <= 1; i++)
        core_gres_add(gres, &ngres, need->gres_job.v[i].name, need->gres_job.v[i].type,
                      need->gres_job.v[i].count);
    for (uint32_t i = 0; i < need->gres_task.n; i++)
        core_gres_add(gres, &ngres, need->gres_task.v[i].name, need->gres_task.v[i].type,
                      times(need->gres_task.v[i].count, t.tasks) / t.nodes_min);
    for (uint32_t i = 0; i < ngres; i++)
        gpus = plus(gpus, td_str_equal(gres[i].name, "gpu") ? times(gres[i].count, t.nodes_min) : 0);
    if (gpus == 0 && need->gres_job.n) /* its nodes share them */
        gpus = need->gres_job.v[0].count;
    ret->nodes = t.nodes_min;
    ret->tasks = t.tasks;
    ret->cpus = t.cpus;
    ret->mem_mb = plus(times(need->mem_mb_per_node, t.nodes_min),
                       plus(times(need->mem_mb_per_cpu, t.cpus), times(need->mem_mb_per_gpu, gpus)));
    ret->gres = (struct td_gres_held_list){gres, ngres};
}

static void fill_likely(const struct core_job *j, struct td_job_info *ret)
{
    ret->by_ms = j->by_ms;
    if (!j->likely)
        return;
    ret->likely_ms = j->likely->at_ms;
    ret->likely_from_ms = j->likely->from_ms;
    ret->likely_to_ms = j->likely->to_ms;
}

static void fill_times(const struct core_job *j, struct td_job_info *ret)
{
    ret->submit_ms = j->submit_ms;
    ret->eligible_ms = j->eligible_ms;
    ret->start_ms = j->start_ms;
    ret->end_ms = j->end_ms;
    int64_t start_ms = j->promise_ms ? j->promise_ms : j->by_ms ? j->by_ms : j->likely ? j->likely->at_ms : 0;
    if (j->state == TD_JOB_PENDING && (start_ms || j->begin_ms > j->submit_ms)) {
        ret->start_ms = TD_MAX(start_ms, j->begin_ms);
        ret->start_is_prediction = true;
    }
    if (j->state == TD_JOB_PENDING)
        fill_likely(j, ret);
    if (j->state == TD_JOB_RUNNING && j->limit_s != TD_INFINITE)
        ret->end_ms = core_job_until(j, j->start_ms, j->limit_s);
}

static void fill_unavailable(const struct td_core *c, const struct core_job *j, struct td_arena *a, struct td_job_info *ret)
{
    const struct td_reservation *r = core_job_reserved(c, j);
    if (r) {
        ret->reserved = r->name;
        ret->reserved_maint = r->flags & TD_RESERVE_MAINT;
    } else {
        ret->unavailable = core_nodes_missing(c, j, a);
    }
}

static void fill(const struct td_core *c, const struct core_job *j, bool detail, bool state_only,
                 struct td_arena *a, struct td_job_info *ret)
{
    *ret = (struct td_job_info){
        .job = j->id,
        .state = j->state,
        .outcome = j->outcome,
        .reason = j->reason,
        .uid = j->uid,
        .gid = j->gid,
    };
    if (j->array) {
        ret->array_job = j->array->id;
        ret->array_task = j->task;
        ret->array_limit = j->array->limit;
        if (core_job_is_record(j))
            ret->array_tasks = waiting_text(j->array, a, j->state == TD_JOB_DONE);
    }
    if (state_only)
        return;
    ret->detail = j->detail;
    ret->spec = j->spec->body;
    ret->spec.dependency = core_deps_text(c, j, a);
    ret->partition = j->alloc ? c->partitions.v[j->partition]->name : core_job_need(j)->partition;
    ret->limit_s = j->limit_s;
    ret->priority = j->held ? 0 : j->priority;
    ret->attempt = j->attempt;
    ret->exit_code = j->exit_code;
    ret->signal = j->signal;
    ret->cancel_uid = j->cancel_uid;
    ret->requeue = core_job_requeues(c, j);
    ret->held = j->held != 0;
    if (j->usage)
        ret->usage = *j->usage;
    fill_times(j, ret);
    const struct core_reservation *own = j->reason == TD_REASON_RESERVATION ? core_reservation_find(c, j->spec->body.reservation) : NULL;
    if (own && j->state == TD_JOB_PENDING) { /* not before it begins */
        ret->start_ms = TD_MAX(ret->start_ms, own->is->start_ms);
        ret->start_is_prediction = true;
    }
    if (j->reason == TD_REASON_REQ_NODE_NOT_AVAIL && j->state == TD_JOB_PENDING)
        fill_unavailable(c, j, a, ret);
    if (j->alloc)
        fill_held(j, detail, a, ret);
    else
        fill_wanted(j, a, ret);
}

bool td_core_job_brief(const struct td_core *c, uint32_t job, struct td_job_brief *ret)
{
    const struct core_job *j = core_job_find(c, job);
    if (!j)
        return false;
    *ret = (struct td_job_brief){.uid = j->uid,
                                 .state = j->state,
                                 .outcome = j->outcome,
                                 .reason = j->reason,
                                 .array_job = j->array ? j->array->id : 0,
                                 .array_task = j->array ? j->task : 0};
    return true;
}

bool td_core_job_row(const struct td_core *c, uint32_t job, struct td_arena *a,
                     struct td_job_info *ret)
{
    const struct core_job *j = core_job_find(c, job);
    if (j)
        fill(c, j, true, false, a, ret);
    return j != NULL;
}

struct reading {
    const struct td_core *c;
    const struct td_job_query *q;
    struct td_arena *arena;
    td_job_visit_fn *visit;
    void *ctx;
    struct td_plan_bounds **bounds; /* made when one is wanted first; NULL: none is */
};

/* Of those in the queue for whom no plan has a time. */
static void fill_bound(const struct reading *r, const struct core_job *j, struct td_job_info *row)
{
    if (!r->bounds || !j->queued || row->start_ms || r->q->state_only || r->c->settings.memory_counts)
        return;
    if (!*r->bounds)
        *r->bounds = td_plan_bounds_new(r->c->ledger, r->c->queue, r->c->time_ms);
    int64_t at = td_plan_bound(*r->bounds, j->id);
    if (at == TD_FOREVER)
        return;
    row->start_ms = at;
    row->start_is_prediction = row->start_is_bound = true;
}

static bool hidden_partitions(const struct td_core *c, const struct core_job *j)
{
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        if (!c->partitions.v[cand[i].partition]->conf.hidden)
            return false;
    }
    return j->ncandidates > 0;
}

bool core_job_seen(const struct td_core *c, const struct core_job *j, uint32_t uid, bool all)
{
    if (!td_core_sees_job_of(c, j->uid, uid))
        return false;
    return all || j->uid == uid || !hidden_partitions(c, j) || td_core_is_operator(c, uid);
}

static bool expand(const struct reading *r, const struct core_job *j, const struct td_span *only,
                   uint32_t nonly)
{
    const struct core_array *array = j->array;
    struct td_job_info row;
    fill(r->c, j, r->q->detail, r->q->state_only, r->arena, &row);
    fill_bound(r, j, &row);
    row.array_tasks = NULL;
    const uint8_t *named = nonly ? core_spans_bits(r->arena, only, nonly, array->nbytes) : NULL;
    for (int64_t t = td_bits_next(array->waiting, array->nbytes, 0); t >= 0;
         t = td_bits_next(array->waiting, array->nbytes, (uint32_t)t + 1)) {
        if (named && !td_bits_get(named, array->nbytes, (uint32_t)t))
            continue;
        row.array_task = (uint32_t)t;
        if (!r->visit(r->ctx, &row))
            return false;
    }
    return true;
}

static bool show(const struct reading *r, const struct core_job *j, const struct td_span *tasks,
                 uint32_t ntasks)
{
    const struct td_job_query *q = r->q;
    if (!q->asker_operator && !core_job_seen(r->c, j, q->asker_uid, q->all))
        return true;
    if (q->filter) {
        if (!core_filter_state(q->filter, j->state, j->outcome))
            return true;
        if (!core_filter_job(r->c, q->filter, j, q->uids, q->nuids))
            return true;
    } else if (j->state == TD_JOB_DONE) {
        return true;
    }
    if (core_job_is_record(j) && j->state == TD_JOB_PENDING && (q->expand || ntasks))
        return expand(r, j, tasks, ntasks);
    struct td_job_info row;
    fill(r->c, j, q->detail, q->state_only, r->arena, &row);
    fill_bound(r, j, &row);
    return r->visit(r->ctx, &row);
}

/* Names of whole jobs and arrays are looked up; those with tasks are few and gone through. */
struct named {
    struct td_map whole;
    TD_VEC(const struct td_job_sel *) parts;
};

static bool show_named_job(const struct reading *r, const struct named *names,
                           const struct core_job *j)
{
    uint32_t array = j->array ? j->array->id : 0;
    if (td_map_get(&names->whole, j->id) || (array && td_map_get(&names->whole, array)))
        return show(r, j, NULL, 0);
    for (uint32_t i = 0; i < names->parts.n; i++) {
        const struct td_job_sel *s = names->parts.v[i];
        if (s->job != array)
            continue;
        if (core_job_is_record(j)) {
            if (!show(r, j, s->tasks.v, s->tasks.n))
                return false;
        } else if (core_spans_have(s->tasks.v, s->tasks.n, j->task)) {
            return show(r, j, NULL, 0);
        }
    }
    return true;
}

/* Named ones: their ids, and the ids of all tasks of the arrays named, in order and once. */
static void show_named(const struct reading *r)
{
    const struct td_core *c = r->c;
    const struct td_job_sel_list *ids = &r->q->filter->ids;
    struct named names = {0};
    TD_VEC(uint32_t) want = {0};
    static char one;
    for (uint32_t i = 0; i < ids->n; i++) {
        const struct td_job_sel *s = &ids->v[i];
        const struct core_array *a = core_array_find(c, s->job);
        if (!core_spans_sane(s->tasks.v, s->tasks.n))
            continue;
        if (s->tasks.n)
            td_vec_push(&names.parts, s);
        else
            td_map_put(&names.whole, s->job, &one);
        td_vec_push(&want, s->job);
        for (uint32_t k = 0; a && k < a->jobs.n; k++)
            td_vec_push(&want, a->jobs.v[k]->id);
    }
    core_ids_sort(want.v, want.n);
    for (uint32_t i = 0; i < want.n; i++) {
        const struct core_job *j =
            i && want.v[i] == want.v[i - 1] ? NULL : core_job_find(c, want.v[i]);
        if (j && !show_named_job(r, &names, j))
            break;
    }
    td_map_release(&names.whole);
    td_vec_release(&names.parts);
    td_vec_release(&want);
}

void td_core_jobs(const struct td_core *c, const struct td_job_query *q, struct td_arena *a,
                  td_job_visit_fn *visit, void *ctx)
{
    struct td_plan_bounds *bounds = NULL;
    struct reading r = {.c = c, .q = q, .arena = a, .visit = visit, .ctx = ctx, .bounds = q->bounds ? &bounds : NULL};
    bool more = true;
    if (q->filter && q->filter->ids.n)
        show_named(&r);
    else
        for (uint32_t i = 0; i < c->jobs.n && more; i++)
            more = show(&r, c->jobs.v[i], NULL, 0);
    td_plan_bounds_destroy(&bounds);
}

void td_core_jobs_exact(const struct td_core *c, const struct td_job_query *q, const uint32_t *ids,
                        uint32_t n, struct td_arena *a, td_job_visit_fn *visit, void *ctx)
{
    struct reading r = {.c = c, .q = q, .arena = a, .visit = visit, .ctx = ctx};
    for (uint32_t i = 0; i < n; i++) {
        const struct core_job *j = core_job_find(c, ids[i]);
        if (j && !show(&r, j, NULL, 0))
            return;
    }
}
