/* bid.h - what fits on this node, how well, or why not (pure)
 *
 * Owns: struct td_node, the worker's own picture of its machine: inventory and what is held of it.
 * Source of the scores: fit favours cores, memory and devices of one NUMA node and one island; fragmentation favours
 * the placement after which the largest whole blocks (islands of devices above all) stay free. */
#ifndef TD_BID_H
#define TD_BID_H

#include "types/types.h"

struct td_node;
struct td_node *td_node_new(void);
void td_node_destroy(struct td_node **p);
/* Copies the inventory. core_is_unit: whole cores; memory_counts: memory is consumed. Keeps what is held. */
void td_node_set(struct td_node *n, const char *name, const struct td_inventory *inv, bool core_is_unit, bool memory_counts);
void td_node_set_draining(struct td_node *n, bool draining);
void td_node_set_health(struct td_node *n, uint32_t health);               /* 0..1000, 1000 at first; 0 refuses every lot */
void td_node_set_partitions(struct td_node *n, struct td_strs partitions); /* copied; none = not known, any is right */
const struct td_inventory *td_node_inventory(const struct td_node *n);
uint64_t td_node_version(const struct td_node *n); /* grows with every change */

/* Could this placement be taken now (nothing overlaps, indices exist)? TD_REFUSAL_NONE or why not. */
uint32_t td_node_covers(const struct td_node *n, const struct td_placement *p);
void td_node_take(struct td_node *n, uint32_t job, uint32_t attempt, const struct td_placement *p);
bool td_node_give(struct td_node *n, uint32_t job, uint32_t attempt); /* false: was not held */
uint32_t td_node_held(const struct td_node *n);

/* One answer for each lot, in the arena. Lots come in priority order: a lot is answered as if all instances of the
 * lots before it that fit here had been won here; where that leaves nothing it is answered for the node as it is now
 * (the broker's ledger settles the rest). At most INSTANCES_PER_BID placements. */
void td_node_bid(const struct td_node *n, const struct td_lot *lots, uint32_t nlots, struct td_arena *a, struct td_lot_bid *ret);

#endif
