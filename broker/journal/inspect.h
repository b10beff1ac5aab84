/* inspect.h - the journal for people: printed, and proved
 *
 * Reads only, beside a running broker or without one. `dir` is the state directory. */
#ifndef TD_JOURNAL_INSPECT_H
#define TD_JOURNAL_INSPECT_H

#include <stdio.h>

#include "types/types.h"

/* Holds up nobody, however slowly `out` takes it: the journal is read some thousand events at a time and left alone while
 * they are written. If events yet to come are compacted meanwhile, that is an error at the end of what was written.
 * One JSON object a line: {"seq":1,"time":"2026-11-22T22:07:33.123Z","type":"JOB_SUBMITTED",...fields}. Fields above
 * `see` are left out. */
int td_journal_dump(const char *dir, uint64_t from_seq, enum td_see see, FILE *out, struct td_error *err);

/* The store's own checks; then, in a fresh core, the oldest snapshot and the events behind it: the digest of every
 * snapshot on the way must come out, and the core's invariants hold at the end; then, where an input log reaches back to
 * the beginning of the last reign, its inputs are given again and must make the same events. The report says line by line
 * what was found good. Errors: JOURNAL with the first thing that is wrong. */
int td_journal_verify(const char *dir, struct td_buf *report, struct td_error *err);
/* The same, for whoever wants the decisions made again: it is an error that the inputs for it are not there. */
int td_journal_replay(const char *dir, struct td_buf *report, struct td_error *err);

#endif
