/* socket.h - what server and client both do with a libzmq socket; inside td_bus only
 *
 * Plain libzmq and not CZMQ: a ZAP handler is one per context and CZMQ keeps one context for a whole process, while a
 * test (and a front beside a broker) has several servers in one process, each with its own handler. */
#ifndef TD_BUS_SOCKET_H
#define TD_BUS_SOCKET_H

#include <zmq.h>

#include "bus/bus.h"

#define MESSAGE_BYTES_MORE 1024 /* of encryption */
#define MESSAGE_BYTES_MAX (TD_MAX_FRAME_BYTES + MESSAGE_BYTES_MORE) /* a larger part ends its connection inside libzmq */
#define HANDSHAKE_MS 10000

/* Options are constants of ours, so a refusal is our bug. */
void socket_set_int(void *socket, int option, int value);
void socket_set_text(void *socket, int option, const char *value);
int socket_fd(void *socket);
/* Runs the socket's waiting commands and says whether a message can be read. */
bool socket_readable(void *socket);
/* What both ends have in common. hwm: messages held each way for one peer. */
void socket_bound(void *socket, int send_hwm, int receive_hwm);

/* A monitor of `socket` on its own inproc endpoint; NULL with errno when it cannot be made. */
void *monitor_open(void *ctx, void *socket, const char *endpoint, int events);
/* Next event, with its value (a descriptor or an errno); false when none waits. */
bool monitor_next(void *monitor, uint32_t *ret_event, uint32_t *ret_value);

/* One descriptor to poll that stands for many. */
int wake_open(void);              /* epoll descriptor, or -1 */
bool wake_add(int wake, int fd);  /* false with errno */
int kick_open(void);              /* eventfd that makes the wake readable by hand, or -1 */
void kick(int fd);
void kick_clear(int fd);
int timer_open(void);             /* timerfd, not running, or -1 */
void timer_start(int fd, uint32_t first_ms, uint32_t every_ms);
bool timer_expired(int fd);

#endif
