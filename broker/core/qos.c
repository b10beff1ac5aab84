/* qos.c - QOS, and the kinds of resources that are accounted for */
#include <string.h>

#include "broker/core/acct.h"

struct core_qos *core_qos_find(const struct core_acct *a, const char *name)
{
    return td_strmap_get(&a->qos_by_name, name ? name : "");
}

void core_qos_apply_set(struct core_acct *a, const struct td_qos *is)
{
    struct core_qos *q = core_qos_find(a, is->name);
    if (!q) {
        q = td_alloc(sizeof(*q));
        uint32_t at = a->qos.n;
        while (at > 0 && strcmp(a->qos.v[at - 1]->is->name, is->name) > 0)
            at--;
        td_vec_push(&a->qos, q);
        memmove(a->qos.v + at + 1, a->qos.v + at, (a->qos.n - 1 - at) * sizeof(*a->qos.v));
        a->qos.v[at] = q;
        td_strmap_put(&a->qos_by_name, is->name, q);
        a->next_qos = TD_MAX(a->next_qos, is->id + 1);
    }
    struct td_qos *was = q->is;
    q->is = core_pack(&td_rec_qos, is);
    td_free(was);
}

void core_qos_apply_removed(struct core_acct *a, const char *name)
{
    struct core_qos *q = td_strmap_del(&a->qos_by_name, name);
    uint32_t at = 0;
    TD_ASSERT(q);
    while (a->qos.v[at] != q)
        at++;
    a->qos.n--;
    memmove(a->qos.v + at, a->qos.v + at + 1, (a->qos.n - at) * sizeof(*a->qos.v));
    td_free(q->is);
    td_free(q);
}

bool core_tres_index(const struct core_acct *a, const char *name, uint32_t *ret)
{
    uintptr_t at = (uintptr_t)td_strmap_get(&a->tres_by_name, name ? name : "");
    if (at)
        *ret = (uint32_t)at - 1;
    return at != 0;
}

/* Slurm's own kinds have numbers below 1000, others follow from 1001 on. */
uint32_t core_tres_next_id(const struct core_acct *a)
{
    uint32_t id = 1001;
    for (uint32_t i = 0; i < a->tres.n; i++)
        id = TD_MAX(id, a->tres.v[i]->id + 1);
    return id;
}

void core_tres_apply_set(struct core_acct *a, const struct td_tres *is)
{
    uint32_t at;
    if (core_tres_index(a, is->name, &at) || a->tres.n >= TD_MAX_TRES)
        return;
    td_vec_push(&a->tres, core_pack(&td_rec_tres, is));
    td_strmap_put(&a->tres_by_name, is->name, (void *)(uintptr_t)a->tres.n);
}

void core_tres_forget_last(struct core_acct *a)
{
    struct td_tres *is = a->tres.v[--a->tres.n];
    td_strmap_del(&a->tres_by_name, is->name);
    td_free(is);
}
