/* run.h - a workload through the live core on virtual time
 *
 * The core is driven as the broker's shell drives it: inputs, finish, events, effects. Time jumps from one second in
 * which something happens to the next. All that happens in one second (ends first, then submissions) is told to the core
 * before it plans; messages between core and workers take no time. */
#ifndef TD_SIM_RUN_H
#define TD_SIM_RUN_H

#include "machine.h"
#include "trace.h"

struct sim_conf {
    const char *policy; /* settings.backfill: fifo, easy, sjbf, conservative, tender */
    uint32_t depth;     /* settings.depth */
    bool free_order;    /* settings.free_order */
    /* A cluster of more than one node: its configuration (what concerns time, users and the numbers of jobs is the
     * simulation's). Jobs spread over nodes then, and those that it turns down or never starts are counted instead of ending
     * the run. NULL: a plain machine. */
    const struct td_ev_conf_loaded *cluster;
    const char *partition, *qos; /* of all jobs; NULL: the default */
};
struct sim_result {
    struct sim_job *jobs; /* by place in the trace; td_free it */
    uint32_t started, ended;
    uint32_t refused, never;        /* turned down; still waiting when nothing was left to happen */
    char why[TD_ERROR_TEXT_MAX];    /* of the first that was turned down */
    const char *reason;             /* of the first that still waits; static */
    uint64_t events, wakes, plans;
};
/* Called now and then; `ended` of the trace's jobs. */
typedef void sim_progress_fn(void *ctx, uint32_t ended);
/* The machine is told hello to here, and is still the caller's. Errors: a job is refused, or never starts. */
int sim_run(const struct trace *t, const struct sim_conf *conf, struct sim_machine *m, sim_progress_fn *progress, void *ctx,
            struct sim_result *ret, struct td_error *err);
/* Takes jobs that did not run out of trace and result. */
void sim_result_settle(struct trace *t, struct sim_result *r);
void sim_result_release(struct sim_result *r);

#endif
