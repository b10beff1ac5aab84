/* wait.h - waiting for a job to become something
 *
 * By events (SUBSCRIBE) where the door publishes them, by asking where it does not. */
#ifndef TD_CLIENT_WAIT_H
#define TD_CLIENT_WAIT_H

#include <signal.h>

#include "connect.h"

struct client_wait {
    bool fresh; /* made just now: it cannot be so before something is told */
    uint32_t job;
    /* Is this what was waited for? The row is borrowed. */
    bool (*is_it)(const struct td_job_info *row, void *ctx);
    /* Now and then while waiting, at least about once a second. */
    void (*meanwhile)(void *ctx, const struct td_job_info *row, int64_t waited_ms);
    void *ctx;
    const volatile sig_atomic_t *stop; /* given up when not 0; may be NULL */
    int64_t until_ms;                  /* client_now_ms(); 0 = for ever */
};
/* 0: is_it said so; -TD_E_TIMED_OUT: until_ms, or stopped; other errors as they come (a broker that is away is waited for). */
int client_wait_job(struct client *c, const struct client_wait *w, struct td_error *err);

#endif
