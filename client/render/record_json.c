/* record_json.c - jobs and nodes whole, as JSON for programs: what is a number on the wire and a word to people is the word
 *
 * Records leave out what is zero (wire/json.c); a state, a reason and the index of an array's task are always said. */
#include "render/job.h"
#include "render/node.h"
#include "wire/wire.h"

/* The record without its closing brace, and a comma where something stands in it. */
static void open_record(struct td_buf *out, const struct td_record *rec, const void *body)
{
    td_wire_json(out, rec, body, TD_SEE_OWNER);
    out->len--;
    if (out->data[out->len - 1] != '{')
        td_buf_putc(out, ',');
}

void job_json(struct td_buf *out, const struct td_job_info *j)
{
    struct td_job_info rest = *j;

    rest.state = rest.outcome = rest.reason = rest.array_task = 0;
    open_record(out, &td_rec_job_info, &rest);
    td_buf_puts(out, "\"state\":");
    td_json_string(out, td_job_state_word(j->state, j->outcome));
    td_buf_puts(out, ",\"reason\":");
    td_json_string(out, td_reason_word(j->reason));
    if (j->array_job && j->array_task != TD_NO_TASK)
        td_buf_putf(out, ",\"array_task\":%u", j->array_task);
    td_buf_putc(out, '}');
}

void node_json(struct td_buf *out, const struct td_node_info *n)
{
    struct td_node_info rest = *n;
    struct td_buf state = {0};

    rest.state = 0;
    node_put_state_flags(&state, n);
    open_record(out, &td_rec_node_info, &rest);
    td_buf_puts(out, "\"state\":");
    td_json_string(out, td_buf_str(&state));
    td_buf_putc(out, '}');
    td_buf_release(&state);
}
