/* doctor.c - tender doctor: looks at what usually goes wrong and says in a sentence what mends it */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cluster/doctor.h"
#include "commands.h"
#include "say.h"

#define CLOCK_OFF_MS 5000

struct doctor {
    const char *dir, *name;
    bool json;
};

#define AT(field) offsetof(struct doctor, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "as JSON: well, ills, and every check with its state and its sentence", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

void doctor_say(struct visit *v, enum finding_kind kind, const char *check, const char *fmt, ...)
{
    char text[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    td_vec_push(&v->v, ((struct finding){.kind = kind, .check = check, .text = td_arena_strdup(&v->arena, text)}));
    v->ills += kind == FINDING_ILL;
}

const char *doctor_told(const struct visit *v, const char *key)
{
    for (uint32_t i = 0; v->told && i < v->told->rows.n; i++)
        if (td_str_equal(v->told->rows.v[i].key, key))
            return v->told->rows.v[i].value ? v->told->rows.v[i].value : "";
    return NULL;
}

void doctor_state_dir(const struct visit *v, char out[TD_MAX_PATH_BYTES])
{
    td_format(out, TD_MAX_PATH_BYTES, "%s", v->c->place.socket); /* <state>/run/broker.sock */
    char *run = strstr(out, "/run/broker.sock");
    if (run)
        *run = 0;
}

bool doctor_has_worker_here(const struct visit *v, const char *node)
{
    for (uint32_t i = 0; i < v->lines.v.n; i++)
        if (td_str_equal(v->lines.v.v[i].node, node))
            return true;
    return false;
}

static bool look_at_conf(struct visit *v)
{
    struct td_error err = {0};
    struct client *c = v->c;

    if (client_find_by(c, NULL, &err) < 0) { /* without the hint to come here */
        doctor_ill(v, "conf", "no cluster found: %s%s", err.text,
                   getenv("SLURM_CONF") ? "; name another one, or none (unset SLURM_CONF), or start one with: tender up" : "");
        return false;
    }
    doctor_good(v, "conf", "the cluster's configuration is %s", c->place.conf);
    if (td_conf_load(c->place.conf, &v->conf, &err) < 0) {
        doctor_ill(v, "conf", "%s; mend that line, then scontrol reconfigure", err.text);
        return true;
    }
    doctor_good(v, "conf", "it reads well: %u NodeName and %u PartitionName lines", v->conf->nodes.n, v->conf->partitions.n);
    for (uint32_t i = 0; i < v->conf->notes.n; i++)
        doctor_note(v, "conf", "%s", v->conf->notes.v[i]);
    struct td_buf text = {0}, names = {0};
    if (file_read(c->place.conf, &text, &err) == 0)
        local_conf_left_out(td_buf_str(&text), &names);
    if (names.len)
        doctor_note(v, "conf", "left out of the rehearsal: %s", td_buf_str(&names));
    td_buf_release(&text);
    td_buf_release(&names);
    return true;
}

static void look_at_clock(struct visit *v)
{
    int64_t broker_ms = v->nodes.now_ms, off = client_now_ms() - broker_ms;

    if (broker_ms && (off > CLOCK_OFF_MS || off < -CLOCK_OFF_MS))
        doctor_ill(v, "clock", "this host's clock is %lld s %s the journal's: set it (chronyc makestep, or systemctl start "
                   "systemd-timesyncd), here or on the broker's host; the journal's time slews to its host's",
                   (long long)(off < 0 ? -off : off) / 1000, off < 0 ? "behind" : "before");
    else if (broker_ms)
        doctor_good(v, "clock", "clock and journal agree");
}

/* One that missed an offer is probed within a moment. */
static void give_time(struct visit *v)
{
    struct td_error err = {0};
    bool any = false;

    for (uint32_t i = 0; i < v->nodes.rows.n; i++)
        any |= v->nodes.rows.v[i].state == TD_NODE_UP && v->nodes.rows.v[i].awaited;
    if (!any)
        return;
    nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    td_vec_release(&v->nodes.rows);
    v->nodes = (struct client_nodes){0};
    if (client_nodes(v->c, NULL, &v->nodes, &err) < 0)
        doctor_ill(v, "nodes", "the broker does not tell its nodes: %s", err.text);
}

/* Without its journal the broker greets and probes nobody: that is no worker's fault. */
static bool journal_is_well(const struct visit *v)
{
    const char *journal = doctor_told(v, "journal");

    return !journal || strcmp(journal, "ok") == 0;
}

static void look_at_nodes(struct visit *v)
{
    struct node_ills l = {0};
    bool offers = journal_is_well(v);

    if (offers)
        give_time(v);

    node_ills_find(v->c->place.conf, &v->nodes, &l);
    for (uint32_t i = 0; i < v->nodes.rows.n; i++) {
        const struct td_node_info *n = &v->nodes.rows.v[i];
        if (n->state == TD_NODE_UP && n->awaited && offers)
            doctor_ill(v, "nodes", "node %s is up and does not answer the broker's offers, so it is given no work: see whether its worker "
                       "is stopped (kill -CONT), or its link carries one way only (both ports of its token must be open to it), then "
                       "restart tender-worker there", n->name);
    }
    for (uint32_t i = 0; i < l.v.n; i++)
        doctor_ill(v, "nodes", "%s", l.v.v[i]);
    if (!l.total)
        doctor_ill(v, "nodes", "the cluster has no nodes: tender up, or tender-worker --join $(tender join-token)");
    else if (l.up == l.total)
        doctor_good(v, "nodes", "%u node%s up", l.up, l.up == 1 ? "" : "s");
    node_ills_release(&l);
}

static void look_for_stopped(struct visit *v, enum process_kind kind, const char *node)
{
    pid_t pid = process_find(&v->local, kind, node);

    if (pid && process_stopped(pid))
        doctor_ill(v, "processes", "%s%s%s (process %d) is stopped by a signal and answers nobody: kill -CONT %d", process_program(kind),
                   node ? " of " : "", node ? node : "", (int)pid, (int)pid);
}

/* Processes of a local cluster: the broker misses a dead worker only after its lease. */
static void look_at_processes(struct visit *v)
{
    const struct cluster *c = &v->local;

    if (!*c->dir)
        return;
    if (!process_find(c, PROCESS_FRONT, NULL))
        doctor_ill(v, "processes", "the front does not run: commands ask the broker itself, and nothing can be watched; start it "
                   "with: tender up --dir %s", c->dir);
    look_for_stopped(v, PROCESS_BROKER, NULL);
    look_for_stopped(v, PROCESS_FRONT, NULL);
    for (uint32_t i = 0; i < v->lines.v.n; i++) {
        look_for_stopped(v, PROCESS_WORKER, v->lines.v.v[i].node);
        look_for_stopped(v, PROCESS_SHEPHERD, v->lines.v.v[i].node);
    }
    for (uint32_t i = 0; i < v->lines.v.n; i++)
        if (!process_find(c, PROCESS_WORKER, v->lines.v.v[i].node))
            doctor_ill(v, "processes", "the worker of %s does not run; start it with: tender up --dir %s", v->lines.v.v[i].node,
                       c->dir);
}

/* On a host that only has a front, or a link of tender remote, the broker is asked by way of it. */
static int open_by_front(struct visit *v)
{
    struct td_error none;
    const struct td_conf_place *p = &v->c->place;

    if (*v->local.dir || access(p->socket, F_OK) == 0 || td_call_open(p->front, CLIENT_TIMEOUT_MS, &v->c->call, &none) < 0)
        return -1;
    doctor_note(v, "broker", "the broker is elsewhere: it is asked by way of %s", p->front);
    return 0;
}

static void look_at_broker(struct visit *v)
{
    struct td_error err = {0};
    struct td_ping q = {.version = TD_PROTOCOL_VERSION};
    struct td_query_status status = {0};
    struct client *c = v->c;
    void *body = NULL;

    if (td_call_open(c->place.socket, CLIENT_TIMEOUT_MS, &c->call, &err) < 0 && open_by_front(v) < 0) {
        if (*v->local.dir)
            doctor_ill(v, "broker", "the broker does not answer at %s; start it with: tender up --dir %s", c->place.socket,
                       v->local.dir);
        else
            doctor_ill(v, "broker", "the broker does not answer at %s; start it with: systemctl start tender-broker",
                       c->place.socket);
        return;
    }
    c->open = true;
    if (client_ask(c, TD_MSG_PING, &q, TD_MSG_PONG, &body, &err) < 0) {
        doctor_ill(v, "broker", "the broker does not answer well: %s; its log says why, and tender up or systemctl restart "
                   "tender-broker starts it again", err.text);
        return;
    }
    const struct td_pong *p = body;
    doctor_good(v, "broker", "the broker answers: cluster %s on %s, epoch %llu, event %llu", p->cluster ? p->cluster : "?",
                p->host ? p->host : "?", (unsigned long long)p->epoch, (unsigned long long)p->seq);
    if (p->version != TD_PROTOCOL_VERSION)
        doctor_ill(v, "version", "the broker speaks protocol %u, this command %u: use programs of one release", p->version,
                   TD_PROTOCOL_VERSION);
    if (client_ask(c, TD_MSG_QUERY_STATUS, &status, TD_MSG_CONFIG, &body, &err) < 0)
        doctor_ill(v, "broker", "the broker does not tell its state: %s", err.text);
    else
        v->told = body;
    const char *version = doctor_told(v, "version");
    if (version && strcmp(version, TD_VERSION) != 0)
        doctor_ill(v, "version", "the broker is of version %s, this command of %s: update one of them, then start it again",
                   version, TD_VERSION);
    if (!journal_is_well(v))
        doctor_ill(v, "disk", "the journal: %s; make room where %s is", doctor_told(v, "journal"), doctor_told(v, "state_dir"));
    if (client_nodes(c, NULL, &v->nodes, &err) < 0) {
        doctor_ill(v, "nodes", "the broker does not tell its nodes: %s", err.text);
        return;
    }
    look_at_clock(v);
    look_at_nodes(v);
}

/* --- what was found ---------------------------------------------------------------------------------------------------- */

static void put_text(const struct visit *v, struct td_buf *out)
{
    static const struct {
        const char *word;
        enum say_colour colour;
    } kinds[] = {[FINDING_OK] = {"ok  ", SAY_GREEN}, [FINDING_NOTE] = {"note", SAY_YELLOW}, [FINDING_ILL] = {"ill ", SAY_RED}};

    for (uint32_t i = 0; i < v->v.n; i++) {
        const struct finding *f = &v->v.v[i];
        td_buf_putf(out, "%s%s%s  %s\n", say_colour(1, kinds[f->kind].colour), kinds[f->kind].word, say_colour(1, SAY_PLAIN),
                    f->text);
    }
    if (v->ills)
        td_buf_putf(out, "\n%u thing%s to mend\n", v->ills, v->ills == 1 ? "" : "s");
    else
        td_buf_puts(out, "\nall well\n");
}

static void put_json(const struct visit *v, struct td_buf *out)
{
    static const char *const states[] = {[FINDING_OK] = "ok", [FINDING_NOTE] = "note", [FINDING_ILL] = "ill"};

    td_buf_putf(out, "{\"well\": %s, \"ills\": %u, \"checks\": [", v->ills ? "false" : "true", v->ills);
    for (uint32_t i = 0; i < v->v.n; i++) {
        td_buf_putf(out, "%s\n  {\"check\": \"%s\", \"state\": \"%s\", \"text\": ", i ? "," : "", v->v.v[i].check,
                    states[v->v.v[i].kind]);
        td_json_string(out, v->v.v[i].text);
        td_buf_putc(out, '}');
    }
    td_buf_puts(out, "\n]}\n");
}

static void look_at_all(struct visit *v)
{
    struct td_error err = {0};

    if (*v->local.dir && workers_load(&v->local, &v->lines, &err) < 0)
        doctor_ill(v, "conf", "%s", err.text);
    doctor_look_at_programs(v);
    if (!look_at_conf(v))
        return;
    doctor_look_at_disk(v);
    look_at_processes(v);
    look_at_broker(v);
    doctor_look_at_limits(v);
    doctor_look_at_users(v);
    doctor_look_at_names(v);
    doctor_look_at_ports(v);
    doctor_look_at_keys(v);
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct doctor o = {0};
    struct option_parse p = {.cmd = &doctor_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    struct client c = {0};
    struct visit v = {.c = &c};
    struct td_buf out = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r == 0)
        r = cluster_select(o.dir, o.name, &v.local, &err);
    if (r < 0) {
        say_error("%s", err.text);
    } else {
        look_at_all(&v);
        if (o.json)
            put_json(&v, &out);
        else
            put_text(&v, &out);
        say_out(&out);
    }
    client_close(&c);
    if (v.conf)
        td_conf_destroy(&v.conf);
    workers_release(&v.lines);
    td_vec_release(&v.nodes.rows);
    td_vec_release(&v.v);
    td_arena_release(&v.arena);
    td_buf_release(&out);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 || v.ills ? 1 : 0;
}

const struct command doctor_command = {
    .name = "tender doctor",
    .synopsis = "[--dir DIR] [--json]",
    .summary = "look for what is wrong, and say what mends it",
    .about = "Looks at the programs and their versions, the configuration, the disk, the broker, the clock, the nodes, the limits\n"
             "of the daemons, who they run as, names, ports and keys. Each ill is one sentence with what mends it. Exits 1 if\n"
             "something is to be mended, 0 if all is well.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
