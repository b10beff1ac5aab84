/* conf.h - slurm.conf, gres.conf, cgroup.conf, tender.conf: one table of options, parsed once, nothing swallowed
 *
 * Every key is a row of options.def: what it parses to, default, range, whether a reload may change it, help, and
 * what we do with it: HONOURED, NOTED (understood, has no effect here: said once by name), or REFUSED. An unknown key
 * is an error that names the nearest known one. A conf is built whole, validated, then used or thrown away. */
#ifndef TD_CONF_H
#define TD_CONF_H

#include "types/types.h"

struct td_conf_gres {      /* one line of gres.conf; name NULL = AutoDetect alone */
    const char *nodes;     /* host list, NULL = every node */
    const char *name, *type, *file, *cores, *links, *flags;
    uint64_t count;
    bool autodetect;       /* AutoDetect=nvml|rsmi|...: devices come from hwloc */
    const char *origin;    /* the file, as messages name it, and the line */
    uint32_t line;
};
struct td_conf {
    struct td_arena arena;               /* owns every string */
    const char *path;                    /* slurm.conf, NULL = none: all defaults */
    struct td_settings settings;         /* what the core decides by */
    struct td_node_conf_list nodes;
    struct td_partition_conf_list partitions;
    const struct td_conf_gres *gres;
    uint32_t ngres;
    struct td_kv_list all;               /* every option with its value, for show config; print order of scontrol; "" =
                                          * the broker's to fill in; a key ending in ':' is a heading */
    struct td_strs notes;                /* "slurm.conf line 12: FastSchedule has no effect: why" */
    /* shells */
    const char *state_dir, *spool_dir, *log_file, *control_host, *address, *ports, *front_address, *epilog, *prolog;
    const char *control_address;         /* by which others reach the broker; NULL: by control_host */
    const char *propagate_except, *propagate; /* lists of limits; at most one is set, neither = all limits */
    const char *tmp_fs;
    bool input_log, constrain_cores, constrain_ram, constrain_devices;
    bool task_affinity;                  /* TaskPlugin has affinity or cgroup */
    uint64_t low_space_mb;
    uint32_t snapshot_events, keep_events;
    uint64_t purge_jobs_h;               /* finished jobs older than these hours leave the history; 0 = never */
    const char *proctrack;
};
/* path NULL: no file, defaults. gres.conf, cgroup.conf and tender.conf are looked for beside slurm.conf. Errors: CONF
 * with "slurm.conf line 12: unknown key 'NodName' (did you mean NodeName?)". *ret is untouched on failure. An empty
 * allow_* of a partition means everybody. */
int td_conf_load(const char *path, struct td_conf **ret, struct td_error *err);
void td_conf_destroy(struct td_conf **p);
/* The NodeName line of a node (with names reduced to it) and its gres.conf lines, those of AutoDetect alone left out;
 * false if it has none. */
bool td_conf_node(const struct td_conf *c, const char *node, struct td_arena *a, struct td_node_conf *ret);
uint32_t td_conf_gres_of(const struct td_conf *c, const char *node, struct td_arena *a, const struct td_conf_gres **ret);
/* Where a command finds its cluster: $SLURM_CONF given, else the user's default cluster (HOME/.local/state/tender/default,
 * then RUNTIME_DIR/tender/default: a folder or a link to one, made by tender up), else /etc/slurm/slurm.conf. A default
 * that is neither the user's nor root's is refused. Environment and home come in as values. */
struct td_conf_place {
    char conf[4096];
    char socket[4096]; /* <state dir>/run/broker.sock */
    char front[4096];  /* <state dir>/run/front.sock: asked first */
};
int td_conf_find(const char *slurm_conf_env, const char *home, const char *runtime_dir, uint32_t uid,
                 struct td_conf_place *ret, struct td_error *err);

#endif
