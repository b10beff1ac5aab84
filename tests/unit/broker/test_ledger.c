/* test_ledger.c - capacity, holdings, shapes and refusals */
#include "planfilm.h"

static bool covers(struct film *f, uint32_t node, uint32_t first, uint32_t n, uint64_t mem, uint32_t gpu, uint32_t gpus,
                   const char *type)
{
    struct film_place b;

    return td_ledger_covers(f->l, node, film_place(&b, first, n, mem, gpu, gpus, type));
}

static void take(struct film *f, uint32_t node, uint32_t job, uint32_t first, uint32_t n, uint64_t mem, uint32_t gpu,
                 uint32_t gpus, const char *type)
{
    struct film_place b;
    const struct td_placement *p = film_place(&b, first, n, mem, gpu, gpus, type);

    assert_true(td_ledger_covers(f->l, node, p));
    td_ledger_take(f->l, node, job, 1, p, TD_FOREVER);
    film_sound(f);
}

static struct td_ledger_free free_of(struct film *f, uint32_t node)
{
    struct td_ledger_free r;

    td_ledger_get_free(f->l, node, &r);
    return r;
}

static void what_is_held_is_not_covered_again(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 8, .mem = 1000, .gpus = 4, .type = "a100"});
    take(&f, 0, 1, 0, 2, 600, 0, 2, "a100");
    assert_int_equal(free_of(&f, 0).cpus, 6);
    assert_int_equal(free_of(&f, 0).memory_mb, 400);
    assert_int_equal(free_of(&f, 0).holdings, 1);
    assert_true(covers(&f, 0, 2, 6, 400, 2, 2, "a100"));
    assert_false(covers(&f, 0, 1, 2, 100, 2, 1, "a100"));  /* CPU 1 is held */
    assert_false(covers(&f, 0, 2, 1, 401, 2, 1, "a100"));  /* a MiB too much */
    assert_false(covers(&f, 0, 2, 1, 100, 1, 2, "a100"));  /* device 1 is held */
    assert_false(covers(&f, 0, 2, 1, 100, 3, 2, "a100"));  /* there is no device 4 */
    assert_false(covers(&f, 0, 2, 7, 100, 0, 0, NULL));    /* there is no CPU 8 */
    assert_false(covers(&f, 0, 2, 1, 100, 2, 1, "h100"));  /* no such model */
    assert_true(covers(&f, 0, 2, 1, 100, 2, 1, ""));       /* any model */
    assert_false(covers(&f, 1, 0, 1, 0, 0, 0, NULL));      /* no such node */

    td_ledger_give(f.l, 0, 1, 1);
    film_sound(&f);
    assert_int_equal(free_of(&f, 0).cpus, 8);
    assert_true(covers(&f, 0, 0, 8, 1000, 0, 4, "a100"));
    film_close(&f);
}

static void devices_must_be_named_as_many_as_counted(void **state)
{
    struct film f;
    struct film_place b;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4, .gpus = 4, .type = "a100"});
    film_place(&b, 0, 1, 0, 0, 2, "a100");
    b.gres.count = 3;
    assert_false(td_ledger_covers(f.l, 0, &b.p));
    b.gres.count = 2;
    b.gres.devices.n = 0; /* which ones? */
    assert_false(td_ledger_covers(f.l, 0, &b.p));
    b.gres.devices.n = 8;
    assert_true(td_ledger_covers(f.l, 0, &b.p));
    film_close(&f);
}

static void countables_have_no_devices(void **state)
{
    struct film f;
    struct film_place b;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4, .licenses = 3});
    film_place(&b, 0, 1, 0, 0, 2, NULL);
    b.gres.name = "licence";
    b.gres.devices.n = 0;
    assert_true(td_ledger_covers(f.l, 0, &b.p));
    td_ledger_take(f.l, 0, 1, 1, &b.p, TD_FOREVER);
    film_sound(&f);
    assert_int_equal(td_ledger_gres_held(f.l, 0, "licence", NULL, NULL), 2);
    film_place(&b, 1, 1, 0, 0, 2, NULL);
    b.gres.name = "licence";
    b.gres.devices.n = 0;
    assert_false(td_ledger_covers(f.l, 0, &b.p));
    film_close(&f);
}

static void held_devices_are_told_by_model(void **state)
{
    struct film f;
    struct td_bin bits;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 8, .gpus = 2, .type = "a100", .gpus2 = 2, .type2 = "h100"});
    take(&f, 0, 1, 0, 1, 0, 1, 2, ""); /* device 1 is an a100, device 2 an h100 */
    assert_int_equal(td_ledger_gres_held(f.l, 0, "gpu", "a100", &bits), 1);
    assert_true(td_bits_get(bits.v, bits.n, 1) && !td_bits_get(bits.v, bits.n, 2));
    assert_int_equal(td_ledger_gres_held(f.l, 0, "gpu", "h100", &bits), 1);
    assert_true(td_bits_get(bits.v, bits.n, 2));
    assert_int_equal(td_ledger_gres_held(f.l, 0, "gpu", "", &bits), 2);
    assert_int_equal(td_ledger_gres_held(f.l, 0, "gpu", "v100", &bits), 0);
    assert_int_equal(td_ledger_gres_held(f.l, 0, "fpga", "", &bits), 0);
    assert_false(covers(&f, 0, 1, 1, 0, 1, 1, "a100"));
    assert_true(covers(&f, 0, 1, 1, 0, 0, 1, "a100"));
    film_close(&f);
}

static void holdings_outlive_a_change_of_inventory(void **state)
{
    struct film f;
    struct film_node big = {.cpus = 8, .mem = 1000, .gpus = 4, .type = "a100"}, small = {.cpus = 2, .mem = 500};

    (void)state;
    film_open(&f);
    film_node(&f, big);
    uint64_t empty = td_ledger_digest(f.l);
    take(&f, 0, 1, 0, 4, 800, 2, 2, "a100");
    uint64_t held = td_ledger_digest(f.l);
    assert_int_not_equal(empty, held);

    film_set(&f, 0, small);
    film_sound(&f);
    assert_int_equal(free_of(&f, 0).cpus, 0);
    assert_int_equal(free_of(&f, 0).memory_mb, 0);
    film_set(&f, 0, big);
    film_sound(&f);
    assert_int_equal(free_of(&f, 0).cpus, 4);
    assert_int_equal(td_ledger_gres_held(f.l, 0, "gpu", "a100", NULL), 2);
    assert_int_equal(td_ledger_digest(f.l), held);

    film_set(&f, 0, small);
    td_ledger_give(f.l, 0, 1, 1);
    film_sound(&f);
    assert_int_equal(free_of(&f, 0).cpus, 2);
    film_set(&f, 0, big);
    film_sound(&f);
    assert_int_equal(td_ledger_digest(f.l), empty);
    film_close(&f);
}

static void a_big_node_holds_thousands(void **state)
{
    struct film f;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4096});
    for (uint32_t i = 0; i < 4096; i++)
        film_hold(&f, 0, 1 + i, i, 1, (int64_t)((i * 7919) % 4096));
    film_sound(&f);
    assert_int_equal(free_of(&f, 0).cpus, 0);
    for (uint32_t i = 0; i < 4096; i += 2)
        td_ledger_give(f.l, 0, 1 + i, 1);
    film_sound(&f);
    assert_int_equal(free_of(&f, 0).cpus, 2048);
    film_close(&f);
}

static void the_digest_does_not_know_the_order_of_taking(void **state)
{
    struct film f, g;

    (void)state;
    film_open(&f);
    film_open(&g);
    film_node(&f, (struct film_node){.cpus = 4});
    film_node(&g, (struct film_node){.cpus = 4});
    film_hold(&f, 0, 1, 0, 1, 10);
    film_hold(&f, 0, 2, 1, 1, 20);
    film_hold(&g, 0, 2, 1, 1, 20);
    assert_int_not_equal(td_ledger_digest(f.l), td_ledger_digest(g.l));
    film_hold(&g, 0, 1, 0, 1, 10);
    assert_int_equal(td_ledger_digest(f.l), td_ledger_digest(g.l));
    td_ledger_set_until(g.l, 0, 1, 1, AT(11));
    assert_int_not_equal(td_ledger_digest(f.l), td_ledger_digest(g.l));
    film_close(&f);
    film_close(&g);
}

/* --- shapes ------------------------------------------------------------------------------------------------------ */

static uint32_t ever(struct film *f, struct film_job j, uint32_t *why)
{
    return td_ledger_ever(f->l, film_shape(f, j), why);
}

static void equal_shapes_are_one(void **state)
{
    struct film f;
    struct film_job j = {.shape = {.cpus_per_task = 2, .features = "a"}, .gpus = 1, .gpu = "a100"};

    (void)state;
    film_open(&f);
    uint32_t a = film_shape(&f, j);
    assert_int_equal(film_shape(&f, j), a);
    j.partition = 1;
    assert_int_not_equal(film_shape(&f, j), a);
    j.partition = 0;
    j.gpu = "h100";
    assert_int_not_equal(film_shape(&f, j), a);
    assert_int_equal(td_ledger_shapes(f.l), 3);
    assert_string_equal(td_ledger_get_shape(f.l, a)->gres.v[0].type, "a100");
    film_close(&f);
}

static uint32_t shape_of_cpus(struct film *f, uint32_t cpus)
{
    return film_shape(f, (struct film_job){.shape = {.cpus_per_task = cpus}});
}

/* A number is given out again when nobody holds it and newer ones have come and gone; what its node refused goes too. */
static void a_shape_lives_while_it_is_held(void **state)
{
    struct film f;
    struct td_error err;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 2000});
    uint32_t held = shape_of_cpus(&f, 1), left = shape_of_cpus(&f, 2);
    assert_true(td_ledger_refuse(f.l, held, 0, TD_REFUSAL_UNHEALTHY, 0));
    assert_true(td_ledger_refuse(f.l, left, 0, TD_REFUSAL_UNHEALTHY, 0));
    td_ledger_drop_shape(f.l, left);
    assert_int_equal(shape_of_cpus(&f, 2), left); /* it came again soon: the same, and the refusal is known */
    assert_false(td_ledger_refuse(f.l, left, 0, TD_REFUSAL_UNHEALTHY, 0));
    td_ledger_drop_shape(f.l, left);
    bool again = false;
    for (uint32_t cpus = 3; cpus < 1000; cpus++) {
        uint32_t other = shape_of_cpus(&f, cpus);
        assert_int_not_equal(other, held);
        again = again || other == left;
        td_ledger_drop_shape(f.l, other);
        assert_true(td_ledger_check(f.l, &err));
    }
    assert_true(again);
    assert_in_range(td_ledger_shapes(f.l), 2, 300);
    assert_int_equal(td_ledger_get_shape(f.l, held)->cpus_per_task, 1);
    assert_false(td_ledger_refuse(f.l, held, 0, TD_REFUSAL_UNHEALTHY, 0));
    assert_true(td_ledger_refuse(f.l, shape_of_cpus(&f, 2), 0, TD_REFUSAL_UNHEALTHY, 0));
    film_close(&f);
}

static void what_no_node_has_costs_no_word_until_one_has_it(void **state)
{
    struct film f;
    uint32_t why;
    struct film_job tpu = {.shape = {.cpus_per_task = 1}, .gpus = 1, .gpu = "b200"};

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4, .gpus = 2, .type = "a100"});
    uint32_t words = f.l->nwords, shape = film_shape(&f, tpu);
    assert_int_equal(td_ledger_ever(f.l, shape, &why), 0);
    assert_int_equal(why, TD_REFUSAL_GRES_TYPE);
    assert_int_equal(f.l->nwords, words);
    film_node(&f, (struct film_node){.cpus = 4, .gpus = 2, .type = "b200"});
    assert_int_equal(td_ledger_ever(f.l, shape, &why), 1);
    film_close(&f);
}

static void ever_counts_nodes_and_names_the_nearest_miss(void **state)
{
    struct film f;
    uint32_t why;

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4, .mem = 1000, .features = "intel,fast"});
    film_node(&f, (struct film_node){.cpus = 8, .mem = 2000, .gpus = 2, .type = "a100", .tmp = 100, .features = "amd"});
    film_node(&f, (struct film_node){.cpus = 64, .partition = 1});
#define EXPECT(n, reason, ...)                                        \
    do {                                                              \
        assert_int_equal(ever(&f, (struct film_job){__VA_ARGS__}, &why), n); \
        assert_int_equal(why, TD_REFUSAL_##reason);                   \
    } while (0)
    EXPECT(2, NONE, .shape = {.cpus_per_task = 4});
    EXPECT(1, NONE, .shape = {.cpus_per_task = 5});
    EXPECT(0, CPUS, .shape = {.cpus_per_task = 9});
    EXPECT(1, NONE, .shape = {.tasks_min = 8, .tasks_max = 8});
    EXPECT(0, CPUS, .shape = {.tasks_min = 9, .tasks_max = 9});
    EXPECT(1, NONE, .shape = {.mem_mb = 2000});
    EXPECT(0, MEMORY, .shape = {.mem_mb = 2001});
    EXPECT(1, NONE, .shape = {.mem_mb_per_cpu = 500, .cpus_per_task = 4});
    EXPECT(0, MEMORY, .shape = {.mem_mb_per_cpu = 501, .cpus_per_task = 4});
    EXPECT(1, NONE, .gpus = 2, .shape = {.mem_mb_per_gpu = 1000});
    EXPECT(0, MEMORY, .gpus = 2, .shape = {.mem_mb_per_gpu = 1001});
    EXPECT(2, NONE, .shape = {.mem_all = true});
    EXPECT(1, NONE, .shape = {.tmp_mb = 100});
    EXPECT(0, TMP, .shape = {.tmp_mb = 101});
    EXPECT(1, NONE, .gpus = 2);
    EXPECT(1, NONE, .gpus = 2, .gpu = "a100");
    EXPECT(0, GRES, .gpus = 3);
    EXPECT(0, GRES_TYPE, .gpus = 1, .gpu = "h100");
    EXPECT(1, NONE, .gpus_task = 1, .shape = {.tasks_min = 2, .tasks_max = 2});
    EXPECT(0, GRES, .gpus_task = 1, .shape = {.tasks_min = 3, .tasks_max = 3});
    EXPECT(1, NONE, .gpus = 2, .shape = {.cpus_per_gpu = 4});
    EXPECT(0, CPUS, .gpus = 2, .shape = {.cpus_per_gpu = 5});
    EXPECT(1, NONE, .shape = {.features = "fast"});
    EXPECT(0, FEATURE, .shape = {.features = "slow"});
    EXPECT(1, NONE, .shape = {.req_nodes = "n[1-3]"});
    EXPECT(0, NAME, .shape = {.req_nodes = "n[5-9]"});
    EXPECT(1, NONE, .shape = {.exc_nodes = "n0"});
    EXPECT(0, NAME, .shape = {.exc_nodes = "n[0-1]"});
    EXPECT(0, PARTITION, .partition = 7);
    EXPECT(2, NONE, .shape = {.exclusive = true});
    EXPECT(2, NONE, .shape = {.nodes_min = 2});
    EXPECT(0, TOO_SMALL, .shape = {.nodes_min = 3});
    EXPECT(2, NONE, .shape = {.nodes_min = 2, .ntasks = 12, .tasks_min = 1, .tasks_max = 12});
    EXPECT(0, TOO_SMALL, .shape = {.nodes_min = 2, .ntasks = 13, .tasks_min = 1, .tasks_max = 13});
#undef EXPECT
    film_close(&f);
}

static void eligibility_follows_the_inventory(void **state)
{
    struct film f;
    struct film_job j = {.shape = {.cpus_per_task = 8}};

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4});
    film_node(&f, (struct film_node){.cpus = 8});
    assert_int_equal(ever(&f, j, NULL), 1);
    film_set(&f, 0, (struct film_node){.cpus = 8});
    assert_int_equal(ever(&f, j, NULL), 2);
    film_set(&f, 1, (struct film_node){.cpus = 4});
    assert_int_equal(ever(&f, j, NULL), 1);
    film_node(&f, (struct film_node){.cpus = 8});
    assert_int_equal(ever(&f, j, NULL), 2);
    for (uint32_t i = 0; i < 300; i++) /* more changes than are remembered */
        film_set(&f, 0, (struct film_node){.cpus = 4 + i % 2 * 4});
    assert_int_equal(ever(&f, j, NULL), 2);
    td_ledger_set_usable(f.l, 0, false); /* "idle and usable": not looked at */
    assert_int_equal(ever(&f, j, NULL), 2);
    film_sound(&f);
    film_close(&f);
}

/* Nodes that join one by one, with and without a weight that moves them, are found by shapes old and new. */
static void nodes_that_join_later_are_found(void **state)
{
    struct film f;
    struct film_job one = {.shape = {.cpus_per_task = 1}}, wide = {.shape = {.cpus_per_task = 1, .nodes_min = 2}};

    (void)state;
    film_open(&f);
    film_submit(&f, 1, (struct film_job){.shape = {.cpus_per_task = 1}, .count = 1000});
    for (uint32_t i = 0; i < 200; i++) {
        film_node(&f, (struct film_node){.cpus = 1, .weight = i % 50 == 49 ? 0 : 1 + i / 100});
        assert_int_equal(ever(&f, one, NULL), i + 1);
        assert_int_equal(ever(&f, wide, NULL), i ? i + 1 : 0);
        film_plan(&f);
        assert_int_equal(film_starts(&f, 1), i + 1);
    }
    assert_true(f.l->index->era < 20); /* most were appended */
    film_close(&f);
}

static void features_are_expressions(void **state)
{
    static const struct {
        const char *expression;
        bool yes;
    } rows[] = {
        {"", true},          {"a", true},         {"x", false},       {"a&b", true},      {"a&x", false},
        {"x|b", true},       {"x|y", false},      {"a&(x|b)", true},  {"a&(x|y)", false}, {"[a|x]", true},
        {"[x|y]", false},    {"!x", true},        {"!a", false},      {"a & !x", true},   {"a*2", true},
        {"x*2", false},      {"a|x&y", true},     {"(a", false},      {"a)", false},      {"a&", false},
        {"&a", false},       {"a*", false},       {"ab", false},      {"!(a&x)", true},   {"a,b", true},
        {"((((a))))", true}, {"[a*1&b*2]", true}, {"a b", false},     {"!!a", true},      {"c-1", true},
    };

    (void)state;
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++)
        if (features_match(rows[i].expression, "a,b,c-1") != rows[i].yes)
            fail_msg("\"%s\" should%s match", rows[i].expression, rows[i].yes ? "" : " not");
    char deep[200];
    memset(deep, '(', 100);
    deep[100] = 'a';
    memset(deep + 101, ')', 99);
    deep[199] = '\0';
    assert_false(features_match(deep, "a"));
}

static void refusals_are_forgotten_with_the_allocation(void **state)
{
    struct film f;
    uint8_t bits[1];

    (void)state;
    film_open(&f);
    film_node(&f, (struct film_node){.cpus = 4});
    film_node(&f, (struct film_node){.cpus = 4});
    film_hold(&f, 0, 9, 0, 1, 100);
    uint32_t s = film_shape(&f, (struct film_job){.shape = {.cpus_per_task = 1}});
    uint32_t other = film_shape(&f, (struct film_job){.shape = {.cpus_per_task = 2}});
    assert_int_equal(td_plan_nodes(f.l, s, 60, T0, bits, 1), 2);
    td_ledger_refuse(f.l, s, 0, TD_REFUSAL_LAYOUT, 1);
    td_ledger_refuse(f.l, s, 0, TD_REFUSAL_LAYOUT, 1); /* twice is once */
    assert_int_equal(td_plan_nodes(f.l, s, 60, T0, bits, 1), 1);
    assert_int_equal(bits[0], 2);
    assert_int_equal(td_plan_nodes(f.l, other, 60, T0, bits, 1), 2);
    td_ledger_forget_refusals(f.l, 0);
    assert_int_equal(td_plan_nodes(f.l, s, 60, T0, bits, 1), 2);
    td_ledger_refuse(f.l, s, 0, TD_REFUSAL_LAYOUT, 1);
    td_ledger_give(f.l, 0, 9, 1);
    assert_int_equal(td_plan_nodes(f.l, s, 60, T0, bits, 1), 2);
    td_ledger_refuse(f.l, s, 1, TD_REFUSAL_LAYOUT, 1);
    film_set(&f, 1, (struct film_node){.cpus = 4}); /* registers again, nothing new */
    assert_int_equal(td_plan_nodes(f.l, s, 60, T0, bits, 1), 1);
    film_set(&f, 1, (struct film_node){.cpus = 5});
    assert_int_equal(td_plan_nodes(f.l, s, 60, T0, bits, 1), 2);
    film_close(&f);
}

/* Takes and gives at random; the books are counted again after each. */
static void random_holdings_keep_the_books(void **state)
{
    struct td_rng rng = {20240607};
    struct film f;
    struct {
        bool on;
        uint32_t node;
    } held[200] = {0};

    (void)state;
    film_open(&f);
    for (uint32_t i = 0; i < 5; i++)
        film_node(&f, (struct film_node){.cpus = 16, .threads = 2, .gpus = 2, .type = "a", .gpus2 = 2, .type2 = "b"});
    for (uint32_t step = 0; step < 3000; step++) {
        uint32_t job = td_rng_below(&rng, 200), node = td_rng_below(&rng, 5);
        struct film_place b;

        if (held[job].on) {
            td_ledger_give(f.l, held[job].node, job, 1);
            held[job].on = false;
        } else {
            uint32_t gpus = td_rng_below(&rng, 3);
            const struct td_placement *p = film_place(&b, td_rng_below(&rng, 16), 1 + td_rng_below(&rng, 3), td_rng_below(&rng, 200),
                                                      td_rng_below(&rng, 4), gpus, "");
            if (!td_ledger_covers(f.l, node, p))
                continue;
            td_ledger_take(f.l, node, job, 1, p, AT(td_rng_below(&rng, 1000)));
            held[job].on = true;
            held[job].node = node;
        }
        film_sound(&f);
    }
    film_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_held_is_not_covered_again),
        cmocka_unit_test(devices_must_be_named_as_many_as_counted),
        cmocka_unit_test(countables_have_no_devices),
        cmocka_unit_test(held_devices_are_told_by_model),
        cmocka_unit_test(holdings_outlive_a_change_of_inventory),
        cmocka_unit_test(a_big_node_holds_thousands),
        cmocka_unit_test(the_digest_does_not_know_the_order_of_taking),
        cmocka_unit_test(equal_shapes_are_one),
        cmocka_unit_test(a_shape_lives_while_it_is_held),
        cmocka_unit_test(what_no_node_has_costs_no_word_until_one_has_it),
        cmocka_unit_test(ever_counts_nodes_and_names_the_nearest_miss),
        cmocka_unit_test(eligibility_follows_the_inventory),
        cmocka_unit_test(nodes_that_join_later_are_found),
        cmocka_unit_test(features_are_expressions),
        cmocka_unit_test(refusals_are_forgotten_with_the_allocation),
        cmocka_unit_test(random_holdings_keep_the_books),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
