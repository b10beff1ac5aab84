/* film.h - a broker core, its journal, a replica and workers of a few lines each, on virtual time
 *
 * Every line of a film ends quiet: messages have been carried until nobody has anything to say.
 * After every wake the invariants are checked, the events are applied to a replica and the digests
 * compared. A worker bids first fit, accepts what it is awarded and lets go of what is killed,
 * unless the film tells it otherwise. */
#ifndef TD_FILM_H
#define TD_FILM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "broker/core/state.h"

#define SEC 1000
#define FILM_T0 ((int64_t)1800000000000)
#define FILM_WORKERS 8

struct film_held {
    uint32_t job, attempt;
    uint8_t cpus[64], gpus[8];
    bool exited; /* its end is in the spool: known after a reboot too */
};
struct film_step { /* tasks of a step on a worker */
    uint32_t job, attempt, step, tasks;
};
struct film_worker {
    char name[16], boot[16], instance[16];
    uint32_t cpus, gpus, incarnation, threads;
    uint64_t version, report_no;
    bool on;           /* its process lives and its network works */
    bool silent;       /* hears, and says nothing */
    bool deaf;         /* does not hear offers */
    bool lazy;         /* does not answer awards by itself */
    bool stubborn;     /* does not let go when killed */
    bool lazy_steps;   /* does not answer STEP_START and kills of steps */
    bool says_steps;   /* lists them in HELLO */
    uint32_t declines_steps;
    uint32_t declines; /* turns down so many awards */
    uint32_t refuses;  /* enum td_refusal: bids nothing, and says this */
    uint32_t score;    /* of its bids; 0: 500 */
    uint32_t runs_as;  /* 1 + the only user whose jobs it runs; said with its next hello */
    TD_VEC(struct film_held) held;
    TD_VEC(struct film_step) steps;
    TD_VEC(struct td_report) unacked;
    uint32_t offers, awards, kills, hello_agains, refused_code;
    uint32_t fence_ms; /* as WELCOME said */
    int64_t answered_ms;
    uint32_t last_signal, last_limit;
    uint32_t starts, step_kills, last_step_signal;
    struct td_step_launch last_start; /* in the film's arena */
    struct td_award last_award;       /* in the film's arena */
};
/* What a STEP_CREATE was answered; id 0: not yet. */
struct film_answer {
    uint64_t request;
    uint32_t id, code, step;
    char text[256];
    struct td_step_place_list places;
};
/* A wake's inputs as the shell's input log keeps them: an encoded td_wake. */
struct film_wake {
    uint8_t *data; /* in the film's arena */
    size_t len;
    bool reign; /* the first of one */
};
struct film {
    struct td_core *core, *replica;
    int64_t now;
    int64_t watch_us; /* 0: the stopwatch is not told; else each wake is 250 us after the last */
    struct td_arena arena;
    TD_VEC(struct td_event) journal;
    TD_VEC(struct td_input) inbox;
    struct film_worker workers[FILM_WORKERS];
    uint32_t nworkers;
    struct td_settings settings;
    const char *nodes; /* NodeName line, NULL = nodes just join */
    bool old_workers;  /* they know of no fence */
    uint32_t threads;  /* of each core of workers that start from now on; 0: 1 */
    TD_VEC(struct td_partition_conf) partitions;
    TD_VEC(struct td_node_conf) node_confs;
    uint64_t epoch;
    /* what the last request was answered */
    uint32_t reply, code, job, count, nerrors;
    struct td_explained explained; /* in the film's arena */
    struct td_submitted submitted; /* likewise */
    char text[512];
    TD_VEC(struct film_answer) asked;
    uint32_t wakes;
    bool logs_inputs;
    TD_VEC(struct film_wake) inputs;
};

struct film_job {
    uint32_t uid;
    uint32_t cores, gpus, nodes, tasks, per_node, limit_s, limit_min_s;
    uint64_t mem;
    const char *name, *partition, *array, *key, *dependency, *features, *nodelist;
    const char *reservation, *licenses, *account, *user, *qos;
    int64_t begin_ms, deadline_ms, nice;
    bool hold, session, no_requeue;
};

struct film_ask {
    uint32_t job, uid, tasks, nodes, per_node, cores, gpus, gpus_task, limit_s;
    uint64_t mem, peer;
    const char *with, *without, *key, *program;
    bool overlap, interactive, closes, immediate, later; /* later: in the next wake, with what else comes */
};

int film_open(void **state); /* cmocka setup: elastic, one default partition, not started */
int film_close(void **state);
void film_partition(struct film *f, struct td_partition_conf p);
void film_node(struct film *f, struct td_node_conf n);
void film_start(struct film *f);                  /* first reign, configuration */
void film_restart(struct film *f, bool snapshot); /* the broker dies and comes back */
void film_configure(struct film *f);
struct film_worker *film_worker(struct film *f, const char *name, uint32_t cpus,
                                uint32_t gpus); /* starts it */
void film_worker_again(struct film *f, struct film_worker *w, bool reboot,
                       bool forgets);                     /* its process starts anew */
uint32_t film_submit_(struct film *f, struct film_job j); /* job id, 0 = refused */
#define film_submit(f, ...) film_submit_(f, (struct film_job){__VA_ARGS__})
void film_request(struct film *f, uint32_t uid, uint32_t id, const void *body);
void film_cancel(struct film *f, uint32_t uid, uint32_t job);
void film_cancel_task(struct film *f, uint32_t uid, uint32_t job, uint32_t task);
void film_op(struct film *f, uint32_t uid, uint32_t job, uint32_t op);
void film_update_node(struct film *f, const char *node, const char *state, const char *reason);
void film_advance(struct film *f, int64_t ms); /* heartbeats go on */
void film_run(struct film *f);                 /* until quiet */
void film_clock(struct film *f, int64_t ms);   /* the wall clock is set, and the broker is told */
void film_say(struct film *f, struct film_worker *w, uint32_t id, const void *body);
void film_hear(struct film *f, struct film_worker *w, uint32_t id, const void *body);
void film_report(struct film *f, struct film_worker *w, struct td_report r, bool numbered);
void film_exit(struct film *f, uint32_t job, uint32_t code); /* leader says EXITED and GONE */
void film_let_go(struct film *f, struct film_worker *w, uint32_t job);
void film_accept(struct film *f, struct film_worker *w, uint32_t job); /* of a lazy worker */

/* Steps: asks, and says what was answered (its place in f->asked). */
uint32_t film_ask_(struct film *f, struct film_ask a);
#define film_ask(f, ...) film_ask_(f, (struct film_ask){__VA_ARGS__})
void film_step_report(struct film *f, struct film_worker *w, uint32_t kind, uint32_t job,
                      uint32_t step, uint32_t code);
void film_step_exit(struct film *f, struct film_worker *w, uint32_t job, uint32_t step,
                    uint32_t code); /* forgets it and reports EXITED */
void film_peer_gone(struct film *f, uint64_t peer);
void film_step_signal(struct film *f, uint32_t uid, uint32_t job, uint32_t step, uint32_t signal);
uint32_t film_steps(struct film *f, uint32_t job); /* live ones of the job */

struct core_job *film_job(struct film *f, uint32_t job);
struct core_node *film_node_of(struct film *f, const char *name);
uint32_t film_rows(struct film *f, const struct td_job_query *q, struct td_job_info *ret,
                   uint32_t cap);
uint32_t film_events(const struct film *f, uint32_t id); /* how many of them so far */
#define film_expect(f, job, want)                                                                  \
    do {                                                                                           \
        assert_non_null(film_job(f, job));                                                         \
        assert_string_equal(td_job_state_word(film_job(f, job)->state, film_job(f, job)->outcome), \
                            want);                                                                 \
    } while (0)
#define film_expect_reason(f, job, want)                                                           \
    assert_string_equal(td_reason_word(film_job(f, job)->reason), want)
#define film_expect_refused(f, want)                                                               \
    do {                                                                                           \
        if ((f)->code != (uint32_t)(want))                                                         \
            print_error("answer: %u %s\n", (f)->code, (f)->text);                                  \
        assert_int_equal((f)->code, want);                                                         \
    } while (0)

#endif
