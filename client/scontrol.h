/* scontrol.h - scontrol's parts */
#ifndef TD_CLIENT_SCONTROL_H
#define TD_CLIENT_SCONTROL_H

#include "connect.h"
#include "option.h"

struct scontrol {
    bool all, json, oneliner, quiet;
    uint32_t details, verbose, op;
    struct td_arena *arena;
    struct client client;
};
/* Handlers of words: words[0] is the word itself; the result is the exit code. */
typedef int scontrol_fn(struct scontrol *s, char **words, uint32_t n);
scontrol_fn scontrol_create, scontrol_show, scontrol_op, scontrol_update, scontrol_delete, scontrol_write, scontrol_ping, scontrol_reconfigure,
    scontrol_shutdown, scontrol_version, scontrol_help, scontrol_refuse;
/* Of the reservation that the words name (scontrol_reservation.c). */
int scontrol_set_reservation(struct scontrol *s, char **words, uint32_t n, bool create);
int scontrol_delete_reservation(struct scontrol *s, const char *name);
/* Says "<before><the error's words>" and returns 1. */
int scontrol_fail(const struct scontrol *s, const char *before, const struct td_error *err);

#endif
