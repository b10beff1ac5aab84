/* sim.c - tender sim: a program of its own, so that no other command has to load the broker's core */
#include "sim.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"

#define AT(field) offsetof(struct sim_options, field)
const struct option sim_option_rows[] = {
    {"procs", 'n', "N", opt_u32, AT(procs), "the machine is one node of N processors (as the trace says: MaxProcs)", NULL, false},
    {"policy", 'p', "POLICY", opt_str, AT(policy), "fifo, easy, sjbf, conservative, depth=N or tender (tender)", NULL, false},
    {"order", 'o', "ORDER", opt_str, AT(order), "tender: priority keeps the order of the queue, free may change it (priority)", NULL, false},
    {"estimates", 'e', "WHICH", opt_str, AT(estimates), "time limits: user as in the trace, exact, or double the run time (user)", NULL, false},
    {"swf", 'w', "FILE", opt_str, AT(swf), "write the schedule as a trace; .gz is compressed", NULL, false},
    {"metrics", 'm', NULL, opt_flag, AT(metrics), "print the figures as one JSON object", NULL, false},
    {"quiet", 'q', NULL, opt_flag, AT(quiet), "no progress, no remarks on the trace", NULL, false},
    OPTIONS_HELP,
    {0},
};

static int run_sim(int argc TD_UNUSED, char **argv)
{
    char path[TD_MAX_PATH_BYTES + 64];
    struct td_error err = {0};

    if (process_beside("tender-sim", path, sizeof(path), &err) == 0)
        execv(path, argv);
    say_error("%s", err.text[0] ? err.text : strerror(errno));
    return 1;
}

const struct command sim_command = {
    .name = "tender sim",
    .synopsis = "TRACE [OPTIONS]",
    .summary = "schedule a recorded workload on virtual time",
    .about = "The broker's own core schedules the jobs of a trace in the Standard Workload Format (plain or gzip), on virtual time.\n"
             "What would have waited how long under another policy is told before anybody has to wait.",
    .options = sim_option_rows,
    .usage_exit = 1,
    .run = run_sim,
};
