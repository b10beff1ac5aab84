/* machine.h - the workers of a simulated cluster, as the core meets them: by messages
 *
 * run.c carries the messages and tells when the jobs end; a machine answers offers, takes awards and reports. Two kinds:
 * plain (one node of N processors that are all alike; counting is all there is to it) and agents (the workers' own
 * cores, with a topology each). Bodies put into an outbox live until the outbox is emptied. */
#ifndef TD_SIM_MACHINE_H
#define TD_SIM_MACHINE_H

#include "broker/core/core.h"

struct sim_message {
    const char *node;
    uint32_t id;
    const void *body;
};
struct sim_outbox {
    struct td_arena arena;
    TD_VEC(struct sim_message) v;
};
/* A copy of the body, in the outbox's arena. */
void sim_post(struct sim_outbox *o, const char *node, uint32_t id, const void *body);

struct sim_machine;
struct sim_machine_ops {
    void (*hello)(struct sim_machine *m, int64_t now_ms, struct sim_outbox *o);
    /* What the core sends to `node`, or publishes (node NULL) on `topic`. */
    void (*deliver)(struct sim_machine *m, int64_t now_ms, const struct td_effect *e, struct sim_outbox *o);
    /* The job's script ends: all its nodes report. Attempt as awarded. */
    void (*end)(struct sim_machine *m, int64_t now_ms, uint32_t job, struct sim_outbox *o);
    /* When somebody there wants to be woken, INT64_MAX = never; and that time has come. */
    int64_t (*deadline)(const struct sim_machine *m);
    void (*tick)(struct sim_machine *m, int64_t now_ms, struct sim_outbox *o);
    void (*destroy)(struct sim_machine *m);
};
struct sim_machine {
    const struct sim_machine_ops *ops;
};

/* One node of so many processors. */
struct sim_machine *sim_plain_new(uint32_t procs);

/* Nodes whose workers' cores bid. The inventories are copied. */
struct sim_node {
    const char *name;
    const struct td_inventory *inv;
};
struct sim_machine *sim_agents_new(const struct sim_node *nodes, uint32_t n);
/* Of a machine of sim_agents_new: nodes that the broker would not have, and its words to the first; "" for none. Borrowed. */
uint32_t sim_agents_turned_away(const struct sim_machine *m, const char **ret_words);

#endif
