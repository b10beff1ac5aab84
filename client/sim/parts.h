/* parts.h - inside of tender-sim: what its files ask of each other */
#ifndef TD_CLIENT_SIM_PARTS_H
#define TD_CLIENT_SIM_PARTS_H

#include "broker/sim/published.h"
#include "broker/sim/run.h"
#include "sim.h"

/* machine.c: the machine asked for; without nodes it is so many processors, 0 = as the trace says. */
struct sim_cluster {
    struct td_arena arena;
    struct td_conf *conf;
    TD_VEC(struct sim_node) nodes;
    struct td_ev_conf_loaded loaded;
    bool own; /* `loaded` is a cluster's own configuration, with a policy of its own */
    uint32_t procs;
};
/* ask.c: the options. */
int ask_trace(const char *path, const struct trace_ask *ask, struct trace *ret, struct td_error *err); /* a file or a journal */
bool ask_published(const struct sim_options *o, enum published_order *ret); /* one of somebody else's rules */
/* That of --policy, else of the cluster's configuration, else tender. */
const char *ask_policy_name(const struct sim_options *o, const struct sim_cluster *c);
int ask_policy(const struct sim_options *o, const struct sim_cluster *c, struct sim_conf *ret, struct td_error *err);
int ask_estimates(const struct sim_options *o, enum trace_estimates *ret, struct td_error *err);
int ask_part(const struct sim_options *o, struct trace *t, struct td_error *err); /* cuts the trace */
int ask_together(const struct sim_options *o, const struct sim_cluster *c, struct td_error *err); /* what does not go together */
bool ask_is_of_a_run(const struct sim_options *o); /* is anything asked for that a comparison has no use for? */
/* machine.c */
int machine_make(const struct sim_options *o, const char *path, struct sim_cluster *ret, struct td_error *err);
struct sim_machine *machine_new(const struct sim_cluster *c, uint32_t procs);
void machine_release(struct sim_cluster *c);
/* compare.c: two schedules, on standard output. */
int compare_run(const struct sim_options *o, const char *a, const char *b, struct td_error *err);

#endif
