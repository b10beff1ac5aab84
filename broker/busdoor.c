/* busdoor.c - the bus: workers, told by the CURVE key of their connection
 *
 * A route is given a handle when it is first heard, so that the core and the rest of the shell speak of peers by number.
 * Routes are bounded: the one silent for longest gives way. A send to a full or gone peer is no error, only counted: the
 * core sends again until it is answered. */
#include "broker/shell.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX 70000u
#define MESSAGES_PER_TURN 20000u
#define PORT_TRIES 64
/* Below the range of ports that outgoing connections are given, so that none of them sits on ours after a restart. */
#define PORT_FIRST 17000u
#define PORT_COUNT 15000u
#define REBIND_TRIES 50
#define REBIND_PAUSE_NS 100000000L

/* --- ports: chosen once, then kept, because workers and tokens know them --------------------------------------------- */

static bool ports_read(const char *path, char out[32])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, out, 31);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return out[0] != '\0';
}

static int ports_write(const char *path, const char *text, struct td_error *err)
{
    char temp[4224];
    td_format(temp, sizeof(temp), "%s.new", path);
    FILE *f = fopen(temp, "we");
    if (!f || fprintf(f, "%s\n", text) < 0 || fflush(f) != 0 || fsync(fileno(f)) < 0) {
        int r = td_fail(err, TD_E_IO, "cannot write %s: %s", temp, strerror(errno));
        if (f)
            fclose(f);
        return r;
    }
    fclose(f);
    if (rename(temp, path) < 0)
        return td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

static bool inside(const char *ports, const char *range)
{
    unsigned a = 0, b = 0, first = 0, last = 0;
    if (sscanf(ports, "%u-%u", &a, &b) != 2)
        return false;
    if (!range || strcmp(range, "0") == 0)
        return true;
    return sscanf(range, "%u-%u", &first, &last) == 2 && a >= first && b <= last;
}

static unsigned port_of(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    uint64_t port = 0;
    if (colon)
        td_parse_u64(colon + 1, &port);
    return (unsigned)port;
}

/* Workers of the last reign knock at the old ports; whoever holds them now (our own dying predecessor) may let go. */
static int reopen(struct shell *s, const char *address, const char *ports, uint32_t peers, struct td_error *err)
{
    int r = -1;
    for (int i = 0; i < REBIND_TRIES; i++) {
        r = td_bus_server_new(address, ports, &s->keys, peers, &s->bus, err);
        if (r != -TD_E_IO)
            return r;
        nanosleep(&(struct timespec){.tv_nsec = REBIND_PAUSE_NS}, NULL);
    }
    char why[TD_ERROR_TEXT_MAX];
    td_format(why, sizeof(why), "%s", err->text);
    return td_fail(err, TD_E_IO, "%s: workers know these ports; free them, or remove %s/broker.ports and join the workers again",
                   why, s->state_dir);
}

static int open_anywhere(struct shell *s, const char *address, uint32_t peers, struct td_error *err)
{
    int r = -1;
    for (int i = 0; i < PORT_TRIES; i++) {
        uint32_t pick = 0;
        if (getrandom(&pick, sizeof(pick), 0) != sizeof(pick))
            pick = (uint32_t)getpid() + (uint32_t)i * 131;
        unsigned first = PORT_FIRST + pick % (PORT_COUNT / 2) * 2;
        char range[32];
        td_format(range, sizeof(range), "%u-%u", first, first + 1);
        r = td_bus_server_new(address, range, &s->keys, peers, &s->bus, err);
        if (r != -TD_E_IO)
            return r;
    }
    return r;
}

/* --- opening ------------------------------------------------------------------------------------------------------- */

static uint32_t nodes_configured(const struct td_conf *conf)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < conf->nodes.n; i++) {
        struct td_hostlist l = {0};
        struct td_error ignored;
        if (td_hostlist_parse(conf->nodes.v[i].names, TD_MAX_NODES, &l, &ignored) == 0)
            n += l.names.n;
        td_hostlist_release(&l);
    }
    return n;
}

/* Every configured node must fit; beyond that as many as there are descriptors for. The rest is for local clients. */
static uint32_t peers_that_fit(struct shell *s)
{
    struct rlimit lim = {.rlim_max = 1024};
    getrlimit(RLIMIT_NOFILE, &lim);
    uint64_t files = lim.rlim_max == RLIM_INFINITY ? 1u << 20 : lim.rlim_max;
    uint64_t want = TD_MAX(nodes_configured(s->conf) + 16, 1024u);
    uint64_t clients = TD_MIN((uint64_t)TD_MAX_CLIENTS, TD_MAX(files / 4, 128u));
    s->clients_max = (uint32_t)clients;
    uint64_t room = files > clients + 192 ? (files - clients - 192) / 3 : 0;
    return (uint32_t)TD_MIN(want, TD_MAX(room, nodes_configured(s->conf) + 16));
}

static const char *address_of(const struct shell *s)
{
    if (s->opt.address)
        return s->opt.address;
    return s->conf->address ? s->conf->address : "127.0.0.1";
}

int shell_bus_open(struct shell *s, struct td_error *err)
{
    char path[4200], ports[32] = "";
    const char *range = s->opt.ports ? s->opt.ports : s->conf->ports;
    const char *address = address_of(s);
    uint32_t peers = peers_that_fit(s);

    td_format(path, sizeof(path), "%s/broker.key", s->state_dir);
    int r = td_keypair_load(path, &s->keys, err);
    if (r < 0)
        return r;
    td_format(path, sizeof(path), "%s/broker.ports", s->state_dir);
    if (ports_read(path, ports) && inside(ports, range))
        r = reopen(s, address, ports, peers, err);
    else if (range && strcmp(range, "0") != 0)
        r = td_bus_server_new(address, range, &s->keys, peers, &s->bus, err);
    else
        r = open_anywhere(s, address, peers, err);
    if (r < 0)
        return r;

    unsigned router = port_of(td_bus_server_router_endpoint(s->bus)), pub = port_of(td_bus_server_pub_endpoint(s->bus));
    td_format(ports, sizeof(ports), "%u-%u", router, pub);
    if (pub == router + 1) /* otherwise they are not a range, and the configured one decides again */
        r = ports_write(path, ports, err);
    if (r < 0)
        return r;
    int fd = -1;
    TD_ASSERT(td_bus_server_fds(s->bus, &fd, 1) == 1);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = SHELL_EPOLL_BUS};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
        return td_fail(err, TD_E_IO, "cannot watch the bus: %s", strerror(errno));
    s->bus_has_more = true;
    shell_log(&s->log, "info bus router=%s pub=%s", td_bus_server_router_endpoint(s->bus), td_bus_server_pub_endpoint(s->bus));
    return 0;
}

void shell_bus_close(struct shell *s)
{
    td_bus_server_destroy(&s->bus);
    for (uint32_t i = 0; i < s->peers.n; i++)
        td_free(s->peers.v[i]);
    td_vec_release(&s->peers);
    td_map_release(&s->routes);
    td_map_release(&s->peer_by_handle);
}

/* What a token tells: the address others reach, where we listen on all of them. */
static void endpoint_for_others(const struct shell *s, const char *endpoint, char out[128])
{
    const char *name = s->conf->control_address ? s->conf->control_address
                       : s->conf->control_host  ? s->conf->control_host
                                                : s->host;
    bool six = strchr(name, ':') && name[0] != '['; /* an IPv6 address needs brackets before a port */
    if (td_str_prefix(endpoint, "tcp://0.0.0.0:") || td_str_prefix(endpoint, "tcp://[::]:"))
        td_format(out, 128, six ? "tcp://[%s]%s" : "tcp://%s%s", name, strrchr(endpoint, ':'));
    else
        td_format(out, 128, "%s", endpoint);
}

void shell_bus_endpoints(struct shell *s, char router[128], char pub[128])
{
    endpoint_for_others(s, td_bus_server_router_endpoint(s->bus), router);
    endpoint_for_others(s, td_bus_server_pub_endpoint(s->bus), pub);
}

/* --- peers --------------------------------------------------------------------------------------------------------- */

static uint64_t route_key(const uint8_t *route, size_t len)
{
    return td_mix_bytes(0x7265, route, len);
}

const struct shell_peer *shell_bus_peer(struct shell *s, uint64_t handle)
{
    return td_map_get(&s->peer_by_handle, handle);
}

static void peer_forget(struct shell *s, uint32_t at)
{
    struct shell_peer *p = s->peers.v[at];
    td_map_del(&s->peer_by_handle, p->handle);
    if (td_map_get(&s->routes, route_key(p->route, p->route_len)) == p)
        td_map_del(&s->routes, route_key(p->route, p->route_len));
    td_free(p);
    s->peers.v[at] = s->peers.v[--s->peers.n];
}

static struct shell_peer *peer_of(struct shell *s, const struct td_bus_msg *m)
{
    uint64_t key = route_key(m->route, m->route_len);
    struct shell_peer *p = td_map_get(&s->routes, key);
    bool same = p && p->route_len == m->route_len && memcmp(p->route, m->route, m->route_len) == 0 &&
                strcmp(p->key, m->key) == 0;
    if (!same) {
        /* A new connection; a route that was used before by another key is another peer. */
        if (s->peers.n >= PEERS_MAX) {
            uint32_t oldest = 0;
            for (uint32_t i = 1; i < s->peers.n; i++)
                if (s->peers.v[i]->heard < s->peers.v[oldest]->heard)
                    oldest = i;
            peer_forget(s, oldest);
        }
        p = td_alloc(sizeof(*p));
        p->handle = SHELL_BUS_PEER | s->next_handle++;
        p->route_len = m->route_len;
        memcpy(p->route, m->route, m->route_len);
        memcpy(p->key, m->key, sizeof(p->key));
        td_map_put(&s->routes, key, p);
        td_map_put(&s->peer_by_handle, p->handle, p);
        td_vec_push(&s->peers, p);
    }
    p->heard = s->wakes;
    return p;
}

void shell_bus_take(struct shell *s)
{
    struct td_bus_msg m;
    for (uint32_t i = 0; i < MESSAGES_PER_TURN; i++) {
        if (shell_full(s)) {
            s->bus_has_more = true;
            return;
        }
        if (td_bus_server_next(s->bus, &m) <= 0) {
            s->bus_has_more = false;
            return;
        }
        const struct shell_peer *p = peer_of(s, &m);
        const struct shell_from from = {.peer = p->handle, .key = p->key, .address = m.address};
        shell_take_frame(s, &from, m.data, m.len);
    }
    s->bus_has_more = true;
}

int shell_bus_send_frame(struct shell *s, uint64_t handle, const uint8_t *frame, size_t len)
{
    const struct shell_peer *p = shell_bus_peer(s, handle);
    struct td_buf b = {.data = (uint8_t *)(uintptr_t)frame, .len = len, .cap = len}; /* only read from */
    return p && s->bus ? td_bus_server_send(s->bus, p->route, p->route_len, &b) : -TD_E_UNREACHABLE;
}

int shell_bus_send(struct shell *s, uint64_t handle, uint32_t id, uint64_t request, const void *body)
{
    const struct shell_peer *p = shell_bus_peer(s, handle);
    if (!p || !s->bus) {
        s->send_gone++;
        return -TD_E_UNREACHABLE;
    }
    td_buf_reset(&s->frame);
    td_wire_put_frame(&s->frame, id, request, body);
    if (s->frame.len > TD_MAX_FRAME_BYTES) {
        shell_log(&s->log, "error message %s of %lu bytes is over FRAME_BYTES and was not sent", td_msg_name(id),
                  (unsigned long)s->frame.len);
        return -TD_E_TOO_BIG;
    }
    int r = td_bus_server_send(s->bus, p->route, p->route_len, &s->frame);
    if (r == -TD_E_BUSY)
        s->send_full++;
    else if (r < 0)
        s->send_gone++;
    return r;
}
