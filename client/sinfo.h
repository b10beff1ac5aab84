/* sinfo.h - what sinfo's files share */
#ifndef TD_CLIENT_SINFO_H
#define TD_CLIENT_SINFO_H

#include "connect.h"
#include "render/node.h"

struct sinfo {
    bool no_header, long_form, by_node, summary, reasons, exact, json, watch, reservations;
    const char *format, *names, *sort;
    uint32_t every_s;
    struct node_filter filter;
};
/* The picture of this moment, as text, by a connection of its own. */
struct sinfo_picture {
    struct td_buf text;      /* the table; with --json the whole document */
    TD_VEC(char *) rows;     /* --json: each row by itself, one line; owned */
    int64_t now_ms;
    uint32_t stale_ms;
};
/* Error: USAGE without words where the format is none, and that was said. */
int sinfo_take(const struct sinfo *s, struct sinfo_picture *ret, struct td_error *err);
void sinfo_picture_release(struct sinfo_picture *p);
int sinfo_watch(const struct sinfo *s, struct td_error *err); /* --watch */

#endif
