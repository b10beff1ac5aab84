/* tender.h - libtender: submit, query, cancel and watch from a program of your own
 *
 * Link with -ltender (pkg-config is not needed; a static program adds -lmsgpackc -lsodium). The calls do what the commands
 * do, by the same code: options are sbatch's, ids are squeue's, rights are those of the user the program runs as.
 *
 * Handles: a struct tender belongs to whoever opened it and is used by one thread at a time; different handles are
 * independent. Nothing is printed, no signal is touched, the process is never ended, but for an assertion of libtender's own
 * or when there is no memory left.
 *
 * Results: what a call hands out through a `ret` is owned by the handle, list or watch named beside it, and lives until that
 * is closed or freed or, where said, until the next call. ret is touched only on success. Strings are never NULL, but "".
 * Times are milliseconds since 1970, 0 = not known.
 *
 * Errors: a call that fails returns a negative number (the code, negated) and says why in words that name the thing. err may
 * be NULL. A handle stays good: the next call connects again. Structures may grow at their end when the library's number
 * changes: zero those that you fill in whole. */
#ifndef TENDER_H
#define TENDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TENDER_API __attribute__((visibility("default")))
#define TENDER_NO_TASK UINT32_MAX /* array_task of what is no single task of an array */
#define TENDER_NO_LIMIT UINT32_MAX

struct tender_error {
    int code; /* of tender_error_name; 0 = none */
    char text[512];
};
TENDER_API const char *tender_error_name(int code); /* "DENIED", "INVALID_JOB"; "" if there is none. Static */
TENDER_API const char *tender_version(void);        /* "0.1.0". Static */

/* --- a cluster ----------------------------------------------------------------------------------------------------- */

struct tender;
/* conf: the slurm.conf of the cluster; NULL: as the commands find it (SLURM_CONF, the user's default cluster, /etc/slurm).
 * Connects to the front of this host, else to the broker. NULL with err: CONF, UNREACHABLE. */
TENDER_API struct tender *tender_open(const char *conf, struct tender_error *err);
TENDER_API void tender_close(struct tender *t); /* NULL is taken. Lists and watches live on */

/* --- submit, cancel -------------------------------------------------------------------------------------------------- */

struct tender_submission {
    const char *script; /* text of a batch script, whose #SBATCH lines count; NULL: options name a file, or --wrap */
    size_t script_len;  /* 0: it ends at its NUL */
    /* Words as behind sbatch, NULL-ended: {"-n4", "--gpus=2", NULL}; what stands behind the last option are the script's
     * arguments (script NULL: first its file). NULL: none. --wait, --parsable, --quiet, --verbose and --help are refused:
     * they are for people. SBATCH_ variables are not read. */
    const char *const *options;
    const char *const *environment; /* NAME=VALUE, NULL-ended, before --export chooses; NULL: this process's */
    /* Up to 64 characters of your own: the same key again within 15 minutes, by the same user, gets the first answer and
     * queues nothing. So a submission whose answer was lost can be repeated. NULL: each one is another. */
    const char *key;
};
struct tender_submitted {
    uint32_t job;         /* the job, or its array; 0 with --test-only */
    uint64_t seq;         /* number of the event that queued it: watch from here */
    const char *warnings; /* lines; until the next call of this handle */
};
/* Returns when the job is durable. */
TENDER_API int tender_submit(struct tender *t, const struct tender_submission *what, struct tender_submitted *ret,
                             struct tender_error *err);
/* job: "12", "12_3", "12_[1-3,7]". signal: 0 = end it. A job that is over already is no failure. */
TENDER_API int tender_cancel(struct tender *t, const char *job, int signal, struct tender_error *err);

/* --- query --------------------------------------------------------------------------------------------------------- */

struct tender_job_query { /* comma lists; NULL or "": any. All that are given must match */
    const char *ids;      /* 12,13_4 */
    const char *users, *partitions, *names;
    const char *states;   /* PENDING,R; "all"; NULL or "": those not over */
    int history;          /* not 0: those, too, that the queue has let go */
};
struct tender_job {
    uint32_t job, array_job, array_task; /* array_job 0: of no array; array_task TENDER_NO_TASK: its waiting tasks together */
    const char *id;                      /* as squeue prints it: 12, 12_3, 12_[4-9%2] */
    const char *name, *user, *account, *qos, *partition;
    const char *state, *reason; /* PENDING, Resources */
    const char *nodes;          /* node[1-3]; "" while it waits */
    const char *work_dir, *std_out;
    uint32_t uid, nnodes, cpus, tasks, limit_s;
    uint64_t priority;
    int64_t submit_ms, start_ms, end_ms; /* of a waiting job start_ms is a forecast */
    uint32_t exit_code, signal;
};
struct tender_jobs; /* a list; owned by the caller */
TENDER_API int tender_jobs(struct tender *t, const struct tender_job_query *q, struct tender_jobs **ret, struct tender_error *err);
TENDER_API size_t tender_jobs_count(const struct tender_jobs *l);
TENDER_API const struct tender_job *tender_jobs_get(const struct tender_jobs *l, size_t i); /* NULL beyond the end */
/* How long the front had not heard the broker when it answered: 0 = the list is how things stand. */
TENDER_API uint32_t tender_jobs_stale_ms(const struct tender_jobs *l);
TENDER_API void tender_jobs_free(struct tender_jobs *l);

struct tender_node {
    const char *name;
    const char *state;  /* as sinfo -N -l prints it: idle, mixed, draining, down* */
    const char *reason; /* why it is drained or down */
    const char *partitions, *features, *gres, *gres_used; /* comma lists; gpu:4, gpu:2(IDX:0-1) */
    uint32_t cpus, cpus_held, jobs;
    uint64_t memory_mb, memory_held_mb;
};
struct tender_nodes; /* a list; owned by the caller */
/* names: a host list, node[1-3],gpu1; NULL: all. */
TENDER_API int tender_nodes(struct tender *t, const char *names, struct tender_nodes **ret, struct tender_error *err);
TENDER_API size_t tender_nodes_count(const struct tender_nodes *l);
TENDER_API const struct tender_node *tender_nodes_get(const struct tender_nodes *l, size_t i);
TENDER_API uint32_t tender_nodes_stale_ms(const struct tender_nodes *l);
TENDER_API void tender_nodes_free(struct tender_nodes *l);

/* --- watch --------------------------------------------------------------------------------------------------------- */

struct tender_watch_what {
    uint64_t since;        /* events after this number; what happened before it is known */
    int from_now;          /* not 0: only those to come */
    const uint32_t *jobs;  /* of these jobs and arrays; njobs 0: of all that one may see */
    size_t njobs;
    int own;               /* not 0: of one's own jobs only */
};
enum tender_news {
    TENDER_TIME = 0,   /* the time is over */
    TENDER_EVENT = 1,  /* *ret is an event */
    TENDER_RESYNC = 2, /* events up to ret->seq are not kept any more: query anew, then go on from here */
    TENDER_LOST = 3,   /* the front went away; the next call tries again, and goes on where it was */
    TENDER_BACK = 4,   /* and stands again */
    TENDER_STALE = 5,  /* the front does not hear the broker: nothing happens until it does */
    TENDER_FRESH = 6,  /* and hears it again */
};
struct tender_event {
    uint64_t seq; /* number in the journal, growing */
    int64_t time_ms;
    const char *type; /* JOB_ENDED: tender-protocol lists them */
    uint32_t job, array_job, array_task, uid; /* the job it concerns; 0: none */
    const char *state, *reason;               /* how that stands after it */
    const char *json; /* all of it, as tender events prints it, without the end of the line */
};
struct tender_watch; /* owned by the caller; lives without its struct tender */
TENDER_API int tender_watch(struct tender *t, const struct tender_watch_what *what, struct tender_watch **ret,
                            struct tender_error *err);
/* What comes next: an enum tender_news, or <0: refused in words, and it will be again. timeout_ms <0: waits for ever; 0: does
 * not wait. No event is told twice and none is left out, over restarts of front and broker, or it says TENDER_RESYNC.
 * *ret is owned by the watch until the next call. */
TENDER_API int tender_watch_next(struct tender_watch *w, int timeout_ms, const struct tender_event **ret,
                                 struct tender_error *err);
/* For a poll loop of one's own: wait until it is readable, or a second, then call tender_watch_next with timeout 0 until it
 * says TENDER_TIME. -1 while there is no connection; another one after TENDER_BACK. Never read from it. */
TENDER_API int tender_watch_fd(const struct tender_watch *w);
TENDER_API void tender_watch_free(struct tender_watch *w);

#ifdef __cplusplus
}
#endif
#endif
