/* test_script.c - batch scripts and their #SBATCH lines; the cases were tried on Slurm 22.05 */
#include "client_test.h"
#include "submit.h"

static struct td_arena arena;

static int apply(const char *body, struct submit *s, struct td_error *err)
{
    struct td_buf text = {0};

    td_buf_putf(&text, "#!/bin/sh\n%s\nsleep 1\n", body);
    struct script script = {.text = (char *)text.data, .len = text.len, .name = "job.sh"};
    *s = (struct submit){.arena = &arena};
    *err = (struct td_error){0};
    int r = script_check(&script, err);
    if (r == 0)
        r = submit_directives(s, &script, err);
    td_buf_release(&text);
    return r;
}

static void directives_as_slurm_reads_them(void **state TD_UNUSED)
{
    static const struct {
        const char *body, *name;
    } cases[] = {
        {"#SBATCH -J plain", "plain"},
        {"#SBATCH -J a#b", "a"},
        {"#SBATCH -J \"a b\" # c", "a b"},
        {"#SBATCH -J a'x y'b", "ax yb"},
        {"#SBATCH-J foo", "foo"},
        {"#SBATCH\t-J\tx", "x"},
        {"#SBATCH    -J   x   # trailing", "x"},
        {"\n# c\n\n#SBATCH -J late", "late"},
        {"   \n#SBATCH -J late", "late"},
        {"#SBATCH -J x#", "x"},
        {"#SBATCH -J $USER", "$USER"},
        {"#SBATCH --job-name=first\n#SBATCH --job-name=second", "second"},
        /* and what is no directive */
        {" #SBATCH -J foo", NULL},
        {"##SBATCH -J foo", NULL},
        {"###SBATCH -J foo", NULL},
        {"#sbatch -J low", NULL},
        {"#SBATCH", NULL},
        {"echo\n#SBATCH -J late", NULL},
        {":\n#SBATCH -J late", NULL},
        {"##SBATCH  -qos  small-fast", NULL},
    };
    struct submit s;
    struct td_error err;

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        if (apply(cases[i].body, &s, &err) < 0)
            fail_msg("[%s]: %s", cases[i].body, err.text);
        assert_true(td_str_equal(s.spec.name, cases[i].name));
    }
}

static void wrong_directives_are_named(void **state TD_UNUSED)
{
    static const struct {
        const char *body, *says;
        int code;
    } cases[] = {
        {"#SBATCHX -J foo", "Invalid directive found in batch script: X", TD_E_USAGE},
        {"#SBATCH foo -J x", "Invalid directive found in batch script: foo", TD_E_USAGE},
        {"#SBATCH -J x foo -t 5", "Invalid directive found in batch script: foo", TD_E_USAGE},
        {"#SBATCH -J x -- foo", "Invalid directive found in batch script: foo", TD_E_USAGE},
        {"#SBATCH --nice 5", "Invalid directive found in batch script: 5", TD_E_USAGE},
        {"#SBATCH -qos small-fast", "did you mean '--qos'?", TD_E_USAGE},
        {"#SBATCH --partion=x", "(did you mean '--partition'?)", TD_E_USAGE},
        {"#SBATCH -J \"unfinished", "line 2: Unmatched `\"`", TD_E_USAGE},
        {"\n\n#SBATCH --time=soon", "job.sh: line 4: Invalid --time specification: soon", TD_E_USAGE},
        {"#SBATCH hetjob", "heterogeneous jobs are not supported yet", TD_E_NOT_SUPPORTED},
        {"#SBATCH --uid=0", "--uid is not supported", TD_E_NOT_SUPPORTED},
        {"#SBATCH --mem=1G --mem-per-cpu=1G", "mutually exclusive", TD_E_INVALID_REQUEST},
        {"#SBATCH -a 1-$N", "Invalid job array specification: job.sh: line 2: '1-$N': a range lacks its end", TD_E_INVALID_ARRAY},
        {"#SBATCH -J x\r\n", "DOS line breaks", TD_E_INVALID_REQUEST},
    };
    struct submit s;
    struct td_error err;

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        if (apply(cases[i].body, &s, &err) == 0)
            fail_msg("[%s] was taken", cases[i].body);
        assert_contains(err.text, cases[i].says);
        assert_int_equal(err.code, cases[i].code);
    }
}

static void guide_headers(void **state TD_UNUSED)
{
    struct submit s;
    struct td_error err;

    assert_int_equal(apply("#SBATCH  -J  tf-2GPU        # job name\n"
                           "#SBATCH  -o  out.test.%j    # Name of stdout output file (%j expands to jobId)\n"
                           "#SBATCH  -p  gpu            # queue\n"
                           "#SBATCH  -t  01:30:00       # Run time (hh:mm:ss) - 1.5 hours\n"
                           "#SBATCH  -N 2 -n 16\n"
                           "#SBATCH  --gres=gpu:TitanXp:2\n"
                           "##SBATCH  -qos  small-fast",
                           &s, &err),
                     0);
    assert_string_equal(s.spec.name, "tf-2GPU");
    assert_string_equal(s.spec.std_out, "out.test.%j");
    assert_string_equal(s.need.partition, "gpu");
    assert_int_equal(s.spec.limit_s, 5400);
    assert_int_equal(s.need.nodes_min, 2);
    assert_int_equal(s.need.ntasks, 16);
    assert_int_equal(s.need.gres.n, 1);
    assert_string_equal(s.need.gres.v[0].name, "gpu");
    assert_string_equal(s.need.gres.v[0].type, "TitanXp");
    assert_int_equal(s.need.gres.v[0].count, 2);
}

static void options_go_where_they_belong(void **state TD_UNUSED)
{
    struct submit s;
    struct td_error err;

    assert_int_equal(apply("#SBATCH -A acc -a 0-15:4%2 -C 'a&b' -c 4 -D /tmp -d afterok:12:13 -e err -x n3 --exclusive\n"
                           "#SBATCH -G 4 --gpus-per-node=v100:2 --gpus-per-task=1 -H -i in -J name --mem=48gb -N 1-3\n"
                           "#SBATCH -n 8 --ntasks-per-node=4 --nice=50 --open-mode=append -q q -w n1,n2 --requeue\n"
                           "#SBATCH --signal=B:USR1@120 -t 1-12:30 --time-min=10 --tmp=10G --wckey=w --comment='x y'\n"
                           "#SBATCH --gres=mps:50 --cpus-per-gpu=2 --contiguous --begin=2030-01-01 --reservation=r",
                           &s, &err),
                     0);
    assert_string_equal(s.spec.account, "acc");
    assert_string_equal(s.spec.array, "0-15:4%2");
    assert_string_equal(s.need.features, "a&b");
    assert_int_equal(s.need.cpus_per_task, 4);
    assert_string_equal(s.chdir, "/tmp");
    assert_string_equal(s.spec.dependency, "afterok:12:13");
    assert_string_equal(s.spec.std_err, "err");
    assert_string_equal(s.need.exc_nodes, "n3");
    assert_true(s.need.exclusive);
    assert_int_equal(s.need.gres_job.v[0].count, 4);
    assert_int_equal(s.need.gres_task.v[0].count, 1);
    assert_int_equal(s.need.gres.n, 2); /* --gpus-per-node and --gres side by side */
    assert_true(s.spec.hold);
    assert_int_equal(s.need.mem_mb_per_node, 48 * 1024);
    assert_int_equal(s.need.nodes_min, 1);
    assert_int_equal(s.need.nodes_max, 3);
    assert_int_equal(s.need.ntasks_per_node, 4);
    assert_int_equal(s.spec.nice, 50);
    assert_true(s.spec.append);
    assert_string_equal(s.need.req_nodes, "n1,n2");
    assert_int_equal(s.spec.requeue, 1);
    assert_string_equal(s.spec.signal, "B:USR1@120");
    assert_int_equal(s.spec.limit_s, (36 * 60 + 30) * 60);
    assert_int_equal(s.spec.limit_min_s, 600);
    assert_int_equal(s.need.tmp_mb, 10 * 1024);
    assert_string_equal(s.spec.comment, "x y");
    assert_int_equal(s.need.cpus_per_gpu, 2);
    assert_true(s.need.contiguous);
    assert_true(s.spec.begin_ms > 0);
    assert_int_equal(apply("#SBATCH --mem=0 --no-requeue", &s, &err), 0);
    assert_true(s.need.mem_all);
    assert_int_equal(s.spec.requeue, 2);
}

static void scripts_that_are_none(void **state TD_UNUSED)
{
    static const struct {
        const char *text;
        int code;
        const char *says;
    } cases[] = {
        {"", TD_E_NO_SCRIPT, "Batch script is empty!"},
        {"  \n\n", TD_E_NO_SCRIPT, "Batch script contains only whitespace!"},
        {"echo hi\n", TD_E_NO_SHEBANG,
         "This does not look like a batch script.  The first\n"
         "line must start with #! followed by the path to an interpreter.\n"
         "For instance: #!/bin/sh"},
        {"# !/bin/sh\n", TD_E_NO_SHEBANG, "This does not look like a batch script."},
    };
    struct td_error err;

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        struct script s = {.text = (char *)(uintptr_t)cases[i].text, .len = strlen(cases[i].text), .name = "x"};
        err = (struct td_error){0};
        assert_true(script_check(&s, &err) < 0);
        assert_int_equal(err.code, cases[i].code);
        assert_contains(err.text, cases[i].says);
    }
    struct script missing = {0};
    assert_true(script_read("/nonexistent/job.sh", &missing, &err) < 0);
    assert_string_equal(err.text, "Unable to open file /nonexistent/job.sh");
    struct script good = {.text = (char *)(uintptr_t) "#!/bin/sh\n", .len = 10, .name = "x"};
    assert_int_equal(script_check(&good, &err), 0);
    struct script wrapped = {0};
    script_wrap("true", &wrapped);
    assert_int_equal(script_check(&wrapped, &err), 0);
    script_release(&wrapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directives_as_slurm_reads_them), cmocka_unit_test(wrong_directives_are_named),
        cmocka_unit_test(guide_headers),                  cmocka_unit_test(options_go_where_they_belong),
        cmocka_unit_test(scripts_that_are_none),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);

    td_arena_release(&arena);
    return r;
}
