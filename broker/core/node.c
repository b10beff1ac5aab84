/* node.c - nodes: the table, what the ledger is told of them, leases, marks
 *
 * Owns: struct core_node. Numbers are given in order of appearance and never reused, so they may
 * serve the ledger. A node takes new work iff it is UP, said hello in this reign, and nobody marked
 * it. */
#include <string.h>

#include "broker/core/state.h"

struct core_node *core_node_find(const struct td_core *c, const char *name)
{
    return name ? td_strmap_get(&c->node_by_name, name) : NULL;
}

struct core_node *core_node_add(struct td_core *c, const char *name)
{
    struct core_node *n = td_alloc(sizeof(*n));
    n->no = c->nodes.n;
    n->name = td_strdup(name);
    td_vec_push(&c->nodes, n);
    td_strmap_put(&c->node_by_name, name, n);
    return n;
}

void core_node_free(struct core_node *n)
{
    td_free(n->name);
    td_free(n->reason);
    td_free(n->boot_id);
    td_free(n->instance);
    td_free(n->inv);
    td_vec_release(&n->in);
    td_vec_release(&n->taken);
    td_vec_release(&n->strays);
    td_free(n);
}

bool core_node_is_gone(const struct core_node *n)
{
    return !n->conf && n->incarnation == 0;
}

static bool node_is_usable(const struct core_node *n)
{
    return n->state == TD_NODE_UP && n->greeted && !n->drain && !n->down && !n->worker_drain;
}

/* A node that never registered counts with what its NodeName line promises, for "could it ever
 * run". */
const struct td_inventory *core_node_inventory(const struct core_node *n, struct td_arena *a)
{
    if (n->inv)
        return n->inv;
    struct td_inventory *declared = td_arena_alloc(a, sizeof(*declared));
    if (n->conf)
        core_conf_inventory(n->conf, a, declared);
    return declared;
}

void core_node_tell_ledger(struct td_core *c, struct core_node *n)
{
    struct td_arena a = {0};
    const struct td_inventory *inv = core_node_inventory(n, &a);
    uint32_t *partitions = td_arena_alloc(&a, (n->in.n + 1) * sizeof(*partitions));
    for (uint32_t i = 0; i < n->in.n; i++)
        partitions[i] = n->in.v[i].partition;
    n->usable = node_is_usable(n);
    struct td_ledger_node is = {
        .name = n->name,
        .inv = inv,
        .usable = n->usable,
        .core_is_unit = c->settings.core_is_unit,
        .memory_counts = c->settings.memory_counts,
        .weight = n->conf && n->conf->weight ? n->conf->weight : 1,
        .partitions = partitions,
        .npartitions = n->in.n,
        .version = ++n->version,
    };
    td_ledger_set_node(c->ledger, n->no, &is);
    core_node_forget_refusals(c, n);
    td_arena_release(&a);
    c->dirty = true;
}

void core_node_set_usable(struct td_core *c, struct core_node *n)
{
    bool usable = node_is_usable(n);
    if (usable == n->usable)
        return;
    n->usable = usable;
    td_ledger_set_usable(c->ledger, n->no, usable);
    c->dirty = true;
}

bool core_node_refuse(struct td_core *c, struct core_node *n, uint32_t shape, uint32_t refusal,
                      uint64_t shortage)
{
    if (!td_ledger_refuse(c->ledger, shape, n->no, refusal, shortage))
        return false;
    c->counters.refusals_cached++;
    n->refused = true;
    return true;
}

/* What it refused it may take now, so the plan may be another. */
void core_node_forget_refusals(struct td_core *c, struct core_node *n)
{
    if (!n->refused)
        return;
    n->refused = false;
    td_ledger_forget_refusals(c->ledger, n->no);
    c->dirty = true;
}

void core_node_stir(struct td_core *c, struct core_node *n)
{
    if (n->stirred || !c->in_wake)
        return;
    n->stirred = true;
    td_vec_push(&c->stirred, n->no);
}

uint32_t core_node_lease_ms(const struct td_core *c)
{
    return c->settings.lease_ms ? c->settings.lease_ms : CORE_LEASE_MS;
}

/* So long after it was last heard a node that is cut off begins to end its fenced attempts: they are over, KillWait and
 * all, when it is LOST. */
uint32_t core_node_fence_ms(const struct td_core *c)
{
    uint64_t timeout = (uint64_t)c->settings.node_timeout_s * 1000;
    uint64_t ending = (uint64_t)c->settings.kill_wait_s * 1000 + TD_MAX_FENCE_SLACK_MS;
    if (!c->settings.node_fence || timeout <= ending)
        return 0; /* the configuration sees to the second */
    return (uint32_t)TD_MIN(timeout - ending, (uint64_t)UINT32_MAX);
}

void core_node_topic(const struct td_core *c, const struct core_membership *m, struct td_buf *out)
{
    uint32_t shard = c->settings.shard_nodes ? c->settings.shard_nodes : CORE_SHARD_NODES;
    td_buf_puts(out, "o/");
    td_buf_puts(out, c->partitions.v[m->partition]->name);
    td_buf_putc(out, '/');
    td_buf_put_u64(out, m->position / shard);
    td_buf_putc(out, '/');
}

void core_node_change(struct td_core *c, struct core_node *n, uint32_t state, bool drain, bool down,
                      bool worker_drain, const char *reason, uint32_t uid)
{
    if (n->state == state && n->drain == drain && n->down == down &&
        n->worker_drain == worker_drain && td_str_equal(n->reason, reason))
        return;
    struct td_ev_node_changed ev = {.node = n->name,
                                    .state = state,
                                    .drain = drain,
                                    .down = down,
                                    .reason = reason,
                                    .uid = uid,
                                    .worker_drain = worker_drain};
    core_emit(c, TD_EV_NODE_CHANGED, &ev);
}

/* The job ends as NODE_FAIL or goes back to the queue; one that was ending anyway ends as it was
 * going to. With a fence, what may live on where nobody sees it is never started again. */
static void fail_job(struct td_core *c, struct core_part *p, const char *what, bool may_live)
{
    struct core_job *j = p->job;
    bool never_again = may_live && c->settings.node_fence && !j->alloc->fenced;
    if (!core_job_may(c, j, TD_JOB_IN_LOST))
        return;
    if (j->state == TD_JOB_ENDING && !(never_again && j->requeue_after))
        return;
    struct td_ev_job_ending how = {
        .job = j->id,
        .attempt = j->attempt,
        .outcome = TD_OUTCOME_NODE_FAIL,
        .reason = TD_REASON_WORKER_LOST,
        .detail = core_text(&c->wake, "node %s %s", p->node->name, what),
        .requeue = core_job_requeues(c, j) && !never_again,
    };
    core_emit(c, TD_EV_JOB_ENDING, &how);
}

void core_node_lose_part(struct td_core *c, struct core_part *p, bool node_says)
{
    struct core_job *j = p->job;
    if (p->state == TD_ALLOC_GONE)
        return;
    fail_job(c, p, "was lost", !node_says);
    if (core_alloc_may(c, p, TD_ALLOC_IN_NODE_LOST)) {
        core_steps_leave(c, p);
        struct td_ev_alloc_gone gone = {
            .job = j->id, .attempt = j->attempt, .node = p->node->name, .node_lost = true};
        core_emit(c, TD_EV_ALLOC_GONE, &gone);
    }
    core_job_settle_end(c, j);
}

/* The node's list is in order of award, which a restored core does not know: decisions go by job
 * id. */
uint32_t core_node_parts(struct td_core *c, const struct core_node *n, struct core_part ***ret)
{
    struct core_part **v = td_arena_alloc(&c->wake, (n->nparts + 1) * sizeof(*v));
    uint32_t k = 0;
    for (struct core_part *p = n->parts; p; p = p->next) {
        uint32_t i = k++;
        for (; i > 0 && v[i - 1]->job->id > p->job->id; i--)
            v[i] = v[i - 1];
        v[i] = p;
    }
    *ret = v;
    return k;
}

void core_node_lose_all(struct td_core *c, struct core_node *n)
{
    struct core_part **parts;
    uint32_t k = core_node_parts(c, n, &parts);
    for (uint32_t i = 0; i < k; i++)
        core_node_lose_part(c, parts[i], false);
}

/* Set down by a person: a worker that can still be told ends its jobs and says GONE; else they are
 * given up now. */
static void end_all(struct td_core *c, struct core_node *n)
{
    if (n->state != TD_NODE_UP && n->state != TD_NODE_SUSPECT) {
        core_node_lose_all(c, n);
        return;
    }
    struct core_part **parts;
    uint32_t k = core_node_parts(c, n, &parts);
    for (uint32_t i = 0; i < k; i++)
        fail_job(c, parts[i], "was set down", false); /* it waits for the node's word */
}

int64_t core_node_lost_at(const struct td_core *c, const struct core_node *n)
{
    int64_t timeout =
        c->settings.node_timeout_s ? (int64_t)c->settings.node_timeout_s * 1000 : INT64_MAX / 2;
    return TD_MAX(n->heard_ms + timeout, n->lease_until_ms);
}

static void expire(struct td_core *c, struct core_node *n)
{
    int64_t lost_at = core_node_lost_at(c, n);

    if (n->state == TD_NODE_UP) {
        if (c->now_ms < n->lease_until_ms) {
            core_sooner(&c->leases_next_ms, n->lease_until_ms);
            return;
        }
        if (core_node_may(c, n, TD_NODE_IN_LEASE_OUT)) {
            c->counters.leases_out++;
            core_node_change(c, n, TD_NODE_SUSPECT, n->drain, n->down, n->worker_drain, n->reason,
                             n->reason_uid);
            core_round_forget_node(c, n);
        }
    }
    if (n->state != TD_NODE_SUSPECT && !(n->state == TD_NODE_LEFT && n->nparts))
        return;
    if (c->now_ms < lost_at) {
        core_sooner(&c->leases_next_ms, lost_at);
        return;
    }
    if (core_node_may(c, n, TD_NODE_IN_TIME_OUT)) {
        c->counters.nodes_lost++;
        const char *why = n->drain || n->down ? n->reason : "Not responding";
        core_node_change(c, n, TD_NODE_LOST, n->drain, n->down, n->worker_drain, why,
                         n->reason_uid);
        core_node_lose_all(c, n);
    }
}

/* Called once all input of the wake was read (law 10). The next look is when the earliest lease may
 * end: being heard only moves that later. */
void core_nodes_expire(struct td_core *c)
{
    if (c->now_ms < c->leases_next_ms)
        return;
    c->leases_next_ms = INT64_MAX;
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        struct core_node *n = c->nodes.v[i];
        expire(c, n);
        if (!n->retry_ms)
            continue;
        if (c->now_ms >= n->retry_ms) {
            n->retry_ms = 0;
            core_node_forget_refusals(c, n);
        } else {
            core_sooner(&c->leases_next_ms, n->retry_ms);
        }
    }
}

/* In the wake's arena; NULL: it has what its NodeName line promises, or nothing is promised. */
const char *core_node_shortage(struct td_core *c, const struct core_node *n)
{
    return n->conf && n->inv ? core_conf_shortage(n->conf, n->inv, &c->wake) : NULL;
}

/* A node with less than its line says is drained, as in Slurm, so that somebody looks; it comes back
 * when somebody resumes it, or when it registers with all of it (a worker that has just joined does
 * so as soon as it was told its line). Only news drains: whoever resumed it as it is meant that. */
void core_node_judge(struct td_core *c, struct core_node *n, const char *before)
{
    const char *lacks = core_node_shortage(c, n);
    bool ours = before && n->drain && td_str_equal(n->reason, before);
    if (lacks && !td_str_equal(lacks, before)) {
        bool has_reason = (n->drain || n->down) && !ours && !td_str_empty(n->reason);
        core_node_change(c, n, n->state, true, n->down, n->worker_drain,
                         has_reason ? n->reason : lacks, has_reason ? n->reason_uid : 0);
    } else if (!lacks && ours) {
        const char *reason = n->worker_drain ? "the worker is being stopped" : NULL;
        core_node_change(c, n, n->state, false, n->down, n->worker_drain,
                         n->down ? n->reason : reason, 0);
    }
}

static bool word(const char *s, const char *is)
{
    return td_str_casecmp(s ? s : "", is) == 0;
}

static int update_one(struct td_core *c, struct core_node *n, const struct td_update_node *u,
                      uint32_t uid, struct td_error *err)
{
    bool has_reason = !td_str_empty(u->reason);
    const char *reason = has_reason ? u->reason : n->reason;

    if (td_str_empty(u->state)) {
        if (!has_reason)
            return td_fail(err, TD_E_INVALID_REQUEST, "nothing to change on node %s", n->name);
        core_node_change(c, n, n->state, n->drain, n->down, n->worker_drain, reason, uid);
        return 0;
    }
    if (word(u->state, "DRAIN") || word(u->state, "DOWN")) {
        if (!has_reason)
            return td_fail(err, TD_E_INVALID_REQUEST, "setting a node %s needs a Reason", u->state);
        bool down = word(u->state, "DOWN");
        if (!core_node_may(c, n, TD_NODE_IN_DOWN))
            return td_fail(err, TD_E_INVALID_STATE, "node %s cannot be set %s now", n->name,
                           u->state);
        core_node_change(c, n, n->state, down ? n->drain : true, down || n->down, n->worker_drain,
                         reason, uid);
        if (down)
            end_all(c, n);
        return 0;
    }
    if (word(u->state, "RESUME") || word(u->state, "IDLE") || word(u->state, "UNDRAIN")) {
        bool down = word(u->state, "UNDRAIN") ? n->down : false;
        core_node_change(c, n, n->state, false, down, n->worker_drain, down ? n->reason : NULL,
                         uid);
        return 0;
    }
    return td_fail(err, TD_E_INVALID_STATE,
                   "node state '%s' is not one of RESUME DRAIN DOWN IDLE UNDRAIN", u->state);
}

void core_request_update_node(struct td_core *c, const struct td_input *in,
                              const struct td_update_node *u)
{
    struct td_hostlist names = {0};
    struct td_error err = {0};
    struct core_errors e = {0};

    if (word(u->nodes, "ALL")) {
        for (uint32_t i = 0; i < c->nodes.n; i++) {
            if (!core_node_is_gone(c->nodes.v[i]))
                td_vec_push(&names.names, td_strdup(c->nodes.v[i]->name));
        }
    } else if (td_hostlist_parse(u->nodes, TD_MAX_NODES, &names, &err) < 0) {
        core_refuse_error(c, in, &err);
        return;
    }
    for (uint32_t i = 0; i < names.names.n; i++) {
        const struct core_node *n = core_node_find(c, names.names.v[i]);
        if (n && !core_node_is_gone(n))
            continue;
        core_refuse(c, in, TD_E_INVALID_NODE, "%s: %s", td_error_words(TD_E_INVALID_NODE),
                    names.names.v[i]);
        goto out;
    }
    for (uint32_t i = 0; i < names.names.n; i++) {
        struct core_node *n = core_node_find(c, names.names.v[i]);
        if (update_one(c, n, u, in->uid, &err) < 0) {
            core_refuse_error(c, in, &err);
            goto out;
        }
        e.count++;
    }
    core_audit_act(c, in, core_text(&c->wake, "nodes=%s state=%s", u->nodes, u->state));
    core_errors_reply(c, in, &e);
out:
    td_hostlist_release(&names);
}

/* --- scontrol delete nodename= ------------------------------------------------------------------ */

static int delete_check(const struct td_core *c, const char *name, struct td_error *err)
{
    const struct core_node *n = core_node_find(c, name);
    if (!n || core_node_is_gone(n))
        return td_fail(err, TD_E_INVALID_NODE, "%s: %s", td_error_words(TD_E_INVALID_NODE), name);
    if (n->conf)
        return td_fail(err, TD_E_INVALID_STATE,
                       "node %s is in slurm.conf: take it out of its NodeName line there and scontrol reconfigure, then "
                       "delete it", name);
    if (n->nparts)
        return td_fail(err, TD_E_INVALID_STATE,
                       "node %s has jobs: scontrol update nodename=%s state=drain reason=..., and delete it when they "
                       "are over", name, name);
    return 0;
}

/* Its worker is told, and ends; one that cannot be told is refused by its key when it speaks again. */
static void delete_one(struct td_core *c, struct core_node *n, uint32_t uid)
{
    const struct td_ev_node_deleted ev = {.node = n->name, .uid = uid};
    if (n->greeted) {
        const struct td_leave m = {.incarnation = n->incarnation};
        core_send(c, n, n->peer, TD_MSG_LEAVE, &m);
        core_round_forget_node(c, n);
        n->greeted = n->probed = n->confirmed = false;
    }
    core_emit(c, TD_EV_NODE_DELETED, &ev);
}

/* All or none, as an update. */
void core_request_delete_node(struct td_core *c, const struct td_input *in, const struct td_delete_node *m)
{
    struct td_hostlist names = {0};
    struct td_error err = {0};
    struct core_errors e = {0};
    int r = td_hostlist_parse(m->nodes, TD_MAX_NODES, &names, &err);
    for (uint32_t i = 0; r == 0 && i < names.names.n; i++)
        r = delete_check(c, names.names.v[i], &err);
    for (uint32_t i = 0; r == 0 && i < names.names.n; i++) {
        struct core_node *n = core_node_find(c, names.names.v[i]);
        if (core_node_is_gone(n))
            continue; /* named twice */
        delete_one(c, n, in->uid);
        e.count++;
    }
    if (r < 0) {
        core_refuse_error(c, in, &err);
    } else {
        core_audit_act(c, in, core_text(&c->wake, "delete nodes=%s", m->nodes));
        core_errors_reply(c, in, &e);
    }
    td_hostlist_release(&names);
}
