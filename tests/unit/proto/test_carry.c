/* Streams over one link: both ends in one process, the link a queue of frames that can be full. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/carry.h"

#define TAG (5ull << 32)

struct end {
    struct td_carry carry;
    TD_VEC(struct td_buf) sent; /* frames, oldest first */
    size_t room;                /* so many more are taken */
    uint64_t bytes;             /* of DATA sent */
};
struct link {
    struct end here, there;
    int epoll[2];
};

static int end_send(void *ctx, uint32_t id, const void *body)
{
    struct end *e = ctx;
    struct td_buf b = {0};

    if (!e->room)
        return -TD_E_BUSY;
    e->room--;
    if (id == TD_MSG_CARRY_DATA)
        e->bytes += ((const struct td_carry_data *)body)->bytes.n;
    td_wire_put_frame(&b, id, 0, body);
    td_vec_push(&e->sent, b);
    return 0;
}

static int open_link(void **state)
{
    struct link *l = td_alloc(sizeof(*l));
    struct end *ends[] = {&l->here, &l->there};

    for (int i = 0; i < 2; i++) {
        int fd = epoll_create1(EPOLL_CLOEXEC);
        assert_true(fd >= 0);
        *ends[i] = (struct end){.room = SIZE_MAX};
        ends[i]->carry = (struct td_carry){.epoll_fd = fd, .tag = TAG, .send = end_send, .ctx = ends[i]};
    }
    *state = l;
    return 0;
}

static int close_link(void **state)
{
    struct link *l = *state;
    struct end *ends[] = {&l->here, &l->there};

    for (int i = 0; i < 2; i++) {
        for (uint32_t k = 0; k < ends[i]->sent.n; k++)
            td_buf_release(&ends[i]->sent.v[k]);
        td_vec_release(&ends[i]->sent);
        td_carry_release(&ends[i]->carry);
        close(ends[i]->carry.epoll_fd);
    }
    td_free(l);
    return 0;
}

/* What epoll says, until it says nothing. */
static bool turn(struct end *e)
{
    struct epoll_event ev[16];
    int n = epoll_wait(e->carry.epoll_fd, ev, 16, 0);

    for (int i = 0; i < n; i++) {
        assert_int_equal(ev[i].data.u64 & ~0xffffffffull, TAG);
        td_carry_ready(&e->carry, (uint32_t)ev[i].data.u64, ev[i].events);
    }
    return n > 0;
}

static bool deliver(struct end *from, struct end *to)
{
    struct td_arena a = {0};
    bool some = from->sent.n > 0;

    for (uint32_t i = 0; i < from->sent.n; i++) {
        struct td_frame f = {0};
        struct td_error err = {0};
        assert_int_equal(td_wire_get_frame(&a, from->sent.v[i].data, from->sent.v[i].len, &f, &err), 0);
        if (td_carry_take(&to->carry, f.id, f.body, &err) < 0)
            fail_msg("%s", err.text);
        td_buf_release(&from->sent.v[i]);
    }
    from->sent.n = 0;
    td_arena_release(&a);
    return some;
}

static void run(struct link *l)
{
    for (int i = 0; i < 10000; i++) {
        bool some = turn(&l->here);
        some |= deliver(&l->here, &l->there);
        some |= turn(&l->there);
        some |= deliver(&l->there, &l->here);
        if (!some)
            return;
    }
    fail_msg("it never comes to rest");
}

/* A stream: what the programs at its two ends hold. */
static void stream(struct link *l, uint32_t no, int ret[2])
{
    struct end *ends[] = {&l->here, &l->there};

    for (int i = 0; i < 2; i++) {
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(td_carry_add(&ends[i]->carry, no, fds[0]), 0);
        ret[i] = fds[1];
    }
}

static size_t fill(int fd, size_t n, uint8_t *next)
{
    size_t put = 0;

    while (put < n) {
        uint8_t piece[1000];
        for (size_t i = 0; i < sizeof(piece); i++)
            piece[i] = (uint8_t)(*next + i);
        ssize_t w = send(fd, piece, TD_MIN(sizeof(piece), n - put), MSG_NOSIGNAL);
        if (w <= 0)
            break;
        *next = (uint8_t)(*next + w);
        put += (size_t)w;
    }
    return put;
}

static size_t drain(int fd, uint8_t *next)
{
    uint8_t piece[4096];
    size_t got = 0;

    for (ssize_t n; (n = read(fd, piece, sizeof(piece))) > 0; got += (size_t)n)
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(piece[i], (*next)++);
    return got;
}

static bool is_closed(int fd)
{
    char c;
    ssize_t n = read(fd, &c, 1);

    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void bytes_go_both_ways(void **state)
{
    struct link *l = *state;
    int fd[2];
    uint8_t w[2] = {0}, r[2] = {0};
    size_t put[2] = {0}, got[2] = {0};

    stream(l, 1, fd);
    while (got[0] < 3000000 || got[1] < 3000000) {
        for (int i = 0; i < 2; i++)
            put[i] += fill(fd[i], 3000000 - put[i], &w[i]);
        run(l);
        got[0] += drain(fd[1], &r[0]);
        got[1] += drain(fd[0], &r[1]);
    }
    assert_int_equal(put[0], 3000000);
    close(fd[0]);
    close(fd[1]);
    run(l);
    assert_int_equal(l->here.carry.all.n + l->there.carry.all.n, 0);
}

static void who_does_not_read_stops_his_own_stream_alone(void **state)
{
    struct link *l = *state;
    int a[2], b[2];
    uint8_t w = 0, wb = 0, rb = 0;
    size_t put = 0;

    stream(l, 1, a);
    stream(l, 2, b);
    for (int i = 0; i < 100; i++) {
        put += fill(a[0], 100000, &w);
        run(l);
    }
    int space = 0; /* of the sockets beyond, which the kernel bounds */
    socklen_t len = sizeof(space);
    getsockopt(a[1], SOL_SOCKET, SO_RCVBUF, &space, &len);
    assert_true(l->here.bytes <= TD_MAX_CARRY_WINDOW_BYTES + 2u * (uint32_t)space);
    assert_true(put < 10000000);
    for (int i = 0; i < 100; i++) {
        size_t n = fill(b[0], 5000, &wb);
        run(l);
        assert_int_equal(drain(b[1], &rb), n);
    }
    uint8_t r = 0;
    size_t got = 0;
    for (int i = 0; i < 10000 && got < put; i++) { /* and he who reads again gets it all */
        got += drain(a[1], &r);
        run(l);
    }
    assert_int_equal(got, put);
    close(a[0]), close(a[1]), close(b[0]), close(b[1]);
}

static void a_full_link_loses_nothing(void **state)
{
    struct link *l = *state;
    int fd[2];
    uint8_t w = 0, r = 0;
    size_t put = 0, got = 0;

    stream(l, 1, fd);
    for (int i = 0; i < 100000 && got < 500000; i++) {
        l->here.room = i % 3 == 0;
        l->there.room = i % 5 == 0;
        put += fill(fd[0], 500000 - put, &w);
        run(l);
        got += drain(fd[1], &r);
        td_carry_again(&l->here.carry);
        td_carry_again(&l->there.carry);
    }
    assert_int_equal(got, 500000);
    l->here.room = 0; /* not even for the word that it is over */
    close(fd[0]);
    run(l);
    assert_false(is_closed(fd[1]));
    l->here.room = 10;
    td_carry_again(&l->here.carry);
    run(l);
    assert_true(is_closed(fd[1]));
    close(fd[1]);
}

static void what_was_said_before_the_end_arrives(void **state)
{
    struct link *l = *state;
    int fd[2];
    uint8_t w = 0, r = 0;

    stream(l, 7, fd);
    assert_int_equal(fill(fd[0], 90000, &w), 90000);
    close(fd[0]);
    run(l);
    assert_int_equal(drain(fd[1], &r), 90000);
    assert_true(is_closed(fd[1]));
    assert_int_equal(l->there.carry.all.n, 0);
    close(fd[1]);
}

static void rules_are_kept(void **state)
{
    struct link *l = *state;
    struct td_carry *c = &l->there.carry;
    struct td_error err = {0};
    static uint8_t bytes[TD_MAX_CARRY_PIECE_BYTES];
    const struct td_carry_data data = {.stream = 3, .bytes = {bytes, sizeof(bytes)}};
    const struct td_carry_taken taken = {.stream = 3, .bytes = 1};
    const struct td_carry_close over = {.stream = 3};
    const struct td_carry_hello hello = {.version = 1};
    int fd[2], fds[2], r = 0;

    assert_int_equal(td_carry_take(c, TD_MSG_CARRY_DATA, &data, &err), 0); /* of none that is known: late */
    stream(l, 3, fd);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(td_carry_add(c, 3, fds[0]), -TD_E_INVALID_REQUEST);
    assert_int_equal(td_carry_take(c, TD_MSG_CARRY_TAKEN, &taken, &err), -TD_E_BAD_FRAME);
    assert_int_equal(td_carry_take(c, TD_MSG_CARRY_HELLO, &hello, &err), -TD_E_UNKNOWN_MESSAGE);
    for (int i = 0; i < 1000 && r == 0; i++)
        r = td_carry_take(c, TD_MSG_CARRY_DATA, &data, &err);
    assert_int_equal(r, -TD_E_BAD_FRAME); /* what the socket does not take is bounded */
    assert_non_null(strstr(err.text, "CARRY_WINDOW_BYTES"));
    assert_int_equal(td_carry_take(c, TD_MSG_CARRY_CLOSE, &over, &err), 0);
    assert_int_equal(td_carry_take(c, TD_MSG_CARRY_DATA, &data, &err), -TD_E_BAD_FRAME); /* behind the end */
    close(fd[0]), close(fd[1]), close(fds[0]), close(fds[1]);
}

/* The link is full, so it was granted no more; that the socket takes all is no matter. */
static void what_was_not_granted_is_not_taken(void **state)
{
    struct link *l = *state;
    struct td_error err = {0};
    static uint8_t bytes[TD_MAX_CARRY_PIECE_BYTES];
    const struct td_carry_data data = {.stream = 1, .bytes = {bytes, sizeof(bytes)}};
    uint32_t pieces = TD_MAX_CARRY_WINDOW_BYTES / sizeof(bytes);
    int fd[2];

    stream(l, 1, fd);
    l->there.room = 0;
    for (uint32_t i = 0; i <= pieces; i++) {
        char into[sizeof(bytes)];
        assert_int_equal(td_carry_take(&l->there.carry, TD_MSG_CARRY_DATA, &data, &err), i < pieces ? 0 : -TD_E_BAD_FRAME);
        while (read(fd[1], into, sizeof(into)) > 0)
            ;
    }
    close(fd[0]), close(fd[1]);
}

static void streams_are_so_many(void **state)
{
    struct link *l = *state;
    int fds[2], others[TD_MAX_CARRY_STREAMS];

    for (uint32_t i = 0; i <= TD_MAX_CARRY_STREAMS; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(td_carry_add(&l->here.carry, i, fds[0]), i < TD_MAX_CARRY_STREAMS ? 0 : -TD_E_BUSY);
        if (i < TD_MAX_CARRY_STREAMS)
            others[i] = fds[1];
    }
    close(fds[0]), close(fds[1]);
    td_carry_release(&l->here.carry);
    for (uint32_t i = 0; i < TD_MAX_CARRY_STREAMS; i++) {
        assert_true(is_closed(others[i]));
        close(others[i]);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_link, close_link)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_both_ways),
        TEST(who_does_not_read_stops_his_own_stream_alone),
        TEST(a_full_link_loses_nothing),
        TEST(what_was_said_before_the_end_arrives),
        TEST(rules_are_kept),
        TEST(what_was_not_granted_is_not_taken),
        TEST(streams_are_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
