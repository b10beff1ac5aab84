/* loop.c - the event loop: wait, take everything that waits at every door, end the wake
 *
 * Law 3: an idle broker commits at once, a busy one batches because work arrived meanwhile; nothing waits for a fixed
 * window. Law 10: all waiting input is read before the core looks at its leases, unless the wake is full. */
#include "broker/shell.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 256
#define TICK_US 1000000
#define PASSES_MAX 64
#define LAST_FLUSH_MS 1000
#define SPARE_US 200000 /* without a commit: there is time to move the log */

static int wait_ms(struct shell *s)
{
    int64_t tick = (s->tick_us - shell_boot_us()) / 1000 + 1;
    int64_t ms = TD_MAX(TD_MIN(tick, 1000), 0);
    if (!s->down) {
        int64_t due = td_core_deadline(s->core);
        if (due != INT64_MAX)
            ms = TD_MAX(TD_MIN(ms, due - shell_now_ms(s)), 0);
    }
    return (int)ms;
}

static void signals_take(struct shell *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            struct td_error err = {0};
            shell_log(&s->log, "info SIGHUP");
            if (s->log.path && shell_log_open(&s->log, s->log.path, &err) < 0)
                shell_log(&s->log, "error %s", err.text);
            if (s->down)
                shell_log(&s->log, "error conf not read again: %s", s->cause.text);
            else
                shell_reconfigure(s, NULL, 0);
            continue;
        }
        shell_log(&s->log, "info signal %u: shutting down", info.ssi_signo);
        s->stop = s->stop_snapshot = true;
    }
}

/* One look at every door; false: nothing waits any more. */
static bool doors_take(struct shell *s, int timeout_ms)
{
    struct epoll_event ev[EVENTS_PER_WAIT];
    int n = epoll_wait(s->epoll_fd, ev, EVENTS_PER_WAIT, timeout_ms);
    TD_ASSERT(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++) {
        switch (ev[i].data.u64) {
        case SHELL_EPOLL_LISTEN:
            s->accept_more = true;
            break;
        case SHELL_EPOLL_SIGNAL:
            signals_take(s);
            break;
        case SHELL_EPOLL_BUS:
            s->bus_has_more = true;
            break;
        case SHELL_EPOLL_SNAPSHOT:
            break; /* taken after the wake */
        default:
            shell_local_ready(s, ev[i].data.u64, ev[i].events);
        }
    }
    if (s->accept_more)
        shell_local_accept(s);
    if (s->bus_has_more)
        shell_bus_take(s);
    s->local_has_more = shell_local_take(s);
    return n > 0 || s->bus_has_more || s->accept_more;
}

static bool anything_waits(const struct shell *s)
{
    return s->bus_has_more || s->accept_more || s->local_has_more;
}

/* Once a second: space on the disk, old history, and the recovery of a journal that took no more. */
static int tick(struct shell *s, struct td_error *err)
{
    if (shell_boot_us() < s->tick_us)
        return 0;
    s->tick_us = shell_boot_us() + TICK_US;
    shell_local_listen(s, true);
    if (s->down)
        return shell_try_up(s, err);
    shell_space_check(s);
    shell_purge_if_due(s);
    return 0;
}

static void log_move(struct shell *s, bool spare)
{
    struct td_error why = {0};
    if (s->down || s->ops->idle(s->store, spare, &why) == 0)
        return;
    shell_log(&s->log, "warn journal: %s", why.text); /* nothing is lost: the log is part of it */
}

static int shut(struct shell *s)
{
    struct td_error why = {0};
    td_notify_say(&s->opt.notify, "STOPPING=1\nSTATUS=writes a snapshot, then leaves\n");
    if (s->stop_snapshot && !s->down && shell_snapshot(s, &why) < 0)
        shell_log(&s->log, "error snapshot failed: %s", why.text);
    int64_t until = shell_boot_us() + LAST_FLUSH_MS * 1000;
    for (;;) {
        bool waits = false;
        for (uint32_t i = 0; i < s->clients.n; i++)
            waits = waits || td_stream_wants_write(&s->clients.v[i]->stream);
        if (!waits || shell_boot_us() >= until)
            break;
        struct epoll_event ev[16];
        int n = epoll_wait(s->epoll_fd, ev, 16, 50);
        for (int i = 0; i < n; i++)
            if (ev[i].data.u64 >= SHELL_HANDLE_FIRST && ev[i].events & EPOLLOUT)
                shell_local_ready(s, ev[i].data.u64, EPOLLOUT);
        shell_local_flush(s);
    }
    shell_log(&s->log, "info broker stopped epoch=%llu seq=%llu", (unsigned long long)td_core_epoch(s->core),
              (unsigned long long)td_core_seq(s->core));
    return 0;
}

int shell_loop(struct shell *s, struct td_error *err)
{
    s->tick_us = shell_boot_us() + TICK_US;
    while (!s->stop) {
        bool more = doors_take(s, anything_waits(s) || shell_snapshot_waits(s) ? 0 : wait_ms(s));
        for (int i = 0; more && i < PASSES_MAX && !shell_full(s); i++)
            more = doors_take(s, 0);
        int r = tick(s, err);
        if (r == 0)
            r = shell_wake_end(s, err);
        if (r < 0)
            return r;
        shell_snapshot_step(s);
        log_move(s, !anything_waits(s) && shell_boot_us() - s->commit_at_us > SPARE_US);
    }
    return shut(s);
}
