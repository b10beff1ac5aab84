/* ledger.c - attempts by name and by leader
 *
 * Invariants: alive = number of attempts not GONE; by_pid holds exactly the attempts between their start and GONE. */
#include "worker/shepherd/ledger.h"

static uint64_t name_of(uint32_t job, uint32_t attempt)
{
    return (uint64_t)job << 32 | attempt;
}

struct attempt *ledger_find(const struct ledger *l, uint32_t job, uint32_t attempt)
{
    return td_map_get(&l->by_name, name_of(job, attempt));
}

struct attempt *ledger_by_pid(const struct ledger *l, pid_t pid)
{
    return pid > 0 ? td_map_get(&l->by_pid, (uint64_t)pid) : NULL;
}

bool ledger_was(const struct ledger *l, uint32_t job, uint32_t attempt)
{
    return td_map_get(&l->past, name_of(job, attempt)) != NULL;
}

struct attempt *ledger_add(struct ledger *l, uint32_t job, uint32_t attempt)
{
    struct attempt *a = td_alloc(sizeof(*a));
    a->job = job;
    a->attempt = attempt;
    a->warn_at_ms = a->limit_at_ms = a->kill_at_ms = INT64_MAX;
    a->err_fd = -1;
    a->prev = l->last;
    if (l->last)
        l->last->next = a;
    else
        l->first = a;
    l->last = a;
    l->n++;
    l->alive++;
    td_map_put(&l->by_name, name_of(job, attempt), a);
    return a;
}

void ledger_set_pid(struct ledger *l, struct attempt *a, pid_t pid)
{
    a->pid = pid;
    td_map_put(&l->by_pid, (uint64_t)pid, a);
}

void ledger_set_gone(struct ledger *l, struct attempt *a)
{
    if (a->pid && ledger_by_pid(l, a->pid) == a)
        td_map_del(&l->by_pid, (uint64_t)a->pid);
    a->state = ATTEMPT_GONE;
    l->alive--;
}

static void drop(struct ledger *l, struct attempt *a)
{
    if (a->prev)
        a->prev->next = a->next;
    else
        l->first = a->next;
    if (a->next)
        a->next->prev = a->prev;
    else
        l->last = a->prev;
    l->n--;
    td_map_del(&l->by_name, name_of(a->job, a->attempt));
    td_buf_release(&a->place);
    td_buf_release(&a->groups);
    td_buf_release(&a->steps);
    td_free(a);
}

void ledger_forget(struct ledger *l, uint64_t acked)
{
    struct attempt *next;
    if (l->n == l->alive)
        return;
    for (struct attempt *a = l->first; a; a = next) {
        next = a->next;
        if (a->state != ATTEMPT_GONE || a->last_no > acked)
            continue;
        uint64_t name = name_of(a->job, a->attempt);
        if (l->past_ring[l->past_at])
            td_map_del(&l->past, l->past_ring[l->past_at]);
        l->past_ring[l->past_at] = name;
        l->past_at = (l->past_at + 1) % LEDGER_PAST;
        td_map_put(&l->past, name, l);
        drop(l, a);
    }
}

void ledger_release(struct ledger *l)
{
    while (l->first)
        drop(l, l->first);
    td_map_release(&l->by_name);
    td_map_release(&l->by_pid);
    td_map_release(&l->past);
}
