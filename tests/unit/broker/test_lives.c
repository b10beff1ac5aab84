/* test_lives.c - the life tables, cell by cell, written a second time as people would draw them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/core/state.h"

/* One letter a cell: g GO, i IGNORE, r REJECT, b BUG; columns in the order of states.def. */
static const char *const job_rows[TD_JOB_STATE_COUNT] = {
    /*            AWARD STARTED DECLINED EXITED END GONE LOST REQUEUE HOLD RELEASE UPDATE PURGE */
    [TD_JOB_PENDING] = "giiigibrgggb", [TD_JOB_AWARDED] = "bgggggggrrgb",
    [TD_JOB_RUNNING] = "biigggggrrgb", [TD_JOB_ENDING] = "bigggggrrrrb",
    [TD_JOB_DONE] = "biiiribgrrrg",
};
static const char *const alloc_rows[TD_ALLOC_STATE_COUNT] = {
    /* ACCEPT DECLINE KILL GONE NODE_LOST */
    [TD_ALLOC_AWARDED] = "ggggg",
    [TD_ALLOC_HELD] = "iiggg",
    [TD_ALLOC_ENDING] = "igigg",
    [TD_ALLOC_GONE] = "iiiii",
};
static const char *const step_rows[TD_STEP_STATE_COUNT] = {
    /* START DECLINE EXIT KILL GONE */
    [TD_STEP_SENT] = "ggggg",
    [TD_STEP_STARTED] = "iiggg",
    [TD_STEP_ENDING] = "iggig",
    [TD_STEP_OVER] = "iiiii",
};
static const char *const node_rows[TD_NODE_STATE_COUNT] = {
    /* HELLO HEARD LEASE_OUT TIME_OUT BYE DOWN */
    [TD_NODE_UNKNOWN] = "grbbrg", [TD_NODE_UP] = "gggbgg",   [TD_NODE_SUSPECT] = "ggiggg",
    [TD_NODE_LOST] = "griirg",    [TD_NODE_LEFT] = "grigig",
};
static const char *const session_rows[TD_SESSION_STATE_COUNT] = {
    /* HEARD LEASE_OUT CLOSE RESTART JOB_ENDED */
    [TD_SESSION_LIVE] = "ggggg",
    [TD_SESSION_PAUSED] = "gggig",
    [TD_SESSION_ENDED] = "ririi",
};

static char letter(enum core_verdict v)
{
    return "girb"[v];
}

static void every_cell_of_a_job(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < TD_JOB_STATE_COUNT; s++) {
        for (uint32_t i = 0; i < TD_JOB_INPUT_COUNT; i++)
            assert_int_equal(letter(core_life_job(s, (enum td_job_input)i)), job_rows[s][i]);
    }
}

static void every_cell_of_an_allocation(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < TD_ALLOC_STATE_COUNT; s++) {
        for (uint32_t i = 0; i < TD_ALLOC_INPUT_COUNT; i++)
            assert_int_equal(letter(core_life_alloc(s, (enum td_alloc_input)i)), alloc_rows[s][i]);
    }
}

static void every_cell_of_a_step(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < TD_STEP_STATE_COUNT; s++) {
        for (uint32_t i = 0; i < TD_STEP_INPUT_COUNT; i++)
            assert_int_equal(letter(core_life_step(s, (enum td_step_input)i)), step_rows[s][i]);
    }
}

static void every_cell_of_a_node(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < TD_NODE_STATE_COUNT; s++) {
        for (uint32_t i = 0; i < TD_NODE_INPUT_COUNT; i++)
            assert_int_equal(letter(core_life_node(s, (enum td_node_input)i)), node_rows[s][i]);
    }
}

static void every_cell_of_a_session(void **state)
{
    (void)state;
    for (uint32_t s = 0; s < TD_SESSION_STATE_COUNT; s++) {
        for (uint32_t i = 0; i < TD_SESSION_INPUT_COUNT; i++)
            assert_int_equal(letter(core_life_session(s, (enum td_session_input)i)),
                             session_rows[s][i]);
    }
}

static void verdicts_are_counted(void **state)
{
    struct td_core *c = td_core_new(1);
    struct core_job j = {.state = TD_JOB_DONE};
    (void)state;
    assert_false(core_job_may(c, &j, TD_JOB_IN_EXITED));
    assert_int_equal(c->counters.ignored, 1);
    assert_false(core_job_may(c, &j, TD_JOB_IN_END));
    assert_int_equal(c->counters.rejected, 1);
    assert_true(core_job_may(c, &j, TD_JOB_IN_PURGE));
    td_core_destroy(&c);
    assert_null(c);
    td_core_destroy(&c);
}

static jmp_buf caught;
static void catch (const char *file, int line, const char *what)
{
    (void)file;
    (void)line;
    (void)what;
    longjmp(caught, 1);
}

static void a_bug_is_asserted(void **state)
{
    struct td_core *c = td_core_new(1);
    struct core_job j = {.state = TD_JOB_RUNNING};
    (void)state;
    td_assert_hook = catch;
    if (setjmp(caught) == 0) {
        core_job_may(c, &j, TD_JOB_IN_AWARD);
        fail_msg("a second allocation went through");
    }
    td_assert_hook = NULL;
    td_core_destroy(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_of_a_job),  cmocka_unit_test(every_cell_of_an_allocation),
        cmocka_unit_test(every_cell_of_a_step), cmocka_unit_test(every_cell_of_a_node), cmocka_unit_test(every_cell_of_a_session),
        cmocka_unit_test(verdicts_are_counted), cmocka_unit_test(a_bug_is_asserted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
