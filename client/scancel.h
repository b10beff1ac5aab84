/* scancel.h - what scancel.c and scancel_wait.c share */
#ifndef TD_CLIENT_SCANCEL_H
#define TD_CLIENT_SCANCEL_H

#include "watch.h"

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
