/* test_seal.c - two ends of a sealed stream, in memory and over a socket pair; and everything that must not pass */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/sealed.h"

struct ends {
    struct td_seal *a, *b;   /* a dials */
    struct td_buf ab, ba;    /* what each has said */
    size_t at_b, at_a;       /* how much of it the other has taken */
    struct td_buf plain;
};

static const uint8_t key[32] = {1, 2, 3};

/* Takes pieces until none is whole; returns the last result that was not MORE, or the failure. */
static int take(struct td_seal *s, const struct td_buf *from, size_t *at, struct td_buf *plain, struct td_error *err)
{
    int last = TD_SEAL_MORE;
    for (;;) {
        size_t used = 0;
        int r = td_seal_take(s, from->data + *at, from->len - *at, &used, plain, err);
        *at += used;
        if (r < 0)
            return r;
        if (r == TD_SEAL_MORE)
            return last;
        last = r;
    }
}

static void ends_new(struct ends *e, const uint8_t *key_a, const uint8_t *key_b)
{
    struct td_error err;
    memset(e, 0, sizeof(*e));
    e->a = td_seal_new(key_a, true, NULL);
    e->b = td_seal_new(key_b, false, NULL);
    td_seal_hello(e->a, &e->ab);
    td_seal_hello(e->b, &e->ba);
    assert_false(td_seal_ready(e->a));
    assert_int_equal(take(e->b, &e->ab, &e->at_b, &e->plain, &err), TD_SEAL_GREETED);
    assert_int_equal(take(e->a, &e->ba, &e->at_a, &e->plain, &err), TD_SEAL_GREETED);
    assert_true(td_seal_ready(e->a) && td_seal_ready(e->b));
}

static void ends_release(struct ends *e)
{
    td_seal_destroy(&e->a);
    td_seal_destroy(&e->b);
    td_buf_release(&e->ab);
    td_buf_release(&e->ba);
    td_buf_release(&e->plain);
}

static void say(struct td_seal *s, const char *text, struct td_buf *out)
{
    td_seal_put(s, (const uint8_t *)text, strlen(text), false, out);
}

static void words_go_both_ways(void **state)
{
    struct ends e;
    struct td_error err;
    (void)state;
    ends_new(&e, key, key);
    say(e.a, "to b", &e.ab);
    assert_int_equal(take(e.b, &e.ab, &e.at_b, &e.plain, &err), TD_SEAL_FRAME);
    assert_memory_equal(e.plain.data, "to b", 4);
    td_buf_reset(&e.plain);
    say(e.b, "to a", &e.ba);
    assert_int_equal(take(e.a, &e.ba, &e.at_a, &e.plain, &err), TD_SEAL_FRAME);
    assert_memory_equal(e.plain.data, "to a", 4);
    assert_null(memmem(e.ab.data, e.ab.len, "to b", 4));
    td_seal_put(e.a, NULL, 0, true, &e.ab);
    assert_int_equal(take(e.b, &e.ab, &e.at_b, &e.plain, &err), TD_SEAL_END);
    say(e.a, "behind the end", &e.ab);
    assert_int_equal(take(e.b, &e.ab, &e.at_b, &e.plain, &err), -TD_E_BAD_FRAME);
    ends_release(&e);
}

/* Whatever bit is turned over, nothing of the frame comes out. */
static void a_turned_bit_fails(void **state)
{
    struct td_error err;
    (void)state;
    for (size_t bit = 0;; bit++) {
        struct ends e;
        ends_new(&e, key, key);
        size_t start = e.ab.len;
        say(e.a, "word", &e.ab);
        if (start + bit / 8 >= e.ab.len) {
            ends_release(&e);
            assert_true(bit > 8 * 40); /* header, length, word, tag */
            return;
        }
        e.ab.data[start + bit / 8] = (uint8_t)(e.ab.data[start + bit / 8] ^ 1u << bit % 8);
        int r = take(e.b, &e.ab, &e.at_b, &e.plain, &err);
        assert_int_not_equal(r, TD_SEAL_FRAME); /* a longer length waits for more, all else fails */
        assert_int_equal(e.plain.len, 0);
        ends_release(&e);
    }
}

static void what_is_cut_off_is_seen(void **state)
{
    struct ends e;
    struct td_error err;
    (void)state;
    ends_new(&e, key, key);
    say(e.a, "first", &e.ab);
    size_t whole = e.ab.len;
    say(e.a, "second", &e.ab);
    size_t all = e.ab.len;
    e.ab.len = all - 1;
    assert_int_equal(take(e.b, &e.ab, &e.at_b, &e.plain, &err), TD_SEAL_FRAME);
    assert_int_equal(e.plain.len, 5); /* the first alone: half a frame is none, and the last word has not come */
    assert_int_equal(e.at_b, whole);
    e.ab.len = all;
    assert_int_equal(take(e.b, &e.ab, &e.at_b, &e.plain, &err), TD_SEAL_FRAME);
    assert_memory_equal(e.plain.data, "firstsecond", 11);
    ends_release(&e);
}

static void a_frame_left_out_fails(void **state)
{
    struct ends e;
    struct td_error err;
    struct td_buf hole = {0};
    size_t at = 0;
    (void)state;
    ends_new(&e, key, key);
    td_buf_put(&hole, e.ab.data, 0);
    say(e.a, "first", &e.ab);
    size_t one = e.ab.len;
    say(e.a, "second", &e.ab);
    td_buf_put(&hole, e.ab.data + e.at_b, 24); /* the stream's head */
    td_buf_put(&hole, e.ab.data + one, e.ab.len - one);
    assert_int_equal(take(e.b, &hole, &at, &e.plain, &err), -TD_E_BAD_FRAME);
    td_buf_release(&hole);
    ends_release(&e);
}

static void another_key_fails(void **state)
{
    static const uint8_t other[32] = {9};
    struct ends e;
    struct td_error err = {0};
    (void)state;
    ends_new(&e, key, other);
    say(e.a, "word", &e.ab);
    assert_int_equal(take(e.b, &e.ab, &e.at_b, &e.plain, &err), -TD_E_BAD_FRAME);
    assert_non_null(strstr(err.text, "another key"));
    ends_release(&e);
}

/* All that one end said, played to a new other end with the right key; and one's own words played back. */
static void a_replay_fails(void **state)
{
    struct ends e;
    struct td_error err = {0};
    (void)state;
    ends_new(&e, key, key);
    say(e.a, "word", &e.ab);
    struct td_seal *again = td_seal_new(key, false, NULL);
    size_t at = 0;
    assert_int_equal(take(again, &e.ab, &at, &e.plain, &err), -TD_E_BAD_FRAME);
    td_seal_destroy(&again);

    struct td_seal *alone = td_seal_new(key, true, NULL);
    struct td_buf own = {0};
    at = 0;
    td_seal_hello(alone, &own);
    assert_int_equal(take(alone, &own, &at, &e.plain, &err), -TD_E_BAD_FRAME);
    td_seal_destroy(&alone);
    td_buf_release(&own);

    /* words of one direction do not pass in the other */
    say(e.b, "word", &e.ba);
    at = e.at_b;
    struct td_buf mixed = {0};
    td_buf_put(&mixed, e.ba.data + e.at_a, e.ba.len - e.at_a);
    at = 0;
    assert_int_equal(take(e.b, &mixed, &at, &e.plain, &err), -TD_E_BAD_FRAME);
    td_buf_release(&mixed);
    ends_release(&e);
}

static void another_protocol_is_refused(void **state)
{
    struct td_error err = {0};
    struct td_buf plain = {0};
    struct td_seal *s = td_seal_new(key, false, NULL);
    size_t used;
    (void)state;
    assert_int_equal(td_seal_take(s, (const uint8_t *)"GET / HTTP/1.1", 14, &used, &plain, &err), -TD_E_BAD_FRAME);
    assert_non_null(strstr(err.text, "does not speak"));
    td_seal_destroy(&s);
    s = td_seal_new(key, false, NULL);
    assert_int_equal(td_seal_take(s, (const uint8_t *)"TDS", 3, &used, &plain, &err), TD_SEAL_MORE);
    td_seal_destroy(&s);
    td_buf_release(&plain);
}

/* Over a socket: frames said before the handshake, many, large; then the last word. */
static void frames_over_a_socket(void **state)
{
    enum { FRAMES = 200, BYTES = 60000 };
    static uint8_t bytes[BYTES];
    int pair[2];
    struct td_sealed a, b;
    struct td_error err;
    struct td_arena arena = {0};
    uint32_t sent = 0, got = 0;
    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    td_sealed_init(&a, pair[0], key, true);
    td_sealed_init(&b, pair[1], key, false);
    while (!b.ended) {
        struct td_sh_data m = {.rank = sent, .stream = 1, .at = (uint64_t)sent * BYTES, .bytes = {bytes, BYTES}};
        if (sent < FRAMES && td_sealed_waiting(&a) < 200000) {
            td_sealed_put(&a, TD_MSG_SH_DATA, &m);
            if (++sent == FRAMES)
                td_sealed_end(&a);
        }
        const uint8_t *data;
        size_t len;
        assert_true(td_sealed_flush(&a) >= 0 && td_sealed_flush(&b) >= 0);
        assert_true(td_sealed_read(&a, &err) >= 0 && td_sealed_read(&b, &err) >= 0);
        assert_int_equal(td_sealed_next(&a, &data, &len, &err), 0);
        while (td_sealed_next(&b, &data, &len, &err) == 1) {
            struct td_frame f;
            assert_int_equal(td_wire_get_frame(&arena, data, len, &f, &err), 0);
            assert_int_equal(f.id, TD_MSG_SH_DATA);
            assert_int_equal(((struct td_sh_data *)f.body)->rank, got++);
            assert_int_equal(((struct td_sh_data *)f.body)->bytes.n, BYTES);
            td_arena_reset(&arena);
        }
    }
    assert_int_equal(got, FRAMES);
    assert_true(sent == FRAMES);
    td_sealed_release(&a);
    assert_int_equal(td_sealed_read(&b, &err), -TD_E_IO);
    td_sealed_release(&b);
    td_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_go_both_ways),      cmocka_unit_test(a_turned_bit_fails),
        cmocka_unit_test(what_is_cut_off_is_seen), cmocka_unit_test(a_frame_left_out_fails),
        cmocka_unit_test(another_key_fails),       cmocka_unit_test(a_replay_fails),
        cmocka_unit_test(another_protocol_is_refused), cmocka_unit_test(frames_over_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
