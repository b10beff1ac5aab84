/* status.c - what is said about attempts */
#include "worker/shepherd/shepherd.h"

void report(struct shepherd *sh, struct attempt *a, const struct td_report *r)
{
    struct td_report full = *r;
    full.job = a->job;
    full.attempt = a->attempt;
    full.step = TD_STEP_BATCH;
    full.cut_off = a->cut_off && (r->kind == TD_REPORT_EXITED || r->kind == TD_REPORT_GONE);
    a->last_no = spool_add(&sh->spool, &full, sh->now_ms);
    if (r->kind != TD_REPORT_GONE)
        return;
    last_words_forget(a);
    ledger_set_gone(&sh->ledger, a);
}

/* An attempt we do not hold: whoever asks may take it that nothing of it is here. */
void report_unknown_gone(struct shepherd *sh, uint32_t job, uint32_t attempt)
{
    struct td_report r = {.kind = TD_REPORT_GONE, .job = job, .attempt = attempt, .step = TD_STEP_BATCH};
    spool_add(&sh->spool, &r, sh->now_ms);
}
