/* metrics.h - how good a schedule was, in figures that papers print
 *
 * Bounded slowdown of a job: max(1, (wait + run) / max(run, 10 s)) (Feitelson 2001; the bound as in Gaussier et al. 2015).
 * A promise is kept when the job started no later than the first `by` it was given; excused where a named cause moved it. */
#ifndef TD_SIM_METRICS_H
#define TD_SIM_METRICS_H

#include "trace.h"

struct sim_metrics {
    uint32_t jobs;
    double avebsld, max_bsld;
    double mean_wait, p95_wait, p99_wait, max_wait, mean_flow; /* s */
    double utilisation; /* of the processors, from the first submission to the last end */
    double makespan;    /* s */
    uint32_t promises_given, promises_kept, promises_excused;
    double promise_slack;   /* s, median of by - start over jobs that waited */
    double likely_coverage; /* share of the likely intervals that the start fell into; -1: none was given */
    double likely_width;    /* s, median */
};
double sim_slowdown(uint32_t run_s, int64_t wait_s);
/* Nearest rank of sorted values: the smallest that at least so many of 100 are not above; 0 of none. */
double sim_percentile(const int64_t *v, uint32_t n, uint32_t percent);
void sim_sort(int64_t *v, uint32_t n);
void sim_metrics_make(const struct trace *t, const struct sim_job *jobs, struct sim_metrics *ret);
/* One JSON object in one line. */
void sim_metrics_print(const struct sim_metrics *m, struct td_buf *out);

#endif
