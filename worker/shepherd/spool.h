/* spool.h - what happened to attempts, numbered, until the broker has it
 *
 * Statuses live in memory until they are acknowledged; each turn of the loop appends the new ones to DIR/spool/statuses
 * in one write(2) before any of them is reported. There is no fsync: a host that crashes changes its boot id, and then
 * all attempts on it are dead whatever the file says. The file is for the shepherd's own death: the next one reads
 * which processes may be left behind, goes on numbering, and sends again what was not acknowledged. */
#ifndef TD_SPOOL_H
#define TD_SPOOL_H

#include "types/types.h"

struct status {
    struct td_report report; /* text is owned */
    int64_t at_boot_ms;      /* CLOCK_BOOTTIME when it happened */
};
typedef TD_VEC(struct td_spool_life) life_vec;

struct spool {
    char path[4096], path_new[4096];
    char boot_id[65];
    int fd;
    size_t bytes;             /* of the file */
    size_t compact_at;        /* written anew beyond this */
    uint64_t next_no, acked;
    TD_VEC(struct status) waiting; /* unacknowledged, by number; the first `taken` of v are gone already */
    uint32_t taken;
    uint32_t committed;       /* index of the first status that is not in the file yet */
    life_vec new_lives;       /* not in the file yet */
    TD_VEC(struct td_report) scratch;
    struct td_buf page;
    bool failing;             /* the last write failed: said once */
};

/* Opens DIR/spool/statuses. `ret_lives`: processes that an earlier shepherd may have left behind (td_vec_release it);
 * boot_id stays the old one where nothing was alive in it, so that statuses not yet acknowledged keep their worth. */
int spool_open(struct spool *s, const char *dir, const char *host_boot_id, life_vec *ret_lives, struct td_error *err);
/* Something was alive that the file did not know of: all that is not known to have ended is dead. */
void spool_new_boot(struct spool *s, const char *host_boot_id);
void spool_release(struct spool *s);
/* Numbers the report and keeps it; returns its number. Stamps its times. */
uint64_t spool_add(struct spool *s, const struct td_report *r, int64_t now_boot_ms);
void spool_add_life(struct spool *s, const struct td_spool_life *life);
/* Appends what is new. A disk that refuses is logged and survived: the statuses are still in memory, and the worker
 * gets them; only the death of this process before the acknowledgement could lose them. */
void spool_commit(struct spool *s);
void spool_ack(struct spool *s, uint64_t acked);
/* Writes the file anew with what still matters (`lives`: of running attempts); called when it has grown. */
bool spool_has_grown(const struct spool *s);
void spool_compact(struct spool *s, const struct td_spool_life *lives, uint32_t nlives);
/* First waiting status with a number > no; NULL if none. *ret_n how many follow, it included. */
struct status *spool_after(struct spool *s, uint64_t no, uint32_t *ret_n);

#endif
