/* scontrol.c - words of an administrator: which handler takes them */
#include "scontrol.h"

#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "say.h"

static int take_help(struct option_parse *p TD_UNUSED, const struct option *o TD_UNUSED, const char *value TD_UNUSED,
                     struct td_error *err TD_UNUSED)
{
    exit(scontrol_help(NULL, NULL, 0)); /* its words belong to it */
}

#define AT(field) offsetof(struct scontrol, field)
static const struct option options[] = {
    {"all", 'a', NULL, opt_flag, AT(all), "hidden partitions too", NULL, false},
    {"clusters", 'M', "NAMES", opt_refuse, 0, "a command speaks to one cluster, the one SLURM_CONF names", NULL, false},
    {"details", 'd', NULL, opt_count, AT(details), "more of a job or node: what it holds, device by device", NULL, false},
    {"future", 'F', NULL, opt_refuse, 0, "there are no future nodes", NULL, false},
    {"hide", 0, NULL, opt_warn, 0, "hidden partitions are left out anyway unless -a asks for them", NULL, false},
    {"json", 0, NULL, opt_flag, AT(json), "as JSON", NULL, false},
    {"local", 0, NULL, opt_warn, 0, "every listing is of the local cluster", NULL, false},
    {"oneliner", 'o', NULL, opt_flag, AT(oneliner), "one line for each record", NULL, false},
    {"quiet", 'Q', NULL, opt_flag, AT(quiet), "no word but errors of use", NULL, false},
    {"sibling", 0, "NAME", opt_refuse, 0, "there are no federations", NULL, false},
    {"uid", 'u', "UID", opt_refuse, 0, "a request is made as oneself", NULL, false},
    {"verbose", 'v', NULL, opt_count, AT(verbose), "tell what is done", NULL, false},
    {"yaml", 0, NULL, opt_refuse, 0, "use --json, which YAML readers read too", NULL, false},
    {"help", 'h', NULL, take_help, 0, "show this help and exit", NULL, false},
    {"usage", 0, NULL, opt_usage, 0, "show a short usage and exit", NULL, false},
    {"version", 'V', NULL, opt_version, 0, "show the version and exit", NULL, false},
    {0},
};

static const struct word {
    const char *name;
    uint32_t least; /* words it needs behind it */
    int (*run)(struct scontrol *s, char **words, uint32_t n);
    uint32_t op;    /* enum td_op of scontrol_op */
    const char *help;
} words[] = {
    {"show", 1, scontrol_show, 0, "show job|step|node|partition|reservation|licenses [NAMES...], config, hostnames|hostlist [LIST]"},
    {"hold", 1, scontrol_op, TD_OP_HOLD, "hold jobs: IDS, or jobname=NAME"},
    {"uhold", 1, scontrol_op, TD_OP_UHOLD, "hold jobs so that their user may release them"},
    {"release", 1, scontrol_op, TD_OP_RELEASE, "release held jobs"},
    {"requeue", 1, scontrol_op, TD_OP_REQUEUE, "end jobs and queue them again"},
    {"requeuehold", 1, scontrol_op, TD_OP_REQUEUEHOLD, "the same, held"},
    {"update", 1, scontrol_update, 0, "update jobid=IDS NAME=VALUE..., nodename=NODES state=STATE [reason=TEXT], or reservationname=NAME NAME=VALUE..."},
    {"delete", 1, scontrol_delete, 0, "delete reservationname=NAME, or nodename=NODES: nodes that joined by themselves, and on which nothing runs"},
    {"create", 1, scontrol_create, 0, "create reservation StartTime=TIME Duration=TIME|EndTime=TIME Nodes=LIST|ALL|NodeCnt=N Users=LIST ..."},
    {"write", 1, scontrol_write, 0, "write batch_script JOB [FILE]: a job's script, - for standard output"},
    {"ping", 0, scontrol_ping, 0, "does the broker answer"},
    {"reconfigure", 0, scontrol_reconfigure, 0, "read the configuration again"},
    {"shutdown", 0, scontrol_shutdown, 0, "stop the broker; jobs go on"},
    {"version", 0, scontrol_version, 0, "the version"},
    {"help", 0, scontrol_help, 0, "these words"},
    {"suspend", 1, scontrol_refuse, 0, NULL},
    {"resume", 1, scontrol_refuse, 0, NULL},
    {"notify", 1, scontrol_refuse, 0, NULL},
    {"reboot", 0, scontrol_refuse, 0, NULL},
    {"setdebug", 1, scontrol_refuse, 0, NULL},
    {"setdebugflags", 1, scontrol_refuse, 0, NULL},
    {"schedloglevel", 1, scontrol_refuse, 0, NULL},
    {"takeover", 0, scontrol_refuse, 0, NULL},
    {"token", 0, scontrol_refuse, 0, NULL},
    {"top", 1, scontrol_refuse, 0, NULL},
    {"wait_job", 1, scontrol_refuse, 0, NULL},
    {"listpids", 0, scontrol_refuse, 0, NULL},
    {"getaddrs", 0, scontrol_refuse, 0, NULL},
    {"abort", 0, scontrol_refuse, 0, NULL},
    {"cancel_reboot", 1, scontrol_refuse, 0, NULL},
};

int scontrol_refuse(struct scontrol *s TD_UNUSED, char **w, uint32_t n TD_UNUSED)
{
    say_plain("scontrol %s is not supported yet", w[0]);
    return 1;
}

int scontrol_version(struct scontrol *s TD_UNUSED, char **w TD_UNUSED, uint32_t n TD_UNUSED)
{
    struct td_buf out = {0};

    td_buf_puts(&out, "tender " TD_VERSION "\n");
    say_out(&out);
    td_buf_release(&out);
    return 0;
}

int scontrol_help(struct scontrol *s TD_UNUSED, char **w TD_UNUSED, uint32_t n TD_UNUSED)
{
    struct td_buf out = {0};

    help_print(&scontrol_command, &out);
    td_buf_puts(&out, "\nWords:\n");
    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++) {
        if (!words[i].help)
            continue;
        td_buf_putf(&out, "  %s", words[i].name);
        td_buf_pad(&out, ' ', 14 - strlen(words[i].name));
        td_buf_putf(&out, "%s\n", words[i].help);
    }
    say_out(&out);
    td_buf_release(&out);
    return 0;
}

int scontrol_fail(const struct scontrol *s, const char *before, const struct td_error *err)
{
    struct td_buf tmp = {0};

    if (!s->quiet)
        say_plain("%s%s", before, say_words(err, &tmp));
    td_buf_release(&tmp);
    return 1;
}

/* A word may be shortened to any unique beginning. */
static const struct word *find(const char *name)
{
    const struct word *found = NULL;

    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++) {
        if (td_str_casecmp(words[i].name, name) == 0)
            return &words[i];
        if (strncasecmp(words[i].name, name, strlen(name)) == 0) {
            if (found)
                return NULL;
            found = &words[i];
        }
    }
    return found;
}

static const char *nearest(const char *name)
{
    const char *best = NULL;
    uint32_t best_d = 3;

    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++) {
        uint32_t d = td_edit_distance(words[i].name, name);
        if (words[i].help && d < best_d) {
            best_d = d;
            best = words[i].name;
        }
    }
    return best && best_d <= TD_MAX(1u, (uint32_t)strlen(name) / 3) ? best : NULL;
}

static int dispatch(struct scontrol *s, char **argv, uint32_t n)
{
    const struct word *w = find(argv[0]);

    if (!w) {
        const char *near = nearest(argv[0]);
        say_plain("invalid keyword: %s%s%s%s", argv[0], near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
        return 1;
    }
    if (n - 1 < w->least) {
        say_plain("too few arguments for keyword:%s", w->name);
        return 1;
    }
    s->op = w->op;
    return w->run(s, argv, n);
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct scontrol s = {.arena = &arena};
    struct option_parse p = {.cmd = &scontrol_command, .target = &s, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r < 0) {
        say_error("%s", err.text);
        say_plain("Try \"scontrol --help\" for more information");
        r = 1;
    } else if (!p.words.n) {
        say_error("a word is needed: show, hold, release, update, ...");
        say_plain("Try \"scontrol help\" for more information");
        r = 1;
    } else {
        r = dispatch(&s, (char **)(uintptr_t)p.words.v, p.words.n);
    }
    client_close(&s.client);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r;
}

const struct command scontrol_command = {
    .name = "scontrol",
    .synopsis = "[OPTIONS] WORD [ARGUMENTS...]",
    .summary = "look at and change jobs, nodes and the cluster",
    .about = "scontrol shows jobs, nodes, partitions, reservations, licences and the configuration in full, holds, releases,\n"
             "requeues and updates jobs, sets the state of nodes, and keeps nodes for some. scontrol help lists its words; they\n"
             "may be shortened.\n\n"
             "create reservation, update reservationname=NAME and delete reservationname=NAME are an operator's. Keys:\n"
             "ReservationName= (made up where it is left out), StartTime= (now, now+5minutes, 16:00, a date), EndTime= or Duration=\n"
             "(minutes, or as a time limit; a year where neither is said), Nodes= (a list, or ALL) or NodeCnt= (those free soonest),\n"
             "Users= and Accounts= (names; -name: all but these; a job must be good for both), PartitionName=, Features=, Comment=,\n"
             "Flags=. Nodes, Users, Accounts and Flags are added to and taken from with += and -=. Flags: MAINT and OVERLAP take\n"
             "nodes that another reservation has, IGNORE_JOBS those on which jobs may still run then; HOURLY, DAILY, WEEKDAY,\n"
             "WEEKEND, WEEKLY: again and again, by the same offset from UTC; FLEX: its jobs may begin before it, end after it\n"
             "and use other nodes too; PART_NODES: with Nodes=ALL those of PartitionName; NO_HOLD_JOBS_AFTER_END: who still waits\n"
             "for it at its end waits without it, else he is held. Other keys and flags of Slurm are refused by name.\n\n"
             "What the Reason of a waiting job comes from, tender explain JOB tells in sentences with numbers.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
