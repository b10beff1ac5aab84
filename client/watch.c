/* watch.c - see watch.h */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS 100
#define SILENCE_MS 5000 /* a front that stands beats once a second */
#define REQUEST 1

int64_t watch_elapsed_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int connect_front(struct watch *w, struct td_error *err)
{
    struct td_error why = {0};
    int fd = td_local_connect(w->place.front, &why);

    if (fd < 0)
        return td_fail(err, TD_E_UNREACHABLE, "%s: no front answers at %s (tender up starts it; try \"tender doctor\")",
                       td_error_words(TD_E_UNREACHABLE), w->place.front);
    td_stream_init(&w->stream, fd, TD_MAX_FRAME_BYTES);
    w->connected = true;
    if (w->begun) {
        w->what.from_now = false;
        w->what.since = w->last;
    }
    td_stream_put(&w->stream, TD_MSG_SUBSCRIBE, REQUEST, &w->what);
    if (td_stream_flush(&w->stream) < 0) {
        td_stream_release(&w->stream);
        w->connected = false;
        return td_fail(err, TD_E_UNREACHABLE, "%s: the front went away", td_error_words(TD_E_UNREACHABLE));
    }
    return 0;
}

int watch_open_at(struct watch *w, const struct td_conf_place *place, const struct td_subscribe *what, struct td_error *err)
{
    *w = (struct watch){.place = *place, .what = *what};
    int r = td_record_check(&td_rec_subscribe, what, err);
    return r == 0 ? connect_front(w, err) : r;
}

int watch_open(struct watch *w, const struct td_subscribe *what, struct td_error *err)
{
    struct client c = {0};
    int r = client_find(&c, err);

    *w = (struct watch){0};
    return r == 0 ? watch_open_at(w, &c.place, what, err) : r;
}

void watch_close(struct watch *w)
{
    if (w->connected)
        td_stream_release(&w->stream);
    w->connected = false;
    td_arena_release(&w->arena);
}

static void lose(struct watch *w)
{
    td_stream_release(&w->stream);
    w->connected = false;
}

/* 1 a frame, 0 none is whole yet, <0 refused. */
static int take(struct watch *w, const struct td_events **ret, struct td_error *err)
{
    const uint8_t *data;
    size_t len;
    struct td_frame f = {0};
    int r = td_stream_next(&w->stream, &data, &len, err);

    if (r <= 0)
        return r;
    td_arena_reset(&w->arena);
    r = td_wire_get_frame(&w->arena, data, len, &f, err);
    if (r < 0)
        return r;
    if (f.id == TD_MSG_ERROR) {
        const struct td_error_reply *e = f.body;
        if (e->code == TD_E_RATE && e->retry_ms) { /* who asks too often waits for his turn, by himself */
            lose(w);
            w->dial_at_ms = watch_elapsed_ms() + e->retry_ms;
            return 0;
        }
        return td_fail(err, (int)e->code, "%s", e->text);
    }
    if (f.id != TD_MSG_EVENTS)
        return td_fail(err, TD_E_UNKNOWN_MESSAGE, "the front answered with %s instead of EVENTS", td_msg_name(f.id));
    *ret = f.body;
    /* The first word may be of nothing yet: what came before it is known all the same. */
    if ((*ret)->last >= (*ret)->first || (*ret)->resync || (!w->begun && !(*ret)->more))
        w->last = (*ret)->last;
    w->begun = w->begun || !(*ret)->more;
    return 1;
}

/* The front tells again: a connection alone may be to somebody who has no front behind him (tender remote). */
static bool is_back(const struct watch *w)
{
    const uint8_t *data, *body;
    size_t len;
    uint32_t id;
    uint64_t request;
    struct td_error ignored;

    return w->lost && td_stream_peek(&w->stream, &data, &len, &ignored) > 0 &&
           td_wire_get_head(data, len, &id, &request, &body, &ignored) == 0 && id == TD_MSG_EVENTS;
}

int watch_next(struct watch *w, int timeout_ms, int other_fd, enum watch_got *ret, const struct td_events **ret_frame,
               struct td_error *err)
{
    int64_t until = timeout_ms < 0 ? INT64_MAX : watch_elapsed_ms() + timeout_ms, heard = watch_elapsed_ms();

    for (bool looked = false;; looked = true) { /* a time of 0: what is there already */
        struct td_error why = {0};
        int64_t now = watch_elapsed_ms(), left = until - now;
        if (w->connected && is_back(w)) {
            w->lost = false;
            *ret = WATCH_BACK;
            return 0;
        }
        if (w->connected) {
            int r = take(w, ret_frame, err);
            if (r != 0) {
                *ret = WATCH_FRAME;
                return r < 0 ? r : 0;
            }
        } else if (now >= w->dial_at_ms && connect_front(w, &why) == 0) {
            heard = now;
            continue;
        }
        if (left <= 0 && looked) {
            *ret = WATCH_TIME;
            return 0;
        }
        struct pollfd p[3] = {{.fd = w->connected ? w->stream.fd : -1, .events = POLLIN},
                              {.fd = other_fd, .events = POLLIN},
                              {.fd = w->minds_output ? STDOUT_FILENO : -1}}; /* errors alone */
        int64_t wait = w->connected ? heard + SILENCE_MS - now : TD_MAX(w->dial_at_ms - now, RETRY_MS);
        int n = poll(p, 3, (int)TD_MAX(TD_MIN(wait, left), 0));
        if (n < 0 && errno != EINTR)
            return td_fail(err, TD_E_IO, "waiting for events: %s", strerror(errno));
        if (n > 0 && p[2].revents) {
            *ret = WATCH_UNREAD;
            return 0;
        }
        if (n > 0 && p[1].revents) {
            *ret = WATCH_OTHER;
            return 0;
        }
        bool read_now = n > 0 && p[0].revents;
        if (w->connected && ((read_now && td_stream_read(&w->stream, &why) < 0) || watch_elapsed_ms() - heard > SILENCE_MS)) {
            lose(w);
            w->dial_at_ms = w->lost ? watch_elapsed_ms() + RETRY_MS : w->dial_at_ms;
            if (w->lost)
                continue; /* told already */
            w->lost = true;
            *ret = WATCH_LOST;
            return 0;
        }
        if (read_now)
            heard = watch_elapsed_ms();
    }
}
