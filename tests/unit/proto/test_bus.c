/* test_bus.c - two ends of the bus on loopback, and peers that mean no good */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>
#include <cmocka.h>

#include "bus/bus.h"
#include "curve_peer.h"

#define PATIENCE_MS 20000 /* of one wait for a state; a failure, never a pace */

/* A server that answers every frame with the same frame, and counts. */
struct hall {
    struct td_keypair server_keys, client_keys;
    struct td_bus_server *server;
    struct td_bus_msg last;
    uint32_t received;
    struct td_buf frame;
    struct td_error err;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int hall_open(void **state)
{
    struct hall *h = td_alloc(sizeof(*h));

    assert_int_equal(td_keypair_make(&h->server_keys, &h->err), 0);
    assert_int_equal(td_keypair_make(&h->client_keys, &h->err), 0);
    assert_int_equal(td_bus_server_new("127.0.0.1", "0", &h->server_keys, 100, &h->server, &h->err), 0);
    td_buf_puts(&h->frame, "frame");
    *state = h;
    return 0;
}

static int hall_close(void **state)
{
    struct hall *h = *state;

    td_bus_server_destroy(&h->server);
    assert_null(h->server);
    td_buf_release(&h->frame);
    td_free(h);
    return 0;
}

/* Takes all that waits and answers it. */
static void serve(struct hall *h)
{
    while (td_bus_server_next(h->server, &h->last) > 0) {
        struct td_buf echo = {0};

        h->received++;
        td_buf_put(&echo, h->last.data, h->last.len);
        td_bus_server_send(h->server, h->last.route, h->last.route_len, &echo);
        td_buf_release(&echo);
    }
}

/* One poll of server, client (may be NULL) and a descriptor (or -1), and what follows from it. */
static void turn(struct hall *h, struct td_bus_client *c, int fd)
{
    struct pollfd p[3] = {{.events = POLLIN}, {.fd = -1, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    assert_int_equal(td_bus_server_fds(h->server, &p[0].fd, 1), 1);
    if (c)
        assert_int_equal(td_bus_client_fds(c, &p[1].fd, 1), 1);
    poll(p, 3, 20);
    serve(h);
}

#define WAIT_FOR(h, c, condition)                                    \
    do {                                                             \
        int64_t until_ = now_ms() + PATIENCE_MS;                     \
        while (!(condition)) {                                       \
            if (now_ms() > until_)                                   \
                fail_msg("never: %s", #condition);                   \
            turn((h), (c), -1);                                      \
        }                                                            \
    } while (0)

static struct td_bus_client *client_with(struct hall *h, const char *server_key)
{
    struct td_bus_client *c;

    if (td_bus_client_new(td_bus_server_router_endpoint(h->server), td_bus_server_pub_endpoint(h->server), server_key,
                          &h->client_keys, &c, &h->err) < 0)
        fail_msg("%s", h->err.text);
    return c;
}

/* A client whose two connections stand. */
static struct td_bus_client *client_up(struct hall *h)
{
    struct td_bus_client *c = client_with(h, h->server_keys.public_key);

    WAIT_FOR(h, c, td_bus_client_connected(c));
    return c;
}

static bool client_takes(struct td_bus_client *c, const char *text, bool published)
{
    const uint8_t *data;
    size_t len;
    bool pub;

    if (td_bus_client_next(c, &data, &len, &pub) == 0)
        return false;
    assert_int_equal(pub, published);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(data, text, len);
    return true;
}

static void send_text(struct hall *h, struct td_bus_client *c, const char *text)
{
    td_buf_reset(&h->frame);
    td_buf_puts(&h->frame, text);
    WAIT_FOR(h, c, td_bus_client_send(c, &h->frame) == 0);
}

static void still_served(struct hall *h, struct td_bus_client *c)
{
    send_text(h, c, "are you there");
    WAIT_FOR(h, c, client_takes(c, "are you there", false));
}

static uint16_t port_of(const char *endpoint)
{
    return (uint16_t)atoi(strrchr(endpoint, ':') + 1);
}

/* --- two ends that mean well -------------------------------------------------------------------------------------- */

static void frames_go_both_ways_and_the_key_is_the_clients(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h);

    send_text(h, c, "hello");
    WAIT_FOR(h, c, client_takes(c, "hello", false));
    assert_string_equal(h->last.key, h->client_keys.public_key);
    assert_int_equal(h->received, 1);
    assert_int_equal(td_bus_server_dropped(h->server), 0);
    assert_int_equal(td_bus_client_dropped(c), 0);
    td_bus_client_destroy(&c);
    assert_null(c);
}

static bool readable_within(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, ms) == 1;
}

/* Waits for the client's next message, one reading a poll; how many waits were too long. */
static int client_waits(struct td_bus_client *c, int fd)
{
    int slept = 0;

    do {
        slept += !readable_within(fd, 100);
    } while (!client_takes(c, "frame", false));
    return slept;
}

/* A send may empty the mailbox that made the descriptor readable; the message that came before it must still wake. */
static void no_message_is_slept_over(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h);
    int server_fd, client_fd, server_slept = 0, client_slept = 0;
    struct timespec pause = {0, 2000000}; /* a send looks into the mailbox at most once a millisecond */

    td_bus_server_fds(h->server, &server_fd, 1);
    td_bus_client_fds(c, &client_fd, 1);
    still_served(h, c);
    td_buf_reset(&h->frame);
    td_buf_puts(&h->frame, "frame");
    for (int i = 0; i < 40; i++) {
        struct td_bus_msg m;

        /* client: an answer has come, it sends instead of reading */
        assert_int_equal(td_bus_server_send(h->server, h->last.route, h->last.route_len, &h->frame), 0);
        assert_true(readable_within(client_fd, PATIENCE_MS));
        nanosleep(&pause, NULL);
        assert_int_equal(td_bus_client_send(c, &h->frame), 0);
        client_slept += client_waits(c, client_fd);

        /* server: likewise */
        server_slept += !readable_within(server_fd, 100);
        nanosleep(&pause, NULL);
        assert_int_equal(td_bus_server_send(h->server, h->last.route, h->last.route_len, &h->frame), 0);
        do {
            server_slept += !readable_within(server_fd, 100);
        } while (td_bus_server_next(h->server, &m) == 0);
        client_slept += client_waits(c, client_fd);
        if (i % 2) { /* every other time both have met the end before the next message comes */
            assert_int_equal(td_bus_server_next(h->server, &m), 0);
            assert_false(client_takes(c, "frame", false));
        }
    }
    /* a busy machine may be late now and then; without the second look it is one wait in two */
    assert_true(server_slept < 4);
    assert_true(client_slept < 4);
    td_bus_client_destroy(&c);
}

static void topics_are_prefixes_that_end_in_a_slash(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h);
    struct td_buf probe = {0}, wrong = {0};
    const uint8_t *data;
    size_t len;
    bool pub, heard = false;

    td_buf_puts(&probe, "for gpu");
    td_buf_puts(&wrong, "for gpu2");
    assert_int_equal(td_bus_client_subscribe(c, "o/gpu/"), 0);
    for (int64_t until = now_ms() + PATIENCE_MS; !heard && now_ms() < until;) {
        assert_int_equal(td_bus_server_publish(h->server, "o/gpu2/0/", &wrong), 0);
        assert_int_equal(td_bus_server_publish(h->server, "o/gpu/0/", &probe), 0);
        turn(h, c, -1);
        while (td_bus_client_next(c, &data, &len, &pub) > 0) {
            assert_true(pub);
            assert_int_equal(len, probe.len);
            assert_memory_equal(data, probe.data, len);
            heard = true;
        }
    }
    assert_true(heard);
    assert_int_equal(td_bus_client_unsubscribe(c, "o/gpu/"), 0);
    td_buf_release(&probe);
    td_buf_release(&wrong);
    td_bus_client_destroy(&c);
}

static void large_frames_pass_and_too_large_ones_are_refused_here(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h);
    struct td_buf big = {0};
    const uint8_t *data;
    size_t len;
    bool pub;

    td_buf_pad(&big, 'x', TD_MAX_FRAME_BYTES);
    assert_int_equal(td_bus_client_send(c, &big), 0);
    WAIT_FOR(h, c, td_bus_client_next(c, &data, &len, &pub) > 0);
    assert_int_equal(len, TD_MAX_FRAME_BYTES);
    td_buf_putc(&big, 'x');
    assert_int_equal(td_bus_client_send(c, &big), -TD_E_TOO_BIG);
    assert_int_equal(td_bus_server_send(h->server, h->last.route, h->last.route_len, &big), -TD_E_TOO_BIG);
    assert_int_equal(td_bus_server_publish(h->server, "o/", &big), -TD_E_TOO_BIG);
    td_buf_release(&big);
    still_served(h, c);
    td_bus_client_destroy(&c);
}

static void a_peer_that_left_is_unreachable(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h);

    still_served(h, c);
    td_bus_client_destroy(&c);
    WAIT_FOR(h, NULL,
             td_bus_server_send(h->server, h->last.route, h->last.route_len, &h->frame) == -TD_E_UNREACHABLE);
}

static void a_peer_that_does_not_read_gets_busy(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h);
    struct td_buf big = {0};
    int r = 0;

    still_served(h, c);
    td_buf_pad(&big, 'x', 64 * 1024);
    for (int i = 0; i < 5000 && r == 0; i++)
        r = td_bus_server_send(h->server, h->last.route, h->last.route_len, &big);
    assert_int_equal(r, -TD_E_BUSY);
    td_buf_release(&big);
    td_bus_client_destroy(&c);
}

static void a_client_finds_a_server_that_came_back(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h);
    char range[32];
    unsigned first = port_of(td_bus_server_router_endpoint(h->server));
    unsigned second = port_of(td_bus_server_pub_endpoint(h->server));

    still_served(h, c);
    assert_false(td_bus_client_reconnected(c)); /* the first one */
    td_bus_server_destroy(&h->server);
    for (int64_t until = now_ms() + PATIENCE_MS; td_bus_client_send(c, &h->frame) != -TD_E_UNREACHABLE;) {
        const uint8_t *data;
        size_t len;
        bool pub;
        struct pollfd p = {.events = POLLIN};

        td_bus_client_fds(c, &p.fd, 1);
        poll(&p, 1, 20);
        td_bus_client_next(c, &data, &len, &pub);
        assert_true(now_ms() < until);
    }
    (void)second; /* whether its port is the same does not matter here: only the ROUTER is asked */
    snprintf(range, sizeof(range), "%u", first);
    assert_int_equal(td_bus_server_new("127.0.0.1", range, &h->server_keys, 100, &h->server, &h->err), 0);
    assert_false(td_bus_client_reconnected(c));
    still_served(h, c);
    assert_true(td_bus_client_reconnected(c));
    assert_false(td_bus_client_reconnected(c)); /* said once */
    td_bus_client_destroy(&c);
}

/* --- peers that do not --------------------------------------------------------------------------------------------- */

static void a_wrong_server_key_is_a_failed_handshake(void **state)
{
    struct hall *h = *state;
    struct td_keypair other;
    struct td_bus_client *good = client_up(h), *c;

    assert_false(td_bus_client_handshake_failed(good));
    assert_int_equal(td_keypair_make(&other, &h->err), 0);
    c = client_with(h, other.public_key);
    WAIT_FOR(h, c, td_bus_client_handshake_failed(c));
    assert_int_equal(td_bus_client_send(c, &h->frame), -TD_E_UNREACHABLE);
    still_served(h, good);
    td_bus_client_destroy(&c);
    td_bus_client_destroy(&good);

    assert_int_equal(td_bus_client_new("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "no key", &h->client_keys, &c, &h->err),
                     -TD_E_BAD_TOKEN);
    assert_int_equal(td_bus_client_new("nonsense", "tcp://127.0.0.1:2", other.public_key, &h->client_keys, &c, &h->err),
                     -TD_E_CONF);
}

/* A DEALER of libzmq with our keys, to send what td_bus_client would not. */
struct raw {
    void *ctx, *socket;
};

static struct raw raw_open(struct hall *h)
{
    struct raw r = {.ctx = zmq_ctx_new()};
    int zero = 0;

    r.socket = zmq_socket(r.ctx, ZMQ_DEALER);
    zmq_setsockopt(r.socket, ZMQ_LINGER, &zero, sizeof(zero));
    zmq_setsockopt(r.socket, ZMQ_CURVE_SERVERKEY, h->server_keys.public_key, TD_KEY_Z85 - 1);
    zmq_setsockopt(r.socket, ZMQ_CURVE_PUBLICKEY, h->client_keys.public_key, TD_KEY_Z85 - 1);
    zmq_setsockopt(r.socket, ZMQ_CURVE_SECRETKEY, h->client_keys.secret_key, TD_KEY_Z85 - 1);
    assert_int_equal(zmq_connect(r.socket, td_bus_server_router_endpoint(h->server)), 0);
    return r;
}

static void raw_close(struct raw *r)
{
    zmq_close(r->socket);
    zmq_ctx_term(r->ctx);
}

static void messages_of_many_parts_are_dropped_and_counted(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *good = client_up(h);
    struct raw r = raw_open(h);

    for (int i = 0; i < 10000; i++)
        assert_true(zmq_send(r.socket, "part", 4, ZMQ_SNDMORE) == 4);
    assert_true(zmq_send(r.socket, "last", 4, 0) == 4);
    assert_true(zmq_send(r.socket, "two", 3, ZMQ_SNDMORE) == 3);
    assert_true(zmq_send(r.socket, "parts", 5, 0) == 5);
    assert_true(zmq_send(r.socket, "", 0, 0) == 0);
    WAIT_FOR(h, good, td_bus_server_dropped(h->server) == 3);
    assert_int_equal(h->received, 0);
    still_served(h, good);
    assert_true(zmq_send(r.socket, "fine", 4, 0) == 4); /* the same connection may go on */
    WAIT_FOR(h, good, h->received == 2);
    raw_close(&r);
    td_bus_client_destroy(&good);
}

static void a_part_over_the_limit_ends_its_connection_only(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *good = client_up(h);
    struct raw r = raw_open(h);
    size_t n = 10 * 1024 * 1024;
    char *big = calloc(1, n), buf[8];

    assert_true(zmq_send(r.socket, big, n, 0) == (int)n);
    for (int i = 0; i < 20; i++)
        still_served(h, good);
    assert_int_equal(h->received, 20);
    WAIT_FOR(h, good, zmq_send(r.socket, "back", 4, ZMQ_DONTWAIT) == 4 && h->received > 20);
    WAIT_FOR(h, good, zmq_recv(r.socket, buf, sizeof(buf), ZMQ_DONTWAIT) == 4);
    free(big);
    raw_close(&r);
    td_bus_client_destroy(&good);
}

static uint64_t resident_bytes(void)
{
    unsigned long total, resident;
    FILE *f = fopen("/proc/self/statm", "r");

    assert_int_equal(fscanf(f, "%lu %lu", &total, &resident), 2);
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Parts without end on one connection, while another client is served; memory comes back. */
static void endless(struct hall *h, const char *endpoint, const char *socket_type)
{
    struct td_bus_client *good = client_up(h);
    struct curve_peer p;
    uint8_t key[32];
    size_t part = 256 * 1024, sent = 0;
    char *data = calloc(1, part);
    uint64_t before = resident_bytes();
    struct timespec pause = {0, 1000000};

    zmq_z85_decode(key, h->server_keys.public_key);
    assert_true(curve_peer_open(&p, port_of(endpoint), key, socket_type));
    struct pollfd ready = {.fd = p.fd, .events = POLLIN};
    for (int64_t until = now_ms() + PATIENCE_MS; poll(&ready, 1, 0) == 0; assert_true(now_ms() < until))
        turn(h, good, p.fd);
    assert_true(curve_peer_ready(&p));

    for (int64_t until = now_ms() + PATIENCE_MS; curve_peer_send(&p, data, part, true);) {
        sent += part;
        if (sent % (16 * part) == 0)
            still_served(h, good);
        else
            serve(h);
        if (sent > 64 * 1024 * 1024) /* the guard's turn: it looks five times a second */
            nanosleep(&pause, NULL);
        assert_true(now_ms() < until);
        assert_true(sent < 1024u * 1024 * 1024);
    }
    WAIT_FOR(h, good, td_bus_server_dropped(h->server) == 1);
    still_served(h, good);
    assert_true(resident_bytes() < before + 600u * 1024 * 1024);
    free(data);
    curve_peer_close(&p);
    td_bus_client_destroy(&good);
}

static void a_message_without_end_is_cut_off(void **state)
{
    struct hall *h = *state;

    endless(h, td_bus_server_router_endpoint(h->server), "DEALER");
}

static void a_subscriber_that_talks_without_end_is_cut_off(void **state)
{
    struct hall *h = *state;

    endless(h, td_bus_server_pub_endpoint(h->server), "SUB");
}

/* The hand-made peer is let in when it behaves: the tests above fail for the right reason. */
static void the_handmade_peer_is_a_peer(void **state)
{
    struct hall *h = *state;
    struct curve_peer p;
    uint8_t key[32];

    zmq_z85_decode(key, h->server_keys.public_key);
    assert_true(curve_peer_open(&p, port_of(td_bus_server_router_endpoint(h->server)), key, "DEALER"));
    struct pollfd ready = {.fd = p.fd, .events = POLLIN};
    for (int64_t until = now_ms() + PATIENCE_MS; poll(&ready, 1, 0) == 0; assert_true(now_ms() < until))
        turn(h, NULL, p.fd);
    assert_true(curve_peer_ready(&p));
    assert_true(curve_peer_send(&p, "hi", 2, false));
    WAIT_FOR(h, NULL, h->received == 1);
    assert_int_equal(h->last.len, 2);
    assert_int_equal(td_bus_server_dropped(h->server), 0);
    curve_peer_close(&p);
}

static void garbage_on_the_ports_does_not_hurt(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *good = client_up(h);
    struct td_rng rng = {42};
    int fds[40];

    for (size_t i = 0; i < TD_ARRAY_LEN(fds); i++) {
        const char *to = i % 2 ? td_bus_server_pub_endpoint(h->server) : td_bus_server_router_endpoint(h->server);
        struct sockaddr_in a = {
            .sin_family = AF_INET, .sin_port = htons(port_of(to)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        uint64_t junk[512];

        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&a, sizeof(a)), 0);
        for (size_t k = 0; k < TD_ARRAY_LEN(junk); k++)
            junk[k] = td_rng_next(&rng);
        if (i % 4 == 2) /* looks like the beginning of something */
            memcpy(junk, "\xff\0\0\0\0\0\0\0\0\x7f\x03\0CURVE", 17);
        if (i % 8 < 6)
            send(fds[i], junk, sizeof(junk), MSG_NOSIGNAL);
    }
    for (int i = 0; i < 10; i++)
        still_served(h, good);
    assert_int_equal(h->received, 10);
    for (size_t i = 0; i < TD_ARRAY_LEN(fds); i++)
        close(fds[i]);
    still_served(h, good);
    td_bus_client_destroy(&good);
}

static void connections_without_number_are_refused(void **state)
{
    struct hall *h = *state;
    struct td_bus_server *small;
    struct td_keypair keys;
    struct td_bus_msg m;
    int fds[64];
    uint64_t cut = 0;

    assert_int_equal(td_keypair_make(&keys, &h->err), 0);
    assert_int_equal(td_bus_server_new("127.0.0.1", NULL, &keys, 1, &small, &h->err), 0); /* 34 connections */
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(port_of(td_bus_server_router_endpoint(small))),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < TD_ARRAY_LEN(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&a, sizeof(a)), 0);
    }
    for (int64_t until = now_ms() + PATIENCE_MS; cut < 30 && now_ms() < until;) {
        struct pollfd p = {.events = POLLIN};

        td_bus_server_fds(small, &p.fd, 1);
        poll(&p, 1, 20);
        assert_int_equal(td_bus_server_next(small, &m), 0);
        cut = td_bus_server_dropped(small);
    }
    assert_int_equal(cut, 64 - 34);
    for (size_t i = 0; i < TD_ARRAY_LEN(fds); i++)
        close(fds[i]);
    td_bus_server_destroy(&small);
}

/* --- addresses, keys, tokens --------------------------------------------------------------------------------------- */

static void ports_come_from_the_range(void **state)
{
    struct hall *h = *state;
    struct td_bus_server *s = NULL;
    unsigned taken = port_of(td_bus_server_router_endpoint(h->server));
    char range[32];

    snprintf(range, sizeof(range), "%u", taken);
    assert_int_equal(td_bus_server_new("127.0.0.1", range, &h->server_keys, 1, &s, &h->err), -TD_E_IO);
    assert_non_null(strstr(h->err.text, range));
    assert_null(s);
    snprintf(range, sizeof(range), "%u-%u", taken, taken + 50);
    assert_int_equal(td_bus_server_new("127.0.0.1", range, &h->server_keys, 1, &s, &h->err), 0);
    unsigned router = port_of(td_bus_server_router_endpoint(s)), pub = port_of(td_bus_server_pub_endpoint(s));
    assert_true(router > taken && pub > router && pub <= taken + 50);
    td_bus_server_destroy(&s);

    static const char *const bad[] = {"x", "10-5", "0-7", "70000", "1-", "-1", "1-2-3", ""};
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++)
        assert_int_equal(td_bus_server_new("127.0.0.1", bad[i], &h->server_keys, 1, &s, &h->err), -TD_E_CONF);
    assert_int_equal(td_bus_server_new("192.0.2.1", "0", &h->server_keys, 1, &s, &h->err), -TD_E_IO);
}

static void more_peers_than_files_are_refused_in_words(void **state)
{
    struct hall *h = *state;
    struct td_bus_server *s = NULL;
    struct rlimit lim;

    getrlimit(RLIMIT_NOFILE, &lim);
    assert_int_equal(lim.rlim_cur, lim.rlim_max); /* raised by the hall's server */
    if (lim.rlim_max == RLIM_INFINITY)
        return;
    assert_int_equal(td_bus_server_new("127.0.0.1", "0", &h->server_keys, (uint32_t)lim.rlim_max, &s, &h->err),
                     -TD_E_TOO_BIG);
    assert_non_null(strstr(h->err.text, "open files"));
}

static void keys_live_in_a_file_of_their_owner(void **state)
{
    struct hall *h = *state;
    char dir[] = "/tmp/td-bus-XXXXXX", path[64];
    struct td_keypair a, b;
    struct stat st;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/key", dir);
    assert_int_equal(td_keypair_load(path, &a, &h->err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(td_keypair_load(path, &b, &h->err), 0);
    assert_string_equal(a.public_key, b.public_key);
    assert_string_equal(a.secret_key, b.secret_key);

    chmod(path, 0644);
    assert_int_equal(td_keypair_load(path, &b, &h->err), -TD_E_CONF);
    assert_non_null(strstr(h->err.text, "chmod 600"));
    chmod(path, 0600);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, h->client_keys.public_key, 40, 0), 40); /* not the secret key's other half */
    assert_int_equal(td_keypair_load(path, &b, &h->err), -TD_E_CONF);
    assert_int_equal(ftruncate(fd, 10), 0);
    close(fd);
    assert_int_equal(td_keypair_load(path, &b, &h->err), -TD_E_CONF);
    unlink(path);
    rmdir(dir);
    assert_int_equal(td_keypair_load(path, &b, &h->err), -TD_E_IO);
}

static void tokens_go_round_and_say_what_is_wrong(void **state)
{
    struct hall *h = *state;
    struct td_join_token t = {.router = "tcp://login.example:6817", .pub = "tcp://login.example:6818"}, back;
    struct td_buf out = {0}, bad = {0};

    strcpy(t.server_key, h->server_keys.public_key);
    for (size_t i = 0; i < sizeof(t.secret); i++)
        t.secret[i] = (uint8_t)(i * 7);
    assert_int_equal(td_join_token_print(&t, &out), 0);
    assert_int_equal(strspn(td_buf_str(&out), "abcdefghijklmnopqrstuvwxyz234567"), out.len);
    assert_int_equal(td_join_token_parse(td_buf_str(&out), &back, &h->err), 0);
    assert_memory_equal(&t, &back, sizeof(t));

    td_buf_puts(&bad, "  ");
    for (size_t i = 0; i < out.len; i++)
        td_buf_putc(&bad, (char)(out.data[i] >= 'a' ? out.data[i] - 32 : out.data[i]));
    td_buf_puts(&bad, "\n");
    assert_int_equal(td_join_token_parse(td_buf_str(&bad), &back, &h->err), 0); /* shouted, with white space */

    for (size_t i = 0; i < out.len; i++) { /* one character mistyped */
        char *text = td_strdup(td_buf_str(&out));

        text[i] = text[i] == 'q' ? 'w' : 'q';
        assert_int_equal(td_join_token_parse(text, &back, &h->err), -TD_E_BAD_TOKEN);
        assert_non_null(strstr(h->err.text, "mistyped"));
        td_free(text);
    }
    for (size_t i = 0; i < out.len; i++) { /* cut off */
        char *text = td_strndup(td_buf_str(&out), i);

        assert_int_equal(td_join_token_parse(text, &back, &h->err), -TD_E_BAD_TOKEN);
        td_free(text);
    }
    assert_int_equal(td_join_token_parse("hello, world", &back, &h->err), -TD_E_BAD_TOKEN);
    assert_int_equal(td_join_token_parse("abc1", &back, &h->err), -TD_E_BAD_TOKEN);
    assert_non_null(strstr(h->err.text, "character 4"));
    td_buf_reset(&bad);
    td_buf_pad(&bad, 'a', 100000);
    assert_int_equal(td_join_token_parse(td_buf_str(&bad), &back, &h->err), -TD_E_BAD_TOKEN);
    t.server_key[0] = 0;
    assert_int_equal(td_join_token_print(&t, &out), -TD_E_BAD_TOKEN);
    td_buf_release(&out);
    td_buf_release(&bad);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, hall_open, hall_close)
    const struct CMUnitTest tests[] = {
        TEST(frames_go_both_ways_and_the_key_is_the_clients),
        TEST(no_message_is_slept_over),
        TEST(topics_are_prefixes_that_end_in_a_slash),
        TEST(large_frames_pass_and_too_large_ones_are_refused_here),
        TEST(a_peer_that_left_is_unreachable),
        TEST(a_peer_that_does_not_read_gets_busy),
        TEST(a_client_finds_a_server_that_came_back),
        TEST(a_wrong_server_key_is_a_failed_handshake),
        TEST(messages_of_many_parts_are_dropped_and_counted),
        TEST(a_part_over_the_limit_ends_its_connection_only),
        TEST(the_handmade_peer_is_a_peer),
        TEST(a_message_without_end_is_cut_off),
        TEST(a_subscriber_that_talks_without_end_is_cut_off),
        TEST(garbage_on_the_ports_does_not_hurt),
        TEST(connections_without_number_are_refused),
        TEST(ports_come_from_the_range),
        TEST(more_peers_than_files_are_refused_in_words),
        TEST(keys_live_in_a_file_of_their_owner),
        TEST(tokens_go_round_and_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
