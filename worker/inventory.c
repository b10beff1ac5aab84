/* inventory.c - what this node is: hwloc's word, refined by options, slurm.conf and the broker
 *
 * Precedence: the command line, then the NodeName line (of --conf, else as WELCOME told it), then what is found.
 * gres.conf comes from --conf, or from the broker's own directory where this host can read it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "worker/confine/confine.h"
#include "worker/log.h"
#include "worker/topo/topo.h"
#include "worker/worker.h"

static int load_conf(const char *path, struct td_conf **ret, struct td_error *err)
{
    int r = td_conf_load(path, ret, err);
    for (uint32_t i = 0; r == 0 && i < (*ret)->notes.n; i++)
        td_log("info", "%s", (*ret)->notes.v[i]);
    return r;
}

static void gres_lines(struct worker *w, struct td_arena *a, struct td_topo_params *p)
{
    const struct td_conf_gres *lines = NULL;
    uint32_t n = w->machine.conf ? td_conf_gres_of(w->machine.conf, w->node, a, &lines) : 0;
    struct td_gres_line *v = td_arena_alloc(a, (n + 1u) * sizeof(*v));
    uint32_t k = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (lines[i].autodetect)
            continue; /* hwloc looks for devices anyway */
        v[k++] = (struct td_gres_line){
            .name = lines[i].name,
            .type = lines[i].type,
            .file = lines[i].file,
            .count = lines[i].count,
            .cores = lines[i].cores,
            .links = lines[i].links,
        };
    }
    p->gres_lines = v;
    p->ngres_lines = k;
}

static void apply_node_line(struct td_topo_params *p, const struct td_node_conf *line)
{
    if (!p->cpus) {
        p->cpus = line->cpus;
        p->sockets = line->sockets;
        p->cores_per_socket = line->cores_per_socket;
        p->threads_per_core = line->threads_per_core;
    }
    p->memory_mb = line->memory_mb;
    p->tmp_mb = line->tmp_mb;
    p->tmp_fs = td_str_empty(line->tmp_fs) ? NULL : line->tmp_fs;
    p->gres = td_str_empty(line->gres) ? NULL : line->gres;
    p->features = td_str_empty(line->features) ? NULL : line->features;
}

/* What holds jobs to their CPUs, and their processes together. */
static const char *confine_words(const struct worker *w, struct td_arena *a, const struct td_inventory *inv, bool *ret_bind)
{
    char both[TD_MAX_NAME_BYTES + 1];
    const char *cpus = confine_decide(inv, w->machine.conf, ret_bind);
    if (!w->machine.means[0])
        return cpus;
    td_format(both, sizeof(both), "%s, %s", cpus, w->machine.means);
    return td_arena_strdup(a, both);
}

/* Reads the machine again; on failure the inventory stays as it was. */
static int read_machine(struct worker *w, struct td_error *err)
{
    struct td_topo_params p = {.topology = w->opt.topology, .cpus = w->opt.cpus, .believe_sizes = w->opt.rehearse};
    struct td_arena arena = {0};
    struct td_node_conf line;
    struct td_inventory inv;
    bool bind;
    if (w->machine.conf && td_conf_node(w->machine.conf, w->node, &arena, &line))
        apply_node_line(&p, &line);
    else if (w->machine.has_told)
        apply_node_line(&p, &w->machine.told);
    gres_lines(w, &arena, &p);
    int r = td_topo_read(&p, &arena, &inv, err);
    if (r < 0) {
        td_arena_release(&arena);
        return r;
    }
    inv.confine = confine_words(w, &arena, &inv, &bind);
    td_arena_release(&w->machine.arena);
    w->machine.arena = arena;
    inv.runs_as = geteuid() ? (uint32_t)geteuid() + 1 : 0;
    w->machine.inventory = inv;
    w->machine.bind = bind;
    td_log("info", "%s: %u CPUs, %llu MiB, temporary disk %llu MiB, confinement: %s", w->node,
           td_bits_count(inv.cpus.v, inv.cpus.n), (unsigned long long)inv.memory_mb, (unsigned long long)inv.tmp_mb,
           inv.confine);
    if (inv.tmp_mb == 0 && p.tmp_mb > 0)
        td_log("warn", "no temporary disk can be measured at %s (TmpFS)", p.tmp_fs ? p.tmp_fs : "/tmp");
    return 0;
}

int inventory_read(struct worker *w, struct td_error *err)
{
    int r = w->opt.conf ? load_conf(w->opt.conf, &w->machine.conf, err) : 0;
    return r < 0 ? r : read_machine(w, err);
}

/* The broker's slurm.conf, where it lies on this host too and knows this node: for gres.conf and TaskPlugin. */
static void load_brokers_conf(struct worker *w, const char *dir)
{
    char path[TD_MAX_PATH_BYTES];
    struct td_conf *conf = NULL;
    struct td_error err = {0};
    struct td_arena arena = {0};
    struct td_node_conf line;
    td_format(path, sizeof(path), "%s/slurm.conf", dir);
    if (td_str_empty(dir) || access(path, R_OK) < 0)
        return;
    if (load_conf(path, &conf, &err) < 0) {
        td_log("warn", "the broker's configuration cannot be used here: %s", err.text);
        return;
    }
    if (td_conf_node(conf, w->node, &arena, &line)) {
        td_conf_destroy(&w->machine.conf);
        w->machine.conf = conf;
    } else {
        td_conf_destroy(&conf);
    }
    td_arena_release(&arena);
}

void inventory_told(struct worker *w, const struct td_welcome *m)
{
    struct machine *k = &w->machine;
    struct td_error err = {0};
    if (w->opt.conf || td_str_empty(m->conf.names))
        return;
    if (k->has_told && td_record_equal(&td_rec_node_conf, &k->told, &m->conf))
        return;
    td_arena_reset(&k->told_arena);
    td_record_copy(&k->told_arena, &td_rec_node_conf, &m->conf, &k->told);
    k->has_told = true;
    load_brokers_conf(w, m->conf_dir);

    /* What the agent holds may point into the old inventory until it has the new one. */
    struct td_inventory before = k->inventory;
    struct td_arena old = k->arena;
    k->arena = (struct td_arena){0};
    if (read_machine(w, &err) < 0) {
        k->arena = old;
        td_log("error", "the NodeName line of %s cannot be applied: %s", w->node, err.text);
        return;
    }
    if (!td_record_equal(&td_rec_inventory, &before, &k->inventory))
        worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_INVENTORY, .body = &k->inventory});
    td_arena_release(&old);
}

/* Before the agent hears of the shepherd, so that its first HELLO says so. */
void inventory_held(struct worker *w, const char *means)
{
    struct machine *k = &w->machine;
    bool bind;
    if (td_str_empty(means) || td_str_equal(k->means, means)) /* a shepherd of an earlier release does not say */
        return;
    td_format(k->means, sizeof(k->means), "%s", means);
    k->inventory.confine = confine_words(w, &k->arena, &k->inventory, &bind);
    td_log("info", "%s: confinement: %s", w->node, k->inventory.confine);
    worker_agent(w, &(struct td_agent_input){.kind = TD_AGENT_INVENTORY, .body = &k->inventory});
}

/* --- resource limits -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t which;
} limit_names[] = {
    {"AS", RLIMIT_AS}, {"CORE", RLIMIT_CORE}, {"CPU", RLIMIT_CPU}, {"DATA", RLIMIT_DATA}, {"FSIZE", RLIMIT_FSIZE},
    {"MEMLOCK", RLIMIT_MEMLOCK}, {"NOFILE", RLIMIT_NOFILE}, {"NPROC", RLIMIT_NPROC}, {"RSS", RLIMIT_RSS},
    {"STACK", RLIMIT_STACK},
};

/* Is the limit named in "MEMLOCK,NPROC", ALL or NONE? */
static bool limit_listed(const char *list, uint32_t which)
{
    const char *name = "";
    for (size_t i = 0; i < TD_ARRAY_LEN(limit_names); i++)
        if (limit_names[i].which == which)
            name = limit_names[i].name;
    while (*list) {
        char word[16];
        size_t n = strcspn(list, ", ");
        td_format(word, sizeof(word), "%s", list);
        word[TD_MIN(n, sizeof(word) - 1)] = '\0';
        if (td_str_casecmp(word, "ALL") == 0 || (name[0] && td_str_casecmp(word, name) == 0))
            return true;
        list += n;
        list += strspn(list, ", ");
    }
    return false;
}

bool inventory_keeps_limit(const struct worker *w, uint32_t which)
{
    const struct td_conf *c = w->machine.conf;
    if (!c)
        return true;
    if (!td_str_empty(c->propagate))
        return limit_listed(c->propagate, which);
    return td_str_empty(c->propagate_except) || !limit_listed(c->propagate_except, which);
}

void inventory_release(struct worker *w)
{
    td_conf_destroy(&w->machine.conf);
    td_arena_release(&w->machine.arena);
    td_arena_release(&w->machine.told_arena);
}
