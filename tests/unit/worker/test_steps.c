/* test_steps.c - steps of the real tender-shepherd: the test plays the worker on one connection and the relay on another */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/local.h"

#define WAIT_MS 20000 /* ends a test that has failed already */
#define CREDIT (256u * 1024)
#define TASKS_MAX 16

struct flow {
    struct td_buf bytes;
    bool eof;
};
struct rig {
    char dir[64], sock[128], attempt[64], node_dir[128], step_name[64];
    pid_t pid;
    struct td_stream worker, relay;
    struct td_arena arena;
    TD_VEC(struct td_report) seen;
    uint32_t nstates;
    struct flow out[TASKS_MAX][2];
    struct td_sh_task_exit exits[TASKS_MAX];
    uint32_t nexits;
    uint64_t in_taken;
    bool attached, last, hold; /* hold: nothing is taken */
    const char *argv[4], *env[4];
    struct td_sh_task tasks[TASKS_MAX];
    struct td_sh_step m;
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

static void put(struct td_stream *s, uint32_t id, const void *body)
{
    assert_int_equal(td_stream_put(s, id, 0, body), 0);
    while (td_stream_flush(s) == 0)
        nap();
}

static void take_data(struct rig *r, const struct td_sh_data *m)
{
    assert_true(m->rank < TASKS_MAX && m->stream >= 1 && m->stream <= 2);
    struct flow *f = &r->out[m->rank][m->stream - 1];
    assert_true(m->at <= f->bytes.len); /* never a hole */
    size_t skip = f->bytes.len - m->at;
    if (skip < m->bytes.n)
        td_buf_put(&f->bytes, m->bytes.v + skip, m->bytes.n - skip);
    f->eof |= m->eof;
    struct td_sh_taken taken = {.rank = m->rank, .stream = m->stream, .upto = m->at + m->bytes.n};
    if (!r->hold)
        put(&r->relay, TD_MSG_SH_TAKEN, &taken);
}

static void take(struct rig *r, const struct td_frame *f)
{
    switch (f->id) {
    case TD_MSG_SH_STATE:
        r->nstates++;
        break;
    case TD_MSG_SH_STATUS: {
        const struct td_sh_status *m = f->body;
        for (uint32_t i = 0; i < m->reports.n; i++) {
            struct td_report copy;
            td_record_copy(&r->arena, &td_rec_report, &m->reports.v[i], &copy);
            td_vec_push(&r->seen, copy);
        }
        break;
    }
    case TD_MSG_SH_DATA:
        take_data(r, f->body);
        break;
    case TD_MSG_SH_TAKEN:
        r->attached = true; /* where input goes on is the first word to a relay */
        r->in_taken = ((const struct td_sh_taken *)f->body)->upto;
        break;
    case TD_MSG_SH_TASK_EXIT: {
        const struct td_sh_task_exit *m = f->body;
        td_record_copy(&r->arena, &td_rec_sh_task_exit, m, &r->exits[m->rank]);
        r->nexits++;
        r->last |= m->last;
        break;
    }
    default:
        fail_msg("unexpected %s", td_msg_name(f->id));
    }
}

/* false: the other side closed */
static bool read_from(struct rig *r, struct td_stream *s)
{
    struct td_error err = {0};
    const uint8_t *data;
    size_t len;
    if (s->fd < 0)
        return true;
    bool open = td_stream_read(s, &err) >= 0;
    while (td_stream_next(s, &data, &len, &err) > 0) {
        struct td_frame f;
        if (td_wire_get_frame(&r->arena, data, len, &f, &err) < 0)
            fail_msg("%s", err.text);
        take(r, &f);
    }
    return open;
}

static void pump(struct rig *r)
{
    struct pollfd p[2] = {{.fd = r->worker.fd, .events = POLLIN}, {.fd = r->relay.fd, .events = POLLIN}};
    poll(p, 2, 20);
    if (p[0].revents)
        assert_true(read_from(r, &r->worker));
    if (p[1].revents && !read_from(r, &r->relay))
        td_stream_release(&r->relay);
}

static void dial(struct rig *r, struct td_stream *s)
{
    struct td_error err = {0};
    int64_t end = now_ms() + WAIT_MS;
    int fd;
    while ((fd = td_local_connect(r->sock, &err)) < 0 && now_ms() < end)
        nap();
    if (fd < 0)
        fail_msg("%s", err.text);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    td_stream_init(s, fd, 1 << 24);
}

static const struct td_report *find(struct rig *r, uint32_t step, uint32_t kind)
{
    for (uint32_t i = 0; i < r->seen.n; i++)
        if (r->seen.v[i].step == step && r->seen.v[i].kind == kind)
            return &r->seen.v[i];
    return NULL;
}

static const struct td_report *wait_for(struct rig *r, uint32_t step, uint32_t kind)
{
    int64_t end = now_ms() + WAIT_MS;
    while (!find(r, step, kind) && now_ms() < end)
        pump(r);
    if (!find(r, step, kind))
        fail_msg("step %u: %s never came", step, td_report_name(kind));
    return find(r, step, kind);
}

static uint32_t count(struct rig *r, uint32_t step, uint32_t kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->seen.n; i++)
        n += r->seen.v[i].step == step && r->seen.v[i].kind == kind;
    return n;
}

static int setup(void **state)
{
    struct rig *r = td_alloc(sizeof(*r));
    snprintf(r->dir, sizeof(r->dir), "/tmp/tender-steps.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->sock, sizeof(r->sock), "%s/shepherd.sock", r->dir);
    r->pid = fork();
    if (r->pid == 0) {
        char log[128];
        snprintf(log, sizeof(log), "%s/shepherd.log", r->dir);
        dup2(open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
        execl(TENDER_SHEPHERD, "tender-shepherd", "--dir", r->dir, (char *)NULL);
        _exit(126);
    }
    td_stream_init(&r->relay, -1, 0);
    dial(r, &r->worker);
    put(&r->worker, TD_MSG_SH_HELLO, &(struct td_sh_hello){.version = TD_PROTOCOL_VERSION});
    while (!r->nstates)
        pump(r);
    /* the allocation of a session */
    struct td_sh_launch m = {.kill_wait_s = 1};
    m.award = (struct td_award){.job = 1, .attempt = 1, .limit_s = TD_INFINITE, .node_rank = 1, .uid = getuid(), .gid = getgid()};
    m.award.place.node = "n1";
    put(&r->worker, TD_MSG_SH_LAUNCH, &m);
    wait_for(r, TD_STEP_BATCH, TD_REPORT_ACCEPTED);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    char cmd[128];
    int status;
    put(&r->worker, TD_MSG_SH_QUIT, &(struct td_sh_quit){.now = true});
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    assert_int_equal(status, 0);
    td_stream_release(&r->worker);
    td_stream_release(&r->relay);
    td_arena_release(&r->arena);
    td_vec_release(&r->seen);
    for (uint32_t i = 0; i < TASKS_MAX; i++)
        for (uint32_t k = 0; k < 2; k++)
            td_buf_release(&r->out[i][k].bytes);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", r->dir);
    assert_int_equal(system(cmd), 0);
    td_free(r);
    return 0;
}

/* --- a step with everything a test may want to change ------------------------------------------------------------------ */

static struct td_sh_step *step_make(struct rig *r, uint32_t step, uint32_t ntasks, const char *script)
{
    memset(&r->m, 0, sizeof(r->m));
    memset(r->tasks, 0, sizeof(r->tasks));
    snprintf(r->attempt, sizeof(r->attempt), "TENDER_ATTEMPT=1.1");
    snprintf(r->node_dir, sizeof(r->node_dir), "TENDER_NODE_DIR=%s", r->dir);
    snprintf(r->step_name, sizeof(r->step_name), "TENDER_STEP=1.1.%u", step);
    r->argv[0] = "sh";
    r->argv[1] = "-c";
    r->argv[2] = script;
    r->env[0] = "PATH=/nowhere:/usr/bin:/bin";
    r->env[1] = r->attempt;
    r->env[2] = r->node_dir;
    r->env[3] = r->step_name;
    r->m.env = (struct td_strs){r->env, 4};
    struct td_step_launch *l = &r->m.launch;
    *l = (struct td_step_launch){.job = 1, .attempt = 1, .step = step, .limit_s = TD_INFINITE, .ntasks = ntasks};
    l->spec.argv = (struct td_strs){r->argv, 3};
    l->spec.cwd = r->dir;
    l->spec.umask = 022;
    for (uint32_t i = 0; i < ntasks; i++) {
        static const char *const ranks[] = {"RANK=0", "RANK=1", "RANK=2", "RANK=3", "RANK=4", "RANK=5", "RANK=6", "RANK=7"};
        r->tasks[i] = (struct td_sh_task){.rank = i, .env = {&ranks[i % 8], 1}};
    }
    r->m.tasks = (struct td_sh_task_list){r->tasks, ntasks};
    return &r->m;
}

static void attach(struct rig *r, uint32_t step)
{
    int64_t end = now_ms() + WAIT_MS;
    r->attached = false;
    while (!r->attached && now_ms() < end) { /* it may overtake the step on the other connection: then again */
        if (r->relay.fd < 0) {
            dial(r, &r->relay);
            put(&r->relay, TD_MSG_SH_ATTACH, &(struct td_sh_attach){.job = 1, .attempt = 1, .step = step, .credit = CREDIT});
        }
        pump(r);
    }
    assert_true(r->attached);
}

static void wait_last(struct rig *r, uint32_t ntasks)
{
    int64_t end = now_ms() + WAIT_MS;
    bool over = false;
    while (!over && now_ms() < end) {
        pump(r);
        over = r->last;
        for (uint32_t i = 0; i < ntasks; i++)
            over &= r->out[i][0].eof;
    }
    assert_true(over);
}

/* So much of task 0's output. */
static void wait_bytes(struct rig *r, size_t want)
{
    int64_t end = now_ms() + WAIT_MS;
    while (r->out[0][0].bytes.len < want && now_ms() < end)
        pump(r);
    assert_true(r->out[0][0].bytes.len >= want);
}

static const struct td_report *run(struct rig *r, uint32_t step, uint32_t ntasks, const char *script)
{
    put(&r->worker, TD_MSG_SH_STEP, step_make(r, step, ntasks, script));
    attach(r, step);
    wait_last(r, ntasks);
    return wait_for(r, step, TD_REPORT_EXITED);
}

static const char *text(struct rig *r, uint32_t rank, uint32_t stream)
{
    return td_buf_str(&r->out[rank][stream - 1].bytes);
}

/* --- tests -------------------------------------------------------------------------------------------------------------------- */

static void tasks_run_and_end(void **state)
{
    struct rig *r = *state;
    const struct td_report *e = run(r, 0, 3, "echo out $RANK; echo err $RANK >&2; exit $RANK");
    assert_non_null(find(r, 0, TD_REPORT_STARTED));
    assert_int_equal(e->exit_code, 2); /* the worst */
    assert_string_equal(text(r, 1, 1), "out 1\n");
    assert_string_equal(text(r, 2, 2), "err 2\n");
    assert_int_equal(r->nexits, 3);
    assert_int_equal(r->exits[1].exit_code, 1);
    assert_true(find(r, 0, TD_REPORT_STARTED)->no < e->no);
}

static void a_step_is_started_once(void **state)
{
    struct rig *r = *state;
    put(&r->worker, TD_MSG_SH_STEP, step_make(r, 5, 1, "echo x >> once; sleep 600"));
    wait_for(r, 5, TD_REPORT_STARTED);
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s/once", r->dir);
    while (stat(path, &st) < 0 || st.st_size == 0)
        nap();
    uint32_t before = count(r, 5, TD_REPORT_STARTED);
    put(&r->worker, TD_MSG_SH_STEP, &r->m);
    while (count(r, 5, TD_REPORT_STARTED) == before)
        pump(r); /* said again */
    put(&r->worker, TD_MSG_SH_KILL, &(struct td_sh_kill){.kill = {.job = 1, .attempt = 1}, .kill_wait_s = 1});
    assert_int_equal(wait_for(r, 5, TD_REPORT_EXITED)->signal, SIGTERM);
    wait_for(r, TD_STEP_BATCH, TD_REPORT_GONE); /* after its steps, not before */
    assert_true(find(r, TD_STEP_BATCH, TD_REPORT_GONE)->no > find(r, 5, TD_REPORT_EXITED)->no);
    put(&r->worker, TD_MSG_SH_STEP, step_make(r, 6, 1, "true"));
    assert_non_null(strstr(wait_for(r, 6, TD_REPORT_DECLINED)->text, "being ended"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 2);
}

static void an_unknown_job_is_declined(void **state)
{
    struct rig *r = *state;
    step_make(r, 0, 1, "true")->launch.job = 77;
    put(&r->worker, TD_MSG_SH_STEP, &r->m);
    assert_non_null(strstr(wait_for(r, 0, TD_REPORT_DECLINED)->text, "not on this node"));
}

static void what_cannot_start_says_why(void **state)
{
    struct rig *r = *state;
    step_make(r, 0, 1, "");
    r->argv[0] = "no-such-program";
    put(&r->worker, TD_MSG_SH_STEP, &r->m);
    attach(r, 0);
    wait_last(r, 1);
    const struct td_report *e = wait_for(r, 0, TD_REPORT_EXITED);
    assert_true(e->launch_failed);
    assert_non_null(strstr(e->text, "no-such-program"));
    assert_int_equal(r->exits[0].exit_code, ENOENT);
    assert_non_null(strstr(r->exits[0].text, "No such file"));
}

static void input_reaches_every_task(void **state)
{
    struct rig *r = *state;
    put(&r->worker, TD_MSG_SH_STEP, step_make(r, 0, 2, "cat"));
    attach(r, 0);
    struct td_sh_data m = {.rank = TD_NO_TASK, .stream = 0, .bytes = {(const uint8_t *)"hello ", 6}};
    put(&r->relay, TD_MSG_SH_DATA, &m);
    m.at = 2; /* a part comes twice */
    m.bytes = (struct td_bin){(const uint8_t *)"llo world", 9};
    m.eof = true;
    put(&r->relay, TD_MSG_SH_DATA, &m);
    wait_last(r, 2);
    assert_string_equal(text(r, 0, 1), "hello world");
    assert_string_equal(text(r, 1, 1), "hello world");
    assert_int_equal(r->in_taken, 11);
}

/* The relay dies without having taken anything, twice; the third one gets every byte, once. */
static void nothing_is_lost_when_the_relay_changes(void **state)
{
    struct rig *r = *state;
    char go[96]; /* the second relay may not find that all came to the first */
    put(&r->worker, TD_MSG_SH_STEP,
        step_make(r, 0, 1, "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); "
                           "[ $i != 10000 ] || until [ -e go ]; do sleep 0.01; done; done"));
    for (int i = 0; i < 2; i++) {
        r->hold = i == 1;
        attach(r, 0);
        wait_bytes(r, r->out[0][0].bytes.len + 40000);
        td_stream_release(&r->relay);
        snprintf(go, sizeof(go), "%s/go", r->dir);
        close(open(go, O_WRONLY | O_CREAT, 0600));
    }
    r->hold = false;
    attach(r, 0);
    wait_last(r, 1);
    size_t at = 0;
    for (int i = 0; i < 20000; i++) {
        char line[32];
        size_t n = (size_t)snprintf(line, sizeof(line), "line %d\n", i);
        assert_true(at + n <= r->out[0][0].bytes.len);
        assert_memory_equal(r->out[0][0].bytes.data + at, line, n);
        at += n;
    }
    assert_int_equal(at, r->out[0][0].bytes.len);
}

/* A reader who takes nothing stops his own step, at the credit; another step goes on. */
static void a_stopped_reader_stops_only_his_step(void **state)
{
    struct rig *r = *state;
    put(&r->worker, TD_MSG_SH_STEP, step_make(r, 0, 1, "yes > /dev/stdout"));
    r->hold = true;
    attach(r, 0);
    wait_bytes(r, CREDIT);
    struct td_stream stopped = r->relay;
    td_stream_init(&r->relay, -1, 0);
    td_buf_release(&r->out[0][0].bytes);
    r->hold = false;
    assert_int_equal(run(r, 1, 1, "echo goes on")->exit_code, 0);
    assert_string_equal(text(r, 0, 1), "goes on\n");
    td_stream_release(&r->relay);
    r->relay = stopped;
    pump(r);
    assert_string_equal(text(r, 0, 1), "goes on\n"); /* nothing beyond the credit came */
    put(&r->relay, TD_MSG_SH_SIGNAL, &(struct td_sh_signal){.signal = SIGKILL});
    assert_int_equal(wait_for(r, 0, TD_REPORT_EXITED)->signal, SIGKILL);
}

static void a_terminal_is_one(void **state)
{
    struct rig *r = *state;
    step_make(r, 0, 1, "test -t 0 && test -t 2 && stty size; read x; echo got $x; stty size");
    r->tasks[0].pty = true;
    r->m.launch.spec.rows = 33;
    r->m.launch.spec.columns = 77;
    put(&r->worker, TD_MSG_SH_STEP, &r->m);
    attach(r, 0);
    int64_t end = now_ms() + WAIT_MS;
    while (!strstr(text(r, 0, 1), "33 77") && now_ms() < end)
        pump(r);
    assert_non_null(strstr(text(r, 0, 1), "33 77"));
    put(&r->relay, TD_MSG_SH_SIZE, &(struct td_sh_size){.rows = 44, .columns = 99});
    put(&r->relay, TD_MSG_SH_DATA, &(struct td_sh_data){.rank = TD_NO_TASK, .bytes = {(const uint8_t *)"word\n", 5}});
    wait_last(r, 1);
    assert_non_null(strstr(text(r, 0, 1), "got word"));
    assert_non_null(strstr(text(r, 0, 1), "44 99"));
}

static void what_a_task_leaves_behind_is_ended(void **state)
{
    struct rig *r = *state;
    char path[128], pid[32] = "";
    const struct td_report *e = run(r, 0, 1, "(trap '' HUP TERM; exec >&- 2>&-; sleep 600) & echo $! > left; setsid sleep 601 >&- 2>&- &");
    assert_int_equal(e->exit_code, 0);
    snprintf(path, sizeof(path), "%s/left", r->dir);
    int fd = open(path, O_RDONLY);
    assert_true(read(fd, pid, sizeof(pid) - 1) > 0);
    close(fd);
    int64_t end = now_ms() + WAIT_MS;
    while (kill((pid_t)atoi(pid), 0) == 0 && now_ms() < end) /* dead, but perhaps not reaped yet */
        nap();
    assert_int_equal(kill((pid_t)atoi(pid), 0), -1);
}

/* Another node of the same host may have a step of the same name: what runs in it is none of ours. */
static void another_nodes_step_is_left_alone(void **state)
{
    struct rig *r = *state;
    char *argv[] = {(char *)(uintptr_t)"sleep", (char *)(uintptr_t)"600", NULL};
    char *env[] = {(char *)(uintptr_t)"TENDER_ATTEMPT=1.1", (char *)(uintptr_t)"TENDER_STEP=1.1.0",
                   (char *)(uintptr_t)"TENDER_NODE_DIR=/another/node", NULL};
    int status, ready[2];
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t stranger = fork();
    if (stranger == 0) {
        execve("/bin/sleep", argv, env);
        _exit(126);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &status, 1), 0); /* it runs */
    close(ready[0]);
    run(r, 0, 1, "setsid sleep 601 >&- 2>&- &"); /* somebody lost his parent: the process list is read */
    assert_int_equal(waitpid(stranger, &status, WNOHANG), 0);
    kill(stranger, SIGTERM);
    assert_int_equal(waitpid(stranger, &status, 0), stranger);
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void files_of_tasks(void **state)
{
    struct rig *r = *state;
    char file[128], one[192], text_of[64] = "";
    step_make(r, 0, 2, "echo from $RANK");
    snprintf(file, sizeof(file), "%s/both", r->dir);
    snprintf(one, sizeof(one), "echo old > %s", file);
    assert_int_equal(system(one), 0);
    r->tasks[0].out = r->tasks[1].out = file;
    put(&r->worker, TD_MSG_SH_STEP, &r->m);
    wait_for(r, 0, TD_REPORT_EXITED);
    int fd = open(file, O_RDONLY);
    assert_int_equal(read(fd, text_of, sizeof(text_of) - 1), 14);
    close(fd);
    assert_non_null(strstr(text_of, "from 0\n"));
    assert_non_null(strstr(text_of, "from 1\n"));
}

static void a_time_limit_ends_it(void **state)
{
    struct rig *r = *state;
    step_make(r, 0, 1, "sleep 600")->launch.limit_s = 1;
    put(&r->worker, TD_MSG_SH_STEP, &r->m);
    const struct td_report *e = wait_for(r, 0, TD_REPORT_EXITED);
    assert_true(e->timed_out);
    assert_int_equal(e->signal, SIGTERM);
}

/* The limit of an allocation without a script is kept here as well: its steps are ended, and it says why. */
static void a_session_has_its_limit(void **state)
{
    struct rig *r = *state;
    struct td_sh_launch m = {.kill_wait_s = 1, .spec.session = true};
    m.award = (struct td_award){.job = 2, .attempt = 1, .limit_s = 1, .node_rank = 1, .uid = getuid(), .gid = getgid()};
    m.award.place.node = "n1";
    put(&r->worker, TD_MSG_SH_LAUNCH, &m);
    step_make(r, 0, 1, "sleep 600")->launch.job = 2;
    put(&r->worker, TD_MSG_SH_STEP, &r->m);
    assert_int_equal(wait_for(r, 0, TD_REPORT_EXITED)->signal, SIGTERM);
    const struct td_report *e = wait_for(r, TD_STEP_BATCH, TD_REPORT_EXITED);
    assert_true(e->timed_out);
    assert_int_equal(e->job, 2);
    assert_true(wait_for(r, TD_STEP_BATCH, TD_REPORT_GONE)->no > find(r, 0, TD_REPORT_EXITED)->no);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(tasks_run_and_end),        T(a_step_is_started_once),
        T(an_unknown_job_is_declined), T(what_cannot_start_says_why),
        T(input_reaches_every_task), T(nothing_is_lost_when_the_relay_changes),
        T(a_stopped_reader_stops_only_his_step), T(a_terminal_is_one),
        T(what_a_task_leaves_behind_is_ended), T(another_nodes_step_is_left_alone),
        T(files_of_tasks),
        T(a_time_limit_ends_it), T(a_session_has_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
