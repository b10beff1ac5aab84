/* test_environ.c - the environment of a batch script, a table for each kind of job */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "worker/environ.h"

struct rig {
    struct td_arena arena;
    struct td_award award;
    struct td_job_spec spec;
    struct td_job_need need;
    struct td_inventory inventory;
    struct td_gres_stock stock;
    struct td_device devices[4];
    struct td_gres_held held;
    struct environ_facts facts;
    struct td_strs env;
};

static const uint8_t cpus[] = {0x0c}; /* 2 and 3 */
static const uint8_t gpus[] = {0x05}; /* 0 and 2 */

static void make(struct rig *r, const char *blob, size_t len)
{
    struct td_strs base;
    environ_split((struct td_bin){(const uint8_t *)blob, (uint32_t)len}, &r->arena, &base);
    environ_make(&r->facts, base, &r->arena, &r->env);
}

static void init(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    r->award = (struct td_award){
        .job = 42, .attempt = 1, .nodelist = "node[1-2]", .tasks_per_node = "2(x2)", .cpus_per_node = "2(x2)", .nodes = 2,
        .ntasks = 4, .partition = "normal", .limit_s = 600, .uid = 1000, .gid = 1001,
        .place = {.node = "node1", .tasks = 2, .cpus = {cpus, 1}, .memory_mb = 100},
    };
    r->spec = (struct td_job_spec){.name = "train", .work_dir = "/home/ann", .submit_host = "login", .user_name = "ann",
                                   .home = "/home/ann", .needs = {&r->need, 1}};
    r->inventory = (struct td_inventory){.hostname = "host1"};
    r->facts = (struct environ_facts){
        .award = &r->award, .spec = &r->spec, .inventory = &r->inventory, .node = "node1", .cluster = "lab",
        .conf = "/etc/slurm/slurm.conf", .node_dir = "/var/lib/tender/node1", .shell = "/bin/bash", .start_ms = 1700000000123,
    };
}

static void add_gpus(struct rig *r, bool with_uuid)
{
    for (uint32_t i = 0; i < 4; i++)
        r->devices[i] = (struct td_device){.index = i, .file = "/dev/nvidia0", .uuid = with_uuid ? "GPU-x" : NULL};
    r->stock = (struct td_gres_stock){.name = "gpu", .type = "TitanXp", .count = 4, .devices = {r->devices, 4}};
    r->inventory.gres = (struct td_gres_stock_list){&r->stock, 1};
}

static void hold_gpus(struct rig *r)
{
    r->held = (struct td_gres_held){.name = "gpu", .type = "TitanXp", .count = 2, .devices = {gpus, 1}};
    r->award.place.gres = (struct td_gres_held_list){&r->held, 1};
}

static const char *get(const struct rig *r, const char *name)
{
    const char *found = NULL;
    size_t n = strlen(name);
    for (uint32_t i = 0; i < r->env.n; i++)
        if (strncmp(r->env.v[i], name, n) == 0 && r->env.v[i][n] == '=') {
            assert_null(found); /* never twice */
            found = r->env.v[i] + n + 1;
        }
    return found;
}

static void expect(const struct rig *r, const char *const (*rows)[2], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = get(r, rows[i][0]);
        if (!td_str_equal(got, rows[i][1]))
            fail_msg("%s: got %s, want %s", rows[i][0], got ? got : "(unset)", rows[i][1] ? rows[i][1] : "(unset)");
    }
}
#define EXPECT(r, ...)                                        \
    do {                                                      \
        static const char *const rows_[][2] = {__VA_ARGS__};  \
        expect(r, rows_, TD_ARRAY_LEN(rows_));                \
    } while (0)

static void assert_no_doubles(struct rig *r)
{
    for (uint32_t i = 0; i < r->env.n; i++) {
        char name[128];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(r->env.v[i], "="), r->env.v[i]);
        assert_non_null(get(r, name));
    }
}

static void plain_job(void **state)
{
    struct rig r;
    (void)state;
    init(&r);
    make(&r, "HOME=/home/ann\0PATH=/bin\0", 24);
    EXPECT(&r, {"HOME", "/home/ann"}, {"PATH", "/bin"}, {"SLURM_JOB_ID", "42"}, {"SLURM_JOBID", "42"},
           {"SLURM_JOB_NAME", "train"}, {"SLURM_JOB_NODELIST", "node[1-2]"}, {"SLURM_NODELIST", "node[1-2]"},
           {"SLURM_NNODES", "2"}, {"SLURM_JOB_NUM_NODES", "2"}, {"SLURM_NTASKS", "4"}, {"SLURM_NPROCS", "4"},
           {"SLURM_TASKS_PER_NODE", "2(x2)"}, {"SLURM_JOB_CPUS_PER_NODE", "2(x2)"}, {"SLURM_CPUS_ON_NODE", "2"},
           {"SLURM_JOB_PARTITION", "normal"}, {"SLURM_JOB_UID", "1000"}, {"SLURM_JOB_GID", "1001"},
           {"SLURM_JOB_USER", "ann"}, {"SLURM_SUBMIT_DIR", "/home/ann"}, {"SLURM_SUBMIT_HOST", "login"},
           {"SLURMD_NODENAME", "node1"}, {"SLURM_NODEID", "0"}, {"SLURM_PROCID", "0"}, {"SLURM_LOCALID", "0"},
           {"SLURM_GTIDS", "0"}, {"SLURM_TASK_PID", "0"}, {"SLURM_TOPOLOGY_ADDR", "node1"},
           {"SLURM_TOPOLOGY_ADDR_PATTERN", "node"}, {"SLURM_PRIO_PROCESS", "0"}, {"SLURM_CLUSTER_NAME", "lab"},
           {"SLURM_CONF", "/etc/slurm/slurm.conf"}, {"ENVIRONMENT", "BATCH"}, {"HOSTNAME", "host1"},
           {"SLURM_JOB_START_TIME", "1700000000"}, {"SLURM_JOB_END_TIME", "1700000600"}, {"TENDER_ATTEMPT", "42.1"},
           {"TENDER_NODE_DIR", "/var/lib/tender/node1"});
    /* not asked for: not set */
    EXPECT(&r, {"SLURM_CPUS_PER_TASK", NULL}, {"SLURM_MEM_PER_NODE", NULL}, {"SLURM_MEM_PER_CPU", NULL},
           {"SLURM_ARRAY_JOB_ID", NULL}, {"SLURM_RESTART_COUNT", NULL}, {"SLURM_JOB_ACCOUNT", NULL},
           {"SLURM_JOB_QOS", NULL}, {"SLURM_JOB_GPUS", NULL}, {"CUDA_VISIBLE_DEVICES", NULL},
           {"NVIDIA_VISIBLE_DEVICES", NULL}, {"SLURM_GET_USER_ENV", NULL}, {"SHELL", "/bin/bash"});
    assert_no_doubles(&r);
    td_arena_release(&r.arena);
}

static void asked_for(void **state)
{
    struct rig r;
    (void)state;
    init(&r);
    r.need = (struct td_job_need){.cpus_per_task = 3, .mem_mb_per_node = 2048, .ntasks_per_node = 2};
    r.spec.account = "physics";
    r.spec.qos = "fast";
    r.spec.submit_dir = "/home/ann/from";
    r.award.restarts = 2;
    r.award.limit_s = TD_INFINITE;
    make(&r, "X=1", 3);
    EXPECT(&r, {"X", "1"}, {"SLURM_CPUS_PER_TASK", "3"}, {"SLURM_MEM_PER_NODE", "2048"}, {"SLURM_NTASKS_PER_NODE", "2"},
           {"SLURM_JOB_ACCOUNT", "physics"}, {"SLURM_JOB_QOS", "fast"}, {"SLURM_RESTART_COUNT", "2"},
           {"SLURM_JOB_END_TIME", NULL}, {"SLURM_SUBMIT_DIR", "/home/ann/from"});
    td_arena_release(&r.arena);
}

static void array_task(void **state)
{
    struct rig r;
    (void)state;
    init(&r);
    r.award.array_job = 40;
    r.award.array_task = 0;
    r.award.array_count = 4;
    r.award.array_max = 12;
    r.award.array_step = 4;
    make(&r, "", 0);
    EXPECT(&r, {"SLURM_JOB_ID", "42"}, {"SLURM_ARRAY_JOB_ID", "40"}, {"SLURM_ARRAY_TASK_ID", "0"},
           {"SLURM_ARRAY_TASK_COUNT", "4"}, {"SLURM_ARRAY_TASK_MIN", "0"}, {"SLURM_ARRAY_TASK_MAX", "12"},
           {"SLURM_ARRAY_TASK_STEP", "4"});
    /* nothing was exported */
    EXPECT(&r, {"SLURM_GET_USER_ENV", "1"}, {"HOME", "/home/ann"}, {"USER", "ann"}, {"LOGNAME", "ann"},
           {"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"});
    td_arena_release(&r.arena);
}

static void submitted_from_within_a_job(void **state)
{
    static const char blob[] = "SLURM_JOB_ID=7\0SLURM_JOBID=7\0SLURM_ARRAY_TASK_ID=3\0SLURM_NTASKS=99\0SLURM_MEM_PER_NODE=5\0"
                               "SLURM_TIME_FORMAT=relative\0TENDER_ATTEMPT=7.1\0SLURM_STEP_ID=0\0SLURMD_NODENAME=old\0"
                               "BASH_FUNC_ml%%=() { echo 'a=b'\n}\0no-equals\0=odd\0ENVIRONMENT=BATCH\0HOSTNAME=old";
    struct rig r;
    (void)state;
    init(&r);
    make(&r, blob, sizeof(blob) - 1);
    EXPECT(&r, {"SLURM_JOB_ID", "42"}, {"SLURM_ARRAY_TASK_ID", NULL}, {"SLURM_NTASKS", "4"}, {"SLURM_MEM_PER_NODE", NULL},
           {"SLURM_TIME_FORMAT", "relative"}, {"TENDER_ATTEMPT", "42.1"}, {"SLURM_STEP_ID", NULL},
           {"SLURMD_NODENAME", "node1"}, {"BASH_FUNC_ml%%", "() { echo 'a=b'\n}"}, {"HOSTNAME", "host1"});
    assert_no_doubles(&r);
    for (uint32_t i = 0; i < r.env.n; i++)
        assert_true(strchr(r.env.v[i], '=') > r.env.v[i]);
    td_arena_release(&r.arena);
}

static void conf_of_the_submitter(void **state)
{
    struct rig r;
    (void)state;
    init(&r);
    make(&r, "SLURM_CONF=/mine\0", 17);
    EXPECT(&r, {"SLURM_CONF", "/etc/slurm/slurm.conf"});
    r.facts.conf = "";
    make(&r, "SLURM_CONF=/mine\0", 17);
    EXPECT(&r, {"SLURM_CONF", "/mine"});
    td_arena_release(&r.arena);
}

static void gpu_job(void **state)
{
    struct rig r;
    (void)state;
    init(&r);
    add_gpus(&r, false);
    hold_gpus(&r);
    make(&r, "CUDA_VISIBLE_DEVICES=3\0X=1\0", 27);
    EXPECT(&r, {"SLURM_JOB_GPUS", "0,2"}, {"SLURM_GPUS_ON_NODE", "2"}, {"CUDA_VISIBLE_DEVICES", "0,2"},
           {"NVIDIA_VISIBLE_DEVICES", "0,2"}, {"GPU_DEVICE_ORDINAL", "0,2"}, {"CUDA_DEVICE_ORDER", "PCI_BUS_ID"},
           {"ROCR_VISIBLE_DEVICES", NULL}, {"X", "1"});
    assert_no_doubles(&r);
    /* UUIDs where they are known */
    add_gpus(&r, true);
    make(&r, "", 0);
    EXPECT(&r, {"NVIDIA_VISIBLE_DEVICES", "GPU-x,GPU-x"}, {"CUDA_VISIBLE_DEVICES", "0,2"});
    /* AMD's */
    for (int i = 0; i < 4; i++)
        r.devices[i].file = "/dev/dri/renderD128";
    make(&r, "", 0);
    EXPECT(&r, {"ROCR_VISIBLE_DEVICES", "0,2"}, {"CUDA_VISIBLE_DEVICES", NULL}, {"NVIDIA_VISIBLE_DEVICES", NULL});
    td_arena_release(&r.arena);
}

/* As they were asked for: of the job, a node, a task, with a model or without. What is no GPU is not among them. */
static void gpus_asked_for(void **state)
{
    struct rig r;
    struct td_gres_need node[] = {{.name = "mps", .count = 50}, {.name = "gpu", .type = "TitanXp", .count = 2}};
    struct td_gres_need task[] = {{.name = "gpu", .count = 1}}, job[] = {{.name = "gpu", .type = "TitanXp", .count = 4}};
    (void)state;
    init(&r);
    add_gpus(&r, false);
    hold_gpus(&r);
    r.need.gres = (struct td_gres_need_list){node, 2};
    r.need.gres_task = (struct td_gres_need_list){task, 1};
    r.need.gres_job = (struct td_gres_need_list){job, 1};
    r.need.cpus_per_gpu = 3;
    r.need.mem_mb_per_gpu = 4096;
    make(&r, "SLURM_GPUS=9\0SLURM_CPUS_PER_GPU=9\0SLURM_GPUS_PER_SOCKET=9\0", 58);
    EXPECT(&r, {"SLURM_GPUS", "TitanXp:4"}, {"SLURM_GPUS_PER_NODE", "TitanXp:2"}, {"SLURM_GPUS_PER_TASK", "1"},
           {"SLURM_CPUS_PER_GPU", "3"}, {"SLURM_MEM_PER_GPU", "4096"}, {"SLURM_GPUS_ON_NODE", "2"},
           {"SLURM_GPUS_PER_SOCKET", NULL});
    assert_no_doubles(&r);
    /* who asked for none is told of none, whatever the submitter's environment held */
    td_arena_release(&r.arena);
    init(&r);
    make(&r, "SLURM_GPUS=9\0SLURM_GPUS_PER_NODE=9\0SLURM_CPUS_PER_GPU=9\0", 56);
    EXPECT(&r, {"SLURM_GPUS", NULL}, {"SLURM_GPUS_PER_NODE", NULL}, {"SLURM_GPUS_PER_TASK", NULL}, {"SLURM_CPUS_PER_GPU", NULL},
           {"SLURM_MEM_PER_GPU", NULL});
    td_arena_release(&r.arena);
}

static void no_gpus_on_a_gpu_node(void **state)
{
    struct rig r;
    (void)state;
    init(&r);
    add_gpus(&r, false);
    make(&r, "CUDA_VISIBLE_DEVICES=0\0", 23);
    EXPECT(&r, {"CUDA_VISIBLE_DEVICES", NULL}, {"NVIDIA_VISIBLE_DEVICES", "void"}, {"SLURM_JOB_GPUS", NULL});
    /* on a node that manages none the user's own choice stands */
    td_arena_release(&r.arena);
    init(&r);
    make(&r, "CUDA_VISIBLE_DEVICES=0\0", 23);
    EXPECT(&r, {"CUDA_VISIBLE_DEVICES", "0"}, {"NVIDIA_VISIBLE_DEVICES", NULL});
    td_arena_release(&r.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_job),
        cmocka_unit_test(asked_for),
        cmocka_unit_test(array_task),
        cmocka_unit_test(submitted_from_within_a_job),
        cmocka_unit_test(conf_of_the_submitter),
        cmocka_unit_test(gpu_job),
        cmocka_unit_test(gpus_asked_for),
        cmocka_unit_test(no_gpus_on_a_gpu_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
