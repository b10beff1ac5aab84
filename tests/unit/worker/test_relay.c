/* test_relay.c - the real tender-relay between a shepherd and an srun that the test plays; connections break on purpose */
#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/local.h"
#include "local/sealed.h"

#define TRIES 10000 /* of 2 ms: ends a test that has failed already */

struct rig {
    char dir[64], sock[96], where[32];
    int unix_fd, tcp_fd;
    pid_t pid;
    struct td_stream shepherd; /* our end as the shepherd */
    struct td_sealed client;   /* our end as srun */
    struct td_arena arena;
};
static const uint8_t key[32] = {4, 5, 6};

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static int accept_from(int fd)
{
    int got = -1;
    for (int i = 0; i < TRIES && got < 0; i++, nap())
        got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(got >= 0);
    return got;
}

static const void *from_relay(struct rig *r, uint32_t id)
{
    const uint8_t *data;
    size_t len;
    struct td_error err;
    struct td_frame f;
    for (int i = 0; i < TRIES; i++, nap()) {
        td_sealed_flush(&r->client);
        if (td_sealed_next(&r->client, &data, &len, &err) == 1) {
            assert_int_equal(td_wire_get_frame(&r->arena, data, len, &f, &err), 0);
            assert_string_equal(td_msg_name(f.id), td_msg_name(id));
            return f.body;
        }
        td_sealed_read(&r->client, &err);
    }
    fail_msg("%s never came to srun", td_msg_name(id));
    return NULL;
}

static const void *to_shepherd(struct rig *r, uint32_t id)
{
    const uint8_t *data;
    size_t len;
    struct td_error err;
    struct td_frame f;
    for (int i = 0; i < TRIES; i++, nap()) {
        td_sealed_flush(&r->client);
        if (td_stream_next(&r->shepherd, &data, &len, &err) == 1) {
            assert_int_equal(td_wire_get_frame(&r->arena, data, len, &f, &err), 0);
            assert_string_equal(td_msg_name(f.id), td_msg_name(id));
            return f.body;
        }
        td_stream_read(&r->shepherd, &err);
    }
    fail_msg("%s never came to the shepherd", td_msg_name(id));
    return NULL;
}

static void say(struct rig *r, uint32_t id, const void *body)
{
    assert_int_equal(td_stream_put(&r->shepherd, id, 0, body), 0);
    while (td_stream_flush(&r->shepherd) == 0)
        nap();
}

static void meet_client(struct rig *r)
{
    int fd = accept_from(r->tcp_fd); /* by the relay's own wish: it does not wait for the old one's end */
    td_sealed_release(&r->client);
    td_sealed_init(&r->client, fd, key, false);
    const struct td_io_hello *h = from_relay(r, TD_MSG_IO_HELLO);
    assert_int_equal(h->job, 7);
    assert_string_equal(h->node, "n1");
    td_sealed_put(&r->client, TD_MSG_IO_HELLO, &(struct td_io_hello){.version = 1});
    td_sealed_flush(&r->client);
}

/* Both connections as they are made, with their first words. */
static void meet(struct rig *r)
{
    meet_client(r);
    td_stream_init(&r->shepherd, accept_from(r->unix_fd), 1 << 20);
    const struct td_sh_attach *a = to_shepherd(r, TD_MSG_SH_ATTACH);
    assert_int_equal(a->step, 3);
    assert_true(a->credit > 0);
    say(r, TD_MSG_SH_TAKEN, &(struct td_sh_taken){.rank = TD_NO_TASK});
    from_relay(r, TD_MSG_SH_TAKEN);
}

static int setup(void **state)
{
    struct rig *r = td_alloc(sizeof(*r));
    r->client.fd = -1;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(own);
    struct td_error err;
    int pipe_fds[2];
    snprintf(r->dir, sizeof(r->dir), "/tmp/tender-relay.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->sock, sizeof(r->sock), "%s/s", r->dir);
    r->unix_fd = td_local_listen(r->sock, 0600, &err);
    r->tcp_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(r->tcp_fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(listen(r->tcp_fd, 8), 0);
    assert_int_equal(getsockname(r->tcp_fd, (struct sockaddr *)&own, &len), 0);
    snprintf(r->where, sizeof(r->where), "127.0.0.1:%u", ntohs(own.sin_port));

    static const uint32_t ranks[] = {0, 1};
    const char *io[] = {"127.0.0.1:1", r->where}; /* nobody at the first one */
    struct td_step_launch l = {.job = 7, .attempt = 1, .step = 3, .place = {.node = "n1", .ranks = {ranks, 2}}};
    l.spec.io = (struct td_strs){io, 2};
    l.spec.io_key = (struct td_bin){key, 32};
    struct td_buf words = {0};
    td_wire_put_record(&words, &td_rec_step_launch, &l);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    r->pid = fork();
    if (r->pid == 0) {
        dup2(pipe_fds[0], 0);
        execl(TENDER_RELAY, "tender-relay", "--shepherd", r->sock, (char *)NULL);
        _exit(126);
    }
    assert_int_equal(write(pipe_fds[1], words.data, words.len), words.len);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    td_buf_release(&words);
    meet(r);
    *state = r;
    return 0;
}

static int ended(struct rig *r)
{
    int status = -1;
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    r->pid = 0;
    return WEXITSTATUS(status);
}

static int teardown(void **state)
{
    struct rig *r = *state;
    char cmd[96];
    if (r->pid) {
        kill(r->pid, SIGKILL);
        ended(r);
    }
    td_stream_release(&r->shepherd);
    td_sealed_release(&r->client);
    close(r->unix_fd);
    close(r->tcp_fd);
    td_arena_release(&r->arena);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", r->dir);
    assert_int_equal(system(cmd), 0);
    td_free(r);
    return 0;
}

static void say_word(struct rig *r)
{
    struct td_sh_data m = {.rank = 1, .stream = 1, .bytes = {(const uint8_t *)"word", 4}};
    say(r, TD_MSG_SH_DATA, &m);
    const struct td_sh_data *got = from_relay(r, TD_MSG_SH_DATA);
    assert_int_equal(got->rank, 1);
    assert_int_equal(got->bytes.n, 4);
    assert_memory_equal(got->bytes.v, "word", 4);
}

static void words_go_both_ways_and_it_takes_its_leave(void **state)
{
    struct rig *r = *state;
    say_word(r);
    td_sealed_put(&r->client, TD_MSG_SH_TAKEN, &(struct td_sh_taken){.rank = 1, .stream = 1, .upto = 4});
    assert_int_equal(((const struct td_sh_taken *)to_shepherd(r, TD_MSG_SH_TAKEN))->upto, 4);
    td_sealed_put(&r->client, TD_MSG_SH_DETACH, &(struct td_sh_detach){.lost = false});
    assert_false(((const struct td_sh_detach *)to_shepherd(r, TD_MSG_SH_DETACH))->lost);
    assert_int_equal(ended(r), 0);
}

/* Either connection breaks: both are made again, and the shepherd sends again from what was taken. */
static void a_broken_connection_is_made_again(void **state)
{
    struct rig *r = *state;
    say_word(r);
    td_sealed_release(&r->client);
    td_stream_release(&r->shepherd);
    meet(r);
    say_word(r);
    td_stream_release(&r->shepherd); /* the shepherd alone: srun says again what that one may not have heard */
    meet(r);
    say_word(r);
}

/* A shepherd that has not heard of the step turns the relay away at first: what srun says meanwhile waits for one that has,
 * or it would be gone with that connection. */
static void input_waits_for_a_shepherd_that_knows_the_step(void **state)
{
    struct rig *r = *state;
    struct td_error err;
    td_sealed_release(&r->client);
    td_stream_release(&r->shepherd);
    meet_client(r);
    td_stream_init(&r->shepherd, accept_from(r->unix_fd), 1 << 20);
    to_shepherd(r, TD_MSG_SH_ATTACH);
    td_sealed_put(&r->client, TD_MSG_SH_DATA,
                  &(struct td_sh_data){.rank = TD_NO_TASK, .stream = 0, .bytes = {(const uint8_t *)"word", 4}, .eof = true});
    assert_int_equal(td_sealed_flush(&r->client), 1);
    for (int i = 0; i < 50; i++, nap())
        assert_int_equal(td_stream_read(&r->shepherd, &err), 0);
    td_stream_release(&r->shepherd);
    td_stream_init(&r->shepherd, accept_from(r->unix_fd), 1 << 20);
    to_shepherd(r, TD_MSG_SH_ATTACH);
    say(r, TD_MSG_SH_TAKEN, &(struct td_sh_taken){.rank = TD_NO_TASK});
    const struct td_sh_data *got = to_shepherd(r, TD_MSG_SH_DATA);
    assert_int_equal(got->bytes.n, 4);
    assert_true(got->eof);
}

static void a_shepherd_that_is_gone_is_told(void **state)
{
    struct rig *r = *state;
    say(r, TD_MSG_SH_TASK_EXIT, &(struct td_sh_task_exit){.rank = 0});
    from_relay(r, TD_MSG_SH_TASK_EXIT);
    td_stream_release(&r->shepherd);
    close(r->unix_fd);
    unlink(r->sock);
    meet_client(r);
    const struct td_sh_task_exit *e = from_relay(r, TD_MSG_SH_TASK_EXIT);
    assert_int_equal(e->rank, 1); /* the one that was not over */
    assert_int_equal(e->signal, SIGKILL);
    assert_non_null(strstr(e->text, "shepherd is gone"));
    assert_int_equal(ended(r), 1);
    r->unix_fd = -1;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(words_go_both_ways_and_it_takes_its_leave),
        T(a_broken_connection_is_made_again),
        T(input_waits_for_a_shepherd_that_knows_the_step),
        T(a_shepherd_that_is_gone_is_told),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
