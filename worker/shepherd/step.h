/* step.h - the steps of this node's attempts: their tasks, and the bytes of their stdio
 *
 * Owns: struct step and its tasks. A step lives from its SH_STEP until its end is in the spool and its output has been
 * taken, or nobody has come for it within STEP_ALONE_MS. That it ever was stays in its attempt (step_known): a step is
 * started at most once for each (job, attempt, step). step.c has the lives, io.c the bytes. */
#ifndef TD_STEP_H
#define TD_STEP_H

#include "worker/shepherd/shepherd.h"

#define STEP_ALONE_MS 60000           /* without a relay: then a step is ended, or what is left of its output dropped */
#define STEP_OUT_BYTES (256u * 1024)  /* held of one stream until somebody takes it; then its pipe is left to fill up */
#define STEP_IN_BYTES (256u * 1024)   /* held of standard input until the slowest task has read it */
#define RELAY_FIRST_MS 20000          /* a relay that never came in so long is dead: it gives up before, and says so */
#define RELAY_LOOK_MS 50
#define RELAY_AGAIN_MS 5000           /* between two requests for another one */
#define STEP_NUMBER_MAX (1u << 24)    /* of a step: known ones are a bitmap in their attempt */

struct step;
enum watch_kind { WATCH_OUT, WATCH_IN, WATCH_PTY, WATCH_RELAY };
/* What epoll gives back. */
struct watch {
    enum watch_kind kind;
    struct step *step;
    struct task *task;
    uint32_t stream;
    uint32_t events; /* as registered; 0 = not */
};
/* One task's out or err on its way to the relay. */
struct outflow {
    int fd;              /* read end of its pipe, or the terminal's master; -1 = over, or a file takes it */
    struct td_buf bytes; /* from offset base on */
    uint64_t base;       /* taken up to here */
    uint64_t sent;       /* given to the present relay up to here */
    bool eof, eof_sent;
    bool used;           /* the relay carries it */
    struct watch watch;
};
struct task {
    struct step *step;
    const struct td_sh_task *row;
    pid_t pid;           /* leader, session and process group; 0 = not started */
    int64_t started_ms;
    bool over, slow, exit_sent;
    uint32_t exit_code, signal;
    const char *text;    /* why it could not be started; in the step's arena */
    int child_fds[3];    /* its ends, until it has been started */
    struct outflow out[2];
    int in_fd;           /* our end of its standard input; -1 = none, or closed */
    uint64_t in_at;      /* has been written up to here */
    struct watch in_watch;
};
enum step_state {
    STEP_LAUNCHING, /* tasks are with the launching threads */
    STEP_RUNNING,
    STEP_LEFTOVERS, /* its tasks are over; what they left is being ended */
    STEP_OVER,      /* its end is in the spool; output may still wait for a relay */
};
struct step {
    uint32_t job, attempt, no;
    enum step_state state;
    struct td_arena arena;
    struct td_sh_step msg;        /* in the arena */
    struct task *tasks;
    uint32_t ntasks, put, launched, over;
    bool one_by_one;              /* two tasks write one file: the first one empties it before the next is started */
    bool ending, end_wanted, timed_out, failed;
    int64_t limit_at_ms, kill_at_ms, look_at_ms, look_wait_ms;
    int64_t cut_at_ms;            /* wall clock, when it was ended by other than its client; 0 = it was not */
    uint32_t kill_wait_s;
    struct td_usage usage;
    struct td_report end;         /* EXITED as it was reported */
    uint64_t last_no;             /* its last status */
    uint32_t kill_no;             /* last signal request carried out */
    int pty;                      /* the terminal's master; -1 = none */
    bool pty_eof;
    struct watch pty_watch;
    /* input, the same for all tasks that get any */
    struct td_buf in;
    uint64_t in_base;
    bool in_eof;
    /* relay */
    struct td_stream relay;
    bool has_relay;
    bool detached;                /* the client has all of it, or does not come any more */
    int relay_pidfd;              /* of the process that attached last; -1 = none did, or not to be had */
    int64_t relay_look_ms;        /* without one: when to look whether it lives */
    uint64_t credit;
    int64_t alone_since_ms;
    struct watch relay_watch;
    struct step *next;
};

/* step.c */
void step_start(struct shepherd *sh, const struct td_sh_step *m);
struct step *step_find(struct shepherd *sh, uint32_t job, uint32_t attempt, uint32_t no);
void step_task_started(struct shepherd *sh, struct launch *what);
bool step_reaped(struct shepherd *sh, pid_t pid, int wait_status, const struct rusage *usage); /* false: no task of ours */
void step_signal(struct shepherd *sh, struct step *st, uint32_t sig);                          /* 0: end it */
void steps_keep(struct shepherd *sh);       /* limits, ends, leftovers, those nobody comes for */
int64_t steps_due(const struct shepherd *sh);
bool steps_alive(const struct shepherd *sh, const struct attempt *a);
bool steps_end(struct shepherd *sh, struct attempt *a, bool hard); /* true: some are being ended */
void step_kill(struct shepherd *sh, const struct td_kill *k, uint32_t kill_wait_s); /* k->step is set */
/* Those that run, or whose end is not acknowledged. */
struct td_u32s steps_list(const struct shepherd *sh, const struct attempt *a, struct td_arena *arena);
void steps_signal(struct shepherd *sh, const struct attempt *a, uint32_t sig);
void steps_release(struct shepherd *sh);

/* io.c */
int io_open(struct shepherd *sh, struct td_error *err);
int io_prepare(struct step *st, struct task *t, struct td_error *err); /* pipes of a task that is about to be started */
void io_started(struct shepherd *sh, struct step *st, struct task *t); /* the child has its ends */
void io_close(struct shepherd *sh, struct step *st);
void io_turn(struct shepherd *sh);                                     /* what epoll says */
void io_attach(struct shepherd *sh, struct td_stream *from, const struct td_sh_attach *m);
bool io_relay_dead(const struct shepherd *sh, const struct step *st);  /* nobody will attach again by himself */
void io_say_cut(struct shepherd *sh, struct step *st);
void io_pump(struct shepherd *sh, struct step *st);                    /* to the relay, as much as it takes */

#endif
