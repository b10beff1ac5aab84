/* keys.c - tender key rotate | revoke: the keys that nodes got for their tokens */
#include <string.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"

struct keys {
    const char *dir, *name;
};

#define AT(field) offsetof(struct keys, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

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

    if (r == 0 && strcmp(word, "rotate") != 0 && strcmp(word, "revoke") != 0)
        r = td_fail(&err, TD_E_USAGE, "what of the keys? One of: rotate, revoke");
    if (r == 0 && p.words.n != 2)
        r = td_fail(&err, TD_E_USAGE, "%s the keys of which nodes? One host list: n[1-3],m7", word);
    if (r == 0)
        r = cluster_select(o.dir, o.name, &local, &err);
    if (r == 0)
        r = client_open(&c, &err);
    if (r == 0)
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
    .synopsis = "rotate|revoke NODES",
    .summary = "give nodes other keys, or take them back",
    .about = "rotate asks the workers of NODES for another key each; the old one is good for an hour more, so nothing stops.\n"
             "revoke takes all keys of NODES back: their workers are turned away until they join with a token. Revoke the token\n"
             "as well (tender token revoke) where they still have one. A front of another host goes by its name here: revoke ends it.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
