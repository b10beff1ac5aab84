/* gpus.c - GPUs out of hwloc, one for each PCI bus id however many back ends show it
 *
 * A GPU is a PCI device with a CUDA, NVML, RSMI, OpenCL or LevelZero object, or with a DRM render node where the maker
 * builds cards (a display controller without one, as of a management board, is none). In a topology file also a bare 3D
 * controller of such a maker, since nothing else is shown where hwloc had no back end; on this machine the driver must
 * know it.
 * Index: the number of its device file where the driver tells, else that of the one back end which sees them all, else
 * the order of the bus ids. Island: what NVLink or XGMI joins; else what one PCIe switch joins; else what is close to
 * the same CPUs. */
#include "worker/topo/found.h"

#include <hwloc/distances.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VENDOR_NVIDIA 0x10de
#define VENDOR_AMD 0x1002
#define VENDOR_INTEL 0x8086
#define CLASS_VGA 0x0300
#define CLASS_3D 0x0302
#define CLASS_ACCELERATOR 0x1200
#define NONE UINT32_MAX
#define DRM_RENDER_FIRST 128

enum backend { BACKEND_NVML, BACKEND_RSMI, BACKEND_CUDA, BACKEND_OTHER, BACKEND_COUNT };

struct seen {
    hwloc_obj_t pci;
    uint64_t bus; /* domain, bus, device, function in one number */
    uint32_t number[BACKEND_COUNT];
    uint32_t render;
    bool counts;
    bool driver; /* this machine's driver told minor, model and UUID */
    uint32_t minor;
    char model[256], uuid[128];
};
struct seen_list {
    TD_VEC(struct seen) v;
};

static hwloc_obj_t pci_of(hwloc_obj_t obj)
{
    while (obj && obj->type != HWLOC_OBJ_PCI_DEVICE)
        obj = obj->parent;
    return obj;
}

static uint64_t bus_of(hwloc_obj_t pci)
{
    const struct hwloc_pcidev_attr_s *at = &pci->attr->pcidev;

    return (uint64_t)at->domain << 16 | (uint64_t)at->bus << 8 | (uint64_t)at->dev << 3 | at->func;
}

static struct seen *seen_of(struct seen_list *l, hwloc_obj_t pci)
{
    for (uint32_t i = 0; i < l->v.n; i++)
        if (l->v.v[i].bus == bus_of(pci))
            return &l->v.v[i];
    struct seen s = {.pci = pci, .bus = bus_of(pci), .render = NONE};
    for (int b = 0; b < BACKEND_COUNT; b++)
        s.number[b] = NONE;
    td_vec_push(&l->v, s);
    return &l->v.v[l->v.n - 1];
}

static uint32_t trailing_number(const char *name)
{
    size_t n = strlen(name), at = n;

    while (at > 0 && isdigit((unsigned char)name[at - 1]))
        at--;
    return at < n && n - at < 9 ? (uint32_t)strtoul(name + at, NULL, 10) : NONE;
}

/* Which back end's object is it? BACKEND_COUNT = none that makes a GPU. */
static enum backend backend_of(hwloc_obj_t os)
{
    const char *name = os->name ? os->name : "";
    const char *kind = hwloc_obj_get_info_by_name(os, "OpenCLDeviceType");

    if (td_str_prefix(name, "nvml"))
        return BACKEND_NVML;
    if (td_str_prefix(name, "rsmi"))
        return BACKEND_RSMI;
    if (td_str_prefix(name, "cuda"))
        return BACKEND_CUDA;
    if (td_str_prefix(name, "opencl") && (!kind || strcmp(kind, "GPU") == 0))
        return BACKEND_OTHER;
    if (td_str_prefix(name, "ze"))
        return BACKEND_OTHER;
    return BACKEND_COUNT;
}

static void copy_info(char *to, size_t cap, hwloc_obj_t os, const char *name)
{
    const char *value = hwloc_obj_get_info_by_name(os, name);

    if (value && *to == '\0')
        td_format(to, cap, "%s", value);
}

/* Integrated graphics have render nodes too; a maker of cards and a class beyond plain VGA tell, or NVIDIA and AMD. */
static bool render_node_counts(hwloc_obj_t pci)
{
    unsigned vendor = pci->attr->pcidev.vendor_id;

    if (vendor == VENDOR_NVIDIA || vendor == VENDOR_AMD)
        return true;
    return vendor == VENDOR_INTEL && pci->attr->pcidev.class_id != CLASS_VGA;
}

static void see_osdev(struct seen_list *l, hwloc_obj_t os)
{
    hwloc_obj_t pci = pci_of(os);
    enum backend b = backend_of(os);
    bool render = os->name && td_str_prefix(os->name, "renderD");

    if (!pci || (b == BACKEND_COUNT && !render))
        return;
    struct seen *s = seen_of(l, pci);
    if (render) {
        s->render = trailing_number(os->name);
        s->counts = s->counts || render_node_counts(pci);
        return;
    }
    s->counts = true;
    s->number[b] = trailing_number(os->name);
    copy_info(s->model, sizeof(s->model), os, "GPUModel");
    copy_info(s->uuid, sizeof(s->uuid), os, "NVIDIAUUID");
    copy_info(s->uuid, sizeof(s->uuid), os, "AMDUUID");
}

/* "Model: \t NVIDIA H100" -> what is behind the blanks, or NULL. */
static const char *line_value(char *line, const char *key)
{
    if (!td_str_prefix(line, key))
        return NULL;
    line += strlen(key);
    line += strspn(line, ": \t");
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static void ask_driver(struct seen *s)
{
    const struct hwloc_pcidev_attr_s *at = &s->pci->attr->pcidev;
    char path[128], line[256];

    if (at->vendor_id != VENDOR_NVIDIA)
        return;
    snprintf(path, sizeof(path), "/proc/driver/nvidia/gpus/%04x:%02x:%02x.%x/information", (unsigned)at->domain, at->bus, at->dev, at->func);
    FILE *in = fopen(path, "re");
    if (!in)
        return; /* no driver, or not its device: the other back ends decide */
    while (fgets(line, sizeof(line), in)) {
        const char *value;
        if ((value = line_value(line, "Model")))
            td_format(s->model, sizeof(s->model), "%s", value);
        else if ((value = line_value(line, "GPU UUID")) && !strchr(value, '?'))
            td_format(s->uuid, sizeof(s->uuid), "%s", value);
        else if ((value = line_value(line, "Device Minor")) && isdigit((unsigned char)*value)) {
            s->minor = (uint32_t)strtoul(value, NULL, 10);
            s->driver = s->counts = true;
        }
    }
    fclose(in);
}

static void see_pci(struct seen_list *l, hwloc_obj_t pci, bool live)
{
    unsigned vendor = pci->attr->pcidev.vendor_id, class = pci->attr->pcidev.class_id;

    if (vendor != VENDOR_NVIDIA && vendor != VENDOR_AMD)
        return;
    if (class == CLASS_3D || class == CLASS_ACCELERATOR)
        seen_of(l, pci)->counts |= !live;
    else if (class == CLASS_VGA && vendor == VENDOR_NVIDIA && live)
        seen_of(l, pci);
}

static int bus_order(const void *x, const void *y)
{
    const struct seen *a = x, *b = y;

    return a->bus < b->bus ? -1 : a->bus > b->bus;
}

static void see_all(struct seen_list *l, hwloc_topology_t t, bool live)
{
    for (hwloc_obj_t os = hwloc_get_next_osdev(t, NULL); os; os = hwloc_get_next_osdev(t, os))
        see_osdev(l, os);
    for (hwloc_obj_t pci = hwloc_get_next_pcidev(t, NULL); pci; pci = hwloc_get_next_pcidev(t, pci))
        see_pci(l, pci, live);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < l->v.n; i++) {
        if (live)
            ask_driver(&l->v.v[i]);
        if (l->v.v[i].counts)
            l->v.v[kept++] = l->v.v[i];
    }
    l->v.n = kept;
    if (kept > 0)
        qsort(l->v.v, kept, sizeof(l->v.v[0]), bus_order);
}

/* --- indices ----------------------------------------------------------------------------------------------------- */

static bool numbers_serve(const struct seen_list *l, const uint32_t *numbers)
{
    for (uint32_t i = 0; i < l->v.n; i++) {
        if (numbers[i] >= TD_MAX_DEVICES_PER_NODE)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (numbers[j] == numbers[i])
                return false;
    }
    return true;
}

static void choose_indices(const struct seen_list *l, uint32_t *ret)
{
    for (uint32_t i = 0; i < l->v.n; i++)
        ret[i] = l->v.v[i].driver ? l->v.v[i].minor : NONE;
    if (numbers_serve(l, ret))
        return;
    for (int b = 0; b < BACKEND_OTHER; b++) {
        for (uint32_t i = 0; i < l->v.n; i++)
            ret[i] = l->v.v[i].number[b];
        if (numbers_serve(l, ret))
            return;
    }
    for (uint32_t i = 0; i < l->v.n; i++)
        ret[i] = i;
}

/* --- islands ----------------------------------------------------------------------------------------------------- */

uint32_t island_root(uint32_t *parent, uint32_t i)
{
    while (parent[i] != i)
        i = parent[i];
    return i;
}

void island_join(uint32_t *parent, uint32_t i, uint32_t j)
{
    uint32_t a = island_root(parent, i), b = island_root(parent, j);

    parent[TD_MAX(a, b)] = TD_MIN(a, b);
}

static uint32_t seen_by_obj(const struct seen_list *l, hwloc_obj_t obj)
{
    hwloc_obj_t pci = obj ? pci_of(obj) : NULL;

    for (uint32_t i = 0; pci && i < l->v.n; i++)
        if (l->v.v[i].bus == bus_of(pci))
            return i;
    return NONE;
}

static void join_linked(const struct seen_list *l, hwloc_topology_t t, uint32_t *parent)
{
    struct hwloc_distances_s *d[64];
    unsigned nd = TD_ARRAY_LEN(d);

    if (hwloc_distances_get(t, &nd, d, 0, 0) < 0)
        return;
    for (unsigned k = 0; k < TD_MIN(nd, (unsigned)TD_ARRAY_LEN(d)); k++) {
        const char *name = hwloc_distances_get_name(t, d[k]);
        bool links = td_str_equal(name, "NVLinkBandwidth") || td_str_equal(name, "XGMIBandwidth");
        for (unsigned i = 0; links && i < d[k]->nbobjs; i++)
            for (unsigned j = 0; j < i; j++) {
                uint32_t a = seen_by_obj(l, d[k]->objs[i]), b = seen_by_obj(l, d[k]->objs[j]);
                if (a != NONE && b != NONE && d[k]->values[i * d[k]->nbobjs + j] > 0)
                    island_join(parent, a, b);
            }
        hwloc_distances_release(t, d[k]);
    }
}

/* One switch above both, below the host's own bridge? */
static bool share_switch(hwloc_obj_t a, hwloc_obj_t b)
{
    for (hwloc_obj_t up = a->parent; up && up->type == HWLOC_OBJ_BRIDGE; up = up->parent) {
        if (up->attr->bridge.upstream_type != HWLOC_OBJ_BRIDGE_PCI)
            return false;
        for (hwloc_obj_t other = b->parent; other && other->type == HWLOC_OBJ_BRIDGE; other = other->parent)
            if (other == up)
                return true;
    }
    return false;
}

static bool share_cpus(hwloc_topology_t t, hwloc_obj_t a, hwloc_obj_t b)
{
    return hwloc_get_non_io_ancestor_obj(t, a) == hwloc_get_non_io_ancestor_obj(t, b);
}

static void join_alone(const struct seen_list *l, hwloc_topology_t t, uint32_t *parent, bool by_switch)
{
    bool alone[TD_MAX_DEVICES_PER_NODE];

    for (uint32_t i = 0; i < l->v.n; i++) {
        alone[i] = true;
        for (uint32_t j = 0; j < l->v.n; j++)
            alone[i] = alone[i] && (i == j || island_root(parent, i) != island_root(parent, j));
    }
    for (uint32_t i = 0; i < l->v.n; i++)
        for (uint32_t j = 0; j < i; j++) {
            hwloc_obj_t a = l->v.v[i].pci, b = l->v.v[j].pci;
            if (alone[i] && alone[j] && (by_switch ? share_switch(a, b) : share_cpus(t, a, b)))
                island_join(parent, i, j);
        }
}

static void number_islands(uint32_t *parent, uint32_t n, uint32_t *ret)
{
    uint32_t next = 0;

    for (uint32_t i = 0; i < n; i++)
        ret[i] = island_root(parent, i) == i ? next++ : ret[island_root(parent, i)];
}

/* --- together ---------------------------------------------------------------------------------------------------- */

/* "NVIDIA H100 80GB HBM3" -> nvidia_h100_80gb_hbm3, as one types it behind --gres=gpu: */
static const char *type_of(struct found *f, const char *model)
{
    char *type = td_arena_strdup(f->a, model);
    size_t at = 0;

    for (const char *c = model; *c; c++) {
        if (isalnum((unsigned char)*c) || *c == '.' || *c == '-')
            type[at++] = (char)tolower((unsigned char)*c);
        else if (at > 0 && type[at - 1] != '_')
            type[at++] = '_';
    }
    while (at > 0 && type[at - 1] == '_')
        at--;
    type[at] = '\0';
    return type;
}

static const char *file_of(struct found *f, const struct seen *s)
{
    char path[64] = "";

    if (!f->live)
        return "";
    if (s->driver)
        snprintf(path, sizeof(path), "/dev/nvidia%u", s->minor);
    else if (s->render != NONE)
        snprintf(path, sizeof(path), "/dev/dri/renderD%u", s->render);
    return td_arena_strdup(f->a, path);
}

static uint32_t numa_of(const struct found *f, struct td_bin cpus)
{
    for (uint32_t i = 0; i < f->nnumas; i++)
        if (td_bits_overlap(f->numas[i].cpus, cpus))
            return f->numas[i].index;
    return 0;
}

static int make_gpu(struct found *f, hwloc_topology_t t, const struct seen *s, struct found_gpu *ret, struct td_error *err)
{
    const struct hwloc_pcidev_attr_s *at = &s->pci->attr->pcidev;
    hwloc_obj_t near = hwloc_get_non_io_ancestor_obj(t, s->pci);
    char bus[32];

    snprintf(bus, sizeof(bus), "%04x:%02x:%02x.%x", (unsigned)at->domain, at->bus, at->dev, at->func);
    ret->model = td_arena_strdup(f->a, s->model);
    ret->device.type = type_of(f, s->model);
    ret->device.bus_id = td_arena_strdup(f->a, bus);
    ret->device.uuid = td_arena_strdup(f->a, s->uuid);
    ret->device.file = file_of(f, s);
    int r = machine_cpuset(f, near->cpuset, &ret->device.cpus, err);
    ret->device.numa = numa_of(f, ret->device.cpus);
    return r;
}

static int index_order(const void *x, const void *y)
{
    const struct found_gpu *a = x, *b = y;

    return a->device.index < b->device.index ? -1 : a->device.index > b->device.index;
}

static int make_gpus(struct found *f, hwloc_topology_t t, const struct seen_list *l, struct td_error *err)
{
    uint32_t parent[TD_MAX_DEVICES_PER_NODE], island[TD_MAX_DEVICES_PER_NODE], index[TD_MAX_DEVICES_PER_NODE];

    if (l->v.n > TD_MAX_DEVICES_PER_NODE)
        return td_fail(err, TD_E_TOPOLOGY, "the topology has %u GPUs, the most possible is %d", l->v.n, TD_MAX_DEVICES_PER_NODE);
    for (uint32_t i = 0; i < l->v.n; i++)
        parent[i] = i;
    join_linked(l, t, parent);
    join_alone(l, t, parent, true);
    join_alone(l, t, parent, false);
    number_islands(parent, l->v.n, island);
    choose_indices(l, index);
    f->gpus = td_arena_alloc(f->a, (l->v.n + 1) * sizeof(*f->gpus));
    for (uint32_t i = 0; i < l->v.n; i++) {
        int r = make_gpu(f, t, &l->v.v[i], &f->gpus[i], err);
        if (r < 0)
            return r;
        f->gpus[i].device.index = index[i];
        f->gpus[i].device.island = island[i];
    }
    f->ngpus = l->v.n;
    if (f->ngpus > 0)
        qsort(f->gpus, f->ngpus, sizeof(*f->gpus), index_order);
    return 0;
}

int gpus_read(struct found *f, hwloc_topology_t t, struct td_error *err)
{
    struct seen_list l = {0};

    see_all(&l, t, f->live);
    int r = make_gpus(f, t, &l, err);
    td_vec_release(&l.v);
    return r;
}
