/* reasons.c - telling waiting jobs why they wait: what a plan found, and begin times that come
 *
 * Only changes are events. PRIORITY is what apply gives a job that may start, so a long queue costs
 * nothing here. */
#include "broker/core/state.h"

struct list {
    TD_VEC(uint32_t) ids;
    uint32_t reason;
};

static void emit_list(struct td_core *c, struct list *l)
{
    for (uint32_t at = 0; at < l->ids.n; at += TD_MAX_EVENTS_PER_WAKE) {
        struct td_ev_job_reason ev = {
            .reason = l->reason,
            .jobs = {l->ids.v + at, TD_MIN(l->ids.n - at, (uint32_t)TD_MAX_EVENTS_PER_WAKE)}};
        core_emit(c, TD_EV_JOB_REASON, &ev);
    }
    td_vec_release(&l->ids);
}

static bool may_take(const struct core_job *j, const struct core_node *n)
{
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    const char *exc_nodes = core_job_need(j)->exc_nodes;
    bool in = false;
    for (uint32_t i = 0; i < j->ncandidates && !in; i++) {
        for (uint32_t k = 0; k < n->in.n && !in; k++)
            in = n->in.v[k].partition == cand[i].partition;
    }
    return in && (td_str_empty(exc_nodes) || !td_hostlist_match(exc_nodes, n->name));
}

/* As everybody who follows the journal knows it; whether it has greeted this reign only the broker does. */
static bool is_out(const struct core_node *n)
{
    return n->state != TD_NODE_UP || n->drain || n->down || n->worker_drain;
}

/* Which they are, for those who ask; "" where none is: of the nodes it names, else of its partitions. In the arena. */
const char *core_nodes_missing(const struct td_core *c, const struct core_job *j, struct td_arena *a)
{
    struct td_hostlist l = {0};
    struct td_error err;
    struct td_buf fold = {0};
    bool named = !td_str_empty(core_job_need(j)->req_nodes);
    uint32_t n = 0;
    if (named && td_hostlist_parse(core_job_need(j)->req_nodes, TD_MAX_NODES, &l, &err) < 0)
        return "";
    const char **v = td_arena_alloc(a, (TD_MAX(l.names.n, c->nodes.n) + 1) * sizeof(*v));
    for (uint32_t i = 0; i < l.names.n; i++) {
        const struct core_node *node = core_node_find(c, l.names.v[i]);
        if (!node || is_out(node))
            v[n++] = l.names.v[i];
    }
    for (uint32_t i = 0; !named && i < c->nodes.n; i++) {
        const struct core_node *node = c->nodes.v[i];
        if (is_out(node) && may_take(j, node))
            v[n++] = node->name;
    }
    td_hostlist_fold(v, n, &fold);
    const char *text = fold.len < TD_MAX_EXPR_BYTES ? td_arena_strdup(a, td_buf_str(&fold)) : "";
    td_buf_release(&fold);
    td_hostlist_release(&l);
    return text;
}

/* A reservation that the job does not name, and that has nodes it might run on now within its limit; for maintenance first.
 * As everybody who follows the journal can tell: it is said where that is why it waits. */
const struct td_reservation *core_job_reserved(const struct td_core *c, const struct core_job *j)
{
    int64_t now_ms = TD_MAX(c->now_ms, c->time_ms), end_ms = core_job_until(j, now_ms, j->limit_s);
    const struct td_reservation *is = NULL;
    for (uint32_t i = 0; i < c->reservations.n; i++) {
        const struct core_reservation *r = &c->reservations.v[i];
        const struct td_ledger_window w = core_reservation_window(r->is, NULL, 0);
        int64_t from, to;
        if (td_str_equal(j->spec->body.reservation, r->is->name) || (is && !(r->is->flags & TD_RESERVE_MAINT)) ||
            !td_window_occurrence(&w, core_civil_ms(c, now_ms), &from, &to) || core_civil_at(c, from) >= end_ms)
            continue;
        for (uint32_t k = 0; k < r->nnodes; k++) {
            const struct core_node *n = c->nodes.v[r->nodes[k]];
            if (!is_out(n) && may_take(j, n))
                is = r->is;
        }
    }
    return is;
}

static bool named_node_missing(const struct td_core *c, const struct core_job *j)
{
    const char *expr = core_job_need(j)->req_nodes;
    if (td_str_empty(expr))
        return false;
    struct td_hostlist l = {0};
    struct td_error err;
    bool missing = false;
    if (td_hostlist_parse(expr, TD_MAX_NODES, &l, &err) < 0)
        return true;
    for (uint32_t i = 0; i < l.names.n; i++) {
        const struct core_node *n = core_node_find(c, l.names.v[i]);
        missing |= !n || !n->usable;
    }
    td_hostlist_release(&l);
    return missing;
}

static uint32_t head_reason(const struct td_core *c, const struct core_job *j,
                            const struct td_plan_promise *p)
{
    if (p->licences)
        return TD_REASON_LICENSES;
    if (p->reserved)
        return TD_REASON_REQ_NODE_NOT_AVAIL;
    if (p->at_ms != TD_FOREVER)
        return TD_REASON_RESOURCES;
    if (named_node_missing(c, j))
        return TD_REASON_REQ_NODE_NOT_AVAIL;
    if (!c->settings.elastic && td_ledger_ever(c->ledger, p->shape, &(uint32_t){0}) == 0)
        return TD_REASON_BAD_CONSTRAINTS;
    bool lacks = td_ledger_ever(c->ledger, p->shape, NULL) && td_ledger_lacks_nodes(c->ledger, p->shape);
    return lacks ? TD_REASON_REQ_NODE_NOT_AVAIL : TD_REASON_RESOURCES;
}

void core_reasons_note(struct td_core *c, const struct td_plan *plan)
{
    struct list lists[] = {{.reason = TD_REASON_RESOURCES},
                           {.reason = TD_REASON_REQ_NODE_NOT_AVAIL},
                           {.reason = TD_REASON_BAD_CONSTRAINTS},
                           {.reason = TD_REASON_LICENSES},
                           {.reason = TD_REASON_PRIORITY}};
    uint64_t mark = ++c->mark;
    for (uint32_t i = 0; i < plan->promises.n; i++) {
        const struct td_plan_promise *p = &plan->promises.v[i];
        struct core_job *j = core_job_find(c, p->job);
        if (!j || j->state != TD_JOB_PENDING || j->promise_mark == mark)
            continue; /* of several candidates of a job the first counts */
        j->promise_mark = mark;
        j->promise_ms = p->at_ms == TD_FOREVER ? 0 : p->at_ms;
        uint32_t reason = head_reason(c, j, p);
        for (uint32_t k = 0; k < TD_ARRAY_LEN(lists) && j->reason != reason; k++) {
            if (lists[k].reason == reason)
                td_vec_push(&lists[k].ids, j->id);
        }
    }
    for (uint32_t i = 0; i < plan->starts.n; i++) {
        struct core_job *j = core_job_find(c, plan->starts.v[i].job);
        if (j && j->promise_mark != mark) {
            j->promise_mark = mark; /* about to start: its reason stays what it was */
            j->promise_ms = 0;
        }
    }
    uint32_t k = 0;
    core_ids_sort(c->heads.v, c->heads.n);
    for (uint32_t i = 0; i < c->heads.n; i++) {
        struct core_job *j = core_job_find(c, c->heads.v[i]);
        if (!j || j->state != TD_JOB_PENDING || !core_reason_is_head(j->reason) ||
            (k && c->heads.v[k - 1] == j->id))
            continue;
        c->heads.v[k++] = j->id;
        if (j->promise_mark != mark) {
            j->promise_ms = 0;
            td_vec_push(&lists[TD_ARRAY_LEN(lists) - 1].ids, j->id);
        }
    }
    c->heads.n = k;
    for (uint32_t i = 0; i < TD_ARRAY_LEN(lists); i++) {
        core_ids_sort(lists[i].ids.v, lists[i].ids.n);
        emit_list(c, &lists[i]);
    }
}

void td_core_forecasts(const struct td_core *c, td_forecast_visit_fn *visit, void *ctx)
{
    for (uint32_t i = 0; i < c->heads.n; i++) {
        const struct core_job *j = core_job_find(c, c->heads.v[i]);
        if (j && j->state == TD_JOB_PENDING && j->promise_ms)
            visit(ctx, j->id, j->promise_ms);
    }
}

void td_core_forecast_set(struct td_core *c, uint32_t job, int64_t start_ms)
{
    struct core_job *j = core_job_find(c, job);
    if (j && j->state == TD_JOB_PENDING)
        j->promise_ms = start_ms;
}

void core_begins_run(struct td_core *c)
{
    if (c->now_ms < c->begins_next_ms)
        return;
    struct list come = {.reason = TD_REASON_PRIORITY};
    uint32_t k = 0;
    int64_t civil_ms = core_civil_ms(c, c->now_ms);
    c->begins_next_ms = INT64_MAX;
    core_ids_sort(c->begins.v, c->begins.n);
    for (uint32_t i = 0; i < c->begins.n; i++) {
        struct core_job *j = core_job_find(c, c->begins.v[i]);
        if (!j || j->state != TD_JOB_PENDING || j->reason != TD_REASON_BEGIN_TIME ||
            (i && c->begins.v[i - 1] == j->id && k && c->begins.v[k - 1] == j->id))
            continue;
        if (j->begin_ms > civil_ms) {
            c->begins.v[k++] = j->id;
            core_sooner(&c->begins_next_ms, core_civil_at(c, j->begin_ms));
        } else if (come.ids.n == 0 || come.ids.v[come.ids.n - 1] != j->id) {
            td_vec_push(&come.ids, j->id);
        }
    }
    c->begins.n = k;
    emit_list(c, &come);
}
