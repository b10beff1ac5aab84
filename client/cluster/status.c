/* status.c - tender status: what of a cluster runs, and what its broker counts */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "render/node.h"
#include "say.h"

struct status {
    const char *dir, *name;
    bool json, all;
};

#define AT(field) offsetof(struct status, field)
static const struct option options[] = {
    {"all", 'a', NULL, opt_flag, AT(all), "counters that are 0 too", NULL, false},
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "as JSON", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

static const char *value_of(const struct td_config *m, const char *key)
{
    for (uint32_t i = 0; i < m->rows.n; i++)
        if (td_str_equal(m->rows.v[i].key, key))
            return m->rows.v[i].value ? m->rows.v[i].value : "";
    return "?";
}

static void put_process(struct td_buf *out, const char *what, pid_t pid, const char *state)
{
    const char *colour = say_colour(1, pid ? SAY_GREEN : SAY_RED), *plain = say_colour(1, SAY_PLAIN);

    td_buf_putf(out, "  %s", what);
    td_buf_pad(out, ' ', strlen(what) < 24 ? 24 - strlen(what) : 1);
    if (pid)
        td_buf_putf(out, "%srunning%s  %d", colour, plain, (int)pid);
    else
        td_buf_putf(out, "%sstopped%s", colour, plain);
    td_buf_putf(out, "%s%s\n", *state ? "  " : "", state);
}

static void put_local(struct td_buf *out, const struct cluster *c, const struct worker_lines *l,
                      const struct client_nodes *nodes)
{
    td_buf_putf(out, "cluster in %s\n", c->dir);
    put_process(out, "broker", process_find(c, PROCESS_BROKER, NULL), "");
    put_process(out, "front", process_find(c, PROCESS_FRONT, NULL), "");
    for (uint32_t i = 0; i < l->v.n; i++) {
        struct td_buf name = {0}, state = {0};
        td_buf_putf(&name, "worker %s", l->v.v[i].node);
        for (uint32_t k = 0; k < nodes->rows.n; k++)
            if (td_str_equal(nodes->rows.v[k].name, l->v.v[i].node))
                node_put_state(&state, &nodes->rows.v[k]);
        put_process(out, td_buf_str(&name), process_find(c, PROCESS_WORKER, l->v.v[i].node), td_buf_str(&state));
        td_buf_release(&name);
        td_buf_release(&state);
    }
}

static void put_figures(struct td_buf *out, const struct td_config *m, bool all)
{
    td_buf_putf(out, "%s, version %s, on %s: epoch %s, event %s, up %s s\n", value_of(m, "cluster"), value_of(m, "version"),
                value_of(m, "host"), value_of(m, "epoch"), value_of(m, "seq"), value_of(m, "uptime_s"));
    td_buf_putf(out, "journal: %s\n", value_of(m, "journal"));
    for (uint32_t i = 0; i < m->rows.n; i++) {
        const char *key = m->rows.v[i].key ? m->rows.v[i].key : "", *value = m->rows.v[i].value;
        static const char *const said[] = {"cluster", "version", "host", "epoch", "seq", "uptime_s", "journal"};
        bool skip = !all && td_str_equal(value, "0");
        for (size_t k = 0; k < TD_ARRAY_LEN(said); k++)
            skip |= strcmp(said[k], key) == 0;
        if (skip)
            continue;
        td_buf_putf(out, "  %s", key);
        td_buf_pad(out, ' ', strlen(key) < 24 ? 24 - strlen(key) : 1);
        td_buf_putf(out, "%s\n", value ? value : "");
    }
}

static void put_json(struct td_buf *out, const struct td_config *m)
{
    td_buf_puts(out, "{");
    for (uint32_t i = 0; i < m->rows.n; i++) {
        int64_t n;
        const char *value = m->rows.v[i].value ? m->rows.v[i].value : "";
        td_buf_puts(out, i ? ",\n  " : "\n  ");
        td_json_string(out, m->rows.v[i].key ? m->rows.v[i].key : "");
        td_buf_puts(out, ": ");
        if (td_parse_i64(value, &n))
            td_buf_put_i64(out, n);
        else
            td_json_string(out, value);
    }
    td_buf_puts(out, "\n}\n");
}

/* A folder that tender up made: of others, a link of tender remote or a broker that a service runs, the processes are not ours to
 * tell. */
static bool is_local(const struct cluster *c)
{
    char path[TD_MAX_PATH_BYTES + 16];

    td_format(path, sizeof(path), "%s/workers", c->dir);
    return access(path, F_OK) == 0;
}

static int show(const struct status *o, struct td_error *err)
{
    struct cluster c = {0};
    struct worker_lines l = {0};
    struct client client = {0};
    struct client_nodes nodes = {0};
    struct td_query_status q = {0};
    struct td_buf out = {0};
    struct td_error none = {0};
    void *body = NULL;
    bool local = cluster_current(o->dir, o->name, &c, &none) == 0 && workers_load(&c, &l, &none) == 0;
    int r = 0;

    if ((o->dir || o->name) && !local)
        return td_fail(err, none.code, "%s", none.text);
    if ((o->dir || o->name) && setenv("SLURM_CONF", c.conf, 1) < 0)
        r = td_fail(err, TD_E_IO, "cannot set SLURM_CONF");
    if (r == 0)
        r = client_open(&client, err);
    if (r == 0)
        r = client_ask(&client, TD_MSG_QUERY_STATUS, &q, TD_MSG_CONFIG, &body, err);
    if (r == 0)
        r = client_nodes(&client, NULL, &nodes, err);
    if (local && !o->json && is_local(&c))
        put_local(&out, &c, &l, &nodes);
    if (r == 0 && o->json)
        put_json(&out, body);
    else if (r == 0)
        put_figures(&out, body, o->all);
    say_out(&out);
    td_vec_release(&nodes.rows);
    workers_release(&l);
    td_buf_release(&out);
    client_close(&client);
    return r;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct status o = {0};
    struct option_parse p = {.cmd = &status_command, .target = &o, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r == 0)
        r = show(&o, &err);
    if (r < 0)
        say_error("%s", err.text);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command status_command = {
    .name = "tender status",
    .synopsis = "[--dir DIR] [--all] [--json]",
    .summary = "show what of a cluster runs, and what its broker counts",
    .about = "Shows the processes of a local cluster, the broker's epoch and journal, the queue and the counters.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
