/* stocks.c - devices and countables: gres.conf, the Gres= of the NodeName line, and what hwloc found, put together
 *
 * For each kind named anywhere: gres.conf lines make the devices if there are any; else those that hwloc found (gpu);
 * else Gres= alone makes pretended ones. Where a device of gres.conf is one that hwloc found (same file; in a rehearsal
 * same index), it keeps bus id, UUID, island and closeness. Gres= must agree with the rest in number. */
#include "worker/topo/found.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEVICES_MAX TD_MAX_DEVICES_PER_NODE

/* One item of Gres=: name[:type][:count][(S:0-1)] */
struct asked {
    const char *name, *type;
    uint64_t count;
    const char *sockets; /* NULL = not said */
    bool used;
};
struct item {
    struct td_device device;
    bool placed; /* hwloc knows it: its island is told */
};
struct kind {
    const char *name;
    struct item items[DEVICES_MAX];
    uint32_t nitems;
    struct { const char *type; uint64_t count; } sums[TD_MAX_GRES_KINDS]; /* countables, by type */
    uint32_t nsums;
    uint32_t parent[DEVICES_MAX]; /* islands told by Links= */
    bool linked;
};

struct maker {
    const struct td_topo_params *p;
    struct found *f;
    struct asked asked[TD_MAX_GRES_KINDS];
    uint32_t nasked;
    struct td_gres_stock *stocks;
    uint32_t nstocks;
    struct td_error *err;
};

/* --- Gres= ------------------------------------------------------------------------------------------------------- */

static bool parse_count(const char *s, uint64_t *ret)
{
    char *end = NULL;

    if (!isdigit((unsigned char)*s))
        return false;
    errno = 0;
    unsigned long long n = strtoull(s, &end, 10);
    unsigned shift = 0;
    switch (*end) {
    case 'k': case 'K': shift = 10; break;
    case 'm': case 'M': shift = 20; break;
    case 'g': case 'G': shift = 30; break;
    case 't': case 'T': shift = 40; break;
    default: break;
    }
    if (errno != 0 || end[shift > 0] != '\0' || n > UINT64_MAX >> shift)
        return false;
    *ret = (uint64_t)n << shift;
    return true;
}

static int asked_item(struct maker *m, char *item)
{
    struct asked *x = &m->asked[m->nasked];
    char *open = strchr(item, '(');

    if (m->nasked == TD_MAX_GRES_KINDS)
        return td_fail(m->err, TD_E_CONF, "Gres=%s: more than %d kinds", m->p->gres, TD_MAX_GRES_KINDS);
    *x = (struct asked){.count = 1, .type = ""};
    if (open) {
        char *close = strchr(open, ')');
        if (!close || close[1] != '\0' || !td_str_prefix(open, "(S:"))
            return td_fail(m->err, TD_E_CONF, "Gres=%s: what is in the brackets of '%s' must read (S:sockets)", m->p->gres, item);
        *close = '\0';
        x->sockets = open + 3;
        *open = '\0';
    }
    uint32_t part = 0;
    for (char *at = item, *next; at; at = next, part++) {
        next = strchr(at, ':');
        if (next)
            *next++ = '\0';
        if (part == 0)
            x->name = at;
        else if (td_str_equal(at, "no_consume"))
            return td_fail(m->err, TD_E_CONF, "Gres=%s: no_consume is not supported", m->p->gres);
        else if (!next && parse_count(at, &x->count))
            break; /* only the last part counts: there are models called 1080 */
        else if (part == 1 && *at != '\0')
            x->type = at;
        else
            return td_fail(m->err, TD_E_CONF, "Gres=%s: '%s' is not a count", m->p->gres, at);
    }
    if (*x->name == '\0')
        return td_fail(m->err, TD_E_CONF, "Gres=%s: a kind has no name", m->p->gres);
    m->nasked++;
    return 0;
}

static int parse_asked(struct maker *m)
{
    if (td_str_empty(m->p->gres) || td_str_equal(m->p->gres, "(null)"))
        return 0;
    char *text = td_arena_strdup(m->f->a, m->p->gres);
    while (text) {
        char *at = text;
        int depth = 0;
        for (; *at && (depth > 0 || *at != ','); at++)
            depth += *at == '(' ? 1 : *at == ')' && depth > 0 ? -1 : 0;
        char *next = *at ? at + 1 : NULL;
        *at = '\0';
        int r = asked_item(m, text);
        if (r < 0)
            return r;
        text = next;
    }
    return 0;
}

/* --- closeness --------------------------------------------------------------------------------------------------- */

/* Cores=: numbers of cores in placement order; where one is no core's number but a CPU's, all are taken as CPUs'. */
static int cores_to_cpus(struct maker *m, const char *cores, struct td_bin *ret)
{
    struct td_span spans[64];
    uint32_t n = 0, limit = 0, highest = 0;
    struct td_error why = {0};
    uint8_t all[TD_MAX_CPU_BYTES] = {0};
    uint8_t *bits = found_bits(m->f);

    found_cpus(m->f, all);
    if (td_array_parse(cores, TD_MAX_CPUS_PER_NODE, spans, TD_ARRAY_LEN(spans), &n, &limit, &why) < 0)
        return td_fail(m->err, TD_E_CONF, "gres.conf: Cores=%s is not a list of cores", cores);
    for (uint32_t i = 0; i < n; i++)
        highest = TD_MAX(highest, spans[i].last);
    bool by_core = highest < m->f->ncores;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = spans[i].first; k <= spans[i].last; k += TD_MAX(spans[i].step, 1u)) {
            if (!by_core && !td_bits_get(all, sizeof(all), k))
                return td_fail(m->err, TD_E_CONF, "gres.conf: Cores=%s: this node has %u cores", cores, m->f->ncores);
            if (!by_core)
                td_bits_set(bits, k);
            for (uint32_t b = 0; by_core && b < m->f->cores[k].cpus.n; b++)
                bits[b] |= m->f->cores[k].cpus.v[b];
        }
    *ret = found_bin(m->f, bits);
    return 0;
}

static int sockets_to_cpus(struct maker *m, const char *sockets, struct td_bin *ret)
{
    struct td_span spans[64];
    uint32_t n = 0, limit = 0;
    struct td_error why = {0};
    uint8_t *bits = found_bits(m->f);

    if (td_array_parse(sockets, TD_MAX_CPUS_PER_NODE, spans, TD_ARRAY_LEN(spans), &n, &limit, &why) < 0)
        return td_fail(m->err, TD_E_CONF, "Gres=%s: S:%s is not a list of sockets", m->p->gres, sockets);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = spans[i].first; k <= spans[i].last; k += TD_MAX(spans[i].step, 1u)) {
            if (k >= m->f->packages)
                return td_fail(m->err, TD_E_CONF, "Gres=%s: S:%s: this node has %u sockets", m->p->gres, sockets, m->f->packages);
            for (uint32_t c = 0; c < m->f->ncores; c++)
                for (uint32_t b = 0; m->f->cores[c].package == k && b < m->f->cores[c].cpus.n; b++)
                    bits[b] |= m->f->cores[c].cpus.v[b];
        }
    *ret = found_bin(m->f, bits);
    return 0;
}

static uint32_t numa_of(const struct found *f, struct td_bin cpus)
{
    for (uint32_t i = 0; i < f->nnumas; i++)
        if (td_bits_overlap(f->numas[i].cpus, cpus))
            return f->numas[i].index;
    return 0;
}

/* --- gres.conf lines --------------------------------------------------------------------------------------------- */

static uint32_t index_of_file(const char *file)
{
    size_t n = strlen(file), at = n;

    while (at > 0 && isdigit((unsigned char)file[at - 1]))
        at--;
    if (at == n || n - at > 8)
        return UINT32_MAX;
    uint32_t number = (uint32_t)strtoul(file + at, NULL, 10);
    if (at >= 7 && memcmp(file + at - 7, "renderD", 7) == 0 && number >= 128)
        number -= 128; /* DRM counts its render nodes from there */
    return number;
}

static bool index_taken(const struct kind *k, uint32_t index)
{
    for (uint32_t i = 0; i < k->nitems; i++)
        if (k->items[i].device.index == index)
            return true;
    return false;
}

static const struct found_gpu *found_as(const struct maker *m, const struct kind *k, const struct td_device *d)
{
    for (uint32_t i = 0; td_str_equal(k->name, "gpu") && i < m->f->ngpus; i++) {
        const struct found_gpu *g = &m->f->gpus[i];
        bool same = m->f->real ? !td_str_empty(d->file) && td_str_equal(g->device.file, d->file) : g->device.index == d->index;
        if (same)
            return g;
    }
    return NULL;
}

static int add_device(struct maker *m, struct kind *k, const char *type, const char *file, uint32_t index, const char *cores)
{
    if (k->nitems == DEVICES_MAX)
        return td_fail(m->err, TD_E_CONF, "gres %s: more than %d devices", k->name, DEVICES_MAX);
    while (index >= DEVICES_MAX || index_taken(k, index))
        index = index >= DEVICES_MAX ? 0 : index + 1;
    struct item *it = &k->items[k->nitems];
    *it = (struct item){.device = {.index = index, .type = type ? type : "", .file = file ? file : "", .bus_id = "", .uuid = ""}};
    const struct found_gpu *g = found_as(m, k, &it->device);
    if (g) {
        it->device.bus_id = g->device.bus_id;
        it->device.uuid = g->device.uuid;
        it->device.cpus = g->device.cpus;
        it->device.numa = g->device.numa;
        it->device.island = g->device.island;
        it->placed = true;
        if (td_str_empty(type))
            it->device.type = g->device.type;
    }
    if (!td_str_empty(cores)) {
        int r = cores_to_cpus(m, cores, &it->device.cpus);
        if (r < 0)
            return r;
        it->device.numa = numa_of(m->f, it->device.cpus);
    }
    k->parent[k->nitems] = k->nitems;
    k->nitems++;
    return 0;
}

/* Links=0,-1,2: links to each device of the kind in the order of the lines; -1 is the device itself. */
static void read_links(struct kind *k, uint32_t of, const char *links)
{
    uint32_t to = 0;

    for (const char *at = links; *at; to++) {
        long n = strtol(at, NULL, 10);
        if (n > 0 && to < of) {
            island_join(k->parent, of, to);
            k->linked = true;
        }
        at += strcspn(at, ",");
        at += *at == ',';
    }
}

static int add_files(struct maker *m, struct kind *k, const struct td_gres_line *l)
{
    struct td_hostlist files = {0};
    struct td_error why = {0};
    uint32_t room = DEVICES_MAX;

    if (td_hostlist_parse(l->file, room, &files, &why) < 0)
        return td_fail(m->err, TD_E_CONF, "gres.conf: File=%s: %s", l->file, why.text);
    int r = 0;
    if (l->count > 1 && l->count != files.names.n)
        r = td_fail(m->err, TD_E_CONF, "gres.conf: Name=%s Count=%lu, but File=%s names %u", l->name, (unsigned long)l->count, l->file,
                    files.names.n);
    for (uint32_t i = 0; r == 0 && i < files.names.n; i++) {
        const char *file = td_arena_strdup(m->f->a, files.names.v[i]);
        if (m->f->real && access(file, F_OK) < 0) {
            r = td_fail(m->err, TD_E_TOPOLOGY, "gres.conf: Name=%s File=%s: %s", l->name, file, strerror(errno));
            break;
        }
        r = add_device(m, k, l->type, file, index_of_file(file), l->cores);
        if (r == 0 && !td_str_empty(l->links))
            read_links(k, k->nitems - 1, l->links);
    }
    td_hostlist_release(&files);
    return r;
}

static int add_sum(struct maker *m, struct kind *k, const char *type, uint64_t count)
{
    for (uint32_t i = 0; i < k->nsums; i++)
        if (td_str_equal(k->sums[i].type, type)) {
            k->sums[i].count += count;
            return 0;
        }
    if (k->nsums == TD_MAX_GRES_KINDS)
        return td_fail(m->err, TD_E_CONF, "gres %s: more than %d types", k->name, TD_MAX_GRES_KINDS);
    k->sums[k->nsums].type = type ? type : "";
    k->sums[k->nsums++].count = count;
    return 0;
}

/* Parts of devices are counted, not told apart: NEEDSWORK: a share should know which device it is of. */
static bool kind_is_shares(const char *name)
{
    return td_str_equal(name, "mps") || td_str_equal(name, "shard");
}

static int add_line(struct maker *m, struct kind *k, const struct td_gres_line *l)
{
    uint64_t count = TD_MAX(l->count, (uint64_t)1);
    int r = 0;

    if (kind_is_shares(l->name))
        return add_sum(m, k, l->type, count);
    if (!td_str_empty(l->file))
        return add_files(m, k, l);
    if (!td_str_equal(l->name, "gpu"))
        return add_sum(m, k, l->type, count);
    for (uint64_t i = 0; r == 0 && i < count; i++) /* GPUs have numbers even without files */
        r = add_device(m, k, l->type, NULL, k->nitems, l->cores);
    return r;
}

/* --- one kind ---------------------------------------------------------------------------------------------------- */

static uint64_t kind_count(const struct kind *k, const char *type)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < k->nitems; i++)
        n += td_str_empty(type) || td_str_equal(k->items[i].device.type, type);
    for (uint32_t i = 0; i < k->nsums; i++)
        n += td_str_empty(type) || td_str_equal(k->sums[i].type, type) ? k->sums[i].count : 0;
    return n;
}

static void add_found(struct maker *m, struct kind *k)
{
    for (uint32_t i = 0; i < m->f->ngpus; i++) {
        k->parent[k->nitems] = k->nitems;
        k->items[k->nitems++] = (struct item){.device = m->f->gpus[i].device, .placed = true};
    }
}

static bool model_has(const char *model, const char *type)
{
    size_t n = strlen(type);

    for (const char *at = model; strlen(at) >= n; at++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char)at[i]) == tolower((unsigned char)type[i]))
            i++;
        if (i == n)
            return true;
    }
    return false;
}

/* Gres=gpu:TitanXp:4 names what gres.conf or hwloc left without a name, or called by its full model. */
static void name_types(const struct asked *x, struct kind *k)
{
    uint64_t named = kind_count(k, x->type);

    for (uint32_t i = 0; i < k->nitems && named < x->count; i++) {
        const char *type = k->items[i].device.type;
        if (td_str_equal(type, x->type) || (!td_str_empty(type) && !model_has(type, x->type)))
            continue;
        k->items[i].device.type = x->type;
        named++;
    }
    for (uint32_t i = 0; i < k->nsums; i++)
        if (td_str_empty(k->sums[i].type) && k->sums[i].count == x->count && named == 0)
            k->sums[i].type = x->type;
}

static int pretend_devices(struct maker *m, struct kind *k, const struct asked *x)
{
    int r = 0;

    if (!td_str_equal(x->name, "gpu"))
        return add_sum(m, k, x->type, x->count);
    if (x->count > DEVICES_MAX)
        return td_fail(m->err, TD_E_CONF, "Gres=%s: more than %d devices", m->p->gres, DEVICES_MAX);
    for (uint64_t i = 0; r == 0 && i < x->count; i++)
        r = add_device(m, k, x->type, NULL, k->nitems, NULL);
    return r;
}

static int check_asked(struct maker *m, struct kind *k, bool by_lines)
{
    uint64_t total = 0;
    const char *source = by_lines ? "gres.conf" : "this machine";

    for (uint32_t i = 0; i < m->nasked; i++) {
        struct asked *x = &m->asked[i];
        if (!td_str_equal(x->name, k->name))
            continue;
        if (!td_str_empty(x->type))
            name_types(x, k);
        total += x->count;
        uint64_t there = kind_count(k, x->type);
        if (there < x->count || (by_lines && there != x->count && !td_str_empty(x->type)))
            return td_fail(m->err, TD_E_CONF, "the NodeName line says Gres=%s, but %s has %lu of %s%s%s", m->p->gres, source,
                           (unsigned long)there, k->name, *x->type ? ":" : "", x->type);
    }
    uint64_t there = kind_count(k, NULL);
    if (m->nasked > 0 && by_lines && there != total)
        return td_fail(m->err, TD_E_CONF, "the NodeName line says Gres=%s, but gres.conf has %lu of %s", m->p->gres, (unsigned long)there,
                       k->name);
    if (m->nasked > 0 && !by_lines && total > 0 && total < k->nitems)
        k->nitems = (uint32_t)total; /* fewer are declared than found: the first ones */
    return 0;
}

static int place_by_sockets(struct maker *m, struct kind *k)
{
    for (uint32_t i = 0; i < m->nasked; i++) {
        const struct asked *x = &m->asked[i];
        struct td_bin cpus;
        if (!x->sockets || !td_str_equal(x->name, k->name))
            continue;
        int r = sockets_to_cpus(m, x->sockets, &cpus);
        if (r < 0)
            return r;
        for (uint32_t d = 0; d < k->nitems; d++) {
            struct td_device *dev = &k->items[d].device;
            if (dev->cpus.n > 0 || (!td_str_empty(x->type) && !td_str_equal(x->type, dev->type)))
                continue;
            dev->cpus = cpus;
            dev->numa = numa_of(m->f, cpus);
        }
    }
    return 0;
}

/* Islands that hwloc told stay, numbered behind them those told by Links=, else by equal closeness. */
static void number_islands(struct kind *k)
{
    uint32_t next = 0;

    for (uint32_t i = 0; i < k->nitems; i++)
        if (k->items[i].placed && !k->linked)
            next = TD_MAX(next, k->items[i].device.island + 1);
    for (uint32_t i = 0; i < k->nitems; i++) {
        struct item *it = &k->items[i];
        if (it->placed && !k->linked)
            continue;
        uint32_t j = 0;
        while (j < i) {
            bool same = k->linked ? island_root(k->parent, i) == island_root(k->parent, j)
                                  : !k->items[j].placed && td_bin_equal(it->device.cpus, k->items[j].device.cpus);
            if (same)
                break;
            j++;
        }
        it->device.island = j < i ? k->items[j].device.island : next++;
    }
}

static int item_order(const void *x, const void *y)
{
    const struct td_device *a = x, *b = y;

    return a->index < b->index ? -1 : a->index > b->index;
}

static int add_stock(struct maker *m, const char *name, const char *type, uint64_t count, struct td_device *devices, uint32_t n)
{
    if (m->nstocks == TD_MAX_GRES_KINDS)
        return td_fail(m->err, TD_E_CONF, "more than %d kinds and types of gres on one node", TD_MAX_GRES_KINDS);
    if (n > 1)
        qsort(devices, n, sizeof(*devices), item_order);
    m->stocks[m->nstocks++] = (struct td_gres_stock){name, type, count, {devices, n}};
    return 0;
}

/* A stock for each type, in the order the types come up. */
static int make_stocks(struct maker *m, struct kind *k)
{
    for (uint32_t i = 0; i < k->nitems; i++) {
        const char *type = k->items[i].device.type;
        uint32_t n = 0, j = 0;
        while (j < i && !td_str_equal(k->items[j].device.type, type))
            j++;
        if (j < i)
            continue;
        struct td_device *devices = td_arena_alloc(m->f->a, k->nitems * sizeof(*devices));
        for (j = i; j < k->nitems; j++)
            if (td_str_equal(k->items[j].device.type, type))
                devices[n++] = k->items[j].device;
        int r = add_stock(m, k->name, type, n, devices, n);
        if (r < 0)
            return r;
    }
    for (uint32_t i = 0; i < k->nsums; i++) {
        int r = add_stock(m, k->name, k->sums[i].type, k->sums[i].count, NULL, 0);
        if (r < 0)
            return r;
    }
    return 0;
}

static int make_kind(struct maker *m, const char *name)
{
    struct kind *k = td_alloc(sizeof(*k));
    bool by_lines = false;
    int r = 0;

    k->name = name;
    for (uint32_t i = 0; r == 0 && i < m->p->ngres_lines; i++) {
        if (!td_str_equal(m->p->gres_lines[i].name, name))
            continue;
        by_lines = true;
        r = add_line(m, k, &m->p->gres_lines[i]);
    }
    if (r == 0 && !by_lines && td_str_equal(name, "gpu"))
        add_found(m, k);
    bool pretended = r == 0 && !by_lines && k->nitems == 0;
    for (uint32_t i = 0; r == 0 && i < m->nasked && pretended; i++)
        if (td_str_equal(m->asked[i].name, name))
            r = pretend_devices(m, k, &m->asked[i]);
    if (r == 0)
        r = check_asked(m, k, by_lines);
    if (r == 0)
        r = place_by_sockets(m, k);
    if (r == 0) {
        number_islands(k);
        r = make_stocks(m, k);
    }
    td_free(k);
    return r;
}

/* --- all kinds --------------------------------------------------------------------------------------------------- */

static bool named_before(const struct maker *m, uint32_t upto_asked, uint32_t upto_line, const char *name)
{
    for (uint32_t i = 0; i < upto_asked; i++)
        if (td_str_equal(m->asked[i].name, name))
            return true;
    for (uint32_t i = 0; i < upto_line; i++)
        if (td_str_equal(m->p->gres_lines[i].name, name))
            return true;
    return false;
}

int stocks_make(const struct td_topo_params *p, struct found *f, struct td_gres_stock_list *ret, struct td_error *err)
{
    struct maker m = {.p = p, .f = f, .err = err};
    int r = parse_asked(&m);

    m.stocks = td_arena_alloc(f->a, TD_MAX_GRES_KINDS * sizeof(*m.stocks));
    for (uint32_t i = 0; r == 0 && i < m.nasked; i++)
        if (!named_before(&m, i, 0, m.asked[i].name))
            r = make_kind(&m, m.asked[i].name);
    for (uint32_t i = 0; r == 0 && i < p->ngres_lines; i++) {
        if (td_str_empty(p->gres_lines[i].name))
            r = td_fail(err, TD_E_CONF, "gres.conf: a line has no Name=");
        else if (!named_before(&m, m.nasked, i, p->gres_lines[i].name))
            r = make_kind(&m, p->gres_lines[i].name);
    }
    if (r == 0 && f->ngpus > 0 && m.nasked == 0 && !named_before(&m, 0, p->ngres_lines, "gpu"))
        r = make_kind(&m, "gpu");
    *ret = (struct td_gres_stock_list){m.stocks, r == 0 ? m.nstocks : 0};
    return r;
}
