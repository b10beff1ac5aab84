/* machine.c - the machine of a simulation: processors alone, nodes of a slurm.conf, of topologies, or those a journal tells of
 *
 * Owns: configuration, inventories, nodes. What this host is like decides nothing: a node that does not say its memory has
 * as much as is asked for, one that does not say its CPUs has one, as Slurm reads it. */
#include <string.h>

#include "broker/sim/journal.h"
#include "conf/conf.h"
#include "parts.h"
#include "worker/topo/topo.h"

#define MEMORY_NOT_SAID_MB (1u << 30)
#define NODES_MAX 100000u

static void add(struct sim_cluster *c, const char *name, const struct td_inventory *inv)
{
    struct sim_node n = {td_arena_strdup(&c->arena, name), inv};

    td_vec_push(&c->nodes, n);
    c->procs += td_bits_count(inv->cpus.v, inv->cpus.n);
}

/* --- a slurm.conf -------------------------------------------------------------------------------------------------- */

static void gres_lines(struct sim_cluster *c, const char *node, struct td_topo_params *p)
{
    const struct td_conf_gres *lines = NULL;
    uint32_t n = td_conf_gres_of(c->conf, node, &c->arena, &lines), k = 0;
    struct td_gres_line *v = td_arena_alloc(&c->arena, (n + 1u) * sizeof(*v));

    for (uint32_t i = 0; i < n; i++) {
        const struct td_conf_gres *g = &lines[i];
        if (!g->autodetect)
            v[k++] = (struct td_gres_line){.name = g->name, .type = g->type, .file = g->file, .count = g->count, .cores = g->cores, .links = g->links};
    }
    p->gres_lines = v;
    p->ngres_lines = k;
}

/* A node as a line says it is; nothing of it is looked for on this host. */
static int add_line_node(struct sim_cluster *c, const char *path, const char *name, const struct td_node_conf *line, struct td_error *err)
{
    struct td_inventory *inv = td_arena_alloc(&c->arena, sizeof(*inv));
    struct td_error why = {0};
    struct td_topo_params p = {.topology = "synthetic:1", .cpus = line->cpus, .sockets = line->sockets, .cores_per_socket = line->cores_per_socket,
                               .threads_per_core = line->threads_per_core, .memory_mb = line->memory_mb, .memory_unsaid_mb = MEMORY_NOT_SAID_MB,
                               .tmp_mb = line->tmp_mb, .believe_sizes = true, .gres = td_str_empty(line->gres) ? NULL : line->gres,
                               .features = td_str_empty(line->features) ? NULL : line->features};

    if (c->conf)
        gres_lines(c, name, &p);
    if (td_topo_read(&p, &c->arena, inv, &why) < 0)
        return td_fail(err, why.code, "%s: node %s: %s", path, name, why.text);
    add(c, name, inv);
    return 0;
}

static int add_conf_node(struct sim_cluster *c, const char *name, struct td_error *err)
{
    struct td_node_conf line;

    if (!td_conf_node(c->conf, name, &c->arena, &line))
        return td_fail(err, TD_E_CONF, "%s: node %s has no line", c->conf->path, name);
    return add_line_node(c, c->conf->path, name, &line, err);
}

static int add_line(struct sim_cluster *c, const struct td_node_conf *line, struct td_error *err)
{
    struct td_hostlist names = {0};
    int r = td_hostlist_parse(line->names, NODES_MAX, &names, err);

    for (uint32_t i = 0; r == 0 && i < names.names.n; i++)
        r = add_conf_node(c, names.names.v[i], err);
    td_hostlist_release(&names);
    return r;
}

static int from_conf(struct sim_cluster *c, const char *path, struct td_error *err)
{
    int r = td_conf_load(path, &c->conf, err);

    if (r < 0)
        return r;
    for (uint32_t i = 0; r == 0 && i < c->conf->nodes.n; i++)
        r = add_line(c, &c->conf->nodes.v[i], err);
    if (r == 0 && !c->nodes.n)
        r = td_fail(err, TD_E_CONF, "%s has no NodeName line: there is nothing to run on", path);
    c->own = true;
    c->loaded = (struct td_ev_conf_loaded){.settings = c->conf->settings, .nodes = c->conf->nodes, .partitions = c->conf->partitions};
    return r;
}

/* --- the cluster of a journal --------------------------------------------------------------------------------------- */

struct nodes_of {
    struct sim_cluster *c;
    TD_VEC(struct td_node_conf) lines;
};

/* Those that came and never said what they are have nothing to bid with. */
static bool note_node(void *ctx, const struct td_node_info *row)
{
    struct nodes_of *n = ctx;
    struct td_node_conf line = {.names = row->name, .cpus = row->cpus, .sockets = row->sockets, .cores_per_socket = row->cores,
                                .threads_per_core = row->threads, .memory_mb = row->memory_mb, .tmp_mb = row->tmp_mb, .gres = row->gres,
                                .features = row->features, .weight = row->weight},
                        kept;

    td_record_copy(&n->c->arena, &td_rec_node_conf, &line, &kept);
    if (row->cpus)
        td_vec_push(&n->lines, kept);
    return true;
}

static void note_conf(struct sim_cluster *c, const struct td_core *core, struct td_arena *scratch)
{
    const struct td_partition_info *rows;
    uint32_t n = td_core_partitions(core, scratch, &rows);
    struct td_partition_conf *v = td_arena_alloc(&c->arena, (n + 1u) * sizeof(*v));

    for (uint32_t i = 0; i < n; i++)
        td_record_copy(&c->arena, &td_rec_partition_conf, &rows[i].conf, &v[i]);
    c->loaded.partitions = (struct td_partition_conf_list){v, n};
    td_record_copy(&c->arena, &td_rec_settings, td_core_settings(core), &c->loaded.settings);
}

static int from_journal(struct sim_cluster *c, const char *dir, struct td_error *err)
{
    struct nodes_of n = {.c = c};
    struct td_core *core = NULL;
    struct td_arena scratch = {0};
    int r = journal_core(dir, &core, err);

    if (r < 0)
        return r;
    td_core_nodes(core, NULL, &scratch, note_node, &n);
    note_conf(c, core, &scratch);
    c->own = true;
    for (uint32_t i = 0; r == 0 && i < n.lines.n; i++)
        r = add_line_node(c, dir, n.lines.v[i].names, &n.lines.v[i], err);
    c->loaded.nodes = (struct td_node_conf_list){td_arena_dup(&c->arena, n.lines.v, n.lines.n * sizeof(*n.lines.v)), n.lines.n};
    if (r == 0 && !c->nodes.n)
        r = td_fail(err, TD_E_INVALID_REQUEST, "%s knows of no node: give --conf or --procs N", dir);
    td_vec_release(&n.lines);
    td_arena_release(&scratch);
    td_core_destroy(&core);
    return r;
}

/* --- topologies ---------------------------------------------------------------------------------------------------- */

/* "WHAT*COUNT": so many nodes that are alike. */
static int add_topology(struct sim_cluster *c, const char *item, struct td_error *err)
{
    char what[TD_MAX_PATH_BYTES];
    const char *star = strrchr(item, '*');
    uint64_t count = 1;
    struct td_inventory *inv = td_arena_alloc(&c->arena, sizeof(*inv));

    if (star && (!td_parse_u64(star + 1, &count) || !count || count > NODES_MAX))
        return td_fail(err, TD_E_USAGE, "--topology %s: behind the * is how many nodes there are, 1 to %u", item, NODES_MAX);
    td_format(what, sizeof(what), "%s", item);
    if (star && (size_t)(star - item) < sizeof(what))
        what[star - item] = '\0';
    struct td_topo_params p = {.topology = what, .memory_unsaid_mb = MEMORY_NOT_SAID_MB};
    int r = td_topo_read(&p, &c->arena, inv, err);
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        char name[32];
        td_format(name, sizeof(name), "n%u", c->nodes.n + 1);
        add(c, name, inv);
    }
    return r;
}

static int from_topologies(struct sim_cluster *c, struct td_strs list, struct td_error *err)
{
    static const struct td_partition_conf all = {.name = "all", .nodes = "ALL", .is_default = true, .max_s = TD_INFINITE, .state = "UP", .priority_tier = 1};
    int r = 0;

    for (uint32_t i = 0; r == 0 && i < list.n; i++)
        r = add_topology(c, list.v[i], err);
    c->loaded = (struct td_ev_conf_loaded){.settings = {.kill_wait_s = 30, .requeue = true, .elastic = true, .memory_counts = true},
                                           .partitions = {&all, 1}};
    return r;
}

/* --- which --------------------------------------------------------------------------------------------------------- */

int machine_make(const struct sim_options *o, const char *path, struct sim_cluster *ret, struct td_error *err)
{
    char dir[TD_MAX_PATH_BYTES];
    enum published_order rules;

    if ((o->conf != NULL) + (o->topology.n > 0) + (o->procs > 0) > 1)
        return td_fail(err, TD_E_USAGE, "one machine at a time: --procs, --conf or --topology");
    if (o->conf)
        return from_conf(ret, o->conf, err);
    if (o->topology.n)
        return from_topologies(ret, o->topology, err);
    if (!o->procs && trace_is_journal(path, dir, sizeof(dir)) && !ask_published(o, &rules))
        return from_journal(ret, dir, err);
    ret->procs = o->procs;
    return 0;
}

struct sim_machine *machine_new(const struct sim_cluster *c, uint32_t procs)
{
    return c->nodes.n ? sim_agents_new(c->nodes.v, c->nodes.n) : sim_plain_new(procs);
}

void machine_release(struct sim_cluster *c)
{
    td_conf_destroy(&c->conf);
    td_vec_release(&c->nodes);
    td_arena_release(&c->arena);
}
