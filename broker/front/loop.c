/* loop.c - one turn of a front: the broker's words first, then the users', then what they wait for */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/front/front.h"

#define EVENTS_PER_WAIT 256
#define TICK_US 1000000

struct front *front_of(struct shell *s)
{
    return (struct front *)s->owner;
}

static bool is_ours(const struct td_frame *fr)
{
    switch (fr->id) {
    case TD_MSG_QUERY_JOBS:
        return !((const struct td_query_jobs *)fr->body)->history;
    case TD_MSG_QUERY_NODES:
    case TD_MSG_QUERY_PARTITIONS:
    case TD_MSG_QUERY_STEPS:
    case TD_MSG_QUERY_USER_KEYS:
    case TD_MSG_QUERY_RESERVATIONS:
    case TD_MSG_QUERY_LICENSES:
    case TD_MSG_QUERY_ACCOUNTS:
    case TD_MSG_QUERY_PRIORITIES:
        return true;
    default:
        return false;
    }
}

/* The reply to who asks before there is anything to show. */
static void refuse_early(struct shell *s, const struct shell_from *from, uint64_t request)
{
    struct td_error err = {0};
    td_fail(&err, TD_E_UNREACHABLE, "%s: this front has not heard the broker yet (try \"tender doctor\")",
            td_error_words(TD_E_UNREACHABLE));
    shell_refuse(s, from->peer, request, &err);
}

static void deny(struct shell *s, const struct shell_from *from, const struct td_frame *fr, const struct td_error *err)
{
    shell_denied(s, from, fr->id, err->text);
    shell_refuse(s, from->peer, fr->request, err);
}

void front_take_frame(struct shell *s, const struct shell_from *from, const uint8_t *data, size_t len)
{
    struct front *f = front_of(s);
    struct td_frame fr = {0};
    struct td_error err = {0};
    const uint8_t *body;
    s->taken++;
    if (td_wire_get_head(data, len, &fr.id, &fr.request, &body, &err) < 0) { /* the decoder says it better */
        fr.id = 0;
        fr.request = 0;
    }
    if (!shell_rate_admit(s, from, fr.id, fr.request))
        return;
    if (td_wire_get_frame(&s->arena, data, len, &fr, &err) < 0) {
        td_core_counters(s->core)->bad_frames++;
        shell_refuse(s, from->peer, fr.request, &err);
        return;
    }
    if (fr.row->right == TD_RIGHT_FRONT || fr.row->right == TD_RIGHT_WORKER || fr.row->right == TD_RIGHT_BROKER ||
        fr.row->right == TD_RIGHT_LOCAL) {
        td_fail(&err, TD_E_DENIED, "%s: %s is not taken from users", td_error_words(TD_E_DENIED), fr.row->name);
        deny(s, from, &fr, &err);
    } else if (fr.id == TD_MSG_REGISTER_USER_KEY && from->remote && !td_core_is_operator(s->core, from->uid)) {
        /* or who stole a key would leave another one behind, for when it is revoked */
        td_fail(&err, TD_E_DENIED, "%s: keys are registered on the cluster's own hosts", td_error_words(TD_E_DENIED));
        deny(s, from, &fr, &err);
    } else if (fr.id == TD_MSG_SUBSCRIBE || is_ours(&fr)) {
        const struct shell_read read = {.from = *from, .request = fr.request, .id = fr.id, .body = fr.body};
        if (!f->ready)
            refuse_early(s, from, fr.request);
        else if (fr.id == TD_MSG_SUBSCRIBE)
            front_subscribe(f, from, fr.request, fr.body);
        else
            td_vec_push(&s->reads, read);
    } else if (td_wire_get_head(data, len, &fr.id, &fr.request, &body, &err) == 0) {
        front_relay(f, from, fr.id, fr.request, body, (size_t)(data + len - body));
    }
}

static void signals_take(struct shell *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        struct td_error err = {0};
        if (info.ssi_signo != SIGHUP) {
            shell_log(&s->log, "info signal %u: the front stops", info.ssi_signo);
            s->stop = true;
            continue;
        }
        if (s->log.path && shell_log_open(&s->log, s->log.path, &err) < 0)
            shell_log(&s->log, "error %s", err.text);
        shell_log(&s->log, "info SIGHUP");
        if (!front_of(s)->on_ready)
            front_conf_look(front_of(s));
    }
}

static void doors_take(struct front *f, int timeout_ms)
{
    struct shell *s = f->s;
    struct epoll_event ev[EVENTS_PER_WAIT];
    int n = epoll_wait(s->epoll_fd, ev, EVENTS_PER_WAIT, timeout_ms);
    TD_ASSERT(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++) /* a reply and the read behind it: the broker's words count first */
        if (ev[i].data.u64 == SHELL_EPOLL_BUS)
            front_uplink_ready(f, ev[i].events);
    for (int i = 0; i < n; i++) {
        if (ev[i].data.u64 == SHELL_EPOLL_LISTEN)
            s->accept_more = true;
        else if (ev[i].data.u64 == SHELL_EPOLL_SIGNAL)
            signals_take(s);
        else if (ev[i].data.u64 == SHELL_EPOLL_TCP)
            front_door_ready(f);
        else if (ev[i].data.u64 & SHELL_EPOLL_CARRIED)
            front_door_stream_ready(f, ev[i].data.u64, ev[i].events);
        else if (ev[i].data.u64 >= SHELL_HANDLE_FIRST)
            shell_local_ready(s, ev[i].data.u64, ev[i].events);
    }
    front_door_take(f);
    if (s->accept_more)
        shell_local_accept(s);
    s->local_has_more = shell_local_take(s);
}

static void clock_set(struct front *f)
{
    f->s->clock.now_us = f->now_ms * 1000 + (f->now_ms ? shell_boot_us() - f->now_at_us : 0);
    f->s->stale_ms = front_stale_ms(f);
    f->s->squash_root = f->remote && front_remote_squashes(f);
}

static int wait_ms(const struct front *f)
{
    int64_t now = shell_boot_us(), due = f->s->tick_us;
    if (f->s->accept_more || f->s->local_has_more)
        return 0;
    due = TD_MIN(due, front_watch_deadline_us(f));
    due = TD_MIN(due, front_door_deadline_us(f));
    if (f->link == LINK_DOWN)
        due = TD_MIN(due, f->retry_us);
    return due <= now ? 0 : (int)TD_MIN((due - now + 999) / 1000, 1000);
}

int front_loop(struct front *f, struct td_error *err)
{
    struct shell *s = f->s;
    (void)err;
    s->tick_us = shell_boot_us() + TICK_US;
    while (!s->stop) {
        doors_take(f, wait_ms(f));
        front_uplink_tick(f);
        if (shell_boot_us() >= s->tick_us) {
            s->tick_us = shell_boot_us() + TICK_US;
            shell_local_listen(s, true);
        }
        clock_set(f);
        for (uint32_t i = 0; i < s->reads.n; i++)
            if (shell_local_admit(s, &s->reads.v[i]))
                shell_read_answer(s, &s->reads.v[i]);
        front_denied_tell(f);
        front_watch_deliver(f);
        shell_local_flush(s);
        front_uplink_flush(f);
        shell_log_flush(&s->log);
        s->reads.n = 0;
        s->taken = 0;
        s->wakes++;
        td_arena_reset(&s->arena);
        if (f->on_ready && f->ready && f->last && td_core_seq(s->core) == f->last)
            f->on_ready(f);
    }
    return 0;
}
