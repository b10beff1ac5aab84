/* profile.h - what is free on one node from now on, as steps of time; for the planner
 *
 * at[0] is now; amounts[i] is free in [at[i], at[i + 1]), the last for ever. Built from holdings
 * that end, and from what is booked. All amounts of one profile have the node's number of stocks,
 * and no more are stored. */
#ifndef TD_PROFILE_H
#define TD_PROFILE_H

#include "ledger_priv.h"

static inline struct amount *profile_amount(const struct profile *p, uint32_t i)
{
    return (struct amount *)(void *)(p->amounts + (size_t)i * p->stride);
}

/* One step, from `now` on. */
void profile_start(struct profile *p, const struct amount *free, uint32_t nstocks, int64_t now);
/* More is free from `at` on, which is not before any step there is. */
struct amount *profile_append(struct profile *p, int64_t at);
void profile_copy(struct profile *to, const struct profile *from);
void profile_release(struct profile *p);
/* [at, end) is taken or given back: amounts must cover what is taken. */
void profile_take(struct profile *p, const struct amount *a, uint32_t nstocks, int64_t at,
                  int64_t end);
/* What is not there cannot be taken: no less than nothing is left, and false said. */
bool profile_take_floor(struct profile *p, const struct amount *a, uint32_t nstocks, int64_t at, int64_t end);
/* Steps that are over are dropped. */
void profile_advance(struct profile *p, int64_t now);
void profile_give(struct profile *p, const struct amount *a, uint32_t nstocks, int64_t at,
                  int64_t end);
/* *m becomes the least of itself and what is free in [at, end). */
void profile_room(const struct profile *p, uint32_t nstocks, int64_t at, int64_t end,
                  struct amount *m);
/* First moment from `from` on, before `bound`, at which such a part of the shape fits for so long;
 * TD_FOREVER: none. */
int64_t profile_earliest(const struct profile *p, const struct shape *s, const struct node *n,
                         uint32_t part, uint32_t limit_s, int64_t from, int64_t bound);
/* The last moment in [from, by] at which it does; -1: none. */
int64_t profile_latest(const struct profile *p, const struct shape *s, const struct node *n,
                       uint32_t part, uint32_t limit_s, int64_t from, int64_t by);
/* Until when such a part that fits from `at` on goes on fitting; `at` if it does not. */
int64_t profile_until(const struct profile *p, const struct shape *s, const struct node *n,
                      uint32_t part, int64_t at);
/* First step behind `at`; TD_FOREVER: none. */
int64_t profile_next(const struct profile *p, int64_t at);

#endif
