/* learn.c - how long jobs of a kind ran
 *
 * A kind is what a user calls alike: (user, name, limit, CPUs), or less of it. Its last runs
 * foretell the next: up to eight, those of the nearest kind first, then of wider ones, the limit
 * counting as three runs more; never beyond the limit. (Tsafrir, Etsion & Feitelson 2007 §3 take
 * the mean of the user's last two.) The mean is of fourth roots, near the geometric one, because it
 * is orders of magnitude that matter to a queue. No training, and a sentence explains it.
 *
 * Durable: written where a job ends. A table of LEARN_MAX kinds; when it is full, the oldest give
 * way in turn. A kind is known by its hash, 64 bits: two of one hash would share their history,
 * which is no more than a worse guess. */
#include "broker/core/state.h"

#define LEARN_MAX 65536u
#define LIMIT_WEIGHT 3u /* the limit counts as so many runs */

static uint64_t kind_of(const struct core_job *j, uint32_t level)
{
    const struct td_job_spec *s = &j->spec->body;
    struct core_tally t;
    uint64_t h = td_mix_u64(td_mix_u64(0, level + 1), j->uid);

    if (level == LEARN_USER)
        return h;
    h = td_mix_u64(td_mix_str(h, s->name), j->limit_s);
    if (level == LEARN_LIMIT)
        return h;
    core_need_tally(core_job_need(j), &t);
    return td_mix_u64(h, t.cpus);
}

static struct core_learned *find(const struct td_core *c, uint64_t kind)
{
    uintptr_t at = (uintptr_t)td_map_get(&c->learned_by_kind, kind);

    return at ? &c->learned.v[at - 1] : NULL;
}

static struct core_learned *make(struct td_core *c, uint64_t kind)
{
    uint32_t at = c->learned.n;
    struct core_learned fresh = {.kind = kind};

    if (at < LEARN_MAX) {
        td_vec_push(&c->learned, fresh);
    } else {
        at = c->learned_next;
        c->learned_next = (at + 1) % LEARN_MAX;
        td_map_del(&c->learned_by_kind, c->learned.v[at].kind);
        c->learned.v[at] = fresh;
    }
    td_map_put(&c->learned_by_kind, kind, (void *)(uintptr_t)(at + 1));
    return &c->learned.v[at];
}

/* It ran to an end of its own, or to its limit. */
static bool tells(const struct core_job *j)
{
    return j->start_ms && j->end_ms >= j->start_ms &&
           (j->outcome == TD_OUTCOME_COMPLETED || j->outcome == TD_OUTCOME_FAILED ||
            j->outcome == TD_OUTCOME_TIMEOUT || j->outcome == TD_OUTCOME_OUT_OF_MEMORY);
}

void core_learn(struct td_core *c, const struct core_job *j)
{
    if (!tells(j) || j->reason == TD_REASON_LAUNCH_FAILED)
        return;
    int64_t ran_ms = TD_MAX(j->end_ms - j->start_ms - j->stepped_ms, INT64_C(0));
    uint32_t run_s = (uint32_t)TD_MIN((ran_ms + 999) / 1000, (int64_t)TD_INFINITE - 1);

    if (c->in_wake && c->learned_uids.n < 64 &&
        (!c->learned_uids.n || c->learned_uids.v[c->learned_uids.n - 1] != j->uid))
        td_vec_push(&c->learned_uids, j->uid);
    for (uint32_t level = 0; level < LEARN_LEVELS; level++) {
        uint64_t kind = kind_of(j, level);
        struct core_learned *l = find(c, kind);
        if (!l)
            l = make(c, kind);
        for (uint32_t i = CORE_LEARN_RUNS - 1; i > 0; i--)
            l->run_s[i] = l->run_s[i - 1];
        l->run_s[0] = run_s;
        l->n = TD_MIN(l->n + 1, CORE_LEARN_RUNS);
    }
}

/* Those who wait with a booking, of users of whom something was learned since. */
void core_learned_run(struct td_core *c)
{
    uint32_t *jobs, n = c->learned_uids.n ? td_plan_booked(c->ledger, &jobs) : 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct core_job *j = core_job_find(c, jobs[i]);
        bool his = false;
        for (uint32_t k = 0; j && k < c->learned_uids.n && !his; k++)
            his = c->learned_uids.v[k] == j->uid;
        if (his && j->queued)
            td_queue_set_run(c->queue, j->id, core_foretell(c, j, NULL));
    }
    c->learned_uids.n = 0;
}

/* Fourth root, in 1/2^8: of v * 2^32, the square root twice. */
static uint64_t root4(uint32_t v)
{
    return td_isqrt(td_isqrt((uint64_t)v << 32));
}

uint32_t core_foretell(const struct td_core *c, const struct core_job *j,
                       enum core_learn_level *ret_level)
{
    uint32_t limit_s = j->limit_s ? j->limit_s : TD_INFINITE, n = 0;
    uint64_t sum = LIMIT_WEIGHT * root4(limit_s); /* the limit is a guess, too */

    if (ret_level)
        *ret_level = LEARN_LEVELS;
    for (uint32_t level = 0; level < LEARN_LEVELS; level++) {
        const struct core_learned *l = find(c, kind_of(j, level));

        if (l && n == 0 && ret_level)
            *ret_level = (enum core_learn_level)level;
        for (uint32_t i = 0; l && i < l->n && n < CORE_LEARN_RUNS; i++, n++)
            sum += root4(l->run_s[i]);
    }
    if (n == 0)
        return limit_s;
    uint64_t mean = sum / (n + LIMIT_WEIGHT), square = mean * mean >> 16;
    return (uint32_t)TD_MAX(TD_MIN(square * square, (uint64_t)limit_s), UINT64_C(1));
}

void core_learn_snapshot(const struct td_core *c, td_core_emit_fn *emit, void *ctx)
{
    for (uint32_t i = 0; i < c->learned.n; i++) {
        const struct core_learned *l = &c->learned.v[i];
        struct td_snap_learned r = {
            .kind = l->kind, .runs_s = {l->run_s, l->n}, .next = c->learned_next};
        emit(ctx, TD_SNAP_LEARNED, &td_rec_snap_learned, &r);
    }
}

int core_learn_restore(struct td_core *c, const struct td_snap_learned *r, struct td_error *err)
{
    if (c->learned.n == LEARN_MAX || r->next >= LEARN_MAX || find(c, r->kind) || !r->runs_s.n ||
        r->runs_s.n > CORE_LEARN_RUNS)
        return td_fail(err, TD_E_JOURNAL, "snapshot: what was learned of run times makes no sense");
    struct core_learned *l = make(c, r->kind);
    for (l->n = 0; l->n < r->runs_s.n; l->n++)
        l->run_s[l->n] = r->runs_s.v[l->n];
    c->learned_next = r->next;
    return 0;
}

void core_learn_free(struct td_core *c)
{
    td_vec_release(&c->learned);
    td_vec_release(&c->learned_uids);
    td_map_release(&c->learned_by_kind);
}
