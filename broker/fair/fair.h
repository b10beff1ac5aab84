/* fair.h - who is to be served next: Fair Tree, decay of usage, and the sum of a job's priority
 *
 * Pure arithmetic on arrays that the caller fills in; integers only, so that every machine agrees, and never a division by
 * nothing. Knows no core, no records, no clock. Sources: Slurm's pages "Fair Tree Fairshare Algorithm" and "Multifactor
 * Priority Plugin". */
#ifndef TD_FAIR_H
#define TD_FAIR_H

#include "base/base.h"

/* --- the tree */
struct td_fair_node {
    uint32_t parent;   /* index of its account, smaller than its own; of the root, which is the first, unused */
    bool is_user;
    bool parents_share; /* Fairshare=parent: of an account, its own are as its parent's; a user is as his account */
    uint32_t shares;
    uint64_t usage;
};
struct td_fair_level {
    uint64_t shares, shares_level; /* its own; of it and its siblings */
    uint64_t usage, usage_level;
    uint32_t rank; /* of a user: from the number of users down, ties share one; 0 of an account */
};
/* Level fairshare is (shares / shares_level) / (usage / usage_level): nothing used is infinite, no shares are nothing. */
int td_fair_compare(const struct td_fair_level *a, const struct td_fair_level *b); /* < 0: a is served less well */
/* Ranks all users; returns how many there are. A user's factor is rank / users. */
uint32_t td_fair_tree(const struct td_fair_node *nodes, uint32_t n, struct td_fair_level *ret);

/* --- decay */
#define TD_FAIR_UNDECAYED (UINT64_C(1) << 63)
uint64_t td_fair_factor(uint64_t elapsed_ms, uint32_t half_life_s); /* in 1/2^63; half-life 0: nothing decays */
uint64_t td_fair_decay(uint64_t usage, uint64_t factor);

/* --- priority */
#define TD_PRIORITY_ONE 1000000000u /* a factor of 1 */
#define TD_PRIORITY_KINDS 64
struct td_ratio {
    uint64_t part, whole; /* whole 0: the factor is 0; part beyond it: 1 */
};
struct td_priority_weights {
    uint32_t age, assoc, fair, size, partition, qos;
    const uint64_t *kinds; /* of each kind of resource, in millionths */
    uint32_t nkinds;
};
struct td_priority_job {
    struct td_ratio age;    /* eligible for so long, of PriorityMaxAge */
    struct td_ratio assoc, partition, qos; /* its own, of the highest there is */
    struct td_ratio fair;   /* rank, of all users */
    struct td_ratio nodes, cpus; /* wanted, of the cluster's */
    uint32_t limit_m;       /* time limit in minutes, for relative_to_time */
    bool favor_small, relative_to_time;
    const struct td_ratio *kinds; /* wanted, of its partition's; nkinds as the weights */
    int64_t site, nice;
};
struct td_priority {
    uint32_t age_factor, assoc_factor, fair_factor, size_factor, partition_factor, qos_factor;
    uint64_t age, assoc, fair, size, partition, qos, kinds[TD_PRIORITY_KINDS]; /* weighted, to the nearest */
    uint64_t sum;   /* 1 .. 2^32 - 1 */
};
void td_priority_compute(const struct td_priority_weights *w, const struct td_priority_job *j, struct td_priority *ret);

#endif
