/* link.c - the worker: the connection that said SH_HELLO last
 *
 * A worker that comes takes the place of the one before it and gets all that is not acknowledged. One that reads too
 * slowly loses nothing: statuses stay in the spool's memory and are queued as room comes. */
#include "worker/shepherd/shepherd.h"
#include "worker/shepherd/step.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/log.h"

int link_open(struct shepherd *sh, struct td_error *err)
{
    td_stream_init(&sh->worker, -1, SHEPHERD_OUT_BYTES);
    int fd = td_local_listen(sh->socket, 0600, err);
    if (fd < 0)
        return fd;
    sh->listen_fd = fd;
    return 0;
}

void link_close(struct shepherd *sh)
{
    td_stream_release(&sh->worker);
    for (uint32_t i = 0; i < sh->ncallers; i++)
        td_stream_release(&sh->callers[i]);
    close(sh->listen_fd);
    unlink(sh->socket);
}

void link_accept(struct shepherd *sh)
{
    int fd = accept4(sh->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uid_t uid = 0;
    gid_t gid;
    pid_t pid;
    if (fd < 0)
        return; /* it has gone again */
    if (td_local_peer(fd, &uid, &gid, &pid) < 0 || (uid != geteuid() && uid != 0)) {
        td_log("warn", "a connection of user %u is refused", uid);
        close(fd);
        return;
    }
    if (sh->ncallers == SHEPHERD_CALLERS) {
        td_log("warn", "%d connections without SH_HELLO: the oldest is closed", SHEPHERD_CALLERS);
        td_stream_release(&sh->callers[0]);
        memmove(sh->callers, sh->callers + 1, (SHEPHERD_CALLERS - 1) * sizeof(sh->callers[0]));
        sh->ncallers--;
    }
    td_stream_init(&sh->callers[sh->ncallers++], fd, SHEPHERD_OUT_BYTES);
}

/* --- what the worker is told ------------------------------------------------------------------------------------------ */

static bool put(struct shepherd *sh, uint32_t id, const void *body)
{
    return td_stream_put(&sh->worker, id, 0, body) == 0;
}

bool link_relay(struct shepherd *sh, const struct td_step_launch *l)
{
    return sh->has_worker && put(sh, TD_MSG_SH_RELAY, &(struct td_sh_relay){.launch = *l});
}

static void say_state(struct shepherd *sh)
{
    struct td_arena arena = {0};
    TD_VEC(struct td_running) running = {0};
    TD_VEC(struct td_placement) places = {0};
    for (struct attempt *a = sh->ledger.first; a; a = a->next) {
        struct td_running r = {.job = a->job, .attempt = a->attempt, .exited = a->state >= ATTEMPT_LEFTOVERS, .with_steps = true};
        r.steps = steps_list(sh, a, &arena);
        struct td_placement p = {0};
        struct td_error err;
        int got = td_wire_get_record(&arena, &td_rec_placement, a->place.data, a->place.len, &p, &err);
        TD_ASSERT(got == 0); /* we encoded it */
        td_vec_push(&running, r);
        td_vec_push(&places, p);
    }
    struct td_sh_state state = {
        .running = {running.v, running.n},
        .places = {places.v, places.n},
        .next_no = sh->spool.next_no,
        .pid = (uint32_t)getpid(),
        .boot_id = sh->spool.boot_id,
        .means = cgroup_words(sh->cages.home.means),
        .fence_ms = sh->fence_ms,
    };
    put(sh, TD_MSG_SH_STATE, &state);
    td_vec_release(&running);
    td_vec_release(&places);
    td_arena_release(&arena);
}

/* One message with up to n of these statuses (of attempt `only`, or all); returns the last number in it, 0 = no room. */
static uint64_t say_statuses(struct shepherd *sh, struct status *s, uint32_t n, const struct attempt *only)
{
    static struct td_report reports[TD_MAX_REPORTS_PER_MESSAGE];
    struct td_sh_status msg = {.reports = {.v = reports}};
    uint64_t last = 0;
    for (uint32_t i = 0; i < n && msg.reports.n < TD_MAX_REPORTS_PER_MESSAGE; i++) {
        struct td_report *r = &s[i].report;
        if (only && (r->job != only->job || r->attempt != only->attempt))
            continue;
        reports[msg.reports.n] = *r;
        reports[msg.reports.n++].ago_ms = TD_MAX(0, sh->now_ms - s[i].at_boot_ms);
        last = r->no;
    }
    return msg.reports.n && put(sh, TD_MSG_SH_STATUS, &msg) ? last : 0;
}

void link_report(struct shepherd *sh)
{
    uint32_t n;
    struct status *s;
    if (!sh->has_worker)
        return;
    while ((s = spool_after(&sh->spool, sh->sent_no, &n))) {
        uint64_t last = say_statuses(sh, s, n, NULL);
        if (!last)
            break;
        sh->sent_no = last;
    }
    if (td_stream_wants_write(&sh->worker))
        td_stream_flush(&sh->worker);
    if (sh->worker.closed) {
        td_stream_release(&sh->worker);
        sh->has_worker = false;
    }
}

void link_repeat(struct shepherd *sh, struct attempt *a)
{
    uint32_t n;
    struct status *s = spool_after(&sh->spool, 0, &n);
    /* only what was queued before; the rest is about to be sent anyway */
    while (n && s[n - 1].report.no > sh->sent_no)
        n--;
    if (sh->has_worker)
        say_statuses(sh, s, n, a);
}

/* --- what the worker says ---------------------------------------------------------------------------------------------- */

void shepherd_quit(struct shepherd *sh, bool now)
{
    if (!sh->quit || (now && !sh->quit_now))
        td_log("info", "asked to leave %s", now ? "at once: jobs are ended" : "when nothing runs any more");
    sh->quit = true;
    if (!now || sh->quit_now)
        return;
    sh->quit_now = true;
    for (struct attempt *a = sh->ledger.first; a; a = a->next)
        if (a->state != ATTEMPT_GONE)
            attempt_end(sh, a);
}

static void acknowledged(struct shepherd *sh, uint64_t acked)
{
    spool_ack(&sh->spool, acked);
    ledger_forget(&sh->ledger, sh->spool.acked);
}

/* The connection becomes the worker's. */
static void hello(struct shepherd *sh, struct td_stream *from, const struct td_sh_hello *m)
{
    if (from != &sh->worker) {
        td_stream_release(&sh->worker);
        sh->worker = *from;
        td_stream_init(from, -1, 0); /* moved */
        sh->has_worker = true;
    }
    acknowledged(sh, m->acked);
    say_state(sh);
    sh->sent_no = 0;
}

static void take(struct shepherd *sh, struct td_stream *from, struct launch *what, const struct td_frame *f)
{
    switch (f->id) {
    case TD_MSG_SH_HELLO:
        hello(sh, from, f->body);
        break;
    case TD_MSG_SH_LAUNCH:
        what->msg = f->body;
        start_attempt(sh, what);
        return; /* took it */
    case TD_MSG_SH_KILL: {
        const struct td_sh_kill *m = f->body;
        attempt_kill(sh, &m->kill, m->kill_wait_s);
        break;
    }
    case TD_MSG_SH_LEASE: {
        const struct td_sh_lease *m = f->body;
        limit_fence(sh, m->until_ms, m->kill_wait_s);
        break;
    }
    case TD_MSG_SH_STEP:
        step_start(sh, f->body);
        break;
    case TD_MSG_SH_ATTACH:
        io_attach(sh, from, f->body);
        break;
    case TD_MSG_SH_ACK:
        acknowledged(sh, ((const struct td_sh_ack *)f->body)->acked);
        break;
    case TD_MSG_SH_QUIT:
        shepherd_quit(sh, ((const struct td_sh_quit *)f->body)->now);
        break;
    default:
        td_log("warn", "message %s is not for a shepherd", td_msg_name(f->id));
        from->closed = true;
        break;
    }
    launch_recycle(sh, what);
}

/* Takes what waits on a stream; a stream that breaks the rules is closed. Returns false when `from` has become the
 * worker's stream and the rest is to be read there. */
static bool take_all(struct shepherd *sh, struct td_stream *from)
{
    const uint8_t *data;
    size_t len;
    struct td_error err = {0};
    int r = 0;
    while (!from->closed && (r = td_stream_next(from, &data, &len, &err)) > 0) {
        struct launch *what = launch_spare(sh);
        struct td_frame f;
        r = td_wire_get_frame(&what->arena, data, len, &f, &err);
        if (r < 0) {
            launch_recycle(sh, what);
            break;
        }
        take(sh, from, what, &f);
        if (from->fd < 0)
            return false;
    }
    if (r < 0) {
        td_log("warn", "a connection is closed: %s", err.text);
        from->closed = true;
    }
    return true;
}

void link_read(struct shepherd *sh)
{
    struct td_error err;
    for (uint32_t i = 0; i < sh->ncallers;) {
        struct td_stream *c = &sh->callers[i];
        bool gone = td_stream_read(c, &err) < 0;
        if (!take_all(sh, c) || gone || c->closed) {
            td_stream_release(c);
            sh->callers[i] = sh->callers[--sh->ncallers];
            continue;
        }
        i++;
    }
    if (sh->has_worker) {
        bool gone = td_stream_read(&sh->worker, &err) < 0;
        take_all(sh, &sh->worker);
        if (gone)
            sh->worker.closed = true;
    }
    if (sh->has_worker && sh->worker.closed) {
        td_stream_release(&sh->worker);
        sh->has_worker = false;
    }
}
