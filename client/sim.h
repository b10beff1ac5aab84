/* sim.h - what `tender sim` is asked; its options are one table, for the pages and for the program that runs */
#ifndef TD_CLIENT_SIM_H
#define TD_CLIENT_SIM_H

#include "option.h"

struct sim_options {
    uint32_t procs, gpus_from;
    struct td_strs topology;
    const char *policy, *order, *estimates, *swf, *plot, *part, *conf, *partition, *qos;
    bool metrics, compare, json, quiet, rl_backfill;
};
extern const struct option sim_option_rows[];
extern const char sim_synopsis[], sim_about[];

#endif
