/* attempts.c - the attempts a worker knows
 *
 * Owns: every struct td_attempt and, by its count, every batch that a LAUNCHING one points into. */
#include "worker/core/attempts.h"

static uint64_t key_of(uint32_t job, uint32_t attempt)
{
    return (uint64_t)job << 32 | attempt;
}

struct td_batch *td_batch_new(const struct td_award_batch *msg)
{
    struct td_batch *b = td_alloc(sizeof(*b));
    struct td_award_batch bare = *msg;

    bare.blobs = (struct td_blob_list){0};
    td_record_copy(&b->arena, &td_rec_award_batch, &bare, &b->msg);
    return b;
}

void td_batch_done(struct td_batch *b)
{
    TD_ASSERT(b->waiting > 0);
    if (--b->waiting > 0)
        return;
    td_arena_release(&b->arena);
    td_free(b);
}

struct td_attempt *td_attempts_find(const struct td_attempts *s, uint32_t job, uint32_t attempt)
{
    return td_map_get(&s->by_key, key_of(job, attempt));
}

struct td_attempt *td_attempts_add(struct td_attempts *s, uint32_t job, uint32_t attempt, enum td_attempt_state state)
{
    struct td_attempt *t = td_alloc(sizeof(*t));

    TD_ASSERT(!td_attempts_find(s, job, attempt));
    t->job = job;
    t->attempt = attempt;
    t->state = state;
    t->at = s->v.n;
    td_vec_push(&s->v, t);
    td_map_put(&s->by_key, key_of(job, attempt), t);
    s->launching += state == TD_ATTEMPT_LAUNCHING;
    return t;
}

void td_attempts_set_launch(struct td_attempts *s, struct td_attempt *t, struct td_batch *batch, const struct td_award *award,
                            const struct td_job_spec *spec)
{
    (void)s;
    TD_ASSERT(t->state == TD_ATTEMPT_LAUNCHING && !t->batch);
    t->batch = batch;
    t->award = award;
    t->spec = spec;
    batch->waiting++;
}

static void drop_launch(struct td_attempts *s, struct td_attempt *t)
{
    s->launching -= t->state == TD_ATTEMPT_LAUNCHING;
    if (t->batch)
        td_batch_done(t->batch);
    t->batch = NULL;
    t->award = NULL;
    t->spec = NULL;
}

void td_attempts_advance(struct td_attempts *s, struct td_attempt *t, enum td_attempt_state state)
{
    if (state <= t->state)
        return;
    drop_launch(s, t);
    t->state = state;
}

void td_attempts_forget(struct td_attempts *s, struct td_attempt *t, bool remember_ended)
{
    drop_launch(s, t);
    td_map_del(&s->by_key, key_of(t->job, t->attempt));
    struct td_attempt *last = s->v.v[--s->v.n];
    s->v.v[t->at] = last;
    last->at = t->at;
    if (remember_ended)
        td_attempts_remember_ended(s, t->job, t->attempt);
    td_vec_release(&t->steps);
    td_free(t);
}

bool td_attempts_ended(const struct td_attempts *s, uint32_t job, uint32_t attempt)
{
    return td_map_get(&s->ended_by_key, key_of(job, attempt)) != NULL;
}

void td_attempts_remember_ended(struct td_attempts *s, uint32_t job, uint32_t attempt)
{
    uint64_t key = key_of(job, attempt);

    if (td_map_get(&s->ended_by_key, key))
        return;
    if (s->ended_n == TD_ENDED_REMEMBERED)
        td_map_del(&s->ended_by_key, s->ended[s->ended_at]);
    else
        s->ended_n++;
    s->ended[s->ended_at] = key;
    td_map_put(&s->ended_by_key, key, s);
    s->ended_at = (s->ended_at + 1) % TD_ENDED_REMEMBERED;
}

void td_attempts_release(struct td_attempts *s)
{
    while (s->v.n > 0)
        td_attempts_forget(s, s->v.v[s->v.n - 1], false);
    td_vec_release(&s->v);
    td_map_release(&s->by_key);
    td_map_release(&s->ended_by_key);
}
