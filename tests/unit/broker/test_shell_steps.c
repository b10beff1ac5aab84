/* test_shell_steps.c - steps at the broker's door: environments kept, clients that go while they wait, waiting requests of a
 * core that is given up, rows. One worker of a few lines is played by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker/journal/inspect.h"
#include "broker/shell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NODE "n1"
#define CPUS 2

static void begin(struct shell *s)
{
    struct td_error err = {0};
    if (s->ops->open(s->state_dir, false, &s->store, &err) < 0 || shell_core_rebuild(s, &err) < 0)
        fail_msg("%s", err.text);
    shell_clock_start(&s->clock, shell_boot_us(), shell_wall_us(), td_core_time(s->core));
    if (shell_reign_begin(s, &err) < 0)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    struct shell *s = td_alloc(sizeof(*s));
    struct td_error err = {0};
    char dir[] = "/tmp/td-steps-XXXXXX";
    assert_non_null(mkdtemp(dir));
    s->ops = &td_store_sqlite;
    s->state_dir = td_strdup(dir);
    s->signal_fd = s->listen_fd = -1;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->next_handle = SHELL_HANDLE_FIRST;
    s->clients_max = 100;
    s->take_frame = shell_take_frame;
    s->peer_gone = shell_peer_gone;
    s->door = "broker.sock";
    static char log[64]; /* borrowed by the log */
    snprintf(log, sizeof(log), "%s/log", dir);
    assert_int_equal(shell_log_open(&s->log, log, &err), 0);
    assert_int_equal(shell_conf_load(s, &s->conf, &err), 0);
    s->conf->input_log = true;
    s->conf->low_space_mb = 0;
    begin(s);
    assert_int_equal(shell_local_open(s, &err), 0);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct shell *s = *state;
    char cmd[128];
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", s->state_dir);
    shell_local_close(s);
    shell_release(s);
    td_free(s);
    assert_int_equal(system(cmd), 0);
    return 0;
}

/* --- the worker ------------------------------------------------------------------------------------------------------ */

static uint32_t incarnation, starts;
static uint64_t report_no;

static void worker_says(struct shell *s, uint32_t id, const void *body)
{
    void *copy = td_arena_alloc(&s->arena, td_msg_row(id)->record->size);
    td_record_copy(&s->arena, td_msg_row(id)->record, body, copy);
    shell_input(s, &(struct td_input){.kind = TD_IN_WORKER, .peer = SHELL_BUS_PEER | 1, .node = NODE, .id = id, .body = copy});
}

static const uint8_t all_cpus[] = {(1u << CPUS) - 1};

static void report(struct shell *s, uint32_t kind, uint32_t step)
{
    struct td_report r = {.no = ++report_no, .kind = kind, .job = 1, .attempt = 1, .step = step};
    struct td_report_batch m = {.incarnation = incarnation, .reports = {&r, 1}, .node_version = 2};
    worker_says(s, TD_MSG_REPORT, &m);
}

static void hello(struct shell *s)
{
    static const uint8_t bits[CPUS][1] = {{1}, {2}};
    struct td_cpu_core cores[CPUS];
    memset(cores, 0, sizeof(cores));
    for (uint32_t i = 0; i < CPUS; i++)
        cores[i].cpus = (struct td_bin){bits[i], 1};
    struct td_running running = {.job = 1, .attempt = 1};
    struct td_hello m = {.version = TD_PROTOCOL_VERSION, .node = NODE, .boot_id = "b", .instance = "i",
                         .incarnation = incarnation, .running = {&running, 1},
                         .inventory = {.hostname = NODE, .cpus = {all_cpus, 1}, .sockets = 1, .cores_per_socket = CPUS,
                                       .threads_per_core = 1, .memory_mb = 1000, .cores = {cores, CPUS}}};
    worker_says(s, TD_MSG_HELLO, &m);
}

static void bid(struct shell *s, const struct td_offer *o)
{
    struct td_placement place = {.node = NODE, .tasks = CPUS, .cpus = {all_cpus, 1}};
    struct td_lot_bid lot = {.lot = o->lots.v[0].lot, .fits = 1, .score = 1, .placements = {&place, 1}};
    struct td_bid b = {.epoch = o->epoch, .round = o->round, .incarnation = incarnation, .node_version = 1, .lots = {&lot, 1}};
    worker_says(s, TD_MSG_BID, &b);
}

static void worker_hears(struct shell *s, uint32_t id, const void *body)
{
    switch (id) {
    case TD_MSG_WELCOME:
        incarnation = ((const struct td_welcome *)body)->incarnation;
        return;
    case TD_MSG_PROBE: {
        struct td_probe_echo e = {.incarnation = incarnation, .no = ((const struct td_probe *)body)->no};
        worker_says(s, TD_MSG_PROBE_ECHO, &e);
        return;
    }
    case TD_MSG_OFFER:
        bid(s, body);
        return;
    case TD_MSG_AWARD:
        report(s, TD_REPORT_ACCEPTED, TD_STEP_BATCH);
        return;
    case TD_MSG_STEP_START: {
        const struct td_step_start *m = body;
        starts += m->steps.n;
        for (uint32_t i = 0; i < m->steps.n; i++)
            report(s, TD_REPORT_STARTED, m->steps.v[i].step);
        return;
    }
    default:
        return;
    }
}

/* Wakes until the worker has nothing to say. What it hears is copied first: its words open the next wake. */
static void run(struct shell *s)
{
    struct heard {
        uint32_t id;
        void *body;
    };
    for (int i = 0; i < 50; i++) {
        struct td_error err = {0};
        struct td_arena a = {0};
        TD_VEC(struct heard) heard = {0};
        if (shell_wake_end(s, &err) < 0)
            fail_msg("%s", err.text);
        uint32_t n;
        const struct td_effect *e = td_core_effects(s->core, &n);
        for (uint32_t k = 0; k < n; k++) {
            if (e[k].kind != TD_DO_SEND && e[k].kind != TD_DO_PUBLISH)
                continue;
            struct heard h = {e[k].id, td_arena_alloc(&a, td_msg_row(e[k].id)->record->size)};
            td_record_copy(&a, td_msg_row(e[k].id)->record, e[k].body, h.body);
            td_vec_push(&heard, h);
        }
        for (uint32_t k = 0; k < heard.n; k++)
            worker_hears(s, heard.v[k].id, heard.v[k].body);
        td_vec_release(&heard);
        td_arena_release(&a);
        if (!s->open)
            return;
    }
    fail_msg("the worker and the broker talk for ever");
}

/* --- clients --------------------------------------------------------------------------------------------------------- */

static int client(struct shell *s)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(to.sun_path, sizeof(to.sun_path), "%s/run/broker.sock", s->state_dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    shell_local_accept(s);
    return fd;
}

static void doors(struct shell *s)
{
    struct epoll_event ev[16];
    int n = epoll_wait(s->epoll_fd, ev, 16, 0);
    for (int i = 0; i < n; i++)
        shell_local_ready(s, ev[i].data.u64, ev[i].events);
    shell_local_take(s);
}

static void ask_as(struct shell *s, int fd, uint32_t id, uint64_t request, const void *body)
{
    struct td_buf frame = {0};
    td_wire_put_frame(&frame, id, request, body);
    uint8_t head[4] = {(uint8_t)(frame.len >> 24), (uint8_t)(frame.len >> 16), (uint8_t)(frame.len >> 8), (uint8_t)frame.len};
    assert_int_equal(send(fd, head, 4, 0), 4);
    assert_int_equal(send(fd, frame.data, frame.len, 0), frame.len);
    td_buf_release(&frame);
    doors(s);
}

static void ask(struct shell *s, int fd, uint32_t id, const void *body)
{
    ask_as(s, fd, id, 1, body);
}

static void ask_step(struct shell *s, int fd, const char *env)
{
    const char *argv[] = {"hostname"};
    struct td_step_create m = {.job = 1, .spec = {.argv = {argv, 1}}, .env = {(const uint8_t *)env, (uint32_t)strlen(env)}};
    ask(s, fd, TD_MSG_STEP_CREATE, &m);
}

/* The next answer, or 0 when there is none yet. */
static uint32_t answer(int fd, struct td_arena *a, const void **ret_body)
{
    static uint8_t bytes[65536];
    struct td_frame f = {0};
    struct td_error err = {0};
    ssize_t n = recv(fd, bytes, 4, MSG_DONTWAIT);
    if (n <= 0)
        return 0;
    size_t len = (size_t)bytes[2] << 8 | bytes[3];
    assert_int_equal(recv(fd, bytes, len, MSG_DONTWAIT), len);
    assert_int_equal(td_wire_get_frame(a, bytes, len, &f, &err), 0);
    *ret_body = f.body;
    return f.id;
}

static uint32_t code_of(int fd)
{
    struct td_arena a = {0};
    const void *body = NULL;
    uint32_t id = answer(fd, &a, &body);
    uint32_t code = id == TD_MSG_ERROR ? ((const struct td_error_reply *)body)->code : id == TD_MSG_STEP_CREATED ? 0 : UINT32_MAX;
    td_arena_release(&a);
    return code;
}

#define CREATED 0u
#define NOTHING UINT32_MAX

static bool has_blob(struct shell *s, const char *text)
{
    uint8_t hash[32];
    td_hash(text, strlen(text), hash);
    return s->ops->has_blob(s->store, hash);
}

/* Job 1 runs on the node and holds all of it. */
static void job_runs(struct shell *s)
{
    incarnation = starts = 0;
    report_no = 0;
    hello(s);
    run(s);
    static const struct td_job_need need = {.ntasks = CPUS};
    const struct td_submit m = {.spec = {.name = "t", .needs = {&need, 1}, .work_dir = "/tmp", .session = true}};
    int fd = client(s);
    ask(s, fd, TD_MSG_SUBMIT, &m);
    run(s);
    for (int i = 0; i < 20 && td_core_nwaits(s->core) == 0; i++) /* the round closes with its only bid */
        run(s);
    struct td_job_info info;
    struct td_arena a = {0};
    assert_true(td_core_job_row(s->core, 1, &a, &info));
    assert_int_equal(info.state, TD_JOB_RUNNING);
    td_arena_release(&a);
    close(fd);
    doors(s);
    run(s);
}

static void an_environment_is_kept_for_a_step_that_waits(void **state)
{
    struct shell *s = *state;
    job_runs(s);
    int a = client(s), b = client(s);
    ask_step(s, a, "A=1");
    run(s);
    assert_int_equal(code_of(a), CREATED);
    assert_true(has_blob(s, "A=1"));
    assert_int_equal(starts, 1);
    ask_step(s, b, "B=2");
    run(s);
    assert_int_equal(code_of(b), NOTHING);
    assert_true(has_blob(s, "B=2"));
    struct td_error err = {0};
    assert_int_equal(shell_snapshot(s, &err), 0); /* drops what nobody names */
    assert_true(has_blob(s, "B=2"));
    /* the twin: refused, and not kept */
    const char *argv[] = {"x"};
    struct td_step_create m = {.job = 9, .spec = {.argv = {argv, 1}}, .env = {(const uint8_t *)"C=3", 3}};
    ask(s, a, TD_MSG_STEP_CREATE, &m);
    run(s);
    assert_int_equal(code_of(a), TD_E_INVALID_JOB);
    assert_false(has_blob(s, "C=3"));
    report(s, TD_REPORT_EXITED, 0);
    run(s);
    assert_int_equal(code_of(b), CREATED);
    assert_int_equal(starts, 2);
    close(a);
    close(b);
}

static void a_client_that_went_gets_no_step(void **state)
{
    struct shell *s = *state;
    job_runs(s);
    int a = client(s), b = client(s), c = client(s);
    ask_step(s, a, "A=1");
    run(s);
    assert_int_equal(code_of(a), CREATED);
    ask_step(s, b, "B=2");
    ask_step(s, c, "C=3");
    run(s);
    assert_int_equal(td_core_nwaits(s->core), 2);
    close(b);
    doors(s); /* its end is read in the wake that frees the CPUs, before them or behind them */
    report(s, TD_REPORT_EXITED, 0);
    run(s);
    assert_int_equal(code_of(c), CREATED);
    assert_int_equal(starts, 2);
    assert_int_equal(td_core_nwaits(s->core), 0);
    close(a);
    close(c);
    struct td_buf report_text = {0};
    struct td_error err = {0};
    int r = td_journal_verify(s->state_dir, &report_text, &err);
    if (r < 0 || !strstr(td_buf_str(&report_text), "wakes of the last reign given again"))
        fail_msg("verify: %s%s", td_buf_str(&report_text), err.text);
    td_buf_release(&report_text);
}

/* Two users behind one front, which vouches for them and numbers their requests. */
static void a_user_behind_a_front_that_went_gets_no_step(void **state)
{
    struct shell *s = *state;
    job_runs(s);
    int a = client(s), front = client(s);
    ask_step(s, a, "A=1");
    run(s);
    assert_int_equal(code_of(a), CREATED);
    const char *argv[] = {"hostname"};
    struct td_step_create m = {.job = 1, .spec = {.argv = {argv, 1}}};
    struct td_buf body = {0};
    td_wire_put_record(&body, &td_rec_step_create, &m);
    const struct td_relay relay = {.uid = geteuid(), .gid = getegid(), .id = TD_MSG_STEP_CREATE, .body = {body.data, (uint32_t)body.len}};
    ask_as(s, front, TD_MSG_RELAY, 7, &relay);
    ask_as(s, front, TD_MSG_RELAY, 8, &relay);
    run(s);
    assert_int_equal(td_core_nwaits(s->core), 2);
    const struct td_relay_gone gone = {.request = 7}, unknown = {.request = 9};
    ask_as(s, front, TD_MSG_RELAY_GONE, 0, &gone);
    ask_as(s, front, TD_MSG_RELAY_GONE, 0, &unknown);
    run(s);
    assert_int_equal(td_core_nwaits(s->core), 1);
    report(s, TD_REPORT_EXITED, 0);
    run(s);
    struct td_arena arena = {0};
    const void *ignored;
    assert_int_equal(answer(front, &arena, &ignored), TD_MSG_STEP_CREATED); /* of the other one */
    assert_int_equal(answer(front, &arena, &ignored), 0);
    assert_int_equal(starts, 2);
    td_arena_release(&arena);
    td_buf_release(&body);
    close(a);
    close(front);
}

static void who_waits_in_a_core_that_is_given_up_is_told(void **state)
{
    struct shell *s = *state;
    struct rlimit was, tight;
    job_runs(s);
    int a = client(s), b = client(s);
    ask_step(s, a, "A=1");
    run(s);
    ask_step(s, b, "B=2");
    run(s);
    assert_int_equal(code_of(a), CREATED);
    assert_int_equal(code_of(b), NOTHING);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    tight = was;
    tight.rlim_cur = 8192;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    ask_step(s, a, "A=2"); /* in this wake: refused once, not twice */
    report(s, TD_REPORT_EXITED, 0);
    struct td_error err = {0};
    int r = shell_wake_end(s, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(r, 0);
    assert_true(s->down);
    assert_int_equal(code_of(b), TD_E_NO_SPACE);
    assert_int_equal(code_of(a), TD_E_NO_SPACE);
    assert_int_equal(code_of(a), NOTHING);
    assert_int_equal(td_core_nwaits(s->core), 0);
    close(a);
    close(b);
}

static void steps_are_shown(void **state)
{
    struct shell *s = *state;
    job_runs(s);
    int a = client(s);
    struct td_arena arena = {0};
    const void *body = NULL;
    const struct td_query_steps q = {.job = 1};
    ask(s, a, TD_MSG_QUERY_STEPS, &q);
    run(s);
    assert_int_equal(answer(a, &arena, &body), TD_MSG_STEPS);
    assert_int_equal(((const struct td_steps *)body)->rows.n, 0);
    ask_step(s, a, "A=1");
    ask(s, a, TD_MSG_QUERY_STEPS, &q); /* sees the user's own write */
    run(s);
    assert_int_equal(answer(a, &arena, &body), TD_MSG_STEP_CREATED);
    assert_int_equal(answer(a, &arena, &body), TD_MSG_STEPS);
    const struct td_steps *m = body;
    assert_int_equal(m->rows.n, 1);
    assert_int_equal(m->rows.v[0].cpus, CPUS);
    assert_string_equal(m->rows.v[0].nodelist, NODE);
    td_arena_release(&arena);
    close(a);
}

static void what_no_node_could_start_is_refused(void **state)
{
    struct shell *s = *state;
    struct td_error err = {0};
    char *large = td_alloc(TD_MAX_EXPR_BYTES + 3);
    memset(large, 'x', TD_MAX_EXPR_BYTES + 2);
    struct td_step_create m = {.job = 1, .env = {(const uint8_t *)large, TD_MAX_EXPR_BYTES + 2}};
    assert_int_equal(shell_step_prepare(s, &m, &err), -TD_E_TOO_BIG);
    assert_non_null(strstr(err.text, "environment variable"));
    m.env.n = TD_MAX_EXPR_BYTES; /* the twin, at the limit */
    assert_int_equal(shell_step_prepare(s, &m, &err), 0);
    assert_int_equal(m.env.n, 0);
    assert_int_equal(m.spec.env_hash.n, 32);
    s->new_blobs.n = 0;
    td_free(large);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_environment_is_kept_for_a_step_that_waits),
        T(a_client_that_went_gets_no_step),
        T(a_user_behind_a_front_that_went_gets_no_step),
        T(who_waits_in_a_core_that_is_given_up_is_told),
        T(steps_are_shown),
        T(what_no_node_could_start_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
