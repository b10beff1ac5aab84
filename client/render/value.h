/* value.h - values as Slurm's commands write them: moments, sizes, absences */
#ifndef TD_CLIENT_RENDER_VALUE_H
#define TD_CLIENT_RENDER_VALUE_H

#include "types/types.h"

/* A moment in local time (SLURM_TIME_FORMAT is honoured), `none` when it is 0. */
void put_moment(struct td_buf *out, int64_t ms, const char *none);
/* The line above a long listing: "Sun Nov 22 22:41:55 2026". */
void put_date_line(struct td_buf *out, int64_t ms);
/* MiB as 2G, 1500M, 0. */
void put_memory(struct td_buf *out, uint64_t mb);
/* s, or "(null)". */
void put_or_null(struct td_buf *out, const char *s);

#endif
