/* trouble.c - why no connection stands: said once after a while, then once a minute
 *
 * libzmq tries for ever and tells nobody that a name does not resolve. The resolver may take many seconds, so it is asked
 * on a thread that owns its question and writes one sentence into a socket; whoever asked may be gone by then. */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/bus.h"

#define FIRST_MS 3000 /* a restart of the broker is no trouble */
#define AGAIN_MS 60000

struct question {
    char host[256], port[16];
    int fd;
};

/* "tcp://host:port", "tcp://[address]:port" */
static bool split(const char *endpoint, struct question *q)
{
    const char *host = strstr(endpoint, "://"), *colon = strrchr(endpoint, ':');

    if (!host || colon < host + 3)
        return false;
    host += 3;
    size_t n = (size_t)(colon - host);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host++;
        n -= 2;
    }
    snprintf(q->host, sizeof(q->host), "%.*s", (int)n, host);
    snprintf(q->port, sizeof(q->port), "%s", colon + 1);
    return true;
}

static void *ask(void *arg)
{
    struct question *q = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char text[TD_BUS_TROUBLE_BYTES], address[64] = "";
    int r = getaddrinfo(q->host, q->port, &hints, &list);

    if (r == 0 && getnameinfo(list->ai_addr, list->ai_addrlen, address, sizeof(address), NULL, 0, NI_NUMERICHOST) != 0)
        address[0] = 0;
    if (r != 0)
        snprintf(text, sizeof(text), "the name %s does not resolve: %s; put it into DNS or /etc/hosts of this host", q->host,
                 r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
    else
        snprintf(text, sizeof(text), "%s (%s) does not answer at port %s: is tender-broker running there, and the port open?", q->host,
                 address, q->port);
    if (list)
        freeaddrinfo(list);
    send(q->fd, text, strlen(text), MSG_NOSIGNAL); /* fails where nobody waits any more */
    close(q->fd);
    td_free(q);
    return NULL;
}

static bool begin(struct td_bus_trouble *t, const char *endpoint)
{
    struct question *q = td_alloc(sizeof(*q));
    int pair[2];
    sigset_t all, before;
    pthread_t thread;

    if (!split(endpoint, q) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        td_free(q);
        return false;
    }
    q->fd = pair[1];
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    int r = pthread_create(&thread, NULL, ask, q);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0) {
        close(pair[0]);
        close(pair[1]);
        td_free(q);
        return false;
    }
    pthread_detach(thread);
    t->fd = pair[0];
    t->asking = true;
    return true;
}

static void end(struct td_bus_trouble *t)
{
    if (t->asking)
        close(t->fd);
    t->asking = false;
}

bool td_bus_trouble_look(struct td_bus_trouble *t, bool stands, const char *endpoint, int64_t now_ms, char text[TD_BUS_TROUBLE_BYTES])
{
    if (stands) {
        end(t);
        *t = (struct td_bus_trouble){0};
        return false;
    }
    if (!t->say_ms)
        t->say_ms = now_ms + FIRST_MS;
    if (!t->asking && now_ms >= t->say_ms) {
        t->say_ms = now_ms + AGAIN_MS;
        begin(t, endpoint); /* no thread, no sentence: it is tried again in a minute */
    }
    if (!t->asking)
        return false;
    ssize_t n = recv(t->fd, text, TD_BUS_TROUBLE_BYTES - 1, MSG_DONTWAIT);
    if (n < 0)
        return false;
    text[n] = 0;
    end(t);
    return n > 0;
}
