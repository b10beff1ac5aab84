/* doctor_net.c - what hosts have in common: names that resolve, ports that are open, keys that fit */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster/doctor.h"
#include "wire/token.h"

#define CONNECT_MS 2000
#define NAMES_MAX 64u /* so many node addresses are asked for */

static bool is_numeric(const char *host)
{
    uint8_t raw[16];

    return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;
}

static bool is_any(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0 || strcmp(address, "*") == 0;
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

/* 0, or getaddrinfo's error; *ret_loopback: it leads to the host itself and to nothing else. */
static int resolve(const char *host, bool *ret_loopback)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int r = getaddrinfo(host, NULL, &hints, &list);

    *ret_loopback = r == 0;
    for (const struct addrinfo *i = list; i; i = i->ai_next)
        if (!is_loopback(i->ai_addr))
            *ret_loopback = false;
    if (list)
        freeaddrinfo(list);
    return r;
}

static const char *own_name(char out[256])
{
    if (gethostname(out, 255) < 0)
        td_format(out, 256, "localhost");
    out[255] = 0;
    return out;
}

static bool is_this_host(const char *address)
{
    char host[256];
    bool loopback;

    own_name(host);
    return strcmp(address, host) == 0 || strcmp(address, "localhost") == 0 || strncmp(address, "127.", 4) == 0 ||
           strcmp(address, "::1") == 0 || (is_numeric(address) && resolve(address, &loopback) == 0 && loopback);
}

/* --- names ------------------------------------------------------------------------------------------------------------- */

/* Where the broker listens on all addresses, tokens name the host: others must be led to it by that. */
static void look_at_own_name(struct visit *v)
{
    char host[256];
    bool loopback = false, others = false;
    const char *address = v->conf && v->conf->address ? v->conf->address : "127.0.0.1";
    const char *name = v->conf && v->conf->control_host ? v->conf->control_host : own_name(host);

    if (!is_any(address))
        name = address;
    if (is_any(address) || !is_numeric(address)) {
        int r = resolve(name, &loopback);
        if (r != 0) {
            doctor_ill(v, "names", "%s, by which workers find the broker, is not known here (%s): put it into DNS or /etc/hosts, or mend "
                       "SlurmctldHost= of slurm.conf or Address= of tender.conf", name, gai_strerror(r));
            return;
        }
    } else {
        loopback = strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
    }
    for (uint32_t i = 0; v->conf && i < v->conf->nodes.n; i++)
        others |= !td_str_empty(v->conf->nodes.v[i].address) && !is_this_host(v->conf->nodes.v[i].address);
    if (loopback && (others || is_any(address)))
        doctor_ill(v, "names", "%s leads back to the host that asks, so workers on other hosts do not find the broker: let /etc/hosts give "
                   "it the address that they see, or set Address= of tender.conf to that, and start the broker again", name);
    else
        doctor_good(v, "names", "workers find the broker by %s", name);
}

void doctor_look_at_names(struct visit *v)
{
    uint32_t asked = 0;

    look_at_own_name(v);
    for (uint32_t i = 0; i < v->nodes.rows.n && asked < NAMES_MAX; i++) {
        const struct td_node_info *n = &v->nodes.rows.v[i];
        bool loopback;
        if (td_str_empty(n->address) || is_numeric(n->address) || doctor_has_worker_here(v, n->name) ||
            td_str_equal(n->address, n->name))
            continue; /* workers dial in: a node without NodeAddr needs no address */
        asked++;
        int r = resolve(n->address, &loopback);
        if (r != 0)
            doctor_ill(v, "names", "NodeAddr=%s of node %s is not known here (%s): put it into DNS or /etc/hosts, or mend the line", n->address,
                       n->name, gai_strerror(r));
    }
}

/* --- ports ------------------------------------------------------------------------------------------------------------- */

struct endpoint {
    struct sockaddr_storage to;
    socklen_t len;
};

/* "tcp://127.0.0.1:17001"; one of all addresses is asked on the loopback. */
static bool endpoint_parse(const char *text, struct endpoint *ret)
{
    char host[128];
    const char *colon = strrchr(text, ':'), *from = text + strlen("tcp://");
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;

    if (!td_str_prefix(text, "tcp://") || !colon || colon <= from)
        return false;
    size_t n = (size_t)(colon - from);
    if (*from == '[' && n > 2) {
        from++;
        n -= 2;
    }
    td_format(host, sizeof(host), "%.*s", (int)n, from);
    if (is_any(host))
        td_format(host, sizeof(host), "%s", strchr(host, ':') ? "::1" : "127.0.0.1");
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0 || !list)
        return false;
    memcpy(&ret->to, list->ai_addr, list->ai_addrlen);
    ret->len = list->ai_addrlen;
    freeaddrinfo(list);
    return true;
}

/* 0, or an errno. */
static int dial(const struct endpoint *e)
{
    int failed = 0, fd = socket(e->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t len = sizeof(failed);

    if (fd < 0)
        return errno;
    if (connect(fd, (const struct sockaddr *)&e->to, e->len) < 0)
        failed = errno;
    if (failed == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, CONNECT_MS) <= 0)
            failed = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
            failed = errno;
    }
    close(fd);
    return failed;
}

static void look_at_open(struct visit *v, const char *what, const char *endpoint)
{
    struct endpoint e;

    if (!endpoint || !endpoint_parse(endpoint, &e))
        return;
    int failed = dial(&e);
    if (failed)
        doctor_ill(v, "ports", "nothing can be reached at %s, the broker's %s (%s): open that port in the firewall, or give it another one "
                   "with Ports= of tender.conf", endpoint, what, strerror(failed));
    else
        doctor_good(v, "ports", "%s is open for workers", endpoint);
}

/* A port that the broker wants and somebody else has. */
static void look_at_taken(struct visit *v, const char *address, unsigned port, const char *file)
{
    char text[160];
    struct endpoint e;
    int one = 1, failed = 0;

    td_format(text, sizeof(text), "tcp://%s:%u", is_any(address) && strcmp(address, "::") != 0 ? "127.0.0.1" : address, port);
    if (!endpoint_parse(text, &e))
        return;
    int fd = socket(e.to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (const struct sockaddr *)&e.to, e.len) < 0)
        failed = errno;
    close(fd);
    if (failed == EADDRINUSE)
        doctor_ill(v, "ports", "port %u, which workers know as the broker's, is taken by another program (ss -tlnp shows which): end that, "
                   "or remove %s and join the workers again", port, file);
    else if (failed)
        doctor_ill(v, "ports", "the broker cannot listen on %s (%s): mend Address= or Ports= of tender.conf", text, strerror(failed));
}

/* The broker is down: could it have its ports? They are chosen once and kept. */
static void look_at_kept(struct visit *v)
{
    char state[TD_MAX_PATH_BYTES], file[TD_MAX_PATH_BYTES + 32];
    struct td_buf text = {0};
    struct td_error err = {0};
    unsigned router = 0, pub = 0;

    doctor_state_dir(v, state);
    td_format(file, sizeof(file), "%s/broker.ports", state);
    if (access(file, R_OK) == 0 && file_read(file, &text, &err) == 0 && sscanf(td_buf_str(&text), "%u-%u", &router, &pub) == 2) {
        const char *address = v->conf && v->conf->address ? v->conf->address : "127.0.0.1";
        look_at_taken(v, address, router, file);
        look_at_taken(v, address, pub, file);
    }
    td_buf_release(&text);
}

void doctor_look_at_ports(struct visit *v)
{
    if (!v->c->open) {
        look_at_kept(v);
        return;
    }
    look_at_open(v, "door for workers", doctor_told(v, "router"));
    look_at_open(v, "voice to workers", doctor_told(v, "pub"));
}

/* --- keys -------------------------------------------------------------------------------------------------------------- */

/* What a worker kept of its token. 1: told; 0: there is nothing yet, or it was said why not. */
static int key_in(struct visit *v, const char *path, struct td_join_token *ret)
{
    struct td_buf text = {0};
    struct td_error err = {0};
    int r = 0;

    if (access(path, F_OK) < 0)
        return 0;
    if (access(path, R_OK) < 0) {
        doctor_note(v, "keys", "not looked at: %s is not yours to read", path);
        return 0;
    }
    r = file_read(path, &text, &err);
    if (r == 0)
        r = td_join_token_parse(td_buf_str(&text), ret, &err);
    if (r < 0)
        doctor_ill(v, "keys", "%s: %s; remove it, then tender down and tender up", path, err.text);
    td_buf_release(&text);
    return r == 0;
}

void doctor_look_at_keys(struct visit *v)
{
    const char *key = doctor_told(v, "server_key");
    char path[TD_MAX_PATH_BYTES + 600];
    struct td_join_token t = {0};
    uint32_t fits = 0;

    if (!key || !*v->local.dir)
        return;
    for (uint32_t i = 0; i < v->lines.v.n; i++) {
        const char *node = v->lines.v.v[i].node;
        td_format(path, sizeof(path), "%s/nodes/%s/joined", v->local.dir, node);
        if (!key_in(v, path, &t))
            continue;
        if (strcmp(t.server_key, key) == 0)
            fits++;
        else
            doctor_ill(v, "keys", "the broker's key has changed since the worker of %s joined (broker.key was lost or replaced): join it again, "
                       "with tender down --dir %s, then tender up --dir %s", node, v->local.dir, v->local.dir);
    }
    if (fits == v->lines.v.n && fits)
        doctor_good(v, "keys", "workers have joined this broker, by its key");
}
