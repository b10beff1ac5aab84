/* test_environ.c - --export, and what a job's environment never has */
#include "client_test.h"
#include "submit.h"

static struct td_arena arena;
static char *const env[] = {
    "PATH=/bin", "HOME=/h", "FOO=1", "BAR=two words", "SLURM_CONF=/c/slurm.conf", "SLURM_JOB_ID=7", "SLURM_ARRAY_TASK_ID=3",
    "SLURM_CPU_BIND=q", "nothing", NULL,
};

static int make(const char *export, struct td_buf *out, struct td_error *err)
{
    struct submit s = {.arena = &arena, .export = export};

    td_buf_reset(out);
    return environ_make(&s, env, "/work", "login1", out, err);
}

static const char *get(const struct td_buf *b, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = (const char *)b->data; p && p < (const char *)b->data + b->len; p += strlen(p) + 1)
        if (strncmp(p, name, n) == 0 && p[n] == '=')
            return p + n + 1;
    return "(none)";
}

static void what_is_exported(void **state TD_UNUSED)
{
    static const struct {
        const char *export, *path, *foo, *bar, *conf, *more;
    } cases[] = {
        {NULL, "/bin", "1", "two words", "/c/slurm.conf", "(none)"},
        {"ALL", "/bin", "1", "two words", "/c/slurm.conf", "(none)"},
        {"NONE", "(none)", "(none)", "(none)", "/c/slurm.conf", "(none)"},
        {"NIL", "(none)", "(none)", "(none)", "(none)", "(none)"},
        {"ALL,FOO=2,MORE=x", "/bin", "2", "two words", "/c/slurm.conf", "x"},
        {"FOO,MORE=x", "(none)", "1", "(none)", "/c/slurm.conf", "x"},
        {"MORE='a,b',BAR", "(none)", "(none)", "two words", "/c/slurm.conf", "a,b"},
        {"ALL,MORE=", "/bin", "1", "two words", "/c/slurm.conf", ""},
    };
    struct td_buf out = {0};
    struct td_error err = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        assert_int_equal(make(cases[i].export, &out, &err), 0);
        assert_string_equal(get(&out, "PATH"), cases[i].path);
        assert_string_equal(get(&out, "FOO"), cases[i].foo);
        assert_string_equal(get(&out, "BAR"), cases[i].bar);
        assert_string_equal(get(&out, "SLURM_CONF"), cases[i].conf);
        assert_string_equal(get(&out, "MORE"), cases[i].more);
        assert_string_equal(get(&out, "SLURM_SUBMIT_DIR"), "/work");
        assert_string_equal(get(&out, "SLURM_SUBMIT_HOST"), "login1");
    }
    td_buf_release(&out);
}

static void an_outer_job_does_not_leak_in(void **state TD_UNUSED)
{
    struct td_buf out = {0};
    struct td_error err = {0};

    assert_int_equal(make("ALL", &out, &err), 0);
    assert_string_equal(get(&out, "SLURM_JOB_ID"), "(none)");
    assert_string_equal(get(&out, "SLURM_ARRAY_TASK_ID"), "(none)");
    assert_string_equal(get(&out, "SLURM_CPU_BIND"), "(none)");
    td_buf_release(&out);
}

static void wrong_lists_are_named(void **state TD_UNUSED)
{
    static const char *const bad[] = {"ALL,=x", "9A=x", "a b=x", "ALL,NONE", "ALL,NIL"};
    struct td_buf out = {0};
    struct td_error err = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(bad); i++) {
        if (make(bad[i], &out, &err) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, TD_E_INVALID_REQUEST);
        assert_contains(err.text, "--export");
    }
    td_buf_release(&out);
}

static void a_huge_environment_is_refused(void **state TD_UNUSED)
{
    struct td_buf big = {0}, out = {0};
    struct td_error err = {0};
    struct submit s = {.arena = &arena};

    td_buf_puts(&big, "BIG=");
    td_buf_pad(&big, 'x', TD_MAX_ENV_BYTES);
    char *const one[] = {(char *)big.data, NULL};
    assert_true(environ_make(&s, one, "/", "h", &out, &err) < 0);
    assert_int_equal(err.code, TD_E_TOO_BIG);
    td_buf_release(&big);
    td_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_exported),
        cmocka_unit_test(an_outer_job_does_not_leak_in),
        cmocka_unit_test(wrong_lists_are_named),
        cmocka_unit_test(a_huge_environment_is_refused),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);

    td_arena_release(&arena);
    return r;
}
