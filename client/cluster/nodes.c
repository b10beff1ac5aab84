/* nodes.c - what a cluster's nodes lack, each in a sentence with what mends it: tender up and tender doctor say the same
 *
 * Two things are looked at: what the broker says of its nodes, and whether its slurm.conf names others by now. Knows
 * nothing of processes. */
#include <string.h>

#include "cluster/cluster.h"
#include "render/node.h"

static void add(struct node_ills *ret, const struct td_buf *text)
{
    const char *copy = td_arena_strdup(&ret->arena, td_buf_str(text));

    td_vec_push(&ret->v, copy);
}

static void look_at(struct node_ills *ret, const struct td_node_info *n)
{
    struct td_buf text = {0}, state = {0};

    node_put_state(&state, n);
    if (n->state == TD_NODE_UNKNOWN)
        td_buf_putf(&text, "node %s has never joined: start tender-worker there (tender up on this machine)", n->name);
    else if (n->state != TD_NODE_UP)
        td_buf_putf(&text, "node %s is %s: look at its worker.log, start tender-worker there", n->name, td_buf_str(&state));
    else if (n->down || n->drain)
        td_buf_putf(&text, "node %s is %s (%s): scontrol update nodename=%s state=resume", n->name, td_buf_str(&state),
                    *node_reason(n) ? node_reason(n) : "no reason given", n->name);
    if (text.len)
        add(ret, &text);
    else
        ret->up++;
    if (!td_str_empty(n->version) && strcmp(n->version, TD_VERSION) != 0) {
        td_buf_reset(&text);
        td_buf_putf(&text, "node %s runs version %s, this is %s: update one of them", n->name, n->version, TD_VERSION);
        add(ret, &text);
    }
    td_buf_release(&text);
    td_buf_release(&state);
}

const struct td_node_info *node_find(const struct client_nodes *nodes, const char *name)
{
    for (uint32_t i = 0; i < nodes->rows.n; i++)
        if (td_str_equal(nodes->rows.v[i].name, name))
            return &nodes->rows.v[i];
    return NULL;
}

static void look_for_unread(struct node_ills *ret, const struct worker_lines *declared, const struct client_nodes *nodes)
{
    struct td_buf text = {0};

    for (uint32_t i = 0; i < declared->v.n; i++) {
        const char *name = declared->v.v[i].node;
        if (node_find(nodes, name))
            continue;
        td_buf_reset(&text);
        td_buf_putf(&text, "node %s is in slurm.conf, and the broker has not read it yet: scontrol reconfigure", name);
        add(ret, &text);
        ret->total++;
    }
    td_buf_release(&text);
}

void node_ills_find(const char *conf, const struct client_nodes *nodes, struct node_ills *ret)
{
    struct worker_lines declared = {0};
    struct td_error unread = {0}; /* who asks says so itself */

    for (uint32_t i = 0; i < nodes->rows.n; i++)
        look_at(ret, &nodes->rows.v[i]);
    ret->total = nodes->rows.n;
    if (local_conf_nodes(conf, &declared, &unread) == 0)
        look_for_unread(ret, &declared, nodes);
    workers_release(&declared);
}

void node_ills_release(struct node_ills *l)
{
    td_vec_release(&l->v);
    td_arena_release(&l->arena);
}
