/* probe.c - learning whose subscription works: PROBE on their topics until they echo */
#include "broker/core/state.h"

#define PROBE_MS_FIRST 10u
#define PROBE_MS_MAX 5000u

void core_probe_want(struct td_core *c)
{
    c->probe_backoff_ms = PROBE_MS_FIRST;
    c->probe_ms = c->now_ms;
}

static void publish(struct td_core *c, const struct core_membership *m)
{
    struct td_buf b = {0};
    core_node_topic(c, m, &b);
    struct td_probe *p = td_arena_alloc(&c->wake, sizeof(*p));
    *p = (struct td_probe){.epoch = c->epoch, .no = c->probe_no};
    struct td_effect *e = core_effect(c, TD_DO_PUBLISH);
    e->topic = td_arena_strdup(&c->wake, td_buf_str(&b));
    e->id = TD_MSG_PROBE;
    e->body = p;
    td_buf_release(&b);
}

/* Once for each topic: shards of a partition that had theirs are marked. */
static bool is_first(struct td_core *c, uint8_t **done, const struct core_membership *m)
{
    const struct core_partition *p = c->partitions.v[m->partition];
    uint32_t shard =
        m->position / (c->settings.shard_nodes ? c->settings.shard_nodes : CORE_SHARD_NODES);
    uint32_t bytes = p->nodes.n / 8 + 1;
    if (!done[p->no])
        done[p->no] = td_arena_alloc(&c->wake, bytes);
    if (td_bits_get(done[p->no], bytes, shard))
        return false;
    td_bits_set(done[p->no], shard);
    return true;
}

void core_probe_run(struct td_core *c)
{
    if (c->now_ms < c->probe_ms)
        return;
    bool any = false;
    uint8_t **done = td_arena_alloc(&c->wake, (c->partitions.n + 1) * sizeof(*done));
    c->probe_no++;
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        const struct core_node *n = c->nodes.v[i];
        if (!n->greeted || n->probed || n->state != TD_NODE_UP)
            continue;
        any = true;
        for (uint32_t k = 0; k < n->in.n; k++) {
            if (is_first(c, done, &n->in.v[k]))
                publish(c, &n->in.v[k]);
        }
    }
    c->probe_ms = any ? c->now_ms + c->probe_backoff_ms : INT64_MAX;
    c->probe_backoff_ms = TD_MIN(TD_MAX(c->probe_backoff_ms, PROBE_MS_FIRST) * 2, PROBE_MS_MAX);
}
