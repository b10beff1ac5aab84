/* main.c - tender-journal: what `tender journal` runs; opens the store only to read */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/journal/inspect.h"
#include "cluster/cluster.h"
#include "option.h"
#include "say.h"

struct journal {
    const char *dir, *name;
    uint32_t from;
};

#define AT(field) offsetof(struct journal, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"from", 0, "SEQ", opt_u32_zero, AT(from), "dump: first event to print", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};
static const struct command cmd = {
    .name = "tender journal",
    .synopsis = "dump|verify|replay [--dir DIR] [--from SEQ]",
    .summary = "print or prove the journal",
    .about = "dump prints one JSON object a line for each event; verify replays snapshots and events and compares digests;\n"
             "replay wants the input log, and its decisions made again, event for event.",
    .options = options,
    .usage_exit = 1,
};

/* The state directory: beside the socket of the cluster that commands find. */
static int state_of(const struct journal *o, char *out, size_t cap, struct td_error *err)
{
    struct cluster c = {0};
    struct client client = {0};
    int r = 0;

    if (o->dir || o->name) {
        r = cluster_at(o->dir, o->name, false, &c, err);
        if (r == 0 && setenv("SLURM_CONF", c.conf, 1) < 0)
            r = td_fail(err, TD_E_IO, "cannot set SLURM_CONF");
    }
    if (r == 0)
        r = client_find(&client, err);
    if (r == 0) {
        char *run = strstr(client.place.socket, "/run/broker.sock");
        if (run)
            *run = 0;
        td_format(out, cap, "%s", client.place.socket);
    }
    return r;
}

static int run(const struct journal *o, const char *what, struct td_error *err)
{
    char state[4096];
    struct td_buf report = {0};
    int r = state_of(o, state, sizeof(state), err);

    if (r < 0)
        return r;
    if (strcmp(what, "dump") == 0)
        return td_journal_dump(state, o->from, TD_SEE_OWNER, stdout, err);
    if (strcmp(what, "verify") != 0 && strcmp(what, "replay") != 0)
        return td_fail(err, TD_E_USAGE, "'%s' is not dump, verify or replay", what);
    r = (strcmp(what, "verify") == 0 ? td_journal_verify : td_journal_replay)(state, &report, err);
    say_out(&report);
    td_buf_release(&report);
    return r;
}

int main(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct journal o = {0};
    struct option_parse p = {.cmd = &cmd, .target = &o, .arena = &arena};
    struct td_error err = {0};

    say_name = "tender journal";
    int r = option_parse(&p, argc, argv, &err);
    if (r == 0 && p.words.n != 1)
        r = td_fail(&err, TD_E_USAGE, "dump, verify or replay?");
    if (r == 0)
        r = run(&o, p.words.v[0], &err);
    if (r < 0)
        say_error("%s", err.text);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}
