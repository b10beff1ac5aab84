/* keys.c - tender key list | rotate | revoke: the keys that nodes got for their tokens */
#include <string.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"

struct keys {
    const char *dir, *name;
    bool json;
};

#define AT(field) offsetof(struct keys, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "list: as JSON", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

static void put_row(struct td_buf *out, const struct td_key_info *k)
{
    struct td_buf until = {0};

    if (k->until_ms)
        td_time_print(k->until_ms, client_zone_s(k->until_ms), &until);
    else
        td_buf_puts(&until, "-");
    td_buf_putf(out, "%-20s %-7s %-8s %-20s %-12s %s\n", k->node, k->root ? "front+" : k->front ? "front" : "worker", k->expired ? "expired" : k->until_ms ? "old" : "good",
                td_buf_str(&until), td_str_empty(k->token_id) ? "(rotation)" : k->token_id, k->key);
    td_buf_release(&until);
}

static int list(struct client *c, const char *nodes, bool json, struct td_error *err)
{
    const struct td_query_keys q = {.nodes = nodes};
    struct td_buf out = {0};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_KEYS, &q, TD_MSG_KEYS, &body, err);

    if (r == 0 && !json)
        td_buf_putf(&out, "%-20s %-7s %-8s %-20s %-12s %s\n", "NODE", "OF", "STATE", "UNTIL", "TOKEN", "KEY");
    while (r == 0) {
        const struct td_keys *m = body;
        for (uint32_t i = 0; i < m->rows.n; i++) {
            if (!json) {
                put_row(&out, &m->rows.v[i]);
                continue;
            }
            td_wire_json(&out, &td_rec_key_info, &m->rows.v[i], TD_SEE_OWNER);
            td_buf_putc(&out, '\n');
        }
        if (!m->more)
            break;
        r = client_more(c, TD_MSG_KEYS, &body, err);
    }
    if (r == 0)
        say_out(&out);
    td_buf_release(&out);
    return r;
}

static int ask(struct client *c, bool take_back, const char *nodes, struct td_error *err)
{
    const struct td_node_keys m = {.nodes = nodes, .revoke = take_back};
    struct td_buf out = {0};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_NODE_KEYS, &m, TD_MSG_DONE, &body, err);

    if (r < 0)
        return r;
    const struct td_done *d = body;
    for (uint32_t i = 0; i < d->errors.n; i++)
        say_error("%s", d->errors.v[i].text);
    if (d->count && take_back)
        td_buf_putf(&out, "the keys of %u node%s are revoked; they need a token to join again\n", d->count, d->count == 1 ? "" : "s");
    else if (d->count)
        td_buf_putf(&out, "%u node%s asked for another key; events of type KEY_ROTATED tell of them\n", d->count,
                    d->count == 1 ? " is" : "s are");
    say_out(&out);
    td_buf_release(&out);
    return d->errors.n ? 1 : 0;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct keys o = {0};
    struct option_parse p = {.cmd = &keys_command, .target = &o, .arena = &arena};
    struct client c = {0};
    struct cluster local = {0};
    struct td_error err = {0};
    struct td_buf tmp = {0};
    int r = option_parse(&p, argc, argv, &err);
    const char *word = r == 0 && p.words.n ? p.words.v[0] : "";

    bool is_list = strcmp(word, "list") == 0;
    if (r == 0 && !is_list && strcmp(word, "rotate") != 0 && strcmp(word, "revoke") != 0)
        r = td_fail(&err, TD_E_USAGE, "what of the keys? One of: list, rotate, revoke");
    if (r == 0 && is_list && p.words.n > 2)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[2]);
    if (r == 0 && !is_list && p.words.n != 2)
        r = td_fail(&err, TD_E_USAGE, "%s the keys of which nodes? One host list: n[1-3],m7", word);
    if (r == 0)
        r = cluster_select(o.dir, o.name, &local, &err);
    if (r == 0)
        r = client_open(&c, &err);
    if (r == 0 && is_list)
        r = list(&c, p.words.n == 2 ? p.words.v[1] : NULL, o.json, &err);
    else if (r == 0)
        r = ask(&c, strcmp(word, "revoke") == 0, p.words.v[1], &err);
    if (r < 0)
        say_error("%s", say_words(&err, &tmp));
    client_close(&c);
    td_buf_release(&tmp);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r ? 1 : 0;
}

const struct command keys_command = {
    .name = "tender key",
    .synopsis = "list [NODES] [--json] | rotate NODES | revoke NODES",
    .summary = "list the keys of nodes, give them others, or take them back",
    .about = "list shows the keys that nodes and fronts have (front+: one that vouches for root as well), each with the token it\n"
             "was got for; with --json a line of JSON for each.\n"
             "rotate asks the workers of NODES for another key each; the old one is good for an hour more, so nothing stops.\n"
             "revoke takes all keys of NODES back: their workers are turned away until they join with a token. Revoke the token\n"
             "as well (tender token revoke) where they still have one. A front of another host goes by its name here: revoke ends it.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
