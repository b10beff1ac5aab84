/* doctor.h - what tender doctor finds: one sentence each, with what mends it; doctor.c asks, the others look
 *
 *   doctor_host.c   programs, disk, limits, users: what one host has
 *   doctor_net.c    names, ports, keys: what hosts have in common */
#ifndef TD_CLIENT_DOCTOR_H
#define TD_CLIENT_DOCTOR_H

#include "cluster/cluster.h"

enum finding_kind { FINDING_OK, FINDING_NOTE, FINDING_ILL };
struct finding {
    enum finding_kind kind;
    const char *check, *text;
};
struct visit {
    struct td_arena arena;
    TD_VEC(struct finding) v;
    uint32_t ills;

    struct cluster local;         /* dir "": not one of tender up */
    struct worker_lines lines;    /* its workers */
    struct td_conf *conf;         /* NULL: none was found, or it does not read */
    struct client *c;
    const struct td_config *told; /* what the broker says of itself; NULL: it does not answer */
    struct client_nodes nodes;
};
void doctor_say(struct visit *v, enum finding_kind kind, const char *check, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define doctor_good(v, ...) doctor_say((v), FINDING_OK, __VA_ARGS__)
#define doctor_note(v, ...) doctor_say((v), FINDING_NOTE, __VA_ARGS__)
#define doctor_ill(v, ...) doctor_say((v), FINDING_ILL, __VA_ARGS__)
const char *doctor_told(const struct visit *v, const char *key); /* of the broker's status; NULL: not said */
void doctor_state_dir(const struct visit *v, char out[TD_MAX_PATH_BYTES]); /* the broker's */
bool doctor_has_worker_here(const struct visit *v, const char *node); /* tender up started it */

void doctor_look_at_programs(struct visit *v);
void doctor_look_at_disk(struct visit *v);
void doctor_look_at_limits(struct visit *v);
void doctor_look_at_users(struct visit *v);

void doctor_look_at_names(struct visit *v);
void doctor_look_at_ports(struct visit *v);
void doctor_look_at_keys(struct visit *v);

#endif
