/* subscribe.c - libtender's watches: the commands' subscription (watch.c), one piece of news at a time */
#include "lib/lib.h"
#include "watch.h"

struct tender_watch {
    struct watch watch;
    uint32_t *jobs;                /* asked for; owned */
    const struct td_events *frame; /* the watch's; its notes from `at` on are still to be told */
    uint32_t at;
    bool resync_told, stale;
    struct td_arena arena; /* of a note's body, while it is printed */
    struct td_buf json;
    struct tender_event event;
};

int tender_watch(struct tender *t, const struct tender_watch_what *what, struct tender_watch **ret, struct tender_error *err)
{
    struct tender_watch *w = td_alloc(sizeof(*w));
    struct td_error why = {0};
    int r = 0;

    if (what->njobs > TD_MAX_IDS_PER_REQUEST)
        r = td_fail(&why, TD_E_TOO_BIG, "more than %d jobs to watch", TD_MAX_IDS_PER_REQUEST);
    if (r == 0) {
        w->jobs = td_alloc((what->njobs + 1) * sizeof(*w->jobs));
        for (size_t i = 0; i < what->njobs; i++)
            w->jobs[i] = what->jobs[i];
        const struct td_subscribe m = {
            .since = what->since, .from_now = what->from_now, .jobs = {w->jobs, (uint32_t)what->njobs}, .own = what->own};
        r = watch_open_at(&w->watch, &t->client.place, &m, &why);
    }
    if (r < 0) {
        tender_watch_free(w);
        return lib_fail(err, &why);
    }
    *ret = w;
    return 0;
}

static int tell_note(struct tender_watch *w, const struct td_event_note *n, struct td_error *err)
{
    td_arena_reset(&w->arena);
    td_buf_reset(&w->json);
    int r = note_put_json(&w->json, n, &w->arena, err);
    if (r < 0)
        return r;
    w->event = (struct tender_event){
        .seq = n->seq,
        .time_ms = n->time_ms,
        .type = lib_text(td_event_name(n->type)),
        .job = n->job,
        .array_job = n->array_job,
        .array_task = n->array_job ? n->array_task : TENDER_NO_TASK,
        .uid = n->uid,
        .state = n->job ? lib_text(td_job_state_word(n->state, n->outcome)) : "",
        .reason = n->job ? lib_text(td_reason_word(n->reason)) : "",
        .json = td_buf_str(&w->json),
    };
    return TENDER_EVENT;
}

static int tell_bare(struct tender_watch *w, enum tender_news what, uint64_t seq)
{
    w->event = (struct tender_event){.seq = seq, .type = "", .state = "", .reason = "", .json = "", .array_task = TENDER_NO_TASK};
    return (int)what;
}

/* Of the frame at hand: the next piece of news, or TIME when all of it is told. */
static int tell(struct tender_watch *w, struct td_error *err)
{
    const struct td_events *m = w->frame;

    if (!m)
        return TENDER_TIME;
    if (!!m->stale_ms != w->stale) {
        w->stale = m->stale_ms;
        return tell_bare(w, w->stale ? TENDER_STALE : TENDER_FRESH, m->last);
    }
    if (m->resync && !w->resync_told) {
        w->resync_told = true;
        return tell_bare(w, TENDER_RESYNC, m->last);
    }
    if (w->at < m->notes.n)
        return tell_note(w, &m->notes.v[w->at++], err);
    w->frame = NULL;
    return TENDER_TIME;
}

static int next(struct tender_watch *w, int timeout_ms, struct td_error *err)
{
    int64_t until = timeout_ms < 0 ? INT64_MAX : watch_elapsed_ms() + timeout_ms;

    for (;;) {
        const struct td_events *m = NULL;
        enum watch_got got;
        int r = tell(w, err);
        if (r != TENDER_TIME)
            return r;
        int left = timeout_ms < 0 ? -1 : (int)TD_MAX(until - watch_elapsed_ms(), (int64_t)0);
        r = watch_next(&w->watch, left, -1, &got, &m, err);
        if (r < 0)
            return r;
        switch (got) {
        case WATCH_FRAME:
            w->frame = m;
            w->at = 0;
            w->resync_told = false;
            break;
        case WATCH_LOST:
            return tell_bare(w, TENDER_LOST, w->watch.last);
        case WATCH_BACK:
            return tell_bare(w, TENDER_BACK, w->watch.last);
        case WATCH_OTHER:
        case WATCH_UNREAD: /* neither was asked for */
        case WATCH_TIME:
            return TENDER_TIME;
        }
    }
}

int tender_watch_next(struct tender_watch *w, int timeout_ms, const struct tender_event **ret, struct tender_error *err)
{
    struct td_error why = {0};
    int r = next(w, timeout_ms, &why);

    if (r < 0)
        return lib_fail(err, &why);
    if (r != TENDER_TIME)
        *ret = &w->event;
    return r;
}

int tender_watch_fd(const struct tender_watch *w)
{
    return w->watch.connected ? w->watch.stream.fd : -1;
}

void tender_watch_free(struct tender_watch *w)
{
    if (!w)
        return;
    watch_close(&w->watch);
    td_buf_release(&w->json);
    td_arena_release(&w->arena);
    td_free(w->jobs);
    td_free(w);
}
