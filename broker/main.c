/* main.c - tender-broker: options, the state directory, the order of starting and stopping
 *
 * Without --foreground the process that was started waits until the broker answers, says why if it does not, and leaves
 * it running in the background. */
#include "broker/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK_BYTES_MAX (1024ull << 20)
#define LOCK_TRIES 60
#define LOCK_PAUSE_NS 50000000L

static const struct {
    const char *name;
    const char *arg; /* NULL: takes none */
    const char *help;
} options[] = {
#define BROKER_OPTION(ID, name, arg, help) {name, arg, help},
#include "tbl/daemons.def"
#undef BROKER_OPTION
};

static void help(FILE *to)
{
    fprintf(to, "Usage: tender-broker [options]\nThe broker of a Tender cluster: takes jobs, offers them, decides.\n\n");
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
        } texts[] = {{"conf", &o->conf},       {"state", &o->state}, {"dir", &o->dir},
                     {"address", &o->address}, {"ports", &o->ports}, {"log", &o->log}};
        for (size_t i = 0; i < TD_ARRAY_LEN(texts); i++)
            if (strcmp(name, texts[i].name) == 0)
                *texts[i].to = optarg;
        if (strcmp(name, "ready-fd") == 0) {
            if (!td_parse_u64(optarg, &fd) || fd > 65535) {
                fprintf(stderr, "tender-broker: --ready-fd: '%s' is no descriptor\n", optarg);
                return -TD_E_USAGE;
            }
            o->ready_fd = (int)fd;
        } else if (strcmp(name, "foreground") == 0) {
            o->foreground = true;
        } else if (strcmp(name, "help") == 0) {
            help(stdout);
            return 1;
        } else if (strcmp(name, "version") == 0) {
            printf("tender-broker %s\n", TD_VERSION);
            return 1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "tender-broker: '%s' is not an option (see --help)\n", argv[optind]);
        return -TD_E_USAGE;
    }
    return 0;
}

/* --- state directory ------------------------------------------------------------------------------------------------- */

/* Parents with the usual mode; the last one open to nobody's eyes but for the way to the socket. */
static int directory_make(char *path, struct td_error *err)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        int r = mkdir(path, 0755);
        int e = errno;
        *p = '/';
        if (r < 0 && e != EEXIST)
            return td_fail(err, TD_E_IO, "cannot make %s: %s", path, strerror(e));
    }
    if (mkdir(path, 0711) < 0 && errno != EEXIST)
        return td_fail(err, TD_E_IO, "cannot make %s: %s", path, strerror(errno));
    struct stat st;
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return td_fail(err, TD_E_IO, "%s is not a directory", path);
    if (st.st_uid != geteuid())
        return td_fail(err, TD_E_IO, "%s belongs to another user", path);
    if (chmod(path, 0711) < 0)
        return td_fail(err, TD_E_IO, "cannot set the mode of %s: %s", path, strerror(errno));
    return 0;
}

static int state_open(struct shell *s, struct td_error *err)
{
    struct td_buf path = {0};
    if (s->opt.state)
        td_buf_puts(&path, s->opt.state);
    else if (s->opt.dir)
        td_buf_putf(&path, "%s/state", s->opt.dir);
    else if (s->conf->state_dir)
        td_buf_puts(&path, s->conf->state_dir);
    else
        return td_fail(err, TD_E_USAGE, "no state directory: name one with --state, --dir, or StateSaveLocation in a slurm.conf");
    if (path.data[0] != '/') {
        char *cwd = getcwd(NULL, 0);
        struct td_buf whole = {0};
        td_buf_putf(&whole, "%s/%s", cwd ? cwd : ".", td_buf_str(&path));
        free(cwd);
        td_buf_release(&path);
        path = whole;
    }
    s->state_dir = td_strdup(td_buf_str(&path));
    td_buf_release(&path);
    umask(077);
    return directory_make(s->state_dir, err);
}

static int pid_write(struct shell *s, struct td_error *err)
{
    char path[4200];
    td_format(path, sizeof(path), "%s/run/broker.pid", s->state_dir);
    FILE *f = fopen(path, "we");
    if (!f || fchmod(fileno(f), 0644) < 0 || fprintf(f, "%ld\n", (long)getpid()) < 0 || fflush(f) != 0) {
        int r = td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
        if (f)
            fclose(f);
        return r;
    }
    fclose(f);
    return 0;
}

static void pid_remove(struct shell *s)
{
    char path[4200];
    td_format(path, sizeof(path), "%s/run/broker.pid", s->state_dir);
    unlink(path);
}

/* --- start and stop ---------------------------------------------------------------------------------------------------- */

/* Before any thread of libzmq exists, so that all of them leave these signals to the loop. */
static int signals_open(struct shell *s, struct td_error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk to us, not the end */
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return td_fail(err, TD_E_IO, "cannot block signals: %s", strerror(errno));
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = SHELL_EPOLL_SIGNAL};
    if (s->signal_fd < 0 || s->epoll_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->signal_fd, &ev) < 0)
        return td_fail(err, TD_E_IO, "cannot watch signals: %s", strerror(errno));
    return 0;
}

/* Whoever stops just now writes a snapshot before it lets go: a start right behind a stop waits for that. */
static int store_open(struct shell *s, struct td_error *err)
{
    int r = s->ops->open(s->state_dir, false, &s->store, err);
    for (int i = 0; r == -TD_E_BUSY && i < LOCK_TRIES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
        r = s->ops->open(s->state_dir, false, &s->store, err);
    }
    return r;
}

/* Recovery reads what it needs, and each row it reads has its sum. Damage elsewhere, of an index say, would only show in
 * answers that lack something: so the whole file is looked at before anything is added to it. That takes 2 ms a MiB (0.2 s
 * with the history of 100,000 jobs) and a read of the file, which may be long where history is never purged. */
static int store_check(struct shell *s, struct td_error *err)
{
    uint64_t bytes = s->ops->bytes(s->store);
    int64_t began_us = shell_boot_us();
    if (bytes > CHECK_BYTES_MAX) {
        shell_log(&s->log, "warn journal of %llu MiB is not checked at each start, as one up to %llu MiB is: tender journal verify does it",
                  (unsigned long long)bytes >> 20, (unsigned long long)CHECK_BYTES_MAX >> 20);
        return 0;
    }
    int r = s->ops->whole(s->store, err);
    if (r == 0)
        shell_log(&s->log, "info journal checked mib=%llu ms=%lld", (unsigned long long)bytes >> 20,
                  (long long)(shell_boot_us() - began_us) / 1000);
    return r;
}

static int shell_start(struct shell *s, struct td_error *err)
{
    int r = signals_open(s, err);
    if (r == 0)
        r = shell_conf_load(s, &s->conf, err);
    if (r == 0)
        r = shell_log_open(&s->log, s->opt.log ? s->opt.log : s->conf->log_file, err);
    if (r == 0)
        r = state_open(s, err);
    if (r == 0)
        r = store_open(s, err);
    if (r == 0)
        r = store_check(s, err);
    if (r == 0)
        r = shell_core_rebuild(s, err);
    if (r < 0)
        return r;
    shell_clock_start(&s->clock, shell_boot_us(), shell_wall_us(), td_core_time(s->core));
    s->started_ms = shell_wall_us() / 1000;
    r = shell_bus_open(s, err);
    if (r == 0)
        r = shell_reign_begin(s, err); /* before the doors: nobody is answered by a broker that does not reign */
    if (r == 0)
        r = shell_local_open(s, err);
    if (r == 0)
        r = pid_write(s, err);
    return r;
}

static void shell_stop(struct shell *s)
{
    shell_local_close(s);
    shell_bus_close(s);
    shell_release(s);
}

static void say_ready(struct shell *s)
{
    td_notify_say(&s->opt.notify, "READY=1\nSTATUS=answers, takes jobs\n");
    if (s->opt.ready_fd < 0)
        return;
    if (write(s->opt.ready_fd, "ready\n", 6) != 6)
        shell_log(&s->log, "warn nobody listens on --ready-fd %d", s->opt.ready_fd);
    close(s->opt.ready_fd);
    if (!s->opt.foreground && s->log.path)
        dup2(s->log.fd, STDERR_FILENO); /* what an assertion says goes there too */
}

static int broker_run(const struct shell_options *o)
{
    struct shell *s = td_alloc(sizeof(*s));
    struct td_error err = {0};
    s->opt = *o;
    s->ops = &td_store_sqlite;
    s->log.fd = STDERR_FILENO;
    s->take_frame = shell_take_frame;
    s->peer_gone = shell_peer_gone;
    s->door = "broker.sock";
    s->signal_fd = s->epoll_fd = s->listen_fd = -1;
    s->next_handle = SHELL_HANDLE_FIRST;
    s->pid = (uint32_t)getpid();
    if (gethostname(s->host, sizeof(s->host) - 1) < 0)
        td_format(s->host, sizeof(s->host), "localhost");

    int r = shell_start(s, &err);
    if (r == 0) {
        shell_log(&s->log, "info broker ready pid=%ld state=%s version=%s", (long)getpid(), s->state_dir, TD_VERSION);
        shell_log_flush(&s->log);
        say_ready(s);
        r = shell_loop(s, &err);
        pid_remove(s);
    }
    if (r < 0) {
        shell_log(&s->log, "error broker stops: %s", err.text);
        if (s->log.path)
            fprintf(stderr, "tender-broker: error: %s\n", err.text);
    }
    shell_stop(s);
    td_free(s);
    return r < 0 ? 1 : 0;
}

/* The child is the broker; the parent waits for its word and leaves. */
static int in_background(struct shell_options *o)
{
    int fds[2];
    char word[16];
    if (pipe2(fds, 0) < 0) {
        fprintf(stderr, "tender-broker: cannot make a pipe: %s\n", strerror(errno));
        return 1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        fprintf(stderr, "tender-broker: cannot start a process: %s\n", strerror(errno));
        return 1;
    }
    if (pid > 0) {
        close(fds[1]);
        ssize_t n = read(fds[0], word, sizeof(word));
        if (n > 0) {
            if (o->ready_fd >= 0 && write(o->ready_fd, word, (size_t)n) != n)
                fprintf(stderr, "tender-broker: nobody listens on --ready-fd %d\n", o->ready_fd);
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
    return broker_run(o);
}

static void say_assert(const char *file, int line, const char *what)
{
    fprintf(stderr, "tender-broker: %s:%d: %s does not hold\n", file, line, what);
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
    if (!o.foreground)
        o.notify = (struct td_notify){0}; /* whoever waits for that one is not waiting for the one in the background */
    return o.foreground ? broker_run(&o) : in_background(&o);
}
