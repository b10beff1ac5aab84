/* test_front_notes.c - whom an event is about, and what of it others may see */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "broker/front/front.h"

static struct td_core *two_jobs_of_two_users(void)
{
    struct td_core *c = td_core_new(1);

    for (uint32_t i = 0; i < 2; i++) {
        struct td_job_need need = {.ntasks = 1, .cpus_per_task = 1, .nodes_min = 1, .nodes_max = 1, .partition = "main"};
        struct td_ev_job_submitted ev = {.job = i + 1, .uid = 1000 + i, .spec = {.needs = {&need, 1}}, .limit_s = 60, .priority = 1};
        td_core_apply(c, &(struct td_event){.seq = i + 1, .time_ms = 1000, .id = TD_EV_JOB_SUBMITTED, .body = &ev});
    }
    return c;
}

/* How many of the two are in what he gets. */
static uint32_t sees(struct td_core *c, const struct td_event *ev, uint32_t uid, uint32_t hides)
{
    struct td_arena a = {0};
    struct td_error err;
    struct td_ev_jobs_likely got;
    struct front_note n;
    struct front_watcher w = {.uid = uid, .hides = hides};

    front_note_make(c, ev, &(front_ids){0}, &a, &n);
    assert_int_equal(n.nids, 2);
    assert_int_equal(n.ids[0] + n.ids[1], 3);
    const struct td_event_note note = front_note_for(&n, &w, &a);
    assert_int_equal(td_wire_get_record(&a, &td_rec_ev_jobs_likely, note.body.v, note.body.n, &got, &err), 0);
    uint32_t found = got.likely.n;
    if (found == 1)
        assert_int_equal(got.likely.v[0].job, uid - 999);
    front_note_release(&n);
    td_arena_release(&a);
    return found;
}

static void others_start_is_private_too(void **state TD_UNUSED)
{
    struct td_core *c = two_jobs_of_two_users();
    struct td_likely v[] = {{.job = 1, .at_ms = 5, .from_ms = 4, .to_ms = 6, .band = 6, .base_s = 90},
                            {.job = 2, .at_ms = 7, .from_ms = 4, .to_ms = 9, .band = 6, .base_s = 90}};
    struct td_ev_jobs_likely body = {.likely = {v, 2}};
    const struct td_event ev = {.seq = 3, .time_ms = 2000, .id = TD_EV_JOBS_LIKELY, .body = &body};

    assert_int_equal(sees(c, &ev, 1000, 0), 2);
    assert_int_equal(sees(c, &ev, 1000, TD_PRIVATE_JOBS), 1);
    assert_int_equal(sees(c, &ev, 1001, TD_PRIVATE_JOBS), 1);
    assert_int_equal(sees(c, &ev, 1002, TD_PRIVATE_JOBS), 0);
    td_core_destroy(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(others_start_is_private_too)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
