/* agent.c - a worker's mind: registration, rounds, leases, drain
 *
 *   BLIND --SH_STATE--> GREETING --WELCOME--> REGISTERED --silence--> RECONNECTING --jitter--> GREETING
 *                          ^  |                    |--a new connection, jitter--> (WAITING) --> GREETING
 *                          |  +--REFUSED for now---+--another epoch--> (WAITING) --> GREETING
 *                          +--retry
 *   any --REFUSED for good, or left after a drain--> OVER
 *
 * Jobs, awards and reports are in agent_jobs.c. Timers run on TICK alone, which the shell sends after it has read all
 * that waits: silence is never concluded over unread messages (DESIGN law 10). */
#include "worker/core/mind.h"

#define LEASE_MS_DEFAULT 10000u /* until the first WELCOME */
#define HELLO_WAIT_FIRST_MS 1000u
#define HELLO_WAIT_LAST_MS 10000u
#define CLAIMED_WAIT_MS 2000u   /* a second live claimant asks again this often, or less */
#define HERD_MS 100u            /* all workers hear of a new reign, or reach a new broker, at once and spread over this */
#define RECONNECT_SPREAD_MS 2000u

static const char *const state_names[AGENT_STATE_COUNT] = {
    [AGENT_BLIND] = "BLIND",     [AGENT_GREETING] = "GREETING",         [AGENT_REGISTERED] = "REGISTERED",
    [AGENT_WAITING] = "WAITING", [AGENT_RECONNECTING] = "RECONNECTING", [AGENT_OVER] = "OVER",
};

struct td_agent *td_agent_new(const struct td_agent_conf *conf, const struct td_inventory *inv)
{
    struct td_agent *g = td_alloc(sizeof(*g));

    g->name = td_strdup(conf->node);
    g->instance = td_strdup(conf->instance ? conf->instance : "");
    g->boot_id = td_strdup(conf->boot_id ? conf->boot_id : "");
    g->rng.state = conf->seed;
    g->node = td_node_new();
    g->hello_wait_ms = HELLO_WAIT_FIRST_MS;
    td_node_set(g->node, g->name, inv, false, false);
    td_node_set_health(g->node, 0); /* until the shepherd is there */
    return g;
}

static void forget_topics(struct td_agent *g)
{
    for (uint32_t i = 0; i < g->topics.n; i++)
        td_free(g->topics.v[i]);
    g->topics.n = 0;
}

void td_agent_destroy(struct td_agent **p)
{
    struct td_agent *g = *p;

    if (!g)
        return;
    td_attempts_release(&g->attempts);
    td_outbox_release(&g->outbox);
    td_vec_release(&g->loose);
    forget_topics(g);
    td_vec_release(&g->topics);
    td_vec_release(&g->effects);
    td_arena_release(&g->welcome_arena);
    td_arena_release(&g->step);
    td_node_destroy(&g->node);
    td_free(g->name);
    td_free(g->instance);
    td_free(g->boot_id);
    td_free(g->no_launch);
    td_free(g);
    *p = NULL;
}

const struct td_agent_effect *td_agent_effects(const struct td_agent *g, uint32_t *ret_n)
{
    *ret_n = g->effects.n;
    return g->effects.v;
}

const struct td_node *td_agent_node(const struct td_agent *g)
{
    return g->node;
}

bool td_agent_registered(const struct td_agent *g)
{
    return g->state == AGENT_REGISTERED;
}

const struct td_welcome *td_agent_welcome(const struct td_agent *g)
{
    return g->welcomed ? &g->welcome : NULL;
}

/* --- effects ----------------------------------------------------------------------------------------------------- */

void agent_effect(struct td_agent *g, enum td_agent_effect_kind kind, uint32_t id, const void *body)
{
    td_vec_push(&g->effects, ((struct td_agent_effect){.kind = kind, .id = id, .body = body}));
}

static const void *message_body(struct td_agent *g, uint32_t id, const void *body)
{
    const struct td_msg_row *row = td_msg_row(id);

    TD_ASSERT(row);
    return td_arena_dup(&g->step, body, row->record->size);
}

void agent_send(struct td_agent *g, uint32_t id, const void *body)
{
    agent_effect(g, TD_AGENT_SEND, id, message_body(g, id, body));
}

void agent_to_shepherd(struct td_agent *g, uint32_t id, const void *body)
{
    agent_effect(g, TD_AGENT_TO_SHEPHERD, id, message_body(g, id, body));
}

void agent_log_text(struct td_agent *g, const char *text)
{
    agent_effect(g, TD_AGENT_LOG, 0, td_arena_strdup(&g->step, text));
}

static void go(struct td_agent *g, enum agent_state state, const char *why)
{
    if (g->state != state)
        agent_log(g, "info node=%s %s->%s %s", g->name, state_names[g->state], state_names[state], why);
    g->state = state;
}

/* --- registration ------------------------------------------------------------------------------------------------ */

static uint32_t lease_ms(const struct td_agent *g)
{
    return g->welcomed && g->welcome.lease_ms > 0 ? g->welcome.lease_ms : LEASE_MS_DEFAULT;
}

/* --- the fence ----------------------------------------------------------------------------------------------------- */

/* DESIGN section 8: with NodeFence=kill the shepherd ends fenced attempts by itself unless it is told otherwise in time; so it
 * does without a worker, too. */
static void tell_fence(struct td_agent *g)
{
    int64_t until = g->welcomed && g->welcome.fence_ms ? g->answered_ms + g->welcome.fence_ms : 0;

    if (!g->welcomed || until == g->fence_ms || !agent_shepherd_ready(g))
        return;
    g->fence_ms = until;
    agent_to_shepherd(g, TD_MSG_SH_LEASE, &(struct td_sh_lease){.until_ms = until, .kill_wait_s = g->welcome.kill_wait_s});
}

/* What was said at at_ms has reached the broker: the node is not LOST before SlurmdTimeout from then. What the broker says by
 * itself proves nothing of the kind. */
static void answered(struct td_agent *g, int64_t at_ms)
{
    if (at_ms <= g->now_ms)
        g->answered_ms = TD_MAX(g->answered_ms, at_ms);
    tell_fence(g);
}

static int64_t jitter(struct td_agent *g, uint32_t below_ms)
{
    return below_ms > 0 ? td_rng_below(&g->rng, below_ms) : 0;
}

static void say_hello(struct td_agent *g, const char *why)
{
    struct td_hello m = {
        .version = TD_PROTOCOL_VERSION,
        .node = g->name,
        .boot_id = g->boot_id,
        .incarnation = g->welcomed ? g->welcome.incarnation : 0,
        .inventory = *td_node_inventory(g->node),
        .running = agent_running(g),
        .node_version = td_node_version(g->node),
        .draining = g->draining,
        .instance = g->instance,
        .at_ms = g->now_ms,
    };

    if (g->state != AGENT_GREETING)
        g->heard_ms = g->now_ms; /* a fresh chance: silence is counted from here */
    go(g, AGENT_GREETING, why);
    agent_send(g, TD_MSG_HELLO, &m);
    g->due_ms = g->now_ms + g->hello_wait_ms + jitter(g, g->hello_wait_ms / 2);
    g->hello_wait_ms = TD_MIN(2 * g->hello_wait_ms, HELLO_WAIT_LAST_MS);
}

static void wait_to_greet(struct td_agent *g, int64_t ms, const char *why)
{
    go(g, AGENT_WAITING, why);
    g->due_ms = g->now_ms + ms;
}

static bool topic_listed(struct td_strs list, const char *topic)
{
    for (uint32_t i = 0; i < list.n; i++)
        if (td_str_equal(list.v[i], topic))
            return true;
    return false;
}

static void topic_effect(struct td_agent *g, enum td_agent_effect_kind kind, const char *topic)
{
    td_vec_push(&g->effects, ((struct td_agent_effect){.kind = kind, .topic = td_arena_strdup(&g->step, topic)}));
}

static void set_topics(struct td_agent *g, struct td_strs want)
{
    for (uint32_t i = g->topics.n; i-- > 0;) {
        if (topic_listed(want, g->topics.v[i]))
            continue;
        topic_effect(g, TD_AGENT_UNSUBSCRIBE, g->topics.v[i]);
        td_free(g->topics.v[i]);
        g->topics.v[i] = g->topics.v[--g->topics.n];
    }
    for (uint32_t i = 0; i < want.n; i++) {
        if (topic_listed((struct td_strs){(const char *const *)g->topics.v, g->topics.n}, want.v[i]))
            continue;
        topic_effect(g, TD_AGENT_SUBSCRIBE, want.v[i]);
        td_vec_push(&g->topics, td_strdup(want.v[i]));
    }
}

static void on_welcome(struct td_agent *g, const struct td_welcome *m)
{
    if (g->state != AGENT_GREETING && g->state != AGENT_REGISTERED)
        return;
    if (g->welcomed && (m->epoch < g->welcome.epoch || (m->epoch == g->welcome.epoch && m->incarnation < g->welcome.incarnation)))
        return; /* late */
    bool again = g->state == AGENT_REGISTERED && m->epoch == g->welcome.epoch && m->incarnation == g->welcome.incarnation;
    struct td_arena old = g->welcome_arena;
    g->welcome_arena = (struct td_arena){0};
    td_record_copy(&g->welcome_arena, &td_rec_welcome, m, &g->welcome);
    td_arena_release(&old);
    g->welcomed = true;
    g->hello_wait_ms = HELLO_WAIT_FIRST_MS;
    g->heartbeat_ms = g->now_ms + lease_ms(g) / 3;
    answered(g, m->at_ms);
    set_topics(g, g->welcome.topics);
    if (again)
        return;
    td_node_set(g->node, g->name, td_node_inventory(g->node), m->core_is_unit, m->memory_counts);
    td_node_set_partitions(g->node, m->partitions);
    go(g, AGENT_REGISTERED, "welcome");
    agent_log(g, "info node=%s registered epoch=%llu incarnation=%u", g->name, (unsigned long long)m->epoch, m->incarnation);
    for (uint32_t i = 0; i < m->kills.n; i++)
        agent_kill_one(g, &(struct td_kill){.job = m->kills.v[i].job, .attempt = m->kills.v[i].attempt});
    g->outbox.wait_ms = 0;
    agent_send_reports(g, true);
    if (g->draining)
        agent_send(g, TD_MSG_DRAIN, &(struct td_drain){.incarnation = m->incarnation, .draining = true, .reason = "the worker is leaving"});
}

static bool refusal_passes(uint32_t code)
{
    return code == TD_E_NODE_CLAIMED || code == TD_E_BUSY || code == TD_E_NO_SPACE || code == TD_E_JOURNAL || code == TD_E_DEPOSED;
}

static void on_refused(struct td_agent *g, const struct td_refused *m)
{
    const char *words = td_str_empty(m->text) ? td_error_words((int)m->code) : m->text;

    if (m->hello_again) {
        if (g->state == AGENT_REGISTERED)
            say_hello(g, td_str_empty(m->text) ? "asked to say hello again" : m->text);
        return; /* otherwise a HELLO is on its way or due */
    }
    if (g->state != AGENT_GREETING)
        return; /* about an earlier one */
    if (refusal_passes(m->code)) {
        agent_log(g, "warn node=%s refused for now: %s", g->name, words);
        g->hello_wait_ms = TD_MAX(g->hello_wait_ms, CLAIMED_WAIT_MS);
        wait_to_greet(g, g->hello_wait_ms + jitter(g, g->hello_wait_ms / 2), "refused for now");
        g->hello_wait_ms = TD_MIN(2 * g->hello_wait_ms, HELLO_WAIT_LAST_MS);
        return;
    }
    go(g, AGENT_OVER, "refused for good");
    agent_effect(g, TD_AGENT_EXIT, 0, td_arena_strdup(&g->step, words ? words : "refused by the broker"));
}

/* An administrator has deleted this node, on which nothing ran. Late ones are about a registration that is over. */
static void on_leave(struct td_agent *g, const struct td_leave *m)
{
    if (g->state != AGENT_REGISTERED || m->incarnation != g->welcome.incarnation)
        return;
    agent_log(g, "warn node=%s was deleted from the cluster: its worker ends; with a token it may join again", g->name);
    go(g, AGENT_OVER, "deleted");
    agent_effect(g, TD_AGENT_LEAVE, 0, NULL);
}

/* --- rounds ------------------------------------------------------------------------------------------------------ */

/* Is this of the reign we are registered in? A newer one makes us register again. */
static bool epoch_is_ours(struct td_agent *g, uint64_t epoch, uint32_t spread_ms)
{
    if (g->state != AGENT_REGISTERED || epoch < g->welcome.epoch)
        return false;
    if (epoch == g->welcome.epoch)
        return true;
    if (spread_ms > 0)
        wait_to_greet(g, jitter(g, spread_ms), "a new reign");
    else
        say_hello(g, "a new reign");
    return false;
}

static void on_offer(struct td_agent *g, const struct td_offer *m)
{
    if (!epoch_is_ours(g, m->epoch, HERD_MS))
        return;
    struct td_lot_bid *lots = td_arena_alloc(&g->step, (m->lots.n + 1) * sizeof(*lots));
    td_node_bid(g->node, m->lots.v, m->lots.n, &g->step, lots);
    struct td_bid bid = {
        .epoch = m->epoch,
        .round = m->round,
        .incarnation = g->welcome.incarnation,
        .node_version = td_node_version(g->node),
        .lots = {lots, m->lots.n},
    };
    agent_send(g, TD_MSG_BID, &bid);
}

static void on_probe(struct td_agent *g, const struct td_probe *m)
{
    if (epoch_is_ours(g, m->epoch, HERD_MS))
        agent_send(g, TD_MSG_PROBE_ECHO, &(struct td_probe_echo){.incarnation = g->welcome.incarnation, .no = m->no});
}

static void on_heartbeat_ack(struct td_agent *g, const struct td_heartbeat_ack *m)
{
    if (!epoch_is_ours(g, m->epoch, 0))
        return;
    answered(g, m->at_ms);
    agent_acked(g, m->acked);
}

/* DESIGN §11: after any doubt a worker says hello again. A broker that came back knows nobody until then. */
static void on_link_up(struct td_agent *g)
{
    switch (g->state) {
    case AGENT_REGISTERED:
        wait_to_greet(g, jitter(g, HERD_MS), "the connection is a new one");
        return;
    case AGENT_GREETING: /* the HELLO may have gone with the old one */
    case AGENT_WAITING:  /* whoever turned it down may be gone */
        g->due_ms = TD_MIN(g->due_ms, g->now_ms + jitter(g, HERD_MS));
        return;
    case AGENT_RECONNECTING: /* dials anew in a moment */
    case AGENT_BLIND:
    case AGENT_OVER:
    case AGENT_STATE_COUNT:
        return;
    }
}

static void on_bus(struct td_agent *g, uint32_t id, const void *body)
{
    g->heard_ms = g->now_ms;
    switch (id) {
    case TD_MSG_WELCOME:
        on_welcome(g, body);
        return;
    case TD_MSG_REFUSED:
        on_refused(g, body);
        return;
    case TD_MSG_LEAVE:
        on_leave(g, body);
        return;
    case TD_MSG_HEARTBEAT_ACK:
        on_heartbeat_ack(g, body);
        return;
    case TD_MSG_PROBE:
        on_probe(g, body);
        return;
    case TD_MSG_OFFER:
        on_offer(g, body);
        return;
    case TD_MSG_AWARD:
        agent_award(g, body);
        return;
    case TD_MSG_KILL:
        agent_kill(g, body);
        return;
    case TD_MSG_STEP_START:
        agent_step_start(g, body);
        return;
    case TD_MSG_REPORT_ACK:
        if (g->state == AGENT_REGISTERED)
            agent_acked(g, ((const struct td_report_ack *)body)->acked);
        return;
    case TD_MSG_BLOB: /* between the shell's cache and the broker */
    case TD_MSG_ENROLLED:
        return;
    case TD_MSG_ERROR:
        agent_log(g, "warn node=%s the broker refused a message: %s", g->name, ((const struct td_error_reply *)body)->text);
        return;
    default:
        agent_log(g, "warn node=%s unexpected message %s of the broker ignored", g->name, td_msg_name(id) ? td_msg_name(id) : "?");
        return;
    }
}

/* --- what launches need ------------------------------------------------------------------------------------------ */

static void set_health(struct td_agent *g)
{
    td_node_set_health(g->node, g->shepherd == SHEPHERD_READY && !g->no_launch ? 1000 : 0);
}

static void on_launches(struct td_agent *g, const char *why)
{
    if (why && !td_str_equal(why, g->no_launch))
        agent_log(g, "error node=%s takes no new work: %s", g->name, why);
    else if (!why && g->no_launch)
        agent_log(g, "info node=%s takes work again", g->name);
    char *now = why ? td_strdup(why) : NULL;
    td_free(g->no_launch);
    g->no_launch = now;
    set_health(g);
}

/* --- the shepherd ------------------------------------------------------------------------------------------------ */

static void on_shepherd_up(struct td_agent *g)
{
    g->shepherd = SHEPHERD_ASKED;
    agent_to_shepherd(g, TD_MSG_SH_HELLO, &(struct td_sh_hello){.version = TD_PROTOCOL_VERSION, .acked = g->outbox.acked});
}

static void on_shepherd_lost(struct td_agent *g)
{
    if (g->shepherd == SHEPHERD_DOWN)
        return;
    g->shepherd = SHEPHERD_DOWN;
    set_health(g);
    agent_log(g, "error node=%s the shepherd is away: no new work until it is back", g->name);
}

static void on_sh_state(struct td_agent *g, const struct td_sh_state *m)
{
    bool same_boot = td_str_empty(m->boot_id) || td_str_equal(m->boot_id, g->boot_id);

    if (!same_boot) {
        td_free(g->boot_id);
        g->boot_id = td_strdup(m->boot_id);
    }
    g->shepherd = SHEPHERD_READY;
    g->fence_ms = m->fence_ms;
    tell_fence(g); /* before it is given anything to start */
    set_health(g);
    agent_adopt(g, m, same_boot || g->state == AGENT_BLIND);
    if (g->state == AGENT_BLIND)
        say_hello(g, "what runs here is known");
    else if (!same_boot && (g->state == AGENT_REGISTERED || g->state == AGENT_GREETING))
        say_hello(g, "another boot: earlier attempts are dead");
}

static void on_shepherd(struct td_agent *g, uint32_t id, const void *body)
{
    if (id == TD_MSG_SH_STATE)
        on_sh_state(g, body);
    else if (id == TD_MSG_SH_STATUS)
        agent_status(g, body);
    else
        agent_log(g, "warn node=%s unexpected message %s of the shepherd ignored", g->name, td_msg_name(id) ? td_msg_name(id) : "?");
}

/* --- time -------------------------------------------------------------------------------------------------------- */

static void on_silence(struct td_agent *g)
{
    agent_log(g, "warn node=%s no word of the broker for %llu ms", g->name, (unsigned long long)(g->now_ms - g->heard_ms));
    go(g, AGENT_RECONNECTING, "lease is over");
    g->due_ms = g->now_ms + jitter(g, TD_MIN(lease_ms(g) / 4, RECONNECT_SPREAD_MS));
}

static int64_t silent_at(const struct td_agent *g)
{
    uint32_t lease = g->state == AGENT_GREETING ? TD_MAX(lease_ms(g), LEASE_MS_DEFAULT) : lease_ms(g);

    return g->heard_ms + lease;
}

static void on_tick(struct td_agent *g)
{
    switch (g->state) {
    case AGENT_REGISTERED:
        if (g->now_ms >= silent_at(g)) {
            on_silence(g);
            return;
        }
        if (g->now_ms >= g->heartbeat_ms) {
            g->heartbeat_ms = g->now_ms + lease_ms(g) / 3;
            agent_send(g, TD_MSG_HEARTBEAT, &(struct td_heartbeat){.incarnation = g->welcome.incarnation, .epoch = g->welcome.epoch, .at_ms = g->now_ms});
        }
        if (g->outbox.v.n > 0 && g->now_ms >= g->outbox.resend_ms)
            agent_send_reports(g, true);
        return;
    case AGENT_GREETING:
        if (g->now_ms >= silent_at(g))
            on_silence(g);
        else if (g->now_ms >= g->due_ms)
            say_hello(g, "again");
        return;
    case AGENT_WAITING:
        if (g->now_ms >= g->due_ms)
            say_hello(g, "time to");
        return;
    case AGENT_RECONNECTING:
        if (g->now_ms < g->due_ms)
            return;
        forget_topics(g); /* new sockets know none */
        agent_effect(g, TD_AGENT_RECONNECT, 0, NULL);
        say_hello(g, "reconnected");
        return;
    case AGENT_BLIND:
    case AGENT_OVER:
    case AGENT_STATE_COUNT:
        return;
    }
}

int64_t td_agent_deadline(const struct td_agent *g)
{
    switch (g->state) {
    case AGENT_REGISTERED: {
        int64_t at = TD_MIN(silent_at(g), g->heartbeat_ms);
        return g->outbox.v.n > 0 ? TD_MIN(at, g->outbox.resend_ms) : at;
    }
    case AGENT_GREETING:
        return TD_MIN(silent_at(g), g->due_ms);
    case AGENT_WAITING:
    case AGENT_RECONNECTING:
        return g->due_ms;
    case AGENT_BLIND:
    case AGENT_OVER:
    case AGENT_STATE_COUNT:
        break;
    }
    return INT64_MAX;
}

/* --- drain ------------------------------------------------------------------------------------------------------- */

static void on_drain(struct td_agent *g)
{
    if (g->draining)
        return;
    g->draining = true;
    td_node_set_draining(g->node, true);
    if (g->state == AGENT_REGISTERED)
        agent_send(g, TD_MSG_DRAIN,
                   &(struct td_drain){.incarnation = g->welcome.incarnation, .draining = true, .reason = "the worker is leaving"});
}

/* Reports wait for their acknowledgement only while there is a broker to give it; the spool keeps them otherwise. */
static void leave_if_empty(struct td_agent *g)
{
    if (!g->draining || g->state == AGENT_OVER || td_node_held(g->node) > 0 || g->attempts.launching > 0)
        return;
    if (g->state == AGENT_REGISTERED) {
        if (g->outbox.v.n > 0)
            return;
        agent_send(g, TD_MSG_BYE, &(struct td_bye){.incarnation = g->welcome.incarnation});
    }
    go(g, AGENT_OVER, "drained");
    agent_effect(g, TD_AGENT_LEAVE, 0, NULL);
}

static void on_inventory(struct td_agent *g, const struct td_inventory *inv)
{
    td_node_set(g->node, g->name, inv, g->welcomed && g->welcome.core_is_unit, g->welcomed && g->welcome.memory_counts);
    if (g->state == AGENT_REGISTERED || g->state == AGENT_GREETING)
        say_hello(g, "the inventory changed");
}

void td_agent_step(struct td_agent *g, int64_t now_ms, const struct td_agent_input *in)
{
    td_arena_reset(&g->step);
    g->effects.n = 0;
    g->now_ms = now_ms;
    if (g->state == AGENT_OVER)
        return;
    switch (in->kind) {
    case TD_AGENT_BUS:
        on_bus(g, in->id, in->body);
        break;
    case TD_AGENT_SHEPHERD:
        on_shepherd(g, in->id, in->body);
        break;
    case TD_AGENT_SHEPHERD_UP:
        on_shepherd_up(g);
        break;
    case TD_AGENT_SHEPHERD_LOST:
        on_shepherd_lost(g);
        break;
    case TD_AGENT_LINK_NEW:
        forget_topics(g); /* the next WELCOME names them all */
        on_link_up(g);
        break;
    case TD_AGENT_LINK_UP:
        on_link_up(g);
        break;
    case TD_AGENT_LAUNCHES:
        on_launches(g, in->body);
        break;
    case TD_AGENT_TICK:
        on_tick(g);
        break;
    case TD_AGENT_DRAIN:
        on_drain(g);
        break;
    case TD_AGENT_BLOBS_READY: /* the shell keeps launches back by itself */
        break;
    case TD_AGENT_INVENTORY:
        on_inventory(g, in->body);
        break;
    }
    agent_send_reports(g, false);
    leave_if_empty(g);
}
