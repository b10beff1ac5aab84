/* test_patterns.c - file name patterns, a table */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "types/pattern.h"

static const struct td_pattern_facts plain = {.job = 272, .node = "node1.example.org", .user = "ann", .name = "train"};
static const struct td_pattern_facts task = {
    .job = 281, .array_job = 272, .array_task = 7, .node = "node1", .user = "ann", .name = "train"};

static const struct row {
    const char *pattern, *plain, *task;
} rows[] = {
    {"slurm-%j.out", "/w/slurm-272.out", "/w/slurm-281.out"},
    {"slurm-%A_%a.out", "/w/slurm-272_4294967294.out", "/w/slurm-272_7.out"},
    {"job.%j.%N.out", "/w/job.272.node1.out", "/w/job.281.node1.out"},
    {"%x-%u", "/w/train-ann", "/w/train-ann"},
    {"%5j", "/w/00272", "/w/00281"},
    {"%3a", "/w/4294967294", "/w/007"},
    {"%b", "/w/4", "/w/7"},
    {"%99j", "/w/0000000272", "/w/0000000281"}, /* at most ten digits */
    {"%J.%s.%t.%n", "/w/272.batch.0.0", "/w/281.batch.0.0"},
    {"%4n", "/w/0000", "/w/0000"},
    {"100%%", "/w/100%", "/w/100%"},
    {"%5x", "/w/train", "/w/train"},
    {"%q.%", "/w/%q.%", "/w/%q.%"},             /* means nothing: stays */
    {"%5", "/w/%5", "/w/%5"},
    {"/abs/%j", "/abs/272", "/abs/281"},
    {"/abs/\\%j", "/abs/%j", "/abs/%j"},         /* a backslash turns all of it off */
    {"a\\b/%A", "/w/ab/%A", "/w/ab/%A"},
    {"sub/dir/%j", "/w/sub/dir/272", "/w/sub/dir/281"},
};

static void check(const char *pattern, const struct td_pattern_facts *f, const char *dir, const char *want)
{
    struct td_buf out = {0};
    td_pattern_expand(pattern, f, dir, &out);
    assert_string_equal(td_buf_str(&out), want);
    td_buf_release(&out);
}

static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        check(rows[i].pattern, &plain, "/w", rows[i].plain);
        check(rows[i].pattern, &task, "/w", rows[i].task);
    }
}

static void directories(void **state)
{
    (void)state;
    check("x", &plain, "/", "/x");
    check("x", &plain, "/w/", "/w/x");
    check("x", &plain, "", "x");
    check("x", &plain, NULL, "x");
}

static void defaults(void **state)
{
    (void)state;
    assert_string_equal(td_pattern_default_output(&plain), "slurm-%j.out");
    assert_string_equal(td_pattern_default_output(&task), "slurm-%A_%a.out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(directories), cmocka_unit_test(defaults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
