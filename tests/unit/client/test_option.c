/* test_option.c - the option parser, and the tables of all commands */
#include <stdio.h>

#include "client_test.h"

struct target {
    bool flag, other;
    uint32_t number, loud;
    const char *text, *maybe;
    struct td_strs list;
};
#define AT(field) offsetof(struct target, field)
static const struct option rows[] = {
    {"time", 't', "T", opt_str, AT(text), "a text", "TEST_TIME", false},
    {"time-min", 0, "T", opt_str, AT(maybe), "another", NULL, false},
    {"flag", 'f', NULL, opt_flag, AT(flag), "a flag", "TEST_FLAG", false},
    {"names", 'n', "LIST", opt_list, AT(list), "a list", "TEST_NAMES", false},
    {"number", 'N', "N", opt_u32, AT(number), "a number", NULL, false},
    {"nice", 0, "[N]", opt_str, AT(maybe), "an optional text", NULL, false},
    {"verbose", 'v', NULL, opt_count, AT(loud), "louder", NULL, false},
    {"qos", 'q', "Q", opt_str, AT(text), "a text", NULL, false},
    {"uid", 0, "U", opt_refuse, 0, "a job runs as oneself", NULL, false},
    {"hint", 0, "H", opt_warn, 0, "not honoured", NULL, false},
    {0},
};
static const struct command cmd = {.name = "test", .synopsis = "", .summary = "tests", .about = "", .options = rows};

static struct td_arena arena;
static struct target got;
static struct td_error err;
static struct option_parse parse;

static int take(bool posix, int argc, char **argv)
{
    option_parse_release(&parse);
    got = (struct target){0};
    err = (struct td_error){0};
    parse = (struct option_parse){.cmd = &cmd, .target = &got, .arena = &arena, .posix = posix};
    return option_parse(&parse, argc, argv, &err);
}
#define TAKE(...) take(false, ARGC("test", __VA_ARGS__), ARGV("test", __VA_ARGS__))

static void forms_of_an_option(void **state TD_UNUSED)
{
    assert_int_equal(TAKE("--time=5"), 0);
    assert_string_equal(got.text, "5");
    assert_int_equal(TAKE("--time", "6"), 0);
    assert_string_equal(got.text, "6");
    assert_int_equal(TAKE("-t7"), 0);
    assert_string_equal(got.text, "7");
    assert_int_equal(TAKE("-t", "8"), 0);
    assert_string_equal(got.text, "8");
    assert_int_equal(TAKE("-fvvt9"), 0);
    assert_true(got.flag);
    assert_int_equal(got.loud, 2);
    assert_string_equal(got.text, "9");
    assert_int_equal(TAKE("--nice"), 0);
    assert_string_equal(got.maybe, "");
    assert_int_equal(TAKE("--nice=3"), 0);
    assert_string_equal(got.maybe, "3");
    assert_int_equal(TAKE("--fl", "--num=3"), 0); /* unique beginnings */
    assert_true(got.flag);
    assert_int_equal(got.number, 3);
    assert_int_equal(TAKE("--names", "a,b", "-n", "c"), 0);
    assert_int_equal(got.list.n, 3);
    assert_string_equal(got.list.v[2], "c");
}

static void wrong_options_are_named(void **state TD_UNUSED)
{
    static const struct {
        const char *arg, *says;
        int code;
    } cases[] = {
        {"--flog", "unrecognized option '--flog' (did you mean '--flag'?)", TD_E_USAGE},
        {"--zzz", "unrecognized option '--zzz'", TD_E_USAGE},
        {"--tim=3", "option '--tim=3' is ambiguous; possibilities: '--time' '--time-min'", TD_E_USAGE},
        {"-Z", "invalid option -- 'Z'", TD_E_USAGE},
        {"-qos", "unrecognized option '-qos': did you mean '--qos'?", TD_E_USAGE},
        {"--flag=1", "option '--flag' doesn't allow an argument", TD_E_USAGE},
        {"--time", "option '--time' requires an argument", TD_E_USAGE},
        {"-t", "option requires an argument -- 't'", TD_E_USAGE},
        {"--number=x", "Invalid numeric value \"x\" for --number.", TD_E_INVALID_REQUEST},
        {"--number=0", "Invalid numeric value \"0\" for --number.", TD_E_INVALID_REQUEST},
        {"--number=99999999999", "Invalid numeric value \"99999999999\" for --number.", TD_E_INVALID_REQUEST},
        {"--uid=0", "--uid is not supported: a job runs as oneself", TD_E_NOT_SUPPORTED},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        assert_true(TAKE((char *)(uintptr_t)cases[i].arg) < 0);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.text, cases[i].says);
    }
}

static void nothing_is_ignored_silently(void **state TD_UNUSED)
{
    struct td_buf said = {0};

    say_captured = &said;
    assert_int_equal(TAKE("--hint=x"), 0);
    assert_contains(td_buf_str(&said), "warning: --hint: not honoured");
    say_captured = NULL;
    td_buf_release(&said);
}

static void words_and_options_mix_or_do_not(void **state TD_UNUSED)
{
    assert_int_equal(TAKE("12", "--flag", "13"), 0);
    assert_int_equal(parse.words.n, 2);
    assert_true(got.flag);
    assert_int_equal(TAKE("--", "--flag"), 0);
    assert_false(got.flag);
    assert_int_equal(parse.words.n, 1);

    assert_int_equal(take(true, ARGC("test", "-f", "script", "-t", "5"), ARGV("test", "-f", "script", "-t", "5")), 0);
    assert_true(got.flag);
    assert_null(got.text);
    assert_int_equal(parse.rest, 2);
    assert_int_equal(parse.words.n, 3);
}

static void environment_is_below_the_command_line(void **state TD_UNUSED)
{
    setenv("TEST_NAMES", "x,y", 1);
    setenv("TEST_FLAG", "0", 1);
    setenv("TEST_TIME", "1", 1);
    take(false, 1, ARGV("test"));
    assert_int_equal(option_parse_env(&parse, &err), 0);
    assert_int_equal(got.list.n, 2);
    assert_false(got.flag); /* a flag's variable may say no */
    assert_string_equal(got.text, "1");
    assert_int_equal(option_parse(&parse, 5, ARGV("test", "-n", "z", "-t", "2"), &err), 0);
    assert_int_equal(got.list.n, 1); /* replaced, not added to */
    assert_string_equal(got.list.v[0], "z");
    assert_string_equal(got.text, "2");
    unsetenv("TEST_NAMES");
    unsetenv("TEST_FLAG");
    unsetenv("TEST_TIME");
}

static void tables_of(const struct command *const *list, bool run)
{
    for (const struct command *const *c = list; *c; c++) {
        struct td_buf help = {0}, man = {0}, usage = {0};
        help_print(*c, &help);
        man_print(*c, commands, 1, &man);
        usage_print(*c, &usage);
        assert_contains(td_buf_str(&help), (*c)->synopsis);
        assert_contains(td_buf_str(&man), ".SH OPTIONS");
        assert_true(((*c)->run != NULL) == run);
        assert_true(strlen((*c)->summary) > 0);
        for (const struct option *o = (*c)->options; o->take; o++) {
            char form[128];
            assert_true(o->name || o->letter);
            if (o->alias)
                continue;
            assert_true(o->help && strlen(o->help) > 0);
            td_format(form, sizeof(form), "--%s", o->name ? o->name : "");
            assert_contains(td_buf_str(&help), form); /* honoured, warned about or refused: --help says which */
            for (const struct option *b = o + 1; b->take; b++) {
                if (o->letter && o->letter == b->letter)
                    fail_msg("%s: -%c twice", (*c)->name, o->letter);
                if (o->name && b->name && strcmp(o->name, b->name) == 0)
                    fail_msg("%s: --%s twice", (*c)->name, o->name);
            }
        }
        td_buf_release(&help);
        td_buf_release(&man);
        td_buf_release(&usage);
    }
}

static void tables_of_all_commands(void **state TD_UNUSED)
{
    tables_of(commands, true);
}

/* Programs of their own: they have pages and completion here, and run themselves. */
static void tables_of_the_daemons(void **state TD_UNUSED)
{
    struct td_buf man = {0};

    tables_of(daemons, false);
    for (const struct command *const *d = daemons; *d; d++) {
        td_buf_reset(&man);
        man_print(*d, NULL, 0, &man);
        assert_contains(td_buf_str(&man), " 8 \"\" \"Tender ");
        assert_contains(td_buf_str(&man), ".PP\n");
        assert_contains(td_buf_str(&man), "SIGTERM");
        assert_null(strstr(td_buf_str(&man), "SLURM_CONF")); /* how commands find a cluster is not their business */
        for (const struct option *o = (*d)->options; o->take; o++)
            assert_null(o->letter ? o->name : NULL);
    }
    td_buf_release(&man);
}

/* U19 of the guide: srun's sibling must tell of --ntasks and of --nodes=N. */
static void help_tells_what_the_guide_greps(void **state TD_UNUSED)
{
    struct td_buf help = {0};

    help_print(&sbatch_command, &help);
    assert_contains(td_buf_str(&help), "--ntasks");
    assert_contains(td_buf_str(&help), "--nodes=N");
    td_buf_release(&help);
}

static void completion_names_every_command(void **state TD_UNUSED)
{
    struct td_buf out = {0};
    uint32_t n = 0;

    while (commands[n])
        n++;
    completion_print(commands, n, &out);
    assert_contains(td_buf_str(&out), "--gpus-per-node=");
    assert_contains(td_buf_str(&out), "complete -F _tender_complete sbatch srun salloc squeue sinfo scancel scontrol sacctmgr sshare sprio tender\n");
    assert_contains(td_buf_str(&out), "words=\"up down status join-token rounds protocol doctor journal sim manual completion version help events token key remote explain\"");
    assert_null(strstr(td_buf_str(&out), " --reboot")); /* what is refused is not offered */
    td_buf_release(&out);
}

static void completion_is_bash(void **state TD_UNUSED)
{
    struct td_buf out = {0};
    uint32_t n = 0;

    if (system("command -v bash >/dev/null 2>&1") != 0)
        skip();
    while (commands[n])
        n++;
    completion_print(commands, n, &out);
    FILE *bash = popen("bash -n", "w");
    assert_non_null(bash);
    assert_int_equal(fwrite(out.data, 1, out.len, bash), out.len);
    assert_int_equal(pclose(bash), 0);
    td_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_an_option),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(nothing_is_ignored_silently),
        cmocka_unit_test(words_and_options_mix_or_do_not),
        cmocka_unit_test(environment_is_below_the_command_line),
        cmocka_unit_test(tables_of_all_commands),
        cmocka_unit_test(tables_of_the_daemons),
        cmocka_unit_test(help_tells_what_the_guide_greps),
        cmocka_unit_test(completion_names_every_command),
        cmocka_unit_test(completion_is_bash),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);

    option_parse_release(&parse);
    td_arena_release(&arena);
    return r;
}
