/* carry.h - streams of bytes over one connection of the bus, each with a credit of its own
 *
 * The two ends of a session, a front's TCP door and tender remote, hold one td_carry each and say
 * CARRY_ messages to the other. A stream is a number and a descriptor; what one end reads the other
 * writes. No more than CARRY_WINDOW_BYTES of a stream are under way each way, so who does not read
 * stops his own stream alone, and neither end keeps more. */
#ifndef TD_CARRY_H
#define TD_CARRY_H

#include "wire/wire.h"

struct td_carry_stream;
/* 0, -BUSY (no room just now: tried again by td_carry_again), <0 gone. */
typedef int td_carry_send(void *ctx, uint32_t id, const void *body);

struct td_carry {
    int epoll_fd; /* borrowed; a stream's events come with data.u64 = tag | its number */
    uint64_t tag; /* its lower 32 bits are 0 */
    td_carry_send *send;
    void *ctx;
    struct td_map by_no;
    TD_VEC(struct td_carry_stream *) all;
    bool full; /* the link had no room: nothing is read until td_carry_again */
};
/* Takes the descriptor, a non-blocking stream socket; -BUSY when there are CARRY_STREAMS,
 * -INVALID_REQUEST when the number is in use: then the caller still has it. */
int td_carry_add(struct td_carry *c, uint32_t no, int fd);
void td_carry_ready(struct td_carry *c, uint32_t no,
                    uint32_t events); /* what epoll said of a stream */
/* DATA, TAKEN or CLOSE of the other end; those of streams that are over are passed over. <0:
 * against the rules, in words. */
int td_carry_take(struct td_carry *c, uint32_t id, const void *body, struct td_error *err);
void td_carry_again(struct td_carry *c);   /* a moment later: what the link had no room for */
void td_carry_release(struct td_carry *c); /* closes every stream here; the other end is not told */

#endif
