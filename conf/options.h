/* options.h - the rows of options.def as C, and the values that a file gives them */
#ifndef TD_CONF_OPTIONS_H
#define TD_CONF_OPTIONS_H

#include "conf/lex.h"

enum conf_group {
    GROUP_SLURM, GROUP_NODE, GROUP_DOWN, GROUP_NODESET, GROUP_FRONTEND, GROUP_PARTITION,
    GROUP_CGROUP, GROUP_TENDER, GROUP_GRES, GROUP_SWITCH, GROUP_DBD,
};
/* Written form -> number, and how scontrol prints it. Types without a number keep it 0. */
enum conf_type {
    TYPE_STR,     /* as written; (null) when unset */
    TYPE_EMPTY,   /* as written; nothing when unset */
    TYPE_SECRET,  /* never printed, never named in a message */
    TYPE_UPPER,   /* printed in capitals */
    TYPE_UPPERE,  /* the same, nothing when unset */
    TYPE_USER,    /* name(uid) */
    TYPE_LEVEL,   /* quiet fatal error info verbose debug .. debug5, or 0-9 */
    TYPE_NUM,     /* 12 */
    TYPE_COUNT,   /* 12, or UNLIMITED */
    TYPE_BIT,     /* 0 or 1; also written yes, no */
    TYPE_YESNO,   /* Yes No */
    TYPE_YESNOL,  /* yes no */
    TYPE_SEC,     /* 12 sec, INFINITE */
    TYPE_MIN,     /* 12 min */
    TYPE_OVER,    /* minutes or UNLIMITED -> seconds; printed 12 min */
    TYPE_USEC,    /* 12 usec */
    TYPE_RATE,    /* 12 nodes/min */
    TYPE_PERCENT, /* 12 percent */
    TYPE_SHARE,   /* 12.0% */
    TYPE_MB,      /* 12 MB */
    TYPE_DUR,     /* Slurm's times -> seconds; 7-00:00:00 */
    TYPE_MEM,     /* memory -> MiB; UNLIMITED when unset or 0 */
    TYPE_SIZEMB,  /* memory -> MiB, printed 12 MB */
    TYPE_AGE,     /* 12month (of 31 days), 30days, 48hours; a plain number is months -> hours */
    TYPE_SIZE,    /* 12, 12K, 12M .. P: times 1024 each */
};
enum conf_use { USE_HONOURED, USE_NOTED, USE_REFUSED };
enum conf_when { WHEN_RELOAD, WHEN_RESTART };
enum conf_show { SHOW_SHOW, SHOW_IFSET, SHOW_FAIR, SHOW_QUIET };

enum conf_key {
#define OPT(group, name, type, def, min, max, when, show, use, help) KEY_##group##_##name,
#define SHOWN(group, name, value) KEY_##group##_##name,
#define ALIAS(group, old, name, words)
#define GONE(group, old, words)
#define WORD(group, name, word, use)
#include "conf/options.def"
    KEY_COUNT
};
struct conf_row {
    enum conf_group group;
    const char *name;
    enum conf_type type;
    const char *def;
    uint64_t min, max;
    enum conf_when when;
    enum conf_show show;
    enum conf_use use;
    const char *same; /* value that happens anyway */
    const char *why;
    const char *help;
    bool settable;
};
struct conf_value {
    const char *text; /* as written, or the default; NULL = none */
    uint64_t num;     /* what it comes to */
    const char *file; /* NULL = default */
    uint32_t line;
};
/* Values of every row; the groups that are lines use their part of it while such a line is read. */
struct conf_values {
    struct conf_value v[KEY_COUNT];
};
const struct conf_row *conf_row(enum conf_key key);
void conf_values_defaults(struct conf_values *vals);
static inline bool conf_is_set(const struct conf_values *vals, enum conf_key key)
{
    return vals->v[key].file != NULL;
}

/* Where reading one configuration stands. */
struct note {
    const char *text;           /* NULL: keys that have no effect for one reason, told in one sentence */
    const char *file, *why;
    TD_VEC(const char *) keys;
    TD_VEC(uint32_t) lines;
};
struct reading {
    struct td_arena *arena;
    struct conf_values *values;
    TD_VEC(struct note) notes;
};
/* Formats a note and keeps it once. */
void reading_note(struct reading *rd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A key that has no effect here. Keys of one file with the same reason share a note. */
void reading_note_idle(struct reading *rd, const char *file, uint32_t line, const char *key, const char *why);
/* The notes as sentences, in the order in which they came up. */
struct td_strs reading_notes(const struct reading *rd);
void reading_release(struct reading *rd);
/* Takes one word into vals: looks it up in the group, checks it, notes what has no effect. */
int option_take(struct reading *rd, enum conf_group group, struct conf_values *vals, const char *file,
                const struct lex_word *w, struct td_error *err);
/* All words of a line. Words that stand alone are noted, unless they look like a key that lost its value. */
int option_take_line(struct reading *rd, enum conf_group group, struct conf_values *vals, const struct lex_line *line,
                     struct td_error *err);
/* Is this word of the (comma-separated, case-blind) list in the value? */
bool option_has_word(const struct conf_value *v, const char *word);
/* The value as scontrol prints it; false if this line is not printed. */
bool option_show(const struct conf_values *vals, enum conf_key key, struct td_buf *out);

#endif
