/* main.c - tender-relay: carries the stdio of one step on one node between the shepherd and the srun that asked
 *
 * Started by the worker, which it outlives; told what it is for on standard input (a step_launch record: the stdio's secret
 * is in it, so neither arguments nor environment would do), which may come long after the start: the worker keeps one in
 * reserve. It keeps nothing: what it has carried is in the shepherd until
 * srun says it is out of danger, so both connections may break at any time and are made again together. An srun that does
 * not come back within CLIENT_MS is told to the shepherd, who ends the step; a shepherd that is gone is told to srun. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "local/local.h"
#include "local/sealed.h"
#include "worker/log.h"

#define CREDIT_BYTES (1024u * 1024)  /* on the way from the shepherd to srun */
#define WAITING_BYTES (1024u * 1024) /* not sent yet: the other side is not read beyond that */
#define CONNECT_MS 3000
#define CLIENT_MS 15000   /* srun is dialled anew for so long */
#define PROVE_MS 10000    /* who was dialled shows that it has the key, or another address is tried */
#define ATTACH_MS 10000   /* the shepherd may hear of us before it hears of the step */
#define PAUSE_MS 2
#define PAUSE_LAST_MS 200
#define SPEC_BYTES_MAX (8u * 1024 * 1024)

struct relay {
    const char *socket;
    struct td_arena arena;
    struct td_step_launch launch;
    struct td_sealed client;
    struct td_stream shepherd;
    bool proven;         /* the client has shown that it has the key */
    bool attached;       /* the shepherd has taken us, in this pair of connections */
    bool ever;           /* or in an earlier one */
    bool done;           /* the client took its leave */
    TD_VEC(uint32_t) exited;
};

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* --- dialling ------------------------------------------------------------------------------------------------------------- */

static int connect_within(const struct addrinfo *a)
{
    int one = 1, failed = 0;
    socklen_t len = sizeof(failed);
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0 ||
        (errno == EINPROGRESS && poll(&p, 1, CONNECT_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) == 0 &&
         failed == 0)) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        return fd;
    }
    close(fd);
    return -1;
}

/* "host:port" or "[address]:port" */
static int dial(const char *where)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    const char *colon = strrchr(where, ':');
    char host[256];
    int fd = -1;
    if (!colon || (size_t)(colon - where) >= sizeof(host))
        return -1;
    bool bracket = where[0] == '[' && colon > where + 1 && colon[-1] == ']';
    td_format(host, sizeof(host), "%s", where + bracket);
    host[colon - where - 2 * bracket] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0)
        return -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = connect_within(a);
    freeaddrinfo(list);
    return fd;
}

static bool attach(struct relay *r)
{
    struct td_error err = {0};
    const struct td_step_launch *l = &r->launch;
    int fd = td_local_connect(r->socket, &err);
    if (fd < 0)
        return false;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    td_stream_init(&r->shepherd, fd, 2 * WAITING_BYTES);
    struct td_sh_attach m = {.job = l->job, .attempt = l->attempt, .step = l->step, .credit = CREDIT_BYTES};
    return td_stream_put(&r->shepherd, TD_MSG_SH_ATTACH, 0, &m) == 0 && td_stream_flush(&r->shepherd) >= 0;
}

/* --- carrying --------------------------------------------------------------------------------------------------------------- */

/* From the shepherd: every frame goes on as it is. */
static bool from_shepherd(struct relay *r)
{
    const uint8_t *data;
    size_t len;
    struct td_error err = {0};
    struct td_arena arena = {0};
    bool open = td_stream_read(&r->shepherd, &err) >= 0;
    int got;
    while ((got = td_stream_next(&r->shepherd, &data, &len, &err)) > 0) {
        struct td_frame f;
        if (td_wire_get_frame(&arena, data, len, &f, &err) < 0) {
            got = -1;
            break;
        }
        r->attached = r->ever = true;
        if (f.id == TD_MSG_SH_TASK_EXIT)
            td_vec_push(&r->exited, ((const struct td_sh_task_exit *)f.body)->rank);
        td_sealed_put(&r->client, f.id, f.body);
        td_arena_reset(&arena);
    }
    td_arena_release(&arena);
    return open && got == 0;
}

static bool may_say(uint32_t id)
{
    return id == TD_MSG_SH_DATA || id == TD_MSG_SH_TAKEN || id == TD_MSG_SH_SIZE || id == TD_MSG_SH_SIGNAL || id == TD_MSG_SH_DETACH;
}

/* From the client. Before the shepherd has taken us only its proof is read: what went to a shepherd that does not know the
 * step yet would be lost with that connection. False: it has gone, or what it says is not to be trusted. */
static bool from_client(struct relay *r, bool read)
{
    const uint8_t *data;
    size_t len;
    struct td_error err = {0};
    struct td_arena arena = {0};
    bool open = !read || td_sealed_read(&r->client, &err) >= 0;
    int got = 0;
    while (!r->done && (r->attached || !r->proven) && (got = td_sealed_next(&r->client, &data, &len, &err)) > 0) {
        struct td_frame f;
        got = td_wire_get_frame(&arena, data, len, &f, &err);
        if (got == 0 && !r->proven)
            got = f.id == TD_MSG_IO_HELLO ? 0 : -1;
        else if (got == 0 && f.id != TD_MSG_IO_HELLO) {
            if (!may_say(f.id) || td_stream_put(&r->shepherd, f.id, 0, f.body) < 0)
                got = -1;
            r->done |= f.id == TD_MSG_SH_DETACH;
        }
        r->proven |= got == 0;
        td_arena_reset(&arena);
        if (got < 0)
            break;
    }
    td_arena_release(&arena);
    return (open && got >= 0 && !r->client.closed) || r->done;
}

/* The shepherd is gone: its tasks died with it. */
static void say_shepherd_gone(struct relay *r)
{
    const struct td_u32s *ranks = &r->launch.place.ranks;
    for (uint32_t i = 0; i < ranks->n; i++) {
        bool known = false;
        for (uint32_t k = 0; k < r->exited.n; k++)
            known |= r->exited.v[k] == ranks->v[i];
        struct td_sh_task_exit m = {
            .rank = ranks->v[i], .signal = SIGKILL, .last = true};
        m.text = r->ever ? "the node's shepherd is gone, and its tasks with it" : "the node's shepherd does not have the step";
        if (!known)
            td_sealed_put(&r->client, TD_MSG_SH_TASK_EXIT, &m);
    }
    for (int64_t end = now_ms() + CONNECT_MS; (td_sealed_flush(&r->client) == 0 || !r->proven) && now_ms() < end;) {
        if (!r->proven && !from_client(r, true))
            return;
        pause_ms(PAUSE_MS);
    }
}

enum talk { TALK_DONE, TALK_CLIENT_LOST, TALK_SHEPHERD_LOST };

static void leave(struct relay *r)
{
    for (int64_t end = now_ms() + CONNECT_MS; td_stream_flush(&r->shepherd) == 0 && now_ms() < end;)
        pause_ms(PAUSE_MS);
}

/* One pair of connections, until one of them is over. */
static enum talk talk(struct relay *r)
{
    int64_t prove_by = now_ms() + PROVE_MS;
    for (;;) {
        bool client_full = td_sealed_waiting(&r->client) >= WAITING_BYTES;
        bool shepherd_full = r->shepherd.out.len - r->shepherd.out_sent >= WAITING_BYTES;
        bool may_listen = r->attached ? !shepherd_full : !r->proven;
        struct pollfd p[2] = {
            {.fd = r->client.fd, .events = (short)((may_listen ? POLLIN : 0) | (td_sealed_wants_write(&r->client) ? POLLOUT : 0))},
            {.fd = r->shepherd.fd, .events = (short)((client_full ? 0 : POLLIN) | (td_stream_wants_write(&r->shepherd) ? POLLOUT : 0))},
        };
        int n = poll(p, 2, r->proven ? -1 : PROVE_MS);
        if (n < 0 && errno != EINTR)
            return TALK_CLIENT_LOST;
        if ((p[0].revents & (POLLIN | POLLERR | POLLHUP)) && !from_client(r, true))
            return TALK_CLIENT_LOST;
        if (r->done) {
            leave(r);
            return TALK_DONE;
        }
        bool attached = r->attached;
        bool shepherd_open = !(p[1].revents & (POLLIN | POLLERR | POLLHUP)) || from_shepherd(r);
        if (r->attached != attached && !from_client(r, false)) /* what has come meanwhile */
            return TALK_CLIENT_LOST;
        if (td_sealed_flush(&r->client) < 0)
            return TALK_CLIENT_LOST;
        if (!shepherd_open || td_stream_flush(&r->shepherd) < 0)
            return TALK_SHEPHERD_LOST;
        if (!r->proven && now_ms() >= prove_by)
            return TALK_CLIENT_LOST;
    }
}

static bool client_dial(struct relay *r, uint32_t *which)
{
    const struct td_strs *io = &r->launch.spec.io;
    for (uint32_t i = 0; i < io->n; i++) {
        uint32_t at = (*which + i) % io->n;
        int fd = dial(io->v[at]);
        if (fd < 0)
            continue;
        *which = at;
        td_sealed_init(&r->client, fd, r->launch.spec.io_key.v, true);
        struct td_io_hello m = {
            .version = TD_PROTOCOL_VERSION,
            .job = r->launch.job,
            .step = r->launch.step,
            .node_rank = r->launch.node_rank,
            .node = r->launch.place.node,
        };
        td_sealed_put(&r->client, TD_MSG_IO_HELLO, &m);
        td_sealed_flush(&r->client);
        return true;
    }
    return false;
}

/* Nobody will take the output: the shepherd is told, and ends the step. */
static void give_up(struct relay *r)
{
    td_log("warn", "job=%u.%u step=%u: its client does not come back: the step is ended", r->launch.job, r->launch.attempt,
           r->launch.step);
    struct td_sh_detach m = {.lost = true};
    if (attach(r) && td_stream_put(&r->shepherd, TD_MSG_SH_DETACH, 0, &m) == 0)
        leave(r);
}

static int carry(struct relay *r)
{
    int64_t client_by = now_ms() + CLIENT_MS, attach_by = now_ms() + ATTACH_MS;
    uint32_t which = 0;
    long pause = PAUSE_MS;
    while (now_ms() < client_by) {
        r->proven = r->attached = false;
        if (!client_dial(r, &which)) {
            pause_ms(pause);
            pause = TD_MIN(pause * 2, PAUSE_LAST_MS);
            continue;
        }
        enum talk how = TALK_SHEPHERD_LOST;
        while (how == TALK_SHEPHERD_LOST && now_ms() < attach_by) {
            if (attach(r))
                how = talk(r);
            td_stream_release(&r->shepherd);
            if (how != TALK_SHEPHERD_LOST || r->attached)
                break;
            pause_ms(pause);
            pause = TD_MIN(pause * 2, PAUSE_LAST_MS);
        }
        if (how == TALK_DONE)
            return 0;
        if (how == TALK_SHEPHERD_LOST && !r->attached) {
            say_shepherd_gone(r);
            return 1;
        }
        if (r->proven)
            client_by = now_ms() + CLIENT_MS;
        else
            which++;
        /* a shepherd that had us gets another try or two, with a client who says again what that one may not have heard */
        attach_by = now_ms() + (how == TALK_SHEPHERD_LOST ? ATTACH_MS / 5 : ATTACH_MS);
        td_sealed_release(&r->client);
        pause_ms(PAUSE_MS);
        pause = PAUSE_MS;
    }
    give_up(r);
    return 1;
}

/* 1: it was kept in reserve by a worker that is gone. */
static int read_launch(struct relay *r, struct td_error *err)
{
    struct td_buf text = {0};
    uint8_t chunk[65536];
    ssize_t n;
    while ((n = read(0, chunk, sizeof(chunk))) > 0 && text.len < SPEC_BYTES_MAX)
        td_buf_put(&text, chunk, (size_t)n);
    int got = n < 0 ? td_fail(err, TD_E_IO, "cannot read what to carry: %s", strerror(errno))
                    : td_wire_get_record(&r->arena, &td_rec_step_launch, text.data, text.len, &r->launch, err);
    if (n == 0 && text.len == 0)
        got = 1;
    td_buf_release(&text);
    if (got == 0 && (r->launch.spec.io_key.n != TD_SEAL_KEY_BYTES || r->launch.spec.io.n == 0))
        return td_fail(err, TD_E_INVALID_REQUEST, "the step names no client");
    return got;
}

int main(int argc, char **argv)
{
    struct relay r = {.socket = argc == 3 ? argv[2] : ""};
    struct td_error err = {0};
    if (argc != 3 || strcmp(argv[1], "--shepherd") != 0) {
        fprintf(stderr, "tender-relay: started by tender-worker only\nusage: tender-relay --shepherd SOCKET < STEP\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    td_stream_init(&r.shepherd, -1, 0);
    r.client.fd = -1;
    int got = sodium_init() < 0 ? td_fail(&err, TD_E_IO, "libsodium does not start") : read_launch(&r, &err);
    if (got < 0)
        td_log("error", "relay: %s", err.text);
    if (got != 0)
        return got < 0;
    close(0);
    int status = carry(&r);
    td_sealed_release(&r.client);
    td_stream_release(&r.shepherd);
    td_vec_release(&r.exited);
    td_arena_release(&r.arena);
    return status;
}
