/* plot.h - a schedule as a picture: SVG that needs nothing else, and reads on light and on dark ground
 *
 * On top the jobs, rectangles over processors by time, coloured by user; their words come up under the pointer. Processors
 * are alike here: each job is drawn on the lowest that are free, as the plain machine gives them. More than PLOT_JOBS jobs (or
 * too many pieces) are drawn as sums instead: processors in use by size of job, averaged over each column. Below, use
 * and how many jobs wait. A picture has at most 2 MiB, whatever the trace. */
#ifndef TD_SIM_PLOT_H
#define TD_SIM_PLOT_H

#include "trace.h"

#define PLOT_JOBS 2000
#define PLOT_PIECES 6000
#define PLOT_PROCS 1000000 /* a machine of more is drawn as sums */

void sim_plot_make(const struct trace *t, const struct sim_job *jobs, const char *title, struct td_buf *out);
int sim_plot_write(const char *path, const struct trace *t, const struct sim_job *jobs, const char *title, struct td_error *err);

#endif
