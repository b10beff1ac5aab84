/* socket.c - libzmq sockets, their monitors, and the one descriptor a loop polls
 *
 * A libzmq descriptor becomes readable when the socket's mailbox gets a command, not when a message waits; any call on
 * the socket, a send too, may empty the mailbox and with it the readiness; and while a reader has not met the end of what
 * waits, nothing new is announced to it. So an eventfd (kick) keeps the wake readable from the first message taken until
 * none was left, and after a send that finds something to read: a caller who reads one message a poll, or sends before he
 * polls, never sleeps over one. */
#include "bus/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

void socket_set_int(void *socket, int option, int value)
{
    int r = zmq_setsockopt(socket, option, &value, sizeof(value));

    TD_ASSERT(r == 0);
}

void socket_set_text(void *socket, int option, const char *value)
{
    int r = zmq_setsockopt(socket, option, value, strlen(value));

    TD_ASSERT(r == 0);
}

int socket_fd(void *socket)
{
    int fd = -1;
    size_t size = sizeof(fd);
    int r = zmq_getsockopt(socket, ZMQ_FD, &fd, &size);

    TD_ASSERT(r == 0);
    return fd;
}

bool socket_readable(void *socket)
{
    int events = 0;
    size_t size = sizeof(events);
    int r;

    do {
        r = zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    } while (r < 0 && zmq_errno() == EINTR);
    TD_ASSERT(r == 0);
    return events & ZMQ_POLLIN;
}

void socket_bound(void *socket, int send_hwm, int receive_hwm)
{
    int64_t most = MESSAGE_BYTES_MAX;
    int r = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof(most));

    TD_ASSERT(r == 0);
    socket_set_int(socket, ZMQ_SNDHWM, send_hwm);
    socket_set_int(socket, ZMQ_RCVHWM, receive_hwm);
    socket_set_int(socket, ZMQ_LINGER, 0);
    socket_set_int(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
}

void *monitor_open(void *ctx, void *socket, const char *endpoint, int events)
{
    if (zmq_socket_monitor(socket, endpoint, events) < 0)
        return NULL;
    void *m = zmq_socket(ctx, ZMQ_PAIR);
    if (!m)
        return NULL;
    socket_set_int(m, ZMQ_LINGER, 0);
    if (zmq_connect(m, endpoint) < 0) {
        zmq_close(m);
        return NULL;
    }
    return m;
}

/* An event is two parts: number and value (6 bytes, in this machine's order), then the endpoint. */
bool monitor_next(void *monitor, uint32_t *ret_event, uint32_t *ret_value)
{
    uint8_t head[6];
    char endpoint[1]; /* cut off: not wanted */
    uint16_t event;
    int n;

    do {
        n = zmq_recv(monitor, head, sizeof(head), ZMQ_DONTWAIT);
    } while (n < 0 && zmq_errno() == EINTR);
    if (n < 0)
        return false;
    TD_ASSERT(n == sizeof(head));
    zmq_recv(monitor, endpoint, sizeof(endpoint), 0); /* parts of one message come together */
    memcpy(&event, head, sizeof(event));
    memcpy(ret_value, head + sizeof(event), sizeof(*ret_value));
    *ret_event = event;
    return true;
}

int wake_open(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

bool wake_add(int wake, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

    return epoll_ctl(wake, EPOLL_CTL_ADD, fd, &ev) == 0;
}

int kick_open(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void kick(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof(one));

    TD_ASSERT(n == sizeof(one) || errno == EAGAIN); /* EAGAIN: kicked more often than can be counted */
}

void kick_clear(int fd)
{
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count));

    TD_ASSERT(n == sizeof(count) || errno == EAGAIN);
}

int timer_open(void)
{
    return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

void timer_start(int fd, uint32_t first_ms, uint32_t every_ms)
{
    struct itimerspec t = {
        .it_value = {first_ms / 1000, (first_ms % 1000) * 1000000L},
        .it_interval = {every_ms / 1000, (every_ms % 1000) * 1000000L},
    };
    int r = timerfd_settime(fd, 0, &t, NULL);

    TD_ASSERT(r == 0);
}

bool timer_expired(int fd)
{
    uint64_t times;

    return read(fd, &times, sizeof(times)) == sizeof(times);
}
