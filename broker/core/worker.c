/* worker.c - what workers say, other than HELLO and REPORT */
#include "broker/core/state.h"

static uint32_t incarnation_of(const struct td_input *in)
{
    switch ((enum td_msg_id)in->id) {
    case TD_MSG_HEARTBEAT:
        return ((const struct td_heartbeat *)in->body)->incarnation;
    case TD_MSG_PROBE_ECHO:
        return ((const struct td_probe_echo *)in->body)->incarnation;
    case TD_MSG_BID:
        return ((const struct td_bid *)in->body)->incarnation;
    case TD_MSG_REPORT:
        return ((const struct td_report_batch *)in->body)->incarnation;
    case TD_MSG_DRAIN:
        return ((const struct td_drain *)in->body)->incarnation;
    case TD_MSG_BYE:
        return ((const struct td_bye *)in->body)->incarnation;
    default:
        return 0;
    }
}

static void heard(struct td_core *c, struct core_node *n, const struct td_input *in)
{
    n->peer = in->peer;
    n->confirmed = true;
    n->heard_ms = c->now_ms;
    n->lease_until_ms = c->now_ms + core_node_lease_ms(c);
    core_sooner(&c->leases_next_ms, n->lease_until_ms);
    if (n->state == TD_NODE_SUSPECT)
        core_node_change(c, n, TD_NODE_UP, n->drain, n->down, n->worker_drain, n->reason,
                         n->reason_uid);
}

/* Its picture of itself moved: what it refused before it may take now. */
void core_worker_version(struct td_core *c, struct core_node *n, uint64_t version)
{
    if (version <= n->node_version)
        return;
    n->node_version = version;
    core_node_forget_refusals(c, n);
}

static void drain(struct td_core *c, struct core_node *n, const struct td_drain *m)
{
    const char *reason = n->reason;
    if (!n->drain && !n->down)
        reason = m->draining ? (td_str_empty(m->reason) ? "the worker is being stopped" : m->reason)
                             : NULL;
    core_node_change(c, n, n->state, n->drain, n->down, m->draining, reason, 0);
}

static void echo(struct td_core *c, struct core_node *n)
{
    if (n->probed)
        return;
    n->probed = true;
    c->dirty = true; /* from here on its bids are expected */
}

void core_worker_bye(struct td_core *c, struct core_node *n)
{
    if (!core_node_may(c, n, TD_NODE_IN_BYE))
        return;
    core_node_change(c, n, TD_NODE_LEFT, n->drain, n->down, n->worker_drain, n->reason,
                     n->reason_uid);
    n->greeted = n->probed = false;
    core_round_forget_node(c, n);
    core_node_set_usable(c, n);
}

void core_worker(struct td_core *c, const struct td_input *in)
{
    const struct td_msg_row *row = td_msg_row(in->id);
    if (!row || row->right != TD_RIGHT_WORKER || td_str_empty(in->node)) {
        core_refuse(c, in, TD_E_DENIED, "%s: message %u is not a worker's",
                    td_error_words(TD_E_DENIED), in->id);
        return;
    }
    if (in->id == TD_MSG_HELLO) {
        core_hello(c, in, in->body);
        return;
    }
    struct core_node *n = core_node_find(c, in->node);
    if (!n || !n->greeted || n->incarnation != incarnation_of(in)) {
        c->counters.rejected++;
        core_hello_again(c, in,
                         !n || !n->greeted ? "this broker has not heard your HELLO"
                                           : "that registration is over");
        return;
    }
    if (!core_node_may(c, n, TD_NODE_IN_HEARD)) {
        core_hello_again(c, in, "this node was given up: its jobs may have been requeued");
        return;
    }
    heard(c, n, in);
    switch ((enum td_msg_id)in->id) {
    case TD_MSG_HEARTBEAT: {
        const struct td_heartbeat *m = in->body;
        if (m->epoch != c->epoch) {
            core_hello_again(c, in, "the broker has begun another reign");
            return;
        }
        struct td_heartbeat_ack ack = {
            .epoch = c->epoch, .acked = n->acked, .at_ms = m->at_ms};
        core_reply(c, in, TD_MSG_HEARTBEAT_ACK, &ack);
        return;
    }
    case TD_MSG_PROBE_ECHO:
        echo(c, n);
        return;
    case TD_MSG_BID:
        echo(c, n); /* who bids has heard an offer */
        core_worker_version(c, n, ((const struct td_bid *)in->body)->node_version);
        core_round_bid(c, n, in->body);
        return;
    case TD_MSG_REPORT:
        core_report(c, n, in->body);
        return;
    case TD_MSG_DRAIN:
        drain(c, n, in->body);
        return;
    case TD_MSG_BYE:
        core_worker_bye(c, n);
        return;
    default:
        core_refuse(c, in, TD_E_UNKNOWN_MESSAGE, "the broker's core does not take %s", row->name);
        return;
    }
}
