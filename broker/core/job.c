/* job.c - the table of jobs, their submissions and their allocations
 *
 * Owns: struct core_job, core_spec, core_alloc. Ids only grow, so the table stays sorted by
 * appending. Invariants: a job with live parts is AWARDED, RUNNING or ENDING; a part is in its
 * node's list while it is not GONE. */
#include <string.h>

#include "broker/core/state.h"

struct core_spec *core_spec_new(struct td_core *c, const struct td_job_spec *body)
{
    size_t head = (sizeof(struct core_spec) + 7) & ~(size_t)7;
    size_t bytes = head + core_pack_extra(&td_rec_job_spec, body) + 8;
    struct core_spec *s = td_alloc(bytes);
    core_pack_into(&td_rec_job_spec, body, &s->body, (uint8_t *)s + head);
    s->refs = 1;
    s->bytes = bytes;
    c->bytes_jobs += bytes;
    return s;
}

struct core_spec *core_spec_ref(struct core_spec *s)
{
    s->refs++;
    return s;
}

void core_spec_drop(struct td_core *c, struct core_spec **p)
{
    struct core_spec *s = *p;
    *p = NULL;
    if (!s || --s->refs)
        return;
    c->bytes_jobs -= s->bytes;
    td_free(s);
}

struct core_job *core_job_find(const struct td_core *c, uint32_t id)
{
    return td_map_get(&c->job_by_id, id);
}

uint32_t core_job_index(const struct td_core *c, uint32_t id)
{
    uint32_t lo = 0, hi = c->jobs.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->jobs.v[mid]->id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct core_job *core_job_new(struct td_core *c, uint32_t id)
{
    TD_ASSERT(c->jobs.n == 0 || c->jobs.v[c->jobs.n - 1]->id < id);
    struct core_job *j = td_alloc(sizeof(*j));
    j->id = id;
    td_vec_push(&c->jobs, j);
    td_map_put(&c->job_by_id, id, j);
    c->bytes_jobs += sizeof(*j);
    return j;
}

/* The caller takes it out of the table. */
void core_job_free(struct td_core *c, struct core_job *j)
{
    core_alloc_free(c, j);
    core_job_drop_shapes(c, j);
    core_deps_drop(c, j);
    core_spec_drop(c, &j->spec);
    td_free(j->detail);
    td_free(j->usage);
    td_free(j->candidates);
    c->bytes_jobs -= sizeof(*j);
    td_free(j);
}

const struct td_job_need *core_job_need(const struct core_job *j)
{
    return &j->spec->body.needs.v[0];
}

bool core_job_live(const struct core_job *j)
{
    return j->state == TD_JOB_AWARDED || j->state == TD_JOB_RUNNING || j->state == TD_JOB_ENDING;
}

bool core_job_is_record(const struct core_job *j)
{
    return j->array && j->task == TD_NO_TASK;
}

uint32_t core_limit_rounded(const struct td_core *c, uint32_t limit_s)
{
    uint64_t unit = c->settings.limit_round_s;
    if (unit == 0 || limit_s == TD_INFINITE)
        return limit_s;
    uint64_t up = (limit_s + unit - 1) / unit * unit;
    return up < TD_INFINITE ? (uint32_t)up : limit_s;
}

int64_t core_job_until(const struct core_job *j, int64_t from_ms, uint32_t limit_s)
{
    return limit_s == TD_INFINITE ? TD_FOREVER : from_ms + (int64_t)limit_s * 1000 + j->stepped_ms;
}

bool core_job_requeues(const struct td_core *c, const struct core_job *j)
{
    if (j->spec->body.session)
        return false;
    return j->spec->body.requeue ? j->spec->body.requeue == 1 : c->settings.requeue;
}

const char *core_job_name(const struct core_job *j, struct td_arena *a)
{
    if (!j->array)
        return core_text(a, "%u", j->id);
    if (core_job_is_record(j))
        return core_text(a, "%u_*", j->array->id);
    return core_text(a, "%u_%u", j->array->id, j->task);
}

/* One block: parts, then the placements they point to. Nodes are known by name. */
struct core_alloc *core_alloc_new(struct td_core *c, struct core_job *j,
                                  const struct td_placement *places, uint32_t n)
{
    struct td_ev_job_awarded list = {.places = {places, n}};
    size_t head = (sizeof(struct core_alloc) + n * sizeof(struct core_part) + 15) & ~(size_t)15;
    size_t bytes = head + core_pack_extra(&td_rec_ev_job_awarded, &list) + 8;
    struct core_alloc *a = td_alloc(bytes);
    struct td_ev_job_awarded packed;
    core_pack_into(&td_rec_ev_job_awarded, &list, &packed, (uint8_t *)a + head);
    a->nparts = n;
    a->bytes = bytes;
    td_autofree const char **names = td_alloc(n * sizeof(*names));
    for (uint32_t i = 0; i < n; i++) {
        struct core_part *p = &a->parts[i];
        p->job = j;
        p->place = &packed.places.v[i];
        p->node = core_node_find(c, p->place->node);
        TD_ASSERT(p->node);
        p->due_ms = INT64_MAX;
        names[i] = p->place->node;
    }
    if (n == 1) {
        a->nodelist = td_strdup(names[0]);
    } else {
        struct td_buf b = {0};
        td_hostlist_fold(names, n, &b);
        a->nodelist = td_strdup(td_buf_str(&b));
        td_buf_release(&b);
    }
    j->alloc = a;
    c->bytes_jobs += bytes;
    return a;
}

void core_alloc_free(struct td_core *c, struct core_job *j)
{
    struct core_alloc *a = j->alloc;
    if (!a)
        return;
    c->bytes_jobs -= a->bytes;
    core_steps_free(c, a);
    td_free(a->nodelist);
    td_free(a);
    j->alloc = NULL;
}

struct core_part *core_job_part(const struct core_job *j, const struct core_node *n)
{
    for (uint32_t i = 0; j->alloc && i < j->alloc->nparts; i++) {
        if (j->alloc->parts[i].node == n)
            return &j->alloc->parts[i];
    }
    return NULL;
}

void core_part_link(struct core_part *p)
{
    struct core_node *n = p->node;
    p->prev = n->parts_last;
    p->next = NULL;
    if (n->parts_last)
        n->parts_last->next = p;
    else
        n->parts = p;
    n->parts_last = p;
    n->nparts++;
    p->job->alloc->live++;
}

void core_part_unlink(struct core_part *p)
{
    struct core_node *n = p->node;
    if (p->prev)
        p->prev->next = p->next;
    else
        n->parts = p->next;
    if (p->next)
        p->next->prev = p->prev;
    else
        n->parts_last = p->prev;
    p->prev = p->next = NULL;
    n->nparts--;
    p->job->alloc->live--;
}

uint32_t td_core_job_owner(const struct td_core *c, uint32_t job, bool *ret_known)
{
    const struct core_job *j = core_job_find(c, job);
    *ret_known = j != NULL;
    return j ? j->uid : 0;
}

void core_ids_sort(uint32_t *v, uint32_t n)
{
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            uint32_t id = v[i], k = i;
            for (; k >= gap && v[k - gap] > id; k -= gap)
                v[k] = v[k - gap];
            v[k] = id;
        }
    }
}
