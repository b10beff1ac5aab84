/* node.h - nodes and partitions as commands show them: states in Slurm's words, sinfo's fields and groups */
#ifndef TD_CLIENT_RENDER_NODE_H
#define TD_CLIENT_RENDER_NODE_H

#include "render/column.h"

/* A node's state as Slurm's users read it. */
enum node_base { NODE_UNKNOWN, NODE_DOWN, NODE_IDLE, NODE_ALLOCATED, NODE_MIXED };
struct node_look {
    enum node_base base;
    bool drain, completing, silent, reserved, maint;
};
struct node_look node_look(const struct td_node_info *n);
void node_put_state(struct td_buf *out, const struct td_node_info *n);         /* draining* */
void node_put_state_compact(struct td_buf *out, const struct td_node_info *n); /* drng* */
void node_put_state_flags(struct td_buf *out, const struct td_node_info *n);   /* MIXED+DRAIN, as scontrol has it */
const char *node_reason(const struct td_node_info *n);                         /* "" if none */
void node_put_user(struct td_buf *out, uint32_t uid);

/* A row of sinfo: nodes of one partition that print alike. */
struct node_group {
    const struct td_partition_info *part;
    TD_VEC(const struct td_node_info *) nodes;
    uint32_t order; /* of the partition in the configuration */
};
extern const struct field_table node_fields; /* rows are struct node_group */

struct node_filter {
    struct td_strs partitions, states;
    const char *nodes;                  /* host list */
    bool all, dead, responding, with_reason;
};
struct node_groups {
    TD_VEC(struct node_group *) rows; /* owned */
};
/* A state word of -t. Error: INVALID_STATE naming it and the valid ones. */
int node_state_check(const char *word, struct td_error *err);
/* Groups by what the format prints; by_node: each node by itself. */
void node_group(const struct td_partition_info_list *parts, const struct td_node_info *nodes, uint32_t n,
                const struct node_filter *filter, const struct format *format, bool exact, bool by_node,
                struct node_groups *ret);
void node_groups_release(struct node_groups *g);

#define SINFO_FORMAT "%#P %.5a %.10l %.6D %.6t %N"
#define SINFO_FORMAT_SUMMARY "%#P %.5a %.10l %.16F %N"
#define SINFO_FORMAT_LONG "%#P %.5a %.10l %.10s %.4r %.8h %.10g %.6D %.11T %N"
#define SINFO_FORMAT_NODE "%#N %.6D %.#P %6t"
#define SINFO_FORMAT_NODE_LONG "%#N %.6D %.#P %.11T %4c %.8z %.6m %.8d %.6w %.8f %20E"
#define SINFO_FORMAT_REASONS "%20E %9u %19H %N"
#define SINFO_FORMAT_REASONS_LONG "%20E %12U %19H %6t %N"

/* The record as one JSON object: the state in scontrol's words. */
void node_json(struct td_buf *out, const struct td_node_info *n);

/* scontrol's blocks */
void node_text(struct td_buf *out, const struct td_node_info *n, bool detail, bool oneliner);
void partition_text(struct td_buf *out, const struct td_partition_info *p, const struct td_node_info *nodes, uint32_t n,
                    bool oneliner);
void partition_put_limit(struct td_buf *out, uint32_t s, const char *none);

#endif
