/* column.h - tables of fields and the formats that pick columns from them
 *
 * One row of a field table serves -o (its letter), -O (its name), --json (its key) and --sort. A format is a list of
 * columns: field, width, justification and the literal text behind. Widths are counted in terminal columns, so that a
 * name in Hangul takes two a letter and no letter is cut in half; for ASCII this is byte for byte what Slurm prints. */
#ifndef TD_CLIENT_COLUMN_H
#define TD_CLIENT_COLUMN_H

#include "types/types.h"

enum field_json { JSON_NONE, JSON_STRING, JSON_NUMBER, JSON_BOOL };

/* What a field is besides its text. Of sinfo: TRAIT_NONE is summed or folded over the nodes of a row, TRAIT_SPLITS makes
 * another row where it differs, TRAIT_SPLITS_EXACT only under -e. TRAIT_WHOLE: never cut when right-justified, as Slurm has
 * it for durations. TRAIT_SPLITS_STAR: splits, and the star at its end is kept when the rest is cut.
 * TRAIT_LONG: of any length; comes from the broker only when asked for. */
enum field_trait { TRAIT_NONE, TRAIT_SPLITS, TRAIT_SPLITS_STAR, TRAIT_SPLITS_EXACT, TRAIT_WHOLE, TRAIT_LONG };

struct field {
    char letter;        /* -o, 0 = none */
    const char *name;   /* -O, NULL = none; compared without case */
    const char *title;  /* heading */
    const char *key;    /* --json, NULL = not there */
    enum field_json json;
    void (*print)(struct td_buf *out, const void *row);
    int (*compare)(const void *a, const void *b); /* NULL: by the printed text */
    enum field_trait trait;
    const uint32_t *paths; /* what of the record it prints and sorts by (TD_PATH), ended by 0; NULL: it may look at all */
};
struct field_table {
    const char *what;           /* "job", "node": for the error on an unknown letter */
    const struct field *fields; /* ends with a NULL print */
};

#define NO_WIDTH UINT32_MAX
struct column {
    const struct field *field; /* NULL: only the text */
    uint32_t width;            /* NO_WIDTH = as wide as the value */
    bool right, grows;         /* grows: '#', at least 9 and as wide as the widest value */
    const char *text;          /* literal behind it; owned by the arena */
};
struct format {
    struct td_arena *arena;
    TD_VEC(struct column) columns;
    TD_VEC(const char *) unknown; /* letters or names that are no field: to be named */
};
/* "%.18i %.9P": always parses; unknown letters stay as literal text and are listed in unknown. */
void format_parse(struct format *f, const struct field_table *t, const char *text);
/* "jobid:10,name:.8,state:SEP": columns of 20 unless told. */
void format_parse_names(struct format *f, const struct field_table *t, const char *text);
void format_release(struct format *f);
/* Settles the columns that grow. */
void format_fit(struct format *f, const void *const *rows, uint32_t n);
void format_heading(const struct format *f, struct td_buf *out);
void format_row(const struct format *f, const void *row, struct td_buf *out);

const struct field *field_by_letter(const struct field_table *t, char letter);
const struct field *field_by_name(const struct field_table *t, const char *name);
/* Rows as a JSON array of objects, from the keys of the table. */
void fields_json(const struct field_table *t, const void *const *rows, uint32_t n, struct td_buf *out);

/* Order: "P,t,-p", letters with + or -; ties keep the order given. Error: USAGE naming what is no field. */
struct sort_key {
    const struct field *field;
    bool down;
};
struct sort {
    struct sort_key keys[17]; /* the last one for sort_then() */
    uint32_t n;
};
int sort_parse(struct sort *s, const struct field_table *t, const char *text, struct td_error *err);
void sort_then(struct sort *s, const struct field_table *t, char letter); /* upwards, what is alike by all else */
void sort_rows(const struct sort *s, const void **rows, uint32_t n);

/* What of the record such columns and such an order look at. False: all of it, or of more fields than one query may name. */
bool fields_paths(const struct format *f, const struct sort *by, struct td_arena *a, struct td_u32s *ret);

/* Width of a string on a terminal. */
uint32_t text_width(const char *s);

#endif
