/* remote.h - tender-remote: what its files share; included by nobody else
 *
 *   commands, libtender ── DIR/state/run/front.sock ── desk.c ── streams (bus/carry.h) ── link.c ── CURVE ──► a front's TCP door
 *
 * It knows nothing of what it carries, but for who asks while the link is down: he is told so. */
#ifndef TD_REMOTE_H
#define TD_REMOTE_H

#include <sys/types.h>

#include "bus/bus.h"
#include "bus/carry.h"
#include "connect.h"

#define REMOTE_TAG_LISTEN 1u
#define REMOTE_TAG_SIGNAL 2u
#define REMOTE_TAG_BUS 3u
#define REMOTE_TAG_STREAM (1ull << 32)

enum remote_link { REMOTE_DOWN, REMOTE_DIALLING, REMOTE_UP };
struct remote_guest { /* a command that came while there was no link */
    int fd;
    int64_t since_ms;
};
struct remote {
    const char *address; /* HOST:PORT */
    char dir[TD_MAX_PATH_BYTES], socket[TD_MAX_PATH_BYTES + 64], endpoint[300];
    char server_key[TD_KEY_Z85];
    struct td_keypair keys;
    int epoll_fd, listen_fd, signal_fd;
    bool stop;

    /* link.c */
    enum remote_link link;
    struct td_bus_client *bus;
    struct td_carry carry;
    uint64_t session;
    uint32_t uid; /* as the front says */
    char cluster[TD_MAX_NAME_BYTES + 1];
    int64_t dial_ms, hello_ms, heard_ms, down_ms, again_ms; /* when: next dialling, next hello; last heard, up; next try */
    struct td_error why; /* there is no link */
    bool for_good;       /* the front does not want this key: not asked again for long */

    /* desk.c */
    TD_VEC(struct remote_guest) guests;
    uint32_t next_stream;
    bool listen_off;
};

/* link.c */
void remote_link_tick(struct remote *r); /* dials, says hello, finds out what is lost */
void remote_link_take(struct remote *r); /* what the front said */
void remote_link_close(struct remote *r, const char *why);
int64_t remote_link_deadline_ms(const struct remote *r);

/* desk.c */
int remote_desk_open(struct remote *r, struct td_error *err);
void remote_desk_accept(struct remote *r);
void remote_desk_serve(struct remote *r); /* guests get their streams, or are told why not */
int64_t remote_desk_deadline_ms(const struct remote *r);
void remote_desk_close(struct remote *r);

void remote_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
