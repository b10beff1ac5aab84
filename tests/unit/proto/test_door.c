/* A ROUTER for strangers: guests go, who is known stays, and nobody holds the door shut. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "bus/bus.h"
#include "curve_peer.h"

#define PATIENCE_MS 20000
#define GUEST_MS 1000
#define MESSAGE_BYTES 2000u
#define PLACES 36 /* of two peers: twice that, and what a server keeps besides */

/* Answers each message of a known key with the same; says of the others nothing. */
struct hall {
    struct td_keypair keys, known, stranger;
    struct td_bus_server *door;
    struct td_error err;
    bool dismisses;
    uint32_t strange;
};

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int hall_open(void **state)
{
    const struct td_bus_bounds bounds = {.message_bytes = MESSAGE_BYTES, .messages = 8, .peers = 2, .guest_ms = GUEST_MS};
    struct hall *h = td_alloc(sizeof(*h));

    assert_int_equal(td_keypair_make(&h->keys, &h->err), 0);
    assert_int_equal(td_keypair_make(&h->known, &h->err), 0);
    assert_int_equal(td_keypair_make(&h->stranger, &h->err), 0);
    assert_int_equal(td_bus_door_new("127.0.0.1", 0, &h->keys, &bounds, &h->door, &h->err), 0);
    *state = h;
    return 0;
}

static int hall_close(void **state)
{
    struct hall *h = *state;

    td_bus_server_destroy(&h->door);
    td_free(h);
    return 0;
}

static void serve(struct hall *h)
{
    struct td_bus_msg m;

    while (td_bus_server_next(h->door, &m) > 0) {
        struct td_buf echo = {0};
        assert_true(m.len <= MESSAGE_BYTES);
        if (strcmp(m.key, h->known.public_key) != 0) {
            h->strange++;
            if (h->dismisses)
                td_bus_server_dismiss(h->door);
            continue;
        }
        td_bus_server_known(h->door);
        td_buf_put(&echo, m.data, m.len);
        td_bus_server_send(h->door, m.route, m.route_len, &echo);
        td_buf_release(&echo);
    }
}

static void turn(struct hall *h, struct td_bus_client *c)
{
    struct pollfd p[2] = {{.events = POLLIN}, {.fd = -1, .events = POLLIN}};

    assert_int_equal(td_bus_server_fds(h->door, &p[0].fd, 1), 1);
    if (c)
        assert_int_equal(td_bus_client_fds(c, &p[1].fd, 1), 1);
    poll(p, 2, 20);
    serve(h);
}

#define WAIT_FOR(h, c, condition)                    \
    do {                                             \
        int64_t until_ = now_ms() + PATIENCE_MS;     \
        while (!(condition)) {                       \
            if (now_ms() > until_)                   \
                fail_msg("never: %s", #condition);   \
            turn((h), (c));                          \
        }                                            \
    } while (0)

static struct td_bus_client *client_up(struct hall *h, const struct td_keypair *keys)
{
    struct td_bus_client *c;

    assert_int_equal(td_bus_client_new(td_bus_server_router_endpoint(h->door), NULL, h->keys.public_key, keys, &c, &h->err), 0);
    WAIT_FOR(h, c, td_bus_client_connected(c));
    return c;
}

static bool sent(struct td_bus_client *c, size_t n)
{
    static uint8_t zeros[100000];
    const struct td_buf b = {.data = zeros, .len = n, .cap = n};

    return td_bus_client_send(c, &b) == 0;
}

static bool takes(struct td_bus_client *c, size_t n)
{
    const uint8_t *data;
    size_t len;
    bool published;

    return td_bus_client_next(c, &data, &len, &published) > 0 && len == n && !published;
}

static void is_served(struct hall *h, struct td_bus_client *c)
{
    WAIT_FOR(h, c, sent(c, 10));
    WAIT_FOR(h, c, takes(c, 10));
}

static int knock(struct hall *h)
{
    const char *colon = strrchr(td_bus_server_router_endpoint(h->door), ':');
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void guests_go_and_who_is_known_stays(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h, &h->known), *guest;

    is_served(h, c);
    guest = client_up(h, &h->stranger);
    WAIT_FOR(h, guest, sent(guest, 10));
    WAIT_FOR(h, guest, h->strange == 1);
    WAIT_FOR(h, guest, !td_bus_client_connected(guest)); /* its word did not make it known */
    td_bus_client_destroy(&guest);
    is_served(h, c);
    assert_false(td_bus_client_reconnected(c)); /* he has been here for longer */
    td_bus_client_destroy(&c);
}

static void who_is_dismissed_goes_sooner(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *guest = client_up(h, &h->stranger);

    h->dismisses = true;
    WAIT_FOR(h, guest, sent(guest, 10));
    WAIT_FOR(h, guest, td_bus_server_dropped(h->door) == 1);
    td_bus_client_destroy(&guest);
}

static void nobody_holds_the_door_shut(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h, &h->known), *late;
    int fds[3 * PLACES];

    is_served(h, c);
    for (size_t i = 0; i < TD_ARRAY_LEN(fds); i++)
        fds[i] = knock(h);
    WAIT_FOR(h, c, td_bus_server_dropped(h->door) >= TD_ARRAY_LEN(fds) + 1 - PLACES);
    assert_true(td_bus_server_connections(h->door) <= PLACES);
    late = client_up(h, &h->known);
    is_served(h, late);
    is_served(h, c);
    assert_false(td_bus_client_reconnected(c));
    for (size_t i = 0; i < TD_ARRAY_LEN(fds); i++)
        close(fds[i]);
    td_bus_client_destroy(&late);
    td_bus_client_destroy(&c);
}

static void a_long_message_ends_its_connection_alone(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h, &h->known), *other = client_up(h, &h->known);

    WAIT_FOR(h, other, sent(other, MESSAGE_BYTES));
    WAIT_FOR(h, other, takes(other, MESSAGE_BYTES));
    WAIT_FOR(h, other, sent(other, 100000));
    WAIT_FOR(h, other, td_bus_client_reconnected(other));
    is_served(h, c);
    assert_false(td_bus_client_reconnected(c));
    td_bus_client_destroy(&other);
    td_bus_client_destroy(&c);
}

/* A guest may send no more than it takes to say who he is. */
static void a_guests_message_without_end_is_cut_off(void **state)
{
    struct hall *h = *state;
    struct td_bus_client *c = client_up(h, &h->known);
    struct curve_peer p;
    struct timespec pause = {0, 1000000};
    uint8_t key[32], part[1024] = {0};
    size_t n = 0;

    is_served(h, c);
    zmq_z85_decode(key, h->keys.public_key);
    const char *colon = strrchr(td_bus_server_router_endpoint(h->door), ':');
    assert_true(curve_peer_open(&p, (uint16_t)atoi(colon + 1), key, "DEALER"));
    struct pollfd ready = {.fd = p.fd, .events = POLLIN};
    for (int64_t until = now_ms() + PATIENCE_MS; poll(&ready, 1, 0) == 0; assert_true(now_ms() < until))
        turn(h, c);
    assert_true(curve_peer_ready(&p));
    for (; curve_peer_send(&p, part, sizeof(part), true) && n < 100u << 20; n += sizeof(part)) {
        serve(h);
        nanosleep(&pause, NULL);
    }
    assert_true(n < 4u << 20);
    assert_int_equal(h->strange, 0);
    is_served(h, c);
    curve_peer_close(&p);
    td_bus_client_destroy(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, hall_open, hall_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(guests_go_and_who_is_known_stays),
        TEST(who_is_dismissed_goes_sooner),
        TEST(nobody_holds_the_door_shut),
        TEST(a_long_message_ends_its_connection_alone),
        TEST(a_guests_message_without_end_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
