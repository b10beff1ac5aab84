/* pattern.h - file name patterns of sbatch: %j, %A_%a, %5j ... (pure) */
#ifndef TD_PATTERN_H
#define TD_PATTERN_H

#include "types/types.h"

struct pattern_facts {
    uint32_t job;
    uint32_t array_job;  /* 0: not of an array */
    uint32_t array_task;
    const char *node;    /* %N: its first label */
    const char *user, *name;
};

/* The path for a pattern, relative ones below work_dir. A pattern with a backslash is taken as it is, without its
 * backslashes. A letter that means nothing stays as typed. */
void pattern_expand(const char *pattern, const struct pattern_facts *f, const char *work_dir, struct td_buf *out);
/* What stands for an output pattern that was not given. */
const char *pattern_default_output(const struct pattern_facts *f);

#endif
