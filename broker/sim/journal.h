/* journal.h - a recorded journal as a workload: what really came in, when, how long it ran and how long it waited
 *
 * Out of the history of jobs that are over (the journal keeps them as long as Purge*After says). A job that never started is
 * dropped; one without a limit gets the longest there is. Times are seconds since the first submission; users are their
 * numbers, names of jobs are numbered as they come up. A job of a requeue is its last attempt. */
#ifndef TD_SIM_JOURNAL_H
#define TD_SIM_JOURNAL_H

#include "broker/core/core.h"
#include "trace.h"

/* Is it a journal, or a folder with one (its own, or in state/ as tender up has it)? Its folder then. */
bool trace_is_journal(const char *path, char *ret_dir, size_t cap);
/* The broker's state as the journal has it last: nodes, partitions, settings. The caller's. */
int journal_core(const char *dir, struct td_core **ret, struct td_error *err);
/* gpus_field of `ask` is not looked at: the journal knows. procs 0 is an error. */
int trace_read_journal(const char *dir, const struct trace_ask *ask, struct trace *ret, struct td_error *err);

#endif
