/* bench_core.c - memory of waiting jobs and speed of the core alone: submissions, snapshot, cancel
 *
 * bench-core [JOBS] [TASKS]   prints a table; bytes are the heap's own count (mallinfo2), not an estimate */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/core/core.h"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t heap(void)
{
    struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static void conf_give(struct td_core *c, int64_t now)
{
    struct td_ev_epoch_began began = {.epoch = 1, .version = "bench", .host = "bench"};
    struct td_node_conf node = {.names = "n[1-16]", .cpus = 64, .memory_mb = 256000};
    struct td_partition_conf part = {.name = "normal", .nodes = "ALL", .is_default = true, .max_s = TD_INFINITE, .state = "UP", .priority_tier = 1};
    struct td_ev_conf_loaded conf = {
        .settings = {.cluster = "bench", .node_timeout_s = 300, .min_job_age_s = 300, .kill_wait_s = 30, .requeue = true, .first_job = 1, .depth = 1,
                     .core_is_unit = true, .backfill = "easy"},
        .nodes = {&node, 1},
        .partitions = {&part, 1},
    };

    td_core_wake(c, now);
    td_core_input(c, &(struct td_input){.kind = TD_IN_START, .id = TD_EV_EPOCH_BEGAN, .body = &began});
    td_core_input(c, &(struct td_input){.kind = TD_IN_CONF, .id = TD_EV_CONF_LOADED, .body = &conf});
    td_core_finish(c);
}

static void submit(struct td_core *c, uint32_t i, const char *array)
{
    static const uint8_t hash[32] = {1, 2, 3};
    struct td_rlimit limits[16];
    struct td_job_need need = {.ntasks = 1, .cpus_per_task = 1 + i % 4};
    struct td_submit m = {.spec = {.name = "train-resnet50", .needs = {&need, 1}, .limit_s = 600 + i % 50 * 60, .array = array,
                                   .work_dir = "/home/user/projects/resnet50/experiments", .command = "/home/user/projects/resnet50/train.sh",
                                   .submit_host = "login1", .user_name = "user", .group_name = "users", .umask = 022,
                                   .script_hash = {hash, 32}, .env_hash = {hash, 32}, .rlimits = {limits, 16}}};
    char key[33];

    for (uint32_t k = 0; k < 16; k++)
        limits[k] = (struct td_rlimit){k, UINT64_MAX, UINT64_MAX};
    snprintf(key, sizeof(key), "%032x", i);
    m.client_key = key;
    td_core_input(c, &(struct td_input){.kind = TD_IN_REQUEST, .peer = 1, .request = i + 1, .uid = 1000, .gid = 100, .id = TD_MSG_SUBMIT, .body = &m});
}

static bool submitted(const struct td_core *c)
{
    uint32_t n;
    const struct td_effect *e = td_core_effects(c, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (e[i].kind == TD_DO_REPLY && e[i].id == TD_MSG_ERROR) {
            fprintf(stderr, "bench-core: refused: %s\n", ((const struct td_error_reply *)e[i].body)->text);
            return false;
        }
    }
    return true;
}

static int jobs_row(uint32_t jobs)
{
    struct td_core *c = td_core_new(1);
    int64_t now = 1800000000000;
    conf_give(c, now);
    size_t before = heap();
    double start = now_ms();

    for (uint32_t i = 0; i < jobs;) {
        td_core_wake(c, ++now);
        for (uint32_t k = 0; k < 100 && i < jobs; k++)
            submit(c, i++, NULL);
        td_core_finish(c);
        if (!submitted(c))
            return 1;
    }
    double took = now_ms() - start;
    td_core_wake(c, ++now);
    td_core_finish(c);
    printf("%u separate pending jobs: %.0f bytes each, submitted in %.1f us each\n", jobs, (double)(heap() - before) / jobs, took * 1e3 / jobs);

    const char *users[] = {"user"};
    struct td_cancel cancel = {.filter = {.users = {users, 1}}};
    start = now_ms();
    td_core_wake(c, ++now);
    td_core_input(c, &(struct td_input){.kind = TD_IN_REQUEST, .peer = 1, .request = 1, .uid = 1000, .id = TD_MSG_CANCEL, .body = &cancel});
    td_core_finish(c);
    uint32_t n;
    td_core_events(c, &n);
    printf("cancel of them: %.1f ms, %u events\n", now_ms() - start, n);
    td_core_destroy(&c);
    return 0;
}

static int tasks_row(uint32_t tasks)
{
    struct td_core *c = td_core_new(1);
    int64_t now = 1800000000000;
    char array[32];
    conf_give(c, now);
    size_t before = heap();

    snprintf(array, sizeof(array), "0-%u", tasks - 1);
    td_core_wake(c, ++now);
    submit(c, 0, array);
    td_core_finish(c);
    if (!submitted(c))
        return 1;
    td_core_wake(c, ++now);
    td_core_finish(c);
    printf("%u pending array tasks: %.1f KB in all\n", tasks, (double)(heap() - before) / 1e3);
    td_core_destroy(&c);
    return 0;
}

int main(int argc, char **argv)
{
    uint32_t jobs = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;
    uint32_t tasks = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
    return jobs_row(jobs) | tasks_row(tasks);
}
