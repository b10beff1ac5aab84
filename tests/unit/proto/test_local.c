/* test_local.c - frames over unix sockets: sockets made and replaced, frames cut and joined, calls answered and not */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "fill.h"
#include "local/local.h"

struct room {
    char dir[64];
    char path[128];
    struct td_arena arena;
    struct td_error err;
};

static int room_open(void **state)
{
    struct room *r = td_alloc(sizeof(*r));

    strcpy(r->dir, "/tmp/td-local-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof(r->path), "%s/s", r->dir);
    *state = r;
    return 0;
}

static int room_close(void **state)
{
    struct room *r = *state;

    unlink(r->path);
    rmdir(r->dir);
    td_arena_release(&r->arena);
    td_free(r);
    return 0;
}

/* --- sockets on paths --------------------------------------------------------------------------------------------- */

static void a_socket_is_made_with_its_mode(void **state)
{
    struct room *r = *state;
    struct stat st;
    uid_t uid;
    gid_t gid;
    pid_t pid;
    mode_t old = umask(077); /* the mode asked for is the mode given */
    int fd = td_local_listen(r->path, 0666, &r->err);

    umask(old);
    assert_true(fd >= 0);
    assert_int_equal(stat(r->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);

    int c = td_local_connect(r->path, &r->err);
    int s = accept(fd, NULL, NULL);
    assert_int_equal(td_local_peer(s, &uid, &gid, &pid), 0);
    assert_int_equal(uid, getuid());
    assert_int_equal(gid, getgid());
    assert_int_equal(pid, getpid());
    assert_int_equal(td_local_peer(STDIN_FILENO, &uid, &gid, &pid), -TD_E_IO);
    close(s);
    close(c);
    close(fd);
}

static void a_dead_socket_is_replaced(void **state)
{
    struct room *r = *state;
    int dead = td_local_listen(r->path, 0600, &r->err);

    close(dead); /* the file stays, as after a kill -9 */
    int fd = td_local_listen(r->path, 0600, &r->err);
    assert_true(fd >= 0);
    int c = td_local_connect(r->path, &r->err);
    assert_true(c >= 0);
    close(c);
    close(fd);
}

static void a_live_socket_is_left_alone(void **state)
{
    struct room *r = *state;
    int fd = td_local_listen(r->path, 0600, &r->err);

    assert_int_equal(td_local_listen(r->path, 0600, &r->err), -TD_E_BUSY);
    assert_non_null(strstr(r->err.text, r->path));
    int c = td_local_connect(r->path, &r->err);
    assert_true(c >= 0);
    close(c);
    close(fd);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct room *r = *state;
    int f = open(r->path, O_WRONLY | O_CREAT, 0600);

    close(f);
    assert_int_equal(td_local_listen(r->path, 0600, &r->err), -TD_E_IO);
    assert_non_null(strstr(r->err.text, "not a socket"));
    assert_int_equal(access(r->path, F_OK), 0);
}

static void paths_may_be_longer_than_an_address(void **state)
{
    struct room *r = *state;
    char deep[512], path[600];

    snprintf(deep, sizeof(deep), "%s/%0100d", r->dir, 1);
    assert_int_equal(mkdir(deep, 0700), 0);
    snprintf(path, sizeof(path), "%s/broker.sock", deep);
    assert_true(strlen(path) > sizeof(((struct sockaddr_un *)0)->sun_path));
    int dead = td_local_listen(path, 0600, &r->err);
    assert_true(dead >= 0);
    close(dead);
    int fd = td_local_listen(path, 0600, &r->err);
    assert_true(fd >= 0);
    int c = td_local_connect(path, &r->err);
    assert_true(c >= 0);
    assert_int_equal(td_local_listen(path, 0600, &r->err), -TD_E_BUSY);
    close(c);
    close(fd);
    unlink(path);
    rmdir(deep);
    assert_int_equal(td_local_connect(path, &r->err), -TD_E_UNREACHABLE);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

struct pair {
    struct td_stream s; /* ours */
    int peer;           /* the other end, blocking */
};

static void pair_open(struct pair *p, size_t out_max)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    td_stream_init(&p->s, fds[0], out_max);
    p->peer = fds[1];
}

static void pair_close(struct pair *p)
{
    td_stream_release(&p->s);
    if (p->peer >= 0)
        close(p->peer);
}

static void say(struct pair *p, const void *data, size_t n)
{
    assert_int_equal(send(p->peer, data, n, MSG_NOSIGNAL), n);
}

/* Length and frame of a PING with this version. */
static void ping_bytes(struct td_buf *out, uint32_t version)
{
    struct td_ping ping = {.version = version};
    size_t start = out->len;

    td_buf_put(out, "\0\0\0", 4);
    td_wire_put_frame(out, TD_MSG_PING, 1, &ping);
    out->data[start + 3] = (uint8_t)(out->len - start - 4);
}

static uint32_t ping_version(struct room *r, const uint8_t *data, size_t len)
{
    struct td_frame f;

    assert_int_equal(td_wire_get_frame(&r->arena, data, len, &f, &r->err), 0);
    assert_int_equal(f.id, TD_MSG_PING);
    return ((struct td_ping *)f.body)->version;
}

static void two_frames_in_one_write_are_two(void **state)
{
    struct room *r = *state;
    struct td_buf b = {0};
    const uint8_t *data;
    size_t len;
    struct pair p;

    pair_open(&p, 1000);
    assert_int_equal(td_stream_read(&p.s, &r->err), 0);
    ping_bytes(&b, 11);
    ping_bytes(&b, 12);
    say(&p, b.data, b.len);
    assert_int_equal(td_stream_read(&p.s, &r->err), 1);
    assert_int_equal(td_stream_next(&p.s, &data, &len, &r->err), 1);
    assert_int_equal(ping_version(r, data, len), 11);
    assert_int_equal(td_stream_next(&p.s, &data, &len, &r->err), 1);
    assert_int_equal(ping_version(r, data, len), 12);
    assert_int_equal(td_stream_next(&p.s, &data, &len, &r->err), 0);
    td_buf_release(&b);
    pair_close(&p);
}

static void a_frame_may_come_byte_by_byte(void **state)
{
    struct room *r = *state;
    struct td_buf b = {0};
    const uint8_t *data;
    size_t len;
    struct pair p;

    pair_open(&p, 1000);
    ping_bytes(&b, 13);
    for (size_t i = 0; i < b.len; i++) {
        assert_int_equal(td_stream_next(&p.s, &data, &len, &r->err), 0);
        say(&p, b.data + i, 1);
        assert_int_equal(td_stream_read(&p.s, &r->err), 1);
    }
    assert_int_equal(td_stream_next(&p.s, &data, &len, &r->err), 1);
    assert_int_equal(ping_version(r, data, len), 13);
    td_buf_release(&b);
    pair_close(&p);
}

static void half_a_frame_and_an_end_is_an_end(void **state)
{
    struct room *r = *state;
    const uint8_t *data;
    size_t len;
    struct pair p;

    pair_open(&p, 1000);
    say(&p, "\0\0\0\x09\x93\x01", 6);
    close(p.peer);
    p.peer = -1;
    assert_int_equal(td_stream_read(&p.s, &r->err), 1);
    assert_int_equal(td_stream_next(&p.s, &data, &len, &r->err), 0);
    assert_int_equal(td_stream_read(&p.s, &r->err), -TD_E_IO);
    assert_true(p.s.closed);
    assert_int_equal(td_stream_put(&p.s, TD_MSG_PING, 1, &(struct td_ping){0}), -TD_E_IO);
    pair_close(&p);
}

static void a_length_that_is_no_frames_is_refused_before_memory(void **state)
{
    static const struct {
        const char *head;
        int code;
    } cases[] = {{"\0\0\0\0", TD_E_BAD_FRAME}, {"\x00\x80\x00\x01", TD_E_TOO_BIG}, {"\xff\xff\xff\xff", TD_E_TOO_BIG},
                 {"GET ", TD_E_TOO_BIG}};
    struct room *r = *state;

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        const uint8_t *data;
        size_t len;
        struct pair p;

        pair_open(&p, 1000);
        say(&p, cases[i].head, 4);
        assert_int_equal(td_stream_read(&p.s, &r->err), -cases[i].code);
        assert_int_equal(td_stream_next(&p.s, &data, &len, &r->err), -cases[i].code);
        assert_true(p.s.closed);
        assert_true(p.s.in.cap <= 4096);
        if (cases[i].code == TD_E_TOO_BIG)
            assert_non_null(strstr(r->err.text, "8388608"));
        pair_close(&p);
    }
}

static void a_bad_length_behind_a_good_frame_is_found(void **state)
{
    struct room *r = *state;
    struct td_buf b = {0};
    const uint8_t *data;
    size_t len;
    struct pair p;

    pair_open(&p, 1000);
    ping_bytes(&b, 14);
    td_buf_put(&b, "\xff\xff\xff\xff", 4);
    say(&p, b.data, b.len);
    assert_int_equal(td_stream_read(&p.s, &r->err), 1);
    assert_int_equal(td_stream_next(&p.s, &data, &len, &r->err), 1);
    assert_int_equal(ping_version(r, data, len), 14);
    assert_int_equal(td_stream_next(&p.s, &data, &len, &r->err), -TD_E_TOO_BIG);
    td_buf_release(&b);
    pair_close(&p);
}

static void the_largest_frame_passes_and_one_more_byte_does_not(void **state)
{
    struct room *r = *state;
    struct td_submit s = {.script = {td_alloc(TD_MAX_SCRIPT_BYTES), TD_MAX_SCRIPT_BYTES}};
    struct td_jobs rows = {.rows = {td_alloc(TD_MAX_ROWS_PER_ANSWER * sizeof(struct td_job_info)), 200}};
    char *expr = td_alloc(TD_MAX_EXPR_BYTES + 1);
    const uint8_t *data;
    size_t len;
    struct pair p;
    int got = 0, flushed = 0;

    pair_open(&p, 64 * 1024);
    memset(expr, 'x', TD_MAX_EXPR_BYTES);
    for (uint32_t i = 0; i < rows.rows.n; i++)
        ((struct td_job_info *)(uintptr_t)rows.rows.v)[i].nodelist = expr;
    assert_int_equal(td_stream_put(&p.s, TD_MSG_JOBS, 1, &rows), -TD_E_TOO_BIG); /* 200 x 64 KiB */
    assert_false(td_stream_wants_write(&p.s));

    assert_int_equal(td_stream_put(&p.s, TD_MSG_SUBMIT, 1, &s), 0);
    assert_int_equal(td_stream_put(&p.s, TD_MSG_SUBMIT, 2, &s), -TD_E_BUSY);
    struct td_stream other;
    td_stream_init(&other, p.peer, 0);
    p.peer = -1;
    while (!got) {
        if (!flushed)
            flushed = td_stream_flush(&p.s);
        assert_true(flushed >= 0);
        assert_true(td_stream_read(&other, &r->err) >= 0);
        got = td_stream_next(&other, &data, &len, &r->err);
        assert_true(got >= 0);
    }
    assert_true(len > TD_MAX_SCRIPT_BYTES);
    assert_int_equal(td_stream_flush(&p.s), 1);
    assert_false(td_stream_wants_write(&p.s));
    assert_true(p.s.out.cap <= 65536); /* an idle connection keeps no large buffer */
    assert_int_equal(td_stream_read(&other, &r->err), 0);
    assert_true(other.in.cap <= 65536);
    td_stream_release(&other);
    pair_close(&p);
    td_free(expr);
    td_free((void *)(uintptr_t)rows.rows.v);
    td_free((void *)(uintptr_t)s.script.v);
}

static void writing_to_nobody_is_an_error_and_no_signal(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, 1000);
    close(p.peer);
    p.peer = -1;
    assert_int_equal(td_stream_put(&p.s, TD_MSG_PING, 1, &(struct td_ping){.version = 1}), 0);
    assert_int_equal(td_stream_flush(&p.s), -TD_E_IO);
    assert_true(p.s.closed);
    pair_close(&p);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

/* A listening socket, a call that is connected to it and the server's end of it. */
struct line {
    int listener;
    struct td_call call;
    struct td_stream server;
};

static void line_open(struct room *r, struct line *l, int timeout_ms)
{
    l->listener = td_local_listen(r->path, 0600, &r->err);
    assert_true(l->listener >= 0);
    assert_int_equal(td_call_open(r->path, timeout_ms, &l->call, &r->err), 0);
    td_stream_init(&l->server, accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), 100000);
}

static void line_close(struct line *l)
{
    td_stream_release(&l->server);
    td_call_close(&l->call);
    close(l->listener);
}

/* Answers lie ready before the question is asked: the first request of a call is number 1. */
static void answer(struct line *l, uint32_t id, uint64_t request, const void *body)
{
    assert_int_equal(td_stream_put(&l->server, id, request, body), 0);
    assert_int_equal(td_stream_flush(&l->server), 1);
}

static void a_call_gets_its_answer_and_more_of_it(void **state)
{
    struct room *r = *state;
    struct line l;
    struct td_frame f;
    const uint8_t *data;
    size_t len;

    line_open(r, &l, 5000);
    answer(&l, TD_MSG_PONG, 1, &(struct td_pong){.version = 1, .cluster = "c"});
    assert_int_equal(td_call(&l.call, TD_MSG_PING, &(struct td_ping){.version = 1}, &r->arena, &f, &r->err), 0);
    assert_int_equal(f.id, TD_MSG_PONG);
    assert_string_equal(((struct td_pong *)f.body)->cluster, "c");
    assert_int_equal(td_stream_read(&l.server, &r->err), 1);
    assert_int_equal(td_stream_next(&l.server, &data, &len, &r->err), 1);
    assert_int_equal(ping_version(r, data, len), 1);

    answer(&l, TD_MSG_PONG, 1, &(struct td_pong){.version = 9}); /* late: to a request that is over */
    answer(&l, TD_MSG_JOBS, 2, &(struct td_jobs){.more = true, .seq = 1});
    answer(&l, TD_MSG_JOBS, 2, &(struct td_jobs){.seq = 2});
    assert_int_equal(td_call(&l.call, TD_MSG_QUERY_JOBS, &(struct td_query_jobs){0}, &r->arena, &f, &r->err), 0);
    assert_true(((struct td_jobs *)f.body)->more);
    assert_int_equal(td_call_more(&l.call, &r->arena, &f, &r->err), 0);
    assert_int_equal(((struct td_jobs *)f.body)->seq, 2);
    line_close(&l);
}

static void a_refusal_is_a_failure_in_its_words(void **state)
{
    struct room *r = *state;
    struct line l;
    struct td_frame f;

    line_open(r, &l, 5000);
    answer(&l, TD_MSG_ERROR, 1, &(struct td_error_reply){.code = TD_E_INVALID_JOB, .text = "job 7 is not here"});
    assert_int_equal(td_call(&l.call, TD_MSG_PING, &(struct td_ping){0}, &r->arena, &f, &r->err), -TD_E_INVALID_JOB);
    assert_string_equal(r->err.text, "job 7 is not here");
    answer(&l, TD_MSG_ERROR, 2, &(struct td_error_reply){.code = TD_E_INVALID_JOB});
    assert_int_equal(td_call(&l.call, TD_MSG_PING, &(struct td_ping){0}, &r->arena, &f, &r->err), -TD_E_INVALID_JOB);
    assert_string_equal(r->err.text, "Invalid job id specified");
    answer(&l, TD_MSG_ERROR, 0, &(struct td_error_reply){.code = TD_E_BAD_FRAME, .text = "garbage"});
    td_stream_release(&l.server); /* refused before the question came: the words still arrive */
    assert_int_equal(td_call(&l.call, TD_MSG_PING, &(struct td_ping){0}, &r->arena, &f, &r->err), -TD_E_BAD_FRAME);
    assert_string_equal(r->err.text, "garbage");
    line_close(&l);
}

static void nobody_there_is_said_as_slurm_says_it(void **state)
{
    struct room *r = *state;
    struct td_call c;

    assert_int_equal(td_call_open(r->path, 1000, &c, &r->err), -TD_E_UNREACHABLE);
    assert_non_null(strstr(r->err.text, "Unable to contact slurm controller (connect failure)"));
    assert_non_null(strstr(r->err.text, r->path));
    assert_non_null(strstr(r->err.text, "tender doctor"));
    int dead = td_local_listen(r->path, 0600, &r->err);
    close(dead);
    assert_int_equal(td_call_open(r->path, 1000, &c, &r->err), -TD_E_UNREACHABLE);
}

static void waiting_is_bounded(void **state)
{
    struct room *r = *state;
    struct line l;
    struct td_frame f;
    struct td_submit big = {.script = {td_alloc(TD_MAX_SCRIPT_BYTES), TD_MAX_SCRIPT_BYTES}};

    line_open(r, &l, 20);
    assert_int_equal(td_call(&l.call, TD_MSG_PING, &(struct td_ping){0}, &r->arena, &f, &r->err), -TD_E_TIMED_OUT);
    assert_non_null(strstr(r->err.text, "20 ms"));
    assert_int_equal(td_call(&l.call, TD_MSG_SUBMIT, &big, &r->arena, &f, &r->err), -TD_E_TIMED_OUT); /* nobody reads */
    line_close(&l);
    td_free((void *)(uintptr_t)big.script.v);
}

static void a_server_that_hangs_up_is_told(void **state)
{
    struct room *r = *state;
    struct line l;
    struct td_frame f;

    line_open(r, &l, 5000);
    td_stream_release(&l.server);
    assert_int_equal(td_call(&l.call, TD_MSG_PING, &(struct td_ping){0}, &r->arena, &f, &r->err), -TD_E_UNREACHABLE);
    line_close(&l);
}

static void nonsense_from_a_server_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        int code;
    } cases[] = {
        {"\xff\xff\xff\xff", 4, TD_E_TOO_BIG},
        {"\0\0\0\1\xc1", 5, TD_E_BAD_FRAME},
        {"\0\0\0\4\x93\x03\x63\x80", 8, TD_E_BAD_FRAME}, /* an answer to request 99 */
    };
    struct room *r = *state;

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        struct line l;
        struct td_frame f;

        line_open(r, &l, 5000);
        assert_int_equal(send(l.server.fd, cases[i].bytes, cases[i].n, MSG_NOSIGNAL), cases[i].n);
        assert_int_equal(td_call(&l.call, TD_MSG_PING, &(struct td_ping){0}, &r->arena, &f, &r->err), -cases[i].code);
        line_close(&l);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, room_open, room_close)
    const struct CMUnitTest tests[] = {
        TEST(a_socket_is_made_with_its_mode),
        TEST(a_dead_socket_is_replaced),
        TEST(a_live_socket_is_left_alone),
        TEST(a_file_that_is_no_socket_is_left_alone),
        TEST(paths_may_be_longer_than_an_address),
        TEST(two_frames_in_one_write_are_two),
        TEST(a_frame_may_come_byte_by_byte),
        TEST(half_a_frame_and_an_end_is_an_end),
        TEST(a_length_that_is_no_frames_is_refused_before_memory),
        TEST(a_bad_length_behind_a_good_frame_is_found),
        TEST(the_largest_frame_passes_and_one_more_byte_does_not),
        TEST(writing_to_nobody_is_an_error_and_no_signal),
        TEST(a_call_gets_its_answer_and_more_of_it),
        TEST(a_refusal_is_a_failure_in_its_words),
        TEST(nobody_there_is_said_as_slurm_says_it),
        TEST(waiting_is_bounded),
        TEST(a_server_that_hangs_up_is_told),
        TEST(nonsense_from_a_server_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
