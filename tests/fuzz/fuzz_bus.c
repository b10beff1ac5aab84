/* fuzz_bus.c - the door for workers: any bytes on the port, and any messages behind a good handshake, while another goes on
 *
 * What must hold: what is given out is one frame of at most FRAME_BYTES under the key of who sent it; a stranger's noise is
 * never given out; whatever one connection does, an honest one is heard, and answered. Our own files are instrumented;
 * libzmq is as the system has it. Slow (a network in each run): few runs, long ones by hand. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "bus/bus.h"
#include "must.h"

#define PATIENCE_MS 20000

static struct td_keypair server_keys, honest_keys, bad_keys;
static struct td_bus_server *server;
static struct td_bus_client *honest;
static void *bad; /* a DEALER behind a good handshake */
static uint64_t said;

static void open_once(void)
{
    struct td_error err = {0};
    int zero = 0, high = 100;

    if (server)
        return;
    MUST(td_keypair_make(&server_keys, &err) == 0 && td_keypair_make(&honest_keys, &err) == 0 && td_keypair_make(&bad_keys, &err) == 0);
    MUST(td_bus_server_new("127.0.0.1", NULL, &server_keys, 64, &server, &err) == 0);
    const char *router = td_bus_server_router_endpoint(server);
    MUST(td_bus_client_new(router, td_bus_server_pub_endpoint(server), server_keys.public_key, &honest_keys, &honest, &err) == 0);
    bad = zmq_socket(zmq_ctx_new(), ZMQ_DEALER);
    zmq_setsockopt(bad, ZMQ_CURVE_SERVERKEY, server_keys.public_key, 40);
    zmq_setsockopt(bad, ZMQ_CURVE_PUBLICKEY, bad_keys.public_key, 40);
    zmq_setsockopt(bad, ZMQ_CURVE_SECRETKEY, bad_keys.secret_key, 40);
    zmq_setsockopt(bad, ZMQ_LINGER, &zero, sizeof(zero));
    zmq_setsockopt(bad, ZMQ_SNDHWM, &high, sizeof(high));
    MUST(zmq_connect(bad, router) == 0);
}

static void noise(const uint8_t *data, size_t len)
{
    const char *colon = strrchr(td_bus_server_router_endpoint(server), ':');
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        (void)!send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (fd >= 0)
        close(fd);
}

/* Each first byte says how long a part is, and whether it is the last of its message. */
static void messages(const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t n = TD_MIN((size_t)(data[0] >> 1), len - 1);
        bool last = data[0] & 1 || n == len - 1;
        if (zmq_send(bad, data + 1, n, ZMQ_DONTWAIT | (last ? 0 : ZMQ_SNDMORE)) < 0)
            return;
        data += 1 + n;
        len -= 1 + n;
    }
}

/* Takes what came; true: the honest one's word was among it, and was answered. */
static bool serve(const char *word)
{
    struct td_bus_msg m;
    bool heard = false;
    int r;

    while ((r = td_bus_server_next(server, &m)) > 0) {
        bool is_honest = strcmp(m.key, honest_keys.public_key) == 0;
        MUST(m.len <= TD_MAX_FRAME_BYTES && m.route_len > 0 && m.route_len <= sizeof(m.route));
        MUST(is_honest || strcmp(m.key, bad_keys.public_key) == 0);
        if (!is_honest || m.len != strlen(word) || memcmp(m.data, word, m.len) != 0)
            continue;
        struct td_buf answer = {0};
        td_buf_puts(&answer, word);
        MUST(td_bus_server_send(server, m.route, m.route_len, &answer) == 0);
        td_buf_release(&answer);
        heard = true;
    }
    return heard;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void honest_one_goes_on(void)
{
    char word[32];
    int64_t until = now_ms() + PATIENCE_MS;
    bool sent = false, answered = false;

    td_format(word, sizeof(word), "word %llu", (unsigned long long)++said);
    while (!answered) {
        struct pollfd p[5];
        int fds[4], n = td_bus_client_fds(honest, fds, 4);
        struct td_buf b = {0};
        const uint8_t *data;
        size_t len;
        bool published;
        MUST(now_ms() < until);
        td_buf_puts(&b, word);
        sent = sent || td_bus_client_send(honest, &b) == 0;
        td_buf_release(&b);
        serve(word);
        while (td_bus_client_next(honest, &data, &len, &published) == 1)
            answered |= len == strlen(word) && memcmp(data, word, len) == 0;
        if (answered)
            return;
        for (int i = 0; i < n; i++)
            p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        MUST(td_bus_server_fds(server, fds, 1) == 1);
        p[n] = (struct pollfd){.fd = fds[0], .events = POLLIN};
        poll(p, (nfds_t)n + 1, 20);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    open_once();
    if (len > 1 && data[0] & 1)
        messages(data + 1, len - 1);
    else if (len > 1)
        noise(data + 1, len - 1);
    honest_one_goes_on();
    return 0;
}
