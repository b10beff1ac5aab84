/* say.h - what a command says: results on standard output, everything else on standard error behind its name */
#ifndef TD_CLIENT_SAY_H
#define TD_CLIENT_SAY_H

#include "types/types.h"

extern const char *say_name; /* "sbatch"; set once by main */
extern bool say_quiet;       /* -Q: no warnings, no notes */
extern struct td_buf *say_captured; /* tests: lines go here instead of standard error */

void say_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));   /* sbatch: error: ... */
void say_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* sbatch: warning: ... */
void say_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));    /* sbatch: ... */
void say_stale(uint32_t stale_ms); /* a note, where the front that answered has not heard the broker for that long */
void say_plain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));   /* as it is, on standard error */
/* Writes a buffer to standard output whole and empties it; a reader that has gone ends the command quietly. */
void say_out(struct td_buf *out);
/* The words of an error as Slurm's users know them, with what Tender adds in brackets behind. */
const char *say_words(const struct td_error *err, struct td_buf *tmp);

/* "request failed: words", and before it, where no node could ever serve the request, a line that says what is beyond
 * them: the last line is Slurm's word for word, and programs look for it. */
void say_failure(const char *what, const struct td_error *err);

/* Escape sequences on a terminal, "" in a pipe or under NO_COLOR. */
enum say_colour { SAY_PLAIN, SAY_BOLD, SAY_DIM, SAY_RED, SAY_GREEN, SAY_YELLOW };
const char *say_colour(int fd, enum say_colour c);

#endif
