/* test_layout.c - byte for byte what users of Slurm see
 *
 * The golden files were written down from Slurm 22.05 showing the same nine jobs on the same two nodes (unit/client/sample.c),
 * and from the tables of the guide; lines in which Tender differs knowingly are listed in README.md. */
#include <stdio.h>

#include "client_test.h"
#include "render/step.h"
#include "render/value.h"
#include "sample.h"

enum kind { SQUEUE, SINFO, SINFO_NODES };
static const struct layout {
    const char *golden, *format;
    enum kind kind;
    bool names, date;
    const char *sort;
} layouts[] = {
    {"squeue", SQUEUE_FORMAT, SQUEUE, false, false, SQUEUE_SORT},
    {"squeue-l", SQUEUE_FORMAT_LONG, SQUEUE, false, true, SQUEUE_SORT},
    {"squeue-start", SQUEUE_FORMAT_START, SQUEUE, false, false, "S,-p"},
    {"squeuelong", "%6i  %12j %9T %15u %8g %10P %8q %4D %20R %4C %13b %11l %11L %p", SQUEUE, false, false, SQUEUE_SORT},
    {"squeue-exporter", "%A|%a|%T|%C", SQUEUE, false, false, SQUEUE_SORT},
    {"squeue-batchspawner", "%T %B", SQUEUE, false, false, SQUEUE_SORT},
    {"squeue-O", "jobid,name,statecompact:5,username:.12,timeused", SQUEUE, true, false, SQUEUE_SORT},
    {"squeue-turm", "jobid:###,name:###,state:###,tres-per-node:###,stdout:###,WorkDir:###", SQUEUE, true, false, "i"},
    {"sinfo", SINFO_FORMAT, SINFO, false, false, "#P,-t"},
    {"sinfo-l", SINFO_FORMAT_LONG, SINFO, false, true, "#P,-t"},
    {"sinfo-s", SINFO_FORMAT_SUMMARY, SINFO, false, false, "#P,-t"},
    {"sinfo-N", SINFO_FORMAT_NODE, SINFO_NODES, false, false, "N"},
    {"sinfo-Nl", SINFO_FORMAT_NODE_LONG, SINFO_NODES, false, true, "N"},
    {"sinfolong", "%16P %14C %6t %15N %5D %15G %11l %14f ", SINFO, false, false, "#P,-t"},
    {"sinfo-script", "%20P %5D  %20C %14F %6t  %8z  %10m %10d %11l %16f %N   %G", SINFO, false, false, "#P,-t"},
    {"sinfo-O", "NodeList,AllocMem,Memory,CPUsState,StateLong", SINFO_NODES, true, false, "N"},
};

static void check(const char *name, const struct td_buf *got)
{
    char path[4096];
    struct td_buf want = {0};
    char chunk[4096];
    size_t n;

    snprintf(path, sizeof(path), "%s/%s.golden", GOLDEN_DIR, name);
    FILE *f = fopen(path, "re");
    if (!f)
        fail_msg("no %s", path);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        td_buf_put(&want, chunk, n);
    fclose(f);
    if (strcmp(td_buf_str(&want), td_buf_str(got)) != 0)
        fail_msg("%s differs.\n--- golden\n%s--- got\n%s", name, td_buf_str(&want), td_buf_str(got));
    td_buf_release(&want);
}

static void sorted(const struct field_table *t, const char *keys, const void **rows, uint32_t n)
{
    struct sort s = {0};
    struct td_error err = {0};

    assert_int_equal(sort_parse(&s, t, keys, &err), 0);
    sort_rows(&s, rows, n);
}

static void render_nodes(const struct layout *l, struct td_buf *out)
{
    struct td_arena arena = {0};
    struct format f = {.arena = &arena};
    struct node_groups g = {0};
    struct node_filter all = {0};

    if (l->names)
        format_parse_names(&f, &node_fields, l->format);
    else
        format_parse(&f, &node_fields, l->format);
    node_group(&sample_partitions, sample_nodes, 2, &all, &f, false, l->kind == SINFO_NODES, &g);
    const void **rows = (const void **)(void *)g.rows.v;
    sorted(&node_fields, l->sort, rows, g.rows.n);
    sample_render(&node_fields, l->format, l->names, rows, g.rows.n, out);
    node_groups_release(&g);
    format_release(&f);
    td_arena_release(&arena);
}

static void tables(void **state TD_UNUSED)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(layouts); i++) {
        const struct layout *l = &layouts[i];
        struct job_row rows[SAMPLE_JOBS];
        const void *refs[SAMPLE_JOBS];
        struct td_buf out = {0};
        if (l->date)
            put_date_line(&out, SAMPLE_NOW_MS);
        if (l->kind == SQUEUE) {
            sample_rows(rows, refs);
            sorted(&job_fields, l->sort, refs, SAMPLE_JOBS);
            sample_render(&job_fields, l->format, l->names, refs, SAMPLE_JOBS, &out);
        } else {
            render_nodes(l, &out);
        }
        check(l->golden, &out);
        td_buf_release(&out);
    }
}

static void blocks(void **state TD_UNUSED)
{
    static const struct {
        const char *golden;
        uint32_t job;
        bool detail, oneliner;
    } jobs[] = {
        {"scontrol-job-1-d", 1, true, false},
        {"scontrol-job-5", 5, false, false},
        {"scontrol-job-8", 8, false, false},
        {"scontrol-job-9", 9, false, false},
        {"scontrol-job-1-o", 1, false, true},
    };
    struct td_buf out = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(jobs); i++) {
        struct job_row row = {.job = sample_job(jobs[i].job), .now_ms = SAMPLE_NOW_MS};
        td_buf_reset(&out);
        job_text(&out, &row, jobs[i].detail, jobs[i].oneliner);
        check(jobs[i].golden, &out);
    }
    td_buf_reset(&out);
    node_text(&out, &sample_nodes[0], true, false);
    check("scontrol-node", &out);
    td_buf_reset(&out);
    for (uint32_t i = 0; i < sample_partitions.n; i++)
        partition_text(&out, &sample_partitions.v[i], sample_nodes, 2, false);
    check("scontrol-partition", &out);
    td_buf_release(&out);
}

/* As they stood in Slurm's listing: 1.batch started at 12:12:41, five seconds before it. */
static void steps(void **state TD_UNUSED)
{
    const int64_t start = 1795695161000;
    const struct td_step_info all[] = {
        {.job = 1, .step = TD_STEP_BATCH, .name = "batch", .ntasks = 1},
        {.job = 1, .step = 0, .name = "sleep", .ntasks = 2, .cpus = 4},
        {.job = 1, .step = 3, .name = "sleep", .ntasks = 4, .cpus = 4, .start_ms = start + 4000},
        {.job = 1, .step = 1, .name = "named", .ntasks = 1, .cpus = 4, .limit_s = 300},
        {.job = 2, .step = TD_STEP_BATCH, .name = "batch", .ntasks = 1, .array_job = 2, .array_task = 2},
        {.job = 4, .step = TD_STEP_BATCH, .name = "batch", .ntasks = 1, .array_job = 2, .array_task = 1},
    };
    struct td_step_info full[TD_ARRAY_LEN(all)];
    struct step_row rows[TD_ARRAY_LEN(all)];
    const void *refs[TD_ARRAY_LEN(all)];
    struct td_buf out = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(all); i++) {
        full[i] = all[i];
        full[i].partition = "normal";
        full[i].user = "root";
        full[i].nodelist = "vm";
        full[i].nodes = 1;
        full[i].start_ms = all[i].start_ms ? all[i].start_ms : start;
        full[i].limit_s = all[i].limit_s ? all[i].limit_s : TD_INFINITE;
        rows[i] = (struct step_row){.step = &full[i], .now_ms = start + 5000};
        refs[i] = &rows[i];
    }
    sorted(&step_fields, "i", refs, TD_ARRAY_LEN(all));
    sample_render(&step_fields, SQUEUE_FORMAT_STEPS, false, refs, TD_ARRAY_LEN(all), &out);
    check("squeue-steps", &out);
    td_buf_reset(&out);
    for (size_t i = 0; i < 3; i++)
        step_text(&out, &full[i], false);
    check("scontrol-steps", &out);
    td_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables),
        cmocka_unit_test(blocks),
        cmocka_unit_test(steps),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
