/* doctor.c - tender doctor: looks at what usually goes wrong and says in a sentence what mends it */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"

struct doctor {
    const char *dir, *name;
};

#define AT(field) offsetof(struct doctor, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

struct visit {
    struct td_buf out;
    uint32_t ills;
};

static void good(struct visit *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void ill(struct visit *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct visit *v, enum say_colour colour, const char *word, const char *fmt, va_list ap)
{
    char text[4096];

    vsnprintf(text, sizeof(text), fmt, ap);
    td_buf_putf(&v->out, "%s%s%s  %s\n", say_colour(1, colour), word, say_colour(1, SAY_PLAIN), text);
}

static void good(struct visit *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put(v, SAY_GREEN, "ok  ", fmt, ap);
    va_end(ap);
}

static void ill(struct visit *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put(v, SAY_RED, "ill ", fmt, ap);
    va_end(ap);
    v->ills++;
}

static void note(struct visit *v, const char *text)
{
    td_buf_putf(&v->out, "%snote%s  %s\n", say_colour(1, SAY_YELLOW), say_colour(1, SAY_PLAIN), text);
}

static void look_at_programs(struct visit *v)
{
    static const char *const names[] = {"tender-broker", "tender-worker", "tender-shepherd"};
    char path[TD_MAX_PATH_BYTES + 64];
    struct td_error err = {0};

    for (size_t i = 0; i < TD_ARRAY_LEN(names); i++)
        if (process_beside(names[i], path, sizeof(path), &err) < 0)
            ill(v, "%s; build it, or keep Tender's programs in one folder", err.text);
}

static bool look_at_conf(struct visit *v, struct client *c)
{
    struct td_error err = {0};
    struct td_conf *conf = NULL;

    if (client_find(c, &err) < 0) {
        ill(v, "no cluster found: %s", err.text);
        return false;
    }
    good(v, "the cluster's configuration is %s", c->place.conf);
    if (td_conf_load(c->place.conf, &conf, &err) < 0) {
        ill(v, "%s; mend that line, then scontrol reconfigure", err.text);
        return true;
    }
    good(v, "it reads well: %u NodeName and %u PartitionName lines", conf->nodes.n, conf->partitions.n);
    for (uint32_t i = 0; i < conf->notes.n; i++)
        note(v, conf->notes.v[i]);
    td_conf_destroy(&conf);
    struct td_buf text = {0}, names = {0}, line = {0};
    if (file_read(c->place.conf, &text, &err) == 0)
        local_conf_left_out(td_buf_str(&text), &names);
    td_buf_putf(&line, "left out of the rehearsal: %s", td_buf_str(&names));
    if (names.len)
        note(v, td_buf_str(&line));
    td_buf_release(&text);
    td_buf_release(&names);
    td_buf_release(&line);
    return true;
}

static void look_at_disk(struct visit *v, const struct client *c)
{
    struct statvfs fs;
    td_autofree char *dir = td_strdup(c->place.socket); /* <state>/run/broker.sock */
    char *slash = strstr(dir, "/run/broker.sock");

    if (slash)
        *slash = 0;
    if (statvfs(dir, &fs) < 0) {
        ill(v, "the state directory %s: %s; tender up makes it", dir, strerror(errno));
        return;
    }
    unsigned long long mb = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
    if (mb < 256)
        ill(v, "only %llu MiB free under %s: new work is refused before the journal's disk is full; make room", mb, dir);
    else
        good(v, "%llu MiB free under %s", mb, dir);
}

static void look_at_clock(struct visit *v, int64_t broker_ms)
{
    int64_t off = client_now_ms() - broker_ms;

    if (broker_ms && (off > 5000 || off < -5000))
        ill(v, "this host's clock and the journal's differ by %lld s: set the clock (NTP); the journal slews to it",
            (long long)off / 1000);
    else if (broker_ms)
        good(v, "clock and journal agree");
}

static void look_at_nodes(struct visit *v, const char *conf, const struct client_nodes *nodes)
{
    struct node_ills l = {0};

    node_ills_find(conf, nodes, &l);
    for (uint32_t i = 0; i < l.v.n; i++)
        ill(v, "%s", l.v.v[i]);
    if (!l.total)
        ill(v, "the cluster has no nodes: tender up, or tender-worker --join $(tender join-token)");
    else if (l.up == l.total)
        good(v, "%u node%s up", l.up, l.up == 1 ? "" : "s");
    node_ills_release(&l);
}

/* Processes of a local cluster: the broker misses a dead worker only after its lease. */
static void look_at_processes(struct visit *v, const struct cluster *c)
{
    struct worker_lines l = {0};
    struct td_error err = {0};

    if (workers_load(c, &l, &err) < 0)
        ill(v, "%s", err.text);
    if (!process_find(c, PROCESS_FRONT, NULL))
        ill(v, "the front does not run: commands ask the broker itself, and nothing can be watched; start it with: tender up --dir %s",
            c->dir);
    for (uint32_t i = 0; i < l.v.n; i++)
        if (!process_find(c, PROCESS_WORKER, l.v.v[i].node))
            ill(v, "the worker of %s does not run; start it with: tender up --dir %s", l.v.v[i].node, c->dir);
    workers_release(&l);
}

static void look_at_broker(struct visit *v, struct client *c, const struct cluster *local)
{
    struct td_error err = {0};
    struct td_ping q = {.version = TD_PROTOCOL_VERSION};
    struct client_nodes nodes = {0};
    void *body = NULL;

    if (td_call_open(c->place.socket, CLIENT_TIMEOUT_MS, &c->call, &err) < 0) {
        if (*local->dir)
            ill(v, "the broker does not answer at %s; start it with: tender up --dir %s", c->place.socket, local->dir);
        else
            ill(v, "the broker does not answer at %s; start it with: systemctl start tender-broker", c->place.socket);
        return;
    }
    c->open = true;
    if (client_ask(c, TD_MSG_PING, &q, TD_MSG_PONG, &body, &err) < 0) {
        ill(v, "the broker does not answer well: %s", err.text);
        return;
    }
    const struct td_pong *p = body;
    good(v, "the broker answers: cluster %s on %s, epoch %llu, event %llu", p->cluster ? p->cluster : "?",
         p->host ? p->host : "?", (unsigned long long)p->epoch, (unsigned long long)p->seq);
    if (p->version != TD_PROTOCOL_VERSION)
        ill(v, "it speaks protocol %u, this command %u: use programs of one release", p->version, TD_PROTOCOL_VERSION);
    if (client_nodes(c, NULL, &nodes, &err) < 0)
        ill(v, "it does not tell its nodes: %s", err.text);
    look_at_clock(v, nodes.now_ms);
    look_at_nodes(v, c->place.conf, &nodes);
    td_vec_release(&nodes.rows);
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct doctor o = {0};
    struct option_parse p = {.cmd = &doctor_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    struct visit v = {0};
    struct client c = {0};
    struct cluster local = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r == 0)
        r = cluster_select(o.dir, o.name, &local, &err);
    if (r < 0) {
        say_error("%s", err.text);
    } else {
        look_at_programs(&v);
        if (look_at_conf(&v, &c)) {
            look_at_disk(&v, &c);
            look_at_processes(&v, &local);
            look_at_broker(&v, &c, &local);
        }
        if (v.ills)
            td_buf_putf(&v.out, "\n%u thing%s to mend\n", v.ills, v.ills == 1 ? "" : "s");
        else
            td_buf_puts(&v.out, "\nall well\n");
        say_out(&v.out);
    }
    client_close(&c);
    td_buf_release(&v.out);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 || v.ills ? 1 : 0;
}

const struct command doctor_command = {
    .name = "tender doctor",
    .synopsis = "[--dir DIR]",
    .summary = "look for what is wrong, and say what mends it",
    .about = "Looks at the programs, the configuration, the disk, the broker, the clock and the nodes. Exits 1 if something\n"
             "is to be mended.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
