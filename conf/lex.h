/* lex.h - configuration files as lines of words; the form all of Slurm's files share */
#ifndef TD_CONF_LEX_H
#define TD_CONF_LEX_H

#include "types/types.h"

#define CONF_FILE_BYTES_MAX (16u * 1024 * 1024)
#define CONF_INCLUDE_DEPTH_MAX 16u
#define CONF_FILES_MAX 1024u
#define CONF_WORDS_MAX 4000000u

struct lex_word {
    const char *key;
    const char *value;  /* NULL: the word stands alone, without '=' */
    uint32_t line;      /* the line of the file it is written on, continuations counted */
};
struct lex_line {
    const char *file;   /* as messages name it */
    uint32_t line;
    uint32_t nwords;
    const struct lex_word *words;
};
struct lex {
    struct td_arena *arena; /* borrowed; owns what the lines point to */
    const char *dir;        /* Include looks here */
    const char *cluster;    /* ClusterName as far as seen, for %c in Include */
    uint32_t depth, nfiles, nwords;
    TD_VEC(struct lex_line) lines;
};
/* Appends the lines of a file, and of those it includes. 1 = read, 0 = there is no such file (only if `may_lack`). */
int lex_file(struct lex *l, const char *path, const char *label, bool may_lack, struct td_error *err);
/* The same from memory; for tests that break it. */
int lex_text(struct lex *l, const char *text, size_t len, const char *label, struct td_error *err);
void lex_release(struct lex *l);

#endif
