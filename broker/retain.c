/* retain.c - what the journal forgets in time: rows of the history, PurgeJobAfter after their jobs ended
 *
 * The history is no state of the core and nothing is decided by it, so that this is no event and replays know nothing of it.
 * A batch is a transaction of its own, between wakes, and small: nobody waits longer for his commit than one takes. */
#include "broker/shell.h"

#define BATCH_ROWS 500u             /* a tick: more than any cluster ends in the long run */
#define PAUSE_US (600 * 1000000LL)  /* when nothing was left to purge */
#define HOUR_MS 3600000LL

void shell_purge_if_due(struct shell *s)
{
    if (s->down || !s->conf->purge_jobs_h || shell_boot_us() < s->purge_at_us)
        return;
    struct td_error why = {0};
    uint32_t n = 0;
    int64_t before_ms = shell_now_ms(s) - (int64_t)s->conf->purge_jobs_h * HOUR_MS;
    if (s->ops->purge(s->store, before_ms, BATCH_ROWS, &n, &why) < 0)
        shell_log(&s->log, "warn history not purged: %s", why.text); /* what is lost meanwhile is room */
    if (n)
        shell_log(&s->log, "info history purged jobs=%u", n);
    if (n < BATCH_ROWS)
        s->purge_at_us = shell_boot_us() + PAUSE_US;
}
