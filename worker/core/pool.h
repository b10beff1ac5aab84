/* pool.h - inside worker/core: the machine as tables, what is free of it, and the choosers
 *
 * struct td_node is made of three things: tables (the inventory turned into small dense numbers, made once by
 * td_node_set), a base pool (what is free now), and the holdings (what is not, and for whom). A bid works on copies
 * of the base pool. Nothing outside worker/core includes this.
 *
 * Domain: the cores of one package and one NUMA node; the unit of closeness. A machine whose packages share one NUMA
 * node has a domain for each package, one with several NUMA nodes in a package has a domain for each of those. */
#ifndef TD_POOL_H
#define TD_POOL_H

#include "worker/core/bid.h"

#define TD_NOWHERE UINT32_MAX
#define TD_DEVICE_BITS_BYTES ((TD_MAX_DEVICES_PER_NODE + 8) / 8)

struct td_slot { /* a core */
    uint32_t first, n; /* its CPUs: cpu_ids[first .. first+n-1], ascending */
    uint32_t domain;
};
struct td_domain {
    uint32_t package, numa;   /* numa: OS index */
    uint32_t first, n;        /* its cores: order[first .. first+n-1] */
    uint32_t cpus;            /* all its CPUs */
    uint32_t devices;         /* devices that are close to this domain and no other */
};
struct td_dev {
    uint32_t stock, index;
    uint32_t isle;            /* dense number of its island */
    uint32_t package, domain; /* TD_NOWHERE: close to several, or to none in particular */
    const uint8_t *cpus;      /* nbytes; NULL: no CPU is closer than another */
};
struct td_isle {
    uint32_t size;
};

struct td_pool_domain {
    uint32_t cpus;       /* free CPUs */
    uint32_t whole_cpus; /* free CPUs of wholly free cores */
    uint32_t whole;      /* wholly free cores */
};
struct td_pool_stock {
    uint64_t free;
    uint8_t devices[TD_DEVICE_BITS_BYTES]; /* free ones */
};
struct td_pool {
    uint8_t *cpus;                  /* free CPUs, nbytes */
    uint16_t *cores;                /* free CPUs of each core */
    struct td_pool_domain *domains;
    struct td_pool_stock *stocks;
    uint64_t memory_mb, tmp_mb;     /* free */
    uint32_t holdings;
};

struct td_holding {
    uint32_t job, attempt;
    uint32_t at; /* its place in holdings.v */
    struct td_arena arena;
    struct td_placement place;
};
struct td_node {
    char *name;
    struct td_arena arena;   /* inv and the tables */
    struct td_inventory inv;
    struct td_arena partitions_arena;
    struct td_strs partitions;
    bool core_is_unit, memory_counts, draining;
    uint32_t health;
    uint64_t version;

    uint32_t nbytes; /* of every CPU bitmap here */
    uint32_t ncpus;
    uint8_t *all_cpus;
    uint32_t ncores;
    struct td_slot *cores;
    uint16_t *cpu_ids;
    uint16_t *core_of; /* by CPU; UINT16_MAX: none */
    uint32_t ndomains;
    struct td_domain *domains;
    uint32_t *order; /* cores by domain */
    uint32_t ndevs;
    struct td_dev *devs;
    uint32_t nisles;
    struct td_isle *isles;

    struct td_pool empty, base;
    TD_VEC(struct td_holding *) holdings;
    struct td_map by_attempt;
    bool overlapping; /* two holdings share something (adopted after the inventory changed): give rebuilds */
};

static inline bool td_slot_has_cpu(const struct td_node *n, uint32_t cpu)
{
    return cpu < n->nbytes * 8 && n->core_of[cpu] != UINT16_MAX;
}

/* Pools. A pool's arrays live in the arena it was made in; copies are between pools of the same node. */
void td_pool_init(const struct td_node *n, struct td_arena *a, struct td_pool *p); /* nothing free yet */
void td_pool_copy(const struct td_node *n, struct td_pool *to, const struct td_pool *from);
/* Why the placement cannot be taken of this pool, or TD_REFUSAL_NONE. */
uint32_t td_pool_covers(const struct td_node *n, const struct td_pool *p, const struct td_placement *place);
/* Takes what of it is free; returns false when something was not (and took the rest). */
bool td_pool_take(const struct td_node *n, struct td_pool *p, const struct td_placement *place);
void td_pool_give(const struct td_node *n, struct td_pool *p, const struct td_placement *place);
void td_pool_take_cpu(const struct td_node *n, struct td_pool *p, uint32_t cpu); /* a free one */

/* One instance of a lot, in this node's terms. */
struct td_need_gres {
    const char *name, *type;
    uint64_t count;
};
struct td_need {
    uint32_t tasks;
    uint32_t cpus;
    uint64_t memory_mb, memory_mb_per_cpu; /* the second times the CPUs held is added */
    uint64_t tmp_mb;
    bool exclusive, memory_all;
    struct td_need_gres gres[3 * TD_MAX_GRES_KINDS]; /* typed ones first */
    uint32_t ngres;
};
/* part: tasks, or so many of the devices that the job's nodes share (td_shape_shared) */
void td_need_make(const struct td_shape *s, uint32_t part, struct td_need *ret);

/* How good a choice is; what score.c makes numbers of. */
struct td_choice {
    uint32_t domains, domains_min; /* domains its CPUs lie in, and the fewest they could */
    uint32_t cpus, near_cpus;      /* CPUs, and those of them close to its devices */
    uint32_t isles, isles_min;     /* islands of its devices, likewise */
    uint32_t devices;
};

/* Choosers. They change nothing: the CPUs and devices go into bitmaps (zeroed by the caller). */
struct td_scan { /* where to look on, within one lot: all its instances ask for the same */
    struct td_scan_domain {
        uint32_t whole_at, part_at;
    } *domains;
};
void td_scan_init(const struct td_node *n, struct td_arena *a, struct td_scan *s);
/* near: CPUs to be close to, or NULL. Returns CPUs chosen, 0 when they do not suffice. */
uint32_t td_choose_cpus(const struct td_node *n, const struct td_pool *p, struct td_scan *scan, uint32_t want, bool keep_off_devices,
                        const uint8_t *near, uint8_t *ret_bits, struct td_choice *choice);
/* Devices for one need out of every stock that serves it; ret[stock] gets the bits; near is or-ed into. Returns
 * false when there are not enough. *ret_near_any: some device has CPUs of its own. */
bool td_choose_devices(const struct td_node *n, const struct td_pool *p, const struct td_need_gres *need, uint32_t want_cpus,
                       uint8_t (*ret)[TD_DEVICE_BITS_BYTES], uint8_t *near, bool *ret_near_any, struct td_choice *choice);
static inline bool td_stock_serves(const struct td_gres_stock *s, const struct td_need_gres *need)
{
    return td_str_equal(s->name, need->name) && (td_str_empty(need->type) || td_str_equal(s->type, need->type));
}

/* One instance: chooses, and takes it of the pool. On refusal the pool is as before. */
struct td_lack {
    uint32_t refusal;
    uint64_t shortage;
};
bool td_place(const struct td_node *n, struct td_pool *p, struct td_scan *scan, const struct td_need *need, struct td_arena *a,
              struct td_placement *ret, struct td_choice *choice, struct td_lack *why);

/* Scores, 0..1000 each. */
uint32_t td_score_fit(const struct td_choice *c);
uint32_t td_score_frag(const struct td_node *n, const struct td_pool *before, const struct td_pool *after);
uint32_t td_score_sum(uint32_t fit, uint32_t frag, uint32_t health, uint32_t warmth);

/* Does a node with these features (comma-separated) meet the constraint? & | ! ( ); a comma is an &. A constraint
 * that cannot be read is met by no node (the broker refuses such a one at submission). */
bool td_features_meet(const char *features, const char *constraint);

#endif
