/* conf.c - the configuration in force: partitions, membership, what a NodeName line promises
 *
 * Owns: struct core_partition. A partition keeps its number for ever, by name; one that is no
 * longer configured stays as `gone` because jobs and history name it. Positions within a partition
 * decide the offer topic of a node. */
#include <string.h>

#include "broker/core/state.h"

struct core_partition *core_partition_find(const struct td_core *c, const char *name)
{
    return name ? td_strmap_get(&c->partition_by_name, name) : NULL;
}

struct core_partition *core_partition_add(struct td_core *c, const char *name)
{
    struct core_partition *p = td_alloc(sizeof(*p));
    p->no = c->partitions.n;
    p->name = td_strdup(name);
    p->gone = true;
    p->conf.name = p->name;
    td_vec_push(&c->partitions, p);
    td_strmap_put(&c->partition_by_name, name, p);
    return p;
}

struct core_partition *core_partition_default(const struct td_core *c)
{
    for (uint32_t i = 0; i < c->partitions.n; i++) {
        struct core_partition *p = c->partitions.v[i];
        if (!p->gone && p->conf.is_default)
            return p;
    }
    return NULL;
}

static enum core_partition_state parse_state(const char *word)
{
    if (td_str_casecmp(word ? word : "", "DOWN") == 0)
        return PARTITION_DOWN;
    if (td_str_casecmp(word ? word : "", "DRAIN") == 0)
        return PARTITION_DRAIN;
    if (td_str_casecmp(word ? word : "", "INACTIVE") == 0)
        return PARTITION_INACTIVE;
    return PARTITION_UP;
}

static void put_in(struct core_partition *p, struct core_node *n)
{
    for (uint32_t i = 0; i < n->in.n; i++) {
        if (n->in.v[i].partition == p->no)
            return;
    }
    struct core_membership m = {p->no, p->nodes.n};
    td_vec_push(&n->in, m);
    td_vec_push(&p->nodes, n->no);
}

static bool takes_all(const struct core_partition *p)
{
    return td_str_casecmp(p->conf.nodes ? p->conf.nodes : "", "ALL") == 0;
}

static void fill_partition(struct td_core *c, struct core_partition *p)
{
    if (takes_all(p)) {
        for (uint32_t i = 0; i < c->nodes.n; i++) {
            if (c->nodes.v[i]->conf)
                put_in(p, c->nodes.v[i]);
        }
        return;
    }
    struct td_hostlist l = {0};
    struct td_error err;
    if (td_str_empty(p->conf.nodes) || td_hostlist_parse(p->conf.nodes, TD_MAX_NODES, &l, &err) < 0)
        return; /* the reader of the configuration refused it in words before it came here */
    for (uint32_t i = 0; i < l.names.n; i++) {
        struct core_node *n = core_node_find(c, l.names.v[i]);
        if (n)
            put_in(p, n);
    }
    td_hostlist_release(&l);
}

/* A node that is in no NodeName line: partitions whose list names it or says ALL, else the default
 * one. */
void core_conf_join(struct td_core *c, struct core_node *n)
{
    for (uint32_t i = 0; i < c->partitions.n; i++) {
        struct core_partition *p = c->partitions.v[i];
        if (!p->gone && (takes_all(p) || (!td_str_empty(p->conf.nodes) &&
                                          td_hostlist_match(p->conf.nodes, n->name))))
            put_in(p, n);
    }
    struct core_partition *p = core_partition_default(c);
    if (n->in.n == 0 && p)
        put_in(p, n);
}

static void take_nodes(struct td_core *c)
{
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        c->nodes.v[i]->conf = NULL;
        c->nodes.v[i]->in.n = 0;
    }
    for (uint32_t i = 0; i < c->conf->nodes.n; i++) {
        const struct td_node_conf *line = &c->conf->nodes.v[i];
        struct td_hostlist l = {0};
        struct td_error err;
        if (td_hostlist_parse(line->names, TD_MAX_NODES, &l, &err) < 0)
            continue;
        for (uint32_t k = 0; k < l.names.n; k++) {
            struct core_node *n = core_node_find(c, l.names.v[k]);
            if (!n)
                n = core_node_add(c, l.names.v[k]);
            n->conf = line;
        }
        td_hostlist_release(&l);
    }
}

static void take_partition(struct td_core *c, const struct td_partition_conf *conf)
{
    struct core_partition *p = core_partition_find(c, conf->name);
    if (!p)
        p = core_partition_add(c, conf->name);
    p->gone = false;
    p->conf = *conf;
    p->conf.name = p->name;
    p->state = parse_state(conf->state);
    if (p->conf.nodes_max == TD_INFINITE)
        p->conf.nodes_max = 0;
    fill_partition(c, p);
}

/* Builds everything that follows from c->conf; also after a restore. */
void core_conf_build(struct td_core *c)
{
    c->settings = c->conf->settings;
    td_ledger_set_licences(c->ledger, c->settings.licenses);
    for (uint32_t i = 0; i < c->partitions.n; i++) {
        c->partitions.v[i]->gone = true;
        c->partitions.v[i]->nodes.n = 0;
        c->partitions.v[i]->conf = (struct td_partition_conf){.name = c->partitions.v[i]->name};
    }
    take_nodes(c);
    for (uint32_t i = 0; i < c->conf->partitions.n; i++)
        take_partition(c, &c->conf->partitions.v[i]);
    if (c->conf->partitions.n == 0) {
        static const struct td_partition_conf all = {.name = "normal",
                                                     .nodes = "ALL",
                                                     .is_default = true,
                                                     .max_s = TD_INFINITE,
                                                     .priority_tier = 1};
        take_partition(c, &all);
    }
    /* Nodes that joined keep their place behind the configured ones. */
    for (uint32_t i = 0; i < c->nodes.n; i++) {
        if (!c->nodes.v[i]->conf)
            core_conf_join(c, c->nodes.v[i]);
        core_node_tell_ledger(c, c->nodes.v[i]);
    }
}

/* Marks of a NodeName line's State= count when the node is first seen; afterwards they are the
 * administrator's. */
static void first_marks(struct td_core *c, uint32_t known, int64_t now_ms)
{
    for (uint32_t i = known; i < c->nodes.n; i++) {
        struct core_node *n = c->nodes.v[i];
        const char *state = n->conf ? n->conf->state : NULL;
        n->down = td_str_casecmp(state ? state : "", "DOWN") == 0;
        n->drain = td_str_casecmp(state ? state : "", "DRAIN") == 0;
        if (n->down || n->drain) {
            n->reason =
                td_strdup(td_str_empty(n->conf->reason) ? "configured so" : n->conf->reason);
            n->reason_ms = now_ms;
        }
    }
}

void core_conf_apply(struct td_core *c, const struct td_ev_conf_loaded *ev)
{
    struct td_ev_conf_loaded *old = c->conf;
    uint32_t known = c->nodes.n;
    c->conf = core_pack(&td_rec_ev_conf_loaded, ev);
    core_conf_build(c);
    first_marks(c, known, c->time_ms);
    if (c->next_job < c->settings.first_job)
        c->next_job = c->settings.first_job;
    for (uint32_t i = 0; i < c->jobs.n; i++) {
        struct core_job *j = c->jobs.v[i];
        if (j->queued)
            td_queue_drop(c->queue, j->id);
        j->queued = false;
        core_job_set_candidates(c, j); /* of one that runs too: it may come back to the queue */
        if (j->state == TD_JOB_PENDING)
            core_job_enqueue(c, j);
    }
    td_free(old);
}

static struct td_bin range_bits(struct td_arena *a, uint32_t from, uint32_t n)
{
    uint32_t bytes = (from + n + 7) / 8;
    uint8_t *v = td_arena_alloc(a, bytes + 1);
    for (uint32_t i = from; i < from + n; i++)
        td_bits_set(v, i);
    return (struct td_bin){v, bytes};
}

/* "gpu:TitanXp:4(S:0-1),gpu:2,license:10" */
static uint32_t parse_gres(const char *text, struct td_arena *a, struct td_gres_stock *ret,
                           uint32_t cap)
{
    uint32_t n = 0;
    char *s = td_arena_strdup(a, text ? text : "");
    while (*s && n < cap) {
        char *end = s, *parts[3] = {s, NULL, NULL};
        uint32_t k = 1, depth = 0;
        for (; *end && (depth || *end != ','); end++) {
            depth += *end == '(';
            depth -= *end == ')' && depth;
            if (*end == ':' && !depth && k < 3) {
                *end = '\0';
                parts[k++] = end + 1;
            } else if (*end == '(') {
                *end = '\0';
                depth = 1;
            }
        }
        bool more = *end == ',';
        *end = '\0';
        uint64_t count = 1;
        const char *type = NULL;
        if (k == 3) {
            type = parts[1];
            td_parse_u64(parts[2], &count);
        } else if (k == 2 && !td_parse_u64(parts[1], &count)) {
            type = parts[1];
            count = 1;
        }
        ret[n] = (struct td_gres_stock){.name = parts[0], .type = type, .count = count};
        if (td_str_equal(parts[0], "gpu") && count <= TD_MAX_DEVICES_PER_NODE) {
            struct td_device *d = td_arena_alloc(a, (count + 1) * sizeof(*d));
            uint32_t before = 0;
            for (uint32_t i = 0; i < n; i++)
                before += td_str_equal(ret[i].name, "gpu") ? (uint32_t)ret[i].count : 0;
            for (uint32_t i = 0; i < count; i++)
                d[i] = (struct td_device){.index = before + i, .type = type};
            ret[n].devices = (struct td_device_list){d, (uint32_t)count};
        }
        n++;
        s = more ? end + 1 : end;
    }
    return n;
}

bool core_conf_inventory(const struct td_node_conf *conf, struct td_arena *a,
                         struct td_inventory *ret)
{
    uint32_t threads = TD_MAX(conf->threads_per_core, 1u);
    uint32_t sockets = TD_MAX(conf->sockets, 1u);
    uint32_t cpus = conf->cpus;
    if (!cpus)
        cpus = sockets * TD_MAX(conf->cores_per_socket, 1u) * threads;
    cpus = TD_MIN(cpus, (uint32_t)TD_MAX_CPUS_PER_NODE);
    uint32_t ncores = (cpus + threads - 1) / threads;
    struct td_cpu_core *cores = td_arena_alloc(a, ncores * sizeof(*cores));
    for (uint32_t i = 0; i < ncores; i++) {
        uint32_t from = i * threads;
        cores[i] = (struct td_cpu_core){.cpus = range_bits(a, from, TD_MIN(threads, cpus - from)),
                                        .package = i * sockets / ncores};
    }
    struct td_gres_stock *stocks = td_arena_alloc(a, TD_MAX_GRES_KINDS * sizeof(*stocks));
    uint32_t nstocks = parse_gres(conf->gres, a, stocks, TD_MAX_GRES_KINDS);
    *ret = (struct td_inventory){
        .cpus = range_bits(a, 0, cpus),
        .sockets = sockets,
        .cores_per_socket =
            conf->cores_per_socket ? conf->cores_per_socket : (ncores + sockets - 1) / sockets,
        .threads_per_core = threads,
        .memory_mb = conf->memory_mb ? conf->memory_mb : 1,
        .tmp_mb = conf->tmp_mb,
        .cores = {cores, ncores},
        .gres = {stocks, nstocks},
        .features = conf->features,
        .declared = true,
    };
    return true;
}

static uint64_t count_of(const struct td_gres_stock *v, uint32_t n, const char *name,
                         const char *type)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (td_str_equal(v[i].name, name) && (!type || td_str_equal(v[i].type, type)))
            sum += v[i].count;
    }
    return sum;
}

static void say(struct td_buf *b, const char *text)
{
    if (b->len)
        td_buf_puts(b, ", ");
    td_buf_puts(b, text);
}

/* Of a kind altogether first; a model only where the kind is complete. */
static void say_gres(struct td_buf *b, const struct td_inventory *inv,
                     const struct td_gres_stock *line, uint32_t nline, uint32_t at,
                     struct td_arena *a)
{
    const struct td_gres_stock *g = &line[at];
    uint64_t want = count_of(line, nline, g->name, NULL);
    uint64_t have = count_of(inv->gres.v, inv->gres.n, g->name, NULL);
    bool first = count_of(line, at, g->name, NULL) == 0;
    const char *colon = "", *type = "";
    if (have >= want && !td_str_empty(g->type)) {
        first = count_of(line, at, g->name, g->type) == 0;
        want = count_of(line, nline, g->name, g->type);
        have = count_of(inv->gres.v, inv->gres.n, g->name, g->type);
        colon = ":";
        type = g->type;
    }
    if (have < want && first)
        say(b, core_text(a, "gres/%s%s%s count reported lower than configured (%llu < %llu)",
                         g->name, colon, type, (unsigned long long)have,
                         (unsigned long long)want));
}

const char *core_conf_shortage(const struct td_node_conf *conf, const struct td_inventory *inv,
                               struct td_arena *a)
{
    struct td_buf b = {0};
    uint64_t cpus = conf->cpus;
    if (!cpus)
        cpus = (uint64_t)TD_MAX(conf->sockets, 1u) * TD_MAX(conf->cores_per_socket, 1u) *
               TD_MAX(conf->threads_per_core, 1u);
    if (td_bits_count(inv->cpus.v, inv->cpus.n) < cpus)
        say(&b, "Low socket*core*thread count");
    if (inv->memory_mb < conf->memory_mb)
        say(&b, core_text(a, "Low RealMemory (reported:%llu < 100.00%% of configured:%llu)",
                          (unsigned long long)inv->memory_mb,
                          (unsigned long long)conf->memory_mb));
    if (inv->tmp_mb < conf->tmp_mb)
        say(&b, core_text(a, "Low TmpDisk (reported:%llu < 100.00%% of configured:%llu)",
                          (unsigned long long)inv->tmp_mb, (unsigned long long)conf->tmp_mb));
    struct td_gres_stock *line = td_arena_alloc(a, TD_MAX_GRES_KINDS * sizeof(*line));
    uint32_t n = parse_gres(conf->gres, a, line, TD_MAX_GRES_KINDS);
    for (uint32_t i = 0; i < n; i++)
        say_gres(&b, inv, line, n, i, a);
    const char *text = NULL;
    if (b.len) {
        b.len = TD_MIN(b.len, (size_t)TD_MAX_TEXT_BYTES);
        text = td_arena_dup(a, td_buf_str(&b), b.len + 1);
        ((char *)(uintptr_t)text)[b.len] = '\0';
    }
    td_buf_release(&b);
    return text;
}
