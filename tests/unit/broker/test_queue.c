/* test_queue.c - the waiting candidates: order, replacement, dropping, and what they cost */
#include "planfilm.h"

static void put(struct td_queue *q, uint32_t job, uint32_t shape, uint64_t rank)
{
    struct td_candidate c = {.job = job, .shape = shape, .rank = rank, .count = 1, .limit_s = 60};

    td_queue_put(q, &c);
}

static void sound(const struct td_queue *q)
{
    struct td_error err = {0};

    if (!td_queue_check(q, &err))
        fail_msg("%s", err.text);
}

/* Jobs of a shape in order, as text. */
static const char *order(const struct td_queue *q, uint32_t shape)
{
    static char text[4096];
    size_t n = 0;

    queue_settle(q, shape);
    sound(q);
    const struct shape_queue *l = q->shapes.v[shape];
    text[0] = '\0';
    for (uint32_t i = l->head; i < l->n; i++)
        if (!queue_slot(q, l->v[i])->dead)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u", n ? " " : "", queue_slot(q, l->v[i])->job);
    return text;
}

static void candidates_lie_in_rank_order(void **state)
{
    struct td_queue *q = td_queue_new();

    (void)state;
    put(q, 5, 0, 10);
    put(q, 6, 0, 30);
    put(q, 7, 0, 20);
    put(q, 3, 0, 30); /* the same rank: the smaller job first */
    put(q, 8, 1, 1);
    assert_string_equal(order(q, 0), "5 7 3 6");
    put(q, 6, 0, 5); /* moved forward */
    assert_string_equal(order(q, 0), "6 5 7 3");
    put(q, 6, 1, 5); /* another shape */
    assert_string_equal(order(q, 0), "5 7 3");
    assert_string_equal(order(q, 1), "8 6");
    assert_int_equal(td_queue_length(q), 5);
    td_queue_drop(q, 7);
    td_queue_drop(q, 7);   /* twice is once */
    td_queue_drop(q, 999); /* never was there */
    assert_string_equal(order(q, 0), "5 3");
    td_queue_destroy(&q);
    assert_null(q);
    td_queue_destroy(&q);
}

static void the_key_is_job_component_partition(void **state)
{
    struct td_queue *q = td_queue_new();
    struct td_candidate c = {.job = 1, .count = 1, .limit_s = 60, .rank = 1};

    (void)state;
    td_queue_put(q, &c);
    c.partition = 1;
    td_queue_put(q, &c);
    c.component = 1;
    td_queue_put(q, &c);
    assert_int_equal(td_queue_length(q), 3);
    c.count = 7;
    td_queue_put(q, &c);
    c.rank = 9;
    td_queue_put(q, &c);
    assert_int_equal(td_queue_length(q), 3);
    sound(q);
    td_queue_drop(q, 1);
    assert_int_equal(td_queue_length(q), 0);
    sound(q);
    td_queue_destroy(&q);
}

static void a_hundred_thousand_are_cheap(void **state)
{
    struct td_queue *q = td_queue_new();
    const uint32_t n = 100000;

    (void)state;
    for (uint32_t i = 0; i < n; i++)
        put(q, 1 + i, i % 50, i);
    assert_true(queue_bytes(q) / n <= 88); /* of a budget of 2 KB for a waiting job */
    for (uint32_t i = 0; i < n; i += 10)
        td_queue_drop(q, 1 + i);
    assert_int_equal(td_queue_length(q), n - n / 10);
    sound(q);
    for (uint32_t i = 0; i < n; i++) /* all ranked anew, backwards */
        if (i % 10)
            put(q, 1 + i, i % 50, n - i);
    for (uint32_t s = 0; s < 50; s++)
        queue_settle(q, s);
    sound(q);
    assert_true(queue_bytes(q) / td_queue_length(q) <= 160);
    for (uint32_t i = 0; i < n; i++)
        td_queue_drop(q, 1 + i);
    assert_int_equal(td_queue_length(q), 0);
    sound(q);
    td_queue_destroy(&q);
}

/* Against a plain array. */
static void random_puts_and_drops_agree_with_a_model(void **state)
{
    struct td_rng rng = {77};
    struct {
        bool on;
        uint32_t shape;
        uint64_t rank;
    } model[64] = {0};
    struct td_queue *q = td_queue_new();

    (void)state;
    for (uint32_t step = 0; step < 20000; step++) {
        uint32_t job = td_rng_below(&rng, 64), n = 0;

        if (td_rng_below(&rng, 3) == 0) {
            td_queue_drop(q, job);
            model[job].on = false;
        } else {
            model[job].on = true;
            model[job].shape = td_rng_below(&rng, 3);
            model[job].rank = td_rng_below(&rng, 20);
            put(q, job, model[job].shape, model[job].rank);
        }
        for (uint32_t i = 0; i < 64; i++)
            n += model[i].on;
        assert_int_equal(td_queue_length(q), n);
        if (step % 50)
            continue;
        char want[4096] = "";
        uint32_t shape = td_rng_below(&rng, 3);
        size_t len = 0;
        for (uint64_t rank = 0; rank < 20; rank++)
            for (uint32_t i = 0; i < 64; i++)
                if (model[i].on && model[i].shape == shape && model[i].rank == rank)
                    len += (size_t)snprintf(want + len, sizeof(want) - len, "%s%u", len ? " " : "", i);
        if (shape < q->shapes.n && q->shapes.v[shape])
            assert_string_equal(order(q, shape), want);
    }
    td_queue_destroy(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_lie_in_rank_order),
        cmocka_unit_test(the_key_is_job_component_partition),
        cmocka_unit_test(a_hundred_thousand_are_cheap),
        cmocka_unit_test(random_puts_and_drops_agree_with_a_model),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
