/* denied.c - what the shell refuses for want of a right, kept until the core can be told
 *
 * The core counts and tells it (audit.c there): once at once, then once a minute. Bounded: beyond DENIED_MAX in one wake
 * they are counted only. */
#include "broker/shell.h"

#define DENIED_MAX 256u

static struct shell_denied *next(struct shell *s, uint32_t id, const char *text)
{
    if (s->denied.n >= DENIED_MAX) {
        td_core_counters(s->core)->denied++;
        return NULL;
    }
    struct shell_denied d = {.id = id};
    td_format(d.text, sizeof(d.text), "%s", text);
    td_vec_push(&s->denied, d);
    return &s->denied.v[s->denied.n - 1];
}

void shell_denied_node(struct shell *s, const struct shell_from *from, const char *node, uint32_t id, const char *text)
{
    struct shell_denied *d = next(s, id, text);
    if (!d)
        return;
    d->bus = true;
    td_format(d->address, sizeof(d->address), "%s", from->address ? from->address : "");
    for (size_t i = 0; i + 1 < sizeof(d->node) && node && node[i]; i++) /* a stranger's word: into the log only as letters */
        d->node[i] = node[i] > ' ' && node[i] < 0x7f ? node[i] : '?';
}

void shell_denied(struct shell *s, const struct shell_from *from, uint32_t id, const char *text)
{
    if (from->key) {
        shell_denied_node(s, from, NULL, id, text);
        return;
    }
    struct shell_denied *d = next(s, id, text);
    if (d)
        d->uid = from->uid;
}

void shell_denied_tell(struct shell *s)
{
    for (uint32_t i = 0; i < s->denied.n && !s->down; i++) {
        const struct shell_denied *d = &s->denied.v[i];
        const struct td_msg_row *row = td_msg_row(d->id);
        const struct td_ev_access_refused ev = {.uid = d->uid,
                                                .request = row ? row->name : "?",
                                                .node = d->node,
                                                .address = d->address,
                                                .bus = d->bus,
                                                .count = 1,
                                                .text = d->text};
        shell_input(s, &(struct td_input){.kind = TD_IN_AUDIT, .uid = d->uid, .id = TD_EV_ACCESS_REFUSED, .body = &ev});
    }
    s->denied.n = 0;
}
