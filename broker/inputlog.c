/* inputlog.c - everything that went into a wake, so that the same decisions can be made again (law 9)
 *
 * Off unless InputLog= is set. A wake is kept even if it made no events: time and bids count too; such wakes wait, encoded,
 * for the next commit. The first wake of a reign holds the core's seed. */
#include "broker/shell.h"

static const struct td_record *record_of(const struct td_input *in)
{
    if (in->kind == TD_IN_REQUEST || in->kind == TD_IN_WORKER)
        return td_msg_row(in->id)->record;
    return in->body ? td_event_row(in->id)->record : NULL;
}

void shell_inputlog_add(struct shell *s, const struct td_input *in)
{
    if (!s->conf->input_log)
        return;
    struct td_wake_input w = {
        .kind = in->kind,
        .peer = in->peer,
        .request = in->request,
        .uid = in->uid,
        .gid = in->gid,
        .node = in->node ? td_arena_strdup(&s->arena, in->node) : NULL,
        .id = in->id,
        .on = in->on,
    };
    const struct td_record *rec = record_of(in);
    if (rec) {
        td_buf_reset(&s->frame);
        td_wire_put_record(&s->frame, rec, in->body);
        w.body = (struct td_bin){td_arena_dup(&s->arena, s->frame.data, s->frame.len), (uint32_t)s->frame.len};
    }
    td_vec_push(&s->inputs, w);
}

/* `seq`: last event before the wake. */
void shell_inputlog_close(struct shell *s, int64_t now_ms, uint64_t seq)
{
    if (!s->conf->input_log)
        return;
    const struct td_wake wake = {
        .now_ms = now_ms,
        .seq = seq,
        .seed = s->seed_logged ? 0 : s->seed,
        .inputs = {s->inputs.v, s->inputs.n},
    };
    size_t from = s->wakes_kept.len;
    td_wire_put_record(&s->wakes_kept, &td_rec_wake, &wake);
    /* data is filled in when it is committed: the buffer may still move */
    const struct td_stored_input at = {.now_ms = now_ms, .len = (uint32_t)(s->wakes_kept.len - from)};
    td_vec_push(&s->wakes_at, at);
    s->seed_logged = true;
    s->inputs.n = 0;
}

void shell_inputlog_committed(struct shell *s)
{
    td_buf_reset(&s->wakes_kept);
    s->wakes_at.n = 0;
}

/* The core they went into is gone. */
void shell_inputlog_drop(struct shell *s)
{
    shell_inputlog_committed(s);
    s->inputs.n = 0;
    s->seed_logged = false;
}
