/* cluster.h - the parts of a configuration that are lines: nodes, node sets, partitions, gres, switches */
#ifndef TD_CONF_CLUSTER_H
#define TD_CONF_CLUSTER_H

#include "conf/conf.h"
#include "conf/options.h"

struct node_entry {          /* one node by name */
    const char *name;
    uint32_t index;          /* of its NodeName line in `lines` */
    const char *file;        /* where it is */
    uint32_t line;
    const struct conf_values *down; /* its DownNodes line, NULL = none */
};
struct node_line {
    struct td_node_conf conf;
    uint32_t first, n; /* its nodes in `entries` */
};
struct node_set {
    const char *name, *nodes;
};
struct cluster {
    struct td_conf *conf;
    struct reading *rd;
    bool elastic;
    TD_VEC(struct node_line) lines;
    TD_VEC(struct node_entry *) entries;
    struct td_strmap by_name;
    TD_VEC(struct node_set) sets;
    TD_VEC(struct td_partition_conf) partitions;
    TD_VEC(struct td_conf_gres) gres;
    struct conf_values node_defaults, partition_defaults;
};
void cluster_init(struct cluster *c, struct td_conf *conf, struct reading *rd);
void cluster_release(struct cluster *c);

int nodes_line(struct cluster *c, const struct lex_line *line, struct td_error *err);     /* NodeName= */
int nodes_down(struct cluster *c, const struct lex_line *line, struct td_error *err);     /* DownNodes= */
int nodes_set(struct cluster *c, const struct lex_line *line, struct td_error *err);      /* NodeSet= */
void nodes_finish(struct cluster *c);                                                     /* -> conf->nodes */
/* Every name of a host list is a known node; elastic clusters know no such error. */
int nodes_check(struct cluster *c, const char *list, const char *what, const char *file, uint32_t line,
                struct td_error *err);

/* priority.c */
int weights_parse(struct reading *rd, const struct conf_value *v, const char *key, struct td_tres_weight_list *ret, struct td_error *err);
int priority_settings(struct reading *rd, const struct conf_values *v, struct td_settings *s, struct td_error *err);
int partitions_line(struct cluster *c, const struct lex_line *line, struct td_error *err); /* PartitionName= */
int partitions_finish(struct cluster *c, struct td_error *err);                            /* -> conf->partitions */

int gres_file(struct cluster *c, const struct lex *l, struct td_error *err);     /* gres.conf -> conf->gres */
/* Is this a Gres= text, and are its kinds in GresTypes? */
int gres_text_check(struct cluster *c, const struct conf_value *v, struct td_error *err);
int topology_file(struct cluster *c, const struct lex *l, struct td_error *err); /* topology.conf, checked only */

#endif
