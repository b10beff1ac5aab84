/* step_io.h - a step's live stdio, and what becomes of its tasks, as srun sees them
 *
 * Listens for the relays of the step's nodes; writes what tasks write, within their credit; sends standard input to all
 * nodes; tells what ended. A poll loop turns it: io_poll before, io_turn after. Never blocks. */
#ifndef TD_CLIENT_STEP_IO_H
#define TD_CLIENT_STEP_IO_H

#include <poll.h>

#include "local/sealed.h"

#define IO_PEERS_UNPROVEN 64       /* connections that have not shown that they have the key */
#define IO_IN_BYTES (128u * 1024)  /* of standard input not yet read by the slowest task */
#define IO_HELD_BYTES 8192u        /* of a line that is not over, with --label */

struct io_segment {                /* of what waits to be written */
    uint32_t rank, stream;
    uint64_t upto;                 /* its end in the task's stream */
    uint64_t base;                 /* written when so many bytes have left the queue in all */
};
struct io_target {                 /* where output goes */
    int fd;
    bool regular;                  /* a file: poll says nothing about it */
    struct td_buf queue;
    size_t written;                /* of the queue */
    TD_VEC(struct io_segment) segments;
    uint32_t segments_done;
    uint64_t base;                 /* bytes that have left the queue in all */
    bool broken;                   /* nobody reads any more: thrown away */
};
struct io_flow { /* a task's out or err */
    uint64_t next;
    bool eof;
    struct td_buf line; /* with --label */
};
struct io_task {
    uint32_t node; /* index of its node */
    struct io_flow flow[2];
    bool over, bad;
    uint32_t exit_code, signal;
    bool fresh; /* its end has not been said */
};
struct io_node {
    const char *name;
    struct td_u32s ranks;
    struct td_sealed s;
    bool up, done;
    bool heard;        /* its shepherd has said something */
    const char *why;   /* what the broker was told of the end of its part; in the arena */
    int64_t why_at_ms;
    uint64_t in_sent, in_acked;
    bool in_eof_sent, ever;
};
struct step_io {
    int listen_fd;
    struct td_strs addresses; /* host:port, for spec.io; in the arena */
    uint8_t key[TD_SEAL_KEY_BYTES];
    struct td_arena arena;
    uint32_t job, step;
    struct io_node *nodes;
    uint32_t nnodes;
    struct io_task *tasks;
    uint32_t ntasks, over;
    struct td_sealed unproven[IO_PEERS_UNPROVEN];
    uint32_t nunproven;
    /* what is wanted */
    bool label, pty, no_input;
    bool out_elsewhere, err_elsewhere; /* files on the nodes take them: nothing comes here */
    int in_fd;                     /* -1 = none, or over */
    struct io_target out, err;     /* err.fd == -1: with out */
    struct td_buf in;
    uint64_t in_base;
    bool in_eof;
    /* what happened */
    bool cut, foretold;            /* it was ended, by other than us; its end was our own wish */
    bool bad_exit;                 /* some task failed */
    bool doubtful;                 /* the end of some task was not told by its shepherd */
    uint32_t exit_code;            /* the worst */
};

int io_listen(struct step_io *io, struct td_error *err); /* where: io->addresses */
/* The step exists now: its tasks and where they are. */
void io_begin(struct step_io *io, const struct td_step_created *m);
/* Adds what to wait for; returns how many. Room for IO_POLL_MAX(io). */
#define IO_POLL_MAX(io) (4u + IO_PEERS_UNPROVEN + (io)->nnodes)
nfds_t io_poll(struct step_io *io, struct pollfd *p);
void io_turn(struct step_io *io);
void io_signal(struct step_io *io, uint32_t sig); /* 0: end the step */
void io_size(struct step_io *io, uint32_t rows, uint32_t columns);
void io_lost(struct step_io *io, const char *why); /* nodes that have not said everything never will; `why` where they have none */
void io_lost_node(struct step_io *io, struct io_node *n, const char *why);
bool io_over(const struct step_io *io);           /* all tasks are over and everything is written */
void io_release(struct step_io *io);

#endif
