/* scancel.h - what scancel.c, scancel_steps.c and scancel_wait.c share */
#ifndef TD_CLIENT_SCANCEL_H
#define TD_CLIENT_SCANCEL_H

#include "watch.h"

struct scancel_step {
    const char *name; /* as it was typed, borrowed */
    struct client_step_id id;
};
struct scancel_how {
    uint32_t signal, verbose; /* signal 0: end it */
    bool interactive, quiet;
};
int scancel_step_parse(const char *text, struct scancel_step *ret, struct td_error *err);
/* 0 well, 1 some were refused, which is said; <0 with words. */
int scancel_steps(struct client *c, const struct scancel_step *v, uint32_t n, const struct scancel_how *how, struct td_error *err);

struct scancel_wait {
    struct watch watch;
    struct td_job_sel_list ids; /* borrowed, or in the client's arena */
};
/* Before anything is ended: which jobs, and from which moment on. */
int scancel_wait_begin(struct client *c, const struct td_job_filter *f, struct scancel_wait *w, struct td_error *err);
/* After: 0 all are over, 1 some are not and nothing has ended for so long (said by name), <0 with words. */
int scancel_wait(struct client *c, struct scancel_wait *w, const struct td_done *done, uint32_t patience_s, struct td_error *err);
void scancel_wait_release(struct scancel_wait *w);

#endif
