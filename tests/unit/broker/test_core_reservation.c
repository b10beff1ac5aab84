/* test_core_reservation.c - films of nodes that are kept for some: who may run there, when, and what
 * becomes of those who wait
 *
 * Each with its twin, under every policy where the planner decides. The invariants (who runs where a
 * reservation lasts) are checked after every wake. */
#include "film.h"

#define MIN (60 * (int64_t)SEC)
#define HOUR (60 * MIN)

enum { START = 1 << 3, END = 1 << 4, DURATION = 1 << 5, NODES = 1 << 6, COUNT = 1 << 7, USERS = 1 << 8, ACCOUNTS = 1 << 9,
       FLAGS = 1 << 12 };

static const char *const policies[] = {"fifo", "easy", "sjbf", "conservative", "tender"};

static void ask(struct film *f, bool create, struct td_reservation_ask a)
{
    struct td_set_reservation m = {.create = create, .ask = a};
    film_request(f, 0, TD_MSG_SET_RESERVATION, &m);
}

/* Of these nodes for user ann, from so many minutes from now on. */
static void make(struct film *f, const char *name, const char *nodes, int64_t from, uint32_t minutes, uint64_t flags)
{
    ask(f, true, (struct td_reservation_ask){.name = name, .set = START | DURATION | NODES | USERS | FLAGS, .nodes = nodes,
                                             .start_ms = f->now + from * MIN, .duration_s = minutes * 60, .users = "ann",
                                             .flags = flags});
}

static void drop(struct film *f, const char *name)
{
    struct td_delete_reservation m = {.name = name};
    film_request(f, 0, TD_MSG_DELETE_RESERVATION, &m);
}

/* A cluster of its own for each policy. */
static void each(void **state, void (*film)(struct film *f))
{
    for (size_t i = 0; i < TD_ARRAY_LEN(policies); i++) {
        struct film *f = *state;
        if (i) {
            film_close(state);
            film_open(state);
            f = *state;
        }
        print_message("policy %s\n", policies[i]);
        f->settings.backfill = policies[i];
        film_start(f);
        film(f);
    }
}

#define EACH(name)                                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        each(state, name##_);                                                                      \
    }

/* --- who starts ---------------------------------------------------------------------------------- */

static void who_would_run_into_it_waits_(struct film *f)
{
    film_worker(f, "n1", 2, 0);
    make(f, "m", "n1", 30, 60, TD_RESERVE_MAINT);
    film_expect_refused(f, 0);
    uint32_t longer = film_submit(f, .cores = 1, .limit_s = 3600);
    uint32_t shorter = film_submit(f, .cores = 1, .limit_s = 1200);
    film_expect(f, longer, "PENDING");
    film_expect_reason(f, longer, "ReqNodeNotAvail");
    struct td_job_info rows[2];
    assert_int_equal(film_rows(f, &(struct td_job_query){.asker_operator = true}, rows, 2), 2);
    assert_true(rows[0].reserved_maint);
    assert_string_equal(rows[0].reserved, "m");
    if (strcmp(f->settings.backfill, "fifo") != 0)
        film_expect(f, shorter, "RUNNING");
    film_advance(f, 31 * MIN);
    film_expect(f, longer, "PENDING");
    film_advance(f, 60 * MIN);
    film_expect(f, longer, "RUNNING");
    assert_int_equal(f->core->reservations.n, 0);
}
EACH(who_would_run_into_it_waits)

static void another_node_takes_who_would_run_into_it_(struct film *f)
{
    film_worker(f, "n1", 2, 0);
    film_worker(f, "n2", 2, 0);
    make(f, "m", "n1", 30, 60, TD_RESERVE_MAINT);
    uint32_t longer = film_submit(f, .cores = 1, .limit_s = 3600);
    film_expect(f, longer, "RUNNING");
    assert_string_equal(film_job(f, longer)->alloc->nodelist, "n2");
}
EACH(another_node_takes_who_would_run_into_it)

static void several_nodes_wait_for_the_end_of_it_(struct film *f)
{
    film_worker(f, "n1", 2, 0);
    film_worker(f, "n2", 2, 0);
    film_worker(f, "n3", 2, 0);
    make(f, "m", "n1", 30, 60, 0);
    uint32_t three = film_submit(f, .nodes = 3, .per_node = 1, .limit_s = 3600);
    uint32_t two = film_submit(f, .nodes = 2, .per_node = 1, .limit_s = 3600);
    film_expect(f, three, "PENDING");
    film_expect_reason(f, three, "ReqNodeNotAvail");
    if (strcmp(f->settings.backfill, "fifo") != 0)
        film_expect(f, two, "RUNNING");
    struct td_job_info rows[2];
    assert_true(film_rows(f, &(struct td_job_query){.asker_operator = true}, rows, 2) >= 1);
    assert_int_equal(rows[0].start_ms, f->core->reservations.v[0].is->end_ms);
    film_advance(f, 91 * MIN);
    if (strcmp(f->settings.backfill, "fifo") != 0) {
        film_expect(f, two, "RUNNING");
        film_exit(f, two, 0);
    }
    film_expect(f, three, "RUNNING");
}
EACH(several_nodes_wait_for_the_end_of_it)

static void its_users_run_in_it_and_nobody_else_(struct film *f)
{
    film_worker(f, "n1", 1, 0);
    make(f, "r", "n1", 30, 60, 0);
    uint32_t mine = film_submit(f, .cores = 1, .limit_s = 1800, .reservation = "r", .user = "ann");
    uint32_t other = film_submit(f, .cores = 1, .limit_s = 1860, .user = "bob");
    film_expect(f, mine, "PENDING");
    film_expect_reason(f, mine, "Reservation");
    film_expect(f, other, "PENDING");
    film_advance(f, 30 * MIN);
    film_expect(f, mine, "RUNNING");
    assert_true(f->core->reservations.v[0].is->active);
    film_exit(f, mine, 0);
    film_expect(f, other, "PENDING");
    uint32_t small = film_submit(f, .cores = 1, .limit_s = 60, .user = "bob");
    film_expect(f, small, "PENDING");
    uint32_t again = film_submit(f, .cores = 1, .reservation = "r", .user = "ann"); /* for as long as there is */
    film_expect(f, again, "RUNNING");
    assert_true(film_job(f, again)->limit_s <= 3600);
    film_advance(f, 50 * MIN);
    film_exit(f, again, 0);
    film_expect(f, other, "PENDING");
    film_expect(f, small, "PENDING");
    film_advance(f, 11 * MIN);
    film_expect(f, other, "RUNNING");
}
EACH(its_users_run_in_it_and_nobody_else)

static void one_that_comes_again_is_reckoned_with_(struct film *f)
{
    film_worker(f, "n1", 1, 0);
    make(f, "d", "n1", 60, 60, TD_RESERVE_DAILY);
    uint32_t day = film_submit(f, .cores = 1, .limit_s = 24 * 3600); /* there is never a day between two */
    uint32_t hours = film_submit(f, .cores = 1, .limit_s = 20 * 3600);
    film_advance(f, 121 * MIN);
    film_expect(f, day, "PENDING");
    if (strcmp(f->settings.backfill, "fifo") != 0)
        film_expect(f, hours, "RUNNING");
    assert_false(f->core->reservations.v[0].is->active);
    assert_true(f->core->reservations.v[0].is->start_ms > f->now + 22 * HOUR);
    drop(f, "d");
    film_expect_refused(f, 0);
    if (strcmp(f->settings.backfill, "fifo") == 0)
        film_expect(f, day, "RUNNING");
}
EACH(one_that_comes_again_is_reckoned_with)

/* Free together never, or never for long enough: a pass that looked for the moment would look for ever. */
static void what_never_comes_is_not_looked_for_(struct film *f)
{
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    make(f, "week", "n1", 1, 24 * 60, TD_RESERVE_WEEKDAY);
    make(f, "end", "n2", 1, 24 * 60, TD_RESERVE_WEEKEND);
    film_expect_refused(f, 0);
    film_advance(f, 2 * MIN);
    uint32_t both = film_submit(f, .nodes = 2, .per_node = 1, .limit_s = 600);
    uint32_t week = film_submit(f, .cores = 1, .limit_s = 7 * 24 * 3600);
    film_expect(f, both, "PENDING");
    film_expect(f, week, "PENDING");
    film_advance(f, 30 * MIN);
    film_expect(f, both, "PENDING");
    drop(f, "end");
    drop(f, "week");
    film_expect(f, both, "RUNNING");
    film_exit(f, both, 0);
    film_expect(f, week, "RUNNING");
}
EACH(what_never_comes_is_not_looked_for)

static void time_min_shrinks_to_what_it_leaves_(struct film *f)
{
    film_worker(f, "n1", 1, 0);
    make(f, "m", "n1", 30, 60, 0);
    uint32_t job = film_submit(f, .cores = 1, .limit_s = 3600, .limit_min_s = 600);
    film_expect(f, job, "RUNNING");
    assert_true(film_job(f, job)->limit_s <= 1800 && film_job(f, job)->limit_s > 1700);
}
EACH(time_min_shrinks_to_what_it_leaves)

/* --- promises ------------------------------------------------------------------------------------ */

static void a_promise_that_it_breaks_is_excused(void **state)
{
    struct film *f = *state;
    f->settings.backfill = "conservative";
    film_start(f);
    film_worker(f, "n1", 1, 0);
    uint32_t first = film_submit(f, .cores = 1, .limit_s = 1800);
    uint32_t next = film_submit(f, .cores = 1, .limit_s = 1800);
    film_expect(f, first, "RUNNING");
    int64_t by = film_job(f, next)->by_ms;
    assert_true(by > 0);
    make(f, "m", "n1", 45, 60, TD_RESERVE_MAINT);
    film_expect_refused(f, 0);
    assert_true(film_job(f, next)->by_ms > by);
    bool told = false;
    for (uint32_t i = 0; i < f->journal.n; i++) {
        const struct td_ev_jobs_promised *e = f->journal.v[i].body;
        if (f->journal.v[i].id == TD_EV_JOBS_PROMISED && e->cause)
            told = e->cause == TD_MOVED_RESERVATION && e->promises.v[0].job == next;
    }
    assert_true(told);
}

/* --- what is refused ----------------------------------------------------------------------------- */

static void what_cannot_be_is_refused_in_words(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    make(f, "r", "n1", 30, 60, 0);
    film_expect_refused(f, 0);
    make(f, "r", "n2", 30, 60, 0);
    film_expect_refused(f, TD_E_RESERVATION_NAME);
    make(f, "o", "n[1-2]", 60, 60, 0);
    film_expect_refused(f, TD_E_RESERVATION_OVERLAP);
    make(f, "o", "n[1-2]", 60, 60, TD_RESERVE_OVERLAP);
    film_expect_refused(f, 0);
    make(f, "p", "n2", -60, 90, 0);
    film_expect_refused(f, TD_E_INVALID_TIME);
    assert_non_null(strstr(f->text, "past"));
    make(f, "p", "n2", 200, 25 * 60, TD_RESERVE_DAILY);
    film_expect_refused(f, TD_E_INVALID_TIME);
    make(f, "p", "n3", 200, 60, 0);
    film_expect_refused(f, TD_E_INVALID_NODE);
    make(f, "p", "n2", 200, 60, TD_RESERVE_DAILY | TD_RESERVE_WEEKLY);
    film_expect_refused(f, TD_E_INVALID_REQUEST);
    make(f, "a,b", "n2", 200, 60, 0);
    film_expect_refused(f, TD_E_INVALID_REQUEST);
    ask(f, true, (struct td_reservation_ask){.set = START | NODES, .start_ms = f->now + HOUR, .nodes = "n2"});
    film_expect_refused(f, TD_E_INVALID_REQUEST);
    assert_non_null(strstr(f->text, "Users"));
    ask(f, true, (struct td_reservation_ask){.set = START | NODES | USERS, .start_ms = f->now + HOUR, .users = "ann"});
    film_expect_refused(f, TD_E_INVALID_NODE);
    ask(f, true, (struct td_reservation_ask){.set = START | DURATION | NODES | USERS, .start_ms = INT64_MAX, .duration_s = 60, .users = "ann",
                                             .nodes = "n2"});
    film_expect_refused(f, TD_E_INVALID_TIME);
    ask(f, true, (struct td_reservation_ask){.set = START | END | NODES | USERS, .start_ms = f->now + HOUR, .end_ms = INT64_MIN,
                                             .users = "ann", .nodes = "n2", .zone_s = INT64_MAX});
    film_expect_refused(f, TD_E_INVALID_TIME);
    ask(f, true, (struct td_reservation_ask){.set = START | NODES | USERS | 1u << 30, .start_ms = f->now + HOUR, .nodes = "n2", .users = "ann"});
    film_expect_refused(f, TD_E_NOT_SUPPORTED);
    struct td_set_reservation m = {.create = true};
    film_request(f, 1000, TD_MSG_SET_RESERVATION, &m);
    film_expect_refused(f, TD_E_DENIED);
    drop(f, "none");
    film_expect_refused(f, TD_E_RESERVATION);
    assert_int_equal(f->core->reservations.n, 2);
    film_worker(f, "n4", 1, 0);
    make(f, "far", "n4", 30 * 24 * 60, 24 * 60, 0);
    film_expect_refused(f, 0);
    make(f, "h", "n4", 60, 10, TD_RESERVE_HOURLY); /* meets it in a month */
    film_expect_refused(f, TD_E_RESERVATION_OVERLAP);
}

static void jobs_in_the_way_refuse_it_unless_they_are_ignored(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 2, 0);
    uint32_t job = film_submit(f, .cores = 1, .limit_s = 3600);
    film_expect(f, job, "RUNNING");
    make(f, "m", "n1", 30, 60, TD_RESERVE_MAINT);
    film_expect_refused(f, TD_E_NODES_BUSY);
    make(f, "late", "n1", 61, 60, 0);
    film_expect_refused(f, 0);
    make(f, "m", "n1", 30, 60, TD_RESERVE_MAINT | TD_RESERVE_IGNORE_JOBS);
    film_expect_refused(f, 0);
    uint32_t next = film_submit(f, .cores = 1, .limit_s = 3600);
    film_advance(f, 31 * MIN);
    film_expect(f, job, "RUNNING"); /* it ran before */
    film_expect(f, next, "PENDING");
    struct td_job_sel sel = {.job = job};
    struct td_update_job u = {.ids = {&sel, 1}, .change = {.set = 1u << 2, .limit_s = 7200}};
    film_request(f, 0, TD_MSG_UPDATE_JOB, &u); /* into `late`, which ignores nobody */
    assert_int_equal(f->nerrors, 1);
}

static void who_may_not_use_it_is_refused_at_submission(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 2, 0);
    make(f, "r", "n1", 30, 60, 0);
    assert_int_equal(film_submit(f, .cores = 1, .reservation = "q", .user = "ann"), 0);
    film_expect_refused(f, TD_E_RESERVATION);
    assert_int_equal(film_submit(f, .cores = 1, .reservation = "r", .user = "bob"), 0);
    film_expect_refused(f, TD_E_RESERVATION_ACCESS);
    assert_int_equal(film_submit(f, .cores = 1, .reservation = "r", .user = "ann", .limit_s = 3660), 0);
    film_expect_refused(f, TD_E_TIME_LIMIT);
    assert_int_equal(film_submit(f, .cores = 2, .reservation = "r", .user = "ann", .limit_s = 60), 0);
    film_expect_refused(f, TD_E_NODE_CONFIG);
    ask(f, false, (struct td_reservation_ask){.name = "r", .set = USERS, .users = "-ann"});
    film_expect_refused(f, 0);
    assert_int_equal(film_submit(f, .cores = 1, .reservation = "r", .user = "ann"), 0);
    film_expect_refused(f, TD_E_RESERVATION_ACCESS);
    assert_true(film_submit(f, .cores = 1, .reservation = "r", .user = "bob") > 0);
    ask(f, false, (struct td_reservation_ask){.name = "r", .set = ACCOUNTS, .accounts = "physics"});
    assert_int_equal(film_submit(f, .cores = 1, .reservation = "r", .user = "bob"), 0);
    film_expect_refused(f, TD_E_RESERVATION_ACCESS);
    assert_true(film_submit(f, .cores = 1, .reservation = "r", .user = "bob", .account = "physics") > 0);
}

/* --- its life ------------------------------------------------------------------------------------ */

static void who_waits_when_it_ends_is_held(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    make(f, "r", "n1", 30, 60, 0);
    make(f, "s", "n1", 200, 60, TD_RESERVE_NO_HOLD);
    uint32_t one = film_submit(f, .cores = 1, .reservation = "r", .user = "ann", .uid = 1000, .limit_s = 600);
    uint32_t two = film_submit(f, .cores = 1, .reservation = "s", .user = "ann", .limit_s = 600);
    drop(f, "r");
    film_expect_refused(f, 0);
    film_expect(f, one, "PENDING");
    film_expect_reason(f, one, "ReservationDeleted");
    film_op(f, 1000, one, TD_OP_RELEASE);
    film_expect(f, one, "RUNNING");
    film_exit(f, one, 0);
    film_expect_reason(f, two, "Reservation");
    drop(f, "s");
    film_expect(f, two, "RUNNING");
}

static void one_in_use_is_not_deleted_and_not_cut(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    make(f, "r", "n[1-2]", 0, 60, 0);
    uint32_t job = film_submit(f, .cores = 1, .reservation = "r", .user = "ann", .limit_s = 1800, .nodelist = "n1");
    film_expect(f, job, "RUNNING");
    drop(f, "r");
    film_expect_refused(f, TD_E_RESERVATION_BUSY);
    ask(f, false, (struct td_reservation_ask){.name = "r", .set = NODES, .nodes = "n1", .nodes_op = TD_LIST_REMOVE});
    film_expect_refused(f, TD_E_RESERVATION_BUSY);
    ask(f, false, (struct td_reservation_ask){.name = "r", .set = DURATION, .duration_s = 1200});
    film_expect_refused(f, TD_E_RESERVATION_BUSY);
    ask(f, false, (struct td_reservation_ask){.name = "r", .set = NODES, .nodes = "n2", .nodes_op = TD_LIST_REMOVE});
    film_expect_refused(f, 0);
    uint32_t other = film_submit(f, .cores = 1, .limit_s = 7200, .nodelist = "n2");
    film_expect(f, other, "RUNNING");
    ask(f, false, (struct td_reservation_ask){.name = "r", .set = START, .start_ms = f->now + HOUR});
    film_expect_refused(f, TD_E_INVALID_TIME);
    film_exit(f, job, 0);
    drop(f, "r");
    film_expect_refused(f, 0);
}

static void it_outlives_the_broker(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    make(f, "r", "n1", 30, 60, 0);
    uint32_t mine = film_submit(f, .cores = 1, .reservation = "r", .user = "ann", .limit_s = 600);
    for (int k = 0; k < 2; k++) {
        film_restart(f, k == 1);
        assert_int_equal(f->core->reservations.n, 1);
        film_expect_reason(f, mine, "Reservation");
    }
    film_advance(f, 31 * MIN);
    film_expect(f, mine, "RUNNING");
    film_restart(f, true);
    assert_true(f->core->reservations.v[0].is->active);
    film_advance(f, 62 * MIN);
    assert_int_equal(f->core->reservations.n, 0);
}

static void so_many_nodes_are_those_free_soonest(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    film_worker(f, "n3", 1, 0);
    film_submit(f, .cores = 1, .limit_s = 7200, .nodelist = "n1");
    film_submit(f, .cores = 1, .limit_s = 600, .nodelist = "n2");
    struct td_reservation_ask a = {.name = "two", .set = START | DURATION | COUNT | USERS, .start_ms = f->now + 30 * MIN,
                                   .duration_s = 3600, .users = "ann", .node_count = 2};
    ask(f, true, a);
    film_expect_refused(f, 0);
    assert_string_equal(f->core->reservations.v[0].is->nodes, "n[2-3]");
    a.name = "more";
    a.node_count = 1;
    ask(f, true, a);
    film_expect_refused(f, TD_E_NODES_BUSY); /* n1 is busy then, the others are taken */
    a.start_ms += 2 * HOUR;
    ask(f, true, a);
    film_expect_refused(f, 0);
}

static void a_flexible_one_lets_its_jobs_out(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    film_worker(f, "n2", 1, 0);
    make(f, "r", "n1", 30, 60, TD_RESERVE_FLEX);
    uint32_t mine = film_submit(f, .nodes = 2, .per_node = 1, .reservation = "r", .user = "ann", .limit_s = 4 * 3600);
    film_expect(f, mine, "RUNNING");
}

static void nodes_say_that_they_are_reserved(void **state)
{
    struct film *f = *state;
    film_start(f);
    film_worker(f, "n1", 1, 0);
    make(f, "m", "n1", 1, 60, TD_RESERVE_MAINT);
    assert_null(core_reservation_on(f->core, film_node_of(f, "n1")));
    film_advance(f, 2 * MIN);
    assert_non_null(core_reservation_on(f->core, film_node_of(f, "n1")));
    assert_non_null(core_reservation_on(f->replica, core_node_find(f->replica, "n1")));
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(who_would_run_into_it_waits),
        FILM(another_node_takes_who_would_run_into_it),
        FILM(several_nodes_wait_for_the_end_of_it),
        FILM(its_users_run_in_it_and_nobody_else),
        FILM(one_that_comes_again_is_reckoned_with),
        FILM(what_never_comes_is_not_looked_for),
        FILM(time_min_shrinks_to_what_it_leaves),
        FILM(a_promise_that_it_breaks_is_excused),
        FILM(what_cannot_be_is_refused_in_words),
        FILM(jobs_in_the_way_refuse_it_unless_they_are_ignored),
        FILM(who_may_not_use_it_is_refused_at_submission),
        FILM(who_waits_when_it_ends_is_held),
        FILM(one_in_use_is_not_deleted_and_not_cut),
        FILM(it_outlives_the_broker),
        FILM(so_many_nodes_are_those_free_soonest),
        FILM(a_flexible_one_lets_its_jobs_out),
        FILM(nodes_say_that_they_are_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
