/* eligible.c - may a waiting job start at all, and if not, why: membership in the queue
 *
 * Follows from durable state and the time of the last event alone, so a replica keeps the same
 * queue. Whoever changes what this reads calls core_job_enqueue in the same apply. */
#include "broker/core/state.h"

struct core_candidate *core_job_candidates(struct core_job *j)
{
    return j->candidates ? j->candidates : &j->candidate;
}

/* Partition's tier, then priority; ties end in the job id, which the queue adds. */
uint64_t core_rank(const struct td_core *c, uint64_t priority, uint32_t partition)
{
    uint32_t tier = TD_MIN(c->partitions.v[partition]->conf.priority_tier, 0xffffu);
    return (uint64_t)(0xffffu - tier) << 48 | (UINT32_MAX - TD_MIN(priority, (uint64_t)UINT32_MAX)) << 16;
}

uint64_t core_job_rank(const struct td_core *c, const struct core_job *j, uint32_t partition)
{
    return core_rank(c, j->priority, partition);
}

/* Where the queue may be reordered: the partition's tier, then a priority that somebody gave (before or behind all that
 * have their own), then nice. */
uint64_t core_class(const struct td_core *c, uint32_t partition, enum core_given given, uint64_t priority, int64_t nice)
{
    uint64_t tier = core_rank(c, 0, partition) >> 48;
    uint32_t value = (uint32_t)(nice + (INT64_C(1) << 31));

    if (given)
        value = UINT32_MAX - (uint32_t)TD_MIN(priority, (uint64_t)UINT32_MAX);
    return tier << 48 | (uint64_t)(given == CORE_GIVEN_BEFORE ? 0 : 1 + given) << 40 | value;
}

uint32_t core_partition_blocked(const struct core_partition *p, const struct core_tally *t, uint32_t limit_s)
{
    if (p->gone || p->state == PARTITION_INACTIVE)
        return TD_REASON_PARTITION_INACTIVE;
    if (p->state == PARTITION_DOWN)
        return TD_REASON_PARTITION_DOWN;
    if (p->conf.max_s && p->conf.max_s != TD_INFINITE && limit_s > p->conf.max_s)
        return TD_REASON_PARTITION_TIME_LIMIT;
    if (t->nodes_max < p->conf.nodes_min || (p->conf.nodes_max && t->nodes_min > p->conf.nodes_max))
        return TD_REASON_PARTITION_NODE_LIMIT;
    return TD_REASON_NONE;
}

uint32_t core_candidate_blocked(const struct td_core *c, const struct core_job *j,
                                uint32_t partition)
{
    struct core_tally t;
    core_need_tally(core_job_need(j), &t);
    return core_partition_blocked(c->partitions.v[partition], &t, j->limit_s);
}

uint32_t core_job_blocked(const struct td_core *c, const struct core_job *j, int64_t civil_ms)
{
    if (j->held)
        return j->held;
    if (j->deps)
        return core_deps_blocked(j);
    if (j->begin_ms > civil_ms)
        return TD_REASON_BEGIN_TIME;
    if (core_reservation_blocked(c, j) != TD_REASON_NONE)
        return core_reservation_blocked(c, j);
    if (j->array && core_array_room(j->array) == 0)
        return TD_REASON_ARRAY_TASK_LIMIT;
    uint32_t first = TD_REASON_PARTITION_DOWN;
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        uint32_t why = core_candidate_blocked(c, j, cand[i].partition);
        if (why == TD_REASON_NONE)
            return TD_REASON_NONE;
        if (i == 0)
            first = why;
    }
    return first;
}

/* What cannot wait needs no shape; the partitions stay, for those who ask where it was. */
void core_job_drop_shapes(struct td_core *c, struct core_job *j)
{
    struct core_candidate *cand = core_job_candidates(j);
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        if (cand[i].shape != CORE_NO_SHAPE)
            td_ledger_drop_shape(c->ledger, cand[i].shape);
        cand[i].shape = CORE_NO_SHAPE;
    }
}

static uint32_t shape_in(struct td_core *c, const struct core_job *j,
                         const struct core_partition *p, struct td_arena *a)
{
    struct td_shape shape;
    if (j->state == TD_JOB_DONE)
        return CORE_NO_SHAPE;
    core_spec_shape(c, &j->spec->body, core_job_need(j), p, a, &shape);
    return td_ledger_shape(c->ledger, &shape, p->no);
}

/* Partitions as resolved at submission: "a" or "a,b". */
void core_job_set_candidates(struct td_core *c, struct core_job *j)
{
    struct td_arena a = {0};
    const struct td_job_need *need = core_job_need(j);
    char *names = td_arena_strdup(&a, need->partition ? need->partition : "");
    uint32_t n = 1;
    for (const char *s = names; *s; s++)
        n += *s == ',';
    core_job_drop_shapes(c, j);
    td_free(j->candidates);
    j->candidates = n > 1 ? td_alloc(n * sizeof(*j->candidates)) : NULL;
    j->ncandidates = 0;
    struct core_candidate *to = core_job_candidates(j);
    for (char *s = names; s;) {
        char *comma = NULL;
        for (char *q = s; *q; q++) {
            if (*q == ',') {
                comma = q;
                *q = '\0';
                break;
            }
        }
        struct core_partition *p = core_partition_find(c, s);
        if (!p)
            p = core_partition_add(c, s); /* journal from a configuration that no longer has it */
        if (j->ncandidates < UINT8_MAX)
            to[j->ncandidates++] = (struct core_candidate){p->no, shape_in(c, j, p, &a)};
        s = comma ? comma + 1 : NULL;
    }
    td_arena_release(&a);
}

bool core_reason_is_head(uint32_t reason)
{
    return reason == TD_REASON_RESOURCES || reason == TD_REASON_REQ_NODE_NOT_AVAIL ||
           reason == TD_REASON_BAD_CONSTRAINTS || reason == TD_REASON_LICENSES;
}

void core_job_set_reason(struct td_core *c, struct core_job *j, uint32_t reason)
{
    if (core_reason_is_head(reason) && !core_reason_is_head(j->reason))
        td_vec_push(&c->heads, j->id);
    j->reason = (uint8_t)reason;
}

static uint32_t startable(const struct core_job *j)
{
    if (!core_job_is_record(j))
        return 1;
    return TD_MIN(j->array->nwaiting, core_array_room(j->array));
}

/* The queue's key is (job, component, partition): putting one again changes it in place. Candidates
 * may have dropped out (a partition went down), so a job that was queued for several leaves first.
 */
void core_job_enqueue(struct td_core *c, struct core_job *j)
{
    uint32_t why = j->state == TD_JOB_PENDING
                       ? core_job_blocked(c, j, core_civil_ms(c, c->time_ms))
                       : TD_REASON_NONE;
    bool wants = j->state == TD_JOB_PENDING && why == TD_REASON_NONE;

    if (j->queued && (!wants || j->ncandidates > 1))
        td_queue_drop(c->queue, j->id);
    j->queued = wants;
    if (!wants)
        core_likely_drop(j);
    if (j->state == TD_JOB_DONE) {
        core_job_drop_shapes(c, j);
        core_deps_drop(c, j);
    }
    if (j->state != TD_JOB_PENDING)
        return;
    core_deadline_note(c, j);
    if (!wants) {
        if (why == TD_REASON_BEGIN_TIME) {
            if (j->reason != why)
                td_vec_push(&c->begins, j->id);
            core_sooner(&c->begins_next_ms, core_civil_at(c, j->begin_ms));
        }
        core_job_set_reason(c, j, why);
        return;
    }
    const struct core_candidate *cand = core_job_candidates(j);
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        if (core_candidate_blocked(c, j, cand[i].partition) != TD_REASON_NONE)
            continue;
        struct td_candidate put = {
            .job = j->id,
            .partition = cand[i].partition,
            .shape = cand[i].shape,
            .rank = core_job_rank(c, j, cand[i].partition),
            .class = core_class(c, cand[i].partition, j->given, j->priority, j->spec->body.nice),
            .count = startable(j),
            .limit_s = j->limit_s,
            .limit_min_s = core_spec_limit_min(&j->spec->body),
            .run_s = core_foretell(c, j, NULL),
            .by_ms = j->by_ms,
            .told = j->likely != NULL,
            .since_ms = j->eligible_ms ? j->eligible_ms : j->submit_ms,
        };
        td_queue_put(c->queue, &put);
    }
    if (!core_reason_is_head(j->reason))
        core_job_set_reason(c, j, TD_REASON_PRIORITY);
    c->dirty = true;
}
