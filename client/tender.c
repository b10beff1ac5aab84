/* tender.c - tender(1): the words of the person who runs a cluster */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"

static const struct word {
    const char *name;
    const struct command *cmd;
    const char *help;
} words[] = {
    {"up", &up_command, "start a cluster on this machine"},
    {"down", &down_command, "end it; the journal stays"},
    {"status", &status_command, "what of it runs, and what its broker counts"},
    {"join-token", &token_command, "make a token with which workers join"},
    {"token", &tokens_command, "create, list and revoke such tokens"},
    {"key", &keys_command, "list the keys of nodes, give them others, or take them back"},
    {"remote", &remote_command, "use a cluster from a host that is none of its own"},
    {"rounds", &rounds_command, "the last rounds of bidding"},
    {"events", &events_command, "what happens, as it happens: one JSON object a line"},
    {"journal", &journal_command, "dump, verify or replay the journal"},
    {"sim", &sim_command, "schedule a recorded workload on virtual time"},
    {"doctor", &doctor_command, "look for what is wrong, and say what mends it"},
    {"protocol", &protocol_command, "print the protocol's page"},
    {"manual", &manual_command, "print a command's man page: tender manual sbatch"},
    {"completion", &completion_command, "print the completion for bash"},
    {"version", &version_command, "print the version"},
    {"help", &help_command, "this page"},
};

static const struct option options[] = {
    OPTIONS_HELP,
    {0},
};

/* A word without options of its own: 0 to go on with its words. */
static int parse_plain(const struct command *cmd, uint32_t words_max, int argc, char **argv, const char **ret_word)
{
    struct td_arena arena = {0};
    struct option_parse p = {.cmd = cmd, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r == 0 && p.words.n > words_max)
        r = td_fail(&err, TD_E_USAGE, "unexpected word '%s'", p.words.v[words_max]);
    if (r == 0 && words_max)
        *ret_word = p.words.n ? p.words.v[0] : NULL;
    if (r < 0)
        say_error("%s", err.text);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r;
}

static int run_version(int argc, char **argv)
{
    struct td_buf out = {0};

    if (parse_plain(&version_command, 0, argc, argv, NULL) < 0)
        return 1;
    td_buf_puts(&out, "tender " TD_VERSION "\n");
    say_out(&out);
    td_buf_release(&out);
    return 0;
}

static void put_help(struct td_buf *out)
{
    td_buf_puts(out, "Usage: tender WORD [OPTIONS]\nTender: a batch scheduler. Jobs are sent with sbatch, seen with squeue.\n\n");
    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++) {
        td_buf_putf(out, "  %s", words[i].name);
        td_buf_pad(out, ' ', 14 - strlen(words[i].name));
        td_buf_putf(out, "%s\n", words[i].help);
    }
    td_buf_puts(out, "\ntender WORD --help tells more. tender sbatch, tender squeue, ... are sbatch, squeue, ...\n");
}

static int run_help(int argc, char **argv)
{
    struct td_buf out = {0};

    if (parse_plain(&help_command, 0, argc, argv, NULL) < 0)
        return 1;
    put_help(&out);
    say_out(&out);
    td_buf_release(&out);
    return 0;
}

static const struct command *find(const char *name)
{
    for (const struct command *const *c = commands; *c; c++) {
        const char *n = (*c)->name;
        if (strcmp(n, name) == 0 || (td_str_prefix(n, "tender ") && strcmp(n + 7, name) == 0))
            return *c;
    }
    return NULL;
}

static const struct command *find_page(const char *name)
{
    const struct command *c = find(name);

    if (!c && td_str_prefix(name, "tender-")) /* as man(1) would call it: tender-journal */
        c = find(name + 7);
    for (const struct command *const *d = daemons; *d && !c; d++)
        if (strcmp((*d)->name, name) == 0)
            c = *d;
    return c;
}

/* Every page there is; NULL-ended, in the arena. */
static const struct command *const *all_pages(struct td_arena *a, uint32_t *ret_n)
{
    uint32_t n = 0, k = 0;

    while (commands[n])
        n++;
    while (daemons[k])
        k++;
    const struct command **all = td_arena_alloc(a, ((size_t)n + k + 1) * sizeof(*all));
    for (uint32_t i = 0; i < n; i++)
        all[i] = commands[i];
    for (uint32_t i = 0; i < k; i++)
        all[n + i] = daemons[i];
    *ret_n = n + k;
    return all;
}

static void say_pages(void)
{
    struct td_arena a = {0};
    struct td_buf names = {0};
    uint32_t n;
    const struct command *const *all = all_pages(&a, &n);

    for (uint32_t i = 0; i < n; i++)
        td_buf_putf(&names, " %s", td_str_prefix(all[i]->name, "tender ") ? all[i]->name + 7 : all[i]->name);
    say_error("of which command? One of:%s", td_buf_str(&names));
    td_buf_release(&names);
    td_arena_release(&a);
}

static int run_manual(int argc, char **argv)
{
    struct td_buf out = {0};
    const char *name = NULL;

    if (parse_plain(&manual_command, 1, argc, argv, &name) < 0)
        return 1;
    if (name && strcmp(name, "tender.conf") == 0) {
        conf_page_print(&out);
        say_out(&out);
        td_buf_release(&out);
        return 0;
    }
    const struct command *c = name ? find_page(name) : NULL;
    if (!c) {
        if (name)
            say_error("there is no command '%s'", name);
        else
            say_pages();
        return 1;
    }
    const struct command *parts[TD_ARRAY_LEN(words)];
    uint32_t n = 0;
    for (size_t i = 0; c == &tender_command && i < TD_ARRAY_LEN(words); i++)
        parts[n++] = words[i].cmd;
    man_print(c, parts, n, &out);
    say_out(&out);
    td_buf_release(&out);
    return 0;
}

static int run_completion(int argc, char **argv)
{
    struct td_arena a = {0};
    struct td_buf out = {0};
    uint32_t n;

    if (parse_plain(&completion_command, 0, argc, argv, NULL) < 0)
        return 1;
    const struct command *const *all = all_pages(&a, &n);
    completion_print(all, n, &out);
    say_out(&out);
    td_buf_release(&out);
    td_arena_release(&a);
    return 0;
}

static const char *nearest(const char *name)
{
    const char *best = NULL;
    uint32_t best_d = 4;

    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++) {
        uint32_t d = td_edit_distance(words[i].name, name);
        if (d < best_d) {
            best_d = d;
            best = words[i].name;
        }
    }
    return best;
}

static int run_tender(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct option_parse p = {.cmd = &tender_command, .arena = &arena, .posix = true};
    struct td_error err = {0};
    const char *name;

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return run_help(1, argv);
    if (option_parse(&p, argc, argv, &err) < 0) {
        say_error("%s", err.text);
        return 1;
    }
    if (!p.words.n) {
        struct td_buf out = {0};
        put_help(&out);
        say_out(&out);
        td_buf_release(&out);
        return 1;
    }
    name = p.words.v[0];
    argc -= (int)p.rest;
    argv += p.rest;
    option_parse_release(&p);
    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++) {
        if (strcmp(words[i].name, name) != 0)
            continue;
        say_name = words[i].cmd->name;
        return words[i].cmd->run(argc, argv);
    }
    const struct command *c = find(name);
    if (c && c != &tender_command) {
        say_name = c->name;
        return c->run(argc, argv);
    }
    const char *near = nearest(name);
    say_error("there is no word '%s'%s%s%s", name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
    return 1;
}

int tender_main(int argc, char **argv)
{
    say_name = "tender";
    return run_tender(argc, argv);
}

const struct command tender_command = {
    .name = "tender",
    .synopsis = "WORD [OPTIONS]",
    .summary = "run and look after a cluster",
    .about = "tender starts and ends clusters of this machine and shows what they do. tender help lists its words.",
    .options = options,
    .usage_exit = 1,
    .run = run_tender,
};

#define PLAIN(word, line, text, more)      \
    const struct command word##_command = { \
        .name = "tender " #word,            \
        .synopsis = line,                   \
        .summary = text,                    \
        .about = more,                      \
        .options = options,                 \
        .usage_exit = 1,                    \
        .run = run_##word,                  \
    }
PLAIN(manual, "COMMAND", "print the man page of a command", "COMMAND is a command, a word of tender, or a program that stays\n"
      "(tender-broker, tender-front, tender-worker, tender-shepherd), or tender.conf. The page is made from the rows that the program parses its options by.");
PLAIN(completion, "", "print the completion for bash", "In ~/.bashrc: . <(tender completion)");
PLAIN(version, "", "print the version", "The version of the commands; scontrol ping and tender status speak of the broker's.");
PLAIN(help, "", "list the words of tender", "The same as tender --help.");
#undef PLAIN

/* --- tender journal: a program of its own, so that no other command has to load SQLite ------------------------------ */

static const struct option journal_options[] = { /* for the pages; tender-journal parses them */
    {"dir", 0, "DIR", opt_str, 0, "folder of the cluster (the one SLURM_CONF names)", NULL, false},
    {"from", 0, "SEQ", opt_u32_zero, 0, "dump: first event to print", NULL, false},
    {"name", 0, "NAME", opt_str, 0, "name of the cluster", NULL, false},
    OPTIONS_HELP,
    {0},
};

static int run_journal(int argc TD_UNUSED, char **argv)
{
    char path[TD_MAX_PATH_BYTES + 64];
    struct td_error err = {0};

    if (process_beside("tender-journal", path, sizeof(path), &err) == 0)
        execv(path, argv);
    say_error("%s", err.text[0] ? err.text : strerror(errno));
    return 1;
}

const struct command journal_command = {
    .name = "tender journal",
    .synopsis = "dump|verify|replay [--dir DIR] [--from SEQ]",
    .summary = "print or prove the journal",
    .about = "dump prints one JSON object a line for each event; verify replays snapshots and events and compares digests, and where\n"
             "there is an input log (InputLog=yes in tender.conf) gives the inputs of the last reign to a fresh core, which must decide\n"
             "the same again, event for event: the first that differs is named. replay is the same, but an error where the inputs\n"
             "for it are not there. All read only, beside a running broker or without one.",
    .options = journal_options,
    .usage_exit = 1,
    .run = run_journal,
};
