/* bench_fair.c - accounts loaded, and the priorities of many waiting jobs computed anew
 *
 * bench-fair [JOBS] [USERS] [ACCOUNTS]   prints a table; the tick is the core's own: charge, decay, rank, sum, order */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/core/core.h"
#include "broker/fair/fair.h"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void conf_give(struct td_core *c, int64_t now)
{
    struct td_ev_epoch_began began = {.epoch = 1, .version = "bench", .host = "bench"};
    struct td_node_conf node = {.names = "n[1-16]", .cpus = 64, .memory_mb = 256000};
    struct td_partition_conf part = {.name = "normal",
                                     .nodes = "ALL",
                                     .is_default = true,
                                     .max_s = TD_INFINITE,
                                     .state = "UP",
                                     .priority_tier = 1,
                                     .priority_factor = 1};
    struct td_ev_conf_loaded conf = {
        .settings = {.cluster = "bench",
                     .node_timeout_s = 300,
                     .min_job_age_s = 300,
                     .kill_wait_s = 30,
                     .requeue = true,
                     .first_job = 1,
                     .depth = 1,
                     .core_is_unit = true,
                     .backfill = "easy",
                     .priority = {.multifactor = true,
                                  .half_life_s = 7 * 86400,
                                  .max_age_s = 7 * 86400,
                                  .weight_age = 1000,
                                  .weight_fair = 100000,
                                  .weight_size = 1000,
                                  .weight_partition = 1000,
                                  .weight_qos = 1000}},
        .nodes = {&node, 1},
        .partitions = {&part, 1},
    };

    td_core_wake(c, now);
    td_core_input(c, &(struct td_input){.kind = TD_IN_START, .id = TD_EV_EPOCH_BEGAN, .body = &began});
    td_core_input(c, &(struct td_input){.kind = TD_IN_CONF, .id = TD_EV_CONF_LOADED, .body = &conf});
    td_core_finish(c);
}

static void accounts_load(struct td_core *c, int64_t now, uint32_t users, uint32_t accounts)
{
    struct td_arena a = {0};
    struct td_acct_op *ops = td_arena_alloc(&a, (users + accounts) * sizeof(*ops));
    char name[32];

    for (uint32_t i = 0; i < users + accounts; i++) {
        bool is_user = i >= accounts;
        const char **one = td_arena_alloc(&a, sizeof(*one)), **at = td_arena_alloc(&a, sizeof(*at));
        snprintf(name, sizeof(name), is_user ? "u%u" : "a%u", is_user ? i - accounts : i);
        *one = td_arena_strdup(&a, name);
        snprintf(name, sizeof(name), "a%u", is_user ? (i - accounts) % accounts : i / 10);
        *at = is_user || i % 10 ? td_arena_strdup(&a, name) : NULL;
        ops[i] = (struct td_acct_op){.op = TD_ACCT_ADD,
                                     .what = is_user ? TD_ACCT_USER : TD_ACCT_ACCOUNT,
                                     .names = {one, 1},
                                     .set_assoc = 2,
                                     .assoc = {.shares = 2 + i % 7}};
        if (is_user)
            ops[i].accounts = (struct td_strs){at, 1};
        else if (*at && i / 10 != i)
            ops[i].parent = *at;
    }
    const struct td_change_accounts m = {.ops = {ops, users + accounts}};
    double start = now_ms();
    td_core_wake(c, now);
    td_core_input(
        c, &(struct td_input){.kind = TD_IN_REQUEST, .peer = 1, .request = 1, .id = TD_MSG_CHANGE_ACCOUNTS, .body = &m});
    td_core_finish(c);
    uint32_t n, events;
    const struct td_effect *e = td_core_effects(c, &n);
    td_core_events(c, &events);
    for (uint32_t i = 0; i < n; i++)
        if (e[i].kind == TD_DO_REPLY && e[i].id == TD_MSG_ERROR)
            printf("refused: %s\n", ((const struct td_error_reply *)e[i].body)->text);
    printf("%u users in %u accounts: loaded in one request of %.1f ms, %u events\n", users, accounts, now_ms() - start,
           events);
    td_arena_release(&a);
}

static void submit(struct td_core *c, uint32_t i, uint32_t users)
{
    struct td_job_need need = {.ntasks = 1, .cpus_per_task = 1 + i % 4};
    char user[32];

    snprintf(user, sizeof(user), "u%u", i % users);
    const struct td_submit m = {.spec = {.name = "job", .needs = {&need, 1}, .limit_s = 600, .user_name = user}};
    td_core_input(c, &(struct td_input){.kind = TD_IN_REQUEST,
                                        .peer = 1,
                                        .request = i + 1,
                                        .uid = 1000 + i % users,
                                        .gid = 100,
                                        .id = TD_MSG_SUBMIT,
                                        .body = &m});
}

static void pure(uint32_t jobs, uint32_t users, uint32_t accounts)
{
    uint32_t n = 1 + accounts + users;
    struct td_fair_node *nodes = td_alloc(n * sizeof(*nodes));
    struct td_fair_level *level = td_alloc(n * sizeof(*level));
    const struct td_priority_weights w = {1000, 0, 100000, 1000, 1000, 1000, NULL, 0};
    struct td_priority p;
    uint64_t sum = 0;

    for (uint32_t i = 1; i < n; i++)
        nodes[i] = (struct td_fair_node){.parent = i <= accounts ? 0 : 1 + i % accounts,
                                         .is_user = i > accounts,
                                         .shares = 1 + i % 7,
                                         .usage = i * 7919u % 100000};
    double start = now_ms();
    uint32_t ranked = td_fair_tree(nodes, n, level);
    double tree = now_ms() - start;
    start = now_ms();
    for (uint32_t i = 0; i < jobs; i++) {
        const struct td_priority_job j = {.age = {i, 604800},
                                          .fair = {level[1 + accounts + i % users].rank, ranked},
                                          .nodes = {1, 16},
                                          .cpus = {1 + i % 4, 1024},
                                          .partition = {1, 1}};
        td_priority_compute(&w, &j, &p);
        sum += p.sum;
    }
    printf("arithmetic alone: tree of %u users %.1f ms, %u sums %.1f ms (checksum %llu)\n", ranked, tree, jobs,
           now_ms() - start, (unsigned long long)sum);
    td_free(nodes);
    td_free(level);
}

int main(int argc, char **argv)
{
    uint32_t jobs = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000, users = argc > 2 ? (uint32_t)atoi(argv[2]) : 5000,
             accounts = argc > 3 ? (uint32_t)atoi(argv[3]) : 400;
    struct td_core *c = td_core_new(1);
    int64_t now = 1800000000000;

    pure(jobs, users, accounts);
    conf_give(c, now);
    accounts_load(c, ++now, users, accounts);
    double start = now_ms();
    for (uint32_t i = 0; i < jobs;) {
        td_core_wake(c, ++now);
        for (uint32_t k = 0; k < 100 && i < jobs; k++)
            submit(c, i++, users);
        td_core_finish(c);
    }
    printf("%u jobs submitted: %.1f us each\n", jobs, (now_ms() - start) * 1e3 / jobs);
    for (uint32_t i = 0; i < 3; i++) {
        now += 300001;
        start = now_ms();
        td_core_wake(c, now);
        td_core_finish(c);
        uint32_t n;
        td_core_events(c, &n);
        printf("a tick over them: %.1f ms\n", now_ms() - start);
    }
    td_core_destroy(&c);
    return 0;
}
