/* note.c - an event as programs read it: one JSON object */
#include "watch.h"

#include <string.h>

static void put_time(struct td_buf *out, int64_t ms)
{
    td_time_print(ms, client_zone_s(ms), out);
}

static const void *field_of(const struct td_record *rec, const void *body, const char *name, enum td_type type)
{
    for (uint32_t i = 0; i < rec->n; i++)
        if (rec->fields[i].type == type && strcmp(rec->fields[i].name, name) == 0)
            return (const char *)body + rec->fields[i].offset;
    return NULL;
}

/* Of an audit event: who it was. Said for root, too, whose number is 0 and so is not among the event's fields. */
static void put_by(struct td_buf *out, uint32_t type, const struct td_record *rec, const void *body)
{
    const uint32_t *uid = field_of(rec, body, "uid", TD_T_U32);
    const bool *bus = field_of(rec, body, "bus", TD_T_BOOL);

    if (td_event_is_audit(type) && uid && !(bus && *bus))
        td_buf_putf(out, ",\"by\":%u", *uid);
}

int note_put_json(struct td_buf *out, const struct td_event_note *n, struct td_arena *a, struct td_error *err)
{
    const struct td_event_row *row = td_event_row(n->type);

    td_buf_putf(out, "{\"seq\":%llu,\"time\":\"", (unsigned long long)n->seq);
    put_time(out, n->time_ms);
    td_buf_putf(out, "\",\"time_ms\":%lld,\"type\":", (long long)n->time_ms);
    td_json_string(out, row ? row->name : "UNKNOWN");
    if (n->job) {
        td_buf_putf(out, ",\"job\":%u", n->job);
        if (n->array_job)
            td_buf_putf(out, ",\"array_job\":%u", n->array_job);
        if (n->array_job && n->array_task != TD_NO_TASK)
            td_buf_putf(out, ",\"array_task\":%u", n->array_task);
        td_buf_putf(out, ",\"uid\":%u,\"state\":", n->uid);
        td_json_string(out, td_job_state_word(n->state, n->outcome));
        td_buf_puts(out, ",\"reason\":");
        td_json_string(out, td_reason_word(n->reason));
    }
    if (row) {
        void *body = td_arena_alloc(a, row->record->size);
        if (td_wire_get_record(a, row->record, n->body.v, n->body.n, body, err) < 0)
            return -err->code;
        put_by(out, n->type, row->record, body);
        td_buf_puts(out, ",\"event\":");
        td_wire_json(out, row->record, body, TD_SEE_OWNER);
    }
    td_buf_putc(out, '}');
    return 0;
}
