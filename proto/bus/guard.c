/* guard.c - bounds what libzmq does not bound: a message that never ends, and connections without number
 *
 * libzmq holds the parts of a message back until its last part has come, and counts only whole messages against the
 * high-water mark. A peer that sends parts without end therefore fills memory where we never see anything. What we can see
 * is the kernel's count of bytes each connection has received: one that has received more than any message may have,
 * while no whole message came out of it, is shut. libzmq then frees the parts.
 *
 * A subscriber never sends us a message at all, only subscriptions; it may send SUBSCRIBER_BYTES_MAX in its life. A peer cut
 * off wrongly would simply connect again. Connections above open_max are shut as they come; where there are guests, the
 * oldest of them instead, so that who holds connections without a right to them keeps nobody else out.
 *
 * libzmq owns the descriptors and may close one at any moment; before a shutdown() the kernel's cookie tells that it is
 * still the same connection. */
#include "bus/guard.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SUBSCRIBER_BYTES_MAX (1024u * 1024)
#define SCAN_ALWAYS_CONNS 512 /* up to so many connections every tick scans; beyond, every SCAN_EVERY-th one */
#define SCAN_EVERY 10
#define DISMISS_MS 1000
#define GROWTH_PAGES 8192 /* resident memory grew by so much between ticks: scan now */

void guard_init(struct guard *g, uint32_t open_max, uint64_t message_max)
{
    *g = (struct guard){
        .open_max = open_max, .message_max = message_max, .statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)};
}

void guard_guests(struct guard *g, uint32_t guest_ms, uint64_t guest_max)
{
    g->guest_ms = guest_ms;
    g->guest_max = guest_max;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void guard_release(struct guard *g)
{
    if (g->statm >= 0)
        close(g->statm);
    td_vec_release(&g->by_fd);
    g->statm = -1;
}

static bool bytes_received(int fd, uint64_t *ret)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    memset(&info, 0, sizeof(info));
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return false;
    *ret = info.tcpi_bytes_received;
    return true;
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);

    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static void conn_close(struct guard *g, struct guard_conn *c)
{
    if (c->open)
        g->open--;
    c->open = false;
}

static void conn_cut(struct guard *g, int fd, struct guard_conn *c)
{
    struct linger reset = {.l_onoff = 1};

    if (cookie_of(fd) == c->cookie) {
        /* both fail only where the peer was faster; without the reset a peer in mid-sentence keeps the kernel's half of
         * the connection for a minute */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        shutdown(fd, SHUT_RDWR);
        g->cut++;
    }
    conn_close(g, c);
}

/* Who gives way to a newcomer. */
static int oldest_guest(const struct guard *g)
{
    int oldest = -1;

    for (uint32_t fd = 0; g->guest_ms && fd < g->by_fd.n; fd++) {
        const struct guard_conn *c = &g->by_fd.v[fd];
        if (c->open && !c->known && (oldest < 0 || c->opened_ms < g->by_fd.v[oldest].opened_ms))
            oldest = (int)fd;
    }
    return oldest;
}

static void conn_open(struct guard *g, int fd, enum guard_side side)
{
    while (g->by_fd.n <= (uint32_t)fd)
        td_vec_push(&g->by_fd, (struct guard_conn){0});

    struct guard_conn *c = &g->by_fd.v[fd];
    conn_close(g, c);
    *c = (struct guard_conn){.cookie = cookie_of(fd), .side = side, .opened_ms = now_ms()};
    if (c->cookie == 0 || !bytes_received(fd, &c->base))
        return; /* gone already */
    c->open = true;
    g->open++;
    if (g->open <= g->open_max)
        return;
    int guest = oldest_guest(g);
    if (guest < 0)
        guest = fd;
    conn_cut(g, guest, &g->by_fd.v[guest]);
}

void guard_watch(struct guard *g, void *monitor, enum guard_side side)
{
    uint32_t event, value;

    while (monitor_next(monitor, &event, &value)) {
        if (value > INT32_MAX)
            continue;
        if (event == ZMQ_EVENT_ACCEPTED)
            conn_open(g, (int)value, side);
        else if (event == ZMQ_EVENT_DISCONNECTED && value < g->by_fd.n && g->by_fd.v[value].side == side)
            conn_close(g, &g->by_fd.v[value]);
    }
}

void guard_heard(struct guard *g, int fd)
{
    if (fd >= 0 && (uint32_t)fd < g->by_fd.n)
        g->by_fd.v[fd].heard = true;
}

void guard_known(struct guard *g, int fd)
{
    if (fd >= 0 && (uint32_t)fd < g->by_fd.n)
        g->by_fd.v[fd].known = true;
}

void guard_dismiss(struct guard *g, int fd)
{
    if (fd >= 0 && (uint32_t)fd < g->by_fd.n && !g->by_fd.v[fd].leave_ms)
        g->by_fd.v[fd].leave_ms = now_ms() + DISMISS_MS;
}

static uint64_t bytes_max(const struct guard *g, const struct guard_conn *c)
{
    if (c->side == GUARD_PUB)
        return SUBSCRIBER_BYTES_MAX;
    return g->guest_ms && !c->known ? g->guest_max : g->message_max;
}

static bool has_stayed_long(const struct guard *g, const struct guard_conn *c, int64_t now)
{
    return (c->leave_ms && now >= c->leave_ms) || (g->guest_ms && !c->known && now - c->opened_ms > g->guest_ms);
}

static void scan(struct guard *g)
{
    int64_t now = now_ms();

    for (uint32_t fd = 0; fd < g->by_fd.n; fd++) {
        struct guard_conn *c = &g->by_fd.v[fd];
        uint64_t bytes;

        if (!c->open || !bytes_received((int)fd, &bytes))
            continue;
        if (c->heard)
            c->base = bytes;
        if (has_stayed_long(g, c, now) || (bytes > c->base && bytes - c->base > bytes_max(g, c)))
            conn_cut(g, (int)fd, c);
        c->heard = false;
    }
}

static bool memory_grew(struct guard *g)
{
    char text[128];
    ssize_t n = g->statm >= 0 ? pread(g->statm, text, sizeof(text) - 1, 0) : -1;

    if (n <= 0)
        return true; /* cannot tell: look at everything */
    text[n] = 0;
    char *second = strchr(text, ' '); /* total, resident, ... */
    uint64_t resident = second ? strtoull(second, NULL, 10) : 0;
    bool grew = resident > g->resident + GROWTH_PAGES;

    g->resident = resident;
    return grew;
}

void guard_tick(struct guard *g)
{
    bool grew = memory_grew(g);

    if (g->open <= SCAN_ALWAYS_CONNS || grew || g->scans_left == 0) {
        scan(g);
        g->scans_left = SCAN_EVERY;
    } else {
        g->scans_left--;
    }
}
