/* likely.c - when a waiting job will start, as it is thought, with an interval that holds four times of five
 *
 * The plan reckons two ways (plan_likely.c). What counts is their geometric mean, since it is orders of magnitude that
 * matter to who waits. How far that is off is learned from every start: for each band of reckoned waits (twice as long
 * is another band; the hole alone has bands of its own) three quantiles of log2(wait / reckoned) are tracked by
 * stochastic steps: up by a share where the value was above, down by the rest where it was below. So whatever the
 * reckoning is worth, four of five of a band's starts fall between the low and the high one, in the long run and also
 * while what runs changes (Gibbs & Candès 2021 show it of intervals made like this). A minute is added to all waits, so
 * that short ones are alike.
 *
 * A job is told when it is first planned for and waits; what it is told then is what its start teaches about, and what
 * tender sim measures. It is told anew where a later plan has it at hand, because another is told: if it has moved by a
 * tenth and by a minute, which is looked at every ten minutes; and once its interval is over. The promise bounds the interval.
 *
 * Durable: what was told, and the quantiles; both follow from JOBS_LIKELY and JOB_AWARDED alone. */
#include "broker/core/state.h"

#define PLUS_S 60
#define WAIT_MAX_S INT64_C(1000000000)
#define HOLE_ALONE 32u /* added to the band where the list does not reach */
#define QUIET_MS (INT64_C(600) * 1000)
#define ONE 65536 /* of log2 in fixed point */
#define STEP_MIN (ONE / 5)

/* In parts of 100, with what they are before anything is learned. They hold 83, so that 80 is what comes out: what the long
 * waits of a burst teach is known only when it is over. */
static const struct {
    int64_t share, first;
} quantiles[CORE_LIKELY_QUANTILES] = {{3, -5 * ONE / 2}, {50, -ONE / 2}, {86, 3 * ONE / 2}};

/* Band 0 learns from all starts; a band that has none yet begins as that one is. */
static struct core_likely_band band_of(const struct td_core *c, uint32_t band)
{
    const struct core_likely_band *all = &c->likely_bands[0];
    struct core_likely_band b = c->likely_bands[band];

    for (uint32_t i = 0; i < CORE_LIKELY_QUANTILES && !b.n; i++)
        b.q[i] = all->n ? all->q[i] : quantiles[i].first;
    return b;
}

static void learn(struct td_core *c, uint32_t band, int64_t x)
{
    struct core_likely_band *b = &c->likely_bands[band];
    *b = band_of(c, band);
    int64_t step = TD_MAX(ONE / ((int64_t)b->n + 1), (int64_t)STEP_MIN);

    for (uint32_t i = 0; i < CORE_LIKELY_QUANTILES; i++)
        b->q[i] += (x > b->q[i] ? quantiles[i].share : quantiles[i].share - 100) * step / 100;
    b->n = TD_MIN(b->n + 1, UINT32_MAX - 1);
}

static uint32_t seconds(int64_t ms)
{
    return (uint32_t)TD_MIN(TD_MAX(ms / 1000, INT64_C(0)), WAIT_MAX_S);
}

/* The band of a reckoned wait, which comes with its minute. */
static uint32_t band_no(uint32_t base_s, bool alone)
{
    return (uint32_t)(td_log2_fixed(base_s) >> 16) + (alone ? HOLE_ALONE : 0);
}

static void reckon(const struct td_core *c, const struct td_plan_likely *p, struct td_likely *ret)
{
    int64_t one_ms = TD_MIN(p->hole_ms, p->list_ms), other_ms = TD_MAX(p->hole_ms, p->list_ms);
    bool alone = other_ms == TD_FOREVER;
    uint64_t one = (uint64_t)seconds(one_ms - c->now_ms) + PLUS_S;
    uint64_t other = alone ? one : (uint64_t)seconds(other_ms - c->now_ms) + PLUS_S;

    ret->base_s = (uint32_t)td_isqrt(one * other);
    ret->band = band_no(ret->base_s, alone);
}

static int64_t moment(const struct td_core *c, int64_t log2_s)
{
    uint64_t s = td_exp2_fixed(log2_s);

    return c->now_ms + (int64_t)TD_MIN(TD_MAX(s, (uint64_t)PLUS_S) - PLUS_S, (uint64_t)WAIT_MAX_S) * 1000;
}

static void interval(const struct td_core *c, int64_t by_ms, struct td_likely *l)
{
    const struct core_likely_band b = band_of(c, l->band);
    int64_t base = td_log2_fixed(l->base_s);

    l->from_ms = moment(c, base + b.q[0]);
    l->at_ms = TD_MAX(moment(c, base + b.q[1]), l->from_ms);
    l->to_ms = TD_MAX(moment(c, base + b.q[2]), l->at_ms);
    if (!by_ms)
        return;
    l->to_ms = TD_MAX(TD_MIN(l->to_ms, by_ms), c->now_ms);
    l->at_ms = TD_MIN(l->at_ms, l->to_ms);
    l->from_ms = TD_MIN(l->from_ms, l->at_ms);
}

void core_likely_make(const struct td_core *c, const struct core_job *j, const struct td_plan_likely *p, struct td_likely *ret)
{
    reckon(c, p, ret);
    interval(c, j ? j->by_ms : 0, ret);
}

/* Worth an event? */
static bool has_moved(const struct td_core *c, const struct core_likely *was, const struct td_likely *is)
{
    int64_t by = was->at_ms > is->at_ms ? was->at_ms - is->at_ms : is->at_ms - was->at_ms;
    int64_t wait = TD_MAX(is->at_ms, was->at_ms) - c->now_ms;

    return was->to_ms <= c->now_ms || (by > PLUS_S * 1000 && by > wait / 10);
}

void core_likely_note(struct td_core *c, const struct td_plan *plan)
{
    uint32_t n = 0, most = TD_MIN(plan->likely.n, (uint32_t)TD_MAX_EVENTS_PER_WAKE);
    struct td_likely *v = most ? td_arena_alloc(&c->wake, most * sizeof(*v)) : NULL;

    for (uint32_t i = 0; i < plan->likely.n && n < most; i++) {
        const struct td_plan_likely *p = &plan->likely.v[i];
        const struct core_job *j = core_job_find(c, p->job);
        struct td_likely l = {.job = p->job};
        if (!j || !j->queued || (j->likely && c->now_ms - j->likely->looked_ms < QUIET_MS))
            continue;
        if (j->likely)
            j->likely->looked_ms = c->now_ms;
        core_likely_make(c, j, p, &l);
        if (j->likely && !has_moved(c, j->likely, &l))
            continue;
        if (j->likely)
            l.band = l.base_s = 0;
        v[n++] = l;
    }
    if (!n)
        return;
    struct td_ev_jobs_likely ev = {.likely = {v, n}};
    core_emit(c, TD_EV_JOBS_LIKELY, &ev);
}

/* Those whose interval is over and who wait all the same want another. */
void core_likely_run(struct td_core *c)
{
    uint32_t *jobs, n;

    if (c->now_ms < c->likely_next_ms)
        return;
    c->likely_next_ms = INT64_MAX;
    n = td_plan_booked(c->ledger, &jobs);
    for (uint32_t i = 0; i < n; i++) {
        const struct core_job *j = core_job_find(c, jobs[i]);
        if (!j || !j->queued || !j->likely)
            continue;
        int64_t at = TD_MAX(j->likely->to_ms, j->likely->said_ms + QUIET_MS);
        if (at <= c->now_ms)
            td_queue_set_told(c->queue, j->id, false);
        else
            core_sooner(&c->likely_next_ms, at);
    }
}

void core_likely_apply(struct td_core *c, const struct td_ev_jobs_likely *ev)
{
    for (uint32_t i = 0; i < ev->likely.n; i++) {
        const struct td_likely *l = &ev->likely.v[i];
        struct core_job *j = core_job_find(c, l->job);
        TD_ASSERT(j && l->band < CORE_LIKELY_BANDS);
        if (!j->likely)
            j->likely = td_alloc(sizeof(*j->likely));
        if (l->band)
            *j->likely = (struct core_likely){.band = l->band, .base_s = l->base_s, .told_ms = c->time_ms};
        j->likely->said_ms = j->likely->looked_ms = c->time_ms;
        j->likely->at_ms = l->at_ms;
        j->likely->from_ms = l->from_ms;
        j->likely->to_ms = l->to_ms;
        td_queue_set_told(c->queue, j->id, true);
        core_sooner(&c->likely_next_ms, TD_MAX(l->to_ms, c->time_ms + QUIET_MS));
    }
}

void core_likely_learn(struct td_core *c, const struct core_job *j)
{
    const struct core_likely *l = j->likely;

    if (!l || !l->band)
        return;
    int64_t wait_s = seconds(c->time_ms - l->told_ms);
    int64_t x = td_log2_fixed((uint64_t)wait_s + PLUS_S) - td_log2_fixed(l->base_s);
    learn(c, l->band, x);
    learn(c, 0, x);
}

void core_likely_drop(struct core_job *j)
{
    td_free(j->likely);
    j->likely = NULL;
}

void core_likely_split(struct core_job *task, struct core_job *record)
{
    task->likely = record->likely;
    record->likely = NULL;
}

void core_likely_step(struct core_job *j, int64_t delta_ms)
{
    struct core_likely *l = j->likely;
    int64_t *const at[] = {l ? &l->told_ms : NULL, l ? &l->said_ms : NULL, l ? &l->at_ms : NULL, l ? &l->from_ms : NULL,
                           l ? &l->to_ms : NULL, l ? &l->looked_ms : NULL};

    for (uint32_t i = 0; l && i < TD_ARRAY_LEN(at); i++)
        *at[i] += delta_ms;
}

void core_part_foretell(struct td_core *c, const struct core_part *p, int64_t from_ms)
{
    const struct core_job *j = p->job;

    td_ledger_foretell(c->ledger, p->node->no, j->id, j->attempt, from_ms + j->stepped_ms, j->run_s);
}

/* --- snapshot ----------------------------------------------------------------------------------------------------- */

void core_likely_fill(const struct core_job *j, struct td_snap_job *r)
{
    const struct core_likely *l = j->likely;

    r->run_s = j->run_s;
    if (!l)
        return;
    r->likely = (struct td_likely){.job = j->id, .at_ms = l->at_ms, .from_ms = l->from_ms, .to_ms = l->to_ms, .band = l->band,
                                   .base_s = l->base_s};
    r->likely_told_ms = l->told_ms;
    r->likely_said_ms = l->said_ms;
}

int core_likely_restore_job(struct td_core *c, struct core_job *j, const struct td_snap_job *r, struct td_error *err)
{
    j->run_s = r->run_s;
    if (!r->likely.job)
        return 0;
    if (r->likely.band >= CORE_LIKELY_BANDS || (r->likely.band && !r->likely.base_s))
        return td_fail(err, TD_E_JOURNAL, "snapshot: the likely start of job %u makes no sense", r->job);
    j->likely = td_alloc(sizeof(*j->likely));
    *j->likely = (struct core_likely){.band = r->likely.band, .base_s = r->likely.base_s, .told_ms = r->likely_told_ms,
                                      .said_ms = r->likely_said_ms, .looked_ms = r->likely_said_ms, .at_ms = r->likely.at_ms, .from_ms = r->likely.from_ms,
                                      .to_ms = r->likely.to_ms};
    core_sooner(&c->likely_next_ms, TD_MAX(r->likely.to_ms, r->likely_said_ms + QUIET_MS));
    return 0;
}

void core_likely_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx)
{
    for (uint32_t i = 0; i < CORE_LIKELY_BANDS; i++) {
        const struct core_likely_band *b = &c->likely_bands[i];
        struct td_snap_likely r = {.band = i, .n = b->n, .low = b->q[0], .middle = b->q[1], .high = b->q[2]};
        if (b->n)
            emit(ctx, TD_SNAP_LIKELY, &td_rec_snap_likely, &r);
    }
}

int core_likely_restore(struct td_core *c, const struct td_snap_likely *r, struct td_error *err)
{
    if (r->band >= CORE_LIKELY_BANDS || !r->n || c->likely_bands[r->band].n)
        return td_fail(err, TD_E_JOURNAL, "snapshot: what was learned of waits makes no sense");
    c->likely_bands[r->band] = (struct core_likely_band){.n = r->n, .q = {r->low, r->middle, r->high}};
    return 0;
}
