/* test_shepherd.c - the real tender-shepherd, told what to do over its socket
 *
 * Each test has a directory and a shepherd of its own; it plays the worker. Waits are for statuses and states. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
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

#include "local/local.h"

#define WAIT_MS 20000 /* ends a test that has failed already */
#define SEEN_MAX 4096

struct rig {
    char dir[64], sock[128];
    pid_t pid;
    struct td_stream link;
    struct td_arena arena;
    struct td_report seen[SEEN_MAX]; /* in the order they came */
    uint32_t nseen;
    struct td_sh_state state;
    uint32_t nstates;
};

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void shepherd_start(struct rig *r)
{
    r->pid = fork();
    assert_true(r->pid >= 0);
    if (r->pid == 0) {
        char log[128];
        snprintf(log, sizeof(log), "%s/shepherd.log", r->dir);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 2);
        execl(TENDER_SHEPHERD, "tender-shepherd", "--dir", r->dir, (char *)NULL);
        _exit(126);
    }
}

static void put(struct rig *r, uint32_t id, const void *body)
{
    assert_int_equal(td_stream_put(&r->link, id, 0, body), 0);
    while (td_stream_flush(&r->link) == 0)
        nap();
}

static void take(struct rig *r, const struct td_frame *f)
{
    if (f->id == TD_MSG_SH_STATE) {
        td_record_copy(&r->arena, &td_rec_sh_state, f->body, &r->state);
        r->nstates++;
        return;
    }
    assert_int_equal(f->id, TD_MSG_SH_STATUS);
    const struct td_sh_status *m = f->body;
    for (uint32_t i = 0; i < m->reports.n; i++) {
        assert_true(r->nseen < SEEN_MAX);
        td_record_copy(&r->arena, &td_rec_report, &m->reports.v[i], &r->seen[r->nseen++]);
    }
}

static void pump(struct rig *r)
{
    struct pollfd p = {.fd = r->link.fd, .events = POLLIN};
    struct td_error err = {0};
    struct td_frame f;
    const uint8_t *data;
    size_t len;
    poll(&p, 1, 20);
    if (!p.revents)
        return;
    if (td_stream_read(&r->link, &err) < 0)
        fail_msg("the shepherd closed the connection: %s", err.text);
    while (td_stream_next(&r->link, &data, &len, &err) > 0) {
        if (td_wire_get_frame(&r->arena, data, len, &f, &err) < 0)
            fail_msg("%s", err.text);
        take(r, &f);
    }
}

static void connect_as_worker(struct rig *r, uint64_t acked)
{
    struct td_error err = {0};
    int64_t end = now_ms() + WAIT_MS;
    int fd;
    while ((fd = td_local_connect(r->sock, &err)) < 0 && now_ms() < end)
        nap();
    if (fd < 0)
        fail_msg("%s", err.text);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    td_stream_init(&r->link, fd, 1 << 24);
    struct td_sh_hello hello = {.version = TD_PROTOCOL_VERSION, .acked = acked};
    uint32_t states = r->nstates;
    put(r, TD_MSG_SH_HELLO, &hello);
    while (r->nstates == states && now_ms() < end)
        pump(r);
    assert_int_equal(r->nstates, states + 1);
}

static int setup(void **state)
{
    struct rig *r = td_alloc(sizeof(*r));
    snprintf(r->dir, sizeof(r->dir), "/tmp/tender-shepherd.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    chmod(r->dir, 0755);
    snprintf(r->sock, sizeof(r->sock), "%s/shepherd.sock", r->dir);
    shepherd_start(r);
    connect_as_worker(r, 0);
    *state = r;
    return 0;
}

/* Exit status of a sweep. */
static int run_sweep(const struct rig *r)
{
    char cmd[512];
    snprintf(cmd, sizeof(cmd), "%s --dir %s --sweep 2>>%s/shepherd.log", TENDER_SHEPHERD, r->dir, r->dir);
    return system(cmd);
}

static void show_log(const struct rig *r)
{
    char path[128], line[1024];
    snprintf(path, sizeof(path), "%s/shepherd.log", r->dir);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strstr(line, " error "))
            print_message("%s", line);
    if (f)
        fclose(f);
}

static int teardown(void **state)
{
    struct rig *r = *state;
    char cmd[128];
    show_log(r);
    if (r->pid > 0) {
        struct td_sh_quit quit = {.now = true};
        int status;
        put(r, TD_MSG_SH_QUIT, &quit);
        assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
        assert_int_equal(status, 0);
    }
    td_stream_release(&r->link);
    td_arena_release(&r->arena);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", r->dir);
    assert_int_equal(system(cmd), 0);
    td_free(r);
    return 0;
}

/* --- a launch with everything a test may want to change ------------------------------------------------------------- */

struct job {
    struct td_sh_launch m;
    const char *argv[4];
    const char *env[8];
    char attempt[64], node_dir[128], out[192];
};

static struct td_sh_launch *job_make(struct rig *r, struct job *j, uint32_t job, const char *script)
{
    memset(j, 0, sizeof(*j));
    snprintf(j->attempt, sizeof(j->attempt), "TENDER_ATTEMPT=%u.1", job);
    snprintf(j->node_dir, sizeof(j->node_dir), "TENDER_NODE_DIR=%s", r->dir);
    snprintf(j->out, sizeof(j->out), "%s/out-%u", r->dir, job);
    j->argv[0] = "/bin/sh";
    j->argv[1] = "-c";
    j->argv[2] = script;
    j->env[0] = "PATH=/usr/bin:/bin";
    j->env[1] = j->attempt;
    j->env[2] = j->node_dir;
    j->env[3] = "SLURM_TASK_PID=0";
    j->m.argv = (struct td_strs){j->argv, 3};
    j->m.env = (struct td_strs){j->env, 4};
    j->m.out = j->out;
    j->m.kill_wait_s = 1;
    j->m.award = (struct td_award){.job = job, .attempt = 1, .limit_s = TD_INFINITE, .uid = getuid(), .gid = getgid()};
    j->m.award.place.node = "n1";
    j->m.spec.work_dir = r->dir;
    j->m.spec.umask = 022;
    return &j->m;
}

static const struct td_report *find(const struct rig *r, uint32_t job, uint32_t kind)
{
    for (uint32_t i = 0; i < r->nseen; i++)
        if (r->seen[i].job == job && r->seen[i].kind == kind)
            return &r->seen[i];
    return NULL;
}

static uint32_t count(const struct rig *r, uint32_t job, uint32_t kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->nseen; i++)
        n += r->seen[i].job == job && r->seen[i].kind == kind;
    return n;
}

static const struct td_report *wait_for(struct rig *r, uint32_t job, uint32_t kind)
{
    int64_t end = now_ms() + WAIT_MS;
    const struct td_report *got;
    while (!(got = find(r, job, kind)) && now_ms() < end)
        pump(r);
    if (!got)
        fail_msg("job %u: %s never came", job, td_report_name(kind));
    return got;
}

static const struct td_report *run(struct rig *r, uint32_t job, const char *script)
{
    struct job j;
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, job, script));
    wait_for(r, job, TD_REPORT_GONE);
    return wait_for(r, job, TD_REPORT_EXITED);
}

static char *slurp(const char *path)
{
    static char text[65536];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static char *output(struct rig *r, uint32_t job)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/out-%u", r->dir, job);
    return slurp(path);
}

/* Waits until the job has written a whole line that begins with `word`; returns the number behind it. */
static int wait_number(struct rig *r, uint32_t job, const char *word)
{
    int64_t end = now_ms() + WAIT_MS;
    while (now_ms() < end) {
        char *at = strstr(output(r, job), word);
        if (at && strchr(at, '\n'))
            return atoi(at + strlen(word));
        nap();
    }
    fail_msg("job %u never wrote %s", job, word);
    return 0;
}

/* Dead: gone, or a zombie that its parent has not looked at. */
static bool is_dead(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    char *at = strrchr(slurp(path), ')');
    return !at || at[2] == 'Z';
}

/* --- ends -------------------------------------------------------------------------------------------------------------- */

static void exit_codes_and_signals(void **state)
{
    struct rig *r = *state;
    const struct td_report *e = run(r, 1, "true");
    assert_int_equal(e->exit_code, 0);
    assert_int_equal(e->signal, 0);
    assert_false(e->launch_failed);
    assert_int_equal(run(r, 2, "false")->exit_code, 1);
    assert_int_equal(run(r, 3, "exit 7")->exit_code, 7);
    e = run(r, 4, "kill -USR1 $$");
    assert_int_equal(e->signal, SIGUSR1);
    assert_int_equal(e->exit_code, 0);
    /* a life in order: accepted, exited, gone, with growing numbers */
    for (uint32_t job = 1; job <= 4; job++) {
        uint64_t a = find(r, job, TD_REPORT_ACCEPTED)->no, b = find(r, job, TD_REPORT_EXITED)->no;
        assert_true(a > 0 && a < b && b < find(r, job, TD_REPORT_GONE)->no);
    }
}

static void usage_is_told(void **state)
{
    struct rig *r = *state;
    const struct td_report *e = run(r, 1, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    assert_true(e->usage.user_us > 0);
    assert_true(e->usage.max_rss_kb > 100);
}

static void unstartable_says_why(void **state)
{
    struct rig *r = *state;
    struct job j;
    const struct td_report *e;

    job_make(r, &j, 1, "true")->spec.work_dir = "/nope/nowhere";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    e = wait_for(r, 1, TD_REPORT_EXITED);
    assert_true(e->launch_failed);
    assert_string_equal(e->text, "cannot change to the working directory /nope/nowhere: No such file or directory");
    wait_for(r, 1, TD_REPORT_GONE);

    job_make(r, &j, 2, "true");
    j.argv[0] = "/bin/zsh-that-is-not-here";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    e = wait_for(r, 2, TD_REPORT_EXITED);
    assert_true(e->launch_failed);
    assert_string_equal(e->text, "cannot start /bin/zsh-that-is-not-here: No such file or directory");

    job_make(r, &j, 3, "true")->out = "/nope/nowhere/out";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    e = wait_for(r, 3, TD_REPORT_EXITED);
    assert_string_equal(e->text, "cannot open the output file /nope/nowhere/out: No such file or directory");

    job_make(r, &j, 4, "true")->err = "/nope/nowhere/err";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    e = wait_for(r, 4, TD_REPORT_EXITED);
    assert_string_equal(e->text, "cannot open the error file /nope/nowhere/err: No such file or directory");

    job_make(r, &j, 5, "true")->in = "/nope/nowhere/in";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    e = wait_for(r, 5, TD_REPORT_EXITED);
    assert_string_equal(e->text, "cannot open the input file /nope/nowhere/in: No such file or directory");

    job_make(r, &j, 6, "true")->cannot = "the moon is full";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    e = wait_for(r, 6, TD_REPORT_EXITED);
    assert_true(e->launch_failed);
    assert_string_equal(e->text, "the moon is full");

    char fifo[128];
    snprintf(fifo, sizeof(fifo), "%s/fifo", r->dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    job_make(r, &j, 7, "true")->out = fifo; /* nobody reads it: refused, not hung */
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    e = wait_for(r, 7, TD_REPORT_EXITED);
    assert_true(e->launch_failed);
    assert_non_null(strstr(e->text, "fifo: No such device or address"));
}

/* --- at most once ---------------------------------------------------------------------------------------------------- */

static void second_launch_starts_nothing(void **state)
{
    struct rig *r = *state;
    struct job j;
    job_make(r, &j, 1, "echo run; read x < go; echo over");
    char go[128];
    snprintf(go, sizeof(go), "%s/go", r->dir);
    assert_int_equal(mkfifo(go, 0600), 0);
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 1, TD_REPORT_ACCEPTED);
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    int64_t end = now_ms() + WAIT_MS;
    while (count(r, 1, TD_REPORT_ACCEPTED) < 2 && now_ms() < end)
        pump(r);
    assert_int_equal(count(r, 1, TD_REPORT_ACCEPTED), 2); /* the same one again */
    int fd = open(go, O_WRONLY);
    assert_true(fd >= 0 && write(fd, "x\n", 2) == 2);
    close(fd);
    wait_for(r, 1, TD_REPORT_GONE);
    assert_string_equal(output(r, 1), "run\nover\n");

    /* after the acknowledgement it is still known as a repeat */
    struct td_sh_ack ack = {.acked = find(r, 1, TD_REPORT_GONE)->no};
    put(r, TD_MSG_SH_ACK, &ack);
    uint32_t gone = count(r, 1, TD_REPORT_GONE);
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    while (count(r, 1, TD_REPORT_GONE) == gone && now_ms() < end)
        pump(r);
    assert_int_equal(count(r, 1, TD_REPORT_GONE), gone + 1);
    assert_string_equal(output(r, 1), "run\nover\n");
}

static void new_worker_gets_what_is_unacknowledged(void **state)
{
    struct rig *r = *state;
    struct job j;
    run(r, 1, "exit 3");
    run(r, 2, "exit 4");
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, 3, "sleep 1000"));
    wait_for(r, 3, TD_REPORT_ACCEPTED);
    uint64_t acked = find(r, 1, TD_REPORT_GONE)->no;
    td_stream_release(&r->link);
    r->nseen = 0;
    connect_as_worker(r, acked);
    wait_for(r, 2, TD_REPORT_GONE);
    assert_int_equal(wait_for(r, 2, TD_REPORT_EXITED)->exit_code, 4);
    assert_int_equal(count(r, 1, TD_REPORT_EXITED), 0); /* acknowledged: not again */
    assert_int_equal(r->state.running.n, 2);            /* 2: over, unacknowledged; 3: running */
    assert_true(r->state.running.v[0].exited);
    assert_int_equal(r->state.running.v[1].job, 3);
    assert_false(r->state.running.v[1].exited);
    assert_string_equal(r->state.places.v[1].node, "n1");
    wait_for(r, 3, TD_REPORT_ACCEPTED);
}

/* --- limits and kills ---------------------------------------------------------------------------------------------------- */

/* The line in an output file that says the job was ended. */
static const char *told_of_its_end(struct rig *r, uint32_t job)
{
    char want[96];
    snprintf(want, sizeof(want), "slurmstepd: error: *** JOB %u ON n1 CANCELLED AT 2", job);
    return strstr(output(r, job), want);
}

static void limit_ends_by_term(void **state)
{
    struct rig *r = *state;
    struct job j;
    job_make(r, &j, 1, "sleep 1000")->award.limit_s = 1;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 1, TD_REPORT_GONE);
    const struct td_report *e = wait_for(r, 1, TD_REPORT_EXITED);
    assert_true(e->timed_out);
    assert_int_equal(e->signal, SIGTERM);
    assert_non_null(told_of_its_end(r, 1));
    assert_non_null(strstr(output(r, 1), " DUE TO TIME LIMIT ***\n"));
}

/* The line goes to the error file, once, and only to a file; who ends by himself is told nothing. */
static void who_is_ended_is_told(void **state)
{
    struct rig *r = *state;
    struct job j;
    char err[128];
    struct td_sh_kill over = {.kill = {.job = 1, .attempt = 1}, .kill_wait_s = 30};
    snprintf(err, sizeof(err), "%s/err", r->dir);
    job_make(r, &j, 1, "echo ready 1; sleep 1000")->err = err;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_number(r, 1, "ready ");
    put(r, TD_MSG_SH_KILL, &over);
    put(r, TD_MSG_SH_KILL, &over);
    wait_for(r, 1, TD_REPORT_GONE);
    assert_string_equal(output(r, 1), "ready 1\n");
    char *line = slurp(err);
    assert_true(strncmp(line, "slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2", 49) == 0);
    assert_null(strstr(line, "DUE TO TIME LIMIT"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);

    job_make(r, &j, 2, "echo ready 2; sleep 1000")->err = "/dev/null";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_number(r, 2, "ready ");
    over.kill.job = 2;
    put(r, TD_MSG_SH_KILL, &over);
    wait_for(r, 2, TD_REPORT_GONE);
    assert_string_equal(output(r, 2), "ready 2\n");

    run(r, 3, "exit 3");
    run(r, 4, "kill -TERM $$");
    assert_string_equal(output(r, 3), "");
    assert_string_equal(output(r, 4), "");
}

static void limit_then_kill_wait(void **state)
{
    struct rig *r = *state;
    struct job j;
    job_make(r, &j, 1, "trap 'echo term' TERM; while :; do sleep 1000 & wait; done")->award.limit_s = 1;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    const struct td_report *e = wait_for(r, 1, TD_REPORT_EXITED);
    assert_true(e->timed_out);
    assert_int_equal(e->signal, SIGKILL);
    assert_non_null(strstr(output(r, 1), "term\n"));
    wait_for(r, 1, TD_REPORT_GONE);
}

static void warning_before_the_limit(void **state)
{
    struct rig *r = *state;
    struct job j;
    job_make(r, &j, 1, "trap 'echo warned; exit 5' USR2; while :; do sleep 1000 & wait; done");
    j.m.award.limit_s = 100;
    j.m.spec.signal = "B:USR2@99";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    const struct td_report *e = wait_for(r, 1, TD_REPORT_EXITED);
    assert_int_equal(e->exit_code, 5);
    assert_false(e->timed_out);
    assert_string_equal(output(r, 1), "warned\n");
    /* without B: its steps get it, not the script nor what that started */
    job_make(r, &j, 2, "trap 'exit 7' USR2; sh -c 'trap \"exit 9\" USR2; sleep 3; exit 6'");
    j.m.award.limit_s = 100;
    j.m.spec.signal = "USR2@99";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    assert_int_equal(wait_for(r, 2, TD_REPORT_EXITED)->exit_code, 6);
}

static void limit_can_be_moved(void **state)
{
    struct rig *r = *state;
    struct job j;
    job_make(r, &j, 1, "sleep 1000")->award.limit_s = 1000;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 1, TD_REPORT_ACCEPTED);
    struct td_sh_kill k = {.kill = {.job = 1, .attempt = 1, .limit_s = 1}, .kill_wait_s = 1};
    put(r, TD_MSG_SH_KILL, &k);
    wait_for(r, 1, TD_REPORT_ADJUSTED);
    assert_true(wait_for(r, 1, TD_REPORT_EXITED)->timed_out);
}

static void kill_ends_and_signals_come_once(void **state)
{
    struct rig *r = *state;
    struct job j;
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, 1, "trap 'echo usr1' USR1; echo ready 1; while :; do sleep 1000 & wait; done"));
    wait_number(r, 1, "ready ");
    wait_for(r, 1, TD_REPORT_ACCEPTED); /* a signal to one that is still being launched is for the worker to ask again */
    struct td_sh_kill k = {.kill = {.job = 1, .attempt = 1, .signal = SIGUSR1, .batch_only = true, .no = 1}};
    put(r, TD_MSG_SH_KILL, &k);
    put(r, TD_MSG_SH_KILL, &k); /* a repeat */
    int64_t end = now_ms() + WAIT_MS;
    while (count(r, 1, TD_REPORT_SIGNALLED) < 2 && now_ms() < end)
        pump(r);
    wait_number(r, 1, "usr1");
    struct td_sh_kill over = {.kill = {.job = 1, .attempt = 1}, .kill_wait_s = 30};
    put(r, TD_MSG_SH_KILL, &over);
    put(r, TD_MSG_SH_KILL, &over);
    assert_int_equal(wait_for(r, 1, TD_REPORT_EXITED)->signal, SIGTERM);
    wait_for(r, 1, TD_REPORT_GONE);
    assert_true(strncmp(output(r, 1), "ready 1\nusr1\n", 13) == 0);
    assert_non_null(told_of_its_end(r, 1));
    /* somebody nobody knows is gone */
    over.kill.job = 77;
    put(r, TD_MSG_SH_KILL, &over);
    wait_for(r, 77, TD_REPORT_GONE);
    assert_null(find(r, 77, TD_REPORT_EXITED));
}

static void other_ranks_hold(void **state)
{
    struct rig *r = *state;
    struct job j;
    job_make(r, &j, 1, "echo never")->award.node_rank = 1;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 1, TD_REPORT_ACCEPTED);
    struct td_sh_kill k = {.kill = {.job = 1, .attempt = 1}};
    put(r, TD_MSG_SH_KILL, &k);
    wait_for(r, 1, TD_REPORT_GONE);
    assert_null(find(r, 1, TD_REPORT_EXITED));
    assert_string_equal(output(r, 1), "");
}

/* --- the fence ------------------------------------------------------------------------------------------------------------- */

static int64_t boot_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void lease(struct rig *r, int64_t until_ms)
{
    put(r, TD_MSG_SH_LEASE, &(struct td_sh_lease){.until_ms = until_ms, .kill_wait_s = 1});
}

/* 1 is fenced, 2 is not, 3 is the part of a fenced job that has no process here. */
static void a_fence_ends_what_is_fenced(void **state)
{
    struct rig *r = *state;
    struct job j;
    lease(r, boot_ms() + 3600 * 1000);
    job_make(r, &j, 1, "echo ready 1; trap '' TERM; while :; do sleep 1000 & wait; done")->award.fenced = true;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, 2, "echo ready $$; sleep 1000"));
    job_make(r, &j, 3, "echo never")->award.fenced = true;
    j.m.award.node_rank = 1;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_number(r, 1, "ready ");
    pid_t unfenced = wait_number(r, 2, "ready ");
    wait_for(r, 3, TD_REPORT_ACCEPTED);
    lease(r, boot_ms() + 3600 * 1000); /* moved on: nothing ends */
    assert_null(find(r, 1, TD_REPORT_EXITED));

    lease(r, boot_ms() + 1); /* and the last time */
    const struct td_report *e = wait_for(r, 1, TD_REPORT_EXITED);
    assert_true(e->cut_off);
    assert_int_equal(e->signal, SIGKILL);
    assert_true(wait_for(r, 1, TD_REPORT_GONE)->cut_off);
    assert_true(wait_for(r, 3, TD_REPORT_GONE)->cut_off);
    assert_non_null(strstr(output(r, 1), " DUE TO NODE FAILURE ***\n"));
    assert_false(is_dead(unfenced));
    assert_null(find(r, 2, TD_REPORT_EXITED));

    /* nothing fenced is started behind it */
    job_make(r, &j, 4, "echo never")->award.fenced = true;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    assert_non_null(strstr(wait_for(r, 4, TD_REPORT_DECLINED)->text, "cut off"));
    assert_int_equal(run(r, 5, "exit 5")->exit_code, 5);
    lease(r, boot_ms() + 3600 * 1000);
    job_make(r, &j, 6, "exit 6")->award.fenced = true;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    assert_int_equal(wait_for(r, 6, TD_REPORT_EXITED)->exit_code, 6);
    assert_false(find(r, 6, TD_REPORT_EXITED)->cut_off);

    struct td_sh_kill over = {.kill = {.job = 2, .attempt = 1}, .kill_wait_s = 1};
    put(r, TD_MSG_SH_KILL, &over);
    assert_false(wait_for(r, 2, TD_REPORT_GONE)->cut_off);
}

/* Its worker is dead and nobody moves it. */
static void a_fence_needs_no_worker(void **state)
{
    struct rig *r = *state;
    struct job j;
    int64_t until = boot_ms() + 300;
    lease(r, until);
    job_make(r, &j, 1, "echo ready $$; sleep 1000")->award.fenced = true;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    pid_t pid = wait_number(r, 1, "ready ");
    td_stream_release(&r->link);
    int64_t end = now_ms() + WAIT_MS;
    while (!is_dead(pid) && now_ms() < end)
        nap();
    assert_true(is_dead(pid));
    assert_true(boot_ms() >= until);
    connect_as_worker(r, 0);
    assert_int_equal(r->state.fence_ms, until); /* the next one is told how it stands */
    assert_true(wait_for(r, 1, TD_REPORT_EXITED)->cut_off);
}

/* --- nothing stays --------------------------------------------------------------------------------------------------------- */

static void strays_are_ended(void **state)
{
    struct rig *r = *state;
    struct job j;
    /* one in the group, one in a session of its own, one that also forgot its environment */
    run(r, 1, "sleep 1000 & echo group $!");
    run(r, 2, "setsid sh -c 'echo session $$; exec sleep 1000' & wait_for() { until grep -q session out-2; do :; done; }; wait_for");
    run(r, 3, "setsid env -i sh -c 'echo bare $$; exec /bin/sleep 1000' & until grep -q bare out-3; do :; done");
    assert_true(is_dead(wait_number(r, 1, "group ")));
    assert_true(is_dead(wait_number(r, 2, "session ")));
    assert_true(is_dead(wait_number(r, 3, "bare ")));
    /* the strays of a live one are its own business */
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, 4, "(setsid sh -c 'echo mine $$; exec sleep 1000' &); sleep 1000"));
    int mine = wait_number(r, 4, "mine ");
    run(r, 5, "sleep 1000 & echo group $!");
    assert_true(is_dead(wait_number(r, 5, "group ")));
    assert_false(is_dead(mine));
    struct td_sh_kill k = {.kill = {.job = 4, .attempt = 1}, .kill_wait_s = 30};
    put(r, TD_MSG_SH_KILL, &k);
    wait_for(r, 4, TD_REPORT_GONE);
    assert_true(is_dead(mine));
}

static void dead_shepherd_leaves_nothing(void **state)
{
    struct rig *r = *state;
    struct job j;
    run(r, 9, "exit 2");
    put(r, TD_MSG_SH_LAUNCH,
        job_make(r, &j, 1, "setsid sh -c 'echo apart $$; exec sleep 1000' & sleep 1000 & echo child $!; echo leader $$; wait"));
    int apart = wait_number(r, 1, "apart "), child = wait_number(r, 1, "child "), leader = wait_number(r, 1, "leader ");
    wait_for(r, 1, TD_REPORT_ACCEPTED);
    uint64_t last = r->seen[r->nseen - 1].no;
    const char *before = r->state.boot_id;

    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    td_stream_release(&r->link);
    r->nseen = 0;
    shepherd_start(r);
    connect_as_worker(r, 0);
    assert_true(is_dead(leader) && is_dead(child) && is_dead(apart));
    assert_string_not_equal(r->state.boot_id, before);
    /* what was alive is not listed; what had ended is, until that is acknowledged */
    assert_int_equal(r->state.running.n, 1);
    assert_int_equal(r->state.running.v[0].job, 9);
    assert_true(r->state.running.v[0].exited);
    assert_true(r->state.next_no > last);
    assert_int_equal(wait_for(r, 9, TD_REPORT_EXITED)->exit_code, 2); /* what was not acknowledged is said again */
}

static bool has_groups(void)
{
    return system("find /sys/fs/cgroup -maxdepth 6 -type d -name \"tender-$(basename $RIG_DIR)-*\" 2>/dev/null | grep -q .") == 0;
}

/* Twice forked, a session of its own, no environment: no list of processes tells whose it is. */
#define ESCAPE "(setsid env -i /bin/sh -c '(/bin/sh -c \"echo bare \\$\\$; exec /bin/sleep 1000\" &) ' &); "

static void nothing_escapes_a_dead_shepherd(void **state)
{
    struct rig *r = *state;
    struct job j;
    setenv("RIG_DIR", r->dir, 1);
    if (!has_groups())
        skip(); /* no cgroup may be used here: the log says so */
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, 1, ESCAPE "echo leader $$; sleep 1000"));
    int bare = wait_number(r, 1, "bare "), leader = wait_number(r, 1, "leader ");
    wait_for(r, 1, TD_REPORT_ACCEPTED);
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    td_stream_release(&r->link);
    assert_false(is_dead(bare));
    shepherd_start(r);
    connect_as_worker(r, 0);
    assert_true(is_dead(bare) && is_dead(leader));

    /* nor a sweep without a shepherd, which takes the groups away */
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, 2, ESCAPE "sleep 1000"));
    bare = wait_number(r, 2, "bare ");
    assert_int_equal(run_sweep(r), 1 << 8); /* one that lives is left in peace */
    assert_false(is_dead(bare));
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    td_stream_release(&r->link);
    assert_int_equal(run_sweep(r), 0);
    assert_true(is_dead(bare));
    assert_false(has_groups());
    shepherd_start(r);
    connect_as_worker(r, 0);
}

/* Killed between making a process and writing that down: a worker that asks again must not get a second one. */
static void a_group_nobody_wrote_down_is_another_boot(void **state)
{
    struct rig *r = *state;
    setenv("RIG_DIR", r->dir, 1);
    if (!has_groups())
        skip();
    const char *before = r->state.boot_id;
    run(r, 1, "true"); /* its group is kept for another, and says nothing about one */
    for (int with = 0; with < 3; with++) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
        td_stream_release(&r->link);
        if (with)
            assert_int_equal(system(with == 1 ? "mkdir $(cat $RIG_DIR/spool/cgroup)/9" : "mkdir $(cat $RIG_DIR/spool/cgroup)/7.1"), 0);
        shepherd_start(r);
        connect_as_worker(r, 0);
        assert_int_equal(strcmp(r->state.boot_id, before) != 0, with != 0);
        before = r->state.boot_id;
    }
}

static void groups_come_and_go_with_their_attempts(void **state)
{
    struct rig *r = *state;
    struct job j;
    setenv("RIG_DIR", r->dir, 1);
    if (!has_groups())
        skip();
    run(r, 1, "cat /proc/self/cgroup");
    const char *base = strrchr(r->dir, '/');
    assert_non_null(strstr(output(r, 1), base + 1));
    run(r, 5, "cat /proc/self/cgroup");
    assert_string_equal(output(r, 1), output(r, 5)); /* the same group, used again */
    job_make(r, &j, 2, "true")->spec.work_dir = "/nowhere";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 2, TD_REPORT_GONE);
    /* the strays of one are not those of another, though their user is the same */
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, 3, ESCAPE "sleep 1000"));
    int bare = wait_number(r, 3, "bare ");
    run(r, 4, ESCAPE "until grep -q bare out-4; do :; done");
    assert_true(is_dead(wait_number(r, 4, "bare ")));
    assert_false(is_dead(bare));
    struct td_sh_kill over = {.kill = {.job = 3, .attempt = 1}, .kill_wait_s = 30};
    put(r, TD_MSG_SH_KILL, &over);
    wait_for(r, 3, TD_REPORT_GONE);
    assert_true(is_dead(bare));
    assert_int_not_equal(system("cat $(cat $RIG_DIR/spool/cgroup)/*/cgroup.procs | grep -q ."), 0);
}

#define OWN_GROUP "g=/sys/fs/cgroup/unified$(sed -n s/^0:://p /proc/self/cgroup); [ -d $g ] || g=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup); "

/* What a job does to its own group is not the next one's trouble. */
static void a_spoilt_group_is_nobodys_trouble(void **state)
{
    struct rig *r = *state;
    run(r, 1, OWN_GROUP "echo 1 > $g/cgroup.kill; sleep 1000");
    const struct td_report *e = run(r, 2, "echo alive 2");
    assert_int_equal(e->signal, 0);
    assert_int_equal(wait_number(r, 2, "alive "), 2);
    run(r, 3, OWN_GROUP "echo 0 > $g/cgroup.max.descendants");
    run(r, 4, OWN_GROUP "mkdir $g/below && rmdir $g/below && echo free 4");
    assert_int_equal(wait_number(r, 4, "free "), 4);
}

static void boot_id_stays_when_nothing_ran(void **state)
{
    struct rig *r = *state;
    run(r, 1, "exit 2");
    const char *before = r->state.boot_id;
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    td_stream_release(&r->link);
    r->nseen = 0;
    shepherd_start(r);
    connect_as_worker(r, 0);
    assert_string_equal(r->state.boot_id, before);
    assert_int_equal(r->state.running.n, 1);
    assert_int_equal(wait_for(r, 1, TD_REPORT_EXITED)->exit_code, 2);
    uint64_t last = wait_for(r, 1, TD_REPORT_GONE)->no;

    /* acknowledged: the next one has nothing to say */
    td_stream_release(&r->link);
    connect_as_worker(r, last);
    assert_int_equal(r->state.running.n, 0);
}

static void torn_spool_is_read_to_its_last_page(void **state)
{
    struct rig *r = *state;
    char path[128];
    run(r, 1, "exit 2");
    kill(r->pid, SIGKILL);
    waitpid(r->pid, NULL, 0);
    td_stream_release(&r->link);
    snprintf(path, sizeof(path), "%s/spool/statuses", r->dir);
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "\0\0\1\0torn", 8), 8);
    close(fd);
    r->nseen = 0;
    shepherd_start(r);
    connect_as_worker(r, 0);
    assert_int_equal(wait_for(r, 1, TD_REPORT_EXITED)->exit_code, 2);
    run(r, 2, "true");
}

static void leaves_when_asked_and_idle(void **state)
{
    struct rig *r = *state;
    struct job j;
    int status;
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, 1, "sleep 1000"));
    wait_for(r, 1, TD_REPORT_ACCEPTED);
    kill(r->pid, SIGTERM);
    put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, 2, "true"));
    int64_t end = now_ms() + WAIT_MS;
    while (!find(r, 2, TD_REPORT_DECLINED) && !find(r, 2, TD_REPORT_GONE) && now_ms() < end)
        pump(r);
    assert_int_equal(waitpid(r->pid, &status, WNOHANG), 0); /* job 1 runs */
    struct td_sh_kill k = {.kill = {.job = 1, .attempt = 1}, .kill_wait_s = 30};
    put(r, TD_MSG_SH_KILL, &k);
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    assert_int_equal(status, 0);
    r->pid = 0;
    assert_int_not_equal(access(r->sock, F_OK), 0);
}

/* --- what the script finds ------------------------------------------------------------------------------------------------- */

static void script_finds_its_surroundings(void **state)
{
    struct rig *r = *state;
    struct job j;
    struct td_rlimit limits[] = {{.which = RLIMIT_NOFILE, .soft = 77, .hard = 99}, {.which = RLIMIT_CORE, .soft = 0, .hard = 0}};
    job_make(r, &j, 1,
             "umask; pwd; ulimit -Sn; ulimit -Hn; echo $0 $#; [ $SLURM_TASK_PID = $$ ] && echo pid; cat; "
             "echo err >&2; ls /proc/self/fd | wc -l; grep SigBlk /proc/self/status");
    j.m.spec.umask = 027;
    j.m.spec.rlimits = (struct td_rlimit_list){limits, 2};
    char work[128], want[512];
    snprintf(work, sizeof(work), "%s/work", r->dir);
    mkdir(work, 0755);
    j.m.spec.work_dir = work;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 1, TD_REPORT_GONE);
    snprintf(want, sizeof(want), "0027\n%s\n77\n99\n/bin/sh 0\npid\nerr\n4\nSigBlk:\t0000000000000000\n", work);
    assert_string_equal(output(r, 1), want);

    struct stat st;
    assert_int_equal(stat(j.out, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void binds_to_the_cpus_given(void **state)
{
    struct rig *r = *state;
    struct job j;
    uint8_t first[] = {0x01}, none[512] = {0};
    job_make(r, &j, 1, "grep Cpus_allowed_list /proc/self/status")->bind = (struct td_bin){first, 1};
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 1, TD_REPORT_GONE);
    if (!find(r, 1, TD_REPORT_EXITED)->launch_failed) /* a machine may keep CPU 0 from us */
        assert_string_equal(output(r, 1), "Cpus_allowed_list:\t0\n");
    none[511] = 0x80;
    job_make(r, &j, 2, "true")->bind = (struct td_bin){none, sizeof(none)};
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    const struct td_report *e = wait_for(r, 2, TD_REPORT_EXITED);
    assert_true(e->launch_failed);
    assert_string_equal(e->text, "cannot bind to the allocated CPUs: Invalid argument");
}

static void output_truncates_or_appends(void **state)
{
    struct rig *r = *state;
    struct job j;
    run(r, 1, "echo one one one");
    char same[192];
    snprintf(same, sizeof(same), "%s/out-1", r->dir);
    job_make(r, &j, 2, "echo two")->out = same;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 2, TD_REPORT_GONE);
    assert_string_equal(output(r, 1), "two\n");
    job_make(r, &j, 3, "echo three; echo err >&2")->out = same;
    j.m.err = same;
    j.m.spec.append = true;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 3, TD_REPORT_GONE);
    assert_string_equal(output(r, 1), "two\nthree\nerr\n");
}

static void runs_as_the_user(void **state)
{
    struct rig *r = *state;
    struct job j;
    uint32_t groups[] = {65533, 65532};
    char work[128];
    if (geteuid() != 0)
        skip();
    snprintf(work, sizeof(work), "%s/work", r->dir);
    mkdir(work, 0755);
    assert_int_equal(chown(work, 65534, 65534), 0);
    job_make(r, &j, 1, "id -u; id -g; id -G");
    j.m.become_user = true;
    j.m.award.uid = j.m.award.gid = 65534;
    j.m.spec.groups = (struct td_u32s){groups, 2};
    j.m.spec.work_dir = work;
    j.m.out = "mine";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 1, TD_REPORT_GONE);
    char path[192];
    struct stat st;
    snprintf(path, sizeof(path), "%s/mine", work);
    assert_string_equal(slurp(path), "65534\n65534\n65534 65532 65533\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, 65534);
    /* and files it may not write are refused to it, though the shepherd might */
    job_make(r, &j, 2, "true")->become_user = true;
    j.m.award.uid = j.m.award.gid = 65534;
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    const struct td_report *e = wait_for(r, 2, TD_REPORT_EXITED);
    assert_true(e->launch_failed);
    assert_non_null(strstr(e->text, "Permission denied"));
}

/* Of a user who cannot leave his group the process list is not even asked. */
static void a_users_stray_is_told_by_its_group(void **state)
{
    struct rig *r = *state;
    struct job j;
    char work[128], path[192];
    setenv("RIG_DIR", r->dir, 1);
    if (geteuid() != 0 || !has_groups())
        skip();
    snprintf(work, sizeof(work), "%s/work", r->dir);
    mkdir(work, 0755);
    assert_int_equal(chown(work, 65534, 65534), 0);
    job_make(r, &j, 1, ESCAPE "until grep -q bare mine; do :; done; exit 4");
    j.m.become_user = true;
    j.m.award.uid = j.m.award.gid = 65534;
    j.m.spec.work_dir = work;
    j.m.out = "mine";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 1, TD_REPORT_GONE);
    assert_int_equal(find(r, 1, TD_REPORT_EXITED)->exit_code, 4);
    snprintf(path, sizeof(path), "%s/mine", work);
    int bare = 0;
    assert_int_equal(sscanf(slurp(path), "bare %d", &bare), 1);
    assert_true(bare > 0 && is_dead(bare));
}

/* Root of a container may lack the right, and then nothing is shown. */
static bool root_may_raise_limits(void)
{
    struct rlimit low = {.rlim_cur = 0, .rlim_max = 4096}, more = {.rlim_cur = 0, .rlim_max = 8192};
    int status = 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(setrlimit(RLIMIT_CORE, &low) < 0 || setrlimit(RLIMIT_CORE, &more) < 0);
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* What a submission asks for is not what its user may have: the node's hard limit stands. */
static void no_user_gets_beyond_the_hard_limit(void **state)
{
    struct rig *r = *state;
    struct job j;
    char work[128];
    struct rlimit low = {.rlim_cur = 1024, .rlim_max = 4096};
    struct td_rlimit asked[] = {{.which = RLIMIT_CORE, .soft = 8192, .hard = 1 << 20}};
    if (geteuid() != 0 || !root_may_raise_limits())
        skip();
    assert_int_equal(prlimit(r->pid, RLIMIT_CORE, &low, NULL), 0);
    snprintf(work, sizeof(work), "%s/work", r->dir);
    mkdir(work, 0755);
    assert_int_equal(chown(work, 65534, 65534), 0);
    job_make(r, &j, 1, "awk '/core file/ { print $5, $6 }' /proc/self/limits");
    j.m.become_user = true;
    j.m.award.uid = j.m.award.gid = 65534;
    j.m.spec.rlimits = (struct td_rlimit_list){asked, 1};
    j.m.spec.work_dir = work;
    j.m.out = "mine";
    put(r, TD_MSG_SH_LAUNCH, &j.m);
    wait_for(r, 1, TD_REPORT_GONE);
    char path[192];
    snprintf(path, sizeof(path), "%s/mine", work);
    assert_string_equal(slurp(path), "tender: resource limit 4 cannot be set to 8192 here: it stays lower\n4096 4096\n");
}

static void many_at_once(void **state)
{
    struct rig *r = *state;
    struct job j;
    enum { JOBS = 300 };
    for (uint32_t i = 1; i <= JOBS; i++)
        put(r, TD_MSG_SH_LAUNCH, job_make(r, &j, i, i % 3 ? "true" : "exit 3"));
    for (uint32_t i = 1; i <= JOBS; i++) {
        wait_for(r, i, TD_REPORT_GONE);
        assert_int_equal(find(r, i, TD_REPORT_EXITED)->exit_code, i % 3 ? 0 : 3);
        assert_int_equal(count(r, i, TD_REPORT_EXITED), 1);
    }
}

static void garbage_closes_only_its_connection(void **state)
{
    struct rig *r = *state;
    struct td_error err;
    int fd = td_local_connect(r->sock, &err);
    char c;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "\0\0\0\4\xff\xff\xff\xff", 8), 8);
    assert_int_equal(read(fd, &c, 1), 0);
    close(fd);
    run(r, 1, "true");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(exit_codes_and_signals),
        T(usage_is_told),
        T(unstartable_says_why),
        T(second_launch_starts_nothing),
        T(new_worker_gets_what_is_unacknowledged),
        T(who_is_ended_is_told),
        T(limit_ends_by_term),
        T(limit_then_kill_wait),
        T(warning_before_the_limit),
        T(limit_can_be_moved),
        T(kill_ends_and_signals_come_once),
        T(other_ranks_hold),
        T(a_fence_ends_what_is_fenced),
        T(a_fence_needs_no_worker),
        T(strays_are_ended),
        T(dead_shepherd_leaves_nothing),
        T(nothing_escapes_a_dead_shepherd),
        T(a_group_nobody_wrote_down_is_another_boot),
        T(groups_come_and_go_with_their_attempts),
        T(a_spoilt_group_is_nobodys_trouble),
        T(boot_id_stays_when_nothing_ran),
        T(torn_spool_is_read_to_its_last_page),
        T(leaves_when_asked_and_idle),
        T(script_finds_its_surroundings),
        T(binds_to_the_cpus_given),
        T(output_truncates_or_appends),
        T(runs_as_the_user),
        T(a_users_stray_is_told_by_its_group),
        T(no_user_gets_beyond_the_hard_limit),
        T(many_at_once),
        T(garbage_closes_only_its_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
