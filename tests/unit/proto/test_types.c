/* test_types.c - the tables themselves, and what people type: host lists, arrays, times, sizes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "types/types.h"

static void keys_ascend_and_numbers_are_unique(void **state)
{
    uint32_t n;
    const struct td_record *const *recs = td_records(&n);
    (void)state;
    for (uint32_t i = 0; i < n; i++) {
        assert_true(recs[i]->n > 0);
        for (uint32_t k = 0; k < recs[i]->n; k++) {
            const struct td_field *f = &recs[i]->fields[k];
            assert_true(f->key > 0 && (k == 0 || f->key > recs[i]->fields[k - 1].key));
            assert_true(f->help[0] != 0);
            assert_int_equal(f->sub != NULL, f->type == TD_T_REC || f->type == TD_T_RECS);
        }
    }
    const struct td_msg_row *msgs = td_msg_rows(&n);
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(td_msg_row(msgs[i].id)->name, msgs[i].name); /* a doubled number finds the wrong row */
    }
    const struct td_event_row *events = td_event_rows(&n);
    for (uint32_t i = 0; i < n; i++)
        assert_ptr_equal(td_event_row(events[i].id), &events[i]);
    assert_null(td_msg_row(999999));
    assert_null(td_event_row(0));
}

static void state_words_go_both_ways(void **state)
{
    uint32_t s, o;
    (void)state;
    assert_string_equal(td_job_state_word(TD_JOB_PENDING, 0), "PENDING");
    assert_string_equal(td_job_state_compact(TD_JOB_DONE, TD_OUTCOME_TIMEOUT), "TO");
    assert_true(td_job_state_parse("pd", &s, &o) && s == TD_JOB_PENDING);
    assert_true(td_job_state_parse("Timeout", &s, &o) && s == TD_JOB_DONE && o == TD_OUTCOME_TIMEOUT);
    assert_false(td_job_state_parse("sleeping", &s, &o));
    assert_string_equal(td_reason_word(TD_REASON_RESOURCES), "Resources");
    assert_null(td_reason_word(9999));
    assert_string_equal(td_error_words(TD_E_INVALID_JOB), "Invalid job id specified");
}

static void copy_is_deep_and_equal_sees_differences(void **state)
{
    struct td_gres_need gres[] = {{"gpu", "TitanXp", 2}, {"mps", NULL, 5}};
    struct td_job_need need = {.partition = "gpu", .gres = {gres, 2}};
    const char *argv[] = {"a", "b"};
    struct td_job_spec from = {.name = "x", .needs = {&need, 1}, .argv = {argv, 2}}, to;
    struct td_arena a = {0};
    (void)state;
    td_record_copy(&a, &td_rec_job_spec, &from, &to);
    assert_true(td_record_equal(&td_rec_job_spec, &from, &to));
    assert_ptr_not_equal(to.needs.v[0].gres.v, gres);
    assert_ptr_not_equal(to.argv.v[1], argv[1]);
    gres[1].count = 6;
    assert_false(td_record_equal(&td_rec_job_spec, &from, &to));
    td_arena_release(&a);
}

static void what_is_over_a_row_is_named_before_it_is_encoded(void **state)
{
    static char name[TD_MAX_NAME_BYTES + 2];
    struct td_job_need need = {.cpus_per_task = TD_MAX_CPUS_PER_NODE};
    struct td_submit m = {.spec = {.name = name, .needs = {&need, 1}}};
    struct td_error err = {0};
    (void)state;
    memset(name, 'x', TD_MAX_NAME_BYTES);
    assert_int_equal(td_record_check(&td_rec_submit, &m, &err), 0); /* at the limits */
    need.cpus_per_task++;
    assert_int_equal(td_record_check(&td_rec_submit, &m, &err), -TD_E_TOO_BIG);
    assert_string_equal(err.text, "job_need.cpus_per_task is over its limit of 4096");
    need.cpus_per_task = 1;
    name[TD_MAX_NAME_BYTES] = 'x';
    assert_int_equal(td_record_check(&td_rec_submit, &m, &err), -TD_E_TOO_BIG);
    assert_non_null(strstr(err.text, "job_spec.name"));
}

static void check_expand(const char *text, const char *want)
{
    struct td_hostlist l;
    struct td_error err;
    struct td_buf out = {0};
    assert_int_equal(td_hostlist_parse(text, 1000, &l, &err), 0);
    for (uint32_t i = 0; i < l.names.n; i++) {
        td_buf_putf(&out, "%s%s", i ? " " : "", l.names.v[i]);
        assert_true(td_hostlist_match(text, l.names.v[i]));
    }
    assert_string_equal(td_buf_str(&out), want);
    td_buf_release(&out);
    td_hostlist_release(&l);
}

static void hostlists_expand(void **state)
{
    (void)state;
    check_expand("node1", "node1");
    check_expand("node[1-3]", "node1 node2 node3");
    check_expand("node[01-02]", "node01 node02");
    check_expand("compute0[1-2]", "compute01 compute02");
    check_expand("node[9-11],gpu[1,3]-ib", "node9 node10 node11 gpu1-ib gpu3-ib");
    check_expand("r[1-2]n[08-10]", "r1n08 r1n09 r1n10 r2n08 r2n09 r2n10");
    check_expand("", "");
    assert_false(td_hostlist_match("node[1-3]", "node4"));
    assert_false(td_hostlist_match("node[01-03]", "node1"));
    assert_false(td_hostlist_match("node[1-3]", "node01"));
    assert_false(td_hostlist_match("node[1-3]", "node1x"));
}

/* Names that fold into nothing, as long as a name may be: what a job can hold can be shown, awarded and kept. */
static void the_longest_node_list_of_a_job_fits_its_rows(void **state TD_UNUSED)
{
    struct td_arena a = {0};
    struct td_buf out = {0};
    struct td_error err = {0};
    const char **names = td_arena_alloc(&a, TD_MAX_NODES_PER_JOB * sizeof(*names));

    for (uint32_t i = 0; i < TD_MAX_NODES_PER_JOB; i++) {
        char *name = td_arena_alloc(&a, TD_MAX_NAME_BYTES + 1);
        memset(name, 'x', TD_MAX_NAME_BYTES);
        for (uint32_t k = 0, left = i; k < 6; k++, left /= 26)
            name[k] = (char)('a' + left % 26);
        names[i] = name;
    }
    td_hostlist_fold(names, TD_MAX_NODES_PER_JOB, &out);
    struct td_job_info info = {.nodelist = td_buf_str(&out)};
    struct td_award award = {.nodelist = td_buf_str(&out)};
    struct td_partition_info part = {.nodes = td_buf_str(&out)};
    assert_true(out.len > TD_MAX_EXPR_BYTES);
    assert_int_equal(td_record_check(&td_rec_job_info, &info, &err), 0);
    assert_int_equal(td_record_check(&td_rec_award, &award, &err), 0);
    assert_int_equal(td_record_check(&td_rec_partition_info, &part, &err), 0);
    td_buf_puts(&out, ",onemore");
    info.nodelist = td_buf_str(&out);
    assert_int_equal(td_record_check(&td_rec_job_info, &info, &err), -TD_E_TOO_BIG);
    assert_string_equal(err.text, "job_info.nodelist is over its limit of 4194304");
    td_buf_release(&out);
    td_arena_release(&a);
}

static void bad_hostlists_are_named(void **state)
{
    static const char *const bad[] = {"node[1-", "node[]", "node]", "node[3-1]", "node[a]", "a,,b", "n[1-2]x[", "[1][2][3][4][5]"};
    struct td_hostlist l;
    struct td_error err;
    (void)state;
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        assert_int_equal(td_hostlist_parse(bad[i], 1000, &l, &err), -TD_E_INVALID_NODE);
        assert_non_null(strstr(err.text, "host list"));
    }
    assert_int_equal(td_hostlist_parse("n[1-1001]", 1000, &l, &err), -TD_E_TOO_BIG);
    assert_int_equal(td_hostlist_parse("n[1-1000]", 1000, &l, &err), 0); /* at the limit */
    td_hostlist_release(&l);
}

static void hostlists_fold_as_slurm_prints_them(void **state)
{
    static const struct {
        const char *names[6];
        const char *want;
    } cases[] = {
        {{"node1"}, "node1"},
        {{"node2", "node1"}, "node[1-2]"},
        {{"compute01", "compute02"}, "compute[01-02]"},
        {{"n9", "n10", "n11"}, "n[9-11]"},
        {{"a1", "b1", "a3", "a2"}, "a[1-3],b1"},
        {{"n1", "n1", "n3"}, "n[1,3]"},
        {{"login", "n1", "n2"}, "login,n[1-2]"},
        {{"n08", "n09", "n10"}, "n[08-10]"},
    };
    (void)state;
    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        struct td_buf out = {0};
        uint32_t n = 0;
        while (n < 6 && cases[i].names[n])
            n++;
        td_hostlist_fold(cases[i].names, n, &out);
        assert_string_equal(td_buf_str(&out), cases[i].want);
        td_buf_release(&out);
    }
}

static void arrays_parse_and_fold(void **state)
{
    struct td_span spans[4];
    uint32_t n, limit;
    struct td_error err;
    (void)state;
    assert_int_equal(td_array_parse("0-15:4,20%3", 1001, spans, 4, &n, &limit, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(spans[0].last, 12);
    assert_int_equal(spans[0].step, 4);
    assert_int_equal(limit, 3);
    static const char *const bad[] = {"", "a", "5-1", "1-", "1:0", "0-3:", "1-3%0", "1-3%", "1,,2", "1-3x", "1001"};
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++)
        assert_int_equal(td_array_parse(bad[i], 1001, spans, 4, &n, &limit, &err), -TD_E_INVALID_ARRAY);
    assert_int_equal(td_array_parse("1,2,3,4,5", 1001, spans, 4, &n, &limit, &err), -TD_E_TOO_BIG);

    static const struct {
        uint8_t bits[3];
        const char *want;
    } folds[] = {{{0x0f}, "0-3"}, {{0x8f}, "0-3,7"}, {{0x11, 0x11}, "0-12:4"}, {{0x05}, "0,2"}, {{0, 1}, "8"}, {{0}, ""}};
    for (size_t i = 0; i < TD_ARRAY_LEN(folds); i++) {
        struct td_buf out = {0};
        td_array_fold((struct td_bin){folds[i].bits, 3}, &out);
        assert_string_equal(td_buf_str(&out), folds[i].want);
        td_buf_release(&out);
    }
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        uint32_t s;
    } good[] = {{"10", 600}, {"10:00", 600}, {"1:00:00", 3600}, {"01:30:00", 5400}, {"3-00:00:00", 259200}, {"1-12", 129600}, {"1-12:30", 131400},
                {"6-24:00:00", 604800}, {"24:00:00", 86400}, {"UNLIMITED", TD_INFINITE}, {"infinite", TD_INFINITE}, {"-1", TD_INFINITE}, {"0:30", 30}};
    static const char *const bad[] = {"", "x", "1:2:3:4", "1-", "1-2-3", "10m", "1::2", "-5", "99999999-0"};
    uint32_t s;
    struct td_error err;
    (void)state;
    for (size_t i = 0; i < TD_ARRAY_LEN(good); i++) {
        assert_int_equal(td_duration_parse(good[i].text, &s, &err), 0);
        assert_int_equal(s, good[i].s);
    }
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++)
        assert_int_equal(td_duration_parse(bad[i], &s, &err), -TD_E_TIME_LIMIT);
    struct td_buf out = {0};
    td_duration_print(131400, &out);
    td_buf_putc(&out, ' ');
    td_duration_print(600, &out);
    td_buf_putc(&out, ' ');
    td_elapsed_print(5, &out);
    td_buf_putc(&out, ' ');
    td_elapsed_print(3723, &out);
    td_buf_putc(&out, ' ');
    td_elapsed_print(93784, &out);
    assert_string_equal(td_buf_str(&out), "1-12:30:00 00:10:00 0:05 1:02:03 1-02:03:04");
    td_buf_release(&out);
}

static void civil_times(void **state)
{
    const int64_t now = 1795385253000; /* 2026-11-22T22:07:33 UTC */
    static const struct {
        const char *text, *want;
    } good[] = {{"2026-12-01", "2026-12-01T00:00:00"}, {"2026-12-01T08:30", "2026-12-01T08:30:00"}, {"12/24", "2026-12-24T00:00:00"},
                {"now+1hour", "2026-11-22T23:07:33"}, {"now+90", "2026-11-22T22:09:03"}, {"now+2days", "2026-11-24T22:07:33"}, {"16:00", "2026-11-23T16:00:00"},
                {"11:00PM", "2026-11-22T23:00:00"}, {"tomorrow", "2026-11-23T00:00:00"}, {"midnight", "2026-11-23T00:00:00"}, {"2028-02-29", "2028-02-29T00:00:00"}};
    static const char *const bad[] = {"", "yesterday-ish", "2026-13-01", "2027-02-29", "25:00", "now+", "now+3parsecs", "13:00PM", "2026-12-01Tnoon"};
    int64_t ms;
    struct td_error err;
    (void)state;
    for (size_t i = 0; i < TD_ARRAY_LEN(good); i++) {
        struct td_buf out = {0};
        assert_int_equal(td_time_parse(good[i].text, now, 0, &ms, &err), 0);
        td_time_print(ms, 0, &out);
        assert_string_equal(td_buf_str(&out), good[i].want);
        td_buf_release(&out);
    }
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++)
        assert_int_equal(td_time_parse(bad[i], now, 0, &ms, &err), -TD_E_USAGE);
    struct td_buf out = {0};
    td_time_print(now, 9 * 3600, &out);
    assert_string_equal(td_buf_str(&out), "2026-11-23T07:07:33");
    td_buf_release(&out);
}

static void signals_before_the_end(void **state TD_UNUSED)
{
    static const struct {
        const char *text;
        uint32_t no, before_s;
        bool leader_only;
    } good[] = {{"USR1@120", 10, 120, false}, {"usr1@120", 10, 120, false}, {"B:USR2@30", 12, 30, true},
                {"b:SigUsr1@0", 10, 0, true}, {"10", 10, 60, false},        {"TERM", 15, 60, false},
                {"B:15@65535", 15, 65535, true}};
    static const char *const bad[] = {"foo", "", "SIG", "USR1@x", "USR1@", "@10", "R:USR1", "0", "65", "99", "USR1@65536", "XXXXXXXXXXXXXXXXXXXXX"};
    struct td_error err = {0};
    struct td_signal s;

    for (size_t i = 0; i < TD_ARRAY_LEN(good); i++) {
        if (td_signal_parse(good[i].text, &s, &err) < 0 || s.no != good[i].no || s.before_s != good[i].before_s ||
            s.leader_only != good[i].leader_only)
            fail_msg("%s: %u %u %d", good[i].text, s.no, s.before_s, s.leader_only);
    }
    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        assert_true(td_signal_parse(bad[i], &s, &err) < 0);
        assert_non_null(strstr(err.text, bad[i]));
    }
}

static void memory_sizes(void **state)
{
    uint64_t mb;
    struct td_error err;
    (void)state;
    assert_true(td_memory_parse("4000", &mb, &err) == 0 && mb == 4000);
    assert_true(td_memory_parse("4G", &mb, &err) == 0 && mb == 4096);
    assert_true(td_memory_parse("40GB", &mb, &err) == 0 && mb == 40960);
    assert_true(td_memory_parse("1k", &mb, &err) == 0 && mb == 1);
    assert_true(td_memory_parse("0", &mb, &err) == 0 && mb == 0);
    assert_int_equal(td_memory_parse("4X", &mb, &err), -TD_E_USAGE);
    assert_int_equal(td_memory_parse("", &mb, &err), -TD_E_USAGE);
    assert_int_equal(td_memory_parse("99999999999999T", &mb, &err), -TD_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_ascend_and_numbers_are_unique), cmocka_unit_test(state_words_go_both_ways),
        cmocka_unit_test(copy_is_deep_and_equal_sees_differences),
        cmocka_unit_test(what_is_over_a_row_is_named_before_it_is_encoded), cmocka_unit_test(hostlists_expand),
        cmocka_unit_test(the_longest_node_list_of_a_job_fits_its_rows),
        cmocka_unit_test(bad_hostlists_are_named), cmocka_unit_test(hostlists_fold_as_slurm_prints_them),
        cmocka_unit_test(arrays_parse_and_fold), cmocka_unit_test(durations),
        cmocka_unit_test(civil_times), cmocka_unit_test(memory_sizes), cmocka_unit_test(signals_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
