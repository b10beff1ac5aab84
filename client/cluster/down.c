/* down.c - tender down: ends a local cluster and leaves its journal
 *
 * The broker goes first, so that nothing of what follows is recorded as a job's own end: to the journal it is as if the
 * machine had lost its power. Running jobs are ended and queued again at the next tender up, where they may be. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"

#define LEAVE_MS 10000
#define JOBS_MS 2000

struct down {
    const char *dir, *name;
    bool force;
};

#define AT(field) offsetof(struct down, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster", NULL, false},
    {"force", 0, NULL, opt_flag, AT(force), "kill jobs and processes at once instead of asking them to leave first", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

static void signal_all(const pid_vec *v, int signal)
{
    for (uint32_t i = 0; i < v->n; i++)
        kill(v->v[i], signal);
}

static bool any_alive(const pid_vec *v)
{
    for (uint32_t i = 0; i < v->n; i++)
        if (process_alive(v->v[i]))
            return true;
    return false;
}

/* The shepherd is stopped while its jobs are ended, so that it records nothing of it; then it goes
 * too. Nobody is to interrupt us between the two (SIGKILL can: down_finish). */
static enum process_end end_stopped(pid_t shepherd, bool force)
{
    struct timespec tick = {.tv_nsec = 5 * 1000000};
    pid_vec tree = {0};

    process_tree(shepherd, &tree);
    if (!force) {
        signal_all(&tree, SIGTERM);
        signal_all(&tree, SIGCONT);
        for (int ms = 0; ms < JOBS_MS && any_alive(&tree); ms += 5)
            nanosleep(&tick, NULL);
    }
    for (int round = 0; round < 3; round++) { /* what was started meanwhile too */
        process_tree(shepherd, &tree);
        signal_all(&tree, SIGKILL);
    }
    kill(shepherd, SIGKILL);
    td_vec_release(&tree);
    return process_wait_gone(shepherd, LEAVE_MS) ? PROCESS_GONE : PROCESS_STAYS;
}

static enum process_end end_shepherd(pid_t shepherd, bool force)
{
    enum process_end end = PROCESS_NOT_OURS;
    sigset_t later, before;

    sigemptyset(&later);
    sigaddset(&later, SIGINT);
    sigaddset(&later, SIGTERM);
    sigaddset(&later, SIGHUP);
    sigprocmask(SIG_BLOCK, &later, &before);
    if (kill(shepherd, SIGSTOP) == 0 || errno != EPERM)
        end = end_stopped(shepherd, force);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return end;
}

/* Jobs that have nodes; one that is COMPLETING is over, how is known already. */
struct running {
    uint32_t queued_again, lost;
};

static struct running count_running(void)
{
    static const char *const states[] = {"RUNNING", "CONFIGURING"};
    struct client c = {0};
    struct client_jobs jobs = {0};
    struct td_error err = {0};
    struct td_query_jobs q = {.filter.states = {.v = states, .n = TD_ARRAY_LEN(states)}, .all = true};
    struct running n = {0};

    if (client_open(&c, &err) == 0 && client_jobs(&c, &q, &jobs, &err) == 0)
        for (uint32_t i = 0; i < jobs.rows.n; i++)
            jobs.rows.v[i]->requeue ? n.queued_again++ : n.lost++;
    td_vec_release(&jobs.rows);
    client_close(&c);
    return n;
}

static const char *jobs_were(uint32_t n)
{
    return n == 1 ? "running job was" : "running jobs were";
}

/* Every folder under nodes/: a node that joined by hand has no line in DIR/workers. */
static uint32_t each_node(const struct cluster *c, uint32_t (*what)(const struct cluster *, const char *, bool, uint32_t *),
                          bool force, uint32_t *stay)
{
    char path[TD_MAX_PATH_BYTES + 16];
    struct dirent *e;
    uint32_t n = 0;

    td_format(path, sizeof(path), "%s/nodes", c->dir);
    DIR *d = opendir(path);
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            n += what(c, e->d_name, force, stay);
    if (d)
        closedir(d);
    return n;
}

static const char *why(enum process_end end)
{
    return end == PROCESS_NOT_OURS ? "may not be signalled: it is another user's" : "does not end";
}

/* Counts what is gone; what stays is named and counted apart. */
static uint32_t down_worker(const struct cluster *c, const char *node, bool force, uint32_t *stay)
{
    pid_t pid = process_find(c, PROCESS_WORKER, node);
    enum process_end end = pid ? process_end(pid, 2, force) : PROCESS_GONE;

    if (end != PROCESS_GONE) {
        say_warning("worker of %s (process %d) %s", node, (int)pid, why(end));
        ++*stay;
    }
    return pid != 0 && end == PROCESS_GONE;
}

static uint32_t down_shepherd(const struct cluster *c, const char *node, bool force, uint32_t *stay)
{
    pid_t pid = process_find(c, PROCESS_SHEPHERD, node);
    enum process_end end = pid ? end_shepherd(pid, force) : PROCESS_GONE;

    if (end != PROCESS_GONE) {
        say_warning("shepherd of %s (process %d) %s", node, (int)pid, why(end));
        ++*stay;
    }
    return pid != 0 && end == PROCESS_GONE;
}

static uint32_t find_shepherd(const struct cluster *c, const char *node, bool force, uint32_t *stay)
{
    (void)force;
    (void)stay;
    return process_find(c, PROCESS_SHEPHERD, node) != 0;
}

static uint32_t finish_shepherd(const struct cluster *c, const char *node, bool force,
                                uint32_t *stay)
{
    pid_t pid = process_find(c, PROCESS_SHEPHERD, node);

    return pid && process_stopped(pid) ? down_shepherd(c, node, force, stay) : 0;
}

void down_finish(const struct cluster *c)
{
    uint32_t stay = 0, n = each_node(c, finish_shepherd, true, &stay);

    if (n)
        say_note("%u shepherd%s, stopped by a tender down that did not come to its end, %s ended "
                 "with what jobs had left",
                 n, n == 1 ? "" : "s", n == 1 ? "was" : "were");
}

static int run_sweep(const char *dir, int log_fd, struct td_error *err)
{
    char *argv[] = {"tender-shepherd", "--dir", (char *)(uintptr_t)dir, "--sweep", NULL};
    int status;
    pid_t pid = process_start(argv[0], argv, -1, log_fd, err);

    if (pid < 0)
        return (int)pid;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return td_fail(err, TD_E_IO, "cannot wait for %s: %s", argv[0], strerror(errno));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return td_fail(err, TD_E_IO, "see %s/shepherd.log", dir);
    return 0;
}

/* What jobs left behind that their shepherd, killed by us or long before, can no longer end: only a shepherd can tell. */
static uint32_t sweep_node(const struct cluster *c, const char *node, bool force, uint32_t *stay)
{
    char dir[TD_MAX_PATH_BYTES + 512], path[TD_MAX_PATH_BYTES + 544];
    struct td_error err = {0};

    (void)force;
    td_format(dir, sizeof(dir), "%s/nodes/%s", c->dir, node);
    td_format(path, sizeof(path), "%s/spool/statuses", dir);
    if (process_find(c, PROCESS_SHEPHERD, node) || (access(path, F_OK) < 0 && errno == ENOENT))
        return 0; /* said already; never had one */
    td_format(path, sizeof(path), "%s/shepherd.log", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int r = fd < 0 ? td_fail(&err, TD_E_IO, "cannot write %s: %s", path, strerror(errno)) : run_sweep(dir, fd, &err);
    if (fd >= 0)
        close(fd);
    if (r < 0) {
        say_warning("what jobs on %s have left may still run: %s", node, err.text);
        ++*stay;
    }
    return r == 0;
}

int down_all(const struct cluster *c, bool force, struct td_error *err)
{
    uint32_t stay = 0;
    pid_t broker = process_find(c, PROCESS_BROKER, NULL);
    struct running running = broker ? count_running() : (struct running){0};
    enum process_end end = broker ? process_end(broker, 1, false) : PROCESS_GONE;
    if (end != PROCESS_GONE) /* nothing is touched under a broker that would record it */
        return td_fail(err, TD_E_IO, "the broker (process %d) %s; nothing of %s was ended",
                       (int)broker, why(end), c->dir);
    pid_t front = process_find(c, PROCESS_FRONT, NULL);
    end = front ? process_end(front, 1, force) : PROCESS_GONE;
    if (end != PROCESS_GONE) {
        say_warning("the front (process %d) %s", (int)front, why(end));
        stay++;
    }
    uint32_t shepherds = each_node(c, find_shepherd, force, &stay), left = 0;
    uint32_t workers = each_node(c, down_worker, force, &stay); /* one without jobs takes its shepherd along */
    each_node(c, down_shepherd, force, &left);
    shepherds -= TD_MIN(left, shepherds);
    stay += left;
    each_node(c, sweep_node, force, &stay);
    if (!broker && !front && !workers && !shepherds && !stay) {
        say_note("nothing of %s was running", c->dir);
        return 0;
    }
    if (running.queued_again)
        say_note("%u %s ended; tender up queues %s again", running.queued_again, jobs_were(running.queued_again),
                 running.queued_again == 1 ? "it" : "them");
    if (running.lost)
        say_note("%u %s ended for good (of srun or salloc, or not to be requeued): NODE_FAIL at the next tender up", running.lost,
                 jobs_were(running.lost));
    say_note("ended: %s, %s, %u worker%s, %u shepherd%s; the journal stays in %s/state", broker ? "the broker" : "no broker",
             front ? "its front" : "no front", workers, workers == 1 ? "" : "s", shepherds, shepherds == 1 ? "" : "s", c->dir);
    if (stay)
        return td_fail(err, TD_E_IO, "not all of it could be ended: %u warning%s", stay, stay == 1 ? "" : "s");
    return 0;
}

static int bring_down(const struct down *o, struct td_error *err)
{
    struct cluster c = {0};
    int r = cluster_current(o->dir, o->name, &c, err);

    if (r == 0 && setenv("SLURM_CONF", c.conf, 1) < 0)
        r = td_fail(err, TD_E_IO, "cannot set SLURM_CONF: %s", strerror(errno));
    return r < 0 ? r : down_all(&c, o->force, err);
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct down o = {0};
    struct option_parse p = {.cmd = &down_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r == 0)
        r = bring_down(&o, &err);
    if (r < 0)
        say_error("%s", err.text);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command down_command = {
    .name = "tender down",
    .synopsis = "[--dir DIR] [--force]",
    .summary = "end a cluster on this machine",
    .about = "Ends the broker, workers, shepherds and jobs of a folder; the journal stays, and running jobs are queued\n"
             "again at the next tender up, if they may be requeued: those of srun and salloc may not. Only processes\n"
             "that a pid file names and whose command line holds the folder are ended, and what their jobs have left,\n"
             "also where the shepherd was killed before.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
