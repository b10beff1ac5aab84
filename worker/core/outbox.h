/* outbox.h - reports that are not known to be durable at the broker (inside worker/core)
 *
 * By number, each once. What is in it is sent when it comes in, again after a growing silence, and again after every
 * registration, until the broker has acknowledged it. */
#ifndef TD_OUTBOX_H
#define TD_OUTBOX_H

#include "types/types.h"

struct td_outbox_entry {
    struct td_report report; /* its text is owned */
    int64_t came_ms;
    bool fresh;              /* never sent */
};
struct td_outbox {
    TD_VEC(struct td_outbox_entry) v; /* by number, ascending */
    uint64_t acked;                   /* durable up to here */
    uint64_t highest;                 /* highest number ever put in */
    uint32_t fresh;
    int64_t resend_ms;
    uint32_t wait_ms;
};

bool td_outbox_put(struct td_outbox *o, const struct td_report *r, int64_t now_ms); /* false: it is there, or acknowledged */
/* Up to a number; one never seen is somebody else's and acknowledges nothing. Returns whether anything moved. */
bool td_outbox_ack(struct td_outbox *o, uint64_t upto, int64_t now_ms);
uint64_t td_outbox_base(const struct td_outbox *o); /* lowest number kept, or the next one */
void td_outbox_clear(struct td_outbox *o, bool renumbered); /* another life of the shepherd: its statuses come again */
/* The reports to send now, with their age, in the arena: fresh ones, or all. They count as sent, and the next
 * repetition is set. */
struct td_report_list td_outbox_take(struct td_outbox *o, bool all, int64_t now_ms, struct td_arena *a);
void td_outbox_release(struct td_outbox *o);

#endif
