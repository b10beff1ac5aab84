/* snapshot.c - snapshots beside the loop, and the compaction that follows
 *
 * A child forked between two wakes has the state of that moment for itself; it encodes it into a pipe, the loop puts what
 * comes into the journal in batches between its wakes, and then compacts in small steps: nobody waits longer than a batch
 * takes. The child is nothing but the core's memory: it keeps no descriptor but the pipe, and leaves by _exit.
 *
 *     IDLE ─ due ─► TAKING ─ end of the stream, head written ─► COMPACTING ─ nothing more ─► IDLE
 *       ▲             └─ child dies, journal takes no more ─┐
 *       └───────────────────────────────────────────────────┘ tried again after as many events
 *
 * The stream: frames of kind, length, data; besides the records of the core, the blobs it needs, and the end with its digest.
 * At the stop of the broker the same goes straight into the journal, without a child. */
#include "broker/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH_BYTES (48u << 10) /* of one step; a record may make it longer */
#define COMPACT_ROWS 1000u       /* of each table, in one step */
#define KIND_LIVE UINT32_MAX
#define KIND_END (UINT32_MAX - 1)

struct frame {
    uint32_t kind, len;
};

/* --- made from the core: in the child, or in place ------------------------------------------------------------------- */

struct making {
    struct shell *s;
    int fd; /* -1: in place */
    struct td_buf out, body;
    TD_VEC(struct { uint8_t hash[32]; }) live;
    struct td_error *err;
    int r;
};

static int take_frames(struct shell *s, struct td_buf *in, struct td_error *err);

static void flush(struct making *m)
{
    size_t at = 0;
    if (m->fd < 0) {
        if (m->r == 0)
            m->r = take_frames(m->s, &m->out, m->err);
        return;
    }
    while (m->r == 0 && at < m->out.len) {
        ssize_t n = write(m->fd, m->out.data + at, m->out.len - at);
        if (n >= 0)
            at += (size_t)n;
        else if (errno != EINTR)
            m->r = -TD_E_IO;
    }
    td_buf_reset(&m->out);
}

static void put_frame(struct making *m, uint32_t kind, const void *data, size_t len)
{
    const struct frame f = {kind, (uint32_t)len};
    if (m->r < 0)
        return;
    td_buf_put(&m->out, &f, sizeof(f));
    td_buf_put(&m->out, data, len);
    if (m->out.len >= BATCH_BYTES)
        flush(m);
}

static void put_record(void *ctx, uint32_t kind, const struct td_record *rec, const void *body)
{
    struct making *m = ctx;
    td_buf_reset(&m->body);
    td_wire_put_record(&m->body, rec, body);
    put_frame(m, kind, m->body.data, m->body.len);
}

static void add_live(void *ctx, const uint8_t hash[32])
{
    struct making *m = ctx;
    td_vec_reserve(&m->live, m->live.n + 1);
    memcpy(m->live.v[m->live.n++].hash, hash, 32);
}

static int hash_cmp(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

static int make(struct making *m)
{
    td_core_snapshot(m->s->core, put_record, m);
    td_core_blobs(m->s->core, add_live, m);
    if (m->live.n)
        qsort(m->live.v, m->live.n, 32, hash_cmp);
    for (uint32_t i = 0; i < m->live.n; i++)
        if (!i || memcmp(m->live.v[i - 1].hash, m->live.v[i].hash, 32) != 0)
            put_frame(m, KIND_LIVE, m->live.v[i].hash, 32);
    uint64_t digest = td_core_digest(m->s->core);
    put_frame(m, KIND_END, &digest, sizeof(digest));
    flush(m);
    td_vec_release(&m->live);
    td_buf_release(&m->out);
    td_buf_release(&m->body);
    return m->r;
}

static void child_run(struct shell *s, int fd)
{
    struct making m = {.s = s, .fd = fd};
    if (make(&m) < 0)
        _exit(1);
}

/* --- taken into the journal --------------------------------------------------------------------------------------------- */

/* Whole frames, one batch; the rest stays for the next. */
static int take_frames(struct shell *s, struct td_buf *in, struct td_error *err)
{
    struct shell_snap *p = &s->snap;
    TD_VEC(struct td_stored_record) records = {0};
    size_t at = 0;
    struct frame f;
    while (in->len - at >= sizeof(f)) {
        memcpy(&f, in->data + at, sizeof(f));
        if (in->len - at - sizeof(f) < f.len)
            break;
        const uint8_t *data = in->data + at + sizeof(f);
        at += sizeof(f) + f.len;
        if (f.kind == KIND_LIVE) {
            td_buf_put(&p->live, data, f.len);
        } else if (f.kind == KIND_END) {
            memcpy(&p->digest, data, sizeof(p->digest));
            p->ended = true;
        } else {
            const struct td_stored_record rec = {f.kind, data, f.len};
            td_vec_push(&records, rec);
        }
    }
    int r = records.n ? s->ops->snapshot_put(s->store, records.v, records.n, err) : 0;
    td_vec_release(&records);
    memmove(in->data, in->data + at, in->len - at);
    in->len -= at;
    return r;
}

static void take_reset(struct shell_snap *p)
{
    p->state = SHELL_SNAP_IDLE;
    p->ended = false;
    td_buf_reset(&p->in);
    td_buf_reset(&p->live);
    td_map_release(&p->since);
}

/* The child's end, whatever it was; false: not the one it should have. */
static bool child_end(struct shell *s)
{
    struct shell_snap *p = &s->snap;
    if (!p->child)
        return true;
    if (s->epoll_fd >= 0)
        epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, p->fd, NULL);
    bool whole = shell_child_end(p->child, p->fd, !p->ended);
    p->child = 0;
    p->fd = -1;
    return whole;
}

void shell_snapshot_drop(struct shell *s)
{
    child_end(s);
    take_reset(&s->snap);
}

void shell_snapshot_release(struct shell *s)
{
    shell_snapshot_drop(s);
    td_buf_release(&s->snap.in);
    td_buf_release(&s->snap.live);
}

static void failed(struct shell *s, const char *why)
{
    /* The journal without it is whole. Tried again after as many events, not at once. */
    shell_log(&s->log, "error snapshot failed: %s", why);
    s->last_snapshot = td_core_seq(s->core);
    shell_snapshot_drop(s);
}

/* --- compaction --------------------------------------------------------------------------------------------------------- */

static uint64_t hash_key(const uint8_t hash[32])
{
    uint64_t key;
    memcpy(&key, hash, sizeof(key));
    return key;
}

/* What was submitted since the child saw the state may need blobs that were nobody's then. */
void shell_snapshot_submitted(struct shell *s, const struct td_job_spec *spec)
{
    const struct td_bin *const hashes[] = {&spec->script_hash, &spec->env_hash};
    for (size_t i = 0; s->snap.state != SHELL_SNAP_IDLE && i < TD_ARRAY_LEN(hashes); i++)
        if (hashes[i]->n == 32)
            td_map_put(&s->snap.since, hash_key(hashes[i]->v), &s->snap);
}

static bool needed_since(void *ctx, const uint8_t hash[32])
{
    return td_map_get(ctx, hash_key(hash)) != NULL; /* one with the same first bytes stays too: no harm */
}

/* With the input log on, everything since the state this reign began from stays, or it could not be made again. */
static uint64_t events_to_keep(const struct shell *s, uint64_t seq)
{
    uint64_t keep = s->conf->keep_events;
    return s->conf->input_log ? TD_MAX(keep, seq - s->reign_snapshot) : keep;
}

static int take_end(struct shell *s, struct td_error *err)
{
    struct shell_snap *p = &s->snap;
    int r = s->ops->snapshot_end(s->store, p->time_ms, p->digest, err);
    if (r < 0)
        return r;
    s->last_snapshot = s->newest_snapshot = p->seq;
    p->compaction = (struct td_compaction){
        .keep = events_to_keep(s, p->seq),
        .live = (const uint8_t(*)[32])p->live.data,
        .nlive = (uint32_t)(p->live.len / 32),
        .needed = needed_since,
        .ctx = &p->since,
        .rows = COMPACT_ROWS,
    };
    p->state = SHELL_SNAP_COMPACTING;
    return 0;
}

static int compact_step(struct shell *s, struct td_error *err)
{
    bool more = false;
    s->snap.compaction.dropped = 0;
    int r = s->ops->compact(s->store, &s->snap.compaction, &more, err);
    if (s->snap.compaction.dropped) /* nothing may be cached that is not in the journal: it would be taken for kept */
        shell_blobs_release(&s->blobs);
    if (r < 0 || more)
        return r;
    shell_log(&s->log, "info snapshot seq=%llu ms=%lld", (unsigned long long)s->snap.seq,
              (long long)(shell_boot_us() - s->snap.from_us) / 1000);
    take_reset(&s->snap);
    return 0;
}

/* --- the two ways --------------------------------------------------------------------------------------------------------- */

static int begin(struct shell *s, struct td_error *err)
{
    struct shell_snap *p = &s->snap;
    TD_ASSERT(!s->open && p->state == SHELL_SNAP_IDLE); /* between wakes: what is applied is committed */
    p->seq = td_core_seq(s->core);
    p->time_ms = td_core_time(s->core);
    p->from_us = shell_boot_us();
    int r = s->ops->snapshot_begin(s->store, p->seq, err);
    if (r == 0)
        p->state = SHELL_SNAP_TAKING;
    return r;
}

int shell_snapshot(struct shell *s, struct td_error *err)
{
    shell_snapshot_drop(s);
    if (td_core_seq(s->core) == s->newest_snapshot)
        return 0;
    struct making m = {.s = s, .fd = -1, .err = err};
    int r = begin(s, err);
    if (r == 0)
        r = make(&m);
    if (r == 0)
        r = take_end(s, err);
    while (r == 0 && s->snap.state == SHELL_SNAP_COMPACTING)
        r = compact_step(s, err);
    shell_snapshot_drop(s);
    return r;
}

static int child_start(struct shell *s, struct td_error *err)
{
    struct shell_snap *p = &s->snap;
    int r = shell_child_start(s, child_run, &p->child, &p->fd, err);
    if (r < 0)
        return r;
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = SHELL_EPOLL_SNAPSHOT};
    if (s->epoll_fd >= 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, p->fd, &ev) < 0)
        return td_fail(err, TD_E_IO, "cannot watch a pipe: %s", strerror(errno)); /* the child goes with the try */
    (void)fcntl(p->fd, F_SETPIPE_SZ, BATCH_BYTES); /* a smaller one only takes more steps */
    return 0;
}

static int take_step(struct shell *s, struct td_error *err)
{
    struct shell_snap *p = &s->snap;
    static uint8_t chunk[BATCH_BYTES];
    ssize_t n = read(p->fd, chunk, sizeof(chunk));
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : td_fail(err, TD_E_IO, "cannot read a pipe: %s", strerror(errno));
    if (n > 0) {
        td_buf_put(&p->in, chunk, (size_t)n);
        return take_frames(s, &p->in, err);
    }
    if (!child_end(s) || !p->ended)
        return td_fail(err, TD_E_IO, "the process that encodes it did not come to its end");
    return take_end(s, err);
}

bool shell_snapshot_waits(const struct shell *s)
{
    return s->snap.state == SHELL_SNAP_COMPACTING;
}

void shell_snapshot_step(struct shell *s)
{
    struct td_error why = {0};
    int r = 0;
    if (s->down)
        return;
    switch (s->snap.state) {
    case SHELL_SNAP_IDLE:
        if (td_core_seq(s->core) - s->last_snapshot < TD_MAX(s->conf->snapshot_events, 1u))
            return;
        r = begin(s, &why);
        if (r == 0)
            r = child_start(s, &why);
        break;
    case SHELL_SNAP_TAKING:
        r = take_step(s, &why);
        break;
    case SHELL_SNAP_COMPACTING:
        r = compact_step(s, &why);
        break;
    }
    if (r < 0)
        failed(s, why.text);
}
