/* recall.c - what an earlier shepherd wrote down and the broker does not know yet
 *
 * The spool's statuses are said again, but the broker gives up every attempt that a worker does not list, before it
 * reads a report. So an attempt whose end is in the spool is in the ledger again, as ended, until that is acknowledged.
 * One that was alive when its shepherd died is not: it ended in the sweep, and another boot id says so. */
#include "wire/wire.h"
#include "worker/log.h"
#include "worker/shepherd/shepherd.h"

static struct attempt *recall_one(struct shepherd *sh, const struct td_report *r)
{
    struct attempt *a = ledger_find(&sh->ledger, r->job, r->attempt);
    if (!a) {
        const struct td_placement nothing = {0}; /* what it held is free */
        a = ledger_add(&sh->ledger, r->job, r->attempt);
        td_wire_put_record(&a->place, &td_rec_placement, &nothing);
        a->state = ATTEMPT_LEFTOVERS;
    }
    a->usage = r->usage;
    a->last_no = r->no;
    return a;
}

void recall(struct shepherd *sh)
{
    uint32_t n;
    struct status *s = spool_after(&sh->spool, 0, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct td_report *r = &s[i].report;
        if (r->kind != TD_REPORT_EXITED && r->kind != TD_REPORT_GONE)
            continue;
        struct attempt *a = recall_one(sh, r);
        if (r->kind == TD_REPORT_GONE && a->state != ATTEMPT_GONE)
            ledger_set_gone(&sh->ledger, a);
    }
    for (struct attempt *a = sh->ledger.first; a; a = a->next)
        if (a->state == ATTEMPT_LEFTOVERS) /* the sweep has ended what it left */
            report(sh, a, &(struct td_report){.kind = TD_REPORT_GONE, .usage = a->usage});
    if (sh->ledger.n)
        td_log("info", "%u attempts ended before this shepherd began; the broker does not know yet", sh->ledger.n);
}
