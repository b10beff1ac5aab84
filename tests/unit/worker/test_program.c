/* test_program.c - the real tender-worker and its shepherd under a broker that this test plays
 *
 * Joining, blobs, launches, reports, adoption after kill -9, drain. Waits are for messages and states. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/bus.h"

#define WAIT_MS 30000
#define LEASE_MS (20 * WAIT_MS) /* no heartbeat comes while a test waits */
#define SEEN_MAX 20000

struct rig {
    char dir[64], token[1024];
    pid_t pid;
    int ready_fd;
    struct td_bus_server *server;
    struct td_keypair keys;
    struct td_join_token join;
    uint8_t route[256];
    size_t route_len;
    struct td_arena arena;
    struct td_hello hello;
    uint32_t enrols, hellos, wants, drains, byes;
    bool answer_enrol, answer_wants;
    uint32_t incarnation;
    struct td_report *seen;
    uint32_t nseen;
    uint64_t highest;
    const char *scripts[2]; /* answered by hash */
    struct td_node_conf conf;
};

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void send(struct rig *r, uint32_t id, const void *body)
{
    struct td_buf frame = {0};
    td_wire_put_frame(&frame, id, 0, body);
    assert_int_equal(td_bus_server_send(r->server, r->route, r->route_len, &frame), 0);
    td_buf_release(&frame);
}

static struct td_bin hash_of(const char *text)
{
    static uint8_t hashes[8][32];
    static int at;
    uint8_t *h = hashes[at++ % 8];
    td_hash(text, strlen(text), h);
    return (struct td_bin){h, 32};
}

/* --- the broker -------------------------------------------------------------------------------------------------------- */

static void on_hello(struct rig *r, const struct td_hello *m)
{
    static const char *const topics[] = {"o/all/0/"};
    td_record_copy(&r->arena, &td_rec_hello, m, &r->hello);
    r->hellos++;
    struct td_welcome w = {
        .epoch = 1, .incarnation = ++r->incarnation, .topics = {topics, 1}, .lease_ms = LEASE_MS, .kill_wait_s = 1,
        .cluster = "lab", .conf = r->conf, .conf_dir = r->dir,
    };
    send(r, TD_MSG_WELCOME, &w);
}

static void on_reports(struct rig *r, const struct td_report_batch *m)
{
    for (uint32_t i = 0; i < m->reports.n; i++) {
        assert_true(r->nseen < SEEN_MAX);
        td_record_copy(&r->arena, &td_rec_report, &m->reports.v[i], &r->seen[r->nseen++]);
        r->highest = TD_MAX(r->highest, m->reports.v[i].no);
    }
    send(r, TD_MSG_REPORT_ACK, &(struct td_report_ack){.acked = r->highest});
}

static void on_want(struct rig *r, const struct td_blob_wanted *m)
{
    struct td_blob_data answer = {.blob.hash = m->hash};
    r->wants++;
    for (size_t i = 0; i < TD_ARRAY_LEN(r->scripts); i++)
        if (r->scripts[i] && td_bin_equal(hash_of(r->scripts[i]), m->hash))
            answer.blob.data = (struct td_bin){(const uint8_t *)r->scripts[i], (uint32_t)strlen(r->scripts[i])};
    if (r->answer_wants)
        send(r, TD_MSG_BLOB, &answer);
}

static void on_message(struct rig *r, const struct td_frame *f)
{
    if (f->id == TD_MSG_ENROL) {
        const struct td_enrol *m = f->body;
        r->enrols++;
        assert_int_equal(m->secret.n, 32);
        assert_memory_equal(m->secret.v, r->join.secret, 32);
        assert_string_equal(m->node, "n1");
        if (r->answer_enrol)
            send(r, TD_MSG_ENROLLED, &(struct td_enrolled){.node = "n1"});
        else
            send(r, TD_MSG_REFUSED, &(struct td_refused){.code = TD_E_BAD_TOKEN, .text = "used up"});
    } else if (f->id == TD_MSG_HELLO) {
        on_hello(r, f->body);
    } else if (f->id == TD_MSG_REPORT) {
        on_reports(r, f->body);
    } else if (f->id == TD_MSG_BLOB_WANTED) {
        on_want(r, f->body);
    } else if (f->id == TD_MSG_DRAIN) {
        r->drains++;
    } else if (f->id == TD_MSG_BYE) {
        r->byes++;
    }
}

static void pump(struct rig *r)
{
    struct td_bus_msg m;
    struct td_frame f;
    struct td_error err;
    int fds[4], n = td_bus_server_fds(r->server, fds, 4);
    struct pollfd p[4];
    for (int i = 0; i < n; i++)
        p[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    poll(p, (nfds_t)n, 20);
    while (td_bus_server_next(r->server, &m) == 1) {
        struct td_arena arena = {0};
        memcpy(r->route, m.route, m.route_len);
        r->route_len = m.route_len;
        if (td_wire_get_frame(&arena, m.data, m.len, &f, &err) < 0)
            fail_msg("%s", err.text);
        on_message(r, &f);
        td_arena_release(&arena);
    }
}

#define WAIT(r, cond)                                 \
    do {                                              \
        int64_t end_ = now_ms() + WAIT_MS;            \
        while (!(cond) && now_ms() < end_)            \
            pump(r);                                  \
        if (!(cond))                                  \
            fail_msg("never came: %s", #cond);        \
    } while (0)

/* --- the worker --------------------------------------------------------------------------------------------------------- */

static void worker_start(struct rig *r, const char *cpus)
{
    int fds[2];
    char fd[16];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    r->ready_fd = fds[0];
    r->pid = fork();
    assert_true(r->pid >= 0);
    if (r->pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2);
        fcntl(fds[1], F_SETFD, 0);
        snprintf(fd, sizeof(fd), "%d", fds[1]);
        execl(TENDER_WORKER, "tender-worker", "--dir", r->dir, "--node", "n1", "--join", r->token, "--cpus", cpus, "--ready-fd", fd,
              (char *)NULL);
        _exit(126);
    }
    close(fds[1]);
}

static const char *ready_line(struct rig *r)
{
    static char line[600];
    struct pollfd p = {.fd = r->ready_fd, .events = POLLIN};
    int64_t end = now_ms() + WAIT_MS;
    ssize_t n = 0;
    while (now_ms() < end && (poll(&p, 1, 1) == 0 || !p.revents))
        pump(r);
    n = read(r->ready_fd, line, sizeof(line) - 1);
    line[n > 0 ? n : 0] = '\0';
    close(r->ready_fd);
    return line;
}

static int setup(void **state)
{
    struct rig *r = td_alloc(sizeof(*r));
    struct td_error err = {0};
    struct td_buf token = {0};
    snprintf(r->dir, sizeof(r->dir), "/tmp/tender-worker.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    chmod(r->dir, 0755);
    r->seen = td_alloc(SEEN_MAX * sizeof(*r->seen));
    if (td_keypair_make(&r->keys, &err) < 0 || td_bus_server_new("127.0.0.1", "41000-42999", &r->keys, 10, &r->server, &err) < 0)
        fail_msg("%s", err.text);
    snprintf(r->join.router, sizeof(r->join.router), "%s", td_bus_server_router_endpoint(r->server));
    snprintf(r->join.pub, sizeof(r->join.pub), "%s", td_bus_server_pub_endpoint(r->server));
    memcpy(r->join.server_key, r->keys.public_key, sizeof(r->join.server_key));
    memset(r->join.secret, 7, sizeof(r->join.secret));
    assert_int_equal(td_join_token_print(&r->join, &token), 0);
    snprintf(r->token, sizeof(r->token), "%s", td_buf_str(&token));
    td_buf_release(&token);
    r->answer_enrol = r->answer_wants = true;
    *state = r;
    return 0;
}

static int setup_joined(void **state)
{
    setup(state);
    struct rig *r = *state;
    worker_start(r, "4");
    assert_string_equal(ready_line(r), "ready\n");
    return 0;
}

static pid_t shepherd_pid(const struct rig *r)
{
    char path[128], text[32] = "";
    snprintf(path, sizeof(path), "%s/shepherd.pid", r->dir);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    return n > 0 ? atoi(text) : 0;
}

static bool is_dead(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    char *at = n > 0 ? strrchr(text, ')') : NULL;
    return !at || at[2] == 'Z';
}

static int teardown(void **state)
{
    struct rig *r = *state;
    char cmd[512];
    pid_t shepherd = shepherd_pid(r);
    if (r->pid > 0) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
    }
    if (shepherd > 0) { /* its jobs, and their cgroups, go with a sweep: once the kernel has let go of its lock */
        kill(shepherd, SIGKILL);
        snprintf(cmd, sizeof(cmd), "%s --dir %s --sweep 2>/dev/null", TENDER_SHEPHERD, r->dir);
        for (int ms = 0; ms < 5000 && system(cmd) != 0; ms += 5)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    td_bus_server_destroy(&r->server);
    td_arena_release(&r->arena);
    td_free(r->seen);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", r->dir);
    assert_int_equal(system(cmd), 0);
    td_free(r);
    return 0;
}

/* --- awards ----------------------------------------------------------------------------------------------------------------- */

static const uint8_t cpu_sets[4][1] = {{1}, {2}, {4}, {8}};

static void award(struct rig *r, uint32_t job, uint32_t cpu, const char *script, bool with_blobs)
{
    static const char env[] = "PATH=/usr/bin:/bin\0FROM=test\0";
    uint8_t env_hash[32];
    td_hash(env, sizeof(env) - 1, env_hash);
    struct td_job_spec spec = {
        .name = "t", .work_dir = r->dir, .umask = 022, .script_hash = hash_of(script), .env_hash = {env_hash, 32},
        .std_out = "out-%j", .user_name = "me",
    };
    struct td_award a = {
        .job = job, .attempt = 1, .place = {.node = "n1", .tasks = 1, .cpus = {cpu_sets[cpu], 1}}, .nodelist = "n1",
        .nodes = 1, .ntasks = 1, .limit_s = TD_INFINITE, .uid = getuid(), .gid = getgid(), .partition = "all",
    };
    struct td_blob blobs[] = {
        {spec.script_hash, {(const uint8_t *)script, (uint32_t)strlen(script)}},
        {spec.env_hash, {(const uint8_t *)env, sizeof(env) - 1}},
    };
    struct td_award_batch m = {
        .epoch = 1, .incarnation = r->incarnation, .awards = {&a, 1}, .specs = {&spec, 1}, .blobs = {blobs, with_blobs ? 2 : 0},
    };
    send(r, TD_MSG_AWARD, &m);
}

static const struct td_report *find(const struct rig *r, uint32_t job, uint32_t kind)
{
    for (uint32_t i = 0; i < r->nseen; i++)
        if (r->seen[i].job == job && r->seen[i].kind == kind)
            return &r->seen[i];
    return NULL;
}

static char *output(struct rig *r, uint32_t job)
{
    static char text[65536];
    char path[128];
    snprintf(path, sizeof(path), "%s/out-%u", r->dir, job);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* --- tests -------------------------------------------------------------------------------------------------------------------- */

static void joins_and_runs(void **state)
{
    struct rig *r = *state;
    assert_true(r->enrols >= 1);
    assert_string_equal(r->hello.node, "n1");
    assert_int_equal(td_bits_count(r->hello.inventory.cpus.v, r->hello.inventory.cpus.n), 4);
    const char *cpus = sysconf(_SC_NPROCESSORS_ONLN) >= 4 ? "affinity, " : "none (declared), ", *confine = r->hello.inventory.confine;
    assert_int_equal(strncmp(confine, cpus, strlen(cpus)), 0);
    assert_true(strstr(confine, ", cgroup/v") || strstr(confine, ", process list"));
    assert_true(strlen(r->hello.boot_id) > 36);

    char conf[128];
    snprintf(conf, sizeof(conf), "%s/slurm.conf", r->dir);
    int fd = open(conf, O_WRONLY | O_CREAT, 0644);
    close(fd);
    award(r, 5, 0, "#! /bin/sh -u\necho $FROM $SLURM_JOB_ID $SLURM_CPUS_ON_NODE $SLURM_CLUSTER_NAME $SLURM_CONF $TENDER_ATTEMPT\n"
                   "[ $SLURM_TASK_PID = $$ ] && echo $-\nexit 3\n", true);
    WAIT(r, find(r, 5, TD_REPORT_GONE));
    assert_int_equal(find(r, 5, TD_REPORT_EXITED)->exit_code, 3);
    char want[128];
    snprintf(want, sizeof(want), "test 5 1 lab %s/slurm.conf 5.1\nu\n", r->dir);
    assert_string_equal(output(r, 5), want);
    assert_int_equal(r->wants, 0);

    award(r, 6, 1, "#!/bin/no-such-shell\n", true);
    WAIT(r, find(r, 6, TD_REPORT_GONE));
    assert_true(find(r, 6, TD_REPORT_EXITED)->launch_failed);
    assert_string_equal(find(r, 6, TD_REPORT_EXITED)->text, "cannot start /bin/no-such-shell: No such file or directory");
}

static void second_worker_of_a_directory_is_refused(void **state)
{
    struct rig *r = *state;
    pid_t first = r->pid;
    int status;
    worker_start(r, "4");
    char want[128];
    snprintf(want, sizeof(want), "error: a worker of %s runs already\n", r->dir);
    assert_string_equal(ready_line(r), want);
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    assert_int_equal(WEXITSTATUS(status), 1);
    r->pid = first;
}

static void bad_token_ends_it(void **state)
{
    struct rig *r = *state;
    int status;
    r->answer_enrol = false;
    worker_start(r, "4");
    assert_string_equal(ready_line(r), "error: used up\n");
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    assert_int_equal(WEXITSTATUS(status), 1);
    r->pid = 0;
}

static void missing_blobs_are_asked_for(void **state)
{
    struct rig *r = *state;
    static const char script[] = "#!/bin/sh\necho fetched\n";
    r->answer_wants = false;
    award(r, 5, 0, script, false);
    WAIT(r, r->wants >= 2); /* asked again */
    assert_null(find(r, 5, TD_REPORT_ACCEPTED));
    r->answer_wants = true;
    r->scripts[0] = script; /* the environment stays unknown */
    WAIT(r, find(r, 5, TD_REPORT_GONE));
    assert_true(find(r, 5, TD_REPORT_EXITED)->launch_failed);
    assert_string_equal(find(r, 5, TD_REPORT_EXITED)->text, "the broker no longer has its environment");
    /* a kill overtakes a launch that waits */
    r->answer_wants = false;
    uint32_t wants = r->wants;
    award(r, 6, 0, "#!/bin/sh\necho never\n", false);
    WAIT(r, r->wants > wants);
    struct td_kill k = {.job = 6, .attempt = 1};
    send(r, TD_MSG_KILL, &(struct td_kill_batch){.epoch = 1, .kills = {&k, 1}});
    WAIT(r, find(r, 6, TD_REPORT_GONE));
    assert_string_equal(output(r, 6), "");
}

static void jobs_outlive_the_worker(void **state)
{
    struct rig *r = *state;
    char go[128];
    snprintf(go, sizeof(go), "%s/go", r->dir);
    assert_int_equal(mkfifo(go, 0600), 0);
    award(r, 5, 0, "#!/bin/sh\necho one\nread x < go\necho two\nexit 4\n", true);
    WAIT(r, find(r, 5, TD_REPORT_ACCEPTED));
    pid_t shepherd = shepherd_pid(r);
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    int fd = open(go, O_WRONLY);
    assert_true(fd >= 0 && write(fd, "x\n", 2) == 2);
    close(fd);

    uint32_t enrols = r->enrols, incarnation = r->incarnation;
    worker_start(r, "4");
    assert_string_equal(ready_line(r), "ready\n");
    assert_int_equal(r->hello.incarnation, incarnation); /* the broker can tell that it is the same node */
    assert_int_equal(shepherd_pid(r), shepherd);
    assert_int_equal(r->enrols, enrols); /* it has its key */
    WAIT(r, find(r, 5, TD_REPORT_GONE));
    assert_int_equal(find(r, 5, TD_REPORT_EXITED)->exit_code, 4);
    assert_string_equal(output(r, 5), "one\ntwo\n");
    /* an award that comes again starts nothing */
    r->nseen = 0;
    award(r, 5, 0, "#!/bin/sh\necho one\nread x < go\necho two\nexit 4\n", true);
    award(r, 6, 1, "#!/bin/sh\ntrue\n", true);
    WAIT(r, find(r, 6, TD_REPORT_GONE));
    WAIT(r, find(r, 5, TD_REPORT_GONE));
    assert_string_equal(output(r, 5), "one\ntwo\n");
}

static void dead_shepherd_is_replaced(void **state)
{
    struct rig *r = *state;
    award(r, 5, 0, "#!/bin/sh\nsleep 1000\n", true);
    WAIT(r, find(r, 5, TD_REPORT_ACCEPTED));
    char boot[80];
    snprintf(boot, sizeof(boot), "%s", r->hello.boot_id);
    kill(shepherd_pid(r), SIGKILL);
    WAIT(r, strcmp(r->hello.boot_id, boot) != 0);
    for (uint32_t i = 0; i < r->hello.running.n; i++)
        assert_int_not_equal(r->hello.running.v[i].job, 5);
    award(r, 6, 0, "#!/bin/sh\ntrue\n", true);
    WAIT(r, find(r, 6, TD_REPORT_GONE));
}

static void a_broker_that_came_back_is_greeted(void **state)
{
    struct rig *r = *state;
    struct td_error err = {0};
    char port[16];
    award(r, 5, 0, "#!/bin/sh\nsleep 1000\n", true);
    WAIT(r, find(r, 5, TD_REPORT_ACCEPTED));
    uint32_t hellos = r->hellos;
    snprintf(port, sizeof(port), "%s", strrchr(r->join.router, ':') + 1);
    td_bus_server_destroy(&r->server);
    assert_int_equal(td_bus_server_new("127.0.0.1", port, &r->keys, 10, &r->server, &err), 0);
    WAIT(r, r->hellos > hellos);
    assert_int_equal(r->hello.running.n, 1); /* with what it runs */
    assert_int_equal(r->hello.running.v[0].job, 5);
}

static void drains_and_leaves(void **state)
{
    struct rig *r = *state;
    char go[128];
    int status;
    snprintf(go, sizeof(go), "%s/go", r->dir);
    assert_int_equal(mkfifo(go, 0600), 0);
    award(r, 5, 0, "#!/bin/sh\nread x < go\n", true);
    WAIT(r, find(r, 5, TD_REPORT_ACCEPTED));
    kill(r->pid, SIGTERM);
    WAIT(r, r->drains);
    award(r, 6, 1, "#!/bin/sh\ntrue\n", true);
    WAIT(r, find(r, 6, TD_REPORT_DECLINED));
    int fd = open(go, O_WRONLY);
    assert_true(fd >= 0 && write(fd, "x\n", 2) == 2);
    close(fd);
    pid_t shepherd = shepherd_pid(r);
    WAIT(r, r->byes);
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    assert_int_equal(status, 0);
    r->pid = 0;
    WAIT(r, is_dead(shepherd)); /* with nothing to keep it leaves too */
}

static void told_by_the_broker(void **state)
{
    struct rig *r = *state;
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    r->conf = (struct td_node_conf){.names = "n1", .cpus = 8, .memory_mb = 4000, .gres = "gpu:TitanXp:4", .features = "old"};
    worker_start(r, "4");
    assert_string_equal(ready_line(r), "ready\n");
    WAIT(r, r->hello.inventory.memory_mb == 4000);
    assert_int_equal(td_bits_count(r->hello.inventory.cpus.v, r->hello.inventory.cpus.n), 4); /* the command line goes first */
    assert_int_equal(r->hello.inventory.gres.n, 1);
    assert_int_equal(r->hello.inventory.gres.v[0].count, 4);
    assert_string_equal(r->hello.inventory.features, "old");
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    (void)argc;
    (void)argv;
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup_joined, teardown)
        T(joins_and_runs),
        T(second_worker_of_a_directory_is_refused),
        cmocka_unit_test_setup_teardown(bad_token_ends_it, setup, teardown),
        T(missing_blobs_are_asked_for),
        T(jobs_outlive_the_worker),
        T(dead_shepherd_is_replaced),
        T(a_broker_that_came_back_is_greeted),
        T(drains_and_leaves),
        T(told_by_the_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
