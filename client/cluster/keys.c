/* keys.c - tender key list | rotate | revoke: the keys that nodes got for their tokens; and with create | register those of
 * users (user_keys.c) */
#include <string.h>

#include "cluster/cluster.h"
#include "cluster/remote.h"
#include "cluster/user_keys.h"
#include "commands.h"
#include "say.h"

struct keys {
    const char *dir, *name, *user, *note, *file;
    bool json, users;
};

#define AT(field) offsetof(struct keys, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "list: as JSON", NULL, false},
    {"key", 0, "FILE", opt_str, AT(file), "create: the file (~/.config/tender/key)", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    {"note", 0, "TEXT", opt_str, AT(note), "register: words to know the key by", NULL, false},
    {"user", 0, "NAME", opt_str, AT(user), "register, revoke: whose key (register: yours)", NULL, false},
    {"users", 0, NULL, opt_flag, AT(users), "list: the keys of users: yours; an operator's: all", NULL, false},
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

enum what { NOTHING, LIST, ROTATE, REVOKE, REGISTER };

static enum what what_of(const char *word)
{
    static const char *const words[] = {"", "list", "rotate", "revoke", "register"};

    for (size_t i = 1; i < TD_ARRAY_LEN(words); i++)
        if (strcmp(word, words[i]) == 0)
            return (enum what)i;
    return NOTHING;
}

static int check(enum what what, const struct keys *o, const char *const *words, uint32_t n, struct td_error *err)
{
    bool of_user = what == REVOKE && o->user;
    uint32_t most = what == LIST && o->users ? 1 : 2;

    if (what == NOTHING)
        return td_fail(err, TD_E_USAGE, "what of the keys? One of: create, register, list, rotate, revoke");
    if (n > most)
        return td_fail(err, TD_E_USAGE, "unexpected word '%s'", words[most]);
    if (what == REGISTER && n != 2)
        return td_fail(err, TD_E_USAGE, "register which key? tender key create prints it, on the user's host");
    if ((what == ROTATE || what == REVOKE) && !of_user && n != 2)
        return td_fail(err, TD_E_USAGE, "%s the keys of which nodes? One host list: n[1-3],m7 (or --user NAME)", words[0]);
    if ((o->user && what != REGISTER && what != REVOKE) || (o->note && what != REGISTER) || (o->users && what != LIST) || o->file)
        return td_fail(err, TD_E_USAGE, "%s does not go with %s", o->file ? "--key" : o->users ? "--users" : o->note ? "--note" : "--user",
                       words[0]);
    return 0;
}

static int act(struct client *c, enum what what, const struct keys *o, const char *word, struct td_error *err)
{
    switch (what) {
    case REGISTER:
        return user_key_register(c, word, o->user, o->note, err);
    case REVOKE:
        return o->user ? user_key_revoke(c, word, o->user, err) : ask(c, true, word, err);
    case ROTATE:
        return ask(c, false, word, err);
    case LIST:
        return o->users ? user_keys_list(c, o->json, err) : list(c, word, o->json, err);
    case NOTHING:
        break;
    }
    return 0;
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

    if (argc > 1 && strcmp(argv[1], "create") == 0) {
        argv[1] = (char *)(uintptr_t) "key";
        return remote_run(argv);
    }
    int r = option_parse(&p, argc, argv, &err);
    enum what what = what_of(r == 0 && p.words.n ? p.words.v[0] : "");
    if (r == 0)
        r = check(what, &o, p.words.v, p.words.n, &err);
    if (r == 0)
        r = cluster_select(o.dir, o.name, &local, &err);
    if (r == 0)
        r = client_open(&c, &err);
    if (r == 0)
        r = act(&c, what, &o, p.words.n > 1 ? p.words.v[1] : NULL, &err);
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
    .synopsis = "list [NODES | --users] [--json] | rotate NODES | revoke NODES | create | register KEY [--user NAME] | revoke --user NAME [KEY]",
    .summary = "the keys of nodes, and those of users on other hosts",
    .about = "list shows the keys that nodes and fronts have (front+: one that vouches for root as well), each with the token it\n"
             "was got for; with --json a line of JSON for each.\n"
             "rotate asks the workers of NODES for another key each; the old one is good for an hour more, so nothing stops.\n"
             "revoke takes all keys of NODES back: their workers are turned away until they join with a token. Revoke the token\n"
             "as well (tender token revoke) where they still have one. A front of another host goes by its name here: revoke ends it.\n"
             "\n"
             "Users of other hosts are known by keys, too (tender remote). create makes one on such a host and prints its public\n"
             "half; the secret half stays in ~/.config/tender/key. register says on a host of the cluster whose it is: everybody\n"
             "his own, an operator those of --user NAME, but of nobody who may do more than he. Root has none. list --users shows\n"
             "them; revoke --user NAME takes all of his back, or that which begins with KEY, and ends what was done by it.\n"
             "A key may begin with a dash: then write -- before it.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
