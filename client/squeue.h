/* squeue.h - what squeue's files share */
#ifndef TD_CLIENT_SQUEUE_H
#define TD_CLIENT_SQUEUE_H

#include "connect.h"

struct squeue {
    bool no_header, long_form, all, array, me, start, json, state_only, watch, expand;
    bool no_state; /* only states were asked for that no job of ours is ever in */
    const char *format, *names, *sort;
    uint32_t every_s;
    struct td_job_filter filter;
    bool by_step;
    TD_VEC(struct client_step_id) steps;
};
/* The table, or the JSON document, as squeue prints it; <0: the format or the order is none, and that was said. */
int squeue_put(const struct squeue *o, const struct client_jobs *jobs, struct td_buf *out);
/* --watch, and -i: the picture is kept by the front's events. -i without a front: -UNREACHABLE. */
int squeue_steps(const struct squeue *o); /* -s; <0: it could not be, and that was said */
int squeue_watch(const struct squeue *o, struct td_error *err);

#endif
