/* cycle.c - would a job wait for itself?
 *
 * At submission nobody can: the jobs one may name are older. A dependency that is changed later may close a circle, and
 * all in it would wait for ever. The walk goes along what is still open from the jobs named; each job is seen once. */
#include "broker/core/state.h"

struct walk {
    const struct td_core *c;
    const struct core_job *from;
    struct td_map parents; /* job to the one that waits for it, +1 */
    TD_VEC(uint32_t) todo;
    uint32_t found; /* the one that waits for `from` */
};

static void meet(struct walk *w, const struct core_job *j, uint32_t waiter)
{
    if (!j || j->state != TD_JOB_PENDING || w->found)
        return;
    if (j == w->from) {
        w->found = waiter;
        return;
    }
    if (td_map_get(&w->parents, j->id))
        return;
    td_map_put(&w->parents, j->id, (void *)(uintptr_t)((uint64_t)waiter + 1));
    td_vec_push(&w->todo, j->id);
}

static void follow(struct walk *w, const struct td_job_dep *d, uint32_t waiter)
{
    const struct core_array *a = core_array_find(w->c, d->job);
    if (!a) {
        meet(w, core_job_find(w->c, d->job), waiter);
        return;
    }
    if (d->task != TD_NO_TASK) {
        const struct core_job *task = core_array_task(w->c, a, d->task);
        meet(w, task ? task : td_bits_get(a->waiting, a->nbytes, d->task) ? a->record : NULL, waiter);
        return;
    }
    meet(w, a->record, waiter);
    for (uint32_t i = 0; i < a->jobs.n; i++)
        meet(w, a->jobs.v[i], waiter);
}

/* 35 -> 37 -> 36 -> 35 */
static int say(const struct walk *w, struct td_error *err)
{
    TD_VEC(uint32_t) path = {0};
    struct td_buf b = {0};
    for (uint32_t id = w->found; id != w->from->id;) {
        td_vec_push(&path, id);
        id = (uint32_t)((uint64_t)(uintptr_t)td_map_get(&w->parents, id) - 1);
    }
    td_buf_putf(&b, "%u", w->from->id);
    for (uint32_t i = path.n; i-- > 0;) {
        if (path.n > 16 && i == path.n - 9)
            td_buf_puts(&b, " -> ...");
        if (path.n <= 16 || i < 8 || i > path.n - 9)
            td_buf_putf(&b, " -> %u", path.v[i]);
    }
    int r = td_fail(err, TD_E_CIRCULAR, "%s (%s -> %u)", td_error_words(TD_E_CIRCULAR), td_buf_str(&b), w->from->id);
    td_vec_release(&path);
    td_buf_release(&b);
    return r;
}

int core_cycle_check(const struct td_core *c, const struct core_job *j, const struct td_job_dep_list *deps,
                     struct td_error *err)
{
    struct walk w = {.c = c, .from = j};
    int r = 0;
    for (uint32_t i = 0; i < deps->n && !w.found; i++)
        follow(&w, &deps->v[i], j->id);
    while (w.todo.n && !w.found) {
        const struct core_job *next = core_job_find(c, w.todo.v[--w.todo.n]);
        for (uint32_t i = 0; next->deps && i < next->deps->n; i++) {
            if (next->deps->v[i].waiter) /* still open */
                follow(&w, &next->deps->v[i].is, next->id);
        }
    }
    if (w.found)
        r = say(&w, err);
    td_map_release(&w.parents);
    td_vec_release(&w.todo);
    return r;
}
