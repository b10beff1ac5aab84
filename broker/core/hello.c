/* hello.c - registration: who may be this node, what it runs, what must not live
 *
 * HELLO is idempotent and may come at any time. Its list is believed only when it is not older than
 * what the node has said since: a HELLO that was delayed behind an accepted award must not make us
 * give that award up. */
#include <string.h>

#include "broker/core/state.h"

void core_hello_again(struct td_core *c, const struct td_input *in, const char *why)
{
    struct td_refused r = {.code = TD_E_OK, .text = why, .hello_again = true};
    core_reply(c, in, TD_MSG_REFUSED, &r);
}

static const struct td_running *listed(const struct td_hello *m, const struct core_part *p)
{
    for (uint32_t i = 0; i < m->running.n; i++) {
        if (m->running.v[i].job == p->job->id && m->running.v[i].attempt == p->job->attempt)
            return &m->running.v[i];
    }
    return NULL;
}

/* Another boot id means that nothing of it lives any more. How an attempt ended before that counts all
 * the same: what is listed as exited comes from the shepherd's spool, and its report is on the way. */
static bool survives(const struct td_hello *m, const struct core_part *p, bool rebooted)
{
    const struct td_running *r = listed(m, p);
    if (rebooted)
        return r && r->exited;
    return r || p->state == TD_ALLOC_AWARDED;
}

/* Of one folder on one boot of a host, which one worker locks at a time. */
static bool same_home(const char *a, const char *b)
{
    size_t len = a && b ? strcspn(a, "/") : 0;
    return len && a[len] == '/' && strncmp(a, b, len + 1) == 0;
}

/* A worker process that was restarted is the same node if it knows what the last one was told. A boot id of its own says
 * that the shepherd was restarted too, or that somebody has a copy of the folder: then it must be the same one. */
static bool proves_itself(const struct core_node *n, const struct td_hello *m)
{
    if (m->incarnation == n->incarnation && same_home(n->instance, m->instance))
        return true;
    if (!td_str_equal(n->boot_id, m->boot_id))
        return false;
    if (m->incarnation == n->incarnation)
        return true;
    if (m->incarnation || n->nparts == 0)
        return false;
    for (const struct core_part *p = n->parts; p; p = p->next) {
        if (p->state != TD_ALLOC_AWARDED && !listed(m, p))
            return false;
    }
    return m->running.n > 0;
}

/* A HELLO from before its present registration, or from before something it said since. */
static bool is_stale(const struct core_node *n, const struct td_hello *m)
{
    if (!n->greeted || !td_str_equal(n->instance, m->instance))
        return false;
    return (n->confirmed && m->incarnation < n->incarnation) || m->node_version < n->node_version;
}

static int admit(struct td_core *c, const struct td_input *in, const struct td_hello *m,
                 struct core_node *n, struct td_error *err)
{
    if (m->version < TD_PROTOCOL_VERSION_MIN || m->version > TD_PROTOCOL_VERSION)
        return td_fail(err, TD_E_VERSION, "%s: %u, this broker speaks %u to %u",
                       td_error_words(TD_E_VERSION), m->version, TD_PROTOCOL_VERSION_MIN,
                       TD_PROTOCOL_VERSION);
    if (!td_str_empty(m->node) && !td_str_equal(m->node, in->node))
        return td_fail(err, TD_E_DENIED, "the key is good for node %s, not for %s", in->node,
                       m->node);
    if (!n || (!n->conf && n->incarnation == 0)) {
        if (!c->settings.elastic)
            return td_fail(
                err, TD_E_INVALID_NODE,
                "node %s is in no NodeName line, and nodes may not just join (Elastic=no)",
                in->node);
        if (c->nodes.n >= TD_MAX_NODES)
            return td_fail(err, TD_E_TOO_BIG, "the cluster has %u nodes, the most it may have",
                           c->nodes.n);
        return 0;
    }
    /* With a fence the jobs of the worker before may live until the node is LOST. */
    bool fence = c->settings.node_fence && n->nparts;
    int64_t until = fence ? core_node_lost_at(c, n) : n->lease_until_ms;
    bool live = (n->greeted || fence) && (n->state == TD_NODE_UP || n->state == TD_NODE_SUSPECT) &&
                c->now_ms < until;
    if (live && !td_str_equal(n->instance, m->instance) && !proves_itself(n, m)) {
        long long left = (until - c->now_ms + 999) / 1000;
        return td_fail(
            err, TD_E_NODE_CLAIMED,
            "%s: %s; if that worker is gone, its lease ends in %lld s and you may try again",
            td_error_words(TD_E_NODE_CLAIMED), n->name, left);
    }
    return 0;
}

/* Attempts that died with the boot, or that it no longer knows. */
static void lose_what_is_gone(struct td_core *c, struct core_node *n, const struct td_hello *m,
                              bool rebooted)
{
    struct core_part **parts;
    uint32_t k = core_node_parts(c, n, &parts);
    for (uint32_t i = 0; i < k; i++) {
        struct core_part *p = parts[i];
        if (p->state == TD_ALLOC_GONE)
            continue; /* went with a part before it */
        if (!survives(m, p, rebooted)) {
            core_node_lose_part(c, p, true);
            continue;
        }
        p->backoff_ms = 0;
        p->sent = false;
        core_part_due(c, p, c->now_ms); /* awards and kills go again at once */
    }
}

static void compare_steps(struct td_core *c, struct core_node *n, const struct td_hello *m,
                          bool registers)
{
    struct core_part **parts;
    uint32_t k = core_node_parts(c, n, &parts);
    for (uint32_t i = 0; i < k; i++) {
        const struct td_running *is = listed(m, parts[i]);
        if (is)
            core_steps_hello(c, parts[i], is, registers);
    }
}

static bool is_ours(const struct td_core *c, const struct core_node *n, uint32_t job,
                    uint32_t attempt)
{
    const struct core_job *j = core_job_find(c, job);
    if (!j || j->attempt != attempt)
        return false;
    const struct core_part *p = core_job_part(j, n);
    return p && p->state != TD_ALLOC_GONE;
}

static void welcome(struct td_core *c, const struct td_input *in, struct core_node *n,
                    const struct td_hello *m)
{
    struct td_attempt_ref *kills = td_arena_alloc(&c->wake, (m->running.n + 1) * sizeof(*kills));
    uint32_t nkills = 0;
    for (uint32_t i = 0; i < m->running.n; i++) {
        const struct td_running *r = &m->running.v[i];
        if (!is_ours(c, n, r->job, r->attempt))
            kills[nkills++] = (struct td_attempt_ref){r->job, r->attempt};
    }
    const char **topics = td_arena_alloc(&c->wake, (n->in.n + 1) * sizeof(*topics));
    const char **partitions = td_arena_alloc(&c->wake, (n->in.n + 1) * sizeof(*partitions));
    for (uint32_t i = 0; i < n->in.n; i++) {
        struct td_buf b = {0};
        core_node_topic(c, &n->in.v[i], &b);
        topics[i] = td_arena_strdup(&c->wake, td_buf_str(&b));
        partitions[i] = c->partitions.v[n->in.v[i].partition]->name;
        td_buf_release(&b);
    }
    struct td_welcome w = {
        .epoch = c->epoch,
        .incarnation = n->incarnation,
        .topics = {topics, n->in.n},
        .lease_ms = core_node_lease_ms(c),
        .kill_wait_s = c->settings.kill_wait_s,
        .kills = {kills, nkills},
        .core_is_unit = c->settings.core_is_unit,
        .memory_counts = c->settings.memory_counts,
        .partitions = {partitions, n->in.n},
        .cluster = c->settings.cluster,
        .fence_ms = core_node_fence_ms(c),
        .at_ms = m->at_ms,
    };
    if (n->conf)
        w.conf = *n->conf;
    core_reply(c, in, TD_MSG_WELCOME, &w);
}

/* Slurm's ReturnToService: 0 = stays down until resumed, 1 = comes back when it was only silent, 2
 * = always. Nodes that just join (elastic) always come back: there may be nobody to resume them. */
static void marks_on_return(struct td_core *c, struct core_node *n, const struct td_hello *m,
                            uint32_t state_was, bool rebooted)
{
    bool down = n->down;
    const char *reason = n->reason;
    bool strict = n->conf && !c->settings.elastic;
    if (strict && c->settings.return_to_service == 0 && state_was == TD_NODE_LOST) {
        down = true;
        reason = "Not responding";
    } else if (strict && c->settings.return_to_service < 2 && rebooted &&
               state_was != TD_NODE_LEFT && state_was != TD_NODE_LOST && m->inventory.boot_ms &&
               n->inv && m->inventory.boot_ms != n->inv->boot_ms) {
        down = true;
        reason = "Node unexpectedly rebooted";
    } else if (!n->down && !n->drain && !m->draining) {
        reason = NULL;
    }
    if (m->draining && !n->worker_drain && !n->drain && !n->down)
        reason = "the worker is being stopped";
    core_node_change(c, n, TD_NODE_UP, n->drain, down, m->draining, reason, n->reason_uid);
}

static void forget_soft(struct core_node *n, const struct td_input *in, const struct td_hello *m)
{
    n->peer = in->peer;
    n->greeted = true;
    n->confirmed = false;
    n->probed = false;
    n->node_version = m->node_version;
    n->retry_ms = 0;
    n->taken.n = 0;
    n->gap_base = 0;
    n->strays.n = 0;
    n->nblobs = 0;
}

void core_hello(struct td_core *c, const struct td_input *in, const struct td_hello *m)
{
    struct core_node *n = core_node_find(c, in->node);
    struct td_error err = {0};
    if (admit(c, in, m, n, &err) < 0) {
        if (err.code != TD_E_DENIED && err.code != TD_E_NODE_CLAIMED) /* those are told where they are refused */
            core_audit_refused(c, in, 0, err.text);
        core_refuse_error(c, in, &err);
        return;
    }
    if (n && is_stale(n, m)) {
        c->counters.ignored++;
        return;
    }
    bool known = n && n->incarnation > 0;
    bool rebooted = known && !td_str_equal(n->boot_id, m->boot_id);
    uint32_t state_was = n ? n->state : TD_NODE_UNKNOWN;
    bool boot_ms_changed = rebooted;
    bool same = known && n->greeted && n->state == TD_NODE_UP && !rebooted &&
                td_str_equal(n->instance, m->instance) && m->incarnation == n->incarnation &&
                td_record_equal(&td_rec_inventory, n->inv, &m->inventory);
    if (n)
        core_round_forget_node(c, n);
    if (!same) {
        struct td_ev_node_registered ev = {
            .node = in->node,
            .incarnation = TD_MAX(known ? n->incarnation : 0, m->incarnation) + 1,
            .boot_id = m->boot_id,
            .inventory = m->inventory,
            .instance = m->instance,
        };
        const char *lacked = known ? core_node_shortage(c, n) : NULL;
        if (known)
            lose_what_is_gone(c, n, m, rebooted);
        /* Marks look at the inventory it had before. */
        if (known)
            marks_on_return(c, n, m, state_was, boot_ms_changed);
        core_emit(c, TD_EV_NODE_REGISTERED, &ev);
        n = core_node_find(c, in->node);
        forget_soft(n, in, m);
        if (!known && m->draining)
            core_node_change(c, n, TD_NODE_UP, n->drain, n->down, true,
                             "the worker is being stopped", 0);
        core_node_judge(c, n, lacked);
        core_node_set_usable(c, n);
        core_probe_want(c);
    } else {
        n->peer = in->peer;
        lose_what_is_gone(c, n, m, false);
        core_node_change(c, n, n->state, n->drain, n->down, m->draining, n->reason, n->reason_uid);
        core_worker_version(c, n, m->node_version);
        if (!n->probed)
            core_probe_want(c);
    }
    n->fences = m->at_ms > 0;
    n->heard_ms = c->now_ms;
    n->lease_until_ms = c->now_ms + core_node_lease_ms(c);
    core_sooner(&c->leases_next_ms, n->lease_until_ms);
    compare_steps(c, n, m, !same);
    welcome(c, in, n, m);
}
