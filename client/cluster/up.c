/* up.c - tender up: a cluster of this machine, in one folder, with one command
 *
 * Makes what is missing, starts what does not run, waits until every node is up. The line to export comes last on
 * standard output; everything else is said on standard error. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"
#include "wire/token.h"

#define READY_MS 60000
#define MANY_WORKERS 512

struct up {
    const char *dir, *name, *conf, *topology;
    uint32_t nodes, cpus;
};

#define AT(field) offsetof(struct up, field)
static const struct option options[] = {
    {"conf", 0, "FILE", opt_str, AT(conf), "rehearse the cluster of this slurm.conf: one worker for each NodeName", NULL, false},
    {"cpus", 0, "N", opt_u32, AT(cpus), "CPUs that each node declares; more than there are is allowed", NULL, false},
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (~/.local/state/tender/NAME)", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster (default)", NULL, false},
    {"nodes", 0, "N", opt_u32, AT(nodes), "number of nodes (1)", NULL, false},
    {"topology", 0, "T", opt_str, AT(topology), "FILE.xml or synthetic:DESCRIPTION instead of this machine", NULL, false},
    OPTIONS_HELP,
    {0},
};

/* --- Ctrl-C --------------------------------------------------------------------------------------
 *
 * What runs is in sessions of its own and does not hear it. So it is noted, each wait ends by it,
 * and bring_up ends what was started, or says what stays. The second one ends us at once. */

static volatile sig_atomic_t interrupted;

static void note_signal(int signal)
{
    interrupted = signal;
}

static void signals_note(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    const struct sigaction note = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction was;

    for (size_t i = 0; i < TD_ARRAY_LEN(signals); i++)
        if (sigaction(signals[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
            sigaction(signals[i], &note, NULL);
}

static int check_interrupted(struct td_error *err)
{
    return interrupted ? td_fail(err, TD_E_IO, "interrupted: %s", strsignal(interrupted)) : 0;
}

static const char *mark(void)
{
    static char text[32];

    td_format(text, sizeof(text), "%s*%s", say_colour(2, SAY_GREEN), say_colour(2, SAY_PLAIN));
    return text;
}

/* --- the folder ---------------------------------------------------------------------------------------------------- */

static int host_name(char out[256], struct td_error *err)
{
    if (gethostname(out, 255) < 0)
        return td_fail(err, TD_E_IO, "cannot tell the host's name: %s", strerror(errno));
    out[255] = 0;
    out[strcspn(out, ".")] = 0;
    return 0;
}

static int own_nodes(const struct up *o, const char *host, struct worker_lines *l, struct td_error *err)
{
    uint32_t n = o->nodes ? o->nodes : 1;

    if (n > MANY_WORKERS)
        return td_fail(err, TD_E_TOO_BIG, "--nodes=%u: at most %d workers on one machine", n, MANY_WORKERS);
    if (o->cpus > TD_MAX_CPUS_PER_NODE)
        return td_fail(err, TD_E_TOO_BIG, "--cpus=%u: at most %d", o->cpus, TD_MAX_CPUS_PER_NODE);
    for (uint32_t i = 1; i <= n; i++) {
        char name[256];
        td_format(name, sizeof(name), "n%u", i);
        struct worker_line w = {
            .node = td_arena_strdup(&l->arena, n == 1 && !o->nodes ? host : name), .cpus = o->cpus, .topology = o->topology};
        td_vec_push(&l->v, w);
    }
    return 0;
}

/* Puts a fitted file into DIR; with `compare` it only must be what lies there already. */
static int settle(const struct cluster *c, const char *name, const struct td_buf *text, bool compare, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 64];
    struct td_buf old = {0};

    td_format(path, sizeof(path), "%s/%s", c->dir, name);
    if (!compare)
        return file_write(path, text->data, text->len, 0644, err);
    int r = access(path, F_OK) == 0 ? file_read(path, &old, err) : 0;
    if (r == 0 && (old.len != text->len || (old.len && memcmp(old.data, text->data, old.len) != 0)))
        r = td_fail(err, TD_E_USAGE,
                    "the cluster at %s exists, and its %s is not what --conf would make of it now: leave --conf out to start "
                    "it as it is; or change %s, then scontrol reconfigure; or give another --dir",
                    c->dir, name, path);
    td_buf_release(&old);
    return r;
}

static int copy_beside(const struct up *o, const struct cluster *c, const char *name, bool compare, struct td_error *err)
{
    const char *slash = strrchr(o->conf, '/');
    int dir = slash ? (int)(slash - o->conf) : 1;
    char from[TD_MAX_PATH_BYTES + 64];
    struct td_buf text = {0};

    snprintf(from, sizeof(from), "%.*s/%s", dir, slash ? o->conf : ".", name);
    if (access(from, F_OK) < 0)
        return 0;
    struct td_buf fitted = {0};
    char devices[TD_MAX_PATH_BYTES + 64];
    bool has_devices = strcmp(name, "gres.conf") == 0;
    int r = file_read(from, &text, err);
    td_format(devices, sizeof(devices), "%s/devices", c->dir);
    if (r == 0 && has_devices)
        r = local_conf_devices(td_buf_str(&text), devices, &fitted, err);
    const struct td_buf *b = has_devices ? &fitted : &text;
    if (r == 0)
        r = settle(c, name, b, compare, err);
    td_buf_release(&text);
    td_buf_release(&fitted);
    return r;
}

/* A given slurm.conf is read, never changed: a fitted copy goes into DIR, its neighbours beside it. */
static int conf_from_given(const struct up *o, const struct cluster *c, const char *host, bool compare, struct td_buf *ret,
                           struct td_error *err)
{
    static const char *const neighbours[] = {"gres.conf", "cgroup.conf", "topology.conf", "tender.conf"};
    struct td_buf text = {0};
    char *real = realpath(o->conf, NULL);
    int r = file_read(o->conf, &text, err);

    if (r == 0) {
        if (real && strrchr(real, '/'))
            *strrchr(real, '/') = 0;
        local_conf_adjust(td_buf_str(&text), o->name, real ? real : ".", host, ret);
    }
    for (size_t i = 0; r == 0 && i < TD_ARRAY_LEN(neighbours); i++)
        r = copy_beside(o, c, neighbours[i], compare, err);
    free(real);
    td_buf_release(&text);
    return r;
}

/* The copy's lines are where the given file has them, so its words are of that file. */
static void of_given(const struct up *o, const struct cluster *c, const char *text, struct td_buf *out)
{
    static const char copy[] = "slurm.conf line ";
    const char *at;

    td_buf_reset(out);
    if (o->conf && td_str_prefix(text, c->conf)) {
        td_buf_puts(out, o->conf);
        text += strlen(c->conf);
    }
    while (o->conf && (at = strstr(text, copy))) {
        td_buf_put(out, text, (size_t)(at - text));
        td_buf_putf(out, "%s line ", o->conf);
        text = at + sizeof(copy) - 1;
    }
    td_buf_puts(out, text);
}

static int write_conf(const struct up *o, const struct cluster *c, struct worker_lines *l, struct td_error *err)
{
    static const char elastic[] = "# nodes that slurm.conf does not name may join\nElastic=yes\n";
    char host[256], path[TD_MAX_PATH_BYTES + 64];
    struct td_buf text = {0}, said = {0};
    int r = host_name(host, err);

    if (r == 0 && o->conf) {
        r = conf_from_given(o, c, host, false, &text, err);
    } else if (r == 0) {
        r = own_nodes(o, host, l, err);
        if (r == 0)
            local_conf_make(o->name ? o->name : "default", l, &text);
    }
    if (r == 0)
        r = settle(c, "slurm.conf", &text, false, err);
    if (r == 0 && o->conf) {
        r = local_conf_nodes(c->conf, l, err);
        if (r < 0) {
            struct td_error copy = *err;
            of_given(o, c, copy.text, &said);
            td_fail(err, copy.code, "%s", td_buf_str(&said));
        }
        for (uint32_t i = 0; i < l->v.n; i++)
            l->v.v[i].topology = o->topology;
        if (r == 0 && l->v.n > MANY_WORKERS)
            r = td_fail(err, TD_E_TOO_BIG, "%s declares %u nodes: at most %d workers on one machine", o->conf, l->v.n,
                        MANY_WORKERS);
    }
    td_format(path, sizeof(path), "%s/tender.conf", c->dir);
    if (r == 0 && !o->conf)
        r = file_write(path, elastic, sizeof(elastic) - 1, 0644, err);
    if (r == 0)
        r = workers_save(c, l, err);
    if (r < 0)
        unlink(c->conf); /* a folder without slurm.conf is no cluster: the next try starts afresh */
    td_buf_release(&text);
    td_buf_release(&said);
    return r;
}

/* A file that nobody can read is said before anything is made; whether hwloc understands it, the worker tells. */
static int check_options(const struct up *o, struct td_error *err)
{
    if (o->conf && (o->nodes || o->cpus))
        return td_fail(err, TD_E_USAGE, "--conf says which nodes there are and their CPUs: leave out --nodes and --cpus");
    if (o->topology && !td_str_prefix(o->topology, "synthetic:") && access(o->topology, R_OK) < 0)
        return td_fail(err, TD_E_TOPOLOGY, "--topology=%s: %s (a FILE.xml, or synthetic:DESCRIPTION)", o->topology,
                       strerror(errno));
    return 0;
}

/* The same slurm.conf again is no other shape. */
static int check_given(const struct up *o, const struct cluster *c, struct td_error *err)
{
    char host[256];
    struct td_buf text = {0};
    int r = host_name(host, err);

    if (r == 0)
        r = conf_from_given(o, c, host, true, &text, err);
    if (r == 0)
        r = settle(c, "slurm.conf", &text, true, err);
    td_buf_release(&text);
    return r;
}

/* The shape of a cluster is settled when its folder is made. */
static int check_same(const struct up *o, const struct cluster *c, const struct worker_lines *l, struct td_error *err)
{
    int r = o->conf ? check_given(o, c, err) : 0;

    if (r < 0)
        return r;
    if ((o->nodes && o->nodes != l->v.n) || (o->cpus && l->v.n && o->cpus != l->v.v[0].cpus) ||
        (o->topology && l->v.n && !td_str_equal(o->topology, l->v.v[0].topology)))
        return td_fail(err, TD_E_USAGE, "the cluster at %s exists with another shape: leave the options out, or give another --dir",
                       c->dir);
    return 0;
}

/* What of the given configuration does not count here, line by line, as the broker's log has it too. */
static void tell_notes(const struct up *o, const struct cluster *c)
{
    struct td_conf *conf = NULL;
    struct td_error err = {0};
    struct td_buf text = {0}, names = {0};

    if (td_conf_load(c->conf, &conf, &err) == 0) {
        for (uint32_t i = 0; i < conf->notes.n; i++) {
            of_given(o, c, conf->notes.v[i], &text);
            say_note("note: %s", td_buf_str(&text));
        }
        td_buf_reset(&text);
        td_conf_destroy(&conf);
    }
    if (file_read(c->conf, &text, &err) == 0)
        local_conf_left_out(td_buf_str(&text), &names);
    if (names.len)
        say_note("note: left out of the rehearsal: %s", td_buf_str(&names));
    td_buf_release(&text);
    td_buf_release(&names);
}

/* Returns 1 where the folder was made a cluster just now, 0 where it was one. */
static int prepare(const struct up *o, const struct cluster *c, struct worker_lines *l, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 64];
    int r;

    td_format(path, sizeof(path), "%s/log", c->dir);
    r = dirs_make(path, 0755, err);
    if (r == 0 && access(c->conf, F_OK) < 0) {
        r = write_conf(o, c, l, err);
        if (r == 0 && o->conf)
            tell_notes(o, c);
        return r == 0 ? 1 : r;
    }
    if (r == 0)
        r = workers_load(c, l, err);
    return r == 0 ? check_same(o, c, l, err) : r;
}

/* --- the broker ---------------------------------------------------------------------------------------------------- */

/* A daemon that was started leaves when its child answers; one that we are not to wait for is ended
 * with its child. */
static int wait_daemon(pid_t pid, const char *what, const char *log, struct td_error *err)
{
    pid_vec tree = {0};
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR && !interrupted)
        ;
    if (interrupted) {
        process_tree(pid, &tree);
        for (uint32_t i = 0; i < tree.n; i++)
            process_end(tree.v[i], 1, false);
        process_end(pid, 1, false);
        td_vec_release(&tree);
        return check_interrupted(err);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return td_fail(err, TD_E_UNREACHABLE, "the %s did not start; its log: %s", what, log);
    say_note("%s %s runs", mark(), what);
    return 1;
}

static int start_broker(const struct cluster *c, struct td_error *err)
{
    char log[TD_MAX_PATH_BYTES + 64];

    if (process_find(c, PROCESS_BROKER, NULL))
        return 0;
    td_format(log, sizeof(log), "%s/log/broker.log", c->dir);
    char *argv[] = {"tender-broker", "--conf", (char *)(uintptr_t)c->conf, "--dir", (char *)(uintptr_t)c->dir, "--log", log, NULL};
    down_finish(c);
    int pid = process_start("tender-broker", argv, -1, 2, err);
    return pid < 0 ? pid : wait_daemon(pid, "broker", log, err);
}

/* A broker that its pid file names may have been killed a moment ago and take its last breath: it
 * is waited for, and another one started. One that a killed tender up has started may not have
 * written its pid yet: ours finds the journal in use, and the other is as good. */
static int reach_broker(const struct cluster *c, struct client *client, struct td_error *err)
{
    for (int tries = 0;; tries++) {
        struct td_ping ping = {.version = TD_PROTOCOL_VERSION};
        void *pong = NULL;
        pid_t found = process_find(c, PROCESS_BROKER, NULL);
        int r = start_broker(c, err);

        if (r == -TD_E_UNREACHABLE && !found && process_find(c, PROCESS_BROKER, NULL))
            r = 0;
        if (r >= 0)
            r = client_open_broker(client, err);
        if (r >= 0)
            r = client_ask(client, TD_MSG_PING, &ping, TD_MSG_PONG, &pong, err);
        if (r != -TD_E_UNREACHABLE || !found || tries == 3 || !process_wait_gone(found, 5000))
            return r;
        client_close(client);
        *client = (struct client){0};
    }
}

/* A token names its broker by key: one of a broker whose key was lost lets nobody in. */
static bool token_fits(const char *path, struct client *client)
{
    const struct td_query_status q = {0};
    struct td_join_token t = {0};
    struct td_buf text = {0};
    struct td_error why = {0};
    void *body = NULL;
    bool fits = file_read(path, &text, &why) == 0 && td_join_token_parse(td_buf_str(&text), &t, &why) == 0;

    if (fits && client_ask(client, TD_MSG_QUERY_STATUS, &q, TD_MSG_CONFIG, &body, &why) == 0) {
        const struct td_config *m = body;
        for (uint32_t i = 0; i < m->rows.n; i++)
            if (td_str_equal(m->rows.v[i].key, "server_key"))
                fits = td_str_equal(m->rows.v[i].value, t.server_key);
    }
    explicit_bzero(&t, sizeof(t));
    if (text.data)
        explicit_bzero(text.data, text.len);
    td_buf_release(&text);
    return fits;
}

static int make_token(const struct cluster *c, struct client *client, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16];
    struct td_make_token m = {0};
    struct td_buf text = {0};
    void *body = NULL;

    td_format(path, sizeof(path), "%s/token", c->dir);
    if (access(path, R_OK) == 0 && token_fits(path, client))
        return 0;
    int r = client_ask(client, TD_MSG_MAKE_TOKEN, &m, TD_MSG_TOKEN, &body, err);
    if (r == 0) {
        td_buf_putf(&text, "%s\n", ((struct td_token_reply *)body)->token);
        r = file_write(path, text.data, text.len, 0600, err);
    }
    td_buf_release(&text);
    return r;
}

static int64_t elapsed_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the front ----------------------------------------------------------------------------------------------------- */

/* A front that ran already may not have found this broker yet. */
static int wait_front(const struct cluster *c, struct td_error *err)
{
    struct timespec tick = {.tv_nsec = 10 * 1000000};
    int64_t until = elapsed_ms() + READY_MS;

    for (;;) {
        struct td_ping ping = {.version = TD_PROTOCOL_VERSION};
        struct client client = {0};
        void *pong = NULL;
        int r = client_open_front(&client, err);
        if (r == 0)
            r = client_ask(&client, TD_MSG_PING, &ping, TD_MSG_PONG, &pong, err);
        client_close(&client);
        if (r != -TD_E_UNREACHABLE)
            return r;
        if (check_interrupted(err) < 0)
            return -err->code;
        if (elapsed_ms() > until)
            return td_fail(err, TD_E_TIMED_OUT, "the front does not reach the broker; its log: %s/log/front.log", c->dir);
        nanosleep(&tick, NULL);
    }
}

static int start_front(const struct cluster *c, struct td_error *err)
{
    char log[TD_MAX_PATH_BYTES + 64];

    if (process_find(c, PROCESS_FRONT, NULL))
        return wait_front(c, err);
    td_format(log, sizeof(log), "%s/log/front.log", c->dir);
    char *argv[] = {"tender-front", "--conf", (char *)(uintptr_t)c->conf, "--dir", (char *)(uintptr_t)c->dir, "--log", log, NULL};
    int pid = process_start("tender-front", argv, -1, 2, err);
    int r = pid < 0 ? pid : wait_daemon(pid, "front", log, err);
    return r == -TD_E_UNREACHABLE && process_find(c, PROCESS_FRONT, NULL) ? wait_front(c, err) : r;
}

/* --- workers ------------------------------------------------------------------------------------------------------- */

struct starting {
    const struct worker_line *line;
    pid_t pid;
    int ready_fd; /* -1: told, or ran already */
    bool failed;
    char text[256];
};

static int start_worker(const struct cluster *c, struct starting *s, struct td_error *err)
{
    char join[TD_MAX_PATH_BYTES + 32], dir[TD_MAX_PATH_BYTES + 512], cpus[16];
    char *argv[16] = {"tender-worker", "--join", join, "--dir", dir, "--node", (char *)(uintptr_t)s->line->node,
                      "--conf", (char *)(uintptr_t)c->conf, "--ready-fd", "3", "--rehearse"};
    int n = 12, fds[2];

    td_format(join, sizeof(join), "@%s/token", c->dir);
    td_format(dir, sizeof(dir), "%s/nodes/%s", c->dir, s->line->node);
    if (s->line->cpus) {
        td_format(cpus, sizeof(cpus), "%u", s->line->cpus);
        argv[n++] = "--cpus";
        argv[n++] = cpus;
    }
    if (s->line->topology) {
        argv[n++] = "--topology";
        argv[n++] = (char *)(uintptr_t)s->line->topology;
    }
    int r = dirs_make(dir, 0755, err);
    if (r < 0)
        return r;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return td_fail(err, TD_E_IO, "cannot make a pipe: %s", strerror(errno));
    int pid = process_start("tender-worker", argv, fds[1], -1, err);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return pid;
    }
    s->pid = pid;
    s->ready_fd = fds[0];
    return 0;
}

/* What a worker says of its start: "ready", or "error: why". A tender up that was killed may have
 * started one that had not written its pid when we looked: then ours ends, and the other is as
 * good. Ours that has said why it fails may not have ended yet. */
static void hear(const struct cluster *c, struct starting *s)
{
    ssize_t n = read(s->ready_fd, s->text, sizeof(s->text) - 1);

    s->text[n > 0 ? n : 0] = 0;
    s->text[strcspn(s->text, "\n")] = 0;
    pid_t found = strncmp(s->text, "ready", 5) != 0 ? process_find(c, PROCESS_WORKER, s->line->node) : -1;
    s->failed = found == 0 || found == s->pid;
    if (s->failed && !s->text[0])
        td_format(s->text, sizeof(s->text), "it ended without a word");
    close(s->ready_fd);
    s->ready_fd = -1;
    if (s->failed)
        say_error("worker of %s: %s", s->line->node, s->text);
    else
        say_note("%s worker of %s runs", mark(), s->line->node);
}

static void hear_all(const struct cluster *c, struct starting *v, uint32_t n, int64_t until)
{
    struct pollfd *fds = td_alloc((n + 1) * sizeof(*fds));

    for (;;) {
        uint32_t k = 0, i;
        for (i = 0; i < n; i++)
            if (v[i].ready_fd >= 0)
                fds[k++] = (struct pollfd){.fd = v[i].ready_fd, .events = POLLIN};
        int64_t left = until - elapsed_ms();
        if (!k || left <= 0 || interrupted || poll(fds, k, (int)left) < 0)
            break;
        for (uint32_t f = 0; f < k; f++)
            for (i = 0; fds[f].revents && i < n; i++)
                if (v[i].ready_fd == fds[f].fd) {
                    hear(c, &v[i]);
                    break;
                }
    }
    td_free(fds);
}

/* Up, by the word of a reign before this one, is not enough: work is given only to who has said hello to this broker. */
static bool takes_work(const struct td_node_info *n, const char *name)
{
    return n->state == TD_NODE_UP && !n->awaited && td_str_equal(n->name, name);
}

/* Waits until the broker can give them work. */
static int wait_up(const struct cluster *c, struct client *client, const struct starting *v, uint32_t n, int64_t until,
                   struct td_error *err)
{
    struct timespec tick = {.tv_nsec = 10 * 1000000};

    for (;;) {
        struct client_nodes nodes = {0};
        struct td_buf missing = {0};
        int r = client_nodes(client, NULL, &nodes, err);
        for (uint32_t i = 0; r == 0 && i < n; i++) {
            bool up = v[i].failed;
            for (uint32_t k = 0; k < nodes.rows.n && !up; k++)
                up = takes_work(&nodes.rows.v[k], v[i].line->node);
            if (!up)
                td_buf_putf(&missing, " %s", v[i].line->node);
        }
        td_vec_release(&nodes.rows);
        td_arena_reset(&client->arena);
        bool done = !missing.len;
        if (r == 0 && !done)
            r = check_interrupted(err);
        if (r == 0 && !done && elapsed_ms() > until)
            r = td_fail(err, TD_E_TIMED_OUT, "not up after %d s:%s; their logs: %s/nodes/*/worker.log", READY_MS / 1000,
                        td_buf_str(&missing), c->dir);
        td_buf_release(&missing);
        if (r < 0 || done)
            return r;
        nanosleep(&tick, NULL);
    }
}

static int start_workers(const struct cluster *c, struct client *client, const struct worker_lines *l, bool *ret_none,
                         struct td_error *err)
{
    int64_t until = elapsed_ms() + READY_MS;
    uint32_t n = l->v.n, failed = 0;
    struct starting *v = td_alloc((n + 1) * sizeof(*v));
    int r = 0;

    for (uint32_t i = 0; i < n; i++)
        v[i] = (struct starting){.line = &l->v.v[i], .ready_fd = -1};
    for (uint32_t i = 0; i < n && r == 0; i++) {
        r = check_interrupted(err);
        if (r == 0 && !process_find(c, PROCESS_WORKER, v[i].line->node))
            r = start_worker(c, &v[i], err);
    }
    hear_all(c, v, n, until);
    if (r == 0)
        r = check_interrupted(err);
    if (r == 0)
        r = wait_up(c, client, v, n, until, err);
    for (uint32_t i = 0; i < n; i++)
        failed += v[i].failed;
    *ret_none = failed == n && !interrupted;
    for (uint32_t i = 0; i < n && interrupted; i++) /* without a pid file yet nobody else could find it */
        if (v[i].pid)
            process_end(v[i].pid, 0, true);
    if (r == 0 && failed)
        r = td_fail(err, TD_E_UNREACHABLE, "%u of %u workers did not start", failed, n);
    td_free(v);
    return r;
}

/* Nodes that slurm.conf got since the folder was made, and that the broker has read: this machine's, too, unless NodeAddr
 * says that they are another's. */
static int add_new(const struct cluster *c, struct client *client, struct worker_lines *l, struct td_error *err)
{
    struct worker_lines declared = {0};
    struct client_nodes nodes = {0};
    uint32_t had = l->v.n;
    int r = client_nodes(client, NULL, &nodes, err);

    if (r == 0)
        r = local_conf_nodes(c->conf, &declared, err);
    for (uint32_t i = 0; i < declared.v.n && r == 0; i++) {
        const struct td_node_info *n = node_find(&nodes, declared.v.v[i].node);
        bool known = !n || n->state != TD_NODE_UNKNOWN || declared.v.v[i].elsewhere;
        for (uint32_t k = 0; k < had && !known; k++)
            known = td_str_equal(l->v.v[k].node, declared.v.v[i].node);
        if (known)
            continue;
        say_note("node %s is new in slurm.conf", declared.v.v[i].node);
        td_vec_push(&l->v, ((struct worker_line){.node = td_arena_strdup(&l->arena, declared.v.v[i].node)}));
    }
    if (r == 0 && l->v.n > MANY_WORKERS)
        r = td_fail(err, TD_E_TOO_BIG, "%s declares %u nodes: at most %d workers on one machine", c->conf, l->v.n, MANY_WORKERS);
    if (r == 0 && l->v.n > had)
        r = workers_save(c, l, err);
    td_vec_release(&nodes.rows);
    workers_release(&declared);
    td_arena_reset(&client->arena);
    return r;
}

/* What runs is not yet what takes work: doctor's sentences. */
static int tell_nodes(const struct cluster *c, struct client *client, struct td_error *err)
{
    struct client_nodes nodes = {0};
    struct node_ills ills = {0};
    int r = client_nodes(client, NULL, &nodes, err);

    if (r == 0) {
        node_ills_find(c->conf, &nodes, &ills);
        for (uint32_t i = 0; i < ills.v.n; i++)
            say_warning("%s", ills.v.v[i]);
        if (ills.up == ills.total)
            say_note("%u node%s up in %s", ills.up, ills.up == 1 ? "" : "s", c->dir);
        else
            say_note("%u of %u nodes up in %s", ills.up, ills.total, c->dir);
    }
    node_ills_release(&ills);
    td_vec_release(&nodes.rows);
    return r;
}

/* --- all of it ----------------------------------------------------------------------------------------------------- */

static int lock(const struct cluster *c, struct td_error *err)
{
    char path[TD_MAX_PATH_BYTES + 16];

    td_format(path, sizeof(path), "%s/lock", c->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return td_fail(err, TD_E_IO, "cannot open %s: %s", path, strerror(errno));
    fchmod(fd, 0600); /* who may open it may hold it: earlier builds let everybody */
    if (flock(fd, LOCK_EX) < 0) {
        close(fd);
        return interrupted ? check_interrupted(err)
                           : td_fail(err, TD_E_IO, "cannot lock %s: %s", path, strerror(errno));
    }
    return fd; /* held until the process ends */
}

/* The line is for a shell's eval: whatever is in the path stays one word. */
static void put_export(struct td_buf *out, const char *path)
{
    bool plain = path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-")] == 0;

    td_buf_puts(out, plain ? "export SLURM_CONF=" : "export SLURM_CONF='");
    for (const char *p = path; *p; p++) {
        if (*p == '\'')
            td_buf_puts(out, "'\\''");
        else
            td_buf_putc(out, *p);
    }
    td_buf_puts(out, plain ? "\n" : "'\n");
}

static int start_all(const struct cluster *c, struct worker_lines *l, bool *ret_none, struct td_error *err)
{
    struct client client = {0};
    int r = reach_broker(c, &client, err);

    if (r >= 0)
        r = make_token(c, &client, err);
    if (r >= 0)
        r = add_new(c, &client, l, err);
    if (r >= 0)
        r = start_workers(c, &client, l, ret_none, err);
    if (r >= 0)
        r = check_interrupted(err);
    if (r >= 0)
        r = start_front(c, err);
    if (r >= 0)
        r = tell_nodes(c, &client, err);
    client_close(&client);
    return r;
}

/* Nobody has submitted anything to it yet. */
static void take_down(const struct cluster *c)
{
    struct td_error err = {0};

    say_note("interrupted: what was started is ended again");
    if (down_all(c, true, &err) < 0)
        say_warning("%s", err.text);
    say_note("tender up --dir %s goes on with it", c->dir);
}

static int bring_up(const struct up *o, struct td_error *err)
{
    struct cluster c = {0};
    struct worker_lines l = {0};
    struct td_buf out = {0};
    struct td_error absent = {0};
    bool none = true; /* no worker has started */
    int fd = -1, r = check_options(o, err);
    bool was_there = r == 0 && cluster_at(o->dir, o->name, false, &c, &absent) == 0, was_empty = false;
    bool prepared = false, fresh = false;

    if (r == 0)
        r = cluster_at(o->dir, o->name, true, &c, err);
    was_empty = r == 0 && cluster_is_empty(&c);
    if (r == 0)
        r = fd = lock(&c, err);
    if (r >= 0)
        r = prepare(o, &c, &l, err);
    if (r < 0 && fd >= 0 && was_empty)
        cluster_unmake(&c, was_there);
    prepared = r >= 0;
    fresh = r == 1;
    if (r >= 0 && setenv("SLURM_CONF", c.conf, 1) < 0)
        r = td_fail(err, TD_E_IO, "cannot set SLURM_CONF: %s", strerror(errno));
    if (r >= 0)
        r = start_all(&c, &l, &none, err);
    if (r < 0 && fresh && none)
        cluster_take_back(&c);
    else if (r < 0 && fresh && interrupted)
        take_down(&c);
    else if (r < 0 && prepared)
        say_note("what runs stays; to take it down: tender down --dir %s", c.dir);
    if (r >= 0) {
        put_export(&out, c.conf);
        say_out(&out);
    }
    if (fd >= 0)
        close(fd);
    workers_release(&l);
    td_buf_release(&out);
    return r < 0 ? r : 0;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct up o = {0};
    struct option_parse p = {.cmd = &up_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r == 0) {
        signals_note();
        r = bring_up(&o, &err);
    }
    if (r < 0)
        say_error("%s", err.text);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command up_command = {
    .name = "tender up",
    .synopsis = "[--dir DIR] [--nodes N] [--cpus C] [--topology T] [--conf slurm.conf]",
    .summary = "start a cluster on this machine",
    .about = "Starts a broker and workers of this machine in the background, needs no configuration and no root, and\n"
             "prints the line that makes commands find the cluster. With --conf it rehearses a whole cluster: one worker\n"
             "for each NodeName, with the CPUs, memory and Gres declared there. Called again, it starts what does not run.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
