/* session.h - an allocation that a command holds: asked for, waited for, kept alive, given back (srun, salloc) */
#ifndef TD_CLIENT_SESSION_H
#define TD_CLIENT_SESSION_H

#include "submit.h"
#include "wait.h"

/* Fills in what the command knows by itself and asks: the request's directory, name, host, limits. `name` where none
 * was given. Waits until the allocation stands; says that it waits if it has to. On failure nothing is left in the queue. */
struct session {
    uint32_t job;
    struct td_arena arena;      /* owns info */
    struct td_job_info info;    /* with placements */
    bool waited;
};
struct session_wish {
    const char *name;
    int64_t patience_ms;               /* 0: for ever */
    const volatile sig_atomic_t *stop; /* not 0: somebody is out of patience */
    bool soon; /* one that its nodes have not taken yet will do: a step asked for now starts with it, or is refused with INVALID_STATE */
};
int session_open(struct client *c, struct submit *s, const struct session_wish *wish, struct session *ret, struct td_error *err);
/* It is back in the queue: waits for it again. On failure it is given back. */
int session_again(struct client *c, const struct session_wish *wish, struct session *s, struct td_error *err);
/* The row of an allocation somebody else holds (SLURM_JOB_ID), to the same place. */
int session_find(struct client *c, uint32_t job, struct session *ret, struct td_error *err);
/* Why an allocation was taken from its command, as far as its nodes have no words for it: a line, asked for over a
 * connection of its own. False: nothing was said. */
bool session_say_why(uint32_t job);
void session_close(struct client *c, const struct session *s);
void session_release(struct session *s);
/* SLURM_JOB_ID and its kin, NUL-separated NAME=VALUE, as the allocation's commands see them. */
void session_environ(const struct session *s, const struct submit *request, struct td_buf *out);
int session_cwd(char *out, size_t cap, struct td_error *err);

/* A connection that only says SESSION_HEARD, and the two questions srun asks meanwhile; never waits for an answer. */
#define SESSION_BEAT_MS 3000
struct session_link {
    const char *front, *broker; /* their doors, tried in this order */
    struct td_stream stream;
    bool up;
    int64_t beat_at_ms, dial_at_ms;
    uint64_t request;
};
void link_init(struct session_link *l, const struct td_conf_place *place);
void link_release(struct session_link *l);
bool link_up(struct session_link *l, int64_t now_ms); /* dials when it is time */
uint64_t link_ask(struct session_link *l, uint32_t id, const void *body); /* the request's number, 0 = not sent */
/* Next answer: 1, with its body in the arena; 0 none; <0 the connection is over (and is dialled again later). */
int link_next(struct session_link *l, struct td_arena *a, struct td_frame *ret, int64_t now_ms);
void link_read(struct session_link *l, int64_t now_ms);

#endif
