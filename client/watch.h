/* watch.h - a subscription at the front: events as they are committed, through restarts of front and broker
 *
 * A watch that loses its front tries again until it stands, and goes on from the last number it was told: nothing is told
 * twice, nothing is left out, or the frame says `resync`. One that is told that it asks too often waits and asks again. */
#ifndef TD_CLIENT_WATCH_H
#define TD_CLIENT_WATCH_H

#include "connect.h"

struct watch {
    struct td_conf_place place;
    struct td_subscribe what; /* as asked; `since` follows what was told */
    struct td_stream stream;
    struct td_arena arena;    /* of the last frame */
    uint64_t last;            /* last journal number it was told of */
    bool connected, begun, lost;
    bool minds_output;        /* set after opening: nobody to read standard output ends it, too */
    int64_t dial_at_ms;       /* not before: it was told to wait */
};
enum watch_got {
    WATCH_FRAME,  /* an EVENTS frame */
    WATCH_LOST,   /* the front went away just now: it is tried again by the next call */
    WATCH_BACK,   /* and stands again */
    WATCH_OTHER,  /* the other descriptor is readable */
    WATCH_TIME,   /* the time is over */
    WATCH_UNREAD, /* standard output's reader is gone */
};
/* Borrows what `what` points to. Error: no cluster, no front (with the way out), a refusal in the front's words. */
int watch_open(struct watch *w, const struct td_subscribe *what, struct td_error *err);
int watch_open_at(struct watch *w, const struct td_conf_place *place, const struct td_subscribe *what, struct td_error *err);
/* Waits for the next of the above; timeout_ms < 0: for ever, 0: not at all; other_fd < 0: none. Frame borrowed until the next call.
 * <0: refused in words. */
int watch_next(struct watch *w, int timeout_ms, int other_fd, enum watch_got *ret, const struct td_events **ret_frame,
               struct td_error *err);
void watch_close(struct watch *w);
int64_t watch_elapsed_ms(void); /* by a steady clock */

/* note.c: an event as one JSON object: seq, time, type, the job it concerns and how it stands; then the event's own fields. */
int note_put_json(struct td_buf *out, const struct td_event_note *n, struct td_arena *a, struct td_error *err);

#endif
