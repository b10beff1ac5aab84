/* trace.h - a workload to simulate, read from the Standard Workload Format
 *
 * Source of the format: Feitelson et al., "The Standard Workload Format" (version 2.2): 18 numbers a line, -1 for
 * unknown, lines that begin with ';' are remarks. Read plain or through gzip, told by the first bytes.
 *
 * What a line becomes, and what its defects become (each is counted, and trace_report says the counts):
 *   processors   requested, else used; none known: the line is dropped
 *   run time     seconds; negative: dropped; 0 stays 0
 *   limit        requested time; unknown or 0: the run time; below the run time: raised to it, for the site let it run;
 *                0 in all: 1 s; over TRACE_LIMIT_S_MAX: that
 *   memory       requested, KB of each processor; unknown: none is asked for
 *   submission   negative, or over TRACE_SUBMIT_S_MAX: dropped; out of order: sorted (lines of one second keep their order)
 *   larger than the machine: dropped
 *   too few fields, or no number where one should be: an error that names the line */
#ifndef TD_SIM_TRACE_H
#define TD_SIM_TRACE_H

#include "types/types.h"

#define TRACE_LIMIT_S_MAX 1000000000u /* 31 years: below "no limit", and sums of it fit */
#define TRACE_SUBMIT_S_MAX INT64_C(100000000000) /* 3,170 years */
#define TRACE_JOBS_MAX 20000000u
#define TRACE_UNKNOWN UINT32_MAX

/* A simulation holds this, a struct sim_job and some 10 bytes for each job of the trace, and for those that wait or run what
 * a broker holds: 10 million jobs are 1.1 GB. */
struct trace_job {
    int64_t submit_s;
    uint32_t id;  /* as the trace numbers it */
    uint32_t run_s, limit_s, procs;
    uint32_t user, app; /* 0 = unknown */
    uint32_t wait_s;    /* as the trace has it; TRACE_UNKNOWN = it does not say */
    uint32_t mem_kb;    /* requested, of each processor; 0 = unknown */
    uint32_t gpus;      /* of the whole job, out of the field asked for */
};
enum trace_estimates { TRACE_USER, TRACE_EXACT, TRACE_DOUBLE };
struct trace {
    TD_VEC(struct trace_job) jobs; /* by submission */
    uint32_t lines, unsorted;
    uint32_t no_procs, negative, too_late, too_large; /* lines dropped */
    uint32_t not_run, damaged;              /* rows of a journal dropped */
    uint32_t raised, no_limit, clipped;     /* limits set */
    uint32_t procs_max;                     /* of MaxProcs or MaxNodes in the remarks; 0 = not said */
};

/* procs: of the machine; 0: as the remarks say (it is an error if they do not). gpus_field: the field, from 1, that holds how
 * many GPUs a job wants (the format has none; a trace may have fields beyond its 18); 0: no job wants any. */
#define TRACE_FIELDS_MAX 24
struct trace_ask {
    uint32_t procs, gpus_field;
    uint32_t jobs_max; /* 0 = TRACE_JOBS_MAX */
};
int trace_read(const char *path, const struct trace_ask *ask, struct trace *ret, struct td_error *err);
/* The last of a reading: jobs larger than the machine out, the others in order. Takes *t in any case. */
int trace_finish(const char *path, uint32_t procs, struct trace *t, struct trace *ret, struct td_error *err);
void trace_release(struct trace *t);
/* Only n jobs, from that place on (0 is the first by submission); n is cut to what there is. */
void trace_part(struct trace *t, uint32_t from, uint32_t n);
/* exact: limit = run time; double: twice the run time; both at least 1 s. */
void trace_estimate(struct trace *t, enum trace_estimates how);
/* One line for each kind of defect met. */
void trace_report(const struct trace *t, struct td_buf *out);

/* What a simulation found out about a job, by its place in the trace. */
struct sim_job {
    int64_t start_s, end_s;   /* -1: never */
    int64_t by_s;             /* first promise, -1 = none given */
    int64_t likely_from_s, likely_to_s; /* at submission; -1 = none */
    bool excused;             /* the promise moved for a named cause */
    bool refused;             /* turned down at submission */
};
_Static_assert(sizeof(struct trace_job) <= 48 && sizeof(struct sim_job) <= 48, "what is said of 10 million jobs");
/* The trace with the waits that were found. */
int trace_write(const char *path, const struct trace *t, const struct sim_job *jobs, const char *how, struct td_error *err);

#endif
