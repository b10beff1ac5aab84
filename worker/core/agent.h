/* agent.h - a worker's mind: registers, bids, takes awards, reports until acknowledged (pure)
 *
 * Shell or simulator: feed it messages and time, carry out its effects in order. Unlike the broker it has no journal:
 * what must survive is in the shepherd (ledger and spool), which it asks again after a restart. Its reports are the
 * shepherd's statuses plus its own DECLINED and SIGNALLED/ADJUSTED answers; it keeps resending what is not
 * acknowledged. A report's number comes from the shepherd's spool for ACCEPTED, EXITED, GONE; DECLINED carries 0 and
 * is sent again only when the award is. */
#ifndef TD_AGENT_H
#define TD_AGENT_H

#include "worker/core/bid.h"

struct td_agent;

struct td_agent_conf {
    const char *node;           /* name */
    const char *boot_id;
    const char *instance;       /* random for this process */
    uint64_t seed;              /* jitter */
};
enum td_agent_input_kind {
    TD_AGENT_BUS,        /* a message of the broker (id, body); published: came by the offer socket */
    TD_AGENT_SHEPHERD,   /* a message of the shepherd (SH_STATE, SH_STATUS) */
    TD_AGENT_SHEPHERD_UP, TD_AGENT_SHEPHERD_LOST,
    TD_AGENT_LINK_UP,    /* the connection to the broker was lost and stands again: perhaps another reign, and what was said
                          * last may be lost */
    TD_AGENT_LINK_NEW,   /* likewise, and over other sockets, which have subscribed to nothing yet */
    TD_AGENT_LAUNCHES,   /* body: why nothing can be launched here for now (const char *); NULL = it can */
    TD_AGENT_TICK,       /* time passed */
    TD_AGENT_DRAIN,      /* SIGTERM: drain; leave when nothing runs */
    TD_AGENT_BLOBS_READY, /* every blob the last `want` asked for is there */
    TD_AGENT_INVENTORY,  /* body: td_inventory */
};
struct td_agent_input {
    enum td_agent_input_kind kind;
    uint32_t id;
    const void *body;
    bool published;
};
enum td_agent_effect_kind {
    TD_AGENT_SEND,       /* message `id` to the broker */
    TD_AGENT_SUBSCRIBE, TD_AGENT_UNSUBSCRIBE, /* topic */
    TD_AGENT_TO_SHEPHERD, /* message `id`; SH_LAUNCH carries award and spec only: the shell adds script, env, paths, binding */
    TD_AGENT_LEAVE,      /* drained and empty, or deleted: the process may end */
    TD_AGENT_LOG,        /* body: const char * */
    TD_AGENT_RECONNECT,  /* the broker has been silent too long: reconnect (jitter already waited) */
    TD_AGENT_EXIT,       /* refused for good: body is the sentence (const char *) */
};
struct td_agent_effect {
    enum td_agent_effect_kind kind;
    uint32_t id;
    const void *body;
    const char *topic;
};
struct td_agent *td_agent_new(const struct td_agent_conf *conf, const struct td_inventory *inv);
void td_agent_destroy(struct td_agent **p);
/* Effects live until the next call. */
void td_agent_step(struct td_agent *g, int64_t now_ms, const struct td_agent_input *in);
const struct td_agent_effect *td_agent_effects(const struct td_agent *g, uint32_t *ret_n);
int64_t td_agent_deadline(const struct td_agent *g);
const struct td_node *td_agent_node(const struct td_agent *g);
bool td_agent_registered(const struct td_agent *g);
const struct td_welcome *td_agent_welcome(const struct td_agent *g); /* last WELCOME, NULL before; the shell needs conf_dir, cluster, kill_wait_s */

#endif
