/* relay.c - what only the broker can answer: passed on with the user the kernel told, its answers passed back
 *
 * An answer that speaks of an event the replica has not applied waits for it, so that a user's next read sees his own
 * write. The front holds no writes: what the broker cannot be told is refused at once, and what it was told when it went
 * away is answered with just that. */
#include "broker/front/front.h"

#define RELAYS_MAX 65536u
#define LATE_MAX 65536u

static void refuse_away(struct front *f, uint64_t client, uint64_t request, bool sent)
{
    struct td_error err = {0};
    uint32_t ms = front_stale_ms(f);
    td_fail(&err, TD_E_UNREACHABLE, "%s: the broker has not been heard for %u s; %s (try \"tender doctor\")",
            td_error_words(TD_E_UNREACHABLE), ms / 1000 + (ms % 1000 != 0),
            sent ? "whether it took this request is not known: look before you repeat it" : "nothing was changed");
    shell_refuse(f->s, client, request, &err);
}

void front_relay(struct front *f, const struct shell_from *from, uint32_t id, uint64_t request, const uint8_t *body, size_t len)
{
    const struct td_relay m = {.uid = from->uid, .gid = from->gid, .id = id, .body = {body, (uint32_t)len}};
    struct td_error busy = {.code = TD_E_BUSY, .text = "too many requests wait for the broker's answer (RELAYS), try again"};
    if (f->relays.n >= RELAYS_MAX) {
        shell_refuse(f->s, from->peer, request, &busy);
        return;
    }
    uint64_t no = ++f->next_relay;
    int r = front_uplink_send(f, TD_MSG_RELAY, no, &m);
    if (r == -TD_E_BUSY || r == -TD_E_TOO_BIG) {
        busy.code = -r;
        if (r == -TD_E_TOO_BIG)
            td_format(busy.text, sizeof(busy.text), "the request is over the limit of one frame (FRAME_BYTES)");
        shell_refuse(f->s, from->peer, request, &busy);
    } else if (r < 0) {
        refuse_away(f, from->peer, request, false);
    } else {
        struct front_relay *relay = td_alloc(sizeof(*relay));
        *relay = (struct front_relay){.client = from->peer, .request = request};
        td_map_put(&f->relays, no, relay);
        if (id == TD_MSG_STEP_CREATE)
            td_vec_push(&f->patient, no);
    }
}

/* Answered ones leave the list as they are met. What the broker cannot be told now is nobody's (client 0), and said again
 * when the next client goes. */
void front_peer_gone(struct shell *s, uint64_t handle)
{
    struct front *f = front_of(s);
    uint32_t k = 0;
    for (uint32_t i = 0; i < f->patient.n; i++) {
        struct front_relay *relay = td_map_get(&f->relays, f->patient.v[i]);
        const struct td_relay_gone m = {.request = f->patient.v[i]};
        if (!relay)
            continue;
        relay->client = relay->client == handle ? 0 : relay->client;
        if (relay->client || front_uplink_send(f, TD_MSG_RELAY_GONE, 0, &m) == -TD_E_BUSY)
            f->patient.v[k++] = f->patient.v[i];
    }
    f->patient.n = k;
}

/* Answers of several frames say that more follow; the journal number an answer speaks of. */
static void look_into(struct front *f, uint32_t id, const uint8_t *body, size_t len, bool *ret_more, uint64_t *ret_seq)
{
    struct td_error ignored;
    const struct td_record *rec = td_msg_row(id)->record;
    void *m = td_arena_alloc(&f->s->arena, rec->size);
    *ret_more = false;
    *ret_seq = 0;
    if (td_wire_get_record(&f->s->arena, rec, body, len, m, &ignored) < 0)
        return; /* whoever asked will say so */
    switch (id) {
    case TD_MSG_JOBS:
        *ret_more = ((const struct td_jobs *)m)->more;
        return;
    case TD_MSG_NODES:
        *ret_more = ((const struct td_nodes *)m)->more;
        return;
    case TD_MSG_PARTITIONS:
        *ret_more = ((const struct td_partitions *)m)->more;
        return;
    case TD_MSG_STEPS:
        *ret_more = ((const struct td_steps *)m)->more;
        return;
    case TD_MSG_SUBMITTED:
        *ret_seq = ((const struct td_submitted *)m)->seq;
        return;
    case TD_MSG_DONE:
        *ret_seq = ((const struct td_done *)m)->seq;
        return;
    case TD_MSG_STEP_CREATED:
        *ret_seq = ((const struct td_step_created *)m)->seq;
        return;
    case TD_MSG_ACCOUNTS_CHANGED:
        *ret_seq = ((const struct td_accounts_changed *)m)->seq;
        return;
    default:
        return;
    }
}

static bool is_looked_into(uint32_t id)
{
    return id == TD_MSG_JOBS || id == TD_MSG_NODES || id == TD_MSG_PARTITIONS || id == TD_MSG_STEPS || id == TD_MSG_SUBMITTED || id == TD_MSG_DONE ||
           id == TD_MSG_STEP_CREATED || id == TD_MSG_ACCOUNTS_CHANGED;
}

void front_answer_take(struct front *f, uint32_t id, uint64_t request, const uint8_t *body, size_t len)
{
    struct front_relay *relay = td_map_get(&f->relays, request);
    bool more = id == TD_MSG_STEP_WAITS;
    uint64_t seq = 0;
    if (!relay || !td_msg_row(id)) {
        if (id == TD_MSG_ERROR && request == 0) /* of FOLLOW; others are late, their users are gone */
            front_uplink_close(f, "the broker refuses this front (its log says why)");
        return;
    }
    if (is_looked_into(id))
        look_into(f, id, body, len, &more, &seq);
    struct td_buf frame = {0};
    td_wire_put_frame_of(&frame, id, relay->request, body, len);
    if (f->ready && seq > td_core_seq(f->s->core) && f->late.n < LATE_MAX) {
        const struct front_late late = {.client = relay->client, .seq = seq, .frame = frame};
        td_vec_push(&f->late, late);
    } else {
        shell_local_send_frame(f->s, relay->client, frame.data, frame.len); /* gone: nobody to tell */
        td_buf_release(&frame);
    }
    if (!more)
        td_free(td_map_del(&f->relays, request));
}

void front_late_send(struct front *f)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < f->late.n; i++) {
        struct front_late *l = &f->late.v[i];
        if (l->seq > td_core_seq(f->s->core) && f->link == LINK_UP) {
            f->late.v[k++] = *l;
            continue;
        }
        shell_local_send_frame(f->s, l->client, l->frame.data, l->frame.len);
        td_buf_release(&l->frame);
    }
    f->late.n = k;
}

/* While the broker is away nobody is told: they are counted here. */
void front_denied_tell(struct front *f)
{
    for (uint32_t i = 0; i < f->s->denied.n; i++) {
        const struct shell_denied *d = &f->s->denied.v[i];
        const struct td_denied_here m = {.uid = d->uid, .id = d->id, .text = d->text, .bus = d->bus};
        if (front_uplink_send(f, TD_MSG_DENIED_HERE, 0, &m) < 0)
            td_core_counters(f->s->core)->denied++;
    }
    f->s->denied.n = 0;
}

/* By number: the map has no order of its own. */
static void relays_end(struct front *f, bool tell)
{
    for (uint64_t no = f->next_relay; f->relays.n; no--) {
        struct front_relay *relay = td_map_del(&f->relays, no);
        if (relay && tell)
            refuse_away(f, relay->client, relay->request, true);
        td_free(relay);
    }
}

void front_relays_refuse(struct front *f)
{
    relays_end(f, true);
    front_late_send(f);
}

void front_relay_release(struct front *f)
{
    relays_end(f, false);
    for (uint32_t i = 0; i < f->late.n; i++)
        td_buf_release(&f->late.v[i].frame);
    td_vec_release(&f->late);
    td_vec_release(&f->patient);
    td_map_release(&f->relays);
}
