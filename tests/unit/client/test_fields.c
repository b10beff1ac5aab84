/* test_fields.c - the field tables: every field prints, every letter of squeue and sinfo is there, formats and order */
#include "client_test.h"
#include "fill.h"
#include "sample.h"

static void every_field_prints(const struct field_table *t, const void *row)
{
    struct td_buf out = {0};

    for (const struct field *f = t->fields; f->print; f++) {
        td_buf_reset(&out);
        f->print(&out, row);
        assert_true(out.len < 4096);
        assert_non_null(f->title);
        assert_true(f->letter || f->name || f->key);
        if (f->json == JSON_NUMBER) { /* a number field prints a number, or an absence that becomes null */
            int64_t n;
            assert_true(td_parse_i64(td_buf_str(&out), &n) || strcmp(td_buf_str(&out), "N/A") == 0 ||
                        strchr(td_buf_str(&out), '+') != NULL);
        }
        for (const struct field *g = f + 1; g->print; g++) {
            if (f->letter && f->letter == g->letter)
                fail_msg("%%%c twice", f->letter);
            if (f->name && g->name && td_str_casecmp(f->name, g->name) == 0)
                fail_msg("%s twice", f->name);
            if (f->key && g->key && strcmp(f->key, g->key) == 0)
                fail_msg("key %s twice", f->key);
        }
    }
    td_buf_release(&out);
}

static void every_field_of_a_job_prints(void **state TD_UNUSED)
{
    static const struct td_job_info nothing;

    for (int i = 0; i < SAMPLE_JOBS; i++)
        every_field_prints(&job_fields, &(struct job_row){.job = &sample_jobs[i], .now_ms = SAMPLE_NOW_MS});
    every_field_prints(&job_fields, &(struct job_row){.job = &nothing});
}

static void every_field_of_a_node_prints(void **state TD_UNUSED)
{
    struct node_group g = {.part = &sample_partitions.v[0]};

    every_field_prints(&node_fields, &g); /* a partition without nodes */
    td_vec_push(&g.nodes, &sample_nodes[0]);
    td_vec_push(&g.nodes, &sample_nodes[1]);
    every_field_prints(&node_fields, &g);
    td_vec_release(&g.nodes);
}

/* Rows that differ in everything: of each state, alone and of an array, waiting and placed. */
#define ROWS (2 * TD_JOB_STATE_COUNT)
static void make_full_rows(struct td_arena *a, struct td_job_info *rows)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        fill_record(a, &td_rec_job_info, &rows[i], i);
        rows[i].state = i % TD_JOB_STATE_COUNT;
        rows[i].outcome = rows[i].state == TD_JOB_DONE ? 1 + i % 3 : 0;
        rows[i].reason = i % 8;
        rows[i].array_job = i % 2 ? rows[i].job : 0;
        rows[i].array_task = i % 4 == 1 ? TD_NO_TASK : i;
        rows[i].start_is_prediction = i % 3 == 0;
    }
}

static void a_field_looks_at_what_its_paths_name(void **state TD_UNUSED)
{
    static const struct td_u32s none;
    struct td_arena a = {0};
    struct td_job_info full[ROWS], bare[ROWS];
    struct td_buf x = {0}, y = {0};

    make_full_rows(&a, full);
    for (const struct field *f = job_fields.fields; f->print; f++) {
        struct td_u32s paths = {.v = f->paths};
        while (f->paths && f->paths[paths.n])
            paths.n++;
        if (!f->paths || !paths.n)
            continue; /* asks for everything; looks at nothing, which the next test shows */
        const struct td_pick *pick = td_pick_make(&a, &td_rec_job_info, TD_SEE_OWNER, &paths, &none);
        for (uint32_t i = 0; i < ROWS; i++) {
            td_pick_copy(&a, pick, &full[i], &bare[i]);
            td_buf_reset(&x);
            td_buf_reset(&y);
            f->print(&x, &(struct job_row){.job = &full[i], .now_ms = SAMPLE_NOW_MS});
            f->print(&y, &(struct job_row){.job = &bare[i], .now_ms = SAMPLE_NOW_MS});
            if (strcmp(td_buf_str(&x), td_buf_str(&y)) != 0)
                fail_msg("%s is '%s', but '%s' from its paths alone", f->title, td_buf_str(&x), td_buf_str(&y));
        }
        for (uint32_t i = 1; i < ROWS && f->compare; i++)
            if (f->compare(&(struct job_row){.job = &full[i], .now_ms = SAMPLE_NOW_MS}, &(struct job_row){.job = &full[i - 1], .now_ms = SAMPLE_NOW_MS}) !=
                f->compare(&(struct job_row){.job = &bare[i], .now_ms = SAMPLE_NOW_MS}, &(struct job_row){.job = &bare[i - 1], .now_ms = SAMPLE_NOW_MS}))
                fail_msg("%s is in another order from its paths alone", f->title);
    }
    td_buf_release(&x);
    td_buf_release(&y);
    td_arena_release(&a);
}

static void a_start_says_what_it_is(void **state TD_UNUSED)
{
    static const struct {
        struct td_job_info job;
        const char *kind;
        bool line; /* in scontrol show job */
    } rows[] = {
        {{.state = TD_JOB_PENDING, .start_ms = 9000, .start_is_prediction = true}, "Plan", false},
        {{.state = TD_JOB_PENDING, .start_ms = 9000, .by_ms = 9000}, "Promise", true},
        {{.state = TD_JOB_PENDING, .start_ms = 8000, .by_ms = 9000, .likely_ms = 7000}, "Plan", true},
        {{.state = TD_JOB_PENDING, .start_ms = 7000, .likely_ms = 7000}, "Likely", true},
        {{.state = TD_JOB_PENDING, .start_ms = 9000, .start_is_bound = true}, "Bound", true},
        {{.state = TD_JOB_PENDING}, "N/A", false},
        {{.state = TD_JOB_RUNNING, .start_ms = 9000, .by_ms = 9000, .likely_ms = 7000}, "N/A", false},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        struct td_buf out = {0};
        assert_string_equal(job_start_kind(&rows[i].job), rows[i].kind);
        job_text(&out, &(struct job_row){.job = &rows[i].job}, false, false);
        assert_int_equal(strstr(td_buf_str(&out), "LikelyStart=") != NULL, rows[i].line);
        td_buf_release(&out);
    }
}

static void a_field_without_paths_looks_at_nothing(void **state TD_UNUSED)
{
    static const struct td_job_info nothing;
    struct td_arena a = {0};
    struct td_job_info full[ROWS];
    struct td_buf x = {0}, y = {0};
    uint32_t seen = 0;

    make_full_rows(&a, full);
    for (const struct field *f = job_fields.fields; f->print; f++) {
        if (!f->paths || f->paths[0])
            continue;
        td_buf_reset(&x);
        td_buf_reset(&y);
        f->print(&x, &(struct job_row){.job = &full[1]});
        f->print(&y, &(struct job_row){.job = &nothing});
        assert_string_equal(td_buf_str(&x), td_buf_str(&y));
        seen++;
    }
    assert_true(seen > 10);
    td_buf_release(&x);
    td_buf_release(&y);
    td_arena_release(&a);
}

static void what_the_default_listing_asks_for(void **state TD_UNUSED)
{
    struct td_arena a = {0};
    struct format f = {.arena = &a}, all = {.arena = &a};
    struct sort by = {0};
    struct td_error err = {0};
    struct td_u32s paths;

    format_parse(&f, &job_fields, SQUEUE_FORMAT);
    assert_int_equal(sort_parse(&by, &job_fields, SQUEUE_SORT, &err), 0);
    assert_true(fields_paths(&f, &by, &a, &paths));
    assert_true(paths.n > 10 && paths.n < 25);
    format_parse(&all, &job_fields, "%i %o"); /* a command's words are not named: everything comes */
    assert_false(fields_paths(&all, &by, &a, &paths));
    format_release(&f);
    format_release(&all);
    td_arena_release(&a);
}

static void every_letter_of_slurm_is_there(void **state TD_UNUSED)
{
    static const char squeue[] = "aAbBcCdDeEfFgGhHiIjJkKlLmMnNoOpPqQrRsStTuUvVwWxXyYzZ";
    static const char sinfo[] = "aAbBcCdDeEfFgGhHIlLmMnNoOpPrRsStTuUvVwXYzZ";

    for (const char *c = squeue; *c; c++)
        if (!field_by_letter(&job_fields, *c))
            fail_msg("squeue %%%c is missing", *c);
    for (const char *c = sinfo; *c; c++)
        if (!field_by_letter(&node_fields, *c))
            fail_msg("sinfo %%%c is missing", *c);
}

static void names_that_other_programs_ask_for(void **state TD_UNUSED)
{
    static const char *const jobs[] = {"jobid", "name", "state", "username", "timeused", "StartTime", "tres-alloc", "partition",
                                       "nodelist", "stdout", "stderr", "command", "statecompact", "reason", "ArrayJobID",
                                       "ArrayTaskID", "WorkDir", "JobArrayID", "numcpus", "qos", "account"};
    static const char *const nodes[] = {"NodeList", "AllocMem", "Memory", "CPUsState", "StateLong", "Gres", "GresUsed"};

    for (size_t i = 0; i < TD_ARRAY_LEN(jobs); i++)
        assert_non_null(field_by_name(&job_fields, jobs[i]));
    for (size_t i = 0; i < TD_ARRAY_LEN(nodes); i++)
        assert_non_null(field_by_name(&node_fields, nodes[i]));
}

static void render_one(const char *format, bool names, const char *heading, const char *row)
{
    struct job_row r = {.job = sample_job(1), .now_ms = SAMPLE_NOW_MS};
    const void *refs[] = {&r};
    struct td_buf out = {0}, want = {0};

    td_buf_putf(&want, "%s\n%s\n", heading, row);
    sample_render(&job_fields, format, names, refs, 1, &out);
    assert_string_equal(td_buf_str(&out), td_buf_str(&want));
    td_buf_release(&out);
    td_buf_release(&want);
}

static void formats(void **state TD_UNUSED)
{
    render_one("%i %j", false, "JOBID NAME", "1 tf-2gpu");
    render_one("%.3i|%3j|%.10j|%i%j x", false, "JOB|NAM|      NAME|JOBIDNAME x", "  1|tf-|   tf-2gpu|1tf-2gpu x");
    render_one("%A|%a|%T|%C", false, "JOBID|ACCOUNT|STATE|CPUS", "1|(null)|RUNNING|2");
    render_one(" %A,%T,%r", false, " JOBID,STATE,REASON", " 1,RUNNING,None");
    render_one("100%% %i", false, "100% JOBID", "100% 1");
    render_one("%0 %i", false, "%0 JOBID", "%0 1"); /* unknown: as it is, and named (below) */
    render_one("jobid,name", true, "JOBID               NAME                ", "1                   tf-2gpu             ");
    render_one("jobid:###t###,name:|", true, "JOBID###t###NAME|", "1###t###tf-2gpu|");
    render_one("statecompact:5,username:.12,timeused:4", true, "ST           USERTIME", "R            root0:02");
    render_one("name:4", true, "NAME", "tf-2");
    render_one("%3a|%5a|%6a|", false, "ACC|ACCOU|ACCOUN|", "   |     |(null)|"); /* an absence is whole or not at all */
}

static void unknown_letters_are_named(void **state TD_UNUSED)
{
    struct td_arena arena = {0};
    struct format f = {.arena = &arena};

    format_parse(&f, &job_fields, "%.5i %9 %0 %");
    assert_int_equal(f.unknown.n, 3);
    assert_string_equal(f.unknown.v[1], "%0");
    format_release(&f);
    format_parse_names(&f, &job_fields, "jobid,foo:12");
    assert_int_equal(f.unknown.n, 1);
    assert_string_equal(f.unknown.v[0], "foo");
    format_release(&f);
    td_arena_release(&arena);
}

static void wide_letters_keep_the_columns(void **state TD_UNUSED)
{
    struct td_job_info j = *sample_job(1);
    struct job_row r = {.job = &j, .now_ms = SAMPLE_NOW_MS};
    const void *refs[] = {&r};
    struct td_buf out = {0};

    j.spec.name = "학습작업"; /* four letters, eight columns */
    assert_int_equal(text_width(j.spec.name), 8);
    sample_render(&job_fields, "%.10j|%5j|%8j|", false, refs, 1, &out);
    assert_contains(td_buf_str(&out), "\n  학습작업|학습 |학습작업|\n");
    td_buf_reset(&out);
    j.spec.name = "caf\xc3"; /* cut short: no letter, one column */
    assert_int_equal(text_width(j.spec.name), 4);
    td_buf_release(&out);
}

static void a_star_is_not_cut(void **state TD_UNUSED)
{
    struct td_partition_info part = {.conf = {.name = "compute", .is_default = true}};
    struct node_group g = {.part = &part};
    const void *refs[] = {&g};
    struct td_buf out = {0};

    sample_render(&node_fields, "%3P|%.4P|%9P|%3R|", false, refs, 1, &out);
    assert_contains(td_buf_str(&out), "\nco*|com*|compute* |com|\n");
    td_buf_reset(&out);
    part.conf.is_default = false;
    sample_render(&node_fields, "%3P|", false, refs, 1, &out);
    assert_contains(td_buf_str(&out), "\ncom|\n");
    td_buf_release(&out);
}

static void ids_of_arrays(void **state TD_UNUSED)
{
    struct td_job_info j = {.job = 12, .array_job = 8, .array_task = 4};
    struct td_buf out = {0};

    job_put_id(&out, &j);
    assert_string_equal(td_buf_str(&out), "8_4");
    td_buf_reset(&out);
    job_put_id(&out, sample_job(8));
    assert_string_equal(td_buf_str(&out), "8_[0-9%2]");
    td_buf_reset(&out);
    j.array_task = TD_NO_TASK;
    j.array_tasks = "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45,47";
    job_put_id(&out, &j);
    assert_string_equal(td_buf_str(&out), "8_[1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,45,...]");
    td_buf_reset(&out);
    setenv("SLURM_BITSTR_LEN", "0", 1);
    job_put_id(&out, &j);
    assert_null(strstr(td_buf_str(&out), "..."));
    unsetenv("SLURM_BITSTR_LEN");
    td_buf_release(&out);
}

static void file_names(void **state TD_UNUSED)
{
    struct td_job_info j = *sample_job(1);
    struct td_buf out = {0};
    static const struct {
        const char *pattern, *file;
    } cases[] = {
        {NULL, "/tmp/gold/slurm-1.out"},       {"out.%j", "/tmp/gold/out.1"},      {"/x/%x-%u.%5j", "/x/tf-2gpu-root.00001"},
        {"%A_%a", "/tmp/gold/1_4294967294"},   {"100%%", "/tmp/gold/100%"},        {"%N.%n.%t.%s", "/tmp/gold/node1.0.0.batch"},
        {"%q%", "/tmp/gold/%q%"},              {"%b", "/tmp/gold/4"},             {"e.\\%j", "/tmp/gold/e.%j"},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        j.spec.std_out = cases[i].pattern;
        td_buf_reset(&out);
        job_put_file(&out, &j, JOB_STDOUT, true);
        assert_string_equal(td_buf_str(&out), cases[i].file);
    }
    td_buf_reset(&out);
    job_put_file(&out, &j, JOB_STDIN, true);
    assert_string_equal(td_buf_str(&out), "/dev/null");
    td_buf_reset(&out);
    j.array_job = 7;
    j.array_task = 3;
    j.spec.std_out = NULL;
    job_put_file(&out, &j, JOB_STDERR, true); /* follows the output */
    assert_string_equal(td_buf_str(&out), "/tmp/gold/slurm-7_3.out");
    td_buf_release(&out);
}

/* squeue shows a pattern as it was typed, and puts in what stands for none; as Slurm 22.05. */
static void files_as_squeue_shows_them(void **state TD_UNUSED)
{
    struct td_job_info j = *sample_job(1);
    struct td_buf out = {0};
    static const struct {
        uint32_t array, task;
        const char *pattern, *typed, *expanded;
    } cases[] = {
        {0, 0, "o.%j", "/tmp/gold/o.%j", "/tmp/gold/o.1"},
        {0, 0, "/x/o.%5j", "/x/o.%5j", "/x/o.00001"},
        {0, 0, NULL, "/tmp/gold/slurm-1.out", "/tmp/gold/slurm-1.out"},
        {7, 3, NULL, "/tmp/gold/slurm-7_3.out", "/tmp/gold/slurm-7_3.out"},
        {7, TD_NO_TASK, NULL, "/tmp/gold/slurm-7_%a.out", "/tmp/gold/slurm-7_%a.out"},
        {7, TD_NO_TASK, "%x.%A.%a.%j.%b", "/tmp/gold/%x.%A.%a.%j.%b", "/tmp/gold/tf-2gpu.7.%a.%j.%b"},
    };

    for (size_t i = 0; i < TD_ARRAY_LEN(cases); i++) {
        j.array_job = cases[i].array;
        j.array_task = cases[i].task;
        j.spec.std_out = cases[i].pattern;
        td_buf_reset(&out);
        job_put_file(&out, &j, JOB_STDOUT, false);
        assert_string_equal(td_buf_str(&out), cases[i].typed);
        td_buf_reset(&out);
        job_put_file(&out, &j, JOB_STDOUT, true);
        assert_string_equal(td_buf_str(&out), cases[i].expanded);
    }
    j.batch_host = NULL; /* where it will run is not known */
    j.spec.std_out = "%N";
    td_buf_reset(&out);
    job_put_file(&out, &j, JOB_STDOUT, true);
    assert_string_equal(td_buf_str(&out), "/tmp/gold/%N");
    j.spec.work_dir = j.spec.std_out = NULL; /* somebody else's job */
    td_buf_reset(&out);
    job_put_file(&out, &j, JOB_STDOUT, true);
    assert_string_equal(td_buf_str(&out), "(null)");
    td_buf_release(&out);
}

static void order(void **state TD_UNUSED)
{
    struct job_row rows[SAMPLE_JOBS];
    const void *refs[SAMPLE_JOBS];
    static const uint32_t want[] = {5, 6, 7, 9, 8, 1, 2, 3, 4};
    struct sort s = {0};
    struct td_error err = {0};

    sample_rows(rows, refs);
    for (int i = 0; i < SAMPLE_JOBS; i++)
        assert_int_equal(((const struct job_row *)refs[i])->job->job, want[i]);
    assert_int_equal(sort_parse(&s, &job_fields, "-i", &err), 0);
    sort_rows(&s, refs, SAMPLE_JOBS);
    assert_int_equal(((const struct job_row *)refs[0])->job->job, 9);
    assert_true(sort_parse(&s, &job_fields, "P,foo", &err) < 0);
    assert_string_equal(err.text, "Invalid sort specification: foo");
}

/* PD, R and CF, CG: by the life of a job, not by the letters. */
static void who_is_about_to_run_stands_with_who_runs(void **state TD_UNUSED)
{
    static const uint32_t states[] = {TD_JOB_ENDING, TD_JOB_AWARDED, TD_JOB_RUNNING, TD_JOB_PENDING}, want[] = {4, 2, 3, 1};
    struct td_job_info jobs[TD_ARRAY_LEN(states)];
    struct job_row rows[TD_ARRAY_LEN(states)];
    const void *refs[TD_ARRAY_LEN(states)];
    struct sort s = {0};
    struct td_error err = {0};

    for (uint32_t i = 0; i < TD_ARRAY_LEN(states); i++) {
        jobs[i] = (struct td_job_info){.job = i + 1, .state = states[i], .partition = "p"};
        rows[i] = (struct job_row){.job = &jobs[i]};
        refs[i] = &rows[i];
    }
    assert_int_equal(sort_parse(&s, &job_fields, SQUEUE_SORT, &err), 0);
    sort_then(&s, &job_fields, 'i');
    sort_rows(&s, refs, TD_ARRAY_LEN(states));
    for (uint32_t i = 0; i < TD_ARRAY_LEN(states); i++)
        assert_int_equal(((const struct job_row *)refs[i])->job->job, want[i]);
}

static void json_is_json(void **state TD_UNUSED)
{
    struct job_row r = {.job = sample_job(9), .now_ms = SAMPLE_NOW_MS};
    const void *refs[] = {&r};
    struct td_buf out = {0};

    fields_json(&job_fields, refs, 1, &out);
    assert_contains(td_buf_str(&out), "\"job_id\": 9,");
    assert_contains(td_buf_str(&out), "\"name\": \"averyveryverylongname\"");
    assert_contains(td_buf_str(&out), "\"account\": null");
    assert_contains(td_buf_str(&out), "\"requeue\": true");
    td_buf_reset(&out);
    struct td_job_info j = *sample_job(1);
    j.limit_s = 90;
    r.job = &j;
    fields_json(&job_fields, refs, 1, &out);
    assert_contains(td_buf_str(&out), "\"array_job_id\": 0,");
    assert_contains(td_buf_str(&out), "\"time_limit\": 2,");
    assert_contains(td_buf_str(&out), "\"start_time\": 17");
    assert_null(strstr(td_buf_str(&out), "T22:"));
    j.limit_s = TD_INFINITE;
    td_buf_reset(&out);
    fields_json(&job_fields, refs, 1, &out);
    assert_contains(td_buf_str(&out), "\"time_limit\": null");
    td_buf_release(&out);
}

static void time_formats(void **state TD_UNUSED)
{
    struct job_row r = {.job = sample_job(1), .now_ms = SAMPLE_NOW_MS};
    const void *refs[] = {&r};
    struct td_buf out = {0};

    setenv("SLURM_TIME_FORMAT", "%a %T", 1);
    sample_render(&job_fields, "%S", false, refs, 1, &out);
    assert_string_equal(td_buf_str(&out), "START_TIME\nSun 22:41:53\n");
    unsetenv("SLURM_TIME_FORMAT");
    td_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_a_job_prints),
        cmocka_unit_test(every_field_of_a_node_prints),
        cmocka_unit_test(a_field_looks_at_what_its_paths_name),
        cmocka_unit_test(a_field_without_paths_looks_at_nothing),
        cmocka_unit_test(a_start_says_what_it_is),
        cmocka_unit_test(what_the_default_listing_asks_for),
        cmocka_unit_test(every_letter_of_slurm_is_there),
        cmocka_unit_test(names_that_other_programs_ask_for),
        cmocka_unit_test(formats),
        cmocka_unit_test(unknown_letters_are_named),
        cmocka_unit_test(wide_letters_keep_the_columns),
        cmocka_unit_test(a_star_is_not_cut),
        cmocka_unit_test(ids_of_arrays),
        cmocka_unit_test(file_names),
        cmocka_unit_test(files_as_squeue_shows_them),
        cmocka_unit_test(order),
        cmocka_unit_test(who_is_about_to_run_stands_with_who_runs),
        cmocka_unit_test(json_is_json),
        cmocka_unit_test(time_formats),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
