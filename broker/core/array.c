/* array.c - arrays: one record until a task starts or is touched
 *
 * Owns: struct core_array. A waiting task is a bit; it becomes a job of its own by TASK_SPLIT, and
 * the last one left takes over the record and with it the array's id, as in Slurm. A million
 * waiting tasks are two bitmaps of 125 KB. Invariants: waiting and finished do not overlap; a bit
 * in neither belongs to a task with an id of its own. */
#include <string.h>

#include "broker/core/state.h"

struct core_array *core_array_find(const struct td_core *c, uint32_t id)
{
    return td_map_get(&c->array_by_id, id);
}

struct core_array *core_array_new(struct td_core *c, uint32_t id, const struct td_span *spans,
                                  uint32_t nspans)
{
    struct core_array *a = td_alloc(sizeof(*a));
    a->id = id;
    a->first = UINT32_MAX;
    for (uint32_t i = 0; i < nspans; i++) {
        a->first = TD_MIN(a->first, spans[i].first);
        a->last = TD_MAX(a->last, spans[i].last);
    }
    a->nbytes = a->last / 8 + 1;
    a->waiting = td_alloc(a->nbytes);
    a->finished = td_alloc(a->nbytes);
    for (uint32_t i = 0; i < nspans; i++) {
        uint32_t step = TD_MAX(spans[i].step, 1u);
        for (uint64_t t = spans[i].first; t <= spans[i].last; t += step)
            td_bits_set(a->waiting, (uint32_t)t);
    }
    a->total = a->nwaiting = td_bits_count(a->waiting, a->nbytes);
    if (nspans == 1)
        a->step = TD_MAX(spans[0].step, 1u);
    if (nspans == 1) { /* 0-10:4 ends at 8 */
        int64_t t = a->first, last = t;
        for (; t >= 0; t = td_bits_next(a->waiting, a->nbytes, (uint32_t)t + 1))
            last = t;
        a->last = (uint32_t)last;
    }
    TD_ASSERT(c->arrays.n == 0 || c->arrays.v[c->arrays.n - 1]->id < id);
    td_vec_push(&c->arrays, a);
    td_map_put(&c->array_by_id, id, a);
    c->bytes_jobs += sizeof(*a) + 2 * (uint64_t)a->nbytes;
    return a;
}

void core_array_free(struct td_core *c, struct core_array *a)
{
    c->bytes_jobs -= sizeof(*a) + (a->cancelled ? 3 : 2) * (uint64_t)a->nbytes;
    core_spec_drop(c, &a->spec);
    td_free(a->waiting);
    td_free(a->finished);
    td_free(a->cancelled);
    td_vec_release(&a->jobs);
    td_free(a);
}

void core_arrays_free_empty(struct td_core *c)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->arrays.n; i++) {
        struct core_array *a = c->arrays.v[i];
        if (a->record || a->jobs.n) {
            c->arrays.v[k++] = a;
            continue;
        }
        td_map_del(&c->array_by_id, a->id);
        core_array_free(c, a);
    }
    c->arrays.n = k;
}

static uint64_t task_key(const struct core_array *a, uint32_t task)
{
    return (uint64_t)a->id << 32 | task;
}

/* Ids only grow, except that the last task takes the array's own, which is the smallest. */
void core_array_put(struct td_core *c, struct core_job *j)
{
    struct core_array *a = j->array;
    td_vec_push(&a->jobs, j);
    if (a->jobs.n > 1 && a->jobs.v[a->jobs.n - 2]->id > j->id) {
        memmove(&a->jobs.v[1], &a->jobs.v[0], (a->jobs.n - 1) * sizeof(*a->jobs.v));
        a->jobs.v[0] = j;
    }
    td_map_put(&c->task_by_index, task_key(a, j->task), j);
}

uint32_t core_array_room(const struct core_array *a)
{
    if (a->limit == 0)
        return UINT32_MAX;
    return a->active < a->limit ? a->limit - a->active : 0;
}

/* A task begins or ceases to count against the limit. */
void core_array_count(struct td_core *c, struct core_job *j, bool active)
{
    if (!j->array || j->counted == active)
        return;
    j->counted = active;
    if (active)
        j->array->active++;
    else
        j->array->active--;
    core_array_touch(c, j->array);
}

void core_array_touch(struct td_core *c, struct core_array *a)
{
    if (a->record && a->record->state == TD_JOB_PENDING)
        core_job_enqueue(c, a->record);
    if (a->limit == 0 || a->npending == 0)
        return;
    for (uint32_t i = 0; i < a->jobs.n; i++) {
        if (a->jobs.v[i]->state == TD_JOB_PENDING)
            core_job_enqueue(c, a->jobs.v[i]);
    }
}

struct core_job *core_array_task(const struct td_core *c, const struct core_array *a, uint32_t task)
{
    return td_map_get(&c->task_by_index, task_key(a, task));
}

int64_t core_array_next(struct core_array *a)
{
    int64_t task = td_bits_next(a->waiting, a->nbytes, a->from);
    if (task >= 0)
        a->from = (uint32_t)task;
    return task;
}

struct core_job *core_array_split(struct td_core *c, struct core_array *a, uint32_t task)
{
    TD_ASSERT(td_bits_get(a->waiting, a->nbytes, task));
    uint32_t id = a->nwaiting == 1 ? a->id : c->next_job;
    struct td_ev_task_split ev = {.array_job = a->id, .task = task, .job = id};
    core_emit(c, TD_EV_TASK_SPLIT, &ev);
    return core_job_find(c, id);
}
