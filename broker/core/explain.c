/* explain.c - tender explain: everything that is known of why a job waits, runs, or ended as it did
 *
 * Facts alone: sentences are made of them where people read. Answered by the broker, since what nodes refused and what the
 * plan keeps for whom is nowhere else. Nothing durable is touched; one dry pass of the planner for all that is asked, and a
 * few for the forms of one job that waits (quote.c). A job that is hidden from who asks is as one that does not exist, and
 * is not named in what is said of others. */
#include <string.h>

#include "broker/core/state.h"

/* What commands show anyway, less what may be long and says nothing here: arguments, files, limits, groups. */
static void fill_job(const struct td_core *c, const struct core_job *j, uint32_t uid, struct td_arena *a, struct td_job_info *ret)
{
    td_core_job_row(c, j->id, a, ret);
    const struct td_job_spec *s = &ret->spec;
    ret->spec = (struct td_job_spec){.name = s->name,
                                     .needs = s->needs,
                                     .limit_s = s->limit_s,
                                     .limit_min_s = s->limit_min_s,
                                     .begin_ms = j->begin_ms,
                                     .deadline_ms = s->deadline_ms,
                                     .nice = s->nice,
                                     .account = s->account,
                                     .qos = s->qos,
                                     .reservation = s->reservation,
                                     .licenses = s->licenses,
                                     .session = s->session,
                                     .user_name = s->user_name,
                                     .group_name = s->group_name};
    ret->placements = (struct td_placement_list){0};
    if (ret->nodelist && strlen(ret->nodelist) > TD_MAX_EXPR_BYTES)
        ret->nodelist = NULL;
    if (!core_job_is_mine(c, j, uid))
        ret->detail = NULL;
}

static void fill_partitions(struct td_core *c, const struct core_job *j, struct td_explain_info *ret)
{
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    struct td_explain_partition *v = td_arena_alloc(&c->wake, (j->ncandidates + 1) * sizeof(*v));
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        const struct core_partition *p = c->partitions.v[cand[i].partition];
        v[i] = (struct td_explain_partition){.name = p->name,
                                             .blocked = core_candidate_blocked(c, j, p->no),
                                             .max_s = p->conf.max_s,
                                             .nodes_min = p->conf.nodes_min,
                                             .nodes_max = p->conf.nodes_max == TD_INFINITE ? 0 : p->conf.nodes_max,
                                             .nodes = p->nodes.n,
                                             .tier = p->conf.priority_tier};
    }
    ret->partitions = (struct td_explain_partition_list){v, j->ncandidates};
}

/* An array stands as its tasks do: some run, some wait, or all are over. */
static const struct core_job *foremost(const struct core_array *a)
{
    const struct core_job *best = a->record;
    for (uint32_t i = 0; i < a->jobs.n; i++) {
        const struct core_job *j = a->jobs.v[i];
        if (!best || (core_job_live(j) && !core_job_live(best)) || (best->state == TD_JOB_DONE && j->state != TD_JOB_DONE))
            best = j;
    }
    return best;
}

static void fill_dep(const struct td_core *c, const struct td_job_dep *d, uint32_t uid, struct td_explain_dep *ret)
{
    const struct core_array *a = core_array_shown(c, d->job, uid);
    const struct core_job *j = core_job_shown(c, d->job, uid);
    bool hidden = !a && !j && (core_array_find(c, d->job) || core_job_find(c, d->job));
    *ret = (struct td_explain_dep){.kind = d->kind, .job = hidden ? 0 : d->job, .task = d->task, .state = d->state};
    if (a && d->task != TD_NO_TASK)
        j = core_array_task(c, a, d->task) ? core_array_task(c, a, d->task) : a->record;
    else if (a)
        j = foremost(a);
    if (!j)
        return;
    ret->known = true;
    ret->job_state = j->state;
    ret->outcome = j->outcome;
    ret->reason = j->reason;
    ret->exit_code = j->exit_code;
    ret->end_ms = j->end_ms;
    if (j->state == TD_JOB_RUNNING && j->limit_s != TD_INFINITE)
        ret->end_ms = core_job_until(j, j->start_ms, j->limit_s);
}

static void fill_deps(struct td_core *c, const struct core_job *j, uint32_t uid, struct td_explain_info *ret)
{
    struct td_job_dep_list list = core_deps_list(j, &c->wake);
    struct td_explain_dep *v = td_arena_alloc(&c->wake, (list.n + 1) * sizeof(*v));
    for (uint32_t i = 0; i < list.n; i++)
        fill_dep(c, &list.v[i], uid, &v[i]);
    ret->deps = (struct td_explain_dep_list){v, list.n};
    ret->deps_any = j->deps && j->deps->any;
}

static const char *policy_name(enum td_policy p)
{
    switch (p) {
    case TD_POLICY_FIFO:
        return "fifo";
    case TD_POLICY_EASY:
        return "easy";
    case TD_POLICY_SJBF:
        return "sjbf";
    case TD_POLICY_CONSERVATIVE:
        return "conservative";
    case TD_POLICY_TENDER:
        return "tender";
    }
    return "";
}

/* Changes of this one job that the planner says would start it earlier. */
static void fill_forms(struct td_core *c, const struct core_job *j, uint32_t depth, struct td_explain_info *ret)
{
    const struct td_input his = {.kind = TD_IN_REQUEST, .uid = j->uid, .gid = j->gid};
    struct td_ev_job_submitted ev = {.job = c->next_job, .spec = j->spec->body, .priority = j->priority, .limit_s = j->limit_s};
    bool cut = false;
    ev.spec.limit_s = j->limit_s;
    ev.spec.array = ev.spec.dependency = NULL;
    ev.spec.hold = false;
    ev.spec.begin_ms = ev.spec.nice = 0;
    const struct td_job_spec asked = ev.spec;
    struct td_quote_form_list all =
        core_quote(c, &(struct core_quote){.in = &his, .spec = &asked, .ev = &ev, .depth = depth, .in_front = true, .only_sooner = true}, &cut);
    if (all.n > 1)
        ret->forms = (struct td_quote_form_list){all.v + 1, all.n - 1};
}

static void fill_waiting(struct td_core *c, const struct core_job *j, const struct td_plan *dry, uint32_t uid,
                         struct td_explain_info *ret)
{
    const struct td_plan_params params = core_plan_params(c);
    fill_partitions(c, j, ret);
    fill_deps(c, j, uid, ret);
    ret->array_running = j->array ? j->array->active : 0;
    ret->by_ms = j->by_ms;
    ret->forecast_ms = j->promise_ms;
    ret->policy = policy_name(params.policy);
    ret->depth = TD_MAX(params.depth, 1u);
    ret->free_order = params.free_order;
    if (!j->queued)
        return;
    core_explain_nodes(c, j, dry, uid, ret);
    core_explain_others(c, j, dry, uid, ret);
    ret->too_deep = !ret->may_start && ret->ahead >= CORE_DRY_DEPTH;
}

static void fill(struct td_core *c, const struct core_pick *p, const struct td_plan *dry, uint32_t uid, struct td_explain_info *ret)
{
    const struct core_job *j = p->job;
    enum core_learn_level level = LEARN_LEVELS;
    uint32_t run_s = core_foretell(c, j, &level);
    fill_job(c, j, uid, &c->wake, &ret->job);
    if (core_job_is_record(j) && p->ntasks == 1 && p->tasks[0].first == p->tasks[0].last) {
        ret->job.array_task = p->tasks[0].first;
        ret->job.array_tasks = NULL;
    }
    ret->foretold_s = level == LEARN_LEVELS ? 0 : run_s;
    if (j->state == TD_JOB_PENDING)
        fill_waiting(c, j, dry, uid, ret);
}

/* What ranks behind the last of them does not matter to a dry pass: so many candidates do. 0: none of them is in the queue. */
static uint32_t depth_of(const struct td_core *c, const core_picks *picks, uint32_t n)
{
    uint64_t last = 0;
    uint32_t deep = 0;
    bool any = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct core_job *j = picks->v[i].job;
        const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
        for (uint32_t k = 0; j->state == TD_JOB_PENDING && j->queued && k < j->ncandidates; k++)
            last = TD_MAX(last, core_job_rank(c, j, cand[k].partition));
        any |= j->state == TD_JOB_PENDING && j->queued;
    }
    for (uint32_t i = 0; any && i < c->jobs.n; i++) {
        const struct core_job *j = c->jobs.v[i];
        const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
        for (uint32_t k = 0; j->state == TD_JOB_PENDING && j->queued && k < j->ncandidates; k++)
            deep += core_job_rank(c, j, cand[k].partition) <= last;
    }
    return deep;
}

void core_request_explain(struct td_core *c, const struct td_input *in, const struct td_query_explain *m)
{
    core_picks picks = {0};
    struct core_errors e = {0};
    struct td_plan dry = {0};
    core_pick_ids(c, m->ids.v, m->ids.n, in->uid, &picks, &e);
    uint32_t n = TD_MIN(picks.n, (uint32_t)TD_MAX_EXPLAIN_JOBS);
    uint32_t deep = depth_of(c, &picks, n);
    struct td_explain_info *v = td_arena_alloc(&c->wake, (n + 1) * sizeof(*v));
    if (deep)
        core_dry_plan(c, deep, &dry);
    for (uint32_t i = 0; i < n; i++)
        fill(c, &picks.v[i], &dry, in->uid, &v[i]);
    if (deep && picks.n == 1 && !v[0].may_start && !v[0].too_deep && core_job_is_mine(c, picks.v[0].job, in->uid))
        fill_forms(c, picks.v[0].job, deep, &v[0]);
    else if (deep)
        core_dry_over(c);
    const struct td_explained yes = {.rows = {v, n},
                                     .errors = {e.v.v, TD_MIN(e.v.n, (uint32_t)TD_MAX_EXPLAIN_JOBS)},
                                     .left_out = picks.n - n,
                                     .now_ms = core_civil_ms(c, c->now_ms)};
    core_reply(c, in, TD_MSG_EXPLAINED, &yes);
    td_plan_release(&dry);
    td_vec_release(&picks);
    td_vec_release(&e.v);
}
