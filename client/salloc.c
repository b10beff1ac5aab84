/* salloc.c - an allocation for as long as a command runs here
 *
 * The command runs on this host with the allocation's variables; srun inside it starts tasks on the nodes. While it runs
 * the allocation is kept alive; when it ends, or the allocation does, the other ends too. */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <poll.h>

#include "commands.h"
#include "say.h"
#include "session.h"
#include "srun.h"

extern char **environ;

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
    stopped = sig;
}

static const char *shell(void)
{
    const char *own = getenv("SHELL");
    const struct passwd *pw = td_str_empty(own) ? getpwuid(getuid()) : NULL;
    return !td_str_empty(own) ? own : pw && !td_str_empty(pw->pw_shell) ? pw->pw_shell : "/bin/sh";
}

static void set_environ(const struct session *s, const struct submit *request)
{
    struct td_buf env = {0};
    session_environ(s, request, &env);
    for (size_t at = 0; at < env.len; at += strlen((char *)env.data + at) + 1)
        putenv(strdup((char *)env.data + at)); /* lives as long as the child's environment */
    td_buf_release(&env);
}

static pid_t start(const struct srun *o, const struct session *s, char *const *argv)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    set_environ(s, &o->s);
    if (o->chdir && chdir(o->chdir) < 0) {
        say_error("cannot change to %s: %s", o->chdir, strerror(errno));
        _exit(1);
    }
    execvp(argv[0], argv);
    say_error("%s: %s", argv[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

static int64_t elapsed_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until the command is over. An allocation that ended tells it by SIGHUP, once. */
static int watch(struct client *c, struct session *s, pid_t pid, int signal_fd)
{
    struct session_link link;
    uint64_t heard_no = 0;
    bool told = false;
    int status = 0;
    link_init(&link, &c->place);
    for (;;) {
        int64_t now = elapsed_ms();
        struct td_arena arena = {0};
        struct td_frame f;
        if (waitpid(pid, &status, WNOHANG) == pid)
            break;
        link_read(&link, now);
        while (link_next(&link, &arena, &f, now) > 0)
            if (f.request == heard_no && f.id == TD_MSG_ERROR && !told) {
                if (!session_say_why(s->job))
                    say_error("Job allocation %u has been revoked.", s->job);
                kill(pid, SIGHUP);
                kill(pid, SIGCONT);
                told = true;
            }
        td_arena_release(&arena);
        if (link_up(&link, now) && now >= link.beat_at_ms && !told) {
            link.beat_at_ms = now + SESSION_BEAT_MS;
            heard_no = link_ask(&link, TD_MSG_SESSION_HEARD, &(struct td_session_heard){.job = s->job});
        }
        struct pollfd p[2] = {{.fd = signal_fd, .events = POLLIN}, {.fd = link.up ? link.stream.fd : -1, .events = POLLIN}};
        poll(p, 2, (int)TD_MAX(0, TD_MIN(SESSION_BEAT_MS, link.beat_at_ms > now ? link.beat_at_ms - now : SESSION_BEAT_MS)));
        struct signalfd_siginfo info;
        while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
            if (info.ssi_signo != SIGCHLD)
                kill(pid, (int)info.ssi_signo);
    }
    link_release(&link);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int open_signals(void)
{
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGCHLD);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGHUP);
    sigprocmask(SIG_BLOCK, &some, NULL);
    signal(SIGINT, SIG_IGN); /* of the terminal: the command's business */
    signal(SIGQUIT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &some, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int granted(struct srun *o, struct client *c, struct session *s, char *const *argv)
{
    int signal_fd = open_signals();
    say_note("Granted job allocation %u", s->job);
    pid_t pid = start(o, s, argv);
    int r = pid < 0 ? 1 : watch(c, s, pid, signal_fd);
    if (pid < 0)
        say_error("cannot start %s: %s", argv[0], strerror(errno));
    say_note("Relinquishing job allocation %u", s->job);
    session_close(c, s);
    return r;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct srun o = {.s = {.arena = &arena}};
    struct td_error err = {0};
    struct client c = {0};
    struct session s = {0};
    struct option_parse p = {.cmd = &salloc_command, .target = &o, .arena = &arena, .posix = true};
    struct sigaction stop = {.sa_handler = on_stop};
    char *own[] = {(char *)(uintptr_t)shell(), NULL};
    int r = option_parse_env(&p, &err);
    o.s.mem_by = NULL;
    if (r == 0)
        r = option_parse(&p, argc, argv, &err);
    say_quiet = o.s.quiet;
    if (r < 0) {
        say_error("%s", err.text);
        if (err.code == TD_E_USAGE)
            say_plain("Try \"salloc --help\" for more information");
    } else {
        sigaction(SIGINT, &stop, NULL);
        sigaction(SIGTERM, &stop, NULL);
        r = client_open(&c, &err);
        const char *slash = p.words.n ? strrchr(argv[p.rest], '/') : NULL;
        const struct session_wish wish = {.name = !p.words.n ? "interactive" : slash ? slash + 1 : argv[p.rest],
                                          .patience_ms = o.patience_ms, .stop = &stopped};
        if (r == 0)
            r = session_open(&c, &o.s, &wish, &s, &err);
        if (r < 0)
            say_failure(stopped ? "Job allocation was interrupted" : "Job submit/allocate failed", &err);
        else
            r = granted(&o, &c, &s, p.words.n ? argv + p.rest : own);
    }
    session_release(&s);
    client_close(&c);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : r;
}

const struct command salloc_command = {
    .name = "salloc",
    .synopsis = "[OPTIONS] [COMMAND [ARGUMENTS...]]",
    .summary = "hold an allocation while a command runs",
    .about = "salloc asks for an allocation, runs a command on this host when it has one (your shell if none is named), and\n"
             "gives the allocation back when the command ends. srun in the command starts tasks on the allocation's nodes.",
    .options = salloc_options,
    .usage_exit = 1,
    .run = run,
};
