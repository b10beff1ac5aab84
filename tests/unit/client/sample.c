/* sample.c - see sample.h */
#include "sample.h"

#define S(seconds_from_now) (SAMPLE_NOW_MS + (int64_t)(seconds_from_now) * 1000)

static const struct td_gres_need two_gpus = {.name = "gpu", .count = 2};
static const struct td_gres_held two_held = {
    .name = "gpu", .type = "TitanXp", .count = 2, .devices = {.v = (const uint8_t[]){0x03}, .n = 1}};
static const struct td_job_need gpu_need = {.partition = "gpu", .gres = {.v = &two_gpus, .n = 1}};
static const struct td_job_need plain_need = {.partition = "gpu"};
static const struct td_job_need big_need = {
    .partition = "gpu", .ntasks = 3, .cpus_per_task = 2, .mem_mb_per_node = 2048, .features = "TitanXp"};
static const struct td_placement held_on_node1 = {
    .node = "node1", .tasks = 1, .cpus = {.v = (const uint8_t[]){0x03}, .n = 1}, .gres = {.v = &two_held, .n = 1}};

#define SPEC(jobname, theneed, ...)                                                                               \
    {                                                                                                             \
        .name = (jobname), .needs = {.v = &(theneed), .n = 1}, .user_name = "root", .group_name = "root",          \
        .work_dir = "/tmp/gold", .submit_host = "localhost", __VA_ARGS__                                           \
    }
#define RUNNING(id, where, rank)                                                                                   \
    {                                                                                                              \
        .job = (id), .array_task = 0, .state = TD_JOB_RUNNING, .partition = "gpu", .submit_ms = S(-3),              \
        .eligible_ms = S(-3), .start_ms = S(-2), .end_ms = S(5398), .limit_s = 5400, .priority = (rank), .attempt = 1, \
        .nodelist = (where), .batch_host = (where), .nodes = 1, .cpus = 2, .tasks = 1, .requeue = true,             \
        .placements = {.v = &held_on_node1, .n = 1}, .gres = {.v = &two_held, .n = 1},                              \
        .spec = SPEC("tf-2gpu", gpu_need, .command = "/tmp/gold/j2.sh", .std_out = "/tmp/gold/o.%j")                \
    }
#define WAITING(id, why, rank)                                                                                     \
    {                                                                                                              \
        .job = (id), .state = TD_JOB_PENDING, .reason = (why), .partition = "gpu", .submit_ms = S(-3),              \
        .eligible_ms = S(-3), .limit_s = 5400, .priority = (rank), .nodes = 1, .cpus = 1, .tasks = 1, .requeue = true, \
        .spec = SPEC("tf-2gpu", gpu_need, .command = "/tmp/gold/j2.sh", .std_out = "/tmp/gold/o.%j")                \
    }

const struct td_job_info sample_jobs[SAMPLE_JOBS] = {
    RUNNING(1, "node1", 4294901759),
    RUNNING(2, "node1", 4294901758),
    RUNNING(3, "node2", 4294901757),
    RUNNING(4, "node2", 4294901756),
    WAITING(5, TD_REASON_RESOURCES, 4294901755),
    WAITING(6, TD_REASON_PRIORITY, 4294901754),
    WAITING(7, TD_REASON_PRIORITY, 4294901753),
    {
        .job = 8, .array_job = 8, .array_task = TD_NO_TASK, .array_tasks = "0-9%2", .array_limit = 2,
        .state = TD_JOB_PENDING, .reason = TD_REASON_HELD_USER, .partition = "gpu", .submit_ms = S(-3),
        .limit_s = 86400, .nodes = 1, .cpus = 1, .tasks = 1, .requeue = true, .held = true,
        .spec = SPEC("wrap", plain_need, .std_out = "/dev/null", .array = "0-9%2"),
    },
    {
        .job = 9, .state = TD_JOB_PENDING, .reason = TD_REASON_DEPENDENCY, .partition = "gpu", .submit_ms = S(-3),
        .eligible_ms = S(3597), .start_ms = S(3597), .start_is_prediction = true, .end_ms = S(3597 + 86400),
        .limit_s = 86400, .priority = 4294901652, .nodes = 1, .cpus = 6, .tasks = 3, .mem_mb = 2048, .requeue = true,
        .spec = SPEC("averyveryverylongname", big_need, .std_out = "/dev/null", .comment = "hello", .nice = 100,
                     .dependency = "afterany:4(unfulfilled)"),
    },
};

const struct td_job_info *sample_job(uint32_t id)
{
    return &sample_jobs[id - 1];
}

void sample_rows(struct job_row rows[SAMPLE_JOBS], const void *refs[SAMPLE_JOBS])
{
    struct sort by = {0};
    struct td_error err = {0};

    for (int i = 0; i < SAMPLE_JOBS; i++) {
        rows[i] = (struct job_row){.job = &sample_jobs[i], .now_ms = SAMPLE_NOW_MS};
        refs[i] = &rows[i];
    }
    sort_parse(&by, &job_fields, SQUEUE_SORT, &err);
    sort_rows(&by, refs, SAMPLE_JOBS);
}

#define NODE(which, alloc, ...)                                                                                  \
    {                                                                                                              \
        .name = (which), .state = TD_NODE_UP, .cpus = 40, .cpus_alloc = (alloc), .sockets = 2, .cores = 10,         \
        .threads = 2, .memory_mb = 102400, .features = "TitanXp,DellT640", .gres = "gpu:TitanXp:4",                 \
        .gres_used = "gpu:TitanXp:4(IDX:0-3)", .partitions = __VA_ARGS__, .weight = 1, .hostname = "vm",                  \
        .address = "127.0.0.1", .arch = "x86_64", .version = "22.05.8", .boot_ms = S(-2110), .started_ms = S(-50)   \
    }
const struct td_node_info sample_nodes[2] = {
    NODE("node1", 4, {.v = ((const char *const[]){"gpu", "debug"}), .n = 2}),
    NODE("node2", 4, {.v = ((const char *const[]){"gpu"}), .n = 1}),
};

static const struct td_partition_info partitions[] = {
    {.conf = {.name = "gpu", .nodes = "node[1-2]", .is_default = true, .max_s = 86400, .state = "UP", .priority_tier = 1,
              .priority_factor = 1},
     .nodes = "node[1-2]", .nodes_total = 2, .cpus_total = 80},
    {.conf = {.name = "debug", .nodes = "node1", .max_s = TD_INFINITE, .state = "UP", .priority_tier = 1,
              .priority_factor = 1},
     .nodes = "node1", .nodes_total = 1, .cpus_total = 40},
};
const struct td_partition_info_list sample_partitions = {.v = partitions, .n = 2};

void sample_render(const struct field_table *t, const char *format, bool names, const void *const *rows, uint32_t n,
                   struct td_buf *out)
{
    struct td_arena arena = {0};
    struct format f = {.arena = &arena};

    if (names)
        format_parse_names(&f, t, format);
    else
        format_parse(&f, t, format);
    format_fit(&f, rows, n);
    format_heading(&f, out);
    for (uint32_t i = 0; i < n; i++)
        format_row(&f, rows[i], out);
    format_release(&f);
    td_arena_release(&arena);
}
