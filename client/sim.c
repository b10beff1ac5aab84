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
    {"conf", 'C', "FILE", opt_str, AT(conf), "the machine is the nodes of this slurm.conf (and the gres.conf beside it)", NULL, false},
    {"topology", 't', "WHAT[*N]", opt_list, AT(topology), "the machine is N nodes of this topology: FILE.xml or synthetic:...; several: commas", NULL, false},
    {"partition", 0, "NAME", opt_str, AT(partition), "conf, journal: of all jobs (the default one)", NULL, false},
    {"qos", 0, "NAME", opt_str, AT(qos), "conf, journal: of all jobs, where a partition asks for one", NULL, false},
    {"gpus-from", 0, "FIELD", opt_u32, AT(gpus_from), "the field of the trace (from 1) that says how many GPUs a job wants", NULL, false},
    {"policy", 'p', "POLICY", opt_str, AT(policy), "fifo, easy, sjbf, conservative, depth=N or tender (the cluster's own, else tender); rl-fcfs, rl-sjf, rl-f1: rules of a paper", NULL, false},
    {"order", 'o', "ORDER", opt_str, AT(order), "tender: priority keeps the order of the queue, free may change it (priority)", NULL, false},
    {"estimates", 'e', "WHICH", opt_str, AT(estimates), "time limits: user as in the trace, exact, or double the run time (user)", NULL, false},
    {"rl-backfill", 0, NULL, opt_flag, AT(rl_backfill), "rl-...: with the backfill rule of that comparison", NULL, false},
    {"part", 0, "FIRST+N", opt_str, AT(part), "only N jobs of the trace, from its FIRST one on (by submission, from 1)", NULL, false},
    {"swf", 'w', "FILE", opt_str, AT(swf), "write the schedule as a trace; .gz is compressed", NULL, false},
    {"plot", 0, "FILE", opt_str, AT(plot), "draw the schedule, use and queue over time (SVG)", NULL, false},
    {"metrics", 'm', NULL, opt_flag, AT(metrics), "print the figures as one JSON object", NULL, false},
    {"compare", 'c', NULL, opt_flag, AT(compare), "of two schedules that --swf wrote: who waits less in the second, who more", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "compare: one JSON object", NULL, false},
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

const char sim_synopsis[] = "TRACE|JOURNAL [OPTIONS] | --compare A B [--json]";
const char sim_about[] =
    "The broker's own core schedules the jobs of a trace in the Standard Workload Format (plain or gzip), on virtual time.\n"
    "What would have waited how long under another policy is told before anybody has to wait.\n"
    "\n"
    "Lines that are no jobs of the machine are dropped, and how many for which reason is said: no processors, negative times, more\n"
    "processors than there are. A limit below the run time is raised to it, one that is not said or 0 is the run time, none is above\n"
    "1,000,000,000 s; lines out of order are sorted. A line that is no line of the format ends the run with its number. A trace may\n"
    "have 20,000,000 jobs; each takes about 100 bytes, so 10,000,000 are 1.1 GB, and those that wait or run what a broker takes.\n"
    "\n"
    "TRACE may be a cluster's own past, too: its journal.db, the folder that it is in, or the folder of a tender up. The jobs of its\n"
    "history that have run are the workload, with what they asked for, and the machine is its nodes as they were last, unless another is\n"
    "named. The journal is only read, also beside a broker that runs.\n"
    "\n"
    "Without other words the machine is one node of equal processors. With --conf or --topology it has nodes, whose workers'\n"
    "own cores bid for the jobs, out of their CPUs, memory and GPUs. A job wants the processors of its line, on as many nodes as it\n"
    "takes, with the memory of field 10 (KB of each processor) where that is said, else the default of the configuration, or 1 MiB\n"
    "for each processor; a node that does not say its memory has as much as is asked for. With --gpus-from a job also wants GPUs,\n"
    "for which the format has no field: they are in field 15 (queue), 16 (partition), or one that somebody added behind the 18th.\n"
    "Jobs go to the default partition, unless --partition names another. One that the cluster turns down, or that waits for ever, is\n"
    "counted and left out of the figures.\n"
    "\n"
    "With --compare A B two schedules of one workload are compared, job by job: both as --swf wrote them; a trace with the\n"
    "waits of its own site will do for either. Jobs are the same if their numbers, submissions, run times and processors are.\n"
    "It tells how many wait less in B than in A, and how many more, by how much, by processors (classes of powers of two) and\n"
    "by user, and the ten that gain and lose most.\n"
    "\n"
    "The policies rl-fcfs, rl-sjf and rl-f1 are not the planner's: they are the rules by which the figures of the RLScheduler\n"
    "comparison (Zhang et al., SC'20) were made, for those who want to see these come out. One job is picked, the lowest score\n"
    "first: submission, limit, or log10(limit) * processors + 870 * log10(submission); it is waited for until it fits. With\n"
    "--rl-backfill others may start meanwhile, in order of submission, if by their limits they end before the picked one could\n"
    "start at the earliest.\n";

const struct command sim_command = {
    .name = "tender sim",
    .synopsis = sim_synopsis,
    .summary = "schedule a recorded workload on virtual time",
    .about = sim_about,
    .options = sim_option_rows,
    .usage_exit = 1,
    .run = run_sim,
};
