/* lib.h - what the files of libtender share; included by nobody else */
#ifndef TD_CLIENT_LIB_H
#define TD_CLIENT_LIB_H

#include "connect.h"
#include "lib/tender.h"

struct tender {
    struct client client;
    struct td_buf warnings; /* of the last submission */
};

/* An error of ours as one of the caller's, who may not want it. Returns -code. */
int lib_fail(struct tender_error *ret, const struct td_error *err);
/* One question. A connection that was lost before is opened again; one that is lost by this is opened by the next. */
int lib_ready(struct tender *t, struct td_error *err);
int lib_done(struct tender *t, int r, const struct td_error *err);
/* Never NULL. */
const char *lib_text(const char *s);

#endif
