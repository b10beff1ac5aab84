/* update.c - scontrol update jobid= */
#include "broker/core/state.h"

static bool is_set(const struct td_job_change *ch, uint32_t key)
{
    return ch->set >> key & 1;
}

static int check_running(const struct td_core *c, const struct core_job *j,
                         const struct td_job_change *ch, const struct td_input *in,
                         struct td_error *err)
{
    if (is_set(ch, 4) || is_set(ch, 6) || is_set(ch, 7) || is_set(ch, 11) || is_set(ch, 12) || is_set(ch, 13))
        return td_fail(err, TD_E_NOT_PENDING, "%s", td_error_words(TD_E_NOT_PENDING));
    if (is_set(ch, 2) && ch->limit_s > j->limit_s && !td_core_is_operator(c, in->uid))
        return td_fail(err, TD_E_DENIED,
                       "%s: only an operator may raise the time limit of a running job",
                       td_error_words(TD_E_DENIED));
    for (uint32_t i = 0; is_set(ch, 2) && ch->limit_s > j->limit_s && j->alloc && i < j->alloc->nparts; i++) {
        const struct core_node *n = j->alloc->parts[i].node;
        int64_t from = j->start_ms ? j->start_ms : c->now_ms;
        const char *name = td_ledger_window_between(c->ledger, j->spec->body.reservation, n->no, core_job_until(j, from, j->limit_s),
                                                    core_job_until(j, from, ch->limit_s));
        if (name)
            return td_fail(err, TD_E_TIME_LIMIT, "%s: reservation %s has %s then", td_error_words(TD_E_TIME_LIMIT), name, n->name);
    }
    return 0;
}

static int check_rights(const struct td_core *c, const struct core_job *j,
                        const struct td_job_change *ch, const struct td_input *in,
                        struct td_error *err)
{
    if (!core_job_is_mine(c, j, in->uid))
        return td_fail(err, TD_E_DENIED, "%s", td_error_words(TD_E_DENIED));
    if (td_core_is_operator(c, in->uid))
        return 0;
    if (is_set(ch, 5) && ch->nice < j->spec->body.nice)
        return td_fail(err, TD_E_DENIED, "%s: only an operator may lower the nice value",
                       td_error_words(TD_E_DENIED));
    if (is_set(ch, 6) && (ch->priority > j->priority || j->held == TD_REASON_HELD_ADMIN))
        return td_fail(err, TD_E_DENIED, "%s: only an operator may raise a priority",
                       td_error_words(TD_E_DENIED));
    return 0;
}

/* Another account is another association, another QOS one that the association may have. */
static int settle(struct td_core *c, const struct core_job *j, const struct td_job_change *ch, struct td_job_change *ret,
                  uint32_t *ret_assoc, struct td_error *err)
{
    struct td_job_spec spec = j->spec->body;
    if (!is_set(ch, 11) && !is_set(ch, 12))
        return 0;
    if (is_set(ch, 11))
        spec.account = ch->account;
    if (is_set(ch, 12))
        spec.qos = ch->qos;
    int r = core_assoc_settle(c, &spec, ret_assoc, err);
    ret->account = spec.account;
    ret->qos = spec.qos;
    return r;
}

static int check(struct td_core *c, struct core_job *j, const struct td_job_change *ch,
                 const struct td_input *in, struct td_job_change *ret, uint32_t *ret_assoc, struct td_error *err)
{
    int r = check_rights(c, j, ch, in, err);
    if (r < 0)
        return r;
    r = core_change_sane(ch, err);
    if (r < 0)
        return r;
    *ret = *ch;
    if (is_set(ch, 1) || ch->set >> 14)
        return td_fail(err, TD_E_NOT_SUPPORTED, "a field of this change is not known here");
    if (is_set(ch, 2) && ch->limit_s == 0)
        return td_fail(err, TD_E_TIME_LIMIT, "%s", td_error_words(TD_E_TIME_LIMIT));
    if (is_set(ch, 10) && !j->array)
        return td_fail(err, TD_E_INVALID_REQUEST, "ArrayTaskThrottle is for arrays; %u is not one",
                       j->id);
    if (j->state != TD_JOB_PENDING)
        return check_running(c, j, ch, in, err);
    r = settle(c, j, ch, ret, ret_assoc, err);
    if (r < 0)
        return r;
    if (is_set(ch, 13)) {
        r = core_deps_validate(c, j, ch->dependency, in->uid, err);
        if (r < 0)
            return r;
    }
    if (is_set(ch, 4)) {
        struct td_job_need need = *core_job_need(j);
        need.partition = ch->partition;
        return core_submit_partition(c, ch->partition, &need, j->uid, &j->spec->body,
                                     &ret->partition, err);
    }
    return 0;
}

/* A new limit has to reach the nodes that enforce it. */
static void adjust(struct td_core *c, struct core_job *j)
{
    for (uint32_t i = 0; j->alloc && i < j->alloc->nparts; i++) {
        struct core_part *p = &j->alloc->parts[i];
        if (p->state != TD_ALLOC_HELD)
            continue; /* an AWARD that goes again carries the new limit */
        p->adjust_s = j->limit_s;
        core_part_due(c, p, c->now_ms);
    }
}

static void by_priority(struct td_core *c, struct core_job *j, const struct td_input *in)
{
    if (j->held == TD_REASON_HELD_ADMIN || (j->held && !td_core_is_operator(c, in->uid)))
        return;
    struct td_ev_job_held ev = {.job = j->id,
                                .reason = td_core_is_operator(c, in->uid) ? TD_REASON_HELD_ADMIN
                                                                          : TD_REASON_HELD_USER,
                                .uid = in->uid};
    core_emit(c, TD_EV_JOB_HELD, &ev);
}

static void update_one(struct td_core *c, struct core_job *j, const struct td_job_change *ch,
                       const struct td_input *in, struct core_errors *e)
{
    struct td_error err = {0};
    struct td_job_change final;
    uint32_t assoc = 0;
    if (!core_job_may(c, j, TD_JOB_IN_UPDATE)) {
        core_errors_add(c, e, j, j->id, TD_E_ALREADY_DONE, td_error_words(TD_E_ALREADY_DONE));
        return;
    }
    if (check(c, j, ch, in, &final, &assoc, &err) < 0) {
        c->counters.rejected++;
        core_errors_add(c, e, j, j->id, err.code, err.text);
        return;
    }
    e->count++;
    core_audit_touch(c, in, j);
    bool holds = is_set(&final, 6) && final.priority == 0;
    if (holds) {
        by_priority(c, j, in);
        final.set &= ~(UINT64_C(1) << 6);
    }
    if (!final.set)
        return;
    struct td_ev_job_updated ev = {.job = j->id, .change = final, .uid = in->uid, .assoc = assoc};
    core_emit(c, TD_EV_JOB_UPDATED, &ev);
    if (is_set(&final, 6) && j->held) { /* a priority given to a held job releases it */
        struct td_ev_job_released rel = {.job = j->id, .uid = in->uid};
        core_emit(c, TD_EV_JOB_RELEASED, &rel);
    }
    if (is_set(&final, 2) && core_job_live(j))
        adjust(c, j);
}

void core_request_update(struct td_core *c, const struct td_input *in,
                         const struct td_update_job *m)
{
    core_picks picks = {0};
    struct core_errors e = {0};
    struct td_job_change change = m->change;
    change.limit_s = core_limit_rounded(c, change.limit_s);
    core_pick_ids(c, m->ids.v, m->ids.n, in->uid, &picks, &e);
    core_pick_split(c, &picks);
    for (uint32_t i = 0; i < picks.n && !core_errors_full(c); i++) {
        struct core_job *j = picks.v[i].job;
        bool whole_array = j->array && picks.v[i].named == j->array->id && picks.n > 1;
        if (whole_array && core_life_job(j->state, TD_JOB_IN_UPDATE) != CORE_GO)
            continue;
        update_one(c, j, &change, in, &e);
    }
    td_vec_release(&picks);
    core_errors_reply(c, in, &e);
}
