/* plan_book.h - the book of promises: when and where every waiting candidate will start, and by
 * when at the latest
 *
 * A booking is (candidate, start, nodes); all bookings together with the holdings fit into the
 * nodes, by time limits. So whoever is booked starts by then whatever runs out early. `by` is the
 * promise: the start of the first booking; a booking may move, but not beyond it, unless the world
 * breaks it (a node is lost, a limit raised): then the plan says so.
 *
 * The book lives from pass to pass with the ledger. A pass asks it before each start (book_room,
 * book_make_way): a start may use what no booking needs, or what the bookings can do without: then
 * they are placed anew, in the order of their promises, and each must keep its own (slack-based
 * backfill: Talby & Feitelson 1999; here with the whole slack). */
#ifndef TD_PLAN_BOOK_H
#define TD_PLAN_BOOK_H

#include "plan_priv.h"
#include "profile.h"

struct book;
struct book *book_new(void);
void book_destroy(struct book **p);
struct book *book_copy(const struct book *from);
bool book_is_used(const struct book *b); /* a pass has been kept in it */

/* What happened since the last pass is taken in, bookings move up where room came free, and the
 * candidates in ps->later get one where they have none, in rank order. */
void book_begin(struct pass *pass);
/* It gets a booking, if it has none; or a better one than another partition's candidate of the job
 * has. */
void book_now(struct pass *pass, const struct slot *c);
/* Instances that start in this pass. */
uint32_t book_started(const struct pass *pass, const struct slot *c);
/* Its own booking is off the book from here to book_settle. */
void book_lift(struct pass *pass, const struct slot *c);
/* *m becomes the least of itself and what [now, end) has on the node, bookings kept. */
void book_room(struct pass *pass, uint32_t node, int64_t end, struct amount *m);
/* Until when a part that fits there now goes on fitting, bookings kept. */
int64_t book_until(struct pass *pass, uint32_t node, const struct shape *s, uint32_t part);
/* Is it booked to start now? Its nodes are in ps->parts then. */
bool book_is_due(struct pass *pass, const struct slot *c);
/* May it start on ps->parts until `end`, if bookings are placed anew? They are, if so. Costs much,
 * so it is done a few times in a pass. */
bool book_make_way(struct pass *pass, const struct slot *c, int64_t end);
/* `count` instances start on the node. */
void book_start(struct pass *pass, const struct slot *c, uint32_t node, uint32_t part,
                uint32_t count, int64_t end);
/* The candidate was tried: what was lifted comes back unless it starts. */
void book_settle(struct pass *pass, const struct slot *c, bool starts);
/* Bookings that begin now and were not taken up, into ps->due. */
void book_list_due(struct pass *pass);
/* To the last moment its promise allows; false: that is now. */
bool book_put_off(struct pass *pass, const struct slot *c);
/* What is kept for a head: where it is booked. False: no node could ever serve it. */
bool book_keep(struct pass *pass, const struct slot *c);
/* Its booking becomes a promise of the plan's, for people to see. */
void book_promise(struct pass *pass, const struct slot *c);
/* When it is booked, TD_FOREVER: it is not. */
int64_t book_at(const struct pass *pass, const struct slot *c);
/* Another sheet, for likely starts: every node as plan_foretold has it, then what is put on it. Empty from book_guess_begin. */
void book_guess_begin(struct pass *pass);
/* Puts one instance where it fits first, to run as foretold; TD_FOREVER: nowhere. *cost grows by what that took, in steps. */
int64_t book_guess(struct pass *pass, const struct slot *c, int64_t *cost);
/* The same for one that is asked about, if it is this candidate that is booked. */
void book_answer(struct pass *pass, const struct slot *c);
/* Promises made and moved are written into the plan. */
void book_finish(struct pass *pass);

/* While the plan is settled. */
bool book_allows(const struct td_ledger *l, uint32_t node, uint32_t job, const struct amount *a,
                 int64_t until);
void book_taken(struct td_ledger *l, uint32_t node, const struct amount *a, int64_t until);
void book_given(struct td_ledger *l, uint32_t node, const struct amount *a, int64_t until);
void book_changed(struct td_ledger *l, uint32_t node); /* what is held there has other ends, or it is usable or not */
void book_forget_node(struct plan_state *s, uint32_t node);
/* When the next booking begins, TD_FOREVER if none. */
int64_t book_next(const struct plan_state *s);
void book_take_licences(struct td_ledger *l, struct profile *p); /* what those on it have of them */
/* Tests: holdings and bookings together stay within every node. */
bool book_check(struct td_ledger *l, int64_t now, struct td_error *err);

#endif
