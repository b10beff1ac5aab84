/* tokens.c - tender token create | list | revoke: join tokens by their ids; the secret is shown once, by create */
#include <string.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "render/value.h"
#include "say.h"

struct tokens {
    const char *dir, *name;
    bool json;
};

#define AT(field) offsetof(struct tokens, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "list: as JSON", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

static void put_row(struct td_buf *out, const struct td_token_info *t)
{
    struct td_buf until = {0}, uses = {0};

    if (t->expires_ms)
        td_time_print(t->expires_ms, client_zone_s(t->expires_ms), &until);
    else
        td_buf_puts(&until, "never");
    td_buf_putf(&uses, "%u/", t->used);
    if (t->uses)
        td_buf_putf(&uses, "%u", t->uses);
    else
        td_buf_puts(&uses, "any");
    td_buf_putf(out, "%-12s %-8s %-10s %-20s %-8u %s\n", t->id, td_str_empty(t->over) ? "good" : t->over, td_buf_str(&uses),
                td_buf_str(&until), t->uid, td_str_empty(t->names) ? "(any)" : t->names);
    td_buf_release(&until);
    td_buf_release(&uses);
}

static int list(struct client *c, bool json, struct td_buf *out, struct td_error *err)
{
    const struct td_query_tokens q = {0};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_QUERY_TOKENS, &q, TD_MSG_TOKENS, &body, err);

    if (r < 0)
        return r;
    const struct td_tokens *m = body;
    if (!json)
        td_buf_putf(out, "%-12s %-8s %-10s %-20s %-8s %s\n", "ID", "STATE", "USED", "EXPIRES", "UID", "NAMES");
    for (uint32_t i = 0; i < m->rows.n; i++) {
        if (!json) {
            put_row(out, &m->rows.v[i]);
            continue;
        }
        td_wire_json(out, &td_rec_token_info, &m->rows.v[i], TD_SEE_OWNER);
        td_buf_puts(out, "\n");
    }
    return 0;
}

static int revoke(struct client *c, const char *id, struct td_buf *out, struct td_error *err)
{
    const struct td_revoke_token m = {.id = id};
    void *body = NULL;
    int r = client_ask(c, TD_MSG_REVOKE_TOKEN, &m, TD_MSG_DONE, &body, err);

    if (r == 0)
        td_buf_putf(out, "%s is revoked: nobody joins with it any more; nodes that have joined stay\n", id);
    return r;
}

static int act(struct client *c, const struct tokens *o, char *const *words, uint32_t n, struct td_buf *out, struct td_error *err)
{
    int r = 0;

    if (strcmp(words[0], "list") == 0 && n == 1)
        return list(c, o->json, out, err);
    if (strcmp(words[0], "list") == 0)
        return td_fail(err, TD_E_USAGE, "unexpected word '%s'", words[1]);
    for (uint32_t i = 1; i < n && r == 0; i++)
        r = revoke(c, words[i], out, err);
    return r;
}

static int check(char *const *words, uint32_t n, struct td_error *err)
{
    if (!n || (strcmp(words[0], "list") != 0 && strcmp(words[0], "revoke") != 0))
        return td_fail(err, TD_E_USAGE, "what of the tokens? One of: create, list, revoke");
    if (strcmp(words[0], "revoke") == 0 && n == 1)
        return td_fail(err, TD_E_USAGE, "revoke which? tender token list shows the ids");
    return 0;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct tokens o = {0};
    struct option_parse p = {.cmd = &tokens_command, .target = &o, .arena = &arena};
    struct client c = {0};
    struct cluster local = {0};
    struct td_error err = {0};
    struct td_buf out = {0}, tmp = {0};

    if (argc > 1 && strcmp(argv[1], "create") == 0) {
        say_name = "tender token create";
        return token_command.run(argc - 1, argv + 1);
    }
    int r = option_parse(&p, argc, argv, &err);
    if (r == 0)
        r = check((char *const *)p.words.v, p.words.n, &err);
    if (r == 0)
        r = cluster_select(o.dir, o.name, &local, &err);
    if (r == 0)
        r = client_open(&c, &err);
    if (r == 0)
        r = act(&c, &o, (char *const *)p.words.v, p.words.n, &out, &err);
    say_out(&out);
    if (r < 0)
        say_error("%s", say_words(&err, &tmp));
    client_close(&c);
    td_buf_release(&out);
    td_buf_release(&tmp);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command tokens_command = {
    .name = "tender token",
    .synopsis = "create [OPTIONS] | list [--json] | revoke ID...",
    .summary = "make, list and revoke join tokens",
    .about = "create makes one and prints it, once; its options are those of tender join-token, the short form. list shows all by\n"
             "their ids, how often they were used and how long they are good, never their secrets. revoke takes tokens back:\n"
             "nobody joins with them any more; nodes that have joined have keys of their own and stay.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
