/* submit.h - sbatch's parts: the request being put together, the script, the environment
 *
 * Order of rights, as Slurm has it: the script's #SBATCH lines, over them SBATCH_ variables, over them the command line. */
#ifndef TD_CLIENT_SUBMIT_H
#define TD_CLIENT_SUBMIT_H

#include "option.h"

struct submit {
    struct td_arena *arena;
    struct td_job_spec spec;       /* needs are filled in at the end, from need */
    struct td_job_need need;
    bool by_program;               /* libtender: the script is given, variables of sbatch's are not read */
    bool parsable, test_only, quote, json, wait, quiet, get_user_env;
    bool in_job;                   /* the environment is a step's: what describes its job stays */
    uint32_t verbose;
    const char *wrap, *export, *export_file, *chdir, *propagate;
    const char *mem_by;            /* which of --mem, --mem-per-cpu, --mem-per-gpu was given in this pass */
    bool gpus_per_node;            /* gres holds what --gpus-per-node said */
};
extern const struct option sbatch_options[];

/* --- script.c: a batch script and its directives --- */
struct script {
    char *text;   /* owned */
    size_t len;
    const char *name; /* for messages */
};
/* Errors: NO_SCRIPT, NO_SHEBANG, TOO_BIG, INVALID_REQUEST (a NUL, DOS line ends), in Slurm's words, lines separated by \n. */
int script_read(const char *path, struct script *ret, struct td_error *err); /* NULL: standard input */
int script_check(const struct script *s, struct td_error *err);
void script_wrap(const char *command, struct script *ret);
void script_release(struct script *s);
/* Walks the #SBATCH lines: words of one line at a time, in the arena, until the first line that is a command. */
struct directives {
    const struct script *script;
    size_t at;
    uint32_t line;
};
/* 1: argv (argv[0] is the script's name) of the next directive; 0: no more; <0: words that name the line. */
int directives_next(struct directives *d, struct td_arena *a, char ***ret_argv, int *ret_argc, struct td_error *err);
/* Splits a directive into words: quotes, backslashes, a # that ends it. */
int directive_split(struct td_arena *a, const char *text, size_t len, char **words, int max, struct td_error *err);
bool script_has_pbs(const struct script *s);
/* sbatch.c: the request in the order of rights. A script that is not given already (text NULL) is read; ret_path: from which
 * file, NULL from none. Then everything sbatch knows by itself; then the message, which borrows from all three. */
int submit_gather(struct submit *s, int argc, char **argv, struct script *script, const char **ret_path, struct td_error *err);
int submit_settle(struct submit *s, const char *script_path, char *const *environment, struct td_buf *env, struct td_error *err);
struct td_submit submit_message(struct submit *s, const struct script *script, const struct td_buf *env);
/* Applies all of them to the request (sbatch.c). Errors name the script and the line. */
int submit_directives(struct submit *s, const struct script *script, struct td_error *err);

/* --- environ.c: what the job gets to see --- */
/* NUL-separated NAME=VALUE by --export. Errors: TOO_BIG, INVALID_REQUEST naming the word, IO for --export-file. */
int environ_make(const struct submit *s, char *const *env, const char *cwd, const char *host, struct td_buf *ret,
                 struct td_error *err);
void submit_rlimits(const struct submit *s, struct td_rlimit_list *ret); /* in the arena */

/* --- request.c: texts of options to numbers of a request --- */
int request_nodes(const char *text, uint32_t *ret_min, uint32_t *ret_max, struct td_error *err); /* 2, 1-3, 2k */
/* "gpu:2", "gpu:TitanXp:2,mps:50", "gres:gpu:1", "none" */
int request_gres(struct td_arena *a, const char *option, const char *text, struct td_gres_need_list *ret,
                 struct td_error *err);
/* "2", "TitanXp:2", "TitanXp:1,V100:1" of kind gpu */
int request_gpus(struct td_arena *a, const char *option, const char *text, struct td_gres_need_list *ret,
                 struct td_error *err);
/* A host list, or the file that holds one when the text has a slash. */
int request_hosts(struct td_arena *a, const char *text, const char **ret, struct td_error *err);
int request_dependency(const char *text, struct td_error *err);

#endif
