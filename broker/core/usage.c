/* usage.c - what associations used: charged as jobs run and when they end, decayed by one tick a period
 *
 * A running job is charged up to the last tick, so what is still to be charged follows from its start and that tick: no job
 * carries a counter. A tick is an event; what it does follows from it and from the state, in integers.
 * Knows nothing of: who may use what. */
#include <string.h>

#include "broker/core/state.h"
#include "broker/fair/fair.h"

#define PERIOD_S 300u /* when PriorityCalcPeriod is not set */

bool core_is_multifactor(const struct td_core *c)
{
    return c->settings.priority.multifactor;
}

static bool ticks(const struct td_core *c)
{
    return c->conf && !c->low_space && (core_acct_on(&c->acct) || core_is_multifactor(c));
}

/* --- what a job uses ------------------------------------------------------------------------------------------------------ */

/* A kind that is met first is accounted for from here on: a journal that is read again meets it at the same event. */
static void kind_met(struct core_acct *a, const char *name)
{
    core_tres_apply_set(a, &(struct td_tres){.id = core_tres_next_id(a), .name = name});
}

static void meet_devices(struct core_acct *a, const struct core_job *j)
{
    for (uint32_t k = 0; k < j->alloc->nparts; k++) {
        const struct td_placement *p = j->alloc->parts[k].place;
        for (uint32_t i = 0; i < p->gres.n; i++) {
            struct td_buf name = {0};
            td_buf_putf(&name, "gres/%s", p->gres.v[i].name);
            kind_met(a, td_buf_str(&name));
            td_buf_release(&name);
        }
    }
}

static void add_devices(const struct core_acct *a, const struct td_placement *p, uint64_t *counts)
{
    for (uint32_t i = 0; i < p->gres.n; i++) {
        const struct td_gres_held *g = &p->gres.v[i];
        struct td_buf name = {0};
        uint32_t at;
        td_buf_putf(&name, "gres/%s", g->name);
        if (core_tres_index(a, td_buf_str(&name), &at))
            counts[at] += g->count;
        td_buf_release(&name);
    }
}

/* One for each CPU, unless the partition says what its resources cost. */
static uint64_t billing_of(const struct core_acct *a, const struct core_partition *p, const uint64_t *counts)
{
    unsigned __int128 sum = 0;
    if (!p->conf.billing.n)
        return counts[ACCT_TRES_CPU];
    for (uint32_t i = 0; i < p->conf.billing.n; i++) {
        uint32_t at;
        if (core_tres_index(a, p->conf.billing.v[i].name, &at))
            sum += (unsigned __int128)p->conf.billing.v[i].weight * counts[at];
    }
    return (uint64_t)(sum / 1000000);
}

static uint64_t part(uint64_t count, uint64_t ms, uint64_t factor)
{
    unsigned __int128 u = (unsigned __int128)count * ms * ACCT_UNITS / 1000;
    u = factor == 1000000 ? u : u * factor / 1000000;
    return u > UINT64_MAX ? UINT64_MAX : (uint64_t)u;
}

uint32_t core_usage_counts(const struct td_core *c, const struct core_job *j, uint64_t counts[TD_MAX_TRES])
{
    memset(counts, 0, TD_MAX_TRES * sizeof(*counts));
    for (uint32_t i = 0; i < j->alloc->nparts; i++) {
        const struct td_placement *p = j->alloc->parts[i].place;
        counts[ACCT_TRES_CPU] += td_bits_count(p->cpus.v, p->cpus.n);
        counts[ACCT_TRES_MEM] += p->memory_mb;
        counts[ACCT_TRES_NODE]++;
        add_devices(&c->acct, p, counts);
    }
    counts[ACCT_TRES_BILLING] = billing_of(&c->acct, c->partitions.v[j->partition], counts);
    return c->acct.tres.n;
}

static void charge(struct td_core *c, const struct core_job *j)
{
    struct core_acct *a = &c->acct;
    struct core_assoc *s = j->assoc ? core_assoc_by_id(a, j->assoc) : NULL;
    int64_t from = TD_MAX(j->start_ms, a->ticked_ms), ms = c->time_ms - from;
    uint64_t counts[TD_MAX_TRES] = {0}, factor = 1000000;
    const struct core_qos *q = core_qos_find(a, j->spec->body.qos);
    if (!s || !j->start_ms || ms <= 0)
        return;
    meet_devices(a, j);
    core_usage_counts(c, j, counts);
    if (q && q->is->conf.usage_factor)
        factor = q->is->conf.usage_factor - 1;
    for (uint32_t i = 0; i < a->tres.n; i++)
        counts[i] = part(counts[i], (uint64_t)ms, factor);
    core_assoc_charge(a, s, counts, a->tres.n, part(1, (uint64_t)ms, factor));
}

void core_usage_job_ends(struct td_core *c, const struct core_job *j)
{
    if (j->state == TD_JOB_RUNNING)
        charge(c, j);
}

/* --- the tick ----------------------------------------------------------------------------------------------------------------- */

static void decay(struct core_assoc *s, uint64_t factor)
{
    for (uint32_t i = 0; i < s->nused; i++)
        s->used[i] = td_fair_decay(s->used[i], factor);
    s->wall = td_fair_decay(s->wall, factor);
    for (uint32_t i = 0; i < s->below.n; i++)
        decay(s->below.v[i], factor);
}

static void charge_running(struct td_core *c)
{
    for (uint32_t i = 0; i < c->jobs.n; i++)
        if (c->jobs.v[i]->state == TD_JOB_RUNNING)
            charge(c, c->jobs.v[i]);
}

void core_usage_apply_ticked(struct td_core *c, const struct td_ev_usage_ticked *ev)
{
    struct core_acct *a = &c->acct;
    const struct td_priority_conf *p = &c->settings.priority;
    charge_running(c);
    if (a->root && a->ticked_ms && p->multifactor)
        decay(a->root, td_fair_factor((uint64_t)(c->time_ms - a->ticked_ms), p->half_life_s));
    a->ticked_ms = c->time_ms;
    if (ev->reset && a->root) {
        core_assoc_reset(a, a->root->is->id);
        a->reset_ms = c->time_ms;
    }
    core_priorities_renew(c);
}

/* The clock jumps: nobody is charged for time that has not passed. */
void core_usage_clock(struct td_core *c, int64_t delta_ms)
{
    if (!c->acct.ticked_ms || delta_ms <= 0)
        return;
    charge_running(c);
    c->acct.ticked_ms = c->time_ms + delta_ms;
}

/* Civil days since Monday, 1970-01-05, and the like: enough to tell that another period has begun. */
static int64_t period_no(uint32_t reset, int64_t civil_ms)
{
    int64_t days = civil_ms / 86400000, z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153, month = mp < 10 ? mp + 3 : mp - 9, year = yoe + era * 400 + (month <= 2);
    switch (reset) {
    case 2:
        return days;
    case 3:
        return (days + 4) / 7; /* weeks begin on Sunday */
    case 4:
        return year * 12 + month;
    case 5:
        return year * 4 + (month - 1) / 3;
    case 6:
        return year;
    default:
        return 0;
    }
}

static bool resets(const struct td_core *c)
{
    uint32_t reset = c->settings.priority.usage_reset;
    int64_t since = c->acct.reset_ms ? c->acct.reset_ms : c->acct.ticked_ms;
    if (!core_is_multifactor(c) || !since)
        return false;
    return period_no(reset, core_civil_ms(c, c->now_ms)) != period_no(reset, core_civil_ms(c, since));
}

static int64_t period_ms(const struct td_core *c)
{
    return (int64_t)(c->settings.priority.period_s ? c->settings.priority.period_s : PERIOD_S) * 1000;
}

int64_t core_usage_deadline(const struct td_core *c)
{
    return ticks(c) ? c->acct.ticked_ms + period_ms(c) : INT64_MAX;
}

void core_usage_run(struct td_core *c)
{
    if (c->now_ms < core_usage_deadline(c))
        return;
    const struct td_ev_usage_ticked ev = {.reset = resets(c)};
    core_emit(c, TD_EV_USAGE_TICKED, &ev);
}
