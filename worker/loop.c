/* loop.c - the worker's loop: everything that waits is read, then time passes for the agent, then poll */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "worker/log.h"
#include "worker/worker.h"

#define TURN_MS_MAX 10000

static int64_t boot_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Whoever started us (tender up) waits for this line. */
void worker_say_ready(struct worker *w, const char *line)
{
    if (w->ready_said || w->opt.ready_fd < 0)
        return;
    w->ready_said = true;
    if (write(w->opt.ready_fd, line, strlen(line)) < 0 || close(w->opt.ready_fd) < 0)
        td_log("warn", "nobody listens on --ready-fd: %s", strerror(errno));
}

void worker_give_up(struct worker *w, const char *why)
{
    char line[TD_ERROR_TEXT_MAX + 16];
    td_log("error", "the worker of %s ends: %s", w->node, why);
    td_format(line, sizeof(line), "error: %s\n", why);
    worker_say_ready(w, line);
    w->over = true;
    w->exit_code = 1;
}

/* --- effects ------------------------------------------------------------------------------------------------------------- */

static void log_line(const char *text)
{
    /* "info node=...": the level is the agent's first word */
    size_t n = strcspn(text, " ");
    char level[8];
    td_format(level, sizeof(level), "%s", n < sizeof(level) && (text[0] == 'i' || text[0] == 'w' || text[0] == 'e') ? text : "info");
    level[TD_MIN(n, sizeof(level) - 1)] = '\0';
    td_log(level, "%s", text[n] ? text + n + 1 : text);
}

static void to_shepherd(struct worker *w, const struct td_agent_effect *e)
{
    if (e->id == TD_MSG_SH_LAUNCH) {
        launch_take(w, e->body);
        return;
    }
    if (e->id == TD_MSG_SH_STEP) {
        step_take(w, e->body);
        return;
    }
    if (e->id == TD_MSG_SH_KILL) {
        const struct td_kill *k = &((const struct td_sh_kill *)e->body)->kill;
        step_killed(w, k);
        if (!k->step)
            launch_killed(w, k);
    }
    keeper_send(w, e->id, e->body);
}

static void reconnect(struct worker *w)
{
    struct td_error err = {0};
    td_log("info", "dialling %s anew", w->token.router);
    if (uplink_dial(w, &err) < 0)
        worker_give_up(w, err.text);
}

static void carry_out(struct worker *w, const struct td_agent_effect *e)
{
    switch (e->kind) {
    case TD_AGENT_SEND:
        uplink_send(w, e->id, e->body);
        return;
    case TD_AGENT_SUBSCRIBE:
        td_bus_client_subscribe(w->bus, e->topic);
        return;
    case TD_AGENT_UNSUBSCRIBE:
        if (td_bus_client_unsubscribe(w->bus, e->topic) < 0)
            td_log("warn", "was not subscribed to %s", e->topic);
        return;
    case TD_AGENT_TO_SHEPHERD:
        to_shepherd(w, e);
        return;
    case TD_AGENT_LEAVE:
        td_log("info", "the worker of %s leaves", w->node);
        keeper_quit(w);
        w->over = true;
        return;
    case TD_AGENT_LOG:
        log_line(e->body);
        return;
    case TD_AGENT_RECONNECT:
        reconnect(w);
        return;
    case TD_AGENT_EXIT:
        worker_give_up(w, e->body);
        return;
    }
}

/* Effects of one step may lead to another input (the shepherd is lost while being written to). The agent's effects live
 * until its next step, so such an input waits until they are carried out. */
void worker_agent(struct worker *w, const struct td_agent_input *in)
{
    if (!w->agent || w->over)
        return;
    if (w->in_step) {
        TD_ASSERT(in->kind == TD_AGENT_SHEPHERD_LOST);
        w->lost_in_step = true;
        return;
    }
    w->in_step = true;
    td_agent_step(w->agent, w->now_ms, in);
    uint32_t n;
    const struct td_agent_effect *e = td_agent_effects(w->agent, &n);
    for (uint32_t i = 0; i < n && !w->over; i++)
        carry_out(w, &e[i]);
    w->in_step = false;
    if (w->lost_in_step) {
        w->lost_in_step = false;
        worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_SHEPHERD_LOST});
    }
    if (!w->registered_once && td_agent_registered(w->agent)) {
        w->registered_once = true;
        td_notify_say(&w->opt.notify, "READY=1\nSTATUS=serves its cluster\n");
        worker_say_ready(w, "ready\n");
        td_log_tell("%s serves the cluster %s; the log is in %s", w->node, td_agent_welcome(w->agent)->cluster, w->dir);
    }
}

/* --- the loop ---------------------------------------------------------------------------------------------------------------- */

static void start_agent(struct worker *w)
{
    uint8_t raw[8];
    char instance[40];
    size_t len = w->home[0] ? td_format(instance, sizeof(instance), "%s/", w->home) : 0;
    uint64_t seed;
    if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw) || getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        worker_give_up(w, "the kernel gives no random numbers");
        return;
    }
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(instance + len + 2 * i, 3, "%02x", raw[i]);
    /* The boot id comes with the shepherd's SH_STATE, before the first HELLO. */
    struct td_agent_conf conf = {.node = w->node, .boot_id = "", .instance = instance, .seed = seed};
    w->agent = td_agent_new(&conf, &w->machine.inventory);
}

static void on_signals(struct worker *w, int fd)
{
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            struct td_error err = {0};
            td_log("info", "SIGHUP: the log is opened anew");
            if (worker_log_open(w, &err) < 0)
                td_log("error", "%s", err.text);
            continue;
        }
        w->stops++;
        if (w->stops > 1 || !w->agent) {
            td_log("info", "told to stop: leaving at once; jobs stay with the shepherd");
            w->over = true;
            return;
        }
        td_log("info", "told to stop: draining; once more to leave at once");
        td_notify_say(&w->opt.notify, "STOPPING=1\nSTATUS=draining: leaves when no job is left\n");
        worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_DRAIN});
    }
}

static int wait_ms(const struct worker *w)
{
    int64_t due = TD_MIN(TD_MIN(uplink_due(w), keeper_due(w)), TD_MIN(launch_due(w), step_due(w)));
    if (w->agent)
        due = TD_MIN(due, td_agent_deadline(w->agent));
    int64_t now = boot_ms();
    return due == INT64_MAX ? TURN_MS_MAX : (int)TD_MAX(0, TD_MIN(due - now, TURN_MS_MAX));
}

static void wait_for_something(struct worker *w, int signal_fd)
{
    struct pollfd fds[8] = {{.fd = signal_fd, .events = POLLIN}};
    int bus[4];
    int nbus = td_bus_client_fds(w->bus, bus, 4);
    nfds_t n = 1;
    if (w->keeper_up) {
        short events = td_stream_wants_write(&w->keeper) ? POLLIN | POLLOUT : POLLIN;
        fds[n++] = (struct pollfd){.fd = w->keeper.fd, .events = events};
    }
    bool keeper_polled = w->keeper_up;
    for (int i = 0; i < nbus; i++)
        fds[n++] = (struct pollfd){.fd = bus[i], .events = POLLIN};

    int ready = poll(fds, n, wait_ms(w));
    w->now_ms = boot_ms();
    if (ready < 0 && errno != EINTR)
        worker_give_up(w, strerror(errno));
    if (ready > 0 && fds[0].revents)
        on_signals(w, signal_fd);
    if (ready > 0 && keeper_polled && fds[1].revents)
        keeper_read(w);
}

static int open_signals(void)
{
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGINT);
    sigaddset(&some, SIGHUP);
    sigprocmask(SIG_BLOCK, &some, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &some, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Its directory was removed: nobody can find this worker again, and its shepherd leaves as well. */
static void look_after_dir(struct worker *w)
{
    if (w->now_ms < w->look_dir_ms)
        return;
    w->look_dir_ms = w->now_ms + TURN_MS_MAX;
    if (access(w->dir, F_OK) < 0 && errno == ENOENT)
        worker_give_up(w, "its directory is gone");
}

int worker_run(struct worker *w)
{
    int signal_fd = open_signals();
    if (signal_fd < 0)
        worker_give_up(w, strerror(errno));
    while (!w->over) {
        wait_for_something(w, signal_fd);
        uplink_read(w);
        if (w->enrolled && !w->agent)
            start_agent(w);
        uplink_tick(w);
        keeper_tick(w);
        launch_tick(w);
        step_tick(w);
        if (w->agent && w->now_ms >= td_agent_deadline(w->agent))
            worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_TICK});
        look_after_dir(w);
        keeper_flush(w);
    }
    keeper_flush(w);
    return w->exit_code;
}
