/* keeper.c - the shepherd of this directory: found or started, and spoken with
 *
 * It is started by a double fork into a session of its own: it is nobody's child and outlives this process. One that is
 * there already, from the worker before, is simply taken over by SH_HELLO, which the agent says. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/log.h"
#include "worker/worker.h"

#define OUT_BYTES (64u * 1024 * 1024)
#define TRY_MS 5
#define START_MS 12000 /* a shepherd that sweeps after a dead one needs up to 10 s before it listens */
#define PAUSE_MS 1000

static void run_shepherd(const char *program, const char *dir, const char *log)
{
    setsid();
    if (fork() != 0)
        _exit(0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int in = open("/dev/null", O_RDONLY), out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (in < 0 || out < 0)
        _exit(126);
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    execl(program, "tender-shepherd", "--dir", dir, (char *)NULL);
    _exit(127);
}

/* Beside our own program. */
static bool shepherd_program(char *out, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash || (size_t)(slash - out) + sizeof("/tender-shepherd") > cap)
        return false;
    memcpy(slash, "/tender-shepherd", sizeof("/tender-shepherd"));
    return true;
}

static void start(struct worker *w)
{
    char program[TD_MAX_PATH_BYTES], log[TD_MAX_PATH_BYTES + 32];
    td_format(log, sizeof(log), "%s/shepherd.log", w->dir);
    if (!shepherd_program(program, sizeof(program)) || access(program, X_OK) < 0) {
        worker_give_up(w, "the program tender-shepherd does not lie beside tender-worker");
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        run_shepherd(program, w->dir, log);
    if (pid < 0) {
        td_log("error", "cannot start the shepherd: %s", strerror(errno));
        return;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    td_log("info", "started a shepherd");
}

static bool connect_now(struct worker *w)
{
    char path[TD_MAX_PATH_BYTES + 32];
    struct td_error err = {0};
    td_format(path, sizeof(path), "%s/shepherd.sock", w->dir);
    int fd = td_local_connect(path, &err);
    if (fd < 0)
        return false;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    td_stream_init(&w->keeper, fd, OUT_BYTES);
    w->keeper_up = true;
    w->keeper_told = false;
    w->keeper_start_ms = 0;
    worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_SHEPHERD_UP});
    return true;
}

void keeper_tick(struct worker *w)
{
    if (w->keeper_up || !w->agent || w->now_ms < w->keeper_try_ms || connect_now(w))
        return;
    if (!w->keeper_start_ms) {
        start(w);
        w->keeper_start_ms = w->now_ms;
    } else if (w->now_ms > w->keeper_start_ms + START_MS) {
        td_log("error", "the shepherd does not come up: see %s/shepherd.log; trying again", w->dir);
        w->keeper_start_ms = 0;
        w->keeper_try_ms = w->now_ms + PAUSE_MS;
        return;
    }
    w->keeper_try_ms = w->now_ms + TRY_MS;
}

int64_t keeper_due(const struct worker *w)
{
    return w->keeper_up || !w->agent ? INT64_MAX : w->keeper_try_ms;
}

static void lost(struct worker *w, const char *why)
{
    td_log("error", "the shepherd is gone: %s", why);
    td_stream_release(&w->keeper);
    w->keeper_up = false;
    w->keeper_try_ms = w->now_ms;
    worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_SHEPHERD_LOST});
}

void keeper_read(struct worker *w)
{
    const uint8_t *data;
    size_t len;
    struct td_error err = {0};
    struct td_frame f;
    if (!w->keeper_up)
        return;
    int got = td_stream_read(&w->keeper, &err);
    int r = 0;
    while (w->keeper_up && (r = td_stream_next(&w->keeper, &data, &len, &err)) > 0) {
        struct td_arena arena = {0};
        r = td_wire_get_frame(&arena, data, len, &f, &err);
        if (r == 0 && f.id == TD_MSG_SH_STATE)
            inventory_held(w, ((const struct td_sh_state *)f.body)->means);
        if (r == 0 && f.id == TD_MSG_SH_RELAY) {
            step_relay(w, &((const struct td_sh_relay *)f.body)->launch);
            td_arena_release(&arena);
            continue;
        }
        if (r == 0)
            launch_heard(w, &f); /* before the agent, which may launch again what the shepherd never got */
        if (r == 0)
            worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_SHEPHERD, .id = f.id, .body = f.body});
        td_arena_release(&arena);
        if (r < 0)
            break;
    }
    if (w->keeper_up && (got < 0 || r < 0))
        lost(w, err.text);
}

void keeper_send(struct worker *w, uint32_t id, const void *body)
{
    if (!w->keeper_up)
        return; /* the agent hears of the loss and repeats what matters after SH_STATE */
    int r = td_stream_put(&w->keeper, id, 0, body);
    if (r < 0)
        lost(w, r == -TD_E_BUSY ? "it does not read" : "its connection is closed");
}

void keeper_flush(struct worker *w)
{
    if (w->keeper_up && td_stream_wants_write(&w->keeper) && td_stream_flush(&w->keeper) < 0)
        lost(w, "its connection broke");
}

/* Drained: nothing runs here any more, so the shepherd has nothing to keep. */
void keeper_quit(struct worker *w)
{
    struct td_sh_quit m = {.now = false};
    if (!w->keeper_up)
        return;
    keeper_send(w, TD_MSG_SH_QUIT, &m);
    keeper_flush(w);
}
