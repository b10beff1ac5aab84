/* test_front_digest.c - a replica's digest, made beside the loop, against the broker's of the same
 * event */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/front/front.h"

#include <poll.h>
#include <signal.h>

static int setup(void **state)
{
    struct front *f = td_alloc(sizeof(*f));
    struct td_error err = {0};
    f->s = td_alloc(sizeof(*f->s));
    f->s->core = td_core_new(1);
    f->ready = true;
    *state = f;
    return shell_log_open(&f->s->log, "/dev/null", &err);
}

static int teardown(void **state)
{
    struct front *f = *state;
    shell_digest_drop(f->s);
    td_core_destroy(&f->s->core);
    shell_log_release(&f->s->log);
    td_arena_release(&f->arena);
    td_free(f->s);
    td_free(f);
    return 0;
}

static void happens(struct front *f)
{
    uint64_t seq = td_core_seq(f->s->core) + 1;
    const struct td_ev_epoch_began body = {.epoch = seq};
    const struct td_event ev = {seq, 1000 + (int64_t)seq, TD_EV_EPOCH_BEGAN, &body};
    td_core_apply(f->s->core, &ev);
}

static void told(struct front *f, struct td_committed m)
{
    m.last = m.last ? m.last : td_core_seq(f->s->core);
    front_committed_take(f, &m);
}

static void made(struct front *f)
{
    struct pollfd p = {.fd = f->s->digest.fd, .events = POLLIN};
    if (f->s->digest.child) /* else it was so fast that it is taken already */
        assert_int_equal(poll(&p, 1, 60000), 1);
}

static void equal_ones_of_the_same_event(void **state)
{
    struct front *f = *state;
    happens(f);
    uint64_t digest = td_core_digest(f->s->core);
    told(f, (struct td_committed){.digest_begins = true});
    made(f);
    happens(f); /* meanwhile */
    assert_true(td_core_digest(f->s->core) != digest);
    told(f, (struct td_committed){.digest_of = 1, .digest_then = digest});
    assert_int_equal(f->digests_equal, 1);
    told(f, (struct td_committed){.digest_begins = true});
    digest = td_core_digest(f->s->core);
    told(f, (struct td_committed){.digest_of = 2, .digest_then = digest}); /* his is there first */
    if (f->digests_equal == 1) {
        made(f);
        told(f, (struct td_committed){0});
    }
    assert_int_equal(f->digests_equal, 2);
    assert_int_equal(f->digests_wrong, 0);
    assert_true(f->ready);
}

static void another_one_ends_the_replica(void **state)
{
    struct front *f = *state;
    happens(f);
    told(f, (struct td_committed){.digest_begins = true});
    made(f);
    told(f, (struct td_committed){.digest_of = 1, .digest_then = td_core_digest(f->s->core) + 1});
    assert_int_equal(f->digests_wrong, 1);
    assert_false(f->ready);
    assert_int_equal(td_core_seq(f->s->core), 0);
}

static void what_is_not_of_the_same_event_is_not_compared(void **state)
{
    struct front *f = *state;
    happens(f);
    told(f, (struct td_committed){.last = 2, .digest_begins = true}); /* it is not there yet */
    assert_int_equal(f->s->digest.child, 0);
    told(f, (struct td_committed){.digest_of = 2, .digest_then = 77});
    told(f, (struct td_committed){.digest_begins = true});
    made(f);
    told(f, (struct td_committed){0});
    told(f, (struct td_committed){.digest_of = 2, .digest_then = 77}); /* of the one before */
    assert_int_equal(f->digests_equal + f->digests_wrong, 0);
    assert_true(f->ready);
}

static void a_child_that_is_killed_says_nothing(void **state)
{
    struct front *f = *state;
    happens(f);
    uint64_t seq, digest;
    assert_true(shell_digest_begin(f->s));
    int fds[2];
    assert_int_equal(pipe(fds), 0); /* in place of what it may have said already */
    close(fds[1]);
    close(f->s->digest.fd);
    f->s->digest.fd = fds[0];
    kill(f->s->digest.child, SIGKILL);
    assert_false(shell_digest_made(f->s, &seq, &digest));
    assert_int_equal(f->s->digest.child, 0);
    told(f, (struct td_committed){.digest_of = 1, .digest_then = 5});
    assert_int_equal(f->digests_equal + f->digests_wrong, 0);
    assert_true(shell_digest_begin(f->s)); /* and the next one is made */
    made(f);
    assert_true(shell_digest_made(f->s, &seq, &digest));
    assert_int_equal(seq, 1);
    assert_true(digest == td_core_digest(f->s->core));
}

int main(void)
{
#define front_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        front_test(equal_ones_of_the_same_event),
        front_test(another_one_ends_the_replica),
        front_test(what_is_not_of_the_same_event_is_not_compared),
        front_test(a_child_that_is_killed_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
