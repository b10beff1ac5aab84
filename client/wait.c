/* wait.c - see wait.h */
#include "wait.h"

#include <time.h>

#define ASK_FIRST_US 500
#define ASK_LAST_US 50000
#define ASK_OFTEN_MS 100 /* an allocation that can stand does so within this */
#define AWAY_US 200000

static void pause_us(long us)
{
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
}

static bool given_up(const struct client_wait *w)
{
    return (w->stop && *w->stop) || (w->until_ms && client_now_ms() >= w->until_ms);
}

static int say_given_up(const struct client_wait *w, struct td_error *err)
{
    return td_fail(err, TD_E_TIMED_OUT, "%s", w->stop && *w->stop ? "interrupted" : "it did not happen in time");
}

/* One look at the job: 1 it is so, 0 not yet. */
static int look(struct client *c, const struct client_wait *w, int64_t since_ms, struct td_error *err)
{
    struct td_job_sel id = {.job = w->job};
    static const char *const all[] = {"all"};
    struct td_query_jobs q = {.filter = {.ids = {.v = &id, .n = 1}, .states = {.v = all, .n = 1}}, .detail = true, .all = true};
    struct client_jobs jobs = {0};
    int r = client_jobs(c, &q, &jobs, err);
    if (r == 0 && jobs.rows.n == 0)
        r = td_fail(err, TD_E_INVALID_JOB, "%s", td_error_words(TD_E_INVALID_JOB));
    if (r == 0 && w->is_it(jobs.rows.v[0], w->ctx))
        r = 1;
    else if (r == 0 && w->meanwhile)
        w->meanwhile(w->ctx, jobs.rows.v[0], client_now_ms() - since_ms);
    td_vec_release(&jobs.rows);
    return r;
}

static bool is_away(const struct td_error *err)
{
    return err->code == TD_E_UNREACHABLE || err->code == TD_E_TIMED_OUT;
}

/* Waits for the next word about the job on a connection of its own: 1 something happened, 0 not (a second went by). */
static int next_event(struct client *events, struct td_error *err)
{
    struct td_frame f = {0};
    int r = td_call_more(&events->call, &events->arena, &f, err);
    if (r < 0)
        return r;
    if (f.id != TD_MSG_EVENTS)
        return td_fail(err, TD_E_UNKNOWN_MESSAGE, "%s where events were to come", td_msg_name(f.id));
    const struct td_events *m = f.body;
    bool any = m->notes.n || m->jobs.n || m->gone.n || m->resync;
    td_arena_reset(&events->arena);
    return any;
}

static int subscribe(const struct client *c, uint32_t job, struct client *events, struct td_error *err)
{
    struct td_subscribe m = {.from_now = true, .jobs = {&job, 1}};
    struct td_frame f = {0};
    events->place = c->place;
    int r = td_call_open(c->place.front, CLIENT_TIMEOUT_MS, &events->call, err);
    events->open = r == 0;
    if (r == 0)
        r = td_call(&events->call, TD_MSG_SUBSCRIBE, &m, &events->arena, &f, err);
    if (r == 0 && f.id != TD_MSG_EVENTS)
        r = td_fail(err, TD_E_UNKNOWN_MESSAGE, "%s where events were to come", td_msg_name(f.id));
    return r;
}

static int by_asking(struct client *c, const struct client_wait *w, int64_t since_ms, struct td_error *err)
{
    long us = ASK_FIRST_US;
    for (;;) {
        if (given_up(w))
            return say_given_up(w, err);
        pause_us(us);
        if (client_now_ms() - since_ms > ASK_OFTEN_MS)
            us = TD_MIN(us * 3 / 2, ASK_LAST_US);
        int r = look(c, w, since_ms, err);
        if (r > 0)
            return 0;
        if (r == 0)
            continue;
        if (!is_away(err))
            return r;
        *err = (struct td_error){0}; /* the broker is away; the job is not */
        us = AWAY_US;
        struct td_error why = {0};
        client_reopen(c, &why); /* not yet: asked again after the pause */
    }
}

int client_wait_job(struct client *c, const struct client_wait *w, struct td_error *err)
{
    struct client events = {0};
    struct td_error why = {0};
    int64_t since = client_now_ms();
    int r = w->fresh ? 0 : look(c, w, since, err);
    if (r != 0)
        return r > 0 ? 0 : r;
    bool told = subscribe(c, w->job, &events, &why) == 0;
    while (told && r == 0) {
        r = look(c, w, since, err); /* after the subscription, so that nothing falls between */
        while (r == 0 && told) {
            if (given_up(w)) {
                client_close(&events);
                return say_given_up(w, err);
            }
            int got = next_event(&events, &why);
            told = got >= 0;
            if (got > 0)
                break;
            if (got == 0 && w->meanwhile)
                w->meanwhile(w->ctx, NULL, client_now_ms() - since);
        }
    }
    client_close(&events);
    if (r > 0)
        return 0;
    if (r < 0 && !is_away(err))
        return r;
    *err = (struct td_error){0};
    return by_asking(c, w, since, err);
}
