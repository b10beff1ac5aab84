/* scripts.h - the copy of its script that each launch runs
 *
 * DIR/spool/scripts/job00042/slurm_script for the first attempt of job 42, job00042.2 for its second. A copy is its
 * user's alone, holds the submitted text whatever an earlier job has done to its own copy, and lasts as long as the
 * attempt. */
#ifndef TD_SCRIPTS_H
#define TD_SCRIPTS_H

#include "types/types.h"

struct script_copy {
    struct td_attempt_ref of; /* its folder has this one's name */
    uint32_t uid, gid;
    uint8_t hash[32];         /* of the text */
    uint32_t at;              /* in live */
    int64_t gone_ms;          /* spare since */
};
struct scripts {
    char dir[4096];           /* DIR/spool/scripts */
    int fd;                   /* of it */
    struct td_map by_attempt; /* of the live ones */
    TD_VEC(struct script_copy *) live;  /* made by this worker, the attempt not gone; owned */
    TD_VEC(struct script_copy *) spare; /* of attempts that are gone, the oldest first */
};

int scripts_open(struct scripts *s, const char *dir, struct td_error *err);
void scripts_release(struct scripts *s);
/* Makes the copy; *ret is its path, in the arena. chown_it: it becomes the user's. On failure nothing is left. */
int scripts_make(struct scripts *s, const struct td_award *award, struct td_bin hash, struct td_bin text, bool chown_it,
                 struct td_arena *a, const char **ret, struct td_error *err);
/* Whether a copy of so many bytes could be made now; none is left. */
int scripts_try(struct scripts *s, uint32_t bytes, struct td_error *err);
/* The attempt is gone: its copy is removed, after a moment in which the next attempt with the same text may take it. */
void scripts_gone(struct scripts *s, uint32_t job, uint32_t attempt, int64_t now_ms);
void scripts_tick(struct scripts *s, int64_t now_ms);
int64_t scripts_due(const struct scripts *s);
/* Removes the copies of all attempts but these. */
void scripts_sweep(struct scripts *s, const struct td_running *running, uint32_t n);
/* What starts a script: the words of its #! line, the interpreter alone if the line has no more. In the arena. */
void scripts_first_line(struct td_bin text, struct td_arena *a, const char **ret_interpreter, const char **ret_argument);

#endif
