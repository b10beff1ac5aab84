/* compare.h - two schedules of one workload: who waits less in the second, and who more
 *
 * Both are traces with waits, as trace_write makes them (a log's own waits will do, too). Jobs are matched by number; one
 * that was submitted at another time, ran for another time or on other processors is another job, and is counted apart. */
#ifndef TD_SIM_COMPARE_H
#define TD_SIM_COMPARE_H

#include "trace.h"

#define COMPARE_LISTED 10 /* of those who gain and lose most */

struct compare_side {
    double mean_wait, median_wait, p99_wait, max_wait; /* s */
    double avebsld;
};
/* Jobs of a kind; [0] of the first schedule, [1] of the second. */
struct compare_group {
    uint32_t key; /* most processors of the class, or the user's number */
    uint32_t jobs, less, more;
    double mean[2], median[2];
};
struct compare_job {
    uint32_t id, user, procs;
    uint32_t wait[2];
};
struct compare_change { /* of those who wait less, or more: by how much */
    uint32_t jobs;
    double mean, median;
    struct compare_job most[COMPARE_LISTED];
    uint32_t nmost;
};
struct sim_compare {
    uint32_t jobs;            /* in both, the same, with a wait */
    uint32_t only[2], differ; /* in one only; of one number, but not the same */
    uint32_t unknown;         /* without a wait, in one or both */
    struct compare_side side[2];
    struct compare_change less, more;
    TD_VEC(struct compare_group) sizes; /* by powers of two; classes with jobs in them */
    TD_VEC(struct compare_group) users; /* those whose waits changed most first */
};
void sim_compare_make(const struct trace *a, const struct trace *b, struct sim_compare *ret);
void sim_compare_release(struct sim_compare *c);
/* A table for people; one JSON object in one line. */
void sim_compare_print(const struct sim_compare *c, struct td_buf *out);
void sim_compare_json(const struct sim_compare *c, struct td_buf *out);

#endif
