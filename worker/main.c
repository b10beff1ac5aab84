/* main.c - tender-worker: options, directory, lock; then the loop */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/log.h"
#include "worker/worker.h"

enum {
    OPT_BEFORE = 255,
#define WORKER_OPTION(ID, name, arg, help) OPT_##ID,
#include "tbl/daemons.def"
#undef WORKER_OPTION
};

static const struct option_row {
    int id;
    const char *name, *value, *help; /* value NULL: takes none */
} rows[] = {
#define WORKER_OPTION(ID, name, arg, help) {OPT_##ID, name, arg, help},
#include "tbl/daemons.def"
#undef WORKER_OPTION
};

static void print_help(void)
{
    printf("usage: tender-worker --join TOKEN [options]\n");
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++) {
        char left[40];
        snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].value ? " " : "", rows[i].value ? rows[i].value : "");
        printf("  %-22s %s\n", left, rows[i].help);
    }
}

static int bad_usage(const char *why, const char *what)
{
    fprintf(stderr, "tender-worker: %s%s; --help shows the options\n", why, what);
    return 2;
}

/* Returns -1 to go on, else the exit code. */
static int take_option(struct worker_options *o, int c)
{
    uint64_t n;
    switch (c) {
    case OPT_JOIN:
        o->join = optarg;
        return -1;
    case OPT_NODE:
        o->node = optarg;
        return -1;
    case OPT_DIR:
        o->dir = optarg;
        return -1;
    case OPT_CONF:
        o->conf = optarg;
        return -1;
    case OPT_TOPOLOGY:
        o->topology = optarg;
        return -1;
    case OPT_CPUS:
        if (!td_parse_u64(optarg, &n) || n == 0 || n > TD_MAX_CPUS_PER_NODE)
            return bad_usage("--cpus takes 1 to 4096, not ", optarg);
        o->cpus = (uint32_t)n;
        return -1;
    case OPT_REHEARSE:
        o->rehearse = true;
        return -1;
    case OPT_LOG:
        o->log = optarg;
        return -1;
    case OPT_READY:
        if (!td_parse_u64(optarg, &n) || n > 65535 || fcntl((int)n, F_GETFD) < 0)
            return bad_usage("--ready-fd takes an open file descriptor, not ", optarg);
        o->ready_fd = (int)n;
        return -1;
    case OPT_FOREGROUND:
        return -1;
    case OPT_HELP:
        print_help();
        return 0;
    case OPT_VERSION:
        printf("tender-worker %s\n", TD_VERSION);
        return 0;
    default:
        return 2; /* getopt has said what is wrong */
    }
}

static int take_options(struct worker_options *o, int argc, char **argv)
{
    struct option options[TD_ARRAY_LEN(rows) + 1];
    int c, r = -1;
    memset(options, 0, sizeof(options));
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++)
        options[i] = (struct option){rows[i].name, rows[i].value ? required_argument : no_argument, NULL, rows[i].id};
    while (r < 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1)
        r = take_option(o, c);
    if (r < 0 && optind < argc)
        return bad_usage("unexpected argument ", argv[optind]);
    return r;
}

/* --- directory ------------------------------------------------------------------------------------------------------------ */

static int name_node(struct worker *w, struct td_error *err)
{
    char host[256];
    if (w->opt.node) {
        if (strlen(w->opt.node) > TD_MAX_NAME_BYTES || !w->opt.node[0] || strchr(w->opt.node, '/'))
            return td_fail(err, TD_E_INVALID_NODE, "\"%s\" is no name for a node", w->opt.node);
        td_format(w->node, sizeof(w->node), "%s", w->opt.node);
        return 0;
    }
    if (gethostname(host, sizeof(host)) < 0)
        return td_fail(err, TD_E_IO, "cannot tell the host's name: %s; give --node", strerror(errno));
    host[sizeof(host) - 1] = '\0';
    host[strcspn(host, ".")] = '\0';
    td_format(w->node, sizeof(w->node), "%s", host);
    return 0;
}

static int default_dir(struct worker *w, char *out, size_t cap, struct td_error *err)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (geteuid() == 0)
        td_format(out, cap, "/var/lib/tender/%s", w->node);
    else if (!td_str_empty(state))
        td_format(out, cap, "%s/tender/%s", state, w->node);
    else if (!td_str_empty(home))
        td_format(out, cap, "%s/.local/state/tender/%s", home, w->node);
    else
        return td_fail(err, TD_E_USAGE, "neither HOME nor XDG_STATE_HOME is set: give --dir");
    return 0;
}

static int make_dirs(char *path, struct td_error *err)
{
    for (char *at = path + 1;; at++) {
        char was = *at;
        if (was != '/' && was != '\0')
            continue;
        *at = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return td_fail(err, TD_E_IO, "cannot make %s: %s", path, strerror(errno));
        *at = was;
        if (was == '\0')
            return 0;
    }
}

static int open_dir(struct worker *w, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES];
    int r = 0;
    if (w->opt.dir)
        td_format(path, sizeof(path), "%s", w->opt.dir);
    else
        r = default_dir(w, path, sizeof(path), err);
    if (r == 0)
        r = make_dirs(path, err);
    if (r < 0)
        return r;
    if (!realpath(path, w->dir))
        return td_fail(err, TD_E_IO, "%s: %s", path, strerror(errno));
    return 0;
}

/* Of the file that is locked: a copy of the folder has another, and so has the same folder after a reboot. */
static void name_home(struct worker *w, int fd)
{
    char boot[64], text[160];
    uint8_t hash[32];
    struct stat st;
    int boot_fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = boot_fd < 0 ? -1 : read(boot_fd, boot, sizeof(boot) - 1);
    if (boot_fd >= 0)
        close(boot_fd);
    if (n <= 0 || fstat(fd, &st) < 0)
        return; /* a restart of both waits for the lease */
    boot[n] = '\0';
    size_t len = td_format(text, sizeof(text), "%s %llu %llu", boot, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    td_hash(text, len, hash);
    for (size_t i = 0; i < sizeof(w->home) / 2; i++)
        snprintf(w->home + 2 * i, 3, "%02x", hash[i]);
}

/* One worker for a directory; the lock goes with the process. */
static int lock_dir(struct worker *w, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16], text[32];
    td_format(path, sizeof(path), "%s/worker.pid", w->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return td_fail(err, TD_E_IO, "cannot open %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return td_fail(err, TD_E_BUSY, "a worker of %s runs already", w->dir);
    size_t n = td_format(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || write(fd, text, n) != (ssize_t)n)
        return td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
    name_home(w, fd);
    return 0;
}

int worker_log_open(struct worker *w, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16];
    if (w->opt.log && strcmp(w->opt.log, "-") == 0)
        return 0;
    if (w->opt.log)
        td_format(path, sizeof(path), "%s", w->opt.log);
    else
        td_format(path, sizeof(path), "%s/worker.log", w->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, 2) < 0)
        return td_fail(err, TD_E_IO, "cannot open the log %s: %s", path, strerror(errno));
    close(fd);
    return 0;
}

/* Who starts a worker sees "--dir DIR" in its command line; one that left it to the default is started anew with it, so
 * that every process of a directory can be told by its command line. */
static void name_dir_in_command_line(const struct worker *w, int argc, char **argv)
{
    char **v = td_alloc(((size_t)argc + 3) * sizeof(*v));
    memcpy(v, argv, (size_t)argc * sizeof(*v));
    v[argc] = "--dir";
    v[argc + 1] = (char *)(uintptr_t)w->dir;
    execv("/proc/self/exe", v);
    td_free(v); /* it runs as well without */
}

/* In the foreground somebody may look at where we were started; one who waits on --ready-fd, or named a log, does not. */
static void listen_to_us(const struct worker *w, int caller)
{
    bool apart = !w->opt.log || strcmp(w->opt.log, "-") != 0; /* else the log is what he looks at */
    if (caller >= 0 && apart && w->opt.ready_fd < 0 && (!w->opt.log || isatty(caller)))
        td_log_also_to(caller, "tender-worker");
    else if (caller >= 0)
        close(caller);
}

/* First of all: until then ps shows it. */
static int take_token(struct worker *w, struct td_error *err)
{
    static char token[TD_JOIN_WORD_BYTES];
    int r = w->opt.join ? td_join_word_take(w->opt.join, token, sizeof(token), err) : 0;
    w->opt.join = w->opt.join ? token : NULL;
    return r;
}

static int prepare(struct worker *w, struct td_error *err)
{
    int r = take_token(w, err);
    if (r == 0)
        r = lock_dir(w, err);
    if (r == 0)
        r = scripts_open(&w->scripts, w->dir, err);
    if (r == 0)
        r = inventory_read(w, err);
    if (r == 0)
        r = uplink_open(w, err);
    return r;
}

int main(int argc, char **argv)
{
    static struct worker w = {.opt.ready_fd = -1, .want_at_ms = INT64_MAX, .spare_fd = -1, .spare_at_ms = INT64_MAX};
    struct td_error err = {0};
    int r = take_options(&w.opt, argc, argv);
    if (r >= 0)
        return r;
    if (name_node(&w, &err) < 0 || open_dir(&w, &err) < 0) {
        fprintf(stderr, "tender-worker: %s\n", err.text);
        return 1;
    }
    if (!w.opt.dir)
        name_dir_in_command_line(&w, argc, argv);
    td_notify_take(&w.opt.notify); /* behind the exec */
    int caller = fcntl(2, F_DUPFD_CLOEXEC, 3); /* who started us hears of a failed start; later lines are the log's */
    if (worker_log_open(&w, &err) < 0 || prepare(&w, &err) < 0) {
        char line[TD_ERROR_TEXT_MAX + 16];
        dprintf(caller, "tender-worker: %s\n", err.text);
        td_format(line, sizeof(line), "error: %s\n", err.text);
        worker_say_ready(&w, line);
        return 1;
    }
    listen_to_us(&w, caller);
    td_log("info", "worker of %s starts in %s, version %s", w.node, w.dir, TD_VERSION);
    r = worker_run(&w);
    td_notify_say(&w.opt.notify, "STOPPING=1\n");
    launch_release(&w);
    step_release(&w);
    td_bus_client_destroy(&w.bus);
    td_stream_release(&w.keeper);
    td_agent_destroy(&w.agent);
    blobs_release(&w.blobs);
    scripts_release(&w.scripts);
    inventory_release(&w);
    td_arena_release(&w.arena);
    td_buf_release(&w.frame);
    td_buf_release(&w.greeting);
    return r;
}
