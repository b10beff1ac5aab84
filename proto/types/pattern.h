/* pattern.h - file name patterns of sbatch: %j, %A_%a, %5j ... (pure) */
#ifndef TD_PATTERN_H
#define TD_PATTERN_H

#include "types/types.h"

struct td_pattern_facts {
    uint32_t job;
    uint32_t array_job;  /* 0: not of an array */
    uint32_t array_task; /* TD_NO_TASK: tasks that still wait: %a %b %j %J stay as typed */
    const char *node;    /* %N: its first label; NULL: not known yet, stays as typed */
    const char *user, *name;
    uint32_t step;       /* one above the step's number; 0: a batch script */
    uint32_t task, node_rank;
};

/* The worker makes the files by it, and commands show by it where they are. */

/* The path for a pattern, relative ones below work_dir. A pattern with a backslash is taken as it is, without its
 * backslashes. A letter that means nothing stays as typed. */
void td_pattern_expand(const char *pattern, const struct td_pattern_facts *f, const char *work_dir, struct td_buf *out);
/* What stands for an output pattern that was not given. */
const char *td_pattern_default_output(const struct td_pattern_facts *f);

#endif
