/* tender.c - tender(1): the words of the person who runs a cluster */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "commands.h"
#include "say.h"

static int run_manual(int argc, char **argv);
static int run_completion(int argc, char **argv);
static int run_version(int argc, char **argv);
static int run_help(int argc, char **argv);
static int run_tender(int argc, char **argv);

static const struct word {
    const char *name;
    const struct command *cmd;           /* or */
    int (*run)(int argc, char **argv);
    const char *help;
} words[] = {
    {"up", &up_command, NULL, "start a cluster on this machine"},
    {"down", &down_command, NULL, "end it; the journal stays"},
    {"status", &status_command, NULL, "what of it runs, and what its broker counts"},
    {"join-token", &token_command, NULL, "make a token with which workers join"},
    {"rounds", &rounds_command, NULL, "the last rounds of bidding"},
    {"journal", &journal_command, NULL, "dump or verify the journal"},
    {"doctor", &doctor_command, NULL, "look for what is wrong, and say what mends it"},
    {"protocol", &protocol_command, NULL, "print the protocol's page"},
    {"manual", NULL, run_manual, "print a command's man page: tender manual sbatch"},
    {"completion", NULL, run_completion, "print the completion for bash"},
    {"version", NULL, run_version, "print the version"},
    {"help", NULL, run_help, "this page"},
};

static const struct option options[] = {
    OPTIONS_HELP,
    {0},
};

static int run_version(int argc TD_UNUSED, char **argv TD_UNUSED)
{
    struct td_buf out = {0};

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

static int run_help(int argc TD_UNUSED, char **argv TD_UNUSED)
{
    struct td_buf out = {0};

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

static int run_manual(int argc, char **argv)
{
    struct td_buf out = {0};
    const struct command *c = argc > 1 ? find(argv[1]) : NULL;

    if (!c) {
        if (argc > 1)
            say_error("there is no command '%s'", argv[1]);
        else
            say_error("of which command? For example: tender manual sbatch");
        return 1;
    }
    const struct command *parts[TD_ARRAY_LEN(words)];
    uint32_t n = 0;
    for (size_t i = 0; c == &tender_command && i < TD_ARRAY_LEN(words); i++)
        if (words[i].cmd)
            parts[n++] = words[i].cmd;
    man_print(c, parts, n, &out);
    say_out(&out);
    td_buf_release(&out);
    return 0;
}

static int run_completion(int argc TD_UNUSED, char **argv TD_UNUSED)
{
    struct td_buf out = {0};
    uint32_t n = 0;

    while (commands[n])
        n++;
    completion_print(commands, n, &out);
    say_out(&out);
    td_buf_release(&out);
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
        return run_help(argc, argv);
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
        if (words[i].cmd)
            say_name = words[i].cmd->name;
        return words[i].cmd ? words[i].cmd->run(argc, argv) : words[i].run(argc, argv);
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
    .synopsis = "dump|verify [--dir DIR] [--from SEQ]",
    .summary = "print or prove the journal",
    .about = "dump prints one JSON object a line for each event; verify replays snapshots and events and compares digests.\n"
             "Both read only, beside a running broker or without one.",
    .options = journal_options,
    .usage_exit = 1,
    .run = run_journal,
};
