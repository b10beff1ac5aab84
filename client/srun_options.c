/* srun_options.c - the options of srun and salloc: those of an allocation, and their own */
#include "srun.h"

#include <stdio.h>
#include <string.h>

#include "say.h"
#include "submit_rows.h"

#define SRUN(p) ((struct srun *)(p)->target)
#define TAKE(name)                                                                                                     \
    static int name(struct option_parse *p TD_UNUSED, const struct option *o TD_UNUSED, const char *value TD_UNUSED,   \
                    struct td_error *err TD_UNUSED)

TAKE(take_mpi)
{
    if (td_str_casecmp(value, "none") == 0)
        return 0;
    if (td_str_casecmp(value, "list") == 0)
        return td_fail(err, TD_E_NOT_SUPPORTED, "MPI plugin types are...\n\tnone");
    return td_fail(err, TD_E_NOT_SUPPORTED,
                   "--mpi=%s is not supported: tasks get no PMI from srun; start them with mpirun, which starts its own by srun", value);
}

TAKE(take_cpu_bind)
{
    struct td_strs words = str_list(p->arena, value);
    for (uint32_t i = 0; i < words.n; i++) {
        const char *w = words.v[i];
        if (strcmp(w, "q") == 0 || strcmp(w, "quiet") == 0)
            continue;
        if (strcmp(w, "none") != 0 && strcmp(w, "no") != 0 && strcmp(w, "cores") != 0)
            return td_fail(err, TD_E_NOT_SUPPORTED, "--cpu-bind=%s is not supported: none, cores and quiet are", w);
        SRUN(p)->cpu_bind = strcmp(w, "cores") == 0 ? "cores" : "none";
    }
    return 0;
}

TAKE(take_immediate)
{
    uint64_t s = 5;
    if (value && *value && (!td_parse_u64(value, &s) || s > INT32_MAX))
        return td_fail(err, TD_E_USAGE, "Invalid --immediate specification: %s", value);
    SRUN(p)->patience_ms = s ? (int64_t)s * 1000 : 1000;
    return 0;
}

/* Inside an allocation a step has its CPUs for itself anyway; outside, the allocation gets whole nodes. */
TAKE(take_srun_exclusive)
{
    if (value && *value)
        return td_fail(err, TD_E_NOT_SUPPORTED, "--exclusive=%s is not supported: a node can be taken whole (--exclusive), not by user", value);
    SRUN(p)->exclusive = true;
    return 0;
}

TAKE(take_wait)
{
    uint64_t s;
    if (!td_parse_u64(value, &s) || s > INT32_MAX)
        return td_fail(err, TD_E_USAGE, "Invalid --wait specification: %s", value);
    SRUN(p)->wait_s = (uint32_t)s;
    SRUN(p)->has_wait = true;
    return 0;
}

TAKE(take_kill)
{
    if (value && *value && strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return td_fail(err, TD_E_USAGE, "Invalid --kill-on-bad-exit specification: %s", value);
    SRUN(p)->kill_on_bad_exit = !value || strcmp(value, "0") != 0;
    return 0;
}

#undef AT
#define AT(field) offsetof(struct submit, field)
#define AT_SRUN(field) offsetof(struct srun, field)
#define MODE {"open-mode", 0, "MODE", submit_take_open_mode, 0, "append or truncate the output files", "SLURM_OPEN_MODE", false}

const struct option srun_options[] = {
    ALLOCATION_ROWS("SLURM_"),
    {"chdir", 'D', "DIR", opt_str, AT_SRUN(chdir), "working directory of the tasks", "SLURM_WORKING_DIR", false},
    {"cpu-bind", 0, "HOW", take_cpu_bind, 0, "none, cores; q or quiet before it", "SLURM_CPU_BIND_WISH", false},
    {"error", 'e', "FILE", opt_str, AT_SRUN(err), "file for standard error; %t task, %n node number, %N node, %j job, %s step", "SLURM_STDERRMODE", false},
    {"exclusive", 0, "[WHAT]", take_srun_exclusive, 0, "whole nodes; in an allocation: CPUs of its own, as every step has", NULL, false},
    {"export", 0, "LIST", opt_str, AT(export), "environment of the tasks: ALL, NONE, NIL, NAME, NAME=VALUE,...", "SLURM_EXPORT_ENV", false},
    {"immediate", 'I', "[SECONDS]", take_immediate, 0, "give up if it cannot start within so long (5)", "SLURM_IMMEDIATE", false},
    {"input", 'i', "FILE", opt_str, AT_SRUN(in), "standard input: all, none, the number of a task, or a file", "SLURM_STDINMODE", false},
    {"jobid", 0, "ID", opt_u32, AT_SRUN(jobid), "run in this allocation", NULL, false},
    {"kill-on-bad-exit", 'K', "[0|1]", take_kill, 0, "a task that fails ends the step", "SLURM_KILL_BAD_EXIT", false},
    {"label", 'l', NULL, opt_flag, AT_SRUN(label), "put the number of its task before each line", "SLURM_LABELIO", false},
    {"mpi", 0, "TYPE", take_mpi, 0, "none", "SLURM_MPI_TYPE", false},
    MODE,
    {"output", 'o', "FILE", opt_str, AT_SRUN(out), "file for standard output; codes as for --error", "SLURM_STDOUTMODE", false},
    {"overlap", 0, NULL, opt_flag, AT_SRUN(overlap), "share CPUs with other steps", "SLURM_OVERLAP", false},
    {"pty", 0, NULL, opt_flag, AT_SRUN(pty), "task 0 on a terminal; the streams of the others are /dev/null", NULL, false},
    {"quiet", 'Q', NULL, opt_flag, AT(quiet), "no word but errors", NULL, false},
    {"unbuffered", 'u', NULL, opt_flag, AT_SRUN(unbuffered), "output as it comes (always so, lines with --label apart)", "SLURM_UNBUFFEREDIO", false},
    {"verbose", 'v', NULL, opt_count, AT(verbose), "tell what is sent", "SLURM_DEBUG", false},
    {"wait", 'W', "SECONDS", take_wait, 0, "end the step so long after its first task has ended; 0 = never", "SLURM_WAIT", false},
    {"disable-status", 'X', NULL, opt_warn, 0, "the first Ctrl-C tells the status all the same", NULL, false},
    {"het-group", 0, "LIST", opt_refuse, 0, "heterogeneous jobs are not supported yet", NULL, false},
    {"multi-prog", 0, NULL, opt_refuse, 0, "every task runs the same program", NULL, false},
    {"no-allocate", 'Z', NULL, opt_refuse, 0, "tasks run in an allocation only", NULL, false},
    {"preserve-env", 'E', NULL, opt_warn, 0, "SLURM_NTASKS and SLURM_NNODES say what the step has", NULL, false},
    {"relative", 'r', "N", opt_refuse, 0, "name nodes of the allocation by --nodelist", NULL, false},
    {"task-epilog", 0, "PROGRAM", opt_refuse, 0, "start it from the program itself", NULL, false},
    {"task-prolog", 0, "PROGRAM", opt_refuse, 0, "start it from the program itself", NULL, false},
    {"test-only", 0, NULL, opt_refuse, 0, "sbatch --test-only checks a request", NULL, false},
    {"threads", 'T', "N", opt_warn, 0, "srun needs no threads", NULL, false},
    {"x11", 0, "[WHAT]", opt_refuse, 0, "X11 is not forwarded; ssh -X to the node while the job runs does it", NULL, false},
    OPTIONS_HELP,
    {0},
};

const struct option *srun_own_rows(void)
{
    const struct option *o = srun_options;

    while (o->name && strcmp(o->name, "chdir") != 0)
        o++;
    return o;
}

const struct option salloc_options[] = {
    ALLOCATION_ROWS("SALLOC_"),
    {"chdir", 'D', "DIR", opt_str, AT_SRUN(chdir), "working directory of the command", NULL, false},
    {"exclusive", 0, "[WHAT]", submit_take_exclusive, 0, "whole nodes", "SALLOC_EXCLUSIVE", false},
    {"immediate", 'I', "[SECONDS]", take_immediate, 0, "give up if it cannot start within so long (5)", "SALLOC_IMMEDIATE", false},
    {"quiet", 'Q', NULL, opt_flag, AT(quiet), "no word but errors", NULL, false},
    {"verbose", 'v', NULL, opt_count, AT(verbose), "tell what is sent", "SALLOC_DEBUG", false},
    {"bell", 0, NULL, opt_warn, 0, "no bell is rung", NULL, false},
    {"get-user-env", 0, "[HOW]", opt_warn, 0, "the command gets this environment", NULL, false},
    {"kill-command", 'K', "[SIGNAL]", opt_warn, 0, "the command is told by SIGHUP when its allocation ends", NULL, false},
    {"no-bell", 0, NULL, opt_warn, 0, "no bell is rung", NULL, false},
    {"no-shell", 0, NULL, opt_refuse, 0, "the allocation lives as long as its command; sbatch outlives the shell", NULL, false},
    {"wait-all-nodes", 0, "0|1", submit_take_wait_all_nodes, 0, "start the command when all nodes are ready (always so)", "SALLOC_WAIT_ALL_NODES", false},
    {"x11", 0, "[WHAT]", opt_refuse, 0, "X11 is not forwarded; ssh -X to the node while the job runs does it", NULL, false},
    OPTIONS_HELP,
    {0},
};
