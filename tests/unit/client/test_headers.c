/* test_headers.c - headers of real scripts: every #SBATCH line is taken, or refused by name */
#include <dirent.h>
#include <stdio.h>

#include "client_test.h"
#include "submit.h"

/* What may be refused: by what it says. Anything else is a mistake of ours. */
static const char *const named[] = {"heterogeneous jobs are not supported yet",
                                    "'1-$ARRAY_SIZE': a range lacks its end"};

static void one_header(const char *dir, const char *name)
{
    struct td_arena arena = {0};
    struct submit s = {.arena = &arena};
    struct script script = {0};
    struct td_error err = {0};
    struct td_buf said = {0};
    char path[4400];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (script_read(path, &script, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    say_captured = &said;
    int r = submit_directives(&s, &script, &err);
    say_captured = NULL;
    bool known = r == 0;
    for (size_t i = 0; i < TD_ARRAY_LEN(named); i++)
        known |= strstr(err.text, named[i]) != NULL;
    if (!known)
        fail_msg("%s", err.text);
    td_buf_release(&said);
    script_release(&script);
    td_arena_release(&arena);
}

static void every_line_is_taken_or_named(void **state TD_UNUSED)
{
    const char *shared = getenv("TENDER_SHARED");
    char dir[4096];
    struct dirent *e;
    uint32_t n = 0;

    snprintf(dir, sizeof(dir), "%s/data/sbatch-headers", shared ? shared : SOURCE_DIR "/../shared");
    DIR *d = opendir(dir);
    if (!d) {
        print_message("no recorded headers at %s: skipped\n", dir);
        skip();
    }
    while ((e = readdir(d)))
        if (e->d_name[0] != '.') {
            one_header(dir, e->d_name);
            n++;
        }
    closedir(d);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_line_is_taken_or_named)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
