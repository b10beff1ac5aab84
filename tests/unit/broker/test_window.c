/* test_window.c - what reservations leave, held against a count second by second
 *
 * Random reservations, once or again and again, and shapes that name one, a flexible one, or none. */
#include "planfilm.h"

#define SPAN 600 /* seconds looked at */
#define NODES 3

struct world {
    struct film f;
    struct td_ledger_window v[4];
    uint32_t nodes[4][NODES], n;
};

static uint64_t rnd(uint64_t *s, uint64_t n)
{
    *s = td_mix_u64(*s, 7);
    return *s % n;
}

static bool lasts(const struct td_ledger_window *w, int64_t at)
{
    for (int64_t from = w->from; from <= at; from += w->every_ms ? w->every_ms : SPAN * 10000)
        if (at < from + (w->to - w->from))
            return true;
    return false;
}

static bool has(const struct world *w, uint32_t i, uint32_t node)
{
    for (uint32_t k = 0; k < w->v[i].nnodes; k++)
        if (w->nodes[i][k] == node)
            return true;
    return false;
}

/* May a job that names `own` (NONE: none) be on the node in the second that begins then? */
static bool may(const struct world *w, uint32_t own, uint32_t node, int64_t at)
{
    if (own != NONE && !w->v[own].flex && (!has(w, own, node) || !lasts(&w->v[own], at)))
        return false;
    for (uint32_t i = 0; i < w->n; i++)
        if (i != own && has(w, i, node) && lasts(&w->v[i], at) && !(own != NONE && w->v[own].over))
            return false;
    return true;
}

/* Until when, in seconds, of each second; beyond SEEN nothing is known but that it goes on. */
#define SEEN (4 * SPAN)
static void count(const struct world *w, uint32_t own, uint32_t node, uint32_t ends[SEEN + 1])
{
    ends[SEEN] = SEEN;
    for (uint32_t t = SEEN; t-- > 0;)
        ends[t] = may(w, own, node, AT(t)) ? ends[t + 1] : t;
}

static void make(struct world *w, uint64_t *seed)
{
    static const char *const names[] = {"a", "b", "c", "d"};

    w->n = (uint32_t)rnd(seed, 4) + 1;
    for (uint32_t i = 0; i < w->n; i++) {
        int64_t length = 1 + (int64_t)rnd(seed, 60);
        w->v[i] = (struct td_ledger_window){.name = names[i], .from = AT(rnd(seed, SPAN)), .flex = rnd(seed, 5) == 0,
                                            .over = rnd(seed, 5) == 0, .nodes = w->nodes[i]};
        w->v[i].to = w->v[i].from + length * 1000;
        if (rnd(seed, 3) == 0)
            w->v[i].every_ms = (length + 1 + (int64_t)rnd(seed, 100)) * 1000;
        for (uint32_t node = 0; node < NODES; node++)
            if (rnd(seed, 2))
                w->nodes[i][w->v[i].nnodes++] = node;
    }
    td_ledger_set_windows(w->f.l, w->v, w->n);
}

static void compare(const struct world *w, const uint32_t *ends, uint32_t shape, uint32_t node, uint64_t *seed)
{
    const struct shape *s = w->f.l->shapes.v[shape];
    uint32_t limit = 1 + (uint32_t)rnd(seed, 90), at = (uint32_t)rnd(seed, SPAN), by = at + (uint32_t)rnd(seed, SPAN);
    uint32_t first = at;
    int64_t last = -1, got = window_until(w->f.l, s, node, AT(at));

    if (ends[at] == SEEN)
        assert_true(got >= AT(SEEN));
    else
        assert_int_equal(got, AT(ends[at]));
    while (first < SEEN && ends[first] < first + limit)
        first++;
    got = window_open(w->f.l, s, node, AT(at), limit);
    if (first + limit >= SEEN)
        assert_true(got >= AT(first));
    else
        assert_int_equal(got, AT(first));
    for (uint32_t t = at; t <= by; t++)
        if (ends[t] >= t + limit)
            last = AT(t);
    assert_int_equal(window_last(w->f.l, s, node, AT(at), AT(by), limit), last);
}

static void windows_are_what_a_count_says(void **state)
{
    (void)state;
    uint64_t seed = 42;

    for (int turn = 0; turn < 200; turn++) {
        struct world w = {0};
        film_open(&w.f);
        for (int node = 0; node < NODES; node++)
            film_node(&w.f, (struct film_node){.cpus = 4});
        make(&w, &seed);
        for (uint32_t own = 0; own <= w.n; own++) {
            uint32_t shape = film_shape(&w.f, (struct film_job){.shape = {.reservation = own < w.n ? w.v[own].name : NULL}});
            for (uint32_t node = 0; node < NODES; node++) {
                static uint32_t ends[SEEN + 1];
                count(&w, own < w.n ? own : NONE, node, ends);
                for (int k = 0; k < 20; k++)
                    compare(&w, ends, shape, node, &seed);
            }
        }
        film_close(&w.f);
    }
}

static void days_of_the_week_are_those_of_the_zone(void **state)
{
    (void)state;
    const int64_t day = 86400000;
    /* 2026-11-27 was a Friday: 01:00 in a zone one hour east is midnight UTC. */
    struct td_ledger_window w = {.name = "w", .from = INT64_C(1795734000000), .every_ms = day, .days = 0x3e, .zone_ms = 3600000};
    int64_t from, to;

    w.to = w.from + 3600000;
    assert_true(td_window_occurrence(&w, w.from, &from, &to));
    assert_int_equal(from, w.from);
    assert_true(td_window_occurrence(&w, w.to, &from, &to));
    int64_t weekday = ((from + w.zone_ms) / day + 4) % 7;
    assert_true(weekday >= 1 && weekday <= 5);
    w.days = 0x41;
    assert_true(td_window_occurrence(&w, w.to, &from, &to));
    weekday = ((from + w.zone_ms) / day + 4) % 7;
    assert_true(weekday == 0 || weekday == 6);
    w.every_ms = 0;
    assert_false(td_window_occurrence(&w, w.to, &from, &to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_what_a_count_says),
        cmocka_unit_test(days_of_the_week_are_those_of_the_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
