/* explain.h - why a job is as it is, in sentences with numbers; and the same facts as JSON */
#ifndef TD_CLIENT_RENDER_EXPLAIN_H
#define TD_CLIENT_RENDER_EXPLAIN_H

#include "types/types.h"

struct explain_row {
    const struct td_explain_info *info;
    int64_t now_ms; /* journal time of the answer */
    int fd;         /* where it will be read: colours on a terminal; -1: none */
};
void explain_text(struct td_buf *out, const struct explain_row *row);
void explain_json(struct td_buf *out, const struct td_explain_info *info);
/* Forms of a request with their starts, as sbatch --quote shows them. */
void quote_text(struct td_buf *out, const struct td_quote_form_list *forms, int64_t now_ms, int fd);
void quote_json(struct td_buf *out, const struct td_quote_form_list *forms);

/* Pieces: "3 jobs"; "2026-11-28T12:30:00 (in 10:00)", or "now"; the same behind "at ". */
void explain_count(struct td_buf *out, uint64_t n, const char *one, const char *many);
void explain_moment(struct td_buf *out, int64_t at_ms, int64_t now_ms);
void explain_at(struct td_buf *out, int64_t at_ms, int64_t now_ms);
void explain_put_id(struct td_buf *out, uint32_t job, uint32_t array_job, uint32_t task); /* 12, 8_3, 8_* */
/* explain_waits.c, explain_when.c: of a job that waits */
void explain_waits(struct td_buf *out, const struct explain_row *row);
void explain_nodes(struct td_buf *out, const struct explain_row *row);
void explain_when(struct td_buf *out, const struct explain_row *row);

#endif
