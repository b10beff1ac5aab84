/* srun.h - what srun and salloc are asked for */
#ifndef TD_CLIENT_SRUN_H
#define TD_CLIENT_SRUN_H

#include "submit.h"

struct srun {
    struct submit s; /* first: the rows of an allocation point into it */
    const char *out, *err, *in, *cpu_bind, *mpi, *chdir;
    bool label, pty, overlap, exclusive, kill_on_bad_exit, unbuffered, append, no_kill_on_bad_exit;
    uint32_t wait_s, jobid, verbose;
    bool has_wait;
    int64_t patience_ms; /* --immediate; 0 = none */
    /* salloc */
    bool no_shell;
};
extern const struct option srun_options[], salloc_options[];
const struct option *srun_own_rows(void); /* of srun_options, behind those of an allocation */

#endif
