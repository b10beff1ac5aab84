/* option.h - one table of options per command: parser, --help, --usage, man page and completion come from its rows
 *
 * A row says what an option is called, what it takes, where its value goes, and what it means. Options of Slurm that
 * we do not honour are rows too, so that prefixes resolve as users expect and the refusal can name the option:
 * opt_refuse stops the command, opt_warn says that the wish has no effect. Nothing is accepted and ignored. */
#ifndef TD_CLIENT_OPTION_H
#define TD_CLIENT_OPTION_H

#include "types/types.h"

struct option_parse;
struct option;
/* Takes one value (NULL for an option without one). Errors: USAGE, INVALID_*: words that name the option. */
typedef int option_take_fn(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);

struct option {
    const char *name;     /* long name, NULL if only a letter */
    char letter;          /* 0 = none */
    const char *arg;      /* "N" required, "[N]" optional, NULL none */
    option_take_fn *take;
    size_t offset;        /* of the field in the command's target */
    const char *help;     /* one line; for refuse and warn: why */
    const char *env;      /* environment variable of the same meaning, or NULL */
    bool alias;           /* another spelling: not in --help */
};

struct command;
struct option_parse {
    const struct command *cmd;
    void *target;                /* the command's options */
    struct td_arena *arena;      /* owns what values become */
    bool posix;                  /* options end at the first word that is none (sbatch) */
    bool by_program;             /* nobody reads a page: options that print one are refused */
    bool quiet;                  /* first of two passes: warnings are said in the second */
    const char *origin;          /* "line 3 of job.sh: " before messages, or NULL */
    TD_VEC(const char *) words;  /* what is left */
    TD_VEC(size_t) lists;        /* fields of lists met in this pass: the first use replaces what the environment said */
    uint32_t rest;               /* posix: index in argv of the first word left */
};

/* How a command looks from outside. */
struct command {
    const char *name;
    const char *synopsis;         /* "[OPTIONS] [JOB_ID...]" */
    const char *summary;          /* one line, for the man page's NAME */
    const char *about;            /* paragraphs for the man page */
    const struct option *options; /* ends with {0} */
    const char *slurm;            /* the name as Slurm's users know it in errors; = name */
    int usage_exit;               /* exit code of a wrong option */
    int (*run)(int argc, char **argv);
    uint32_t section;             /* of the manual; 0 = 1 */
    const char *files;            /* for the man page; NULL: how commands find the cluster */
};

/* "[N]": the argument may be left out. "[TYPE:]N" may not. */
bool option_arg_optional(const struct option *o);
/* Parses argv[1..]. Errors are for the user, without the command's name. */
int option_parse(struct option_parse *p, int argc, char **argv, struct td_error *err);
/* Takes the environment variables of the rows that have one. */
int option_parse_env(struct option_parse *p, struct td_error *err);
int option_parse_env_from(struct option_parse *p, const struct option *first, struct td_error *err); /* of this row and those behind it */
void option_parse_release(struct option_parse *p);

/* Ready-made takers */
int opt_flag(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);    /* bool = true */
int opt_count(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);   /* uint32_t ++ */
int opt_str(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);     /* const char * */
int opt_list(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);    /* struct td_strs, from commas, added to */
int opt_u32(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);     /* uint32_t > 0 */
int opt_u32_zero(struct option_parse *p, const struct option *o, const char *value, struct td_error *err); /* uint32_t >= 0 */
int opt_help(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);    /* prints, exits 0 */
int opt_usage(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);
int opt_version(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);
int opt_refuse(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);
int opt_warn(struct option_parse *p, const struct option *o, const char *value, struct td_error *err);

#define OPTIONS_HELP                                                                \
    {"help", 0, NULL, opt_help, 0, "show this help and exit", NULL, false},         \
    {"usage", 0, NULL, opt_usage, 0, "show a short usage and exit", NULL, false},   \
    {"version", 'V', NULL, opt_version, 0, "show the version and exit", NULL, false}

/* Splits at commas into a list in the arena; empty items are dropped. */
struct td_strs str_list(struct td_arena *a, const char *text);

/* Pages made from the rows (help.c). */
void help_print(const struct command *cmd, struct td_buf *out);
void usage_print(const struct command *cmd, struct td_buf *out);
/* roff, section 1; parts: words of the command that have options of their own */
void man_print(const struct command *cmd, const struct command *const *parts, uint32_t nparts, struct td_buf *out);
void completion_print(const struct command *const *cmds, uint32_t n, struct td_buf *out); /* bash */

#endif
