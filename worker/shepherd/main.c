/* main.c - tender-shepherd --dir DIR: keeps the jobs of one node through its worker's crashes
 *
 * With --sweep it only ends what a shepherd that was killed has left there: for `tender down`, and for people.
 *
 * Started by the worker; leaves when it is told to (SH_QUIT, SIGTERM) and nothing runs any more, or when its directory
 * is gone, and then it takes its jobs with it. */
#include "worker/shepherd/shepherd.h"
#include "worker/shepherd/step.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "local/notify.h"
#include "worker/log.h"

#define TURN_MS_MAX 10000 /* looks after its directory at least this often */
#define FENCE_TURN_MS 1000 /* and after its fence: poll does not count the time that a host was suspended */

static int64_t boot_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int help(void)
{
    static const char *const rows[][3] = {
#define SHEPHERD_OPTION(ID, name, arg, help) {name, arg, help},
#include "tbl/daemons.def"
#undef SHEPHERD_OPTION
    };
    printf("usage: tender-shepherd --dir DIR [--sweep]\n");
    for (size_t i = 0; i < TD_ARRAY_LEN(rows); i++)
        printf("  --%s %-*s %s\n", rows[i][0], (int)(16 - strlen(rows[i][0])), rows[i][1] ? rows[i][1] : "", rows[i][2]);
    return 0;
}

static int usage(const char *why)
{
    fprintf(stderr, "tender-shepherd: %s\nusage: tender-shepherd --dir DIR [--sweep]\n", why);
    return 2;
}

static int open_signals(void)
{
    sigset_t all, some;
    for (int i = 1; i < NSIG; i++)
        if (i != SIGKILL && i != SIGSTOP)
            signal(i, SIG_DFL); /* jobs must not inherit what our starter ignored */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL); /* SIGPIPE too: a write then says EPIPE */
    sigemptyset(&some);
    sigaddset(&some, SIGCHLD);
    sigaddset(&some, SIGTERM);
    sigaddset(&some, SIGINT);
    return signalfd(-1, &some, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* One shepherd for a directory: the lock on shepherd.pid is held as long as we live. */
static int lock_dir(const char *dir, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 32], text[32];
    td_format(path, sizeof(path), "%s/shepherd.pid", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return td_fail(err, TD_E_IO, "cannot open %s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return td_fail(err, TD_E_BUSY, "another shepherd holds %s", path);
    size_t n = td_format(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || write(fd, text, n) != (ssize_t)n)
        return td_fail(err, TD_E_IO, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

static int host_boot_id(char *out, size_t cap, struct td_error *err)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return td_fail(err, TD_E_IO, "cannot read the host's boot id: %s", strerror(errno));
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return 0;
}

/* From here on this directory is ours, and nothing that an earlier shepherd started lives any more. */
static int take_over(struct shepherd *sh, bool *ret_swept, struct td_error *err)
{
    char host[64];
    life_vec lives = {0};
    int r = lock_dir(sh->dir, err);
    if (r == 0)
        r = host_boot_id(host, sizeof(host), err);
    if (r == 0)
        r = spool_open(&sh->spool, sh->dir, host, &lives, err);
    if (r < 0)
        return r;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return td_fail(err, TD_E_IO, "cannot become a subreaper: %s", strerror(errno));
    cages_find_old(sh);
    if (cages_unknown(sh, &lives)) { /* killed between making a process and writing it down: it is not made again */
        spool_new_boot(&sh->spool, host);
        spool_compact(&sh->spool, lives.v, lives.n);
    }
    *ret_swept = sweep(sh, &lives); /* before anything new may start: nothing lives twice */
    td_vec_release(&lives);
    recall(sh);
    spool_compact(&sh->spool, NULL, 0);
    return 0;
}

static int prepare(struct shepherd *sh, struct td_error *err)
{
    bool swept;
    int r = take_over(sh, &swept, err);
    if (r < 0)
        return r;
    cages_open(sh);
    r = launcher_new(&sh->launcher, &sh->cages.home, err);
    if (r == 0)
        r = io_open(sh, err);
    if (r < 0)
        return r;
    sh->orphans_exact = launch_self_test(sh->launcher);
    if (!sh->orphans_exact)
        td_log("warn", "this kernel does not tell orphans apart: /proc is read after each job");
    return link_open(sh, err);
}

static void compact_if_grown(struct shepherd *sh)
{
    TD_VEC(struct td_spool_life) lives = {0};
    if (!spool_has_grown(&sh->spool))
        return;
    for (struct attempt *a = sh->ledger.first; a; a = a->next)
        if (a->state == ATTEMPT_RUNNING || a->state == ATTEMPT_LEFTOVERS) {
            struct td_spool_life life = {a->job, a->attempt, (uint32_t)a->pid, start_ticks_of(a->started_ms)};
            td_vec_push(&lives, life);
        }
    spool_compact(&sh->spool, lives.v, lives.n);
    td_vec_release(&lives);
}

static void read_signals(struct shepherd *sh, int fd)
{
    struct signalfd_siginfo info[16];
    ssize_t n;
    while ((n = read(fd, info, sizeof(info))) > 0)
        for (size_t i = 0; i < (size_t)n / sizeof(info[0]); i++)
            if (info[i].ssi_signo != SIGCHLD)
                shepherd_quit(sh, sh->quit); /* the second time: at once */
}

/* The directory was removed under us: nobody can ever ask for these jobs again. */
static void abandon(struct shepherd *sh)
{
    for (struct attempt *a = sh->ledger.first; a; a = a->next) {
        attempt_signal(sh, a, SIGKILL, REACH_ALL);
        steps_end(sh, a, true);
    }
}

static int turn_timeout(const struct shepherd *sh)
{
    int64_t at = TD_MIN(sh->look_at_ms, sh->next_due_ms), now = boot_ms();
    int64_t wait = at == INT64_MAX ? TURN_MS_MAX : at - now;
    return (int)TD_MAX(0, TD_MIN(wait, sh->fence_ms && sh->ledger.alive ? FENCE_TURN_MS : TURN_MS_MAX));
}

static void wait_for_something(struct shepherd *sh, int signal_fd)
{
    struct pollfd fds[5 + SHEPHERD_CALLERS] = {
        {.fd = signal_fd, .events = POLLIN},
        {.fd = launcher_fd(sh->launcher), .events = POLLIN},
        {.fd = sh->listen_fd, .events = POLLIN},
        {.fd = sh->io_fd, .events = POLLIN},
    };
    nfds_t n = 4;
    if (sh->has_worker) {
        short events = td_stream_wants_write(&sh->worker) ? POLLIN | POLLOUT : POLLIN;
        fds[n++] = (struct pollfd){.fd = sh->worker.fd, .events = events};
    }
    nfds_t links = n;
    for (uint32_t i = 0; i < sh->ncallers; i++)
        fds[n++] = (struct pollfd){.fd = sh->callers[i].fd, .events = POLLIN};

    int ready = poll(fds, n, turn_timeout(sh));
    sh->now_ms = boot_ms();
    sh->tab_fresh = false;
    if (ready <= 0)
        return;
    if (fds[0].revents)
        read_signals(sh, signal_fd);
    if (fds[2].revents)
        link_accept(sh);
    bool spoken = links > 4 && fds[4].revents;
    for (nfds_t i = links; i < n; i++)
        spoken |= fds[i].revents != 0;
    if (spoken)
        link_read(sh);
    if (fds[1].revents)
        started(sh);
    if (fds[3].revents)
        io_turn(sh);
    if (fds[0].revents)
        reap(sh);
}

static int run(struct shepherd *sh, int signal_fd)
{
    struct stat st;
    int64_t look_dir_ms = 0;
    td_log("info", "shepherd starts, boot id %s", sh->spool.boot_id);
    while (!(sh->quit && sh->ledger.alive == 0)) {
        wait_for_something(sh, signal_fd);
        limits_keep(sh);
        look_for_leftovers(sh);
        spool_commit(&sh->spool);
        link_report(sh);
        compact_if_grown(sh);
        if (sh->now_ms < look_dir_ms)
            continue;
        look_dir_ms = sh->now_ms + TURN_MS_MAX;
        if (stat(sh->socket, &st) < 0 && errno == ENOENT) {
            td_log("error", "%s is gone: jobs are ended", sh->socket);
            abandon(sh);
            return 1;
        }
    }
    td_log("info", "shepherd leaves, %u statuses not acknowledged", sh->spool.waiting.n - sh->spool.taken);
    return 0;
}

static int sweep_only(struct shepherd *sh)
{
    struct td_error err = {0};
    bool swept = false;
    if (take_over(sh, &swept, &err) < 0)
        td_log("error", "nothing is swept: %s", err.text);
    spool_release(&sh->spool);
    ledger_release(&sh->ledger);
    proctab_release(&sh->tab);
    return swept ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct shepherd sh = {.look_at_ms = INT64_MAX};
    struct td_notify notify;
    struct td_error err = {0};
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return help();
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return printf("tender-shepherd %s\n", TD_VERSION) < 0;
    bool only_sweep = argc == 4 && strcmp(argv[3], "--sweep") == 0;
    if ((argc != 3 && !only_sweep) || strcmp(argv[1], "--dir") != 0)
        return usage("--dir DIR is needed");
    if (!realpath(argv[2], sh.dir)) {
        fprintf(stderr, "tender-shepherd: %s: %s\n", argv[2], strerror(errno));
        return 1;
    }
    td_format(sh.socket, sizeof(sh.socket), "%s/shepherd.sock", sh.dir);
    if (chdir("/") < 0)
        return usage(strerror(errno));
    td_notify_take(&notify);
    close_range(3, ~0u, 0); /* nothing of our starter's may live on in jobs */
    int signal_fd = open_signals();
    sh.now_ms = boot_ms();
    if (only_sweep)
        return sweep_only(&sh);
    if (signal_fd < 0 || prepare(&sh, &err) < 0) {
        td_log("error", "shepherd cannot start: %s", signal_fd < 0 ? strerror(errno) : err.text);
        return 1;
    }
    td_notify_say(&notify, "READY=1\nSTATUS=holds the node's jobs\n");
    int r = run(&sh, signal_fd);
    td_notify_say(&notify, "STOPPING=1\n");
    cages_close(&sh);
    steps_release(&sh);
    link_close(&sh);
    spool_release(&sh.spool);
    ledger_release(&sh.ledger);
    proctab_release(&sh.tab);
    return r;
}
