/* environ.h - the environment a batch script starts with (pure)
 *
 * Submitted variables first, without those of the job that the submitter itself may have been in; then what Slurm
 * gives to a batch script. CUDA_VISIBLE_DEVICES holds the node's own indices (no device confinement yet); a job without
 * GPUs finds it unset on any node, as with Slurm, and NVIDIA_VISIBLE_DEVICES=void, so that a container started without
 * thinking gets no GPU of somebody else. */
#ifndef TD_ENVIRON_H
#define TD_ENVIRON_H

#include "types/types.h"

struct environ_facts {
    const struct td_award *award;
    const struct td_job_spec *spec;
    const struct td_inventory *inventory;
    const char *node, *cluster;
    const char *conf;       /* path for SLURM_CONF; empty = as submitted */
    const char *node_dir;   /* the worker's directory: with the attempt it names the job's processes for ever */
    const char *shell;      /* of the user, for jobs that exported nothing */
    int64_t start_ms;       /* wall clock */
};

/* Splits a blob of NUL-separated NAME=VALUE into pointers into it, leaving out stale job variables. */
void environ_split(struct td_bin blob, struct td_arena *a, struct td_strs *ret);
/* base: as environ_split left it, borrowed; the rest lives in the arena. */
void environ_make(const struct environ_facts *f, struct td_strs base, struct td_arena *a, struct td_strs *ret);

/* --- a step's tasks: what srun exported, with what this node knows --- */
struct environ_step_facts {
    const struct td_step_launch *launch;
    const struct td_inventory *inventory;
    const char *node, *cluster, *conf, *node_dir;
};
/* What all tasks here have in common. The submitted variables keep those of the job, which srun made or stood in. */
void environ_step(const struct environ_step_facts *f, struct td_bin submitted, struct td_arena *a, struct td_strs *ret);
/* What the local-th task here has of its own. */
void environ_task(const struct environ_step_facts *f, uint32_t local, struct td_arena *a, struct td_strs *ret);

#endif
