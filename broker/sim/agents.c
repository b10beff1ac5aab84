/* agents.c - a machine of nodes whose workers' own cores bid
 *
 * Each node is the worker's mind (worker/core) with its inventory, and a shepherd that launches nothing: what it is told to
 * launch runs until run.c says that it ends. Nothing is lost or late here, so a shepherd keeps no spool and nobody's timers but
 * heartbeats ever come.
 * Owns: agents, topics, and who runs where: `held` by job, whose ids are small. */
#include <string.h>

#include "machine.h"
#include "worker/core/agent.h"

struct node {
    char *name;
    struct td_agent *agent;
    TD_VEC(char *) topics;
    uint64_t next_no; /* of its shepherd's reports */
};
struct part {
    uint32_t node;
    bool leader;
};
struct held {
    uint32_t attempt;
    TD_VEC(struct part) parts;
};
struct agents {
    struct sim_machine is;
    struct node *nodes;
    int64_t *deadlines; /* by node */
    uint32_t n;
    struct td_strmap by_name;
    TD_VEC(struct held) held;
    uint32_t turned_away;
    char words[TD_ERROR_TEXT_MAX]; /* to the first of them */
    /* of the step being made */
    struct td_arena said;
    TD_VEC(struct td_report) reports;
};

static void step(struct agents *m, uint32_t i, int64_t now_ms, const struct td_agent_input *in, struct sim_outbox *o);

/* --- the shepherd -------------------------------------------------------------------------------------------------- */

static struct held *held_of(struct agents *m, uint32_t job)
{
    while (m->held.n <= job)
        td_vec_push(&m->held, (struct held){0});
    return &m->held.v[job];
}

static void launch(struct agents *m, uint32_t i, const struct td_award *a)
{
    struct held *h = held_of(m, a->job);
    struct td_report r = {.no = m->nodes[i].next_no++, .kind = TD_REPORT_ACCEPTED, .job = a->job, .attempt = a->attempt, .step = TD_STEP_BATCH};

    if (h->attempt != a->attempt)
        h->parts.n = 0;
    h->attempt = a->attempt;
    td_vec_push(&h->parts, ((struct part){i, a->node_rank == 0}));
    td_vec_push(&m->reports, r);
}

static void say(struct agents *m, uint32_t i, int64_t now_ms, struct sim_outbox *o)
{
    struct td_report *v = td_arena_dup(&m->said, m->reports.v, m->reports.n * sizeof(*v));
    struct td_sh_status st = {.reports = {v, m->reports.n}};

    m->reports.n = 0;
    step(m, i, now_ms, &(struct td_agent_input){.kind = TD_AGENT_SHEPHERD, .id = TD_MSG_SH_STATUS, .body = &st}, o);
}

/* --- one step of an agent ------------------------------------------------------------------------------------------ */

static void topic_set(struct node *n, const char *topic, bool on)
{
    uint32_t i = 0;

    while (i < n->topics.n && strcmp(n->topics.v[i], topic) != 0)
        i++;
    if (on && i == n->topics.n) {
        td_vec_push(&n->topics, td_strdup(topic));
    } else if (!on && i < n->topics.n) {
        td_free(n->topics.v[i]);
        n->topics.v[i] = n->topics.v[--n->topics.n];
    }
}

static void turn_away(struct agents *m, const char *words)
{
    if (!m->turned_away++)
        td_format(m->words, sizeof(m->words), "%s", words ? words : "");
}

/* What it asks of the shepherd is answered at once, but after its other effects: they live until its next step. */
static void step(struct agents *m, uint32_t i, int64_t now_ms, const struct td_agent_input *in, struct sim_outbox *o)
{
    struct node *n = &m->nodes[i];
    bool asked = false;
    uint32_t count;

    td_agent_step(n->agent, now_ms, in);
    const struct td_agent_effect *e = td_agent_effects(n->agent, &count);
    for (uint32_t k = 0; k < count; k++) {
        if (e[k].kind == TD_AGENT_SEND)
            sim_post(o, n->name, e[k].id, e[k].body);
        else if (e[k].kind == TD_AGENT_SUBSCRIBE || e[k].kind == TD_AGENT_UNSUBSCRIBE)
            topic_set(n, e[k].topic, e[k].kind == TD_AGENT_SUBSCRIBE);
        else if (e[k].kind == TD_AGENT_TO_SHEPHERD && e[k].id == TD_MSG_SH_LAUNCH)
            launch(m, i, &((const struct td_sh_launch *)e[k].body)->award);
        else if (e[k].kind == TD_AGENT_EXIT || e[k].kind == TD_AGENT_LEAVE)
            turn_away(m, e[k].body);
        else
            asked |= e[k].kind == TD_AGENT_TO_SHEPHERD && e[k].id == TD_MSG_SH_HELLO;
    }
    if (asked) {
        struct td_sh_state st = {.next_no = n->next_no, .pid = 1, .boot_id = "sim"};
        step(m, i, now_ms, &(struct td_agent_input){.kind = TD_AGENT_SHEPHERD, .id = TD_MSG_SH_STATE, .body = &st}, o);
    }
    if (m->reports.n)
        say(m, i, now_ms, o);
    m->deadlines[i] = td_agent_deadline(n->agent);
}

/* --- the machine --------------------------------------------------------------------------------------------------- */

static void hello(struct sim_machine *is, int64_t now_ms, struct sim_outbox *o)
{
    struct agents *m = (struct agents *)is;

    for (uint32_t i = 0; i < m->n; i++)
        step(m, i, now_ms, &(struct td_agent_input){.kind = TD_AGENT_SHEPHERD_UP}, o);
}

static bool hears(const struct node *n, const char *topic)
{
    for (uint32_t k = 0; k < n->topics.n; k++) {
        if (td_str_prefix(topic, n->topics.v[k]))
            return true;
    }
    return false;
}

static void deliver(struct sim_machine *is, int64_t now_ms, const struct td_effect *e, struct sim_outbox *o)
{
    struct agents *m = (struct agents *)is;
    struct td_agent_input in = {.kind = TD_AGENT_BUS, .id = e->id, .body = e->body, .published = e->kind == TD_DO_PUBLISH};

    td_arena_reset(&m->said);
    if (e->kind == TD_DO_SEND) {
        uintptr_t at = (uintptr_t)td_strmap_get(&m->by_name, e->node);
        TD_ASSERT(at);
        step(m, (uint32_t)at - 1, now_ms, &in, o);
        return;
    }
    for (uint32_t i = 0; i < m->n; i++) {
        if (hears(&m->nodes[i], e->topic))
            step(m, i, now_ms, &in, o);
    }
}

static void end(struct sim_machine *is, int64_t now_ms, uint32_t job, struct sim_outbox *o)
{
    struct agents *m = (struct agents *)is;
    TD_ASSERT(job < m->held.n && m->held.v[job].parts.n);
    struct held *h = &m->held.v[job];

    td_arena_reset(&m->said);
    for (uint32_t k = 0; k < h->parts.n; k++) {
        struct node *n = &m->nodes[h->parts.v[k].node];
        struct td_report r = {.kind = TD_REPORT_EXITED, .job = job, .attempt = h->attempt, .step = TD_STEP_BATCH};
        if (h->parts.v[k].leader) {
            r.no = n->next_no++;
            td_vec_push(&m->reports, r);
        }
        r.kind = TD_REPORT_GONE;
        r.no = n->next_no++;
        td_vec_push(&m->reports, r);
        say(m, h->parts.v[k].node, now_ms, o);
    }
    td_vec_release(&h->parts);
}

static int64_t deadline(const struct sim_machine *is)
{
    const struct agents *m = (const struct agents *)is;
    int64_t at = INT64_MAX;

    for (uint32_t i = 0; i < m->n; i++)
        at = TD_MIN(at, m->deadlines[i]);
    return at;
}

static void tick(struct sim_machine *is, int64_t now_ms, struct sim_outbox *o)
{
    struct agents *m = (struct agents *)is;

    td_arena_reset(&m->said);
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->deadlines[i] <= now_ms)
            step(m, i, now_ms, &(struct td_agent_input){.kind = TD_AGENT_TICK}, o);
    }
}

static void destroy(struct sim_machine *is)
{
    struct agents *m = (struct agents *)is;

    for (uint32_t i = 0; i < m->n; i++) {
        struct node *n = &m->nodes[i];
        td_agent_destroy(&n->agent);
        for (uint32_t k = 0; k < n->topics.n; k++)
            td_free(n->topics.v[k]);
        td_vec_release(&n->topics);
        td_free(n->name);
    }
    for (uint32_t i = 0; i < m->held.n; i++)
        td_vec_release(&m->held.v[i].parts);
    td_vec_release(&m->held);
    td_vec_release(&m->reports);
    td_arena_release(&m->said);
    td_strmap_release(&m->by_name);
    td_free(m->deadlines);
    td_free(m->nodes);
    td_free(m);
}

struct sim_machine *sim_agents_new(const struct sim_node *nodes, uint32_t n)
{
    static const struct sim_machine_ops ops = {hello, deliver, end, deadline, tick, destroy};
    struct agents *m = td_alloc(sizeof(*m));

    *m = (struct agents){.is = {&ops}, .n = n, .nodes = td_alloc(n * sizeof(*m->nodes)), .deadlines = td_alloc(n * sizeof(*m->deadlines))};
    for (uint32_t i = 0; i < n; i++) {
        struct td_agent_conf conf = {.node = nodes[i].name, .boot_id = "sim", .instance = "sim", .seed = i + 1};
        m->nodes[i] = (struct node){.name = td_strdup(nodes[i].name), .next_no = 1, .agent = td_agent_new(&conf, nodes[i].inv)};
        m->deadlines[i] = INT64_MAX;
        td_strmap_put(&m->by_name, nodes[i].name, (void *)(uintptr_t)(i + 1));
    }
    return &m->is;
}

uint32_t sim_agents_turned_away(const struct sim_machine *is, const char **ret_words)
{
    const struct agents *m = (const struct agents *)is;

    *ret_words = m->words;
    return m->turned_away;
}
