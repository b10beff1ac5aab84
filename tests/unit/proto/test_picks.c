/* test_picks.c - some fields of a record: chosen by path, hidden by right, written and copied alone; rows given encoded */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fill.h"
#include "wire/wire.h"

#define OF(field) TD_PATH(TD_KEY_job_info_##field)
#define SPEC(field) TD_PATH2(TD_KEY_job_info_spec, TD_KEY_job_spec_##field)
#define NEED(field) TD_PATH3(TD_KEY_job_info_spec, TD_KEY_job_spec_needs, TD_KEY_job_need_##field)

static const struct td_u32s none;

static struct td_job_info full_row(struct td_arena *a, uint32_t salt)
{
    struct td_job_info j;

    fill_record(a, &td_rec_job_info, &j, salt);
    return j;
}

/* What the picked encoding of a row says, decoded. */
static struct td_job_info sent(struct td_arena *a, const struct td_pick *pick, const struct td_job_info *row)
{
    struct td_job_info back;
    struct td_buf b = {0};
    struct td_error err = {0};

    assert_int_equal(td_wire_put_picked(&b, pick, row), 0);
    if (td_wire_get_record(a, &td_rec_job_info, b.data, b.len, &back, &err) < 0)
        fail_msg("%s", err.text);
    td_buf_release(&b);
    return back;
}

static void everything_is_everything(void **state)
{
    struct td_arena a = {0};
    uint32_t n;
    const struct td_record *const *all = td_records(&n);
    (void)state;

    for (uint32_t i = 0; i < n; i++) {
        const struct td_pick *pick = td_pick_make(&a, all[i], TD_SEE_NOBODY, &none, &none);
        void *body = td_arena_alloc(&a, all[i]->size), *copy = td_arena_alloc(&a, all[i]->size);
        struct td_buf whole = {0}, picked = {0};
        fill_record(&a, all[i], body, i);
        td_wire_put_record(&whole, all[i], body);
        assert_int_equal(td_wire_put_picked(&picked, pick, body), 0);
        assert_int_equal(whole.len, picked.len);
        assert_memory_equal(whole.data, picked.data, whole.len);
        td_pick_copy(&a, pick, body, copy);
        assert_true(td_record_equal(all[i], body, copy));
        td_buf_release(&whole);
        td_buf_release(&picked);
    }
    td_arena_release(&a);
}

static void only_what_paths_name(void **state)
{
    struct td_arena a = {0};
    const uint32_t paths[] = {OF(priority), SPEC(name), NEED(features), SPEC(rlimits), 0xff, TD_PATH2(TD_KEY_job_info_job, 3)};
    const struct td_u32s wanted = {paths, TD_ARRAY_LEN(paths)};
    const struct td_pick *pick = td_pick_make(&a, &td_rec_job_info, TD_SEE_OWNER, &wanted, &none);
    struct td_job_info row = full_row(&a, 1), back = sent(&a, pick, &row), want = {0}, copy;
    struct td_job_need *needs = td_arena_alloc(&a, row.spec.needs.n * sizeof(*needs));
    (void)state;

    want.priority = row.priority;
    want.spec.name = row.spec.name;
    want.spec.rlimits = row.spec.rlimits;
    for (uint32_t i = 0; i < row.spec.needs.n; i++)
        needs[i].features = row.spec.needs.v[i].features;
    want.spec.needs = (struct td_job_need_list){needs, row.spec.needs.n};
    assert_true(td_record_equal(&td_rec_job_info, &back, &want));
    td_pick_copy(&a, pick, &row, &copy);
    assert_true(td_record_equal(&td_rec_job_info, &copy, &want));
    td_arena_release(&a);
}

static void no_path_shows_what_is_hidden(void **state)
{
    struct td_arena a = {0};
    const uint32_t paths[] = {OF(detail), SPEC(work_dir), SPEC(script_hash), SPEC(name)};
    const struct td_u32s wanted = {paths, TD_ARRAY_LEN(paths)};
    struct td_job_info row = full_row(&a, 2), back;
    (void)state;

    back = sent(&a, td_pick_make(&a, &td_rec_job_info, TD_SEE_ALL, &wanted, &none), &row);
    assert_null(back.detail);
    assert_null(back.spec.work_dir);
    assert_int_equal(back.spec.script_hash.n, 0);
    assert_string_equal(back.spec.name, row.spec.name);
    back = sent(&a, td_pick_make(&a, &td_rec_job_info, TD_SEE_OWNER, &wanted, &none), &row);
    assert_string_equal(back.spec.work_dir, row.spec.work_dir);
    assert_int_equal(back.spec.script_hash.n, 0);
    back = sent(&a, td_pick_make(&a, &td_rec_job_info, TD_SEE_ALL, &none, &none), &row);
    assert_null(back.spec.work_dir);
    assert_int_equal(back.job, row.job);
    td_arena_release(&a);
}

static void what_is_left_out_is_left_out(void **state)
{
    struct td_arena a = {0};
    const uint32_t paths[] = {SPEC(argv), NEED(req_nodes), OF(placements)};
    const struct td_u32s left_out = {paths, TD_ARRAY_LEN(paths)};
    struct td_job_info row = full_row(&a, 3);
    struct td_job_info back = sent(&a, td_pick_make(&a, &td_rec_job_info, TD_SEE_NOBODY, &none, &left_out), &row);
    (void)state;

    assert_int_equal(back.spec.argv.n, 0);
    assert_int_equal(back.placements.n, 0);
    assert_int_equal(back.spec.needs.n, row.spec.needs.n);
    assert_null(back.spec.needs.v[0].req_nodes);
    assert_string_equal(back.spec.needs.v[0].features, row.spec.needs.v[0].features);
    td_arena_release(&a);
}

static void over_its_maximum_is_said_and_taken_back(void **state)
{
    struct td_arena a = {0};
    const struct td_pick *pick = td_pick_make(&a, &td_rec_job_info, TD_SEE_OWNER, &none, &none);
    struct td_job_info row = full_row(&a, 4);
    struct td_buf b = {0};
    char *name = td_arena_alloc(&a, TD_MAX_NAME_BYTES + 2);
    (void)state;

    td_buf_puts(&b, "before");
    row.spec.name = memset(name, 'x', TD_MAX_NAME_BYTES);
    assert_int_equal(td_wire_put_picked(&b, pick, &row), 0);
    b.len = 6;
    memset(name, 'x', TD_MAX_NAME_BYTES + 1);
    assert_int_equal(td_wire_put_picked(&b, pick, &row), -TD_E_TOO_BIG);
    assert_int_equal(b.len, 6);
    row.spec.name = "x";
    row.exit_code = 256;
    assert_int_equal(td_wire_put_picked(&b, pick, &row), -TD_E_TOO_BIG);
    td_buf_release(&b);
    td_arena_release(&a);
}

/* A frame around encoded rows is byte for byte the frame of the list. */
static void rows_given_encoded(void **state)
{
    struct td_arena a = {0};
    const struct td_pick *pick = td_pick_make(&a, &td_rec_job_info, TD_SEE_NOBODY, &none, &none);
    struct td_job_info rows[20];
    (void)state;

    for (uint32_t n = 0; n <= 20; n += 10) {
        struct td_buf one = {0}, whole = {0}, bytes = {0};
        for (uint32_t i = 0; i < n; i++) {
            rows[i] = full_row(&a, i);
            assert_int_equal(td_wire_put_picked(&bytes, pick, &rows[i]), 0);
        }
        struct td_jobs m = {.rows = {rows, n}, .more = true, .now_ms = 17, .seq = n};
        td_wire_put_frame(&whole, TD_MSG_JOBS, 5, &m);
        m.rows.n = 0;
        td_wire_put_frame_rows(&one, TD_MSG_JOBS, 5, &m, bytes.data, bytes.len, n);
        assert_int_equal(one.len, whole.len);
        assert_memory_equal(one.data, whole.data, one.len);
        td_buf_release(&one);
        td_buf_release(&whole);
        td_buf_release(&bytes);
    }
    td_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_everything),     cmocka_unit_test(only_what_paths_name),
        cmocka_unit_test(no_path_shows_what_is_hidden), cmocka_unit_test(what_is_left_out_is_left_out),
        cmocka_unit_test(over_its_maximum_is_said_and_taken_back), cmocka_unit_test(rows_given_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
