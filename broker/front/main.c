/* main.c - tender-front: options, the order of starting and stopping
 *
 * Without --foreground the process that was started waits until the front has a picture of the cluster, and leaves it
 * running in the background. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/front/front.h"

#define WAIT_MS 200
#define WAIT_SAY_US 60000000

static const struct {
    const char *name;
    const char *arg; /* NULL: takes none */
    const char *help;
} options[] = {
#define FRONT_OPTION(ID, name, arg, help) {name, arg, help},
#include "tbl/daemons.def"
#undef FRONT_OPTION
};

static void help(FILE *to)
{
    fprintf(to, "Usage: tender-front [options]\nAnswers the commands of this host, and tells watchers what happens.\n\n");
    for (size_t i = 0; i < TD_ARRAY_LEN(options); i++) {
        char left[40];
        snprintf(left, sizeof(left), "--%s%s%s", options[i].name, options[i].arg ? " " : "", options[i].arg ? options[i].arg : "");
        fprintf(to, "  %-18s %s\n", left, options[i].help);
    }
}

/* 0 go on, 1 done already, <0 wrong usage. */
static int options_parse(int argc, char **argv, struct shell_options *o)
{
    struct option longs[TD_ARRAY_LEN(options) + 1] = {0};
    for (size_t i = 0; i < TD_ARRAY_LEN(options); i++)
        longs[i] = (struct option){options[i].name, options[i].arg ? required_argument : no_argument, NULL, (int)i + 256};
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        uint64_t fd;
        if (c < 256)
            return -TD_E_USAGE;
        const char *name = options[c - 256].name;
        const struct {
            const char *name;
            const char **to;
        } texts[] = {{"conf", &o->conf}, {"state", &o->state}, {"dir", &o->dir}, {"log", &o->log}, {"join", &o->join}, {"name", &o->name}};
        for (size_t i = 0; i < TD_ARRAY_LEN(texts); i++)
            if (strcmp(name, texts[i].name) == 0)
                *texts[i].to = optarg;
        if (strcmp(name, "ready-fd") == 0) {
            if (!td_parse_u64(optarg, &fd) || fd > 65535) {
                fprintf(stderr, "tender-front: --ready-fd: '%s' is no descriptor\n", optarg);
                return -TD_E_USAGE;
            }
            o->ready_fd = (int)fd;
        } else if (strcmp(name, "foreground") == 0) {
            o->foreground = true;
        } else if (strcmp(name, "help") == 0) {
            help(stdout);
            return 1;
        } else if (strcmp(name, "version") == 0) {
            printf("tender-front %s\n", TD_VERSION);
            return 1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "tender-front: '%s' is not an option (see --help)\n", argv[optind]);
        return -TD_E_USAGE;
    }
    return 0;
}

static int folder_make(const char *path, struct td_error *err)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : td_fail(err, TD_E_IO, "cannot make %s: %s", path, strerror(errno));
}

/* A front on another host has a folder of its own. */
static int state_make(struct shell *s, struct td_error *err)
{
    char path[4200];
    if (!s->opt.dir || s->opt.state)
        return td_fail(err, TD_E_USAGE, "--join needs a folder for this front: name one with --dir, and no --state");
    int r = folder_make(s->opt.dir, err);
    td_format(path, sizeof(path), "%s/state", s->opt.dir);
    if (r == 0)
        r = folder_make(path, err);
    td_format(path, sizeof(path), "%s/state/broker.key", s->opt.dir);
    if (r == 0 && access(path, F_OK) == 0)
        r = td_fail(err, TD_E_USAGE, "%s is the folder of a broker: a front that joins another needs one of its own", s->opt.dir);
    return r;
}

/* The broker makes it: until then its front waits, as a worker waits for its broker. Ends by a signal, too (s->stop). */
static char *state_await(struct shell *s, const char *path)
{
    struct pollfd fd = {.fd = s->signal_fd, .events = POLLIN};
    int64_t say_us = 0;
    char *real;
    while (!(real = realpath(path, NULL)) && errno == ENOENT && !s->stop) {
        if (shell_boot_us() >= say_us) {
            shell_log(&s->log, "warn waiting for the broker's state directory %s: it is not there; start tender-broker, or mend --dir, --state "
                      "or StateSaveLocation", path);
            shell_log_flush(&s->log);
            if (s->log.path && !say_us)
                fprintf(stderr, "tender-front: waiting for the broker's state directory %s: it is not there; start tender-broker\n", path);
            say_us = shell_boot_us() + WAIT_SAY_US;
        }
        s->stop = poll(&fd, 1, WAIT_MS) > 0;
    }
    return real;
}

static int state_find(struct shell *s, struct td_error *err)
{
    char path[4200];
    int made = s->opt.join ? state_make(s, err) : 0;
    if (made < 0)
        return made;
    if (s->opt.state)
        td_format(path, sizeof(path), "%s", s->opt.state);
    else if (s->opt.dir)
        td_format(path, sizeof(path), "%s/state", s->opt.dir);
    else if (s->opt.conf) {
        struct td_conf *conf = NULL;
        int r = td_conf_load(s->opt.conf, &conf, err);
        if (r < 0)
            return r;
        td_format(path, sizeof(path), "%s", conf->state_dir ? conf->state_dir : "");
        td_conf_destroy(&conf);
    } else {
        return td_fail(err, TD_E_USAGE, "no state directory: name one with --state, --dir, or --conf");
    }
    char *real = s->opt.join ? realpath(path, NULL) : state_await(s, path);
    if (s->stop) {
        free(real);
        return 0;
    }
    if (!real)
        return td_fail(err, TD_E_IO, "the broker's state directory '%s': %s", path, strerror(errno));
    s->state_dir = td_strdup(real);
    free(real);
    return 0;
}

static int signals_open(struct shell *s, struct td_error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return td_fail(err, TD_E_IO, "cannot block signals: %s", strerror(errno));
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = SHELL_EPOLL_SIGNAL};
    if (s->signal_fd < 0 || s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->signal_fd, &ev) < 0)
        return td_fail(err, TD_E_IO, "cannot watch signals: %s", strerror(errno));
    return 0;
}

/* As many connections as there are descriptors for. */
static void clients_bound(struct shell *s)
{
    struct rlimit lim = {.rlim_max = 1024};
    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_NOFILE, &lim); /* refused: fewer connections, and the bound says so */
    getrlimit(RLIMIT_NOFILE, &lim);
    uint64_t files = lim.rlim_cur == RLIM_INFINITY ? 1u << 20 : lim.rlim_cur;
    s->clients_max = (uint32_t)TD_MIN((uint64_t)TD_MAX_CLIENTS, files > 256 ? files - 128 : 128);
}

static int pid_write(struct shell *s, struct td_error *err)
{
    char path[4200];
    td_format(path, sizeof(path), "%s/run/front.pid", s->state_dir);
    FILE *f = fopen(path, "we");
    bool ok = f && fchmod(fileno(f), 0644) == 0 && fprintf(f, "%ld\n", (long)getpid()) > 0;
    if (f && fclose(f) != 0)
        ok = false;
    return ok ? 0 : td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
}

/* The door opens when there is something to show: until then commands find the broker's own. */
static void say_ready(struct front *f)
{
    struct shell *s = f->s;
    struct td_error err = {0};
    f->on_ready = NULL;
    if (shell_local_open(s, &err) < 0 || pid_write(s, &err) < 0 || (f->remote && front_remote_conf(f, &err) < 0) ||
        front_conf_take(f, &err) < 0) {
        shell_log(&s->log, "error front stops: %s", err.text);
        fprintf(stderr, "tender-front: error: %s\n", err.text);
        s->stop = true;
        f->failed = true;
        return;
    }
    shell_log(&s->log, "info front ready pid=%ld state=%s version=%s", (long)getpid(), s->state_dir, TD_VERSION);
    shell_log_flush(&s->log);
    td_notify_say(&s->opt.notify, "READY=1\nSTATUS=has a picture of the cluster, answers\n");
    if (s->opt.ready_fd < 0)
        return;
    if (write(s->opt.ready_fd, "ready\n", 6) != 6)
        shell_log(&s->log, "warn nobody listens on --ready-fd %d", s->opt.ready_fd);
    close(s->opt.ready_fd);
    if (!s->opt.foreground && s->log.path)
        dup2(s->log.fd, STDERR_FILENO);
}

static int front_start(struct front *f, struct td_error *err)
{
    struct shell *s = f->s;
    int r = signals_open(s, err);
    if (r == 0)
        r = shell_log_open(&s->log, s->opt.log, err);
    if (r == 0)
        r = state_find(s, err);
    if (r < 0 || s->stop)
        return r;
    umask(077);
    clients_bound(s);
    struct td_buf path = {0};
    td_buf_putf(&path, "%s/run/broker.sock", s->state_dir);
    f->broker_socket = td_strdup(td_buf_str(&path));
    td_buf_release(&path);
    s->core = td_core_new(1);
    f->on_ready = say_ready;
    f->remote = s->opt.join || front_remote_is(s->state_dir);
    r = f->remote ? front_remote_begin(f, err) : 0;
    if (r < 0)
        return r;
    front_uplink_open(f);
    return 0;
}

static void front_stop(struct front *f)
{
    char path[4200];
    if (!f->on_ready && f->s->state_dir) {
        td_format(path, sizeof(path), "%s/run/front.pid", f->s->state_dir);
        unlink(path);
    }
    front_door_close(f);
    front_watch_release(f);
    front_relay_release(f);
    if (f->remote)
        front_remote_hang_up(f);
    else if (f->link == LINK_UP)
        td_stream_release(&f->up);
    explicit_bzero(&f->keys, sizeof(f->keys));
    shell_local_close(f->s);
    shell_release(f->s);
    td_vec_release(&f->forecast);
    td_arena_release(&f->arena);
    td_free((void *)(uintptr_t)f->broker_socket);
    td_free(f->door_address);
    td_free(f->s);
}

static int front_run(const struct shell_options *o)
{
    struct front f = {.s = td_alloc(sizeof(struct shell))};
    struct td_error err = {0};
    f.s->opt = *o;
    f.s->owner = &f;
    f.s->take_frame = front_take_frame;
    f.s->peer_gone = front_peer_gone;
    f.s->door = "front.sock";
    f.s->log.fd = STDERR_FILENO;
    f.s->signal_fd = f.s->epoll_fd = f.s->listen_fd = -1;
    f.s->next_handle = SHELL_HANDLE_FIRST;
    f.s->pid = (uint32_t)getpid();
    f.ring.first = 1;
    if (gethostname(f.s->host, sizeof(f.s->host) - 1) < 0)
        td_format(f.s->host, sizeof(f.s->host), "localhost");
    if (o->name)
        td_format(f.s->host, sizeof(f.s->host), "%s", o->name);
    int r = front_start(&f, &err);
    if (r == 0 && !f.s->stop)
        r = front_loop(&f, &err);
    if (r < 0) {
        shell_log(&f.s->log, "error front stops: %s", err.text);
        fprintf(stderr, "tender-front: error: %s\n", err.text);
    }
    bool failed = r < 0 || f.failed;
    td_notify_say(&f.s->opt.notify, "STOPPING=1\n");
    front_stop(&f);
    return failed ? 1 : 0;
}

/* The child is the front; the parent waits for its word and leaves. */
static int in_background(struct shell_options *o)
{
    int fds[2];
    char word[16];
    if (pipe2(fds, 0) < 0) {
        fprintf(stderr, "tender-front: cannot make a pipe: %s\n", strerror(errno));
        return 1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        fprintf(stderr, "tender-front: cannot start a process: %s\n", strerror(errno));
        return 1;
    }
    if (pid > 0) {
        close(fds[1]);
        ssize_t n = read(fds[0], word, sizeof(word));
        if (n > 0) {
            if (o->ready_fd >= 0 && write(o->ready_fd, word, (size_t)n) != n)
                fprintf(stderr, "tender-front: nobody listens on --ready-fd %d\n", o->ready_fd);
            return 0;
        }
        waitpid(pid, NULL, 0); /* it has said why */
        return 1;
    }
    close(fds[0]);
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDIN_FILENO), dup2(null, STDOUT_FILENO);
    if (o->ready_fd >= 0)
        close(o->ready_fd);
    o->ready_fd = fds[1];
    return front_run(o);
}

static void say_assert(const char *file, int line, const char *what)
{
    fprintf(stderr, "tender-front: %s:%d: %s does not hold\n", file, line, what);
}

/* Before there are two of us, and before standard input is /dev/null. */
static int token_take(struct shell_options *o)
{
    static char token[TD_JOIN_WORD_BYTES];
    struct td_error err = {0};
    if (!o->join)
        return 0;
    if (td_join_word_take((char *)(uintptr_t)o->join, token, sizeof(token), &err) < 0) { /* it is in argv, and ours */
        fprintf(stderr, "tender-front: error: %s\n", err.text);
        return -err.code;
    }
    o->join = token;
    return 0;
}

int main(int argc, char **argv)
{
    struct shell_options o = {.ready_fd = -1};
    td_assert_hook = say_assert;
    shell_memory_begin();
    td_notify_take(&o.notify);
    int r = options_parse(argc, argv, &o);
    if (r)
        return r < 0 ? 1 : 0;
    if (token_take(&o) < 0)
        return 1;
    if (!o.foreground)
        o.notify = (struct td_notify){0}; /* whoever waits for that one is not waiting for the one in the background */
    return o.foreground ? front_run(&o) : in_background(&o);
}
