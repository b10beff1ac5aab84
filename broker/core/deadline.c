/* deadline.c - jobs that must be over by a time (--deadline): who can no longer be ends as DEADLINE
 *
 * By the wall clock. What counts is the least time the job asks for: its --time-min, or else its limit; one that says no
 * limit at all takes what there is. It is never started with more than is left. */
#include "broker/core/state.h"

/* The last moment at which it may begin. */
static int64_t last_start_ms(const struct core_job *j)
{
    const struct td_job_spec *s = &j->spec->body;
    uint32_t least_s = core_spec_limit_min(s) ? core_spec_limit_min(s) : j->limit_s;
    return s->deadline_ms - (int64_t)least_s * 1000;
}

int core_deadline_check(const struct td_core *c, const struct td_job_spec *s, uint32_t limit_s, struct td_error *err)
{
    int64_t civil_ms = core_civil_ms(c, c->now_ms), from_ms = TD_MAX(civil_ms, s->begin_ms);
    uint32_t least_s = core_spec_limit_min(s) ? core_spec_limit_min(s) : limit_s;
    if (!s->deadline_ms)
        return 0;
    if (s->deadline_ms <= civil_ms)
        return td_fail(err, TD_E_TIME_LIMIT, "%s: the deadline is in the past", td_error_words(TD_E_TIME_LIMIT));
    if (least_s == TD_INFINITE || s->deadline_ms - from_ms < (int64_t)least_s * 1000)
        return td_fail(err, TD_E_TIME_LIMIT, "%s: the job cannot end before its deadline; give a shorter --time, or a --time-min",
                       td_error_words(TD_E_TIME_LIMIT));
    return 0;
}

void core_deadline_note(struct td_core *c, const struct core_job *j)
{
    if (j->spec->body.deadline_ms && j->state == TD_JOB_PENDING)
        core_sooner(&c->deadlines_next_ms, core_civil_at(c, last_start_ms(j)) + 1);
}

bool core_deadline_missed(const struct td_core *c, const struct core_job *j)
{
    return j->spec->body.deadline_ms && core_civil_ms(c, c->now_ms) > last_start_ms(j);
}

uint32_t core_deadline_limit(const struct td_core *c, const struct core_job *j, uint32_t limit_s)
{
    if (!j->spec->body.deadline_ms)
        return limit_s;
    int64_t left_s = (j->spec->body.deadline_ms - core_civil_ms(c, c->now_ms)) / 1000;
    return (uint32_t)TD_MIN(TD_MAX(left_s, INT64_C(1)), (int64_t)limit_s);
}

static void end(struct td_core *c, struct core_job *j)
{
    const struct td_ev_job_ending how = {.job = j->id, .attempt = j->attempt, .outcome = TD_OUTCOME_DEADLINE,
                                         .reason = TD_REASON_DEADLINE};
    core_job_end(c, j, &how);
}

/* Waiting tasks of an array become jobs of their own, so that each is told how it ended. */
static void end_record(struct td_core *c, struct core_job *j)
{
    struct core_array *a = j->array;
    while (a->record && a->nwaiting && !core_errors_full(c))
        end(c, core_array_split(c, a, (uint32_t)core_array_next(a)));
}

void core_deadlines_run(struct td_core *c)
{
    if (c->now_ms < c->deadlines_next_ms)
        return;
    c->deadlines_next_ms = INT64_MAX;
    for (uint32_t i = 0, n = c->jobs.n; i < n; i++) {
        struct core_job *j = c->jobs.v[i];
        if (j->state != TD_JOB_PENDING || !j->spec->body.deadline_ms)
            continue;
        if (core_errors_full(c)) {
            c->deadlines_next_ms = c->now_ms; /* the rest in the next wake */
            return;
        }
        if (!core_deadline_missed(c, j))
            core_deadline_note(c, j);
        else if (core_job_is_record(j))
            end_record(c, j);
        else
            end(c, j);
    }
}
