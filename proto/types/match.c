/* match.c - does a row of the queue pass a filter? For who has rows and no core: watchers, the history */
#include <string.h>

#include "types/types.h"

static bool has_word(const struct td_strs *list, const char *word)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (td_str_equal(list->v[i], word))
            return true;
    return list->n == 0;
}

/* One of several partitions is enough. */
static bool has_one_of(const struct td_strs *list, const char *words)
{
    if (!list->n || td_str_empty(words))
        return !list->n;
    for (const char *at = words; *at;) {
        size_t n = strcspn(at, ",");
        for (uint32_t i = 0; i < list->n; i++)
            if (strlen(list->v[i]) == n && memcmp(list->v[i], at, n) == 0)
                return true;
        at += n + (at[n] == ',');
    }
    return false;
}

static bool has_user(const struct td_strs *list, const struct td_job_info *j)
{
    for (uint32_t i = 0; i < list->n; i++) {
        uint64_t uid;
        if (td_str_equal(list->v[i], j->spec.user_name) || (td_parse_u64(list->v[i], &uid) && uid == j->uid))
            return true;
    }
    return list->n == 0;
}

static bool in_span(const struct td_span *t, uint32_t index)
{
    return index >= t->first && index <= t->last && (index - t->first) % TD_MAX(t->step, 1u) == 0;
}

static bool is_named(const struct td_job_filter *f, const struct td_job_info *j)
{
    for (uint32_t i = 0; i < f->ids.n; i++) {
        const struct td_job_sel *sel = &f->ids.v[i];
        if (!sel->tasks.n && (sel->job == j->job || (j->array_job && sel->job == j->array_job)))
            return true;
        for (uint32_t k = 0; k < sel->tasks.n && sel->job == j->array_job; k++)
            if (in_span(&sel->tasks.v[k], j->array_task))
                return true;
    }
    return f->ids.n == 0;
}

/* Without states: those that are not over. */
static bool in_state(const struct td_job_filter *f, const struct td_job_info *j)
{
    for (uint32_t i = 0; i < f->states.n; i++) {
        uint32_t state, outcome;
        if (td_str_casecmp(f->states.v[i], "all") == 0)
            return true;
        if (td_job_state_parse(f->states.v[i], &state, &outcome) && state == j->state && (!outcome || outcome == j->outcome))
            return true;
    }
    return f->states.n == 0 && j->state != TD_JOB_DONE;
}

static bool on_nodes(const struct td_job_filter *f, const struct td_job_info *j)
{
    struct td_hostlist l = {0};
    struct td_error ignored;
    bool found = false;
    if (td_str_empty(f->nodes))
        return true;
    if (td_hostlist_parse(j->nodelist ? j->nodelist : "", TD_MAX_NODES, &l, &ignored) == 0)
        for (uint32_t i = 0; i < l.names.n && !found; i++)
            found = td_hostlist_match(f->nodes, l.names.v[i]);
    td_hostlist_release(&l);
    return found;
}

bool td_job_matches(const struct td_job_filter *f, const struct td_job_info *j)
{
    const struct td_job_spec *s = &j->spec;
    return is_named(f, j) && in_state(f, j) && has_user(&f->users, j) && has_one_of(&f->partitions, j->partition) &&
           has_word(&f->names, s->name) && has_word(&f->accounts, s->account) && has_word(&f->qos, s->qos) &&
           has_word(&f->wckeys, s->wckey) && has_word(&f->reservations, s->reservation) && on_nodes(f, j);
}
