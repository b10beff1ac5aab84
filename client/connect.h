/* connect.h - a command's way to its cluster: find it, ask, gather answers */
#ifndef TD_CLIENT_CONNECT_H
#define TD_CLIENT_CONNECT_H

#include "conf/conf.h"
#include "local/local.h"

#define CLIENT_TIMEOUT_MS 20000

struct client {
    struct td_conf_place place;
    struct td_call call;
    struct td_arena arena; /* owns every answer */
    bool open;
    bool any_door; /* by whichever door stood; if it falls, another will do */
};
/* Finds the cluster from SLURM_CONF, the user's default, /etc/slurm. Does not connect. */
int client_find(struct client *c, struct td_error *err);
int client_find_by(struct client *c, const char *conf, struct td_error *err); /* the cluster of this slurm.conf; NULL: as above */
int client_open(struct client *c, struct td_error *err); /* finds and connects */
int client_reopen(struct client *c, struct td_error *err); /* the connection was lost: again, by whatever door stands */
int client_open_front(struct client *c, struct td_error *err); /* and no other door */
int client_open_broker(struct client *c, struct td_error *err); /* its own door, past any front: who starts and ends it */
void client_drop(struct client *c); /* the connection alone; answers stay */
void client_close(struct client *c);
/* One question, one answer of the kind `want`; any other kind is an error of ours or the broker's, said in words. Who is told
 * that he asks too often waits and asks again, twice. A connection lost before the answer is made again, once, if the
 * question may be asked twice. */
int client_ask(struct client *c, uint32_t id, const void *body, uint32_t want, void **ret_body, struct td_error *err);
int client_more(struct client *c, uint32_t want, void **ret_body, struct td_error *err); /* the next frame of the same answer */

struct client_jobs {
    TD_VEC(const struct td_job_info *) rows; /* in the arena of the client */
    uint64_t seq; /* journal number they are of */
    int64_t now_ms;
    uint32_t stale_ms; /* so long the front had not heard the broker */
};
struct client_nodes {
    TD_VEC(struct td_node_info) rows;
    int64_t now_ms;
    uint32_t stale_ms;
};
struct client_steps {
    TD_VEC(struct td_step_info) rows;
    int64_t now_ms;
};
int client_jobs(struct client *c, const struct td_query_jobs *q, struct client_jobs *ret, struct td_error *err);
int client_nodes(struct client *c, const char *nodes, struct client_nodes *ret, struct td_error *err);
int client_steps(struct client *c, uint32_t job, struct client_steps *ret, struct td_error *err); /* 0: of all; scripts too */
int client_partitions(struct client *c, const char *name, struct td_partition_info_list *ret, struct td_error *err);

int client_reservations(struct client *c, const char *name, struct td_reservation_info_list *ret, struct td_error *err); /* NULL: all */

/* "12", "12_3", "12_[1-3,7]", "12_*". Error: INVALID_JOB naming the text. */
int client_sel_parse(struct td_arena *a, const char *text, struct td_job_sel *ret, struct td_error *err);
/* "12", "12_3", with ".0" or ".batch" for one of its steps; TD_INFINITE: all of them. */
struct client_step_id {
    uint32_t job, task, step;
    bool array; /* task is said */
};
int client_step_parse(const char *text, struct client_step_id *ret, struct td_error *err);
bool client_step_is(const struct client_step_id *id, const struct td_step_info *row);
/* The wall clock in milliseconds, and the zone east of UTC at an instant: the only places commands ask. */
int64_t client_now_ms(void);
int32_t client_zone_s(int64_t at_ms);

#endif
