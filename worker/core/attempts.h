/* attempts.h - the attempts a worker knows, and those it knew (inside worker/core)
 *
 * An attempt is known from its award (or its adoption from the shepherd) until its GONE report is durable at the
 * broker. After that its name alone is remembered for a while, so that a late copy of its award starts nothing. */
#ifndef TD_ATTEMPTS_H
#define TD_ATTEMPTS_H

#include "types/types.h"

#define TD_ENDED_REMEMBERED 8192 /* names of ended attempts kept; oldest forgotten first */

enum td_attempt_state {
    TD_ATTEMPT_LAUNCHING, /* given to the shepherd, which has not said anything of it yet */
    TD_ATTEMPT_RUNNING,
    TD_ATTEMPT_EXITED,    /* its batch step is over; the node still holds its resources */
    TD_ATTEMPT_GONE,      /* nothing of it is left; the report of that is not acknowledged yet */
};

/* An AWARD message's awards and specs, kept while a launch out of it may have to be repeated. Shared by the attempts
 * it launched, hence the count: the last one to hear from the shepherd gives it back. */
struct td_batch {
    struct td_arena arena;
    struct td_award_batch msg;
    uint32_t waiting;
};

/* A step of an attempt, from its STEP_START (or its adoption) until its end is durable at the broker. */
struct td_step_known {
    uint32_t no;
    bool started, over;
    bool never;       /* killed before its start came: it starts nothing any more */
    uint64_t over_no; /* of the report that said so */
    bool seen;        /* named by the SH_STATE being read */
};
struct td_attempt {
    uint32_t job, attempt;
    uint32_t at; /* its place in v */
    enum td_attempt_state state;
    uint64_t accepted_no, gone_no;
    struct td_batch *batch; /* LAUNCHING only */
    const struct td_award *award;
    const struct td_job_spec *spec;
    bool seen; /* named by the SH_STATE being read */
    TD_VEC(struct td_step_known) steps; /* in the order they came */
};
struct td_attempts {
    TD_VEC(struct td_attempt *) v; /* in no particular order, but the same everywhere for the same inputs */
    struct td_map by_key;
    uint32_t launching;
    uint64_t ended[TD_ENDED_REMEMBERED];
    uint32_t ended_n, ended_at;
    struct td_map ended_by_key;
};

struct td_attempt *td_attempts_find(const struct td_attempts *s, uint32_t job, uint32_t attempt);
struct td_attempt *td_attempts_add(struct td_attempts *s, uint32_t job, uint32_t attempt, enum td_attempt_state state);
void td_attempts_set_launch(struct td_attempts *s, struct td_attempt *t, struct td_batch *batch, const struct td_award *award,
                            const struct td_job_spec *spec);
/* The shepherd spoke of it: never back to LAUNCHING, nor from GONE. */
void td_attempts_advance(struct td_attempts *s, struct td_attempt *t, enum td_attempt_state state);
void td_attempts_forget(struct td_attempts *s, struct td_attempt *t, bool remember_ended);
bool td_attempts_ended(const struct td_attempts *s, uint32_t job, uint32_t attempt);
void td_attempts_remember_ended(struct td_attempts *s, uint32_t job, uint32_t attempt);
void td_attempts_release(struct td_attempts *s);

struct td_batch *td_batch_new(const struct td_award_batch *msg); /* without its blobs */
void td_batch_done(struct td_batch *b);                           /* one launch less to wait for; frees at none */

#endif
