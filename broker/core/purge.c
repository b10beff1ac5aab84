/* purge.c - what the core forgets in time: finished jobs after MinJobAge, client keys after 15
 * minutes */
#include <string.h>

#include "broker/core/state.h"

#define PURGE_BATCH 20000u /* jobs of one wake */

static bool ended_before(struct core_ended a, struct core_ended b)
{
    return a.end_ms != b.end_ms ? a.end_ms < b.end_ms : a.job < b.job;
}

/* A job is over when its last node has let go, which need not be the order in which they ended. */
void core_ended_add(struct td_core *c, const struct core_job *j)
{
    struct core_ended e = {j->end_ms, j->id};
    td_vec_push(&c->ended, e);
    uint32_t k = c->ended.n - 1;
    for (; !c->ended_mixed && k > c->ended_first && ended_before(e, c->ended.v[k - 1]); k--)
        c->ended.v[k] = c->ended.v[k - 1];
    c->ended.v[k] = e;
}

static void sort_ended(struct td_core *c)
{
    struct core_ended *v = c->ended.v;
    uint32_t n = c->ended.n;
    for (uint32_t gap = n / 2; c->ended_mixed && gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            struct core_ended e = v[i];
            uint32_t k = i;
            for (; k >= gap && ended_before(e, v[k - gap]); k -= gap)
                v[k] = v[k - gap];
            v[k] = e;
        }
    }
    c->ended_mixed = false;
}

/* MinJobAge 0 means never, as in Slurm. */
void core_purge_run(struct td_core *c)
{
    if (c->now_ms < c->purge_next_ms)
        return;
    c->purge_next_ms = INT64_MAX;
    if (c->settings.min_job_age_s == 0)
        return;
    if (c->now_ms < c->purge_from_ms) {
        c->purge_next_ms = c->purge_from_ms;
        return;
    }
    int64_t age = (int64_t)c->settings.min_job_age_s * 1000;
    sort_ended(c);
    TD_VEC(uint32_t) ids = {0};
    for (; c->ended_first < c->ended.n; c->ended_first++) {
        const struct core_ended *e = &c->ended.v[c->ended_first];
        struct core_job *j = core_job_find(c, e->job);
        if (!j || j->state != TD_JOB_DONE || j->end_ms != e->end_ms)
            continue; /* requeued since */
        if (j->end_ms + age > c->now_ms || ids.n >= PURGE_BATCH) {
            core_sooner(&c->purge_next_ms, j->end_ms + age);
            break;
        }
        TD_ASSERT(core_job_may(c, j, TD_JOB_IN_PURGE));
        td_vec_push(&ids, j->id);
    }
    if (c->ended_first > c->ended.n / 2) {
        memmove(c->ended.v, c->ended.v + c->ended_first,
                (c->ended.n - c->ended_first) * sizeof(*c->ended.v));
        c->ended.n -= c->ended_first;
        c->ended_first = 0;
    }
    /* A job that ended twice within a millisecond (requeued from DONE) is listed twice. */
    core_ids_sort(ids.v, ids.n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < ids.n; i++) {
        if (n == 0 || ids.v[n - 1] != ids.v[i])
            ids.v[n++] = ids.v[i];
    }
    if (n) {
        struct td_ev_jobs_purged ev = {.jobs = {ids.v, n}};
        core_emit(c, TD_EV_JOBS_PURGED, &ev);
    }
    td_vec_release(&ids);
}

static const char *full_key(uint32_t uid, const char *key, struct td_buf *b)
{
    td_buf_put_u64(b, uid);
    td_buf_putc(b, ':');
    td_buf_puts(b, key);
    return td_buf_str(b);
}

const struct core_client_key *core_client_keys_find(const struct td_core *c, uint32_t uid,
                                                    const char *key)
{
    struct td_buf b = {0};
    uintptr_t at = (uintptr_t)td_strmap_get(&c->client_key_by_name, full_key(uid, key, &b));
    td_buf_release(&b);
    return at ? &c->client_keys.v[at - 1] : NULL;
}

/* The map holds places in the list, from 1; they move only when the list is compacted. */
static void compact_keys(struct td_core *c)
{
    uint32_t first = c->client_keys_first;
    if (first < 1024 || first < c->client_keys.n / 2)
        return;
    memmove(c->client_keys.v, c->client_keys.v + first,
            (c->client_keys.n - first) * sizeof(*c->client_keys.v));
    c->client_keys.n -= first;
    c->client_keys_first = 0;
    for (uint32_t i = 0; i < c->client_keys.n; i++)
        td_strmap_put(&c->client_key_by_name, c->client_keys.v[i].key, (void *)(uintptr_t)(i + 1));
}

void core_client_keys_add(struct td_core *c, uint32_t uid, const char *key, uint32_t job,
                          uint64_t seq, int64_t at_ms)
{
    struct td_buf b = {0};
    struct core_client_key k = {.uid = uid,
                                .job = job,
                                .seq = seq,
                                .at_ms = at_ms,
                                .key = td_strdup(full_key(uid, key, &b))};
    td_buf_release(&b);
    td_vec_push(&c->client_keys, k);
    td_strmap_put(&c->client_key_by_name, k.key, (void *)(uintptr_t)c->client_keys.n);
}

void core_client_keys_prune(struct td_core *c, int64_t before_ms)
{
    for (; c->client_keys_first < c->client_keys.n; c->client_keys_first++) {
        struct core_client_key *k = &c->client_keys.v[c->client_keys_first];
        if (k->at_ms >= before_ms)
            break;
        /* A key used again after it was forgotten belongs to the later submission. */
        if ((uintptr_t)td_strmap_get(&c->client_key_by_name, k->key) ==
            (uintptr_t)c->client_keys_first + 1)
            td_strmap_del(&c->client_key_by_name, k->key);
        td_free(k->key);
        k->key = NULL;
    }
    compact_keys(c);
}
