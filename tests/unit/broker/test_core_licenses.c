/* test_core_licenses.c - films of licences: counted in time by every policy, never more than there are
 *
 * The twin of each: a job that wants none, or one more licence. After every wake a replica is fed and compared. */
#include "film.h"

#define MIN (60 * (int64_t)SEC)

static const char *const policies[] = {"fifo", "easy", "sjbf", "conservative", "tender"};

static uint64_t used(const struct film *f, uint32_t kind)
{
    uint64_t total, n;
    td_ledger_licence(f->core->ledger, kind, &total, &n);
    assert_true(n <= total);
    uint64_t replicas;
    td_ledger_licence(f->replica->ledger, kind, &total, &replicas);
    assert_int_equal(n, replicas);
    return n;
}

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
        f->settings.licenses = "matlab:2,ansys";
        film_start(f);
        film(f);
    }
}
#define EACH(name)                                                                                 \
    static void name(void **state)                                                                 \
    {                                                                                              \
        each(state, name##_);                                                                      \
    }

static void who_finds_too_few_waits_with_a_start_time_(struct film *f)
{
    film_worker(f, "n1", 8, 0);
    uint32_t one = film_submit(f, .cores = 1, .limit_s = 600, .licenses = "matlab");
    uint32_t two = film_submit(f, .cores = 1, .limit_s = 1200, .licenses = "matlab:1,ansys:1");
    uint32_t more = film_submit(f, .cores = 1, .limit_s = 600, .licenses = "matlab");
    uint32_t none = film_submit(f, .cores = 1, .limit_s = 7200);
    film_expect(f, one, "RUNNING");
    film_expect(f, two, "RUNNING");
    film_expect(f, more, "PENDING");
    film_expect_reason(f, more, "Licenses");
    assert_int_equal(used(f, 0), 2);
    assert_int_equal(used(f, 1), 1);
    if (strcmp(f->settings.backfill, "fifo") != 0)
        film_expect(f, none, "RUNNING");
    struct td_job_info rows[4];
    assert_int_equal(film_rows(f, &(struct td_job_query){.asker_operator = true}, rows, 4), 4);
    int64_t start = rows[2].start_ms - film_job(f, one)->start_ms;
    assert_true(start >= 600 * SEC && start <= 602 * SEC);
    film_exit(f, one, 0);
    film_expect(f, more, "RUNNING");
    assert_int_equal(used(f, 0), 2);
    film_exit(f, two, 0);
    film_exit(f, more, 0);
    assert_int_equal(used(f, 0), 0);
    assert_int_equal(used(f, 1), 0);
    film_expect(f, none, "RUNNING");
}
EACH(who_finds_too_few_waits_with_a_start_time)

/* What a head is promised of them is not taken by who comes behind it. */
static void a_head_keeps_its_licences_(struct film *f)
{
    film_worker(f, "n1", 8, 0);
    uint32_t one = film_submit(f, .cores = 1, .limit_s = 600, .licenses = "matlab");
    uint32_t both = film_submit(f, .cores = 1, .limit_s = 600, .licenses = "matlab:2");
    uint32_t longer = film_submit(f, .cores = 1, .limit_s = 1200, .licenses = "matlab");
    uint32_t shorter = film_submit(f, .cores = 1, .limit_s = 300, .licenses = "matlab");
    film_expect(f, both, "PENDING");
    film_expect(f, longer, "PENDING");
    if (strcmp(f->settings.backfill, "fifo") != 0)
        film_expect(f, shorter, "RUNNING");
    film_exit(f, one, 0);
    if (strcmp(f->settings.backfill, "fifo") != 0) {
        film_expect(f, both, "PENDING");
        film_exit(f, shorter, 0);
    }
    film_expect(f, both, "RUNNING");
    film_expect(f, longer, "PENDING");
}
EACH(a_head_keeps_its_licences)

static void several_start_as_far_as_they_go_(struct film *f)
{
    film_worker(f, "n1", 8, 0);
    film_worker(f, "n2", 8, 0);
    uint32_t jobs[5], running = 0;
    film_submit(f, .cores = 1, .limit_s = 600, .licenses = "matlab", .array = "0-9");
    for (int i = 0; i < 5; i++)
        jobs[i] = film_submit(f, .nodes = 2, .per_node = 1, .limit_s = 600, .licenses = "ansys");
    for (int i = 0; i < 5; i++)
        running += film_job(f, jobs[i])->state == TD_JOB_RUNNING;
    assert_int_equal(used(f, 0), 2);
    assert_int_equal(running, strcmp(f->settings.backfill, "fifo") != 0);
    assert_int_equal(used(f, 1), running);
}
EACH(several_start_as_far_as_they_go)

static void what_is_not_there_is_refused(void **state)
{
    struct film *f = *state;
    f->settings.licenses = "matlab:2";
    film_start(f);
    film_worker(f, "n1", 8, 0);
    assert_int_equal(film_submit(f, .cores = 1, .licenses = "matlab:3"), 0);
    film_expect_refused(f, TD_E_INVALID_LICENSE);
    assert_int_equal(film_submit(f, .cores = 1, .licenses = "matlab:2,matlab"), 0);
    film_expect_refused(f, TD_E_INVALID_LICENSE);
    assert_int_equal(film_submit(f, .cores = 1, .licenses = "ansys"), 0);
    film_expect_refused(f, TD_E_INVALID_LICENSE);
    assert_int_equal(film_submit(f, .cores = 1, .licenses = "matlab|ansys"), 0);
    film_expect_refused(f, TD_E_INVALID_LICENSE);
    assert_int_equal(film_submit(f, .cores = 1, .licenses = "matlab:none"), 0);
    film_expect_refused(f, TD_E_INVALID_LICENSE);
    assert_true(film_submit(f, .cores = 1, .licenses = "matlab:2") > 0);
}

static void they_are_held_through_a_restart(void **state)
{
    struct film *f = *state;
    f->settings.licenses = "matlab:2";
    film_start(f);
    film_worker(f, "n1", 8, 0);
    uint32_t job = film_submit(f, .cores = 1, .limit_s = 600, .licenses = "matlab:2");
    uint32_t next = film_submit(f, .cores = 1, .limit_s = 600, .licenses = "matlab:2");
    for (int k = 0; k < 2; k++) {
        film_restart(f, k == 1);
        assert_int_equal(used(f, 0), 2);
        film_expect(f, next, "PENDING");
    }
    f->settings.licenses = "matlab:1"; /* fewer, while one holds two */
    film_configure(f);
    film_exit(f, job, 0);
    film_expect(f, next, "PENDING"); /* there never are two */
    f->settings.licenses = "matlab:4";
    film_configure(f);
    film_expect(f, next, "RUNNING");
}

#define FILM(test) cmocka_unit_test_setup_teardown(test, film_open, film_close)
int main(void)
{
    const struct CMUnitTest tests[] = {
        FILM(who_finds_too_few_waits_with_a_start_time),
        FILM(a_head_keeps_its_licences),
        FILM(several_start_as_far_as_they_go),
        FILM(what_is_not_there_is_refused),
        FILM(they_are_held_through_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
