/* job.h - a job as commands show it: the fields of squeue, the block of scontrol show job, its paths */
#ifndef TD_CLIENT_RENDER_JOB_H
#define TD_CLIENT_RENDER_JOB_H

#include "render/column.h"

struct job_row {
    const struct td_job_info *job;
    int64_t now_ms; /* journal time of the answer */
    bool expand;    /* codes in the names of its files are put in */
};
extern const struct field_table job_fields; /* rows are struct job_row */

#define SQUEUE_FORMAT "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
#define SQUEUE_FORMAT_LONG "%.18i %.9P %.8j %.8u %.8T %.10M %.9l %.6D %R"
#define SQUEUE_FORMAT_START "%.18i %.9P %.8j %.8u %.2t %.19S %.6D %20Y %R"
#define SQUEUE_SORT "P,t,-p"

/* scontrol show job: the block, or one line; ends with the empty line that separates blocks. */
void job_text(struct td_buf *out, const struct job_row *row, bool detail, bool oneline);

/* The record as one JSON object: states and reasons in Slurm's words. */
void job_json(struct td_buf *out, const struct td_job_info *j);

/* Pieces that both use */
void job_put_id(struct td_buf *out, const struct td_job_info *j);    /* 8_[0-9%2], 8_3, 12 */
void job_put_tasks(struct td_buf *out, const struct td_job_info *j); /* what stands behind the underscore, or N/A */
void job_put_reason(struct td_buf *out, const struct td_job_info *j, char blank); /* with the nodes it is about; blank: between */
void job_put_user(struct td_buf *out, const struct td_job_info *j);
void job_put_group(struct td_buf *out, const struct td_job_info *j);
void job_put_command(struct td_buf *out, const struct td_job_info *j);
/* What the start of a waiting job is: Plan (as planned now), Promise (by then), Likely, Bound (if all before it use up their
 * limits); N/A: none is known, or it does not wait. */
const char *job_start_kind(const struct td_job_info *j);
uint64_t job_elapsed_s(const struct job_row *row);
const struct td_job_need *job_need(const struct td_job_info *j); /* its first component; never NULL */
void job_put_tres(struct td_buf *out, const struct td_job_info *j);
void job_put_gres(struct td_buf *out, const struct td_gres_need_list *l, const char *none); /* gres:gpu:2 */
void job_put_min_memory(struct td_buf *out, const struct td_job_info *j);
void job_put_limit(struct td_buf *out, const struct td_job_info *j, bool clock);
/* Standard files: the pattern made absolute; expand puts in what is known of it, so that it is the file's name. */
enum job_file { JOB_STDIN, JOB_STDOUT, JOB_STDERR };
void job_put_file(struct td_buf *out, const struct td_job_info *j, enum job_file which, bool expand);

#endif
