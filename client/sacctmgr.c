/* sacctmgr.c - accounts, users, associations and QOS: which words do what */
#include <string.h>
#include <strings.h>

#include "account/sacctmgr.h"
#include "commands.h"
#include "say.h"

#define AT(field) offsetof(struct sacctmgr, field)
static const struct option options[] = {
    {"immediate", 'i', NULL, opt_flag, AT(immediate), "change without asking first", NULL, false},
    {"noheader", 'n', NULL, opt_flag, AT(no_header), "no heading", NULL, false},
    {"oneliner", 'o', NULL, opt_warn, 0, "every record is one line", NULL, false},
    {"parsable", 'p', NULL, opt_flag, AT(parsable), "fields end in |", NULL, false},
    {"parsable2", 'P', NULL, opt_flag, AT(parsable2), "fields are separated by |", NULL, false},
    {"quiet", 'Q', NULL, opt_flag, AT(quiet), "say nothing but errors", NULL, false},
    {"readonly", 'r', NULL, opt_flag, AT(readonly), "change nothing", NULL, false},
    {"associations", 's', NULL, opt_flag, AT(associations), "list: a line for each association", NULL, false},
    {"verbose", 'v', NULL, opt_count, AT(verbose), "tell what is done", NULL, false},
    {"help", 'h', NULL, opt_help, 0, "show this help and exit", NULL, false},
    {"usage", 0, NULL, opt_usage, 0, "show a short usage and exit", NULL, false},
    {"version", 'V', NULL, opt_version, 0, "show the version and exit", NULL, false},
    {0},
};

static int not_here(struct sacctmgr *s TD_UNUSED, char **words, uint32_t n TD_UNUSED)
{
    say_plain("sacctmgr %s is not supported: one cluster's journal is its accounting, and nothing else has to be told",
              words[0]);
    return 1;
}

static int alone(struct sacctmgr *s, char **words, uint32_t n)
{
    char *list[66] = {(char *)(uintptr_t) "list", (char *)(uintptr_t) "association"};
    uint32_t k = 2;

    for (uint32_t i = 1; i < n && k < TD_ARRAY_LEN(list); i++)
        list[k++] = words[i];
    return sacctmgr_list(s, list, k);
}

static const struct {
    const char *name;
    size_t least;
    int (*run)(struct sacctmgr *s, char **words, uint32_t n);
} words[] = {
    {"add", 1, sacctmgr_change},    {"create", 2, sacctmgr_change}, {"modify", 1, sacctmgr_change},
    {"delete", 3, sacctmgr_change}, {"remove", 1, sacctmgr_change}, {"list", 2, sacctmgr_list},
    {"show", 2, sacctmgr_list},     {"dump", 2, sacctmgr_dump},     {"load", 2, sacctmgr_load},
    {"associations", 2, alone},     {"archive", 2, not_here},       {"clear", 2, not_here},
    {"reconfigure", 3, not_here},   {"shutdown", 3, not_here},
};

void acct_word_split(struct td_arena *a, const char *text, struct acct_word *ret)
{
    const char *is = strchr(text, '=');
    size_t n = is ? (size_t)(is - text) : 0, len;

    *ret = (struct acct_word){.value = is ? is + 1 : text};
    if (is && n) {
        ret->sign = is[-1] == '+' || is[-1] == '-' ? is[-1] : 0;
        n -= ret->sign != 0;
        char *name = td_arena_alloc(a, n + 1);
        memcpy(name, text, n);
        ret->name = name;
    }
    len = strlen(ret->value);
    if (len > 1 && (*ret->value == '"' || *ret->value == '\'') &&
        ret->value[len - 1] == *ret->value) { /* quotes within quotes */
        char *bare = td_arena_strdup(a, ret->value + 1);
        bare[len - 2] = 0;
        ret->value = bare;
    }
}

bool acct_word_is(const char *text, const char *word, size_t least)
{
    size_t n = strlen(text);

    return n >= least && n <= strlen(word) && strncasecmp(text, word, n) == 0;
}

int acct_kind_parse(const char *word, uint32_t *ret)
{
    static const struct {
        const char *name;
        size_t least;
        uint32_t kind;
    } kinds[] = {{"accounts", 2, TD_ACCT_ACCOUNT},
                 {"associations", 2, TD_ACCT_ASSOC},
                 {"users", 1, TD_ACCT_USER},
                 {"qos", 1, TD_ACCT_QOS},
                 {"clusters", 2, 0},
                 {"coordinators", 2, TD_ACCT_COORDINATOR},
                 {"tres", 1, TD_ACCT_TRES}};

    for (size_t i = 0; i < TD_ARRAY_LEN(kinds); i++)
        if (acct_word_is(word, kinds[i].name, kinds[i].least)) {
            *ret = kinds[i].kind;
            return 0;
        }
    return -1;
}

int acct_fail(const struct sacctmgr *s TD_UNUSED, const struct td_error *err)
{
    struct td_buf tmp = {0};

    say_error("%s", say_words(err, &tmp));
    td_buf_release(&tmp);
    return 1;
}

static int dispatch(struct sacctmgr *s, char **argv, uint32_t n)
{
    for (size_t i = 0; i < TD_ARRAY_LEN(words); i++)
        if (acct_word_is(argv[0], words[i].name, words[i].least)) {
            argv[0] = (char *)(uintptr_t)words[i].name;
            return words[i].run(s, argv, n);
        }
    say_plain("invalid keyword: %s (add, modify, delete, list, dump, load)", argv[0]);
    return 1;
}

static int run(int argc, char **argv)
{
    struct td_arena arena = {0};
    struct sacctmgr s = {.arena = &arena};
    struct option_parse p = {.cmd = &sacctmgr_command, .target = &s, .arena = &arena};
    struct td_error err = {0};
    int r = option_parse(&p, argc, argv, &err);

    if (r < 0) {
        say_error("%s", err.text);
        r = 1;
    } else if (!p.words.n) {
        say_error("a word is needed: add, modify, delete, list, dump, load");
        r = 1;
    } else {
        r = dispatch(&s, (char **)(uintptr_t)p.words.v, p.words.n);
    }
    client_close(&s.client);
    option_parse_release(&p);
    td_arena_release(&arena);
    return r;
}

const struct command sacctmgr_command = {
    .name = "sacctmgr",
    .synopsis = "[OPTIONS] add|modify|delete|list|dump|load [WHAT] [NAME=VALUE...]",
    .summary = "accounts, users, associations and QOS",
    .about = "sacctmgr add account|user|qos|coordinator NAMES [NAME=VALUE...] makes what is not there yet; the first "
             "account turns\n"
             "accounting on. sacctmgr modify WHAT NAMES set NAME=VALUE... [where NAME=VALUE...] changes it, sacctmgr delete "
             "WHAT\n"
             "NAMES [where ...] removes it. All of a request is done, or nothing. -1 takes a limit away.\n"
             "\n"
             "sacctmgr list account|association|cluster|coordinator|qos|tres|user [NAMES] [NAME=VALUE...] "
             "[format=FIELD[%WIDTH],...]\n"
             "shows what there is. Nouns are written in any case, and they and fields may be shortened.\n"
             "\n"
             "sacctmgr dump [CLUSTER] [file=FILE] writes all of it as text, sacctmgr load FILE makes and sets what such a "
             "file says:\n"
             "all of it, or nothing where a line is wrong or the file was cut.",
    .options = options,
    .usage_exit = 1,
    .run = run,
};
