/* scancel_wait.c - until what was ended is over: a subscription says when to look, the queue says what is left
 *
 * Left is what the queue still holds of the ids asked for, or of those that the filter found before they were ended. A job
 * that takes its time (KillWait, a node that is silent) is waited for as long as something moves: when nothing has ended for
 * `patience`, what is left is named and it is a failure. */
#include "scancel.h"

#include <poll.h>

#include "render/job.h"
#include "say.h"
#include "watch.h"

#define LOOK_MS 20 /* between two looks, however fast things end */
#define NAMED_MAX 10u

int scancel_wait_begin(struct client *c, const struct td_job_filter *f, struct scancel_wait *w, struct td_error *err)
{
    struct td_query_jobs q = {.filter = *f, .all = true};
    struct client_jobs jobs = {0};
    int r = client_jobs(c, &q, &jobs, err);

    *w = (struct scancel_wait){.ids = f->ids};
    if (r == 0 && !f->ids.n) {
        struct td_job_sel *v = td_arena_alloc(&c->arena, (jobs.rows.n + 1) * sizeof(*v));
        for (uint32_t i = 0; i < jobs.rows.n; i++)
            v[i] = (struct td_job_sel){.job = jobs.rows.v[i]->job};
        w->ids = (struct td_job_sel_list){v, jobs.rows.n};
    }
    td_vec_release(&jobs.rows);
    if (r == 0 && w->ids.n > TD_MAX_IDS_PER_REQUEST)
        return td_fail(err, TD_E_TOO_BIG, "--wait is for at most %d jobs, these are %u", TD_MAX_IDS_PER_REQUEST, w->ids.n);
    const struct td_subscribe what = {.from_now = true, .quiet = true};
    return r == 0 && w->ids.n ? watch_open_at(&w->watch, &c->place, &what, err) : r;
}

static bool was_refused(const struct td_done *done, uint32_t job)
{
    for (uint32_t i = 0; i < done->errors.n; i++)
        if (done->errors.v[i].job == job)
            return true;
    return false;
}

/* Rows of it that are not over, in `ret`; those that were not ended are not waited for. */
static int look(struct client *c, const struct scancel_wait *w, const struct td_done *done, struct client_jobs *ret, struct td_error *err)
{
    struct td_query_jobs q = {.filter = {.ids = w->ids}, .all = true};
    uint32_t n = 0;
    int r = client_jobs(c, &q, ret, err);

    for (uint32_t i = 0; i < ret->rows.n; i++)
        if (ret->rows.v[i]->state != TD_JOB_DONE && !was_refused(done, ret->rows.v[i]->job))
            ret->rows.v[n++] = ret->rows.v[i];
    ret->rows.n = n;
    return r;
}

static void tell_left(const struct client_jobs *left, uint32_t patience_s)
{
    struct td_buf text = {0};

    for (uint32_t i = 0; i < left->rows.n && i < NAMED_MAX; i++) {
        const struct td_job_info *j = left->rows.v[i];
        const char *word = td_job_state_word(j->state, j->outcome);
        td_buf_puts(&text, i ? ", " : "");
        job_put_id(&text, j);
        td_buf_putf(&text, " (%s%s%s)", word ? word : "?", td_str_empty(j->nodelist) ? "" : " on ", j->nodelist ? j->nodelist : "");
    }
    if (left->rows.n > NAMED_MAX)
        td_buf_putf(&text, " and %u more", left->rows.n - NAMED_MAX);
    say_error("%u job%s not ended, and nothing has for %u s: %s", left->rows.n, left->rows.n > 1 ? "s have" : " has", patience_s,
              td_buf_str(&text));
    td_buf_release(&text);
}

static bool is_away(const struct td_error *err)
{
    return err->code == TD_E_UNREACHABLE || err->code == TD_E_TIMED_OUT;
}

/* Until something is told, for so long at most. */
static int next(struct scancel_wait *w, int64_t ms, struct td_error *err)
{
    int64_t until = watch_elapsed_ms() + ms;
    enum watch_got got = WATCH_TIME;
    const struct td_events *m = NULL;
    int r;

    do {
        r = watch_next(&w->watch, (int)TD_MAX(until - watch_elapsed_ms(), 0), -1, &got, &m, err);
        if (r == 0 && got == WATCH_FRAME && m->last < m->first && !m->resync)
            got = WATCH_LOST; /* a beat */
    } while (r == 0 && got == WATCH_LOST && watch_elapsed_ms() < until);
    return r;
}

int scancel_wait(struct client *c, struct scancel_wait *w, const struct td_done *done, uint32_t patience_s, struct td_error *err)
{
    int64_t since = watch_elapsed_ms();
    uint32_t before = UINT32_MAX;

    while (w->ids.n) {
        struct client_jobs left = {0};
        int r = look(c, w, done, &left, err);
        bool all = r == 0 && left.rows.n == 0, fewer = r == 0 && left.rows.n < before;
        int64_t now = watch_elapsed_ms(), ms = since + (int64_t)patience_s * 1000 - now;
        if (fewer) {
            since = now;
            before = left.rows.n;
            ms = (int64_t)patience_s * 1000;
        }
        if (r == 0 && !all && ms <= 0)
            tell_left(&left, patience_s);
        td_vec_release(&left.rows);
        if (all)
            return 0;
        if (r < 0 && (!is_away(err) || ms <= 0))
            return r;
        if (ms <= 0)
            return 1;
        if (r < 0) { /* the front is away; the jobs are not */
            *err = (struct td_error){0};
            client_drop(c);
            client_reopen(c, &(struct td_error){0});
        }
        r = next(w, ms, err);
        if (r < 0)
            return r;
        poll(NULL, 0, LOOK_MS);
    }
    return 0;
}

void scancel_wait_release(struct scancel_wait *w)
{
    watch_close(&w->watch);
}
