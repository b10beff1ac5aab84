/* sample.h - a queue and a cluster to render: the guide's two GPU nodes, four jobs running, five waiting
 *
 * The same nine jobs were submitted to Slurm 22.05 on two such nodes; the golden files of tests/compat say what its
 * commands showed. Times are UTC; `now` is 2026-11-22T22:41:55. */
#ifndef TD_CLIENT_SAMPLE_H
#define TD_CLIENT_SAMPLE_H

#include "render/job.h"
#include "render/node.h"

#define SAMPLE_NOW_MS 1795387315000
#define SAMPLE_JOBS 9

extern const struct td_job_info sample_jobs[SAMPLE_JOBS]; /* by job id */
void sample_rows(struct job_row rows[SAMPLE_JOBS], const void *refs[SAMPLE_JOBS]); /* in the default order */
const struct td_job_info *sample_job(uint32_t id);

extern const struct td_node_info sample_nodes[2];
extern const struct td_partition_info_list sample_partitions;

/* A format over rows, heading first. In `out`. */
void sample_render(const struct field_table *t, const char *format, bool names, const void *const *rows, uint32_t n,
                   struct td_buf *out);

#endif
