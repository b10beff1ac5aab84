/* guard.h - connections that take and never give; inside td_bus only */
#ifndef TD_BUS_GUARD_H
#define TD_BUS_GUARD_H

#include "bus/socket.h"

enum guard_side { GUARD_ROUTER, GUARD_PUB };

struct guard_conn {
    uint64_t cookie; /* the kernel's name of the connection: a descriptor's number is used again */
    uint64_t base;   /* bytes received when it was last known to owe us nothing */
    int64_t opened_ms;
    int64_t leave_ms; /* it is shut then; 0 = it may stay */
    bool open;
    bool heard; /* a whole message came since the last scan */
    bool known; /* no guest */
    enum guard_side side;
};

struct guard {
    TD_VEC(struct guard_conn) by_fd;
    uint32_t open, open_max;
    uint32_t guest_ms; /* how long one may be a guest; 0 = everybody may stay */
    uint64_t message_max, guest_max; /* bytes received without a whole message */
    uint32_t scans_left; /* until the next whole scan */
    uint64_t resident;   /* pages at the last look */
    int statm;           /* /proc/self/statm, or -1 */
    uint64_t cut;        /* connections ended by the guard */
};

#define GUARD_EVENTS (ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED)
#define GUARD_EVERY_MS 200

void guard_init(struct guard *g, uint32_t open_max, uint64_t message_max);
void guard_guests(struct guard *g, uint32_t guest_ms, uint64_t guest_max); /* whose key is not known is one */
void guard_release(struct guard *g);
void guard_watch(struct guard *g, void *monitor, enum guard_side side); /* takes what the monitor has to say */
void guard_heard(struct guard *g, int fd);                              /* a whole message came from this connection */
void guard_known(struct guard *g, int fd);
void guard_dismiss(struct guard *g, int fd); /* in a moment */
void guard_tick(struct guard *g); /* every GUARD_EVERY_MS, when all whole messages have been taken */

#endif
