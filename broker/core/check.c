/* check.c - the invariants, recounted from the ground: for the simulator after every step, for
 * tests, for doctor */
#include <string.h>

#include "broker/core/state.h"

static bool bad(struct td_error *err, const struct core_job *j, const char *what)
{
    td_fail(err, TD_E_JOURNAL, "job %u: %s", j->id, what);
    return false;
}

static bool check_parts(const struct core_job *j, struct td_error *err)
{
    const struct core_alloc *a = j->alloc;
    uint32_t live = 0, held = 0;
    if (core_job_live(j) && !a)
        return bad(err, j, "has no allocation");
    if (j->state == TD_JOB_PENDING && a)
        return bad(err, j, "waits and has an allocation");
    for (uint32_t i = 0; a && i < a->nparts; i++) {
        const struct core_part *p = &a->parts[i];
        live += p->state != TD_ALLOC_GONE;
        held += p->state == TD_ALLOC_HELD;
        if (p->job != j)
            return bad(err, j, "a part of it belongs to another");
        for (uint32_t k = 0; k < i; k++) {
            if (a->parts[k].node == p->node)
                return bad(err, j, "holds a node twice");
        }
    }
    if (a && live != a->live)
        return bad(err, j, "its live parts are miscounted");
    if (core_job_live(j) && live == 0)
        return bad(err, j, "is not over, and no node has it");
    if (j->state == TD_JOB_DONE && live)
        return bad(err, j, "is over, and a node has it");
    if (j->state == TD_JOB_RUNNING && held != a->nparts)
        return bad(err, j, "runs, and not every node has accepted it");
    if (j->state == TD_JOB_AWARDED && live != a->nparts)
        return bad(err, j, "is awarded, and a node of it is gone");
    if (j->state == TD_JOB_ENDING && held)
        return bad(err, j, "is ending, and a node was not told");
    return true;
}

static bool check_queue(const struct td_core *c, const struct core_job *j, struct td_error *err)
{
    if (j->state != TD_JOB_PENDING)
        return j->queued ? bad(err, j, "is in the queue and does not wait") : true;
    uint32_t why =
        core_job_blocked(c, j, j->reason == TD_REASON_BEGIN_TIME ? j->begin_ms - 1
                                                                 : core_civil_ms(c, c->time_ms));
    if (j->queued != (why == TD_REASON_NONE))
        return bad(err, j,
                   j->queued ? "is in the queue and may not start"
                             : "may start and is not in the queue");
    if (why != TD_REASON_NONE && j->reason != why)
        return bad(err, j, "waits for another reason than it says");
    if (j->queued && j->reason != TD_REASON_PRIORITY && !core_reason_is_head(j->reason))
        return bad(err, j, "is in the queue with a reason that keeps it out");
    return true;
}

/* A shape is held by what waits or may wait again, and by nothing else. */
static bool check_shapes(const struct core_job *j, struct td_error *err)
{
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        if ((cand[i].shape == CORE_NO_SHAPE) != (j->state == TD_JOB_DONE))
            return bad(err, j, "has a shape and is over, or has none and is not");
    }
    return true;
}

static bool check_job(const struct td_core *c, const struct core_job *j, struct td_error *err)
{
    if (core_job_find(c, j->id) != j)
        return bad(err, j, "is not found by its id");
    if (j->id >= c->next_job)
        return bad(err, j, "has an id that was not given yet");
    if (j->state == TD_JOB_DONE && j->outcome == TD_OUTCOME_NONE)
        return bad(err, j, "is over without an outcome");
    if (j->state != TD_JOB_DONE && j->state != TD_JOB_ENDING && j->outcome != TD_OUTCOME_NONE)
        return bad(err, j, "has an outcome and is not over");
    if (core_job_is_record(j) &&
        (j->array->record != j || (j->state == TD_JOB_PENDING) != (j->array->nwaiting > 0)))
        return bad(err, j, "is the record of waiting tasks, and they disagree");
    const char *waits = core_deps_check(c, j);
    if (waits)
        return bad(err, j, waits);
    const char *steps = core_steps_check(j);
    if (steps)
        return bad(err, j, steps);
    return check_parts(j, err) && check_shapes(j, err) && check_queue(c, j, err);
}

static bool check_array(const struct core_array *a, struct td_error *err)
{
    uint32_t active = 0, pending = 0;
    for (uint32_t i = 0; i < a->jobs.n; i++) {
        const struct core_job *j = a->jobs.v[i];
        active += core_job_live(j);
        pending += j->state == TD_JOB_PENDING;
        if (i && a->jobs.v[i - 1]->id >= j->id)
            return bad(err, j, "is out of order in its array");
        if (td_bits_get(a->waiting, a->nbytes, j->task))
            return bad(err, j, "has an id of its own and waits in the record too");
        if (td_bits_get(a->finished, a->nbytes, j->task) != (j->state == TD_JOB_DONE))
            return bad(err, j, "and its array disagree whether it is over");
    }
    uint32_t waiting = td_bits_count(a->waiting, a->nbytes);
    if (td_bits_overlap((struct td_bin){a->waiting, a->nbytes},
                        (struct td_bin){a->finished, a->nbytes}) ||
        waiting != a->nwaiting || active != a->active || pending != a->npending) {
        td_fail(err, TD_E_JOURNAL, "array %u: waiting %u (%u), active %u (%u), pending %u (%u)",
                a->id, waiting, a->nwaiting, active, a->active, pending, a->npending);
        return false;
    }
    uint32_t finished = td_bits_count(a->finished, a->nbytes);
    if (waiting + active + pending + finished != a->total) {
        td_fail(err, TD_E_JOURNAL, "array %u: %u tasks, and %u of them accounted for", a->id,
                a->total, waiting + active + pending + finished);
        return false;
    }
    return true;
}

static bool check_node(const struct td_core *c, const struct core_node *n, struct td_error *err)
{
    uint32_t k = 0;
    for (const struct core_part *p = n->parts; p; p = p->next, k++) {
        if (p->node != n || p->state == TD_ALLOC_GONE || core_job_find(c, p->job->id) != p->job) {
            td_fail(err, TD_E_JOURNAL, "node %s: a part in its list is not its own", n->name);
            return false;
        }
    }
    struct td_ledger_free free;
    td_ledger_get_free(c->ledger, n->no, &free);
    if (k != n->nparts || free.holdings != k) {
        td_fail(err, TD_E_JOURNAL, "node %s: %u parts, counted %u, held in the ledger %u", n->name,
                k, n->nparts, free.holdings);
        return false;
    }
    if (n->state == TD_NODE_LOST && k) {
        td_fail(err, TD_E_JOURNAL, "node %s is lost and holds jobs", n->name);
        return false;
    }
    return true;
}

/* What is held of each kind of licence is what the jobs with nodes asked for. */
static bool check_licences(const struct td_core *c, struct td_error *err)
{
    for (uint32_t k = 0; k < td_ledger_licences(c->ledger); k++) {
        uint64_t total, used, sum = 0;
        const char *name = td_ledger_licence(c->ledger, k, &total, &used);
        for (uint32_t i = 0; i < c->jobs.n; i++) {
            const struct core_job *j = c->jobs.v[i];
            struct td_license one;
            struct td_error ignored;
            if (!j->alloc || j->alloc->live == 0)
                continue;
            for (const char *at = j->spec->body.licenses; td_license_next(&at, &one, &ignored) == 1;)
                sum += td_str_equal(one.name, name) ? one.count : 0;
        }
        if (sum != used) {
            td_fail(err, TD_E_JOURNAL, "licences %s: jobs hold %llu, counted %llu", name, (unsigned long long)sum,
                    (unsigned long long)used);
            return false;
        }
    }
    return true;
}

bool td_core_check(const struct td_core *c, struct td_error *err)
{
    uint32_t pending = 0, running = 0;
    uint64_t waiting = 0;
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        const struct core_job *j = c->jobs.v[i];
        if (i && c->jobs.v[i - 1]->id >= j->id)
            return bad(err, j, "is out of order");
        if (!check_job(c, j, err))
            return false;
        pending += j->state == TD_JOB_PENDING;
        running += j->state == TD_JOB_RUNNING;
        if (j->state == TD_JOB_PENDING)
            waiting += core_job_is_record(j) ? j->array->nwaiting : 1;
    }
    if (pending != c->npending || running != c->nrunning || waiting != c->nwaiting_tasks) {
        td_fail(err, TD_E_JOURNAL,
                "counts: pending %u (%u), running %u (%u), waiting tasks %llu (%llu)", pending,
                c->npending, running, c->nrunning, (unsigned long long)waiting,
                (unsigned long long)c->nwaiting_tasks);
        return false;
    }
    for (uint32_t i = 0; i < c->arrays.n; i++) {
        if (!check_array(c->arrays.v[i], err))
            return false;
    }
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        if (!check_node(c, c->nodes.v[i], err))
            return false;
    }
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        const struct core_job *j = c->jobs.v[i];
        if (j->assoc && j->state != TD_JOB_DONE && !core_assoc_by_id(&c->acct, j->assoc))
            return bad(err, j, "is charged to an association that is not there");
    }
    return core_acct_check(&c->acct, err) && core_reservations_check(c, err) && check_licences(c, err) && td_ledger_check(c->ledger, err) && td_queue_check(c->queue, err);
}
