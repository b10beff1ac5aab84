/* published.h - other people's rules, to get other people's figures: test policies, not of the planner
 *
 * RLScheduler (Zhang et al., SC'20): one job is picked by its score, the lowest first, and is waited for until it fits;
 * then the next one is picked. Scores: fcfs the submission, sjf the limit, f1 = log10(limit) * processors + 870 *
 * log10(submission). Ties go to who was submitted first.
 * Its own backfill rule: while the picked job waits, those in the queue may start in order of submission if they fit and
 * would end before (not at) the earliest start of the picked one, which is computed once, when it begins to wait; what is
 * spare at its start may not be used beyond it.
 * One thing happens at a time: a submission or an end moves the clock, a submission before an end of the same second, and
 * jobs are looked for after each. */
#ifndef TD_SIM_PUBLISHED_H
#define TD_SIM_PUBLISHED_H

#include "trace.h"

enum published_order { PUBLISHED_FCFS, PUBLISHED_SJF, PUBLISHED_F1 };

/* Times of the trace are those of its log: f1 looks at them. `ret`: as many as there are jobs. */
void published_run(const struct trace *t, enum published_order order, bool backfill, struct sim_job *ret);

#endif
