/* select.c - which jobs a person means: ids, array tasks, filters */
#include <string.h>

#include "broker/core/state.h"

bool core_spans_have(const struct td_span *spans, uint32_t n, uint32_t index)
{
    for (uint32_t i = 0; i < n; i++) {
        if (index >= spans[i].first && index <= spans[i].last &&
            (index - spans[i].first) % TD_MAX(spans[i].step, 1u) == 0)
            return true;
    }
    return false;
}

static uint64_t span_tasks(const struct td_span *spans, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (spans[i].last >= spans[i].first)
            sum += (uint64_t)(spans[i].last - spans[i].first) / TD_MAX(spans[i].step, 1u) + 1;
    }
    return sum;
}

/* Overlapping ranges could name any number of tasks; nobody needs to name each more than a few
 * times. */
bool core_spans_sane(const struct td_span *spans, uint32_t n)
{
    return span_tasks(spans, n) <= 4 * (uint64_t)TD_MAX_ARRAY_TASKS;
}

uint8_t *core_spans_bits(struct td_arena *a, const struct td_span *spans, uint32_t n,
                         uint32_t nbytes)
{
    uint8_t *v = td_arena_alloc(a, nbytes + 1);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t last = TD_MIN((uint64_t)spans[i].last, (uint64_t)nbytes * 8 - 1);
        for (uint64_t t = spans[i].first; t <= last; t += TD_MAX(spans[i].step, 1u))
            td_bits_set(v, (uint32_t)t);
    }
    return v;
}

static bool waiting_among(struct td_core *c, const struct core_array *a,
                          const struct td_job_sel *sel)
{
    const uint8_t *named = core_spans_bits(&c->wake, sel->tasks.v, sel->tasks.n, a->nbytes);
    return td_bits_overlap((struct td_bin){named, a->nbytes},
                           (struct td_bin){a->waiting, a->nbytes});
}

static void pick_job(core_picks *ret, struct core_job *j, uint32_t named)
{
    struct core_pick p = {.job = j, .named = named};
    td_vec_push(ret, p);
}

static bool pick_tasks(struct td_core *c, struct core_array *a, const struct td_job_sel *sel,
                       core_picks *ret)
{
    bool any = false;
    if (a->record && a->record->state == TD_JOB_PENDING && waiting_among(c, a, sel)) {
        struct core_pick p = {
            .job = a->record, .tasks = sel->tasks.v, .ntasks = sel->tasks.n, .named = sel->job};
        td_vec_push(ret, p);
        any = true;
    }
    if (span_tasks(sel->tasks.v, sel->tasks.n) < a->jobs.n) { /* few are named: look each up */
        for (uint32_t i = 0; i < sel->tasks.n; i++) {
            const struct td_span *s = &sel->tasks.v[i];
            for (uint64_t t = s->first; t <= s->last; t += TD_MAX(s->step, 1u)) {
                struct core_job *j = core_array_task(c, a, (uint32_t)t);
                if (j)
                    pick_job(ret, j, sel->job);
                any |= j != NULL;
            }
        }
        return any;
    }
    const uint8_t *named = core_spans_bits(&c->wake, sel->tasks.v, sel->tasks.n, a->nbytes);
    for (uint32_t i = 0; i < a->jobs.n; i++) {
        if (td_bits_get(named, a->nbytes, a->jobs.v[i]->task)) {
            pick_job(ret, a->jobs.v[i], sel->job);
            any = true;
        }
    }
    return any;
}

/* Named as it was asked for: 12, 12_3, 12_[1-3,7]. */
static void not_there(struct td_core *c, struct core_errors *e, const struct td_job_sel *sel)
{
    struct td_buf b = {0};
    const struct td_span *t = sel->tasks.v;
    bool one = sel->tasks.n == 1 && t->first == t->last;
    td_buf_putf(&b, sel->tasks.n ? one ? "%u_" : "%u_[" : "%u", sel->job);
    for (uint32_t i = 0; i < sel->tasks.n && b.len < 100; i++) {
        td_buf_putf(&b, "%s%u", i ? "," : "", t[i].first);
        if (t[i].last > t[i].first)
            td_buf_putf(&b, "-%u", t[i].last);
        if (t[i].last > t[i].first && t[i].step > 1)
            td_buf_putf(&b, ":%u", t[i].step);
    }
    td_buf_puts(&b, sel->tasks.n && !one ? "]" : "");
    core_errors_add(c, e, NULL, sel->job, TD_E_INVALID_JOB, td_error_words(TD_E_INVALID_JOB));
    if (e->v.n && e->v.v[e->v.n - 1].job == sel->job)
        e->v.v[e->v.n - 1].name = td_arena_strdup(&c->wake, td_buf_str(&b));
    td_buf_release(&b);
}

/* 12 is the job, or the whole array; 12_3 and 12_[1-3] are tasks of it; a task may also be named by
 * its own id. Those hidden from the asker are not there. */
void core_pick_ids(struct td_core *c, const struct td_job_sel *ids, uint32_t n, uint32_t uid,
                   core_picks *ret, struct core_errors *e)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct td_job_sel *sel = &ids[i];
        struct core_array *a = core_array_shown(c, sel->job, uid);
        struct core_job *j = core_job_shown(c, sel->job, uid);
        bool any = false;
        if (!core_spans_sane(sel->tasks.v, sel->tasks.n)) {
            core_errors_add(c, e, NULL, sel->job, TD_E_TOO_BIG,
                            "too many overlapping ranges of array tasks");
            continue;
        }
        if (sel->tasks.n) {
            any = a && pick_tasks(c, a, sel, ret);
        } else if (a) {
            if (a->record)
                pick_job(ret, a->record, sel->job);
            for (uint32_t k = 0; k < a->jobs.n; k++)
                pick_job(ret, a->jobs.v[k], sel->job);
            any = true;
        } else if (j) {
            pick_job(ret, j, sel->job);
            any = true;
        }
        if (!any)
            not_there(c, e, sel);
    }
}

static bool str_in(const struct td_strs *l, const char *s)
{
    for (uint32_t i = 0; i < l->n; i++) {
        if (td_str_equal(l->v[i], s))
            return true;
    }
    return false;
}

static bool user_in(const struct td_job_filter *f, const struct core_job *j, const uint32_t *uids,
                    uint32_t nuids)
{
    for (uint32_t i = 0; i < nuids; i++) {
        if (uids[i] == j->uid)
            return true;
    }
    for (uint32_t i = 0; i < f->users.n; i++) {
        uint64_t uid;
        if (td_parse_u64(f->users.v[i], &uid)
                ? uid == j->uid
                : td_str_equal(f->users.v[i], j->spec->body.user_name))
            return true;
    }
    return false;
}

static bool partition_in(const struct td_core *c, const struct td_strs *l, const struct core_job *j)
{
    if (j->alloc)
        return str_in(l, c->partitions.v[j->partition]->name);
    const struct core_candidate *cand = j->candidates ? j->candidates : &j->candidate;
    for (uint32_t i = 0; i < j->ncandidates; i++) {
        if (str_in(l, c->partitions.v[cand[i].partition]->name))
            return true;
    }
    return false;
}

static bool on_nodes(const struct core_job *j, const char *expr)
{
    for (uint32_t i = 0; j->alloc && i < j->alloc->nparts; i++) {
        if (td_hostlist_match(expr, j->alloc->parts[i].node->name))
            return true;
    }
    return false;
}

bool core_filter_state(const struct td_job_filter *f, uint32_t state, uint32_t outcome)
{
    if (f->states.n == 0)
        return state != TD_JOB_DONE;
    for (uint32_t i = 0; i < f->states.n; i++) {
        uint32_t s, o;
        if (td_str_casecmp(f->states.v[i], "all") == 0)
            return true;
        if (td_job_state_parse(f->states.v[i], &s, &o) && s == state && (o == 0 || o == outcome))
            return true;
    }
    return false;
}

/* All but ids and states. */
bool core_filter_job(const struct td_core *c, const struct td_job_filter *f,
                     const struct core_job *j, const uint32_t *uids, uint32_t nuids)
{
    const struct td_job_spec *s = &j->spec->body;
    if ((f->users.n || nuids) && !user_in(f, j, uids, nuids))
        return false;
    if (f->partitions.n && !partition_in(c, &f->partitions, j))
        return false;
    if (f->names.n && !str_in(&f->names, s->name))
        return false;
    if (f->accounts.n && !str_in(&f->accounts, s->account))
        return false;
    if (f->qos.n && !str_in(&f->qos, s->qos))
        return false;
    if (f->wckeys.n && !str_in(&f->wckeys, s->wckey))
        return false;
    if (f->reservations.n && !str_in(&f->reservations, s->reservation))
        return false;
    return td_str_empty(f->nodes) || on_nodes(j, f->nodes);
}

void core_pick_filter(struct td_core *c, const struct td_job_filter *f, uint32_t uid,
                      core_picks *ret, struct core_errors *e)
{
    if (f->ids.n) {
        core_pick_ids(c, f->ids.v, f->ids.n, uid, ret, e);
        uint32_t k = 0;
        for (uint32_t i = 0; i < ret->n; i++) {
            struct core_job *j = ret->v[i].job;
            bool state_ok = f->states.n == 0 || core_filter_state(f, j->state, j->outcome);
            if (state_ok && core_filter_job(c, f, j, NULL, 0))
                ret->v[k++] = ret->v[i];
        }
        ret->n = k;
        return;
    }
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        struct core_job *j = c->jobs.v[i];
        if (td_core_sees_job_of(c, j->uid, uid) && core_filter_state(f, j->state, j->outcome) &&
            core_filter_job(c, f, j, NULL, 0))
            pick_job(ret, j, 0);
    }
}

/* Waiting tasks that are named, but are not all that wait, become jobs of their own; a pick of a
 * whole record stays. */
void core_pick_split(struct td_core *c, core_picks *picks)
{
    uint32_t n = picks->n;
    for (uint32_t i = 0; i < n; i++) {
        struct core_pick p = picks->v[i];
        if (!core_job_is_record(p.job) || p.ntasks == 0)
            continue;
        struct core_array *a = p.job->array;
        const uint8_t *named = core_spans_bits(&c->wake, p.tasks, p.ntasks, a->nbytes);
        bool first = true;
        for (int64_t t = td_bits_next(named, a->nbytes, 0); t >= 0 && !core_errors_full(c);
             t = td_bits_next(named, a->nbytes, (uint32_t)t + 1)) {
            if (!td_bits_get(a->waiting, a->nbytes, (uint32_t)t))
                continue;
            struct core_job *j = core_array_split(c, a, (uint32_t)t);
            if (first)
                picks->v[i] = (struct core_pick){.job = j, .named = p.named};
            else
                pick_job(picks, j, p.named);
            first = false;
        }
    }
}
