/* scancel_steps.c - scancel 12.0: ends or signals a step, and nothing else of its job */
#include <stdio.h>
#include <string.h>

#include "say.h"
#include "scancel.h"

/* "12_3.0": the job that this task became. */
static int job_of(struct client *c, const struct client_step_id *id, uint32_t *ret, struct td_error *err)
{
    static const char *const all[] = {"all"};
    const struct td_span task = {.first = id->task, .last = id->task, .step = 1};
    const struct td_job_sel sel = {.job = id->job, .tasks = {&task, 1}};
    const struct td_query_jobs q = {.filter = {.ids = {&sel, 1}, .states = {all, 1}}, .all = true};
    struct client_jobs jobs = {0};
    int r = id->array ? client_jobs(c, &q, &jobs, err) : 0;

    *ret = id->job;
    if (id->array && r == 0 && jobs.rows.n)
        *ret = jobs.rows.v[0]->job;
    else if (id->array && r == 0)
        r = td_fail(err, TD_E_INVALID_JOB, "%s", td_error_words(TD_E_INVALID_JOB));
    td_vec_release(&jobs.rows);
    return r;
}

static bool agreed(const char *name)
{
    char answer[16] = "";

    fprintf(stderr, "Cancel step_id=%s [y/n]? ", name);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* 0, 1 = refused and said, <0 = nobody could be asked. */
static int one_step(struct client *c, const struct scancel_step *s, const struct scancel_how *how, struct td_error *err)
{
    struct td_step_signal m = {.step = s->id.step, .signal = how->signal};
    struct td_error why = {0};
    struct td_buf tmp = {0};
    void *body;
    int r;

    if (how->interactive && !agreed(s->name))
        return 0;
    if (how->verbose)
        how->signal ? say_note("Signal %u to step %s", how->signal, s->name) : say_note("Terminating step %s", s->name);
    r = job_of(c, &s->id, &m.job, &why);
    if (r == 0)
        r = client_ask(c, TD_MSG_STEP_SIGNAL, &m, TD_MSG_DONE, &body, &why);
    if (r == 0)
        return 0;
    if (why.code == TD_E_UNREACHABLE || why.code == TD_E_TIMED_OUT) {
        *err = why;
        return r;
    }
    bool over = why.code == TD_E_ALREADY_DONE && !how->signal;
    if (why.code == TD_E_ALREADY_DONE || why.code == TD_E_INVALID_JOB) /* less the number, which is said */
        td_format(why.text, sizeof(why.text), "%s", td_error_words(why.code));
    if (!over || (how->verbose && !how->quiet))
        say_error("Kill job error on job step id %s: %s", s->name, say_words(&why, &tmp));
    td_buf_release(&tmp);
    return over ? 0 : 1;
}

int scancel_step_parse(const char *text, struct scancel_step *ret, struct td_error *err)
{
    *ret = (struct scancel_step){.name = text};
    int r = client_step_parse(text, &ret->id, err);

    if (r == 0 && ret->id.step == TD_STEP_BATCH)
        return td_fail(err, TD_E_INVALID_JOB, "Invalid job id %s: the script is signalled with --batch, and ends with its job", text);
    return r;
}

int scancel_steps(struct client *c, const struct scancel_step *v, uint32_t n, const struct scancel_how *how, struct td_error *err)
{
    int worst = 0;

    for (uint32_t i = 0; i < n; i++) {
        int r = one_step(c, &v[i], how, err);
        if (r < 0)
            return r;
        worst = TD_MAX(worst, r);
    }
    return worst;
}
