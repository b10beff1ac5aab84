/* uplink.c - the connection to the broker: the local socket of the one beside this front, as the broker's own user, or the
 * bus (remote.c)
 *
 * Owns the stream. A broker that is away is tried again every RETRY_US; one that says nothing for SILENCE_US, though it
 * beats once a second, is taken for gone. While it is away reads are answered from the replica and say how old it is. */
#include "broker/front/front.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RETRY_US 50000
#define REDIAL_US 500000 /* of a broker on another host; libzmq tries more often by itself */
#define COMPLAIN_US 60000000
#define SILENCE_US 5000000
#define ACK_US 1000000
#define ACK_BYTES (TD_MAX_FOLLOW_WINDOW_BYTES / 4)
#define OUT_MAX (64u << 20) /* of requests that the broker has not read */

static void watch(struct front *f)
{
    uint32_t want = EPOLLIN | (td_stream_wants_write(&f->up) ? (uint32_t)EPOLLOUT : 0u);
    struct epoll_event ev = {.events = want, .data.u64 = SHELL_EPOLL_BUS};
    if (want == f->up_watched)
        return;
    TD_ASSERT(epoll_ctl(f->s->epoll_fd, f->up_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, f->up.fd, &ev) == 0);
    f->up_watched = want;
}

void front_uplink_open(struct front *f)
{
    struct td_error err = {0};
    f->retry_us = shell_boot_us() + (f->remote ? REDIAL_US : RETRY_US);
    if (f->remote) {
        if (front_remote_dial(f) == 0)
            f->link = LINK_DIALLING;
        return;
    }
    int fd = td_local_connect(f->broker_socket, &err);
    if (fd < 0) { /* the loop tries again; answers say how long it has been */
        if (!f->ready && shell_boot_us() >= f->complain_us) {
            shell_log(&f->s->log, "warn waiting for the broker: %s; start tender-broker", err.text);
            f->complain_us = shell_boot_us() + COMPLAIN_US;
        }
        return;
    }
    td_stream_init(&f->up, fd, OUT_MAX);
    f->up_watched = 0;
    front_uplink_follow(f);
}

void front_uplink_follow(struct front *f)
{
    f->link = LINK_UP;
    f->heard_us = shell_boot_us();
    f->taken_bytes = f->acked_bytes = 0;
    f->restoring = false;
    const struct td_follow m = {.version = TD_PROTOCOL_VERSION,
                                .since = f->ready ? td_core_seq(f->s->core) : 0,
                                .digest = TD_CORE_DIGEST,
                                .host = f->s->host};
    front_uplink_send(f, TD_MSG_FOLLOW, 0, &m);
    shell_log(&f->s->log, "info broker connected since=%llu", (unsigned long long)m.since);
}

void front_uplink_close(struct front *f, const char *why)
{
    if (f->link == LINK_DOWN)
        return;
    if (f->link == LINK_UP)
        shell_log(&f->s->log, "warn broker connection closed: %s", why);
    if (f->remote)
        front_remote_hang_up(f);
    else
        td_stream_release(&f->up);
    f->link = LINK_DOWN;
    f->restoring = false;
    front_relays_refuse(f);
}

int front_uplink_send(struct front *f, uint32_t id, uint64_t request, const void *body)
{
    if (f->link != LINK_UP)
        return -TD_E_UNREACHABLE;
    if (f->remote)
        return front_remote_send(f, id, request, body);
    int r = td_stream_put(&f->up, id, request, body);
    watch(f);
    return r;
}

void front_uplink_flush(struct front *f)
{
    if (f->remote || f->link != LINK_UP)
        return;
    if (td_stream_flush(&f->up) < 0)
        front_uplink_close(f, "it does not take requests");
    else
        watch(f);
}

void front_uplink_take(struct front *f, const uint8_t *data, size_t len)
{
    struct td_error err = {0};
    uint32_t id;
    uint64_t request;
    const uint8_t *body;
    if (td_wire_get_head(data, len, &id, &request, &body, &err) < 0) {
        front_uplink_close(f, err.text);
        return;
    }
    if (id != TD_MSG_SNAPSHOT && id != TD_MSG_COMMITTED) {
        front_answer_take(f, id, request, body, (size_t)(data + len - body));
        return;
    }
    struct td_frame frame;
    struct td_arena a = {0};
    f->taken_bytes += len;
    int r = td_wire_get_frame(&a, data, len, &frame, &err);
    if (r < 0)
        front_uplink_close(f, err.text);
    else if (id == TD_MSG_SNAPSHOT)
        front_snapshot_take(f, frame.body);
    else
        front_committed_take(f, frame.body);
    td_arena_release(&a);
}

static void ack(struct front *f)
{
    const struct td_follow_ack m = {.seq = td_core_seq(f->s->core), .bytes = f->taken_bytes};
    front_uplink_send(f, TD_MSG_FOLLOW_ACK, 0, &m);
    f->acked_bytes = f->taken_bytes;
    f->ack_us = shell_boot_us() + ACK_US;
}

static void acks_and_late(struct front *f)
{
    if (f->link == LINK_UP && f->taken_bytes - f->acked_bytes > ACK_BYTES)
        ack(f);
    front_late_send(f);
}

void front_uplink_ready(struct front *f, uint32_t events)
{
    struct td_error err = {0};
    const uint8_t *data;
    size_t len;
    int r = 0;
    if (f->link == LINK_DOWN)
        return;
    if (f->remote) {
        front_remote_ready(f);
        acks_and_late(f);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        r = td_stream_read(&f->up, &err);
    if (r > 0)
        f->heard_us = shell_boot_us();
    while (r > 0 && f->link == LINK_UP && (r = td_stream_next(&f->up, &data, &len, &err)) > 0)
        front_uplink_take(f, data, len);
    if (r < 0) {
        front_uplink_close(f, err.text);
        return;
    }
    acks_and_late(f);
}

void front_uplink_tick(struct front *f)
{
    int64_t now = shell_boot_us();
    if (f->bus)
        front_remote_tick(f);
    if (f->link == LINK_UP && now - f->heard_us > SILENCE_US)
        front_uplink_close(f, "nothing heard of it for 5 s");
    if (f->link == LINK_DOWN && now >= f->retry_us)
        front_uplink_open(f);
    if (f->link == LINK_UP && now >= f->ack_us)
        ack(f);
}

/* 0 while the broker beats. */
uint32_t front_stale_ms(const struct front *f)
{
    int64_t us = shell_boot_us() - f->heard_us;
    return f->link == LINK_UP && us < 3000000 ? 0 : (uint32_t)TD_MIN(TD_MAX(us / 1000, 1), (int64_t)UINT32_MAX);
}
