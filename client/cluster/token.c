/* token.c - tender join-token: what another machine's worker, or front, needs to join */
#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"

struct token {
    const char *names, *dir, *name;
    uint32_t uses, valid_s;
    bool front, root;
};

static int take_valid(struct option_parse *p, const struct option *o TD_UNUSED, const char *value, struct td_error *err)
{
    struct token *t = p->target;

    if (td_duration_parse(value, &t->valid_s, err) < 0)
        return td_fail(err, TD_E_USAGE, "Invalid --valid specification: %s (minutes, H:M:S, D-H)", value);
    if (t->valid_s == TD_INFINITE)
        t->valid_s = 0;
    return 0;
}

#define AT(field) offsetof(struct token, field)
static const struct option options[] = {
    {"dir", 0, "DIR", opt_str, AT(dir), "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"front", 0, NULL, opt_flag, AT(front), "for a front on another host (tender-front --join), which vouches for its users", NULL, false},
    {"name", 0, "NAME", opt_str, AT(name), "name of the cluster", NULL, false},
    {"names", 0, "NODES", opt_str, AT(names), "only for nodes, or fronts, of these names (any)", NULL, false},
    {"root", 0, NULL, opt_flag, AT(root), "with --front: for root of that host, too, who is nobody else", NULL, false},
    {"uses", 0, "N", opt_u32, AT(uses), "good for so many of them (any number)", NULL, false},
    {"valid", 0, "TIME", take_valid, 0, "good for so long: minutes, H:M:S, D-H (for ever)", NULL, false},
    OPTIONS_HELP,
    {0},
};

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct token o = {0};
    struct option_parse p = {.cmd = &token_command, .target = &o, .arena = &arena};
    struct client c = {0};
    struct cluster local = {0};
    struct td_error err = {0};
    struct td_buf out = {0}, tmp = {0};
    void *body = NULL;
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[0]);
    if (r == 0 && o.root && !o.front)
        r = td_fail(&err, TD_E_USAGE, "--root says whom a front vouches for: it goes with --front");
    if (r == 0)
        r = cluster_select(o.dir, o.name, &local, &err);
    if (r == 0)
        r = client_open(&c, &err);
    if (r == 0) {
        struct td_make_token m = {.names = o.names, .uses = o.uses, .valid_s = o.valid_s, .front = o.front, .root = o.root};
        r = client_ask(&c, TD_MSG_MAKE_TOKEN, &m, TD_MSG_TOKEN, &body, &err);
    }
    if (r == 0) {
        td_buf_putf(&out, "%s\n", ((struct td_token_reply *)body)->token);
        say_out(&out);
    } else {
        say_error("%s", say_words(&err, &tmp));
    }
    client_close(&c);
    td_buf_release(&out);
    td_buf_release(&tmp);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r < 0 ? 1 : 0;
}

const struct command token_command = {
    .name = "tender join-token",
    .synopsis = "[--front [--root]] [--dir DIR] [--names NODES] [--uses N] [--valid TIME]",
    .summary = "make a token with which workers and fronts join",
    .about = "Prints a token for: tender-worker --join TOKEN (or --join @FILE, or --join - for standard input). Whoever holds it may join,\n"
             "so keep it as a password.\n"
             "\n"
             "With --front it is for: tender-front --join TOKEN --dir DIR, on a login node. That front is believed when it says\n"
             "who a user of its host is, so give it only to machines whose root you trust as much. Root there is nobody here,\n"
             "unless --root says otherwise.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
