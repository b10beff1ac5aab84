/* corr.c - arrays whose tasks wait each for the same task of another array (aftercorr)
 *
 * The record of waiting tasks waits as one. When a task of the other array is over, its counterpart is split off the
 * record and waits, or starts, by itself. What to look at is remembered as hints: an apply gives them, the end of the wake
 * follows them. They are soft: a hint too many is looked at in vain, and after a restart whole records are. */
#include <string.h>

#include "broker/core/state.h"

/* Beyond so many, whole records are looked through. */
#define HINTS_MAX 4096u

void core_corr_hint(struct td_core *c, uint32_t record, uint32_t task)
{
    struct core_corr hint = {record, task};
    if (c->corr.n && memcmp(&c->corr.v[c->corr.n - 1], &hint, sizeof(hint)) == 0)
        return;
    if (c->corr.n >= HINTS_MAX) {
        for (uint32_t i = 0; i < c->corr.n; i++) {
            if (c->corr.v[i].record == record)
                c->corr.v[i].task = TD_NO_TASK;
            if (c->corr.v[i].record == record)
                return;
        }
    }
    td_vec_push(&c->corr, hint);
}

/* False: the wake is full. */
static bool look_through(struct td_core *c, struct core_array *a)
{
    for (int64_t t = td_bits_next(a->waiting, a->nbytes, 0); t >= 0 && a->record;
         t = td_bits_next(a->waiting, a->nbytes, (uint32_t)t + 1)) {
        if (core_errors_full(c))
            return false;
        if (core_deps_task_apart(c, a->record, (uint32_t)t))
            core_array_split(c, a, (uint32_t)t);
    }
    return true;
}

void core_corr_run(struct td_core *c)
{
    uint32_t done = 0;
    for (; done < c->corr.n && !core_errors_full(c); done++) { /* splitting gives no hints */
        struct core_corr hint = c->corr.v[done];
        struct core_array *a = core_array_find(c, hint.record);
        if (!a || !a->record || a->record->state != TD_JOB_PENDING)
            continue;
        if (hint.task == TD_NO_TASK) {
            if (!look_through(c, a))
                break;
        } else if (td_bits_get(a->waiting, a->nbytes, hint.task) && core_deps_task_apart(c, a->record, hint.task)) {
            core_array_split(c, a, hint.task);
        }
    }
    if (done)
        memmove(c->corr.v, c->corr.v + done, (c->corr.n - done) * sizeof(*c->corr.v));
    c->corr.n -= done;
}
