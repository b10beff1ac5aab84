/* follow.c - fronts: what is committed goes to each of them, in order, as fast as it takes it
 *
 * Owns the followers. One that is at the journal's end is sent each commit as it was encoded for the journal, before the
 * replies of the same wake, so that a front whose user is answered has applied what the answer speaks of. One that is
 * behind is fed from the journal. Either way no more than FOLLOW_WINDOW_BYTES are under way to it: a front that stops
 * holds nobody else up, and costs no memory but that. A front without a replica is given a snapshot of the journal
 * first, and the events behind it: it recovers as the broker does.
 *
 * When waiting jobs are thought to start is not in the journal: those forecasts that changed go beside the events. */
#include "broker/shell.h"

#include <string.h>

#define BATCH_BYTES (512u * 1024)
#define PIECES_BYTES (512u * 1024)
#define BEAT_US 1000000
#define SILENT_US 15000000 /* of a front on another host, which says once a second what it took: its connection is dead */
#define DIGEST_SHARE 200 /* telling the digest may cost one part in so many of the time */

/* --- sending --------------------------------------------------------------------------------------------------------- */

static bool has_room(const struct shell_follower *f)
{
    return f->bytes_sent - f->bytes_taken < TD_MAX_FOLLOW_WINDOW_BYTES;
}

static bool at_end(const struct shell *s, const struct shell_follower *f)
{
    return !f->wants && f->picture_at == f->picture.len && f->sent == td_core_seq(s->core);
}

static void send_frame(struct shell *s, struct shell_follower *f, const uint8_t *frame, size_t len)
{
    if (shell_frame_send(s, f->peer, frame, len) < 0)
        f->lost = true;
    f->bytes_sent += len;
}

static void send_message(struct shell *s, struct shell_follower *f, const struct td_committed *m)
{
    td_buf_reset(&s->frame);
    td_wire_put_frame(&s->frame, TD_MSG_COMMITTED, 0, m);
    send_frame(s, f, s->frame.data, s->frame.len);
}

static struct td_committed message(const struct shell *s)
{
    return (struct td_committed){
        .epoch = td_core_epoch(s->core), .last = td_core_seq(s->core), .now_ms = s->clock.now_us / 1000};
}

/* --- forecasts --------------------------------------------------------------------------------------------------------- */

static void note_forecast(void *ctx, uint32_t job, int64_t start_ms)
{
    struct shell_forecasts *f = ctx;
    const struct td_forecast one = {.job = job, .start_ms = start_ms};
    uint32_t at = f->n;
    while (at > 0 && f->v[at - 1].job > job)
        at--;
    if (at > 0 && f->v[at - 1].job == job)
        return;
    td_vec_push(f, one);
    memmove(&f->v[at + 1], &f->v[at], (f->n - 1 - at) * sizeof(one));
    f->v[at] = one;
}

/* What changed since it was last told, by job; remembers the new ones. In the wake's arena. */
static struct td_forecast_list forecasts_changed(struct shell *s)
{
    struct shell_forecasts *was = &s->forecasts, *is = &s->forecasts_next;
    is->n = 0;
    td_core_forecasts(s->core, note_forecast, is);
    struct td_forecast *out = td_arena_alloc(&s->arena, (was->n + is->n + 1) * sizeof(*out));
    uint32_t n = 0;
    for (uint32_t a = 0, b = 0; a < was->n || b < is->n;) {
        if (b == is->n || (a < was->n && was->v[a].job < is->v[b].job)) {
            out[n++] = (struct td_forecast){.job = was->v[a++].job};
        } else if (a == was->n || is->v[b].job < was->v[a].job) {
            out[n++] = is->v[b++];
        } else {
            if (was->v[a].start_ms != is->v[b].start_ms)
                out[n++] = is->v[b];
            a++, b++;
        }
    }
    const struct shell_forecasts swap = *was;
    *was = *is;
    *is = swap;
    return (struct td_forecast_list){out, n};
}

/* All there are, in as many frames as they need; the first voids what the follower believed. */
static void forecasts_tell_all(struct shell *s, struct shell_follower *f)
{
    uint32_t at = 0;
    do {
        struct td_committed m = message(s);
        m.forecasts_all = at == 0;
        m.forecasts = (struct td_forecast_list){&s->forecasts.v[at], TD_MIN(s->forecasts.n - at, (uint32_t)TD_MAX_ROWS_PER_ANSWER)};
        send_message(s, f, &m);
        at += m.forecasts.n;
    } while (at < s->forecasts.n);
}

/* --- the picture: a snapshot of the journal ----------------------------------------------------------------------------- */

/* One that lies well back, so that the front comes to know what happened before it, and its watchers lose nothing by its
 * death; the events behind it follow from the journal. */
struct choice {
    uint64_t newest_wanted, seq, digest;
    int64_t time_ms;
    bool found;
};

static bool choose(void *ctx, uint64_t seq, int64_t time_ms, uint64_t digest)
{
    struct choice *c = ctx;
    if (c->found && seq > c->newest_wanted)
        return false;
    *c = (struct choice){c->newest_wanted, seq, digest, time_ms, true};
    return true;
}

static bool is_first(void *ctx, const struct td_stored_event *st)
{
    *(bool *)ctx = st->seq == 1;
    return false;
}

/* Pieces gathered to frames in the follower's buffer: four bytes of length in front of each. */
struct picture {
    struct shell *s;
    struct shell_follower *f;
    struct choice from;
    struct td_arena arena; /* of the pieces of one frame */
    TD_VEC(struct td_snap_piece) pieces;
    bool other_digest; /* made by a version whose digests are not ours */
};

static void picture_flush(struct picture *p, bool more)
{
    struct shell *s = p->s;
    const struct td_snapshot m = {
        .seq = p->from.seq,
        .time_ms = p->from.time_ms,
        .digest = more || p->other_digest ? 0 : p->from.digest,
        .more = more,
        .pieces = {p->pieces.v, p->pieces.n},
    };
    td_buf_reset(&s->frame);
    td_wire_put_frame(&s->frame, TD_MSG_SNAPSHOT, 0, &m);
    uint32_t len = (uint32_t)s->frame.len;
    td_buf_put(&p->f->picture, &len, sizeof(len));
    td_buf_put(&p->f->picture, s->frame.data, len);
    p->pieces.n = 0;
    td_arena_reset(&p->arena);
}

static void look_at_head(struct picture *p, const uint8_t *data, uint32_t len)
{
    struct td_snap_head head;
    struct td_error ignored;
    int r = td_wire_get_record(&p->arena, &td_rec_snap_head, data, len, &head, &ignored);
    p->other_digest = r < 0 || head.digest != TD_CORE_DIGEST;
}

static bool picture_piece(void *ctx, uint32_t kind, const uint8_t *data, uint32_t len)
{
    struct picture *p = ctx;
    if (kind == TD_SNAP_HEAD)
        look_at_head(p, data, len);
    const struct td_snap_piece piece = {.kind = kind, .body = {td_arena_dup(&p->arena, data, len), len}};
    td_vec_push(&p->pieces, piece);
    if (p->pieces.n == TD_MAX_ROWS_PER_ANSWER || p->arena.used_total > PIECES_BYTES)
        picture_flush(p, true);
    return true;
}

/* Where all events are kept from the first one on, the state before it, which is empty, is as good as a snapshot. */
static int picture_take(struct shell *s, struct shell_follower *f, struct td_error *err)
{
    uint64_t seq = td_core_seq(s->core);
    struct picture p = {.s = s, .f = f, .from.newest_wanted = seq > TD_MAX_FOLLOW_BACK ? seq - TD_MAX_FOLLOW_BACK : 0};
    bool from_the_first = false;
    td_buf_reset(&f->picture);
    f->picture_at = 0;
    int r = s->ops->snapshots(s->store, choose, &p.from, err);
    if (r == 0)
        r = s->ops->read(s->store, 0, is_first, &from_the_first, err);
    if (r == 0 && from_the_first && (!p.from.found || p.from.seq > p.from.newest_wanted))
        p.from = (struct choice){0};
    else if (r == 0 && p.from.found)
        r = s->ops->snapshot_read_at(s->store, p.from.seq, picture_piece, &p, err);
    if (r == 0)
        picture_flush(&p, false);
    td_vec_release(&p.pieces);
    td_arena_release(&p.arena);
    f->sent = p.from.seq;
    return r;
}

static void picture_send(struct shell *s, struct shell_follower *f)
{
    uint32_t len;
    memcpy(&len, f->picture.data + f->picture_at, sizeof(len));
    send_frame(s, f, f->picture.data + f->picture_at + sizeof(len), len);
    f->picture_at += sizeof(len) + len;
    if (f->picture_at == f->picture.len) {
        td_buf_release(&f->picture);
        f->picture_at = 0;
    }
}

/* --- who is behind: from the journal ------------------------------------------------------------------------------------- */

struct batch {
    struct shell *s;
    uint64_t next;
    size_t bytes;
    TD_VEC(struct td_journal_event) events;
    bool hole;
};

static bool batch_event(void *ctx, const struct td_stored_event *st)
{
    struct batch *b = ctx;
    b->hole = st->seq != b->next;
    if (b->hole)
        return false;
    const struct td_journal_event e = {.seq = st->seq,
                                       .time_ms = st->time_ms,
                                       .id = st->id,
                                       .body = {td_arena_dup(&b->s->arena, st->body, st->len), st->len}};
    td_vec_push(&b->events, e);
    b->bytes += st->len + 32;
    b->next++;
    return b->bytes < BATCH_BYTES;
}

/* What it lacks was purged, or cannot be read: it begins anew. */
static void start_again(struct shell *s, struct shell_follower *f, const char *why)
{
    struct td_committed m = message(s);
    m.again = true;
    shell_log(&s->log, "warn front=%s begins anew: %s", f->host, why);
    send_message(s, f, &m);
    f->lost = true; /* until it says FOLLOW */
}

static void catch_up(struct shell *s, struct shell_follower *f)
{
    struct batch b = {.s = s, .next = f->sent + 1};
    struct td_error err = {0};
    int r = s->ops->read(s->store, b.next, batch_event, &b, &err);
    if (r < 0 || b.hole || !b.events.n) {
        start_again(s, f, r < 0 ? err.text : "the events it lacks are not kept any more");
    } else {
        struct td_committed m = message(s);
        m.events = (struct td_journal_event_list){b.events.v, b.events.n};
        send_message(s, f, &m);
        f->sent = b.next - 1;
        if (at_end(s, f))
            forecasts_tell_all(s, f);
    }
    td_vec_release(&b.events);
}

static void feed(struct shell *s, struct shell_follower *f)
{
    if (f->wants) {
        f->wants = false;
        struct td_error err = {0};
        if (f->since && f->since <= td_core_seq(s->core)) {
            f->sent = f->since;
        } else if (picture_take(s, f, &err) < 0) {
            shell_log(&s->log, "error front=%s cannot be given a picture: %s", f->host, err.text);
            f->lost = true;
            return;
        }
        if (at_end(s, f))
            forecasts_tell_all(s, f);
    }
    while (!f->lost && has_room(f)) {
        if (f->picture_at < f->picture.len) {
            picture_send(s, f);
            if (at_end(s, f))
                forecasts_tell_all(s, f);
        } else if (f->sent < td_core_seq(s->core)) {
            catch_up(s, f);
        } else {
            return;
        }
    }
}

/* --- from the rest of the shell ------------------------------------------------------------------------------------------ */

static struct shell_follower *find(struct shell *s, uint64_t peer)
{
    for (uint32_t i = 0; i < s->followers.n; i++)
        if (s->followers.v[i]->peer == peer)
            return s->followers.v[i];
    return NULL;
}

static void drop(struct shell *s, uint32_t at)
{
    struct shell_follower *f = s->followers.v[at];
    shell_log(&s->log, "info front=%s does not follow any more", f->host);
    td_buf_release(&f->picture);
    td_free(f);
    s->followers.v[at] = s->followers.v[--s->followers.n];
}

/* The same front on a new connection: its old one is dead, whatever TCP says. */
static void drop_same_key(struct shell *s, const struct shell_from *from)
{
    for (uint32_t i = 0; from->key && i < s->followers.n;) {
        const struct shell_peer *p = shell_bus_peer(s, s->followers.v[i]->peer);
        if (p && p->handle != from->peer && td_str_equal(p->key, from->key)) {
            shell_peer_gone(s, p->handle);
            drop(s, i);
        } else {
            i++;
        }
    }
}

bool shell_follow(struct shell *s, const struct shell_from *from, const struct td_follow *m, struct td_error *err)
{
    drop_same_key(s, from);
    struct shell_follower *f = find(s, from->peer);
    if (m->version < TD_PROTOCOL_VERSION_MIN || m->version > TD_PROTOCOL_VERSION)
        return td_fail(err, TD_E_VERSION, "the front speaks protocol %u, this broker %u to %u", m->version,
                       TD_PROTOCOL_VERSION_MIN, TD_PROTOCOL_VERSION) == 0;
    if (!f && s->followers.n >= TD_MAX_FRONTS)
        return td_fail(err, TD_E_BUSY, "%u fronts follow already (FRONTS)", s->followers.n) == 0;
    if (!f) {
        f = td_alloc(sizeof(*f));
        f->peer = from->peer;
        td_vec_push(&s->followers, f);
    }
    td_format(f->host, sizeof(f->host), "%s", td_str_empty(m->host) ? "?" : m->host);
    f->heard_us = shell_boot_us();
    f->wants = true;
    f->lost = false;
    f->since = m->since;
    f->bytes_sent = f->bytes_taken = 0;
    td_buf_release(&f->picture);
    f->picture_at = 0;
    shell_log(&s->log, "info front=%s follows since=%llu", f->host, (unsigned long long)m->since);
    return true;
}

void shell_follow_ack(struct shell *s, const struct shell_from *from, const struct td_follow_ack *m)
{
    struct shell_follower *f = find(s, from->peer);
    if (f && m->bytes <= f->bytes_sent)
        f->bytes_taken = m->bytes;
    if (f)
        f->heard_us = shell_boot_us();
}

/* After a commit and before its replies: the events as they went into the journal. */
void shell_follow_committed(struct shell *s)
{
    if (!s->followers.n)
        return;
    struct td_forecast_list changed = forecasts_changed(s);
    uint32_t n = s->stored_fresh ? s->stored.n : 0;
    s->stored_fresh = false;
    uint64_t before = td_core_seq(s->core) - n;
    struct td_journal_event *events = td_arena_alloc(&s->arena, (n + 1) * sizeof(*events));
    size_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct td_stored_event *st = &s->stored.v[i];
        events[i] = (struct td_journal_event){.seq = st->seq, .time_ms = st->time_ms, .id = st->id, .body = {st->body, st->len}};
        bytes += st->len + 32;
    }
    if (!n && !changed.n)
        return;
    struct td_committed m = message(s);
    m.events = (struct td_journal_event_list){events, n};
    m.forecasts = changed;
    bool whole = bytes <= BATCH_BYTES && changed.n <= TD_MAX_ROWS_PER_ANSWER, encoded = false;
    for (uint32_t i = 0; i < s->followers.n; i++) {
        struct shell_follower *f = s->followers.v[i];
        if (f->wants || f->lost || f->picture_at < f->picture.len || f->sent != before || !has_room(f) || !whole)
            continue; /* fed from the journal */
        if (!encoded) {
            td_buf_reset(&s->frame);
            td_wire_put_frame(&s->frame, TD_MSG_COMMITTED, 0, &m);
            encoded = true;
        }
        send_frame(s, f, s->frame.data, s->frame.len);
        f->sent = td_core_seq(s->core);
    }
}

/* A large one is of an earlier event when it is there: whoever stood there made his own when it was begun. */
static void digest_say(struct shell *s, int64_t now, struct td_committed *m)
{
    if (shell_digest_made(s, &m->digest_of, &m->digest_then))
        s->digest_at_us = now + s->digest.took_us * DIGEST_SHARE + BEAT_US;
    if (now < s->digest_at_us || s->down || s->digest.child)
        return;
    if (shell_digest_beside(s)) {
        m->digest_begins = shell_digest_begin(s);
        s->digest_at_us = now + BEAT_US;
        return;
    }
    m->digest = td_core_digest(s->core);
    s->digest_at_us = now + (shell_boot_us() - now) * DIGEST_SHARE + BEAT_US;
}

/* Once a second: "this is the last number", and at times the digest for it. */
static void beat(struct shell *s)
{
    int64_t now = shell_boot_us();
    if (now < s->beat_us)
        return;
    s->beat_us = now + BEAT_US;
    struct td_committed m = message(s);
    digest_say(s, now, &m);
    for (uint32_t i = 0; i < s->followers.n; i++)
        if (!s->followers.v[i]->lost && at_end(s, s->followers.v[i]) && has_room(s->followers.v[i]))
            send_message(s, s->followers.v[i], &m);
}

/* Over the bus nobody tells that a connection is over. */
static bool stands(struct shell *s, const struct shell_follower *f)
{
    if (!(f->peer & SHELL_BUS_PEER))
        return shell_peer_stands(s, f->peer);
    const struct shell_peer *p = shell_bus_peer(s, f->peer);
    if (!p || shell_boot_us() - f->heard_us > SILENT_US)
        return false;
    const struct shell_from from = {.peer = f->peer, .key = p->key};
    if (s->down || shell_is_front(s, &from))
        return true;
    const struct td_error err = {.code = TD_E_DENIED, .text = "this front's key is not valid any more: it was taken back"};
    shell_refuse(s, f->peer, 0, &err);
    return false;
}

/* At the end of each wake. */
void shell_follow_feed(struct shell *s)
{
    for (uint32_t i = 0; i < s->followers.n;) {
        struct shell_follower *f = s->followers.v[i];
        if (!stands(s, f)) {
            if (f->peer & SHELL_BUS_PEER && s->core)
                shell_peer_gone(s, f->peer); /* what its users wait for is given up */
            drop(s, i);
            continue;
        }
        if (!s->down)
            feed(s, f);
        i++;
    }
    if (s->followers.n)
        beat(s);
}

/* The core was rebuilt or is about to be freed: numbers stay true, for nothing uncommitted was ever sent. */
void shell_follow_release(struct shell *s)
{
    while (s->followers.n)
        drop(s, 0);
    td_vec_release(&s->followers);
    td_vec_release(&s->forecasts);
    td_vec_release(&s->forecasts_next);
}
