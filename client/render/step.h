/* step.h - a step as commands show it: the fields of squeue -s, the block of scontrol show step */
#ifndef TD_CLIENT_RENDER_STEP_H
#define TD_CLIENT_RENDER_STEP_H

#include "render/column.h"

struct step_row {
    const struct td_step_info *step;
    int64_t now_ms; /* journal time of the answer */
};
extern const struct field_table step_fields; /* rows are struct step_row */

#define SQUEUE_FORMAT_STEPS "%.15i %.8j %.9P %.8u %.9M %N"

void step_put_id(struct td_buf *out, const struct td_step_info *s); /* 12.0, 12.batch, 12_3.0 */
/* scontrol show step: the block, or one line; ends with the empty line that separates blocks. */
void step_text(struct td_buf *out, const struct td_step_info *s, bool oneline);

#endif
