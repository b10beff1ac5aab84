/* noderows.c - what sinfo and scontrol show of nodes and partitions; reads only */
#include "broker/core/state.h"

/* gpu:TitanXp:4,gpu:A100:2 */
static const char *gres_text(const struct td_inventory *inv, struct td_arena *a)
{
    struct td_buf b = {0};
    for (uint32_t i = 0; i < inv->gres.n; i++) {
        const struct td_gres_stock *s = &inv->gres.v[i];
        if (b.len)
            td_buf_putc(&b, ',');
        td_buf_puts(&b, s->name);
        if (!td_str_empty(s->type)) {
            td_buf_putc(&b, ':');
            td_buf_puts(&b, s->type);
        }
        td_buf_putc(&b, ':');
        td_buf_put_u64(&b, s->count);
    }
    const char *text = b.len ? td_arena_strdup(a, td_buf_str(&b)) : NULL;
    td_buf_release(&b);
    return text;
}

/* gpu:TitanXp:2(IDX:0-1) */
static const char *gres_used_text(const struct td_core *c, const struct core_node *n,
                                  struct td_arena *a)
{
    struct td_buf b = {0};
    for (uint32_t i = 0; i < n->inv->gres.n; i++) {
        const struct td_gres_stock *s = &n->inv->gres.v[i];
        struct td_bin devices = {0};
        uint64_t held = td_ledger_gres_held(c->ledger, n->no, s->name, s->type, &devices);
        if (b.len)
            td_buf_putc(&b, ',');
        td_buf_puts(&b, s->name);
        if (!td_str_empty(s->type)) {
            td_buf_putc(&b, ':');
            td_buf_puts(&b, s->type);
        }
        td_buf_putc(&b, ':');
        td_buf_put_u64(&b, held);
        if (s->devices.n == 0)
            continue;
        td_buf_puts(&b, "(IDX:");
        struct td_buf idx = {0};
        if (td_bits_next(devices.v, devices.n, 0) >= 0)
            td_array_fold(devices, &idx);
        td_buf_puts(&b, idx.len ? td_buf_str(&idx) : "N/A");
        td_buf_release(&idx);
        td_buf_putc(&b, ')');
    }
    const char *text = b.len ? td_arena_strdup(a, td_buf_str(&b)) : NULL;
    td_buf_release(&b);
    return text;
}

static void fill(const struct td_core *c, const struct core_node *n, struct td_arena *a,
                 struct td_node_info *ret)
{
    struct td_inventory declared = {0};
    const struct td_inventory *inv = n->inv;
    if (!inv) {
        if (n->conf)
            core_conf_inventory(n->conf, a, &declared);
        inv = &declared;
    }
    struct td_ledger_free free;
    td_ledger_get_free(c->ledger, n->no, &free);
    const char **partitions = td_arena_alloc(a, (n->in.n + 1) * sizeof(*partitions));
    for (uint32_t i = 0; i < n->in.n; i++)
        partitions[i] = c->partitions.v[n->in.v[i].partition]->name;
    bool completing = false;
    for (const struct core_part *p = n->parts; p; p = p->next)
        completing |= p->state == TD_ALLOC_ENDING;
    *ret = (struct td_node_info){
        .name = n->name,
        .state = n->state,
        .drain = n->drain || n->worker_drain,
        .down = n->down,
        .cpus = free.cpus_total,
        .cpus_alloc = free.cpus_total - free.cpus,
        .sockets = inv->sockets,
        .cores = inv->cores_per_socket,
        .threads = inv->threads_per_core,
        .memory_mb = inv->memory_mb,
        .memory_alloc_mb = free.memory_total_mb - TD_MIN(free.memory_total_mb, free.memory_mb),
        .tmp_mb = inv->tmp_mb,
        .features = inv->features,
        .gres = gres_text(inv, a),
        .gres_used = n->inv ? gres_used_text(c, n, a) : NULL,
        .reason = n->reason,
        .reason_uid = n->reason_uid,
        .reason_ms = n->reason_ms,
        .partitions = {partitions, n->in.n},
        .weight = n->conf && n->conf->weight ? n->conf->weight : 1,
        .incarnation = n->incarnation,
        .boot_ms = inv->boot_ms,
        .started_ms = n->registered_ms,
        .os = inv->os,
        .arch = inv->arch,
        .confine = inv->confine,
        .version = inv->version,
        .runs_as = inv->runs_as,
        .hostname = td_str_empty(inv->hostname) ? n->name : inv->hostname,
        .address = n->conf && !td_str_empty(n->conf->address) ? n->conf->address : n->name,
        .jobs = n->nparts,
        .completing = completing,
        .awaited = !n->greeted || !n->probed,
    };
    const struct td_reservation *r = core_reservation_on(c, n);
    if (r) {
        ret->reservation = r->name;
        ret->maint = r->flags & TD_RESERVE_MAINT;
    }
}

void td_core_nodes(const struct td_core *c, const struct td_hostlist *only, struct td_arena *a,
                   td_node_visit_fn *visit, void *ctx)
{
    /* Configured ones first, in their order; then those that joined. */
    for (int joined = 0; joined < 2; joined++) {
        for (uint32_t i = 0; i < c->nodes.n; i++) {
            const struct core_node *n = c->nodes.v[i];
            if ((n->conf == NULL) != joined || core_node_is_gone(n) || (only && !td_hostlist_has(only, n->name)))
                continue;
            struct td_node_info row;
            fill(c, n, a, &row);
            if (!visit(ctx, &row))
                return;
        }
    }
}

uint32_t td_core_partitions(const struct td_core *c, struct td_arena *a,
                            const struct td_partition_info **ret_rows)
{
    struct td_partition_info *rows = td_arena_alloc(a, (c->partitions.n + 1) * sizeof(*rows));
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->partitions.n; i++) {
        const struct core_partition *p = c->partitions.v[i];
        if (p->gone)
            continue;
        struct td_partition_info *row = &rows[n++];
        const char **names = td_arena_alloc(a, (p->nodes.n + 1) * sizeof(*names));
        row->conf = p->conf;
        for (uint32_t k = 0; k < p->nodes.n; k++) {
            const struct core_node *node = c->nodes.v[p->nodes.v[k]];
            struct td_ledger_free free;
            if (core_node_is_gone(node))
                continue;
            td_ledger_get_free(c->ledger, node->no, &free);
            row->cpus_total += free.cpus_total;
            names[row->nodes_total++] = node->name;
        }
        struct td_buf b = {0};
        if (row->nodes_total)
            td_hostlist_fold(names, row->nodes_total, &b);
        row->nodes = td_arena_strdup(a, td_buf_str(&b));
        td_buf_release(&b);
    }
    *ret_rows = rows;
    return n;
}

uint32_t td_core_licenses(const struct td_core *c, struct td_arena *a, const struct td_license_info **ret)
{
    uint32_t n = td_ledger_licences(c->ledger);
    struct td_license_info *rows = td_arena_alloc(a, (n + 1) * sizeof(*rows));
    for (uint32_t i = 0; i < n; i++)
        rows[i].name = td_ledger_licence(c->ledger, i, &rows[i].total, &rows[i].used);
    *ret = rows;
    return n;
}
